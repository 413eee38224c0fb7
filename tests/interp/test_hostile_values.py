# SPDX-License-Identifier: Apache-2.0
"""Objects that lie and values that are none, on a real worker."""

import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import values_wire as vw  # noqa: E402
import wire  # noqa: E402
from cases import on_every_python  # noqa: E402
from value_cases import AS_ERROR, AS_REF, AS_REPR, SEED, ValuesTest, content_of, items_of  # noqa: E402
from worker import Worker  # noqa: E402


HOSTILE = {
    "repr raises": "def __repr__(self): raise SystemExit(3)",
    "repr is no str": "def __repr__(self): return 7",
    "repr is huge": "def __repr__(self): return 'x' * 10**7",
    "repr recurses": "def __repr__(self): return repr(self)",
    "repr has surrogates": "def __repr__(self): return '\\ud800' * 3",
    "len lies": "def __len__(self): return 2**62",
    "len is negative": "def __len__(self): return -1",
    "len raises": "def __len__(self): raise KeyError",
    "len is no int": "def __len__(self): return 'many'",
    "class lies": "__class__ = property(lambda self: int)",
    "class raises": "__class__ = property(lambda self: 1 / 0)",
    "attributes loop": "def __getattr__(self, name): return self",
    "attributes raise": "def __getattribute__(self, name): raise KeyboardInterrupt",
    "iterates for ever": "def __iter__(self): return iter(int, 1)",
    "is odd": "def __eq__(self, other): raise ValueError\n  def __hash__(self): return 1 / 0",
}


class Hostile(ValuesTest):
    def test_objects_do_no_harm(self):
        for name, body in HOSTILE.items():
            for mode in (AS_REF, AS_REPR):
                made = self.run_ok(f"class A:\n  {body}\n[A()]", unserializable=mode)
                self.assertLess(len(made), 50_000, name)
                content_of(items_of(made)[0], 26 if mode == AS_REF else 30)
            self.assertEqual(self.error("[A()]", unserializable=AS_ERROR).code, "unserializable", name)
        self.assertEqual(self.run_ok("1 + 1"), vw.encode(2))

    def test_a_loop_is_interrupted(self):
        for body in ("def __repr__(self):\n    print('now', flush=True)\n    while True: pass",
                     "def __len__(self):\n    print('now', flush=True)\n    while True: pass"):
            number = self.w.submit(f"class A:\n  {body}\nA()", unserializable=AS_REF)
            self.w.wait_for_output(number, b"now")
            self.w.interrupt(number)
            self.assertTrue(self.w.wait(number).interrupted)
        self.assertEqual(self.run_ok("1 + 1"), vw.encode(2))

    def test_containers_that_change_meanwhile(self):
        changes = "class A:\n  def __repr__(self): {}; return 'A'\nl = [A(), A(), 3]; d = {{1: A(), 2: A()}}\n"
        for change, result in (("l.clear()", "l"), ("l.append(A())", "l[:2], l"), ("l[:] = [l] * 3", "l")):
            self.run_ok(changes.format(change) + f"[{result}][0][:1]")
            self.w.run(changes.format("len(l) < 50 and " + change if "append" in change else change) + "l")
        self.assertEqual(self.error(changes.format("d.clear()") + "d").type, "RuntimeError")
        self.run_ok(changes.format("d.update({2: 5})") + "d")
        self.assertEqual(self.run_ok("1 + 1"), vw.encode(2))

    def test_typed_objects_that_lie(self):
        for source in (
            "import datetime as m\nclass D(m.date):\n  year = property(lambda s: 10**9)\nD(2026, 1, 1)",
            "import decimal\nclass D(decimal.Decimal):\n  def __str__(self): return '\\ud800'\nD(1)",
            "import uuid\nclass U(uuid.UUID):\n  bytes = property(lambda s: b'')\nU(int=5)",
        ):
            self.assertNotEqual(next(wire.fields(self.run_ok(source)))[0], 30, source)
        zone = "import datetime as m\nclass Z(m.tzinfo):\n  def utcoffset(self, at): {}\nm.datetime(1, 1, 1, tzinfo=Z())"
        for body in ("raise KeyError", "return 5", "return m.timedelta(days=2)"):
            content_of(self.run_ok(zone.format(body)), 30)
        content_of(self.run_ok(zone.format("return None")), 15)
        fake = "import sys, types\nsys.modules['{0}'] = types.SimpleNamespace({1}={2})\nobject()"
        for fakery in (("uuid", "UUID", "object"), ("decimal", "Decimal", "7"), ("numpy", "ndarray", "object")):
            w = Worker(self.python)
            self.addCleanup(w.kill)
            self.assertEqual(w.run(fake.format(*fakery)).outcome, "value", fakery)
        content_of(self.run_ok("import vivarium\nvivarium.Term.__new__(vivarium.Term)"), 30)
        content_of(self.run_ok("vivarium.DistinctSymbol.__new__(vivarium.DistinctSymbol)"), 30)

    def test_helpers_cannot_be_replaced(self):
        gone = "import vivarium._values as m\nfor n in list(vars(m)):\n  if n[0] != '_': setattr(m, n, None)\nm.NATIVE"
        self.run_ok(gone)
        value = vw.encode([vw.Maker(1).moment(), vw.Term("t", b"d"), vw.Symbol("s")])
        self.assertEqual(self.send(value), value)

    def test_random_bytes_are_refused_or_read(self):
        rng = random.Random(SEED)
        maker = vw.Maker(SEED)
        for turn in range(3000):
            if turn % 3 == 0:
                encoded = rng.randbytes(rng.randrange(40))
            else:  # Something true with a few bytes changed.
                encoded = bytearray(vw.encode(maker.value()))
                for _ in range(rng.randrange(1, 4)):
                    if encoded:
                        encoded[rng.randrange(len(encoded))] = rng.randrange(256)
            whole = bytes(encoded) if turn % 2 else vw.variables(v=bytes(encoded))
            ended = self.w.run("1", operands=whole or b"\x08")
            self.assertIn(ended.outcome, ("value", "error"), (turn, whole.hex()))
        self.assertEqual(self.run_ok("1 + 1"), vw.encode(2))

    def test_depth_of_what_comes_is_bounded(self):
        def nested(depth):
            value = vw.encode(1)
            for _ in range(depth):
                value = vw.field(8, vw.field(1, value))
            return value
        self.send(nested(43), "1")
        self.assertEqual(self.refuse(nested(60)).code, "decode")
        self.assertEqual(self.refuse(nested(5_000)).code, "decode")

    def test_what_cannot_be_hashed(self):
        for encoded in (vw.field(11, vw.field(1, vw.encode([]))), vw.field(12, vw.field(1, vw.encode({}))),
                        vw.field(10, vw.field(1, vw.field(1, vw.encode([])) + vw.field(2, vw.encode(1))))):
            told = self.refuse(encoded)
            self.assertEqual((told.kind, told.code), ("value", "decode"))
            self.assertIn("unhashable", told.message)


def load_tests(loader, tests, pattern):
    return on_every_python(loader, Hostile)


if __name__ == "__main__":
    unittest.main()
