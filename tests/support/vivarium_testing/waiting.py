# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, with a watchdog: the only way in which these tests wait."""

import os
import time

# Generous: a watchdog tells a hang from progress, it never measures. CI machines are slow.
WATCHDOG = float(os.environ.get("VIVARIUM_WATCHDOG", "60"))
# A machine whose watchdog is longer than usual is slower by as much.
SLOWNESS = max(1.0, WATCHDOG / 60)


def scaled(milliseconds):
    """Returns a time that code is given to get somewhere: more on a slow machine."""
    return int(milliseconds * SLOWNESS)


def wait_for(condition, what, watchdog=WATCHDOG):
    """Returns the first true value of condition(); fails when the watchdog bites."""
    end = time.monotonic() + watchdog
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {watchdog:g} s in vain for {what}")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
