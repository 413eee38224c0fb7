# SPDX-License-Identifier: Apache-2.0
"""The least of a WebSocket client: whole frames out and in, for the JSON subprotocol."""

import base64
import collections
import json
import os
import socket
import struct

from . import waiting

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocket:
    """A connection to /v1/ws."""

    def __init__(self, address, path="/v1/ws", protocol="vivarium.v1.json", headers=""):
        """Connects and shakes hands; headers are whole lines."""
        self.socket = socket.create_connection(address, timeout=waiting.WATCHDOG)
        self.file = self.socket.makefile("rb")
        self.last_id = 0
        self.others = collections.defaultdict(collections.deque)
        try:
            self.shake_hands(path, protocol, headers)
        except BaseException:
            self.close()
            raise

    def shake_hands(self, path, protocol, headers):
        """Makes a WebSocket of the connection."""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Protocol: {protocol}\r\n{headers}\r\n").encode())
        status = self.file.readline()
        if not status.startswith(b"HTTP/1.1 101 "):
            raise AssertionError(f"no handshake: {status}")
        while (line := self.file.readline()) != b"\r\n":
            if not line:
                raise AssertionError("no end of the handshake")

    def send_frame(self, opcode, data, final=True):
        """Sends one frame, masked as clients must."""
        size = len(data)
        if size < 126:
            head = struct.pack(">BB", final << 7 | opcode, 0x80 | size)
        elif size < 1 << 16:
            head = struct.pack(">BBH", final << 7 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack(">BBQ", final << 7 | opcode, 0x80 | 127, size)
        # A mask of zeros is one as well.
        self.socket.sendall(head + bytes(4) + data)

    def send(self, message):
        """Sends a message as JSON, or text as it is."""
        self.send_frame(TEXT, message if isinstance(message, bytes)
                        else json.dumps(message).encode())

    def receive(self):
        """Returns opcode and content of the next frame."""
        first, second = self.file.read(2)
        size = second & 0x7F
        if size == 126:
            size, = struct.unpack(">H", self.file.read(2))
        elif size == 127:
            size, = struct.unpack(">Q", self.file.read(8))
        return first & 0x0F, self.file.read(size)

    def answer(self):
        """Returns the next message, decoded."""
        while True:
            opcode, content = self.receive()
            if opcode == TEXT:
                return json.loads(content)
            if opcode != PING:
                raise AssertionError(f"frame of type {opcode}: {content}")
            self.send_frame(PONG, content)

    def begin(self, credit=0, **body):
        """Sends a request under a number of its own, which it returns."""
        self.last_id += 1
        self.send({"id": str(self.last_id), **body, **({"credit": credit} if credit else {})})
        return self.last_id

    def next_of(self, number):
        """Returns the next message to that request; those to others are kept."""
        while not self.others[number]:
            message = self.answer()
            self.others[int(message.get("id", 0))].append(message)
        return self.others[number].popleft()

    def ask(self, **body):
        """Sends a request and returns what answers it: the body's name and content."""
        message = self.next_of(self.begin(**body))
        [(name, content)] = [(k, v) for k, v in message.items() if k != "id"]
        return name, content

    def close_code(self):
        """Returns the code of the close frame that must come next."""
        opcode, content = self.receive()
        if opcode != CLOSE:
            raise AssertionError(f"frame of type {opcode}: {content}")
        return struct.unpack(">H", content[:2])[0]

    def close(self):
        """Closes without a word."""
        self.file.close()
        self.socket.close()

    def __enter__(self):
        """Returns itself."""
        return self

    def __exit__(self, *_):
        """Closes."""
        self.close()
