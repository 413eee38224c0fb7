// SPDX-License-Identifier: Apache-2.0

// How a session starts, its namespaces, what belongs to connections, and the end of open contexts.

#include "tests/actors/session_fixture.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace vivarium::test;
using fixture = session_fixture;
using words = std::vector<std::string>;
using bridge::run_mode;

namespace {

session_request with_init() {
  session_request wish;
  wish.init.emplace();
  wish.init->source = "x = 1";
  return wish;
}

struct made_namespace {
  std::optional<namespace_info> info;
  error refusal;
};

std::shared_ptr<made_namespace> make(fixture& f, namespace_request what) {
  auto out = std::make_shared<made_namespace>();
  f.core->create_namespace(what, reply<namespace_info>{[out](result<namespace_info> r) {
                             if (r)
                               out->info = *r;
                             else
                               out->refusal = r.why();
                           }});
  return out;
}

namespace_request named(std::string name) {
  namespace_request what;
  what.name = std::move(name);
  return what;
}

} // namespace

TEST_CASE("the init script runs before everything else", "[actors][unit]") {
  fixture f{{}, with_init()};
  auto early = f.submit("1");
  f.grant();
  CHECK(f.sent() == words{"evaluate 1"});
  CHECK(f.core->info().state == session_state::starting);
  f.say_result(1);
  CHECK(f.sent() == words{"evaluate 2"});
  f.say_result(2);
  CHECK(f.core->info().state == session_state::busy);
  CHECK(f.sent() == words{"evaluate 3"});
  CHECK(f.modes == std::vector{run_mode::execute, run_mode::keep_initial, run_mode::execute});
  f.say_result(3);
  CHECK(early->end()->outcome == verdict::kind::nothing);
  CHECK(f.core->info().executions == 1); // The daemon's own are not counted.
}

TEST_CASE("an init script that fails is the error of the start", "[actors][unit]") {
  fixture f{{}, with_init()};
  std::optional<error> why;
  f.core->describe(true, reply<session_info>{[&](result<session_info> r) {
                     if (!r)
                       why = r.why();
                   }});
  bool told = false;
  f.core->describe(false, reply<session_info>{[&](result<session_info> r) {
                     told = r && r->state == session_state::starting;
                   }});
  CHECK(told);
  auto early = f.submit("1");
  f.grant();
  f.say_error(1, error_kind::import, "No module named 'x'");
  REQUIRE(why);
  CHECK(why->code == errc::failed_precondition);
  CHECK(why->detail.find("No module named 'x'") != std::string::npos);
  CHECK(kind_of_error(why->of_code) == error_kind::import);
  CHECK(f.core->info().cause->what == "init");
  CHECK(f.core->info().init_error == "No module named 'x'");
  CHECK(kind_of(early) == "session_lost");
  CHECK(f.killed.size() == 1);
}

TEST_CASE("settings are sent before the init script", "[actors][unit]") {
  auto wish = with_init();
  wish.working_directory = "work";
  fixture f{{}, wish};
  f.grant();
  f.say_result(1);
  f.say_result(2);
  f.say_result(3);
  (void)f.sent();
  CHECK(f.modes == std::vector{run_mode::configure, run_mode::execute, run_mode::keep_initial});
  CHECK(f.core->info().state == session_state::ready);
}

TEST_CASE("a namespace is there once its worker has it", "[actors][unit]") {
  fixture f;
  f.grant();
  auto made = make(f, named("a"));
  CHECK_FALSE(made->info);
  CHECK(f.sent() == words{"evaluate 1"});
  f.say_result(1);
  REQUIRE(made->info);
  CHECK(made->info->session_id == "ses_0test");

  submission what;
  what.source = "1";
  what.timeout = 1min;
  what.name_space = made->info->id;
  auto there = f.submit(what);
  CHECK(f.accepted);
  CHECK(there->name_space == 1);
  what.name_space = "nowhere";
  f.submit(what);
  CHECK_FALSE(f.accepted);
  CHECK(f.refusal.code == errc::not_found);
  CHECK(make(f, named("a"))->refusal.code == errc::already_exists);

  // It is dropped after what was submitted before, and gone for what comes later.
  int done_count = 0;
  auto count = reply<done>{[&](result<done> r) { done_count += r ? 1 : 0; }};
  f.core->destroy_namespace("a", count);
  f.core->destroy_namespace("a", reply<done>{[&](result<done> r) { done_count += r ? 1 : 0; }});
  CHECK(done_count == 2);
  CHECK(f.sent() == words{"evaluate 2", "evaluate 3"});
  CHECK(f.modes.back() == run_mode::drop_namespace);
  what.name_space = made->info->id;
  f.submit(what);
  CHECK(f.refusal.code == errc::not_found);
}

TEST_CASE("a namespace that cannot be made is not there", "[actors][unit]") {
  fixture f;
  f.grant();
  auto made = make(f, named("a"));
  f.say_error(1, error_kind::not_found, "there is no name 'x' to copy");
  CHECK(made->refusal.code == errc::not_found);
  f.core->list_namespaces(reply<std::vector<namespace_info>>{
      [](result<std::vector<namespace_info>> r) { CHECK((r && r->empty())); }});
  auto from = named("b");
  from.from.push_back(namespace_source{.name = "a", .only = {}, .except = {}});
  CHECK(make(f, from)->refusal.code == errc::not_found);
}

TEST_CASE("namespaces are bounded", "[actors][unit]") {
  settings s;
  s.limits[limit::namespaces] = 1;
  fixture f{s};
  f.grant();
  (void)make(f, named("a"));
  f.say_result(1);
  CHECK(make(f, named("b"))->refusal.code == errc::limit_exceeded);
}

TEST_CASE("options come from the request, the namespace, the session, the form", "[actors][unit]") {
  session_request wish;
  wish.values.set_as = 2;
  fixture f{{}, wish};
  f.grant();
  auto space = named("a");
  space.values.blob_as = 2;
  (void)make(f, space);
  f.say_result(1);
  submission what;
  what.source = "1";
  what.timeout = 1min;
  what.name_space = "a";
  what.values.symbol_as = 3;
  CHECK(f.submit(what)->values == bridge::value_options{2, 2, 2, 3});
  what.as_json = true;
  CHECK(f.submit(what)->values.unserializable == 3);
}

TEST_CASE("what a connection owned ends with it", "[actors][unit]") {
  fixture f;
  f.grant();
  auto mine = named("mine");
  mine.owner = 7;
  (void)make(f, mine);
  f.say_result(1);
  (void)make(f, named("other"));
  f.say_result(2);
  submission what;
  what.source = "object()";
  what.timeout = 1min;
  what.owner = 7;
  f.submit(what);
  f.say_result(3);
  f.modes.clear();
  (void)f.sent();
  f.modes.clear();
  f.core->release_owner(7);
  CHECK(f.sent().size() == 2);
  CHECK(f.modes == std::vector{run_mode::drop_namespace, run_mode::release_owner});
  f.core->release_owner(7);
  f.core->release_owner(8);
  CHECK(f.sent().empty());

  session_request wish;
  wish.owner = 7;
  fixture owned{{}, wish};
  owned.grant();
  owned.core->release_owner(7);
  CHECK(owned.core->info().cause->what == "disconnected");
}

TEST_CASE("what a stream sends after its connection has gone is released with its end",
          "[actors][unit]") {
  fixture f;
  f.grant();
  submission what;
  what.source = "g()";
  what.timeout = 1min;
  what.owner = 7;
  what.stream_credit = 3;
  f.submit(what);
  f.say_parked(1);
  (void)f.sent();
  f.modes.clear();
  f.core->release_owner(7);
  (void)f.sent();
  CHECK(f.modes == std::vector{run_mode::release_owner});
  f.say_result(2);
  f.say_result(1);
  (void)f.sent();
  CHECK(f.modes == std::vector{run_mode::release_owner, run_mode::release_owner});
  f.say_result(3);
  CHECK(f.sent().empty());
}

TEST_CASE("contexts are left before the session is closed", "[actors][unit]") {
  fixture f;
  f.grant();
  submission what;
  what.mode = run_mode::call;
  what.timeout = 1min;
  what.operands = bridge::list_value(std::vector{bridge::int_value(17)});
  f.submit(what);
  f.say_result(1);
  (void)f.sent();
  f.modes.clear();
  bool closed = false;
  f.core->close(reply<done>{[&](result<done> r) { closed = bool{r}; }}, "closed");
  CHECK(closed);
  f.submit("1");
  CHECK(f.refusal.code == errc::session_lost);
  CHECK(f.killed.empty());
  (void)f.sent();
  CHECK(f.modes == std::vector{run_mode::leave_contexts});
  f.say_result(2);
  CHECK(f.killed.size() == 1);
  CHECK(f.ended.size() == 1);
}
