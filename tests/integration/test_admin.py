# SPDX-License-Identifier: Apache-2.0
"""What operators see and do over all tenants, and that nobody else does."""

import json
import os
import signal
import subprocess
import termios

from vivarium_testing import case, daemon as daemons, http_api, tenants, terminals, waiting

LISTS = {"ListTenants": "tenants", "ListAllSessions": "sessions", "ListAllExecutions": "executions",
         "ListWorkerPools": "pools", "ListAllPools": "pools", "ListAllEnvironments": "environments"}
ORDERS = {"Drain": {}, "Undrain": {}, "StopExecution": {"executionId": "exe_x"},
          "EndSession": {"session": "ses_x"}, "RecycleEnvironment": {"environment": "default"},
          "SetLogLevel": {"level": "DAEMON_LOG_LEVEL_DEBUG"}, "ReloadConfig": {}}
ENDLESS = "import time\nwhile True: time.sleep(0.01)"
STUBBORN = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"


class AdminCase(tenants.TenantCase):
    """A daemon with an audit log, tenants, and a key with the role admin."""

    tenants = {"a": "sessions = 50", "b": ""}
    more_config = '[audit]\nfile = "{folder}/audit"\n'

    @classmethod
    def setUpClass(cls):
        """Makes the administrator's key."""
        super().setUpClass()
        cls.key = cls.daemon.keys("create", "--tenant", "b", "--role", "admin")

    def setUp(self):
        """Opens the administrator's connection."""
        super().setUp()
        self.admin = self.daemon.client(self.key)

    def tearDown(self):
        """Closes it, before the look for what was left."""
        self.admin.close()
        super().tearDown()

    def ask(self, method, message=None):
        """Calls a method of AdminService as the administrator."""
        return self.admin.call(f"AdminService/{method}", message)

    def refusal(self, code, method, message):
        """The same, expecting an error; returns it."""
        with self.assertRaises(http_api.ApiError) as caught:
            self.ask(method, message)
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception

    def whole(self, method, **fields):
        """Returns a list, all of its pages."""
        out, token = [], ""
        while True:
            page = self.ask(method, {**fields, "pageToken": token})
            out += page.get(LISTS[method], [])
            token = page.get("nextPageToken", "")
            if not token:
                return out

    def audited(self, **wanted):
        """Waits for a line of the audit log with those values and returns the latest."""
        def found():
            with open(f"{self.daemon.folder}/audit", encoding="utf-8") as file:
                lines = [json.loads(line) for line in file if line.endswith("\n")]
            return [line for line in lines if wanted.items() <= line.items()]
        return waiting.wait_for(found, f"a record {wanted}")[-1]

    def undrain(self):
        """Whatever a test came to, the next one can have sessions."""
        with self.daemon.client(self.key) as client:
            client.call("AdminService/Undrain")

    def readiness(self):
        """Returns status and text of /readyz."""
        status, _, body = self.client.request("GET", "/readyz")
        return status, body.decode()


class Admin(AdminCase):
    """The service, over HTTP and WebSocket."""

    def test_others_learn_nothing(self):
        session = self.session_of("a")
        execution = self.of["a"].start(ENDLESS, session)
        told = set()
        for client in (self.of["a"], self.of["b"]):
            for method, message in [*((name, {}) for name in ("GetStatus", *LISTS)),
                                    *ORDERS.items(), ("StopExecution", {"executionId": execution}),
                                    ("EndSession", {"session": session, "tenant": "a"}),
                                    ("ListTenants", {"pageToken": "broken"}),
                                    ("ListTenants", {"noSuchField": 1})]:
                with self.subTest(method=method), self.assertRaises(http_api.ApiError) as caught:
                    client.call(f"AdminService/{method}", message)
                told.add((caught.exception.status, caught.exception.code,
                          caught.exception.message))
        self.assertEqual(told, {(403, "permission_denied", "this needs a key with the role admin")})
        socket = self.socket_of(self.keys["a"])
        for body in ({"listAllSessions": {}}, {"drain": {}}, {"endSession": {"session": session}}):
            name, answer = socket.ask(**body)
            self.assertEqual((name, answer["code"]), ("error", "permission_denied"), answer)
        self.assertEqual(self.readiness()[0], 200)
        self.assertEqual(self.of["a"].call("SessionService/GetSession",
                                           {"session": session})["session"]["state"],
                         "SESSION_STATE_BUSY")
        self.assertIn(self.audited(event="admin_refused", tenant="a")["method"],
                      ("end_session", "get_status", "drain", "list_all_sessions", "list_tenants"))
        self.of["a"].call("ExecutionService/Cancel", {"executionId": execution})

    def test_drain_and_undrain(self):
        a = self.of["a"]
        session = self.session_of("a", "kept")
        a.value("x = 41", session)
        a.call("PoolService/CreatePool", {"name": "there", "sessions": 1})
        waiting.wait_for(lambda: a.value("1", pool="there") == 1, "the pool")
        left = self.ask("Drain")
        self.addCleanup(self.undrain)
        self.assertGreaterEqual(int(left["sessions"]), 2)
        self.assertEqual(self.readiness(), (503, "drained by an administrator\n"))
        self.assertTrue(self.ask("GetStatus")["drained"])
        self.assertIn(b"\nvivarium_drained 1\n", self.client.request("GET", "/metrics")[2])
        # Whatever wants a session of its own is told; /healthz is not concerned.
        for method, message in (
                ("SessionService/CreateSession", {}),
                ("ExecutionService/Eval", {"source": "1"}),
                ("ExecutionService/Eval", {"source": "1", "session": "new", "createSession": True}),
                ("PoolService/CreatePool", {"name": "new", "sessions": 1}),
                ("AppService/BootApp", {"source": "async def app(scope, receive, send): ..."})):
            with self.subTest(method=method), self.assertRaises(http_api.ApiError) as caught:
                a.call(method, message)
            self.assertEqual(caught.exception.code, "unavailable")
            self.assertIn("drained", caught.exception.message)
        self.assertEqual(self.client.request("GET", "/healthz")[0], 200)
        # What is there goes on, and is replaced where it ends by itself.
        self.assertEqual(a.value("x + 1", session), 42)
        self.assertEqual(a.value("1", pool="there"), 1)
        a.eval("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", pool="there")
        self.assertEqual(a.value("2", pool="there"), 2)
        self.ask("Drain")  # once more is no error
        self.ask("Undrain")
        self.assertEqual(self.readiness(), (200, "ok\n"))
        self.assertNotIn("drained", self.ask("GetStatus"))
        self.assertIn(b"\nvivarium_drained 0\n", self.client.request("GET", "/metrics")[2])
        self.assertEqual(a.value("1 + 1"), 2)
        self.session_of("a")
        a.call("PoolService/ClosePool", {"pool": "there"})
        self.assertEqual(self.audited(event="admin_action", action="drain")["outcome"], "ok")
        record = self.audited(event="admin_action", action="undrain")
        self.assertEqual((record["tenant"], record["key"]), ("b", self.key.split("_")[1]))

    def test_lists_over_all_tenants(self):
        mine = {self.session_of("a", f"s{n}"): "a" for n in range(5)}
        mine.update({self.session_of("b"): "b" for _ in range(3)})
        first = next(iter(mine))
        execution = self.of["a"].start(ENDLESS, first)
        for size in (1, 2, 3, 1000):
            found = self.whole("ListAllSessions", pageSize=size)
            seen = [one["session"]["id"] for one in found]
            self.assertEqual(len(seen), len(set(seen)))
            self.assertEqual({one["session"]["id"]: one["tenant"] for one in found}.items()
                             & mine.items(), mine.items())
            self.assertEqual([one["tenant"] for one in found],
                             sorted(one["tenant"] for one in found))
        page = self.ask("ListAllSessions", {"pageSize": 2, "tenant": "a"})
        self.assertEqual([one["tenant"] for one in page["sessions"]], ["a", "a"])
        self.assertTrue(page["nextPageToken"].startswith("a/"))
        self.assertEqual(len(self.whole("ListAllSessions", tenant="a", pageSize=2)), 5)
        self.assertEqual(self.whole("ListAllSessions", tenant="nobody"), [])

        def runs():
            return [one for one in self.whole("ListAllExecutions", tenant="a")
                    if one["state"] == "STATE_RUNNING"]
        [running] = waiting.wait_for(runs, "the execution to run")
        self.assertEqual((running["id"], running["sessionId"], running["sessionName"]),
                         (execution, first, "s0"))
        self.assertGreater(int(running["ageUs"]), 0)
        self.assertNotIn("source", json.dumps(running))
        self.of["a"].call("ExecutionService/Cancel", {"executionId": execution})
        self.of["a"].wait(execution)
        self.assertEqual(self.whole("ListAllExecutions", tenant="a"), [])
        ended = {one["id"]: one["state"]
                 for one in self.whole("ListAllExecutions", tenant="a", includeEnded=True)}
        self.assertEqual(ended[execution], "STATE_DONE")

        of = {one["name"]: one for one in self.whole("ListTenants", pageSize=1)}
        self.assertEqual({"a", "b", "bystander"} - set(of), set())
        self.assertEqual((of["a"]["sessions"], of["a"]["mostSessions"]), ("5", "50"))
        self.assertGreater(int(of["a"]["requests"]), 5)
        self.assertGreater(int(of["a"]["executionsFailed"]), 0)
        self.assertGreater(int(of["bystander"]["cpuUs"]), 0)

    def test_those_of_pools_and_environments(self):
        a = self.of["a"]
        a.call("PoolService/CreatePool", {"name": "equal", "sessions": 2})
        waiting.wait_for(lambda: a.value("1", pool="equal") == 1, "the pool")
        pools = {(one["tenant"], one["pool"]["name"]): one["pool"]
                 for one in self.whole("ListAllPools", pageSize=1)}
        self.assertEqual(pools["a", "equal"]["sessions"], 2)
        uses = [one["use"] for one in self.whole("ListAllSessions", tenant="a")]
        self.assertEqual(uses, ["SESSION_USE_POOL"] * 2)
        a.call("PoolService/ClosePool", {"pool": "equal"})
        workers = self.whole("ListWorkerPools", pageSize=1)
        mine = [one for one in workers if one["group"] == "a" and one["environment"] == "default"]
        self.assertEqual(len(mine), 1)
        self.assertTrue(mine[0]["serves"])
        environments = {(one.get("owner", ""), one["environment"]["name"]): one["environment"]
                        for one in self.whole("ListAllEnvironments", pageSize=1)}
        self.assertTrue(environments["", "default"]["configured"])

    def test_pages_have_bounds(self):
        self.assertEqual(len(self.ask("ListTenants", {"pageSize": 1})["tenants"]), 1)
        for method in LISTS:
            self.ask(method, {"pageSize": 1000})
            with self.subTest(method=method):
                self.refusal("invalid_argument", method, {"pageSize": 1001})
                self.refusal("invalid_argument", method, {"pageToken": "no token"})
                self.refusal("invalid_argument", method, {"pageToken": "a/" + "x" * 1000})
                # One that was made up leads to no more than what is in the list.
                self.ask(method, {"pageToken": "zzz/\u0000"})

    def test_interrupt_and_kill_executions(self):
        session = self.session_of("a")
        soft = self.of["a"].start(ENDLESS, session)
        answer = self.ask("StopExecution", {"executionId": soft})
        self.assertEqual(answer, {"stopped": True, "tenant": "a"})
        verdict = self.of["a"].wait(soft)
        self.assert_kind(verdict, "CANCELLED")
        self.assert_kept(verdict)
        hard = self.of["a"].start(STUBBORN, session)
        waiting.wait_for(lambda: [one for one in self.whole("ListAllExecutions", tenant="a")
                                  if one["state"] == "STATE_RUNNING"], "it to run")
        self.assertEqual(self.ask("StopExecution", {
            "executionId": hard, "tenant": "a", "mode": "STOP_MODE_KILL"})["stopped"], True)
        self.assert_lost(self.of["a"].wait(hard))
        self.assertEqual(self.ask("StopExecution", {"executionId": hard}), {"tenant": "a"})
        self.refusal("not_found", "StopExecution", {"executionId": "exe_nobodys"})
        self.refusal("not_found", "StopExecution", {"executionId": soft, "tenant": "b"})
        self.refusal("invalid_argument", "StopExecution", {})
        self.assertEqual(self.audited(event="admin_action", action="kill_execution")["subject"], hard)
        self.assertEqual(self.audited(event="admin_action", subject="exe_nobodys")["outcome"],
                         "not_found")

    def test_a_one_shot_is_found_and_killed(self):
        leaver = self.of["a"]
        leaver.connection.request("POST", "/vivarium.v1.ExecutionService/Eval",
                                  json.dumps({"source": ENDLESS}),
                                  {"content-type": "application/json", **leaver.headers})
        [one] = waiting.wait_for(lambda: [
            one for one in self.whole("ListAllExecutions", tenant="a")
            if one["state"] == "STATE_RUNNING"], "the evaluation")
        [session] = self.whole("ListAllSessions", tenant="a")
        self.assertEqual((session["use"], session["session"]["id"]),
                         ("SESSION_USE_ONE_SHOT", one["sessionId"]))
        self.ask("StopExecution", {"executionId": one["id"], "mode": "STOP_MODE_KILL"})
        verdict = json.loads(leaver.connection.getresponse().read())["verdict"]
        self.assert_lost(verdict)
        self.assertEqual(verdict["cause"]["cause"], "cancelled")

    def test_close_and_kill_sessions(self):
        a = self.of["a"]
        closed, killed = self.session_of("a", "tidy"), self.session_of("a", "stubborn")
        hard = a.start(STUBBORN, killed)
        self.assertEqual(self.ask("EndSession", {"session": closed}), {"tenant": "a"})
        self.assertEqual(self.ask("EndSession", {
            "session": "stubborn", "tenant": "a", "mode": "STOP_MODE_KILL"}), {"tenant": "a"})
        self.assert_lost(a.wait(hard))
        for session in (closed, killed):
            found = a.call("SessionService/GetSession", {"session": session})["session"]
            self.assertEqual((found["state"], found["cause"]["cause"]),
                             ("SESSION_STATE_DEAD", "administrator"))
            with self.assertRaises(http_api.ApiError) as caught:
                a.eval("1", session)
            self.assertIn("an administrator ended it", caught.exception.message)
        self.assertIn("tenant", self.refusal("invalid_argument", "EndSession",
                                             {"session": "tidy"}).message)
        self.refusal("not_found", "EndSession", {"session": "ses_nobodys"})
        self.refusal("not_found", "EndSession", {"session": "tidy", "tenant": "nobody"})
        self.assertEqual(self.audited(event="session_closed", session=killed)["cause"],
                         "administrator")
        self.assertEqual(self.audited(event="admin_action", action="kill_session")["of_tenant"], "a")

    def test_recycle(self):
        def pool(group):
            [one] = [one for one in self.whole("ListWorkerPools")
                     if (one["environment"], one["group"]) == ("default", group)]
            return one
        session = self.session_of("a")
        self.of["a"].value("x = 1", session)
        before, other = pool("a"), pool("b")
        came = self.ask("RecycleEnvironment", {"environment": "default", "tenant": "a"})
        self.assertEqual(came["pools"], 1)
        # Whoever asks from now on has a worker of the new zygote; who has one goes on.
        self.session_of("a")
        after = pool("a")
        self.assertEqual(after["generation"], before["generation"] + 1)
        self.assertEqual(self.of["a"].value("x", session), 1)
        self.assertEqual(pool("b")["generation"], other["generation"])
        waiting.wait_for(lambda: pool("a").get("ready", 0) >= 2, "the pool to fill")
        self.assertGreaterEqual(self.ask("RecycleEnvironment", {
            "environment": "default"})["pools"], 2)
        self.session_of("b")
        self.assertEqual(pool("b")["generation"], other["generation"] + 1)
        self.refusal("not_found", "RecycleEnvironment", {"environment": "none"})
        self.refusal("not_found", "RecycleEnvironment", {"environment": "default", "tenant": "no"})
        self.refusal("invalid_argument", "RecycleEnvironment", {})
        for group in ("a", "b", "bystander"):
            waiting.wait_for(lambda group=group: pool(group).get("ready", 0) >= 2, "pools to fill")

    def test_log_level(self):
        self.assertEqual(self.ask("GetStatus")["logLevel"], "DAEMON_LOG_LEVEL_INFO")
        self.assertNotIn('"level":"debug"', self.daemon.log())
        self.assertEqual(self.ask("SetLogLevel", {"level": "DAEMON_LOG_LEVEL_DEBUG"}),
                         {"previous": "DAEMON_LOG_LEVEL_INFO"})
        self.assertEqual(self.ask("GetStatus")["logLevel"], "DAEMON_LOG_LEVEL_DEBUG")
        waiting.wait_for(lambda: '"level":"debug"' in self.daemon.log(), "a line for debugging")
        self.assertEqual(self.ask("SetLogLevel", {"level": "DAEMON_LOG_LEVEL_INFO"}),
                         {"previous": "DAEMON_LOG_LEVEL_DEBUG"})
        self.refusal("invalid_argument", "SetLogLevel", {})
        self.refusal("invalid_argument", "SetLogLevel", {"level": 7})
        self.assertEqual(self.audited(event="admin_action", action="set_log_level",
                                      outcome="invalid_argument")["tenant"], "b")

    def test_reload(self):
        with open(self.daemon.config, encoding="utf-8") as file:
            before = file.read()

        def write(text):
            with open(self.daemon.config, "w", encoding="utf-8") as file:
                file.write(text)
        self.assertEqual(self.ask("ReloadConfig"), {})
        self.addCleanup(write, before)
        write(before.replace("sessions = 50", "sessions = 51"))
        self.assertEqual(self.ask("ReloadConfig"), {"changes": [
            {"key": "tenants.a.sessions", "before": "50", "after": "51",
             "effect": "CONFIG_EFFECT_NOW"}]})
        [a] = [one for one in self.whole("ListTenants") if one["name"] == "a"]
        self.assertEqual(a["mostSessions"], "51")
        # One with a mistake changes nothing and is told by its key, to the log as well.
        write(before.replace("sessions = 50", "sessions = 52\nsesions = 1"))
        refused = self.refusal("invalid_argument", "ReloadConfig", {})
        self.assertIn("sesions", refused.message)
        [a] = [one for one in self.whole("ListTenants") if one["name"] == "a"]
        self.assertEqual(a["mostSessions"], "51")
        self.assertEqual(self.audited(event="admin_action", action="reload_config",
                                      outcome="invalid_argument")["tenant"], "b")
        write(before)
        self.ask("ReloadConfig")

    def test_over_the_websocket_and_binary(self):
        socket = self.socket_of(self.key)
        name, answer = socket.ask(getStatus={})
        self.assertEqual((name, answer["ready"], answer["pid"]),
                         ("getStatus", True, self.daemon.pid))
        self.assertIn("bystander", [one["name"] for one in
                                    socket.ask(listTenants={})[1]["tenants"]])
        status, headers, body = self.admin.request(
            "POST", "/vivarium.v1.AdminService/ListTenants", b"\x08\x01",
            {"content-type": "application/proto"})
        self.assertEqual((status, headers["content-type"]), (200, "application/proto"))
        self.assertIn(b"\x0a", body)
        # A list changes nothing: GET does as well.
        status, _, body = self.admin.request(
            "GET", "/vivarium.v1.AdminService/ListTenants?connect=v1&encoding=json&message=%7B%7D")
        self.assertEqual(status, 200)
        self.assertIn("tenants", json.loads(body))


class Command(AdminCase):
    """vivarium admin and vivarium top."""

    def environment(self, key):
        """Returns the environment of the command with that key."""
        return {**daemons.command_environment(self.daemon.folder), "VIVARIUM_API_KEY": key}

    def run_it(self, *arguments, status=0, key=None):
        """Runs the command and returns what it printed; on stderr where it fails."""
        done = subprocess.run(
            [daemons.COMMAND, "--server", self.daemon.url, *arguments], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, env=self.environment(key or self.key),
            timeout=waiting.WATCHDOG, check=False)
        self.assertEqual(done.returncode, status, done)
        return done.stderr if done.returncode else done.stdout

    def json_of(self, *arguments):
        """Runs it with --json and returns what that says."""
        return json.loads(self.run_it("admin", *arguments, "--json"))

    def test_lists(self):
        session = self.session_of("a", "shown", tags=["\x1b[31m"])
        self.of["a"].value("1", session)
        execution = self.of["a"].start(ENDLESS, session)
        waiting.wait_for(lambda: self.json_of("executions", "--tenant", "a"), "the execution")
        status = self.json_of("status")
        self.assertEqual((status["pid"], status["ready"], status["drained"]),
                         (self.daemon.pid, True, False))
        self.assertRegex(self.run_it("admin", "status"), r"(?m)^ready +yes$")
        text = self.run_it("admin", "tenants")
        self.assertRegex(text, r"\ATENANT +SESSIONS ")
        self.assertRegex(text, r"(?m)^a +1 +50 ")
        [shown] = [one for one in self.json_of("sessions") if one["id"] == session]
        self.assertEqual((shown["tenant"], shown["name"], shown["state"], shown["running"]),
                         ("a", "shown", "busy", 1))
        self.assertRegex(self.run_it("admin", "sessions", "--tenant", "a"),
                         rf"(?m)^a +{session} +shown +busy +own +default ")
        [one] = self.json_of("executions", "--tenant", "a")
        self.assertEqual((one["id"], one["sessionId"], one["state"]),
                         (execution, session, "running"))
        self.assertIn(execution, self.run_it("admin", "executions"))
        self.assertIn("a", [one["group"] for one in self.json_of("workers")])
        self.assertRegex(self.run_it("admin", "workers"), r"(?m)^default +bystander +yes ")
        self.assertEqual(self.json_of("pools"), [])
        self.assertEqual(self.run_it("admin", "pools").split()[:2], ["TENANT", "POOL"])
        self.assertIn("default", [one["name"] for one in self.json_of("environments")])
        self.assertRegex(self.run_it("admin", "environments"), r"(?m)^- +default +ready +yes ")

    def test_orders(self):
        session = self.session_of("a")
        execution = self.of["a"].start(ENDLESS, session)
        self.assertEqual(self.run_it("admin", "interrupt", execution), "stopped, of tenant a\n")
        self.of["a"].call("ExecutionService/Wait", {"executionId": execution})
        self.assertEqual(self.run_it("admin", "interrupt", execution, status=1), "")
        execution = self.of["a"].start(STUBBORN, session)
        self.assertEqual(self.json_of("kill", execution), {"stopped": True, "tenant": "a"})
        for order in ("close", "kill"):
            self.assertEqual(self.run_it("admin", order, self.session_of("a", "named"), ),
                             "ended, of tenant a\n")
        self.session_of("a", "by-name")
        self.assertIn("say which", self.run_it("admin", "close", "by-name", status=2))
        self.assertEqual(self.json_of("close", "by-name", "--tenant", "a"), {"tenant": "a"})
        self.assertRegex(self.run_it("admin", "recycle", "default", "--tenant", "a"),
                         r"\A1 zygotes are replaced, \d+ workers")
        self.assertEqual(self.run_it("admin", "log-level"), "info\n")
        self.assertEqual(self.run_it("admin", "log-level", "warn"), "warn, was info\n")
        self.assertEqual(self.json_of("log-level", "info"), {"level": "info", "previous": "warn"})
        self.run_it("admin", "log-level", "loud", status=2)
        self.assertEqual(self.run_it("admin", "reload"), "nothing has changed\n")
        self.assertEqual(self.json_of("reload"), [])
        self.assertRegex(self.run_it("admin", "drain"), r"\Adrained; \d+ sessions are left")
        try:
            self.assertIn("drained", self.run_it("health", status=3))
            self.assertIn("drained", self.run_it("eval", "1", status=3, key=self.keys["a"]))
            self.assertRegex(self.run_it("admin", "status"), r"(?m)^drained +yes$")
        finally:
            self.assertEqual(self.json_of("undrain"), {"drained": False})
        self.assertEqual(self.run_it("eval", "1", key=self.keys["a"]), "1\n")

    def test_who_has_no_such_key_is_told(self):
        for arguments in (["admin", "sessions"], ["admin", "drain"], ["top", "--once"], ["top"]):
            self.assertRegex(self.run_it(*arguments, status=2, key=self.keys["a"]),
                             r"^vivarium: this needs a key with the role admin \(request \S+\)\n$")

    def test_completion(self):
        script = os.path.join(os.path.dirname(__file__), "../../deploy/completion/vivarium")
        for words, expected in ((["ad"], "admin"), (["admin", "rec"], "recycle"),
                                (["admin", "executions", "--en"], "--ended"),
                                (["top", "--on"], "--once")):
            done = subprocess.run(
                ["bash", "-c", 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vivarium; '
                               'echo "${COMPREPLY[@]}"', script, daemons.COMMAND, *words],
                capture_output=True, text=True, check=True, timeout=waiting.WATCHDOG)
            self.assertEqual(done.stdout.split(), [expected])

    def test_top_once(self):
        session = self.session_of("a", "seen")
        execution = self.of["a"].start(ENDLESS, session)
        waiting.wait_for(lambda: self.json_of("executions"), "the execution")
        text = self.run_it("top", "--once")
        self.assertRegex(text, r"\Avivarium \d+\.\d+\.\d+  ready  up ")
        for head in ("TENANT", "TENANT +SESSION ", "TENANT +EXECUTION "):
            self.assertRegex(text, rf"(?m)^{head}")
        self.assertRegex(text, rf"(?m)^a +{session} +seen +busy +own ")
        self.assertRegex(text, rf"(?m)^a +{execution} +running ")
        self.assertNotIn("\x1b", text)

    def test_top_on_a_terminal(self):
        session = self.session_of("a", "seen")
        execution = self.of["a"].start(ENDLESS, session)
        top = terminals.Terminal([daemons.COMMAND, "--server", self.daemon.url, "top",
                                  "--interval", "100ms"], self.environment(self.key), "xterm")
        before = termios.tcgetattr(top.master)
        top.expect("\x1b[?1049h")  # the other screen
        top.expect("CPU%*")
        top.expect("bystander ")
        self.assertFalse(termios.tcgetattr(top.master)[3] & (termios.ICANON | termios.ECHO))
        top.type("s")
        top.expect(session)
        top.type("e")
        top.expect(execution)
        top.type(">")
        top.expect("RUNS*")
        top.type("<<")
        top.expect("STATE*")
        top.type("t")
        top.expect("EXEC/S")
        top.type("q")
        top.expect("\x1b[?25h\x1b[?1049l")
        after = termios.tcgetattr(top.master)
        self.assertEqual(top.end(), 0)
        self.assertEqual(after[3] & (termios.ICANON | termios.ECHO),
                         before[3] & (termios.ICANON | termios.ECHO))

    def test_top_leaves_the_terminal_as_it_was(self):
        for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
            top = terminals.Terminal([daemons.COMMAND, "--server", self.daemon.url, "top"],
                                     self.environment(self.key), "xterm")
            top.expect("\x1b[?1049h")
            os.kill(top.pid, number)
            top.expect("\x1b[?25h\x1b[?1049l")
            self.assertEqual(top.end(), status)

    def test_top_on_a_terminal_that_can_nothing(self):
        top = terminals.Terminal([daemons.COMMAND, "--server", self.daemon.url, "top"],
                                 self.environment(self.key))
        top.expect("TENANT")
        self.assertEqual(top.end(), 0)
        self.assertNotIn("\x1b", top.seen)


class Alone(case.DaemonCase):
    """Without keys everybody is the local tenant, and the machine is its own administrator."""

    def test_the_local_tenant_may(self):
        self.assertTrue(self.client.call("AdminService/GetStatus")["ready"])
        [one] = self.client.call("AdminService/ListTenants")["tenants"]
        self.assertEqual(one["name"], "local")
