// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <caf/message_view.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/sec.hpp>
#include <spdlog/spdlog.h>

#include <exception>

namespace vivarium {

/// First line of every actor: an unknown message and an exception go to the log instead of stdout,
/// and never with their contents, which are a tenant's. An exception ends the actor; its supervisor
/// decides what follows.
template <class Self>
void speak_through_spdlog(Self* self) {
  self->set_default_handler(
      [](caf::scheduled_actor* me, caf::message_view& m) -> caf::result<caf::message> {
        spdlog::warn("{}#{} dropped a message of {} element(s)", me->name(), me->id(),
                     m.content().size());
        return caf::sec::unexpected_message;
      });
  self->set_exception_handler([](caf::scheduled_actor* me, std::exception_ptr& p) -> caf::error {
    try {
      std::rethrow_exception(p);
    } catch (const std::exception& e) {
      spdlog::error("{}#{} threw: {}", me->name(), me->id(), e.what());
    } catch (...) {
      spdlog::error("{}#{} threw something", me->name(), me->id());
    }
    return caf::sec::runtime_error;
  });
}

} // namespace vivarium
