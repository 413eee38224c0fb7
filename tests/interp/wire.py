# SPDX-License-Identifier: Apache-2.0
"""A second, independent reading of the worker protocol: frames and messages, for the tests."""

import struct

EVALUATE, PULL, HOST_RESULT, HELLO, OUTPUT, DISPLAY, FINISHED, ITEMS, PARKED = 1, 2, 3, 16, 17, 18, 19, 20, 21
HOST_CALL, HOST_DROP, NOTE = 22, 23, 24
APP_INPUT, APP_TAKEN = 10, 30
NONE, TYPED, REPR = 1, 2, 3
EXECUTE, COMPILE, CALL, MAKE_NAMESPACE, DROP_NAMESPACE, RELEASE, RELEASE_OWNER, CONFIGURE = range(1, 9)
KEEP_INITIAL, LEAVE_CONTEXTS, INSPECT = 9, 10, 11
SCRATCH = 2**64 - 1
AS_ERROR, AS_REF, AS_REPR = 1, 2, 3
OUTCOMES = {1: "value", 2: "repr", 3: "nothing", 4: "error", 5: "expired"}
KINDS = {1: "syntax", 2: "python", 4: "import", 5: "io", 6: "memory", 7: "limit",
         10: "not_found", 11: "permission", 15: "invalid_argument", 16: "value"}


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(*fields):
    out = b""
    for number, content in enumerate(fields, 1):
        if isinstance(content, int):
            out += varint(number << 3) + varint(content)
        else:
            out += varint(number << 3 | 2) + varint(len(content)) + content
    return out


def frame(kind, body):
    return struct.pack("<IB3x", len(body), kind) + body


def fields(body):
    """Yields (number, wire type, content)."""
    at = 0

    def read_varint():
        nonlocal at
        result = shift = 0
        while True:
            byte = body[at]
            at += 1
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return result

    while at < len(body):
        tag = read_varint()
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            yield number, wire, read_varint()
        elif wire == 1:
            yield number, wire, bytes(body[at : at + 8])
            at += 8
        elif wire == 2:
            size = read_varint()
            assert at + size <= len(body), "truncated"
            yield number, wire, bytes(body[at : at + size])
            at += size
        else:
            raise AssertionError(f"wire type {wire}")


def record(body):
    return {number: content for number, _, content in fields(body)}


class Opaque:
    def __init__(self, type_name, text):
        self.type_name, self.text = type_name, text

    def __repr__(self):
        return f"Opaque({self.type_name!r}, {self.text!r})"


class Function:
    """A function of the client's."""

    def __init__(self, name):
        self.name = name

    def __eq__(self, other):
        return isinstance(other, Function) and self.name == other.name

    def __repr__(self):
        return f"Function({self.name!r})"


class Ref:
    """An object that stays in the session."""

    def __init__(self, id, type_name="", repr="", length=None):
        self.id, self.type_name, self.repr, self.length = id, type_name, repr, length

    def __repr__(self):
        return f"Ref({self.id!r}, {self.type_name!r}, {self.repr!r}, {self.length!r})"


def encode(object):
    """The encoded Value of a plain object, for operands."""
    kind = type(object)
    if object is None:
        return message(b"")
    if kind is bool:
        return varint(2 << 3) + varint(object)
    if kind is int and -(2**63) <= object < 2**63:
        return varint(3 << 3) + varint((object << 1 ^ object >> 63) & 2**64 - 1)
    if kind is float:
        return varint(5 << 3 | 1) + struct.pack("<d", object)
    if kind is dict:
        entries = [field(1, field(1, encode(k)) + field(2, encode(v))) for k, v in object.items()]
        return field(10, b"".join(entries))
    if kind in (list, tuple, set):
        number = {list: 8, tuple: 9, set: 11}[kind]
        return field(number, b"".join(field(1, encode(item)) for item in object))
    if kind is int:
        return field(4, object.to_bytes(object.bit_length() // 8 + 1, "little", signed=True))
    if kind is Function:
        return field(27, field(1, object.name.encode()))
    if kind is Ref:
        return field(26, field(1, object.id.encode()))
    return field({str: 6, bytes: 7}[kind], object.encode() if kind is str else object)


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def value(body):
    ((number, _, content),) = fields(body)
    if number == 1:
        return None
    if number == 2:
        return bool(content)
    if number == 3:
        return (content >> 1) ^ -(content & 1)
    if number == 4:
        return int.from_bytes(content, "little", signed=True)
    if number == 5:
        return struct.unpack("<d", content)[0]
    if number == 6:
        return content.decode()
    if number == 7:
        return content
    if number == 30:
        opaque = record(content)
        return Opaque(opaque[1].decode(), opaque.get(2, b"").decode())
    if number == 27:
        return Function(record(content)[1].decode())
    if number == 26:
        ref = record(content)
        return Ref(ref[1].decode(), ref[2].decode(), ref.get(3, b"").decode(), ref.get(4))
    items = [c for _, _, c in fields(content)]
    if number == 10:
        pairs = [record(item) for item in items]
        return {value(pair[1]): value(pair[2]) for pair in pairs}
    return {8: list, 9: tuple, 11: set}[number](value(item) for item in items)


_TEXTS = {2: "type", 3: "module", 5: "message", 7: "traceback", 12: "code"}
_DETAILS = {14: "shape_mismatch", 15: "out_of_memory", 16: "dtype_mismatch"}


class Error:
    """A decoded vivarium.v1.ExecutionError."""

    def __init__(self, body):
        self.kind = self.cause = self.context = self.syntax = None
        self.type = self.module = self.message = self.traceback = self.code = ""
        self.bases, self.frames, self.group, self.args = [], [], [], []
        self.details = None
        for number, _, content in fields(body):
            if number == 1:
                self.kind = KINDS[content]
            elif number in _TEXTS:
                setattr(self, _TEXTS[number], content.decode())
            elif number == 4:
                self.bases.append(content.decode())
            elif number == 6:
                one = record(content)
                self.frames.append((one[1].decode(), one[2], one[3].decode(), one[4].decode()))
            elif number in (8, 9):
                setattr(self, {8: "cause", 9: "context"}[number], Error(content))
            elif number == 10:
                self.group.append(Error(content))
            elif number == 11:
                one = record(content)
                self.syntax = (one[1].decode(), one[2], one[3], one[4], one[5], one[6].decode())
            elif number == 13:
                self.args.append(value(content))
            elif number in _DETAILS:
                assert self.details is None
                self.details = (_DETAILS[number], record(content))
            else:
                raise AssertionError(f"field {number} of an error")

    def __repr__(self):
        return f"{self.kind} {self.module}.{self.type}: {self.message}\n{self.traceback}"


class Finished:
    """How an execution ended, with what it wrote and displayed."""

    def __init__(self, body):
        told = record(body)
        assert sorted(told) == [1, 2, 3, 4, 5, 6], told
        self.number = told[1]
        self.outcome = OUTCOMES[told[2]]
        self.content = told[3]
        self.output_bytes, self.truncated, self.interrupted = told[4], bool(told[5]), bool(told[6])
        self.events, self.displays, self.items = [], [], []

    @property
    def value(self):
        assert self.outcome == "value", self.error
        return value(self.content)

    @property
    def error(self):
        return Error(self.content) if self.outcome == "error" else None

    @property
    def stdout(self):
        return b"".join(text for is_stderr, text in self.events if not is_stderr).decode(errors="replace")

    @property
    def stderr(self):
        return b"".join(text for is_stderr, text in self.events if is_stderr).decode(errors="replace")
