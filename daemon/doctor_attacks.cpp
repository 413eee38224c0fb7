// SPDX-License-Identifier: Apache-2.0

// Every source ends with stopped(...), true where the attack has come to nothing. The system calls
// are x86-64's, made without Python's wrappers.

#include "daemon/doctor_attacks.hpp"

namespace vivarium {

namespace {

constexpr std::string_view prelude = R"(
import ctypes, errno, os, mmap, struct, socket
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
room = ctypes.create_string_buffer(4096)
def call(number, *words):
    ctypes.set_errno(0)
    result = _libc.syscall(ctypes.c_long(number),
                           *[ctypes.c_long(w) if isinstance(w, int) else w for w in words])
    return errno.errorcode[ctypes.get_errno()] if result == -1 else result
def fails(f, *a):
    try: f(*a)
    except (OSError, ValueError): return True
    return False
def makes(path, size=0):
    try: open(path, 'xb').write(bytes(size))
    except OSError: return False
    made.append(path)
    return True
def tidy():  # Where a layer is left out the files are the host's.
    for path in made: os.remove(path)
made = []
def stopped(yes): return 'held' if yes else 'broken'
)";

constexpr unsigned soon = 500;
constexpr std::string_view held = R"("json":"held")";
constexpr std::string_view killed = R"("cause":"seccomp")";
constexpr std::string_view timeout = R"("kind":"ERROR_KIND_TIMEOUT")";
constexpr std::string_view violated = R"("cause":"protocol")";

constexpr std::string_view fork_once = R"(
try: pid = os.fork()
except OSError: pid = None
if pid == 0: os._exit(0)
stopped(pid is None))";

constexpr std::string_view shellcode = R"(
page = mmap.mmap(-1, 4096, prot=7)
page[:8] = b'\xb8\x10\x01\0\0\x0f\x05\xc3'  # mov eax, unshare; syscall; ret
f = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
stopped(f() < 0))";

constexpr std::string_view memory = R"(
kept = []
try:
    while len(kept) < 192: kept.append(bytearray(1 << 20))
except MemoryError: pass
stopped(len(kept) <= 100))";

constexpr std::string_view threads = R"(
import threading
end, made = threading.Event(), []
try:
    while len(made) < 64:
        t = threading.Thread(target=end.wait); t.start(); made.append(t)
except RuntimeError: pass
end.set()
for t in made: t.join()
stopped(len(made) < 20))";

constexpr std::string_view descriptors = R"(
kept = []
try:
    while len(kept) < 200: kept.append(os.open('/dev/null', 0))
except OSError: pass
stopped(len(kept) < 70))";

constexpr std::string_view disk = R"(
while len(made) < 32 and makes(f'vivarium-doctor-{len(made)}', 1 << 20): pass
wrote = len(made)
tidy()
stopped(wrote < 12))";

constexpr std::string_view inodes = R"(
while len(made) < 2000 and makes(f'vivarium-doctor-{len(made)}'): pass
wrote = len(made)
tidy()
stopped(wrote < 400))";

constexpr std::string_view system_files = R"(
wrote = [p for p in ('/usr', '/etc', '/') if makes(p.rstrip('/') + '/vivarium-doctor')]
tidy()
stopped(not wrote))";

constexpr std::string_view shared_memory = R"(
segment = call(29, 0x5649, 4096, 0o1777)
if isinstance(segment, int): call(31, segment, 0, 0)
stopped(segment == 'EPERM'))";

constexpr std::string_view own_descriptors = R"(
known = {0, 1, 2, 3, 4, 100, 101}
stopped({fd for fd in range(256) if not fails(os.fstat, fd)} <= known))";

constexpr std::string_view capabilities = R"(
data = ctypes.create_string_buffer(24)
call(125, struct.pack('Ii', 0x20080522, 0), data)
stopped(data.raw == bytes(24)))";

constexpr std::string_view blocked = R"(
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True: pass)";

} // namespace

std::string attack_prelude(std::uint16_t port) {
  // Piece by piece: of the sum GCC 12 believes, when it optimises, that it reads past its end.
  std::string out{prelude};
  out += "port = ";
  out += std::to_string(port);
  out += '\n';
  return out;
}

const std::vector<trial_attack>& trial_attacks() {
  static const std::vector<trial_attack> all{
      {"make a process", "seccomp", fork_once, held},
      {"run a program", "seccomp", "stopped(fails(os.execv, '/bin/true', ['true']))", held},
      {"trace a process", "seccomp", "call(101, 0, 0, 0, 0)\nstopped(False)", killed},
      {"io_uring", "seccomp", "call(425, 8, room)\nstopped(False)", killed},
      {"bpf", "seccomp", "call(321, 0, room, 64)\nstopped(False)", killed},
      {"userfaultfd", "seccomp", "call(323, 0)\nstopped(False)", killed},
      {"kernel keys", "seccomp", "call(250, 0, -3, 0, 0, 0)\nstopped(False)", killed},
      {"system calls of another table", "seccomp", "call(0x40000000 | 39)\nstopped(False)", killed},
      {"machine code of its own", "seccomp", shellcode, held},
      {"namespaces of its own", "seccomp", "stopped(call(272, 0x10000000) == 'EPERM')", held},
      {"memory without a limit", "seccomp", "stopped(call(319, b'x', 0) == 'EPERM')", held},
      {"shared memory with others", "seccomp", shared_memory, held},
      {"sockets to others", "seccomp",
       "stopped(call(41, 1, 1, 0) == call(53, 1, 2, 0, room) == 'EAFNOSUPPORT')", held},
      {"arguments in the upper half", "seccomp",
       "stopped(call(41, 0x100000002, 1, 0) == 'EAFNOSUPPORT')", held},
      {"signals by descriptor", "seccomp", "stopped(call(72, 3, 8, 2) == 'EINVAL')", held},
      {"a socket to the host", "network_namespace",
       "stopped(fails(socket.create_connection, ('127.0.0.1', port), 3))", held},
      {"other processes", "pid_namespace",
       "stopped(all(call(62, p, 0) == 'ESRCH' for p in range(3, 400)))", held},
      {"files of the host", "mount_namespace",
       "stopped(not any(map(os.path.exists, ('/etc/shadow', '/proc/self', '/root', '/sys'))))",
       held},
      {"writing to the system", "mount_namespace", system_files, held},
      {"looking around", "landlock", "stopped(fails(os.listdir, '/'))", held},
      {"privileges", "capabilities", capabilities, held},
      {"being root", "worker_uid", "stopped(os.getuid() != 0)", held},
      {"all memory", "rlimits", memory, held},
      {"threads without end", "rlimits", threads, held},
      {"descriptors without end", "rlimits", descriptors, held},
      {"a full disk", "mount_namespace", disk, held},
      {"files without end", "mount_namespace", inodes, held},
      {"the daemon's environment", "process", "stopped('VIVARIUM_DOCTOR_SECRET' not in os.environ)",
       held},
      {"the daemon's descriptors", "process", own_descriptors, held},
      {"an endless loop", "daemon", "while True: pass", timeout, soon},
      {"an endless loop in C", "daemon", "sum(range(10**13))", timeout, soon},
      {"ignoring every signal", "daemon", blocked, timeout, soon},
      {"stopping itself", "daemon", "os.kill(os.getpid(), 19)", timeout, soon},
      {"noise on the channel", "daemon", "os.write(4, b'\\xff' * 4096)\nimport time; time.sleep(9)",
       violated},
      {"output without end", "daemon", "for i in range(4000): print('x' * 100)\n'end'",
       R"("outputTruncated":true)"},
  };
  return all;
}

} // namespace vivarium
