# SPDX-License-Identifier: Apache-2.0
"""Source with a `return` at its top level: compiled as the body of a function whose names are all
global, so that it binds and reads what a module would."""

import ast

_PREFIX = "<module>.<locals>."
_OPTIMIZED_AND_NEWLOCALS = 0x0003
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_TRY = (ast.Try, ast.TryStar)


def has_return(tree):
    """Whether a return statement belongs to the module itself."""
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Return):
            return True
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            todo += [n for n in ast.iter_child_nodes(node) if isinstance(n, _BLOCKS)]
    return False


_BLOCKS = (ast.stmt, ast.excepthandler, ast.match_case)


def compile_with_return(tree, filename, maybe_async):
    """Returns a code object; running it gives the returned value, else that of the last expression."""
    scope = _Scope()
    for statement in tree.body:
        scope.visit(statement)
    futures = _take_futures(tree)
    body = [_Annotations().visit(statement) for statement in tree.body]
    if isinstance(body[-1], ast.Expr):
        body[-1] = ast.copy_location(ast.Return(body[-1].value), body[-1])
    first = body[0]
    if scope.names:
        body.insert(0, ast.copy_location(ast.Global(sorted(scope.names)), first))
    make = ast.AsyncFunctionDef if maybe_async and scope.is_async else ast.FunctionDef
    arguments = ast.arguments(
        posonlyargs=[], args=[], vararg=None, kwonlyargs=[], kw_defaults=[], kwarg=None, defaults=[]
    )
    function = make(name="<module>", args=arguments, body=body, decorator_list=[], returns=None, type_params=[])
    module = ast.Module([*futures, ast.copy_location(function, first)], type_ignores=[])
    code = compile(ast.fix_missing_locations(module), filename, "exec", dont_inherit=True)
    return _as_module([c for c in code.co_consts if hasattr(c, "co_code")][0])


def _take_futures(tree):
    futures = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    tree.body = [n for n in tree.body if n not in futures]
    return futures


def _as_module(code):
    changes = {"co_qualname": "<module>"}
    if not code.co_varnames and not code.co_cellvars and not code.co_flags & 0x0280:
        # Without locals of its own it can run in the module's: locals() and exec() see them.
        changes["co_flags"] = code.co_flags & ~_OPTIMIZED_AND_NEWLOCALS
    return _rename(code).replace(**changes)


def _rename(code):
    consts = tuple(_rename(c) if hasattr(c, "co_code") else c for c in code.co_consts)
    return code.replace(co_consts=consts, co_qualname=code.co_qualname.removeprefix(_PREFIX))


class _Annotations(ast.NodeTransformer):
    """Turns `x: T = v` into `x = v`: a global name of a function cannot be annotated."""

    def visit_FunctionDef(self, node):
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_FunctionDef

    def visit_AnnAssign(self, node):
        if not isinstance(node.target, ast.Name):
            return node
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)


class _Scope(ast.NodeVisitor):
    """Collects the names that the top level binds, and whether it awaits."""

    def __init__(self):
        self.names = set()
        self.is_async = False
        self._inner = 0  # Depth of comprehensions, whose own targets are not ours.

    def visit_Name(self, node):
        if not self._inner and not isinstance(node.ctx, ast.Load):
            self.names.add(node.id)

    def visit_NamedExpr(self, node):
        self.names.add(node.target.id)
        self.visit(node.value)

    def visit_FunctionDef(self, node):
        self.names.add(node.name)
        self._visit_all(node.decorator_list)
        self._visit_signature(node.args)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node):
        self._visit_signature(node.args)

    def visit_ClassDef(self, node):
        self.names.add(node.name)
        self._visit_all([*node.decorator_list, *node.bases, *[k.value for k in node.keywords]])

    def _visit_signature(self, args):
        self._visit_all([*args.defaults, *[d for d in args.kw_defaults if d is not None]])

    def _visit_all(self, nodes):
        for node in nodes:
            self.visit(node)

    def visit_Import(self, node):
        for alias in node.names:
            if alias.name != "*":
                self.names.add((alias.asname or alias.name).split(".")[0])

    visit_ImportFrom = visit_Import

    def visit_ExceptHandler(self, node):
        if node.name:
            self.names.add(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node):
        if node.name:
            self.names.add(node.name)
        self.generic_visit(node)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node):
        if node.rest:
            self.names.add(node.rest)
        self.generic_visit(node)

    def visit_Await(self, node):
        self.is_async = True
        self.generic_visit(node)

    visit_AsyncFor = visit_AsyncWith = visit_Await

    def visit_comprehension(self, node):
        self.is_async = self.is_async or bool(node.is_async)
        self.generic_visit(node)

    def visit_ListComp(self, node):
        self._inner += 1
        self.generic_visit(node)
        self._inner -= 1

    visit_SetComp = visit_DictComp = visit_ListComp

    def visit_GeneratorExp(self, node):
        self.visit(node.generators[0].iter)
        awaits, self.is_async = self.is_async, False
        self.visit_ListComp(node)
        self.is_async = awaits  # A generator awaits when it runs, not where it is written.

    def visit_Yield(self, node):
        where = (None, node.lineno, node.col_offset + 1, None, node.end_lineno, node.end_col_offset + 1)
        raise SyntaxError("'yield' outside function", where)

    visit_YieldFrom = visit_Yield
