# SPDX-License-Identifier: Apache-2.0
"""Every process of ours dies once: what it costs, and whom."""

import os
import signal
import unittest

from vivarium_testing import http_api, processes, waiting
from vivarium_testing.case import DaemonCase
from vivarium_testing.daemon import Daemon

FOREVER = "while True: pass"


class Worker(DaemonCase):
    """Workers die by their own hand and by others'."""

    def test_killed_from_outside_in_the_middle(self):
        """SIGKILL to a worker that computes: a typed error, and the session is gone."""
        session = self.session()
        running = self.client.start(FOREVER, session)
        queued = self.client.start("1", session)
        os.kill(processes.busy_worker(self.daemon.pid).pid, signal.SIGKILL)
        verdict = self.client.wait(running)
        self.assert_kind(verdict, "SESSION_LOST")
        self.assert_lost(verdict)
        self.assertEqual((verdict["cause"]["cause"], verdict["cause"]["limit"],
                          verdict["cause"]["enforcedBy"]),
                         ("signal", "SIGKILL", "ENFORCED_BY_KERNEL"))
        self.assert_kind(self.client.wait(queued), "SESSION_LOST")
        self.refused("aborted", "ExecutionService/Eval", {"source": "1", "session": session})
        dead = self.client.call("SessionService/GetSession", {"session": session})["session"]
        self.assertEqual((dead["state"], dead["cause"]["limit"]),
                         ("SESSION_STATE_DEAD", "SIGKILL"))

    def test_ends_itself(self):
        """Exit codes and signals are told as the reaper saw them."""
        for source, cause, limit, observed in (
                ("import os; os._exit(3)", "exited", "", "3"),
                ("import os; os._exit(0)", "exited", "", None),
                ("import os; os.abort()", "signal", "SIGABRT", None),
                ("import ctypes; ctypes.string_at(0)", "signal", "SIGSEGV", None)):
            with self.subTest(source):
                verdict = self.client.eval("print('last words', flush=True)\n" + source,
                                           self.session())
                self.assert_kind(verdict, "SESSION_LOST")
                self.assert_lost(verdict)
                told = verdict["cause"]
                self.assertEqual((told["cause"], told.get("limit", "")), (cause, limit))
                if observed is not None:
                    self.assertEqual(told.get("observed"), observed)
                self.assertEqual(verdict["stdout"], "last words\n")

    def test_name_is_free_again(self):
        """After a crash the name can be used for a new session."""
        self.client.eval("import os; os._exit(1)", "phoenix", createSession=True)
        answer = self.client.call("ExecutionService/Eval", {
            "source": "1", "session": "phoenix", "createSession": True})
        self.sessions.append(answer["sessionId"])
        self.assertEqual(answer["verdict"]["result"], {"json": 1})

    def test_holder_killed(self):
        """Process 1 of a session's namespace: the whole session ends, and only it."""
        session = self.session()
        running = self.client.start(FOREVER, session)
        worker = processes.busy_worker(self.daemon.pid)
        os.kill(processes.holder_of(worker), signal.SIGKILL)
        verdict = self.client.wait(running)
        self.assert_kind(verdict, "SESSION_LOST")
        self.assert_lost(verdict)
        waiting.wait_for(lambda: not processes.alive(worker), "the end of the worker")


class Zygote(DaemonCase):
    """The zygote is replaceable."""

    def test_killed_while_it_forks(self):
        """Sessions of its environment live on, and new ones come."""
        session = self.session()
        self.client.value("x = 1", session)
        for _ in range(3):
            [old] = waiting.wait_for(lambda: processes.zygotes(self.daemon.pid), "a zygote")
            # More sessions than the pool holds, so that it is at work right now.
            made = [self.client.create() for _ in range(3)]
            os.kill(old.pid, signal.SIGKILL)
            made += [self.client.create() for _ in range(4)]
            for other in made:
                self.assertEqual(self.client.value("6*7", other), 42)
                self.client.call("SessionService/CloseSession", {"session": other})
            waiting.wait_for(lambda: [z for z in processes.zygotes(self.daemon.pid)
                                      if z.pid != old.pid], "a new zygote")
        self.assertEqual(self.client.value("x", session), 1)


class Launcher(DaemonCase):
    """The launcher takes its jail with it."""

    watched = False  # The neighbour lives in the same jail.

    def test_killed(self):
        """Sessions end with a typed error, the daemon starts a new jail."""
        session = self.client.create()
        running = self.client.start(FOREVER, session)
        processes.busy_worker(self.daemon.pid)
        [launcher] = processes.launchers(self.daemon.pid)
        below = processes.descendants(launcher.pid)
        os.kill(launcher.pid, signal.SIGKILL)
        verdict = self.client.wait(running)
        self.assert_kind(verdict, "SESSION_LOST")
        self.assert_lost(verdict)
        self.refused("aborted", "ExecutionService/Eval", {"source": "1", "session": session})
        for process in below.values():
            waiting.wait_for(lambda p=process: not processes.alive(p), f"the end of {process}")

        def serves():
            try:
                return self.client.value("6*7") == 42
            except http_api.ApiError as error:
                self.assertIn(error.code, ("unavailable", "aborted"))
                return False
        waiting.wait_for(serves, "a new jail")


class Killed(unittest.TestCase):
    """kill -9 to the daemon itself."""

    def test_nothing_is_left(self):
        """No process, socket file in use or mount stays; the next start works."""
        with Daemon() as daemon:
            mounts = processes.mounts()
            with daemon.client() as client:
                session = client.create()
                client.value("x = 1", session)
                running = client.start(FOREVER, session)
                self.assertTrue(running)
                processes.busy_worker(daemon.pid)
                for process in daemon.kill():
                    waiting.wait_for(lambda p=process: not processes.alive(p),
                                     f"the end of {process}")
            self.assertEqual(processes.mounts(), mounts)
            # The dead socket is still there and must not be in the way.
            self.assertTrue(os.path.exists(daemon.socket))
            daemon.start()
            with daemon.unix_client() as client:
                self.assertEqual(client.value("6*7"), 42)
            self.assertEqual(daemon.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
