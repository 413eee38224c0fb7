# SPDX-License-Identifier: Apache-2.0
"""The daemon's own port, in the hands of somebody who knows HTTP (threats 75 to 80).
integration/test_bad_requests.py, test_connections.py and test_limits.py have the rest of these rows;
MCP (82), callbacks (85, 86) and hosted apps (87) are not there yet."""

import contextlib
import json
import socket
import unittest

from vivarium_testing import http_api, waiting
from vivarium_testing.attack import AttackCase

EVAL = "/vivarium.v1.ExecutionService/Eval"
FOLLOW = "/vivarium.v1.ExecutionService/Follow"
LIST = "/vivarium.v1.SessionService/ListSessions"
BODY = b'{"source":"6*7"}'


class FrontCase(AttackCase):
    """What the tests below share."""

    def raw(self, data, **options):
        """Sends bytes to a connection of its own and returns all that comes back."""
        answer = http_api.exchange(self.daemon.address, data, **options)
        self.assert_unharmed()
        return answer

    def status(self, data, **options):
        """The status that bytes are answered with; 0 when the connection is just closed."""
        answer = self.raw(data, **options)
        return http_api.parse_response(answer)[0] if answer else 0

    def post(self, *lines, body=BODY, length=True):
        """Returns a request with these header lines."""
        head = [f"POST {EVAL} HTTP/1.1", "Host: localhost", "Content-Type: application/json",
                "Connection: close", *lines]
        if length:
            head.append(f"Content-Length: {len(body)}")
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Http(FrontCase):
    """75 to 78: requests that are not quite requests."""

    def test_honest_one(self):
        """So that a refusal below means something."""
        self.assertEqual(self.status(self.post()), 200)

    def test_folded_and_broken_headers(self):
        """76: control characters, a blank before the colon, names that are none. A folded line is
        one line, as HTTP has it, and hides nothing."""
        for line in ("X: a\0b", "X: a\x01b", "X : a", ": a", "X", "X\x7f: a",
                     "Content-Length : 3", "\x00: a", "X: a\rb", "(x): a"):
            with self.subTest(line):
                self.assertIn(self.status(self.post(line)), (0, 400, 431))
        self.assertEqual(self.status(self.post("X: a\r\n b", "Y: a\r\n\tb")), 200)
        for fold in ("Transfer-Encoding:\r\n chunked", "Host:\r\n evil.example", "Origin:\r\n http://evil"):
            self.assertIn(self.status(self.post(fold), shut=True), (0, 400, 403))

    def test_smuggling(self):
        """77: framing that two readers could read in two ways: none of it runs anything."""
        chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
        for lines, body in (
                (("Content-Length: 16", "Transfer-Encoding: chunked"), chunk),
                (("Content-Length: 16", "Content-Length: 17"), BODY),
                (("Transfer-Encoding: chunked, identity",), chunk),
                (("Transfer-Encoding: identity",), BODY),
                (("Transfer-Encoding: xchunked",), chunk),
                (("Transfer-Encoding: chunked", "Transfer-Encoding: gzip"), chunk),
                (("Transfer-Encoding: \x0bchunked",), chunk),
                (("Content-Length: +16",), BODY), (("Content-Length: 0x10",), BODY),
                (("Content-Length: 16,16",), BODY), (("Content-Length: 1 6",), BODY),
                (("Content-Length: ",), BODY), (("Content-Length: 18446744073709551632",), BODY)):
            with self.subTest(lines):
                answer = self.raw(self.post(*lines, body=body, length=False), shut=True)
                self.assertNotIn(b'"json":42', answer)

    def test_chunks(self):
        """77: sizes that are none, that are too large, that lie; extensions without an end."""
        for body in (b"-1\r\nx\r\n0\r\n\r\n", b"zz\r\nx\r\n0\r\n\r\n", b"ffffffffffffffff\r\nx", b"10",
                     b"fffffffffffffffffff\r\nx\r\n", b"5\r\n" + BODY + b"\r\n0\r\n\r\n", b"\r\n\r\n",
                     b"1;" + b"a" * (1 << 20) + b"\r\n{\r\n0\r\n\r\n", b"0x10\r\n" + BODY + b"\r\n0\r\n\r\n",
                     b"1\r\n{\r\n0\r\nX: " + b"a" * (1 << 20) + b"\r\n\r\n"):
            with self.subTest(body[:30]):
                answer = self.raw(self.post("Transfer-Encoding: chunked", body=body, length=False), shut=True)
                self.assertNotIn(b"HTTP/1.1 200", answer)

    def test_request_lines(self):
        """Methods, versions and targets of any kind; absolute, asterisk, CONNECT, dot segments."""
        for line in ("GET * HTTP/1.1", "CONNECT 127.0.0.1:80 HTTP/1.1", "TRACE / HTTP/1.1",
                     "GET http://evil.example/healthz HTTP/1.1", "GET /../../etc/passwd HTTP/1.1",
                     "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", "GET //etc/passwd HTTP/1.1",
                     "GET /healthz%00 HTTP/1.1", "GET  /healthz HTTP/1.1", "GET /healthz  HTTP/1.1",
                     "GET /healthz HTTP/1.2", "GET /healthz HTTP/0.9", "GET /healthz", "get /healthz HTTP/1.1",
                     "\x16\x03\x01 / HTTP/1.1", "G\xc3\x84T / HTTP/1.1"):
            with self.subTest(line):
                data = f"{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode("latin-1")
                answer = self.raw(data, shut=True)
                self.assertNotIn(b"root:", answer)
                self.assertFalse(answer.startswith(b"HTTP/1.1 200"), answer)

    def test_bare_line_feeds(self):
        """77: lines without a carriage return are not lines."""
        data = self.post().replace(b"\r\n", b"\n", 3)
        self.assertIn(self.status(data, shut=True), (0, 400))

    def test_continue_that_never_comes(self):
        """78: announced, then forgotten: the next client is served at once."""
        with contextlib.ExitStack() as held:
            for _ in range(50):
                one = held.enter_context(socket.create_connection(self.daemon.address,
                                                                  timeout=waiting.WATCHDOG))
                one.sendall(self.post("Expect: 100-continue", "Content-Length: 1000", length=False,
                                      body=b""))
            self.assertEqual(self.client.value("6*7"), 42)
            self.assert_unharmed()

    def test_crowd(self):
        """75: a thousand idle, half and silent connections; who works does not notice."""
        with contextlib.ExitStack() as held:
            for i in range(1000):
                one = held.enter_context(socket.create_connection(self.daemon.address,
                                                                  timeout=waiting.WATCHDOG))
                if i % 3:
                    one.sendall(b"POST / HTTP/1.1\r\nHost: loc" if i % 3 == 1
                                else b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(self.client.value("6*7"), 42)
            self.assert_unharmed()

    def test_long_answers_that_nobody_reads(self):
        """75: answers of 20 MB to clients that read nothing hold no more than themselves."""
        with contextlib.ExitStack() as held:
            body = b'{"source":"\'x\' * 20_000_000"}'
            for _ in range(4):
                one = held.enter_context(socket.socket())
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.connect(self.daemon.address)
                one.sendall(self.post(body=body))
            for _ in range(5):
                self.assertEqual(self.client.value("6*7"), 42)
            self.assert_unharmed()


class Json(FrontCase):
    """79: documents."""

    def ask(self, body):
        """Status and code of what a body is answered with."""
        status, _, answer = self.client.request("POST", EVAL, body, {"content-type": "application/json"})
        self.assert_unharmed()
        return status, json.loads(answer).get("code")

    def test_documents(self):
        """Numbers beyond any type, keys twice, NaN, surrogates, depth, width."""
        # The parser of protobuf is lenient: a comma too many is no attack, and the last of two wins.
        status, _, answer = self.client.request("POST", EVAL, b'{"source":"1","source":"2",}',
                                                {"content-type": "application/json"})
        self.assertEqual((status, json.loads(answer)["verdict"]["result"]), (200, {"json": 2}))
        for body in (b'{"timeoutMs":1e400,"source":"1"}', b'{"timeoutMs":NaN,"source":"1"}',
                     b'{"timeoutMs":-0.5,"source":"1"}', b'{"timeoutMs":18446744073709551616,"source":"1"}',
                     b'{"timeoutMs":"99999999999999999999","source":"1"}', b'{"source":"\\udc00"}',
                     b'{"source":"1"}{"source":"2"}', b'{"source":"1"}\0',
                     b"\xef\xbb\xbf{\"source\":\"1\"}", b'{"a":' * 100_000, b"[" * 1_000_000,
                     b'{"source":"1","timeoutMs":' + b"9" * 1_000_000 + b"}"):
            with self.subTest(body[:40]):
                status, code = self.ask(body)
                self.assertEqual((status, code), (400, "invalid_argument"))

    def test_width(self):
        """A million keys, and as many items of a list, where a variable may be anything."""
        keys = b",".join(b'"k%d":1' % i for i in range(300_000))
        self.assertEqual(self.ask(b'{"source":"1",' + keys + b"}")[0], 400)
        items = b",".join([b"1"] * 1_000_000)
        status, code = self.ask(b'{"source":"len(x)","jsonVariables":{"x":[' + items + b"]}}")
        self.assertIn((status, code), ((200, None), (429, "resource_exhausted")))

    def test_deep_values(self):
        """Values have a depth, in JSON too."""
        status, _ = self.ask(b'{"source":"1","jsonVariables":{"x":' + b"[" * 5000 + b"]" * 5000 + b"}}")
        self.assertIn(status, (400, 429))


class Connect(FrontCase):
    """80: envelopes, timeouts, GET."""

    def follow(self, body, **headers):
        """The error that ends a stream."""
        status, _, answer = self.client.request(
            "POST", FOLLOW, body, {"content-type": "application/connect+json", **headers})
        self.assert_unharmed()
        self.assertEqual(status, 200)
        return json.loads(answer[5:]).get("error", {}).get("code")

    def test_envelopes(self):
        """Flags, lengths and numbers of messages that there cannot be."""
        whole = http_api.envelope(b"{}")
        for body in (*(http_api.envelope(b"{}", flags) for flags in (1, 2, 3, 4, 0x80, 0xff)),
                     b"\0\xff\xff\xff\xff" + b"{}", b"\0\0\0\0\x03{}", b"\0\0\0\0\x01{}", b"", whole + whole,
                     whole[:4], whole + http_api.envelope(b"", 2), b"\0" * 5000):
            with self.subTest(body[:12]):
                self.assertIsNotNone(self.follow(body))

    def test_timeouts(self):
        """Connect-Timeout-Ms is a number of at most ten digits."""
        for value in ("99999999999", "-1", "abc", "", "1e3", "0x10", "1.5", " 5000", "10, 20", "٣"):
            with self.subTest(value):
                status, _, body = self.client.request(
                    "POST", EVAL, BODY, {"content-type": "application/json",
                                         "connect-timeout-ms": value.encode()})
                self.assertIn(status, (200, 400), body)
        status, _, body = self.client.request("POST", EVAL, b'{"source":"while True: pass"}', {
            "content-type": "application/json", "connect-timeout-ms": "100"})
        self.assertTrue(json.loads(body))
        self.assert_unharmed()

    def test_get(self):
        """A message of a megabyte in the URL, and ones that are no base64."""
        for query in ("message=" + "x" * (1 << 20), "message=%7B%7D&message=%7B%7D", "message=%ff%fe",
                      "base64=1&message=" + "A" * 9001, "message=%00", "compression=gzip&message=AAAA"):
            with self.subTest(query[:40]):
                with contextlib.suppress(ConnectionError, http_api.http.client.HTTPException):
                    status, _, _ = self.client.request("GET", f"{LIST}?connect=v1&encoding=json&{query}")
                    self.assertIn(status, (200, 400, 414, 431, 501))
                self.assert_unharmed()


if __name__ == "__main__":
    unittest.main()
