// SPDX-License-Identifier: Apache-2.0
#include "actors/administration.hpp"

#include "proto/ids.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

namespace vivarium {

namespace {

/// Puts a list together tenant by tenant: each is asked for its part when the one before has given
/// its own. It lives in the reply that it waits for.
template <class T>
class walk : public std::enable_shared_from_this<walk<T>> {
public:
  using tenant_function = std::function<tenant_actor(const std::string&)>;
  using next_function = std::function<std::string(const std::string&)>;

  walk(tenant_function tenant, next_function next, overview_part part, reply<overview_page<T>> to)
      : tenant_{std::move(tenant)}, next_{std::move(next)}, part_{std::move(part)}, to_{std::move(
                                                                                        to)} {}

  /// Begins with what is left of the tenant where the part before ended.
  void start() {
    at_ = part_.after_tenant;
    if (at_.empty() || (!part_.tenant.empty() && at_ != part_.tenant)) {
      part_.after_key.clear();
      at_ = first();
    }
    ask();
  }

private:
  [[nodiscard]] std::string first() const {
    return part_.tenant.empty() ? next_({}) : part_.tenant;
  }
  void go_on() {
    part_.after_key.clear();
    at_ = part_.tenant.empty() ? next_(at_) : std::string{};
  }
  void ask() {
    tenant_actor whom;
    for (; !at_.empty(); go_on())
      if (whom = tenant_(at_); whom)
        break;
    if (at_.empty() || part_.most == 0)
      return end();
    caf::anon_send(
        whom, atom::list_v, part_,
        reply<std::vector<T>>{[self = this->shared_from_this()](result<std::vector<T>> told) {
          self->take(std::move(told));
        }});
  }
  void take(result<std::vector<T>> told) {
    if (!told) // It is being started again, or the daemon ends: then there is no next one to ask.
      return to_.refuse(std::move(told).why());
    bool whole = told->size() == part_.most;
    part_.most -= std::min(part_.most, told->size());
    for (auto& one : *told)
      page_.entries.push_back(std::move(one));
    if (whole) {
      page_.more = true;
      page_.after_tenant = at_;
      page_.after_key = key_of(page_.entries.back());
      return end();
    }
    go_on();
    ask();
  }
  void end() {
    // What has ended since it was listed.
    std::erase_if(page_.entries, [](const T& one) { return has_ended(one); });
    to_.give(std::move(page_));
  }
  static const std::string& key_of(const session_overview& one) { return one.info.id; }
  static const std::string& key_of(const execution_overview& one) { return one.id; }
  static bool has_ended(const session_overview& one) {
    return one.info.state == session_state::dead;
  }
  static bool has_ended(const execution_overview&) { return false; }

  tenant_function tenant_;
  next_function next_;
  overview_part part_;
  std::string at_;
  overview_page<T> page_;
  reply<overview_page<T>> to_;
};

/// Asks tenant after tenant until one knows what is looked for. `ask(tenant, reply)`.
template <class T>
class search : public std::enable_shared_from_this<search<T>> {
public:
  using ask_function = std::function<void(const tenant_actor&, reply<T>)>;

  search(std::function<tenant_actor(const std::string&)> tenant,
         std::function<std::string(const std::string&)> next, ask_function ask,
         std::function<void(const std::string&, result<T>)> then)
      : tenant_{std::move(tenant)}, next_{std::move(next)}, ask_{std::move(ask)}, then_{std::move(
                                                                                      then)} {}

  /// With a name only that tenant is asked.
  void start(const std::string& only, error none) {
    none_ = std::move(none);
    only_ = !only.empty();
    at_ = only_ ? only : next_({});
    ask();
  }

private:
  void ask() {
    tenant_actor whom;
    for (; !at_.empty(); at_ = only_ ? std::string{} : next_(at_))
      if (whom = tenant_(at_); whom)
        break;
    if (at_.empty())
      return then_({}, none_);
    ask_(whom, reply<T>{[self = this->shared_from_this()](result<T> told) {
           if (told || self->only_ || told.why().code != errc::not_found)
             return self->then_(self->at_, std::move(told));
           self->at_ = self->next_(self->at_);
           self->ask();
         }});
  }

  std::function<tenant_actor(const std::string&)> tenant_;
  std::function<std::string(const std::string&)> next_;
  ask_function ask_;
  std::function<void(const std::string&, result<T>)> then_;
  error none_;
  std::string at_;
  bool only_ = false;
};

/// The part of a list that is all there: entries come in the order of `place_of(entry)`.
template <class T, class All, class Place>
overview_page<T> cut(const All& all, const overview_part& what, Place place_of) {
  overview_page<T> out;
  auto after = std::pair{what.after_tenant, what.after_key};
  bool first = after.first.empty() && after.second.empty();
  for (const auto& one : all) {
    auto place = place_of(one);
    if (!first && place <= after)
      continue;
    if (out.entries.size() == what.most) {
      out.more = true;
      break;
    }
    out.entries.push_back(one);
    std::tie(out.after_tenant, out.after_key) = std::move(place);
  }
  return out;
}

} // namespace

error administration::drained_error() {
  return {errc::unavailable,
          "the daemon is drained: it takes no new sessions until an administrator undrains it"};
}

daemon_figures administration::figures() const {
  daemon_figures out;
  for (auto name = around_.next_tenant({}); !name.empty(); name = around_.next_tenant(name)) {
    auto one = around_.figures(name);
    ++out.tenants;
    out.sessions += one.sessions;
    out.executions += one.executions;
    out.connections += one.connections;
  }
  for (const auto& one : around_.pools()) {
    const auto& now = one.board->figures;
    out.workers += now.ready + now.lent + now.coming;
    out.workers_ready += now.ready;
  }
  return out;
}

overview_page<tenant_overview> administration::tenants(const overview_part& what) const {
  overview_page<tenant_overview> out;
  auto name = around_.next_tenant(what.after_tenant);
  for (; !name.empty() && out.entries.size() < what.most; name = around_.next_tenant(name)) {
    out.entries.push_back(around_.figures(name));
    out.after_tenant = name;
  }
  out.more = !name.empty();
  return out;
}

overview_page<worker_pool_overview> administration::worker_pools(const overview_part& what) const {
  std::vector<worker_pool_overview> all;
  auto now = clock_type::now();
  for (const auto& one : around_.pools()) {
    const auto& board = *one.board;
    auto& row = all.emplace_back();
    row.environment = one.environment.label;
    row.group = one.group;
    row.serves = board.serves;
    row.trouble = board.trouble;
    const auto& seen = board.figures;
    row.dormant = seen.dormant;
    row.generation = seen.generation;
    if (board.serves)
      row.zygote_age =
          std::chrono::duration_cast<std::chrono::milliseconds>(now - seen.zygote_since);
    row.forks = seen.forks;
    row.ready = seen.ready;
    row.lent = seen.lent;
    row.coming = seen.coming;
    row.waiting = seen.waiting;
  }
  // Pools of one label and group, of which tenants' environments have many, stay together.
  auto place_of = [](const worker_pool_overview& one) {
    return std::pair{one.environment, one.group};
  };
  std::stable_sort(all.begin(), all.end(),
                   [&](const auto& a, const auto& b) { return place_of(a) < place_of(b); });
  std::size_t at = 0;
  const auto& key = what.after_key;
  std::from_chars(key.data(), key.data() + key.size(), at);
  at = std::min(at, all.size());
  overview_page<worker_pool_overview> out;
  auto end = std::min(all.size(), at + what.most);
  out.entries.assign(all.begin() + static_cast<std::ptrdiff_t>(at),
                     all.begin() + static_cast<std::ptrdiff_t>(end));
  out.more = end < all.size();
  out.after_tenant = "pool";
  out.after_key = std::to_string(end);
  return out;
}

void administration::sessions(const overview_part& what,
                              const reply<overview_page<session_overview>>& to) const {
  std::make_shared<walk<session_overview>>(around_.tenant, around_.next_tenant, what, to)->start();
}

void administration::executions(const overview_part& what,
                                const reply<overview_page<execution_overview>>& to) const {
  std::make_shared<walk<execution_overview>>(around_.tenant, around_.next_tenant, what, to)
      ->start();
}

void administration::session_pools(const overview_part& what,
                                   const reply<overview_page<session_pool_overview>>& to) const {
  struct place {
    std::string tenant;
    std::string name;
    session_pool_actor handle;
  };
  std::vector<place> all;
  around_.session_pools.each(
      [&](const std::string& host, const std::string& name, const session_pool_actor& handle) {
        all.push_back({host, name, handle});
      });
  auto page = cut<place>(all, what, [](const place& one) {
    return std::pair{one.tenant, one.name};
  });
  // Each pool speaks for itself; the last one's word completes the list.
  struct gathering {
    overview_page<session_pool_overview> page;
    reply<overview_page<session_pool_overview>> to;
    ~gathering() {
      std::erase_if(page.entries, [](const auto& one) { return one.info.name.empty(); });
      to.give(std::move(page));
    }
  };
  auto gather = std::make_shared<gathering>();
  gather->to = to;
  gather->page.more = page.more;
  gather->page.after_tenant = page.after_tenant;
  gather->page.after_key = page.after_key;
  gather->page.entries.resize(page.entries.size());
  for (std::size_t at = 0; at < page.entries.size(); ++at) {
    gather->page.entries[at].tenant = page.entries[at].tenant;
    caf::anon_send(page.entries[at].handle, atom::describe_v,
                   reply<session_pool_info>{[gather, at](result<session_pool_info> info) {
                     if (info)
                       gather->page.entries[at].info = *std::move(info);
                   }});
  }
}

void administration::stop_execution(const std::string& tenant, const std::string& id, stop_mode how,
                                    const reply<stop_outcome>& to) const {
  std::make_shared<search<bool>>(
      around_.tenant, around_.next_tenant,
      [id, how](const tenant_actor& whom, reply<bool> told) {
        caf::anon_send(whom, atom::cancel_v, id, how, std::move(told));
      },
      [to](const std::string& whose, result<bool> stopped) {
        if (stopped)
          to.give({*stopped, whose});
        else
          to.refuse(std::move(stopped).why());
      })
      ->start(tenant, error{errc::not_found, "there is no execution '" + id + "'"});
}

void administration::end_session(const std::string& tenant, const std::string& session,
                                 stop_mode how, const reply<std::string>& to) const {
  if (tenant.empty() && !looks_like_id(id_kind::session, session))
    return to.refuse(error{errc::invalid_argument,
                           "a session goes by its name only within its tenant: say which"});
  std::make_shared<search<done>>(
      around_.tenant, around_.next_tenant,
      [session, how](const tenant_actor& whom, reply<done> told) {
        caf::anon_send(whom, atom::close_v, session, how, std::move(told));
      },
      [to](const std::string& whose, result<done> ended) {
        if (ended)
          to.give(whose);
        else
          to.refuse(std::move(ended).why());
      })
      ->start(tenant, error{errc::not_found, "there is no session '" + session + "'"});
}

void administration::recycle(const std::string& tenant, const std::string& environment,
                             const reply<recycle_outcome>& to) const {
  if (!tenant.empty() && !around_.knows_tenant(tenant))
    return to.refuse(error{errc::not_found, "there is no tenant '" + tenant + "'"});
  auto found = around_.environments.find(tenant, environment);
  if (!found)
    return to.refuse(std::move(found).why());
  struct gathering {
    recycle_outcome all;
    reply<recycle_outcome> to;
    ~gathering() { to.give(all); }
  };
  auto gather = std::make_shared<gathering>();
  gather->to = to;
  auto group = tenant.empty() ? std::string{} : around_.group(tenant);
  for (const auto& one : around_.pools()) {
    const auto& key = one.environment.key;
    if ((key != found->key && !key.starts_with(found->key + "#hash"))
        || (!tenant.empty() && one.group != group))
      continue;
    caf::anon_send(one.handle, atom::recycle_v,
                   reply<std::uint64_t>{[gather](result<std::uint64_t> ended) {
                     if (!ended)
                       return;
                     ++gather->all.pools;
                     gather->all.workers += static_cast<std::uint32_t>(*ended);
                   }});
  }
}

} // namespace vivarium
