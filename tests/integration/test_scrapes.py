# SPDX-License-Identifier: Apache-2.0
"""Who reads /metrics slowly, or not at all, holds up nobody."""

import socket
import unittest

from vivarium_testing import waiting
from vivarium_testing.case import DaemonCase

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SLOW = 20


class Scrapes(DaemonCase):
    """A daemon that waits a second for whoever takes nothing; the bystander is at work all along."""

    config = '[server]\nwrite_timeout = "1s"\nwrite_high_watermark = "64KiB"\n'

    def connect(self):
        """Returns a connection with as little room for what comes as the kernel allows."""
        made = socket.socket()
        self.addCleanup(made.close)
        made.settimeout(waiting.WATCHDOG)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        made.connect(self.daemon.address)
        return made

    def figure(self, name):
        """Returns a metric, by a scrape of one's own."""
        text = self.client.request("GET", "/metrics")[2].decode()
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))

    def test_a_byte_at_a_time(self):
        """It gets all of it, right; others are answered between any two bytes."""
        slow = self.connect()
        slow.sendall(REQUEST)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += slow.recv(1)
            if len(head) % 50 == 0:
                self.assertEqual(self.client.value("6 * 7"), 42)
        left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = b""
        while len(body) < left:
            body += slow.recv(1)
        self.assertIn(b"\nvivarium_sessions", body)
        self.assertTrue(body.endswith(b"\n"))
        slow.close()

    def test_never(self):
        """Many who ask on and on and read nothing: they are let go of, and meanwhile all goes on, other scrapes
        too."""
        before = self.figure("vivarium_connections")
        resident = self.figure("process_resident_memory_bytes")
        stuck = [self.connect() for _ in range(SLOW)]
        for one in stuck:
            one.sendall(REQUEST * 200)  # More than all buffers on the way hold.
        self.assertEqual(self.client.value("6 * 7"), 42)
        self.assertGreater(self.figure("vivarium_connections"), before)
        # What is kept for them is bounded: a few answers each, not two hundred.
        self.assertLess(self.figure("process_resident_memory_bytes"), resident + (64 << 20))
        waiting.wait_for(lambda: self.client.value("6 * 7") == 42
                         and self.figure("vivarium_connections") <= before, "the end of the others")

    def test_in_the_middle(self):
        """One that goes away in the middle of it leaves nothing."""
        before = self.figure("vivarium_connections")
        for _ in range(SLOW):
            gone = self.connect()
            gone.sendall(REQUEST)
            self.assertEqual(gone.recv(9), b"HTTP/1.1 ")
            gone.close()
        waiting.wait_for(lambda: self.figure("vivarium_connections") <= before, "the end of the others")
        self.assertEqual(self.client.value("6 * 7"), 42)


if __name__ == "__main__":
    unittest.main()
