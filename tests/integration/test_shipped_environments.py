# SPDX-License-Identifier: Apache-2.0
"""The environments that come with the daemon, what can be imported without any setup, and the examples
that use them."""

import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest

from vivarium_testing import daemon as daemons, waiting
from vivarium_testing.case import DaemonCase

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")
# What Python that a model writes takes for granted.
STANDARD = ("base64 collections csv datetime functools hashlib hmac html io itertools json math os random re "
            "secrets sqlite3 string sys time unittest urllib.parse uuid").split()
PACKAGES = "fastapi pydantic jinja2 markdown requests boto3 multipart httpx starlette".split()
APP = """
import time
begun = time.perf_counter()
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel
app = FastAPI()
class Item(BaseModel):
    name: str
    price: float
@app.get("/hello/{name}")
async def hello(name: str, times: int = 1):
    return {"message": f"hello {name}" * times}
@app.post("/items")
def create(item: Item):
    return item
app.openapi_schema
"""
CALL = """
async def request(method, path, body=b""):
    sent = []
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}
    async def send(message):
        sent.append(message)
    await app({"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
               "headers": [(b"content-type", b"application/json")], "http_version": "1.1", "scheme": "http",
               "server": ("x", 80), "client": ("x", 1), "root_path": "", "asgi": {"version": "3.0"}},
              receive, send)
    return [sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:]).decode()]
[await request("GET", "/hello/you"), await request("POST", "/items", b'{"name": "x", "price": "a"}')]
"""


class Shipped(DaemonCase):
    """`default`, `web` and `data`, without a word of configuration."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Their pools start on first use: before anybody takes stock.
        with cls.daemon.client() as client:
            for name in ("web", "data"):
                client.value("1", environment=name)

    def test_batteries(self):
        """All of it can be imported in `web`; what is plain Python in `default` as well."""
        source = "import importlib\n[importlib.import_module(name).__name__ for name in names]"
        for environment, names in (("default", STANDARD), ("web", STANDARD + PACKAGES),
                                   ("data", STANDARD + ["numpy", "pandas", "matplotlib.pyplot"])):
            with self.subTest(environment):
                self.assertEqual(self.client.value(source, environment=environment,
                                                   jsonVariables={"names": names}), names)

    def test_an_app(self):
        """A FastAPI app works; what it imports was imported long ago, by a zygote with one thread."""
        session = self.session(environment="web")
        self.assertEqual(self.client.value(
            "import sys, threading\n"
            "[[name for name in ('fastapi', 'pydantic', 'jinja2', 'anyio._backends._asyncio', 'markdown')\n"
            "  if name not in sys.modules], threading.active_count()]", session), [[], 1])
        self.client.value(APP + "0", session)
        hello, refused = self.client.value(CALL, session)
        self.assertEqual(hello, [200, '{"message":"hello you"}'])
        self.assertEqual(refused[0], 422)
        self.assertIn("value is not a valid float", refused[1])

    def test_uuid7(self):
        """In the order in which they are made, and nobody's twice, although all workers are forks."""
        source = ("import uuid\nmade = [uuid.uuid7() for _ in range(500)]\n"
                  "[made == sorted(made), len(set(made)), made[0].version, made[0].variant == uuid.RFC_4122,\n"
                  " str(made[0]), abs((made[0].int >> 80) / 1000 - __import__('time').time()) < 3600]")
        told = [self.client.value(source, self.session()) for _ in range(3)]
        for one in told:
            self.assertEqual(one[:4] + one[5:], [True, 500, 7, True, True])
        self.assertEqual(len({one[4] for one in told}), 3)

    def test_markdown_without_the_package(self):
        """A small one takes its place; the real one comes first."""
        told = self.client.value("import markdown\n[markdown.markdown('# *a*'), 'shims' in markdown.__file__]",
                                 environment="web")
        self.assertEqual(told, ["<h1><em>a</em></h1>", False])
        told = self.client.value(
            "import sys\nsys.path[:] = [p for p in sys.path if 'dist-packages' not in p]\n"
            "import markdown\n[markdown.markdown(text), 'shims' in markdown.__file__]",
            jsonVariables={"text": "# A & B\n\nsome **text**, `a < b` and a [link](https://x.org/)\n\n"
                                   "- one\n- two\n\n```python\nif a < b: pass\n```\n> said\n"})
        self.assertEqual(told, [
            "<h1>A &amp; B</h1>\n<p>some <strong>text</strong>, <code>a &lt; b</code> and a "
            '<a href="https://x.org/">link</a></p>\n<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n'
            '<pre><code class="language-python">if a &lt; b: pass\n</code></pre>\n'
            "<blockquote>\n<p>said</p>\n</blockquote>", True])

    def example(self, name):
        """Runs an example; returns what it said and the pictures that it saved."""
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, f"{EXAMPLES}/{name}.py", folder], capture_output=True,
                                  text=True, timeout=waiting.WATCHDOG, check=False,
                                  env={**daemons.command_environment(folder), "VIVARIUM_URL": self.daemon.url})
            self.assertEqual(done.returncode, 0, done.stderr)
            pictures = {}
            for file in os.listdir(folder):
                if file.endswith(".png"):
                    with open(f"{folder}/{file}", "rb") as content:
                        pictures[file] = content.read()
        return done.stdout, pictures

    def assert_about(self, picture, width, height):
        """A PNG of a figure of that size, whose empty margin has been cut off."""
        self.assertEqual(picture[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(picture[12:16], b"IHDR")
        wide, high = struct.unpack(">II", picture[16:24])
        self.assertTrue(0.8 * width < wide <= width and 0.8 * height < high <= height, (wide, high))

    def test_the_code_interpreter(self):
        """It meets an error, corrects its code, and draws."""
        said, pictures = self.example("code_interpreter")
        self.assertIn("AttributeError: 'DataFrame' object has no attribute 'unit_price'", said)
        self.assertRegex(said, r"tool: product\npot +31\.0\n")
        self.assertTrue(re.search(r"'(mug|tea)'", said))
        for picture in pictures.values():
            self.assert_about(picture, 640, 480)
        self.assertEqual(len(pictures), 1)

    def test_the_report(self):
        """A picture of the right size, and the same numbers whenever it is made."""
        first, pictures = self.example("report")
        self.assertIn("wrote report.md", first)
        self.assert_about(pictures["visits.png"], 800, 400)
        self.assertEqual(self.example("report")[1], pictures)


class Missing(unittest.TestCase):
    """An environment whose packages are not there."""

    def test_it_is_told(self):
        """To who wants a session, and by /readyz, which is about the others; it names what to install."""
        config = '[environments.web]\npreload = ["fastapi", "no_such_package"]\n'
        with daemons.Daemon(config) as running, running.client() as client:
            verdict = None
            try:
                client.create(environment="web")
            except Exception as error:
                verdict = error
            self.assertIn("no_such_package", str(verdict))
            self.assertIn("python3-fastapi", str(verdict))
            status, _, body = client.request("GET", "/readyz")
            self.assertEqual(status, 200)
            self.assertIn(b"no_such_package", body)


if __name__ == "__main__":
    unittest.main()
