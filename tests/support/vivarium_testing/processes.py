# SPDX-License-Identifier: Apache-2.0
"""What /proc tells of the daemon and of everything that it started."""

import collections
import os

from . import waiting

Process = collections.namedtuple("Process", "pid name state parent cpu_ticks start")


def read_process(pid):
    """Returns the process, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            text = stat.read().decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name is in parentheses and may hold anything, parentheses too.
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    return Process(pid, name, fields[0], int(fields[1]), int(fields[11]) + int(fields[12]),
                   int(fields[19]))


def all_processes():
    """Returns every process of the machine, by pid."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            process = read_process(int(entry))
            if process is not None:
                found[process.pid] = process
    return found


def descendants(pid):
    """Returns the processes below pid, by pid; zombies count, somebody must reap them."""
    everything = all_processes()
    children = collections.defaultdict(list)
    for process in everything.values():
        children[process.parent].append(process)
    found = {}
    queue = [pid]
    while queue:
        for process in children[queue.pop()]:
            found[process.pid] = process
            queue.append(process.pid)
    return found


def alive(process):
    """Whether that very process still runs: a pid may have been given to another since."""
    now = read_process(process.pid)
    return now is not None and now.start == process.start and now.state != "Z"


def namespace_pids(pid):
    """Returns the numbers that the process has in its pid namespaces, outermost first."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
            for line in status:
                if line.startswith("NSpid:"):
                    return [int(number) for number in line.split()[1:]]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return []


def same_namespace(pid):
    """Returns the processes in the pid namespace of one, without its process 1."""
    space = os.readlink(f"/proc/{pid}/ns/pid")
    found = []
    for process in all_processes().values():
        try:
            if os.readlink(f"/proc/{process.pid}/ns/pid") == space and process.state != "Z":
                found.append(process)
        except OSError:
            continue
    return [p for p in found if (namespace_pids(p.pid) or [1])[-1] != 1]


def _at_depth(daemon_pid, depth, first):
    """Returns the daemon's processes so many pid namespaces below it: process 1 or the others."""
    base = len(namespace_pids(daemon_pid))
    found = []
    for process in descendants(daemon_pid).values():
        numbers = namespace_pids(process.pid)
        if process.state != "Z" and len(numbers) == base + depth and (numbers[-1] == 1) == first:
            found.append(process)
    return found


def launchers(daemon_pid):
    """Returns the launchers: process 1 of each jail."""
    return _at_depth(daemon_pid, 1, True)


def zygotes(daemon_pid):
    """Returns the zygotes: Python in a jail's own pid namespace, not in a session's."""
    return _at_depth(daemon_pid, 1, False)


def holders(daemon_pid):
    """Returns the holders: process 1 of each worker's pid namespace."""
    return _at_depth(daemon_pid, 2, True)


def workers(daemon_pid):
    """Returns the workers, waiting ones and those of sessions."""
    return _at_depth(daemon_pid, 2, False)


def busy_worker(daemon_pid):
    """Waits until one worker burns the CPU as only an endless loop does, and returns it."""
    first = {p.pid: p.cpu_ticks for p in workers(daemon_pid)}

    def burning():
        now = [p for p in workers(daemon_pid)
               if p.state == "R" and p.cpu_ticks - first.get(p.pid, 0) >= 30]
        return now[0] if now else None

    return waiting.wait_for(burning, "a worker that computes")


def holder_of(worker):
    """Returns the pid of process 1 of the worker's pid namespace."""
    space = os.stat(f"/proc/{worker.pid}/ns/pid").st_ino
    for process in all_processes().values():
        try:
            if (namespace_pids(process.pid)[-1:] == [1]
                    and os.stat(f"/proc/{process.pid}/ns/pid").st_ino == space):
                return process.pid
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            pass
    raise AssertionError(f"{worker} has no holder")


def descriptors(pid):
    """Returns what the descriptors of a process refer to, by number."""
    found = {}
    folder = f"/proc/{pid}/fd"
    for number in os.listdir(folder):
        try:
            found[int(number)] = os.readlink(f"{folder}/{number}")
        except FileNotFoundError:
            pass
    return found


def mounts():
    """Returns the mount points of the namespace that the daemon was started in."""
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        return sorted(line.split(" ", 5)[4] for line in lines)
