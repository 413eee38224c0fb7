# SPDX-License-Identifier: Apache-2.0
"""Whose environments are whose, where their code runs, and the command that builds them."""

import os
import subprocess
import unittest

from vivarium_testing import daemon as daemons, waiting, wheels
from vivarium_testing.environments import SERVICE, EnvironmentCase

# Runs when an interpreter of the environment starts, or its module is imported; says who it is then.
SPY = "import os; open(os.path.join({folder!r}, 'spy'), 'a').write(str(os.getuid()))\n"


class Tenants(EnvironmentCase):
    """Some may register, some may not, and an administrator registers for all."""

    watched = False  # Several tenants have pools of their own, which come with their first session.

    @classmethod
    def setUpClass(cls):
        cls.more_config = ('[auth]\nkeys = "{folder}/keys"\n[tenants.maker]\nregister_environments = true\n'
                           '[tenants.other]\nregister_environments = true\n'
                           '[tenants.plain]\nenvironments = ["default", "common"]\n[tenants.operator]\n')
        super().setUpClass()
        cls.keys = {name: cls.daemon.keys("create", "--tenant", name)
                    for name in ("maker", "other", "plain")}
        cls.keys["operator"] = cls.daemon.keys("create", "--tenant", "operator", "--role", "admin")

    @classmethod
    def make_wheels(cls):
        super().make_wheels()
        spy = SPY.format(folder=cls.top)
        wheels.wheel(cls.wheels, "spy", files={
            "spy.py": "import os\nWHO = os.getuid()\n" + spy, "spy.pth": spy.replace("\n", "")})

    def setUp(self):
        self.of = {name: self.daemon.client(key) for name, key in self.keys.items()}
        for client in self.of.values():
            self.addCleanup(client.close)
        super().setUp()

    def test_code_of_a_tenant_runs_in_its_sessions_only(self):
        """Neither the daemon nor a zygote runs any of it, at no time: a session enters the environment once
        it is sealed."""
        maker = self.of["maker"]
        made = self.make("mine", "spy", "alpha", client=maker, preload=["spy"])
        self.assertTrue(made["own"])
        told = maker.value("import sys\n['spy' in sys.modules, sys.prefix, __import__('alpha').VERSION,\n"
                           " any('dist-packages' in path for path in sys.path)]", environment="mine")
        self.assertEqual([told[0], *told[2:]], [True, "1.0", False])
        self.assertIn("/venv", told[1])
        # It could have written where the daemon and its tool could: nothing did.
        self.assertFalse([name for name in os.listdir(self.top) if name == "spy"])
        uids = {maker.value("import spy, os\n[spy.WHO, os.getuid(), os.access(spy.__file__, os.W_OK)]",
                            environment="mine")[2] for _ in range(2)}
        self.assertEqual(uids, {False})

    def test_visible_to_its_own_tenant_only(self):
        """For others it is like one that does not exist; the same name may be another's."""
        maker, other = self.of["maker"], self.of["other"]
        self.make("private", "beta", client=maker)
        for method in ("GetEnvironment", "BuildEnvironment", "RemoveEnvironment", "VerifyEnvironment"):
            codes = []
            for name in ("private", "nonesuch"):
                with self.assertRaises(Exception) as caught:
                    if method == "BuildEnvironment":
                        self.build(name, other)
                    else:
                        other.call(SERVICE + method, {"name": name})
                codes.append((caught.exception.code, caught.exception.message.replace(name, "X")))
            self.assertEqual(*codes)
        self.assertNotIn("private", [one["name"] for one in other.call(SERVICE + "ListEnvironments")["environments"]])
        with self.assertRaises(Exception) as caught:
            other.create(environment="private")
        self.assertEqual(caught.exception.code, "not_found")
        self.make("private", "gamma", client=other)
        self.assertEqual(other.value("import gamma\ngamma.VERSION", environment="private"), "2.0")
        self.assertEqual(maker.value("import beta\nbeta.VERSION", environment="private"), "1.5")

    def test_who_may_what(self):
        """Without the permission nothing; with it only what stays within the tenant."""
        for client, spec, more, words in (
                ("plain", {"requirements": ["beta"]}, {}, "register_environments"),
                ("maker", {"interpreter": "/usr/bin/python3"}, {}, "`interpreter` needs a key with the role admin"),
                ("maker", {"virtualEnvironment": "/srv"}, {}, "`virtual_environment`"),
                ("maker", {"requirements": ["beta"], "python": "/usr/bin/python3"}, {}, "`python`"),
                ("maker", {"requirements": ["beta"], "indexUrl": "http://10.0.0.1/"}, {}, "`index_url`"),
                ("maker", {"requirements": ["beta"], "wheelDirectory": "/root"}, {}, "`wheel_directory`"),
                ("maker", {"requirements": ["beta"], "allowSourceBuilds": True}, {}, "`allow_source_builds`"),
                ("maker", {"requirements": ["beta"], "importPaths": ["/srv"]}, {}, "`import_paths`"),
                ("maker", {"requirements": ["beta"]}, {"forAll": True}, "`for_all`")):
            with self.subTest(words), self.assertRaises(Exception) as caught:
                self.of[client].call(SERVICE + "RegisterEnvironment", {"name": "x", "spec": spec, **more})
            self.assertEqual(caught.exception.code, "permission_denied")
            self.assertIn(words, caught.exception.message)

    def test_for_all(self):
        """An administrator's is everybody's who may use environments of that name, and nobody else's to build."""
        operator = self.of["operator"]
        for name in ("common", "closed"):
            self.register(name, operator, for_all=True, requirements=["beta"], preload=["beta"])
            self.build(name, operator)
        self.assertEqual(self.of["plain"].value("import sys\n'beta' in sys.modules", environment="common"), True)
        with self.assertRaises(Exception) as caught:
            self.of["plain"].create(environment="closed")
        self.assertEqual(caught.exception.code, "not_found")
        with self.assertRaises(Exception) as caught:
            self.build("common", self.of["maker"], force=True)
        self.assertEqual(caught.exception.code, "permission_denied")

    def test_too_many(self):
        """A tenant has at most sixteen; the seventeenth is told so."""
        maker = self.of["maker"]
        for number in range(16):
            self.register(f"n{number}", maker, requirements=["beta"])
        with self.assertRaises(Exception) as caught:
            maker.call(SERVICE + "RegisterEnvironment", {"name": "n16", "spec": {"requirements": ["beta"]}})
        self.assertEqual(caught.exception.code, "resource_exhausted")
        self.register("n3", maker, force=True, requirements=["gamma"])


class Command(EnvironmentCase):
    """`vivarium env`."""

    watched = False

    def command(self, *arguments, status=0):
        """Runs it and returns what it printed."""
        done = subprocess.run([daemons.COMMAND, "--server", self.daemon.url, "env", *arguments],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
                              env=daemons.command_environment(self.daemon.folder), timeout=waiting.WATCHDOG)
        self.assertEqual(done.returncode, status, done)
        return done.stdout, done.stderr

    def test_build_verify_show_and_remove(self):
        """From a file of requirements; the log on stderr, the environment or its lock on stdout."""
        path = f"{self.top}/requirements.txt"
        with open(path, "w", encoding="ascii") as file:
            file.write("# what we need\nalpha[more]>=1  # and its extra\n\nbeta\n")
        out, log = self.command("build", "mine", "-r", path, "--preload", "alpha")
        self.assertIn("Successfully installed", log)
        self.assertIn("state     ready\n", out)
        self.assertIn("package   gamma 2.0\n", out)
        lock = self.command("show", "mine", "--show-lock")[0]
        with open(f"{self.top}/lock", "w", encoding="ascii") as file:
            file.write(lock)
        self.assertEqual(self.command("build", "second", "--require", "alpha[more]", "--lock",
                                      f"{self.top}/lock", "--show-lock")[0], lock)
        self.assertEqual(self.command("verify", "mine")[0], "ok        alpha[more]>=1: 1.0\nok        beta: 1.5\n")
        self.assertEqual(self.command("verify", "mine", "--require", "zeta", "--stdlib", "json", status=1)[0]
                         .splitlines()[0], "MISSING   zeta: zeta is not installed")
        listed = self.command("list")[0].splitlines()
        self.assertEqual([line.split()[:3] for line in listed if line.startswith("mine")],
                         [["mine", "ready", "tenant"]])
        self.command("remove", "mine")
        self.command("remove", "second")
        self.assertIn("there is no environment 'mine'", self.command("show", "mine", status=2)[1])
        self.assertIn("nonesuch", self.command("build", "third", "--require", "nonesuch", status=2)[1])


if __name__ == "__main__":
    unittest.main()
