# SPDX-License-Identifier: Apache-2.0
"""The fixture of the tests that need a running daemon."""

import unittest

from . import bystander, daemon as daemons, http_api


class DaemonCase(unittest.TestCase):
    """One daemon for all tests of a class; around each test a bystander and a check for leaks."""

    config = ""
    watched = True

    @classmethod
    def setUpClass(cls):
        """Starts the daemon."""
        cls.daemon = daemons.Daemon(cls.config)
        cls.addClassCleanup(cls.daemon.destroy)

    def setUp(self):
        """Starts the bystander, then takes stock."""
        self.sessions = []
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
