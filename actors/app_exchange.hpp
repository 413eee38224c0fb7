// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"
#include "actors/reply.hpp"
#include "bridge/app_messages.hpp"
#include "bridge/worker_protocol.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace vivarium {

/// A part of an application's response. Views are valid until the next one is asked for.
struct app_part {
  enum class part_kind : std::uint8_t {
    head,   ///< Status and headers, and what came with them of the body.
    body,   ///< Bytes of the body, or a binary message of a WebSocket.
    text,   ///< A text message of a WebSocket.
    close,  ///< The WebSocket is to be closed, with `code` and the reason `content`.
    end,    ///< Nothing follows, and all is well.
    failed, ///< Nothing follows; `status` is what to answer if no head was given.
  };
  part_kind kind = part_kind::end;
  bridge::app_response head = {};
  bool whole = false; ///< Of a head: its body is all there is.
  std::string_view content = {};
  std::uint16_t code = 0;
  int status = 0;
  std::string why = {}; ///< For the caller. Empty: the application's own failure, which is told to
                        ///< its owner only.
};

/// A request to an application, and its response as it comes: no more of it is ordered than the
/// reader takes, and no more of the request is passed on than the application takes. Reactor
/// thread.
class app_exchange final : public follower, public std::enable_shared_from_this<app_exchange> {
public:
  struct ports {
    std::function<void(submission&&, reply<execution_ptr>)> submit;
    std::function<void(const execution_ptr&, std::uint64_t)> pull;
    std::function<void(const execution_ptr&, app_feed)> feed;
    /// The response is none that HTTP can carry.
    std::function<void(const execution_ptr&, const std::string&)> malformed;
  };

  /// `on_change` is called when `next` or `room` may say something new, possibly from inside
  /// `begin`; not after `leave`.
  app_exchange(ports through, std::function<void()> on_change);

  void begin(submission&& what);
  /// The next part; nothing while it has not come. To be called until then: more is ordered when
  /// all that is there has been taken.
  std::optional<app_part> next();
  /// Whether the last part has been given.
  [[nodiscard]] bool over() const noexcept { return over_; }

  /// How many bytes may be fed.
  [[nodiscard]] std::size_t room() const noexcept;
  void feed(app_feed what);
  /// The caller is gone, or wants no more: the application is told.
  void leave();

  /// The response is none that HTTP can carry: tells its owner, and the application that nobody
  /// waits.
  void spoil(const std::string& why);
  /// Has somebody else told of changes.
  void tell(std::function<void()> on_change) { on_change_ = std::move(on_change); }

  /// Null until it has been submitted.
  [[nodiscard]] const execution_ptr& source() const noexcept { return source_; }

  void on_progress(execution& source) override;

private:
  void submitted(result<execution_ptr> made);
  std::optional<app_part> item();
  app_part last();
  app_part fail(int status, std::string why);
  void order();
  void go_to(std::uint64_t position);

  ports through_;
  std::function<void()> on_change_;
  execution_ptr source_;
  std::optional<app_part> refused_;
  std::deque<app_feed> early_; // before there was an execution
  std::uint64_t fed_ = 0;
  std::uint64_t position_ = 1;
  std::size_t offset_ = 0; // in the items of the event there
  std::uint64_t rounds_ = 1;
  bool has_head_ = false;
  bool complete_ = false; // the response; the execution may go on
  bool over_ = false;
  bool left_ = false;
};

/// Items of a response that may be under way.
inline constexpr std::uint64_t app_credit = 64;

} // namespace vivarium
