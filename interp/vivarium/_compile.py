# SPDX-License-Identifier: Apache-2.0
"""From source to code objects, the long way: over a tree, when a cell cannot be cut in two pieces of
text (see split.hpp), and for the positions of errors."""

import ast
import linecache

from vivarium._returns import compile_with_return, has_return

AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_FUTURE_FLAGS = 0x1FE0000  # CO_FUTURE_DIVISION to CO_FUTURE_ANNOTATIONS
_LINES_AT_MOST = 1_000_000
_compile = compile


def compile_whole(source, filename, first_line):
    """Returns (statements, value). Statements and the last expression are code objects of their own,
    either may be None; the value of the latter is the result."""
    try:
        return _compile_cell(source, filename, first_line)
    except SyntaxError as error:
        _complete(error, source, first_line)
        raise


def _compile_cell(source, filename, first_line):
    try:
        tree = _compile(source, filename, "exec", ast.PyCF_ONLY_AST | AWAIT, dont_inherit=True)
    except SyntaxError as error:
        _shift(error, filename, first_line - 1)
        raise
    if first_line > 1:
        _move(tree, first_line - 1)
    if "return" in source and has_return(tree):
        code = compile_with_return(tree, filename, "await" in source or "async" in source)
        return None, code
    return _compile_plain(tree, filename)


def _compile_plain(tree, filename):
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    statements = value = None
    future = 0
    if tree.body:
        statements = _compile(tree, filename, "exec", AWAIT, dont_inherit=True)
        future = statements.co_flags & _FUTURE_FLAGS
    if last is not None:
        value = _compile(last, filename, "eval", AWAIT | future, dont_inherit=True)
    return statements, value


def _move(tree, lines):
    # ast.increment_lineno leaves out that lines must fit a C int.
    if lines > 2**31 - 2_000_000:
        raise ValueError("first_line is too large")
    ast.increment_lineno(tree, lines)


def _shift(error, filename, lines):
    if error.filename == filename:
        if error.lineno:
            error.lineno += lines
        if error.end_lineno:
            error.end_lineno += lines


def _complete(error, source, first_line):
    """Adds the source line that the compiler does not know when it was given a tree."""
    if error.text is None and error.lineno:
        lines = source.split("\n")
        index = error.lineno - first_line
        if 0 <= index < len(lines):
            error.text = lines[index]


def remember(source, filename, first_line):
    lines = [line + "\n" for line in source.split("\n")]
    if 1 < first_line <= _LINES_AT_MOST:
        lines = ["\n"] * (first_line - 1) + lines
    elif first_line > 1:
        lines = []
    linecache.cache[filename] = (len(source), None, lines, filename)


def forget(filename, _pop=linecache.cache.pop):
    _pop(filename, None)
