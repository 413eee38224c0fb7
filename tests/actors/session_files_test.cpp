// SPDX-License-Identifier: Apache-2.0

// Bounds of work on files, and on which thread they are closed.

#include "actors/session_files.hpp"
#include "sandbox/volume_dir.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <catch2/catch.hpp>

#include <future>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace vivarium;

namespace {

/// A directory that stands for a worker's file system.
struct folder {
  folder() {
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    REQUIRE(::mkdir((name + "/workspace").c_str(), 0755) == 0);
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() {
    unique_fd above{::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    (void)sandbox::remove_tree(above.get(), name.substr(5));
  }
  [[nodiscard]] sandbox::workspace space() const {
    unique_fd root{::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    auto opened = sandbox::workspace::at(std::move(root), "workspace");
    REQUIRE(opened);
    return *std::move(opened);
  }

  std::string name = "/tmp/vivarium-files-XXXXXX";
};

} // namespace

TEST_CASE("what is let go of is let go beside the reactor, however full it is", "[actors][unit]") {
  boost::asio::io_context reactor{1};
  folder here;
  auto threads = std::make_shared<file_threads>(reactor);
  std::promise<std::thread::id> where;
  std::promise<void> open;
  {
    auto files = std::make_shared<session_files>(threads, "t", here.space(), session_limits{});
    auto gate = open.get_future().share();
    std::size_t taken = 0;
    while (threads->run(
        "t", [gate] { gate.wait(); }, [] {}))
      ++taken;
    CHECK(taken >= file_threads::most_waiting);
    CHECK(taken <= file_threads::most_waiting + 2); // Those that are being done do not wait.
    files->let_go_of(std::shared_ptr<const void>{
        &where, [&where](const void*) { where.set_value(std::this_thread::get_id()); }});
  }
  open.set_value();
  CHECK(where.get_future().get() != std::this_thread::get_id());
  threads->stop();
}

TEST_CASE("files that are opened at once are bounded", "[actors][unit]") {
  boost::asio::io_context reactor{1};
  folder here;
  auto threads = std::make_shared<file_threads>(reactor);
  std::size_t answers = 0;
  std::vector<file_writer_ptr> writers;
  {
    auto files = std::make_shared<session_files>(threads, "t", here.space(), session_limits{});
    for (int n = 0; n < 100; ++n)
      files->create(reply<file_writer_ptr>{[&](result<file_writer_ptr> made) {
        ++answers;
        if (made)
          writers.push_back(*std::move(made));
        else
          CHECK(made.why().code == errc::limit_exceeded);
      }});
    auto guard = boost::asio::make_work_guard(reactor);
    while (answers < 100)
      reactor.run_one();
    CHECK(writers.size() == 64);
    writers.pop_back();
    files->create(reply<file_writer_ptr>{[&](result<file_writer_ptr> made) {
      ++answers;
      CHECK(made);
    }});
    while (answers < 101)
      reactor.run_one();
  }
  writers.clear();
  threads->stop();
}
