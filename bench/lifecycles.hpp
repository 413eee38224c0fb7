// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/ws_client.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// Takes sessions through create, one eval and, when asked, close: many at once over one WebSocket.
class lifecycles {
public:
  explicit lifecycles(ws_client& connection, std::string environment);

  struct plan {
    std::size_t at_once = 1;
    bool close = true; ///< Else the sessions stay, for `sessions()`.
    /// Asked before each new session, with how many have been begun.
    std::function<bool(std::size_t)> more;
  };
  /// Runs until `more` says no and everything begun has ended; returns how many that was.
  std::size_t run(const plan& plan, std::string_view source);

  /// Sessions that were kept.
  [[nodiscard]] const std::vector<std::string>& sessions() const { return kept_; }
  /// Closes the kept ones, so many at once.
  void close_all(std::size_t at_once);

private:
  ws_client& connection_;
  std::string environment_;
  std::vector<std::string> kept_;
};

} // namespace bench
