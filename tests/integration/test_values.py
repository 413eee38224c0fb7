# SPDX-License-Identifier: Apache-2.0
"""Values both ways through the daemon, and those that were made to do harm."""

import unittest

from vivarium_testing import http_api
from vivarium_testing.case import DaemonCase

TYPED = {"resultFormat": "RESULT_FORMAT_TYPED"}


def unserializable(how):
    """Returns options that say what becomes of objects without a form."""
    return {"valueOptions": {"unserializable": f"UNSERIALIZABLE_{how}"}}


class Values(DaemonCase):
    """What is sent comes back as it was."""

    def test_every_kind_there_and_back(self):
        """Typed, as a variable, and unchanged."""
        session = self.session()
        for value in (
                {"none": {}}, {"boolean": True}, {"integer": "-9223372036854775808"},
                {"bigInteger": "AAAAAAAAAACAAA=="}, {"real": -0.0}, {"real": "Infinity"},
                {"text": "\x00ä😀"}, {"blob": "AP8="}, {"bytearray": "AP8="},
                {"list": {"items": [{"tuple": {}}]}}, {"set": {"items": [{"integer": "1"}]}},
                {"frozenset": {}}, {"dict": {"entries": [
                    {"key": {"tuple": {"items": [{"none": {}}]}}, "value": {"text": ""}}]}},
                {"complex": {"real": 1.5, "imag": -2}}, {"symbol": "ok"}, {"decimal": "1E+5"},
                {"date": {"year": 9999, "month": 12, "day": 31}},
                {"time": {"hour": 23, "fold": 1, "zone": {"offsetUs": "3600000000"}}},
                {"timedelta": {"days": "-1", "seconds": 86399}},
                {"uuid": "AAAAAAAAAAAAAAAAAAAAAA=="}, {"term": {"type": "pid", "data": "AAE="}}):
            with self.subTest(value):
                verdict = self.client.eval("v", session, variables={"v": value}, **TYPED)
                self.assertEqual(verdict.get("result"), {"value": value}, verdict)

    def test_construction(self):
        """Objects are made in Python; what goes wrong there is Python's own error."""
        session = self.session()
        self.assertEqual(self.client.value("str(v)", session, variables={"v": {"construct": {
            "module": "fractions", "name": "Fraction", "args": [{"integer": "3"}],
            "kwargs": [{"key": {"text": "denominator"}, "value": {"integer": "6"}}]}}}), "1/2")
        for made in ({"module": "fractions", "name": "Fraction",
                      "args": [{"integer": "3"}, {"integer": "0"}]},
                     {"module": "nowhere", "name": "x"}, {"name": "nope"}, {"name": ""}):
            with self.subTest(made):
                verdict = self.client.eval("v", session, variables={"v": {"construct": made}})
                self.assertIn("error", verdict)
                self.assert_kept(verdict)

    def test_options(self):
        """Of a request over those of its session."""
        session = self.session(valueOptions={"blobAs": "BLOB_AS_STR"})
        sent = {"variables": {"v": {"blob": "YWI="}}}
        self.assertEqual(self.client.value("v", session, **sent), "ab")
        self.assertEqual(self.client.value("type(v).__name__", session, **sent, valueOptions={
            "blobAs": "BLOB_AS_BYTEARRAY"}), "bytearray")
        verdict = self.client.eval("v", session, variables={"v": {"blob": "/w=="}})
        self.assertEqual(verdict["error"]["code"], "decode")

    def test_without_a_form(self):
        """Error with the path, ref with the container kept, repr."""
        session = self.session()
        source = "o = object()\n{'a': [1, o], 'b': o}"
        error = self.client.eval(source, session, **unserializable("ERROR"))["error"]
        self.assertEqual((error["kind"], error["code"]), ("ERROR_KIND_VALUE", "unserializable"))
        self.assertIn("['a'][1]", error["message"])
        value = self.client.value(source, session, **unserializable("REF"))
        self.assertEqual(value["a"][1]["$ref"], value["b"]["$ref"])
        self.client.call("SessionService/ReleaseRefs",
                         {"session": session, "refs": [value["b"]["$ref"]]})
        value = self.client.value(source, session, **unserializable("REPR"))
        self.assertTrue(value["b"].startswith("<object object"))
        self.at_rest(session)

    def test_custom_encoders(self):
        """One that works, and those that raise, never end, exit, or answer with themselves."""
        session = self.session(
            init={"source": "class P: pass\nimport vivarium"})
        setter = next((name for name in self.client.value("dir(vivarium)", session)
                       if "encoder" in name), None)
        self.assertIsNotNone(setter)
        self.client.value(f"vivarium.{setter}(lambda o: {{'p': 1}}); None", session)
        self.assertEqual(self.client.value("[P()]", session), [{"p": 1}])
        for body in ("1/0", "exit()", "o", "[o]", "P()", "vivarium." + setter + "(None)"):
            with self.subTest(body):
                self.client.value(f"vivarium.{setter}(lambda o: {body}); None", session)
                verdict = self.client.eval("[P()]", session, timeoutMs="20000")
                self.assert_kept(verdict)
        self.client.value(f"def loop(o):\n  while True: pass\nvivarium.{setter}(loop); None", session)
        self.assert_kind(self.client.eval("[P()]", session, timeoutMs="300"), "TIMEOUT")
        self.assertEqual(self.client.value("1", session), 1)


class Hostile(DaemonCase):
    """Objects that do anything when they are looked at."""

    config = "[limits]\ngrace = \"500ms\"\n"

    def assert_bounded(self, session, source, timeout="8000", **fields):
        """Whatever comes of it, there is a verdict and the session goes on."""
        verdict = self.client.eval(source, session, timeoutMs=timeout, **fields)
        self.assert_kept(verdict)
        self.assertEqual(self.client.value("1", session), 1)
        return verdict

    def test_that_contain_themselves(self):
        """Cycles of each container, in each mode."""
        session = self.session()
        for source in ("a = []; a.append(a); a", "a = {}; a['a'] = a; a",
                       "a = []; t = (a,); a.append(t); t",
                       "a, b = [], []; a.append(b); b.append(a); [a, b]",
                       "import collections; a = collections.defaultdict(list); a[1].append(a); a"):
            for how in ("ERROR", "REF", "REPR"):
                for form in ("JSON", "TYPED", "REPR"):
                    with self.subTest(source=source, how=how, form=form):
                        verdict = self.assert_bounded(session, source, **unserializable(how),
                                                      resultFormat=f"RESULT_FORMAT_{form}")
                        if how == "ERROR" and form != "REPR":
                            self.assertEqual(verdict["error"]["code"], "cycle")

    def test_depth(self):
        """At every depth around the bounds of either side: a value or a clear error."""
        session = self.session()
        for wrap in ("[v]", "(v,)", "{'k': v}", "frozenset([v])", "{v: 1}"):
            for depth in (10, 28, 29, 30, 39, 40, 41, 43, 60, 1000):
                if wrap == "{v: 1}":
                    wrap = "{(v,): 1}" if depth == 10 else wrap
                with self.subTest(wrap=wrap, depth=depth):
                    source = f"v = 1\nfor _ in range({depth}): v = {wrap}\nv"
                    for form in ("JSON", "REPR"):
                        verdict = self.client.eval(source, session,
                                                   resultFormat=f"RESULT_FORMAT_{form}")
                        self.assert_kept(verdict)

    def test_million_deep(self):
        """A chain of lists, and one of objects whose repr recurses."""
        session = self.session()
        self.assert_bounded(session, "a = []\nfor _ in range(1_000_000): a = [a]\na")
        self.assert_bounded(session, "class N:\n  def __init__(self, n): self.n = n\n"
                            "  def __repr__(self): return repr(self.n)\n"
                            "n = N(1)\nfor _ in range(1_000_000): n = N(n)\nn")
        self.client.value("while isinstance(a, list) and a: a = a[0]\n"
                          "while isinstance(n, N): n = n.n", session)

    def test_methods_that_misbehave(self):
        """Each special method raises, exits, forks, answers nonsense or too much."""
        session = self.session()
        for method in ("__repr__", "__str__", "__len__", "__iter__", "__class__", "__eq__",
                       "__hash__", "__bool__", "__reduce__", "__getattribute__"):
            for body in ("raise ValueError", "raise BaseException", "exit()", "return -1",
                         "return None", "return 'x' * (64 << 20)", "__import__('os').fork()",
                         "return [self] * 1000", "raise MemoryError", "return 1 << 70"):
                with self.subTest(method=method, body=body):
                    decorator = "@property\n  " if method == "__class__" else ""
                    self.assert_bounded(
                        session, f"class H:\n  {decorator}def {method}(self, *a): {body}\n"
                        "[H()]", **unserializable("REF"))
        self.client.call("SessionService/CollectGarbage", {"session": session})

    def test_methods_that_never_end(self):
        """The deadline ends them; the session is kept."""
        for method in ("__repr__", "__len__"):
            for how in ("REF", "REPR"):
                with self.subTest(method=method, how=how):
                    session = self.session()
                    verdict = self.client.eval(
                        f"class H:\n  def {method}(self):\n    while True: pass\n[H()]",
                        session, timeoutMs="400", **unserializable(how))
                    self.assert_kept(verdict)
                    self.assertEqual(self.client.value("1", session), 1)

    def test_containers_that_change_while_they_are_read(self):
        """A repr that appends to, or clears, what is being encoded."""
        session = self.session()
        for act in ("l.append(H())", "l.clear()", "d.clear()", "d[len(d)] = 1", "l.__init__()"):
            with self.subTest(act):
                self.assert_bounded(
                    session, f"class H:\n  def __repr__(self): {act}; return 'h'\nd = {{}}\n"
                    "l = [H(), d, H(), H()]\nd.update(a=H(), b=l[:])\nl", **unserializable("REPR"))

    def test_subclasses_that_lie(self):
        """Of builtin types, about their length, items and characters."""
        session = self.session()
        for base, value in (("list", "[1]"), ("dict", "{1: 1}"), ("str", "'x'"), ("int", "1"),
                            ("set", "[1]"), ("bytes", "b'x'"), ("float", "1.0")):
            with self.subTest(base):
                self.assert_bounded(
                    session, f"class L({base}):\n  def __len__(self): return 10**9\n"
                    "  def __iter__(self): return iter(int, 1)\n  items = keys = __iter__\n"
                    f"  def __getitem__(self, i): return self\nL({value})")

    def test_text_that_cannot_travel(self):
        """Lone surrogates, alone, in containers, as keys, in names and errors."""
        session = self.session()
        for source in ("'\\ud800'", "['\\udfff']", "{'\\ud800': 1}", "raise ValueError('\\ud800')",
                       "print('\\ud800')", "type('\\ud800', (), {})()",
                       "raise type('E\\ud800', (Exception,), {})('\\udc80')"):
            with self.subTest(source):
                self.assert_bounded(session, source)

    def test_numbers_that_are_huge(self):
        """Many ints of many digits, and one of four megabits: shown somehow, or refused."""
        session = self.session()
        self.assert_bounded(session, "[1 << 100_000] * 50")
        self.assert_bounded(session, "[(1 << 14_000) + i for i in range(300)]")
        self.assert_bounded(session, "1 << 4_000_000")

    def test_symbols_without_end(self):
        """Hosts never free them, so a session may name a number of them only."""
        session = self.session()
        verdict = self.assert_bounded(
            session, "import vivarium\n[vivarium.Symbol(str(i)) for i in range(10_001)]")
        self.assertEqual(verdict["error"]["code"], "symbol_limit")


class BadClient(DaemonCase):
    """Values that no client's library would send."""

    def rejected(self, session, **fields):
        """A typed refusal or a failed execution; the session goes on."""
        try:
            verdict = self.client.eval("None", session, **fields)
        except http_api.ApiError as error:
            self.assertEqual(error.code, "invalid_argument", error)
        else:
            self.assertIn("error", verdict)
            self.assert_kept(verdict)
        self.assertEqual(self.client.value("1", session), 1)

    def test_malformed(self):
        """Dates that do not exist, arrays of a wrong size, kinds that only Python may send."""
        session = self.session()
        for value in (
                {}, {"none": {}, "boolean": True}, {"date": {"year": 2023, "month": 2, "day": 30}},
                {"date": {}}, {"datetime": {}}, {"uuid": "AA=="}, {"decimal": "x"},
                {"time": {"hour": 24}}, {"timedelta": {"days": "9999999999"}},
                {"time": {"zone": {"offsetUs": "86400000000"}}},
                {"array": {"dtype": "O", "shape": ["1"], "data": "AAAAAAAAAAA="}},
                {"array": {"dtype": "<f8", "shape": ["18446744073709551615", "2"]}},
                {"array": {"dtype": "<f8", "shape": ["1"]}}, {"array": {}},
                {"set": {"items": [{"list": {}}]}}, {"ref": {}}, {"ref": {"id": "ref_junk"}},
                {"dict": {"entries": [{"key": {"list": {}}, "value": {"none": {}}}]}},
                {"dict": {"entries": [{}]}}, {"opaque": {"repr": "x"}}, {"nonsense": 1}):
            with self.subTest(value):
                self.rejected(session, variables={"v": value})

    def test_natural_junk(self):
        """Objects that look like refs, depth, and names that cannot be."""
        session = self.session()
        for value in ({"$ref": "ref_"}, {"$ref": "ref_" + "a" * 100_000}, {"$ref": "ref_\x00"}):
            self.rejected(session, jsonVariables={"v": value})
        for value in ({"$ref": 1}, {"$ref": "other"}, {"$ref": None, "x": 1}):
            self.assertEqual(self.client.value("v", session, jsonVariables={"v": value}), value)
        deep = 1
        for _ in range(60):
            deep = [deep]
        self.rejected(session, jsonVariables={"v": deep})
        for name in ("", "a\x00b", "a b", "if", "__builtins__", "\u212a"):
            with self.subTest(name):
                try:
                    self.assert_kept(self.client.eval("1", session, jsonVariables={name: 1}))
                except http_api.ApiError as error:
                    self.assertEqual(error.code, "invalid_argument")

    def test_json_that_is_none(self):
        """Lone surrogates, depth beyond any parser, numbers beyond any float."""
        session = self.session()
        for body in (b'"\\ud800"', b"[" * 100_000, b"[" * 500 + b"]" * 500, b"1e999999", b"-",
                     b'{"a":1,"a":2}', b"NaN", b"\xff"):
            with self.subTest(body[:20]):
                status, _, _ = self.client.request(
                    "POST", "/vivarium.v1.ExecutionService/Eval",
                    b'{"session":"%s","source":"1","jsonVariables":{"v":%s}}'
                    % (session.encode(), body), {"content-type": "application/json"})
                self.assertIn(status, (200, 400))
        self.assertEqual(self.client.value("1", session), 1)

    def test_depth_that_costs(self):
        """Brackets in any number are refused before anybody else has to wait."""
        for body in (b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
                     b"['\"'," * 50_000 + b"1" + b"]" * 50_000):
            with self.subTest(body[:20]):
                status, _, _ = self.client.request(
                    "POST", "/vivarium.v1.ExecutionService/Eval",
                    b'{"source":"1","jsonVariables":{"v":%s}}' % body,
                    {"content-type": "application/json"})
                self.assertEqual(status, 400)

    def test_many_names(self):
        """Ten thousand keyword arguments are taken or refused, nothing else."""
        session = self.session()
        answer = self.client.call("ExecutionService/Call", {
            "session": session, "target": {"module": "builtins"}, "name": "dict",
            "jsonKwargs": {f"k{i}": i for i in range(10_000)},
            "options": {"resultFormat": "RESULT_FORMAT_NONE"}})
        self.assertNotIn("error", answer["verdict"])

    def test_odd_numbers(self):
        """The largest line number, and windows and deadlines of all bits."""
        session = self.session()
        for line in (1, 2**31 - 1, 2**31, 2**32 - 1):
            with self.subTest(line):
                try:
                    self.assert_kept(self.client.eval("1/0", session, firstLine=line))
                except http_api.ApiError as error:
                    self.assertEqual(error.code, "invalid_argument")
        self.assertEqual(self.client.value("1", session, timeoutMs="3600000"), 1)
        self.refused("invalid_argument", "ExecutionService/Eval", {
            "session": session, "source": "1", "timeoutMs": str(2**64 - 1)})


if __name__ == "__main__":
    unittest.main()
