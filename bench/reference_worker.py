# SPDX-License-Identifier: Apache-2.0
"""The reference's worker: evaluates the source in each 100-byte message, batching its reads.

A message is eight bytes of routing, then a NUL-padded payload. All answers to one read leave in one
write: what a straightforward, careful Python worker behind a relay can do.
"""
import os
import sys

SIZE = 100
HEAD = 8


def main() -> None:
    fd = int(sys.argv[1])
    pending = b""
    while True:
        data = os.read(fd, 65536)
        if not data:
            return
        data = pending + data
        whole = len(data) - len(data) % SIZE
        answers = []
        for at in range(0, whole, SIZE):
            source = data[at + HEAD : at + SIZE].rstrip(b"\0")
            value = repr(eval(source)).encode()
            answers.append(data[at : at + HEAD] + value.ljust(SIZE - HEAD, b"\0"))
        pending = data[whole:]
        out = memoryview(b"".join(answers))
        while out:
            out = out[os.write(fd, out) :]


main()
