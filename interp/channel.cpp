// SPDX-License-Identifier: Apache-2.0
#include "interp/channel.hpp"

#include "bridge/frame.hpp"
#include "bridge/worker_fields.hpp"
#include "sandbox/zygote_link.hpp"

#include <protozero/buffer_string.hpp>
#include <protozero/varint.hpp>

#include <cerrno>
#include <csignal>

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vivarium::interp {

namespace {

constexpr std::size_t send_at = 64u << 10;
constexpr std::size_t largest_text = 32u << 10;
constexpr std::size_t keep_at_most = 1u << 20;
constexpr long line_delay_ns = 1'000'000;

// The handler has no other way to its channel; a process has at most one.
std::atomic<channel*> the_channel = nullptr;

int timer_signal() noexcept {
  return sandbox::interrupt_signal() == SIGRTMAX - 3 ? SIGRTMAX - 4 : SIGRTMAX - 3;
}

// Lengths of frames that can grow in place have a fixed width.
constexpr std::size_t padded_bytes = 5;

void store_padded_varint(char* at, std::uint64_t value) noexcept {
  for (int i = 0; i < 4; ++i)
    at[i] = static_cast<char>((value >> (7 * i) & 0x7f) | 0x80);
  at[4] = static_cast<char>(value >> 28 & 0x7f);
}

} // namespace

// Keeps the signal handler off the buffer, and does what it came for meanwhile. The handler may
// also be at work on the main thread while another thread wants in.
class channel::section {
public:
  explicit section(channel& owner) noexcept : owner_{owner} {
    while (owner_.busy_.exchange(true, std::memory_order_acquire))
      ::sched_yield();
  }
  section(const section&) = delete;
  section& operator=(const section&) = delete;
  ~section() {
    if (owner_.due_.exchange(false))
      owner_.write_all();
    owner_.leave();
  }

private:
  channel& owner_;
};

void channel::open(int fd) noexcept {
  fd_ = fd;
  has_timer_ = timer_failed_ = false; // A timer of the zygote would not have survived the fork.
  the_channel = this;
  catch_fatal();
  answer_pings();
}

void channel::begin_text(std::uint64_t execution, bool is_stderr) {
  using f = bridge::output_field;
  tail_ = bridge::begin_frame(ready_, bridge::frame_type::output);
  ready_ += bridge::varint_tag(f::execution);
  protozero::add_varint_to_buffer(&ready_, execution);
  ready_ += bridge::varint_tag(f::is_stderr);
  ready_ += static_cast<char>(is_stderr);
  ready_ += bridge::bytes_tag(f::text);
  ready_.append(padded_bytes, '\0');
  tail_content_ = ready_.size();
  tail_execution_ = execution;
  tail_is_ = is_stderr ? tail::err : tail::out;
}

void channel::begin_items(std::uint64_t execution) {
  using f = bridge::items_field;
  tail_ = bridge::begin_frame(ready_, bridge::frame_type::items);
  ready_ += bridge::varint_tag(f::execution);
  protozero::add_varint_to_buffer(&ready_, execution);
  ready_ += bridge::varint_tag(f::count);
  ready_.append(padded_bytes, '\0');
  ready_ += bridge::bytes_tag(f::content);
  ready_.append(padded_bytes, '\0');
  tail_content_ = ready_.size();
  tail_execution_ = execution;
  tail_items_ = 0;
  tail_is_ = tail::items;
}

bool channel::append_item(std::uint64_t execution, std::uint32_t field, std::string_view item) {
  constexpr std::size_t around = 64; // More than header, fields and lengths take.
  if (item.size() > bridge::max_frame_bytes - around)
    return false;
  bool full = false;
  {
    section guard{*this};
    ready_.reserve(ready_.size() + item.size()
                   + around); // May throw: only before anything changes.
    bool grows = tail_is_ == tail::items && tail_execution_ == execution
                 && ready_.size() - tail_content_ + item.size() <= send_at;
    if (!grows)
      begin_items(execution);
    protozero::add_varint_to_buffer(&ready_, field << 3 | 2);
    protozero::add_varint_to_buffer(&ready_, item.size());
    ready_ += item;
    auto* content = ready_.data() + tail_content_;
    store_padded_varint(content - 2 * padded_bytes - 1, ++tail_items_);
    store_padded_varint(content - padded_bytes, ready_.size() - tail_content_);
    (void)bridge::end_frame(ready_, tail_);
    full = ready_.size() >= send_at;
  }
  if (full)
    send();
  return true;
}

void channel::append_text(std::uint64_t execution, bool is_stderr, std::string_view text) {
  while (!text.empty()) {
    auto piece = text.substr(0, largest_text);
    // A piece never ends inside a character.
    while (piece.size() < text.size() && piece.size() > 1 && (text[piece.size()] & 0xc0) == 0x80)
      piece.remove_suffix(1);
    text.remove_prefix(piece.size());
    bool full = false;
    {
      section guard{*this};
      ready_.reserve(ready_.size() + piece.size() + 64); // May throw: only before anything changes.
      bool grows = tail_is_ == (is_stderr ? tail::err : tail::out) && tail_execution_ == execution
                   && ready_.size() - tail_content_ + piece.size() <= largest_text;
      if (!grows)
        begin_text(execution, is_stderr);
      ready_ += piece;
      store_padded_varint(ready_.data() + tail_content_ - padded_bytes,
                          ready_.size() - tail_content_);
      (void)bridge::end_frame(ready_, tail_);
      full = ready_.size() >= send_at;
    }
    if (full)
      send();
  }
}

void channel::append_frames(std::string& frames) {
  bool full = false;
  {
    section guard{*this};
    if (ready_.empty())
      ready_.swap(frames);
    else
      ready_ += frames;
    tail_is_ = tail::closed;
    full = ready_.size() >= send_at;
  }
  frames.clear();
  if (full)
    send();
}

void channel::send() noexcept {
  section guard{*this};
  write_all();
  if (ready_.capacity() > keep_at_most)
    std::string{}.swap(ready_);
}

void channel::write(const char* data, std::size_t size) noexcept {
  for (std::size_t sent = 0; sent < size;) {
    auto n = ::write(fd_, data + sent, size - sent);
    if (n >= 0)
      sent += static_cast<std::size_t>(n);
    else if (errno != EINTR)
      ::_exit(0); // The daemon is gone, and with it whom this process serves.
  }
}

void channel::write_all() noexcept {
  if (!muted_)
    write(ready_.data(), ready_.size());
  ready_.clear();
  tail_is_ = tail::closed;
}

void channel::write_pong() noexcept {
  constexpr char frame[bridge::frame_header_bytes] = {
      0, 0, 0, 0, static_cast<char>(bridge::frame_type::pong), 0, 0, 0};
  write(frame, sizeof(frame));
}

// What was asked while frames were being written is answered between two of them.
void channel::leave() noexcept {
  if (pong_due_.exchange(false))
    write_pong();
  busy_.store(false, std::memory_order_release);
}

void channel::on_ping(int) noexcept {
  auto saved = errno;
  auto* self = the_channel.load();
  self->pong_due_ = true;
  if (!self->busy_.exchange(true, std::memory_order_acquire))
    self->leave();
  errno = saved;
}

void channel::answer_pings() noexcept {
  struct sigaction action = {};
  action.sa_handler = [](int number) { on_ping(number); };
  action.sa_flags = SA_RESTART; // Nobody's call is to fail because the daemon asks.
  ::sigemptyset(&action.sa_mask);
  ::sigaction(sandbox::ping_signal(), &action, nullptr);
}

void channel::on_timer(int) noexcept {
  auto saved = errno;
  auto* self = the_channel.load();
  self->armed_ = false;
  if (self->busy_.exchange(true, std::memory_order_acquire)) {
    self->due_ = true;
  } else {
    self->write_all();
    self->leave();
  }
  errno = saved;
}

// The last words of a process that crashes are what its owner wants to read most.
void channel::on_fatal(int signal) noexcept {
  auto* self = the_channel.load();
  if (!self->busy_.exchange(true, std::memory_order_acquire))
    self->write_all();
  ::raise(signal); // Its default action, since the handler was for one time only.
}

void channel::catch_fatal() noexcept {
  static char stack[16 * 1024]; // An overflow of the stack leaves no room on it.
  stack_t own = {};
  own.ss_sp = stack;
  own.ss_size = sizeof(stack);
  ::sigaltstack(&own, nullptr);
  struct sigaction action = {};
  action.sa_handler = [](int number) { on_fatal(number); };
  action.sa_flags = SA_RESETHAND | SA_NODEFER | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL})
    ::sigaction(signal, &action, nullptr);
}

bool channel::make_timer() noexcept {
  if (has_timer_ || timer_failed_)
    return has_timer_;
  struct sigaction action = {};
  action.sa_handler = [](int number) { on_timer(number); };
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  struct sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = timer_signal();
  event._sigev_un._tid = ::getpid(); // The main thread.
  has_timer_ = ::sigaction(timer_signal(), &action, nullptr) == 0
               && ::timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
  timer_failed_ = !has_timer_;
  return has_timer_;
}

bool channel::send_soon() noexcept {
  if (armed_ || fd_ < 0)
    return false;
  if (!make_timer())
    return send(), true;
  armed_ = true;
  struct itimerspec when = {};
  when.it_value.tv_nsec = line_delay_ns;
  if (::timer_settime(timer_, 0, &when, nullptr) != 0) {
    armed_ = false;
    send();
  }
  return true;
}

void channel::discard() noexcept {
  {
    section guard{*this};
    ready_.clear();
    tail_is_ = tail::closed;
    due_ = false;
  }
  rest();
}

void channel::rest() noexcept {
  if (!armed_)
    return;
  struct itimerspec never = {};
  ::timer_settime(timer_, 0, &never, nullptr);
  armed_ = false;
}

} // namespace vivarium::interp
