# SPDX-License-Identifier: Apache-2.0
"""The fixture of the tests that need a running daemon."""

import json
import unittest

from . import bystander, daemon as daemons, http_api, waiting, ws


class DaemonCase(unittest.TestCase):
    """One daemon for all tests of a class; around each test a bystander and a check for leaks."""

    config = ""
    variables = None  # of the daemon's environment
    watched = True

    @classmethod
    def setUpClass(cls):
        """Starts the daemon."""
        cls.daemon = daemons.Daemon(cls.config, variables=cls.variables)
        cls.addClassCleanup(cls.daemon.destroy)

    def setUp(self):
        """Starts the bystander, then takes stock."""
        self.sessions = []
        self.websockets = []
        self.neighbour = None
        if self.watched:
            self.neighbour = bystander.Bystander(self.daemon)
            self.addCleanup(self.neighbour.stop)
            self.before = bystander.settled(self.daemon)
        self.client = self.daemon.client()

    def tearDown(self):
        """The neighbour has felt nothing, the daemon is up, nothing is left."""
        for session in self.sessions:
            try:
                self.client.call("SessionService/CloseSession", {"session": session})
            except http_api.ApiError as error:
                self.assertEqual(error.code, "not_found", error)
        self.client.close()
        for opened in self.websockets:
            opened.close()
        self.assertIsNone(self.daemon.process.poll(), "the daemon died:\n" + self.daemon.log())
        if self.neighbour is not None:
            self.neighbour.check()
            bystander.check_leaks(self.daemon, self.before)

    def session(self, name="", **fields):
        """Creates a session that ends with the test."""
        created = self.client.create(name, **fields)
        self.sessions.append(created)
        return created

    def refused(self, code, method, message):
        """Calls, expects an error of that code and returns it."""
        with self.assertRaises(http_api.ApiError) as caught:
            self.client.call(method, message)
        self.assertEqual(caught.exception.code, code, caught.exception)
        self.assertTrue(caught.exception.message)
        self.assertIsNotNone(http_api.error_kind(caught.exception), "no detail")
        return caught.exception

    def counts(self, session):
        """Returns how many refs, namespaces beside the base one and streams a session has."""
        stats = self.client.call("SessionService/GetMemoryStats", {"session": session})
        return (int(stats.get("refs", 0)), int(stats["namespaces"]) - 1,
                int(stats.get("streams", 0)))

    def at_rest(self, session, counts=(0, 0, 0)):
        """Waits until a session has those counts again and nothing runs in it."""
        def running():
            listed = self.client.call("ExecutionService/List", {"session": session})
            return [e for e in listed.get("executions", ()) if e["state"] != "STATE_DONE"]
        # What a client left behind may not have begun yet: counts alone do not tell.
        waiting.wait_for(lambda: not running() and self.counts(session) == counts and not running(),
                         f"{counts} refs, namespaces and streams, and nothing that runs")

    def websocket(self, **options):
        """Returns a WebSocket that closes with the test."""
        self.websockets.append(ws.WebSocket(self.daemon.address, **options))
        return self.websockets[-1]

    def vanish(self, method, message, then=None):
        """Sends a request over a connection of its own, which closes once then() is true."""
        leaver = self.daemon.client()
        leaver.connection.request("POST", f"/vivarium.v1.{method}", json.dumps(message),
                                  {"content-type": "application/json"})
        if then is not None:
            waiting.wait_for(then, "the request to be under way")
        leaver.close()

    def assert_kept(self, verdict):
        """The session survived."""
        self.assertEqual(verdict.get("session"), "SESSION_OUTCOME_KEPT", verdict)

    def assert_lost(self, verdict):
        """The session did not survive."""
        self.assertEqual(verdict.get("session"), "SESSION_OUTCOME_LOST", verdict)

    def assert_kind(self, verdict, kind):
        """The execution failed in that way."""
        self.assertIn("error", verdict)
        self.assertEqual(verdict["error"].get("kind"), f"ERROR_KIND_{kind}", verdict)
