# SPDX-License-Identifier: Apache-2.0
"""What the daemon sees by looking: limits that no exception stands before."""

import unittest

from vivarium_testing import http_api, processes, waiting
from vivarium_testing.limits import MIB, SHARED, LimitCase


class Watched(LimitCase):
    """Limits that only looking can enforce."""

    def test_shared_memory(self):
        """Memory that no kernel limit counts: looked at, and the worker killed."""
        session = self.limited(memoryBytes=64 * MIB)
        self.assertNotIn("error", self.client.eval(SHARED.format(32, 32), session))
        verdict = self.client.eval(SHARED.format(200, 200) + "while True: pass", session)
        self.assert_kind(verdict, "MEMORY")
        self.assert_lost(verdict)
        configured, observed = self.cause(verdict, "memory", "memory_bytes", "DAEMON")
        self.assertEqual(configured, 64 * MIB)
        self.assertGreater(observed, configured)
        self.assertIn("limits.memory", verdict["error"]["message"])
        dead = self.client.call("SessionService/GetSession", {"session": session})["session"]
        self.assertEqual((dead["state"], dead["cause"]["cause"], dead["cause"]["limit"]),
                         ("SESSION_STATE_DEAD", "memory", "memory_bytes"))
        self.assertGreater(self.metric("vivarium_memory_poll_duration_seconds_count"), 0)

    def test_sparse_mapping(self):
        """Page tables for more than there is to map would cost memory: address space has an end."""
        session = self.limited(memoryBytes=16 * MIB, threads=2)
        sparse = "import mmap\nm = mmap.mmap(-1, {} << 20)\nlen(m)"
        self.assertEqual(self.client.value(sparse.format(64), session), 64 * MIB)
        verdict = self.client.eval("m.close()\n" + sparse.format(4096), session)
        self.assertEqual(verdict["error"]["type"], "OSError")
        self.assert_kept(verdict)

    def test_memory_of_an_idle_session(self):
        """A thread that was left behind is looked at as well."""
        session = self.limited(memoryBytes=64 * MIB)
        self.client.eval(
            "import threading, time, mmap\n"
            "def later():\n"
            "    time.sleep(0.2)\n"
            "    global m\n"
            "    m = mmap.mmap(-1, 200 << 20)\n"
            "    for i in range(0, 200 << 20, 4096): m[i] = 1\n"
            "threading.Thread(target=later, daemon=True).start()", session)

        def dead():
            told = self.client.call("SessionService/GetSession", {"session": session})["session"]
            return told if told["state"] == "SESSION_STATE_DEAD" else None
        self.assertEqual(waiting.wait_for(dead, "its end")["cause"]["limit"], "memory_bytes")

    def test_cpu_of_the_session(self):
        """CPU time in all: many executions that are each within their budget."""
        most = waiting.scaled(1000)
        session = self.limited(cpuMs=most)
        self.assertNotIn("error", self.client.eval("for i in range(10**5): pass", session))
        spin = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"

        def ended():
            try:
                verdict = self.client.eval(spin, session)
            except http_api.ApiError as error:
                self.assertEqual(error.code, "aborted")
                return True
            return "error" in verdict and verdict
        verdict = waiting.wait_for(ended, "the end of its CPU time")
        told = self.client.call("SessionService/GetSession", {"session": session})["session"]
        self.assertEqual((told["cause"]["cause"], told["cause"]["limit"],
                          told["cause"]["enforcedBy"]),
                         ("cpu", "session_cpu_ms", "ENFORCED_BY_DAEMON"))
        self.assertEqual(told["cause"]["configured"], str(most))
        self.assertGreaterEqual(int(told["cause"]["observed"]), most)
        if isinstance(verdict, dict):
            self.assert_kind(verdict, "LIMIT")
            self.assert_lost(verdict)


class Victims(LimitCase):
    """Whom the kernel takes when memory runs out."""

    def test_order(self):
        """A worker before its zygote, a zygote before the daemon."""
        def score(pid):
            with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as text:
                return int(text.read())
        worker = self.client.call("SessionService/GetSession", {"session": self.session()})
        [zygote] = processes.zygotes(self.daemon.pid)
        self.assertEqual(score(worker["session"]["workerPid"]), 1000)
        self.assertEqual(score(zygote.pid), 500)
        self.assertLess(score(self.daemon.pid), 500)


class Machine(LimitCase):
    """A machine without memory left, which the configuration says of any machine."""

    config = "[sandbox]\nmemory_reserve = \"1000GiB\"\n"

    def test_the_largest_goes(self):
        """The session that took the most is ended and told why; a small one stays."""
        small, large = self.session(), self.session()
        self.assertEqual(self.client.value("x = 1; x", small), 1)
        verdict = self.client.eval("m = bytearray(100 << 20)\nwhile True: pass", large)
        self.assert_kind(verdict, "MEMORY")
        self.assert_lost(verdict)
        configured, observed = self.cause(verdict, "memory", "machine_memory", "DAEMON")
        self.assertEqual(configured, 1000 << 30)
        self.assertLess(observed, configured)
        self.assertIn("sandbox.memory_reserve", verdict["error"]["message"])
        self.assertEqual(self.client.value("x", small), 1)


if __name__ == "__main__":
    unittest.main()
