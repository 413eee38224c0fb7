// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/ws_client.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bench {

/// What a row is run against, and for how long.
struct target {
  std::string unix_path;
  std::uint16_t tcp_port = 0;
  double seconds = 2;      ///< For rows that repeat until a time is over.
  std::size_t count = 0;   ///< For rows that repeat so many times; 0 for the row's own default.
  std::string environment; ///< Of new sessions; empty for the default one.

  [[nodiscard]] std::size_t count_or(std::size_t usual) const { return count ? count : usual; }
  [[nodiscard]] std::unique_ptr<ws_client> websocket_unix() const;
  [[nodiscard]] std::unique_ptr<ws_client> websocket_tcp() const;
};

/// A row prints one line of figures, or several.
struct row {
  const char* name;
  void (*run)(const target&);
};

[[nodiscard]] std::span<const row> eval_rows();
[[nodiscard]] std::span<const row> throughput_rows();
[[nodiscard]] std::span<const row> create_rows();
[[nodiscard]] std::span<const row> scale_rows();
[[nodiscard]] std::span<const row> stream_rows();
[[nodiscard]] std::span<const row> value_rows();
[[nodiscard]] std::span<const row> session_rows();
[[nodiscard]] std::span<const row> callback_rows();

/// Calls `once` with a running number until the time is over; the first calls only warm up. Returns
/// microseconds.
[[nodiscard]] std::vector<double> sample(double seconds,
                                         const std::function<void(std::uint64_t)>& once);

} // namespace bench
