# SPDX-License-Identifier: Apache-2.0
"""The vivarium command: calls, streams, namespaces, variables, and a daemon of its own."""

import json
import os
import signal
import subprocess
import tempfile
import unittest

from vivarium_testing import daemon as daemons, waiting
from vivarium_testing.case import DaemonCase


class Calls(DaemonCase):
    """Against a running daemon."""

    def run_it(self, *arguments, **options):
        """Returns status, stdout and stderr of the command."""
        done = self.daemon.command(*arguments, **options)
        return done.returncode, done.stdout, done.stderr

    def test_call(self):
        """Arguments are JSON, the answer is a repr or JSON."""
        self.assertEqual(self.run_it("call", "math", "sqrt", "16"), (0, "4.0\n", ""))
        self.assertEqual(self.run_it("call", "builtins", "len", '{"a": [1]}'), (0, "1\n", ""))
        self.assertEqual(self.run_it("call", "math", "hypot", "3", "4"), (0, "5.0\n", ""))
        self.assertEqual(self.run_it("call", "builtins", "max", "[1]", "[2, 3]"), (0, "[2, 3]\n", ""))
        self.assertEqual(self.run_it("call", "--json", "builtins", "sorted", "[3, 1]"),
                         (0, "[1,3]\n", ""))
        status, out, err = self.run_it("call", "math", "sqrt", "--", "-1")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("ValueError", err)
        self.assertEqual(self.run_it("call", "math", "sqrt", "nonsense")[0], 2)

    def test_help_of_call(self):
        """Its many arguments are one in the help."""
        status, out, _ = self.run_it("call", "--help")
        self.assertEqual(status, 0)
        self.assertIn("MODULE NAME [ARG...]\n", out)
        self.assertNotIn("[]", out)
        self.assertEqual(out.count("Arguments in JSON"), 1)
        self.assertEqual(self.run_it("call", "builtins", "max", *map(str, range(32))),
                         (0, "31\n", ""))
        self.assertEqual(self.run_it("call", "builtins", "max", *map(str, range(33)))[0], 2)

    def test_variables(self):
        """--var NAME=JSON."""
        self.assertEqual(self.run_it("eval", "--var", "x=6", "--var", "y=[7]", "x * y[0]"),
                         (0, "42\n", ""))
        for wrong in ("x", "=1", "x=", "x={"):
            self.assertEqual(self.run_it("eval", "--var", wrong, "1")[0], 2, wrong)

    def test_stream(self):
        """One item in a line; an error after the items."""
        self.assertEqual(self.run_it("stream", "(i * i for i in range(4))"),
                         (0, "0\n1\n4\n9\n", ""))
        status, out, _ = self.run_it("stream", "--json", "[{'a': 1}, None]")
        self.assertEqual((status, [json.loads(line) for line in out.splitlines()]),
                         (0, [{"a": 1}, None]))
        status, out, err = self.run_it("stream", "(1 // (2 - i) for i in range(4))")
        self.assertEqual((status, out), (1, "0\n1\n"))
        self.assertIn("ZeroDivisionError", err)

    def test_stream_is_live(self):
        """An item is there before the next one is computed."""
        process = subprocess.Popen(
            [daemons.COMMAND, "--server", self.daemon.url, "stream",
             "import itertools\nitertools.count()"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            env=daemons.command_environment(self.daemon.folder))
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual([process.stdout.readline() for _ in range(3)], ["0\n", "1\n", "2\n"])
        process.kill()  # The generator and its session go with the connection.
        process.wait()

    def test_namespaces(self):
        """They are listed, and code runs in them."""
        session = self.session("with-spaces")
        self.client.call("SessionService/CreateNamespace",
                         {"session": session, "name": "mine", "jsonVariables": {"x": 5}})
        status, out, _ = self.run_it("namespaces", "with-spaces")
        self.assertEqual(status, 0)
        self.assertIn(" mine\n", out)
        self.assertEqual(
            self.run_it("eval", "--session", "with-spaces", "--namespace", "mine", "x"),
            (0, "5\n", ""))
        self.assertEqual(self.run_it("namespaces", "nobody")[0], 2)


class Once(unittest.TestCase):
    """vivarium --once: no daemon but its own."""

    def start(self, *arguments):
        """Starts it with an empty folder for everything."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        process = subprocess.Popen(
            [daemons.COMMAND, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
            env={**daemons.environment(self.folder), "TMPDIR": self.folder})
        self.addCleanup(process.kill)
        return process

    def finish(self, process):
        """Returns status, stdout, stderr; nothing may be left of the daemon."""
        out, err = process.communicate(timeout=waiting.WATCHDOG)
        self.assertEqual(os.listdir(self.folder), [])
        return process.returncode, out, err

    def test_one_command(self):
        """The command's own answer and status."""
        self.assertEqual(self.finish(self.start("--once", "eval", "6*7")), (0, "42\n", ""))
        self.assertEqual(self.finish(self.start("--once", "eval", "1/0"))[0], 1)
        self.assertEqual(self.finish(self.start("eval", "--once", "1"))[:2], (0, "1\n"))
        self.assertEqual(self.finish(self.start("--once", "nonsense"))[0], 2)

    def test_signals_end_the_command_and_then_the_daemon(self):
        """SIGTERM in the middle."""
        process = self.start("--once", "stream", "import itertools\nitertools.count()")
        self.assertEqual(process.stdout.readline(), "0\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process)[0], 128 + signal.SIGTERM)


if __name__ == "__main__":
    unittest.main()
