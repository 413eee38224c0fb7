// SPDX-License-Identifier: Apache-2.0
#include "actors/handlers.hpp"
#include "actors/supervisor.hpp"
#include "tests/actors/silent_observer.hpp"

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <catch2/catch.hpp>

using namespace vivarium;
using vivarium::test::silent_observer;
using namespace std::chrono_literals;

namespace {

// Fails, quits in order, or does nothing, as it is told.
caf::behavior moody(caf::event_based_actor* self) {
  speak_through_spdlog(self);
  return {[self](int order) {
    if (order == 0)
      self->quit();
    else
      throw std::runtime_error("told to fail");
  }};
}

struct fixture {
  caf::actor_system_config settings;
  caf::actor_system system{prepare(settings)};
  caf::scheduler::test_coordinator& schedule =
      dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  silent_observer watch;
  int escalations = 0;
  std::vector<caf::actor> children;
  supervisor_actor root =
      system.spawn(supervisor, restart_intensity{3, 10s}, &watch, [this] { ++escalations; });

  fixture() {
    schedule.clock().current_time += 1h;
    children.push_back(system.spawn(moody));
    caf::anon_send(root, atom::watch_v, std::string{"moody"}, children.back(),
                   std::function<caf::actor()>{[this] {
                     children.push_back(system.spawn(moody));
                     return children.back();
                   }});
    schedule.run();
  }

  ~fixture() {
    caf::anon_send_exit(root, caf::exit_reason::kill);
    for (auto& child : children)
      caf::anon_send_exit(child, caf::exit_reason::kill);
    children.clear();
    root = nullptr;
    schedule.run();
  }

  static caf::actor_system_config& prepare(caf::actor_system_config& c) {
    c.set("scheduler.policy", caf::atom("testing"));
    return c;
  }

  void tell(int order) {
    caf::anon_send(children.back(), order);
    schedule.run();
  }
};

} // namespace

TEST_CASE("a child that fails is made anew", "[actors][unit]") {
  fixture f;
  f.tell(1);
  CHECK(f.children.size() == 2);
  CHECK(f.watch.restarted == 1);
  f.tell(1); // the successor is watched, too
  CHECK(f.children.size() == 3);
}

TEST_CASE("a child that quits in order is let go", "[actors][unit]") {
  fixture f;
  f.tell(0);
  CHECK(f.children.size() == 1);
  CHECK(f.watch.restarted == 0);
}

TEST_CASE("too many failures are escalated", "[actors][unit]") {
  fixture f;
  for (int n = 0; n < 3; ++n)
    f.tell(1);
  CHECK(f.escalations == 0);
  f.tell(1);
  CHECK(f.escalations == 1);
}

TEST_CASE("failures that lie far enough apart are forgiven", "[actors][unit]") {
  restart_budget budget{{2, 10s}};
  auto now = clock_type::now();
  CHECK(budget.spend(now));
  CHECK(budget.spend(now + 1s));
  CHECK_FALSE(budget.spend(now + 2s));
  CHECK(budget.spend(now + 12s));
}
