// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vivarium {

/// Where traces are told to, and of which requests; [tracing] of the configuration.
struct tracing_settings {
  std::string endpoint; ///< As it was given; empty: nothing is recorded.
  std::string host;
  std::uint16_t port = 0;
  std::string path; ///< With /v1/traces.
  bool secure = false;
  std::string ca; ///< Certificates, beside the system's.
  /// Of requests without a traceparent; 1'000'000 is all of them.
  std::uint32_t sample_per_million = 1'000'000;
  std::string service = "vivariumd";
  /// Sent with each batch; secrets. Names and values have been checked.
  std::vector<std::pair<std::string, std::string>> headers;
  std::size_t queue = 4'096; ///< Spans that may wait.
  std::size_t batch = 512;   ///< Spans sent at once.
  std::chrono::milliseconds interval{1'000};
  std::chrono::milliseconds timeout{10'000};

  [[nodiscard]] bool on() const noexcept { return !endpoint.empty(); }
};

} // namespace vivarium
