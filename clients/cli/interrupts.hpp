// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/unique_fd.hpp"

#include <functional>
#include <thread>

namespace vivarium::cli {

/// Takes Ctrl-C away from the process: SIGINT is blocked and arrives as something readable instead,
/// so that no system call is ever cut short by it. Make it before any thread.
class interrupts {
public:
  interrupts();

  /// Readable while an interrupt is pending.
  [[nodiscard]] int descriptor() const noexcept { return signals_.get(); }
  /// Takes the pending interrupt, if there is one.
  bool take() const;

private:
  unique_fd signals_;
};

/// While it lives, a thread of its own calls `on_interrupt` for every Ctrl-C.
class interrupt_watch {
public:
  interrupt_watch(const interrupts& source, std::function<void()> on_interrupt);
  interrupt_watch(const interrupt_watch&) = delete;
  interrupt_watch& operator=(const interrupt_watch&) = delete;
  ~interrupt_watch();

private:
  unique_fd stop_;
  std::thread thread_;
};

} // namespace vivarium::cli
