# SPDX-License-Identifier: Apache-2.0
"""The fixture of the tests of web applications: a daemon whose environment "site" has FastAPI loaded."""

import http.client
import socket

from . import case, waiting

ENVIRONMENT = """
[environments.site]
preload = ["asyncio", "fastapi", "anyio._backends._asyncio"]
"""
# A bare ASGI application whose paths do what the tests need.
BARE = '''
import asyncio
told = []
async def read(receive):
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message["body"]
        if not message["more_body"]:
            return body
async def answer(send, status=200, body=b"", headers=()):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            told.append(message["type"])
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    name = scope["path"].lstrip("/").partition("/")[0].replace("-", "_") or "root"
    await globals()["on_" + name](scope, receive, send)
async def on_root(scope, receive, send):
    await answer(send, body=b"root")
'''


class WebCase(case.DaemonCase):
    """Applications that end with their tests, and plain HTTP to them."""

    config = ENVIRONMENT

    def setUp(self):
        """Nothing was booted yet."""
        super().setUp()
        self.apps = []

    def tearDown(self):
        """Closes what was booted, before the look for what was left."""
        for app in self.apps:
            self.client.call("AppService/CloseApp", {"app": app})
        super().tearDown()

    def boot(self, source, environment="site", client=None, **fields):
        """Boots an application and returns it."""
        if "session" not in fields and "newSession" not in fields:
            fields["newSession"] = {"environment": environment}
        if "module" not in fields:
            fields["source"] = source
        booted = (client or self.client).call("AppService/BootApp", fields)["app"]
        if client is None:
            self.apps.append(booted["id"])
        return booted

    def bare(self, functions="", **fields):
        """Boots one of which the functions serve the paths of their names."""
        return self.boot(BARE + functions, environment="", **fields)

    def ask(self, app, path="/", method="GET", body=None, headers=None, client=None):
        """Returns status, headers and body of a request over HTTP."""
        return (client or self.client).request(method, app["path"].rstrip("/") + path, body, headers or {})

    def raw(self, request):
        """Returns a connection over which bytes were sent."""
        made = socket.create_connection(self.daemon.address, timeout=waiting.WATCHDOG)
        self.websockets.append(made)  # It closes with the test.
        made.sendall(request)
        return made

    def response(self, connection):
        """Reads one response from a raw connection."""
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer
