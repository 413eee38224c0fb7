// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace vivarium::sandbox {

/// The outer process of a jail: clones process 1 into its namespaces, writes its uid maps, then
/// only waits. Ends process 1, and so the jail, when the life line closes. Returns the exit code.
int run_outer();

} // namespace vivarium::sandbox
