# SPDX-License-Identifier: Apache-2.0
"""From one session to another, and out to the network (threats 72, 73, 92 to 96, 101 and some that
are on no list)."""

import socket
import threading
import unittest

from vivarium_testing import http_api, waiting
from vivarium_testing.attack import (AttackCase, TwinCase, answers, anything, either, fails, raises,
                                     satisfies, stopped)


class Network(AttackCase):
    """72, 73: without a policy there is none: no address, no name, no way of writing them helps."""

    def listener(self):
        """Returns a server on loopback that must not be met, and its port."""
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(0)
        self.addCleanup(server.close)
        return server, server.getsockname()[1]

    def test_addresses(self):
        """Loopback in all its spellings, link-local, metadata, the daemon's own port."""
        server, port = self.listener()
        hosts = ["127.0.0.1", "127.1", "0", "0.0.0.0", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.53",
                 "::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "fe80::1", "169.254.169.254", "10.0.0.1",
                 "192.168.1.1", "172.17.0.1", "224.0.0.1", "255.255.255.255", "100.100.100.200", "fd00:ec2::254"]
        session = self.attacker()
        for target in (port, self.daemon.port, 53, 80, 9090):
            self.attack(f"import socket\ndef go(h):\n"
                        "  family = socket.AF_INET6 if ':' in h else socket.AF_INET\n"
                        "  s = socket.socket(family)\n  s.settimeout(3)\n"
                        f"  try: return tried(s.connect, (h, {target}))\n  finally: s.close()\n"
                        f"[go(h) for h in {hosts!r}]",
                        satisfies(lambda v: set(v) <= {"EACCES", "gaierror"} and v[0] == "EACCES"), session)
        with self.assertRaises(BlockingIOError):
            server.accept()

    def test_names(self):
        """No resolver, so that nothing leaks by asking."""
        session = self.attacker()
        for name in ("example.org", "example.org.", "localhost.evil.example", "xn--80ak6aa92e.com",
                     "metadata.google.internal", "secret-in-a-name.evil.example", "1.1.1.1.nip.io"):
            self.attack(f"import socket\ntried(socket.getaddrinfo, {name!r}, 80)", answers("gaierror"), session)
        self.attack("import socket\ntried(socket.getaddrinfo, 'localhost', 80)",
                    either(answers("done"), answers("gaierror")), session)

    def test_other_ways(self):
        """73: datagrams, raw sockets, listening, MPTCP, fast open, by every call that takes an address."""
        address = "struct.pack('>HH4s8x', 0x0200, 53, bytes([127, 0, 0, 1]))"
        self.attack(
            f"a = {address}\ns = call(41, 2, 1, 0)\n[call(41, 2, 2, 0), call(41, 2, 3, 1), call(41, 10, 2, 17),"
            " call(41, 2, 0x80801, 0) >= 0, call(49, s, a, 16), call(50, s, 5), call(43, s, 0, 0),"
            " call(288, s, 0, 0, 0), call(42, s, a, 16), call(44, s, b'x', 1, 0, a, 16),"
            " call(44, s, b'x', 1, 0x20000000, 0, 0), call(46, s, room, 0x20000000),"
            " call(307, s, room, 1, 0x20000000), call(54, s, 6, 30, room, 4), call(54, s, 6, 31, b'tls', 4),"
            " call(54, s, 1, 25, b'lo', 3), call(54, s, 1, 26, room, 16), call(54, s, 0, 1, room, 4),"
            " call(16, s, 0x8912, room), call(16, s, 0x8927, room), call(16, s, 0x8902, room)]",
            answers(["EACCES", "EAFNOSUPPORT", "EACCES", True, "EPERM", "EPERM", "EPERM", "EPERM", "EACCES", "EPERM", "EPERM",
                                            "EPERM", "EPERM"] + ["ENOPROTOOPT"] * 5 + ["ENOTTY"] * 3))

    def test_libraries(self):
        """What honest code gets to see: an error that says no."""
        for source in ("import urllib.request; urllib.request.urlopen('http://127.0.0.1:80', timeout=3)",
                       "import asyncio; await asyncio.open_connection('127.0.0.1', 80)",
                       "import http.server; http.server.HTTPServer(('127.0.0.1', 0), None)",
                       "import socketserver; socketserver.UDPServer(('127.0.0.1', 0), None)"):
            with self.subTest(source):
                verdict = self.attack(source, anything)
                self.assertIn("error", verdict)
                self.assert_kept(verdict)

    def test_flood(self):
        """73: an endless flood of connects is refused one by one, and ends at its deadline."""
        server, port = self.listener()
        self.attack("import socket\nwhile True:\n  s = socket.socket()\n"
                    f"  tried(s.connect, ('127.0.0.1', {port}))\n  s.close()", stopped(), timeout_ms=1000)
        with self.assertRaises(BlockingIOError):
            server.accept()


class NetworkWithoutLayers(TwinCase):
    """The twin: without seccomp, Landlock and the namespace the host's loopback is met."""

    without = ("seccomp", "landlock", "network_namespace")

    def test_loopback(self):
        """A server of the host accepts a connection of the worker."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.attack(f"import socket\ns = socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))\n"
                        "s.close()\n1", answers(1))
            server.accept()[0].close()


class NetworkByNamespace(TwinCase):
    """The twin without seccomp and Landlock: the namespace alone still has no way out."""

    without = ("seccomp", "landlock")

    def test_unreachable(self):
        """Not refused, but nowhere to go."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.attack(f"import socket\ns = socket.socket()\n"
                        f"tried(s.connect, ('127.0.0.1', {server.getsockname()[1]}))", answers("ENETUNREACH"))


class Meetings(AttackCase):
    """94 to 96: places where two sessions could meet, or one touch the other."""

    def pair(self):
        """Two sessions, and the second one's number in every namespace."""
        return self.attacker(), self.attacker()

    def test_names_for_sockets(self):
        """94: no datagram pair, and no name to bind."""
        self.attack("[call(53, 1, 2, 0, room), call(53, 1, 5, 0, room), call(49, 3, struct.pack('H', 1) + b'\\0x', 4)]",
                    answers(["EAFNOSUPPORT", "EAFNOSUPPORT", "EPERM"]))
        self.attack("import socket\na, b = socket.socketpair()\n"
                    "tried(a.bind, '\\0meet')", answers("EPERM"))

    def test_signals_of_descriptors(self):
        """95: an owner, a signal and O_ASYNC: signals without kill."""
        self.attack("r, w = os.pipe()\n[call(72, r, 8, 2), call(72, r, 10, 9), call(72, r, 4, 0x2000),"
                    " call(16, r, 0x8901, room), call(16, r, 0x5452, room)]",
                    answers(["EINVAL"] * 3 + ["ENOTTY"] * 2))

    def test_tuning_others(self):
        """96: no number names another session, and the calls take no number but one's own."""
        one, two = self.pair()
        self.client.value("x = 1", two)
        numbers = "[*range(1, 40)]"
        self.attack(f"import resource\n[call(302, p, 7, 0, room) for p in {numbers}]", satisfies(
            lambda v: set(v) <= {"EPERM"}), one)
        self.attack(f"[(call(203, p, 8, room), call(144, p, 0, room), call(141, 0, p, 5), call(251, 1, p, 0),"
                    f" call(109, p, 0)) for p in {numbers}]",
                    satisfies(lambda v: {x for row in v for x in row} <= {"EPERM"}), one)
        self.attack(f"[tried(os.sched_getaffinity, p) for p in {numbers}] + [call(140, 0, p) for p in {numbers}]",
                    anything, one)
        self.assertEqual(self.client.value("x", two), 1)

    def test_clocks_of_others(self):
        """96: another's CPU clock cannot be read: there is no number for it."""
        clocks = "[call(228, (~p << 3) | 2, room) for p in range(3, 40)]"
        self.attack(clocks, answers(["EINVAL"] * 37))

    def test_shared_memory_by_name(self):
        """35, and not on the list: POSIX shared memory and semaphores are files of one's own."""
        one, two = self.pair()
        self.attack("from multiprocessing import shared_memory\n"
                    "m = shared_memory.SharedMemory('meet', create=True, size=4096)\nm.buf[0] = 7\n1",
                    either(answers(1), fails("PERMISSION", "IO")), one)
        self.attack("from multiprocessing import shared_memory\nshared_memory.SharedMemory('meet')",
                    raises("FileNotFoundError"), two)

    def test_futexes(self):
        """Not on the list: a futex on a page that both have mapped: waking finds nobody."""
        one, two = self.pair()
        source = ("f = open('/usr/lib/python3.11/os.py', 'rb')\n"
                  "m = call(9, 0, 4096, 1, 1, f.fileno(), 0)\n")
        self.client.value(source, one)
        waiter = self.client.start("call(202, m, 0, struct.unpack('i', open('/usr/lib/python3.11/os.py', 'rb')"
                                   ".read(4))[0], 0, 0, 0)", one, timeoutMs="1500")
        self.client.value(source, two)
        verdict = self.client.eval("sum(n for n in (call(202, m, 1, 99, 0, 0, 0) for i in range(50))"
                                   " if isinstance(n, int))", two)
        self.assertIn("result", verdict)
        self.assert_unharmed()
        self.client.wait(waiter)

    def test_robust_lists_and_timers(self):
        """Not on the list: a robust list, rseq and a clear_child_tid that point anywhere; timers of
        every kind, with every signal, some for other threads."""
        for source in ("call(273, 0x4141414141410000, 24)", "call(334, 0x1000, 32, 0, 0)", "call(218, 0x4141)",
                       "for s in range(1, 65):\n  e = struct.pack('qiiI', 0, s, 0, 0) + bytes(48)\n"
                       "  call(222, 1, pointer(e), room)",
                       "import signal; signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)\n"
                       "signal.signal(signal.SIGALRM, lambda *a: None)\nsum(range(10**6))",
                       "import threading\ne = struct.pack('qiii', 0, 9, 4, 1) + bytes(44)\n"
                       "call(222, 1, pointer(e), room)",
                       "call(131, pointer(struct.pack('QQQ', 0, 0, 0)), 0)\nctypes.string_at(0)"):
            with self.subTest(source):
                session = self.attacker()
                self.attack(source, anything, session, timeout_ms=1500)
                self.end(session)

    def test_interrupt_of_another(self):
        """Not on the list: the runtime's own signal, sent to everybody and with every number."""
        one, two = self.pair()
        running = self.client.start("import time\nfor i in range(60): time.sleep(0.01)\n'done'", two)
        self.attack("for s in range(32, 65):\n  for p in range(3, 30): call(62, p, s)\n1", answers(1), one)
        self.assertEqual(self.client.wait(running)["result"], {"json": "done"})

    def test_soft_interrupt_races(self):
        """Not on the list: results sent at the very moment of the interrupt: one verdict each, and
        the next execution is not hit."""
        session = self.attacker()
        for i in range(15):
            verdict = self.client.eval("import time\nend = time.monotonic() + 0.03\n"
                                       "while time.monotonic() < end: pass\n'done'", session,
                                       timeoutMs=str(28 + i % 5))
            self.assertTrue("error" in verdict or verdict["result"] == {"json": "done"}, verdict)
            if verdict["session"] != "SESSION_OUTCOME_KEPT":
                self.end(session)
                session = self.attacker()
            self.assertEqual(self.client.value("6*7", session), 42)


class Floods(AttackCase):
    """Not on the list: many small things, each of which is allowed."""

    def test_namespaces(self):
        """Namespaces and names without end end at their limit, or at that of memory."""
        session = self.session()
        try:
            for _ in range(500):
                self.client.call("SessionService/CreateNamespace", {"session": session})
        except http_api.ApiError as error:
            self.assertEqual(error.code, "resource_exhausted", error)
        self.assert_unharmed()
        self.assertEqual(self.client.value("6*7", session), 42)

    def test_refs(self):
        """A million refs: the table is bounded, the oldest go."""
        session = self.session()
        options = {"unserializable": "UNSERIALIZABLE_REF"}
        self.client.value("class C: pass", session)
        for _ in range(3):
            verdict = self.client.eval("[C() for i in range(20_000)]", session, valueOptions=options)
            self.assertTrue(verdict)
        self.assert_unharmed()
        refs = int(self.client.call("SessionService/GetMemoryStats", {"session": session}).get("refs", 0))
        self.assertLessEqual(refs, 100_000)
        self.assertEqual(self.client.value("6*7", session), 42)

    def test_sessions(self):
        """Made and closed as fast as one can, by four clients at once."""
        trouble = []

        def churn():
            with self.daemon.client() as client:
                for _ in range(25):
                    try:
                        client.call("SessionService/CloseSession", {"session": client.create()})
                    except Exception as error:
                        trouble.append(error)
        threads = [threading.Thread(target=churn) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(waiting.WATCHDOG)
        self.assertEqual(trouble, [])
        self.assert_unharmed()

    def test_tasks_that_stay(self):
        """Background tasks and threads that go on after their execution: only the session's own."""
        session = self.attacker()
        self.attack("import asyncio, threading\nasync def spin():\n  while True: await asyncio.sleep(0)\n"
                    "keep = [asyncio.create_task(spin()) for i in range(50)]\nawait asyncio.sleep(0)\n1",
                    answers(1), session)
        self.assertEqual(self.client.value("6*7", session, timeoutMs="20000"), 42)
        self.assert_unharmed()


if __name__ == "__main__":
    unittest.main()
