# SPDX-License-Identifier: Apache-2.0
"""Files that outlive or betray (threats 44, 46, 47). What goes wrong where clients read and write a
session's files (43, 45) is in integration/test_file_attacks.py."""

import os
import unittest

from vivarium_testing import processes, waiting
from vivarium_testing.attack import AttackCase, answers, anything, satisfies

POISON = "import builtins; builtins.poisoned = True\n"


class Poison(AttackCase):
    """46: code left where another interpreter would pick it up."""

    def test_shared_places(self):
        """Site-packages and the interpreter's own folders cannot be written to."""
        self.attack("import sys, site\n"
                    "places = {p for p in sys.path if p} | {sys.prefix, sys.base_prefix, os.__file__[:-5],"
                    " site.getusersitepackages(), '/usr/lib/python3.11/__pycache__', '/etc/python3.11'}\n"
                    "[tried(open, p + '/' + n, 'w') for p in sorted(places)"
                    " for n in ('sitecustomize.py', 'x.pth', 'json.py')]",
                    satisfies(lambda v: set(v) <= {"EACCES", "EROFS", "ENOENT", "ENOTDIR"} and len(v) > 15))

    def test_the_next_session(self):
        """What is in one's own workspace, home and cache is seen by nobody else, nor by a zygote
        that is started afterwards."""
        session = self.attacker()
        self.client.value(
            f"for n in ('sitecustomize', 'usercustomize', 'json', 'random', 'vivarium', '_vivarium'):\n"
            f"  open(f'/workspace/{{n}}.py', 'w').write({POISON!r})\n"
            f"  open(f'/tmp/{{n}}.py', 'w').write({POISON!r})\n"
            "os.makedirs(os.path.expanduser('~/.local/lib/python3.11/site-packages'), exist_ok=True)\n"
            "open(os.path.expanduser('~/.local/lib/python3.11/site-packages/x.pth'), 'w')"
            f".write({POISON!r})", session)
        [old] = processes.zygotes(self.daemon.pid)
        os.kill(old.pid, 9)
        waiting.wait_for(lambda: [z for z in processes.zygotes(self.daemon.pid) if z.pid != old.pid],
                         "a new zygote")
        for _ in range(4):
            self.assertEqual(self.client.value(
                "import builtins, importlib, json, random, os\n"
                "[hasattr(builtins, 'poisoned'), json.__file__.startswith('/usr'), os.listdir()]"),
                [False, True, []])
        self.assert_unharmed()

    def test_own_imports_are_its_own_business(self):
        """The attacker may shadow modules for itself, as in any Python."""
        session = self.attacker()
        self.attack("open('colorsys.py', 'w').write('mine = 1')\nimport colorsys\ncolorsys.mine",
                    answers(1), session)
        self.assertFalse(self.client.value("import colorsys\nhasattr(colorsys, 'mine')"))


class Others(AttackCase):
    """47: another session's files, by name and by looking around."""

    def test_no_way_there(self):
        """The mounts of another worker are in another mount namespace."""
        victim = self.session()
        self.client.value("open('/workspace/secret', 'w').write('s3cret')\n"
                          "open('/tmp/secret', 'w').write('s3cret')", victim)
        session = self.attacker()
        self.attack("found = []\nfor top in ('/session', '/tmp', '/dev/shm', '/workspace', '/usr/local', '/etc'):\n"
                    "  for root, folders, files in os.walk(top):\n"
                    "    found += [root + '/' + f for f in files if f == 'secret']\nfound", answers([]), session)
        self.attack("[tried(open, p) for p in ('/session/fs/workspace/secret', '/session/fs/tmp/secret',"
                    " '/proc/2/root/workspace/secret', '/proc/2/cwd/secret', '/session/../session/fs/secret')]",
                    answers(["ENOENT"] * 5), session)
        self.assertEqual(self.client.value("open('/workspace/secret').read()", victim), "s3cret")


class CleaningUp(AttackCase):
    """44: the daemon never walks a tenant's files: they go with the mount namespace."""

    def test_trees_that_resist(self):
        """Deep, closed, many, linked in circles and to the host; races while the session is closed."""
        for source in (
                "n = 0\ntry:\n  while True: os.mkdir('d'); os.chdir('d'); n += 1\nexcept OSError: pass",
                "for i in range(2000): open(f'f{i}', 'w').close()\nos.mkdir('x'); os.chmod('x', 0)",
                "os.symlink('/', 'root'); os.symlink('..', 'up'); os.symlink('self', 'self')\n"
                "tried(os.link, '/etc/passwd', 'p')",
                "open('open', 'w'); keep = os.open('open', os.O_RDWR); os.unlink('open')\n"
                "os.write(keep, bytes(1 << 20))",
                "import threading\ndef race():\n  while True:\n    try: os.rename('a', 'b')\n"
                "    except OSError: pass\n    try: os.symlink('/', 'a')\n    except OSError: pass\n"
                "    try: os.unlink('b')\n    except OSError: pass\n"
                "threading.Thread(target=race, daemon=True).start()"):
            with self.subTest(source):
                session = self.attacker()
                self.attack(source, anything, session)
                self.end(session)
        self.assertTrue(os.path.exists("/etc/passwd"))


if __name__ == "__main__":
    unittest.main()
