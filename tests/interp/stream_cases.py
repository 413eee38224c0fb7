# SPDX-License-Identifier: Apache-2.0
"""What the tests of streams have in common."""

from cases import WorkerTest

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
