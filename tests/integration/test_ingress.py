# SPDX-License-Identifier: Apache-2.0
"""Web applications over plain HTTP: what they are told, what reaches the client, and what does not."""

import asyncio
import concurrent.futures
import http.client
import json
import select
import shutil
import subprocess
import unittest

import websockets

from vivarium_testing import http_api, waiting, ws
from vivarium_testing.tenants import TenantCase
from vivarium_testing.web import BARE, ENVIRONMENT, WebCase

ECHO = """
import json
async def on_scope(scope, receive, send):
    told = {k: v for k, v in scope.items() if k not in ("asgi", "headers", "state", "client")}
    told = {k: v.decode() if isinstance(v, bytes) else v for k, v in told.items()}
    told["headers"] = [(n.decode(), v.decode("latin-1")) for n, v in scope["headers"]]
    body = await read(receive)
    told["body"] = len(body)
    await answer(send, body=json.dumps(told).encode(), headers=[(b"content-type", b"application/json")])
async def on_cookies(scope, receive, send):
    await answer(send, headers=[(b"set-cookie", c.encode()) for c in (
        "a=1; Domain=localhost; Path=/; HttpOnly", "__Host-b=2; Path=/; Secure", "c=3", "=d=4")])
async def on_origin(scope, receive, send):
    await answer(send, headers=[(b"clear-site-data", b'"*"'), (b"service-worker-allowed", b"/"),
                                (b"x-own", b"1"), (b"strict-transport-security", b"max-age=1"),
                                (b"connection", b"close, x-own"), (b"transfer-encoding", b"chunked")])
async def on_status(scope, receive, send):
    await answer(send, status=int(scope["path"].split("/")[2]), body=b"body")
gates = {}
def gate(name):
    return gates.setdefault(name, asyncio.Event())
async def on_open(scope, receive, send):
    gate(scope["query_string"]).set()
    await answer(send)
async def on_chunks(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    told.append("one")
    await gate(b"chunks").wait()
    await send({"type": "http.response.body", "body": b"two"})
async def on_count(scope, receive, send):
    if scope["query_string"]:
        await gate(scope["query_string"]).wait()
    pieces = total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            told.append(f"gone after {total}")
            return
        pieces, total = pieces + 1, total + len(message["body"])
        if not message["more_body"]:
            break
    await answer(send, body=b"%d" % total)
async def on_endless(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    finally:
        told.append("closed")
async def on_quiet(scope, receive, send):
    await read(receive)
    told.append("waits")
    while (await receive())["type"] != "http.disconnect":
        pass
    told.append("disconnected")
async def on_told(scope, receive, send):
    await answer(send, body=json.dumps(told).encode())
async def on_socket(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept", "subprotocol": (scope["subprotocols"] or [None])[0],
                "headers": [(b"x-mine", b"1")]})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            told.append(f"left with {message['code']}")
            return
        if message.get("text") == "bye":
            return await send({"type": "websocket.close", "code": 4000, "reason": "bye"})
        await send({**message, "type": "websocket.send"})
"""
BAD = """
async def on_name(scope, receive, send):
    await answer(send, headers=[(b"bad name", b"x")])
async def on_value(scope, receive, send):
    await answer(send, headers=[(b"x", b"a\\r\\nSet-Cookie: b=1")])
async def on_length(scope, receive, send):
    await answer(send, body=b"abc", headers=[(b"content-length", b"2")])
async def on_nolength(scope, receive, send):
    await answer(send, headers=[(b"content-length", b"many")])
async def on_short(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
    await send({"type": "http.response.body", "body": b"abc", "more_body": True})
    await send({"type": "http.response.body", "body": b"abc"})
async def on_twice(scope, receive, send):
    await answer(send, body=b"first")
    await answer(send, body=b"second")
async def on_text(scope, receive, send):
    await answer(send, body="text")
async def on_status(scope, receive, send):
    await answer(send, status=103)
async def on_nothing(scope, receive, send):
    pass
async def on_half(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"abc", "more_body": True})
    raise ValueError("in the middle")
"""


class Ingress(WebCase):
    """Requests and responses of one application."""

    def told(self, app):
        """Returns what the application noted."""
        return json.loads(self.ask(app, "/told")[2])

    def test_the_application_is_told_what_was_asked(self):
        """Method, raw path and query, headers in order and with their duplicates."""
        app = self.bare(ECHO)
        target = app["path"] + "scope/a%20b%2Fc?x=%20&y=1&x=2"
        connection = self.raw((
            f"PATCH {target} HTTP/1.1\r\nHost: localhost:1234\r\nX-B: 1\r\nx-a: caf\xe9\r\nX-B: 2\r\n"
            "Cookie: a=1; b=2\r\nContent-Length: 3\r\n\r\nabc").encode("latin-1"))
        answer = self.response(connection)
        told = json.loads(answer.read())
        self.assertEqual((told["method"], told["path"], told["raw_path"], told["query_string"]),
                         ("PATCH", "/scope/a b/c", "/scope/a%20b%2Fc", "x=%20&y=1&x=2"))
        self.assertEqual((told["root_path"], told["scheme"], told["server"], told["http_version"]),
                         (app["path"].rstrip("/"), "http", ["localhost", 1234], "1.1"))
        name, number = told["headers"].pop()
        self.assertEqual((name, number), ("x-request-id", answer.headers["x-request-id"]))
        self.assertEqual(told["headers"], [
            ["host", "localhost:1234"], ["x-b", "1"], ["x-a", "caf\xe9"], ["x-b", "2"],
            ["cookie", "a=1; b=2"], ["content-length", "3"]])
        self.assertEqual(told["body"], 3)

    def test_every_method(self):
        """Also those that nobody has heard of."""
        app = self.bare(ECHO)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
            self.assertEqual(json.loads(self.ask(app, "/scope", method)[2])["method"], method)
        status, headers, body = self.ask(app, "/scope", "HEAD")
        self.assertEqual((status, body, headers["content-type"]), (200, b"", "application/json"))

    def test_statuses_without_a_body(self):
        """204, 205 and 304 have none, whatever the application says; others keep theirs."""
        app = self.bare(ECHO)
        for status in (204, 205, 304):
            told, headers, body = self.ask(app, f"/status/{status}")
            self.assertEqual((told, body), (status, b""))
        self.assertEqual(self.ask(app, "/status/418")[::2], (418, b"body"))
        self.assertEqual(self.ask(app, "/status/599")[::2], (599, b"body"))
        told = self.client.request("GET", "/metrics")[2].decode()
        self.assertIn('outcome="418"', told)
        self.assertNotIn('outcome="599"', told)  # What nobody has heard of is one series, not hundreds.

    def test_usage_comes_with_the_response(self):
        """And the id under which the rest can be asked for."""
        app = self.bare(ECHO)
        headers = self.ask(app)[1]
        self.assertRegex(headers["vivarium-usage"], r"wall_us=\d+, cpu_us=\d+, queued_us=\d+")
        verdict = self.client.wait(headers["vivarium-execution"])
        self.assertIn("usage", verdict)

    def test_the_first_chunk_leaves_before_the_second_is_made(self):
        """A streamed response is not gathered."""
        app = self.bare(ECHO)
        with self.daemon.client() as other:
            other.connection.request("GET", app["path"] + "chunks")
            answer = other.connection.getresponse()
            self.assertEqual(answer.read(3), b"one")
            self.assertEqual(self.told(app)[-1], "one")
            self.ask(app, "/open?chunks")
            self.assertEqual(answer.read(), b"two")

    def test_bodies_come_in_pieces(self):
        """Chunked, with a length, after 100-continue."""
        app = self.bare(ECHO)
        big = b"x" * 3_000_000
        self.assertEqual(self.ask(app, "/count", "POST", big)[2], b"3000000")
        self.assertEqual(self.ask(app, "/count", "POST", iter([b"ab", b"c" * 100_000]))[::2],
                         (200, b"100002"))
        if shutil.which("curl"):
            done = subprocess.run(
                ["curl", "-sS", "-T", "-", "-H", "Expect: 100-continue",
                 f"http://127.0.0.1:{self.daemon.port}{app['path']}count"],
                input=big, capture_output=True, check=True)
            self.assertEqual(done.stdout, b"3000000")

    def test_a_slow_application_slows_its_client(self):
        """What the application does not take stays with who sends it."""
        app = self.bare(ECHO)
        size = 64 << 20
        connection = self.raw(f"POST {app['path']}count?slow HTTP/1.1\r\nHost: localhost\r\n"
                              f"Content-Length: {size}\r\n\r\n".encode())
        connection.setblocking(False)
        sent = 0
        while sent < size and select.select([], [connection], [], 1)[1]:
            sent += connection.send(bytes(min(1 << 16, size - sent)))
        self.assertLess(sent, size // 2)
        self.ask(app, "/open?slow")
        connection.settimeout(waiting.WATCHDOG)
        while sent < size:
            sent += connection.send(bytes(min(1 << 16, size - sent)))
        self.assertEqual(self.response(connection).read(), b"%d" % size)

    def test_a_client_who_does_not_read_stops_the_application(self):
        """And one who goes ends it."""
        app = self.bare(ECHO)
        connection = self.raw(f"GET {app['path']}endless HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        connection.recv(1000)
        self.assertNotIn("closed", self.told(app))
        connection.close()
        waiting.wait_for(lambda: "closed" in self.told(app), "the end of the response")

    def test_a_client_who_goes_is_told_of(self):
        """While it uploads and while it waits."""
        app = self.bare(ECHO)
        upload = self.raw(f"POST {app['path']}count HTTP/1.1\r\nHost: localhost\r\n"
                          "Content-Length: 1000000\r\n\r\n".encode() + bytes(100_000))
        waiting.wait_for(lambda: self.client.call("AppService/GetApp", {"app": app["id"]})["app"]
                         ["workers"][0].get("inFlight"), "the request")
        upload.close()
        waiting.wait_for(lambda: any(t.startswith("gone after") for t in self.told(app)), "its end")
        waiter = self.raw(f"GET {app['path']}quiet HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        waiting.wait_for(lambda: "waits" in self.told(app), "the request")
        waiter.close()
        waiting.wait_for(lambda: "disconnected" in self.told(app), "its end")

    def test_bounds_of_requests(self):
        """Too large a body, told beforehand or not; too many at once."""
        app = self.bare(ECHO, limits={"bodyBytes": "1000", "concurrentRequests": 1})
        self.assertEqual(self.ask(app, "/count", "POST", bytes(1000))[2], b"1000")
        status, _, body = self.ask(app, "/count", "POST", bytes(1001))
        self.assertEqual(status, 413)
        self.assertIn(b"limits.body_bytes", body)
        status, _, body = self.ask(app, "/count", "POST", iter([bytes(600), bytes(600)]))
        self.assertEqual(status, 413)
        with self.daemon.client() as other:
            other.connection.request("GET", app["path"] + "quiet")
            waiting.wait_for(lambda: self.client.call("AppService/GetApp", {"app": app["id"]})["app"]
                             ["workers"][0].get("inFlight"), "the request")
            status, headers, body = self.ask(app)
            self.assertEqual((status, headers["retry-after"]), (503, "1"))
            self.assertIn(b"concurrent_requests", body)

    def test_a_named_application_has_its_own_bounds(self):
        """Also above what the API takes, and the refusal says whose they are."""
        app = self.bare(ECHO, name="shop", limits={"bodyBytes": str(40 << 20)})
        for path in (app["path"], "/apps/shop/"):
            for size, status in ((40 << 20, 100), ((40 << 20) + 1, 413)):
                connection = self.raw(f"POST {path}count HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n"
                                      "Expect: 100-continue\r\n\r\n".encode())
                line = connection.makefile("rb").readline()
                self.assertTrue(line.startswith(b"HTTP/1.1 %d " % status), (path, size, line))

    def test_a_websocket(self):
        """Messages both ways, a close from either side."""
        app = self.bare(ECHO)
        one = self.socket(app)
        one.send(b"hello")
        self.assertEqual(one.receive(), (ws.TEXT, b"hello"))
        one.send_frame(2, b"\xff" * 100_000)
        self.assertEqual(one.receive(), (2, b"\xff" * 100_000))
        one.send_frame(ws.PING, b"p")
        self.assertEqual(one.receive(), (ws.PONG, b"p"))
        one.send(b"bye")
        self.assertEqual(one.receive(), (ws.CLOSE, b"\x0f\xa0bye"))
        two = self.socket(app)
        two.send_frame(ws.CLOSE, b"\x03\xe9")
        self.assertEqual(two.receive()[0], ws.CLOSE)
        waiting.wait_for(lambda: "left with 1001" in self.told(app), "the end")
        three = self.socket(app)
        three.close()
        waiting.wait_for(lambda: "left with 1006" in self.told(app), "the end")
        self.assertEqual(self.ask(app, "/socket")[0], 500)  # It was not asked for a WebSocket.

    def test_a_websocket_of_a_client_that_is_not_ours(self):
        """With its extensions, subprotocols, pings and limits."""
        app = self.bare(ECHO)

        async def talk():
            async with websockets.connect(f"ws://127.0.0.1:{self.daemon.port}{app['path']}socket",
                                          subprotocols=["mine", "other"]) as one:
                self.assertEqual((one.subprotocol, one.response_headers["x-mine"]), ("mine", "1"))
                for message in ("text \u00e9", b"\x00\xff", "x" * 300_000):
                    await one.send(message)
                    self.assertEqual(await one.recv(), message)
                await (await one.ping())
                await one.send("bye")
                with self.assertRaises(websockets.ConnectionClosed) as caught:
                    await one.recv()
                self.assertEqual((caught.exception.rcvd.code, caught.exception.rcvd.reason), (4000, "bye"))
        asyncio.run(asyncio.wait_for(talk(), waiting.WATCHDOG))

    def test_a_handshake_has_no_body(self):
        """However it is told of: the application goes on as if nobody had asked."""
        app = self.bare(ECHO)
        for told, body in (("Transfer-Encoding: chunked", b"1\r\na\r\n0\r\n\r\n"), ("Content-Length: 2", b"ab")):
            connection = self.raw((
                f"GET {app['path']}socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                f"{told}\r\n\r\n").encode() + body)
            answer = self.response(connection)
            self.assertEqual((answer.status, json.loads(answer.read())),
                             (400, {"detail": "the handshake of a WebSocket has no body"}))
        self.assertEqual(self.told(app), ["lifespan.startup"])
        one = self.socket(app)
        one.send(b"hello")
        self.assertEqual(one.receive(), (ws.TEXT, b"hello"))

    def test_what_is_under_way_ends_with_the_application(self):
        """Also in a session that goes on."""
        session = self.client.create()
        app = self.bare(ECHO, session=session)
        self.apps.remove(app["id"])
        one = self.socket(app)
        one.send(b"hello")
        self.assertEqual(one.receive(), (ws.TEXT, b"hello"))
        waiter = self.raw(f"GET {app['path']}quiet HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        waiting.wait_for(lambda: "waits" in self.told(app), "the request")
        self.client.call("AppService/CloseApp", {"app": app["id"]})
        self.assertEqual(one.close_code(), 1001)
        self.assertEqual(self.response(waiter).status, 503)
        self.assertEqual(self.client.value("1 + 1", session), 2)
        self.client.call("SessionService/CloseSession", {"session": session})

    def test_what_would_be_a_websocket_has_the_time_of_a_request(self):
        """As long as nobody has accepted it."""
        app = self.bare(ECHO + """
async def on_never(scope, receive, send):
    await asyncio.Event().wait()
""", limits={"requestTimeoutMs": "500"})
        connection = self.raw((
            f"GET {app['path']}never HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n").encode())
        self.assertEqual(self.response(connection).status, 504)

    def socket(self, app):
        """Opens a WebSocket to the application."""
        self.websockets.append(ws.WebSocket(self.daemon.address, app["path"] + "socket", "mine"))
        return self.websockets[-1]

    def test_a_path_without_its_slash_leads_to_the_one_with_it(self):
        """So that relative links of a page are right."""
        self.bare(ECHO, name="shop")
        status, headers, _ = self.client.request("GET", "/apps/shop?x=1")
        self.assertEqual((status, headers["location"]), (308, "/apps/shop/?x=1"))
        self.assertEqual(self.client.request("GET", "/apps/shop/")[2], b"root")
        status, _, body = self.client.request("GET", "/apps/nobody/")
        self.assertEqual(status, 404)
        self.assertIn("ROUTE_NOT_FOUND", body.decode())

    def test_cookies_stay_within_the_path(self):
        """Not for other hosts and paths, and none that would hold for the whole origin."""
        app = self.bare(ECHO)
        cookies = self.ask(app, "/cookies")[1].get_all("set-cookie")
        path = app["path"]
        self.assertEqual(cookies, [f"a=1; HttpOnly; Path={path}", f"c=3; Path={path}"])

    def test_an_application_does_not_speak_for_the_origin(self):
        """Its pages are sandboxed, and the connection is not its business."""
        app = self.bare(ECHO)
        headers = self.ask(app, "/origin")[1]
        self.assertEqual(headers["x-own"], "1")
        for name in ("clear-site-data", "service-worker-allowed", "strict-transport-security",
                     "connection", "transfer-encoding"):
            self.assertNotIn(name, headers)
        self.assertIn("sandbox", headers["content-security-policy"])
        self.assertNotIn("allow-same-origin", headers["content-security-policy"])
        self.assertIn("sandbox", self.client.request("GET", app["path"])[1]["content-security-policy"])

    def test_a_host_of_its_own(self):
        """There it has all paths, its cookies but no others, and no sandbox."""
        self.bare(ECHO, host="shop")
        host = {"host": "shop.apps.localhost:1"}
        told = json.loads(self.client.request("POST", "/scope/vivarium.v1.X", b"", host)[2])
        self.assertEqual((told["root_path"], told["path"]), ("", "/scope/vivarium.v1.X"))
        cookies = self.client.request("GET", "/cookies", headers=host)[1].get_all("set-cookie")
        self.assertEqual(cookies, ["a=1; Path=/; HttpOnly", "__Host-b=2; Path=/; Secure", "c=3"])
        self.assertNotIn("content-security-policy", self.client.request("GET", "/", headers=host)[1])
        status, _, body = self.client.request("POST", "/vivarium.v1.SessionService/ListSessions", b"{}", host)
        self.assertEqual(status, 500)  # The application's, which knows no such path.
        status, _, body = self.client.request("GET", "/", headers={"host": "other.apps.localhost"})
        self.assertEqual(status, 404)

    def test_pages_of_others_may_not_ask(self):
        """Unless the application is for everybody."""
        own = self.bare(ECHO, host="shop")
        evil = {"origin": "http://evil.example"}
        self.assertEqual(self.ask(own, headers=evil)[0], 403)
        self.assertEqual(self.ask(own, headers={"origin": "null"})[0], 403)
        self.assertEqual(self.ask(own, headers={"sec-fetch-site": "cross-site"})[0], 403)
        host = {"host": "shop.apps.localhost:80"}
        self.assertEqual(self.client.request("GET", "/", headers={
            **host, "origin": "http://shop.apps.localhost:80"})[0], 200)
        self.assertEqual(self.client.request("GET", "/", headers={**host, **evil})[0], 403)
        public = self.bare(ECHO, access="APP_ACCESS_PUBLIC")
        self.assertEqual(self.ask(public, headers=evil)[0], 200)
        self.assertEqual(self.client.request("GET", public["path"], headers={"host": "evil.example"})[0], 403)

    def test_responses_that_are_none(self):
        """A typed answer for the caller, an explanation for the owner, and the next one is fine."""
        app = self.bare(BAD)
        for path, status in (("name", 502), ("value", 502), ("length", 502), ("nolength", 502),
                             ("status", 502), ("text", 500), ("nothing", 500)):
            told, headers, body = self.ask(app, f"/{path}")
            self.assertEqual(told, status, (path, body))
            self.assertNotIn("set-cookie", headers)
        self.assertEqual(self.ask(app, "/twice")[::2], (200, b"first"))
        for path in ("half", "short"):
            connection = self.raw(f"GET {app['path']}{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            with self.assertRaises(http.client.HTTPException):
                self.response(connection).read()
        told = self.client.call("AppService/GetApp", {"app": app["id"]})["app"]["recentFailures"]
        messages = " ".join(one["error"]["message"] for one in told)
        for part in ("no header can have", "end its line", "Content-Length", "already completed",
                     "bytes, not str", "without starting response", "in the middle", "shorter than"):
            self.assertIn(part, messages)
        self.assertEqual(self.ask(app)[2], b"root")

    def test_requests_of_many_clients(self):
        """Every one gets its own answer."""
        app = self.bare(ECHO)

        def one(number):
            with self.daemon.client() as client:
                return all(
                    json.loads(client.request("GET", f"{app['path']}scope/{number}/{i}")[2])["path"]
                    == f"/scope/{number}/{i}" for i in range(20))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertTrue(all(pool.map(one, range(16))))


class Keys(TenantCase):
    """Who may ask, where keys are asked for."""

    more_config = ENVIRONMENT

    def tearDown(self):
        """Closes applications before the look for what was left."""
        for tenant in self.tenants:
            for app in self.of[tenant].call("AppService/ListApps").get("apps", ()):
                self.of[tenant].call("AppService/CloseApp", {"app": app["id"]})
        super().tearDown()

    def boot_for(self, tenant, **fields):
        """Boots an application of a tenant, which ends with the test."""
        return self.of[tenant].call("AppService/BootApp", {"source": BARE + ECHO, **fields})["app"]

    def test_a_key_of_its_tenant_is_needed(self):
        """Another tenant's key is as good as a wrong path; the key does not reach the application."""
        app = self.boot_for("a", name="shop")
        path = app["path"] + "scope"
        told = json.loads(self.of["a"].request("GET", path)[2])
        self.assertNotIn("authorization", dict(told["headers"]))
        self.assertEqual(self.of["b"].request("GET", path)[0], 404)
        with self.daemon.client("") as stranger:
            stranger.headers = {}
            status, headers, _ = stranger.request("GET", path)
            self.assertEqual((status, headers["www-authenticate"]), (401, "Bearer"))
        self.assertEqual(self.of["a"].request("GET", "/apps/shop/")[0], 200)
        self.assertEqual(self.of["b"].request("GET", "/apps/shop/")[0], 404)
        self.assertEqual(self.of["a"].request("GET", path, headers={"origin": "http://x.example"})[0], 200)

    def test_what_is_public_needs_none(self):
        """By its id or its host; names are a tenant's own."""
        app = self.boot_for("a", name="open", host="open", access="APP_ACCESS_PUBLIC")
        with self.daemon.client("") as stranger:
            stranger.headers = {}
            own = {"authorization": "Bearer of-the-application"}
            told = json.loads(stranger.request("GET", app["path"] + "scope", headers=own)[2])
            self.assertIn(["authorization", "Bearer of-the-application"], told["headers"])
            self.assertEqual(stranger.request("GET", "/", headers={"host": "open.apps.localhost"})[0], 200)
            self.assertEqual(stranger.request("GET", "/apps/open/")[0], 401)
        self.assertEqual(self.of["b"].request("GET", app["path"])[0], 200)

    def test_nobody_claims_the_host_of_anothers_id(self):
        """What looks like one is no label, and leads to the application that has the id."""
        app = self.boot_for("a", access="APP_ACCESS_PUBLIC")
        label = app["id"].replace("_", "-")
        with self.assertRaises(http_api.ApiError) as caught:
            self.boot_for("b", access="APP_ACCESS_PUBLIC", host=label)
        self.assertEqual(caught.exception.code, "invalid_argument")
        self.assertIn("host", caught.exception.message)
        self.assertEqual(self.of["b"].request("GET", "/", headers={"host": f"{label}.apps.localhost"})[2], b"root")

    def test_names_are_those_of_a_tenant(self):
        """Two tenants may have the same; neither sees the other's."""
        self.boot_for("a", name="shop")
        self.boot_for("b", name="shop")
        mine = self.of["a"].call("AppService/GetApp", {"app": "shop"})["app"]
        theirs = self.of["b"].call("AppService/GetApp", {"app": "shop"})["app"]
        self.assertNotEqual(mine["id"], theirs["id"])
        with self.assertRaises(http_api.ApiError) as caught:
            self.of["b"].call("AppService/Handle", {"app": mine["id"]})
        self.assertEqual(caught.exception.code, "not_found")


if __name__ == "__main__":
    unittest.main()
