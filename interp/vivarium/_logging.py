# SPDX-License-Identifier: Apache-2.0
"""Python's logging into the daemon's log and the client's events. Imported when somebody asks for it."""

import logging

import _vivarium
from vivarium._ops import _session_log

_tell = _vivarium.tell_log
_TEXT_AT_MOST = 16 << 10
_NAME_AT_MOST = 256
_KEYS_AT_MOST = 64
NOTICE = 25
_LEVELS = ((logging.CRITICAL, 6), (logging.ERROR, 5), (logging.WARNING, 4), (NOTICE, 3), (logging.INFO, 2))
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _least():
    """The session's own level."""
    return next((number for number, theirs in _LEVELS if theirs == _session_log["level"]), logging.DEBUG)


class LoggingHandler(logging.Handler):
    """A handler for `logging` that hands records to the daemon, which logs them and sends them to
    whoever follows the execution.

    level: nothing below it is handed over; nor is anything below the session's own level.
    default_metadata: a dict that goes with each record.
    extra_metadata_keys: names in `extra` that go along; None for all of them."""

    def __init__(self, level=logging.NOTSET, default_metadata=None, extra_metadata_keys=None):
        super().__init__(max(logging._checkLevel(level), _least()))
        self._default = dict(default_metadata or {})
        self._keys = None if extra_metadata_keys is None else frozenset(extra_metadata_keys)

    def setLevel(self, level):  # noqa: N802
        super().setLevel(max(logging._checkLevel(level), _least()))

    def emit(self, record):
        try:
            _tell(
                next((theirs for number, theirs in _LEVELS if record.levelno >= number), 1),
                _text(record.name, _NAME_AT_MOST), _text(self.format(record), _TEXT_AT_MOST),
                _text(record.pathname, _NAME_AT_MOST), max(0, record.lineno), _text(record.funcName or "", _NAME_AT_MOST),
                max(0, int(record.created * 1e6)), _text(record.threadName or "", _NAME_AT_MOST),
                _traceback(self, record), self._metadata(record),
            )
        except Exception:
            self.handleError(record)

    def format(self, record):
        """The message alone: what went wrong travels apart from it."""
        if self.formatter is not None:
            return super().format(record)
        return record.getMessage()

    def _metadata(self, record):
        found = dict(self._default)
        for key, value in vars(record).items():
            if key not in _STANDARD and (self._keys is None or key in self._keys):
                found[key] = value
        return {_text(str(k), _NAME_AT_MOST): _plain(v) for k, v in list(found.items())[:_KEYS_AT_MOST]}


def _traceback(handler, record):
    if not record.exc_info or not record.exc_info[1]:
        return ""
    formatter = handler.formatter or logging._defaultFormatter
    return _text(formatter.formatException(record.exc_info), _TEXT_AT_MOST)


def _plain(value):
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    return _text(value if isinstance(value, str) else repr(value), _NAME_AT_MOST)


def _text(text, most):
    text = str(text).encode("utf-8", "replace").decode()
    return text if len(text) <= most else text[: most - 4] + " ..."
