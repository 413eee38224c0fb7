// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/execution.hpp"
#include "interp/inbox.hpp"
#include "interp/python.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <time.h>

namespace vivarium::interp {

/// The soft interrupt. The daemon sends a signal whose value is the number of the execution that it
/// means. The C handler, which may run at any moment, only notes the number and asks CPython to
/// call its Python-level handler; that one (`deliver`) runs on the main thread between two
/// bytecodes and decides: raise in the execution that runs, cancel the task of one that waits,
/// remember one that has not started, ignore one that has ended. Because the number is compared
/// when the exception is about to be raised, an interrupt cannot hit the next execution.
class interrupts {
public:
  interrupts(execution_table& executions, const inbox& in) noexcept
      : executions_{executions}, in_{in} {}
  interrupts(const interrupts&) = delete;
  interrupts& operator=(const interrupts&) = delete;

  /// Installs the C handler over CPython's; a Python-level handler must be set already.
  void install() noexcept;

  /// Handles what was noted. False: an exception is set.
  bool deliver();

  /// Raises the interrupt of the running execution once more, a moment later, because it was lost:
  /// in a destructor or a callback of a weak reference CPython drops exceptions, and it would drop
  /// one that came while it tells so.
  void again() noexcept;

  /// Whether an execution that now comes was interrupted before.
  bool expired(std::uint64_t number);

  /// `interrupted_type` is what is raised; `cancel(number)` interrupts a waiting execution's task
  /// and returns whether the code that runs right now belongs to it, so that it is to be raised
  /// here.
  void use(PyObject* interrupted_type, PyObject* cancel) noexcept {
    type_ = interrupted_type;
    cancel_ = cancel;
  }
  [[nodiscard]] PyObject* type() const noexcept { return type_; }

private:
  bool note(std::uint64_t number) noexcept;
  void on_signal(std::uint64_t number) noexcept;
  void remind() noexcept;
  void remind_later() noexcept;
  bool deliver_one(std::uint64_t number);
  bool raise(execution& in);

  static constexpr std::size_t noted_at_most = 64;

  execution_table& executions_;
  const inbox& in_;
  // Written by the handler alone at `head_`, read by `deliver` at `tail_`.
  std::array<std::atomic<std::uint64_t>, noted_at_most> noted_{};
  std::atomic<std::size_t> head_ = 0;
  std::atomic<std::size_t> tail_ = 0;
  std::vector<std::uint64_t> early_;
  PyObject* type_ = nullptr;
  PyObject* cancel_ = nullptr;
  timer_t reminder_{};
  bool has_reminder_ = false;
};

} // namespace vivarium::interp
