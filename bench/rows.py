# SPDX-License-Identifier: Apache-2.0
"""The rows of the table: what each measures, in which unit, and what it is compared with."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    name: str  # of the load generator's row
    what: str
    target: str = ""
    field: str = "p50"
    unit: str = "µs"
    against: str = "floor"  # or a reference's name, or "" for none
    options: tuple = ()
    pool: bool = True
    placements: tuple = ("one core", "default")


GROUPS = {
    "eval": (
        Row("eval-ws-unix", "eval `1+1`, WebSocket on the Unix socket", "≤ 1.2 × floor"),
        Row("eval-ws-tcp", "eval `1+1`, WebSocket on TCP", "≤ 1.4 × floor"),
        Row("eval-http-binary", "eval `1+1`, HTTP keep-alive, binary", "≤ 1.6 × floor"),
        Row("eval-http-json", "eval `1+1`, HTTP keep-alive, JSON", "≤ 1.8 × floor"),
        Row("eval-ws-unix-new-source", "eval of a source never seen before, WebSocket on the Unix socket"),
        Row("eval-http-unix-binary", "eval `1+1`, HTTP on the Unix socket, binary"),
    ),
    "throughput": (
        Row("inflight-16", "evals/s, 16 in flight on one session", "≥ 1.5 × reference",
            "per_second", "/s", "reference-16"),
        Row("inflight-16-unix", "the same over the Unix socket", "", "per_second", "/s", "reference-16"),
        Row("sessions-64", "evals/s, 64 sessions, one in flight each, one connection",
            "≥ 1.0 × reference", "per_second", "/s", "reference-64-workers"),
        Row("sessions-64", "the same, beside one interpreter for all 64", "", "per_second", "/s",
            "interpreter-64"),
        Row("sessions-64-connections", "the same, a connection each", "≥ 1.0 × reference",
            "per_second", "/s", "reference-64-connections"),
    ),
    "create": (
        Row("create-first", "create (pool hit) + first FizzBuzz(100)", "≤ 8 × floor"),
        Row("create-first", "of that: create alone", field="create_p50"),
        Row("create-eval-close", "create + `1+1` + close, pool never dry", "≤ 8 × floor"),
        Row("create-eval-close", "of that: the first eval", field="eval_p50"),
        Row("create-eval-close", "of that: close", field="close_p50"),
        Row("create-eval-close-no-pool", "create + `1+1` + close, pool off", "≤ 4 ms", pool=False),
        Row("agent", "ten small stateful evals and the create of their session", "≤ 18 × floor"),
        Row("agent", "of that: the ten evals", field="evals_p50"),
        Row("eval-rested", "eval `1+1` in a warm session after 8 ms of rest"),
        Row("burst-100", "100 creates at once, until the last first eval, p95", "≤ 150 ms", "p95", "ms", ""),
        Row("sustained", "create + eval + close, bare environment", "≥ 500 /s", "per_second", "/s", "",
            options=("--environment", "bare"), placements=("default",)),
    ),
    "size": (
        Row("megabyte", "1 MB str in (a new literal) and out"),
        Row("megabyte-out", "1 MB str out"),
    ),
    "values": (
        Row("text-both-ways", "1 MB str in (a variable) and out", "≤ 1 ms"),
        Row("blob-both-ways", "16 MiB bytes in and out", "≤ 3 × copy", against="copy-16m"),
        Row("array-both-ways", "16 MiB float64 ndarray in and out", "≤ 3 × copy", against="copy-16m",
            options=("--environment", "numpy")),
    ),
    "stream": (
        Row("stream-items", "small items to one client", "≥ 400,000 /s", "per_second", "/s", ""),
        Row("stream-chunks", "chunks of 64 KiB to one client", "≥ 500 MiB/s", "mib_per_second",
            "MiB/s", ""),
    ),
    "callback": (
        Row("callback", "a call of Python code to its client and the answer, WebSocket on the Unix socket", "≤ 1.2 × floor"),
        Row("callbacks-at-once", "calls/s, 10,000 under way at once", "", "per_second", "/s", ""),
    ),
    "session": (
        Row("namespaces", "memory of an empty namespace, 1,000 after 1,000 others", "≤ 2,048 bytes", "bytes_each",
            "bytes", "", placements=("one core",)),
        Row("refs", "eval `1+1` beside 100,000 live refs", "as without"),
        Row("refs", "the same without refs", field="p50_without"),
        Row("refs", "the one by the other", "1", "ratio", "×", ""),
    ),
}

# Of the bare relay with Python workers: connections, requests in flight on each, workers. A session is
# an interpreter in a process of its own, so that 64 sessions are compared with 64 workers.
REFERENCES = {
    "reference": (1, 1, 1),
    "reference-16": (1, 16, 1),
    "interpreter-64": (1, 64, 1),
    "reference-64-workers": (1, 64, 64),
    "reference-64-connections": (64, 1, 64),
}

# Of the bare relay with an echo behind it: bytes of one message, there and back.
COPIES = {"copy-16m": 16 << 20}
