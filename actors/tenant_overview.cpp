// SPDX-License-Identifier: Apache-2.0

// A tenant as administrators see and treat it: by id nothing is hidden from them.

#include "actors/tenant.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

/// The first so many keys after one that fit, in order. The maps know no order; a page is what is
/// sorted, not all that a tenant has.
template <class Map, class Fits>
std::vector<typename Map::const_pointer> part_of(const Map& all, const overview_part& what,
                                                 Fits fits) {
  std::vector<typename Map::const_pointer> out;
  for (const auto& one : all)
    if (one.first > what.after_key && fits(one.second))
      out.push_back(&one);
  auto before = [](auto* a, auto* b) { return a->first < b->first; };
  auto end = out.begin() + static_cast<std::ptrdiff_t>(std::min(out.size(), what.most));
  std::partial_sort(out.begin(), end, out.end(), before);
  out.erase(end, out.end());
  return out;
}

} // namespace

void tenant_core::overview(const overview_part& what,
                           const reply<std::vector<session_overview>>& to) const {
  // Each session speaks for itself; the last one's word completes the list.
  struct gathering {
    std::vector<session_overview> all;
    reply<std::vector<session_overview>> to;
    ~gathering() { to.give(std::move(all)); }
  };
  auto part = part_of(sessions_, what, [](const live_session&) { return true; });
  auto gather = std::make_shared<gathering>();
  gather->to = to;
  gather->all.resize(part.size());
  for (std::size_t at = 0; at < part.size(); ++at) {
    const auto& live = part[at]->second;
    auto& row = gather->all[at];
    row.tenant = plan_.name;
    row.info = live.info; // until it has said itself how it stands
    row.use = live.one_shot ? session_use::one_shot
              : live.member ? session_use::pool
                            : session_use::own;
    row.executions = static_cast<std::uint64_t>(std::count_if(
        live.executions.begin(), live.executions.end(), [](const auto& e) { return !e->end(); }));
    caf::anon_send(live.handle, atom::describe_v, false,
                   reply<session_info>{[gather, at](result<session_info> info) {
                     if (info)
                       gather->all[at].info = std::move(*info);
                   }});
  }
}

void tenant_core::overview(const overview_part& what,
                           const reply<std::vector<execution_overview>>& to) const {
  auto now = clock_type::now();
  auto part = part_of(executions_, what,
                      [&](const known_execution& one) { return what.ended || !one.what->end(); });
  std::vector<execution_overview> out;
  out.reserve(part.size());
  for (const auto* each : part) {
    const auto& one = *each->second.what;
    const auto& asked = one.request();
    auto& row = out.emplace_back();
    row.tenant = plan_.name;
    row.id = one.id();
    if (auto home = addresses_.find(each->second.where.address()); home != addresses_.end()) {
      row.session_id = home->second;
      row.session_name = sessions_.at(home->second).info.name;
    } else {
      row.session_id = one.session_id();
    }
    row.pool = asked.pool;
    row.state = one.now();
    auto wall = one.end()
                    ? one.end()->usage.wall
                    : std::chrono::duration_cast<std::chrono::microseconds>(now - one.submitted());
    row.age = wall;
    if (one.started() != clock_type::time_point{})
      row.running = wall
                    - std::min(wall, std::chrono::duration_cast<std::chrono::microseconds>(
                                         one.started() - one.submitted()));
    row.stream = asked.stream_credit > 0;
    row.request_id = asked.request_id;
  }
  to.give(std::move(out));
}

void tenant_core::stop(const std::string& id, stop_mode how, const reply<bool>& to) {
  auto it = executions_.find(id);
  if (it == executions_.end())
    return to.refuse(error{errc::not_found, "there is no execution '" + id + "'"});
  if (it->second.what->end())
    return to.give(false);
  caf::anon_send(it->second.where, atom::cancel_v, it->second.what, how, to);
}

void tenant_core::end_session(const std::string& session, stop_mode how, const reply<done>& to) {
  auto named = names_.find(session);
  auto found = sessions_.find(named == names_.end() ? session : named->second);
  if (found == sessions_.end())
    return to.refuse(no_such_session(session));
  caf::anon_send(found->second.handle, atom::close_v, how, to);
}

} // namespace vivarium
