// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/frame.hpp"
#include "proto/result.hpp"
#include "sandbox/jail.hpp"
#include "sandbox/listener.hpp"
#include "sandbox/memory.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace vivarium {

/// A sealed worker process as the daemon holds it: the two pipes and the seccomp listener. Whoever
/// holds the last pointer lets it go: `on_release` then tells the pool to kill it. Reactor thread.
class worker : public std::enable_shared_from_this<worker> {
public:
  using denial_function = std::function<void(const sandbox::denied_call&)>;
  /// What becomes of a call that the sandbox does not allow by itself.
  enum class fate : std::uint8_t {
    refused,     ///< The worker object refuses it.
    turned_down, ///< It has been answered with an error.
    settled,     ///< It has been answered otherwise.
    pending,     ///< It will be, and `answered` is called then (or was already).
  };
  using call_function = std::function<fate(const sandbox::caught_call&)>;

  /// Called with the worker's number when the last holder has gone.
  using release_function = std::function<void(std::uint64_t)>;

  worker(boost::asio::io_context& reactor, sandbox::worker_ready ready,
         release_function on_release);
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;
  ~worker();

  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] pid_t host_pid() const noexcept { return host_pid_; }
  /// Hangs up when nothing of the worker is left; -1 when it has none.
  [[nodiscard]] int listener_fd() noexcept {
    return listener_.is_open() ? listener_.native_handle() : -1;
  }
  [[nodiscard]] const sandbox::fork_size& size() const noexcept { return size_; }
  /// Memory that it took before a tenant's first byte.
  [[nodiscard]] const sandbox::memory_reading& born_with() const noexcept { return born_with_; }
  void set_born_with(const sandbox::memory_reading& what) noexcept { born_with_ = what; }
  [[nodiscard]] const std::string& python_version() const noexcept { return python_version_; }
  void set_python_version(std::string_view text) { python_version_ = text; }

  /// What has been read from the worker and not been looked at yet.
  bridge::frame_reader& frames() noexcept { return reader_; }

  enum class read_outcome { nothing, some, closed };
  /// Reads once, without blocking, into `frames()`.
  read_outcome read_some();
  /// How often something was read.
  [[nodiscard]] std::uint64_t reads() const noexcept { return reads_; }
  /// Whether the last read left the pipe empty.
  [[nodiscard]] bool drained() const noexcept { return drained_; }

  /// Requests to be sent: append whole frames, then `flush`.
  std::string& outgoing() noexcept { return outgoing_; }
  /// Bytes that the pipe has not taken yet.
  [[nodiscard]] std::size_t unsent() const noexcept { return outgoing_.size() - sent_; }
  enum class write_outcome { complete, blocked, closed };
  /// Writes what the pipe takes without blocking.
  write_outcome flush();

  /// Calls `fn` once when there is something to read, or the worker has closed its end. `fn` is not
  /// called after the worker object has gone.
  void when_readable(std::function<void()> fn);
  /// Calls `fn` once when the pipe takes bytes again.
  void when_writable(std::function<void()> fn);

  /// Begins to answer the system calls that the sandbox catches; the worker stands still until each
  /// is answered. A worker that makes many that are refused is answered slowly, so that it slows
  /// only itself, and while `most_pending` calls wait for their answer no more are taken.
  void answer_calls();
  static constexpr int most_pending = 8;
  /// Has `fn` told of each refused call from now on; null to stop that.
  void on_denied(denial_function fn) { on_denied_ = std::move(fn); }
  /// Has `fn` decide on each call from now on; null to refuse all.
  void on_call(call_function fn) { on_call_ = std::move(fn); }
  /// Whether it stands still in a call until that is answered.
  [[nodiscard]] bool awaits_answer() const noexcept { return pending_ > 0; }
  /// A pending call has been answered.
  void answered();

private:
  void watch_listener();
  void listener_ready();
  void decide(const sandbox::caught_call& call);

  std::uint64_t number_;
  pid_t host_pid_;
  sandbox::fork_size size_;
  sandbox::memory_reading born_with_;
  std::string python_version_;
  boost::asio::posix::stream_descriptor requests_;
  boost::asio::posix::stream_descriptor answers_;
  boost::asio::posix::stream_descriptor listener_;
  std::optional<boost::asio::steady_timer> throttle_; // made when it is needed
  int denials_left_;                                  // before answers come slowly
  denial_function on_denied_;
  call_function on_call_;
  int pending_ = 0;      // calls taken and not answered
  bool at_most_ = false; // no more are taken until one is answered
  bridge::frame_reader reader_;
  std::uint64_t reads_ = 0;
  bool drained_ = false;
  bool wide_requests_ = false; // Whether a pipe has been made larger.
  bool wide_answers_ = false;
  std::string outgoing_;
  std::size_t sent_ = 0;
  release_function on_release_;
};

using worker_ptr = std::shared_ptr<worker>;

} // namespace vivarium
