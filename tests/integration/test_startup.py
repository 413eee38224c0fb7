# SPDX-License-Identifier: Apache-2.0
"""Starting: the port file, the configuration, and everything that can be wrong with either."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from vivarium_testing import daemon as daemons, http_api, processes, waiting
from vivarium_testing.case import DaemonCase
from vivarium_testing.daemon import Daemon

# A program that behaves like an interpreter as far as it is told to.
INMATE = os.path.abspath(os.path.join(daemons.BIN, "../tests/test_zygote"))
if INMATE.startswith("/tmp/"):  # Which a jail has of its own: nothing below it can be shown there.
    _folder = tempfile.mkdtemp(prefix="vivarium-inmate-", dir="/var/tmp")
    os.chmod(_folder, 0o755)
    atexit.register(shutil.rmtree, _folder)
    INMATE = shutil.copy(INMATE, _folder)
ENDLESS = f"python = \"{INMATE}\"\npreload = [\"hang\"]\n"


def virtual_environment(module, source):
    """Makes a virtual environment with one module of that source; returns its interpreter. It goes
    with the tests."""
    folder = tempfile.mkdtemp(prefix="vivarium-venv-", dir="/var/tmp")
    atexit.register(shutil.rmtree, folder)
    packages = f"{folder}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    os.makedirs(packages)
    os.mkdir(f"{folder}/bin")
    os.symlink("/usr/bin/python3", f"{folder}/bin/python3")
    for path, text in ((f"{folder}/pyvenv.cfg", "home = /usr/bin\n"),
                       (f"{packages}/{module}.py", source)):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    os.chmod(folder, 0o755)
    return f"{folder}/bin/python3"


class PortFile(unittest.TestCase):
    """--port-file is how a parent learns the port."""

    def test_first_tcp_port_and_a_newline(self):
        """Written when the daemon listens, in one piece, and readable at once."""
        with Daemon() as daemon:
            with open(daemon.port_file, encoding="ascii") as file:
                self.assertEqual(file.read(), f"{daemon.port}\n")
            self.assertEqual([name for name in os.listdir(daemon.folder)
                              if name.startswith("port")], ["port"])
            socket.create_connection(daemon.address).close()

    def test_replaces_an_old_one(self):
        """What an earlier run left does not stay."""
        with Daemon() as daemon:
            daemon.kill()
            with open(daemon.port_file, "w", encoding="ascii") as file:
                file.write("1\n")
            daemon.start(wait=False, forget=False)

            def renewed():
                with open(daemon.port_file, encoding="ascii") as file:
                    return file.read() != "1\n"
            waiting.wait_for(renewed, "a new port file")
            daemon.wait_until_ready()

    def test_first_of_several_listeners(self):
        """The first TCP listener's."""
        with Daemon(listen=["127.0.0.1:0", "127.0.0.1:0"]) as daemon:
            with daemon.client() as client:
                self.assertEqual(client.value("1"), 1)


class Refusals(unittest.TestCase):
    """What cannot work is said on stderr, in a sentence, with a non-zero status."""

    def refuses(self, *expected, config="", arguments=(), listen=None):
        """Starts a daemon that must give up and name the reason."""
        daemon = Daemon(config, arguments, listen, wait=False)
        self.addCleanup(daemon.destroy)
        self.assertNotEqual(daemon.wait(), 0)
        for text in expected:
            self.assertIn(text, daemon.log())
        self.assertFalse(os.path.exists(daemon.port_file))
        return daemon

    def test_bad_config(self):
        """Unknown keys, wrong types, no TOML: with the key and the place."""
        self.refuses("colour", config="[server]\ncolour = 1\n")
        self.refuses("nonsense", config="[nonsense]\nx = 1\n")
        self.refuses("ready", config="[pool]\nready = \"many\"\n")
        self.refuses("grace", config="[limits]\ngrace = \"soon\"\n")
        self.refuses("memory", config="[limits]\nmemory = \"12 parsecs\"\n")
        self.refuses("vivarium.toml", config="[server\n")

    def test_no_config(self):
        """A file that was named must be there."""
        done = subprocess.run([daemons.DAEMON, "--config", "/nowhere.toml"], capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=waiting.WATCHDOG,
                              check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nowhere.toml", done.stdout + done.stderr)

    def test_port_in_use(self):
        """The address is named."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.refuses(str(port), listen=[f"127.0.0.1:{port}"])

    def test_socket_in_use(self):
        """A socket that another daemon serves is not taken from it."""
        with Daemon() as first:
            self.refuses(first.socket, listen=[f"unix://{first.socket}"])
            with first.unix_client() as client:
                self.assertEqual(client.value("1"), 1)

    def test_socket_path_that_is_a_file(self):
        """Nothing that is no dead socket is removed."""
        with Daemon() as first:
            precious = f"{first.folder}/precious"
            with open(precious, "w", encoding="ascii") as file:
                file.write("keep me")
            self.refuses("precious", listen=[f"unix://{precious}"])
            with open(precious, encoding="ascii") as file:
                self.assertEqual(file.read(), "keep me")

    def test_beyond_loopback_without_keys(self):
        """Nobody is let in from outside without authentication."""
        self.refuses("0.0.0.0", listen=["0.0.0.0:0"])
        self.refuses("::", listen=["[::]:0"])

    def test_bad_addresses(self):
        """An address that cannot be read."""
        for address in ("nonsense", "127.0.0.1:99999", "unix://relative", "ftp://x"):
            self.refuses(address, listen=[address])

    def test_check(self):
        """--check reads the configuration and starts nothing."""
        with Daemon() as running:
            good = [daemons.DAEMON, "--config", running.config, "--check"]
            done = subprocess.run(good, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                  timeout=waiting.WATCHDOG, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(running.config, "a", encoding="utf-8") as file:
                file.write("[limits]\nbad = 1\n")
            done = subprocess.run(good, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                  timeout=waiting.WATCHDOG, check=False)
            self.assertNotEqual(done.returncode, 0)

    def test_usage(self):
        """Options that are none."""
        done = subprocess.run([daemons.DAEMON, "--colour"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=waiting.WATCHDOG, check=False)
        self.assertEqual(done.returncode, 2)
        done = subprocess.run([daemons.DAEMON, "--version"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=waiting.WATCHDOG, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^(vivariumd )?\d+\.\d+\.\d+")


class BrokenEnvironments(DaemonCase):
    """An environment that cannot start costs nobody but those who ask for it."""

    watched = False  # Jails that try again come and go.
    config = ("[environments.absent]\npython = \"/nowhere/python3\"\neager = false\n"
              "[environments.other]\npython = \"/bin/true\"\neager = false\n"
              "[environments.incomplete]\npreload = [\"nowhere_at_all\"]\neager = false\n"
              "[environments.endless]\neager = false\n" + ENDLESS +
              "[environments.threaded]\neager = false\npreload = [\"leaves_a_thread\"]\npython = \"" +
              virtual_environment("leaves_a_thread",
                                  "import threading\n"
                                  "threading.Thread(target=threading.Event().wait, daemon=True).start()\n") +
              "\"\n"
              "[pool]\nzygote_timeout = \"2s\"\n")

    def test_the_reason_is_told(self):
        """The interpreter that is missing or is none, the module that cannot be imported."""
        for environment, reason in (("absent", "/nowhere/python3"), ("other", "/bin/true"),
                                    ("incomplete", "No module named 'nowhere_at_all'"),
                                    ("threaded", "thread")):
            with self.subTest(environment):
                error = self.refused("unavailable", "SessionService/CreateSession",
                                     {"environment": environment})
                self.assertIn(reason, error.message)

    def test_one_that_hangs(self):
        """Starting has an end, one way or the other."""
        error = self.refused("unavailable", "SessionService/CreateSession",
                             {"environment": "endless"})
        self.assertIn("did not become ready", error.message)


class BrokenFromTheStart(unittest.TestCase):
    """An environment that starts with the daemon and cannot: the daemon does not start either."""

    def gives_up(self, config, *expected):
        """Starts a daemon that must end by itself, and looks for the reasons on stderr."""
        with Daemon(config, wait=False) as daemon:
            self.assertEqual(daemon.wait(), 1, daemon.log())
            last = daemon.log().splitlines()[-1]
            for text in ("vivariumd: environment", *expected):
                self.assertIn(text, last)
            self.assertFalse(os.path.exists(daemon.port_file))
            self.assertFalse(os.path.exists(daemon.socket))
            # Each attempt has left one line, and no more than one.
            self.assertEqual(daemon.log().count("no zygote"), daemon.log().count(" in a row, next attempt"))

    def test_interpreter_that_is_missing(self):
        """Named."""
        self.gives_up("[environments.default]\npython = \"/nowhere/python3\"\n",
                      "'default'", "/nowhere/python3", "No such file")

    def test_interpreter_that_is_none(self):
        """Something that runs and ends."""
        self.gives_up("[environments.default]\npython = \"/bin/true\"\n", "/bin/true")

    def test_module_that_is_missing(self):
        """The error of the import."""
        self.gives_up("[environments.default]\npreload = [\"nowhere_at_all\"]\n",
                      "No module named 'nowhere_at_all'")

    def test_interpreter_that_hangs(self):
        """Neither ready nor gone."""
        self.gives_up("[environments.default]\n" + ENDLESS
                      + "[pool]\nzygote_timeout = \"2s\"\n", "did not become ready")

    def test_workers_that_cannot_be_made(self):
        """An interpreter that starts does not do, when none of its workers says hello."""
        self.gives_up(f"[environments.default]\npython = \"{INMATE}\"\npreload = [\"mute\"]\n",
                      "workers cannot be made ready")

    def test_another_environment(self):
        """Not only the default one: the file asks for it to be there. `web` and `data` begin with their use."""
        self.gives_up("[environments.site]\npython = \"/nowhere/python3\"\n", "'site'")


class BrokenLater(unittest.TestCase):
    """An environment that could start and cannot any more."""

    def test_comes_back(self):
        """Not ready, and the reason at /readyz and for clients; mended, it serves again."""
        folder = tempfile.mkdtemp(prefix="vivarium-test-")
        self.addCleanup(shutil.rmtree, folder)
        os.mkdir(f"{folder}/bin")
        launcher = f"{folder}/bin/vivarium-zygote"
        shutil.copy2(daemons.DAEMON, f"{folder}/bin/vivariumd")
        os.symlink(f"{daemons.BIN}/vivarium-zygote", launcher)
        os.symlink(f"{daemons.BIN}/../lib", f"{folder}/lib")
        with Daemon(program=f"{folder}/bin/vivariumd") as daemon, daemon.client() as client:
            os.unlink(launcher)
            for process in processes.descendants(daemon.pid).values():
                if process.parent == daemon.pid:
                    os.kill(process.pid, signal.SIGKILL)  # The jail: it must be made anew.

            def unready():
                status, _, body = client.request("GET", "/readyz")
                return status == 503 and launcher in body.decode()
            waiting.wait_for(unready, "a reason")
            with self.assertRaises(http_api.ApiError) as caught:
                client.create()
            self.assertEqual(caught.exception.code, "unavailable")
            self.assertIn(launcher, caught.exception.message)
            self.assertEqual(client.request("GET", "/healthz")[0], 200)
            os.symlink(f"{daemons.BIN}/vivarium-zygote", launcher)
            waiting.wait_for(lambda: client.request("GET", "/readyz")[0] == 200, "its return")
            self.assertEqual(client.value("6 * 7"), 42)


class Socket(unittest.TestCase):
    """The Unix socket is the owner's alone."""

    def test_mode(self):
        """Nobody else may connect."""
        with Daemon() as daemon:
            self.assertEqual(os.stat(daemon.socket).st_mode & 0o077, 0)
            daemon.terminate()
            self.assertFalse(os.path.exists(daemon.socket))


if __name__ == "__main__":
    unittest.main()
