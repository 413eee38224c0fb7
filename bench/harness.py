# SPDX-License-Identifier: Apache-2.0
"""What bench/run and bench/soak share: finding the programs, a daemon of one's own, looking at it."""
import contextlib
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
ONE_CORE = ["taskset", "-c", "0"]
REALTIME = ["chrt", "-f", "1"]

# Told to stop, a benchmark still ends its daemon.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def programs(build=None):
    """Returns the directory with the programs: `build`, else the newest of release and dev."""
    if build:
        return pathlib.Path(build).resolve() / "bin"
    for preset in ("release", "dev"):
        found = ROOT / "build" / preset / "bin"
        if (found / "vivariumd").exists() and (found / "vivarium-bench-load").exists():
            return found
    raise SystemExit("bench: build first: make bench does, or cmake --build --preset release")


class Daemon:
    """A vivariumd with a configuration, sockets and state of its own, ended on exit."""

    def __init__(self, binaries, config, prefix=()):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="vivarium-bench-"))
        self.socket = self.home / "daemon.sock"
        port_file = self.home / "port"
        (self.home / "vivarium.toml").write_text(config)
        self.log = open(self.home / "log", "wb")
        command = [*prefix, binaries / "vivariumd", "--config", self.home / "vivarium.toml",
                   "--listen", "127.0.0.1:0", "--listen", f"unix://{self.socket}",
                   "--port-file", port_file, "--state-dir", self.home / "state" / "vivarium"]
        environment = dict(os.environ, XDG_STATE_HOME=str(self.home / "state"),
                           XDG_RUNTIME_DIR=str(self.home))
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=subprocess.STDOUT, env=environment)
        self.load = [*prefix, binaries / "vivarium-bench-load", "--unix", self.socket]
        for _ in range(300):
            if self.process.poll() is not None:
                self.fail("the daemon ended at once")
            if port_file.exists():
                break
            time.sleep(0.1)
        else:
            self.fail("the daemon is not ready after 30 s")
        self.port = int(port_file.read_text())
        self.load += ["--tcp", str(self.port)]
        time.sleep(1)  # The pool fills.

    def fail(self, why):
        log = (self.home / "log").read_text(errors="replace")[-4000:]
        self.stop()
        raise SystemExit(f"bench: {why}\n{log}")

    def row(self, name, *options):
        """Runs one row of the load generator; returns its figures by name."""
        done = subprocess.run([*self.load, *options, name], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            self.fail(f"row {name} failed")
        return json.loads(done.stdout.splitlines()[-1])

    def status(self, field):
        """A field of the daemon's /proc status, e.g. VmRSS in KiB."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(field))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def descendants(self):
        """Host pids of every process below the daemon."""
        children = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
                    children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
        found, open_ends = [], [self.process.pid]
        while open_ends:
            below = children.get(open_ends.pop(), [])
            found += below
            open_ends += below
        return found

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def available_kib():
    """MemAvailable, the median of a second's readings: neighbours make it jump."""
    readings = []
    for _ in range(11):
        text = pathlib.Path("/proc/meminfo").read_text()
        readings.append(next(int(line.split()[1]) for line in text.splitlines()
                             if line.startswith("MemAvailable")))
        time.sleep(0.1)
    return sorted(readings)[5]


def pss_kib(pids):
    """The processes' proportional share of memory; leaves out what the kernel keeps for them."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total


def machine_facts():
    """One line each: what the figures depend on."""
    cpu = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo")
                if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo")) // 1024
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.strip()
    python = subprocess.run(["/usr/bin/python3", "--version"], text=True, stdout=subprocess.PIPE)
    return [
        time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()) + f", commit {commit or 'unknown'}",
        f"{cpu}, {os.cpu_count()} cores, {memory} MiB",
        f"Linux {platform.release()}, {python.stdout.strip()}",
        "load average " + " ".join(f"{x:.2f}" for x in os.getloadavg())
        + f", user {'root' if os.geteuid() == 0 else 'ordinary'}",
    ]
