// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <optional>

namespace vivarium {

/// A thread for what takes milliseconds: deriving keys, reading certificates. It begins with the
/// first order; the destructor waits for the order that is being done. Reactor thread.
class aside {
public:
  aside() = default;
  aside(const aside&) = delete;
  aside& operator=(const aside&) = delete;
  ~aside();

  /// Does it there and goes on here. `what` must not refer to what may go meanwhile.
  template <class T>
  boost::asio::awaitable<T> run(std::function<T()> what) {
    return boost::asio::co_spawn(
        threads(),
        [](std::function<T()> order) -> boost::asio::awaitable<T> {
          co_return order();
        }(std::move(what)),
        boost::asio::use_awaitable);
  }

private:
  boost::asio::thread_pool& threads();
  std::optional<boost::asio::thread_pool> threads_;
};

} // namespace vivarium
