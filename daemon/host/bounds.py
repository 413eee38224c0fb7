# SPDX-License-Identifier: Apache-2.0
"""What a build may take of the machine."""

import os
import resource
import threading
import time

MOST_MEMORY = 2 << 30
LOOK_EVERY = 0.5


def bound_memory():
    """Of this process and of each that it starts: a small wheel may hold metadata of any size."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    most = MOST_MEMORY if most == resource.RLIM_INFINITY else min(most, MOST_MEMORY)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def bound_files(most):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def disk_use(top):
    """What a directory takes of the disk, while others write to it."""
    used, folders = 0, [top]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    used += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue  # It has gone meanwhile.
    return used


def watch_disk(top, most, over):
    """Looks at a directory from now on; calls `over` with a text when it takes more than that."""
    def watch():
        while True:
            time.sleep(LOOK_EVERY)
            if disk_use(top) > most:
                over(f"the build takes more than {most} bytes of the disk, which is the most (builds.bytes)")
    threading.Thread(target=watch, daemon=True).start()
