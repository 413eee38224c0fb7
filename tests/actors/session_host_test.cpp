// SPDX-License-Identifier: Apache-2.0

// Calls of a session's code to the application, against a worker that the test plays itself.

#include "tests/actors/session_fixture.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace vivarium::test;
using fixture = session_fixture;
using outcome = bridge::host_result::outcome;
using names = std::vector<std::string>;

namespace {

/// A session whose worker runs one execution.
struct calling : fixture {
  explicit calling(settings s = {}) : fixture{std::move(s)} {
    grant();
    outer = submit("f()");
    CHECK(sent() == names{"evaluate 1"});
  }

  execution_ptr submit_within(std::string call) {
    submission what;
    what.source = "inner";
    what.timeout = 1min;
    what.within_call = std::move(call);
    return submit_it(std::move(what));
  }
  execution_ptr submit_it(submission what) { return fixture::submit(std::move(what)); }

  execution_ptr outer;
};

} // namespace

TEST_CASE("a call goes to the application and its answer to the worker", "[actors][unit]") {
  settings s;
  s.callback_timeout = 7s;
  calling f{s};
  f.say_call(f.call_of(1, 1));
  REQUIRE(f.placed_calls.size() == 1);
  const auto& placed = f.placed_calls[0];
  CHECK(placed.number == 1);
  CHECK(placed.who.tenant == "local");
  CHECK(placed.who.session_id == "ses_0test");
  CHECK(placed.what.name == "f");
  CHECK(placed.what.execution_id == "exe_0test");
  CHECK(placed.what.operands == fixture::one_argument());
  CHECK(placed.what.timeout == 7s);
  CHECK(f.sent().empty());
  f.core->on_answered(1, {outcome::value, bridge::int_value(2)});
  CHECK(f.sent() == names{"result 1 value"});
  CHECK(f.texts.back() == bridge::int_value(2));
  f.core->on_answered(1, {outcome::value, bridge::int_value(3)}); // Once.
  CHECK(f.sent().empty());
  f.say_result(1);
  CHECK(f.outer->end());
}

TEST_CASE("a call of no execution, or of one that has ended, names none", "[actors][unit]") {
  calling f;
  f.say_call(f.call_of(1, 0));
  f.say_result(1);
  f.say_call(f.call_of(2, 1));
  REQUIRE(f.placed_calls.size() == 2);
  CHECK(f.placed_calls[0].what.execution_id.empty());
  CHECK(f.placed_calls[1].what.execution_id.empty());
}

TEST_CASE("a call of the daemon's own goes to nobody else", "[actors][unit]") {
  settings s;
  s.callback_timeout = 7s;
  calling f{s};
  auto call = f.call_of(1, 1);
  call.name = "vivarium.store.get";
  f.say_call(call);
  call.call = 2;
  call.host = 7; // Not even by the number of a connection.
  f.say_call(call);
  CHECK(f.placed_calls.empty());
  CHECK(f.capability_calls == names{"vivarium.store.get", "vivarium.store.get"});
  CHECK(f.sent().empty());
  f.core->on_answered(1, {outcome::value, bridge::int_value(2)});
  CHECK(f.sent() == names{"result 1 value"});
  CHECK(f.tickets[0].expired());
  REQUIRE_FALSE(f.tickets[1].expired());
  // Who waits no longer is known by the ticket.
  f.core->on_tick(clock_type::now() + 8s);
  CHECK(f.tickets[1].expired());
  CHECK(f.sent() == names{"result 2 timeout"});
  call.call = 0;
  call.kind = bridge::host_call::call_kind::cast;
  f.say_call(call);
  CHECK(f.placed_calls.empty());
  CHECK(f.capability_calls.size() == 2);
}

TEST_CASE("a cast has no number and no answer", "[actors][unit]") {
  calling f;
  f.say_call(f.call_of(0, 1));
  REQUIRE(f.placed_calls.size() == 1);
  CHECK(f.placed_calls[0].number == 0);
  f.refuse_calls = error{errc::not_found, "nobody"};
  f.say_call(f.call_of(0, 1));
  CHECK(f.sent().empty());
}

TEST_CASE("a call that cannot be placed is answered by the session", "[actors][unit]") {
  calling f;
  f.refuse_calls = error{errc::not_found, "nobody offers it"};
  f.say_call(f.call_of(1, 1));
  CHECK(f.sent() == names{"result 1 not_found"});
  CHECK(f.texts.back() == "nobody offers it");
  f.refuse_calls = error{errc::limit_exceeded, "too many"};
  f.say_call(f.call_of(2, 1));
  CHECK(f.sent() == names{"result 2 limit"});
  CHECK_FALSE(f.outer->end());
}

TEST_CASE("a call that is none ends the session", "[actors][unit]") {
  calling f;
  std::string bytes;
  auto call = fixture::call_of(2, 1);
  std::string name;
  std::string operands;
  SECTION("a number that was used") {
    f.say_call(fixture::call_of(2, 1));
  }
  SECTION("a number below one that was used") {
    f.say_call(fixture::call_of(3, 1));
  }
  SECTION("a cast with a number above all") {
    call.kind = bridge::host_call::call_kind::cast;
  }
  SECTION("a call without a number") {
    call.call = 0;
  }
  SECTION("no name") {
    call.name = "";
  }
  SECTION("a name over 200 bytes") {
    name = std::string(201, 'x');
    call.name = name;
  }
  SECTION("a name that is no UTF-8") {
    call.name = "\xff";
  }
  SECTION("a name that would end in an environment") {
    call.name = std::string_view{"f\0g", 3};
  }
  SECTION("a name that would begin a line") {
    call.name = "f\ng";
  }
  SECTION("a name that would speak to a terminal") {
    call.name = "f\x1b[2J";
  }
  SECTION("arguments over 16 MiB") {
    const std::string items[] = {bridge::text_value(std::string((16u << 20) + 100, 'x'))};
    const std::string parts[] = {bridge::tuple_value(items), bridge::dict_value({})};
    operands = bridge::tuple_value(parts);
    call.operands = operands;
  }
  SECTION("no value") {
    call.operands = "\xff\xff";
  }
  SECTION("a value that is no arguments") {
    operands = bridge::int_value(1);
    call.operands = operands;
  }
  SECTION("one part only") {
    const std::string parts[] = {bridge::tuple_value({})};
    operands = bridge::tuple_value(parts);
    call.operands = operands;
  }
  SECTION("three parts") {
    const std::string parts[] = {bridge::tuple_value({}), bridge::dict_value({}),
                                 bridge::dict_value({})};
    operands = bridge::tuple_value(parts);
    call.operands = operands;
  }
  SECTION("a list for the positional ones") {
    const std::string parts[] = {bridge::list_value({}), bridge::dict_value({})};
    operands = bridge::tuple_value(parts);
    call.operands = operands;
  }
  REQUIRE(bridge::append_host_call(bytes, call));
  f.say(bytes);
  REQUIRE(f.outer->end());
  CHECK(kind_of(f.outer) == "session_lost");
  CHECK(f.outer->end()->cause->what == "protocol");
}

TEST_CASE("other frames that are none end the session", "[actors][unit]") {
  calling f;
  f.say_call(f.call_of(1, 1));
  SECTION("a call dropped that was never made") {
    f.say_drop(2);
  }
  SECTION("an answer from the wrong side") {
    std::string bytes;
    REQUIRE(bridge::append_host_result(bytes, {1, outcome::value, bridge::none_value(), 0}));
    f.say(bytes);
  }
  SECTION("a record that is none") {
    std::string bytes;
    REQUIRE(bridge::append_note(bytes, {1, bridge::note::note_kind::log, "\xff\xff"}));
    f.say(bytes);
  }
  SECTION("a note over 64 KiB") {
    std::string bytes;
    std::string content;
    protozero::pbf_writer{content}.add_string(3, std::string(64u << 10, 'x'));
    REQUIRE(bridge::append_note(bytes, {1, bridge::note::note_kind::progress, content}));
    f.say(bytes);
  }
  SECTION("progress that is none") {
    std::string bytes;
    REQUIRE(bridge::append_note(bytes, {1, bridge::note::note_kind::progress, "\xff\xff"}));
    f.say(bytes);
  }
  REQUIRE(f.outer->end());
  CHECK(f.outer->end()->cause->what == "protocol");
  CHECK(f.dropped_calls == names{"call_1"}); // Nobody waits for what the lost session asked.
}

TEST_CASE("a call that the worker drops is dropped in the application", "[actors][unit]") {
  calling f;
  f.say_call(f.call_of(1, 1));
  f.say_drop(1);
  CHECK(f.dropped_calls == names{"call_1"});
  f.core->on_answered(1, {outcome::value, bridge::none_value()});
  CHECK(f.sent().empty());
  f.say_call(f.call_of(2, 1));
  f.core->on_answered(2, {outcome::value, bridge::none_value()});
  f.say_drop(2); // It crossed with its answer.
  CHECK(f.dropped_calls.size() == 1);
  CHECK_FALSE(f.outer->end());
}

TEST_CASE("a call has its own time, or the configured one", "[actors][unit]") {
  settings s;
  s.callback_timeout = 10s;
  calling f{s};
  auto quick = fixture::call_of(1, 1);
  quick.timeout_ms = 50;
  f.say_call(quick);
  f.say_call(fixture::call_of(2, 1));
  const auto now = clock_type::now();
  CHECK(f.placed_calls[0].what.timeout == 50ms);
  f.core->on_tick(now + 5s);
  CHECK(f.sent() == names{"result 1 timeout"});
  CHECK(f.texts.back() == "no answer came within 50 ms");
  CHECK(f.dropped_calls == names{"call_1"});
  f.core->on_tick(now + 11s);
  CHECK(f.sent() == names{"result 2 timeout"});
  CHECK_FALSE(f.outer->end());
}

TEST_CASE("an answer that no frame holds is told as such", "[actors][unit]") {
  calling f;
  f.say_call(f.call_of(1, 1));
  f.core->on_answered(1, {outcome::value, std::string(bridge::max_frame_bytes, 'x')});
  CHECK(f.sent() == names{"result 1 limit"});
  CHECK_FALSE(f.outer->end());
}

TEST_CASE("what a session's start calls may evaluate within", "[actors][unit]") {
  session_request wish;
  wish.init.emplace();
  wish.init->source = "f()";
  fixture f{{}, wish};
  f.grant();
  CHECK(f.sent() == names{"evaluate 1"});
  auto early = f.submit("early");
  f.say_call(fixture::call_of(1, 1));
  submission what;
  what.source = "inner";
  what.timeout = 1min;
  what.within_call = "call_1";
  auto inner = f.submit(what);
  CHECK(f.sent() == names{"evaluate 2 within 1"});
  f.say_result(2);
  CHECK(inner->end());
  CHECK_FALSE(early->end());
  f.core->on_answered(1, {outcome::value, bridge::none_value()});
  f.say_result(1);
  CHECK(f.sent() == names{"result 1 value", "evaluate 3"}); // What it began with is kept.
  f.say_result(3);
  CHECK(f.sent() == names{"evaluate 4"});
  f.say_result(4);
  CHECK(early->end());
}

TEST_CASE("messages wait in the mailbox for a worker that does not read", "[actors][unit]") {
  calling f;
  f.mail_bounds.bytes = f.mail_bounds.tenant_bytes = 128u << 20;
  constexpr std::uint64_t many = 140; // 70 MiB: more than a worker may leave unread.
  for (std::uint64_t n = 1; n <= many; ++n) {
    auto call = fixture::call_of(n, 1);
    call.name = "vivarium.receive";
    f.say_call(call);
  }
  auto text = bridge::text_value(std::string(512u << 10, 'x'));
  for (std::uint64_t n = 1; n <= many; ++n) {
    REQUIRE(f.mail.publish("local", "", "ses_0test", text));
    f.core->flush();
  }
  CHECK_FALSE(f.outer->end());
  std::size_t got = 0;
  for (int turn = 0; turn < 10'000 && got < many; ++turn) {
    got += f.sent().size();
    f.core->on_writable();
  }
  CHECK(got == many);
}

TEST_CASE("more than 16,384 open calls are refused", "[actors][unit]") {
  calling f;
  std::string bytes;
  for (std::uint64_t n = 1; n <= 16'385; ++n) {
    bytes.clear();
    REQUIRE(bridge::append_host_call(bytes, fixture::call_of(n, 1)));
    f.say(bytes);
  }
  CHECK(f.placed_calls.size() == 16'384);
  CHECK(f.sent() == names{"result 16385 limit"});
  f.core->on_answered(1, {outcome::value, bridge::none_value()});
  CHECK(f.sent() == names{"result 1 value"});
  f.say_call(fixture::call_of(16'386, 1));
  CHECK(f.placed_calls.size() == 16'385);
}

TEST_CASE("what is within a call runs before who waits", "[actors][unit]") {
  calling f;
  auto later = f.submit("later");
  f.say_call(f.call_of(1, 1));
  CHECK(f.sent() == names{"evaluate 2"});
  auto inner = f.submit_within("call_1");
  CHECK(f.accepted);
  CHECK(f.sent() == names{"evaluate 3 within 1"});
  CHECK(inner->now() == execution::state::running);
  f.say_result(3);
  CHECK(inner->end());
  CHECK_FALSE(later->end());
  f.core->on_answered(1, {outcome::value, bridge::none_value()});
  f.say_result(1);
  f.say_result(2);
  CHECK(f.outer->end());
  CHECK(later->end());
}

TEST_CASE("within a call that is over, or of another session, is an error", "[actors][unit]") {
  calling f;
  f.submit_within("call_9");
  CHECK_FALSE(f.accepted);
  CHECK(f.refusal.code == errc::not_found);
  f.say_call(f.call_of(1, 1));
  f.core->on_answered(1, {outcome::value, bridge::none_value()});
  f.submit_within("call_1");
  CHECK_FALSE(f.accepted);
}

TEST_CASE("64 executions run within calls, and no more", "[actors][unit]") {
  calling f;
  f.say_call(f.call_of(1, 1));
  for (int i = 0; i < 64; ++i) {
    f.submit_within("call_1");
    REQUIRE(f.accepted);
  }
  f.submit_within("call_1");
  CHECK_FALSE(f.accepted);
  CHECK(f.refusal.code == errc::busy);
}

TEST_CASE("what has not begun when its call is dropped waits like others", "[actors][unit]") {
  calling f;
  f.say_call(f.call_of(1, 1));
  auto inner = f.submit_within("call_1");
  CHECK(f.sent() == names{"evaluate 2 within 1"});
  f.say_drop(1);
  f.say_result(1); // The outer one ends first.
  CHECK(f.outer->end());
  CHECK_FALSE(inner->end());
  f.say_result(2);
  CHECK(inner->end());
}
