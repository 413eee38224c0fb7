// SPDX-License-Identifier: Apache-2.0
#include "daemon/http_message.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using kind = http_message_reader::kind;

namespace {

struct read_message {
  status outcome = done{};
  http_head head;
  std::string body;
  std::string rest;
  bool whole = false;
};

/// Reads a message that comes in pieces of `step` bytes.
read_message read(std::string_view text, kind what = kind::request, std::size_t step = 1'000'000) {
  http_message_reader reader{what};
  read_message out;
  while (out.outcome && !reader.done()) {
    auto before = out.rest.size();
    out.rest += text.substr(0, step);
    text.remove_prefix(std::min(step, text.size()));
    auto had = out.body.size();
    out.outcome = reader.take(out.rest, out.body);
    if (text.empty() && out.rest.size() == before && out.body.size() == had && !reader.done())
      break;
  }
  out.head = reader.head();
  out.whole = reader.done();
  return out;
}

http_origin origin() {
  return parse_http_rule("https://api.test/")->origin;
}

} // namespace

TEST_CASE("messages are read whole, whatever pieces they come in", "[daemon][unit]") {
  for (std::size_t step : {1u, 3u, 1'000'000u}) {
    auto got = read("POST /x?y HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\n\r\nhelloGET",
                    kind::request, step);
    CHECK(got.whole);
    CHECK(got.head.method == "POST");
    CHECK(got.head.target == "/x?y");
    CHECK(got.body == "hello");
    auto chunked = read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n"
                        "1\r\n!\r\n0\r\nTrailer: x\r\n\r\n",
                        kind::response, step);
    CHECK(chunked.whole);
    CHECK(chunked.head.chunked);
    CHECK(chunked.body == "hello!");
  }
  auto head = read("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", kind::response_to_head);
  CHECK(head.whole);
  CHECK(head.head.length == 500u);
  auto rest = read("HTTP/1.0 200 OK\r\n\r\nall that comes", kind::response);
  CHECK(rest.head.until_end);
  CHECK(rest.body == "all that comes");
}

TEST_CASE("what can be read in two ways is refused", "[daemon][unit]") {
  auto check = [](const char* fields) {
    INFO(fields);
    CHECK_FALSE(read("POST / HTTP/1.1\r\nHost: a\r\n" + std::string{fields}).outcome);
  };
  for (const auto* fields :
       {"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "Content-Length: 1, 1\r\n\r\nx",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: +1\r\n\r\nx",
        "Content-Length: 0x1\r\n\r\nx",
        "Content-Length: 99999999999999999999\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: identity\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        "A: b\x01"
        "c\r\n\r\n",
        "A b: c\r\n\r\n",
        ": c\r\n\r\n",
        "A\r\n\r\n",
        "A: b\nC: d\r\n\r\n"})
    check(fields);
  CHECK_FALSE(read("GET / HTTP/2.0\r\n\r\n").outcome);
  CHECK_FALSE(read("GET  / HTTP/1.1\r\n\r\n").outcome);
  CHECK_FALSE(read("GET / x HTTP/1.1\r\n\r\n").outcome);
}

TEST_CASE("heads are bounded, and so is what stands between pieces", "[daemon][unit]") {
  std::string long_line = "GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(70'000, 'x');
  CHECK(read(long_line).outcome.why().code == errc::too_large);
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int n = 0; n < 300; ++n)
    many += "A: b\r\n";
  CHECK(read(many + "\r\n").outcome.why().code == errc::too_large);
  auto extension = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;"
                   + std::string(1'000'000, 'x');
  CHECK_FALSE(read(extension, kind::request, 1'000).outcome);
}

TEST_CASE("a request is for the server that the connection is for", "[daemon][unit]") {
  auto check = [](std::string_view text) { return check_request(read(text).head, origin()); };
  CHECK(check("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n").empty());
  CHECK(check("GET / HTTP/1.1\r\nHost: API.test:443\r\n\r\n").empty());
  CHECK(check("GET / HTTP/1.0\r\n\r\n").empty());
  for (const auto* text :
       {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: api.test\r\nHost: evil.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: api.test:80\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: api.test@evil\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET https://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: api.test\r\n\r\n",
        "CONNECT evil.test:443 HTTP/1.1\r\nHost: api.test\r\n\r\n"})
    CHECK_FALSE(check(text).empty());
}

TEST_CASE("injected headers replace the guest's and are never told back", "[daemon][unit]") {
  auto rule = *parse_http_rule("https://api.test/");
  REQUIRE(add_header(rule, "Authorization", "Bearer s3cret"));
  auto asked = read("GET /x HTTP/1.1\r\nHost: api.test\r\nauthorization: mine\r\nX-A: 1\r\n"
                    "X-HTTP-Method: DELETE\r\nx-http-method-override: DELETE\r\n"
                    "X-Method-Override: PUT\r\nX-Original-URL: /y\r\nX-Rewrite-URL: /z\r\n"
                    "Connection: close, X-Hop\r\nX-Hop: 2\r\nTE: trailers\r\n\r\n");
  CHECK(head_for_server(asked.head, origin(), rule)
        == "GET /x HTTP/1.1\r\nHost: api.test\r\nX-A: 1\r\nAuthorization: Bearer s3cret\r\n\r\n");
  auto told = read("HTTP/1.1 200 OK\r\nX-Echo: Bearer s3cret\r\nX-B: 2\r\nContent-Length: 0\r\n"
                   "Connection: keep-alive\r\n\r\n",
                   kind::response);
  CHECK(head_for_guest(told.head, rule, false, false)
        == "HTTP/1.1 200 OK\r\nX-B: 2\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("our own answers cannot be split", "[daemon][unit]") {
  auto text = plain_response(403, "no\r\nX: y\xc3\xa9", "body", true, true);
  CHECK(text.starts_with("HTTP/1.1 403 no??X: y??\r\n"));
  CHECK(text.ends_with("\r\n\r\nbody"));
  CHECK(plain_response(403, "no", "body", false, false).ends_with("Content-Length: 4\r\n\r\n"));
  CHECK(chunk("hello") == "5\r\nhello\r\n");
  CHECK(chunk({}) == "0\r\n\r\n");
}
