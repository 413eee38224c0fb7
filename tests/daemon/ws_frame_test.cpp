// SPDX-License-Identifier: Apache-2.0
#include "daemon/ws_frame.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace vivarium;
using ws::item;
using ws::opcode;

namespace {

constexpr std::string_view mask = "\x11\x22\x33\x44";

std::string masked(std::string_view payload) {
  std::string out{payload};
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<char>(out[i] ^ mask[i % 4]);
  return out;
}

/// A client's frame. `first` is its first byte: FIN, reserved bits, opcode.
std::string frame(unsigned first, std::string_view payload) {
  std::string out;
  out += static_cast<char>(first);
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else if (payload.size() < 65'536) {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size());
  } else {
    out += static_cast<char>(0x80 | 127);
    for (int shift = 56; shift >= 0; shift -= 8)
      out += static_cast<char>(payload.size() >> shift);
  }
  out += mask;
  return out + masked(payload);
}

struct seen {
  item::kind what;
  opcode type;
  std::uint16_t code;
  std::string data;
  std::uint64_t size;
};

std::vector<seen> read_all(std::string_view stream, std::size_t step,
                           std::size_t limit = 1u << 20) {
  ws::reader reader{limit};
  byte_buffer buffer;
  std::vector<seen> out;
  for (std::size_t at = 0; at < stream.size(); at += step) {
    auto piece = stream.substr(at, step);
    piece.copy(buffer.prepare(piece.size()), piece.size());
    buffer.commit(piece.size());
    for (;;) {
      auto next = reader.next(buffer);
      if (next.what == item::kind::need_more)
        break;
      if (next.what != item::kind::fragment)
        out.push_back({next.what, next.type, next.code, std::string{next.data}, next.size});
      if (next.what == item::kind::violation)
        return out;
    }
  }
  return out;
}

std::uint16_t violation_of(std::string_view stream, std::size_t limit = 1u << 20) {
  auto all = read_all(stream, stream.size(), limit);
  return !all.empty() && all.back().what == item::kind::violation ? all.back().code
                                                                  : std::uint16_t{0};
}

} // namespace

TEST_CASE("messages are read whatever the pieces they come in", "[daemon][unit]") {
  std::string stream = frame(0x81, "hello") + frame(0x82, std::string(300, '\x05'))
                       + frame(0x89, "ping") + frame(0x82, "") + frame(0x8a, "pong");
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    auto all = read_all(stream, step);
    REQUIRE(all.size() == 5);
    REQUIRE(all[0].data == "hello");
    REQUIRE(all[0].type == opcode::text);
    REQUIRE(all[1].data == std::string(300, '\x05'));
    REQUIRE(all[2].what == item::kind::ping);
    REQUIRE(all[2].data == "ping");
    REQUIRE(all[3].what == item::kind::message);
    REQUIRE(all[3].data.empty());
    REQUIRE(all[4].what == item::kind::pong);
  }
}

TEST_CASE("a large message is read", "[daemon][unit]") {
  std::string large(200'000, 'x');
  auto all = read_all(frame(0x82, large), 8'192);
  REQUIRE(all.size() == 1);
  REQUIRE(all[0].data == large);
}

TEST_CASE("fragments become one message, control frames may come between", "[daemon][unit]") {
  std::string stream = frame(0x01, "he") + frame(0x89, "x") + frame(0x00, "l") + frame(0x00, "")
                       + frame(0x80, "lo") + frame(0x82, "next");
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    auto all = read_all(stream, step);
    REQUIRE(all.size() == 3);
    REQUIRE(all[0].what == item::kind::ping);
    REQUIRE(all[1].data == "hello");
    REQUIRE(all[1].type == opcode::text);
    REQUIRE(all[2].data == "next");
  }
}

TEST_CASE("an empty first fragment does not hide the next", "[daemon][unit]") {
  auto all = read_all(frame(0x02, "") + frame(0x80, "") + frame(0x82, "a"), 100);
  REQUIRE(all.size() == 2);
  REQUIRE(all[0].data.empty());
  REQUIRE(all[1].data == "a");
}

TEST_CASE("violations of the protocol are told by their code", "[daemon][unit]") {
  REQUIRE(violation_of(std::string_view{"\x82\x01x", 3}) == ws::close_protocol_error);
  REQUIRE(violation_of(frame(0xc2, "x")) == ws::close_protocol_error);
  REQUIRE(violation_of(frame(0x83, "x")) == ws::close_protocol_error);
  REQUIRE(violation_of(frame(0x8b, "x")) == ws::close_protocol_error);
  REQUIRE(violation_of(frame(0x80, "x")) == ws::close_protocol_error);
  REQUIRE(violation_of(frame(0x02, "x") + frame(0x82, "y")) == ws::close_protocol_error);
  REQUIRE(violation_of(frame(0x09, "x")) == ws::close_protocol_error);
  REQUIRE(violation_of(frame(0x89, std::string(126, 'x'))) == ws::close_protocol_error);
  auto lengthy = frame(0x82, "x");
  lengthy.replace(1, 1, std::string_view{"\xfe\x00\x01", 3}); // 126 although 1 would fit
  REQUIRE(violation_of(lengthy) == ws::close_protocol_error);
}

TEST_CASE("sizes are judged before the bytes have come", "[daemon][unit]") {
  std::string huge{"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x11\x22\x33\x44", 14};
  REQUIRE(violation_of(huge) == ws::close_too_big);
  REQUIRE(violation_of(frame(0x82, std::string(1'600, 'x')), 100) == 0);
  REQUIRE(violation_of(frame(0x82, std::string(1'601, 'x')), 100) == ws::close_too_big);
  REQUIRE(violation_of(frame(0x02, std::string(1'600, 'x')) + frame(0x80, "x"), 100)
          == ws::close_too_big);
}

TEST_CASE("a message that is too large passes by, and the next one is read", "[daemon][unit]") {
  std::string text;
  for (int i = 0; i < 900; ++i)
    text += static_cast<char>('a' + i % 26);
  auto beginning = text.substr(0, ws::kept_of_too_large);
  // As one frame; in frames that fit each, with a ping between; as one that fits and one that does
  // not; and with an end that is empty.
  for (const auto& stream :
       {frame(0x81, text) + frame(0x82, "next"),
        frame(0x01, text.substr(0, 300)) + frame(0x00, text.substr(300, 300)) + frame(0x89, "p")
            + frame(0x80, text.substr(600)) + frame(0x82, "next"),
        frame(0x01, text.substr(0, 3)) + frame(0x80, text.substr(3)) + frame(0x82, "next"),
        frame(0x01, text) + frame(0x80, "") + frame(0x82, "next")}) {
    for (std::size_t step : {1, 7, 300, 5'000}) {
      auto all = read_all(stream, step, 500);
      if (all.front().what == item::kind::ping)
        all.erase(all.begin());
      REQUIRE(all.size() == 2);
      CHECK(all[0].what == item::kind::too_large);
      CHECK(all[0].type == opcode::text);
      CHECK(all[0].size == text.size());
      CHECK(all[0].data == beginning);
      CHECK(all[1].what == item::kind::message);
      CHECK(all[1].data == "next");
    }
  }
}

TEST_CASE("one byte decides whether a message is too large", "[daemon][unit]") {
  for (std::size_t size : {499, 500, 501}) {
    std::string text(size, 'x');
    auto whole = read_all(frame(0x82, text), 100, 500);
    auto parts =
        read_all(frame(0x02, text.substr(0, 250)) + frame(0x80, text.substr(250)), 100, 500);
    auto expected = size <= 500 ? item::kind::message : item::kind::too_large;
    REQUIRE(whole.size() == 1);
    REQUIRE(parts.size() == 1);
    CHECK(whole[0].what == expected);
    CHECK(parts[0].what == expected);
  }
}

TEST_CASE("frames out of order are violations while a message passes by", "[daemon][unit]") {
  std::string text(600, 'x');
  CHECK(violation_of(frame(0x02, text) + frame(0x82, text), 500) == ws::close_protocol_error);
  CHECK(violation_of(frame(0x02, text) + frame(0x82, "x"), 500) == ws::close_protocol_error);
  CHECK(violation_of(frame(0x80, text), 500) == ws::close_protocol_error);
  CHECK(violation_of(frame(0x82, text) + frame(0x80, "x"), 500) == ws::close_protocol_error);
}

TEST_CASE("texts are UTF-8", "[daemon][unit]") {
  REQUIRE(violation_of(frame(0x81, "\xff")) == ws::close_invalid_text);
  REQUIRE(violation_of(frame(0x81, "\xed\xa0\x80")) == ws::close_invalid_text);
  REQUIRE(violation_of(frame(0x82, "\xff")) == 0);
  // A character may be cut by a fragment, but must be whole in the end.
  REQUIRE(violation_of(frame(0x01, "\xc3") + frame(0x80, "\xa4")) == 0);
  REQUIRE(violation_of(frame(0x01, "\xc3") + frame(0x80, "x")) == ws::close_invalid_text);
}

TEST_CASE("close frames are checked", "[daemon][unit]") {
  auto closing = [](unsigned code, std::string_view reason) {
    std::string payload;
    payload += static_cast<char>(code >> 8);
    payload += static_cast<char>(code);
    payload += reason;
    return read_all(frame(0x88, payload), 1'000).at(0);
  };
  for (unsigned code : {1000u, 1001u, 1003u, 1007u, 1014u, 3000u, 4999u}) {
    REQUIRE(closing(code, "bye").what == item::kind::close);
    REQUIRE(closing(code, "bye").code == code);
  }
  for (unsigned code : {0u, 999u, 1004u, 1005u, 1006u, 1015u, 1016u, 2999u, 5000u, 65'535u})
    REQUIRE(closing(code, "").what == item::kind::violation);
  REQUIRE(closing(1000, "\xff").code == ws::close_invalid_text);
  REQUIRE(read_all(frame(0x88, ""), 10).at(0).what == item::kind::close);
  REQUIRE(read_all(frame(0x88, "x"), 10).at(0).what == item::kind::violation);
}

TEST_CASE("unmasking works at every length and position", "[daemon][unit]") {
  const char key[4] = {1, 2, 3, 4};
  for (std::size_t size = 0; size < 40; ++size) {
    std::string plain(size, 'q');
    auto bytes = plain;
    for (std::size_t i = 0; i < size; ++i)
      bytes[i] = static_cast<char>(bytes[i] ^ key[i % 4]);
    ws::unmask(bytes.data(), size, key);
    REQUIRE(bytes == plain);
  }
}

TEST_CASE("the handshake's answer is RFC 6455's example", "[daemon][unit]") {
  REQUIRE(ws::accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("heads of the server's frames have the shortest length", "[daemon][unit]") {
  auto head = [](std::size_t size) {
    std::string out;
    ws::append_head(out, opcode::binary, size);
    return out;
  };
  REQUIRE(head(125) == std::string{"\x82\x7d", 2});
  REQUIRE(head(126) == std::string{"\x82\x7e\x00\x7e", 4});
  REQUIRE(head(65'536) == std::string{"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10});
}
