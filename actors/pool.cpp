// SPDX-License-Identifier: Apache-2.0
#include "actors/pool.hpp"

#include "actors/handlers.hpp"
#include "actors/verdicts.hpp"
#include "bridge/worker_protocol.hpp"
#include "sandbox/attest.hpp"
#include "sandbox/memory.hpp"

#include <boost/asio/post.hpp>
#include <caf/all.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include <fcntl.h>

namespace vivarium {

using namespace std::chrono_literals;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

constexpr int events_per_turn = 64;
// Orders that the zygote works on at once: enough to keep it busy, few enough that a session that
// asks now does not stand behind a long refill.
constexpr std::size_t max_ordered = 16;
// When the pool is low but nobody waits: two keep the zygote and the sealing of a worker busy, and
// whoever uses a session at that moment is not held up by more of them.
constexpr std::size_t max_ahead = 2;
// Not in the moment after a session has got its worker either: its first execution is under way.
constexpr auto courtesy = 1ms;
// While the pool is above its low mark a refill waits for a moment in which nothing has run for so
// long: making a worker takes a core for more than a millisecond, and whoever took one is at work.
constexpr clock_type::duration quiet_moment = 2ms;
// A daemon that is never quiet is not asked so often.
constexpr clock_type::duration longest_look = 32ms;
// A zygote that lived so long was healthy: its end is not counted against the next one.
constexpr auto healthy_life = 10s;
// After so many failures in a row those who wait are refused instead of being kept waiting.
constexpr unsigned patience = 3;
constexpr unsigned max_worker_failures = 8;
// An order that takes longer has met a zygote that hangs.
constexpr auto order_patience = 10s;

std::string describe(const sandbox::zygote_ended& end) {
  auto text = vivarium::describe(
      cause_of(worker_end{.worker = 0, .known = true, .wait_status = end.wait_status}));
  // That speaks of a worker; here it is the zygote's process.
  text.replace(0, std::string_view{"its worker"}.size(), "the interpreter");
  return end.detail.empty() ? text : text + ": " + end.detail;
}

// Importing for nothing is dear; workers fail for want of something that may soon be there again.
constexpr auto longest_zygote_pause = 60s;
constexpr auto longest_worker_pause = 10s;

clock_type::duration pause_after(unsigned failures, clock_type::duration longest) {
  if (failures <= 1)
    return 0s;
  return std::min<clock_type::duration>(longest, 100ms * (1u << std::min(failures - 2, 10u)));
}

} // namespace

pool_core::pool_core(pool_plan plan, pool_actor self)
    : plan_{std::move(plan)}, self_{std::move(self)}, timer_{plan_.reactor} {
  start_jail();
}

pool_core::~pool_core() {
  // Whoever holds a worker of this jail learns that it is gone: the jail ends with this object.
  jail_failed("its pool ended");
}

// -- jail and zygote
// --------------------------------------------------------------------------------

void pool_core::start_jail() {
  const auto& config = plan_.config;
  const auto& environment = *plan_.installation;
  sandbox::jail_plan order{
      .environment = plan_.environment,
      .launcher = config.launcher,
      .python = environment.python,
      .runtime = config.runtime,
      .preload = environment.preload,
      .wrapper = environment.wrapper,
      .dirs = environment.dirs,
      .import_paths = environment.import_paths,
      .hash_seed = environment.hash_seed,
      .limits = config.sealed,
      .without = config.without,
      .uid_base = plan_.uid_base,
  };
  auto made = sandbox::jail::start(order);
  if (!made)
    return zygote_failed(made.why().detail);
  int fd = ::fcntl(made->control_fd(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0)
    return zygote_failed(os_error("dup", "control socket", errno).detail);
  jail_.emplace(std::move(*made));
  if (plan_.shares != nullptr && plan_.config.tenants.size() > 1)
    share_ = plan_.shares->add_pool(jail_->launcher_pid());
  control_.emplace(plan_.reactor, fd);
  watch_control();
  start_zygote();
}

void pool_core::start_zygote() {
  zygote_up_ = false;
  zygote_starting_ = true;
  zygote_since_ = clock_type::now();
  note_attempt();
  if (share_)
    share_->starting();
  // One that is still importing is killed for the sake of the new one.
  auto ok = jail_->start_zygote(++generation_);
  if (!ok)
    return zygote_failed(ok.why().detail);
  tick_at(zygote_since_ + plan_.config.zygote_timeout);
}

void pool_core::zygote_is_ready() {
  zygote_up_ = true;
  zygote_starting_ = false;
  zygote_since_ = clock_type::now();
  zygote_forks_ = 0;
  // The first one has yet to show that its workers can be sealed.
  plan_.board->serves = proven_ || ready_wanted() == 0;
  if (worker_failures_ < max_worker_failures)
    plan_.board->trouble.clear();
  plan_.watch.zygote_started(plan_.environment, plan_.group);
  spdlog::info("environment '{}': zygote {} is ready", plan_.environment, generation_);
}

void pool_core::zygote_failed(const std::string& reason, retry chance) {
  auto detail = plan_.installation->python + ": " + reason;
  if (!plan_.installation->packages.empty()
      && reason.find("ModuleNotFoundError") != std::string::npos)
    detail += " (of " + plan_.installation->packages + ")";
  bool was_healthy = zygote_up_ && clock_type::now() - zygote_since_ > healthy_life;
  zygote_up_ = zygote_starting_ = false;
  plan_.board->serves = false;
  failures_in_a_row_ = was_healthy ? 1 : failures_in_a_row_ + 1;
  auto now = clock_type::now();
  retry_at_ = count_failure(now + pause_after(failures_in_a_row_, longest_zygote_pause), detail);
  spdlog::error("environment '{}': no zygote (failure {} in a row, next attempt in {} ms): {}",
                plan_.environment, failures_in_a_row_,
                duration_cast<milliseconds>(retry_at_ - now).count(), detail);
  if (failures_in_a_row_ >= patience || chance == retry::in_vain || is_open())
    in_trouble(std::move(detail));
  tick_at(retry_at_);
}

void pool_core::in_trouble(std::string why) {
  plan_.board->hopeless = !proven_;
  plan_.board->trouble = std::move(why);
  refuse_waiting(trouble());
}

error pool_core::trouble() const {
  if (is_open())
    return plan_.board->breaker.refusal(clock_type::now(),
                                        "environment '" + plan_.environment + "'");
  return {errc::sandbox_unavailable,
          "environment '" + plan_.environment + "' cannot start: " + plan_.board->trouble};
}

void pool_core::jail_failed(const std::string& detail) {
  control_.reset();
  share_.reset();
  jail_.reset();
  idle_.clear();
  greeted_.clear();
  auto lost = std::exchange(workers_, {});
  coming_ = lent_ = 0;
  publish_level();
  for (auto& [number, e] : lost) {
    if (!e.owner)
      continue;
    caf::anon_send(e.owner, atom::exited_v, worker_end{.worker = number});
    caf::anon_send(e.owner, atom::gone_v, number);
  }
  if (!dormant_ && (!lost.empty() || zygote_up_))
    spdlog::warn("environment '{}': jail ended with {} worker(s): {}", plan_.environment,
                 lost.size(), detail);
}

// -- orders from sessions
// ---------------------------------------------------------------------------

void pool_core::acquire(session_actor who, const std::string& tenant) {
  if (draining_)
    return caf::anon_send(who, atom::refused_v, error{errc::unavailable, "the daemon is stopping"});
  if (closing_)
    return caf::anon_send(who, atom::refused_v,
                          error{errc::unavailable, "the environment has just been replaced or "
                                                   "removed; try again"});
  plan_.watch.pool_asked(plan_.environment, plan_.group, !idle_.empty());
  used_ = clock_type::now();
  if (std::exchange(dormant_, false))
    start_jail();
  if (idle_.empty() && (is_open() || !plan_.board->trouble.empty())
      && clock_type::now() < retry_at_)
    return caf::anon_send(who, atom::refused_v, trouble());
  if (idle_.empty() && live_in_all() >= plan_.config.max_workers)
    return caf::anon_send(who, atom::refused_v,
                          error{errc::limit_exceeded, "the daemon runs its maximum of "
                                                          + std::to_string(plan_.config.max_workers)
                                                          + " workers"});
  if (share_)
    share_->asked_by(tenant);
  waiting_.push(tenant, std::move(who));
  while (!idle_.empty() && !waiting_.empty()) {
    auto worker = idle_.front();
    idle_.pop_front();
    lend(worker);
  }
  refill();
}

void pool_core::cancel(const session_actor& who) {
  waiting_.erase(who);
}

void pool_core::lend(std::uint64_t worker) {
  auto& e = workers_.at(worker);
  move(e, phase::lent);
  e.owner = waiting_.pop();
  if (auto now = clock_type::now(); now >= courtesy_ends_)
    courtesy_ends_ = now + courtesy;
  caf::anon_send(e.owner, atom::granted_v, std::move(e.held));
  e.held = nullptr;
  publish_level();
}

void pool_core::release(std::uint64_t worker) {
  if (auto it = workers_.find(worker); it != workers_.end())
    kill(worker, it->second);
}

void pool_core::interrupt(std::uint64_t worker, std::uint64_t number) {
  if (!jail_ || !workers_.contains(worker))
    return;
  if (auto ok = jail_->interrupt(worker, number); !ok)
    spdlog::warn("environment '{}': interrupt not sent: {}", plan_.environment, ok.why().detail);
}

void pool_core::resize(std::uint64_t worker, std::uint64_t bytes, std::uint32_t inodes) {
  auto ok = jail_ ? jail_->resize(worker, bytes, inodes)
                  : status{error{errc::unavailable, "the jail has ended"}};
  if (!ok)
    told(sandbox::worker_resized{worker, EAGAIN});
}

void pool_core::told(const sandbox::worker_resized& resized) {
  auto it = workers_.find(resized.worker);
  if (it != workers_.end() && it->second.owner)
    caf::anon_send(it->second.owner, atom::resized_v, resized.errno_value);
}

void pool_core::drain() {
  draining_ = true;
  refuse_waiting(error{errc::unavailable, "the daemon is stopping"});
  for (auto worker : std::exchange(idle_, {}))
    kill(worker, workers_.at(worker));
}

void pool_core::close() {
  closing_ = true;
  refuse_waiting(error{errc::unavailable, "the environment has been replaced or removed"});
  for (auto worker : std::exchange(idle_, {}))
    kill(worker, workers_.at(worker));
  end_if_closed();
}

std::uint64_t pool_core::recycle() {
  if (draining_ || closing_ || dormant_)
    return 0;
  std::vector<std::uint64_t> old;
  for (const auto& [number, e] : workers_)
    if (e.now == phase::ordered || e.now == phase::greeting || e.now == phase::idle)
      old.push_back(number);
  for (auto number : old)
    kill(number, workers_.at(number));
  spdlog::info("environment '{}': recycling the zygote of group '{}' and {} worker(s)",
               plan_.environment, plan_.group, old.size());
  // Whoever orders it has mended what failed.
  failures_in_a_row_ = worker_failures_ = 0;
  plan_.board->trouble.clear();
  refill_not_before_ = {};
  count_success();
  if (jail_)
    start_zygote();
  else
    start_jail();
  publish_level();
  return old.size();
}

void pool_core::end_if_closed() {
  if (!closing_ || lent_ > 0)
    return;
  dormant_ = true;
  jail_failed("its pool has been closed");
  plan_.board->in_use = false;
  if (auto closed = std::exchange(plan_.closed, nullptr))
    closed();
}

std::size_t pool_core::ready_wanted() const noexcept {
  return std::min(plan_.config.pool_ready,
                  plan_.installation->ready.value_or(plan_.config.pool_ready));
}

void pool_core::refuse_waiting(const error& why) {
  for (auto all = std::exchange(waiting_, {}); !all.empty();)
    caf::anon_send(all.pop(), atom::refused_v, why);
}

void pool_core::kill(std::uint64_t worker, entry& e) {
  if (e.now == phase::dying)
    return;
  auto before = e.now;
  move(e, phase::dying);
  std::erase(idle_, worker);
  e.held = nullptr;
  if (!jail_)
    return;
  // A full control socket is the one way this can fail; the tick tries again.
  if (auto ok = jail_->kill(worker); !ok) {
    move(e, before);
    spdlog::error("environment '{}': worker not killed: {}", plan_.environment, ok.why().detail);
    caf::delayed_anon_send(self_, 100ms, atom::release_v, worker);
  }
}

void pool_core::forget(std::uint64_t worker) {
  auto it = workers_.find(worker);
  if (it == workers_.end())
    return;
  std::erase(idle_, worker);
  move(it->second, phase::dying);
  if (it->second.owner) {
    used_ = clock_type::now();
    tick_at(retire_at());
    caf::anon_send(it->second.owner, atom::gone_v, worker);
  }
  workers_.erase(it);
  publish_level();
  if (closing_) // Not from here: whoever calls still reads from the jail.
    caf::anon_send(self_, atom::tick_v);
}

// -- news from the jail
// -----------------------------------------------------------------------------

void pool_core::watch_control() {
  control_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [address = caf::actor_cast<caf::actor_addr>(self_)](auto ec) {
                         auto strong = caf::actor_cast<caf::actor>(address);
                         if (ec != boost::asio::error::operation_aborted && strong)
                           caf::anon_send(strong, atom::input_v);
                       });
}

void pool_core::on_control() {
  if (!jail_)
    return;
  for (int n = 0; n < events_per_turn; ++n) {
    auto next = jail_->receive();
    if (!next)
      break;
    if (auto* ended = std::get_if<sandbox::jail_ended>(&*next)) {
      auto detail = ended->detail;
      jail_failed(detail);
      plan_.watch.jail_restarted(plan_.environment, plan_.group);
      return zygote_failed("its jail ended: " + detail);
    }
    if (auto* up = std::get_if<sandbox::zygote_ready>(&*next)) {
      if (up->generation != generation_)
        continue;
      zygote_is_ready();
    } else if (auto* down = std::get_if<sandbox::zygote_ended>(&*next)) {
      // What it had been ordered to make will not come.
      for (auto it = workers_.begin(); it != workers_.end();) {
        auto& e = it->second;
        bool lost = e.now == phase::ordered && e.generation == down->generation;
        if (lost)
          move(e, phase::dying);
        it = lost ? workers_.erase(it) : std::next(it);
      }
      if (down->generation == generation_)
        zygote_failed(describe(*down));
    } else if (auto* ready = std::get_if<sandbox::worker_ready>(&*next)) {
      told(std::move(*ready));
    } else if (auto* failed = std::get_if<sandbox::worker_failed>(&*next)) {
      told(*failed);
    } else if (auto* exited = std::get_if<sandbox::worker_exited>(&*next)) {
      told(*exited);
    } else if (auto* resized = std::get_if<sandbox::worker_resized>(&*next)) {
      told(*resized);
    } else if (auto* gone = std::get_if<sandbox::worker_gone>(&*next)) {
      forget(gone->worker);
    }
  }
  refill();
  watch_control();
}

void pool_core::told(sandbox::worker_ready&& ready) {
  auto number = ready.worker;
  auto it = workers_.find(number);
  auto made = std::make_shared<worker>(plan_.reactor, std::move(ready), releaser());
  if (it == workers_.end() || it->second.now != phase::ordered)
    return; // It is not wanted any more; letting go of it kills it.
  move(it->second, phase::greeting);
  it->second.held = made;
  made->answer_calls();
  watch_greeting(number, *made);
}

void pool_core::watch_greeting(std::uint64_t number, worker& from) {
  from.when_readable([address = caf::actor_cast<caf::actor_addr>(self_), number] {
    if (auto strong = caf::actor_cast<caf::actor>(address))
      caf::anon_send(strong, atom::input_v, number);
  });
}

void pool_core::worker_failed(const std::string& reason, fault whose) {
  // One may fail by chance; when all fail, ordering more at full speed would only burn the machine.
  ++worker_failures_;
  auto again = clock_type::now() + pause_after(worker_failures_, longest_worker_pause);
  if (whose == fault::environment)
    again = count_failure(again, reason);
  refill_not_before_ = retry_at_ = again;
  if (worker_failures_ >= max_worker_failures || is_open()) {
    plan_.board->serves = false;
    in_trouble("workers cannot be made ready: " + reason);
  }
  tick_at(refill_not_before_);
}

worker::release_function pool_core::releaser() const {
  return [address = caf::actor_cast<caf::actor_addr>(self_)](std::uint64_t number) {
    if (auto strong = caf::actor_cast<caf::actor>(address))
      caf::anon_send(strong, atom::release_v, number);
  };
}

// Attestation reads a dozen files of the kernel. Many workers greet at once while a pool fills; the
// sockets of those who wait for nothing of the kind are looked at in between.
void pool_core::on_greeting(std::uint64_t number) {
  greeted_.push_back(number);
  if (greeted_.size() == 1)
    on_greeted();
}

void pool_core::on_greeted() {
  if (greeted_.empty())
    return;
  auto number = greeted_.front();
  if (auto it = workers_.find(number); it != workers_.end() && it->second.now == phase::greeting)
    judge(number, it->second);
  if (greeted_.empty()) // The jail ended meanwhile.
    return;
  greeted_.pop_front();
  if (!greeted_.empty())
    boost::asio::post(plan_.reactor, [address = caf::actor_cast<caf::actor_addr>(self_)] {
      if (auto strong = caf::actor_cast<caf::actor>(address))
        caf::anon_send(strong, atom::greeted_v);
    });
}

void pool_core::judge(std::uint64_t number, entry& e) {
  auto refuse = [&](const char* step, const std::string& detail) {
    plan_.watch.worker_refused(plan_.environment, plan_.group, step);
    spdlog::error("environment '{}': worker {} refused at {}: {}", plan_.environment, number, step,
                  detail);
    kill(number, e);
    worker_failed(detail);
  };
  if (e.held->read_some() == worker::read_outcome::closed)
    return refuse("greeting", "it closed its channel");
  auto frame = e.held->frames().next();
  if (!frame)
    return refuse("greeting", frame.why().detail);
  if (!*frame)
    return watch_greeting(number, *e.held); // not all of it is there yet
  if ((*frame)->type != bridge::frame_type::hello)
    return refuse("greeting", "it began with a frame of type "
                                  + std::to_string(static_cast<int>((*frame)->type)));
  auto hello = bridge::decode_hello((*frame)->body);
  if (!hello || hello->protocol != bridge::worker_protocol_version)
    return refuse("greeting", hello ? "it speaks another protocol" : hello.why().detail);
  e.held->set_python_version(hello->python_version);
  if (auto ok = sandbox::attest_worker(e.held->host_pid(), plan_.config.without); !ok)
    return refuse("attest", ok.why().detail);
  if (auto now = sandbox::read_memory(e.held->host_pid()))
    e.held->set_born_with(*now);
  if (share_)
    share_->made(e.held->host_pid(), e.generation);
  failures_in_a_row_ = worker_failures_ = 0;
  proven_ = true;
  plan_.board->clear();
  count_success();
  plan_.board->serves = zygote_up_;
  plan_.watch.worker_made(plan_.environment, plan_.group,
                          duration_cast<microseconds>(clock_type::now() - e.ordered));
  move(e, phase::idle);
  if (!waiting_.empty()) {
    lend(number);
  } else if (!closing_ && idle_.size() < ready_wanted() + (oldest_until() <= clock_type::now())) {
    idle_.push_back(number);
    publish_level();
    retire_oldest();
    tick_at(oldest_until());
  } else {
    // Whoever wanted it has left. Kept, those of a client that asks and leaves would fill memory.
    kill(number, e);
  }
  refill();
}

void pool_core::told(const sandbox::worker_failed& failed) {
  auto it = workers_.find(failed.worker);
  bool wanted = it != workers_.end() && it->second.now != phase::dying;
  if (it != workers_.end()) {
    move(it->second, phase::dying);
    workers_.erase(it);
  }
  publish_level();
  if (!wanted)
    return; // It was killed before it was ready, as ordered.
  plan_.watch.worker_refused(plan_.environment, plan_.group, failed.step);
  bool zygotes_end = failed.step.find("zygote") != std::string::npos;
  if (zygotes_end || failed.errno_value == 0 || failed.errno_value == ECANCELED) {
    // It died, or the zygote before it could make it. That is counted where it is noticed.
    spdlog::warn("environment '{}': worker {}: {}", plan_.environment, failed.worker, failed.step);
    return;
  }
  auto detail = os_error(failed.step, "", failed.errno_value).detail;
  spdlog::error("environment '{}': worker {} failed: {}", plan_.environment, failed.worker, detail);
  bool ours = failed.errno_value == EMFILE || failed.errno_value == ENFILE;
  worker_failed(detail, ours ? fault::daemon : fault::environment);
}

void pool_core::told(const sandbox::worker_exited& exited) {
  auto it = workers_.find(exited.worker);
  if (it == workers_.end())
    return;
  auto& e = it->second;
  if (e.owner)
    caf::anon_send(
        e.owner, atom::exited_v,
        worker_end{exited.worker, true, exited.wait_status, exited.cpu, exited.peak_memory_bytes});
  kill(exited.worker, e); // Its descendants, if it has any.
}

// -- keeping ready
// ----------------------------------------------------------------------------------

void pool_core::move(entry& e, phase to) {
  auto counts = [](phase p) { return p == phase::ordered || p == phase::greeting; };
  lent_ += to == phase::lent ? 1 : 0;
  lent_ -= e.now == phase::lent ? 1 : 0;
  coming_ += counts(to) ? 1 : 0;
  coming_ -= counts(e.now) ? 1 : 0;
  e.now = to;
}

void pool_core::refill() {
  if (!zygote_up_ || draining_ || closing_ || !jail_)
    return;
  if (clock_type::now() < refill_not_before_)
    return tick_at(refill_not_before_);
  // Before one that has stood there for too long is ended there is another in its place.
  auto wanted = ready_wanted() + waiting_.size() + (oldest_until() <= clock_type::now() ? 1 : 0);
  if (idle_.size() + coming_ >= wanted)
    return;
  bool urgent = !waiting_.empty() || idle_.size() + coming_ <= plan_.config.pool_low;
  if (!urgent && (coming_ > 0 || plan_.load.quiet_for() < quiet_moment)) {
    auto pause = std::exchange(next_look_, std::min(2 * next_look_, longest_look));
    return tick_at(clock_type::now() + pause);
  }
  if (waiting_.empty() && !idle_.empty() && clock_type::now() < courtesy_ends_)
    return tick_at(courtesy_ends_);
  next_look_ = quiet_moment;
  auto at_once = !waiting_.empty() ? max_ordered : urgent ? max_ahead : 1;
  while (idle_.size() + coming_ < wanted && coming_ < at_once
         && live_in_all() < plan_.config.max_workers) {
    auto number = next_worker_++;
    if (auto ok = jail_->spawn(number, coming_ < waiting_.size()); !ok) {
      spdlog::warn("environment '{}': no worker ordered: {}", plan_.environment, ok.why().detail);
      return tick_at(clock_type::now() + 10ms);
    }
    auto& e = workers_[number];
    e.generation = generation_;
    move(e, phase::ordered);
    ++zygote_forks_;
  }
  if (coming_ > 0)
    tick_at(clock_type::now() + order_patience);
  publish_level();
}

void pool_core::on_tick() {
  tick_armed_ = clock_type::time_point::max();
  auto now = clock_type::now();
  if (dormant_)
    return;
  if (closing_)
    return end_if_closed();
  if (now >= retire_at())
    return retire();
  if (!zygote_up_ && !zygote_starting_ && !draining_) {
    if (now < retry_at_)
      return tick_at(retry_at_);
    return jail_ ? start_zygote() : start_jail();
  }
  auto start_ends = zygote_starting_ ? zygote_since_ + plan_.config.zygote_timeout
                                     : clock_type::time_point::max();
  if (now >= start_ends) {
    auto reason = "it did not become ready, with its modules imported, within "
                  + std::to_string(plan_.config.zygote_timeout.count()) + " ms";
    // It would go on until the next attempt; only for the sake of live workers it may.
    if (workers_.empty())
      jail_failed(reason);
    return zygote_failed(reason, retry::in_vain);
  }
  bool aged = zygote_forks_ >= plan_.config.zygote_max_forks
              || now - zygote_since_ >= plan_.config.zygote_max_age;
  if (zygote_up_ && !draining_ && aged && coming_ == 0)
    return start_zygote();
  give_up_stuck_orders(now);
  refill();
  // 60 s: for the zygote's age.
  auto oldest = oldest_until();
  tick_at(std::min<clock_type::time_point>({now + (coming_ > 0 ? order_patience : 60s), start_ends,
                                            retire_at(), oldest > now ? oldest : now + 60s}));
}

void pool_core::give_up_stuck_orders(clock_type::time_point now) {
  if (coming_ == 0)
    return;
  std::vector<std::uint64_t> stuck;
  for (const auto& [number, e] : workers_)
    if ((e.now == phase::ordered || e.now == phase::greeting) && now - e.ordered > order_patience)
      stuck.push_back(number);
  for (auto number : stuck) {
    plan_.watch.worker_refused(plan_.environment, plan_.group, "deadline");
    spdlog::error("environment '{}': worker {} was not ready in time", plan_.environment, number);
    kill(number, workers_.at(number));
  }
  if (!stuck.empty()) {
    worker_failed("the zygote did not answer in time");
    start_zygote();
  }
}

void pool_core::tick_at(clock_type::time_point when) {
  if (when >= tick_armed_)
    return;
  tick_armed_ = when;
  timer_.expires_at(when);
  timer_.async_wait([address = caf::actor_cast<caf::actor_addr>(self_)](auto ec) {
    auto strong = caf::actor_cast<caf::actor>(address);
    if (!ec && strong)
      caf::anon_send(strong, atom::tick_v);
  });
}

void pool_core::publish_level() {
  auto& all = plan_.commons.levels[{plan_.environment, plan_.group}];
  plan_.commons.live += workers_.size();
  plan_.commons.live -= told_;
  all.live += workers_.size();
  all.live -= std::exchange(told_, workers_.size());
  all.ready += idle_.size();
  all.ready -= std::exchange(told_ready_, idle_.size());
  plan_.watch.pool_level(plan_.environment, plan_.group, all.ready, all.live);
  plan_.board->in_use = lent_ > 0 || !waiting_.empty();
  plan_.board->figures = {idle_.size(), lent_,         coming_,       waiting_.size(),
                          generation_,  zygote_forks_, zygote_since_, dormant_};
}

std::size_t pool_core::live_in_all() const noexcept {
  return plan_.commons.live - told_ + workers_.size();
}

clock_type::time_point pool_core::retire_at() const noexcept {
  bool wanted = plan_.life == pool_life::lasting || lent_ > 0 || !waiting_.empty() || draining_;
  return wanted ? clock_type::time_point::max() : used_ + plan_.config.pool_idle_retire;
}

void pool_core::retire() {
  spdlog::info("environment '{}': the zygote of group '{}' retires: nobody has used it for {} ms",
               plan_.environment, plan_.group,
               duration_cast<milliseconds>(plan_.config.pool_idle_retire).count());
  dormant_ = true;
  jail_failed("nobody has used it");
  zygote_up_ = zygote_starting_ = false;
  plan_.board->clear();
  publish_level();
}

pool_actor::behavior_type pool(pool_actor::stateful_pointer<pool_actor_state> self,
                               pool_plan plan) {
  speak_through_spdlog(self);
  self->state.core.emplace(std::move(plan), pool_actor{self});
  return {
      [self](atom::acquire, session_actor& who, const std::string& tenant) {
        self->state.core->acquire(std::move(who), tenant);
      },
      [self](atom::cancel, const session_actor& who) { self->state.core->cancel(who); },
      [self](atom::release, std::uint64_t worker) { self->state.core->release(worker); },
      [self](atom::interrupt, std::uint64_t worker, std::uint64_t number) {
        self->state.core->interrupt(worker, number);
      },
      [self](atom::resize, std::uint64_t worker, std::uint64_t bytes, std::uint32_t inodes) {
        self->state.core->resize(worker, bytes, inodes);
      },
      [self](atom::input) { self->state.core->on_control(); },
      [self](atom::input, std::uint64_t worker) { self->state.core->on_greeting(worker); },
      [self](atom::greeted) { self->state.core->on_greeted(); },
      [self](atom::tick) { self->state.core->on_tick(); },
      [self](atom::drain) { self->state.core->drain(); },
      [self](atom::close) { self->state.core->close(); },
      [self](atom::recycle, const reply<std::uint64_t>& to) {
        to.give(self->state.core->recycle());
      },
  };
}

} // namespace vivarium
