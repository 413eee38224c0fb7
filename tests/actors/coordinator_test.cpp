// SPDX-License-Identifier: Apache-2.0
#include "actors/asio_coordinator.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <caf/all.hpp>
#include <catch2/catch.hpp>

#include <atomic>
#include <future>
#include <thread>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

struct config : caf::actor_system_config {
  explicit config(boost::asio::io_context& reactor) { asio_coordinator::load_into(*this, reactor); }
};

// A reactor on a thread of its own and an actor system on it.
struct running_system {
  boost::asio::io_context reactor{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard{
      reactor.get_executor()};
  std::thread thread{[this] { reactor.run(); }};
  config settings{reactor};
  caf::actor_system system{settings};

  void stop() {
    if (!thread.joinable())
      return;
    system.await_all_actors_done();
    guard.reset();
    reactor.stop();
    thread.join();
  }
  ~running_system() { stop(); }
};

caf::behavior adder(caf::event_based_actor*) {
  return {[](int a, int b) { return a + b; }};
}

} // namespace

TEST_CASE("actors run on the reactor's thread and nowhere else", "[actors][unit]") {
  running_system s;
  std::promise<std::thread::id> where;
  s.system.spawn(
      [&where](caf::event_based_actor*) { where.set_value(std::this_thread::get_id()); });
  CHECK(where.get_future().get() == s.thread.get_id());
}

TEST_CASE("5,000 actors answer two foreign threads", "[actors][unit]") {
  running_system s;
  std::vector<caf::actor> actors;
  for (int n = 0; n < 5'000; ++n)
    actors.push_back(s.system.spawn(adder));
  std::atomic<int> right = 0;
  auto ask = [&](int salt) {
    caf::scoped_actor self{s.system};
    for (int n = 0; n < 5'000; ++n)
      self->request(actors[static_cast<std::size_t>(n)], 30s, n, salt)
          .receive([&](int sum) { right += sum == n + salt ? 1 : 0; }, [](caf::error&) {});
  };
  std::thread one{ask, 1};
  std::thread two{ask, 2};
  one.join();
  two.join();
  CHECK(right == 10'000);
  for (auto& a : actors)
    caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
  actors.clear();
}

TEST_CASE("delayed messages arrive, in order of their time", "[actors][unit]") {
  running_system s;
  std::promise<std::vector<int>> result;
  s.system.spawn([&result](caf::event_based_actor* self) -> caf::behavior {
    for (int n = 20; n > 0; --n)
      self->delayed_send(self, std::chrono::milliseconds{n * 2}, n);
    auto seen = std::make_shared<std::vector<int>>();
    return {[self, seen, &result](int n) {
      seen->push_back(n);
      if (seen->size() == 20) {
        result.set_value(*seen);
        self->quit();
      }
    }};
  });
  auto seen = result.get_future().get();
  CHECK(std::is_sorted(seen.begin(), seen.end()));
}

TEST_CASE("an actor that keeps itself busy does not starve the reactor", "[actors][unit]") {
  running_system s;
  auto greedy = s.system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    self->send(self, 1);
    return {[self](int n) { self->send(self, n); }};
  });
  std::promise<void> reached;
  boost::asio::post(s.reactor, [&reached] { reached.set_value(); });
  reached.get_future().get();
  caf::anon_send_exit(greedy, caf::exit_reason::kill);
}

TEST_CASE("the system starts and stops 1,000 times", "[actors][unit]") {
  for (int n = 0; n < 1'000; ++n) {
    running_system s;
    auto a = s.system.spawn(adder);
    caf::scoped_actor self{s.system};
    int sum = 0;
    self->request(a, 30s, n, 1).receive([&](int x) { sum = x; }, [](caf::error&) {});
    REQUIRE(sum == n + 1);
  }
}
