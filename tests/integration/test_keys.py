# SPDX-License-Identifier: Apache-2.0
"""API keys: who is let in, and for how long."""

import http.client
import json
import os
import ssl
import stat
import struct
import subprocess
import unittest

from vivarium_testing import daemon as daemons, http_api, networks, tenants, waiting, ws


def id_of(key):
    """Returns the part of a key that names it."""
    return key.split("_")[1]


def other_secret(key):
    """Returns the key with a secret that is not its own."""
    return key[:-1] + ("a" if key[-1] != "a" else "b")


class Keys(tenants.TenantCase):
    """A daemon with keys."""

    def refusal(self, key, path="/vivarium.v1.ExecutionService/Eval", **headers):
        """Calls with a key, or none, expects the refusal, and returns what tells one from another."""
        client = http_api.Client(lambda: http.client.HTTPConnection(
            *self.daemon.address, timeout=waiting.WATCHDOG), key)
        with client:
            status, head, body = client.request("POST", path, json.dumps({"source": "1"}), {
                "content-type": "application/json", "x-request-id": "same", **headers})
        self.assertEqual(status, 401, body)
        self.assertEqual(head["www-authenticate"], "Bearer")
        self.assertEqual(json.loads(body)["code"], "unauthenticated")
        return {name: value for name, value in head.items() if name.lower() != "date"}, body

    def is_let_in(self, key):
        """Calls with a key and expects an answer."""
        with self.daemon.client(key) as client:
            self.assertEqual(client.value("6 * 7"), 42)

    def test_whatever_is_wrong_looks_the_same(self):
        revoked = self.daemon.keys("create", "--tenant", "a")
        self.daemon.keys("revoke", id_of(revoked))
        stranger = self.daemon.keys("create", "--tenant", "nobody")
        expired = self.daemon.keys("create", "--tenant", "a", "--expires", "1s")
        with self.daemon.client(expired) as client:
            waiting.wait_for(
                lambda: client.request("GET", "/v1/ws")[0] == 401, "the key to expire")
        good = self.keys["a"]
        wrong = [None, revoked, stranger, expired, other_secret(good), "nonsense", "viv_a_b",
                 good.upper(), good + "x", "x" * 1_000]
        self.assertEqual(len({repr(self.refusal(key)) for key in wrong}), 1)
        self.is_let_in(good)

    def test_every_path_but_health_asks_for_a_key(self):
        with http_api.Client(lambda: http.client.HTTPConnection(
                *self.daemon.address, timeout=waiting.WATCHDOG)) as client:
            self.assertEqual(client.request("GET", "/healthz")[0], 200)
            self.assertEqual(client.request("GET", "/readyz")[0], 200)
            # The metrics are for this machine, or for the role admin.
            self.assertEqual(client.request("GET", "/metrics")[0], 200)
        for path in ("/vivarium.v1.SessionService/ListSessions", "/v1/ws", "/nothing",
                     "/vivarium.v1.ExecutionService/Follow", "/vivarium.v1.None/None"):
            self.refusal(None, path)

    def test_a_key_counts_in_one_place_only(self):
        good = self.keys["a"]
        for path in (f"?api_key={good}", f"?access_token={good}", f"?authorization=Bearer%20{good}"):
            self.refusal(None, "/vivarium.v1.ExecutionService/Eval" + path)
        self.refusal(None, **{"x-api-key": good})
        self.refusal(None, cookie=f"authorization=Bearer {good}")
        self.refusal(None, authorization=f"Basic {good}")
        self.refusal(None, **{"sec-websocket-protocol": f"vivarium.v1.json, {good}"})

    def test_the_websocket_is_refused_as_http(self):
        for key in (None, other_secret(self.keys["a"])):
            with self.assertRaisesRegex(AssertionError, "401"):
                ws.WebSocket(self.daemon.address, headers=(
                    f"Authorization: Bearer {key}\r\n" if key else ""))
        name, answer = self.socket_of(self.keys["a"]).ask(eval={"source": "6 * 7"})
        self.assertEqual((name, answer["verdict"]["result"]["json"]), ("eval", 42))

    def test_a_rotated_key_is_good_at_once_and_the_old_one_is_not(self):
        key = self.daemon.keys("create", "--tenant", "a")
        for _ in range(20):
            # Twice in a row: files of one size within a tick of the file system's clock.
            old = key
            self.daemon.keys("rotate", id_of(key))
            key = self.daemon.keys("rotate", id_of(key))
            self.is_let_in(key)
            self.refusal(old)
        self.daemon.keys("revoke", id_of(key))
        self.refusal(key)

    def test_the_old_secret_may_count_for_a_while(self):
        old = self.daemon.keys("create", "--tenant", "a")
        new = self.daemon.keys("rotate", "--grace", "1h", id_of(old))
        self.is_let_in(old)
        self.is_let_in(new)
        newest = self.daemon.keys("rotate", id_of(old))
        self.refusal(old)
        self.refusal(new)
        self.is_let_in(newest)

    def test_revocation_ends_live_connections(self):
        key = self.daemon.keys("create", "--tenant", "a")
        doomed, other = self.socket_of(key), self.socket_of(self.keys["a"])
        self.assertEqual(doomed.ask(eval={"source": "1"})[0], "eval")
        running = doomed.begin(eval={"source": "import time; time.sleep(60)"})
        self.assertEqual(running, 2)
        self.daemon.keys("revoke", id_of(key))
        opcode, content = doomed.receive()
        self.assertEqual((opcode, struct.unpack(">H", content[:2])[0]), (ws.CLOSE, 1008))
        self.assertIn(b"not valid any more", content)
        self.assertEqual(other.ask(eval={"source": "1"})[0], "eval")

    def test_expiry_ends_live_connections(self):
        key = self.daemon.keys("create", "--tenant", "a", "--expires", "1s")
        self.assertEqual(self.socket_of(key).close_code(), 1008)
        self.refusal(key)

    def test_revocation_ends_a_stream(self):
        key = self.daemon.keys("create", "--tenant", "a")
        with self.daemon.client(key) as doomed:
            started = self.of["a"].call("ExecutionService/Start", {"eval": {
                "session": "follow", "createSession": True,
                "source": "print('here')\nimport time\ntime.sleep(60)"}})
            events = doomed.follow(started["executionId"])
            self.assertIn("started", next(events))
            self.daemon.keys("revoke", id_of(key))
            with self.assertRaises(http_api.ApiError) as caught:
                for _ in events:
                    pass
            self.assertEqual(caught.exception.code, "unauthenticated")
        self.of["a"].call("SessionService/CloseSession", {"session": "follow"})

    def test_rotation_ends_connections_of_the_old_secret_only(self):
        old = self.daemon.keys("create", "--tenant", "a")
        with_old = self.socket_of(old)
        new = self.daemon.keys("rotate", "--grace", "1h", id_of(old))
        with_new = self.socket_of(new)
        self.assertEqual(with_old.ask(eval={"source": "1"})[0], "eval")
        newest = self.daemon.keys("rotate", "--grace", "1h", id_of(old))
        self.assertEqual(with_old.close_code(), 1008)
        self.assertEqual(with_new.ask(eval={"source": "1"})[0], "eval")
        self.daemon.keys("revoke", id_of(newest))
        self.assertEqual(with_new.close_code(), 1008)

    def test_secrets_are_nowhere(self):
        key = self.daemon.keys("create", "--tenant", "a")
        secret = key.split("_")[2]
        self.is_let_in(key)
        self.refusal(other_secret(key))
        self.assertNotIn(secret[:-1], self.daemon.log())
        self.assertNotIn(secret, self.daemon.keys("list"))
        self.assertIn(f"{id_of(key)} a client created ", self.daemon.keys("list"))
        path = f"{self.daemon.folder}/keys"
        with open(path, encoding="utf-8") as file:
            self.assertNotIn(secret, file.read())
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with self.daemon.client() as client:
            self.assertNotIn(secret[:-1].encode(), client.request("GET", "/metrics")[2])
        self.daemon.keys("revoke", id_of(key))

    def test_the_command_takes_the_key_from_its_environment(self):
        def run(**variables):
            return subprocess.run(
                [daemons.COMMAND, "--server", self.daemon.url, "eval", "6 * 7"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                env={**daemons.command_environment(self.daemon.folder), **variables},
                timeout=waiting.WATCHDOG)
        good = run(VIVARIUM_API_KEY=self.keys["a"])
        self.assertEqual((good.returncode, good.stdout), (0, "42\n"), good)
        for variables in ({}, {"VIVARIUM_API_KEY": other_secret(self.keys["a"])}):
            refused = run(**variables)
            self.assertEqual(refused.returncode, 2, refused)
            self.assertIn("valid API key", refused.stderr)

    def test_orders_that_make_no_sense_are_told(self):
        for arguments in (("create",), ("create", "--tenant", "Not A Name"),
                          ("create", "--tenant", "a", "--role", "boss"),
                          ("create", "--tenant", "a", "--expires", "soon"),
                          ("create", "--tenant", "a", "--expires", "0s"),
                          ("rotate", "nothing"), ("revoke", "nothing"), ("revoke",), ()):
            done = subprocess.run(
                [daemons.COMMAND, "keys", "--file", f"{self.daemon.folder}/keys", *arguments],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                env=daemons.command_environment(self.daemon.folder), timeout=waiting.WATCHDOG)
            self.assertIn(done.returncode, (1, 2), done)
            self.assertTrue(done.stderr)

    def test_refusals_are_counted_by_reason(self):
        def count(cause):
            text = self.client.request("GET", "/metrics")[2].decode()
            [line] = [line for line in text.splitlines()
                      if line.startswith(f'vivarium_auth_failures_total{{cause="{cause}"}}')]
            return float(line.split()[-1])
        before = {cause: count(cause) for cause in ("missing", "malformed", "unknown", "secret")}
        self.refusal(None)
        self.refusal("nonsense")
        self.refusal("viv_nobody_secret")
        self.refusal(other_secret(self.keys["a"]))
        for cause, value in before.items():
            self.assertEqual(count(cause), value + 1, cause)


class FromAfar(unittest.TestCase):
    """Clients whose address is not this machine's loopback."""

    def test_metrics_are_for_admins(self):
        """Without a key or with a client's there are none, with an admin's there are all.
        Nothing else is served without a key, but whether the daemon is up."""
        with daemons.Daemon("[auth]\nkeys = \"{folder}/keys\"\n[tenants.a]\n"
                            f"[server]\nhosts = [\"{networks.ADDRESS}\"]\n",
                            listen=[f"{networks.ADDRESS}:0"], before=networks.leave, wait=False) as daemon:
            daemon.wait_for_port()
            keys = {None: None, "client": daemon.keys("create", "--tenant", "a"),
                    "admin": daemon.keys("create", "--tenant", "a", "--role", "admin")}

            def get(path, key):
                client = http_api.Client(lambda: http.client.HTTPConnection(
                    networks.ADDRESS, daemon.port, timeout=waiting.WATCHDOG), key)
                with client:
                    status, _, body = client.request("GET", path)
                return [status, body.decode()]

            def ask(path, who):
                return networks.inside(daemon.pid, lambda: get(path, keys[who]))

            waiting.wait_for(lambda: ask("/readyz", None)[0] == 200, "/readyz")
            self.assertEqual([ask("/metrics", who)[0] for who in (None, "client", "admin")],
                             [401, 403, 200])
            self.assertIn("admin", ask("/metrics", "client")[1])
            self.assertTrue("\nvivarium_auth_keys 2\n" in ask("/metrics", "admin")[1])
            self.assertEqual(ask("/healthz", None)[0], 200)
            self.assertEqual(ask("/vivarium.v1.SessionService/ListSessions", None)[0], 401)
            self.assertEqual(daemon.terminate(), 0)


class WithoutKeys(unittest.TestCase):
    """What holds where no keys are asked for."""

    def check(self, config, *arguments):
        """Runs --check and returns its end."""
        with daemons.Daemon(config, ["--check", *arguments], listen=[], wait=False) as checked:
            checked.wait()
            return checked.process.returncode, checked.log()

    def test_a_key_is_neither_needed_nor_looked_at(self):
        with daemons.Daemon() as daemon:
            for key in (None, "nonsense", "viv_a_b"):
                with daemon.client(key) as client:
                    self.assertEqual(client.value("6 * 7"), 42)

    def test_not_beyond_loopback(self):
        for address in ("0.0.0.0:7717", "[::]:7717", "192.0.2.1:7717", "https://192.0.2.1:7717"):
            status, said = self.check("", "--listen", address)
            self.assertEqual(status, 2)
            self.assertIn("vivarium keys create", said)
            self.assertIn("auth.keys", said)
        config = '[auth]\nkeys = "{folder}/keys"\n[tenants.a]\n'
        status, said = self.check(config, "--listen", "0.0.0.0:7717")
        self.assertEqual(status, 0, said)
        self.assertIn("unencrypted", said)

    def test_keys_that_open_nothing_are_told(self):
        with daemons.Daemon('[auth]\nkeys = "{folder}/keys"\n[tenants.a]\n[tenants.b]\n') as daemon:
            key = daemon.keys("create", "--tenant", "c")
            done = subprocess.run([daemons.DAEMON, "--check", "--config", daemon.config],
                                  capture_output=True, text=True, check=True)
            self.assertIn(f'key {id_of(key)} is for the tenant "c"', done.stderr)

    def test_what_is_wrong_with_the_configuration_is_told(self):
        for config, word in (('[auth]\nkeys = "keys"\n', "absolute"),
                             ('[auth]\nnone = "x"\n', "unknown key"),
                             ('[tls]\nclient_ca = "/x"\n', "needs cert"),
                             ('[auth.certificates.x]\ntenant = "a"\n', "either subject or name"),
                             ('[tenants.A]\n', "a name is"),
                             ('[tenants.a]\nenvironments = ["None"]\n', "not the name of an environment"),
                             ('[tenants.a]\nburst = 3\n', "requests_per_second"),
                             ('[tenants.a]\ncpu_weight = 0\n', "at least 1")):
            status, said = self.check(config)
            self.assertEqual(status, 2, config)
            self.assertIn(word, said)

    def test_a_key_file_that_others_could_have_written(self):
        config = '[auth]\nkeys = "{folder}/keys"\n[tenants.a]\n'
        with daemons.Daemon(config) as daemon:
            daemon.keys("create", "--tenant", "a")
            daemon.terminate()
            os.chmod(f"{daemon.folder}/keys", 0o666)
            daemon.start(wait=False)
            self.assertEqual(daemon.wait(), 1)
            self.assertIn("can be written by other users", daemon.log())


class Certificates(unittest.TestCase):
    """Clients that show a certificate instead of a key."""

    CONFIG = """
[tls]
cert = "{folder}/server.pem"
key = "{folder}/server.key"
client_ca = "{folder}/ca.pem"
[auth.certificates.web]
subject = "CN=web,O=Example"
tenant = "web"
[auth.certificates.ops]
name = "uri:spiffe://example/ops"
tenant = "ops"
role = "admin"
[tenants.web]
[tenants.ops]
"""

    @staticmethod
    def make(folder, name, subject, signer=None, extension=None):
        """Makes a key and a certificate."""
        order = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-days", "2", "-subj", subject, "-keyout", f"{folder}/{name}.key",
                 "-out", f"{folder}/{name}.pem"]
        if signer:
            order += ["-CA", f"{folder}/{signer}.pem", "-CAkey", f"{folder}/{signer}.key",
                      "-addext", "basicConstraints=critical,CA:FALSE"]
        if extension:
            order += ["-addext", extension]
        subprocess.run(order, check=True, capture_output=True)

    def prepare(self, daemon):
        """Makes all certificates."""
        folder = daemon.folder
        self.make(folder, "ca", "/CN=the ca")
        self.make(folder, "evil", "/CN=the ca")
        self.make(folder, "server", "/CN=localhost", "ca", "subjectAltName=IP:127.0.0.1")
        self.make(folder, "web", "/O=Example/CN=web", "ca")
        self.make(folder, "ops", "/CN=whatever", "ca", "subjectAltName=URI:spiffe://example/ops")
        self.make(folder, "stray", "/O=Example/CN=stray", "ca")
        self.make(folder, "forged", "/O=Example/CN=web", "evil")

    def ask(self, daemon, name):
        """Asks for the sessions with that certificate and returns status and body."""
        context = ssl.create_default_context(cafile=f"{daemon.folder}/ca.pem")
        if name:
            context.load_cert_chain(f"{daemon.folder}/{name}.pem", f"{daemon.folder}/{name}.key")
        with http_api.Client(lambda: http.client.HTTPSConnection(
                *daemon.address, timeout=waiting.WATCHDOG, context=context)) as client:
            status, _, body = client.request(
                "POST", "/vivarium.v1.SessionService/CreateSession",
                json.dumps({"name": name or "none"}), {"content-type": "application/json"})
        return status, json.loads(body)

    def test_a_certificate_stands_for_a_tenant(self):
        with daemons.Daemon(self.CONFIG, listen=["https://127.0.0.1:0"], wait=False) as daemon:
            daemon.wait()  # the certificates are not there yet
            self.prepare(daemon)
            daemon.start(wait=False)
            daemon.wait_for_port()
            self.assertEqual(self.ask(daemon, "web")[0], 200)
            self.assertEqual(self.ask(daemon, "ops")[0], 200)
            self.assertEqual(self.ask(daemon, None)[0], 401)
            self.assertEqual(self.ask(daemon, "stray")[0], 401)
            with self.assertRaises((ssl.SSLError, ConnectionError, http.client.BadStatusLine)):
                self.ask(daemon, "forged")
