// SPDX-License-Identifier: Apache-2.0
#include "actors/sql_pool.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace vivarium {

namespace asio = boost::asio;

namespace {

constexpr auto tidy_interval = std::chrono::seconds{5};
constexpr auto log_interval = std::chrono::seconds{1}; // Code can ask again and again.

} // namespace

sql_pool::lease::~lease() {
  if (what_)
    from_->give_back(std::move(what_));
}

asio::awaitable<result<sql_pool::lease>> sql_pool::borrow(std::string session,
                                                          clock_type::time_point deadline) {
  auto self = shared_from_this();
  // One that fails while it is cleaned is no use: then another is tried.
  for (std::size_t tries = 0; tries <= how_.bounds.connections; ++tries) {
    auto got = co_await obtain(session, deadline);
    if (!got)
      co_return std::move(got).why();
    lease borrowed{self, *std::move(got)};
    if (borrowed->used_by.empty() || borrowed->used_by == session) {
      borrowed->used_by = session;
      co_return std::move(borrowed);
    }
    auto ok = co_await borrowed->command("DISCARD ALL", deadline);
    borrowed->used_by = session;
    if (ok)
      co_return std::move(borrowed);
    borrowed->close();
  }
  co_return error{errc::unavailable, "the database closes its connections"};
}

asio::awaitable<result<pg::connection::ptr>> sql_pool::obtain(const std::string& session,
                                                              clock_type::time_point deadline) {
  for (auto it = idle_.begin(); it != idle_.end();) {
    bool gone = (*it)->stale();
    open_ -= gone ? 1 : 0;
    it = gone ? idle_.erase(it) : std::next(it);
  }
  // The session's own last one first: it needs no cleaning.
  auto own = std::find_if(idle_.begin(), idle_.end(),
                          [&](const auto& one) { return one->used_by == session; });
  if (own == idle_.end() && open_ >= how_.bounds.connections)
    own = idle_.begin();
  if (own != idle_.end()) {
    auto out = std::move(*own);
    idle_.erase(own);
    co_return out;
  }
  if (open_ >= how_.bounds.connections) {
    if (waiting_.size() >= how_.bounds.waiting)
      co_return error{errc::limit_exceeded, "more than " + std::to_string(how_.bounds.waiting)
                                                + " calls wait for the " + std::to_string(open_)
                                                + " connections to this database"};
    auto place = std::make_shared<waiter>(gate_.reactor);
    waiting_.push_back(place);
    place->wake.expires_at(deadline);
    boost::system::error_code ignored;
    co_await place->wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (!place->called) {
      std::erase(waiting_, place);
      co_return error{errc::deadline_exceeded,
                      "all " + std::to_string(open_) + " connections to this database are in use"};
    }
    if (place->got)
      co_return std::move(place->got);
    --open_; // It was kept for us.
  }
  ++open_;
  auto made = co_await pg::connection::open(gate_, beside_, how_);
  if (!made) {
    --open_;
    call_next(nullptr);
    co_return told(std::move(made).why());
  }
  co_return made;
}

// Where a database of the configuration is, and who logs in there, is for the log: a failure to
// connect, and what a server says to a login, would tell code.
error sql_pool::told(error why) {
  if (how_.name.empty())
    return why;
  if (auto now = clock_type::now(); now >= log_after_) {
    log_after_ = now + log_interval;
    spdlog::warn("database {}: {}", how_.name, why.detail);
  }
  auto the = "the database " + how_.name;
  switch (why.code) {
    case errc::unavailable: return error{why.code, the + " cannot be reached"};
    case errc::permission_denied: return error{why.code, the + " refuses the login"};
    case errc::deadline_exceeded: return error{why.code, the + " does not answer"};
    default: return why; // What it said was no login: these texts are all the daemon's own.
  }
}

void sql_pool::give_back(pg::connection::ptr what) {
  if (what->usable() && what->transaction() == 'I' && what.use_count() == 1) {
    what->idle_since = clock_type::now();
    if (waiting_.empty())
      idle_.push_back(std::move(what));
    else
      call_next(std::move(what));
    return;
  }
  what->close();
  --open_;
  call_next(nullptr);
}

// A connection, or the place of one.
void sql_pool::call_next(pg::connection::ptr with) {
  if (waiting_.empty())
    return;
  auto next = std::move(waiting_.front());
  waiting_.pop_front();
  if (!with)
    ++open_;
  next->got = std::move(with);
  next->called = true;
  next->wake.cancel();
}

void sql_pool::cancel(const pg::connection& what) {
  asio::co_spawn(gate_.reactor, pg::cancel_statement(gate_, how_, what.cancel_key()),
                 asio::detached);
}

void sql_pool::tidy(clock_type::time_point now) {
  for (auto it = idle_.begin(); it != idle_.end();) {
    if ((*it)->idle_since + how_.bounds.idle_timeout > now) {
      ++it;
      continue;
    }
    (*it)->close();
    --open_;
    it = idle_.erase(it);
  }
}

sql_gate::sql_gate(egress_gate& gate) : gate_{gate}, timer_{gate.reactor} {}

sql_gate::~sql_gate() = default;

std::shared_ptr<sql_pool> sql_gate::pool(const std::string& tenant, const std::string& key,
                                         const pg::plan& how) {
  auto& found = pools_[{tenant, key}];
  if (!found)
    found = std::make_shared<sql_pool>(gate_, beside_, how);
  tidy_later();
  return found;
}

void sql_gate::tidy_later() {
  if (std::exchange(tidying_, true))
    return;
  timer_.expires_after(tidy_interval);
  timer_.async_wait([this](boost::system::error_code ec) {
    if (ec)
      return;
    tidying_ = false;
    for (auto it = pools_.begin(); it != pools_.end();) {
      it->second->tidy(clock_type::now());
      bool over = it->second->unused() && it->second.use_count() == 1;
      it = over ? pools_.erase(it) : std::next(it);
    }
    if (!pools_.empty())
      tidy_later();
  });
}

} // namespace vivarium
