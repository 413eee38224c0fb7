# SPDX-License-Identifier: Apache-2.0
"""What the tests of a worker have in common. They run on every interpreter that VIVARIUM_PYTHONS names, or
on Debian's and each later CPython that is found."""

import os
import re
import shutil
import subprocess
import unittest

import wire
from worker import Worker

DEBIAN = "/usr/bin/python3"


def _interpreters():
    named = os.environ.get("VIVARIUM_PYTHONS")
    if named:
        return named.split(":")
    found = {}
    for version in ("3.12", "3.13", "3.14"):
        candidates = [shutil.which(f"python{version}")]
        if shutil.which("pyenv"):
            told = subprocess.run(["pyenv", "whence", "--path", f"python{version}"], capture_output=True,
                                  text=True, check=False)
            candidates += told.stdout.split()
        for candidate in filter(None, candidates):
            # It may be a shim for a version that is not there.
            told = subprocess.run([candidate, "-Ic", "import sys; print(sys.executable)"], capture_output=True,
                                  text=True, check=False)
            if told.returncode == 0 and version not in found:
                found[version] = told.stdout.strip()
    return [DEBIAN, *found.values()]


PYTHONS = _interpreters()


class WorkerTest(unittest.TestCase):
    python = PYTHONS[0]
    setup_code = None
    cwd = None

    def setUp(self):
        self.w = Worker(self.python, self.setup_code, self.cwd)
        self.addCleanup(self.w.kill)

    def value(self, source, **options):
        return self.w.run(source, **options).value

    def error(self, source, **options):
        ended = self.w.run(source, **options)
        self.assertEqual(ended.outcome, "error", source)
        return ended.error

    def has(self, module):
        return self.value(f"import importlib.util\nimportlib.util.find_spec({module!r}) is not None")

    def operate(self, mode, *operands, **options):
        return self.w.operate(mode, *operands, **options).value

    def refused(self, mode, *operands, **options):
        """Runs what has to fail; returns (kind, code) of the error."""
        ended = self.w.operate(mode, *operands, **options)
        self.assertEqual(ended.outcome, "error", (mode, operands))
        return ended.error.kind, ended.error.code

    def counts(self):
        """(refs, namespaces, streams) as the worker has them."""
        told = self.operate(wire.INSPECT, "memory")
        return told["refs"], told["namespaces"], told["streams"]


def on_every_python(loader, *cases):
    suite = unittest.TestSuite()
    for python in PYTHONS:
        for case in cases:
            name = f"{case.__name__}_{re.sub(r'[^0-9a-zA-Z]+', '_', python)}"
            suite.addTests(loader.loadTestsFromTestCase(type(name, (case,), {"python": python})))
    return suite
