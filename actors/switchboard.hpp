// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/byte_charge.hpp"
#include "bridge/worker_protocol.hpp"
#include "proto/result.hpp"
#include "proto/trace_context.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vivarium {

/// A call of Python code to the application.
struct function_call {
  std::string id; ///< Empty for a cast, which has no answer.
  std::string name;
  std::string session_id;
  std::string execution_id; ///< Empty for code of no execution.
  std::string operands;     ///< Encoded, validated Value: a tuple of a tuple and a dict.
  std::string request_id;   ///< Of the request that its execution was for; may be empty.
  trace_place trace;        ///< Of the call itself.
  std::chrono::milliseconds timeout{0};
  byte_charge charge; ///< What it takes of the tenant's share, until nobody holds it.
};
using function_call_ptr = std::shared_ptr<const function_call>;

/// What became of it.
struct function_answer {
  bridge::host_result::outcome kind = bridge::host_result::outcome::value;
  std::string content;    ///< See bridge::host_result; validated.
  std::uint64_t host = 0; ///< Connection that functions in the value belong to; 0: none.
};

/// What code is told of a call that could not be placed.
[[nodiscard]] inline bridge::host_result::outcome outcome_of(const error& why) noexcept {
  return why.code == errc::not_found ? bridge::host_result::outcome::not_found
                                     : bridge::host_result::outcome::limit;
}

/// Who answers calls. Called on the reactor thread; must neither block nor throw.
class function_host {
public:
  virtual ~function_host() = default;
  /// Takes a call on its way to the client. False: it has no room for more.
  virtual bool on_call(const function_call_ptr& call) = 0;
  /// A cast to it was dropped, because there was no room.
  virtual void on_lost() = 0;
  /// A call of its own has been answered.
  virtual void on_answered() = 0;
  /// Nobody waits for that call any more.
  virtual void on_dropped(const std::string& id) = 0;
};

/// What a host answers.
struct function_offer {
  std::string session;            ///< Id or name; empty: all of the tenant.
  std::vector<std::string> names; ///< Exact, or "prefix.*"; empty: all.
  std::uint64_t connection = 0;   ///< Number of the connection that offers; 0: none.
};

/// Connects calls of sessions with those who answer them, tenant by tenant: nothing of one tenant
/// is ever found by another. Reactor thread.
class switchboard {
public:
  using offer_id = std::uint64_t;

  /// Who calls.
  struct caller {
    std::string tenant;
    std::string session_id;
    std::string session_name;
    std::uint64_t connection = 0; ///< That submitted the execution; its offers come first.
    std::uint64_t bound = 0;      ///< Connection whose function is meant; 0: any that offers it.
  };
  using answer_function = std::function<void(function_answer)>;

  /// Of a tenant: offers, names in them, bytes of calls that clients have not taken.
  static constexpr std::size_t most_offers = 256;
  static constexpr std::size_t most_names = 10'000;
  static constexpr std::size_t most_bytes = 64u << 20;

  /// Offers functions until `withdraw`. `by` must outlive that. `limit_exceeded` when there are too
  /// many.
  [[nodiscard]] result<offer_id> offer(const std::string& tenant, function_offer what,
                                       function_host& by);
  /// Ends an offer; its calls that have not been answered fail as `unavailable`.
  void withdraw(const std::string& tenant, offer_id which);

  /// Hands a call to whoever offers its name; a cast has no `then`. Returns the id that it gets, or
  /// `not_found` or `limit_exceeded`. `then` is called once at most, never within this call; not at
  /// all after `drop`.
  [[nodiscard]] result<std::string> place(const caller& who, function_call what,
                                          answer_function then);
  /// Answers a call; `not_found` when none of that id waits for one.
  [[nodiscard]] status answer(const std::string& tenant, const std::string& id,
                              function_answer with);
  /// Nobody waits for that call any more: its host is told, an answer will find nothing.
  void drop(const std::string& tenant, const std::string& id);

  /// Calls that wait for an answer.
  [[nodiscard]] std::size_t open() const noexcept;

private:
  struct offered {
    offer_id id;
    function_offer what;
    function_host* by;
    std::uint64_t last_used = 0;
  };
  struct open_call {
    offer_id at;
    answer_function then;
  };
  struct tenant_board {
    std::map<offer_id, offered> offers;
    // Who offers what, so that a call costs the same however many names there are. An offer is
    // under none that another of its own covers: it is met once. "" is everything.
    std::unordered_map<std::string, std::vector<offer_id>> by_pattern;
    std::unordered_map<std::string, open_call> calls;
    std::size_t names = 0;
    std::uint64_t last_call = 0; // Its own: how much others call is nobody's to see.
    byte_charge::sum held = std::make_shared<std::size_t>(0);
  };

  /// Patterns of an offer without those that others of it cover.
  static std::vector<std::string> patterns_of(const function_offer& what);
  static offered* choose(tenant_board& board, const caller& who, std::string_view name);

  std::map<std::string, tenant_board> tenants_; // Of all that have ever offered something.
  std::uint64_t last_offer_ = 0;
  std::uint64_t turns_ = 0;
};

} // namespace vivarium
