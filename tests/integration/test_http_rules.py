# SPDX-License-Identifier: Apache-2.0
"""HTTP rules: what code may ask of web servers, with clients that know nothing of it, over HTTP and TLS."""

import base64
import hashlib
import http.server
import json
import shutil
import socket
import ssl
import tempfile
import threading
import unittest

from vivarium_testing import servers, waiting
from vivarium_testing.egress import EgressCase, policy

SECRET = "Bearer s3cret-of-the-application"


class _Upstream(http.server.BaseHTTPRequestHandler):
    """Tells what it was asked; some paths do other things."""

    protocol_version = "HTTP/1.1"
    kept = False  # The connection has carried an answer.

    def answer(self):
        """One request of any method."""
        body = self.body()
        self.server.seen.append((self.command, self.path, dict(self.headers.items()), body))
        path = self.path.partition("?")[0]
        if path == "/v1/away":
            return self.plain(302, b"", Location="/admin")
        if path == "/v1/echoes":
            return self.plain(200, b"", **{"X-Echo": self.headers.get("Authorization", "")})
        if path == "/v1/chunks":
            return self.chunks(int(self.path.partition("?")[2]))
        if path == "/v1/until-end":
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end")
            return None
        if path == "/v1/raw":
            self.close_connection = True
            self.wfile.write(base64.b64decode(self.path.partition("?")[2]))
            return None
        if path == "/v1/trickle":
            return self.trickle()
        if path == "/v1/drops" and self.kept:
            self.close_connection = True
            return None
        self.kept = True
        if path == "/v1/hang":
            self.server.released.wait(waiting.WATCHDOG)
        return self.plain(200, json.dumps({
            "method": self.command, "path": self.path, "size": len(body),
            "sha": hashlib.sha256(body).hexdigest(),
            "headers": sorted(k.lower() for k in self.headers.keys())}).encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer

    def body(self):
        """Reads the request's body, in either form."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            out = b""
            while size := int(self.rfile.readline().strip(), 16):
                out += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return out
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def plain(self, status, body, **headers):
        """An answer with a length."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunks(self, count):
        """An answer in pieces; each waits until the reader has room."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        piece = b"x" * 65_536
        for n in range(count):
            self.server.written = n
            try:
                self.wfile.write(b"10000\r\n" + piece + b"\r\n")
            except OSError:
                return
        self.wfile.write(b"0\r\n\r\n")

    def trickle(self):
        """A head that comes byte by byte and never ends."""
        self.close_connection = True
        self.server.trickling.release()
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not self.server.ending.wait(0.05):
                self.wfile.write(b"x")
        except OSError:
            self.server.hung_up.release()

    def log_message(self, *_):
        """Says nothing."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that goes is no trouble."""


class Upstream:
    """A web server, with TLS for a name when one is given."""

    def __init__(self, tls_name=None):
        """Serves in threads."""
        self.folder = tempfile.mkdtemp(prefix="vivarium-up-")
        self.server = _Server(("127.0.0.1", 0), _Upstream)
        self.server.daemon_threads = True
        self.server.seen, self.server.written = [], 0
        self.server.released = threading.Event()
        self.server.ending = threading.Event()
        self.server.trickling, self.server.hung_up = threading.Semaphore(0), threading.Semaphore(0)
        self.port = self.server.server_address[1]
        self.certificate = f"{self.folder}/cert.pem"
        if tls_name:
            servers.make_certificate(tls_name, f"{self.folder}/key.pem", self.certificate)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, f"{self.folder}/key.pem")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def seen(self):
        """The requests so far: method, path, headers, body."""
        return self.server.seen

    def close(self):
        """Ends it."""
        self.server.released.set()
        self.server.ending.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(waiting.WATCHDOG)
        shutil.rmtree(self.folder)


class Rules(EgressCase):
    """One server for HTTP, one for TLS, one for TLS that nobody has signed for."""

    watched = False  # Connections to servers are kept for a while.

    @classmethod
    def setUpClass(cls):
        """Starts the servers."""
        cls.web = cls.serve(Upstream())
        cls.secure = cls.serve(Upstream("secure.test"))
        cls.stranger = cls.serve(Upstream("stranger.test"))
        cls.echo = cls.serve(servers.Echo())
        names = {"web.test": cls.web, "secure.test": cls.secure, "stranger.test": cls.stranger,
                 "echo.test": cls.echo}
        cls.config = policy("web", [f"{name}:{one.port}" for name, one in names.items()], names,
                            'allow_private = ["127.0.0.0/8"]\n'
                            f'http_timeout = "{waiting.scaled(3)}s"\n'
                            f'http_ca = "{cls.secure.certificate}"\nconnections = 5000\n')
        # Here nothing but the session's own end can end a request.
        cls.config += policy("patient", [f"web.test:{cls.web.port}"], ["web.test"],
                             'allow_private = ["127.0.0.0/8"]\nhttp_timeout = "1h"\n')
        cls.config += policy("both", [f"web.test:{cls.web.port}", "127.0.0.0/8:*"], ["web.test"],
                             'allow_private = ["127.0.0.0/8"]\n')
        cls.config += policy("public", [f"web.test:{cls.web.port}"], ["web.test"], "")
        super().setUpClass()
        cls.http = f"http://web.test:{cls.web.port}"
        cls.https = f"https://secure.test:{cls.secure.port}"

    def setUp(self):
        """Forgets what came before."""
        super().setUp()
        for one in (self.web, self.secure, self.stranger):
            one.seen.clear()

    def ruled(self, *rules, egress="web", **fields):
        """Returns a session with rules, each a prefix or a dict."""
        rules = [{"allowedUrlPrefix": one} if isinstance(one, str) else one for one in rules]
        return self.session(egress=egress, capabilities={"httpRules": rules}, **fields)

    def raw(self, session, request, host="web.test", port=None):
        """Sends bytes to the server and returns all that comes back."""
        return self.client.value(
            f"import socket\nwith socket.create_connection(({host!r}, {port or self.web.port})) as s:\n"
            f"  s.settimeout(10)\n  s.sendall({request!r})\n  out = b''\n"
            "  while True:\n    part = s.recv(65536)\n    if not part: break\n    out += part\n"
            "out.decode('latin-1')", session, timeoutMs="20000")

    def test_urllib_and_requests(self):
        """Over HTTP and over TLS, unmodified, with the headers of the rule."""
        for base, server in ((self.http, self.web), (self.https, self.secure)):
            session = self.ruled({"allowedUrlPrefix": f"{base}/v1",
                                  "headers": {"Authorization": SECRET, "X-Key": "k"}})
            out = self.client.value(
                "import json, requests, urllib.request\n"
                f"base = {base!r}\n"
                "a = json.load(urllib.request.urlopen(base + '/v1/a?x=1'))\n"
                "with requests.Session() as s:\n"
                "  b = [s.get(base + f'/v1/{n}', headers={'authorization': 'mine'}).json() for n in range(3)]\n"
                "  c = s.head(base + '/v1/h')\n"
                "[a['path'], [one['path'] for one in b], c.status_code, len(c.content),\n"
                " int(c.headers['content-length']) > 0]", session)
            self.assertEqual(out, ["/v1/a?x=1", ["/v1/0", "/v1/1", "/v1/2"], 200, 0, True])
            for _, _, headers, _ in server.seen:
                self.assertEqual(headers.get("Authorization"), SECRET)
                self.assertEqual(headers.get("X-Key"), "k")
                self.assertEqual(headers.get("Host"), base.partition("//")[2])

    def test_refusals_teach(self):
        """Methods and prefixes: a 403 that says what is allowed and which option says so."""
        session = self.ruled(f"{self.http}/v1", f"{self.https}/v1")
        for base in (self.http, self.https):
            self.assertEqual(self.client.value(
                "import requests\n"
                f"r = requests.post('{base}/v1/x', data='y')\n"
                f"q = requests.get('{base}/admin')\n"
                "[r.status_code, 'HTTP method POST is not allowed. Allowed methods: GET, HEAD' in r.text,\n"
                " 'capabilities.http_rules' in r.text, q.status_code, 'Allowed prefixes: ' in q.text,\n"
                f" '{base}/v1' in q.text]", session), [403, True, True, 403, True, True])
        error = self.client.eval(f"requests.delete('{self.http}/v1/x').raise_for_status()", session)["error"]
        self.assertIn("HTTP method DELETE is not allowed. Allowed methods: GET, HEAD", error["message"])
        error = self.client.eval(f"import urllib.request\nurllib.request.urlopen('{self.http}/v2')",
                                 session)["error"]
        self.assertIn("Allowed prefixes", error["message"])
        self.assertEqual(self.web.seen + self.secure.seen, [])

    def test_tricks_with_urls(self):
        """Nothing that a server could read as another path gets there."""
        session = self.ruled({"allowedUrlPrefix": f"{self.http}/v1", "methods": ["ALL"]})
        for target in ("/v1/../admin", "/v1/%2e%2e/admin", "/v1/..%2fadmin", "/v1\\..\\admin",
                       "/v1/%252e%252e/admin", "//v1/x", "/v1//../admin", "/v1/..;x/admin", "/v1/admin;x",
                       "/v1/admin%3bx", "/v1/..%c0%afadmin", "/v1/admin.", "/v1/admin%20", "/v12",
                       "http://web.test/v1/x", "/v1/%00", "*", "web.test:443"):
            with self.subTest(target):
                answer = self.raw(session, (f"GET {target} HTTP/1.1\r\nHost: web.test:{self.web.port}\r\n"
                                            "Connection: close\r\n\r\n").encode())
                self.assertRegex(answer, r"^HTTP/1\.1 40[03] ")
        self.assertEqual(self.web.seen, [])

    def test_smuggling(self):
        """A request is one request, whatever its framing says."""
        session = self.ruled({"allowedUrlPrefix": f"{self.http}/v1", "methods": ["ALL"],
                              "headers": {"Authorization": SECRET}})
        host = f"Host: web.test:{self.web.port}\r\n"
        second = f"GET /admin HTTP/1.1\r\n{host}\r\n"
        for fields, body in (
                ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", f"0\r\n\r\n{second}"),
                ("Transfer-Encoding: chunked, identity\r\n", f"0\r\n\r\n{second}"),
                ("Transfer-Encoding: xchunked\r\n", f"0\r\n\r\n{second}"),
                ("Content-Length: 0\r\nContent-Length: 5\r\n", f"hello{second}"),
                ("Content-Length: +5\r\n", "hello"), (f"{host}", ""),
                ("Transfer-Encoding: chunked\r\n", "zz\r\n"), ("A: b\rC: d\r\n", ""),
                ("Upgrade: websocket\r\nConnection: upgrade\r\n", "")):
            with self.subTest(fields):
                answer = self.raw(session, f"POST /v1/x HTTP/1.1\r\n{host}{fields}\r\n{body}".encode())
                self.assertNotIn("HTTP/1.1 200", answer)
                self.assertNotIn("s3cret", answer)
        self.assertEqual([path for _, path, _, _ in self.web.seen if path != "/v1/x"], [])
        answer = self.raw(session, (f"GET /v1/x HTTP/1.1\r\n{host}Connection: close\r\nX: "
                                    + "y" * 100_000 + "\r\n\r\n").encode())
        self.assertIn("HTTP/1.1 431", answer)
        self.assertIn("HTTP/1.1 400", self.raw(
            session, b"GET /v1/x HTTP/1.1\r\nHost: evil.test\r\n\r\n"))

    def test_headers_between_neighbours(self):
        """What is for the next hop ends there, and the guest's own headers of the rule's names."""
        session = self.ruled({"allowedUrlPrefix": f"{self.http}/v1", "headers": {"X-Secret": SECRET}})
        self.raw(session, (f"GET /v1/x HTTP/1.1\r\nHost: web.test:{self.web.port}\r\n"
                           "Connection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nx-secret: mine\r\n"
                           "X-SECRET: also\r\nX-Kept: 2\r\n\r\n").encode())
        [(_, _, headers, _)] = self.web.seen
        self.assertEqual({name.lower(): value for name, value in headers.items()},
                         {"host": f"web.test:{self.web.port}", "x-kept": "2", "x-secret": SECRET})

    def test_secrets_stay_outside(self):
        """In no variable, no file, no error, and in no header that a server sends back."""
        session = self.ruled({"allowedUrlPrefix": f"{self.http}/v1", "headers": {"Authorization": SECRET}})
        self.assertEqual(self.client.value(
            "import os, requests\n"
            f"r = requests.get('{self.http}/v1/echoes')\n"
            f"q = requests.get('{self.http}/v2')\n"
            "[r.status_code, 'X-Echo' in r.headers, 's3cret' in str(r.headers) + r.text + q.text,\n"
            " 's3cret' in str(dict(os.environ))]", session), [200, False, False, False])
        described = self.client.call("SessionService/GetSession", {"session": session})
        self.assertNotIn("s3cret", json.dumps(described))
        self.assertNotIn("s3cret", self.daemon.log())

    def test_redirects(self):
        """They are not followed; where the guest follows them, the rules hold again."""
        session = self.ruled(f"{self.http}/v1")
        self.assertEqual(self.client.value(
            f"import requests\nurl = '{self.http}/v1/away'\n"
            "[requests.get(url, allow_redirects=False).status_code, requests.get(url).status_code]",
            session), [302, 403])

    def test_bodies(self):
        """Both ways, with a length and in pieces, of any size; Expect is answered."""
        session = self.ruled({"allowedUrlPrefix": f"{self.http}/v1", "methods": ["GET", "POST", "PUT"]},
                             {"allowedUrlPrefix": f"{self.https}/v1", "methods": ["ALL"]})
        body = bytes(range(256)) * 20_000
        sha = hashlib.sha256(body).hexdigest()
        for base in (self.http, self.https):
            self.assertEqual(self.client.value(
                "import requests\nbody = bytes(range(256)) * 20_000\n"
                f"base = '{base}/v1/'\n"
                "def parts():\n  for n in range(0, len(body), 100_000): yield body[n:n + 100_000]\n"
                "a = requests.post(base + 'a', data=body).json()\n"
                "b = requests.put(base + 'b', data=parts()).json()\n"
                "c = requests.put(base + 'c', data=body, headers={'Expect': '100-continue'}).json()\n"
                "d = requests.get(base + 'chunks?20').content\n"
                "e = requests.get(base + 'until-end').text\n"
                "[a['sha'], b['sha'], c['sha'], len(d), e]", session, timeoutMs="60000"),
                [sha, sha, sha, 20 * 65_536, "to the end"])
        answer = self.raw(session, (f"PUT /v1/e HTTP/1.1\r\nHost: web.test:{self.web.port}\r\nExpect: "
                                    "100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").encode())
        self.assertTrue(answer.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), answer)
        answer = self.raw(session, (f"DELETE /v1/e HTTP/1.1\r\nHost: web.test:{self.web.port}\r\nExpect: "
                                    "100-continue\r\nContent-Length: 2\r\n\r\nok").encode())
        self.assertTrue(answer.startswith("HTTP/1.1 403"), answer)

    def test_back_pressure(self):
        """A server writes no further than the code reads; what has come is there at once."""
        session = self.ruled(f"{self.http}/v1", limits={"memoryBytes": str(256 << 20)})
        self.assertEqual(self.client.value(
            f"import urllib.request\nr = urllib.request.urlopen('{self.http}/v1/chunks?2000')\n"
            "len(r.read(10))", session), 10)
        # Socket buffers and one piece in the daemon are all that is ahead.
        self.assertLess(self.web.server.written, 1_900)
        self.client.value("r.close()", session)

    def test_http_client_and_asyncio(self):
        """Requests one after the other on one connection, and several in one packet."""
        session = self.ruled(f"{self.http}/v1")
        self.assertEqual(self.client.value(
            "import asyncio, http.client, re\n"
            f"c = http.client.HTTPConnection('web.test', {self.web.port})\n"
            "out = []\n"
            "for path in ('/v1/a', '/v2/b', '/v1/c'):\n"
            "  c.request('GET', path)\n  r = c.getresponse()\n  out.append(r.status); r.read()\n"
            "c.close()\n"
            f"host = b'Host: web.test:{self.web.port}\\r\\n'\n"
            "async def piped():\n"
            f"  reader, writer = await asyncio.open_connection('web.test', {self.web.port})\n"
            "  writer.write(b'GET /v1/d HTTP/1.1\\r\\n' + host + b'\\r\\nGET /v2/e HTTP/1.1\\r\\n' + host\n"
            "    + b'\\r\\nGET /v1/f HTTP/1.1\\r\\n' + host + b'Connection: close\\r\\n\\r\\n')\n"
            "  text = await reader.read()\n  writer.close()\n"
            "  return [found.decode() for found in re.findall(rb'HTTP/1\\.1 (\\d+)', text)]\n"
            "[out, await piped()]", session), [[200, 403, 200], ["200", "403", "200"]])

    def test_the_most_specific_rule(self):
        """It decides on methods and headers, also where it allows less."""
        session = self.ruled(
            {"allowedUrlPrefix": f"{self.http}/v1", "methods": ["ALL"], "headers": {"X-Key": "wide"}},
            {"allowedUrlPrefix": f"{self.http}/v1/files", "headers": {"X-Key": "narrow"}})
        self.assertEqual(self.client.value(
            f"import requests\nbase = '{self.http}/v1/'\n"
            "[requests.request(m, base + p).status_code for m, p in (('POST', 'x'), ('POST', 'files/x'),"
            " ('GET', 'files/x'))]", session), [200, 403, 200])
        self.assertEqual([headers["X-Key"] for _, _, headers, _ in self.web.seen], ["wide", "narrow"])

    def test_servers_that_lie(self):
        """Nonsense from a server is a 502, and the session goes on."""
        session = self.ruled(f"{self.http}/v1")
        for raw in (b"", b"nonsense\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
                    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
                    b"HTTP/1.1 100 Continue\r\n\r\n" * 50, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n"):
            with self.subTest(raw[:80]):
                self.assertEqual(self.client.value(
                    "import requests\n"
                    f"requests.get('{self.http}/v1/raw', params={base64.b64encode(raw).decode()!r}).status_code",
                    session), 502)
        for raw in (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
            with self.subTest(raw):
                error = self.client.eval(
                    "import urllib.request\n"
                    f"urllib.request.urlopen('{self.http}/v1/raw?{base64.b64encode(raw).decode()}').read()",
                    session)["error"]
                self.assertRegex(error["type"] + error["message"], "IncompleteRead|HTTP Error 502")
        self.assertEqual(self.client.value(f"requests.get('{self.http}/v1/x').status_code", session), 200)

    def test_trouble(self):
        """A server that hangs, one with a certificate nobody knows, addresses that must not be reached."""
        session = self.ruled(f"{self.http}/v1", f"https://stranger.test:{self.stranger.port}/")
        self.assertEqual(self.client.value(
            f"import requests\nr = requests.get('{self.http}/v1/hang')\n"
            "[r.status_code, 'cannot be had' in r.text]", session, timeoutMs=str(waiting.scaled(30_000))), [502, True])
        self.web.server.released.set()
        self.assertEqual(self.client.value(
            f"r = requests.get('https://stranger.test:{self.stranger.port}/')\n"
            "[r.status_code, 'TLS with stranger.test' in r.text, 'self' in r.text]", session),
            [502, True, True])
        session = self.ruled(f"{self.http}/v1", egress="public")
        self.assertEqual(self.client.value(
            f"import requests\nr = requests.get('{self.http}/v1/x')\n[r.status_code, 'private_address' in r.text]",
            session), [502, True])

    def test_a_head_without_end(self):
        """Its bytes do not put its deadline off, neither a server's nor a guest's."""
        session = self.ruled(f"{self.http}/v1")
        answer = self.raw(session, (f"GET /v1/trickle HTTP/1.1\r\nHost: web.test:{self.web.port}\r\n"
                                    "Connection: close\r\n\r\n").encode())
        self.assertIn("HTTP/1.1 502", answer)
        self.assertTrue(self.web.server.hung_up.acquire(timeout=waiting.WATCHDOG))
        self.assertTrue(self.client.value(
            f"import socket, time\ns = socket.create_connection(('web.test', {self.web.port}))\n"
            "s.settimeout(0.05)\ns.sendall(b'GET /v1/x HTTP/1.1\\r\\nX: ')\nended = False\n"
            "while not ended:\n  try:\n    s.sendall(b'x')\n    ended = s.recv(1000) == b''\n"
            "  except TimeoutError: pass\n  except ConnectionError: ended = True\ns.close()\nended",
            session, timeoutMs=str(waiting.scaled(30_000))))

    def test_who_is_gone_holds_nothing(self):
        """When the session lets go of its connection, or ends, the server's is closed as well."""
        session = self.ruled(f"{self.http}/v1", egress="patient")
        ask = (f"import socket\ns = socket.create_connection(('web.test', {self.web.port}))\n"
               f"s.sendall(b'GET /v1/trickle HTTP/1.1\\r\\nHost: web.test:{self.web.port}\\r\\n\\r\\n')\n0")
        for end in (lambda: self.client.value("s.close()", session),
                    lambda: self.client.call("SessionService/CloseSession", {"session": session})):
            while self.web.server.trickling.acquire(blocking=False):
                pass
            self.client.value(ask, session)
            self.assertTrue(self.web.server.trickling.acquire(timeout=waiting.WATCHDOG))
            self.assertFalse(self.web.server.hung_up.acquire(blocking=False))
            end()
            self.assertTrue(self.web.server.hung_up.acquire(timeout=waiting.WATCHDOG))

    def test_nothing_is_done_twice(self):
        """A kept connection that closes without an answer: only what changes nothing is sent again."""
        session = self.ruled({"allowedUrlPrefix": f"{self.http}/v1", "methods": ["ALL"]})
        for method, status in (("GET", 200), ("HEAD", 200), ("OPTIONS", 200), ("DELETE", 502),
                               ("POST", 502), ("PATCH", 502)):
            with self.subTest(method):
                self.web.seen.clear()
                self.assertEqual(self.client.value(
                    f"import http.client\nc = http.client.HTTPConnection('web.test', {self.web.port})\n"
                    f"out = []\nfor method, path in (('GET', '/v1/x'), ({method!r}, '/v1/drops')):\n"
                    "  c.request(method, path)\n  r = c.getresponse()\n  r.read()\n  out.append(r.status)\n"
                    "c.close()\nout", session), [200, status])
                self.assertEqual([one for one, path, _, _ in self.web.seen if path == "/v1/drops"],
                                 [method] * (2 if status == 200 else 1))

    def test_what_has_no_rules_is_as_before(self):
        """Other hosts of the policy, other sessions of the policy."""
        session = self.ruled(f"{self.http}/v1")
        self.assertEqual(self.client.value(
            f"import socket\nwith socket.create_connection(('echo.test', {self.echo.port})) as s:\n"
            "  s.sendall(b'x'); out = s.recv(1).decode()\nout", session), "x")
        plain = self.session(egress="web")
        self.assertEqual(self.client.value(
            f"import requests\nrequests.post('{self.http}/anything').status_code", plain), 200)
        # A rule may be for an address; then it holds for that one.
        address = self.ruled(f"http://127.0.0.1:{self.web.port}/v1", egress="both")
        self.assertEqual(self.client.value(
            "import requests\n"
            f"[requests.get(f'http://127.0.0.1:{self.web.port}/{{p}}').status_code for p in ('x', 'v1')]",
            address), [403, 200])

    def test_what_cannot_be_asked_for(self):
        """Rules beyond the egress policy, or that are none, are refused when the session is made."""
        for rules, egress, code, text in (
                ([f"{self.http}/v1"], "", "permission_denied", "`egress` of CreateSession"),
                (["https://other.test/"], "web", "permission_denied", "does not allow"),
                ([f"http://web.test:{self.web.port + 1}/"], "web", "permission_denied", "does not allow"),
                ([f"{self.http}/v1"], "both", "permission_denied", '"127.0.0.0/8:*" of [egress.both]'),
                ([f"{self.http}/v1;x"], "web", "invalid_argument", "or the like"),
                (["web.test/v1"], "web", "invalid_argument", "http:// or https://"),
                ([f"{self.http}/../x"], "web", "invalid_argument", "dot segments"),
                ([f"http://u:p@web.test:{self.web.port}/"], "web", "invalid_argument", "credentials"),
                ([f"{self.http}/a", f"https://web.test:{self.web.port}/b"], "web", "invalid_argument",
                 "either HTTP or HTTPS")):
            refused = self.refused(code, "SessionService/CreateSession", {
                "egress": egress,
                "capabilities": {"httpRules": [{"allowedUrlPrefix": one} for one in rules]}})
            self.assertIn(text, refused.message)
        for more in ({"methods": ["GE T"]}, {"methods": ["CONNECT"]}, {"headers": {"Host": "x"}},
                     {"headers": {"A": "x\r\ny"}}, {"headers": {"A:": "x"}}):
            self.refused("invalid_argument", "SessionService/CreateSession", {
                "egress": "web",
                "capabilities": {"httpRules": [{"allowedUrlPrefix": f"{self.http}/v1", **more}]}})

    def test_nobody_else_comes_in(self):
        """The door on loopback is shut to other processes, and to sessions that aim at it."""
        session = self.ruled(f"{self.http}/v1")
        self.client.value(f"import requests\nrequests.get('{self.http}/v1/x').status_code", session)
        door = self.client.value(
            f"import socket\nwith socket.create_connection(('web.test', {self.web.port})) as s:\n"
            "  out = s.getpeername()[1]\nout", session)
        with socket.create_connection(("127.0.0.1", door)) as other:
            other.settimeout(waiting.WATCHDOG)
            try:
                other.sendall(b"GET /v1/x HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual(other.recv(1), b"")
            except ConnectionError:
                pass
        self.assertEqual(len(self.web.seen), 1)

    def test_budgets_and_metrics(self):
        """Connections of such sessions count like any other; requests have a family of their own."""
        session = self.ruled(f"{self.http}/v1")
        self.client.value(
            "import requests\n"
            f"[requests.request(m, '{self.http}/v1/x').status_code for m in ('GET', 'POST')]", session)
        _, _, text = self.client.request("GET", "/metrics")
        text = text.decode()
        for outcome in ("allowed", "refused"):
            self.assertRegex(text, 'vivarium_http_rule_requests_total\\{[^}]*outcome="' + outcome)
        self.assertNotIn("web.test", text)


if __name__ == "__main__":
    unittest.main()
