# SPDX-License-Identifier: Apache-2.0
"""Limits of a session's own, from both sides, and the cause that is told when one is met."""

import json
import os
import unittest

from vivarium_testing import groups, http_api, processes, waiting
from vivarium_testing.case import DaemonCase
from vivarium_testing.daemon import DAEMON, Daemon

KIB, MIB = 1 << 10, 1 << 20

# Allocates in small pieces until it is refused, and keeps what it has.
EAT = ("kept = []\n"
       "try:\n"
       "    while True: kept.append(bytearray(1 << 20))\n"
       "except MemoryError:\n"
       "    n = len(kept)\n"
       "    raise\n")
# Touches shared anonymous memory, which is no data of the process: only looking finds it.
SHARED = ("import mmap\n"
          "m = mmap.mmap(-1, {} << 20)\n"
          "for i in range(0, {} << 20, 4096): m[i] = 1\n")


class LimitCase(DaemonCase):
    """What the tests of this file share."""

    def cause(self, verdict, cause, limit, by):
        """The verdict has that cause; returns what was configured and observed."""
        told = verdict.get("cause", {})
        self.assertEqual((told.get("cause"), told.get("limit"), told.get("enforcedBy")),
                         (cause, limit, f"ENFORCED_BY_{by}"), verdict)
        return int(told.get("configured", 0)), int(told.get("observed", 0))

    def limited(self, **limits):
        """Creates a session with limits of its own."""
        return self.session(limits=limits)

    def limits_of(self, session):
        """Returns the limits that hold for a session, as numbers."""
        told = self.client.call("SessionService/GetSession", {"session": session})["session"]
        return {name: int(value) for name, value in told["limits"].items()}

    def metric(self, name, **labels):
        """Returns the value of a metric; 0 when there is none."""
        text = self.client.request("GET", "/metrics")[2].decode()
        for line in text.splitlines():
            if line.startswith((name + "{", name + " ")) and all(
                    f'{k}="{v}"' in line for k, v in labels.items()):
                return float(line.rsplit(" ", 1)[1])
        return 0.0


class Asking(LimitCase):
    """What a session may ask for."""

    config = "[limits.max]\nmemory = \"1GiB\"\nworkspace = \"128MiB\"\nthreads = 40\n"

    def test_the_usual_limits_are_told(self):
        """A session that asks for nothing has the defaults, and says so."""
        limits = self.limits_of(self.session())
        self.assertEqual(limits["memoryBytes"], 512 * MIB)
        self.assertEqual(limits["workspaceBytes"], 64 * MIB)
        self.assertEqual(limits["fileBytes"], 64 * MIB)
        self.assertEqual(limits["threads"], 32)
        self.assertEqual(limits["cpuMs"], 24 * 3_600_000)
        self.assertEqual(len(limits), 15)

    def test_tighter_and_wider(self):
        """What was asked for holds, in GetSession and in ListSessions."""
        session = self.limited(memoryBytes=1024 * MIB, threads=4, displays=0)
        limits = self.limits_of(session)
        self.assertEqual((limits["memoryBytes"], limits["threads"], limits["displays"],
                          limits["queue"]), (1024 * MIB, 4, 0, 1000))
        listed = self.client.call("SessionService/ListSessions", {})["sessions"]
        [mine] = [one for one in listed if one["id"] == session]
        self.assertEqual(mine["limits"]["threads"], "4")
        self.assertEqual(self.client.value("len(bytearray(700 << 20))", session), 700 * MIB)

    def test_beyond_the_maximum(self):
        """The error names the limit, what was asked for, the maximum and the option."""
        for limits, words in (
                ({"memoryBytes": 2048 * MIB}, ("memory_bytes", "2 GiB", "1 GiB",
                                               "limits.max.memory")),
                ({"threads": 41}, ("threads", "41", "40", "limits.max.threads")),
                ({"queue": 1001}, ("queue", "1,001", "1,000", "limits.max.queue"))):
            error = self.refused("resource_exhausted", "SessionService/CreateSession",
                                 {"limits": limits})
            for word in words:
                self.assertIn(word, error.message)
            error = self.refused("resource_exhausted", "ExecutionService/Eval",
                                 {"source": "1", "limits": limits})
            self.assertIn(words[0], error.message)
        self.refused("invalid_argument", "SessionService/CreateSession",
                     {"limits": {"memoryBytes": 1}})
        self.refused("invalid_argument", "SessionService/CreateSession",
                     {"limits": {"colour": 1}})

    def test_of_a_one_shot(self):
        """An Eval without a session, and one that makes its session, bring their limits."""
        verdict = self.client.eval("print('x' * 5000)", limits={"outputBytes": 2 * KIB})
        self.assertEqual(len(verdict["stdout"]), 2 * KIB)
        self.assertTrue(verdict["outputTruncated"])
        answer = self.client.call("ExecutionService/Eval", {
            "source": "1", "session": "own-limits", "createSession": True,
            "limits": {"threads": 3}})
        self.sessions.append(answer["sessionId"])
        self.assertEqual(self.limits_of("own-limits")["threads"], 3)
        called = self.client.call("ExecutionService/Call", {
            "target": {"module": "builtins"}, "name": "bytearray", "jsonArgs": [200 << 20],
            "options": {"resultFormat": "RESULT_FORMAT_NONE"},
            "limits": {"memoryBytes": 64 * MIB}})["verdict"]
        self.assert_kind(called, "MEMORY")

    def test_by_the_command(self):
        """--limit NAME=VALUE."""
        done = self.daemon.command("eval", "--limit", "memory=64MiB", "len(bytearray(48 << 20))")
        self.assertEqual((done.returncode, done.stdout), (0, f"{48 << 20}\n"), done.stderr)
        done = self.daemon.command("eval", "--limit", "memory=64MiB", "len(bytearray(65 << 20))")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("MemoryError", done.stderr)
        done = self.daemon.command("eval", "--limit", "memory=2GiB", "1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("limits.max.memory", done.stderr)
        done = self.daemon.command("eval", "--limit", "colour=1", "1")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("threads", done.stderr)


class Kernel(LimitCase):
    """Limits that the kernel enforces, set from outside on a worker that stood ready."""

    def both(self, limits, source, fits, too_much):
        """Evaluates with a number that fits, then with one that does not."""
        session = self.limited(**limits)
        verdict = self.client.eval(source.format(fits), session)
        self.assertNotIn("error", verdict)
        verdict = self.client.eval(source.format(too_much), session)
        self.assertIn("error", verdict)
        self.assert_kept(verdict)
        self.assertEqual(self.client.value("6*7", session), 42)
        return verdict

    def test_memory(self):
        """Below it works; above it is a MemoryError, and the session lives."""
        verdict = self.both({"memoryBytes": 64 * MIB}, "x = bytearray({} << 20)\ndel x", 48, 65)
        self.assert_kind(verdict, "MEMORY")
        # Nothing was taken: a refusal of one large piece looks like any exception.
        self.assertNotIn("cause", verdict)

    def test_memory_that_was_taken_is_told(self):
        """A MemoryError at the limit has the kernel's word; one that was raised has none."""
        session = self.limited(memoryBytes=64 * MIB)
        raised = self.client.eval("raise MemoryError('memory_bytes: 64 MiB')", session)
        self.assert_kind(raised, "MEMORY")
        self.assertNotIn("cause", raised)
        met = self.client.eval(EAT, session)
        self.assert_kind(met, "MEMORY")
        self.assert_kept(met)
        configured, observed = self.cause(met, "memory", "memory_bytes", "KERNEL")
        self.assertEqual(configured, 64 * MIB)
        self.assertGreater(observed, 55 * MIB)
        self.assertGreater(int(met["usage"]["peakMemoryBytes"]), observed)
        # The peak of before is not that of a later execution.
        again = self.client.eval("kept = None\nraise MemoryError", session)
        self.assertNotIn("cause", again)
        self.assertGreaterEqual(self.metric("vivarium_limits_reached_total",
                                            cause="memory_bytes"), 1)

    def test_workspace(self):
        """Bytes of the workspace; the file that is there tells that it is full."""
        fill = "with open('f', 'wb') as f: f.write(bytes({}))"
        verdict = self.both({"workspaceBytes": 1 * MIB, "fileBytes": 4 * MIB},
                            fill, 900 * KIB, 2 * MIB)
        self.assert_kind(verdict, "IO")
        session = self.limited(workspaceBytes=1 * MIB)
        verdict = self.client.eval("f = open('f', 'wb', 0)\nwhile True: f.write(bytes(4096))",
                                   session)
        # The file's own limit is the workspace's, so either may come first.
        self.assert_kind(verdict, "IO")
        if "cause" in verdict:
            configured, observed = self.cause(verdict, "disk", "workspace_bytes", "KERNEL")
            self.assertEqual(configured, MIB)
            self.assertGreater(observed, 900 * KIB)
            self.assertIn("workspace_bytes = 1 MiB", verdict["error"]["message"])
        self.assertEqual(self.client.value("6*7", session), 42)

    def test_disk_full_of_many_files(self):
        """No file is at its own limit: the disk is full, and said to be."""
        session = self.limited(workspaceBytes=1 * MIB)
        verdict = self.client.eval(
            "for i in range(40): open(f'f{i}', 'wb').write(bytes(64 << 10))", session)
        self.assert_kind(verdict, "IO")
        configured, observed = self.cause(verdict, "disk", "workspace_bytes", "KERNEL")
        self.assertEqual(configured, MIB)
        self.assertGreater(observed, 900 * KIB)
        self.assertIn("workspace_bytes = 1 MiB", verdict["error"]["message"])
        # Who raises the same words without a full disk is not believed.
        forged = self.client.eval("import os\nraise OSError(28, 'No space left on device')",
                                  self.session())
        self.assertNotIn("cause", forged)

    def test_inodes(self):
        """Files and directories."""
        verdict = self.both({"workspaceInodes": 64},
                            "for i in range({}): open(f'f{{i}}', 'w').close()", 48, 65)
        self.assert_kind(verdict, "IO")
        self.assertEqual(self.cause(verdict, "disk", "workspace_inodes", "KERNEL")[0], 64)

    def test_file_size(self):
        """One file."""
        verdict = self.both({"fileBytes": 1 * MIB},
                            "with open('f', 'wb') as f: f.write(bytes({}))", 1 * MIB, 1 * MIB + 1)
        self.assert_kind(verdict, "IO")
        self.assertIn("file_bytes = 1 MiB", verdict["error"]["message"])

    def test_threads(self):
        """Threads, the main one among them; those that live are the proof."""
        start = ("import threading\nstop = threading.Event()\n"
                 "for i in range({}): threading.Thread(target=stop.wait, daemon=True).start()\n")
        session = self.limited(threads=6)
        self.assertNotIn("error", self.client.eval(start.format(5) + "stop.set()", session))
        session = self.limited(threads=6)
        verdict = self.client.eval(start.format(6), session)
        self.assertEqual(verdict["error"]["type"], "RuntimeError")
        self.assertEqual(self.cause(verdict, "threads", "threads", "KERNEL"), (6, 6))
        self.assertIn("threads = 6", verdict["error"]["message"])
        forged = self.client.eval("raise RuntimeError(\"can't start new thread\")", self.session())
        self.assertNotIn("cause", forged)

    def test_descriptors(self):
        """Open files, those of the runtime among them."""
        opens = "import os\nx = [os.open('/dev/null', 0) for i in range({})]"
        session = self.limited(descriptors=32)
        self.assertNotIn("error", self.client.eval(opens.format(27), session))
        self.client.eval("for f in x: os.close(f)\nx = []", session)
        verdict = self.client.eval(
            "x = []\nwhile True: x.append(os.open('/dev/null', 0))", session)
        self.assert_kind(verdict, "IO")
        self.assertEqual(self.cause(verdict, "descriptors", "descriptors", "KERNEL")[0], 32)
        self.assertIn("descriptors = 32", verdict["error"]["message"])
        forged = self.client.eval("raise OSError(24, 'Too many open files')", self.session())
        self.assertNotIn("cause", forged)

    def test_processes(self):
        """There are none: a fork is refused, with the call in the cause."""
        verdict = self.client.eval("import os; os.fork()", self.session())
        self.assert_kind(verdict, "PERMISSION")
        self.assertEqual(verdict["cause"]["cause"], "denied")

    def test_a_neighbour_keeps_its_own(self):
        """Tightening one session leaves the next one from the pool as it was."""
        small, usual = self.limited(memoryBytes=32 * MIB, workspaceBytes=MIB), self.session()
        self.assert_kind(self.client.eval("bytearray(100 << 20)", small), "MEMORY")
        self.assertEqual(self.client.value(
            "with open('f', 'wb') as f: n = f.write(bytes(8 << 20))\nlen(bytearray(100 << 20)) + n",
            usual), 108 * MIB)


class Watched(LimitCase):
    """Limits that only looking can enforce."""

    def test_shared_memory(self):
        """Memory that no kernel limit counts: looked at, and the worker killed."""
        session = self.limited(memoryBytes=64 * MIB)
        self.assertNotIn("error", self.client.eval(SHARED.format(32, 32), session))
        verdict = self.client.eval(SHARED.format(200, 200) + "while True: pass", session)
        self.assert_kind(verdict, "MEMORY")
        self.assert_lost(verdict)
        configured, observed = self.cause(verdict, "memory", "memory_bytes", "DAEMON")
        self.assertEqual(configured, 64 * MIB)
        self.assertGreater(observed, configured)
        self.assertIn("limits.memory", verdict["error"]["message"])
        dead = self.client.call("SessionService/GetSession", {"session": session})["session"]
        self.assertEqual((dead["state"], dead["cause"]["cause"], dead["cause"]["limit"]),
                         ("SESSION_STATE_DEAD", "memory", "memory_bytes"))
        self.assertGreater(self.metric("vivarium_memory_poll_duration_seconds_count"), 0)

    def test_sparse_mapping(self):
        """Page tables for more than there is to map would cost memory: address space has an end."""
        session = self.limited(memoryBytes=16 * MIB, threads=2)
        sparse = "import mmap\nm = mmap.mmap(-1, {} << 20)\nlen(m)"
        self.assertEqual(self.client.value(sparse.format(64), session), 64 * MIB)
        verdict = self.client.eval("m.close()\n" + sparse.format(4096), session)
        self.assertEqual(verdict["error"]["type"], "OSError")
        self.assert_kept(verdict)

    def test_memory_of_an_idle_session(self):
        """A thread that was left behind is looked at as well."""
        session = self.limited(memoryBytes=64 * MIB)
        self.client.eval(
            "import threading, time, mmap\n"
            "def later():\n"
            "    time.sleep(0.2)\n"
            "    global m\n"
            "    m = mmap.mmap(-1, 200 << 20)\n"
            "    for i in range(0, 200 << 20, 4096): m[i] = 1\n"
            "threading.Thread(target=later, daemon=True).start()", session)

        def dead():
            told = self.client.call("SessionService/GetSession", {"session": session})["session"]
            return told if told["state"] == "SESSION_STATE_DEAD" else None
        self.assertEqual(waiting.wait_for(dead, "its end")["cause"]["limit"], "memory_bytes")

    def test_cpu_of_the_session(self):
        """CPU time in all: many executions that are each within their budget."""
        session = self.limited(cpuMs=1000)
        self.assertNotIn("error", self.client.eval("for i in range(10**5): pass", session))
        spin = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"

        def ended():
            try:
                verdict = self.client.eval(spin, session)
            except http_api.ApiError as error:
                self.assertEqual(error.code, "aborted")
                return True
            return "error" in verdict and verdict
        verdict = waiting.wait_for(ended, "the end of its CPU time")
        told = self.client.call("SessionService/GetSession", {"session": session})["session"]
        self.assertEqual((told["cause"]["cause"], told["cause"]["limit"],
                          told["cause"]["enforcedBy"]),
                         ("cpu", "session_cpu_ms", "ENFORCED_BY_DAEMON"))
        self.assertEqual(told["cause"]["configured"], "1000")
        self.assertGreaterEqual(int(told["cause"]["observed"]), 1000)
        if isinstance(verdict, dict):
            self.assert_kind(verdict, "LIMIT")
            self.assert_lost(verdict)


class Victims(LimitCase):
    """Whom the kernel takes when memory runs out."""

    def test_order(self):
        """A worker before its zygote, a zygote before the daemon."""
        def score(pid):
            with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as text:
                return int(text.read())
        worker = self.client.call("SessionService/GetSession", {"session": self.session()})
        [zygote] = processes.zygotes(self.daemon.pid)
        self.assertEqual(score(worker["session"]["workerPid"]), 1000)
        self.assertEqual(score(zygote.pid), 500)
        self.assertLessEqual(score(self.daemon.pid), 0)


class Machine(LimitCase):
    """A machine without memory left, which the configuration says of any machine."""

    config = "[sandbox]\nmemory_reserve = \"1000GiB\"\n"

    def test_the_largest_goes(self):
        """The session that took the most is ended and told why; a small one stays."""
        small, large = self.session(), self.session()
        self.assertEqual(self.client.value("x = 1; x", small), 1)
        verdict = self.client.eval("m = bytearray(100 << 20)\nwhile True: pass", large)
        self.assert_kind(verdict, "MEMORY")
        self.assert_lost(verdict)
        configured, observed = self.cause(verdict, "memory", "machine_memory", "DAEMON")
        self.assertEqual(configured, 1000 << 30)
        self.assertLess(observed, configured)
        self.assertIn("sandbox.memory_reserve", verdict["error"]["message"])
        self.assertEqual(self.client.value("x", small), 1)


class Executions(LimitCase):
    """Limits of executions, enforced by the daemon."""

    def test_output(self):
        """stdout and stderr together."""
        session = self.limited(outputBytes=2 * KIB)
        source = "import sys\nprint('x' * {}, end='')\nprint('y' * 1024, end='', file=sys.stderr)"
        verdict = self.client.eval(source.format(1024), session)
        self.assertNotIn("outputTruncated", verdict)
        self.assertEqual(len(verdict["stdout"]) + len(verdict["stderr"]), 2 * KIB)
        verdict = self.client.eval(source.format(1025), session)
        self.assertTrue(verdict["outputTruncated"])
        self.assertEqual(len(verdict["stdout"]) + len(verdict["stderr"]), 2 * KIB)
        self.assertEqual(int(verdict["usage"]["outputBytes"]), 2 * KIB + 1)
        self.assertGreaterEqual(self.metric("vivarium_limits_reached_total",
                                            cause="output_bytes"), 1)

    def test_displays(self):
        """How many, and how much."""
        session = self.limited(displays=3, displayBytes=8 * KIB)
        show = "from vivarium import display\nfor i in range({}): display({})"
        verdict = self.client.eval(show.format(3, "i"), session)
        self.assertEqual(len(verdict["displays"]), 3)
        self.assertNotIn("displaysDropped", verdict)
        verdict = self.client.eval(show.format(4, "i"), session)
        self.assertEqual((len(verdict["displays"]), verdict["displaysDropped"]), (3, "1"))
        self.assertNotIn("error", verdict)
        verdict = self.client.eval(show.format(1, "'x' * 7000"), session)
        self.assertNotIn("displaysDropped", verdict)
        verdict = self.client.eval(show.format(1, "'x' * 9000"), session)
        self.assertEqual(verdict["displaysDropped"], "1")
        verdict = self.client.eval("from vivarium import display; display(1)",
                                   self.limited(displays=0))
        self.assertEqual(verdict["displaysDropped"], "1")

    def test_result(self):
        """The value, encoded."""
        session = self.limited(resultBytes=4 * KIB)
        self.assertEqual(len(self.client.value("'x' * 4000", session)), 4000)
        verdict = self.client.eval("'x' * 4097", session)
        self.assert_kind(verdict, "LIMIT")
        self.assert_kept(verdict)
        self.assertEqual(self.cause(verdict, "limit", "result_bytes", "PYTHON")[0], 4 * KIB)

    def test_event_log(self):
        """What it holds, and that what it dropped is said."""
        session = self.limited(eventLogBytes=8 * KIB)
        source = ("import sys\nfor i in range({}):\n"
                  "    sys.stdout.write(str(i) * 900 + '\\n'); sys.stdout.flush()")
        execution = self.client.start(source.format(7), session)
        self.client.wait(execution)
        events = list(self.client.follow(execution))
        self.assertEqual(events[0]["sequence"], "1")
        self.assertFalse(any("lostBefore" in event for event in events))
        execution = self.client.start(source.format(60), session)
        self.client.wait(execution)
        events = list(self.client.follow(execution))
        self.assertGreater(int(events[0]["lostBefore"]), 0)
        held = sum(len(event.get("stdout", "")) + 64 for event in events)
        self.assertLessEqual(held, 8 * KIB + 1000)
        self.assertIn("verdict", events[-1])
        # Folded, the beginning is missing and said to be.
        self.assertTrue(self.client.wait(execution)["outputTruncated"])

    def test_queue(self):
        """What waits here; up to 64 more stand in the worker already."""
        session = self.limited(queue=2)
        started = [self.client.start("while True: pass", session)]
        with self.assertRaises(http_api.ApiError) as caught:
            while len(started) <= 64 + 2:
                started.append(self.client.start("1", session))
        self.assertEqual(caught.exception.code, "resource_exhausted")
        self.assertIn("the maximum is 2 (limits.queue)", caught.exception.message)
        self.assertGreaterEqual(len(started), 3)
        for execution in reversed(started):
            self.client.call("ExecutionService/Cancel", {"executionId": execution})
        self.client.wait(started[0])
        self.assertEqual(self.client.value("6*7", session), 42)

    def test_namespaces(self):
        """Beside the base one."""
        session = self.limited(namespaces=2)
        for _ in range(2):
            self.client.call("SessionService/CreateNamespace", {"session": session})
        error = self.refused("resource_exhausted", "SessionService/CreateNamespace",
                             {"session": session})
        self.assertIn("limits.namespaces", error.message)

    def test_refs(self):
        """The one used least recently goes first."""
        session = self.limited(refs=2)
        refs = [self.client.eval("object()", session,
                                 resultFormat="RESULT_FORMAT_TYPED")["result"]["value"]["ref"]
                for _ in range(3)]
        self.assertEqual(self.counts(session)[0], 2)
        get = {"session": session, "operation": "OPERATION_BOOL"}
        old = self.client.call("ExecutionService/Call", {**get, "target": {"ref": refs[0]}})
        self.assertIn("error", old["verdict"])
        new = self.client.call("ExecutionService/Call", {**get, "target": {"ref": refs[2]}})
        self.assertNotIn("error", new["verdict"])

    def test_deadline(self):
        """Wall time, with what was configured and what was observed."""
        session = self.session()
        self.assertNotIn("error", self.client.eval("1", session, timeoutMs="60000"))
        verdict = self.client.eval("while True: pass", session, timeoutMs="200")
        self.assert_kind(verdict, "TIMEOUT")
        configured, observed = self.cause(verdict, "deadline", "timeout_ms", "DAEMON")
        self.assertEqual(configured, 200)
        self.assertGreaterEqual(observed, 200)

    def test_cpu_of_an_execution(self):
        """The budget of one execution, which waiting does not use up."""
        session = self.session()
        self.assertNotIn("error", self.client.eval("import time; time.sleep(0.4)", session,
                                                   cpuMs="300"))
        verdict = self.client.eval("while True: pass", session, cpuMs="200")
        configured, observed = self.cause(verdict, "cpu", "cpu_ms", "DAEMON")
        self.assertEqual(configured, 200)
        self.assertGreaterEqual(observed, 200)
        self.assert_kept(verdict)

    def test_seccomp_and_signals(self):
        """A call that means no good is death by the filter, and told apart from other deaths."""
        verdict = self.client.eval("import ctypes; ctypes.CDLL(None).syscall(101, 0, 0, 0, 0)",
                                   self.session())
        self.assert_lost(verdict)
        self.cause(verdict, "seccomp", "SIGSYS", "KERNEL")
        verdict = self.client.eval("import ctypes; ctypes.string_at(0)", self.session())
        self.cause(verdict, "signal", "SIGSEGV", "KERNEL")


class Decoding(DaemonCase):
    """What a request may blow up to."""

    def nested(self, levels):
        """Sends a request whose JSON nests so many levels."""
        text = '{"source":"1","jsonVariables":{"x":' + "[" * (levels - 2) + "]" * (levels - 2) + "}}"
        status, _, body = self.client.request("POST", "/vivarium.v1.ExecutionService/Eval",
                                              text.encode(), {"content-type": "application/json"})
        return status, json.loads(body)

    def test_depth_of_json(self):
        """At its bound of 256 levels the values decide; one more is refused before anything."""
        status, answer = self.nested(20)
        self.assertEqual(status, 200, answer)
        self.assertIn("result", answer["verdict"])
        status, answer = self.nested(256)
        self.assertEqual(status, 400)
        self.assertNotIn("256 levels", answer["message"])
        status, answer = self.nested(257)
        self.assertEqual(status, 400)
        self.assertIn("256 levels", answer["message"])

    def test_depth_of_values(self):
        """Variables nest as deep as results do."""
        def deep(levels):
            return self.client.eval("1", jsonVariables={
                "x": json.loads("[" * levels + "]" * levels)})
        self.assertNotIn("error", deep(39))
        with self.assertRaises(http_api.ApiError) as caught:
            deep(60)
        self.assertEqual(caught.exception.code, "invalid_argument")


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
                with open(f"{path}/cgroup.procs", encoding="ascii") as procs:
                    return [int(pid) for pid in procs.read().split()]
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
            os.unlink(daemon.port_file)
            daemon.start()
            self.assertIsNone(self.members(session))
            self.assertIn("reclaimed", daemon.log())
            with daemon.client() as client:
                self.assertEqual(client.value("6*7"), 42)
            self.assertEqual(daemon.terminate(), 0)

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
