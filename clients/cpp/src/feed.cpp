// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/feed.hpp"

#include "clients/cpp/src/wire.hpp"

#include <google/protobuf/util/json_util.h>
#include <vivarium/files.hpp>

namespace vivarium {
inline namespace client_v1 {

namespace detail {

namespace {

/// Appends what a frame brought; returns the verdict when it has one.
std::shared_ptr<const verdict> unpack(v1::ServerFrame& frame, const origin& at,
                                      std::vector<value>& out) {
  auto& from = *frame.mutable_stream();
  for (auto& each : *from.mutable_items())
    out.push_back(decode(each, at));
  for (auto& each : *from.mutable_repr_items())
    out.emplace_back(std::move(each));
  for (const auto& each : from.json_items()) {
    std::string text;
    (void)google::protobuf::util::MessageToJsonString(each, &text);
    out.emplace_back(std::move(text));
  }
  if (!from.has_verdict())
    return nullptr;
  auto ended = decode(*from.mutable_verdict(), at);
  ended.request_id = frame.request_id();
  return std::make_shared<const verdict>(std::move(ended));
}

std::shared_ptr<const verdict> unpack(v1::ServerFrame& frame, const origin& at,
                                      std::vector<event>& out) {
  if (!frame.follow().has_event()) // It only keeps the connection alive.
    return nullptr;
  out.push_back(decode(*frame.mutable_follow()->mutable_event(), at));
  return nullptr;
}

std::shared_ptr<const verdict> unpack(v1::ServerFrame& frame, const origin& at,
                                      std::vector<message>& out) {
  if (!frame.receive().has_message()) // It receives from now on.
    return nullptr;
  auto& from = *frame.mutable_receive()->mutable_message();
  using namespace std::chrono;
  auto when = seconds{from.time().seconds()} + nanoseconds{from.time().nanos()};
  value content;
  if (from.has_json()) {
    std::string text;
    (void)google::protobuf::util::MessageToJsonString(from.json(), &text);
    content = value{std::move(text)};
  } else {
    content = decode(*from.mutable_value(), at);
  }
  out.push_back({from.sequence(), from.sender(), from.to(), std::move(content),
                 system_clock::time_point{duration_cast<system_clock::duration>(when)},
                 from.lost_before()});
  return nullptr;
}

std::shared_ptr<const verdict> unpack(v1::ServerFrame& frame, const origin&,
                                      std::vector<file_piece>& out) {
  auto& from = *frame.mutable_read_file();
  if (from.has_file()) // It is open.
    return nullptr;
  out.push_back({std::move(*from.mutable_data()), from.sha256(), from.size()});
  return nullptr;
}

std::shared_ptr<const verdict> unpack(v1::ServerFrame& frame, const origin&,
                                      std::vector<build_step>& out) {
  auto& from = *frame.mutable_build_environment();
  if (from.has_environment())
    out.push_back({{}, decode(from.environment())});
  else
    out.push_back({std::move(*from.mutable_line())});
  return nullptr;
}

/// Whether the end is the error of a stream's own code, which its reader shall meet. A follower
/// finds it in the last event.
template <class T>
constexpr bool verdict_ends = std::is_same_v<T, value>;

} // namespace

template <class T>
std::shared_ptr<feed<T>> feed<T>::open(std::shared_ptr<core> on, v1::ClientFrame& frame,
                                       std::uint32_t window, std::string session) {
  window = std::max<std::uint32_t>(window, 1);
  frame.set_credit(window);
  std::shared_ptr<feed> made{new feed{on, window, std::move(session)}};
  made->held_ = hold_for(on, frame);
  // A feed that nobody reads any more is not kept by the connection.
  const auto id = on->submit(
      frame, [weak = std::weak_ptr{made}](std::exception_ptr why, v1::ServerFrame* answer) {
        if (auto self = weak.lock())
          self->on_frame(std::move(why), answer);
      });
  const std::lock_guard lock{made->mutex_};
  made->id_ = id;
  return made;
}

template <class T>
void feed<T>::on_frame(std::exception_ptr why, v1::ServerFrame* frame) {
  try {
    if (!why && frame->has_error())
      why = error_of(frame->error());
    if (!why && !frame->has_end())
      return take(*frame);
  } catch (...) {
    why = std::current_exception();
  }
  {
    const std::lock_guard lock{mutex_};
    over_ = true;
    // Who gave it up does not want to hear that it was given up.
    if (why && !why_ && !cancelled_)
      why_ = why;
  }
  held_.release();
  serve();
}

template <class T>
void feed<T>::take(v1::ServerFrame& frame) {
  std::vector<T> brought;
  auto ended = unpack(frame, {core_, session_}, brought);
  {
    const std::lock_guard lock{mutex_};
    for (auto& each : brought)
      items_.push_back(std::move(each));
    if (ended)
      verdict_ = std::move(ended);
    if constexpr (verdict_ends<T>) {
      if (verdict_ && verdict_->exception && !cancelled_) {
        try {
          verdict_->check();
        } catch (...) {
          why_ = std::current_exception();
        }
      }
    }
  }
  serve();
}

/// Tells who waits, when there is something to tell.
template <class T>
void feed<T>::serve() {
  callback<std::optional<T>> tell;
  std::optional<T> item;
  std::exception_ptr why;
  std::uint32_t credit = 0;
  {
    const std::lock_guard lock{mutex_};
    if (waiting_ && (!items_.empty() || over_)) {
      tell = std::exchange(waiting_, nullptr);
      if (!items_.empty()) {
        item = std::move(items_.front());
        items_.pop_front();
        ++taken_;
        credit = due(false);
      } else {
        why = std::exchange(why_, nullptr);
      }
    }
  }
  arrived_.notify_all();
  give(credit);
  if (tell)
    tell(std::move(why), std::move(item));
}

template <class T>
std::uint32_t feed<T>::due(bool wanted) {
  if (over_ || cancelled_ || taken_ == 0)
    return 0;
  // Credit for each item alone would be a frame for each item.
  if (taken_ <= window_ / 2 && !(wanted && items_.empty()))
    return 0;
  // The last place is given only when somebody wants what comes.
  if (taken_ == window_ && !wanted && window_ == 1)
    return 0;
  return std::exchange(taken_, 0);
}

template <class T>
void feed<T>::give(std::uint32_t credit) {
  if (credit != 0)
    core_->more_credit(id_, credit);
}

template <class T>
std::optional<T> feed<T>::next() {
  std::unique_lock lock{mutex_};
  if (const auto credit = due(true); credit != 0) {
    lock.unlock();
    give(credit);
    lock.lock();
  }
  arrived_.wait(lock, [this] { return !items_.empty() || over_; });
  if (items_.empty()) {
    if (why_)
      std::rethrow_exception(std::exchange(why_, nullptr));
    return std::nullopt;
  }
  std::optional<T> out{std::move(items_.front())};
  items_.pop_front();
  ++taken_;
  return out;
}

template <class T>
void feed<T>::next_then(callback<std::optional<T>> tell) {
  std::uint32_t credit = 0;
  {
    const std::lock_guard lock{mutex_};
    if (waiting_)
      throw std::logic_error{"vivarium: a stream is read once at a time"};
    waiting_ = std::move(tell);
    credit = due(true);
  }
  give(credit);
  serve();
}

template <class T>
void feed<T>::cancel() noexcept {
  std::uint64_t id = 0;
  {
    const std::lock_guard lock{mutex_};
    if (over_ || std::exchange(cancelled_, true))
      return;
    id = id_;
  }
  core_->abandon(id);
}

template <class T>
std::shared_ptr<const verdict> feed<T>::end_verdict() {
  const std::lock_guard lock{mutex_};
  return items_.empty() && over_ ? verdict_ : nullptr;
}

template class feed<value>;
template class feed<event>;
template class feed<message>;
template class feed<file_piece>;
template class feed<build_step>;

} // namespace detail

template <class T>
basic_stream<T>::basic_stream(std::shared_ptr<detail::feed<T>> feed) noexcept
    : feed_{std::move(feed)} {}

template <class T>
basic_stream<T>& basic_stream<T>::operator=(basic_stream&& other) noexcept {
  if (this == &other)
    return *this;
  cancel();
  feed_ = std::move(other.feed_);
  current_ = std::move(other.current_);
  over_ = other.over_;
  return *this;
}

template <class T>
basic_stream<T>::~basic_stream() {
  cancel();
}

template <class T>
std::optional<T> basic_stream<T>::next() {
  return feed_ ? feed_->next() : std::nullopt;
}

template <class T>
std::vector<T> basic_stream<T>::take(std::size_t count) {
  std::vector<T> out;
  while (out.size() < count) {
    auto got = next();
    if (!got)
      break;
    out.push_back(*std::move(got));
  }
  return out;
}

template <class T>
void basic_stream<T>::next_then(callback<std::optional<T>> tell) {
  if (!feed_)
    return tell(nullptr, std::nullopt);
  feed_->next_then(std::move(tell));
}

template <class T>
void basic_stream<T>::cancel() noexcept {
  if (feed_)
    feed_->cancel();
}

template <class T>
std::shared_ptr<const verdict> basic_stream<T>::end_verdict() const {
  return feed_ ? feed_->end_verdict() : nullptr;
}

template class basic_stream<value>;
template class basic_stream<event>;
template class basic_stream<message>;
template class basic_stream<file_piece>;
template class basic_stream<build_step>;

} // namespace client_v1
} // namespace vivarium
