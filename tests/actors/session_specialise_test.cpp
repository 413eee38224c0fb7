// SPDX-License-Identifier: Apache-2.0
// A session's limits: what it orders for its worker, and what it does when one is met.
#include "tests/actors/session_fixture.hpp"

#include <catch2/catch.hpp>
#include <protozero/pbf_writer.hpp>

#include <csignal>

using namespace vivarium;
using fixture = vivarium::test::session_fixture;
using vivarium::test::kind_of;

namespace {

std::string display_of(std::size_t size) {
  std::string part;
  protozero::pbf_writer writer{part};
  writer.add_string(1, "text/plain");
  writer.add_string(2, std::string(size, 'x'));
  std::string content;
  protozero::pbf_writer{content}.add_message(1, part);
  return content;
}

void show(fixture& f, std::uint64_t number, std::size_t size) {
  std::string out;
  auto content = display_of(size);
  REQUIRE(bridge::append_display(out, {number, content}));
  f.say(out);
}

} // namespace

TEST_CASE("a session with the usual limits is ready at once", "[actors][unit]") {
  fixture f;
  f.grant();
  CHECK(f.core->info().state == session_state::ready);
  CHECK(f.resized.empty());
  auto watched = f.watched.lock();
  REQUIRE(watched);
  CHECK(watched->memory_limit == 512u << 20);
  CHECK_FALSE(watched->busy);
}

TEST_CASE("a session waits until its files have their size", "[actors][unit]") {
  settings s;
  s.limits[limit::workspace] = 1u << 20;
  s.sealed.file_bytes = 1u << 20; // What the worker came with; its files are larger.
  fixture f{s};
  f.grant();
  CHECK(f.core->info().state == session_state::starting);
  CHECK(f.resized == std::vector<std::uint64_t>{1u << 20});
  CHECK(f.sent().empty());
  f.core->on_resized(0);
  CHECK(f.core->info().state == session_state::ready);
  f.core->on_resized(0); // Twice, or late: nothing.
  CHECK(f.core->info().state == session_state::ready);
}

TEST_CASE("a session whose files cannot have their size does not start", "[actors][unit]") {
  settings s;
  s.limits[limit::workspace] = 1u << 20;
  s.sealed.file_bytes = 1u << 20;
  fixture f{s};
  f.grant();
  f.core->on_resized(EINVAL);
  CHECK(f.core->info().state == session_state::dead);
  CHECK(f.killed == std::vector<std::uint64_t>{7});
}

TEST_CASE("a session waits until its worker is in its control group", "[actors][unit]") {
  fixture f{{}, {}, fixture::groups::some};
  f.grant();
  CHECK(f.core->info().state == session_state::starting);
  REQUIRE(f.entered_groups.size() == 1);
  CHECK(f.entered_groups[0].pids == 32u);
  CHECK(f.entered_groups[0].memory_bytes > 576ull << 20);
  f.core->on_placed("/cg/ses", {});
  CHECK(f.core->info().state == session_state::ready);
  f.core->close(reply<done>{}, "closed");
  CHECK(f.left_groups == std::vector<std::string>{"/cg/ses"});
}

TEST_CASE("a session that gets no control group does not start", "[actors][unit]") {
  fixture f{{}, {}, fixture::groups::some};
  f.grant();
  f.core->on_placed("", error{errc::os_failure, "mkdir: no"});
  CHECK(f.core->info().state == session_state::dead);
  CHECK(f.killed == std::vector<std::uint64_t>{7});
  CHECK(f.left_groups.empty());
}

TEST_CASE("a group that comes too late is left again", "[actors][unit]") {
  fixture f{{}, {}, fixture::groups::some};
  f.grant();
  f.core->close(reply<done>{}, "closed");
  f.core->on_placed("/cg/ses", {});
  CHECK(f.left_groups == std::vector<std::string>{"/cg/ses"});
}

TEST_CASE("a worker that is busy is watched as such", "[actors][unit]") {
  fixture f;
  f.grant();
  auto watched = f.watched.lock();
  REQUIRE(watched);
  f.submit("1");
  CHECK(watched->busy);
  f.say_result(1);
  CHECK_FALSE(watched->busy);
  watched.reset();
  f.core->close(reply<done>{}, "closed");
  CHECK(f.watched.expired());
}

TEST_CASE("a worker over its memory is killed, and whoever had it is told why", "[actors][unit]") {
  fixture f;
  f.grant();
  auto first = f.submit("1");
  auto second = f.submit("2");
  f.core->on_beyond({"memory", "memory_bytes", 100, 200, enforcer::daemon});
  CHECK(f.killed == std::vector<std::uint64_t>{7});
  REQUIRE(first->end());
  CHECK(kind_of(first) == "memory");
  CHECK(first->end()->session == session_outcome::lost);
  REQUIRE(first->end()->cause);
  CHECK(first->end()->cause->observed == 200);
  CHECK(kind_of(second) == "session_lost");
  CHECK(f.watch.reached == std::vector<std::string>{"memory_bytes"});
  // Too late to matter.
  f.core->on_beyond({"cpu", "session_cpu_ms", 1, 2, enforcer::daemon});
  CHECK(f.core->info().cause->what == "memory");
}

TEST_CASE("displays beyond the limits are dropped and counted", "[actors][unit]") {
  settings s;
  s.limits[limit::displays] = 2;
  s.limits[limit::display] = 1000;
  fixture f{s};
  f.grant();
  auto many = f.submit("1");
  for (int i = 0; i < 5; ++i)
    show(f, 1, 10);
  f.say_result(1);
  REQUIRE(many->end());
  CHECK(many->end()->displays_dropped == 3);
  auto large = f.submit("2");
  show(f, 2, 900);
  show(f, 2, 900);
  f.say_result(2);
  REQUIRE(large->end());
  CHECK(large->end()->displays_dropped == 1);
  auto fits = f.submit("3");
  show(f, 3, 900);
  f.say_result(3);
  CHECK(fits->end()->displays_dropped == 0);
  CHECK(f.watch.reached == std::vector<std::string>{"displays", "displays"});
}

TEST_CASE("an exception alone is no cause", "[actors][unit]") {
  fixture f;
  f.grant(); // The worker is this process: no limit of it is met.
  std::uint64_t number = 0;
  for (auto [kind, text] : {std::pair{error_kind::io, "[Errno 24] Too many open files"},
                            std::pair{error_kind::io, "[Errno 28] No space left on device"},
                            std::pair{error_kind::python, "can't start new thread"},
                            std::pair{error_kind::limit, "a limit"}}) {
    auto e = f.submit("1");
    f.say_error(++number, kind, text);
    INFO(text);
    REQUIRE(e->end());
    CHECK_FALSE(e->end()->cause);
  }
}
