# SPDX-License-Identifier: Apache-2.0
"""How source becomes what runs: returns, locations, syntax; and what is told of its errors."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

from cases import WorkerTest, on_every_python  # noqa: E402


class Sources(WorkerTest):
    def test_top_level_return(self):
        self.assertEqual(self.value("if True:\n  return 5\n7"), 5)
        self.assertEqual(self.value("if False:\n  return 5\n7"), 7)
        self.assertIsNone(self.value("return"))
        self.assertEqual(self.value("for i in range(9):\n  try:\n    if i == 3: return i\n  finally: done = i"), 3)
        self.assertEqual(self.value("(i, done)"), (3, 3))
        self.assertEqual(self.value("def f():\n  return 1\nf()"), 1)

    def test_return_binds_like_a_module(self):
        source = """
import os.path, json as j
from math import pi as p, e
a = b = 1
(c, [d, *f]) = 1, [2, 3]
g: int = 4
h: int
a += 1
for k in [1]: pass
with open(os.devnull) as l: pass
try: 1/0
except ZeroDivisionError as m: n = str(m)
def o(x=(q := 5)): return a + x
class r:
    def s(self): return a
match {"x": [1, 2, 3], "y": 2}:
    case {"x": [t, *u], **v}: pass
w = [y for y in range(3) if (z := y)]
lam = lambda: a
del b
return 1
"""
        self.assertEqual(self.value(source), 1)
        self.assertEqual(
            self.value("[os.sep, j.loads('1'), p > 3, e > 2, a, c, d, f, g, k, n, o(), q, r().s(), t, u, v, w, z, lam()]"),
            ["/", 1, True, True, 2, 1, 2, [3], 4, 1, "division by zero", 7, 5, 2, 1, [2, 3], {"y": 2}, [1, 2], 2, 2],
        )
        self.assertEqual(self.value("[n in globals() for n in ('b', 'm', 'y', 'x', 'h')]"), [False] * 5)
        self.assertEqual(self.value("[o.__qualname__, r.__qualname__, r.s.__qualname__, lam.__qualname__]"),
                         ["o", "r", "r.s", "<lambda>"])
        self.assertEqual(self.value("exec('made = 1'); locals() is globals() and return_ if False else 0\nif 1: return made"), 1)

    def test_return_is_still_wrong_elsewhere(self):
        told = self.error("x = 1\nclass A:\n  return 1\nif x: return 2")
        self.assertEqual((told.kind, told.syntax[1]), ("syntax", 3))
        self.assertEqual(self.error("yield 1").kind, "syntax")
        self.assertEqual(self.error("if 1: return 1\nyield 1").kind, "syntax")

    def test_future_reaches_the_last_expression(self):
        self.assertEqual(self.value("from __future__ import annotations\ndef f(x: nope): pass\nf.__annotations__"), {"x": "nope"})
        self.assertEqual(self.value("from __future__ import annotations\n(lambda: 1)()"), 1)
        self.assertEqual(
            self.value("from __future__ import annotations\ndef f(x: nope): pass\nif 1: return f.__annotations__"), {"x": "nope"})

    def test_true_locations(self):
        told = self.error("def f():\n    return 1 / 0\n\nf()", filename="job.py", first_line=11)
        self.assertEqual(told.frames, [("job.py", 14, "<module>", "f()"), ("job.py", 12, "f", "return 1 / 0")])
        self.assertIn('File "job.py", line 12, in f\n    return 1 / 0\n', told.traceback)
        self.assertNotIn("vivarium", told.traceback)
        told = self.error("x = 1\nif x:\n  1/0\n  return 3", filename="r.py", first_line=5)
        self.assertEqual(told.frames, [("r.py", 7, "<module>", "1/0")])

    def test_lines_of_an_older_cell_are_its_own(self):
        self.value("def f():\n    raise KeyError('old')")
        self.value("def g():\n    pass")
        self.assertEqual(self.error("f()").frames[-1][3], "raise KeyError('old')")
        self.assertRegex(self.error("f()").frames[0][0], r"^<cell [0-9a-f]{8}>$")

    def test_syntax_errors(self):
        told = self.error("x = 1\ny = (1,\n", filename="s.py", first_line=10)
        self.assertEqual((told.kind, told.type, told.syntax[0], told.syntax[1]), ("syntax", "SyntaxError", "s.py", 11))
        self.assertEqual(told.frames, [])
        self.assertIn('File "s.py", line 11', told.traceback)
        told = self.error("a = 1\ndef f():\n  nonlocal q", first_line=3)
        self.assertEqual((told.syntax[1], told.syntax[5].strip()), (5, "nonlocal q"))
        self.assertIn(self.error("\0").type, ("SyntaxError", "ValueError"))
        self.assertIn(self.error("(" * 1000 + ")" * 1000).kind, ("syntax", "memory"))
        self.assertEqual(self.error("  x").type, "IndentationError")

    def test_the_users_names_do_not_reach_our_machinery(self):
        self.value("import builtins, sys, linecache, traceback, ast\nfor n in ('compile', 'eval', 'isinstance', 'len', 'type', 'str', 'repr', 'print', 'sorted'):\n  globals()[n] = None")
        self.assertEqual(self.value("1+1"), 2)
        self.assertEqual(self.error("1/0").type, "ZeroDivisionError")

    def test_evicted_code_compiles_again(self):
        for i in range(1100):
            self.w.submit(f"{i}")
        for i in range(1100):
            self.assertEqual(self.w.wait(i + 1).value, i)
        self.assertEqual(self.value("0"), 0)
        self.assertLessEqual(self.value("import linecache\nlen([n for n in linecache.cache if n.startswith('<cell')])"), 1025)


class Errors(WorkerTest):
    def test_kinds(self):
        for source, kind in (("1/0", "python"), ("import nope", "import"), ("open('/nope')", "io"),
                             ("raise PermissionError(13, 'no')", "permission"), ("raise MemoryError", "memory"),
                             ("raise SyntaxError('x')", "syntax"), ("raise KeyboardInterrupt", "python")):
            self.assertEqual(self.error(source).kind, kind)

    def test_what_is_told(self):
        told = self.error("class E(ValueError): pass\nraise E('ä', 1)")
        self.assertEqual((told.type, told.module, told.message), ("E", "__main__", "('ä', 1)"))
        self.assertEqual(told.bases, ["ValueError", "Exception", "BaseException"])

    def test_chains(self):
        told = self.error("try:\n  1/0\nexcept Exception as e:\n  raise KeyError('k') from e")
        self.assertEqual((told.cause.type, told.context), ("ZeroDivisionError", None))
        self.assertEqual(told.cause.frames[0][1], 2)
        self.assertIn("direct cause", told.traceback)
        told = self.error("try:\n  1/0\nexcept Exception:\n  raise KeyError('k')")
        self.assertEqual((told.cause, told.context.type), (None, "ZeroDivisionError"))
        told = self.error("try:\n  1/0\nexcept Exception:\n  raise KeyError('k') from None")
        self.assertEqual((told.cause, told.context), (None, None))
        told = self.error("raise ExceptionGroup('g', [ValueError(1), ExceptionGroup('h', [KeyError(2)])])")
        self.assertEqual([e.type for e in told.group], ["ValueError", "ExceptionGroup"])
        self.assertEqual(told.group[1].group[0].type, "KeyError")
        told = self.error("a = ValueError(1); b = KeyError(2)\na.__cause__ = b; b.__cause__ = a\nraise a")
        self.assertEqual((told.type, told.cause.type), ("ValueError", "KeyError"))

    def test_long_chains_and_stacks_are_bounded(self):
        told = self.error("e = None\nfor i in range(5000):\n  n = ValueError(i); n.__cause__ = e; e = n\nraise e")
        self.assertEqual(told.type, "ValueError")
        told = self.error("def f(n): return f(n + 1)\nf(0)")
        self.assertEqual(told.type, "RecursionError")
        self.assertEqual(len(told.frames), 100)
        self.assertLess(len(told.traceback), 70_000)
        told = self.error("raise ValueError('x' * 10**7)")
        self.assertLess(len(told.message), 70_000)
        many = self.error("raise ExceptionGroup('g', [ValueError(i) for i in range(5000)])")
        self.assertLess(len(many.group), 100)

    def test_hostile_exceptions(self):
        self.assertEqual(self.error("class E(Exception):\n  def __str__(self): raise SystemExit\nraise E").type, "E")
        self.assertEqual(self.error("class E(Exception):\n  def __str__(self): return 5\nraise E").type, "E")
        self.assertEqual(self.error("class S(str):\n  def __len__(self): return 0\nclass E(Exception):\n  def __str__(self): return S('a')\nraise E").message, "a")
        self.assertEqual(self.error("raise ValueError('\\ud800')").message, "\\ud800")
        self.assertEqual(self.error("class M(type):\n  def __getattribute__(s, n): raise KeyError\nclass E(Exception, metaclass=M): pass\nraise E").type, "E")
        self.assertEqual(self.error("class E(Exception):\n  __cause__ = 5\n  __context__ = property(lambda s: 1/0)\nraise E").type, "E")
        self.assertEqual(self.error("class E(Exception): pass\nE.__module__ = 5\nE.__qualname__ = 'Q'\nraise E").type, "Q")
        self.assertEqual(self.error("raise SyntaxError('m', ('\\ud800', 'x', -5, None))").kind, "syntax")
        self.assertEqual(self.error("import traceback\ntraceback.TracebackException = None\n1/0").type, "ZeroDivisionError")
        self.assertEqual(self.error("class E(Exception):\n  def __getattribute__(s, n): raise KeyError\nraise E").type, "E")
        self.assertEqual(self.value("1+1"), 2)

    def test_frames_of_the_runtime_are_left_out(self):
        told = self.error("import vivarium\nclass A:\n  def __repr__(self): raise Q\nprint(A())")
        self.assertEqual(len(told.frames), 2)
        told = self.error("import asyncio\nawait asyncio.sleep(0)\n1/0")
        self.assertEqual([f[1:3] for f in told.frames], [(3, "<module>")])
        self.assertNotIn("vivarium", told.traceback)


def load_tests(loader, tests, pattern):
    return on_every_python(loader, Sources, Errors)


if __name__ == "__main__":
    unittest.main()
