# SPDX-License-Identifier: Apache-2.0
"""The Python half of the value codec: types that hosts have and Python lacks, and how objects of the
standard library and of numpy are taken apart and made. The native side binds these functions before
tenant code exists, and checks what they return. Modules that a worker may never need are imported when
a value asks for them."""

import importlib
import math
import re
import sys

from vivarium import Interrupted, _host

_UNITS = "Y|M|W|D|h|m|s|ms|us|μs|ns|ps|fs|as"
_DTYPE = re.compile(rf"[<>|]?(?:[biufc]\d{{1,2}}|[SU]\d{{1,9}}|[mM]8(?:\[\d{{0,9}}(?:{_UNITS})\])?)", re.ASCII)
_KINDS = "biufcSUmM"
_ARRAY_AT_MOST = 64 << 20  # No frame is larger.


class Symbol(str):
    """A symbol of the client: a str, equal to any str of the same characters."""

    __slots__ = ()

    def __repr__(self):
        return f"Symbol({str.__repr__(self)})"


class _Frozen:
    __slots__ = ()

    def __setattr__(self, name, value):
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    __delattr__ = lambda self, name: self.__setattr__(name, None)  # noqa: E731


class DistinctSymbol(_Frozen):
    """A symbol of the client, equal to its own kind only."""

    __slots__ = ("name", "__weakref__")

    def __init__(self, name):
        if not isinstance(name, str):
            raise TypeError("the name of a symbol is a str")
        object.__setattr__(self, "name", str(name))

    def __eq__(self, other):
        return self.name == other.name if isinstance(other, DistinctSymbol) else NotImplemented

    def __hash__(self):
        return hash((DistinctSymbol, self.name))

    def __repr__(self):
        return f"DistinctSymbol({self.name!r})"

    def __str__(self):
        return self.name

    def __reduce__(self):
        return DistinctSymbol, (self.name,)


class Term(_Frozen):
    """A thing of the client that Python only carries: it goes back as it came."""

    __slots__ = ("type", "data", "__weakref__")

    def __init__(self, type, data):
        if not isinstance(type, str):
            raise TypeError("the type of a term is a str")
        object.__setattr__(self, "type", str(type))
        object.__setattr__(self, "data", bytes(data))

    def __eq__(self, other):
        return (self.type, self.data) == (other.type, other.data) if isinstance(other, Term) else NotImplemented

    def __hash__(self):
        return hash((Term, self.type, self.data))

    def __repr__(self):
        return f"Term({self.type!r}, {self.data!r})"

    def __reduce__(self):
        return Term, (self.type, self.data)


# What the native side asks for, whatever a subclass says of itself.
_symbol_name = DistinctSymbol.name.__get__
_term_type, _term_data = Term.type.__get__, Term.data.__get__


def symbol_name(symbol):
    return _symbol_name(symbol)


def term_parts(term):
    return _term_type(term), _term_data(term)


# To Python


def make_date(year, month, day):
    import datetime

    return datetime.date(year, month, day)


def make_time(hour, minute, second, microsecond, fold, has_zone, offset_us, name):
    import datetime

    zone = _zone(datetime, offset_us, name) if has_zone else None
    return datetime.time(hour, minute, second, microsecond, zone, fold=fold)


def make_datetime(year, month, day, hour, minute, second, microsecond, fold, has_zone, offset_us, name):
    import datetime

    zone = _zone(datetime, offset_us, name) if has_zone else None
    return datetime.datetime(year, month, day, hour, minute, second, microsecond, zone, fold=fold)


def _zone(datetime, offset_us, name):
    if name:
        try:
            import zoneinfo

            return zoneinfo.ZoneInfo(name)
        except Exception:  # No such zone here, no data base, not the name of a zone.
            pass
    if offset_us is None:
        return None
    return datetime.timezone(datetime.timedelta(microseconds=offset_us)) if offset_us else datetime.timezone.utc


def make_timedelta(days, seconds, microseconds):
    import datetime

    return datetime.timedelta(days, seconds, microseconds)


def make_decimal(text):
    import decimal

    return decimal.Decimal(text)


def make_uuid(data):
    import uuid

    return uuid.UUID(bytes=data)


def make_array(dtype, shape, data):
    try:
        import numpy
    except ImportError as missing:
        raise ValueError(f"an array needs numpy, which this environment does not have: {missing}") from None
    if not _DTYPE.fullmatch(dtype):
        shown = repr(dtype[:40])
        raise ValueError(f"an array of dtype {shown} cannot be sent: only numbers, strings of fixed width and times")
    plain = numpy.dtype(dtype)
    if math.prod(shape) * plain.itemsize != len(data):
        raise ValueError(f"{len(data)} bytes do not make an array of {dtype} with the shape {shape}")
    return numpy.ndarray(shape, plain, data)


def construct(module, name, args, kwargs):
    made = importlib.import_module(module or "builtins")
    for part in name.split("."):
        made = getattr(made, part)
    return made(*args, **kwargs)


# From Python. `base` is the type of the standard library, or numpy's: its descriptors say what an object
# really holds. None: the object has no form after all.


def _or_none(function):
    def guarded(value, base):
        try:
            return function(value, base)
        except Interrupted:
            raise
        except Exception:
            return None

    return guarded


@_or_none
def date_parts(value, base):
    return base.year.__get__(value), base.month.__get__(value), base.day.__get__(value)


@_or_none
def time_parts(value, base):
    return _clock_parts(value, base)


@_or_none
def datetime_parts(value, base):
    if type(value).__name__ == "NaTType":
        return None  # pandas' "not a time" only looks like one.
    return (base.year.__get__(value), base.month.__get__(value), base.day.__get__(value), *_clock_parts(value, base))


def _clock_parts(value, base):
    zone = base.tzinfo.__get__(value)
    offset_us, name = (None, "") if zone is None else _zone_parts(zone, base.utcoffset(value))
    return (
        base.hour.__get__(value), base.minute.__get__(value), base.second.__get__(value),
        base.microsecond.__get__(value), base.fold.__get__(value), zone is not None, offset_us, name,
    )


def _zone_parts(zone, offset):
    if offset is not None:
        offset = (offset.days * 86_400 + offset.seconds) * 1_000_000 + offset.microseconds
    zoneinfo = sys.modules.get("zoneinfo")
    if zoneinfo is not None and isinstance(zone, zoneinfo.ZoneInfo):
        name = zone.key
    else:
        name = getattr(zone, "zone", None)  # pytz
    return offset, name if type(name) is str else ""


@_or_none
def timedelta_parts(value, base):
    return base.days.__get__(value), base.seconds.__get__(value), base.microseconds.__get__(value)


@_or_none
def decimal_parts(value, base):
    return base.__str__(value)


@_or_none
def uuid_parts(value, base):
    return base.int.__get__(value).to_bytes(16, "big")


@_or_none
def array_parts(value, base):
    numpy = sys.modules["numpy"]
    if type(value) not in (base, numpy.matrix, numpy.memmap):
        return None  # Others hold more than their buffer: masks, units.
    dtype = base.dtype.__get__(value)
    if dtype.kind not in _KINDS or dtype.names is not None or not _DTYPE.fullmatch(dtype.str):
        return None
    size, shape = base.nbytes.__get__(value), base.shape.__get__(value)
    if size == 0:
        return dtype.str, shape, b""
    if size > _ARRAY_AT_MOST:
        return dtype.str, shape, None  # Before a copy is made of what may not have any memory yet.
    return dtype.str, shape, numpy.ascontiguousarray(value).reshape(-1).view("u1")


@_or_none
def scalar_item(value, base):
    numpy = sys.modules["numpy"]
    if value.dtype.kind in "mM":
        return numpy.asarray(value)
    item = base.item(value)
    return numpy.asarray(value) if isinstance(item, base) else item


NATIVE = {
    name: globals()[name]
    for name in (
        "make_date", "make_time", "make_datetime", "make_timedelta", "make_decimal", "make_uuid", "make_array",
        "construct", "date_parts", "time_parts", "datetime_parts", "timedelta_parts", "decimal_parts", "uuid_parts",
        "array_parts", "scalar_item", "symbol_name", "term_parts",
    )
} | {
    "symbol": Symbol, "distinct_symbol": DistinctSymbol, "term": Term, "function": _host.HostFunction,
    "function_name": _host.function_name,
}
