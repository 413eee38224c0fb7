# SPDX-License-Identifier: Apache-2.0
"""What operators are given to watch the daemon with: rules, alerts, the dashboard."""

import glob
import json
import os
import re
import subprocess
import unittest

from vivarium_testing import waiting
from vivarium_testing.case import DaemonCase
from vivarium_testing.prometheus import Prometheus, need

ROOT = os.path.abspath(f"{__file__}/../../..")
DEPLOY = f"{ROOT}/deploy"
RULES = f"{DEPLOY}/prometheus/vivarium.rules.yml"


def alerts():
    """Returns the names of all alerts."""
    with open(RULES, encoding="utf-8") as file:
        return re.findall(r"- alert: (\w+)", file.read())


class Rules(unittest.TestCase):
    """The rules by themselves."""

    def promtool(self, *arguments):
        """Runs it, which has to be content."""
        done = subprocess.run([need(self, "promtool"), *arguments], text=True, capture_output=True,
                              timeout=waiting.WATCHDOG, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_promtool_accepts_them(self):
        """Syntax, and the cases."""
        self.promtool("check", "rules", RULES)
        self.promtool("test", "rules", f"{DEPLOY}/prometheus/vivarium.test.yml")

    def test_each_alert_has_its_cases_and_its_page(self):
        """One in which it fires, one in which it does not, and what to do in the runbook."""
        with open(f"{DEPLOY}/prometheus/vivarium.test.yml", encoding="utf-8") as file:
            cases = file.read()
        with open(f"{ROOT}/docs/operations.md", encoding="utf-8") as file:
            pages = re.findall(r"^### (\w+)$", file.read(), re.MULTILINE)
        self.assertEqual(sorted(pages), sorted(alerts()))
        for alert in alerts():
            self.assertIn(f"- name: {alert} fires\n", cases)
            self.assertIn(f"- name: {alert} does not fire\n", cases)


class Dashboard(DaemonCase):
    """The dashboard and the rules beside a daemon that has something to show."""

    config = "[pools.math]\nsessions = 1\n"

    def load(self):
        """A little of everything."""
        session = self.session("busy") if not self.sessions else "busy"
        for source in ("sum(range(10**5))", "1/0", "print('x' * 100)",
                       "import vivarium\nvivarium.send('nobody', 1)",
                       "import vivarium\nvivarium.call('nobody')"):
            self.client.eval(source, session)
        self.client.eval("while True: pass", session, timeoutMs="20")
        self.client.value("1", pool="math")
        self.client.eval("1")

    def queries(self):
        """Returns (panel, expression) of every query of the dashboard."""
        with open(f"{DEPLOY}/grafana/vivarium.json", encoding="utf-8") as file:
            panels = [p for p in json.load(file)["panels"] if p["type"] != "row"]
        return [(panel["title"], target["expr"].replace("$tenant", ".*")
                 .replace("$__rate_interval", "1m"))
                for panel in panels for target in panel["targets"]]

    def test_no_panel_is_empty(self):
        """Every query of every panel has an answer that is a number."""
        empty = self.queries()
        self.assertGreater(len(empty), 30)

        def filled(watched):
            self.load()
            empty[:] = [(panel, expression) for panel, expression in empty
                        if not any(r["value"][1] != "NaN" for r in watched.query(expression))]
            return not empty
        with Prometheus(self, self.daemon, [RULES]) as watched:
            try:
                waiting.wait_for(lambda: filled(watched), "all panels")
            except AssertionError as error:
                self.fail(f"{error}: {empty}")
            groups = watched.get("rules")["groups"]
        # Some have not been looked at yet; none has failed.
        self.assertEqual([rule for group in groups for rule in group["rules"]
                          if rule["health"] == "err"], [])

    def test_rules_speak_of_what_there_is(self):
        """No rule waits for a family that the daemon does not have."""
        known = set()
        for path in glob.glob(f"{ROOT}/daemon/*.cpp"):
            with open(path, encoding="utf-8") as file:
                known |= set(re.findall(r'(?:"|# HELP )((?:vivarium|process)_\w+)', file.read()))
        with open(RULES, encoding="utf-8") as file:
            used = set(re.findall(r"(?<![:\w])((?:vivarium|process)_\w+)", file.read()))
        self.assertEqual({name for name in used
                          if name not in known and name.removesuffix("_bucket") not in known}, set())


if __name__ == "__main__":
    unittest.main()
