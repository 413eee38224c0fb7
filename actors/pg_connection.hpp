// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/capabilities.hpp"
#include "actors/outbound.hpp"
#include "actors/pg_target.hpp"
#include "actors/pg_wire.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <memory>
#include <optional>
#include <string>

namespace vivarium::pg {

/// What a connection is made with.
struct plan {
  std::string name; ///< Of the configuration's; empty: the target is a client's.
  pg_target target;
  const egress_policy* policy = nullptr; ///< Whose addresses are allowed; null: the operator's.
  std::string ca; ///< PEM that certificates are checked with; empty: system's.
  sql_bounds bounds;
  bool read_only = false;
};

/// What came of a statement.
struct answer {
  std::string columns; ///< Encoded Values, tuples of name and OID, as fields of a list.
  std::string rows;    ///< Encoded Values, tuples of text, bytes or None, as fields of a list.
  std::uint64_t row_count = 0;
  std::string tag; ///< "INSERT 0 1"
  server_error failed;
  [[nodiscard]] bool ok() const noexcept { return failed.code.empty(); }
};

/// A connection to a server, from the login on. One statement at a time. What the server sends is
/// bounded before it is kept. Whoever uses one holds it. Reactor thread.
class connection : public std::enable_shared_from_this<connection> {
public:
  using ptr = std::shared_ptr<connection>;

  /// Connects and logs in.
  static boost::asio::awaitable<result<ptr>> open(egress_gate& gate, aside& beside,
                                                  const plan& how);
  explicit connection(boost::asio::io_context& reactor) : socket_{reactor} {}
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  /// Runs a statement. An error of the server's is in the answer; the result's own error (a
  /// network that fails, a result over its bounds, a deadline) means that the connection is spent.
  boost::asio::awaitable<result<answer>> run(statement what, const sql_bounds& within,
                                             clock_type::time_point deadline);
  /// Runs a statement of the daemon's own, which gives no rows.
  boost::asio::awaitable<status> command(std::string text, clock_type::time_point deadline);

  [[nodiscard]] bool usable() const noexcept { return socket_.is_open() && !broken_; }
  /// Whether the server has closed it, or has said something, while nobody asked.
  [[nodiscard]] bool stale() noexcept;
  /// 'I' outside of a transaction, 'T' inside, 'E' inside of a failed one.
  [[nodiscard]] char transaction() const noexcept { return transaction_; }
  /// Process and key that a statement can be cancelled by.
  [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> cancel_key() const noexcept {
    return cancel_key_;
  }
  void close() noexcept;

  std::string used_by; ///< Session that had it last.
  clock_type::time_point idle_since{};

private:
  boost::asio::awaitable<status> connect(egress_gate& gate, const plan& how,
                                         clock_type::time_point deadline);
  boost::asio::awaitable<status> secure(aside& beside, const plan& how);
  boost::asio::awaitable<status> log_in(aside& beside, const plan& how);
  boost::asio::awaitable<status> authenticate(aside& beside, const pg_target& as,
                                              std::string_view body);
  boost::asio::awaitable<status> authenticate_scram(aside& beside, const pg_target& as,
                                                    std::string_view mechanisms);
  boost::asio::awaitable<status> write(const std::string& bytes);
  boost::asio::awaitable<status> fill();
  /// The next message; valid until the next call.
  boost::asio::awaitable<result<message>> next(std::size_t most);
  status take_columns(answer& into, std::string_view body, std::optional<std::size_t>& columns,
                      const sql_bounds& within, std::uint64_t& bytes);
  status take_row(answer& into, std::string_view body, std::size_t columns,
                  const sql_bounds& within, std::uint64_t& bytes);
  error broken(error why);

  using stream = boost::asio::generic::stream_protocol::socket;
  stream socket_;
  std::shared_ptr<boost::asio::ssl::context> context_;
  std::unique_ptr<boost::asio::ssl::stream<stream&>> tls_;
  std::string inbox_;
  std::size_t read_ = 0; // Of the inbox.
  bool broken_ = false;
  char transaction_ = 'I';
  std::pair<std::uint32_t, std::uint32_t> cancel_key_{};
};

/// Asks a server to stop what one of its connections does, and does not wait for it.
boost::asio::awaitable<void> cancel_statement(egress_gate& gate, plan how,
                                              std::pair<std::uint32_t, std::uint32_t> key);

/// What a server's error says, for a person.
[[nodiscard]] std::string text_of(const server_error& why);

} // namespace vivarium::pg
