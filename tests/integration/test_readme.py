# SPDX-License-Identifier: Apache-2.0
"""Every line of the README works as printed, and answers what is printed beside it."""

import os
import re
import subprocess
import unittest

from vivarium_testing import daemon as daemons, waiting
from vivarium_testing.case import DaemonCase

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Readme(DaemonCase):
    """The shell blocks of README.md, but for the ones that build."""

    watched = False

    def test_shell_blocks(self):
        """Run in a folder that looks like the checkout, with this daemon's port."""
        place = f"{self.daemon.folder}/checkout"
        os.makedirs(f"{place}/build/release")
        for name, target in (("examples", f"{ROOT}/examples"), ("scripts", f"{ROOT}/scripts"),
                             ("tests", f"{ROOT}/tests"), ("build/npm", f"{ROOT}/build/npm"),
                             ("build/release/bin", daemons.BIN)):
            os.symlink(target, f"{place}/{name}")
        with open(f"{ROOT}/README.md", encoding="utf-8") as file:
            blocks = re.findall(r"```sh\n(.*?)```", file.read(), re.DOTALL)
        blocks = [block for block in blocks if "make run" not in block]
        self.assertGreaterEqual(len(blocks), 4)
        for block in blocks:
            with self.subTest(block.splitlines()[0]):
                if "npm-tools" in block and not os.path.exists(f"{ROOT}/build/npm/installed"):
                    continue  # The conformance tests, which install it, say so when they cannot.
                self.run_block(block, place)

    def run_block(self, block, place):
        """Runs a block, and looks for the answers that its comments promise."""
        script = "shopt -s expand_aliases\nset -e\n"
        for line in block.splitlines():
            if line.startswith("scripts/install-packages"):
                continue
            if "exit status 124" in line:
                line = f"status=0; {line.split('#')[0]} || status=$?; [ $status = 124 ]"
            script += line.replace("127.0.0.1:7717", f"127.0.0.1:{self.daemon.port}") + "\n"
        done = subprocess.run(
            ["bash", "-c", script], cwd=place, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=waiting.WATCHDOG, check=False,
            env={**daemons.command_environment(self.daemon.folder),
                 "VIVARIUM_URL": self.daemon.url})
        self.assertEqual(done.returncode, 0, script + done.stdout + done.stderr)
        for promise in re.findall(r" # ([\[{\d].*)$", block, re.MULTILINE):
            self.assertIn(promise + "\n", done.stdout, script)
        if "ExecutionService/Eval" in block:
            self.assertIn('"executionId"', done.stdout)
            self.assertNotIn('"code"', done.stdout)


if __name__ == "__main__":
    unittest.main()
