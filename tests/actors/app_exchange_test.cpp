// SPDX-License-Identifier: Apache-2.0

// Requests to web applications: their two directions, and a worker that says what it must not.

#include "actors/app_exchange.hpp"
#include "tests/actors/session_fixture.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace vivarium::test;
using words = std::vector<std::string>;
using part_kind = app_part::part_kind;
using input_kind = bridge::app_input::input_kind;

namespace {

std::string response(std::uint64_t status, const std::string& body) {
  std::string blob;
  protozero::pbf_writer{blob}.add_bytes(7, body);
  std::vector<std::string> parts{bridge::int_value(static_cast<std::int64_t>(status)),
                                 bridge::list_value({}), blob};
  return bridge::tuple_value(parts);
}

/// An exchange whose session has a worker that the test plays.
struct asking : session_fixture {
  asking() { grant(); }

  void begin(std::string operands = {}, std::chrono::milliseconds socket_timeout = 0ms) {
    submission what;
    what.socket_timeout = socket_timeout;
    what.operands = std::move(operands);
    what.timeout = 1min;
    what.idle_timeout = 1min;
    exchange = std::make_shared<app_exchange>(
        app_exchange::ports{
            .submit =
                [this](submission&& what, const reply<execution_ptr>& to) {
                  auto made = std::make_shared<execution>("exe_0app", "ses_0test", what, 1 << 20);
                  core->run(made, to);
                },
            .pull = [this](const execution_ptr& what,
                           std::uint64_t credit) { core->pull(what, credit); },
            .feed = [this](const execution_ptr& what,
                           app_feed more) { core->feed(what, std::move(more)); },
            .malformed = [this](const execution_ptr&, const std::string& why) { spoilt = why; },
        },
        [this] { ++changes; });
    exchange->begin(std::move(what));
  }

  void say_item(const std::string& value) {
    std::string content;
    protozero::pbf_writer{content}.add_message(1, value);
    std::string out;
    REQUIRE(bridge::append_items(out, {1, 1, content}));
    say(out);
  }
  void say_whole(const std::string& value) {
    std::string out;
    bridge::finished finished;
    finished.execution = 1;
    finished.kind = bridge::finished::outcome::value;
    finished.content = value;
    REQUIRE(bridge::append_finished(out, finished));
    say(out);
  }
  void say_taken(std::uint64_t bytes) {
    std::string out;
    REQUIRE(bridge::append_app_taken(out, {1, bytes}));
    say(out);
  }

  std::shared_ptr<app_exchange> exchange;
  int changes = 0;
  std::string spoilt;
};

} // namespace

TEST_CASE("a whole response is one part", "[actors][unit]") {
  asking f;
  f.begin();
  CHECK(f.sent() == words{"evaluate 1"});
  CHECK(f.modes.back() == bridge::run_mode::app_request);
  CHECK_FALSE(f.exchange->next());
  f.say_whole(response(201, "all"));
  CHECK(f.changes > 0);
  auto head = f.exchange->next();
  REQUIRE(head);
  CHECK((head->kind == part_kind::head && head->whole));
  CHECK((head->head.status == 201 && head->head.body == "all"));
  CHECK(f.exchange->over());
}

TEST_CASE("a response in pieces is ordered as it is taken", "[actors][unit]") {
  asking f;
  f.begin();
  f.say_item(response(200, "one"));
  f.say_parked(1);
  CHECK(f.exchange->next()->head.body == "one");
  CHECK_FALSE(f.exchange->next());
  (void)f.sent();
  std::string blob;
  protozero::pbf_writer{blob}.add_bytes(7, "two");
  for (std::uint64_t i = 1; i < app_credit; ++i)
    f.say_item(blob);
  CHECK(f.sent().empty()); // The round is over, and nobody has taken it.
  for (std::uint64_t i = 1; i < app_credit; ++i)
    CHECK(f.exchange->next()->content == "two");
  CHECK_FALSE(f.exchange->next());
  CHECK(f.sent() == words{"pull 1 64"});
  f.say_item(bridge::none_value());
  CHECK(f.exchange->next()->kind == part_kind::end);
  CHECK(f.exchange->over());
  f.exchange->leave();
  CHECK(f.sent().empty()); // The application may go on.
}

TEST_CASE("input goes as far as it is taken", "[actors][unit]") {
  asking f;
  f.begin();
  (void)f.sent();
  auto all = bridge::app_input_window;
  CHECK(f.exchange->room() == all);
  f.exchange->feed({input_kind::body, 0, "abc"});
  CHECK(f.sent() == words{"input 1 abc"});
  CHECK(f.exchange->room() == all - 3);
  f.exchange->feed({input_kind::body, 0, std::string(all, 'x')});
  CHECK(f.exchange->room() == 0);
  f.say_taken(3 + all);
  CHECK(f.exchange->room() == all);
  f.exchange->feed({input_kind::text, 0, ""});
  CHECK(f.exchange->room() == all - 1); // An empty message is one as well.
  CHECK(f.ended.empty());
}

TEST_CASE("a worker that does not read holds its clients up", "[actors][unit]") {
  asking f;
  f.begin();
  auto one = f.exchange;
  f.begin();
  auto other = f.exchange;
  f.core->flush();
  for (int n = 0; one->room() > 0 && n < 100; ++n) {
    one->feed({input_kind::body, 0, std::string(100'000, 'x')});
    f.say_taken(100'000); // It claims what it has not read.
  }
  CHECK(one->source()->input_stalled);
  CHECK(one->room() == 0);
  CHECK(other->room() == 0); // Though it has fed nothing.
  f.begin();
  CHECK(f.exchange->room() == 0); // Nor may those add to it who come now.
  auto told = f.changes;
  while (f.exchange->source()->input_stalled) {
    (void)f.sent(); // Reads what the pipe holds.
    f.core->on_writable();
  }
  CHECK(f.changes > told);
  CHECK(one->room() > 0);
  CHECK(other->room() > 0);
  CHECK(f.exchange->room() > 0);
}

TEST_CASE("a worker that takes more than it was sent loses its session", "[actors][unit]") {
  asking f;
  f.begin();
  f.exchange->feed({input_kind::body, 0, "abc"});
  f.say_taken(2);
  CHECK(f.ended.empty());
  f.say_taken(2);
  REQUIRE(f.ended.size() == 1);
  CHECK(f.ended.front().cause->what == "protocol");
  auto part = f.exchange->next();
  REQUIRE(part);
  CHECK((part->kind == part_kind::failed && part->status == 502));
}

TEST_CASE("input is taken by what runs, and by nothing else", "[actors][unit]") {
  asking f;
  f.say_taken(1);
  REQUIRE(f.ended.size() == 1);
  CHECK(f.ended.front().cause->what == "protocol");
}

TEST_CASE("a response that is none is told to its owner and costs nobody else", "[actors][unit]") {
  asking f;
  f.begin();
  f.say_item(bridge::text_value("no head"));
  f.say_parked(1);
  auto part = f.exchange->next();
  REQUIRE(part);
  CHECK((part->kind == part_kind::failed && part->status == 502));
  CHECK_FALSE(f.spoilt.empty());
  CHECK(f.exchange->source()->malformed);
  CHECK(f.ended.empty());
}

TEST_CASE("what goes on after the end is malformed", "[actors][unit]") {
  asking f;
  f.begin();
  f.say_item(response(101, ""));
  f.say_parked(1);
  std::vector<std::string> close{bridge::int_value(4000), bridge::text_value("bye")};
  f.say_item(bridge::tuple_value(close));
  f.say_item(bridge::text_value("one more thing"));
  CHECK(f.exchange->next()->head.status == 101);
  auto bye = f.exchange->next();
  REQUIRE(bye);
  CHECK((bye->kind == part_kind::close && bye->code == 4000 && bye->content == "bye"));
  CHECK(f.exchange->next()->kind == part_kind::failed);
}

TEST_CASE("what an application raises is not its caller's to know", "[actors][unit]") {
  asking f;
  f.begin();
  f.say_error(1, error_kind::python, "secret");
  auto part = f.exchange->next();
  REQUIRE(part);
  CHECK((part->kind == part_kind::failed && part->status == 500 && part->why.empty()));
}

TEST_CASE("a client who leaves ends the request in order", "[actors][unit]") {
  asking f;
  f.begin();
  f.say_item(response(200, "one"));
  f.say_parked(1);
  (void)f.sent();
  f.exchange->leave();
  CHECK(f.sent() == words{"pull 1 0"});
  CHECK(f.exchange->source()->client_gone);
  CHECK_FALSE(f.exchange->next());
  auto told = f.changes;
  f.say_result(1);
  CHECK(f.changes == told);
}

TEST_CASE("a WebSocket has time once it has been answered", "[actors][unit]") {
  for (bool answered : {false, true}) {
    asking f;
    f.begin({}, 1h);
    if (answered)
      f.say_item(response(101, ""));
    f.core->on_tick(clock_type::now() + 2min);
    CHECK(f.interrupted.empty() == answered);
    f.core->on_tick(clock_type::now() + 61min);
    CHECK_FALSE(f.interrupted.empty());
  }
}
