// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <vivarium/testing.hpp>

#include <cmath>
#include <memory>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

/// A session of a daemon of its own.
struct place {
  daemon_fixture daemon;
  vivarium::client client = daemon.connect();
  vivarium::session session = client.session();

  /// Objects that the session keeps for clients. Refs are released in the background, in order with
  /// what is sent later.
  std::uint64_t refs() const { return session.memory().refs; }
  bool refs_come_to(std::uint64_t count) const {
    for (int tries = 0; tries < 10'000; ++tries)
      if (refs() == count)
        return true;
    return false;
  }
};

} // namespace

TEST_CASE("variables go in with every kind of value", "[clients][integration]") {
  const place at;
  CHECK(at.session.eval_as<int>("x * y", {{"x", 6}, {"y", 7}}) == 42);
  CHECK(at.session.eval_as<int>("x") == 6);
  CHECK(at.client.eval_as<std::string>("s.upper()", {{"s", "ä"}}) == "Ä");
  const std::vector<value> kinds{
      none{},
      true,
      std::numeric_limits<std::int64_t>::min(),
      big_int{"-36893488147419103232"},
      -0.0,
      "ä",
      bytes{std::string{"\0\xff", 2}},
      value::list_of({1, value::list_of({})}),
      tuple{{1, "a"}},
      value::dict_of({{1, "a"}, {none{}, tuple{}}}),
      frozenset{{"x"}},
      bytearray{bytes{std::string{"b"}}},
      std::complex<double>{1, 2},
      datetime{{2024, 2, 29}, {23, 59, 58, 999'999, 1, zone{-90min, {}}}},
      date{9999, 12, 31},
      time_of_day{1, 2, 3, 4, 0, {}},
      timedelta{-1, 86'399, 999'999},
      decimal{"1.50"},
      uuid{{std::byte{1}, std::byte{255}}},
      symbol{"s"},
      term{"t", bytes{std::string{"\0", 1}}}};
  for (const auto& each : kinds) {
    INFO(each.type_name());
    CHECK(at.session.eval("v", {{"v", each}}) == each);
  }
  CHECK(at.session.eval("v", {{"v", construct{"datetime", "date", {2024, 1}, {{"day", 2}}}}})
        == value{date{2024, 1, 2}});
}

TEST_CASE("an array is sent and comes back as it is", "[clients][integration]") {
  const place at;
  const std::vector<double> items{1, 2, 3, 4, 5, 6};
  const auto doubled = at.session.eval("a * 2", {{"a", ndarray::of(std::span{items}, {2, 3})}});
  const auto& array = *doubled.get_if<ndarray>();
  CHECK(array.shape == std::vector<std::size_t>{2, 3});
  CHECK(array.view<double>()[5] == 12.0);
}

TEST_CASE("functions are called without source", "[clients][integration]") {
  const place at;
  CHECK(at.session.call("math", "sqrt", 16).as<double>() == 4.0);
  CHECK(at.session.call("builtins", "int", "ff", kwargs{{"base", 16}}).as<int>() == 255);
  CHECK(at.client.call("os.path", "join", "a", "b").as<std::string>() == "a/b");
  CHECK(at.session.module("math").attr("pi").get().as<double>() == Approx(3.14159265));
  CHECK(at.session.module("json").attr("dumps")(std::vector<int>{1, 2}).as<std::string>()
        == "[1, 2]");
  at.session.eval("def f(*a, **k): return a, k");
  CHECK(at.session.apply(operation::call, variable{"f"}, "", 1, kwargs{{"k", 2}})
        == tuple{{tuple{{1}}, value::dict_of({{"k", 2}})}});
  CHECK(at.session.apply(operation::len, value{"four"}, "").as<int>() == 4);
  try {
    at.session.call("math", "sqrt", -1);
    FAIL("no error");
  } catch (const python_error& why) {
    CHECK(why.is("ValueError"));
  }
  CHECK_THROWS_AS(at.session.call("no_such_module", "f"), python_error);
}

TEST_CASE("objects stay in the session and are used from here", "[clients][integration]") {
  const place at;
  at.session.eval("class C:\n  def __init__(self): self.x = 1\n  def add(self, n, by=1):\n"
                  "    self.x += n * by\n    return self.x\n  def __repr__(self): return 'C!'");
  const auto object = at.session.eval("C()").as<ref>();
  CHECK(object.short_repr() == "C!");
  CHECK(object.type_name().find('C') != std::string::npos);
  CHECK(object.call("add", 2, kwargs{{"by", 3}}).as<int>() == 7);
  object.set_attr("y", "set");
  CHECK(object.attr("y").as<std::string>() == "set");
  object.del_attr("y");
  CHECK_THROWS_AS(object.attr("y"), python_error);
  CHECK(object.repr() == "C!");
  CHECK(object.truth());
  const auto names = object.dir();
  CHECK(std::find(names.begin(), names.end(), "add") != names.end());
  (void)object.hash();
  // Handed back it is the object itself.
  CHECK(at.session.eval("a is b", {{"a", object}, {"b", object}}).as<bool>());
  CHECK(at.session.eval("[v.x for v in l]", {{"l", std::vector<ref>{object}}})
        == value::list_of({7}));

  const auto counter = at.session.eval("import collections\ncollections.UserDict(a=1)").as<ref>();
  CHECK(counter.item("a").as<int>() == 1);
  counter.set_item("b", 2);
  CHECK(counter.len() == 2);
  CHECK(counter.contains("b"));
  counter.del_item("b");
  CHECK_FALSE(counter.contains("b"));
  const auto numbers = at.session.eval("(i * i for i in range(5))").as<ref>();
  CHECK(numbers.iter().take(3) == std::vector<value>{0, 1, 4});
  CHECK(numbers.take(10) == std::vector<value>{9, 16});
}

TEST_CASE("handles release their objects", "[clients][integration]") {
  const place at;
  CHECK(at.refs() == 0);
  {
    const auto all = at.session.eval("[object() for _ in range(1000)]").as<std::vector<ref>>();
    CHECK(at.refs() == 1'000);
    const auto copy = all; // NOLINT(performance-unnecessary-copy-initialization)
    CHECK(copy[0] == all[0]);
  }
  CHECK(at.refs_come_to(0));
  // An object that is kept comes under the same id; the handle that is left keeps it.
  at.session.eval("o = object()");
  auto first = at.session.eval("o").as<ref>();
  auto second = at.session.eval("o").as<ref>();
  CHECK(first == second);
  first = ref{};
  CHECK_FALSE(second.str().empty());
  second = ref{};
  CHECK(at.refs_come_to(0));
  // Dropped and got again at once, over and over: never a dead handle.
  for (int i = 0; i < 200; ++i)
    CHECK_FALSE(at.session.eval("o").as<ref>().str().empty());
  auto forgotten = at.session.eval("o").as<ref>();
  forgotten.forget();
  CHECK_FALSE(forgotten);
  CHECK(at.refs() == 1);
}

TEST_CASE("a handle that is too late is harmless", "[clients][integration]") {
  ref outlives;
  {
    place at;
    auto object = at.session.eval("object()").as<ref>();
    auto other = at.client.session();
    try {
      other.eval("o", {{"o", object}});
      FAIL("taken");
    } catch (const execution_error& why) {
      CHECK(why.code() == "ref_of_other_session");
    }
    at.session.close();
    CHECK_THROWS_AS(object.str(), error);
    outlives = object;
  }
  CHECK_THROWS_AS(outlives.str(), connection_error);
  CHECK_THROWS_AS(ref{}.str(), std::logic_error);
}

TEST_CASE("a context manager is left with its guard", "[clients][integration]") {
  const place at;
  at.session.eval("log = []\nclass M:\n  def __enter__(self): log.append('in'); return 5\n"
                  "  def __exit__(self, *_): log.append('out')");
  const auto manager = at.session.eval("M()").as<ref>();
  {
    auto inside = manager.enter();
    CHECK(inside.bound().as<int>() == 5);
  }
  CHECK(at.session.eval("log") == value::list_of({"in", "out"}));
  manager.enter().exit();
  CHECK(at.session.eval("len(log)").as<int>() == 4);
}

TEST_CASE("namespaces are symbol tables of their own", "[clients][integration]") {
  const place at;
  auto session = at.client.session({.init = init_script{.source = "base = 1"}});
  session.eval("later = 2");
  {
    auto space = session.make_namespace({.name = "a", .variables = {{"x", 3}}});
    CHECK(space.eval_as<int>("base + x") == 4);
    CHECK_THROWS_AS(space.eval("later"), python_error);
    space.eval("y = 1");
    CHECK_THROWS_AS(session.eval("y"), python_error);
    auto copy = session.make_namespace({.from = {{.name = "a", .only = {{"x"}}}, {.name = ""}}});
    CHECK(copy.eval_as<int>("x + later") == 5);
    CHECK(session.make_namespace({.from = {{.name = "a", .only = std::vector<std::string>{}}}})
              .list_variables()
              .empty());
    CHECK_THROWS_AS(session.make_namespace({.from = {{.name = "a", .only = {{"nothing"}}}}}),
                    error);
    CHECK(space.call("builtins", "len", "abc").as<int>() == 3);
    CHECK(session.namespaces().size() == 2);
    const auto variables = space.list_variables();
    CHECK(std::any_of(variables.begin(), variables.end(),
                      [](const auto& each) { return each.name == "y" && each.repr == "1"; }));
    CHECK(session.use_namespace("a").eval_as<int>("x") == 3);
    copy.destroy();
  }
  CHECK(session.namespaces().empty());
}

TEST_CASE("a failing init script fails the session with its error", "[clients][integration]") {
  const place at;
  try {
    (void)at.client.session(
        {.init = init_script{.source = "x = 1 / zero", .variables = {{"zero", 0}}}});
    FAIL("made");
  } catch (const python_error& why) {
    CHECK(why.is("ZeroDivisionError"));
  }
}

TEST_CASE("a stream is a range that is pulled", "[clients][integration]") {
  const place at;
  std::vector<int> got;
  for (auto& item : at.session.stream("(i for i in range(10))"))
    got.push_back(item.as<int>());
  CHECK(got == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});

  at.session.eval("made = []\nclosed = []\ndef g():\n  try:\n    for i in range(10**9):\n"
                  "      made.append(i)\n      yield i\n  finally: closed.append(1)");
  {
    auto items = at.session.stream("g()", {}, {.window = 1});
    CHECK(items.take(2) == std::vector<value>{0, 1});
    // The third is not computed before somebody wants it.
    CHECK(at.session.eval_as<int>("len(made)") == 2);
    CHECK(items.next() == value{2});
  }
  CHECK(at.session.eval_as<int>("len(closed)") == 1);
  for (const auto& item : at.session.stream("g()"))
    if (item == value{3})
      break;
  CHECK(at.session.eval_as<int>("len(closed)") == 2);
  CHECK(at.session.memory().streams == 0);

  auto failing = at.session.stream("(1 // (2 - i) for i in range(5))");
  CHECK(failing.take(2) == std::vector<value>{0, 1});
  CHECK_THROWS_AS(failing.next(), python_error);
  CHECK_FALSE(failing.next());

  auto whole = at.session.stream(
      task{task::call{module_name{"builtins"}, "range", operation::call, arguments::of(100'000)}});
  CHECK(whole.take(1'000'000).size() == 100'000);
  REQUIRE(whole.end_verdict());
  CHECK(whole.end_verdict()->ok());
  CHECK_THROWS_AS(at.session.stream("5").next(), python_error);
}

TEST_CASE("a batch has a result for each", "[clients][integration]") {
  const place at;
  const auto results = at.session.batch(
      {{task::source{"x = 1"}},
       {task::source{"1/0"}},
       {task::call{module_name{"math"}, "sqrt", operation::call, arguments::of(9)}},
       {task::source{"x"}}});
  REQUIRE(results.size() == 4);
  CHECK(results[0].get().is_none());
  CHECK_THROWS_AS(results[1].get(), python_error);
  CHECK(results[2].get().as<double>() == 3.0);
  CHECK(results[3].get().as<int>() == 1);
}

TEST_CASE("an interpreter describes itself", "[clients][integration]") {
  const place at;
  CHECK(at.session.interpreter().implementation == "cpython");
  CHECK(at.session.memory().generations.size() == 3);
  CHECK(at.session.memory().resident_bytes > 0);
  at.session.eval("class C: pass\nc = C(); c.me = c; del c");
  CHECK(at.session.collect_garbage() >= 1);
  CHECK_FALSE(at.session.set_tracemalloc(true));
  CHECK(at.session.set_tracemalloc(false));
  at.session.eval("number = [1, 2]");
  for (const auto& each : at.session.list_variables())
    if (each.name == "number")
      CHECK(each.length == 2U);
}

TEST_CASE("defaults fill what a request leaves open", "[clients][integration]") {
  const place at;
  at.client.set_defaults({.session = at.session.id(), .run = {.format = result_format::repr}});
  at.client.eval("x = (1, 2)");
  CHECK(at.client.eval("x") == value{"(1, 2)"});
  CHECK(at.client.eval("x", {.format = result_format::typed}) == tuple{{1, 2}});
  at.client.set_defaults({.own_session = true});
  (void)at.client.eval("x = 41");
  CHECK(at.client.eval_as<int>("x + 1") == 42);
  at.client.set_defaults({});
  CHECK_THROWS_AS(at.client.eval("x"), python_error);
}
