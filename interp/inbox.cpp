// SPDX-License-Identifier: Apache-2.0
#include "interp/inbox.hpp"

#include "interp/py_ref.hpp"

#include <climits>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vivarium::interp {

namespace {

constexpr std::size_t read_at_least = 64u << 10;
constexpr std::size_t read_at_most = 1u << 20;
constexpr int exit_protocol = 70;

bool is_readable(int fd) noexcept {
  struct pollfd one = {fd, POLLIN, 0};
  return ::poll(&one, 1, 0) > 0;
}

} // namespace

void doorbell::ring() noexcept {
  rung_.fetch_add(1);
  ::syscall(SYS_futex, &rung_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void doorbell::sleep(std::uint32_t seen) noexcept {
  // Woken for nothing now and then, as by a signal: whoever sleeps looks again.
  ::syscall(SYS_futex, &rung_, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}

std::optional<bridge::frame> inbox::next_frame() {
  auto next = in_->next();
  if (!next)
    ::_exit(exit_protocol);
  return *next;
}

void inbox::hand_out(std::string body) {
  auto result = bridge::decode_host_result(body);
  if (!result)
    ::_exit(exit_protocol);
  auto found = calls_.find(result->call);
  if (found == calls_.end() || found->second.done)
    return; // It crossed with the end of the wait.
  auto& call = found->second;
  call.answer = std::move(body);
  call.done = true;
  if (call.bell == &main_bell_)
    return wake_main(); // It may be the event loop's meanwhile.
  if (call.bell != nullptr)
    call.bell->ring();
  if (call.arrived != nullptr) {
    auto arrived = py_ref::steal(std::exchange(call.arrived, nullptr));
    if (!py_ref::steal(PyObject_CallNoArgs(arrived.get())))
      PyErr_Clear(); // Its loop is closed: nobody waits.
  }
}

void inbox::keep(const bridge::frame& request) {
  kept_request kept{request.type, std::string{request.body}, 0, 0};
  if (request.type == bridge::frame_type::evaluate) {
    auto what = bridge::decode_evaluate(request.body);
    if (!what)
      ::_exit(exit_protocol);
    kept.execution = what->execution;
    kept.within = what->within;
  }
  kept_.push_back(std::move(kept));
}

// A request that runs in place keeps its reader; all others go on with a new one.
void inbox::leave_place() {
  if (!std::exchange(in_place_, false))
    return;
  auto fresh = std::make_unique<bridge::frame_reader>();
  auto rest = in_->unread();
  if (!rest.empty()) {
    std::memcpy(fresh->prepare(rest.size()), rest.data(), rest.size());
    fresh->commit(rest.size());
  }
  held_.push_back(std::exchange(in_, std::move(fresh)));
}

// Handing out may run code of the tenant's, which may come here again.
void inbox::hand_out_all() {
  leave_place();
  bool any = false;
  while (auto next = reading_ ? std::nullopt : next_frame()) {
    if (next->type == bridge::frame_type::host_result) {
      hand_out(std::string{next->body});
    } else {
      keep(*next);
      any = true;
    }
  }
  if (any)
    wake_main();
}

void inbox::wake_main() {
  news_ = true;
  if (main_sleeps_)
    main_bell_.ring();
  else if (loop_runs_ && wake_loop_ != nullptr && !py_ref::steal(PyObject_CallNoArgs(wake_loop_)))
    PyErr_Clear();
}

// False: a signal came instead.
bool inbox::read_some() {
  leave_place(); // Whoever came here may have let the main thread begin one meanwhile.
  auto& reader = *in_;
  auto* to = reader.prepare(std::clamp(reader.missing(), read_at_least, read_at_most));
  auto room = reader.room();
  reading_ = true;
  auto* thread = PyEval_SaveThread();
  auto n = ::read(fd_, to, room);
  auto why = errno;
  PyEval_RestoreThread(thread);
  reading_ = false;
  if (n > 0)
    reader.commit(static_cast<std::size_t>(n));
  else if (n == 0 || why != EINTR)
    ::_exit(0); // The daemon is gone, and with it whom this process serves.
  return n > 0;
}

// Whoever has read goes to do something else: one of those who wait has to.
void inbox::pass_on() {
  if (reading_)
    return;
  if (main_sleeps_)
    main_bell_.ring();
  else if (!sleepers_.empty())
    sleepers_.front()->bell->ring();
}

void inbox::await_requests() {
  if (has_requests())
    return;
  if (reading_) {
    main_sleeps_ = true;
    auto seen = main_bell_.count();
    auto* thread = PyEval_SaveThread();
    main_bell_.sleep(seen);
    PyEval_RestoreThread(thread);
    main_sleeps_ = false;
  } else {
    (void)read_some();
  }
  // Handlers that tenant code installed run now; there is nobody to tell what they raise.
  if (PyErr_CheckSignals() != 0)
    PyErr_Clear();
}

bool inbox::has_requests() const noexcept {
  return !kept_.empty()
         || (!reading_ && in_->pending() >= bridge::frame_header_bytes && in_->missing() == 0);
}

bool inbox::keeps(std::uint64_t execution) const noexcept {
  return std::any_of(kept_.begin(), kept_.end(),
                     [execution](const auto& one) { return one.execution == execution; });
}

std::optional<open_call> inbox::take(std::uint64_t call) {
  auto found = calls_.find(call);
  if (found == calls_.end() || !found->second.done)
    return std::nullopt;
  auto call_ended = std::move(found->second);
  calls_.erase(found);
  return call_ended;
}

bool inbox::forget(std::uint64_t call) {
  auto found = calls_.find(call);
  if (found == calls_.end())
    return false;
  auto arrived = py_ref::steal(found->second.arrived);
  bool open = !found->second.done;
  calls_.erase(found);
  return open;
}

bool inbox::take_in() {
  if (!reading_ && is_readable(fd_))
    (void)read_some();
  hand_out_all();
  pass_on(); // Somebody may have seen the read and gone to sleep.
  return !kept_.empty();
}

void inbox::wait_step(open_call& mine, bool on_main_thread) {
  hand_out_all();
  if (mine.done)
    return;
  if (!reading_) {
    (void)read_some();
    return hand_out_all();
  }
  auto& bell = *mine.bell;
  auto seen = bell.count();
  if (on_main_thread)
    main_sleeps_ = true;
  else
    sleepers_.push_back(&mine);
  auto* thread = PyEval_SaveThread();
  bell.sleep(seen);
  PyEval_RestoreThread(thread);
  if (on_main_thread)
    main_sleeps_ = false;
  else
    std::erase(sleepers_, &mine);
}

std::optional<inbox::kept_request> inbox::take_within(std::uint64_t call) {
  auto found = std::find_if(kept_.begin(), kept_.end(),
                            [call](const auto& one) { return one.within == call; });
  if (found == kept_.end())
    return std::nullopt;
  auto request = std::move(*found);
  kept_.erase(found);
  return request;
}

} // namespace vivarium::interp
