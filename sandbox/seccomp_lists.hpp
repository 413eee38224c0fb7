// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which system calls a worker may make, by class. Allowed ones were measured with the standard
// library, numpy, pandas, matplotlib, asyncio, ssl, requests, FastAPI and psycopg; a call that is
// in no list is refused through the listener. Calls with checked arguments are in
// seccomp_filter.cpp.

#include <seccomp.h>

#include <cerrno>
#include <utility>

namespace vivarium::sandbox {

// clang-format off
inline constexpr int allowed_calls[] = {
  // files and directories: Landlock and the mounts decide which
  SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
  SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(preadv2), SCMP_SYS(pwritev2),
  SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2),
  SCMP_SYS(dup3), SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(creat), SCMP_SYS(newfstatat),
  SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(statx), SCMP_SYS(access),
  SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
  SCMP_SYS(getdents64), SCMP_SYS(getcwd), SCMP_SYS(chdir), SCMP_SYS(fchdir), SCMP_SYS(mkdir),
  SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename),
  SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink),
  SCMP_SYS(symlinkat), SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(fchown),
  SCMP_SYS(truncate), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fsync),
  SCMP_SYS(fdatasync), SCMP_SYS(msync), SCMP_SYS(utimensat), SCMP_SYS(utimes), SCMP_SYS(utime),
  SCMP_SYS(flock), SCMP_SYS(sendfile), SCMP_SYS(copy_file_range), SCMP_SYS(fadvise64),
  SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(umask),
  // memory and threads
  SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap), SCMP_SYS(brk), SCMP_SYS(mincore),
  SCMP_SYS(membarrier), SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
  SCMP_SYS(set_tid_address), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
  SCMP_SYS(arch_prctl), SCMP_SYS(exit), SCMP_SYS(exit_group),
  // who am I: all answers are the worker's own namespace's
  SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
  SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getresuid), SCMP_SYS(getresgid),
  SCMP_SYS(getgroups), SCMP_SYS(getpgrp), SCMP_SYS(getpgid), SCMP_SYS(getsid), SCMP_SYS(capget),
  SCMP_SYS(wait4), SCMP_SYS(waitid),
  // signals: the pid namespace holds nobody else's process
  SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
  SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigsuspend),
  SCMP_SYS(sigaltstack), SCMP_SYS(pause), SCMP_SYS(kill), SCMP_SYS(tkill), SCMP_SYS(tgkill),
  SCMP_SYS(signalfd4), SCMP_SYS(restart_syscall),
  // time
  SCMP_SYS(alarm), SCMP_SYS(getitimer), SCMP_SYS(setitimer), SCMP_SYS(timer_create),
  SCMP_SYS(timer_settime), SCMP_SYS(timer_gettime), SCMP_SYS(timer_getoverrun),
  SCMP_SYS(timer_delete), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
  SCMP_SYS(timerfd_gettime), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
  SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time),
  SCMP_SYS(times), SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(getcpu),
  SCMP_SYS(getpriority), SCMP_SYS(getrlimit), SCMP_SYS(setrlimit), SCMP_SYS(getrandom),
  SCMP_SYS(sched_get_priority_max), SCMP_SYS(sched_get_priority_min),
  // waiting
  SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create),
  SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
  SCMP_SYS(eventfd2), SCMP_SYS(pipe), SCMP_SYS(pipe2),
  // sockets that exist already
  SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(shutdown),
  SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
};

// No honest program needs them, and each has been the door of a kernel escape. Who makes one is
// killed from outside: a kill by the filter would not say which call it was.
inline constexpr int deadly_calls[] = {
  SCMP_SYS(ptrace), SCMP_SYS(bpf), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key),
  SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(userfaultfd),
  SCMP_SYS(perf_event_open), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
  SCMP_SYS(io_uring_register),
};

// What libraries try and can do without; recording it would drown the attacks.
inline constexpr std::pair<int, int> quiet_refusals[] = {
  {SCMP_SYS(clone3), ENOSYS}, {SCMP_SYS(openat2), ENOSYS}, {SCMP_SYS(epoll_pwait2), ENOSYS},
  {SCMP_SYS(futex_waitv), ENOSYS}, {SCMP_SYS(landlock_create_ruleset), ENOSYS},
  {SCMP_SYS(landlock_add_rule), ENOSYS}, {SCMP_SYS(landlock_restrict_self), ENOSYS},
  {SCMP_SYS(process_madvise), ENOSYS}, {SCMP_SYS(process_mrelease), ENOSYS},
  {SCMP_SYS(pkey_alloc), ENOSYS}, {SCMP_SYS(pkey_free), ENOSYS}, {SCMP_SYS(pkey_mprotect), ENOSYS},
  {SCMP_SYS(get_mempolicy), ENOSYS}, {SCMP_SYS(set_mempolicy), ENOSYS}, {SCMP_SYS(mbind), ENOSYS},
  {SCMP_SYS(inotify_init), ENOSYS}, {SCMP_SYS(inotify_init1), ENOSYS},
  {SCMP_SYS(inotify_add_watch), ENOSYS}, {SCMP_SYS(inotify_rm_watch), ENOSYS},
  {SCMP_SYS(getxattr), ENOTSUP}, {SCMP_SYS(lgetxattr), ENOTSUP}, {SCMP_SYS(fgetxattr), ENOTSUP},
  {SCMP_SYS(listxattr), ENOTSUP}, {SCMP_SYS(llistxattr), ENOTSUP},
  {SCMP_SYS(flistxattr), ENOTSUP}, {SCMP_SYS(setxattr), ENOTSUP}, {SCMP_SYS(lsetxattr), ENOTSUP},
  {SCMP_SYS(fsetxattr), ENOTSUP}, {SCMP_SYS(removexattr), ENOTSUP},
  {SCMP_SYS(lremovexattr), ENOTSUP}, {SCMP_SYS(fremovexattr), ENOTSUP},
  {SCMP_SYS(memfd_create), EPERM}, {SCMP_SYS(personality), EPERM}, {SCMP_SYS(mlock), EPERM},
  {SCMP_SYS(mlock2), EPERM}, {SCMP_SYS(munlock), EPERM}, {SCMP_SYS(mlockall), EPERM},
  {SCMP_SYS(munlockall), EPERM}, {SCMP_SYS(setpriority), EPERM}, {SCMP_SYS(sync), EPERM}, {SCMP_SYS(syncfs), EPERM},
  {SCMP_SYS(sync_file_range), EPERM}, {SCMP_SYS(readahead), EPERM}, {SCMP_SYS(chown), EPERM},
  {SCMP_SYS(lchown), EPERM}, {SCMP_SYS(fchownat), EPERM}, {SCMP_SYS(futimesat), EPERM},
  {SCMP_SYS(sched_setaffinity), EPERM}, {SCMP_SYS(sched_getparam), EPERM},
  {SCMP_SYS(sched_getscheduler), EPERM}, {SCMP_SYS(sched_getattr), EPERM},
  {SCMP_SYS(ioprio_get), EPERM}, {SCMP_SYS(splice), EINVAL}, {SCMP_SYS(tee), EINVAL},
  {SCMP_SYS(vmsplice), EINVAL},
};
// clang-format on

// libseccomp 2.5.4 names x86-64's calls up to 448; 512 to 547 are x32's.
inline constexpr int first_unknown_call = 450;
inline constexpr int last_unknown_call = 511;

} // namespace vivarium::sandbox
