// SPDX-License-Identifier: Apache-2.0
#include "proto/result.hpp"

#include <catch2/catch.hpp>

#include <cerrno>
#include <memory>
#include <set>
#include <string>

using namespace vivarium;

TEST_CASE("a result holds its value or says why there is none", "[proto][unit]") {
  result<std::unique_ptr<int>> good{std::make_unique<int>(42)};
  REQUIRE(good);
  CHECK(**good == 42);
  auto taken = *std::move(good);
  CHECK(*taken == 42);

  result<int> bad{error{errc::not_found, "no such session"}};
  REQUIRE_FALSE(bad);
  CHECK(bad.why().code == errc::not_found);
  CHECK(bad.why().detail == "no such session");
}

TEST_CASE("every errc has a name of its own", "[proto][unit]") {
  std::set<std::string_view> names;
  for (auto code = errc::none; code <= errc::internal;
       code = static_cast<errc>(static_cast<int>(code) + 1)) {
    CHECK_FALSE(name_of(code).empty());
    CHECK(names.insert(name_of(code)).second);
  }
}

TEST_CASE("an os error tells the call, its argument and the reason", "[proto][unit]") {
  auto why = os_error("openat", "/nowhere", ENOENT);
  CHECK(why.code == errc::os_failure);
  CHECK(why.detail == "openat /nowhere: No such file or directory");
}
