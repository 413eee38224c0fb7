// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/unique_fd.hpp"
#include "sandbox/plan_codec.hpp"

#include <string>
#include <vector>

namespace vivarium::sandbox {

/// The root directory of a jail: system libraries, the interpreter, the runtime, a small /etc and
/// five devices, all read-only, on a tmpfs of which nothing is writable; /session/fs is where a
/// scratch tmpfs (the zygote's) and later each worker's own are mounted. Built by process 1 of the
/// jail before it is anything else; nothing of the host stays reachable.
class jail_root {
public:
  explicit jail_root(const jailed_plan& plan) : plan_{plan} {}

  /// Opens a detached, read-only copy of everything that is bound. Before the change of uid.
  status open_sources();

  /// Assembles the root and pivots into it. After the change of uid.
  status build();

  /// Mounts a proc of the jail's pid namespace nowhere, and returns it. The zygote measures itself
  /// through it; a worker has none.
  [[nodiscard]] result<unique_fd> mount_proc() const;

private:
  struct tree {
    std::string target;
    unique_fd mount;
    bool directory;
  };
  struct small_file {
    std::string target;
    std::string content;
    bool link;
  };

  status add_tree(const std::string& source, const std::string& target, std::uint64_t attributes);
  status add_prefixes();
  /// Whether something bound already holds it.
  [[nodiscard]] bool is_shared(const std::string& path) const;
  status add_etc();
  status make_skeleton() const;
  status attach_all() const;

  const jailed_plan& plan_;
  std::vector<tree> trees_;
  std::vector<small_file> files_;
};

} // namespace vivarium::sandbox
