// SPDX-License-Identifier: Apache-2.0
#include "daemon/side_thread.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

using namespace vivarium;

TEST_CASE("jobs are done in order beside the reactor and end on it", "[daemon][unit]") {
  boost::asio::io_context reactor{1};
  side_thread aside{reactor.get_executor()};
  auto keep = std::make_optional(boost::asio::make_work_guard(reactor));
  std::vector<int> ended;
  const auto here = std::this_thread::get_id();
  std::vector<std::thread::id> worked(100);
  for (int i = 0; i < 100; ++i)
    aside.run([&worked, i] { worked[static_cast<std::size_t>(i)] = std::this_thread::get_id(); },
              [&ended, &keep, here, i] {
                CHECK(std::this_thread::get_id() == here);
                ended.push_back(i);
                if (i == 99)
                  keep.reset();
              });
  reactor.run();
  REQUIRE(ended.size() == 100);
  for (int i = 0; i < 100; ++i) {
    CHECK(ended[static_cast<std::size_t>(i)] == i);
    CHECK(worked[static_cast<std::size_t>(i)] == worked[0]);
  }
  CHECK(worked[0] != here);
}

TEST_CASE("the end waits for the job under way and keeps none", "[daemon][unit]") {
  boost::asio::io_context reactor{1};
  std::promise<void> begun;
  std::promise<void> go;
  auto held = std::make_shared<int>();
  bool done = false;
  {
    side_thread aside{reactor.get_executor()};
    aside.run(
        [&] {
          begun.set_value();
          go.get_future().wait();
          done = true;
        },
        [held] {});
    begun.get_future().wait();
    for (int i = 0; i < 10; ++i)
      aside.run([held] {}, [held] {});
    std::thread release{[&go] { go.set_value(); }};
    release.join();
  }
  CHECK(done);
  reactor.poll();
  CHECK(held.use_count() == 1);
}

TEST_CASE("a thread without jobs is none", "[daemon][unit]") {
  boost::asio::io_context reactor{1};
  side_thread unused{reactor.get_executor()};
  CHECK(reactor.run() == 0);
}
