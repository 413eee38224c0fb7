# SPDX-License-Identifier: Apache-2.0
"""Files of a session: put, got, listed, moved, removed, streamed; given at its start; what an
execution did to them."""

import os
import subprocess
import tempfile
import unittest

from vivarium_testing import daemon, http_api, waiting
from vivarium_testing.case import DaemonCase
from vivarium_testing.files import Files, encoded, sha256

MIB = 1 << 20


class FileCase(DaemonCase):
    """Sessions with a view of their files."""

    def files(self, **fields):
        """The files of a new session."""
        return Files(self.client, self.session(**fields))

    def fails(self, code, call, *args, status=None, **fields):
        """Calls, expects an error of that code and returns it."""
        with self.assertRaises(http_api.ApiError) as caught:
            call(*args, **fields)
        error = caught.exception
        detail = http_api.detail_of(error)
        self.assertIn(code, (error.code, detail.get("code")), error)
        if status is not None:
            self.assertEqual(error.status, status)
        return error


class Whole(FileCase):
    """Unary methods."""

    def test_put_and_get(self):
        """What is put is what the code sees, and the other way around."""
        files = self.files()
        told = files.put("a/b/data.bin", b"\x00\xff" * 1000, sha256=sha256(b"\x00\xff" * 1000))
        self.assertEqual((told["path"], told["type"], told["size"], told["mode"]),
                         ("a/b/data.bin", "FILE_TYPE_FILE", "2000", 0o644))
        self.assertEqual(self.client.value(
            "import os\nopen('/workspace/a/b/data.bin', 'ab').write(b'!')\n"
            "s = os.stat('a/b/data.bin')\n[s.st_size, s.st_uid == os.getuid(), os.listdir('a')]",
            files.session), [2001, True, ["b"]])
        self.assertEqual(files.get("/workspace/a/b/data.bin"), b"\x00\xff" * 1000 + b"!")
        self.assertEqual(files.get("a/b/data.bin")[-1:], b"!")
        files.put("a/b/data.bin", b"new", mode=0o755)
        self.assertEqual(files.stat("a/b/data.bin")["mode"], 0o755)
        files.put("a/b/data.bin", b"newer")
        self.assertEqual(files.stat("a/b/data.bin")["mode"], 0o755, "the mode stays")
        files.put("empty", b"")
        self.assertEqual(files.get("empty"), b"")

    def test_while_code_runs(self):
        """A session that computes still gives and takes files."""
        files = self.files()
        execution = self.client.start(
            "import os, time\nopen('ready', 'w')\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
            "open('go').read()", files.session)
        waiting.wait_for(lambda: files.list()[0] == ["ready"], "the file that the code makes")
        files.put("go", b"gone")
        self.assertEqual(self.client.wait(execution)["result"]["json"], "gone")

    def test_integrity(self):
        """A wrong checksum leaves everything as it was."""
        files = self.files()
        files.put("x", b"old")
        self.fails("checksum_mismatch", files.put, "x", b"new", sha256=sha256(b"other"))
        self.fails("checksum_mismatch", files.put, "new/y", b"new", sha256=sha256(b"other"))
        self.fails("invalid_argument", files.put, "x", b"new", sha256=encoded(b"short"))
        self.assertEqual((files.get("x"), files.list()[0]), (b"old", ["x"]))
        self.fails("already_exists", files.put, "x", b"new", exclusive=True)
        self.assertEqual(files.get("x"), b"old")

    def test_paths(self):
        """What a path may not be is told apart."""
        files = self.files()
        for path, text in (("../x", ".."), ("a/../../x", ".."), ("/etc/passwd", "/workspace/"),
                           ("a//b", "empty part"), ("a/", "slash at its end"), ("./a", "."),
                           ("a\0b", "NUL"), ("n" * 256, "255"), ("a/" * 2100 + "a", "4,096"),
                           ("a/" * 130 + "a", "128"), ("/workspacex/a", "/workspace/")):
            for call in (files.get, files.stat, lambda p: files.put(p, b""),
                         lambda p: files.remove(p), lambda p: files.ask("MakeDirectory", path=p)):
                with self.subTest(path[:20]):
                    self.assertIn(text, self.fails("invalid_argument", call, path).message)
        self.fails("not_found", files.get, "missing")
        self.fails("not_found", files.get, "missing/too")
        files.put("d/f", b"")
        self.fails("is_directory", files.get, "d")
        self.fails("is_directory", files.put, "d", b"")
        self.fails("not_directory", files.get, "d/f/g")
        self.fails("not_directory", files.put, "d/f/g", b"")
        self.fails("invalid_argument", files.put, "", b"")
        self.assertEqual(files.list("d")[0], ["d/f"])

    def test_limits(self):
        """The session's own limits hold for what comes from outside."""
        files = self.files(limits={"workspaceBytes": 1 * MIB, "workspaceInodes": 20,
                                   "fileBytes": 512 * 1024})
        self.assertIn("limits.file_bytes", self.fails(
            "too_large", files.put, "big", bytes(600 * 1024)).message)
        files.put("a", bytes(500 * 1024))
        self.assertIn("limits.workspace_bytes", self.fails(
            "no_space", lambda: [files.put(n, bytes(500 * 1024)) for n in "bcd"]).message)
        for name in files.list()[0]:
            files.remove(name)
        self.assertIn("limits.workspace_inodes", self.fails(
            "no_space", lambda: [files.put(f"n{n}", b"") for n in range(25)]).message)

    def test_move_and_remove(self):
        """Files and trees."""
        files = self.files()
        for name in ("a/1", "a/b/2", "c"):
            files.put(name, name.encode())
        files.ask("MoveFile", **{"from": "a", "to": "x/y"})
        self.assertEqual(files.list_all(recursive=True), ["c", "x", "x/y", "x/y/1", "x/y/b", "x/y/b/2"])
        self.fails("already_exists", files.ask, "MoveFile", **{"from": "c", "to": "x/y/1"})
        files.ask("MoveFile", **{"from": "c", "to": "x/y/1", "replace": True})
        self.assertEqual(files.get("x/y/1"), b"c")
        self.fails("not_found", files.ask, "MoveFile", **{"from": "c", "to": "d"})
        self.assertIn("recursive", self.fails("failed_precondition", files.remove, "x").message)
        self.assertEqual(files.remove("x", recursive=True), 5)
        self.fails("not_found", files.remove, "x")
        files.put("last", b"")
        self.fails("invalid_argument", files.remove, "")
        self.assertEqual(files.remove("", recursive=True), 1)
        self.assertEqual(files.list()[0], [])

    def test_list_pages(self):
        """Pages follow each other without gaps and repetitions, depth first."""
        files = self.files()
        self.client.value("import os\nfor d in ('b', 'b-', 'b/c', 'e'):\n  os.mkdir(d)\n"
                          "  for n in range(25): open(f'{d}/{n:02}', 'w')\n"
                          "os.mkdir('closed', 0)\nos.symlink('/etc/passwd', 'link')", files.session)
        everything = files.list_all(recursive=True)
        self.assertEqual(len(everything), 106)
        self.assertEqual(everything, sorted(everything, key=lambda p: p.split("/")))
        for size in (1, 7, 26, 105):
            self.assertEqual(files.list_all(recursive=True, pageSize=size), everything)
        self.assertEqual(files.list()[0], ["b", "b-", "closed", "e", "link"])
        self.assertEqual(files.ask("ListFiles", recursive=True)["unreadDirectories"], "1")
        self.fails("invalid_argument", files.list, pageSize=10_001)
        self.fails("invalid_argument", files.list, pageToken="?")
        self.fails("not_directory", files.list, "e/00")

    def test_names_that_are_no_text(self):
        """They are told as bytes beside."""
        files = self.files()
        self.client.value("open(b'/workspace/\\xff\\x01', 'w')", files.session)
        [entry] = files.ask("ListFiles")["files"]
        self.assertEqual((entry["path"], entry["pathBytes"]), ("\ufffd\x01", encoded(b"\xff\x01")))

    def test_other_sessions(self):
        """Ended ones, and such that do not exist."""
        files = self.files()
        self.client.call("SessionService/CloseSession", {"session": files.session})
        self.fails("session_lost", files.get, "x")
        self.fails("not_found", Files(self.client, "ses_0" + "a" * 26).get, "x")
        self.fails("not_found", Files(self.client, "nobody").put, "x", b"")
        self.fails("invalid_argument", Files(self.client, "").get, "x")


class Streams(FileCase):
    """Files that come and go in pieces."""

    def test_read(self):
        """Pieces, offset and length, the checksum of what was sent."""
        files = self.files()
        content = os.urandom(3 * MIB + 17)
        files.put("big", content)
        pieces, last = files.read("big")
        self.assertEqual(b"".join(pieces), content)
        self.assertEqual((last["sha256"], last["size"]), (sha256(content), str(len(content))))
        self.assertGreater(len(pieces), 2)
        pieces, last = files.read("big", offset=5, length=10)
        self.assertEqual((pieces, last["sha256"]), ([content[5:15]], sha256(content[5:15])))
        self.assertEqual(files.read("big", offset=10 * MIB)[0], [])
        self.assertNotIn("sha256", files.read("big", noChecksum=True)[1])
        self.fails("not_found", files.read, "missing")

    def test_write(self):
        """Nothing is at the path before the last piece has come, and is right."""
        files = self.files()
        content = os.urandom(300_000)
        upload = files.ask("WriteFile", data=encoded(content[:100_000]))
        self.assertEqual(files.list()[0], [])
        upload = files.ask("WriteFile", upload=upload["upload"], offset=100_000,
                           data=encoded(content[100_000:]))
        self.assertEqual(upload["size"], "300000")
        self.fails("failed_precondition", files.ask, "WriteFile", upload=upload["upload"], offset=7,
                   data=encoded(b"x"))
        done = files.ask("WriteFile", upload=upload["upload"], offset=300_000, commit=True,
                         path="d/whole", sha256=sha256(content), mode=0o600)
        self.assertEqual((done["sha256"], done["file"]["mode"]), (sha256(content), 0o600))
        self.assertEqual(files.get("d/whole"), content)
        self.fails("not_found", files.ask, "WriteFile", upload=upload["upload"], data="")

    def test_write_given_up(self):
        """Discarded, or wrong: nothing is left, and the room is free again."""
        files = self.files(limits={"workspaceBytes": 1 * MIB})
        for _ in range(20):
            upload = files.ask("WriteFile", data=encoded(bytes(600_000)))["upload"]
            files.ask("WriteFile", upload=upload, discard=True)
        upload = files.ask("WriteFile", data=encoded(bytes(600_000)))["upload"]
        self.fails("checksum_mismatch", files.ask, "WriteFile", upload=upload, offset=600_000,
                   commit=True, path="x", sha256=sha256(b""))
        files.put("y", bytes(300_000))
        upload = files.ask("WriteFile", data=encoded(bytes(600_000)))["upload"]
        self.fails("no_space", files.ask, "WriteFile", upload=upload, offset=600_000,
                   data=encoded(bytes(200_000)))
        self.fails("not_found", files.ask, "WriteFile", upload=upload, offset=600_000, data="")
        self.assertEqual(files.list()[0], ["y"])
        files.remove("y")
        for _ in range(16):
            files.ask("WriteFile")
        self.fails("limit_exceeded", files.ask, "WriteFile")
        files.put("x", bytes(600_000))

    def test_http(self):
        """Bodies as they are, with a checksum both ways, and ranges."""
        files = self.files()
        content = os.urandom(5 * MIB + 1)
        digest = f"sha-256=:{sha256(content)}:"
        status, headers, _ = files.http("PUT", "dir/a b%.bin", content, {"Content-Digest": digest})
        self.assertEqual((status, headers["content-digest"]), (200, digest))
        self.assertEqual(files.stat("dir/a b%.bin")["size"], str(len(content)))
        status, headers, got = files.http("GET", "dir/a b%.bin", None,
                                          {"Want-Content-Digest": "sha-256=1"})
        self.assertEqual((status, got == content, headers["content-digest"]), (200, True, digest))
        status, headers, got = files.http("HEAD", "dir/a b%.bin")
        self.assertEqual((status, got, headers["content-length"]), (200, b"", str(len(content))))
        for asked, first, end in (("bytes=0-0", 0, 1), ("bytes=10-", 10, None), ("bytes=-5", -5, None),
                                  (f"bytes={len(content) - 1}-{10 ** 12}", -1, None)):
            status, headers, got = files.http("GET", "dir/a b%.bin", None, {"Range": asked})
            self.assertEqual((status, got == content[first:end]), (206, True), asked)
            self.assertTrue(headers["content-range"].endswith(f"/{len(content)}"))
        for odd in ("bytes=5-2", "lines=1-2", "bytes=0-1,3-4", "bytes=x-"):
            self.assertEqual(files.http("GET", "dir/a b%.bin", None, {"Range": odd})[0], 200, odd)
        self.fails(None, files.http, "GET", "dir/a b%.bin", None, {"Range": f"bytes={len(content)}-"},
                   status=416)
        self.assertEqual(self.client.request(
            "DELETE", f"/v1/sessions/{files.session}/files/dir?recursive=true")[0], 200)
        self.assertEqual(files.list()[0], [])

    def test_http_refusals(self):
        """Each with a status of its own; what was there stays."""
        files = self.files(limits={"workspaceBytes": 1 * MIB})
        files.http("PUT", "x", b"old")
        for status, call in (
                (400, lambda: files.http("PUT", "x", b"new", {"Content-Digest": f"sha-256=:{sha256(b'no')}:"})),
                (400, lambda: files.http("PUT", "x", b"new", {"Digest": "sha-256=???"})),
                (400, lambda: files.http("PUT", "x", b"new", {"Content-Range": "bytes 0-2/3"})),
                (400, lambda: files.http("PUT", "../x", b"new")),
                (404, lambda: files.http("GET", "y")),
                (405, lambda: files.http("POST", "x", b"new")),
                (409, lambda: files.http("GET", "")),
                (409, lambda: files.http("PUT", "x", b"new", {"If-None-Match": "*"})),
                (409, lambda: files.http("PUT", "x/y", b"new")),
                (413, lambda: files.http("PUT", "x", bytes(2 * MIB))),
                (404, lambda: Files(self.client, "nobody").http("GET", "x"))):
            with self.assertRaises(http_api.ApiError) as caught:
                call()
            self.assertEqual(caught.exception.status, status, caught.exception)
            self.client.close()  # After a refusal the rest of the body may be unread.
        self.assertEqual(files.get("x"), b"old")
        self.assertEqual(files.list()[0], ["x"])

    def test_http_full(self):
        """A workspace that is full says so, and has room again at once."""
        files = self.files(limits={"workspaceBytes": 1 * MIB})
        files.put("y", bytes(700_000))
        with self.assertRaises(http_api.ApiError) as caught:
            files.http("PUT", "x", bytes(700_000))
        self.assertEqual(caught.exception.status, 507)
        self.client.close()
        files.put("z", bytes(300_000))

    def test_curl(self):
        """With the tool that people have: up by -T, down, ranges, errors as exit status."""
        files = self.files()
        content = os.urandom(2 * MIB)
        url = f"http://127.0.0.1:{self.daemon.port}/v1/sessions/{files.session}/files/up.bin"
        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/up", "wb") as file:
                file.write(content)
            def curl(*arguments):
                return subprocess.run(["curl", "-sS", "--fail", *arguments], check=False,
                                      capture_output=True, timeout=60)
            self.assertEqual(curl("-T", f"{folder}/up", url).returncode, 0)
            self.assertEqual(curl("-o", f"{folder}/down", url).returncode, 0)
            with open(f"{folder}/down", "rb") as file:
                self.assertEqual(file.read(), content)
            self.assertEqual(curl("-r", "100-199", url).stdout, content[100:200])
            self.assertEqual(curl("-X", "DELETE", url).returncode, 0)
            self.assertEqual(curl(url).returncode, 22)
            # A body of unknown length, piped in.
            done = subprocess.run(["curl", "-sS", "--fail", "-T", "-", url], input=content,
                                  check=False, capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(files.read("up.bin")[1]["sha256"], sha256(content))

    def test_command(self):
        """The command puts, gets, lists, moves and removes."""
        files = self.files()
        content = os.urandom(6 * MIB)
        def command(*arguments, **options):
            return subprocess.run(
                [daemon.COMMAND, "--server", f"http://127.0.0.1:{self.daemon.port}", "files",
                 *arguments], check=False, capture_output=True, timeout=60,
                env=daemon.command_environment(self.daemon.folder), **options)
        self.assertEqual(command("put", files.session, "d/x", input=content).returncode, 0)
        self.assertEqual(command("get", files.session, "d/x").stdout, content)
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(command("get", files.session, "d/x", f"{folder}/y").returncode, 0)
            self.assertEqual(os.listdir(folder), ["y"])
            self.assertEqual(command("put", files.session, "d/y", f"{folder}/y").returncode, 0)
            self.assertNotEqual(command("get", files.session, "no", f"{folder}/z").returncode, 0)
            self.assertEqual(os.listdir(folder), ["y"])
        listed = command("ls", "-r", files.session).stdout.decode()
        self.assertEqual([line.split()[-1] for line in listed.splitlines()], ["d", "d/x", "d/y"])
        self.assertIn(str(6 * MIB), command("stat", files.session, "d/x").stdout.decode())
        self.assertEqual(command("mv", files.session, "d/x", "e").returncode, 0)
        refused = command("rm", files.session, "d")
        self.assertEqual((refused.returncode, b"recursive" in refused.stderr), (2, True))
        self.assertEqual(command("rm", "-r", files.session, "d").returncode, 0)
        self.assertEqual(files.list()[0], ["e"])


class Given(FileCase):
    """Files that are there from the start."""

    def test_session(self):
        """Before the init script; imports find them."""
        files = self.files(files={"helper.py": encoded(b"def f(): return 'helped'"),
                                  "data/in.txt": encoded(b"given"), "/workspace/abs": encoded(b"")},
                           init={"source": "import helper\ntold = helper.f() + open('data/in.txt').read()"})
        self.assertEqual(self.client.value(
            "import os, sys\n[told, sorted(os.listdir()), os.getcwd().endswith('/workspace'),"
            " helper.__file__]", files.session),
            ["helpedgiven", ["abs", "data", "helper.py"], True,
             "/session/fs/workspace/helper.py"])

    def test_one_shot(self):
        """Of a session that lives for one evaluation."""
        self.assertEqual(self.client.value("import m\n[m.x, open('t/u').read()]",
                                           files={"m.py": encoded(b"x = 7"), "t/u": encoded(b"v")}),
                         [7, "v"])
        self.fails("invalid_argument", self.client.eval, "1", self.session(), files={"x": ""})

    def test_refused(self):
        """What cannot be written fails the start, with the path."""
        for files, code, text in (({"../x": ""}, "invalid_argument", "../x"),
                                  ({"": ""}, "invalid_argument", "empty"),
                                  ({"a": "", "a/b": ""}, "not_directory", "'a'"),
                                  ({"x": encoded(bytes(200_000))}, "too_large", "limits.file_bytes")):
            error = self.fails(code, self.client.create, files=files,
                               limits={"workspaceBytes": 128 * 1024})
            self.assertIn(text, error.message)
        self.fails("invalid_argument", self.client.create, files={f"{n}": "" for n in range(1001)})


class Changes(FileCase):
    """What an execution did to the files, and how it is undone."""

    def changes(self, verdict):
        """Added, modified, deleted."""
        told = verdict["files"]
        return tuple(told.get(kind, []) for kind in ("added", "modified", "deleted"))

    def test_diff(self):
        """Seen from outside, with what was still buffered."""
        files = self.files(files={"keep": encoded(b"k"), "change": encoded(b"c"), "drop": encoded(b"d"),
                                  "same": encoded(b"1234")})
        verdict = self.client.eval(
            "import os\nf = open('buffered', 'w')\nf.write('not flushed')\nopen('change', 'a').write('!')\nos.remove('drop')\n"
            "os.mkdir('d')\nopen('d/x', 'w')\nopen('same', 'r+').write('4321')\n", files.session,
            trackFiles=True)
        self.assertEqual(self.changes(verdict), (["buffered", "d", "d/x"], ["change", "same"], ["drop"]))
        self.assertEqual(files.get("buffered"), b"not flushed")
        self.assertNotIn("outcome", verdict["files"])
        verdict = self.client.eval("1", files.session, trackFiles=True)
        self.assertEqual(self.changes(verdict), ([], [], []))
        self.assertNotIn("files", self.client.eval("1", files.session))
        self.assertEqual(self.changes(self.client.eval(
            "open('y', 'w').write('x')\n1/0", files.session, trackFiles=True)), (["y"], [], []))

    def test_diff_is_bounded(self):
        """A thousand are listed, and it says that there are more."""
        files = self.files()
        verdict = self.client.eval("for n in range(1100): open(f'{n:04}', 'w')", files.session,
                                   trackFiles=True)
        self.assertEqual((len(verdict["files"]["added"]), verdict["files"]["truncated"]), (1000, True))

    def test_same_tick(self):
        """Changes so quick that times alone would not show them."""
        files = self.files()
        self.client.value("open('x', 'w').write('0')", files.session)
        for n in range(20):
            verdict = self.client.eval(f"open('x', 'r+').write('{n % 10}')", files.session,
                                       trackFiles=True)
            self.assertEqual(self.changes(verdict), ([], ["x"], []), n)

    def test_transaction(self):
        """A failure takes everything back: content, modes, links, directories, what a mapping wrote."""
        files = self.files()
        self.client.value(
            "import os, mmap\nos.makedirs('a/b')\nopen('a/b/deep', 'w').write('deep')\n"
            "open('text', 'w').write('text' * 1000)\nos.symlink('text', 'link')\nopen('mapped', 'wb').write(bytes(8192))\n"
            "os.chmod('text', 0o600)\nos.mkdir('empty')\n"
            "with open('sparse', 'wb') as f: f.truncate(30 << 20); f.seek(1 << 20); f.write(b'mid')\n"
            "def look():\n"
            "  return [(p, oct(os.lstat(p).st_mode), os.lstat(p).st_mtime_ns if not os.path.islink(p) else 0,\n"
            "           os.readlink(p) if os.path.islink(p) else open(p, 'rb').read().hex()[:4000] if os.path.isfile(p) else '')\n"
            "          for d, ds, fs in os.walk('.') for p in sorted(os.path.join(d, n) for n in ds + fs)]\n"
            "before = look()", files.session)
        harm = ("import shutil\nopen('text', 'w').write('other')\nos.chmod('text', 0o644)\nshutil.rmtree('a')\n"
                "os.remove('link')\nos.symlink('elsewhere', 'link')\nos.rmdir('empty')\nopen('empty', 'w')\n"
                "m = mmap.mmap(os.open('mapped', os.O_RDWR), 8192)\nm[5] = 7\nos.remove('sparse')\n"
                "f = open('late', 'w')\nf.write('buffered')\nos.mkdir('closed', 0)\n")
        verdict = self.client.eval(harm + "1/0", files.session, transaction=True)
        self.assertEqual(verdict["files"]["outcome"], "FILES_OUTCOME_ROLLED_BACK", verdict["files"])
        self.assertIn("text", verdict["files"]["modified"])
        self.assertIn("late", verdict["files"]["added"])
        self.assertIn("a/b/deep", verdict["files"]["deleted"])
        self.assert_kind(verdict, "PYTHON")
        self.assertEqual(self.client.value("now = look()\n[x for x in now if x not in before] + "
                                           "[x for x in before if x not in now]", files.session), [])
        verdict = self.client.eval(harm, files.session, transaction=True)
        self.assertEqual(verdict["files"]["outcome"], "FILES_OUTCOME_KEPT")
        self.assertEqual(files.get("text"), b"other")

    def test_stopped(self):
        """By a deadline, or cancelled: rolled back. With its worker: lost, and it says so."""
        files = self.files()
        files.put("x", b"old")
        verdict = self.client.eval("open('x', 'w').write('new')\nopen('y', 'w')\nimport time\ntime.sleep(60)",
                                   files.session, transaction=True, timeoutMs=300)
        self.assert_kind(verdict, "TIMEOUT")
        self.assertEqual(verdict["files"]["outcome"], "FILES_OUTCOME_ROLLED_BACK")
        self.assertEqual((files.get("x"), files.list()[0]), (b"old", ["x"]))
        execution = self.client.start("open('x', 'w').write('new')\nprint('on')\nimport time\ntime.sleep(60)",
                                      files.session, transaction=True)
        for event in self.client.follow(execution):
            if "stdout" in event:
                break
        self.client.close()
        self.client.call("ExecutionService/Cancel", {"executionId": execution})
        self.assertEqual(self.client.wait(execution)["files"]["outcome"], "FILES_OUTCOME_ROLLED_BACK")
        self.assertEqual(files.get("x"), b"old")
        verdict = self.client.eval("open('x', 'w').write('new')\nimport os\nos._exit(3)", files.session,
                                   transaction=True)
        self.assert_lost(verdict)
        self.assertEqual(verdict["files"]["outcome"], "FILES_OUTCOME_LOST")

    def test_alone(self):
        """Others of the session wait for the end, and a transaction for theirs."""
        files = self.files()
        self.client.value("import time\nlog = []", files.session)
        started = [self.client.start(f"log.append('a{n}')\ntime.sleep(0.05)\nlog.append('b{n}')\n"
                                     "open('f', 'a').write('.')", files.session,
                                     transaction=n % 2 == 0, trackFiles=True) for n in range(6)]
        for execution in started:
            verdict = self.client.wait(execution)
            self.assertEqual(self.changes(verdict)[2], [])
            self.assertEqual(len(verdict["files"].get("added", []) + verdict["files"].get("modified", [])), 1)
        self.assertEqual(self.client.value("log", files.session),
                         [f"{c}{n}" for n in range(6) for c in "ab"])

    def test_waiting_ones(self):
        """One that waits for its turn can be cancelled, and expires."""
        files = self.files()
        blocker = self.client.start("import time\ntime.sleep(0.5)", files.session)
        late = self.client.start("1", files.session, transaction=True, timeoutMs=50)
        gone = self.client.start("1", files.session, trackFiles=True)
        last = self.client.start("open('z', 'w')\n1", files.session, transaction=True)
        self.client.call("ExecutionService/Cancel", {"executionId": gone})
        self.assert_kind(self.client.wait(late), "TIMEOUT")
        self.assert_kind(self.client.wait(gone), "CANCELLED")
        self.assertEqual(self.changes(self.client.wait(last)), (["z"], [], []))
        self.client.wait(blocker)

    def test_calls_one_shots_async(self):
        """Call, a one-shot, and code that awaits."""
        files = self.files()
        self.client.value("def f(): open('called', 'w')\n"
                          "async def g():\n  import asyncio\n  await asyncio.sleep(0.05)\n  open('slept', 'w')",
                          files.session)
        answer = self.client.call("ExecutionService/Call", {
            "session": files.session, "target": {"variable": "f"}, "operation": "OPERATION_CALL",
            "options": {"trackFiles": True}})
        self.assertEqual(self.changes(answer["verdict"]), (["called"], [], []))
        self.assertEqual(self.changes(self.client.eval("await g()", files.session, transaction=True)),
                         (["slept"], [], []))
        self.assertEqual(self.changes(self.client.eval("open('x', 'w')", trackFiles=True,
                                                       files={"given": ""})), (["x"], [], []))


class Budgets(FileCase):
    """What transactions may copy."""

    config = "[limits]\ntransaction_bytes = \"1MiB\"\n"

    def test_too_much(self):
        """One that would copy more is not begun."""
        files = self.files()
        files.put("x", bytes(MIB + 1))
        verdict = self.client.eval("open('y', 'w')", files.session, transaction=True)
        self.assert_kind(verdict, "LIMIT")
        self.assertIn("limits.transaction_bytes", verdict["error"]["message"])
        self.assertEqual(files.list()[0], ["x"])
        files.remove("x")
        for _ in range(20):
            files.put("x", os.urandom(700_000))
            self.assertEqual(self.client.eval("1", files.session, transaction=True)["files"]["outcome"],
                             "FILES_OUTCOME_KEPT")


if __name__ == "__main__":
    unittest.main()
