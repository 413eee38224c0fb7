// SPDX-License-Identifier: Apache-2.0

// What requests for whole files say in their targets and headers.

#include "actors/sha256.hpp"
#include "daemon/base64.hpp"
#include "daemon/file_route.hpp"

#include <charconv>
#include <limits>

namespace vivarium {

namespace {

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned byte = 0;
    if (i + 2 >= text.size())
      return std::nullopt;
    const auto* from = text.data() + i + 1;
    if (auto [stop, bad] = std::from_chars(from, from + 2, byte, 16);
        bad != std::errc{} || stop != from + 2)
      return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t out = 0;
  auto [stop, bad] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || bad != std::errc{} || stop != text.data() + text.size())
    return std::nullopt;
  return out;
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (auto& c : out)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

/// The value that a list of `name=value` has for SHA-256.
std::string_view sha256_in(std::string_view list) {
  while (!list.empty()) {
    auto comma = list.find(',');
    auto one = trimmed(list.substr(0, comma));
    auto equals = one.find('=');
    if (equals != std::string_view::npos && lower(trimmed(one.substr(0, equals))) == "sha-256")
      return trimmed(one.substr(equals + 1));
    if (comma == std::string_view::npos)
      break;
    list.remove_prefix(comma + 1);
  }
  return {};
}

} // namespace

std::optional<file_target> read_file_target(std::string_view path) {
  constexpr std::string_view before = "/v1/sessions/";
  constexpr std::string_view between = "/files";
  if (!path.starts_with(before))
    return std::nullopt;
  path.remove_prefix(before.size());
  auto slash = path.find('/');
  if (slash == 0 || slash == std::string_view::npos || !path.substr(slash).starts_with(between))
    return std::nullopt;
  auto rest = path.substr(slash + between.size());
  if (!rest.empty() && rest.front() != '/')
    return std::nullopt;
  if (!rest.empty())
    rest.remove_prefix(1);
  auto session = decoded(path.substr(0, slash));
  auto file = decoded(rest);
  if (!session || !file)
    return std::nullopt;
  return file_target{*std::move(session), *std::move(file)};
}

byte_range read_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view unit = "bytes=";
  header = trimmed(header);
  byte_range all{byte_range::kind::all, 0, size};
  if (!header.starts_with(unit) || header.find(',') != std::string_view::npos)
    return all;
  header.remove_prefix(unit.size());
  auto dash = header.find('-');
  if (dash == std::string_view::npos)
    return all;
  auto from = trimmed(header.substr(0, dash));
  auto to = trimmed(header.substr(dash + 1));
  auto first = number(from);
  auto last = number(to);
  if ((!from.empty() && !first) || (!to.empty() && !last) || (from.empty() && to.empty()))
    return all;
  if (!first) {
    auto length = std::min(*last, size);
    if (length == 0)
      return {byte_range::kind::none, 0, 0};
    return {byte_range::kind::part, size - length, length};
  }
  if (last && *last < *first)
    return all;
  if (*first >= size)
    return {byte_range::kind::none, 0, 0};
  auto end = last ? std::min(*last, size - 1) : size - 1;
  return {byte_range::kind::part, *first, end - *first + 1};
}

result<std::string> read_digest(const http_request& request) {
  for (std::string_view name : {"content-digest", "digest"}) {
    auto value = sha256_in(request.header(name));
    if (value.empty())
      continue;
    // A byte sequence of structured fields stands between colons; the older header has none.
    if (value.size() > 1 && value.front() == ':' && value.back() == ':')
      value = value.substr(1, value.size() - 2);
    auto sum = decode_base64(value);
    if (!sum || sum->size() != sha256_bytes)
      return error{errc::invalid_argument,
                   "the digest is not base64 of the 32 bytes of a SHA-256, as in sha-256=:…:"};
    return std::string{sum->data(), sha256_bytes};
  }
  return std::string{};
}

std::string content_digest(std::string_view sha256) {
  std::string out = "sha-256=:";
  append_base64(out, sha256);
  out += "=:"; // 32 bytes: our form leaves the one character of padding out
  return out;
}

} // namespace vivarium
