# SPDX-License-Identifier: Apache-2.0
"""Session pools: equal sessions under one name, for calls that need no state."""

import concurrent.futures
import os
import signal
import unittest

from vivarium_testing import http_api, processes, tenants, waiting
from vivarium_testing.case import DaemonCase

CONFIG = """
[limits]
grace = "200ms"
[pools.math]
sessions = 2
queue = 4
init = "import sys\\nwhere = 'pool'"
imports = ["json"]
[pools.math.limits]
namespaces = 3
[tenants.local.routes]
"json" = "math"
"json.dumps" = "other"
"os" = "other"
[pools.other]
sessions = 1
eager = false
"""
TOKEN = "import os\nglobals().setdefault('token', os.urandom(8).hex())"


class Pools(DaemonCase):
    """Pools of the configuration, and those that clients make."""

    config = CONFIG

    @classmethod
    def setUpClass(cls):
        """Has the pools at their size before anybody takes stock."""
        super().setUpClass()
        with cls.daemon.client() as client:
            client.value("1", pool="other")
            waiting.wait_for(lambda: all(
                pool.get("ready") == pool["sessions"] for pool in pools(client).values()), "the pools")

    def setUp(self):
        """Nothing was started yet."""
        super().setUp()
        self.started = []

    def pool(self, name="math"):
        """Returns how a pool stands."""
        return pools(self.client)[name]

    def at_rest_again(self):
        """Waits until the pools are whole and idle, so that nothing counts as left behind."""
        waiting.wait_for(lambda: all(
            pool.get("ready") == pool["sessions"] and not pool.get("busy")
            for pool in pools(self.client).values()), "idle pools")

    def tearDown(self):
        """What was started ends; a session that was replaced is there again."""
        for execution in self.started:
            self.cancel(execution)
        self.at_rest_again()
        super().tearDown()

    def busy(self, seconds=60, **fields):
        """Occupies a session of the pool with something that can be cancelled."""
        started = self.client.call("ExecutionService/Start", {"eval": {
            "pool": "math", "source": f"import time\ntime.sleep({seconds})", **fields}})
        self.started.append(started["executionId"])
        return started["executionId"]

    def cancel(self, execution):
        """Cancels an execution and waits for its end."""
        with self.daemon.client() as client:
            client.call("ExecutionService/Cancel", {"executionId": execution})
            client.wait(execution)

    def occupied(self, number=2, **fields):
        """Occupies so many sessions."""
        before = int(self.pool().get("busy", 0))
        ids = [self.busy(**fields) for _ in range(number)]
        waiting.wait_for(lambda: self.pool().get("busy", 0) == before + number, "busy sessions")
        return ids

    def test_calls_go_round(self):
        """Two sessions, in turn; neither is anybody's to see."""
        seen = [self.client.value(TOKEN, pool="math") for _ in range(6)]
        self.assertEqual(len(set(seen)), 2, seen)
        self.assertEqual(seen[0], seen[2])
        self.assertEqual(seen[1], seen[3])
        answer = self.client.call("ExecutionService/Eval", {"source": "1", "pool": "math"})
        self.assertNotIn("sessionId", answer)
        listed = self.client.call("SessionService/ListSessions")["sessions"]
        self.assertEqual(len(listed), 1, "the neighbour's, and none of the pools'")

    def test_sessions_begin_as_configured(self):
        """With what init leaves, modules imported, limits set."""
        self.assertEqual(self.client.value("[where, json.dumps([1])]", pool="math"), ["pool", "[1]"])
        self.assertEqual(self.client.value("where = 2\nwhere", pool="math", scratch=True), 2)
        self.assertEqual(self.client.value("where", pool="math"), "pool")

    def test_every_kind_of_request(self):
        """Eval, Call, Start, Stream, Batch and Compile's handles."""
        call = {"pool": "math", "target": {"module": "math"}, "name": "sqrt", "jsonArgs": [16]}
        self.assertEqual(self.client.call("ExecutionService/Call", call)["verdict"]["result"]["json"], 4)
        started = self.client.call("ExecutionService/Start", {"eval": {"pool": "math", "source": "6*7"}})
        self.assertNotIn("sessionId", started)
        self.assertEqual(self.client.wait(started["executionId"])["result"]["json"], 42)
        items = []
        for answer in self.client.messages("ExecutionService/Stream", {
                "window": 3, "eval": {"pool": "math", "source": "range(10)"}}):
            items += answer.get("jsonItems", [])
        self.assertEqual(items, list(range(10)))
        answer = self.client.call("ExecutionService/Batch", {"items": [
            {"eval": {"pool": "math", "source": str(n)}} for n in range(5)] + [{"call": call}]})
        self.assertEqual([r["verdict"]["result"]["json"] for r in answer["results"]],
                         [0, 1, 2, 3, 4, 4])
        code = self.client.call("ExecutionService/Compile", {"source": "'compiled'"})["code"]
        answer = self.client.call("ExecutionService/Eval", {"pool": "math", "code": code})
        self.assertEqual(answer["verdict"]["result"]["json"], "compiled")

    def test_wrong_requests(self):
        """What excludes each other is said."""
        for fields in ({"session": "s", "pool": "math"}, {"pool": "math", "namespace": "n"},
                       {"pool": "math", "environment": "default"}, {"affinityKey": "k"},
                       {"pool": "math", "limits": {"refs": "1"}},
                       {"pool": "math", "affinityKey": "k" * 257},
                       {"pool": "math", "affinity": 7},
                       {"pool": "math", "createSession": True}):
            with self.subTest(fields):
                self.refused("invalid_argument", "ExecutionService/Eval", {"source": "1", **fields})
        for name in ("nope", "Math", "ses_0abc", "x" * 1000):
            with self.subTest(name):
                self.refused("not_found", "ExecutionService/Eval", {"source": "1", "pool": name})

    def test_overload_is_refused_at_once(self):
        """With current, maximum and retry-after, in the detail and the header."""
        self.occupied()
        self.occupied(0)
        for _ in range(4):
            self.busy()
        error = self.refused("resource_exhausted", "ExecutionService/Eval",
                             {"source": "1", "pool": "math"})
        detail = http_api.detail_of(error)
        self.assertEqual(detail["code"], "limit_exceeded")
        self.assertEqual(detail["quota"]["name"], "session_pool_queue")
        self.assertEqual(detail["quota"]["current"], "4")
        self.assertEqual(detail["quota"]["maximum"], "4")
        self.assertGreater(int(detail["quota"]["retryAfterMs"]), 0)
        status, headers, _ = self.client.request(
            "POST", "/vivarium.v1.ExecutionService/Eval", b'{"source":"1","pool":"math"}',
            {"content-type": "application/json"})
        self.assertEqual(status, 429)
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        socket = self.websocket()
        name, failure = socket.ask(eval={"source": "1", "pool": "math"})
        self.assertEqual(name, "error")
        self.assertEqual(failure["detail"]["quota"]["maximum"], "4")
        answer = self.client.call("ExecutionService/Batch", {"items": [
            {"eval": {"pool": "math", "source": "1"}}]})["results"][0]
        self.assertEqual(answer["rejection"]["detail"]["quota"]["name"], "session_pool_queue")

    def test_fail_fast(self):
        """Nobody is free: worker_busy; else it runs."""
        self.occupied()
        for fields in ({"affinity": "AFFINITY_STRICT_FAIL_FAST"}, {"queue": "QUEUE_POLICY_FAIL"}):
            with self.subTest(fields):
                error = self.refused("resource_exhausted", "ExecutionService/Eval",
                                     {"source": "1", "pool": "math", **fields})
                self.assertEqual(http_api.detail_of(error)["code"], "worker_busy")
        self.assertEqual(self.client.value("1", pool="other", affinity="AFFINITY_STRICT_FAIL_FAST"), 1)

    def test_keys(self):
        """Strict calls come back to their session, with its state and refs."""
        strict = {"pool": "math", "affinityKey": "cart", "affinity": "AFFINITY_STRICT_QUEUE"}
        self.client.value("cart = ['book']", **strict)
        for _ in range(5):
            self.client.value("1", pool="math")
            self.assertEqual(self.client.value("cart", **strict), ["book"])
        ref = self.client.value("object()", **strict, valueOptions={
            "unserializable": "UNSERIALIZABLE_REF"})["$ref"]
        answer = self.client.call("ExecutionService/Call", {
            **strict, "target": {"ref": {"id": ref}}, "operation": "OPERATION_REPR"})
        self.assertIn("object object", answer["verdict"]["result"]["json"])

    def test_strict_waits_for_its_own(self):
        """Although the other session is free."""
        key = {"affinityKey": "k", "affinity": "AFFINITY_STRICT_QUEUE"}
        holder, = self.occupied(1, **key)
        waiter = self.client.call("ExecutionService/Start", {"eval": {
            "pool": "math", "source": "'through'", **key}})["executionId"]
        self.assertEqual(self.client.value("1", pool="math"), 1)
        error = self.refused("resource_exhausted", "ExecutionService/Eval", {
            "pool": "math", "source": "1", "affinityKey": "k",
            "affinity": "AFFINITY_STRICT_FAIL_FAST"})
        self.assertEqual(http_api.detail_of(error)["code"], "worker_busy")
        self.assertEqual(self.client.call("ExecutionService/Wait", {"executionId": waiter}), {})
        self.cancel(holder)
        self.assertEqual(self.client.wait(waiter)["result"]["json"], "through")

    def test_dead_session(self):
        """It is replaced; who had a key there is told once, who only hinted is not."""
        key = {"pool": "math", "affinityKey": "dead", "affinity": "AFFINITY_STRICT_QUEUE"}
        self.client.value("x = 1", **key)
        replaced = int(self.pool().get("replaced", 0))
        verdict = self.client.eval("import os\nos.kill(os.getpid(), 11)", **key)
        self.assert_lost(verdict)
        self.assertEqual(verdict["cause"]["limit"], "SIGSEGV")
        error = self.refused("aborted", "ExecutionService/Eval", {"source": "x", **key})
        self.assertEqual(http_api.detail_of(error)["code"], "session_worker_unavailable")
        self.assertIn("dead", error.message)
        self.assertIs(self.client.value("'x' in globals()", **key), False)
        self.at_rest_again()
        self.assertEqual(int(self.pool()["replaced"]), replaced + 1)
        self.assertEqual(self.client.value("1", pool="math"), 1)

    def test_killed_while_idle(self):
        """From outside: nobody who comes afterwards notices."""
        running = self.client.call("ExecutionService/Start", {"eval": {
            "pool": "other", "source": "while True: pass"}})["executionId"]
        victim = processes.busy_worker(self.daemon.pid)
        self.cancel(running)
        replaced = int(self.pool("other").get("replaced", 0))
        os.kill(victim.pid, signal.SIGKILL)
        waiting.wait_for(lambda: int(self.pool("other").get("replaced", 0)) == replaced + 1,
                         "a successor")
        for _ in range(10):
            self.assertEqual(self.client.value("1", pool="other"), 1)

    def test_deadlines_count_while_it_waits(self):
        """And what runs too long is interrupted; its session is kept."""
        self.occupied()
        verdict = self.client.eval("1", pool="math", timeoutMs="100")
        self.assert_kind(verdict, "TIMEOUT")
        self.assertEqual(verdict["cause"]["cause"], "deadline")
        self.assertIn("waited", verdict["error"]["message"])
        verdict = self.client.eval("while True: pass", pool="other", timeoutMs="100")
        self.assert_kind(verdict, "TIMEOUT")
        self.assert_kept(verdict)

    def test_cancelled_while_it_waits(self):
        """It never ran."""
        self.occupied()
        waiter = self.busy()
        answer = self.client.call("ExecutionService/Cancel", {"executionId": waiter})
        self.assertTrue(answer["cancelled"])
        self.assert_kind(self.client.wait(waiter), "CANCELLED")

    def test_a_client_that_goes(self):
        """Its call goes on, as in a session, unless it said otherwise."""
        self.vanish("ExecutionService/Eval", {
            "pool": "other", "source": "import time\ntime.sleep(60)",
            "onDisconnect": "ON_DISCONNECT_INTERRUPT"},
                    lambda: self.pool("other").get("busy") == 1)
        waiting.wait_for(lambda: not self.pool("other").get("busy"), "the end of the call")
        self.assertEqual(int(self.pool("other").get("replaced", 0)), 0)
        self.client.value("events = []", pool="other")
        self.vanish("ExecutionService/Stream", {"eval": {
            "pool": "other", "source": "import itertools\nitertools.count()"}})
        self.assertEqual(self.client.value("1", pool="other"), 1)

    def test_many_at_once(self):
        """All are answered, each with its own value."""
        def ask(number):
            with self.daemon.client() as client:
                answers = []
                for n in range(20):
                    try:
                        answers.append(client.value(f"{number} * 1000 + {n}", pool="math")
                                       == number * 1000 + n)
                    except http_api.ApiError as error:
                        answers.append(error.code == "resource_exhausted")
                return all(answers)
        with concurrent.futures.ThreadPoolExecutor(16) as threads:
            self.assertTrue(all(threads.map(ask, range(16))))
        self.assertEqual(self.pool().get("waiting", 0), 0)

    def test_defaults_of_a_connection(self):
        """They name a pool; a request overrides them."""
        socket = self.websocket()
        self.assertEqual(socket.ask(setDefaults={"pool": "math"})[0], "setDefaults")
        _, answer = socket.ask(eval={"source": "where"})
        self.assertEqual(answer["verdict"]["result"]["json"], "pool")
        _, answer = socket.ask(eval={"source": "'where' in globals()", "pool": "other"})
        self.assertIs(answer["verdict"]["result"]["json"], False)
        session = self.session()
        _, answer = socket.ask(eval={"source": "'where' in globals()", "session": session})
        self.assertIs(answer["verdict"]["result"]["json"], False)
        for bad in ({"pool": "math", "session": session}, {"pool": "math", "ownSession": True},
                    {"pool": "math", "namespace": "n"}, {"affinity": 9}):
            with self.subTest(bad):
                self.assertEqual(socket.ask(setDefaults=bad)[0], "error")
        _, answer = socket.ask(eval={"source": "where"})
        self.assertEqual(answer["verdict"]["result"]["json"], "pool")

    def calls_of(self, name):
        """Returns how many calls a pool has had."""
        return int(self.pool(name).get("calls", 0))

    def test_routes(self):
        """A function's goes before its module's; what names a session goes there."""
        def called(module, name, arguments, **fields):
            before = {pool: self.calls_of(pool) for pool in ("math", "other")}
            answer = self.client.call("ExecutionService/Call", {
                "target": {"module": module}, "name": name, "jsonArgs": arguments, **fields})
            self.assertIn("result", answer["verdict"])
            return [pool for pool, calls in before.items() if self.calls_of(pool) > calls]
        self.assertEqual(called("json", "loads", ["1"]), ["math"])
        self.assertEqual(called("json", "dumps", [1]), ["other"])
        self.assertEqual(called("os.path", "basename", ["/a/b"]), ["other"])
        self.assertEqual(called("operator", "add", [1, 2]), [])
        self.assertEqual(called("json", "loads", ["1"], session=self.session()), [])
        self.assertEqual(called("json", "loads", ["1"], environment="default"), [])
        self.assertEqual(called("json", "loads", ["1"], pool="other"), ["other"])
        self.client.call("PoolService/SetRoutes", {"routes": {"operator.add": "math", "json": "other"}})
        self.assertEqual(called("operator", "add", [1, 2]), ["math"])
        self.assertEqual(called("operator", "sub", [1, 2]), [])
        self.assertEqual(called("json", "loads", ["1"]), ["other"])
        routes = self.client.call("PoolService/ListPools")["routes"]
        self.assertEqual(routes, {"operator.add": "math", "json": "other", "json.dumps": "other",
                                  "os": "other"})
        self.refused("not_found", "PoolService/SetRoutes", {"routes": {"json": "nope"}})
        self.refused("invalid_argument", "PoolService/SetRoutes", {"routes": {"": "math"}})
        self.refused("invalid_argument", "PoolService/SetRoutes", {
            "routes": {f"m{n}": "math" for n in range(1001)}})
        self.client.call("PoolService/SetRoutes")
        self.assertEqual(called("json", "loads", ["1"]), ["math"])

    def test_pools_of_a_client(self):
        """Made, used, listed, closed."""
        made = self.client.call("PoolService/CreatePool", {
            "name": "mine", "sessions": 3, "queue": "7",
            "session": {"init": {"source": "y = 5"}, "limits": {"refs": "10"}}})["pool"]
        self.assertEqual((made["name"], made["sessions"], made["queue"]), ("mine", 3, "7"))
        self.assertEqual(self.client.value("y", pool="mine"), 5)
        self.refused("already_exists", "PoolService/CreatePool", {"name": "mine"})
        self.refused("already_exists", "PoolService/CreatePool", {"name": "math"})
        self.assertEqual(sorted(pools(self.client)), ["math", "mine", "other"])
        self.assertNotIn("configured", self.pool("mine"))
        self.assertTrue(self.pool()["configured"])
        self.refused("permission_denied", "PoolService/ClosePool", {"pool": "math"})
        self.client.call("PoolService/ClosePool", {"pool": "mine"})
        self.refused("not_found", "PoolService/ClosePool", {"pool": "mine"})
        self.refused("not_found", "ExecutionService/Eval", {"source": "y", "pool": "mine"})

    def test_pools_that_cannot_be_made(self):
        """Wrong requests are refused; sessions that fail at their start are told of."""
        for bad in ({"name": "No Name"}, {"name": ""}, {"name": "big", "sessions": 1001},
                    {"name": "q", "queue": "1000001"}, {"name": "n", "session": {"name": "n"}},
                    {"name": "n", "session": {"lifetime": "LIFETIME_DETACHED", "attach": True}},
                    {"name": "n", "session": {"idleTimeoutMs": "5"}}):
            with self.subTest(bad):
                self.refused("invalid_argument", "PoolService/CreatePool", bad)
        self.client.call("PoolService/CreatePool", {"name": "broken", "sessions": 2, "session": {
            "init": {"source": "1 / 0"}}})
        try:
            waiting.wait_for(lambda: self.pool("broken").get("trouble"), "the trouble")
            self.assertIn("division by zero", self.pool("broken")["trouble"])
            def refused():
                try:
                    self.client.call("ExecutionService/Eval", {"source": "1", "pool": "broken"})
                except http_api.ApiError as error:
                    return "division by zero" in error.message
                return False
            waiting.wait_for(refused, "a refusal that says why")
        finally:
            self.client.call("PoolService/ClosePool", {"pool": "broken"})

    def test_metrics(self):
        """By pool where the configuration named it; a client's name is no label."""
        self.client.call("PoolService/CreatePool", {"name": "unlabelled", "sessions": 1})
        self.client.value("1", pool="unlabelled")
        self.client.value("1", pool="math")
        with self.daemon.client() as client:
            _, _, body = client.request("GET", "/metrics")
        self.client.call("PoolService/ClosePool", {"pool": "unlabelled"})
        text = body.decode()
        self.assertNotIn("unlabelled", text)
        self.assertRegex(text, r'vivarium_session_pool_sessions\{pool="math",tenant="local"\} 2')
        self.assertRegex(
            text, r'vivarium_session_pool_calls_total\{outcome="run",pool="math",tenant="local"\} \d')
        self.assertRegex(text, r'vivarium_session_pool_calls_total\{outcome="run",tenant="local"\} \d')
        self.assertIn("vivarium_session_pool_wait_duration_seconds_count", text)

    def test_websocket(self):
        """The same methods as frames."""
        socket = self.websocket()
        name, answer = socket.ask(listPools={})
        self.assertEqual(name, "listPools")
        self.assertEqual([pool["name"] for pool in answer["pools"]], ["math", "other"])
        name, _ = socket.ask(createPool={"name": "ws", "sessions": 1})
        self.assertEqual(name, "createPool")
        _, answer = socket.ask(eval={"source": "1", "pool": "ws"})
        self.assertEqual(answer["verdict"]["result"]["json"], 1)
        self.assertEqual(socket.ask(setRoutes={"routes": {"ast": "ws"}})[0], "setRoutes")
        self.assertEqual(socket.ask(setRoutes={})[0], "setRoutes")
        self.assertEqual(socket.ask(closePool={"pool": "ws"})[0], "closePool")


def pools(client):
    """Returns the pools by name."""
    return {pool["name"]: pool for pool in client.call("PoolService/ListPools").get("pools", ())}


class Shared(tenants.TenantCase):
    """Pools of tenants: own ones, and one of a trust group."""

    tenants = {"a": 'trust_group = "friends"\nexecutions = 10',
               "b": 'trust_group = "friends"', "c": "sessions = 3"}
    more_config = """
[pools.common]
sessions = 1
trust_group = "friends"
[pools.own]
sessions = 1
tenants = ["a", "c"]
"""

    def test_who_sees_what(self):
        """A pool of others is not there."""
        self.assertEqual(sorted(pools(self.of["a"])), ["common", "own"])
        self.assertEqual(sorted(pools(self.of["b"])), ["common"])
        self.assertEqual(sorted(pools(self.of["c"])), ["own"])
        self.assertTrue(pools(self.of["b"])["common"]["shared"])
        for name in ("common", "nope"):
            with self.assertRaises(http_api.ApiError) as caught:
                self.of["c"].value("1", pool=name)
            self.assertEqual(caught.exception.message, f"there is no session pool '{name}'")

    def test_shared_or_not(self):
        """The shared one is one session, own ones are two."""
        self.of["a"].value("seen = 'a'", pool="common")
        self.assertEqual(self.of["b"].value("seen", pool="common"), "a")
        self.of["a"].value("seen = 'a'", pool="own")
        self.assertIs(self.of["c"].value("'seen' in globals()", pool="own"), False)
        a, b = (self.of[name].call("ExecutionService/Start", {"eval": {
            "pool": "common", "source": name}})["executionId"] for name in "ab")
        self.of["a"].wait(a)
        self.of["b"].wait(b)
        with self.assertRaises(http_api.ApiError) as caught:
            self.of["b"].wait(a)
        self.assertEqual(caught.exception.code, "not_found")

    def test_executions_are_the_callers(self):
        """So are metrics."""
        self.of["b"].eval("1 / 0", pool="common")
        with self.daemon.client(self.daemon.keys(
                "create", "--tenant", "bystander", "--role", "admin")) as admin:
            _, _, body = admin.request("GET", "/metrics")
        self.assertRegex(body.decode(),
                         r'vivarium_executions_total\{environment="default",outcome="python",'
                         r'tenant="b"\} \d')
        self.assertRegex(body.decode(),
                         r'vivarium_session_pool_calls_total\{outcome="run",pool="common",'
                         r'tenant="friends"\} \d')

    def test_quota_of_sessions(self):
        """A client's pool takes of its tenant's quota, and says so when that is used up."""
        c = self.of["c"]
        c.call("PoolService/CreatePool", {"name": "many", "sessions": 5})
        try:
            waiting.wait_for(lambda: pools(c)["many"].get("ready") == 2, "two sessions")
            waiting.wait_for(lambda: "sessions" in pools(c)["many"].get("trouble", ""), "the trouble")
            self.assertEqual(c.value("1", pool="many"), 1)
        finally:
            c.call("PoolService/ClosePool", {"pool": "many"})

    def test_names_of_other_tenants(self):
        """Each tenant's client-made pools are its own."""
        for name in "ab":
            self.of[name].call("PoolService/CreatePool", {
                "name": "mine", "sessions": 1, "session": {"init": {"source": f"who = '{name}'"}}})
        try:
            for name in "ab":
                self.assertEqual(self.of[name].value("who", pool="mine"), name)
            with self.assertRaises(http_api.ApiError) as caught:
                self.of["c"].call("PoolService/ClosePool", {"pool": "mine"})
            self.assertEqual(caught.exception.code, "not_found")
        finally:
            for name in "ab":
                self.of[name].call("PoolService/ClosePool", {"pool": "mine"})


if __name__ == "__main__":
    unittest.main()
