// SPDX-License-Identifier: Apache-2.0
#include "daemon/audit_log.hpp"

#include "daemon/log.hpp"

#include <chrono>

namespace vivarium {

namespace {

struct allowance {
  std::size_t per_second;
  std::size_t burst;
};

/// How often a tenant, or somebody without a key, may cause an event of that kind; 0: bounded by
/// something else.
constexpr allowance allowed(audit_event what) {
  switch (what) {
    case audit_event::key_refused: return {10, 50};
    case audit_event::circuit_opened:
    case audit_event::circuit_closed:
    case audit_event::admin_refused:
    case audit_event::call_denied:
    case audit_event::quota_refused: return {5, 20};
    case audit_event::egress_allowed:
    case audit_event::egress_refused: return {100, 500};
    default: return {0, 0};
  }
}

void append_name(std::string& out, std::string_view name) {
  out += ",\"";
  out += name;
  out += "\":";
}

void append_text(std::string& out, std::string_view name, std::string_view text) {
  if (text.empty())
    return;
  append_name(out, name);
  append_quoted(out, text.substr(0, audit_log::max_text));
}

void append_count(std::string& out, std::string_view name, std::uint64_t count) {
  if (count == 0)
    return;
  append_name(out, name);
  out += std::to_string(count);
}

} // namespace

std::string render_audit(std::string_view timestamp, audit_event what, const audit_subject& who,
                         audit_fields with, std::uint64_t left_out, std::uint64_t lost) {
  std::string out = R"({"ts":")";
  out += timestamp;
  out += R"(","event":")";
  out += name_of(what);
  out += '"';
  append_text(out, "tenant", who.tenant);
  append_text(out, "session", who.session);
  append_text(out, "request_id", who.request_id);
  for (const auto& field : with) {
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      append_text(out, field.name, *text);
    } else {
      append_name(out, field.name);
      out += std::to_string(std::get<std::int64_t>(field.value));
    }
  }
  append_count(out, "left_out", left_out);
  append_count(out, "lost", lost);
  out += "}\n";
  return out;
}

audit_log::spigot* audit_log::spigot_of(audit_event what, std::string_view tenant) {
  auto [per_second, burst] = allowed(what);
  if (per_second == 0)
    return nullptr;
  std::pair key{what, std::string{tenant}};
  auto found = spigots_.find(key);
  if (found == spigots_.end())
    found = spigots_.emplace(std::move(key), spigot{rate_gate{per_second, burst}}).first;
  return &found->second;
}

void audit_log::audit(audit_event what, const audit_subject& who, audit_fields with) {
  if (!to_)
    return;
  auto* bounded = spigot_of(what, who.tenant);
  if (bounded != nullptr && !bounded->gate.enter(rate_gate::clock::now())) {
    ++bounded->left_out;
    ++over_rate_;
    return;
  }
  auto line = render_audit(timestamp(std::chrono::system_clock::now()), what, who, with,
                           bounded != nullptr ? bounded->left_out : 0, untold_);
  if (!to_->push(std::move(line))) {
    ++lost_;
    ++untold_;
    return;
  }
  untold_ = 0;
  if (bounded != nullptr)
    bounded->left_out = 0;
}

} // namespace vivarium
