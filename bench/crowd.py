# SPDX-License-Identifier: Apache-2.0
"""The rows about a crowd: what /metrics costs with a thousand tenants, and how fast a full daemon drains."""
import base64
import hashlib
import http.client
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import threading
import time

import harness

AUTH = """
[auth]
keys = "{keys}"
[limits]
sessions = 10000
"""
# One zygote for all: a thousand would measure the machine's memory.
TENANT = '[tenants.t{n}]\ntrust_group = "crowd"\n'


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the daemon's Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def post(connection, key, method, message):
    headers = {"content-type": "application/json"}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    connection.request("POST", f"/vivarium.v1.{method}", json.dumps(message), headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    if answer.status != 200:
        raise SystemExit(f"bench: {method}: {body}")
    return body


def write_keys(file, tenants):
    """Makes a key for each tenant: by the command, a thousand take minutes."""
    def text_of(count):
        return base64.b32encode(os.urandom(count)).decode().rstrip("=").lower()
    keys, lines = [], []
    for n in range(tenants):
        name, secret = text_of(16), text_of(32)
        keys.append(f"viv_{name}_{secret}")
        digest = hashlib.sha256(secret.encode()).hexdigest()
        lines.append(f"v1 {name} t{n} client {int(time.time())} 0 {digest}\n")
    with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as to:
        to.write("".join(lines) + "end\n")
    return keys


def scrape(daemon):
    """Returns the seconds that a scrape took, and its text."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    begun = time.perf_counter()
    connection.request("GET", "/metrics")
    text = connection.getresponse().read()
    took = time.perf_counter() - begun
    connection.close()
    return took, text


def populate(daemon, keys, sessions):
    """Has each tenant open sessions, with one evaluation in each."""
    for key in keys:
        connection = UnixConnection(daemon.socket)
        for _ in range(sessions):
            made = post(connection, key, "SessionService/CreateSession", {})
            post(connection, key, "ExecutionService/Eval",
                 {"session": made["session"]["id"], "source": "1+1"})
        connection.close()


def evals(daemon, key, seconds):
    done = subprocess.run([*daemon.load, "--seconds", str(seconds), "eval-ws-unix"], text=True,
                          env=dict(os.environ, VIVARIUM_API_KEY=key), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def beside_scrapes(daemon, key, seconds):
    """Evaluations while /metrics is scraped once a second."""
    over = threading.Event()

    def scraper():
        while not over.wait(1):
            scrape(daemon)
    thread = threading.Thread(target=scraper)
    thread.start()
    try:
        return evals(daemon, key, seconds)
    finally:
        over.set()
        thread.join()


def measure_metrics(bench, configuration, tenants, each):
    """A scrape of that many tenants with sessions, and an evaluation beside it."""
    seconds = 2 if bench.options.quick else 5
    folder = pathlib.Path(f"/tmp/vivarium-bench-keys-{os.getpid()}")
    folder.mkdir(mode=0o700)
    try:
        file = folder / "keys"
        text = configuration + AUTH.replace("{keys}", str(file))
        text += "".join(TENANT.replace("{n}", str(n)) for n in range(tenants))
        keys = write_keys(file, tenants)
        with harness.Daemon(bench.binaries, text) as daemon:
            begun = time.time()
            populate(daemon, keys, each)
            print(f"\n{tenants} tenants, {tenants * each} sessions made in {time.time() - begun:.0f} s",
                  flush=True)
            time.sleep(2)
            scrape(daemon)
            samples, body = [], b""
            for _ in range(11):
                took, body = scrape(daemon)
                samples.append(took * 1e3)
                time.sleep(0.3)
            alone = evals(daemon, keys[0], seconds)
            beside = beside_scrapes(daemon, keys[0], seconds)
            idle = idle_cpu(daemon)
    finally:
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()
    what = f"{tenants} tenants, {tenants * each} sessions"
    bench.line("scrape of `/metrics`, p50", what, f"{statistics.median(samples):.1f} ms",
               f"{min(samples):.0f}–{max(samples):.0f}",
               f"{body.count(b'%c' % 10):,} lines, {len(body) / 1e6:.1f} MB", "≤ 50 ms")
    for name, figures in (("alone", alone), ("beside a scrape each second", beside)):
        bench.line(f"eval `1+1` {name}, p50 / p99", what, f"{figures['p50']:.0f} / {figures['p99']:.0f} µs",
                   "", f"{figures['p99'] / alone['p99']:.2f} × alone", "as alone")
    bench.line("CPU of the daemon while nothing happens", what, f"{idle:.2f} %", "", "of one core", "")


def idle_cpu(daemon, seconds=10):
    """The daemon's CPU time in percent of one core."""
    def ticks():
        fields = pathlib.Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    before = ticks()
    time.sleep(seconds)
    return (ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds * 100


def measure_drain(bench, configuration, sessions):
    """From SIGTERM until the daemon has ended, with that many idle sessions whose clients have left."""
    rounds = []
    for _ in range(2 if bench.options.quick else 3):
        with harness.Daemon(bench.binaries, configuration) as daemon:
            populate(daemon, [None], sessions)
            time.sleep(2)
            begun = time.perf_counter()
            daemon.process.send_signal(signal.SIGTERM)
            daemon.process.wait(60)
            rounds.append(time.perf_counter() - begun)
    bench.line("drain, from SIGTERM to the end", f"{sessions} idle sessions",
               f"{statistics.median(rounds):.2f} s", f"{min(rounds):.2f}–{max(rounds):.2f}", "", "≤ 1 s")


def measure(bench, configuration):
    quick = bench.options.quick
    measure_metrics(bench, configuration, 100 if quick else 1000, 5)
    measure_drain(bench, configuration, 1000)
