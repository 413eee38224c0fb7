# SPDX-License-Identifier: Apache-2.0
"""Processes of a session's own: none by default; where they are allowed, all inside of its jail."""

import unittest

from vivarium_testing import http_api, processes, tenants, waiting
from vivarium_testing.case import DaemonCase


class NoProcesses(DaemonCase):
    """The default."""

    def test_what_is_refused_names_the_option(self):
        """Every way to a process is a PermissionError that says how to get one."""
        session = self.session()
        for source in ("import os; os.fork()",
                       "import os; os.system('true')",
                       "import os; os.posix_spawn('/bin/true', ['true'], {})",
                       "import os; os.execv('/bin/true', ['true'])",
                       "import os; os.execvp('true', ['true'])",
                       "import os; os.popen('true').read()",
                       "import subprocess; subprocess.run(['/bin/true'])",
                       "import subprocess; subprocess.run('true', shell=True)",
                       "import asyncio\nawait asyncio.create_subprocess_exec('/bin/true')",
                       "import multiprocessing as m\nm.get_context('fork').Process(target=print).start()",
                       "import multiprocessing as m\nm.get_context('spawn').Process(target=print).start()",
                       "from concurrent.futures import ProcessPoolExecutor\n"
                       "ProcessPoolExecutor(1).submit(abs, -1).result()"):
            with self.subTest(source):
                verdict = self.client.eval(source, session)
                self.assert_kind(verdict, "PERMISSION")
                self.assertIn('processes = "children"', verdict["error"]["message"])
                self.assert_kept(verdict)

    def test_raw_calls(self):
        """Nothing that Python does is the boundary."""
        self.assertEqual(self.client.value(
            "import ctypes, errno\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            "def raw(*a):\n  r = libc.syscall(*a)\n  return errno.errorcode[ctypes.get_errno()] if r < 0 else r\n"
            "[raw(57), raw(58), raw(56, 17, 0, 0, 0, 0), raw(56, 0x1200011, 0, 0, 0, 0),\n"
            " raw(59, b'/bin/true', 0, 0), raw(322, 0, b'', 0, 0, 0x1000), raw(112), raw(109, 0, 0)]"),
            ["EPERM"] * 8)

    def test_a_session_cannot_ask_for_more(self):
        """The environment decides."""
        refused = self.refused("permission_denied", "SessionService/CreateSession",
                               {"processes": "PROCESSES_CHILDREN"})
        self.assertIn('processes = "children"', refused.message)


class Children(DaemonCase):
    """Allowed by the environment."""

    config = ('[environments.shell]\nprocesses = "children"\n'
              '[limits]\nthreads = 24\nmemory = "256MiB"\ngrace = "500ms"\n')

    def shell(self):
        """A session that may have processes."""
        return self.session(environment="shell")

    def of_session(self, session):
        """Returns the processes of a session beside its worker."""
        info = self.client.call("SessionService/GetSession", {"session": session})["session"]
        worker = int(info["workerPid"])
        return [p for p in processes.same_namespace(worker) if p.pid != worker]

    def test_subprocess(self):
        """Programs, pipes, shells, status, output."""
        session = self.shell()
        self.assertEqual(self.client.value(
            "import subprocess, os\n"
            "[subprocess.run(['echo', 'hi'], capture_output=True, text=True).stdout,\n"
            " subprocess.check_output('seq 3 | sort -r', shell=True, text=True).split(),\n"
            " subprocess.run(['false']).returncode, os.system('exit 3') >> 8,\n"
            " subprocess.run(['cat'], input=b'x' * 200_000, capture_output=True).stdout == b'x' * 200_000,\n"
            " subprocess.run(['true'], start_new_session=True).returncode,\n"
            " os.popen('echo popen').read(),\n"
            " subprocess.run(['sh', '-c', 'echo out; echo err >&2']).returncode]", session),
            ["hi\n", ["3", "2", "1"], 1, 3, True, 0, "popen\n", 0])
        verdict = self.client.eval("subprocess.run(['sh', '-c', 'echo out; echo err >&2'])", session)
        self.assertEqual((verdict["stdout"], verdict["stderr"]), ("out\n", "err\n"))
        verdict = self.client.eval("subprocess.run(['/no/such/program'])", session)
        self.assertEqual(verdict["error"]["type"], "FileNotFoundError")

    def test_asyncio(self):
        """Processes of asyncio."""
        self.assertEqual(self.client.value(
            "import asyncio\n"
            "p = await asyncio.create_subprocess_exec('tr', 'a-z', 'A-Z', stdin=-1, stdout=-1)\n"
            "(await p.communicate(b'shout'))[0].decode()", self.shell()), "SHOUT")

    def test_multiprocessing(self):
        """Processes and pools of all kinds, queues, locks, shared memory."""
        session = self.shell()
        for kind in ("fork", "spawn", "forkserver"):
            with self.subTest(kind):
                self.assertEqual(self.client.value(
                    "import multiprocessing as m, operator, math\n"
                    f"c = m.get_context({kind!r})\n"
                    "with c.Pool(2) as pool: squares = pool.starmap(operator.mul, [(i, i) for i in range(5)])\n"
                    "q = c.Queue()\n"
                    "p = c.Process(target=q.put, args=({'a': 1},)); p.start()\n"
                    "got = q.get(timeout=60); p.join()\n"
                    "q.close(); q.join_thread()\n"
                    "v = c.Value('i', 5)\n"
                    "[squares, got, p.exitcode, v.value]", session, timeoutMs="120000"),
                    [[0, 1, 4, 9, 16], {"a": 1}, 0, 5])
        self.assertEqual(self.client.value(
            "from concurrent.futures import ProcessPoolExecutor\n"
            "def double(x): return 2 * x\n"
            "with ProcessPoolExecutor(2) as pool: out = list(pool.map(double, range(4)))\n"
            "from multiprocessing import shared_memory\n"
            "s = shared_memory.SharedMemory(create=True, size=100); s.buf[0] = 7; n = s.buf[0]\n"
            "s.close(); s.unlink()\n[out, n]", session, timeoutMs="120000"), [[0, 2, 4, 6], 7])

    def test_managers(self):
        """Objects that processes share through a server of the session's own."""
        self.assertEqual(self.client.value(
            "import multiprocessing as m\n"
            "def add(d, n): d[n] = n * n\n"
            "with m.get_context('fork').Manager() as manager:\n"
            "  d = manager.dict()\n"
            "  ps = [m.get_context('fork').Process(target=add, args=(d, n)) for n in range(3)]\n"
            "  for p in ps: p.start()\n"
            "  for p in ps: p.join()\n"
            "  out = sorted(d.items())\nout", self.shell(), timeoutMs="60000"),
            [[0, 0], [1, 1], [2, 4]])

    def test_names_of_sockets(self):
        """Sockets lead to files of the same session only; abstract names lead nowhere."""
        server = ("import socket, os\n{s} = socket.socket(socket.AF_UNIX)\n{s}.bind({name})\n{s}.listen()\n0")
        one, other = self.shell(), self.shell()
        self.client.value(server.format(s="s", name="os.getcwd() + '/door'"), one)
        self.client.value(server.format(s="a", name="'\\0door'"), one)
        attempt = ("import socket, os\nc = socket.socket(socket.AF_UNIX)\n"
                   "try: c.connect({name}); r = 'connected'\n"
                   "except OSError as e: r = type(e).__name__\nr")
        self.assertEqual(self.client.value(attempt.format(name="os.getcwd() + '/door'"), one),
                         "connected")
        self.assertEqual(self.client.value(
            "t = s.accept()[0]\nc.sendall(b'x')\nt.recv(1).decode()", one), "x")
        for session, name in ((other, "os.getcwd() + '/door'"), (other, "'\\0door'"),
                              (one, "'\\0door'"), (one, "'door'"), (one, "'/no/such'"),
                              (one, f"{self.daemon.socket!r}"), (one, "'/proc/self/fd/3'"),
                              (one, f"(os.symlink({self.daemon.socket!r}, 'link'), os.getcwd() + '/link')[1]")):
            with self.subTest(name):
                self.assertIn(self.client.value(attempt.format(name=name), session),
                              ("FileNotFoundError", "ConnectionRefusedError", "PermissionError"))
        self.assertEqual(self.client.value(
            "n = socket.socket()\n"
            "[n.connect_ex(('127.0.0.1', 1)), socket.socket(socket.AF_UNIX).connect_ex(b'/x' * 20)]", one),
            [13, 2])

    def test_output_of_a_child(self):
        """What a forked child prints is its parent's output; it runs no further than its code."""
        session = self.shell()
        verdict = self.client.eval(
            "import os, sys\nprint('before')\npid = os.fork()\n"
            "if pid == 0:\n  print('child')\n"
            "else:\n  os.waitpid(pid, 0)\n  print('parent')\nx = 1", session)
        self.assertEqual(sorted(verdict["stdout"].split()), ["before", "child", "parent"])
        self.assertEqual(self.client.value("x", session), 1)
        self.assertEqual(self.client.value(
            "pid = os.fork()\nif pid == 0: 1 / 0\nos.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])",
            session), 1)

    def test_a_child_on_the_channel(self):
        """What a forked child writes to its parent's channel goes nowhere; one made by a raw call
        can hurt its own session only."""
        session = self.shell()
        self.assertEqual(self.client.value(
            "import os\npid = os.fork()\n"
            "if pid == 0:\n  os.write(4, b'garbage' * 100)\n  os.read(3, 1)\n  os._exit(0)\n"
            "os.waitpid(pid, 0)[1]", session), 0)
        self.assertEqual(self.client.value("1 + 1", session), 2)
        verdict = self.client.eval(
            "import ctypes, time\n"
            "if ctypes.CDLL(None).syscall(57) == 0:\n  os.write(4, b'\\xff' * 4096)\n  os._exit(0)\n"
            "time.sleep(60)", session, timeoutMs="30000")
        self.assert_lost(verdict)
        self.assertEqual(verdict["cause"]["cause"], "protocol")

    def test_everything_dies_with_the_session(self):
        """Children, orphans in sessions of their own, and what ignores signals."""
        session = self.shell()
        self.client.value(
            "import subprocess, os, signal\n"
            "subprocess.Popen(['sleep', '1000'])\n"
            "subprocess.Popen(['setsid', 'sh', '-c', 'trap \"\" TERM INT HUP; sleep 1000 & sleep 1000'])\n"
            "if os.fork() == 0:\n"
            "  os.setsid()\n"
            "  if os.fork() == 0:\n    signal.pause()\n"
            "  os._exit(0)\n0", session)
        waiting.wait_for(lambda: len(self.of_session(session)) >= 4, "the processes")
        started = self.of_session(session)
        self.client.call("SessionService/CloseSession", {"session": session})
        for process in started:
            waiting.wait_for(lambda p=process: not processes.alive(p), f"the end of {process}")

    def test_everything_dies_with_the_worker(self):
        """A worker that ends itself takes its children along."""
        session = self.shell()
        self.client.value("import subprocess\nsubprocess.Popen(['sleep', '1000'])\n0", session)
        started = waiting.wait_for(lambda: self.of_session(session), "the process")
        self.assert_lost(self.client.eval("import os; os._exit(7)", session))
        for process in started:
            waiting.wait_for(lambda p=process: not processes.alive(p), f"the end of {process}")

    def test_fork_bomb(self):
        """How many there are at once is bounded with the threads; the neighbour does not notice."""
        session = self.shell()
        verdict = self.client.eval(
            "import os, signal\nn = 0\ntry:\n  while True:\n"
            "    if os.fork() == 0: signal.pause()\n    n += 1\n"
            "except BlockingIOError as e: last = e.errno\n[n, last]", session, timeoutMs="60000")
        self.assertNotIn("error", verdict)
        count, number = verdict["result"]["json"]
        self.assertLess(count, 24)
        self.assertEqual(number, 11)
        verdict = self.client.eval(
            "import ctypes\nwhile True: ctypes.CDLL(None).syscall(57)", self.shell(), timeoutMs="2000")
        self.assertIn("error", verdict)

    def test_forks_have_a_rate(self):
        """Making processes that end at once, for ever, is slowed down."""
        made, refused = self.client.value(
            "import os, time\nmade = refused = 0\nend = time.monotonic() + 3\n"
            "while time.monotonic() < end and not refused:\n"
            "  try: pid = os.fork()\n"
            "  except BlockingIOError: refused += 1; continue\n"
            "  if pid == 0: os._exit(0)\n"
            "  os.waitpid(pid, 0); made += 1\n"
            "[made, refused]", self.shell(), timeoutMs="60000")
        self.assertTrue(made > 0 and (refused > 0 or made < 600), (made, refused))

    def test_namespaces_stay_closed(self):
        """Children get no flag that a thread or an ordinary fork has not."""
        self.assertEqual(self.client.value(
            "import ctypes, errno, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            "def raw(*a):\n  r = libc.syscall(*a)\n"
            "  if r == 0 and a[0] == 56: os._exit(0)\n"
            "  return errno.errorcode[ctypes.get_errno()] if r < 0 else 'ok'\n"
            "NEW = [0x10000000, 0x20000000, 0x20000, 0x40000000, 0x08000000, 0x04000000, 0x02000000, 0x80]\n"
            "out = [raw(56, flag | 17, 0, 0, 0, 0) for flag in NEW]\n"
            "out += [raw(272, flag) for flag in NEW]\n"
            "out + [raw(56, 0x2011, 0, 0, 0, 0), raw(322, 0, b'', 0, 0, 0x1000)]",
            self.shell()), ["EPERM"] * 18)

    def test_privileges(self):
        """No program gives a child more than its parent has."""
        self.assertEqual(self.client.value(
            "import subprocess\n"
            "subprocess.run(['sh', '-c', 'id -u; mount -t tmpfs x /tmp 2>&1; kill -9 1; chroot / true 2>/dev/null"
            " || echo no'], capture_output=True, text=True).stdout.split()[-1]", self.shell()), "no")

    def test_a_deadly_call_of_a_child(self):
        """Its own process ends for it, the session goes on, and the audit names the call."""
        session = self.shell()
        self.assertEqual(self.client.value(
            "import ctypes, os, signal\npid = os.fork()\n"
            "if pid == 0:\n  ctypes.CDLL(None).syscall(321, 0, 0, 0)\n  os._exit(0)\n"
            "os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])", session), -9)
        text = self.client.request("GET", "/metrics")[2].decode()
        self.assertRegex(text, r'vivarium_denied_calls_total{[^}]*bpf[^}]*} [1-9]')

    def test_a_hanging_child_does_not_delay_the_end(self):
        """Threads and children that never end are no reason to wait."""
        session = self.shell()
        self.client.value(
            "import threading, time, subprocess, atexit\n"
            "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
            "atexit.register(time.sleep, 1000)\nsubprocess.Popen(['sleep', '1000'])\n0", session)
        self.client.call("SessionService/CloseSession", {"session": session})

    def test_a_session_may_do_without(self):
        """What the environment allows is not forced on a session."""
        session = self.session(environment="shell", processes="PROCESSES_NONE")
        self.assert_kind(self.client.eval("import os; os.fork()", session), "PERMISSION")


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

    def assert_cause(self, verdict, *expected):
        """The cause, the limit and who enforced it; what was seen is beyond what was allowed."""
        told = verdict.get("cause", {})
        self.assertEqual((told.get("cause"), told.get("limit"), told.get("enforcedBy")), expected,
                         verdict)
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
        self.assert_cause(verdict, "memory", "memory_bytes", "ENFORCED_BY_DAEMON")

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
                          "memory", "memory_bytes", "ENFORCED_BY_DAEMON")

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
        self.assert_cause(verdict, "cpu", "cpu_ms", "ENFORCED_BY_DAEMON")
        self.assert_kept(verdict)

    def test_cpu_of_all(self):
        """Children that compute one after the other use up the time of their session."""
        session = self.shell(cpuMs=waiting.scaled(2000))
        verdict = self.client.eval(
            "import subprocess, sys\nwhile True:\n"
            f"  subprocess.run([sys.executable, '-c', {self.BURN.format(s=0.3)!r}])",
            session, timeoutMs="60000")
        self.assert_lost(verdict)
        self.assert_cause(verdict, "cpu", "session_cpu_ms", "ENFORCED_BY_DAEMON")

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
                self.assert_cause(verdict, "cpu", "session_cpu_ms", "ENFORCED_BY_DAEMON")


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
