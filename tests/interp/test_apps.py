# SPDX-License-Identifier: Apache-2.0
"""Web applications inside a worker: how they are found and started, what they are told of a request, what
becomes of their responses."""

import unittest

import wire
from cases import WorkerTest

BOOT, REQUEST, CLOSE, INVOKE = 20, 21, 22, 23
BODY, END, TEXT, BINARY, DISCONNECT = 1, 2, 3, 4, 5
SMALL = """
async def app(scope, receive, send):
    assert scope['type'] == 'http'
    body = b''
    while True:
        message = await receive()
        if message['type'] == 'http.disconnect':
            return
        body += message['body']
        if not message['more_body']:
            break
    await send({'type': 'http.response.start', 'status': 201, 'headers': [(b'x-a', b'1'), (b'X-A', b'2')]})
    await send({'type': 'http.response.body', 'body': scope['path'].encode() + b'|' + body})
"""
# What comes before the rest of an application that sends by hand.
BY_HAND = """
import asyncio
def head(status=200, *headers):
    return {'type': 'http.response.start', 'status': status, 'headers': list(headers)}
def body(content=b'', more=False):
    return {'type': 'http.response.body', 'body': content, 'more_body': more}
"""


class AppsTest(WorkerTest):
    app = 7

    def boot(self, source, name="app", kind="", module=None, app=None):
        begin = "(scope, receive, send):\n"
        if "lifespan" not in source:
            source = source.replace(begin, begin + "    assert scope['type'] != 'lifespan'\n")
        number = self.w.submit(source, mode=BOOT, filename="shop.py",
                               operands=[app or self.app, module, name, kind])
        return self.w.wait(number)

    def booted(self, source, kind="asgi", **options):
        ended = self.boot(source, **options)
        self.assertEqual((ended.outcome, ended.error), ("value", None))
        self.assertEqual(ended.value, kind)

    def ask(self, path="/", body=b"", more=False, kind="http", method="GET", headers=(), credit=64, app=None):
        raw, _, query = path.partition("?")
        return self.w.submit("", mode=REQUEST, credit=credit, operands=[
            app or self.app, kind, method, "1.1", "http", raw, raw.encode(), query.encode(), "/apps/x",
            [tuple(h) for h in headers], ("10.0.0.1", 4711), ("localhost", 80), body, more,
        ])

    def answer(self, *args, **options):
        return self.w.wait(self.ask(*args, **options))

    def feed(self, number, content=b"", kind=BODY, code=0):
        self.w.send(wire.frame(wire.APP_INPUT, wire.message(number, kind, code, content)))

    def whole(self, ended):
        self.assertEqual((ended.outcome, ended.error, ended.items), ("value", None, []))
        return ended.value


class Booting(AppsTest):
    def test_an_application_is_found_by_its_name_and_known_by_its_shape(self):
        self.booted(SMALL)
        self.assertEqual(self.whole(self.answer("/x", b"in"))[2], b"/x|in")
        self.booted("def site(environ, start): pass", name="site", kind="wsgi", app=8)
        self.booted("class A:\n    async def __call__(self, scope, receive, send): pass\nmain = A()", name="main", app=9)
        self.booted("import functools\nasync def f(x, s, r, d): pass\napp = functools.partial(f, 1)", app=10)

    def test_what_is_no_application_is_refused(self):
        error = self.boot("x = 1").error
        self.assertEqual((error.kind, error.code), ("not_found", "no_app"))
        self.assertIn("'app'", error.message)
        error = self.boot("app = 1").error
        self.assertEqual((error.kind, error.code), ("invalid_argument", "no_app"))
        self.assertIn("ASGI 3", error.message)
        error = self.boot("await x").error
        self.assertEqual(error.code, "top_level_await")

    def test_source_runs_as_a_module_that_is_not_the_main_one(self):
        self.booted(SMALL + "\nname = __name__\nif name == '__main__': 1 / 0")
        self.assertEqual(self.value("import shop\nshop.name"), "shop")
        error = self.boot("def f():\n    1 / 0\nf()").error
        self.assertEqual((error.type, error.frames[-1][0]), ("ZeroDivisionError", "shop.py"))

    def test_a_module_is_imported(self):
        self.value("import sys, types\nm = types.ModuleType('m'); sys.modules['m'] = m\n"
                   "exec('async def app(scope, receive, send): pass\\nclass n: inner = app', m.__dict__)")
        self.booted("", module="m", name="n.inner")
        self.assertEqual(self.boot("", module="nowhere").error.kind, "import")

    def test_a_lifespan_is_started_and_ended(self):
        self.booted("""
told = []
async def app(scope, receive, send):
    if scope['type'] == 'lifespan':
        while True:
            message = await receive()
            told.append(message['type'])
            scope['state']['n'] = 5
            await send({'type': message['type'] + '.complete'})
            if message['type'] == 'lifespan.shutdown':
                return
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': str(scope['state']).encode()})
""")
        self.assertEqual(self.whole(self.answer())[2], b"{'n': 5}")
        self.assertEqual(self.value("import shop\nshop.told"), ["lifespan.startup"])
        self.operate(CLOSE, self.app)
        self.assertEqual(self.value("shop.told"), ["lifespan.startup", "lifespan.shutdown"])
        self.assertEqual(self.answer().error.code, "no_app")

    def test_a_startup_that_fails_is_told(self):
        ended = self.boot("""
async def app(scope, receive, send):
    await receive()
    try:
        {}['database']
    except KeyError:
        await send({'type': 'lifespan.startup.failed', 'message': 'no database'})
        raise
""")
        self.assertEqual((ended.error.type, ended.error.kind), ("KeyError", "python"))
        ended = self.boot("async def app(scope, receive, send):\n"
                          "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})")
        self.assertEqual(ended.error.message, "no database")

    def test_a_startup_that_does_not_end_is_interrupted(self):
        number = self.w.submit("import asyncio\nasync def app(scope, receive, send):  # lifespan\n    await asyncio.sleep(1000)",
                               mode=BOOT, filename="shop.py", operands=[self.app, None, "app", ""])
        while number not in self.w.parked:
            self.w.pump()
        self.w.interrupt(number)
        self.assertTrue(self.w.wait(number).interrupted)
        self.assertEqual(self.value("1 + 1"), 2)


class Asking(AppsTest):
    def test_the_scope_is_that_of_asgi(self):
        self.booted("""
seen = {}
async def app(scope, receive, send):
    seen.update(scope)
    await send({'type': 'http.response.start', 'status': 204, 'headers': []})
    await send({'type': 'http.response.body'})
""")
        ended = self.answer("/a b?x=%20", method="PUT", headers=[(b"a", b"1"), (b"a", b"2")])
        self.assertEqual(self.whole(ended), (204, [], b""))
        self.assertEqual(self.value("import shop\nshop.seen"), {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
            "server": ("localhost", 80), "client": ("10.0.0.1", 4711), "scheme": "http", "method": "PUT",
            "root_path": "/apps/x", "path": "/a b", "raw_path": b"/a b", "query_string": b"x=%20",
            "headers": [(b"a", b"1"), (b"a", b"2")],
        })

    def test_a_whole_response_is_the_result(self):
        self.booted(SMALL)
        ended = self.answer("/x", b"abc")
        self.assertEqual(self.whole(ended), (201, [(b"x-a", b"1"), (b"X-A", b"2")], b"/x|abc"))
        self.assertEqual(self.counts(), (0, 1, 0))

    def test_a_body_may_come_late(self):
        self.booted(SMALL)
        number = self.ask("/x", b"a", more=True)
        self.feed(number, b"b")
        self.feed(number, b"c", END)
        self.assertEqual(self.whole(self.w.wait(number))[2], b"/x|abc")
        self.assertEqual(self.w.taken[number], 2)

    def test_requests_interleave(self):
        self.booted(SMALL)
        slow = self.ask("/slow", b"", more=True)
        self.assertEqual(self.whole(self.answer("/quick"))[2], b"/quick|")
        self.feed(slow, b"now", END)
        self.assertEqual(self.whole(self.w.wait(slow))[2], b"/slow|now")

    def test_chunks_leave_as_they_are_made(self):
        self.booted(BY_HAND + """
gate = asyncio.Event()
async def app(scope, receive, send):
    await send(head())
    await send(body(b'one', True))
    await gate.wait()
    await send(body(b'two', True))
    await send(body())
""")
        number = self.ask()
        self.assertEqual(self.w.wait_for_items(number, 1), [(200, [], b"one")])
        self.value("import shop; shop.gate.set()")
        ended = self.w.wait(number)
        self.assertEqual((ended.outcome, ended.items), ("nothing", [(200, [], b"one"), b"two"]))

    def test_what_follows_the_response_does_not_delay_it(self):
        self.booted(BY_HAND + """
gate = asyncio.Event()
async def app(scope, receive, send):
    await send(head())
    await send(body(b'all'))
    await gate.wait()
""")
        number = self.ask()
        self.assertEqual(self.w.wait_for_items(number, 2), [(200, [], b"all"), None])
        self.value("import shop; shop.gate.set()")
        self.assertEqual(self.w.wait(number).outcome, "nothing")

    def test_a_response_waits_for_credit(self):
        self.booted(BY_HAND + """
made = []
async def app(scope, receive, send):
    await send(head())
    for i in range(10):
        made.append(i)
        await send(body(b'%d' % i, True))
    await send(body())
""")
        number = self.ask(credit=2)
        self.w.wait_for_items(number, 2)
        self.assertEqual(self.value("import shop; shop.made"), [0, 1])
        self.w.pull(number, 3)
        self.w.wait_for_items(number, 5)
        self.w.pull(number, 100)
        self.assertEqual(self.w.wait(number).items[1:], [b"%d" % i for i in range(1, 10)])

    def test_the_last_words_wait_for_credit_too(self):
        self.booted(BY_HAND + """
async def app(scope, receive, send):
    await send(head())
    await send(body(b'a', True))
    await send(body(b'b'))
""")
        number = self.ask(credit=1)
        self.w.wait_for_items(number, 1)
        self.assertEqual(self.value("1 + 1"), 2)
        self.w.pull(number, 5)
        self.assertEqual(self.w.wait(number).items, [(200, [], b"a"), b"b"])

    def test_a_large_body_goes_in_pieces(self):
        self.booted(BY_HAND + """
async def app(scope, receive, send):
    await send(head())
    await send(body(b'x' * 1_000_000))
""")
        ended = self.answer()
        sizes = [len(ended.items[0][2]), *map(len, ended.items[1:])]
        self.assertEqual((sizes[0], sum(sizes)), (256 << 10, 1_000_000))

    def test_a_client_who_leaves_is_told_of(self):
        self.booted(BY_HAND + """
told = []
async def app(scope, receive, send):
    await receive()
    await send(head())
    await send(body(b'a', True))
    told.append(await receive())
    for i in range(1000):
        await send(body(b'lost', True))
""")
        number = self.ask()
        self.w.wait_for_items(number, 1)
        self.w.pull(number, 0)
        ended = self.w.wait(number)
        self.assertEqual((ended.error.type, len(ended.items)), ("ConnectionResetError", 1))
        self.assertEqual(self.value("import shop; shop.told"), [{"type": "http.disconnect"}])


class Failing(AppsTest):
    def refused(self, code, type_name, message, items=()):
        self.booted(BY_HAND + "async def app(scope, receive, send):\n" + code)
        ended = self.answer()
        self.assertEqual((ended.outcome, ended.error.type), ("error", type_name))
        self.assertIn(message, ended.error.message)
        self.assertEqual(ended.items, list(items))
        self.booted(SMALL)
        self.assertEqual(self.whole(self.answer())[0], 201)  # The worker is as good as before.

    def test_an_exception_is_the_verdict(self):
        self.refused("    {}['key']", "KeyError", "key")

    def test_an_exception_after_the_response_takes_nothing_of_it(self):
        self.refused("    await send(head(500)); await send(body(b'sorry')); 1 / 0", "ZeroDivisionError", "",
                     [(500, [], b"sorry"), None])

    def test_a_response_that_starts_twice(self):
        self.refused("    await send(head()); await send(head())", "RuntimeError", "'http.response.start'")

    def test_a_body_after_the_end(self):
        self.refused("    await send(head()); await send(body()); await send(body())", "RuntimeError",
                     "already completed", [(200, [], b""), None])

    def test_a_body_without_a_head(self):
        self.refused("    await send(body())", "RuntimeError", "Expected ASGI message 'http.response.start'")

    def test_no_response_and_half_of_one(self):
        self.refused("    pass", "RuntimeError", "without starting response")
        self.refused("    await send(head()); await send(body(b'x', True))", "RuntimeError",
                     "without completing response", [(200, [], b"x")])

    def test_what_is_no_bytes(self):
        self.refused("    await send(head()); await send(body('text'))", "TypeError", "bytes, not str")
        self.refused("    await send(head(200, ('a', b'b')))", "TypeError", "headers are bytes")
        self.refused("    await send(head('200'))", "ValueError", "no status")

    def test_an_application_that_blocks_is_interrupted(self):
        self.booted("async def app(scope, receive, send):\n    print('on')\n    while True: pass")
        number = self.ask()
        self.w.wait_for_output(number, b"on")
        self.w.interrupt(number)
        self.assertTrue(self.w.wait(number).interrupted)
        self.assertEqual(self.value("1 + 1"), 2)

    def test_an_application_that_waits_is_interrupted(self):
        self.booted("import asyncio\nasync def app(scope, receive, send):\n    await asyncio.sleep(1000)")
        number = self.ask()
        while number not in self.w.parked:
            self.w.pump()
        self.w.interrupt(number)
        self.assertTrue(self.w.wait(number).interrupted)


class WebSockets(AppsTest):
    ECHO = """
async def app(scope, receive, send):
    assert (await receive())['type'] == 'websocket.connect'
    if scope['path'] == '/no':
        return await send({'type': 'websocket.close'})
    await send({'type': 'websocket.accept', 'subprotocol': (scope['subprotocols'] or [None])[0]})
    while True:
        message = await receive()
        print(message)
        if message['type'] == 'websocket.disconnect':
            return
        if message.get('text') == 'bye':
            return await send({'type': 'websocket.close', 'code': 4001, 'reason': 'grüße'})
        await send({**message, 'type': 'websocket.send'})
"""

    def test_messages_go_both_ways(self):
        self.booted(self.ECHO)
        number = self.ask(kind="websocket", headers=[(b"sec-websocket-protocol", b"a, b")])
        self.assertEqual(self.w.wait_for_items(number, 1), [(101, [], b"a")])
        self.feed(number, "é".encode(), TEXT)
        self.feed(number, b"\xff", BINARY)
        self.feed(number, b"bye", TEXT)
        self.assertEqual(self.w.wait(number).items[1:], ["é", b"\xff", (4001, "grüße")])
        self.assertEqual(self.w.taken[number], 6)

    def test_what_is_no_message_is_none(self):
        self.booted(self.ECHO)
        number = self.ask(kind="websocket")
        self.feed(number, b"body", BODY)
        self.feed(number, kind=END)
        self.feed(number, b"", TEXT)
        self.feed(number, b"bye", TEXT)
        self.assertEqual(self.w.wait(number).items[1:], ["", (4001, "grüße")])
        self.assertEqual(self.w.taken[number], 4)

    def test_a_client_who_leaves(self):
        self.booted(self.ECHO)
        number = self.ask(kind="websocket")
        self.w.wait_for_items(number, 1)
        self.feed(number, b"", DISCONNECT, 1001)
        ended = self.w.wait(number)
        self.assertEqual((ended.outcome, ended.items), ("nothing", [(101, [], b"")]))
        self.assertIn("1001", ended.stdout)

    def test_one_that_is_not_accepted(self):
        self.booted(self.ECHO)
        self.assertEqual(self.answer("/no", kind="websocket").items, [(403, [], b""), None])

    def test_one_whose_application_fails(self):
        self.booted("async def app(scope, receive, send):\n    await send({'type': 'websocket.accept'})\n    1 / 0")
        ended = self.answer(kind="websocket")
        self.assertEqual((ended.error.type, ended.items), ("ZeroDivisionError", [(101, [], b""), (1011, "")]))


class Wsgi(AppsTest):
    HELLO = """
def app(environ, start):
    if environ['PATH_INFO'] == '/fail':
        1 / 0
    start('200 OK', [('Content-Type', 'text/plain'), ('X-Q', environ['QUERY_STRING'])])
    if environ['PATH_INFO'] == '/stream':
        return (b'%d' % i for i in range(3))
    return [environ['wsgi.input'].read() + environ['SCRIPT_NAME'].encode()]
"""

    def test_a_whole_response(self):
        self.booted(self.HELLO, kind="wsgi")
        self.assertEqual(self.whole(self.answer("/?q=1", b"in")),
                         (200, [(b"Content-Type", b"text/plain"), (b"X-Q", b"q=1")], b"in/apps/x"))

    def test_a_body_is_iterated(self):
        self.booted(self.HELLO, kind="wsgi")
        ended = self.answer("/stream")
        self.assertEqual((ended.outcome, ended.items[0][0], ended.items[1:]), ("nothing", 200, [b"0", b"1", b"2"]))

    def test_who_uploads_slowly_keeps_nobody_waiting(self):
        self.booted(self.HELLO, kind="wsgi")
        slow = self.ask("/", b"a", more=True)
        self.assertEqual(self.whole(self.answer("/"))[2], b"/apps/x")
        self.feed(slow, b"b", END)
        self.assertEqual(self.whole(self.w.wait(slow))[2], b"ab/apps/x")

    def test_failures(self):
        self.booted(self.HELLO, kind="wsgi")
        self.assertEqual(self.answer("/fail").error.type, "ZeroDivisionError")
        self.booted("def app(e, s): return [b'x']", kind="wsgi")
        self.assertIn("start_response", self.answer().error.message)
        self.booted("def app(e, s):\n    s('200 OK', [])\n    print('on')\n    while True: pass", kind="wsgi")
        number = self.ask()
        self.w.wait_for_output(number, b"on")
        self.w.interrupt(number)
        self.assertTrue(self.w.wait(number).interrupted)


class OneShot(AppsTest):
    def test_an_application_is_booted_asked_and_closed(self):
        request = [0, "http", "GET", "1.1", "http", "/x", b"/x", b"", "", [], ("", 0), ("", 0), b"in", False]
        number = self.w.submit(SMALL, mode=INVOKE, filename="shop.py", operands=[None, "app", "", request])
        self.assertEqual(self.w.wait(number).value, (201, [(b"x-a", b"1"), (b"X-A", b"2")], b"/x|in"))
        number = self.w.submit(Wsgi.HELLO, mode=INVOKE, filename="shop.py", operands=[None, "app", "", request])
        self.assertEqual(self.w.wait(number).value[2], b"in")


class FastApi(AppsTest):
    def test_handlers_of_both_kinds(self):
        if not self.has("fastapi"):
            self.skipTest("this interpreter has no fastapi")
        self.booted("""
import time, threading
from fastapi import FastAPI, BackgroundTasks
from fastapi.responses import StreamingResponse
app = FastAPI()
@app.get('/hello/{name}')
async def hello(name: str, n: int = 1):
    return {'hello': name, 'n': n}
@app.get('/sync/{name}')
def sync(name: str):
    return {'main': threading.current_thread() is threading.main_thread()}
@app.get('/stream')
async def stream():
    return StreamingResponse(iter('abc'))
later = []
@app.get('/later')
async def background(tasks: BackgroundTasks):
    tasks.add_task(later.append, 1)
    return 1
""")
        self.assertEqual(self.whole(self.answer("/hello/x?n=3")), (
            200, [(b"content-length", b"19"), (b"content-type", b"application/json")], b'{"hello":"x","n":3}'))
        self.assertEqual(self.whole(self.answer("/hello/x?n=a"))[0], 422)
        self.assertEqual(self.whole(self.answer("/nowhere"))[0], 404)
        self.assertEqual(self.whole(self.answer("/hello/x", method="POST"))[0], 405)
        self.assertEqual(self.whole(self.answer("/sync/x"))[2], b'{"main":false}')
        ended = self.answer("/stream")
        self.assertEqual((ended.items[0][0], b"".join((ended.items[0][2], *filter(None, ended.items[1:])))), (200, b"abc"))
        ended = self.answer("/later")
        self.assertEqual((ended.outcome, self.value("import shop; shop.later")), ("nothing", [1]))


if __name__ == "__main__":
    unittest.main()
