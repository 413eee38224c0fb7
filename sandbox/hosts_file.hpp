// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <string>

#include <sys/types.h>

namespace vivarium::sandbox {

/// Replaces the /etc/hosts of a worker that has not met a tenant's byte yet: until then nobody but
/// us has made a path on its tmpfs. `listener` proves that the worker lives and the number is its
/// own. Memory only, it does not block. Refused where the worker has no tmpfs of its own (the layer
/// mount_namespace is left out).
status write_hosts(pid_t worker, int listener, const std::string& text);

} // namespace vivarium::sandbox
