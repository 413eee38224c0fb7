// SPDX-License-Identifier: Apache-2.0
#include "daemon/app_ingress.hpp"

#include "actors/app_registry.hpp"
#include "daemon/app_conversation.hpp"
#include "proto/ids.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

constexpr std::string_view prefix = "/apps/";

std::string lower_host(std::string_view host) {
  std::string out;
  for (char c : host) {
    if (c == ':')
      break;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  return out;
}

// Whether a page's origin is the very host that it asks.
bool is_same_origin(std::string_view origin, std::string_view host) {
  auto scheme = origin.find("://");
  return scheme != std::string_view::npos && origin.substr(scheme + 3) == host;
}

} // namespace

app_ingress::app_ingress(service& core, authenticator& auth, std::string domain)
    : core_{core}, auth_{auth}, domain_{domain.empty() ? "" : "." + std::move(domain)} {}

// Empty: not one of ours.
std::string app_ingress::label_of(const http_request& request) const {
  if (domain_.empty())
    return {};
  auto host = lower_host(request.header("host"));
  if (!host.ends_with(domain_))
    return {};
  host.resize(host.size() - domain_.size());
  return host.find('.') == std::string::npos ? host : std::string{};
}

app_ingress::target app_ingress::find(const http_request& request) const {
  target out;
  auto path = request.path();
  if (auto label = label_of(request); !label.empty()) {
    out.at.own_host = true;
    out.raw_path = path;
    // No host has an underscore. Ids come first: nobody can claim the name of another's.
    if (label.starts_with("app-")) {
      label[3] = '_';
      out.app = core_.apps().find_id(label);
    } else {
      out.app = core_.apps().find_host(label);
    }
    out.which = std::move(label);
    return out;
  }
  path.remove_prefix(std::min(prefix.size(), path.size()));
  auto slash = path.find('/');
  out.which = path.substr(0, slash);
  out.at.prefix = std::string{prefix} + out.which;
  out.bare = slash == std::string_view::npos;
  out.raw_path = out.bare ? "/" : path.substr(slash);
  out.app = core_.apps().find_id(out.which);
  return out;
}

const app_info* app_ingress::resolve(const target& where, const std::string& tenant) const {
  const auto* app = where.app != nullptr ? where.app : core_.apps().find(tenant, where.which);
  bool may = app != nullptr && (app->access == app_access::open || app->tenant == tenant);
  return may ? app : nullptr;
}

bool app_ingress::takes(const http_request& request) const {
  return request.path().starts_with(prefix) || !label_of(request).empty();
}

// A page of somebody else's, which its visitor did not ask for, must not use what only the visitor
// can reach. A key is such a page's to show only if it has it.
status app_ingress::check(const http_request& request, const access_rules& api) const {
  auto where = find(request);
  auto ok = where.at.own_host ? access_rules::check_one_host(request) : api.check_host(request);
  if (!ok || auth_.asks())
    return ok;
  const auto* app = resolve(where, local_tenant);
  if (app != nullptr && app->access == app_access::open)
    return done{};
  bool own = where.at.own_host && request.count("origin") == 1
             && is_same_origin(request.header("origin"), request.header("host"));
  if (request.count("origin") > 0 && !own)
    return api.check_origin(request);
  if (request.header("sec-fetch-site") == "cross-site"
      && request.header("sec-fetch-mode") != "navigate")
    return error{errc::permission_denied,
                 "pages of other origins may ask applications with the access PUBLIC only"};
  return done{};
}

bool app_ingress::open_to_strangers(const http_request& request) const {
  auto where = find(request);
  return where.app != nullptr && where.app->access == app_access::open;
}

std::uint64_t app_ingress::most_body(const http_request& request, const std::string& tenant,
                                     const network_limits& limits) const {
  const auto* app = resolve(find(request), tenant);
  // That there is none is for `begin` to say.
  return app != nullptr ? app->limits.body_bytes
                        : std::max(request.body_size, limits.http.body_bytes);
}

std::shared_ptr<streamed_handler> app_ingress::begin(std::shared_ptr<streamed_exchange> exchange) {
  const auto& request = exchange->request();
  auto where = find(request);
  auto tenant = exchange->who().tenant;
  const auto* app = resolve(where, tenant);
  auto made = std::make_shared<app_conversation>(core_, auth_, exchange, where.at);
  if (app == nullptr) {
    exchange->fail(error{errc::route_not_found, "there is no application '" + where.which + "'"});
    return made;
  }
  auto room = tenant.empty() ? exchange->sit_with(app->tenant) : status{done{}};
  if (room)
    room = core_.admit(app->tenant, 1, exchange->request_id());
  if (!room) {
    exchange->fail(std::move(room).why());
    return made;
  }
  if (where.bare) {
    std::string line = "Location: " + where.at.prefix + "/";
    if (request.has_query())
      line += "?" + std::string{request.query()};
    exchange->answer(308, line + "\r\n", {});
    return made;
  }
  if (request.body_size > app->limits.body_bytes) {
    exchange->fail(wire::too_many_bytes("the request's body", request.body_size,
                                        app->limits.body_bytes, most_body_setting()),
                   413);
    return made;
  }
  made->begin(*app, where.raw_path);
  return made;
}

} // namespace vivarium
