# SPDX-License-Identifier: Apache-2.0
"""Python code that calls the application, over WebSockets and over plain HTTP."""

import json
import unittest

from vivarium_testing import host as hosts, http_api, waiting
from vivarium_testing.case import DaemonCase

SETUP = "import vivarium, asyncio, threading\n"


class HostCase(DaemonCase):
    """What the tests below share."""

    def setUp(self):
        super().setUp()
        self.hosts = []

    def tearDown(self):
        for one in self.hosts:
            one.stop()
        super().tearDown()

    def host(self, functions, **fields):
        """Offers functions over plain HTTP."""
        self.hosts.append(hosts.HttpHost(self.daemon, functions, **fields))
        return self.hosts[-1]

    def serve(self, socket, credit=100_000, **fields):
        """Offers functions over a WebSocket; returns the number of the stream."""
        stream = socket.begin(credit=credit, serve=fields)
        self.assertEqual(socket.next_of(stream)["serve"], {"serving": {}})
        return stream

    def next_call(self, socket, stream):
        """Returns the next call."""
        message = socket.next_of(stream)
        self.assertIn("call", message.get("serve", {}), message)
        return message["serve"]["call"]

    def answer(self, socket, stream, call, **outcome):
        """Answers a call without an acknowledgement."""
        socket.send({"id": str(stream), "answer": {"callId": call["callId"], **outcome}})

    def begin(self, socket, session, source, **fields):
        """Submits an evaluation over the socket; returns its number."""
        return socket.begin(eval={"session": session, "source": SETUP + source, **fields})

    def verdict(self, socket, number):
        """Returns the verdict of an evaluation."""
        message = socket.next_of(number)
        self.assertIn("eval", message, message)
        return message["eval"]["verdict"]

    def value(self, socket, number):
        """Returns its value, which it must have."""
        verdict = self.verdict(socket, number)
        self.assertIn("result", verdict, verdict)
        return verdict["result"].get("json")


class OverWebSocket(HostCase):
    """One connection evaluates and answers."""

    def setUp(self):
        super().setUp()
        self.session_id = self.session()
        self.socket = self.websocket()
        self.stream = self.serve(self.socket)

    def run_code(self, source, **fields):
        return self.begin(self.socket, self.session_id, source, **fields)

    def call(self):
        return self.next_call(self.socket, self.stream)

    def test_a_call_and_its_answer(self):
        """Arguments there, a value back."""
        number = self.run_code("vivarium.call('auth.get', 7, [1, None], flag=True)")
        call = self.call()
        self.assertEqual((call["name"], call["jsonArgs"], call["jsonKwargs"], call["sessionId"]),
                         ("auth.get", [7, [1, None]], {"flag": True}, self.session_id))
        self.assertTrue(call["executionId"].startswith("exe_"))
        self.assertEqual(call["timeoutMs"], "60000")
        self.answer(self.socket, self.stream, call, json={"name": "Ada"})
        self.assertEqual(self.value(self.socket, number), {"name": "Ada"})

    def test_typed_arguments(self):
        """A binary form keeps Python's types."""
        socket = self.websocket()
        stream = self.serve(socket, names=["typed.*"], format="RESULT_FORMAT_TYPED")
        number = self.begin(socket, self.session_id, "vivarium.call('typed.f', (1, b'x'), {2})")
        call = self.next_call(socket, stream)
        self.assertEqual(call["args"], [
            {"tuple": {"items": [{"integer": "1"}, {"blob": "eA=="}]}},
            {"set": {"items": [{"integer": "2"}]}}])
        self.answer(socket, stream, call, value={"tuple": {"items": [{"integer": "3"}]}})
        self.assertEqual(self.value(socket, number), [3])

    def test_errors_carry_both_tracebacks(self):
        """What the application says is part of Python's exception, and of the verdict."""
        number = self.run_code("def ask():\n  return vivarium.call('f')\nask()")
        self.answer(self.socket, self.stream, self.call(), error={
            "type": "NoUser", "message": "no user 7", "traceback": "at host.js:3",
            "data": {"integer": "7"}})
        error = self.verdict(self.socket, number)["error"]
        self.assertEqual((error["type"], error["message"]), ("HostCallError", "NoUser: no user 7"))
        self.assertIn("at host.js:3", error["traceback"])
        self.assertIn("return vivarium.call('f')", error["traceback"])
        number = self.run_code("try:\n  vivarium.call('f')\n"
                               "except vivarium.HostCallError as e:\n  caught = e.type, e.data\ncaught")
        self.answer(self.socket, self.stream, self.call(),
                    error={"type": "NoUser", "data": {"integer": "7"}})
        self.assertEqual(self.value(self.socket, number), ["NoUser", 7])

    def test_who_is_asked(self):
        """Who submitted, if it offers the name; else who else does."""
        other = self.websocket()
        stream = self.serve(other, names=["exact", "below.*"])
        for name in ("exact", "below.it"):
            number = self.begin(other, self.session_id, f"vivarium.call('{name}')")
            self.answer(other, stream, self.next_call(other, stream), json=name)
            self.assertEqual(self.value(other, number), name)
        for name in ("below", "belowit", "exact.not"):
            number = self.begin(other, self.session_id, f"vivarium.call('{name}')")
            self.answer(self.socket, self.stream, self.call(), json=name)
            self.assertEqual(self.value(other, number), name)

    def test_gather_is_parallel(self):
        """All are here before the first is answered; answers in the other order."""
        number = self.run_code("await asyncio.gather(*(vivarium.acall('sq', i) for i in range(300)))")
        calls = [self.call() for _ in range(300)]
        for call in reversed(calls):
            self.answer(self.socket, self.stream, call, json=call["jsonArgs"][0] ** 2)
        self.assertEqual(self.value(self.socket, number), [i * i for i in range(300)])

    def test_threads_get_their_own_answers(self):
        """The right value to the right thread."""
        number = self.run_code("""
got = {}
def ask(i):
    got[i] = [vivarium.call('f', i, n) for n in range(50)]
threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
got == {i: [i * 1000 + n for n in range(50)] for i in range(8)}""")
        for _ in range(400):
            call = self.call()
            i, n = call["jsonArgs"]
            self.answer(self.socket, self.stream, call, json=i * 1000 + n)
        self.assertEqual(self.value(self.socket, number), True)

    def test_ten_thousand_at_once(self):
        """All of one session's, answered without loss."""
        number = self.run_code(
            "sum(await asyncio.gather(*(vivarium.acall('f', i) for i in range(10000))))")
        calls = [self.call() for _ in range(10_000)]
        for call in calls:
            self.answer(self.socket, self.stream, call, json=call["jsonArgs"][0])
        self.assertEqual(self.value(self.socket, number), sum(range(10_000)))

    def test_reentrant_twelve_deep(self):
        """Python calls the application, which evaluates in the same session, and so on."""
        depth = 12
        numbers, calls = [], []
        within = {}
        for level in range(depth):
            numbers.append(self.run_code(f"vivarium.call('down', {level}) + 1", **within))
            calls.append(self.call())
            within = {"withinCall": calls[-1]["callId"]}
        self.assertEqual(self.value(self.socket, self.run_code("100", **within)), 100)
        result = 100
        for level in reversed(range(depth)):
            self.answer(self.socket, self.stream, calls[level], json=result)
            result += 1
            self.assertEqual(self.value(self.socket, numbers[level]), result)
        self.assertEqual(self.client.value("1 + 1", self.session_id), 2)

    def test_others_wait_while_what_is_within_runs(self):
        """The call is answered before whoever waits has its turn."""
        outer = self.run_code("x = 1\ny = vivarium.call('f')\n(x, y)")
        call = self.call()
        later = self.run_code("x = 50")
        inner = self.run_code("x += 1\nx", withinCall=call["callId"])
        self.assertEqual(self.value(self.socket, inner), 2)
        self.answer(self.socket, self.stream, call, json="f")
        self.assertEqual(self.value(self.socket, outer), [2, "f"])
        self.assertIsNone(self.value(self.socket, later))

    def test_within_a_call_that_is_over(self):
        """A typed error."""
        outer = self.run_code("vivarium.call('f')")
        call = self.call()
        self.answer(self.socket, self.stream, call, json=1)
        self.assertEqual(self.value(self.socket, outer), 1)
        message = self.socket.next_of(self.run_code("1", withinCall=call["callId"]))
        self.assertEqual(message["error"]["code"], "not_found", message)
        message = self.socket.next_of(self.socket.begin(eval={"source": "1", "withinCall": "x"}))
        self.assertEqual(message["error"]["code"], "invalid_argument", message)

    def test_a_function_as_a_value(self):
        """It arrives as a callable, wherever it stands, and goes back as what it was."""
        number = self.run_code(
            "[f(2) for f in fs], fs[0].name", variables={"fs": {"list": {"items": [
                {"function": {"name": "double"}}, {"function": {"name": "triple"}}]}}})
        for name in ("double", "triple"):
            call = self.call()
            self.assertEqual((call["name"], call["jsonArgs"]), (name, [2]))
            self.answer(self.socket, self.stream, call, json={"double": 4, "triple": 6}[name])
        self.assertEqual(self.value(self.socket, number), [[4, 6], "double"])

    def test_a_function_of_a_connection_that_is_gone(self):
        """Fails; others of the same name are not asked."""
        other = self.websocket()
        self.serve(other)
        self.bound_to(other, "mine")
        other.close()
        self.websockets.remove(other)
        def error():
            verdict = self.client.eval("f()", self.session_id)
            return verdict["error"]["type"]
        waiting.wait_for(lambda: error() == "HostNotFoundError", "the connection to be gone")

    def test_wrong_answers(self):
        """Twice, unknown, malformed: an error for who answers, nothing for who waits."""
        number = self.run_code("vivarium.call('f')")
        call = self.call()
        self.answer(self.socket, self.stream, {"callId": "call_77777"}, json=1)
        self.assertEqual(self.socket.next_of(0)["error"]["code"], "not_found")
        self.assertEqual(self.socket.ask(answer={"callId": call["callId"]})[1]["code"], "invalid_argument")
        self.assertEqual(self.socket.ask(answer={"json": 1})[1]["code"], "invalid_argument")
        self.assertEqual(self.socket.ask(answer={"callId": call["callId"], "value": {}})[1]["code"],
                         "invalid_argument")
        self.assertEqual(self.socket.ask(answer={"callId": call["callId"], "json": 5}), ("answer", {}))
        self.assertEqual(self.value(self.socket, number), 5)
        name, error = self.socket.ask(answer={"callId": call["callId"], "json": 6})
        self.assertEqual((name, error["code"]), ("error", "not_found"))
        self.answer(self.socket, self.stream, call, json=7)
        self.assertEqual(self.socket.next_of(0)["error"]["code"], "not_found")

    def test_credit_bounds_what_is_sent(self):
        """Calls beyond it wait in the daemon."""
        socket = self.websocket()
        stream = self.serve(socket, credit=2, names=["slow"])
        number = self.begin(socket, self.session_id,
                            "await asyncio.gather(*(vivarium.acall('slow', i) for i in range(5)))")
        first = [self.next_call(socket, stream) for _ in range(2)]
        # An answer to something else shows that no third call is on its way.
        self.assertEqual(socket.ask(getSession={"session": self.session_id})[0], "getSession")
        self.assertFalse(socket.others[stream])
        socket.send({"id": str(stream), "moreCredit": 3})
        for call in first + [self.next_call(socket, stream) for _ in range(3)]:
            self.answer(socket, stream, call, json=call["jsonArgs"][0])
        self.assertEqual(self.value(socket, number), list(range(5)))

    def bound_to(self, socket, name):
        """Makes `f` in the session a function of that connection's; returns the session."""
        number = self.begin(socket, self.session_id, "f = g",
                            variables={"g": {"function": {"name": name}}})
        self.assertIsNone(self.value(socket, number))
        return self.session_id

    def test_a_client_that_vanishes(self):
        """Its calls fail at once."""
        other = self.websocket()
        stream = self.serve(other, names=["gone"])
        execution = self.client.start(
            SETUP + "try:\n  f()\nexcept ConnectionError as e:\n  caught = type(e).__name__\ncaught",
            self.bound_to(other, "gone"))
        self.next_call(other, stream)
        other.close()
        self.websockets.remove(other)
        self.assertEqual(self.client.wait(execution)["result"]["json"], "HostUnavailableError")

    def test_a_stream_that_is_given_up(self):
        """So do those of one that stops serving."""
        other = self.websocket()
        stream = self.serve(other, names=["gone"])
        execution = self.client.start("f()", self.bound_to(other, "gone"))
        self.next_call(other, stream)
        other.send({"id": str(stream), "abandon": {}})
        self.assertIn("end", other.next_of(stream))
        self.assertEqual(self.client.wait(execution)["error"]["type"], "HostUnavailableError")

    def test_deadlines(self):
        """A call that nobody answers, and an execution that waits for one."""
        number = self.run_code("vivarium.call('f', _timeout=0.05)")
        call = self.call()
        self.assertEqual(call["timeoutMs"], "50")
        verdict = self.verdict(self.socket, number)
        self.assertEqual(verdict["error"]["type"], "HostTimeoutError", verdict)
        self.assertIn("within 50 ms", verdict["error"]["message"])
        self.assert_kept(verdict)
        dropped = self.socket.next_of(self.stream)["serve"]
        self.assertEqual(dropped, {"dropped": {"callId": call["callId"]}})
        number = self.run_code("vivarium.call('f')", timeoutMs="100")
        call = self.call()
        verdict = self.verdict(self.socket, number)
        self.assert_kind(verdict, "TIMEOUT")
        self.assert_kept(verdict)
        self.assertEqual(self.socket.next_of(self.stream)["serve"]["dropped"]["callId"], call["callId"])

    def test_a_call_that_names_no_within(self):
        """The error of the wait tells why it could not end."""
        number = self.run_code("vivarium.call('f', _timeout=0.3)")
        self.call()
        later = [self.run_code("1") for _ in range(70)]  # More than a worker is sent ahead.
        self.assertIn("within_call", self.verdict(self.socket, number)["error"]["message"])
        for one in later:
            self.assertEqual(self.value(self.socket, one), 1)

    def test_cancellation_within(self):
        """The outer one is stopped while another runs inside of it."""
        outer = self.socket.begin(start={"eval": {
            "session": self.session_id, "source": SETUP + "vivarium.call('f')"}})
        execution = self.socket.next_of(outer)["start"]["executionId"]
        call = self.call()
        inner = self.run_code("vivarium.call('g')", withinCall=call["callId"])
        inner_call = self.call()
        self.assertEqual(self.socket.ask(cancel={"executionId": execution}), ("cancel", {"cancelled": True}))
        self.answer(self.socket, self.stream, inner_call, json=5)
        self.assertEqual(self.value(self.socket, inner), 5)
        verdict = self.client.wait(execution)
        self.assert_kind(verdict, "CANCELLED")
        self.assert_kept(verdict)

    def test_a_lost_session(self):
        """Its open calls are dropped."""
        number = self.run_code("threading.Thread(target=lambda: vivarium.call('f')).start()\n"
                               "vivarium.call('g')\nimport os\nos._exit(3)")
        calls = {c["name"]: c for c in (self.call(), self.call())}
        self.answer(self.socket, self.stream, calls["g"], json=0)
        self.assert_lost(self.verdict(self.socket, number))
        self.assertEqual(self.socket.next_of(self.stream)["serve"],
                         {"dropped": {"callId": calls["f"]["callId"]}})

    def test_a_thread_that_outlives_its_execution(self):
        """Its calls are answered; they name no execution that has ended."""
        number = self.run_code("t = threading.Thread(target=lambda: globals().__setitem__('got', "
                               "vivarium.call('first') + vivarium.call('second')))\nt.start()")
        first = self.call()
        self.value(self.socket, number)
        self.answer(self.socket, self.stream, first, json=1)
        second = self.call()
        self.assertNotIn("executionId", second)
        self.answer(self.socket, self.stream, second, json=2)
        self.assertEqual(self.value(self.socket, self.run_code("t.join(); got")), 3)

    def test_casts(self):
        """Nobody waits, and the id is empty."""
        number = self.run_code("for i in range(100): vivarium.cast('note', i)")
        self.value(self.socket, number)
        calls = [self.call() for _ in range(100)]
        self.assertEqual([c["jsonArgs"][0] for c in calls], list(range(100)))
        self.assertNotIn("callId", calls[0])

    def test_a_flood_of_casts(self):
        """Bounded: what is over is dropped and counted, nothing else suffers."""
        socket = self.websocket()
        stream = self.serve(socket, credit=1, names=["flood"])
        number = self.begin(socket, self.session_id,
                            "for i in range(60000): vivarium.cast('flood', i)", timeoutMs="60000")
        self.value(socket, number)
        self.assertEqual(self.next_call(socket, stream)["jsonArgs"], [0])
        socket.send({"id": str(stream), "moreCredit": 100_000})
        seen, lost = 1, 0
        number = self.begin(socket, self.session_id, "vivarium.cast('flood', -1)")
        while True:
            call = self.next_call(socket, stream)
            seen += 1
            lost += int(call.get("lostBefore", 0))
            if call["jsonArgs"] == [-1]:
                break
        self.assertEqual(seen + lost, 60_001)
        self.assertGreater(lost, 30_000)
        self.value(socket, number)

    def test_large_ones(self):
        """At the bounds of what travels, both ways."""
        number = self.run_code("len(vivarium.call('echo', 'x' * (4 << 20)))", timeoutMs="60000")
        call = self.call()
        self.answer(self.socket, self.stream, call, json=call["jsonArgs"][0])
        self.assertEqual(self.value(self.socket, number), 4 << 20)
        number = self.run_code("vivarium.call('echo', 'x' * (17 << 20))")
        self.assertIn("at most 16 MiB", self.verdict(self.socket, number)["error"]["message"])


class OverHttp(HostCase):
    """A stream brings calls, requests answer them."""

    def test_calls(self):
        """Values, errors, casts, messages of several sessions."""
        def fail():
            raise hosts.Refusal(type="Nope", message="not today")
        host = self.host({"add": lambda a, b=1: a + b, "fail": fail})
        for _ in range(3):
            session = self.session()
            self.assertEqual(self.client.value("import vivarium\nvivarium.host.add(1, b=2)", session), 3)
            verdict = self.client.eval("vivarium.host.fail()", session)
            self.assertEqual(verdict["error"]["message"], "Nope: not today")
            verdict = self.client.eval("vivarium.host.unknown()", session)
            self.assertIn("KeyError", verdict["error"]["message"])

    def test_of_a_session_by_name(self):
        """An offer for a session is for it alone, and comes before one for all."""
        everybody = self.host({"who": lambda: "everybody"})
        mine = self.host({"who": lambda: "mine"}, session="called")
        self.session("called")
        other = self.session()
        source = "import vivarium\nvivarium.host.who()"
        self.assertEqual(self.client.value(source, "called"), "mine")
        self.assertEqual(self.client.value(source, other), "everybody")

    def test_in_turns(self):
        """Those that offer the same get calls in turns."""
        served = [self.host({"who": lambda i=i: i}) for i in range(3)]
        session = self.session()
        got = self.client.value("import vivarium\n[vivarium.host.who() for _ in range(9)]", session)
        self.assertEqual(sorted(got), [0, 0, 0, 1, 1, 1, 2, 2, 2])

    def test_a_window(self):
        """No more are under way than it says."""
        host = self.host({"f": lambda i: hosts.NO_ANSWER}, window=3)
        session = self.session()
        execution = self.client.start(
            SETUP + "await asyncio.gather(*(vivarium.acall('f', i) for i in range(7)))", session)
        answered = 0
        for expected in (3, 4, 5, 6, 7, 7, 7):
            waiting.wait_for(lambda n=expected: len(host.calls) >= n, "calls to come")
            self.assertEqual(len(host.calls), expected)
            self.client.call("HostService/Answer", {
                "callId": host.calls[answered]["callId"], "json": answered})
            answered += 1
        self.assertEqual(self.client.wait(execution)["result"]["json"], list(range(7)))

    def test_reentrant(self):
        """A function evaluates in the session that called it."""
        session = self.session()

        @hosts.with_call
        def down(call, n):
            source = f"vivarium.host.down({n - 1}) + 1" if n else "0"
            return client_of(n).value(source, session, withinCall=call["callId"])

        def client_of(n):
            return clients[n]
        clients = [self.daemon.client() for _ in range(12)]
        served = [self.host({"down": down}) for _ in range(13)]
        self.assertEqual(self.client.value("import vivarium\nvivarium.host.down(11)", session), 11)
        for one in clients:
            one.close()

    def test_nobody(self):
        """Who offers nothing is told so by the error."""
        session = self.session()
        verdict = self.client.eval("import vivarium\nvivarium.host.any.thing()", session)
        self.assertEqual(verdict["error"]["type"], "HostNotFoundError")
        self.assertIn("nobody offers the function 'any.thing'", verdict["error"]["message"])

    def test_wrong_requests(self):
        """Errors of the protocol's own form."""
        self.refused("invalid_argument", "HostService/Answer", {"json": 1})
        self.refused("not_found", "HostService/Answer", {"callId": "call_1", "json": 1})
        for fields in ({"names": [""]}, {"names": ["x" * 201]}, {"names": ["x"] * 1001},
                       {"format": "RESULT_FORMAT_REPR"}, {"window": 1_000_001}):
            with self.assertRaises(http_api.ApiError, msg=fields) as caught:
                list(self.client.messages("HostService/Serve", fields))
            self.assertEqual(caught.exception.code, "invalid_argument", fields)


class Modules(HostCase):
    """Modules of the application's."""

    def test_imported_like_any_other(self):
        """Functions, asynchronous ones, constants, packages."""
        host = self.host({"auth.get_user": lambda i: {"id": i},
                                            "auth.check": lambda: True, "acme.db.query": lambda q: [q]})
        session = self.session(modules=[
            {"name": "auth", "functions": ["get_user", "async check"],
             "constants": {"VERSION": {"integer": "3"}}},
            {"name": "acme.db", "functions": ["query"]}])
        self.assertEqual(self.client.value(
            "import auth\nfrom acme import db\n"
            "auth.get_user(7), await auth.check(), auth.VERSION, db.query('q')", session),
            [{"id": 7}, True, 3, ["q"]])

    def test_what_is_there_already(self):
        """Is hidden on request only."""
        error = self.refused("failed_precondition", "SessionService/CreateSession",
                             {"modules": [{"name": "json", "functions": ["dumps"]}]})
        self.assertIn("override", error.message)
        host = self.host({"json.dumps": lambda x: "one"})
        session = self.session(modules=[{"name": "json", "functions": ["dumps"], "override": True}])
        self.assertEqual(self.client.value("import json\njson.dumps(1)", session), "one")
        for name in ("sys", "a b", "", "vivarium.x"):
            self.refused("failed_precondition", "SessionService/CreateSession",
                         {"modules": [{"name": name, "functions": ["f"], "override": True}]})


class Children(HostCase):
    """Processes that a session forked."""

    config = '[environments.default]\nprocesses = "children"\n'

    def test_they_call_through_the_session(self):
        """Values, errors, casts; at once from several."""
        def fail():
            raise hosts.Refusal(type="Nope")
        host = self.host({"double": lambda i: 2 * i, "fail": fail, "note": lambda i: None})
        session = self.session(processes="PROCESSES_CHILDREN")
        got = self.client.value("""
import multiprocessing, vivarium
vivarium.serve_children()
def work(i):
    vivarium.cast('note', i)
    try:
        vivarium.call('fail')
    except vivarium.HostCallError as e:
        return [vivarium.call('double', n) for n in range(i, i + 20)], e.type
with multiprocessing.get_context('fork').Pool(3) as pool:
    got = pool.map(work, range(6))
got""", session)
        self.assertEqual(got, [[[2 * n for n in range(i, i + 20)], "Nope"] for i in range(6)])
        waiting.wait_for(lambda: sum(c["name"] == "note" for c in host.calls) == 6, "all casts")

    def test_not_without_being_served(self):
        """The error tells how."""
        self.host({"f": lambda: 1})
        session = self.session(processes="PROCESSES_CHILDREN")
        self.assertIn("serve_children", self.client.value("""
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
os.read(r, 1000).decode()""", session))


class Events(HostCase):
    """What code tells while it runs."""

    config = "[log]\ncode_records = true\n"

    def test_log_and_progress(self):
        """As events of the execution; records in the daemon's log, when it is configured so."""
        session = self.session(logLevel="LOG_LEVEL_INFO")
        execution = self.client.start("""
import logging, vivarium
log = logging.getLogger('app')
log.setLevel(logging.DEBUG)
log.addHandler(vivarium.LoggingHandler(default_metadata={'app': 'shop'}))
log.debug('not told')
log.warning('sold %d', 3, extra={'order': 17})
vivarium.progress(3, 10, 'frames')
""", session)
        events = list(self.client.follow(execution))
        [record] = [e["log"] for e in events if "log" in e]
        self.assertEqual((record["level"], record["logger"], record["message"], record["line"]),
                         ("LOG_LEVEL_WARNING", "app", "sold 3", 7))
        self.assertEqual({m["key"]["text"]: m["value"] for m in record["metadata"]},
                         {"app": {"text": "shop"}, "order": {"integer": "17"}})
        [progress] = [e["progress"] for e in events if "progress" in e]
        self.assertEqual(progress, {"done": 3, "total": 10, "text": "frames"})
        lines = [json.loads(line) for line in self.daemon.log().splitlines()]
        [line] = [one for one in lines
                  if one.get("msg") == "code logged" and one["session"] == session]
        self.assertEqual((line["level"], line["text"]), ("warn", "sold 3"))

    def test_a_flood_of_records(self):
        """The log takes some of them, and says how many it did not."""
        session = self.session()
        self.client.value("import logging, vivarium\n"
                          "logging.getLogger().addHandler(vivarium.LoggingHandler())\n"
                          "for i in range(2000): logging.warning('again')", session)
        logged = self.daemon.log().count('"text":"again"')
        self.assertLess(logged, 1000)
        self.assertGreater(logged, 0)


if __name__ == "__main__":
    unittest.main()
