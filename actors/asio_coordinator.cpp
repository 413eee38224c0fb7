// SPDX-License-Identifier: Apache-2.0
#include "actors/asio_coordinator.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace vivarium {

namespace {

// Actors run per batch before the reactor looks at its sockets again.
constexpr std::size_t batch = 64;
// Messages that an actor may take before it stands at the end of the queue again. Not CAF's setting
// for it: that one is unlimited by default and had no effect on
// this module when it was tried; why was not found out.
constexpr std::size_t messages_per_turn = 64;
// At the end of the system: more than any orderly shutdown needs, so that a pair of actors that
// keep waking each other cannot hang it.
constexpr std::size_t last_runs = 1'000'000;

} // namespace

asio_unit::asio_unit(caf::actor_system* system, boost::asio::io_context& reactor,
                     std::size_t throughput)
    : caf::execution_unit{system}, reactor_{reactor}, throughput_{throughput} {}

bool asio_unit::on_reactor() const {
  return loop_thread_.load(std::memory_order_relaxed) == std::this_thread::get_id()
         || reactor_.get_executor().running_in_this_thread();
}

void asio_unit::exec_later(caf::resumable* job) {
  ready_.push_back(job);
  bool looping = loop_thread_.load(std::memory_order_relaxed) != std::thread::id{};
  if (!looping && !posted_)
    post_batch();
}

void asio_unit::run_reactor() {
  loop_thread_ = std::this_thread::get_id();
  run_ready(); // What was woken before anybody ran the reactor.
  while (reactor_.run_one() > 0)
    run_ready();
  loop_thread_ = std::thread::id{};
}

void asio_unit::run_ready() {
  for (std::size_t left = batch; left > 0 && !ready_.empty(); --left)
    run_some(1);
  if (!ready_.empty() && !posted_)
    post_batch(); // The sockets first; this keeps the reactor from going to sleep.
}

void asio_unit::enqueue(caf::resumable* job) {
  if (on_reactor()) {
    exec_later(job);
    return;
  }
  {
    std::lock_guard guard{inbox_lock_};
    inbox_.push_back(job);
  }
  boost::asio::post(reactor_, [self = shared_from_this()] {
    self->take_inbox();
    bool looping = self->loop_thread_.load(std::memory_order_relaxed) != std::thread::id{};
    if (!looping && !self->posted_)
      self->post_batch();
  });
}

void asio_unit::post_batch() {
  posted_ = true;
  boost::asio::post(reactor_, [self = shared_from_this()] { self->run_batch(); });
}

void asio_unit::run_batch() {
  posted_ = false;
  run_some(std::min(batch, ready_.size()));
  if (!ready_.empty() && !posted_)
    post_batch();
}

void asio_unit::run_some(std::size_t count) {
  for (; count > 0; --count) {
    auto* job = ready_.front();
    ready_.pop_front();
    switch (job->resume(this, throughput_)) {
      case caf::resumable::resume_later: ready_.push_back(job); break;
      case caf::resumable::done:
      case caf::resumable::awaiting_message: caf::intrusive_ptr_release(job); break;
      case caf::resumable::shutdown_execution_unit: break;
    }
  }
}

void asio_unit::take_inbox() {
  std::lock_guard guard{inbox_lock_};
  ready_.insert(ready_.end(), inbox_.begin(), inbox_.end());
  inbox_.clear();
}

void asio_unit::run_to_end() {
  posted_ = true; // Nobody is left to run a posted batch.
  for (std::size_t n = 0; n < last_runs; ++n) {
    take_inbox();
    if (ready_.empty())
      return;
    run_some(1);
  }
  for (auto* job : ready_)
    caf::scheduler::abstract_coordinator::cleanup_and_release(job);
  ready_.clear();
}

asio_coordinator::asio_coordinator(caf::actor_system& system, boost::asio::io_context& reactor)
    : abstract_coordinator{system}, reactor_{reactor} {}

void asio_coordinator::load_into(caf::actor_system_config& config,
                                 boost::asio::io_context& reactor) {
  config.module_factories.emplace_back([&reactor](caf::actor_system& system) {
    return new asio_coordinator{system, reactor};
  });
}

void asio_coordinator::start() {
  unit_ = std::make_shared<asio_unit>(&system(), reactor_, messages_per_turn);
  timer_ = std::thread{[this] { clock_.run_dispatch_loop(); }};
  abstract_coordinator::start();
}

void asio_coordinator::stop() {
  unit_->run_to_end();
  stop_actors();
  clock_.cancel_dispatch_loop();
  timer_.join();
  unit_->run_to_end();
}

void asio_coordinator::enqueue(caf::resumable* job) {
  unit_->enqueue(job);
}

} // namespace vivarium
