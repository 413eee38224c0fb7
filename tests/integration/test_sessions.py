# SPDX-License-Identifier: Apache-2.0
"""How sessions and namespaces begin and end, and who can spoil that."""

import threading
import unittest

from vivarium_testing import http_api, processes, waiting
from vivarium_testing.case import DaemonCase

FOREVER = "while True: pass"
EXECUTION_ERROR = "vivarium.v1.ExecutionError"


def state(client, session):
    """Returns the state of a session without its prefix."""
    found = client.call("SessionService/GetSession", {"session": session})["session"]
    return found["state"].removeprefix("SESSION_STATE_")


# What a worker compiled for its own sake ends with a comment that holds its pid.
WARMED_UP = ("import linecache\n"
             "any(entry[2][-1].startswith('# ') for entry in linecache.cache.values() if len(entry) > 1)")


class Ready(DaemonCase):
    """Sessions whose workers were made ahead of demand."""

    def test_has_warmed_up(self):
        """What a first execution needs has been touched before."""
        self.assertTrue(self.client.value(WARMED_UP, self.session("first")))


class Awaited(DaemonCase):
    """Sessions that wait for their workers to be made."""

    config = "[pool]\nready = 0\nlow = 0\n"

    def test_does_not_warm_up(self):
        """Nothing is done that only later sessions would have something of."""
        session = self.session("first")
        self.assertFalse(self.client.value(WARMED_UP, session))
        self.assertEqual(self.client.value("[str(n) for n in range(3)]", session), ["0", "1", "2"])


class Start(DaemonCase):
    """Sessions that bring something of their own."""

    config = "[limits]\ngrace = \"200ms\"\n"

    def test_everything_at_once(self):
        """Script with variables, directory, environment variables, tags, options of values."""
        session = self.session(
            "full", init={"source": "import os\nhalf = whole / 2", "jsonVariables": {"whole": 84}},
            workingDirectory="deep/er", environmentVariables={"MODE": "test", "EMPTY": ""},
            tags=["a", "b"], valueOptions={"setAs": "SET_AS_FROZENSET"})
        self.assertEqual(self.client.value(
            "[half, os.getcwd().endswith('/deep/er'), os.environ['MODE'], os.environ['EMPTY']]",
            session), [42, True, "test", ""])
        self.assertEqual(self.client.value(
            "type(s).__name__", session, variables={"s": {"set": {"items": [{"integer": "1"}]}}}),
            "frozenset")
        found = self.client.call("SessionService/GetSession", {"session": "full"})["session"]
        self.assertEqual(found["tags"], ["a", "b"])
        self.assertEqual(found["executions"], "2")

    def test_directory_stays_in_the_workspace(self):
        """Wherever it points, the answer is an error or a directory inside."""
        for path in ("/etc", "..", "a/../../..", "/proc/self/root", "x\0y", "a" * 5000):
            with self.subTest(path[:20]), self.assertRaises(http_api.ApiError):
                self.client.create(workingDirectory=path)

    def test_variables_that_no_environment_can_hold(self):
        """Names with = or NUL."""
        for name, value in (("A=B", "x"), ("", "x"), ("A\0", "x"), ("A", "x\0y")):
            with self.subTest(name), self.assertRaises(http_api.ApiError) as caught:
                self.client.create(environmentVariables={name: value})
            self.assertIn(caught.exception.code, ("invalid_argument", "failed_precondition"))

    def test_script_that_fails(self):
        """No session, and the whole error as a second detail, with the script's own lines."""
        for source, kind in (("x = 1\n1/0", "ZeroDivisionError"), ("x = = 1", "SyntaxError"),
                             ("import nowhere_at_all", "ModuleNotFoundError"),
                             ("raise BaseException('b')", "BaseException"),
                             ("import sys; sys.exit(3)", "SystemExit"),
                             ("import os; os.fork()", "PermissionError")):
            with self.subTest(source):
                error = self.refused("failed_precondition", "SessionService/CreateSession",
                                     {"name": "broken", "init": {"source": source}})
                self.assertIn(kind, error.message)
                self.assertEqual([d["type"] for d in error.details][1:], [EXECUTION_ERROR])
                self.assertEqual(error.details[1]["debug"]["type"], kind)
        self.assertEqual(self.session("broken", init={"source": "x = 1"})[:4], "ses_")

    def test_script_that_ends_its_worker(self):
        """By exit or by a signal."""
        for source in ("import os; os._exit(0)", "import os, signal; os.kill(os.getpid(), 9)",
                       "import ctypes; ctypes.string_at(0)"):
            with self.subTest(source), self.assertRaises(http_api.ApiError) as caught:
                self.client.create(init={"source": source})
            self.assertIn(caught.exception.code, ("aborted", "failed_precondition"))

    def test_script_that_hangs(self):
        """It has a deadline of its own; one that catches the interrupt is killed."""
        for source in (FOREVER, "import asyncio; await asyncio.Event().wait()",
                       "while True:\n  try:\n    while True: pass\n  except BaseException: pass"):
            with self.subTest(source):
                self.refused("deadline_exceeded", "SessionService/CreateSession",
                             {"init": {"source": source, "timeoutMs": "300"}})

    def test_exit_that_is_none(self):
        """An orderly exit is no error here either."""
        self.assertEqual(self.client.value(
            "x", self.session(init={"source": "x = 1\nexit()"})), 1)

    def test_asynchronously(self):
        """The answer comes at once; executions wait for the start; GetSession shows it."""
        made = self.client.call("SessionService/CreateSession", {
            "name": "later", "startAsync": True,
            "init": {"source": "import time\nfor _ in range(20): time.sleep(0.01)\nx = 1"}})
        self.sessions.append(made["session"]["id"])
        self.assertEqual(made["session"]["state"], "SESSION_STATE_STARTING")
        self.assertEqual(self.client.value("x", "later"), 1)
        waiting.wait_for(lambda: state(self.client, "later") == "READY", "the session")

    def test_asynchronous_failure(self):
        """Whoever waits hears of it, and the tombstone tells why."""
        made = self.client.call("SessionService/CreateSession", {
            "startAsync": True, "init": {"source": "1/0"}})["session"]
        waiting.wait_for(lambda: state(self.client, made["id"]) == "DEAD", "the failure")
        dead = self.client.call("SessionService/GetSession", {"session": made["id"]})["session"]
        self.assertIn("ZeroDivisionError", dead["initError"])
        self.assertEqual(dead["cause"]["cause"], "init")
        self.refused("aborted", "ExecutionService/Eval", {"source": "1", "session": made["id"]})

    def test_everybody_who_waits_for_a_failing_start_hears_of_it(self):
        """Several attach and evaluate while the script still runs; then it fails."""
        self.client.call("SessionService/CreateSession", {
            "name": "doomed", "startAsync": True,
            "init": {"source": FOREVER, "timeoutMs": "1000"}})
        heard = []

        def evaluate():
            with self.daemon.client() as other:
                try:
                    heard.append(other.eval("1", "doomed")["error"]["kind"])
                except http_api.ApiError as error:
                    heard.append(error.code)

        threads = [threading.Thread(target=evaluate) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(waiting.WATCHDOG)
        self.assertEqual(len(heard), 4)
        for how in heard:
            self.assertIn(how, ("ERROR_KIND_SESSION_LOST", "aborted", "deadline_exceeded",
                                "not_found", "failed_precondition"))

    def test_client_that_leaves_during_the_script(self):
        """The script runs to its deadline and leaves nothing: nobody knows the session."""
        self.vanish("SessionService/CreateSession",
                    {"name": "left", "init": {"source": FOREVER, "timeoutMs": "3000"}},
                    lambda: processes.busy_worker(self.daemon.pid))
        waiting.wait_for(lambda: not any(
            s.get("name") == "left" for s in self.client.call("SessionService/ListSessions")
            .get("sessions", ())), "the end of the session")

    def test_close_during_the_script(self):
        """A start that hangs can be ended by whoever knows its id."""
        made = self.client.call("SessionService/CreateSession", {
            "startAsync": True, "init": {"source": FOREVER}})["session"]["id"]
        processes.busy_worker(self.daemon.pid)
        self.client.call("SessionService/CloseSession", {"session": made})
        self.assertEqual(state(self.client, made), "DEAD")

    def test_several_attach_by_name(self):
        """They share one interpreter, whoever comes first."""
        made = []

        def attach():
            with self.daemon.client() as other:
                made.append(other.create("shared", attach=True))

        threads = [threading.Thread(target=attach) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(waiting.WATCHDOG)
        self.sessions += set(made)
        self.assertEqual((len(made), len(set(made))), (6, 1))


class Namespaces(DaemonCase):
    """Symbol tables of their own in one session."""

    def create(self, session, **fields):
        """Makes a namespace and returns its id."""
        return self.client.call("SessionService/CreateNamespace", {
            "session": session, **fields})["namespace"]["id"]

    def names(self, session, namespace):
        """Returns the variables of a namespace."""
        found = self.client.call("SessionService/ListVariables", {
            "session": session, "namespace": namespace}).get("variables", ())
        return {v["name"]: v["repr"] for v in found}

    def test_copies(self):
        """Later sources override earlier ones, variables override both; copies are shallow."""
        session = self.session(init={"source": "base = 0"})
        a = self.create(session, name="a", jsonVariables={"x": 1, "y": 1, "l": []})
        b = self.create(session, name="b", jsonVariables={"y": 2, "z": 2})
        self.assertEqual(self.names(session, a), {"base": "0", "x": "1", "y": "1", "l": "[]"})
        both = self.create(session, **{"from": [
            {"namespace": "a"}, {"namespace": "b", "except": {"names": ["z", "base"]}}]},
            jsonVariables={"x": 3})
        self.assertEqual(self.names(session, both), {"base": "0", "x": "3", "y": "2", "l": "[]"})
        empty = self.create(session, **{"from": [{"namespace": "a", "only": {}}]})
        self.assertEqual(self.names(session, empty), {})
        self.client.value("l.append(5); y = 9", session, namespace=both)
        self.assertEqual(self.names(session, a)["l"], "[5]")
        self.assertEqual(self.names(session, a)["y"], "1")
        for namespace in (a, b, both, empty):
            self.client.call("SessionService/DestroyNamespace",
                             {"session": session, "namespace": namespace})
        self.at_rest(session)

    def test_what_cannot_be_copied(self):
        """Each refusal leaves no namespace behind."""
        session = self.session()
        self.create(session, name="a")
        foreign = self.create(self.session(), name="b")
        for fields, code in (
                ({"from": [{"namespace": foreign}]}, "not_found"),
                ({"from": [{"namespace": "b"}]}, "not_found"),
                ({"from": [{"namespace": "a", "only": {"names": ["nope"]}}]}, "not_found"),
                ({"from": [{"namespace": "gone"}]}, "not_found"),
                ({"name": "self", "from": [{"namespace": "self"}]}, "not_found"),
                ({"name": "a"}, "already_exists"), ({"name": "A b"}, "invalid_argument"),
                ({"from": [{"only": {"names": ["x"]}, "except": {"names": ["y"]}}]},
                 "invalid_argument"),
                ({"jsonVariables": {"x": {"$ref": "ref_junk"}}}, "not_found"),
                ({"variables": {"x": {"construct": {"name": "open", "args": [{"text": "/x"}]}}}},
                 "failed_precondition")):
            with self.subTest(fields):
                self.refused(code, "SessionService/CreateNamespace", {"session": session, **fields})
                self.assertEqual(self.counts(session), (0, 1, 0))

    def test_end_is_ordered_and_idempotent(self):
        """Executions sent before run in it; later ones find nothing."""
        session = self.session()
        namespace = self.create(session, name="n")
        sent = [self.client.start("import time; time.sleep(0.01); 1", session, namespace="n")
                for _ in range(5)]
        for name in ("n", "n", namespace, "never"):
            self.client.call("SessionService/DestroyNamespace",
                             {"session": session, "namespace": name})
        self.refused("not_found", "ExecutionService/Eval",
                     {"source": "1", "session": session, "namespace": "n"})
        for execution in sent:
            self.assertEqual(self.client.wait(execution)["result"], {"json": 1})
        self.at_rest(session)

    def test_scratch_leaves_nothing(self):
        """It begins with what the script left and is gone with its execution."""
        session = self.session(init={"source": "x = 1"})
        self.assertEqual(self.client.value("x += 1\ny = x", session, scratch=True), None)
        self.assertEqual(self.client.value("x", session, scratch=True), 1)
        self.assertIn("error", self.client.eval("y", session))
        self.client.eval("1/0", session, scratch=True)
        self.at_rest(session)

    def test_client_that_leaves_while_one_is_made(self):
        """A constructor that hangs: the namespace is made or not, its deadline ends it."""
        session = self.session()
        self.client.value("def slow(): import time; time.sleep(0.5); return 1", session)
        execution = self.client.start("import time; time.sleep(0.5)", session)
        self.vanish("SessionService/CreateNamespace", {"session": session, "name": "left"})
        self.client.wait(execution)
        # Whether it was read before the client left is open; it can be named either way.
        self.client.call("SessionService/DestroyNamespace",
                         {"session": session, "namespace": "left"})
        waiting.wait_for(lambda: self.counts(session)[1] == 0 or not self.client.call(
            "SessionService/DestroyNamespace", {"session": session, "namespace": "left"}),
            "the namespace to be gone")

    def test_worker_that_dies_while_one_is_made(self):
        """Both who wait, for the namespace and for what runs before it, get a typed answer."""
        session = self.session()
        errors = []

        def create():
            with self.daemon.client() as other:
                try:
                    other.call("SessionService/CreateNamespace", {
                        "session": session, "variables": {"x": {"construct": {
                            "module": "os", "name": "_exit", "args": [{"integer": "1"}]}}}})
                except http_api.ApiError as error:
                    errors.append(error.code)

        threads = [threading.Thread(target=create) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(waiting.WATCHDOG)
        self.assertEqual(len(errors), 3)
        self.assertLessEqual(set(errors), {"aborted", "failed_precondition", "not_found"})

    def test_objects_that_resist_their_end(self):
        """A __del__ that raises, prints or evaluates does not keep a namespace."""
        session = self.session()
        self.client.value("class D:\n  def __del__(self): print('gone'); raise ValueError", session)
        self.create(session, name="n", **{"from": [{"only": {"names": ["D"]}}]})
        self.client.value("d = D()", session, namespace="n")
        self.client.call("SessionService/DestroyNamespace", {"session": session, "namespace": "n"})
        self.at_rest(session)


if __name__ == "__main__":
    unittest.main()
