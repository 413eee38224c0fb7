// SPDX-License-Identifier: Apache-2.0
#include "sandbox/priority.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace vivarium::sandbox;

TEST_CASE("a weight is a distance from the daemon's niceness", "[sandbox][unit]") {
  CHECK(niceness_of(100) == 5);
  CHECK(niceness_of(125) == 4);
  CHECK(niceness_of(80) == 6);
  CHECK(niceness_of(1) == 19);
  CHECK(niceness_of(0) == 19);
  CHECK(niceness_of(10'000) == 1);
}

TEST_CASE("a worker is made nicer than the daemon", "[sandbox][unit]") {
  auto child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  REQUIRE(child > 0);
  CHECK(make_nicer(child, 3));
  CHECK(::getpriority(PRIO_PROCESS, static_cast<id_t>(child))
        == std::min(::getpriority(PRIO_PROCESS, 0) + 3, 19));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK_FALSE(make_nicer(child, 3));
}

namespace {

/// A child that waits, with two threads more.
class crowd {
public:
  crowd() {
    int said[2];
    REQUIRE(::pipe(said) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      std::thread one{[] { ::pause(); }};
      std::thread other{[] { ::pause(); }};
      if (::write(said[1], "r", 1) == 1)
        ::pause();
      ::_exit(0);
    }
    char ready = 0;
    REQUIRE(::read(said[0], &ready, 1) == 1);
    ::close(said[0]);
    ::close(said[1]);
  }
  crowd(const crowd&) = delete;
  crowd& operator=(const crowd&) = delete;
  ~crowd() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::vector<pid_t> threads() const {
    std::vector<pid_t> out;
    for (const auto& each :
         std::filesystem::directory_iterator{"/proc/" + std::to_string(pid_) + "/task"})
      out.push_back(std::stoi(each.path().filename()));
    return out;
  }

private:
  pid_t pid_ = -1;
};

int processors_of(pid_t thread) {
  cpu_set_t may;
  CPU_ZERO(&may);
  return ::sched_getaffinity(thread, sizeof(may), &may) == 0 ? CPU_COUNT(&may) : -1;
}

} // namespace

TEST_CASE("all threads of a process go behind others and come back", "[sandbox][unit]") {
  priorities how;
  crowd of;
  // A sanitizer adds a thread of its own.
  REQUIRE(of.threads().size() >= 3);
  auto usual = processors_of(0);
  CHECK(how.put(of.pid(), standing::behind));
  for (auto thread : of.threads()) {
    CHECK((::sched_getscheduler(thread) == SCHED_IDLE) == (how.power() == priority_power::policy));
    CHECK((processors_of(thread) < usual) == (how.power() == priority_power::processors));
  }
  CHECK(how.put(of.pid(), standing::usual));
  for (auto thread : of.threads()) {
    CHECK(::sched_getscheduler(thread) == SCHED_OTHER);
    CHECK(processors_of(thread) == usual);
  }
}

TEST_CASE("without a class of their own those behind have other processors", "[sandbox][unit]") {
  priorities how;
  how.restrain(priority_power::processors);
  crowd of;
  auto usual = processors_of(0);
  CHECK((how.power() == priority_power::processors) == (usual > 1));
  CHECK(how.put(of.pid(), standing::ahead));
  auto ahead = processors_of(of.pid());
  CHECK(how.put_single(of.pid(), standing::behind));
  auto behind = processors_of(of.pid());
  CHECK(ahead + behind == (usual > 1 ? usual : 2 * usual));
  CHECK(ahead >= behind);
  CHECK(how.put(of.pid(), standing::usual));
  CHECK(processors_of(of.pid()) == usual);
  CHECK(::sched_getscheduler(of.pid()) == SCHED_OTHER);
}

TEST_CASE("who may do nothing does nothing", "[sandbox][unit]") {
  priorities how;
  how.restrain(priority_power::none);
  crowd of;
  CHECK(how.put(of.pid(), standing::behind));
  CHECK(how.put_single(of.pid(), standing::behind));
  CHECK(::sched_getscheduler(of.pid()) == SCHED_OTHER);
  CHECK(processors_of(of.pid()) == processors_of(0));
}

TEST_CASE("a process that is gone is put nowhere", "[sandbox][unit]") {
  auto child = ::fork();
  if (child == 0)
    ::_exit(0);
  ::waitpid(child, nullptr, 0);
  CHECK(priorities{}.put(child, standing::behind));
  CHECK(priorities{}.put_single(child, standing::behind));
  CHECK(parent_of(child) == 0);
  CHECK(child_of(child) == 0);
}

TEST_CASE("parents and children are found", "[sandbox][unit]") {
  crowd of;
  CHECK(parent_of(of.pid()) == ::getpid());
  CHECK(child_of(of.pid()) == 0);
}
