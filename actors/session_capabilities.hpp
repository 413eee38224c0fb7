// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/key_value_store.hpp"
#include "actors/observer.hpp"
#include "actors/sql_session.hpp"
#include "actors/switchboard.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace vivarium {

/// Names of this kind are the daemon's own: no client can offer them.
inline constexpr std::string_view reserved_prefix = "vivarium.";

/// Answers the calls of a session's code that are for the daemon, as far as the session's grants
/// go: what is denied here is denied, whatever the code in the worker says. Reactor thread.
class session_capabilities {
public:
  /// Values and references that outlive the session.
  struct surroundings {
    key_value_store& store;
    observer& watch;
    std::string tenant;
    std::string environment;
  };
  /// Called once, possibly before `call` has returned, on the reactor thread; not when the ticket
  /// has gone before.
  using answer_function = std::function<void(function_answer)>;
  /// For as long as somebody waits.
  using ticket = std::shared_ptr<void>;

  session_capabilities(surroundings around, capability_request granted,
                       std::shared_ptr<sql_session> database)
      : around_{std::move(around)}, granted_{std::move(granted)}, database_{std::move(database)} {}
  session_capabilities(const session_capabilities&) = delete;
  session_capabilities& operator=(const session_capabilities&) = delete;

  /// `operands`: encoded and validated, a tuple of a tuple and a dict.
  [[nodiscard]] ticket call(std::string_view name, std::string_view operands,
                            std::chrono::milliseconds timeout, answer_function then);

private:
  void call_store(std::string_view method, std::string_view arguments, answer_function then);
  void store_get(std::string_view key, answer_function then);
  void store_set(std::string_view key, std::string_view json, std::chrono::milliseconds ttl,
                 answer_function then);
  void store_delete(std::string_view key, answer_function then);
  void store_scan(std::string_view prefix, std::string_view after, std::uint64_t limit, bool values,
                  answer_function then);

  surroundings around_;
  capability_request granted_;
  std::shared_ptr<sql_session> database_; // Null: none.
};

/// What code is told by an exception of that type.
[[nodiscard]] function_answer failed_answer(std::string_view type, std::string_view message,
                                            std::string data = {});

} // namespace vivarium
