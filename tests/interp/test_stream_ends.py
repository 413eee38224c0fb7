# SPDX-License-Identifier: Apache-2.0
"""How streams end: exhausted, closed, failed, interrupted, whatever the iterator does about it."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

from cases import on_every_python  # noqa: E402
from stream_cases import ASYNC, SYNC, StreamsTest  # noqa: E402
from wire import AS_ERROR, SCRATCH  # noqa: E402


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

    def test_a_generator_that_lets_go_of_itself(self):
        ended = self.w.wait(self.stream("def g():\n  global it\n  yield 1\n  del it\n  import gc; gc.collect()\n  yield 2\nit = g()\nit"))
        self.assertEqual((ended.outcome, ended.items), ("nothing", [1, 2]))

    def test_generators_inside_of_generators(self):
        number = self.stream(SYNC.rsplit("\n", 1)[0] + "\ndef outer(): yield from g()\nouter()", credit=1)
        self.w.wait_for_items(number, 1)
        self.assertIn("finally\n", self.closed(number).stdout)
        source = ASYNC.rsplit("\n", 1)[0] + "\nasync def outer():\n  inner = g()\n  try:\n    async for i in inner: yield i\n  finally: await inner.aclose()\nouter()"
        for interrupt in (False, True):
            number = self.stream(source, credit=2)
            self.w.wait_for_items(number, 2)
            if interrupt:
                self.w.interrupt(number)
                ended = self.w.wait(number)
                self.assertTrue(ended.interrupted)
            else:
                ended = self.closed(number)
            self.assertIn("finally\n", ended.stdout)
        number = self.stream(ASYNC.rsplit("\n", 1)[0] + "\nasync def careless():\n  async for i in g(): yield i\ncareless()", credit=2)
        self.w.wait_for_items(number, 2)
        self.closed(number)
        self.assertEqual(self.value("1+1"), 2)

    def test_code_that_catches_the_end(self):
        self.value("import vivarium, asyncio")
        for source in ("def g():\n  while True:\n    try:\n      yield 1\n      print('go')\n      while True: str()\n    except vivarium.Interrupted: yield 2; return\ng()",
                       "async def g():\n  yield 1\n  try:\n    print('go')\n    await asyncio.sleep(1000)\n  except asyncio.CancelledError: yield 2\ng()"):
            number = self.stream(source)
            self.w.wait_for_output(number, b"go\n")
            self.w.interrupt(number)
            ended = self.w.wait(number)
            self.assertEqual((ended.outcome, ended.items, ended.interrupted), ("nothing", [1, 2], False))

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
        # A lock, not an Event: one that is interrupted on its way into the wait raises an error of its own.
        for source in ("def g():\n  yield 1\n  print('go')\n  while True: str()\ng()", "import threading\nlock = threading.Lock()\nlock.acquire()\ndef g():\n  yield 1\n  print('go')\n  lock.acquire()\ng()",
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
    return on_every_python(loader, Ends, Interrupts)


if __name__ == "__main__":
    unittest.main()
