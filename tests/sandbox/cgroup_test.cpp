// SPDX-License-Identifier: Apache-2.0
#include "sandbox/cgroup.hpp"
#include "sandbox/cgroup_files.hpp"
#include "sandbox/cgroup_tree.hpp"

#include <catch2/catch.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <sys/wait.h>
#include <unistd.h>

using namespace vivarium;
using namespace vivarium::sandbox;

namespace fs = std::filesystem;

namespace {

/// A folder that looks like /proc/self and a cgroup2 mount.
class fake_host {
public:
  fake_host() {
    std::string folder = "/tmp/vivarium-cgroup-XXXXXX";
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    root_ = folder;
    fs::create_directories(mount());
    put("proc/cgroup", "9:pids:/x\n0::/system.slice/v.service\n");
    put("proc/mountinfo", "24 1 0:5 / /proc rw - proc proc rw\n35 24 0:30 / " + mount().string()
                              + " rw,nosuid shared:9 - cgroup2 cgroup2 rw\n");
  }
  fake_host(const fake_host&) = delete;
  fake_host& operator=(const fake_host&) = delete;
  ~fake_host() { fs::remove_all(root_); }

  [[nodiscard]] fs::path mount() const { return root_ / "cg"; }
  [[nodiscard]] std::string proc() const { return (root_ / "proc").string(); }
  void put(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream{root_ / path} << text;
  }
  /// A group with these controllers.
  void group(const std::string& path, const std::string& controllers) const {
    put("cg" + path + "/cgroup.controllers", controllers);
    put("cg" + path + "/cgroup.procs", "");
    put("cg" + path + "/cgroup.type", "domain\n");
    put("cg" + path + "/cgroup.subtree_control", "");
  }
  [[nodiscard]] std::string text(const std::string& path) const {
    return read_group_file((root_ / path).parent_path(), (root_ / path).filename().string())
               ? *read_group_file((root_ / path).parent_path(), (root_ / path).filename().string())
               : "";
  }

private:
  fs::path root_;
};

} // namespace

TEST_CASE("a process finds its own group in the unified hierarchy", "[sandbox][unit]") {
  CHECK(own_cgroup("0::/\n") == "/");
  CHECK(own_cgroup("9:name=systemd:/a\n8:pids:/b\n0::/user.slice/x\n") == "/user.slice/x");
  CHECK_FALSE(own_cgroup("9:pids:/a\n"));
  CHECK_FALSE(own_cgroup("0::/../outside\n"));
  CHECK_FALSE(own_cgroup(""));
}

TEST_CASE("the mount of the unified hierarchy is found among others", "[sandbox][unit]") {
  CHECK(cgroup2_mount("30 25 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n")
        == "/sys/fs/cgroup");
  CHECK(cgroup2_mount("29 25 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n"
                      "30 29 0:27 / /sys/fs/cgroup/unified rw shared:8 - cgroup2 none rw\n")
        == "/sys/fs/cgroup/unified");
  CHECK_FALSE(cgroup2_mount("30 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"));
  // Only a part of it: paths of /proc/PID/cgroup do not fit.
  CHECK_FALSE(cgroup2_mount("30 25 0:27 /part /mnt rw - cgroup2 cgroup2 rw\n"));
  CHECK_FALSE(cgroup2_mount("nonsense\n"));
}

TEST_CASE("events are read by name", "[sandbox][unit]") {
  std::string_view text = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n";
  CHECK(event_of(text, "oom_kill") == 2u);
  CHECK(event_of(text, "max") == 12u);
  CHECK_FALSE(event_of(text, "oom_kil"));
  CHECK_FALSE(event_of("oom_kill x\n", "oom_kill"));
}

TEST_CASE("a group's memory leaves room for files and for the kernel's books", "[sandbox][unit]") {
  CHECK(group_memory(512ull << 20, 64ull << 20) > (576ull << 20));
  CHECK(group_memory(512ull << 20, 64ull << 20) < (640ull << 20));
}

TEST_CASE("a delegated group is found and described", "[sandbox][unit]") {
  fake_host host;
  host.group("/system.slice/v.service", "cpu io memory pids\n");
  auto site = find_cgroup({}, host.proc());
  CHECK(site.usable);
  CHECK(site.is_own);
  CHECK_FALSE(site.is_root);
  CHECK((site.memory && site.pids && site.cpu));
  CHECK(site.finding.find("memory") != std::string::npos);
}

TEST_CASE("what cannot be used is said", "[sandbox][unit]") {
  fake_host host;
  SECTION("switched off") {
    host.group("/system.slice/v.service", "memory\n");
    auto site = find_cgroup({cgroup_choice::kind::off, ""}, host.proc());
    CHECK_FALSE(site.usable);
    CHECK(site.finding.find("sandbox.cgroup") != std::string::npos);
  }
  SECTION("no memory controller") {
    host.group("/system.slice/v.service", "pids cpuset\n");
    auto site = find_cgroup({}, host.proc());
    CHECK_FALSE(site.usable);
    CHECK(site.finding.find("no memory controller") != std::string::npos);
    CHECK(site.pids);
    CHECK_FALSE(site.cpu); // "cpuset" is another one.
  }
  SECTION("no group") {
    CHECK_FALSE(find_cgroup({}, host.proc()).usable);
  }
  SECTION("no unified hierarchy") {
    host.put("proc/cgroup", "3:pids:/a\n");
    CHECK(find_cgroup({}, host.proc()).finding == "no unified hierarchy");
  }
}

TEST_CASE("a path of the operator's choice is taken with what it has", "[sandbox][unit]") {
  fake_host host;
  host.group("/mine", "");
  auto site =
      find_cgroup({cgroup_choice::kind::path, (host.mount() / "mine").string()}, host.proc());
  CHECK(site.usable);
  CHECK_FALSE(site.is_own);
  CHECK_FALSE(site.memory);
  CHECK_FALSE(find_cgroup({cgroup_choice::kind::path, "/nowhere"}, host.proc()).usable);
}

TEST_CASE("limits are written in the kernel's words", "[sandbox][unit]") {
  fake_host host;
  host.group("/site", "cpu memory pids\n");
  auto site =
      find_cgroup({cgroup_choice::kind::path, (host.mount() / "site").string()}, host.proc());
  host.group("/site/vivarium.0", "");
  auto tree = cgroup_tree::open(site);
  REQUIRE(tree);
  CHECK(tree->folder() == (host.mount() / "site/vivarium.0").string());
  CHECK(host.text("cg/site/cgroup.subtree_control").find("+") != std::string::npos);
  // Ordinary folders have no files of the kernel's: they are made beforehand.
  auto session = "cg/site/vivarium.0/t.acme/ses_1";
  for (auto name : {"memory.max", "memory.oom.group", "memory.swap.max", "pids.max", "cpu.max",
                    "cpu.weight", "cgroup.procs"})
    host.put(std::string{session} + "/" + name, "");
  auto placed = tree->place("acme", "ses_1", {1ull << 30, 32, std::nullopt, 150}, 4711);
  REQUIRE(placed);
  CHECK(host.text(std::string{session} + "/memory.max") == "1073741824");
  CHECK(host.text(std::string{session} + "/memory.oom.group") == "1");
  CHECK(host.text(std::string{session} + "/memory.swap.max") == "0");
  CHECK(host.text(std::string{session} + "/pids.max") == "32");
  CHECK(host.text(std::string{session} + "/cpu.max") == "150000 100000");
  CHECK(host.text(std::string{session} + "/cpu.weight").empty());
  CHECK(host.text(std::string{session} + "/cgroup.procs") == "4711");
  host.put(std::string{session} + "/memory.peak", "123456\n");
  host.put(std::string{session} + "/memory.events", "oom 1\noom_kill 1\n");
  auto seen = cgroup_tree::read(*placed);
  CHECK(seen.peak_bytes == 123'456);
  CHECK(seen.ooms == 1);
  CHECK(seen.oom_kills == 1);
  CHECK(seen.pids_refused == 0);
}

TEST_CASE("a tenant's sessions are held together", "[sandbox][unit]") {
  fake_host host;
  host.group("/site", "cpu memory pids\n");
  auto site =
      find_cgroup({cgroup_choice::kind::path, (host.mount() / "site").string()}, host.proc());
  host.group("/site/vivarium.0", "");
  auto tree = cgroup_tree::open(site);
  REQUIRE(tree);
  std::string tenant{"cg/site/vivarium.0/t.acme"};
  for (auto name : {"memory.max", "memory.swap.max", "pids.max", "cpu.weight", "cpu.idle"})
    host.put(tenant + "/" + name, "");
  CHECK(tree->limit_tenant("acme", {64ull << 20, 100, 50, std::nullopt}));
  CHECK(host.text(tenant + "/memory.max") == "67108864");
  CHECK(host.text(tenant + "/memory.swap.max") == "0");
  CHECK(host.text(tenant + "/pids.max") == "100");
  CHECK(host.text(tenant + "/cpu.weight") == "50");
  CHECK_FALSE(fs::exists(host.mount() / "site/vivarium.0/t.acme/memory.oom.group"));
  CHECK(tree->put_behind("acme", true));
  CHECK(host.text(tenant + "/cpu.idle") == "1");
  // Limits that are gone are taken away; who is behind stays there.
  for (auto name : {"memory.max", "memory.swap.max", "pids.max", "cpu.weight", "cpu.idle"})
    host.put(tenant + "/" + name, "");
  CHECK(tree->limit_tenant("acme", {std::nullopt, std::nullopt, 200, std::nullopt}));
  CHECK(host.text(tenant + "/memory.max") == "max");
  CHECK(host.text(tenant + "/memory.swap.max") == "max");
  CHECK(host.text(tenant + "/pids.max") == "max");
  CHECK(host.text(tenant + "/cpu.weight").empty());
  CHECK(host.text(tenant + "/cpu.idle").empty());
  // Who comes back has its weight again, whatever the kernel made of it meanwhile.
  CHECK(tree->put_behind("acme", false));
  CHECK(host.text(tenant + "/cpu.idle") == "0");
  CHECK(host.text(tenant + "/cpu.weight") == "200");
}

TEST_CASE("a group in which others live is left alone", "[sandbox][unit]") {
  fake_host host;
  host.group("/system.slice/v.service", "memory\n");
  auto procs = "cg/system.slice/v.service/cgroup.procs";
  host.put(procs, "1\n" + std::to_string(::getpid()) + "\n");
  auto site = find_cgroup({}, host.proc());
  REQUIRE(site.usable);
  auto refused = cgroup_tree::open(site);
  REQUIRE_FALSE(refused);
  CHECK(refused.why().detail.find("Delegate=yes") != std::string::npos);
  CHECK_FALSE(fs::exists(host.mount() / "system.slice/v.service/vivarium.0"));
  CHECK(host.text(procs).starts_with("1\n"));
}

TEST_CASE("a daemon that cannot share its group out goes back to where it was", "[sandbox][unit]") {
  fake_host host;
  host.group("/system.slice/v.service", "memory\n");
  auto own = std::string{"cg/system.slice/v.service"};
  auto self = std::to_string(::getpid()) + "\n";
  host.put(own + "/cgroup.procs", self);
  host.put(own + "/vivarium.0/daemon/cgroup.procs", "");
  // What the kernel refuses for a group that has members, a folder refuses for want of a file.
  fs::remove(host.mount() / "system.slice/v.service/cgroup.subtree_control");
  CHECK_FALSE(cgroup_tree::open(find_cgroup({}, host.proc())));
  CHECK(host.text(own + "/cgroup.procs").starts_with(std::to_string(::getpid())));
  CHECK(host.text(own + "/vivarium.0/daemon/cgroup.procs").starts_with(std::to_string(::getpid())));
}

TEST_CASE("two daemons at one site have a folder each", "[sandbox][unit]") {
  fake_host host;
  host.group("/site", "");
  auto site =
      find_cgroup({cgroup_choice::kind::path, (host.mount() / "site").string()}, host.proc());
  auto first = cgroup_tree::open(site);
  auto second = cgroup_tree::open(site);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->folder() != second->folder());
  CHECK(second->reclaimed() == 0);
}

namespace {

/// A real cgroup2 folder in which this user may make groups: that of VIVARIUM_CGROUP, else this
/// process's own. Nothing, having said why: fails when VIVARIUM_MUST_CGROUP=1. Needs no
/// controllers.
std::optional<std::string> real_site() {
  cgroup_choice choice;
  if (const char* chosen = std::getenv("VIVARIUM_CGROUP")) // NOLINT(concurrency-mt-unsafe)
    choice = {cgroup_choice::kind::path, chosen};
  auto site = find_cgroup(choice);
  if (!site.folder.empty() && ::access(site.folder.c_str(), W_OK) == 0)
    return site.folder;
  const char* must = std::getenv("VIVARIUM_MUST_CGROUP"); // NOLINT(concurrency-mt-unsafe)
  if (must && std::string{must} == "1")
    FAIL("no cgroup2 folder is writable: " << site.finding);
  WARN("not tested: no cgroup2 folder is writable: " << site.finding);
  return std::nullopt;
}

class sleeper {
public:
  sleeper() : pid_{::fork()} {
    if (pid_ == 0)
      for (;;)
        ::pause();
  }
  sleeper(const sleeper&) = delete;
  sleeper& operator=(const sleeper&) = delete;
  ~sleeper() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  int wait_for_end() {
    int wait_status = 0;
    ::waitpid(std::exchange(pid_, -1), &wait_status, 0);
    return wait_status;
  }

private:
  pid_t pid_;
};

} // namespace

TEST_CASE("a real group holds its members and ends them", "[sandbox][kernel]") {
  auto folder = real_site();
  if (!folder)
    return;
  auto own = *folder + "/vivarium-test-" + std::to_string(::getpid());
  fs::create_directory(own);
  {
    auto tree = cgroup_tree::open(find_cgroup({cgroup_choice::kind::path, own}));
    REQUIRE(tree);
    sleeper member;
    auto group = tree->place("acme", "ses_1", {}, member.pid());
    REQUIRE(group);
    CHECK(*read_group_file(*group, "cgroup.procs") == std::to_string(member.pid()) + "\n");
    // Its end is the group's.
    REQUIRE(write_group_file(*group, "cgroup.kill", "1"));
    CHECK(WTERMSIG(member.wait_for_end()) == SIGKILL);
    CHECK(cgroup_tree::end(*group));
    CHECK_FALSE(fs::exists(*group));
    // A member that does not exist any more is refused, and nothing is left of the group.
    CHECK_FALSE(tree->place("acme", "ses_2", {}, 0x3fffffff));
    CHECK_FALSE(fs::exists(tree->folder() + "/t.acme/ses_2"));
    tree->finish();
    CHECK_FALSE(fs::exists(tree->folder()));
  }
  CHECK(fs::remove(own));
}

TEST_CASE("what a dead daemon left in a real hierarchy is ended by the next", "[sandbox][kernel]") {
  auto folder = real_site();
  if (!folder)
    return;
  auto own = *folder + "/vivarium-test-" + std::to_string(::getpid());
  fs::create_directory(own);
  cgroup_choice choice{cgroup_choice::kind::path, own};
  sleeper orphan;
  std::string left;
  {
    auto dead = cgroup_tree::open(find_cgroup(choice));
    REQUIRE(dead);
    left = *dead->place("acme", "ses_1", {}, orphan.pid());
  }
  {
    auto next = cgroup_tree::open(find_cgroup(choice));
    REQUIRE(next);
    CHECK(next->reclaimed() == 1);
    CHECK_FALSE(fs::exists(left));
    CHECK(WTERMSIG(orphan.wait_for_end()) == SIGKILL);
    next->finish();
  }
  CHECK(fs::remove(own));
}
