# SPDX-License-Identifier: Apache-2.0
"""Asynchronous executions: tasks on one event loop per session. asyncio is imported when the first of
them comes. The loop runs only when the native side has nothing else to do (`turn`), and returns as
soon as a request arrives, so synchronous code never runs inside it.

The items of an asynchronous stream are sent by a task of the same kind, which waits for credit between
them."""

import contextvars

import _vivarium
from vivarium import Interrupted

WAIT_FOR_CREDIT, LET_OTHERS_RUN = 1, 2

_execution = contextvars.ContextVar("vivarium execution")
_finish = _vivarium.finish
_send_item = _vivarium.send_item
_take_in = _vivarium.take_in
_unraisable = _vivarium.unraisable
_anext = anext
_tasks = {}
_starting = set()  # Executions that have no task yet: importing asyncio takes a while.
_cancelled = set()
_closing = set()
_credit = {}
apps = {}  # Requests to web applications: they have credit and end in their own way.
resting = set()  # Tasks that wait for the daemon and for nothing else.


class _State:
    asyncio = None
    known = None  # Every task there is, where asyncio has such a set: it is quicker to count than to look.
    loop = None
    root = None  # A task that only rests.
    requests_fd = 3
    turning = False


def context():
    """The number of the execution whose context this is, or None."""
    return _execution.get(None)


def the_loop():
    if _State.loop is None or _State.loop.is_closed():
        import asyncio

        _State.asyncio = asyncio
        _State.known = getattr(asyncio.tasks, "_all_tasks", None)
        _State.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(_State.loop)
    return _State.loop


def keep_root():
    """Sees to it that there is a task as old as the loop. anyio, through which FastAPI calls handlers that are
    not asynchronous, ends its threads with the task that `run_until_complete` was given; where there is none,
    with each request."""
    loop = the_loop()
    if _State.root is not None and not _State.root.done() and _State.root.get_loop() is loop:
        return
    resting.discard(_State.root)
    _State.root = loop.create_task(_rest(loop), name="root")
    resting.add(_State.root)
    is_root = getattr(_State.asyncio.base_events, "_run_until_complete_cb", None)
    if is_root is not None:
        _State.root.add_done_callback(is_root)


async def _rest(loop):
    await loop.create_future()


def the_asyncio():
    """The module, which is there with the first execution that needs it."""
    return _State.asyncio


class Pending:
    """What an operation has begun and the loop is to finish. The native side knows it by its type."""

    __slots__ = ("awaitable",)

    def __init__(self, awaitable):
        self.awaitable = awaitable


def start(number, statements, value, namespace):
    launch(number, _run(statements, value, namespace))


def start_pending(number, pending):
    launch(number, _wait_for(pending.awaitable))


def start_stream(number, iterator):
    launch(number, _pump(number, iterator))


def run_now(number, context, coroutine):
    """Has an execution's coroutine take its first step at once: most requests to applications are over with
    it, and none needs a pass of the loop. Returns the task, which has a step to go when the loop runs already."""
    loop = the_loop()
    if _State.asyncio._get_running_loop() is not None:
        _tasks[number] = task = loop.create_task(coroutine, context=context)
        return task
    loop.call_soon = _keep_step
    try:
        _tasks[number] = task = _State.asyncio.Task(coroutine, loop=loop, context=context)
    finally:
        del loop.call_soon
    if number in _cancelled:
        task.cancel()
    _State.turning = True
    _set_running = _State.asyncio._set_running_loop
    _set_running(loop)
    try:
        context.run(_steps.pop())
    except BaseException:
        pass  # It is also the result of the task that raised it.
    finally:
        _set_running(None)
        _State.turning = False
    return task


_steps = []


def _keep_step(step, *, context=None):
    _steps.append(step)


def end_now(number, task):
    """Takes a task that has ended off the books; returns its exception, or None."""
    _tasks.pop(number, None)
    error = _cancellation(number, task) if task.cancelled() else task.exception()
    _cancelled.discard(number)
    return error


def launch(number, coroutine):
    _starting.add(number)
    try:
        loop = the_loop()
    except BaseException:
        _starting.discard(number)
        _cancelled.discard(number)
        raise
    context = contextvars.copy_context()
    context.run(_execution.set, number)
    task = loop.create_task(coroutine, name=f"execution {number}", context=context)
    _tasks[number] = task
    _starting.discard(number)
    if number in _cancelled:
        task.cancel()
    task.add_done_callback(lambda done: _end(number, done), context=contextvars.Context())
    if not _State.turning:
        # It begins before the next request does: one pass of the loop.
        loop.call_soon(loop.stop)
        _run_loop(loop)


async def _wait_for(awaitable):
    return await awaitable


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


async def _pump(number, iterator):
    """Sends items while there is credit. Nothing else closes the iterator, and it is always closed but
    after its last item."""
    try:
        while number not in _closing:
            try:
                item = await _anext(iterator)
            except StopAsyncIteration:
                return
            if number in _closing:
                break
            then = _send_item(number, item)
            del item
            if then == WAIT_FOR_CREDIT:
                await _wait_for_credit(number)
            elif then == LET_OTHERS_RUN:
                await _State.asyncio.sleep(0)
    except _State.asyncio.CancelledError:
        if number not in _closing:
            await _close(number, iterator)
            raise
    except BaseException:
        await _close(number, iterator)
        raise
    await _close(number, iterator)


async def _wait_for_credit(number):
    _credit[number] = waiting = _State.loop.create_future()
    try:
        await waiting
    finally:
        _credit.pop(number, None)


async def _close(number, iterator):
    close = getattr(type(iterator), "aclose", None)
    if close is None:
        return
    try:
        await close(iterator)
    except Interrupted:
        raise
    except BaseException as error:
        if number in _cancelled and isinstance(error, _State.asyncio.CancelledError):
            raise
        _unraisable(error, iterator)


def resume_stream(number):
    if number in apps:
        return apps[number].resume()
    waiting = _credit.get(number)
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


def close_stream(number):
    if number in apps:
        return apps[number].leave()
    task = _tasks.get(number)
    if task is None or number in _closing:
        return
    _closing.add(number)
    if number in _credit:
        resume_stream(number)
    else:
        task.cancel()


def _end(number, task):
    _tasks.pop(number, None)
    _closing.discard(number)
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
        if number in apps:  # Its response has not wholly left.
            apps[number].interrupt()
        elif number in _starting:
            _cancelled.add(number)
        elif _State.turning:  # A synchronous stream, which the worker's loop is to close.
            _State.loop.call_soon_threadsafe(_State.loop.stop)
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
    if _tasks:
        return True
    if _State.known is None or len(_State.known) > len(resting):  # Some may have ended.
        for task in _State.asyncio.all_tasks(loop):
            if task not in resting:
                return True
    try:
        # The selector always has the loop's own wake-up pipe.
        return bool(loop._ready or loop._scheduled or len(loop._selector.get_map()) > 1)
    except AttributeError:
        return True  # Not asyncio's own loop.


def may_turn():
    """Whether the loop has something to do and can be run here: nothing else runs on this thread."""
    return not _State.turning and busy() and _State.asyncio._get_running_loop() is None


def turn():
    """Runs the loop until a request has arrived or an execution has ended."""
    loop = the_loop()
    loop.add_reader(_State.requests_fd, _arrived)
    try:
        _run_loop(loop)
    finally:
        loop.remove_reader(_State.requests_fd)


def wake():
    """Ends the turn that runs, or is about to, from any thread."""
    if _State.loop is not None:
        _State.loop.call_soon_threadsafe(_State.loop.stop)


def _run_loop(loop):
    _State.turning = True
    try:
        loop.run_forever()
    except BaseException:
        pass  # It is also the result of the task that raised it.
    finally:
        _State.turning = False


def _arrived():
    if _take_in():
        _State.loop.stop()
