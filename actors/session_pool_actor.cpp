// SPDX-License-Identifier: Apache-2.0
#include "actors/session_pool_actor.hpp"

#include "actors/handlers.hpp"

#include <caf/all.hpp>

#include <utility>

namespace vivarium {

namespace {

using pointer = session_pool_actor::stateful_pointer<session_pool_state>;

/// Sends a message to the pool as long as it lives; for functions that may be called after it.
template <class... Args>
void tell(const caf::actor_addr& whom, Args&&... args) {
  if (auto strong = caf::actor_cast<caf::actor>(whom))
    caf::anon_send(strong, std::forward<Args>(args)...);
}

void start(pointer self, const session_pool_surroundings& around, const session_request& wish,
           std::uint64_t number) {
  self->state.members[number];
  auto answer = [me = self->address(), number](result<session_actor> made) {
    if (made)
      tell(me, atom::granted_v, number, *std::move(made));
    else
      tell(me, atom::refused_v, number, std::move(made).why());
  };
  caf::anon_send(around.host(), atom::create_v, wish, reply<session_actor>{std::move(answer)});
}

void give(pointer self, std::uint64_t number, const execution_ptr& what) {
  auto me = self->address();
  what->at_end([me, number, weak = std::weak_ptr{what}] {
    if (auto ended = weak.lock())
      tell(me, atom::ended_v, number, std::move(ended));
  });
  auto answer = [me, number, what](const result<execution_ptr>& taken) {
    if (!taken && !what->end())
      tell(me, atom::gone_v, number, what);
  };
  caf::anon_send(self->state.members.at(number).handle, atom::run_v, what,
                 reply<execution_ptr>{std::move(answer)});
}

void close(pointer self, std::uint64_t number) {
  auto found = self->state.members.find(number);
  if (found == self->state.members.end())
    return;
  found->second.unwanted = true;
  if (found->second.handle)
    caf::anon_send(found->second.handle, atom::close_v, reply<done>{});
}

session_pool_ports ports_of(pointer self, const session_pool_surroundings& around,
                            const session_request& wish) {
  return {
      .start = [self, around, wish](std::uint64_t number) { start(self, around, wish, number); },
      .run = [self](std::uint64_t number, const execution_ptr& what) { give(self, number, what); },
      .cancel =
          [self](std::uint64_t number, const execution_ptr& what, stop_mode mode,
                 const reply<bool>& to) {
            caf::anon_send(self->state.members.at(number).handle, atom::cancel_v, what, mode, to);
          },
      .pull =
          [self](std::uint64_t number, const execution_ptr& what, std::uint64_t credit) {
            caf::anon_send(self->state.members.at(number).handle, atom::pull_v, what, credit);
          },
      .close = [self](std::uint64_t number) { close(self, number); },
      .wake_at =
          [self](clock_type::time_point when) {
            self->state.timer->expires_at(when);
            self->state.timer->async_wait([me = self->address()](boost::system::error_code ec) {
              if (!ec)
                tell(me, atom::tick_v);
            });
          },
      .stop = [self] { self->quit(); },
  };
}

void on_granted(pointer self, std::uint64_t number, const session_actor& made) {
  auto& one = self->state.members[number];
  one.handle = made;
  self->state.numbers[made.address()] = number;
  self->monitor(made);
  if (one.unwanted)
    return close(self, number);
  auto answer = [me = self->address(), number](const result<session_info>& info) {
    if (info)
      tell(me, atom::greeted_v, number);
    else
      tell(me, atom::refused_v, number, info.why());
  };
  caf::anon_send(made, atom::describe_v, true, reply<session_info>{std::move(answer)});
}

void on_down(pointer self, const caf::actor_addr& who) {
  auto found = self->state.numbers.find(who);
  if (found == self->state.numbers.end())
    return;
  auto number = found->second;
  self->state.numbers.erase(found);
  self->state.members.erase(number);
  self->state.core->on_lost(number);
}

} // namespace

session_pool_actor::behavior_type session_pool(pointer self, session_pool_plan plan,
                                               session_pool_surroundings around) {
  speak_through_spdlog(self);
  self->state.timer.emplace(around.reactor);
  auto ports = ports_of(self, around, plan.wish);
  auto& watch = around.watch;
  self->state.core.emplace(std::move(plan), watch, std::move(ports));
  self->set_down_handler([self](const caf::down_msg& down) { on_down(self, down.source); });
  return {
      [self](atom::run, const execution_ptr& what, const reply<execution_ptr>& to) {
        self->state.core->run(what, to);
      },
      [self](atom::cancel, const execution_ptr& what, stop_mode mode, const reply<bool>& to) {
        self->state.core->cancel(what, mode, to);
      },
      [self](atom::pull, const execution_ptr& what, std::uint64_t credit) {
        self->state.core->pull(what, credit);
      },
      [self](atom::describe, const reply<session_pool_info>& to) {
        to.give(self->state.core->describe());
      },
      [self](atom::close) { self->state.core->close(); },
      [self](atom::granted, std::uint64_t number, const session_actor& made) {
        on_granted(self, number, made);
      },
      [self](atom::refused, std::uint64_t number, const error& why) {
        if (!self->state.members[number].handle)
          self->state.members.erase(number); // It was never made, and nobody will tell its end.
        self->state.core->on_failed(number, why);
      },
      [self](atom::greeted, std::uint64_t number) { self->state.core->on_ready(number); },
      [self](atom::gone, std::uint64_t number, const execution_ptr& what) {
        self->state.core->on_turned_away(number, what);
      },
      [self](atom::ended, std::uint64_t number, const execution_ptr& what) {
        self->state.core->on_done(number, what);
      },
      [self](atom::tick) { self->state.core->on_tick(); },
      [self](atom::drain) { self->state.core->drain(); },
  };
}

} // namespace vivarium
