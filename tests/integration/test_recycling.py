# SPDX-License-Identifier: Apache-2.0
"""Workers and sessions that are replaced because of their age or their work: nobody loses a request."""

import concurrent.futures
import unittest

from vivarium_testing import processes, waiting
from vivarium_testing.limits import LimitCase

CONFIG = """
[pool]
ready = 2
low = 1
worker_max_age = "1s"
[pools.counted]
sessions = 2
max_executions = 5
init = "import os\\ntoken = os.urandom(8).hex()"
[pools.aged]
sessions = 1
max_age = "1s"
init = "import os\\ntoken = os.urandom(8).hex()"
[apps]
worker_max_requests = 5
"""

# Tells which of its sessions answers; waits where it is told to.
APP = """
import asyncio, os
token = os.urandom(8).hex()
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            told = await receive()
            await send({"type": told["type"] + ".complete"})
            if told["type"] == "lifespan.shutdown": return
    if scope["path"].endswith("/slow"):
        await asyncio.sleep(2)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": token.encode()})
"""


class Recycling(LimitCase):
    """Pools of both kinds, with every option."""

    config = CONFIG
    watched = False  # Workers come and go all the time: that is what is tested.

    def recycled(self, **labels):
        """Returns how many were replaced."""
        return self.metric("vivarium_recycled_total", **labels)

    def test_sessions_by_their_work(self):
        """Under load: every call is answered, and no session runs much more than it may."""
        seen = {}

        def caller(_):
            with self.daemon.client() as client:
                return [client.value("token", pool="counted") for _ in range(40)]
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            for tokens in threads.map(caller, range(4)):
                for token in tokens:
                    seen[token] = seen.get(token, 0) + 1
        self.assertEqual(sum(seen.values()), 160)
        self.assertGreater(len(seen), 2)
        self.assertGreater(self.recycled(layer="session_pool", cause="count"), 0)

    def test_sessions_by_their_age(self):
        """An old one is replaced although nobody uses it."""
        first = self.client.value("token", pool="aged")
        waiting.wait_for(lambda: self.client.value("token", pool="aged") != first, "a new session")
        self.assertGreater(self.recycled(layer="session_pool", cause="age"), 0)

    def test_busy_sessions_are_not_ended(self):
        """One that works is older than it may be, and comes to its end."""
        value = self.client.value("import time\ntime.sleep(3)\n'through'", pool="aged")
        self.assertEqual(value, "through")

    def test_keyed_sessions_keep_their_state(self):
        """Whoever has state in a pool, under a strict key, does not lose it."""
        strict = {"pool": "counted", "affinityKey": "cart", "affinity": "AFFINITY_STRICT_QUEUE"}
        self.client.value("cart = ['book']", **strict)
        for _ in range(12):
            self.client.value("1", pool="counted")
            self.assertEqual(self.client.value("cart", **strict), ["book"])

    def test_sessions_of_applications(self):
        """Each is replaced after so many requests; those under way come to their end there."""
        app = self.client.call("AppService/BootApp", {
            "source": APP, "newSession": {}})["app"]

        def ask(path=""):
            with self.daemon.client() as client:
                status, _, body = client.request("GET", app["path"].rstrip("/") + "/" + path)
                self.assertEqual(status, 200, body)
                return body
        first = ask()
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            slow = threads.submit(ask, "slow")
            waiting.wait_for(lambda: ask() != first, "another session")
            self.assertEqual(slow.result(), first)
            answers = [threads.submit(ask) for _ in range(60)]
            self.assertEqual(len([one.result() for one in answers]), 60)
        self.assertGreater(self.recycled(layer="app", cause="count"), 0)
        self.client.call("AppService/CloseApp", {"app": app["id"]})
        waiting.wait_for(lambda: not self.client.call("SessionService/ListSessions").get("sessions"),
                         "the end of its sessions")

    def test_an_application_in_a_clients_session(self):
        """That is the client's, and left alone."""
        session = self.session()
        app = self.client.call("AppService/BootApp", {
            "source": APP, "session": session})["app"]
        seen = {self.client.request("GET", app["path"].rstrip("/") + "/")[2] for _ in range(20)}
        self.assertEqual(len(seen), 1)

    def test_workers_that_stand_ready(self):
        """They are replaced by younger ones; sessions are left alone, and start at once."""
        session = self.session("kept")
        self.client.value("x = 1", session)
        before = {pid for pid, one in processes.descendants(self.daemon.pid).items()
                  if one.state != "Z"}
        recycled = self.recycled(layer="pool", cause="age")
        waiting.wait_for(lambda: self.recycled(layer="pool", cause="age") >= recycled + 4,
                         "workers to be replaced")
        after = set(processes.descendants(self.daemon.pid))
        self.assertTrue(after - before, "no worker is new")
        self.assertEqual(self.client.value("x", session), 1)
        self.assertEqual(self.client.value("6 * 7"), 42)
        waiting.wait_for(lambda: self.metric("vivarium_pool_workers_ready") == 2, "the usual number")


if __name__ == "__main__":
    unittest.main()
