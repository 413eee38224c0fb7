// SPDX-License-Identifier: Apache-2.0
#include "actors/switchboard.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

bool covers(const std::vector<std::string>& patterns, std::string_view name) {
  if (patterns.empty())
    return true;
  return std::any_of(patterns.begin(), patterns.end(), [name](std::string_view pattern) {
    if (!pattern.ends_with(".*"))
      return pattern == name;
    pattern.remove_suffix(1); // The dot stays.
    return name.size() > pattern.size() && name.starts_with(pattern);
  });
}

result<switchboard::offer_id> switchboard::offer(const std::string& tenant, function_offer what,
                                                 function_host& by) {
  auto& board = tenants_[tenant];
  // Every call looks through them.
  if (board.offers.size() >= most_offers || board.names + what.names.size() > most_names)
    return error{errc::limit_exceeded, "the tenant's clients offer too many functions: at most "
                                           + std::to_string(most_offers) + " offers with "
                                           + std::to_string(most_names) + " names in all"};
  board.names += what.names.size();
  auto id = ++last_offer_;
  board.offers.emplace(id, offered{std::move(what), &by});
  return id;
}

void switchboard::withdraw(const std::string& tenant, offer_id which) {
  auto board = tenants_.find(tenant);
  auto found = board == tenants_.end() ? decltype(board->second.offers.end()){}
                                       : board->second.offers.find(which);
  if (board == tenants_.end() || found == board->second.offers.end())
    return;
  board->second.names -= found->second.what.names.size();
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
  if (board->second.offers.empty() && calls.empty())
    tenants_.erase(board);
  for (auto& then : left)
    then({bridge::host_result::outcome::unavailable,
          "the client that offers this function went away before it answered"});
}

// Of several that fit equally well, the one that has had nothing to do for longest.
switchboard::offered* switchboard::choose(tenant_board& board, const caller& who,
                                          std::string_view name) {
  offered* best = nullptr;
  int best_rank = 0;
  for (auto& [id, one] : board.offers) {
    const auto& what = one.what;
    bool its_session = what.session == who.session_id
                       || (!who.session_name.empty() && what.session == who.session_name);
    if ((!what.session.empty() && !its_session) || !covers(what.names, name)
        || (who.bound != 0 && what.connection != who.bound))
      continue;
    int rank = who.connection != 0 && what.connection == who.connection ? 3 : its_session ? 2 : 1;
    if (rank > best_rank || (rank == best_rank && one.last_used < best->last_used)) {
      best = &one;
      best_rank = rank;
    }
  }
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
    what.id = "call_" + std::to_string(++last_call_);
  auto id = what.id;
  if (then) {
    auto at = std::find_if(board->second.offers.begin(), board->second.offers.end(),
                           [found](const auto& one) { return &one.second == found; });
    board->second.calls.emplace(id, open_call{at->first, std::move(then)});
  }
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
