# SPDX-License-Identifier: Apache-2.0
"""WebSocket frames that must not be, clients that leave, ids by guess (threats 81, 83, 84)."""

import contextlib
import json
import socket
import struct
import unittest

from vivarium_testing import http_api, waiting
from vivarium_testing.attack import AttackCase
from vivarium_testing.ws import CLOSE, PING, PONG, TEXT, WebSocket

EVAL = "/vivarium.v1.ExecutionService/Eval"


class WebSockets(AttackCase):
    """81: frames."""

    def ends(self, data, *codes):
        """Sends raw bytes on a fresh WebSocket, which must be closed with one of these codes."""
        with WebSocket(self.daemon.address) as ws:
            ws.socket.sendall(data)
            opcode, content = ws.receive()
            while opcode in (PING, PONG):
                opcode, content = ws.receive()
            self.assertEqual(opcode, CLOSE, content)
            self.assertIn(struct.unpack(">H", content[:2])[0], codes)
        self.assert_unharmed()

    def test_frames(self):
        """Unmasked, reserved, oversized, fragmented control frames, junk in a close."""
        mask = bytes(4)
        for name, data, codes in (
                ("unmasked", b"\x81\x02{}", (1002,)),
                ("2^63", b"\x82\xff" + struct.pack(">Q", 1 << 63) + mask, (1002, 1009)),
                ("2^62", b"\x82\xff" + struct.pack(">Q", 1 << 62) + mask, (1002, 1009)),
                ("reserved bit", b"\xc1\x82" + mask + b"{}", (1002,)),
                ("reserved opcode", b"\x83\x80" + mask, (1002,)),
                ("control opcode", b"\x8b\x80" + mask, (1002,)),
                ("long ping", b"\x89\xfe\x00\x7e" + mask + bytes(126), (1002,)),
                ("fragmented ping", b"\x09\x80" + mask, (1002,)),
                ("continuation of nothing", b"\x80\x80" + mask, (1002,)),
                ("new message inside another", b"\x01\x80" + mask + b"\x81\x80" + mask, (1002,)),
                ("no UTF-8", b"\x81\x82" + mask + b"\xff\xfe", (1007,)),
                ("close of one byte", b"\x88\x81" + mask + b"x", (1002,)),
                ("close with junk", b"\x88\x82" + mask + struct.pack(">H", 1005), (1002,)),
                ("close with no UTF-8", b"\x88\x84" + mask + struct.pack(">H", 1000) + b"\xff\xfe",
                 (1007, 1002))):
            with self.subTest(name):
                self.ends(data, *codes)

    def test_fragments_without_an_end(self):
        """A byte at a time, with control frames between; ends by size at the latest."""
        with WebSocket(self.daemon.address) as ws:
            ws.send_frame(TEXT, b"{", final=False)
            for _ in range(2000):
                ws.send_frame(0, b" ", final=False)
            ws.send_frame(PING, b"between")
            opcode, content = ws.receive()
            self.assertEqual((opcode, content), (PONG, b"between"))
        self.assert_unharmed()

    def test_floods(self):
        """Pings, rubbish messages and requests that nobody reads the answers to."""
        session = self.session()
        with WebSocket(self.daemon.address) as ws:
            for _ in range(3000):
                ws.send_frame(PING, b"x" * 100)
        with WebSocket(self.daemon.address) as ws, contextlib.suppress(ConnectionError):
            for _ in range(300):
                ws.send(b'{"id":"1","nothing":{}}')
        with WebSocket(self.daemon.address) as ws, contextlib.suppress(ConnectionError):
            for i in range(1, 200):
                ws.send({"id": str(i), "eval": {"source": "'x' * 100_000", "session": session}})
        self.assert_unharmed()

    def test_ids(self):
        """Zero, reused, unknown, of nobody."""
        for message in ({"id": "0", "eval": {"source": "1"}}, {"eval": {"source": "1"}},
                        {"id": "-1", "eval": {"source": "1"}}, {"id": "18446744073709551616", "eval": {}},
                        {"id": "7", "moreCredit": 5}, {"id": "7", "cancel": {}}, {"id": "7"}, [], 7, "x", None,
                        {"id": "1", "eval": {"source": "1"}, "wait": {}}):
            with self.subTest(message), WebSocket(self.daemon.address) as ws:
                ws.send(message)
                ws.send({"id": "99", "eval": {"source": "6*7"}})
                seen = []
                while True:
                    opcode, content = ws.receive()
                    seen.append((opcode, content))
                    if opcode == CLOSE or (opcode == TEXT and json.loads(content).get("id") == "99"):
                        break
                self.assertTrue(seen)
        self.assert_unharmed()


class Leaving(AttackCase):
    """83: clients that go in the middle of everything."""

    def test_streams(self):
        """Item streams and followers: a thousand of them, gone at any moment."""
        session = self.session()
        running = self.client.start("import time\nwhile True:\n  print('x' * 100, flush=True)\n"
                                    "  time.sleep(0.001)", session, timeoutMs="600000")
        other = self.session()
        for i in range(1000):
            method, message = (("Follow", {"executionId": running}) if i % 2 else
                               ("Stream", {"eval": {"source": "iter(int, 1)", "session": other}}))
            body = http_api.envelope(json.dumps(message).encode())
            with socket.create_connection(self.daemon.address, timeout=waiting.WATCHDOG) as one:
                one.sendall(
                    f"POST /vivarium.v1.ExecutionService/{method} HTTP/1.1\r\nHost: localhost\r\n"
                    "Content-Type: application/connect+json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:len(body) - (i % 3)])
                if i % 15 == 0:
                    one.recv(1)
        self.client.call("ExecutionService/Cancel", {"executionId": running})
        self.at_rest(other)

    def test_creates_that_nobody_waits_for(self):
        """Not on the list: a hundred one-shots asked for at once by somebody who leaves: the workers
        that were ordered for them do not stay."""
        with WebSocket(self.daemon.address) as ws:
            for i in range(1, 101):
                ws.send({"id": str(i), "eval": {"source": "1"}})
        # The check for leaks finds every worker above the pool's size.

    def test_half_open_streams(self):
        """Not on the list: two hundred streams in one session that nobody takes an item of."""
        session = self.session()
        with WebSocket(self.daemon.address) as ws:
            for _ in range(200):
                ws.begin(credit=1, stream={"eval": {"source": "(bytes(1000) for i in iter(int, 1))",
                                                    "session": session}})
            self.assertEqual(self.client.value("6*7", session), 42)
            self.assert_unharmed()
        self.at_rest(session)


class Hoards(AttackCase):
    """Not on the list: what a client can make the daemon hold, by many things of an allowed size."""

    config = "[server]\narriving_bytes = \"8MiB\"\nunsent_bytes = \"32MiB\"\n[limits]\nqueue_bytes = \"8MiB\"\ngrace = \"300ms\"\n"

    def resident(self):
        """Resident bytes of the daemon, by its own word."""
        text = self.client.request("GET", "/metrics")[2].decode()
        [line] = [x for x in text.splitlines() if x.startswith("process_resident_memory_bytes ")]
        return float(line.split()[1])

    def test_half_bodies(self):
        """Sixty requests of 64 MiB each, of which 4 MiB come: hundreds of megabytes, or a refusal."""
        before = self.resident()
        with contextlib.ExitStack() as held:
            for _ in range(60):
                one = held.enter_context(socket.create_connection(self.daemon.address,
                                                                  timeout=waiting.WATCHDOG))
                with contextlib.suppress(ConnectionError):  # It may be told before it has said all.
                    one.sendall(f"POST {EVAL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
                                "\r\nContent-Length: 60000000\r\n\r\n".encode() + b" " * (4 << 20))
            self.assertEqual(self.client.value("6*7"), 42)
            self.assertLess(self.resident() - before, 80 << 20)
            self.assert_unharmed()

    def test_half_messages(self):
        """The same in fragments of WebSocket messages."""
        before = self.resident()
        with contextlib.ExitStack() as held:
            for _ in range(40):
                one = held.enter_context(WebSocket(self.daemon.address))
                with contextlib.suppress(ConnectionError):
                    for _ in range(16):
                        one.send_frame(TEXT if _ == 0 else 0, b" " * (1 << 18), final=False)
            self.assertEqual(self.client.value("6*7"), 42)
            self.assertLess(self.resident() - before, 80 << 20)
            self.assert_unharmed()

    def test_answers_that_nobody_takes(self):
        """Large answers for clients that read nothing: those who stall are closed, who reads is not."""
        session = self.session()
        body = json.dumps({"source": "'x' * 15_000_000", "session": session}).encode()
        before = self.connections()
        with contextlib.ExitStack() as held:
            for _ in range(30):
                one = held.enter_context(socket.socket())
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.connect(self.daemon.address)
                one.sendall(f"POST {EVAL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                            f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            self.assertEqual(len(self.client.value("'y' * 15_000_000", session)), 15_000_000)
            # Two fit.
            waiting.wait_for(lambda: self.connections() < before + 8, "those who stall to be closed")
            self.assert_unharmed()

    def connections(self):
        """Connections that the daemon has."""
        text = self.client.request("GET", "/metrics")[2].decode()
        [line] = [x for x in text.splitlines() if x.startswith("vivarium_connections ")]
        return float(line.split()[1])

    def test_queued_sources(self):
        """Large sources behind code that never ends, sent once and then named by a handle."""
        session = self.session()
        code = self.client.call("ExecutionService/Compile", {"source": "1" + " " * (4 << 20)})["code"]
        running = self.client.start("while True: pass", session, timeoutMs="60000")
        before = self.resident()
        refused = 0
        for _ in range(60):
            try:
                self.client.call("ExecutionService/Start", {"eval": {"session": session, "code": code}})
            except http_api.ApiError as error:
                self.assertEqual(error.code, "resource_exhausted", error)
                refused += 1
        self.assertGreater(refused, 50)
        self.assertLess(self.resident() - before, 80 << 20)
        self.assert_unharmed()
        self.client.call("ExecutionService/Cancel", {"executionId": running})


class Secrets(AttackCase):
    """84: what can be guessed, and what is written down."""

    def test_ids_are_not_enumerable(self):
        """128 random bits each; nothing that is next to one is one."""
        ids = [self.session() for _ in range(4)]
        tails = [i.partition("_")[2] for i in ids]
        self.assertTrue(all(len(t) >= 26 for t in tails), tails)
        for position in range(1, 20):
            self.assertFalse(all(t[position] == tails[0][position] for t in tails)
                             and all(t[position + 1] == tails[0][position + 1] for t in tails)
                             and all(t[position + 2] == tails[0][position + 2] for t in tails)
                             and all(t[position + 3] == tails[0][position + 3] for t in tails))
        near = ids[0][:-1] + ("a" if ids[0][-1] != "a" else "b")
        self.refused("not_found", "ExecutionService/Eval", {"source": "1", "session": near})

    def test_urls_and_headers_are_not_logged(self):
        """A key that somebody put where it does not belong stays out of the log."""
        self.client.request("GET", "/healthz?api_key=viv_a_s3cretkey")
        self.client.request("GET", "/nowhere?key=viv_a_s3cretkey",
                            headers={"authorization": "Bearer viv_a_s3cretkey"})
        self.client.request("POST", EVAL, b'{"source":"\'s3cretkey\'"}',
                            {"content-type": "application/json", "authorization": "Bearer s3cretkey"})
        self.assertNotIn("s3cretkey", self.daemon.log())


if __name__ == "__main__":
    unittest.main()
