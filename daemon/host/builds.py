# SPDX-License-Identifier: Apache-2.0
"""Builds an environment into a directory."""

import hashlib
import json
import os
import re
import shutil
import sys
import urllib.parse

from bounds import bound_files, disk_use, watch_disk
from locks import Lock, lock_text
from pythons import distributions, pip_folder, probe, site_of
from requirements import Refused, normal, wanted
from running import keep_secret, run, say

RUNNER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pip_runner.py")


class Build:
    def __init__(self, order, over):
        self.order = order
        self.top = order["directory"]
        self.prefix = self.top + "/venv"
        self.python = self.prefix + "/bin/python3"
        bound_files(order["most_bytes"])
        watch_disk(self.top, order["most_bytes"], over)
        keep_secret(order["index_url"])
        self.target = probe(order["python"])
        self.lock = Lock.read(order["lock"], self.target) if order["lock"] else None
        self.wanted = wanted(order, self.target)
        self.work = self.top + "/work"
        os.makedirs(self.work)
        for name in ("HOME", "TMPDIR"):
            os.environ[name] = self.work

    def installer(self):
        found = shutil.which("uv")
        if self.order["installer"] == "uv" and not found:
            raise Refused("there is no uv on the daemon's PATH; the installer pip would do without")
        # uv knows what to install from a lock of its own only together with the project.
        return Uv(self, found) if found and self.order["installer"] != "pip" else Pip(self)

    def places(self):
        """Where packages come from, as options that pip and uv understand; the index is `secret`."""
        return ["--no-index", "--find-links", self.order["wheels"]] if self.order["wheels"] else []

    def secret(self, name):
        """The index in the environment: its URL may have a password, and other users read arguments."""
        url = self.order["index_url"]
        return {name: url} if url else {}

    def files(self):
        """What is wanted, as options: files of requirements and constraints."""
        with open(self.work + "/wanted.txt", "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in self.wanted))
        if not self.lock:
            return ["-r", self.work + "/wanted.txt"]
        with open(self.work + "/lock.txt", "w", encoding="utf-8") as file:
            lines = self.lock.lines()
            file.write("".join(line + "\n" for line in
                               (lines if self.lock.exact else [line.split()[0] for line in lines])))
        if self.lock.exact:
            hashed = all(digests for _, digests in self.lock.pins.values())
            return [*(["--require-hashes"] if hashed else []), "-r", self.work + "/lock.txt"]
        return ["-r", self.work + "/wanted.txt", "-c", self.work + "/lock.txt"]

    def run(self):
        say(f"python {self.target['version']} at {self.order['python']}, {self.target['platform_tag']}")
        if run([self.order["python"], "-I", "-B", "-m", "venv", "--without-pip", self.prefix]) != 0:
            raise Refused("the virtual environment could not be made; the log says why")
        installed = {}
        if self.wanted or self.lock:
            installed = self.installer().install()
        if self.lock:
            self.lock.check(installed)
        self.settle()
        target = self.target
        content = [target["version"], target["platform_tag"],
                   sorted((name, *rest) for name, rest in installed.items())]
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        return {
            "id": "env_" + digest[:32], "python_version": target["version"],
            "platform_tag": target["platform_tag"], "lock": lock_text(installed, target),
            "packages": [[name, version] for name, (version, _) in sorted(installed.items())],
        }

    def settle(self):
        """Makes it what it will be when it has been moved to its place."""
        shutil.rmtree(self.work)
        old, new = (self.prefix + "/bin/").encode(), (self.order["final"] + "/venv/bin/").encode()
        for name in os.listdir(self.prefix + "/bin"):
            path = f"{self.prefix}/bin/{name}"
            if os.path.islink(path):
                continue
            with open(path, "rb") as file:
                content = file.read()
            if content.startswith(b"#!" + old):
                with open(path, "wb") as file:
                    file.write(content.replace(old, new, 1))
        # Workers are nobody's friends: what they cannot read is not there for them.
        for folder, folders, files in os.walk(self.prefix):
            for name in (*folders, *files):
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    mode = os.stat(path).st_mode
                    os.chmod(path, (mode | 0o444 | (0o111 if mode & 0o100 else 0)) & 0o755)
        used = disk_use(self.prefix)
        if used > self.order["most_bytes"]:
            raise Refused(f"the environment takes {used} bytes, and the most is {self.order['most_bytes']} "
                          "(builds.bytes)")
        with open(self.prefix + "/pyvenv.cfg", "rb") as file:
            os.fsync(file.fileno())


class Pip:
    def __init__(self, build):
        self.build = build

    def install(self):
        build = self.build
        report = build.work + "/report.json"
        # Its own, where it has one: pip knows the Pythons of its time.
        folder = pip_folder(build.order["python"]) or pip_folder(sys.executable)
        if not folder:
            raise Refused(f"{sys.executable} has no pip (python3-pip on Debian), and there is no uv")
        kind, only = ("sources", []) if build.order["sources"] else ("wheels", ["--only-binary", ":all:"])
        # Nothing is in the new environment yet: its interpreter runs code of no package.
        status = run([build.python, "-I", "-B", RUNNER, folder, kind,
                      "--isolated", "--no-input", "--no-color", "--disable-pip-version-check", "install",
                      "--no-cache-dir", "--progress-bar", "off", "--no-warn-script-location", "--report", report,
                      *only, *build.places(), *build.files()], build.secret("VIVARIUM_INDEX_URL"))
        if status != 0:
            raise Refused("the packages could not be installed")
        with open(report, encoding="utf-8") as file:
            told = json.load(file)
        return dict(self.entry(one) for one in told["install"])

    @staticmethod
    def entry(one):
        info = one["download_info"]
        archive = info.get("archive_info", {})
        digest = archive.get("hashes", {}).get("sha256") or archive.get("hash", "").removeprefix("sha256=")
        if not digest and info["url"].startswith("file://"):
            with open(urllib.parse.unquote(urllib.parse.urlparse(info["url"]).path), "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        return normal(one["metadata"]["name"]), (one["metadata"]["version"], digest)


class Uv:
    def __init__(self, build, program):
        self.build, self.program = build, program

    def install(self):
        build = self.build
        pins = build.work + "/pins.txt"
        options = ["--python", build.python, "--no-config", "--no-cache", "--no-progress", "--color", "never",
                   *([] if build.order["sources"] else ["--no-build"]), *build.places()]
        secret = build.secret("UV_INDEX_URL")
        files = build.files()
        if not (build.lock and build.lock.exact):
            if run([self.program, "pip", "compile", *options, "--generate-hashes", "--no-header",
                    "--no-annotate", "-o", pins, *[word for word in files if word != "-r"]], secret) != 0:
                raise Refused("the packages could not be found")
            files = ["--require-hashes", "-r", pins]
        if run([self.program, "pip", "install", *options, "--no-deps", *files], secret) != 0:
            raise Refused("the packages could not be installed")
        if build.lock and build.lock.exact:
            locked = build.lock.pins
        else:
            with open(pins, encoding="utf-8") as file:
                text = file.read().replace("\\\n", " ")
            locked = {}
            for line in text.splitlines():
                name, _, version = line.split(" ")[0].partition("==")
                locked[normal(name)] = (version, set(re.findall(r"sha256:([0-9a-f]{64})", line)))
        # Which of the files it took it does not tell; where there was one to choose from it is clear.
        return {name: (version, min(locked[name][1], default="") if len(locked[name][1]) == 1 else "")
                for name, version in distributions(site_of(build.prefix)).items() if name in locked}
