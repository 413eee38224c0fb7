// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire.hpp"

#include <catch2/catch.hpp>
#include <google/protobuf/util/json_util.h>

#include <string>
#include <vector>

#include "vivarium/v1/execution.pb.h"

using namespace vivarium;
using wire::codec;
using wire::result_format;

namespace {

std::string numbers(int from, int to) {
  v1::Items out;
  for (int i = from; i < to; ++i)
    out.add_items()->set_integer(i);
  return out.SerializeAsString();
}

v1::StreamResponse binary(const result<std::string>& bytes) {
  REQUIRE(bytes);
  v1::StreamResponse out;
  REQUIRE(out.ParseFromString(*bytes));
  return out;
}

v1::StreamResponse json(const result<std::string>& text) {
  REQUIRE(text);
  INFO(*text);
  v1::StreamResponse out;
  REQUIRE(google::protobuf::util::JsonStringToMessage(*text, &out).ok());
  return out;
}

std::shared_ptr<execution> ended(verdict how, result_format format) {
  submission what;
  what.answer_format = static_cast<std::uint8_t>(format);
  auto out = std::make_shared<execution>("exe_0abc", "ses_0abc", what, 4u << 20);
  out->append(event::kind::out, "said");
  out->finish(std::move(how));
  return out;
}

} // namespace

TEST_CASE("items are cut off where the credit ends", "[daemon][unit]") {
  auto all = numbers(0, 300);
  std::string_view rest = all;
  std::string again;
  for (std::uint64_t most : {1, 2, 150, 1, 0}) {
    auto piece = wire::take_items(rest, most);
    v1::Items items;
    REQUIRE(items.ParseFromString(std::string{piece}));
    CHECK(static_cast<std::uint64_t>(items.items_size()) == most);
    again += piece;
  }
  auto last = wire::take_items(rest, 1'000);
  again += last;
  CHECK(rest.empty());
  CHECK(again == all);
  CHECK(wire::take_items(rest, 5).empty());
}

TEST_CASE("reprs are cut off likewise, empty ones too", "[daemon][unit]") {
  v1::Items items;
  for (auto text : {"", "a", "", ""})
    items.add_repr_items(text);
  auto all = items.SerializeAsString();
  std::string_view rest = all;
  CHECK(wire::take_items(rest, 3).size() == 7);
  CHECK(rest.size() == 2);
}

TEST_CASE("typed items pass through, and mean the same in JSON", "[daemon][unit]") {
  auto items = numbers(-1, 2);
  auto plain = wire::encode_stream_items(codec::proto, result_format::typed, items, {});
  REQUIRE(plain);
  CHECK(*plain == items);
  auto text = json(wire::encode_stream_items(codec::json, result_format::typed, items, "exe_1"));
  CHECK(text.items_size() == 3);
  CHECK(text.items(0).integer() == -1);
  CHECK(text.execution_id() == "exe_1");
}

TEST_CASE("items in natural JSON and as reprs are the same in both codecs", "[daemon][unit]") {
  v1::Items odd;
  odd.add_items()->set_text("\"ä\n");
  odd.add_items()->mutable_none();
  odd.add_items()->mutable_list()->add_items()->set_real(0.5);
  v1::Items reprs;
  reprs.add_repr_items("'\"x\"'");
  reprs.add_repr_items("");
  for (std::string id : {"", "exe_1"}) {
    for (const auto& items : {numbers(0, 3), odd.SerializeAsString(), std::string{}}) {
      auto a = binary(wire::encode_stream_items(codec::proto, result_format::json, items, id));
      auto b = json(wire::encode_stream_items(codec::json, result_format::json, items, id));
      CHECK(a.ShortDebugString() == b.ShortDebugString());
      CHECK(a.execution_id() == id);
    }
    auto bytes = reprs.SerializeAsString();
    auto a = binary(wire::encode_stream_items(codec::proto, result_format::repr, bytes, id));
    auto b = json(wire::encode_stream_items(codec::json, result_format::repr, bytes, id));
    CHECK(a.ShortDebugString() == b.ShortDebugString());
    CHECK(a.repr_items_size() == 2);
  }
}

TEST_CASE("the end of a stream has the verdict with its output", "[daemon][unit]") {
  auto source = ended(verdict{}, result_format::json);
  auto a = binary(wire::encode_stream_end(codec::proto, *source, {}));
  auto b = json(wire::encode_stream_end(codec::json, *source, {}));
  CHECK(a.ShortDebugString() == b.ShortDebugString());
  CHECK(a.verdict().stdout() == "said");
  CHECK(a.verdict().has_result());
  v1::ExecutionError error;
  error.set_kind(v1::ERROR_KIND_VALUE);
  error.set_code("not_iterable");
  verdict failed;
  failed.outcome = verdict::kind::error;
  failed.content = error.SerializeAsString();
  source = ended(failed, result_format::typed);
  CHECK(json(wire::encode_stream_end(codec::json, *source, "exe_1")).verdict().error().code()
        == "not_iterable");
}

TEST_CASE("items that the log let go are not output that is lost", "[daemon][unit]") {
  for (bool said : {false, true}) {
    submission what;
    what.stream_credit = 1;
    auto kept = std::make_shared<execution>("exe_0abc", "ses_0abc", what, 1'000);
    auto& source = *kept;
    if (said)
      source.append(event::kind::out, "said");
    source.append(event::kind::items, std::string(2'000, 'x'), 1);
    verdict how;
    how.usage.output_bytes = said ? 4 : 0;
    source.finish(how);
    REQUIRE(source.first_held() > 1);
    auto answer = binary(wire::encode_stream_end(codec::proto, source, {}));
    CHECK(answer.verdict().output_truncated() == said);
  }
}

TEST_CASE("a stream is asked for by source or call", "[daemon][unit]") {
  auto got = wire::decode_stream(codec::json, R"({"eval":{"source":"x"},"idleTimeoutMs":"5"})");
  REQUIRE(got);
  CHECK(got->what.source == "x");
  CHECK(got->what.idle_timeout.count() == 5);
  CHECK(got->window == wire::default_window);
  got =
      wire::decode_stream(codec::json, R"({"call":{"target":{"variable":"f"}},"window":1000000})");
  REQUIRE(got);
  CHECK(got->what.mode == bridge::run_mode::call);
  CHECK(got->window == 1'000'000);
  CHECK_FALSE(wire::decode_stream(codec::json, R"({"eval":{},"window":1000001})"));
  CHECK_FALSE(wire::decode_stream(codec::json, "{}"));
  CHECK_FALSE(
      wire::decode_stream(codec::json, R"({"eval":{"resultFormat":"RESULT_FORMAT_NONE"}})"));
  CHECK_FALSE(wire::decode_stream(codec::json, R"({"call":{}})"));
}

TEST_CASE("each item of a batch is right or wrong by itself", "[daemon][unit]") {
  auto got = wire::decode_batch(codec::json, R"({"items":[{"eval":{"source":"1"}},{},
    {"call":{"target":{"variable":"f"}}},{"eval":{"createSession":true}}]})");
  REQUIRE(got);
  REQUIRE(got->size() == 4);
  CHECK((*got)[0]);
  CHECK_FALSE((*got)[1]);
  CHECK((*got)[2]->mode == bridge::run_mode::call);
  CHECK_FALSE((*got)[3]);
  v1::BatchRequest many;
  for (int i = 0; i < 1'000; ++i)
    many.add_items()->mutable_eval();
  CHECK(wire::decode_batch(codec::proto, many.SerializeAsString())->size() == 1'000);
  many.add_items();
  CHECK_FALSE(wire::decode_batch(codec::proto, many.SerializeAsString()));
  CHECK(wire::decode_batch(codec::proto, "")->empty());
}

TEST_CASE("the answer of a batch is the same in both codecs", "[daemon][unit]") {
  auto source = ended(verdict{}, result_format::repr);
  error why{errc::not_found, "no \"such\" session"};
  for (auto as : {codec::proto, codec::json}) {
    std::vector<std::string> parts{*wire::encode_batch_result(as, *source),
                                   *wire::encode_batch_result(as, why, "req_1")};
    auto answer = wire::encode_batch(as, parts);
    v1::BatchResponse parsed;
    if (as == codec::proto)
      REQUIRE(parsed.ParseFromString(answer));
    else
      REQUIRE(google::protobuf::util::JsonStringToMessage(answer, &parsed).ok());
    REQUIRE(parsed.results_size() == 2);
    CHECK(parsed.results(0).execution_id() == "exe_0abc");
    CHECK(parsed.results(0).verdict().has_result());
    CHECK_FALSE(parsed.results(0).has_rejection());
    CHECK_FALSE(parsed.results(1).has_verdict());
    CHECK(parsed.results(1).rejection().code() == "not_found");
    CHECK(parsed.results(1).rejection().message() == why.detail);
    CHECK(parsed.results(1).rejection().detail().request_id() == "req_1");
    CHECK(parsed.results(1).rejection().detail().kind() == v1::ERROR_KIND_NOT_FOUND);
  }
}
