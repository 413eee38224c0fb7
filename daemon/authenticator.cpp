// SPDX-License-Identifier: Apache-2.0
#include "daemon/authenticator.hpp"

#include "actors/settings.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

auth_failure failure_of(key_store::miss why) {
  switch (why) {
    case key_store::miss::malformed: return auth_failure::malformed;
    case key_store::miss::unknown: return auth_failure::unknown;
    case key_store::miss::secret: return auth_failure::secret;
    case key_store::miss::expired: return auth_failure::expired;
  }
  return auth_failure::unknown;
}

} // namespace

error key_is_gone() {
  return {errc::unauthenticated, "the API key of this connection is not valid any more"};
}

std::string_view name_of(auth_failure why) noexcept {
  switch (why) {
    case auth_failure::missing: return "missing";
    case auth_failure::malformed: return "malformed";
    case auth_failure::unknown: return "unknown";
    case auth_failure::secret: return "secret";
    case auth_failure::expired: return "expired";
    case auth_failure::tenant: return "tenant";
    case auth_failure::certificate: return "certificate";
  }
  return "";
}

authenticator::authenticator(auth_settings with, std::function<bool(const std::string&)> knows,
                             auditor& book)
    : with_{std::move(with)}, knows_{std::move(knows)}, book_{book} {}

status authenticator::open(boost::asio::io_context& reactor, std::function<void()> changed,
                           std::function<void(const std::string&)> trouble) {
  if (with_.keys.empty())
    return done{};
  auto tell = [this, then = std::move(changed)](const std::vector<key_change>& changes) {
    if (!keys_)
      return; // Those of the beginning are no change.
    for (const auto& each : changes)
      book_.audit(audit_event::keys_changed, {each.tenant},
                  {{"key", each.id}, {"change", name_of(each.what)}});
    then();
  };
  auto opened = key_store::open(reactor, with_.keys, {std::move(tell), std::move(trouble)});
  if (!opened)
    return error{opened.why().code, "auth.keys: " + opened.why().detail};
  keys_ = *std::move(opened);
  return done{};
}

error authenticator::refuse(auth_failure why, std::string_view request_id, std::string_view key) {
  ++failures_[static_cast<std::size_t>(why)];
  book_.audit(audit_event::key_refused, {{}, {}, request_id},
              {{"cause", name_of(why)}, {"key", key}});
  return {errc::unauthenticated,
          "this needs a valid API key: send it as \"Authorization: Bearer viv_...\""};
}

result<identity> authenticator::admit(identity who, std::string_view request_id) {
  // Only names of the configuration become tenants: they are labels, and each has its own state.
  if (!knows_(who.tenant))
    return refuse(auth_failure::tenant, request_id, who.key.id);
  return who;
}

result<identity> authenticator::by_key(const http_request& request, std::string_view request_id) {
  auto shown = bearer_of(request.header("authorization"));
  if (!keys_ || !shown || request.count("authorization") != 1)
    return refuse(auth_failure::malformed, request_id);
  auto found = keys_->find(*shown);
  if (found.key == nullptr)
    return refuse(failure_of(found.why), request_id, found.grant.id);
  return admit({found.key->tenant, found.key->what, std::move(found.grant)}, request_id);
}

result<identity> authenticator::by_certificate(const peer_certificate& shown,
                                               std::string_view request_id) {
  for (const auto& rule : with_.certificates) {
    bool fits = rule.name.empty() ? rule.subject == shown.subject
                                  : std::find(shown.names.begin(), shown.names.end(), rule.name)
                                        != shown.names.end();
    if (fits)
      return admit({rule.tenant, rule.what, {}}, request_id);
  }
  return refuse(auth_failure::certificate, request_id);
}

result<identity> authenticator::identify(const http_request& request, const peer& from,
                                         std::string_view request_id) {
  if (!asks())
    return identity{local_tenant, role::admin, {}};
  // Who shows a key means it, whatever else there is to show.
  if (request.count("authorization") > 0)
    return by_key(request, request_id);
  if (from.certificate && !with_.certificates.empty())
    return by_certificate(*from.certificate, request_id);
  return refuse(auth_failure::missing, request_id);
}

bool authenticator::still(const identity& who) {
  if (!asks())
    return true;
  return knows_(who.tenant) && (who.key.id.empty() || keys_->still(who.key));
}

} // namespace vivarium
