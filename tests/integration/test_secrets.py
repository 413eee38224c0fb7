# SPDX-License-Identifier: Apache-2.0
"""Nothing of what is secret, and nothing of what tenants' code is or says, gets into what operators read: log,
audit log, metrics, spans. A daemon does a bit of everything with marked texts, which are looked for afterwards."""

import http.client
import json
import secrets
import unittest

from vivarium_testing import http_api, protobuf, servers, waiting, ws
from vivarium_testing.collector import Collector
from vivarium_testing.egress import policy
from vivarium_testing.host import HttpHost
from vivarium_testing.tenants import TenantCase
from vivarium_testing.web import BARE

APP = BARE + """
async def on_fails(scope, receive, send):
    await read(receive)
    raise RuntimeError(MARK)
async def on_late(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-mark", MARK.encode())]})
    await send({"type": "http.response.body", "body": MARK.encode(), "more_body": True})
    raise RuntimeError(MARK)
async def on_wrong(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
    await send({"type": "http.response.body", "body": MARK.encode()})
"""


class Secrets(TenantCase):
    """One test, which looks everywhere."""

    tenants = {"a": 'egress = ["out"]\ndatabases = ["main"]'}
    watched = False  # Databases that do not answer are tried again for a while.
    marks = {}

    @classmethod
    def mark(cls, what):
        """Returns a text that can only come from here."""
        return cls.marks.setdefault(what, f"mark{what.replace('_', '')}{secrets.token_hex(6)}")

    @classmethod
    def setUpClass(cls):
        """A collector that wants a secret, a web server that does, a database that is not there."""
        cls.collector = Collector()
        cls.addClassCleanup(cls.collector.close)
        cls.web = servers.Echo()
        cls.addClassCleanup(cls.web.close)
        closed = servers.free_port()
        cls.more_config = (
            f'[tracing]\nendpoint = "{cls.collector.url}"\ninterval = "10ms"\nqueue = 100000\n'
            f'headers_env = "COLLECTOR_HEADERS"\n'
            f'[audit]\nfile = "{{folder}}/audit"\n'
            + policy("out", [f"web.test:{cls.web.port}", f"db.test:{closed}"], ["web.test", "db.test"])
            + f'[databases.main]\nurl = "postgresql://u:{cls.mark("database_password")}@127.0.0.1:{closed}/d"\n'
              'connect_timeout = "500ms"\n')
        cls.closed = closed
        cls.variables = {"COLLECTOR_HEADERS": f"authorization=Bearer {cls.mark('collector_header')}"}
        super().setUpClass()

    def test_nothing_is_told(self):
        """What was done is in the log, the audit log, the metrics and the spans; the marks are nowhere."""
        self.over_http()
        self.over_websockets()
        self.sessions_with_secrets()
        self.functions_and_messages()
        self.applications()
        self.files()
        self.store()
        self.strangers()
        self.command()
        done = self.of["a"].request("GET", "/healthz")[1]["x-request-id"]
        self.of["a"].call("ExecutionService/Eval", {"source": "1"}, {"x-request-id": "last-of-all"})

        def all_told():
            return any('"last-of-all"' in body for body in self.collector.bodies)
        waiting.wait_for(all_told, "the last span")
        self.assertTrue(done)
        told = {"log": self.daemon.log(), "spans": "".join(self.collector.bodies),
                "metrics": self.metrics_text()}
        with open(f"{self.daemon.folder}/audit", encoding="utf-8") as file:
            told["audit"] = file.read()
        # They do tell of what was done, or nothing would be proven.
        for where, what in (("log", "call failed"), ("log", "failed to answer"), ("log", "database"),
                            ("spans", "vivarium.v1.ExecutionService/Eval"), ("spans", "host call"),
                            ("spans", '"look"'), ("metrics", "vivarium_executions_total"),
                            ("audit", "key_refused"), ("audit", "session_created"), ("audit", "egress_refused")):
            self.assertIn(what, told[where])
        self.assertEqual(self.collector.troubles, [])
        for key in self.keys.values():
            self.marks[f"key {key[:12]}"] = key.rpartition("_")[2]
        self.assertGreater(len(self.marks), 40)
        for where, text in told.items():
            for what, mark in self.marks.items():
                self.assertNotIn(mark, text, f"{what} is in the {where}")

    def metrics_text(self):
        """Returns what Prometheus reads."""
        return self.of["bystander"].request("GET", "/metrics")[2].decode()

    def error_of(self, verdict):
        """The execution failed."""
        self.assertIn("error", verdict)
        return verdict["error"]

    def over_http(self):
        """Connect, in JSON and protobuf, unary and streamed; good and bad."""
        client, mark = self.of["a"], self.mark
        self.assertEqual(client.value(f"# {mark('code_text')}\n{mark('variable_name')} = '{mark('value')}'\n"
                                      f"print('{mark('output')}')\n{mark('variable_name')}"), mark("value"))
        error = self.error_of(client.eval(f"raise RuntimeError('{mark('exception')}')"))
        self.assertIn(mark("exception"), error["message"])
        self.error_of(client.eval(f"def f(: {mark('syntax_error')}"))
        self.error_of(client.eval(f"import {mark('module_name')}"))
        self.error_of(client.eval("while True: pass  # " + mark("endless_code"), timeoutMs="50"))
        self.error_of(client.eval(f"import os, sys\nsys.stderr.write('{mark('stderr')}')\nsys.stderr.flush()\n"
                                  "os.write(2, b'x')\nos._exit(7)"))
        client.eval(f"display({{'text/plain': '{mark('display')}'}})")
        client.eval("x", variables={"x": {"text": mark("operand")}})
        client.eval(f"import vivarium, logging\nl = logging.getLogger('{mark('logger_name')}')\n"
                    f"l.addHandler(vivarium.LoggingHandler())\nl.error('{mark('log_record')}')")
        client.eval(f"import vivarium\nvivarium.progress(1, 2, '{mark('progress')}')")
        client.eval("1", filename=mark("file_name_of_code") + ".py")
        client.eval(f"import socket\ntry: socket.create_connection(('{mark('host_name')}.test', 1), 1)\n"
                    "except OSError: pass")
        for message in ({"source": 5, mark("unknown_field"): 1}, {"source": "1", "session": mark("session_name") + "/x"},
                        {"source": "1", "code": mark("code_handle")}):
            with self.assertRaises(http_api.ApiError):
                client.call("ExecutionService/Eval", message)
        client.eval(f"'{mark('nul')}\0'")
        with self.assertRaises(http_api.ApiError):
            client.call("SessionService/GetSession", {"session": mark("unknown_session")})
        for body in (b"{" + mark("broken_json").encode(), mark("no_json").encode()):
            client.request("POST", "/vivarium.v1.ExecutionService/Eval", body,
                           {"content-type": "application/json"})
        client.request("POST", "/vivarium.v1.ExecutionService/Eval",
                       protobuf.data(2, mark("binary_source")) + b"\xff",
                       {"content-type": "application/proto"})
        session = self.session_of("a", "streams")
        list(client.stream(f"(x for x in ['{mark('item')}'])", session))
        list(client.stream(f"(1 / 0 for x in ['{mark('failing_item')}'])", session))
        job = client.start(f"print('{mark('job_output')}')\nraise ValueError('{mark('job_error')}')", session)
        list(client.follow(job))
        client.call("ExecutionService/Start", {"detach": True, "eval": {
            "session": session, "source": f"raise ValueError('{mark('detached_error')}')"}})
        client.call("ExecutionService/Batch", {"items": [
            {"eval": {"source": f"'{mark('batch')}'"}}, {"eval": {"source": f"1 / '{mark('batch_error')}'"}}]})
        client.call("ExecutionService/Call", {"session": session, "target": {"module": "builtins"}, "name": "int",
                                              "jsonArgs": [mark("argument")]})
        for path in (f"/{mark('path')}", f"/vivarium.v1.{mark('method')}/x", f"/metrics?{mark('query')}",
                     f"/v1/ws?versions={mark('versions')}"):
            client.request("GET", path, headers={"x-own": mark("header_value"), "cookie": mark("cookie"),
                                                 "traceparent": mark("traceparent"),
                                                 "x-request-id": mark("request_id") + " is none"})
        # A fault of the daemon's own form: its session is gone.
        dead = self.session_of("a", "dies")
        client.eval("import os\nos._exit(1)", dead)
        with self.assertRaises(http_api.ApiError):
            client.call("ExecutionService/Eval", {"session": dead, "source": mark("code_for_the_dead")})

    def over_websockets(self):
        """Both subprotocols, with what is wrong as well."""
        key = f"Authorization: Bearer {self.keys['a']}\r\n"
        socket = self.socket_of(self.keys["a"])
        _, answer = socket.ask(eval={"source": f"raise KeyError('{self.mark('ws_error')}')"})
        self.assertIn("error", answer["verdict"])
        socket.ask(eval={"source": f"'{self.mark('ws_code')}'", "session": self.mark("ws_session")})
        socket.send(b'{"id":"9","eval":{"' + self.mark("ws_field").encode() + b'":1}}')
        self.assertIn("error", socket.answer())
        socket.send({"id": "10", "eval": {"source": "1"}, "traceparent": self.mark("ws_traceparent"),
                     "requestId": self.mark("ws_request_id") + " none"})
        self.assertIn("eval", socket.answer())
        with ws.WebSocket(self.daemon.address, protocol="vivarium.v1.proto", headers=key) as binary:
            binary.send_frame(2, protobuf.number(1, 5) + protobuf.data(2, protobuf.data(
                2, f"print('{self.mark('binary_output')}')\n1 / 0")))
            self.assertIn(self.mark("binary_output").encode(), binary.receive()[1])
            binary.send_frame(2, b"\x0a" + self.mark("binary_nonsense").encode())
            binary.receive()

    def sessions_with_secrets(self):
        """What a session is given, and what its code does with it."""
        client, mark = self.of["a"], self.mark
        url = f"http://web.test:{self.web.port}"
        session = self.session_of(
            "a", "secretive", egress="out", environmentVariables={mark("variable_of_process"): mark("env")},
            init={"source": f"INIT = '{mark('init_script')}'"}, files={"a.txt": "eA=="},
            tags=[mark("tag")], capabilities={
                "sql": {"database": "main"},
                "boto3": {"endpointUrl": url, "accessKeyId": mark("aws_id"), "region": "us-east-1",
                          "secretAccessKey": mark("aws_secret"), "sessionToken": mark("aws_token")},
                "httpRules": [{"allowedUrlPrefix": f"{url}/allowed",
                               "headers": {"Authorization": f"Bearer {mark('http_rule_header')}"}}]})
        self.assertEqual(client.value(f"import os\nos.environ['{mark('variable_of_process')}']", session),
                         mark("env"))
        self.error_of(client.eval(f"import sql\nsql.query('select $1', ['{mark('sql_parameter')}'])  "
                                  f"# {mark('sql_code')}", session))
        client.eval(f"import requests\nrequests.get('{url}/refused-{mark('refused_url')}', timeout=5)", session)
        client.eval(f"import requests\ntry: requests.get('{url}/allowed-{mark('allowed_url')}', timeout=1, "
                    f"headers={{'x': '{mark('own_header')}'}})\nexcept requests.RequestException: pass", session)
        client.eval("import boto3, botocore.config\n"
                    "boto3.client('s3', config=botocore.config.Config(connect_timeout=1, read_timeout=1, "
                    f"retries={{'max_attempts': 0}})).list_objects(Bucket='{mark('bucket')}')", session)
        with self.assertRaises(http_api.ApiError):
            client.create("fails", init={"source": f"raise RuntimeError('{mark('init_error')}')"})
        with self.assertRaises(http_api.ApiError):
            client.create("fails", egress="out", capabilities={"sql": {
                "databaseUrl": f"postgresql://u:{mark('url_password')}@nowhere.test/d?{mark('url_option')}=1"}})
        given = self.session_of("a", "given", egress="out", capabilities={"sql": {
            "databaseUrl": f"postgresql://u:{mark('tenants_password')}@db.test:{self.closed}/d"}})
        self.error_of(client.eval("import sql\nsql.query('select 1')", given))

    def functions_and_messages(self):
        """Calls to the application and back, messages by name."""
        client, mark = self.of["a"], self.mark
        session = self.session_of("a", "calls")

        def look(what):
            raise RuntimeError(mark("host_error") + what)
        self.daemon.key, before = self.keys["a"], self.daemon.key
        host = HttpHost(self.daemon, {"look": look}, session, names=["look"])
        try:
            error = self.error_of(client.eval(f"import vivarium\nvivarium.call('look', '{mark('call_argument')}')",
                                              session))
            self.assertIn(mark("host_error"), error["message"])
            self.error_of(client.eval(f"import vivarium\nvivarium.call('{mark('function_name')}')", session))
        finally:
            host.stop()
            self.daemon.key = before
        client.eval(f"import vivarium\nvivarium.send('calls', '{mark('message')}')", session)
        client.eval(f"import vivarium\nvivarium.send('{mark('destination')}', 1)", session)
        client.call("MessageService/Send", {"to": "calls", "json": mark("message_of_client")})

    def applications(self):
        """Requests with everything that a browser sends, answered and not."""
        client, mark = self.of["a"], self.mark
        app = client.call("AppService/BootApp", {
            "source": f"MARK = '{mark('app_source')}'\n" + APP, "app": "app"})["app"]["id"]
        try:
            for path, status in (("root", 200), ("fails", 500), ("late", 200), ("wrong", 502), ("nothing", 500)):
                try:
                    got = client.request(
                        "POST", f"/apps/{app}/{path}/{mark('app_path')}?{mark('app_query')}",
                        mark("app_body").encode(),
                        {"cookie": mark("app_cookie"), "x-own": mark("app_header"), "referer": mark("referer")})[0]
                    self.assertEqual(got, status, path)
                except (http.client.HTTPException, ConnectionError):
                    self.assertEqual(path, "late")
            client.call("AppService/Handle", {"app": app, "request": {
                "method": "GET", "path": f"/fails/{mark('handle_path')}",
                "headers": [{"name": "x-own", "value": mark("handle_header")}]}})
        finally:
            client.call("AppService/CloseApp", {"app": app})
        with self.assertRaises(http_api.ApiError):
            client.call("AppService/BootApp", {"source": f"raise ValueError('{mark('boot_error')}')", "app": "app"})

    def files(self):
        """Over their own paths."""
        client, mark = self.of["a"], self.mark
        self.session_of("a", "files")
        path = f"/v1/sessions/files/files/{mark('file_name')}"
        self.assertIn(client.request("PUT", path, mark("file_content").encode())[0], (200, 201))
        self.assertEqual(client.request("GET", path)[2].decode(), mark("file_content"))
        client.request("GET", path + mark("missing_file"))

    def store(self):
        """Keys and values."""
        client, mark = self.of["a"], self.mark
        client.call("StoreService/SetValue", {"key": mark("store_key"), "json": json.dumps(mark("store_value"))})
        client.call("StoreService/GetValue", {"key": mark("store_key")})

    def strangers(self):
        """Keys that are none, or no more."""
        mark = self.mark
        for shown in (mark("no_key"), f"viv_{mark('key_id')}_{mark('key_secret')}",
                      self.keys["a"][:-4] + "aaaa"):
            with self.daemon.client(shown) as stranger:
                self.assertEqual(stranger.request("GET", f"/vivarium.v1.{mark('strangers_path')}")[0], 401)
        self.marks["wrong key"] = (self.keys["a"][:-4] + "aaaa").rpartition("_")[2]
        for line in (f"GET /{mark('raw_path')} HTTP/9.9", f"{mark('raw_method')} / HTTP/1.1",
                     f"GET / HTTP/1.1\r\nHost: {mark('raw_host')}.example",
                     f"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://{mark('raw_origin')}.example"):
            http_api.exchange(self.daemon.address, line.encode() + b"\r\n\r\n")

    def command(self):
        """The command line client."""
        done = self.daemon.command("eval", f"raise ValueError('{self.mark('command')}')",
                                   server=f"unix://{self.daemon.socket}")
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
