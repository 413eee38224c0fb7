// SPDX-License-Identifier: Apache-2.0
#include "daemon/base64.hpp"
#include "daemon/ws_session.hpp"

#include <algorithm>
#include <charconv>

namespace vivarium {

namespace {

constexpr std::string_view proto_name = "vivarium.v1.proto";
constexpr std::string_view json_name = "vivarium.v1.json";

std::string_view trim(std::string_view text) {
  auto from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos)
    return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

bool same_word(std::string_view a, std::string_view lower) {
  return a.size() == lower.size()
         && std::equal(a.begin(), a.end(), lower.begin(),
                       [](char x, char y) { return x == y || (x | 0x20) == y; });
}

/// Returns the first word of a comma-separated list that `wanted` accepts; empty when none is.
template <class Wanted>
std::string_view first_of(std::string_view list, Wanted wanted) {
  while (!list.empty()) {
    auto comma = list.find(',');
    auto word = trim(list.substr(0, comma));
    if (!word.empty() && wanted(word))
      return word;
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
  return {};
}

ws_session::handshake refused(int status, std::string why, std::string extra = {}) {
  ws_session::handshake out;
  out.status = status;
  out.why = error{errc::invalid_argument, std::move(why)};
  out.extra = std::move(extra);
  return out;
}

constexpr unsigned our_version = 1;

/// Reads "N" or "N-M".
bool read_range(std::string_view text, unsigned& least, unsigned& most) {
  auto number = [](std::string_view digits, unsigned& into) {
    auto [stop, why] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    return why == std::errc{} && stop == digits.data() + digits.size() && digits.size() <= 6;
  };
  text = trim(text);
  auto dash = text.find('-');
  if (!number(text.substr(0, dash), least))
    return false;
  most = least;
  return dash == std::string_view::npos || number(text.substr(dash + 1), most);
}

/// Returns why the versions that the client speaks, if it says, will not do; empty when they do.
std::string judge_versions(const http_request& request) {
  auto refused = [](std::string_view asked) {
    return "this daemon speaks version 1 of its protocol, you ask for \"" + std::string{asked}
           + "\"; say \"1\" or a range such as \"1-3\"";
  };
  auto fits = [](std::string_view asked) {
    unsigned least = 0;
    unsigned most = 0;
    return read_range(asked, least, most) && least <= our_version && our_version <= most;
  };
  if (request.count("vivarium-version") > 0)
    if (auto asked = request.header("vivarium-version");
        request.count("vivarium-version") > 1 || !fits(asked))
      return refused(asked);
  // A browser's WebSocket cannot set headers.
  std::string_view query = request.query();
  while (!query.empty()) {
    auto stop = query.find('&');
    auto part = query.substr(0, stop);
    query = stop == std::string_view::npos ? std::string_view{} : query.substr(stop + 1);
    constexpr std::string_view key = "versions=";
    if (part.substr(0, key.size()) != key)
      continue;
    auto asked = decode_query(part.substr(key.size()));
    if (!asked || !fits(*asked))
      return refused(asked ? *asked : std::string{part});
  }
  return {};
}

} // namespace

ws_session::handshake ws_session::accept(const http_request& request,
                                         const std::string& request_id) {
  if (request.verb != http_verb::get)
    return refused(405, "a WebSocket is opened by GET", "Allow: GET\r\n");
  auto websocket = [](std::string_view word) { return same_word(word, "websocket"); };
  if (!request.upgrade || !request.http11 || first_of(request.header("upgrade"), websocket).empty())
    return refused(426, "this path speaks WebSocket", "Upgrade: websocket\r\n");
  if (request.header("sec-websocket-version") != "13")
    return refused(426, "the WebSocket version must be 13", "Sec-WebSocket-Version: 13\r\n");
  auto key = request.header("sec-websocket-key");
  auto nonce = decode_base64(key);
  if (!nonce || nonce->size() != 16 || request.count("sec-websocket-key") != 1)
    return refused(400, "Sec-WebSocket-Key is not 16 bytes in base64");
  if (!request.body.empty())
    return refused(400, "an upgrade has no body");
  auto offered = request.header("sec-websocket-protocol");
  auto chosen = first_of(
      offered, [](std::string_view word) { return word == proto_name || word == json_name; });
  if (chosen.empty() && !trim(offered).empty())
    return refused(400, "the subprotocols are vivarium.v1.proto and vivarium.v1.json");
  if (auto why = judge_versions(request); !why.empty())
    return refused(400, std::move(why), "Vivarium-Version: 1\r\n");
  handshake out;
  out.codec = chosen == proto_name ? wire::codec::proto : wire::codec::json;
  out.request_id = request_id;
  out.extra = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
              + ws::accept_key(key) + "\r\nVivarium-Version: 1\r\n";
  if (!chosen.empty())
    out.extra += "Sec-WebSocket-Protocol: " + std::string{chosen} + "\r\n";
  return out;
}

} // namespace vivarium
