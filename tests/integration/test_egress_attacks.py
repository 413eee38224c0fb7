# SPDX-License-Identifier: Apache-2.0
"""Code that has a way out and wants another one. A canary listens where no policy leads."""

import unittest

from vivarium_testing import bystander, servers, waiting
from vivarium_testing.egress import EgressCase

# Raw system calls: nothing that Python does stands between code and kernel.
RAW = """
import ctypes, errno, socket, struct, threading
libc = ctypes.CDLL(None, use_errno=True)
def raw(name, *args):
    ctypes.set_errno(0)
    if getattr(libc, name)(*args) < 0:
        return errno.errorcode[ctypes.get_errno()]
    return 'ok'
def v4(address, port):
    return struct.pack('=HH4s8x', 2, socket.htons(port), socket.inet_aton(address))
def v6(address, port):
    return struct.pack('=HHI16sI', 10, socket.htons(port), 0, socket.inet_pton(10, address), 0)
"""


class Attacks(EgressCase):
    """Threats 72, 73, 93, 99 and 103."""

    @classmethod
    def setUpClass(cls):
        cls.echo, cls.canary = cls.serve(servers.Echo()), cls.serve(servers.Echo())
        cls.silent = cls.serve(servers.Silent())
        port = cls.echo.port
        cls.config = f"""
[limits]
grace = "5s"
[egress.one]
allow = ["echo.test:{port}", "127.0.0.1:{port}", "127.0.0.1:{cls.silent.port}"]
allow_private = ["127.0.0.1"]
connect_timeout = "2s"
[egress.one.resolve]
"echo.test" = ["127.0.0.1"]
[egress.slow]
allow = ["127.0.0.1:{cls.silent.port}"]
allow_private = ["127.0.0.1"]
[egress.public]
allow = ["rebound.test:{port}", "mixed.test:{port}", "meta.test:80", "0.0.0.0/0:*", "[::]/0:*", "localhost:{port}"]
[egress.public.resolve]
"rebound.test" = ["127.0.0.1"]
"mixed.test" = ["1.1.1.1", "127.0.0.1"]
"meta.test" = ["169.254.169.254"]
[egress.wide]
allow = ["0.0.0.0/0:*", "[::]/0:*"]
allow_private = ["0.0.0.0/0", "::/0"]
[egress.few]
allow = ["echo.test:{port}"]
allow_private = ["127.0.0.1"]
connections = 3
open = 2
bytes = "64KiB"
[egress.few.resolve]
"echo.test" = ["127.0.0.1"]
"""
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.canary_before = self.canary.accepted

    def tearDown(self):
        super().tearDown()
        self.assertEqual(self.canary.accepted, self.canary_before, "the canary was reached")

    def run_in(self, policy, source, **fields):
        """Evaluates with the raw calls at hand."""
        session = self.session(egress=policy)
        self.client.value(f"{RAW}\nport, canary, silent, own = {self.echo.port}, {self.canary.port}, "
                          f"{self.silent.port}, {self.daemon.port}\n0", session)
        return self.client.value(source, session, **fields)

    def outcomes(self):
        """Returns how often each outcome was counted."""
        text = self.client.request("GET", "/metrics")[2].decode()
        found = {}
        for line in text.splitlines():
            if line.startswith("vivarium_egress_connections_total{"):
                outcome = line.split('outcome="')[1].split('"')[0]
                found[outcome] = found.get(outcome, 0) + float(line.rsplit(" ", 1)[1])
        return found

    def test_other_addresses(self):
        """Every notation of an address that is not allowed is that address."""
        self.assertEqual(
            self.run_in("one",
                        "s4 = [(n, canary) for n in ('127.0.0.1', '127.1', '2130706433', '0x7f.1', '0.0.0.0',\n"
                        "      'localhost', '127.0.0.2', '169.254.169.254')]\n"
                        "out = []\n"
                        "for a in s4:\n"
                        "  with socket.socket() as s:\n"
                        "    try: out.append(s.connect(a))\n"
                        "    except PermissionError: pass\n"
                        "for a in ('::ffff:127.0.0.1', '::1', '::', '64:ff9b::7f00:1'):\n"
                        "  with socket.socket(socket.AF_INET6) as s:\n"
                        "    try: out.append(s.connect((a, canary)))\n"
                        "    except PermissionError: pass\nout"), [])

    def test_only_public_addresses(self):
        """A policy for the whole Internet leads to no private address, by number or by name."""
        before = self.outcomes().get("private_address", 0)
        self.assertEqual(
            self.run_in("public",
                        "out = []\n"
                        "for a in (('127.0.0.1', canary), ('0.0.0.0', canary), ('169.254.169.254', 80),\n"
                        "          ('10.0.0.1', 80), ('100.100.100.200', 80), ('198.18.77.1', 80),\n"
                        "          ('rebound.test', port), ('mixed.test', port), ('meta.test', 80)):\n"
                        "  with socket.socket() as s:\n"
                        "    try: out.append((a, s.connect(a)))\n"
                        "    except PermissionError: pass\n"
                        "for a in ('::1', '::', '::ffff:127.0.0.1', 'fe80::1', 'fd00:ec2::254', '64:ff9b::7f00:1',\n"
                        "          '2002:7f00:1::', '::127.0.0.1'):\n"
                        "  with socket.socket(socket.AF_INET6) as s:\n"
                        "    try: out.append((a, s.connect((a, canary))))\n"
                        "    except PermissionError: pass\nout"), [])
        self.assertEqual(self.outcomes()["private_address"] - before, 17)

    def test_the_daemon_itself(self):
        """Its own port is out of reach even where all addresses are allowed."""
        self.assertEqual(
            self.run_in("wide",
                        "out = []\n"
                        "for a in ('127.0.0.1', '0.0.0.0', '127.0.0.2'):\n"
                        "  with socket.socket() as s:\n"
                        "    try: s.connect((a, own)); out.append(a)\n"
                        "    except OSError as e: pass\n"
                        "with socket.socket(socket.AF_INET6) as s:\n"
                        "  try: s.connect(('::ffff:127.0.0.1', own)); out.append('mapped')\n"
                        "  except OSError: pass\n"
                        "with socket.socket() as s: s.connect(('127.0.0.1', port)); out.append('echo')\nout"),
            ["echo"])
        self.assertGreaterEqual(self.outcomes()["own_listener"], 2)

    def test_the_hosts_file_is_no_policy(self):
        """A worker may write its own /etc/hosts; that changes what it asks for, not what it gets."""
        self.assertEqual(
            self.run_in("one",
                        "open('/etc/hosts', 'w').write('127.0.0.1 echo.test\\n198.18.0.1 evil.test\\n')\n"
                        "out = []\n"
                        "for a in (('echo.test', canary), ('evil.test', canary), ('evil.test', port)):\n"
                        "  with socket.socket() as s:\n"
                        "    try: s.connect(a); out.append(a[0])\n"
                        "    except PermissionError: pass\nout"), ["evil.test"])

    def test_aiming_a_connection_anew(self):
        """A socket that was connected leads where it led, or nowhere."""
        self.assertEqual(
            self.run_in("one",
                        "s = socket.create_connection(('echo.test', port))\n"
                        "fd = s.fileno()\n"
                        "to = v4('127.0.0.1', canary)\n"
                        "unspec = bytes(16)\n"
                        "def attack():\n"
                        "  return [raw('connect', fd, unspec, 16), raw('connect', fd, to, 16),\n"
                        "    raw('sendto', fd, b'x', 1, 0x20000000, to, 16), raw('sendto', fd, b'x', 1, 0, to, 16),\n"
                        "    raw('sendto', fd, b'x', 1, 0x20000000, None, 0),\n"
                        "    raw('bind', fd, v4('0.0.0.0', 0), 16), raw('listen', fd, 1),\n"
                        "    raw('accept4', fd, None, None, 0),\n"
                        "    raw('setsockopt', fd, 1, 13, struct.pack('ii', 1, 5), 8),\n"  # SO_LINGER
                        "    raw('setsockopt', fd, 6, 19, b'\\1\\0\\0\\0', 4),\n"  # TCP_REPAIR
                        "    raw('setsockopt', fd, 6, 30, b'\\1\\0\\0\\0', 4),\n"  # TCP_FASTOPEN_CONNECT
                        "    raw('setsockopt', fd, 1, 25, b'lo\\0', 3),\n"  # SO_BINDTODEVICE
                        "    raw('ioctl', fd, 0x8912, ctypes.create_string_buffer(64))]\n"  # SIOCGIFCONF
                        "first = attack()\n"
                        "s.sendall(b'still'); still = s.recv(5).decode()\n"
                        "s.shutdown(socket.SHUT_RDWR)\n"
                        "import time\n"
                        "while s.getsockopt(6, 11, 1)[0] != 7: time.sleep(0.01)\n"  # TCP_INFO: closed
                        "second = attack()\n"
                        "[first, still, second]"),
            [["EACCES", "EISCONN", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM",
              "ENOPROTOOPT", "ENOPROTOOPT", "ENOPROTOOPT", "ENOPROTOOPT", "ENOTTY"], "still",
             ["EACCES", "EACCES", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM",
              "ENOPROTOOPT", "ENOPROTOOPT", "ENOPROTOOPT", "ENOPROTOOPT", "ENOTTY"]])

    def test_nonsense(self):
        """What the kernel would answer to it."""
        self.assertEqual(
            self.run_in("one",
                        "s = socket.socket(); fd = s.fileno(); to = v4('127.0.0.1', port)\n"
                        "a, b = socket.socketpair()\n"
                        "[raw('connect', 999, to, 16), raw('connect', -1, to, 16), raw('connect', 0, to, 16),\n"
                        " raw('connect', fd, to, 0), raw('connect', fd, to, 8), raw('connect', fd, to, 15),\n"
                        " raw('connect', fd, to, 1 << 20), raw('connect', fd, to, -1),\n"
                        " raw('connect', fd, ctypes.c_void_p(8), 16), raw('connect', a.fileno(), to, 16),\n"
                        " raw('connect', fd, v6('::1', port), 28), raw('connect', fd, b'\\1\\0/run/x', 10),\n"
                        " raw('connect', fd, to, 16)]"),
            ["EBADF", "EBADF", "ENOTSOCK", "EINVAL", "EINVAL", "EINVAL", "EINVAL", "EINVAL",
             "EFAULT", "EACCES", "EAFNOSUPPORT", "EACCES", "ok"])

    def test_changing_the_address_while_it_is_read(self):
        """The decision and the connection are made from one copy."""
        made = self.run_in(
            "one",
            "good, bad = v4('127.0.0.1', port), v4('127.0.0.1', canary)\n"
            "room = ctypes.create_string_buffer(good, 16)\n"
            "stop = False\n"
            "def flip():\n"
            "  while not stop:\n"
            "    ctypes.memmove(room, bad, 16); ctypes.memmove(room, good, 16)\n"
            "t = threading.Thread(target=flip); t.start()\n"
            "seen = {}\n"
            "for i in range(300):\n"
            "  s = socket.socket()\n"
            "  r = raw('connect', s.fileno(), room, 16)\n"
            "  if r == 'ok' and s.getpeername()[1] != port: r = 'elsewhere'\n"
            "  s.close()\n"
            "  seen[r] = seen.get(r, 0) + 1\n"
            "stop = True; t.join()\nsorted(seen)", timeoutMs="60000")
        self.assertLessEqual(set(made), {"ok", "EACCES", "EDQUOT", "EMFILE"}, made)

    def test_replacing_the_descriptor_while_it_connects(self):
        """Whatever takes the number meanwhile, the session hurts nobody but itself."""
        self.assertEqual(
            self.run_in("one",
                        "import os\n"
                        "out = set()\n"
                        "for i in range(50):\n"
                        "  s = socket.socket(); fd = s.fileno()\n"
                        "  null = os.open('/dev/null', os.O_RDONLY)\n"
                        "  t = threading.Thread(target=os.dup2, args=(null, fd)); t.start()\n"
                        "  out.add(raw('connect', fd, v4('127.0.0.1', port), 16))\n"
                        "  t.join(); os.close(null); s.close()\n"
                        "sorted(out - {'ok', 'ENOTSOCK', 'EBADF'})"), [])

    def test_messages_that_carry_descriptors(self):
        """A connection parked in a message ends, and is not a way around the budget."""
        self.assertEqual(
            self.run_in("few",
                        "import array, time\n"
                        "a, b = socket.socketpair()\n"
                        "s = socket.create_connection(('echo.test', port))\n"
                        "socket.send_fds(a, [b'x'], [s.fileno()])\n"
                        "s.close()\n"
                        "for _ in range(1000):\n"
                        "  time.sleep(0.01)\n"
                        "  fds = socket.recv_fds(b, 1, 1)[1]\n"
                        "  again = socket.socket(fileno=fds[0])\n"
                        "  try: again.sendall(b'x'); end = again.recv(1) == b''\n"
                        "  except OSError: end = True\n"
                        "  if end: break\n"
                        "  socket.send_fds(a, [b'x'], [again.fileno()]); again.close()\n"
                        "  time.sleep(1)\n"
                        "end", timeoutMs="60000"), True)

    def test_descriptors_in_flight(self):
        """As many as code can park in messages keep nobody else from getting a worker."""
        parked = self.run_in(
            "one",
            "import os\npairs, n = [], 0\n"
            "try:\n"
            "  while len(pairs) < 100:\n"
            "    a, b = socket.socketpair(); a.setblocking(False); pairs.append((a, b))\n"
            "    try:\n"
            "      while True: socket.send_fds(a, [b'x'], [0] * 200); n += 200\n"
            "    except BlockingIOError: pass\n"
            "except OSError as e: pass\nn")
        self.assertGreater(parked, 0)
        for _ in range(6):
            self.assertEqual(self.client.value("1 + 1", self.session()), 2)

    def test_nothing_is_waited_for_longer_than_configured(self):
        """A connection that does not come about is an error within `connect_timeout`."""
        self.assertEqual(
            self.run_in("one", "s = socket.socket()\n"
                        "raw('connect', s.fileno(), v4('127.0.0.1', silent), 16)"),
            "ETIMEDOUT")

    def test_interrupted_while_it_connects(self):
        """The deadline of an execution holds, and its session is kept."""
        session = self.session(egress="slow")
        for source in ("s.connect(a)", "await asyncio.open_connection(*a)"):
            with self.subTest(source):
                verdict = self.client.eval(
                    f"import asyncio, socket\ns = socket.socket()\na = ('127.0.0.1', {self.silent.port})\n"
                    f"try: {source}\nexcept Exception as e: caught = repr(e)", session,
                    timeoutMs="300")
                self.assert_kind(verdict, "TIMEOUT")
                self.assert_kept(verdict)
        self.assertEqual(self.client.value("1 + 1", session), 2)

    def test_closed_while_it_connects(self):
        """A session that ends takes its attempts with it."""
        session = self.session(egress="slow")
        execution = self.client.start(
            "import socket, threading\n"
            "def go():\n"
            f"  socket.socket().connect(('127.0.0.1', {self.silent.port}))\n"
            "for _ in range(20): threading.Thread(target=go).start()\n"
            "print('on their way', flush=True)\ngo()", session)
        waiting.wait_for(lambda: self.client.call(
            "ExecutionService/List", {"session": session})["executions"][0].get("lastSequence"),
                         "the attempts")
        self.client.call("SessionService/CloseSession", {"session": session})
        self.assert_kind(self.client.wait(execution), "SESSION_LOST")

    def test_more_at_once_than_are_answered(self):
        """Attempts wait for each other; refusals behind them, too, and all are answered."""
        self.assertEqual(
            self.run_in("one",
                        "from concurrent.futures import ThreadPoolExecutor\n"
                        "def one(n):\n"
                        "  s = socket.socket()\n"
                        "  r = raw('connect', s.fileno(), v4('127.0.0.1', silent), 16)\n"
                        "  s.close(); return r\n"
                        "with ThreadPoolExecutor(16) as pool: out = list(pool.map(one, range(16)))\n"
                        "sorted(set(out))", timeoutMs="60000"), ["ETIMEDOUT"])

    def test_a_flood(self):
        """10,000 attempts slow their own session only."""
        made = self.run_in(
            "one",
            "s = socket.socket(); to = v4('127.0.0.1', canary)\n"
            "sorted({raw('connect', s.fileno(), to, 16) for _ in range(10_000)})", timeoutMs="110000")
        self.assertEqual(made, ["EACCES"])
        self.assertLess(self.daemon.log().count("not_allowed"), 2_000)

    def test_connections_are_counted(self):
        """In all and at once; the verdict tells the budget."""
        session = self.session(egress="few")
        open_one = f"import socket\ns.append(socket.create_connection(('echo.test', {self.echo.port})))"
        self.client.value("s = []\n0", session)
        self.client.value(open_one + "\n0", session)
        self.client.value(open_one + "\n0", session)
        verdict = self.client.eval(open_one, session)
        self.assertIn("`open` of the egress policy 'few'", verdict["error"]["message"])
        self.assertEqual((verdict["cause"]["cause"], verdict["cause"]["limit"]), ("egress", "open"))
        self.client.value("for one in s: one.close()\ns.clear()\n0", session)

        def another():
            return "error" not in self.client.eval(open_one, session)
        waiting.wait_for(another, "the closed ones not to count any more")
        self.client.value("s.pop().close()\n0", session)

        def spent():
            return self.client.eval(open_one, session).get("cause", {}).get("limit") == "connections"
        waiting.wait_for(spent, "the fourth to be refused")
        verdict = self.client.eval(open_one, session)
        self.assertIn("a budget of the egress policy 'few' is used up", verdict["error"]["message"])
        self.assertEqual((verdict["cause"]["enforcedBy"], verdict["cause"]["configured"]),
                         ("ENFORCED_BY_DAEMON", "3"))

    def test_bytes_are_counted(self):
        """Connections end when their session's budget is used up; the verdict tells it."""
        session = self.session(egress="few")
        verdict = self.client.eval(
            f"import socket\ns = socket.create_connection(('echo.test', {self.echo.port}))\n"
            "while True:\n  s.sendall(b'x' * 1000)\n  if not s.recv(1000): raise OSError('the end')",
            session, timeoutMs="60000")
        self.assert_kind(verdict, "IO")
        self.assertEqual((verdict["cause"]["cause"], verdict["cause"]["limit"],
                          verdict["cause"]["configured"]), ("egress", "bytes", "65536"), verdict)
        verdict = self.client.eval(
            f"socket.create_connection(('echo.test', {self.echo.port}))", session)
        self.assertEqual(verdict["cause"]["limit"], "bytes")
        self.assertTrue(bystander.samples(self.client, "vivarium_egress_sent_bytes_total"))


if __name__ == "__main__":
    unittest.main()
