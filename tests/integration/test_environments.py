# SPDX-License-Identifier: Apache-2.0
"""Environments that are declared, locked and built, from wheels that the tests make."""

import os
import shutil
import subprocess
import unittest

from vivarium_testing import processes, waiting, wheels
from vivarium_testing.environments import SERVICE, SLOW_SETUP, EnvironmentCase



def another_python(folder):
    """Another CPython 3.11 or newer: one of the machine's, else the usual one installed in a folder."""
    code = "import sys; print(sys.executable if sys.version_info >= (3, 11) else '')"
    for path in ("/usr/local/bin/python3", shutil.which("python3") or ""):
        if not os.access(path, os.X_OK) or os.path.realpath(path) == os.path.realpath("/usr/bin/python3"):
            continue
        done = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
        if found := done.stdout.strip():
            return found
    os.makedirs(f"{folder}/bin")
    os.mkdir(f"{folder}/lib")
    name = os.path.basename(os.path.realpath("/usr/bin/python3"))
    shutil.copy("/usr/bin/python3", f"{folder}/bin/python3")
    os.symlink(f"/usr/lib/{name}", f"{folder}/lib/{name}")
    return f"{folder}/bin/python3"


class Building(EnvironmentCase):
    """By the local tenant, who is an administrator."""

    more_config = '[environments.declared]\nrequirements = ["beta"]\npreload = ["beta"]\n'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.daemon.client() as client:
            cls.wait_for_the_configured(client)

    @staticmethod
    def wait_for_the_configured(client):
        """What the configuration wants built is built, before anybody takes stock."""
        waiting.wait_for(lambda: client.call(SERVICE + "GetEnvironment", {"name": "declared"})[
            "environment"]["state"] == "ENVIRONMENT_STATE_READY", "the build")

    @classmethod
    def make_wheels(cls):
        super().make_wheels()
        wheels.wheel(cls.wheels, "needy", requires=["nowhere>=2"])
        wheels.wheel(cls.wheels, "foreign", tag="cp39-cp39-win_amd64")
        wheels.sdist(cls.wheels, "broken")
        cls.started, cls.release = f"{cls.top}/started", f"{cls.top}/release"
        wheels.sdist(cls.wheels, "slow", setup=SLOW_SETUP.format(started=cls.started, release=cls.release))

    def test_build_lock_use_and_build_again(self):
        """What was built is used, told, and built from its lock to the same id."""
        self.register("mine", requirements=["alpha[more]"], preload=["alpha"],
                      init="greeting = 'hello'", environmentVariables={"COLOUR": "blue"})
        self.assertEqual(self.get("mine")["state"], "ENVIRONMENT_STATE_DECLARED")
        self.refused("failed_precondition", "SessionService/CreateSession", {"environment": "mine"})
        lines, made = self.build("mine")
        self.assertTrue(any("Successfully installed" in line for line in lines), lines)
        self.assertEqual(made["state"], "ENVIRONMENT_STATE_READY")
        self.assertEqual([(p["name"], p["version"]) for p in made["packages"]],
                         [("alpha", "1.0"), ("beta", "1.5"), ("gamma", "2.0")])
        self.assertIn("linux-x86_64" if os.uname().machine == "x86_64" else "linux", made["platformTag"])
        self.assertIn(f"alpha==1.0 --hash=sha256:{wheels.digest(self.wheels + '/alpha-1.0-py3-none-any.whl')}",
                      made["lock"])
        session = self.session(environment="mine")
        self.assertEqual(self.client.value(
            "import sys, os, alpha, gamma\n"
            "[alpha.VERSION, gamma.VERSION, greeting, os.environ['COLOUR'], 'alpha' in sys.modules,\n"
            " sys.prefix != sys.base_prefix, any('dist-packages' in p for p in sys.path)]", session),
            ["1.0", "2.0", "hello", "blue", True, True, False])
        again = self.register("again", requirements=["alpha[more]"], lock=made["lock"])
        self.assertNotIn("id", again)
        self.assertEqual(self.build("again")[1]["id"], made["id"])
        # It is there: nothing is built unless that is asked for.
        self.assertEqual(self.build("again")[0], [])
        listed = {one["name"]: one for one in self.client.call(SERVICE + "ListEnvironments")["environments"]}
        self.assertLessEqual({"default", "data", "web", "mine", "again", "declared"}, set(listed))
        self.assertNotIn("lock", listed["mine"])
        self.assertTrue(listed["mine"]["own"])
        self.assertTrue(listed["default"]["configured"])
        self.client.call("SessionService/CloseSession", {"session": session})
        self.client.call(SERVICE + "RemoveEnvironment", {"name": "mine"})
        self.refused("not_found", "SessionService/CreateSession", {"environment": "mine"})
        self.forget("again", {})
        waiting.wait_for(lambda: len(self.folders()) <= 1, "the files of what was removed to go")

    def test_offline(self):
        """A session of it has no network, whatever its packages say."""
        self.make("offline", "beta")
        self.assertEqual(self.client.value(
            "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9), 1)\n"
            "except PermissionError as error:\n    told = 'egress' in str(error)\ntold",
            environment="offline"), True)

    def test_what_cannot_be_built(self):
        """Each says what is wrong, leaves nothing, and harms nobody."""
        before = self.folders()
        for name, requirement, texts in (
                ("source", "broken", ("broken",)), ("tag", "foreign", ("foreign",)),
                ("missing", "needy", ("nowhere",)), ("unknown", "nonesuch", ("nonesuch",))):
            with self.subTest(name):
                self.register(name, requirements=[requirement])
                error = self.build_fails(name, *texts)
                self.assertEqual(error.code, "failed_precondition")
                self.assertEqual(self.get(name)["state"], "ENVIRONMENT_STATE_FAILED")
                self.assertIn(texts[0], self.refused(
                    "failed_precondition", "SessionService/CreateSession", {"environment": name}).message)
        waiting.wait_for(lambda: self.folders() == before, "what was begun to be removed")

    def test_a_source_build_that_fails(self):
        """Allowed by an administrator it runs; what it said is in the log and the error."""
        self.register("fromsource", requirements=["broken"], allowSourceBuilds=True)
        self.build_fails("fromsource", "it does not build")

    def test_locks_that_do_not_fit(self):
        """Another hash, another platform, not a lock."""
        lock = self.make("locked", "alpha")["lock"]
        digest = wheels.digest(self.wheels + "/beta-1.5-py3-none-any.whl")
        for name, text, words in (
                ("hash", lock.replace(digest, "0" * 64), "HASHES"),
                ("platform", lock.replace("linux", "plan9"), "was made for the platform plan9"),
                ("version", lock.replace("beta==1.5", "beta==1.4"), "beta==1.4"),
                ("none", "hello", "does not begin with")):
            with self.subTest(name):
                self.register(name, requirements=["alpha"], lock=text)
                self.build_fails(name, words)

    def test_pyproject(self):
        """Its dependencies, its optional ones, the Python that it requires; a uv.lock beside it."""
        project = ('[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.11"\n'
                   'dependencies = ["beta"]\n[project.optional-dependencies]\nextra = ["gamma"]\n')
        digest = wheels.digest(self.wheels + "/beta-1.5-py3-none-any.whl")
        lock = ('version = 1\n[[package]]\nname = "beta"\nversion = "1.5"\n'
                'source = { registry = "https://example.org/simple" }\n'
                f'wheels = [{{ url = "https://example.org/b.whl", hash = "sha256:{digest}" }}]\n'
                '[[package]]\nname = "x"\nversion = "1"\nsource = { virtual = "." }\n')
        self.register("project", pyproject=project, lock=lock)
        self.assertEqual([p["name"] for p in self.build("project")[1]["packages"]], ["beta"])
        self.register("project", pyproject=project, lock=lock.replace(digest, "1" * 64), force=True)
        self.build_fails("project", "has not the hash that is locked")
        self.register("project", pyproject=project, extras=["extra"], force=True)
        self.assertEqual([p["name"] for p in self.build("project")[1]["packages"]], ["beta", "gamma"])
        for text, extras, words in ((project, ["other"], "no optional dependencies 'other'"),
                                    (project.replace(">=3.11", ">=4"), [], "requires python >=4"),
                                    ("[x]", [], "no readable [project]"),
                                    (project.replace('"beta"', '"beta @ file:///etc/passwd"'), [],
                                     "not a plain requirement")):
            with self.subTest(words):
                self.register("project", pyproject=text, extras=extras, force=True)
                self.build_fails("project", words)

    def test_verify(self):
        """Tells what is missing, and installs nothing."""
        self.make("checked", "alpha")
        def verify(name="checked", **fields):
            answer = self.client.call(SERVICE + "VerifyEnvironment", {"name": name, **fields})
            return answer.get("satisfied", False), [
                (one["requirement"], one.get("satisfied", False), one.get("found", ""),
                 one.get("problem", "")) for one in answer.get("checks", ())]
        self.assertEqual(verify(), (True, [("alpha", True, "1.0", "")]))
        self.assertEqual(
            verify(requirements=["alpha[more]", "beta==2", "alpha[odd]", "zeta",
                                 "beta; python_version < '3'"],
                   stdlibModules=["json", "numpy"]),
            (False, [
                ("alpha[more]", False, "1.0", "gamma is not installed, which alpha[more] needs"),
                ("beta==2", False, "1.5", "beta 1.5 is installed, not ==2"),
                ("alpha[odd]", False, "1.0", "alpha 1.0 has no extra 'odd'"),
                ("zeta", False, "", "zeta is not installed"),
                ("beta; python_version < '3'", True, "", ""),
                ("json", True, ".".join(self.get("checked")["pythonVersion"].split(".")), ""),
                ("numpy", False, "", "numpy is not a module of the standard library")]))
        self.assertTrue(verify("default", requirements=["numpy>=1", "pandas"], stdlibModules=["os.path"])[0])
        self.refused("invalid_argument", SERVICE + "VerifyEnvironment",
                     {"name": "default", "requirements": ["-r /etc/passwd"]})

    def test_of_the_configuration(self):
        """Built when the daemon starts; it cannot be removed."""
        self.assertEqual([p["name"] for p in self.get("declared")["packages"]], ["beta"])
        self.refused("failed_precondition", SERVICE + "RemoveEnvironment", {"name": "declared"})
        self.refused("failed_precondition", SERVICE + "RemoveEnvironment", {"name": "default"})
        self.refused("already_exists", SERVICE + "RegisterEnvironment", {
            "name": "default", "spec": {"requirements": ["beta"]}, "forAll": True, "force": True})

    def test_declarations_that_are_wrong(self):
        """Refused before anything is built."""
        self.make("taken", "beta")
        for spec, words in (({}, "exactly one of"),
                            ({"requirements": ["beta"], "pyproject": "[project]"}, "exclude"),
                            ({"interpreter": "/usr/bin/python3", "requirements": ["beta"]}, "exactly one"),
                            ({"interpreter": "python3"}, "absolute"),
                            ({"requirements": ["--index-url=http://x"]}, "plain requirement"),
                            ({"requirements": ["x @ https://example.org/x.whl"]}, "plain requirement"),
                            ({"requirements": ["beta"], "preload": ["os; evil()"]}, "name of a module"),
                            ({"requirements": ["beta"], "indexUrl": "file:///etc"}, "https://"),
                            ({"requirements": ["beta"], "importPaths": ["/etc"]}, "import_paths")):
            with self.subTest(spec):
                error = self.refused("invalid_argument", SERVICE + "RegisterEnvironment",
                                     {"name": "wrong", "spec": spec})
                self.assertIn(words, error.message)
        for name, code in (("Taken!", "invalid_argument"), ("taken", "already_exists")):
            self.refused(code, SERVICE + "RegisterEnvironment",
                         {"name": name, "spec": {"requirements": ["beta"]}})
        self.refused("failed_precondition", SERVICE + "RegisterEnvironment",
                     {"name": "not", "spec": {"interpreter": "/usr/bin/true"}})

    def test_interpreters_and_virtual_environments(self):
        """Are there as they are; with directories to import from."""
        venv, modules = f"{self.top}/venv", f"{self.top}/modules"
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", venv], check=True)
        os.makedirs(modules)
        with open(f"{modules}/ours.py", "w", encoding="ascii") as file:
            file.write("NAME = 'ours'\n")
        self.assertEqual(self.register("plain", interpreter="/usr/bin/python3", importPaths=[modules],
                                       preload=["ours"])["state"], "ENVIRONMENT_STATE_READY")
        made = self.register("made", virtualEnvironment=venv)
        self.assertEqual(made["python"], f"{venv}/bin/python3")
        self.assertEqual(self.client.value("import ours, sys\n[ours.NAME, sys.path[1]]", environment="plain"),
                         ["ours", modules])
        self.assertEqual(self.client.value("import sys\nsys.prefix", environment="made"), venv)

    def test_several_pythons_side_by_side(self):
        """Another CPython runs beside the first, with packages of its own."""
        other = another_python(f"{self.top}/python")
        made = self.make("other", "beta", python=other)
        first = self.make("first", "beta")
        for name, built, base in (("other", made, os.path.dirname(os.path.dirname(other))),
                                  ("first", first, "/usr")):
            self.assertEqual(self.client.value(
                "import sys, beta\n"
                "['.'.join(map(str, sys.version_info[:3])), beta.VERSION, sys.base_prefix]",
                environment=name), [built["pythonVersion"], "1.5", base])
        self.assertEqual(made["id"] == first["id"], made["pythonVersion"] == first["pythonVersion"])

    def test_a_client_that_leaves(self):
        """Ends its build; nothing is left of it."""
        before = self.folders()
        self.register("slow", requirements=["slow"], allowSourceBuilds=True)
        leaver = self.daemon.client()
        stream = leaver.messages(SERVICE + "BuildEnvironment", {"name": "slow"})
        next(stream)
        waiting.wait_for(lambda: os.path.exists(self.started), "the build to be under way")
        self.assertEqual(self.get("slow")["state"], "ENVIRONMENT_STATE_BUILDING")
        below = processes.descendants(self.daemon.pid)
        tool = [one for pid, one in below.items() if "environment_tool" in command_of(pid)]
        self.assertTrue(tool)
        stream.close()
        leaver.close()
        waiting.wait_for(lambda: not any(processes.alive(one) for one in tool), "the end of the build")
        waiting.wait_for(lambda: self.get("slow")["state"] == "ENVIRONMENT_STATE_DECLARED", "its state")
        waiting.wait_for(lambda: self.folders() == before, "its files to go")
        os.remove(self.started)

    def test_replaced_while_it_is_used(self):
        """Sessions of the old one go on; new ones are of the new one; then the old one's files go."""
        self.make("changing", "beta")
        session = self.session(environment="changing")
        self.assertEqual(self.client.value("import beta\nbeta.VERSION", session), "1.5")
        self.register("changing", requirements=["gamma"], force=True)
        self.build("changing")
        folders = self.folders()
        self.assertEqual(self.client.value("import importlib\nimportlib.reload(beta).VERSION", session), "1.5")
        self.assertEqual(self.client.value("import gamma\ngamma.VERSION", environment="changing"), "2.0")
        self.client.call("SessionService/CloseSession", {"session": session})
        waiting.wait_for(lambda: len(self.folders()) < len(folders), "the old one's files to go")


class Restarting(EnvironmentCase):
    """What is kept when the daemon stops, however it does."""

    watched = False

    @classmethod
    def make_wheels(cls):
        super().make_wheels()
        cls.started = f"{cls.top}/started"
        wheels.sdist(cls.wheels, "slow", setup=SLOW_SETUP.format(started=cls.started,
                                                                release=f"{cls.top}/never"))

    def test_restarts(self):
        """A built one survives; a daemon that is killed in the middle of a build leaves no process, and
        the next one nothing of the build."""
        made = self.make("kept", "beta")
        self.register("slow", requirements=["slow"], allowSourceBuilds=True)
        leaver = self.daemon.client()
        self.addCleanup(leaver.close)
        next(leaver.messages(SERVICE + "BuildEnvironment", {"name": "slow"}))
        waiting.wait_for(lambda: os.path.exists(self.started), "the build to be under way")
        self.assertEqual(len(self.folders()), 2)
        for process in self.daemon.kill():
            waiting.wait_for(lambda p=process: not processes.alive(p), f"the end of {process}")
        self.client.close()
        self.daemon.start()
        self.client = self.daemon.client()
        self.assertEqual(len(self.folders()), 1)
        self.assertEqual(self.get("kept"), made)
        self.assertEqual(self.get("slow")["state"], "ENVIRONMENT_STATE_DECLARED")
        self.assertEqual(self.client.value("import beta\nbeta.VERSION", environment="kept"), "1.5")


def command_of(pid):
    """The command line of a process, "" when it has gone."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


if __name__ == "__main__":
    unittest.main()
