# SPDX-License-Identifier: Apache-2.0
"""What a client can act upon in an error: codes, arguments, and the meaning of well-known messages."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import wire  # noqa: E402
from cases import WorkerTest, on_every_python  # noqa: E402


def numbers(packed):
    """The varints of a packed field."""
    found, number, shift = [], 0, 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            found.append(number)
            number = shift = 0
    return found


class Arguments(WorkerTest):
    def test_they_travel_typed(self):
        self.assertEqual(self.error("raise ValueError('a', 1, [None, 2.5], {'k': b'v'})").args, ["a", 1, [None, 2.5], {"k": b"v"}])
        self.assertEqual(self.error("raise ValueError").args, [])
        self.assertEqual(self.error("{}['missing']").args, ["missing"])
        self.assertEqual(self.error("open('/nope')").args, [2, "No such file or directory"])
        told = self.error("class E(Exception):\n  def __init__(self, a, b): super().__init__(a, b, 'own'); self.c = a\nraise E(1, 2)")
        self.assertEqual(told.args, [1, 2, "own"])

    def test_of_causes_and_groups(self):
        told = self.error("try:\n  raise KeyError('inner')\nexcept Exception as e:\n  raise ValueError('outer') from e")
        self.assertEqual((told.args, told.cause.args), (["outer"], ["inner"]))
        told = self.error("raise ExceptionGroup('g', [ValueError(1), KeyError(2)])")
        self.assertEqual([one.args for one in told.group], [[1], [2]])

    def test_objects_without_a_form_are_opaque(self):
        told = self.error("raise ValueError(object(), 1)")
        self.assertEqual((told.args[0].type_name, told.args[1]), ("object", 1))
        before = self.counts()
        told = self.error("raise ValueError(object())", unserializable=wire.AS_REF)
        self.assertEqual(told.args[0].type_name, "object")
        self.assertEqual(self.counts(), before)

    def test_the_custom_encoder_is_not_asked(self):
        self.value("import vivarium\nif hasattr(vivarium, 'set_encoder'): vivarium.set_encoder(lambda o: 1/0)")
        self.assertEqual(self.error("raise ValueError(object())").args[0].type_name, "object")

    def test_bounds(self):
        self.assertEqual(len(self.error("raise ValueError(*range(16))").args), 16)
        self.assertEqual(self.error("raise ValueError(*range(17))").args, [])
        self.assertEqual(len(self.error("raise ValueError(b'x' * 65_000)").args), 1)
        told = self.error("raise ValueError(b'x' * 66_000)")
        self.assertEqual((told.args, told.type), ([], "ValueError"))
        self.assertEqual(self.error("raise ValueError(*[b'x' * 10_000] * 8)").args, [])
        told = self.error("raise ExceptionGroup('g', [ValueError(b'x' * 40_000), ValueError(b'y' * 40_000), ValueError(1)])")
        self.assertEqual([len(one.args) for one in told.group], [1, 0, 1])
        deep = self.error("l = []\nfor _ in range(1000): l = [l]\nraise ValueError(l)")
        self.assertEqual((deep.type, deep.args), ("ValueError", []))
        self.error("l = []; l.append(l)\nraise ValueError(l)")

    def test_nesting_counts_from_the_outermost_error(self):
        told = self.error("l = 1\nfor _ in range(40): l = [l]\ne = None\nfor _ in range(10): n = ValueError(l); n.__cause__ = e; e = n\nraise e")
        self.assertEqual((len(told.args), told.cause.cause.cause.args), (1, []))
        told = self.error("l = 1\nfor _ in range(30): l = [l]\ne = None\nfor _ in range(10): n = ValueError(l); n.__cause__ = e; e = n\nraise e")
        self.assertEqual(len(told.cause.cause.cause.args), 1)

    def test_hostile_arguments(self):
        self.assertEqual(self.error("class A:\n  def __repr__(self): raise SystemExit\nraise ValueError(A())").type, "ValueError")
        self.assertEqual(self.error("class E(Exception):\n  args = property(lambda s: 1/0)\nraise E(1)").args, [1])
        self.assertEqual(self.error("class E(Exception):\n  def __getattribute__(s, n): raise KeyError\nraise E(1)").type, "E")
        number = self.w.submit("class A:\n  def __repr__(self):\n    print('go')\n    while True: str()\nraise KeyError(1, A())")
        self.w.wait_for_output(number, b"go\n")
        self.w.interrupt(number)
        self.assertEqual(self.w.wait(number).outcome, "error")
        self.assertEqual(self.value("1+1"), 2)


class Codes(WorkerTest):
    def test_failures_of_ours_are_no_exceptions(self):
        told = self.error("1", space=5)
        self.assertEqual((told.kind, told.code), ("not_found", "namespace_not_found"))
        self.assertEqual((told.type, told.module, told.bases, told.frames, told.traceback, told.args), ("", "", [], [], "", []))
        self.assertIn("namespace", told.message)

    def test_exceptions_have_none(self):
        self.assertEqual(self.error("1/0").code, "")

    def test_tenants_cannot_break_them(self):
        for made in ("OperationError(10, 'mine', 'text')", "OperationError('x', 5, 6)", "OperationError(99, 'c' * 9999, 'm')",
                     "type('E', (OperationError,), {})(7, 'c', 'm')"):
            told = self.error(f"from vivarium._errors import OperationError\nraise {made}")
            self.assertIn(told.kind, ("not_found", "python"), made)
            self.assertLessEqual(len(told.code), 64)
        told = self.error("try: 1/0\nexcept Exception as e: raise OperationError(10, 'mine', 'text') from e")
        self.assertEqual((told.code, told.cause.type), ("mine", "ZeroDivisionError"))


class Meanings(WorkerTest):
    def told(self, kind, message):
        error = self.error(f"raise {kind}({message!r})")
        self.assertEqual(error.message, message)
        return error.details

    def shapes(self, kind, message):
        what, fields = self.told(kind, message)
        self.assertEqual(what, "shape_mismatch")
        self.assertTrue(fields[4])
        return fields[1].decode(), numbers(fields[2]), numbers(fields[3])

    def memory(self, kind, message):
        what, fields = self.told(kind, message)
        self.assertEqual(what, "out_of_memory")
        return fields[1].decode(), fields[2], fields[3], fields[4]

    def types(self, kind, message):
        what, fields = self.told(kind, message)
        self.assertEqual(what, "dtype_mismatch")
        self.assertTrue(fields[3])
        return fields[1].decode(), fields[2].decode()

    def test_shapes_of_numpy(self):
        for message, shapes in (
            ("operands could not be broadcast together with shapes (2,3) (4,) ", ("broadcast", [2, 3], [4])),
            ("operands could not be broadcast together with remapped shapes [original->remapped]: (2,3)  and requested shape (4,)", None),
            ("shapes (2,3) and (4,5) not aligned: 3 (dim 1) != 4 (dim 0)", ("dot", [2, 3], [4, 5])),
            ("could not broadcast input array from shape (3,) into shape (2,)", ("assign", [3], [2])),
            ("cannot reshape array of size 6 into shape (4,2)", ("reshape", [6], [4, 2])),
            ("shape mismatch: objects cannot be broadcast to a single shape.  Mismatch is between arg 0 with shape (3,) and arg 1 with"
             " shape (4,).", ("broadcast", [3], [4])),
            ("matmul: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature (n?,k),(k,m?)->(n?,m?) (size 4 is"
             " different from 3)", ("matmul", [], [])),
            ("all the input array dimensions except for the concatenation axis must match exactly, but along dimension 1, the array at"
             " index 0 has size 3 and the array at index 1 has size 4", ("concatenate", [3], [4])),
        ):
            with self.subTest(message):
                if shapes is not None:
                    self.assertEqual(self.shapes("ValueError", message), shapes)
        _, fields = self.told("ValueError", "matmul: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature"
                              " (n?,k),(k,m?)->(n?,m?) (size 4 is different from 3)")
        self.assertIn("is 4 and has to be 3", fields[4].decode())

    def test_shapes_of_torch(self):
        for message, shapes in (
            ("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)", ("matmul", [2, 3], [4, 5])),
            ("The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 0", ("broadcast", [3], [4])),
            ("shape '[4, 2]' is invalid for input of size 6", ("reshape", [6], [4, 2])),
            ("Sizes of tensors must match except in dimension 1. Expected size 3 but got size 4 for tensor number 1 in the list.",
             ("concatenate", [3], [4])),
            ("Expected size for first two dimensions of batch2 tensor to be: [2, 3] but got: [2, 4].", ("matmul", [2, 3], [2, 4])),
        ):
            with self.subTest(message):
                self.assertEqual(self.shapes("RuntimeError", message), shapes)

    def test_memory(self):
        self.assertEqual(self.memory("MemoryError", "Unable to allocate 7.45 GiB for an array with shape (1000000000,) and data type float64"),
                         ("cpu", int(7.45 * 2**30), 0, 0))
        self.assertEqual(self.memory("RuntimeError", "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 8.00 GiB total capacity; 5.00 GiB"
                                     " already allocated; 1.5 GiB free; 6.00 GiB reserved in total by PyTorch)"),
                         ("cuda:0", 2 * 2**30, 3 * 2**29, 8 * 2**30))
        self.assertEqual(self.memory("RuntimeError", "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 1 has a total capacity of 8.00 GiB of"
                                     " which 512.00 MiB is free. Process 1 has 2.00 GiB memory in use."), ("cuda:1", 20 * 2**20, 2**29, 2**33))
        self.assertEqual(self.memory("RuntimeError", "[enforce fail at alloc_cpu.cpp:73] . DefaultCPUAllocator: can't allocate memory: you tried to"
                                     " allocate 8000000000 bytes. Error code 12 (Cannot allocate memory)"), ("cpu", 8_000_000_000, 0, 0))
        self.assertEqual(self.memory("RuntimeError", "CUDA out of memory."), ("cuda", 0, 0, 0))
        self.assertIsNone(self.told("MemoryError", "no more"))

    def test_types(self):
        for kind, message, types in (
            ("RuntimeError", "expected scalar type Float but found Double", ("float32", "float64")),
            ("RuntimeError", "Found dtype Double but expected Float", ("float32", "float64")),
            ("RuntimeError", "mat1 and mat2 must have the same dtype, but got Float and Half", ("float32", "float16")),
            ("RuntimeError", "Expected all tensors to have the same dtype, but got Long and Float", ("int64", "float32")),
            ("RuntimeError", "Input type (double) and bias type (float) should be the same", ("float32", "float64")),
            ("TypeError", "Cannot cast ufunc 'add' output from dtype('float64') to dtype('int64') with casting rule 'same_kind'", ("int64", "float64")),
            ("TypeError", "Cannot cast array data from dtype('float64') to dtype('int64') according to the rule 'safe'", ("int64", "float64")),
            ("TypeError", "ufunc 'add' did not contain a loop with signature matching types (dtype('<U1'), dtype('int64')) -> None", ("<U1", "int64")),
        ):
            with self.subTest(message):
                self.assertEqual(self.types(kind, message), types)

    def test_of_numpy_itself(self):
        if not self.has("numpy"):
            self.skipTest("no numpy here")
        self.value("import numpy\nones = numpy.ones")
        for source, shapes in (
            ("ones((2, 3)) + ones(4)", ("broadcast", [2, 3], [4])), ("ones((2, 3)).dot(ones((4, 5)))", ("dot", [2, 3], [4, 5])),
            ("ones(2)[:] = ones(3)", ("assign", [3], [2])), ("ones(6).reshape(4, 2)", ("reshape", [6], [4, 2])),
            ("numpy.broadcast_arrays(ones(3), ones(4))", ("broadcast", [3], [4])), ("ones((2, 3)) @ ones((4, 5))", ("matmul", [], [])),
            ("numpy.concatenate([ones((2, 3)), ones((2, 4))])", ("concatenate", [3], [4])),
        ):
            with self.subTest(source):
                what, fields = self.error(source).details
                self.assertEqual((what, fields[1].decode(), numbers(fields.get(2, b"")), numbers(fields.get(3, b""))), ("shape_mismatch", *shapes))
                self.assertTrue(fields[4])
        what, fields = self.error("ones((10**6, 10**6))").details
        self.assertEqual((what, fields[1]), ("out_of_memory", b"cpu"))
        self.assertAlmostEqual(fields[2] / 8e12, 1, 2)
        for source, types in (("a = ones(3, int)\na += 0.5", ("int64", "float64")), ("numpy.array(['a']) + ones(1, int)", ("<U1", "int64")),
                              ("ones(3).astype(int, casting='safe')", ("int64", "float64"))):
            with self.subTest(source):
                what, fields = self.error(source).details
                self.assertEqual((what, fields[1].decode(), fields[2].decode()), ("dtype_mismatch", *types))

    def test_ordinary_and_hostile_messages_mean_nothing(self):
        for kind, message in (("ValueError", "shapes"), ("KeyError", "cannot reshape array of size 6 into shape (4,2)"),
                              ("RuntimeError", "x" * 4097 + " CUDA out of memory"), ("ValueError", "shapes (" + "1," * 2000 + ")")):
            self.assertIsNone(self.error(f"raise {kind}({message!r})").details)
        for message in ("cannot reshape array of size 99999999999999999999999 into shape (1)", "cannot reshape array of size 9999999999999999999 into shape ()",
                        "shapes (" + "9, " * 100 + ") and (" + "," * 100 + ") not aligned", "CUDA out of memory. Tried to allocate 1.1.1 GiB (GPU 0",
                        "CUDA out of memory. Tried to allocate " + "9" * 32 + " EiB", "expected scalar type Ä but found \ud800"):
            self.assertEqual(self.error(f"raise ValueError({message!r})").type, "ValueError")
        self.value("import re\nre.compile = re.search = None")
        self.assertEqual(self.error("raise ValueError('cannot reshape array of size 6 into shape (4,2)')").type, "ValueError")

    def test_in_a_cause(self):
        told = self.error("try:\n  raise ValueError('cannot reshape array of size 6 into shape (4,2)')\nexcept Exception as e:\n  raise KeyError(1) from e")
        self.assertIsNone(told.details)
        self.assertEqual(told.cause.details[0], "shape_mismatch")


class Positions(WorkerTest):
    def test_of_syntax_errors(self):
        told = self.error("x = 1\ny = (1 2)\n", filename="s.py", first_line=10)
        self.assertEqual((told.kind, told.type, told.syntax[:3]), ("syntax", "SyntaxError", ("s.py", 11, 6)))
        self.assertEqual((told.syntax[3] >= 11, told.syntax[5].strip()), (True, "y = (1 2)"))
        told = self.error("compile('a b', 'inner.py', 'exec')", filename="outer.py", first_line=3)
        self.assertEqual((told.syntax[0], told.syntax[1], told.frames[-1][:2]), ("inner.py", 1, ("outer.py", 3)))

    def test_of_frames_in_the_callers_file(self):
        told = self.error("def f():\n    raise KeyError('k')\nf()", filename="/src/app.ex", first_line=40)
        self.assertEqual([f[:3] for f in told.frames], [("/src/app.ex", 42, "<module>"), ("/src/app.ex", 41, "f")])


def load_tests(loader, tests, pattern):
    return on_every_python(loader, Arguments, Codes, Meanings, Positions)


if __name__ == "__main__":
    unittest.main()
