# SPDX-License-Identifier: Apache-2.0
"""Calls to the host, on the real module: the tests are the host."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import wire  # noqa: E402
from cases import WorkerTest, on_every_python  # noqa: E402
from wire import CONFIGURE, Function  # noqa: E402

CALL, CAST, SEND = 1, 2, 3
ERROR, NOT_FOUND, TIMEOUT, UNAVAILABLE, LIMIT = 2, 3, 4, 5, 6


def host_error(type="", message="", traceback="", data=None):
    parts = [wire.field(i, text.encode()) for i, text in ((1, type), (2, message), (3, traceback)) if text]
    return b"".join(parts) + (b"" if data is None else wire.field(4, wire.encode(data)))


class HostTest(WorkerTest):
    def begin(self, source, **options):
        return self.w.submit("import vivarium, asyncio, threading\n" + source, **options)

    def taken(self, number=None):
        call = self.w.next_call()
        if number is not None:
            self.assertEqual(call.execution, number)
        return call

    def ends_with(self, number, value):
        self.assertEqual(self.w.wait(number).value, value)

    def fails_with(self, number, type):
        error = self.w.wait(number).error
        self.assertEqual(error.type, type, error)
        return error


class Calls(HostTest):
    def test_a_call_and_its_answer(self):
        number = self.begin("vivarium.call('auth.get', 7, 'x', flag=True)")
        call = self.taken(number)
        self.assertEqual((call.name, call.args, call.kwargs), ("auth.get", (7, "x"), {"flag": True}))
        self.assertEqual((call.kind, call.blocking, call.host, call.timeout_ms), (CALL, 1, 0, 0))
        self.w.answer(call.number, {"name": "Ada"})
        self.ends_with(number, {"name": "Ada"})

    def test_sugar(self):
        number = self.begin("vivarium.host.a.b.c(1, x=2, _timeout=1.5)")
        call = self.taken()
        self.assertEqual((call.name, call.args, call.kwargs, call.timeout_ms), ("a.b.c", (1,), {"x": 2}, 1500))
        self.w.answer(call.number, None)
        self.ends_with(number, None)
        number = self.begin("await vivarium.ahost.a.b(3)")
        call = self.taken(number)
        self.assertEqual((call.name, call.args, call.blocking), ("a.b", (3,), 0))
        self.w.answer(call.number, 4)
        self.ends_with(number, 4)
        for source in ("vivarium.host()", "vivarium.call('')", "vivarium.call(7)", "vivarium.call('x' * 201)",
                       "vivarium.call('a\\nb')", "vivarium.call('a', _timeout=0)"):
            self.assertIn(self.w.run("import vivarium\n" + source).error.type, ("TypeError", "ValueError"), source)

    def test_an_error_carries_both_tracebacks(self):
        number = self.begin("""
def ask():
    return vivarium.call('f')
try:
    ask()
except vivarium.HostCallError as e:
    told = (type(e).__name__, str(e), e.name, e.type, e.message, e.traceback, e.data)
told""")
        self.w.answer(self.taken().number, host_error("NoUser", "no user 7", "at host.js:3", {"id": 7}), ERROR)
        self.ends_with(number, ("HostCallError", "NoUser: no user 7", "f", "NoUser", "no user 7", "at host.js:3", {"id": 7}))
        number = self.begin("def ask():\n    return vivarium.call('f')\nask()")
        self.w.answer(self.taken().number, host_error("NoUser", "no user 7", "at host.js:3"), ERROR)
        error = self.fails_with(number, "HostCallError")
        self.assertIn("at host.js:3", error.traceback)
        self.assertIn("return vivarium.call('f')", error.traceback)

    def test_what_the_daemon_says(self):
        for kind, type, base in ((NOT_FOUND, "HostNotFoundError", "LookupError"), (TIMEOUT, "HostTimeoutError", "TimeoutError"),
                                 (UNAVAILABLE, "HostUnavailableError", "ConnectionError"), (LIMIT, "HostBusyError", "Exception")):
            number = self.begin("vivarium.call('f')")
            self.w.answer(self.taken().number, b"so it is", kind)
            error = self.fails_with(number, type)
            self.assertEqual(error.message, "so it is")
            self.assertIn("HostCallError", error.bases)
            self.assertIn(base, error.bases)

    def test_what_cannot_travel(self):
        error = self.w.run("import vivarium\nvivarium.call('f', 1, [object()])").error
        self.assertEqual(error.type, "TypeError")
        self.assertIn("f: args[1][0] is a object", error.message)
        error = self.w.run("import vivarium\nvivarium.call('f', x=object())").error
        self.assertIn("kwargs['x']", error.message)
        error = self.w.run("import vivarium\nvivarium.call('f', b'x' * (17 << 20))").error
        self.assertEqual((error.type, "16 MiB" in error.message), ("ValueError", True))

    def test_casts_and_messages(self):
        number = self.begin("vivarium.cast('log', 1, a=2)\nvivarium.send('box', {'x': 1})\n'done'")
        self.ends_with(number, "done")
        cast, sent = self.taken(), self.taken()
        self.assertEqual((cast.kind, cast.number, cast.name, cast.args, cast.kwargs), (CAST, 0, "log", (1,), {"a": 2}))
        self.assertEqual((sent.kind, sent.number, sent.name, sent.args), (SEND, 0, "box", ({"x": 1},)))

    def test_functions_as_values(self):
        number = self.begin("f(2), repr(f), f.name, f", operands={"f": Function("double")}, host=9)
        call = self.taken(number)
        self.assertEqual((call.name, call.args, call.host), ("double", (2,), 9))
        self.w.answer(call.number, 4)
        self.ends_with(number, (4, "<function 'double' of the application>", "double", Function("double")))
        number = self.begin("vivarium.call('give')(1)")
        self.w.answer(self.taken().number, Function("inner"), host=5)
        call = self.taken()
        self.assertEqual((call.name, call.host), ("inner", 5))
        self.w.answer(call.number, "in")
        self.ends_with(number, "in")

    def test_answers_that_nobody_expects_are_nothing(self):
        self.w.answer(77, 1)
        number = self.begin("vivarium.call('f')")
        call = self.taken()
        self.w.answer(call.number, 1)
        self.w.answer(call.number, 2)
        self.ends_with(number, 1)
        self.assertEqual(self.value("1 + 1"), 2)


class Concurrent(HostTest):
    def test_gather_is_parallel(self):
        number = self.begin("await asyncio.gather(*(vivarium.acall('sq', i) for i in range(200)))")
        calls = [self.taken(number) for _ in range(200)]
        for call in reversed(calls):
            self.w.answer(call.number, call.args[0] ** 2)
        self.ends_with(number, [i * i for i in range(200)])

    def test_threads_get_their_own(self):
        number = self.begin("""
got = {}
def ask(i):
    got[i] = [vivarium.call('f', i, n) for n in range(20)]
threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
got == {i: [i * 1000 + n for n in range(20)] for i in range(8)}""")
        for _ in range(160):
            call = self.taken(number)
            self.assertEqual(call.blocking, 0)
            self.w.answer(call.number, call.args[0] * 1000 + call.args[1])
        self.ends_with(number, True)

    def test_a_thread_waits_while_the_main_thread_reads(self):
        number = self.begin("""
out = []
t = threading.Thread(target=lambda: out.append(vivarium.call('f')))
t.start()
1""")
        self.ends_with(number, 1)
        call = self.taken()
        self.assertEqual(self.value("1 + 1"), 2)
        self.w.answer(call.number, "late")
        self.assertEqual(self.value("t.join(); out"), ["late"])

    def test_a_thread_reads_on_when_the_main_thread_has_its_answer(self):
        # It slept while the main thread read, and nobody else does now.
        number = self.begin("""
import sys
out = []
main = threading.get_ident()
def ask():
    while sys._current_frames()[main].f_code.co_name != '_call':
        pass
    out.append(vivarium.call('b'))
t = threading.Thread(target=ask)
t.start()
vivarium.call('a')
vivarium.cast('on')
t.join()
out""")
        calls = {call.name: call for call in (self.taken(), self.taken())}
        self.w.answer(calls["a"].number, 1)
        self.assertEqual(self.taken().name, "on")
        self.w.answer(calls["b"].number, "b")
        self.ends_with(number, ["b"])

    def test_requests_are_served_while_a_thread_reads(self):
        # The thread takes requests off the pipe that are the main thread's.
        number = self.begin("""
gate = threading.Event()
t = threading.Thread(target=lambda: (vivarium.call('first'), gate.set(), vivarium.call('second')))
t.start()
gate.wait()""")
        first = self.taken(number)
        self.w.answer(first.number, 0)
        second = self.taken()
        self.ends_with(number, True)
        for i in range(5):
            self.assertEqual(self.value(f"{i} + 1"), i + 1)
        self.w.answer(second.number, 0)
        self.assertEqual(self.value("t.join()"), None)
        self.assertEqual(self.value("2 + 2"), 4)

    def test_a_loop_in_another_thread(self):
        number = self.begin("""
out = []
async def main():
    out.extend(await asyncio.gather(*(vivarium.acall('f', i) for i in range(10))))
t = threading.Thread(target=lambda: asyncio.run(main()))
t.start()
t.join()
out""")
        for _ in range(10):
            call = self.taken()
            self.w.answer(call.number, call.args[0] + 1)
        self.ends_with(number, list(range(1, 11)))

    def test_a_loop_of_its_own_on_the_main_thread(self):
        number = self.begin("""
async def main():
    return await asyncio.gather(*(vivarium.acall('f', i) for i in range(10)))
asyncio.run(main())""")
        for _ in range(10):
            call = self.taken(number)
            self.w.answer(call.number, call.args[0] + 1)
        self.ends_with(number, list(range(1, 11)))
        number = self.begin("await vivarium.acall('g')")
        self.w.answer(self.taken(number).number, 7)
        self.ends_with(number, 7)

    def test_others_run_while_one_awaits(self):
        number = self.begin("await vivarium.acall('slow')")
        call = self.taken(number)
        self.assertEqual(self.value("1 + 1"), 2)
        other = self.begin("await vivarium.acall('other')")
        self.w.answer(self.taken(other).number, 2)
        self.ends_with(other, 2)
        self.w.answer(call.number, 1)
        self.ends_with(number, 1)

    def test_a_call_while_another_execution_awaits(self):
        first = self.begin("await vivarium.acall('never')")
        never = self.taken(first)
        number = self.begin("t = threading.Thread(target=vivarium.call, args=('t',))\nt.start()")
        self.w.wait(number)
        reader = self.taken()
        for i in range(50):  # Read by the loop, or by the thread.
            second = self.begin(f"vivarium.call('f', {i})")
            call = self.taken(second)
            self.w.answer(call.number, i)
            self.ends_with(second, i)
            if i == 25:
                self.w.answer(reader.number, 0)
        self.w.answer(never.number, 1)
        self.ends_with(first, 1)

    def test_tasks_go_on_while_the_main_thread_waits(self):
        first = self.begin("await vivarium.acall('a')")
        a = self.taken(first)
        second = self.begin("vivarium.call('b')")
        b = self.taken(second)
        self.w.answer(a.number, "a")
        self.ends_with(first, "a")
        self.w.answer(b.number, "b")
        self.ends_with(second, "b")


class Nested(HostTest):
    def test_requests_wait_but_what_is_within_runs(self):
        outer = self.begin("x = 1\ny = vivarium.call('f')\n(x, y)")
        call = self.taken(outer)
        later = self.w.submit("x = 5\n'later'")
        inner = self.w.submit("x += 1\nx", within=call.number)
        self.ends_with(inner, 2)
        self.assertNotIn(later, self.w.done)
        self.w.answer(call.number, "f")
        self.ends_with(outer, (2, "f"))
        self.ends_with(later, "later")

    def test_fifteen_deep(self):
        depth = 15
        numbers, calls = [], []
        within = 0
        for level in range(depth):
            numbers.append(self.begin(f"print({level})\nvivarium.call('down', {level}) + 1", within=within))
            calls.append(self.taken(numbers[-1]))
            within = calls[-1].number
        inner = self.begin("100", within=within)
        self.ends_with(inner, 100)
        answer = 100
        for level in reversed(range(depth)):
            self.w.answer(calls[level].number, answer)
            ended = self.w.wait(numbers[level])
            answer += 1
            self.assertEqual((ended.value, ended.stdout), (answer, f"{level}\n"))

    def test_what_came_before_the_answer_runs_before_it(self):
        outer = self.begin("x = 1\nvivarium.call('f')\nx")
        call = self.taken(outer)
        inner = [self.w.request("x += 1", within=call.number) for _ in range(3)]
        self.w.send(*inner, wire.frame(wire.HOST_RESULT, wire.message(call.number, 1, wire.encode(0), 0)))
        self.ends_with(outer, 4)

    def test_what_is_within_an_outer_call_waits_for_the_inner_one(self):
        outer = self.begin("vivarium.call('f')")
        f = self.taken(outer)
        second = self.begin("vivarium.call('g')", within=f.number)
        g = self.taken(second)
        third = self.w.submit("3", within=f.number)
        self.ends_with(self.w.submit("4", within=g.number), 4)
        self.assertNotIn(third, self.w.done)
        self.w.answer(g.number, "g")
        self.ends_with(second, "g")
        self.ends_with(third, 3)
        self.w.answer(f.number, "f")
        self.ends_with(outer, "f")

    def test_an_asynchronous_one_within(self):
        outer = self.begin("vivarium.call('f')")
        call = self.taken(outer)
        inner = self.begin("await asyncio.sleep(0)\nawait vivarium.acall('g')", within=call.number)
        self.w.answer(self.taken(inner).number, "g")
        self.ends_with(inner, "g")
        self.w.answer(call.number, "f")
        self.ends_with(outer, "f")

    def test_within_a_call_that_is_over_waits_its_turn(self):
        outer = self.begin("vivarium.call('f')")
        call = self.taken(outer)
        self.w.answer(call.number, 1)
        self.ends_with(outer, 1)
        self.ends_with(self.begin("2", within=call.number), 2)

    def test_within_an_asynchronous_call(self):
        outer = self.begin("await vivarium.acall('f')")
        call = self.taken(outer)
        self.ends_with(self.begin("2", within=call.number), 2)
        self.w.answer(call.number, 1)
        self.ends_with(outer, 1)

    def test_output_is_attributed(self):
        outer = self.begin("print('before')\nvivarium.call('f')\nprint('after')")
        call = self.taken(outer)
        inner = self.w.wait(self.begin("print('inside')", within=call.number))
        self.assertEqual(inner.stdout, "inside\n")
        self.w.answer(call.number, 1)
        self.assertEqual(self.w.wait(outer).stdout, "before\nafter\n")


class Interrupts(HostTest):
    def test_a_waiting_call(self):
        number = self.begin("""
try:
    vivarium.call('f')
finally:
    print('cleaned')""")
        call = self.taken(number)
        self.w.interrupt(number)
        ended = self.w.wait(number)
        self.assertEqual((ended.interrupted, ended.stdout), (True, "cleaned\n"))
        self.assertIn(call.number, self.w.dropped)
        self.w.answer(call.number, 1)
        self.assertEqual(self.value("1 + 1"), 2)

    def test_one_that_awaits(self):
        number = self.begin("await vivarium.acall('f')")
        call = self.taken(number)
        self.w.interrupt(number)
        self.assertTrue(self.w.wait(number).interrupted)
        self.assertEqual(self.value("1 + 1"), 2)
        self.assertIn(call.number, self.w.dropped)

    def test_the_outer_one_while_another_runs_within(self):
        outer = self.begin("vivarium.call('f')")
        call = self.taken(outer)
        inner = self.begin("vivarium.call('g')", within=call.number)
        inner_call = self.taken(inner)
        self.w.interrupt(outer)
        self.w.answer(inner_call.number, 5)
        self.ends_with(inner, 5)
        self.assertTrue(self.w.wait(outer).interrupted)
        self.assertIn(call.number, self.w.dropped)

    def test_the_inner_one(self):
        outer = self.begin("vivarium.call('f')")
        call = self.taken(outer)
        inner = self.begin("vivarium.call('g')", within=call.number)
        self.taken(inner)
        self.w.interrupt(inner)
        self.assertTrue(self.w.wait(inner).interrupted)
        self.w.answer(call.number, 1)
        self.ends_with(outer, 1)

    def test_one_that_waits_for_its_turn(self):
        outer = self.begin("vivarium.call('f')")
        call = self.taken(outer)
        later = self.w.submit("'never'")
        self.ends_with(self.begin("1", within=call.number), 1)
        self.w.interrupt(later)
        self.w.answer(call.number, 1)
        self.ends_with(outer, 1)
        self.assertEqual(self.w.wait(later).outcome, "expired")

    def test_a_cancelled_task(self):
        number = self.begin("""
task = asyncio.ensure_future(vivarium.acall('f'))
await asyncio.sleep(0.01)
task.cancel()
try:
    await task
except asyncio.CancelledError:
    pass
'done'""")
        call = self.taken(number)
        self.ends_with(number, "done")
        self.assertEqual(self.value("1"), 1)
        self.assertIn(call.number, self.w.dropped)


class Modules(HostTest):
    def configure(self, *modules):
        return self.w.operate(CONFIGURE, {"modules": list(modules)})

    def test_a_module(self):
        self.configure(("auth", ["get_user", "async check"], {"VERSION": 3}, False), ("acme.db", ["query"], {}, False))
        number = self.begin("import auth, acme.db\n(auth.VERSION, auth.get_user(7), await auth.check(1), acme.db.query('q'))")
        for name, answer in (("auth.get_user", "u"), ("auth.check", "c"), ("acme.db.query", "r")):
            call = self.taken()
            self.assertEqual(call.name, name)
            self.w.answer(call.number, answer)
        self.ends_with(number, (3, "u", "c", "r"))

    def test_overriding(self):
        error = self.configure(("json", ["dumps"], {}, False)).error
        self.assertEqual((error.code, "override" in error.message), ("modules", True))
        self.configure(("json", ["dumps"], {}, True))
        number = self.begin("import json\njson.dumps(1)")
        self.w.answer(self.taken().number, "one")
        self.ends_with(number, "one")

    def test_wrong_ones(self):
        for module in (("a b", [], {}, False), ("sys", [], {}, True), ("ok", ["1x"], {}, False), ("ok", ["f"], {"f": 1}, False),
                       ("vivarium.x", [], {}, True), ("ok", [], {"-": 1}, False)):
            self.assertEqual(self.configure(module).error.code, "modules", module)


class Notes(HostTest):
    def test_log_records(self):
        number = self.begin("""
import logging
log = logging.getLogger('app')
log.setLevel(logging.DEBUG)
log.addHandler(vivarium.LoggingHandler(default_metadata={'app': 'shop'}, extra_metadata_keys=['order']))
log.info('sold %d', 3, extra={'order': 17, 'secret': 'no'})
log.debug('not told')
log.log(25, 'a notice')
try:
    1 / 0
except ZeroDivisionError:
    log.exception('it failed')""")
        self.assertEqual(self.w.wait(number).outcome, "value")
        records = [wire.record(content) for n, kind, content in self.w.notes if (n, kind) == (number, 1)]
        self.assertEqual([r[1] for r in records], [2, 3, 5])
        first = records[0]
        self.assertEqual((first[2], first[3], first[5]), (b"app", b"sold 3", 6 + 1))
        self.assertIn(b"ZeroDivisionError", records[2][9])
        entries = [c for number, _, c in wire.fields(next(c for n, k, c in self.w.notes)) if number == 10]
        pairs = [wire.record(e) for e in entries]
        self.assertEqual({wire.value(p[1]): wire.value(p[2]) for p in pairs}, {"app": "shop", "order": 17})

    def test_the_sessions_level(self):
        self.w.operate(CONFIGURE, {"log_level": 4})
        number = self.begin("""
import logging
logging.getLogger().addHandler(vivarium.LoggingHandler(logging.DEBUG))
logging.getLogger().setLevel(logging.DEBUG)
logging.info('no')
logging.warning('yes')""")
        self.w.wait(number)
        self.assertEqual([wire.record(c)[3] for _, _, c in self.w.notes], [b"yes"])

    def test_progress(self):
        number = self.begin("vivarium.progress(3, 10, 'frames')\nvivarium.progress(0.5)")
        self.w.wait(number)
        told = [wire.record(c) for _, kind, c in self.w.notes if kind == 2]
        self.assertEqual([r.get(3) for r in told], [b"frames", None])


class Forks(HostTest):
    def test_a_child_is_told(self):
        value = self.value("""
import os, vivarium
r, w = os.pipe()
pid = os.fork()
if pid == 0:
    try:
        vivarium.call('f')
    except RuntimeError as e:
        os.write(w, str(e).encode())
    os._exit(0)
os.waitpid(pid, 0)
os.read(r, 1000).decode()""")
        self.assertIn("serve_children", value)

    def test_children_are_served(self):
        number = self.begin("""
import multiprocessing, os
vivarium.serve_children()
fork = multiprocessing.get_context('fork')
def work(i):
    try:
        vivarium.call('bad', i)
    except vivarium.HostCallError as e:
        failed = e.type, e.data
    return vivarium.call('f', i), failed, asyncio.run(vivarium.acall('f', i + 100))
with fork.Pool(3) as pool:
    got = pool.map(work, range(6))
got""")
        for _ in range(18):
            call = self.taken()
            if call.name == "bad":
                self.w.answer(call.number, host_error("Bad", "no", "", call.args[0]), ERROR)
            else:
                self.w.answer(call.number, call.args[0] * 2)
        self.ends_with(number, [(i * 2, ("Bad", i), (i + 100) * 2) for i in range(6)])


def load_tests(loader, _tests, _pattern):
    return on_every_python(loader, Calls, Concurrent, Nested, Interrupts, Modules, Notes, Forks)


if __name__ == "__main__":
    unittest.main()
