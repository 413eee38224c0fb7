# SPDX-License-Identifier: Apache-2.0
"""Limits of executions and sessions from both sides: what just fits is served, what does not is refused
in so many words."""

import unittest

from vivarium_testing import http_api, waiting
from vivarium_testing.case import DaemonCase

KIB = 1024


class Executions(DaemonCase):
    """Of what runs, enforced by the daemon."""

    config = ("[limits]\noutput = \"4KiB\"\nresult = \"4KiB\"\nsource = \"4KiB\"\nqueue = 3\n"
              "kept_executions = 3\n")
    watched = False  # The bystander's executions would count among those that are kept.

    def test_bytes_of_the_source(self):
        """source."""
        session = self.session()
        self.assertEqual(self.client.value("6*7" + " " * (4 * KIB - 3), session), 42)
        error = self.refused("resource_exhausted", "ExecutionService/Eval",
                             {"source": "6*7" + " " * (4 * KIB - 2), "session": session})
        self.assertIn("4096", error.message)

    def test_bytes_of_the_output(self):
        """output: what is over it is counted, not kept."""
        session = self.session()
        verdict = self.client.eval(f"print('x' * {4 * KIB - 1})", session)
        self.assertEqual(len(verdict["stdout"]), 4 * KIB)
        self.assertNotIn("outputTruncated", verdict)
        verdict = self.client.eval(f"print('x' * {4 * KIB})", session)
        self.assertEqual(len(verdict["stdout"]), 4 * KIB)
        self.assertTrue(verdict["outputTruncated"])
        self.assertEqual(int(verdict["usage"]["outputBytes"]), 4 * KIB + 1)

    def test_bytes_of_the_result(self):
        """result: encoded, so that a string has a few bytes less."""
        session = self.session()
        self.assertEqual(len(self.client.value(f"'x' * {4 * KIB - 64}", session)), 4 * KIB - 64)
        verdict = self.client.eval(f"'x' * {4 * KIB + 1}", session)
        self.assert_kind(verdict, "LIMIT")
        self.assert_kept(verdict)

    def test_depth_of_the_result(self):
        """One more container than the depth of a value, which counts what is in it."""
        session = self.session()
        nest = "a = 1\nfor i in range({}): a = [a]\na"
        value = self.client.value(nest.format(41), session)
        for _ in range(41):
            value, = value
        self.assertEqual(value, 1)
        verdict = self.client.eval(nest.format(42), session)
        self.assert_kind(verdict, "LIMIT")
        self.assertIn("40", verdict["error"]["message"])
        self.assert_kept(verdict)

    def test_queue(self):
        """queue: what waits here; up to 64 more stand in the worker already."""
        session = self.session()
        started = [self.client.start("while True: pass", session)]
        with self.assertRaises(http_api.ApiError) as caught:
            while len(started) <= 64 + 3:
                started.append(self.client.start("1", session))
        self.assertEqual(caught.exception.code, "resource_exhausted")
        self.assertIn("the maximum is 3", caught.exception.message)
        self.assertGreaterEqual(len(started), 1 + 3)
        for execution in reversed(started):
            self.client.call("ExecutionService/Cancel", {"executionId": execution})
        self.client.wait(started[0])
        self.assertEqual(self.client.value("6*7", session), 42)

    def test_kept_executions(self):
        """kept_executions: the oldest one is forgotten first."""
        session = self.session()
        ran = []
        for i in range(3 + 16 + 1):  # Tidied up 16 at a time.
            ran.append(self.client.start(str(i), session))
            self.client.wait(ran[-1])
        self.refused("not_found", "ExecutionService/Wait", {"executionId": ran[0]})
        for i in range(-3, 0):
            self.assertEqual(self.client.wait(ran[i])["result"], {"json": len(ran) + i})


class Waiting(DaemonCase):
    """Of what a tenant's waiting executions hold."""

    config = "[limits]\nqueue_bytes = \"4MiB\"\n"

    def test_queue_bytes(self):
        """queue_bytes: of sources and values, whatever their number; what has begun is not counted."""
        session = self.session()
        self.assertEqual(self.client.value("6*7" + " " * (4095 * KIB), session), 42)
        gate = self.client.start("while True: pass", session)
        # More than a pipe takes, which would be the worker's.
        large = "6*7" + " " * (3000 * KIB)
        waits = self.client.start(large, session)
        error = self.refused("resource_exhausted", "ExecutionService/Start",
                             {"eval": {"source": large, "session": session}})
        self.assertIn("queue_bytes", error.message)
        self.refused("resource_exhausted", "ExecutionService/Start",
                     {"eval": {"source": "x", "session": session, "jsonVariables": {"x": "y" * (3000 * KIB)}}})
        small = self.client.start("6*7" + " " * (900 * KIB), session)
        self.client.call("ExecutionService/Cancel", {"executionId": gate})
        for execution in (waits, small):
            self.assertEqual(self.client.wait(execution)["result"], {"json": 42})
        self.assertEqual(self.client.wait(self.client.start(large, session))["result"], {"json": 42})


class Deadlines(DaemonCase):
    """Of how long something may run."""

    # The bystander has no more time either.
    most = waiting.scaled(400)
    config = (f"[limits]\nmax_timeout = \"{most}ms\"\ntimeout = \"{waiting.scaled(300)}ms\"\n"
              "grace = \"200ms\"\n")

    def test_deadline(self):
        """timeout when none is named, max_timeout when too much is."""
        session = self.session()
        for named in ({}, {"timeoutMs": "3600000"}):
            verdict = self.client.eval("while True: pass", session, **named)
            self.assert_kind(verdict, "TIMEOUT")
            self.assert_kept(verdict)
        self.assertEqual(self.client.value("6*7", session, timeoutMs=self.most), 42)


class Sessions(DaemonCase):
    """How many there may be."""

    config = "[limits]\nsessions = 3\n"
    watched = False  # It has a session.

    def test_sessions(self):
        """sessions: one too many is refused, one-shots among them, and one closed is one free."""
        three = [self.session() for _ in range(3)]
        for method, message in (("SessionService/CreateSession", {}),
                                ("ExecutionService/Eval", {"source": "1"})):
            self.assertIn("3", self.refused("resource_exhausted", method, message).message)
        self.assertEqual(self.client.value("6*7", three[2]), 42)
        self.client.call("SessionService/CloseSession", {"session": three[0]})
        waiting.wait_for(self.serves, "a free place")

    def serves(self):
        """Whether a one-shot is taken."""
        try:
            return self.client.value("6*7") == 42
        except http_api.ApiError:
            return False


class Workers(DaemonCase):
    """Of each worker, enforced by the kernel."""

    config = ("[limits]\nmemory = \"64MiB\"\nworkspace = \"1MiB\"\nworkspace_inodes = 64\n"
              "threads = 8\ndescriptors = 32\n")

    def both(self, source, just_fits, too_much):
        """Evaluates with a number that fits, then with one that does not, in one session."""
        session = self.session()
        verdict = self.client.eval(source.format(just_fits), session)
        self.assertNotIn("error", verdict)
        verdict = self.client.eval(source.format(too_much), session)
        self.assertIn("error", verdict)
        self.assert_kept(verdict)
        self.assertEqual(self.client.value("6*7", session), 42)
        return verdict

    def test_memory(self):
        """memory."""
        self.assert_kind(self.both("x = bytearray({} << 20)\ndel x", 48, 65), "MEMORY")

    def test_workspace(self):
        """workspace."""
        verdict = self.both("import os\nwith open('f', 'wb') as f: f.write(bytes({}))\n"
                            "os.remove('f')", 900 * KIB, 1024 * KIB + 1)
        self.assert_kind(verdict, "IO")

    def test_inodes(self):
        """workspace_inodes."""
        verdict = self.both("for i in range({}): open(f'f{{i}}', 'w').close()", 48, 65)
        self.assert_kind(verdict, "IO")

    def test_threads(self):
        """threads, the main one among them."""
        verdict = self.both(
            "import threading\nstop = threading.Event()\nall = []\ntry:\n"
            "  for i in range({}):\n    t = threading.Thread(target=stop.wait)\n    t.start()\n"
            "    all.append(t)\n"
            "finally:\n  stop.set()\n  for t in all: t.join()", 7, 8)
        self.assertEqual(verdict["error"]["type"], "RuntimeError")

    def test_descriptors(self):
        """descriptors, with those that it has."""
        verdict = self.both(
            "import os\nhad = len(os.listdir('/proc/self/fd')) - 1 if os.path.exists("
            "'/proc/self/fd') else 5\n"
            "x = []\ntry:\n  for i in range({} - had): x.append(os.open('/dev/null', 0))\n"
            "finally:\n  for f in x: os.close(f)", 32, 33)
        self.assert_kind(verdict, "IO")


if __name__ == "__main__":
    unittest.main()
