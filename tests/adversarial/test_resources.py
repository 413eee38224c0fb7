# SPDX-License-Identifier: Apache-2.0
"""Code that takes all there is, of each thing that there is (threats 1 to 8, 14, 98)."""

import unittest

from vivarium_testing.attack import (Attack, AttackCase, TwinCase, answers, caused, either, fails, raises,
                                     satisfies, stopped)

MIB = 1 << 20
SMALL = ("[limits]\nmemory = \"96MiB\"\nworkspace = \"8MiB\"\nworkspace_inodes = 300\n"
         "threads = 16\ndescriptors = 64\ngrace = \"200ms\"\n")


class Processes(AttackCase):
    """1 to 3: none beside the worker, and a bounded number of threads."""

    config = SMALL

    def test_fork_bomb(self):
        """1: refused by seccomp, with the name of the call."""
        verdict = self.attack("while True: os.fork()", fails("PERMISSION"))
        self.assertEqual(verdict["cause"], {"cause": "denied", "limit": "clone",
                                            "enforcedBy": "ENFORCED_BY_KERNEL"})

    def test_daemon_that_outlives_its_cell(self):
        """2: there is nobody who could."""
        self.attacks(Attack("fork", "os.fork()", fails("PERMISSION")),
                     Attack("setsid", "os.setsid()", fails("PERMISSION")),
                     Attack("spawn", "os.posix_spawn('/bin/true', ['true'], {})", fails("PERMISSION")),
                     Attack("vfork", "call(58)", answers("EPERM")),
                     Attack("clone", "call(56, 0x11, 0, 0, 0, 0)", answers("EPERM")))

    def test_thread_bomb(self):
        """3: of Python's threads and of the kernel's own, at the limit."""
        session = self.attacker()
        bomb = ("import threading, time\nn = 0\ntry:\n  while True:\n"
                "    threading.Thread(target=time.sleep, args=(9e9,), daemon=True).start(); n += 1\n"
                "except RuntimeError: pass\nn")
        verdict = self.attack(bomb, satisfies(lambda n: 8 <= n < 16), session)
        self.assertLess(verdict["result"]["json"], 16)
        # Closing does not wait for them.


class Memory(AttackCase):
    """4 to 7: an exception where Python is asked, and never more than the limit."""

    config = SMALL

    def test_small_pieces(self):
        """4: MemoryError, with the peak that the daemon read, or the end of the session."""
        verdict = self.attack("a = []\nfor _ in iter(int, 1): a.append(bytearray(1 << 20))",
                              either(raises("MemoryError"), caused("signal"), caused("memory"),
                                     caused("memory", by="DAEMON")),
                              timeout_ms=30_000)
        self.assertLess(int(verdict["usage"]["peakMemoryBytes"]), 300 * MIB)

    def test_at_once(self):
        """5: more than there is address space for."""
        session = self.attacker()
        for source in ("mmap.mmap(-1, 1 << 40)", "'x' * 10**12", "bytes(1 << 50)", "[None] * 10**13",
                       "bytearray(200 << 20)", "' '.rjust(10**12)", "list(range(10**11))"):
            with self.subTest(source):
                self.attack(source, raises("MemoryError", "OSError", "OverflowError"), session)
        self.assertEqual(self.client.value("6*7", session), 42)

    def test_what_rlimit_data_does_not_count(self):
        """6, 98: shared anonymous memory ends with the address space; what has no end is refused."""
        session = self.attacker()
        limit = 96 * MIB + 72 * MIB * 16 + 512 * MIB
        self.attack("maps = []\ntry:\n  while True: maps.append(mmap.mmap(-1, 16 << 20))\n"
                    "except OSError: pass\nlen(maps) << 24", satisfies(lambda n: n <= limit), session)
        self.attack("maps.clear()\n[call(319, b'x', 0), tried(os.memfd_create, 'x')]",
                    answers(["EPERM", "EPERM"]), session)

    def test_files_as_memory(self):
        """6: /dev/shm and /tmp are the workspace, with its size."""
        session = self.attacker()
        self.attack("n = 0\ntry:\n  while n < 1000:\n"
                    "    open(f'/dev/shm/{n}', 'wb').write(bytes(1 << 20)); n += 1\n"
                    "except OSError as e: why = e.errno\n[n < 8, why == errno.ENOSPC]",
                    answers([True, True]), session)
        self.attack("tried(open('/tmp/x', 'wb', 0).write, b'x' * 100_000)",
                    either(answers("ENOSPC"), raises("OSError")), session)

    def test_buffers_of_the_kernel(self):
        """6: pipes cannot be made larger, and no more of them than descriptors."""
        session = self.attacker()
        self.attack("r, w = os.pipe()\nos.set_blocking(w, False)\n"
                    "[call(72, w, 1031, 1 << 20), os.write(w, bytes(1 << 20))]",
                    answers(["EINVAL", 65536]), session)
        self.attack("import socket\nheld = 0\ntry:\n  while True:\n    a, b = socket.socketpair()\n"
                    "    keep = globals().setdefault('keep', []); keep += [a, b]\n"
                    "    a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)\n"
                    "    a.setblocking(False)\n"
                    "    try:\n      while True: held += a.send(bytes(65536))\n"
                    "    except BlockingIOError: pass\n"
                    "except OSError: pass\nlen(keep) < 64", answers(True), session)

    def test_locked_huge_and_untouched(self):
        """7: none of it is locked or huge; what is reserved counts."""
        session = self.attacker()
        self.attack("[call(149, room, 4096), call(151, 3), call(325, room, 4096, 0),"
                    " call(9, 0, 2 << 20, 3, 0x40022, -1, 0),"  # MAP_HUGETLB
                    " call(9, 0, 4096, 3, 0x2022, -1, 0)]",  # MAP_LOCKED
                    answers(["EPERM", "EPERM", "EPERM", "EPERM", "EPERM"]), session)
        self.attack("call(9, 0, 1 << 40, 3, 0x4022, -1, 0)", answers("ENOMEM"), session)  # NORESERVE

    def test_page_tables(self):
        """98: a sparse mapping that costs page tables only ends with the address space."""
        self.attack("maps = []\ntry:\n  for i in range(4096):\n"
                    "    m = mmap.mmap(-1, 16 << 20, prot=mmap.PROT_READ); maps.append(m)\n"
                    "    for at in range(0, 16 << 20, 2 << 20): m[at]\n"
                    "except OSError: pass\nlen(maps) < 120", answers(True), timeout_ms=30_000)


class MemoryWithoutLimits(TwinCase):
    """The twin: without rlimits there is no end to it."""

    without = ("rlimits",)
    config = SMALL

    def test_more_than_the_limit(self):
        """Memory, threads and descriptors beyond what Memory and Processes ended at."""
        # Until the daemon's next look.
        verdict = self.attack("x = bytearray(150 << 20)\nlen(x) >> 20",
                              either(answers(150), caused("memory", by="DAEMON")))
        self.assertGreater(int(verdict["usage"]["peakMemoryBytes"]), 110 * MIB)
        self.attack("x = [os.open('/dev/null', 0) for i in range(100)]\nlen(x)", answers(100))
        self.attack("import threading\nstop = threading.Event()\n"
                    "t = [threading.Thread(target=stop.wait) for i in range(40)]\n"
                    "for x in t: x.start()\nstop.set()\nlen(t)", answers(40))


class Descriptors(AttackCase):
    """8: counted, whatever they stand for."""

    config = SMALL

    def test_every_kind(self):
        """open, dup, pipe, epoll, eventfd, timerfd, signalfd, sockets: EMFILE at the limit."""
        for make in ("os.open('/dev/null', 0)", "os.dup(0)", "os.pipe()", "select.epoll()",
                     "os.eventfd(0)", "check(call(283, 1, 0))", "check(call(289, -1, room, 8, 0))",
                     "socket.socket()", "socket.socketpair()"):
            with self.subTest(make):
                self.attack("import select, socket\ndef check(r):\n"
                            "  if isinstance(r, str): raise OSError(getattr(errno, r), r)\n"
                            f"x = []\ntry:\n  while len(x) < 1000: x.append({make})\n"
                            "except OSError as e: why = errno.errorcode[e.errno]\n"
                            "[why, len(x) < 64]", answers(["EMFILE", True]))

    def test_watches(self):
        """inotify is not there at all; epoll watches and timers are bounded by what they watch."""
        session = self.attacker()
        self.attack("[call(253), call(294, 0), call(254, 3, b'/', 2)]", answers(["ENOSYS"] * 3), session)
        self.attack("ids = (ctypes.c_int * 1)()\nn = 0\n"
                    "while n < 100_000 and call(222, 1, 0, ids) == 0: n += 1\nn", satisfies(
                        lambda n: n <= 256), session)


class Disk(AttackCase):
    """14: a size, a number, and names of any kind."""

    config = SMALL

    def test_size_and_number(self):
        """Full is an OSError, and what is deleted is free again."""
        session = self.attacker()
        self.attack("tried(lambda: open('big', 'wb', 0).write(bytes(7 << 20)) and"
                    " [open('big', 'ab', 0).write(bytes(1 << 20)) for i in range(9)])",
                    either(answers("ENOSPC"), answers("EFBIG"), answers("done")), session)
        self.attack("os.remove('big')\nn = 0\ntry:\n  while n < 10**6: open(f'n{n}', 'w').close(); n += 1\n"
                    "except OSError as e: why = errno.errorcode[e.errno]\n[why, n <= 310]",
                    answers(["ENOSPC", True]), session)
        self.assertEqual(self.client.value("for f in os.listdir(): os.remove(f)\n"
                                           "open('x', 'w').write('y')", session), 1)

    def test_sparse(self):
        """A file of a tebibyte has no place in the limit of a file's size."""
        self.attack("f = open('f', 'wb')\n[tried(f.truncate, 1 << 40), tried(os.posix_fallocate,"
                    " f.fileno(), 0, 1 << 40), tried(os.pwrite, f.fileno(), b'x', 1 << 40)]",
                    satisfies(lambda v: set(v) <= {"EFBIG", "ENOSPC"}))

    def test_deep_folders(self):
        """As deep as inodes last; cleaning up does not walk them."""
        self.attack("n = 0\ntry:\n  while n < 10**5: os.mkdir('d'); os.chdir('d'); n += 1\n"
                    "except OSError as e: why = errno.errorcode[e.errno]\n[why, n < 310]",
                    answers(["ENOSPC", True]))

    def test_names(self):
        """Newlines, bytes that are no UTF-8, 255 of them, mode 000, links to anywhere, FIFOs."""
        session = self.attacker()
        self.attack("for n in (b'a\\nb', b'\\xff\\xfe', b'x' * 255, b'\\x1b[2J', b'%s%n', b' ', b'-rf'):\n"
                    "  open(n, 'w').close()\nos.mkdir('closed', 0)\nos.symlink('/etc/shadow', 'l')\n"
                    "os.symlink('l2', 'l2')\ntried(os.mkfifo, 'fifo')\n"
                    "tried(open, b'x' * 256, 'w')", answers("ENAMETOOLONG"), session)
        self.attack("sorted(os.listdir(), key=len)", satisfies(lambda v: len(v) == 10), session)
        self.attack("raise ValueError(os.listdir(b'.')[1])", raises("ValueError"), session)

    def test_attributes(self):
        """98: extended attributes and ACLs would be kernel memory without a quota."""
        self.attack("open('f', 'w').close()\n[tried(os.setxattr, 'f', 'user.x', b'y' * 60000),"
                    " tried(os.setxattr, 'f', 'system.posix_acl_access', b'y' * 60000),"
                    " call(188, b'f', b'user.x', room, 1, 0)]", answers(["ENOTSUP"] * 3))

    def test_record_locks(self):
        """98: one lock per byte, until the deadline."""
        self.attack("import fcntl\nf = open('f', 'w+')\nn = 0\nwhile True: fcntl.lockf(f, fcntl.LOCK_EX,"
                    " 1, n); n += 2", either(stopped(), raises("OSError")), timeout_ms=1500)


if __name__ == "__main__":
    unittest.main()
