# SPDX-License-Identifier: Apache-2.0
"""The vivarium command: what it prints, to the byte, and what it ends with."""

import json
import os
import signal
import subprocess
import unittest

from vivarium_testing import daemon as daemons, processes, terminals, waiting
from vivarium_testing.case import DaemonCase


class Command(DaemonCase):
    """Against a running daemon."""

    config = "[limits]\ngrace = \"200ms\"\n"

    def run_it(self, *arguments, **options):
        """Returns status, stdout and stderr of the command."""
        done = self.daemon.command(*arguments, **options)
        return done.returncode, done.stdout, done.stderr

    def test_eval(self):
        """The repr alone, nothing for None."""
        for source, out in (("sorted([3,1,2])", "[1, 2, 3]\n"), ("'a'", "'a'\n"), ("None", ""),
                            ("x = 1", ""), ("[1,2][0]", "1\n"), ("{}", "{}\n"), ("-1", "-1\n"),
                            ("[]", "[]\n"), ("'ä€'", "'ä€'\n"), ("'%s {} \\n'", "'%s {} \\n'\n"),
                            ("print('out'); 5", "out\n5\n"), ("1,2", "(1, 2)\n")):
            with self.subTest(source):
                self.assertEqual(self.run_it("eval", "--", source), (0, out, ""))
        self.assertEqual(self.run_it("eval", "sorted([3,1,2])"), (0, "[1, 2, 3]\n", ""))

    def test_eval_over_the_socket(self):
        """unix:///path."""
        self.assertEqual(self.run_it("eval", "6*7", server=f"unix://{self.daemon.socket}"),
                         (0, "42\n", ""))

    def test_default_server(self):
        """VIVARIUM_URL, else the default socket."""
        environment = daemons.command_environment(self.daemon.folder)
        done = subprocess.run([daemons.COMMAND, "eval", "6*7"], capture_output=True, text=True,
                              env={**environment, "VIVARIUM_URL": self.daemon.url},
                              timeout=waiting.WATCHDOG, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "42\n"), done.stderr)
        # The test's folder is the runtime directory, and its socket has the default name.
        done = subprocess.run([daemons.COMMAND, "eval", "6*7"], capture_output=True, text=True,
                              env=environment, timeout=waiting.WATCHDOG, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "42\n"), done.stderr)

    def test_output_goes_where_it_went(self):
        """stdout to stdout, stderr to stderr."""
        self.assertEqual(
            self.run_it("eval", "import sys\nprint('o')\nprint('e', file=sys.stderr)\n1"),
            (0, "o\n1\n", "e\n"))

    def test_python_error(self):
        """Status 1, the traceback on stderr."""
        status, out, err = self.run_it("eval", "print('before')\n1/0")
        self.assertEqual((status, out), (1, "before\n"))
        self.assertTrue(err.startswith("Traceback (most recent call last):\n"), err)
        self.assertTrue(err.endswith("ZeroDivisionError: division by zero\n"), err)
        self.assertEqual(self.run_it("eval", "1 +")[0], 1)

    def test_json(self):
        """The natural JSON value."""
        for source, value in (("{'a': (1, 2.5, None)}", {"a": [1, 2.5, None]}), ("None", None),
                              ("'x'", "x"), ("2**60", str(2**60))):
            status, out, _ = self.run_it("eval", "--json", source)
            self.assertEqual((status, json.loads(out)), (0, value))

    def test_session_made_on_first_use(self):
        """State is kept under a name."""
        self.assertEqual(self.run_it("eval", "--session", "mine", "x = 41"), (0, "", ""))
        self.assertEqual(self.run_it("eval", "--session", "mine", "x + 1"), (0, "42\n", ""))
        status, out, _ = self.run_it("sessions")
        self.assertEqual(status, 0)
        self.assertIn(" mine ", out)
        self.assertEqual(self.run_it("close", "mine"), (0, "", ""))
        self.assertNotIn(" mine ", self.run_it("sessions")[1])

    def test_source_from_stdin(self):
        """A dash."""
        self.assertEqual(self.run_it("eval", "-", stdin="x = 6\nx * 7\n"), (0, "42\n", ""))

    def test_deadline(self):
        """Status 124, soft or hard."""
        for source in ("while True: pass", "sum(range(10**12))"):
            status, out, err = self.run_it("eval", "--timeout", "100ms", source)
            self.assertEqual((status, out), (124, ""))
            self.assertIn("deadline", err)

    def test_worker_died(self):
        """Status 137, whatever the signal or code."""
        for source in ("import os; os._exit(3)", "import os; os.abort()",
                       "import ctypes; ctypes.string_at(0)",
                       "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"):
            status, _, err = self.run_it("eval", source)
            self.assertEqual(status, 137, source)
            self.assertTrue(err)

    def test_usage(self):
        """Status 2, the reason on stderr."""
        for arguments in ((), ("eval",), ("nonsense",), ("eval", "--colour", "1"),
                          ("eval", "--timeout", "soon", "1"), ("eval", "1", "2"),
                          ("eval", "--session", "Bad Name", "1"), ("close", "nobody"),
                          ("run", "/nowhere.py")):
            status, out, err = self.run_it(*arguments)
            self.assertEqual((status, out), (2, ""), arguments)
            self.assertTrue(err, arguments)
        self.assertEqual(self.run_it("eval", "1", server="ftp://x")[0], 2)

    def test_unreachable(self):
        """Status 3."""
        for server in ("http://127.0.0.1:1", "unix:///nowhere.sock", "http://nowhere.invalid"):
            status, out, err = self.run_it("eval", "1", server=server)
            self.assertEqual((status, out), (3, ""))
            self.assertTrue(err)

    def test_version_health_help(self):
        """What one asks first."""
        self.assertRegex(self.run_it("version")[1], r"^vivarium \d+\.\d+\.\d+\n$")
        self.assertEqual(self.run_it("health"), (0, "ready\n", ""))
        self.assertEqual(self.run_it("health", server="http://127.0.0.1:1")[0], 3)
        status, out, _ = self.run_it("--help")
        self.assertEqual(status, 0)
        self.assertIn("eval", out)


class Run(DaemonCase):
    """vivarium run FILE."""

    def script(self, source):
        """Writes a program and returns its path."""
        path = f"{self.daemon.folder}/program.py"
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        self.addCleanup(os.unlink, path)
        return path

    def test_runs_a_file(self):
        """Output only; the value of the last line is not shown, as python does."""
        done = self.daemon.command("run", self.script("print('hello')\n6*7\n"))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "hello\n", ""))

    def test_traceback_names_the_file(self):
        """File and line are the user's own."""
        path = self.script("def f():\n    1/0\n\nf()\n")
        done = self.daemon.command("run", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f'File "{path}", line 2, in f\n    1/0\n', done.stderr)

    def test_output_is_live_and_ctrl_c_cancels(self):
        """What was printed is there before the end; Ctrl-C ends the program."""
        path = self.script("print('started', flush=True)\nwhile True: pass\n")
        process = subprocess.Popen(
            [daemons.COMMAND, "--server", self.daemon.url, "run", path], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=daemons.command_environment(self.daemon.folder))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "started\n")
        processes.busy_worker(self.daemon.pid)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=waiting.WATCHDOG)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn("cancelled", err)


class Repl(DaemonCase):
    """vivarium repl."""

    def open(self, *arguments):
        """Starts a repl on a terminal."""
        terminal = terminals.Terminal(
            [daemons.COMMAND, "--server", self.daemon.url, "repl", *arguments],
            daemons.command_environment(self.daemon.folder))
        terminal.expect(">>> ")
        return terminal

    def test_evaluates_and_keeps_state(self):
        """Values, output, errors, several lines."""
        repl = self.open()
        for typed, answer in (("x = 20\r", "x = 20\r\n"), ("x + 1\r", "21\r\n"),
                              ("print('hi')\r", "hi\r\n"),
                              ("1/0\r", "ZeroDivisionError: division by zero\r\n"),
                              ("def f(a):\r  return a * 2\r\rf(x)\r", "40\r\n"),
                              ("'ä' + '€'\r", "'ä€'\r\n")):
            repl.type(typed)
            repl.expect(answer)
            repl.expect(">>> ")
        repl.type("\x04")
        self.assertEqual(repl.end(), 0)

    def test_ctrl_c_interrupts_and_keeps_the_session(self):
        """The execution ends, the names stay; at the prompt it clears the line."""
        repl = self.open()
        repl.type("x = 5\r")
        repl.expect("x = 5\r\n")
        repl.expect(">>> ")
        repl.type("while True: pass\r")
        repl.expect("pass\r\n")
        processes.busy_worker(self.daemon.pid)
        repl.type("\x03")
        repl.expect("cancelled")
        repl.expect(">>> ")
        repl.type("no such thing\x03")
        repl.expect("KeyboardInterrupt")
        repl.type("x + 1\r")
        repl.expect("6\r\n")
        repl.expect(">>> ")
        repl.type("\x04")
        self.assertEqual(repl.end(), 0)

    def test_history_is_kept(self):
        """The file is there, the user's alone, and the next repl knows it."""
        repl = self.open()
        repl.type("remembered = 42\r")
        repl.expect("remembered = 42\r\n")
        repl.expect(">>> ")
        repl.type("\x04")
        repl.end()
        folder = f"{self.daemon.folder}/user-state/vivarium"
        self.assertEqual(os.stat(folder).st_mode & 0o077, 0)
        with open(f"{folder}/history", encoding="utf-8") as file:
            self.assertIn("remembered", file.read())
        repl = self.open()
        repl.type("\x1b[A\r")
        repl.expect("remembered = 42\r\n")
        repl.expect(">>> ")
        repl.type("remembered\r")
        repl.expect("42\r\n")
        repl.expect(">>> ")
        repl.type("\x04")
        repl.end()

    def test_from_a_pipe(self):
        """Without a terminal there is no prompt."""
        done = self.daemon.command("repl", stdin="x = 6\nfor i in range(2):\n  print(i)\n\nx * 7\n")
        self.assertEqual((done.returncode, done.stdout), (0, "0\n1\n42\n"), done.stderr)

    def test_named_session_stays(self):
        """What was named is not closed at the end."""
        done = self.daemon.command("repl", "--session", "stays", stdin="x = 1\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.client.value("x", "stays"), 1)
        self.sessions.append("stays")


if __name__ == "__main__":
    unittest.main()
