// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/frame.hpp"
#include "bridge/worker_protocol.hpp"
#include "interp/python.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vivarium::interp {

/// What a thread sleeps on while another one reads. A signal wakes it, too.
class doorbell {
public:
  void ring() noexcept;
  [[nodiscard]] std::uint32_t count() const noexcept { return rung_.load(); }
  /// Sleeps until it has been rung since it was `seen`. Without the GIL.
  void sleep(std::uint32_t seen) noexcept;

private:
  std::atomic<std::uint32_t> rung_ = 0;
};

/// A call to the host that has been made and whose answer nobody has taken yet.
struct open_call {
  bridge::value_options values = bridge::plain_values; ///< How the answer is read.
  std::string answer = {};     ///< The body of its `host_result`, once it is there.
  PyObject* arrived = nullptr; ///< Called with nothing when it is; owned. Null: a thread waits.
  doorbell* bell = nullptr;    ///< Of the thread that waits.
  bool done = false;
};

/// The worker's incoming frames. Requests are the main thread's business; answers of the host
/// belong to whichever thread waits for them, and the main thread may be busy, so whoever waits and
/// finds nobody reading reads for all: requests are kept for the main thread, answers handed out.
///
/// Every method needs the GIL, which is all that guards it; it is released to read and to sleep.
class inbox {
public:
  /// A request that was kept; its body is its own.
  struct kept_request {
    bridge::frame_type type;
    std::string body;
    std::uint64_t execution; ///< Of an `evaluate`, else 0.
    std::uint64_t within;
  };

  inbox() = default;
  inbox(const inbox&) = delete;
  inbox& operator=(const inbox&) = delete;

  void open(int fd) noexcept { fd_ = fd; }
  [[nodiscard]] int fd() const noexcept { return fd_; }

  // For the main thread's loop.

  /// Runs each request that is there, in order, in place where that is possible.
  template <class Run>
  void run_all(Run run) {
    while (true) {
      if (!kept_.empty()) {
        auto request = std::move(kept_.front());
        kept_.pop_front();
        pass_on(); // It will be a while until the main thread reads again.
        run(bridge::frame{request.type, request.body});
        continue;
      }
      auto next = reading_ ? std::nullopt : next_frame();
      if (!next)
        return;
      if (next->type == bridge::frame_type::host_result) {
        hand_out(std::string{next->body});
        continue;
      }
      in_place_ = true;
      pass_on();
      run(*next);
      in_place_ = false;
      held_.clear();
    }
  }
  /// Waits until there may be something for `run_all`.
  void await_requests();
  /// Whether something is there that the main thread has not seen.
  [[nodiscard]] bool has_requests() const noexcept;
  /// Whether that execution has come and waits for its turn.
  [[nodiscard]] bool keeps(std::uint64_t execution) const noexcept;

  // For anybody.

  /// Opens a call; the answer is noted when it comes.
  open_call& expect(std::uint64_t call, open_call how) {
    return calls_.emplace(call, std::move(how)).first->second;
  }
  /// Takes the answer; nothing when it is not there yet or was never expected.
  std::optional<open_call> take(std::uint64_t call);
  /// Nobody waits any more. True: it had not been answered.
  bool forget(std::uint64_t call);

  /// Reads what is there without waiting and hands it out. True: there is work for the main thread.
  bool take_in();

  /// One step of waiting for an answer: hands out what is there, else reads or sleeps until
  /// something may have changed or a signal came. The caller looks for itself whether its call is
  /// done, handles signals, and calls it again.
  void wait_step(open_call& mine, bool on_main_thread);
  /// To be called when a wait is over: others may wait for somebody who reads.
  void pass_on();
  /// What wakes the main thread.
  [[nodiscard]] doorbell& main_bell() noexcept { return main_bell_; }

  /// Takes the first kept request that is part of answering that call, which is the one that the
  /// main thread waits for: what is within calls further out has its turn when this one is over, as
  /// the daemon reckons.
  std::optional<kept_request> take_within(std::uint64_t call);

  /// The main thread looks at what is there now; what comes from here on is news.
  void no_news() noexcept { news_ = false; }
  /// Whether something has come for the main thread since.
  [[nodiscard]] bool news() const noexcept { return news_; }
  /// Called when something came for the main thread while the event loop has it.
  void wake_loop_with(PyObject* callable) noexcept { wake_loop_ = callable; }
  void loop_runs(bool on) noexcept { loop_runs_ = on; }

private:
  std::optional<bridge::frame> next_frame();
  void hand_out(std::string body);
  void hand_out_all();
  void keep(const bridge::frame& request);
  bool read_some();
  void leave_place();
  void wake_main();

  int fd_ = -1;
  std::unique_ptr<bridge::frame_reader> in_ = std::make_unique<bridge::frame_reader>();
  std::vector<std::unique_ptr<bridge::frame_reader>> held_; // What a request in place points into.
  std::deque<kept_request> kept_;
  std::map<std::uint64_t, open_call> calls_; // Nodes do not move.
  std::vector<open_call*> sleepers_;         // Threads that wait for somebody who reads.
  doorbell main_bell_;
  PyObject* wake_loop_ = nullptr;
  bool in_place_ = false; // The main thread runs a request that points into `in_`.
  bool reading_ = false;  // Somebody does, without the GIL.
  bool main_sleeps_ = false;
  bool loop_runs_ = false;
  bool news_ = false;
};

} // namespace vivarium::interp
