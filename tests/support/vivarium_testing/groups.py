# SPDX-License-Identifier: Apache-2.0
"""Control groups for tests: where they may be made, and what they can do."""

import os


def controllers(folder):
    """Returns the controllers of a group."""
    with open(f"{folder}/cgroup.controllers", encoding="ascii") as names:
        return names.read().split()


def make_folder():
    """Makes a group and returns its folder; None where that is not allowed.

    It is below VIVARIUM_CGROUP, whose controllers are shared out, else below this process's own.
    """
    name = f"/vivarium-test-{os.getpid()}"
    try:
        if "VIVARIUM_CGROUP" in os.environ:
            os.mkdir(os.environ["VIVARIUM_CGROUP"] + name)
            return os.environ["VIVARIUM_CGROUP"] + name
        with open("/proc/self/cgroup", encoding="ascii") as lines:
            [own] = [line[3:].strip() for line in lines if line.startswith("0::/")]
        with open("/proc/self/mountinfo", encoding="utf-8") as lines:
            points = [line.split()[4] for line in lines if " - cgroup2 " in line]
        folder = points[0] + own.rstrip("/") + name
        os.mkdir(folder)
        return folder
    except (OSError, ValueError, IndexError):
        return None


def remove(folder):
    """Removes a group and those below it, which nobody is in any more."""
    for path, _, _ in os.walk(folder, topdown=False):
        os.rmdir(path)
