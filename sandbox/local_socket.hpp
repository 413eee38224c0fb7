// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/listener.hpp"

namespace vivarium::sandbox {

/// Answers a worker's `connect` to a Unix socket that has a name on the worker's own tmpfs:
/// connects a socket from here, without blocking, and puts it in the place of the worker's. Names
/// are resolved below the worker's root with no more rights than the worker has; abstract names,
/// which the workers of a jail share, lead nowhere. False: it is no such call and was not answered.
bool connect_local(int listener, const caught_call& call);

} // namespace vivarium::sandbox
