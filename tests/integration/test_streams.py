# SPDX-License-Identifier: Apache-2.0
"""Following executions: live, from the start, from the middle, and walking away."""

import http.client
import json
import unittest

from vivarium_testing import http_api, processes, waiting
from vivarium_testing.case import DaemonCase


def kind_of(event):
    """Returns what kind of event it is."""
    return next(key for key in event if key not in ("sequence", "timeUs", "lostBefore"))


class Follow(DaemonCase):
    """Server streaming of the Connect protocol."""

    def test_events_come_in_order(self):
        """Started, output as it was written, the verdict last."""
        session = self.session()
        execution = self.client.start(
            "import sys\nprint('a', flush=True)\nprint('b', file=sys.stderr, flush=True)\n"
            "print('c', flush=True)\n6*7", session)
        events = list(self.client.follow(execution))
        self.assertEqual([int(e["sequence"]) for e in events], list(range(1, len(events) + 1)))
        self.assertEqual(kind_of(events[0]), "started")
        self.assertEqual(kind_of(events[-1]), "verdict")
        self.assertEqual("".join(e.get("stdout", "") for e in events), "a\nc\n")
        self.assertEqual("".join(e.get("stderr", "") for e in events), "b\n")
        self.assertEqual(events[-1]["verdict"]["result"], {"json": 42})
        self.assertNotIn("stdout", events[-1]["verdict"])

    def test_output_arrives_while_the_code_runs(self):
        """The stream is live: the code goes on only when its output has been seen."""
        session = self.session()
        execution = self.client.start(
            "import asyncio\nprint('waiting', flush=True)\ngo = asyncio.Event()\n"
            "await go.wait()\n'went'", session)
        events = self.client.follow(execution)
        for event in events:
            if event.get("stdout") == "waiting\n":
                break
        with self.daemon.client() as other:
            other.value("go.set()", session)
        last = list(events)[-1]
        self.assertEqual(last["verdict"]["result"], {"json": "went"})

    def test_from_a_sequence_number(self):
        """A follower comes back where it left."""
        session = self.session()
        execution = self.client.start(
            "for i in range(5): print(i, flush=True)", session)
        self.client.wait(execution)
        everything = list(self.client.follow(execution))
        self.assertEqual(list(self.client.follow(execution, 1)), everything)
        self.assertEqual(list(self.client.follow(execution, 3)), everything[2:])
        self.assertEqual(list(self.client.follow(execution, len(everything))), everything[-1:])

    def test_two_followers_see_the_same(self):
        """The log belongs to nobody."""
        session = self.session()
        execution = self.client.start("for i in range(100): print(i, flush=True)", session)
        with self.daemon.client() as other:
            self.assertEqual(list(other.follow(execution)), list(self.client.follow(execution)))

    def test_unknown_execution_ends_the_stream_with_an_error(self):
        """Streams answer 200 and tell the error at their end."""
        with self.assertRaises(http_api.ApiError) as caught:
            list(self.client.follow("exe_0" + "a" * 26))
        self.assertEqual((caught.exception.status, caught.exception.code), (200, "not_found"))

    def test_output_outlives_the_client(self):
        """Detached: the client goes mid-stream, the execution runs on, another comes back."""
        session = self.session()
        execution = self.client.start(
            "import asyncio\nprint('one', flush=True)\ngo = asyncio.Event()\nawait go.wait()\n"
            "print('two')\n'end'", session)
        leaver = self.daemon.client()
        for event in leaver.follow(execution):
            if event.get("stdout"):
                break
        leaver.close()
        self.client.value("go.set()", session)
        verdict = self.client.wait(execution)
        self.assertEqual(verdict["result"], {"json": "end"})
        self.assertEqual(verdict["stdout"], "one\ntwo\n")

    def test_bounded_log_says_what_it_dropped(self):
        """More output than the log holds: the oldest goes, and a follower is told so."""
        session = self.session()
        execution = self.client.start(
            "line = 'x' * 1000\nfor i in range(20_000): print(line)", session)
        verdict = self.client.wait(execution)
        self.assertTrue(verdict["outputTruncated"])
        self.assert_kept(verdict)
        events = list(self.client.follow(execution))
        self.assertEqual(kind_of(events[-1]), "verdict")

    def test_slow_follower_holds_nobody_up(self):
        """One that does not read costs neither the execution nor the daemon."""
        session = self.session()
        execution = self.client.start(
            "for i in range(2000): print('x' * 400, flush=True)\n'end'", session)
        sleeper = http.client.HTTPConnection("127.0.0.1", self.daemon.port)
        sleeper.request("POST", "/vivarium.v1.ExecutionService/Follow",
                        http_api.envelope(json.dumps({"executionId": execution}).encode()),
                        {"content-type": "application/connect+json"})
        self.assertEqual(self.client.wait(execution)["result"], {"json": "end"})
        sleeper.close()


class Disconnect(DaemonCase):
    """What becomes of an execution whose waiting client goes away."""

    config = "[limits]\ngrace = \"200ms\"\n"

    def leave(self, message):
        """Sends an Eval whose code computes for ever, and hangs up once it does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port)
        connection.request("POST", "/vivarium.v1.ExecutionService/Eval", json.dumps(message),
                           {"content-type": "application/json"})
        worker = processes.busy_worker(self.daemon.pid)
        connection.close()
        return worker

    def test_one_shot_is_killed(self):
        """Nobody could ever see its result."""
        worker = self.leave({"source": "while True: pass"})
        waiting.wait_for(lambda: not processes.alive(worker), "the end of the one-shot")

    def test_session_runs_on_by_default(self):
        """Detached."""
        session = self.session()
        worker = self.leave({"source": "while True: pass", "session": session})
        listed = self.client.call("ExecutionService/List", {"session": session})["executions"]
        self.assertEqual(listed[0]["state"], "STATE_RUNNING")
        self.assertTrue(processes.alive(worker))
        self.client.call("ExecutionService/Cancel", {"executionId": listed[0]["id"]})

    def test_interrupt(self):
        """The execution is cancelled, the session stays."""
        session = self.session()
        self.leave({"source": "x = 1\nwhile True: pass", "session": session,
                    "onDisconnect": "ON_DISCONNECT_INTERRUPT"})
        self.assertEqual(self.client.value("x", session), 1)

    def test_kill(self):
        """The session goes at once."""
        session = self.session()
        worker = self.leave({"source": "while True: pass", "session": session,
                             "onDisconnect": "ON_DISCONNECT_KILL"})
        waiting.wait_for(lambda: not processes.alive(worker), "the end of the worker")


if __name__ == "__main__":
    unittest.main()
