# SPDX-License-Identifier: Apache-2.0
"""Circuit breakers: what does not start is refused at once for a while, and nobody else notices."""

import concurrent.futures
import json
import os
import shutil
import tempfile
import unittest

from vivarium_testing import bystander, http_api, tenants, waiting

EXIT = {"init": {"source": "import os\nos._exit(3)"}}
CRASH = "import ctypes\nctypes.string_at(0)"


class BreakerCase(tenants.TenantCase):
    """What the tests of breakers share."""

    @classmethod
    def setUpClass(cls):
        """An environment whose module is not there yet, and one whose start depends on a file."""
        cls.top = tempfile.mkdtemp(prefix="vivarium-breaker-", dir="/var/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.top)
        os.chmod(cls.top, 0o755)
        os.mkdir(f"{cls.top}/modules", 0o755)
        cls.more_config = f"""
[breaker]
failures = 3
open = "{waiting.scaled(1500)}ms"
[environments.absent]
import_paths = ["{cls.top}/modules"]
preload = ["module_of_the_breaker"]
eager = false
[environments.moody]
eager = false
init = "import os\\nif os.path.exists('{cls.top}/bad'): raise RuntimeError('in a bad mood')"
[environments.moody.dirs]
"{cls.top}" = "read"
[audit]
file = "{cls.top}/audit"
"""
        super().setUpClass()

    def setUp(self):
        """Circuits of other tests are closed."""
        super().setUp()
        self.a, self.b = self.of["a"], self.of["b"]
        # A session of each, which goes on whatever happens.
        self.kept = self.session_of("a")
        self.a.value("x = 1", self.kept)

    def create(self, client=None, **fields):
        """Tries to create a session; returns its id, which is closed, or the error."""
        client = client or self.a
        try:
            session = client.create(**fields)
            client.call("SessionService/CloseSession", {"session": session})
            return session
        except http_api.ApiError as error:
            return error

    def codes(self, times, **fields):
        """Tries so often, and returns the detail's codes; "" for one that worked."""
        made = [self.create(**fields) for _ in range(times)]
        return [http_api.detail_of(one)["code"] if isinstance(one, http_api.ApiError) else ""
                for one in made]

    def state(self, layer, tenant="a", environment="default"):
        """Returns what the metric says of a circuit."""
        with self.daemon.client() as client:
            states = bystander.labelled(client, "vivarium_circuit_state")
        for labels, value in states.items():
            if all(f'{k}="{v}"' in labels for k, v in (
                    ("layer", layer), ("tenant", tenant), ("environment", environment))):
                return value
        return None

    def again(self, **fields):
        """Waits until sessions start again, and have done something."""
        def works():
            made = self.create(**fields)
            return made if not isinstance(made, http_api.ApiError) else None
        waiting.wait_for(works, "a closed circuit")
        self.assertEqual(self.a.value("1", **{k: v for k, v in fields.items() if k != "init"}), 1)

    def assert_open(self, error, environment):
        """It says what, why, how often, and when to come again."""
        self.assertIsInstance(error, http_api.ApiError)
        self.assertEqual(error.code, "unavailable", error)
        detail = http_api.detail_of(error)
        self.assertEqual(detail["code"], "circuit_open")
        self.assertEqual(detail["quota"]["name"], "circuit")
        self.assertGreaterEqual(int(detail["quota"]["current"]), 3)
        self.assertEqual(detail["quota"]["maximum"], "3")
        self.assertGreater(int(detail["quota"]["retryAfterMs"]), 0)
        self.assertIn(f"environment '{environment}' has failed to start", error.message)
        self.assertIn("breaker.open", error.message)

    def audited(self, event):
        """Returns the events of that name."""
        with open(f"{self.top}/audit", encoding="utf-8") as file:
            return [one for one in map(json.loads, file) if one["event"] == event]


class Breakers(BreakerCase):
    """Two tenants, one of which has bad luck."""

    @classmethod
    def setUpClass(cls):
        """Has all zygotes before anybody takes stock."""
        super().setUpClass()
        with cls.daemon.client(cls.keys["a"]) as client:
            client.value("1", environment="moody")

    def test_sessions_that_die_at_their_start(self):
        """Refused in every protocol, for that tenant and environment only, until one starts."""
        self.assertNotIn("", self.codes(3, **EXIT))
        refused = self.create()
        self.assert_open(refused, "default")
        self.assertIn("exited with code 3", refused.message)
        status, headers, _ = self.a.request(
            "POST", "/vivarium.v1.SessionService/CreateSession", b"{}",
            {"content-type": "application/json"})
        self.assertEqual(status, 503)
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        with self.assertRaises(http_api.ApiError) as caught:
            self.a.eval("1")
        self.assert_open(caught.exception, "default")
        name, failure = self.socket_of(self.keys["a"]).ask(eval={"source": "1"})
        self.assertEqual((name, failure["detail"]["code"]), ("error", "circuit_open"))
        # What lives goes on, other environments and tenants have noticed nothing.
        self.assertEqual(self.a.value("x", self.kept), 1)
        self.assertEqual(self.codes(1, environment="moody"), [""])
        self.assertEqual(self.b.value("1"), 1)
        self.assertEqual(self.state("session"), 2)
        self.assertIsNone(self.state("session", "b"))
        self.assertEqual(self.audited("circuit_opened")[-1]["tenant"], "a")
        self.assertIn("have failed to start", self.daemon.log())
        self.again()
        self.assertEqual(self.state("session"), 0)
        self.assertEqual(self.audited("circuit_closed")[-1]["layer"], "session")

    def test_one_tries_while_others_wait(self):
        """Once the time is over: one session at a time, until one has started."""
        self.codes(3, **EXIT)
        self.assert_open(self.create(), "default")
        slow = {"init": {"source": "import time\ntime.sleep(600)"}, "startAsync": True}

        def probe():
            try:
                return self.a.create(**slow)
            except http_api.ApiError:
                return None
        session = waiting.wait_for(probe, "a place to try")
        self.assert_open(self.create(), "default")
        self.assertEqual(self.state("session"), 1)
        # It leaves without a word: the next may try.
        self.a.call("SessionService/CloseSession", {"session": session})
        waiting.wait_for(lambda: not isinstance(self.create(), http_api.ApiError), "the next")
        self.assertEqual(self.state("session"), 0)
        # One more failure opens it at once, since nothing has proved that all is well.
        self.codes(1, **EXIT)
        self.assertEqual(self.state("session"), 2)
        self.again()

    def test_what_is_nobodys_fault(self):
        """Crashes of a client's code, errors in its own init script, sessions that it closes."""
        for _ in range(4):
            self.assert_lost(self.a.eval(CRASH))
            with self.a_session() as session:
                self.assert_lost(self.a.eval(CRASH, session))
        self.codes(4, init={"source": "1/0"})
        for _ in range(4):
            self.a.call("SessionService/CloseSession", {"session": self.a.create(startAsync=True)})
        self.assertEqual(self.codes(1), [""])
        self.assertEqual(self.state("session") or 0, 0)

    def test_what_has_run_proves_its_session(self):
        """Also where its files are looked at before its verdict; what then ends it is its own."""
        later = "import os, threading\nthreading.Timer(0.5, os._exit, (3,)).start()"
        for _ in range(4):
            with self.a_session() as session:
                self.a.eval(later, session, trackFiles=True)

                def is_lost(of=session):
                    told = self.a.call("SessionService/GetSession", {"session": of})["session"]
                    return "cause" in told
                waiting.wait_for(is_lost, "the end of an idle session")
        self.assertEqual(self.codes(1), [""])
        self.assertEqual(self.state("session") or 0, 0)

    def a_session(self):
        """A session of a for a block."""
        case = self

        class Scope:
            """Closes it."""

            def __enter__(self):
                self.id = case.a.create()
                return self.id

            def __exit__(self, *_):
                case.a.call("SessionService/CloseSession", {"session": self.id})
        return Scope()

    def test_an_environment_that_fails_by_itself(self):
        """Its own init script counts, for each session of it."""
        self.again(environment="moody")
        with open(f"{self.top}/bad", "w", encoding="ascii"):
            pass
        try:
            self.codes(3, environment="moody")
            refused = self.create(environment="moody")
            self.assert_open(refused, "moody")
            self.assertIn("in a bad mood", refused.message)
        finally:
            os.remove(f"{self.top}/bad")
        self.again(environment="moody")


class NoZygote(BreakerCase):
    """An environment that cannot start at all."""

    watched = False  # It starts a pool, which stays.

    def test_an_environment_without_a_zygote(self):
        """No attempt is made while it is open; once its module is there it heals by itself."""
        def opened():
            made = self.create(environment="absent")
            self.assertIsInstance(made, http_api.ApiError)
            return made if http_api.detail_of(made)["code"] == "circuit_open" else None
        refused = waiting.wait_for(opened, "an open circuit")
        self.assert_open(refused, "absent")
        self.assertIn("module_of_the_breaker", refused.message)
        attempts = self.daemon.log().count("no zygote")
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            def many(_):
                with self.daemon.client(self.keys["a"]) as client:
                    return [self.create(client, environment="absent") for _ in range(5)]
            for made in threads.map(many, range(4)):
                self.assertTrue(all(isinstance(one, http_api.ApiError) for one in made))
        self.assertLessEqual(self.daemon.log().count("no zygote"), attempts + 4)
        self.assertEqual(self.codes(1), [""])
        with open(f"{self.top}/modules/module_of_the_breaker.py", "w", encoding="ascii"):
            pass
        self.again(environment="absent")
        waiting.wait_for(lambda: self.state("pool", environment="absent") == 0, "a closed circuit")
        self.assertEqual(self.audited("circuit_closed")[-1]["layer"], "pool")


class Bounded(tenants.TenantCase):
    """A tenant whose deadlines are bounded."""

    tenants = {"a": 'timeout = "2s"\nmax_timeout = "2s"', "b": ""}

    def test_an_init_script_is_bounded_too(self):
        """Nobody holds the place to try for longer than a deadline may be."""
        with self.assertRaises(http_api.ApiError) as caught:
            self.of["a"].create(
                init={"source": "import time\ntime.sleep(600)", "timeoutMs": "600000"})
        self.assertEqual(caught.exception.code, "deadline_exceeded")


class Off(tenants.TenantCase):
    """No breaker at all."""

    more_config = "[breaker]\nfailures = 0\n"

    def test_nobody_is_refused(self):
        """Each session fails for itself."""
        for _ in range(7):
            with self.assertRaises(http_api.ApiError) as caught:
                self.of["a"].create(**EXIT)
            self.assertNotEqual(http_api.detail_of(caught.exception)["code"], "circuit_open")
        self.assertEqual(self.of["a"].value("1"), 1)


if __name__ == "__main__":
    unittest.main()
