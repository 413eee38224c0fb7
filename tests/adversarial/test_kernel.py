# SPDX-License-Identifier: Apache-2.0
"""The kernel's surface, by raw system calls: what no wrapper of Python's softens (threats 20 to 37)."""

import collections
import unittest

from vivarium_testing.attack import (RAW, Attack, AttackCase, TwinCase, answers, anything, caused,
                                     satisfies, stopped)

# threat: its number; call: an expression; refusal: the errno that the sandbox answers.
Call = collections.namedtuple("Call", "threat name call refusal")

REFUSED = [
    Call(20, "process_vm_readv", "call(310, 1, room, 1, room, 1, 0)", "EPERM"),
    Call(20, "process_vm_writev", "call(311, 1, room, 1, room, 1, 0)", "EPERM"),
    Call(20, "pidfd_open", "call(434, 1, 0)", "EPERM"),
    Call(20, "pidfd_getfd", "call(438, 3, 3, 0)", "EPERM"),
    Call(20, "kcmp", "call(312, 1, 2, 0, 0, 0)", "EPERM"),
    Call(20, "memory of process 1", "tried(open, '/proc/1/mem', 'rb')", "ENOENT"),
    Call(20, "process_madvise", "call(440, 3, room, 1, 4, 0)", "ENOSYS"),
    Call(26, "memfd_secret", "call(447, 0)", "EPERM"),
    Call(27, "unshare, a user namespace", "call(272, 0x10000000)", "EPERM"),
    Call(27, "unshare, descriptors", "call(272, 0x400)", "EPERM"),
    Call(27, "clone with a user namespace", "call(56, 0x10000011, 0, 0, 0, 0)", "EPERM"),
    Call(27, "clone with one flag too many", "call(56, 0x3d0f00 | 0x20000000, 0, 0, 0, 0)", "EPERM"),
    Call(27, "clone3", "call(435, room, 88)", "ENOSYS"),
    Call(27, "setns", "call(308, 3, 0)", "EPERM"),
    Call(28, "mount", "call(165, b'x', b'/session/fs', b'tmpfs', 0, 0)", "EPERM"),
    Call(28, "umount2", "call(166, b'/session/fs', 2)", "EPERM"),
    Call(28, "fsopen", "call(430, b'tmpfs', 0)", "EPERM"),
    Call(28, "fsconfig", "call(431, 3, 0, 0, 0, 0)", "EPERM"),
    Call(28, "fsmount", "call(432, 3, 0, 0)", "EPERM"),
    Call(28, "fspick", "call(433, -100, b'/', 0)", "EPERM"),
    Call(28, "open_tree", "call(428, -100, b'/', 1)", "EPERM"),
    Call(28, "move_mount", "call(429, 3, b'', -100, b'/tmp', 4)", "EPERM"),
    Call(28, "mount_setattr", "call(442, -100, b'/', 0, room, 32)", "EPERM"),
    Call(28, "pivot_root", "call(155, b'.', b'.')", "EPERM"),
    Call(28, "chroot", "call(161, b'/')", "EPERM"),
    Call(29, "name_to_handle_at", "call(303, -100, b'/', room, room, 0)", "EPERM"),
    Call(29, "open_by_handle_at", "call(304, 3, room, 0)", "EPERM"),
    Call(30, "init_module", "call(175, room, 0, b'')", "EPERM"),
    Call(30, "finit_module", "call(313, 3, b'', 0)", "EPERM"),
    Call(30, "delete_module", "call(176, b'x', 0)", "EPERM"),
    Call(30, "reboot", "call(169, 0, 0, 0, 0)", "EPERM"),
    Call(30, "swapon", "call(167, b'x', 0)", "EPERM"),
    Call(30, "swapoff", "call(168, b'x')", "EPERM"),
    Call(30, "acct", "call(163, b'x')", "EPERM"),
    Call(30, "quotactl", "call(179, 0, 0, 0, 0)", "EPERM"),
    Call(30, "iopl", "call(172, 3)", "EPERM"),
    Call(30, "ioperm", "call(173, 0, 1, 1)", "EPERM"),
    Call(30, "modify_ldt", "call(154, 0, room, 16)", "EPERM"),
    Call(30, "sethostname", "call(170, b'mine', 4)", "EPERM"),
    Call(30, "setdomainname", "call(171, b'mine', 4)", "EPERM"),
    Call(30, "settimeofday", "call(164, room, 0)", "EPERM"),
    Call(30, "clock_settime", "call(227, 0, room)", "EPERM"),
    Call(30, "clock_adjtime", "call(305, 0, room)", "EPERM"),
    Call(30, "adjtimex", "call(159, room)", "EPERM"),
    Call(30, "syslog", "call(103, 3, room, 4096)", "EPERM"),
    Call(30, "vhangup", "call(153)", "EPERM"),
    Call(30, "mknod of a device", "call(133, b'disk', 0o60666, 0x800)", "EPERM"),
    Call(30, "setuid", "call(105, 0)", "EPERM"),
    Call(30, "setgroups", "call(116, 0, 0)", "EPERM"),
    Call(30, "capset", "call(126, room, room)", "EPERM"),
    Call(31, "socket, dirty upper half of the family", "call(41, 0x100000002, 1, 0)", "EAFNOSUPPORT"),
    Call(31, "socket, dirty upper half of the type", "call(41, 2, 0x100000001, 0)", "EAFNOSUPPORT"),
    Call(31, "ioctl, dirty upper half", "call(16, 1, 0x100005412, room)", "ENOTTY"),
    Call(31, "fcntl, dirty upper half", "call(72, 1, 0x100000008, 1)", "EINVAL"),
    Call(31, "prctl, dirty upper half", "call(157, 0x100000004, 1)", "EINVAL"),
    Call(31, "prlimit64, dirty upper half", "call(302, 0x100000001, 7, 0, room)", "EPERM"),
    Call(33, "prctl(PR_SET_DUMPABLE)", "call(157, 4, 1)", "EINVAL"),
    Call(33, "prctl(PR_SET_PDEATHSIG)", "call(157, 1, 0)", "EINVAL"),
    Call(33, "prctl(PR_SET_NO_NEW_PRIVS)", "call(157, 38, 1, 0, 0, 0)", "EINVAL"),
    Call(33, "prctl(PR_SET_PTRACER)", "call(157, 0x59616d61, -1)", "EINVAL"),
    Call(33, "prctl(PR_SET_SECCOMP)", "call(157, 22, 2, room)", "EINVAL"),
    Call(33, "prctl(PR_SET_CHILD_SUBREAPER)", "call(157, 36, 1)", "EINVAL"),
    Call(33, "prctl(PR_SCHED_CORE)", "call(157, 62, 1, 0, 0, 0)", "EINVAL"),
    Call(33, "prctl(PR_SET_SYSCALL_USER_DISPATCH)", "call(157, 59, 1, 0, 0, room)", "EINVAL"),
    Call(33, "seccomp with a listener", "call(317, 1, 8, room)", "EPERM"),
    Call(34, "execve of a setuid program", "call(59, b'/usr/bin/su', 0, 0)", "EPERM"),
    Call(34, "execve of ld.so", "call(59, b'/lib64/ld-linux-x86-64.so.2', 0, 0)", "EPERM"),
    Call(34, "execveat(AT_EMPTY_PATH)", "call(322, 1, b'', 0, 0, 0x1000)", "EPERM"),
    Call(34, "memfd_create", "call(319, b'x', 0)", "EPERM"),
    Call(34, "personality", "call(135, 0x40000)", "EPERM"),
    Call(35, "AF_UNIX", "call(41, 1, 1, 0)", "EAFNOSUPPORT"),
    Call(35, "AF_UNIX datagrams", "call(41, 1, 2, 0)", "EAFNOSUPPORT"),
    Call(35, "AF_NETLINK", "call(41, 16, 3, 0)", "EAFNOSUPPORT"),
    Call(35, "AF_PACKET", "call(41, 17, 3, 0)", "EAFNOSUPPORT"),
    Call(35, "AF_VSOCK", "call(41, 40, 1, 0)", "EAFNOSUPPORT"),
    Call(35, "AF_ALG", "call(41, 38, 5, 0)", "EAFNOSUPPORT"),
    Call(35, "AF_INET, raw", "call(41, 2, 3, 1)", "EAFNOSUPPORT"),
    Call(35, "AF_INET, MPTCP", "call(41, 2, 1, 262)", "EAFNOSUPPORT"),
    Call(35, "AF_INET, SCTP", "call(41, 2, 1, 132)", "EAFNOSUPPORT"),
    Call(35, "shmget", "call(29, 1, 4096, 0o1777)", "EPERM"),
    Call(35, "shmat", "call(30, 1, 0, 0)", "EPERM"),
    Call(35, "semget", "call(64, 1, 1, 0o1777)", "EPERM"),
    Call(35, "msgget", "call(68, 1, 0o1777)", "EPERM"),
    Call(35, "mq_open", "call(240, b'x', 0x42, 0o777, 0)", "EPERM"),
    Call(36, "ioctl(TIOCSTI)", "call(16, 0, 0x5412, room)", "ENOTTY"),
    Call(36, "ioctl(TIOCLINUX)", "call(16, 0, 0x541c, room)", "ENOTTY"),
    Call(36, "ioctl(FIOASYNC)", "call(16, 3, 0x5452, room)", "ENOTTY"),
    Call(36, "ioctl(FIOSETOWN)", "call(16, 3, 0x8901, room)", "ENOTTY"),
    Call(36, "fcntl(F_SETOWN)", "call(72, 3, 8, 1)", "EINVAL"),
    Call(36, "fcntl(F_SETOWN_EX)", "call(72, 3, 15, room)", "EINVAL"),
    Call(36, "fcntl(F_SETSIG)", "call(72, 3, 10, 9)", "EINVAL"),
    Call(36, "fcntl(F_SETFL, O_ASYNC)", "call(72, 3, 4, 0x2000)", "EINVAL"),
    Call(36, "fcntl(F_SETLEASE)", "call(72, 1, 1024, 1)", "EINVAL"),
    Call(36, "fcntl(F_NOTIFY)", "call(72, 3, 1026, 1)", "EINVAL"),
    Call(36, "fcntl(F_ADD_SEALS)", "call(72, 1, 1033, 1)", "EINVAL"),
    Call(37, "pidfd_send_signal", "call(424, 3, 9, 0, 0)", "EPERM"),
    Call(37, "rt_sigqueueinfo", "call(129, 1, 9, room)", "EPERM"),
    Call(37, "rt_tgsigqueueinfo", "call(297, 1, 1, 9, room)", "EPERM"),
]

# No honest program makes them, and each has been the door of an escape: death, and the call's name.
DEADLY = [
    (20, "ptrace", "call(101, 16, 1, 0, 0)"), (21, "io_uring_setup", "call(425, 8, room)"),
    (21, "io_uring_enter", "call(426, 3, 1, 1, 0, 0, 0)"), (22, "bpf", "call(321, 0, room, 64)"),
    (23, "perf_event_open", "call(298, room, 0, -1, -1, 0)"),
    (24, "userfaultfd", "call(323, 0)"), (25, "keyctl", "call(250, 0, -3, 0, 0, 0)"),
    (25, "add_key", "call(248, b'user', b'x', b'y', 1, -3)"),
    (25, "request_key", "call(249, b'user', b'x', 0, -3)"),
    (30, "kexec_load", "call(246, 0, 0, 0, 0)"), (30, "kexec_file_load", "call(320, 3, 3, 0, 0, 0)"),
]
# Another table of calls: the number says nothing, the kernel's signal is all that is told.
OTHER_TABLES = [(31, "x32's getpid", "call(0x40000000 | 39)"),
                (31, "x32's fork", "call(0x40000000 | 57)")]

# A page that is writable and executable, and machine code in it, called as a function.
SHELLCODE = '''
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
def run(code):
    page[:len(code)] = code
    return ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
def syscall(number):  # mov eax, number; syscall; ret
    return run(b"\\xb8" + struct.pack("<I", number) + b"\\x0f\\x05\\xc3")
'''


class Kernel(AttackCase):
    """Refused by seccomp, by the errno that honest programs understand, or deadly."""

    def test_refused(self):
        """Each of the calls of the table gets its errno, and the session goes on."""
        session = self.attacker()
        self.attack("[" + ",\n".join(call.call for call in REFUSED) + "]",
                    answers([call.refusal for call in REFUSED]), session)
        self.assertEqual(self.client.value("6*7", session), 42)

    def test_deadly(self):
        """Each ends its session, and the verdict names the call."""
        self.attacks(*(Attack(f"{threat} {name}", call, caused("seccomp", name))
                       for threat, name, call in DEADLY))
        self.attacks(*(Attack(f"{threat} {name}", call, caused("seccomp", "SIGSYS"))
                       for threat, name, call in OTHER_TABLES))

    def test_deadly_under_signals(self):
        """A call that signals interrupt before anybody has seen it is not carried out either."""
        self.attack("import signal, threading, time\n"
                    "signal.signal(signal.SIGALRM, lambda *a: None)\n"
                    "signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)\n"
                    "for _ in range(1000):\n"
                    "    if call(321, 0, room, 64) != 'EINTR': break\n"
                    "time.sleep(60)", caused("seccomp", "bpf"))

    def test_code_in_writable_memory(self):
        """32: the filter holds for any instructions, whoever wrote them."""
        session = self.attacker(RAW + SHELLCODE)
        self.attack("[syscall(39), syscall(57), syscall(321 - 321 + 272), syscall(105)]",
                    answers([2, -1, -1, -1]), session)
        made = ("import ctypes\npage2 = mmap.mmap(-1, 4096)\n"
                "at = ctypes.addressof(ctypes.c_char.from_buffer(page2))\ncall(10, at, 4096, 7)")
        self.attack(made, answers(0), session)  # mprotect: harmless, and numba needs it.

    def test_thirty_two_bit_calls(self):
        """31: int 0x80 is another table of calls, and deadly. mov eax, 20; int 0x80; ret."""
        self.attack(SHELLCODE + "run(b'\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xc3')",
                    caused("seccomp", "SIGSYS"))

    def test_every_number(self):
        """Not on anybody's list: each call that there may ever be, with arguments of zeros, in turn.
        Nothing but the attacker's own session can be hurt."""
        # By design these wait for ever, end the process, or return from a signal or a probe that
        # never was.
        without_return = {15, 23, 34, 60, 130, 231, 270, 271, 335}
        deadly = {101, 246, 248, 249, 250, 298, 320, 321, 323, 425, 426, 427}
        numbers = [n for n in range(0, 600) if n not in without_return | deadly]
        self.attack(f"for n in {numbers}: call(n, 0, 0, 0, 0, 0, 0)\n'end'", answers("end"))

    def test_signals(self):
        """37: nobody but the sender can be reached: process 1 of its namespace is deaf to it."""
        session = self.attacker()
        neighbours = "[call(62, pid, 9) for pid in range(3, 60)]"
        self.attack(neighbours, answers(["ESRCH"] * 57), session)
        self.attack("[call(62, -1, 9), call(200, 1, 9) in (0, 'EPERM'), call(62, 1, 9) in (0, 'EPERM'),"
                    " call(234, 1, 1, 9) in (0, 'EPERM'), call(234, 5, 5, 9)]",
                    satisfies(lambda v: v[0] in ("ESRCH", 0, "EPERM") and v[1:] == [True] * 3 + ["ESRCH"]),
                    session)
        self.assertEqual(self.client.value("6*7", session), 42)
        for source in ("os.kill(0, 9)", "os.kill(os.getppid(), 9)", "os.kill(os.getpid(), 9)"):
            with self.subTest(source):
                self.attack(source, caused("signal", "SIGKILL"))

    def test_shared_descriptions(self):
        """36: what it does to its descriptors is done to nobody else's."""
        for source in ("for fd in range(5): call(72, fd, 4, 0x800)",  # O_NONBLOCK
                       "one = ctypes.c_int(1)\nfor fd in range(5): call(16, fd, 0x5421, ctypes.byref(one))",
                       "for fd in range(5): call(73, fd, 2 | 4)",  # flock
                       "for fd in range(5): call(8, fd, 1 << 40, 0); call(77, fd, 0)"):
            with self.subTest(source):
                session = self.attacker()
                self.attack(source + "\nprint('x')", anything, session)
                self.end(session)

    def test_locks_on_shared_files(self):
        """97: flock on the interpreter's own files keeps no neighbour from importing."""
        session = self.attacker()
        self.attack("import glob\nheld = [open(f) for f in glob.glob('/usr/lib/python3.11/j*/*.py')]\n"
                    "import fcntl\nfor f in held: fcntl.flock(f, fcntl.LOCK_EX)\nlen(held) > 3",
                    answers(True), session)
        self.assertEqual(self.client.value("import importlib, json.tool\n"
                                           "importlib.reload(json.tool).__name__"), "json.tool")

    def test_waiting_in_a_refusal(self):
        """103: an endless flood of refusals, which the daemon answers, ends at the deadline."""
        self.attack("while True: call(50, 3, 1)", stopped(), timeout_ms=1000)

    def test_flood_of_refusals_by_many_threads(self):
        """103: from many threads at once, with the deadline in the middle of it."""
        self.attack("import threading\ndef flood():\n  while True: call(50, 3, 1)\n"
                    "for i in range(20): threading.Thread(target=flood, daemon=True).start()\nflood()",
                    stopped(), timeout_ms=1500)


class WithoutSeccomp(TwinCase):
    """The twin: the calls reach the kernel, and some of them do what they are for."""

    without = ("seccomp",)

    def test_the_calls_reach_the_kernel(self):
        """One of each kind."""
        reached = {
            "pidfd_open": "call(434, 2, 0) > 0",
            "clone3": "call(435, room, 8)",
            "memfd_create": "call(319, b'x', 0) > 0",
            "seccomp": "call(317, 1, 8, room)",
            "AF_UNIX": "call(41, 1, 1, 0) > 0",
            "AF_UNIX datagrams": "call(41, 1, 2, 0) > 0",
            "dirty upper half": "call(41, 0x100000002, 1, 0) > 0",
            "PR_SET_DUMPABLE": "call(157, 4, 1)",
            "F_SETOWN": "call(72, 3, 8, 2)",
            "shmget": "call(29, 1, 4096, 0o1777) >= 0",
            "personality": "call(135, 0xffffffff) >= 0",
            "unshare": "call(272, 0x400)",
            "keyctl": "type(call(250, 0, -3, 0, 0, 0)) in (int, str)",
            "io_uring_setup": "type(call(425, 8, room)) in (int, str)",
        }
        found = dict(zip(reached, self.client.value("[" + ",".join(reached.values()) + "]",
                                                    self.attacker())))
        self.assertEqual(found, {**dict.fromkeys(reached, True), "clone3": "EINVAL",
                                 "seccomp": "EINVAL", "PR_SET_DUMPABLE": 0, "F_SETOWN": 0,
                                 "unshare": 0})

    def test_a_child_can_be_made(self):
        """fork and exec work: it is seccomp that forbids them."""
        self.assertEqual(self.client.value(
            "import subprocess\nsubprocess.run(['/bin/echo', 'out'], capture_output=True).stdout.decode()",
            self.attacker()), "out\n")

    def test_what_else_refuses(self):
        """Where seccomp is not, capabilities and namespaces still refuse."""
        calls = [c.call for c in REFUSED if c.name in (
            "mount", "chroot", "delete_module", "reboot", "swapon", "swapoff",
            "acct", "iopl", "sethostname", "setdomainname", "vhangup")]
        self.assertEqual(len(calls), 11)
        self.attack("[" + ",\n".join(calls) + "]",
                    satisfies(lambda v: set(v) <= {"EPERM", "ENOSYS"}))


if __name__ == "__main__":
    unittest.main()
