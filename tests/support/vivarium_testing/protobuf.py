# SPDX-License-Identifier: Apache-2.0
"""Protobuf by hand: what no library would write."""

VARINT, FIXED64, LENGTH, GROUP, GROUP_END, FIXED32 = range(6)


def varint(value):
    """Returns a number as it is in a message."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(field, wire_type):
    """Returns what begins a field."""
    return varint(field << 3 | wire_type)


def number(field, value):
    """Returns a field that is a number."""
    return tag(field, VARINT) + varint(value)


def data(field, content):
    """Returns a field that is text, bytes or a message."""
    content = content.encode() if isinstance(content, str) else content
    return tag(field, LENGTH) + varint(len(content)) + content


def nested(depth, fields, inside=b""):
    """Returns messages in messages: at each depth once through these field numbers."""
    pieces, size = [inside], len(inside)
    for _ in range(depth):
        for field in reversed(fields):
            head = tag(field, LENGTH) + varint(size)
            pieces.append(head)
            size += len(head)
    return b"".join(reversed(pieces))


def fields(message):
    """Returns the fields of a message that are numbers or have a length: number to last value."""
    found, at = {}, 0

    def read():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(message):
        head = read()
        if head & 7 == VARINT:
            found[head >> 3] = read()
        elif head & 7 == LENGTH:
            size = read()
            found[head >> 3] = message[at:at + size]
            at += size
        else:
            raise AssertionError(f"wire type {head & 7} in an answer")
    return found
