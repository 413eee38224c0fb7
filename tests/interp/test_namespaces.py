# SPDX-License-Identifier: Apache-2.0
"""Namespaces, variables and settings of a session, on the real module."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import wire  # noqa: E402
from cases import WorkerTest, on_every_python  # noqa: E402
from wire import CONFIGURE, DROP_NAMESPACE, KEEP_INITIAL, MAKE_NAMESPACE, SCRATCH  # noqa: E402

OURS = {"__builtins__", "__name__"}


class Namespaces(WorkerTest):
    def make(self, number, sources=(), variables=None):
        self.assertIsNone(self.operate(MAKE_NAMESPACE, number, list(sources), variables))

    def names(self, number):
        return set(self.value("list(globals())", space=number)) - OURS

    def test_each_has_names_of_its_own(self):
        self.make(1)
        self.make(2)
        self.value("x = 'base'")
        self.value("x = 'one'\ndef f(): return x", space=1)
        self.assertEqual(self.value("x", space=1), "one")
        self.assertEqual(self.value("f()", space=1), "one")
        self.assertEqual(self.value("x"), "base")
        self.assertEqual(self.error("x", space=2).type, "NameError")
        self.assertEqual(self.value("__name__", space=2), "__main__")
        self.assertEqual(self.names(2), set())

    def test_code_is_compiled_once_for_all(self):
        self.make(1)
        self.value("import linecache\nx = 0\nx += 1")
        before = self.value("len(linecache.cache)")
        self.value("import linecache\nx = 0\nx += 1", space=1)
        self.assertEqual(self.value("len(linecache.cache)"), before)

    def test_await_return_and_functions_stay_in_theirs(self):
        self.make(1)
        self.value("import asyncio\nasync def f(): return x\nx = 5", space=1)
        self.assertEqual(self.value("await asyncio.sleep(0)\ny = await f()\ny", space=1), 5)
        self.assertEqual(self.value("if True:\n  z = 6\n  return z", space=1), 6)
        self.assertEqual(self.names(1), {"asyncio", "f", "x", "y", "z"})
        self.assertEqual(self.error("z").type, "NameError")

    def test_copies(self):
        self.value("a, b, c = 1, 2, [3]")
        self.make(1, [(0, None, None)])
        self.assertEqual(self.names(1), {"a", "b", "c"})
        self.make(2, [(0, ["a"], None)])
        self.assertEqual(self.names(2), {"a"})
        self.make(3, [(0, [], None)])
        self.assertEqual(self.names(3), set())
        self.make(4, [(0, None, ["a", "not there"])])
        self.assertEqual(self.names(4), {"b", "c"})
        self.value("a = 'two'; own = 1", space=2)
        self.make(5, [(0, None, None), (2, None, None)], {"b": "variable"})
        self.assertEqual(self.value("[a, b, c, own]", space=5), ["two", "variable", [3], 1])
        self.value("c.append(4)", space=5)
        self.assertEqual(self.value("c"), [3, 4])
        self.assertEqual(self.value("a"), 1)

    def test_what_cannot_be_copied(self):
        self.value("a = 1")
        before = self.counts()
        self.assertEqual(self.refused(MAKE_NAMESPACE, 1, [(0, ["a", "nope"], None)], None), ("not_found", "name_not_found"))
        self.assertEqual(self.refused(MAKE_NAMESPACE, 1, [(7, None, None)], None), ("not_found", "namespace_not_found"))
        for operands in ((1, [(0, ["a"], ["a"])], None), (1, [(0, "a", None)], None), (1, [(0, [1], None)], None), (1, [0], None),
                         (1, 5, None), (1, [], [1]), (1, [], {1: 2}), (0, [], None), (SCRATCH, [], None), (1, [])):
            with self.subTest(operands):
                self.assertEqual(self.refused(MAKE_NAMESPACE, *operands), ("invalid_argument", "operands"))
        self.assertEqual(self.counts(), before)
        self.make(1)
        self.assertEqual(self.refused(MAKE_NAMESPACE, 1, [], None)[0], "invalid_argument")

    def test_the_initial_state(self):
        self.value("early = [1]")
        self.make(1)
        self.assertEqual(self.names(1), set())
        self.operate(KEEP_INITIAL)
        self.value("late = 2; early.append(2)")
        self.make(2)
        self.assertEqual(self.value("early", space=2), [1, 2])
        self.assertEqual(self.names(2), {"early"})
        self.value("del early")
        self.make(3)
        self.assertEqual(self.names(3), {"early"})
        self.make(4, [(1, None, None)])
        self.assertEqual(self.names(4), set())

    def test_scratch(self):
        self.value("x = 1")
        self.operate(KEEP_INITIAL)
        before = self.counts()
        self.assertEqual(self.value("x += 1\ny = x\ny", space=SCRATCH), 2)
        self.assertEqual(self.names(SCRATCH), {"x"})
        self.assertEqual(self.value("import asyncio\nawait asyncio.sleep(0)\nz = x\nz", space=SCRATCH), 1)
        self.assertEqual(self.value("x"), 1)
        self.assertEqual(self.counts(), before)

    def test_what_goes_with_a_scratch_namespace_is_of_the_execution(self):
        ended = self.w.run("class A:\n  def __del__(self, print=print): print('gone')\na = A()\n1", space=SCRATCH)
        self.assertEqual((ended.value, ended.stdout), (1, "gone\n"))
        self.assertEqual(self.w.run("2").stdout, "")

    def test_dropping(self):
        before = self.counts()
        self.make(1)
        self.assertEqual(self.counts()[1], before[1] + 1)
        self.value("class A:\n  def __del__(self, print=print): print('gone')\na = A()", space=1)
        ended = self.w.operate(DROP_NAMESPACE, 1)
        self.assertEqual((ended.outcome, ended.stdout), ("value", "gone\n"))
        self.assertEqual(self.counts(), before)
        told = self.error("1", space=1)
        self.assertEqual((told.kind, told.code, told.type, told.traceback), ("not_found", "namespace_not_found", "", ""))
        self.assertIsNone(self.operate(DROP_NAMESPACE, 1))
        self.assertIsNone(self.operate(DROP_NAMESPACE, 12345))
        self.make(1)
        self.assertEqual(self.names(1), set())
        self.assertEqual(self.refused(DROP_NAMESPACE)[0], "invalid_argument")

    def test_the_base_one_cannot_be_dropped(self):
        self.value("x = 1")
        self.operate(DROP_NAMESPACE, 0)
        self.assertEqual(self.value("x"), 1)

    def test_a_drop_that_blocks_is_interrupted(self):
        self.make(1)
        self.value("class A:\n  def __del__(self, print=print):\n    print('go')\n    while True: str()\na = A()", space=1)
        number = self.w.submit("", mode=DROP_NAMESPACE, operands=[1])
        self.w.wait_for_output(number, b"go\n")
        self.w.interrupt(number)
        self.w.wait(number)  # It ends; what comes next is not hit by an interrupt that was not for it.
        self.assertEqual(self.value("1+1"), 2)

    def test_functions_outlive_their_namespace(self):
        self.make(1)
        self.value("x = 3\ndef f(): return x\nimport sys\nsys.kept = f", space=1)
        self.operate(DROP_NAMESPACE, 1)
        self.assertEqual(self.value("import sys\nsys.kept()"), 3)

    def test_hostile_names(self):
        self.value("class K(str):\n  armed = False\n  def __hash__(self): return hash('b')\n  def __eq__(self, o):\n"
                   "    if K.armed: g.clear(); raise KeyError('eq')\n    return False\n"
                   "g = globals()\ng[K('k')] = 2\nb = 1\ng[(1, 2)] = 3\nK.armed = True")
        ended = self.w.operate(MAKE_NAMESPACE, 1, [(0, ["b"], None)], None)
        self.assertIn(ended.outcome, ("value", "error"))
        self.w.operate(MAKE_NAMESPACE, 2, [(0, None, ["b"]), (0, None, None)], {"b": 1})
        self.assertEqual(self.value("1+1"), 2)

    def test_many_are_small(self):
        self.value("import tracemalloc\ntracemalloc.start()")
        before = self.value("tracemalloc.get_traced_memory()[0]")
        for number in range(1, 1001):
            self.make(number)
        self.assertLess(self.value("tracemalloc.get_traced_memory()[0]") - before, 1000 * 1800)
        self.assertEqual(self.counts()[1], 1001)
        for number in range(1, 1001):
            self.operate(DROP_NAMESPACE, number)
        self.assertEqual(self.counts()[1], 1)


class Variables(WorkerTest):
    def test_they_are_bound_and_stay(self):
        self.assertEqual(self.value("x * y", operands={"x": 6, "y": 7}), 42)
        self.assertEqual(self.value("[x, y]"), [6, 7])
        self.assertEqual(self.value("x", operands={"x": "new"}), "new")
        self.assertEqual(self.value("import asyncio\nawait asyncio.sleep(0)\nx", operands={"x": 5}), 5)
        self.assertEqual(self.value("x", operands={"x": 1}, space=SCRATCH), 1)
        self.assertEqual(self.value("x"), 5)

    def test_what_is_refused_binds_nothing(self):
        for operands in ({"good": 1, 5: 2}, [1], 5):
            told = self.error("1", operands=operands)
            self.assertEqual((told.kind, told.type), ("invalid_argument", ""))
        self.assertEqual(self.error("good").type, "NameError")
        self.assertEqual(self.error("def f(:", operands={"good": 1}).kind, "syntax")
        self.assertEqual(self.error("good").type, "NameError")
        self.assertEqual(self.error("1", operands=b"\xff\xff").kind, "value")
        self.assertEqual(self.error("1", operands={"r": wire.Ref("ref_nope")}).code, "ref_unknown")
        self.assertEqual(self.value("1+1"), 2)

    def test_a_name_may_be_anything(self):
        self.assertEqual(self.value("globals()['not a name']", operands={"not a name": 1}), 1)
        self.assertEqual(self.value("globals()['']", operands={"": 2}), 2)


class Settings(WorkerTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cwd = os.path.realpath(folder.name)
        super().setUp()

    def test_working_directory(self):
        self.assertIsNone(self.operate(CONFIGURE, {"cwd": "a/b"}))
        self.assertEqual(self.value("import os\nos.getcwd()"), os.path.join(self.cwd, "a/b"))
        self.operate(CONFIGURE, {"cwd": "c"})
        self.assertEqual(self.value("os.getcwd()"), os.path.join(self.cwd, "c"))
        self.operate(CONFIGURE, {"cwd": self.cwd + "/d"})
        self.assertEqual(self.value("os.getcwd()"), os.path.join(self.cwd, "d"))
        self.operate(CONFIGURE, {"cwd": "."})
        self.assertEqual(self.value("os.getcwd()"), self.cwd)

    def test_it_stays_inside(self):
        os.symlink("/", os.path.join(self.cwd, "out"))
        for path in ("..", "a/../..", "a/..", "/", "/tmp", self.cwd + "x", self.cwd + "/..", "out/tmp", "a\0b", 5):
            with self.subTest(path):
                self.assertEqual(self.refused(CONFIGURE, {"cwd": path, "env": {"SET": "1"}}), ("invalid_argument", "cwd"))
        self.assertEqual(self.value("import os\n[os.getcwd(), 'SET' in os.environ]"), [self.cwd, False])
        self.assertEqual(os.listdir(self.cwd), ["out"])

    def test_a_file_in_the_way(self):
        open(os.path.join(self.cwd, "file"), "w").close()
        self.assertEqual(self.refused(CONFIGURE, {"cwd": "file/b"})[0], "io")

    def test_environment_variables(self):
        self.operate(CONFIGURE, {"env": {"A_B": "ä=b", "TZ": "UTC"}})
        self.assertEqual(self.value("import os, subprocess\nsubprocess.run(['printenv', 'A_B'], capture_output=True).stdout.decode()"), "ä=b\n")
        for env in ({"": "x"}, {"a=b": "x"}, {"a\0": "x"}, {"a": "\0"}, {"a": 5}, {5: "a"}):
            with self.subTest(env):
                self.assertEqual(self.refused(CONFIGURE, {"env": {"GOOD": "1", **env}})[0], "invalid_argument")
        self.assertEqual(self.value("'GOOD' in os.environ"), False)

    def test_bounds_of_refs(self):
        self.operate(CONFIGURE, {"max_refs": 2, "ref_ttl_ms": 0})
        refs = [self.value("object()", unserializable=wire.AS_REF) for _ in range(3)]
        self.assertEqual(self.counts()[0], 2)
        self.assertEqual(self.error("r", operands={"r": refs[0]}).code, "ref_evicted")
        self.assertEqual(self.value("r is not None", operands={"r": refs[2]}), True)
        self.operate(CONFIGURE, {"ref_ttl_ms": 10**9})
        self.value("object()", unserializable=wire.AS_REF)
        self.assertEqual(self.counts()[0], 2)
        for settings in ({"max_refs": 0}, {"max_refs": "5"}, {"ref_ttl_ms": 2**63}, {"ref_ttl_ms": True}, {"other": 1}):
            self.assertEqual(self.refused(CONFIGURE, settings)[0], "invalid_argument")
        self.assertEqual(self.refused(CONFIGURE)[0], "invalid_argument")


def load_tests(loader, tests, pattern):
    return on_every_python(loader, Namespaces, Variables, Settings)


if __name__ == "__main__":
    unittest.main()
