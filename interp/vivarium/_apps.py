# SPDX-License-Identifier: Apache-2.0
"""Web applications that live in the session: they are booted, asked and closed by the daemon, which has
the sockets. ASGI applications run on the session's event loop, WSGI ones on the main thread."""

import functools
import sys
import types

from vivarium import Interrupted, _asgi, _async, _wsgi
from vivarium._async import Pending
from vivarium._errors import OperationError

_BOOT, _CLOSE, _INVOKE = 20, 22, 23  # bridge::run_mode
MODES = (_BOOT, _CLOSE, _INVOKE)
_NOT_FOUND, _INVALID_ARGUMENT = 10, 15
_import = __import__
_IS_COROUTINE_FUNCTION = 0x80
_booted = {}  # By the daemon's numbers.


class _App:
    __slots__ = ("call", "kind", "lifespan", "state")

    def __init__(self, call, kind):
        self.call, self.kind = call, kind
        self.lifespan = None
        self.state = None  # What its lifespan leaves for requests.


def space_for(filename):
    """A module for source that an application is booted from: it can be imported by its name, and it is not
    the main program, which would start a server of its own."""
    name = "".join(c if c.isidentifier() or c.isdigit() else "_" for c in filename.removesuffix(".py")) or "app"
    if name[0].isdigit() or (name in sys.modules and not hasattr(sys.modules[name], "__vivarium_app__")):
        name = f"app_{name}"
    made = types.ModuleType(name)
    made.__file__, made.__vivarium_app__ = filename, True
    made.__builtins__ = sys.modules["builtins"]
    sys.modules[name] = made
    return made.__dict__


def operate(mode, operands, namespace):
    if mode == _BOOT:
        number, *where = operands
        return Pending(_boot(number, _find(namespace, *where)))
    if mode == _INVOKE:
        module, name, kind, what = operands
        return Pending(_invoke(_find(namespace, module, name, kind), what))
    app = _booted.pop(operands[0], None)
    return Pending(_close(app)) if app is not None else None


def _find(namespace, module, name, kind):
    if module is None:
        if name not in namespace:
            raise OperationError(_NOT_FOUND, "no_app", f"the source defines no {name!r}, which the application would be")
        found = namespace[name]
    else:
        _import(module)
        found = sys.modules[module]
        for part in name.split("."):
            found = getattr(found, part)
    return _App(found, kind or _kind_of(found, name))


def _kind_of(found, name):
    call = found
    while isinstance(call, functools.partial):
        call = call.func
    if not isinstance(call, (types.FunctionType, types.MethodType, type)):
        call = getattr(type(call), "__call__", None)
    code = getattr(call, "__code__", None)
    if code is not None and code.co_flags & _IS_COROUTINE_FUNCTION:
        return "asgi"
    if callable(found) and not isinstance(found, type):
        import inspect

        try:
            wanted = [p for p in inspect.signature(found).parameters.values()
                      if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty]
        except (TypeError, ValueError):
            wanted = ()
        if len(wanted) in (2, 3):
            return "wsgi" if len(wanted) == 2 else "asgi"
    raise OperationError(
        _INVALID_ARGUMENT, "no_app",
        f"{name!r} is neither an ASGI 3 application, `async def app(scope, receive, send)`, nor a WSGI one, "
        f"`def app(environ, start_response)`: it is of type {type(found).__name__!r}",
    )


async def _boot(number, app):
    await _start(app)
    _booted[number] = app
    return app.kind


async def _start(app):
    if app.kind == "asgi":
        _async.keep_root()
        app.lifespan = _Lifespan(app.call)
        app.state = await app.lifespan.begin()


async def _close(app):
    if app.lifespan is not None:
        await app.lifespan.end()


async def _invoke(app, what):
    await _start(app)
    try:
        if app.kind == "wsgi":
            return _wsgi.whole(app.call, what)
        return await _asgi.whole(app, what)
    finally:
        await _close(app)


class _Lifespan:
    """The lifespan protocol of one application. One that knows nothing of it is as good."""

    def __init__(self, call):
        self._call = call
        self._loop = _async.the_loop()
        self._asked = False
        self._begun = self._loop.create_future()
        self._stop = self._loop.create_future()
        self._failed = None  # What the application says of it.
        self._task = None

    async def begin(self):
        """Returns the state for requests; None when the application has no lifespan. Raises what kept it from
        starting."""
        import asyncio

        state = {}
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        self._task = task = self._loop.create_task(self._call(scope, self._receive, self._send))
        try:
            await asyncio.wait((task, self._begun), return_when=asyncio.FIRST_COMPLETED)
            if self._failed is not None:
                await asyncio.wait((task,))
        except BaseException:
            task.cancel()
            raise
        error = None if not task.done() or task.cancelled() else task.exception()
        if self._failed is not None:
            raise error or RuntimeError(self._failed or "the application's startup failed")
        if isinstance(error, Interrupted):
            raise error
        if not self._begun.done():
            self._task = None
            return None
        if error is not None:
            raise error
        return state

    async def end(self):
        task = self._task
        if task is None:
            return
        import asyncio

        if not self._stop.done():
            self._stop.set_result(None)
        try:
            await asyncio.wait((task,))
        except BaseException:
            task.cancel()
            raise
        error = None if task.cancelled() else task.exception()
        if error is not None:
            raise error

    async def _receive(self):
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        me = _async.the_asyncio().current_task()
        _async.resting.add(me)
        try:
            await self._stop
        finally:
            _async.resting.discard(me)
        return {"type": "lifespan.shutdown"}

    async def _send(self, message):
        kind = message["type"]
        if not kind.startswith("lifespan."):
            raise RuntimeError(f"Unexpected ASGI message '{kind}' during the lifespan.")
        if kind == "lifespan.startup.failed":
            self._failed = str(message.get("message", ""))
        elif kind == "lifespan.shutdown.failed" and message.get("message"):
            raise RuntimeError(str(message["message"]))
        if kind.startswith("lifespan.startup.") and not self._begun.done():
            self._begun.set_result(None)


def request(number, what):
    """Begins a request, which ends now or as an asynchronous execution does. Returns None, or what a synchronous
    execution is to call for its value."""
    app = _booted.get(what[0])
    if app is None:
        raise OperationError(_NOT_FOUND, "no_app", "the application is not there any more")
    if app.kind == "wsgi":
        return _wsgi.begin(number, app.call, what)
    return _asgi.begin(number, app, what)


def take_input(number, kind, code, content):
    one = _async.apps.get(number)
    if one is not None:
        one.take(kind, code, content)
