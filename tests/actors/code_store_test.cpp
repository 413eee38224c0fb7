// SPDX-License-Identifier: Apache-2.0
#include "actors/code_store.hpp"

#include <catch2/catch.hpp>

using vivarium::code_store;

TEST_CASE("the same code has the same handle and another has another", "[actors][unit]") {
  code_store store;
  auto first = store.put({"x = 1", "a.py", 1});
  CHECK(store.put({"x = 1", "a.py", 1}) == first);
  CHECK(store.put({"x = 1", "a.py", 2}) != first);
  CHECK(store.put({"x = 2", "a.py", 1}) != first);
  // The border between name and source is part of the hash.
  CHECK(store.put({"b", "a", 1}) != store.put({"", "ab", 1}));
  REQUIRE(store.find(first) != nullptr);
  CHECK(store.find(first)->source == "x = 1");
  CHECK(store.find("cod_nothing") == nullptr);
}

TEST_CASE("the store drops what was used least recently", "[actors][unit]") {
  code_store store;
  auto oldest = store.put({"oldest", "", 1});
  auto second = store.put({"second", "", 1});
  for (std::size_t n = 2; n < code_store::max_entries; ++n)
    store.put({"filler " + std::to_string(n), "", 1});
  REQUIRE(store.find(oldest) != nullptr); // It is full, and this one has just been used.
  store.put({"one more", "", 1});
  CHECK(store.find(oldest) != nullptr);
  CHECK(store.find(second) == nullptr);
}

TEST_CASE("the store is bounded in bytes, and one large source still fits", "[actors][unit]") {
  code_store store;
  auto small = store.put({"small", "", 1});
  auto large = store.put({std::string(code_store::max_bytes, 'x'), "", 1});
  CHECK(store.find(small) == nullptr);
  CHECK(store.find(large) != nullptr);
}
