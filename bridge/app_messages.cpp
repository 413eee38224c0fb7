// SPDX-License-Identifier: Apache-2.0
#include "bridge/app_messages.hpp"

#include "bridge/raw_memory.hpp"
#include "bridge/validate.hpp"
#include "bridge/value_view.hpp"

#include <protozero/buffer_string.hpp>
#include <protozero/varint.hpp>

#include <algorithm>

namespace vivarium::bridge {

namespace {

constexpr std::uint32_t item_field = 1;

std::size_t with_head(std::size_t size) noexcept {
  return 1 + static_cast<std::size_t>(protozero::length_of_varint(size)) + size;
}

void put_head(std::string& out, std::uint32_t field, std::size_t size) {
  out += static_cast<char>(field << 3 | 2);
  protozero::add_varint_to_buffer(&out, size);
}

// An item of a sequence that is bytes or text.
void put_item(std::string& out, value_kind kind, std::string_view content) {
  put_head(out, item_field, with_head(content.size()));
  put_head(out, static_cast<std::uint32_t>(kind), content.size());
  out += content;
}

void put_number(std::string& out, std::uint64_t value) {
  auto bits = value << 1; // Zigzag, of numbers that are not negative.
  put_head(out, item_field, 1 + static_cast<std::size_t>(protozero::length_of_varint(bits)));
  out += static_cast<char>(static_cast<std::uint32_t>(value_kind::integer) << 3);
  protozero::add_varint_to_buffer(&out, bits);
}

void put_flag(std::string& out, bool value) {
  put_head(out, item_field, 2);
  out += static_cast<char>(static_cast<std::uint32_t>(value_kind::boolean) << 3);
  out += static_cast<char>(value ? 1 : 0);
}

// An item that is a sequence itself, of which the items are `inside`.
void put_sequence(std::string& out, value_kind kind, std::string_view inside) {
  put_head(out, item_field, with_head(inside.size()));
  put_head(out, static_cast<std::uint32_t>(kind), inside.size());
  out += inside;
}

void put_headers(std::string& out, const app_request& what) {
  auto size_of = [](std::string_view text) { return with_head(with_head(text.size())); };
  std::size_t all = 0;
  for (const auto& [name, value] : what.headers)
    all += with_head(with_head(size_of(name) + size_of(value)));
  put_head(out, item_field, with_head(all));
  put_head(out, static_cast<std::uint32_t>(value_kind::list), all);
  for (const auto& [name, value] : what.headers) {
    auto pair = size_of(name) + size_of(value);
    put_head(out, item_field, with_head(pair));
    put_head(out, static_cast<std::uint32_t>(value_kind::tuple), pair);
    put_item(out, value_kind::blob, name);
    put_item(out, value_kind::blob, value);
  }
}

void put_peer(std::string& out, std::string_view host, std::uint16_t port) {
  std::string inside;
  put_item(inside, value_kind::text, host);
  put_number(inside, port);
  put_sequence(out, value_kind::tuple, inside);
}

int hex_of(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  auto small = static_cast<char>(c | 0x20);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

// What percent signs mean; bytes that are no UTF-8 are replaced, as by urllib.
std::string unquoted(std::string_view path) {
  std::string bytes;
  bytes.reserve(path.size());
  for (std::size_t i = 0; i < path.size(); ++i) {
    int high = path[i] == '%' && i + 2 < path.size() ? hex_of(path[i + 1]) : -1;
    int low = high >= 0 ? hex_of(path[i + 2]) : -1;
    if (low < 0) {
      bytes += path[i];
      continue;
    }
    bytes += static_cast<char>(high << 4 | low);
    i += 2;
  }
  if (is_utf8(bytes))
    return bytes;
  std::string out;
  append_utf8_lossy(out, bytes);
  return out;
}

error malformed(const char* what) {
  return error{errc::malformed, what};
}

// The items of a sequence, at most so many; false: it has another length.
bool take_items(std::string_view content, std::string_view* items, std::size_t count) {
  field_walk walk{content};
  for (std::size_t i = 0; i < count; ++i) {
    if (!walk.next())
      return false;
    items[i] = walk.content();
  }
  return !walk.next();
}

// Codes that stand for a close without one, or for none at all, are never sent.
bool is_close_code(std::uint64_t code) noexcept {
  return code != 1004 && code != 1005 && code != 1006 && code != 1015;
}

// sint64 arrives sign extended.
bool take_number(std::string_view encoded, std::uint64_t least, std::uint64_t most,
                 std::uint64_t& out) {
  auto value = value_view::open(encoded);
  out = value.bits;
  return value.kind == value_kind::integer && out >= least && out <= most;
}

status take_header(app_response& to, std::string_view encoded, std::size_t& bytes) {
  auto pair = value_view::open(encoded);
  std::string_view parts[2];
  if ((pair.kind != value_kind::tuple && pair.kind != value_kind::list)
      || !take_items(pair.content, parts, 2))
    return malformed("a header of the response is not a pair of name and value");
  auto name = value_view::open(parts[0]);
  auto value = value_view::open(parts[1]);
  if (name.kind != value_kind::blob || value.kind != value_kind::blob)
    return malformed("names and values of headers are bytes");
  if (!is_header_name(name.content))
    return malformed("the response has a header whose name no header can have");
  if (!is_header_value(value.content))
    return malformed("the response has a header whose value would end its line");
  bytes += name.content.size() + value.content.size();
  if (to.headers.size() == most_app_headers || bytes > most_app_header_bytes)
    return malformed("the head of the response is larger than 64 KiB, or has more than 256 lines");
  to.headers.emplace_back(name.content, value.content);
  return done{};
}

} // namespace

void append_app_request(std::string& out, const app_request& what) {
  std::string inside;
  make_room(inside, 512 + what.body.size());
  put_number(inside, what.app);
  put_item(inside, value_kind::text,
           what.kind == app_request::protocol::http ? "http" : "websocket");
  put_item(inside, value_kind::text, what.method);
  put_item(inside, value_kind::text, what.version);
  put_item(inside, value_kind::text, what.scheme);
  put_item(inside, value_kind::text, unquoted(what.raw_path));
  put_item(inside, value_kind::blob, what.raw_path);
  put_item(inside, value_kind::blob, what.query);
  put_item(inside, value_kind::text, what.root_path);
  put_headers(inside, what);
  put_peer(inside, what.client_host, what.client_port);
  put_peer(inside, what.server_host, what.server_port);
  put_item(inside, value_kind::blob, what.body);
  put_flag(inside, what.more_body);
  make_room(out, inside.size() + 8);
  put_head(out, static_cast<std::uint32_t>(value_kind::list), inside.size());
  out += inside;
}

result<app_response> read_app_response(std::string_view encoded) {
  auto whole = value_view::open(encoded);
  std::string_view parts[3];
  std::uint64_t code = 0;
  if (whole.kind != value_kind::tuple || !take_items(whole.content, parts, 3)
      || !take_number(parts[0], 100, 999, code))
    return malformed("the response has no status from 100 to 999");
  auto body = value_view::open(parts[2]);
  auto headers = value_view::open(parts[1]);
  if (body.kind != value_kind::blob)
    return malformed("the body of a response is bytes");
  if (headers.kind != value_kind::list)
    return malformed("the headers of the response are no list");
  app_response out;
  out.status = static_cast<std::uint32_t>(code);
  out.body = body.content;
  std::size_t bytes = 0;
  for (field_walk walk{headers.content}; walk.next();)
    if (auto ok = take_header(out, walk.content(), bytes); !ok)
      return std::move(ok).why();
  return out;
}

result<app_piece> read_app_piece(std::string_view encoded) {
  using kind = app_piece::piece_kind;
  auto value = value_view::open(encoded);
  switch (value.kind) {
    case value_kind::blob: return app_piece{kind::body, 0, value.content};
    case value_kind::text: return app_piece{kind::text, 0, value.content};
    case value_kind::none: return app_piece{kind::end, 0, {}};
    case value_kind::tuple: {
      std::string_view parts[2];
      std::uint64_t code = 0;
      if (!take_items(value.content, parts, 2) || !take_number(parts[0], 1000, 4999, code)
          || !is_close_code(code))
        break;
      auto reason = value_view::open(parts[1]);
      if (reason.kind != value_kind::text || reason.content.size() > 123)
        break;
      return app_piece{kind::close, static_cast<std::uint16_t>(code), reason.content};
    }
    default: break;
  }
  return malformed("what the application sends is no piece of a body, message or close");
}

bool is_header_name(std::string_view text) noexcept {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
           || others.find(c) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
  });
}

} // namespace vivarium::bridge
