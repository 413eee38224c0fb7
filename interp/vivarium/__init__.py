# SPDX-License-Identifier: Apache-2.0
"""What Python code inside a Vivarium session can use of it."""

__version__ = "0.1.0"
__all__ = [
    "DistinctSymbol", "HostBusyError", "HostCallError", "HostFunction", "HostNotFoundError", "HostTimeoutError",
    "HostUnavailableError", "Interrupted", "LoggingHandler", "Message", "Request", "Symbol", "Term", "acall",
    "ahost", "areceive", "asend", "call", "cast", "current_request", "display", "host", "progress", "receive", "send", "serve_children", "set_custom_encoder",
]


class Interrupted(BaseException):
    """Raised in code that is stopped from outside: a deadline, a cancellation. Clean up and let it
    pass; code that goes on is killed after a grace period."""


from _vivarium import set_custom_encoder  # noqa: E402
from vivarium._display import display  # noqa: E402
from vivarium._host import (  # noqa: E402
    HostBusyError,
    HostCallError,
    HostFunction,
    HostNotFoundError,
    HostTimeoutError,
    HostUnavailableError,
    Message,
    acall,
    ahost,
    areceive,
    asend,
    call,
    cast,
    host,
    receive,
    send,
)
from vivarium._request import Request, current_request  # noqa: E402
from vivarium._values import DistinctSymbol, Symbol, Term  # noqa: E402


def progress(done, total=0, text=""):
    """Tells how far the execution has come: `done` of `total`, in any unit; 0 where the total is not
    known. Clients show it as a bar."""
    from _vivarium import tell_progress

    text = str(text).encode("utf-8", "replace").decode()
    tell_progress(float(done), float(total or 0), text if len(text) <= 200 else text[:196] + " ...")


def __getattr__(name):
    if name == "LoggingHandler":  # It needs `logging`, which most code does not.
        from vivarium._logging import LoggingHandler

        return LoggingHandler
    if name == "serve_children":
        from vivarium._relay import serve_children

        return serve_children
    raise AttributeError(f"module 'vivarium' has no attribute {name!r}")
