// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/cpu_balance.hpp"
#include "actors/execution.hpp"
#include "actors/observer.hpp"
#include "actors/resource_watch.hpp"
#include "sandbox/family.hpp"
#include "sandbox/priority.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vivarium {

class cpu_shares;

/// A session's worker as the shares of its tenant know it. Its session holds it, and lets go of it
/// before it lets go of the worker.
class cpu_user : public std::enable_shared_from_this<cpu_user> {
public:
  /// With `children` it may have processes, which count as well.
  cpu_user(cpu_shares& shares, cpu_balance::party& of, pid_t pid, int listener, bool children)
      : shares_{shares}, of_{of}, pid_{pid}, listener_{listener} {
    if (children)
      family_ = std::make_shared<sandbox::family>(pid);
  }
  cpu_user(const cpu_user&) = delete;
  cpu_user& operator=(const cpu_user&) = delete;
  ~cpu_user();

  /// Has its processes counted by who looks at them anyway.
  void counted_by(std::shared_ptr<const watched_worker> what) noexcept {
    counted_ = std::move(what);
  }
  /// Whether it runs something; told as often as need be.
  void set_busy(bool busy) {
    busy_ = busy;
    if (busy && !stirred_)
      stir();
  }

private:
  friend class cpu_shares;
  void stir();

  cpu_shares& shares_;
  cpu_balance::party& of_;
  pid_t pid_;
  int listener_;                            // hangs up when the pid is no longer the worker's
  std::shared_ptr<sandbox::family> family_; // the thread's, see `cpu_shares::crowds_`
  std::shared_ptr<const watched_worker> counted_;
  std::chrono::microseconds seen_{};
  sandbox::standing where_ = sandbox::standing::usual;
  bool busy_ = false;
  bool stirred_ = false; // it is among those that are looked at
};

/// A pool's own processes, which make workers for one tenant or for several. The pool holds it.
class cpu_pool : public std::enable_shared_from_this<cpu_pool> {
public:
  /// `outer`: the jail's first process, a child of this one that the pool reaps.
  cpu_pool(cpu_shares& shares, pid_t outer) noexcept : shares_{shares}, outer_{outer} {}
  cpu_pool(const cpu_pool&) = delete;
  cpu_pool& operator=(const cpu_pool&) = delete;

  /// A tenant wants a worker.
  void asked_by(const std::string& tenant);
  /// A zygote is about to be started: what it imports is not to wait for everybody.
  void starting();
  /// The zygote of a generation has made this worker. Quick unless it is the first one.
  void made(pid_t worker, std::uint32_t generation);

private:
  friend class cpu_shares;

  cpu_shares& shares_;
  pid_t outer_;
  pid_t launcher_ = 0;
  pid_t zygote_ = 0;
  std::uint32_t generation_ = 0;
  std::chrono::microseconds seen_{};
  std::map<std::string, unsigned> asked_; // since the last look
  std::set<std::string> users_;           // ever; there are not many tenants
  sandbox::standing where_ = sandbox::standing::usual;
  bool grouped_ = false; // its group has the niceness of `where_`
};

/// How the shares are kept.
struct cpu_share_settings {
  std::chrono::milliseconds interval{100}; ///< Between two looks, while anybody computes.
  std::chrono::milliseconds soon{2};       ///< While there is more to put in its place.
  std::size_t looks = 1'024;               ///< Workers in a look, 0.5 us each.
  std::size_t moves = 8;                   ///< Of them put elsewhere, 15 us each.
  bool enforced = true;                    ///< Else it is only counted.
  std::function<unsigned(const std::string&)> weight_of;
  /// How many requests of a tenant the daemon has begun ever.
  std::function<std::uint64_t(const std::string&)> requests_of;
  /// Puts the control group of a tenant behind; null where there are none with the CPU controller.
  std::function<void(const std::string&, bool)> put_group;
};

// The kernel shares the CPU among threads: who runs more of them has more of it, and whoever has
// one waits for its turn behind all of them. These shares are the tenants': what the workers of
// each use is added up, and the workers of those who use more than their part run only when no
// other wants to, until they use less. So a tenant with little to do does not meet a neighbour's
// flood.

/// Looks at who computes, by a timer of its own that rests when nobody does. Reactor thread.
class cpu_shares {
public:
  cpu_shares(boost::asio::io_context& reactor, observer& told, sandbox::priorities how,
             cpu_share_settings with);
  cpu_shares(const cpu_shares&) = delete;
  cpu_shares& operator=(const cpu_shares&) = delete;

  /// A worker of a tenant, which has been given to a session.
  [[nodiscard]] std::shared_ptr<cpu_user> add(const std::string& tenant, pid_t worker, int listener,
                                              int niceness, bool children);
  [[nodiscard]] std::shared_ptr<cpu_pool> add_pool(pid_t outer);

  /// One look; also for tests.
  void look(clock_type::time_point now = clock_type::now());

private:
  friend class cpu_user;
  friend class cpu_pool;
  using user_list = std::vector<std::weak_ptr<cpu_user>>;

  cpu_balance::party& party_of(const std::string& tenant);
  void charge(cpu_user& one);
  void charge(cpu_pool& one);
  [[nodiscard]] static std::chrono::microseconds used_by(const cpu_pool& one);
  [[nodiscard]] sandbox::standing wanted(const cpu_balance::party& of) const noexcept;
  void place(cpu_user& one);
  void put(const cpu_user& one);
  void place(cpu_pool& one);
  void look_at_users();
  void look_at_quiet_ones();
  void look_at_pools();
  void share_daemon();
  void settle(clock_type::time_point now);
  void move_back();
  void arm();

  boost::asio::steady_timer timer_;
  observer& told_;
  sandbox::priorities how_;
  cpu_share_settings with_;
  cpu_balance balance_;
  user_list active_;    // that run something, or did
  user_list recent_;    // of them those that were looked at last
  user_list all_;       // and those that have gone, until they are come across
  user_list displaced_; // whose standing is not the usual one
  std::vector<std::weak_ptr<cpu_pool>> pools_;
  std::chrono::microseconds own_seen_{}; // of the daemon itself
  std::size_t live_ = 0;                 // of all_
  std::size_t next_quiet_ = 0;
  std::size_t moves_left_ = 0;
  bool hurry_ = false;
  clock_type::time_point settled_{};
  bool armed_ = false;
  // Puts the processes of sessions that may have some: finding those takes milliseconds. Made when
  // it is needed; last, since it uses the rest.
  std::optional<boost::asio::thread_pool> crowds_;
};

} // namespace vivarium
