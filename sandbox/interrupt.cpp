// SPDX-License-Identifier: Apache-2.0
#include "sandbox/zygote_link.hpp"

#include <csignal>

namespace vivarium::sandbox {

int interrupt_signal() noexcept {
  return SIGRTMAX - 2;
}

int ping_signal() noexcept {
  return SIGRTMAX - 5;
}

} // namespace vivarium::sandbox
