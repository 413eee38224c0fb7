// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/wire.hpp"

#include <vivarium/connection.hpp>

namespace vivarium {
inline namespace client_v1 {

namespace {

const char* name_of(v1::AppKind kind) {
  return kind == v1::APP_KIND_ASGI ? "asgi" : kind == v1::APP_KIND_WSGI ? "wsgi" : "";
}

const char* name_of(v1::AppState state) {
  switch (state) {
    case v1::APP_STATE_BOOTING: return "booting";
    case v1::APP_STATE_READY: return "ready";
    case v1::APP_STATE_DEAD: return "dead";
    default: return "";
  }
}

app_info decode(const v1::App& from) {
  app_info out;
  out.id = from.id();
  out.name = from.name();
  out.kind = name_of(from.kind());
  out.state = name_of(from.state());
  out.path = from.path();
  out.hosts.assign(from.hosts().begin(), from.hosts().end());
  out.workers = static_cast<std::uint32_t>(from.workers_size());
  out.requests = from.requests();
  out.failures = from.failures();
  out.trouble = from.trouble();
  return out;
}

} // namespace

request<app_info> client::prepare_boot_app(const app_options& how) const {
  auto frame = detail::new_frame();
  auto& to = *frame->mutable_boot_app();
  to.set_name(how.name);
  if (how.module.empty())
    to.set_source(how.source);
  else
    to.set_module(how.module);
  to.set_app(how.attribute);
  to.set_access(how.everybody ? v1::APP_ACCESS_PUBLIC : v1::APP_ACCESS_KEY);
  to.set_host(how.host);
  to.set_workers(how.workers);
  to.set_session(how.session);
  if (how.session.empty())
    detail::encode(how.own, *to.mutable_new_session(), core_);
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return decode(answer.frame.boot_app().app()); }};
}

request<app_info> client::prepare_app(std::string_view id_or_name) const {
  auto frame = detail::new_frame();
  frame->mutable_get_app()->set_app(std::string{id_or_name});
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return decode(answer.frame.get_app().app()); }};
}

request<std::vector<app_info>> client::prepare_apps() const {
  auto frame = detail::new_frame();
  frame->mutable_list_apps();
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            std::vector<app_info> out;
            for (const auto& each : answer.frame.list_apps().apps())
              out.push_back(decode(each));
            return out;
          }};
}

request<done> client::prepare_close_app(std::string_view id_or_name) const {
  auto frame = detail::new_frame();
  frame->mutable_close_app()->set_app(std::string{id_or_name});
  return {{core_, std::move(frame)}, [](detail::reply&) { return done{}; }};
}

} // namespace client_v1
} // namespace vivarium
