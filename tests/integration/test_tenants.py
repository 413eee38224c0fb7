# SPDX-License-Identifier: Apache-2.0
"""Tenants: what belongs to one is not there for another, and each has quotas of its own."""

import glob
import os
import re
import signal

from vivarium_testing import http_api, processes, tenants, waiting

# Methods that take no id of anything.
WITHOUT_IDS = {"CreateSession", "ListSessions", "Compile", "CreatePool", "ListPools",
               "Receive", "Serve", "BootApp", "ListApps", "Invoke", "CreateVolume", "ListVolumes"}
# What goes by names of the tenant's own: test_store.py, test_environments_tenants.py.
BY_NAME = {"GetValue", "SetValue", "DeleteValue", "ListKeys", "RegisterEnvironment",
           "BuildEnvironment", "GetEnvironment", "ListEnvironments", "VerifyEnvironment",
           "RemoveEnvironment"}
# What only administrators may: test_admin.py.
ADMIN = {"GetStatus", "ListTenants", "ListAllSessions", "ListAllExecutions", "ListWorkerPools",
         "ListAllPools", "ListAllEnvironments", "Drain", "Undrain", "StopExecution", "EndSession",
         "RecycleEnvironment", "SetLogLevel", "ReloadConfig"}
FILES = {"GetFile", "PutFile", "StatFile", "ListFiles", "MakeDirectory", "MoveFile", "RemoveFile",
         "ReadFile", "WriteFile"}
APPS = {"GetApp", "CloseApp", "Handle", "HandleStream"}
VOLUMES = {"CommitVolume", "RemoveVolume"}

PROTO = os.path.join(os.path.dirname(__file__), "../../proto/vivarium/v1")


def all_methods():
    """Returns the names of the methods of the public API."""
    found = set()
    for path in glob.glob(f"{PROTO}/*.proto"):
        with open(path, encoding="utf-8") as file:
            found |= set(re.findall(r"^  rpc (\w+)\(", file.read(), re.M))
    return found


class Strangers(tenants.TenantCase):
    """Another tenant's ids look exactly like ids that do not exist."""

    @classmethod
    def setUpClass(cls):
        """Opens the directory of volumes before anybody takes stock."""
        super().setUpClass()
        with cls.daemon.client(cls.keys["a"]) as client:
            client.call("VolumeService/ListVolumes")

    def setUp(self):
        """Tenant a has one of everything."""
        super().setUp()
        a = self.of["a"]
        self.id = a.create("mine")
        a.value("x = 1", self.id)
        self.space = a.call("SessionService/CreateNamespace", {
            "session": self.id, "name": "space"})["namespace"]["id"]
        self.code = a.call("ExecutionService/Compile", {"source": "6 * 7"})["code"]
        self.other = a.create()
        self.reference = a.value("object()", self.other, valueOptions={
            "unserializable": "UNSERIALIZABLE_REF"})["$ref"]
        self.execution = a.start("import time\ntime.sleep(60)", self.id)
        self.pool = "pool-of-tenant-a"
        a.call("PoolService/CreatePool", {"name": self.pool, "sessions": 1})
        self.app = a.call("AppService/BootApp", {
            "source": "async def app(scope, receive, send): ..."})["app"]["id"]
        self.volume = "volume-of-tenant-a"
        a.call("VolumeService/CreateVolume", {"name": self.volume})

    def tearDown(self):
        """Ends what tenant a has."""
        for session in (self.id, self.other):
            self.of["a"].call("SessionService/CloseSession", {"session": session})
        self.of["a"].call("PoolService/ClosePool", {"pool": self.pool})
        self.of["a"].call("AppService/CloseApp", {"app": self.app})
        self.of["a"].call("VolumeService/RemoveVolume", {"volume": self.volume})
        super().tearDown()

    def outcome(self, client, method, message):
        """Returns all that tells one answer from another."""
        service = "Execution" if method in ("Eval", "Call", "Start", "Follow", "Wait", "Cancel",
                                            "List", "Compile", "Stream", "Batch") else "Session"
        service = {"ClosePool": "Pool", "SetRoutes": "Pool", "Send": "Message",
                   "Answer": "Host", **dict.fromkeys(FILES, "File"), **dict.fromkeys(APPS, "App"),
                   **dict.fromkeys(VOLUMES, "Volume")}.get(method, service)
        name = f"{service}Service/{method}"
        try:
            if method in ("Follow", "Stream", "ReadFile", "HandleStream"):
                return list(client.messages(name, message))
            return client.call(name, message)
        except http_api.ApiError as error:
            detail = dict(http_api.detail_of(error))
            detail.pop("requestId", None)
            return error.status, error.code, error.message, detail

    def messages(self, session, execution, space, code, pool, app, volume):
        """Returns a request for every method that takes an id."""
        call = {"session": session, "target": {"module": "math"}, "name": "sqrt", "jsonArgs": [4]}
        eval_ = {"session": session, "source": "1"}
        yield "Eval", eval_
        yield "Eval", {"code": code}
        yield "Eval", {**eval_, "createSession": True}
        yield "Call", call
        yield "Start", {"eval": eval_}
        yield "Stream", {"eval": eval_}
        yield "Batch", {"items": [{"eval": eval_}]}
        yield "Follow", {"executionId": execution}
        yield "Wait", {"executionId": execution}
        yield "Cancel", {"executionId": execution}
        yield "List", {"session": session}
        yield "GetSession", {"session": session}
        yield "CloseSession", {"session": session}
        yield "CreateNamespace", {"session": session, "name": "new"}
        yield "DestroyNamespace", {"session": session, "namespace": space}
        yield "ListNamespaces", {"session": session}
        yield "ReleaseRefs", {"session": session, "refs": [self.reference]}
        yield "ListVariables", {"session": session}
        yield "GetInterpreter", {"session": session}
        yield "GetMemoryStats", {"session": session}
        yield "CollectGarbage", {"session": session}
        yield "SetTracemalloc", {"session": session, "enabled": True}
        yield "Eval", {"pool": pool, "source": "1"}
        yield "Answer", {"callId": execution, "json": 1}
        yield "Send", {"to": session, "json": 1}
        yield "ClosePool", {"pool": pool}
        yield "SetRoutes", {"routes": {"math": pool}}
        for method in sorted(FILES):
            names = {"from": "a", "to": "b"} if method == "MoveFile" else {"path": "a"}
            yield method, {"session": session, **names}
        for method in sorted(APPS):
            asked = {"request": {"path": "/"}} if method.startswith("Handle") else {}
            yield method, {"app": app, **asked}
        yield "CommitVolume", {"session": session, "volume": volume}
        yield "RemoveVolume", {"volume": volume}

    def test_for_every_method(self):
        b = self.of["b"]
        invented = {known: known[:-8] + ("a" * 8 if not known.endswith("a" * 8) else "b" * 8)
                    for known in (self.id, self.execution, self.space, self.code, self.pool,
                                  self.app, self.volume)}
        theirs = list(self.messages(*invented))
        nobodys = list(self.messages(*invented.values()))
        tried = set()
        for (method, message), (_, unknown) in zip(theirs, nobodys):
            with self.subTest(method=method, message=message):
                seen = repr(self.outcome(b, method, message))
                expected = repr(self.outcome(b, method, unknown))
                for known, made_up in invented.items():
                    expected = expected.replace(made_up, known)
                self.assertEqual(re.sub(r"req_\w+", "", seen), re.sub(r"req_\w+", "", expected))
                self.assertIn("not_found", seen)
            tried.add(method)
        self.assertEqual(all_methods() - tried - WITHOUT_IDS - BY_NAME - ADMIN, set())

    def test_what_is_in_a_session_is_not_reached_from_another(self):
        b = self.of["b"]
        own = self.session_of("b")
        told = []
        for ref in (self.reference, self.reference[:-8] + "a" * 8):
            verdict = b.call("ExecutionService/Call", {
                "session": own, "target": {"ref": {"id": ref}}, "operation": "OPERATION_REPR"})
            error = verdict["verdict"]["error"]
            told.append((error["kind"], error.get("code"), error["message"].replace(ref, "")))
        self.assertEqual(*told)
        with self.assertRaises(http_api.ApiError) as caught:
            b.eval("1", own, namespace=self.space)
        self.assertEqual(caught.exception.code, "not_found")

    def test_names_are_each_tenants_own(self):
        a, b = self.of["a"], self.of["b"]
        created = self.session_of("b", "mine")
        self.assertNotEqual(created, self.id)
        b.value("x = 2", "mine")
        self.assertEqual((a.call("SessionService/GetSession", {"session": "mine"})["session"]["id"],
                          b.value("x", "mine")), (self.id, 2))
        listed = b.call("SessionService/ListSessions")["sessions"]
        self.assertEqual([s["id"] for s in listed], [created])
        b.call("SessionService/CloseSession", {"session": "mine"})
        # A tombstone is its tenant's as well.
        self.assertEqual(self.outcome(a, "GetSession", {"session": created})[1], "not_found")

    def test_over_the_websocket_too(self):
        socket = self.socket_of(self.keys["b"])
        for body in ({"getSession": {"session": self.id}}, {"wait": {"executionId": self.execution}},
                     {"eval": {"session": self.id, "source": "1"}}):
            name, answer = socket.ask(**body)
            self.assertEqual((name, answer["code"]), ("error", "not_found"), answer)


class Quotas(tenants.TenantCase):
    """What a tenant may have, on both sides of each bound."""

    tenants = {
        "few": "sessions = 2\nexecutions = 3",
        "wired": "connections = 2",
        "slow": "requests_per_second = 1\nburst = 5",
        "small": 'memory = "1GiB"\nenvironments = ["default"]',
        "quick": 'timeout = "200ms"\nmax_timeout = "400ms"',
        "brief": 'timeout_profile = "short"',
        "narrow": 'limits = { memory = "64MiB", threads = 4 }',
        "free": "",
    }
    more_config = '[timeouts.short]\ncall = "150ms"\n'

    def refused_for(self, quota, current, maximum, error):
        """Checks the detail of a refusal."""
        self.assertEqual((error.status, error.code), (429, "resource_exhausted"))
        detail = http_api.detail_of(error)["quota"]
        self.assertEqual((detail["name"], int(detail.get("current", 0)), int(detail["maximum"])),
                         (quota, current, maximum))
        self.assertGreater(int(detail["retryAfterMs"]), 0)
        self.assertIn(f".{quota}", error.message)

    def count(self, tenant, quota):
        """Returns how often a tenant met a quota."""
        text = self.client.request("GET", "/metrics")[2].decode()
        found = re.findall(r"^vivarium_quota_refusals_total\{(.*)\} (\S+)$", text, re.M)
        return sum(float(value) for labels, value in found
                   if f'tenant="{tenant}"' in labels and f'cause="{quota}"' in labels)

    def test_sessions(self):
        few = self.of["few"]
        before = self.count("few", "sessions")
        made = [few.create() for _ in range(2)]
        with self.assertRaises(http_api.ApiError) as caught:
            few.create()
        self.refused_for("sessions", 2, 2, caught.exception)
        # An evaluation in no session needs one for its time.
        with self.assertRaises(http_api.ApiError):
            few.eval("1")
        self.assertEqual(few.value("6 * 7", made[0]), 42)
        few.call("SessionService/CloseSession", {"session": made[1]})
        waiting.wait_for(lambda: self.can_create(few), "a place to be free")
        few.call("SessionService/CloseSession", {"session": made[0]})
        self.assertGreaterEqual(self.count("few", "sessions"), before + 2)
        self.assertEqual(self.of["free"].value("1"), 1)

    @staticmethod
    def can_create(client):
        """Whether a session can be made; it is closed again."""
        try:
            client.call("SessionService/CloseSession", {"session": client.create()})
        except http_api.ApiError:
            return False
        return True

    def test_executions(self):
        few = self.of["few"]
        session = few.create()
        for _ in range(3):
            few.start("import time\ntime.sleep(60)", session)
        with self.assertRaises(http_api.ApiError) as caught:
            few.eval("1", session)
        self.refused_for("executions", 3, 3, caught.exception)
        running = few.call("ExecutionService/List", {"session": session})["executions"]
        few.call("ExecutionService/Cancel", {"executionId": running[-1]["id"]})
        few.wait(running[-1]["id"])
        few.start("1", session)
        few.call("SessionService/CloseSession", {"session": session})
        waiting.wait_for(lambda: self.can_create(few), "the executions to have ended")
        self.assertEqual(few.value("1"), 1)

    def test_requests(self):
        slow = self.of["slow"]
        refused = []
        for _ in range(50):
            try:
                slow.call("SessionService/ListSessions")
            except http_api.ApiError as error:
                refused.append(error)
        # A burst of 5, and one more for every second that this took.
        self.assertGreater(len(refused), 10)
        self.assertEqual(http_api.detail_of(refused[0])["quota"]["maximum"], "1")
        status, headers, _ = slow.request("POST", "/vivarium.v1.SessionService/ListSessions", b"{}",
                                          {"content-type": "application/json"})
        if status == 429:
            self.assertGreaterEqual(int(headers["retry-after"]), 1)
        self.assertEqual(self.of["free"].call("SessionService/ListSessions"), {})

    def test_a_batch_counts_as_its_items(self):
        slow = self.of["slow"]
        items = [{"eval": {"source": "1"}}] * 20
        with self.assertRaises(http_api.ApiError) as caught:
            for _ in range(3):
                slow.call("ExecutionService/Batch", {"items": items})
        self.assertEqual(http_api.detail_of(caught.exception)["quota"]["name"],
                         "requests_per_second")

    def test_connections(self):
        key = self.keys["wired"]
        self.assertEqual(self.of["wired"].call("SessionService/ListSessions"), {})
        second = self.socket_of(key)
        with self.daemon.client(key) as third:
            with self.assertRaises(http_api.ApiError) as caught:
                third.call("SessionService/ListSessions")
            self.refused_for("connections", 2, 2, caught.exception)
        second.close()

        def let_in():
            with self.daemon.client(key) as client:
                try:
                    return client.call("SessionService/ListSessions") == {}
                except http_api.ApiError:
                    return False
        waiting.wait_for(let_in, "the place of a closed connection")

    def test_memory(self):
        small = self.of["small"]
        made = [small.create() for _ in range(2)]
        with self.assertRaises(http_api.ApiError) as caught:
            small.create()
        self.refused_for("memory", 1 << 30, 1 << 30, caught.exception)
        for session in made:
            small.call("SessionService/CloseSession", {"session": session})
        waiting.wait_for(lambda: self.can_create(small), "the memory to be free")

    def test_environments(self):
        with self.assertRaises(http_api.ApiError) as caught:
            self.of["small"].create(environment="data")
        with self.assertRaises(http_api.ApiError) as unknown:
            self.of["small"].create(environment="none")
        self.assertEqual(caught.exception.message.replace("data", "none"),
                         unknown.exception.message)
        self.assertEqual(caught.exception.code, "not_found")

    def test_timeouts(self):
        quick = self.of["quick"]
        for asked in ({}, {"timeoutMs": 60_000}):
            verdict = quick.eval("while True: pass", **asked)
            self.assert_kind(verdict, "TIMEOUT")
            self.assertEqual(int(verdict["cause"]["configured"]), 400 if asked else 200)

    def test_timeout_profiles(self):
        quick, free = self.of["quick"], self.of["free"]
        for client, fields, limit in (
                (quick, {"timeoutProfile": "batch_job"}, 400), (quick, {}, 200),
                (quick, {"timeoutProfile": "default"}, 200), (free, {"timeoutProfile": "short"}, 150),
                (self.of["brief"], {}, 150)):
            verdict = client.eval("while True: pass", **fields)
            self.assertEqual(int(verdict["cause"]["configured"]), limit, fields)
        with self.assertRaises(http_api.ApiError) as caught:
            free.eval("1", timeoutProfile="none")
        self.assertEqual(caught.exception.code, "invalid_argument")
        self.assertIn("[timeouts.none]", caught.exception.message)

    def test_limits_of_sessions(self):
        narrow, free = self.of["narrow"], self.of["free"]
        with self.assertRaises(http_api.ApiError) as caught:
            narrow.create(limits={"memoryBytes": 65 << 20})
        self.assertIn("tenants.narrow.limits.memory", caught.exception.message)
        for client, limits, expected in ((narrow, {}, 64 << 20), (narrow, {"memoryBytes": 32 << 20},
                                                                   32 << 20),
                                         (free, {"memoryBytes": 65 << 20}, 65 << 20)):
            made = client.call("SessionService/CreateSession", {"limits": limits})["session"]
            self.assertEqual(int(made["limits"]["memoryBytes"]), expected)
            client.call("SessionService/CloseSession", {"session": made["id"]})

    def test_parallel_creates_do_not_get_past_the_bound(self):
        socket = self.socket_of(self.keys["few"])
        numbers = [socket.begin(createSession={}) for _ in range(20)]
        answers = [socket.next_of(number) for number in numbers]
        made = [a["createSession"]["session"]["id"] for a in answers if "createSession" in a]
        self.assertEqual(len(made), 2)
        for session in made:
            socket.ask(closeSession={"session": session})
        waiting.wait_for(lambda: self.can_create(self.of["few"]), "a place to be free")


class Pools(tenants.TenantCase):
    """Who shares a zygote with whom."""

    watched = False
    tenants = {"a": "", "b": "", "c": 'trust_group = "both"', "d": 'trust_group = "both"'}
    more_config = '[pool]\nidle_retire = "1s"\n'

    def zygotes(self):
        """Returns how many zygotes run."""
        return len(processes.zygotes(self.daemon.pid))

    def test_each_group_has_its_own_and_it_goes_when_it_is_not_used(self):
        waiting.wait_for(lambda: self.zygotes() == 0, "unused zygotes to retire")
        waiting.wait_for(lambda: not processes.workers(self.daemon.pid), "their workers to end")
        made = {}
        for tenant, count in (("a", 1), ("b", 2), ("c", 3), ("d", 3)):
            made[tenant] = self.of[tenant].create()
            self.assertEqual(self.zygotes(), count)
        # One that is in use stays.
        for tenant in "bcd":
            self.of[tenant].call("SessionService/CloseSession", {"session": made[tenant]})
        waiting.wait_for(lambda: self.zygotes() == 1, "unused zygotes to retire")
        self.assertEqual(self.of["a"].value("6 * 7", made["a"]), 42)
        # And what has retired comes back.
        self.assertEqual(self.of["b"].value("6 * 7"), 42)
        self.of["a"].call("SessionService/CloseSession", {"session": made["a"]})

    def test_metrics_tell_them_apart(self):
        for tenant in "abcd":
            self.assertEqual(self.of[tenant].value("1"), 1)
        with self.daemon.client() as client:
            text = client.request("GET", "/metrics")[2].decode()
        groups = set(re.findall(r'vivarium_zygotes_started_total\{.*tenant="(\w+)"', text))
        self.assertEqual(groups, {"a", "b", "both", "bystander"})
        ends = set(re.findall(r'vivarium_executions_total\{.*tenant="(\w+)"', text))
        self.assertEqual(ends, {"a", "b", "c", "d"})


class Reload(tenants.TenantCase):
    """Tenants and quotas that change while the daemon runs."""

    watched = False
    tenants = {"a": "sessions = 1", "b": ""}

    def reload(self, old, new):
        """Changes the configuration and has it read."""
        with open(self.daemon.config, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        with open(self.daemon.config, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))
        before = self.daemon.log().count("was reloaded")
        self.daemon.process.send_signal(signal.SIGHUP)
        waiting.wait_for(lambda: self.daemon.log().count("was reloaded") > before, "the reload")

    def test_quotas_and_tenants(self):
        a = self.of["a"]
        made = [a.create()]
        with self.assertRaises(http_api.ApiError):
            a.create()
        self.reload("sessions = 1", "sessions = 2")
        made.append(a.create())
        with self.assertRaises(http_api.ApiError):
            a.create()
        # A new one, and one that is gone.
        key = self.daemon.keys("create", "--tenant", "new")
        with self.daemon.client(key) as client:
            self.assertEqual(client.request("GET", "/v1/ws")[0], 401)
        doomed = self.socket_of(self.keys["b"])
        self.reload("[tenants.b]", "[tenants.new]")
        with self.daemon.client(key) as client:
            self.assertEqual(client.value("6 * 7"), 42)
        self.assertEqual(doomed.close_code(), 1008)
        with self.daemon.client(self.keys["b"]) as client:
            self.assertEqual(client.request("GET", "/v1/ws")[0], 401)
        for session in made:
            a.call("SessionService/CloseSession", {"session": session})
