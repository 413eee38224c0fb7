# SPDX-License-Identifier: Apache-2.0
"""Requests to ASGI applications: scope, `receive` and `send`. A response that is complete when the
application returns is the result of its execution and costs one frame; any other is sent in items, as
the client has room for them."""

import contextvars

import _vivarium
from vivarium import _async
from vivarium._exchange import BODY, DISCONNECT, Exchange, checked_body, checked_headers, checked_status, wake
from vivarium._websocket import WebSocket

_whole = _vivarium.app_finish
_copy_context, _set_execution = contextvars.copy_context, _async._execution.set
_apps = _async.apps
_VERSION = {"version": "3.0", "spec_version": "2.3"}
_SLICE = 256 << 10  # A larger body goes in pieces.


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
    one = _Http(number, what[12], what[13]) if what[1] == "http" else WebSocket(number)
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


class _Http(Exchange):
    __slots__ = ("first", "more", "head", "held", "told_end")

    def __init__(self, number, body, more):
        super().__init__(number)
        self.first = (body, more)
        self.more = more  # The body is not wholly there.
        self.head = None
        self.held = None  # The last piece, until it is known whether the application returns.
        self.told_end = False

    def take(self, kind, code, content):
        if kind == DISCONNECT:
            return self.leave()
        self.input.append(content)
        self.more = kind == BODY
        wake(self.receivers)

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
        wake(self.receivers)
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
