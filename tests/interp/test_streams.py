# SPDX-License-Identifier: Apache-2.0
"""Streams: what is iterated, item by item as far as the credit goes, on the real module."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import wire  # noqa: E402
from cases import on_every_python  # noqa: E402
from stream_cases import ASYNC, SYNC, StreamsTest  # noqa: E402
from wire import AS_REF  # noqa: E402


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

    def test_bounds_of_an_item(self):
        deep = "l = 1\nfor _ in range({}): l = [l]\n[1, l]"
        self.assertEqual(len(self.all(deep.format(40))), 2)
        ended = self.w.wait(self.stream(deep.format(50)))
        self.assertEqual((ended.items, ended.error.kind), ([1], "limit"))
        self.assertEqual(len(self.all("['x' * ((32 << 20) - 100)]")[0]), (32 << 20) - 100)
        ended = self.w.wait(self.stream("[1, 'x' * (32 << 20)]", max_result=2**32 - 1))
        self.assertEqual((ended.items, ended.error.kind), ([1], "limit"))

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


def load_tests(loader, tests, pattern):
    return on_every_python(loader, Items, Credit)


if __name__ == "__main__":
    unittest.main()
