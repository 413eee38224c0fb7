# SPDX-License-Identifier: Apache-2.0
"""Puts the interpreter into the shape that tenant code finds, and turns a process into a worker."""

import builtins
import linecache
import os
import random
import signal
import sys
import types

import _vivarium
import vivarium
from vivarium import _apps, _async, _compile, _denied, _display, _errors, _gated, _host, _ops, _streams, _uuid7, _values

WARM_UP = """
import vivarium
def fizzbuzz(n):
    out = []
    for i in range(1, n + 1):
        out.append("FizzBuzz" if i % 15 == 0 else "Fizz" if i % 3 == 0 else "Buzz" if i % 5 == 0 else str(i))
    return out
class thing:
    def __init__(self):
        self.lines = {f"{i}": (i, i / 2, None) for i in range(50)}
for line in fizzbuzz(100):
    print(line)
[fizzbuzz(20), thing().lines, {1, 2}, b"x", 2**80, True]
"""
SMALL = (
    "1 + 1",
    "x = 1",
    "x",
    "x = [i * i for i in range(10)]\nsum(x)",
    "print('x')",
    "import math\nmath.sqrt(2)",
    "def f(a, b=2):\n    return {'a': a, 'b': b}\nf(1)",
    "f'{x!r}: {len(x)}'",
    "if x:\n    y = sorted(x)\nelse:\n    y = None",
)
FRESH = """
import math
def f(n, step=1):
    out = []
    for i in range(1, n + 1, step):
        if i % 3 == 0:
            out.append("Fizz")
        elif i % 5 == 0:
            out.append("Buzz")
        else:
            out.append(str(i))
    return out
lines = f(100)
total = sum([1.5, 2, len(lines)]) / 2
sizes = {line: math.sqrt(len(line)) for line in lines}
print(", ".join(map(str, [total, 1])), f"{total:.2f}")
sorted(sizes.items())
"""
FAILURE = "def f():\n    return 1 / 0\nf()\n"


class _Exit:
    """`exit` and `quit`."""

    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return f"Use {self._name}() to end the execution"

    def __call__(self, code=None):
        raise SystemExit(code)


def _leave(status, _native=_vivarium.leave):
    """Exit to the system with specified status, without normal exit processing."""
    _native(status)


def _unraisable(
    told, _again=_vivarium.interrupt_again, _interrupted=vivarium.Interrupted, _tell=sys.__unraisablehook__
):
    """What CPython cannot raise where it happens is told, but for an interrupt, which must not get lost."""
    if told.exc_type is _interrupted:
        _again()
    else:
        _tell(told)


def prepare():
    """In the zygote: everything that can be done once for all workers."""
    os._exit = _leave
    _uuid7.install()
    _denied.install()
    _gated.install()
    builtins.exit, builtins.quit = _Exit("exit"), _Exit("quit")
    sys.argv = [""]
    sys.unraisablehook = _unraisable
    sys.stdout = sys.__stdout__ = _streams.OutputStream(1)
    sys.stderr = sys.__stderr__ = _streams.OutputStream(2)
    sys.stdin = sys.__stdin__ = _streams.open_stdin()
    os.environ.setdefault("MPLBACKEND", "module://vivarium._matplotlib")
    ours = os.path.dirname(os.path.dirname(_errors.__file__))
    shims = os.path.join(ours, "vivarium", "shims")  # For what is not installed.
    sys.path[:] = ["", *[entry for entry in sys.path if entry not in ("", ours)], shims]
    main = types.ModuleType("__main__")
    main.__builtins__ = builtins
    sys.modules["__main__"] = main
    namespace = main.__dict__
    _vivarium.setup(
        compile_whole=_compile.compile_whole,
        remember=_compile.remember,
        line_cache=linecache.cache,
        builtin_compile=compile,
        compile_flags=_compile.AWAIT,
        forget=_compile.forget,
        describe=_errors.describe,
        rich=_display.rich,
        async_start=_async.start,
        async_await=_async.start_pending,
        async_stream=_async.start_stream,
        async_resume=_async.resume_stream,
        async_close=_async.close_stream,
        async_turn=_async.turn,
        async_busy=_async.busy,
        async_may_turn=_async.may_turn,
        async_wake=_async.wake,
        host_failure=_host.failure,
        globals=namespace,
        context=_async.context,
        interrupted=vivarium.Interrupted,
        cancel=_async.cancel,
        app_request=_apps.request,
        app_space=_apps.space_for,
        app_input=_apps.take_input,
        operate=_ops.operate,
        pending=_async.Pending,
        operation_error=_errors.OperationError,
    )
    _vivarium.bind_values(**_values.NATIVE)
    signal.signal(_vivarium.interrupt_signal, _vivarium.on_interrupt)


def work(requests_fd, answers_fd, awaited=False):
    """Becomes a worker; does not return. One that is awaited begins at once: warming up would take
    longer than what it saves whoever waits."""
    _reseed()
    _async._State.requests_fd = requests_fd
    _ops.keep_workspace()
    _vivarium.open(answers_fd)
    if not awaited:
        _warm_worker()
    _vivarium.serve(requests_fd, sys.version)


def _warm_worker():
    """Pays for the copy-on-write faults of a first compilation and a first execution. Short, because
    every worker pays it: more of it was tried and saves less than it costs. The number makes the source
    one that the zygote has not compiled."""
    names = {"__name__": "__main__", "__builtins__": builtins}
    _vivarium.warm(f"{FRESH}# {os.getpid()}", names)


def warm_up():
    """In the zygote: touches what a first execution needs, so that it is there to be shared."""
    names = {"__name__": "__main__", "__builtins__": builtins}
    for source in (WARM_UP, FAILURE, *SMALL):
        _vivarium.warm(source, names)


def _reseed():
    # `random` has done so itself, in a handler that runs after a fork.
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()
