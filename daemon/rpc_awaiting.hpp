// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/rpc_calls.hpp"

#include <memory>
#include <string>

namespace vivarium::rpc {

/// A call that submits one execution and answers when it has ended. Given up, the execution is
/// cancelled and still answers; abandoned, it meets what its policy says.
class awaiting_call : public basic_call,
                      public follower,
                      public std::enable_shared_from_this<awaiting_call> {
public:
  awaiting_call(const context& with, const question& asked, std::shared_ptr<asker> who,
                std::uint64_t tag);

  void on_progress(execution& source) override;
  void abandon() override;
  void give_up() override;

protected:
  /// Submits it, or refuses the call with what is wrong with it.
  void submit(result<submission> what);
  /// Called once, when `source` has its verdict: answers or refuses.
  virtual void settle(const execution_ptr& source) = 0;

  [[nodiscard]] service& core() const noexcept { return core_; }
  [[nodiscard]] side_thread& aside() const noexcept { return aside_; }
  [[nodiscard]] const std::string& tenant() const noexcept { return tenant_; }

private:
  void submitted(result<execution_ptr> taken);

  service& core_;
  side_thread& aside_;
  std::string tenant_;
  execution_ptr running_;
  bool given_up_ = false;
};

} // namespace vivarium::rpc
