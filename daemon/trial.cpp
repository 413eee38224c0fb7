// SPDX-License-Identifier: Apache-2.0
#include "daemon/trial.hpp"

#include "bridge/natural.hpp"
#include "proto/unique_fd.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vivarium {

namespace {

using clock = std::chrono::steady_clock;
constexpr std::chrono::seconds start_patience{60};
constexpr std::chrono::seconds end_patience{10};
constexpr int answer_patience_s = 60;
constexpr int pause_ms = 10;

// Enough for honest code, little enough that the attacks of the doctor cost the machine nothing.
constexpr std::string_view small_limits = R"(
[server]
drain_timeout = "100ms"
[limits]
memory = "64MiB"
workspace = "8MiB"
workspace_inodes = 200
threads = 16
descriptors = 64
output = "64KiB"
grace = "300ms"
[pool]
ready = 2
low = 1
)";

std::string json_text(std::string_view text) {
  std::string out;
  bridge::append_json_string(out, text); // Which is a string of TOML as well.
  return out;
}

std::string list_of(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const auto& text : texts)
    out += (out.size() > 1 ? ", " : "") + json_text(text);
  return out + "]";
}

std::string configuration(const config& as) {
  const auto& environment = as.core.environments.at("default");
  std::string out{small_limits};
  out += "[sandbox]\nallow_degraded = " + list_of(as.allow_degraded)
         + "\nuid_base = " + std::to_string(as.core.uid_base) + "\n";
  out += "[environments.default]\npython = " + json_text(environment.python)
         + "\npreload = []\nwrapper = " + list_of(environment.wrapper) + "\n";
  return out;
}

void pause_a_moment() {
  ::poll(nullptr, 0, pause_ms);
}

} // namespace

trial::trial(std::string folder) noexcept : folder_{std::move(folder)} {}

trial::trial(trial&& other) noexcept
    : folder_{std::exchange(other.folder_, {})}, pid_{std::exchange(other.pid_, -1)} {}

trial::~trial() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    auto end = clock::now() + end_patience;
    while (::waitpid(pid_, nullptr, WNOHANG) == 0) {
      if (clock::now() > end) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        break;
      }
      pause_a_moment();
    }
  }
  std::error_code ignored; // Nothing is left to tell it to.
  if (!folder_.empty())
    std::filesystem::remove_all(folder_, ignored);
}

result<trial> trial::start(const config& as) {
  auto folder = (std::filesystem::temp_directory_path() / "vivarium-doctor-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr)
    return os_error("mkdtemp", folder, errno);
  trial out{folder};
  if (std::ofstream file{folder + "/vivarium.toml"}; !(file << configuration(as) << std::flush))
    return error{errc::os_failure, "cannot write " + folder + "/vivarium.toml"};
  if (auto ok = out.spawn(); !ok)
    return ok.why();
  if (auto ok = out.wait_until_ready(); !ok)
    return ok.why();
  return out;
}

status trial::spawn() {
  std::vector<std::string> words{
      "vivariumd",        "--config", folder_ + "/vivarium.toml", "--state-dir",
      folder_ + "/state", "--listen", "unix://" + folder_ + "/s"};
  std::vector<char*> arguments;
  for (auto& word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::string secret{trial_secret};
  secret += "=1"; // The sum at once GCC 12 misreads when it optimises.
  std::vector<char*> variables;
  for (char** one = environ; *one != nullptr; ++one)
    variables.push_back(*one);
  variables.push_back(secret.data());
  variables.push_back(nullptr);
  auto log = folder_ + "/log";
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  int code =
      ::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, arguments.data(), variables.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (code != 0) {
    pid_ = -1;
    return os_error("posix_spawn", "/proc/self/exe", code);
  }
  return done{};
}

std::string trial::last_words() const {
  std::ifstream log{folder_ + "/log"};
  std::string last;
  for (std::string line; std::getline(log, line);)
    if (!line.empty())
      last = std::move(line);
  return last;
}

status trial::wait_until_ready() {
  auto end = clock::now() + start_patience;
  for (;;) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return error{errc::unavailable, "it did not start: " + last_words()};
    }
    auto answer = exchange("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    if (answer && answer->starts_with("HTTP/1.1 200"))
      return done{};
    if (clock::now() > end)
      return error{errc::unavailable, "it is not ready after a minute: " + last_words()};
    pause_a_moment();
  }
}

result<std::string> trial::exchange(std::string_view request) const {
  unique_fd peer{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  auto path = folder_ + "/s";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return error{errc::invalid_argument, "the path is too long for a socket: " + path};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  timeval patience{answer_patience_s, 0};
  ::setsockopt(peer.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(peer.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (::connect(peer.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return os_error("connect", path, errno);
  for (std::size_t sent = 0; sent < request.size();) {
    auto n = ::send(peer.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n <= 0)
      return os_error("send", path, errno);
    sent += static_cast<std::size_t>(n);
  }
  std::string answer;
  constexpr std::size_t most = 4u << 20;
  std::array<char, 65536> room{};
  while (answer.size() < most) {
    auto n = ::recv(peer.get(), room.data(), room.size(), 0);
    if (n < 0)
      return os_error("recv", path, errno);
    if (n == 0)
      return answer;
    answer.append(room.data(), static_cast<std::size_t>(n));
  }
  return error{errc::limit_exceeded, "the answer is too long"};
}

result<std::string> trial::evaluate(std::string_view source, std::string_view session,
                                    unsigned timeout_ms) const {
  auto body =
      R"({"source":)" + json_text(source) + R"(,"timeoutMs":")" + std::to_string(timeout_ms) + "\"";
  if (!session.empty())
    body += R"(,"createSession":true,"session":)" + json_text(session);
  body += "}";
  auto answer = exchange("POST /vivarium.v1.ExecutionService/Eval HTTP/1.1\r\nHost: localhost\r\n"
                         "Connection: close\r\nContent-Type: application/json\r\nContent-Length: "
                         + std::to_string(body.size()) + "\r\n\r\n" + body);
  if (!answer)
    return answer;
  auto end_of_head = answer->find("\r\n\r\n");
  return end_of_head == std::string::npos ? std::string{} : answer->substr(end_of_head + 4);
}

} // namespace vivarium
