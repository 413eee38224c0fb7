# SPDX-License-Identifier: Apache-2.0
"""What clients do to a session without source: calls and operations on objects, context managers that
are held open for them, settings. The native side calls `operate`; whatever is still to be awaited comes
back as a `Pending`, and the event loop finishes it like a cell with a top-level await."""

import os
import sys

import _vivarium
from vivarium import Interrupted, _apps, _denied, _dirs, _gated, _host, _inspect
from vivarium._async import Pending
from vivarium._errors import OperationError

_CALL, _RELEASE_OWNER, _CONFIGURE, _LEAVE_CONTEXTS, _INSPECT = 3, 7, 8, 10, 11  # bridge::run_mode
INVALID_ARGUMENT = 15
_release_owner, _configure_refs = _vivarium.release_owner, _vivarium.configure_refs
_unraisable = _vivarium.unraisable
_import = __import__
_ITERABLE_COROUTINE = 0x0100
_workspace = "/"
_session_log = {"level": 2}  # vivarium.v1.LogLevel: below it no record is made.
_ref_bounds = [100_000, 0]  # As configured: how many, and how long in ms, 0 for ever.
_entered = []  # (owner, manager, how to leave it, whether that is asynchronous), oldest first.


def keep_workspace():
    """The present directory is the one below which `configure` may lead."""
    global _workspace
    _workspace = os.getcwd()  # The kernel's word, which has no links in it.


def operate(mode, operands, namespace, owner):
    if mode == _CALL:
        _arity(operands, 5)
        operation, target, name, args, kwargs = operands
        return call(namespace, owner, operation, target, name, args, kwargs)
    if mode == _INSPECT:
        return _inspect.inspect(namespace, *operands)
    if mode == _CONFIGURE:
        _arity(operands, 1)
        return configure(operands[0])
    if mode == _RELEASE_OWNER:
        _arity(operands, 1)
        return release_owner(operands[0])
    if mode in _apps.MODES:
        return _apps.operate(mode, operands, namespace)
    if mode == _LEAVE_CONTEXTS:
        return leave(lambda _: True, lambda: None)
    raise _invalid(f"there is no mode {mode}")


def _invalid(message, code="operands"):
    return OperationError(INVALID_ARGUMENT, code, message)


def _arity(args, count):
    if len(args) != count:
        raise _invalid(f"{count} arguments are needed, not {len(args)}")
    return args


# Calls


def call(namespace, owner, operation, target, name, args, kwargs):
    parts = name.split(".") if name else []
    last = None
    if operation in (_SET, _DELETE):
        if not parts:
            raise _invalid("the name of an attribute is needed")
        last = parts.pop()
    found = _begin(namespace, *target)
    for part in parts:
        found = getattr(found, part)
    if operation == _SET:
        return setattr(found, last, *_arity(args, 1))
    if operation == _DELETE:
        return delattr(found, last)
    if operation == _CALL_IT:
        return _settled(found(*args, **kwargs))
    if operation == _ENTER:
        return _enter(found, owner)
    if operation not in _OPERATIONS:
        raise _invalid(f"there is no operation {operation}")
    count, do = _OPERATIONS[operation]
    return do(found, *_arity(args, count))


def _begin(namespace, kind, what):
    if kind == "module":
        _import(what)
        return sys.modules[what]
    if kind == "variable":
        try:
            return namespace[what]
        except KeyError:
            raise NameError(f"name {what!r} is not defined", name=what) from None
    if kind == "value":
        return what
    raise _invalid(f"there is no target {kind!r}")


def _settled(value):
    return Pending(value) if _is_awaitable(value) else value


def _is_awaitable(value):
    if hasattr(type(value), "__await__"):
        return True
    code = getattr(value, "gi_code", None) if type(value).__name__ == "generator" else None
    return code is not None and bool(code.co_flags & _ITERABLE_COROUTINE)


def _set_item(found, key, value):
    found[key] = value


def _delete_item(found, key):
    del found[key]


def _iterate(found):
    return aiter(found) if hasattr(type(found), "__aiter__") and not hasattr(type(found), "__iter__") else iter(found)


def _take(found, count):
    if type(count) is not int or count < 0:
        raise _invalid("how many are to be taken is an int of at least 0")
    if hasattr(type(found), "__next__"):
        taken = []
        while len(taken) < count:
            try:
                taken.append(next(found))
            except StopIteration:
                break
        return taken
    if hasattr(type(found), "__anext__"):
        return Pending(_take_async(found, count))
    raise TypeError(f"{type(found).__name__!r} object is not an iterator")


async def _take_async(found, count):
    taken = []
    while len(taken) < count:
        try:
            taken.append(await anext(found))
        except StopAsyncIteration:
            break
    return taken


# Context managers


def _enter(manager, owner):
    kind = type(manager)
    if hasattr(kind, "__enter__"):
        leave_it = kind.__exit__
        value = kind.__enter__(manager)
        _entered.append((owner, manager, leave_it, False))
        return value
    if hasattr(kind, "__aenter__"):
        return Pending(_enter_async(manager, owner, kind.__aenter__, kind.__aexit__))
    raise TypeError(f"{kind.__name__!r} object does not support the context manager protocol")


async def _enter_async(manager, owner, enter_it, leave_it):
    value = await enter_it(manager)
    _entered.append((owner, manager, leave_it, True))
    return value


def _exit(manager):
    for place in range(len(_entered) - 1, -1, -1):
        if _entered[place][1] is manager:
            leave_it = _entered.pop(place)[2]
            return _settled(leave_it(manager, None, None, None))
    raise _invalid("it has not been entered, or it was left already", "not_entered")


def release_owner(owner):
    return leave(lambda entry: entry[0] == owner, lambda: _release_owner(owner))


def leave(which, then):
    """Leaves what was entered and not left, newest first, and ends with `then`. One that raises does not
    stop the others; an interrupt of one is passed on when all have been left."""
    mine = [entry for entry in reversed(_entered) if which(entry)]
    _entered[:] = [entry for entry in _entered if not which(entry)]
    if any(is_async for _, _, _, is_async in mine):
        return Pending(_leave_async(mine, then))
    interrupt = None
    for _, manager, leave_it, _ in mine:
        try:
            leave_it(manager, None, None, None)
        except Interrupted as error:
            interrupt = error
        except BaseException as error:
            _unraisable(error, leave_it)
    value = then()
    if interrupt is not None:
        raise interrupt
    return value


async def _leave_async(mine, then):
    import asyncio

    interrupt = None
    for _, manager, leave_it, is_async in mine:
        try:
            left = leave_it(manager, None, None, None)
            if is_async:
                await left
        except (Interrupted, asyncio.CancelledError) as error:
            interrupt = error
        except BaseException as error:
            _unraisable(error, leave_it)
    value = then()
    if interrupt is not None:
        raise interrupt
    return value


# Settings


def configure(settings):
    """Checks everything before anything takes effect."""
    unknown = set(settings) - {"cwd", "env", "max_refs", "ref_ttl_ms", "egress", "children", "modules", "log_level", "dirs",
                               "aws", "trust", "enter", "repeats"}
    if unknown:
        raise _invalid(f"there is no setting {sorted(map(str, unknown))[0]!r}")
    env = settings.get("env") or {}
    for name, value in env.items():
        _check_variable(name, value)
    most, ttl_ms = settings.get("max_refs"), settings.get("ref_ttl_ms")
    for number, least in ((most, 1), (ttl_ms, 0)):
        if number is not None and (type(number) is not int or not least <= number < 2**63):
            raise _invalid(f"bounds of refs are ints of at least {least}")
    policy, rules = settings.get("egress") or (None, ())
    if policy is not None or settings.get("children"):
        _denied.told(policy, tuple(rules), bool(settings.get("children")))
    if policy is not None or settings.get("aws") is not None:
        _gated.told(policy is not None, settings.get("aws"))
    if settings.get("repeats"):
        from vivarium import _determinism

        wanted = settings["repeats"]
        seed = wanted.get("seed")
        _determinism.install(None if seed is None else int(seed), wanted.get("clock"), bool(wanted.get("advances")))
    if settings.get("enter"):
        from vivarium import _enter

        _enter.enter(*settings["enter"])
    if settings.get("modules"):
        try:
            _host.install(settings["modules"])
        except ValueError as error:
            raise _invalid(str(error), "modules") from None
    if settings.get("log_level"):
        _session_log["level"] = settings["log_level"]
    if settings.get("dirs"):
        _dirs.told(*settings["dirs"])
    if settings.get("cwd"):
        os.chdir(_make_directory(settings["cwd"]))
    if settings.get("trust"):
        os.environ.update(_gated.trust(settings["trust"], "/tmp"))
    os.environ.update(env)
    if "TZ" in env:
        import time

        time.tzset()
    if most is not None or ttl_ms is not None:
        _ref_bounds[:] = [old if new is None else new for new, old in zip((most, ttl_ms), _ref_bounds)]
        _configure_refs(*_ref_bounds)


def _check_variable(name, value):
    if not isinstance(name, str) or not isinstance(value, str):
        raise _invalid("environment variables are str")
    if not name or "=" in name or "\0" in name or "\0" in value:
        raise _invalid(f"{name!r} cannot be an environment variable")
    try:
        os.fsencode(name), os.fsencode(value)
    except UnicodeEncodeError:
        raise _invalid(f"{name!r} cannot be an environment variable") from None


def _make_directory(path):
    if not isinstance(path, str) or "\0" in path or ".." in path.split("/"):
        raise _invalid("the working directory is a path below the workspace, without '..'", "cwd")
    whole = os.path.join(_workspace, path)  # Of an absolute path that one.
    if not _is_inside(whole):
        raise _invalid(f"{path!r} is outside of the workspace", "cwd")
    os.makedirs(whole, exist_ok=True)
    return whole


def _is_inside(path):
    real = os.path.realpath(path)
    return real == _workspace or real.startswith(_workspace.rstrip("/") + "/")


_CALL_IT, _SET, _DELETE, _ENTER = 1, 3, 4, 17  # vivarium.v1.Operation
_OPERATIONS = {  # How many arguments, and what to do.
    2: (0, lambda found: found),
    5: (1, lambda found, key: found[key]),
    6: (2, _set_item),
    7: (1, _delete_item),
    8: (0, repr),
    9: (0, str),
    10: (0, len),
    11: (0, _iterate),
    12: (1, lambda found, item: item in found),
    13: (0, bool),
    14: (0, hash),
    15: (0, dir),
    16: (1, _take),
    18: (0, _exit),
}
