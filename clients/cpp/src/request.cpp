// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/wire.hpp"

namespace vivarium {
inline namespace client_v1 {
namespace detail {

void pending::cancel() const noexcept {
  if (auto on = core_.lock())
    on->abandon(id_);
}

void request_base::put_traceparent(std::string text) {
  frame_->set_traceparent(std::move(text));
}

void request_base::put_request_id(std::string text) {
  frame_->set_request_id(std::move(text));
}

std::shared_ptr<reply> request_base::exchange() {
  return need(core_)->exchange(*frame_);
}

pending request_base::dispatch(std::function<void(std::exception_ptr, reply*)> then) {
  const auto on = need(core_);
  auto answer = std::make_shared<reply>();
  answer->from = on;
  answer->held = hold_for(on, *frame_);
  const auto id = on->submit(
      *frame_, [answer, then = std::move(then)](std::exception_ptr why, v1::ServerFrame* frame) {
        if (!why && frame->has_error())
          why = error_of(frame->error());
        if (!why)
          answer->frame.Swap(frame);
        then(std::move(why), answer.get());
      });
  return {on, id};
}

} // namespace detail
} // namespace client_v1
} // namespace vivarium
