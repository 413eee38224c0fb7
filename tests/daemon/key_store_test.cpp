// SPDX-License-Identifier: Apache-2.0
#include "daemon/key_admin.hpp"
#include "daemon/key_store.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

struct fixture {
  std::string folder = "/tmp/vivarium-keys-XXXXXX";
  std::string file;
  boost::asio::io_context reactor;
  std::vector<key_change> changes;
  std::vector<std::string> troubles;
  std::unique_ptr<key_store> store;

  fixture() {
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    file = folder + "/keys";
  }
  fixture(const fixture&) = delete;
  fixture& operator=(const fixture&) = delete;
  ~fixture() {
    store.reset();
    std::filesystem::remove_all(folder);
  }
  status open() {
    auto made = key_store::open(
        reactor, file,
        {[this](const auto& all) { changes.insert(changes.end(), all.begin(), all.end()); },
         [this](const std::string& what) { troubles.push_back(what); }});
    if (!made)
      return made.why();
    store = *std::move(made);
    return done{};
  }
  new_key create() { return *create_key(file, "web", role::client, {}); }
  bool opens(const new_key& key) { return store->find(key.shown).key != nullptr; }
  std::string text() const {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
};

} // namespace

TEST_CASE("a change counts for the very next question", "[daemon][unit]") {
  fixture with;
  REQUIRE(with.open()); // there is no file yet
  CHECK(with.store->size() == 0);
  // The reactor never runs here: no question depends on news having been delivered.
  for (int n = 0; n < 100; ++n) {
    auto key = with.create();
    REQUIRE(with.opens(key));
    auto again = *rotate_key(with.file, key.key.id, 0s);
    REQUIRE(with.opens(again));
    REQUIRE_FALSE(with.opens(key));
    REQUIRE(revoke_key(with.file, key.key.id));
    REQUIRE_FALSE(with.opens(again));
  }
  CHECK(with.changes.size() == 300);
  CHECK(with.troubles.empty());
}

TEST_CASE("rotations in a row are not mistaken for one another", "[daemon][unit]") {
  fixture with;
  auto key = with.create();
  REQUIRE(with.open());
  // Files of one size, made within one tick of the file system's clock, whose inode numbers are
  // used again.
  for (int n = 0; n < 100; ++n) {
    auto old = key;
    (void)rotate_key(with.file, key.key.id, 0s);
    key = *rotate_key(with.file, key.key.id, 0s);
    REQUIRE(with.opens(key));
    REQUIRE_FALSE(with.opens(old));
  }
}

TEST_CASE("the reactor hears of changes that nobody asks about", "[daemon][unit]") {
  fixture with;
  auto key = with.create();
  REQUIRE(with.open());
  auto grant = with.store->find(key.shown).grant;
  CHECK(with.store->still(grant));
  with.changes.clear();
  REQUIRE(revoke_key(with.file, key.key.id));
  while (with.changes.empty())
    with.reactor.run_one();
  CHECK(with.changes.front().what == key_change::kind::removed);
  CHECK_FALSE(with.store->still(grant));
}

TEST_CASE("why there is no key is known, though not told", "[daemon][unit]") {
  fixture with;
  auto key = with.create();
  REQUIRE(with.open());
  CHECK(with.store->find("Bearer nonsense").why == key_store::miss::malformed);
  CHECK(with.store->find("viv_nobody_secret").why == key_store::miss::unknown);
  CHECK(with.store->find(show_key(key.key.id, "wrong")).why == key_store::miss::secret);
  auto text = with.text();
  auto created = std::to_string(key.key.created.time_since_epoch().count());
  text.replace(text.find(created + " 0"), created.size() + 2, created + " 1000");
  std::ofstream{with.file} << text;
  CHECK(with.store->find(key.shown).why == key_store::miss::expired);
}

TEST_CASE("a file that is being written is waited for, in effect", "[daemon][unit]") {
  fixture with;
  auto key = with.create();
  REQUIRE(with.open());
  auto text = with.text();
  // In place, byte by byte, as no tool of ours does it.
  int fd = ::open(with.file.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  REQUIRE(fd >= 0);
  CHECK(with.opens(key));
  for (char c : text) {
    REQUIRE(::write(fd, &c, 1) == 1);
    REQUIRE(with.opens(key));
  }
  ::close(fd);
  CHECK(with.opens(key));
  // What was said about it does not fill the log.
  CHECK(with.troubles.size() < 5);
}

TEST_CASE("changes in place are seen, whatever the clock says", "[daemon][unit]") {
  fixture with;
  auto a = with.create();
  auto text_a = with.text();
  auto b = *rotate_key(with.file, a.key.id, 0s);
  auto text_b = with.text();
  REQUIRE(text_a.size() == text_b.size());
  REQUIRE(with.open());
  struct stat info {};
  for (int n = 0; n < 200; ++n) {
    bool first = n % 2 == 0;
    REQUIRE(::stat(with.file.c_str(), &info) == 0);
    std::ofstream{with.file} << (first ? text_a : text_b);
    timespec times[2] = {info.st_atim, info.st_mtim};
    ::utimensat(AT_FDCWD, with.file.c_str(), times, 0);
    REQUIRE(with.opens(first ? a : b));
    REQUIRE_FALSE(with.opens(first ? b : a));
  }
}

TEST_CASE("a file taken away takes its keys, and one that comes brings them", "[daemon][unit]") {
  fixture with;
  auto key = with.create();
  REQUIRE(with.open());
  std::filesystem::rename(with.file, with.folder + "/aside");
  CHECK_FALSE(with.opens(key));
  std::filesystem::rename(with.folder + "/aside", with.file);
  CHECK(with.opens(key));
}

TEST_CASE("links that lead to another file are followed", "[daemon][unit]") {
  // The way in which Kubernetes replaces the files of a secret.
  fixture with;
  auto key = with.create();
  auto folder = std::filesystem::path{with.folder};
  std::filesystem::create_directory(folder / "v1");
  std::filesystem::rename(with.file, folder / "v1/keys");
  std::filesystem::create_symlink("v1", folder / "data");
  std::filesystem::create_symlink("data/keys", with.file);
  REQUIRE(with.open());
  CHECK(with.opens(key));
  std::filesystem::create_directory(folder / "v2");
  std::ofstream{folder / "v2/keys"} << "end\n";
  std::filesystem::create_symlink("v2", folder / "next");
  std::filesystem::rename(folder / "next", folder / "data");
  CHECK_FALSE(with.opens(key));
}

TEST_CASE("a file that others could have written is refused", "[daemon][unit]") {
  fixture with;
  auto key = with.create();
  REQUIRE(::chmod(with.file.c_str(), 0620) == 0);
  CHECK_FALSE(with.open());
  REQUIRE(::chmod(with.file.c_str(), 0640) == 0);
  REQUIRE(with.open());
  with.troubles.clear();
  CHECK(with.opens(key));
  // What holds stays in force while the file is in such a state.
  REQUIRE(::chmod(with.file.c_str(), 0666) == 0);
  CHECK(with.opens(key));
  CHECK(with.troubles.size() == 1);
}

TEST_CASE("a directory that is not there is an error, a lost one is looked at again", "[daemon]") {
  fixture with;
  with.file = with.folder + "/none/keys";
  CHECK_FALSE(with.open());
  std::filesystem::create_directory(with.folder + "/none");
  auto key = with.create();
  REQUIRE(with.open());
  std::filesystem::rename(with.folder + "/none", with.folder + "/gone");
  std::filesystem::create_directory(with.folder + "/none");
  CHECK_FALSE(with.opens(key));
  auto other = with.create();
  CHECK(with.opens(other));
  with.store->look(); // what the server does each second
  REQUIRE(revoke_key(with.file, other.key.id));
  CHECK_FALSE(with.opens(other));
}
