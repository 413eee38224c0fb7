# SPDX-License-Identifier: Apache-2.0
"""Whatever arrives at the port: a clear error in the protocol's own form, and no harm."""

import gzip
import json
import socket
import unittest

from vivarium_testing import http_api
from vivarium_testing.case import DaemonCase

EVAL = "/vivarium.v1.ExecutionService/Eval"
FOLLOW = "/vivarium.v1.ExecutionService/Follow"


class BadRequests(DaemonCase):
    """Requests that are wrong in every way we could think of."""

    config = "[server]\nbody_bytes = \"1MiB\"\n"

    def post(self, body, content_type="application/json", path=EVAL, **headers):
        """Returns status, headers and body of a POST."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.request("POST", path, body,
                                   {"content-type": content_type, **named})

    def assert_error(self, answer, status, code):
        """The answer is an error of Connect, with a detail."""
        self.assertEqual(answer[0], status, answer)
        self.assertEqual(answer[1]["content-type"], "application/json")
        error = http_api.ApiError(answer[0], json.loads(answer[2]))
        self.assertEqual(error.code, code)
        self.assertTrue(error.message)
        self.assertIsNotNone(http_api.error_kind(error))
        return error

    def raw(self, data, **options):
        """Sends bytes and returns the parsed answer."""
        return http_api.parse_response(http_api.exchange(self.daemon.address, data, **options))

    def head(self, *lines, length=None):
        """Returns the head of a POST to Eval with these header lines."""
        lines = ["POST " + EVAL + " HTTP/1.1", "Host: localhost",
                 "Content-Type: application/json", *lines]
        if length is not None:
            lines.append(f"Content-Length: {length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    # The body.

    def test_invalid_json(self):
        """Every way to be no JSON."""
        for body in (b"", b"{", b"{]", b"nil", b"{\"source\":}", b"[]", b"1",
                     b"{\"source\":\"1\"} x", b"{\"source\":\"\\ud800\"}", b"\xff\xfe"):
            if body == b"":
                continue  # An empty message, which is valid.
            with self.subTest(body):
                self.assert_error(self.post(body), 400, "invalid_argument")

    def test_wrong_fields(self):
        """Unknown fields and wrong types are named."""
        error = self.assert_error(self.post(b'{"sauce":"1"}'), 400, "invalid_argument")
        self.assertIn("sauce", error.message)
        for body in (b'{"source":1}', b'{"source":["1"]}', b'{"timeoutMs":"soon"}',
                     b'{"timeoutMs":-1}', b'{"firstLine":4294967296}',
                     b'{"resultFormat":"RESULT_FORMAT_POEM"}', b'{"createSession":"yes"}'):
            with self.subTest(body):
                self.assert_error(self.post(body), 400, "invalid_argument")

    def test_deep_nesting(self):
        """A hundred thousand levels cost nothing."""
        for body in (b"[" * 100_000, b'{"source":' * 100_000, b'{"source":' + b"[" * 100_000
                     + b"]" * 100_000 + b"}"):
            self.assert_error(self.post(body), 400, "invalid_argument")

    def test_invalid_utf8(self):
        """Text is UTF-8, in JSON and in protobuf."""
        self.assert_error(self.post(b'{"source":"\xff"}'), 400, "invalid_argument")
        self.assert_error(self.post(b'{"source":"\xed\xa0\x80"}'), 400, "invalid_argument")
        self.assert_error(self.post(b"\x12\x02\xff\xfe", "application/proto"), 400,
                          "invalid_argument")

    def test_invalid_protobuf(self):
        """Truncated fields, wrong wire types, fields of number 0."""
        for body in (b"\x12\x7f1", b"\x12", b"\x0f", b"\x00\x00", b"\x10\xff\xff\xff\xff\xff\xff"
                     b"\xff\xff\xff\xff\xff\x01", b"\xff" * 50):
            with self.subTest(body):
                self.assert_error(self.post(body, "application/proto"), 400, "invalid_argument")

    def test_oversize_body_with_length(self):
        """Far too long is refused by its length, before it is read."""
        status, headers, body = self.raw(self.head(length=1 << 40))
        self.assert_error((status, headers, body), 413, "resource_exhausted")

    def test_oversize_body_in_chunks(self):
        """Refused though nobody said how long it would be: at its end, or when it is far too long."""
        chunk = b"10000\r\n" + b"1" * 0x10000 + b"\r\n"
        for chunks in (chunk * 40 + b"0\r\n\r\n", chunk * 257):
            answer = self.raw(self.head("Transfer-Encoding: chunked", "Connection: close") + chunks)
            self.assert_error(answer, 413, "resource_exhausted")

    def test_oversize_body_that_waits_for_leave(self):
        """Who asks before sending a body is told at once, by the length alone."""
        head = self.head("Expect: 100-continue", length=(1 << 20) + 1)
        error = self.assert_error(self.raw(head), 413, "resource_exhausted")
        self.assertIn("server.body_bytes", error.message)
        self.assertIn("1048577", error.message)

    def test_compressed_bodies(self):
        """gzip is understood, bombs and rubbish are not swallowed."""
        good = gzip.compress(b'{"source":"6*7"}')
        status, _, body = self.post(good, content_encoding="gzip")
        self.assertEqual((status, json.loads(body)["verdict"]["result"]), (200, {"json": 42}))
        bomb = gzip.compress(b" " * (64 << 20))
        self.assert_error(self.post(bomb, content_encoding="gzip"), 429, "resource_exhausted")
        self.assert_error(self.post(good[:-9], content_encoding="gzip"), 400, "invalid_argument")
        self.assert_error(self.post(b"rubbish", content_encoding="gzip"), 400, "invalid_argument")
        error = self.assert_error(self.post(good, content_encoding="br"), 501, "unimplemented")
        self.assertIn("gzip", error.message)

    # The protocol.

    def test_wrong_content_type(self):
        """415, as Connect has it."""
        for content_type in ("text/plain", "application/xml", "application/json+x",
                             "application/connect+json", "application/grpc", ""):
            with self.subTest(content_type):
                self.assertEqual(self.post(b"{}", content_type)[0], 415)
        self.assertEqual(self.post(b"{}", "application/json", FOLLOW)[0], 415)
        status, _, _ = self.post(b'{"source":"1"}', "application/json; charset=utf-8")
        self.assertEqual(status, 200)

    def test_wrong_verb_and_path(self):
        """405 and 404."""
        for verb in ("GET", "PUT", "DELETE", "HEAD", "OPTIONS"):
            self.assertEqual(self.client.request(verb, EVAL)[0], 405, verb)
        for path in ("/", "/nowhere", EVAL + "/", EVAL.lower(), "/vivarium.v1.Nothing/Eval"):
            self.assertEqual(self.post(b"{}", path=path)[0], 404, path)

    def test_truncated_envelope(self):
        """A stream request that ends too early or says too much."""
        message = json.dumps({"executionId": "exe_0" + "a" * 26}).encode()
        whole = http_api.envelope(message)
        for body in (b"", whole[:3], whole[:5], whole[:-1], b"\0\xff\xff\xff\xff", whole + whole,
                     whole + b"\0", http_api.envelope(message, 1), http_api.envelope(message, 2),
                     http_api.envelope(message, 0x80)):
            with self.subTest(body):
                status, _, answer = self.post(body, "application/connect+json", FOLLOW)
                self.assertEqual(status, 200)
                flags, length = answer[0], int.from_bytes(answer[1:5], "big")
                self.assertEqual((flags, length), (2, len(answer) - 5))
                error = json.loads(answer[5:])["error"]
                self.assertIn(error["code"], ("invalid_argument", "unimplemented", "internal",
                                              "resource_exhausted"))

    def test_get_for_methods_without_effects(self):
        """List may be asked by GET, Eval may not."""
        query = "?connect=v1&encoding=json&message=%7B%7D"
        status, _, body = self.client.request(
            "GET", "/vivarium.v1.SessionService/ListSessions" + query)
        self.assertEqual(status, 200)
        self.assertEqual(len(json.loads(body)["sessions"]), 1)  # The bystander's.
        self.assertEqual(self.client.request("GET", EVAL + query)[0], 405)
        for bad in ("?connect=v1&encoding=json", "?connect=v1&encoding=xml&message=%7B%7D",
                    "?connect=v1&encoding=json&message=%7", "?connect=v2&encoding=json&message=%7B%7D",
                    "?connect=v1&encoding=json&base64=1&message=!!"):
            status = self.client.request("GET",
                                         "/vivarium.v1.SessionService/ListSessions" + bad)[0]
            self.assertIn(status, (400, 415), bad)

    # Browsers.

    def test_foreign_host(self):
        """A name that was re-bound to loopback reaches nothing, on every route."""
        for path in (EVAL, "/metrics", "/healthz", "/readyz", "/v1/ws", "/nowhere"):
            for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example",
                         "localhost.evil.example", "[::2]", "@localhost", ""):
                status, _, _ = self.client.request("POST", path, b"{}", {
                    "host": host, "content-type": "application/json"})
                self.assertIn(status, (400, 403), (path, host))
        for host in ("localhost", "127.0.0.1:1", "[::1]:7717", "LOCALHOST"):
            self.assertEqual(self.client.request("GET", "/healthz", headers={"host": host})[0],
                             200, host)

    def test_foreign_origin(self):
        """A web page reaches nothing."""
        for path in (EVAL, "/metrics", "/healthz", "/v1/ws"):
            for origin in ("https://evil.example", "null", "http://localhost", ""):
                status, _, _ = self.client.request("POST", path, b'{"source":"1"}', {
                    "origin": origin, "content-type": "application/json"})
                self.assertEqual(status, 403, (path, origin))

    def test_host_headers_that_contradict(self):
        """None or two of them are no request."""
        self.assertEqual(self.raw(b"GET /healthz HTTP/1.1\r\n\r\n")[0], 400)
        self.assertEqual(self.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                                  b"Host: localhost\r\n\r\n")[0], 400)

    # HTTP itself.

    def test_what_is_no_http(self):
        """Rubbish is answered or cut off, never waited for."""
        for data in (b"\0" * 100, b"rubbish\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n",
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with self.subTest(data):
                answer = http_api.exchange(self.daemon.address, data, shut=True)
                if answer:
                    self.assertIn(http_api.parse_response(answer)[0], (400, 505))

    def test_request_smuggling(self):
        """Framing that contradicts itself."""
        body = b'{"source":"1"}'
        for lines in (("Content-Length: 14", "Transfer-Encoding: chunked"),
                      ("Content-Length: 14", "Content-Length: 15"),
                      ("Content-Length: -1",), ("Content-Length: 1e3",),
                      ("Transfer-Encoding: gzip, chunked",), ("Transfer-Encoding: chunked, x",),
                      ("Content-Length: 99999999999999999999999",)):
            with self.subTest(lines):
                status, _, _ = self.raw(self.head(*lines) + body, shut=True)
                self.assertIn(status, (400, 501))

    def test_large_heads(self):
        """Too long a line, too many lines."""
        for data in (b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                     self.head("X: " + "a" * (1 << 20), length=0),
                     self.head(*[f"X-{i}: {i}" for i in range(5000)], length=0)):
            self.assertIn(self.raw(data)[0], (400, 414, 431))

    def test_body_that_ends_early(self):
        """Half a body is no request; nothing runs."""
        answer = http_api.exchange(self.daemon.address, self.head(length=100) + b'{"source":"1"}',
                                   shut=True)
        self.assertNotIn(b" 200 ", answer[:20])

    def test_client_that_hangs_up_at_once(self):
        """A thousand connections that say nothing or half a word."""
        for i in range(300):
            with socket.create_connection(self.daemon.address) as connection:
                if i % 3 == 1:
                    connection.sendall(b"POST /vivarium")
                elif i % 3 == 2:
                    connection.sendall(self.head(length=100) + b"{")

    def test_pipelined_requests(self):
        """Several requests in one packet are answered in order."""
        one = self.head(length=16) + b'{"source":"1+1"}'
        two = self.head("Connection: close", length=16) + b'{"source":"2+2"}'
        answer = http_api.exchange(self.daemon.address, one + two)
        self.assertEqual(answer.count(b"HTTP/1.1 200"), 2)
        self.assertLess(answer.index(b'"json":2'), answer.index(b'"json":4'))

    def test_expect_continue(self):
        """What curl sends before a large body."""
        status, _, body = self.raw(self.head("Expect: 100-continue", "Connection: close",
                                             length=16) + b'{"source":"1+1"}')
        if status == 100:
            status, _, body = http_api.parse_response(body)
        self.assertEqual(status, 200)
        self.assertIn(b'"json":2', body)


if __name__ == "__main__":
    unittest.main()
