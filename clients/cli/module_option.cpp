// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/module_option.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace vivarium::cli {

host_module parse_module(std::string_view text) {
  const auto wrong = [text] {
    return invalid_argument_error{"module '" + std::string{text}
                                  + "': expected NAME=FUNCTION,FUNCTION..."};
  };
  host_module out;
  out.replace = text.starts_with('!');
  const auto rest = text.substr(out.replace ? 1 : 0);
  const auto equals = rest.find('=');
  if (equals == std::string_view::npos || equals == 0)
    throw wrong();
  out.name = rest.substr(0, equals);
  for (auto names = rest.substr(equals + 1);;) {
    const auto comma = names.find(',');
    out.functions.emplace_back(names.substr(0, comma));
    if (out.functions.back().empty())
      throw wrong();
    if (comma == std::string_view::npos)
      return out;
    names.remove_prefix(comma + 1);
  }
}

log_level parse_level(std::string_view text) {
  static constexpr std::array<std::string_view, 7> names{"",        "debug", "info",    "notice",
                                                         "warning", "error", "critical"};
  const auto* const found = std::find(names.begin(), names.end(), text);
  if (found == names.end())
    throw invalid_argument_error{"level '" + std::string{text}
                                 + "': expected debug, info, notice, warning, error or critical"};
  return static_cast<log_level>(found - names.begin());
}

} // namespace vivarium::cli
