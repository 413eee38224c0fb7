# SPDX-License-Identifier: Apache-2.0
"""Who uses more of the processors than its part stands behind others. Nothing here measures time:
what the kernel was told of a process is read from /proc."""

import os
import re
import threading

from vivarium_testing import processes, tenants, waiting

HOG = "while True: pass"
GROUPS_OFF = '[sandbox]\ncgroup = "off"\n'
CROWD = """
import threading
for _ in range(3):
    threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()
while True: pass
"""
FAMILY = """
import os
for _ in range(3):
    if os.fork() == 0:
        while True: pass
while True: pass
"""


def can_be_taken_back():
    """Whether this user may give a thread SCHED_IDLE and take that back; tried on one."""
    found = []

    def attempt():
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            found.append(True)
        except PermissionError:
            found.append(False)
    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return found[0]


ALL = os.sched_getaffinity(0)
BY_POLICY = can_be_taken_back()


def behind(thread):
    """Whether a thread stands behind others, in the way that this user has."""
    try:
        if BY_POLICY:
            return os.sched_getscheduler(thread) == os.SCHED_IDLE
        return os.sched_getaffinity(thread) < ALL
    except ProcessLookupError:
        return None


def threads(pid):
    """Returns the threads of a process."""
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


def parent(pid):
    """Returns the parent of a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        return int(stat.read().rpartition(")")[2].split()[1])


def group_of(pid):
    """Returns the kernel's group of a session of processes, and its niceness; empty without."""
    try:
        with open(f"/proc/{pid}/autogroup", encoding="ascii") as group:
            return group.read().split()
    except OSError:
        return []


class SharesCase(tenants.TenantCase):
    """A tenant that computes all the time, and one that asks now and then."""

    watched = False
    tenants = {"greedy": "", "quiet": ""}
    # Where a tenant has a group of its own, that is what stands behind: test_tenant_groups.py.
    more_config = GROUPS_OFF

    def worker_of(self, tenant, session):
        """Returns the pid of a session's worker."""
        told = self.of[tenant].call("SessionService/GetSession", {"session": session})
        return told["session"]["workerPid"]

    def begin_hogs(self, count, source=HOG):
        """Begins endless executions, each in a session of its own; returns its workers."""
        sessions = [self.session_of("greedy") for _ in range(count)]
        for session in sessions:
            self.of["greedy"].start(source, session)
        return [self.worker_of("greedy", session) for session in sessions]

    def metric(self, name, tenant):
        """Returns a tenant's figure; 0 when there is none."""
        text = self.client.request("GET", "/metrics")[2].decode()
        found = re.search(rf'^{name}\{{tenant="{tenant}"\}} (\S+)$', text, re.M)
        return float(found[1]) if found else 0

    def wait_until(self, condition, what):
        """Waits for something while the quiet tenant is there and computes a little."""
        session = self.session_of("quiet")

        def busy():
            self.of["quiet"].value("sum(range(200_000))", session)
            return condition()
        waiting.wait_for(busy, what)


class Shares(SharesCase):
    """As it is by default."""

    def test_who_computes_all_the_time_stands_behind(self):
        hogs = self.begin_hogs(len(ALL) + 1)
        before = self.metric("vivarium_tenant_put_behind_total", "greedy")
        self.wait_until(lambda: all(behind(pid) for pid in hogs), "its workers to be behind")
        self.assertEqual(self.metric("vivarium_tenant_behind", "greedy"), 1)
        self.assertGreaterEqual(self.metric("vivarium_tenant_put_behind_total", "greedy"),
                                max(before, 1))
        quiet = self.session_of("quiet")
        self.assertEqual(self.of["quiet"].value("6 * 7", quiet), 42)
        worker = self.worker_of("quiet", quiet)
        self.assertNotEqual(os.sched_getscheduler(worker), os.SCHED_IDLE)
        self.assertEqual(self.metric("vivarium_tenant_behind", "quiet"), 0)
        # What it makes now is behind from the start, and serves.
        fresh = self.session_of("greedy")
        self.assertTrue(behind(self.worker_of("greedy", fresh)))
        self.assertEqual(self.of["greedy"].value("6 * 7", fresh), 42)
        self.check_zygotes(parent(hogs[0]), parent(worker))

    def check_zygotes(self, greedy, quiet):
        """The processes that make workers stand as the tenant does that they make them for."""
        self.wait_until(lambda: behind(greedy), "its zygote to be behind")
        self.assertTrue(behind(parent(greedy)))
        self.assertFalse(behind(quiet))
        if group_of(greedy):
            self.wait_until(lambda: group_of(greedy)[2] == "19", "the niceness of its group")

    def test_it_comes_back_when_it_has_ended(self):
        session = self.session_of("greedy")
        started = self.of["greedy"].start(HOG, session)
        worker = self.worker_of("greedy", session)
        self.begin_hogs(len(ALL))
        self.wait_until(lambda: behind(worker), "its worker to be behind")
        for tenant, mine in self.theirs:
            if tenant == "greedy" and mine != session:
                self.of["greedy"].call("SessionService/CloseSession", {"session": mine})
        self.of["greedy"].call("ExecutionService/Cancel", {"executionId": started})
        self.wait_until(lambda: not behind(worker), "its worker to be as usual")
        self.assertEqual(self.of["greedy"].value("6 * 7", session), 42)
        self.wait_until(lambda: not behind(parent(worker)), "its zygote to be as usual")

    def test_all_threads_stand_behind(self):
        worker = self.begin_hogs(1, CROWD)[0]
        self.begin_hogs(len(ALL))
        waiting.wait_for(lambda: len(threads(worker)) == 4, "its threads")
        self.wait_until(lambda: all(behind(thread) for thread in threads(worker)),
                        "all of its threads to be behind")

    def test_nobody_helps_itself_out(self):
        worker = self.begin_hogs(len(ALL))[0]
        self.wait_until(lambda: behind(worker), "its worker to be behind")
        session = self.session_of("greedy")
        for attempt in ("os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))",
                        "os.sched_setaffinity(0, range(os.cpu_count()))",
                        "os.setpriority(os.PRIO_PROCESS, 0, 0)"):
            self.assertIn("error", self.of["greedy"].eval(f"import os; {attempt}", session), attempt)

    def test_workers_are_in_the_session_of_their_tenants_zygote(self):
        greedy = self.worker_of("greedy", self.session_of("greedy"))
        quiet = self.worker_of("quiet", self.session_of("quiet"))
        self.assertEqual(os.getsid(greedy), os.getsid(parent(greedy)))
        self.assertNotEqual(os.getsid(greedy), os.getsid(quiet))
        self.assertNotEqual(os.getsid(greedy), os.getsid(self.daemon.pid))
        self.assertEqual(os.getpgid(greedy), greedy)


class Crowds(SharesCase):
    """Sessions that may have processes."""

    more_config = GROUPS_OFF + '[environments.default]\nprocesses = "children"\n'

    def test_all_processes_stand_behind(self):
        worker = self.begin_hogs(1, FAMILY)[0]
        everybody = waiting.wait_for(lambda: self.family(worker, 4), "its processes")
        self.begin_hogs(len(ALL))
        self.wait_until(lambda: all(behind(pid) for pid in everybody), "all of them to be behind")

    @staticmethod
    def family(worker, count):
        """Returns the processes of a session once there are so many."""
        found = [process.pid for process in processes.same_namespace(worker)]
        return found if len(found) == count else None


class Unshared(SharesCase):
    """With fair_cpu switched off everybody is as the kernel has it."""

    more_config = GROUPS_OFF + "fair_cpu = false\n"

    def test_nobody_stands_behind(self):
        hogs = self.begin_hogs(len(ALL) + 1)
        used = self.metric("vivarium_tenant_cpu_seconds_total", "greedy")
        self.wait_until(
            lambda: self.metric("vivarium_tenant_cpu_seconds_total", "greedy") > used + 1,
            "a second of CPU time")
        self.assertFalse(any(behind(pid) for pid in hogs))
        self.assertEqual(self.metric("vivarium_tenant_put_behind_total", "greedy"), 0)
