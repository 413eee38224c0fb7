// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/feed.hpp"
#include "clients/cpp/src/wire.hpp"

#include <vivarium/pool.hpp>

namespace vivarium {
inline namespace client_v1 {

namespace {

constexpr std::uint32_t message_window = 256;

} // namespace

namespace detail {

pool_info decode(const v1::Pool& from) {
  pool_info out;
  out.name = from.name();
  out.environment = from.environment();
  out.sessions = from.sessions();
  out.ready = from.ready();
  out.busy = from.busy();
  out.waiting = from.waiting();
  out.queue = from.queue();
  out.calls = from.calls();
  out.replaced = from.replaced();
  out.trouble = from.trouble();
  out.configured = from.configured();
  out.shared = from.shared();
  return out;
}

} // namespace detail

static_assert(static_cast<int>(affinity::strict_fail_fast) == v1::AFFINITY_STRICT_FAIL_FAST);

request<session_pool> client::prepare_pool(const pool_options& how) const {
  auto frame = detail::new_frame();
  auto& to = *frame->mutable_create_pool();
  to.set_name(how.name);
  to.set_sessions(how.sessions);
  if (how.queue)
    to.set_queue(*how.queue);
  detail::encode(how.session, *to.mutable_session(), core_);
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            return session_pool{answer.from, answer.frame.create_pool().pool().name()};
          }};
}

request<std::vector<pool_info>> client::prepare_pools() const {
  auto frame = detail::new_frame();
  frame->mutable_list_pools();
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            std::vector<pool_info> out;
            for (const auto& each : answer.frame.list_pools().pools())
              out.push_back(detail::decode(each));
            return out;
          }};
}

request<std::map<std::string, std::string>> client::prepare_routes() const {
  auto frame = detail::new_frame();
  frame->mutable_list_pools();
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.list_pools().routes();
            return std::map<std::string, std::string>{from.begin(), from.end()};
          }};
}

request<done> client::prepare_close_pool(std::string_view name) const {
  auto frame = detail::new_frame();
  frame->mutable_close_pool()->set_pool(std::string{name});
  return {{core_, std::move(frame)}, [](detail::reply&) { return done{}; }};
}

request<done> client::prepare_set_routes(const std::map<std::string, std::string>& to) const {
  auto frame = detail::new_frame();
  frame->mutable_set_routes()->mutable_routes()->insert(to.begin(), to.end());
  return {{core_, std::move(frame)}, [](detail::reply&) { return done{}; }};
}

request<std::uint64_t> client::prepare_send(std::string_view to, const value& content) const {
  auto frame = detail::new_frame();
  frame->mutable_send()->set_to(std::string{to});
  detail::encode(content, *frame->mutable_send()->mutable_value());
  return {{core_, std::move(frame)},
          [](detail::reply& answer) -> std::uint64_t { return answer.frame.send().receivers(); }};
}

message_stream client::receive(std::string_view name, result_format format) const {
  auto frame = detail::new_frame();
  frame->mutable_receive()->set_name(std::string{name});
  frame->mutable_receive()->set_format(static_cast<v1::ResultFormat>(format));
  return message_stream{
      detail::feed<message>::open(detail::need(core_), *frame, message_window, {})};
}

} // namespace client_v1
} // namespace vivarium
