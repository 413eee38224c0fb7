# SPDX-License-Identifier: Apache-2.0
"""Asynchronous executions: tasks on one event loop per session. asyncio is imported when the first of
them comes. The loop runs only when the native side has nothing else to do (`turn`), and returns as
soon as a request arrives, so synchronous code never runs inside it."""

import contextvars

import _vivarium
from vivarium import Interrupted

_execution = contextvars.ContextVar("vivarium execution")
_finish = _vivarium.finish
_tasks = {}
_cancelled = set()


class _State:
    asyncio = None
    loop = None
    requests_fd = 3
    turning = False
    readable = False


def context():
    """The number of the execution whose context this is, or None."""
    return _execution.get(None)


def _the_loop():
    if _State.loop is None or _State.loop.is_closed():
        import asyncio

        _State.asyncio = asyncio
        _State.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(_State.loop)
    return _State.loop


def start(number, statements, value, _main_globals):
    loop = _the_loop()
    context = contextvars.copy_context()
    context.run(_execution.set, number)
    task = loop.create_task(_run(statements, value, _main_globals), name=f"execution {number}", context=context)
    _tasks[number] = task
    task.add_done_callback(lambda done: _end(number, done), context=contextvars.Context())
    # It begins before the next request does: one pass of the loop.
    loop.call_soon(loop.stop)
    _run_loop(loop)


async def _run(statements, value, namespace):
    result = None
    if statements is not None:
        result = _eval(statements, namespace)
        if statements.co_flags & 0x0080:
            await result
        result = None
    if value is not None:
        result = _eval(value, namespace)
        if value.co_flags & 0x0080:
            result = await result
    return result


_eval = eval


def _end(number, task):
    _tasks.pop(number, None)
    error = value = None
    if task.cancelled():
        error = _cancellation(number, task)
    else:
        error = task.exception()
        value = task.result() if error is None else None
    _cancelled.discard(number)
    if _State.turning:
        _State.loop.stop()  # So that the answer leaves.
    _finish(number, value, error)


def _cancellation(number, task):
    try:
        task.result()
    except _State.asyncio.CancelledError as error:
        if number in _cancelled:
            return Interrupted("the execution was interrupted").with_traceback(error.__traceback__)
        return error


def cancel(number):
    """Interrupts an execution. True: it is its code that runs right now, raise there."""
    task = _tasks.get(number)
    if task is None:
        return False
    current = _State.asyncio.current_task(_State.loop) if _State.turning else None
    here = current is not None and _execution.get(None) == number
    if current is not task:
        _cancelled.add(number)
        # Wakes a loop that waits.
        _State.loop.call_soon_threadsafe(task.cancel)
    return here


def busy():
    """Whether the loop has anything to run or to wait for."""
    loop = _State.loop
    if loop is None or loop.is_closed():
        return False
    if _tasks or _State.asyncio.all_tasks(loop):
        return True
    try:
        # The selector always has the loop's own wake-up pipe.
        return bool(loop._ready or loop._scheduled or len(loop._selector.get_map()) > 1)
    except AttributeError:
        return True  # Not asyncio's own loop.


def turn():
    """Runs the loop until a request arrives or an execution has ended. True: a request is there."""
    loop = _the_loop()
    _State.readable = False
    loop.add_reader(_State.requests_fd, _arrived)
    try:
        _run_loop(loop)
    finally:
        loop.remove_reader(_State.requests_fd)
    return _State.readable


def _run_loop(loop):
    _State.turning = True
    try:
        loop.run_forever()
    except BaseException:
        pass  # It is also the result of the task that raised it.
    finally:
        _State.turning = False


def _arrived():
    _State.readable = True
    _State.loop.stop()
