# SPDX-License-Identifier: Apache-2.0
"""What comes back beside the value: output of every kind, displays."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import wire  # noqa: E402
from cases import WorkerTest, on_every_python  # noqa: E402


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
    return on_every_python(loader, Output, Rich)


if __name__ == "__main__":
    unittest.main()
