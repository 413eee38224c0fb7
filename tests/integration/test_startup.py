# SPDX-License-Identifier: Apache-2.0
"""Starting: the port file, the configuration, and everything that can be wrong with either."""

import os
import socket
import subprocess
import unittest

from vivarium_testing import daemon as daemons, waiting
from vivarium_testing.case import DaemonCase
from vivarium_testing.daemon import Daemon


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
            daemon.start(wait=False)

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
              "[environments.incomplete]\npreload = [\"nowhere_at_all\"]\neager = false\n")

    def test_the_reason_is_told(self):
        """The interpreter that is missing or is none, the module that cannot be imported."""
        for environment, reason in (("absent", "/nowhere/python3"), ("other", "/bin/true"),
                                    ("incomplete", "No module named 'nowhere_at_all'")):
            with self.subTest(environment):
                error = self.refused("unavailable", "SessionService/CreateSession",
                                     {"environment": environment})
                self.assertIn(reason, error.message)

    def test_default_environment(self):
        """When it is the default one the daemon never becomes ready, and says why."""
        with Daemon("[environments.default]\npython = \"/nowhere/python3\"\n",
                    wait=False) as daemon:
            waiting.wait_for(lambda: os.path.exists(daemon.socket) or daemon.process.poll(),
                             "the daemon to listen or to give up")
            if daemon.process.poll() is None:
                with daemon.unix_client() as client:
                    self.assertEqual(client.request("GET", "/readyz")[0], 503)
                waiting.wait_for(lambda: "/nowhere/python3" in daemon.log(), "the reason")


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
