# SPDX-License-Identifier: Apache-2.0
"""Limits on all processes of a session together, and on who may have any."""

import unittest

from vivarium_testing import http_api, tenants, waiting
from vivarium_testing.case import DaemonCase


class Together(DaemonCase):
    """A session's limits hold over all of its processes, which the kernel limits one by one."""

    config = ('[environments.shell]\nprocesses = "children"\n'
              '[limits]\nthreads = 24\nmemory = "96MiB"\ncpu = "20s"\ngrace = "500ms"\n')

    # Starts {count} processes that take {size} MiB each and wait, and waits until they have.
    TAKE = ("import os, signal\nr, w = os.pipe()\n"
            "for _ in range({count}):\n"
            "  if os.fork() == 0:\n"
            "    own = bytearray({size} << 20)\n"
            "    for i in range(0, len(own), 4096): own[i] = 1\n"
            "    os.write(w, b'x'); signal.pause()\n"
            "ready = 0\nwhile ready < {count}: ready += len(os.read(r, 64))\nready")
    # Computes for {s} seconds of CPU time.
    BURN = "import time\nend = time.process_time() + {s}\nwhile time.process_time() < end: pass\n"

    def shell(self, **limits):
        """A session that may have processes."""
        return self.session(environment="shell", limits=limits)

    def looked(self):
        """Waits until the daemon has looked at its workers some times more."""
        def looks():
            text = self.client.request("GET", "/metrics")[2].decode()
            [line] = [x for x in text.splitlines() if x.startswith("vivarium_memory_poll_duration_seconds_count")]
            return float(line.split()[-1])
        before = looks()
        waiting.wait_for(lambda: looks() > before + 4, "looks at the workers")

    def assert_cause(self, verdict, cause, limit):
        """The cause and the limit, told by who sees all of a session: the daemon, or the kernel where
        the session has a control group. What was seen is beyond what was allowed."""
        told = verdict.get("cause", {})
        self.assertEqual((told.get("cause"), told.get("limit")), (cause, limit), verdict)
        self.assertIn(told["enforcedBy"], ("ENFORCED_BY_DAEMON", "ENFORCED_BY_KERNEL"))
        self.assertGreaterEqual(int(told["observed"]), int(told["configured"]))

    def test_memory_of_all(self):
        """Children of which each stays below the limit are over it together."""
        few = self.shell()
        self.assertEqual(self.client.value(self.TAKE.format(count=3, size=16), few), 3)
        self.looked()
        self.assertEqual(self.client.value("1 + 1", few), 2)
        verdict = self.client.eval(self.TAKE.format(count=6, size=60) + "\nsignal.pause()",
                                   self.shell(), timeoutMs="60000")
        self.assert_lost(verdict)
        self.assert_cause(verdict, "memory", "memory_bytes")

    def test_memory_of_those_left_behind(self):
        """An idle session is looked at as well, when it has processes."""
        session = self.shell()
        self.client.value("import subprocess, sys\n"
                          "take = 'x = bytearray(60 << 20)\\nfor i in range(0, len(x), 4096): x[i] = 1\\n'\n"
                          "take += 'import signal; signal.pause()'\n"
                          "for _ in range(5): subprocess.Popen([sys.executable, '-c', take])\n0", session)
        def dead():
            told = self.client.call("SessionService/GetSession", {"session": session})["session"]
            return told if told["state"] == "SESSION_STATE_DEAD" else None
        self.assert_cause(waiting.wait_for(dead, "the end of the session"),
                          "memory", "memory_bytes")

    def test_memory_that_is_shared_counts_once(self):
        """Processes that read what their parent has take nothing for it."""
        session = self.shell()
        self.client.value("kept = bytearray(70 << 20)\n"
                          "for i in range(0, len(kept), 4096): kept[i] = 1", session)
        self.assertEqual(self.client.value(self.TAKE.format(count=6, size=1), session), 6)
        self.looked()
        self.assertEqual(self.client.value("len(kept)", session), 70 << 20)

    def test_cpu_of_an_execution(self):
        """What its children compute is in its usage and in its budget."""
        session = self.shell()
        burn = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {self.BURN!r}])"
        verdict = self.client.eval(burn.replace("{s}", "0.5"), session)
        self.assertGreaterEqual(int(verdict["usage"]["cpuUs"]), 480_000)
        verdict = self.client.eval(burn.replace("{s}", "15"), session, cpuMs="1000",
                                   timeoutMs="60000")
        self.assert_cause(verdict, "cpu", "cpu_ms")
        self.assert_kept(verdict)

    def test_cpu_of_all(self):
        """Children that compute one after the other use up the time of their session."""
        session = self.shell(cpuMs=waiting.scaled(2000))
        verdict = self.client.eval(
            "import subprocess, sys\nwhile True:\n"
            f"  subprocess.run([sys.executable, '-c', {self.BURN.format(s=0.3)!r}])",
            session, timeoutMs="60000")
        self.assert_lost(verdict)
        self.assert_cause(verdict, "cpu", "session_cpu_ms")

    def test_cpu_of_those_nobody_waits_for(self):
        """Ignoring the ends of children, or orphaning them, hides nothing that lives at a look."""
        burn = self.BURN.format(s=waiting.scaled(600) / 1000)
        for how in ("signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True:\n"
                    "  p = os.fork()\n  if p == 0:\n    exec(burn); os._exit(0)\n"
                    "  try: os.waitpid(p, 0)\n  except ChildProcessError: pass",
                    "while True:\n  r, w = os.pipe()\n  p = os.fork()\n  if p == 0:\n"
                    "    if os.fork() == 0:\n      exec(burn)\n    os._exit(0)\n"
                    "  os.waitpid(p, 0); os.close(w); os.read(r, 1); os.close(r)"):
            with self.subTest(how):
                verdict = self.client.eval(f"import os, signal\nburn = {burn!r}\n{how}",
                                           self.shell(cpuMs=waiting.scaled(2000)), timeoutMs="60000")
                self.assert_lost(verdict)
                self.assert_cause(verdict, "cpu", "session_cpu_ms")


class OfTenants(tenants.TenantCase):
    """A tenant can be kept from processes, whatever the environments offer."""

    tenants = {"a": "[tenants.a.limits]\nthreads = 4", "b": 'processes = "none"'}
    more_config = '[environments.shell]\nprocesses = "children"\n'

    @classmethod
    def setUpClass(cls):
        """Has the pools of that environment started before anybody takes stock."""
        super().setUpClass()
        for name in cls.tenants:
            with cls.daemon.client(cls.keys[name]) as client:
                client.call("SessionService/CloseSession",
                            {"session": client.create(environment="shell")})

    def test_who_may(self):
        """Sessions that do not ask have what their tenant may have; who asks is told the option."""
        fork = "import os\nif os.fork() == 0: os._exit(0)\nos.wait()[1]"
        allowed = self.session_of("a", environment="shell")
        self.assertEqual(self.of["a"].value(fork, allowed), 0)
        kept_from = self.session_of("b", environment="shell")
        self.assert_kind(self.of["b"].eval(fork, kept_from), "PERMISSION")
        with self.assertRaises(http_api.ApiError) as caught:
            self.of["b"].create(environment="shell", processes="PROCESSES_CHILDREN")
        self.assertEqual(caught.exception.code, "permission_denied")
        self.assertIn('tenants.b.processes = "children"', caught.exception.message)

    def test_how_many(self):
        """The tenant's maximum of threads is one of processes."""
        session = self.session_of("a", environment="shell")
        made = self.of["a"].value("import os, signal\nn = 1\ntry:\n  while True:\n"
                                  "    if os.fork() == 0: signal.pause()\n    n += 1\n"
                                  "except BlockingIOError: pass\nn", session)
        self.assertLessEqual(made, 4)
        self.assertGreater(made, 1)


if __name__ == "__main__":
    unittest.main()
