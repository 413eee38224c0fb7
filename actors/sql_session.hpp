// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/sql_pool.hpp"
#include "actors/switchboard.hpp"

#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace vivarium {

/// What one session does with its database: statements, each on a connection that it borrows, and
/// transactions, which keep one. Ends its transactions when it goes, and those in which nothing has
/// happened for as long as a statement may take. Reactor thread.
class sql_session : public std::enable_shared_from_this<sql_session> {
public:
  using answer_function = std::function<void(function_answer)>;
  using ticket = std::shared_ptr<void>;

  static constexpr std::size_t most_parameters = 1'000;
  static constexpr std::size_t most_statement_bytes = 1u << 20;
  static constexpr std::size_t most_transactions = 2;

  sql_session(boost::asio::io_context& reactor, std::shared_ptr<sql_pool> pool, std::string id)
      : reactor_{reactor}, pool_{std::move(pool)}, id_{std::move(id)} {}
  sql_session(const sql_session&) = delete;
  sql_session& operator=(const sql_session&) = delete;

  /// Runs "query" (transaction or 0, text, types, texts), "begin" () or "end" (transaction,
  /// commit). `arguments`: the content of an encoded and validated tuple. What is under way when
  /// the ticket goes is cancelled at the server.
  void call(std::string_view method, std::string_view arguments, clock_type::time_point deadline,
            std::weak_ptr<void> wanted, answer_function then);

private:
  struct transaction {
    transaction(boost::asio::io_context& reactor, sql_pool::lease with)
        : on{std::move(with)}, idle{reactor} {}
    sql_pool::lease on;
    boost::asio::steady_timer idle; // Since the last statement.
    bool busy = false;
  };
  using transaction_ptr = std::shared_ptr<transaction>;

  boost::asio::awaitable<function_answer> query(std::uint64_t within, pg::statement what,
                                                clock_type::time_point deadline,
                                                std::weak_ptr<void> wanted);
  boost::asio::awaitable<function_answer> begin(clock_type::time_point deadline,
                                                std::weak_ptr<void> wanted);
  boost::asio::awaitable<function_answer> end(std::uint64_t which, bool commit,
                                              clock_type::time_point deadline);
  boost::asio::awaitable<result<pg::answer>> run_on(pg::connection& on, pg::statement what,
                                                    clock_type::time_point deadline,
                                                    std::weak_ptr<void> wanted);
  boost::asio::awaitable<function_answer>
  run_alone(pg::statement what, clock_type::time_point deadline, std::weak_ptr<void> wanted);
  boost::asio::awaitable<function_answer> run_within(transaction_ptr within, pg::statement what,
                                                     clock_type::time_point deadline,
                                                     std::weak_ptr<void> wanted);
  void end_when_idle(const transaction_ptr& what);
  void forget(const transaction_ptr& what);
  void start(boost::asio::awaitable<function_answer> what, answer_function then);

  boost::asio::io_context& reactor_;
  std::shared_ptr<sql_pool> pool_;
  std::string id_;
  std::map<std::uint64_t, transaction_ptr> transactions_;
  std::size_t beginning_ = 0;
  std::uint64_t last_transaction_ = 0;
};

/// Reads the arguments of "query": the statement, without the transaction it is part of.
[[nodiscard]] result<pg::statement> read_statement(std::string_view text, std::string_view types,
                                                   std::string_view texts);

} // namespace vivarium
