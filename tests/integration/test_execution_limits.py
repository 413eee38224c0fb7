# SPDX-License-Identifier: Apache-2.0
"""Limits of what runs in a session, and the causes that are told apart."""

import unittest

from vivarium_testing import http_api
from vivarium_testing.limits import KIB, LimitCase


class Executions(LimitCase):
    """Limits of executions, enforced by the daemon."""

    def test_output(self):
        """stdout and stderr together."""
        session = self.limited(outputBytes=2 * KIB)
        source = "import sys\nprint('x' * {}, end='')\nprint('y' * 1024, end='', file=sys.stderr)"
        verdict = self.client.eval(source.format(1024), session)
        self.assertNotIn("outputTruncated", verdict)
        self.assertEqual(len(verdict["stdout"]) + len(verdict["stderr"]), 2 * KIB)
        verdict = self.client.eval(source.format(1025), session)
        self.assertTrue(verdict["outputTruncated"])
        self.assertEqual(len(verdict["stdout"]) + len(verdict["stderr"]), 2 * KIB)
        self.assertEqual(int(verdict["usage"]["outputBytes"]), 2 * KIB + 1)
        self.assertGreaterEqual(self.metric("vivarium_limits_reached_total",
                                            cause="output_bytes"), 1)

    def test_displays(self):
        """How many, and how much."""
        session = self.limited(displays=3, displayBytes=8 * KIB)
        show = "from vivarium import display\nfor i in range({}): display({})"
        verdict = self.client.eval(show.format(3, "i"), session)
        self.assertEqual(len(verdict["displays"]), 3)
        self.assertNotIn("displaysDropped", verdict)
        verdict = self.client.eval(show.format(4, "i"), session)
        self.assertEqual((len(verdict["displays"]), verdict["displaysDropped"]), (3, "1"))
        self.assertNotIn("error", verdict)
        verdict = self.client.eval(show.format(1, "'x' * 7000"), session)
        self.assertNotIn("displaysDropped", verdict)
        verdict = self.client.eval(show.format(1, "'x' * 9000"), session)
        self.assertEqual(verdict["displaysDropped"], "1")
        verdict = self.client.eval("from vivarium import display; display(1)",
                                   self.limited(displays=0))
        self.assertEqual(verdict["displaysDropped"], "1")

    def test_result(self):
        """The value, encoded."""
        session = self.limited(resultBytes=4 * KIB)
        self.assertEqual(len(self.client.value("'x' * 4000", session)), 4000)
        verdict = self.client.eval("'x' * 4097", session)
        self.assert_kind(verdict, "LIMIT")
        self.assert_kept(verdict)
        self.assertEqual(self.cause(verdict, "limit", "result_bytes", "PYTHON")[0], 4 * KIB)

    def test_event_log(self):
        """What it holds, and that what it dropped is said."""
        session = self.limited(eventLogBytes=8 * KIB)
        source = ("import sys\nfor i in range({}):\n"
                  "    sys.stdout.write(str(i) * 900 + '\\n'); sys.stdout.flush()")
        execution = self.client.start(source.format(7), session)
        self.client.wait(execution)
        events = list(self.client.follow(execution))
        self.assertEqual(events[0]["sequence"], "1")
        self.assertFalse(any("lostBefore" in event for event in events))
        execution = self.client.start(source.format(60), session)
        self.client.wait(execution)
        events = list(self.client.follow(execution))
        self.assertGreater(int(events[0]["lostBefore"]), 0)
        held = sum(len(event.get("stdout", "")) + 64 for event in events)
        self.assertLessEqual(held, 8 * KIB + 1000)
        self.assertIn("verdict", events[-1])
        # Folded, the beginning is missing and said to be.
        self.assertTrue(self.client.wait(execution)["outputTruncated"])

    def test_queue(self):
        """What waits here; up to 64 more stand in the worker already."""
        session = self.limited(queue=2)
        started = [self.client.start("while True: pass", session)]
        with self.assertRaises(http_api.ApiError) as caught:
            while len(started) <= 64 + 2:
                started.append(self.client.start("1", session))
        self.assertEqual(caught.exception.code, "resource_exhausted")
        self.assertIn("the maximum is 2 (limits.queue)", caught.exception.message)
        self.assertGreaterEqual(len(started), 3)
        for execution in reversed(started):
            self.client.call("ExecutionService/Cancel", {"executionId": execution})
        self.client.wait(started[0])
        self.assertEqual(self.client.value("6*7", session), 42)

    def test_namespaces(self):
        """Beside the base one."""
        session = self.limited(namespaces=2)
        for _ in range(2):
            self.client.call("SessionService/CreateNamespace", {"session": session})
        error = self.refused("resource_exhausted", "SessionService/CreateNamespace",
                             {"session": session})
        self.assertIn("limits.namespaces", error.message)

    def test_refs(self):
        """The one used least recently goes first."""
        session = self.limited(refs=2)
        refs = [self.client.eval("object()", session,
                                 resultFormat="RESULT_FORMAT_TYPED")["result"]["value"]["ref"]
                for _ in range(3)]
        self.assertEqual(self.counts(session)[0], 2)
        get = {"session": session, "operation": "OPERATION_BOOL"}
        old = self.client.call("ExecutionService/Call", {**get, "target": {"ref": refs[0]}})
        self.assertIn("error", old["verdict"])
        new = self.client.call("ExecutionService/Call", {**get, "target": {"ref": refs[2]}})
        self.assertNotIn("error", new["verdict"])

    def test_deadline(self):
        """Wall time, with what was configured and what was observed."""
        session = self.session()
        self.assertNotIn("error", self.client.eval("1", session, timeoutMs="60000"))
        verdict = self.client.eval("while True: pass", session, timeoutMs="200")
        self.assert_kind(verdict, "TIMEOUT")
        configured, observed = self.cause(verdict, "deadline", "timeout_ms", "DAEMON")
        self.assertEqual(configured, 200)
        self.assertGreaterEqual(observed, 200)

    def test_cpu_of_an_execution(self):
        """The budget of one execution, which waiting does not use up."""
        session = self.session()
        self.assertNotIn("error", self.client.eval("import time; time.sleep(0.4)", session,
                                                   cpuMs="300"))
        verdict = self.client.eval("while True: pass", session, cpuMs="200")
        configured, observed = self.cause(verdict, "cpu", "cpu_ms", "DAEMON")
        self.assertEqual(configured, 200)
        self.assertGreaterEqual(observed, 200)
        self.assert_kept(verdict)

    def test_seccomp_and_signals(self):
        """A call that means no good is death by the filter, and told apart from other deaths."""
        verdict = self.client.eval("import ctypes; ctypes.CDLL(None).syscall(101, 0, 0, 0, 0)",
                                   self.session())
        self.assert_lost(verdict)
        self.cause(verdict, "seccomp", "ptrace", "KERNEL")
        verdict = self.client.eval(
            "import ctypes; ctypes.CDLL(None).syscall(0x40000000 | 39)", self.session())
        self.cause(verdict, "seccomp", "SIGSYS", "KERNEL")
        verdict = self.client.eval("import ctypes; ctypes.string_at(0)", self.session())
        self.cause(verdict, "signal", "SIGSEGV", "KERNEL")


if __name__ == "__main__":
    unittest.main()
