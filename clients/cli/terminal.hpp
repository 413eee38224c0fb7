// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/unique_fd.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <termios.h>

namespace vivarium::cli {

/// Signals that end a program, and those that say that the terminal's size has changed, as
/// something readable. Make it before any thread; they stay blocked.
class ending_signals {
public:
  ending_signals();
  [[nodiscard]] int descriptor() const noexcept { return signals_.get(); }
  /// Takes the next one; 0 when there is none.
  [[nodiscard]] int take() const;

private:
  unique_fd signals_;
};

/// The whole screen of the terminal on stdin and stdout, whose keys come one by one, unseen. The
/// terminal is as it was when this is gone.
class full_screen {
public:
  /// Whether stdin and stdout are one.
  [[nodiscard]] static bool possible() noexcept;

  full_screen();
  full_screen(const full_screen&) = delete;
  full_screen& operator=(const full_screen&) = delete;
  ~full_screen();

  /// Lines and columns.
  [[nodiscard]] std::pair<std::size_t, std::size_t> size() const noexcept;
  void draw(const std::vector<std::string>& lines) const;

private:
  termios before_{};
};

} // namespace vivarium::cli
