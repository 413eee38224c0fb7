# SPDX-License-Identifier: Apache-2.0
"""The configuration is read again while the daemon runs: what changes, what does not, what is refused."""

import datetime
import json
import os
import signal
import subprocess
import tempfile
import unittest

from vivarium_testing import daemon as daemons, http_api, waiting
from vivarium_testing.case import DaemonCase

SECRET = "hunter2-of-the-operator"


class Reloads:
    """What the classes here do with their daemon; its configuration is `base` with changes."""

    def lines(self, since=0):
        """Returns the lines of the log from there on, parsed."""
        return [json.loads(line) for line in self.daemon.log()[since:].splitlines()
                if line.startswith("{")]

    def write(self, *changes):
        """Writes the configuration: the first one, with (old, new) replaced."""
        text = self.base
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        with open(self.daemon.config, "w", encoding="utf-8") as file:
            file.write(text)

    def reload(self, *changes):
        """Writes it, has it read, and returns what the log then says: its last line, and
        {key: (before, after, effect)}."""
        self.write(*changes)
        since = len(self.daemon.log())
        self.daemon.process.send_signal(signal.SIGHUP)

        def told():
            return [line for line in self.lines(since) if line["msg"].startswith("the configuration was")]
        waiting.wait_for(told, "the reload")
        [last] = told()
        return last, {line["key"]: (line["before"], line["after"], line["effect"])
                      for line in self.lines(since) if "effect" in line}

    def metric(self, name):
        """Returns the value of a metric, with its labels if it has some."""
        with self.daemon.client() as client:
            text = client.request("GET", "/metrics")[2].decode()
        found = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.rsplit(" ", 1)[0] == name]
        self.assertEqual(len(found), 1, name)
        return float(found[0])


class Reload(Reloads, DaemonCase):
    """A daemon without keys. Its tenant is what is changed, so that there can be no bystander."""

    watched = False
    config = f"""
[log]
level = "info"
[tenants.local]
sessions = 100
[limits]
timeout = "2m"
[environments.default.environment_variables]
TOKEN = "{SECRET}"
[databases.shop]
url = "postgresql://shop:{SECRET}@localhost/shop"
"""

    @classmethod
    def setUpClass(cls):
        """Keeps the configuration as it was."""
        super().setUpClass()
        with open(cls.daemon.config, encoding="utf-8") as file:
            cls.base = file.read()

    def tearDown(self):
        """Back to the first one."""
        self.reload()
        super().tearDown()

    def test_what_has_changed_and_when(self):
        """Each key with what it was and is; what takes effect does, what does not is told again."""
        changes = (("sessions = 100", "sessions = 1\nexecutions = 7"), ('timeout = "2m"', 'timeout = "300ms"'),
                   ("ready = 2", "ready = 3"), ('level = "info"', 'level = "debug"'))
        last, keys = self.reload(*changes)
        self.assertEqual(keys, {
            "limits.timeout": ('"2m"', '"300ms"', "now"),
            "log.level": ('"info"', '"debug"', "now"),
            "pool.ready": ("2", "3", "restart"),
            "tenants.local.executions": ("no bound", "7", "now"),
            "tenants.local.sessions": ("100", "1", "now"),
        })
        self.assertEqual((last["msg"], last["changed"], last["need_restart"]),
                         ("the configuration was reloaded", 5, 1))
        self.assertEqual(self.metric("vivarium_config_changes_waiting"), 1)
        self.assertEqual(self.client.eval("while True: pass")["cause"]["cause"], "deadline")
        session = self.client.create()
        self.refused("resource_exhausted", "SessionService/CreateSession", {})
        self.client.call("SessionService/CloseSession", {"session": session})
        # What waits for a restart is told until it is taken back; the rest is as the file says.
        last, keys = self.reload(*changes)
        self.assertEqual(list(keys), ["pool.ready"])
        last, keys = self.reload()
        self.assertNotIn("pool.ready", keys)
        self.assertEqual(keys["tenants.local.executions"], ("7", "no bound", "now"))
        self.assertEqual(self.metric("vivarium_config_changes_waiting"), 0)

    def test_another_way_to_say_the_same(self):
        """Is no change: other units, what is usual anyway, another order of keys."""
        last, keys = self.reload(('timeout = "2m"', 'timeout = "120s"\nmax_timeout = "24h"'))
        self.assertEqual((keys, last["changed"]), ({}, 0))

    def test_what_is_new_is_for_new_sessions(self):
        """Those that are there go on as they are."""
        session = self.session()
        _, keys = self.reload(("[tenants.local]", '[tenants.local]\nenvironments = ["data"]'))
        self.assertEqual(keys, {"tenants.local.environments": ("all", '["data"]', "new_sessions")})
        self.assertEqual(self.client.value("6 * 7", session), 42)
        self.refused("not_found", "SessionService/CreateSession", {})

    def test_names_of_web_pages(self):
        """Origins are asked for with each request."""
        headers = {"content-type": "application/json", "origin": "https://new.example"}

        def ask():
            return self.client.request("POST", "/vivarium.v1.SessionService/ListSessions", b"{}", headers)[0]
        self.assertEqual(ask(), 403)
        self.reload(("[server]", '[server]\norigins = ["https://new.example"]'))
        self.assertEqual(ask(), 200)
        self.reload()
        self.assertEqual(ask(), 403)

    def test_secrets_are_hidden(self):
        """That one has changed is told, what it was and is not."""
        _, keys = self.reload((SECRET, "another-one"))
        self.assertEqual(keys, {
            "databases.shop.url": ("(hidden)", "(hidden)", "restart"),
            "environments.default.environment_variables.TOKEN": ("(hidden)", "(hidden)", "restart")})
        log = self.daemon.log()
        self.assertNotIn(SECRET, log)
        self.assertNotIn("another-one", log)

    def test_what_is_there_after_a_restart_only_is_not_named_yet(self):
        """A tenant keeps what it has: a route to a pool that is only configured would lead nowhere."""
        for change, named in (
                (("sessions = 100", 'sessions = 1\nroutes = { time = "fast" }\n[pools.fast]'),
                 "tenants.local.routes.time: the pool 'fast'"),
                (("sessions = 100", 'sessions = 1\nenvironments = ["site"]\n[environments.site]\npreload = ["json"]'),
                 "tenants.local.environments: 'site'")):
            last, keys = self.reload(change)
            self.assertEqual((last["level"], keys), ("error", {}))
            self.assertIn(f"{named} is there after a restart only", last["detail"])
        for _ in range(3):
            self.session()
        self.reload()

    def test_a_wrong_one_changes_nothing(self):
        """All of it is as it was; file, line, key and reason are told, of everything that is wrong."""
        before = self.metric("vivarium_config_last_reload_success_timestamp_seconds")
        good = ("sessions = 100", "sessions = 1")
        for text, *expected in (
                ("low = 0.5", "pool.low: must be a whole number"),
                ("colour = 1", "pool.colour: unknown key"),
                ("low = -1", "pool.low: must be at least 0"),
                ("low = 1\nidle_retire = \"soon\"\nhash_seeds = true", "pool.idle_retire: must be a duration",
                 "pool.hash_seeds: must be a whole number")):
            with self.subTest(text):
                last, keys = self.reload(good, ("low = 1", text))
                self.assertEqual((last["level"], keys), ("error", {}))
                self.assertTrue(last["msg"].startswith("the configuration was not reloaded"), last)
                with open(self.daemon.config, encoding="utf-8") as file:
                    at = next(n for n, line in enumerate(file, 1) if line == text.splitlines()[-1] + "\n")
                self.assertIn(f"{self.daemon.config}:{at}: {expected[-1]}", last["detail"])
                for one in expected:
                    self.assertIn(one, last["detail"])
                self.assertEqual(self.metric("vivarium_config_last_reload_successful"), 0)
        for _ in range(3):
            self.session()
        self.assertEqual(self.metric("vivarium_config_last_reload_success_timestamp_seconds"), before)
        self.reload()
        self.assertEqual(self.metric("vivarium_config_last_reload_successful"), 1)
        self.assertGreater(self.metric("vivarium_config_last_reload_success_timestamp_seconds"), before)

    def test_a_file_that_is_gone_or_no_text(self):
        """Changes nothing either."""
        refused = 'vivarium_config_reloads_total{outcome="refused"}'
        before = self.metric(refused)
        last, _ = self.reload(("[pool]", "[pool"))
        self.assertEqual(last["level"], "error")
        os.rename(self.daemon.config, self.daemon.config + ".away")
        since = len(self.daemon.log())
        self.daemon.process.send_signal(signal.SIGHUP)
        waiting.wait_for(lambda: "cannot be read" in self.daemon.log()[since:], "the refusal")
        self.assertEqual(self.metric(refused), before + 2)

    def test_keys_that_are_asked_for_take_a_restart(self):
        """With all that is said of tenants: they mean something else without keys."""
        _, keys = self.reload(("[tenants.local]", '[auth]\nkeys = "/var/tmp/keys"\n[tenants.shop]'))
        self.assertEqual({effect for _, _, effect in keys.values()}, {"restart"})
        self.assertIn("auth.keys", keys)
        self.assertEqual(keys["tenants.shop"], ("none", "{...}", "restart"))
        self.assertEqual(self.client.value("6 * 7"), 42)


class Certificates(Reloads, unittest.TestCase):
    """A daemon with TLS whose certificates are replaced under it."""

    config = """
[tls]
cert = "{folder}/tls.pem"
key = "{folder}/tls.key"
client_ca = "{folder}/ca.pem"
"""

    @classmethod
    def setUpClass(cls):
        """Makes certificates, then the daemon."""
        store = tempfile.TemporaryDirectory(prefix="vivarium-tls-")  # pylint: disable=consider-using-with
        cls.addClassCleanup(store.cleanup)
        cls.store = store.name
        for name, days in (("ca", 400), ("old", 300), ("new", 200), ("near", 3)):
            cls.make(name, days)
        # One day, made two days ago.
        offset = f"{cls.store}/offset"
        with open(offset, "wb") as file:
            file.write((-2 * 86400).to_bytes(8, "little", signed=True))
        library = os.path.abspath(os.path.join(daemons.BIN, "../tests/libwall_clock.so"))
        cls.make("ended", 1, {"LD_PRELOAD": library, "VIVARIUM_TEST_WALL_CLOCK": offset})
        cls.daemon = daemons.Daemon(cls.config, wait=False,
                                    listen=["127.0.0.1:0", "https://127.0.0.1:0"])
        cls.addClassCleanup(cls.daemon.destroy)
        cls.daemon.wait()  # They are not there yet.
        with open(cls.daemon.config, encoding="utf-8") as file:
            cls.base = file.read()
        cls.put("ca", "ca.pem")
        cls.put("old")
        cls.daemon.start()
        listening = [json.loads(line)["address"] for line in cls.daemon.log().splitlines()
                     if '"listening"' in line]
        cls.tls_port = int(next(a for a in listening if a.startswith("https")).rsplit(":", 1)[1])

    @classmethod
    def make(cls, name, days, variables=None):
        """Makes a certificate that signs itself."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{cls.store}/{name}.key",
                        "-out", f"{cls.store}/{name}.pem", "-subj", f"/CN={name}", "-days", str(days)],
                       check=True, capture_output=True, env={**os.environ, **(variables or {})})

    @classmethod
    def put(cls, name, certificate="tls.pem", key="tls.key", of=None):
        """Puts a certificate where the daemon looks for it, and its key."""
        for source, target in ((f"{name}.pem", certificate), (f"{of or name}.key", key)):
            fresh = f"{cls.daemon.folder}/fresh"
            with open(f"{cls.store}/{source}", "rb") as file, open(fresh, "wb") as out:
                out.write(file.read())
            os.rename(fresh, f"{cls.daemon.folder}/{target}")

    def served(self):
        """Returns the common name that a new connection is shown."""
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.tls_port}"], input=b"",
            capture_output=True, timeout=waiting.WATCHDOG, check=False)
        shown = subprocess.run(["openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253"],
                               input=done.stdout, capture_output=True, check=True)
        return shown.stdout.decode().strip().removeprefix("subject=CN=")

    def expiry(self, name):
        """Returns when a certificate ends, by openssl."""
        done = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in",
                               f"{self.store}/{name}.pem"], capture_output=True, text=True, check=True)
        text = done.stdout.strip().removeprefix("notAfter=").replace(" ", "T").replace("Z", "+00:00")
        return datetime.datetime.fromisoformat(text).timestamp()

    def tearDown(self):
        """The first one again."""
        self.put("old")
        waiting.wait_for(lambda: self.served() == "old", "the first certificate")
        self.reload()
        self.assertIsNone(self.daemon.process.poll())

    def test_when_they_expire(self):
        """Each has its date in the metrics, which a replaced one changes."""
        name = 'vivarium_certificate_expiry_timestamp_seconds{certificate="%s"}'
        self.assertEqual(self.metric(name % "server"), self.expiry("old"))
        self.assertEqual(self.metric(name % "client_ca"), self.expiry("ca"))
        self.put("new")
        waiting.wait_for(lambda: self.metric(name % "server") == self.expiry("new"), "the other date")

    def test_a_replaced_one_is_noticed(self):
        """By itself; connections that are there go on."""
        self.assertEqual(self.served(), "old")
        with self.daemon.client() as there:
            self.assertEqual(there.value("6 * 7"), 42)
            self.put("new")
            waiting.wait_for(lambda: self.served() == "new", "the other certificate")
            self.assertEqual(there.value("6 * 7"), 42)
        # Some systems keep them behind links, and change those.
        for end in ("pem", "key"):
            os.symlink(f"{self.store}/near.{end}", f"{self.daemon.folder}/fresh")
            os.rename(f"{self.daemon.folder}/fresh", f"{self.daemon.folder}/tls.{end}")
        waiting.wait_for(lambda: self.served() == "near", "the certificate behind the link")

    def test_a_broken_one_changes_nothing(self):
        """A key of another certificate, half a file, none: the old one is served, log and metric tell."""
        good = "vivarium_certificates_last_load_successful"
        for what in ("key", "half", "none"):
            with self.subTest(what):
                since = len(self.daemon.log())
                if what == "key":
                    self.put("new", of="old")
                    checked = subprocess.run([daemons.DAEMON, "--check", "--config", self.daemon.config],
                                             capture_output=True, text=True, check=True)
                    self.assertIn("warning: tls.key: ", checked.stderr)
                elif what == "half":
                    with open(f"{self.daemon.folder}/tls.pem", "r+b") as file:
                        file.truncate(100)
                else:
                    os.remove(f"{self.daemon.folder}/tls.pem")
                waiting.wait_for(lambda s=since: "cannot be used" in self.daemon.log()[s:], "the line")
                self.assertEqual(self.metric(good), 0)
                self.assertEqual(self.served(), "old")
                # A reload is refused as a whole, and names the key.
                last, keys = self.reload(("[pool]", "[log]\nlevel = \"debug\"\n[pool]"))
                self.assertEqual((last["level"], keys), ("error", {}))
                self.assertRegex(last["detail"], rf"^{self.daemon.config}:\d+: tls\.(cert|key): /")
                self.put("old")
                waiting.wait_for(lambda: self.metric(good) == 1, "the good one")

    def test_a_reload_names_others(self):
        """Other files by a reload; one that is not there refuses it."""
        changed = (f"{self.daemon.folder}/tls.pem", f"{self.store}/new.pem")
        keyed = (f"{self.daemon.folder}/tls.key", f"{self.store}/new.key")
        last, _ = self.reload(changed)
        self.assertIn("tls.key: ", last["detail"])  # Which goes with another certificate.
        self.assertEqual(self.served(), "old")
        _, keys = self.reload(changed, keyed)
        self.assertEqual({key: effect for key, (_, _, effect) in keys.items()},
                         {"tls.cert": "now", "tls.key": "now"})
        self.assertEqual(self.served(), "new")
        self.reload()
        self.assertEqual(self.served(), "old")

    def test_expired_and_about_to(self):
        """Both are told, and what is expired is served all the same: whoever shows it knows best."""
        for name, said in (("near", "expires within two weeks"), ("ended", "a certificate has expired")):
            since = len(self.daemon.log())
            self.put(name)
            waiting.wait_for(lambda s=since, t=said: t in self.daemon.log()[s:], said)
            self.assertEqual(self.served(), name)


class StateDirectory(unittest.TestCase):
    """One daemon has it."""

    def test_the_second_one_does_not_start(self):
        """It names the first one, and what to do; when that is gone, even by a kill, it starts."""
        with daemons.Daemon() as first:
            config = f'[server]\nstate_dir = "{first.folder}/kept"\n'
            with daemons.Daemon(config, wait=False) as second:
                self.assertEqual(second.wait(), 1)
                said = second.log()
                for text in (f"{first.folder}/kept", f"process {first.pid} on ", "server.state_dir"):
                    self.assertIn(text, said)
                self.assertFalse(os.path.exists(second.port_file))
                with first.client() as client:
                    self.assertEqual(client.value("6 * 7"), 42)
                first.kill()
                second.start()
                with second.client() as client:
                    self.assertEqual(client.value("6 * 7"), 42)

    def test_on_the_command_line(self):
        """It counts more than the file, and is absolute."""
        with daemons.Daemon(arguments=["--state-dir", "here"], wait=False) as daemon:
            self.assertEqual(daemon.wait(), 2)
            self.assertIn("--state-dir must be an absolute path", daemon.log())
            daemon.arguments[-1] = f"{daemon.folder}/there"
            daemon.start()
            self.assertTrue(os.path.exists(f"{daemon.folder}/there/.lock"))
            self.assertFalse(os.path.exists(f"{daemon.folder}/kept"))

    def test_one_that_cannot_be_had(self):
        """Is no reason not to start: what needs it says so."""
        with daemons.Daemon('[server]\nstate_dir = "/proc/nowhere"\n') as daemon, daemon.client() as client:
            self.assertIn("there is no state directory", daemon.log())
            self.assertEqual(client.value("6 * 7"), 42)
            with self.assertRaises(http_api.ApiError) as caught:
                client.call("VolumeService/CreateVolume", {"name": "x"})
            self.assertIn("server.state_dir", caught.exception.message)


if __name__ == "__main__":
    unittest.main()
