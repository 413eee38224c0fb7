# SPDX-License-Identifier: Apache-2.0
"""Requests to ASGI applications: scope, `receive` and `send`. A response that is complete when the
application returns is the result of its execution and costs one frame; any other is sent in items, as
the client has room for them."""

import collections
import contextvars

import _vivarium
from vivarium import _async

_open, _whole, _taken = _vivarium.app_open, _vivarium.app_finish, _vivarium.app_taken
_finish, _send_item, _flush = _vivarium.finish, _vivarium.send_item, _vivarium.host_flush
_copy_context, _set_execution = contextvars.copy_context, _async._execution.set
_apps = _async.apps
_BODY, _END, _TEXT, _BINARY, _DISCONNECT = 1, 2, 3, 4, 5  # bridge::app_input::input_kind
_VERSION = {"version": "3.0", "spec_version": "2.3"}
_TELL_TAKEN = 64 << 10  # Bytes of input after which the daemon is told that they are taken.
_SLICE = 256 << 10  # A larger body goes in pieces.
_IGNORED_AT_MOST = 16  # Sends to a client who has left, before they fail.


def scope_of(what, state):
    _, kind, method, version, scheme, path, raw_path, query, root_path, headers, client, server, _, _ = what
    scope = {
        "type": kind, "asgi": _VERSION.copy(), "http_version": version, "server": server, "client": client,
        "scheme": scheme, "root_path": root_path, "path": path, "raw_path": raw_path, "query_string": query,
        "headers": headers,
    }
    if kind == "http":
        scope["method"] = method
    else:
        scope["scheme"] = "wss" if scheme == "https" else "ws"
        scope["subprotocols"] = [
            name.strip() for key, value in headers if key == b"sec-websocket-protocol"
            for name in value.decode("latin-1").split(",")
        ]
    if state is not None:
        scope["state"] = state.copy()
    return scope


def begin(number, app, what):
    scope = scope_of(what, app.state)
    one = _Http(number, what[12], what[13]) if what[1] == "http" else _WebSocket(number)
    context = _copy_context()
    context.run(_set_execution, number)
    task = _async.run_now(number, context, app.call(scope, one.receive, one.send))
    if task.done():
        one.end(_async.end_now(number, task))
        return
    one.task = task
    _apps[number] = one
    task.add_done_callback(one.ended, context=contextvars.Context())
    one.advance()


class _Exchange:
    """What a request of any kind is: input that waits to be received, items that wait for credit."""

    __slots__ = ("number", "task", "input", "untaken", "receivers", "opened", "credit", "queue", "senders", "gone",
                 "ignored", "flushing", "complete", "ending", "error")

    def __init__(self, number):
        self.number = number
        self.task = None  # Once it has not ended with its first step.
        self.input = collections.deque()
        self.untaken = 0
        self.receivers = []
        self.opened = False  # Items may be sent.
        self.credit = True
        self.queue = collections.deque()
        self.senders = []
        self.gone = False
        self.ignored = 0
        self.flushing = False
        self.complete = False
        self.ending = False  # The application has returned.
        self.error = None

    # What the daemon says.

    def resume(self):
        self.credit = True
        while self.queue and self.credit:
            self._send(self.queue.popleft())
        if self.credit:
            _wake(self.senders)
        if self.ending and not self.queue:
            self._close()

    def leave(self):
        """The client is gone: nothing that is sent reaches anybody."""
        self.gone = True
        self.queue.clear()
        _wake(self.senders)
        _wake(self.receivers)
        if self.ending:
            self._close()

    def interrupt(self):
        self.queue.clear()
        self.error = _async.Interrupted("the execution was interrupted")
        self._close()

    # Input.

    def took(self, size):
        self.untaken += size
        if self.untaken and (self.untaken >= _TELL_TAKEN or not self.input):
            _taken(self.number, self.untaken)
            self.untaken = 0
            _flush()

    async def wait_for(self, waiters):
        waiting = _async.the_loop().create_future()
        waiters.append(waiting)
        try:
            await waiting
        finally:
            if waiting in waiters:
                waiters.remove(waiting)

    # Output.

    def _send(self, item):
        self.credit = _send_item(self.number, item) != _async.WAIT_FOR_CREDIT

    def put(self, item):
        if not self.opened:
            _open(self.number)
            self.opened = True
        if self.credit and not self.queue:
            self._send(item)
        else:
            self.queue.append(item)

    async def put_in_turn(self, item):
        """Sends, and waits until there is room for more."""
        self.put(item)
        self.flush_soon()
        while not self.credit and not self.gone:
            await self.wait_for(self.senders)

    async def ignore(self):
        self.ignored += 1
        if self.ignored > _IGNORED_AT_MOST:
            raise ConnectionResetError("the client has left")
        await _async.the_asyncio().sleep(0)

    def flush_soon(self):
        """Before the loop waits for anything. While it does not run, the worker's own loop sees to it."""
        if self.task is not None and not self.flushing:
            self.flushing = True
            _async.the_loop().call_soon(self.flush)

    def flush(self):
        self.flushing = False
        if not self.task.done():
            self.advance()
            _flush()

    def ended(self, task):
        self.end(_async.end_now(self.number, task))
        _flush()

    def end(self, error):
        self.error = error
        self.ending = True
        self.last_words()
        if not self.queue or self.gone:
            self._close()

    def _close(self):
        _apps.pop(self.number, None)
        _finish(self.number, None, self.error)


class _Http(_Exchange):
    __slots__ = ("first", "more", "head", "held", "told_end")

    def __init__(self, number, body, more):
        super().__init__(number)
        self.first = (body, more)
        self.more = more  # The body is not wholly there.
        self.head = None
        self.held = None  # The last piece, until it is known whether the application returns.
        self.told_end = False

    def take(self, kind, code, content):
        if kind == _DISCONNECT:
            return self.leave()
        self.input.append(content)
        self.more = kind == _BODY
        _wake(self.receivers)

    async def receive(self):
        if self.first is not None:
            body, more = self.first
            self.first = None
            return {"type": "http.request", "body": body, "more_body": more}
        while True:
            if self.input:
                body = self.input.popleft()
                self.took(len(body))
                return {"type": "http.request", "body": body, "more_body": bool(self.input) or self.more}
            if self.gone or self.complete:
                return {"type": "http.disconnect"}
            await self.wait_for(self.receivers)

    async def send(self, message):
        kind = message["type"]
        if self.head is None:
            if kind != "http.response.start":
                raise RuntimeError(f"Expected ASGI message 'http.response.start', but got '{kind}'.")
            self.head = (checked_status(message["status"]), checked_headers(message.get("headers") or ()))
            return self.flush_soon()
        if self.complete:
            raise RuntimeError(f"Unexpected ASGI message '{kind}' sent, after response already completed.")
        if kind != "http.response.body":
            raise RuntimeError(f"Expected ASGI message 'http.response.body', but got '{kind}'.")
        body = checked_body(message.get("body", b""))
        more = message.get("more_body", False)
        if self.gone:
            self.complete = not more
            return await self.ignore()
        while len(body) > _SLICE:
            await self.put_in_turn(self._piece(body[:_SLICE]))
            body = body[_SLICE:]
            if self.gone:
                return
        if more:
            return await self.put_in_turn(self._piece(body)) if body or not self.opened else None
        self.complete = True
        self.held = body
        _wake(self.receivers)
        self.flush_soon()

    def _piece(self, body):
        return body if self.opened else (*self.head, body)

    def advance(self):
        """The application goes on: what it has said so far leaves."""
        if self.gone or self.head is None:
            return
        self._put_held()
        if self.complete and not self.told_end:
            self.told_end = True
            self.put(None)

    def _put_held(self):
        held, self.held = self.held or b"", None
        if held or not self.opened:
            self.put(self._piece(held))

    def last_words(self):
        if self.gone:
            return
        if self.error is None and not self.complete:
            self.error = RuntimeError(
                "ASGI callable returned without starting response." if self.head is None
                else "ASGI callable returned without completing response."
            )
        if self.complete and self.error is not None:
            self.advance()
        elif self.complete and self.opened:
            self._put_held()

    def _close(self):
        if self.error is not None or self.opened or self.gone or not self.complete:
            return super()._close()
        _apps.pop(self.number, None)
        _whole(self.number, (*self.head, self.held))


class _WebSocket(_Exchange):
    __slots__ = ("asked", "accepted", "code", "refusal")

    def __init__(self, number):
        super().__init__(number)
        self.asked = self.accepted = False
        self.code = 1006
        self.refusal = None

    def take(self, kind, code, content):
        if kind == _DISCONNECT:
            self.code = code or 1005
            return self.leave()
        self.input.append((kind, content))
        _wake(self.receivers)

    async def receive(self):
        if not self.asked:
            self.asked = True
            return {"type": "websocket.connect"}
        while True:
            if self.input:
                kind, content = self.input.popleft()
                self.took(len(content) or 1)
                if kind == _TEXT:
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
                headers = checked_headers(message.get("headers") or ())
                return await self.put_in_turn((101, headers, (message.get("subprotocol") or "").encode("latin-1")))
            if kind != "websocket.close":
                raise RuntimeError(f"Expected ASGI message 'websocket.accept' or 'websocket.close', but got '{kind}'.")
            self.refusal = (403, [], b"")
        elif kind == "websocket.send":
            text = message.get("text")
            content = str(text) if text is not None else checked_body(message["bytes"])
            return await self.put_in_turn(content)
        elif kind != "websocket.close":
            raise RuntimeError(f"Expected ASGI message 'websocket.send' or 'websocket.close', but got '{kind}'.")
        self.complete = True
        self.code = message.get("code", 1000)
        if self.accepted:
            self._say_goodbye(self.code, str(message.get("reason") or ""))
        _wake(self.receivers)
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
            if not self.complete:
                self._say_goodbye(1000 if self.error is None else 1011, "")
        elif self.refusal is not None:
            self.advance()
        elif self.error is None:
            self.error = RuntimeError("ASGI callable returned without sending handshake.")


class _Collected(_Http):
    """One whose response is gathered here: `put` keeps it."""

    __slots__ = ("parts",)

    def __init__(self, body):
        super().__init__(0, body, False)
        self.parts = []

    async def put_in_turn(self, item):
        self.opened = True
        self.parts.append(item if type(item) is bytes else item[2])

    def flush_soon(self):
        pass


async def whole(app, what):
    """Asks and returns the whole response."""
    one = _Collected(what[12])
    await app.call(scope_of(what, app.state), one.receive, one.send)
    if not one.complete:
        raise RuntimeError("ASGI callable returned without completing response.")
    return (*one.head, b"".join((*one.parts, one.held)))


def checked_status(status):
    if not isinstance(status, int) or not 100 <= status <= 999 or status == 101:
        raise ValueError(f"{status!r} is no status of a response")
    return int(status)


def checked_headers(headers):
    checked = []
    for name, value in headers:
        if type(name) is not bytes or type(value) is not bytes:
            raise TypeError(f"names and values of headers are bytes, unlike ({name!r}, {value!r})")
        checked.append((name, value))
    return checked


def checked_body(body):
    if type(body) is bytes:
        return body
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise TypeError(f"the body of a response is bytes, not {type(body).__name__}")
    return bytes(body)


def _wake(waiters):
    for waiting in waiters:
        if not waiting.done():
            waiting.set_result(None)
    waiters.clear()
