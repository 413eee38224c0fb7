# SPDX-License-Identifier: Apache-2.0
"""What a neighbour feels of an attack: its latencies beside code that takes what it can get."""
import contextlib
import http.client
import json
import statistics
import threading

import harness

RAW = ("import ctypes, os\n_libc = ctypes.CDLL(None)\n")

# What two sessions at once are made to run, for as long as the neighbour is measured.
SOURCES = {
    "a busy loop (no attack: the price of two cores shared)": "while True: pass",
    "fork bomb": "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass",
    "memory bomb": ("while True:\n  try: a = [bytearray(1 << 20) for _ in iter(int, 1)]\n"
                    "  except MemoryError: a = None"),
    "output flood": "while True: print('x' * 1000)",
    "flood of refused system calls": RAW + "while True: _libc.listen(3, 1)",
    "flood of allowed system calls": RAW + "while True: _libc.getppid()",
}
STORM = "create storm"
ATTACKERS = 2


class Client:
    """The API's JSON over one connection."""

    def __init__(self, daemon):
        self.connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=120)

    def call(self, method, message):
        self.connection.request("POST", f"/vivarium.v1.{method}", json.dumps(message),
                                {"content-type": "application/json"})
        answer = self.connection.getresponse()
        decoded = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{method}: {decoded}")
        return decoded

    def session(self):
        return self.call("SessionService/CreateSession", {})["session"]["id"]


@contextlib.contextmanager
def running(daemon, source):
    """Has the attackers run it meanwhile."""
    client = Client(daemon)
    sessions = [client.session() for _ in range(ATTACKERS)]
    for session in sessions:
        client.call("ExecutionService/Start",
                    {"eval": {"session": session, "source": source, "timeoutMs": "600000"}})
    yield
    for session in sessions:
        client.call("SessionService/CloseSession", {"session": session})
    client.connection.close()


@contextlib.contextmanager
def storm(daemon):
    """Has clients make sessions and close them, as fast as they can."""
    over = threading.Event()

    def churn():
        client = Client(daemon)
        while not over.is_set():
            client.call("SessionService/CloseSession", {"session": client.session()})
        client.connection.close()

    threads = [threading.Thread(target=churn) for _ in range(ATTACKERS)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join()


def measure(bench, configuration, placement):
    """Measures the neighbour quiet, then beside each attack, in turn, as often as there are rounds."""
    prefix = harness.ONE_CORE if placement == "one core" else []
    samples = {}
    with harness.Daemon(bench.binaries, configuration, prefix) as daemon:
        for _ in range(bench.rounds):
            for name in ("quiet", *SOURCES, STORM):
                beside = (contextlib.nullcontext() if name == "quiet" else
                          storm(daemon) if name == STORM else running(daemon, SOURCES[name]))
                with beside:
                    figures = daemon.row("eval-ws-unix", "--seconds", bench.seconds)
                for field in ("p50", "p99"):
                    samples.setdefault((name, field), []).append(figures[field])
    print(f"\n{placement}: eval `1+1` of a neighbour on the Unix socket", flush=True)
    for name in ("quiet", *SOURCES, STORM):
        for field in ("p50", "p99"):
            taken = samples[name, field]
            figure, quiet = statistics.median(taken), statistics.median(samples["quiet", field])
            bench.line(f"neighbour, {name}, {field}", placement, f"{figure:,.1f} µs",
                       f"{min(taken):.0f}–{max(taken):.0f}", f"{figure / quiet:.2f} × quiet",
                       "≤ 2 × quiet" if field == "p99" and name != "quiet" else "")
