# SPDX-License-Identifier: Apache-2.0
"""Single operations that would take all memory or time: each ends soon, and as an answer."""

import json

from vivarium_testing import case

# Each in one bytecode, where no interrupt is looked at.
MEMORY = (
    "bytes(10**9)", "bytearray(10**11)", "'x'.rjust(10**9)", "'x'.center(10**11)", "b'x' * 10**11",
    "[0] * 10**10", "(1,) * 10**11", "list(range(10**12))", "set(range(10**12))",
    "'%1000000000d' % 1", "f'{1:>1000000000}'", "format(1, '0>10000000000')", "1 << 10**10",
    "'x'.join(['y'] * 10**9)", "'x' * 10**9 + 'y'", "memoryview(bytearray(10**10))",
    "'ab'.replace('', 'x' * 10**6).replace('', 'y' * 10**4)", "'x\\t'.expandtabs(10**10)",
    "int.to_bytes(1, 10**10, 'big')", "bytes.fromhex('00' * 10**9)",
)
TIME = ("2**(10**8)", "10**10**10", "sum(range(10**12))", "max(range(10**12))",
        "'a' * 10**8 in 'a' * 10**8 + 'b'", "import re; re.match('(a+)+$', 'a' * 40 + 'b')",
        "all(True for _ in iter(int, 1))")


class Bombs(case.DaemonCase):
    """Each bomb goes off in a session, beside a neighbour."""

    def ask(self, source, **fields):
        """Evaluates and returns the HTTP status and the verdict."""
        status, _, body = self.client.request(
            "POST", "/vivarium.v1.ExecutionService/Eval",
            json.dumps({"source": source, **fields}), {"content-type": "application/json"})
        return status, json.loads(body)["verdict"]

    def test_memory(self):
        session = self.session()
        for source in MEMORY:
            with self.subTest(source):
                status, verdict = self.ask(f"x = {source}\nlen(x)", session=session, timeoutMs=10_000)
                self.assertEqual(status, 200)
                self.assertIn(verdict["error"]["kind"], (
                    "ERROR_KIND_MEMORY", "ERROR_KIND_PYTHON", "ERROR_KIND_TIMEOUT"), verdict)
                if verdict["session"] == "SESSION_OUTCOME_LOST":
                    session = self.session()
                self.assertEqual(self.client.value("6 * 7", session), 42)

    def test_time(self):
        for source in TIME:
            with self.subTest(source):
                session = self.session()
                status, verdict = self.ask(source, session=session, timeoutMs=300,
                                           resultFormat="RESULT_FORMAT_NONE")
                self.assertEqual(status, 200)
                if "error" in verdict:  # A fast machine may be done in time with some.
                    self.assertIn(verdict["error"]["kind"], (
                        "ERROR_KIND_TIMEOUT", "ERROR_KIND_MEMORY", "ERROR_KIND_SESSION_LOST"),
                        verdict)

    def test_whatever_code_does_is_an_answer(self):
        for source in ("1", "1/0", "raise SystemExit(3)", "syntax error", "import nothing",
                       "while True: pass", "raise MemoryError", "bytes(10**10)",
                       "import os; os._exit(7)", "import ctypes; ctypes.string_at(0)",
                       "open('/etc/shadow')", "class X:\n def __repr__(s): raise ValueError\nX()"):
            with self.subTest(source):
                status, verdict = self.ask(source, timeoutMs=500)
                self.assertEqual(status, 200, verdict)
                # A repr that fails is shown as one that failed.
                good = source == "1" or "__repr__" in source
                self.assertNotEqual(good, "error" in verdict, verdict)
