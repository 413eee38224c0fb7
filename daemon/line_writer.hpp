// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"
#include "proto/unique_fd.hpp"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace vivarium {

/// Appends lines to a file from a thread of its own, so that whoever has something to say never
/// waits for a disk. What the thread cannot keep up with is not taken; the bound is in lines and in
/// bytes. `push` and `reopen` may be called from one thread at a time, the counters from any.
class line_writer {
public:
  static constexpr std::size_t max_lines = 10'000;
  static constexpr std::size_t max_bytes = 4u << 20;

  /// Opens `path` for appending, or takes stderr for "stderr". A file that has to be made gets mode
  /// 0600. Refuses what is not a regular file: a pipe could stop the writer for ever.
  [[nodiscard]] static result<std::unique_ptr<line_writer>> open(std::string path);
  line_writer(const line_writer&) = delete;
  line_writer& operator=(const line_writer&) = delete;
  /// Writes what it was given, then ends.
  ~line_writer();

  /// Takes a line, which ends in a newline; false when there is no room for it.
  bool push(std::string line);
  /// Opens the file anew, before the next line: it may have been moved away. When that fails it
  /// goes on with the old one.
  void reopen();

  /// Lines that were taken and could not be written.
  [[nodiscard]] std::uint64_t failed() const;

private:
  line_writer(std::string path, unique_fd file);
  void run();
  [[nodiscard]] bool write(const std::string& text) const;

  std::string path_; // empty for stderr
  unique_fd file_;   // the thread's own
  mutable std::mutex lock_;
  std::condition_variable wake_;
  std::deque<std::string> lines_;
  std::size_t bytes_ = 0;
  std::uint64_t failed_ = 0;
  bool reopen_ = false;
  bool ending_ = false;
  std::thread thread_; // last: it uses all of the above
};

} // namespace vivarium
