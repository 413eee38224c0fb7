# SPDX-License-Identifier: Apache-2.0
"""The channel to the daemon, in the hands of code that has all of its worker (threats 48 to 64, 92,
99, 101). integration/test_forged.py has the lies that single frames can tell."""

import os
import unittest

from vivarium_testing import http_api, processes, waiting
from vivarium_testing.attack import (FORGER, RAW, Attack, AttackCase, answers, anything, caused, either,
                                     satisfies, stopped, violated)

HELD = 64 << 20

gone = either(caused("exited"), caused("closed"), violated)


def lost(case, verdict):
    """The session is over, with a cause."""
    case.assert_lost(verdict)
    case.assertIn("cause", verdict)


class Ends(AttackCase):
    """48, 49, 62: what becomes of the pipes themselves."""

    prelude = RAW + FORGER

    def test_closing(self):
        """48: both ends, one of them, all descriptors: the session is over at once, or at its
        deadline where only asking has become impossible."""
        self.attacks(Attack("answers", "os.close(4)\nprint('x' * 100_000)", lost),
                     Attack("both", "os.close(3); os.close(4)\nprint('x' * 100_000)", lost),
                     Attack("all", "os.closerange(0, 200)\nprint('x' * 100_000)", lost))
        session = self.attacker()
        verdict = self.client.eval("os.close(3)", session, timeoutMs="3000")
        self.assertTrue(verdict)
        with self.assertRaises((AssertionError, http_api.ApiError)):
            self.client.value("1", session, timeoutMs="2000")

    def test_shutdown_and_sockets(self):
        """49, 59, 92: they are pipes: no shutdown, no descriptors, no lingering through them."""
        self.attack("[call(48, fd, 2) for fd in (3, 4)] + [call(46, 4, room, 0)] +"
                    " [call(54, fd, 1, 13, struct.pack('ii', 1, 5), 8) for fd in (3, 4)]",
                    answers(["ENOTSOCK"] * 3 + ["ENOPROTOOPT"] * 2))

    def test_descriptors_in_flight(self):
        """59, 99: 253 descriptors in a message, and a loop of sockets that hold each other."""
        source = """
import socket, array
a, b = socket.socketpair()
a.setblocking(False)
fds = array.array("i", [a.fileno()] * 253)
sent = 0
for i in range(2000):
    try: a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]); sent += 1
    except OSError as e:
        why = errno.errorcode[e.errno]
        break
loops = []
try:
    for i in range(60):
        c, d = socket.socketpair()
        c.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [c.fileno(), d.fileno()]))])
        loops.append(i)
except OSError: pass
sent < 2000
"""
        session = self.attacker()
        self.attack(source, either(answers(True), answers(False)), session)
        # The daemon must still be able to take descriptors from new workers.
        for _ in range(6):
            self.assertEqual(self.client.value("6*7"), 42)
        self.end(session)

    def test_imitation(self):
        """62: the runtime's descriptor is taken over, and somebody else answers in its place."""
        session = self.attacker()
        self.attack("keep = os.dup(4)\nr, w = os.pipe()\nos.dup2(w, 4)\n"
                    "def tell(b):\n  while b: b = b[os.write(keep, b):]\n"
                    "tell(finished(2, 1, num(3, 14)))\nimport time\ntime.sleep(60)", answers(7), session)
        # What it says next is wrong, and ends it.
        self.attack("1", either(stopped(), lost), session, timeout_ms=500)

    def test_direct_reading(self):
        """The worker reads its own requests pipe: requests are swallowed, not answered."""
        session = self.attacker()
        self.client.start("import time\nwhile True: os.read(3, 65536)", session, timeoutMs="1500")
        verdict = self.client.eval("1", session, timeoutMs="800")
        self.assertTrue(verdict.get("error"), verdict)


class Bytes(AttackCase):
    """50 to 53: back-pressure, noise, lengths, slowness."""

    prelude = FORGER

    def test_noise(self):
        """51: random bytes, zeros, text, HTTP."""
        self.attacks(*(Attack(what, f"tell({what})\nimport time; time.sleep(20)", violated) for what in (
            "os.urandom(4096)[:7] + b'\\xff' * 4096", "bytes(4096)", "b'GET / HTTP/1.1\\r\\n\\r\\n' * 9",
            "b'\\xff' * 8", "b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'")))

    def test_lengths(self):
        """52: 2^32 - 1, one more than the largest, one of everything that is not a length."""
        self.attacks(*(Attack(what, f"tell({what})\nimport time; time.sleep(20)", violated) for what in (
            "struct.pack('<IB3x', 2**32 - 1, 19)", "struct.pack('<IB3x', (64 << 20) + 1, 19)",
            "struct.pack('<IBBBB', 4, 19, 1, 0, 0)", "struct.pack('<IB3x', 0, 255)",
            "struct.pack('<IB3x', 0, 19)")))

    def test_announced_and_never_sent(self):
        """A frame of 64 MiB of which little comes holds no memory of the daemon, and nobody up."""
        before = self.resident()
        sessions = [self.attacker() for _ in range(6)]
        for session in sessions:
            self.attack("tell(struct.pack('<IB3x', 64 << 20, 19) + b'x' * 1000)\nwhile True: pass",
                        stopped(lost=True), session, timeout_ms=300)
        self.assertLess(self.resident() - before, 48 << 20)

    def resident(self):
        """Resident bytes of the daemon."""
        text = self.client.request("GET", "/metrics")[2].decode()
        [line] = [x for x in text.splitlines() if x.startswith("process_resident_memory_bytes ")]
        return float(line.split()[1])

    def test_byte_by_byte(self):
        """53: a frame that comes a byte at a time is a frame; one that never ends, ends with the
        deadline."""
        session = self.attacker()
        self.attack("for b in output(2, b'slow'): os.write(4, bytes([b]))\n1", answers(1), session)
        self.attack("os.write(4, b'\\0')\nwhile True: pass",
                    stopped(), self.attacker(), timeout_ms=300)
        self.attack("import time\nf = frame(17, b'x' * 1000)\nfor b in f[:-1]:\n  os.write(4, bytes([b]))\n"
                    "while True: pass", stopped(lost=True), timeout_ms=300)

    def test_never_reading(self):
        """50: 64 MiB wait for a worker that does not read: its own client is held up, no other."""
        session = self.attacker()
        running = self.client.start("import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
                                    "while True: pass", session, timeoutMs="60000")
        big = "x" * (1 << 20)
        queued = []
        for i in range(64):
            try:
                queued.append(self.client.start(f"{big!r}; {i}", session))
            except http_api.ApiError as error:
                self.assertEqual(error.code, "resource_exhausted", error)
                break
        self.assert_unharmed()
        self.assertEqual(self.client.value("6*7"), 42)
        self.client.call("ExecutionService/Cancel", {"executionId": running})
        lost(self, self.client.wait(running))
        for execution in queued:
            self.assertIn("error", self.client.wait(execution))

    def test_pipes_filled_in_both_directions(self):
        """Not on the list: neither side reads what the other one writes, and the daemon does not
        wait for either."""
        session = self.attacker()
        source = "o = output(2, b'x' * 30_000)\nwhile True: tell(o)"
        running = self.client.start(source, session, timeoutMs="1000")
        queued = [self.client.start("'" + "y" * 300_000 + "'", session) for _ in range(20)]
        self.assert_unharmed()
        self.assertIn("error", self.client.wait(running))
        for execution in queued:
            try:
                self.assertTrue(self.client.wait(execution))
            except http_api.ApiError as error:
                self.assertIn(error.code, ("not_found", "aborted"))


class Frames(AttackCase):
    """54 to 56, 60: frames at the wrong time, of the wrong number, too many of them."""

    prelude = FORGER

    def test_results_of_others(self):
        """54: another session's numbers are not even another session's: they mean nothing here."""
        victim = self.session()
        running = self.client.start("import time\nwhile True: time.sleep(0.01)", victim)
        self.attacks(*(Attack(f"of {n}", f"tell(finished({n}, 1, integer))\nimport time; time.sleep(20)",
                              violated) for n in (1, 3, 99, 0, 2**63)))
        listed = self.client.call("ExecutionService/List", {"session": victim})["executions"]
        self.assertEqual([e["state"] for e in listed if e["id"] == running], ["STATE_RUNNING"])
        self.client.call("ExecutionService/Cancel", {"executionId": running})

    def test_results_twice(self):
        """55: the second one is of an execution that is over."""
        session = self.attacker()
        self.attack("tell(finished(2, 1, num(3, 14)) * 2)\nimport time; time.sleep(20)",
                    either(answers(7), violated), session)
        with self.assertRaises(http_api.ApiError):
            for _ in range(100):  # Whichever of the daemon's turns sees the second one.
                self.client.eval("1", session, timeoutMs="2000")

    def test_results_before_requests(self):
        """56: an answer to what has not been asked yet."""
        self.attack("tell(finished(3, 1, integer))\nimport time; time.sleep(20)", violated)

    def test_own_queue(self):
        """A worker may lie about what its own session has sent it: only there, and typed."""
        session = self.attacker()
        # The next request is in the pipe before the attack speaks of it.
        first = self.client.start("import select, time\nselect.select([3], [], [])\n"
                                  "tell(finished(3, 1, num(3, 14)))\ntime.sleep(20)", session,
                                  timeoutMs=str(waiting.scaled(1500)))
        second = self.client.start("'honest'", session, timeoutMs="5000")
        verdict = self.client.wait(second)
        self.assertIn(verdict.get("result", {}).get("json"), (7, "honest", None))
        self.assertTrue(self.client.wait(first))

    def test_parked_and_computing(self):
        """Not on the list: "I only wait" from code that computes. Neither the deadline nor the end
        of its session can be put off with it."""
        block = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
        self.attack("tell(frame(21, num(1, 2)))\nwhile True: pass", stopped(), timeout_ms=400)
        session = self.attacker()
        self.attack(block + "tell(frame(21, num(1, 2)))\nwhile True: pass", stopped(), session,
                    timeout_ms=400)
        worker = [p for p in processes.workers(self.daemon.pid)]
        self.assertTrue(worker)
        # The interpreter is not given back, so whatever is asked next ends at its deadline.
        try:
            self.assertIn("error", self.client.eval("1", session, timeoutMs="400"))
        except http_api.ApiError as error:
            self.assertEqual(error.code, "aborted")

    def test_parked_and_its_budget(self):
        """Not on the list: a CPU budget counts what the kernel counted, whatever the worker says."""
        verdict = self.attack("tell(frame(21, num(1, 2)))\nwhile True: pass", stopped(), timeout_ms=60_000,
                              cpuMs="200")
        self.assertEqual(verdict["cause"]["cause"], "cpu", verdict)

    def test_metering(self):
        """Not on the list: usage that a worker makes up is not added to the operator's metrics."""
        verdict = self.attack("tell(finished(2, 3, b'', 2**64 - 1, 1, 0))\nimport time; time.sleep(20)",
                              anything)
        self.assertLess(int(verdict["usage"].get("outputBytes", 0)), 1 << 40)
        text = self.client.request("GET", "/metrics")[2].decode()
        for line in text.splitlines():
            if line.startswith("vivarium_execution_output_bytes_total"):
                self.assertLess(float(line.rsplit(" ", 1)[1]), 1 << 40)

    def test_floods(self):
        """60: of output, of items, of empty frames: the reactor takes turns."""
        for what in ("output(2, b'x')", "frame(21, num(1, 2))", "output(2, b'')",
                     "frame(18, num(1, 2) + data(2, data(1, data(1, b'text/plain') + data(2, b'x'))))"):
            with self.subTest(what):
                self.attack(f"f = {what} * 1000\nwhile True: tell(f)", either(stopped(), lost),
                            timeout_ms=1000)

    def test_flood_of_many_sessions(self):
        """Eight of them at once."""
        sessions = [self.attacker() for _ in range(8)]
        running = [self.client.start("f = output(2, b'x' * 100) * 500\nwhile True: tell(f)", s,
                                     timeoutMs="1500") for s in sessions]
        self.assert_unharmed()
        for execution in running:
            self.assertIn("error", self.client.wait(execution))

    def test_frames_while_being_closed(self):
        """61: frames after the end: nobody listens any more, nobody is confused."""
        for _ in range(5):
            session = self.attacker()
            self.client.start("f = output(2, b'x') * 100\nwhile True: tell(f)", session)
            self.end(session)
        self.assert_unharmed()


class Zygote(AttackCase):
    """63, 64, 100, 102: no tenant's code runs there, and it can be lost at any time."""

    def test_no_child_speaks(self):
        """63: there are no children to speak on the channel."""
        self.attack("tried(os.fork)", answers("EPERM"))

    def test_out_of_reach(self):
        """64: by number, by group, by session; its control socket is not among the descriptors."""
        session = self.attacker()
        [zygote] = processes.zygotes(self.daemon.pid)
        self.attack(f"[call(62, {zygote.pid}, 9), call(62, 0, 0), call(109, 0, {zygote.pid}),"
                    f" call(121, {zygote.pid}), call(140, 0, {zygote.pid})]",
                    satisfies(lambda v: v[0] == "ESRCH" and v[1] == 0 and v[2] == "EPERM"
                              and v[3:] == ["ESRCH", "ESRCH"]), session)
        self.assertTrue(processes.alive(zygote))

    def test_storm(self):
        """64: sessions are asked for while it is killed again and again: all are answered."""
        for _ in range(3):
            [zygote] = waiting.wait_for(lambda: processes.zygotes(self.daemon.pid), "a zygote")
            os.kill(zygote.pid, 9)
            for _ in range(6):
                self.assertEqual(self.client.value("6*7"), 42)
            waiting.wait_for(lambda z=zygote: [p for p in processes.zygotes(self.daemon.pid)
                                               if p.pid != z.pid], "a new zygote")
        self.assert_unharmed()

    def test_stopped(self):
        """64: one that hangs is killed for its silence, or the pool serves meanwhile."""
        [zygote] = processes.zygotes(self.daemon.pid)
        os.kill(zygote.pid, 19)
        try:
            self.assertEqual(self.client.value("6*7"), 42)  # Of the pool.
            self.assert_unharmed()
        finally:
            os.kill(zygote.pid, 18)

    def test_spawning_does_not_run_its_main(self):
        """100: multiprocessing's "spawn" finds no program of ours to run again."""
        self.attack("import sys\nm = sys.modules['__main__']\n"
                    "[getattr(m, '__file__', None), getattr(m, '__spec__', None)]", answers([None, None]))

    def test_first_process(self):
        """101: the worker is not process 1: its signals are not ignored, its end ends nobody else."""
        self.attack("[os.getpid() > 1, os.getppid()]", answers([True, 0]))
        self.attack("os.kill(os.getpid(), 15)", caused("signal", "SIGTERM"))
        self.attack("os.abort()", caused("signal", "SIGABRT"))


if __name__ == "__main__":
    unittest.main()
