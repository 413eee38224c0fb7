# SPDX-License-Identifier: Apache-2.0
"""The key-value store: what code keeps there, what it is kept from, and the application's own view."""

import json
import os
import unittest

from vivarium_testing import daemon, http_api
from vivarium_testing.case import DaemonCase

STORE = {"store": {}}
CONFIG = '[store]\npath = "{folder}/store.db"\n'


class Store(DaemonCase):
    """Code that was given the store, or a part of it."""

    config = CONFIG + "value_bytes = \"64KiB\"\n"

    @classmethod
    def setUpClass(cls):
        """The file is open before anybody counts descriptors."""
        super().setUpClass()
        with cls.daemon.client() as client:
            client.call("StoreService/SetValue", {"key": "warm", "json": "1"})
            client.call("StoreService/DeleteValue", {"key": "warm"})

    def granted(self, **grant):
        """Returns a session that has the store."""
        return self.session(capabilities={"store": grant})

    def raises(self, kind, text, source, session):
        """What the code raises and says."""
        error = self.client.eval("import store\n" + source, session)["error"]
        self.assertEqual(error["type"].rpartition(".")[2], kind, error)
        self.assertIn(text, error["message"])

    def test_denied_by_default(self):
        """It can be imported; using it names the option, in every session."""
        for fields in ({}, {"capabilities": {}}, {"capabilities": {"sql": None}}):
            session = self.session(**fields)
            self.assertEqual(self.client.value("import store\nstore.__name__", session), "store")
            for what in ("store.get('a')", "store.set('a', 1)", "store.delete('a')", "store.keys()",
                         "store.scan()"):
                self.raises("PermissionError", "`capabilities.store` of CreateSession", what, session)

    def test_what_it_does(self):
        """Set, get, delete, keys, scan; JSON comes back as it went, and missing is None."""
        session = self.granted()
        self.assertEqual(self.client.value(
            "import store\n"
            "value = {'a': [1, 2.5, None, True, 'é\\n'], 'big': 2**70, '': {}}\n"
            "store.set('do:1', value)\n"
            "store.set('do:2', 'x'); store.set('do:2', 'y')\n"
            "out = [store.get('do:1') == value, store.get('do:2'), store.get('do:3'),\n"
            "  store.get('do:3', 7), store.keys('do:'), store.scan('do:', limit=1)[0][0][0],\n"
            "  store.delete('do:2'), store.delete('do:2'), store.keys('do:')]\n"
            "store.delete('do:1')\nout", session),
            [True, "y", None, 7, ["do:1", "do:2"], "do:1", True, False, ["do:1"]])

    def test_paging(self):
        """A scan goes on where it was, keys are all of them, in the order of bytes."""
        session = self.granted()
        self.assertEqual(self.client.value(
            "import store\nfor n in range(25): store.set(f'pg:{n:02}', n)\n"
            "seen, cursor, rounds = [], None, 0\n"
            "while True:\n"
            "  items, cursor = store.scan('pg:', limit=10, cursor=cursor)\n"
            "  seen += items; rounds += 1\n"
            "  if cursor is None: break\n"
            "out = [rounds, seen == [(f'pg:{n:02}', n) for n in range(25)], len(store.keys('pg:'))]\n"
            "for key in store.keys('pg:'): store.delete(key)\nout", session), [3, True, 25])

    def test_wrong_arguments(self):
        """Keys that are none, values that are no JSON, what is too large."""
        session = self.granted()
        for kind, text, what in (
                ("TypeError", "a key is a str", "store.get(1)"),
                ("TypeError", "a key is a str", "store.set(b'x', 1)"),
                ("TypeError", "not JSON serializable", "store.set('x', {1, 2})"),
                ("ValueError", "", "store.set('x', float('nan'))"),
                ("ValueError", "a key has 1 to 1024 bytes", "store.get('')"),
                ("ValueError", "a key has 1 to 1024 bytes", "store.set('x' * 1025, 1)"),
                ("ValueError", "control characters", "store.set('a\\nb', 1)"),
                ("ValueError", "limit is 1 to", "store.scan(limit=0)"),
                ("StorageError", "store.value_bytes", "store.set('x', 'v' * 70_000)")):
            with self.subTest(what):
                self.raises(kind, text, what, session)
        self.assertEqual(self.client.value("import store\nstore.set('x' * 1024, 1)\n"
                                           "store.delete('x' * 1024)", session), True)

    def test_time_to_live(self):
        """What has a time goes by itself; who reads it then finds nothing."""
        session = self.granted()
        self.assertIsNone(self.client.value(
            "import store, time\nstore.set('ttl', 1, ttl=0.05)\n"
            "while store.get('ttl') is not None: time.sleep(0.01)\nstore.get('ttl')", session))
        self.assertFalse(self.client.value("import store\nstore.delete('ttl')", session))

    def test_attenuated_by_the_session(self):
        """By prefix, keys and rights: out of scope a read looks missing and a write is refused."""
        whole = self.granted()
        self.client.value("import store\nstore.set('a:1', 1); store.set('b:1', 2)\n0", whole)
        part = self.granted(prefix="a:", rights=["STORE_RIGHT_GET", "STORE_RIGHT_LIST"])
        self.assertEqual(self.client.value(
            "import store\n[store.get('a:1'), store.get('b:1'), store.keys(), store.keys('b:')]",
            part), [1, None, ["a:1"], []])
        for what in ("store.set('a:2', 1)", "store.set('b:1', 1)", "store.delete('a:1')"):
            self.raises("PermissionError", "beyond the part of the store", what, part)
        chosen = self.granted(keys=["b:1", "z"])
        self.assertEqual(self.client.value(
            "import store\nstore.set('z', 3)\n"
            "[store.get('a:1'), store.get('b:1'), store.keys(), store.scan(limit=1)[0]]", chosen),
            [None, 2, ["b:1", "z"], [["b:1", 2]]])
        self.raises("PermissionError", "", "store.set('a:1', 1)", chosen)
        blind = self.granted(rights=["STORE_RIGHT_PUT"])
        for what in ("store.get('a:1')", "store.keys()", "store.scan()", "store.delete('z')"):
            self.raises("PermissionError", "", what, blind)
        self.client.value("for k in store.keys(): store.delete(k)\n0", whole)

    def test_views(self):
        """A view is smaller than what it is a view of, and stays so."""
        session = self.granted(prefix="v:")
        self.assertEqual(self.client.value(
            "import store\n"
            "store.set('v:a:1', 1); store.set('v:b:1', 2)\n"
            "view = store.view(prefix='v:a:', rights=('get', 'list'))\n"
            "out = [view.keys(), view.get('v:b:1'), view.view(rights=('get', 'put')).get('v:a:1')]\n"
            "for what in (lambda: view.set('v:a:2', 1), lambda: view.view(rights='put').set('v:a:2', 1),\n"
            "             lambda: view.view(prefix='v:'), lambda: store.view(prefix='w:').set('w:', 1)):\n"
            "  try: what(); out.append('done')\n"
            "  except PermissionError: out.append('refused')\n"
            "for k in store.keys(): store.delete(k)\nout", session),
            [["v:a:1"], None, 1, "refused", "refused", "refused", "refused"])

    def test_forged_calls(self):
        """Code that goes around the module meets the same refusals; nothing else answers to such names."""
        denied, part = self.session(), self.granted(prefix="a:")
        source = (
            "import vivarium\nout = []\n"
            "for name, args in (('store.get', ('k',)), ('store.set', ('b:1', '1', 0)),\n"
            "    ('store.set', ('a:1', '{', 0)), ('store.set', ('a:1', '[' * 1000, 0)),\n"
            "    ('store.set', ('a:1', 1, 0)), ('store.get', ()), ('store.get', ('k',) * 5),\n"
            "    ('store.scan', ('', '', 10**30, 1)), ('store.drop', ()), ('sql.query', (0, 'x', [], [])),\n"
            "    ('secret', ())):\n"
            "  try: out.append(repr(vivarium.call('vivarium.' + name, *args)))\n"
            "  except vivarium.HostCallError as e: out.append(e.type or type(e).__name__)\n"
            "vivarium.cast('vivarium.store.set', 'a:1', '1', 0)\nout")
        forbidden = "PermissionError"
        self.assertEqual(self.client.value(source, denied),
                         [*[forbidden] * 8, "HostNotFoundError", forbidden, "HostNotFoundError"])
        self.assertEqual(self.client.value(source, part),
                         ["None", forbidden, "ValueError", "ValueError", "TypeError", "TypeError",
                          "TypeError", "TypeError", "HostNotFoundError", forbidden,
                          "HostNotFoundError"])
        self.assertEqual(self.client.value("import store\nstore.keys()", part), [])

    def test_names_of_the_daemon_cannot_be_offered(self):
        """No client answers in the daemon's place."""
        for name in ("vivarium.store.get", "vivarium.*"):
            messages = self.client.messages("HostService/Serve", {"names": [name]})
            with self.assertRaises(http_api.ApiError) as caught:
                list(messages)
            self.assertIn("the daemon's own", caught.exception.message)

    def test_from_asyncio_and_threads(self):
        """Many at once, each with its own answer."""
        session = self.granted()
        self.assertEqual(self.client.value(
            "import store\nfrom concurrent.futures import ThreadPoolExecutor\n"
            "def one(n):\n  store.set(f't:{n}', n)\n  return store.get(f't:{n}')\n"
            "with ThreadPoolExecutor(8) as pool: out = list(pool.map(one, range(64)))\n"
            "for k in store.keys('t:'): store.delete(k)\nout == list(range(64))", session), True)

    def test_the_application(self):
        """It reads what code wrote and writes what code reads."""
        session = self.granted()
        self.client.value("import store\nstore.set('app', {'x': 1})\n0", session)
        call = self.client.call
        self.assertEqual(call("StoreService/GetValue", {"key": "app"}),
                         {"found": True, "json": '{"x":1}'})
        call("StoreService/SetValue", {"key": "app", "json": "[1, 2]"})
        self.assertEqual(self.client.value("store.get('app')", session), [1, 2])
        self.assertEqual(call("StoreService/ListKeys", {"prefix": "a", "limit": 1}), {"keys": ["app"]})
        self.assertEqual(call("StoreService/DeleteValue", {"key": "app"}), {"found": True})
        self.assertEqual(call("StoreService/GetValue", {"key": "app"}), {})
        for message, text in (({"key": "a", "json": "{"}, "not JSON"), ({"key": ""}, "a key has"),
                              ({"key": "a", "json": ""}, "not JSON")):
            self.assertIn(text, self.refused("invalid_argument", "StoreService/SetValue", message).message)

    def test_the_applications_module_goes_before(self):
        """A module of the application's by that name needs no `override`."""
        session = self.session(modules=[{"name": "store", "constants": {"here": {"integer": "7"}}}])
        self.assertEqual(self.client.value("import store\nstore.here", session), 7)
        session = self.session()
        self.client.value("open('sql.py', 'w').write('mine = 1')", session)
        self.assertEqual(self.client.value("import sql\nsql.mine", session), 1)


class Tenants(unittest.TestCase):
    """Two tenants, quotas, a restart, and a store that cannot be had."""

    CONFIG = (CONFIG + '[auth]\nkeys = "{folder}/keys"\n'
              "[tenants.one]\nstore_bytes = \"2KiB\"\nstore_keys = 5\n[tenants.two]\n")

    def test_tenants_and_quotas(self):
        """Two sessions of one tenant share, two tenants never; a full tenant is told and others are not."""
        with daemon.Daemon(self.CONFIG) as running:
            clients = {name: running.client(key=running.keys("create", "--tenant", name)) for name in ("one", "two")}
            sessions = {name: [client.create(capabilities=STORE) for _ in range(2)]
                        for name, client in clients.items()}
            one, two = clients["one"], clients["two"]
            one.value("import store\nstore.set('k', 'of one')\n0", sessions["one"][0])
            self.assertEqual(one.value("import store\nstore.get('k')", sessions["one"][1]), "of one")
            self.assertEqual(two.value("import store\n[store.get('k'), store.keys()]",
                                       sessions["two"][0]), [None, []])
            self.assertEqual(two.call("StoreService/GetValue", {"key": "k"}), {})
            for source, text in (("store.set('large', 'x' * 2048)", "store_bytes"),
                                 ("for n in range(9): store.set(str(n), 1)", "store_keys")):
                error = one.eval(source, sessions["one"][1])["error"]
                self.assertEqual(error["type"].rpartition(".")[2], "StorageError")
                self.assertIn(text, error["message"])
            # What is there can be changed and removed, and makes room.
            self.assertEqual(one.value("store.set('k', 'new')\nstore.delete('0')\nstore.set('z', 1)\n"
                                       "sorted(store.keys())", sessions["one"][1]),
                             ["1", "2", "3", "k", "z"])
            two.value("import store\nstore.set('large', 'x' * 2048)\n0", sessions["two"][0])
            for client in clients.values():
                client.close()

    def test_a_restart(self):
        """Values outlive the daemon, also one that was killed."""
        with daemon.Daemon(CONFIG) as running:
            with running.client() as client:
                session = client.create(capabilities=STORE)
                client.value("import store\nstore.set('kept', [1])\n0", session)
            running.kill()
            running.start()
            with running.client() as client:
                session = client.create(capabilities=STORE)
                self.assertEqual(client.value("import store\nstore.get('kept')", session), [1])
                self.assertEqual(os.stat(f"{running.folder}/store.db").st_mode & 0o777, 0o600)

    def test_no_store(self):
        """Off, or in a place that does not work: a StorageError that says so, and all else goes on."""
        for config, text in (('[store]\nenabled = false\n', "store.enabled"),
                             ('[store]\npath = "/proc/no/store.db"\n', "cannot be opened")):
            with daemon.Daemon(config) as running, running.client() as client:
                session = client.create(capabilities=STORE)
                error = client.eval("import store\nstore.get('a')", session)["error"]
                self.assertEqual(error["type"].rpartition(".")[2], "StorageError")
                self.assertIn(text, error["message"])
                with self.assertRaises(http_api.ApiError) as caught:
                    client.call("StoreService/GetValue", {"key": "a"})
                self.assertEqual(caught.exception.code, "unavailable")
                self.assertEqual(client.value("1 + 1", session), 2)

    def test_a_full_disk(self):
        """Writing fails with an error that says so; what is there can be read, and removing makes room."""
        with daemon.Daemon(CONFIG + 'file_bytes = "256KiB"\n') as running, running.client() as client:
            session = client.create(capabilities=STORE)
            error = client.eval("import store\nfor n in range(100): store.set(f'k{n}', 'x' * 20_000)",
                                session)["error"]
            self.assertIn("store.file_bytes is full", error["message"])
            self.assertEqual(client.value(
                "before = len(store.keys())\nstore.delete('k0')\nstore.set('small', 1)\n"
                "[before > 3, store.get('k1') == 'x' * 20_000, store.get('small')]", session),
                [True, True, 1])


class Command(unittest.TestCase):
    """`vivarium store`."""

    def test_the_command(self):
        """Sets, gets, lists and deletes."""
        with daemon.Daemon(CONFIG) as running:
            def run(*words, status=0):
                done = running.command("store", *words)
                self.assertEqual(done.returncode, status, done.stderr)
                return done.stdout
            run("set", "a:1", '{"x": 1}')
            self.assertEqual(json.loads(run("get", "a:1")), {"x": 1})
            run("set", "a:2", "2")
            self.assertEqual(run("list", "a:"), "a:1\na:2\n")
            run("delete", "a:1")
            run("get", "a:1", status=1)
            run("set", "a:1", "{", status=2)


if __name__ == "__main__":
    unittest.main()
