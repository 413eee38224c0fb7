// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/app_exchange.hpp"
#include "actors/apps.hpp"
#include "daemon/app_headers.hpp"
#include "daemon/streamed_exchange.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace vivarium {

/// One request of HTTP to an application: what comes of its body is passed on as far as the
/// application takes it, and the response as far as the client takes that. A WebSocket is handed
/// over once it has been accepted.
class app_conversation final : public streamed_handler,
                               public std::enable_shared_from_this<app_conversation> {
public:
  app_conversation(service& core, authenticator& auth, std::shared_ptr<streamed_exchange> exchange,
                   app_place at);

  /// `raw_path` is below the place.
  void begin(const app_info& app, std::string_view raw_path);

  void on_body(std::string bytes) override;
  void on_body_end() override;
  void on_room() override { pump(); }
  void on_gone(const error& why) override;

private:
  void ask(bool more);
  void changed();
  void pump();
  bool answer_head(const app_part& part);
  bool write(std::string_view bytes);
  void spoil(const std::string& why);
  void fail(int status, std::string_view why);
  [[nodiscard]] std::string usage_line() const;
  void accept_socket(const app_part& part, const std::string& lines);
  [[nodiscard]] bool wants_socket() const;

  service& core_;
  authenticator& auth_;
  std::shared_ptr<streamed_exchange> exchange_;
  app_place at_;
  std::string app_;
  std::string tenant_;
  std::string path_;
  std::string body_; // until it is asked
  std::shared_ptr<app_exchange> asking_;
  std::uint64_t most_body_ = 0;
  std::uint64_t seen_ = 0;            // of the body
  std::optional<std::uint64_t> left_; // of a length that the application has promised
  bool asked_ = false;
  bool gather_ = false; // the body is short: it is waited for
  bool socket_ = false;
};

} // namespace vivarium
