# SPDX-License-Identifier: Apache-2.0
"""Expressions with names of their own, blocking code beside the event loop, and large values."""

import base64
import threading
import unittest

from vivarium_testing.case import DaemonCase

SIXTEEN_MEGABYTES = 16 << 20


class Expressions(DaemonCase):
    """`eval` of one expression, with names that are gone afterwards: a call of Python's own eval."""

    def evaluate(self, session, expression, names):
        """Calls builtins.eval and returns the verdict."""
        return self.client.call("ExecutionService/Call", {
            "session": session, "target": {"module": "builtins"}, "name": "eval",
            "jsonArgs": [expression, names]})["verdict"]

    def test_names_do_not_stay(self):
        """The session's own are not touched."""
        session = self.session()
        self.assertEqual(self.evaluate(session, "x * y", {"x": 6, "y": 7})["result"]["json"], 42)
        verdict = self.client.call("ExecutionService/Eval", {"session": session, "source": "x"})["verdict"]
        self.assertEqual(verdict["error"]["type"], "NameError")

    def test_a_statement_is_a_syntax_error(self):
        """It is no expression."""
        verdict = self.evaluate(self.session(), "x = 1", {})
        self.assertEqual((verdict["error"]["kind"], verdict["error"]["type"]), ("ERROR_KIND_SYNTAX", "SyntaxError"))


class Blocking(DaemonCase):
    """Code that blocks may run in threads of the session's own."""

    def test_beside_the_loop(self):
        """While a thread waits, the session serves the request that it waits for."""
        session = self.session()
        self.client.call("ExecutionService/Eval", {"session": session, "source": (
            "import asyncio, concurrent.futures, threading\n"
            "pool = concurrent.futures.ThreadPoolExecutor(2)\nbegun, go = threading.Event(), threading.Event()\n"
            "def block():\n  begun.set()\n  go.wait()\n  return 'went on'\n")})
        answers = []

        def wait():
            with self.daemon.client() as other:
                answers.append(other.call("ExecutionService/Eval", {"session": session, "source": (
                    "await asyncio.get_running_loop().run_in_executor(pool, block)")})["verdict"])
        waiter = threading.Thread(target=wait)
        waiter.start()
        self.client.call("ExecutionService/Eval", {"session": session, "source": (
            "await asyncio.get_running_loop().run_in_executor(pool, begun.wait)")})
        self.assertEqual(answers, [])
        self.client.call("ExecutionService/Eval", {"session": session, "source": "go.set()"})
        waiter.join()
        self.assertEqual(answers[0]["result"]["json"], "went on")


class Large(DaemonCase):
    """Sixteen megabytes are a value like any other."""

    def test_both_ways(self):
        """Bytes out, text in and out again."""
        session = self.session()
        verdict = self.client.call("ExecutionService/Eval", {
            "session": session, "source": f"b'\\x07' * {SIXTEEN_MEGABYTES}"})["verdict"]
        self.assertEqual(base64.b64decode(verdict["result"]["json"]), b"\x07" * SIXTEEN_MEGABYTES)
        text = "x" * SIXTEEN_MEGABYTES
        verdict = self.client.call("ExecutionService/Eval", {
            "session": session, "source": "v", "jsonVariables": {"v": text}})["verdict"]
        self.assertTrue(verdict["result"]["json"] == text)

    def test_too_large_is_an_error_and_the_session_stays(self):
        """One byte over the limit of a result, without what surrounds it."""
        session = self.session()
        verdict = self.client.call("ExecutionService/Eval", {
            "session": session, "source": "x = 1\nbytes(32 << 20)"})["verdict"]
        self.assertEqual(verdict["error"]["kind"], "ERROR_KIND_LIMIT")
        verdict = self.client.call("ExecutionService/Eval", {"session": session, "source": "x"})["verdict"]
        self.assertEqual(verdict["result"]["json"], 1)


if __name__ == "__main__":
    unittest.main()
