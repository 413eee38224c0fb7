# SPDX-License-Identifier: Apache-2.0
"""Objects that stay in the session under an id."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import values_wire as vw  # noqa: E402
import wire  # noqa: E402
from cases import on_every_python  # noqa: E402
from value_cases import AS_REF, ValuesTest, items_of, ref_of  # noqa: E402
from worker import Worker  # noqa: E402


class Refs(ValuesTest):
    def keep(self, source, **options):
        return ref_of(self.run_ok(source, unserializable=AS_REF, **options))

    def release(self, *ids):
        return self.w.operate(6, *ids).value

    def test_a_ref_is_its_object(self):
        ref = self.keep("class A:\n  def __len__(self): return 5\n  def __repr__(self): return 'x' * 600\na = A()\na")
        self.assertEqual((ref.type_name, ref.repr, ref.length), ("__main__.A", "x" * 500, 5))
        self.assertRegex(ref.id, "^ref_[a-z2-7]{26}$")
        self.is_true(vw.encode(ref), "v is a")
        self.assertEqual(self.keep("a").id, ref.id)
        self.assertIsNone(self.keep("object()").length)

    def test_stale_ids_are_told_apart(self):
        ref = self.keep("object()")
        self.assertEqual(self.release(ref.id), 1)
        self.assertEqual(self.release(ref.id), 0)
        self.assertEqual(self.refuse(vw.encode(ref)).code, "ref_released")
        other = Worker(self.python)
        self.addCleanup(other.kill)
        foreign = ref_of(other.run("object()", unserializable=AS_REF).content)
        told = self.refuse(vw.encode(foreign))
        self.assertEqual((told.kind, told.code), ("not_found", "ref_of_other_session"))
        for id in ("", "ref_", "ref_x", "ref_" + "a" * 26, ref.id[:-1], "\x00" * 5000):
            self.assertIn(self.refuse(vw.encode(wire.Ref(id))).code, ("ref_unknown", "ref_of_other_session"))

    def test_the_least_used_go_when_there_are_too_many(self):
        self.w.operate(8, {"max_refs": 3})
        refs = [self.keep(f"o{i} = object(); o{i}") for i in range(3)]
        self.is_true(vw.encode(refs[0]), "v is o0")
        self.keep("object()")
        self.assertEqual(self.refuse(vw.encode(refs[1])).code, "ref_evicted")
        self.is_true(vw.encode(refs[0]), "v is o0")

    def test_unused_ones_expire(self):
        self.w.operate(8, {"ref_ttl_ms": 1})
        ref = self.keep("import time\nstarted = time.monotonic()\nobject()")
        self.run_ok("while time.monotonic() < started + 0.1: pass\n1")
        self.assertEqual(self.refuse(vw.encode(ref)).code, "ref_expired")
        self.w.operate(8, {"ref_ttl_ms": 3_600_000})
        self.is_true(vw.encode(self.keep("o = object(); o")), "v is o")

    def test_owners(self):
        refs = self.run_ok("a, b = object(), object(); [a, b]", unserializable=AS_REF, owner=7)
        a, b = map(ref_of, items_of(refs))
        self.keep("a")
        self.w.operate(7, 7)
        self.is_true(vw.encode(a), "v is a")
        self.assertEqual(self.refuse(vw.encode(b)).code, "ref_released")

    def test_objects_that_come_back_when_they_go(self):
        """A destructor that returns to the table while it lets go."""
        source = ("class A:\n  def __del__(self):\n    seen.append(1)\n    kept.append(self)\nseen, kept = [], []\nA()")
        ref = self.keep(source)
        self.assertEqual(self.release(ref.id), 1)
        self.assertEqual(self.run_ok("len(seen)"), vw.encode(1))
        self.keep("kept[0]")
        self.w.operate(8, {"max_refs": 1})
        self.keep("class B:\n  def __del__(self): 1 / 0\nB()")
        self.keep("object()")
        self.assertEqual(self.run_ok("1 + 1"), vw.encode(2))

    def test_a_hundred_thousand(self):
        refs = items_of(self.run_ok("all = [object() for _ in range(100_000)]; all", unserializable=AS_REF))
        self.assertEqual(len({ref_of(ref).id for ref in refs}), 100_000)
        self.is_true(refs[0], "v is all[0]")
        self.keep("object()")  # One more.
        self.assertEqual(self.refuse(refs[1]).code, "ref_evicted")
        self.is_true(refs[99_999], "v is all[-1]")


def load_tests(loader, tests, pattern):
    return on_every_python(loader, Refs)


if __name__ == "__main__":
    unittest.main()
