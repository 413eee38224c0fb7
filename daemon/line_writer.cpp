// SPDX-License-Identifier: Apache-2.0
#include "daemon/line_writer.hpp"

#include <cerrno>
#include <csignal>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vivarium {

namespace {

result<unique_fd> open_file(const std::string& path) {
  // Without O_NONBLOCK opening a pipe that nobody reads would never return.
  unique_fd file{
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600)};
  if (!file)
    return os_error("open", path, errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0)
    return os_error("stat", path, errno);
  if (!S_ISREG(info.st_mode))
    return error{errc::invalid_argument, path + " is not a regular file"};
  return file;
}

} // namespace

result<std::unique_ptr<line_writer>> line_writer::open(std::string path) {
  if (path == "stderr") {
    unique_fd copy{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
    if (!copy)
      return os_error("dup", "stderr", errno);
    return std::unique_ptr<line_writer>{new line_writer{"", std::move(copy)}};
  }
  auto file = open_file(path);
  if (!file)
    return std::move(file).why();
  return std::unique_ptr<line_writer>{new line_writer{std::move(path), *std::move(file)}};
}

line_writer::line_writer(std::string path, unique_fd file)
    : path_{std::move(path)}, file_{std::move(file)} {
  // Signals are for the thread that waits for them.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread{[this] { run(); }};
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

line_writer::~line_writer() {
  {
    std::lock_guard guard{lock_};
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool line_writer::push(std::string line) {
  {
    std::lock_guard guard{lock_};
    if (lines_.size() >= max_lines || bytes_ + line.size() > max_bytes)
      return false;
    bytes_ += line.size();
    lines_.push_back(std::move(line));
  }
  wake_.notify_one();
  return true;
}

void line_writer::reopen() {
  {
    std::lock_guard guard{lock_};
    reopen_ = true;
  }
  wake_.notify_one();
}

std::uint64_t line_writer::failed() const {
  std::lock_guard guard{lock_};
  return failed_;
}

bool line_writer::write(const std::string& text) const {
  std::string_view left{text};
  while (!left.empty()) {
    auto n = ::write(file_.get(), left.data(), left.size());
    if (n >= 0)
      left.remove_prefix(static_cast<std::size_t>(n));
    else if (errno != EINTR)
      return false;
  }
  return true;
}

void line_writer::run() {
  std::unique_lock guard{lock_};
  for (;;) {
    wake_.wait(guard, [this] { return ending_ || reopen_ || !lines_.empty(); });
    if (std::exchange(reopen_, false) && !path_.empty()) {
      guard.unlock();
      if (auto again = open_file(path_))
        file_ = *std::move(again);
      guard.lock();
    }
    auto taken = std::exchange(lines_, {});
    bytes_ = 0;
    if (taken.empty() && ending_)
      return;
    guard.unlock();
    std::uint64_t lost = 0;
    for (const auto& line : taken)
      lost += write(line) ? 0 : 1;
    guard.lock();
    failed_ += lost;
  }
}

} // namespace vivarium
