# SPDX-License-Identifier: Apache-2.0
"""Values across the border, both ways, on a real worker: every kind, random ones, hostile ones."""

import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import values_wire as vw  # noqa: E402
import wire  # noqa: E402
from cases import DEBIAN, PYTHONS, on_every_python  # noqa: E402
from worker import Worker  # noqa: E402

SEED = int(os.environ.get("VIVARIUM_SEED", "20261120"))
AS_ERROR, AS_REF, AS_REPR = 1, 2, 3


def content_of(body, number):
    """The content of a Value of the kind `number`."""
    ((found, _, content),) = wire.fields(body)
    assert found == number, (found, number)
    return content


def items_of(body, number=8):
    return [content for _, _, content in wire.fields(content_of(body, number))]


def ref_of(body):
    told = wire.record(content_of(body, 26))
    return wire.Ref(told[1].decode(), told[2].decode(), told[3].decode(), told.get(4))


class ValuesTest(unittest.TestCase):
    python = PYTHONS[0]

    def setUp(self):
        self.w = Worker(self.python)
        self.addCleanup(self.w.kill)

    def needs_numpy(self):
        """Debian's interpreter has it, and runs what needs it."""
        if not self.has_numpy():
            self.skipTest("this interpreter has no numpy")

    def has_numpy(self):
        found = self.run_ok("import importlib.util\nimportlib.util.find_spec('numpy') is not None") == vw.encode(True)
        self.assertTrue(found or self.python != DEBIAN)
        return found

    def run_ok(self, source, **options):
        ended = self.w.run(source, **options)
        self.assertEqual(ended.outcome, "value", f"{source!r}: {ended.error!r}")
        return ended.content

    def error(self, source, **options):
        ended = self.w.run(source, **options)
        self.assertEqual(ended.outcome, "error", source)
        return ended.error

    def send(self, encoded, source="v", **options):
        return self.run_ok(source, operands=vw.variables(v=encoded), **options)

    def refuse(self, encoded, **options):
        return self.error("v", operands=vw.variables(v=encoded), **options)

    def is_true(self, encoded, source, **options):
        self.assertEqual(self.send(encoded, source, **options), vw.encode(True), source)


class RoundTrips(ValuesTest):
    def test_random_values_come_back_bit_for_bit(self):
        arrays = self.has_numpy()
        for batch in range(50):
            maker = vw.Maker(f"{SEED} {batch}", arrays)
            values = [maker.value() for _ in range(50)]
            sent = [vw.encode(value) for value in values]
            whole = vw.field(8, b"".join(vw.field(1, one) for one in sent))
            back = self.send(whole)
            for value, one, other in zip(values, sent, items_of(back), strict=True):
                self.assertEqual(one.hex(), other.hex(), f"seed {SEED} batch {batch}: {value!r}")
            self.assertEqual(self.send(back), whole)  # Python, wire, Python, wire.

    def test_every_kind_has_its_type(self):
        maker = vw.Maker(SEED)
        kinds = {"complex": 1 + 2j, "bytearray": bytearray(b"x"), "frozenset": frozenset({1}), "set": {1},
                 "datetime.datetime": maker.moment(), "datetime.date": maker.date(), "datetime.time": maker.time(None),
                 "datetime.timedelta": maker.delta(), "decimal.Decimal": maker.number(),
                 "vivarium.Symbol": vw.Symbol("a"), "vivarium.Term": vw.Term("pid", b"x")}
        for name, value in kinds.items():
            module = name.rpartition(".")[0] or "builtins"
            self.is_true(vw.encode(value), f"import {module}\ntype(v) is {module}.{name.rpartition('.')[2]}")

    def test_what_python_makes_equals_what_came(self):
        equal = "import vivarium\nv == vivarium.Term('t', b'd') != vivarium.Term('t', b'')"
        self.is_true(vw.encode(vw.Term("t", b"d")), equal)
        self.is_true(vw.encode(vw.Symbol("a")), "v == 'a' and {v: 1}['a'] == 1")
        source = "import vivarium as m\nv == m.DistinctSymbol('a') and v != 'a' and type(v) is m.DistinctSymbol"
        self.is_true(vw.encode(vw.Symbol("a")), source, symbol_as=2)
        self.assertEqual(self.send(vw.encode(vw.Symbol("a")), symbol_as=2), vw.encode(vw.Symbol("a")))
        self.is_true(vw.encode(vw.Symbol("a")), "type(v) is str", symbol_as=3)
        self.is_true(vw.encode(b"a"), "v == 'a'", blob_as=2)
        self.is_true(vw.encode(b"a"), "type(v) is bytearray", blob_as=3)
        self.is_true(vw.encode({1}), "type(v) is frozenset", set_as=2)
        self.assertEqual(self.refuse(vw.encode(b"\xff"), blob_as=2).code, "decode")

    def test_the_last_of_equal_keys_wins(self):
        entries = b"".join(vw.field(1, vw.field(1, vw.encode(k)) + vw.field(2, vw.encode(v)))
                           for k, v in ((1, "a"), (2, "b"), (True, "c")))
        self.assertEqual(self.send(vw.field(10, entries)), vw.encode({1: "c", 2: "b"}))

    def test_subclasses_go_as_what_they_are(self):
        for source, value in (
            ("import enum\nclass E(enum.IntEnum): A = 3\nE.A", 3),
            ("class B(bytearray): pass\nB(b'x')", bytearray(b"x")),
            ("class F(frozenset):\n  def __iter__(self): return iter(int, 1)\nF([1])", frozenset({1})),
            ("class C(complex): pass\nC(1)", 1 + 0j),
            ("memoryview(b'abcdef')[::2]", b"ace"),
            ("import array\nmemoryview(array.array('h', [1]))", b"\1\0"),
        ):
            self.assertEqual(self.run_ok(source), vw.encode(value), source)

    def test_zones_that_cannot_be_found_are_fixed(self):
        def clock(name, offset_us=3_600_000_000):
            zone = vw.varint(8) + vw.varint(vw.zigzag(offset_us)) + vw.field(2, name)
            return vw.field(17, vw.field(6, zone))
        for name in (b"Nowhere/Nothing", b"../etc/passwd", b"\x00", "é".encode()):
            self.is_true(clock(name), "str(v) == '00:00:00+01:00'")
        self.is_true(clock(b"Europe/Lisbon"), "v.tzinfo.key == 'Europe/Lisbon'")

    def test_numpy_and_pandas(self):
        self.needs_numpy()
        lines = {
            "np.float64(1.5)": vw.encode(1.5), "np.int32(7)": vw.encode(7), "np.bool_(True)": vw.encode(True),
            "np.str_('a')": vw.encode("a"), "np.complex64(1)": vw.encode(1 + 0j), "np.float16(2)": vw.encode(2.0),
            "np.datetime64(1, 's')": vw.encode(vw.Array("<M8[s]", (), (1).to_bytes(8, "little"))),
            "np.arange(6, dtype='i2').reshape(2, 3).T": vw.encode(
                vw.Array("<i2", (3, 2), b"".join(n.to_bytes(2, "little") for n in (0, 3, 1, 4, 2, 5)))),
            "np.array(5, dtype='>u4')": vw.encode(vw.Array(">u4", (), b"\0\0\0\5")),
            "np.array(['ab', 'c'])": vw.encode(vw.Array("<U2", (2,), "abc\0".encode("utf-32-le"))),
            "np.zeros((2, 0))": vw.encode(vw.Array("<f8", (2, 0), b"")),
            "np.broadcast_to(np.int8(1), (3,))": vw.encode(vw.Array("|i1", (3,), b"\1\1\1")),
            "np.matrix([[1]], dtype='i1')": vw.encode(vw.Array("|i1", (1, 1), b"\1")),
        }
        for source, encoded in lines.items():
            self.assertEqual(self.run_ok(f"import numpy as np\n{source}"), encoded, source)
        for source in ("np.array([object()])", "np.zeros(2, dtype='i4,f8')", "np.ma.array([1], mask=[True])",
                       "np.zeros(2, 'V3')"):
            content_of(self.run_ok(f"import numpy as np\n{source}"), 30)
        encoded = vw.encode(vw.Array("<f8", (2,), bytes(16)))
        self.is_true(encoded, "v[0] = 3; v.flags.writeable and v.shape == (2,) and v.dtype == 'f8'")
        content_of(self.run_ok("import pandas as pd\npd.Timestamp('2026-01-02')"), 15)
        content_of(self.run_ok("pd.NaT"), 30)

    def test_arrays_that_are_wrong_are_refused(self):
        for array in (vw.Array("O", (1,), bytes(8)), vw.Array("<f8", (2,), bytes(15)), vw.Array("<f8", (2**62, 4), b""),
                      vw.Array("<f8", (1,) * 65, bytes(8)), vw.Array("i4,f8", (1,), bytes(12)), vw.Array("", (), b"")):
            self.assertEqual(self.refuse(vw.encode(array)).code, "decode", array)
        hidden = "import sys\nsys.modules['numpy'] = None\nsys.modules.pop('numpy.random', None)"
        self.w.run(hidden)
        refused = self.refuse(vw.encode(vw.Array("<f8", (), bytes(8))))
        self.assertEqual((refused.code, "numpy" in refused.message), ("decode", True))

    def test_big_ones(self):
        self.needs_numpy()
        size = 16 << 20
        data = random.Random(SEED).randbytes(size)
        self.assertEqual(self.send(vw.encode(data)), vw.encode(data))
        array = vw.encode(vw.Array("<f8", (size // 8,), data))
        self.assertEqual(self.send(array), array)
        self.assertEqual(self.error("v", max_result=size).kind, "limit")
        self.assertEqual(self.error("import numpy as np\nnp.broadcast_to(1.0, (10**12,))").kind, "limit")
        self.assertEqual(self.error("memoryview(bytes(2000))", max_result=1000).kind, "limit")


class Constructions(ValuesTest):
    def test_objects_are_made(self):
        self.assertEqual(self.send(vw.construct("", "sorted", [3, 1, 2], reverse=True)), vw.encode([3, 2, 1]))
        self.assertEqual(self.send(vw.construct("collections", "OrderedDict.fromkeys", [1])), vw.encode({1: None}))
        inner = vw.field(8, vw.field(1, vw.construct("fractions", "Fraction", 1, 2)))
        self.is_true(inner, "v[0] + v[0] == 1")

    def test_errors_are_pythons_own(self):
        self.assertEqual(self.refuse(vw.construct("no_such_module", "f")).type, "ModuleNotFoundError")
        self.assertEqual(self.refuse(vw.construct("", "no_such_name")).type, "AttributeError")
        self.assertEqual(self.refuse(vw.construct("", "int", "x")).type, "ValueError")
        self.assertEqual(self.refuse(vw.construct("", "")).code, "decode")


class Unserializable(ValuesTest):
    def test_errors_name_the_way(self):
        told = self.error("{'a': [1, 2, (3, object())]}", unserializable=AS_ERROR)
        self.assertEqual((told.kind, told.code), ("value", "unserializable"))
        self.assertIn("result['a'][2][1] is a object", told.message)
        self.assertEqual((told.type, told.frames), ("", []))
        self.assertIn("result{...}", self.error("{object}", unserializable=AS_ERROR).message)
        self.assertIn("result.keys()", self.error("{object: 1}", unserializable=AS_ERROR).message)
        self.assertIn("result[5]", self.error("{5: object}", unserializable=AS_ERROR).message)
        self.assertIn("result[...]", self.error("{'x' * 99: object}", unserializable=AS_ERROR).message)
        self.assertIn("result is a str", self.error("'\\ud800'", unserializable=AS_ERROR).message)

    def test_only_the_leaf_is_replaced(self):
        back = self.run_ok("o = object()\n[1, {'k': o}, (o,)]", unserializable=AS_REF)
        one, mapping, pair = items_of(back)
        self.assertEqual(one, vw.encode(1))
        entry = wire.record(items_of(mapping, 10)[0])
        self.assertEqual(ref_of(entry[2]).id, ref_of(items_of(pair, 9)[0]).id)

    def test_cycles(self):
        cycles = "l = [1]; l.append(l); d = {}; d['k'] = (d,); [l, d]"
        self.assertEqual(self.error(cycles, unserializable=AS_ERROR).code, "cycle")
        self.assertIn("result[0][1]", self.error(cycles, unserializable=AS_ERROR).message)
        first, second = items_of(self.run_ok(cycles, unserializable=AS_REF))
        self.assertEqual(ref_of(items_of(first)[1]).type_name, "list")
        ref = ref_of(items_of(first)[1])
        self.is_true(vw.encode(ref), "v is l")
        content_of(items_of(self.run_ok(cycles, unserializable=AS_REPR))[0], 8)
        self.assertEqual(self.run_ok("s = [1]; [s, s]"), vw.encode([[1], [1]]))  # No cycle.

    def test_depth_is_bounded(self):
        for mode in (AS_ERROR, AS_REF, AS_REPR):
            self.assertEqual(self.error("l = []\nfor _ in range(10**6): l = [l]\nl", unserializable=mode).kind, "limit")
            self.run_ok("l = 1\nfor _ in range(40): l = [l]\nl", unserializable=mode)
        self.run_ok("del l")
        deep = "import datetime as m\nl = m.datetime.now(m.timezone.utc)\nfor _ in range(27): l = {1: l}\nl"
        self.assertEqual(self.send(self.run_ok(deep)), self.run_ok("l"))

    def test_parts_are_counted_as_the_daemon_counts_them(self):
        self.needs_numpy()
        arrays = "import numpy\n[numpy.zeros((1,) * 30)] * {}"  # Each dimension counts.
        self.run_ok(arrays.format(1000))
        self.assertEqual(self.error(arrays.format(125_000)).kind, "limit")

    def test_symbols_are_bounded(self):
        many = "import vivarium\n[vivarium.Symbol(i) for i in range({0}, {1})]"
        self.run_ok(many.format(0, 9_999))
        self.run_ok("vivarium.DistinctSymbol('9999')")
        self.run_ok(many.format(0, 10_000))
        self.assertEqual(self.error("vivarium.Symbol('one more')").code, "symbol_limit")
        self.run_ok(many.format(5, 10))


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


class CustomEncoders(ValuesTest):
    def encode_with(self, body, result="A()", **options):
        source = f"import vivarium\nclass A: pass\ncalls = []\ndef encode(o):\n  calls.append(o)\n  {body}\n"
        return self.w.run(source + f"vivarium.set_custom_encoder(encode)\n{result}", **options)

    def test_they_give_a_form(self):
        self.assertEqual(self.encode_with("return {'a': 1}", "[A(), 5, 'x', b'', {1}]").content,
                         vw.encode([{"a": 1}, 5, "x", b"", {1}]))
        self.assertEqual(self.run_ok("len(calls)"), vw.encode(1))
        self.run_ok("vivarium.set_custom_encoder(None) is encode")
        content_of(self.run_ok("A()"), 30)

    def test_they_are_not_asked_twice(self):
        for body in ("return o", "return [o]", "return {1: o}", "return A()", "return [A()]"):
            ended = self.encode_with(body, unserializable=AS_REPR)
            self.assertEqual(ended.outcome, "value", body)
            self.assertEqual(self.run_ok("len(calls) <= 50"), vw.encode(True), body)
        self.assertEqual(self.encode_with("return o", unserializable=AS_ERROR).error.code, "unserializable")

    def test_what_they_raise_is_the_error(self):
        told = self.encode_with("raise LookupError('no')").error
        self.assertEqual((told.type, told.message), ("LookupError", "no"))
        self.assertEqual(self.encode_with("raise SystemExit(3)").error.type, "SystemExit")
        self.assertEqual(self.encode_with("1", "vivarium.set_custom_encoder(5)").error.type, "TypeError")


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
    return on_every_python(
        loader, RoundTrips, Constructions, Unserializable, Hostile, CustomEncoders, Refs)


if __name__ == "__main__":
    unittest.main()
