# SPDX-License-Identifier: Apache-2.0
"""Code that takes what it can get. The neighbour must not notice."""

import unittest

from vivarium_testing.case import DaemonCase


class Hostile(DaemonCase):
    """One bomb of each kind; the fixture looks at the neighbour and for what was left."""

    config = ("[limits]\nmemory = \"128MiB\"\nworkspace = \"8MiB\"\nthreads = 16\n"
              "grace = \"500ms\"\n")

    def test_disk_full(self):
        """The workspace has a size; beyond it OSError, and the session goes on."""
        session = self.session()
        verdict = self.client.eval(
            "with open('big', 'wb') as f:\n  while True: f.write(bytes(65536))", session)
        self.assert_kind(verdict, "IO")
        self.assertIn(verdict["error"]["message"].split("]")[0],
                      ("[Errno 28", "[Errno 27"), verdict)
        self.assert_kept(verdict)
        self.assertLessEqual(int(self.client.value("import os; os.path.getsize('big')", session)),
                             8 << 20)
        self.client.value("os.remove('big'); open('small', 'w').write('x')", session)

    def test_too_many_files(self):
        """Inodes are counted too."""
        verdict = self.client.eval(
            "for i in range(100_000):\n  open(f'f{i}', 'w').close()", self.session())
        self.assert_kind(verdict, "IO")
        self.assert_kept(verdict)

    def test_memory_bomb(self):
        """All at once: MemoryError, told apart from a forged one by the daemon's own peak."""
        session = self.session()
        verdict = self.client.eval("x = bytearray(1 << 40)", session)
        self.assert_kind(verdict, "MEMORY")
        self.assert_kept(verdict)
        verdict = self.client.eval("raise MemoryError('forged')", session)
        self.assertNotIn("cause", verdict)

    def test_memory_in_small_pieces(self):
        """Bit by bit: MemoryError or the end of the worker, never the machine's memory."""
        verdict = self.client.eval("x = []\nwhile True: x.append(bytearray(1 << 20))",
                                   self.session(), timeoutMs="60000")
        self.assertIn(verdict["error"]["kind"], ("ERROR_KIND_MEMORY", "ERROR_KIND_SESSION_LOST"))
        self.assertLess(int(verdict["usage"]["peakMemoryBytes"]), 400 << 20)

    def test_thread_bomb(self):
        """Threads end at the limit, with a clean exception."""
        session = self.session()
        verdict = self.client.eval(
            "import threading\nstop = threading.Event()\nn = 0\ntry:\n"
            "  while n < 10_000:\n    threading.Thread(target=stop.wait).start(); n += 1\n"
            "except RuntimeError as e: caught = str(e)\n"
            "finally: stop.set()\n[n, caught]", session)
        self.assertNotIn("error", verdict)
        started, message = verdict["result"]["json"]
        self.assertLess(started, 64)
        self.assertEqual(message, "can't start new thread")

    def test_fork_bomb(self):
        """No processes by default."""
        verdict = self.client.eval("import os\nwhile True: os.fork()", self.session())
        self.assert_kind(verdict, "PERMISSION")
        self.assert_kept(verdict)
        verdict = self.client.eval("import subprocess; subprocess.run(['/bin/true'])",
                                   self.session())
        self.assertIn("error", verdict)

    def test_output_flood(self):
        """Output is cut at its limit and says so; the code runs on to its end."""
        verdict = self.client.eval(
            "line = 'x' * 65536\nfor i in range(2000): print(line)\n'end'", self.session(),
            timeoutMs="60000")
        self.assertEqual(verdict["result"], {"json": "end"})
        self.assertTrue(verdict["outputTruncated"])
        self.assertLess(len(verdict["stdout"]), 2 << 20)
        self.assertEqual(int(verdict["usage"]["outputBytes"]), 2000 * 65537)

    def test_output_flood_for_ever(self):
        """A flood without end ends at the deadline."""
        verdict = self.client.eval("while True: print('x' * 1000)", self.session(),
                                   timeoutMs="500")
        self.assert_kind(verdict, "TIMEOUT")

    def test_result_too_large(self):
        """A result has a size; a clear error, not a dead session."""
        session = self.session()
        verdict = self.client.eval("'x' * (40 << 20)", session)
        self.assert_kind(verdict, "LIMIT")
        self.assert_kept(verdict)

    def test_descriptor_bomb(self):
        """Descriptors are counted."""
        session = self.session()
        verdict = self.client.eval("x = []\nwhile True: x.append(open('/dev/null'))", session)
        self.assert_kind(verdict, "IO")
        self.assert_kept(verdict)
        self.client.value("x.clear()", session)

    def test_stack_overflow(self):
        """Python's own recursion limit, and what goes around it."""
        self.assertEqual(self.client.eval("f = lambda: f()\nf()")["error"]["type"],
                         "RecursionError")
        verdict = self.client.eval(
            "import sys\nsys.setrecursionlimit(1 << 30)\nf = lambda: f()\nf()", self.session())
        self.assertIn("error", verdict)

    def test_network(self):
        """There is none."""
        for source in ("import socket; socket.create_connection(('127.0.0.1', 22), 1)",
                       "import socket; socket.create_connection(('192.0.2.1', 80), 1)",
                       "import socket; socket.getaddrinfo('example.org', 80)",
                       "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()"):
            with self.subTest(source):
                self.assertIn("error", self.client.eval(source, timeoutMs="10000"))

    def test_host_files(self):
        """Nothing of the host but what the interpreter needs."""
        for path in ("/etc/shadow", "/root", "/home", "/proc/1/environ", "/sys/kernel",
                     "/run", "/var", "/boot", "/tmp/../../etc/hostname"):
            with self.subTest(path):
                verdict = self.client.eval(
                    f"import os\np = {path!r}\nopen(p).read() if os.path.isfile(p) "
                    "else os.listdir(p)")
                if "error" not in verdict:
                    self.assertEqual(verdict["result"]["json"], [])
        self.assertIn("error", self.client.eval("open('/usr/x', 'w')"))

    def test_writing_into_the_channel(self):
        """Whatever is written to any descriptor, the session ends or goes on: nothing else."""
        verdict = self.client.eval(
            "import os\nfor fd in range(3, 64):\n  try: os.write(fd, b'\\xff' * 4096)\n"
            "  except OSError: pass\n1", self.session())
        if "error" in verdict:
            self.assert_lost(verdict)

    def test_closing_everything(self):
        """A worker that closes its own channel is gone, at once."""
        verdict = self.client.eval("import os; os.closerange(0, 1000)", self.session(),
                                   timeoutMs="10000")
        self.assert_lost(verdict)

    def test_signals_to_everybody(self):
        """kill(-1) reaches nobody but the sender's own."""
        verdict = self.client.eval("import os, signal\nos.kill(-1, signal.SIGKILL)",
                                   self.session())
        if "error" not in verdict or verdict["session"] != "SESSION_OUTCOME_LOST":
            self.assert_kept(verdict)

    def test_stopping_itself(self):
        """SIGSTOP to oneself does not get around the deadline."""
        verdict = self.client.eval("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
                                   self.session(), timeoutMs="300")
        self.assert_kind(verdict, "TIMEOUT")

    def test_interpreter_sabotage(self):
        """Breaking the interpreter breaks this session at most."""
        for source in ("import builtins; builtins.__dict__.clear()",
                       "import sys; sys.modules.clear()",
                       "import sys; sys.stdout = sys.stderr = None; print(1)",
                       "import gc\nfor o in gc.get_objects():\n"
                       "  if isinstance(o, dict) and o is not globals(): o.clear()",
                       "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
                       "import sys, os\nsys.settrace(lambda *a: os._exit(9))\n(lambda: 1)()",
                       "import ctypes; ctypes.memset(id(type), 0, 400)"):
            with self.subTest(source):
                session = self.session()
                self.client.eval(source, session, timeoutMs="5000")
                try:
                    self.client.eval("1", session, timeoutMs="5000")
                except Exception as error:  # Whatever is left of it, the answer is typed.
                    self.assertEqual(getattr(error, "code", None), "aborted")


if __name__ == "__main__":
    unittest.main()
