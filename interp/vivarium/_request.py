# SPDX-License-Identifier: Apache-2.0
"""What code may know of the request that it runs for."""

import _vivarium

_current = _vivarium.current_request


class Request:
    """`id` is the one in the daemon's log, in the answer and in its errors. `traceparent` is the W3C trace
    context to hand on to whatever the code asks, "" where the request belongs to no trace."""

    __slots__ = ("id", "traceparent")

    def __init__(self, id, traceparent):
        self.id, self.traceparent = id, traceparent

    def __repr__(self):
        return f"Request(id={self.id!r}, traceparent={self.traceparent!r})"


def current_request():
    """Tells of the request that the present execution is for; None in code that is part of no execution,
    such as a thread that outlived its own."""
    found = _current()
    return None if found is None else Request(*found)
