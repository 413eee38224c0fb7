// SPDX-License-Identifier: Apache-2.0
#include "bridge/app_messages.hpp"
#include "bridge/validate.hpp"
#include "bridge/value_view.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace vivarium;
using namespace vivarium::bridge;

namespace {

// Values by hand, as a worker would send them.
std::string field(unsigned number, const std::string& content) {
  std::string out;
  out += static_cast<char>(number << 3 | 2);
  for (auto size = content.size();; size >>= 7) {
    out += static_cast<char>((size & 0x7f) | (size > 0x7f ? 0x80 : 0));
    if (size <= 0x7f)
      break;
  }
  return out + content;
}
std::string number(unsigned value) {
  std::string out{"\x18"};
  for (auto bits = value << 1;; bits >>= 7) {
    out += static_cast<char>((bits & 0x7f) | (bits > 0x7f ? 0x80 : 0));
    if (bits <= 0x7f)
      return out;
  }
}
std::string text(const std::string& content) {
  return field(6, content);
}
std::string bytes(const std::string& content) {
  return field(7, content);
}
std::string sequence(unsigned kind, const std::vector<std::string>& items) {
  std::string inside;
  for (const auto& item : items)
    inside += field(1, item);
  return field(kind, inside);
}
std::string tuple(const std::vector<std::string>& items) {
  return sequence(9, items);
}
std::string list(const std::vector<std::string>& items) {
  return sequence(8, items);
}

std::string why(const std::string& encoded) {
  REQUIRE(validate_value(encoded));
  auto read = read_app_response(encoded);
  return read ? "" : read.why().detail;
}

} // namespace

TEST_CASE("a request becomes a sound value", "[bridge]") {
  app_request what;
  what.app = 300;
  what.method = "GET";
  what.raw_path = "/a%20b%C3%A9%zz%2";
  what.query = "x=%20";
  what.headers = {{"host", "h"}, {"x", std::string_view{"\xff", 1}}};
  what.client_host = "10.0.0.1";
  what.client_port = 65'535;
  std::string long_body(100'000, 'x');
  what.body = long_body;
  what.more_body = true;
  std::string out;
  append_app_request(out, what);
  REQUIRE(validate_value(out));
  auto all = value_view::open(out);
  REQUIRE(all.kind == value_kind::list);
  std::vector<value_view> items;
  for (field_walk walk{all.content}; walk.next();)
    items.push_back(value_view::open(walk.content()));
  REQUIRE(items.size() == 14);
  CHECK(items[0].bits == 300);
  CHECK(items[5].content == "/a b\xc3\xa9%zz%2");
  CHECK((items[6].kind == value_kind::blob && items[6].content == what.raw_path));
  CHECK(items[12].content == long_body);
  CHECK((items[13].kind == value_kind::boolean && items[13].bits == 1));
  what.raw_path = "/%ff";
  out.clear();
  append_app_request(out, what);
  CHECK(validate_value(out)); // What is no UTF-8 was replaced.
}

TEST_CASE("a response is read", "[bridge]") {
  auto encoded =
      tuple({number(201), list({tuple({bytes("a"), bytes("1")}), list({bytes("B"), bytes("")})}),
             bytes("body")});
  REQUIRE(validate_value(encoded));
  auto read = read_app_response(encoded);
  REQUIRE(read);
  CHECK((read->status == 201 && read->body == "body" && read->headers.size() == 2));
  CHECK((read->headers[1].first == "B" && read->headers[1].second.empty()));
}

TEST_CASE("a response that HTTP cannot carry is malformed", "[bridge]") {
  auto with = [](std::string name, std::string value) {
    return tuple({number(200), list({tuple({bytes(name), bytes(value)})}), bytes("")});
  };
  CHECK(why(with("a", "b")).empty());
  CHECK(why(with("", "b")).find("name") != std::string::npos);
  CHECK(why(with("a:", "b")).find("name") != std::string::npos);
  CHECK(why(with("a\r\nb", "b")).find("name") != std::string::npos);
  CHECK(why(with("a", "b\r\nc: d")).find("end its line") != std::string::npos);
  CHECK(why(with("a", std::string{"b\0c", 3})).find("end its line") != std::string::npos);
  CHECK(why(with("a", std::string(most_app_header_bytes, 'x'))).find("64 KiB")
        != std::string::npos);
  CHECK(why(with("a", std::string(most_app_header_bytes - 1, 'x'))).empty());
  CHECK(why(tuple({number(99), list({}), bytes("")})).find("status") != std::string::npos);
  CHECK(why(tuple({number(1000), list({}), bytes("")})).find("status") != std::string::npos);
  CHECK(why(tuple({text("200"), list({}), bytes("")})).find("status") != std::string::npos);
  CHECK(why(tuple({number(200), list({})})).find("status") != std::string::npos);
  CHECK(why(tuple({number(200), list({}), text("x")})).find("bytes") != std::string::npos);
  CHECK(why(tuple({number(200), bytes(""), bytes("")})).find("list") != std::string::npos);
  CHECK(why(tuple({number(200), list({bytes("x")}), bytes("")})).find("pair") != std::string::npos);
  CHECK(why(tuple({number(200), list({tuple({text("a"), bytes("b")})}), bytes("")})).find("bytes")
        != std::string::npos);
  std::vector<std::string> many(most_app_headers, tuple({bytes("a"), bytes("b")}));
  CHECK(why(tuple({number(200), list(many), bytes("")})).empty());
  many.push_back(many.front());
  CHECK(why(tuple({number(200), list(many), bytes("")})).find("256") != std::string::npos);
  CHECK_FALSE(why(number(3)).empty());
}

TEST_CASE("pieces of a response are told apart", "[bridge]") {
  using kind = app_piece::piece_kind;
  auto body = bytes("x");
  CHECK((read_app_piece(body)->kind == kind::body && read_app_piece(body)->content == "x"));
  CHECK(read_app_piece(text("x"))->kind == kind::text);
  CHECK(read_app_piece(field(1, ""))->kind == kind::end);
  auto farewell = tuple({number(4000), text("bye")});
  auto close = read_app_piece(farewell);
  REQUIRE(close);
  CHECK((close->kind == kind::close && close->code == 4000 && close->content == "bye"));
  CHECK_FALSE(read_app_piece(tuple({number(999), text("")})));
  for (int code : {999, 1004, 1005, 1006, 1015, 5000})
    CHECK_FALSE(read_app_piece(tuple({number(code), text("")})));
  for (int code : {1000, 1003, 1007, 1014, 4999})
    CHECK(read_app_piece(tuple({number(code), text("")})));
  CHECK_FALSE(read_app_piece(tuple({number(1000), text(std::string(124, 'x'))})));
  CHECK_FALSE(read_app_piece(tuple({number(1000)})));
  CHECK_FALSE(read_app_piece(number(1)));
}
