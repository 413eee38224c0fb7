# SPDX-License-Identifier: Apache-2.0
"""Attacks on and through the files of sessions (threats 43 to 47): paths, links swapped while the
daemon works, what blocks, grows or is endless, other tenants, clients that lie or vanish."""

import os
import socket
import threading
import unittest

from vivarium_testing import http_api, processes, waiting
from vivarium_testing.attack import AttackCase
from vivarium_testing.files import Files, encoded, sha256
from vivarium_testing.tenants import TenantCase

MIB = 1 << 20
ROUNDS = 300

# Runs until a file says that it is enough: the session's code against the daemon's hand.
RACE = """
import os, threading, time
stop = False
def race(step):
    def run():
        while not stop:
            try: step()
            except OSError: pass
    threads = [threading.Thread(target=run, daemon=True) for _ in range(2)]
    for t in threads: t.start()
"""


class Paths(AttackCase):
    """43: what a path may lead to."""

    config = ('[limits]\ngrace = "300ms"\n[limits.max]\nworkspace = "256MiB"\n'
              'workspace_inodes = 200000\n')

    def files(self, source="0", **fields):
        """The files of a hostile session."""
        session = self.session(**fields)
        self.client.value(source, session)
        return Files(self.client, session)

    def refused(self, call, *codes):
        """The call fails with one of these; nothing of the host is in the answer."""
        try:
            answer = call()
        except http_api.ApiError as error:
            self.assertIn(http_api.detail_of(error).get("code", error.code), codes, error)
            return error
        raise AssertionError(f"not refused: {answer!r}")

    def test_links(self):
        """Links to the host, to itself, in the middle, at the end: seen, never followed."""
        files = self.files(
            "import os\nfor n, t in (('shadow', '/etc/shadow'), ('up', '../../../..'), ('root', '/'),\n"
            "             ('self', 'self'), ('proc', '/proc/self/root'), ('in', 'real'), ('fs', '/session/fs/etc')):\n"
            "  os.symlink(t, n)\nos.mkdir('real')\nopen('real/x', 'w').write('x')")
        for path in ("shadow", "up/etc/shadow", "root/etc/shadow", "self", "proc/etc/shadow", "in/x",
                     "fs/passwd", "up"):
            for call in (files.get, lambda p: files.read(p), lambda p: files.http("GET", p)):
                self.refused(lambda: call(path), "failed_precondition")
        for path in ("up/tmp/x", "root/tmp/x", "fs/hosts", "proc/x"):
            for call in (lambda: files.put(path, b"x"), lambda: files.remove(path, True),
                         lambda: files.ask("MakeDirectory", path=path),
                         lambda: files.ask("MoveFile", **{"from": "real/x", "to": path})):
                self.refused(call, "failed_precondition", "not_directory")
        self.refused(lambda: files.list("root"), "failed_precondition", "not_directory")
        self.assertEqual(files.stat("shadow")["target"], "/etc/shadow")
        # A link itself is replaced and removed; what it leads to is left alone.
        files.put("in", b"now a file")
        self.assertEqual((files.stat("in")["type"], files.get("real/x")), ("FILE_TYPE_FILE", b"x"))
        self.assertEqual(files.remove("root", True), 1)
        self.assertEqual(files.remove("", True), 8)
        self.assert_unharmed()

    def test_no_plain_files(self):
        """What blocks or is no file is refused at once; sparse and growing files end."""
        files = self.files(
            "import os, threading\n"
            "try: os.mkfifo('fifo')\nexcept OSError: pass\n"
            "open('closed', 'w').write('x'); os.chmod('closed', 0)\nos.mkdir('shut', 0)\n"
            "with open('sparse', 'w') as f: f.truncate(60 << 20)\n"
            "os.link('closed', 'hard')\nopen('grows', 'w').write('x')\n"
            "def grow():\n  with open('grows', 'ab') as f:\n    for _ in range(20000): f.write(b'x' * 1000)\n"
            "threading.Thread(target=grow, daemon=True).start()")
        if "fifo" in files.list()[0]:
            self.refused(lambda: files.get("fifo"), "failed_precondition")
        self.refused(lambda: files.get("closed"), "permission_denied")
        self.refused(lambda: files.get("hard"), "permission_denied")
        self.refused(lambda: files.list("shut"), "permission_denied")
        self.refused(lambda: files.put("shut/x", b""), "permission_denied")
        self.refused(lambda: files.get("sparse"), "too_large")
        pieces, last = files.read("sparse", noChecksum=True)
        self.assertEqual((sum(map(len, pieces)), last["size"]), (60 * MIB, str(60 * MIB)))
        pieces, last = files.read("grows")
        self.assertEqual(last["size"], str(sum(map(len, pieces))))
        self.assertEqual(files.remove("shut", True), 1)
        self.assert_unharmed()

    def race(self, files, step, attempt, allowed):
        """The session runs `step` without pause, the daemon is asked `attempt`. Returns successes."""
        self.client.value(RACE + f"def step():\n{step}\nrace(step)", files.session)
        done = 0
        for n in range(ROUNDS):
            try:
                done += bool(attempt(n))
            except http_api.ApiError as error:
                self.assertIn(http_api.detail_of(error).get("code", error.code), allowed, error)
        self.client.value("stop = True", files.session)
        return done

    def test_link_swapped_for_a_directory(self):
        """A directory becomes a link to the host and back while files are read below it."""
        files = self.files("import os\nos.mkdir('d')\nopen('d/passwd', 'w').write('mine')\nos.symlink('/etc', 'l')")
        def attempt(_):
            content = files.get("d/passwd")
            self.assertEqual(content, b"mine")
            return True
        self.race(files, "  os.rename('d', 't'); os.rename('l', 'd'); os.rename('d', 'l'); os.rename('t', 'd')",
                  attempt, ("not_found", "failed_precondition", "not_directory", "busy"))
        self.assert_unharmed()

    def test_link_swapped_while_writing(self):
        """Nothing is ever written where a link leads: not in the jail, not outside."""
        outside = f"/var/tmp/vivarium-race-{os.getpid()}"
        files = self.files(f"import os\nos.mkdir('d')\nos.symlink('/var/tmp', 'l')\nos.symlink('/session/fs/etc', 'e')")
        name = os.path.basename(outside)
        def attempt(n):
            files.put(f"d/{name}", b"harm", mode=0o4755)
            return True
        self.race(files, "  os.rename('d', 't'); os.rename('l', 'd'); os.rename('d', 'l'); os.rename('t', 'd')",
                  attempt, ("not_found", "failed_precondition", "not_directory", "busy"))
        self.assertFalse(os.path.exists(outside))
        self.assertEqual(self.client.value("os.listdir('/session/fs/etc')", files.session).count(name), 0)
        self.assert_unharmed()

    def test_renames_while_removing_and_listing(self):
        """Trees that move, grow and close themselves while the daemon walks them."""
        files = self.files("import os\nos.makedirs('w/a/b/c')")
        step = ("  os.makedirs('w/a/b/c', exist_ok=True)\n  open('w/a/b/c/f', 'w').close()\n"
                "  os.chmod('w/a/b', 0)\n  os.chmod('w/a/b', 0o700)\n  os.rename('w/a', 'w/x')\n  os.rename('w/x', 'w/a')")
        def attempt(n):
            if n % 3:
                files.list(recursive=True)
            else:
                files.remove("w", True)
            return True
        self.race(files, step, attempt, ("not_found", "permission_denied", "busy", "failed_precondition"))
        waiting.wait_for(lambda: not files.list()[0] or self.emptied(files), "an empty workspace")
        self.assert_unharmed()

    def emptied(self, files):
        """Empties the workspace and tells whether it is."""
        files.remove("", True)
        return files.list()[0] == []

    def test_deep_and_many(self):
        """44: a tree deeper than any path, 10^5 entries, all of them removed and listed in bounds."""
        files = self.files(limits={"workspaceInodes": 120_000, "workspaceBytes": 256 * MIB})
        self.client.value(
            "import os\nfor n in range(4000): os.mkdir('d'); os.chdir('d')\nos.chdir('/workspace')\nos.mkdir('many')\n"
            "for n in range(100_000): os.close(os.open(f'many/{n:06}', os.O_CREAT | os.O_WRONLY))", files.session)
        page, token = files.list("many", pageSize=10_000)
        self.assertEqual((len(page), page[0], bool(token)), (10_000, "many/000000", True))
        listed = files.ask("ListFiles", path="d", recursive=True, pageSize=10_000)
        self.assertEqual((len(listed["files"]), listed["unreadDirectories"]), (101, "1"))
        verdict = self.client.eval("1", files.session, trackFiles=True)
        self.assertTrue(verdict["files"]["truncated"])
        self.assertEqual(self.client.eval("1", files.session, transaction=True)["error"]["kind"],
                         "ERROR_KIND_LIMIT")
        self.assertEqual(files.remove("d", True), 4000)
        self.assertEqual(files.remove("", True), 100_001)
        self.assert_unharmed()

    def test_descriptors_are_let_go(self):
        """45: what is open when a session ends is closed: its memory is free."""
        files = self.files()
        files.put("big", bytes(4 * MIB))
        # A reader that does not read, and an upload that does not go on.
        reader = socket.create_connection(self.daemon.address, timeout=waiting.WATCHDOG)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.sendall(f"GET /v1/sessions/{files.session}/files/big HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.assertTrue(reader.recv(1))
        writer = socket.create_connection(self.daemon.address, timeout=waiting.WATCHDOG)
        writer.sendall(f"PUT /v1/sessions/{files.session}/files/up HTTP/1.1\r\nHost: localhost\r\n"
                       f"Content-Length: {8 * MIB}\r\n\r\n".encode() + bytes(2 * MIB))
        files.ask("WriteFile", data=encoded(b"x"))
        self.client.call("SessionService/CloseSession", {"session": files.session})
        answer = b""
        while piece := writer.recv(65536):
            answer += piece
        self.assertIn(b" 409 ", answer.split(b"\r\n")[0] + b" ")
        # Not to its end: through so small a window that takes as long as anybody likes.
        reader.close()
        writer.close()

    def test_uploads_that_lie(self):
        """A client that vanishes, sends less or more: nothing is left, the neighbour notices nothing."""
        files = self.files()
        files.put("x", b"old")
        head = (f"PUT /v1/sessions/{files.session}/files/x HTTP/1.1\r\nHost: localhost\r\n"
                "Content-Length: 1000000\r\n\r\n").encode()
        for _ in range(10):
            with socket.create_connection(self.daemon.address, timeout=waiting.WATCHDOG) as client:
                client.sendall(head + bytes(500_000))
        http_api.exchange(self.daemon.address, head + bytes(10), shut=True)
        chunked = head.replace(b"Content-Length: 1000000", b"Transfer-Encoding: chunked")
        http_api.exchange(self.daemon.address, chunked + b"5\r\nhelloX", shut=True)
        self.assertEqual((files.get("x"), files.list()[0]), (b"old", ["x"]))
        self.assert_unharmed()

    def test_upload_while_the_code_destroys(self):
        """The session's code can neither see nor change what is on its way."""
        files = self.files()
        content = os.urandom(2 * MIB)
        step = ("  for d in ('/workspace', '/session/fs'):\n    for n in os.listdir(d):\n"
                "      if n.startswith('.') or n == 'up':\n        p = d + '/' + n\n"
                "        open(p, 'r+').write('spoiled') if n != 'up' else os.remove(p)")
        def attempt(n):
            if n >= 8:
                return False
            told = files.ask("PutFile", path="up", content=encoded(content), sha256=sha256(content))
            self.assertEqual(told["sha256"], sha256(content))
            return True
        self.race(files, step, attempt, ("not_found",))
        self.assert_unharmed()

    def test_transaction_against_itself(self):
        """Threads that go on after the end, closed directories, a full workspace: it says what is so."""
        files = self.files(limits={"workspaceBytes": 4 * MIB})
        files.put("x", b"old")
        self.client.value(RACE + "race(lambda: open('noise', 'w').write('n'))", files.session)
        verdict = self.client.eval("open('x', 'w').write('new')\n1/0", files.session, transaction=True)
        self.assertIn(verdict["files"]["outcome"],
                      ("FILES_OUTCOME_ROLLED_BACK", "FILES_OUTCOME_DAMAGED"))
        self.assertEqual(files.get("x"), b"old")
        self.client.value("stop = True", files.session)
        # Room that a deleted file still takes is not there for what was before.
        files.put("y", bytes(3 * MIB))
        verdict = self.client.eval("os.remove('y')\nkept = open('z', 'wb')\nkept.write(bytes(3 << 20))\nkept.flush()\n"
                                   "os.remove('z')\n1/0", files.session, transaction=True)
        self.assertEqual(verdict["files"]["outcome"], "FILES_OUTCOME_DAMAGED")
        self.assertIn("limits.workspace_bytes", verdict["files"]["problem"])
        self.assert_kept(verdict)
        self.assert_unharmed()

    def test_flush_that_does_not_end(self):
        """Code that breaks what flushes its files breaks its own session only."""
        files = self.files()
        verdict = self.client.eval(
            "import io, gc\nclass F(io.FileIO):\n  def write(self, b):\n    while True: pass\n"
            "f = io.BufferedWriter(F('x', 'w'))\nf.write(b'x')", files.session, trackFiles=True)
        self.assertEqual(verdict["files"].get("outcome", "FILES_OUTCOME_LOST"), "FILES_OUTCOME_LOST")
        self.assert_unharmed()


class Strangers(TenantCase):
    """47: another tenant's files and volumes do not exist."""

    tenants = {"a": 'volumes_bytes = "1MiB"', "b": ""}

    @classmethod
    def setUpClass(cls):
        """Volumes are opened before anybody takes stock."""
        super().setUpClass()
        with cls.daemon.client(cls.keys["a"]) as client:
            client.call("VolumeService/ListVolumes", {})

    def test_ids_of_others(self):
        """By id and by name, over every way: like what was never there."""
        session = self.session_of("a", "mine")
        mine = Files(self.of["a"], session)
        mine.put("secret", b"s3cret")
        upload = mine.ask("WriteFile", data=encoded(b"x"))["upload"]
        for target in (session, "mine"):
            theirs = Files(self.of["b"], target)
            nobodys = Files(self.of["b"], "ses_0" + "b" * 26 if target == session else "never")
            for call in (lambda f: f.get("secret"), lambda f: f.put("x", b""), lambda f: f.list(),
                         lambda f: f.stat(""), lambda f: f.remove("secret"), lambda f: f.read("secret"),
                         lambda f: f.ask("WriteFile", upload=upload, offset=1, data=""),
                         lambda f: f.http("GET", "secret"), lambda f: f.http("PUT", "secret", b"x"),
                         lambda f: f.http("DELETE", "secret")):
                told = []
                for files in (theirs, nobodys):
                    with self.assertRaises(http_api.ApiError) as caught:
                        call(files)
                    told.append((caught.exception.status, caught.exception.code,
                                 caught.exception.message.replace(files.session, "?")))
                    self.of["b"].close()
                self.assertEqual(told[0], told[1])
                self.assertEqual(told[0][1], "not_found")
        self.assertEqual(mine.get("secret"), b"s3cret")
        with self.daemon.client("viv_none_of_ours") as stranger:
            self.assertEqual(stranger.request("GET", f"/v1/sessions/{session}/files/secret")[0], 401)

    def test_volumes_of_others(self):
        """Names are each tenant's own."""
        self.of["a"].call("VolumeService/CreateVolume", {"name": "v"})
        self.addCleanup(self.of["a"].call, "VolumeService/RemoveVolume", {"volume": "v"})
        for method, fields in (("RemoveVolume", {"volume": "v"}), ("RemoveVolume", {"volume": "../a/v"}),
                               ("CreateVolume", {"name": "../a/w"})):
            with self.assertRaises(http_api.ApiError) as caught:
                self.of["b"].call(f"VolumeService/{method}", fields)
            self.assertIn(caught.exception.code, ("not_found", "invalid_argument"))
        self.assertEqual(self.of["b"].call("VolumeService/ListVolumes").get("volumes", []), [])
        with self.assertRaises(http_api.ApiError) as caught:
            self.of["b"].create(volumes=[{"volume": "v"}])
        self.assertEqual(caught.exception.code, "not_found")

    def test_a_tenant_that_floods(self):
        """While one moves much, another's small questions are answered."""
        flood = Files(self.of["a"], self.session_of("a"))
        small = Files(self.of["b"], self.session_of("b"))
        stop = threading.Event()
        trouble = []
        def work():
            client = self.daemon.client(self.keys["a"])
            files = Files(client, flood.session)
            try:
                while not stop.is_set():
                    files.put("x", bytes(8 * MIB))
                    files.get("x")
            except Exception as error:
                trouble.append(error)
            client.close()
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for n in range(50):
            small.put("y", bytes([n]))
            self.assertEqual(small.get("y"), bytes([n]))
        stop.set()
        for thread in threads:
            thread.join(waiting.WATCHDOG)
        self.assertEqual(trouble, [])


if __name__ == "__main__":
    unittest.main()
