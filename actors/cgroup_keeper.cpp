// SPDX-License-Identifier: Apache-2.0
#include "actors/cgroup_keeper.hpp"

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include <utility>

namespace vivarium {

cgroup_keeper::cgroup_keeper(boost::asio::io_context& reactor, sandbox::cgroup_tree tree)
    : reactor_{reactor}, tree_{std::move(tree)}, thread_{[this] { work(); }} {}

cgroup_keeper::~cgroup_keeper() {
  {
    std::lock_guard lock{guard_};
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void cgroup_keeper::order(std::function<void()> what) {
  {
    std::lock_guard lock{guard_};
    orders_.push_back(std::move(what));
  }
  wake_.notify_one();
}

void cgroup_keeper::work() {
  std::unique_lock lock{guard_};
  for (;;) {
    wake_.wait(lock, [this] { return ending_ || !orders_.empty(); });
    if (orders_.empty())
      break;
    auto next = std::move(orders_.front());
    orders_.pop_front();
    lock.unlock();
    next();
    lock.lock();
  }
  tree_.finish();
}

void cgroup_keeper::place(std::string tenant, std::string session, sandbox::cgroup_limits limits,
                          pid_t worker, std::function<void(result<std::string>)> then) {
  order([this, tenant = std::move(tenant), session = std::move(session), limits, worker,
         then = std::move(then)]() mutable {
    auto made = tree_.place(tenant, session, limits, worker);
    boost::asio::post(reactor_, [made = std::move(made), then = std::move(then)]() mutable {
      then(std::move(made));
    });
  });
}

void cgroup_keeper::limit_tenant(std::string tenant, sandbox::cgroup_limits limits) {
  order([this, tenant = std::move(tenant), limits] {
    if (auto ok = tree_.limit_tenant(tenant, limits); !ok)
      spdlog::error("control group of tenant '{}': {}", tenant, ok.why().detail);
  });
}

void cgroup_keeper::put_behind(std::string tenant, bool behind) {
  order([this, tenant = std::move(tenant), behind] {
    if (auto ok = tree_.put_behind(tenant, behind); !ok)
      spdlog::error("control group of tenant '{}': {}", tenant, ok.why().detail);
  });
}

void cgroup_keeper::end(std::string folder) {
  order([folder = std::move(folder)] {
    if (auto ok = sandbox::cgroup_tree::end(folder); !ok)
      spdlog::error("a control group is left over: {}", ok.why().detail);
  });
}

} // namespace vivarium
