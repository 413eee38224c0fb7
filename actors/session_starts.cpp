// SPDX-License-Identifier: Apache-2.0
#include "actors/session_starts.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

// Environments in which something has failed lately. There are never so many that are used.
constexpr std::size_t most_entries = 1'000;
// A client chooses how often its sessions fail; the log must not be its to fill.
constexpr auto log_interval = std::chrono::seconds{1};

} // namespace

result<start_watch_ptr> session_starts::enter(const environment_ref& where,
                                              const std::string& name) {
  if (how_.failures == 0)
    return start_watch_ptr{};
  circuit::pass own;
  if (auto found = entries_.find(where.key); found != entries_.end()) {
    auto pass = found->second.state.enter(circuit::clock::now(), "environment '" + name + "'");
    if (!pass) {
      told_.circuit_refused(tenant_, where.label, "session");
      return std::move(pass).why();
    }
    own = *std::move(pass);
    if (own)
      told_.circuit_is(tenant_, where.label, "session", circuit_state::half_open);
  }
  return std::make_shared<start_watch>(shared_from_this(), where, std::move(own));
}

void session_starts::failed(const std::string& key, const std::string& label, std::string_view kind,
                            std::string why) {
  make_room();
  auto& one = entries_.try_emplace(key, entry{circuit{how_}, label}).first->second;
  if (!one.state.failed(circuit::clock::now(), std::move(why)))
    return;
  // Why in full is the tenant's text, or its code's: that is for the tenant.
  if (may_log())
    spdlog::warn(
        "tenant {}: {} sessions of environment '{}' in a row have failed to start, the last "
        "one by '{}': new ones are refused for {} ms",
        tenant_, one.state.failures(), label, kind, how_.open.count());
  told_.circuit_is(tenant_, label, "session", circuit_state::open);
  told_.audit(audit_event::circuit_opened, {tenant_},
              {{"environment", label},
               {"layer", "session"},
               {"failures", static_cast<std::int64_t>(one.state.failures())},
               {"cause", kind}});
}

bool session_starts::may_log() {
  auto now = circuit::clock::now();
  bool may = now >= log_after_;
  if (may)
    log_after_ = now + log_interval;
  return may;
}

void session_starts::started(const std::string& key) {
  auto found = entries_.find(key);
  if (found != entries_.end() && found->second.state.started())
    tell_closed(found->second);
}

void session_starts::proven(const std::string& key) {
  auto found = entries_.find(key);
  if (found == entries_.end())
    return;
  if (found->second.state.proven())
    tell_closed(found->second);
  entries_.erase(found);
}

void session_starts::tell_closed(const entry& one) {
  if (may_log())
    spdlog::info("tenant {}: sessions of environment '{}' start again", tenant_, one.label);
  told_.circuit_is(tenant_, one.label, "session", circuit_state::closed);
  told_.audit(audit_event::circuit_closed, {tenant_},
              {{"environment", one.label}, {"layer", "session"}});
}

// Of environments that are not there any more.
void session_starts::make_room() {
  if (entries_.size() < most_entries)
    return;
  auto closed = std::find_if(entries_.begin(), entries_.end(), [](const auto& one) {
    return one.second.state.state(circuit::clock::now()) == circuit_state::closed;
  });
  auto gone = closed == entries_.end() ? entries_.begin() : closed;
  if (gone->second.state.proven())
    told_.circuit_is(tenant_, gone->second.label, "session", circuit_state::closed);
  entries_.erase(gone);
}

} // namespace vivarium
