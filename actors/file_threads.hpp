// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/copy_hold.hpp"
#include "actors/fair_queue.hpp"

#include <boost/asio/io_context.hpp>

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace vivarium {

/// Two threads for work on files, which the reactor's must not do. Tenants have their turns, and a
/// job is a piece of work, not all of it: who moves gigabytes waits in between for who stats a
/// file. Started with the first job.
class file_threads {
public:
  explicit file_threads(boost::asio::io_context& reactor);
  file_threads(const file_threads&) = delete;
  file_threads& operator=(const file_threads&) = delete;
  ~file_threads();

  /// Waits for the jobs that are being done, forgets the others, and takes no more.
  void stop();

  /// Bytes that jobs have copied and that are still held; counted by whoever copies.
  const copy_budget copies = std::make_shared<std::atomic<std::uint64_t>>(0);

  /// Jobs of one tenant that may wait.
  static constexpr std::size_t most_waiting = 10'000;

  /// Does `work` on one of the threads, then `after` on the reactor's. Returns false, and does
  /// neither, when too many of the tenant's wait. Reactor thread.
  [[nodiscard]] bool run(const std::string& tenant, std::function<void()> work,
                         std::function<void()> after);

private:
  struct job {
    std::function<void()> work;
    std::function<void()> after;
    std::string tenant;
  };
  void loop();
  void start();

  boost::asio::io_context& reactor_;
  std::mutex mutex_; // guards the next four
  std::condition_variable changed_;
  fair_queue<job> jobs_;
  std::map<std::string, std::size_t> waiting_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

} // namespace vivarium
