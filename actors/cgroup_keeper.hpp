// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/cgroup_tree.hpp"

#include <boost/asio/io_context.hpp>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace vivarium {

/// The daemon's control groups, kept by a thread of their own: moving a process into a group makes
/// the kernel wait for every processor, for milliseconds that the reactor does not have. Answers
/// come on the reactor's thread. The destructor finishes what was ordered.
class cgroup_keeper {
public:
  cgroup_keeper(boost::asio::io_context& reactor, sandbox::cgroup_tree tree);
  cgroup_keeper(const cgroup_keeper&) = delete;
  cgroup_keeper& operator=(const cgroup_keeper&) = delete;
  ~cgroup_keeper();

  /// Puts a worker into a group of its session; `then` gets its folder.
  void place(std::string tenant, std::string session, sandbox::cgroup_limits limits, pid_t worker,
             std::function<void(result<std::string>)> then);
  /// Holds all sessions of a tenant together to these limits; what is absent has none.
  void limit_tenant(std::string tenant, sandbox::cgroup_limits limits);
  /// Has all sessions of a tenant run only when no other tenant's want to, or as usual again.
  void put_behind(std::string tenant, bool behind);
  /// Kills what is in a session's group and removes it.
  void end(std::string folder);

private:
  void order(std::function<void()> what);
  void work();

  boost::asio::io_context& reactor_;
  sandbox::cgroup_tree tree_; // the thread's
  std::mutex guard_;          // of what follows
  std::condition_variable wake_;
  std::deque<std::function<void()>> orders_;
  bool ending_ = false;
  std::thread thread_; // last: it uses everything else
};

} // namespace vivarium
