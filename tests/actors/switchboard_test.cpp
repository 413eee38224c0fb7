// SPDX-License-Identifier: Apache-2.0
#include "actors/switchboard.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace vivarium;
using outcome = bridge::host_result::outcome;

namespace {

/// A host that writes down what it is told.
struct recorder final : function_host {
  bool room = true;
  std::vector<function_call_ptr> calls;
  std::vector<std::string> dropped;
  int answered = 0;
  int lost = 0;

  bool on_call(const function_call_ptr& call) override {
    if (room)
      calls.push_back(call);
    return room;
  }
  void on_answered() override { ++answered; }
  void on_lost() override { ++lost; }
  void on_dropped(const std::string& id) override { dropped.push_back(id); }
};

function_call call_of(std::string name) {
  function_call out;
  out.name = std::move(name);
  return out;
}

switchboard::offer_id offer(switchboard& board, const std::string& tenant, function_offer what,
                            function_host& by) {
  auto id = board.offer(tenant, std::move(what), by);
  REQUIRE(id);
  return *id;
}

const switchboard::caller someone{"t", "ses_1", "mine", 0, 0};

/// Places a call and keeps the answer.
struct placed {
  std::vector<function_answer> answers;
  result<std::string> id;

  placed(switchboard& on, const switchboard::caller& who, std::string name)
      : id{on.place(who, call_of(std::move(name)),
                    [this](function_answer with) { answers.push_back(std::move(with)); })} {}
};

} // namespace

TEST_CASE("names of the daemon's own cannot be offered", "[actors][unit]") {
  switchboard board;
  recorder host;
  for (const auto* name : {"vivarium.store.get", "vivarium.*", "vivarium."}) {
    function_offer what;
    what.names = {"f", name};
    auto refused = board.offer("t", std::move(what), host);
    REQUIRE_FALSE(refused);
    CHECK(refused.why().code == errc::invalid_argument);
  }
}

TEST_CASE("patterns are exact or cover what is below them", "[actors][unit]") {
  auto covers = [](std::vector<std::string> patterns, std::string name) {
    switchboard board;
    recorder host;
    function_offer what;
    what.names = std::move(patterns);
    auto id = offer(board, "t", std::move(what), host);
    placed one{board, someone, std::move(name)};
    board.withdraw("t", id);
    CHECK_FALSE(board.place(someone, call_of("c"), nullptr));
    return static_cast<bool>(one.id);
  };
  CHECK(covers({}, "anything"));
  CHECK(covers({"a.b", "c"}, "c"));
  CHECK(covers({"c", "c"}, "c"));
  CHECK_FALSE(covers({"c"}, "c.d"));
  CHECK_FALSE(covers({"c"}, "cd"));
  CHECK(covers({"c.*"}, "c.d"));
  CHECK(covers({"c.*"}, "c.d.e"));
  CHECK(covers({"c.*"}, "c.*"));
  CHECK_FALSE(covers({"c.*"}, "c"));
  CHECK_FALSE(covers({"c.*"}, "c."));
  CHECK_FALSE(covers({"c.*"}, "cc.d"));
  for (auto name : {"c.d.e", "c.d.f", "c.g"}) // Whatever one covers of the other.
    CHECK(covers({"c.d.e", "c.d.*", "c.*"}, name));
  CHECK_FALSE(covers({"c.d.e", "c.d.*"}, "c.e"));
}

TEST_CASE("ids of calls tell nothing of other tenants' calls", "[actors][unit]") {
  switchboard board;
  recorder host;
  offer(board, "t", {}, host);
  offer(board, "other", {}, host);
  const switchboard::caller other{"other", "ses_2", "", 0, 0};
  placed before{board, other, "f"};
  for (int i = 0; i < 10; ++i)
    CHECK(placed{board, someone, "f"}.id);
  placed after{board, other, "f"};
  REQUIRE(before.id);
  REQUIRE(after.id);
  CHECK(*before.id == "call_1");
  CHECK(*after.id == "call_2");
}

TEST_CASE("an id is not used again when all offers have gone", "[actors][unit]") {
  switchboard board;
  recorder host;
  auto first = offer(board, "t", {}, host);
  placed one{board, someone, "f"};
  board.withdraw("t", first);
  offer(board, "t", {}, host);
  placed two{board, someone, "f"};
  REQUIRE(two.id);
  CHECK(*one.id != *two.id);
}

TEST_CASE("a call is answered once", "[actors][unit]") {
  switchboard board;
  recorder host;
  offer(board, "t", {}, host);
  placed one{board, someone, "f"};
  REQUIRE(one.id);
  REQUIRE(host.calls.size() == 1);
  CHECK(host.calls[0]->id == *one.id);
  CHECK(board.open() == 1);
  CHECK(one.answers.empty());
  CHECK(board.answer("t", *one.id, {outcome::value, "v", 5}));
  REQUIRE(one.answers.size() == 1);
  CHECK(one.answers[0].content == "v");
  CHECK(one.answers[0].host == 5);
  CHECK(host.answered == 1);
  CHECK(board.open() == 0);
  auto again = board.answer("t", *one.id, {});
  REQUIRE_FALSE(again);
  CHECK(again.why().code == errc::not_found);
  CHECK(one.answers.size() == 1);
}

TEST_CASE("nothing of one tenant is found by another", "[actors][unit]") {
  switchboard board;
  recorder host;
  offer(board, "other", {}, host);
  placed one{board, someone, "f"};
  REQUIRE_FALSE(one.id);
  CHECK(one.id.why().code == errc::not_found);
  offer(board, "t", {}, host);
  placed two{board, someone, "f"};
  REQUIRE(two.id);
  CHECK_FALSE(board.answer("other", *two.id, {}));
  board.drop("other", *two.id);
  CHECK(board.open() == 1);
  CHECK(board.answer("t", *two.id, {}));
}

TEST_CASE("the connection is asked first, then the session's, then the tenant's",
          "[actors][unit]") {
  switchboard board;
  recorder tenant;
  recorder by_id;
  recorder by_name;
  recorder connection;
  recorder elsewhere;
  offer(board, "t", {"", {}, 0}, tenant);
  offer(board, "t", {"ses_2", {}, 0}, elsewhere);
  auto asked = [&](recorder& who, switchboard::caller from) {
    auto before = who.calls.size();
    placed one{board, from, "f"};
    if (one.id)
      board.drop("t", *one.id); // Whoever waits goes.
    return one.id && who.calls.size() == before + 1;
  };
  CHECK(asked(tenant, someone));
  auto first = offer(board, "t", {"ses_1", {}, 0}, by_id);
  CHECK(asked(by_id, someone));
  board.withdraw("t", first);
  offer(board, "t", {"mine", {}, 0}, by_name);
  CHECK(asked(by_name, someone));
  CHECK(asked(tenant, {"t", "ses_3", "", 0, 0})); // An unnamed session is not called "".
  offer(board, "t", {"", {"f"}, 9}, connection);
  CHECK(asked(by_name, someone));
  CHECK(asked(connection, {"t", "ses_1", "mine", 9, 0}));
  CHECK(asked(by_name, {"t", "ses_1", "mine", 8, 0}));
  CHECK(elsewhere.calls.empty());
}

TEST_CASE("of several that fit equally each has its turn", "[actors][unit]") {
  switchboard board;
  std::vector<recorder> hosts(3);
  for (auto& each : hosts)
    offer(board, "t", {}, each);
  for (int i = 0; i < 9; ++i)
    CHECK(board.place(someone, call_of("f"), nullptr));
  for (const auto& each : hosts)
    CHECK(each.calls.size() == 3);
}

TEST_CASE("a function of a connection is asked of no other", "[actors][unit]") {
  switchboard board;
  recorder mine;
  recorder others;
  offer(board, "t", {}, others);
  auto id = offer(board, "t", {"", {}, 7}, mine);
  const switchboard::caller bound{"t", "ses_1", "", 0, 7};
  CHECK(board.place(bound, call_of("f"), nullptr));
  CHECK(mine.calls.size() == 1);
  board.withdraw("t", id);
  auto gone = board.place(bound, call_of("f"), nullptr);
  REQUIRE_FALSE(gone);
  CHECK(gone.why().code == errc::not_found);
  CHECK(gone.why().detail.find("has gone") != std::string::npos);
  CHECK(others.calls.empty());
}

TEST_CASE("an offer that is withdrawn fails its calls and no others", "[actors][unit]") {
  switchboard board;
  recorder first;
  recorder second;
  auto id = offer(board, "t", {"", {"f"}, 0}, first);
  offer(board, "t", {"", {"g"}, 0}, second);
  placed f{board, someone, "f"};
  placed g{board, someone, "g"};
  board.withdraw("t", id);
  REQUIRE(f.answers.size() == 1);
  CHECK(f.answers[0].kind == outcome::unavailable);
  CHECK(g.answers.empty());
  CHECK_FALSE(board.answer("t", *f.id, {}));
  board.withdraw("t", id); // Twice is no harm.
  CHECK(board.answer("t", *g.id, {}));
}

TEST_CASE("a call that nobody waits for is told to its host", "[actors][unit]") {
  switchboard board;
  recorder host;
  offer(board, "t", {}, host);
  placed one{board, someone, "f"};
  board.drop("t", *one.id);
  CHECK(host.dropped == std::vector<std::string>{*one.id});
  CHECK_FALSE(board.answer("t", *one.id, {}));
  board.drop("t", *one.id);
  CHECK(host.dropped.size() == 1);
  CHECK(one.answers.empty());
}

TEST_CASE("a host without room refuses calls and casts", "[actors][unit]") {
  switchboard board;
  recorder host;
  offer(board, "t", {}, host);
  host.room = false;
  placed one{board, someone, "f"};
  REQUIRE_FALSE(one.id);
  CHECK(one.id.why().code == errc::limit_exceeded);
  CHECK_FALSE(board.place(someone, call_of("f"), nullptr));
  CHECK(board.open() == 0);
  CHECK(host.lost == 1); // Only of casts: who calls is told.
  host.room = true;
  auto cast = board.place(someone, call_of("f"), nullptr);
  REQUIRE(cast);
  CHECK(cast->empty());
  CHECK(host.calls.back()->id.empty());
}

TEST_CASE("offers of a tenant are bounded, and so are their names", "[actors][unit]") {
  switchboard board;
  recorder host;
  std::vector<switchboard::offer_id> ids;
  for (std::size_t i = 0; i < switchboard::most_offers; ++i)
    ids.push_back(offer(board, "t", {}, host));
  auto refused = board.offer("t", {}, host);
  REQUIRE_FALSE(refused);
  CHECK(refused.why().code == errc::limit_exceeded);
  offer(board, "other", {}, host);
  board.withdraw("t", ids[0]);
  auto named =
      offer(board, "t", {"", std::vector<std::string>(switchboard::most_names, "f"), 0}, host);
  board.withdraw("t", ids[1]);
  CHECK_FALSE(board.offer("t", {"", {"f"}, 0}, host));
  board.withdraw("t", named);
  CHECK(board.offer("t", {"", {"f"}, 0}, host));
}

TEST_CASE("bytes of calls that wait for a tenant's clients are bounded", "[actors][unit]") {
  switchboard board;
  recorder host;
  offer(board, "t", {}, host);
  offer(board, "other", {}, host);
  auto large = [](std::size_t bytes) {
    auto out = call_of("f");
    out.operands.resize(bytes - out.name.size());
    return out;
  };
  CHECK(board.place(someone, large(switchboard::most_bytes), nullptr));
  auto refused = board.place(someone, call_of("f"), nullptr);
  REQUIRE_FALSE(refused);
  CHECK(refused.why().code == errc::limit_exceeded);
  CHECK(host.lost == 1);
  CHECK(board.place({"other", "ses_1", "", 0, 0}, call_of("f"), nullptr));
  host.calls.clear(); // The client has it.
  CHECK(board.place(someone, call_of("f"), nullptr));
}
