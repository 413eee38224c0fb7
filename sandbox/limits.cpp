// SPDX-License-Identifier: Apache-2.0
#include "sandbox/limits.hpp"

namespace vivarium::sandbox {

std::string_view name_of(layer which) noexcept {
  switch (which) {
    case layer::user_namespace: return "user_namespace";
    case layer::mount_namespace: return "mount_namespace";
    case layer::pid_namespace: return "pid_namespace";
    case layer::network_namespace: return "network_namespace";
    case layer::ipc_namespace: return "ipc_namespace";
    case layer::landlock: return "landlock";
    case layer::seccomp: return "seccomp";
    case layer::rlimits: return "rlimits";
    case layer::capabilities: return "capabilities";
    case layer::worker_uid: return "worker_uid";
  }
  return "unknown";
}

} // namespace vivarium::sandbox
