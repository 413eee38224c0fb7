# SPDX-License-Identifier: Apache-2.0
"""What a session has for itself: a process, files, an environment, its output."""

import unittest

from vivarium_testing import daemon as daemons
from vivarium_testing.case import DaemonCase


class OwnWorld(DaemonCase):
    """Nothing of it is anybody else's."""

    def test_a_fresh_process_with_everything_preloaded(self):
        """Forked from one that has imported the modules, and used by nobody before."""
        pids = set()
        for _ in range(3):
            session = self.session()
            told = self.client.call("SessionService/GetSession", {"session": session})
            pids.add(told["session"]["workerPid"])
            self.assertTrue(self.client.value("import sys\n'json' in sys.modules", session))
            self.assertIsNone(self.client.value("globals().get('mark')", session))
            self.client.value("mark = sys.modules['json'].mark = 1\nNone", session)
            self.assertIsNone(self.client.value("import json\ngetattr(json, 'mark', None)",
                                                self.session()))
        self.assertEqual(len(pids), 3)

    def test_files_are_its_own(self):
        """An empty directory at first, which another session does not see."""
        one, other = self.session(), self.session()
        self.assertEqual(self.client.value("import os\nos.listdir()", one), [])
        self.client.value("open('mine', 'w').write('secret')\nNone", one)
        self.assertEqual(self.client.value("import os\nos.listdir()", other), [])
        place = self.client.value("os.path.abspath('mine')", one)
        self.assertEqual(self.client.value("open(place).read() if os.path.exists(place) else ''", other,
                                           jsonVariables={"place": place}), "")
        self.assertEqual(self.client.value("open('mine').read()", one), "secret")

    def test_what_is_written_to_descriptors(self):
        """Comes with the output, each line on its stream."""
        verdict = self.client.eval(
            "import os\nprint('first')\nos.write(1, b'raw\\n')\nos.write(2, b'wrong\\n')\n"
            "print('last')", self.session())
        self.assertEqual(verdict["stdout"], "first\nraw\nlast\n")
        self.assertEqual(verdict["stderr"], "wrong\n")


class Environment(unittest.TestCase):
    """The daemon's own is the operator's business."""

    def test_nothing_of_the_daemon_is_seen(self):
        """Neither variables nor arguments of the daemon show in a session."""
        with daemons.Daemon(variables={"OPERATORS_SECRET": "s3cret"}) as running:
            with running.client() as client:
                seen = client.value("import os, sys\n[dict(os.environ), sys.argv, sys.orig_argv]")
        self.assertNotIn("OPERATORS_SECRET", seen[0])
        self.assertNotIn("s3cret", str(seen))
        self.assertNotIn(running.folder, str(seen))


if __name__ == "__main__":
    unittest.main()
