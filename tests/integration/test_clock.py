# SPDX-License-Identifier: Apache-2.0
"""The clock on the wall jumps: what has a deadline does not notice, what has a date does."""

import http.client
import json
import mmap
import os
import re
import struct
import tempfile
import unittest

from vivarium_testing import daemon as daemons, http_api, processes, waiting

LIBRARY = os.path.abspath(os.path.join(daemons.BIN, "../tests/libwall_clock.so"))
HOUR = 3600
CONFIG = """
[auth]
keys = "{folder}/keys"
[tenants.a]
[limits]
idle_session = "1h"
grace = "500ms"
"""


class Jumps(unittest.TestCase):
    """A daemon whose wall clock is moved under its feet, while its steady one runs on."""

    def setUp(self):
        """Starts it, with the clock as it is."""
        file = tempfile.NamedTemporaryFile(prefix="vivarium-clock-")  # pylint: disable=consider-using-with
        self.addCleanup(file.close)
        file.write(bytes(8))
        file.flush()
        os.chmod(file.name, 0o644)
        self.offset = mmap.mmap(file.fileno(), 8)
        self.addCleanup(self.offset.close)
        asan = os.environ.get("ASAN_OPTIONS", "")
        self.daemon = daemons.Daemon(CONFIG, variables={
            "LD_PRELOAD": LIBRARY, "VIVARIUM_TEST_WALL_CLOCK": file.name,
            "ASAN_OPTIONS": f"{asan}:verify_asan_link_order=0".lstrip(":")})
        self.addCleanup(self.daemon.destroy)
        self.daemon.key = self.daemon.keys("create", "--tenant", "a")
        self.client = self.daemon.client()
        self.addCleanup(self.client.close)

    def jump(self, seconds):
        """Puts the daemon's wall clock so much before or after everybody else's."""
        self.offset[:] = struct.pack("q", seconds)

    def status(self, key):
        """The status of a question with that key."""
        with http_api.Client(lambda: http.client.HTTPConnection(
                *self.daemon.address, timeout=waiting.WATCHDOG), key) as client:
            return client.request("POST", "/vivarium.v1.SessionService/ListSessions", b"{}",
                                  {"content-type": "application/json"})[0]

    def year(self):
        """The year by the daemon."""
        date = self.client.request("GET", "/healthz")[1]["date"]
        return int(re.search(r" (\d{4}) ", date)[1])

    def test_deadlines_do_not_notice(self):
        """Neither forward nor back: deadlines, idle sessions, logs and zygotes go by another clock."""
        now = self.year()
        idle = self.client.create()
        done = self.client.start("6 * 7", idle)
        self.client.wait(done)
        [zygote] = processes.zygotes(self.daemon.pid)
        for years in (10, -10, 0):
            with self.subTest(years):
                session = self.client.create()
                running = self.client.start("import threading\nprint('up', flush=True)\n"
                                            "threading.Event().wait()", session, timeoutMs="3600000")
                self.jump(years * 366 * 24 * HOUR)
                waiting.wait_for(lambda y=years: (self.year() - now) // 5 == y // 5, "the other year")
                # What is given time has it, and what has had its time is over.
                verdict = self.client.eval("while True: pass", idle, timeoutMs="300")
                self.assertEqual((verdict["cause"]["cause"], verdict["session"]),
                                 ("deadline", "SESSION_OUTCOME_KEPT"))
                self.assertEqual(self.client.value("6 * 7", idle), 42)
                listed = self.client.call("ExecutionService/List", {"session": session})["executions"]
                self.assertEqual([e["state"] for e in listed if e["id"] == running], ["STATE_RUNNING"])
                self.assertEqual(self.client.wait(done)["result"]["json"], 42)
                self.assertEqual([z.pid for z in processes.zygotes(self.daemon.pid)], [zygote.pid])
                self.client.call("SessionService/CloseSession", {"session": session})
        self.client.call("SessionService/CloseSession", {"session": idle})
        self.assertEqual(self.daemon.terminate(), 0)

    def metrics(self, name):
        """Returns {labels: value} of a metric."""
        text = self.client.request("GET", "/metrics")[2].decode()
        return {line.rsplit(" ", 1)[0].removeprefix(name): float(line.rsplit(" ", 1)[1])
                for line in text.splitlines() if line.startswith(name)}

    def test_it_is_told(self):
        """Log and metric say that the clock was set, and the daemon has not started anew."""
        started = self.metrics("process_start_time_seconds")
        jumps = "vivarium_clock_jumps_total"
        self.assertEqual(self.metrics(jumps), {'{cause="back"}': 0, '{cause="forward"}': 0})
        self.jump(3 * HOUR)
        waiting.wait_for(lambda: self.metrics(jumps)['{cause="forward"}'] == 1, "the jump forward")
        self.jump(-2 * HOUR)
        waiting.wait_for(lambda: self.metrics(jumps)['{cause="back"}'] == 1, "the jump back")
        said = [json.loads(line)["seconds"] for line in self.daemon.log().splitlines()
                if "the wall clock was set" in line]
        self.assertEqual([round(seconds / HOUR, 1) for seconds in said], [3, -5])
        self.assertEqual(self.metrics("process_start_time_seconds"), started)

    def test_dates_do(self):
        """A key expires by the wall clock, and is good again when that was put right."""
        key = self.daemon.keys("create", "--tenant", "a", "--expires", "1h")
        for seconds, status in ((0, 200), (2 * HOUR, 401), (-2 * HOUR, 200), (30 * 24 * HOUR, 401),
                                (0, 200)):
            with self.subTest(seconds):
                self.jump(seconds)
                self.assertEqual(self.status(key), status)
                self.assertEqual(self.status(self.daemon.key), 200)

    def test_values_with_a_lifetime_do(self):
        """They are there for as long as that clock says; others stay."""
        session = self.client.create(capabilities={"store": {}})
        there = "import store\n[store.get('soon'), store.get('ever')]"
        self.client.value("import store\nstore.set('soon', 1, ttl=3600)\nstore.set('ever', 2)", session)
        for seconds, values in ((-2 * HOUR, [1, 2]), (0, [1, 2]), (2 * HOUR, [None, 2])):
            with self.subTest(seconds):
                self.jump(seconds)
                self.assertEqual(self.client.value(there, session), values)

    def test_a_live_connection_ends_with_its_key(self):
        """What was let in before the jump is asked again after it."""
        key = self.daemon.keys("create", "--tenant", "a", "--expires", "1h")
        with self.daemon.client(key) as client:
            self.assertEqual(client.value("6 * 7"), 42)
            self.jump(2 * HOUR)
            status, _, body = client.request("POST", "/vivarium.v1.ExecutionService/Eval",
                                             json.dumps({"source": "1"}).encode(),
                                             {"content-type": "application/json"})
            self.assertEqual(status, 401, body)


if __name__ == "__main__":
    unittest.main()
