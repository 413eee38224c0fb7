// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace vivarium {

/// From this size on JSON is read and written beside the reactor, which it would hold up for long:
/// libprotobuf takes some 10 us for each thing in it.
inline constexpr std::size_t long_json = 128u << 10;
/// Likewise of what is compressed: it may become a thousand times as much.
inline constexpr std::size_t long_gzip = 4u << 10;

/// One more thread, for pure computing that takes long: it reads and writes large JSON, and
/// unpacks. Jobs are done in the order in which they came. Started with the first one. All but the
/// work itself is on the reactor's thread.
class side_thread {
public:
  explicit side_thread(boost::asio::any_io_executor reactor);
  side_thread(const side_thread&) = delete;
  side_thread& operator=(const side_thread&) = delete;
  /// Waits for the job that is being done; forgets the others.
  ~side_thread();

  /// Does `work`, which must touch nothing that the reactor's thread may change meanwhile, and then
  /// calls `after` on the reactor's thread.
  void run(std::function<void()> work, std::function<void()> after);

private:
  struct job {
    std::function<void()> work;
    std::function<void()> after;
  };
  void loop();

  boost::asio::any_io_executor reactor_;
  std::mutex mutex_; // guards the next three
  std::condition_variable changed_;
  std::deque<job> jobs_;
  bool ending_ = false;
  std::thread thread_;
};

} // namespace vivarium
