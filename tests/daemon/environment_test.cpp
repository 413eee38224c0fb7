// SPDX-License-Identifier: Apache-2.0
#include "daemon/environment_build.hpp"
#include "daemon/environment_json.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace vivarium;

namespace {

environment_spec packages(std::vector<std::string> requirements) {
  environment_spec out;
  out.recipe.emplace().requirements = std::move(requirements);
  return out;
}

} // namespace

TEST_CASE("requirements are names and versions, and nothing that an installer would follow",
          "[daemon][unit]") {
  for (auto text : {"numpy", "numpy>=1.24,<2", "a[b,c]==1; python_version > '3.10'"})
    CHECK(check_spec(packages({text})));
  for (auto text : {"", "-r x", "--index-url=http://x", "a @ https://x/a.whl", "a\n-r x", "a\\b",
                    "a; os_name == '${HOME}'", "a; os_name == '\xe2\x80\xa8-r x'"})
    CHECK_FALSE(check_spec(packages({text})));
  CHECK_FALSE(check_spec(packages({std::string(most_requirement_bytes + 1, 'a')})));
  CHECK(check_spec(packages(std::vector<std::string>(most_requirements, "a"))));
  CHECK_FALSE(check_spec(packages(std::vector<std::string>(most_requirements + 1, "a"))));
}

TEST_CASE("an environment is exactly one thing", "[daemon][unit]") {
  CHECK_FALSE(check_spec({}));
  environment_spec two = packages({"a"});
  two.interpreter = "/usr/bin/python3";
  CHECK_FALSE(check_spec(two));
  two.recipe.reset();
  CHECK(check_spec(two));
  two.interpreter = "python3";
  CHECK_FALSE(check_spec(two));
}

TEST_CASE("the list of environments is what was written", "[daemon][unit]") {
  environment_record one;
  one.owner = "a";
  one.name = "n";
  one.trusted = true;
  one.spec = packages({"x==1", "y"});
  one.spec.recipe->lock = "l\n\"quoted\"";
  one.spec.recipe->installer = installer_choice::uv;
  one.spec.variables = {{"K", "v"}};
  one.facts.emplace().id = "env_1";
  one.facts->packages = {{"x", "1"}};
  one.facts->folder = "venv-1";
  one.facts->built = std::chrono::seconds{5};
  auto read = environment_json::read_store(
      environment_json::write_store({std::make_shared<const environment_record>(one),
                                     std::make_shared<const environment_record>()}));
  REQUIRE(read);
  REQUIRE(read->size() == 2);
  CHECK(read->front().spec == one.spec);
  CHECK(read->front().trusted);
  CHECK(read->front().facts->packages == one.facts->packages);
  CHECK(read->front().facts->folder == "venv-1");
  CHECK(read->front().facts->built.count() == 5);
  for (auto text : {"", "{}", "[]", R"({"environments": [{}]})", R"({"environments": 1})"})
    CHECK_FALSE(environment_json::read_store(text));
}

TEST_CASE("what the builder says is read with care", "[daemon][unit]") {
  auto refused = environment_json::read_facts(R"({"problem": "no such package"})");
  CHECK(refused.why().detail == "no such package");
  CHECK(refused.why().code == errc::failed_precondition);
  for (auto text : {"", "1", "{}", R"({"python_version": 3})", R"({"id": "x"})"})
    CHECK_FALSE(environment_json::read_facts(text));
  auto checks = environment_json::read_verification(
      R"({"checks": [["a>1", false, "1", "a 1 is installed"]]})");
  REQUIRE(checks);
  CHECK(checks->checks.front().problem == "a 1 is installed");
}

TEST_CASE("a log is bounded and moves no cursor", "[daemon][unit]") {
  environment_build build{true, nullptr};
  build.write("one\ntw");
  build.write("o\x1b[2J\r\n\xff\n");
  CHECK(*build.line(0) == "one");
  CHECK(*build.line(1) == "two [2J ");
  CHECK(*build.line(2) == "?");
  CHECK(build.line(3) == nullptr);
  std::string many;
  for (int n = 0; n < 2'000; ++n)
    many += std::string(999, 'x') + "\n";
  build.write(many + "the end\n");
  std::size_t lines = 0;
  while (build.line(lines) != nullptr)
    ++lines;
  CHECK(lines < 1'100);
  CHECK(build.line(lines - 1)->find("left out") != std::string::npos);
  CHECK(build.last_words().ends_with("the end"));
}

TEST_CASE("a build ends when the last who waits for it leaves", "[daemon][unit]") {
  int cancelled = 0;
  environment_build build{false, [&] { ++cancelled; }};
  int told = 0;
  auto one = build.watch([&] { ++told; });
  auto other = build.watch([] {});
  build.write("x\n");
  CHECK(told == 1);
  build.leave(one);
  CHECK(cancelled == 0);
  build.leave(other);
  build.leave(other);
  CHECK(cancelled == 1);
  environment_build wanted{true, [&] { ++cancelled; }};
  wanted.leave(wanted.watch([] {}));
  CHECK(cancelled == 1);
}
