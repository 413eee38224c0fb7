// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <vivarium/testing.hpp>

#include <atomic>
#include <csignal>
#include <future>
#include <memory>
#include <thread>

#include <unistd.h>

using namespace vivarium;
using namespace std::chrono_literals;

TEST_CASE("source is evaluated, in a session and without one", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  CHECK(client.eval_as<int>("6 * 7") == 42);
  auto session = client.session({.name = "mine", .tags = {"t"}});
  CHECK(session.eval("x = 20").is_none());
  CHECK(session.eval("x + 1") == value{21});
  CHECK(session.eval("{'a': (1, 2.5, None)}") == value::dict_of({{"a", tuple{{1, 2.5, none{}}}}}));
  CHECK(session.eval("1, 2", {.format = result_format::repr}) == value{"(1, 2)"});
  CHECK(session.eval("{'r': 1}", {.format = result_format::json}) == value{"{\"r\":1}"});
  CHECK(session.eval("1", {.format = result_format::none}).is_none());
  CHECK(session.info().name == "mine");
  CHECK(session.status().executions == 6);
  CHECK_THROWS_AS(client.session({.name = "mine"}), already_exists_error);
  CHECK(client.session({.name = "mine", .attach = true}).detach().eval_as<int>("x") == 20);
  CHECK(client.use_session("mine").eval_as<int>("x") == 20);
  CHECK(client.sessions().size() == 1);
}

TEST_CASE("what is over a limit is an error, and the connection lives on",
          "[clients][integration]") {
  const daemon_fixture daemon{{.config = "[pool]\nready = 2\nlow = 1\n[server]\nframe_bytes = "
                                         "\"1MiB\"\n[limits]\nresult = \"1MiB\"\n"}};
  const auto client = daemon.connect();
  const auto session = client.session();
  const std::string fits((1u << 20) - 200, 'x');
  CHECK(session.eval_as<int>("len(x)", {{"x", fits}}) == static_cast<int>(fits.size()));
  for (const std::size_t size : {std::size_t{1} << 20, std::size_t{15} << 20}) {
    try {
      session.eval("len(x)", {{"x", std::string(size, 'x')}});
      FAIL("no error");
    } catch (const limit_error& why) {
      CHECK(std::string_view{why.what()}.find("server.frame_bytes") != std::string_view::npos);
      CHECK(why.kind() == error_kind::limit);
    }
  }
  CHECK(session.eval_as<std::string>("'y' * (2 ** 20 - 200)").size() == fits.size());
  CHECK_THROWS_AS(session.eval("'y' * 2 ** 20"), limit_error);
  CHECK(session.eval_as<int>("6 * 7") == 42);
}

TEST_CASE("a verdict has output, usage and displays", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  auto verdict = client.run("import sys\nprint('o')\nprint('e', file=sys.stderr)\n5");
  CHECK(verdict.ok());
  CHECK(verdict.output == "o\n");
  CHECK(verdict.error_output == "e\n");
  CHECK(verdict.result.as<int>() == 5);
  CHECK(verdict.usage.wall > 0us);
  CHECK(verdict.usage.output_bytes == 4);
  auto failed = client.run("print('before')\n1/0");
  CHECK(failed.output == "before\n");
  REQUIRE_FALSE(failed.ok());
  CHECK_THROWS_AS(failed.check(), python_error);
}

TEST_CASE("errors of the code are exceptions of their kind", "[clients][integration]") {
  const daemon_fixture daemon{
      {.config = "[pool]\nready = 2\nlow = 1\n[limits]\ngrace = \"200ms\"\n"}};
  const auto client = daemon.connect();
  try {
    client.eval("try:\n  {}['k']\nexcept KeyError as e:\n  raise ValueError('bad') from e");
    FAIL("no error");
  } catch (const python_error& why) {
    CHECK(why.kind() == error_kind::python);
    CHECK(why.type() == "ValueError");
    CHECK(why.is("Exception"));
    CHECK_FALSE(why.is("KeyError"));
    CHECK(why.exception().message == "bad");
    CHECK(std::string{why.what()} == "ValueError: bad");
    CHECK_FALSE(why.exception().frames.empty());
    CHECK(why.traceback().find("KeyError") != std::string::npos);
    REQUIRE(why.exception().cause);
    CHECK(why.exception().cause->is("LookupError"));
    REQUIRE(why.verdict() != nullptr);
    CHECK(why.verdict()->session == session_outcome::kept);
  }
  try {
    client.eval("1 +");
    FAIL("no error");
  } catch (const python_error& why) {
    CHECK(why.kind() == error_kind::syntax);
    CHECK(why.exception().syntax.has_value());
  }
  CHECK_THROWS_AS(client.eval("while True: pass", {.timeout = 100ms}), timeout_error);
  CHECK_THROWS_AS(client.use_session("nobody").eval("1"), not_found_error);
  CHECK_THROWS_AS(client.session({.name = "Bad Name"}), invalid_argument_error);
}

TEST_CASE("a killed worker is a lost session for everybody who waits", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  auto session = client.session();
  const auto dying = session.start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)");
  CHECK_THROWS_AS(dying.wait().check(), session_lost_error);
  CHECK_THROWS_AS(session.eval("1"), error);
  CHECK(session.status().state == session_state::dead);
  CHECK(client.eval_as<int>("1") == 1);
}

TEST_CASE("a submitted execution is followed, waited for and cancelled", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  auto session = client.session();
  auto run = session.start("print('a')\nprint('b')\n7");
  std::string output;
  std::optional<verdict> ended;
  // One event at a time, so that credit is given again and again.
  for (auto& event : run.follow(1, 1)) {
    if (const auto* out = std::get_if<event::output>(&event.what))
      output += out->text;
    else if (auto* last = std::get_if<verdict>(&event.what))
      ended = std::move(*last);
  }
  CHECK(output == "a\nb\n");
  REQUIRE(ended);
  CHECK(ended->result.as<int>() == 7);
  CHECK(run.wait().output == "a\nb\n");
  CHECK(client.use_execution(run.id()).wait(0ms).has_value());

  auto endless = session.start("print('on', flush=True)\nwhile True: pass");
  auto events = endless.follow();
  while (auto event = events.next())
    if (std::holds_alternative<event::output>(event->what))
      break;
  CHECK_FALSE(endless.wait(0ms));
  events.cancel(); // A follower that goes away changes nothing.
  CHECK(client.executions(session.id()).size() == 2);
  CHECK(endless.cancel());
  CHECK_THROWS_AS(endless.wait().check(), cancelled_error);
  CHECK_FALSE(endless.cancel());
  CHECK_THROWS_AS(client.use_execution("exe_nothing").wait(), not_found_error);
}

TEST_CASE("a request that is given up is cancelled", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  auto session = client.session();
  std::promise<void> promise;
  auto pending = session.prepare_eval("while True: pass").then([&](std::exception_ptr why, value) {
    promise.set_exception(why);
  });
  pending.cancel();
  CHECK_THROWS_AS(promise.get_future().get(), cancelled_error);
  CHECK(session.eval_as<int>("1") == 1);
}

TEST_CASE("compile tells whether source compiles", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  CHECK_FALSE(client.compile("1 + 1").code.empty());
  const auto broken = client.compile("1 +", "file.py");
  REQUIRE(broken.error);
  CHECK(broken.error->syntax->file == "file.py");
}

TEST_CASE("a thousand requests are under way at once", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  auto session = client.session();
  std::atomic<int> sum = 0;
  std::atomic<int> left = 1'000;
  std::promise<void> all;
  for (int i = 0; i < 1'000; ++i) {
    session.prepare_eval(std::to_string(i)).then([&](std::exception_ptr why, const value& got) {
      if (!why)
        sum += got.as<int>();
      if (--left == 0)
        all.set_value();
    });
  }
  all.get_future().get();
  CHECK(sum == 499'500);
}

TEST_CASE("threads share a client", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int n = 0; n < 2; ++n) {
      threads.emplace_back([&client, &wrong, n] {
        auto session = client.session();
        for (int i = 0; i < 100; ++i)
          if (session.eval_as<int>(std::to_string(n) + " + " + std::to_string(i)) != n + i)
            ++wrong;
      });
    }
  }
  CHECK(wrong == 0);
  CHECK(client.sessions().empty());
}

TEST_CASE("a killed daemon fails every request, and none hangs", "[clients][integration]") {
  daemon_fixture daemon;
  auto client = daemon.connect();
  auto session = client.session();
  std::promise<void> running;
  std::promise<void> queued;
  const auto tell = [](std::promise<void>& whom) {
    return [&whom](std::exception_ptr why, const value&) {
      if (why)
        whom.set_exception(std::move(why));
      else
        whom.set_value();
    };
  };
  // A connection sends in order, so the second cannot overtake the first, which never ends.
  session.prepare_eval("while True: pass").then(tell(running));
  session.prepare_eval("1").then(tell(queued));
  auto events = session.start("1").follow();
  daemon.kill();
  CHECK_THROWS_AS(running.get_future().get(), connection_error);
  CHECK_THROWS_AS(queued.get_future().get(), connection_error);
  CHECK_THROWS_AS(events.take(100), connection_error);
  CHECK_THROWS_AS(session.eval("1"), connection_error);
  CHECK_THROWS_AS(client.sessions(), connection_error);
  CHECK_FALSE(client.connected());
  CHECK_THROWS_AS(daemon.connect(), connection_error);
}

TEST_CASE("a daemon that stops says so", "[clients][integration]") {
  daemon_fixture daemon;
  const auto client = daemon.connect();
  CHECK_FALSE(client.draining());
  CHECK(daemon.stop() == 0);
  CHECK_THROWS_AS(client.eval("1"), error);
}

TEST_CASE("things may be destroyed in any order", "[clients][integration]") {
  const daemon_fixture daemon;
  auto client = std::make_unique<vivarium::client>(daemon.connect());
  auto session = client->session({.name = "outlives"});
  auto run = session.start("while True: pass");
  auto events = run.follow();
  client.reset();
  CHECK_THROWS_AS(session.eval("1"), connection_error);
  CHECK_THROWS_AS(run.cancel(), connection_error);
  CHECK_THROWS_AS(events.take(10), connection_error);
}

TEST_CASE("a session ends with its handle unless it is detached", "[clients][integration]") {
  const daemon_fixture daemon;
  {
    const auto client = daemon.connect();
    { auto gone = client.session({.name = "gone"}); }
    client.session({.name = "kept"}).detach();
    // Requests of a connection are taken in order: the close came before this.
    CHECK(client.sessions().size() == 1);
    auto closed = client.session();
    closed.close();
    CHECK_THROWS_AS(closed.eval("1"), error);
    auto last = client.session({.name = "last"});
  }
  const auto other = daemon.connect();
  CHECK(other.sessions().size() == 1);
  other.close_session("kept");
  CHECK(other.sessions().empty());
}

TEST_CASE("a client speaks over a Unix socket and moves", "[clients][integration]") {
  const daemon_fixture daemon;
  auto client = vivarium::client::connect(daemon.socket_url());
  CHECK(client.eval_as<int>("1") == 1);
  client = daemon.connect();
  auto moved = std::move(client);
  CHECK(moved.eval_as<int>("2") == 2);
  CHECK_THROWS_AS(client.eval("1"), connection_error); // NOLINT(bugprone-use-after-move)
}

TEST_CASE("who is not there cannot be reached", "[clients][integration]") {
  CHECK_THROWS_AS(client::connect("http://127.0.0.1:1"), connection_error);
  CHECK_THROWS_AS(client::connect("unix:///nowhere.sock"), connection_error);
  CHECK_THROWS_AS(client::connect("unix:///" + std::string(200, 'x')), connection_error);
  CHECK_THROWS_AS(client::connect("http://nowhere.invalid"), connection_error);
  CHECK_THROWS_AS(client::connect("nonsense"), invalid_argument_error);
  CHECK_THROWS_AS(why_not_ready("http://127.0.0.1:1"), connection_error);
}

TEST_CASE("the fixture leaves nothing behind", "[clients][integration]") {
  std::string directory;
  int pid = 0;
  try {
    const daemon_fixture daemon;
    directory = daemon.directory();
    pid = daemon.pid();
    CHECK_FALSE(why_not_ready(daemon.url()));
    throw std::runtime_error{"a test that fails"};
  } catch (const std::runtime_error&) {
  }
  CHECK(::kill(pid, 0) == -1);
  CHECK(::access(directory.c_str(), F_OK) == -1);
  CHECK_THROWS_AS(daemon_fixture({.config = "nonsense"}), connection_error);
  CHECK_THROWS_AS(daemon_fixture({.program = "/bin/true"}), connection_error);
}
