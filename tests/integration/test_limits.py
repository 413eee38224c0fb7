# SPDX-License-Identifier: Apache-2.0
"""Limits of requests and messages from both sides: what just fits is served, what does not is refused in
so many words."""

import gzip
import json
import socket
import unittest

from vivarium_testing import http_api, waiting
from vivarium_testing.case import DaemonCase
from vivarium_testing.ws import WebSocket

EVAL = "/vivarium.v1.ExecutionService/Eval"
FOLLOW = "/vivarium.v1.ExecutionService/Follow"
JSON = {"content-type": "application/json"}
KIB = 1024


def padded(message, size):
    """Returns a message as JSON of exactly that many bytes."""
    text = json.dumps(message).encode()
    assert len(text) <= size
    return text + b" " * (size - len(text))


def chunk(data):
    """Returns a chunk of a body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Requests(DaemonCase):
    """Of HTTP."""

    config = "[server]\nheader_bytes = \"2KiB\"\nbody_bytes = \"4KiB\"\n"
    message = {"source": "6*7"}

    def assert_served(self, answer):
        """The answer is the value."""
        self.assertEqual(answer[0], 200, answer)
        self.assertEqual(json.loads(answer[2])["verdict"]["result"], {"json": 42})

    def assert_refused(self, answer, status, code, *texts):
        """The answer is that error, in the protocol's form."""
        self.assertEqual(answer[0], status, answer)
        error = http_api.ApiError(status, json.loads(answer[2]))
        self.assertEqual(error.code, code)
        for text in texts:
            self.assertIn(text, error.message)
        self.assertIsNotNone(http_api.error_kind(error))

    def with_head_of(self, size=None, lines=()):
        """Posts the message with a head of so many bytes."""
        body = json.dumps(self.message).encode()
        head = "\r\n".join([f"POST {EVAL} HTTP/1.1", "Host: localhost", "Connection: close",
                            "Content-Type: application/json", f"Content-Length: {len(body)}",
                            *lines]) + "\r\n"
        if size is not None:
            head += "X: " + "x" * (size - len(head) - len("X: \r\n\r\n")) + "\r\n"
        head += "\r\n"
        if size is not None:
            self.assertEqual(len(head), size)
        return http_api.parse_response(
            http_api.exchange(self.daemon.address, head.encode() + body))

    def test_bytes_of_the_head(self):
        """header_bytes."""
        self.assert_served(self.with_head_of(2 * KIB))
        self.assert_refused(self.with_head_of(2 * KIB + 1), 431, "resource_exhausted", "head")

    def test_lines_of_the_head(self):
        """One hundred."""
        self.assert_served(self.with_head_of(lines=[f"X-{i}: 1" for i in range(96)]))
        self.assert_refused(self.with_head_of(lines=[f"X-{i}: 1" for i in range(97)]), 431,
                            "resource_exhausted", "head")

    def test_bytes_of_the_body(self):
        """body_bytes, with a length and in chunks."""
        for encoded, headers in ((lambda body: body, JSON),
                                 (lambda body: chunk(body[:9]) + chunk(body[9:]) + chunk(b""),
                                  {**JSON, "transfer-encoding": "chunked"})):
            fits = encoded(padded(self.message, 4 * KIB))
            self.assert_served(self.client.request("POST", EVAL, fits, headers))
            too_large = encoded(padded(self.message, 4 * KIB + 1))
            connection = self.client.connection.sock
            self.assert_refused(self.client.request("POST", EVAL, too_large, headers), 413,
                                "resource_exhausted", "body", "4097", "4096", "server.body_bytes")
            self.assertIs(self.client.connection.sock, connection, "it is not the same connection")
            self.assert_served(self.client.request("POST", EVAL, fits, headers))

    def test_a_body_of_many_times_the_limit(self):
        """Is read to its end and answered up to 16 times the limit, beyond that refused at once."""
        body = padded(self.message, 64 * KIB)
        self.assert_refused(self.client.request("POST", EVAL, body, JSON), 413,
                            "resource_exhausted", "65536")
        self.assert_served(self.client.request("POST", EVAL, json.dumps(self.message), JSON))
        self.assert_refused(self.client.request("POST", EVAL, body + b" ", JSON), 413,
                            "resource_exhausted", "server.body_bytes")

    def test_bytes_of_a_compressed_body(self):
        """Uncompressed it counts as any other."""
        headers = {**JSON, "content-encoding": "gzip"}
        fits = gzip.compress(padded(self.message, 4 * KIB))
        self.assert_served(self.client.request("POST", EVAL, fits, headers))
        too_large = gzip.compress(padded(self.message, 4 * KIB + 1))
        self.assert_refused(self.client.request("POST", EVAL, too_large, headers), 429,
                            "resource_exhausted", "4096 bytes")
        bomb = gzip.compress(gzip.compress(b" " * (1 << 27)))
        self.assertLess(len(bomb), 4 * KIB)
        self.assert_refused(self.client.request("POST", EVAL, gzip.decompress(bomb)[:4 * KIB],
                                                headers), 429, "resource_exhausted")

    def test_bytes_of_a_stream_message(self):
        """The envelope of a stream counts."""
        session = self.session()
        execution = self.client.start("1", session)
        self.client.wait(execution)

        def follow(size):
            """Returns the last message of the stream."""
            body = http_api.envelope(padded({"executionId": execution}, size - 5))
            status, _, answer = self.client.request(
                "POST", FOLLOW, body, {"content-type": "application/connect+json"})
            self.assertEqual(status, 200)
            return json.loads(answer[answer.index(b"\x02\0\0") + 5:])
        self.assertEqual(follow(4 * KIB), {})
        error = http_api.ApiError(200, follow(4 * KIB + 1)["error"])
        self.assertEqual(error.code, "resource_exhausted")
        self.assertIn("server.body_bytes", error.message)
        self.assertIsNotNone(http_api.error_kind(error))
        self.assertEqual(follow(4 * KIB), {})

    def test_many_requests_on_one_connection(self):
        """There is no bound, and they leave nothing behind."""
        for _ in range(2_000):
            self.assertEqual(self.client.request("GET", "/healthz")[0], 200)


class Arriving(DaemonCase):
    """Of all requests that are on their way."""

    config = "[server]\narriving_bytes = \"4MiB\"\n"

    def begin(self, size):
        """Returns a connection on which so many bytes of a body of 5 MiB have been sent."""
        connection = socket.create_connection(self.daemon.address, timeout=waiting.WATCHDOG)
        self.addCleanup(connection.close)
        self.body = padded({"source": "6*7"}, 5 * KIB * KIB)
        connection.sendall(
            f"POST {EVAL} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n".encode()
            + self.body[:size])
        return connection

    def end(self, connection):
        """Returns status and code of what comes."""
        with connection.makefile("rb") as file:
            status, _, body = http_api.parse_response(file.read())
        return status, json.loads(body).get("code")

    def test_arriving_bytes(self):
        """arriving_bytes: whoever brings it over the limit is told, those before are served; small
        requests always pass."""
        first = self.begin(3 * KIB * KIB)
        # Its bytes are with the daemon once they are counted.
        waiting.wait_for(lambda: self.received() > 3 * KIB * KIB, "the bytes")
        second = self.begin(2 * KIB * KIB)
        self.assertEqual(self.end(second), (503, "unavailable"))
        self.assertEqual(self.client.value("6*7"), 42)
        first.sendall(self.body[3 * KIB * KIB : 4 * KIB * KIB - 64 * KIB])
        self.assertEqual(self.client.value("6*7"), 42)
        first.close()

    def received(self):
        """Bytes that have come from clients."""
        text = self.client.request("GET", "/metrics")[2].decode()
        [line] = [x for x in text.splitlines() if x.startswith("vivarium_received_bytes_total ")]
        return float(line.split()[1])


class Frames(DaemonCase):
    """Of WebSockets."""

    config = "[server]\nframe_bytes = \"4KiB\"\nin_flight = 3\n"

    def setUp(self):
        """Connects."""
        super().setUp()
        self.ws = WebSocket(self.daemon.address)
        self.addCleanup(self.ws.close)

    def tearDown(self):
        """Disconnects before the look for leaks."""
        self.ws.close()
        super().tearDown()

    def test_bytes_of_a_message(self):
        """frame_bytes, in one frame and in several."""
        message = {"id": "1", "eval": {"source": "6*7"}}
        fits, too_large = padded(message, 4 * KIB), padded(message, 4 * KIB + 1)
        self.ws.send(fits)
        self.assertEqual(self.ws.answer()["eval"]["verdict"]["result"], {"json": 42})
        self.ws.send_frame(1, fits[:99], final=False)
        self.ws.send_frame(0, fits[99:])
        self.assertEqual(self.ws.answer()["eval"]["verdict"]["result"], {"json": 42})
        self.ws.send(too_large)
        self.assert_too_large(self.ws.answer(), "1")
        self.ws.send_frame(1, too_large[:99], final=False)
        self.ws.send_frame(0, too_large[99:])
        self.assert_too_large(self.ws.answer(), "1")
        self.ws.send(fits)
        self.assertEqual(self.ws.answer()["eval"]["verdict"]["result"], {"json": 42})

    def assert_too_large(self, answer, number):
        """It is that error, to the request of that number."""
        self.assertEqual(answer.get("id"), number, answer)
        error = answer["error"]
        self.assertEqual(error["code"], "resource_exhausted", answer)
        self.assertEqual(error["detail"]["kind"], "ERROR_KIND_LIMIT", answer)
        for text in ("4097", "4096", "server.frame_bytes"):
            self.assertIn(text, error["message"])

    def test_whose_message_was_too_large(self):
        """The id is told when the message begins with it; else the error belongs to nobody."""
        before = b'{"credit":1,"eval":{"source":"' + b"x" * KIB + b'"},"id":"7"'
        for text, number in ((b'{"credit":1, "id" : 7', "7"), (b'{"id":"7"', "7"),
                             (b'{"id":"07"', None), (b'{"id":{}', None), (b"[7", None),
                             (before, None)):
            self.ws.send(text + b" " * (4 * KIB + 1 - len(text)))
            self.assert_too_large(self.ws.answer(), number)

    def test_many_times_the_bytes_of_a_message(self):
        """Up to 16 times frame_bytes is answered, more closes the connection."""
        message = {"id": "1", "eval": {"source": "6*7"}}
        self.ws.send(padded(message, 64 * KIB))
        self.assertEqual(self.ws.answer()["error"]["code"], "resource_exhausted")
        with WebSocket(self.daemon.address) as other:
            other.send_frame(1, padded(message, 64 * KIB), final=False)
            other.send_frame(0, b" ")
            self.assertEqual(other.close_code(), 1009)
        self.ws.send(padded(message, 64 * KIB + 1))
        self.assertEqual(self.ws.close_code(), 1009)

    def test_requests_at_once(self):
        """in_flight; the next one is refused, the others do not notice, and one ended is one free."""
        session = self.session()
        gate = self.client.start("while True: pass", session)
        for number in range(1, 4):
            self.ws.send({"id": str(number), "wait": {"executionId": gate, "timeoutMs": "60000"}})
        self.ws.send({"id": "4", "eval": {"source": "1"}})
        refused = self.ws.answer()
        self.assertEqual(refused["id"], "4")
        self.assertEqual(refused["error"]["code"], "resource_exhausted", refused)
        self.assertIn("at most 3", refused["error"]["message"])
        self.client.call("ExecutionService/Cancel", {"executionId": gate})
        self.assertEqual({self.ws.answer()["id"] for _ in range(3)}, {"1", "2", "3"})
        self.ws.send({"id": "4", "eval": {"source": "6*7"}})
        self.assertEqual(self.ws.answer()["eval"]["verdict"]["result"], {"json": 42})

    def test_credit(self):
        """A stream sends what it was allowed to, then waits for more."""
        session = self.session()
        execution = self.client.start(
            "import sys\nfor i in range(9): print(i); sys.stdout.flush()", session)
        self.client.wait(execution)
        everything = list(self.client.follow(execution))
        self.assertGreater(len(everything), 3)
        self.ws.send({"id": "1", "credit": 2, "follow": {"executionId": execution}})
        got = [self.ws.answer(), self.ws.answer()]
        # An answer to something else comes before a third event would.
        self.ws.send({"id": "2", "eval": {"source": "6*7"}})
        self.assertEqual(self.ws.answer()["id"], "2")
        self.ws.send({"id": "1", "moreCredit": len(everything)})
        while "follow" in got[-1]:
            got.append(self.ws.answer())
        self.assertNotIn("error", got.pop())
        self.assertEqual([answer["follow"]["event"] for answer in got], everything)


if __name__ == "__main__":
    unittest.main()
