# SPDX-License-Identifier: Apache-2.0
"""Traces and the ids of requests: taken in over every protocol, passed on to code and applications, told to a
collector that is not always well."""

import json
import re
import socket
import subprocess
import unittest

from vivarium_testing import daemon as daemons, http_api, protobuf, servers, waiting
from vivarium_testing.case import DaemonCase
from vivarium_testing.collector import Collector
from vivarium_testing.host import HttpHost, with_call
from vivarium_testing.web import BARE

READ = "import vivarium\nr = vivarium.current_request()\n[r.id, r.traceparent]"
ECHO = BARE + """
import json, vivarium
async def on_headers(scope, receive, send):
    mine = vivarium.current_request()
    told = [[n.decode(), v.decode()] for n, v in scope["headers"]] + [["mine", mine.id], ["mine", mine.traceparent]]
    await answer(send, body=json.dumps(told).encode())
"""
MALFORMED = [
    "", "00", "00-" + "a" * 32 + "-" + "b" * 16, "ff-" + "a" * 32 + "-" + "b" * 16 + "-01",
    "00-" + "0" * 32 + "-" + "b" * 16 + "-01", "00-" + "a" * 32 + "-" + "0" * 16 + "-01",
    "00-" + "A" * 32 + "-" + "b" * 16 + "-01", "00-" + "a" * 32 + "-" + "b" * 16 + "-0g",
    "00-" + "a" * 32 + "-" + "b" * 16 + "-01-", "00-" + "a" * 32 + "-" + "b" * 16 + "-01-x",
    "00-" + "a" * 31 + "-" + "b" * 17 + "-01", "01-" + "a" * 32 + "-" + "b" * 16 + "-01x",
    "00_" + "a" * 32 + "_" + "b" * 16 + "_01", "00-" + "a" * 32 + "-" + "b" * 16 + "-01, x",
]


def parent(number, sampled=True):
    """Returns a traceparent of the client's, its trace and its span."""
    trace, span = f"{number:032x}", f"{number + 1:016x}"
    return f"00-{trace}-{span}-{'01' if sampled else '00'}", trace, span


class TracingCase(DaemonCase):
    """A daemon with a collector at its side."""

    tracing = 'interval = "10ms"'

    @classmethod
    def setUpClass(cls):
        """Starts both."""
        cls.collector = Collector()
        cls.addClassCleanup(cls.collector.close)
        cls.config = f'[tracing]\nendpoint = "{cls.collector.url}"\n{cls.tracing}\n'
        super().setUpClass()
        # The connection to the collector is there from now on: it was not leaked by a test.
        given, trace, _ = parent(0x1)
        with cls.daemon.client() as client:
            client.call("ExecutionService/Eval", {"source": "1"}, {"traceparent": given})
        cls.collector.trace(trace, ["execute"])

    def assert_child(self, span, of):
        """One span is directly below another."""
        self.assertEqual(span.get("parentSpanId"), of["spanId"], (span, of))


class Traces(TracingCase):
    """Who is well."""

    tracing = 'interval = "10ms"\nsample = "0%"\nservice_name = "test"\n'

    def test_eval_over_http(self):
        """The server's span below the client's, what was done below the server's; the code reads its own."""
        given, trace, span = parent(0x100)
        status, headers, body = self.client.request(
            "POST", "/vivarium.v1.ExecutionService/Eval", json.dumps({"source": READ}),
            {"content-type": "application/json", "traceparent": given, "x-request-id": "mine-1"})
        self.assertEqual((status, headers["x-request-id"]), (200, "mine-1"))
        answer = json.loads(body)
        number, told = answer["verdict"]["result"]["json"]
        found = self.collector.trace(trace, ["vivarium.v1.ExecutionService/Eval", "queue", "execute",
                                             "session start"])
        server, run = found["vivarium.v1.ExecutionService/Eval"], found["execute"]
        self.assertEqual((server["parentSpanId"], server["kind"]), (span, 2))
        for name in ("queue", "execute", "session start"):
            self.assert_child(found[name], server)
        self.assertEqual((number, told), ("mine-1", f"00-{trace}-{run['spanId']}-01"))
        self.assertLessEqual({
            "rpc.system": "connect_rpc", "rpc.service": "vivarium.v1.ExecutionService", "rpc.method": "Eval",
            "vivarium.tenant": "local", "vivarium.request.id": "mine-1"}.items(), server["attributes"].items())
        self.assertLessEqual({"vivarium.tenant": "local", "vivarium.execution.id": answer["executionId"],
                              "vivarium.request.id": "mine-1"}.items(), run["attributes"].items())
        self.assertEqual(server["resource"]["service.name"], "test")
        self.assertEqual(server["status"], {})

    def test_failures_are_marked(self):
        """By what they are called, and by nothing of what they say."""
        given, trace, _ = parent(0x200)
        self.client.call("ExecutionService/Eval", {"source": "raise KeyError('do not tell')"},
                         {"traceparent": given})
        with self.assertRaises(http_api.ApiError):
            self.client.call("SessionService/GetSession", {"session": "nobody"}, {"traceparent": given})
        found = self.collector.trace(trace, ["execute", "vivarium.v1.SessionService/GetSession"])
        self.assertEqual(found["execute"]["status"], {"code": 2})
        self.assertEqual(found["execute"]["attributes"]["error.type"], "python")
        refused = found["vivarium.v1.SessionService/GetSession"]
        self.assertEqual(refused["attributes"]["error.type"], "not_found")
        self.assertEqual(refused["attributes"]["rpc.connect_rpc.error_code"], "not_found")
        self.assertNotIn("do not tell", json.dumps(found))

    def test_websocket_frames(self):
        """Each with a trace and an id of its own, else that of the handshake."""
        of_all, all_trace, _ = parent(0x300)
        own, own_trace, own_span = parent(0x310)
        socket = self.websocket(headers=f"traceparent: {of_all}\r\nx-request-id: hand\r\n")
        _, answer = socket.ask(eval={"source": READ})
        number, told = answer["verdict"]["result"]["json"]
        self.assertEqual(number, "hand.1")
        self.assertIn(all_trace, told)
        socket.send({"id": "7", "eval": {"source": READ}, "traceparent": own, "requestId": "own-7"})
        answer = socket.answer()
        self.assertEqual(answer["requestId"], "own-7")
        number, told = answer["eval"]["verdict"]["result"]["json"]
        self.assertEqual(number, "own-7")
        server = self.collector.trace(own_trace, ["vivarium.v1.ExecutionService/Eval"])[
            "vivarium.v1.ExecutionService/Eval"]
        self.assertEqual(server["parentSpanId"], own_span)
        self.assertEqual(server["attributes"]["network.protocol.name"], "websocket")
        # A malformed one of its own is as if none had been sent; and so is an id that is none.
        for message in ({"traceparent": "00-zz"}, {"request_id": "a b\n"}):
            socket.send({"id": "8", "eval": {"source": READ}, **message})
            answer = socket.answer()
            self.assertNotIn("requestId", answer)
            number, told = answer["eval"]["verdict"]["result"]["json"]
            self.assertEqual(number, "hand.8")
            self.assertEqual(told == "", "traceparent" in message, told)
        socket.send({"id": "9", "getSession": {"session": "nobody"}, "requestId": "own-9"})
        answer = socket.answer()
        self.assertEqual((answer["requestId"], answer["error"]["detail"]["requestId"]), ("own-9", "own-9"))

    def test_binary_websocket_frames(self):
        """The same in protobuf."""
        given, trace, span = parent(0x400)
        socket = self.websocket(protocol="vivarium.v1.proto")
        request = protobuf.data(2, READ)
        socket.send_frame(2, protobuf.number(1, 5) + protobuf.data(500, given) + protobuf.data(501, "bin-5")
                          + protobuf.data(2, request))
        self.assertEqual(protobuf.fields(socket.receive()[1])[501], b"bin-5")
        found = self.collector.trace(trace, ["execute"])
        self.assertEqual(found["vivarium.v1.ExecutionService/Eval"]["parentSpanId"], span)

    def test_malformed_ones_are_ignored(self):
        """As the specification says: never an error, and nothing of it gets any further."""
        with self.daemon.client() as client:
            for given in MALFORMED:
                with self.subTest(given):
                    answer = client.call("ExecutionService/Eval", {"source": READ}, {"traceparent": given})
                    self.assertEqual(answer["verdict"]["result"]["json"][1], "")
        twice = parent(0x500)[0]
        raw = json.dumps({"source": READ}).encode()
        answer = http_api.exchange(self.daemon.address, (
            "POST /vivarium.v1.ExecutionService/Eval HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\ntraceparent: {twice}\r\ntraceparent: {twice}\r\n"
            f"Content-Length: {len(raw)}\r\n\r\n").encode() + raw)
        self.assertEqual(json.loads(answer.partition(b"\r\n\r\n")[2])["verdict"]["result"]["json"][1], "")

    def test_later_versions_are_understood(self):
        """As far as they look like the first."""
        _, trace, span = parent(0x600)
        answer = self.client.call("ExecutionService/Eval", {"source": READ},
                                  {"traceparent": f"cc-{trace}-{span}-03-what-comes"})
        self.assertRegex(answer["verdict"]["result"]["json"][1], f"^00-{trace}-[0-9a-f]{{16}}-01$")

    def test_who_does_not_record_is_followed(self):
        """The context is passed on as it came, and nobody tells of it."""
        given, trace, _ = parent(0x700, sampled=False)
        answer = self.client.call("ExecutionService/Eval", {"source": READ}, {"traceparent": given})
        self.assertEqual(answer["verdict"]["result"]["json"][1], given)
        told, seen, _ = parent(0x710)
        self.client.call("ExecutionService/Eval", {"source": "1"}, {"traceparent": told})
        self.collector.trace(seen, ["execute"])  # It came later and is there.
        self.assertEqual([s for s in self.collector.spans if s["traceId"] == trace], [])

    def test_calls_to_the_application(self):
        """Below the execution; the application can go on with it."""
        given, trace, _ = parent(0x800)
        session = self.session()
        seen = {}

        def look(call, what):
            seen.update(call)
            return what
        host = HttpHost(self.daemon, {"look": with_call(look)}, session, names=["look"])
        try:
            answer = self.client.call(
                "ExecutionService/Eval",
                {"source": "import vivarium\ntry: vivarium.call('no-' + 'body')\nexcept LookupError: pass\n"
                           "vivarium.call('look', 5)", "session": session},
                {"traceparent": given, "x-request-id": "calls"})
            self.assertEqual(answer["verdict"].get("result"), {"json": 5}, answer)
        finally:
            host.stop()
        found = self.collector.trace(trace, ["host call", "execute"])
        calls = [s for s in self.collector.spans if s["traceId"] == trace and s["name"] == "host call"]
        for call in calls:
            self.assert_child(call, found["execute"])
            self.assertEqual(call["kind"], 3)
        nobody, look = sorted(calls, key=lambda call: int(call["startTimeUnixNano"]))
        self.assertEqual((look["attributes"]["rpc.method"], look["status"]), ("look", {}))
        # What nobody offers may be anything that code has put together.
        self.assertNotIn("rpc.method", nobody["attributes"])
        self.assertEqual(nobody["attributes"]["error.type"], "not_found")
        self.assertEqual((seen["requestId"], seen["traceparent"]),
                         ("calls", f"00-{trace}-{look['spanId']}-01"))

    def test_sessions_and_jobs(self):
        """A job's spans come when it ends, long after its answer."""
        given, trace, _ = parent(0x900)
        made = self.client.call("SessionService/CreateSession", {"name": "traced"}, {"traceparent": given})
        self.sessions.append(made["session"]["id"])
        self.assert_child(self.collector.trace(trace, ["session start"])["session start"],
                          self.collector.trace(trace, ["vivarium.v1.SessionService/CreateSession"])[
                              "vivarium.v1.SessionService/CreateSession"])
        given, trace, _ = parent(0x910)
        job = self.client.call("ExecutionService/Start", {
            "eval": {"source": "import asyncio\nawait asyncio.sleep(0.05)\nimport vivarium\n"
                               "vivarium.current_request().id", "session": "traced"}},
            {"traceparent": given, "x-request-id": "job"})["executionId"]
        verdict = self.client.wait(job)
        self.assertEqual(verdict["result"]["json"], "job")
        found = self.collector.trace(trace, ["execute", "vivarium.v1.ExecutionService/Start"])
        self.assert_child(found["execute"], found["vivarium.v1.ExecutionService/Start"])

    def test_batches_and_streams(self):
        """Each item is an execution; a stream is one."""
        given, trace, _ = parent(0xa00)
        items = [{"eval": {"source": str(n)}} for n in range(3)]
        self.client.call("ExecutionService/Batch", {"items": items}, {"traceparent": given})
        self.collector.trace(trace, ["vivarium.v1.ExecutionService/Batch"])
        waiting.wait_for(lambda: len([s for s in self.collector.spans if s["traceId"] == trace
                                      and s["name"] == "execute"]) == 3, "three executions")
        given, trace, _ = parent(0xa10)
        self.client.headers["traceparent"] = given
        session = self.session()
        self.assertEqual(len(list(self.client.stream("range(5)", session))) > 0, True)
        found = self.collector.trace(trace, ["stream", "vivarium.v1.ExecutionService/Stream"])
        self.assert_child(found["stream"], found["vivarium.v1.ExecutionService/Stream"])

    def test_applications(self):
        """The ingress is a server, the application's work is below it, and its headers are the daemon's word."""
        app = self.client.call("AppService/BootApp", {"source": ECHO, "app": "app"})["app"]["id"]
        try:
            given, trace, span = parent(0xb00)
            status, headers, body = self.client.request(
                "GET", f"/apps/{app}/headers?secret=in-query",
                headers={"traceparent": given, "tracestate": "a=1", "x-request-id": "web"})
            self.assertEqual((status, headers["x-request-id"]), (200, "web"))
            told = json.loads(body)
            found = self.collector.trace(trace, ["GET /apps/{app}", "application request"])
            server, run = found["GET /apps/{app}"], found["application request"]
            self.assertEqual((server["parentSpanId"], server["kind"]), (span, 2))
            self.assert_child(run, server)
            mine = f"00-{trace}-{run['spanId']}-01"
            self.assertEqual([v for n, v in told if n == "traceparent"], [mine])
            self.assertEqual([v for n, v in told if n == "tracestate"], ["a=1"])
            self.assertEqual([v for n, v in told if n in ("x-request-id", "mine")], ["web", "web", mine])
            self.assertEqual(server["attributes"]["http.response.status_code"], 200)
            self.assertEqual(server["attributes"]["http.request.method"], "GET")
            self.assertNotIn("in-query", json.dumps(found))
            _, _, body = self.client.request("GET", f"/apps/{app}/headers", headers={
                "traceparent": "00-none", "tracestate": "a=1", "x-request-id": "not one"})
            names = [n for n, _ in json.loads(body)]
            self.assertNotIn("traceparent", names)
            self.assertNotIn("tracestate", names)
            given, trace, _ = parent(0xb10)
            answer = self.client.call("AppService/Handle", {
                "app": app, "request": {"method": "GET", "path": "/headers"}}, {"traceparent": given})
            self.assertIn(trace, http_api.base64.b64decode(answer["response"]["body"]).decode())
        finally:
            self.client.call("AppService/CloseApp", {"app": app})

    def test_files(self):
        """Whole files have paths of their own, which are not told."""
        session = self.session("filed")
        given, trace, _ = parent(0xc00)
        status, _, _ = self.client.request("PUT", "/v1/sessions/filed/files/hidden-name", b"content",
                                           {"traceparent": given})
        self.assertIn(status, (200, 201), session)
        found = self.collector.trace(trace, ["PUT /v1/sessions/{session}/files/{path}"])
        self.assertNotIn("hidden-name", json.dumps(found))

    def test_the_command(self):
        """TRACEPARENT, or an option that goes before it; an error says under which id the log has it."""
        given, trace, _ = parent(0xd00)
        done = subprocess.run(
            [daemons.COMMAND, "--server", self.daemon.url, "eval", "import vivarium\nvivarium.current_request().traceparent"],
            capture_output=True, text=True, timeout=waiting.WATCHDOG, check=False,
            env={**daemons.command_environment(self.daemon.folder), "TRACEPARENT": given})
        self.assertIn(trace, done.stdout, done.stderr)
        given, trace, _ = parent(0xd10)
        done = self.daemon.command("--traceparent", given, "eval", READ)
        self.assertIn(trace, done.stdout, done.stderr)
        done = self.daemon.command("--traceparent", "x\r\nHost: evil", "eval", "1")
        self.assertEqual((done.returncode, done.stdout), (0, "1\n"), done.stderr)
        for arguments in (("close", "nobody"), ("eval", "--timeout", "50ms", "while True: pass"),
                          ("eval", "import os\nos._exit(3)")):
            done = self.daemon.command(*arguments)
            self.assertRegex(done.stderr, r"\(request req_0[a-z2-7]{26}\.\d+\)\n$")
            self.assertNotEqual(done.returncode, 0)

    def test_ids_in_the_log(self):
        """A failure of the daemon's own has a line with the id that its client was given."""
        with self.assertRaises(http_api.ApiError) as caught:
            self.client.call("ExecutionService/Eval", {"source": "1", "session": self.lost()},
                             {"x-request-id": "lost-1"})
        self.assertEqual(http_api.detail_of(caught.exception)["requestId"], "lost-1")
        self.assertIn('"request_id":"lost-1"', self.daemon.log())

    def lost(self):
        """Returns a session whose worker has died."""
        session = self.session()
        self.client.eval("import os\nos._exit(1)", session)
        return session

    def test_no_request_without_an_id(self):
        """Whatever it is about, and whoever made the id up."""
        for path in ("/healthz", "/metrics", "/nowhere", "/vivarium.v1.SessionService/Nothing",
                     "/apps/nobody/", "/v1/sessions/nobody/files/x"):
            _, headers, _ = self.client.request("GET", path)
            self.assertRegex(headers["x-request-id"], r"^req_0[a-z2-7]{26}$", path)
            _, headers, _ = self.client.request("GET", path, headers={"x-request-id": "a" * 128})
            self.assertEqual(headers["x-request-id"], "a" * 128)


class Collectors(unittest.TestCase):
    """Daemons whose collector is not well, or which end."""

    def daemon(self, port, more, **options):
        """Returns one that tells all to a collector at a port."""
        made = daemons.Daemon(f'[tracing]\nendpoint = "http://127.0.0.1:{port}"\n{more}\n', **options)
        self.addCleanup(made.destroy)
        return made

    def metric(self, daemon, name, labels=""):
        """Returns the value of a metric."""
        with daemon.client() as client:
            text = client.request("GET", "/metrics")[2].decode()
        [value] = re.findall(rf"^{name}{re.escape(labels)} (\S+)$", text, re.M)
        return float(value)

    def dropped(self, daemon, cause):
        """Returns how many spans were dropped for that."""
        return self.metric(daemon, "vivarium_spans_dropped_total", f'{{cause="{cause}"}}')

    def test_what_is_left_is_sent_at_the_end(self):
        """Of requests without any trace as well; with the headers that the operator keeps elsewhere."""
        with Collector() as collector:
            daemon = self.daemon(collector.port, 'interval = "60s"\nheaders_env = "HEADERS_OF_OURS"',
                                 variables={"HEADERS_OF_OURS": "authorization=Bearer marked-secret,x-own=1"})
            with daemon.client() as client:
                answer = client.call("ExecutionService/Eval", {"source": READ})
            number, told = answer["verdict"]["result"]["json"]
            self.assertRegex(told, "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")
            self.assertEqual(collector.spans, [])
            self.assertEqual(daemon.terminate(), 0)
            found = collector.trace(told[3:35], ["execute", "vivarium.v1.ExecutionService/Eval"])
            self.assertNotIn("parentSpanId", found["vivarium.v1.ExecutionService/Eval"])
            self.assertEqual(found["execute"]["attributes"]["vivarium.request.id"], number)
            path, headers = collector.heads[0]
            self.assertEqual((path, headers["Content-Type"], headers["authorization"], headers["x-own"]),
                             ("/v1/traces", "application/json", "Bearer marked-secret", "1"))
        self.assertNotIn("marked-secret", daemon.log())

    def test_one_that_is_gone_and_comes(self):
        """Nobody notices but the metrics, and the log once in each direction."""
        port = servers.free_port()
        daemon = self.daemon(port, 'interval = "10ms"\nqueue = 8')
        with daemon.client() as client:
            for _ in range(20):
                self.assertEqual(client.value("6*7"), 42)
            waiting.wait_for(lambda: self.dropped(daemon, "full") and self.dropped(daemon, "unreachable"),
                             "dropped spans")
            with Collector(port) as collector:
                def arrives():
                    self.assertEqual(client.value("6*7"), 42)
                    return self.metric(daemon, "vivarium_spans_sent_total") > 0
                waiting.wait_for(arrives, "a span")
                waiting.wait_for(lambda: "takes them again" in daemon.log(), "the line")
                self.assertEqual(collector.troubles, [])
        self.assertEqual(daemon.log().count("does not take them"), 1)
        self.assertLessEqual(self.metric(daemon, "vivarium_spans_waiting"), 8)

    def test_one_that_does_not_answer(self):
        """It costs spans and nothing else, also when the daemon ends."""
        with Collector() as collector:
            collector.gate.clear()
            daemon = self.daemon(collector.port, 'interval = "10ms"\nqueue = 4\nbatch = 2')
            with daemon.client() as client:
                waiting.wait_for(lambda: client.value("1") == 1 and collector.heads, "a batch")
                for _ in range(20):
                    self.assertEqual(client.value("6*7"), 42)
            self.assertGreater(self.dropped(daemon, "full"), 0)
            self.assertEqual(daemon.terminate(), 0)

    def test_one_that_takes_too_long(self):
        """What it was sent is lost, and the daemon is well."""
        with Collector() as collector:
            collector.gate.clear()
            daemon = self.daemon(collector.port, 'interval = "10ms"\ntimeout = "100ms"')
            with daemon.client() as client:
                client.value("1")
                waiting.wait_for(lambda: self.dropped(daemon, "unreachable") >= 1, "a loss")
                self.assertEqual(client.value("6*7"), 42)
            self.assertEqual(daemon.terminate(), 0)

    def test_one_that_hangs_up(self):
        """It takes a request and closes without a word."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            daemon = self.daemon(listener.getsockname()[1], 'interval = "10ms"\ntimeout = "100ms"')
            with daemon.client() as client:
                client.value("1")
                for _ in range(3):
                    one, _ = listener.accept()
                    with one:
                        one.recv(100)
                self.assertEqual(client.value("6*7"), 42)
            self.assertEqual(daemon.terminate(), 0)

    def test_strangers_do_not_decide(self):
        """Who is not let in leaves no span, whatever it asks for."""
        with Collector() as collector:
            daemon = self.daemon(collector.port, 'interval = "10ms"\nsample = "0%"\n[auth]\nkeys = "{folder}/keys"')
            daemon.keys("create", "--tenant", "a")
            with daemon.client() as client:
                for _ in range(5):
                    self.assertEqual(client.request("GET", "/apps/x/", headers={
                        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})[0], 401)
                self.assertEqual(self.metric(daemon, "vivarium_spans_total"), 0)

    def test_one_that_wants_none_of_it(self):
        """What it refuses is not sent again; what it cannot take now is."""
        with Collector() as collector:
            daemon = self.daemon(collector.port, 'interval = "10ms"')
            with daemon.client() as client:
                collector.status = 400
                client.value("1")
                waiting.wait_for(lambda: self.dropped(daemon, "refused") >= 1, "a refusal")
                collector.status = 503
                seen = len(collector.bodies)
                client.value("2")
                waiting.wait_for(lambda: len(collector.bodies) >= seen + 2, "another attempt")
                self.assertEqual(collector.bodies[seen], collector.bodies[seen + 1])
                collector.status = 200
                waiting.wait_for(lambda: self.metric(daemon, "vivarium_spans_sent_total") > 0, "success")

    def test_off_is_off(self):
        """Nothing is recorded; what a client says is passed on."""
        daemon = daemons.Daemon()
        self.addCleanup(daemon.destroy)
        given, _, _ = parent(0xe00)
        with daemon.client() as client:
            answer = client.call("ExecutionService/Eval", {"source": READ}, {"traceparent": given})
            self.assertEqual(answer["verdict"]["result"]["json"][1], given)
            self.assertEqual(client.value(READ)[1], "")
        self.assertEqual(self.metric(daemon, "vivarium_spans_total"), 0)


if __name__ == "__main__":
    unittest.main()
