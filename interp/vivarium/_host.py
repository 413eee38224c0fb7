# SPDX-License-Identifier: Apache-2.0
"""Calls to the application that owns the session: functions that it offers to Python, by name. A call
waits for its answer, a cast does not. Modules of the application's look like any other module."""

import _thread
import os
import sys
import types

import _vivarium
from vivarium import Interrupted, _async
from vivarium._errors import OperationError

_CAST, _SEND = 2, 3  # bridge::host_call::call_kind
_FAILED, _NOT_FOUND, _TIMEOUT, _UNAVAILABLE, _LIMIT = 2, 3, 4, 5, 6  # bridge::host_result::outcome
_NAME_AT_MOST = 200
_MS_AT_MOST = 2**40
_native_call, _native_open, _native_take = _vivarium.host_call, _vivarium.host_open, _vivarium.host_take
_native_forget, _native_cast, _flush = _vivarium.host_forget, _vivarium.host_cast, _vivarium.host_flush
_take_in = _vivarium.take_in
_thread_id = _thread.get_ident


class HostCallError(Exception):
    """A function of the application's failed, or could not be called. What the application says of its
    own error is in `type`, `message`, `traceback` and `data`; `name` is that of the function."""

    name = type = message = traceback = ""
    data = None

    def __reduce__(self):
        return _rebuilt, (type(self), self.args, self.__dict__)


class HostNotFoundError(HostCallError, LookupError):
    """Nobody offers the function."""


class HostTimeoutError(HostCallError, TimeoutError):
    """The answer did not come in time."""


class HostUnavailableError(HostCallError, ConnectionError):
    """Who should have answered is gone."""


class HostBusyError(HostCallError):
    """Too many calls, or too large ones, wait for their answers."""


def _rebuilt(kind, args, state):
    error = kind(*args)
    error.__dict__.update(state)
    return error


_TYPES = {
    _NOT_FOUND: HostNotFoundError, _TIMEOUT: HostTimeoutError, _UNAVAILABLE: HostUnavailableError,
    _LIMIT: HostBusyError,
}


def failure(kind, type_name, message, traceback, data):
    """Makes the exception for an answer that is none. The native side raises it."""
    error = _TYPES.get(kind, HostCallError)(f"{type_name}: {message}" if type_name else message)
    error.type, error.message, error.traceback, error.data = type_name, message, traceback, data
    if traceback:
        error.add_note("Traceback of the application:\n" + traceback)
    return error


def call(name, /, *args, _timeout=None, **kwargs):
    """Calls the application's function of that name, waits, and returns what it returns.

    _timeout: seconds to wait for the answer; None: as the daemon is configured.
    Raises HostCallError, or one of its subclasses."""
    return _call(name, args, kwargs, _timeout, 0)


async def acall(name, /, *args, _timeout=None, **kwargs):
    """`call` for asynchronous code: other tasks run meanwhile, and many calls may be under way."""
    return await _open(name, args, kwargs, _timeout, 0)


def cast(name, /, *args, **kwargs):
    """Calls the application's function of that name without waiting. What becomes of it nobody tells."""
    _cast(_CAST, name, args, kwargs, 0)


def send(destination, message, *, confirm=False):
    """Sends a message to a mailbox of the tenant's, by its name; those of one session arrive in order.

    confirm: waits for the daemon's word and returns how many mailboxes have it. Raises HostNotFoundError
    when there is none, HostBusyError when it is too large or too much waits. Otherwise nobody tells."""
    if confirm:
        return call("vivarium.send", destination, message)
    _cast(_SEND, destination, (message,), {}, 0)


async def asend(destination, message):
    """`send` for asynchronous code, confirmed."""
    return await acall("vivarium.send", destination, message)


class Message:
    """A message: its content, the id of the session that sent it (empty when a client did), what it was sent
    to, its number in this session's mailbox, and how many before it were dropped."""

    __slots__ = ("content", "sender", "to", "sequence", "lost_before")

    def __init__(self, content, sender="", to="", sequence=0, lost_before=0):
        self.content, self.sender, self.to = content, sender, to
        self.sequence, self.lost_before = sequence, lost_before

    def __repr__(self):
        return f"Message({self.content!r}, sender={self.sender!r}, to={self.to!r})"


def receive(timeout=None):
    """Waits for the next message to this session, by its id or name, and returns it.

    timeout: seconds to wait; None: as for a call. Raises HostTimeoutError, a TimeoutError."""
    return Message(**call("vivarium.receive", _timeout=timeout))


async def areceive(timeout=None):
    """`receive` for asynchronous code: other tasks run meanwhile."""
    return Message(**await acall("vivarium.receive", _timeout=timeout))


_relayed = None  # In a process that was forked: how the session's own makes the call.


def _call(name, args, kwargs, timeout, connection):
    if _relayed is not None:
        return _relayed(0, name, args, kwargs, timeout, connection)
    try:
        return _native_call(_checked(name), args, kwargs, _ms(timeout), connection)
    except HostCallError as error:
        error.name = name
        raise
    except OperationError as error:
        raise _cannot_travel(name, error) from None


def _cast(kind, name, args, kwargs, connection):
    if _relayed is not None:
        return _relayed(kind, name, args, kwargs, None, connection)
    try:
        _native_cast(kind, _checked(name), args, kwargs, connection)
    except OperationError as error:
        raise _cannot_travel(name, error) from None


def _checked(name):
    if type(name) is not str:
        if not isinstance(name, str):
            raise TypeError("the name of a function is a str")
        name = str.__str__(name)
    if not name or len(name.encode("utf-8", "replace")) > _NAME_AT_MOST or not name.isprintable():
        raise ValueError(f"a name has 1 to {_NAME_AT_MOST} bytes, all printable")
    return name


def _ms(timeout):
    if timeout is None:
        return 0
    if not timeout > 0:
        raise ValueError("a timeout is above 0 seconds")
    return min(max(1, int(timeout * 1000)), _MS_AT_MOST)


def _cannot_travel(name, error):
    text = str(error)
    for place, what in (("result[0]", "args"), ("result[1]", "kwargs")):
        if text.startswith(place):
            text = what + text[len(place):]
    text = text.partition(", or ask for a ref")[0]
    return TypeError(f"{name}: {text}")


# Asynchronous calls


class _Pump:
    """The calls of one event loop. It sees to it that somebody reads while they are open."""

    def __init__(self, loop):
        self.loop, self.thread, self.open, self.flushing = loop, _thread_id(), 0, False

    def begin(self):
        self.open += 1
        if not (_async._State.turning and self.loop is _async._State.loop):
            self.loop.add_reader(_async._State.requests_fd, _take_in)
        if not self.flushing:
            self.flushing = True
            self.loop.call_soon(self.flush)

    def flush(self):
        self.flushing = False
        _flush()

    def end(self):
        self.open -= 1
        if self.open == 0:
            _pumps.pop(self.loop, None)
            if not (_async._State.turning and self.loop is _async._State.loop):
                self.loop.remove_reader(_async._State.requests_fd)


class _Arrival:
    """What is called when an answer is there, on whichever thread read it."""

    __slots__ = ("pump", "future", "number")

    def __call__(self):
        if _thread_id() == self.pump.thread:
            self.settle()
        else:
            self.pump.loop.call_soon_threadsafe(self.settle)

    def settle(self):
        if self.future.done():
            return
        try:
            value = _native_take(self.number)
        except Interrupted:
            raise
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(value)

    def ended(self, future):
        self.pump.end()
        if future.cancelled():
            _native_forget(self.number)


_pumps = {}


async def _open(name, args, kwargs, timeout, connection):
    import asyncio

    loop = asyncio.get_running_loop()
    if _relayed is not None:
        return await loop.run_in_executor(None, _call, name, args, kwargs, timeout, connection)
    pump = _pumps.get(loop)
    if pump is None:
        pump = _pumps[loop] = _Pump(loop)
    arrival = _Arrival()
    arrival.pump, arrival.future = pump, loop.create_future()
    try:
        arrival.number = _native_open(_checked(name), args, kwargs, _ms(timeout), connection, arrival)
    except OperationError as error:
        raise _cannot_travel(name, error) from None
    pump.begin()
    arrival.future.add_done_callback(arrival.ended)
    try:
        return await arrival.future
    except HostCallError as error:
        error.name = name
        raise


# Functions as objects


class HostFunction:
    """A function of the application's. Calling it waits; `acall` is for asynchronous code."""

    __slots__ = ("_name", "_connection", "__weakref__")

    def __init__(self, name, connection=0):
        object.__setattr__(self, "_name", _checked(name))
        object.__setattr__(self, "_connection", connection)

    def __setattr__(self, name, value):
        raise AttributeError("a HostFunction cannot be changed")

    @property
    def name(self):
        """The name that the application knows it by."""
        return self._name

    def __call__(self, /, *args, _timeout=None, **kwargs):
        return _call(self._name, args, kwargs, _timeout, self._connection)

    async def acall(self, /, *args, _timeout=None, **kwargs):
        """Calls it from asynchronous code."""
        return await _open(self._name, args, kwargs, _timeout, self._connection)

    def cast(self, /, *args, **kwargs):
        """Calls it without waiting."""
        _cast(_CAST, self._name, args, kwargs, self._connection)

    def __eq__(self, other):
        if not isinstance(other, HostFunction):
            return NotImplemented
        return (self._name, self._connection) == (other._name, other._connection)

    def __hash__(self):
        return hash((HostFunction, self._name))

    def __reduce__(self):
        return HostFunction, (self._name, self._connection)

    def __repr__(self):
        return f"<function {self._name!r} of the application>"


_name_of = HostFunction._name.__get__


def function_name(function):
    return _name_of(function)


class _Names:
    """`host.any.dotted.name(...)`."""

    __slots__ = ("_path", "_waits")

    def __init__(self, path, waits):
        self._path, self._waits = path, waits

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # Questions of Python's own, as by copy and pickle.
        return _Names(f"{self._path}.{name}" if self._path else name, self._waits)

    def __call__(self, /, *args, _timeout=None, **kwargs):
        if not self._path:
            raise TypeError("name a function: host.any.dotted.name(...)")
        return (_call if self._waits else _open)(self._path, args, kwargs, _timeout, 0)

    def __repr__(self):
        return f"<{self._path or 'functions'!r} of the application>"


host = _Names("", True)
ahost = _Names("", False)


# Modules of the application's


class _HostModule(types.ModuleType):
    def __repr__(self):
        return f"<module {self.__name__!r} of the application>"


def install(modules):
    """Makes the modules that the session was created with. Each is (name, functions, constants,
    whether it may hide another). Raises ValueError before anything is changed."""
    for name, functions, constants, override in modules:
        _check_module(name, functions, constants, override)
    for name, functions, constants, _ in modules:
        module = _HostModule(name)
        module.__dict__.update(constants)
        for function in functions:
            _add(module, function)
        _place(name, module)


def _check_module(name, functions, constants, override):
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts) or len(name) > _NAME_AT_MOST:
        raise ValueError(f"{name!r} cannot be the name of a module")
    if parts[0] in ("vivarium", "_vivarium", "builtins", "sys", "__main__"):
        raise ValueError(f"the module {name!r} cannot be the application's")
    for function in functions:
        if not function.removeprefix("async ").isidentifier():
            raise ValueError(f"{function!r} cannot be the name of a function")
        if function.removeprefix("async ") in constants:
            raise ValueError(f"{name}.{function} is both a function and a constant")
    for constant in constants:
        if not constant.isidentifier():
            raise ValueError(f"{constant!r} cannot be the name of a constant")
    if not override and (name in sys.modules or _can_be_imported(name)):
        raise ValueError(f"there is a module {name!r} already; `override` puts the application's in its place")


def _can_be_imported(name):
    import importlib.util

    try:
        found = importlib.util.find_spec(name)
        # Ours give way to the application's.
        return found is not None and os.path.dirname(found.origin or "") != os.path.dirname(__file__)
    except (ImportError, ValueError, AttributeError):
        return False


def _add(module, function):
    name = function.removeprefix("async ")
    path = f"{module.__name__}.{name}"
    if function == name:

        def made(*args, _timeout=None, **kwargs):
            return _call(path, args, kwargs, _timeout, 0)

    else:

        async def made(*args, _timeout=None, **kwargs):
            return await _open(path, args, kwargs, _timeout, 0)

    made.__name__, made.__qualname__, made.__module__ = name, name, module.__name__
    made.__doc__ = "A function of the application's."
    module.__dict__[name] = made


def _place(name, module):
    sys.modules[name] = module
    parent, _, last = name.rpartition(".")
    if not parent:
        return
    around = sys.modules.get(parent)
    if around is None:
        around = _HostModule(parent)
        around.__path__ = []
        _place(parent, around)
    elif not hasattr(around, "__path__"):
        around.__path__ = []
    setattr(around, last, module)
