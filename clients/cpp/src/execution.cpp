// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/feed.hpp"
#include "clients/cpp/src/wire.hpp"

namespace vivarium {
inline namespace client_v1 {

using detail::decode;

namespace {

// One request of a wait that has no end; the connection's own checks see to a daemon that is gone.
constexpr std::chrono::minutes one_wait{10};

} // namespace

event_stream execution::follow(std::uint64_t from_sequence, std::uint32_t window) const {
  auto frame = detail::new_frame();
  frame->mutable_follow()->set_execution_id(id_);
  frame->mutable_follow()->set_from_sequence(from_sequence);
  return event_stream{detail::feed<event>::open(detail::need(core_), *frame, window, session_)};
}

request<std::optional<verdict>> execution::prepare_wait(std::chrono::milliseconds at_most) const {
  auto frame = detail::new_frame();
  frame->mutable_wait()->set_execution_id(id_);
  frame->mutable_wait()->set_timeout_ms(static_cast<std::uint64_t>(at_most.count()));
  return {{core_, std::move(frame)},
          [id = id_, session = session_](detail::reply& answer) -> std::optional<verdict> {
            auto& from = *answer.frame.mutable_wait();
            if (!from.done())
              return std::nullopt;
            auto out = decode(*from.mutable_verdict(), {answer.from, session});
            out.execution_id = id;
            out.request_id = answer.frame.request_id();
            return out;
          }};
}

std::optional<verdict> execution::wait(std::chrono::milliseconds at_most) const {
  return prepare_wait(at_most).get();
}

verdict execution::wait() const {
  for (;;)
    if (auto ended = wait(one_wait))
      return *std::move(ended);
}

namespace {

/// Asks again for as long as it has not ended; nothing blocks meanwhile.
void fulfil(const execution& job, const std::shared_ptr<std::promise<verdict>>& with) {
  job.prepare_wait(one_wait).then([job, with](std::exception_ptr why, std::optional<verdict> how) {
    if (why)
      return with->set_exception(std::move(why));
    if (how)
      return with->set_value(*std::move(how));
    try {
      fulfil(job, with);
    } catch (...) {
      with->set_exception(std::current_exception());
    }
  });
}

} // namespace

std::future<verdict> execution::future() const {
  auto made = std::make_shared<std::promise<verdict>>();
  auto out = made->get_future();
  fulfil(*this, made);
  return out;
}

request<bool> execution::prepare_cancel() const {
  auto frame = detail::new_frame();
  frame->mutable_cancel()->set_execution_id(id_);
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return answer.frame.cancel().cancelled(); }};
}

bool execution::cancel() const {
  return prepare_cancel().get();
}

} // namespace client_v1
} // namespace vivarium
