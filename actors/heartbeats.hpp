// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"
#include "actors/heartbeat_settings.hpp"
#include "actors/observer.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace vivarium {

/// Whoever has a worker that may be asked. Called on the reactor's thread, from a timer.
class heart {
public:
  virtual ~heart() = default;
  /// Whether the worker should be at work: it has something to run, and nobody keeps it waiting.
  [[nodiscard]] virtual bool owes() const = 0;
  /// A count that changes when the worker says anything.
  [[nodiscard]] virtual std::uint64_t heard() const = 0;
  /// CPU time of the worker; nothing: it is gone.
  [[nodiscard]] virtual std::optional<std::chrono::microseconds> beaten() const = 0;
  /// Has the worker asked; it answers by saying something.
  virtual void ask() = 0;
  /// The worker does not answer and is to be ended.
  virtual void stopped(cause why) = 0;
};

/// A heart under watch, for as long as its owner holds this.
struct pulse {
  heart* of = nullptr; ///< Null: it is not to be looked at any more.

  // What the last looks have found.
  bool owed = false;
  std::uint64_t heard = 0;
  std::chrono::microseconds beaten{};
  clock_type::time_point since{}; ///< When it last gave a sign of life.
  std::optional<clock_type::time_point> asked = {};
  std::size_t missed = 0; ///< In a row.
};

// Whoever says something lives, and so does whoever computes, as long as its deadline allows: the
// kernel's clock of its CPU time tells. Only those that do neither, and should, are asked: those
// that wait for something, and those that are stopped or frozen. One timer for all; what owes
// nothing, such as an idle session, is passed over and never woken.

/// Looks at hearts by a timer of its own. Reactor thread.
class heartbeats {
public:
  heartbeats(boost::asio::io_context& reactor, observer& told, heartbeat_settings how);
  heartbeats(const heartbeats&) = delete;
  heartbeats& operator=(const heartbeats&) = delete;

  void add(const std::shared_ptr<pulse>& one);

  /// One round; also for tests.
  void look(clock_type::time_point now = clock_type::now());

private:
  void arm();
  void look_at(pulse& one, clock_type::time_point now, bool late);

  boost::asio::steady_timer timer_;
  observer& told_;
  heartbeat_settings how_;
  std::vector<std::weak_ptr<pulse>> all_;
  clock_type::time_point looked_{};
  bool armed_ = false;
};

} // namespace vivarium
