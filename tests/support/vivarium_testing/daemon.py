# SPDX-License-Identifier: Apache-2.0
"""Starts and stops a real vivariumd in a temporary directory."""

import contextlib
import errno
import http.client
import os
import re
import shutil
import signal
import subprocess
import tempfile

from . import http_api, processes, waiting

BIN = os.environ.get("VIVARIUM_BIN", os.path.join(os.getcwd(), "build/dev/bin"))
DAEMON = os.path.join(BIN, "vivariumd")
COMMAND = os.path.join(BIN, "vivarium")

# Small pools keep the tests quick; all else is as shipped.
CONFIG = f"""
[pool]
ready = 2
low = 1

[limits]
grace = "1000ms"
start_timeout = "{waiting.scaled(30)}s"

[server]
state_dir = "{{folder}}/kept"
[store]
path = "{{folder}}/store.db"
"""


def environment(home):
    """Returns an environment in which nothing of the machine's own daemon is found."""
    kept = {name: value for name, value in os.environ.items()
            if name in ("PATH", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")}
    return {"HOME": home, "XDG_RUNTIME_DIR": home, "XDG_STATE_HOME": f"{home}/state",
            "TMPDIR": f"{home}/tmp", **kept}


def command_environment(home):
    """Returns the environment of a command beside the daemon, whose state is not the daemon's."""
    return {**environment(home), "XDG_STATE_HOME": f"{home}/user-state"}


class Daemon:
    """A running vivariumd with listeners of its own; stops with the context."""

    def __init__(self, config="", arguments=(), listen=None, wait=True, variables=None,
                 program=DAEMON, before=None, log=None):
        """Starts it; config is added to CONFIG, variables to its environment; before() runs in the
        process that is to become it; log is a file for what it says instead of one in its folder.
        {folder} in config stands for the daemon's directory."""
        self.before, self.other_log = before, log
        self.folder = tempfile.mkdtemp(prefix="vivarium-test-")
        os.mkdir(f"{self.folder}/tmp")
        self.config = f"{self.folder}/vivarium.toml"
        self.socket = f"{self.folder}/vivarium.sock"
        self.port_file = f"{self.folder}/port"
        self.log_file = f"{self.folder}/log"
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(re.sub(r'(?<=grace = ")\d+(?=ms")',
                              lambda found: str(waiting.scaled(int(found[0]))),
                              merge(CONFIG, config)).replace("{folder}", self.folder))
        if listen is None:
            listen = ["127.0.0.1:0", f"unix://{self.socket}"]
        self.arguments = [program, "--config", self.config, "--port-file", self.port_file]
        for address in listen:
            self.arguments += ["--listen", address]
        self.arguments += arguments
        self.variables = variables or {}
        # As an init system would: a control group of its own, which it may divide.
        self.group = None
        if "VIVARIUM_CGROUP" in os.environ:
            self.group = os.path.join(os.environ["VIVARIUM_CGROUP"], os.path.basename(self.folder))
        self.process = None
        self.port = None
        self.key = None  # of its clients, when they are not given another
        self.start(wait)

    def start(self, wait=True, forget=True):
        """Starts the process, again after it ended; `forget`: its port file is removed before."""
        if forget:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.port_file)
        if self.group:
            self.remove_groups()
            os.mkdir(self.group)
        with open(self.log_file, "ab") as log:
            told = self.other_log or log
            enter = (["sh", "-c", "/bin/echo $$ >\"$0/cgroup.procs\" && exec \"$@\"", self.group]
                     if self.group else [])
            self.process = subprocess.Popen(
                enter + self.arguments, stdin=subprocess.DEVNULL, stdout=told, stderr=told,
                env={**environment(self.folder), **self.variables}, cwd=self.folder,
                preexec_fn=self.before)
        if wait:
            try:
                self.wait_until_ready()
            except BaseException:
                self.destroy()
                raise

    @property
    def pid(self):
        """The process id."""
        return self.process.pid

    def log(self):
        """Returns what it has logged so far."""
        with open(self.log_file, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_for_port(self):
        """Waits for the port file and reads it."""
        def port():
            if self.process.poll() is not None:
                raise AssertionError(f"vivariumd ended with {self.process.returncode}:\n"
                                     + self.log())
            return os.path.exists(self.port_file)
        waiting.wait_for(port, "the port file")
        with open(self.port_file, encoding="ascii") as file:
            self.port = int(file.read())

    def wait_until_ready(self):
        """Waits for the port file, then for /readyz."""
        self.wait_for_port()

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"vivariumd ended with {self.process.returncode}:\n"
                                     + self.log())
            with self.client() as client:
                return client.request("GET", "/readyz")[0] == 200
        try:
            waiting.wait_for(ready, "/readyz")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    @property
    def address(self):
        """Host and port of the TCP listener."""
        return "127.0.0.1", self.port

    @property
    def url(self):
        """The URL of the TCP listener."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, key=None):
        """Returns a client over TCP."""
        return http_api.Client(lambda: http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=waiting.WATCHDOG), key or self.key)

    def unix_client(self, key=None):
        """Returns a client over the Unix socket."""
        return http_api.Client(lambda: http_api.UnixConnection(
            self.socket, timeout=waiting.WATCHDOG), key or self.key)

    def keys(self, *arguments, status=0):
        """Runs vivarium keys on {folder}/keys and returns what it printed, which is a new key for
        some orders."""
        done = subprocess.run([COMMAND, "keys", "--file", f"{self.folder}/keys", *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=command_environment(self.folder), timeout=waiting.WATCHDOG,
                              check=False)
        if done.returncode != status:
            raise AssertionError(f"vivarium keys {arguments}: {done}")
        return done.stdout.strip()

    def command(self, *arguments, stdin=None, server=None):
        """Runs the vivarium command against this daemon and returns the finished process."""
        return subprocess.run(
            [COMMAND, "--server", server or self.url, *arguments], input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True, text=True,
            env=command_environment(self.folder), timeout=waiting.WATCHDOG, check=False)

    def terminate(self):
        """Asks it to stop, waits, and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        """Waits for its end."""
        try:
            return self.process.wait(waiting.WATCHDOG)
        except subprocess.TimeoutExpired:
            raise AssertionError("vivariumd does not stop:\n" + self.log()) from None

    def kill(self):
        """Kills it without warning, and returns what it had started."""
        below = processes.descendants(self.pid)
        self.process.kill()
        self.process.wait()
        return list(below.values())

    def destroy(self):
        """Leaves nothing behind, whatever state it is in."""
        below = []
        if self.process.poll() is None:
            below = self.kill()
        for process in below:
            if processes.alive(process):
                waiting.wait_for(lambda p=process: not processes.alive(p), f"the end of {process}")
        self.remove_groups()
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove_groups(self):
        """Removes what an init system removes when a service has ended."""
        def removed():
            try:
                for folder in self.groups():
                    os.rmdir(folder)
                return True
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                return False  # A process in it has ended and is not quite gone.
        waiting.wait_for(removed, f"the end of {self.group}")

    def groups(self):
        """Returns the control groups of the daemon and its sessions, the innermost first."""
        if not self.group:
            return []
        return [folder for folder, _, _ in os.walk(self.group, topdown=False)]

    def __enter__(self):
        """Returns itself."""
        return self

    def __exit__(self, *_):
        """Stops it."""
        self.destroy()


def merge(base, extra):
    """Joins two TOML texts that may have tables in common: a table must not appear twice."""
    tables = {}
    for text in (base, extra):
        current = tables.setdefault("", [])
        for line in text.splitlines():
            if line.startswith("["):
                current = tables.setdefault(line.strip(), [])
            elif line.strip():
                key = line.split("=")[0].strip()
                current[:] = [old for old in current if old.split("=")[0].strip() != key]
                current.append(line)
    return "\n".join(line for name, lines in tables.items() for line in [name, *lines]) + "\n"
