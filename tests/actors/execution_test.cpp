// SPDX-License-Identifier: Apache-2.0
#include "actors/execution.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;

namespace {

struct recorder : follower {
  void on_progress(execution& source) override {
    ++calls;
    saw_end = source.end().has_value();
    if (leave)
      source.unsubscribe(this);
  }
  int calls = 0;
  bool saw_end = false;
  bool leave = false;
};

execution_ptr make(std::size_t log_bytes = 1 << 20) {
  return std::make_shared<execution>("exe_0test", "ses_0test", submission{}, log_bytes);
}

} // namespace

TEST_CASE("events are numbered from one and end with the verdict", "[actors][unit]") {
  auto e = make();
  e->mark_started(clock_type::now());
  e->append(event::kind::started, {});
  e->append(event::kind::out, "a");
  e->finish({});
  REQUIRE(e->log().size() == 3);
  CHECK(e->log()[0].sequence == 1);
  CHECK(e->log()[2].sequence == 3);
  CHECK(e->log()[2].what == event::kind::verdict);
  CHECK(e->now() == execution::state::done);
}

TEST_CASE("only the first verdict counts and nothing is appended after it", "[actors][unit]") {
  auto e = make();
  verdict first;
  first.outcome = verdict::kind::repr;
  first.content = "1";
  e->finish(first);
  e->finish({});
  e->append(event::kind::out, "late");
  CHECK(e->end()->content == "1");
  CHECK(e->log().size() == 1);
}

TEST_CASE("a follower sees the verdict when it is told of it", "[actors][unit]") {
  auto e = make();
  auto f = std::make_shared<recorder>();
  e->subscribe(f);
  e->append(event::kind::started, {}); // not worth waking anybody for
  CHECK(f->calls == 0);
  e->append(event::kind::out, "x");
  CHECK(f->calls == 1);
  CHECK_FALSE(f->saw_end);
  e->finish({});
  CHECK(f->calls == 2);
  CHECK(f->saw_end);
  CHECK(f.use_count() == 1); // let go of
}

TEST_CASE("followers may leave while they are being told", "[actors][unit]") {
  auto e = make();
  auto leaver = std::make_shared<recorder>();
  leaver->leave = true;
  auto stayer = std::make_shared<recorder>();
  e->subscribe(leaver);
  e->subscribe(stayer);
  e->append(event::kind::out, "1");
  e->append(event::kind::out, "2");
  CHECK(leaver->calls == 1);
  CHECK(stayer->calls == 2);
}

TEST_CASE("the log drops its oldest events over its bound and keeps the newest", "[actors][unit]") {
  auto e = make(1000);
  for (int n = 0; n < 100; ++n)
    e->append(event::kind::out, std::string(100, 'x'));
  CHECK(e->log_bytes() <= 1000);
  CHECK(e->last_sequence() == 100);
  CHECK(e->log().back().sequence == 100);
  CHECK(e->first_held() == e->log().front().sequence);
  e->append(event::kind::out, std::string(5000, 'x')); // larger than the bound by itself
  CHECK(e->log().size() == 1);
  CHECK(e->log().back().sequence == 101);
}

TEST_CASE("what has been taken of a response is held no longer", "[actors][unit]") {
  submission what;
  what.mode = bridge::run_mode::app_request;
  auto e = std::make_shared<execution>("exe_0test", "ses_0test", what, 1 << 20);
  e->append(event::kind::started, {});
  e->keep_from(1);
  std::string chunk(1000, 'x');
  e->append(event::kind::items, chunk, 1);
  e->append(event::kind::items, chunk, 1);
  e->keep_from(3);
  CHECK(e->first_held() == 3);
  CHECK(e->log()[0].data == chunk);
  e->append(event::kind::out, "said");
  e->append(event::kind::items, chunk, 1);
  e->append(event::kind::items, chunk, 1);
  e->keep_from(6);
  CHECK(e->first_held() == 4); // What was said is for whoever asks later.
  CHECK(e->log()[0].data == "said");
  CHECK(e->log()[1].data.empty());
  CHECK(e->log()[2].data == chunk);
  CHECK(e->log_bytes() < 2 * chunk.size());
  e->append(event::kind::items, chunk, 1);
  e->keep_from(execution::keep_nothing);
  CHECK(e->log()[2].data == chunk); // Whoever left may be in the middle of it.
  CHECK(e->log()[3].data.empty());
  CHECK(e->log_bytes() < 2 * chunk.size());
}

TEST_CASE("streams keep their items for whoever follows them", "[actors][unit]") {
  auto e = make();
  e->keep_from(1);
  e->append(event::kind::items, "a", 1);
  e->append(event::kind::items, "b", 1);
  e->keep_from(3);
  CHECK(e->first_held() == 1);
  CHECK(e->log()[0].data == "a");
}
