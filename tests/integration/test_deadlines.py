# SPDX-License-Identifier: Apache-2.0
"""Time: deadlines, budgets, cancellation; softly first, by force when that does not help."""

import unittest

from vivarium_testing import processes, waiting
from vivarium_testing.case import DaemonCase

SOFT = "while True: pass"
# CPython 3.11 thinks that a bare loop cannot raise, and drops the `try` around it: no handler would
# see an interrupt there. A call can raise.
SPIN = "def spin():\n  while True: pass\n"
# One call of C that looks at no signal for hours.
HARD = "sum(range(10**12))"


class Deadlines(DaemonCase):
    """The daemon's clocks decide, whatever the code does."""

    config = "[limits]\ngrace = \"200ms\"\n"

    def test_soft_interrupt_keeps_the_session(self):
        """Python code yields to the interrupt, may clean up, and its state stays."""
        allowed = waiting.scaled(100)
        session = self.session()
        verdict = self.client.eval(
            f"x = 1\n{SPIN}try:\n  spin()\nfinally:\n  cleaned = True", session, timeoutMs=allowed)
        self.assert_kind(verdict, "TIMEOUT")
        self.assert_kept(verdict)
        cause = verdict["cause"]
        self.assertEqual((cause["cause"], cause["limit"], cause["configured"],
                          cause["enforcedBy"]),
                         ("deadline", "timeout_ms", str(allowed), "ENFORCED_BY_DAEMON"))
        self.assertGreaterEqual(int(cause["observed"]), allowed)
        self.assertEqual(self.client.value("x, cleaned", session), [1, True])

    def test_sleep_is_interrupted(self):
        """A system call that waits is cut short."""
        session = self.session()
        verdict = self.client.eval("import time; time.sleep(3600)", session,
                                   timeoutMs=waiting.scaled(100))
        self.assert_kind(verdict, "TIMEOUT")
        self.assert_kept(verdict)

    def test_await_is_interrupted(self):
        """So is a coroutine that waits for ever."""
        session = self.session()
        verdict = self.client.eval("import asyncio\nawait asyncio.sleep(3600)", session,
                                   timeoutMs=waiting.scaled(100))
        self.assert_kind(verdict, "TIMEOUT")
        self.assert_kept(verdict)
        self.assertEqual(self.client.value("await asyncio.sleep(0, 5)", session), 5)

    def test_code_that_ignores_the_interrupt_is_killed(self):
        """After the grace period the worker goes, and with it the session."""
        session = self.session()
        verdict = self.client.eval(HARD, session, timeoutMs=waiting.scaled(100))
        self.assert_kind(verdict, "TIMEOUT")
        self.assert_lost(verdict)
        self.assertEqual(verdict["cause"]["cause"], "deadline")
        error = self.refused("aborted", "ExecutionService/Eval", {"source": "1",
                                                                  "session": session})
        self.assertIn("ended", error.message)

    def test_code_that_catches_the_interrupt_is_killed(self):
        """Swallowing everything does not help."""
        verdict = self.client.eval(
            f"{SPIN}def stay():\n  while True:\n    try: spin()\n    except BaseException: pass\n"
            "while True:\n  try: stay()\n  except BaseException: pass", self.session(),
            timeoutMs=waiting.scaled(100))
        self.assert_kind(verdict, "TIMEOUT")
        self.assert_lost(verdict)

    def test_except_exception_does_not_catch_it(self):
        """Honest code that catches Exception is still interrupted softly."""
        session = self.session()
        verdict = self.client.eval(
            f"{SPIN}while True:\n  try: spin()\n  except Exception: pass", session,
            timeoutMs=waiting.scaled(100))
        self.assert_kind(verdict, "TIMEOUT")
        self.assert_kept(verdict)

    def test_output_before_the_end_is_kept(self):
        """A stopped execution has its output, killed or not."""
        for source in (SOFT, HARD):
            verdict = self.client.eval(f"print('before', flush=True)\n{source}",
                                       timeoutMs=waiting.scaled(200))
            self.assertEqual(verdict["stdout"], "before\n")

    def test_cpu_budget_counts_computing_only(self):
        """Waiting is free."""
        session = self.session()
        verdict = self.client.eval("import time; time.sleep(0.3); 'slept'", session,
                                   cpuMs=waiting.scaled(200))
        self.assertEqual(verdict["result"], {"json": "slept"})
        verdict = self.client.eval(SOFT, session, cpuMs="100")
        self.assertEqual(verdict["cause"]["cause"], "cpu")
        self.assertGreaterEqual(int(verdict["cause"]["observed"]), 100)
        self.assert_kept(verdict)

    def test_cpu_budget_of_a_coroutine(self):
        """What it computes after its first await counts as well; waiting is free there too."""
        session = self.session()
        verdict = self.client.eval("import asyncio\nawait asyncio.sleep(0.3)\n'slept'", session,
                                   cpuMs=waiting.scaled(200))
        self.assertEqual(verdict["result"], {"json": "slept"})
        verdict = self.client.eval("await asyncio.sleep(0)\n" + SOFT, session, cpuMs="100")
        self.assertEqual(verdict["cause"]["cause"], "cpu", verdict)
        self.assertGreaterEqual(int(verdict["cause"]["observed"]), 100)
        self.assertGreaterEqual(int(verdict["usage"]["cpuUs"]), 100_000)

    def test_stale_interrupt_hits_nobody(self):
        """An interrupt belongs to its execution, not to whatever runs next."""
        session = self.session()
        for _ in range(20):
            self.client.eval("import time; time.sleep(0.02)", session, timeoutMs="20")
            self.assertEqual(self.client.value("sum(range(1000))", session), 499500)

    def test_connect_timeout_header(self):
        """Connect-Timeout-Ms is a deadline too."""
        from vivarium_testing.http_api import ApiError
        with self.assertRaises(ApiError) as caught:
            self.client.call("ExecutionService/Eval", {"source": SOFT},
                             {"connect-timeout-ms": "100"})
        self.assertEqual((caught.exception.status, caught.exception.code),
                         (504, "deadline_exceeded"))


class Cancel(DaemonCase):
    """Clients may change their minds."""

    config = "[limits]\ngrace = \"200ms\"\n"

    def test_cancel_running(self):
        """Softly when the code yields."""
        session = self.session()
        running = self.client.start("x = 1\n" + SOFT, session)
        processes.busy_worker(self.daemon.pid)
        self.assertTrue(self.client.call("ExecutionService/Cancel",
                                         {"executionId": running})["cancelled"])
        verdict = self.client.wait(running)
        self.assert_kind(verdict, "CANCELLED")
        self.assert_kept(verdict)
        self.assertEqual(self.client.value("x", session), 1)
        self.assertFalse(self.client.call("ExecutionService/Cancel",
                                          {"executionId": running}).get("cancelled"))

    def test_cancel_by_force(self):
        """By force when it does not."""
        running = self.client.start(HARD, self.session())
        processes.busy_worker(self.daemon.pid)
        self.client.call("ExecutionService/Cancel", {"executionId": running})
        verdict = self.client.wait(running)
        self.assert_kind(verdict, "CANCELLED")
        self.assert_lost(verdict)

    def test_cancel_queued(self):
        """What waits is taken out of the queue; its neighbours stay."""
        session = self.session()
        self.client.value("ran = []", session)
        running = self.client.start(SOFT, session)
        first = self.client.start("ran.append(1)", session)
        second = self.client.start("ran.append(2)", session)
        self.client.call("ExecutionService/Cancel", {"executionId": first})
        self.assert_kind(self.client.wait(first), "CANCELLED")
        self.client.call("ExecutionService/Cancel", {"executionId": running})
        self.client.wait(running)
        self.assertNotIn("error", self.client.wait(second))
        self.assertEqual(self.client.value("ran", session), [2])

    def test_close_ends_what_runs(self):
        """Closing a session fails its executions with a clear kind."""
        session = self.client.create()
        running = self.client.start(HARD, session)
        queued = self.client.start("1", session)
        self.client.call("SessionService/CloseSession", {"session": session})
        for execution in (running, queued):
            verdict = self.client.wait(execution)
            self.assert_kind(verdict, "SESSION_LOST")
            self.assert_lost(verdict)

    def test_wait_does_not_cancel(self):
        """A wait that ends leaves the execution alone."""
        session = self.session()
        running = self.client.start("import time\nfor _ in range(20): time.sleep(0.01)\n'end'",
                                    session)
        answer = self.client.call("ExecutionService/Wait",
                                  {"executionId": running, "timeoutMs": "1"})
        self.assertFalse(answer.get("done"))
        self.assertEqual(self.client.wait(running)["result"], {"json": "end"})


class Beginning(DaemonCase):
    """The first execution that awaits something, for which asyncio has to be imported."""

    config = "[limits]\ngrace = \"60s\"\n"

    def test_interrupt_while_asyncio_is_imported(self):
        """It does not get lost: the execution has no task yet, and ends when it gets one."""
        session = self.session()
        allowed = waiting.scaled(100)
        self.client.value(
            "import sys, time\n"
            "class Slow:\n"
            "  def find_spec(self, name, path=None, target=None):\n"
            f"    end = time.monotonic() + {allowed / 1000 + 0.5}\n"
            "    while name == 'asyncio' and time.monotonic() < end: pass\n"
            "sys.meta_path.insert(0, Slow())\n", session)
        verdict = self.client.eval("ran = True\nawait nothing", session, timeoutMs=allowed)
        self.assert_kind(verdict, "TIMEOUT")
        self.assert_kept(verdict)
        self.assertEqual(self.client.value("'ran' in globals()", session), False)
        self.assertEqual(self.client.value("import asyncio\nawait asyncio.sleep(0, 5)", session), 5)


if __name__ == "__main__":
    unittest.main()
