// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/wire.hpp"

#include <vivarium/admin.hpp>

namespace vivarium {
inline namespace client_v1 {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

static_assert(static_cast<int>(daemon_log_level::error) == v1::DAEMON_LOG_LEVEL_ERROR);
static_assert(static_cast<int>(config_effect::restart) == v1::CONFIG_EFFECT_RESTART);
static_assert(static_cast<int>(stop_mode::kill) == v1::STOP_MODE_KILL);
static_assert(static_cast<int>(session_use::pool) == v1::SESSION_USE_POOL);

template <class Request>
void encode(const page_options& from, Request& to) {
  to.set_page_size(from.size);
  to.set_page_token(from.from);
}

/// Makes a page of what `all` has, each by `read`.
template <class T, class Response, class All, class Read>
page<T> page_of(const Response& from, const All& all, Read read) {
  page<T> out;
  out.entries.reserve(static_cast<std::size_t>(all.size()));
  for (const auto& each : all)
    out.entries.push_back(read(each));
  out.next = from.next_page_token();
  return out;
}

daemon_status read(const v1::GetStatusResponse& from) {
  daemon_status out;
  out.version = from.version();
  out.started =
      std::chrono::system_clock::time_point{std::chrono::seconds{from.start_time().seconds()}};
  out.ready = from.ready();
  out.drained = from.drained();
  out.stopping = from.stopping();
  out.trouble = from.trouble();
  out.level = static_cast<daemon_log_level>(from.log_level());
  out.tenants = from.tenants();
  out.sessions = from.sessions();
  out.executions = from.executions();
  out.connections = from.connections();
  out.workers = from.workers();
  out.workers_ready = from.workers_ready();
  out.pid = from.pid();
  return out;
}

tenant_overview read_tenant(const v1::TenantOverview& from) {
  tenant_overview out;
  out.name = from.name();
  out.sessions = from.sessions();
  out.most_sessions = from.most_sessions();
  out.executions = from.executions();
  out.most_executions = from.most_executions();
  out.connections = from.connections();
  out.most_connections = from.most_connections();
  out.memory_bytes = from.memory_bytes();
  out.most_memory_bytes = from.most_memory_bytes();
  out.requests = from.requests();
  out.executions_ended = from.executions_ended();
  out.executions_failed = from.executions_failed();
  out.cpu = microseconds{from.cpu_us()};
  return out;
}

session_overview read_session(const v1::SessionOverview& from) {
  return {from.tenant(), detail::decode(from.session()), static_cast<session_use>(from.use()),
          microseconds{from.worker_cpu_us()}, from.executions()};
}

execution_overview read_execution(const v1::ExecutionOverview& from) {
  execution_overview out;
  out.tenant = from.tenant();
  out.id = from.id();
  out.session_id = from.session_id();
  out.session_name = from.session_name();
  out.pool = from.pool();
  out.state = static_cast<execution_info::progress>(from.state());
  out.age = microseconds{from.age_us()};
  out.running = microseconds{from.running_us()};
  out.stream = from.stream();
  out.request_id = from.request_id();
  return out;
}

worker_pool_info read_workers(const v1::WorkerPool& from) {
  worker_pool_info out;
  out.environment = from.environment();
  out.group = from.group();
  out.serves = from.serves();
  out.dormant = from.dormant();
  out.generation = from.generation();
  out.zygote_age = milliseconds{from.zygote_age_ms()};
  out.forks = from.forks();
  out.ready = from.ready();
  out.lent = from.lent();
  out.coming = from.coming();
  out.waiting = from.waiting();
  out.trouble = from.trouble();
  return out;
}

} // namespace

admin client::admin() const {
  using type = class admin;
  return type{core_};
}

request<daemon_status> admin::prepare_status() const {
  auto frame = detail::new_frame();
  frame->mutable_get_status();
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return read(answer.frame.get_status()); }};
}

request<page<tenant_overview>> admin::prepare_tenants(const page_options& which) const {
  auto frame = detail::new_frame();
  encode(which, *frame->mutable_list_tenants());
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.list_tenants();
            return page_of<tenant_overview>(from, from.tenants(), read_tenant);
          }};
}

request<page<session_overview>> admin::prepare_sessions(const page_options& which,
                                                        std::string_view tenant) const {
  auto frame = detail::new_frame();
  auto& to = *frame->mutable_list_all_sessions();
  encode(which, to);
  to.set_tenant(std::string{tenant});
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.list_all_sessions();
            return page_of<session_overview>(from, from.sessions(), read_session);
          }};
}

request<page<execution_overview>>
admin::prepare_executions(const page_options& which, std::string_view tenant, bool ended) const {
  auto frame = detail::new_frame();
  auto& to = *frame->mutable_list_all_executions();
  encode(which, to);
  to.set_tenant(std::string{tenant});
  to.set_include_ended(ended);
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.list_all_executions();
            return page_of<execution_overview>(from, from.executions(), read_execution);
          }};
}

request<page<worker_pool_info>> admin::prepare_worker_pools(const page_options& which) const {
  auto frame = detail::new_frame();
  encode(which, *frame->mutable_list_worker_pools());
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.list_worker_pools();
            return page_of<worker_pool_info>(from, from.pools(), read_workers);
          }};
}

request<page<pool_overview>> admin::prepare_pools(const page_options& which) const {
  auto frame = detail::new_frame();
  encode(which, *frame->mutable_list_all_pools());
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.list_all_pools();
            return page_of<pool_overview>(from, from.pools(), [](const v1::PoolOverview& one) {
              return pool_overview{one.tenant(), detail::decode(one.pool())};
            });
          }};
}

request<page<environment_overview>> admin::prepare_environments(const page_options& which) const {
  auto frame = detail::new_frame();
  encode(which, *frame->mutable_list_all_environments());
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.list_all_environments();
            return page_of<environment_overview>(
                from, from.environments(), [](const v1::EnvironmentOverview& one) {
                  return environment_overview{one.owner(), detail::decode(one.environment())};
                });
          }};
}

request<drain_outcome> admin::prepare_drain() const {
  auto frame = detail::new_frame();
  frame->mutable_drain();
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.drain();
            return drain_outcome{from.sessions(), from.executions()};
          }};
}

request<done> admin::prepare_undrain() const {
  auto frame = detail::new_frame();
  frame->mutable_undrain();
  return {{core_, std::move(frame)}, [](detail::reply&) { return done{}; }};
}

request<stop_outcome> admin::prepare_stop_execution(std::string_view id, stop_mode how,
                                                    std::string_view tenant) const {
  auto frame = detail::new_frame();
  auto& to = *frame->mutable_stop_execution();
  to.set_execution_id(std::string{id});
  to.set_tenant(std::string{tenant});
  to.set_mode(static_cast<v1::StopMode>(how));
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.stop_execution();
            return stop_outcome{from.stopped(), from.tenant()};
          }};
}

request<std::string> admin::prepare_end_session(std::string_view session, stop_mode how,
                                                std::string_view tenant) const {
  auto frame = detail::new_frame();
  auto& to = *frame->mutable_end_session();
  to.set_session(std::string{session});
  to.set_tenant(std::string{tenant});
  to.set_mode(static_cast<v1::StopMode>(how));
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return answer.frame.end_session().tenant(); }};
}

request<recycle_outcome> admin::prepare_recycle(std::string_view environment,
                                                std::string_view tenant) const {
  auto frame = detail::new_frame();
  frame->mutable_recycle_environment()->set_environment(std::string{environment});
  frame->mutable_recycle_environment()->set_tenant(std::string{tenant});
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.recycle_environment();
            return recycle_outcome{from.pools(), from.workers()};
          }};
}

request<std::vector<config_change>> admin::prepare_reload() const {
  auto frame = detail::new_frame();
  frame->mutable_reload_config();
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            std::vector<config_change> out;
            for (const auto& one : answer.frame.reload_config().changes())
              out.push_back(
                  {one.key(), one.before(), one.after(), static_cast<config_effect>(one.effect())});
            return out;
          }};
}

request<daemon_log_level> admin::prepare_set_log_level(daemon_log_level to) const {
  auto frame = detail::new_frame();
  frame->mutable_set_log_level()->set_level(static_cast<v1::DaemonLogLevel>(to));
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            return static_cast<daemon_log_level>(answer.frame.set_log_level().previous());
          }};
}

} // namespace client_v1
} // namespace vivarium
