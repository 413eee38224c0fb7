// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace vivarium::v1 {
class ClientFrame;
}

namespace vivarium {
inline namespace client_v1 {

/// The result of what only succeeds or fails.
struct done {};

/// Called once with the failure, or with null and the result. Runs on the connection's thread: it
/// must neither block nor throw.
template <class T>
using callback = std::function<void(std::exception_ptr, T)>;

namespace detail {
class core;
struct reply;

/// A request under way.
class pending {
public:
  pending() = default;
  pending(std::weak_ptr<core> on, std::uint64_t id) : core_{std::move(on)}, id_{id} {}
  /// Gives it up: the daemon cancels what runs. It still ends, mostly with `cancelled_error`.
  void cancel() const noexcept;

private:
  std::weak_ptr<core> core_;
  std::uint64_t id_ = 0;
};

class request_base {
public:
  request_base(std::shared_ptr<core> on, std::shared_ptr<v1::ClientFrame> frame)
      : core_{std::move(on)}, frame_{std::move(frame)} {}

protected:
  void put_traceparent(std::string text);
  void put_request_id(std::string text);
  [[nodiscard]] std::shared_ptr<reply> exchange();
  pending dispatch(std::function<void(std::exception_ptr, reply*)> then);

private:
  std::shared_ptr<core> core_;
  std::shared_ptr<v1::ClientFrame> frame_;
};
} // namespace detail

/// A request that is ready to be sent, once. The blocking calls are `get` of theirs; with
/// `async_send` of client_async.hpp one goes with any completion token.
template <class T>
class [[nodiscard]] request : detail::request_base {
public:
  using result_type = T;
  using decoder = std::function<T(detail::reply&)>;
  request(detail::request_base base, decoder decode)
      : request_base{std::move(base)}, decode_{std::move(decode)} {}

  /// Makes it part of a trace: `text` is a W3C `traceparent`.
  request&& traced(std::string text) && {
    put_traceparent(std::move(text));
    return std::move(*this);
  }
  /// Gives it an id for logs: at most 128 letters, digits and `-_.:`. Else it gets one.
  request&& named(std::string id) && {
    put_request_id(std::move(id));
    return std::move(*this);
  }

  /// Sends it and waits; throws what is in error.hpp.
  T get() && {
    auto answer = exchange();
    return decode_(*answer);
  }

  /// Sends it and returns at once; the result is that of `decode`, and so are its errors.
  detail::pending then(callback<T> tell) && {
    return dispatch([decode = std::move(decode_), tell = std::move(tell)](std::exception_ptr why,
                                                                          detail::reply* answer) {
      T out{};
      if (!why) {
        try {
          out = decode(*answer);
        } catch (...) {
          why = std::current_exception();
        }
      }
      tell(std::move(why), std::move(out));
    });
  }

  /// The same request with its result changed by `change`.
  template <class F>
  auto map(F change) && {
    using To = std::invoke_result_t<F, T>;
    return request<To>{std::move(static_cast<request_base&>(*this)),
                       [decode = std::move(decode_), change = std::move(change)](
                           detail::reply& answer) { return change(decode(answer)); }};
  }

private:
  decoder decode_;
};

} // namespace client_v1
} // namespace vivarium
