# SPDX-License-Identifier: Apache-2.0
"""Streams: what is iterated, item by item as far as the credit goes, on the real module."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import wire  # noqa: E402
from cases import WorkerTest, on_every_python  # noqa: E402
from wire import AS_ERROR, AS_REF, SCRATCH  # noqa: E402

LOTS = 10**9
# A generator and an asynchronous one that tell what becomes of them.
SYNC = """
def g(n=10**9):
    try:
        for i in range(n):
            print('make', i)
            yield i
    except BaseException as e:
        print('saw', type(e).__name__)
        raise
    finally:
        print('finally')
g()"""
ASYNC = ("import asyncio\n" + SYNC.replace("def g", "async def g").replace("            yield i", "            await asyncio.sleep(0)\n            yield i"))


class StreamsTest(WorkerTest):
    def setUp(self):
        super().setUp()
        self.before = self.counts()

    def stream(self, source, credit=LOTS, **options):
        return self.w.submit(source, credit=credit, **options)

    def all(self, source, **options):
        ended = self.w.wait(self.stream(source, **options))
        self.assertEqual((ended.outcome, ended.content), ("nothing", b""), ended.error)
        self.assertNothingLeft()
        return ended.items

    def assertNothingLeft(self):
        self.assertEqual(self.counts(), self.before)

    def closed(self, number):
        """Closes a stream that waits for credit."""
        self.w.pull(number, 0)
        ended = self.w.wait(number)
        self.assertEqual((ended.outcome, ended.interrupted), ("nothing", False))
        self.assertNothingLeft()
        return ended


class Items(StreamsTest):
    def test_whatever_can_be_iterated(self):
        for source, items in (("[1, 'a', None]", [1, "a", None]), ("(i * i for i in range(4))", [0, 1, 4, 9]), ("'abc'", ["a", "b", "c"]),
                              ("{1: 2}", [1]), ("iter([])", []), ("map(str, range(2))", ["0", "1"]), ("open('/dev/null')", []),
                              ("class S:\n  def __getitem__(self, i): return [5, 6][i]\nS()", [5, 6]),
                              ("async def g():\n  yield 1\n  yield 2\ng()", [1, 2]),
                              ("class A:\n  def __aiter__(self): return g()\nA()", [1, 2]),
                              ("import asyncio\nawait asyncio.sleep(0, [1, 2])", [1, 2]),
                              ("await asyncio.sleep(0)\ng()", [1, 2]),
                              ("if True:\n  return (i for i in [7])", [7])):
            with self.subTest(source):
                self.assertEqual(self.all(source), items)

    def test_what_cannot(self):
        for source in ("5", "None", "x = 1", "object()", "await asyncio.sleep(0)", "list"):
            told = self.w.wait(self.stream("import asyncio\n" + source)).error
            self.assertEqual((told.kind, told.code, told.type), ("value", "not_iterable", ""), source)
        told = self.w.wait(self.stream("class A:\n  def __iter__(self): return 5\nA()")).error
        self.assertEqual(told.type, "TypeError")
        told = self.w.wait(self.stream("class A:\n  def __aiter__(self): return 5\nA()")).error
        self.assertEqual(told.type, "TypeError")
        told = self.w.wait(self.stream("class A:\n  def __iter__(self): raise KeyError('i')\nA()")).error
        self.assertEqual(told.type, "KeyError")
        self.assertEqual(self.w.wait(self.stream("1/0")).error.type, "ZeroDivisionError")
        self.assertEqual(self.w.wait(self.stream("exit()")).outcome, "nothing")
        self.assertNothingLeft()

    def test_calls(self):
        self.value("def f(n): return range(n)\nasync def a(n): return [n]\nasync def g(n):\n  yield n")
        for name, items in (("f", [0, 1, 2]), ("a", [3]), ("g", [3])):
            ended = self.w.operate(wire.CALL, 1, ("variable", name), "", [3], {}, credit=10)
            self.assertEqual((ended.outcome, ended.items), ("nothing", items))
        ref = self.value("iter(range(5))", unserializable=AS_REF)
        number = self.w.submit("", mode=wire.CALL, operands=[2, ("value", ref), "", [], {}], credit=2)
        self.assertEqual(self.w.wait_for_items(number, 2), [0, 1])
        self.w.pull(number, 0)
        self.assertEqual(self.w.wait(number).outcome, "nothing")
        self.assertEqual(self.operate(wire.CALL, 16, ("value", ref), "", [9], {}), [2, 3, 4])

    def test_forms(self):
        self.assertEqual(self.all("[1, None, 'a']", form=wire.REPR), ["1", "None", "'a'"])
        self.assertEqual(self.all("[1, 'a']", form=wire.NONE), [None, None])
        ended = self.w.wait(self.stream("[1, object()]", unserializable=AS_REF))
        self.assertEqual((ended.items[0], ended.items[1].type_name), (1, "object"))

    def test_many(self):
        self.assertEqual(sum(self.all("range(200_000)")), sum(range(200_000)))
        self.assertEqual(sum(self.all("async def g():\n  for i in range(50_000): yield i\ng()")), sum(range(50_000)))
        items = self.all("(bytes([i]) * 100_000 for i in range(50))")
        self.assertEqual([(len(item), item[0]) for item in items], [(100_000, i) for i in range(50)])
        self.assertEqual([len(i) for i in self.all("['x' * n for n in (1, 65_000, 10, 70_000, 3_000_000, 2)]")], [1, 65_000, 10, 70_000, 3_000_000, 2])

    def test_exhausted_with_its_last_credit(self):
        number = self.stream("range(3)", credit=3)
        self.assertEqual(self.w.wait_for_items(number, 3), [0, 1, 2])
        self.w.pull(number, 1)
        self.assertEqual(self.w.wait(number).outcome, "nothing")
        self.assertNothingLeft()


class Credit(StreamsTest):
    def test_nothing_is_computed_that_nobody_wants(self):
        for source in (SYNC, ASYNC):
            number = self.stream(source, credit=2)
            self.assertEqual(self.w.wait_for_items(number, 2), [0, 1])
            self.assertEqual(self.value("1+1"), 2)
            self.assertEqual(self.counts()[2], self.before[2] + 1)
            self.w.pull(number, 1)
            self.assertEqual(self.w.wait_for_items(number, 3), [0, 1, 2])
            self.w.pull(number, 2)
            self.w.wait_for_items(number, 5)
            ended = self.closed(number)
            self.assertEqual(ended.items, [0, 1, 2, 3, 4])
            self.assertEqual(ended.stdout, "make 0\nmake 1\nmake 2\nmake 3\nmake 4\nsaw GeneratorExit\nfinally\n")

    def test_the_first_item_comes_before_the_second_is_made(self):
        number = self.stream("import threading\ndef g():\n  yield 1\n  threading.Event().wait()\ng()")
        self.w.wait_for_items(number, 1)
        self.w.interrupt(number)
        self.assertTrue(self.w.wait(number).interrupted)
        number = self.stream("def g():\n  for i in range(3): yield i\n  threading.Event().wait()\ng()", credit=1)
        self.w.wait_for_items(number, 1)
        self.w.pull(number, 5)
        self.assertEqual(self.w.wait_for_items(number, 3), [0, 1, 2])
        self.w.interrupt(number)
        self.assertTrue(self.w.wait(number).interrupted)

    def test_output_and_items_keep_their_order(self):
        number = self.stream("def g():\n  print('a'); yield 1; print('b'); yield 2; print('c')\ng()")
        kinds = []
        while number not in self.w.done:
            kinds.append(self.w.pump()[0])
        self.assertEqual(kinds, [wire.OUTPUT, wire.ITEMS, wire.OUTPUT, wire.ITEMS, wire.OUTPUT, wire.FINISHED])

    def test_streams_and_executions_take_turns(self):
        numbers = [self.stream(source, credit=1) for source in (SYNC, ASYNC, SYNC, ASYNC)]
        for round in range(1, 5):
            for number in numbers:
                self.w.wait_for_items(number, round)
                self.w.pull(number, 1)
            ended = self.w.run("print('own')\n1+1")
            self.assertEqual((ended.value, ended.stdout), (2, "own\n"))
        for number in numbers:
            self.w.pull(number, 0)
        for number in numbers:
            ended = self.w.wait(number)
            self.assertEqual(ended.items, list(range(len(ended.items))))
            self.assertIn("make 3\n", ended.stdout)
            self.assertIn("finally\n", ended.stdout)
            self.assertNotIn("own", ended.stdout)
        self.assertNothingLeft()

    def test_it_can_be_closed_while_there_is_credit(self):
        for source in ("import itertools\nitertools.count()", SYNC.replace("print('make', i)", "pass"), ASYNC.replace("print('make', i)", "pass"),
                       "async def g():\n  while True: yield 1\ng()"):
            number = self.stream(source)
            self.w.wait_for_items(number, 3)
            self.assertEqual(self.value("1+1"), 2)
            self.closed(number)

    def test_an_asynchronous_one_that_waits_can_be_closed(self):
        number = self.stream("import asyncio\nasync def g():\n  try:\n    yield 1\n    await asyncio.Event().wait()\n  finally:\n    await asyncio.sleep(0); print('finally')\ng()")
        self.w.wait_for_items(number, 1)
        self.value("1")
        self.assertEqual(self.closed(number).stdout, "finally\n")

    def test_what_has_ended_is_not_pulled(self):
        number = self.stream("[1]")
        self.w.wait(number)
        self.w.pull(number, 5)
        self.w.pull(number, 0)
        self.w.pull(12345, 1)
        self.assertEqual(self.value("1+1"), 2)
        number = self.stream(SYNC, credit=1)
        self.w.wait_for_items(number, 1)
        self.w.send(*[wire.frame(wire.PULL, wire.message(number, 0))] * 3)
        self.assertEqual(self.w.wait(number).outcome, "nothing")
        number = self.stream(ASYNC, credit=1)
        self.w.wait_for_items(number, 1)
        self.w.send(*[wire.frame(wire.PULL, wire.message(number, credit)) for credit in (0, 0, 5)])
        self.assertEqual(self.w.wait(number).outcome, "nothing")

    def test_credit_adds_up(self):
        number = self.stream("range(100)", credit=1)
        self.w.send(*[wire.frame(wire.PULL, wire.message(number, 2**64 - 1))] * 3)
        self.assertEqual(len(self.w.wait(number).items), 100)

    def test_at_most_a_thousand(self):
        numbers = [self.stream(f"(i for i in range({n}, {n} + 5))", credit=1) for n in range(500)]
        numbers += [self.stream(f"async def g():\n  yield {n}\n  yield {n}\ng()", credit=1) for n in range(500, 1000)]
        for n, number in enumerate(numbers):
            self.assertEqual(self.w.wait_for_items(number, 1), [n])
        self.assertEqual(self.counts()[2], 1000)
        for source in ("[1]", "async def g(): yield 1\ng()"):
            told = self.w.wait(self.stream(source)).error
            self.assertEqual((told.kind, told.code), ("limit", "stream_limit"))
        self.w.pull(numbers[0], 0)
        self.w.wait(numbers.pop(0))
        self.assertEqual(self.w.wait(self.stream("[1]")).items, [1])
        for number in numbers:
            self.w.pull(number, 0)
        for number in numbers:
            self.assertEqual(self.w.wait(number).outcome, "nothing")
        self.assertNothingLeft()


class Ends(StreamsTest):
    def test_errors_come_after_the_items_before_them(self):
        for source in ("def g():\n  yield 1\n  yield 2\n  1/0\ng()", "async def g():\n  yield 1\n  yield 2\n  1/0\ng()"):
            ended = self.w.wait(self.stream(source, filename="s.py"))
            self.assertEqual((ended.items, ended.error.type), ([1, 2], "ZeroDivisionError"))
            self.assertEqual([f[:3] for f in ended.error.frames], [("s.py", 4, "g")])
            self.assertNotIn("vivarium", ended.error.traceback)
        ended = self.w.wait(self.stream("def g():\n  yield 1\n  exit()\ng()"))
        self.assertEqual((ended.outcome, ended.items), ("nothing", [1]))
        self.assertNothingLeft()

    def test_an_item_that_cannot_travel_closes(self):
        for source in (SYNC.replace("yield i", "yield object() if i == 1 else i"), ASYNC.replace("yield i", "yield object() if i == 1 else i")):
            ended = self.w.wait(self.stream(source, unserializable=AS_ERROR))
            self.assertEqual((ended.items, ended.error.code), ([0], "unserializable"))
            self.assertTrue(ended.stdout.endswith("finally\n"))
        for source in (SYNC.replace("yield i", "yield 'x' * 2000"), ASYNC.replace("yield i", "yield 'x' * 2000")):
            told = self.w.wait(self.stream(source, max_result=1000)).error
            self.assertEqual((told.kind, told.type), ("limit", ""))
            self.assertIn("max_result_bytes", told.message)
        self.assertNothingLeft()

    def test_what_closing_raises_is_told_on_stderr(self):
        for source in ("def g():\n  try:\n    while True: yield 1\n  finally: 1/0\ng()", "def g():\n  while True:\n    try: yield 1\n    except GeneratorExit: pass\ng()",
                       "class I:\n  def __iter__(self): return self\n  def __next__(self): return 1\n  def close(self): raise KeyError('c')\nI()",
                       "class J(I):\n  @property\n  def close(self): raise KeyError('c')\nJ()",
                       "async def g():\n  try:\n    while True: yield 1\n  finally: 1/0\ng()",
                       "async def g():\n  while True:\n    try: yield 1\n    except GeneratorExit: pass\ng()"):
            with self.subTest(source):
                number = self.stream(source, credit=1)
                self.w.wait_for_items(number, 1)
                self.assertRegex(self.closed(number).stderr, "ZeroDivisionError|RuntimeError|KeyError")

    def test_iterators_that_are_no_generators(self):
        number = self.stream("class I:\n  def __iter__(self): return self\n  def __next__(self): return 1\n  def close(self): print('closed')\nI()", credit=1)
        self.w.wait_for_items(number, 1)
        self.assertEqual(self.closed(number).stdout, "closed\n")
        self.value("class K:\n  def __iter__(self): return self\n  def __next__(self): return 1\n  def __del__(self): print('gone')")
        number = self.stream("K()", credit=1)
        self.w.wait_for_items(number, 1)
        self.assertEqual(self.closed(number).stdout, "gone\n")

    def test_iterators_that_pull_the_rug(self):
        source = ("class I:\n  def __iter__(self): return self\n  def __next__(self):\n    {}\n    return 1\n  def other(self): return 2\nI()")
        for line in ("del type(self).__next__", "self.__class__ = type('E', (), {})", "type(self).__next__ = None", "globals().clear()",
                     "import sys; sys.modules.clear()"):
            ended = self.w.wait(self.stream(source.format(line), credit=3))if "clear" not in line else None
            if ended is None:
                number = self.stream(source.format(line), credit=3)
                self.w.wait_for_items(number, 1)
                self.w.pull(number, 0)
                ended = self.w.wait(number)
            self.assertIn(ended.outcome, ("error", "nothing"))
            self.assertEqual(self.value("1+1"), 2)

    def test_a_generator_that_calls_into_itself(self):
        ended = self.w.wait(self.stream("def g():\n  yield 1\n  yield next(it)\nit = g()\nit"))
        self.assertEqual((ended.items, ended.error.type), ([1], "ValueError"))
        ended = self.w.wait(self.stream("def g():\n  yield 1\n  it.close()\nit = g()\nit"))
        self.assertEqual(ended.error.type, "ValueError")
        number = self.stream("def g():\n  while True: yield 1\nit = g()\nit", credit=1)
        self.w.wait_for_items(number, 1)
        self.value("it.close()")
        self.w.pull(number, 1)
        self.assertEqual(self.w.wait(number).outcome, "nothing")

    def test_scratch(self):
        source = "class A:\n  def __del__(self, print=print): print('gone')\na = A()\n" + SYNC
        number = self.stream(source, credit=1, space=SCRATCH)
        self.w.wait_for_items(number, 1)
        self.assertEqual(self.error("a", space=SCRATCH).type, "NameError")
        self.w.pull(number, 1)
        self.w.wait_for_items(number, 2)
        self.assertIn("gone\n", self.closed(number).stdout)
        number = self.stream(ASYNC, credit=1, space=SCRATCH)
        self.w.wait_for_items(number, 1)
        self.closed(number)

    def test_a_child_that_is_forked_inside(self):
        source = "import os\n{}def g():\n  try:\n    yield 1\n    pid = os.fork()\n    if pid: os.waitpid(pid, 0)\n    yield 2\n  finally: print('finally') if pid else os.write(1, b'child')\ng()"
        for kind in ("", "async "):
            ended = self.w.wait(self.stream(source.format(kind)))
            self.assertEqual((ended.outcome, ended.items, ended.stdout), ("nothing", [1, 2], "finally\n"))
        ended = self.w.run("import os\nprint('once')\npid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)\n1")
        self.assertEqual((ended.value, ended.stdout), (1, "once\n"))

    def test_it_ends_with_the_worker(self):
        for source in (SYNC, ASYNC):
            self.w.wait_for_items(self.stream(source, credit=1), 1)
        self.assertEqual(self.w.close(), 0)


class Interrupts(StreamsTest):
    def test_while_an_item_is_made(self):
        for source in ("def g():\n  yield 1\n  print('go')\n  while True: str()\ng()", "def g():\n  yield 1\n  print('go')\n  import threading; threading.Event().wait()\ng()",
                       "async def g():\n  yield 1\n  print('go')\n  while True: str()\ng()", "import asyncio\nasync def g():\n  yield 1\n  print('go')\n  await asyncio.sleep(1000)\ng()",
                       "class A:\n  def __repr__(self):\n    print('go')\n    while True: str()\n[1, A()]"):
            with self.subTest(source):
                number = self.stream(source)
                self.w.wait_for_output(number, b"go\n")
                self.w.interrupt(number)
                ended = self.w.wait(number)
                self.assertEqual((ended.items, ended.interrupted, ended.error.type), ([1], True, "Interrupted"))
                self.assertNothingLeft()

    def test_one_that_never_ends(self):
        for source in ("import itertools\nitertools.repeat(1)", "def g():\n  while True: yield 1\ng()", "async def g():\n  while True: yield 1\ng()"):
            number = self.stream(source)
            self.w.wait_for_items(number, 3)
            self.w.interrupt(number)
            self.assertTrue(self.w.wait(number).interrupted)
            self.assertNothingLeft()

    def test_between_items(self):
        for source in (SYNC, ASYNC):
            for busy in ("", "import asyncio\nhold = asyncio.Event()\nawait hold.wait()"):
                number = self.stream(source, credit=1)
                self.w.wait_for_items(number, 1)
                other = self.w.submit(busy) if busy else None
                self.w.interrupt(number)
                ended = self.w.wait(number)
                self.assertEqual((ended.interrupted, ended.error.type), (True, "Interrupted"))
                self.assertTrue(ended.stdout.endswith("finally\n"))
                if busy:
                    self.value("hold.set()")
                    self.w.wait(other)
                self.assertNothingLeft()

    def test_between_items_while_another_runs(self):
        number = self.stream(SYNC, credit=1)
        self.w.wait_for_items(number, 1)
        other = self.w.submit("import os\nr, w = os.pipe()\nprint('go')\nos.read(r, 1)\n'done'")
        self.w.wait_for_output(other, b"go\n")
        self.w.interrupt(number)
        self.w.interrupt(other)
        self.assertTrue(self.w.wait(other).interrupted)
        self.assertTrue(self.w.wait(number).interrupted)
        self.assertNothingLeft()

    def test_closing_that_blocks(self):
        for source in ("def g():\n  try:\n    while True: yield 1\n  finally:\n    print('go')\n    while True: str()\ng()",
                       "import asyncio\nasync def g():\n  try:\n    while True: yield 1\n  finally:\n    print('go')\n    await asyncio.sleep(1000)\ng()"):
            number = self.stream(source, credit=1)
            self.w.wait_for_items(number, 1)
            self.w.pull(number, 0)
            self.w.wait_for_output(number, b"go\n")
            self.w.interrupt(number)
            self.assertTrue(self.w.wait(number).interrupted)
            self.assertNothingLeft()

    def test_it_stays_with_its_stream(self):
        for i in range(100):
            number = self.stream(SYNC if i % 2 else ASYNC, credit=1)
            if i % 3:
                self.w.wait_for_items(number, 1)
            self.w.interrupt(number)
            self.w.pull(number, 2)
            self.assertEqual(self.value("1+1"), 2)
            self.w.pull(number, 0)
            self.assertIn(self.w.wait(number).outcome, ("nothing", "error", "expired"))
        self.assertNothingLeft()


def load_tests(loader, tests, pattern):
    return on_every_python(loader, Items, Credit, Ends, Interrupts)


if __name__ == "__main__":
    unittest.main()
