# SPDX-License-Identifier: Apache-2.0
"""What a session tells of itself: variables, interpreter, memory. Objects of tenants may do anything when
they are asked about themselves; only an interrupt passes."""

import gc
import io
import itertools
import os
import sys
import types

import _tracemalloc
import _vivarium
from vivarium import Interrupted
from vivarium._errors import OperationError

_INVALID_ARGUMENT = 15
_VARIABLES_AT_MOST = 10_000
_PACKAGES_AT_MOST = 10_000
_REPR_AT_MOST = 200
_NAME_AT_MOST = 256
_FRAMES_AT_MOST = 65_535  # Of tracemalloc.
_counts = _vivarium.counts


def inspect(namespace, what="", *arguments):
    if what == "variables":
        return variables(namespace)
    if what in _QUESTIONS:
        count, answer = _QUESTIONS[what]
        if len(arguments) == count:
            return answer(*arguments)
    raise OperationError(_INVALID_ARGUMENT, "operands", f"{what!r} cannot be inspected like this")


# Variables


def variables(namespace):
    """In the order they were first bound."""
    told = []
    for name, value in list(namespace.items()):
        if not issubclass(type(name), str) or str.startswith(name, "__") or issubclass(type(value), types.ModuleType):
            continue
        if len(told) == _VARIABLES_AT_MOST:
            break
        told.append((str.__str__(name)[:_NAME_AT_MOST], *_about(value)))
    return {"variables": told}


def _about(value):
    length = _guarded(len, value, None)
    size = _guarded(sys.getsizeof, value, 0)
    return type_name(type(value)), short_repr(value), length, min(size, 2**63 - 1)


def _guarded(function, value, otherwise):
    try:
        return function(value)
    except Interrupted:
        raise
    except BaseException:
        return otherwise


def type_name(kind):
    module = type.__dict__["__module__"].__get__(kind)
    name = type.__dict__["__qualname__"].__get__(kind)[:_NAME_AT_MOST]
    return name if module == "builtins" or not isinstance(module, str) else f"{module[:_NAME_AT_MOST]}.{name}"


def short_repr(value):
    """The beginning of the repr. Of big builtin containers no more is made than can be in it."""
    kind = type(value)
    if kind in (list, tuple, str, bytes, bytearray) and len(value) > _REPR_AT_MOST:
        value = value[:_REPR_AT_MOST]
    elif kind in (set, frozenset, dict) and len(value) > _REPR_AT_MOST:
        few = itertools.islice(value.items() if kind is dict else value, _REPR_AT_MOST)
        value = _guarded(kind, few, value)
    text = _guarded(repr, value, None)
    if text is None:
        return f"<{kind.__name__} object whose repr fails>"
    return str.__str__(text)[:_REPR_AT_MOST].encode("utf-8", "backslashreplace").decode()[:_REPR_AT_MOST]


# Interpreter


def interpreter():
    system = os.uname()
    return {
        "version": sys.version,
        "implementation": sys.implementation.name,
        "platform": f"{sys.platform} {system.machine} {system.sysname} {system.release}",
        "path": [entry for entry in list(sys.path) if isinstance(entry, str)],
        "packages": _packages(),
    }


def _packages():
    import importlib.metadata

    found = {}
    for one in itertools.islice(importlib.metadata.distributions(), _PACKAGES_AT_MOST):
        try:
            found.setdefault(str(one.metadata["Name"]), str(one.version))
        except Exception:  # A broken installation.
            continue
    return sorted(found.items())


# Memory


def memory():
    refs, namespaces, streams = _counts()
    tracing = _tracemalloc.is_tracing()
    traced, peak = _tracemalloc.get_traced_memory()
    return {
        "generations": [
            (count, threshold, one["collections"], one["collected"], one["uncollectable"])
            for count, threshold, one in zip(gc.get_count(), gc.get_threshold(), gc.get_stats())
        ],
        "enabled": gc.isenabled(), "tracing": tracing, "traced": traced, "traced_peak": peak,
        "refs": refs, "namespaces": namespaces, "streams": streams,
    }


def collect(generation):
    if generation is None:
        return {"collected": gc.collect()}
    if type(generation) is not int or not 0 <= generation <= 2:
        raise OperationError(_INVALID_ARGUMENT, "operands", "the generation is 0, 1 or 2")
    return {"collected": gc.collect(generation)}


def trace(enabled, frames):
    was_enabled = _tracemalloc.is_tracing()
    if enabled:
        if type(frames) is not int or not 0 <= frames <= _FRAMES_AT_MOST:
            raise OperationError(_INVALID_ARGUMENT, "operands", f"frames are at most {_FRAMES_AT_MOST}")
        _tracemalloc.start(frames or 1)
    else:
        _tracemalloc.stop()
    return {"was_enabled": was_enabled}


def flush():
    """Has what is buffered in open files written, as it would be at their end. Files of the code's own
    types are left to themselves."""
    kinds = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
    for thing in gc.get_objects():
        kind = type(thing)
        if kind in kinds:
            _guarded(kind.flush, thing, None)
    return {}


_QUESTIONS = {
    "flush": (0, flush),
    "interpreter": (0, interpreter),
    "memory": (0, memory),
    "collect": (1, collect),
    "tracemalloc": (2, trace),
}
