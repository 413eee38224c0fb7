# SPDX-License-Identifier: Apache-2.0
"""Code that does not yield: in time, in depth, with the machine's shares (threats 9 to 13, 19, 68)."""

import unittest

from vivarium_testing.attack import (Attack, AttackCase, answers, anything, caused, either, fails, raises,
                                     satisfies, stopped)

SMALL = ("[limits]\nmemory = \"96MiB\"\nworkspace = \"8MiB\"\nworkspace_inodes = 300\n"
         "threads = 16\ndescriptors = 64\ngrace = \"200ms\"\n")


class Cpu(AttackCase):
    """9 to 12: whoever does not yield is killed, wherever the time goes."""

    config = SMALL

    def endless(self, source, lost=None):
        """A row: the deadline ends it, whatever becomes of the session."""
        with self.subTest(source):
            self.attack(source, stopped(lost), timeout_ms=200)

    def test_bytecode(self):
        """9: a loop, and many threads of them."""
        self.endless("while True: pass")
        self.endless("import threading\ndef f():\n  while True: pass\n"
                     "for i in range(12): threading.Thread(target=f, daemon=True).start()\nf()")

    def test_native_code(self):
        """9: no bytecode boundary is reached."""
        for source in ("sum(range(10**12))", "pow(3, 10**9)", "import re; re.match('(a+)+$', 'a'*40+'b')",
                       "import sys; sys.set_int_max_str_digits(0); int('9'*10**7)", "10**10**9 % 7",
                       "'x' in iter(str, 'x')", "max(iter(int, 1))"):
            self.endless(source)

    def test_cpu_budget(self):
        """9: computing, not waiting, is what the budget counts."""
        self.attack("sum(range(10**12))", stopped(), timeout_ms=60_000, cpuMs="200")

    def test_signals_blocked(self):
        """10: every signal blocked and ignored, and the soft interrupt's handler replaced."""
        for source in ("import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))",
                       "import signal\nfor s in range(1, 65):\n"
                       "  try: signal.signal(s, signal.SIG_IGN)\n  except (OSError, ValueError): pass",
                       "ign = struct.pack('QQQQ', 1, 0, 0, 0)\nfor s in range(1, 65): call(13, s, ign, 0, 8)"):
            self.endless(source + "\nwhile True: pass", lost=True)

    def test_swallowed(self):
        """68: every exception is caught, the interrupt too."""
        self.endless("def work():\n  while True: pass\n"
                     "while True:\n  try: work()\n  except BaseException: pass", lost=True)

    def test_stopped(self):
        """11: SIGSTOP to oneself and to one's group does not stop the daemon's clock."""
        for source in ("os.kill(os.getpid(), 19)", "os.kill(0, 19)", "call(200, os.getpid(), 19)"):
            self.endless(source)

    def test_waiting(self):
        """12: for time, for a descriptor, for a lock, in the kernel."""
        for source in ("import time; time.sleep(10**9)", "import select; select.select([], [], [])",
                       "import threading; l = threading.Lock(); l.acquire(); l.acquire()",
                       "r, w = os.pipe(); os.read(r, 1)", "call(34)", "call(202, room, 0, 0, 0, 0, 0)",
                       "import asyncio; await asyncio.sleep(10**6)",
                       "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); call(34)"):
            self.endless(source)

    def test_stealing(self):
        """19: more of the processor than one's share."""
        self.attack("[tried(os.sched_setaffinity, 0, {0}), tried(os.nice, -20),"
                    " call(144, 0, 1, room), call(251, 1, 0, 0x2000), call(314, 0, room, 0),"
                    " call(141, 0, 0, -20)]",
                    answers(["EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM"]))
        # To be nicer would do no harm; nobody needs it.
        self.attack("tried(os.nice, 5)", answers("EPERM"))

    def test_limits_on_oneself(self):
        """Not on the list: limits lowered to nothing, so that the runtime fails in every way."""
        for name in ("AS", "DATA", "NOFILE", "STACK", "FSIZE", "NPROC", "CPU", "SIGPENDING"):
            with self.subTest(name):
                session = self.attacker()
                self.attack("import resource\n"
                            f"resource.setrlimit(resource.RLIMIT_{name}, (0, 0))\nprint('x' * 100_000)",
                            anything, session, timeout_ms=2000)
                try:
                    self.client.eval("[bytes(100_000), open('/dev/null')]", session, timeoutMs="2000")
                except Exception as error:  # Whatever is left of it, the answer is typed.
                    self.assertEqual(getattr(error, "code", None), "aborted")
                self.end(session)

    def test_raising_limits(self):
        """What was lowered stays lowered."""
        self.attack("import resource as r\n"
                    "[tried(r.setrlimit, n, (r.RLIM_INFINITY, r.RLIM_INFINITY)) for n in"
                    " (r.RLIMIT_AS, r.RLIMIT_DATA, r.RLIMIT_NPROC, r.RLIMIT_FSIZE, r.RLIMIT_NOFILE,"
                    " r.RLIMIT_CORE, r.RLIMIT_MEMLOCK)]",
                    satisfies(lambda v: set(v) <= {"ValueError", "EPERM"}))


class Stack(AttackCase):
    """13: the C stack ends at a guard page: SIGSEGV, or Python's own exception before it."""

    config = SMALL

    def test_overflows(self):
        """However it is reached."""
        # SystemError is CPython 3.11's word where there is no memory for a frame.
        gone = either(raises("RecursionError", "MemoryError", "SyntaxError", "SystemError"),
                      caused("signal", "SIGSEGV"), caused("signal", "SIGABRT"), stopped(),
                      caused("memory", by="DAEMON"))
        deep = "import sys; sys.setrecursionlimit(10**9)\n"
        self.attacks(
            Attack("calls", deep + "f = lambda: f()\nf()", gone),
            Attack("calls through C", deep + "class A:\n  __repr__ = lambda s: repr([s])\nrepr(A())", gone),
            Attack("parser", "import ast; ast.literal_eval('(' * 10**5)", gone),
            Attack("compiler", "compile('(' * 10**6 + ')' * 10**6, 'x', 'eval')", gone),
            Attack("compiler, unary", "eval('-' * 10**6 + '1')", gone),
            Attack("json", "import json; json.loads('[' * 10**6)", gone),
            Attack("repr", "a = []\nfor i in range(10**6): a = [a]\nrepr(a)", gone),
            Attack("pickle", "import pickle\na = []\nfor i in range(10**5): a = [a]\npickle.dumps(a)", gone),
            Attack("copy", "import copy\na = []\nfor i in range(10**5): a = [a]\ncopy.deepcopy(a)", gone))

    def test_deep_results(self):
        """The encoder has a depth; what is deeper is an error, not a crash."""
        self.attack("a = []\nfor i in range(10**6): a = [a]\na", fails("LIMIT"))
        self.attack("a = {}\nfor i in range(10**5): a = {1: a}\na", fails("LIMIT"))

    def test_deep_deallocation(self):
        """A structure that is taken down level by level."""
        self.attack("a = None\nfor i in range(10**6): a = (a,)\ndel a\n1", answers(1))


if __name__ == "__main__":
    unittest.main()
