# SPDX-License-Identifier: Apache-2.0
"""The least of a WebSocket client: whole frames out and in, for the JSON subprotocol."""

import base64
import json
import os
import socket
import struct

from . import waiting

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocket:
    """A connection to /v1/ws."""

    def __init__(self, address):
        """Connects and shakes hands."""
        self.socket = socket.create_connection(address, timeout=waiting.WATCHDOG)
        self.file = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((
            "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Protocol: vivarium.v1.json\r\n\r\n").encode())
        status = self.file.readline()
        if not status.startswith(b"HTTP/1.1 101 "):
            raise AssertionError(f"no handshake: {status}")
        while self.file.readline() != b"\r\n":
            pass

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
