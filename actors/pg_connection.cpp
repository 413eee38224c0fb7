// SPDX-License-Identifier: Apache-2.0
#include "actors/pg_connection.hpp"

#include "actors/pg_login.hpp"
#include "bridge/validate.hpp"
#include "bridge/value_view.hpp"
#include "bridge/value_writer.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <protozero/pbf_writer.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <sys/socket.h>

namespace vivarium::pg {

namespace {

namespace asio = boost::asio;
using asio::use_awaitable;

constexpr std::size_t read_bytes = 64u << 10;
constexpr std::size_t most_of_login = 64u << 10;
constexpr std::size_t most_messages = 10'000; // That say nothing, before a statement's end.

void append_item(std::string& list, const std::string& value) {
  protozero::pbf_writer{list}.add_message(1, value);
}

std::string cell(std::optional<std::string_view> value) {
  if (!value)
    return bridge::none_value();
  if (bridge::is_utf8(*value))
    return bridge::text_value(*value);
  // A database whose encoding is none: its bytes as they are.
  std::string out;
  protozero::pbf_writer{out}.add_bytes(static_cast<std::uint32_t>(bridge::value_kind::blob),
                                       value->data(), value->size());
  return out;
}

error too_many_bytes(const sql_bounds& within) {
  return error{errc::too_large, "the result is larger than " + std::to_string(within.bytes)
                                    + " bytes; add a LIMIT, or ask for fewer columns"};
}

error failure(const server_error& why) {
  auto code = why.code.starts_with("28") ? errc::permission_denied : errc::unavailable;
  return error{code, "the database refuses the connection: " + text_of(why)};
}

} // namespace

std::string text_of(const server_error& why) {
  auto out = why.message.empty() ? std::string{"it does not say why"} : why.message;
  if (!why.detail.empty())
    out += "; " + why.detail;
  if (!why.hint.empty())
    out += "; hint: " + why.hint;
  return out;
}

error connection::broken(error why) {
  close();
  return why;
}

void connection::close() noexcept {
  broken_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
}

bool connection::stale() noexcept {
  char byte = 0;
  auto got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return !usable() || got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

asio::awaitable<status> connection::write(const std::string& bytes) {
  boost::system::error_code why;
  if (tls_)
    co_await asio::async_write(*tls_, asio::buffer(bytes),
                               asio::redirect_error(use_awaitable, why));
  else
    co_await asio::async_write(socket_, asio::buffer(bytes),
                               asio::redirect_error(use_awaitable, why));
  if (why)
    co_return broken({errc::unavailable, "the connection to the database broke: " + why.message()});
  co_return done{};
}

asio::awaitable<status> connection::fill() {
  if (read_ > 0) {
    inbox_.erase(0, read_);
    read_ = 0;
  }
  auto before = inbox_.size();
  inbox_.resize(before + read_bytes);
  auto into = asio::buffer(inbox_.data() + before, read_bytes);
  boost::system::error_code why;
  std::size_t got = 0;
  if (tls_)
    got = co_await tls_->async_read_some(into, asio::redirect_error(use_awaitable, why));
  else
    got = co_await socket_.async_read_some(into, asio::redirect_error(use_awaitable, why));
  inbox_.resize(before + got);
  if (why)
    co_return broken({errc::unavailable, "the connection to the database broke: " + why.message()});
  co_return done{};
}

asio::awaitable<result<message>> connection::next(std::size_t most) {
  for (;;) {
    auto rest = std::string_view{inbox_}.substr(read_);
    auto size = message_size(rest, most);
    if (!size)
      co_return broken(std::move(size).why());
    if (*size && rest.size() >= **size) {
      read_ += **size;
      co_return open_message(rest.substr(0, **size));
    }
    if (auto ok = co_await fill(); !ok)
      co_return std::move(ok).why();
  }
}

// -- login

asio::awaitable<result<connection::ptr>> connection::open(egress_gate& gate, aside& beside,
                                                          const plan& how) {
  auto made = std::make_shared<connection>(gate.reactor);
  auto deadline = clock_type::now() + how.bounds.connect_timeout;
  alarm_clock alarm{made->socket_.get_executor(), deadline, [&made] { made->close(); }};
  auto ok = co_await made->connect(gate, how, deadline);
  if (ok && !how.target.is_local() && how.target.tls != pg_tls::disable)
    ok = co_await made->secure(beside, how);
  if (ok)
    ok = co_await made->log_in(beside, how);
  if (ok && !made->broken_)
    co_return made;
  made->close();
  if (alarm.rang())
    co_return error{errc::deadline_exceeded, "the database does not answer"};
  co_return ok ? error{errc::unavailable, "the connection to the database broke"}
               : std::move(ok).why();
}

asio::awaitable<status> connection::connect(egress_gate& gate, const plan& how,
                                            clock_type::time_point deadline) {
  boost::system::error_code why;
  if (how.target.is_local()) {
    asio::local::stream_protocol::endpoint where{how.target.host + "/.s.PGSQL."
                                                 + std::to_string(how.target.port)};
    co_await socket_.async_connect(stream::endpoint_type{where},
                                   asio::redirect_error(use_awaitable, why));
    if (why)
      co_return error{errc::unavailable, "cannot connect to the database: " + why.message()};
    co_return done{};
  }
  outbound_target where{how.target.host, how.target.port, how.policy};
  auto made = co_await connect_outbound(gate, where, deadline);
  if (!made)
    co_return std::move(made).why();
  asio::generic::stream_protocol kind{AF_INET, SOCK_STREAM};
  socket_.assign(kind, made->release(), why);
  if (why)
    co_return error{errc::os_failure, "a socket cannot be used: " + why.message()};
  co_return done{};
}

asio::awaitable<status> connection::secure(aside& beside, const plan& how) {
  std::string ask;
  append_ssl_request(ask);
  if (auto ok = co_await write(ask); !ok)
    co_return ok;
  // Exactly one byte: what comes after it in the clear is nobody's word.
  char answer = 0;
  boost::system::error_code why;
  co_await socket_.async_read_some(asio::buffer(&answer, 1),
                                   asio::redirect_error(use_awaitable, why));
  if (why)
    co_return error{errc::unavailable, "the database closed the connection"};
  if (answer != 'S')
    co_return how.target.tls == pg_tls::prefer
        ? status{done{}}
        : error{errc::unavailable, "the database offers no TLS, and sslmode asks for it"};
  bool verify = how.target.tls == pg_tls::verify_full;
  std::function<std::shared_ptr<asio::ssl::context>()> make = [verify, ca = how.ca] {
    boost::system::error_code bad;
    auto made = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    if (!verify)
      return made;
    if (ca.empty())
      made->set_default_verify_paths(bad);
    else
      made->add_certificate_authority(asio::buffer(ca), bad);
    made->set_verify_mode(asio::ssl::verify_peer, bad);
    return bad ? nullptr : made;
  };
  context_ = co_await beside.run(std::move(make));
  if (!context_)
    co_return error{errc::unavailable, "the certificates to check the database with are none"};
  tls_ = std::make_unique<asio::ssl::stream<stream&>>(socket_, *context_);
  if (verify)
    tls_->set_verify_callback(asio::ssl::host_name_verification{how.target.host}, why);
  SSL_set_tlsext_host_name(tls_->native_handle(), how.target.host.c_str());
  co_await tls_->async_handshake(asio::ssl::stream_base::client,
                                 asio::redirect_error(use_awaitable, why));
  if (why)
    co_return error{errc::unavailable, "TLS with the database failed: " + why.message()};
  co_return done{};
}

asio::awaitable<status> connection::log_in(aside& beside, const plan& how) {
  auto ms = [](std::chrono::milliseconds time) { return std::to_string(time.count()); };
  std::vector<std::pair<std::string, std::string>> settings{
      {"user", how.target.user},
      {"database", how.target.database},
      {"application_name", "vivarium"},
      {"client_encoding", "UTF8"},
      {"DateStyle", "ISO"},
      {"IntervalStyle", "postgres"},
      {"TimeZone", "UTC"},
      {"bytea_output", "hex"},
      {"extra_float_digits", "3"},
      {"statement_timeout", ms(how.bounds.statement_timeout)},
      {"idle_in_transaction_session_timeout", ms(how.bounds.statement_timeout)}};
  if (how.read_only)
    settings.emplace_back("default_transaction_read_only", "on");
  std::string hello;
  append_startup(hello, settings);
  if (auto ok = co_await write(hello); !ok)
    co_return ok;
  for (std::size_t n = 0; n < most_messages; ++n) {
    auto got = co_await next(most_of_login);
    if (!got)
      co_return std::move(got).why();
    body_reader in{got->body};
    switch (got->type) {
      case 'R':
        if (auto ok = co_await authenticate(beside, how.target, got->body); !ok)
          co_return ok;
        break;
      case 'K':
        cancel_key_.first = in.four_bytes().value_or(0);
        cancel_key_.second = in.four_bytes().value_or(0);
        break;
      case 'E': co_return failure(read_error(got->body));
      case 'Z': co_return done{};
      case 'S':
      case 'N':
      case 'v': break;
      default: co_return error{errc::malformed, "the server does not speak PostgreSQL's protocol"};
    }
  }
  co_return error{errc::malformed, "the server greets without end"};
}

asio::awaitable<status> connection::authenticate(aside& beside, const pg_target& as,
                                                 std::string_view body) {
  body_reader in{body};
  auto kind = in.four_bytes().value_or(~0u);
  std::string reply;
  switch (kind) {
    case 0: co_return done{};
    case 3: append_password(reply, as.password); break;
    case 5: {
      auto salt = in.bytes(4);
      if (!salt)
        co_return error{errc::malformed, "the server's question for a password is none"};
      append_password(reply, md5_answer(as.user, as.password, *salt));
      break;
    }
    case 10: co_return co_await authenticate_scram(beside, as, in.rest());
    default:
      co_return error{errc::unimplemented, "the database wants a kind of login other than a "
                                           "password, MD5 or SCRAM-SHA-256"};
  }
  co_return co_await write(reply);
}

asio::awaitable<status> connection::authenticate_scram(aside& beside, const pg_target& as,
                                                       std::string_view mechanisms) {
  bool known = false;
  body_reader in{mechanisms};
  for (auto name = in.text(); name && !name->empty(); name = in.text())
    known = known || *name == "SCRAM-SHA-256";
  if (!known)
    co_return error{errc::unimplemented, "the database offers no SCRAM-SHA-256"};
  scram proof{make_nonce()};
  std::string reply;
  append_sasl_initial(reply, "SCRAM-SHA-256", proof.first());
  for (std::uint32_t expected : {11u, 12u}) {
    if (auto ok = co_await write(reply); !ok)
      co_return ok;
    auto got = co_await next(most_of_login);
    if (!got)
      co_return std::move(got).why();
    if (got->type == 'E')
      co_return failure(read_error(got->body));
    body_reader answer{got->body};
    if (got->type != 'R' || answer.four_bytes() != expected)
      co_return error{errc::malformed, "the server's SCRAM message is none"};
    if (expected == 12) {
      if (!proof.check_final(answer.rest()))
        co_return error{errc::permission_denied, "the server does not know the password"};
      co_return done{};
    }
    if (auto ok = proof.take_first(answer.rest()); !ok)
      co_return ok;
    using outcome = std::shared_ptr<std::pair<scram, std::string>>;
    std::function<outcome()> derive = [proof, password = as.password] {
      auto own = proof;
      auto last = own.final(password);
      return std::make_shared<std::pair<scram, std::string>>(std::move(own), std::move(last));
    };
    auto derived = co_await beside.run(std::move(derive));
    proof = std::move(derived->first);
    reply.clear();
    append_sasl(reply, derived->second);
  }
  co_return done{};
}

// -- statements

status connection::take_columns(answer& into, std::string_view body,
                                std::optional<std::size_t>& columns, const sql_bounds& within,
                                std::uint64_t& bytes) {
  bytes += body.size();
  if (bytes > within.bytes)
    return too_many_bytes(within);
  auto described = read_columns(body);
  if (!described)
    return std::move(described).why();
  columns = described->size();
  for (const auto& one : *described) {
    std::string tuple =
        bridge::tuple_value(std::array{bridge::text_value(one.name), bridge::int_value(one.type)});
    append_item(into.columns, tuple);
  }
  return done{};
}

status connection::take_row(answer& into, std::string_view body, std::size_t columns,
                            const sql_bounds& within, std::uint64_t& bytes) {
  bytes += body.size();
  if (into.row_count == within.rows)
    return error{errc::too_large,
                 "the result has more than " + std::to_string(within.rows) + " rows; add a LIMIT"};
  if (bytes > within.bytes)
    return too_many_bytes(within);
  ++into.row_count;
  std::string row;
  bool fine = read_row(body, columns,
                       [&row](std::optional<std::string_view> v) { append_item(row, cell(v)); });
  if (!fine)
    return error{errc::malformed, "the server sends a row that is none"};
  std::string tuple;
  protozero::pbf_writer{tuple}.add_message(static_cast<std::uint32_t>(bridge::value_kind::tuple),
                                           row);
  append_item(into.rows, tuple);
  return done{};
}

asio::awaitable<result<answer>> connection::run(statement what, const sql_bounds& within,
                                                clock_type::time_point deadline) {
  auto self = shared_from_this();
  alarm_clock alarm{socket_.get_executor(), deadline, [self] { self->close(); }};
  std::string request;
  auto most_rows = std::min<std::uint64_t>(within.rows + 1, 0x7fff'ffff);
  append_query(request, what, static_cast<std::uint32_t>(most_rows));
  auto ok = co_await write(request);
  answer out;
  std::optional<std::size_t> columns; // Once they have been described.
  std::uint64_t bytes = 0;
  std::size_t others = 0;
  while (ok) {
    auto got = co_await next(within.bytes + most_of_login);
    if (!got) {
      ok = std::move(got).why();
      break;
    }
    switch (got->type) {
      case 'T':
        ok = columns ? status{error{errc::malformed, "the server describes columns twice"}}
                     : take_columns(out, got->body, columns, within, bytes);
        break;
      case 'D': ok = take_row(out, got->body, columns.value_or(0), within, bytes); break;
      case 'C':
        out.tag = body_reader{got->body}.text().value_or("").substr(0, 100);
        ++others;
        break;
      case 'E':
        if (out.ok())
          out.failed = read_error(got->body);
        if (out.failed.code.empty())
          out.failed.code = "XX000";
        ++others;
        break;
      case 'Z':
        transaction_ = got->body.empty() ? 'I' : got->body[0];
        if (!bridge::is_utf8(out.tag))
          out.tag.clear();
        co_return std::move(out);
      case 'G':
      case 'H':
      case 'W': ok = error{errc::unimplemented, "COPY is not possible here"}; break;
      default: ++others;
    }
    if (ok && others > most_messages)
      ok = error{errc::malformed, "the server sends messages without end"};
  }
  auto why = alarm.rang() ? error{errc::deadline_exceeded, "the statement took too long"}
                          : std::move(ok).why();
  co_return broken(std::move(why));
}

asio::awaitable<status> connection::command(std::string text, clock_type::time_point deadline) {
  auto self = shared_from_this();
  alarm_clock alarm{socket_.get_executor(), deadline, [self] { self->close(); }};
  std::string request;
  append_simple_query(request, text);
  auto ok = co_await write(request);
  status outcome = done{};
  for (std::size_t n = 0; ok && n < most_messages; ++n) {
    auto got = co_await next(most_of_login);
    if (!got) {
      ok = std::move(got).why();
      break;
    }
    if (got->type == 'E')
      outcome = error{errc::failed_precondition, text_of(read_error(got->body))};
    if (got->type == 'Z') {
      transaction_ = got->body.empty() ? 'I' : got->body[0];
      co_return outcome;
    }
  }
  auto why = alarm.rang() ? error{errc::deadline_exceeded, "the database does not answer"}
             : ok         ? error{errc::malformed, "the server sends messages without end"}
                          : std::move(ok).why();
  co_return broken(std::move(why));
}

asio::awaitable<void> cancel_statement(egress_gate& gate, plan how,
                                       std::pair<std::uint32_t, std::uint32_t> key) {
  if (how.target.is_local() || key.first == 0)
    co_return;
  outbound_target where{how.target.host, how.target.port, how.policy};
  auto made =
      co_await connect_outbound(gate, where, clock_type::now() + how.bounds.connect_timeout);
  if (!made)
    co_return;
  asio::generic::stream_protocol::socket socket{gate.reactor};
  boost::system::error_code why;
  socket.assign(asio::generic::stream_protocol{AF_INET, SOCK_STREAM}, made->release(), why);
  std::string request;
  append_cancel(request, key.first, key.second);
  co_await asio::async_write(socket, asio::buffer(request),
                             asio::redirect_error(use_awaitable, why));
}

} // namespace vivarium::pg
