# SPDX-License-Identifier: Apache-2.0
"""A network of a daemon's own, with an address that is not loopback's: from there clients come from
afar."""

import ctypes
import fcntl
import json
import os
import socket
import struct

ADDRESS = "10.11.12.13"
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 0x8913, 0x8914, 0x8916, 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result):
    """Raises what a function of C has failed with."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _set_up(name, address=None):
    """Gives an interface its address and switches it on."""
    with socket.socket() as any_socket:
        if address:
            wanted = struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(any_socket, SIOCSIFADDR, wanted)
        flags = struct.unpack("16sH", fcntl.ioctl(any_socket, SIOCGIFFLAGS,
                                                  struct.pack("16sH14x", name, 0))[:18])[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", name, flags | IFF_UP))


def leave():
    """Takes this process to a network of its own; to be called before it becomes the daemon. Whoever
    is not root needs a user namespace for that, with the same user in it."""
    user, group = os.getuid(), os.getgid()
    _checked(_libc.unshare(CLONE_NEWNET if user == 0 else CLONE_NEWUSER | CLONE_NEWNET))
    if user != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"),
                           ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    _set_up(b"lo")
    _set_up(b"lo:1", ADDRESS)


def inside(pid, function):
    """Calls a function in the network of that process and returns its result, which must be JSON."""
    end, start = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(end)
            for kind in ("user", "net") if os.getuid() != 0 else ("net",):
                with open(f"/proc/{pid}/ns/{kind}", encoding="ascii") as space:
                    _checked(_libc.setns(space.fileno(), 0))
            os.write(start, json.dumps({"value": function()}).encode())
        except BaseException as error:  # pylint: disable=broad-except # told to who waits
            os.write(start, json.dumps({"error": repr(error)}).encode())
        finally:
            os._exit(0)
    os.close(start)
    with os.fdopen(end, "rb") as told:
        answer = json.loads(told.read())
    os.waitpid(child, 0)
    if "error" in answer:
        raise AssertionError(answer["error"])
    return answer["value"]
