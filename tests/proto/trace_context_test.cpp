// SPDX-License-Identifier: Apache-2.0
#include "proto/trace_context.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;

namespace {

const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string span = "00f067aa0ba902b7";

} // namespace

TEST_CASE("a traceparent is read and written", "[proto][unit]") {
  auto read = parse_traceparent("00-" + trace + "-" + span + "-01");
  REQUIRE(read);
  CHECK(read->known());
  CHECK(read->sampled);
  CHECK(read->trace[0] == 0x4b);
  CHECK(read->span[7] == 0xb7);
  CHECK(traceparent_of(*read) == "00-" + trace + "-" + span + "-01");
  auto quiet = parse_traceparent("00-" + trace + "-" + span + "-00");
  REQUIRE(quiet);
  CHECK_FALSE(quiet->sampled);
}

TEST_CASE("only the flag that is known is understood and passed on", "[proto][unit]") {
  auto read = parse_traceparent("00-" + trace + "-" + span + "-ff");
  REQUIRE(read);
  CHECK(traceparent_of(*read) == "00-" + trace + "-" + span + "-01");
  CHECK_FALSE(parse_traceparent("00-" + trace + "-" + span + "-02")->sampled);
}

TEST_CASE("later versions are read as far as they look like the first", "[proto][unit]") {
  for (const auto* more : {"", "-", "-anything at all"}) {
    auto read = parse_traceparent("cc-" + trace + "-" + span + "-01" + more);
    REQUIRE(read);
    CHECK(traceparent_of(*read) == "00-" + trace + "-" + span + "-01");
  }
  CHECK_FALSE(parse_traceparent("cc-" + trace + "-" + span + "-01x"));
  CHECK_FALSE(parse_traceparent("ff-" + trace + "-" + span + "-01"));
}

TEST_CASE("what is malformed is none", "[proto][unit]") {
  const std::string zero32(32, '0');
  const std::string zero16(16, '0');
  for (const auto& bad :
       {std::string{}, std::string{"00"}, "00-" + trace + "-" + span + "-0",
        "00-" + trace + "-" + span, "00-" + trace + "-" + span + "-01-",
        "00-" + trace + "-" + span + "-01 ", " 00-" + trace + "-" + span + "-01",
        "00-" + zero32 + "-" + span + "-01", "00-" + trace + "-" + zero16 + "-01",
        "00-" + trace + "x" + span + "-01", "0g-" + trace + "-" + span + "-01",
        "00-" + trace + "-" + span + "-g1", "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + span + "-01",
        "00-" + trace.substr(1) + "--" + span + "-01",
        "00-" + trace + "-" + span.substr(1) + "--01", std::string(55, '-'), std::string(55, '0'),
        std::string(55, '\0'), std::string(10'000, '-')}) {
    INFO(bad);
    CHECK_FALSE(parse_traceparent(bad));
  }
}

TEST_CASE("there is nothing to write of what is not known", "[proto][unit]") {
  CHECK(traceparent_of({}).empty());
  CHECK_FALSE(trace_context{}.known());
}

TEST_CASE("a child has a span of its own where it is recorded", "[proto][unit]") {
  trace_place at;
  at.self = *parse_traceparent("00-" + trace + "-" + span + "-01");
  CHECK(at.child().self.span == at.self.span); // The client's, as it came.
  CHECK(at.sibling().self.span == at.self.span);
  at.recorded = true;
  auto below = at.child();
  CHECK(below.recorded);
  CHECK(below.parent == at.self.span);
  CHECK(below.self.span != at.self.span);
  CHECK(below.self.trace == at.self.trace);
  auto beside = below.sibling();
  CHECK(beside.parent == at.self.span);
  CHECK(beside.self.span != below.self.span);
}

TEST_CASE("fresh ids are never zero and never the same", "[proto][unit]") {
  CHECK(new_trace_id() != new_trace_id());
  CHECK(new_span_id() != new_span_id());
  CHECK(new_trace_id() != trace_id{});
  CHECK(new_span_id() != span_id{});
}
