// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/family.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

namespace vivarium {

/// Looks at all processes of a session, on one thread of its own: that walks page tables, and waits
/// for whoever changes them. The thread starts with the first look. Used on the reactor's thread.
class family_looks {
public:
  /// Called on the reactor's thread, with how long the look took; after the end of this, too.
  using answer =
      std::function<void(const sandbox::family::usage&, std::chrono::steady_clock::duration)>;

  explicit family_looks(boost::asio::io_context& reactor) : reactor_{reactor} {}
  family_looks(const family_looks&) = delete;
  family_looks& operator=(const family_looks&) = delete;
  /// Waits for the look that is under way; those that wait are dropped.
  ~family_looks();

  /// Looks. Nobody else looks at that family before the answer.
  void look(std::shared_ptr<sandbox::family> at, answer to);

private:
  boost::asio::io_context& reactor_;
  std::optional<boost::asio::thread_pool> thread_;
};

} // namespace vivarium
