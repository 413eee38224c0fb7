// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/jail.hpp"
#include "sandbox/listener.hpp"

#include <chrono>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

namespace vivarium::sandbox::test {

/// Warns and returns false where user namespaces are missing; fails when VIVARIUM_MUST_SANDBOX=1.
bool can_sandbox();

/// A plan for a jail whose zygote and workers are the inmate `test_zygote`.
jail_plan inmate_plan();

/// The same without some of the layers.
jail_plan without(std::initializer_list<layer> layers);

/// The line that has an inmate make a system call.
std::string call(long number, const std::string& arguments = "");

/// A worker as a test sees it.
struct inmate {
  std::uint64_t number = 0;
  pid_t host_pid = 0;
  unique_fd to_worker;
  unique_fd from_worker;
  unique_fd listener;
  fork_size size;
  std::vector<denied_call> denied; ///< What it was refused through the listener.

  /// Sends one line without waiting for an answer.
  void say(const std::string& line) const;
  /// Sends one line and returns the number answered, answering the listener meanwhile. Fails the
  /// test when the worker ends first or the watchdog bites.
  long ask(const std::string& line);
  /// Like `ask`, for attacks that end the worker: returns whether it hung up without an answer.
  bool ask_and_die(const std::string& line);
};

/// A jail and everything it said that nobody asked for yet.
class jail_under_test {
public:
  explicit jail_under_test(const jail_plan& plan = inmate_plan());

  jail& operator*() noexcept { return *jail_; }
  jail* operator->() noexcept { return &*jail_; }

  /// Starts a zygote and waits until it is ready.
  void open(std::uint32_t generation = 1);
  /// Orders a worker and waits until it is ready.
  inmate make(std::uint64_t number);
  /// Destroys the jail.
  void destroy() { jail_.reset(); }
  /// Kills a worker and waits until it is gone.
  void end(std::uint64_t number);

  /// Waits for the first event of a kind that fits, and takes it out. Others are kept.
  template <class Event, class Fits>
  Event wait_for(Fits fits) {
    Event out{};
    wait_until([&](jail_event& event) {
      auto* found = std::get_if<Event>(&event);
      if (!found || !fits(*found))
        return false;
      out = std::move(*found);
      return true;
    });
    return out;
  }
  template <class Event>
  Event wait_for() {
    return wait_for<Event>([](const Event&) { return true; });
  }
  /// Events received and not taken out yet.
  [[nodiscard]] const std::vector<jail_event>& kept() const noexcept { return kept_; }

private:
  void wait_until(const std::function<bool(jail_event&)>& taken);

  std::optional<jail> jail_;
  std::vector<jail_event> kept_;
};

/// Waits, polling with a watchdog, until `done` says so; returns whether it did.
bool eventually(const std::function<bool()>& done);

/// Host pids of all processes beneath `root`, itself included.
std::vector<pid_t> family_of(pid_t root);

/// Returns whether the process exists and is no zombie.
bool is_alive(pid_t pid);

/// Content of a file, "" when it cannot be read.
std::string text_of(const std::string& path);

/// Target of a link, e.g. "/proc/7/ns/pid".
std::string link_of(const std::string& path);

/// How many descriptors this process has open.
std::size_t own_descriptors();

} // namespace vivarium::sandbox::test
