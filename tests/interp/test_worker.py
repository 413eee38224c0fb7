# SPDX-License-Identifier: Apache-2.0
"""What a worker promises its daemon, on the real module in a real interpreter. No sleeps: tests wait
for frames, and a test that would wait for ever is ended by ctest's time limit."""

import math
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import wire  # noqa: E402
from cases import WorkerTest, on_every_python  # noqa: E402

FIZZBUZZ = """
for i in range(1, 101):
    print("FizzBuzz" if i % 15 == 0 else "Fizz" if i % 3 == 0 else "Buzz" if i % 5 == 0 else i)
"""


class Results(WorkerTest):
    def test_greets_with_its_protocol_and_version(self):
        self.assertEqual(self.w.hello[1], 3)
        self.assertRegex(self.w.hello[2].decode(), r"^3\.\d+")

    def test_the_last_expression_is_the_result(self):
        self.assertEqual(self.value("1+1"), 2)
        self.assertEqual(self.value("x = 3\nx * 2"), 6)
        self.assertIsNone(self.value("x = 3"))
        self.assertIsNone(self.value(""))
        self.assertIsNone(self.value("# nothing"))
        self.assertEqual(self.value("'text'"), "text")
        self.assertIsNone(self.value("for i in range(3): i"))

    def test_fizzbuzz(self):
        ended = self.w.run(FIZZBUZZ)
        self.assertEqual(ended.outcome, "value")
        lines = ended.stdout.split("\n")
        self.assertEqual((lines[0], lines[2], lines[14], lines[99], len(lines)), ("1", "Fizz", "FizzBuzz", "Buzz", 101))

    def test_state_is_kept(self):
        self.value("def f(): return g() + 1\ndef g(): return 41")
        self.assertEqual(self.value("f()"), 42)
        self.error("y = 5; 1/0")
        self.assertEqual(self.value("y"), 5)

    def test_the_namespace_is_that_of_main(self):
        self.assertEqual(self.value("__name__"), "__main__")
        self.assertEqual(self.value("class A: pass\nimport pickle\ntype(pickle.loads(pickle.dumps(A()))) is A"), True)
        self.assertEqual(self.value("import sys\nsys.modules['__main__'].__dict__ is globals()"), True)
        self.assertEqual(
            self.value("sorted(n for n in globals() if n not in ('A', 'pickle', 'sys'))"),
            ["__builtins__", "__doc__", "__loader__", "__name__", "__package__", "__spec__"],
        )
        self.assertEqual(self.value("def f(): pass\nclass C: pass\n[f.__module__, f.__qualname__, C.__qualname__]"),
                         ["__main__", "f", "C"])

    def test_every_kind_of_value(self):
        for text in ("None", "True", "False", "0", "-1", "2**63-1", "-2**63", "2**63", "-2**63-1", "2**64", "-2**71",
                     "-2**71-1", "10**4000", "-(10**4000)", "1.5", "-0.0", "'ä€😀\\0'", "b'\\x00\\xff'", "[]", "()",
                     "(1,)", "{}", "set()", "{1: {2: [3, (4,)]}}", "{(1, 2): 'a', None: 1.0}", "{1, 'a'}"):
            with self.subTest(text):
                mine, theirs = eval(text), self.value(text)
                self.assertEqual((type(theirs), theirs), (type(mine), mine))
        self.assertEqual(str(self.value("-0.0")), "-0.0")
        self.assertTrue(math.isnan(self.value("float('nan')")))
        self.assertEqual(self.value("float('-inf')"), -math.inf)
        self.assertEqual(list(self.value("{'b': 1, 'a': 2}")), ["b", "a"])

    def test_subclasses_travel_as_their_base(self):
        self.assertEqual(self.value("class L(list):\n  def __iter__(self): raise 1\nL([1])"), [1])
        self.assertEqual(self.value("class S(str): pass\nS('a')"), "a")
        self.assertEqual(self.value("import enum\nclass E(enum.IntEnum): a = 7\nE.a"), 7)
        self.assertEqual(self.value("import collections\ncollections.OrderedDict(a=1)"), {"a": 1})
        self.assertEqual(self.value("class I(int):\n  to_bytes = bit_length = None\nI(2**70)"), 2**70)
        self.assertEqual(self.value("class T(set):\n  def __iter__(self): return iter(int, 1)\nT({1})"), {1})

    def test_other_objects_are_opaque(self):
        told = self.value("import types\ntypes.SimpleNamespace(a=1)")
        self.assertEqual((told.type_name, told.text), ("types.SimpleNamespace", "namespace(a=1)"))
        self.assertEqual(self.value("'\\ud800'").type_name, "str")
        self.assertEqual(self.value("class A:\n  class B:\n    pass\nA.B()").type_name, "__main__.A.B")
        self.assertEqual(self.value("[object]")[0].text, "<class 'object'>")

    def test_hostile_objects(self):
        self.assertIn("repr fails", self.value("class A:\n  def __repr__(self): raise SystemExit(3)\nA()").text)
        self.assertIn("repr fails", self.value("class A:\n  def __repr__(self): return 3\nA()").text)
        self.assertEqual(len(self.value("class A:\n  def __repr__(self): return 'x' * 10**7\nA()").text), 4096)
        self.assertIn("repr fails", self.value("class A:\n  def __repr__(self): return repr(self)\nA()").text)
        grows = "class A:\n  def __repr__(self): l.append(A()); return 'a'\nl = [A()]\n"
        self.assertEqual(self.error(grows + "l", max_result=100_000).kind, "limit")
        shrinks = "class A:\n  def __repr__(self): l.clear(); return 'a'\nl = [A(), 1, 2]\nl"
        self.assertEqual(len(self.value(shrinks)), 1)
        changes = "class A:\n  def __repr__(self): d.clear(); return 'a'\nd = {1: A(), 2: 3}\nd"
        self.assertEqual(self.error(changes).type, "RuntimeError")
        meta = "class M(type):\n  def __getattribute__(self, n): raise KeyError(n)\nclass A(metaclass=M): pass\nA()"
        self.assertEqual(self.value(meta).type_name, "A")
        self.assertEqual(self.value("class A:\n  def __getattr__(self, n): return lambda *a: 1\nA()").type_name, "__main__.A")
        self.assertEqual(self.value("1+1"), 2)

    def test_limits_of_a_result(self):
        deep = self.error("l = []\nfor _ in range(60): l = [l]\nl")
        self.assertEqual((deep.kind, deep.type), ("limit", ""))
        self.assertEqual(self.value("l = []; l.append(l); l")[0].text, "[[...]]")
        self.assertEqual(self.value("d = {}; d[1] = d; d")[1].text, "{1: {...}}")
        self.assertIsInstance(self.value("l = 1\nfor _ in range(40): l = [l]\nl"), list)
        large = self.error("'x' * 2000", max_result=1000)
        self.assertIn("max_result_bytes", large.message)
        self.assertEqual(self.error("['x'] * 2000", max_result=1000).kind, "limit")
        self.assertEqual(self.error("2**100000", max_result=1000).kind, "limit")
        self.assertEqual(self.error("'x' * 2000", max_result=1000, form=wire.REPR).kind, "limit")
        self.assertEqual(self.error("'x' * (70 << 20)", max_result=2**32 - 1).kind, "limit")
        self.assertEqual(self.error("[None] * 3_000_000").kind, "limit")
        self.assertEqual(len(self.value("'x' * 5_000_000")), 5_000_000)

    def test_forms(self):
        ended = self.w.run("[1, 'a']", form=wire.REPR)
        self.assertEqual((ended.outcome, ended.content), ("repr", b"[1, 'a']"))
        self.assertEqual(self.w.run("None", form=wire.REPR).content, b"")
        ended = self.w.run("1", form=wire.NONE)
        self.assertEqual((ended.outcome, ended.content), ("nothing", b""))
        self.assertEqual(self.error("class A:\n  def __repr__(self): raise KeyError('k')\nA()", form=wire.REPR).type, "KeyError")
        self.assertEqual(self.w.run("'\\ud800'", form=wire.REPR).content, b"'\\ud800'")

    def test_compiling_only(self):
        ended = self.w.run("print(1); x = 1", mode=2)
        self.assertEqual((ended.outcome, ended.events), ("nothing", []))
        self.assertEqual(self.error("x").type, "NameError")
        self.assertEqual(self.error("def f(:", mode=2).kind, "syntax")

    def test_exit_is_an_ordinary_end(self):
        for source in ("exit()", "exit(0)", "quit()", "import sys; sys.exit()", "raise SystemExit"):
            self.assertIsNone(self.value(source))
        told = self.error("exit(3)")
        self.assertEqual((told.kind, told.type, told.message), ("python", "SystemExit", "3"))
        self.assertEqual(self.value("1+1"), 2)

    def test_expired_work_is_not_started(self):
        ended = self.w.run("print(1)", start_before_us=1)
        self.assertEqual((ended.outcome, ended.events), ("expired", []))
        later = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 + 3_600_000_000
        self.assertEqual(self.value("2", start_before_us=later), 2)

    def test_thousands_of_pipelined_requests(self):
        import threading

        frames = [self.w.request(f"n = {i}\nn + 1" if i % 7 == 0 else "1+1") for i in range(5000)]
        sender = threading.Thread(target=self.w.send, args=frames)
        sender.start()
        for i in range(5000):
            self.assertEqual(self.w.wait(i + 1).value, i + 1 if i % 7 == 0 else 2)
        sender.join()

    def test_leaves_when_its_requests_end(self):
        self.value("import threading\nthreading.Thread(target=threading.Event().wait).start()")
        self.assertEqual(self.w.close(), 0)

    def test_a_forked_child_stays_off_the_channel(self):
        source = "import os\npid = os.fork()\nif pid == 0:\n  print('child')\nelse:\n  os.waitpid(pid, 0)\nprint('end') if pid else None\n7"
        ended = self.w.run(source)
        self.assertEqual((ended.value, ended.stdout), (7, "child\nend\n"))
        self.assertEqual(self.value("1+1"), 2)

    def test_multiprocessing(self):
        source = "import multiprocessing as m\ndef f(x): return x * x\nwith m.get_context('fork').Pool(2) as p: r = p.map(f, [1, 2, 3])\nr"
        self.assertEqual(self.value(source), [1, 4, 9])


class Async(WorkerTest):
    def test_top_level_await(self):
        self.assertEqual(self.value("import asyncio\nawait asyncio.sleep(0, 'x')"), "x")
        self.assertEqual(self.value("async def f(): return 4\ny = await f()\ny + 1"), 5)
        self.assertEqual(self.value("async def g():\n  yield 1\n  yield 2\n[i async for i in g()]"), [1, 2])
        self.assertEqual(self.value("async for i in g():\n  if i == 2: return i"), 2)
        self.assertEqual(self.value("if await f() == 4:\n  return 'r'\n1"), "r")
        self.assertEqual(self.error("await f()\nraise KeyError(1)").type, "KeyError")
        self.assertEqual(self.value("y"), 4)

    def test_sync_sessions_do_not_import_asyncio(self):
        self.value("print(1)")
        self.assertEqual(self.value("import sys\n'asyncio' in sys.modules"), False)

    def test_executions_interleave(self):
        self.value("import asyncio\ne = asyncio.Event()")
        first = self.w.submit("print('first')\nawait e.wait()\nprint('first again')\n'first'")
        second = self.w.submit("print('second')\nawait asyncio.sleep(0)\nprint('second again')\n'second'")
        ended = self.w.wait(second)
        self.assertEqual((ended.value, ended.stdout), ("second", "second\nsecond again\n"))
        self.assertEqual(self.w.run("print('sync')\ne.set()").stdout, "sync\n")
        ended = self.w.wait(first)
        self.assertEqual((ended.value, ended.stdout), ("first", "first\nfirst again\n"))

    def test_background_tasks_go_on(self):
        self.value("import asyncio\ne = asyncio.Event()\nasync def f():\n  await asyncio.sleep(0); e.set(); return 9\nt = asyncio.create_task(f())\nawait asyncio.sleep(0)")
        self.value("import threading\n1+1")
        self.assertEqual(self.value("await e.wait()\nt.result()"), 9)

    def test_synchronous_code_runs_outside_the_loop(self):
        waiting = self.w.submit("import asyncio\ne = asyncio.Event()\nawait e.wait()")
        self.assertEqual(self.value("async def f(): return 3\nasyncio.run(f())"), 3)
        self.value("e.set()")
        self.w.wait(waiting)

    def test_exit_and_cancellation(self):
        self.assertIsNone(self.value("import asyncio\nawait asyncio.sleep(0)\nexit()"))
        self.assertEqual(self.error("await asyncio.sleep(0)\nexit(4)").message, "4")
        self.assertEqual(self.error("raise asyncio.CancelledError").type, "CancelledError")
        self.assertEqual(self.value("await asyncio.sleep(0, 5)"), 5)

    def test_a_loop_that_was_closed_is_replaced(self):
        self.value("import asyncio\nl = asyncio.get_running_loop() if False else None\nawait asyncio.sleep(0)")
        self.value("asyncio.get_event_loop().close()")
        self.assertEqual(self.value("await asyncio.sleep(0, 6)"), 6)


class Interrupts(WorkerTest):
    WAIT = "import threading\nprint('go')\nthreading.Event().wait()"

    def interrupted(self, source):
        number = self.w.submit(source)
        self.w.wait_for_output(number, b"go\n")
        self.w.interrupt(number)
        ended = self.w.wait(number)
        self.assertTrue(ended.interrupted)
        self.assertEqual(self.value("1+1"), 2)
        return ended

    def test_what_cpython_drops_is_raised_again(self):
        destructor = "class A:\n  def __del__(self):\n    print('go')\n    while True: str()\na = A()\ndel a\nwhile True: str()"
        callback = ("import weakref\nclass A: pass\ndef on_end(_):\n  print('go')\n  while True: str()\n"
                    "a = A()\nr = weakref.ref(a, on_end)\ndel a\nwhile True: str()")
        for source in (destructor, callback):
            self.interrupted(source)

    def test_what_blocks_is_interrupted(self):
        for source in ("print('go')\nwhile True: str()", "import time\nprint('go')\ntime.sleep(1000)", self.WAIT,
                       "import subprocess\nprint('go')\nsubprocess.run(['sleep', '1000'])",
                       "import asyncio\nprint('go')\nawait asyncio.sleep(1000)",
                       "import asyncio\nawait asyncio.sleep(0)\nprint('go')\nwhile True: str()",
                       "import asyncio\nasync def f():\n  print('go')\n  while True: str()\nawait asyncio.create_task(f())",
                       "class A:\n  def __repr__(self):\n    print('go')\n    while True: str()\nA()",
                       "class E(Exception):\n  def __str__(self):\n    print('go')\n    while True: str()\nraise E"):
            with self.subTest(source):
                self.interrupted(source)

    def test_the_error_and_cleaning_up(self):
        told = self.interrupted("def spin():\n  print('go')\n  while True: str()\n"
                                "try:\n  spin()\nfinally:\n  done = True").error
        self.assertEqual((told.type, told.module), ("Interrupted", "vivarium"))
        self.assertEqual(self.value("done"), True)
        self.assertEqual(self.interrupted("import asyncio\nprint('go')\nawait asyncio.sleep(1000)").error.type, "Interrupted")

    def test_code_that_catches_it_ends_by_itself(self):
        number = self.w.submit("import vivarium\ndef spin():\n  print('go')\n  while True: str()\n"
                               "try:\n  spin()\nexcept vivarium.Interrupted: pass\n7")
        self.w.wait_for_output(number, b"go\n")
        self.w.interrupt(number)
        ended = self.w.wait(number)
        self.assertEqual((ended.value, ended.interrupted), (7, False))

    def test_a_stale_interrupt_hits_nobody(self):
        old = self.w.submit("1")
        self.w.wait(old)
        number = self.w.submit("print('go')\nimport os\nfor i in range(100_000): pass\nos.read(r, 1) if 'r' in globals() else None\n8")
        self.w.interrupt(old)
        self.assertEqual(self.w.wait(number).value, 8)

    def test_an_early_interrupt_expires_what_it_meant(self):
        busy = self.w.submit(self.WAIT)
        self.w.wait_for_output(busy, b"go\n")
        later, last = self.w.request("print('never')"), self.w.request("3")
        self.w.interrupt(self.w.number - 1)
        self.w.send(later, last)
        self.w.interrupt(busy)
        self.assertTrue(self.w.wait(busy).interrupted)
        ended = self.w.wait(busy + 1)
        self.assertEqual((ended.outcome, ended.events), ("expired", []))
        self.assertEqual(self.w.wait(busy + 2).value, 3)

    def test_a_storm_of_interrupts_stays_with_its_execution(self):
        for _ in range(200):
            number = self.w.submit("for i in range(2000): pass")
            self.w.interrupt(number)
            self.assertIn(self.w.wait(number).outcome, ("value", "error", "expired"))
            self.assertEqual(self.value("1+1"), 2)


def load_tests(loader, tests, pattern):
    return on_every_python(loader, Results, Async, Interrupts)


if __name__ == "__main__":
    unittest.main()
