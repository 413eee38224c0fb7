// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/runtime.hpp"

namespace vivarium::interp {

/// Serves requests until their pipe reaches its end, then leaves the process. Reads blocking and in
/// big portions; answers are sent when no complete request is left, so many requests cost one read
/// and one write. While the event loop has something to run, it runs instead of the blocking read
/// and returns as soon as a request arrives: synchronous code never runs inside the loop. Streams
/// that have credit go on between requests. Main thread.
[[noreturn]] void serve(runtime& self, int requests_fd);

/// Runs one request. A frame that is none ends the process. Main thread.
void run_request(runtime& self, const bridge::frame& frame);

/// Whether the event loop has something to run and may run on this, the main, thread now.
bool may_turn(runtime& self);
/// Runs it until a request has arrived or an execution has ended. False: it cannot run.
bool turn_loop(runtime& self);

} // namespace vivarium::interp
