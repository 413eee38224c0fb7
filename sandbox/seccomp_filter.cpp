// SPDX-License-Identifier: Apache-2.0
#include "sandbox/seccomp_filter.hpp"

#include "proto/unique_fd.hpp"
#include "sandbox/seccomp_lists.hpp"

#include <seccomp.h>

#include <cerrno>
#include <memory>

#include <fcntl.h>
#include <linux/prctl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <asm/ioctls.h>

namespace vivarium::sandbox {

namespace {

constexpr std::uint64_t all_bits = ~0ull;
constexpr std::uint64_t type_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
constexpr std::uint64_t fast_open = 0x20000000;  // MSG_FASTOPEN
constexpr std::uint64_t thread_flags = 0x3d0f00; // What glibc's pthread_create passes, exactly.

/// Collects rules; the first failure is kept. Arguments are compared in full 64 bits: in an
/// allow-list that is the strict way, whatever the kernel makes of the upper half.
class rules {
public:
  explicit rules(scmp_filter_ctx filter) : filter_{filter} {}

  void add(std::uint32_t action, int call, std::initializer_list<scmp_arg_cmp> arguments = {}) {
    int code = seccomp_rule_add_array(filter_, action, call,
                                      static_cast<unsigned>(arguments.size()), arguments.begin());
    if (code != 0 && failure_ == 0)
      failure_ = -code;
  }
  void allow(int call, std::initializer_list<scmp_arg_cmp> arguments = {}) {
    add(SCMP_ACT_ALLOW, call, arguments);
  }
  [[nodiscard]] int failure() const noexcept { return failure_; }

private:
  scmp_filter_ctx filter_;
  int failure_ = 0;
};

constexpr scmp_arg_cmp is(unsigned argument, std::uint64_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}
constexpr scmp_arg_cmp bits(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

void add_processes(rules& to) {
  // Threads only. Any CLONE_NEW* flag or a missing CLONE_VM makes another number.
  to.allow(SCMP_SYS(clone), {is(0, thread_flags)});
  // prlimit64 and the like on others would reach siblings of the same uid.
  to.allow(SCMP_SYS(prlimit64), {is(0, 0)});
  for (auto option : {PR_SET_NAME, PR_GET_NAME, PR_CAPBSET_READ})
    to.allow(SCMP_SYS(prctl), {is(0, static_cast<std::uint64_t>(option))});
}

void add_memory(rules& to) {
  to.allow(SCMP_SYS(mmap), {bits(3, MAP_HUGETLB | MAP_LOCKED, 0)});
  for (std::uint64_t advice :
       {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE,
        MADV_DONTFORK, MADV_DOFORK, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP,
        MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT})
    to.allow(SCMP_SYS(madvise), {is(2, advice)}); // Not MERGEABLE: a side channel; not HWPOISON.
}

void add_descriptors(rules& to) {
  for (std::uint64_t request : {TCGETS, TIOCGWINSZ, FIOCLEX, FIONCLEX, FIONBIO, FIONREAD})
    to.allow(SCMP_SYS(ioctl), {is(1, request)}); // Not FIOASYNC, FIOSETOWN: signals to others.
  for (std::uint64_t command :
       {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_GETLK, F_SETLK, F_SETLKW,
        F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, 1032 /* F_GETPIPE_SZ */})
    to.allow(SCMP_SYS(fcntl), {is(1, command)}); // Not F_SETOWN, F_SETSIG, F_SETLEASE, F_NOTIFY.
  to.allow(SCMP_SYS(fcntl), {is(1, F_SETFL), bits(2, O_ASYNC, 0)});
}

void add_sockets(rules& to) {
  for (std::uint64_t family : {AF_INET, AF_INET6})
    for (std::uint64_t protocol : {0, static_cast<int>(IPPROTO_TCP)})
      to.allow(SCMP_SYS(socket),
               {is(0, family), bits(1, all_bits & ~type_flags, SOCK_STREAM), is(2, protocol)});
  // A datagram pair could be unpeered, bound to an abstract name and met by another tenant.
  to.allow(SCMP_SYS(socketpair),
           {is(0, AF_UNIX), bits(1, all_bits & ~type_flags, SOCK_STREAM), is(2, 0)});
  // An address, or fast open, would aim an injected socket anew.
  to.allow(SCMP_SYS(sendto), {is(4, 0), bits(3, fast_open, 0)});
  to.allow(SCMP_SYS(sendmsg), {bits(2, fast_open, 0)});
  to.allow(SCMP_SYS(sendmmsg), {bits(3, fast_open, 0)});
  // Not SO_LINGER: it stalls whoever closes last. Not TCP_REPAIR, TCP_ULP, SO_ATTACH_*.
  for (std::uint64_t option : {SO_KEEPALIVE, SO_REUSEADDR, SO_SNDBUF, SO_RCVBUF, SO_SNDTIMEO_OLD,
                               SO_RCVTIMEO_OLD, SO_SNDTIMEO_NEW, SO_RCVTIMEO_NEW})
    to.allow(SCMP_SYS(setsockopt), {is(1, SOL_SOCKET), is(2, option)});
  for (std::uint64_t option :
       {TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT, TCP_QUICKACK})
    to.allow(SCMP_SYS(setsockopt), {is(1, IPPROTO_TCP), is(2, option)});
  to.allow(SCMP_SYS(setsockopt), {is(1, IPPROTO_IPV6), is(2, IPV6_V6ONLY)});
}

void add_all(rules& to) {
  for (int call : allowed_calls)
    to.allow(call);
  // The deadly ones are in no rule: the listener tells which one it was, and who answers it kills.
  for (const auto& [call, errno_value] : quiet_refusals)
    to.add(SCMP_ACT_ERRNO(static_cast<std::uint32_t>(errno_value)), call);
  // Calls younger than the lists: libraries that try them fall back on ENOSYS only.
  for (int call = first_unknown_call; call <= last_unknown_call; ++call)
    to.add(SCMP_ACT_ERRNO(ENOSYS), call);
  add_processes(to);
  add_memory(to);
  add_descriptors(to);
  add_sockets(to);
}

result<std::vector<sock_filter>> export_program(scmp_filter_ctx filter) {
  unique_fd file{::memfd_create("vivarium-filter", MFD_CLOEXEC)};
  if (!file)
    return os_error("memfd_create", "", errno);
  if (int code = seccomp_export_bpf(filter, file.get()); code != 0)
    return os_error("seccomp_export_bpf", "", -code);
  struct stat what {};
  if (::fstat(file.get(), &what) != 0)
    return os_error("fstat", "the filter", errno);
  std::vector<sock_filter> program(static_cast<std::size_t>(what.st_size) / sizeof(sock_filter));
  auto size = program.size() * sizeof(sock_filter);
  if (::pread(file.get(), program.data(), size, 0) != static_cast<ssize_t>(size))
    return os_error("pread", "the filter", errno);
  return program;
}

} // namespace

result<std::vector<sock_filter>> compile_filter(filter_kind kind) {
  if (kind == filter_kind::allow_all)
    return std::vector<sock_filter>{BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter{seccomp_init(SCMP_ACT_NOTIFY),
                                                          seccomp_release};
  if (!filter)
    return error{errc::internal, "seccomp_init failed"};
  // Another architecture is another table of calls: int 0x80 and x32 would pass by every rule.
  seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  // A binary tree: the kernel emulates the filter for every call number when it is loaded.
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  rules collected{filter.get()};
  add_all(collected);
  if (collected.failure() != 0)
    return os_error("seccomp_rule_add", "", collected.failure());
  return export_program(filter.get());
}

} // namespace vivarium::sandbox
