# SPDX-License-Identifier: Apache-2.0
"""Values across the border, both ways, on a real worker: every kind, random ones, what has no form."""

import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import values_wire as vw  # noqa: E402
import wire  # noqa: E402
from cases import on_every_python  # noqa: E402
from value_cases import AS_ERROR, AS_REF, AS_REPR, SEED, ValuesTest, content_of, items_of, ref_of  # noqa: E402


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


def load_tests(loader, tests, pattern):
    return on_every_python(loader, RoundTrips, Constructions, Unserializable, CustomEncoders)


if __name__ == "__main__":
    unittest.main()
