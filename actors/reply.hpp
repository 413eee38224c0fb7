// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <functional>
#include <memory>
#include <utility>

namespace vivarium {

/// Where an answer goes; cheap to copy. It is delivered exactly once: the first `give` or `refuse`
/// counts, and when the last copy disappears unanswered (an actor died with it) the asker gets
/// `unavailable`. Runs the asker's function on the thread that answers: the reactor's.
template <class T>
class reply {
public:
  using function = std::function<void(result<T>)>;

  reply() = default;
  explicit reply(function fn) : state_{std::make_shared<state>(std::move(fn))} {}

  void give(T value) const { deliver(result<T>{std::move(value)}); }
  void refuse(error why) const { deliver(result<T>{std::move(why)}); }
  void deliver(result<T> outcome) const {
    if (state_ && state_->fn)
      std::exchange(state_->fn, nullptr)(std::move(outcome));
  }

private:
  struct state {
    explicit state(function f) : fn{std::move(f)} {}
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state() {
      if (fn)
        fn(error{errc::unavailable, "the part of the daemon that was asked has failed; try again"});
    }
    function fn;
  };
  std::shared_ptr<state> state_;
};

} // namespace vivarium
