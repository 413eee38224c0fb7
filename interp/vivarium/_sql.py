# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL database that the session was given. Statements have $1, $2, ... where parameters go;
rows are dicts.

    sql.query("select id, name from users where age > $1", [30])     # [{"id": 1, "name": "Ann"}, ...]
    sql.execute("update users set age = $1 where id = $2", [31, 1])  # 1, the number of rows
    with sql.transaction() as t:
        t.execute("insert into log values ($1)", [{"any": "json"}])

The connection is the daemon's: this code has no credentials, and cannot get at them."""

import datetime
import decimal
import json
import math
import uuid

from vivarium import _host

__all__ = [
    "AccessError", "Error", "IntegrityError", "Json", "TimeoutError", "Transaction", "UnavailableError", "execute",
    "query", "query_one", "transaction",
]


class Error(Exception):
    """The database refuses a statement, or its answer cannot be had. `sqlstate` is PostgreSQL's code for
    it, e.g. "42P01"; `detail`, `hint` and `constraint` are what else it says."""

    sqlstate = detail = hint = constraint = ""


class IntegrityError(Error):
    """A constraint does not hold."""


class AccessError(Error, PermissionError):
    """The database refuses the connection."""


class UnavailableError(Error, ConnectionError):
    """The database cannot be reached, or has gone."""


class TimeoutError(Error, TimeoutError):  # noqa: A001
    """The statement took too long."""


class Json:
    """A parameter that is JSON, whatever it is made of. A dict is that by itself."""

    def __init__(self, value):
        self.value = value


_ERRORS = {
    "PermissionError": PermissionError, "ValueError": ValueError, "TimeoutError": TimeoutError,
    "sql.AccessError": AccessError, "sql.UnavailableError": UnavailableError,
}
_INT_AT_MOST, _BIGINT_AT_MOST = 2**31, 2**63


def _ask(name, *args):
    try:
        return _host.call(f"vivarium.sql.{name}", *args)
    except _host.HostCallError as error:
        raise _translated(error) from None


def _translated(error):
    data = error.data if isinstance(error.data, dict) else {}
    state = data.get("sqlstate", "")
    kind = _ERRORS.get(error.type, Error)
    if state.startswith("23"):
        kind = IntegrityError
    elif state == "57014" or isinstance(error, _host.HostTimeoutError):
        kind = TimeoutError
    elif state.startswith(("08", "57P")):
        kind = UnavailableError
    out = kind(error.message or str(error))
    if isinstance(out, Error):
        out.sqlstate = state
        out.detail, out.hint, out.constraint = (data.get(name, "") for name in ("detail", "hint", "constraint"))
    return out


# Parameters: each becomes a type of PostgreSQL's, by number, and a text. 0 leaves the type to the server.


def _parameters(params):
    if params is None:
        return [], []
    if isinstance(params, (str, bytes, dict)):
        raise TypeError("parameters are a list or tuple, one for each $n")
    types, texts = [], []
    for value in params:
        kind, text = _parameter(value)
        types.append(kind)
        texts.append(text)
    return types, texts


def _parameter(value):
    if value is None:
        return 0, None
    if isinstance(value, (list, tuple)):
        return _array(value)
    return _scalar(value)


def _scalar(value):
    if isinstance(value, bool):
        return 16, "t" if value else "f"
    if isinstance(value, int):
        value = int(value)
        if -_INT_AT_MOST <= value < _INT_AT_MOST:
            return 23, str(value)
        return (20 if -_BIGINT_AT_MOST <= value < _BIGINT_AT_MOST else 1700), str(value)
    if isinstance(value, float):
        if math.isinf(value):
            return 701, "Infinity" if value > 0 else "-Infinity"
        return 701, "NaN" if value != value else repr(float(value))
    if isinstance(value, str):
        return 0, str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return 17, "\\x" + bytes(value).hex()
    if isinstance(value, decimal.Decimal):
        if value.is_infinite():
            return 1700, "Infinity" if value > 0 else "-Infinity"
        return 1700, "NaN" if value.is_nan() else str(value)
    if isinstance(value, datetime.datetime):
        return (1114 if value.tzinfo is None else 1184), value.isoformat(" ")
    if isinstance(value, datetime.date):
        return 1082, value.isoformat()
    if isinstance(value, datetime.time):
        return (1083 if value.tzinfo is None else 1266), value.isoformat()
    if isinstance(value, datetime.timedelta):
        return 1186, f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"
    if isinstance(value, uuid.UUID):
        return 2950, str(value)
    if isinstance(value, Json):
        return 3802, json.dumps(value.value)
    if isinstance(value, dict):
        return 3802, json.dumps(value)
    raise TypeError(f"{type(value).__name__!r} cannot be a parameter; sql.Json(value) makes JSON of it")


_ARRAY_OF = {
    16: 1000, 17: 1001, 20: 1016, 23: 1007, 0: 1009, 701: 1022, 1082: 1182, 1083: 1183, 1114: 1115, 1184: 1185,
    1186: 1187, 1266: 1270, 1700: 1231, 2950: 2951, 3802: 3807,
}


def _array(items):
    kinds = set()
    text = _array_text(items, kinds, 0)
    if len(kinds) > 1 and kinds <= {20, 23, 1700, 701}:
        kinds = {701 if 701 in kinds else 1700 if 1700 in kinds else 20}
    if len(kinds) > 1:
        raise TypeError("the items of an array are of one type; sql.Json(value) makes JSON of a list")
    return _ARRAY_OF[kinds.pop()] if kinds else 0, text


def _array_text(items, kinds, depth):
    if depth > 5:
        raise ValueError("an array has at most 6 dimensions")
    parts = []
    for item in items:
        if isinstance(item, (list, tuple)):
            parts.append(_array_text(item, kinds, depth + 1))
        elif item is None:
            parts.append("NULL")
        else:
            kind, text = _scalar(item)
            kinds.add(kind)
            parts.append('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
    return "{" + ",".join(parts) + "}"


# Results: everything comes as text and is made what its type says.


def _timestamp(text):
    if text in ("infinity", "-infinity") or text.endswith("BC"):
        return text
    return datetime.datetime.fromisoformat(text)


def _date(text):
    return text if text in ("infinity", "-infinity") or text.endswith("BC") else datetime.date.fromisoformat(text)


def _time(text):
    return text if text.startswith("24") else datetime.time.fromisoformat(text)


def _interval(text):
    days = seconds = 0
    parts = text.split()
    for number, unit in zip(parts[::2], parts[1::2]):
        if unit.startswith("day"):
            days += int(number)
        elif unit.startswith("mon"):
            days += 30 * int(number)
        elif unit.startswith("year"):
            days += 365 * int(number)
    if len(parts) % 2:
        clock = parts[-1]
        sign = -1 if clock.startswith("-") else 1
        hours, minutes, rest = clock.lstrip("+-").split(":")
        whole, _, fraction = rest.partition(".")
        seconds = sign * (int(hours) * 3600 + int(minutes) * 60 + int(whole))
        return datetime.timedelta(days, seconds, sign * int(fraction.ljust(6, "0") or 0))
    return datetime.timedelta(days, seconds)


def _bytes(text):
    return bytes.fromhex(text[2:])


_READERS = {
    16: "t".__eq__, 17: _bytes, 20: int, 21: int, 23: int, 26: int, 114: json.loads, 700: float, 701: float,
    1082: _date, 1083: _time, 1114: _timestamp, 1184: _timestamp, 1186: _interval, 1266: _time,
    1700: decimal.Decimal, 2950: uuid.UUID, 3802: json.loads,
}
_ITEM_OF = {
    1000: 16, 1001: 17, 1005: 21, 1007: 23, 1016: 20, 1028: 26, 199: 114, 1021: 700, 1022: 701, 1182: 1082, 1183: 1083,
    1115: 1114, 1185: 1184, 1187: 1186, 1270: 1266, 1231: 1700, 2951: 2950, 3807: 3802, 1002: 0, 1009: 0, 1014: 0,
    1015: 0, 1003: 0,
}


def _reader(kind):
    item = _ITEM_OF.get(kind)
    if item is None:
        return _READERS.get(kind)
    read = _READERS.get(item, str)
    return lambda text: _read_array(text, read)


def _read_array(text, read):
    place = text.index("{")  # Before it may stand bounds.
    stack, out = [], None
    end = len(text)
    while place < end:
        c = text[place]
        if c == "{":
            stack.append([])
            place += 1
        elif c == "}":
            out = stack.pop()
            if stack:
                stack[-1].append(out)
            place += 1
        elif c == ",":
            place += 1
        elif c == '"':
            place += 1
            parts = []
            while text[place] != '"':
                if text[place] == "\\":
                    place += 1
                parts.append(text[place])
                place += 1
            place += 1
            stack[-1].append(read("".join(parts)))
        else:
            stop = place
            while text[stop] not in ",}":
                stop += 1
            word = text[place:stop]
            stack[-1].append(None if word == "NULL" else read(word))
            place = stop
    return out


def _rows(columns, rows):
    names = [name for name, _ in columns]
    readers = [_reader(kind) for _, kind in columns]
    return [
        {
            name: value if value is None or read is None or type(value) is bytes else read(value)
            for name, read, value in zip(names, readers, row)
        }
        for row in rows
    ]


def _run(within, statement, params):
    if not isinstance(statement, str):
        raise TypeError("a statement is a str")
    types, texts = _parameters(params)
    return _ask("query", within, str(statement), types, texts)


def _affected(tag):
    count = tag.rpartition(" ")[2]
    return int(count) if count.isdigit() else 0


class _Statements:
    _number = 0

    def query(self, statement, params=None):
        """Runs a statement and returns its rows, each a dict by the names of the columns."""
        columns, rows, _ = _run(self._number, statement, params)
        return _rows(columns, rows)

    def query_one(self, statement, params=None):
        """Runs a statement and returns its first row, or None."""
        rows = self.query(statement, params)
        return rows[0] if rows else None

    def execute(self, statement, params=None):
        """Runs a statement and returns how many rows it has changed."""
        return _affected(_run(self._number, statement, params)[2])


class Transaction(_Statements):
    """Statements that take effect together: `with sql.transaction() as t: t.execute(...)`. An exception
    rolls it back."""

    def __enter__(self):
        if self._number:
            raise Error("this transaction has begun already")
        self._number = _ask("begin")
        return self

    def __exit__(self, kind, error, traceback):
        number, self._number = self._number, -1
        try:
            _ask("end", number, 1 if kind is None else 0)
        except Exception:
            if kind is None:
                raise
        return False


_alone = _Statements()
query, query_one, execute = _alone.query, _alone.query_one, _alone.execute


def transaction():
    """Begins a transaction, to be used with `with`."""
    return Transaction()
