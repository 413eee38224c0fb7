# SPDX-License-Identifier: Apache-2.0
"""Workers that do not answer are found and ended; those that compute, wait or rest are left alone."""

import concurrent.futures
import os
import unittest

from vivarium_testing import groups, waiting
from vivarium_testing.limits import LimitCase

CONFIG = """
[heartbeats]
interval = "100ms"
timeout = "1s"
missed = 2
[limits]
grace = "200ms"
"""
# So long that whoever does not answer would have been ended meanwhile.
LONG = 4


class Heartbeats(LimitCase):
    """Workers that stand still, in every way."""

    config = CONFIG

    def asked(self, outcome="asked"):
        """Returns how often workers were asked."""
        return self.metric("vivarium_heartbeats_total", outcome=outcome)

    def ends_unresponsive(self, source):
        """What runs so in a session ends with the worker, and the session says why."""
        with self.daemon.client() as client:
            session = client.create()
            verdict = client.eval(source, session, timeoutMs="600000")
            told = client.call("SessionService/GetSession", {"session": session})["session"]
        self.assert_lost(verdict)
        configured, observed = self.cause(verdict, "unresponsive", "heartbeats", "DAEMON")
        self.assertEqual(configured, 2_000)
        self.assertGreaterEqual(observed, configured)
        self.assertIn("did not answer", verdict["error"]["message"])
        self.assertEqual(told["cause"]["cause"], "unresponsive")

    def test_who_stands_still_is_ended(self):
        """Stopped by a signal, or without a main thread, long before the deadline."""
        ended = self.asked("ended")
        closed = self.metric("vivarium_sessions_closed_total", cause="unresponsive")
        sources = ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
                   "import signal, time\n"
                   "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
                   "time.sleep(600)")
        with concurrent.futures.ThreadPoolExecutor() as threads:
            for done in [threads.submit(self.ends_unresponsive, source) for source in sources]:
                done.result()
        self.assertEqual(self.asked("ended"), ended + 2)
        self.assertEqual(self.metric("vivarium_sessions_closed_total", cause="unresponsive"),
                         closed + 2)
        self.assertEqual(self.client.value("6 * 7"), 42)

    def test_who_works_or_waits_lives(self):
        """In native code under the GIL, computing or waiting; asleep; and idle, undisturbed."""
        idle = self.session("idle")
        self.client.value("1", idle)
        told = self.client.call("SessionService/GetSession", {"session": idle})["session"]

        def wakes():
            with open(f"/proc/{told['workerPid']}/status", encoding="ascii") as status:
                return [line for line in status if "ctxt_switches" in line]
        before, asked, answered = wakes(), self.asked(), self.asked("answered")
        sources = (
            # Nobody else has the GIL meanwhile, and no bytecode ends.
            f"import ctypes, time\nlibc = ctypes.PyDLL(None)\nend = time.monotonic() + {LONG}\n"
            "while time.monotonic() < end: libc.usleep(500_000)\n'through'",
            f"import time\nend = time.monotonic() + {LONG}\n"
            "while time.monotonic() < end: sum(range(10 ** 7))\n'through'",
            f"import time\ntime.sleep({LONG})\n'through'",
            f"import asyncio\nawait asyncio.sleep({LONG})\n'through'",
            f"import socket, select\na, b = socket.socketpair()\nselect.select([a], [], [], {LONG})\n"
            "'through'")

        def through(source):
            with self.daemon.client() as client:
                return client.value(source, timeoutMs="600000")
        with concurrent.futures.ThreadPoolExecutor() as threads:
            for value in threads.map(through, sources):
                self.assertEqual(value, "through")
        self.assertGreater(self.asked(), asked)
        self.assertGreater(self.asked("answered"), answered)
        self.assertEqual(wakes(), before, "an idle worker was woken")
        self.assertEqual(self.client.value("6 * 7", idle), 42)

    def test_who_waits_for_the_application_is_not_asked(self):
        """It says nothing because nobody answers it; its deadline is what ends the wait."""
        session = self.session()
        host = self.websocket()
        stream = host.begin(credit=10, serve={"names": ["slow"]})
        self.assertEqual(host.next_of(stream)["serve"], {"serving": {}})
        asked = self.asked()
        verdict = self.client.eval(f"import vivarium\nvivarium.call('slow', _timeout={LONG})", session)
        self.assertIn("error", verdict)
        self.assert_kept(verdict)
        self.assertEqual(self.asked(), asked)


class Frozen(LimitCase):
    """A control group that somebody froze."""

    watched = False

    @classmethod
    def setUpClass(cls):
        """Makes a folder for the daemon's groups, or says why not."""
        cls.folder = groups.make_folder()
        if cls.folder is None:
            if os.environ.get("VIVARIUM_MUST_CGROUP") == "1":
                raise AssertionError("no cgroup2 folder is writable")
            print("no cgroup2 folder is writable: freezing is not tested here", flush=True)
            return
        cls.config = CONFIG + f"[sandbox]\ncgroup = \"{cls.folder}\"\n"
        cls.addClassCleanup(groups.remove, cls.folder)
        super().setUpClass()

    def setUp(self):
        """Nothing without a folder."""
        if self.folder is not None:
            super().setUp()

    def tearDown(self):
        """Likewise."""
        if self.folder is not None:
            super().tearDown()

    def test_a_frozen_worker_is_ended(self):
        """Signals wake it for a moment, but it runs nothing of its own."""
        if self.folder is None:
            return
        session = self.client.create()
        running = self.client.start("import time\nwhile True: time.sleep(0.01)", session,
                                    timeoutMs="600000")
        [group] = [path for path, _, _ in os.walk(self.folder) if path.endswith("/" + session)]
        if not os.path.exists(f"{group}/cgroup.freeze"):
            self.client.call("SessionService/CloseSession", {"session": session})
            return
        with open(f"{group}/cgroup.freeze", "w", encoding="ascii") as freeze:
            freeze.write("1")
        verdict = self.client.wait(running)
        self.assert_lost(verdict)
        self.cause(verdict, "unresponsive", "heartbeats", "DAEMON")


if __name__ == "__main__":
    unittest.main()
