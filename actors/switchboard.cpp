// SPDX-License-Identifier: Apache-2.0
#include "actors/switchboard.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

namespace vivarium {

namespace {

// Calls `one` with each pattern, other than the name itself, that covers a name or a pattern, until
// it returns true, which is returned.
template <class One>
bool any_above(std::string_view name, One one) {
  std::string pattern;
  for (auto dot = name.find('.'); dot != name.npos && dot + 1 < name.size();
       dot = name.find('.', dot + 1)) {
    pattern.assign(name, 0, dot + 1);
    pattern += '*';
    if (pattern != name && one(pattern))
      return true;
  }
  return false;
}

} // namespace

std::vector<std::string> switchboard::patterns_of(const function_offer& what) {
  if (what.names.empty())
    return {""};
  const std::unordered_set<std::string> all{what.names.begin(), what.names.end()};
  std::vector<std::string> out;
  std::copy_if(all.begin(), all.end(), std::back_inserter(out), [&all](const std::string& name) {
    return !any_above(name, [&all](const std::string& above) { return all.contains(above); });
  });
  return out;
}

result<switchboard::offer_id> switchboard::offer(const std::string& tenant, function_offer what,
                                                 function_host& by) {
  if (std::any_of(what.names.begin(), what.names.end(),
                  [](const std::string& name) { return name.starts_with("vivarium."); }))
    return error{errc::invalid_argument,
                 "names that begin with \"vivarium.\" are the daemon's own"};
  auto& board = tenants_[tenant];
  // Every call looks through them.
  if (board.offers.size() >= most_offers || board.names + what.names.size() > most_names)
    return error{errc::limit_exceeded, "the tenant's clients offer too many functions: at most "
                                           + std::to_string(most_offers) + " offers with "
                                           + std::to_string(most_names) + " names in all"};
  board.names += what.names.size();
  auto id = ++last_offer_;
  for (auto& pattern : patterns_of(what))
    board.by_pattern[std::move(pattern)].push_back(id);
  board.offers.emplace(id, offered{id, std::move(what), &by});
  return id;
}

void switchboard::withdraw(const std::string& tenant, offer_id which) {
  auto board = tenants_.find(tenant);
  auto found = board == tenants_.end() ? decltype(board->second.offers.end()){}
                                       : board->second.offers.find(which);
  if (board == tenants_.end() || found == board->second.offers.end())
    return;
  board->second.names -= found->second.what.names.size();
  auto& by_pattern = board->second.by_pattern;
  for (const auto& pattern : patterns_of(found->second.what)) {
    auto under = by_pattern.find(pattern);
    std::erase(under->second, which);
    if (under->second.empty())
      by_pattern.erase(under);
  }
  board->second.offers.erase(found);
  std::vector<answer_function> left;
  auto& calls = board->second.calls;
  for (auto it = calls.begin(); it != calls.end();) {
    if (it->second.at != which) {
      ++it;
      continue;
    }
    left.push_back(std::move(it->second.then));
    it = calls.erase(it);
  }
  for (auto& then : left)
    then({bridge::host_result::outcome::unavailable,
          "the client that offers this function went away before it answered"});
}

// Of several that fit equally well, the one that has had nothing to do for longest.
switchboard::offered* switchboard::choose(tenant_board& board, const caller& who,
                                          std::string_view name) {
  offered* best = nullptr;
  int best_rank = 0;
  auto consider = [&](offered& one) {
    const auto& what = one.what;
    bool its_session = what.session == who.session_id
                       || (!who.session_name.empty() && what.session == who.session_name);
    if ((!what.session.empty() && !its_session) || (who.bound != 0 && what.connection != who.bound))
      return;
    int rank = who.connection != 0 && what.connection == who.connection ? 3 : its_session ? 2 : 1;
    if (rank > best_rank || (rank == best_rank && one.last_used < best->last_used)) {
      best = &one;
      best_rank = rank;
    }
  };
  auto among = [&](const std::string& pattern) {
    auto found = board.by_pattern.find(pattern);
    if (found != board.by_pattern.end())
      for (auto id : found->second)
        consider(board.offers.at(id));
    return false;
  };
  among({});
  among(std::string{name});
  any_above(name, among);
  return best;
}

result<std::string> switchboard::place(const caller& who, function_call what,
                                       answer_function then) {
  auto board = tenants_.find(who.tenant);
  auto* found = board == tenants_.end() ? nullptr : choose(board->second, who, what.name);
  if (found == nullptr)
    return error{errc::not_found, who.bound != 0
                                      ? "the client whose function '" + what.name + "' is has gone"
                                      : "nobody offers the function '" + what.name
                                            + "': a client of the tenant has to, with Serve"};
  found->last_used = ++turns_;
  auto bytes = what.operands.size() + what.name.size();
  if (*board->second.held + bytes > most_bytes) {
    if (!then)
      found->by->on_lost();
    return error{errc::limit_exceeded, "the calls that wait for the tenant's clients have too many "
                                       "bytes together"};
  }
  what.charge = byte_charge{board->second.held, bytes};
  if (then)
    what.id = "call_" + std::to_string(++board->second.last_call);
  auto id = what.id;
  if (then)
    board->second.calls.emplace(id, open_call{found->id, std::move(then)});
  if (!found->by->on_call(std::make_shared<const function_call>(std::move(what)))) {
    if (id.empty())
      found->by->on_lost();
    board->second.calls.erase(id);
    return error{errc::limit_exceeded,
                 "too many calls wait for the client that offers this function"};
  }
  return id;
}

status switchboard::answer(const std::string& tenant, const std::string& id, function_answer with) {
  auto board = tenants_.find(tenant);
  if (board != tenants_.end()) {
    if (auto call = board->second.calls.extract(id)) {
      auto at = board->second.offers.find(call.mapped().at);
      call.mapped().then(std::move(with));
      if (at != board->second.offers.end())
        at->second.by->on_answered();
      return done{};
    }
  }
  return error{errc::not_found, "no call of this id waits for an answer: it has been answered, its "
                                "time is over, or there never was one"};
}

void switchboard::drop(const std::string& tenant, const std::string& id) {
  auto board = tenants_.find(tenant);
  if (board == tenants_.end())
    return;
  auto call = board->second.calls.extract(id);
  if (!call)
    return;
  auto at = board->second.offers.find(call.mapped().at);
  if (at != board->second.offers.end())
    at->second.by->on_dropped(id);
}

std::size_t switchboard::open() const noexcept {
  std::size_t out = 0;
  for (const auto& [name, board] : tenants_)
    out += board.calls.size();
  return out;
}

} // namespace vivarium
