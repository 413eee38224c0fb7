// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {

/// When starts that fail are not tried any more, and when again.
struct circuit_settings {
  std::size_t failures = 5; ///< In a row, until it opens; 0: never.
  std::chrono::milliseconds open{30'000};
  std::size_t probes = 1; ///< At once, after that time.
};

enum class circuit_state : std::uint8_t {
  closed,    ///< As if there were none.
  half_open, ///< A few may try.
  open,      ///< Nobody may.
};

/// Returns the name of a state, e.g. "half_open".
[[nodiscard]] std::string_view name_of(circuit_state state) noexcept;

/// A circuit breaker: counts failures in a row and, after so many, has everybody refused at once
/// for a while; then a few may try, and how they fare decides. Plain arithmetic on a clock that is
/// passed in. Not thread-safe.
class circuit {
public:
  using clock = std::chrono::steady_clock;
  /// Held while a start is under way that may show whether all is well again; null when the circuit
  /// was closed. Dropped without a word, or held for as long as the circuit was open, it makes room
  /// for the next.
  using pass = std::shared_ptr<void>;

  explicit circuit(const circuit_settings& how) noexcept : how_{how} {}

  /// Refuses with `circuit_open`, why, and when to try again. `of` is what fails to start.
  [[nodiscard]] result<pass> enter(clock::time_point now, std::string_view of);

  /// A start failed. True: that has opened the circuit.
  bool failed(clock::time_point now, std::string why);
  /// A start came to its end. It has yet to prove itself, but one more failure opens the circuit
  /// again. True: the circuit was not closed before.
  bool started() noexcept;
  /// What was started has done something. True: the circuit was not closed before.
  bool proven() noexcept;

  /// An open circuit whose time is over is half open.
  [[nodiscard]] circuit_state state(clock::time_point now) const noexcept;
  /// When an open circuit may be tried again; in the past when it is not open.
  [[nodiscard]] clock::time_point open_until() const noexcept { return until_; }
  [[nodiscard]] std::size_t failures() const noexcept { return failures_; }
  /// The error for whoever comes while it is open.
  [[nodiscard]] error refusal(clock::time_point now, std::string_view of) const;

private:
  bool close(std::size_t failures) noexcept;

  circuit_settings how_;
  std::size_t failures_ = 0; // in a row
  bool tripped_ = false;     // and not closed since
  clock::time_point until_{};
  std::string why_; // the last one
  struct probe {
    std::weak_ptr<void> held;
    clock::time_point since;
  };
  std::vector<probe> probes_;
};

} // namespace vivarium
