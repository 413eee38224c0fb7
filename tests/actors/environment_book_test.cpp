// SPDX-License-Identifier: Apache-2.0
#include "actors/environment_book.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;

namespace {

environment_settings of(const std::string& python) {
  environment_settings out;
  out.python = python;
  return out;
}

} // namespace

TEST_CASE("a tenant's own environment goes before everybody's", "[actors][unit]") {
  environment_book book{{{"default", of("/d")}, {"web", of("/w")}}};
  CHECK(book.find("a", "web")->settings->python == "/w");
  CHECK(book.is_shared("a", "web"));
  book.put("a", "web", of("/mine"));
  CHECK(book.find("a", "web")->settings->python == "/mine");
  CHECK_FALSE(book.is_shared("a", "web"));
  CHECK(book.find("b", "web")->settings->python == "/w");
  CHECK(book.find("b", "none").why().code == errc::not_found);
}

TEST_CASE("names that tenants choose are no labels, and keys are never used again",
          "[actors][unit]") {
  environment_book book{{{"default", of("/d")}}};
  book.put("a", "secret-plans", of("/1"));
  auto first = *book.find("a", "secret-plans");
  CHECK(first.label == "registered");
  CHECK(book.find("a", "default")->label == "default");
  auto before = book.put("a", "secret-plans", of("/2"));
  REQUIRE(before);
  CHECK(before->key == first.key);
  CHECK(first.settings->python == "/1"); // for who still holds it
  CHECK(book.find("a", "secret-plans")->key != first.key);
  CHECK(book.drop("a", "secret-plans"));
  CHECK_FALSE(book.drop("a", "secret-plans"));
}

TEST_CASE("what is not built yet says why", "[actors][unit]") {
  auto wanted = of("/d");
  wanted.recipe.emplace();
  environment_book book{{{"default", of("/d")}, {"made", wanted}}};
  CHECK(book.find("a", "made").why().code == errc::unavailable);
  book.put_trouble({}, "made", error{errc::failed_precondition, "no such package"});
  CHECK(book.find("a", "made").why().detail == "no such package");
  CHECK_FALSE(book.put({}, "made", of("/m")));
  CHECK(book.find("a", "made")->settings->python == "/m");
}
