# SPDX-License-Identifier: Apache-2.0
"""One FastAPI application behind the daemon and behind uvicorn: the same answers, byte for byte, where
headers are the application's."""

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import unittest

from vivarium_testing import waiting
from vivarium_testing.web import WebCase

SOURCE = '''
import enum
from typing import Optional, List
from fastapi import (APIRouter, BackgroundTasks, Body, Cookie, Depends, FastAPI, Header, HTTPException, Path, Query,
                     Request, Response, WebSocket)
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import (HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse)
from pydantic import BaseModel, Field

app = FastAPI(title="Same")
app.add_middleware(CORSMiddleware, allow_origins=["https://example.org"], allow_methods=["*"])
app.add_middleware(GZipMiddleware, minimum_size=2000)

@app.middleware("http")
async def stamp(request: Request, call_next):
    response = await call_next(request)
    response.headers["x-stamp"] = "1"
    return response

class Color(str, enum.Enum):
    red = "red"
    blue = "blue"

class Part(BaseModel):
    name: str = Field(..., max_length=5)
    count: int = 1

class Item(BaseModel):
    name: str
    price: float = Field(..., gt=0)
    parts: List[Part] = []
    note: Optional[str] = None

@app.get("/items/{id}")
async def item(id: int = Path(..., ge=1), q: Optional[str] = Query(None, min_length=2), flag: bool = False):
    return {"id": id, "q": q, "flag": flag}

@app.get("/colors/{color}")
def color(color: Color):
    return color

@app.get("/files/{path:path}")
async def files(path: str):
    return path

@app.get("/many")
async def many(x: List[int] = Query([])):
    return sum(x)

@app.post("/items", response_model=Item, response_model_exclude_unset=True, status_code=201)
def add(item: Item, twice: bool = Body(False)):
    return item

@app.get("/headers")
async def headers(x_token: str = Header(...), session: Optional[str] = Cookie(None)):
    return {"token": x_token, "session": session}

@app.get("/cookie")
async def cookie(response: Response):
    response.set_cookie("a", "b", httponly=True)
    response.headers["x-more"] = "1"
    response.status_code = 202
    return None

@app.get("/teapot")
async def teapot():
    raise HTTPException(418, {"why": "tea"}, headers={"x-error": "1"})

class Odd(Exception):
    pass

@app.exception_handler(Odd)
async def odd(request, error):
    return JSONResponse({"odd": str(error)}, 409)

@app.get("/odd")
def raise_odd():
    raise Odd("numbers")

log = []
async def opened():
    log.append("open")
    try:
        yield len(log)
    finally:
        log.append("close")

@app.get("/depends")
async def depends(n: int = Depends(opened)):
    return n

@app.get("/log")
async def show():
    return log

@app.get("/later")
def later(tasks: BackgroundTasks):
    tasks.add_task(log.append, "later")
    return "now"

@app.get("/html", response_class=HTMLResponse)
async def html():
    return "<p>\\u00e9</p>"

@app.get("/text", response_class=PlainTextResponse)
def text():
    return "text"

@app.get("/redirect")
async def redirect():
    return RedirectResponse("/items/1")

@app.get("/stream")
async def stream():
    async def parts():
        for i in range(5):
            yield f"{i}\\n"
    return StreamingResponse(parts(), media_type="text/plain")

@app.get("/sync-stream")
def sync_stream():
    return StreamingResponse((b"%d" % i for i in range(5)))

@app.get("/big")
async def big():
    return "x" * 5000

@app.get("/fail")
async def fail():
    raise ValueError("secret")

@app.post("/echo")
async def echo(request: Request):
    return Response(await request.body(), media_type=request.headers.get("content-type"))

@app.put("/pieces")
async def pieces(request: Request):
    total = 0
    async for piece in request.stream():
        total += len(piece)
    return total

@app.delete("/items/{id}", status_code=204)
async def delete(id: int):
    return Response(status_code=204)

router = APIRouter(prefix="/routed", tags=["r"])
@router.get("/{x}")
async def routed(x: float, request: Request):
    return {"x": x, "url": str(request.url), "base": str(request.base_url)}
app.include_router(router)

sub = FastAPI()
@sub.get("/in")
async def inner(request: Request):
    return [request.scope["root_path"], request.scope["path"]]
app.mount("/sub", sub)
'''
JSON = {"content-type": "application/json"}
REQUESTS = [
    ("GET", "/items/5?q=ab&flag=yes"), ("GET", "/items/0"), ("GET", "/items/x?q=a&flag=7"), ("HEAD", "/items/5"),
    ("GET", "/colors/red"), ("GET", "/colors/green"), ("GET", "/files/a/b%20c/d%2Fe"), ("GET", "/many?x=1&x=2"),
    ("POST", "/items", b'{"item": {"name": "a", "price": 2, "parts": [{"name": "p"}]}}', JSON),
    ("POST", "/items", b'{"item": {"name": "a", "price": 0, "parts": [{"name": "toolong"}, 1]}}', JSON),
    ("POST", "/items", b'{"item": {', JSON), ("POST", "/items", b"", JSON), ("POST", "/items", b"x=1"),
    ("GET", "/headers", None, {"x-token": "t", "cookie": "session=s; other=1"}), ("GET", "/headers"),
    ("GET", "/cookie"), ("GET", "/teapot"), ("GET", "/odd"), ("GET", "/depends"), ("GET", "/log"),
    ("GET", "/later"), ("GET", "/log"), ("GET", "/html"), ("GET", "/text"), ("GET", "/redirect"),
    ("GET", "/stream"), ("GET", "/sync-stream"), ("GET", "/big", None, {"accept-encoding": "gzip"}),
    ("GET", "/fail"), ("POST", "/echo", bytes(range(256)), {"content-type": "application/x-own"}),
    ("PUT", "/pieces", b"x" * 300_000), ("DELETE", "/items/5"), ("PATCH", "/items/5"), ("GET", "/routed/1.5?a=b"),
    ("GET", "/routed/"), ("GET", "/sub/in"), ("GET", "/sub/out"), ("GET", "/nowhere"), ("GET", "/openapi.json"),
    ("GET", "/docs"), ("OPTIONS", "/items", None, {"origin": "https://example.org",
                                                   "access-control-request-method": "POST"}),
    ("GET", "/items/5", None, {"origin": "https://example.org"}), ("OPTIONS", "/items/5"),
]
# Of the server, not of the application.
SERVERS = {"date", "server", "connection", "transfer-encoding", "x-request-id", "vivarium-usage",
           "vivarium-execution"}


class Uvicorn:
    """A uvicorn of its own that serves SOURCE."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="vivarium-test-")
        with open(f"{self.folder.name}/same.py", "w", encoding="utf-8") as file:
            file.write(SOURCE)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-m", "uvicorn", "--fd", str(listener.fileno()), "--no-access-log", "same:app"],
            cwd=self.folder.name, pass_fds=(listener.fileno(),), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": self.folder.name})
        listener.close()

    def stop(self):
        """Ends it."""
        self.process.terminate()
        self.process.wait(waiting.WATCHDOG)
        self.folder.cleanup()


class Same(WebCase):
    """Both servers, asked the same."""

    @classmethod
    def setUpClass(cls):
        """Starts uvicorn beside the daemon."""
        super().setUpClass()
        cls.uvicorn = Uvicorn()
        cls.addClassCleanup(cls.uvicorn.stop)

    def answer(self, port, method, target, body=None, headers=None):
        """Returns status, the application's headers and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=waiting.WATCHDOG)
        try:
            connection.request(method, target, body, {"host": "same.apps.localhost", **(headers or {})})
            answer = connection.getresponse()
            body = answer.read()
            kept = [(name.lower(), value) for name, value in answer.getheaders() if name.lower() not in SERVERS]
            return answer.status, kept, body
        finally:
            connection.close()

    def test_the_same_answers(self):
        """FastAPI's documented behaviours, each by both ways in."""
        self.boot(SOURCE, name="same", host="same", access="APP_ACCESS_PUBLIC")
        for request in REQUESTS:
            with self.subTest(request[:2]):
                ours = self.answer(self.daemon.port, *request)
                theirs = self.answer(self.uvicorn.port, *request)
                self.assertEqual(ours[0], theirs[0], ours)
                self.assertEqual(ours[2], theirs[2])
                # A whole body has a length here; there it may have come in chunks.
                self.assertEqual(*([h for h in one[1] if h[0] != "content-length"] for one in (ours, theirs)))
                lengths = [dict(one[1]).get("content-length", str(len(ours[2]))) for one in (ours, theirs)]
                self.assertEqual(*lengths)


if __name__ == "__main__":
    unittest.main()
