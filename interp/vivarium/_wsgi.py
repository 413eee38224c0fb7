# SPDX-License-Identifier: Apache-2.0
"""Requests to WSGI applications (PEP 3333). They run on the main thread, one at a time; the body of the
response is iterated as a stream's items are, so it is computed as the client takes it."""

import functools
import io
import sys

import _vivarium
from vivarium import _async
from vivarium._exchange import DISCONNECT, END, checked_status

_HOLD_AT_MOST = 256 << 10  # A larger chunk is an item of its own.


def begin(number, call, what):
    """Returns what is to be called now, when the body is there. When it is not, the execution waits: who uploads
    slowly keeps nobody else from being served."""
    if not what[13]:
        return functools.partial(_ask, call, what, what[12])
    one = _Upload(number, what[12])
    _async.apps[number] = one
    _async.launch(number, one.ask(call, what))
    return None


def whole(call, what):
    response = _Response(call, environ_of(what, what[12]))
    body = b"".join(response)
    return (*response.head, body)


def _ask(call, what, body):
    """Returns the whole response, a tuple, or an iterator of its items."""
    response = _Response(call, environ_of(what, body))
    return response.whole() or _items(response)


def _items(response):
    with response:
        first = True
        for chunk in response:
            if first:
                first = False
                yield (*response.head, b"")
            for at in range(0, len(chunk), _HOLD_AT_MOST):
                yield chunk[at : at + _HOLD_AT_MOST]
        if first:
            yield (*response.head, b"")


class _Upload:
    """Gathers a body that has not wholly come."""

    def __init__(self, number, first):
        self.number, self.parts, self.size = number, [first], len(first)
        self.done = _async.the_loop().create_future()

    def take(self, kind, code, content):
        if kind == DISCONNECT:
            return self.leave()
        self.parts.append(content)
        if content:
            _vivarium.app_taken(self.number, len(content))
            _vivarium.host_flush()
        if kind == END and not self.done.done():
            self.done.set_result(True)

    def resume(self):
        pass

    def leave(self):
        if not self.done.done():
            self.done.set_result(False)

    def interrupt(self):
        self.leave()

    async def ask(self, call, what):
        try:
            if not await self.done:
                raise ConnectionResetError("the client left before its request had wholly come")
        finally:
            _async.apps.pop(self.number, None)
        return _ask(call, what, b"".join(self.parts))


class _Response:
    """A response as it comes: its head is there with the first chunk."""

    def __init__(self, call, environ):
        self.head = None
        self._written = []
        self._result = call(environ, self._start)
        self._iterator = None

    def _start(self, status, headers, exc_info=None):
        if exc_info is not None and self.head is not None and self._iterator is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        if exc_info is None and self.head is not None:
            raise AssertionError("start_response() was called twice")
        code = status.split(" ", 1)[0]
        self.head = (
            checked_status(int(code)),
            [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        )
        return self._written.append

    def _checked(self, chunk):
        if type(chunk) is not bytes:
            raise TypeError(f"the body of a response is bytes, not {type(chunk).__name__}")
        if chunk and self.head is None:
            raise AssertionError("start_response() was not called before the body")
        return chunk

    def whole(self):
        """The response, if it takes no waiting to have all of it; else None."""
        body = self._result
        if type(body) not in (list, tuple) or len(body) > 1 or self._written:
            return None
        chunk = self._checked(body[0]) if body else b""
        if self.head is None:
            raise AssertionError("start_response() was not called")
        return None if len(chunk) > _HOLD_AT_MOST else (*self.head, chunk)

    def __iter__(self):
        with self:
            for chunk in self._result:
                self._iterator = True
                self._checked(chunk)
                if self._written:
                    chunk = b"".join((*self._written, chunk))
                    self._written.clear()
                if chunk:
                    yield chunk
            if self.head is None:
                raise AssertionError("start_response() was not called")
            if self._written:
                yield b"".join(self._written)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        close, self._result = getattr(self._result, "close", None), ()
        if close is not None:
            close()


def environ_of(what, body):
    _, _, method, version, scheme, path, _, query, root_path, headers, client, server, _, _ = what
    latin = lambda text: text.encode("utf-8").decode("latin-1")  # noqa: E731
    environ = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": latin(root_path), "PATH_INFO": latin(path),
        "QUERY_STRING": query.decode("latin-1"), "SERVER_PROTOCOL": f"HTTP/{version}", "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]), "REMOTE_ADDR": client[0], "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0), "wsgi.url_scheme": scheme, "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr, "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    for name, value in headers:
        name, value = name.decode("latin-1").upper().replace("-", "_"), value.decode("latin-1")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    environ.setdefault("CONTENT_LENGTH", str(len(body)) if body else "")
    return environ
