// SPDX-License-Identifier: Apache-2.0

// The part of a session that decides on system calls which the sandbox catches: its way out, its
// processes.

#include "actors/session_core.hpp"
#include "sandbox/local_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace vivarium {

namespace {

// Forks that a session may make at once, and from then on one in so long.
constexpr int forks_at_once = 200;
constexpr auto fork_interval = std::chrono::milliseconds{10};

} // namespace

status session_core::open_egress() {
  if (info_.egress.empty())
    return done{};
  auto found = config_.egress.find(info_.egress);
  if (found == config_.egress.end())
    return error{errc::permission_denied, "there is no egress policy '" + info_.egress + "'"};
  egress_ = ports_.open_gate({tenant_, label_, info_.id}, found->first, found->second);
  egress_->on_spent([this](cause why) {
    if (auto* flight = to_blame())
      flight->denied = std::move(why);
  });
  if (!wish_.capabilities.http_rules.empty()) {
    auto rules = std::make_shared<const std::vector<http_rule>>(wish_.capabilities.http_rules);
    auto certificate = egress_->speak_http(std::move(rules));
    if (!certificate)
      return std::move(certificate).why();
    http_certificate_ = *std::move(certificate);
  }
  return egress_->serve(worker_, info_.processes == process_mode::children);
}

// What stands still in `connect` hears no interrupt. EINTR says to Python that signals have come
// and, when none of them raised, that the connection is on its way: right for the execution that
// has the interpreter and is being stopped. On the event loop it may be another's connection: that
// fails.
void session_core::interrupt_connect(const in_flight& target) {
  if (!egress_)
    return;
  if (is_front(target))
    egress_->interrupt(EINTR);
  else if (sent_.empty())
    egress_->interrupt(ECONNABORTED);
}

// Whose code makes the calls of the moment: the execution that has the interpreter, or the only one
// that waits inside of it.
session_core::in_flight* session_core::to_blame() noexcept {
  if (!sent_.empty())
    return &sent_.front();
  return parked_.size() == 1 ? &parked_.begin()->second : nullptr;
}

std::string session_core::blamed_request() {
  auto* blamed = to_blame();
  return blamed != nullptr ? blamed->what->request().request_id : std::string{};
}

worker::fate session_core::on_call(const sandbox::caught_call& call) {
  using sandbox::call_kind;
  auto kind = sandbox::kind_of(call);
  bool children = info_.processes == process_mode::children;
  if (kind == call_kind::connect) {
    if (children && sandbox::connect_local(worker_->listener_fd(), call))
      return worker::fate::settled;
    if (egress_)
      return egress_->connect(call, blamed_request());
    watch_.egress_ended(tenant_, label_, std::string{name_of(egress_outcome::no_policy)});
    watch_.audit(audit_event::egress_refused, {tenant_, info_.id, blamed_request()},
                 {{"outcome", name_of(egress_outcome::no_policy)}});
    return worker::fate::refused;
  }
  if (kind == call_kind::other || !children)
    return worker::fate::refused;
  // Where to bind is in memory, and which socket is a number: both may change after a look at them.
  // A session without connections to the outside may bind as it likes: its own network has nobody
  // in it, and an abstract name can be reached by `connect` alone, which never gets there. In
  // others a socket of the host's could come to be meant, so it is done from here.
  if (egress_ && sandbox::bind_or_listen(worker_->listener_fd(), call))
    return worker::fate::settled;
  if (kind == call_kind::fork && !may_fork_now()) {
    sandbox::answer(worker_->listener_fd(), call, EAGAIN);
    return worker::fate::turned_down;
  }
  if (kind == call_kind::fork)
    watch_family();
  sandbox::carry_on(worker_->listener_fd(), call);
  return worker::fate::settled;
}

// How many there are at once is the kernel's business (RLIMIT_NPROC). This is for those who make
// them and let them end, for ever.
bool session_core::may_fork_now() {
  auto now = clock_type::now();
  auto taken = std::max(forks_free_at_ - now, clock_type::duration::zero());
  if (taken / fork_interval >= forks_at_once)
    return false;
  forks_free_at_ = std::max(forks_free_at_, now) + fork_interval;
  return true;
}

} // namespace vivarium
