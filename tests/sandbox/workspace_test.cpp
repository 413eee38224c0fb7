// SPDX-License-Identifier: Apache-2.0
#include "sandbox/helper_program.hpp"
#include "sandbox/tree_snapshot.hpp"
#include "sandbox/volume_dir.hpp"
#include "sandbox/workspace_path.hpp"
#include "sandbox/workspace_walk.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace vivarium;
using namespace vivarium::sandbox;

namespace {

/// A directory that stands for a worker's file system, and is emptied at the end.
struct folder {
  folder() {
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    REQUIRE(::mkdir((name + "/workspace").c_str(), 0755) == 0);
    root.reset(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto opened = workspace::at(unique_fd{::fcntl(root.get(), F_DUPFD_CLOEXEC, 0)}, "workspace");
    REQUIRE(opened);
    space = std::make_unique<workspace>(*std::move(opened));
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() {
    unique_fd above{::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    (void)remove_tree(above.get(), name.substr(5));
  }
  file_info put(const std::string& path, std::string_view content) const {
    auto file = open_unnamed(*space);
    REQUIRE(file);
    REQUIRE(write_all(*space, *file, content, 0));
    auto info = publish(*space, *file, path, {});
    REQUIRE(info);
    return *info;
  }
  std::string get(const std::string& path) const {
    auto file = open_file(*space, path);
    REQUIRE(file);
    auto content = read_some(file->fd, 0, file->info.size);
    REQUIRE(content);
    return *content;
  }
  std::string host(const std::string& path) const { return name + "/workspace/" + path; }

  std::string name = "/tmp/vivarium-space-XXXXXX";
  unique_fd root;
  std::unique_ptr<workspace> space;
};

std::uint64_t remove_all(const workspace& of, const std::string& path) {
  auto going = removal::begin(of, path, true);
  REQUIRE(going);
  while (!going->over()) {
    auto step = going->next(of);
    REQUIRE(step);
  }
  return going->removed();
}

} // namespace

TEST_CASE("paths are relative to the workspace, or refused with the reason", "[sandbox][unit]") {
  for (const auto& [given, wanted] : {std::pair{"a", "a"},
                                      {"a/b", "a/b"},
                                      {"", ""},
                                      {".", ""},
                                      {"/workspace", ""},
                                      {"/workspace/", ""},
                                      {"/workspace/a", "a"},
                                      {"..a", "..a"},
                                      {"a..", "a.."}}) {
    auto path = workspace_path(given);
    REQUIRE(path);
    CHECK(*path == wanted);
  }
  for (const auto* given :
       {"..", "../a", "a/..", "a/../b", "/", "/a", "//workspace", "/workspace/..", "a//b", "a/",
        "./a", "a/.", "/workspacea", "/workspace//a"})
    CHECK_FALSE(workspace_path(given));
  CHECK_FALSE(workspace_path(std::string_view{"a\0b", 3}));
  CHECK(workspace_path(std::string(255, 'a')));
  CHECK_FALSE(workspace_path(std::string(256, 'a')));
  std::string deep = "a";
  for (std::size_t n = 1; n < most_path_parts; ++n)
    deep += "/a";
  CHECK(workspace_path(deep));
  CHECK_FALSE(workspace_path(deep + "/a"));
  std::string longest(255, 'a');
  while (longest.size() + 256 <= most_path_bytes)
    longest += "/" + std::string(255, 'a');
  CHECK(workspace_path(longest));
  CHECK_FALSE(workspace_path(longest + "/" + std::string(255, 'a')));
}

TEST_CASE("a file without a name leaves nothing, and replaces at once", "[sandbox][unit]") {
  folder here;
  {
    auto file = open_unnamed(*here.space);
    REQUIRE(file);
    REQUIRE(write_all(*here.space, *file, "half", 0));
    CHECK(names_in(here.root.get(), 10) == std::vector<std::string>{"workspace"});
  }
  here.put("a/b/c", "one");
  CHECK(here.get("a/b/c") == "one");
  here.put("a/b/c", "two");
  CHECK(here.get("a/b/c") == "two");
  auto file = open_unnamed(*here.space);
  REQUIRE(file);
  CHECK(publish(*here.space, *file, "a/b/c", {0, true}).why().code == errc::already_exists);
  CHECK(publish(*here.space, *file, "a/b", {}).why().code == errc::is_directory);
  CHECK(publish(*here.space, *file, "a/b/c/d", {}).why().code == errc::not_directory);
  CHECK(names_in(here.root.get(), 10) == std::vector<std::string>{"workspace"});
}

TEST_CASE("links are seen and not followed, and nothing blocks", "[sandbox][unit]") {
  folder here;
  REQUIRE(::symlink("/etc", here.host("etc").c_str()) == 0);
  REQUIRE(::symlink("/etc/passwd", here.host("link").c_str()) == 0);
  REQUIRE(::mkfifo(here.host("fifo").c_str(), 0644) == 0);
  CHECK(open_file(*here.space, "etc/passwd").why().code == errc::failed_precondition);
  CHECK(open_file(*here.space, "link").why().code == errc::failed_precondition);
  CHECK(open_file(*here.space, "fifo").why().code == errc::failed_precondition);
  CHECK(stat_file(*here.space, "link")->target == "/etc/passwd");
  CHECK(stat_file(*here.space, "fifo")->type == file_type::other);
  CHECK(make_directory(*here.space, "etc/x").why().code == errc::failed_precondition);
  here.put("real", "x");
  CHECK(move_file(*here.space, "real", "etc/x", true).why().code == errc::not_directory);
  CHECK(move_file(*here.space, "real", "link", false).why().code == errc::already_exists);
  CHECK(move_file(*here.space, "real", "link", true));
  CHECK(here.get("link") == "x");
}

TEST_CASE("a tree deeper than any path is removed, closed directories too", "[sandbox][unit]") {
  folder here;
  unique_fd at{::open(here.host("").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  for (int n = 0; n < 3'000; ++n) {
    REQUIRE(::mkdirat(at.get(), "d", 0700) == 0);
    at.reset(::openat(at.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (n % 100 == 0)
      REQUIRE(::symlinkat("/", at.get(), "l") == 0);
  }
  at.reset();
  auto listed = list_files(*here.space, "", {true, 10'000, ""});
  REQUIRE(listed);
  CHECK(listed->unread == 1);
  here.put("shut/in/x", "x");
  REQUIRE(::chmod(here.host("shut/in").c_str(), 0) == 0);
  REQUIRE(::chmod(here.host("shut").c_str(), 0) == 0);
  CHECK(remove_all(*here.space, "") == 3'000 + 30 + 3);
  CHECK(names_in(here.root.get(), 10) == std::vector<std::string>{"workspace"});
}

TEST_CASE("pages of a listing follow each other", "[sandbox][unit]") {
  folder here;
  for (const auto* path : {"a", "b/1", "b/2", "b-c", "b/d/e", "c"})
    here.put(path, "");
  const std::vector<std::string> all{"a", "b", "b/1", "b/2", "b/d", "b/d/e", "b-c", "c"};
  for (std::size_t size = 1; size <= all.size() + 1; ++size) {
    std::vector<std::string> found;
    list_options how{true, size, ""};
    for (;;) {
      auto page = list_files(*here.space, "", how);
      REQUIRE(page);
      for (const auto& one : page->entries)
        found.push_back(one.path);
      if (!page->more)
        break;
      REQUIRE(page->entries.size() == size);
      how.after = found.back();
    }
    CHECK(found == all);
  }
}

TEST_CASE("what changes within a tick of the clock shows", "[sandbox][unit]") {
  folder here;
  here.put("x", "0");
  for (int n = 0; n < 10; ++n) {
    auto before = take_snapshot(*here.space);
    REQUIRE(before);
    unique_fd file{::open(here.host("x").c_str(), O_WRONLY | O_CLOEXEC)};
    REQUIRE(::pwrite(file.get(), "1", 1, 0) == 1);
    auto after = take_snapshot(*here.space);
    REQUIRE(after);
    auto told = compare(*before, *after, 10);
    CHECK(told.modified == std::vector<std::string>{"x"});
    CHECK(told.added.empty());
  }
}

TEST_CASE("a backup brings everything back, in place where it can", "[sandbox][unit]") {
  folder here;
  here.put("d/keep", "keep");
  here.put("d/change", "before");
  here.put("gone", std::string(300'000, 'g'));
  REQUIRE(::symlink("gone", here.host("link").c_str()) == 0);
  unique_fd sparse{::open(here.host("sparse").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640)};
  REQUIRE(::ftruncate(sparse.get(), 10 << 20) == 0);
  REQUIRE(::pwrite(sparse.get(), "mid", 3, 5 << 20) == 3);
  auto copy = tree_backup::take(*here.space, 64 << 20);
  REQUIRE(copy);
  CHECK(copy->bytes() < 1 << 20);
  auto before = copy->marks();
  unique_fd open{::open(here.host("d/change").c_str(), O_RDWR | O_CLOEXEC)};
  REQUIRE(::pwrite(open.get(), "after!", 6, 0) == 6);
  here.put("d/new/x", "new");
  remove_all(*here.space, "gone");
  REQUIRE(::mkdir(here.host("gone").c_str(), 0) == 0);
  REQUIRE(::unlink(here.host("link").c_str()) == 0);
  REQUIRE(::ftruncate(sparse.get(), 0) == 0);
  REQUIRE(::chmod(here.host("d").c_str(), 0500) == 0);
  REQUIRE(copy->restore(*here.space));
  CHECK(here.get("d/change") == "before");
  std::string seen(6, '\0');
  CHECK(::pread(open.get(), seen.data(), 6, 0) == 6);
  CHECK(seen == "before");
  CHECK(here.get("gone") == std::string(300'000, 'g'));
  CHECK(here.get("sparse").substr(5 << 20, 3) == "mid");
  auto after = take_snapshot(*here.space);
  REQUIRE(after);
  REQUIRE(after->marks.size() == before.marks.size());
  for (const auto& [path, mark] : before.marks) {
    INFO(path);
    const auto& now = after->marks.at(path);
    CHECK(now.type == mark.type);
    CHECK(now.mode == mark.mode);
    CHECK(now.size == mark.size);
    if (mark.type == file_type::file)
      CHECK(now.modified_ns == mark.modified_ns);
  }
  CHECK(tree_backup::take(*here.space, 1'000).why().code == errc::limit_exceeded);
}

TEST_CASE("a volume is copied as a whole or not at all", "[sandbox][unit]") {
  folder here;
  folder state;
  auto volumes = volume_dir::open(state.name + "/a/b");
  REQUIRE(volumes);
  REQUIRE(volumes->create("t", "v", 3 * 4'096));
  CHECK(volumes->create("t", "v", 1).why().code == errc::already_exists);
  here.put("v/a/x", "x");
  auto made = volumes->commit("t", "v", *here.space, "v", 1, 1 << 20);
  REQUIRE(made);
  CHECK(made->version == 2);
  CHECK(made->size.bytes == 2 * 4'096); // A directory, and a file that is rounded up.
  CHECK(volumes->commit("t", "v", *here.space, "v", 1, 1 << 20).why().code
        == errc::failed_precondition);
  here.put("v/b", std::string(20'000, 'b'));
  CHECK(volumes->commit("t", "v", *here.space, "v", 2, 1 << 20).why().code == errc::no_space);
  auto attached = volumes->attach("t", "v", *here.space, "w");
  REQUIRE(attached);
  CHECK(attached->version == 2);
  CHECK(here.get("w/a/x") == "x");
  CHECK(list_files(*here.space, "w", {true, 10, ""})->entries.size() == 2);
  here.put("v/b", std::string(4'096, 'b'));
  auto full = volumes->commit("t", "v", *here.space, "v", 2, 1 << 20);
  REQUIRE(full);
  CHECK(full->size.bytes == 3 * 4'096);
  for (auto make : {+[](int at) { return ::mkdirat(at, "c", 0700); },
                    +[](int at) { return ::symlinkat("x", at, "c"); },
                    +[](int at) { return ::mknodat(at, "c", S_IFREG | 0600, 0); }}) {
    unique_fd at{::open(here.host("v").c_str(), O_RDONLY | O_DIRECTORY)};
    REQUIRE(make(at.get()) == 0);
    CHECK(volumes->commit("t", "v", *here.space, "v", 3, 1 << 20).why().code == errc::no_space);
    if (::unlinkat(at.get(), "c", 0) != 0)
      REQUIRE(::unlinkat(at.get(), "c", AT_REMOVEDIR) == 0);
  }
  CHECK(volumes->names("t") == std::vector<std::string>{"v"});
  REQUIRE(volumes->remove("t", "v"));
  CHECK(volumes->attach("t", "v", *here.space, "w").why().code == errc::not_found);
  CHECK(volumes->names("other").empty());
  CHECK(volumes->create("lock", "v", 10'000)); // The lock of the directory is not in its way.
}

TEST_CASE("a helper is killed when its time is over or somebody says so", "[sandbox][unit]") {
  using namespace std::chrono_literals;
  unique_fd stop{::eventfd(0, EFD_CLOEXEC)};
  CHECK(run_helper({{"/bin/true"}, {}, 20s}, stop.get()));
  auto failed = run_helper(
      {{"/bin/sh", "-c", "echo no >&2; echo $SECRET >&2; exit 3"}, {"SECRET=known"}, 20s},
      stop.get());
  REQUIRE_FALSE(failed);
  CHECK(failed.why().detail.find("no\nknown") != std::string::npos);
  CHECK(run_helper({{"/bin/sleep", "100"}, {}, 50ms}, stop.get()).why().code
        == errc::deadline_exceeded);
  CHECK(run_helper({{"/nowhere"}, {}, 20s}, stop.get()).why().code == errc::unavailable);
  std::uint64_t one = 1;
  REQUIRE(::write(stop.get(), &one, sizeof(one)) == sizeof(one));
  CHECK(run_helper({{"/bin/sleep", "100"}, {}, 20s}, stop.get()).why().code == errc::unavailable);
}
