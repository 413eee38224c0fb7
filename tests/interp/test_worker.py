# SPDX-License-Identifier: Apache-2.0
"""What a worker promises its daemon, on the real module in a real interpreter. No sleeps: tests wait
for frames, and a test that would wait for ever is ended by ctest's time limit."""

import math
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import wire  # noqa: E402
from cases import WorkerTest, on_every_python  # noqa: E402

FIZZBUZZ = """
for i in range(1, 101):
    print("FizzBuzz" if i % 15 == 0 else "Fizz" if i % 3 == 0 else "Buzz" if i % 5 == 0 else i)
"""


class Results(WorkerTest):
    def test_greets_with_its_protocol_and_version(self):
        self.assertEqual(self.w.hello[1], 1)
        self.assertRegex(self.w.hello[2].decode(), r"^3\.\d+")

    def test_the_last_expression_is_the_result(self):
        self.assertEqual(self.value("1+1"), 2)
        self.assertEqual(self.value("x = 3\nx * 2"), 6)
        self.assertIsNone(self.value("x = 3"))
        self.assertIsNone(self.value(""))
        self.assertIsNone(self.value("# nothing"))
        self.assertEqual(self.value("'text'"), "text")
        self.assertIsNone(self.value("for i in range(3): i"))

    def test_fizzbuzz(self):
        ended = self.w.run(FIZZBUZZ)
        self.assertEqual(ended.outcome, "value")
        lines = ended.stdout.split("\n")
        self.assertEqual((lines[0], lines[2], lines[14], lines[99], len(lines)), ("1", "Fizz", "FizzBuzz", "Buzz", 101))

    def test_state_is_kept(self):
        self.value("def f(): return g() + 1\ndef g(): return 41")
        self.assertEqual(self.value("f()"), 42)
        self.error("y = 5; 1/0")
        self.assertEqual(self.value("y"), 5)

    def test_the_namespace_is_that_of_main(self):
        self.assertEqual(self.value("__name__"), "__main__")
        self.assertEqual(self.value("class A: pass\nimport pickle\ntype(pickle.loads(pickle.dumps(A()))) is A"), True)
        self.assertEqual(self.value("import sys\nsys.modules['__main__'].__dict__ is globals()"), True)
        self.assertEqual(
            self.value("sorted(n for n in globals() if n not in ('A', 'pickle', 'sys'))"),
            ["__builtins__", "__doc__", "__loader__", "__name__", "__package__", "__spec__"],
        )
        self.assertEqual(self.value("def f(): pass\nclass C: pass\n[f.__module__, f.__qualname__, C.__qualname__]"),
                         ["__main__", "f", "C"])

    def test_every_kind_of_value(self):
        for text in ("None", "True", "False", "0", "-1", "2**63-1", "-2**63", "2**63", "-2**63-1", "2**64", "-2**71",
                     "-2**71-1", "10**4000", "-(10**4000)", "1.5", "-0.0", "'ä€😀\\0'", "b'\\x00\\xff'", "[]", "()",
                     "(1,)", "{}", "set()", "{1: {2: [3, (4,)]}}", "{(1, 2): 'a', None: 1.0}", "{1, 'a'}"):
            with self.subTest(text):
                mine, theirs = eval(text), self.value(text)
                self.assertEqual((type(theirs), theirs), (type(mine), mine))
        self.assertEqual(str(self.value("-0.0")), "-0.0")
        self.assertTrue(math.isnan(self.value("float('nan')")))
        self.assertEqual(self.value("float('-inf')"), -math.inf)
        self.assertEqual(list(self.value("{'b': 1, 'a': 2}")), ["b", "a"])

    def test_subclasses_travel_as_their_base(self):
        self.assertEqual(self.value("class L(list):\n  def __iter__(self): raise 1\nL([1])"), [1])
        self.assertEqual(self.value("class S(str): pass\nS('a')"), "a")
        self.assertEqual(self.value("import enum\nclass E(enum.IntEnum): a = 7\nE.a"), 7)
        self.assertEqual(self.value("import collections\ncollections.OrderedDict(a=1)"), {"a": 1})
        self.assertEqual(self.value("class I(int):\n  to_bytes = bit_length = None\nI(2**70)"), 2**70)
        self.assertEqual(self.value("class T(set):\n  def __iter__(self): return iter(int, 1)\nT({1})"), {1})

    def test_other_objects_are_opaque(self):
        told = self.value("import types\ntypes.SimpleNamespace(a=1)")
        self.assertEqual((told.type_name, told.text), ("types.SimpleNamespace", "namespace(a=1)"))
        self.assertEqual(self.value("'\\ud800'").type_name, "str")
        self.assertEqual(self.value("class A:\n  class B:\n    pass\nA.B()").type_name, "__main__.A.B")
        self.assertEqual(self.value("[object]")[0].text, "<class 'object'>")

    def test_hostile_objects(self):
        self.assertIn("repr fails", self.value("class A:\n  def __repr__(self): raise SystemExit(3)\nA()").text)
        self.assertIn("repr fails", self.value("class A:\n  def __repr__(self): return 3\nA()").text)
        self.assertEqual(len(self.value("class A:\n  def __repr__(self): return 'x' * 10**7\nA()").text), 4096)
        self.assertIn("repr fails", self.value("class A:\n  def __repr__(self): return repr(self)\nA()").text)
        grows = "class A:\n  def __repr__(self): l.append(A()); return 'a'\nl = [A()]\n"
        self.assertEqual(self.error(grows + "l", max_result=100_000).kind, "limit")
        shrinks = "class A:\n  def __repr__(self): l.clear(); return 'a'\nl = [A(), 1, 2]\nl"
        self.assertEqual(len(self.value(shrinks)), 1)
        changes = "class A:\n  def __repr__(self): d.clear(); return 'a'\nd = {1: A(), 2: 3}\nd"
        self.assertEqual(self.error(changes).type, "RuntimeError")
        meta = "class M(type):\n  def __getattribute__(self, n): raise KeyError(n)\nclass A(metaclass=M): pass\nA()"
        self.assertEqual(self.value(meta).type_name, "A")
        self.assertEqual(self.value("class A:\n  def __getattr__(self, n): return lambda *a: 1\nA()").type_name, "__main__.A")
        self.assertEqual(self.value("1+1"), 2)

    def test_limits_of_a_result(self):
        deep = self.error("l = []\nfor _ in range(60): l = [l]\nl")
        self.assertEqual((deep.kind, deep.type), ("limit", ""))
        self.assertEqual(self.value("l = []; l.append(l); l")[0].text, "[[...]]")
        self.assertEqual(self.value("d = {}; d[1] = d; d")[1].text, "{1: {...}}")
        self.assertIsInstance(self.value("l = 1\nfor _ in range(40): l = [l]\nl"), list)
        large = self.error("'x' * 2000", max_result=1000)
        self.assertIn("max_result_bytes", large.message)
        self.assertEqual(self.error("['x'] * 2000", max_result=1000).kind, "limit")
        self.assertEqual(self.error("2**100000", max_result=1000).kind, "limit")
        self.assertEqual(self.error("'x' * 2000", max_result=1000, form=wire.REPR).kind, "limit")
        self.assertEqual(self.error("'x' * (70 << 20)", max_result=2**32 - 1).kind, "limit")
        self.assertEqual(self.error("[None] * 3_000_000").kind, "limit")
        self.assertEqual(len(self.value("'x' * 5_000_000")), 5_000_000)

    def test_forms(self):
        ended = self.w.run("[1, 'a']", form=wire.REPR)
        self.assertEqual((ended.outcome, ended.content), ("repr", b"[1, 'a']"))
        self.assertEqual(self.w.run("None", form=wire.REPR).content, b"")
        ended = self.w.run("1", form=wire.NONE)
        self.assertEqual((ended.outcome, ended.content), ("nothing", b""))
        self.assertEqual(self.error("class A:\n  def __repr__(self): raise KeyError('k')\nA()", form=wire.REPR).type, "KeyError")
        self.assertEqual(self.w.run("'\\ud800'", form=wire.REPR).content, b"'\\ud800'")

    def test_compiling_only(self):
        ended = self.w.run("print(1); x = 1", mode=2)
        self.assertEqual((ended.outcome, ended.events), ("nothing", []))
        self.assertEqual(self.error("x").type, "NameError")
        self.assertEqual(self.error("def f(:", mode=2).kind, "syntax")

    def test_exit_is_an_ordinary_end(self):
        for source in ("exit()", "exit(0)", "quit()", "import sys; sys.exit()", "raise SystemExit"):
            self.assertIsNone(self.value(source))
        told = self.error("exit(3)")
        self.assertEqual((told.kind, told.type, told.message), ("python", "SystemExit", "3"))
        self.assertEqual(self.value("1+1"), 2)

    def test_expired_work_is_not_started(self):
        ended = self.w.run("print(1)", start_before_us=1)
        self.assertEqual((ended.outcome, ended.events), ("expired", []))
        later = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 + 3_600_000_000
        self.assertEqual(self.value("2", start_before_us=later), 2)

    def test_thousands_of_pipelined_requests(self):
        import threading

        frames = [self.w.request(f"n = {i}\nn + 1" if i % 7 == 0 else "1+1") for i in range(5000)]
        sender = threading.Thread(target=self.w.send, args=frames)
        sender.start()
        for i in range(5000):
            self.assertEqual(self.w.wait(i + 1).value, i + 1 if i % 7 == 0 else 2)
        sender.join()

    def test_leaves_when_its_requests_end(self):
        self.value("import threading\nthreading.Thread(target=threading.Event().wait).start()")
        self.assertEqual(self.w.close(), 0)

    def test_a_forked_child_stays_off_the_channel(self):
        source = "import os\npid = os.fork()\nif pid == 0:\n  print('child')\nelse:\n  os.waitpid(pid, 0)\nprint('end') if pid else None\n7"
        ended = self.w.run(source)
        self.assertEqual((ended.value, ended.stdout), (7, "child\nend\n"))
        self.assertEqual(self.value("1+1"), 2)

    def test_multiprocessing(self):
        source = "import multiprocessing as m\ndef f(x): return x * x\nwith m.get_context('fork').Pool(2) as p: r = p.map(f, [1, 2, 3])\nr"
        self.assertEqual(self.value(source), [1, 4, 9])


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


class Output(WorkerTest):
    def test_order_and_streams(self):
        ended = self.w.run("import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c', end='')\nsys.stderr.write('d')\nsys.stdout.write('e')")
        self.assertEqual(ended.events, [(False, b"a\n"), (True, b"b\n"), (False, b"c"), (True, b"d"), (False, b"e")])
        self.assertEqual((ended.value, ended.output_bytes), (1, 7))

    def test_streams_are_ordinary_text_streams(self):
        source = """
import sys, io
o = sys.stdout
o.writelines(['a', 'b\\n']); o.buffer.write(b'c\\n'); o.flush(); o.reconfigure(encoding='utf-8')
print('\\ud800')
[o.encoding, o.errors, o.isatty(), o.fileno(), o.writable(), o.closed, o.name, isinstance(o, io.TextIOBase), sys.stderr.fileno()]"""
        ended = self.w.run(source)
        self.assertEqual(ended.value, ["utf-8", "backslashreplace", False, 1, True, False, "<stdout>", True, 2])
        self.assertEqual(ended.stdout, "ab\nc\n\\ud800\n")
        self.assertEqual(self.error("import sys\nsys.stdout.write(5)").message, "write() argument must be str, not int")
        self.value("sys.stdout.close()")
        self.assertEqual(self.w.run("print(1)").stdout, "1\n")

    def test_lines_are_live(self):
        number = self.w.submit("print('one')\nimport threading\nthreading.Event().wait()")
        self.w.wait_for_output(number, b"one\n")
        self.w.interrupt(number)
        self.assertTrue(self.w.wait(number).interrupted)

    def test_flush_is_live(self):
        number = self.w.submit("print('...', end='', flush=True)\nimport threading\nthreading.Event().wait()")
        self.w.wait_for_output(number, b"...")
        self.w.interrupt(number)
        self.w.wait(number)

    def test_descriptors(self):
        ended = self.w.run("import os, subprocess\nprint('a')\nos.write(1, b'b\\n')\nprint('c')\nsubprocess.run(['echo', 'd'])\nprint('e')\nos.write(2, b'f')\nos.write(1, b'g')")
        self.assertEqual((ended.stdout, ended.stderr), ("a\nb\nc\nd\ne\ng", "f"))
        ended = self.w.run("import ctypes\nctypes.CDLL(None).printf(b'from C\\n')")
        self.assertEqual(ended.stdout, "from C\n")
        ended = self.w.run("os.write(1, 'ä'.encode() * 100_000)", max_output=1 << 20)
        self.assertEqual(ended.stdout, "ä" * 100_000)
        self.assertEqual(self.w.run("os.write(1, b'again')").stdout, "again")

    def test_a_redirected_descriptor_is_not_ours(self):
        source = "import os, tempfile\nf = tempfile.TemporaryFile()\nf.write(b'mine' * 50_000); f.flush()\nkept = os.dup(1)\nos.dup2(f.fileno(), 1)\nprint('x')"
        self.value(source)
        self.assertEqual(self.value("os.dup2(kept, 1)\nf.seek(0)\nlen(f.read())"), 200_000)

    def test_the_limit(self):
        ended = self.w.run("print('x' * 100)\nimport sys\nprint('y' * 100, file=sys.stderr)", max_output=150)
        self.assertEqual((len(ended.stdout), len(ended.stderr), ended.output_bytes, ended.truncated), (101, 49, 202, True))
        ended = self.w.run("print('ä' * 100)", max_output=11)
        self.assertEqual(ended.stdout, "ä" * 5)
        ended = self.w.run("for _ in range(300): print('z' * 10_000)")
        self.assertEqual((len(ended.stdout), ended.output_bytes), (1 << 20, 3_000_300))
        ended = self.w.run("import os\nos.truncate(1, 1 << 40)", max_output=1000)
        self.assertEqual((len(ended.stdout), ended.truncated, ended.output_bytes), (1000, True, 1 << 40))
        self.assertEqual(self.w.run("print(1)").stdout, "1\n")

    def test_what_is_written_between_executions_is_kept(self):
        self.value("import threading\ngo, done = threading.Event(), threading.Event()\ndef f():\n  go.wait(); import sys\n  for i in range(3): print('late', i)\n  done.set()\nt = threading.Thread(target=f); t.start()")
        self.value("import atexit, os\nr, w = os.pipe()\ndef g():\n  os.read(r, 1); print('x' * 100_000); os.write(fd2, b'.')\nr2, fd2 = os.pipe()\nthreading.Thread(target=g).start()")
        ended = self.w.run("go.set(); t.join()\nprint('now')")
        self.assertEqual(ended.stdout, "late 0\nlate 1\nlate 2\nnow\n")
        self.value("os.write(w, b'.')\nos.read(r2, 1)")

    def test_input_has_nothing(self):
        self.assertEqual(self.error("input()").type, "EOFError")
        self.assertEqual(self.value("import sys\nsys.stdin.read()"), "")


class Async(WorkerTest):
    def test_top_level_await(self):
        self.assertEqual(self.value("import asyncio\nawait asyncio.sleep(0, 'x')"), "x")
        self.assertEqual(self.value("async def f(): return 4\ny = await f()\ny + 1"), 5)
        self.assertEqual(self.value("async def g():\n  yield 1\n  yield 2\n[i async for i in g()]"), [1, 2])
        self.assertEqual(self.value("async for i in g():\n  if i == 2: return i"), 2)
        self.assertEqual(self.value("if await f() == 4:\n  return 'r'\n1"), "r")
        self.assertEqual(self.error("await f()\nraise KeyError(1)").type, "KeyError")
        self.assertEqual(self.value("y"), 4)

    def test_sync_sessions_do_not_import_asyncio(self):
        self.value("print(1)")
        self.assertEqual(self.value("import sys\n'asyncio' in sys.modules"), False)

    def test_executions_interleave(self):
        self.value("import asyncio\ne = asyncio.Event()")
        first = self.w.submit("print('first')\nawait e.wait()\nprint('first again')\n'first'")
        second = self.w.submit("print('second')\nawait asyncio.sleep(0)\nprint('second again')\n'second'")
        ended = self.w.wait(second)
        self.assertEqual((ended.value, ended.stdout), ("second", "second\nsecond again\n"))
        self.assertEqual(self.w.run("print('sync')\ne.set()").stdout, "sync\n")
        ended = self.w.wait(first)
        self.assertEqual((ended.value, ended.stdout), ("first", "first\nfirst again\n"))

    def test_background_tasks_go_on(self):
        self.value("import asyncio\ne = asyncio.Event()\nasync def f():\n  await asyncio.sleep(0); e.set(); return 9\nt = asyncio.create_task(f())\nawait asyncio.sleep(0)")
        self.value("import threading\n1+1")
        self.assertEqual(self.value("await e.wait()\nt.result()"), 9)

    def test_synchronous_code_runs_outside_the_loop(self):
        waiting = self.w.submit("import asyncio\ne = asyncio.Event()\nawait e.wait()")
        self.assertEqual(self.value("async def f(): return 3\nasyncio.run(f())"), 3)
        self.value("e.set()")
        self.w.wait(waiting)

    def test_exit_and_cancellation(self):
        self.assertIsNone(self.value("import asyncio\nawait asyncio.sleep(0)\nexit()"))
        self.assertEqual(self.error("await asyncio.sleep(0)\nexit(4)").message, "4")
        self.assertEqual(self.error("raise asyncio.CancelledError").type, "CancelledError")
        self.assertEqual(self.value("await asyncio.sleep(0, 5)"), 5)

    def test_a_loop_that_was_closed_is_replaced(self):
        self.value("import asyncio\nl = asyncio.get_running_loop() if False else None\nawait asyncio.sleep(0)")
        self.value("asyncio.get_event_loop().close()")
        self.assertEqual(self.value("await asyncio.sleep(0, 6)"), 6)


class Interrupts(WorkerTest):
    WAIT = "import threading\nprint('go')\nthreading.Event().wait()"

    def interrupted(self, source):
        number = self.w.submit(source)
        self.w.wait_for_output(number, b"go\n")
        self.w.interrupt(number)
        ended = self.w.wait(number)
        self.assertTrue(ended.interrupted)
        self.assertEqual(self.value("1+1"), 2)
        return ended

    def test_what_cpython_drops_is_raised_again(self):
        destructor = "class A:\n  def __del__(self):\n    print('go')\n    while True: str()\na = A()\ndel a\nwhile True: str()"
        callback = ("import weakref\nclass A: pass\ndef on_end(_):\n  print('go')\n  while True: str()\n"
                    "a = A()\nr = weakref.ref(a, on_end)\ndel a\nwhile True: str()")
        for source in (destructor, callback):
            self.interrupted(source)

    def test_what_blocks_is_interrupted(self):
        for source in ("print('go')\nwhile True: str()", "import time\nprint('go')\ntime.sleep(1000)", self.WAIT,
                       "import subprocess\nprint('go')\nsubprocess.run(['sleep', '1000'])",
                       "import asyncio\nprint('go')\nawait asyncio.sleep(1000)",
                       "import asyncio\nawait asyncio.sleep(0)\nprint('go')\nwhile True: str()",
                       "import asyncio\nasync def f():\n  print('go')\n  while True: str()\nawait asyncio.create_task(f())",
                       "class A:\n  def __repr__(self):\n    print('go')\n    while True: str()\nA()",
                       "class E(Exception):\n  def __str__(self):\n    print('go')\n    while True: str()\nraise E"):
            with self.subTest(source):
                self.interrupted(source)

    def test_the_error_and_cleaning_up(self):
        told = self.interrupted("def spin():\n  print('go')\n  while True: str()\n"
                                "try:\n  spin()\nfinally:\n  done = True").error
        self.assertEqual((told.type, told.module), ("Interrupted", "vivarium"))
        self.assertEqual(self.value("done"), True)
        self.assertEqual(self.interrupted("import asyncio\nprint('go')\nawait asyncio.sleep(1000)").error.type, "Interrupted")

    def test_code_that_catches_it_ends_by_itself(self):
        number = self.w.submit("import vivarium\ndef spin():\n  print('go')\n  while True: str()\n"
                               "try:\n  spin()\nexcept vivarium.Interrupted: pass\n7")
        self.w.wait_for_output(number, b"go\n")
        self.w.interrupt(number)
        ended = self.w.wait(number)
        self.assertEqual((ended.value, ended.interrupted), (7, False))

    def test_a_stale_interrupt_hits_nobody(self):
        old = self.w.submit("1")
        self.w.wait(old)
        number = self.w.submit("print('go')\nimport os\nfor i in range(100_000): pass\nos.read(r, 1) if 'r' in globals() else None\n8")
        self.w.interrupt(old)
        self.assertEqual(self.w.wait(number).value, 8)

    def test_an_early_interrupt_expires_what_it_meant(self):
        busy = self.w.submit(self.WAIT)
        self.w.wait_for_output(busy, b"go\n")
        later, last = self.w.request("print('never')"), self.w.request("3")
        self.w.interrupt(self.w.number - 1)
        self.w.send(later, last)
        self.w.interrupt(busy)
        self.assertTrue(self.w.wait(busy).interrupted)
        ended = self.w.wait(busy + 1)
        self.assertEqual((ended.outcome, ended.events), ("expired", []))
        self.assertEqual(self.w.wait(busy + 2).value, 3)

    def test_a_storm_of_interrupts_stays_with_its_execution(self):
        for _ in range(200):
            number = self.w.submit("for i in range(2000): pass")
            self.w.interrupt(number)
            self.assertIn(self.w.wait(number).outcome, ("value", "error", "expired"))
            self.assertEqual(self.value("1+1"), 2)


class Rich(WorkerTest):
    def test_display(self):
        ended = self.w.run("import vivarium\nclass A:\n  def _repr_html_(self): return '<b>'\n  def __repr__(self): return 'A'\nvivarium.display(A(), 5)")
        self.assertEqual(ended.displays, [{"text/html": "<b>", "text/plain": "A"}, {"text/plain": "5"}])
        ended = self.w.run("A()")
        self.assertEqual((ended.displays, ended.value.text), ([{"text/html": "<b>", "text/plain": "A"}], "A"))
        self.assertEqual(self.w.run("A").displays, [])
        ended = self.w.run("class B:\n  def _repr_mimebundle_(self, include=None, exclude=None): return {'application/json': {'a': 1}, 'image/png': b'\\x89P', 5: 6}\nB()")
        self.assertEqual(ended.displays[0]["application/json"], '{"a": 1}')
        self.assertEqual(ended.displays[0]["image/png"], b"\x89P")
        self.assertEqual(self.w.run("class C:\n  def _repr_html_(self): 1/0\nC()").displays, [])

    def test_display_keeps_its_place_in_the_output(self):
        self.w.submit("import vivarium\nprint('a')\nvivarium.display(1)\nprint('b')")
        kinds = [self.w.pump()[0] for _ in range(4)]
        self.assertEqual(kinds, [wire.OUTPUT, wire.DISPLAY, wire.OUTPUT, wire.FINISHED])

    def test_what_is_too_large_to_display(self):
        told = self.error("import vivarium\nvivarium.display('x' * 2000)", max_result=1000)
        self.assertEqual(told.type, "ValueError")

    def test_the_module(self):
        self.assertEqual(self.value("import vivarium, re\nbool(re.match(r'\\d+\\.\\d+', vivarium.__version__))"), True)
        self.assertEqual(self.value("issubclass(vivarium.Interrupted, BaseException) and not issubclass(vivarium.Interrupted, Exception)"), True)

    def test_matplotlib(self):
        if not self.has("matplotlib"):
            self.skipTest("no matplotlib here")
        ended = self.w.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nplt.get_fignums()")
        self.assertEqual(ended.value, [])
        self.assertEqual(ended.displays[0]["image/png"][:4], b"\x89PNG")
        ended = self.w.run("f, a = plt.subplots()\nf")
        self.assertEqual(ended.displays[0]["image/png"][:4], b"\x89PNG")

    def test_pandas(self):
        if not self.has("pandas"):
            self.skipTest("no pandas here")
        ended = self.w.run("import pandas\npandas.DataFrame({'a': [1]})")
        self.assertIn("<table", ended.displays[0]["text/html"])


def load_tests(loader, tests, pattern):
    return on_every_python(loader, Results, Sources, Errors, Output, Async, Interrupts, Rich)


if __name__ == "__main__":
    unittest.main()
