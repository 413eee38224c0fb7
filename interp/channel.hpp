// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <time.h>

namespace vivarium::interp {

/// The worker's outgoing frames. Answers and output collect in one buffer and leave together in one
/// write when the worker is about to wait, or when there is much of it. So that a line of output
/// does not wait for a long execution to end, the first unsent line arms a POSIX timer whose signal
/// handler writes the buffer a millisecond later: live output without a helper thread (the worker
/// must stay forkable) and without a system call per line.
///
/// Every method but the handler needs the GIL; the handler runs on the main thread at any moment,
/// so the buffer holds whole frames whenever no `section` is open. When the daemon is gone, writing
/// ends the process.
class channel {
public:
  channel() noexcept = default;
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;

  /// Starts sending to `fd`, from the main thread of the worker process, whose signal handler then
  /// answers, too, when the daemon asks whether the process lives: at any moment, also while native
  /// code holds the GIL, but not while the process is stopped.
  void open(int fd) noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_; }

  /// Appends text written by an execution; grows the last frame when it is of the same stream.
  void append_text(std::uint64_t execution, bool is_stderr, std::string_view text);

  /// Appends an item of a stream; grows the last frame when it is of the same stream and small.
  /// False: it is over what a frame may hold.
  bool append_item(std::uint64_t execution, std::uint32_t field, std::string_view item);
  /// The next item begins a frame of its own.
  void close_items() noexcept {
    if (tail_is_ == tail::items)
      tail_is_ = tail::closed;
  }

  /// Appends whole frames; leaves `frames` empty, with memory to use again.
  void append_frames(std::string& frames);

  /// Sees to it that what is held leaves within a millisecond. True: nobody had asked for it since
  /// something was sent, so that in a row of calls it is true about once a millisecond.
  bool send_soon() noexcept;
  /// While muted, what would be sent is forgotten: nobody is to hear of a warm-up.
  void mute(bool on) noexcept { muted_ = on; }
  /// Sends what is held now.
  void send() noexcept;
  /// Forgets what is held.
  void discard() noexcept;
  /// Cancels the timer; called before the worker blocks, so that nothing wakes it for no reason.
  void rest() noexcept;

private:
  class section;

  enum class tail : std::uint8_t { closed, out, err, items };

  void write_all() noexcept;
  void write(const char* data, std::size_t size) noexcept;
  void write_pong() noexcept;
  void leave() noexcept;
  void begin_text(std::uint64_t execution, bool is_stderr);
  void begin_items(std::uint64_t execution);
  static void on_timer(int signal) noexcept;
  static void on_ping(int signal) noexcept;
  static void answer_pings() noexcept;
  static void on_fatal(int signal) noexcept;
  static void catch_fatal() noexcept;
  bool make_timer() noexcept;

  std::string ready_;
  std::size_t tail_ = 0; // Where the frame starts that may still grow.
  std::size_t tail_content_ = 0;
  std::uint64_t tail_execution_ = 0;
  std::uint64_t tail_items_ = 0;
  tail tail_is_ = tail::closed;
  int fd_ = -1;
  timer_t timer_{};
  bool muted_ = false;
  bool has_timer_ = false;
  bool timer_failed_ = false;
  std::atomic<bool> armed_ = false;
  std::atomic<bool> busy_ = false;
  std::atomic<bool> due_ = false;
  std::atomic<bool> pong_due_ = false;
};

} // namespace vivarium::interp
