// SPDX-License-Identifier: Apache-2.0
#include "tests/sandbox/jail_fixture.hpp"

#include "sandbox/host.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include <poll.h>
#include <unistd.h>

namespace vivarium::sandbox::test {

namespace {

using clock = std::chrono::steady_clock;

// Tells a hang from progress; slow machines are given more.
std::chrono::seconds watchdog() {
  const char* told = std::getenv("VIVARIUM_WATCHDOG"); // NOLINT(concurrency-mt-unsafe)
  return std::chrono::seconds{std::max(20, told ? std::atoi(told) : 0)};
}

int left_until(clock::time_point end) {
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - clock::now()).count();
  return static_cast<int>(std::max<std::int64_t>(left, 0));
}

} // namespace

bool can_sandbox() {
  for (const auto& fact : probe_host())
    if (fact.required && !fact.present) {
      const char* must = std::getenv("VIVARIUM_MUST_SANDBOX"); // NOLINT(concurrency-mt-unsafe)
      if (must && std::string{must} == "1")
        FAIL("this machine lacks " << fact.name << ": " << fact.finding);
      WARN("not tested: this machine lacks " << fact.name << ": " << fact.finding);
      return false;
    }
  return true;
}

namespace {

// A jail has a /tmp and an /etc of its own, so an interpreter below the host's cannot be shown to
// it, and a checkout may well live in /tmp: the inmate runs from a copy elsewhere.
class inmate_copy {
public:
  inmate_copy() {
    std::string folder = "/var/tmp/vivarium-inmate-XXXXXX";
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    folder_ = folder;
    std::filesystem::permissions(folder_, std::filesystem::perms{0755});
    std::filesystem::copy_file(VIVARIUM_TEST_ZYGOTE, path());
  }
  inmate_copy(const inmate_copy&) = delete;
  inmate_copy& operator=(const inmate_copy&) = delete;
  ~inmate_copy() {
    std::error_code ignored; // Nothing is left to tell it to.
    std::filesystem::remove_all(folder_, ignored);
  }
  std::filesystem::path path() const { return folder_ / "test_zygote"; }

private:
  std::filesystem::path folder_;
};

} // namespace

jail_plan inmate_plan() {
  static const inmate_copy inmate;
  jail_plan plan;
  plan.environment = "inmates";
  plan.launcher = VIVARIUM_LAUNCHER;
  plan.python = inmate.path();
  plan.limits.memory_bytes = 64ull << 20;
  plan.limits.workspace_bytes = 16ull << 20;
  plan.limits.workspace_inodes = 200;
  plan.limits.threads = 8;
  plan.limits.descriptors = 64;
  return plan;
}

jail_plan without(std::initializer_list<layer> layers) {
  auto plan = inmate_plan();
  for (auto one : layers)
    plan.without.insert(one);
  return plan;
}

std::string call(long number, const std::string& arguments) {
  return "call " + std::to_string(number) + " " + arguments;
}

void inmate::say(const std::string& line) const {
  auto text = line + "\n";
  REQUIRE(::write(to_worker.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

long inmate::ask(const std::string& line) {
  say(line);
  std::string text;
  auto end = clock::now() + watchdog();
  while (!text.ends_with('\n')) {
    pollfd watched[] = {{from_worker.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}};
    REQUIRE(::poll(watched, 2, left_until(end)) > 0);
    if ((watched[1].revents & POLLIN) != 0)
      REQUIRE(drain_denials(listener.get(), 16,
                            [&](const denied_call& call) { denied.push_back(call); }));
    if (watched[0].revents == 0)
      continue;
    std::array<char, 64> part;
    auto n = ::read(from_worker.get(), part.data(), part.size());
    REQUIRE(n > 0);
    text.append(part.data(), static_cast<std::size_t>(n));
  }
  return std::stol(text);
}

bool inmate::ask_and_die(const std::string& line) {
  say(line);
  auto end = clock::now() + watchdog();
  for (;;) {
    pollfd watched[] = {{from_worker.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}};
    if (::poll(watched, 2, left_until(end)) <= 0)
      return false;
    if ((watched[1].revents & POLLIN) != 0)
      REQUIRE(drain_denials(listener.get(), 16,
                            [this](const denied_call& call) { denied.push_back(call); }));
    if (watched[0].revents == 0)
      continue;
    char c = 0;
    return ::read(from_worker.get(), &c, 1) == 0;
  }
}

jail_under_test::jail_under_test(const jail_plan& plan) {
  ::signal(SIGPIPE, SIG_IGN); // A worker that is gone shall fail the test, not end it.
  auto started = jail::start(plan);
  if (!started)
    FAIL(started.why().detail);
  jail_ = std::move(*started);
}

void jail_under_test::wait_until(const std::function<bool(jail_event&)>& taken) {
  for (auto at = kept_.begin(); at != kept_.end(); ++at)
    if (taken(*at)) {
      kept_.erase(at);
      return;
    }
  auto end = clock::now() + watchdog();
  for (;;) {
    while (auto event = jail_->receive()) {
      if (taken(*event))
        return;
      if (auto* over = std::get_if<jail_ended>(&*event))
        FAIL("the jail ended: " << over->detail);
      if (auto* over = std::get_if<zygote_ended>(&*event))
        UNSCOPED_INFO("zygote ended: " << over->wait_status << " " << over->detail);
      if (auto* failed = std::get_if<worker_failed>(&*event))
        UNSCOPED_INFO("worker failed: " << failed->step << " " << failed->errno_value);
      kept_.push_back(std::move(*event));
    }
    pollfd watched{jail_->control_fd(), POLLIN, 0};
    if (::poll(&watched, 1, left_until(end)) <= 0)
      FAIL("the watchdog bit");
  }
}

void jail_under_test::open(std::uint32_t generation) {
  REQUIRE(jail_->start_zygote(generation));
  wait_for<zygote_ready>([&](const zygote_ready& r) { return r.generation == generation; });
}

inmate jail_under_test::make(std::uint64_t number) {
  REQUIRE(jail_->spawn(number));
  auto ready = wait_for<worker_ready>([&](const worker_ready& r) { return r.worker == number; });
  inmate out;
  out.number = number;
  out.host_pid = ready.host_pid;
  out.to_worker = std::move(ready.to_worker);
  out.from_worker = std::move(ready.from_worker);
  out.listener = std::move(ready.listener);
  out.size = ready.size;
  return out;
}

void jail_under_test::end(std::uint64_t number) {
  REQUIRE(jail_->kill(number));
  wait_for<worker_gone>([&](const worker_gone& g) { return g.worker == number; });
}

bool eventually(const std::function<bool()>& done) {
  auto end = clock::now() + watchdog();
  while (!done()) {
    if (clock::now() > end)
      return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

std::vector<pid_t> family_of(pid_t root) {
  std::vector<pid_t> out{root};
  for (std::size_t i = 0; i < out.size(); ++i) {
    auto pid = std::to_string(out[i]);
    std::istringstream children{text_of("/proc/" + pid + "/task/" + pid + "/children")};
    for (pid_t child = 0; children >> child;)
      out.push_back(child);
  }
  return out;
}

bool is_alive(pid_t pid) {
  auto text = text_of("/proc/" + std::to_string(pid) + "/stat");
  auto name_end = text.rfind(')');
  return name_end != std::string::npos && text.substr(name_end + 2, 1) != "Z";
}

std::string text_of(const std::string& path) {
  std::ifstream in{path};
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string link_of(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::read_symlink(path, ignored).string();
}

std::size_t own_descriptors() {
  auto all = std::filesystem::directory_iterator{"/proc/self/fd"};
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

} // namespace vivarium::sandbox::test
