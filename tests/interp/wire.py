# SPDX-License-Identifier: Apache-2.0
"""A second, independent reading of the worker protocol: frames and messages, for the tests."""

import struct

EVALUATE, HELLO, OUTPUT, DISPLAY, FINISHED = 1, 16, 17, 18, 19
TYPED, REPR, NONE = 2, 3, 1
OUTCOMES = {1: "value", 2: "repr", 3: "nothing", 4: "error", 5: "expired"}
KINDS = {1: "syntax", 2: "python", 4: "import", 5: "io", 6: "memory", 7: "limit", 11: "permission"}


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
    items = [c for _, _, c in fields(content)]
    if number == 10:
        pairs = [record(item) for item in items]
        return {value(pair[1]): value(pair[2]) for pair in pairs}
    return {8: list, 9: tuple, 11: set}[number](value(item) for item in items)


class Error:
    """A decoded vivarium.v1.ExecutionError."""

    def __init__(self, body):
        self.kind = self.cause = self.context = self.syntax = None
        self.type = self.module = self.message = self.traceback = ""
        self.bases, self.frames, self.group = [], [], []
        for number, _, content in fields(body):
            if number == 1:
                self.kind = KINDS[content]
            elif number in (2, 3, 5, 7):
                setattr(self, {2: "type", 3: "module", 5: "message", 7: "traceback"}[number], content.decode())
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
        self.events, self.displays = [], []

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
