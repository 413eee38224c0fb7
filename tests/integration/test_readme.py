# SPDX-License-Identifier: Apache-2.0
"""Every line of the README and of pages like it works as printed, and answers what is printed beside it."""

import os
import re
import subprocess
import unittest

from vivarium_testing import daemon as daemons, waiting

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Set by scripts/clean-root-test: `make run` has started the daemon, and not a letter is changed.
AS_PRINTED = os.environ.get("VIVARIUM_README_AS_PRINTED") == "1"


class Printed(unittest.TestCase):
    """The shell blocks of a page, but for the ones that build."""

    page = ""

    @classmethod
    def setUpClass(cls):
        """Starts a daemon, and makes a folder that looks like the checkout around it."""
        with open(f"{ROOT}/{cls.page}", encoding="utf-8") as file:
            blocks = re.findall(r"```sh\n(.*?)```", file.read(), re.DOTALL)
        cls.blocks = [block for block in blocks if "make run" not in block]
        cls.place = ROOT
        cls.environment = dict(os.environ)
        if AS_PRINTED:
            return
        cls.daemon = daemons.Daemon()
        cls.addClassCleanup(cls.daemon.destroy)
        cls.environment = {**daemons.command_environment(cls.daemon.folder),
                           "VIVARIUM_URL": cls.daemon.url}
        cls.place = f"{cls.daemon.folder}/checkout"
        os.makedirs(f"{cls.place}/build/release")
        for name, target in (("examples", f"{ROOT}/examples"), ("scripts", f"{ROOT}/scripts"),
                             ("tests", f"{ROOT}/tests"), ("build/npm", f"{ROOT}/build/npm"),
                             ("build/release/bin", daemons.BIN),
                             ("build/release/examples", f"{daemons.BIN}/../examples")):
            os.symlink(target, f"{cls.place}/{name}")

    def run_block(self, block):
        """Runs a block, looks for the answers that its comments promise, and returns its output."""
        script = "shopt -s expand_aliases\nset -e\n"
        for line in block.splitlines():
            if "exit status 124" in line:
                line = f"status=0; {line.split('#')[0]} || status=$?; [ $status = 124 ]"
            if not AS_PRINTED:
                if line.startswith("scripts/install-packages"):
                    continue
                line = line.replace("127.0.0.1:7717", f"127.0.0.1:{self.daemon.port}")
            script += line + "\n"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.place, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=waiting.WATCHDOG, check=False, env=self.environment)
        self.assertEqual(done.returncode, 0, script + done.stdout + done.stderr)
        for promise in re.findall(r" # ([\[{\d].*)$", block, re.MULTILINE):
            self.assertIn(promise + "\n", done.stdout, script)
        if "ExecutionService/Eval" in block:
            self.assertIn('"executionId"', done.stdout)
            self.assertNotIn('"code"', done.stdout)
        return done


class Readme(Printed):
    """Those of README.md."""

    page = "README.md"

    def test_shell_blocks(self):
        """Those that need nothing but the daemon."""
        blocks = [block for block in self.blocks if "npm-tools" not in block]
        self.assertGreaterEqual(len(blocks), 3)
        for block in blocks:
            with self.subTest(block.splitlines()[0]):
                self.run_block(block)

    def test_websocket_block(self):
        """The one that needs Node."""
        if not AS_PRINTED and not os.path.exists(f"{ROOT}/build/npm/installed"):
            self.skipTest("no npm")  # The conformance tests, which install it, say so.
        blocks = [block for block in self.blocks if "npm-tools" in block]
        self.assertEqual(len(blocks), 1)
        done = self.run_block(blocks[0])
        self.assertIn("{ json: 1024 }\n", done.stdout)


class Callbacks(Printed):
    """Those of docs/callbacks.md, which stand in one shell."""

    page = "docs/callbacks.md"

    def test_shell_blocks(self):
        """All of them; what a comment does not promise is told here."""
        self.assertGreaterEqual(len(self.blocks), 5)
        done = self.run_block("".join(self.blocks))
        self.assertIn('"result":{"json":42}', done.stdout)
        self.assertIn("WARNING root: careful\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
