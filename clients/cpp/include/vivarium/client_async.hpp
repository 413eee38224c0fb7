// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <vivarium/client.hpp>

// Every request with a completion token of Asio: callbacks, use_future, coroutines, deferred... The
// signature is void(std::exception_ptr, T); the handler runs on its associated executor, and
// without one on the connection's thread. Cancelling the operation by its slot gives the request
// up.
// GCC 12 miscompiles braced temporaries in a statement with co_await: name them before it.
namespace vivarium {
inline namespace client_v1 {

namespace detail {

/// Runs a handler once, where it wants to run. Shared, because `callback` must be copyable.
template <class Handler, class T>
class completion {
public:
  explicit completion(Handler handler)
      : handler_{std::move(handler)}, work_{boost::asio::get_associated_executor(
                                          handler_, boost::asio::system_executor{})} {}

  void operator()(std::exception_ptr why, T result) {
    auto executor = work_.get_executor();
    auto call = [handler = std::move(handler_), why = std::move(why),
                 result = std::move(result)]() mutable {
      // The slot is the handler's, and so is the thread that may touch it.
      boost::asio::get_associated_cancellation_slot(handler).clear();
      std::move(handler)(std::move(why), std::move(result));
    };
    // A handler without an executor of its own runs here, on the connection's thread.
    if constexpr (std::same_as<decltype(executor), boost::asio::system_executor>)
      call();
    else
      boost::asio::post(executor, std::move(call));
    work_.reset(); // The posted handler counts as work by itself.
  }

private:
  using executor_type = boost::asio::associated_executor_t<Handler, boost::asio::system_executor>;
  Handler handler_;
  boost::asio::executor_work_guard<executor_type> work_;
};

template <class T, class Handler>
callback<T> callback_of(Handler handler) {
  auto shared = std::make_shared<completion<Handler, T>>(std::move(handler));
  return
      [shared](std::exception_ptr why, T result) { (*shared)(std::move(why), std::move(result)); };
}

} // namespace detail

/// Sends any prepared request.
template <class T, class Token>
auto async_send(request<T> what, Token&& token) {
  return boost::asio::async_initiate<Token, void(std::exception_ptr, T)>(
      [](auto handler, request<T> what) {
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        auto started = std::make_shared<detail::pending>();
        if (slot.is_connected())
          slot.assign([started](boost::asio::cancellation_type) { started->cancel(); });
        *started = std::move(what).then(detail::callback_of<T>(std::move(handler)));
      },
      token, std::move(what));
}

/// `client::connect`.
template <class Token>
auto async_connect(std::string url, connect_options how, Token&& token) {
  return boost::asio::async_initiate<Token, void(std::exception_ptr, client)>(
      [](auto handler, const std::string& url, const connect_options& how) {
        connect_then(url, how, detail::callback_of<client>(std::move(handler)));
      },
      token, std::move(url), std::move(how));
}

/// `runner::eval`.
template <class Token>
auto async_eval(const runner& in, std::string_view source, Token&& token) {
  return async_send(in.prepare_eval(source), std::forward<Token>(token));
}
template <class Token>
auto async_eval(const runner& in, std::string_view source, const variables& with,
                const run_options& how, Token&& token) {
  return async_send(in.prepare_eval(source, with, how), std::forward<Token>(token));
}
template <class Token>
auto async_eval(const runner& in, std::string_view source, const variables& with, Token&& token) {
  return async_send(in.prepare_eval(source, with), std::forward<Token>(token));
}
/// `runner::run`.
template <class Token>
auto async_run(const runner& in, std::string_view source, const variables& with,
               const run_options& how, Token&& token) {
  return async_send(in.prepare_run(source, with, how), std::forward<Token>(token));
}
/// `runner::call`.
template <class Token>
auto async_call(const runner& in, std::string_view module, std::string_view name, arguments with,
                Token&& token) {
  return async_send(
      in.prepare_call(module_name{std::string{module}}, name, operation::call, std::move(with)),
      std::forward<Token>(token));
}
/// `client::session`.
template <class Token>
auto async_session(const client& on, const session_options& how, Token&& token) {
  return async_send(on.prepare_session(how), std::forward<Token>(token));
}
template <class Token>
auto async_session(const client& on, Token&& token) {
  return async_send(on.prepare_session(), std::forward<Token>(token));
}
/// `runner::batch`.
template <class Token>
auto async_batch(const runner& in, std::vector<task> tasks, Token&& token) {
  return async_send(in.prepare_batch(std::move(tasks)), std::forward<Token>(token));
}
/// `basic_stream::next`; one at a time.
template <class T, class Token>
auto async_next(basic_stream<T>& from, Token&& token) {
  return boost::asio::async_initiate<Token, void(std::exception_ptr, std::optional<T>)>(
      [&from](auto handler) {
        from.next_then(detail::callback_of<std::optional<T>>(std::move(handler)));
      },
      token);
}

} // namespace client_v1
} // namespace vivarium
