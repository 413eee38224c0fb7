// SPDX-License-Identifier: Apache-2.0

// Work on volumes waits in lines that are bounded; everybody in them is answered.

#include "actors/volume_store.hpp"
#include "sandbox/volume_dir.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <catch2/catch.hpp>

#include <map>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

using namespace vivarium;

namespace {

settings with_state() {
  settings made;
  made.state_dir = "/tmp/vivarium-volumes-XXXXXX";
  REQUIRE(::mkdtemp(made.state_dir.data()) != nullptr);
  return made;
}

struct fixture {
  fixture() = default;
  fixture(const fixture&) = delete;
  fixture& operator=(const fixture&) = delete;
  ~fixture() {
    unique_fd above{::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    (void)sandbox::remove_tree(above.get(), config.state_dir.substr(5));
  }
  void ask(const std::string& tenant) {
    store->remove(tenant, "none", reply<done>{[this](result<done> how) {
                    ++answers[how ? errc::none : how.why().code];
                  }});
  }
  void answered(errc how, std::size_t count) {
    auto guard = boost::asio::make_work_guard(reactor);
    while (answers[how] < count)
      reactor.run_one();
  }

  boost::asio::io_context reactor{1};
  settings config = with_state();
  std::map<errc, std::size_t> answers;
  std::optional<volume_store> store{std::in_place, reactor, config};
};

} // namespace

TEST_CASE("a tenant's work on volumes that waits is bounded", "[actors][unit]") {
  fixture f;
  for (int n = 0; n < 1'001; ++n) // One of them is under way.
    f.ask("a");
  CHECK(f.answers.empty());
  f.ask("a");
  CHECK(f.answers[errc::limit_exceeded] == 1);
  f.ask("b");
  CHECK(f.answers[errc::limit_exceeded] == 1);
  f.answered(errc::not_found, 1'002);
  f.ask("a");
  f.answered(errc::not_found, 1'003);
}

TEST_CASE("work on volumes that waits is answered at the end", "[actors][unit]") {
  fixture f;
  for (int n = 0; n < 1'001; ++n)
    f.ask("a");
  f.store->stop();
  CHECK(f.answers[errc::unavailable] >= 1'000);
  f.ask("a");
  CHECK(f.answers[errc::limit_exceeded] == 1);
  f.store.reset();
  f.reactor.poll();
  CHECK(f.answers[errc::unavailable] + f.answers[errc::not_found] == 1'001);
}
