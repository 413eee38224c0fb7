# SPDX-License-Identifier: Apache-2.0
"""What well-known messages of numpy and torch mean, as fields that a program can act upon. The message
itself is always kept; one that is not known here has no details."""

import re

SHAPE, MEMORY, DTYPE = 14, 15, 16  # Fields of vivarium.v1.ExecutionError.

_MESSAGE_AT_MOST = 4096
_DIMENSIONS_AT_MOST = 64
_LARGEST = 2**63 - 1
_KINDS = (ValueError, TypeError, RuntimeError, MemoryError)
_UNITS = {"": 1, "bytes": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "pib": 2**50,
          "eib": 2**60, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_DTYPES = {"float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16", "char": "int8",
           "byte": "uint8", "short": "int16", "int": "int32", "long": "int64", "bool": "bool",
           "complexfloat": "complex64", "complexdouble": "complex128", "complexhalf": "complex32"}
_SIZE = r"([\d.]{1,32}) ?(bytes|[KMGTPE]i?B)"


def details(kind, message):
    """Returns (field, contents of the message in that field), or None."""
    if len(message) > _MESSAGE_AT_MOST or not issubclass(kind, _KINDS):
        return None
    for pattern, make in _TABLE:
        found = pattern.search(message)
        if found is not None:
            return make(found)
    return None


# Shapes


def _dimensions(text):
    numbers = [int(n) for n in re.findall(r"\d{1,19}", text)[:_DIMENSIONS_AT_MOST]]
    return tuple(min(n, _LARGEST) for n in numbers)


def _shapes(operation, suggestion):
    def make(found):
        return SHAPE, (operation, _dimensions(found["a"]), _dimensions(found["b"]), suggestion.format(**found.groupdict()))

    return make


def _core_dimension(found):
    # numpy tells the sizes that differ, not the shapes.
    said = (f"dimension {found['at']} of operand {found['operand']} is {found['b']} and has to be {found['a']}:"
            " transpose or reshape one of the operands")
    return SHAPE, (found["operation"], (), (), said)


_ALIGN = "the inner dimensions have to be equal: transpose or reshape one of the operands"
_BROADCAST = "from the last one on, dimensions have to be equal or 1: reshape one of the operands"
_RESHAPE = "the number of elements has to stay the same"
_TUPLE = r"\((?P<{}>[\d, ]{{0,400}})\)"
_A, _B = _TUPLE.format("a"), _TUPLE.format("b")


# Memory


def _bytes(number, unit):
    try:
        return min(int(float(number) * _UNITS[unit.lower()]), _LARGEST)
    except (KeyError, ValueError, OverflowError):
        return 0


def _find_bytes(pattern, message):
    found = pattern.search(message)
    return _bytes(*found.groups()) if found else 0


def _host_memory(found):
    return MEMORY, ("cpu", _bytes(found["n"], found["unit"] or ""), 0, 0)


_TRIED = re.compile(rf"Tried to allocate {_SIZE}")
_FREE = re.compile(rf"{_SIZE}(?: is)? free")
_TOTAL = re.compile(rf"{_SIZE} total capacity|total capacity of {_SIZE}")
_DEVICE = re.compile(r"GPU (\d{1,4})")


def _device_memory(found):
    message = found.string
    device = _DEVICE.search(message)
    name = {"CUDA": "cuda", "HIP": "hip", "MPS backend": "mps", "XPU": "xpu"}[found["runtime"]]
    total = _TOTAL.search(message)
    total = [part for part in total.groups() if part] if total else None
    return MEMORY, (
        f"{name}:{device[1]}" if device else name, _find_bytes(_TRIED, message), _find_bytes(_FREE, message),
        _bytes(*total) if total else 0,
    )


# Types of elements


def _dtype(name):
    name = name.strip("'\"")
    return _DTYPES.get(name.lower(), name.removeprefix("torch."))


def _dtypes(suggestion):
    def make(found):
        expected, actual = _dtype(found["expected"]), _dtype(found["actual"])
        return DTYPE, (expected, actual, suggestion.format(expected=expected, actual=actual))

    return make


_CONVERT = "convert it to {expected} first"
_SAME = "convert one of them, so that both are {expected} or both {actual}"
_CAST = "convert it with astype({expected!r}), or let the result be {actual}"
_E, _F = r"(?P<expected>[\w.]{1,64})", r"(?P<actual>[\w.]{1,64})"
_NUMPY = r"dtype\('(?P<{}>[^']{{1,64}})'\)"
_NUMPY_E, _NUMPY_F = _NUMPY.format("expected"), _NUMPY.format("actual")

_TABLE = [
    (re.compile(pattern), make)
    for pattern, make in (
        (rf"shapes {_A} and {_B} not aligned", _shapes("dot", _ALIGN)),
        (r"(?P<operation>\w{1,64}): Input operand (?P<operand>\d{1,3}) has a mismatch in its core dimension (?P<at>\d{1,3})"
         r".{0,400}\(size (?P<b>\d{1,19}) is different from (?P<a>\d{1,19})\)", _core_dimension),
        (rf"operands could not be broadcast together with (?:remapped )?shapes.{{0,400}}?{_A}(?:->\([^)]{{0,400}}\))? {_B}",
         _shapes("broadcast", _BROADCAST)),
        (rf"could not broadcast input array from shape {_A} into shape {_B}", _shapes("assign", _BROADCAST)),
        (rf"Mismatch is between arg \d{{1,3}} with shape {_A} and arg \d{{1,3}} with shape {_B}", _shapes("broadcast", _BROADCAST)),
        (rf"[Ii]ncompatible shapes for broadcasting: {_A}(?: and|,) {_B}", _shapes("broadcast", _BROADCAST)),
        (rf"cannot reshape array of size (?P<a>\d{{1,19}}) into shape {_B}", _shapes("reshape", _RESHAPE)),
        (r"along dimension (?P<at>\d{1,3}), the array at index \d{1,9} has size (?P<a>\d{1,19}) and the array at index \d{1,9}"
         r" has size (?P<b>\d{1,19})", _shapes("concatenate", "dimension {at} has to be equal in all of them")),
        (r"shapes cannot be multiplied \((?P<a>\d{1,19}x\d{1,19}) and (?P<b>\d{1,19}x\d{1,19})\)", _shapes("matmul", _ALIGN)),
        (r"size of tensor a \((?P<a>\d{1,19})\) must match the size of tensor b \((?P<b>\d{1,19})\) at non-singleton"
         r" dimension (?P<at>\d{1,3})", _shapes("broadcast", "dimension {at} has to be equal in both or 1 in one of them")),
        (r"shape '\[(?P<b>[-\d, ]{0,400})\]' is invalid for input of size (?P<a>\d{1,19})", _shapes("reshape", _RESHAPE)),
        (r"Sizes of tensors must match except in dimension (?P<at>\d{1,3})\. Expected size (?P<a>\d{1,19}) but got size"
         r" (?P<b>\d{1,19})", _shapes("concatenate", "all dimensions but {at} have to be equal in all of them")),
        (r"batch2 tensor to be: \[(?P<a>[\d, ]{0,400})\] but got: \[(?P<b>[\d, ]{0,400})\]", _shapes("matmul", _ALIGN)),
        (r"Unable to allocate (?P<n>[\d.]{1,32}) (?P<unit>bytes|[KMGTPE]iB) for an array", _host_memory),
        (r"you tried to allocate (?P<n>\d{1,32}) (?P<unit>bytes)", _host_memory),
        (r"(?P<runtime>CUDA|HIP|XPU|MPS backend) out of memory", _device_memory),
        (rf"[Ee]xpected scalar type {_E} but (?:found|got) {_F}", _dtypes(_CONVERT)),
        (rf"[Ff]ound dtype {_F} but expected {_E}", _dtypes(_CONVERT)),
        (rf"same dtype, but got:? {_E} (?:and|!=) {_F}", _dtypes(_SAME)),
        (rf"Expected all tensors.{{0,200}}dtype.{{0,80}}? {_E} and {_F}", _dtypes(_SAME)),
        (rf"Input type \({_F}\) and (?:weight|bias) type \({_E}\) should be the same", _dtypes(_CONVERT)),
        (rf"dtypes match, got {_E} for the destination and {_F} for the source", _dtypes(_CONVERT)),
        (rf"Cannot cast (?:ufunc '[^']{{1,64}}' (?:output|input(?: \d{{1,3}})?)|array data|scalar) from {_NUMPY_F} to {_NUMPY_E}",
         _dtypes(_CAST)),
        (rf"did not contain a loop with signature matching types \({_NUMPY_E}, {_NUMPY_F}\)", _dtypes(_SAME)),
    )
]
