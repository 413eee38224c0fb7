# SPDX-License-Identifier: Apache-2.0
"""Calls without source, operations on objects, refs and context managers, on the real module."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import wire  # noqa: E402
from cases import WorkerTest, on_every_python  # noqa: E402
from wire import AS_REF, LEAVE_CONTEXTS, MAKE_NAMESPACE, RELEASE, RELEASE_OWNER, SCRATCH  # noqa: E402

(CALL, GET, SET, DELETE, GET_ITEM, SET_ITEM, DELETE_ITEM, REPR, STR, LEN, ITER, CONTAINS, BOOL, HASH, DIR, TAKE, ENTER,
 EXIT) = range(1, 19)


class CallsTest(WorkerTest):
    def start(self, operation, target, name="", args=(), kwargs=None, **options):
        if isinstance(target, wire.Ref):
            target = ("value", target)
        return self.w.submit("", mode=wire.CALL, operands=[operation, target, name, list(args), kwargs or {}], **options)

    def do(self, *what, **options):
        return self.w.wait(self.start(*what, **options)).value

    def fails(self, *what, **options):
        ended = self.w.wait(self.start(*what, **options))
        self.assertEqual(ended.outcome, "error", what)
        return ended.error

    def variable(self, name):
        return ("variable", name)

    def ref(self, source, **options):
        made = self.value(source, unserializable=AS_REF, **options)
        self.assertIsInstance(made, wire.Ref)
        return made


class Calls(CallsTest):
    def test_modules(self):
        self.assertEqual(self.do(CALL, ("module", "math"), "sqrt", [9.0]), 3.0)
        self.assertEqual(self.do(CALL, ("module", "builtins"), "sorted", [[2, 1]], {"reverse": True}), [2, 1])
        self.assertEqual(self.do(CALL, ("module", "os.path"), "join", ["a", "b"]), "a/b")
        self.assertEqual(self.do(CALL, ("module", "os"), "path.join", ["a", "b"]), "a/b")
        self.assertEqual(self.do(GET, ("module", "math"), "pi.real.is_integer.__name__"), "is_integer")
        self.assertEqual(self.do(CALL, ("module", "xml.dom"), "getDOMImplementation.__name__.upper"), "GETDOMIMPLEMENTATION")

    def test_what_is_not_there_is_pythons_own_error(self):
        told = self.fails(CALL, ("module", "nope"), "f")
        self.assertEqual((told.kind, told.type, told.message), ("import", "ModuleNotFoundError", "No module named 'nope'"))
        self.assertEqual(told.frames, [])
        self.assertEqual(self.fails(CALL, ("module", "os.nope"), "f").type, "ModuleNotFoundError")
        self.assertEqual(self.fails(CALL, ("module", "math"), "nope").type, "AttributeError")
        told = self.fails(GET, self.variable("nope"))
        self.assertEqual((told.type, told.message), ("NameError", "name 'nope' is not defined"))
        self.assertEqual(self.fails(CALL, ("module", "math")).type, "TypeError")
        self.assertEqual(self.fails(CALL, ("module", ""), "f").type, "ValueError")
        self.assertEqual(self.fails(GET, self.variable("__doc__"), "a..b").type, "AttributeError")

    def test_variables_of_a_namespace(self):
        self.operate(MAKE_NAMESPACE, 1, [], {"x": [1]})
        self.value("x = [2]\ndef f(a, *, b): return a + b")
        self.assertEqual(self.do(CALL, self.variable("x"), "append", [5], space=1), None)
        self.assertEqual(self.value("x", space=1), [1, 5])
        self.assertEqual(self.value("x"), [2])
        self.assertEqual(self.do(CALL, self.variable("f"), "", [1], {"b": 2}), 3)
        self.assertEqual(self.fails(CALL, self.variable("f"), "", [1], {"b": 2}, space=7).code, "namespace_not_found")
        self.assertEqual(self.fails(GET, self.variable("x"), space=SCRATCH).type, "NameError")

    def test_what_is_raised_has_the_tenants_frames_only(self):
        self.value("def f(): return 1 / 0", filename="f.py")
        told = self.fails(CALL, self.variable("f"))
        self.assertEqual((told.type, [f[:3] for f in told.frames]), ("ZeroDivisionError", [("f.py", 1, "f")]))
        self.assertNotIn("vivarium", told.traceback)

    def test_operations(self):
        target = self.ref("class A:\n  z = 1\na = A()\na")
        self.assertIsNone(self.do(SET, target, "x", [5]))
        self.assertEqual(self.do(GET, target, "x"), 5)
        self.assertIsNone(self.do(SET, target, "x", [target]))
        self.assertIsNone(self.do(SET, target, "x.x.y", [6]))
        self.assertEqual(self.value("a.y"), 6)
        self.assertIsNone(self.do(DELETE, target, "x.y"))
        self.assertEqual(self.fails(GET, target, "y").type, "AttributeError")
        d = ("variable", "d")
        self.value("d = {'a': 1, (1, 2): 3}")
        self.assertEqual(self.do(GET_ITEM, d, "", [(1, 2)]), 3)
        self.assertIsNone(self.do(SET_ITEM, d, "", ["b", 7]))
        self.assertIsNone(self.do(DELETE_ITEM, d, "", ["a"]))
        self.assertEqual(self.fails(GET_ITEM, d, "", ["a"]).args, ["a"])
        self.assertEqual([self.do(CONTAINS, d, "", ["b"]), self.do(LEN, d), self.do(BOOL, d)], [True, 2, True])
        self.assertEqual(self.do(REPR, d), "{(1, 2): 3, 'b': 7}")
        self.assertEqual(self.do(STR, ("value", "x")), "x")
        self.assertEqual(self.do(HASH, ("value", 5)), 5)
        self.assertIn("append", self.do(DIR, ("value", [])))

    def test_iterators(self):
        iterator = self.do(ITER, ("value", [1, 2, 3]), unserializable=AS_REF)
        self.assertEqual(self.do(TAKE, iterator, "", [2]), [1, 2])
        self.assertEqual(self.do(TAKE, iterator, "", [0]), [])
        self.assertEqual(self.do(TAKE, iterator, "", [5]), [3])
        self.assertEqual(self.do(TAKE, iterator, "", [5]), [])
        self.assertEqual(self.fails(TAKE, ("value", [1]), "", [1]).type, "TypeError")
        self.assertEqual(self.fails(TAKE, iterator, "", [-1]).kind, "invalid_argument")
        self.assertEqual(self.fails(ITER, ("value", 5)).type, "TypeError")
        self.value("async def g():\n  for i in range(3): yield i\ng = g()")
        self.assertEqual(self.do(TAKE, self.variable("g"), "", [2]), [0, 1])
        self.assertEqual(self.do(TAKE, self.variable("g"), "", [2]), [2])
        self.value("class A:\n  def __aiter__(self): return g")
        self.assertEqual(self.do(ITER, ("variable", "g"), unserializable=AS_REF).type_name, "async_generator")

    def test_awaitables(self):
        self.value("import asyncio, types\nasync def f(x): await asyncio.sleep(0); print('in'); return x * 2\n"
                   "@types.coroutine\ndef old(): yield from asyncio.sleep(0).__await__(); return 'old'\n"
                   "async def bad(): await asyncio.sleep(0); raise KeyError('k')\ne = asyncio.Event()")
        ended = self.w.wait(self.start(CALL, self.variable("f"), "", [21]))
        self.assertEqual((ended.value, ended.stdout), (42, "in\n"))
        self.assertEqual(self.do(CALL, self.variable("old")), "old")
        self.assertEqual(self.fails(CALL, self.variable("bad")).type, "KeyError")
        waiting = self.start(CALL, self.variable("e"), "wait")
        self.assertEqual(self.value("1+1"), 2)
        self.assertIsNone(self.do(CALL, self.variable("e"), "set"))
        self.assertIs(self.w.wait(waiting).value, True)
        self.value("e.clear()")
        waiting = self.start(CALL, self.variable("e"), "wait")
        self.value("1")
        self.w.interrupt(waiting)
        self.assertTrue(self.w.wait(waiting).interrupted)

    def test_operands_that_make_no_sense(self):
        for operands in ([], [CALL], [99, ("value", 1), "", [], {}], [0, ("value", 1), "", [], {}], [CALL, ("other", 1), "", [], {}],
                         [SET, ("value", 1), "", [1], {}], [SET, ("value", 1), "x", [], {}], [LEN, ("value", []), "", [1], {}]):
            with self.subTest(operands):
                self.assertEqual(self.refused(wire.CALL, *operands), ("invalid_argument", "operands"))
        for operands in ([CALL, 5, "", [], {}], [CALL, ("value",), "", [], {}], [CALL, ("value", 1), 5, [], {}], [CALL, ("value", 1), "", 5, {}]):
            self.assertEqual(self.w.operate(wire.CALL, *operands).outcome, "error")
        self.assertEqual(self.w.run("", mode=wire.CALL, operands=5).error.kind, "invalid_argument")
        self.assertEqual(self.w.run("", mode=wire.CALL, operands=b"\xff").error.kind, "value")
        self.assertEqual(self.value("1+1"), 2)

    def test_hostile_objects(self):
        self.value("class A:\n  def __getattr__(self, n):\n    if n == 'spin':\n      print('go')\n      while True: str()\n    raise SystemExit(3) if n == 'exit' else KeyError(n)\n"
                   "  def __len__(self): return -1\n  def __hash__(self): return 'x'\n  def __repr__(self): return 5\n  __bool__ = __dir__ = __contains__ = None\na = A()")
        a = self.variable("a")
        self.assertEqual(self.fails(GET, a, "x.y").type, "KeyError")
        self.assertEqual(self.fails(CALL, a, "exit.now").message, "3")
        for operation, kind in ((LEN, "ValueError"), (HASH, "TypeError"), (REPR, "TypeError"), (BOOL, "TypeError"), (DIR, "TypeError")):
            self.assertEqual(self.fails(operation, a).type, kind)
        number = self.start(GET, a, "b.spin" if False else "spin")
        self.w.wait_for_output(number, b"go\n")
        self.w.interrupt(number)
        self.assertTrue(self.w.wait(number).interrupted)
        self.value("class M(type):\n  def __getattribute__(s, n): raise KeyError(n)\nclass B(metaclass=M):\n  def __call__(self): return self\nb = B()")
        self.assertEqual(self.fails(CALL, self.variable("b")).type, "KeyError")
        self.assertEqual(self.value("1+1"), 2)

    def test_module_that_tenants_replaced(self):
        self.value("import sys, builtins\nsys.modules['odd'] = 5\nsys.modules['none'] = None")
        self.assertEqual(self.do(GET, ("module", "odd"), "real"), 5)
        self.assertEqual(self.fails(GET, ("module", "none")).type, "ModuleNotFoundError")
        self.assertEqual(self.fails(GET, ("module", "none"), "x").kind, "import")


class Refs(CallsTest):
    def test_they_are_the_object(self):
        before = self.counts()
        a = self.ref("class A: pass\na = A()\na")
        self.assertEqual(self.value("r is a", operands={"r": a}), True)
        self.assertEqual(self.ref("a").id, a.id)
        self.assertEqual(self.counts()[0], before[0] + 1)
        self.assertEqual(self.operate(RELEASE, a.id, a.id, "ref_nope", ""), 1)
        self.assertEqual(self.operate(RELEASE), 0)
        self.assertEqual(self.fails(GET, a, "x").code, "ref_released")
        self.assertEqual(self.fails(GET, wire.Ref("ref_nope"), "x").code, "ref_unknown")
        self.assertEqual(self.counts(), before)
        self.assertEqual(self.refused(RELEASE, 5), ("invalid_argument", "operands"))

    def test_releasing_runs_what_the_object_does_at_its_end(self):
        a = self.ref("class A:\n  def __del__(self): print('gone'); 1/0\nA()")
        ended = self.w.operate(RELEASE, a.id)
        self.assertEqual((ended.value, ended.stdout), (1, "gone\n"))
        self.assertIn("ZeroDivisionError", ended.stderr)
        a = self.ref("class A:\n  def __del__(self):\n    print('go')\n    while True: str()\nA()")
        number = self.w.submit("", mode=RELEASE, operands=[a.id])
        self.w.wait_for_output(number, b"go\n")
        self.w.interrupt(number)
        self.w.wait(number)
        self.assertEqual(self.value("1+1"), 2)

    def test_owners(self):
        before = self.counts()
        mine, other = self.ref("object()", owner=7), self.ref("object()", owner=8)
        kept = self.ref("object()")
        self.assertEqual(self.operate(RELEASE_OWNER, 7), 1)
        self.assertEqual(self.operate(RELEASE_OWNER, 7), 0)
        self.assertEqual(self.fails(REPR, mine).code, "ref_released")
        self.do(REPR, other)
        self.do(REPR, kept)
        self.operate(RELEASE_OWNER, 8)
        self.operate(RELEASE, kept.id)
        self.assertEqual(self.counts(), before)
        self.assertEqual(self.refused(RELEASE_OWNER)[0], "invalid_argument")


class Contexts(CallsTest):
    SOURCE = """
import asyncio
log = []
class C:
    def __init__(self, name): self.name = name
    def __enter__(self): log.append('+' + self.name); return 'as ' + self.name
    def __exit__(self, *error): log.append('-' + self.name); return 'left'
class A:
    def __init__(self, name): self.name = name
    async def __aenter__(self): await asyncio.sleep(0); log.append('+' + self.name); return self.name
    async def __aexit__(self, *error): await asyncio.sleep(0); log.append('-' + self.name)
class Bad(C):
    def __exit__(self, *error): super().__exit__(); raise KeyError(self.name)
class Stuck(C):
    def __exit__(self, *error):
        super().__exit__()
        print('go')
        while True: str()
"""

    def setUp(self):
        super().setUp()
        self.value(self.SOURCE)

    def enter(self, source, **options):
        self.value(f"it = {source}")
        return self.do(ENTER, self.variable("it"), **options)

    def test_entering_and_leaving(self):
        self.assertEqual(self.enter("C('a')"), "as a")
        self.assertEqual(self.do(EXIT, self.variable("it")), "left")
        self.assertEqual(self.fails(EXIT, self.variable("it")).code, "not_entered")
        self.operate(LEAVE_CONTEXTS)
        self.assertEqual(self.value("log"), ["+a", "-a"])
        self.assertEqual(self.enter("A('b')"), "b")
        self.assertIsNone(self.do(EXIT, self.variable("it")))
        self.assertEqual(self.value("log[2:]"), ["+b", "-b"])
        self.assertEqual(self.fails(ENTER, ("value", 5)).type, "TypeError")

    def test_the_same_one_twice(self):
        self.enter("C('a')")
        self.do(ENTER, self.variable("it"))
        self.do(EXIT, self.variable("it"))
        self.operate(LEAVE_CONTEXTS)
        self.assertEqual(self.value("log"), ["+a", "+a", "-a", "-a"])

    def test_one_that_cannot_be_entered_is_not_left(self):
        self.value("class No(C):\n  def __enter__(self): raise KeyError('no')\nit = No('n')")
        self.assertEqual(self.fails(ENTER, self.variable("it")).type, "KeyError")
        self.operate(LEAVE_CONTEXTS)
        self.assertEqual(self.value("log"), [])

    def test_all_are_left_newest_first_whatever_one_does(self):
        self.enter("C('a')")
        self.enter("Bad('b')")
        self.enter("A('c')")
        self.enter("C('d')", owner=5)
        ended = self.w.operate(LEAVE_CONTEXTS)
        self.assertIsNone(ended.value)
        self.assertIn("KeyError: 'b'", ended.stderr)
        self.assertEqual(self.value("log[4:]"), ["-d", "-c", "-b", "-a"])
        self.operate(LEAVE_CONTEXTS)
        self.assertEqual(self.value("len(log)"), 8)

    def test_those_of_an_owner(self):
        self.enter("C('mine')", owner=5)
        self.enter("C('session')")
        self.enter("A('mine too')", owner=5)
        self.ref("object()", owner=5)
        self.assertEqual(self.operate(RELEASE_OWNER, 5), 1)
        self.assertEqual(self.value("log[3:]"), ["-mine too", "-mine"])
        self.operate(RELEASE_OWNER, 6)
        self.operate(LEAVE_CONTEXTS)
        self.assertEqual(self.value("log[5:]"), ["-session"])

    def test_an_interrupt_does_not_keep_others_from_being_left(self):
        for extra in ("", "A('async')"):
            self.value("log.clear()")
            if extra:
                self.enter(extra)
            self.enter("C('a')")
            self.enter("Stuck('s')")
            number = self.w.submit("", mode=LEAVE_CONTEXTS, operands=[])
            self.w.wait_for_output(number, b"go\n")
            self.w.interrupt(number)
            self.assertTrue(self.w.wait(number).interrupted)
            self.assertEqual(self.value("log[-1]"), "-async" if extra else "-a")


def load_tests(loader, tests, pattern):
    return on_every_python(loader, Calls, Refs, Contexts)


if __name__ == "__main__":
    unittest.main()
