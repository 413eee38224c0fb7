// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_admin.hpp"

#include "daemon/wire_bytes.hpp"
#include "daemon/wire_environment.hpp"
#include "daemon/wire_fields.hpp"

#include <algorithm>
#include <utility>

namespace vivarium::wire {

namespace {

using protozero::pbf_reader;

// No tenant and no key is longer; a token is the two of them.
constexpr std::size_t most_token_bytes = 256;

// Where a page ended: a tenant, which has no slash, and a key. Whoever makes one up gets the page
// after it; there is nothing to be found that way that is not in the list.
status take_token(overview_part& into, pbf_reader& r) {
  std::string token;
  if (auto ok = take_text(token, r, "page_token"); !ok)
    return ok;
  if (token.empty())
    return done{};
  auto slash = token.find('/');
  if (token.size() > most_token_bytes || slash == std::string::npos)
    return wrong("`page_token` is none: take the `next_page_token` of the page before");
  into.after_tenant = token.substr(0, slash);
  into.after_key = token.substr(slash + 1);
  return done{};
}

status take_size(std::size_t& into, pbf_reader& r) {
  auto size = r.get_uint32();
  if (size > most_page_entries)
    return wrong("`page_size` is " + std::to_string(size) + "; the maximum is "
                 + std::to_string(most_page_entries));
  into = size == 0 ? usual_page_entries : size;
  return done{};
}

template <class T>
void append_token(std::string& out, const overview_page<T>& page) {
  if (page.more)
    append_text(out, 2, page.after_tenant + "/" + page.after_key);
}

result<std::string> finish(codec as, message type, std::string binary) {
  return as == codec::json ? to_json(type, binary) : result<std::string>{std::move(binary)};
}

template <class Duration>
std::uint64_t count_of(Duration what) noexcept {
  return what.count() > 0 ? static_cast<std::uint64_t>(what.count()) : 0;
}

std::uint64_t number_of(log_level level) noexcept {
  return static_cast<std::uint64_t>(level) + 1;
}

std::string encode_one(const tenant_overview& what, const tenant_use& used) {
  std::string out;
  append_text(out, 1, what.name);
  append_number(out, 2, what.sessions);
  append_number(out, 3, what.most_sessions);
  append_number(out, 4, what.executions);
  append_number(out, 5, what.most_executions);
  append_number(out, 6, what.connections);
  append_number(out, 7, what.most_connections);
  append_number(out, 8, what.memory_bytes);
  append_number(out, 9, what.most_memory_bytes);
  append_number(out, 10, what.requests);
  append_number(out, 11, used.executions);
  append_number(out, 12, used.failed);
  append_number(out, 13, count_of(used.cpu));
  return out;
}

std::string encode_one(const session_overview& what) {
  std::string out;
  append_text(out, 1, what.tenant);
  append_bytes(out, 2, bytes_of(what.info));
  append_number(out, 3, static_cast<std::uint64_t>(what.use));
  append_number(out, 4, count_of(what.info.worker_cpu));
  append_number(out, 5, what.executions);
  return out;
}

std::string encode_one(const execution_overview& what) {
  std::string out;
  append_text(out, 1, what.tenant);
  append_text(out, 2, what.id);
  append_text(out, 3, what.session_id);
  append_text(out, 4, what.session_name);
  append_text(out, 5, what.pool);
  append_number(out, 6, static_cast<std::uint64_t>(what.state));
  append_number(out, 7, count_of(what.age));
  append_number(out, 8, count_of(what.running));
  append_number(out, 9, what.stream ? 1 : 0);
  append_text(out, 10, what.request_id);
  return out;
}

std::string encode_one(const worker_pool_overview& what) {
  std::string out;
  append_text(out, 1, what.environment);
  append_text(out, 2, what.group);
  append_number(out, 3, what.serves ? 1 : 0);
  append_number(out, 4, what.dormant ? 1 : 0);
  append_number(out, 5, what.generation);
  append_number(out, 6, count_of(what.zygote_age));
  append_number(out, 7, what.forks);
  append_number(out, 8, what.ready);
  append_number(out, 9, what.lent);
  append_number(out, 10, what.coming);
  append_number(out, 11, what.waiting);
  append_told(out, 12, what.trouble);
  return out;
}

std::string encode_one(const session_pool_overview& what) {
  std::string out;
  append_text(out, 1, what.tenant);
  append_bytes(out, 2, bytes_of(what.info));
  return out;
}

std::string encode_one(const std::pair<std::string, environment_info>& what) {
  std::string out;
  append_text(out, 1, what.first);
  append_bytes(out, 2, bytes_of(what.second));
  return out;
}

template <class T>
result<std::string> encode_page(codec as, message type, const overview_page<T>& page) {
  std::string out;
  for (const auto& one : page.entries)
    append_bytes(out, 1, encode_one(one));
  append_token(out, page);
  return finish(as, type, std::move(out));
}

} // namespace

result<overview_part> decode_overview(message type, codec as, std::string_view bytes) {
  overview_part what;
  what.most = usual_page_entries;
  bool of_tenants =
      type == message::list_all_sessions_request || type == message::list_all_executions_request;
  auto ok = binary_form{type, as, bytes}.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case number_field(1): return take_size(what.most, r);
      case text_field(2): return take_token(what, r);
      case text_field(3): return of_tenants ? take_text(what.tenant, r, "tenant") : skip(r);
      case number_field(4): what.ended = r.get_uint64() != 0; return done{};
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  return what;
}

result<stop_request> decode_stop(message type, codec as, std::string_view bytes) {
  stop_request what;
  const char* subject = type == message::end_session_request ? "session" : "execution_id";
  auto ok = binary_form{type, as, bytes}.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.subject, r, subject);
      case text_field(2): return take_text(what.tenant, r, "tenant");
      case number_field(3): {
        auto mode = r.get_enum();
        what.how = mode == 2 ? stop_mode::kill : stop_mode::interrupt;
        return check_enum(mode, 2, "mode");
      }
      default: return skip(r);
    }
  });
  if (ok && what.subject.empty())
    ok = wrong("`" + std::string{subject} + "` is required");
  if (!ok)
    return std::move(ok).why();
  return what;
}

result<recycle_request> decode_recycle(codec as, std::string_view bytes) {
  recycle_request what;
  binary_form form{message::recycle_environment_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.environment, r, "environment");
      case text_field(2): return take_text(what.tenant, r, "tenant");
      default: return skip(r);
    }
  });
  if (ok && what.environment.empty())
    ok = wrong("`environment` is required");
  if (!ok)
    return std::move(ok).why();
  return what;
}

result<log_level> decode_log_level(codec as, std::string_view bytes) {
  std::int32_t level = 0;
  binary_form form{message::set_log_level_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    if (field_of(r) != number_field(1))
      return skip(r);
    level = r.get_enum();
    return check_enum(level, 4, "level");
  });
  if (ok && level == 0)
    ok = wrong("`level` is required");
  if (!ok)
    return std::move(ok).why();
  return static_cast<log_level>(level - 1);
}

result<std::string> encode_status(codec as, const daemon_status& what) {
  std::string out;
  append_text(out, 1, what.version);
  std::string time;
  append_number(
      time, 1,
      count_of(std::chrono::duration_cast<std::chrono::seconds>(what.started.time_since_epoch())));
  append_bytes(out, 2, time);
  append_number(out, 3, what.ready ? 1 : 0);
  append_number(out, 4, what.drained ? 1 : 0);
  append_number(out, 5, what.stopping ? 1 : 0);
  append_told(out, 6, what.trouble);
  append_number(out, 7, number_of(what.level));
  append_number(out, 8, what.figures.tenants);
  append_number(out, 9, what.figures.sessions);
  append_number(out, 10, what.figures.executions);
  append_number(out, 11, what.figures.connections);
  append_number(out, 12, what.figures.workers);
  append_number(out, 13, what.figures.workers_ready);
  append_number(out, 14, static_cast<std::uint64_t>(what.pid));
  return finish(as, message::get_status_response, std::move(out));
}

result<std::string> encode_tenants(codec as, const overview_page<tenant_overview>& page,
                                   const std::vector<tenant_use>& uses) {
  std::string out;
  for (std::size_t at = 0; at < page.entries.size(); ++at)
    append_bytes(out, 1, encode_one(page.entries[at], uses[at]));
  append_token(out, page);
  return finish(as, message::list_tenants_response, std::move(out));
}

result<std::string> encode_all_sessions(codec as, const overview_page<session_overview>& page) {
  return encode_page(as, message::list_all_sessions_response, page);
}

result<std::string> encode_all_executions(codec as, const overview_page<execution_overview>& page) {
  return encode_page(as, message::list_all_executions_response, page);
}

result<std::string> encode_worker_pools(codec as, const overview_page<worker_pool_overview>& page) {
  return encode_page(as, message::list_worker_pools_response, page);
}

result<std::string> encode_all_pools(codec as, const overview_page<session_pool_overview>& page) {
  return encode_page(as, message::list_all_pools_response, page);
}

result<std::string>
encode_all_environments(codec as,
                        const overview_page<std::pair<std::string, environment_info>>& page) {
  return encode_page(as, message::list_all_environments_response, page);
}

result<std::string> encode_drained(codec as, const daemon_figures& left) {
  std::string out;
  append_number(out, 1, left.sessions);
  append_number(out, 2, left.executions);
  return finish(as, message::drain_response, std::move(out));
}

result<std::string> encode_stopped(codec as, const stop_outcome& what) {
  std::string out;
  append_number(out, 1, what.stopped ? 1 : 0);
  append_text(out, 2, what.tenant);
  return finish(as, message::stop_execution_response, std::move(out));
}

result<std::string> encode_ended(codec as, const std::string& tenant) {
  std::string out;
  append_text(out, 1, tenant);
  return finish(as, message::end_session_response, std::move(out));
}

result<std::string> encode_recycled(codec as, const recycle_outcome& what) {
  std::string out;
  append_number(out, 1, what.pools);
  append_number(out, 2, what.workers);
  return finish(as, message::recycle_environment_response, std::move(out));
}

result<std::string> encode_log_level(codec as, log_level before) {
  std::string out;
  append_number(out, 1, number_of(before));
  return finish(as, message::set_log_level_response, std::move(out));
}

result<std::string> encode_reloaded(codec as, const reload_report& what) {
  std::string out;
  for (const auto& one : what.changes) {
    std::string change;
    append_text(change, 1, one.key);
    append_text(change, 2, one.before);
    append_text(change, 3, one.after);
    append_number(change, 4, static_cast<std::uint64_t>(one.effect) + 1);
    append_bytes(out, 1, change);
  }
  return finish(as, message::reload_config_response, std::move(out));
}

} // namespace vivarium::wire
