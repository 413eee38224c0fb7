// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"
#include "actors/family_looks.hpp"
#include "actors/observer.hpp"
#include "actors/watch_settings.hpp"
#include "sandbox/memory.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace vivarium {

/// A worker under watch. Who registered it holds it; when it is let go the watch forgets it.
struct watched_worker {
  pid_t pid = 0;
  std::uint64_t born_with = 0;       ///< Memory of the fork, which its limit does not count.
  std::uint64_t memory_limit = 0;    ///< Bytes above that.
  std::uint64_t tolerated = 0;       ///< So much more before it is killed.
  std::chrono::milliseconds cpu{0};  ///< That it may use in all; 0: any.
  bool busy = false;                 ///< It runs something. Set as often as need be: it is a flag.
  std::uint64_t taken = 0;           ///< At the last look, above what it was born with.
  std::uint64_t peak = 0;            ///< The most of it at any look.
  std::function<void(cause)> beyond; ///< Told once, when it is over a limit; it is to be killed.

  /// Set once it has started a process: its limits are those of all of them together.
  std::shared_ptr<sandbox::family> family = {};
  sandbox::family::usage all = {};               ///< At the last look at the family.
  std::uint64_t most_of_all = 0;                 ///< Bytes that all took at any look.
  bool asked = false;                            ///< A look at the family is under way.
  clock_type::time_point family_not_before = {}; ///< Its next look.
};

/// CPU time of a worker and all that it started, as far as is known at once. Nothing: it is gone.
[[nodiscard]] std::optional<std::chrono::microseconds> cpu_used_by(const watched_worker& one);

/// The memory that a machine is to keep available.
[[nodiscard]] std::uint64_t reserve_of(const sandbox::machine_memory& now,
                                       const watch_settings& how) noexcept;

/// Tells whether a machine is so full that a worker must go.
[[nodiscard]] bool is_full(const sandbox::machine_memory& now, const watch_settings& how) noexcept;

// The kernel's limits on a process are on address space. What a worker takes beyond them, such as
// page tables of sparse mappings and shared anonymous memory, is seen only by looking. The watch
// looks at every live worker from outside, in turns and at a bounded cost, and has those killed
// that are over a limit; the largest one when the machine runs out. Where a worker has started
// processes the kernel knows no limit on all of them: their sum is seen by looking as well.

/// Looks at workers by a timer of its own. Reactor thread.
class resource_watch {
public:
  resource_watch(boost::asio::io_context& reactor, observer& told, watch_settings how);
  resource_watch(const resource_watch&) = delete;
  resource_watch& operator=(const resource_watch&) = delete;

  using ticket = std::shared_ptr<watched_worker>;
  /// Watches a worker for as long as the caller holds it.
  void add(const ticket& one);

  /// One round; also for tests.
  void look();

private:
  void arm();
  void look_at(const ticket& one);
  void look_at_family(const ticket& one);
  void look_at_machine(clock_type::time_point now);

  boost::asio::steady_timer timer_;
  observer& told_;
  watch_settings how_;
  std::vector<std::weak_ptr<watched_worker>> all_;
  family_looks families_;
  std::size_t next_busy_ = 0;
  std::size_t next_idle_ = 0;
  clock_type::time_point machine_not_before_{};
  bool armed_ = false;
};

} // namespace vivarium
