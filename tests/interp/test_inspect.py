# SPDX-License-Identifier: Apache-2.0
"""What a session tells of itself."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

from cases import WorkerTest, on_every_python  # noqa: E402
from wire import INSPECT, MAKE_NAMESPACE, SCRATCH  # noqa: E402


class Inspect(WorkerTest):
    def variables(self, **options):
        return self.operate(INSPECT, "variables", **options)["variables"]

    def test_variables(self):
        self.value("a = [1, 2]; b = 'text'; import os; from decimal import Decimal; d = Decimal(5); n = None\n__hidden = 1\ndef f(): pass")
        told = self.variables()
        self.assertEqual([one[0] for one in told], ["a", "b", "Decimal", "d", "n", "f"])
        self.assertEqual([one[:4] for one in told[:2]], [("a", "list", "[1, 2]", 2), ("b", "str", "'text'", 4)])
        self.assertEqual(told[3][1:4], ("decimal.Decimal", "Decimal('5')", None))
        self.assertTrue(all(type(one[4]) is int and one[4] > 0 for one in told))

    def test_of_a_namespace(self):
        self.operate(MAKE_NAMESPACE, 3, [], {"x": 1})
        self.assertEqual([one[:3] for one in self.variables(space=3)], [("x", "int", "1")])
        self.assertEqual(self.variables(), [])
        self.assertEqual(self.variables(space=SCRATCH), [])
        self.assertEqual(self.refused(INSPECT, "variables", space=9), ("not_found", "namespace_not_found"))

    def test_big_ones_are_told_by_their_beginning(self):
        self.value("l = list(range(10**6)); s = 'x' * 10**7; d = {i: i for i in range(10**5)}; t = {1} | set(range(10**5)); i = 10**5000; b = b'y' * 10**6")
        for name, _, text, length, _ in self.variables():
            self.assertLessEqual(len(text), 200)
            self.assertTrue(length is None or length >= 10**5, name)
        told = {one[0]: one[2] for one in self.variables()}
        self.assertTrue(told["l"].startswith("[0, 1, 2, 3,"))
        self.assertTrue(told["d"].startswith("{0: 0, 1: 1,"))
        self.assertEqual(told["s"], "'" + "x" * 199)

    def test_many(self):
        self.value("for i in range(10_005): globals()[f'v{i}'] = i")
        self.assertEqual([one[0] for one in self.variables()], ["i"] + [f"v{i}" for i in range(9_999)])

    def test_hostile_ones(self):
        self.value("""
class A:
    def __repr__(self): raise SystemExit
    def __len__(self): return 'x'
    def __sizeof__(self): return -5
class M(type):
    def __getattribute__(s, n): raise KeyError(n)
class B(metaclass=M): pass
class C:
    def __repr__(self): return 'x' * 10**6
    def __len__(self): globals().clear(); return 2**63 - 1
    __sizeof__ = lambda self: 2**63 - 20
class D(str):
    def __repr__(self): return '\\ud800' * 300
    def startswith(self, x): raise KeyError
a, b, c, d = A(), B(), C(), D('t')
A.__module__ = 5
globals()[D('key')] = 1
globals()[5] = 6
""")
        told = {one[0]: one for one in self.variables()}
        self.assertEqual(told["a"][1:4], ("A", "<A object whose repr fails>", None))
        self.assertEqual(told["c"][2:4], ("x" * 200, 2**63 - 1))
        self.assertLessEqual(len(told["d"][2]), 200)
        self.assertEqual(self.value("1+1"), 2)

    def test_one_that_blocks_is_interrupted(self):
        self.value("class A:\n  def __repr__(self):\n    print('go')\n    while True: str()\na = A()")
        number = self.w.submit("", mode=INSPECT, operands=["variables"])
        self.w.wait_for_output(number, b"go\n")
        self.w.interrupt(number)
        self.assertTrue(self.w.wait(number).interrupted)

    def test_interpreter(self):
        told = self.operate(INSPECT, "interpreter")
        self.assertEqual(told["version"], self.w.hello[2].decode())
        self.assertEqual(told["implementation"], "cpython")
        self.assertTrue(told["platform"].startswith("linux "))
        self.assertEqual(told["path"], self.value("import sys\nsys.path"))
        self.assertTrue(all(len(one) == 2 for one in told["packages"]))
        self.assertEqual(told["packages"], sorted(told["packages"]))

    def test_memory(self):
        told = self.operate(INSPECT, "memory")
        self.assertTrue(1 <= len(told["generations"]) <= 3)
        self.assertEqual({len(one) for one in told["generations"]}, {5})
        self.assertEqual([told[k] for k in ("enabled", "tracing", "traced", "refs", "namespaces", "streams")], [True, False, 0, 0, 1, 0])
        self.value("import gc\ngc.disable()")
        self.assertEqual(self.operate(INSPECT, "memory")["enabled"], False)

    def test_collecting(self):
        self.value("import gc\ngc.collect()\ngc.disable()\nfor _ in range(10):\n  l = []; l.append(l)\ndel l")
        self.assertGreaterEqual(self.operate(INSPECT, "collect", None)["collected"], 9)
        self.assertGreaterEqual(self.operate(INSPECT, "collect", 0)["collected"], 0)
        for generation in (3, -1, "x", True):
            self.assertEqual(self.refused(INSPECT, "collect", generation)[0], "invalid_argument")

    def test_tracemalloc(self):
        self.assertEqual(self.operate(INSPECT, "tracemalloc", True, 5), {"was_enabled": False})
        self.value("kept = bytes(1_000_000)")
        told = self.operate(INSPECT, "memory")
        self.assertTrue(told["tracing"])
        self.assertGreater(told["traced"], 1_000_000)
        self.assertGreaterEqual(told["traced_peak"], told["traced"])
        self.assertEqual(self.value("import tracemalloc\ntracemalloc.get_traceback_limit()"), 5)
        for frames in (65_536, -1, "x", None):
            self.assertEqual(self.refused(INSPECT, "tracemalloc", True, frames)[0], "invalid_argument")
        self.assertEqual(self.operate(INSPECT, "tracemalloc", False, 0), {"was_enabled": True})
        self.assertEqual(self.operate(INSPECT, "tracemalloc", False, 0), {"was_enabled": False})
        self.assertFalse(self.operate(INSPECT, "memory")["tracing"])

    def test_what_is_not_there(self):
        for operands in ((), ("nope",), ("memory", 1), ("collect",), (5,), ("tracemalloc", True)):
            self.assertEqual(self.refused(INSPECT, *operands)[0], "invalid_argument")
        self.assertEqual(self.w.operate(INSPECT, []).outcome, "error")


def load_tests(loader, tests, pattern):
    return on_every_python(loader, Inspect)


if __name__ == "__main__":
    unittest.main()
