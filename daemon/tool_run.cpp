// SPDX-License-Identifier: Apache-2.0
#include "daemon/tool_run.hpp"

#include "proto/unique_fd.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vivarium {

namespace {

constexpr int answer_fd = 3;
constexpr std::size_t most_answer = 8u << 20;

struct two_ends {
  unique_fd read;
  unique_fd write;
};

result<two_ends> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return os_error("pipe2", "", errno);
  return two_ends{unique_fd{ends[0]}, unique_fd{ends[1]}};
}

/// Nothing of the daemon's own environment but how the network is reached, and where programs are.
std::vector<std::string> clean_environment() {
  std::vector<std::string> out{"LANG=C.UTF-8", "PYTHONUNBUFFERED=1"};
  for (const char* name : {"PATH", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY",
                           "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"})
    if (const char* value = std::getenv(name)) // NOLINT(concurrency-mt-unsafe): nobody sets any
      out.push_back(std::string{name} + "=" + value);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (auto& text : texts)
    out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

} // namespace

tool_run::tool_run(boost::asio::io_context& reactor)
    : in_{reactor}, out_{reactor}, answer_{reactor}, process_{reactor}, deadline_{reactor} {}

tool_run::~tool_run() {
  if (pid_ == 0)
    return;
  kill_group();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

status tool_run::start(const tool_order& what, output_function on_output, end_function on_end) {
  auto in = make_pipe();
  auto out = make_pipe();
  auto answer = make_pipe();
  for (const auto* one : {&in, &out, &answer})
    if (!*one)
      return one->why();
  if (auto ok = spawn(what, in->read.get(), out->write.get(), answer->write.get()); !ok)
    return ok;
  int process = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (process < 0)
    return os_error("pidfd_open", "", errno);
  process_.assign(process);
  in_.assign(in->write.release());
  out_.assign(out->read.release());
  answer_.assign(answer->read.release());
  order_ = what.line + "\n";
  on_output_ = std::move(on_output);
  on_end_ = std::move(on_end);
  deadline_.expires_after(what.timeout);
  deadline_.async_wait([self = shared_from_this(), what = what.timeout](auto ec) {
    if (!ec)
      self->stop(error{errc::deadline_exceeded,
                       "it was not done within " + std::to_string(what.count()) + " ms"});
  });
  send_order();
  read_output();
  read_answer();
  await_end();
  return done{};
}

status tool_run::spawn(const tool_order& what, int in, int out, int answer) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  // A descriptor that is in its place already would stay close-on-exec: first out of the way.
  constexpr int high = 200;
  for (auto [from, to] : {std::pair{in, high}, {out, high + 1}, {answer, high + 2}})
    ::posix_spawn_file_actions_adddup2(&actions, from, to);
  for (auto [from, to] : {std::pair{high, 0}, {high + 1, 1}, {high + 1, 2}, {high + 2, answer_fd}})
    ::posix_spawn_file_actions_adddup2(&actions, from, to);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, answer_fd + 1);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
                                              | POSIX_SPAWN_SETPGROUP);
  ::posix_spawn_file_actions_addchdir_np(&actions, "/");
  std::vector<std::string> words{what.python, "-I", "-B", what.tool};
  auto variables = clean_environment();
  pid_t pid = 0;
  int failed = ::posix_spawn(&pid, what.python.c_str(), &actions, &attributes,
                             pointers(words).data(), pointers(variables).data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0)
    return os_error("posix_spawn", what.python, failed);
  pid_ = pid;
  return done{};
}

// The pipe stays open behind it: its end tells the tool that the daemon is gone.
void tool_run::send_order() {
  boost::asio::async_write(in_, boost::asio::buffer(order_),
                           [self = shared_from_this()](auto, std::size_t) {});
}

void tool_run::read_output() {
  out_.async_read_some(boost::asio::buffer(*out_room_),
                       [self = shared_from_this()](auto ec, std::size_t n) {
                         if (ec || self->pid_ == 0)
                           return;
                         self->on_output_({self->out_room_->data(), n});
                         self->read_output();
                       });
}

void tool_run::read_answer() {
  answer_.async_read_some(boost::asio::buffer(*answer_room_),
                          [self = shared_from_this()](auto ec, std::size_t n) {
                            if (ec || self->pid_ == 0)
                              return;
                            self->told_.append(self->answer_room_->data(), n);
                            if (self->told_.size() > most_answer)
                              return self->stop(error{errc::too_large, "its answer is too long"});
                            self->read_answer();
                          });
}

void tool_run::await_end() {
  process_.async_wait(descriptor::wait_read, [self = shared_from_this()](auto ec) {
    if (!ec)
      self->ended();
  });
}

template <class Take>
void tool_run::drain(descriptor& from, Take take) {
  boost::system::error_code ec;
  from.cancel(ec);
  from.non_blocking(true, ec);
  buffer room;
  for (std::size_t all = 0; all < most_answer;) {
    auto n = from.read_some(boost::asio::buffer(room), ec);
    if (ec)
      return;
    take(std::string_view{room.data(), n});
    all += n;
  }
}

void tool_run::ended() {
  kill_group(); // What it may have left behind.
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  deadline_.cancel();
  drain(out_, [this](std::string_view text) { on_output_(text); });
  drain(answer_, [this](std::string_view text) { told_ += text; });
  for (auto* one : {&in_, &out_, &answer_, &process_})
    one->close();
  auto then = std::exchange(on_end_, nullptr);
  on_output_ = nullptr;
  if (stopped_.code != errc::none)
    return then(std::move(stopped_));
  if (status != 0 || told_.empty() || told_.size() > most_answer)
    return then(error{errc::failed_precondition,
                      WIFSIGNALED(status)
                          ? "it was killed by signal " + std::to_string(WTERMSIG(status))
                          : "it ended with status " + std::to_string(WEXITSTATUS(status))});
  then(std::move(told_));
}

void tool_run::kill_group() const {
  // The leader is not reaped yet, so that nobody else can have its number.
  ::kill(-pid_, SIGKILL);
}

void tool_run::stop(error why) {
  if (pid_ == 0 || stopped_.code != errc::none)
    return;
  stopped_ = std::move(why);
  kill_group(); // `ended` follows.
}

} // namespace vivarium
