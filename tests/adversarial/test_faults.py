# SPDX-License-Identifier: Apache-2.0
"""Faults of the machine beneath, and a daemon that dies at the worst moment (threats 90, 91). No
descriptors: integration/test_connections.py. A clock that jumps: nothing here reads the wall clock."""

import ctypes
import os
import resource
import struct
import subprocess
import unittest

from vivarium_testing import daemon as daemons, http_api, processes, waiting
from vivarium_testing.attack import AttackCase
from vivarium_testing.daemon import Daemon

# Numbers of x86-64's system calls, and of BPF.
CLONE, CLONE3, SECCOMP, LANDLOCK_CREATE, UNSHARE = 56, 435, 317, 444, 272
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
EPERM, ENOSYS = 1, 38
NEW_USER = 0x10000000


def without(number, error, flag=None):
    """Returns a function that takes a system call from the process it runs in and those below: as on
    a kernel that does not have it, or an administrator who forbids it."""
    load = [(0x20, 0, 0, 0)]  # the number of the call
    if flag is None:
        program = load + [(0x15, 0, 1, number), (0x06, 0, 0, ERRNO | error), (0x06, 0, 0, ALLOW)]
    else:
        program = load + [(0x15, 0, 3, number), (0x20, 0, 0, 16), (0x45, 0, 1, flag),
                          (0x06, 0, 0, ERRNO | error), (0x06, 0, 0, ALLOW)]
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)

    def forbid():
        libc = ctypes.CDLL(None)
        held = ctypes.create_string_buffer(code)
        filter_ = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(held))
        if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, filter_, 0, 0) != 0:
            os._exit(99)
    return forbid


def start(folder, forbid, config=""):
    """Runs a daemon that is expected to refuse; returns the finished process."""
    path = os.path.join(folder, "vivarium.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write((daemons.CONFIG + config).replace("{folder}", folder))
    return subprocess.run(
        [daemons.DAEMON, "--config", path, "--listen", "127.0.0.1:0", "--state-dir", os.path.join(folder, "other")],
        preexec_fn=forbid,
        env=daemons.environment(folder), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=waiting.WATCHDOG, check=False)


class MissingLayers(unittest.TestCase):
    """91: a layer that the kernel does not have is never silently left out."""

    @classmethod
    def setUpClass(cls):
        """A daemon's folder."""
        cls.daemon = Daemon()
        cls.addClassCleanup(cls.daemon.destroy)

    def refuses(self, forbid, *words):
        """The daemon does not start, and says what is missing."""
        done = start(self.daemon.folder, forbid)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        # The doctor says the same, with what would mend it.
        told = subprocess.run([daemons.DAEMON, "doctor"], preexec_fn=forbid, capture_output=True, text=True,
                              env=daemons.environment(self.daemon.folder), stdin=subprocess.DEVNULL,
                              timeout=waiting.WATCHDOG, check=False)
        self.assertEqual(told.returncode, 1)
        self.assertIn("MISSING  " + words[0], told.stdout)

    def test_landlock(self):
        """As before Linux 5.13."""
        self.refuses(without(LANDLOCK_CREATE, ENOSYS), "landlock", "allow_degraded")

    def test_seccomp(self):
        """As in a container whose profile forbids it."""
        self.refuses(without(SECCOMP, ENOSYS), "seccomp_notify", "not all of them can be left out")

    def test_user_namespaces(self):
        """As where an administrator has switched them off."""
        self.refuses(without(CLONE, EPERM, NEW_USER), "user_namespace", "pid_namespace", "sysctl")

    def test_accepted_knowingly(self):
        """Named in the configuration it starts, and says at every turn what is not there."""
        config = "[sandbox]\nallow_degraded = [\"landlock\"]\n"
        with Daemon(config, before=without(LANDLOCK_CREATE, ENOSYS)) as daemon:
            self.assertIn('"layer":"landlock"', daemon.log())
            with daemon.client() as client:
                self.assertEqual(client.value("6*7"), 42)
                metrics = client.request("GET", "/metrics")[2].decode()
            self.assertIn('layer="landlock"} 0', metrics)

    def test_left_out_where_it_is_there(self):
        """A layer that the configuration leaves out is not reported as one that holds."""
        with Daemon("[sandbox]\nallow_degraded = [\"landlock\"]\n") as daemon, daemon.client() as client:
            metrics = client.request("GET", "/metrics")[2].decode()
            self.assertIn('layer="landlock"} 0', metrics)
            self.assertIn('layer="user_namespace"} 1', metrics)


class Full(AttackCase):
    """91: nothing left of what the daemon itself needs."""

    def test_memory(self):
        """No address space: large requests fail, the daemon and its sessions do not."""
        if self.is_sanitized():
            self.skipTest("a sanitizer's own memory counts as the daemon's")
        session = self.session()
        self.client.value("x = 20", session)
        with open(f"/proc/{self.daemon.pid}/statm", encoding="ascii") as file:
            size = int(file.read().split()[0]) * 4096
        before = resource.prlimit(self.daemon.pid, resource.RLIMIT_AS)
        resource.prlimit(self.daemon.pid, resource.RLIMIT_AS, (size + (24 << 20), before[1]))
        try:
            for _ in range(3):
                try:
                    self.client.eval("'x' * 30_000_000", session)
                    self.client.eval("1", session, filename="f" * 100)
                    self.client.call("ExecutionService/Eval", {"source": "#" * 14_000_000, "session": session})
                except (http_api.ApiError, OSError, http_api.http.client.HTTPException):
                    pass
                self.assertIsNone(self.daemon.process.poll(), self.daemon.log())
        finally:
            resource.prlimit(self.daemon.pid, resource.RLIMIT_AS, before)
        self.assertEqual(self.client.value("6*7"), 42)

    @staticmethod
    def is_sanitized():
        """Whether the daemon was built with a sanitizer."""
        with open(daemons.DAEMON, "rb") as program:
            return b"__asan_init" in program.read()

    def test_log(self):
        """A log that cannot be written to keeps nobody from work."""
        with open("/dev/full", "wb") as full:
            daemon = Daemon(log=full)
        self.addCleanup(daemon.destroy)
        with daemon.client() as client:
            session = client.create()
            for _ in range(50):
                client.eval("import ctypes\nctypes.CDLL(None).syscall(165)", session)
            self.assertEqual(client.value("6*7", session), 42)
        self.assertEqual(daemon.terminate(), 0)

    def test_disk_without_inodes(self):
        """91: a worker's own: told to it, and to nobody else."""
        session = self.session()
        verdict = self.client.eval("for i in range(10**6): open(f'f{i}', 'w').close()", session)
        self.assert_kind(verdict, "IO")
        self.assert_unharmed()


class Killed(unittest.TestCase):
    """90: SIGKILL to the daemon at any point of its life: nothing of it stays."""

    def nothing_left(self, daemon, mounts):
        """Kills it and waits for everything below."""
        below = daemon.kill()
        for process in below:
            waiting.wait_for(lambda p=process: not processes.alive(p), f"the end of {process}")
        self.assertEqual(processes.mounts(), mounts)
        return below

    def test_while_it_starts(self):
        """As soon as there is a jail, a launcher, a zygote, a worker."""
        mounts = processes.mounts()
        for what in (lambda d: processes.descendants(d.pid), lambda d: processes.launchers(d.pid),
                     lambda d: processes.zygotes(d.pid), lambda d: processes.holders(d.pid),
                     lambda d: processes.workers(d.pid)):
            daemon = Daemon(wait=False)
            self.addCleanup(daemon.destroy)
            waiting.wait_for(lambda d=daemon, w=what: w(d), "its processes")
            self.nothing_left(daemon, mounts)

    def test_at_work(self):
        """With sessions that compute, flood, wait, and are being made."""
        mounts = processes.mounts()
        with Daemon() as daemon:
            with daemon.client() as client:
                for source in ("while True: pass", "while True: print('x' * 1000)", "import time; time.sleep(9e6)",
                               "import threading\nfor i in range(9): threading.Thread(target=threading.Event().wait)"
                               ".start()", "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"):
                    client.start(source, client.create())
                self.assertGreater(len(self.nothing_left(daemon, mounts)), 10)
            # What it left does not stand in the way of the next one.
            daemon.start()
            with daemon.unix_client() as client:
                self.assertEqual(client.value("6*7"), 42)


if __name__ == "__main__":
    unittest.main()
