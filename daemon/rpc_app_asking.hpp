// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/app_exchange.hpp"
#include "daemon/rpc_calls.hpp"
#include "daemon/wire_app.hpp"

#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <optional>
#include <string>

namespace vivarium::rpc {

/// Whoever asks an application through the API.
class asking_call : public basic_call,
                    public follower,
                    public std::enable_shared_from_this<asking_call> {
public:
  asking_call(const context& with, const question& asked, std::shared_ptr<asker> who,
              std::uint64_t tag);

  void begin(const question& asked);
  void abandon() override;
  void give_up() override;
  void on_progress(execution& source) override;

protected:
  /// `asking_` may have more to tell.
  virtual void on_change() = 0;

  /// What kept the application from being asked, as an error of the protocol.
  static error why_not(const app_part& part);
  /// Whether the application came to an end of its own, and the verdict says which.
  [[nodiscard]] bool was_asked() const;
  /// Whether the verdict is there, or is long in coming because the application goes on. Else
  /// `on_change` is called again.
  [[nodiscard]] bool settled();

  std::shared_ptr<app_exchange> asking_;
  side_thread& aside_;

private:
  void ask(const wire::handle_request& what);
  void leave();

  service& core_;
  boost::asio::any_io_executor executor_;
  std::string tenant_;
  std::string request_id_;
  trace_place trace_;
  method what_;
  std::optional<boost::asio::steady_timer> timer_;
  bool settled_ = false;
};

[[nodiscard]] error no_route(const std::string& app);
/// Status and headers of a response.
[[nodiscard]] wire::app_reply reply_of(const bridge::app_response& from);

/// Handle and HandleStream.
std::shared_ptr<basic_call> begin_handle(const context& with, const question& asked,
                                         std::shared_ptr<asker> who, std::uint64_t tag);

} // namespace vivarium::rpc
