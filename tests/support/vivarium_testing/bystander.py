# SPDX-License-Identifier: Apache-2.0
"""A neighbour that works on while a test does its worst, and the look for what the test left."""

import os
import threading
import time
import tomllib

from . import processes, waiting

# How long a neighbour may have to wait for an answer before an attack counts as a success.
PATIENCE = 5.0 * waiting.SLOWNESS


class Bystander:
    """Evaluates in a session of its own without pause and remembers what went wrong."""

    def __init__(self, daemon):
        """Opens the session; answers come from the first moment on."""
        self.client = daemon.unix_client()
        self.session = self.client.create()
        self.client.value("n = 0", self.session)
        self.answers = 0
        self.longest = 0.0
        self.trouble = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        """Works on until told to stop."""
        while not self.stopping.is_set() and self.trouble is None:
            try:
                self.step()
            except Exception as error:  # Whatever it is, the test has to hear of it.
                self.trouble = repr(error)
            # Every 10 ms, so that it does not keep the machine from the test itself.
            self.stopping.wait(0.01)

    def step(self):
        """Counts, and checks the answer."""
        before = time.monotonic()
        value = self.client.value("n += 1\n(n, sum(range(n % 100)))", self.session)
        self.longest = max(self.longest, time.monotonic() - before)
        self.answers += 1
        m = self.answers % 100
        if value != [self.answers, m * (m - 1) // 2]:
            raise AssertionError(f"answer {self.answers} was {value}")

    def check(self):
        """Fails unless every answer was right and none was late; asks for one more."""
        had = self.answers
        waiting.wait_for(lambda: self.trouble or self.answers > had,
                         "an answer of the bystander", PATIENCE)
        if self.trouble:
            raise AssertionError(f"the bystander suffered: {self.trouble}")
        if self.longest > PATIENCE:
            raise AssertionError(f"the bystander had to wait {self.longest:.1f} s")

    def stop(self):
        """Closes the session."""
        self.stopping.set()
        self.thread.join(waiting.WATCHDOG)
        try:
            self.client.call("SessionService/CloseSession", {"session": self.session})
        finally:
            self.client.close()


def open_descriptors(daemon):
    """Returns how many descriptors the daemon has open."""
    try:
        return len(processes.descriptors(daemon.pid))
    except PermissionError:
        # Only root may look into a daemon that does not let itself be traced; it tells by itself.
        with daemon.client() as client:
            _, _, text = client.request("GET", "/metrics")
        [line] = [line for line in text.splitlines() if line.startswith(b"process_open_fds ")]
        return int(float(line.split()[1]))


def samples(client, name):
    """Returns the values of a metric that has labels."""
    text = client.request("GET", "/metrics")[2].decode()
    return [float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
            if line.startswith(name + "{")]


def labelled(client, name):
    """Returns the values of a metric by its labels."""
    text = client.request("GET", "/metrics")[2].decode()
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(name + "{"))
    return {labels[len(name):]: float(value) for labels, value in lines}


def belongings(daemon):
    """Returns how much the daemon holds of what can leak."""
    below = processes.descendants(daemon.pid).values()
    return {
        "processes": len(below),
        "zombies": sum(p.state == "Z" for p in below),
        "descriptors": open_descriptors(daemon),
        "mounts": len(processes.mounts()),
        "files": len(temporary_files(daemon)),
        "groups": len(daemon.groups()),
    }


def temporary_files(daemon):
    """Returns the files that the daemon made in its directories."""
    found = []
    for folder in (f"{daemon.folder}/tmp", f"{daemon.folder}/state"):
        for root, folders, files in os.walk(folder):
            found += [os.path.join(root, name) for name in folders + files]
    return found


def settled(daemon):
    """Returns the belongings once the pool is full and two looks in a row agree."""
    with open(daemon.config, "rb") as file:
        wanted = tomllib.load(file)["pool"]["ready"]
    last = {}

    def at_rest():
        """No worker is being made, and none is ending."""
        by_labels = [labelled(client, f"vivarium_{name}") for name in
                     ("pool_workers_ready", "pool_workers")]
        # A pool that has ended, or has not begun, has no workers at all.
        ready, live = ([levels[labels] for labels, count in by_labels[1].items() if count > 0]
                       for levels in by_labels)
        sessions = client.call("SessionService/ListSessions").get("sessions", ())
        pooled = sum(samples(client, "vivarium_session_pool_sessions"))
        return (min(ready, default=0) >= wanted
                and sum(live) == sum(ready) + len(sessions) + pooled)

    def unchanged():
        nonlocal last
        now = belongings(daemon)
        same = now == last and now["zombies"] == 0
        last = now
        time.sleep(0.05)
        return same

    with daemon.client() as client:
        waiting.wait_for(at_rest, "the pool to be full")
    waiting.wait_for(unchanged, "the daemon to come to rest")
    return last


def check_leaks(daemon, before):
    """Fails unless the daemon comes back to what it held before."""
    now = {}

    def same():
        nonlocal now
        now = belongings(daemon)
        return now == before

    try:
        waiting.wait_for(same, "the daemon to let go of everything", 3 * PATIENCE)
    except AssertionError:
        try:
            held = "\n".join(f"  {n}: {what}"
                             for n, what in processes.descriptors(daemon.pid).items())
        except PermissionError:
            held = ""
        below = "\n".join(f"  {p}" for p in processes.descendants(daemon.pid).values())
        raise AssertionError(f"leaked: before {before}, now {now}\n{below}\n{held}") from None
