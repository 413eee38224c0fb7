// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_admin.hpp"

#include <catch2/catch.hpp>

#include <string>

#include "vivarium/v1/admin.pb.h"

using namespace vivarium;
using wire::codec;
using wire::message;

namespace {

template <class T>
T binary(const result<std::string>& encoded) {
  REQUIRE(encoded);
  T out;
  REQUIRE(out.ParseFromString(*encoded));
  return out;
}

result<overview_part> part_of(const v1::ListAllExecutionsRequest& request) {
  return wire::decode_overview(wire::message::list_all_executions_request, codec::proto,
                               request.SerializeAsString());
}

} // namespace

TEST_CASE("a page has 1 to 1,000 entries", "[daemon][unit]") {
  v1::ListAllExecutionsRequest request;
  CHECK(part_of(request)->most == 100);
  request.set_page_size(1);
  CHECK(part_of(request)->most == 1);
  request.set_page_size(1'000);
  CHECK(part_of(request)->most == 1'000);
  request.set_page_size(1'001);
  CHECK(part_of(request).why().code == errc::invalid_argument);
}

TEST_CASE("a token says where the page before ended", "[daemon][unit]") {
  overview_page<execution_overview> page;
  page.entries.emplace_back().id = "exe_1";
  CHECK(binary<v1::ListAllExecutionsResponse>(wire::encode_all_executions(codec::proto, page))
            .next_page_token()
            .empty());
  page.more = true;
  page.after_tenant = "a";
  page.after_key = "exe_1";
  auto told =
      binary<v1::ListAllExecutionsResponse>(wire::encode_all_executions(codec::proto, page));
  v1::ListAllExecutionsRequest next;
  next.set_page_token(told.next_page_token());
  next.set_tenant("a");
  next.set_include_ended(true);
  auto part = part_of(next);
  REQUIRE(part);
  CHECK(part->after_tenant == "a");
  CHECK(part->after_key == "exe_1");
  CHECK(part->tenant == "a");
  CHECK(part->ended);
  next.set_page_token("a");
  CHECK_FALSE(part_of(next));
  next.set_page_token("a/" + std::string(254, 'k'));
  CHECK(part_of(next));
  next.set_page_token("a/" + std::string(255, 'k'));
  CHECK_FALSE(part_of(next));
}

TEST_CASE("what is to end, and how", "[daemon][unit]") {
  v1::StopExecutionRequest request;
  auto decode = [&] {
    return wire::decode_stop(wire::message::stop_execution_request, codec::proto,
                             request.SerializeAsString());
  };
  CHECK_FALSE(decode());
  request.set_execution_id("exe_1");
  CHECK(decode()->how == stop_mode::interrupt);
  request.set_mode(v1::STOP_MODE_KILL);
  request.set_tenant("a");
  CHECK(decode()->how == stop_mode::kill);
  CHECK(decode()->tenant == "a");
  request.set_mode(static_cast<v1::StopMode>(3));
  CHECK_FALSE(decode());
  CHECK(wire::decode_stop(wire::message::end_session_request, codec::json, R"({"session":"s"})")
            ->subject
        == "s");
  CHECK_FALSE(wire::decode_recycle(codec::json, "{}"));
  CHECK(wire::decode_recycle(codec::json, R"({"environment":"e","tenant":"t"})")->tenant == "t");
}

TEST_CASE("a level of the log is one of four", "[daemon][unit]") {
  for (auto level : {log_level::debug, log_level::info, log_level::warn, log_level::error}) {
    v1::SetLogLevelRequest request;
    request.set_level(
        binary<v1::SetLogLevelResponse>(wire::encode_log_level(codec::proto, level)).previous());
    CHECK(*wire::decode_log_level(codec::proto, request.SerializeAsString()) == level);
  }
  CHECK_FALSE(wire::decode_log_level(codec::json, "{}"));
  CHECK_FALSE(wire::decode_log_level(codec::json, R"({"level":5})"));
}

TEST_CASE("everything that is listed is told", "[daemon][unit]") {
  daemon_status now;
  now.version = "1.2.3";
  now.started = std::chrono::system_clock::time_point{std::chrono::seconds{1'700'000'000}};
  now.drained = true;
  now.trouble = "t";
  now.level = log_level::warn;
  now.figures = {1, 2, 3, 4, 5, 6};
  now.pid = 7;
  auto status = binary<v1::GetStatusResponse>(wire::encode_status(codec::proto, now));
  CHECK(status.start_time().seconds() == 1'700'000'000);
  CHECK(status.drained());
  CHECK_FALSE(status.ready());
  CHECK(status.log_level() == v1::DAEMON_LOG_LEVEL_WARN);
  CHECK(status.tenants() == 1);
  CHECK(status.workers_ready() == 6);
  CHECK(status.pid() == 7);

  overview_page<tenant_overview> tenants;
  tenants.entries.push_back({"a", 1, 2, 3, 4, 5, 6, 7, 8, 9});
  auto told = binary<v1::ListTenantsResponse>(
      wire::encode_tenants(codec::proto, tenants, {{10, 11, std::chrono::microseconds{12}}}));
  CHECK(told.tenants(0).most_sessions() == 2);
  CHECK(told.tenants(0).most_memory_bytes() == 8);
  CHECK(told.tenants(0).requests() == 9);
  CHECK(told.tenants(0).executions_failed() == 11);
  CHECK(told.tenants(0).cpu_us() == 12);

  overview_page<session_overview> sessions;
  auto& one = sessions.entries.emplace_back();
  one.tenant = "a";
  one.info.id = "ses_1";
  one.info.worker_cpu = std::chrono::microseconds{3};
  one.use = session_use::one_shot;
  one.executions = 4;
  auto session =
      binary<v1::ListAllSessionsResponse>(wire::encode_all_sessions(codec::proto, sessions))
          .sessions(0);
  CHECK(session.session().id() == "ses_1");
  CHECK(session.use() == v1::SESSION_USE_ONE_SHOT);
  CHECK(session.worker_cpu_us() == 3);
  CHECK(session.executions() == 4);

  overview_page<worker_pool_overview> workers;
  workers.entries.push_back({"e", "g", true, true, 1, std::chrono::milliseconds{2}, 3, 4, 5, 6, 7,
                             "t\xc3"}); // Cut within a character.
  auto pool = binary<v1::ListWorkerPoolsResponse>(wire::encode_worker_pools(codec::proto, workers))
                  .pools(0);
  CHECK(pool.zygote_age_ms() == 2);
  CHECK(pool.ready() == 4);
  CHECK(pool.waiting() == 7);
  CHECK(pool.trouble() == "t\xef\xbf\xbd");
}
