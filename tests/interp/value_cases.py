# SPDX-License-Identifier: Apache-2.0
"""What the tests of values have in common."""

import os
import unittest

import values_wire as vw
import wire
from cases import DEBIAN, PYTHONS
from worker import Worker

SEED = int(os.environ.get("VIVARIUM_SEED", "20261120"))
AS_ERROR, AS_REF, AS_REPR = 1, 2, 3


def content_of(body, number):
    """The content of a Value of the kind `number`."""
    ((found, _, content),) = wire.fields(body)
    assert found == number, (found, number)
    return content


def items_of(body, number=8):
    return [content for _, _, content in wire.fields(content_of(body, number))]


def ref_of(body):
    told = wire.record(content_of(body, 26))
    return wire.Ref(told[1].decode(), told[2].decode(), told[3].decode(), told.get(4))


class ValuesTest(unittest.TestCase):
    python = PYTHONS[0]

    def setUp(self):
        self.w = Worker(self.python)
        self.addCleanup(self.w.kill)

    def needs_numpy(self):
        """Debian's interpreter has it, and runs what needs it."""
        if not self.has_numpy():
            self.skipTest("this interpreter has no numpy")

    def has_numpy(self):
        found = self.run_ok("import importlib.util\nimportlib.util.find_spec('numpy') is not None") == vw.encode(True)
        self.assertTrue(found or self.python != DEBIAN)
        return found

    def run_ok(self, source, **options):
        ended = self.w.run(source, **options)
        self.assertEqual(ended.outcome, "value", f"{source!r}: {ended.error!r}")
        return ended.content

    def error(self, source, **options):
        ended = self.w.run(source, **options)
        self.assertEqual(ended.outcome, "error", source)
        return ended.error

    def send(self, encoded, source="v", **options):
        return self.run_ok(source, operands=vw.variables(v=encoded), **options)

    def refuse(self, encoded, **options):
        return self.error("v", operands=vw.variables(v=encoded), **options)

    def is_true(self, encoded, source, **options):
        self.assertEqual(self.send(encoded, source, **options), vw.encode(True), source)
