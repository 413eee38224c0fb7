// SPDX-License-Identifier: Apache-2.0
#include "daemon/connection.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

constexpr std::size_t small_read = 8u << 10;
constexpr std::size_t large_read = 256u << 10;
constexpr std::size_t believed_from = 64u << 10;
constexpr std::chrono::seconds linger{2};
// Whoever holds less is never the cause of an overload.
constexpr std::size_t harmless = 64u << 10;

} // namespace

connection::connection(boost::asio::any_io_executor executor, std::unique_ptr<transport> stream,
                       bounds limits, watermarks marks, traffic& counted, connection_keeper& keeper)
    : executor_{std::move(executor)}, stream_{std::move(stream)}, limits_{limits},
      counted_{counted}, keeper_{keeper}, gauge_{marks.write_high, marks.write_low},
      read_size_{small_read} {}

connection::~connection() = default;

void connection::start(std::shared_ptr<conversation> first) {
  talk_ = std::move(first);
  stream_->start(shared_from_this());
}

void connection::speak(std::shared_ptr<conversation> next) {
  talk_ = std::move(next);
}

void connection::on_started(error_code why) {
  if (why) {
    close();
    return;
  }
  started_ = true;
  read_more();
}

void connection::read_more() {
  if (reading_ || closed_ || !started_ || (!closing_ && !talk_->wants_input()))
    return;
  auto expected = talk_->expected_input();
  // What is only announced gets no room before some of it has come.
  bool believed = expected > 0 && in_.size() >= believed_from;
  // Its end needs no more room than is left of it: to make more, all of it would be moved.
  auto wanted = believed ? std::min(expected, large_read)
                         : std::max(read_size_, std::min(expected, large_read));
  auto* into = in_.prepare(wanted, believed ? expected : 0);
  reading_ = true;
  stream_->read(boost::asio::mutable_buffer{into, std::min(in_.room(), large_read)},
                shared_from_this());
}

void connection::on_read(error_code why, std::size_t n) {
  reading_ = false;
  if (closed_)
    return;
  if (why) {
    close();
    return;
  }
  counted_.received += n;
  in_.commit(n);
  if (closing_)
    in_.consume(in_.size());
  // A full buffer means that more is waiting in the kernel: fewer, larger reads.
  read_size_ = n >= read_size_ ? std::min(read_size_ * 2, large_read) : small_read;
  deliver();
  // Delivering may have begun the next read, which writes into the buffer as it is.
  if (!reading_)
    in_.shrink(small_read * 4);
  read_more();
}

void connection::deliver() {
  if (delivering_ || closed_ || closing_)
    return;
  delivering_ = true;
  // The conversation may change hands inside: whoever speaks last sees what is left of the input.
  for (bool again = true; again && !closed_ && !closing_;) {
    auto talk = talk_;
    talk->on_input(in_);
    again = talk != talk_ && !in_.empty();
  }
  delivering_ = false;
  note_arriving();
}

// Each request may be large and take its time, and there may be thousands of connections: together
// they would be the daemon's memory.
void connection::note_arriving() {
  auto now = closed_ ? 0 : in_.size() + talk_->held_input();
  counted_.arriving += now - arriving_; // Unsigned: wraps back.
  arriving_ = now;
  if (!closed_ && !closing_ && now > harmless && counted_.arriving > limits_.arriving_bytes)
    talk_->on_overload();
}

// The same on the way out: what clients ask for and never take.
void connection::note_unsent() {
  auto now = closed_ ? 0 : out_.size();
  counted_.unsent += now - unsent_;
  unsent_ = now;
  if (now > harmless && counted_.unsent > limits_.unsent_bytes)
    keeper_.on_crowded();
}

clock_type::time_point connection::stalled_since() const noexcept {
  bool owed = !closed_ && writing_ && out_.size() > harmless;
  return owed ? write_stalled_ : clock_type::time_point::max();
}

void connection::resume_reading() {
  if (closed_ || delivering_)
    return;
  if (!in_.empty())
    deliver();
  read_more();
}

void connection::flush() {
  gauge_.note(out_.size());
  while (!writing_ && !closed_ && !out_.empty()) {
    error_code why;
    auto n = stream_->try_write(out_.gather(), why);
    if (why) {
      close();
      return;
    }
    if (n == 0) {
      writing_ = true;
      write_stalled_ = clock_type::now();
      auto pieces = out_.gather();
      out_.pin();
      stream_->write(pieces, shared_from_this());
      break;
    }
    sent(n);
  }
  announce_drained();
  if (closing_ && out_.empty() && !closed_ && !std::exchange(finished_, true))
    stream_->finish();
  note_unsent();
}

void connection::flush_soon() {
  gauge_.note(out_.size());
  if (flush_posted_ || writing_ || closed_)
    return;
  flush_posted_ = true;
  boost::asio::post(executor_, [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

void connection::sent(std::size_t n) {
  counted_.sent += n;
  out_.consume(n);
}

void connection::on_written(error_code why, std::size_t n) {
  writing_ = false;
  if (closed_)
    return;
  if (why) {
    close();
    return;
  }
  gauge_.note(out_.size());
  sent(n);
  flush();
}

// Whoever found the queue too full has stopped producing and has to be told when it is not.
void connection::announce_drained() {
  if (closed_ || !gauge_.relieved(out_.size()))
    return;
  // Not at once: whoever flushes is often the one who would be told.
  boost::asio::post(executor_, [self = shared_from_this()] {
    if (self->closed_ || self->closing_)
      return;
    auto talk = self->talk_;
    talk->on_drained();
    self->resume_reading();
  });
}

void connection::close_when_flushed() {
  if (closed_)
    return;
  closing_ = true;
  closing_since_ = clock_type::now();
  flush();
  read_more();
}

void connection::close() {
  if (std::exchange(closed_, true))
    return;
  stream_->close();
  note_arriving();
  note_unsent();
  if (auto talk = talk_)
    talk->on_closed();
  keeper_.on_gone(*this);
}

void connection::sweep(clock_type::time_point now) {
  if (closed_)
    return;
  bool never_started = !started_ && now - opened_ > limits_.handshake;
  bool reader_stuck = writing_ && now - write_stalled_ > limits_.write;
  bool lingered = finished_ && now - closing_since_ > linger;
  if (never_started || reader_stuck || lingered)
    close();
  else if (started_ && !closing_)
    talk_->on_sweep(now);
}

void connection::recheck() {
  if (closed_ || closing_ || !started_)
    return;
  auto talk = talk_;
  talk->on_recheck();
}

void connection::take_turn() {
  if (closed_ || closing_)
    return;
  auto talk = talk_;
  talk->on_turn();
  resume_reading();
}

void connection::stop(stopping how) {
  if (closed_)
    return;
  if (!started_)
    close();
  else if (!closing_)
    talk_->on_stopping(how);
}

} // namespace vivarium
