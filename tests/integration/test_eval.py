# SPDX-License-Identifier: Apache-2.0
"""The main job: source in, verdict out, state kept."""

import json
import subprocess
import unittest

from vivarium_testing.case import DaemonCase


class Eval(DaemonCase):
    """Unary evaluation over HTTP with JSON."""

    def test_first_curl_of_the_readme(self):
        """The very first command that a newcomer types works, but for the port."""
        done = subprocess.run(
            ["curl", "-sS", "-d", '{"source":"1+1"}', "-H", "content-type: application/json",
             f"127.0.0.1:{self.daemon.port}/vivarium.v1.ExecutionService/Eval"],
            capture_output=True, text=True, check=True)
        answer = json.loads(done.stdout)
        self.assertEqual(answer["verdict"]["result"], {"json": 2})
        self.assertRegex(answer["executionId"], r"^exe_0[a-z2-7]{26}$")
        self.assertNotIn("sessionId", answer)

    def test_unix_socket_serves_the_same(self):
        """Both listeners lead to the same sessions."""
        session = self.session()
        self.client.value("x = 42", session)
        with self.daemon.unix_client() as other:
            self.assertEqual(other.value("x", session), 42)

    def test_state_is_kept_in_a_session_and_only_there(self):
        """Names, imports and functions live on; other sessions do not see them."""
        one, two = self.session(), self.session()
        self.client.value("import math\ndef area(r): return math.pi * r * r", one)
        self.assertAlmostEqual(self.client.value("area(1)", one), 3.14159, 4)
        verdict = self.client.eval("area(1)", two)
        self.assert_kind(verdict, "PYTHON")
        self.assertEqual(verdict["error"]["type"], "NameError")

    def test_one_shots_share_nothing(self):
        """Without a session each evaluation has a new interpreter."""
        self.client.value("import builtins; builtins.leak = 1")
        self.assertIs(self.client.value("import builtins; hasattr(builtins, 'leak')"), False)

    def test_value_of_the_last_expression(self):
        """Only an expression at the end has a value."""
        self.assertEqual(self.client.value("sorted([3,1,2])"), [1, 2, 3])
        self.assertEqual(self.client.value("x = 1\ny = 2\nx + y"), 3)
        self.assertIsNone(self.client.value("x = 1"))
        self.assertIsNone(self.client.value(""))
        self.assertIsNone(self.client.value("# nothing"))

    def test_return_at_top_level(self):
        """A return ends the source early, anywhere."""
        self.assertEqual(self.client.value("return 1\n2"), 1)
        self.assertEqual(self.client.value("for i in range(9):\n  if i > 4: return i\n'no'"), 5)
        self.assertEqual(self.client.value("try:\n  return 1\nfinally:\n  x = 2"), 1)
        self.assertIsNone(self.client.value("return\n1"))

    def test_await_at_top_level(self):
        """Coroutines run on the session's loop, which outlives the execution."""
        session = self.session()
        self.assertEqual(self.client.value(
            "import asyncio\nasync def f():\n  await asyncio.sleep(0)\n  return 7\nawait f()",
            session), 7)
        self.client.value("done = []\nasync def later():\n  done.append(1)\n"
                          "task = asyncio.create_task(later())\nawait asyncio.sleep(0)", session)
        self.assertEqual(self.client.value("await task; done", session), [1])
        self.assertEqual(self.client.value("return await f()", session), 7)

    def test_output_is_captured(self):
        """Text of Python and of the descriptors below it, on failure too."""
        verdict = self.client.eval(
            "import os, sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.stdout.flush()\n"
            "os.write(1, b'raw\\n')\n1/0")
        self.assertEqual(sorted(verdict["stdout"].split()), ["out", "raw"])
        self.assertEqual(verdict["stderr"], "err\n")
        self.assert_kind(verdict, "PYTHON")
        self.assertEqual(verdict["usage"]["outputBytes"], "12")

    def test_output_that_is_no_text(self):
        """Bytes that are no UTF-8 arrive replaced."""
        verdict = self.client.eval("import sys\nsys.stdout.buffer.write(b'a\\xff\\xc3b\\n')")
        self.assertEqual(verdict["stdout"], "a\ufffd\ufffdb\n")

    def test_traceback_has_true_locations(self):
        """File, line, function and source of every frame that is not ours."""
        verdict = self.client.eval("def f():\n  return 1/0\n\nf()", filename="job.py",
                                   firstLine=10)
        error = verdict["error"]
        self.assertEqual(error["type"], "ZeroDivisionError")
        self.assertEqual(error["module"], "builtins")
        self.assertEqual(error["bases"], ["ArithmeticError", "Exception", "BaseException"])
        self.assertEqual(error["message"], "division by zero")
        self.assertEqual([(f["file"], f["line"], f["function"], f["source"])
                          for f in error["frames"]],
                         [("job.py", 13, "<module>", "f()"), ("job.py", 11, "f", "return 1/0")])
        self.assertTrue(error["traceback"].startswith("Traceback (most recent call last):\n"))
        self.assertIn('File "job.py", line 11, in f\n    return 1/0\n', error["traceback"])
        self.assertTrue(error["traceback"].endswith("ZeroDivisionError: division by zero\n"))
        self.assertNotIn("vivarium", error["traceback"])
        self.assert_kept({**verdict, "session": verdict.get("session")})

    def test_causes_and_groups(self):
        """Chained exceptions and groups keep their structure."""
        error = self.client.eval("try:\n  {}['a']\nexcept KeyError as e:\n"
                                 "  raise ValueError('no') from e")["error"]
        self.assertEqual(error["cause"]["type"], "KeyError")
        error = self.client.eval("try:\n  {}['a']\nexcept KeyError:\n  1/0")["error"]
        self.assertEqual(error["context"]["type"], "KeyError")
        error = self.client.eval("raise ExceptionGroup('g', [ValueError(1), OSError(2)])")["error"]
        self.assertEqual([e["type"] for e in error["group"]], ["ValueError", "OSError"])

    def test_kinds_of_errors(self):
        """Clients may switch on the kind."""
        for source, kind in (("1 +", "SYNTAX"), ("import nowhere_at_all", "IMPORT"),
                             ("open('/nowhere')", "IO"), ("raise MemoryError", "MEMORY"),
                             ("raise PermissionError", "PERMISSION"), ("assert False", "PYTHON"),
                             ("raise SystemExit(3)", "PYTHON")):
            with self.subTest(source):
                self.assert_kind(self.client.eval(source), kind)

    def test_syntax_error_has_a_position(self):
        """Line and column are those of the source as the caller numbers it."""
        error = self.client.eval("x = 1\ny = = 2", filename="a.py", firstLine=5)["error"]
        self.assertEqual(error["type"], "SyntaxError")
        self.assertEqual((error["syntax"]["file"], error["syntax"]["line"],
                          error["syntax"]["column"]), ("a.py", 6, 5))

    def test_session_survives_errors_and_exit(self):
        """An exception, sys.exit and exit() included, costs nothing but its execution."""
        session = self.session()
        self.client.value("x = 1", session)
        for source in ("1/0", "import sys; sys.exit(1)", "raise KeyboardInterrupt",
                       "raise BaseException", "def f(): f()\nf()"):
            verdict = self.client.eval(source, session)
            self.assert_kept(verdict)
            self.assertIn("error", verdict, source)
        # An orderly exit is no error, as for a program.
        for source in ("exit()", "import sys; sys.exit(0)", "raise SystemExit"):
            self.assertIsNone(self.client.value(source, session))
        self.assertEqual(self.client.value("x", session), 1)

    def test_natural_json(self):
        """The table of docs/api.md."""
        for source, expected in (
                ("None", None), ("True", True), ("1.5", 1.5), ("'ä€😀'", "ä€😀"),
                ("2**53 - 1", 2**53 - 1), ("2**53", str(2**53)), ("-2**63", str(-2**63)),
                ("2**200", str(2**200)), ("float('nan')", "NaN"), ("float('inf')", "Infinity"),
                ("-float('inf')", "-Infinity"), ("b'\\x00\\xff'", "AP8="), ("(1, 'a')", [1, "a"]),
                ("{1}", [1]), ("{'a': [1, {'b': None}]}", {"a": [1, {"b": None}]}),
                ("{1: 2, (1, 2): 3, True: 4}", {"1": 4, "(1, 2)": 3}),
                ("type('T', (), {'__repr__': lambda s: 'T!'})()", "T!")):
            with self.subTest(source):
                self.assertEqual(self.client.value(source), expected)

    def test_forms_of_the_result(self):
        """A caller chooses how the value travels."""
        def result(form, source="(1, 'a')"):
            return self.client.eval(source, resultFormat=f"RESULT_FORMAT_{form}").get("result", {})
        self.assertEqual(result("REPR"), {"repr": "(1, 'a')"})
        self.assertEqual(result("JSON"), {"json": [1, "a"]})
        self.assertEqual(result("TYPED"), {"value": {"tuple": {"items": [
            {"integer": "1"}, {"text": "a"}]}}})
        self.assertEqual(result("NONE"), {})
        self.assertEqual(result("REPR", "None"), {})

    def test_values_that_have_no_end(self):
        """Cycles and depth are bounded: an error or something told by its repr, never a crash."""
        session = self.session()
        for source in ("a = []; a.append(a); a", "a = {}; a['a'] = a; a",
                       "a = []\nfor i in range(100000): a = [a]\na"):
            verdict = self.client.eval(source, session)
            self.assert_kept(verdict)
        self.assertEqual(self.client.value("len(a)", session), 1)

    def test_input_and_standard_input(self):
        """There is nobody at the keyboard."""
        self.assertEqual(self.client.eval("input()")["error"]["type"], "EOFError")

    def test_the_same_source_is_compiled_once(self):
        """Code is kept for the next time: the very same object runs, until the source differs."""
        session = self.session()
        source = ("import sys\nseen = globals().setdefault('seen', [])\n"
                  "seen.append(sys._getframe().f_code)\nlen(set(map(id, seen)))")
        self.assertEqual([self.client.value(source, session) for _ in range(3)], [1, 1, 1])
        self.assertEqual(self.client.value(source + " ", session), 2)
        self.assertEqual(self.client.value(source, session, filename="other.py"), 3)

    def test_compile_gives_a_handle(self):
        """A handle stands for source, file name and line on any session."""
        answer = self.client.call("ExecutionService/Compile",
                                  {"source": "x = 20\nx + 1", "filename": "c.py"})
        handle = answer["code"]
        for _ in range(2):
            self.assertEqual(self.client.call("ExecutionService/Eval", {"code": handle})
                             ["verdict"]["result"], {"json": 21})
        again = self.client.call("ExecutionService/Compile",
                                 {"source": "x = 20\nx + 1", "filename": "c.py"})
        self.assertEqual(again["code"], handle)
        failed = self.client.call("ExecutionService/Compile", {"source": "x = = 1"})
        self.assertEqual(failed["error"]["kind"], "ERROR_KIND_SYNTAX")
        self.assertFalse(failed.get("code"))
        self.refused("not_found", "ExecutionService/Eval", {"code": "no-such-handle"})

    def test_usage_tells_the_cost(self):
        """CPU time is read from outside and comes with the verdict."""
        usage = self.client.eval("sum(range(3_000_000))")["usage"]
        self.assertGreater(int(usage["wallUs"]), 1_000)
        self.assertGreater(int(usage["cpuUs"]), 1_000)

    def test_displays(self):
        """Rich representations travel beside the text."""
        verdict = self.client.eval(
            "from vivarium import display\n"
            "class P:\n  def _repr_png_(self): return b'\\x89PNG'\n  def __repr__(self): return 'P'\n"
            "display(P())")
        self.assertNotIn("error", verdict)
        parts = {part["type"]: part for part in verdict["displays"][0]["parts"]}
        self.assertEqual(parts["image/png"]["data"], "iVBORw==")
        self.assertEqual(parts["text/plain"]["text"], "P")

    def test_workers_differ_in_their_randomness(self):
        """Forks of one zygote share no entropy."""
        drawn = {json.dumps(self.client.value(
            "import random, os, uuid\n[random.random(), os.urandom(8).hex(), str(uuid.uuid4())]"))
            for _ in range(5)}
        self.assertEqual(len(drawn), 5)

    def test_large_source_and_result(self):
        """A megabyte in and out."""
        text = "x" * 1_000_000
        self.assertEqual(self.client.value(f"s = '{text}'\nlen(s)"), 1_000_000)
        self.assertEqual(self.client.value("'ä' * 1_000_000"), "ä" * 1_000_000)


class Sessions(DaemonCase):
    """Sessions by id and by name."""

    def test_life_of_a_session(self):
        """Created, looked up, listed, closed, and then a tombstone."""
        session = self.client.create("life")
        found = self.client.call("SessionService/GetSession", {"session": "life"})["session"]
        self.assertEqual((found["id"], found["name"], found["state"], found["environment"]),
                         (session, "life", "SESSION_STATE_READY", "default"))
        self.assertRegex(found["pythonVersion"], r"^3\.\d+\.\d+")
        self.assertRegex(found["createTime"], r"^\d{4}-\d\d-\d\dT.*Z$")
        listed = self.client.call("SessionService/ListSessions")["sessions"]
        self.assertIn(session, [s["id"] for s in listed])
        self.client.call("SessionService/CloseSession", {"session": "life"})
        listed = self.client.call("SessionService/ListSessions").get("sessions", [])
        self.assertNotIn(session, [s["id"] for s in listed])
        dead = self.client.call("SessionService/GetSession", {"session": session})["session"]
        self.assertEqual(dead["state"], "SESSION_STATE_DEAD")
        self.assertTrue(dead["cause"]["cause"])

    def test_names_are_unique_and_can_be_attached_to(self):
        """A name stands for one live session."""
        first = self.session("twin")
        self.refused("already_exists", "SessionService/CreateSession", {"name": "twin"})
        self.assertEqual(self.client.create("twin", attach=True), first)

    def test_made_on_first_use(self):
        """Eval makes the session of a name when asked to, and only then."""
        self.refused("not_found", "ExecutionService/Eval", {"source": "1", "session": "later"})
        answer = self.client.call("ExecutionService/Eval", {
            "source": "x = 5", "session": "later", "createSession": True})
        self.sessions.append(answer["sessionId"])
        self.assertEqual(self.client.value("x", "later"), 5)
        self.assertEqual(self.client.value("x", "later", createSession=True), 5)

    def test_bad_names(self):
        """Names have one form."""
        for name in ("A", "-a", "a_b", "a" * 64, "a b", "ä"):
            self.refused("invalid_argument", "SessionService/CreateSession", {"name": name})

    def test_unknown_things_look_alike(self):
        """Unknown, closed long ago or somebody else's: not_found."""
        for method, message in (
                ("ExecutionService/Eval", {"source": "1", "session": "ses_0" + "a" * 26}),
                ("ExecutionService/Eval", {"source": "1", "environment": "nowhere"}),
                ("SessionService/GetSession", {"session": "nobody"}),
                ("SessionService/CloseSession", {"session": "nobody"}),
                ("ExecutionService/Wait", {"executionId": "exe_0" + "a" * 26}),
                ("ExecutionService/Cancel", {"executionId": "exe_0" + "a" * 26}),
                ("SessionService/CreateSession", {"environment": "nowhere"})):
            with self.subTest(method):
                self.refused("not_found", method, message)

    def test_idle_session_ends(self):
        """A session that nobody uses goes after its time."""
        session = self.client.create(idleTimeoutMs=1)

        def gone():
            state = self.client.call("SessionService/GetSession", {"session": session})
            return state["session"]["state"] == "SESSION_STATE_DEAD"
        from vivarium_testing import waiting
        waiting.wait_for(gone, "the end of an idle session")


class Queue(DaemonCase):
    """What happens when a session is busy."""

    def test_executions_queue_in_order(self):
        """What was submitted first runs first."""
        session = self.session()
        self.client.value("order = []", session)
        gate = self.client.start("import time\nfor _ in range(50): time.sleep(0.01)", session)
        waiting = [self.client.start(f"order.append({i})", session) for i in range(20)]
        states = self.client.call("ExecutionService/List", {"session": session})["executions"]
        self.assertEqual([e["id"] for e in states if e["id"] in waiting], waiting)
        for execution in waiting:
            self.assertNotIn("error", self.client.wait(execution))
        self.assertEqual(self.client.value("order", session), list(range(20)))
        self.assertNotIn("error", self.client.wait(gate))

    def test_a_caller_may_refuse_to_wait(self):
        """Busy is an answer."""
        session = self.session()
        running = self.client.start("while True: pass", session)
        error = self.refused("resource_exhausted", "ExecutionService/Eval", {
            "source": "1", "session": session, "queue": "QUEUE_POLICY_FAIL"})
        self.assertIn("busy", error.message)
        self.client.call("ExecutionService/Cancel", {"executionId": running})
        self.assert_kind(self.client.wait(running), "CANCELLED")

    def test_expired_work_never_starts(self):
        """The queue counts against the deadline."""
        session = self.session()
        running = self.client.start("while True: pass", session)
        verdict = self.client.eval("ran = True", session, timeoutMs="50")
        self.assert_kind(verdict, "TIMEOUT")
        self.client.call("ExecutionService/Cancel", {"executionId": running})
        self.client.wait(running)
        self.assertIs(self.client.value("'ran' in globals()", session), False)


class DataEnvironment(DaemonCase):
    """What is preloaded there is there, and a figure can be drawn at once."""

    def setUp(self):
        """Its jail starts on first use; only then is stock taken."""
        with self.daemon.client() as client:
            client.call("ExecutionService/Eval", {"environment": "data", "source": "1"})
        super().setUp()

    def test_numpy_pandas_and_matplotlib(self):
        """In a session of its own, and in the next worker as well."""
        source = ("import numpy, pandas\nfrom matplotlib import pyplot\npyplot.plot([1, 2])\npyplot.show()\n"
                  "int(pandas.DataFrame({'a': numpy.arange(4)})['a'].sum())")
        for _ in range(2):
            answer = self.client.call("ExecutionService/Eval", {"environment": "data", "source": source})
            self.assertNotIn("error", answer["verdict"])
            self.assertEqual(answer["verdict"]["result"]["json"], 6)
            self.assertEqual(answer["verdict"]["displays"][0]["parts"][0]["type"], "image/png")

    def test_what_errors_of_numpy_mean(self):
        """Beside their text: shapes, types, bytes."""
        for source, name, told in (
                ("numpy.ones((2, 3)).dot(numpy.ones((4, 5)))", "shapeMismatch",
                 {"operation": "dot", "first": ["2", "3"], "second": ["4", "5"]}),
                ("a = numpy.ones(3, int)\na += 0.5", "dtypeMismatch",
                 {"expected": "int64", "actual": "float64"}),
                ("numpy.ones((10**6, 10**6))", "outOfMemory", {"device": "cpu"})):
            with self.subTest(source):
                error = self.client.call("ExecutionService/Eval", {
                    "environment": "data", "source": f"import numpy\n{source}"})["verdict"]["error"]
                self.assertLessEqual(told.items(), error[name].items())
                self.assertTrue(error["message"])


if __name__ == "__main__":
    unittest.main()
