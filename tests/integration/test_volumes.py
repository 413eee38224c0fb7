# SPDX-License-Identifier: Apache-2.0
"""Volumes: made, attached by copy, committed as a whole, with quotas; and those in a bucket."""

import os
import shutil
import tempfile
import threading
import unittest

from vivarium_testing import http_api, servers, waiting
from vivarium_testing.case import DaemonCase
from vivarium_testing.files import Files

MIB = 1 << 20


def commit(client, session, volume, **fields):
    """Writes a session's copy back and returns the volume."""
    return client.call("VolumeService/CommitVolume",
                       {"session": session, "volume": volume, **fields})["volume"]


class VolumeCase(DaemonCase):
    """Sessions that commit nothing at their end unless the test says so."""

    def mounted(self, volume, access="WRITE", path="", **fields):
        """The files of a new session that has that volume."""
        session = self.client.create(volumes=[
            {"volume": volume, "path": path, "access": f"VOLUME_ACCESS_{access}"}], **fields)
        self.made.append(session)
        return Files(self.client, session)

    def setUp(self):
        """Nothing made yet."""
        super().setUp()
        self.made = []

    def tearDown(self):
        """Closes what is left."""
        for session in self.made:
            self.client.call("SessionService/CloseSession",
                             {"session": session, "discardVolumes": True})
        super().tearDown()


class Volumes(VolumeCase):
    """Those on the daemon's disk."""

    config = ('[tenants.local]\nvolumes_bytes = "3MiB"\n'
              '[limits]\nvolume = "2MiB"\n')

    @classmethod
    def setUpClass(cls):
        """Opens the directory before anybody takes stock."""
        super().setUpClass()
        with cls.daemon.client() as client:
            client.call("VolumeService/ListVolumes")

    def volume(self, name, **fields):
        """Makes a volume that goes with the test."""
        made = self.client.call("VolumeService/CreateVolume", {"name": name, **fields})["volume"]
        def remove():
            with self.daemon.client() as client:
                try:
                    client.call("VolumeService/RemoveVolume", {"volume": name})
                except http_api.ApiError as error:
                    self.assertEqual(error.code, "not_found")
        self.addCleanup(remove)
        return made

    def trees(self, name):
        """What there is of a volume on the disk."""
        return sorted(os.listdir(f"{self.daemon.folder}/kept/volumes/local/{name}"))

    def test_life(self):
        """Made, listed, filled by one session, seen by the next, removed."""
        self.assertEqual(self.volume("data"), {"name": "data", "maxBytes": str(2 * MIB), "version": "1"})
        self.refused("already_exists", "VolumeService/CreateVolume", {"name": "data"})
        self.refused("invalid_argument", "VolumeService/CreateVolume", {"name": "Data"})
        files = self.mounted("data")
        self.client.value("import os\nos.makedirs('data/a')\nopen('data/a/x', 'w').write('x')\n"
                          "open('data/run', 'w').write('#!')\nos.chmod('data/run', 0o755)\n"
                          "os.symlink('a/x', 'data/link')\nopen('outside', 'w')", files.session)
        told = commit(self.client, files.session, "data")
        self.assertEqual((told["version"], told["files"], told["size"]), ("2", "4", str(4 * 4096)))
        other = self.mounted("data", access="READ", path="in/here")
        self.assertEqual(other.list_all(recursive=True),
                         ["in", "in/here", "in/here/a", "in/here/a/x", "in/here/link", "in/here/run"])
        self.assertEqual((other.get("in/here/a/x"), other.stat("in/here/run")["mode"],
                          other.stat("in/here/link")["target"]), (b"x", 0o755, "a/x"))
        info = self.client.call("SessionService/GetSession", {"session": other.session})["session"]
        self.assertEqual(info["volumes"], [{"volume": "data", "path": "in/here",
                                            "access": "VOLUME_ACCESS_READ"}])
        self.refused("permission_denied", "VolumeService/CommitVolume",
                     {"session": other.session, "volume": "data"})
        self.refused("not_found", "VolumeService/CommitVolume",
                     {"session": other.session, "volume": "none"})
        self.assertEqual(self.trees("data"), ["about", "tree.2"])
        self.client.call("VolumeService/RemoveVolume", {"volume": "data"})
        self.refused("not_found", "VolumeService/RemoveVolume", {"volume": "data"})
        self.refused("not_found", "SessionService/CreateSession", {"volumes": [{"volume": "data"}]})
        self.assertEqual(os.listdir(f"{self.daemon.folder}/kept/volumes/local"), [])

    def test_private(self):
        """Nobody but the daemon's user sees them, whatever the tenant's modes say."""
        self.volume("data")
        files = self.mounted("data")
        self.client.value("import os\nopen('data/open', 'w')\nos.chmod('data/open', 0o4777)", files.session)
        commit(self.client, files.session, "data")
        top = f"{self.daemon.folder}/kept"
        self.assertEqual(os.stat(f"{top}/volumes").st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(f"{top}/volumes/local").st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(f"{top}/volumes/local/data/tree.2/open").st_mode & 0o7000, 0)

    def test_close(self):
        """CloseSession writes back, unless it is told not to; a session that is lost does not."""
        self.volume("data")
        for n, fields in enumerate(({}, {"discardVolumes": True}, {})):
            files = self.mounted("data")
            files.put(f"data/{n}", b"")
            self.client.call("SessionService/CloseSession", {"session": files.session, **fields})
        lost = self.mounted("data")
        self.client.eval("open('data/lost', 'w')\nimport os\nos._exit(1)", lost.session)
        self.assertEqual(self.mounted("data", access="READ").list("data")[0], ["data/0", "data/2"])

    def test_close_twice(self):
        """Two who close at once: everything is written back, and both hear of it."""
        names = ["one", "three", "two"]
        for name in names:
            self.volume(name, maxBytes=MIB)
        session = self.client.create(volumes=[
            {"volume": name, "access": "VOLUME_ACCESS_WRITE"} for name in names])
        files = Files(self.client, session)
        for name in names:
            files.put(f"{name}/x", bytes(700_000))
        told = []
        def close():
            with self.daemon.client() as client:
                try:
                    told.append(client.call("SessionService/CloseSession", {"session": session}))
                except http_api.ApiError as error: # It came when the session was gone.
                    told.append(error.code)
        threads = [threading.Thread(target=close) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(waiting.WATCHDOG)
        self.assertEqual(len(told), 4)
        self.assertIn({}, told)
        self.assertLessEqual({str(one) for one in told}, {"{}", "not_found", "aborted"})
        self.assertEqual([(v["name"], v["version"])
                          for v in self.client.call("VolumeService/ListVolumes")["volumes"]],
                         [(name, "2") for name in names])

    def test_close_spoilt(self):
        """A volume that cannot be written back does not keep the next one from it."""
        self.volume("first", maxBytes=8192)
        self.volume("second", maxBytes=8192)
        session = self.client.create(volumes=[
            {"volume": name, "access": "VOLUME_ACCESS_WRITE"} for name in ("first", "second")])
        files = Files(self.client, session)
        files.put("first/x", bytes(9000))
        files.put("second/x", b"kept")
        self.refused("resource_exhausted", "SessionService/CloseSession", {"session": session})
        self.assertEqual(self.mounted("second", access="READ").get("second/x"), b"kept")

    def test_two_writers(self):
        """The second one is refused, and can insist."""
        self.volume("data")
        one, two = self.mounted("data"), self.mounted("data")
        one.put("data/x", b"one")
        two.put("data/x", b"two")
        commit(self.client, one.session, "data")
        one.put("data/x", b"one again")
        self.assertEqual(commit(self.client, one.session, "data")["version"], "3")
        error = self.refused("failed_precondition", "VolumeService/CommitVolume",
                             {"session": two.session, "volume": "data"})
        self.assertIn("`force`", error.message)
        self.refused("failed_precondition", "SessionService/CloseSession", {"session": two.session})
        self.refused("aborted", "FileService/StatFile",
                     {"session": two.session, "path": "data/x"})
        three = self.mounted("data")
        commit(self.client, one.session, "data")
        three.put("data/x", b"three")
        self.assertEqual(commit(self.client, three.session, "data", force=True)["version"], "5")
        self.assertEqual(self.mounted("data", access="READ").get("data/x"), b"three")

    def test_quotas(self):
        """Of one volume, of all of a tenant, and what is over them leaves the old content."""
        self.volume("big")
        self.volume("small", maxBytes=8192)
        self.assertIn("volumes_bytes", self.refused(
            "resource_exhausted", "VolumeService/CreateVolume", {"name": "huge", "maxBytes": 4 * MIB}).message)
        files = self.mounted("small")
        files.put("small/x", bytes(8192))
        commit(self.client, files.session, "small")
        files.put("small/x", bytes(9000))
        self.refused("resource_exhausted", "VolumeService/CommitVolume",
                     {"session": files.session, "volume": "small"})
        self.assertEqual(self.mounted("small", access="READ").stat("small/x")["size"], "8192")
        files = self.mounted("big")
        self.client.value("with open('big/sparse', 'w') as f: f.truncate(50 << 20)", files.session)
        self.refused("resource_exhausted", "VolumeService/CommitVolume",
                     {"session": files.session, "volume": "big"})
        self.assertEqual(self.trees("big"), ["about", "tree.1"])
        files.remove("big/sparse")
        files.put("big/x", bytes(2 * MIB))
        commit(self.client, files.session, "big")
        self.volume("more")
        files = self.mounted("more")
        files.put("more/x", bytes(MIB + 1))
        self.refused("resource_exhausted", "VolumeService/CommitVolume",
                     {"session": files.session, "volume": "more"})
        self.client.call("SessionService/CloseSession", {"session": files.session, "discardVolumes": True})
        tight = {"limits": {"workspaceBytes": MIB}, "volumes": [{"volume": "big"}]}
        self.assertIn("limits.workspace_bytes",
                      self.refused("resource_exhausted", "SessionService/CreateSession", tight).message)

    def test_quota_at_once(self):
        """The tenant's quota holds against commits that come together."""
        names = ["one", "three", "two"]
        for name in names:
            self.volume(name)
        session = self.client.create(volumes=[
            {"volume": name, "access": "VOLUME_ACCESS_WRITE"} for name in names])
        self.made.append(session)
        for name in names:
            Files(self.client, session).put(f"{name}/x", bytes(2 * MIB))
        told = []
        def work(name):
            with self.daemon.client() as client:
                try:
                    commit(client, session, name)
                    told.append("")
                except http_api.ApiError as error:
                    told.append(error.code)
        threads = [threading.Thread(target=work, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(waiting.WATCHDOG)
        self.assertEqual(sorted(told), ["", "resource_exhausted", "resource_exhausted"])

    def test_refused(self):
        """What cannot be asked for."""
        self.volume("data")
        for mounts in ([{"volume": "data", "path": ".."}], [{"volume": "data", "path": "/etc"}],
                       [{"volume": "data"}, {"volume": "data", "path": "again"}],
                       [{"volume": "../data"}], [{"volume": "data", "path": "."}],
                       [{"volume": f"v{n}"} for n in range(17)]):
            self.refused("invalid_argument", "SessionService/CreateSession", {"volumes": mounts})

    def test_restart(self):
        """They are there after the daemon has been; rubbish of a commit that died is not."""
        self.volume("data")
        files = self.mounted("data")
        files.put("data/x", b"kept")
        commit(self.client, files.session, "data")
        folder = f"{self.daemon.folder}/kept/volumes/local/data"
        os.mkdir(f"{folder}/tree.3")
        os.mkdir(f"{folder}/tree.3/half")
        fresh = self.mounted("data")
        self.assertEqual(fresh.get("data/x"), b"kept")
        commit(self.client, fresh.session, "data", force=True)
        self.assertEqual(self.trees("data"), ["about", "tree.3"])


class Buckets(VolumeCase):
    """Those that are kept in a bucket, by rclone, with a real S3 server."""

    @classmethod
    def setUpClass(cls):
        """Starts the S3 server, then the daemon."""
        server = servers.S3()
        cls.addClassCleanup(server.close)
        os.mkdir(f"{server.folder}/bucket")
        cls.store = tempfile.mkdtemp(prefix="vivarium-s3-keys-")
        cls.addClassCleanup(shutil.rmtree, cls.store)
        with open(f"{cls.store}/keys", "w", encoding="ascii") as file:
            file.write("S3RVER\nS3RVER\n")
        common = (f'endpoint = "http://127.0.0.1:{server.port}"\nkeys_file = "{cls.store}/keys"\n'
                  'region = "us-east-1"\ntimeout = "20s"\n')
        cls.config = (f'[volumes.shared]\nsource = "s3://bucket/some/prefix"\naccess = "write"\n{common}'
                      f'[volumes.fixed]\nsource = "s3://bucket/some/prefix"\n{common}'
                      f'[volumes.other]\nsource = "s3://bucket/other"\naccess = "write"\n{common}'
                      f'[volumes.tiny]\nsource = "s3://bucket/other"\nsize = "4KiB"\n{common}'
                      '[volumes.gone]\nsource = "s3://bucket/x"\nendpoint = "http://127.0.0.1:1"\ntimeout = "5s"\n'
                      f'keys_file = "{cls.store}/keys"\n')
        super().setUpClass()
        with cls.daemon.client() as client:
            client.call("VolumeService/ListVolumes")

    def test_there_and_back(self):
        """What one session commits another one gets; what is removed goes."""
        files = self.mounted("shared", path="v")
        files.put("v/a/x", b"one")
        files.put("v/y", bytes(10_000))
        told = commit(self.client, files.session, "shared")
        self.assertEqual((told["source"], told["size"]), ("s3", str((1 + 1 + 3) * 4096)))
        other = self.mounted("fixed", "READ", "v")
        self.assertEqual(other.list_all("v", recursive=True), ["v/a", "v/a/x", "v/y"])
        self.assertEqual(other.get("v/a/x"), b"one")
        files.remove("v/y")
        self.client.call("SessionService/CloseSession", {"session": files.session})
        self.assertEqual(self.mounted("fixed", "READ", "v").list_all("v", recursive=True), ["v/a", "v/a/x"])
        self.assertEqual([v["name"] for v in self.client.call("VolumeService/ListVolumes")["volumes"]],
                         ["fixed", "gone", "other", "shared", "tiny"])

    def test_refused(self):
        """Writing where that is not configured, more than may come, a server that is not there."""
        self.refused("permission_denied", "SessionService/CreateSession",
                     {"volumes": [{"volume": "fixed", "access": "VOLUME_ACCESS_WRITE"}]})
        self.refused("failed_precondition", "VolumeService/CreateVolume", {"name": "shared"})
        self.refused("failed_precondition", "VolumeService/RemoveVolume", {"volume": "shared"})
        files = self.mounted("other", path="v")
        files.put("v/big", bytes(100_000))
        commit(self.client, files.session, "other")
        with self.assertRaises(http_api.ApiError):
            self.client.create(volumes=[{"volume": "tiny"}])
        error = self.refused("unavailable", "SessionService/CreateSession",
                             {"volumes": [{"volume": "gone"}]})
        self.assertNotIn("127.0.0.1", error.message, "the operator's addresses are the operator's")
        self.assertIn("rclone", self.daemon.log())
        self.assertNotIn("S3RVER", self.daemon.log())


if __name__ == "__main__":
    unittest.main()
