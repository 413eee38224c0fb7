# SPDX-License-Identifier: Apache-2.0
"""What requests of HTTP and WebSockets to ASGI applications have in common: input that waits to be
received, items that wait for credit, an end that may come before all of them have left."""

import collections

import _vivarium
from vivarium import _async

_open, _taken = _vivarium.app_open, _vivarium.app_taken
_finish, _send_item, _flush = _vivarium.finish, _vivarium.send_item, _vivarium.host_flush
_apps = _async.apps
BODY, END, TEXT, BINARY, DISCONNECT = 1, 2, 3, 4, 5  # bridge::app_input::input_kind
_TELL_TAKEN = 64 << 10  # Bytes of input after which the daemon is told that they are taken.
_IGNORED_AT_MOST = 16  # Sends to a client who has left, before they fail.


class Exchange:
    """One request."""

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
            wake(self.senders)
        if self.ending and not self.queue:
            self._close()

    def leave(self):
        """The client is gone: nothing that is sent reaches anybody."""
        self.gone = True
        self.queue.clear()
        wake(self.senders)
        wake(self.receivers)
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


def wake(waiters):
    for waiting in waiters:
        if not waiting.done():
            waiting.set_result(None)
    waiters.clear()
