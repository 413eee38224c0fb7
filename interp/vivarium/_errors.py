# SPDX-License-Identifier: Apache-2.0
"""Exceptions as plain data, for the native side to encode. Nothing an exception does when it is asked
about itself may escape; only an interrupt passes."""

import os
import traceback

from vivarium import Interrupted, _translate

SYNTAX, PYTHON, IMPORT, IO, MEMORY, PERMISSION = 1, 2, 4, 5, 6, 11
_KINDS = (
    (SyntaxError, SYNTAX),
    (ImportError, IMPORT),
    (PermissionError, PERMISSION),
    (OSError, IO),
    (MemoryError, MEMORY),
)
_OURS = os.path.dirname(__file__) + os.sep
_FRAMES_AT_MOST = 100
_STACK_AT_MOST = 1000
_NESTED_AT_MOST = 16
_ERRORS_AT_MOST = 64
_TEXT_AT_MOST = 64 << 10
_NAME_AT_MOST = 256
_LINE_AT_MOST = 1024
_ARGS_AT_MOST = 16
_CODE_AT_MOST = 64
_NOTHING = ()


class OperationError(Exception):
    """What the client asked for cannot be done, and no Python code is to blame."""

    def __init__(self, kind, code, message):
        super().__init__(message)
        self.kind, self.code = kind, code


def describe(error):
    """Returns (kind, type, module, bases, message, frames, traceback, cause, context, group, syntax, code,
    args, details)."""
    message = _message(error)  # First: the traceback module would swallow an interrupt of it.
    told = _told(error)
    if told is not None:
        _drop_our_frames(told, set())
    text = _cut(_formatted(told), _TEXT_AT_MOST)
    return _describe(error, told, message, text, 0, [_ERRORS_AT_MOST], set())


def _told(error):
    try:
        return traceback.TracebackException(
            type(error), error, error.__traceback__, limit=-_STACK_AT_MOST, compact=True
        )
    except Interrupted:
        raise
    except BaseException:
        return None


def _formatted(told):
    if told is None:
        return ""
    try:
        return "".join(told.format())
    except Interrupted:
        raise
    except BaseException:
        return ""


def _drop_our_frames(told, seen):
    if told is None or id(told) in seen:
        return
    seen.add(id(told))
    told.stack[:] = [frame for frame in told.stack if not frame.filename.startswith(_OURS)]
    for other in (told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ())):
        _drop_our_frames(other, seen)


def _describe(error, told, message, text, depth, budget, seen):
    budget[0] -= 1
    seen = seen | {id(error)}
    kind = type(error)

    def inner(other, other_told):
        if other is None or other_told is None or id(other) in seen or depth >= _NESTED_AT_MOST or budget[0] <= 0:
            return None
        message = getattr(other_told, "_str", None)
        message = _cut(message, _TEXT_AT_MOST) if isinstance(message, str) else _message(other)
        return _describe(other, other_told, message, "", depth + 1, budget, seen)

    cause, context = error.__cause__, error.__context__
    if cause is not None or error.__suppress_context__:
        context = None
    if kind is OperationError:
        # No exception of the tenant's: what it says is all there is to it.
        because = inner(cause, getattr(told, "__cause__", None))
        return (*_operation(error), _NOTHING, message, _NOTHING, "", because, None, _NOTHING, None,
                error.code[:_CODE_AT_MOST], _NOTHING, None)
    group = getattr(error, "exceptions", None) if isinstance(error, BaseExceptionGroup) else None
    told_group = getattr(told, "exceptions", None) or ()
    return (
        next((number for base, number in _KINDS if issubclass(kind, base)), PYTHON),
        _name(kind),
        _module(kind),
        tuple(_name(base) for base in kind.__mro__[1:-1][:32]),
        message,
        _frames(told),
        text,
        inner(cause, getattr(told, "__cause__", None)),
        inner(context, getattr(told, "__context__", None)),
        tuple(d for d in map(inner, group or (), told_group) if d is not None),
        _syntax(error) if isinstance(error, SyntaxError) else None,
        "",
        _args(error),
        _details(kind, message),
    )


def _operation(error):
    return (error.kind if type(error.kind) is int and 0 < error.kind < 64 else PYTHON), "", ""


def _args(error):
    args = BaseException.args.__get__(error)
    return args if len(args) <= _ARGS_AT_MOST else _NOTHING


def _details(kind, message):
    try:
        return _translate.details(kind, message)
    except Interrupted:
        raise
    except BaseException:
        return None


def _frames(told):
    stack = told.stack if told is not None else []
    if len(stack) > _FRAMES_AT_MOST:
        stack = [*stack[: _FRAMES_AT_MOST // 2], *stack[-_FRAMES_AT_MOST // 2 :]]
    return tuple(
        (_cut(frame.filename, _LINE_AT_MOST), _line(frame.lineno), _cut(frame.name, _NAME_AT_MOST),
         _cut((frame.line or "").strip(), _LINE_AT_MOST))
        for frame in stack
    )


def _message(error):
    try:
        return _cut(str(error), _TEXT_AT_MOST)
    except Interrupted:
        raise
    except BaseException:
        return "<exception str() failed>"


def _syntax(error):
    file = error.filename if isinstance(error.filename, str) else ""
    text = error.text if isinstance(error.text, str) else ""
    return (
        _cut(file, _LINE_AT_MOST), _line(error.lineno), _line(error.offset), _line(error.end_lineno),
        _line(error.end_offset), _cut(text.rstrip("\n"), _LINE_AT_MOST),
    )


def _line(number):
    return number if isinstance(number, int) and 0 < number < 2**31 else 0


def _name(kind):
    return _cut(type.__dict__["__qualname__"].__get__(kind), _NAME_AT_MOST)


def _module(kind):
    module = type.__dict__["__module__"].__get__(kind)
    return _cut(module, _NAME_AT_MOST) if isinstance(module, str) else ""


def _cut(text, most):
    """The text itself, exactly a str, with its middle cut out when it is long."""
    text = str.__str__(text)
    if len(text) <= most:
        return text
    half = most // 2 - 16
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
