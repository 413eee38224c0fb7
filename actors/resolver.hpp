// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/ip_address.hpp"

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace vivarium {

/// Finds the addresses of names on a few threads of its own: asking blocks, and the reactor must
/// not. The threads start with the first question. Who asks has a deadline of his own; an answer
/// that nobody waits for any more is dropped where it arrives.
class resolver {
public:
  /// Called on the reactor thread; empty when the name has no address or could not be asked for.
  using answer = std::function<void(std::vector<sandbox::ip_address>)>;

  explicit resolver(boost::asio::io_context& reactor);
  resolver(const resolver&) = delete;
  resolver& operator=(const resolver&) = delete;
  /// Does not wait: a thread that is asking ends when it has its answer, or with the process.
  ~resolver();

  /// Asks. Answers empty at once when too many wait already.
  void find(const std::string& name, answer to);

private:
  struct shared;
  std::shared_ptr<shared> shared_;
  std::size_t threads_ = 0;
};

} // namespace vivarium
