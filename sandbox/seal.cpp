// SPDX-License-Identifier: Apache-2.0
#include "sandbox/seal.hpp"

#include "sandbox/control.hpp"
#include "sandbox/kernel.hpp"
#include "sandbox/tmpfs.hpp"
#include "sandbox/zygote_link.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace vivarium::sandbox {

namespace {

// From here on no allocation, no exception, no lock: the child of a process whose memory may be in
// any state. Every step either succeeds or ends the process.

constexpr int high_fd = 210;
const char* const worker_root = "/session/fs";

[[noreturn]] void give_up(const seal_job& job, const char* step, int errno_value) noexcept {
  control::message failed{control::kind::worker_failed};
  failed.worker = job.worker;
  failed.errno_value = errno_value;
  failed.say(step);
  control::send(job.link, failed);
  ::_exit(125);
}

void must(const seal_job& job, long outcome, const char* step) noexcept {
  if (outcome < 0)
    give_up(job, step, errno);
}

void put(const seal_job& job, int folder, const char* path, const char* text, std::size_t size,
         int flags, const char* step) noexcept {
  int fd = ::openat(folder, path, O_WRONLY | O_CLOEXEC | flags, 0644);
  must(job, fd, step);
  if (::write(fd, text, size) != static_cast<ssize_t>(size))
    give_up(job, step, errno);
  ::close(fd);
}

/// Returns a descriptor of the mount's root, by which the launcher can make it smaller; -1 without.
int mount_own_files(const seal_job& job) noexcept {
  if (!job.has(layer::mount_namespace))
    return -1;
  must(job, ::unshare(CLONE_NEWNS), "unshare(NEWNS)");
  must(job, ::mount("tmpfs", worker_root, "tmpfs", MS_NOSUID | MS_NODEV, job.tmpfs_options.data()),
       "mount tmpfs");
  int low = ::open(worker_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
  must(job, low, "open tmpfs");
  int root = ::fcntl(low, F_DUPFD_CLOEXEC, high_fd);
  must(job, root, "fcntl(F_DUPFD)");
  ::close(low);
  return root;
}

// Before RLIMIT_NPROC is lowered: the limit counts per uid and user namespace, and without a
// namespace of its own one worker's threads would starve another's.
void enter_own_user_namespace(const seal_job& job) noexcept {
  if (job.mode != uid_mode::single || !job.has(layer::worker_uid))
    return;
  must(job, ::unshare(CLONE_NEWUSER), "unshare(NEWUSER)");
  constexpr char map[] = "1000 0 1";
  put(job, job.proc, "self/uid_map", map, sizeof(map) - 1, 0, "uid_map");
  put(job, job.proc, "self/gid_map", map, sizeof(map) - 1, 0, "gid_map");
}

void limit(const seal_job& job, __rlimit_resource what, std::uint64_t value) noexcept {
  rlimit now{};
  must(job, ::getrlimit(what, &now), "getrlimit");
  rlim_t allowed = std::min<rlim_t>(value, now.rlim_max);
  rlimit wanted{allowed, allowed};
  must(job, ::setrlimit(what, &wanted), "setrlimit");
}

void set_limits(const seal_job& job) noexcept {
  if (!job.has(layer::rlimits))
    return;
  limit(job, RLIMIT_AS, address_space_limit(job.size, job.limits));
  limit(job, RLIMIT_DATA, data_limit(job.size, job.limits));
  limit(job, RLIMIT_NPROC, job.limits.threads);
  limit(job, RLIMIT_FSIZE, job.limits.file_bytes);
  limit(job, RLIMIT_CORE, 0);
  limit(job, RLIMIT_MSGQUEUE, 0);
  limit(job, RLIMIT_MEMLOCK, 0);
  limit(job, RLIMIT_SIGPENDING, 256);
  limit(job, RLIMIT_STACK, 8u << 20);
}

int drop_bounds() noexcept {
  for (int cap = 0; cap <= 63; ++cap)
    if (::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
      return errno == EINVAL && cap > 0 ? 0 : -1; // EINVAL: past the kernel's last one.
  return 0;
}

void become_own_user(const seal_job& job) noexcept {
  if (job.has(layer::capabilities)) {
    // A new user namespace comes with a full bounding set; otherwise the zygote has dropped it.
    if (job.mode == uid_mode::single && job.has(layer::worker_uid))
      must(job, drop_bounds(), "drop bounding set");
    must(job, ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "clear ambient set");
  } else {
    must(job, ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep capabilities");
  }
  if (job.uid == 0)
    return;
  must(job, ::syscall(SYS_setgroups, 0, nullptr), "setgroups");
  must(job, ::syscall(SYS_setresgid, job.uid, job.uid, job.uid), "setresgid");
  must(job, ::syscall(SYS_setresuid, job.uid, job.uid, job.uid), "setresuid");
}

void drop_capabilities(const seal_job& job) noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  if (!job.has(layer::capabilities)) {
    must(job, ::syscall(SYS_capget, &header, sets), "capget");
    for (auto& set : sets)
      set.effective = set.permitted;
  }
  must(job, ::syscall(SYS_capset, &header, sets), "capset");
}

// As the worker's own user, so that it owns what it is to write, with its own quotas.
void furnish(const seal_job& job) noexcept {
  const char* base = job.has(layer::mount_namespace) ? worker_root : "/tmp";
  must(job, ::chdir(base), "chdir");
  if (!job.has(layer::mount_namespace))
    return;
  ::umask(0);
  must(job, ::mkdir("workspace", 0700), "mkdir workspace");
  must(job, ::mkdir("tmp", 01777), "mkdir tmp");
  must(job, ::mkdir("shm", 01777), "mkdir shm");
  must(job, ::mkdir("etc", 0755), "mkdir etc");
  constexpr char hosts[] = "127.0.0.1 localhost\n";
  put(job, AT_FDCWD, "etc/passwd", job.passwd.data(), job.passwd.size(), O_CREAT, "passwd");
  put(job, AT_FDCWD, "etc/group", job.group.data(), job.group.size(), O_CREAT, "group");
  put(job, AT_FDCWD, "etc/hosts", hosts, sizeof(hosts) - 1, O_CREAT, "hosts");
  ::umask(022);
}

struct channel_ends {
  int to_worker;
  int from_worker;
};

int moved_up(const seal_job& job, int fd) noexcept {
  int high = ::fcntl(fd, F_DUPFD_CLOEXEC, high_fd);
  must(job, high, "fcntl(F_DUPFD)");
  return high;
}

// Pipes, not sockets: through a socket a worker could pass descriptors that stall the daemon.
channel_ends arrange_descriptors(const seal_job& job) noexcept {
  int requests[2];
  int answers[2];
  must(job, ::pipe2(requests, O_CLOEXEC), "pipe");
  must(job, ::pipe2(answers, O_CLOEXEC), "pipe");
  int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  must(job, null, "open /dev/null");
  constexpr int catcher = O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC;
  int out = ::open(".", catcher, 0600);
  must(job, out, "open stdout");
  int err = ::open(".", catcher, 0600);
  must(job, err, "open stderr");
  // All out of the way first: any of them may sit where another belongs.
  int from[] = {null, out, err, requests[0], answers[1]};
  for (int& fd : from)
    fd = moved_up(job, fd);
  channel_ends ends{moved_up(job, requests[1]), moved_up(job, answers[0])};
  for (int fd : {ends.to_worker, ends.from_worker})
    must(job, ::fcntl(fd, F_SETFL, O_NONBLOCK), "fcntl(O_NONBLOCK)");
  constexpr int to[] = {worker_stdin_fd, worker_stdout_fd, worker_stderr_fd, worker_requests_fd,
                        worker_answers_fd};
  for (std::size_t i = 0; i < std::size(to); ++i) {
    bool channel = to[i] > worker_stderr_fd;
    must(job, ::dup3(from[i], to[i], channel ? O_CLOEXEC : 0), "dup3");
  }
  if (job.has(layer::mount_namespace))
    must(job, ::chdir("workspace"), "chdir workspace");
  return ends;
}

void announce(const seal_job& job, const channel_ends& ends, int listener, int files) noexcept {
  control::message ready{control::kind::worker_ready};
  ready.worker = job.worker;
  ready.address_space = job.size.address_space;
  ready.data = job.size.data;
  int fds[] = {ends.to_worker, ends.from_worker, listener};
  if (int problem = control::send(job.control, ready, fds, 3); problem != 0)
    give_up(job, "tell the daemon", problem);
  if (int problem = control::send(job.link, ready, &files, files < 0 ? 0 : 1); problem != 0)
    ::_exit(125);
}

} // namespace

void prepare_job(seal_job& job, std::uint64_t worker, std::uint32_t uid) {
  job.worker = worker;
  job.uid = uid;
  std::snprintf(job.tmpfs_options.data(), job.tmpfs_options.size(),
                "size=%llu,nr_inodes=%u,mode=0755,uid=%u,gid=%u",
                static_cast<unsigned long long>(job.limits.workspace_bytes),
                job.limits.workspace_inodes + furniture_inodes, uid, uid);
  bool nested = job.mode == uid_mode::single && job.has(layer::worker_uid);
  auto seen = std::to_string(nested ? 1'000 : uid);
  job.passwd = "session:x:" + seen + ":" + seen + "::/workspace:/usr/sbin/nologin\n";
  job.group = "session:x:" + seen + ":\n";
}

status drop_bounding_set() {
  if (drop_bounds() != 0)
    return os_error("prctl", "PR_CAPBSET_DROP", errno);
  return done{};
}

void seal_worker(const seal_job& job) noexcept {
  // Out of the zygote's process group: kill(0, …) would reach the zygote and all siblings. Not out
  // of its session: the kernel may share the CPU among sessions, and that is to be among tenants.
  must(job, ::setpgid(0, 0), "setpgid");
  int files = mount_own_files(job);
  // The kernel is to take a worker before the zygote, and the zygote before anything of ours.
  put(job, job.proc, "self/oom_score_adj", "1000", 4, 0, "oom_score_adj");
  enter_own_user_namespace(job);
  set_limits(job);
  become_own_user(job);
  furnish(job);
  drop_capabilities(job);
  must(job, ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
  must(job, ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "not dumpable");
  auto ends = arrange_descriptors(job);
  if (job.ruleset >= 0)
    must(job, kernel::landlock_restrict(job.ruleset), "landlock_restrict_self");
  // Last, since it forbids the rest. WAIT_KILLABLE_RECV: a soft interrupt must not make the worker
  // drop a notification that the daemon is answering.
  constexpr unsigned flags =
      SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  auto program = job.program;
  int listener = kernel::seccomp(SECCOMP_SET_MODE_FILTER, flags, &program);
  must(job, listener, "seccomp");
  announce(job, ends, listener, files);
  // Only now: sending descriptors is refused above the sender's own limit when all workers of an
  // ordinary user together have many in flight.
  if (job.has(layer::rlimits))
    limit(job, RLIMIT_NOFILE, job.limits.descriptors);
  // Control socket, link, the daemon's ends, and the listener: with that one a worker could answer
  // its own notifications.
  if (kernel::close_from(worker_answers_fd + 1) != 0)
    ::_exit(125);
}

} // namespace vivarium::sandbox
