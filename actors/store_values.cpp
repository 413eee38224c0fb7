// SPDX-License-Identifier: Apache-2.0
#include "actors/store_values.hpp"

#include "bridge/json_check.hpp"
#include "bridge/validate.hpp"

#include <algorithm>

namespace vivarium {

namespace {

constexpr std::size_t most_json_depth = 64;

} // namespace

status check_key(std::string_view key) {
  bool printable = std::none_of(key.begin(), key.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (key.empty() || key.size() > most_key_bytes || !printable || !bridge::is_utf8(key))
    return error{errc::invalid_argument, "a key has 1 to " + std::to_string(most_key_bytes)
                                             + " bytes of text without control characters"};
  return done{};
}

status check_json(std::string_view text) {
  if (bridge::is_json(text, most_json_depth))
    return done{};
  return error{errc::invalid_argument, "the value is not JSON, or nests more than "
                                           + std::to_string(most_json_depth) + " levels"};
}

} // namespace vivarium
