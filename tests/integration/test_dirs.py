# SPDX-License-Identifier: Apache-2.0
"""Directories of the host that sessions of an environment see: those, as they were given, and nothing
else."""

import os
import shutil
import tempfile
import unittest

from vivarium_testing.case import DaemonCase

# Makes each call and tells what came of it, so that one question serves a whole table.
TRY = """
import errno, os, pathlib
def attempt(call):
    try:
        call()
        return "done"
    except OSError as error:
        return [type(error).__name__, errno.errorcode[error.errno], str(error)]
"""
RAW = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def raw(name, *args):
    ctypes.set_errno(0)
    return "ok" if getattr(libc, name)(*args) >= 0 else errno.errorcode[ctypes.get_errno()]
"""


class Dirs(DaemonCase):
    """One to read, one to write, one that is neither."""

    @classmethod
    def setUpClass(cls):
        # Not below /tmp, which every session has of its own.
        cls.top = tempfile.mkdtemp(prefix="vivarium-dirs-", dir="/var/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.top)
        os.chmod(cls.top, 0o755)
        for name, mode in (("data", 0o755), ("out", 0o777), ("other", 0o777)):
            os.mkdir(f"{cls.top}/{name}")
            os.chmod(f"{cls.top}/{name}", mode)
            with open(f"{cls.top}/{name}/file", "w", encoding="ascii") as file:
                file.write(f"of {name}")
            os.chmod(f"{cls.top}/{name}/file", 0o666)
        for name, target in (("absolute", f"{cls.top}/other/file"), ("relative", "../other/file"),
                             ("host", "/etc/hostname"), ("missing", "/var/lib/nothing"),
                             ("inside", "file"), ("folder", "../other")):
            os.symlink(target, f"{cls.top}/data/{name}")
        cls.config = (f'[environments.data]\n[environments.data.dirs]\n"{cls.top}/data" = "read"\n'
                      f'"{cls.top}/out" = "write"\n')
        super().setUpClass()
        # Its pool has started before anybody takes stock.
        with cls.daemon.client() as client:
            client.call("SessionService/CloseSession",
                        {"session": client.create(environment="data")})

    def data(self, prelude=TRY):
        """A session that sees them."""
        session = self.session(environment="data")
        self.client.value(f"top = {self.top!r}\n{prelude}\n0", session)
        return session

    def refusals(self, session, calls, *texts):
        """Each of the calls is a PermissionError that says all of these."""
        told = self.client.value(
            "[attempt(call) for call in (" + ", ".join(f"lambda: {call}" for call in calls) + ",)]",
            session)
        for call, answer in zip(calls, told):
            with self.subTest(call):
                self.assertEqual(answer[:2], ["PermissionError", "EACCES"], answer)
                for text in texts:
                    self.assertIn(text, answer[2])

    def test_reading(self):
        """Files, lists, links that stay inside; what is not there is not there."""
        session = self.data()
        self.assertEqual(self.client.value(
            "[open(top + '/data/file').read(), pathlib.Path(top, 'data', 'inside').read_text(),\n"
            " os.path.getsize(top + '/data/file'), sorted(os.listdir(top + '/data')),\n"
            " attempt(lambda: open(top + '/data/none'))[:2], attempt(lambda: open('none'))[:2],\n"
            " attempt(lambda: open('/usr/none'))[:2], os.path.exists(top + '/other')]", session),
            ["of data", "of data", 7,
             sorted(["file", "absolute", "relative", "host", "missing", "inside", "folder"]),
             ["FileNotFoundError", "ENOENT"], ["FileNotFoundError", "ENOENT"],
             ["FileNotFoundError", "ENOENT"], False])

    def test_writing_where_it_is_for_reading(self):
        """Every way to change it says which option would allow that."""
        session = self.data()
        self.refusals(session, [
            "open(top + '/data/file', 'w')", "open(top + '/data/file', 'a')",
            "open(top + '/data/new', 'x')", "os.open(top + '/data/file', os.O_RDWR)",
            "pathlib.Path(top, 'data', 'new').write_text('x')", "os.mkdir(top + '/data/new')",
            "os.unlink(top + '/data/file')", "os.remove(top + '/data/file')",
            "os.rename(top + '/data/file', top + '/data/new')",
            "os.truncate(top + '/data/file', 0)", "os.chmod(top + '/data/file', 0o777)",
            "os.utime(top + '/data/file')", "os.symlink('x', top + '/data/new')",
        ], "`dirs` of [environments.data]", "for reading only", '"write"')
        self.client.value(RAW + "0", session)
        path = f"b'{self.top}/data/file'"
        answers = self.client.value(
            f"[raw('open', {path}, 2), raw('unlink', {path}), raw('truncate', {path}, 0),\n"
            f" raw('chmod', {path}, 0o777), raw('rename', {path}, {path[:-1]}x'),\n"
            f" raw('mkdir', {path[:-1]}x', 0o777), raw('link', {path}, {path[:-1]}x')]", session)
        self.assertLessEqual(set(answers), {"EROFS", "EACCES"})
        with open(f"{self.top}/data/file", encoding="ascii") as file:
            self.assertEqual(file.read(), "of data")

    def test_writing(self):
        """What one session writes the host sees, and the next session."""
        self.assertEqual(self.client.value(
            "os.mkdir(top + '/out/d')\nwith open(top + '/out/d/f', 'w') as f: n = f.write('hello')\n"
            "os.rename(top + '/out/d/f', top + '/out/d/g')\n"
            "with open(top + '/out/file', 'a') as f: f.write('!')\nn", self.data()), 5)
        with open(f"{self.top}/out/d/g", encoding="ascii") as file:
            self.assertEqual(file.read(), "hello")
        self.assertEqual(self.client.value(
            "text = open(top + '/out/d/g').read() + open(top + '/out/file').read()\n"
            "import shutil\nwith open(top + '/out/file', 'w') as f: f.write('of out')\ntext",
            self.data()), "helloof out!")
        # Nothing that would lead somebody of the host elsewhere, or keep him waiting.
        self.assertEqual(self.client.value(
            "[attempt(lambda: os.symlink('/etc/shadow', top + '/out/l'))[0],\n"
            " attempt(lambda: os.mkfifo(top + '/out/p'))[0],\n"
            " attempt(lambda: os.link(top + '/data/file', top + '/out/h'))[0] != 'done']", self.data()),
            ["PermissionError", "PermissionError", True])
        self.assertEqual(sorted(os.listdir(f"{self.top}/out")), ["d", "file"])

    def test_beyond(self):
        """By name, by "..", through a link: a PermissionError with the option, whatever is there."""
        session = self.data()
        for path in ("/other/file", "/other", "/other/none", "/data/../other/file",
                     "/data/../../../root/x", "/data/absolute", "/data/relative", "/data/host",
                     "/data/missing", "/data/folder/file", "/out/../other/file", "/none"):
            calls = [f"open(top + {path!r})", f"os.open(top + {path!r}, 0)",
                     f"open(top + {path!r}, 'w')"]
            with self.subTest(path):
                self.refusals(session, calls, "`dirs` of [environments.data]", "out of this session's")
        self.refusals(session, ["open('/root/.ssh/id_rsa')", "os.listdir('/home')",
                                "os.listdir(top)", "os.mkdir(top + '/new')",
                                "os.listdir(top + '/other')", "os.listdir(top + '/data/folder')"],
                      "`dirs` of [environments.data]")
        # Without Python in between there is nothing, which tells less.
        self.client.value(RAW + "0", session)
        self.assertLessEqual(set(self.client.value(
            f"[raw('open', b'{self.top}/' + p, 0) for p in (b'other/file', b'data/../other/file',\n"
            "  b'data/absolute', b'data/relative', b'data/missing', b'data/folder/file', b'')]",
            session)), {"ENOENT", "EACCES"})

    def test_other_environments(self):
        """See nothing of it."""
        session = self.session()
        self.client.value(TRY + "0", session)
        self.assertEqual(self.client.value(
            f"[attempt(lambda: open({self.top + '/data/file'!r}))[0], os.path.exists({self.top!r})]",
            session), ["FileNotFoundError", False])


if __name__ == "__main__":
    unittest.main()
