// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"
#include "proto/unique_fd.hpp"

#include <string>

namespace vivarium {

/// The right to use a state directory: one daemon has it at a time, and the kernel takes it back
/// from one that has died.
class state_lock {
public:
  /// Makes the directory if need be. Refuses with `already_exists` when another daemon has it, with
  /// `os_failure` when it cannot be had.
  [[nodiscard]] static result<state_lock> take(const std::string& directory);

private:
  explicit state_lock(unique_fd file) noexcept : file_{std::move(file)} {}

  unique_fd file_;
};

} // namespace vivarium
