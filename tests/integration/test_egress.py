# SPDX-License-Identifier: Apache-2.0
"""Ordinary clients, unmodified, against real servers on loopback, which the policies allow."""

import unittest

from vivarium_testing import bystander, daemon, servers, waiting
from vivarium_testing.egress import EgressCase, policy


class Clients(EgressCase):
    """What people use."""

    @classmethod
    def setUpClass(cls):
        cls.web = cls.serve(servers.Web())
        cls.secure = cls.serve(servers.Web("secure.test"))
        cls.echo = cls.serve(servers.Echo())
        cls.canary = cls.serve(servers.Echo())
        cls.config = policy(
            "web", [f"web.test:{cls.web.port}", f"SECURE.test.:{cls.secure.port}",
                    f"echo.test:{cls.echo.port}", f"127.0.0.1:{cls.echo.port}",
                    f"localhost:{cls.echo.port}", f"no-such-host.invalid:{cls.echo.port}"],
            ["web.test", "secure.test", "echo.test"])
        cls.config += '[environments.shell]\nprocesses = "children"\n'
        super().setUpClass()

    def value(self, source, environment="default", **variables):
        """Evaluates in a session that has the policy."""
        session = self.session(egress="web", environment=environment)
        for name, value in variables.items():
            self.client.value(f"{name} = {value!r}\n0", session)
        return self.client.value(source, session)

    def test_urllib(self):
        """The standard library's, over HTTP and TLS, by name."""
        base = f"http://web.test:{self.web.port}"
        self.assertEqual(
            self.value("import urllib.request\nurllib.request.urlopen(base + '/x').read().decode()",
                       base=base), f"GET /x web.test:{self.web.port}")
        self.assertEqual(
            self.value(
                "import ssl, urllib.request\n"
                "context = ssl.create_default_context(cadata=certificate)\n"
                "urllib.request.urlopen(base + '/y', context=context).read().decode()",
                base=f"https://secure.test:{self.secure.port}", certificate=self.secure.certificate),
            f"GET /y secure.test:{self.secure.port}")

    def test_requests(self):
        """requests, with a pool of connections, TLS checked against the name, and a body."""
        self.assertEqual(
            self.value("import requests\nwith requests.Session() as s:\n"
                       "  out = [s.get(f'{base}/{i}').text for i in range(3)]\n"
                       "  out.append(s.post(base, data=b'x' * 100_000).content == b'x' * 100_000)\n"
                       "out", base=f"http://web.test:{self.web.port}"),
            [*(f"GET /{i} web.test:{self.web.port}" for i in range(3)), True])
        self.assertEqual(
            self.value("import requests\nopen('ca.pem', 'w').write(certificate)\n"
                       "r = requests.get(base + '/z', verify='ca.pem')\n[r.status_code, r.text]",
                       base=f"https://secure.test:{self.secure.port}",
                       certificate=self.secure.certificate),
            [200, f"GET /z secure.test:{self.secure.port}"])

    def test_a_redirect_to_elsewhere(self):
        """A host that is allowed cannot send a client to one that is not."""
        self.web.server.elsewhere = f"http://127.0.0.1:{self.canary.port}/"
        session = self.session(egress="web")
        verdict = self.client.eval(
            f"import requests\nrequests.get('http://web.test:{self.web.port}/away')", session)
        self.assertIn("is not allowed: the egress policy 'web' of this session allows",
                      verdict["error"]["message"])
        self.assertEqual(self.canary.accepted, 0)
        self.assert_kept(verdict)

    def test_names_are_resolved_by_the_machine(self):
        """Where the policy has no addresses of its own."""
        self.assertEqual(
            self.value("import socket\nout = []\n"
                       "with socket.create_connection(('localhost', port)) as s:\n"
                       "  s.sendall(b'x'); out.append(s.recv(1).decode())\n"
                       "try: socket.create_connection(('no-such-host.invalid', port))\n"
                       "except OSError as e: out.append(e.errno)\nout", port=self.echo.port),
            ["x", 113])

    def test_asyncio(self):
        """Several at once on one loop."""
        self.assertEqual(
            self.value(
                "import asyncio\n"
                "async def one(n):\n"
                "  reader, writer = await asyncio.open_connection('echo.test', port)\n"
                "  writer.write(b'%d\\n' % n)\n"
                "  line = await reader.readline()\n"
                "  writer.close()\n"
                "  await writer.wait_closed()\n"
                "  return int(line)\n"
                "await asyncio.gather(*map(one, range(20)))", port=self.echo.port),
            list(range(20)))

    def test_threads(self):
        """From many threads at once: more than are answered at a time."""
        self.assertEqual(
            self.value(
                "import socket\nfrom concurrent.futures import ThreadPoolExecutor\n"
                "def one(n):\n"
                "  with socket.create_connection(('echo.test', port)) as s:\n"
                "    s.sendall(bytes([n]))\n"
                "    return s.recv(1)[0]\n"
                "with ThreadPoolExecutor(20) as pool:\n  out = list(pool.map(one, range(60)))\nout",
                port=self.echo.port), list(range(60)))

    def test_options_are_kept(self):
        """What was set before `connect` holds afterwards: flags and options. Whether a program would
        inherit it is known where there may be one."""
        for environment, inherited in (("default", False), ("shell", True)):
            self.assertEqual(self.value(self.OPTIONS, environment, port=self.echo.port),
                             [True, True, 77, True, 5, False, False, True, True, inherited, True,
                              "would block"])

    OPTIONS = ("import os, socket\n"
               "s = socket.socket()\n"
               "s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n"
               "s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)\n"
               "s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)\n"
               "s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 70_000)\n"
               "s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, (5).to_bytes(8, 'little') + bytes(8))\n"
               "before = s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)\n"
               "plain = socket.socket()\n"
               "os.set_inheritable(plain.fileno(), True)\n"
               "s.setblocking(False)\n"
               "fd = s.fileno()\n"
               "s.connect(('127.0.0.1', port))\n"
               "plain.connect(('127.0.0.1', port))\n"
               "out = [s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0,\n"
               "  s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0,\n"
               "  s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),\n"
               "  s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == before,\n"
               "  s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)[0],\n"
               "  os.get_blocking(fd), os.get_inheritable(fd), s.fileno() == fd,\n"
               "  os.get_blocking(plain.fileno()), os.get_inheritable(plain.fileno()),\n"
               "  s.getpeername() == ('127.0.0.1', port)]\n"
               "try: s.recv(1)\n"
               "except BlockingIOError: out.append('would block')\n"
               "s.close(); plain.close()\nout")

    def test_closing_is_noticed(self):
        """The other side sees the end of a connection that the session closed."""
        session = self.session(egress="web")
        waiting.wait_for(lambda: self.echo.open == 0, "connections of other tests to end")
        self.client.value("import socket\n"
                          f"kept = [socket.create_connection(('echo.test', {self.echo.port}))"
                          " for _ in range(3)]\nlen(kept)", session)
        waiting.wait_for(lambda: self.echo.open == 3, "three connections")
        self.client.value("kept.pop().close()\n0", session)
        waiting.wait_for(lambda: self.echo.open == 2, "one to be closed")
        self.client.call("SessionService/CloseSession", {"session": session})
        waiting.wait_for(lambda: self.echo.open == 0, "the rest to end with the session")

    def test_children_share_connections(self):
        """One that an orphan of the session holds goes on; a child makes its own."""
        session = self.session(egress="web", environment="shell")
        self.assertEqual(self.client.value(
            "import os, socket, time\n"
            f"s = socket.create_connection(('echo.test', {self.echo.port}))\n"
            "r, w = os.pipe()\n"
            "if os.fork() == 0:\n"
            "  if os.fork() == 0:\n"
            "    for i in range(15):\n"
            "      time.sleep(0.1)\n"
            "      s.sendall(b'%x' % i)\n"
            "      os.write(w, s.recv(1))\n"
            f"    with socket.create_connection(('echo.test', {self.echo.port})) as t:\n"
            "      t.sendall(b'!'); os.write(w, t.recv(1))\n"
            "  os._exit(0)\n"
            "os.wait(); s.close(); os.close(w)\n"
            "out = b''\nwhile data := os.read(r, 100): out += data\nout.decode()", session,
            timeoutMs="60000"), "0123456789abcde!")

    def test_counted(self):
        """Connections by outcome, and bytes."""
        self.value("import socket\nwith socket.create_connection(('echo.test', port)) as s:\n"
                   "  s.sendall(b'x' * 5000)\n  n = 0\n  while n < 5000: n += len(s.recv(5000))\nn",
                   port=self.echo.port)

        def counted():
            text = self.client.request("GET", "/metrics")[2].decode()
            return ('outcome="connected"' in text
                    and sum(bystander.samples(self.client, "vivarium_egress_sent_bytes_total")) >= 5000
                    and sum(bystander.samples(self.client,
                                              "vivarium_egress_received_bytes_total")) >= 5000)
        waiting.wait_for(counted, "the bytes to be counted")
        self.assertIn("egress of session", self.daemon.log())

    def test_what_is_told(self):
        """The session tells its policy."""
        session = self.session(egress="web")
        info = self.client.call("SessionService/GetSession", {"session": session})["session"]
        self.assertEqual((info["egress"], info["processes"]), ("web", "PROCESSES_NONE"))
        self.refused("permission_denied", "SessionService/CreateSession", {"egress": "other"})

    def test_command(self):
        """The command asks for it as well."""
        done = self.daemon.command(
            "eval", "--egress", "web",
            "import urllib.request; "
            f"urllib.request.urlopen('http://web.test:{self.web.port}/').read()")
        self.assertIn("GET / web.test", done.stdout, done.stderr)


class Database(EgressCase):
    """PostgreSQL and S3."""

    @classmethod
    def setUpClass(cls):
        cls.database = cls.serve(servers.Postgres())
        cls.store = cls.serve(servers.S3())
        cls.config = policy("data", [f"db.test:{cls.database.port}", f"s3.test:{cls.store.port}"],
                            ["db.test", "s3.test"])
        super().setUpClass()

    def test_psycopg2(self):
        """A transaction, by name."""
        session = self.session(egress="data")
        self.assertEqual(self.client.value(
            "import psycopg2\n"
            f"with psycopg2.connect(host='db.test', port={self.database.port}, user='postgres',\n"
            "                      dbname='postgres') as db, db.cursor() as c:\n"
            "  c.execute('create temp table t (n int, s text)')\n"
            "  c.executemany('insert into t values (%s, %s)', [(i, 'é' * i) for i in range(100)])\n"
            "  c.execute('select sum(n), max(length(s)) from t')\n"
            "  row = c.fetchone()\n"
            "db.close()\nlist(row)", session), [4950, 99])

    def test_boto3(self):
        """An object up and down."""
        session = self.session(egress="data")
        self.assertEqual(self.client.value(
            "import boto3, botocore.config\n"
            f"s3 = boto3.client('s3', endpoint_url='http://s3.test:{self.store.port}',\n"
            "  aws_access_key_id='S3RVER', aws_secret_access_key='S3RVER', region_name='us-east-1',\n"
            "  config=botocore.config.Config(s3={'addressing_style': 'path'}))\n"
            "s3.create_bucket(Bucket='things')\n"
            "s3.put_object(Bucket='things', Key='a/b', Body=b'x' * 300_000)\n"
            "body = s3.get_object(Bucket='things', Key='a/b')['Body'].read()\n"
            "s3.close()\n"
            "[len(body), [o['Key'] for o in s3.list_objects_v2(Bucket='things')['Contents']]]",
            session, timeoutMs="60000"), [300_000, ["a/b"]])


class Environment(unittest.TestCase):
    """What sessions see of the daemon's own surroundings."""

    def test_nothing_of_the_daemons_environment(self):
        """No variable of the daemon's, whatever it is called."""
        with daemon.Daemon(variables={"HOST_SECRET": "s3cret"}) as running, running.client() as client:
            self.assertEqual(client.value(
                "import os\n[k for k, v in os.environ.items() if 's3cret' in v or k == 'HOST_SECRET']"),
                [])


class Refused(EgressCase):
    """Nothing by default, and what is refused says which option would allow it."""

    @classmethod
    def setUpClass(cls):
        cls.echo = cls.serve(servers.Echo())
        cls.config = policy("one", [f"echo.test:{cls.echo.port}"], ["echo.test"])
        super().setUpClass()

    def message(self, source, session=""):
        """Evaluates what must fail and returns the error."""
        verdict = self.client.eval(source, session)
        self.assertIn("error", verdict)
        return verdict["error"]["type"], verdict["error"]["message"], verdict

    def test_without_a_policy(self):
        """PermissionError from connect, gaierror from names; both name the option."""
        kind, text, verdict = self.message(
            f"import socket; socket.create_connection(('127.0.0.1', {self.echo.port}))")
        self.assertEqual(kind, "PermissionError")
        self.assertIn("`egress` of CreateSession", text)
        self.assertIn(f"127.0.0.1:{self.echo.port}", text)
        self.assertEqual((verdict["cause"]["cause"], verdict["cause"]["limit"]),
                         ("denied", "connect"))
        kind, text, _ = self.message("import socket; socket.getaddrinfo('example.org', 443)")
        self.assertEqual(kind, "gaierror")
        self.assertIn("`egress` of CreateSession", text)
        kind, text, _ = self.message(
            "import asyncio\nawait asyncio.open_connection('127.0.0.1', 80)")
        self.assertEqual(kind, "PermissionError")
        self.assertIn("`egress` of CreateSession", text)
        self.assertEqual(self.echo.accepted, 0)

    def test_what_code_catches_says_it_too(self):
        """Text for whoever wrote the code, where it is caught."""
        self.assertIn("[egress.NAME]", self.client.value(
            "import urllib.request\ntry: urllib.request.urlopen('http://127.0.0.1:1/')\n"
            "except OSError as e: text = str(e)\ntext"))

    def test_beyond_the_policy(self):
        """What is allowed instead."""
        session = self.session(egress="one")
        for source in (f"connect(('127.0.0.1', {self.echo.port}))",
                       f"connect(('echo.test', {self.echo.port + 1}))",
                       "connect(('198.18.0.2', 80))", "connect(('1.1.1.1', 443))"):
            with self.subTest(source):
                kind, text, _ = self.message(f"import socket; socket.socket().{source}", session)
                self.assertEqual(kind, "PermissionError")
                self.assertIn(f"allows echo.test:{self.echo.port}", text)
        kind, text, _ = self.message("import socket; socket.gethostbyname('other.test')", session)
        self.assertEqual(kind, "gaierror")
        self.assertIn("the egress policy 'one' of this session allows", text)

    def test_other_networks(self):
        """No datagrams, nothing raw, no other family, no servers."""
        session = self.session(egress="one")
        for source, kind in (("socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "PermissionError"),
                             ("socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)", "PermissionError"),
                             ("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "OSError"),
                             ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "OSError"),
                             ("socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "OSError"),
                             ("socket.socket(socket.AF_UNIX)", "OSError"),
                             ("socket.create_server(('127.0.0.1', 0))", "PermissionError")):
            with self.subTest(source):
                self.assertEqual(self.message(f"import socket; {source}", session)[0], kind)


if __name__ == "__main__":
    unittest.main()
