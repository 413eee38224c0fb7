// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire.hpp"

#include <catch2/catch.hpp>
#include <google/protobuf/util/json_util.h>

#include <string>
#include <utility>

#include "vivarium/v1/session.pb.h"

using namespace vivarium;
using wire::codec;

namespace {

result<session_request> decode(const v1::CreateSessionRequest& request) {
  return wire::decode_create_session(codec::proto, request.SerializeAsString());
}

result<namespace_request> decode(const v1::CreateNamespaceRequest& request) {
  return wire::decode_create_namespace(codec::proto, request.SerializeAsString());
}

} // namespace

TEST_CASE("everything that a session can begin with is read", "[daemon][unit]") {
  v1::CreateSessionRequest request;
  request.set_name("s");
  request.set_start_async(true);
  request.mutable_init()->set_source("import math");
  request.mutable_init()->set_timeout_ms(50);
  request.mutable_init()->set_filename("i.py");
  (*request.mutable_init()->mutable_variables())["x"].set_integer(3);
  request.set_working_directory("a/b");
  (*request.mutable_environment_variables())["K"] = "v=w";
  request.mutable_value_options()->set_blob_as(v1::ValueOptions::BLOB_AS_STR);
  request.set_max_refs(5);
  request.set_ref_ttl_ms(6);
  request.add_tags("t");
  auto got = decode(request);
  REQUIRE(got);
  CHECK(got->start_async);
  REQUIRE(got->init);
  CHECK(got->init->source == "import math");
  CHECK(got->init->timeout.count() == 50);
  CHECK(got->init->filename == "i.py");
  CHECK(got->init->first_line == 1);
  v1::Value variables;
  REQUIRE(variables.ParseFromString(got->init->variables));
  CHECK(variables.dict().entries(0).value().integer() == 3);
  CHECK(got->working_directory == "a/b");
  CHECK(got->environment_variables
        == std::vector<std::pair<std::string, std::string>>{{"K", "v=w"}});
  CHECK(got->values.blob_as == 2);
  CHECK(got->limits[limit::refs] == 5);
  CHECK(got->ref_ttl.count() == 6);
  CHECK(got->tags == std::vector<std::string>{"t"});
  CHECK(got->owner == 0);
  request.set_lifetime(v1::LIFETIME_CONNECTION);
  CHECK(decode(request)->owner == wire::owner_is_asker);
  request.set_lifetime(static_cast<v1::Lifetime>(3));
  CHECK_FALSE(decode(request));
}

TEST_CASE("tags are few and short", "[daemon][unit]") {
  v1::CreateSessionRequest request;
  for (int i = 0; i < 16; ++i)
    request.add_tags(std::string(64, 'x'));
  CHECK(decode(request)->tags.size() == 16);
  request.add_tags("x");
  CHECK_FALSE(decode(request));
  request.clear_tags();
  request.add_tags(std::string(65, 'x'));
  CHECK_FALSE(decode(request));
  request.set_tags(0, "");
  CHECK_FALSE(decode(request));
}

TEST_CASE("a way out and processes are asked for by name", "[daemon][unit]") {
  v1::CreateSessionRequest request;
  CHECK(decode(request)->egress.empty());
  CHECK_FALSE(decode(request)->processes);
  request.set_egress("web");
  request.set_processes(v1::PROCESSES_CHILDREN);
  CHECK(decode(request)->egress == "web");
  CHECK(decode(request)->processes == process_mode::children);
  request.set_processes(v1::PROCESSES_NONE);
  CHECK(decode(request)->processes == process_mode::none);
  request.set_processes(static_cast<v1::Processes>(3));
  CHECK_FALSE(decode(request));
}

TEST_CASE("environment variables are few, small and well named", "[daemon][unit]") {
  v1::CreateSessionRequest request;
  auto& all = *request.mutable_environment_variables();
  for (int i = 0; i < 256; ++i)
    all["V" + std::to_string(i)] = "x";
  CHECK(decode(request)->environment_variables.size() == 256);
  all["more"] = "x";
  CHECK_FALSE(decode(request));

  all.clear();
  all["NAME"] = std::string((64u << 10) - 4, 'x');
  CHECK(decode(request));
  all["NAME"] += 'x';
  CHECK_FALSE(decode(request));

  for (const auto& name : {std::string{}, std::string{"a=b"}, std::string{"a\0b", 3}}) {
    all.clear();
    all[name] = "x";
    CHECK_FALSE(decode(request));
  }
  all.clear();
  all["a"] = std::string{"x\0", 2};
  CHECK_FALSE(decode(request));
}

TEST_CASE("a working directory is a path of bounded length", "[daemon][unit]") {
  v1::CreateSessionRequest request;
  request.set_working_directory(std::string(4'096, 'a'));
  CHECK(decode(request));
  request.set_working_directory(std::string(4'097, 'a'));
  CHECK_FALSE(decode(request));
  request.set_working_directory(std::string{"a\0b", 3});
  CHECK_FALSE(decode(request));
}

TEST_CASE("what outlives a connection cannot have its refs", "[daemon][unit]") {
  v1::CreateSessionRequest session;
  session.mutable_value_options()->set_ref_lifetime(v1::ValueOptions::REF_LIFETIME_SESSION);
  CHECK(decode(session));
  session.mutable_value_options()->set_ref_lifetime(v1::ValueOptions::REF_LIFETIME_CONNECTION);
  CHECK_FALSE(decode(session));
  v1::CreateNamespaceRequest name_space;
  name_space.set_session("s");
  CHECK(decode(name_space));
  *name_space.mutable_value_options() = session.value_options();
  CHECK_FALSE(decode(name_space));
}

TEST_CASE("a namespace says where its names come from", "[daemon][unit]") {
  v1::CreateNamespaceRequest request;
  request.set_name("n");
  CHECK_FALSE(decode(request)); // Of which session?
  request.set_session("s");
  request.add_from();
  auto* second = request.add_from();
  second->set_namespace_("a");
  second->mutable_only();
  request.add_from()->mutable_except()->add_names("x");
  (*request.mutable_variables())["v"].set_boolean(true);
  request.set_lifetime(v1::LIFETIME_CONNECTION);
  auto got = decode(request);
  REQUIRE(got);
  CHECK(got->name == "n");
  CHECK(got->owner == wire::owner_is_asker);
  CHECK_FALSE(got->variables.empty());
  REQUIRE(got->from.size() == 3);
  CHECK(got->from[0].name.empty());
  CHECK_FALSE(got->from[0].only);
  CHECK(got->from[1].name == "a");
  REQUIRE(got->from[1].only); // Empty is not absent.
  CHECK(got->from[1].only->empty());
  CHECK(got->from[2].except == std::vector<std::string>{"x"});
  second->mutable_except()->add_names("x");
  CHECK_FALSE(decode(request));

  v1::CreateNamespaceRequest many;
  many.set_session("s");
  for (int i = 0; i < 1'000; ++i)
    many.add_from();
  CHECK(decode(many));
  many.add_from();
  CHECK_FALSE(decode(many));
}

TEST_CASE("a namespace is ended by session and name", "[daemon][unit]") {
  auto got = wire::decode_destroy_namespace(codec::json, R"({"session":"s","namespace":"n"})");
  REQUIRE(got);
  CHECK(got->session == "s");
  CHECK(got->name_space == "n");
  CHECK_FALSE(wire::decode_destroy_namespace(codec::json, R"({"session":"s"})"));
  CHECK_FALSE(wire::decode_destroy_namespace(codec::json, R"({"namespace":"n"})"));
}

TEST_CASE("sessions and namespaces are told in both codecs", "[daemon][unit]") {
  session_info session;
  session.id = "ses_1";
  session.tags = {"a", "b"};
  session.used.cpu = std::chrono::microseconds{7};
  session.namespaces = 3;
  session.init_error = "Traceback ...";
  namespace_info name_space;
  name_space.id = "ns_1";
  name_space.name = "n";
  name_space.session_id = "ses_1";
  name_space.created += std::chrono::milliseconds{1'500};
  v1::GetSessionResponse a;
  REQUIRE(a.ParseFromString(
      *wire::encode_session(wire::message::get_session_response, codec::proto, session)));
  CHECK(a.session().tags_size() == 2);
  CHECK(a.session().usage().cpu_us() == 7);
  CHECK(a.session().namespaces() == 3);
  CHECK(a.session().init_error() == "Traceback ...");
  v1::ListNamespacesResponse b;
  REQUIRE(google::protobuf::util::JsonStringToMessage(
              *wire::encode_namespaces(codec::json, {name_space}), &b)
              .ok());
  CHECK(b.namespaces(0).name() == "n");
  CHECK(b.namespaces(0).session_id() == "ses_1");
  CHECK(b.namespaces(0).create_time().seconds() == 1);
  CHECK(b.namespaces(0).create_time().nanos() == 500'000'000);
  v1::CreateNamespaceResponse c;
  REQUIRE(c.ParseFromString(*wire::encode_namespace(codec::proto, name_space)));
  CHECK(c.namespace_().id() == "ns_1");
}

TEST_CASE("limits are read as they were set, and told in full", "[daemon][unit]") {
  v1::CreateSessionRequest request;
  request.mutable_limits()->set_memory_bytes(1 << 20);
  request.mutable_limits()->set_displays(0);
  request.set_max_refs(9);
  auto got = decode(request);
  REQUIRE(got);
  CHECK(got->limits[limit::memory] == 1u << 20);
  CHECK(got->limits[limit::displays] == 0u);
  CHECK(got->limits[limit::refs] == 9u);
  CHECK_FALSE(got->limits[limit::threads]);
  request.mutable_limits()->set_refs(7);
  CHECK(decode(request)->limits[limit::refs] == 7u);

  session_info info;
  info.limits[limit::cpu] = no_limit;
  info.limits[limit::namespaces] = 0;
  auto encoded = wire::encode_session(wire::message::get_session_response, codec::proto, info);
  REQUIRE(encoded);
  v1::GetSessionResponse told;
  REQUIRE(told.ParseFromString(*encoded));
  const auto& limits = told.session().limits();
  CHECK(limits.memory_bytes() == 512u << 20);
  CHECK(limits.has_namespaces());
  CHECK_FALSE(limits.has_cpu_ms());
  CHECK(limits.event_log_bytes() == 4u << 20);
}

TEST_CASE("requests that make a session bring its limits", "[daemon][unit]") {
  auto eval = wire::decode_eval(codec::json, R"({"source":"1","limits":{"threads":"3"}})", nullptr);
  REQUIRE(eval);
  REQUIRE(eval->limits);
  CHECK((*eval->limits)[limit::threads] == 3u);
  CHECK_FALSE(wire::decode_eval(codec::json, R"({"source":"1"})", nullptr)->limits);
  CHECK_FALSE(wire::decode_eval(codec::json, R"({"source":"1","limits":{"colour":"3"}})", nullptr));
}
