# SPDX-License-Identifier: Apache-2.0
"""Every limit from both sides: what just fits is served, what does not is refused in so many words."""

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


class Executions(DaemonCase):
    """Of what runs, enforced by the daemon."""

    config = ("[limits]\noutput = \"4KiB\"\nresult = \"4KiB\"\nsource = \"4KiB\"\nqueue = 3\n"
              "kept_executions = 3\n")
    watched = False  # The bystander's executions would count among those that are kept.

    def test_bytes_of_the_source(self):
        """source."""
        session = self.session()
        self.assertEqual(self.client.value("6*7" + " " * (4 * KIB - 3), session), 42)
        error = self.refused("resource_exhausted", "ExecutionService/Eval",
                             {"source": "6*7" + " " * (4 * KIB - 2), "session": session})
        self.assertIn("4096", error.message)

    def test_bytes_of_the_output(self):
        """output: what is over it is counted, not kept."""
        session = self.session()
        verdict = self.client.eval(f"print('x' * {4 * KIB - 1})", session)
        self.assertEqual(len(verdict["stdout"]), 4 * KIB)
        self.assertNotIn("outputTruncated", verdict)
        verdict = self.client.eval(f"print('x' * {4 * KIB})", session)
        self.assertEqual(len(verdict["stdout"]), 4 * KIB)
        self.assertTrue(verdict["outputTruncated"])
        self.assertEqual(int(verdict["usage"]["outputBytes"]), 4 * KIB + 1)

    def test_bytes_of_the_result(self):
        """result: encoded, so that a string has a few bytes less."""
        session = self.session()
        self.assertEqual(len(self.client.value(f"'x' * {4 * KIB - 64}", session)), 4 * KIB - 64)
        verdict = self.client.eval(f"'x' * {4 * KIB + 1}", session)
        self.assert_kind(verdict, "LIMIT")
        self.assert_kept(verdict)

    def test_depth_of_the_result(self):
        """One more container than the depth of a value, which counts what is in it."""
        session = self.session()
        nest = "a = 1\nfor i in range({}): a = [a]\na"
        value = self.client.value(nest.format(41), session)
        for _ in range(41):
            value, = value
        self.assertEqual(value, 1)
        verdict = self.client.eval(nest.format(42), session)
        self.assert_kind(verdict, "LIMIT")
        self.assertIn("40", verdict["error"]["message"])
        self.assert_kept(verdict)

    def test_queue(self):
        """queue: what waits here; up to 64 more stand in the worker already."""
        session = self.session()
        started = [self.client.start("while True: pass", session)]
        with self.assertRaises(http_api.ApiError) as caught:
            while len(started) <= 64 + 3:
                started.append(self.client.start("1", session))
        self.assertEqual(caught.exception.code, "resource_exhausted")
        self.assertIn("the maximum is 3", caught.exception.message)
        self.assertGreaterEqual(len(started), 1 + 3)
        for execution in reversed(started):
            self.client.call("ExecutionService/Cancel", {"executionId": execution})
        self.client.wait(started[0])
        self.assertEqual(self.client.value("6*7", session), 42)

    def test_kept_executions(self):
        """kept_executions: the oldest one is forgotten first."""
        session = self.session()
        ran = []
        for i in range(3 + 16 + 1):  # Tidied up 16 at a time.
            ran.append(self.client.start(str(i), session))
            self.client.wait(ran[-1])
        self.refused("not_found", "ExecutionService/Wait", {"executionId": ran[0]})
        for i in range(-3, 0):
            self.assertEqual(self.client.wait(ran[i])["result"], {"json": len(ran) + i})


class Waiting(DaemonCase):
    """Of what a tenant's waiting executions hold."""

    config = "[limits]\nqueue_bytes = \"4MiB\"\n"

    def test_queue_bytes(self):
        """queue_bytes: of sources and values, whatever their number; what has begun is not counted."""
        session = self.session()
        self.assertEqual(self.client.value("6*7" + " " * (4095 * KIB), session), 42)
        gate = self.client.start("while True: pass", session)
        # More than a pipe takes, which would be the worker's.
        large = "6*7" + " " * (3000 * KIB)
        waits = self.client.start(large, session)
        error = self.refused("resource_exhausted", "ExecutionService/Start",
                             {"eval": {"source": large, "session": session}})
        self.assertIn("queue_bytes", error.message)
        self.refused("resource_exhausted", "ExecutionService/Start",
                     {"eval": {"source": "x", "session": session, "jsonVariables": {"x": "y" * (3000 * KIB)}}})
        small = self.client.start("6*7" + " " * (900 * KIB), session)
        self.client.call("ExecutionService/Cancel", {"executionId": gate})
        for execution in (waits, small):
            self.assertEqual(self.client.wait(execution)["result"], {"json": 42})
        self.assertEqual(self.client.wait(self.client.start(large, session))["result"], {"json": 42})


class Deadlines(DaemonCase):
    """Of how long something may run."""

    # The bystander has no more time either.
    most = waiting.scaled(400)
    config = (f"[limits]\nmax_timeout = \"{most}ms\"\ntimeout = \"{waiting.scaled(300)}ms\"\n"
              "grace = \"200ms\"\n")

    def test_deadline(self):
        """timeout when none is named, max_timeout when too much is."""
        session = self.session()
        for named in ({}, {"timeoutMs": "3600000"}):
            verdict = self.client.eval("while True: pass", session, **named)
            self.assert_kind(verdict, "TIMEOUT")
            self.assert_kept(verdict)
        self.assertEqual(self.client.value("6*7", session, timeoutMs=self.most), 42)


class Sessions(DaemonCase):
    """How many there may be."""

    config = "[limits]\nsessions = 3\n"
    watched = False  # It has a session.

    def test_sessions(self):
        """sessions: one too many is refused, one-shots among them, and one closed is one free."""
        three = [self.session() for _ in range(3)]
        for method, message in (("SessionService/CreateSession", {}),
                                ("ExecutionService/Eval", {"source": "1"})):
            self.assertIn("3", self.refused("resource_exhausted", method, message).message)
        self.assertEqual(self.client.value("6*7", three[2]), 42)
        self.client.call("SessionService/CloseSession", {"session": three[0]})
        waiting.wait_for(self.serves, "a free place")

    def serves(self):
        """Whether a one-shot is taken."""
        try:
            return self.client.value("6*7") == 42
        except http_api.ApiError:
            return False


class Workers(DaemonCase):
    """Of each worker, enforced by the kernel."""

    config = ("[limits]\nmemory = \"64MiB\"\nworkspace = \"1MiB\"\nworkspace_inodes = 64\n"
              "threads = 8\ndescriptors = 32\n")

    def both(self, source, just_fits, too_much):
        """Evaluates with a number that fits, then with one that does not, in one session."""
        session = self.session()
        verdict = self.client.eval(source.format(just_fits), session)
        self.assertNotIn("error", verdict)
        verdict = self.client.eval(source.format(too_much), session)
        self.assertIn("error", verdict)
        self.assert_kept(verdict)
        self.assertEqual(self.client.value("6*7", session), 42)
        return verdict

    def test_memory(self):
        """memory."""
        self.assert_kind(self.both("x = bytearray({} << 20)\ndel x", 48, 65), "MEMORY")

    def test_workspace(self):
        """workspace."""
        verdict = self.both("import os\nwith open('f', 'wb') as f: f.write(bytes({}))\n"
                            "os.remove('f')", 900 * KIB, 1024 * KIB + 1)
        self.assert_kind(verdict, "IO")

    def test_inodes(self):
        """workspace_inodes."""
        verdict = self.both("for i in range({}): open(f'f{{i}}', 'w').close()", 48, 65)
        self.assert_kind(verdict, "IO")

    def test_threads(self):
        """threads, the main one among them."""
        verdict = self.both(
            "import threading\nstop = threading.Event()\nall = []\ntry:\n"
            "  for i in range({}):\n    t = threading.Thread(target=stop.wait)\n    t.start()\n"
            "    all.append(t)\n"
            "finally:\n  stop.set()\n  for t in all: t.join()", 7, 8)
        self.assertEqual(verdict["error"]["type"], "RuntimeError")

    def test_descriptors(self):
        """descriptors, with those that it has."""
        verdict = self.both(
            "import os\nhad = len(os.listdir('/proc/self/fd')) - 1 if os.path.exists("
            "'/proc/self/fd') else 5\n"
            "x = []\ntry:\n  for i in range({} - had): x.append(os.open('/dev/null', 0))\n"
            "finally:\n  for f in x: os.close(f)", 32, 33)
        self.assert_kind(verdict, "IO")


if __name__ == "__main__":
    unittest.main()
