# SPDX-License-Identifier: Apache-2.0
"""Web applications by the API: booting, asking, closing, and what becomes of those that fail."""

import base64
import unittest

from vivarium_testing import http_api, waiting
from vivarium_testing.web import BARE, WebCase

HELLO = """
from fastapi import FastAPI, BackgroundTasks
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel, Field
app = FastAPI()
seen = 0
@app.on_event("startup")
async def start():
    global seen
    seen = 1
@app.get("/hello/{name}")
async def hello(name: str, n: int = 1):
    global seen
    seen += 1
    return {"hello": name, "n": n, "seen": seen}
class Item(BaseModel):
    name: str
    price: float = Field(gt=0)
@app.post("/items", status_code=201)
def add(item: Item):
    return item
@app.get("/page", response_class=HTMLResponse)
async def page():
    return "<p>hi</p>"
@app.get("/numbers")
async def numbers():
    async def make():
        for i in range(3):
            yield f"{i};"
    return StreamingResponse(make())
@app.get("/fail")
async def fail():
    return {}["missing"]
@app.get("/keep")
async def keep():
    with open("kept", "a") as file:
        file.write("x")
    return open("kept").read()
"""
SLEEPS = BARE + """
async def on_sleep(scope, receive, send):
    await asyncio.sleep(1000)
async def on_block(scope, receive, send):
    while True: pass
async def on_die(scope, receive, send):
    import os
    os._exit(3)
async def on_late(scope, receive, send):
    await answer(send, body=b"early")
    told.append("later")
"""


def body_of(response):
    """Returns the body of a response of the API."""
    return base64.b64decode(response.get("body", ""))


class Apps(WebCase):
    """Booting, asking, closing."""

    def handle(self, app, path="/", method="GET", body=b"", **fields):
        """Asks by the API and returns response and verdict."""
        answer = self.client.call("AppService/Handle", {"app": app["id"], "request": {
            "method": method, "path": path, "body": base64.b64encode(body).decode(), **fields}})
        return answer["response"], answer.get("verdict")

    def test_an_application_is_booted_asked_and_closed(self):
        """State and files persist between requests; closed, it is gone and so is its session."""
        app = self.boot(HELLO, name="shop")
        self.assertEqual((app["state"], app["kind"], app["access"]),
                         ("APP_STATE_READY", "APP_KIND_ASGI", "APP_ACCESS_KEY"))
        for seen in (2, 3):
            response, verdict = self.handle(app, "/hello/world?n=5")
            self.assertEqual((response["status"], body_of(response)),
                             (200, b'{"hello":"world","n":5,"seen":%d}' % seen))
            self.assertGreater(int(verdict["usage"]["wallUs"]), 0)
        self.assertEqual(body_of(self.handle(app, "/keep")[0]), b'"x"')
        self.assertEqual(body_of(self.handle(app, "/keep")[0]), b'"xx"')
        told = self.client.call("AppService/GetApp", {"app": "shop"})["app"]
        self.assertEqual((told["id"], told["requests"]), (app["id"], "4"))
        self.assertEqual([one["id"] for one in self.client.call("AppService/ListApps")["apps"]],
                         [app["id"]])
        session = app["workers"][0]["sessionId"]
        self.apps.remove(app["id"])
        self.client.call("AppService/CloseApp", {"app": "shop"})
        self.refused("not_found", "AppService/Handle", {"app": "shop"})
        with self.assertRaises(http_api.ApiError):
            self.client.value("1", session=session)

    def test_routing_coercion_and_validation_are_those_of_the_application(self):
        """404, 405 and 422 come from FastAPI; no application at all is a kind of its own."""
        app = self.boot(HELLO)
        self.assertEqual(self.handle(app, "/nowhere")[0]["status"], 404)
        self.assertEqual(self.handle(app, "/hello/x", method="delete")[0]["status"], 405)
        self.assertEqual(self.handle(app, "/hello/x?n=many")[0]["status"], 422)
        json = [{"name": "Content-Type", "value": "application/json"}]
        good = self.handle(app, "/items", "post", b'{"name":"a","price":2}', headers=json)[0]
        self.assertEqual((good["status"], body_of(good)), (201, b'{"name":"a","price":2.0}'))
        bad = self.handle(app, "/items", "POST", b'{"name":"a","price":-2}', headers=json)[0]
        self.assertEqual(bad["status"], 422)
        self.assertIn(b"greater than 0", body_of(bad))
        page = self.handle(app, "/page")[0]
        self.assertIn({"name": "content-type", "value": "text/html; charset=utf-8"}, page["headers"])
        error = self.refused("not_found", "AppService/Handle", {"app": "nobody"})
        self.assertEqual(http_api.error_kind(error), 13)  # ERROR_KIND_ROUTE_NOT_FOUND

    def test_a_failing_handler_is_told_to_its_owner(self):
        """The caller gets a 500; verdict, application and metric have the failure."""
        app = self.boot(HELLO)
        response, verdict = self.handle(app, "/fail")
        self.assertEqual((response["status"], body_of(response)), (500, b"Internal Server Error"))
        self.assert_kind(verdict, "PYTHON")
        self.assertIn("KeyError: 'missing'", verdict["error"]["traceback"])
        self.assert_kept(verdict)
        told = self.client.call("AppService/GetApp", {"app": app["id"]})["app"]
        failure, = told["recentFailures"]
        self.assertEqual((told["failures"], failure["request"]), ("1", "GET /fail"))
        self.assertEqual(failure["error"]["type"], "KeyError")
        self.assertEqual(self.handle(app, "/hello/x")[0]["status"], 200)
        self.assertIn('vivarium_app_requests_total{outcome="failed",tenant="local"}',
                      self.client.request("GET", "/metrics")[2].decode())
        self.assertIn(f"application {app['id']} of tenant local failed to answer", self.daemon.log())

    def test_a_stream_is_given_in_chunks_or_in_one(self):
        """HandleStream gives them as they come, Handle puts them together."""
        app = self.boot(HELLO)
        self.assertEqual(body_of(self.handle(app, "/numbers")[0]), b"0;1;2;")
        head, *chunks, end = self.client.messages(
            "AppService/HandleStream", {"app": app["id"], "request": {"path": "/numbers"}})
        self.assertEqual(head["head"]["status"], 200)
        self.assertEqual(b"".join(base64.b64decode(c["chunk"]) for c in chunks), b"0;1;2;")
        self.assertNotIn("error", end["verdict"])
        head, chunk, end = self.client.messages(
            "AppService/HandleStream", {"app": app["id"], "request": {"path": "/hello/x"}})
        self.assertIn(b"hello", base64.b64decode(chunk["chunk"]))
        *_, end = self.client.messages(
            "AppService/HandleStream", {"app": app["id"], "request": {"path": "/fail"}})
        self.assertEqual(end["verdict"]["error"]["type"], "KeyError")

    def test_one_request_without_any_state(self):
        """Invoke boots, asks and forgets."""
        for _ in range(2):
            answer = self.client.call("AppService/Invoke", {
                "source": HELLO, "environment": "site", "request": {"path": "/hello/x"}})
            self.assertEqual(body_of(answer["response"]), b'{"hello":"x","n":1,"seen":2}')
        self.assertNotIn("apps", self.client.call("AppService/ListApps"))
        answer = self.client.call("AppService/Invoke", {"source": "app = 1"})
        self.assertEqual(answer["response"]["status"], 500)
        self.assertIn("ASGI 3", answer["verdict"]["error"]["message"])

    def test_what_cannot_be_booted_is_explained(self):
        """Source that fails carries its traceback, and nothing is left of it."""
        error = self.refused("failed_precondition", "AppService/BootApp", {"source": "def f():\n  1/0\nf()"})
        self.assertIn("division by zero", error.message)
        error = self.refused("failed_precondition", "AppService/BootApp", {"source": "x = 1"})
        self.assertIn("'app'", error.message)
        error = self.refused("failed_precondition", "AppService/BootApp", {
            "source": HELLO.replace("seen = 1", "raise OSError('no database')"),
            "newSession": {"environment": "site"}})
        self.assertIn("no database", error.message)
        error = self.refused("deadline_exceeded", "AppService/BootApp", {
            "bootTimeoutMs": "200", "source": "import asyncio\nasync def app(s, r, d): await asyncio.sleep(99)"})
        self.assertIn("200 ms", error.message)
        self.refused("invalid_argument", "AppService/BootApp", {})
        self.refused("invalid_argument", "AppService/BootApp", {"source": "x", "workers": 65})
        self.refused("invalid_argument", "AppService/BootApp", {"source": "x", "name": "No Name"})
        self.refused("not_found", "AppService/BootApp", {"source": "x", "session": "nobody"})
        self.bare(name="taken", host="taken")
        self.refused("already_exists", "AppService/BootApp", {"source": "x", "name": "taken"})
        self.refused("already_exists", "AppService/BootApp", {"source": "x", "host": "taken"})

    def test_an_application_in_a_session_that_is_there(self):
        """It is found in the session's files, and the session outlives it."""
        session = self.session()
        self.client.value("open('site_main.py', 'w').write(" + repr(BARE) + ")", session=session)
        app = self.boot("", module="site_main", session=session)
        self.assertEqual(body_of(self.handle(app)[0]), b"root")
        self.assertEqual(self.client.value("import site_main; site_main.told", session=session),
                         ["lifespan.startup"])
        self.apps.remove(app["id"])
        self.client.call("AppService/CloseApp", {"app": app["id"]})
        self.assertEqual(self.client.value("site_main.told", session=session),
                         ["lifespan.startup", "lifespan.shutdown"])

    def test_several_workers_share_the_work(self):
        """Each has the application; a request goes to one that has nothing to do."""
        app = self.bare("""
import os
gate = asyncio.Event()
async def on_wait(scope, receive, send):
    await gate.wait()
    await answer(send, body=token)
token = os.urandom(8).hex().encode()
async def on_open(scope, receive, send):
    gate.set()
    await answer(send, body=token)
""", workers=2)
        self.assertEqual(len({worker["sessionId"] for worker in app["workers"]}), 2)
        with self.daemon.client() as other:
            other.connection.request("GET", app["path"] + "wait")
            waiting.wait_for(lambda: any(w.get("inFlight") for w in self.client.call(
                "AppService/GetApp", {"app": app["id"]})["app"]["workers"]), "a busy worker")
            tokens = {self.ask(app, "/open")[2] for _ in range(4)}
            self.assertEqual(len(tokens), 1)  # Always the other one, whose gate this is.
            busy, = (w["sessionId"] for w in self.client.call(
                "AppService/GetApp", {"app": app["id"]})["app"]["workers"] if w.get("inFlight"))
            self.client.value("import app; app.gate.set(); app.token.hex()", session=busy)
            self.assertNotIn(other.connection.getresponse().read(), tokens)

    def test_a_session_that_ends_is_replaced(self):
        """Whoever had it is told; the application goes on in a new one."""
        app = self.bare(SLEEPS[len(BARE):])
        status, _, body = self.ask(app, "/die")
        self.assertEqual((status, body), (502, b'{"detail":"the application\'s session has ended"}'))
        waiting.wait_for(lambda: self.ask(app)[0] == 200, "the application again")

    def test_deadlines_are_those_of_the_application(self):
        """One that waits and one that blocks are stopped, and the application goes on."""
        app = self.bare(SLEEPS[len(BARE):], limits={"requestTimeoutMs": "300"})
        for path in ("/sleep", "/block"):
            status, _, body = self.ask(app, path)
            self.assertEqual(status, 504, body)
            self.assertIn(b"300 ms", body)
        self.assertEqual(self.ask(app)[2], b"root")
        app = self.bare(SLEEPS[len(BARE):], limits={"idleTimeoutMs": "300"})
        self.assertEqual(self.ask(app, "/sleep")[0], 504)

    def test_what_follows_a_response_goes_on(self):
        """Background work does not hold the response up."""
        app = self.bare(SLEEPS[len(BARE):])
        self.assertEqual(self.ask(app, "/late")[2], b"early")
        self.assertIn("later", self.client.value("import app; app.told", session=app["workers"][0]["sessionId"]))


if __name__ == "__main__":
    unittest.main()
