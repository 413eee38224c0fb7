# SPDX-License-Identifier: Apache-2.0
"""`uuid.uuid7` for a Python that has none yet: RFC 9562, in the order in which they are made."""

import os
import time
import uuid

_MOST = (1 << 42) - 1
_last = [0, 0]  # Milliseconds and counter of the newest one.


def install():
    if not hasattr(uuid, "uuid7"):
        uuid.uuid7 = uuid7
        # What a worker makes must not go on from where another one does.
        os.register_at_fork(after_in_child=lambda: _last.__setitem__(slice(2), (0, 0)))


def uuid7():
    """Generate a UUID from a Unix timestamp in milliseconds and random bits: later ones are greater."""
    now, random = time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10), "big")
    last, counter = _last
    if now > last:
        # Its first bit is free, so that there is room to count.
        counter = random >> 32 & _MOST >> 1
    else:
        now, counter = last, counter + 1
        if counter > _MOST:
            now, counter = now + 1, random >> 32 & _MOST >> 1
    _last[:] = now, counter
    value = (now & (1 << 48) - 1) << 80 | 7 << 76 | (counter >> 30) << 64
    value |= 0b10 << 62 | (counter & (1 << 30) - 1) << 32 | random & 0xFFFFFFFF
    return uuid.UUID(int=value)


uuid7.__module__ = "uuid"
