// SPDX-License-Identifier: Apache-2.0
#include "actors/worker.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace vivarium {

namespace {

// An idle worker holds no more than this; a busy one's buffer grows with what really comes.
constexpr std::size_t small_read = 4096;
constexpr std::size_t large_read = 256 * 1024;
// A pipe holds 64 KiB, and every time that it is full both sides must be woken. One that meets more
// is made larger, once: memory it is only when it is filled.
constexpr std::size_t usual_pipe = 64 * 1024;
constexpr int wide_pipe = 1024 * 1024;

void widen(int fd, std::size_t due, bool& done) {
  if (due > usual_pipe && !std::exchange(done, true))
    (void)::fcntl(fd, F_SETPIPE_SZ, wide_pipe); // Refused beyond what a user may have.
}

// Refused calls: an honest library probes a few and falls back; answered at once. After that so
// many at a time with a pause between, which is more than a library needs and less than a flood
// costs.
constexpr int quick_denials = 1'000;
constexpr int calls_per_turn = 4;
constexpr auto denial_pause = std::chrono::milliseconds{5};

} // namespace

worker::worker(boost::asio::io_context& reactor, sandbox::worker_ready ready,
               release_function on_release)
    : number_{ready.worker}, host_pid_{ready.host_pid}, size_{ready.size},
      requests_{reactor, ready.to_worker.release()}, answers_{reactor, ready.from_worker.release()},
      listener_{reactor}, denials_left_{quick_denials}, on_release_{std::move(on_release)} {
  if (ready.listener)
    listener_.assign(ready.listener.release());
}

worker::~worker() {
  if (on_release_)
    on_release_(number_);
}

worker::read_outcome worker::read_some() {
  auto missing = reader_.missing();
  widen(answers_.native_handle(), missing, wide_answers_);
  auto wanted = std::clamp(missing, small_read, large_read);
  auto* room = reader_.prepare(wanted);
  for (;;) {
    auto n = ::read(answers_.native_handle(), room, reader_.room());
    if (n > 0) {
      ++reads_;
      drained_ = static_cast<std::size_t>(n) < reader_.room();
      reader_.commit(static_cast<std::size_t>(n));
      return read_outcome::some;
    }
    if (n == 0)
      return read_outcome::closed;
    if (errno == EINTR)
      continue;
    return errno == EAGAIN ? read_outcome::nothing : read_outcome::closed;
  }
}

worker::write_outcome worker::flush() {
  widen(requests_.native_handle(), unsent(), wide_requests_);
  while (sent_ < outgoing_.size()) {
    auto n = ::write(requests_.native_handle(), outgoing_.data() + sent_, outgoing_.size() - sent_);
    if (n > 0) {
      sent_ += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN) {
      return write_outcome::blocked;
    } else if (errno != EINTR) {
      return write_outcome::closed;
    }
  }
  sent_ = 0;
  outgoing_.clear();
  if (outgoing_.capacity() > large_read)
    outgoing_.shrink_to_fit();
  return write_outcome::complete;
}

void worker::when_readable(std::function<void()> fn) {
  answers_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [fn = std::move(fn)](boost::system::error_code ec) {
                        if (ec != boost::asio::error::operation_aborted)
                          fn();
                      });
}

void worker::when_writable(std::function<void()> fn) {
  requests_.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                       [fn = std::move(fn)](boost::system::error_code ec) {
                         if (ec != boost::asio::error::operation_aborted)
                           fn();
                       });
}

void worker::answer_calls() {
  if (listener_.is_open())
    watch_listener();
}

void worker::answered() {
  --pending_;
  if (std::exchange(at_most_, false))
    watch_listener();
}

void worker::watch_listener() {
  listener_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [weak = weak_from_this()](boost::system::error_code ec) {
                         auto self = weak.lock();
                         if (self && ec != boost::asio::error::operation_aborted)
                           self->listener_ready();
                       });
}

void worker::decide(const sandbox::caught_call& call) {
  ++pending_;
  auto how = on_call_ ? on_call_(call) : fate::refused;
  if (how == fate::pending)
    return;
  --pending_;
  if (how == fate::settled)
    return;
  --denials_left_;
  if (how == fate::turned_down)
    return;
  auto denied = sandbox::refuse(listener_.native_handle(), call);
  if (on_denied_ && !denied.quiet)
    on_denied_(denied);
}

void worker::listener_ready() {
  // Whoever decides may let go of the worker.
  auto self = shared_from_this();
  bool any = false;
  for (int n = 0; n < calls_per_turn && pending_ < most_pending && listener_.is_open(); ++n) {
    auto call = sandbox::take_call(listener_.native_handle());
    if (!call || !*call)
      break;
    any = true;
    decide(**call);
  }
  if (!any && pending_ < most_pending) {
    pollfd state{listener_.native_handle(), POLLIN, 0};
    if (::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0)
      return; // The last task under the filter has ended.
  }
  if (pending_ >= most_pending) {
    at_most_ = true;
    return;
  }
  if (denials_left_ > 0)
    return watch_listener();
  if (!throttle_)
    throttle_.emplace(listener_.get_executor());
  throttle_->expires_after(denial_pause);
  throttle_->async_wait([weak = weak_from_this()](boost::system::error_code ec) {
    auto self = weak.lock();
    if (self && !ec)
      self->watch_listener();
  });
}

} // namespace vivarium
