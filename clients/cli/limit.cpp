// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/limit.hpp"

#include "clients/cli/duration.hpp"

#include <vivarium/error.hpp>

#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

namespace vivarium::cli {

namespace {

using field = std::optional<std::uint64_t> session_limits::*;

struct named_limit {
  std::string_view name;
  field where;
  bool is_size;
};

constexpr std::array<named_limit, 14> limits{{
    {"memory", &session_limits::memory_bytes, true},
    {"workspace", &session_limits::workspace_bytes, true},
    {"workspace_inodes", &session_limits::workspace_inodes, false},
    {"threads", &session_limits::threads, false},
    {"descriptors", &session_limits::descriptors, false},
    {"file_size", &session_limits::file_bytes, true},
    {"output", &session_limits::output_bytes, true},
    {"display", &session_limits::display_bytes, true},
    {"displays", &session_limits::displays, false},
    {"result", &session_limits::result_bytes, true},
    {"event_log", &session_limits::event_log_bytes, true},
    {"queue", &session_limits::queue, false},
    {"refs", &session_limits::refs, false},
    {"namespaces", &session_limits::namespaces, false},
}};

std::optional<std::uint64_t> parse_amount(std::string_view text, bool is_size) {
  constexpr std::pair<std::string_view, unsigned> units[] = {
      {"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
  std::uint64_t number = 0;
  const auto* last = text.data() + text.size();
  auto [rest, failed] = std::from_chars(text.data(), last, number);
  if (failed != std::errc{})
    return std::nullopt;
  std::string_view unit{rest, static_cast<std::size_t>(last - rest)};
  for (const auto& [name, shift] : units)
    if (unit == name && (is_size || unit.empty()) && number <= (~std::uint64_t{0} >> shift))
      return number << shift;
  return std::nullopt;
}

} // namespace

void add_limit(session_limits& to, const std::string& text) {
  const auto equals = text.find('=');
  const auto name = text.substr(0, equals);
  const auto amount = equals == std::string::npos ? std::string{} : text.substr(equals + 1);
  if (name == "cpu") {
    to.cpu = parse_duration(amount);
    if (!to.cpu)
      throw invalid_argument_error{"limit '" + text + "': expected cpu=DURATION, e.g. cpu=10s"};
    return;
  }
  std::string names = "cpu";
  for (const auto& one : limits) {
    names += ", " + std::string{one.name};
    if (one.name != name)
      continue;
    to.*one.where = parse_amount(amount, one.is_size);
    if (to.*one.where)
      return;
    throw invalid_argument_error{"limit '" + text + "': expected " + name
                                 + (one.is_size ? "=SIZE, e.g. 64MiB" : "=NUMBER")};
  }
  throw invalid_argument_error{"limit '" + text + "': expected NAME=VALUE, the names are " + names};
}

} // namespace vivarium::cli
