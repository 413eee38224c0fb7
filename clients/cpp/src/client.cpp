// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/wire.hpp"

#include <future>

namespace vivarium {
inline namespace client_v1 {

using detail::decode;
using detail::encode;

namespace {

constexpr unsigned http_ok = 200;

} // namespace

void connect_then(std::string_view url, const connect_options& how, callback<client> tell) {
  detail::core::connect(
      url, how,
      [tell = std::move(tell)](std::exception_ptr why, std::shared_ptr<detail::core> made) {
        tell(why, client{why ? nullptr : std::move(made)});
      });
}

client client::connect(std::string_view url, const connect_options& how) {
  using outcome = std::pair<std::exception_ptr, std::shared_ptr<detail::core>>;
  std::promise<outcome> promise;
  auto connected = promise.get_future();
  detail::core::connect(url, how,
                        [&promise](std::exception_ptr why, std::shared_ptr<detail::core> made) {
                          promise.set_value(outcome{std::move(why), std::move(made)});
                        });
  auto [why, made] = connected.get();
  if (why)
    std::rethrow_exception(why);
  return client{std::move(made)};
}

client& client::operator=(client&& other) noexcept {
  if (this == &other)
    return *this;
  if (core_)
    core_->close();
  runner::operator=(std::move(other));
  return *this;
}

client::~client() {
  if (core_)
    core_->close();
}

session client::use_session(std::string id_or_name) const {
  session_info info;
  info.id = std::move(id_or_name);
  return {core_, std::move(info), false};
}

bool client::draining() const noexcept {
  return core_ && core_->draining();
}
bool client::connected() const noexcept {
  return core_ && core_->connected();
}

request<session> client::prepare_session(const session_options& how) const {
  auto frame = detail::new_frame();
  encode(how, *frame->mutable_create_session(), core_);
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            return vivarium::session{answer.from, decode(answer.frame.create_session().session()),
                                     true};
          }};
}

request<std::vector<session_info>> client::prepare_sessions() const {
  auto frame = detail::new_frame();
  frame->mutable_list_sessions();
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            std::vector<session_info> out;
            for (const auto& each : answer.frame.list_sessions().sessions())
              out.push_back(decode(each));
            return out;
          }};
}

request<done> client::prepare_close_session(std::string_view id_or_name) const {
  return use_session(std::string{id_or_name}).prepare_close();
}

request<std::vector<execution_info>> client::prepare_executions(std::string_view session) const {
  auto frame = detail::new_frame();
  frame->mutable_list()->set_session(std::string{session});
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            std::vector<execution_info> out;
            for (const auto& each : answer.frame.list().executions())
              out.push_back({each.id(), each.session_id(),
                             static_cast<execution_info::progress>(each.state()),
                             each.last_sequence()});
            return out;
          }};
}

request<compiled> client::prepare_compile(std::string_view source,
                                          std::string_view filename) const {
  auto frame = detail::new_frame();
  frame->mutable_compile()->set_source(std::string{source});
  frame->mutable_compile()->set_filename(std::string{filename});
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.compile();
            compiled out{from.code(), nullptr};
            if (from.has_error())
              out.error = decode(from.error(), {});
            return out;
          }};
}

request<done> client::prepare_defaults(const defaults& what) const {
  auto frame = detail::new_frame();
  auto& to = *frame->mutable_set_defaults();
  to.set_session(what.session);
  to.set_namespace_(what.namespace_id);
  to.set_environment(what.environment);
  encode(what.run, *to.mutable_options());
  to.set_own_session(what.own_session);
  to.set_pool(what.pool);
  to.set_affinity(static_cast<v1::Affinity>(what.affinity));
  return {{core_, std::move(frame)}, [](detail::reply&) { return done{}; }};
}

std::optional<std::string> why_not_ready(std::string_view url, const connect_options& how) {
  const auto answer = detail::fetch({detail::choose_address(url),
                                     {},
                                     how.ca_file,
                                     {},
                                     how.timeout,
                                     how.idle_timeout,
                                     how.max_message},
                                    "/readyz");
  if (!answer.why.empty())
    throw connection_error{answer.why};
  if (answer.status == http_ok)
    return std::nullopt;
  return answer.body;
}

} // namespace client_v1
} // namespace vivarium
