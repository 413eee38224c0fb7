// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/detail/thread_safe_actor_clock.hpp>
#include <caf/execution_unit.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace vivarium {

// CAF's scheduler on the daemon's one reactor thread. An actor runs on the thread that reads the
// sockets, so a message between the two costs no wake-up of another thread. Actors that were woken
// wait in a queue of their own and run in batches between socket events, so that neither starves.

/// Runs woken actors on an io_context that exactly one thread runs.
class asio_unit : public caf::execution_unit, public std::enable_shared_from_this<asio_unit> {
public:
  asio_unit(caf::actor_system* system, boost::asio::io_context& reactor, std::size_t throughput);

  /// Queues a woken actor. Reactor thread only.
  void exec_later(caf::resumable* job) override;
  /// Queues a woken actor from whatever thread.
  void enqueue(caf::resumable* job);
  /// Runs the reactor until it stops or has nothing to do; actors that were woken run after each of
  /// its handlers, without a turn of the reactor of their own.
  void run_reactor();
  /// Runs everything that is queued and whatever that wakes, up to a bound. For the end of the
  /// actor system, when the reactor does not run any more.
  void run_to_end();

private:
  bool on_reactor() const;
  void run_ready();
  void post_batch();
  void run_batch();
  void run_some(std::size_t count);
  void take_inbox();

  boost::asio::io_context& reactor_;
  std::size_t throughput_;
  std::deque<caf::resumable*> ready_;
  bool posted_ = false;
  std::atomic<std::thread::id> loop_thread_{}; // who is inside run_reactor()

  std::mutex inbox_lock_;
  std::deque<caf::resumable*> inbox_; // from other threads
};

/// The scheduler module. Install it with `load_into` before the actor system is made.
class asio_coordinator : public caf::scheduler::abstract_coordinator {
public:
  asio_coordinator(caf::actor_system& system, boost::asio::io_context& reactor);

  /// Makes every actor system built from `config` schedule its actors on `reactor`, which must
  /// outlive the system and must be run by one thread only.
  static void load_into(caf::actor_system_config& config, boost::asio::io_context& reactor);

  /// Runs the reactor on the calling thread; use it instead of the reactor's own `run`.
  void run() { unit_->run_reactor(); }

  void start() override;
  void stop() override;
  void enqueue(caf::resumable* job) override;
  caf::actor_clock& clock() noexcept override { return clock_; }

private:
  boost::asio::io_context& reactor_;
  std::shared_ptr<asio_unit> unit_;
  caf::detail::thread_safe_actor_clock clock_;
  std::thread timer_;
};

} // namespace vivarium
