# SPDX-License-Identifier: Apache-2.0
"""Limits of a session's own, from both sides, and the cause that is told when one is met."""

import json
import unittest

from vivarium_testing import http_api
from vivarium_testing.case import DaemonCase
from vivarium_testing.limits import EAT, KIB, MIB, LimitCase


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


if __name__ == "__main__":
    unittest.main()
