# SPDX-License-Identifier: Apache-2.0
"""The audit log: what it tells, in which form, and what it cannot be made to do."""

import json
import os
import signal
import unittest

from vivarium_testing import daemon as daemons, http_api, tenants, waiting


class Audit(tenants.TenantCase):
    """A daemon with an audit log in a file."""

    tenants = {"a": "sessions = 2", "b": ""}
    more_config = '[audit]\nfile = "{folder}/audit"\n'

    def records(self, **wanted):
        """Returns the lines of the log that have those values."""
        with open(f"{self.daemon.folder}/audit", encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.endswith("\n")]
        return [line for line in lines if wanted.items() <= line.items()]

    def wait_for(self, **wanted):
        """Waits for a line with those values and returns the latest; a thread writes them."""
        found = waiting.wait_for(lambda: self.records(**wanted), f"a record {wanted}")
        self.assertRegex(found[-1]["ts"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        return found[-1]

    def test_sessions(self):
        session = self.of["a"].create("work")
        made = self.wait_for(event="session_created", session=session)
        self.assertEqual((made["tenant"], made["name"], made["environment"]),
                         ("a", "work", "default"))
        self.assertIn("request_id", made)
        self.of["a"].call("SessionService/CloseSession", {"session": session})
        self.assertEqual(self.wait_for(event="session_closed", session=session)["cause"], "closed")
        # One that is only an evaluation is none.
        before = len(self.records(event="session_created"))
        self.of["a"].value("1")
        self.of["a"].create("last")
        self.wait_for(event="session_created", name="last")
        self.assertEqual(len(self.records(event="session_created")), before + 1)
        self.of["a"].call("SessionService/CloseSession", {"session": "last"})

    def test_ids_of_requests(self):
        """Whoever asks is told the id under which the line is found."""
        session = self.session_of("b")
        self.of["b"].call("ExecutionService/Eval", {
            "session": session, "source": "import os\ntry: os.fork()\nexcept PermissionError: pass"},
            {"x-request-id": "forks-1"})
        self.wait_for(event="call_denied", session=session, request_id="forks-1")
        self.of["b"].call("ExecutionService/Eval", {
            "session": session, "source": "import socket\ntry: socket.create_connection(('127.0.0.1', 9))\n"
                                          "except OSError: pass"}, {"x-request-id": "goes-out-1"})
        self.wait_for(event="egress_refused", session=session, request_id="goes-out-1")
        with self.daemon.client("viv_none_none") as stranger:
            _, headers, _ = stranger.request("GET", "/vivarium.v1.SessionService/ListSessions")
        self.wait_for(event="key_refused", request_id=headers["x-request-id"])
        made = [self.of["a"].create() for _ in range(2)]
        with self.assertRaises(http_api.ApiError) as caught:
            self.of["a"].create()
        self.wait_for(event="quota_refused", tenant="a",
                      request_id=http_api.detail_of(caught.exception)["requestId"])
        for one in made:
            self.of["a"].call("SessionService/CloseSession", {"session": one})

    def test_refused_system_calls(self):
        session = self.session_of("b")
        self.of["b"].eval("import os\nfor n in range(100):\n"
                          "    try: os.fork()\n    except PermissionError: pass", session)
        record = self.wait_for(event="call_denied", session=session)
        self.assertEqual((record["tenant"], record["call"]), ("b", "clone"))
        # Each is counted; not each is written.
        self.assertLess(len(self.records(event="call_denied", session=session)), 100)

    def test_ways_out(self):
        session = self.session_of("b")
        self.of["b"].eval("import socket\ntry: socket.create_connection(('127.0.0.1', 9))\n"
                          "except OSError: pass", session)
        record = self.wait_for(event="egress_refused", session=session)
        self.assertEqual((record["tenant"], record["outcome"]), ("b", "no_policy"))

    def test_keys(self):
        key = self.daemon.keys("create", "--tenant", "a")
        name = key.split("_")[1]
        added = self.wait_for(event="keys_changed", key=name)
        self.assertEqual((added["change"], added["tenant"]), ("added", "a"))
        with self.daemon.client(key) as client:
            for _ in range(5):
                client.call("SessionService/ListSessions")
            with self.daemon.client(key[:-1] + "_") as liar:
                with self.assertRaises(http_api.ApiError):
                    liar.call("SessionService/ListSessions")
            with self.daemon.client(f"viv_{name}_wrong") as liar:
                with self.assertRaises(http_api.ApiError):
                    liar.call("SessionService/ListSessions")
        self.wait_for(event="key_refused", cause="malformed")
        self.wait_for(event="key_refused", cause="secret", key=name)
        # Once for a connection, not for a request.
        self.assertEqual(len(self.records(event="key_used", key=name)), 1)
        self.daemon.keys("rotate", name)
        self.wait_for(event="keys_changed", key=name, change="changed")
        self.daemon.keys("revoke", name)
        self.wait_for(event="keys_changed", key=name, change="removed")
        with open(f"{self.daemon.folder}/audit", encoding="utf-8") as file:
            self.assertNotIn(key.split("_")[2][:-1], file.read())

    def test_quotas(self):
        made = [self.session_of("a") for _ in range(2)]
        self.assertEqual(len(made), 2)
        for _ in range(300):
            with self.assertRaises(http_api.ApiError):
                self.of["a"].create()
        record = self.wait_for(event="quota_refused", tenant="a")
        self.assertEqual((record["quota"], record["maximum"]), ("sessions", 2))
        self.assertLess(len(self.records(event="quota_refused", tenant="a")), 200)
        text = self.client.request("GET", "/metrics")[2].decode()
        self.assertIn('vivarium_audit_events_total{cause="quota_refused"}', text)
        [left_out] = [line for line in text.splitlines()
                      if line.startswith('vivarium_audit_events_dropped_total{cause="rate"}')]
        self.assertGreater(float(left_out.split()[-1]), 0)

    def test_a_name_cannot_forge_a_line(self):
        with self.assertRaises(http_api.ApiError):
            self.of["a"].create('x"}\n{"event":"forged')
        self.of["a"].request("POST", "/vivarium.v1.SessionService/CreateSession", b"{}", {
            "content-type": "application/json", "x-request-id": 'a"b'})
        for session in self.of["a"].call("SessionService/ListSessions")["sessions"]:
            self.of["a"].call("SessionService/CloseSession", {"session": session["id"]})
        self.assertEqual(self.records(event="forged"), [])

    def test_reload_is_told_and_opens_the_file_anew(self):
        path = f"{self.daemon.folder}/audit"
        os.rename(path, f"{path}.1")
        self.daemon.process.send_signal(signal.SIGHUP)
        waiting.wait_for(lambda: os.path.exists(path), "the file to be opened anew")
        self.wait_for(event="config_reloaded", outcome="ok")
        with open(f"{path}.1", encoding="utf-8") as file:
            self.assertIn("session_created", file.read())


class Elsewhere(unittest.TestCase):
    """Where else the audit log may go."""

    def test_stderr(self):
        with daemons.Daemon('[audit]\nfile = "stderr"\n') as daemon:
            with daemon.client() as client:
                session = client.create()
            waiting.wait_for(lambda: f'"event":"session_created","tenant":"local","session":"{session}"'
                             in daemon.log(), "the record")

    def test_what_cannot_be_written_to_is_an_error(self):
        for path in ("{folder}", "/dev/null", "{folder}/none/audit"):
            with daemons.Daemon(f'[audit]\nfile = "{path}"\n', wait=False) as daemon:
                self.assertEqual(daemon.wait(), 1)
                self.assertIn("audit.file", daemon.log())
