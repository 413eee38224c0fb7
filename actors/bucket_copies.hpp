// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/reply.hpp"
#include "actors/session_files.hpp"
#include "actors/settings.hpp"
#include "actors/volume_info.hpp"
#include "proto/unique_fd.hpp"
#include "sandbox/tree_copy.hpp"

#include <boost/asio/io_context.hpp>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace vivarium {

/// Copies between buckets and workspaces, by `rclone` and a directory of the daemon's own in
/// between, on threads of their own: a transfer may take minutes. Keys travel in the program's
/// environment only. Reactor thread.
class bucket_copies {
public:
  explicit bucket_copies(boost::asio::io_context& reactor);
  bucket_copies(const bucket_copies&) = delete;
  bucket_copies& operator=(const bucket_copies&) = delete;
  ~bucket_copies();

  /// Copies what is in the bucket into a directory of the workspace.
  void fetch(const s3_volume& from, const volume_mount& as, session_files_ptr into, reply<done> to);
  /// Makes the bucket what the directory is; what is not in the one any more goes from the other.
  void store(const s3_volume& to_bucket, const volume_mount& as, session_files_ptr from,
             reply<sandbox::tree_size> to);
  /// Kills what runs, forgets what waits, takes no more.
  void stop();

private:
  struct job {
    std::function<void()> work;
    std::function<void()> after;
  };
  [[nodiscard]] bool run(std::function<void()> work, std::function<void()> after);
  void loop();

  boost::asio::io_context& reactor_;
  unique_fd stop_;   // an eventfd
  std::mutex mutex_; // guards the next four
  std::condition_variable changed_;
  std::deque<job> jobs_;
  std::size_t idle_ = 0;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

} // namespace vivarium
