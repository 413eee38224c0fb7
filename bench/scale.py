# SPDX-License-Identifier: Apache-2.0
"""The rows about memory and many idle sessions: looks at the machine while they are held."""
import json
import statistics
import subprocess
import time

import harness


def measure(bench, configuration, sessions):
    """Holds `sessions` sessions, one eval each, and reports what they cost and how they answer."""
    floor = statistics.median(bench.floor([])["p50"] for _ in range(3))
    with harness.Daemon(bench.binaries, configuration) as daemon:
        rss_start = daemon.status("VmRSS")
        # One session's life first: what the daemon allocates once is no session's.
        daemon.row("cycles", "--count", "16")
        time.sleep(2)
        rss_before, before = daemon.status("VmRSS"), harness.available_kib()
        pss_before = harness.pss_kib(daemon.descendants())
        holder = subprocess.Popen([*daemon.load, "--count", str(sessions), "hold"], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            held = step(daemon, holder)
            time.sleep(3)
            rss, after = daemon.status("VmRSS"), harness.available_kib()
            pss = harness.pss_kib(daemon.descendants())
            probe = step(daemon, holder, answer=True)
            closed = step(daemon, holder, answer=True)
        finally:
            holder.kill()
            holder.wait()
        time.sleep(2)
        left = len(daemon.descendants())

    print(f"\n{sessions} idle sessions (made in {held['seconds']:.1f} s, closed in {closed['seconds']:.1f} s, "
          f"{left} processes left): floor {floor:.1f} µs", flush=True)
    n = sessions
    each = (before - after) / 1024 / n
    line(bench, n, "memory that an idle session adds (MemAvailable)", f"{each:.2f} MiB", "", "≤ 2 MiB")
    line(bench, n, "of that in its processes (Pss)", f"{(pss - pss_before) / 1024 / n:.2f} MiB", "", "")
    line(bench, n, "any of them answers `1+1`, p50", f"{probe['p50']:.0f} µs",
         f"{probe['p50'] / floor:.2f} × floor", "≤ 3 × floor")
    line(bench, n, "the same, p99", f"{probe['p99']:.0f} µs", f"{probe['p99'] / floor:.2f} × floor", "")
    line(bench, n, "daemon RSS at start", f"{rss_start / 1024:.1f} MiB", "", "≤ 30 MiB")
    line(bench, n, "daemon RSS per idle session", f"{(rss - rss_before) / n:.1f} KiB", "", "≤ 40 KiB")


def line(bench, sessions, what, figure, ratio, target):
    bench.line(what, f"{sessions} sessions", figure, "", ratio, target)


def step(daemon, holder, answer=False):
    """Lets the holder go on, and reads the figures that it prints next."""
    if answer:
        holder.stdin.write("\n")
        holder.stdin.flush()
    text = holder.stdout.readline()
    if not text:
        daemon.fail("the load generator ended while it held sessions")
    return json.loads(text)
