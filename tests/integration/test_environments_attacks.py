# SPDX-License-Identifier: Apache-2.0
"""Declarations and packages that are made to reach beyond a build."""

import http.server
import json
import os
import threading
import unittest

from vivarium_testing import waiting, wheels
from vivarium_testing.environments import SERVICE, EnvironmentCase

RUNS = "import os\nopen({mark!r}, 'w').close()\nraise SystemExit('it ran')\n"
# Would stop at a gigabyte, and then wait for ever.
FILLS = """
import tempfile, time
for _ in range(1024):
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(bytes(1 << 20))
while True:
    time.sleep(60)
"""
SECRET = "s3cretTOKEN"


def peak_memory(pid):
    """The most that a process has had, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))


class Index(http.server.BaseHTTPRequestHandler):
    """Answers each request with the same, and keeps what was asked."""

    def do_GET(self):  # noqa: N802
        """The only thing that it does."""
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_):
        """Says nothing."""


class AttackCase(EnvironmentCase):
    """A tenant who may register, a server that should not be asked, a file that is there when code ran."""

    watched = False
    with_index = False

    @classmethod
    def setUpClass(cls):
        """Starts the server first: wheels name it."""
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
        cls.server.seen, cls.server.content = [], b"<!DOCTYPE html><html></html>"
        cls.port = cls.server.server_address[1]
        thread = threading.Thread(target=cls.server.serve_forever, daemon=True)
        thread.start()
        cls.addClassCleanup(thread.join)
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(cls.server.shutdown)
        index = f'index_url = "http://ci:{SECRET}@127.0.0.1:{cls.port}/simple/"\n' if cls.with_index else ""
        cls.more_config = (f'{index}{cls.builds_config}[auth]\nkeys = "{{folder}}/keys"\n'
                           "[tenants.maker]\nregister_environments = true\n[tenants.operator]\n")
        super().setUpClass()
        cls.keys = {"maker": cls.daemon.keys("create", "--tenant", "maker"),
                    "operator": cls.daemon.keys("create", "--tenant", "operator", "--role", "admin")}

    builds_config = ""

    @classmethod
    def make_wheels(cls):
        super().make_wheels()
        cls.mark = f"{cls.top}/it-ran"
        path = wheels.sdist(cls.top, "pwn", setup=RUNS.format(mark=cls.mark))
        with open(path, "rb") as file:
            cls.server.content = file.read()
        wheels.wheel(cls.wheels, "viaurl", requires=[f"pwn @ http://127.0.0.1:{cls.port}/pwn-1.0.tar.gz"])
        wheels.wheel(cls.wheels, "viafile", requires=[f"pwn @ file://{path}"])
        wheels.wheel(cls.wheels, "viawheel", requires=[f"beta @ file://{cls.wheels}/beta-1.5-py3-none-any.whl"])
        wheels.wheel(cls.wheels, "maybe", extras=["x"],
                     requires=[f'pwn @ http://127.0.0.1:{cls.port}/pwn-1.0.tar.gz ; extra == "x"'])

    def setUp(self):
        self.maker = self.daemon.client(self.keys["maker"])
        self.addCleanup(self.maker.close)
        self.operator = self.daemon.client(self.keys["operator"])
        self.addCleanup(self.operator.close)
        super().setUp()
        self.server.seen.clear()

    def fails(self, *texts, client=None, **spec):
        """Declares and builds; the build fails and says why. Returns the log and the error, as text."""
        client = client or self.maker
        self.register("attack", client, force=True, **spec)
        lines = []
        with self.daemon.client() as own:
            own.headers = client.headers
            with self.assertRaises(Exception) as caught:
                for message in own.messages(SERVICE + "BuildEnvironment", {"name": "attack", "force": True}):
                    lines.append(message["line"])
        self.assertEqual(caught.exception.code, "failed_precondition")
        for text in texts:
            self.assertIn(text, caught.exception.message)
        return "\n".join([*lines, caught.exception.message])

    def nothing_happened(self):
        """No code ran, and nobody was asked."""
        self.assertFalse(os.path.exists(self.mark))
        self.assertEqual(self.server.seen, [])


class Attacks(AttackCase):
    """By a tenant who may register environments, and by whoever makes packages."""

    def test_forged_locks(self):
        """What a uv.lock says becomes lines of a file with options: it is names, versions and hashes only."""
        secret = f"{self.top}/secret"
        with open(secret, "w", encoding="ascii") as file:
            file.write("top-secret !!\n")
        for name, version, digest in (
                (f"-rhttp://2130706433:{self.port}/x?", "1.0", "0" * 64), (f"-rfile://{secret}?", "1.0", "0" * 64),
                ("beta", f"1.5\n-rfile://{secret}?", "0" * 64), ("beta\n", "1.5", "0" * 64),
                ("beta", "1.5 --hash=sha256:", "0" * 64), ("beta", "-1", "0" * 64), ("", "1.5", "0" * 64),
                ("beta", "1.5", "0" * 63), ("beta", "1.5", f"{'0' * 64}\n-rfile://{secret}?")):
            with self.subTest(name=name, version=version, digest=digest):
                lock = (f"[[package]]\nname = {json.dumps(name)}\nversion = {json.dumps(version)}\n"
                        'source = { registry = "https://example.org/simple" }\n'
                        f"wheels = [{{ hash = {json.dumps('sha256:' + digest)} }}]\n")
                told = self.fails("is not a name, version or hash", requirements=["beta"], lock=lock)
                self.assertNotIn("top-secret", told)
                self.nothing_happened()

    def test_dependencies_that_are_urls(self):
        """Neither fetched nor built nor installed, whatever they are; the error names who wants what."""
        for name, wanted in (("viaurl", "pwn@ http"), ("viafile", "pwn@ file"), ("viawheel", "beta@ file")):
            with self.subTest(name):
                error = self.fails(name, "is needed from a URL", requirements=[name])
                self.assertIn(wanted, error.replace("pwn @", "pwn@").replace("beta @", "beta@"))
                self.nothing_happened()
        self.fails("is needed from a URL", requirements=["maybe[x]"])
        self.nothing_happened()
        self.make("attack", "maybe", client=self.maker, force=True)
        self.nothing_happened()

    def test_requirements_that_pip_reads_otherwise(self):
        """It would put in what its environment has, and ends lines where Unicode does."""
        for text in ('alpha; os_name == "${HTTPS_PROXY}"', "alpha==$1",
                     'alpha; os_name == "\u2028-r /etc/shadow \u2028"', 'alpha; os_name == "\x85-r /etc/shadow"'):
            with self.assertRaises(Exception) as caught:
                self.register("attack", self.maker, requirements=[text])
            self.assertEqual(caught.exception.code, "invalid_argument")
            self.assertIn("plain requirement", caught.exception.message)
            project = f"[project]\nname = 'x'\nversion = '1'\ndependencies = [{json.dumps(text)}]\n"
            self.fails("plain requirement", pyproject=project)


class Floods(AttackCase):
    """Packages that take more than they may."""

    builds_config = 'bytes = "48MiB"\n'

    @classmethod
    def make_wheels(cls):
        super().make_wheels()
        wheels.sdist(cls.wheels, "filler", setup=FILLS)
        # As text it is 160 MiB, which pip takes for several times as much; as a file next to nothing.
        wheels.wheel(cls.wheels, "fat", padding=160 << 20)

    def test_disk(self):
        """A build is ended while it goes on: one that would never end tells how much it may take."""
        self.fails("builds.bytes", "of the disk", client=self.operator,
                   requirements=["filler"], allowSourceBuilds=True)
        waiting.wait_for(lambda: not self.folders(), "what was begun to be removed")

    def test_memory(self):
        """Metadata of any size is not read at any price."""
        self.fails("MemoryError", requirements=["fat"])

    def test_declarations(self):
        """Each has the list written, which is long; lists do not queue up, and the last one is on disk."""
        long = "#" + "x" * 1_000_000
        for number in range(8):
            self.register(f"long{number}", self.maker, pyproject=long, lock=long, init=long)
        before = peak_memory(self.daemon.pid)
        for number in range(100):
            self.register("again", self.maker, force=True, requirements=[f"beta=={number}"])
        # A copy of the list has 24 MB.
        self.assertLess(peak_memory(self.daemon.pid) - before, 500 << 20)
        def listed():
            with open(f"{self.top}/state/environments/list.json", encoding="utf-8") as file:
                return [(one["name"], one["recipe"]["requirements"]) for one in json.load(file)["environments"]]
        waiting.wait_for(lambda: ("again", ["beta==99"]) in listed(), "the last list to be written")


class Secrets(AttackCase):
    """An index with a password, which is the operator's."""

    with_index = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.content = b"<!DOCTYPE html><html></html>"

    def test_the_password_of_the_index(self):
        """It is given to the index, and to nobody else."""
        told = self.fails("could not be installed", client=self.operator, requirements=["nonesuch"],
                          indexUrl=f"http://ci:{SECRET}@127.0.0.1:{self.port}/simple/")
        self.assertIn("nonesuch", told)
        self.assertNotIn(SECRET, told)
        self.assertNotIn("--index-url", told)
        self.assertTrue(self.server.seen and all(authorization for _, authorization in self.server.seen))
        self.server.seen.clear()
        told = self.fails("could not be installed", requirements=["nonesuch"])
        self.assertNotIn(SECRET, told)


if __name__ == "__main__":
    unittest.main()
