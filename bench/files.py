# SPDX-License-Identifier: Apache-2.0
"""100 MiB into and out of a session over plain HTTP, against the same bytes between a file in memory
and the same kind of socket, copied by two processes that do nothing else."""
import os
import socket
import statistics
import subprocess
import sys
import time

import harness
from attacks import Client

SIZE = 100 << 20
PIECE = 1 << 20
# Takes a connection, and writes what comes to a file, or a file to it.
FLOOR = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    into = connection.recv(1) == b"i"
    with open(sys.argv[2], "wb" if into else "rb") as file:
        room = bytearray(1 << 20)
        if into:
            while n := connection.recv_into(room):
                file.write(memoryview(room)[:n])
        else:
            while n := file.readinto(room):
                connection.sendall(memoryview(room)[:n])
    connection.close()
"""


def drain(connection, left=None):
    room = bytearray(PIECE)
    while left is None or left > 0:
        n = connection.recv_into(room)
        if n == 0:
            break
        left = None if left is None else left - n


def connect(path):
    made = socket.socket(socket.AF_UNIX)
    made.connect(str(path))
    return made


def floor(path, into):
    with connect(path) as connection:
        begin = time.perf_counter()
        if into:
            piece = bytes(PIECE)
            connection.sendall(b"i")
            for _ in range(SIZE // PIECE):
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)
        else:
            connection.sendall(b"o")
            drain(connection)
        return SIZE / (1 << 20) / (time.perf_counter() - begin)


def head_of(connection):
    """Reads up to the end of the head; returns what came of the body."""
    came = b""
    while b"\r\n\r\n" not in came:
        came += connection.recv(65536)
    head, _, rest = came.partition(b"\r\n\r\n")
    if b" 200 " not in head:
        raise SystemExit(f"bench: {came[:500]!r}")
    return rest


def through(path, session, into, lines=""):
    with connect(path) as connection:
        begin = time.perf_counter()
        what = (f"{'PUT' if into else 'GET'} /v1/sessions/{session}/files/big HTTP/1.1\r\n"
                f"Host: localhost\r\n{lines}")
        if into:
            piece = bytes(PIECE)
            connection.sendall(f"{what}Content-Length: {SIZE}\r\n\r\n".encode())
            for _ in range(SIZE // PIECE):
                connection.sendall(piece)
            head_of(connection)
        else:
            connection.sendall(f"{what}\r\n".encode())
            drain(connection, SIZE - len(head_of(connection)))
        return SIZE / (1 << 20) / (time.perf_counter() - begin)


def measure(bench, configuration, placement):
    """Floor and daemon in turn, as often as there are rounds."""
    prefix = bench.prefix(placement)
    samples = {}
    limits = '\n[limits.max]\nworkspace = "1GiB"\n'
    with harness.Daemon(bench.binaries, configuration + limits, prefix) as daemon:
        client = Client(daemon)
        session = client.call("SessionService/CreateSession", {
            "limits": {"workspaceBytes": str(512 << 20)}})["session"]["id"]
        copier = subprocess.Popen(
            [*prefix, sys.executable, "-c", FLOOR, daemon.home / "floor", f"/dev/shm/vivarium-bench-{os.getpid()}"],
            stdout=subprocess.PIPE)
        try:
            copier.stdout.readline()
            for _ in range(bench.rounds):
                for name, into in (("in", True), ("out", False)):
                    samples.setdefault(f"floor {name}", []).append(floor(daemon.home / "floor", into))
                    samples.setdefault(name, []).append(through(daemon.socket, session, into))
                samples.setdefault("out, with its digest before", []).append(
                    through(daemon.socket, session, False, "Want-Content-Digest: sha-256=1\r\n"))
        finally:
            copier.kill()
            copier.wait()
            os.unlink(f"/dev/shm/vivarium-bench-{os.getpid()}")
        client.connection.close()
    report(bench, placement, samples)


def report(bench, placement, samples):
    for name, taken in samples.items():
        if name.startswith("floor"):
            continue
        base = statistics.median(samples["floor in" if name == "in" else "floor out"])
        figure = statistics.median(taken)
        bench.line(f"100 MiB {name}", placement, f"{figure:,.0f} MiB/s",
                   f"{min(taken):.0f}–{max(taken):.0f}", f"{figure / base:.2f} × floor ({base:,.0f})",
                   "≥ 500 MiB/s" if "digest" not in name else "")
