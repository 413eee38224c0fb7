// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/pg_connection.hpp"

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>

namespace vivarium {

/// The connections of one tenant to one database. Sessions borrow them, one at a time; a session
/// that gets one which another has used finds nothing of that one's in it. Held by whoever uses it;
/// reactor thread.
class sql_pool : public std::enable_shared_from_this<sql_pool> {
public:
  /// `gate` and `beside` outlive every use.
  sql_pool(egress_gate& gate, aside& beside, pg::plan how)
      : gate_{gate}, beside_{beside}, how_{std::move(how)} {}
  sql_pool(const sql_pool&) = delete;
  sql_pool& operator=(const sql_pool&) = delete;

  /// A borrowed connection; it goes back with this. One in the middle of a transaction, or with a
  /// statement under way, is closed, which rolls back.
  class lease {
  public:
    lease(std::shared_ptr<sql_pool> from, pg::connection::ptr what)
        : from_{std::move(from)}, what_{std::move(what)} {}
    lease(lease&&) noexcept = default;
    lease& operator=(lease&&) = delete;
    ~lease();
    pg::connection& operator*() const noexcept { return *what_; }
    pg::connection* operator->() const noexcept { return what_.get(); }

  private:
    std::shared_ptr<sql_pool> from_;
    pg::connection::ptr what_;
  };

  /// Waits for a connection and makes it ready for that session.
  boost::asio::awaitable<result<lease>> borrow(std::string session,
                                               clock_type::time_point deadline);
  /// Has the server stop what a connection does.
  void cancel(const pg::connection& what);
  [[nodiscard]] const sql_bounds& bounds() const noexcept { return how_.bounds; }
  /// Closes what has not been used for a while.
  void tidy(clock_type::time_point now);
  [[nodiscard]] bool unused() const noexcept { return open_ == 0; }

private:
  struct waiter {
    explicit waiter(boost::asio::io_context& reactor) : wake{reactor} {}
    boost::asio::steady_timer wake;
    pg::connection::ptr got;
    bool called = false; // There is a place, or a connection.
  };
  boost::asio::awaitable<result<pg::connection::ptr>> obtain(const std::string& session,
                                                             clock_type::time_point deadline);
  error told(error why);
  void give_back(pg::connection::ptr what);
  void call_next(pg::connection::ptr with);

  egress_gate& gate_;
  aside& beside_;
  pg::plan how_;
  std::size_t open_ = 0; // And being opened.
  clock_type::time_point log_after_{};
  std::list<pg::connection::ptr> idle_;
  std::deque<std::shared_ptr<waiter>> waiting_;
};

/// All pools, found by tenant and database. Reactor thread.
class sql_gate {
public:
  explicit sql_gate(egress_gate& gate);
  sql_gate(const sql_gate&) = delete;
  sql_gate& operator=(const sql_gate&) = delete;
  ~sql_gate();

  /// The pool for that; made if need be. `key` says what else it depends on.
  [[nodiscard]] std::shared_ptr<sql_pool> pool(const std::string& tenant, const std::string& key,
                                               const pg::plan& how);
  [[nodiscard]] boost::asio::io_context& reactor() noexcept { return gate_.reactor; }

private:
  void tidy_later();

  egress_gate& gate_;
  aside beside_;
  boost::asio::steady_timer timer_;
  bool tidying_ = false;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<sql_pool>> pools_;
};

} // namespace vivarium
