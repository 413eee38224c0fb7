// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/listener.hpp"

namespace vivarium::sandbox {

/// Answers a worker's `connect` to a Unix socket that has a name on the worker's own tmpfs:
/// connects a socket from here, without blocking, and puts it in the place of the worker's. Names
/// are resolved below the worker's root with no more rights than the worker has; abstract names,
/// which the workers of a jail share, lead nowhere. False: it is no such call and was not answered.
bool connect_local(int listener, const caught_call& call);

/// Answers a worker's `bind` or `listen` by doing it here, on the very socket that the worker named
/// and if that is a Unix one. Where another socket of the worker's is one of the host's network, it
/// must not come to be meant in between. The name that is bound to is a file on the worker's own
/// tmpfs, with the worker's rights; the kernel remembers it as one below /proc/self/fd. False: it
/// is another call and was not answered.
bool bind_or_listen(int listener, const caught_call& call);

} // namespace vivarium::sandbox
