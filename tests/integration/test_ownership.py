# SPDX-License-Identifier: Apache-2.0
"""What a connection has for itself, and how an operator finds and starts an interpreter."""

import os
import unittest

from vivarium_testing import waiting
from vivarium_testing.case import DaemonCase
from vivarium_testing.ws import WebSocket


class OwnSession(DaemonCase):
    """A connection may ask for a session of its own, which is there without being named."""

    def ask(self, socket, message):
        """Sends a frame and returns its answer."""
        socket.send(message)
        return socket.answer()

    def test_is_made_used_and_ends_with_the_connection(self):
        """Its state is kept between requests, and nothing of it is left afterwards."""
        with WebSocket(self.daemon.address) as socket:
            told = self.ask(socket, {"id": 1, "setDefaults": {"ownSession": True}})
            session = told["setDefaults"]["sessionId"]
            self.ask(socket, {"id": 2, "eval": {"source": "x = 41"}})
            answer = self.ask(socket, {"id": 3, "eval": {"source": "x + 1"}})
            self.assertEqual(answer["eval"]["verdict"]["result"]["json"], 42)
            self.assertEqual(answer["eval"]["sessionId"], session)

        def ended():
            seen = self.client.call("SessionService/GetSession", {"session": session})["session"]
            return seen["state"] == "SESSION_STATE_DEAD" and seen["cause"]["cause"] == "disconnected"
        waiting.wait_for(ended, "the session to end with its connection")

    def test_two_connections_have_two(self):
        """What one binds the other does not see."""
        with WebSocket(self.daemon.address) as one, WebSocket(self.daemon.address) as other:
            for socket in (one, other):
                self.ask(socket, {"id": 1, "setDefaults": {"ownSession": True}})
            self.ask(one, {"id": 2, "eval": {"source": "x = 1"}})
            verdict = self.ask(other, {"id": 2, "eval": {"source": "x"}})["eval"]["verdict"]
            self.assertEqual(verdict["error"]["type"], "NameError")

    def test_excludes_a_named_one(self):
        """Both at once is a mistake."""
        with WebSocket(self.daemon.address) as socket:
            told = self.ask(socket, {"id": 1, "setDefaults": {"ownSession": True, "session": "x"}})
            self.assertEqual(told["error"]["code"], "invalid_argument")

    def test_an_environment_that_is_not_there(self):
        """The defaults stay what they were."""
        with WebSocket(self.daemon.address) as socket:
            told = self.ask(socket, {"id": 1, "setDefaults": {"ownSession": True, "environment": "none"}})
            self.assertEqual(told["error"]["code"], "not_found")
            answer = self.ask(socket, {"id": 2, "eval": {"source": "1"}})
            self.assertNotIn("sessionId", answer["eval"])


class Interpreter(DaemonCase):
    """An operator's view of a session."""

    def test_process_id(self):
        """Its worker is a process of this machine, gone once the session is."""
        session = self.session()
        seen = self.client.call("SessionService/GetSession", {"session": session})["session"]
        with open(f"/proc/{seen['workerPid']}/status", encoding="ascii") as status:
            self.assertIn("Seccomp:\t2", status.read())
        self.client.call("SessionService/CloseSession", {"session": session})
        waiting.wait_for(lambda: not os.path.exists(f"/proc/{seen['workerPid']}"), "the worker to end")
        seen = self.client.call("SessionService/GetSession", {"session": session})["session"]
        self.assertNotIn("workerPid", seen)


class Wrapped(DaemonCase):
    """The interpreter may be started by another program."""

    config = '[environments.default]\nwrapper = ["/usr/bin/nice", "-n", "7"]\npreload = ["json"]\n'

    def test_what_it_sets_is_inherited(self):
        """As `nice` shows."""
        with self.daemon.client() as client:
            self.assertEqual(client.value("import os\nos.getpriority(os.PRIO_PROCESS, 0)"), 7)


class WrongWrapper(unittest.TestCase):
    """Is told at the start."""

    def test_relative(self):
        """A name that would be looked up somewhere."""
        from vivarium_testing.daemon import Daemon
        daemon = Daemon('[environments.default]\nwrapper = ["nice"]\n', wait=False)
        self.addCleanup(daemon.destroy)
        self.assertNotEqual(daemon.process.wait(waiting.WATCHDOG), 0)
        self.assertIn("wrapper", daemon.log())


if __name__ == "__main__":
    unittest.main()
