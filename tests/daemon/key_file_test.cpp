// SPDX-License-Identifier: Apache-2.0
#include "daemon/key_admin.hpp"
#include "daemon/key_file.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <sys/stat.h>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

struct folder {
  std::string path = "/tmp/vivarium-keys-XXXXXX";
  folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string file() const { return path + "/keys"; }
};

std::string text_of(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

api_key::time now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

} // namespace

TEST_CASE("a key is an id and a secret", "[daemon][unit]") {
  auto shown = parse_key("viv_abc_def234");
  REQUIRE(shown);
  CHECK(shown->id == "abc");
  CHECK(shown->secret == "def234");
  CHECK(show_key("abc", "def234") == "viv_abc_def234");
  for (const auto& text :
       {std::string{}, std::string{"viv_"}, std::string{"viv_abc"}, std::string{"viv_abc_"},
        std::string{"viv__def"}, std::string{"VIV_abc_def"}, std::string{"viv_abc_def_ghi"},
        std::string{"viv_abc_d f"}, std::string{"viv_abc_d\n"},
        "viv_abc_" + std::string(129, 'x')}) {
    INFO(text);
    CHECK_FALSE(parse_key(text));
  }
}

TEST_CASE("hashes are compared whole", "[daemon][unit]") {
  CHECK(same(hash_of("x"), hash_of("x")));
  for (std::size_t i = 0; i < 32; ++i) {
    auto other = hash_of("x");
    other[i] ^= 1;
    CHECK_FALSE(same(hash_of("x"), other));
  }
}

TEST_CASE("what is written is read again", "[daemon][unit]") {
  api_key one{.id = "a1", .tenant = "web", .created = now(), .hash = hash_of("s")};
  api_key two = one;
  two.id = "b2";
  two.what = role::admin;
  two.expires = now() + 1h;
  two.before = former_secret{hash_of("old"), now() + 5s};
  auto read = parse_key_file(render_key_file({one, two}));
  CHECK(read.problems.empty());
  CHECK(read.complete);
  REQUIRE(read.keys.size() == 2);
  CHECK(read.keys[0].opened_by(hash_of("s"), now()));
  CHECK_FALSE(read.keys[0].expires);
  CHECK(read.keys[1].what == role::admin);
  CHECK(read.keys[1].opened_by(hash_of("s"), now() + 1h - 1s));
  CHECK_FALSE(read.keys[1].opened_by(hash_of("s"), now() + 1h));
  CHECK(read.keys[1].opened_by(hash_of("old"), now()));
  CHECK_FALSE(read.keys[1].opened_by(hash_of("old"), now() + 5s));
}

TEST_CASE("a line that is no key is one key less and is told", "[daemon][unit]") {
  api_key one{.id = "a1", .tenant = "web", .created = now(), .hash = hash_of("s")};
  auto good = render_key_file({one});
  auto line = good.substr(good.find("v1 "));
  for (const auto& bad :
       {std::string{"v2 a1 web client 1 0 00\n"}, std::string{"v1 a1 web client 1 0 00\n"},
        std::string{"v1 a1 WEB client 1 0 "} + std::string(64, '0') + "\n",
        std::string{"v1 a1 web boss 1 0 "} + std::string(64, '0') + "\n",
        std::string{"v1 a1 web client -1 0 "} + std::string(64, '0') + "\n",
        std::string{"v1 a1 web client 1 0 "} + std::string(64, 'x') + "\n",
        std::string{"v1 a1 web client 1 0 "} + std::string(64, '0') + " 00\n"}) {
    INFO(bad);
    auto read = parse_key_file(bad + line);
    CHECK(read.problems.size() == 1);
    CHECK(read.keys.size() == 1);
  }
  // The first of two with one id counts.
  auto twice = line.substr(0, line.find('\n') + 1) + line;
  CHECK(parse_key_file(twice).problems.size() == 1);
  CHECK_FALSE(parse_key_file(good.substr(0, good.size() - 4)).complete);
  CHECK_FALSE(parse_key_file("").complete);
  CHECK(parse_key_file("# nothing\nend\n").complete);
}

TEST_CASE("keys are made, rotated and revoked in the file", "[daemon][unit]") {
  folder at;
  auto made = create_key(at.file(), "web", role::client, 1h);
  REQUIRE(made);
  struct stat info {};
  REQUIRE(::stat(at.file().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  auto secret = std::string{parse_key(made->shown)->secret};
  CHECK(secret.size() == 52);
  CHECK(text_of(at.file()).find(secret) == std::string::npos);

  auto rotated = rotate_key(at.file(), made->key.id, 1min);
  REQUIRE(rotated);
  auto fresh = std::string{parse_key(rotated->shown)->secret};
  CHECK(fresh != secret);
  auto held = *list_keys(at.file());
  REQUIRE(held.keys.size() == 1);
  CHECK(held.keys[0].opened_by(hash_of(fresh), now()));
  CHECK(held.keys[0].opened_by(hash_of(secret), now()));
  REQUIRE(rotate_key(at.file(), made->key.id, 0s));
  CHECK_FALSE(list_keys(at.file())->keys[0].opened_by(hash_of(fresh), now()));

  CHECK(revoke_key(at.file(), made->key.id));
  CHECK(list_keys(at.file())->keys.empty());
  CHECK_FALSE(revoke_key(at.file(), made->key.id));
  CHECK_FALSE(create_key(at.file(), "Not A Name", role::client, {}));
  CHECK_FALSE(create_key(at.path + "/none/keys", "web", role::client, {}));
}

TEST_CASE("what is not understood is not written over", "[daemon][unit]") {
  folder at;
  std::ofstream{at.file()} << "v1 something of a later version\nend\n";
  CHECK_FALSE(create_key(at.file(), "web", role::client, {}));
  CHECK(text_of(at.file()).find("later version") != std::string::npos);
  std::ofstream{at.file()} << "# cut off\n";
  CHECK_FALSE(create_key(at.file(), "web", role::client, {}));
}

TEST_CASE("many operators at once lose nothing", "[daemon][unit]") {
  folder at;
  std::vector<std::thread> all;
  for (int n = 0; n < 8; ++n)
    all.emplace_back([&] {
      for (int i = 0; i < 5; ++i)
        (void)create_key(at.file(), "web", role::client, {});
    });
  for (auto& each : all)
    each.join();
  CHECK(list_keys(at.file())->keys.size() == 40);
}
