// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/printable.hpp"
#include "clients/cli/top_view.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace vivarium;
using namespace vivarium::cli;
using namespace std::chrono_literals;

namespace {

/// A daemon with one busy tenant, a second later.
top_snapshot snapshot(std::chrono::seconds later, std::uint64_t ended, std::uint32_t pid = 7) {
  top_snapshot out;
  out.at = std::chrono::steady_clock::time_point{} + 100s + later;
  out.status.version = "1.2.3";
  out.status.pid = pid;
  out.status.ready = true;
  out.status.started = std::chrono::system_clock::now() - 90s;
  out.tenants.push_back({.name = "idle"});
  out.tenants.push_back({.name = "shop",
                         .sessions = 1,
                         .requests = ended * 2,
                         .executions_ended = ended,
                         .executions_failed = ended / 10,
                         .cpu = std::chrono::microseconds{0}});
  session_overview one;
  one.tenant = "shop";
  one.session.id = "ses_1";
  one.session.name = "cart";
  one.session.executions = ended;
  one.worker_cpu = 500ms * later.count();
  out.sessions.push_back(one);
  return out;
}

} // namespace

TEST_CASE("a tenant's text does not steer the terminal", "[clients][unit]") {
  CHECK(printable("plain, ä, €, 😀") == "plain, ä, €, 😀");
  CHECK(printable("\x1b[2J\n\x7f") == "\\x1b[2J\\x0a\\x7f");
  CHECK(printable("\xc2\x9b") == "\\x9b");
  CHECK(printable("\xe2\x80\xae") == "\\u{202e}"); // turns the direction around
  CHECK(printable("\xe2\x80\x8b") == "\\u{200b}"); // is not seen
  CHECK(printable("\xf3\xa0\x80\x81") == "\\u{e0001}");
  CHECK(printable("a\xff\xc3(") == "a\\xff\\xc3(");
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80"); // half of a pair
  CHECK(printable("\xc0\x80") == "\\xc0\\x80");          // longer than need be
  CHECK(printable("\xf4\x90\x80\x80").starts_with("\\xf4"));
  CHECK(printable("\xe2\x82") == "\\xe2\\x82"); // cut short
  CHECK(width_of("äb€") == 3);
  CHECK(cut_to("äb€", 2) == "äb");
  CHECK(cut_to("ä", 5) == "ä");
  CHECK(cut_to("ä", 0).empty());
}

TEST_CASE("a table is lines for people and JSON for machines", "[clients][unit]") {
  table all{{{"name", "NAME"}, {"hidden", ""}, {"n", "N"}, {"time", "TIME"}, {"size", "SIZE"}}};
  CHECK(all.json() == "[]\n");
  all.add({std::string{"a\"\x1b"}, std::uint64_t{1}, std::uint64_t{5}, table::seconds{0.25},
           table::size{2048}});
  all.add(
      {std::string{}, std::uint64_t{2}, std::uint64_t{50}, table::seconds{3725}, table::size{0}});
  CHECK(all.lines()
        == std::vector<std::string>{"NAME     N   TIME    SIZE", R"(a"\x1b   5  250ms  2.0KiB)",
                                    "-       50  1h02m      0B"});
  CHECK(all.json()
        == "[{\"name\":\"a\\\"\\\\x1b\",\"hidden\":1,\"n\":5,\"time\":0.250000,\"size\":2048},\n"
           "{\"name\":\"\",\"hidden\":2,\"n\":50,\"time\":3725.000000,\"size\":0}]\n");
  all.sort_by(2, true);
  CHECK(all.lines("N")[0].find("N*") != std::string::npos);
  CHECK(all.lines()[1].starts_with("- "));
  all.sort_by(0, false);
  CHECK(all.lines()[1].starts_with("- "));
  CHECK(text_of(table::seconds{59.96}) == "60.0s");
  CHECK(text_of(table::seconds{125}) == "2m05s");
  CHECK(text_of(table::seconds{200'000}) == "2d07h");
  CHECK(text_of(table::size{1023}) == "1023B");
  CHECK(text_of(table::size{512u << 20}) == "512MiB");
}

TEST_CASE("rates are between two looks at one daemon", "[clients][unit]") {
  auto before = snapshot(0s, 100);
  auto now = snapshot(2s, 300);
  auto row = [](const table& of, std::size_t n) { return of.lines().at(n); };
  // name, sessions, running, requests, executions, failures a second, CPU
  CHECK(row(table_of(top_table::tenants, now, &before), 2)
        == "shop           1        0    200     100      10    50      0B       600");
  CHECK(row(table_of(top_table::tenants, now, nullptr), 2)
        == "shop           1        0      -       -       -     -      0B       600");
  auto another = snapshot(0s, 100, 8);
  CHECK(row(table_of(top_table::tenants, now, &another), 2).find(" - ") != std::string::npos);
  CHECK(row(table_of(top_table::sessions, now, &before), 1).find(" 100    50 ")
        != std::string::npos);
  CHECK(heading_of(now, &before)[1].find("100 executions/s") != std::string::npos);
  CHECK(heading_of(now, nullptr)[1].find("- executions/s") != std::string::npos);
}

TEST_CASE("a screen has the size of the terminal and follows the keys", "[clients][unit]") {
  auto now = snapshot(2s, 300);
  now.status.trouble = "\x1b]0;x\x07";
  top_choice choice;
  auto whole = screen_of(now, nullptr, choice, 24, 200);
  REQUIRE(whole.size() == 7);
  CHECK(whole[0].find("ready  up 1m") != std::string::npos);
  CHECK(whole[0].find('\x1b') == std::string::npos);
  CHECK(whole[4].find("CPU%*") != std::string::npos);
  CHECK(screen_of(now, nullptr, choice, 5, 10).size() == 5);
  for (const auto& line : screen_of(now, nullptr, choice, 24, 10))
    CHECK(width_of(line) <= 10);
  CHECK(choice.take('s'));
  CHECK(choice.what == top_table::sessions);
  CHECK(screen_of(now, nullptr, choice, 24, 200)[5].starts_with("shop    ses_1"));
  CHECK(choice.take('<'));
  CHECK(choice.column[1] == 7);
  CHECK(choice.take('>'));
  for (int n = 0; n < 11; ++n)
    CHECK(choice.take('>'));
  CHECK(choice.column[1] == 8); // all around
  CHECK(choice.take('r'));
  CHECK_FALSE(choice.descending[1]);
  CHECK(choice.take('?'));
  CHECK_FALSE(choice.take('q'));
  now.status.drained = true;
  CHECK(heading_of(now, nullptr)[0].find("drained") != std::string::npos);
}
