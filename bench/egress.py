# SPDX-License-Identifier: Apache-2.0
"""`connect` of a session with an egress policy, against the same code without a sandbox and the same
server on loopback."""
import json
import socket
import statistics
import subprocess
import threading

import harness
from attacks import Client

# Opens and closes connections and keeps the times of `connect` alone, in microseconds.
MEASURE = """
import socket, time
def measure(address, count=500):
    times = []
    for _ in range(count):
        s = socket.socket()
        before = time.perf_counter_ns()
        s.connect(address)
        times.append((time.perf_counter_ns() - before) / 1000)
        s.close()
    times.sort()
    return [times[count // 2], times[count * 99 // 100]]
"""
FIELDS = ("p50", "p99")
# The first name of a policy is connected to at this address.
WAYS = {"to an address": "127.0.0.1", "to a name": "198.18.0.1"}


def policy(port):
    return f"""
[egress.bench]
allow = ["127.0.0.1:{port}", "bench.test:{port}"]
allow_private = ["127.0.0.1"]
connections = 10000000
open = 10000
bytes = "1024GiB"
resolve = {{ "bench.test" = ["127.0.0.1"] }}
"""


def serve(listener):
    """Accepts and closes; whoever connects waits for nothing but the kernel."""
    while True:
        try:
            listener.accept()[0].close()
        except OSError:
            return


def direct(prefix, address):
    code = f"{MEASURE}\nimport json\nprint(json.dumps(measure({address!r})))"
    done = subprocess.run([*prefix, "/usr/bin/python3", "-c", code], stdout=subprocess.PIPE,
                          text=True, check=True)
    return json.loads(done.stdout)


def in_session(client, session, source):
    verdict = client.call("ExecutionService/Eval", {"session": session, "source": source,
                                                    "timeoutMs": "60000"})["verdict"]
    if "result" not in verdict:
        raise SystemExit(f"bench: {verdict}")
    return verdict["result"].get("json")


def measure(bench, configuration, placement):
    """Measures direct, then each way out of a session, in turn, as often as there are rounds."""
    prefix = bench.prefix(placement)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        samples = {}
        with harness.Daemon(bench.binaries, configuration + policy(port), prefix) as daemon:
            client = Client(daemon)
            session = client.call("SessionService/CreateSession", {"egress": "bench"})["session"]["id"]
            in_session(client, session, MEASURE)
            for _ in range(bench.rounds):
                samples.setdefault("direct", []).append(direct(prefix, ("127.0.0.1", port)))
                for name, host in WAYS.items():
                    samples.setdefault(name, []).append(
                        in_session(client, session, f"measure(({host!r}, {port}))"))
            client.connection.close()
    report(bench, placement, samples)


def report(bench, placement, samples):
    floor = {field: statistics.median(one[i] for one in samples["direct"])
             for i, field in enumerate(FIELDS)}
    print(f"\n{placement}: connect on loopback, direct {floor['p50']:.1f} µs", flush=True)
    for name in WAYS:
        for i, field in enumerate(FIELDS):
            taken = [one[i] for one in samples[name]]
            figure = statistics.median(taken)
            bench.line(f"connect {name}, {field}", placement, f"{figure:,.1f} µs",
                       f"{min(taken):.0f}–{max(taken):.0f}",
                       f"{figure / floor[field]:.2f} × direct",
                       "≤ 3 × direct" if field == "p50" else "")
