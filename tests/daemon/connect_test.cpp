// SPDX-License-Identifier: Apache-2.0
#include "daemon/connect.hpp"
#include "daemon/gzip.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace vivarium;

namespace {

using headers = std::vector<std::pair<std::string, std::string>>;
constexpr std::size_t max_body = 1u << 20;

http_request post(std::string_view type, std::string body, const headers& more = {}) {
  http_request out;
  out.verb = http_verb::post;
  out.set_target("/x");
  out.add_header("Content-Type", type);
  for (const auto& [name, value] : more)
    out.add_header(name, value);
  out.body = std::move(body);
  return out;
}

const rpc::method_info& eval() {
  return rpc::info_of(rpc::method::eval);
}
const rpc::method_info& list() {
  return rpc::info_of(rpc::method::list);
}

std::optional<connect::refusal> unary(const http_request& http,
                                      const rpc::method_info& method = eval()) {
  connect::request into;
  return connect::read_unary(into, http, method, max_body);
}

http_request get(std::string_view target) {
  http_request out;
  out.verb = http_verb::get;
  out.set_target(target);
  return out;
}

std::string envelope(unsigned flags, std::string_view body) {
  std::string out;
  connect::append_envelope_head(out, false, body.size());
  out[0] = static_cast<char>(flags);
  out += body;
  return out;
}

errc stream_of(std::string body, const headers& more = {}) {
  connect::request into;
  auto no =
      connect::read_stream(into, post("application/connect+json", std::move(body), more), max_body);
  return no ? no->why.code : errc::none;
}

} // namespace

TEST_CASE("content types decide about the codec", "[daemon][unit]") {
  for (auto type : {"application/json", "Application/JSON; charset=utf-8", "application/proto",
                    "application/json;charset=\"utf-8\""})
    REQUIRE_FALSE(unary(post(type, "{}")));
  for (auto type : {"", "text/plain", "application/xml", "application/connect+json",
                    "application/json; charset=latin1", "application/grpc"}) {
    auto no = unary(post(type, "{}"));
    REQUIRE(no);
    REQUIRE(no->status == 415);
  }
}

TEST_CASE("verbs are POST, and GET where nothing changes", "[daemon][unit]") {
  auto no = unary(get("/x?encoding=json&message=%7B%7D"));
  REQUIRE(no);
  REQUIRE(no->status == 405);
  REQUIRE_FALSE(unary(get("/x?encoding=json&message=%7B%7D"), list()));
  http_request put = post("application/json", "{}");
  put.verb = http_verb::other;
  REQUIRE(unary(put)->status == 405);
}

TEST_CASE("a GET carries its message in the query, in any order", "[daemon][unit]") {
  connect::request a;
  REQUIRE_FALSE(connect::read_unary(
      a, get("/x?message=%7B%22session%22%3A%22a%22%7D&connect=v1&zzz=1&encoding=json"), list(),
      max_body));
  REQUIRE(a.message == R"({"session":"a"})");
  connect::request b;
  REQUIRE_FALSE(
      connect::read_unary(b, get("/x?encoding=proto&base64=1&message=CgFh"), list(), max_body));
  REQUIRE(b.codec == wire::codec::proto);
  REQUIRE(b.message
          == "\n\x01"
             "a");
  connect::request c;
  REQUIRE_FALSE(connect::read_unary(c, get("/x?encoding=proto&message="), list(), max_body));
  REQUIRE(c.message.empty());
  for (auto target :
       {"/x", "/x?encoding=json", "/x?message=a", "/x?encoding=json&message=%zz",
        "/x?encoding=proto&base64=1&message=!", "/x?encoding=json&message=a&connect=v2",
        "/x?encoding=json&message=a&compression=br"})
    REQUIRE(unary(get(target), list()));
}

TEST_CASE("a timeout has at most ten digits", "[daemon][unit]") {
  connect::request into;
  auto good = post("application/json", "{}", {{"Connect-Timeout-Ms", "9999999999"}});
  REQUIRE_FALSE(connect::read_unary(into, good, eval(), max_body));
  REQUIRE(into.timeout->count() == 9'999'999'999);
  for (auto bad : {"99999999999", "-1", "abc", "", "1.5", " 1", "+1"}) {
    auto no = unary(post("application/json", "{}", {{"Connect-Timeout-Ms", bad}}));
    REQUIRE(no);
    REQUIRE(no->why.code == errc::invalid_argument);
  }
  REQUIRE(unary(post("application/json", "{}", {{"Connect-Protocol-Version", "2"}})));
}

TEST_CASE("compressed requests are read within the limit", "[daemon][unit]") {
  connect::request into;
  auto http = post("application/json", gzip(R"({"source":"1"})"), {{"Content-Encoding", "gzip"}});
  REQUIRE_FALSE(connect::read_unary(into, http, eval(), max_body));
  REQUIRE(into.message == R"({"source":"1"})");
  REQUIRE(into.gzip_answer); // nothing else was said about the answer
  auto bomb = post("application/json", gzip(std::string(max_body + 1, ' ')),
                   {{"Content-Encoding", "gzip"}});
  REQUIRE(unary(bomb)->why.code == errc::too_large);
  REQUIRE(unary(post("application/json", "x", {{"Content-Encoding", "br"}}))->why.code
          == errc::unimplemented);
  REQUIRE_FALSE(unary(post("application/json", "", {{"Content-Encoding", "gzip"}})));
  REQUIRE_FALSE(unary(post("application/json", "{}", {{"Content-Encoding", "identity"}})));
}

TEST_CASE("the answer is compressed only for who accepts it", "[daemon][unit]") {
  auto accepts = [](const char* list) {
    connect::request into;
    auto http = post("application/json", "{}", {{"Accept-Encoding", list}});
    REQUIRE_FALSE(connect::read_unary(into, http, eval(), max_body));
    return into.gzip_answer;
  };
  REQUIRE(accepts("gzip"));
  REQUIRE(accepts("br, GZIP;q=1"));
  REQUIRE_FALSE(accepts("identity"));
  REQUIRE_FALSE(accepts("xgzip"));
}

TEST_CASE("a stream takes exactly one plain envelope", "[daemon][unit]") {
  REQUIRE(stream_of(envelope(0, "{}")) == errc::none);
  REQUIRE(stream_of(envelope(0, "")) == errc::none);
  REQUIRE(stream_of("") == errc::unimplemented);
  REQUIRE(stream_of(envelope(0, "{}") + envelope(0, "{}")) == errc::unimplemented);
  REQUIRE(stream_of(std::string(2, '\0')) == errc::invalid_argument);
  REQUIRE(stream_of(envelope(0, "{}").substr(0, 6)) == errc::invalid_argument);
  REQUIRE(stream_of(envelope(0, "{}") + "x") == errc::unimplemented);
  for (unsigned flags : {2u, 3u, 4u, 0x80u})
    REQUIRE(stream_of(envelope(flags, "{}")) == errc::invalid_argument);
  REQUIRE(stream_of(envelope(1, gzip("{}"))) == errc::internal);
  REQUIRE(stream_of(envelope(1, gzip("{}")), {{"Connect-Content-Encoding", "gzip"}}) == errc::none);
  REQUIRE(stream_of(envelope(1, "rubbish"), {{"Connect-Content-Encoding", "gzip"}})
          == errc::invalid_argument);
  REQUIRE(stream_of(envelope(0, "{}"), {{"Connect-Content-Encoding", "br"}})
          == errc::unimplemented);
}

TEST_CASE("a stream ends with a message that tells the error", "[daemon][unit]") {
  REQUIRE(connect::end_of_stream() == "{}");
  auto text = connect::end_of_stream(error{errc::not_found, "gone"}, "r");
  REQUIRE(text.find(R"({"error":{"code":"not_found","message":"gone")") == 0);
}
