// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/wire.hpp"

#include <vivarium/connection.hpp>

namespace vivarium {
inline namespace client_v1 {

static_assert(static_cast<int>(store_right::list) == v1::STORE_RIGHT_LIST);

request<std::optional<std::string>> client::prepare_get_value(std::string_view key) const {
  auto frame = detail::new_frame();
  frame->mutable_get_value()->set_key(std::string{key});
  return {{core_, std::move(frame)}, [](detail::reply& answer) -> std::optional<std::string> {
            const auto& from = answer.frame.get_value();
            return from.found() ? std::optional{from.json()} : std::nullopt;
          }};
}

request<done> client::prepare_set_value(std::string_view key, std::string_view json,
                                        std::chrono::milliseconds ttl) const {
  auto frame = detail::new_frame();
  auto& to = *frame->mutable_set_value();
  to.set_key(std::string{key});
  to.set_json(std::string{json});
  to.set_ttl_ms(static_cast<std::uint64_t>(ttl.count() > 0 ? ttl.count() : 0));
  return {{core_, std::move(frame)}, [](detail::reply&) { return done{}; }};
}

request<bool> client::prepare_delete_value(std::string_view key) const {
  auto frame = detail::new_frame();
  frame->mutable_delete_value()->set_key(std::string{key});
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return answer.frame.delete_value().found(); }};
}

request<key_page> client::prepare_list_keys(std::string_view prefix,
                                            std::string_view cursor) const {
  auto frame = detail::new_frame();
  auto& to = *frame->mutable_list_keys();
  to.set_prefix(std::string{prefix});
  to.set_cursor(std::string{cursor});
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.list_keys();
            return key_page{{from.keys().begin(), from.keys().end()}, from.next()};
          }};
}

} // namespace client_v1
} // namespace vivarium
