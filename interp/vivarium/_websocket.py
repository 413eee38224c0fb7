# SPDX-License-Identifier: Apache-2.0
"""WebSockets to ASGI applications."""

from vivarium import Interrupted, _exchange


class WebSocket(_exchange.Exchange):
    __slots__ = ("asked", "accepted", "code", "refusal")

    def __init__(self, number):
        super().__init__(number)
        self.asked = self.accepted = False
        self.code = 1006
        self.refusal = None

    def take(self, kind, code, content):
        if kind == _exchange.DISCONNECT:
            self.code = code or 1005
            return self.leave()
        if kind in (_exchange.TEXT, _exchange.BINARY):  # Nothing else is a message.
            self.input.append((kind, content))
            _exchange.wake(self.receivers)

    async def receive(self):
        if not self.asked:
            self.asked = True
            return {"type": "websocket.connect"}
        while True:
            if self.input:
                kind, content = self.input.popleft()
                self.took(len(content) or 1)
                if kind == _exchange.TEXT:
                    return {"type": "websocket.receive", "text": content.decode()}
                return {"type": "websocket.receive", "bytes": content}
            if self.gone or self.complete:
                return {"type": "websocket.disconnect", "code": self.code}
            await self.wait_for(self.receivers)

    async def send(self, message):
        kind = message["type"]
        if self.complete:
            raise RuntimeError(f"Unexpected ASGI message '{kind}', after sending 'websocket.close'.")
        if self.gone:
            return await self.ignore()
        if not self.accepted:
            if kind == "websocket.accept":
                self.accepted = True
                headers = _exchange.checked_headers(message.get("headers") or ())
                return await self.put_in_turn((101, headers, (message.get("subprotocol") or "").encode("latin-1")))
            if kind != "websocket.close":
                raise RuntimeError(f"Expected ASGI message 'websocket.accept' or 'websocket.close', but got '{kind}'.")
            self.refusal = (403, [], b"")
        elif kind == "websocket.send":
            text = message.get("text")
            content = str(text) if text is not None else _exchange.checked_body(message["bytes"])
            return await self.put_in_turn(content)
        elif kind != "websocket.close":
            raise RuntimeError(f"Expected ASGI message 'websocket.send' or 'websocket.close', but got '{kind}'.")
        self.complete = True
        self.code = message.get("code", 1000)
        if self.accepted:
            self._say_goodbye(self.code, str(message.get("reason") or ""))
        _exchange.wake(self.receivers)
        self.flush_soon()

    def _say_goodbye(self, code, reason):
        self.put((code, reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")))

    def advance(self):
        if self.refusal is not None and not self.opened and not self.gone:
            self.put(self.refusal)
            self.put(None)

    def last_words(self):
        if self.gone:
            return
        if self.accepted:
            if not self.complete and not isinstance(self.error, Interrupted):  # Whoever stopped it says why.
                self._say_goodbye(1000 if self.error is None else 1011, "")
        elif self.refusal is not None:
            self.advance()
        elif self.error is None:
            self.error = RuntimeError("ASGI callable returned without sending handshake.")
