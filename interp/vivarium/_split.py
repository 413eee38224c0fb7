# SPDX-License-Identifier: Apache-2.0
"""The quick way from source to code objects, without a tree of Python objects.

A cell is cut before its last line that begins in column 0. When what precedes and what follows compile
each by itself, that is how CPython reads the whole: its grammar puts one statement after the other.
Everything that does not fit goes the long way, over `ast`."""

import ast
import re

_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_PADDING_AT_MOST = 10_000
_WORD = re.compile(r"[A-Za-z_]\w*|@")
_ASSIGNMENT = re.compile(r"[\w.\[\], ]+(?:[-+*/%@&|^]|//|\*\*|>>|<<)?=(?!=)")
# What begins with one of these, in column 0, is a statement or belongs to one above it.
_STATEMENTS = frozenset(
    "@ assert async break class continue def del for from global if import nonlocal pass raise try"
    " while with".split()
)
_CONTINUATIONS = frozenset("elif else except finally".split())
_compile = compile


def compile_split(source, filename, first_line):
    """Returns (statements, rest): code objects, the first may be None, the value of the latter is the
    value of the cell. Returns None when the long way is needed."""
    if first_line > _PADDING_AT_MOST or "__future__" in source or "\r" in source:
        return None
    at = _last_start(source)
    last = source[at:]
    word = _WORD.match(last)
    word = word.group() if word else ""
    if not last or word in _CONTINUATIONS or ";" in last:
        return None
    # Code compiled as statements has the value None, which is what the value of the cell then is.
    is_statement = word in _STATEMENTS or (word != "lambda" and _ASSIGNMENT.match(last))
    before = source[:at]
    try:
        rest = _padded(
            last, filename, first_line - 1 + before.count("\n"), "exec" if is_statement else "eval"
        )
        if not before or before.isspace():
            return None, rest
        return _padded(before, filename, first_line - 1, "exec"), rest
    except (SyntaxError, ValueError):
        return None  # The long way finds out what is wrong, and says it with the right positions.


def _padded(text, filename, lines, mode):
    return _compile("\n" * lines + text, filename, mode, _AWAIT, dont_inherit=True)


def _last_start(source):
    """Where the last line begins that starts in column 0 and neither is a comment nor closes a
    bracket."""
    end = len(source.rstrip())
    while end > 0:
        start = source.rfind("\n", 0, end) + 1
        if start < end and source[start] not in " \t\f#)]}":
            return start
        end = start - 1
    return 0
