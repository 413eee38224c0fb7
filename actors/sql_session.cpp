// SPDX-License-Identifier: Apache-2.0
#include "actors/sql_session.hpp"

#include "actors/session_capabilities.hpp"
#include "bridge/value_view.hpp"
#include "bridge/value_writer.hpp"

#include <boost/asio/co_spawn.hpp>
#include <protozero/pbf_writer.hpp>

#include <array>
#include <exception>
#include <utility>

namespace vivarium {

namespace {

namespace asio = boost::asio;
using bridge::text_value;
using bridge::value_kind;
using bridge::value_view;

constexpr auto watch_interval = std::chrono::milliseconds{50};
constexpr std::uint64_t highest_oid = 0xffff'ffff;

function_answer failed(const error& why) {
  auto type = why.code == errc::deadline_exceeded   ? "TimeoutError"
              : why.code == errc::permission_denied ? "sql.AccessError"
              : why.code == errc::unavailable       ? "sql.UnavailableError"
              : why.code == errc::invalid_argument  ? "ValueError"
                                                    : "sql.Error";
  return failed_answer(type, why.detail);
}

function_answer failed(const pg::server_error& why) {
  return failed_answer("sql.Error", pg::text_of(why),
                       bridge::dict_value(std::array<std::pair<std::string, std::string>, 4>{{
                           {"sqlstate", text_value(why.code)},
                           {"detail", text_value(why.detail)},
                           {"hint", text_value(why.hint)},
                           {"constraint", text_value(why.constraint)},
                       }}));
}

std::string list_of(const std::string& items) {
  std::string out;
  protozero::pbf_writer{out}.add_message(static_cast<std::uint32_t>(value_kind::list), items);
  return out;
}

function_answer succeeded(pg::answer what) {
  if (!what.ok())
    return failed(what.failed);
  return {bridge::host_result::outcome::value,
          bridge::tuple_value(
              std::array{list_of(what.columns), list_of(what.rows), text_value(what.tag)})};
}

std::uint64_t number_of(std::string_view encoded) {
  auto view = value_view::open(encoded);
  return view.kind == value_kind::integer ? view.bits : 0;
}

} // namespace

result<pg::statement> read_statement(std::string_view text, std::string_view types,
                                     std::string_view texts) {
  auto source = value_view::open(text);
  auto oids = value_view::open(types);
  auto values = value_view::open(texts);
  if (source.kind != value_kind::text || oids.kind != value_kind::list
      || values.kind != value_kind::list)
    return error{errc::invalid_argument, "a statement is a str, and parameters are lists"};
  if (source.content.size() > sql_session::most_statement_bytes)
    return error{errc::invalid_argument, "the statement is larger than "
                                             + std::to_string(sql_session::most_statement_bytes)
                                             + " bytes"};
  // Its end in the protocol: what is behind it would be read as something else.
  if (source.content.find('\0') != std::string_view::npos)
    return error{errc::invalid_argument, "a statement has no NUL"};
  pg::statement out{std::string{source.content}, {}};
  bridge::field_walk oid{oids.content};
  bridge::field_walk value{values.content};
  while (value.next()) {
    auto number = oid.next() ? value_view::open(oid.content()) : value_view{};
    if (number.kind != value_kind::integer || number.bits > highest_oid)
      return error{errc::invalid_argument, "each parameter has a type, an OID"};
    if (out.parameters.size() == sql_session::most_parameters)
      return error{errc::invalid_argument,
                   "more than " + std::to_string(sql_session::most_parameters) + " parameters"};
    auto one = value_view::open(value.content());
    auto& into = out.parameters.emplace_back();
    into.type = static_cast<std::uint32_t>(number.bits);
    if (one.kind == value_kind::text)
      into.text = std::string{one.content};
    else if (one.kind != value_kind::none)
      return error{errc::invalid_argument, "a parameter is a str or None"};
    if (into.text && into.text->find('\0') != std::string::npos)
      return error{errc::invalid_argument, "PostgreSQL keeps no NUL in a text"};
  }
  return out;
}

void sql_session::start(asio::awaitable<function_answer> what, answer_function then) {
  asio::co_spawn(reactor_, std::move(what),
                 [then = std::move(then)](std::exception_ptr bug, function_answer with) {
                   then(bug ? failed_answer("sql.Error", "the daemon failed at it")
                            : std::move(with));
                 });
}

void sql_session::call(std::string_view method, std::string_view arguments,
                       clock_type::time_point deadline, std::weak_ptr<void> wanted,
                       answer_function then) {
  std::array<std::string_view, 4> given;
  std::size_t count = 0;
  for (bridge::field_walk walk{arguments}; count < given.size() && walk.next(); ++count)
    given[count] = walk.content();
  if (method == "query" && count == 4) {
    auto what = read_statement(given[1], given[2], given[3]);
    if (!what)
      return then(failed(what.why()));
    return start(query(number_of(given[0]), *std::move(what), deadline, std::move(wanted)),
                 std::move(then));
  }
  if (method == "begin")
    return start(begin(deadline, std::move(wanted)), std::move(then));
  if (method == "end" && count >= 2)
    return start(end(number_of(given[0]), number_of(given[1]) != 0, deadline), std::move(then));
  then({bridge::host_result::outcome::not_found, "there is no such function of the daemon's"});
}

asio::awaitable<function_answer> sql_session::query(std::uint64_t within, pg::statement what,
                                                    clock_type::time_point deadline,
                                                    std::weak_ptr<void> wanted) {
  auto self = shared_from_this();
  if (within == 0)
    co_return co_await run_alone(std::move(what), deadline, std::move(wanted));
  auto found = transactions_.find(within);
  if (found == transactions_.end())
    co_return failed_answer("sql.Error", "this transaction is over");
  auto with = found->second;
  if (with->busy)
    co_return failed_answer("sql.Error", "a statement of this transaction is still running");
  co_return co_await run_within(with, std::move(what), deadline, std::move(wanted));
}

asio::awaitable<function_answer> sql_session::run_alone(pg::statement what,
                                                        clock_type::time_point deadline,
                                                        std::weak_ptr<void> wanted) {
  auto borrowed = co_await pool_->borrow(id_, deadline);
  if (!borrowed)
    co_return failed(borrowed.why());
  if (wanted.expired())
    co_return function_answer{};
  auto& on = **borrowed;
  auto made = co_await run_on(on, std::move(what), deadline, wanted);
  if (!made)
    co_return failed(made.why());
  if (on.usable() && on.transaction() != 'I') {
    on.close(); // Which rolls it back.
    co_return failed_answer("sql.Error",
                            "a statement cannot leave a transaction open, and this one "
                            "was rolled back: use sql.transaction()");
  }
  co_return succeeded(*std::move(made));
}

asio::awaitable<function_answer> sql_session::run_within(transaction_ptr within, pg::statement what,
                                                         clock_type::time_point deadline,
                                                         std::weak_ptr<void> wanted) {
  within->busy = true;
  within->idle.cancel();
  auto made = co_await run_on(*within->on, std::move(what), deadline, wanted);
  within->busy = false;
  bool over = !within->on->usable() || within->on->transaction() == 'I';
  if (over)
    forget(within);
  else
    end_when_idle(within);
  if (!made)
    co_return failed(made.why());
  co_return succeeded(*std::move(made));
}

// Nobody is told when a ticket goes, so that is looked at while a statement runs.
asio::awaitable<result<pg::answer>> sql_session::run_on(pg::connection& on, pg::statement what,
                                                        clock_type::time_point deadline,
                                                        std::weak_ptr<void> wanted) {
  struct watcher : std::enable_shared_from_this<watcher> {
    watcher(asio::io_context& reactor, std::shared_ptr<sql_pool> p, pg::connection::ptr c,
            std::weak_ptr<void> w)
        : timer{reactor}, pool{std::move(p)}, on{std::move(c)}, wanted{std::move(w)} {}
    asio::steady_timer timer;
    std::shared_ptr<sql_pool> pool;
    pg::connection::ptr on;
    std::weak_ptr<void> wanted;
    void look() {
      timer.expires_after(watch_interval);
      timer.async_wait([self = shared_from_this()](boost::system::error_code ec) {
        if (ec || !self->on)
          return;
        if (!self->wanted.expired())
          return self->look();
        self->pool->cancel(*self->on);
        self->on->close();
      });
    }
    void stop() {
      on = nullptr;
      timer.cancel();
    }
  };
  auto watching = std::make_shared<watcher>(reactor_, pool_, on.shared_from_this(), wanted);
  watching->look();
  auto made = co_await on.run(std::move(what), pool_->bounds(), deadline);
  watching->stop();
  if (!made && made.why().code == errc::deadline_exceeded)
    pool_->cancel(on);
  co_return made;
}

void sql_session::forget(const transaction_ptr& what) {
  std::erase_if(transactions_, [&](const auto& one) { return one.second == what; });
}

// The server ends it then as well, but nobody would hear of that before the next statement, and
// whoever began it may never send one.
void sql_session::end_when_idle(const transaction_ptr& what) {
  what->idle.expires_after(pool_->bounds().statement_timeout);
  what->idle.async_wait(
      [weak = weak_from_this(), weak_what = std::weak_ptr{what}](boost::system::error_code why) {
        auto self = weak.lock();
        auto one = weak_what.lock();
        if (!why && self && one && !one->busy && one->idle.expiry() <= clock_type::now())
          self->forget(one);
      });
}

asio::awaitable<function_answer> sql_session::begin(clock_type::time_point deadline,
                                                    std::weak_ptr<void> wanted) {
  auto self = shared_from_this();
  if (transactions_.size() + beginning_ >= most_transactions)
    co_return failed_answer("sql.Error", "a session has at most "
                                             + std::to_string(most_transactions)
                                             + " transactions at once");
  ++beginning_;
  auto borrowed = co_await pool_->borrow(id_, deadline);
  status ok = done{};
  if (borrowed)
    ok = co_await (*borrowed)->command("BEGIN", deadline);
  --beginning_;
  if (!borrowed)
    co_return failed(borrowed.why());
  if (!ok)
    co_return failed(ok.why());
  if (wanted.expired())
    co_return function_answer{}; // Nobody learns its number: it is rolled back.
  auto number = ++last_transaction_;
  auto made = std::make_shared<transaction>(reactor_, *std::move(borrowed));
  transactions_.emplace(number, made);
  end_when_idle(made);
  co_return function_answer{bridge::host_result::outcome::value,
                            bridge::int_value(static_cast<std::int64_t>(number))};
}

asio::awaitable<function_answer> sql_session::end(std::uint64_t which, bool commit,
                                                  clock_type::time_point deadline) {
  auto self = shared_from_this();
  auto found = transactions_.find(which);
  if (found == transactions_.end())
    co_return failed_answer("sql.Error", "this transaction is over");
  auto with = found->second;
  if (with->busy)
    co_return failed_answer("sql.Error", "a statement of this transaction is still running");
  transactions_.erase(found);
  bool failing = with->on->transaction() == 'E';
  auto ok = co_await with->on->command(commit ? "COMMIT" : "ROLLBACK", deadline);
  if (!ok)
    co_return failed(ok.why());
  if (commit && failing)
    co_return failed_answer("sql.Error",
                            "the transaction was rolled back: a statement in it had failed");
  co_return function_answer{bridge::host_result::outcome::value, bridge::none_value()};
}

} // namespace vivarium
