# SPDX-License-Identifier: Apache-2.0
"""Many at once: in order, each with its own end, whatever happens to the others."""

import os
import signal
import threading
import unittest

from vivarium_testing import processes, waiting
from vivarium_testing.case import DaemonCase


class Batches(DaemonCase):
    """Batch over HTTP."""

    config = "[limits]\ngrace = \"300ms\"\n"

    def batch(self, *items):
        """Runs a batch and returns its results."""
        return self.client.call("ExecutionService/Batch", {"items": items})["results"]

    def evals(self, session, *sources, **fields):
        """Returns items that evaluate."""
        return [{"eval": {"session": session, "source": s, **fields}} for s in sources]

    def test_each_its_own_verdict(self):
        """Values, errors, calls, refusals, in the order of the items."""
        session = self.session()
        results = self.batch(
            *self.evals(session, "x = 1\nx", "1/0", "x += 1\nx"),
            {"call": {"session": session, "target": {"module": "math"}, "name": "sqrt",
                      "jsonArgs": [4]}},
            {"eval": {"session": "nowhere", "source": "1"}}, {}, {"eval": {"source": "7"}},
            {"eval": {"session": session, "source": "1", "firstLine": 1, "code": "x"}})
        self.assertEqual([r.get("verdict", {}).get("result", {}).get("json") for r in results],
                         [1, None, 2, 2, None, None, 7, None])
        self.assert_kind(results[1]["verdict"], "PYTHON")
        self.assertEqual(results[4]["rejection"]["code"], "not_found")
        for index in (5, 7):
            self.assertEqual(results[index]["rejection"]["code"], "invalid_argument")
        self.at_rest(session)

    def test_bounds(self):
        """None, as many as allowed, one more."""
        session = self.session()
        self.assertEqual(self.client.call("ExecutionService/Batch", {}).get("results", []), [])
        results = self.batch(*self.evals(session, *(str(i) for i in range(1000))))
        self.assertEqual([r["verdict"]["result"]["json"] for r in results], list(range(1000)))
        self.refused("invalid_argument", "ExecutionService/Batch",
                     {"items": self.evals(session, *["1"] * 1001)})

    def test_results_that_are_too_large_together(self):
        """Those that no longer fit are told so; the session goes on."""
        session = self.session()
        results = self.batch(*self.evals(session, *["'x' * (9 << 20)"] * 9))
        fitting = [r for r in results if "result" in r.get("verdict", {})]
        self.assertGreater(len(fitting), 0)
        self.assertLess(len(fitting), 9)
        self.assertEqual(self.client.value("1", session), 1)

    def test_ones_that_hang_or_die(self):
        """A deadline ends one; a worker that exits ends those behind it, not other sessions'."""
        session, other = self.session(), self.session()
        results = self.batch(
            *self.evals(session, "while True: pass", timeoutMs="300"),
            *self.evals(session, "1", "import os; os._exit(1)", "2", "3"),
            *self.evals(other, "4"))
        self.assert_kind(results[0]["verdict"], "TIMEOUT")
        self.assertEqual(results[1]["verdict"]["result"], {"json": 1})
        for result in results[2:5]:
            if "rejection" in result:
                self.assertEqual(result["rejection"]["code"], "aborted")
            else:
                self.assert_kind(result["verdict"], "SESSION_LOST")
        self.assertEqual(results[5]["verdict"]["result"], {"json": 4})

    def test_worker_that_is_killed(self):
        """From outside, in the middle: every item has an end."""
        session = self.session()
        results = []

        def run():
            with self.daemon.client() as other:
                results.extend(other.call("ExecutionService/Batch", {"items": self.evals(
                    session, "1", "while True: pass", *["2"] * 200)})["results"])

        thread = threading.Thread(target=run)
        thread.start()
        os.kill(processes.busy_worker(self.daemon.pid).pid, signal.SIGKILL)
        thread.join(waiting.WATCHDOG)
        self.assertEqual(len(results), 202)
        for result in results[1:]:
            self.assertTrue("rejection" in result
                            or result["verdict"]["error"]["kind"] == "ERROR_KIND_SESSION_LOST")

    def test_client_that_leaves(self):
        """In the middle, over HTTP and over a WebSocket: nothing is left running for ever."""
        session = self.session()
        items = self.evals(session, "while True: pass", *["2"] * 200, timeoutMs="60000",
                           onDisconnect="ON_DISCONNECT_INTERRUPT")
        self.vanish("ExecutionService/Batch", {"items": items},
                    lambda: processes.busy_worker(self.daemon.pid))
        self.at_rest(session)
        socket = self.websocket()
        socket.begin(batch={"items": items})
        processes.busy_worker(self.daemon.pid)
        socket.close()
        self.at_rest(session)

    def test_abandoned(self):
        """Each item is cancelled and the answer comes."""
        session = self.session()
        socket = self.websocket()
        number = socket.begin(batch={"items": self.evals(session, *["while True: pass"] * 80)})
        processes.busy_worker(self.daemon.pid)
        socket.send({"id": str(number), "abandon": {}})
        results = socket.next_of(number)["batch"]["results"]
        self.assertEqual(len(results), 80)
        for result in results:
            self.assertTrue("rejection" in result or "error" in result["verdict"])
        self.at_rest(session)

    def test_forks_and_floods(self):
        """Each item does its worst; all are answered."""
        session = self.session()
        results = self.batch(*self.evals(
            session, "import os; os.fork()", "while True: os.fork()", "print('x' * (4 << 20))",
            "a = []; a.append(a); a", "'x' * (40 << 20)", "raise SystemExit(3)", "5"))
        self.assertEqual(len(results), 7)
        self.assertEqual(results[6]["verdict"]["result"], {"json": 5})


if __name__ == "__main__":
    unittest.main()
