// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/circuit.hpp"
#include "actors/cpu_shares.hpp"
#include "actors/fair_queue.hpp"
#include "actors/interfaces.hpp"
#include "actors/load_gauge.hpp"
#include "actors/observer.hpp"
#include "actors/settings.hpp"
#include "actors/worker.hpp"
#include "sandbox/jail.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace vivarium {

/// How a pool stands, for people.
struct pool_figures {
  std::size_t ready = 0;
  std::size_t lent = 0;
  std::size_t coming = 0;
  std::size_t waiting = 0; ///< Sessions.
  std::uint32_t generation = 0;
  std::uint64_t forks = 0; ///< Ordered from the zygote.
  clock_type::time_point zygote_since{};
  bool dormant = false;
};

/// What a pool tells the rest of the daemon without a message, because it is asked all the time.
struct pool_board {
  bool serves = false;   ///< A zygote runs, and it has made workers that pass, if any are wanted.
  std::string trouble;   ///< Why there are no workers; empty when there are or may soon be.
  bool hopeless = false; ///< It has never served, and enough attempts were made.
  bool in_use = false;   ///< A session has, or wants, a worker of it.
  pool_figures figures;
  /// Of its attempts to have a zygote, and workers from it.
  circuit breaker{circuit_settings{.failures = 0}};

  /// Forgets what went wrong, but not how often.
  void clear() {
    serves = hopeless = false;
    trouble.clear();
  }
};

/// What all pools of the daemon have in common.
struct pool_commons {
  struct level {
    std::size_t ready = 0;
    std::size_t live = 0;
  };
  std::size_t live = 0; ///< Workers.
  /// By what metrics call an environment, and trust group: several pools may go by one name.
  std::map<std::pair<std::string, std::string>, level> levels;
};

/// Whether a pool may end its jail when nobody has used it for a while.
enum class pool_life : std::uint8_t { lasting, retiring };

/// What a pool is made from. References outlive the actor system.
struct pool_plan {
  boost::asio::io_context& reactor;
  const settings& config;
  observer& watch;
  load_gauge& load;
  pool_commons& commons;
  cpu_shares* shares;      ///< Null where there is nothing to share.
  std::string environment; ///< For logs and metrics.
  std::shared_ptr<const environment_settings> installation;
  std::string group; ///< Trust group: tenants that may share a zygote.
  pool_life life = pool_life::lasting;
  std::uint32_t uid_base = 0;
  std::shared_ptr<pool_board> board;
  std::function<void()> closed; ///< Called once, when it has ended because it was told to close.
};

// A pool keeps workers ready: ordered from the zygote, sealed by themselves, attested from outside,
// and only then lent. When the zygote dies, or does not become ready in its time, it is started
// again, with a pause that grows up to a minute if that keeps happening; when the whole jail dies
// every worker in it is lost and the jail is built anew. One that nobody has used for a while ends
// its jail, if it may, and builds another when somebody asks.

/// The pool's memory and decisions; the actor `pool` is its mailbox. Reactor thread.
class pool_core {
public:
  explicit pool_core(pool_plan plan, pool_actor self);
  pool_core(const pool_core&) = delete;
  pool_core& operator=(const pool_core&) = delete;
  ~pool_core();

  void acquire(session_actor who, const std::string& tenant);
  void cancel(const session_actor& who);
  void release(std::uint64_t worker);
  void interrupt(std::uint64_t worker, std::uint64_t number);
  void resize(std::uint64_t worker, std::uint64_t bytes, std::uint32_t inodes);
  void on_control();
  void on_greeting(std::uint64_t worker);
  /// Looks at one of the workers that have greeted.
  void on_greeted();
  void on_tick();
  void drain();
  /// Starts another zygote; ends the workers that no session has, and returns how many.
  std::uint64_t recycle();
  /// Lends no more workers, and ends when those that are lent are gone.
  void close();

private:
  enum class phase : std::uint8_t { ordered, greeting, idle, lent, dying };
  struct entry {
    phase now = phase::dying; // until `move` has counted it
    clock_type::time_point ordered = clock_type::now();
    worker_ptr held;     // while greeting or idle
    session_actor owner; // while lent, and until it is gone
    std::uint32_t generation = 0;
  };

  void start_jail();
  void start_zygote();
  void zygote_is_ready();
  enum class retry : std::uint8_t { soon, in_vain };
  void zygote_failed(const std::string& reason, retry chance = retry::soon);
  void in_trouble(std::string why);
  [[nodiscard]] error trouble() const;
  void jail_failed(const std::string& detail);
  void refill();
  void order_worker();
  void lend(std::uint64_t worker);
  void refuse_waiting(const error& why);
  void kill(std::uint64_t worker, entry& e);
  void forget(std::uint64_t worker);
  void told(sandbox::worker_ready&& ready);
  void told(const sandbox::worker_failed& failed);
  void told(const sandbox::worker_exited& exited);
  void told(const sandbox::worker_resized& resized);
  void watch_control();
  void watch_greeting(std::uint64_t number, worker& from);
  /// What the daemon itself has run out of is no fault of the environment: its circuit is not told.
  enum class fault : std::uint8_t { environment, daemon };
  void worker_failed(const std::string& reason, fault whose = fault::environment);

  // pool_health.cpp: attempts that fail, workers that grow old.
  clock_type::time_point count_failure(clock_type::time_point again, const std::string& why);
  void count_success();
  void note_attempt();
  [[nodiscard]] bool is_open() const;
  [[nodiscard]] clock_type::time_point oldest_until() const;
  void retire_oldest();
  void give_up_stuck_orders(clock_type::time_point now);
  void tick_at(clock_type::time_point when);
  void publish_level();
  [[nodiscard]] std::size_t live_in_all() const noexcept;
  [[nodiscard]] clock_type::time_point retire_at() const noexcept;
  void retire();
  void end_if_closed();
  [[nodiscard]] std::size_t ready_wanted() const noexcept;
  void judge(std::uint64_t number, entry& e);
  void move(entry& e, phase to);
  worker::release_function releaser() const;

  pool_plan plan_;
  pool_actor self_;
  std::optional<sandbox::jail> jail_;
  std::optional<boost::asio::posix::stream_descriptor> control_;
  std::shared_ptr<cpu_pool> share_; // of the jail, where there is somebody to share with
  boost::asio::steady_timer timer_;
  clock_type::time_point tick_armed_ = clock_type::time_point::max();

  std::uint32_t generation_ = 0;
  bool zygote_up_ = false;
  bool zygote_starting_ = false;
  bool draining_ = false;
  bool closing_ = false;
  bool proven_ = false;                   // some worker has passed
  clock_type::time_point zygote_since_{}; // since when it starts, then since when it is ready
  std::uint64_t zygote_forks_ = 0;
  unsigned failures_in_a_row_ = 0; // of the zygote
  unsigned worker_failures_ = 0;   // in a row
  clock_type::time_point refill_not_before_{};
  clock_type::time_point courtesy_ends_{};
  clock_type::duration next_look_ = std::chrono::milliseconds{2}; // for a quiet moment
  clock_type::time_point retry_at_{};

  std::uint64_t next_worker_ = 1;
  std::size_t coming_ = 0;                          // entries in the phases ordered and greeting
  std::size_t lent_ = 0;                            // entries in the phase lent
  std::size_t told_ = 0;                            // of workers_, to the commons
  std::size_t told_ready_ = 0;                      // of idle_, likewise
  bool dormant_ = false;                            // without a jail, until somebody asks
  clock_type::time_point used_ = clock_type::now(); // when somebody last had, or wanted, a worker
  std::unordered_map<std::uint64_t, entry> workers_;
  std::deque<std::uint64_t> idle_;
  std::deque<std::uint64_t> greeted_; // to be looked at, one in a turn of the reactor
  fair_queue<session_actor> waiting_; // by tenant
};

/// Memory of the pool actor.
struct pool_actor_state {
  static inline const char* name = "pool";
  std::optional<pool_core> core;
};

/// The pool actor.
pool_actor::behavior_type pool(pool_actor::stateful_pointer<pool_actor_state> self, pool_plan plan);

} // namespace vivarium
