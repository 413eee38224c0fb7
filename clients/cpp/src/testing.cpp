// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/address.hpp"
#include "clients/cpp/src/child.hpp"

#include <vivarium/testing.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace vivarium {
inline namespace client_v1 {

namespace {

namespace fs = std::filesystem;
using clock = std::chrono::steady_clock;

// How often /readyz is asked; the daemon tells nobody when it becomes ready.
constexpr int ready_interval_ms = 10;

bool is_program(const fs::path& path) {
  return fs::is_regular_file(path) && ::access(path.c_str(), X_OK) == 0;
}

std::string make_directory() {
  auto base = detail::variable_of_environment("TMPDIR");
  auto name = (base.empty() ? std::string{"/tmp"} : base) + "/vivarium-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr)
    throw std::system_error{errno, std::generic_category(), "mkdtemp " + name};
  return name;
}

/// Nothing of the machine's own daemon is found from here.
std::vector<std::string> environment_in(const std::string& directory) {
  std::vector<std::string> out{"HOME=" + directory, "XDG_RUNTIME_DIR=" + directory,
                               "XDG_STATE_HOME=" + directory + "/state",
                               "TMPDIR=" + directory + "/tmp"};
  for (const char* name : {"PATH", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"})
    if (auto held = detail::variable_of_environment(name); !held.empty())
      out.push_back(std::string{name} + "=" + held);
  return out;
}

int left_ms(clock::time_point until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

} // namespace

std::string find_daemon(const std::string& chosen) {
  if (!chosen.empty())
    return chosen;
  if (auto named = detail::variable_of_environment("VIVARIUM_DAEMON"); !named.empty())
    return named;
  std::error_code why;
  const auto beside = fs::read_symlink("/proc/self/exe", why).parent_path();
  for (const auto& folder : {beside, beside.parent_path() / "bin"})
    if (!why && is_program(folder / "vivariumd"))
      return folder / "vivariumd";
  auto path = detail::variable_of_environment("PATH");
  for (std::size_t from = 0; from <= path.size();) {
    const auto to = std::min(path.find(':', from), path.size());
    if (to > from && is_program(fs::path{path.substr(from, to - from)} / "vivariumd"))
      return path.substr(from, to - from) + "/vivariumd";
    from = to + 1;
  }
  throw connection_error{"there is no vivariumd beside this program or in PATH"};
}

struct daemon_fixture::state {
  daemon_options how;
  std::string directory;
  std::string url;
  std::unique_ptr<detail::child> process;

  ~state() {
    if (process)
      process->end(how.stop_timeout, detail::child::manner::end);
    std::error_code ignored;
    fs::remove_all(directory, ignored);
  }

  [[nodiscard]] std::string log() const {
    std::ifstream in{directory + "/log", std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }

  [[noreturn]] void failed(const std::string& why) const {
    throw connection_error{"vivariumd " + why + "; its log:\n" + log()};
  }

  void start() {
    fs::create_directory(directory + "/tmp");
    std::ofstream config{directory + "/vivarium.toml"};
    config << how.config;
    // Also as root nothing of the machine's own daemon.
    if (how.config.find("[store]") == std::string::npos)
      config << "\n[store]\npath = \"" << directory << "/store.db\"\n";
    config.close();
    std::vector<std::string> command{find_daemon(how.program),
                                     "--config",
                                     directory + "/vivarium.toml",
                                     "--port-file",
                                     directory + "/port",
                                     "--listen",
                                     "127.0.0.1:0",
                                     "--listen",
                                     "unix://" + directory + "/vivarium.sock"};
    if (how.config.find("state_dir") == std::string::npos)
      command.insert(command.end(), {"--state-dir", directory + "/state/vivarium"});
    command.insert(command.end(), how.arguments.begin(), how.arguments.end());
    const detail::descriptor watch{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
    if (::inotify_add_watch(watch.get(), directory.c_str(), IN_MOVED_TO) < 0)
      throw std::system_error{errno, std::generic_category(), "inotify_add_watch " + directory};
    process = std::make_unique<detail::child>(std::move(command), environment_in(directory),
                                              directory, directory + "/log");
    const auto until = clock::now() + how.timeout;
    wait_for_port(watch.get(), until);
    wait_until_ready(until);
  }

  void wait_for_port(int watch, clock::time_point until) {
    std::array<char, 4'096> events; // NOLINT(cppcoreguidelines-pro-type-member-init)
    while (!fs::exists(directory + "/port")) {
      std::array wait{pollfd{watch, POLLIN, 0}, pollfd{process->pidfd(), POLLIN, 0}};
      const int ready = ::poll(wait.data(), wait.size(), left_ms(until));
      if (ready < 0 && errno != EINTR)
        throw std::system_error{errno, std::generic_category(), "poll"};
      if (ready == 0)
        failed("does not listen");
      if (wait[1].revents != 0 && !fs::exists(directory + "/port"))
        failed("ended at once");
      (void)!::read(watch, events.data(), events.size());
    }
    std::string port;
    std::ifstream{directory + "/port"} >> port;
    url = "http://127.0.0.1:" + port;
  }

  void wait_until_ready(clock::time_point until) {
    while (auto why = why_not_ready(url)) {
      pollfd ended{process->pidfd(), POLLIN, 0};
      if (::poll(&ended, 1, std::min(ready_interval_ms, left_ms(until))) > 0)
        failed("ended at once");
      if (clock::now() >= until)
        failed("does not become ready: " + *why);
    }
  }
};

daemon_fixture::daemon_fixture(daemon_options how) : state_{std::make_unique<state>()} {
  state_->how = std::move(how);
  state_->directory = make_directory();
  state_->start();
}

daemon_fixture::daemon_fixture(daemon_fixture&&) noexcept = default;
daemon_fixture& daemon_fixture::operator=(daemon_fixture&&) noexcept = default;
daemon_fixture::~daemon_fixture() = default;

const std::string& daemon_fixture::url() const noexcept {
  return state_->url;
}
std::string daemon_fixture::socket_url() const {
  return "unix://" + state_->directory + "/vivarium.sock";
}
const std::string& daemon_fixture::directory() const noexcept {
  return state_->directory;
}
int daemon_fixture::pid() const noexcept {
  return state_->process->pid();
}
client daemon_fixture::connect(const connect_options& how) const {
  return client::connect(state_->url, how);
}
std::string daemon_fixture::log() const {
  return state_->log();
}
int daemon_fixture::stop() {
  return state_->process->end(state_->how.stop_timeout, detail::child::manner::finish);
}
void daemon_fixture::kill() {
  state_->process->end(std::chrono::milliseconds{0}, detail::child::manner::end);
}

} // namespace client_v1
} // namespace vivarium
