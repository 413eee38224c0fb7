# SPDX-License-Identifier: Apache-2.0
"""Clients that work without pause, check every answer, and keep books, while things break."""

import collections
import contextlib
import http.client
import random
import socket
import threading

from . import waiting

# How an execution may fail because of what a test breaks, and how a request may be refused.
VERDICTS = {"ERROR_KIND_SESSION_LOST"}
REFUSALS = {"aborted", "not_found", "unavailable"}
LOST = (OSError, http.client.HTTPException, EOFError)

COUNT = "n = globals().get('n', 0) + 1\n(n, sum(range({k})))"


class Wrong(Exception):
    """An answer that may not be."""


class Ledger:
    """What was asked and how it was answered; every thread writes into it."""

    def __init__(self, daemon):
        """Takes the daemon that everybody talks to."""
        self.daemon = daemon
        self.up = threading.Event()
        self.up.set()
        self.epoch = 0  # Grows before the daemon is killed.
        self.shaking = False  # What takes every session along is being killed,
        self.jolts = 0        # and has been so often.
        self.fallen = None    # The launcher that was killed last.
        self.done = threading.Event()
        self.lock = threading.Lock()
        self.asked = self.right = 0
        self.outcomes = collections.Counter()
        self.trouble = []

    @contextlib.contextmanager
    def jolt(self):
        """Inside, something is killed that takes every session along."""
        self.shaking = True
        yield
        self.jolts += 1
        self.shaking = False

    def ask(self):
        """Notes a request."""
        with self.lock:
            self.asked += 1

    def answer(self, outcome):
        """Notes the one answer to it; None for the right one."""
        with self.lock:
            self.outcomes[outcome or "right"] += 1
            self.right += outcome is None
        if outcome == "unavailable":
            # As a client should; asking at once again would only be the count of a busy loop.
            self.done.wait(0.01)

    def wrong(self, who, what):
        """Notes what must not be."""
        with self.lock:
            self.trouble.append(f"{who}: {what}")

    def progress(self, count):
        """Waits for so many right answers more."""
        goal = self.right + count
        waiting.wait_for(lambda: self.right >= goal or self.trouble,
                         f"{count} right answers: {dict(self.outcomes)}")


def judge(verdict, check):
    """Returns the outcome of an execution: None when its value passes the check."""
    if "error" in verdict:
        kind = verdict["error"].get("kind")
        if kind not in VERDICTS:
            raise Wrong(f"verdict {verdict}")
        return kind
    check(verdict["result"].get("json"))
    return None


class Loader:
    """One client: a thread, a connection that may be cut, a session that may be lost."""

    waiting = {}  # What has been asked and not been answered.

    def __init__(self, ledger, name, seed):
        """Starts to work."""
        self.ledger = ledger
        self.name = name
        self.random = random.Random(f"{seed}/{name}")
        self.epoch = -1
        self.broken = False
        self.forget()
        self.thread = threading.Thread(target=self.run, name=name, daemon=True)
        self.thread.start()

    def forget(self):
        """The session is lost, or nobody knows."""
        self.session = None
        # How often the session has counted, and how many countings it is not known of.
        self.counted = self.unsure = 0

    def run(self):
        """Works until told to stop and everything is answered."""
        try:
            while not self.ledger.done.is_set():
                try:
                    self.connect()
                    while self.waiting or not self.ledger.done.is_set():
                        self.step()
                except LOST as error:
                    # Only for a reason: the connection was cut, or the daemon killed.
                    if not self.broken and self.epoch == self.ledger.epoch:
                        raise Wrong(f"connection lost: {error!r}") from error
                finally:
                    self.abandon()
        except BaseException as error:  # Whatever it is, the test has to hear of it.
            self.ledger.wrong(self.name, repr(error))

    def connect(self):
        """Connects to the daemon, once it is up; what it knew of an earlier one is void."""
        waiting.wait_for(lambda: self.ledger.up.is_set() or self.ledger.done.is_set(),
                         "the daemon to be up")
        if self.epoch != self.ledger.epoch:
            self.forget()
        self.epoch = self.ledger.epoch
        self.broken = False

    def cut(self):
        """Breaks the connection under the client's hands, from another thread."""
        self.broken = True
        opened = self.opened()
        if opened is not None:
            try:
                opened.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # It has just been lost otherwise.

    def count(self, value, k):
        """Checks the answer of COUNT: counted once for each time it was asked."""
        n, total = value
        if not self.counted < n <= self.counted + self.unsure + 1 or total != k * (k - 1) // 2:
            raise Wrong(f"counted {value} after {self.counted} and {self.unsure} unsure, k {k}")
        self.counted, self.unsure = n, 0

    @staticmethod
    def equals(wanted):
        """Returns a check for that value."""
        def check(value):
            if value != wanted:
                raise Wrong(f"{value} instead of {wanted}")
        return check
