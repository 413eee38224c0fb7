// SPDX-License-Identifier: Apache-2.0
#include "daemon/config_tracing.hpp"

#include "bridge/app_messages.hpp"
#include "daemon/config_capabilities.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace vivarium {

namespace {

constexpr std::int64_t second = 1'000;
constexpr std::uint32_t parts_of_percent = 10'000;
constexpr std::size_t most_headers = 32;
// Ours to say, or of the connection.
constexpr std::array<std::string_view, 8> not_theirs{
    "host",       "content-type", "content-length", "content-encoding",
    "connection", "expect",       "user-agent",     "transfer-encoding"};

std::string_view trim(std::string_view text) {
  auto from = text.find_first_not_of(" \t\r");
  if (from == std::string_view::npos)
    return {};
  return text.substr(from, text.find_last_not_of(" \t\r") - from + 1);
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c | 0x20);
  return out;
}

template <class Number>
bool read_number(std::string_view digits, Number& into) {
  auto [stop, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
  return bad == std::errc{} && stop == digits.data() + digits.size();
}

/// False: it is no http:// or https:// URL, or one with a user, a query or a fragment.
bool read_endpoint(tracing_settings& into) {
  std::string_view rest = into.endpoint;
  into.secure = rest.starts_with("https://");
  if (!into.secure && !rest.starts_with("http://"))
    return false;
  rest.remove_prefix(into.secure ? 8 : 7);
  bool plain = std::all_of(rest.begin(), rest.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '@' && c != '?' && c != '#' && c != '\\' && c != '"';
  });
  auto slash = std::min(rest.find('/'), rest.size());
  auto authority = rest.substr(0, slash);
  auto path = rest.substr(slash);
  while (path.ends_with('/'))
    path.remove_suffix(1);
  into.path = std::string{path} + "/v1/traces";
  into.port = into.secure ? 443 : 4318;
  auto bracket = authority.starts_with('[') ? authority.find(']') : 0;
  auto colon = bracket == std::string_view::npos ? bracket : authority.find(':', bracket);
  auto host = authority.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  into.host = lower(host);
  if (colon != std::string_view::npos
      && (!read_number(authority.substr(colon + 1), into.port) || into.port == 0))
    return false;
  return plain && !into.host.empty() && into.host.size() <= 253
         && (into.host.find(':') == std::string::npos || bracket > 0);
}

bool add_header(tracing_settings& into, std::string_view name, std::string_view value) {
  auto small = lower(trim(name));
  value = trim(value);
  bool ours = std::find(not_theirs.begin(), not_theirs.end(), small) != not_theirs.end();
  if (ours || into.headers.size() >= most_headers || !bridge::is_header_name(small)
      || !bridge::is_header_value(value) || value.empty())
    return false;
  into.headers.emplace_back(std::move(small), value);
  return true;
}

template <class Each>
bool each_part(std::string_view text, char end, Each each) {
  while (!text.empty()) {
    auto stop = std::min(text.find(end), text.size());
    auto part = trim(text.substr(0, stop));
    if (!part.empty() && !each(part))
      return false;
    text.remove_prefix(std::min(stop + 1, text.size()));
  }
  return true;
}

bool add_pair(tracing_settings& into, std::string_view pair, char between) {
  auto at = pair.find(between);
  return at != std::string_view::npos && add_header(into, pair.substr(0, at), pair.substr(at + 1));
}

// What is wrong with a header is not shown: it is a secret.
void read_headers(table_reader& in, tracing_settings& into) {
  std::string lines;
  take_file(in, "headers_file", lines);
  if (!add_header_lines(into, lines))
    in.complain("headers_file", "has a line that is not \"Name: value\", or a header that is the "
                                "daemon's to set");
  std::string variable;
  in.take("headers_env", variable);
  if (variable.empty())
    return;
  const char* list =
      std::getenv(variable.c_str()); // NOLINT(concurrency-mt-unsafe): nobody sets any
  if (list == nullptr || !add_header_list(into, list))
    in.complain("headers_env", list == nullptr ? "names a variable that is not set"
                                               : "names a variable that does not hold "
                                                 "\"name=value,name=value\"");
}

} // namespace

std::optional<std::uint32_t> read_percent(std::string_view text) noexcept {
  if (!text.ends_with('%'))
    return std::nullopt;
  text.remove_suffix(1);
  auto point = std::min(text.find('.'), text.size());
  auto fraction = text.substr(std::min(point + 1, text.size()));
  std::uint32_t whole = 0;
  if (point > 3 || !read_number(text.substr(0, point), whole) || fraction.size() > 4
      || (point < text.size() && fraction.empty()))
    return std::nullopt;
  std::uint32_t parts = 0;
  if (!fraction.empty() && !read_number(fraction, parts))
    return std::nullopt;
  for (auto digits = fraction.size(); digits < 4; ++digits)
    parts *= 10;
  auto out = whole * parts_of_percent + parts;
  return out <= 100 * parts_of_percent ? std::optional{out} : std::nullopt;
}

bool add_header_lines(tracing_settings& into, std::string_view lines) {
  return each_part(lines, '\n', [&](std::string_view line) { return add_pair(into, line, ':'); });
}

bool add_header_list(tracing_settings& into, std::string_view list) {
  return each_part(list, ',', [&](std::string_view pair) { return add_pair(into, pair, '='); });
}

void read_tracing(table_reader in, config& into) {
  auto& to = into.tracing;
  in.take("endpoint", to.endpoint);
  if (to.on() && !read_endpoint(to))
    in.complain("endpoint",
                "must be a URL such as \"http://127.0.0.1:4318\", without a user, query "
                "or fragment");
  std::string sample;
  in.take("sample", sample);
  if (!sample.empty()) {
    if (auto share = read_percent(sample))
      to.sample_per_million = *share;
    else
      in.complain("sample", "must be a share from \"0%\" to \"100%\", such as \"0.5%\"");
  }
  in.take("service_name", to.service);
  if (to.service.empty() || to.service.size() > 255)
    in.complain("service_name", "must have 1 to 255 bytes");
  read_headers(in, to);
  take_file(in, "ca", to.ca);
  in.take_count("queue", to.queue, {1, 1'000'000});
  in.take_count("batch", to.batch, {1, 10'000});
  in.take_duration("interval", to.interval, {10, 60 * second});
  in.take_duration("timeout", to.timeout, {100, 60 * second});
  in.finish();
}

} // namespace vivarium
