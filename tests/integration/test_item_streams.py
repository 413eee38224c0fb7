# SPDX-License-Identifier: Apache-2.0
"""Streams of items: pulled by credit, ended by anybody, and generators that will not have it."""

import os
import signal
import unittest

from vivarium_testing import http_api, processes, waiting
from vivarium_testing.case import DaemonCase

ENDLESS = ("def g():\n  global closed\n  closed = 0\n  i = 0\n  try:\n    while True:\n      yield i\n"
           "      i += 1\n  finally: closed = 1\n")


def items_of(messages):
    """Returns all items of messages in natural JSON, and the verdict."""
    items, verdict = [], None
    for message in messages:
        items += message.get("jsonItems", [])
        verdict = message.get("verdict", verdict)
    return items, verdict


class StreamCase(DaemonCase):
    """What the tests below share."""

    config = "[limits]\ngrace = \"300ms\"\n"

    def open(self, session, source, credit, **fields):
        """Opens a stream over a WebSocket; returns both."""
        socket = self.websocket()
        return socket, socket.begin(credit=credit, stream={
            "eval": {"session": session, "source": source}, **fields})

    def take(self, socket, stream, count):
        """Returns so many items of a stream."""
        items = []
        while len(items) < count:
            message = socket.next_of(stream)
            self.assertIn("stream", message, message)
            self.assertNotIn("verdict", message["stream"], message)
            items += message["stream"].get("jsonItems", [])
        return items

    def verdict_of(self, socket, stream):
        """Returns the verdict of a stream, after which comes its end."""
        while True:
            message = socket.next_of(stream)
            if "verdict" in message.get("stream", {}):
                self.assertIn("end", socket.next_of(stream))
                return message["stream"]["verdict"]


class Streams(StreamCase):
    """The ordinary ways."""

    def test_whatever_can_be_iterated(self):
        """Generators of both kinds, iterators, containers; nothing else."""
        session = self.session()
        for source in ("range(5)", "iter([0, 1, 2, 3, 4])", "(i for i in range(5))",
                       "async def g():\n  for i in range(5): yield i\ng()", "{0:0,1:0,2:0,3:0,4:0}"):
            for window in (1, 2, 1000):
                with self.subTest(source=source, window=window):
                    items, verdict = items_of(self.client.stream(source, session, window=window))
                    self.assertEqual(items, [0, 1, 2, 3, 4])
                    self.assertNotIn("error", verdict)
        _, verdict = items_of(self.client.stream("5", session))
        self.assertEqual(verdict["error"]["code"], "not_iterable")
        self.at_rest(session)

    def test_only_what_was_asked_for_is_computed(self):
        """Three, then two more; meanwhile the session serves others."""
        session = self.session()
        socket, stream = self.open(
            session, "seen = []\ndef g():\n  for i in range(100): seen.append(i); yield i\ng()", 3)
        self.assertEqual(self.take(socket, stream, 3), [0, 1, 2])
        self.assertEqual(self.client.value("len(seen)", session), 3)
        self.assertEqual(self.counts(session)[2], 1)
        socket.send({"id": str(stream), "moreCredit": 2})
        self.assertEqual(self.take(socket, stream, 2), [3, 4])
        self.assertEqual(self.client.value("len(seen)", session), 5)
        socket.send({"id": str(stream), "abandon": {}})
        self.verdict_of(socket, stream)
        self.at_rest(session)

    def test_error_after_items(self):
        """What came before stays valid; output is part of the verdict."""
        items, verdict = items_of(self.client.stream(
            "def g():\n  yield 1\n  print('out')\n  yield 2\n  1/0\ng()", self.session()))
        self.assertEqual((items, verdict["error"]["type"], verdict["stdout"]),
                         ([1, 2], "ZeroDivisionError", "out\n"))

    def test_deadlines(self):
        """The whole, and one item, of both kinds of generators."""
        for block in ("time.sleep(60)", "\n    while True: pass", "await asyncio.sleep(60)"):
            for bound in ({"timeoutMs": "500"}, {"idleTimeoutMs": "500"}):
                with self.subTest(block=block, bound=bound):
                    session = self.session()
                    kind = "async def" if "await" in block else "def"
                    items, verdict = items_of(self.client.stream(
                        f"import time, asyncio\n{kind} g():\n  yield 1\n  if 1: {block}\n"
                        "  yield 2\ng()", session, **bound))
                    self.assertEqual(items, [1])
                    self.assert_kind(verdict, "TIMEOUT")
                    self.assert_kept(verdict)
                    self.at_rest(session)

    def test_suspended_stream_meets_its_deadline(self):
        """Nobody pulls: the generator is closed all the same."""
        session = self.session()
        socket, stream = self.open(session, ENDLESS + "g()", 1)
        self.take(socket, stream, 1)
        socket2 = self.websocket()
        second = socket2.begin(credit=1, stream={"eval": {
            "session": session, "source": "g()", "timeoutMs": "500"}})
        self.take(socket2, second, 1)
        self.assert_kind(self.verdict_of(socket2, second), "TIMEOUT")
        socket.send({"id": str(stream), "abandon": {}})
        self.verdict_of(socket, stream)
        self.at_rest(session)


class Ends(StreamCase):
    """Streams that are ended from either side in the middle."""

    def test_generators_that_resist(self):
        """finally raises, yields, blocks, never ends, exits: the client hears of an end."""
        for act in ("raise ValueError", "yield 9", "import time; time.sleep(60)",
                    "\n      while True: pass", "exit()", "print('bye')", "return",
                    "\n      while True: yield 1", "import os; os._exit(3)", "raise GeneratorExit"):
            with self.subTest(act):
                session = self.session()
                socket, stream = self.open(
                    session, "def g():\n  try:\n    while True: yield 1\n"
                    f"  finally:\n    if 1: {act}\ng()", 2)
                self.take(socket, stream, 2)
                socket.send({"id": str(stream), "abandon": {}})
                verdict = self.verdict_of(socket, stream)
                if "os._exit" in act:
                    self.assert_lost(verdict)
                elif verdict.get("session") == "SESSION_OUTCOME_KEPT":
                    self.at_rest(session)

    def test_asynchronous_generators_that_resist(self):
        """The same on the loop."""
        for act in ("raise ValueError", "await asyncio.sleep(60)", "yield 9",
                    "await asyncio.sleep(0)", "\n      while True: await asyncio.sleep(0)"):
            with self.subTest(act):
                session = self.session()
                socket, stream = self.open(
                    session, "import asyncio\nasync def g():\n  try:\n    while True: yield 1\n"
                    f"  finally:\n    if 1: {act}\ng()", 2)
                self.take(socket, stream, 2)
                socket.send({"id": str(stream), "abandon": {}})
                verdict = self.verdict_of(socket, stream)
                if verdict.get("session") == "SESSION_OUTCOME_KEPT":
                    self.at_rest(session)

    def test_client_that_leaves_http(self):
        """After the first items of an endless stream, or before one comes."""
        session = self.session()
        leaver = self.daemon.client()
        for message in leaver.stream(ENDLESS + "g()", session, window=2):
            if message.get("jsonItems"):
                break
        leaver.close()
        waiting.wait_for(lambda: self.client.value("closed", session), "the generator's end")
        self.at_rest(session)
        self.client.value("def slow():\n  global closed\n  closed = 0\n  try:\n"
                          "    while True: pass\n    yield\n  finally: closed = 1", session)
        leaver = self.daemon.client()
        next(iter(leaver.stream("slow()", session)))
        processes.busy_worker(self.daemon.pid)
        leaver.close()
        waiting.wait_for(lambda: self.ended(session), "the end of the generator or the session")

    def ended(self, session):
        """Whether nothing of a session's runs any more."""
        try:
            listed = self.client.call("ExecutionService/List", {"session": session})
        except http_api.ApiError as error:
            return error.code in ("not_found", "aborted")
        return all(e["state"] == "STATE_DONE" for e in listed.get("executions", ()))

    def test_client_that_leaves_websocket(self):
        """Many streams of one connection, suspended and running, sync and async."""
        session = self.session()
        self.client.value(ENDLESS + "async def a():\n  while True: yield 1", session)
        socket = self.websocket()
        streams = [socket.begin(credit=credit, stream={"eval": {
            "session": session, "source": source}})
            for source in ("g()", "a()", "range(10**9)") for credit in (1, 2, 4_000_000_000)]
        for stream in streams:
            self.take(socket, stream, 1)
        socket.close()
        self.at_rest(session)

    def test_worker_that_dies(self):
        """Everybody who waits hears of it: streams, evaluations, batches."""
        session = self.session()
        socket, stream = self.open(session, ENDLESS + "g()", 1)
        self.take(socket, stream, 1)
        asleep = socket.begin(stream={"eval": {
            "session": session, "source": "async def a():\n  import asyncio\n  yield 1\n"
            "  await asyncio.Event().wait()\na()"}})
        self.take(socket, asleep, 1)
        running = socket.begin(eval={"session": session, "source": "while True: pass"})
        batch = socket.begin(batch={"items": [
            {"eval": {"session": session, "source": "1"}}] * 100})
        namespace = socket.begin(createNamespace={"session": session})
        os.kill(processes.busy_worker(self.daemon.pid).pid, signal.SIGKILL)
        for name, number in (("stream", stream), ("stream", asleep)):
            verdict = self.verdict_of(socket, number)
            self.assert_kind(verdict, "SESSION_LOST")
        self.assert_kind(socket.next_of(running)["eval"]["verdict"], "SESSION_LOST")
        results = socket.next_of(batch)["batch"]["results"]
        self.assertEqual(len(results), 100)
        for result in results:
            self.assertTrue("rejection" in result or self.assert_kind(
                result["verdict"], "SESSION_LOST") is None)
        self.assertEqual(socket.next_of(namespace)["error"]["code"], "aborted")

    def test_cancel_and_close(self):
        """By the execution's id, and with the session."""
        session = self.session()
        socket, stream = self.open(session, ENDLESS + "g()", 1)
        execution = socket.next_of(stream)["stream"]["executionId"]
        self.take(socket, stream, 1)
        self.client.call("ExecutionService/Cancel", {"executionId": execution})
        self.assert_kind(self.verdict_of(socket, stream), "CANCELLED")
        self.at_rest(session)
        second = socket.begin(credit=1, stream={"eval": {"session": session, "source": "g()"}})
        self.take(socket, second, 1)
        self.client.call("SessionService/CloseSession", {"session": session})
        self.assert_lost(self.verdict_of(socket, second))


class Credit(StreamCase):
    """Clients that ask for the impossible."""

    def test_floods_of_credit(self):
        """All bits, many times: the sum is bounded, the items come in order."""
        session = self.session()
        socket, stream = self.open(session, "range(20000)", 2**32 - 1)
        for _ in range(2000):
            socket.send({"id": str(stream), "moreCredit": 2**32 - 1})
        self.assertEqual(self.take(socket, stream, 20000), list(range(20000)))
        self.assertNotIn("error", self.verdict_of(socket, stream))
        self.at_rest(session)

    def test_one_by_one(self):
        """Two thousand messages with a credit of one each, at once."""
        session = self.session()
        socket, stream = self.open(session, ENDLESS + "g()", 1)
        for _ in range(1999):
            socket.send({"id": str(stream), "moreCredit": 1})
        self.assertEqual(self.take(socket, stream, 2000), list(range(2000)))
        socket.send({"id": str(stream), "moreCredit": 0})
        socket.send({"id": "999", "moreCredit": 5})
        socket.send({"id": str(stream), "abandon": {}})
        socket.send({"id": str(stream), "abandon": {}})
        socket.send({"id": str(stream), "moreCredit": 5})
        self.verdict_of(socket, stream)
        self.at_rest(session)

    def test_ids_are_used_again(self):
        """An id is taken until its stream has ended, then free."""
        session = self.session()
        socket = self.websocket()
        for _ in range(50):
            socket.send({"id": "7", "credit": 1, "stream": {"eval": {
                "session": session, "source": "range(10**9)"}}})
            socket.send({"id": "7", "abandon": {}})
            self.verdict_of(socket, 7)
        self.at_rest(session)

    def test_too_many_streams(self):
        """The bound of a session is told; those that are open go on."""
        session = self.session()
        self.client.value(ENDLESS, session)
        sockets = [self.websocket(), self.websocket()]
        opened = [(s, s.begin(credit=1, stream={"eval": {"session": session, "source": "g()"}}))
                  for s in sockets for _ in range(500)]
        for socket, stream in opened:
            self.take(socket, stream, 1)
        over = sockets[1].begin(credit=1, stream={"eval": {"session": session, "source": "g()"}})
        self.assertEqual(self.verdict_of(sockets[1], over)["error"]["code"], "stream_limit")
        for socket in sockets:
            socket.close()
        self.at_rest(session)

    def test_nobody_else_waits(self):
        """A huge stream that is not read stalls neither its connection nor its neighbours."""
        session, other = self.session(), self.session()
        socket, stream = self.open(session, "('x' * 1000 for _ in range(100_000))", 2**32 - 1)
        for number in range(20):
            name, content = socket.ask(eval={"session": other, "source": str(number)})
            self.assertEqual((name, content["verdict"]["result"]["json"]), ("eval", number))
        self.assertEqual(len(self.take(socket, stream, 100_000)), 100_000)
        self.verdict_of(socket, stream)
        self.at_rest(session)

    def test_reader_that_sleeps(self):
        """The generator stops when the connection is full."""
        session = self.session()
        _, _ = self.open(session, ENDLESS.replace("yield i", "yield 'x' * 100_000") + "g()",
                         2**32 - 1)
        waiting.wait_for(lambda: self.counts(session)[2] == 1, "the stream")
        self.assertEqual(self.client.value("1", session), 1)
        self.websockets[-1].close()
        self.at_rest(session)


if __name__ == "__main__":
    unittest.main()
