# SPDX-License-Identifier: Apache-2.0
"""What refused calls say. The kernel tells an errno and nothing else; here the exception that Python
makes of it gets a sentence that names the option. Nothing here allows or refuses anything."""

import _posixsubprocess
import _socket
import errno
import functools
import os
import posix

_SHOWN_AT_MOST = 20
_bound = {}
_session = {"egress": None, "rules": (), "children": False}


def told(policy, rules, children):
    """In a session: what it was given."""
    _session.update(egress=policy, rules=rules, children=children)


def install():
    """Before anything imports socket or subprocess."""
    for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "execv", "execve"):
        function = getattr(posix, name, None)
        if function is not None:
            wrapped = _explaining(function)
            setattr(posix, name, wrapped)
            setattr(os, name, wrapped)
    _posixsubprocess.fork_exec = _explaining(_posixsubprocess.fork_exec)
    os.system = posix.system = _system(posix.system)
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        setattr(_socket, name, _resolving(getattr(_socket, name)))
    _socket.socket = _socket.SocketType = _socket_type(_socket.socket)


def _no_processes(number):
    return PermissionError(
        number,
        f"{os.strerror(number)}: this session has no processes; `processes` of CreateSession asks for "
        'them, and processes = "children" of its environment in the configuration allows them',
    )


def _explaining(function):
    @functools.wraps(function)
    def call(*args, **keywords):
        try:
            return function(*args, **keywords)
        except PermissionError as error:
            if _session["children"] or error.errno != errno.EPERM:
                raise
            raise _no_processes(error.errno) from None

    return call


def _system(function):
    @functools.wraps(function)
    def system(command):
        status = function(command)
        # The C library tells a refused fork as a shell that could not be run.
        if status == 127 << 8 and not _session["children"] and not _can_fork():
            raise _no_processes(errno.EPERM)
        return status

    return system


def _can_fork():
    try:
        pid = posix.fork()
    except PermissionError:
        return False
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


def _way_out():
    policy, rules = _session["egress"], _session["rules"]
    if policy is None:
        return (
            "this session has no way to the network; `egress` of CreateSession names a policy of the "
            "configuration, [egress.NAME], that allows hosts"
        )
    more = len(rules) - _SHOWN_AT_MOST
    shown = ", ".join(rules[:_SHOWN_AT_MOST]) + (f" and {more} more" if more > 0 else "")
    return f"the egress policy {policy!r} of this session allows {shown or 'nothing'}"


def _shown(address):
    if isinstance(address, tuple) and len(address) >= 2:
        return f"{address[0]}:{address[1]}"
    return "that address"


def _explained(error, address):
    number = error.errno
    if number == errno.EACCES:
        text = f"{_shown(address)} is not allowed: {_way_out()}"
    elif number == errno.EDQUOT:
        text = f"a budget of the egress policy {_session['egress']!r} is used up: `connections` or `bytes`"
    elif number == errno.EMFILE and _session["egress"] is not None:
        text = f"too many connections at once; `open` of the egress policy {_session['egress']!r} bounds them"
    else:
        return error
    # Of the subclass that belongs to the errno.
    return OSError(number, f"{os.strerror(number)}: {text}")


def _resolving(function):
    @functools.wraps(function)
    def resolve(host, *args, **keywords):
        try:
            return function(host, *args, **keywords)
        except _socket.gaierror as error:
            if len(error.args) != 2:
                raise
            number, text = error.args
            raise _socket.gaierror(number, f"{text}: {host!r} is not known: {_way_out()}") from None

    return resolve


def _socket_type(base):
    class socket(base):
        __slots__ = ()
        __doc__ = base.__doc__

        def __init__(self, *args, **keywords):
            try:
                base.__init__(self, *args, **keywords)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAFNOSUPPORT):
                    raise
                text = "only TCP over IPv4 and IPv6 is possible in a session"
                raise OSError(error.errno, f"{os.strerror(error.errno)}: {text}") from None

        def connect(self, address, /):
            try:
                return base.connect(self, address)
            except OSError as error:
                better = _explained(error, address)
                if better is error:
                    raise
                raise better from None

        def getsockname(self):
            # Where the daemon has bound it for this session, the kernel knows it by another name.
            name = base.getsockname(self)
            return _bound.get(name, name) if isinstance(name, str) else name

        def bind(self, address, /):
            try:
                base.bind(self, address)
                name = base.getsockname(self)
                if isinstance(name, str) and name.startswith("/proc/self/fd/"):
                    _bound[name] = os.fsdecode(address)
            except PermissionError as error:
                text = "a session cannot wait for connections"
                raise PermissionError(error.errno, f"{os.strerror(error.errno)}: {text}") from None

    socket.__module__, socket.__qualname__ = base.__module__, base.__qualname__
    return socket
