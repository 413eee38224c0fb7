// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/environment_types.hpp"
#include "daemon/side_thread.hpp"
#include "proto/unique_fd.hpp"

#include <functional>
#include <string>
#include <vector>

namespace vivarium {

/// Where built environments are, and the list of what was registered: `STATE/environments`. Once
/// the daemon runs, everything that touches the disk is done on a thread.
class environment_store {
public:
  explicit environment_store(boost::asio::any_io_executor reactor) : files_{std::move(reactor)} {}

  /// Makes the directory, one daemon's at a time; reads the list, and removes what a build that did
  /// not come to its end, or a removal that did not, has left. Blocks.
  result<std::vector<environment_record>> open(const std::string& state);

  /// Name of a directory that nobody has had.
  [[nodiscard]] static std::string new_folder();
  /// Where a folder is while it is being built, and when it is built.
  [[nodiscard]] std::string building(const std::string& folder) const;
  [[nodiscard]] std::string built(const std::string& folder) const;

  void prepare(const std::string& folder, std::function<void(status)> then);
  /// Moves what was built into its place.
  void keep(const std::string& folder, std::function<void(status)> then);
  void discard(const std::string& folder);
  void remove(const std::string& folder);
  /// Writes the list, all of it or nothing.
  void save(std::vector<environment_record_ptr> all, std::function<void(status)> then);

private:
  std::string top_;
  unique_fd lock_;
  side_thread files_;
};

} // namespace vivarium
