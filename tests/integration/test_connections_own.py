# SPDX-License-Identifier: Apache-2.0
"""What belongs to a WebSocket connection ends with it, and what a connection may say of itself."""

import unittest

from vivarium_testing import processes, waiting
from vivarium_testing.case import DaemonCase

OWN_REFS = {"valueOptions": {"unserializable": "UNSERIALIZABLE_REF",
                             "refLifetime": "REF_LIFETIME_CONNECTION"}}


class Own(DaemonCase):
    """Lifetimes of connections."""

    config = "[limits]\ngrace = \"300ms\"\n"

    def test_nothing_of_it_over_http(self):
        """There a connection says nothing of its client."""
        session = self.session()
        for method, message in (
                ("SessionService/CreateSession", {"lifetime": "LIFETIME_CONNECTION"}),
                ("SessionService/CreateNamespace", {
                    "session": session, "lifetime": "LIFETIME_CONNECTION"}),
                ("ExecutionService/Eval", {"session": session, "source": "1", **OWN_REFS}),
                ("ExecutionService/Call", {"session": session, "target": {"module": "os"},
                                           "name": "getpid", "options": OWN_REFS})):
            with self.subTest(method):
                self.refused("invalid_argument", method, message)
        self.at_rest(session)

    def test_sessions_end_with_it(self):
        """The connection's own does, another's does not."""
        session = self.session()
        socket = self.websocket()
        _, made = socket.ask(createSession={"name": "own", "lifetime": "LIFETIME_CONNECTION"})
        _, kept = socket.ask(createSession={"name": "kept"})
        self.sessions.append(kept["session"]["id"])
        self.assertEqual(self.client.value("1", "own"), 1)
        socket.close()
        self.gone(made["session"]["id"])
        self.assertEqual(self.client.value("1", "kept"), 1)
        self.assertEqual(self.client.value("1", session), 1)

    def gone(self, session):
        """Waits until a session is dead."""
        waiting.wait_for(lambda: self.client.call("SessionService/GetSession", {
            "session": session})["session"]["state"] == "SESSION_STATE_DEAD", "the session's end")

    def test_session_whose_start_hangs(self):
        """The client goes while the script runs: nothing is left."""
        socket = self.websocket()
        socket.begin(createSession={"name": "hung", "lifetime": "LIFETIME_CONNECTION",
                                    "init": {"source": "while True: pass", "timeoutMs": "60000"}})
        processes.busy_worker(self.daemon.pid)
        socket.close()
        waiting.wait_for(lambda: not any(
            s.get("name") == "hung" for s in self.client.call("SessionService/ListSessions")
            .get("sessions", ())), "the end of the session")

    def test_namespaces_and_refs_end_with_it(self):
        """Those of this connection, not those of another, in one session."""
        session = self.session()
        one, other = self.websocket(), self.websocket()
        for socket in (one, other):
            name, _ = socket.ask(createNamespace={
                "session": session, "lifetime": "LIFETIME_CONNECTION"})
            self.assertEqual(name, "createNamespace")
            for _ in range(3):
                socket.ask(eval={"session": session, "source": "[object(), object()]", **OWN_REFS})
        socket.ask(eval={"session": session, "source": "object()", "valueOptions": {
            "unserializable": "UNSERIALIZABLE_REF"}})
        self.assertEqual(self.counts(session), (13, 2, 0))
        one.close()
        self.at_rest(session, (7, 1, 0))
        other.close()
        self.at_rest(session, (1, 0, 0))

    def test_contexts_are_left_with_it(self):
        """Those entered by its refs; one that raises does not stop the others."""
        session = self.session()
        self.client.value("left = []\nclass C:\n  def __init__(self, n): self.n = n\n"
                          "  def __enter__(self): return self\n"
                          "  def __exit__(self, *a):\n    left.append(self.n)\n"
                          "    if self.n == 1: raise ValueError", session)
        socket = self.websocket()
        for number in range(3):
            _, made = socket.ask(eval={"session": session, "source": f"C({number})", **OWN_REFS})
            ref = made["verdict"]["result"]["json"]["$ref"]
            name, entered = socket.ask(call={
                "session": session, "target": {"ref": {"id": ref}}, "operation": "OPERATION_ENTER",
                "options": OWN_REFS})
            self.assertNotIn("error", entered["verdict"])
        socket.close()
        waiting.wait_for(lambda: self.client.value("left", session) == [2, 1, 0],
                         "the contexts to be left")
        self.at_rest(session)

    def test_many_connections_that_go_at_once(self):
        """In the middle of everything."""
        session = self.session()
        self.client.value("def g():\n  while True: yield object()", session)
        for _ in range(20):
            socket = self.websocket()
            socket.begin(createNamespace={"session": session, "lifetime": "LIFETIME_CONNECTION"})
            socket.begin(eval={"session": session, "source": "[object()] * 10", **OWN_REFS})
            socket.begin(credit=3, stream={"eval": {"session": session, "source": "g()", **OWN_REFS}})
            socket.begin(batch={"items": [{"eval": {
                "session": session, "source": "object()", **OWN_REFS}}] * 10})
            socket.close()
        self.at_rest(session)


class Said(DaemonCase):
    """Defaults and versions."""

    def test_defaults(self):
        """They fill what a request leaves unset; each replaces all of the one before."""
        one, two = self.session(), self.session()
        socket = self.websocket()
        self.assertEqual(socket.ask(setDefaults={"session": one, "options": {
            "resultFormat": "RESULT_FORMAT_REPR"}})[0], "setDefaults")
        socket.ask(eval={"source": "x = 1"})
        _, answer = socket.ask(eval={"source": "x"})
        self.assertEqual(answer["verdict"]["result"], {"repr": "1"})
        _, answer = socket.ask(eval={"source": "x", "session": two})
        self.assertIn("error", answer["verdict"])
        _, answer = socket.ask(eval={"source": "x", "resultFormat": "RESULT_FORMAT_JSON"})
        self.assertEqual(answer["verdict"]["result"], {"json": 1})
        socket.ask(setDefaults={"session": two, "options": {"timeoutMs": "300"}})
        _, answer = socket.ask(eval={"source": "while True: pass"})
        self.assert_kind(answer["verdict"], "TIMEOUT")
        socket.ask(setDefaults={"session": one, "namespace": "nope"})
        self.assertEqual(socket.ask(eval={"source": "1"})[0], "error")
        socket.ask(setDefaults={})
        _, answer = socket.ask(eval={"source": "'x' in globals()"})
        self.assertIs(answer["verdict"]["result"]["json"], False)

    def test_bad_defaults(self):
        """Refused, and those before still hold."""
        session = self.session()
        socket = self.websocket()
        socket.ask(setDefaults={"session": session})
        for bad in ({"session": "No Such!"}, {"options": {"valueOptions": {"blobAs": 77}}},
                    {"options": {"timeoutMs": "-1"}}, {"session": 5}, {"session": "a\x00b"}):
            with self.subTest(bad):
                socket.begin(setDefaults=bad)
                socket.answer()

    def test_versions(self):
        """Ranges that have ours in them are accepted, others are refused before the upgrade."""
        for said in ("1", "1-1", "0-1", "1-999999", " 1 "):
            with self.subTest(said):
                self.websocket(headers=f"Vivarium-Version: {said}\r\n").close()
        self.websocket(path="/v1/ws?versions=1-3").close()
        for said in ("", "0", "2", "2-3", "3-1", "1-", "-1", "x", "1.0", "1-2-3", "1" * 5000,
                     "-", "99999999999999999999", "0x1"):
            with self.subTest(said), self.assertRaises(AssertionError) as caught:
                self.websocket(headers=f"Vivarium-Version: {said}\r\n")
            self.assertIn(" 400 ", str(caught.exception))

    def test_frames_that_make_no_sense(self):
        """Each is answered, and the connection goes on."""
        socket = self.websocket()
        for frame in ({}, {"id": "0", "eval": {}}, {"id": "5"}, {"id": "-1", "eval": {}},
                      {"id": "18446744073709551616", "eval": {}}, {"id": "1", "credit": -1},
                      {"id": "1", "nonsense": {}}, {"id": "1", "eval": {}, "list": {}},
                      {"id": "1", "eval": []}, {"id": "1", "eval": {"session": 1.5}}):
            with self.subTest(frame):
                socket.send(frame)
                self.assertIn("error", socket.answer())
        self.assertEqual(socket.ask(eval={"source": "1"})[0], "eval")


if __name__ == "__main__":
    unittest.main()
