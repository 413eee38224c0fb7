// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/types.h>
#include <unistd.h>

namespace vivarium {
inline namespace client_v1 {
namespace detail {

/// Owns a descriptor.
class descriptor {
public:
  explicit descriptor(int fd = -1) noexcept : fd_{fd} {}
  descriptor(descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor() {
    if (fd_ >= 0)
      ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

private:
  int fd_;
};

/// A process of one's own, in a process group of its own, so that Ctrl-C does not reach it. It is
/// told to stop when this program dies.
class child {
public:
  /// Starts a program in `directory`, its output appended to `log`. Throws `std::system_error`.
  child(std::vector<std::string> command, std::vector<std::string> environment,
        const std::string& directory, const std::string& log);
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Readable once it has ended.
  [[nodiscard]] int pidfd() const noexcept { return pidfd_.get(); }
  /// What it is told: to finish what it does, or to end, which its second signal means to
  /// vivariumd.
  enum class manner { finish, end };
  /// Ends it, gently for at most so long, and reaps it. Returns its exit status, or minus the
  /// number of the signal that ended it; the same again when it has ended already.
  int end(std::chrono::milliseconds patience, manner how) noexcept;

private:
  void start(const std::vector<std::string>& command, const std::vector<std::string>& environment,
             const std::string& directory, int log);

  pid_t pid_ = -1;
  descriptor pidfd_;
  bool reaped_ = false;
  int status_ = 0;
  std::mutex mutex_; // guards the rest
  std::condition_variable changed_;
  bool started_ = false;
  bool over_ = false;
  int failed_ = 0; ///< errno of the start.
  // The kernel ties the signal at the parent's death to the thread that forked: this one stays.
  std::thread keeper_;
};

} // namespace detail
} // namespace client_v1
} // namespace vivarium
