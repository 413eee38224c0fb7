# SPDX-License-Identifier: Apache-2.0
"""An independent encoder of vivarium.v1.Value for every kind, and random values, for the tests."""

import datetime
import decimal
import random
import struct
import uuid
import zoneinfo

import wire
from wire import field, varint


class Symbol(str):
    pass


class Term:
    def __init__(self, type, data):
        self.type, self.data = type, data

    def __repr__(self):
        return f"Term({self.type!r}, {self.data!r})"


class Array:
    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = dtype, shape, data

    def __repr__(self):
        return f"Array({self.dtype!r}, {self.shape!r}, {len(self.data)} bytes)"


def zigzag(number):
    return (number << 1 ^ number >> 63) & 2**64 - 1


def numbers(*values):
    return b"".join(varint(i << 3) + varint(v) for i, v in enumerate(values, 1) if v)


def double(number, value):
    return varint(number << 3 | 1) + struct.pack("<d", value)


def _date(value):
    return numbers(value.year, value.month, value.day)


def _time(value):
    out = numbers(value.hour, value.minute, value.second, value.microsecond, value.fold)
    if value.tzinfo is None:
        return out
    zone = b""
    if (offset := value.utcoffset()) is not None:
        zone += varint(8) + varint(zigzag(offset // datetime.timedelta(microseconds=1)))
    if isinstance(value.tzinfo, zoneinfo.ZoneInfo):
        zone += field(2, value.tzinfo.key.encode())
    return out + field(6, zone)


def _big(value):
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return value.to_bytes(size, "little", signed=True)


def _sequence(items):
    return b"".join(field(1, encode(item)) for item in items)


def _entries(pairs):
    return b"".join(field(1, field(1, encode(k)) + field(2, encode(v))) for k, v in pairs)


def _array(value):
    shape = b"".join(varint(n) for n in value.shape)
    return (field(1, value.dtype.encode()) + (field(2, shape) if shape else b"")
            + (field(3, value.data) if value.data else b""))


def _delta(value):
    days = varint(8) + varint(zigzag(value.days)) if value.days else b""
    return days + b"".join(varint(n << 3) + varint(v) for n, v in ((2, value.seconds), (3, value.microseconds)) if v)


_KINDS = {
    type(None): lambda v: field(1, b""),
    bool: lambda v: varint(2 << 3) + varint(v),
    int: lambda v: varint(3 << 3) + varint(zigzag(v)) if -(2**63) <= v < 2**63 else field(4, _big(v)),
    float: lambda v: double(5, v),
    str: lambda v: field(6, v.encode()),
    bytes: lambda v: field(7, v),
    list: lambda v: field(8, _sequence(v)),
    tuple: lambda v: field(9, _sequence(v)),
    dict: lambda v: field(10, _entries(v.items())),
    set: lambda v: field(11, _sequence(v)),
    frozenset: lambda v: field(12, _sequence(v)),
    bytearray: lambda v: field(13, bytes(v)),
    complex: lambda v: field(14, double(1, v.real) + double(2, v.imag)),
    datetime.datetime: lambda v: field(15, field(1, _date(v)) + field(2, _time(v))),
    datetime.date: lambda v: field(16, _date(v)),
    datetime.time: lambda v: field(17, _time(v)),
    datetime.timedelta: lambda v: field(18, _delta(v)),
    decimal.Decimal: lambda v: field(19, str(v).encode()),
    uuid.UUID: lambda v: field(20, v.bytes),
    Symbol: lambda v: field(21, v.encode()),
    Term: lambda v: field(22, (field(1, v.type.encode()) if v.type else b"") + (field(2, v.data) if v.data else b"")),
    Array: lambda v: field(23, _array(v)),
    wire.Ref: lambda v: field(26, field(1, v.id.encode())),
}


def encode(value):
    return _KINDS[type(value)](value)


def construct(module, name, *args, **kwargs):
    """The encoding of an object to be made."""
    arguments = b"".join(field(3, encode(a)) for a in args)
    named = b"".join(field(4, field(1, encode(k)) + field(2, encode(v))) for k, v in kwargs.items())
    return field(25, (field(1, module.encode()) if module else b"") + field(2, name.encode()) + arguments + named)


def variables(**encoded):
    """Operands that bind names to encoded values."""
    return field(10, b"".join(field(1, field(1, encode(k)) + field(2, v)) for k, v in encoded.items()))


ZONES = ("Europe/Lisbon", "America/New_York", "Asia/Kathmandu")
DTYPES = {"<f8": 8, ">f4": 4, "<f2": 2, "|b1": 1, "|i1": 1, "<u2": 2, ">i8": 8, "<c16": 16, "|S3": 3, "<U2": 8,
          "<M8[ns]": 8, "<m8[25s]": 8, "<f16": 16}


class Maker:
    """Random values. Sets are such that they iterate in one order, however they are made."""

    def __init__(self, seed, arrays=True):
        self.random = random.Random(seed)
        self.arrays = arrays

    def text(self, most=12):
        alphabets = ("abc", "äöü€", "\x00\n'\"\\", "🐍𝄞", "אב")
        alphabet = self.random.choice(alphabets)
        return "".join(self.random.choice(alphabet) for _ in range(self.random.randrange(most)))

    def integer(self):
        bits = self.random.choice((4, 8, 31, 53, 63, 64, 65, 128, 2000))
        edge = self.random.choice((0, 1, -1)) + self.random.choice((-1, 1)) * (1 << bits)
        return edge if self.random.random() < 0.5 else self.random.getrandbits(bits) - (1 << bits - 1)

    def real(self):
        return self.random.choice((0.0, -0.0, float("inf"), float("-inf"), 1e16, 5e-324, 0.1, self.random.random()))

    def offset_zone(self):
        return datetime.timezone(datetime.timedelta(microseconds=self.random.randrange(-86399999999, 86400000000)))

    def zone(self):
        return self.random.choice((None, datetime.timezone.utc, self.offset_zone(),
                                   zoneinfo.ZoneInfo(self.random.choice(ZONES))))

    def time(self, zone):
        r = self.random
        return datetime.time(r.randrange(24), r.randrange(60), r.randrange(60), r.choice((0, 1, 999999)), zone,
                             fold=r.randrange(2))

    def date(self):
        r = self.random
        return datetime.date(r.randrange(1, 10000), r.randrange(1, 13), r.randrange(1, 29))

    def moment(self):
        date = self.date().replace(year=self.random.randrange(1000, 9000))
        return datetime.datetime.combine(date, self.time(self.zone()))

    def delta(self):
        return datetime.timedelta(self.random.randrange(-999999999, 999999999), self.random.randrange(86400),
                                  self.random.randrange(10**6))

    def number(self):
        forms = ("0", "-0", "1.50", "1E+1000", "NaN", "sNaN123", "-Infinity", "0E-9")
        return decimal.Decimal(self.random.choice(forms))

    def array(self):
        dtype, size = self.random.choice(list(DTYPES.items()))
        shape = tuple(self.random.choice((1, 2, 3, 0)) for _ in range(self.random.randrange(4)))
        items = 1
        for length in shape:
            items *= length
        data = bytes(items * size) if dtype == "<U2" else self.random.randbytes(items * size)
        return Array(dtype, shape, bytes(b & 1 for b in data) if dtype == "|b1" else data)

    def leaf(self, hashable=False):
        r = self.random
        makers = [lambda: None, lambda: r.random() < 0.5, self.integer, self.real, self.text,
                  lambda: r.randbytes(r.randrange(200)), lambda: complex(self.real(), self.real()), self.moment,
                  self.date, lambda: self.time(r.choice((None, self.offset_zone()))), self.delta,
                  lambda: uuid.UUID(int=r.getrandbits(128)), lambda: Symbol(f"s{r.randrange(50)}"),
                  lambda: Term(self.text(), r.randbytes(r.randrange(9)))]
        if not hashable:
            makers += [self.array] if self.arrays else []
            makers += [self.number, lambda: bytearray(r.randbytes(r.randrange(9)))]
        return r.choice(makers)()

    def value(self, depth=0):
        r = self.random
        if depth > 6 or r.random() < 0.5:
            return self.leaf()
        size = r.choice((0, 1, 2, 3, 5))
        kind = r.choice((list, tuple, dict, set, frozenset))
        if kind is dict:  # Keys of which none equals another.
            return {(i, self.leaf(hashable=True)): self.value(depth + 1) for i in range(size)}
        if kind in (set, frozenset):  # In their slots, one each.
            return kind(r.sample(range(8), min(size, 3)))
        return kind(self.value(depth + 1) for _ in range(size))
