# SPDX-License-Identifier: Apache-2.0
"""What an operator's Prometheus reads, checked with Prometheus' own tools."""

import subprocess
import unittest

from vivarium_testing import processes, waiting
from vivarium_testing.case import DaemonCase
from vivarium_testing.prometheus import Prometheus, need

ALLOWED_LABELS = {"tenant", "environment", "outcome", "cause", "layer", "method", "le", "quantile",
                  "version", "code", "certificate"}


class Metrics(DaemonCase):
    """/metrics, /healthz and /readyz."""

    def metrics(self):
        """Returns the text of /metrics."""
        status, headers, body = self.client.request("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["content-type"].startswith("text/plain; version=0.0.4"), headers)
        return body.decode()

    def total(self, name, **labels):
        """Returns the sum of the samples of a name with these labels."""
        found = 0.0
        for line in self.metrics().splitlines():
            if line.startswith(name) and line[len(name)] in "{ ":
                if all(f'{key}="{value}"' in line for key, value in labels.items()):
                    found += float(line.rsplit(" ", 1)[1])
        return found

    def test_health(self):
        """Alive and ready are two questions."""
        self.assertEqual(self.client.request("GET", "/healthz")[0], 200)
        self.assertEqual(self.client.request("GET", "/readyz")[0], 200)
        self.assertEqual(self.client.request("POST", "/healthz", b"")[0], 405)

    def test_promtool_finds_nothing(self):
        """Names, help texts and types follow the conventions."""
        promtool = need(self, "promtool")
        session = self.session()
        self.client.value("1", session)
        self.client.eval("1/0", session)
        self.client.eval("while True: pass", session, timeoutMs="20")
        done = subprocess.run([promtool, "check", "metrics"], input=self.metrics(), text=True,
                              capture_output=True, timeout=waiting.WATCHDOG, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_executions_are_counted_by_their_end(self):
        """One count per execution, with outcome and cause."""
        session = self.session()
        before = self.total("vivarium_executions_total", outcome="timeout")
        self.client.eval("while True: pass", session, timeoutMs="20")
        self.assertEqual(self.total("vivarium_executions_total", outcome="timeout"), before + 1)

    def test_sessions_that_never_began_are_not_taken_off(self):
        """The gauge counts live sessions, and a start that fails was none."""
        before = self.total("vivarium_sessions")
        self.refused("failed_precondition", "SessionService/CreateSession",
                     {"init": {"source": "1/0"}})
        self.assertEqual(self.total("vivarium_sessions"), before)

    def test_labels_are_few(self):
        """Nothing that a tenant chooses, no session, becomes a label."""
        self.client.eval("1", "label-test", createSession=True)
        self.sessions.append("label-test")
        text = self.metrics()
        self.assertNotIn("label-test", text)
        for line in text.splitlines():
            if line.startswith("vivarium_") and "{" in line:
                inside = line[line.index("{") + 1 : line.rindex("}")]
                names = {part.split("=")[0] for part in inside.split(",") if "=" in part}
                self.assertLessEqual(names, ALLOWED_LABELS, line)

    def test_a_real_prometheus_scrapes(self):
        """Prometheus from the distribution finds the target up and the figures right."""
        with Prometheus(self, self.daemon) as watched:
            waiting.wait_for(lambda: [r for r in watched.query("up") if r["value"][1] == "1"],
                             "Prometheus to see the target up")
            waiting.wait_for(
                lambda: [r for r in watched.query("sum(vivarium_executions_total)")
                         if float(r["value"][1]) >= 1], "the executions in Prometheus")

    def test_descriptors_of_the_fixture(self):
        """The fixture itself sees what it is meant to see."""
        self.assertEqual(len(processes.launchers(self.daemon.pid)), 1)
        self.assertEqual(len(processes.zygotes(self.daemon.pid)), 1)
        workers = processes.workers(self.daemon.pid)
        self.assertGreaterEqual(len(workers), 2)
        self.assertEqual(len(processes.holders(self.daemon.pid)), len(workers))


if __name__ == "__main__":
    unittest.main()
