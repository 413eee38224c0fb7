// SPDX-License-Identifier: Apache-2.0
#include "actors/store_file.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

store_settings at(const std::string& path) {
  store_settings out;
  out.path = path;
  return out;
}

store_query of(const std::string& prefix, std::vector<std::string> only = {}) {
  store_query out;
  out.prefix = prefix;
  out.only = std::move(only);
  return out;
}

store_query from(const std::string& after, std::size_t limit) {
  store_query out;
  out.after = after;
  out.limit = limit;
  return out;
}

std::string make_folder() {
  std::string name = "/tmp/vivarium-store-XXXXXX";
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  return name;
}

struct store_fixture {
  std::string folder = make_folder();
  store_settings how = at(folder + "/deep/store.db");
  std::unique_ptr<store_file> file = *store_file::open(how);
  store_file::clock::time_point now{1'000h};
  store_quota quota{1'000, 3};

  ~store_fixture() {
    file.reset();
    std::filesystem::remove_all(folder);
  }
  status set(std::string_view key, std::string_view value, const std::string& tenant = "a",
             store_file::clock::time_point expires = {}) {
    return file->set(tenant, key, value, expires, quota, now);
  }
  std::string get(std::string_view key, const std::string& tenant = "a") {
    return file->get(tenant, key, now)->value_or("nothing");
  }
  std::vector<std::string> keys(const store_query& what, const std::string& tenant = "a") {
    std::vector<std::string> out;
    auto page = *file->list(tenant, what, now);
    for (const auto& [key, value] : page.entries)
      out.push_back(key);
    return out;
  }
};

using names = std::vector<std::string>;

} // namespace

TEST_CASE_METHOD(store_fixture, "a quota holds for what is there", "[actors][unit]") {
  CHECK(set("k", std::string(999, 'x')));
  CHECK_FALSE(set("k", std::string(1'000, 'x')));
  CHECK(set("k", "1"));
  CHECK(set("l", "1"));
  CHECK(set("m", "1"));
  auto full = set("n", "1");
  REQUIRE_FALSE(full);
  CHECK(full.why().code == errc::limit_exceeded);
  CHECK(set("m", "2"));
  CHECK(set("n", "1", "b"));
  CHECK(*file->remove("a", "m", now));
  CHECK_FALSE(*file->remove("a", "m", now));
  CHECK(set("n", "1"));
}

TEST_CASE_METHOD(store_fixture, "tenants have nothing in common", "[actors][unit]") {
  REQUIRE(set("k", "1"));
  CHECK(get("k") == "1");
  CHECK(get("k", "b") == "nothing");
  CHECK(keys({}, "b").empty());
  CHECK_FALSE(*file->remove("b", "k", now));
  CHECK(get("k") == "1");
}

TEST_CASE_METHOD(store_fixture, "what has expired is not there and makes room", "[actors][unit]") {
  REQUIRE(set("k", std::string(900, 'x'), "a", now + 1s));
  CHECK(get("k").size() == 900);
  now += 1s;
  CHECK(get("k") == "nothing");
  CHECK(keys({}).empty());
  CHECK_FALSE(*file->remove("a", "k", now));
  CHECK(set("l", std::string(900, 'x')));
}

TEST_CASE_METHOD(store_fixture, "keys come by prefix, in the order of bytes", "[actors][unit]") {
  quota = {10'000, 100};
  for (const auto* key : {"b", "a:2", "a:1", "a", "a;", "\xc3\xbf", "\xc3\xbfz"})
    REQUIRE(set(key, "1"));
  CHECK(keys({}) == names{"a", "a:1", "a:2", "a;", "b", "\xc3\xbf", "\xc3\xbfz"});
  CHECK(keys(of("a:")) == names{"a:1", "a:2"});
  CHECK(keys(of("\xc3\xbf")) == names{"\xc3\xbf", "\xc3\xbfz"});
  CHECK(keys(of("", {"a:1", "b", "c"})) == names{"a:1", "b"});
  CHECK(keys(of("a", {"a:1", "b", "c"})) == names{"a:1"});
  auto page = *file->list("a", from("", 3), now);
  CHECK(page.next == "a:2");
  CHECK(keys(from(page.next, 2)) == names{"a;", "b"});
  CHECK(file->list("a", from("", 7), now)->next.empty());
  auto both = of("", {"a", "b"});
  both.limit = 1;
  both.values = true;
  auto chosen = *file->list("a", both, now);
  CHECK(chosen.next == "a");
  CHECK(chosen.entries.front().second == "1");
}

TEST_CASE_METHOD(store_fixture, "a file can be opened again and a wrong one is told",
                 "[actors][unit]") {
  REQUIRE(set("k", "1"));
  file = nullptr;
  file = *store_file::open(how);
  CHECK(get("k") == "1");
  CHECK_FALSE(store_file::open(at(folder)));
  CHECK_FALSE(store_file::open(at("/proc/nowhere/store.db")));
}

TEST_CASE("keys and values are checked", "[actors][unit]") {
  CHECK(check_key(std::string(1'024, 'k')));
  for (const auto& key : {std::string{}, std::string(1'025, 'k'), std::string{"a\nb"},
                          std::string{"a\0b", 3}, std::string{"\xff"}})
    CHECK_FALSE(check_key(key));
  CHECK(check_json(std::string(64, '[') + std::string(64, ']')));
  CHECK_FALSE(check_json(std::string(65, '[') + std::string(65, ']')));
}
