// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

namespace vivarium {

/// Source that was compiled once, under a handle that is a hash of it, so that any worker can run
/// it from the handle alone. Bounded in number and bytes; the least recently used goes first.
class code_store {
public:
  struct code {
    std::string source;
    std::string filename;
    std::uint32_t first_line = 1;
  };

  static constexpr std::size_t max_entries = 1024;
  static constexpr std::size_t max_bytes = 64u << 20;

  /// Keeps `what` and returns its handle; the same content gives the same handle.
  std::string put(code what);
  /// Returns what a handle stands for; nothing when it is unknown or was dropped. Valid until
  /// `put`.
  const code* find(const std::string& handle);

private:
  struct entry {
    std::string handle;
    code content;
  };
  std::list<entry> recent_; // most recently used first
  std::unordered_map<std::string, std::list<entry>::iterator> by_handle_;
  std::size_t bytes_ = 0;
};

} // namespace vivarium
