// SPDX-License-Identifier: Apache-2.0
#include "daemon/connect.hpp"

#include "daemon/base64.hpp"
#include "daemon/gzip.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace vivarium::connect {

namespace {

error wrong(std::string what) {
  return error{errc::invalid_argument, std::move(what)};
}

bool same(std::string_view a, std::string_view lower) {
  return a.size() == lower.size()
         && std::equal(a.begin(), a.end(), lower.begin(), [](char x, char y) {
              return (x >= 'A' && x <= 'Z' ? static_cast<char>(x | 0x20) : x) == y;
            });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

/// Calls `each` for the parts of a list.
template <class Each>
void split(std::string_view list, char separator, Each each) {
  while (!list.empty()) {
    auto stop = list.find(separator);
    each(list.substr(0, stop));
    list = stop == std::string_view::npos ? std::string_view{} : list.substr(stop + 1);
  }
}

bool lists(std::string_view list, std::string_view wanted) {
  bool found = false;
  split(list, ',', [&](std::string_view part) {
    auto name = trim(part.substr(0, part.find(';')));
    found = found || same(name, wanted);
  });
  return found;
}

/// Returns the media type without parameters; nothing when its charset is not UTF-8.
std::string_view media_type(std::string_view header) {
  auto semicolon = header.find(';');
  auto parameters =
      semicolon == std::string_view::npos ? std::string_view{} : header.substr(semicolon + 1);
  bool foreign = false;
  split(parameters, ';', [&](std::string_view part) {
    auto text = trim(part);
    auto equals = text.find('=');
    if (equals == std::string_view::npos || !same(text.substr(0, equals), "charset"))
      return;
    auto value = text.substr(equals + 1);
    foreign = !same(value, "utf-8") && !same(value, "\"utf-8\"") && !same(value, "utf8");
  });
  return foreign ? std::string_view{} : trim(header.substr(0, semicolon));
}

std::optional<refusal> read_timeout(request& into, const http_request& http) {
  auto text = http.header("connect-timeout-ms");
  if (http.count("connect-timeout-ms") == 0)
    return std::nullopt;
  std::uint64_t value = 0;
  auto [stop, why] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.size() > 10 || why != std::errc{} || stop != text.data() + text.size())
    return refusal{0, wrong("Connect-Timeout-Ms is a number of at most 10 digits")};
  into.timeout = std::chrono::milliseconds{value};
  return std::nullopt;
}

std::optional<refusal> read_common(request& into, const http_request& http) {
  auto version = http.header("connect-protocol-version");
  if (!version.empty() && version != "1")
    return refusal{0, wrong("Connect-Protocol-Version must be 1")};
  return read_timeout(into, http);
}

/// Uncompresses `message`, which was sent with `coding`.
std::optional<refusal> uncompress(request& into, std::string_view coding, std::size_t limit) {
  if (coding.empty() || same(coding, "identity"))
    return std::nullopt;
  if (!same(coding, "gzip"))
    return refusal{0, error{errc::unimplemented,
                            "this compression is not supported; supported are: gzip, identity"}};
  if (into.message.empty())
    return std::nullopt; // An empty message is not compressed, whatever the header says.
  auto plain = gunzip(into.message, limit);
  if (!plain && plain.why().code == errc::too_large)
    return refusal{0, error{errc::too_large, plain.why().detail + " (server.body_bytes)"}};
  if (!plain)
    return refusal{0, std::move(plain).why()};
  into.owned = *std::move(plain);
  into.message = into.owned;
  return std::nullopt;
}

std::optional<refusal> read_get(request& into, const http_request& http, std::size_t limit) {
  std::optional<std::string> encoding;
  std::optional<std::string> message;
  std::string compression;
  bool base64 = false;
  bool broken = false;
  split(http.query(), '&', [&](std::string_view part) {
    auto equals = part.find('=');
    auto name = part.substr(0, equals);
    auto value = decode_query(equals == std::string_view::npos ? "" : part.substr(equals + 1));
    broken = broken || !value;
    if (!value)
      return;
    if (name == "encoding")
      encoding = *value;
    else if (name == "message")
      message = *value;
    else if (name == "base64")
      base64 = *value == "1";
    else if (name == "compression")
      compression = *value;
    else if (name == "connect")
      broken = broken || *value != "v1";
  });
  if (broken || !encoding || !message)
    return refusal{0, wrong("a GET needs encoding=json|proto and message= in its query")};
  if (*encoding != "json" && *encoding != "proto")
    return refusal{415, wrong("the encoding must be json or proto")};
  into.codec = *encoding == "json" ? wire::codec::json : wire::codec::proto;
  if (base64)
    message = decode_base64(*message);
  if (!message)
    return refusal{0, wrong("the message is not valid base64")};
  auto compressed = *std::move(message);
  into.message = compressed;
  if (auto no = uncompress(into, compression, limit))
    return no;
  if (into.message.data() == compressed.data()) {
    into.owned = std::move(compressed);
    into.message = into.owned;
  }
  return std::nullopt;
}

error too_large_body(const http_request& http, std::size_t limit) {
  return wire::too_many_bytes("the request's body", http.body_size, limit, "server.body_bytes");
}

constexpr std::string_view accepts =
    "Accept-Post: application/json, application/proto, application/connect+json, "
    "application/connect+proto\r\n";

refusal unsupported(std::string_view expected) {
  return {415,
          wrong("the content type must be " + std::string{expected}
                + " (curl: -H 'content-type: application/json')"),
          accepts};
}

} // namespace

std::optional<refusal> read_unary(request& into, const http_request& http,
                                  const rpc::method_info& method, std::size_t limit) {
  bool get = http.verb == http_verb::get && method.safe;
  if (!get && http.verb != http_verb::post)
    return refusal{405, wrong("this method is called by POST"),
                   method.safe ? "Allow: POST, GET\r\n" : "Allow: POST\r\n"};
  std::string_view coding;
  if (!get) {
    auto type = media_type(http.header("content-type"));
    if (same(type, "application/json"))
      into.codec = wire::codec::json;
    else if (same(type, "application/proto") || same(type, "application/protobuf"))
      into.codec = wire::codec::proto;
    else
      return unsupported("application/json or application/proto");
    if (http.body_size > limit)
      return refusal{413, too_large_body(http, limit)};
    coding = trim(http.header("content-encoding"));
    into.message = http.body;
    if (auto no = uncompress(into, coding, limit))
      return no;
  } else if (auto no = read_get(into, http, limit)) {
    return no;
  }
  into.gzip_answer = http.count("accept-encoding") > 0
                         ? lists(http.header("accept-encoding"), "gzip")
                         : same(coding, "gzip");
  return read_common(into, http);
}

std::optional<refusal> read_stream(request& into, const http_request& http, std::size_t limit) {
  if (http.verb != http_verb::post)
    return refusal{405, wrong("this method is called by POST"), "Allow: POST\r\n"};
  auto type = media_type(http.header("content-type"));
  if (same(type, "application/connect+json"))
    into.codec = wire::codec::json;
  else if (same(type, "application/connect+proto"))
    into.codec = wire::codec::proto;
  else
    return unsupported("application/connect+json or application/connect+proto");
  if (auto no = read_common(into, http))
    return no;
  if (http.body_size > limit)
    return refusal{0, too_large_body(http, limit)};
  std::string_view body = http.body;
  if (body.empty())
    return refusal{0, error{errc::unimplemented, "a server stream takes exactly one message"}};
  auto byte = [body](std::size_t i) { return static_cast<std::uint8_t>(body[i]); };
  if (body.size() < envelope_head)
    return refusal{0, wrong("the envelope is cut short")};
  std::size_t length = static_cast<std::size_t>(byte(1)) << 24
                       | static_cast<std::size_t>(byte(2)) << 16
                       | static_cast<std::size_t>(byte(3)) << 8 | byte(4);
  auto flags = byte(0);
  if ((flags & ~1u) != 0)
    return refusal{0, wrong("the envelope has flags that a client may not set")};
  if (length > body.size() - envelope_head)
    return refusal{0, wrong("the envelope is cut short")};
  if (length < body.size() - envelope_head)
    return refusal{0, error{errc::unimplemented, "a server stream takes exactly one message"}};
  into.message = body.substr(envelope_head, length);
  auto coding = trim(http.header("connect-content-encoding"));
  if ((flags & 1) == 0) {
    if (!coding.empty() && !same(coding, "identity") && !same(coding, "gzip"))
      return uncompress(into, coding, limit);
    return std::nullopt;
  }
  if (coding.empty() || same(coding, "identity"))
    return refusal{0,
                   error{errc::internal, "a compressed envelope without Connect-Content-Encoding"}};
  return uncompress(into, coding, limit);
}

std::string_view unary_type(wire::codec codec) noexcept {
  return codec == wire::codec::json ? "application/json" : "application/proto";
}

std::string_view stream_type(wire::codec codec) noexcept {
  return codec == wire::codec::json ? "application/connect+json" : "application/connect+proto";
}

void append_envelope_head(std::string& out, bool end_of_stream, std::size_t length) {
  out += end_of_stream ? '\x02' : '\x00';
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>(length >> shift);
}

std::string end_of_stream() {
  return "{}";
}

std::string end_of_stream(const error& why, std::string_view request_id) {
  std::string out = R"({"error":)";
  wire::append_error_json(out, why, request_id);
  out += '}';
  return out;
}

} // namespace vivarium::connect
