# SPDX-License-Identifier: Apache-2.0
"""What tests of a session's limits share."""

from .case import DaemonCase

KIB, MIB = 1 << 10, 1 << 20

# Allocates in small pieces until it is refused, and keeps what it has.
EAT = ("kept = []\n"
       "try:\n"
       "    while True: kept.append(bytearray(1 << 20))\n"
       "except MemoryError:\n"
       "    n = len(kept)\n"
       "    raise\n")
# Touches shared anonymous memory, which is no data of the process: only looking finds it.
SHARED = ("import mmap\n"
          "m = mmap.mmap(-1, {} << 20)\n"
          "for i in range(0, {} << 20, 4096): m[i] = 1\n")


class LimitCase(DaemonCase):
    """What the tests of this file share."""

    def cause(self, verdict, cause, limit, by):
        """The verdict has that cause; returns what was configured and observed."""
        told = verdict.get("cause", {})
        self.assertEqual((told.get("cause"), told.get("limit"), told.get("enforcedBy")),
                         (cause, limit, f"ENFORCED_BY_{by}"), verdict)
        return int(told.get("configured", 0)), int(told.get("observed", 0))

    def limited(self, **limits):
        """Creates a session with limits of its own."""
        return self.session(limits=limits)

    def limits_of(self, session):
        """Returns the limits that hold for a session, as numbers."""
        told = self.client.call("SessionService/GetSession", {"session": session})["session"]
        return {name: int(value) for name, value in told["limits"].items()}

    def metric(self, name, **labels):
        """Returns the value of a metric; 0 when there is none."""
        text = self.client.request("GET", "/metrics")[2].decode()
        for line in text.splitlines():
            if line.startswith((name + "{", name + " ")) and all(
                    f'{k}="{v}"' in line for k, v in labels.items()):
                return float(line.rsplit(" ", 1)[1])
        return 0.0
