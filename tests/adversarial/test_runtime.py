# SPDX-License-Identifier: Apache-2.0
"""Tricks of Python's runtime: ours runs in the same interpreter, and nothing depends on its being
whole but its own session (threats 65 to 71)."""

import json
import unittest

from vivarium_testing import http_api
from vivarium_testing.attack import (Attack, AttackCase, answers, anything, caused, either, fails,
                                     stopped)


def runs(case, verdict):
    """It is quick enough after all: no harm done."""
    case.assertNotIn("error", verdict)


class Deaths(AttackCase):
    """65: each way to go has its own name, and that the state is lost is said."""

    def test_how_it_ended(self):
        """By the reaper's word."""
        self.attacks(Attack("exit status 0", "os._exit(0)", caused("exited", "")),
                     Attack("exit status 7", "os._exit(7)", caused("exited", "")),
                     Attack("abort", "os.abort()", caused("signal", "SIGABRT")),
                     Attack("null pointer", "ctypes.string_at(0)", caused("signal", "SIGSEGV")),
                     Attack("wild pointer", "ctypes.string_at(0x10)", caused("signal", "SIGSEGV")),
                     Attack("division", "import faulthandler; faulthandler._sigfpe()",
                            caused("signal", "SIGFPE")),
                     Attack("stack", "import faulthandler; faulthandler._stack_overflow()",
                            caused("signal", "SIGSEGV")),
                     Attack("raw exit", "call(231, 3)", caused("exited", "")),
                     Attack("exit of the main thread", "call(60, 3)", either(caused("exited"), stopped())))

    def test_exits_that_are_none(self):
        """Of Python's: the execution ends, the session is kept."""
        session = self.attacker()
        for source in ("import sys; sys.exit(3)", "exit()", "raise SystemExit", "quit(1)"):
            with self.subTest(source):
                self.attack(source, anything, session)
                self.assertEqual(self.client.value("6*7", session), 42)

    def test_exit_in_a_thread_and_in_exec(self):
        """A thread that exits ends itself; exec of another program is refused."""
        self.attack("import threading, sys\nt = threading.Thread(target=sys.exit)\nt.start()\nt.join()\n1",
                    answers(1))
        self.attack("os.execv('/bin/sh', ['sh'])", fails("PERMISSION"))


class Teardown(AttackCase):
    """66: an interpreter that hangs at its end is not waited for."""

    config = "[limits]\ntimeout = \"2s\"\ngrace = \"300ms\"\n"

    def test_hanging_ends(self):
        """Handlers, finalizers, threads, context managers, a close that burns the CPU."""
        for source in ("import atexit, time; atexit.register(time.sleep, 10**6)",
                       "class D:\n  def __del__(s):\n    while True: pass\nd = D()\nimport sys\nsys.keep = d",
                       "import threading, time\nthreading.Thread(target=time.sleep, args=(10**6,)).start()",
                       "import threading\ndef f():\n  while True: pass\n"
                       "for i in range(8): threading.Thread(target=f).start()",
                       "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))",
                       "import asyncio\nasync def f():\n  while True:\n    try: await asyncio.sleep(60)\n"
                       "    except BaseException: pass\nkeep = asyncio.create_task(f())\n"
                       "await asyncio.sleep(0)"):
            with self.subTest(source):
                session = self.attacker()
                self.attack(source, anything, session)
                self.end(session)

    def test_contexts_that_hang(self):
        """What is entered for the client and never left in order."""
        session = self.attacker()
        self.client.value("class C:\n  def __enter__(s): return s\n  def __exit__(s, *a):\n"
                          "    while True:\n      try:\n        while True: pass\n"
                          "      except BaseException: pass\nc = C()", session)
        self.client.call("ExecutionService/Call", {
            "session": session, "operation": "OPERATION_ENTER", "target": {"variable": "c"}})
        self.end(session)

    def test_release_that_burns(self):
        """Not on the list: finalizers of kept objects that never end; releasing has a deadline."""
        session = self.attacker()
        verdict = self.client.eval("class D:\n  def __del__(s):\n    while True: pass\nD()", session,
                                   valueOptions={"unserializable": "UNSERIALIZABLE_REF"})
        ref = json.dumps(verdict)
        self.assertIn("ref_", ref)
        name = ref[ref.index("ref_"):].split('"')[0]
        self.client.eval("1", session)
        try:
            self.client.call("SessionService/ReleaseRefs", {"session": session, "refs": [name]})
        except http_api.ApiError as error:
            self.assertIn(error.code, ("aborted", "deadline_exceeded"))
        self.assert_unharmed()


class Sabotage(AttackCase):
    """67: whatever is replaced, the damage is the attacker's own."""

    def test_every_piece(self):
        """Each in a session of its own; what is left of that one answers typed."""
        for source in (
                "import builtins; builtins.print = None; builtins.compile = lambda *a, **k: 1/0",
                "import builtins; builtins.eval = builtins.exec = builtins.len = None",
                "import builtins; builtins.__dict__.clear()",
                "import sys; sys.stdout = sys.stderr = sys.stdin = 3",
                "import sys; sys.modules.clear()",
                "import sys\nfor m in list(sys.modules): sys.modules[m] = None",
                "import json; json.dumps = json.loads = None",
                "import sys; sys.settrace(lambda *a: 1/0); sys.setprofile(lambda *a: 1/0)",
                "import sys; sys.meta_path[:] = []; sys.path_hooks[:] = []; sys.path[:] = []",
                "import gc; gc.callbacks.append(lambda *a: 1/0); gc.set_threshold(1)",
                "import sys; sys.excepthook = sys.unraisablehook = sys.displayhook = None",
                "import _thread, threading; threading.Timer(0.01, _thread.interrupt_main).start()",
                "import asyncio; asyncio.set_event_loop_policy(3); asyncio.new_event_loop = None",
                "import signal\nfor s in range(1, 65):\n  try: signal.signal(s, lambda *a: 1/0)\n"
                "  except (OSError, ValueError): pass",
                "import vivarium, _vivarium\nfor m in (vivarium, _vivarium): m.__dict__.clear()",
                "import gc\nfor o in gc.get_objects():\n"
                "  if type(o).__name__ == 'module' and 'vivarium' in o.__name__: o.__dict__.clear()",
                "import gc, types\nfor o in gc.get_objects():\n"
                "  if isinstance(o, types.FunctionType) and 'vivarium' in str(o.__module__):\n"
                "    o.__code__ = (lambda *a, **k: 1/0).__code__ if not o.__closure__ else o.__code__",
                "import linecache, warnings, codecs\nlinecache.cache = None\nlinecache.getline = None\n"
                "codecs.lookup = None",
                "import sys\nf = sys._getframe()\nwhile f: f.f_globals.clear() if f.f_back else 0; f = f.f_back",
                "ctypes.memset(id(type), 0, 400)",
                "ctypes.pythonapi.Py_Finalize()", "ctypes.pythonapi.PyEval_SaveThread()",
                "ctypes.pythonapi.Py_AddPendingCall(ctypes.c_void_p(1), None)",
                "ctypes.pythonapi._PyInterpreterState_SetConfig(None)"):
            with self.subTest(source):
                session = self.attacker()
                self.attack(source, anything, session, timeout_ms=700)
                for _ in range(2):
                    try:
                        self.assertTrue(self.client.eval("print(1)\n[1, 'x']", session, timeoutMs="700"))
                    except http_api.ApiError as error:
                        self.assertEqual(error.code, "aborted", error)
                self.end(session)

    def test_nobody_else_noticed(self):
        """The next session has what it needs."""
        self.attack("import builtins, sys, gc\nbuiltins.__dict__.clear()", anything)
        self.assertEqual(self.client.value("import sys, json\nprint(len('x'))\njson.dumps([1])"), "[1]")

    def test_verdicts_are_the_daemons(self):
        """What the worker says of time, limits and identity is not what the verdict says."""
        verdict = self.attack("import time\ntime.time = time.monotonic = lambda: 0\n"
                              "os.getpid = lambda: 1\nsum(range(10**6))", anything)
        self.assertGreater(int(verdict["usage"]["wallUs"]), 0)
        self.assertNotIn("cause", verdict)


class Pickles(AttackCase):
    """69: nothing of a worker's is ever unpickled outside it."""

    def test_reduce(self):
        """An object that would run code where it is loaded: it has no form but its repr."""
        source = ("import pickle\nclass P:\n  def __reduce__(s): return (os.system, ('touch /tmp/x',))\n"
                  "  def __repr__(s): return 'innocent'\n")
        self.attack(source + "P()", answers("innocent"))
        self.attack(source + "[P(), {'a': P()}]", answers(["innocent", {"a": "innocent"}]))
        self.attack(source + "type(pickle.dumps(P())).__name__", answers("bytes"))


class Forgery(AttackCase):
    """70: errors that look like the daemon's, and text that would like to be more than text."""

    def test_limits_that_are_not_reached(self):
        """An exception is an exception, whatever its name: no cause, and the session is kept."""
        for source in ("raise MemoryError('the memory limit of 512 MiB was reached')",
                       "class SessionLost(Exception): pass\nraise SessionLost('killed by SIGKILL')",
                       "raise TimeoutError('the execution exceeded its deadline of 100 ms')",
                       "class Interrupted(BaseException): pass\nraise Interrupted",
                       "import vivarium; raise vivarium.Interrupted('the execution was interrupted')",
                       "raise KeyboardInterrupt", "raise GeneratorExit", "raise OSError(28, 'No space left')"):
            with self.subTest(source):
                verdict = self.attack(source, anything)
                self.assertIn("error", verdict)
                self.assertNotIn("cause", verdict)
                self.assert_kept(verdict)

    def test_the_prefix_of_a_refusal(self):
        """PermissionError by hand is not a refusal by the kernel."""
        verdict = self.attack("raise PermissionError(1, 'denied: ptrace')", fails("PERMISSION"))
        self.assertNotIn("cause", verdict)

    def test_text_in_the_log(self):
        """Control characters, newlines, JSON: a line of the log stays one line of JSON."""
        evil = "\\x1b[2J\\r\\n{\"level\":\"error\",\"msg\":\"forged\"}\\u202e\\x00"
        session = self.attacker()
        for source in (f"raise ValueError('{evil}')", f"print('{evil}')",
                       f"import sys; sys.exit('{evil}')",
                       f"class A(Exception): pass\nA.__name__ = A.__qualname__ = '{evil}'.replace(chr(0), '')\n"
                       "raise A()"):
            self.attack(source, anything, session)
        self.client.eval("1", session, filename="a\r\nb\x1b[2J")
        self.client.request("GET", "/evil%0d%0a{", headers={"user-agent": "x\x1b[2Jy"})
        for number, line in enumerate(self.daemon.log().splitlines()):
            entry = json.loads(line)
            self.assertNotEqual(entry["msg"], "forged", number)
            self.assertNotIn("\x1b", line)

    def test_surrogates(self):
        """Text that is no text: it arrives as something that is."""
        session = self.attacker()
        for source in ("'\\ud800'", "{'\\udfff': '\\ud800'}", "print('\\ud800')", "raise ValueError('\\udc80')",
                       "class A:\n  __repr__ = lambda s: '\\ud800'\nA()", "'\\ud800'.encode('utf-8')",
                       "b'\\xed\\xa0\\x80'", "exec('x = \"\\ud800\"')"):
            with self.subTest(source):
                verdict = self.attack(source, anything, session)
                json.dumps(verdict).encode()
        self.assertEqual(self.client.value("6*7", session), 42)

    def test_errors_that_lie_about_themselves(self):
        """Not on the list: exceptions whose every method misbehaves."""
        for body in ("def __str__(s): raise s", "def __str__(s): return 3",
                     "def __str__(s):\n    while True: pass", "__cause__ = property(lambda s: s)",
                     "__traceback__ = property(lambda s: 3)", "args = property(lambda s: 1/0)",
                     "def __getattribute__(s, n): raise SystemExit",
                     "def __init__(s): s.__cause__ = s; s.__context__ = s"):
            with self.subTest(body):
                verdict = self.attack(f"class E(Exception):\n  {body}\nraise E()", anything, timeout_ms=500)
                self.assertIn("error", verdict)
        self.attack("raise ExceptionGroup('g', [ExceptionGroup('h', [ValueError(i) for i in range(10**4)])])",
                    anything)
        self.attack("e = None\nfor i in range(10**4):\n  f = ValueError(i); f.__cause__ = e; e = f\nraise e",
                    anything)


class Costs(AttackCase):
    """71: small code that costs much."""

    def test_bombs(self):
        """Refused, or ended at the deadline."""
        end = either(stopped(), fails("MEMORY", "PYTHON", "LIMIT"), caused("signal"),
                     runs)
        for source in ("from decimal import Decimal; int(Decimal('1e999999999'))",
                       "'%1000000000d' % 1", "f'{1:>1000000000}'", "'{:1000000000}'.format(1)",
                       "'x'.rjust(10**9)", "2 ** (10**8)", "bytes(10**9)",
                       "import difflib; difflib.SequenceMatcher(None, 'ab' * 5000, 'ba' * 5000).ratio()",
                       "import textwrap; textwrap.fill('x ' * 10**6)", "s = ''\nwhile True: s += 'x' * 10**5",
                       "[[]] * 10**9", "eval('[' + '1,' * 10**6 + ']') and 1",
                       "import zlib; len(zlib.decompress(zlib.compress(bytes(10**8)))) and 1",
                       "exec('\\n'.join(f'x{i} = {i}' for i in range(200_000)))",
                       "import re; re.match(r'(x+x+)+y', 'x' * 40)"):
            with self.subTest(source):
                self.attack(source, end, timeout_ms=500)

    def test_compile_bombs(self):
        """Not on the list: source that is small and code that is not, compiled by the runtime."""
        end = either(stopped(), fails("MEMORY", "SYNTAX", "LIMIT", "PYTHON"), caused("signal"),
                     runs)
        for source in ("(1,) * 10**9", "'x' * (1 << 40)", "1 << (1 << 40)", "x = 1 if 1 else " * 5000 + "2",
                       "[" * 90 + "]" * 90, "f'" + "{1}" * 20_000 + "'",
                       "\n".join("def f%d(): pass" % i for i in range(10_000)),
                       "a" + ".a" * 20_000, "x = " + "+".join(["1"] * 30_000), "\\N{" * 1000,
                       "lambda: " * 5000 + "1", "@" * 3000 + "\ndef f(): pass"):
            with self.subTest(source[:40]):
                session = self.attacker()
                self.attack(source, end, session, timeout_ms=1500)
                self.end(session)

    def test_keys_of_one_hash(self):
        """Hash flooding, with the secret that every worker knows: one's own time only."""
        self.attack("class K:\n  __hash__ = lambda s: 1\nd = {K(): i for i in range(10**5)}", stopped(),
                    timeout_ms=500)
        self.attack("d = {i * (2**61 - 1): i for i in range(1, 10**5)}", stopped(), timeout_ms=500)


if __name__ == "__main__":
    unittest.main()
