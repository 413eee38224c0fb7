// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clients/cpp/src/core.hpp"

#include <condition_variable>
#include <deque>

namespace vivarium {
inline namespace client_v1 {
namespace detail {

/// What a stream has brought and nobody has read yet. Credit is given as items are asked for, so
/// that with a window of one the second item is not computed before somebody wants it.
template <class T>
class feed : public std::enable_shared_from_this<feed<T>> {
public:
  /// Sends the request of a stream.
  static std::shared_ptr<feed> open(std::shared_ptr<core> on, v1::ClientFrame& frame,
                                    std::uint32_t window, std::string session);

  std::optional<T> next();
  void next_then(callback<std::optional<T>> tell);
  /// Gives the stream up; what is here can still be read.
  void cancel() noexcept;
  std::shared_ptr<const verdict> end_verdict();

private:
  feed(std::shared_ptr<core> on, std::uint32_t window, std::string session)
      : core_{std::move(on)}, window_{window}, session_{std::move(session)} {}

  void on_frame(std::exception_ptr why, v1::ServerFrame* frame);
  void take(v1::ServerFrame& frame);
  void serve();
  /// Returns the credit to give; call with the lock held.
  std::uint32_t due(bool wanted);
  void give(std::uint32_t credit);

  std::shared_ptr<core> core_;
  const std::uint32_t window_;
  const std::string session_;
  hold held_;
  std::mutex mutex_; // guards the rest
  std::condition_variable arrived_;
  std::uint64_t id_ = 0;
  std::deque<T> items_;
  std::uint32_t taken_ = 0; ///< Since credit was given last.
  bool over_ = false;
  bool cancelled_ = false;
  std::exception_ptr why_;
  std::shared_ptr<const verdict> verdict_;
  callback<std::optional<T>> waiting_;
};

} // namespace detail
} // namespace client_v1
} // namespace vivarium
