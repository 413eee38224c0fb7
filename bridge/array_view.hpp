// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vivarium::bridge {

/// An encoded vivarium.v1.NdArray, opened: what its dtype says of one item, and how many there are.
struct array_view {
  static constexpr std::size_t dimensions_at_most = 64; ///< As of numpy 2.

  std::string_view dtype;
  char order = '|'; ///< '<', '>', or '|' where it does not matter.
  char kind = 0;    ///< One of "biufcSUmM", as numpy has it.
  std::uint64_t item_bytes = 0;
  std::array<std::uint64_t, dimensions_at_most> shape{};
  std::size_t dimensions = 0;
  std::uint64_t items = 1;
  std::string_view data;

  /// Returns what is wrong, or null: fields that are malformed, a dtype that is not plain, data
  /// that is not as long as the shape says.
  const char* open(std::string_view encoded);

private:
  const char* read(std::string_view encoded);
  bool read_dtype();
  bool add_dimension(std::uint64_t length);
};

} // namespace vivarium::bridge
