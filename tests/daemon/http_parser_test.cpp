// SPDX-License-Identifier: Apache-2.0
#include "daemon/http_parser.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <utility>

using namespace vivarium;
using progress = http_parser::progress;

namespace {

struct outcome {
  progress last = progress::need_more;
  std::size_t used = 0;
};

/// Feeds all of it in pieces of `step` bytes, the way reads would bring it.
outcome feed(http_parser& parser, std::string_view text, std::size_t step) {
  std::string held;
  std::size_t given = 0;
  outcome out;
  while (given < text.size()) {
    auto piece = text.substr(given, step);
    held += piece;
    given += piece.size();
    for (;;) {
      std::size_t used = 0;
      out.last = parser.feed(held, used);
      out.used += used;
      held.erase(0, used);
      if (out.last != progress::head)
        break;
    }
    if (out.last != progress::need_more)
      return out;
  }
  return out;
}

outcome feed_all(std::string_view text, http_limits limits = {}) {
  http_parser parser{limits};
  return feed(parser, text, text.size());
}

} // namespace

TEST_CASE("requests are read whatever the pieces they come in", "[daemon][unit]") {
  std::string text = "POST /a/b?c=d HTTP/1.1\r\nHost: x\r\nContent-Type: t\r\nContent-Length: 5\r\n"
                     "\r\nhelloGET";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    http_parser parser{{}};
    auto got = feed(parser, text, step);
    REQUIRE(got.last == progress::complete);
    REQUIRE(got.used == text.size() - 3);
    REQUIRE(parser.request().verb == http_verb::post);
    REQUIRE(parser.request().path() == "/a/b");
    REQUIRE(parser.request().query() == "c=d");
    REQUIRE(parser.request().header("content-type") == "t");
    REQUIRE(parser.request().body == "hello");
    REQUIRE(parser.request().keep_alive);
  }
}

TEST_CASE("chunked bodies are read whatever the pieces they come in", "[daemon][unit]") {
  std::string text = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX: y\r\n\r\n";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    http_parser parser{{}};
    auto got = feed(parser, text, step);
    REQUIRE(got.last == progress::complete);
    REQUIRE(got.used == text.size());
    REQUIRE(parser.request().body == "hello world");
  }
}

TEST_CASE("a parser is used again for the next request", "[daemon][unit]") {
  http_parser parser{{}};
  REQUIRE(feed(parser, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n", 100).last == progress::complete);
  parser.restart();
  REQUIRE_FALSE(parser.begun());
  REQUIRE(feed(parser, "GET /2 HTTP/1.0\r\n\r\n", 100).last == progress::complete);
  REQUIRE(parser.request().path() == "/2");
  REQUIRE(parser.request().count("host") == 0);
  REQUIRE_FALSE(parser.request().keep_alive);
}

TEST_CASE("contradictory framings are refused", "[daemon][unit]") {
  for (auto headers :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Content-Length: -1\r\n",
        "Content-Length: +1\r\n", "Content-Length: 1x\r\n", "Content-Length: 5, 5\r\n",
        "Content-Length: 99999999999999999999999\r\n", "Content-Length : 5\r\n", "bad\r\n",
        "a b: c\r\n", "X: a\x01z\r\n"}) {
    INFO(headers);
    std::string text = "POST / HTTP/1.1\r\nHost: x\r\n" + std::string{headers} + "\r\nhello";
    REQUIRE(feed_all(text).last == progress::refused);
  }
}

TEST_CASE("broken requests are refused", "[daemon][unit]") {
  for (auto text : {"GET / HTTP/2.0\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01",
                    "GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1 x\r\n\r\n",
                    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
                    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "fffffffffffffffff\r\nx\r\n"}) {
    INFO(text);
    REQUIRE(feed_all(text).last == progress::refused);
  }
}

TEST_CASE("a body over the limit is counted and not kept", "[daemon][unit]") {
  http_limits small{1'024, 10, 100};
  for (std::size_t size : {99, 100, 101, 1'600}) {
    std::string body(size, 'x');
    auto length = "Content-Length: " + std::to_string(size) + "\r\n\r\n" + body;
    std::string chunks = "Transfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0; at < size; at += 9) {
      auto piece = body.substr(at, 9);
      chunks += std::to_string(piece.size()) + "\r\n" + piece + "\r\n";
    }
    for (const auto& framed : {length, chunks + "0\r\n\r\n"}) {
      http_parser parser{small};
      REQUIRE(feed(parser, "POST / HTTP/1.1\r\nHost: x\r\n" + framed, 50).last
              == progress::complete);
      CHECK(parser.request().body_size == size);
      CHECK(parser.request().body == (size <= 100 ? body : ""));
    }
  }
}

TEST_CASE("sizes are bounded", "[daemon][unit]") {
  http_limits small{1'024, 10, 100};
  auto status_of = [&](std::string_view text, std::size_t step) {
    http_parser parser{small};
    return feed(parser, text, step).last == progress::refused ? parser.status() : 0;
  };
  std::string start = "POST / HTTP/1.1\r\nHost: x\r\n";
  for (std::size_t step : {1, 7, 5'000}) {
    auto fits = "GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(1'024 - 32, 'a') + "\r\n\r\n";
    REQUIRE(fits.size() == 1'024);
    REQUIRE(status_of(fits, step) == 0);
    REQUIRE(status_of(fits.insert(5, 1, 'a'), step) == 431);
  }
  REQUIRE(status_of("GET /" + std::string(5'000, 'a'), 100) == 431);
  REQUIRE(status_of(start + "A: " + std::string(5'000, 'a'), 100) == 431);
  std::string many = start;
  for (int i = 0; i < 200; ++i)
    many += "A: b\r\n";
  REQUIRE(status_of(many + "\r\n", 7) == 431);
  REQUIRE(status_of(start + "Content-Length: 1600\r\n\r\n", 1'000) == 0);
  REQUIRE(status_of(start + "Content-Length: 1601\r\n\r\n", 1'000) == 413);
  std::string chunks = start + "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 16; ++i)
    chunks += "64\r\n" + std::string(100, 'x') + "\r\n";
  REQUIRE(status_of(chunks, 11) == 0);
  REQUIRE(status_of(chunks + "1\r\nx\r\n", 11) == 413);
  auto extension = start + "Transfer-Encoding: chunked\r\n\r\n5;" + std::string(1u << 20, 'a');
  REQUIRE(status_of(extension, 1'000) != 0);
}

TEST_CASE("a body is taken in pieces, up to a bound of its own", "[daemon][unit]") {
  auto read = [](std::string_view text, std::uint64_t most, std::string& body) {
    http_limits limits;
    limits.body_bytes = 4;
    http_parser parser{limits};
    auto last = progress::need_more;
    std::size_t at = 0;
    std::size_t size = 1; // of what is shown: a line is taken as a whole
    while (last != progress::refused && last != progress::complete && at + size <= text.size()) {
      std::size_t used = 0;
      last = parser.feed(text.substr(at, size), used);
      at += used;
      size = used == 0 && last == progress::need_more ? size + 1 : 1;
      if (last == progress::head)
        parser.take_pieces(most);
      body += std::exchange(parser.request().body, {});
    }
    if (last == progress::complete)
      CHECK(parser.complete());
    return last;
  };
  std::string start = "PATCH /a?b HTTP/1.1\r\nHost: x\r\n";
  std::string long_body(1'000, 'x');
  auto whole = start + "Content-Length: 1000\r\n\r\n" + long_body;
  auto chunked = start + "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 100; ++i)
    chunked += "a\r\n0123456789\r\n";
  chunked += "0\r\n\r\n";
  for (const auto& text : {whole, chunked}) {
    std::string body;
    CHECK(read(text, 1'000, body) == progress::complete);
    CHECK(body.size() == 1'000);
    body.clear();
    CHECK(read(text, 999, body) == progress::refused);
  }
}

TEST_CASE("method, target and headers can be had as they were sent", "[daemon][unit]") {
  http_parser parser{{}};
  std::size_t used = 0;
  REQUIRE(parser.feed("PROPFIND /a%20b?c=d HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\n\r\n", used)
          == progress::complete);
  CHECK(parser.request().method() == "PROPFIND");
  CHECK(parser.request().target() == "/a%20b?c=d");
  std::string seen;
  parser.request().for_each_header(
      [&](auto name, auto value) { seen.append(name).append("=").append(value).append(";"); });
  CHECK(seen == "host=x;x-a=1;x-a=2;");
}

TEST_CASE("fields behind a body are counted and do not become headers", "[daemon][unit]") {
  http_limits limits;
  limits.headers = 3;
  std::string start = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "1\r\na\r\n0\r\nAuthorization: Bearer b\r\n";
  std::size_t used = 0;
  for (bool more : {false, true}) {
    http_parser parser{limits};
    auto text = start + (more ? "X-A: 1\r\n\r\n" : "\r\n");
    REQUIRE(parser.feed(text, used) == http_parser::progress::head);
    auto last = parser.feed(std::string_view{text}.substr(used), used);
    CHECK(last == (more ? http_parser::progress::refused : http_parser::progress::complete));
    CHECK(parser.request().count("authorization") == 0);
    CHECK(parser.request().count("host") == 1);
  }
}
