// SPDX-License-Identifier: Apache-2.0

// Functions of the application that Python calls, through the C++ client.

#include <catch2/catch.hpp>
#include <vivarium/testing.hpp>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <set>
#include <thread>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

const std::string begin = "import vivarium, asyncio, threading\nfrom vivarium import host\n";

/// Waits for something, with a watchdog. Catch is for one thread: functions only note what they
/// see.
class signal_once {
public:
  void set() {
    const std::lock_guard lock{mutex_};
    set_ = true;
    changed_.notify_all();
  }
  [[nodiscard]] bool wait() {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, 60s, [this] { return set_; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

template <class T>
T soon(std::future<T> what) {
  REQUIRE(what.wait_for(60s) == std::future_status::ready);
  return what.get();
}

} // namespace

TEST_CASE("Python calls functions of the application", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto session = client.session();
  std::mutex mutex;
  std::set<std::thread::id> threads;
  host_functions functions{
      {"add", [](host_call& call) { return call.arg<int>(0) + call.kwarg<int>("b", 1); }},
      {"store.*", [](host_call& call) { return call.name(); }},
      {"who",
       [&](host_call& call) -> value {
         const std::lock_guard lock{mutex};
         threads.insert(std::this_thread::get_id());
         return tuple{{call.session_id(), !call.execution_id().empty(), call.is_cast()}};
       }},
  };
  const auto serving = client.serve(std::move(functions));
  CHECK(serving.active());
  CHECK(session.eval_as<int>(begin + "host.add(41)") == 42);
  CHECK(session.eval_as<int>(begin + "host.add(40, b=2)") == 42);
  CHECK(session.eval_as<int>(begin + "await vivarium.acall('add', 1)") == 2);
  CHECK(session.eval_as<std::string>(begin + "host.store.users.get()") == "store.users.get");
  CHECK(session.eval(begin + "host.who()") == value{tuple{{session.id(), true, false}}});
  CHECK_FALSE(threads.contains(std::this_thread::get_id()));
  // Of another connection, as long as this one serves.
  const auto other = daemon.connect();
  CHECK(other.use_session(session.id()).eval_as<int>(begin + "host.add(1)") == 2);
}

TEST_CASE("typed values go both ways, and natural ones on request", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto session = client.session();
  const auto typed = client.serve({{"echo", [](host_call& call) { return call.args().at(0); }}});
  CHECK(session.eval_as<bool>(begin
                              + "import datetime, decimal\n"
                                "v = [(1, 2.5), {3}, b'x', datetime.date(2024, 2, 29), None,\n"
                                "     decimal.Decimal('1.50'), {1: 'ä'}, 2 ** 80]\n"
                                "host.echo(v) == v and type(host.echo(v)[0]) is tuple"));
  std::string text;
  const auto natural = client.serve({{"json",
                                      [&text](host_call& call) {
                                        text = call.json();
                                        return call.arg<int>(0);
                                      }}},
                                    {.format = result_format::json});
  CHECK(session.eval_as<int>(begin + "host.json(1, (2, 3), k='v')") == 1);
  CHECK(text == R"({"args":[1,[2,3]],"kwargs":{"k":"v"}})");
}

TEST_CASE("what a function throws is an error in Python", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto session = client.session();
  const auto serving = client.serve({
      {"refuse",
       [](host_call&) -> value {
         throw host_error{"NoUser", "no user 7", "at main.cpp:3", 7};
       }},
      {"fail", [](host_call&) -> value { throw std::out_of_range{"beyond"}; }},
      {"odd", [](host_call&) -> value { throw 5; }},
      {"typed", [](host_call& call) { return call.arg<int>(0); }},
      {"nested",
       [](host_call& call) { return call.session().eval("def inner():\n  1/0\ninner()"); }},
      {"unsendable",
       [](host_call&) -> value {
         return opaque{"socket", "<socket>"};
       }},
      {"wrong", [](host_call&) -> value { return std::string{"\xff\xfe"}; }},
      {"deep",
       [](host_call&) {
         value out;
         for (int i = 0; i < 100; ++i)
           out = list{{std::move(out)}};
         return out;
       }},
  });
  auto error_of = [&](const std::string& call) {
    try {
      session.eval(begin + "def ask():\n  return " + call + "\nask()");
    } catch (const python_error& why) {
      CHECK(why.type() == "HostCallError");
      CHECK(why.traceback().find("in ask") != std::string::npos);
      return why.exception().message + "\n" + why.traceback();
    }
    FAIL("no error of " << call);
    return std::string{};
  };
  const auto refused = error_of("host.refuse()");
  CHECK(refused.starts_with("NoUser: no user 7\n"));
  CHECK(refused.find("at main.cpp:3") != std::string::npos);
  CHECK(session.eval(begin
                     + "try:\n  host.refuse()\nexcept vivarium.HostCallError as e:\n"
                       "  r = e.type, e.message, e.data, e.name\nr")
        == value{tuple{{"NoUser", "no user 7", 7, "refuse"}}});
  CHECK(error_of("host.fail()").starts_with("std::out_of_range: beyond\n"));
  CHECK(error_of("host.odd()").starts_with("unknown: "));
  CHECK(error_of("host.typed('x')").starts_with("TypeError: typed(): argument 1: "));
  CHECK(error_of("host.typed()").starts_with("TypeError: typed() takes at least 1"));
  const auto nested = error_of("host.nested()");
  CHECK(nested.starts_with("ZeroDivisionError: division by zero\n"));
  CHECK(nested.find("in inner") != std::string::npos);
  CHECK(error_of("host.unsendable()").find("only a description") != std::string::npos);
  CHECK(error_of("host.wrong()").starts_with("InvalidAnswer: "));
  CHECK(error_of("host.deep()").starts_with("InvalidAnswer: "));
  CHECK_THROWS_AS(session.eval(begin + "host.nobody()"), python_error);
}

TEST_CASE("a function evaluates in the session that called it, ten deep and more",
          "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto session = client.session();
  const auto held = session
                        .eval("class C:\n  def __len__(self): return 5\nC()", {},
                              {.values = {.on_unserializable = value_options::unserializable::ref}})
                        .as<ref>();
  const auto serving = client.serve({
      {"down",
       [](host_call& call) {
         const auto n = call.arg<int>(0);
         if (n == 0)
           return 0;
         return call.session().eval_as<int>(begin + "host.down(n - 1) + 1", {{"n", n}});
       }},
      {"length", [&held](host_call&) { return held.len(); }},
  });
  CHECK(session.eval_as<int>(begin + "host.down(12)") == 12);
  CHECK(session.eval_as<int>(begin + "host.down(30)") == 30);
  // A ref that a function uses is asked inside of the call, too.
  CHECK(session.eval_as<int>(begin + "host.length()") == 5);
}

TEST_CASE("many calls at once get their own answers", "[clients][integration]") {
  const daemon_fixture daemon;
  connect_options few;
  few.host_threads = 4;
  const auto client = daemon.connect(few);
  const auto session = client.session();
  const auto serving =
      client.serve({{"f",
                     [](host_call& call) {
                       return call.arg<std::int64_t>(0) * 1'000'000 + call.arg<std::int64_t>(1);
                     }}},
                   {.window = 64});
  // A hundred thousand of eight threads, the right value to the right one.
  CHECK(session.eval_as<bool>(begin + R"(
wrong = []
def ask(i):
    for n in range(12_500):
        if vivarium.call('f', i, n) != i * 1_000_000 + n:
            wrong.append((i, n))
threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
not wrong)",
                              {}, {.timeout = 600s}));
  CHECK(session.eval_as<bool>(begin + R"(
got = await asyncio.gather(*(vivarium.acall('f', 7, n) for n in range(10_000)))
got == [7_000_000 + n for n in range(10_000)])",
                              {}, {.timeout = 600s}));
}

TEST_CASE("functions run at the same time, up to the number of threads", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  std::mutex mutex;
  std::condition_variable changed;
  int inside = 0;
  const auto serving =
      client.serve({{"meet", [&](host_call&) {
                       std::unique_lock lock{mutex};
                       ++inside;
                       changed.notify_all();
                       return changed.wait_for(lock, 60s, [&] { return inside >= 20; });
                     }}});
  CHECK(client.session().eval_as<bool>(
      begin + "all(await asyncio.gather(*(vivarium.acall('meet') for _ in range(20))))"));
}

TEST_CASE("an answer may be given later, from anywhere", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto session = client.session();
  std::promise<host_answer> kept;
  std::atomic<bool> refused = false;
  const auto serving =
      client.serve({{"later",
                     [&kept](host_call& call) -> value {
                       kept.set_value(call.defer());
                       return "ignored";
                     }},
                    {"dropped",
                     [](host_call& call) -> value {
                       (void)call.defer();
                       return {};
                     }},
                    {"failing", [&refused](host_call& call) -> value {
                       auto answer = call.defer();
                       answer.fail(std::make_exception_ptr(host_error{"Late", "after all"}));
                       try {
                         answer.give(1);
                       } catch (const std::logic_error&) {
                         refused = true;
                       }
                       return {};
                     }}});
  auto run = session.start(begin + "host.later() + 1");
  auto answer = soon(kept.get_future());
  CHECK(answer.wanted());
  CHECK_FALSE(run.wait(0ms));
  answer.give(41);
  CHECK_FALSE(answer.wanted());
  CHECK(run.wait().result.as<int>() == 42);
  CHECK_THROWS_AS(answer.give(1), std::logic_error);
  for (const auto* call : {"host.dropped()", "host.failing()"}) {
    INFO(call);
    const auto verdict = session.run(begin + call);
    REQUIRE(verdict.exception);
    CHECK(verdict.exception->message.starts_with(
        std::string_view{call} == "host.dropped()" ? "Unanswered: " : "Late: after all"));
  }
  CHECK(refused); // To be answered twice.
}

TEST_CASE("a lambda among the arguments is a callable in Python", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto session = client.session();
  auto twice = [](host_call& call) { return call.arg<int>(0) * 2; };
  CHECK(session.eval_as<int>("f(21)", {{"f", twice}}) == 42);
  CHECK(session.call("builtins", "list", session.call("builtins", "map", twice, tuple{{1, 2}}))
            .as<std::vector<int>>()
        == std::vector<int>{2, 4});
  // Anywhere in a value, kept, and used again and again.
  std::atomic<int> calls = 0;
  const host_function counting{[&calls](host_call&) { return ++calls; }};
  session.eval("kept = table['fs'][0]",
               {{"table", value::dict_of({{"fs", value::list_of({counting})}})}});
  CHECK(session.eval("[kept(), kept(), kept.name == name]", {{"name", counting.name()}})
        == value::list_of({1, 2, true}));
  // It comes back as what it is.
  CHECK(session.eval_as<host_function>("kept") == counting);
  // With the connection it is gone, for others as well.
  {
    auto other = daemon.connect();
    other.use_session(session.id()).eval("theirs = f", {{"f", twice}});
    CHECK(session.eval_as<int>("theirs(4)") == 8);
  }
  const auto verdict = session.run("theirs(4)");
  REQUIRE(verdict.exception);
  CHECK(verdict.exception->is("HostCallError"));
  CHECK(session.eval_as<int>("kept()") == 3);
  CHECK_THROWS_AS(session.eval("f()", {{"f", host_function{}}}), conversion_error);
}

TEST_CASE("a name of what is served is a callable as well", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto serving = client.serve({{"triple", [](host_call& c) { return c.arg<int>(0) * 3; }}});
  CHECK(client.session().eval_as<int>("f(4)", {{"f", host_function::named("triple")}}) == 12);
}

TEST_CASE("who stops serving fails the calls that wait", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto session = client.session();
  signal_once inside;
  signal_once go_on;
  std::atomic<bool> ended = false;
  std::atomic<bool> wanted = true;
  auto serving = client.serve({{"slow", [&](host_call& call) -> value {
                                  inside.set();
                                  ended = go_on.wait();
                                  wanted = call.wanted();
                                  return 1;
                                }}});
  auto run = session.start(begin + "host.slow()");
  REQUIRE(inside.wait());
  auto stopping = std::async(std::launch::async, [&serving] { serving.stop(); });
  const auto verdict = run.wait(); // At once, whatever the function does.
  REQUIRE(verdict.exception);
  CHECK(verdict.exception->type == "HostUnavailableError");
  CHECK_FALSE(ended);
  go_on.set();
  soon(std::move(stopping));
  CHECK(ended); // It has been waited for.
  CHECK_FALSE(wanted);
  CHECK_FALSE(serving.active());
  serving.wait();
  CHECK_THROWS_AS(session.eval(begin + "host.slow()"), python_error);
}

TEST_CASE("a client that vanishes fails its calls at once", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto session = client.session();
  std::promise<host_answer> kept;
  execution run;
  {
    auto other = daemon.connect();
    const auto serving = other.serve({{"gone", [&](host_call& call) -> value {
                                         kept.set_value(call.defer());
                                         return {};
                                       }}});
    run = session.start(begin + "host.gone()");
    auto answer = soon(kept.get_future());
    other = vivarium::client{};
    CHECK_FALSE(serving.active());
    CHECK_FALSE(answer.wanted());
    answer.give(1); // Nobody hears it.
  }
  const auto verdict = run.wait();
  REQUIRE(verdict.exception);
  CHECK(verdict.exception->type == "HostUnavailableError");
}

TEST_CASE("a function learns that nobody waits any more", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto session = client.session();
  std::promise<host_answer> kept;
  std::chrono::milliseconds timeout{0};
  const auto serving = client.serve({{"never", [&](host_call& call) -> value {
                                        timeout = call.timeout();
                                        kept.set_value(call.defer());
                                        return {};
                                      }}});
  const auto verdict = session.run(begin + "vivarium.call('never', _timeout=0.3)");
  REQUIRE(verdict.exception);
  CHECK(verdict.exception->type == "HostTimeoutError");
  auto answer = soon(kept.get_future());
  CHECK(timeout == 300ms);
  // The news is behind what the connection has been answered since.
  CHECK(client.eval_as<int>("1") == 1);
  CHECK_FALSE(answer.wanted());
}

TEST_CASE("casts are heard and have no answer", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  std::mutex mutex;
  std::multiset<int> heard;
  bool all_casts = true;
  signal_once all;
  const auto serving = client.serve({{"note",
                                      [&](host_call& call) -> value {
                                        const std::lock_guard lock{mutex};
                                        all_casts = all_casts && call.is_cast();
                                        heard.insert(call.arg<int>(0));
                                        if (heard.size() == 1'000)
                                          all.set();
                                        throw host_error{"Ignored", "nobody is told"};
                                      }}},
                                    {.window = 10});
  client.session().eval(begin + "for i in range(1000): vivarium.cast('note', i)");
  REQUIRE(all.wait());
  const std::lock_guard lock{mutex};
  CHECK(heard.count(999) == 1);
  CHECK(all_casts);
}

TEST_CASE("modules of the application are imported", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto serving = client.serve({
      {"auth.get_user",
       [](host_call& call) {
         return value::dict_of({{"id", call.args().at(0)}});
       }},
      {"auth.check", [](host_call&) { return true; }},
  });
  const auto session = client.session(
      {.modules = {{.name = "auth",
                    .functions = {"get_user", "async check"},
                    .constants = {{"VERSION", 3},
                                  {"half", [](host_call& c) { return c.arg<int>(0) / 2; }}}}}});
  CHECK(session.eval("import auth\nauth.get_user(7)['id'], await auth.check(), auth.VERSION, "
                     "auth.half(8)")
        == value{tuple{{7, true, 3, 4}}});
  CHECK_THROWS_AS(client.session({.modules = {{.name = "json", .functions = {"dumps"}}}}), error);
}

TEST_CASE("records of its log and its progress are events", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto session = client.session({.log_level = log_level::warning});
  const auto run = session.start(R"(
import logging, vivarium
log = logging.getLogger('app')
log.addHandler(vivarium.LoggingHandler(default_metadata={'app': 'shop'}))
log.info('not told')
try:
  1/0
except ZeroDivisionError:
  log.exception('sold %d', 3)
vivarium.progress(3, 10, 'frames')
)");
  std::vector<event::log_record> records;
  std::vector<event::progress> told;
  for (auto& event : run.follow()) {
    if (auto* record = std::get_if<event::log_record>(&event.what))
      records.push_back(std::move(*record));
    else if (auto* progress = std::get_if<event::progress>(&event.what))
      told.push_back(std::move(*progress));
  }
  REQUIRE(records.size() == 1);
  CHECK(records[0].level == log_level::error);
  CHECK(records[0].logger == "app");
  CHECK(records[0].message == "sold 3");
  CHECK(records[0].line == 9);
  CHECK(records[0].traceback.find("ZeroDivisionError") != std::string::npos);
  CHECK(records[0].made > std::chrono::system_clock::time_point{});
  REQUIRE(records[0].metadata.size() == 1);
  CHECK(records[0].metadata[0].second == value{"shop"});
  REQUIRE(told.size() == 1);
  CHECK(told[0].done == 3);
  CHECK(told[0].total == 10);
  CHECK(told[0].text == "frames");
}

TEST_CASE("an offer that cannot be is refused", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  auto one = [](host_call&) { return 1; };
  CHECK_THROWS_AS(client.serve({}), invalid_argument_error);
  CHECK_THROWS_AS(client.serve({{"f", nullptr}}), invalid_argument_error);
  CHECK_THROWS_AS(client.serve({{"f", one}, {"f", one}}), invalid_argument_error);
  CHECK_THROWS_AS(client.serve({{std::string(201, 'x'), one}}), invalid_argument_error);
  CHECK_THROWS_AS(client.serve({{"f", one}}, {.format = result_format::repr}),
                  invalid_argument_error);
  CHECK_THROWS_AS(vivarium::client{}.serve({{"f", one}}), connection_error);
}

TEST_CASE("a client may be destroyed by a function of its own", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto observer = daemon.connect();
  const auto session = observer.session();
  auto owner = std::make_shared<client>(daemon.connect());
  auto serving = std::make_shared<vivarium::serving>();
  signal_once gone;
  *serving = owner->serve({{"end", [&](host_call&) -> value {
                              serving->stop();
                              owner.reset();
                              gone.set();
                              return {};
                            }}});
  const auto verdict = session.run(begin + "host.end()");
  REQUIRE(gone.wait());
  REQUIRE(verdict.exception);
  CHECK(verdict.exception->type == "HostUnavailableError");
}
