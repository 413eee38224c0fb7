# SPDX-License-Identifier: Apache-2.0
"""Attacks: what hostile code tries, what must come of it, and a neighbour who must not notice.

An outcome is a function of (case, verdict) that fails when the verdict is another one; `either` joins
those that are acceptable. What an attack tells about itself is believed only where lying would not
help it: the daemon's own words (kind, cause, state of the session) come first."""

import collections

from . import http_api
from .case import DaemonCase

# What hostile code brings along: the C library's syscall(), so that no wrapper of Python's helps or
# hinders. `call` returns the result, or the name of the errno.
RAW = '''
import ctypes, errno, os, mmap, struct
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
def call(number, *words):
    ctypes.set_errno(0)
    result = _libc.syscall(ctypes.c_long(number),
                           *[ctypes.c_long(w) if isinstance(w, int) else w for w in words])
    return errno.errorcode[ctypes.get_errno()] if result == -1 else result
room = ctypes.create_string_buffer(1 << 16)
def pointer(data): return ctypes.create_string_buffer(data)
def tried(f, *a, **k):
    try: f(*a, **k)
    except OSError as e: return errno.errorcode.get(e.errno, type(e).__name__)
    except Exception as e: return type(e).__name__
    return "done"
'''

# Finds its answers pipe, and knows enough of the protocol to lie in it.
FORGER = r'''
import os, struct
def varint(n):
    out = b""
    while n > 127: out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])
def num(field, n): return varint(field << 3) + varint(n)
def data(field, b): return varint(field << 3 | 2) + varint(len(b)) + b
def frame(kind, body): return struct.pack("<IB3x", len(body), kind) + body
def finished(execution, kind, content, output=0, cut=0, stopped=0):
    return frame(19, num(1, execution) + num(2, kind) + data(3, content) + num(4, output)
                 + num(5, cut) + num(6, stopped))
def output(execution, text, err=0):
    return frame(17, num(1, execution) + num(2, err) + data(3, text))
def items(execution, count, content):
    return frame(20, num(1, execution) + num(2, count) + data(3, content))
arguments = data(9, data(1, data(9, b"")) + data(1, data(10, b"")))
def host_call(number, name=b"f", kind=1, execution=2, blocking=1, host=0, operands=arguments):
    return frame(22, num(1, execution) + num(2, number) + num(3, kind) + num(4, blocking)
                 + num(5, host) + data(6, name) + data(7, operands) + num(8, 0))
def drop(number):
    return frame(23, num(1, number))
def note(kind, content, execution=2):
    return frame(24, num(1, execution) + num(2, kind) + data(3, content))
def tell(b):
    b = memoryview(b)
    while b: b = b[os.write(4, b):]
integer = num(3, 2)
def deep(n, b=integer):
    for _ in range(n): b = data(8, data(1, b))
    return b
'''


def answers(value):
    """It runs to its end, and that is the value."""
    def outcome(case, verdict):
        case.assertNotIn("error", verdict)
        case.assertEqual(verdict["result"].get("json"), value, verdict)
        case.assert_kept(verdict)
    return outcome


def satisfies(condition):
    """It runs to its end with a value for which that holds."""
    def outcome(case, verdict):
        case.assertNotIn("error", verdict)
        case.assertTrue(condition(verdict["result"].get("json")), verdict)
        case.assert_kept(verdict)
    return outcome


def raises(*types):
    """Python's own error of one of these types; the session is kept."""
    def outcome(case, verdict):
        case.assertIn("error", verdict)
        case.assertIn(verdict["error"].get("type"), types, verdict)
        case.assert_kept(verdict)
    return outcome


def fails(*kinds):
    """An error of one of these kinds; the session is kept."""
    def outcome(case, verdict):
        case.assertIn("error", verdict)
        case.assertIn(verdict["error"].get("kind"), [f"ERROR_KIND_{k}" for k in kinds], verdict)
        case.assert_kept(verdict)
    return outcome


def caused(cause, limit=None, by="KERNEL"):
    """The session is lost, with that cause by the kernel's or the daemon's word."""
    def outcome(case, verdict):
        case.assert_lost(verdict)
        case.assertEqual(verdict["cause"]["cause"], cause, verdict)
        case.assertEqual(verdict["cause"]["enforcedBy"], f"ENFORCED_BY_{by}", verdict)
        if limit is not None:
            case.assertEqual(verdict["cause"].get("limit", ""), limit, verdict)
    return outcome


def stopped(lost=None):
    """The deadline ended it; the session is kept, lost, or either."""
    def outcome(case, verdict):
        case.assert_kind(verdict, "TIMEOUT")
        if lost is not None:
            (case.assert_lost if lost else case.assert_kept)(verdict)
    return outcome


def violated(case, verdict):
    """The daemon ended the session for what its worker said."""
    case.assert_lost(verdict)
    case.assertEqual(verdict["cause"]["cause"], "protocol", verdict)


def anything(case, verdict):
    """Whatever comes of it is the attacker's own: there is a verdict, and that is all."""
    case.assertTrue(verdict)


def either(*outcomes):
    """One of these."""
    def outcome(case, verdict):
        failures = []
        for one in outcomes:
            try:
                return one(case, verdict)
            except AssertionError as error:
                failures.append(str(error))
        raise AssertionError("none of the acceptable outcomes:\n" + "\n".join(failures))
    return outcome


class Attack(collections.namedtuple("Attack", "name source outcome")):
    """A row of a table of attacks that are alike."""


class AttackCase(DaemonCase):
    """A daemon of default strictness, an attacker's session at a time, a bystander beside it."""

    config = "[limits]\ngrace = \"300ms\"\n"
    prelude = RAW

    def attacker(self, prelude=None):
        """Returns a session that has what attacks bring along."""
        session = self.session()
        self.client.value(self.prelude if prelude is None else prelude, session)
        return session

    def attack(self, source, outcome, session=None, timeout_ms=10_000, **fields):
        """Attacks, in a session of its own unless one is given, and looks at what came of it and
        whether the neighbour still has answers. Returns the verdict."""
        own = session is None
        session = session or self.attacker()
        verdict = self.client.eval(source, session, timeoutMs=str(timeout_ms), **fields)
        outcome(self, verdict)
        self.assert_unharmed()
        if own:
            self.end(session)
        return verdict

    def attacks(self, *table, **fields):
        """Makes each attack of a table in a session of its own."""
        for name, source, outcome in table:
            with self.subTest(name):
                self.attack(source, outcome, **fields)

    def assert_unharmed(self):
        """The daemon is up, and the neighbour's answers are right and keep coming."""
        self.assertIsNone(self.daemon.process.poll(), "the daemon died:\n" + self.daemon.log())
        if self.neighbour is not None:
            self.neighbour.check()

    def end(self, session):
        """Closes a session before the test is over, so that tables do not pile them up."""
        self.sessions.remove(session)
        try:
            self.client.call("SessionService/CloseSession", {"session": session})
        except http_api.ApiError as error:
            self.assertIn(error.code, ("not_found", "aborted"), error)


class TwinCase(AttackCase):
    """The same machine without a layer: the attack succeeds, so it is that layer which stops it.
    There is no neighbour, who would suffer."""

    watched = False
    without = ()

    @classmethod
    def setUpClass(cls):
        """Leaves the layers out."""
        names = ", ".join(f'"{name}"' for name in cls.without)
        cls.config = f"[sandbox]\nallow_degraded = [{names}]\n" + cls.config
        super().setUpClass()
