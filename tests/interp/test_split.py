# SPDX-License-Identifier: Apache-2.0
"""The quick way of compiling a cell against the long way: same code, same positions, same value."""

import ast
import os
import pathlib
import sys
import unittest
import warnings

sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["VIVARIUM_HOME"])

from _vivarium import compile_split  # noqa: E402
from vivarium import _runtime  # noqa: E402
from vivarium._compile import compile_whole  # noqa: E402

# Binds what compiling needs, and gives this process the shape of a worker's, which unittest cannot use.
_saved = sys.modules["__main__"], sys.stdout, sys.stderr, list(sys.path), list(sys.argv)
_runtime.prepare()
sys.modules["__main__"], sys.stdout, sys.stderr, sys.path[:], sys.argv = _saved

QUICK = [
    "1+1",
    "x = 5",
    "x = 5\nx",
    "x = [\n1,\n2,\n]\nx",
    "def f():\n    return 1\nf()",
    "def f():\n    return 1\n",
    "for i in range(3):\n    print(i)\n",
    "import json\njson.dumps({})",
    "x = 1  # why\nx  # because",
    "\n\n# only\n1",
    "f'{1 = }'",
    "lambda a=1: a",
    "d = {'a=b': 1}\nd['a=b']",
    "x = 3\nx == 3",
    "'''doc'''\nx = 1\nx",
    "async def f():\n    pass\nawait f()",
    "class A:\n    x = 1\nA.x",
    "print(\n  1,\n)",
]
TRICKY = [
    "",
    "# nothing",
    "x = 1; x",
    "import os; os",
    'len("""\nimport os""")',
    "len('''\nx = 1''')",
    "dict(a=1,\nb = 2)",
    "[x\nfor x in range(3)]",
    "x = 1 + \\\n2",
    "max(1,\\\n2)",
    "return 5",
    "if True:\n    return 1\n2",
    "from __future__ import annotations\nx: y = 1\nx",
    "*(1, 2),",
    "@staticmethod\ndef f(): pass",
    "match = 1\nmatch",
    "match 1:\n    case _:\n        x = 2",
    "try:\n    1\nexcept E:\n    2",
    "if 0:\n    1\nelse:\n    2",
    "x = 1\r\nx",
    "'\\\n'\nx = 1\n",
    "yield 1",
    "x = (yield)",
    "a = b = 1\na, b",
    "x = 1 if True else 2",
    "1 if True else 2",
    "{\n'a': 1\n}['a']",
    "x = '''\n'''\nx",
    "if True:\n    y = 1\nelse:\n    y = 2",
    "(\n1\n)",
    "x: int = 3",
    "d = {}\nd['a'] = 1",
]


def shape(code):
    """What two code objects must share to be the same program at the same place."""
    if code is None:
        return None
    constants = tuple(
        shape(c) if hasattr(c, "co_code") else (type(c).__name__, repr(c)) for c in code.co_consts
    )
    return code.co_code, code.co_names, constants, tuple(code.co_positions())


def outcome(statements, rest):
    """Runs the two parts and tells the value."""
    names = {"E": ValueError}
    value = None
    for part in (statements, rest):
        if part is not None:
            value = eval(part, names)
    return value if isinstance(value, (int, str, tuple, list, dict)) else type(value).__name__


class SplitTest(unittest.TestCase):
    def test_the_quick_way_is_taken_where_it_should_be(self):
        for source in QUICK:
            with self.subTest(source=source):
                self.assertIsNotNone(compile_split(source, "cell", 1))

    def test_both_ways_agree(self):
        for source in QUICK + TRICKY:
            for first_line in (1, 40):
                with self.subTest(source=source, first_line=first_line):
                    self.agree(source, first_line)

    def agree(self, source, first_line):
        quick = compile_split(source, "cell", first_line)
        if quick is None:
            return
        slow = compile_whole(source, "cell", first_line)
        self.assertEqual(outcome(*quick), outcome(*slow))
        if isinstance(ast.parse(source).body[-1], ast.Expr):
            self.assertEqual(shape(quick[1]), shape(slow[1]))
            if slow[0] is None:  # Nothing but comments may come before.
                self.assertIn(quick[0] and quick[0].co_consts, (None, (None,)))
            else:
                self.assertEqual(shape(quick[0]), shape(slow[0]))

    def test_both_ways_agree_on_the_standard_library(self):
        folder = pathlib.Path(ast.__file__).parent
        warnings.simplefilter("ignore")
        tried = 0
        for path in sorted(folder.glob("*.py"))[:120]:
            source = path.read_text(encoding="utf-8", errors="replace")
            quick = compile_split(source, str(path), 1)
            if quick is None:
                continue
            tried += 1
            is_expression = isinstance(ast.parse(source).body[-1], ast.Expr)
            with self.subTest(path=path.name):
                # Code compiled for its value returns the value; statements return None.
                last_is_value = quick[1].co_consts[-1:] != (None,) or is_expression
                self.assertEqual(is_expression, is_expression and last_is_value)
                statements, value = compile_whole(source, "cell", 1)
                if is_expression:
                    self.assertEqual(shape(quick[1]), shape(value))
                else:
                    self.assertIsNone(value)
        self.assertGreater(tried, 50)


if __name__ == "__main__":
    unittest.main()
