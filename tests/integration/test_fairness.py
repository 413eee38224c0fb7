# SPDX-License-Identifier: Apache-2.0
"""One tenant's flood and another's request: who is served before whom. Nothing here measures time:
the daemon stands still until everything has been sent, then the order of the answers is looked at."""

import json
import re
import signal
import socket

from vivarium_testing import http_api, processes, tenants, waiting

CONNECTIONS = 40
EACH = 200
# What comes before a request of another tenant: a few passes of a few requests each. If connections
# had turns instead of tenants, it would be at least one of each connection.
FEW = CONNECTIONS // 2


def request(key, method, message, http="1.1"):
    """Returns the bytes of a request."""
    body = json.dumps(message).encode()
    return (f"POST /vivarium.v1.{method} HTTP/{http}\r\nHost: localhost\r\n"
            f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def metrics_request(key):
    """Returns the bytes of a request for the metrics, after which the connection closes."""
    return (f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
            "Connection: close\r\n\r\n").encode()


class Fairness(tenants.TenantCase):
    """Tenants that share a daemon."""

    watched = False
    tenants = {"noisy": 'trust_group = "shared"', "quiet": 'trust_group = "shared"'}

    def connect(self):
        """Returns a connection that closes with the test."""
        made = socket.create_connection(self.daemon.address, timeout=waiting.WATCHDOG)
        self.addCleanup(made.close)
        return made

    def seat(self, tenant):
        """Returns a connection on which that tenant has been served once."""
        made = self.connect()
        made.sendall(request(self.keys[tenant], "SessionService/ListSessions", {}))
        self.assertIn(b"200 OK", made.recv(65536))
        return made

    def stop(self):
        """Has the daemon stand still."""
        self.daemon.process.send_signal(signal.SIGSTOP)
        waiting.wait_for(lambda: processes.read_process(self.daemon.pid).state == "T",
                         "the daemon to stop")

    def go_on(self):
        """Has it go on."""
        self.daemon.process.send_signal(signal.SIGCONT)

    @staticmethod
    def count(text, method):
        """Returns how many calls of a method have been answered, as metrics tell it."""
        return sum(float(value) for value in re.findall(
            rf'^vivarium_requests_total\{{method="{method}",.*\}} (\S+)$', text, re.M))

    def flood(self, flooders, quiet, wanted, tenant="quiet"):
        """Sends the flood, then what quiet wants, to a daemon that stands still. Returns how much
        of the flood was answered before quiet was."""
        before = self.count(self.metrics(), "get_session")
        self.stop()
        try:
            one = request(self.keys["noisy"], "SessionService/GetSession", {"session": "none"})
            for each in flooders:
                each.sendall(one * EACH)
            quiet.sendall(wanted + metrics_request(self.keys[tenant]))
        finally:
            self.go_on()
        with quiet.makefile("rb") as answer:
            text = answer.read().decode()
        self.assertEqual(text.count("HTTP/1.1 200 OK"), 2, text[:2000])
        return self.count(text, "get_session") - before

    def metrics(self):
        """Returns the metrics."""
        return self.client.request("GET", "/metrics")[2].decode()

    def drain(self, flooders):
        """Reads all answers of the flood: nothing is lost."""
        for each in flooders:
            received = b""
            while received.count(b"HTTP/1.1 404") < EACH:
                piece = each.recv(1 << 20)
                self.assertTrue(piece, "the connection ended")
                received += piece

    def test_a_request_does_not_wait_for_a_flood(self):
        flooders = [self.seat("noisy") for _ in range(CONNECTIONS)]
        quiet = self.seat("quiet")
        wanted = request(self.keys["quiet"], "SessionService/ListSessions", {})
        answered = self.flood(flooders, quiet, wanted)
        self.assertLess(answered, FEW)
        self.drain(flooders)

    def test_a_request_of_the_same_tenant_does(self):
        flooders = [self.seat("noisy") for _ in range(CONNECTIONS)]
        other = self.seat("noisy")
        wanted = request(self.keys["noisy"], "SessionService/ListSessions", {})
        self.assertGreater(self.flood(flooders, other, wanted, "noisy"), FEW)
        self.drain(flooders)

    def test_an_evaluation_does_not_wait_for_a_flood(self):
        flooders = [self.seat("noisy") for _ in range(CONNECTIONS)]
        quiet = self.seat("quiet")
        wanted = request(self.keys["quiet"], "ExecutionService/Eval", {"source": "6 * 7"})
        answered = self.flood(flooders, quiet, wanted)
        self.assertLess(answered, CONNECTIONS * EACH)
        self.drain(flooders)

    def test_a_flood_over_websockets(self):
        sockets = [self.socket_of(self.keys["noisy"]) for _ in range(CONNECTIONS)]
        for each in sockets:
            self.assertEqual(each.ask(listSessions={})[0], "listSessions")
        quiet = self.seat("quiet")
        before = self.count(self.metrics(), "get_session")
        self.stop()
        try:
            for each in sockets:
                for _ in range(EACH):
                    each.begin(getSession={"session": "none"})
            quiet.sendall(request(self.keys["quiet"], "SessionService/ListSessions", {})
                          + metrics_request(self.keys["quiet"]))
        finally:
            self.go_on()
        with quiet.makefile("rb") as answer:
            text = answer.read().decode()
        self.assertLess(self.count(text, "get_session") - before, FEW)
        for each in sockets:
            for _ in range(EACH):
                self.assertEqual(each.answer()["error"]["code"], "not_found")

    def test_workers_are_given_to_tenants_in_turn(self):
        quiet, noisy = self.of["quiet"], self.socket_of(self.keys["noisy"])
        self.assertEqual(noisy.ask(listSessions={})[0], "listSessions")
        waiter = self.socket_of(self.keys["quiet"])
        self.assertEqual(waiter.ask(listSessions={})[0], "listSessions")
        self.stop()
        try:
            numbers = [noisy.begin(createSession={}) for _ in range(60)]
            number = waiter.begin(createSession={})
        finally:
            self.go_on()
        made = waiter.next_of(number)["createSession"]["session"]["id"]
        # It was the last to ask. Had it waited for all others, all of them would be ready.
        states = [s["state"] for s in self.of["noisy"].call("SessionService/ListSessions")["sessions"]]
        self.assertLess(states.count("SESSION_STATE_READY"), len(numbers) / 2, states)
        quiet.call("SessionService/CloseSession", {"session": made})
        for each in numbers:
            session = noisy.next_of(each)["createSession"]["session"]["id"]
            noisy.begin(closeSession={"session": session})

    def test_a_full_tenant_refuses_itself_only(self):
        with self.assertRaises(http_api.ApiError):
            self.of["noisy"].eval("1", "none")
        self.assertEqual(self.of["quiet"].value("6 * 7"), 42)
