// SPDX-License-Identifier: Apache-2.0

// Attempts to connect, from the worker's call to the answer. What goes through connections is
// counted in egress_traffic.cpp.

#include "actors/egress_broker.hpp"

#include "actors/outbound.hpp"
#include "sandbox/attest.hpp"
#include "sandbox/hosts_file.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/socket.h>

namespace vivarium {

using namespace std::chrono_literals;
using sandbox::endpoint;
using sandbox::ip_address;

namespace {

// Addresses of a name that are tried, one after the other.
constexpr std::size_t most_candidates = 4;
// An interrupt is answered once the kernel has the signal in hand: a call that returned before it
// would read as a connection that was made.
constexpr auto interrupt_pause = 1ms;
constexpr int interrupt_looks = 50;
// Every attempt is counted, but refused ones are logged no more often.
constexpr auto refusal_log_interval = 100ms;

int errno_for(egress_outcome how) {
  switch (how) {
    case egress_outcome::no_such_host: return EHOSTUNREACH;
    case egress_outcome::timed_out: return ETIMEDOUT;
    case egress_outcome::interrupted: return EINTR;
    case egress_outcome::too_many_open: return EMFILE;
    case egress_outcome::connection_budget:
    case egress_outcome::byte_budget: return EDQUOT;
    default: return EACCES;
  }
}

} // namespace

struct egress_broker::attempt {
  attempt(boost::asio::io_context& reactor, sandbox::connect_order o)
      : order{std::move(o)}, socket{reactor}, slice{reactor}, deadline{reactor} {}

  sandbox::connect_order order;
  std::string name; // What the worker asked for, for the record.
  std::string request_id;
  std::vector<endpoint> candidates;
  std::optional<http_origin> visit; // Whose place the daemon takes.
  std::shared_ptr<visit_life> life; // Of that visit, until there is a connection to hold it.
  std::size_t next = 0;
  clock_type::time_point ends;
  boost::asio::posix::stream_descriptor socket; // The one that is being connected.
  boost::asio::steady_timer slice;              // Of this candidate.
  boost::asio::steady_timer deadline;           // Of all of them.
  int last_errno = ETIMEDOUT;
  bool awaited = false; // The deadline has been set.
  bool over = false;
};

egress_broker::egress_broker(egress_gate& gate, observer& watch, client whom,
                             std::string policy_name, const egress_policy& policy)
    : gate_{gate}, watch_{watch}, whom_{std::move(whom)},
      policy_name_{std::move(policy_name)}, policy_{policy}, map_{policy}, timer_{gate.reactor} {}

egress_broker::~egress_broker() {
  close();
}

status egress_broker::serve(const worker_ptr& by, bool may_fork) {
  worker_ = by;
  likely_.process = by->host_pid();
  likely_.runs_programs = may_fork;
  sandbox::wake_beside(by->listener_fd());
  if (may_fork)
    family_.emplace(by->host_pid());
  return sandbox::write_hosts(by->host_pid(), by->listener_fd(), map_.hosts_file());
}

worker::fate egress_broker::connect(const sandbox::caught_call& call,
                                    const std::string& request_id) {
  auto by = worker_.lock();
  if (!by)
    return worker::fate::turned_down;
  sandbox::connect_order order;
  if (int wrong = sandbox::read_connect(by->listener_fd(), call, likely_, order); wrong != 0) {
    sandbox::answer(by->listener_fd(), call, wrong);
    report(wrong == EACCES ? egress_outcome::not_tcp : egress_outcome::malformed, {}, {},
           request_id);
    return worker::fate::turned_down;
  }
  auto refuse = [&](egress_outcome how, const std::string& name) {
    sandbox::answer(by->listener_fd(), call, errno_for(how));
    report(how, name, order.target.text(), request_id);
    return worker::fate::turned_down;
  };
  auto found = map_.find(order.target);
  if (!found)
    return refuse(egress_outcome::not_allowed, {});
  if (auto how = over_budget(); how != egress_outcome::connected) {
    spent(how);
    return refuse(how, found->name);
  }
  auto what = std::make_shared<attempt>(gate_.reactor, std::move(order));
  what->name = found->name;
  what->request_id = request_id;
  what->ends = clock_type::now() + policy_.connect_timeout;
  attempts_.push_back(what);
  auto fixed = policy_.resolve.find(found->name);
  const auto& host = found->name.empty() ? found->where.address.text() : found->name;
  if (const auto* rule = rule_for(host, found->where.port)) {
    begin_visit(what, rule->origin);
  } else if (found->name.empty()) {
    begin(what, {found->where.address});
  } else if (fixed != policy_.resolve.end()) {
    begin(what, fixed->second);
  } else {
    await(what);
    gate_.names.find(found->name,
                     // Weak, both: what is left of it may be dropped on a resolver's thread.
                     [weak = weak_from_this(),
                      weak_what = std::weak_ptr{what}](const std::vector<ip_address>& addresses) {
                       auto self = weak.lock();
                       if (auto asked = weak_what.lock(); self && asked)
                         self->begin(asked, addresses);
                     });
  }
  return worker::fate::pending;
}

// What is done at once needs no clock.
void egress_broker::await(const attempt_ptr& what) {
  if (std::exchange(what->awaited, true))
    return;
  what->deadline.expires_at(what->ends);
  what->deadline.async_wait([weak = weak_from_this(), what](boost::system::error_code ec) {
    if (auto self = weak.lock(); self && !ec)
      self->finish(what, egress_outcome::timed_out, ETIMEDOUT);
  });
}

result<std::string> egress_broker::speak_http(std::shared_ptr<const std::vector<http_rule>> rules) {
  if (gate_.http == nullptr)
    return error{errc::unimplemented, "nobody here speaks HTTP for sessions"};
  http_rules_ = std::move(rules);
  bool secure = std::any_of(http_rules_->begin(), http_rules_->end(),
                            [](const http_rule& one) { return one.origin.secure; });
  return secure ? gate_.http->authority_certificate() : result<std::string>{std::string{}};
}

const http_rule* egress_broker::rule_for(const std::string& host, std::uint16_t port) const {
  if (!http_rules_)
    return nullptr;
  auto found = std::find_if(http_rules_->begin(), http_rules_->end(), [&](const http_rule& one) {
    return one.origin.host == host && one.origin.port == port;
  });
  return found == http_rules_->end() ? nullptr : &*found;
}

// The session is connected to the daemon, which then speaks for it. What the server's name
// resolves to is checked when the daemon connects.
void egress_broker::begin_visit(const attempt_ptr& what, const http_origin& origin) {
  auto door = gate_.http->address();
  if (!door)
    return finish(what, egress_outcome::unreachable, ECONNREFUSED);
  auto& own = gate_.own_listeners;
  if (std::none_of(own.begin(), own.end(), [&](const endpoint& one) {
        return one.port == door->port && one.address == door->address;
      }))
    own.push_back(*door); // Nobody comes there in another way.
  what->visit = origin;
  what->candidates = {*door};
  try_next(what);
}

http_visit egress_broker::visit_of(const http_origin& origin,
                                   const std::shared_ptr<visit_life>& life,
                                   const std::string& request_id) {
  http_visit out;
  out.origin = origin;
  out.life = life;
  out.rules = http_rules_;
  out.ca = policy_.http_ca;
  out.timeout = policy_.http_timeout;
  out.connect = [&gate = gate_, &policy = policy_, origin](http_visit::connected then) {
    connect_outbound(gate, {origin.host, origin.port, &policy},
                     clock_type::now() + policy.connect_timeout, std::move(then));
  };
  out.report = [&watch = watch_, whom = whom_, policy = policy_name_, request_id,
                server = origin.text()](std::string_view outcome, std::string_view method) {
    watch.http_brokered(whom.tenant, whom.environment, outcome);
    watch.audit(outcome == "allowed" ? audit_event::egress_allowed : audit_event::egress_refused,
                {whom.tenant, whom.session, request_id},
                {{"policy", policy}, {"outcome", outcome}, {"to", server}, {"method", method}});
  };
  return out;
}

// Every address that a name has is checked, and those that were checked are connected to: what the
// name resolves to a moment later does not matter.
void egress_broker::begin(const attempt_ptr& what, const std::vector<ip_address>& found) {
  if (what->over)
    return;
  for (const auto& address : found) {
    endpoint where{address, what->order.target.port};
    auto how = check_address(policy_, where, gate_.own_listeners);
    if (how != egress_outcome::connected)
      return finish(what, how, errno_for(how));
    what->candidates.push_back(where);
  }
  if (what->candidates.empty())
    return finish(what, egress_outcome::no_such_host, errno_for(egress_outcome::no_such_host));
  // The worker's own family first.
  bool four = what->order.family == AF_INET;
  std::stable_partition(what->candidates.begin(), what->candidates.end(),
                        [&](const endpoint& one) { return one.address.is_v4() == four; });
  if (what->candidates.size() > most_candidates)
    what->candidates.resize(most_candidates);
  try_next(what);
}

void egress_broker::try_next(const attempt_ptr& what) {
  boost::system::error_code ignored;
  what->socket.close(ignored);
  what->slice.cancel();
  while (what->next < what->candidates.size()) {
    const auto& to = what->candidates[what->next++];
    auto socket = sandbox::begin_connect(what->order, to, gate_.fresh, what->last_errno);
    if (!socket)
      continue;
    if (what->visit) {
      what->life = std::make_shared<visit_life>();
      gate_.http->expect(sandbox::local_port(socket.get()),
                         visit_of(*what->visit, what->life, what->request_id));
    }
    auto how = sandbox::connect_outcome(socket.get());
    if (how == 0)
      return established(what, std::move(socket));
    what->last_errno = how;
    if (how != EINPROGRESS)
      continue;
    what->last_errno = ETIMEDOUT;
    what->socket.assign(socket.release(), ignored);
    return wait(what);
  }
  finish(what, egress_outcome::unreachable, what->last_errno);
}

void egress_broker::wait(const attempt_ptr& what) {
  await(what);
  // The last candidate has what is left of the time, each before it a fair part.
  auto left = static_cast<std::int64_t>(what->candidates.size() - what->next);
  if (left > 0) {
    what->slice.expires_after((what->ends - clock_type::now()) / (left + 1));
    what->slice.async_wait([weak = weak_from_this(), what](boost::system::error_code ec) {
      if (auto self = weak.lock(); self && !ec && !what->over)
        self->try_next(what);
    });
  }
  what->socket.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                          [weak = weak_from_this(), what](boost::system::error_code ec) {
                            if (auto self = weak.lock(); self && !ec && !what->over)
                              self->look(what);
                          });
}

void egress_broker::look(const attempt_ptr& what) {
  auto how = sandbox::connect_outcome(what->socket.native_handle());
  if (how == 0)
    return established(what, unique_fd{what->socket.release()});
  if (how == EINPROGRESS)
    return wait(what);
  what->last_errno = how;
  try_next(what);
}

void egress_broker::established(const attempt_ptr& what, unique_fd socket) {
  auto by = worker_.lock();
  auto own_port = [&](const endpoint& one) { return one.port == what->order.target.port; };
  if (!what->visit && std::any_of(gate_.own_listeners.begin(), gate_.own_listeners.end(), own_port)
      && sandbox::leads_here(socket.get()))
    return finish(what, egress_outcome::own_listener, EACCES);
  if (!by || sandbox::inject(by->listener_fd(), what->order, socket.get()) != 0)
    return finish(what, egress_outcome::interrupted, EINTR); // Who asked is gone.
  ++connected_;
  auto& made = connections_.emplace_back();
  made.inode = sandbox::inode_of(socket.get());
  made.process = what->order.process;
  made.likely = what->order.descriptor;
  made.socket = std::move(socket);
  made.life = std::move(what->life);
  look_after(busy_pause);
  finish(what, egress_outcome::connected, 0);
}

void egress_broker::finish(const attempt_ptr& what, egress_outcome how, int errno_value) {
  if (std::exchange(what->over, true))
    return;
  what->deadline.cancel();
  what->slice.cancel();
  what->life.reset();
  boost::system::error_code ignored;
  what->socket.close(ignored);
  auto address =
      what->next > 0 ? what->candidates[what->next - 1].text() : what->order.target.text();
  report(how, what->name, address, what->request_id);
  auto by = worker_.lock();
  if (by && how != egress_outcome::connected) // Otherwise it was answered with the socket.
    sandbox::answer(by->listener_fd(), what->order.call, errno_value);
  attempts_.remove(what);
  if (by)
    by->answered();
}

void egress_broker::close() {
  end_connections();
  for (const auto& what : std::exchange(attempts_, {})) {
    what->over = true;
    what->deadline.cancel();
    what->slice.cancel();
    what->life.reset();
    boost::system::error_code ignored;
    what->socket.close(ignored);
  }
}

egress_outcome egress_broker::over_budget() const {
  if (bytes_ >= policy_.bytes)
    return egress_outcome::byte_budget;
  if (connected_ + attempts_.size() >= policy_.connections)
    return egress_outcome::connection_budget;
  if (connections_.size() + attempts_.size() >= policy_.open)
    return egress_outcome::too_many_open;
  return egress_outcome::connected;
}

void egress_broker::spent(egress_outcome how) {
  if (!on_spent_)
    return;
  cause why{.what = "egress", .limit = {}, .enforced_by = enforcer::daemon};
  if (how == egress_outcome::byte_budget) {
    why.limit = "bytes";
    why.configured = policy_.bytes;
    why.observed = bytes_;
  } else if (how == egress_outcome::connection_budget) {
    why.limit = "connections";
    why.configured = policy_.connections;
    why.observed = connected_ + attempts_.size() + 1;
  } else {
    why.limit = "open";
    why.configured = policy_.open;
    why.observed = connections_.size() + attempts_.size() + 1;
  }
  on_spent_(std::move(why));
}

void egress_broker::interrupt(int errno_value) {
  auto by = worker_.lock();
  for (const auto& what : std::list{attempts_})
    if (by && what->order.call.thread == by->host_pid())
      give_up_interrupted(what, errno_value, interrupt_looks);
}

void egress_broker::give_up_interrupted(const attempt_ptr& what, int errno_value, int looks_left) {
  if (what->over)
    return;
  if (looks_left == 0 || sandbox::has_pending_interrupt(what->order.call.thread))
    return finish(what, egress_outcome::interrupted, errno_value);
  what->deadline.expires_after(interrupt_pause);
  what->deadline.async_wait(
      [weak = weak_from_this(), what, errno_value, looks_left](boost::system::error_code ec) {
        if (auto self = weak.lock(); self && !ec)
          self->give_up_interrupted(what, errno_value, looks_left - 1);
      });
}

void egress_broker::report(egress_outcome how, const std::string& to, const std::string& address,
                           const std::string& request_id) {
  watch_.egress_ended(whom_.tenant, whom_.environment, std::string{name_of(how)});
  watch_.audit(
      how == egress_outcome::connected ? audit_event::egress_allowed : audit_event::egress_refused,
      {whom_.tenant, whom_.session, request_id},
      {{"policy", policy_name_}, {"outcome", name_of(how)}, {"to", to}, {"address", address}});
  // What is made is bounded by its budget; what is refused a worker may try without end.
  auto now = clock_type::now();
  if (how != egress_outcome::connected) {
    if (now < log_refused_after_)
      return;
    log_refused_after_ = now + refusal_log_interval;
  }
  // Names are the policy's, addresses are written by us: nothing of it is a tenant's text.
  spdlog::info("egress of session {} of tenant {} by policy {}: {} {} {} (request {})",
               whom_.session, whom_.tenant, policy_name_, name_of(how), to, address,
               request_id.empty() ? "unknown" : request_id);
}

} // namespace vivarium
