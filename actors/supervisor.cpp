// SPDX-License-Identifier: Apache-2.0
#include "actors/supervisor.hpp"

#include "actors/handlers.hpp"

#include <caf/all.hpp>

#include <memory>
#include <utility>

namespace vivarium {

bool restart_budget::spend(clock_type::time_point now) {
  while (!spent_.empty() && now - spent_.front() > allowed_.within)
    spent_.pop_front();
  if (spent_.size() >= allowed_.restarts)
    return false;
  spent_.push_back(now);
  return true;
}

supervisor_actor::behavior_type
supervisor(supervisor_actor::stateful_pointer<supervisor_state> self, restart_intensity intensity,
           observer* watch, std::function<void()> escalate) {
  speak_through_spdlog(self);
  auto budget = std::make_shared<restart_budget>(intensity);
  self->set_down_handler([self, budget, watch,
                          escalate = std::move(escalate)](const caf::down_msg& down) {
    auto node = self->state.children.extract(down.source);
    bool in_order = !down.reason || down.reason == caf::exit_reason::user_shutdown
                    || down.reason == caf::exit_reason::kill;
    if (node.empty() || in_order)
      return;
    auto& child = node.mapped();
    if (!budget->spend(clock_type::now())) {
      spdlog::critical("supervisor: a {} failed and there have been too many failures: giving up",
                       child.kind);
      return escalate();
    }
    spdlog::error("supervisor: a {} failed and is made anew", child.kind);
    watch->actor_restarted(child.kind);
    auto successor = child.make();
    if (!successor)
      return; // It is not wanted any more.
    self->monitor(successor);
    self->state.children.emplace(successor.address(), std::move(child));
  });
  return {
      [self](atom::watch, std::string& kind, const caf::actor& who,
             std::function<caf::actor()>& make) {
        self->state.children.emplace(who.address(),
                                     supervisor_state::child{std::move(kind), std::move(make)});
        self->monitor(who);
      },
  };
}

} // namespace vivarium
