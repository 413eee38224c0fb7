// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_awaiting.hpp"

#include <utility>

namespace vivarium::rpc {

awaiting_call::awaiting_call(const context& with, const question& asked, std::shared_ptr<asker> who,
                             std::uint64_t tag)
    : basic_call{std::move(who), tag, asked.response}, core_{with.core}, aside_{with.aside},
      tenant_{asked.tenant} {}

void awaiting_call::submit(result<submission> what) {
  if (!what) {
    refuse(std::move(what).why());
    return;
  }
  core_.submit(tenant_, *std::move(what),
               reply<execution_ptr>{[self = shared_from_this()](result<execution_ptr> taken) {
                 self->submitted(std::move(taken));
               }});
}

void awaiting_call::submitted(result<execution_ptr> taken) {
  if (!taken) {
    refuse(std::move(taken).why());
    return;
  }
  running_ = *std::move(taken);
  if (running_->end()) {
    settle(running_);
  } else if (over()) {
    core_.abandon(tenant_, running_);
  } else {
    running_->subscribe(shared_from_this());
    if (given_up_)
      give_up();
  }
}

void awaiting_call::on_progress(execution& source) {
  if (source.end())
    settle(source.shared_from_this());
}

void awaiting_call::abandon() {
  basic_call::abandon();
  if (!running_)
    return; // `submitted` will see that nobody waits.
  running_->unsubscribe(this);
  if (!running_->end())
    core_.abandon(tenant_, running_);
}

void awaiting_call::give_up() {
  given_up_ = true;
  if (running_ && !running_->end())
    core_.cancel(tenant_, running_->id(), reply<bool>{[](const result<bool>&) {}});
}

} // namespace vivarium::rpc
