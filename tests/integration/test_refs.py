# SPDX-License-Identifier: Apache-2.0
"""Objects that stay in their session: used from outside, let go, and counted."""

import unittest

from vivarium_testing.case import DaemonCase


class RefCase(DaemonCase):
    """What the tests below share."""

    config = "[limits]\ngrace = \"300ms\"\n"

    def call(self, session, target, operation="CALL", name="", args=(), **fields):
        """Calls and returns the verdict."""
        return self.client.call("ExecutionService/Call", {
            "session": session, "target": target, "name": name, "jsonArgs": list(args),
            "operation": f"OPERATION_{operation}", **fields})["verdict"]

    def result(self, *args, **fields):
        """Calls what must succeed and returns its value."""
        verdict = self.call(*args, **fields)
        self.assertNotIn("error", verdict)
        return verdict["result"].get("json")

    def keep(self, session, source, **fields):
        """Evaluates to an object without a form and returns its ref as a target."""
        value = self.client.value(source, session, valueOptions={
            "unserializable": "UNSERIALIZABLE_REF"}, **fields)
        return {"ref": {"id": value["$ref"]}}

    def code(self, verdict):
        """Returns kind and code of an error."""
        return verdict["error"]["kind"].removeprefix("ERROR_KIND_"), verdict["error"].get("code")

    def release(self, session, *targets):
        """Releases refs and returns how many there were."""
        return int(self.client.call("SessionService/ReleaseRefs", {
            "session": session, "refs": [t["ref"]["id"] for t in targets]}).get("released", 0))


class Refs(RefCase):
    """What can be done with an object from outside."""

    def test_every_operation(self):
        """On one object that has them all."""
        session = self.session()
        ref = self.keep(session, "import collections\nclass C(collections.UserList): pass\nC([3, 1])")
        self.assertEqual(self.result(session, ref, "LEN"), 2)
        self.assertEqual(self.result(session, ref, "REPR"), "[3, 1]")
        self.assertEqual(self.result(session, ref, "STR"), "[3, 1]")
        self.assertIs(self.result(session, ref, "BOOL"), True)
        self.assertIs(self.result(session, ref, "CONTAINS", args=[3]), True)
        self.assertEqual(self.result(session, ref, "GET_ITEM", args=[0]), 3)
        self.result(session, ref, "SET_ITEM", args=[0, 5])
        self.result(session, ref, "DELETE_ITEM", args=[1])
        self.result(session, ref, name="append", args=[7])
        self.result(session, ref, "SET", name="tag", args=["t"])
        self.assertEqual(self.result(session, ref, "GET", name="tag"), "t")
        self.result(session, ref, "DELETE", name="tag")
        self.assertEqual(self.call(session, ref, "GET", name="tag")["error"]["type"],
                         "AttributeError")
        self.assertEqual(self.call(session, ref, "HASH")["error"]["type"], "TypeError")
        self.assertIn("append", self.result(session, ref, "DIR"))
        self.assertEqual(self.result(session, {"module": "builtins"}, name="list",
                                     args=[{"$ref": ref["ref"]["id"]}]), [5, 7])
        self.assertEqual(self.release(session, ref), 1)
        self.at_rest(session)

    def test_take(self):
        """Items of an iterator, a few at a time, also of one that raises."""
        session = self.session()
        ref = self.keep(session, "def g():\n  yield 1\n  yield 2\n  yield 3\n  1/0\ng()")
        self.assertEqual(self.result(session, ref, "TAKE", args=[2]), [1, 2])
        self.assertEqual(self.call(session, ref, "TAKE", args=[2])["error"]["type"],
                         "ZeroDivisionError")
        self.assertEqual(self.result(session, ref, "TAKE", args=[2]), [])
        for count in (-1, "x", 2**70, None):
            self.assertIn("error", self.call(session, ref, "TAKE", args=[count]))
        self.release(session, ref)
        self.at_rest(session)

    def test_misses_are_told_apart(self):
        """Never there, released, another session's, evicted, expired."""
        session, other = self.session(maxRefs="2", refTtlMs="600000"), self.session()
        one = self.keep(session, "object()")
        for junk in ("", "x", "ref_", "ref_junk", "ref_" + "a" * 26, "ref_\x00", "ref_" + "a" * 9999):
            with self.subTest(junk[:40]):
                self.assertIn(self.code(self.call(session, {"ref": {"id": junk}}, "REPR")),
                              (("NOT_FOUND", "ref_unknown"), ("NOT_FOUND", "ref_of_other_session")))
        self.assertEqual(self.code(self.call(other, one, "REPR")),
                         ("NOT_FOUND", "ref_of_other_session"))
        self.assertEqual(self.release(session, one, one), 1)
        self.assertEqual(self.code(self.call(session, one, "REPR")), ("NOT_FOUND", "ref_released"))
        first, second = self.keep(session, "object()"), self.keep(session, "object()")
        self.call(session, first, "REPR")
        self.keep(session, "object()")
        self.assertEqual(self.code(self.call(session, second, "REPR")),
                         ("NOT_FOUND", "ref_evicted"))
        self.assertNotIn("error", self.call(session, first, "REPR"))
        self.assertEqual(self.counts(session)[0], 2)

    def test_expired(self):
        """After its time without use; told so."""
        session = self.session(refTtlMs="1")
        ref = self.keep(session, "object()")
        self.client.value("import time; time.sleep(0.05)", session)
        self.assertEqual(self.code(self.call(session, ref, "REPR")), ("NOT_FOUND", "ref_expired"))
        self.at_rest(session)

    def test_many(self):
        """Ten thousand of one result; the cap holds; one request lets go of all."""
        session = self.session(maxRefs="10000")
        refs = self.client.value("[object() for _ in range(10_001)]", session, valueOptions={
            "unserializable": "UNSERIALIZABLE_REF"})
        self.assertEqual(self.counts(session)[0], 10_000)
        self.assertEqual(self.release(session, *({"ref": {"id": r["$ref"]}} for r in refs)), 10_000)
        self.at_rest(session)
        self.refused("invalid_argument", "SessionService/ReleaseRefs", {
            "session": session, "refs": ["ref_x"] * 100_001})

    def test_bad_targets(self):
        """Nothing, junk, names that lead nowhere."""
        session = self.session()
        for target, name, kind in (
                ({"module": "nowhere"}, "x", "ModuleNotFoundError"),
                ({"module": "math"}, "nope", "AttributeError"),
                ({"module": "math"}, "..", "AttributeError"), ({"module": "."}, "x", None),
                ({"variable": "nope"}, "", "NameError"), ({"module": "a\0b"}, "x", None),
                ({"value": {"integer": "1"}}, "", "TypeError"),
                ({"module": "m" * 100_000}, "x", None), ({"module": "os"}, "path." * 500, None)):
            with self.subTest(target=str(target)[:40], name=name[:10]):
                verdict = self.call(session, target, name=name)
                self.assert_kept(verdict)
                if kind:
                    self.assertEqual(verdict["error"]["type"], kind)
                self.assertIn("error", verdict)


class Hostile(RefCase):
    """Objects that do not want to be used, or let go."""

    def test_operations_that_misbehave(self):
        """Each special method raises, exits, loops for ever or ends the worker."""
        for operation, method, args in (("REPR", "__repr__", []), ("LEN", "__len__", []),
                                        ("ITER", "__iter__", []), ("BOOL", "__bool__", []),
                                        ("HASH", "__hash__", []), ("CALL", "__call__", []),
                                        ("CONTAINS", "__contains__", [1])):
            session = self.session()
            for body, expected in (("raise BaseException", "PYTHON"), ("exit(3)", "PYTHON"),
                                   ("return object", None),
                                   ("\n    while True: pass", "TIMEOUT"),
                                   ("__import__('os')._exit(1)", "SESSION_LOST")):
                with self.subTest(method=method, body=body):
                    # Made by its type: the ref itself must not run what the operation will.
                    self.client.value(f"class H:\n  def {method}(self, *a): {body}\nh = H()",
                                      session)
                    verdict = self.call(session, {"variable": "h"}, operation, args=args,
                                        options={"timeoutMs": "400" if "while" in body else "20000"})
                    if expected:
                        self.assert_kind(verdict, expected)

    def test_contexts(self):
        """Entered ones are left by EXIT, and one that resists does not keep the session."""
        session = self.session()
        ref = self.keep(session, "log = []\nclass C:\n  def __enter__(self): log.append(1); return 5\n"
                        "  def __exit__(self, *a): log.append(a[0])\nC()")
        self.assertEqual(self.result(session, ref, "ENTER"), 5)
        self.result(session, ref, "EXIT")
        self.assertEqual(self.client.value("log", session), [1, None])
        for body in ("raise ValueError", "\n    while True: pass", "__import__('os')._exit(1)",
                     "exit()", "__import__('time').sleep(60)"):
            with self.subTest(body):
                doomed = self.client.create()
                self.client.value(f"class C:\n  def __enter__(self): pass\n"
                                  f"  def __exit__(self, *a): {body}\nc = C()", doomed)
                self.call(doomed, {"variable": "c"}, "ENTER")
                self.client.call("SessionService/CloseSession", {"session": doomed})
        self.release(session, ref)
        self.at_rest(session)

    def test_del_that_resists(self):
        """Released objects may raise, print, loop: others are let go all the same."""
        session = self.session()
        self.client.value("gone = []\nclass D:\n  def __init__(self, f): self.f = f\n"
                          "  def __del__(self): gone.append(1); self.f()\n"
                          "def fail(): raise ValueError\ndef leave(): exit()", session)
        refs = [self.keep(session, f"D({f})") for f in ("fail", "print", "leave", "int")]
        self.assertEqual(self.release(session, *refs), 4)
        self.assertEqual(self.client.value("len(gone)", session), 4)
        self.at_rest(session)

    def test_client_that_leaves_during_a_call(self):
        """The call runs on or is ended; its ref is the session's."""
        session = self.session()
        self.client.value("import time\nclass Slow:\n  def __call__(self): time.sleep(0.3)", session)
        self.vanish("ExecutionService/Call", {
            "session": session, "target": {"variable": "Slow"}, "operation": "OPERATION_CALL"})
        self.assertEqual(self.client.value("1", session), 1)


if __name__ == "__main__":
    unittest.main()
