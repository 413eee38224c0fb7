// SPDX-License-Identifier: Apache-2.0
#include "daemon/config.hpp"

#include "bridge/validate.hpp"
#include "daemon/address.hpp"
#include "daemon/config_apps.hpp"
#include "daemon/config_capabilities.hpp"
#include "daemon/config_egress.hpp"
#include "daemon/config_environments.hpp"
#include "daemon/config_pools.hpp"
#include "daemon/config_reader.hpp"
#include "daemon/config_resilience.hpp"
#include "daemon/config_tenants.hpp"
#include "daemon/config_tracing.hpp"
#include "daemon/config_volumes.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace vivarium {

namespace {

constexpr std::int64_t kib = 1 << 10;
constexpr std::int64_t mib = 1 << 20;
constexpr std::int64_t gib = 1 << 30;
constexpr std::int64_t second = 1'000;
constexpr std::int64_t hour = 3'600 * second;
constexpr std::int64_t day = 24 * hour;

constexpr std::array all_layers{sandbox::layer::user_namespace, sandbox::layer::mount_namespace,
                                sandbox::layer::pid_namespace,  sandbox::layer::network_namespace,
                                sandbox::layer::ipc_namespace,  sandbox::layer::landlock,
                                sandbox::layer::seccomp,        sandbox::layer::rlimits,
                                sandbox::layer::capabilities,   sandbox::layer::worker_uid};

void read_server(table_reader in, config& into) {
  auto& net = into.network;
  in.take("listen", into.listen);
  for (const auto& address : into.listen)
    if (auto ok = parse_address(address); !ok)
      in.complain("listen", ok.why().detail);
  std::string mode;
  in.take("socket_mode", mode);
  if (!mode.empty()) {
    char* end = nullptr;
    auto bits = std::strtoul(mode.c_str(), &end, 8);
    if (*end != '\0' || bits > 0777 || (bits & 0600) != 0600)
      in.complain("socket_mode", "must be an octal mode such as \"0600\" or \"0660\"");
    else
      into.socket_mode = static_cast<unsigned>(bits);
  }
  in.take("hosts", into.hosts);
  in.take("origins", into.origins);
  for (const auto& origin : into.origins)
    if (origin.find("://") == std::string::npos || origin.ends_with('/'))
      in.complain("origins", "\"" + origin + "\" must be like \"https://example.org\"");
  in.take_count("max_connections", net.max_connections, {1, 1'000'000});
  in.take_size("header_bytes", net.http.header_bytes, {kib, mib});
  in.take_size("body_bytes", net.http.body_bytes, {kib, gib});
  in.take_size("frame_bytes", net.frame_bytes, {kib, gib});
  in.take_size("arriving_bytes", net.arriving_bytes, {mib, 1024 * gib});
  in.take_size("unsent_bytes", net.unsent_bytes, {mib, 1024 * gib});
  in.take_count("in_flight", net.in_flight, {1, 1'000'000});
  in.take_size("write_high_watermark", net.marks.write_high, {4 * kib, gib});
  net.marks.write_low = std::min(net.marks.write_low, net.marks.write_high / 2);
  in.take_size("write_low_watermark", net.marks.write_low, {0, gib});
  if (net.marks.write_low > net.marks.write_high)
    in.complain("write_low_watermark", "is above write_high_watermark");
  in.take_size("read_high_watermark", net.marks.read_high, {kib, gib});
  in.take_duration("header_timeout", net.header_timeout, {second, hour});
  in.take_duration("body_timeout", net.body_timeout, {second, hour});
  in.take_duration("idle_timeout", net.idle_timeout, {second, day});
  in.take_duration("write_timeout", net.write_timeout, {second, hour});
  in.take_duration("ping_interval", net.ping_interval, {second, hour});
  in.take_duration("drain_timeout", into.drain_timeout, {0, hour});
  in.take("state_dir", into.core.state_dir);
  if (!into.core.state_dir.empty() && into.core.state_dir.front() != '/')
    in.complain("state_dir", "must be an absolute path");
  in.finish();
}

void read_tls(table_reader in, config& into) {
  auto& tls = into.tls;
  in.take("cert", tls.certificate);
  in.take("key", tls.key);
  in.take("client_ca", tls.client_ca);
  in.take("client_required", tls.client_required);
  if (tls.certificate.empty() != tls.key.empty())
    in.complain(tls.key.empty() ? "key" : "cert", "cert and key are needed together");
  if (!tls.client_ca.empty() && tls.certificate.empty())
    in.complain("client_ca", "needs cert and key");
  if (tls.client_required && tls.client_ca.empty())
    in.complain("client_required", "needs client_ca");
  in.finish();
}

void read_cgroup(table_reader& in, settings& into) {
  using kind = sandbox::cgroup_choice::kind;
  std::string text = "auto";
  in.take("cgroup", text);
  auto& chosen = into.cgroup;
  if (text == "auto" || text == "off" || text == "required")
    chosen.what = text == "auto" ? kind::automatic : text == "off" ? kind::off : kind::required;
  else if (text.starts_with('/'))
    chosen = {kind::path, text};
  else
    in.complain("cgroup", "must be \"auto\", \"off\", \"required\" or an absolute path");
  std::uint32_t percent = 0;
  in.take_count("session_cpu_percent", percent, {1, 1'000'000});
  if (percent > 0)
    into.session_cpu_percent = percent;
}

void read_sandbox(table_reader in, config& into) {
  in.take("allow_degraded", into.allow_degraded);
  for (const auto& name : into.allow_degraded) {
    auto found = std::find_if(all_layers.begin(), all_layers.end(),
                              [&](sandbox::layer l) { return sandbox::name_of(l) == name; });
    if (found != all_layers.end())
      into.core.without.insert(*found);
    else
      in.complain("allow_degraded", "\"" + name + "\" is not the name of a layer");
  }
  read_cgroup(in, into.core);
  in.take("fair_cpu", into.core.fair_cpu);
  auto reserve = no_limit;
  in.take_size("memory_reserve", reserve, {0, 1024 * gib});
  if (reserve != no_limit)
    into.core.watch.reserve = reserve;
  in.take_count("uid_base", into.core.uid_base, {65'536, 4'000'000'000});
  in.finish();
}

void take_limit(table_reader& in, const limit_facts& about, std::uint64_t& into) {
  range allowed{static_cast<std::int64_t>(about.least), static_cast<std::int64_t>(about.most)};
  switch (about.unit) {
    case limit_unit::bytes: return in.take_size(about.key, into, allowed);
    case limit_unit::count: return in.take_count(about.key, into, allowed);
    case limit_unit::milliseconds: break;
  }
  std::chrono::milliseconds time{into};
  in.take_duration(about.key, time, allowed);
  into = static_cast<std::uint64_t>(time.count());
}

void read_limits(table_reader in, config& into) {
  auto& core = into.core;
  for (const auto& one : all_limits())
    take_limit(in, one, core.limits[one.which]);
  auto most = in.below("max");
  read_maxima(most, core.limits_max);
  most.finish();
  for (const auto& one : all_limits()) {
    auto& usual = core.limits[one.which];
    const auto& highest = core.limits_max[one.which];
    if (!highest || *highest >= usual)
      continue;
    if (in.raw()->contains(one.key))
      in.complain(one.key, "is more than limits.max." + std::string{one.key});
    usual = *highest; // What nobody configured follows.
  }
  in.take_size("source", core.source_bytes, {kib, 60 * mib});
  in.take_size("transaction_bytes", core.transaction_bytes, {mib, 1024 * gib});
  in.take_size("volume", core.volume_bytes, {4 * kib, 1024 * gib});
  in.take_duration("event_log_ttl", core.log_ttl, {second, day});
  in.take_count("kept_executions", core.kept_executions, {0, 1'000'000});
  in.take_count("sessions", core.max_sessions, {1, 1'000'000});
  in.take_size("queue_bytes", core.queue_bytes, {mib, 1024 * gib});
  in.take_duration("timeout", core.timeout, {1, 365 * day});
  in.take_duration("max_timeout", core.max_timeout, {1, 365 * day});
  in.take_duration("grace", core.grace, {1, hour});
  in.take_duration("idle_session", core.idle_timeout, {second, 365 * day});
  in.take_duration("start_timeout", core.start_timeout, {second, hour});
  in.take_duration("callback_timeout", core.callback_timeout, {second, hour});
  if (core.timeout > core.max_timeout)
    in.complain("timeout", "must not be more than max_timeout");
  in.finish();
}

void read_pool(table_reader in, config& into) {
  auto& core = into.core;
  in.take_count("ready", core.pool_ready, {0, 10'000});
  in.take_count("low", core.pool_low, {0, 10'000});
  in.take_count("max_workers", core.max_workers, {1, 1'000'000});
  in.take_duration("idle_retire", core.pool_idle_retire, {second, 365 * day});
  in.take_duration("worker_max_age", core.worker_max_age, {0, 365 * day});
  in.take_duration("zygote_max_age", core.zygote_max_age, {10 * second, 365 * day});
  in.take_duration("zygote_timeout", core.zygote_timeout, {100, hour});
  in.take_count("hash_seeds", core.hash_seeds, {0, 1'000});
  in.take_count("zygote_max_forks", core.zygote_max_forks, {1, 1'000'000'000});
  if (core.pool_low > core.pool_ready)
    in.complain("low", "must not be more than ready");
  in.finish();
}

void read_messages(table_reader in, config& into) {
  auto& mail = into.core.mail;
  in.take_size("message_bytes", mail.message_bytes, {kib, 60 * mib});
  in.take_count("queue", mail.messages, {1, 1'000'000});
  in.take_size("queue_bytes", mail.bytes, {kib, gib});
  in.take_size("tenant_bytes", mail.tenant_bytes, {kib, 1024 * gib});
  in.take_count("mailboxes", mail.mailboxes, {1, 1'000'000});
  in.finish();
}

void read_log(table_reader in, config& into) {
  in.take_word("level", {"debug", "info", "warn", "error"},
               [&](std::size_t i) { into.level = static_cast<log_level>(i); });
  in.take_word("format", {"json", "text"},
               [&](std::size_t i) { into.format = static_cast<log_format>(i); });
  in.take("code_records", into.code_records);
  in.finish();
}

void read_audit(table_reader in, config& into) {
  in.take("file", into.audit_file);
  if (!into.audit_file.empty() && into.audit_file != "stderr" && into.audit_file.front() != '/')
    in.complain("file", "must be an absolute path or \"stderr\"");
  in.finish();
}

} // namespace

void read_maxima(table_reader& in, limit_maxima& into) {
  for (const auto& one : all_limits()) {
    // Absent must stay absent, and 0 is a value.
    auto value = no_limit;
    take_limit(in, one, value);
    if (value != no_limit)
      into[one.which] = value;
  }
}

config::config() {
  core.environments = default_environments();
  core.timeout_profiles = default_timeout_profiles();
  core.tenants.try_emplace(local_tenant);
}

config_problems parse_config(config& into, std::string_view text, std::string_view name,
                             config_scope scope) {
  config_problems problems;
  if (!bridge::is_utf8(text)) {
    problems.lines.push_back(std::string{name} + ": the file is not valid UTF-8");
    return problems;
  }
  if (auto line = foreign_character(text); line != 0) {
    problems.lines.push_back(std::string{name} + ":" + std::to_string(line)
                             + ": only strings and comments may hold characters beyond ASCII");
    return problems;
  }
  // What is wrong is found in a copy without such characters: toml++ looks ahead to describe an
  // error, and there meets them in its own way.
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (text.starts_with(byte_order_mark))
    text.remove_prefix(byte_order_mark.size());
  std::string plain{text};
  std::replace_if(
      plain.begin(), plain.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; },
      '?');
  auto parsed = toml::parse(plain, name);
  if (parsed && plain != text)
    parsed = toml::parse(text, name);
  if (!parsed) {
    const auto& why = parsed.error();
    problems.lines.push_back(std::string{name} + ":" + std::to_string(why.source().begin.line)
                             + ": " + std::string{why.description()});
    return problems;
  }
  config_notes notes{name, problems, into.values, scope};
  table_reader root{&parsed.table(), "", "", notes};
  read_server(root.below("server"), into);
  read_tls(root.below("tls"), into);
  read_sandbox(root.below("sandbox"), into);
  read_limits(root.below("limits"), into);
  read_pool(root.below("pool"), into);
  read_breaker(root.below("breaker"), into);
  read_heartbeats(root.below("heartbeats"), into);
  read_builds(root.below("builds"), into.builds);
  read_environments(root.below("environments"), into);
  read_egress(root.below("egress"), into);
  read_databases(root.below("databases"), into);
  read_store(root.below("store"), into);
  read_apps(root.below("apps"), into);
  auto session_pools = root.below("pools");
  read_session_pools(session_pools, into);
  read_timeouts(root.below("timeouts"), into);
  read_auth(root.below("auth"), into);
  read_tenants(root.below("tenants"), into);
  check_session_pools(session_pools, into);
  read_volumes(root.below("volumes"), into);
  read_messages(root.below("messages"), into);
  read_log(root.below("log"), into);
  read_audit(root.below("audit"), into);
  read_tracing(root.below("tracing"), into);
  auto meters = root.below("metrics");
  meters.take("enabled", into.metrics);
  meters.finish();
  root.finish();
  return problems;
}

config_problems load_config(config& into, const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  if (!file)
    return {{path + ": cannot be read"}};
  return parse_config(into, text.str(), path);
}

} // namespace vivarium
