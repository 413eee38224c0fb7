# SPDX-License-Identifier: Apache-2.0
"""A worker's own memory is its tenant's: frames that no honest worker would send."""

import unittest

from vivarium_testing.attack import FORGER
from vivarium_testing.case import DaemonCase


class Forged(DaemonCase):
    """Each lie ends its session at most; the fixture looks at the neighbour."""

    config = "[limits]\ngrace = \"300ms\"\n"

    def lie(self, what, **fields):
        """Lets a session tell the daemon something; returns the verdict."""
        session = self.session()
        self.client.value(FORGER, session)
        verdict = self.client.eval(f"N = 2\ntell({what})\n'told'", session, timeoutMs="5000", **fields)
        return session, verdict

    def test_results(self):
        """For itself: malformed values, of every form asked for."""
        for form in ("JSON", "TYPED", "REPR", "NONE"):
            for content in (
                    "b''", "b'\\xff'", "deep(1000)", "deep(44)", "num(3, 2) + num(3, 2)",
                    "data(16, num(1, 0))", "data(16, num(1, 9999) + num(2, 13))",
                    "data(15, b'')", "data(17, num(1, 24))", "data(18, num(1, 2**63))",
                    "data(20, b'x')", "data(19, b'x' * 1000)", "data(4, b'\\xff' * (1 << 20))",
                    "data(4, b'')", "data(6, b'\\xff')", "data(30, data(2, b'x' * (1 << 20)))",
                    "data(26, data(1, b'ref_') + num(4, 2**64 - 1))",
                    "data(23, data(1, b'<f8') + data(2, varint(1) * 100_000))",
                    "data(23, data(1, b'<f8') + data(2, varint(2**63) + varint(2)))",
                    "data(23, data(1, b'|b1') + data(2, varint(0) + varint(2**64 - 1)))",
                    "data(23, data(1, b'|b1') + data(2, varint(2**64 - 1) + varint(0)))",
                    "data(23, data(1, b'|S0') + data(2, varint(100_000)))",
                    "data(23, data(1, b'<U0') + data(2, varint(2**60)))",
                    "data(23, data(1, b'<f16') + data(2, varint(1)) + data(3, b'\\xff' * 16))",
                    "data(23, data(1, b'|b1') + data(2, b'\\x80' * 100))",
                    "data(10, data(1, data(1, deep(20)) + data(2, deep(20))))",
                    "data(8, data(1, integer) * 1_000_000)", "data(25, data(2, b'x'))",
                    "data(8, data(1, b'') * 10)", "num(2, 5)"):
                with self.subTest(form=form, content=content):
                    _, verdict = self.lie(f"finished(N, 1, {content})",
                                          resultFormat=f"RESULT_FORMAT_{form}")
                    self.assertTrue(verdict)

    def test_errors(self):
        """Kinds and codes out of range, errors in errors, args of any size."""
        for content in ("b''", "num(1, 2**64 - 1)", "num(1, 12)", "num(1, 1)", "num(1, 4)",
                        "data(5, b'\\xff')", "data(13, integer) * 100_000", "data(8, data(8, b''))",
                        "data(12, b'x' * 1_000_000)", "data(14, data(2, b'\\x01' * 1_000_000))",
                        "data(14, b'') + data(15, b'')", "data(6, b'') * 1_000_000"):
            with self.subTest(content):
                self.lie(f"finished(N, 4, {content})")

    def test_causes(self):
        """A deadline that has not passed is no cause."""
        _, verdict = self.lie("finished(N, 5, b'')")
        self.assertNotEqual(verdict.get("cause", {}).get("cause"), "deadline")

    def test_unasked(self):
        """Items without a stream, waits, output of others, frames of no type, lengths."""
        for what in ("items(N, 1, data(1, integer))", "frame(21, num(1, N)) * 2",
                     "frame(21, num(1, 99))", "finished(99, 3, b'')", "finished(0, 3, b'')",
                     "finished(N, 3, b'') * 2", "frame(16, num(1, 1))", "frame(99, b'')",
                     "struct.pack('<IB3x', 2**32 - 1, 19)", "struct.pack('<IB3x', 64 << 20, 19)",
                     "frame(17, num(1, N) + num(2, 0) + data(3, b'x' * (32 << 20)))",
                     "frame(18, num(1, N) + data(2, data(1, b'') * 1000))",
                     "finished(N, 3, b'', 2**64 - 1, 1, 1)", "finished(N, 9, b'')",
                     "frame(17, num(1, N) + num(2, 0) + data(3, b'x')) * 200_000"):
            with self.subTest(what):
                self.lie(what)

    def test_items(self):
        """Of a stream: wrong counts, more than the credit, wrong form, after its end."""
        for what in ("items(N, 2, data(1, integer))", "items(N, 1, data(1, integer) * 2)",
                     "items(N, 2**64 - 1, b'')", "items(N, 1000, data(1, integer) * 1000)",
                     "items(N, 1, data(3, b'x'))", "items(N, 1, data(1, deep(100)))",
                     "finished(N, 3, b'') + items(N, 1, data(1, integer))",
                     "finished(N, 1, integer)", "frame(21, num(1, N)) * 2",
                     "items(N, 2, data(1, integer) * 2) * 2", "items(N, 0, b'')"):
            with self.subTest(what):
                session = self.session()
                self.client.value(FORGER, session)
                source = f"N = 2\ndef g():\n  tell({what})\n  for i in range(9): yield i\ng()"
                messages = list(self.client.stream(source, session, window=3, timeoutMs="5000"))
                self.assertIn("verdict", messages[-1])

    def test_answers_about_itself(self):
        """Questions to an interpreter, starts and namespaces, answered with anything."""
        for content in ("integer", "data(10, b'')", "data(8, data(1, integer) * 20_000)"):
            for method, message in (
                    ("GetMemoryStats", {}), ("ListVariables", {}), ("GetInterpreter", {}),
                    ("CollectGarbage", {}), ("SetTracemalloc", {}),
                    ("ReleaseRefs", {"refs": ["ref_x"]}), ("CreateNamespace", {})):
                with self.subTest(content=content, method=method):
                    session = self.session()
                    self.client.value(FORGER, session)
                    self.client.eval(f"tell(finished(2, 3, b''))\ntell(finished(3, 1, {content}))",
                                     session)
                    try:
                        self.client.call(f"SessionService/{method}", {"session": session, **message})
                    except Exception as error:  # Whatever it is, it is typed.
                        self.assertTrue(getattr(error, "code", None), error)

    def test_calls(self):
        """Calls that are none, numbers used twice, drops of nothing, notes without bounds."""
        for what in ("host_call(1, b'')", "host_call(1, b'x' * 201)", "host_call(1, b'f\\0g')", "host_call(1, b'f\\ng')",
                     "host_call(1, b'\\xff')", "host_call(0)", "host_call(2) + host_call(1)", "host_call(2**64 - 1) * 2",
                     "host_call(1, kind=2)", "host_call(1, kind=9)", "host_call(1, operands=b'')",
                     "host_call(1, operands=integer)", "host_call(1, operands=deep(1000))",
                     "host_call(1, operands=data(9, data(1, data(9, data(1, data(6, b'x' * (20 << 20)))))"
                     " + data(1, data(10, b''))))",
                     "drop(0)", "drop(1)", "host_call(1) + drop(1) + drop(2)", "note(3, b'')",
                     "note(1, b'\\xff')", "note(2, b'\\xff')", "note(2, data(3, b'x' * (1 << 20)))",
                     "note(1, num(1, 2) + data(3, b'x' * (1 << 20)))",
                     "frame(3, num(1, 1) + num(2, 1) + data(3, integer))"):
            with self.subTest(what):
                _, verdict = self.lie(what)
                self.assertEqual(verdict.get("cause", {}).get("cause"), "protocol", verdict)

    def test_floods_of_calls(self):
        """Calls, casts, drops and notes in thousands, from executions that there are and are not."""
        socket = self.websocket()
        held = socket.begin(credit=1, serve={"names": ["held"]})
        self.assertIn("serving", socket.next_of(held)["serve"])
        for what in ("b''.join(host_call(i, b'nobody') for i in range(1, 50_001))",
                     "b''.join(host_call(i, b'nobody', execution=i, host=i) for i in range(1, 50_001))",
                     "b''.join(host_call(i, b'held') for i in range(1, 16_001))"
                     " + b''.join(drop(i) for i in range(16_000, 0, -1))",
                     "host_call(0, b'held', kind=2) * 100_000", "host_call(0, b'nobody', kind=3) * 100_000",
                     "note(2, data(3, b'x')) * 100_000",
                     "note(1, num(1, 4) + data(3, b'x'), execution=77) * 100_000"):
            with self.subTest(what):
                _, verdict = self.lie(what)
                self.assertEqual(verdict.get("result", {}).get("json"), "told", verdict)

    def test_who_is_at_the_front(self):
        """A call dropped within which something runs, and calls of executions that do not run."""
        session = self.session()
        self.client.value(FORGER, session)
        socket = self.websocket()
        stream = socket.begin(credit=10, serve={"names": ["f"]})
        self.assertIn("serving", socket.next_of(stream)["serve"])
        outer = socket.begin(eval={"session": session, "timeoutMs": "3000",
                                   "source": "import vivarium\nvivarium.call('f')"})
        called = socket.next_of(stream)["serve"]["call"]["callId"]
        inner = socket.begin(eval={"session": session, "withinCall": called, "timeoutMs": "1000",
                                   "source": "tell(drop(1) + host_call(9, b'g', execution=99))\n"
                                             "while True: pass"})
        for number in (inner, outer):
            error = socket.next_of(number)["eval"]["verdict"]["error"]
            self.assertEqual(error["kind"], "ERROR_KIND_TIMEOUT", error)

    def test_keys_of_one_hash(self):
        """A dict whose keys all have the same hash in C++ costs what any dict costs."""
        pairs = [["ȡ聫嬖", "ȡ+h\x10\0\5\x08"], ["ٶ\U000d23091/", "ٶ6y\U00063260"],
                 ["ɲW\U00035673|", "ɲ\x14\nQ\x7f[\x0b"], ["~j놬 ؚ", "~j.m\x11;0\x0c"]]
        session = self.session()
        verdict = self.client.eval(
            f"import itertools\nQ = {pairs!r}\n"
            "P = [(Q[i % 4][0] + Q[(i // 4 + 1) % 4][0], Q[i % 4][1] + Q[(i // 4 + 1) % 4][1])\n"
            "     for i in range(15)]\n{''.join(t): 1 for t in itertools.product(*P)}", session)
        self.assertEqual(len(verdict["result"]["json"]), 1 << 15)


if __name__ == "__main__":
    unittest.main()
