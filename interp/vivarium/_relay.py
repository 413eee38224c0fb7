# SPDX-License-Identifier: Apache-2.0
"""Calls to the application from processes that the session forked. They cannot have the worker's channel;
the session's own process makes the calls for them, in a thread of its own that somebody asked for.

A child sends one end of a socket pair through a socket that it has inherited, then its request over the
other end, where the answer comes as well. Both sides are the same session's code: neither needs to
trust the other any less than itself."""

import os
import pickle
import socket
import struct

from vivarium import _host

_REQUEST_AT_MOST = 17 << 20  # A call carries 16 MiB.
_HEAD = struct.Struct("<Q")
_ends = None  # (the parent's, the children's), once there is a relay.
_here = os.getpid()


def serve_children():
    """Lets processes that are forked from now on call the application: `call`, `acall`, `cast`, `send` and
    everything made of them work there as here. It starts a thread. Calling it again does nothing.

    Raises RuntimeError in such a process itself."""
    global _ends
    if os.getpid() != _here:
        raise RuntimeError("only the session's own process can serve its children")
    if _ends is not None:
        return
    import threading

    _ends = socket.socketpair()  # A byte with each end that is sent, so that they stay apart.
    threading.Thread(target=_serve, args=(_ends[0],), name="vivarium relay", daemon=True).start()
    os.register_at_fork(after_in_child=_in_child)


def _in_child():
    _host._relayed = _relayed
    _ends[0].close()


def _serve(ours):
    import threading

    while True:
        try:
            byte, fds, _, _ = socket.recv_fds(ours, 1, 1)
        except OSError:
            return
        if not byte:
            return
        for fd in fds:
            threading.Thread(target=_answer, args=(socket.socket(fileno=fd),), daemon=True).start()


def _answer(end):
    with end:
        try:
            kind, name, args, kwargs, timeout, connection = pickle.loads(_read(end))
            try:
                if kind == _host._CAST:
                    outcome = True, _host._cast(name, args, kwargs, connection)
                else:
                    outcome = True, _host._call(kind, name, args, kwargs, timeout, connection)
            except Exception as error:
                outcome = False, error
            _write(end, pickle.dumps(outcome))
        except (OSError, EOFError):
            pass  # The child is gone.


def _relayed(kind, name, args, kwargs, timeout, connection):
    """In a child: has the parent make the call."""
    request = pickle.dumps((kind, name, args, kwargs, timeout, connection))
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            socket.send_fds(_ends[1], [b"c"], [theirs.fileno()])
        try:
            _write(ours, request)
            good, outcome = pickle.loads(_read(ours))
        except (OSError, EOFError):
            raise _host.HostUnavailableError("the session's own process does not answer") from None
    if good:
        return outcome
    raise outcome


def _write(end, data):
    end.sendall(_HEAD.pack(len(data)))
    end.sendall(data)


def _read(end):
    (size,) = _HEAD.unpack(_exactly(end, _HEAD.size))
    if size > _REQUEST_AT_MOST:
        raise EOFError
    return _exactly(end, size)


def _exactly(end, size):
    pieces = []
    while size:
        piece = end.recv(min(size, 1 << 20))
        if not piece:
            raise EOFError
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
