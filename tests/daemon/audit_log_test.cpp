// SPDX-License-Identifier: Apache-2.0
#include "daemon/audit_log.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

using namespace vivarium;

namespace {

struct folder {
  std::string path = "/tmp/vivarium-audit-XXXXXX";
  folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() { std::filesystem::remove_all(path); }
};

std::string text_of(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
    ++n;
  return n;
}

} // namespace

TEST_CASE("a line of the audit log is one JSON object, whatever it is told", "[daemon][unit]") {
  CHECK(render_audit("T", audit_event::session_created, {"a", "ses_1", "req_1"},
                     {{"environment", "default"}, {"n", std::int64_t{-3}}}, 0, 0)
        == "{\"ts\":\"T\",\"event\":\"session_created\",\"tenant\":\"a\",\"session\":\"ses_1\","
           "\"request_id\":\"req_1\",\"environment\":\"default\",\"n\":-3}\n");
  auto hostile = render_audit("T", audit_event::egress_refused, {"a"},
                              {{"host", "x\"}\n{\"event\":\"forged\xff"}}, 2, 1);
  CHECK(count_of(hostile, "\n") == 1);
  CHECK(hostile.ends_with("\n"));
  CHECK(hostile.find(R"("left_out":2,"lost":1})") != std::string::npos);
  auto cut =
      render_audit("T", audit_event::egress_refused, {}, {{"host", std::string(1'000, 'x')}}, 0, 0);
  CHECK(cut.find(std::string(audit_log::max_text, 'x') + "\"}") != std::string::npos);
}

TEST_CASE("what a tenant causes at will is bounded, for each tenant by itself", "[daemon][unit]") {
  folder at;
  auto path = at.path + "/audit";
  {
    audit_log book;
    book.write_to(*line_writer::open(path));
    for (int n = 0; n < 1'000; ++n)
      book.audit(audit_event::call_denied, {"noisy"}, {{"call", "ptrace"}});
    book.audit(audit_event::call_denied, {"quiet"}, {{"call", "ptrace"}});
    CHECK(book.over_rate() > 900);
    CHECK(book.lost() == 0);
  } // the end writes what is queued
  auto text = text_of(path);
  CHECK(count_of(text, R"("tenant":"noisy")") < 100);
  CHECK(count_of(text, R"("tenant":"quiet")") == 1);
}

TEST_CASE("the file is opened anew when it was moved away", "[daemon][unit]") {
  folder at;
  auto path = at.path + "/audit";
  {
    auto writer = *line_writer::open(path);
    CHECK(writer->push("one\n"));
    writer->reopen(); // whether or not the line is written yet: it goes to the same file
    std::filesystem::rename(path, path + ".1");
    writer->reopen();
    CHECK(writer->push("two\n"));
  }
  CHECK(text_of(path).ends_with("two\n"));
  CHECK(count_of(text_of(path) + text_of(path + ".1"), "one\n") == 1);
}

TEST_CASE("what is not a file is refused", "[daemon][unit]") {
  folder at;
  CHECK_FALSE(line_writer::open(at.path));
  CHECK_FALSE(line_writer::open(at.path + "/none/audit"));
  CHECK_FALSE(line_writer::open("/dev/null"));
}

TEST_CASE("no more is queued than is bounded", "[daemon][unit]") {
  folder at;
  auto writer = *line_writer::open(at.path + "/audit");
  CHECK_FALSE(writer->push(std::string(line_writer::max_bytes + 1, 'x')));
  CHECK(writer->push("still well\n"));
}
