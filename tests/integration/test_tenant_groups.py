# SPDX-License-Identifier: Apache-2.0
"""What the control group of a tenant holds its sessions to, together. Needs a cgroup v2 with its
controllers; scripts/kernel-test boots a machine that has one."""

import functools
import os
import signal
import unittest

from vivarium_testing import groups, tenants, waiting

MIB = 1 << 20
CONTROLLERS = {"cpu", "memory", "pids"}
# Memory of its own: what is shared outlives whoever is killed for a moment, which costs another.
TAKE = "m = b'x' * ({0} << 20)\n{0}"


def in_groups(test):
    """A test that needs a folder with controllers."""
    @functools.wraps(test)
    def run(self):
        if self.usable:
            test(self)
    return run


class TenantGroups(tenants.TenantCase):
    """A tenant with limits for all that it has, and one without."""

    watched = False
    tenants = {"held": 'group_memory = "160MiB"\ngroup_pids = 40\ncpu_weight = 50', "free": ""}

    @classmethod
    def setUpClass(cls):
        """Makes a folder for the daemon, or says why not."""
        cls.folder = groups.make_folder()
        cls.usable = cls.folder is not None and CONTROLLERS <= set(groups.controllers(cls.folder))
        if cls.folder is not None:
            cls.addClassCleanup(groups.remove, cls.folder)  # Once the daemon has ended.
        if not cls.usable:
            if os.environ.get("VIVARIUM_MUST_CGROUP") == "1":
                raise AssertionError("no cgroup2 folder with controllers is writable")
            print("no cgroup2 folder with controllers is writable: not tested here", flush=True)
            return
        # An emulated machine imports slowly.
        cls.more_config = (f'[sandbox]\ncgroup = "{cls.folder}"\n'
                           f'[pool]\nzygote_timeout = "{int(2 * waiting.WATCHDOG)}s"\nready = 1\nlow = 1\n'
                           f'[limits]\nstart_timeout = "{int(2 * waiting.WATCHDOG)}s"\n')
        super().setUpClass()

    def setUp(self):
        """Nothing without a folder."""
        if self.usable:
            super().setUp()

    def tearDown(self):
        """Likewise."""
        if self.usable:
            super().tearDown()

    def group(self, tenant, name):
        """Returns what a file of a tenant's group says."""
        [path] = [p for p, _, _ in os.walk(self.folder) if p.endswith("/t." + tenant)]
        with open(f"{path}/{name}", encoding="ascii") as text:
            return text.read().strip()

    @in_groups
    def test_limits_are_those_of_the_configuration(self):
        self.session_of("held")
        self.session_of("free")
        self.assertEqual(self.group("held", "memory.max"), str(160 * MIB))
        self.assertEqual(self.group("held", "pids.max"), "40")
        # One that stands behind shows no weight.
        waiting.wait_for(lambda: self.group("held", "cpu.weight") == "50", "its weight")
        self.assertEqual(self.group("held", "memory.oom.group"), "0")
        for name in ("memory.max", "pids.max"):
            self.assertEqual(self.group("free", name), "max")
        waiting.wait_for(lambda: self.group("free", "cpu.weight") == "100", "its weight")

    @in_groups
    def test_sessions_share_the_memory_of_their_tenant(self):
        first, second = self.session_of("held"), self.session_of("held")
        self.assertEqual(self.of["held"].value(TAKE.format(100), first), 100)
        self.of["held"].eval(TAKE.format(100), second)
        # Each is within its own limit. One of them had to go, and only one.
        kept, lost = [], []
        for session in (first, second):
            told = self.of["held"].call("SessionService/GetSession", {"session": session})["session"]
            (lost if told["state"] == "SESSION_STATE_DEAD" else kept).append(told)
        self.assertEqual((len(kept), len(lost)), (1, 1))
        why = lost[0]["cause"]
        self.assertEqual((why["cause"], why["limit"]), ("memory", "group_memory"))
        self.assertEqual(why["configured"], str(160 * MIB))
        self.assertEqual(why["enforcedBy"], "ENFORCED_BY_KERNEL")
        self.assertEqual(self.of["held"].value("6 * 7", kept[0]["id"]), 42)
        other = self.session_of("free")
        self.assertEqual(self.of["free"].value(TAKE.format(200), other), 200)

    @in_groups
    def test_sessions_share_the_threads_of_their_tenant(self):
        begin = ("import threading, time\n"
                 "n = 0\n"
                 "try:\n"
                 "    for _ in range(25):\n"
                 "        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
                 "        n += 1\n"
                 "except RuntimeError: pass\n"
                 "n")
        first, second = self.session_of("held"), self.session_of("held")
        self.assertEqual(self.of["held"].value(begin, first), 25)
        self.assertLess(self.of["held"].value(begin, second), 15)
        self.assertEqual(self.of["free"].value(begin, self.session_of("free")), 25)

    @in_groups
    def test_a_greedy_tenant_stands_behind_as_a_group(self):
        hogs = [self.session_of("free") for _ in range(len(os.sched_getaffinity(0)) + 1)]
        for session in hogs:
            self.of["free"].start("while True: pass", session)
        quiet = self.session_of("held")

        def idle(wanted):
            self.of["held"].value("sum(range(200_000))", quiet)
            return self.group("free", "cpu.idle") == wanted
        waiting.wait_for(lambda: idle("1"), "its group to be idle")
        self.assertEqual(self.of["free"].value("6 * 7", self.session_of("free")), 42)
        for session in hogs:
            self.of["free"].call("SessionService/CloseSession", {"session": session})
        waiting.wait_for(lambda: idle("0"), "its group to have its weight again")
        self.assertEqual(self.group("free", "cpu.weight"), "100")

    @in_groups
    def test_a_reload_takes_limits_away(self):
        self.session_of("held")
        with open(self.daemon.config, encoding="utf-8") as text:
            before = text.read()
        try:
            with open(self.daemon.config, "w", encoding="utf-8") as text:
                text.write(before.replace('group_memory = "160MiB"\ngroup_pids = 40\n', ""))
            self.daemon.process.send_signal(signal.SIGHUP)
            waiting.wait_for(lambda: self.group("held", "memory.max") == "max", "no more limit")
            waiting.wait_for(lambda: self.group("held", "pids.max") == "max", "no more limit")
        finally:
            with open(self.daemon.config, "w", encoding="utf-8") as text:
                text.write(before)
            self.daemon.process.send_signal(signal.SIGHUP)
        waiting.wait_for(lambda: self.group("held", "pids.max") == "40", "the limit again")


if __name__ == "__main__":
    unittest.main()
