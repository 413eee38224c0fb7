# SPDX-License-Identifier: Apache-2.0
"""Connections by themselves: too many of them, too slow ones, ones that never say what they want."""

import contextlib
import http.client
import json
import os
import resource
import select
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest

from vivarium_testing import daemon as daemons, http_api, waiting
from vivarium_testing.case import DaemonCase
from vivarium_testing.daemon import Daemon

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EVAL = (b"POST /vivarium.v1.ExecutionService/Eval HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\n")


class ConnectionCase(DaemonCase):
    """What the tests below share."""

    def connect(self):
        """Returns a raw connection that is closed after the test."""
        connection = socket.create_connection(self.daemon.address, timeout=waiting.WATCHDOG)
        self.addCleanup(connection.close)
        return connection

    def total(self, name):
        """Returns a sample of /metrics that has no labels."""
        body = self.client.request("GET", "/metrics")[2].decode()
        return float(next(line for line in body.splitlines()
                          if line.startswith(name + " ")).split()[1])


def until_end(connection):
    """Returns all that comes before the peer's end."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            received += piece
    return received


def trickle(connection, piece):
    """Sends piece after piece, each when nothing came for a moment, until the peer answers."""
    def answered():
        if select.select([connection], [], [], 0.02)[0]:
            return True
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(piece)
        return False
    waiting.wait_for(answered, "an answer to a request that never ends")
    return until_end(connection)


class Slow(ConnectionCase):
    """Whoever begins a request must end it."""

    config = "[server]\nheader_timeout = \"1s\"\nbody_timeout = \"1s\"\nwrite_timeout = \"1s\"\n"

    def assert_timeout(self, answer):
        """The answer is a 408 in the protocol's own form."""
        status, headers, body = http_api.parse_response(answer)
        self.assertEqual(status, 408, answer)
        self.assertEqual(headers.get("connection"), "close")
        self.assertEqual(json.loads(body)["code"], "deadline_exceeded")

    def test_head_that_never_ends(self):
        """Half a head, and one that comes byte by byte: that does not turn the clock back."""
        half = self.connect()
        half.sendall(EVAL)
        drip = self.connect()
        drip.sendall(EVAL + b"X: ")
        self.assert_timeout(until_end(half))
        self.assert_timeout(trickle(drip, b"x"))

    def test_body_that_never_ends(self):
        """With a length, and in chunks."""
        half = self.connect()
        half.sendall(EVAL + b"Content-Length: 100\r\n\r\n{")
        drip = self.connect()
        drip.sendall(EVAL + b"Transfer-Encoding: chunked\r\n\r\n")
        self.assert_timeout(until_end(half))
        self.assert_timeout(trickle(drip, b"1\r\n \r\n"))

    def test_second_request_that_never_ends(self):
        """On a connection that has been used the clock begins with each request."""
        connection = self.connect()
        connection.sendall(EVAL + b"Content-Length: 14\r\n\r\n{\"source\":\"1\"}" + EVAL)
        first, _, rest = until_end(connection).partition(b"HTTP/1.1 408")
        self.assertTrue(first.startswith(b"HTTP/1.1 200"), first)
        self.assertTrue(rest)

    def test_long_answers_are_waited_for(self):
        """A client that has said all it wants is not slow, however long the answer takes."""
        execution = self.client.start("while True: pass", self.session())
        connection = self.connect()
        body = json.dumps({"executionId": execution, "timeoutMs": 2500}).encode()
        connection.sendall(EVAL.replace(b"Eval", b"Wait") + b"Connection: close\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        status, _, answer = http_api.parse_response(until_end(connection))
        self.assertEqual((status, json.loads(answer).get("done", False)), (200, False))
        self.client.call("ExecutionService/Cancel", {"executionId": execution})
        self.client.wait(execution)

    def test_client_that_does_not_read(self):
        """What it asked for is thrown away with the connection."""
        before = self.total("vivarium_connections")
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(self.daemon.address)
            body = b'{"source":"\'x\' * 20_000_000"}'
            deaf.sendall(EVAL + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            waiting.wait_for(lambda: select.select([deaf], [], [], 0)[0], "the answer to begin")
            waiting.wait_for(lambda: self.total("vivarium_connections") == before,
                             "the end of the connection")


class Idle(ConnectionCase):
    """Connections that nobody uses."""

    watched = False  # Its own connection would have to hurry.
    config = "[server]\nidle_timeout = \"1s\"\n"

    def test_silence(self):
        """At first or after a request: they are closed without a word."""
        silent, used = self.connect(), self.connect()
        used.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(until_end(silent), b"")
        self.assertEqual(http_api.parse_response(until_end(used))[2], b"ok\n")


class Many(ConnectionCase):
    """More connections than the daemon will have."""

    watched = False  # Every connection counts here.
    config = "[server]\nmax_connections = 3\n"

    def test_bound(self):
        """The last one allowed is served, the next one is closed, and a place that is left is free."""
        # The first place; whoever waited for the daemon to be ready must have left.
        waiting.wait_for(lambda: self.total("vivarium_connections") == 1, "the others to be gone")
        second, third = self.daemon.client(), self.daemon.client()
        self.addCleanup(second.close)
        self.addCleanup(third.close)
        self.assertEqual(second.request("GET", "/healthz")[0], 200)
        self.assertEqual(third.value("6 * 7"), 42)
        self.assertEqual(until_end(self.connect()), b"")
        with socket.socket(socket.AF_UNIX) as local:  # They are counted together.
            local.settimeout(waiting.WATCHDOG)
            local.connect(self.daemon.socket)
            self.assertEqual(until_end(local), b"")
        self.assertEqual(self.total("vivarium_connections_refused_total"), 2)
        self.assertEqual(self.total("vivarium_connections"), 3)
        second.close()
        waiting.wait_for(lambda: self.total("vivarium_connections") == 2, "a free place")
        self.assertEqual(second.request("GET", "/healthz")[0], 200)


class Descriptors(ConnectionCase):
    """No descriptors are left."""

    def test_accepting_waits_for_one(self):
        """Who is connected is served, who is not waits, and the log says so once."""
        with open(daemons.DAEMON, "rb") as program:
            if b"__ubsan_handle" in program.read():
                # UBSan's look at a vptr takes a pipe; without one it sees an error that is none.
                self.skipTest("the sanitizer needs descriptors itself")
        session = self.session()
        self.client.value("x = 20", session)
        soft, hard = resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE)
        few = int(self.total("process_open_fds")) + 4
        resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE, (few, hard))
        self.addCleanup(resource.prlimit, self.daemon.pid, resource.RLIMIT_NOFILE, (soft, hard))
        crowd = [self.connect() for _ in range(few)]
        for attempts in range(1, 4):
            waiting.wait_for(
                lambda n=attempts: self.total("vivarium_accept_failures_total") >= n,
                "an attempt to accept")
            self.assertEqual(self.client.value("x + 1", session), 21)
        self.assertEqual(self.daemon.log().count("cannot accept connections"), 1)

        # Neither can workers be made now: those that are left serve, then the reason is told.
        for _ in range(8):
            verdict = self.client.eval("1")
            if "error" in verdict:
                self.assertIn("Too many open files", verdict["error"]["message"])
        resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE, (soft, hard))
        crowd[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertEqual(http_api.parse_response(until_end(crowd[-1]))[0], 200)
        waiting.wait_for(lambda: "connections are accepted again" in self.daemon.log(),
                         "a word in the log")

        def serves():
            return self.client.eval("6 * 7").get("result") == {"json": 42}
        waiting.wait_for(serves, "a new worker")
        self.assertEqual(self.client.value("x + 1", session), 21)
        for connection in crowd:
            connection.close()


class Tls(unittest.TestCase):
    """https:// listeners: clients that never finish the handshake, and the command line."""

    @classmethod
    def setUpClass(cls):
        """Makes two certificates that sign themselves, and starts a daemon with the first."""
        cls.folder = tempfile.mkdtemp(prefix="vivarium-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        for name in ("cert", "other"):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=vivarium",
                 "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                 f"{cls.folder}/{name}-key.pem", "-out", f"{cls.folder}/{name}.pem"],
                check=True, capture_output=True, stdin=subprocess.DEVNULL,
                timeout=waiting.WATCHDOG)
        cls.daemon = Daemon(
            f"[server]\nheader_timeout = \"1s\"\n[tls]\ncert = \"{cls.folder}/cert.pem\"\n"
            f"key = \"{cls.folder}/cert-key.pem\"\n", listen=["https://127.0.0.1:0"], wait=False)
        cls.addClassCleanup(cls.daemon.destroy)
        cls.daemon.wait_for_port()

    def command(self, *arguments, authority):
        """Runs the command with an authority to trust, and returns the finished process."""
        return subprocess.run(
            [daemons.COMMAND, "--server", f"https://127.0.0.1:{self.daemon.port}", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=waiting.WATCHDOG,
            env={**daemons.command_environment(self.daemon.folder), "SSL_CERT_FILE": authority},
            check=False)

    def test_command(self):
        """It works with a certificate that is trusted, and says why it does not with another."""
        done = self.command("eval", "6 * 7", authority=f"{self.folder}/cert.pem")
        self.assertEqual((done.returncode, done.stdout), (0, "42\n"), done.stderr)
        done = self.command("run", f"{ROOT}/examples/primes.py", authority=f"{self.folder}/cert.pem")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.command("eval", "6 * 7", authority=f"{self.folder}/other.pem")
        self.assertEqual((done.returncode, done.stdout), (3, ""), done.stderr)
        self.assertIn("certificate", done.stderr)

    def test_python_client(self):
        """Somebody else's TLS: large bodies both ways, and nothing older than 1.2."""
        context = ssl.create_default_context(cafile=f"{self.folder}/cert.pem")
        with http_api.Client(lambda: http.client.HTTPSConnection(
                "127.0.0.1", self.daemon.port, timeout=waiting.WATCHDOG,
                context=context)) as client:
            self.assertEqual(client.value("x = " + repr("y" * 3_000_000) + "\nlen(x)"), 3_000_000)
            self.assertEqual(len(client.value("'z' * 3_000_000")), 3_000_000)
            self.assertIn(client.connection.sock.version(), ("TLSv1.2", "TLSv1.3"))

    def test_handshake_that_never_ends(self):
        """Plain HTTP, half a hello, and nothing at all."""
        for said in (b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            with self.subTest(said), socket.create_connection(
                    ("127.0.0.1", self.daemon.port), timeout=waiting.WATCHDOG) as connection:
                connection.sendall(said)
                self.assertNotIn(b"HTTP/1.1", until_end(connection))


if __name__ == "__main__":
    unittest.main()
