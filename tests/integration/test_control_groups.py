# SPDX-License-Identifier: Apache-2.0
"""Control groups of sessions, where this user may make them."""

import errno
import os
import unittest

from vivarium_testing import groups, processes, waiting
from vivarium_testing.daemon import DAEMON, Daemon
from vivarium_testing.limits import MIB, SHARED, LimitCase


class Groups(LimitCase):
    """Control groups, where this user may make them: without controllers they hold and end."""

    watched = False

    @classmethod
    def setUpClass(cls):
        """Makes a folder for the daemon, or says why not."""
        cls.folder = groups.make_folder()
        if cls.folder is None:
            if os.environ.get("VIVARIUM_MUST_CGROUP") == "1":
                raise AssertionError("no cgroup2 folder is writable")
            print("no cgroup2 folder is writable: control groups are not tested here", flush=True)
            return
        cls.config = f"[sandbox]\ncgroup = \"{cls.folder}\"\n"
        cls.addClassCleanup(groups.remove, cls.folder)  # Once the daemon has ended.
        super().setUpClass()

    def setUp(self):
        """Nothing without a folder."""
        if self.folder is not None:
            super().setUp()

    def tearDown(self):
        """Likewise."""
        if self.folder is not None:
            super().tearDown()

    def members(self, session):
        """Returns the processes in a session's group; None when there is no such group."""
        for path, _, _ in os.walk(self.folder):
            if path.endswith("/" + session):
                try:
                    with open(f"{path}/cgroup.procs", encoding="ascii") as procs:
                        return [int(pid) for pid in procs.read().split()]
                except OSError as error:  # It went meanwhile.
                    self.assertIn(error.errno, (errno.ENOENT, errno.ENODEV))
        return None

    def test_a_session_is_in_its_group(self):
        """Its worker is there before its first byte; the group goes with the session."""
        if self.folder is None:
            return
        session = self.client.create()
        told = self.client.call("SessionService/GetSession", {"session": session})["session"]
        self.assertEqual(self.members(session), [told["workerPid"]])
        self.assertEqual(self.client.value("6*7", session), 42)
        self.client.call("SessionService/CloseSession", {"session": session})
        waiting.wait_for(lambda: self.members(session) is None, "the end of its group")
        self.assertEqual(self.client.value("6*7"), 42)

    def test_what_a_killed_daemon_left_is_reclaimed(self):
        """kill -9 leaves the groups; the next start removes them."""
        if self.folder is None:
            return
        with Daemon(self.config) as daemon:
            with daemon.client() as client:
                session = client.create()
                self.assertEqual(client.value("6*7", session), 42)
                self.assertEqual(len(self.members(session)), 1)
            for process in daemon.kill():
                waiting.wait_for(lambda p=process: not processes.alive(p), f"the end of {process}")
            self.assertIsNotNone(self.members(session))
            daemon.start()
            self.assertIsNone(self.members(session))
            self.assertIn("reclaimed", daemon.log())
            with daemon.client() as client:
                self.assertEqual(client.value("6*7"), 42)
            self.assertEqual(daemon.terminate(), 0)

    def group_of(self, session):
        """Returns the folder of a session's group."""
        [path] = [p for p, _, _ in os.walk(self.folder) if p.endswith("/" + session)]
        return path

    def test_a_group_that_an_operator_ended(self):
        """Somebody kills what is in a session's group: the session is lost to SIGKILL, others are not."""
        if self.folder is None:
            return
        session, other = self.client.create(), self.client.create()
        running = self.client.start("import time\nprint('up', flush=True)\ntime.sleep(600)", session)
        with open(f"{self.group_of(session)}/cgroup.kill", "w", encoding="ascii") as kill:
            kill.write("1")
        verdict = self.client.wait(running)
        self.assert_lost(verdict)
        self.cause(verdict, "signal", "SIGKILL", "KERNEL")
        self.assertEqual(self.client.value("6*7", other), 42)
        waiting.wait_for(lambda: self.members(session) is None, "the end of its group")
        self.client.call("SessionService/CloseSession", {"session": other})

    def test_a_group_that_an_operator_removed(self):
        """Somebody moves a worker away and removes its group: the session goes on and ends as ever,
        and so do new ones."""
        if self.folder is None:
            return
        session = self.client.create()
        group = self.group_of(session)
        elsewhere = f"{self.folder}/elsewhere"
        os.mkdir(elsewhere)
        for pid in self.members(session):
            with open(f"{elsewhere}/cgroup.procs", "w", encoding="ascii") as procs:
                procs.write(str(pid))
        os.rmdir(group)
        self.assertEqual(self.client.value("6*7", session), 42)
        verdict = self.client.eval("raise MemoryError", session)
        self.assert_kind(verdict, "MEMORY")
        self.assertNotIn("cause", verdict)
        self.client.call("SessionService/CloseSession", {"session": session})

        def empty():
            with open(f"{elsewhere}/cgroup.procs", encoding="ascii") as procs:
                return not procs.read()
        waiting.wait_for(empty, "the end of the worker")
        os.rmdir(elsewhere)
        self.assertEqual(self.client.value("6*7"), 42)
        self.assertNotIn("left over", self.daemon.log())

    def in_own_group(self, config):
        """Returns a daemon that was started in a group of its own, as a service is."""
        own = f"{self.folder}/service"
        os.mkdir(own)
        self.addCleanup(os.rmdir, own)
        script = f"{self.daemon.folder}/in-own-group"
        with open(script, "w", encoding="utf-8") as text:
            text.write(f'#!/bin/sh\necho $$ >{own}/cgroup.procs\nexec "{DAEMON}" "$@"\n')
        os.chmod(script, 0o755)
        return own, Daemon(config, program=script, wait=False)

    def test_a_delegated_group(self):
        """Required: used when the daemon's own group has the memory controller, refused if not."""
        if self.folder is None:
            return
        own, daemon = self.in_own_group("[sandbox]\ncgroup = \"required\"\n")
        with daemon:
            if "memory" not in groups.controllers(own):
                self.assertEqual(daemon.wait(), 1)
                self.assertIn("sandbox.cgroup", daemon.log())
                self.assertIn("no memory controller", daemon.log())
                return
            daemon.wait_until_ready()
            with daemon.client() as client:
                session = client.create()
                self.assertEqual(len(self.members(session)), 1)
                self.assertEqual(client.value("6*7", session), 42)
                text = client.request("GET", "/metrics")[2].decode()
                self.assertIn('vivarium_sandbox_layer_active{layer="cgroup_v2"} 1', text)
                client.call("SessionService/CloseSession", {"session": session})
                waiting.wait_for(lambda: self.members(session) is None, "the end of its group")
            self.assertEqual(daemon.terminate(), 0)
        for path, _, _ in os.walk(own, topdown=False):
            if path != own:
                os.rmdir(path)

    def test_memory_of_a_group(self):
        """With the memory controller the kernel ends a group that is over its limit."""
        if self.folder is None or "memory" not in groups.controllers(self.folder):
            if os.environ.get("VIVARIUM_MUST_CGROUP") == "1":
                self.fail("no memory controller")
            return
        session = self.client.create(limits={"memoryBytes": 64 * MIB, "workspaceBytes": MIB})
        [path] = [p for p, _, _ in os.walk(self.folder) if p.endswith("/" + session)]
        with open(f"{path}/memory.max", encoding="ascii") as most:
            self.assertEqual(int(most.read()), 64 * MIB + MIB + 4 * MIB + 16 * MIB)
        with open(f"{path}/pids.max", encoding="ascii") as most:
            self.assertEqual(int(most.read()), 32)
        verdict = self.client.eval(SHARED.format(200, 200), session)
        self.assert_lost(verdict)
        told = verdict["cause"]
        self.assertEqual((told["cause"], told["limit"]), ("memory", "memory_bytes"))
        self.assertIn(told["enforcedBy"], ("ENFORCED_BY_KERNEL", "ENFORCED_BY_DAEMON"))


if __name__ == "__main__":
    unittest.main()
