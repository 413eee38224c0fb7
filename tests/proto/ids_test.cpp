// SPDX-License-Identifier: Apache-2.0
#include "proto/ids.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <string>

using namespace vivarium;

TEST_CASE("ids carry the prefix of their kind and never repeat", "[proto][unit]") {
  std::set<std::string> seen;
  for (int i = 0; i < 1'000; ++i) {
    auto id = make_id(id_kind::session);
    CHECK(id.rfind("ses_0", 0) == 0);
    CHECK(id.size() == std::string{"ses_0"}.size() + 26);
    CHECK(seen.insert(id).second);
  }
  CHECK(looks_like_id(id_kind::execution, make_id(id_kind::execution)));
  CHECK_FALSE(looks_like_id(id_kind::execution, make_id(id_kind::session)));
}

TEST_CASE("names are lower case, start with a letter or digit and have a bound", "[proto][unit]") {
  for (const auto* good : {"a", "7", "my-app", "a-", "0-0"})
    CHECK(check_name(good));
  CHECK(check_name(std::string(63, 'a')));
  for (const auto* bad : {"", "-a", "A", "a_b", "a.b", "a/b", "a b", "ä", "ses_0"})
    CHECK_FALSE(check_name(bad));
  CHECK_FALSE(check_name(std::string(64, 'a')));
  CHECK_FALSE(check_name(std::string{"a\0b", 3}));
}
