# SPDX-License-Identifier: Apache-2.0
"""The vivarium command as the application: functions answered by the shell, modules, records, progress."""

import os
import pty
import signal
import subprocess
import tempfile
import unittest

from vivarium_testing import daemon as daemons, processes, waiting
from vivarium_testing.case import DaemonCase

BEGIN = "import vivarium\nfrom vivarium import host\n"


class Host(DaemonCase):
    """`vivarium host` beside what calls it."""

    def run_it(self, *arguments, **options):
        """Returns status, stdout and stderr of a command."""
        done = self.daemon.command(*arguments, **options)
        return done.returncode, done.stdout, done.stderr

    def setUp(self):
        super().setUp()
        self.hosts = []

    def tearDown(self):
        for process in self.hosts:
            if process.poll() is None:
                self.end(process)
            process.stderr.close()
        super().tearDown()

    def host(self, *arguments):
        """Starts `vivarium host`; returns it when it serves."""
        process = subprocess.Popen(
            [daemons.COMMAND, "--server", self.daemon.url, "host", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**daemons.command_environment(self.daemon.folder),
                 "PATH": f"{os.path.dirname(daemons.COMMAND)}:{os.environ['PATH']}",
                 "VIVARIUM_URL": self.daemon.url})
        self.hosts.append(process)
        self.assertTrue(process.stderr.readline().startswith("vivarium: serving "))
        return process

    def end(self, process):
        """Ctrl-C; returns the status."""
        process.send_signal(signal.SIGINT)
        return process.wait(waiting.WATCHDOG)

    def test_arguments_and_answers(self):
        """JSON in, JSON out; nothing is None."""
        host = self.host("echo=cat", "sum=echo 6",
                         "nothing=true", "dir.*=echo \"\\\"$VIVARIUM_FUNCTION\\\"\"")
        evaluate = lambda source: self.client.value(BEGIN + source)
        self.assertEqual(evaluate("host.echo(1, [2], k='v')"),
                         {"args": [1, [2]], "kwargs": {"k": "v"}})
        self.assertEqual(evaluate("host.sum(1, 2, 3)"), 6)
        self.assertIsNone(evaluate("host.nothing()"))
        self.assertEqual(evaluate("host.dir.a.b()"), "dir.a.b")
        self.assertEqual(self.end(host), 0)
        self.assertEqual(self.client.eval(BEGIN + "host.echo()")["error"]["type"], "HostNotFoundError")

    def test_errors(self):
        """A status other than 0 is an error with what stderr says."""
        self.host("fail=echo 'no such user' >&2; exit 3", "silent=exit 4", "killed=kill -9 $$",
                  "text=echo nonsense")
        for name, message in (("fail", "no such user"), ("silent", "the command ended with status 4"),
                              ("killed", "the command was ended by signal 9"),
                              ("text", "the command wrote what is no JSON")):
            error = self.client.eval(BEGIN + f"host.{name}()")["error"]
            self.assertEqual((error["type"], error["message"]),
                             ("HostCallError", f"CommandFailed: {message}"))
        self.assertEqual(self.client.value(
            BEGIN + "try:\n  host.fail()\nexcept vivarium.HostCallError as e:\n  r = e.data\nr"),
            {"status": 3})

    def test_names_are_no_part_of_a_command(self):
        """Whatever Python calls, the shell does not read it."""
        with tempfile.TemporaryDirectory() as folder:
            self.host("*=cat >/dev/null")
            name = f"x; touch {folder}/made; $(touch {folder}/made)"
            self.client.value(f"import vivarium\nvivarium.call({name!r}, {name!r})")
            self.assertEqual(os.listdir(folder), [])

    def test_of_one_session(self):
        """Calls of others do not come."""
        self.host("--session", "mine", "f=echo 1")
        self.session("mine")
        self.assertEqual(self.client.value(BEGIN + "host.f()", "mine"), 1)
        self.assertEqual(self.client.eval(BEGIN + "host.f()")["error"]["type"], "HostNotFoundError")

    def test_a_command_evaluates_in_the_session_that_called(self):
        """--within names the call."""
        self.host('inner=vivarium eval --json --session "$VIVARIUM_SESSION" --within "$VIVARIUM_CALL" '
                  "'x + 1'")
        session = self.session()
        self.assertEqual(self.client.value(BEGIN + "x = 41\nhost.inner()", session), 42)

    def test_a_command_that_nobody_waits_for_is_killed(self):
        """With all that it has started, when the call is over and when the host is."""
        with tempfile.TemporaryDirectory() as folder:
            host = self.host(f"slow=echo >{folder}/$VIVARIUM_CALL; sleep 600; true")
            session = self.session()
            execution = self.client.start(BEGIN + "vivarium.call('slow', _timeout=1)", session)
            waiting.wait_for(lambda: len(os.listdir(folder)) == 1, "the command to run")
            first = list(processes.descendants(host.pid).values())
            self.assertEqual(self.client.wait(execution)["error"]["type"], "HostTimeoutError")
            waiting.wait_for(lambda: not any(map(processes.alive, first)), "the first to be killed")
            execution = self.client.start(BEGIN + "host.slow()", session)
            waiting.wait_for(lambda: len(os.listdir(folder)) == 2, "the command to run")
            second = list(processes.descendants(host.pid).values())
            self.assertTrue(first and second)
            self.assertEqual(self.end(host), 0)
            self.assertEqual(self.client.wait(execution)["error"]["type"], "HostUnavailableError")
            waiting.wait_for(lambda: not any(map(processes.alive, second)), "the second to be killed")

    def test_the_daemon_goes_away(self):
        """That is the end of it, with the status for it."""
        with daemons.Daemon() as daemon:
            process = subprocess.Popen(
                [daemons.COMMAND, "--server", daemon.url, "host", "f=true"],
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                env=daemons.command_environment(daemon.folder))
            self.addCleanup(process.stderr.close)
            process.stderr.readline()
            daemon.terminate()
            self.assertEqual(process.wait(waiting.WATCHDOG), 3)

    def test_wrong_arguments(self):
        """Are told, with the form that is expected."""
        for wrong in ("f", "=true", "f="):
            status, _, err = self.run_it("host", wrong)
            self.assertEqual(status, 2, wrong)
            self.assertIn("expected NAME=COMMAND", err)
        self.assertEqual(self.run_it("host")[0], 2)
        status, out, _ = self.run_it("host", "--help")
        self.assertEqual(status, 0)
        self.assertIn("NAME=COMMAND", out)

    def test_modules(self):
        """--module makes a session that imports them."""
        self.host("auth.get_user=echo 7")
        self.assertEqual(
            self.run_it("eval", "--module", "auth=get_user", "import auth\nauth.get_user(7)"),
            (0, "7\n", ""))
        self.assertEqual(self.run_it("eval", "--module", "auth", "1")[0], 2)
        status, _, err = self.run_it("eval", "--module", "json=dumps", "1")
        self.assertEqual(status, 1)
        self.assertIn("override", err)


class Telling(DaemonCase):
    """Records and progress of what `run` runs."""

    source = ("import logging, sys, vivarium\nlog = logging.getLogger('app')\nlog.setLevel('DEBUG')\n"
              "log.addHandler(vivarium.LoggingHandler())\nlog.debug('not told')\n"
              "vivarium.progress(1, 4, 'frames')\nprint('out', flush=True)\n"
              "log.warning('sold %d', 3)\nvivarium.progress(4, 4)\n")

    def test_records_are_on_stderr(self):
        """From the session's level on; no bar where there is no terminal."""
        done = self.daemon.command("run", "-", stdin=self.source)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "out\n", "WARNING app: sold 3\n"))
        done = self.daemon.command("run", "--log-level", "debug", "-", stdin=self.source)
        self.assertEqual(done.stderr, "DEBUG app: not told\nWARNING app: sold 3\n")
        done = self.daemon.command("run", "--log-level", "loud", "-", stdin=self.source)
        self.assertEqual(done.returncode, 2)

    def test_progress_is_a_bar_on_a_terminal(self):
        """Which is removed before anything else is written."""
        with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
            file.write(self.source)
            file.flush()
            master, slave = pty.openpty()
            process = subprocess.Popen(
                [daemons.COMMAND, "--server", self.daemon.url, "run", file.name],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave,
                env=daemons.command_environment(self.daemon.folder))
            os.close(slave)
            written = b""
            try:
                while piece := os.read(master, 4096):
                    written += piece
            except OSError:
                pass  # Nobody has the other end any more.
            os.close(master)
            self.assertEqual(process.communicate()[0], b"out\n")
            self.assertEqual(process.returncode, 0)
        clear = b"\r\x1b[K"
        self.assertEqual(written, clear + b"[" + b"#" * 7 + b"." * 23 + b"]  25% frames" + clear
                         + b"WARNING app: sold 3\r\n" + clear + b"[" + b"#" * 30 + b"] 100%" + clear)


if __name__ == "__main__":
    unittest.main()
