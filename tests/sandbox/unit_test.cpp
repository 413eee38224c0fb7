// SPDX-License-Identifier: Apache-2.0
#include "sandbox/control.hpp"
#include "sandbox/host.hpp"
#include "sandbox/plan_codec.hpp"
#include "sandbox/uid_pool.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include <sys/socket.h>
#include <unistd.h>

using namespace vivarium;
using namespace vivarium::sandbox;

namespace {

struct socket_pair {
  socket_pair() {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
    one.reset(fds[0]);
    two.reset(fds[1]);
  }
  unique_fd one;
  unique_fd two;
};

} // namespace

TEST_CASE("a plan survives its way to the launcher", "[sandbox][unit]") {
  jailed_plan told;
  told.plan.environment = "science";
  told.plan.python = "/opt/p/bin/python3";
  told.plan.runtime = "/usr/lib/vivarium";
  told.plan.preload = {"numpy", "", "pandas"};
  told.plan.dirs = {{"/srv/data", false}, {"/srv/out", true}};
  told.plan.limits.memory_bytes = 1ull << 40;
  told.plan.limits.threads = 3;
  told.plan.without.insert(layer::landlock);
  told.plan.uid_base = 4'000'000'000;
  told.mode = uid_mode::range;
  told.outer_uid = 1234;
  auto file = encode_plan(told);
  REQUIRE(file);
  auto read = decode_plan(file->get());
  REQUIRE(read);
  CHECK(read->plan.environment == "science");
  CHECK(read->plan.python == told.plan.python);
  CHECK(read->plan.preload == told.plan.preload);
  CHECK(read->plan.dirs == told.plan.dirs);
  CHECK(read->plan.limits.memory_bytes == told.plan.limits.memory_bytes);
  CHECK(read->plan.limits.threads == 3);
  CHECK(read->plan.uid_base == 4'000'000'000);
  CHECK(read->mode == uid_mode::range);
  CHECK(read->outer_uid == 1234);
  CHECK(read->has(layer::seccomp));
  CHECK_FALSE(read->has(layer::landlock));
  CHECK(::write(file->get(), "x", 1) == -1); // Sealed.
}

TEST_CASE("a truncated plan is refused", "[sandbox][unit]") {
  unique_fd empty{::dup(0)};
  int fds[2];
  REQUIRE(::pipe(fds) == 0);
  unique_fd in{fds[0]};
  unique_fd out{fds[1]};
  CHECK_FALSE(decode_plan(in.get()));
}

TEST_CASE("control messages keep their bounds and descriptors", "[sandbox][unit]") {
  socket_pair pair;
  control::message sent{control::kind::worker_failed};
  sent.worker = 9;
  sent.say("step");
  int fds[] = {0, 1};
  REQUIRE(control::send(pair.one.get(), sent, fds, 2) == 0);
  control::message got;
  control::extras beside;
  REQUIRE(control::receive(pair.two.get(), got, beside) == control::receipt::message);
  CHECK(got.worker == 9);
  CHECK(got.view() == "step");
  CHECK(beside.fd_count == 2);
  for (int i = 0; i < beside.fd_count; ++i)
    ::close(beside.fds[i]);
  CHECK(control::receive(pair.two.get(), got, beside) == control::receipt::nothing_now);
  sent.say(std::string(control::max_text + 1, 'x'));
  CHECK(sent.text_size == control::max_text);
  REQUIRE(::send(pair.one.get(), "short", 5, 0) == 5);
  CHECK(control::receive(pair.two.get(), got, beside) == control::receipt::broken);
  pair.one.reset();
  CHECK(control::receive(pair.two.get(), got, beside) == control::receipt::closed);
}

TEST_CASE("uids come back last", "[sandbox][unit]") {
  uid_pool pool;
  std::set<std::uint32_t> seen;
  auto first = pool.take();
  seen.insert(first);
  pool.give_back(first);
  std::uint32_t uid = 0;
  while ((uid = pool.take()) != first) {
    REQUIRE(uid != 0);
    REQUIRE(uid != 65'534);
    REQUIRE(seen.insert(uid).second);
  }
  CHECK(seen.size() == 64'000);
  CHECK(pool.take() == 0);
}

TEST_CASE("every layer has a name of its own", "[sandbox][unit]") {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(layer::worker_uid); ++i)
    names.insert(name_of(static_cast<layer>(i)));
  CHECK(names.size() == static_cast<std::size_t>(layer::worker_uid) + 1);
  CHECK_FALSE(names.contains("unknown"));
}

TEST_CASE("the host's facts say what was found and how to mend it", "[sandbox][unit]") {
  auto facts = probe_host();
  CHECK(facts.size() >= 9);
  for (const auto& fact : facts) {
    INFO(fact.name << ": " << fact.finding);
    CHECK_FALSE(fact.name.empty());
    CHECK_FALSE(fact.finding.empty());
    CHECK(fact.present == fact.remedy.empty());
  }
}
