// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/mail_limits.hpp"
#include "actors/observer.hpp"
#include "proto/result.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vivarium {

/// A message between sessions, subscriptions and connections of one tenant.
struct message {
  std::string sender; ///< Id of the session that sent it; empty when a client did. Never forged.
  std::string destination; ///< Id or name that it was sent to.
  std::string value;       ///< Encoded and validated vivarium.v1.Value.
  std::chrono::system_clock::time_point sent;
};
using message_ptr = std::shared_ptr<const message>;

class mailboxes;

/// Where messages wait for somebody: a session or a subscription. It is closed, and what waits is
/// dropped, when this goes. Reactor thread; the `mailboxes` that made it must outlive it.
class mailbox {
public:
  /// A message as its reader gets it.
  struct delivery {
    message_ptr what;
    std::uint64_t sequence = 0;    ///< From 1; what was dropped has numbers, too.
    std::uint64_t lost_before = 0; ///< Messages before this one that were dropped.
  };

  mailbox(const mailbox&) = delete;
  mailbox& operator=(const mailbox&) = delete;
  ~mailbox();

  /// Takes the oldest message; nothing when none waits. Messages of one sender come in the order in
  /// which it sent them.
  [[nodiscard]] std::optional<delivery> take();
  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }
  /// Messages that were dropped and not told of yet.
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }

private:
  friend class mailboxes;
  struct tenant_state;
  mailbox(mailboxes& all, std::shared_ptr<tenant_state> of, std::string tenant,
          std::vector<std::string> names, std::function<void()> on_message);
  void put(message_ptr what);
  void drop_oldest();

  mailboxes& all_;
  std::shared_ptr<tenant_state> of_;
  std::string tenant_;
  std::vector<std::string> names_;
  std::function<void()> on_message_;
  std::deque<message_ptr> waiting_;
  std::size_t bytes_ = 0;
  std::uint64_t next_ = 1; // number of the message that `take` gives next
  std::uint64_t lost_ = 0;
};
using mailbox_ptr = std::unique_ptr<mailbox>;

/// Who can be sent messages, by tenant and name. Names of another tenant are not there. A value of
/// the service's; reactor thread; sending costs no hop and never waits for a reader.
class mailboxes {
public:
  mailboxes(const mail_limits& limits, observer& watch) : limits_{limits}, watch_{watch} {}
  mailboxes(const mailboxes&) = delete;
  mailboxes& operator=(const mailboxes&) = delete;
  ~mailboxes();

  /// Opens a mailbox under one or more names (a session: its id and its name). Others may have the
  /// same name; each gets every message to it. `on_message` is called when the first message waits;
  /// it may take messages, send some, and close mailboxes, this one too. Refuses with
  /// `limit_exceeded` when the tenant has too many.
  [[nodiscard]] result<mailbox_ptr> open(const std::string& tenant, std::vector<std::string> names,
                                         std::function<void()> on_message);

  /// Puts a message into every mailbox of that name and returns how many there are. `value` is an
  /// encoded and validated vivarium.v1.Value. Refuses with `not_found` when there is none,
  /// `too_large`, or `limit_exceeded` with the quota when too much of the tenant's waits already.
  [[nodiscard]] result<std::uint64_t> publish(const std::string& tenant, std::string_view sender,
                                              const std::string& destination, std::string value);

private:
  friend class mailbox;
  void close(mailbox& which);

  const mail_limits& limits_;
  observer& watch_;
  std::unordered_map<std::string, std::shared_ptr<mailbox::tenant_state>> tenants_;
};

} // namespace vivarium
