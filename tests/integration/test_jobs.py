# SPDX-License-Identifier: Apache-2.0
"""Jobs: submitted, waited for, cancelled, listed, and kept when their client has gone."""

import re
import subprocess
import unittest

from vivarium_testing import daemon as daemons, http_api, waiting
from vivarium_testing.case import DaemonCase


class Jobs(DaemonCase):
    """Over plain HTTP, each request by itself."""

    config = """
[limits]
grace = "200ms"
event_log_ttl = "1s"
"""

    def test_waits_have_deadlines_of_their_own(self):
        """A wait that ends changes nothing, however many there are; the last one gets the value."""
        session = self.session()
        job = self.client.start("import time\nwhile not globals().get('go'): time.sleep(0.001)",
                                session)
        for timeout in ("0", "1", "20"):
            answer = self.client.call("ExecutionService/Wait",
                                      {"executionId": job, "timeoutMs": timeout})
            self.assertEqual(answer, {})
        states = {e["id"]: e["state"] for e in self.client.call(
            "ExecutionService/List", {"session": session})["executions"]}
        self.assertEqual(states[job], "STATE_RUNNING")
        self.assertTrue(self.client.call("ExecutionService/Cancel", {"executionId": job})["cancelled"])
        self.assert_kind(self.client.wait(job), "CANCELLED")
        self.assertNotIn("cancelled",
                         self.client.call("ExecutionService/Cancel", {"executionId": job}))

    def test_results_outlive_the_client_for_their_time(self):
        """Who comes within it gets the verdict with its output; then the id means nothing."""
        session = self.session()
        with self.daemon.client() as leaver:
            job = leaver.start("print('said')\n6 * 7", session)
        verdict = self.client.wait(job)
        self.assertEqual((verdict["result"]["json"], verdict["stdout"]), (42, "said\n"))
        self.assertEqual(self.client.wait(job), verdict)

        def forgotten():
            try:
                self.client.call("ExecutionService/Wait", {"executionId": job})
            except http_api.ApiError as error:
                return error.code == "not_found"
            return False
        waiting.wait_for(forgotten, "the end of its time", 60)

    def failures(self, outcome):
        """Returns how many detached executions have failed so."""
        text = self.client.request("GET", "/metrics")[2].decode()
        return sum(float(n) for n in re.findall(
            rf'^vivarium_detached_failures_total\{{.*outcome="{outcome}".*\}} (\S+)$', text, re.M))

    def test_detached_failures_are_counted(self):
        """Those of executions that nobody asks for, and no others."""
        session = self.session()
        self.client.wait(self.client.start("1 / 0", session))
        self.assertEqual(self.failures("python"), 0)
        for source in ("1 / 0", "raise KeyError", "'fine'"):
            job = self.client.call("ExecutionService/Start", {
                "detach": True, "eval": {"session": session, "source": source}})["executionId"]
            self.client.wait(job)
        self.assertEqual(self.failures("python"), 2)

    def test_without_a_session_or_a_pool(self):
        """There would be nobody to keep it for."""
        self.refused("invalid_argument", "ExecutionService/Start", {"eval": {"source": "1"}})

    def test_by_command(self):
        """start, wait, cancel, jobs."""
        def run(*arguments):
            done = self.daemon.command(*arguments)
            return done.returncode, done.stdout, done.stderr
        session = self.session("worker")
        status, job, _ = run("start", "--session", "worker", "print('x')\n[1, 2]")
        self.assertEqual(status, 0)
        self.assertEqual(run("wait", job.strip()), (0, "x\n[1, 2]\n", ""))
        status, job, _ = run("start", "--session", "worker", "--detach", "while True: pass")
        status, _, text = run("wait", "--timeout", "50ms", job.strip())
        self.assertEqual(status, 124, text)
        status, listed, _ = run("jobs", "--session", "worker")
        self.assertEqual(status, 0)
        self.assertIn(job.strip(), listed)
        self.assertIn("running", listed)
        self.assertIn(session, listed)
        self.assertEqual(run("cancel", job.strip()), (0, "cancelled\n", ""))
        self.assertEqual(run("wait", job.strip())[0], 130)
        self.assertEqual(run("cancel", job.strip()), (0, "it had ended already\n", ""))
        self.assertEqual(run("wait", "exe_0nope")[0], 2)


class Places(DaemonCase):
    """Commands for session pools and messages."""

    config = "[pools.math]\nsessions = 1\n"

    def run_it(self, *arguments):
        """Returns status, stdout and stderr of the command."""
        done = self.daemon.command(*arguments)
        return done.returncode, done.stdout, done.stderr

    def test_pools(self):
        """Listed and used, with state by key."""
        self.assertEqual(self.run_it("eval", "--pool", "math", "--key", "k", "x = 5\nx"),
                         (0, "5\n", ""))
        self.assertEqual(self.run_it("eval", "--pool", "math", "--key", "k", "x"), (0, "5\n", ""))
        self.assertEqual(self.run_it("call", "--pool", "math", "math", "sqrt", "16"),
                         (0, "4.0\n", ""))
        self.assertEqual(self.run_it("stream", "--pool", "math", "range(3)"), (0, "0\n1\n2\n", ""))
        status, job, _ = self.run_it("start", "--pool", "math", "6 * 7")
        self.assertEqual(status, 0)
        self.assertEqual(self.run_it("wait", job.strip()), (0, "42\n", ""))
        status, listed, _ = self.run_it("pools")
        self.assertEqual(status, 0)
        self.assertRegex(listed, r"math +default +1/1 +0 +0 +\d")
        self.assertEqual(self.run_it("eval", "--pool", "nope", "1")[0], 2)

    def test_messages(self):
        """One command receives what another sends."""
        receiver = subprocess.Popen(  # pylint: disable=consider-using-with
            [daemons.COMMAND, "--server", self.daemon.url, "receive", "inbox"], text=True,
            stdout=subprocess.PIPE, env=daemons.command_environment(self.daemon.folder))
        try:
            waiting.wait_for(lambda: self.run_it("send", "inbox", '{"n": 1}')[0] == 0, "a receiver")
            self.assertEqual(receiver.stdout.readline(), '{"n":1}\n')
        finally:
            receiver.terminate()
            receiver.wait()
            receiver.stdout.close()
        self.assertEqual(self.run_it("send", "outbox", "1")[0], 2)


if __name__ == "__main__":
    unittest.main()
