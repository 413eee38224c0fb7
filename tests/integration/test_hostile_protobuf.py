# SPDX-License-Identifier: Apache-2.0
"""Binary protobuf that no library would write, to every method, over HTTP and WebSocket."""

import json
import struct
import unittest

from vivarium_testing import http_api
from vivarium_testing.case import DaemonCase
from vivarium_testing.protobuf import data, fields, nested, number, tag, varint
from vivarium_testing.ws import WebSocket

BINARY = 2
EXECUTION, SESSION = "/vivarium.v1.ExecutionService/", "/vivarium.v1.SessionService/"
# By the number of its field in a frame.
METHODS = {
    2: EXECUTION + "Eval", 3: EXECUTION + "Start", 4: EXECUTION + "Follow", 5: EXECUTION + "Wait",
    6: EXECUTION + "Cancel", 7: EXECUTION + "List", 8: EXECUTION + "Compile",
    9: SESSION + "CreateSession", 10: SESSION + "GetSession", 11: SESSION + "ListSessions",
    12: SESSION + "CloseSession", 16: EXECUTION + "Call", 17: EXECUTION + "Stream",
    18: EXECUTION + "Batch", 19: SESSION + "CreateNamespace", 20: SESSION + "DestroyNamespace",
    21: SESSION + "ListNamespaces", 22: SESSION + "ReleaseRefs", 23: SESSION + "ListVariables",
    24: SESSION + "GetInterpreter", 25: SESSION + "GetMemoryStats", 26: SESSION + "CollectGarbage",
    27: SESSION + "SetTracemalloc"}
STREAMS = (4, 17)
SET_DEFAULTS, ERROR, END = 28, 14, 13
EVAL, START, COMPILE, CREATE_SESSION, CALL, STREAM, BATCH = 2, 3, 8, 9, 16, 17, 18
CREATE_NAMESPACE, RELEASE_REFS = 19, 22

MILLION = 1_000_000
LIMIT = 16 << 20
# How much more memory the daemon may ever have had: some copies of the largest message, and what
# the sanitizers' builds keep of freed memory.
ROOM = 512 << 20

# No protobuf at all.
MALFORMED = {
    "a tag that ends too early": b"\xff",
    "a tag without end": b"\xff" * 11,
    "a tag beyond 32 bits": varint(1 << 40) + b"\0",
    "field 0": b"\x00\x00",
    "field 0 with a length": b"\x02\x00",
    "a number that ends too early": b"\x08\xff\xff",
    "a number of eleven bytes": b"\x08" + b"\xff" * 10 + b"\x01",
    "a field without its length": b"\x0a",
    "a length that ends too early": b"\x0a\xff",
    "a field that ends too early": b"\x0a\x05abcd",
    "a length of 2^31": b"\x0a" + varint(1 << 31) + b"x",
    "a length of 2^63 - 1": b"\x0a" + varint((1 << 63) - 1) + b"x",
    "a length of 2^64 - 1": b"\x0a" + varint((1 << 64) - 1),
    "a fixed32 that ends too early": b"\x0d\0\0\0",
    "a fixed64 that ends too early": b"\x09\0\0\0\0\0\0\0",
    "the start of a group": b"\x0b\x08\x01\x0c",
    "the end of a group": b"\x0c",
    "groups in groups": b"\x0b" * 10_000,
    "wire type 6": b"\x0e\x01",
    "wire type 7": b"\x0f\x01",
    "a good field, then none": number(200, 1) + b"\x0a\x7f",
}

# Protobuf that means nothing here, or too much: any answer will do that is one of the protocol.
STRANGE = {
    "every field with every other wire type": b"".join(
        number(i, 1) + tag(i, 1) + bytes(8) + tag(i, 5) + bytes(4) for i in range(1, 40)),
    "the largest numbers": b"".join(number(i, (1 << 64) - 1) for i in range(1, 40)),
    "numbers in too many bytes": b"".join(
        tag(i, 0) + b"\x81\x80\x80\x80\x80\x80\x80\x80\x80\x00" for i in range(1, 40)),
    "empty fields": b"".join(data(i, b"") for i in range(1, 40)),
    "invalid UTF-8 everywhere": b"".join(data(i, b"\xff\xfe") for i in range(1, 40)),
    "surrogates everywhere": b"".join(data(i, b"\xed\xa0\x80") for i in range(1, 40)),
    "zeros everywhere": b"".join(data(i, bytes(8)) for i in range(1, 40)),
    "fields with the highest numbers": number((1 << 29) - 1, 1) + data((1 << 29) - 1, b"x"),
    "one unknown field of megabytes": data(1000, bytes(4 << 20)),
    "a million unknown fields": number(1000, 1) * MILLION,
    "one text of megabytes": data(1, b"x" * (4 << 20)),
    "the first field a hundred thousand times": data(1, b"\x0a\x01a") * 100_000,
    "a hundred thousand levels": data(1, nested(100_000, (1,))),
    "a hundred thousand levels of every field": b"".join(
        data(i, nested(10_000, (i,))) for i in range(1, 18)),
}
# To the methods that take more than 64 KiB.
LONG = (EVAL, START, COMPILE, CREATE_SESSION, CALL, STREAM, BATCH, CREATE_NAMESPACE, RELEASE_REFS)
ENDLESS = {f"a million times field {field}": data(field, b"") * MILLION
           for field in (1, 2, 3, 4, 6, 7, 14)}

CODES = {"invalid_argument", "not_found", "resource_exhausted", "failed_precondition",
         "already_exists"}


def value_of(kind):
    """Returns a map's entry x with a Value of that content."""
    return data(1, "x") + data(2, kind)


class Hostile(DaemonCase):
    """Whatever the bytes, the answer is a typed one; the neighbour and the daemon live on."""

    config = f"[server]\nbody_bytes = \"{LIMIT >> 20}MiB\"\nframe_bytes = \"{LIMIT >> 20}MiB\"\n"

    def setUp(self):
        """Notes how much memory there is."""
        super().setUp()
        self.peak = self.memory()

    def tearDown(self):
        """It has not grown beyond a bound."""
        grown = self.memory() - self.peak
        super().tearDown()
        self.assertLess(grown, ROOM)

    def memory(self):
        """Returns the most memory that the daemon has ever had."""
        with open(f"/proc/{self.daemon.pid}/status", encoding="ascii") as status:
            [line] = [line for line in status if line.startswith("VmHWM:")]
        return int(line.split()[1]) << 10

    def over_http(self, method, message):
        """Returns the code of an error, or None, and its message."""
        streams = method in STREAMS
        kind = "application/connect+proto" if streams else "application/proto"
        status, _, body = self.client.request(
            "POST", METHODS[method], http_api.envelope(message) if streams else message,
            {"content-type": kind})
        if not streams and status == 200:
            return None, ""
        if streams:
            self.assertEqual(status, 200, body)
            while True:
                flags, size = struct.unpack(">BI", body[:5])
                last, body = body[5:5 + size], body[5 + size:]
                if flags & 2:
                    break
            told = json.loads(last).get("error")
            if told is None:
                return None, ""
        else:
            told = json.loads(body)
        self.assertIsNotNone(http_api.error_kind(http_api.ApiError(status, told)))
        return told["code"], told["message"]

    def over_websocket(self, ws, method, message):
        """The same over a WebSocket; answers that come before the last are dropped."""
        ws.last_id += 1
        ws.send_frame(BINARY, number(1, ws.last_id) + number(15, 100) + data(method, message))
        while True:
            opcode, content = ws.receive()
            self.assertEqual(opcode, BINARY, content)
            answer = fields(content)
            self.assertEqual(answer[1], ws.last_id)
            if ERROR in answer:
                failure = fields(answer[ERROR])
                self.assertIn(1, fields(failure[3]), "no kind")
                return failure[1].decode(), failure[2].decode()
            if END in answer or method not in STREAMS:
                return None, ""

    def each(self, messages, check, methods=(*METHODS, SET_DEFAULTS)):
        """Sends each message to each method in both ways, and checks each code."""
        with WebSocket(self.daemon.address, protocol="vivarium.v1.proto") as ws:
            for name, message in messages.items():
                for method in methods:
                    with self.subTest(name, method=METHODS.get(method, "setDefaults")):
                        check(self.over_websocket(ws, method, message))
                        if method in METHODS:
                            check(self.over_http(method, message))
        self.drop_sessions()

    def drop_sessions(self):
        """Closes what a strange message was taken for."""
        for session in self.client.call("SessionService/ListSessions").get("sessions", ()):
            if session["id"] != self.neighbour.session:
                self.client.call("SessionService/CloseSession", {"session": session["id"]})

    def assert_wrong(self, answer):
        """The client is told that it was wrong, and how."""
        self.assertEqual(answer[0], "invalid_argument", answer)
        self.assertTrue(answer[1])

    def assert_typed(self, answer):
        """It is an answer, or an error that is the client's own."""
        if answer[0] is not None:
            self.assertIn(answer[0], CODES, answer)
            self.assertTrue(answer[1])

    def test_what_is_no_protobuf(self):
        """Is refused by every method, with the reason."""
        self.each(MALFORMED, self.assert_wrong)

    def test_strange_messages(self):
        """Are ignored, understood or refused, by every method."""
        self.each(STRANGE, self.assert_typed)

    def test_messages_without_end(self):
        """A million fields are read, or refused."""
        self.each(ENDLESS, self.assert_typed, LONG)

    def test_frames_that_are_none(self):
        """Are refused under no id, or under theirs; the connection is as good as before."""
        with WebSocket(self.daemon.address, protocol="vivarium.v1.proto") as ws:
            for name, message in MALFORMED.items():
                with self.subTest(name):
                    ws.send_frame(BINARY, message)
                    answer = fields(ws.receive()[1])
                    self.assertEqual(fields(answer[ERROR])[1], b"invalid_argument")
            for name, message in (("no id", data(7, b"")), ("no body", number(1, 5)),
                                  ("nothing", b""), ("unknown body", number(1, 5) + data(100, b"")),
                                  ("body beyond all", number(1, 5) + data(300, b""))):
                with self.subTest(name):
                    ws.send_frame(BINARY, message)
                    answer = fields(ws.receive()[1])
                    self.assertEqual(fields(answer[ERROR])[1], b"invalid_argument")
            ws.send_frame(BINARY, number(1, (1 << 64) - 1) + data(11, b""))
            answer = fields(ws.receive()[1])
            self.assertEqual(answer[1], (1 << 64) - 1)
            self.assertIn(11, answer)
            # The last of several ids and bodies counts, as protobuf wants it.
            ws.send_frame(BINARY, (number(1, 7) + data(2, b"\xff")) * 1000
                          + number(1, 8) + data(11, b""))
            answer = fields(ws.receive()[1])
            self.assertEqual(answer[1], 8)
            self.assertIn(11, answer)

    def test_values(self):
        """Values that are none, wherever a request may hold one."""
        integer = number(3, 2)
        bad = {
            "nothing": b"",
            "two kinds": integer + number(2, 1),
            "an unknown kind": number(99, 1),
            "the wrong wire type": data(3, b"x"),
            "one kind twice": integer + integer,
            "a text that is no UTF-8": data(6, b"\xff"),
            "a UUID of 15 bytes": data(20, bytes(15)),
            "an array without its items": data(23, data(1, "<f8") + data(2, varint(1 << 40))),
            "an array whose size overflows": data(23, data(1, "<f8") + data(2, varint(1 << 62) * 8)),
            "month 13": data(16, number(1, 2000) + number(2, 13) + number(3, 1)),
            "a hundred thousand lists in lists": nested(100_000, (8, 1), integer),
            "a hundred thousand dicts in dicts": nested(
                100_000, (10, 1, 2), integer),
            "a hundred thousand constructs": nested(100_000, (25, 3), integer),
            "a million items that are none": data(8, data(1, b"") * MILLION),
            "more parts than are allowed": data(8, data(1, integer) * 4_000_001),
            "a group": b"\x0b\x0c",
        }
        wherever = {
            "variables of eval": (EVAL, lambda v: data(2, "x") + data(14, value_of(v))),
            "variables of start": (START, lambda v: data(1, data(1, "s") + data(14, value_of(v)))),
            "an argument": (CALL, lambda v: data(3, data(1, "builtins")) + data(4, "repr")
                            + data(6, v)),
            "a keyword": (CALL, lambda v: data(3, data(1, "builtins")) + data(4, "dict")
                          + data(7, value_of(v))),
            "the target": (CALL, lambda v: data(3, data(4, v)) + data(4, "real")),
            "a stream": (STREAM, lambda v: data(1, data(2, "x") + data(14, value_of(v)))),
        }
        with WebSocket(self.daemon.address, protocol="vivarium.v1.proto") as ws:
            for place, (method, make) in wherever.items():
                for name, value in bad.items():
                    with self.subTest(name, place=place):
                        message = make(value)
                        self.assert_refused_value(self.over_http(method, message))
                        self.assert_refused_value(self.over_websocket(ws, method, message))

    def assert_refused_value(self, answer):
        """It is the client's fault, or too much."""
        self.assertIn(answer[0], ("invalid_argument", "resource_exhausted"), answer)
        self.assertTrue(answer[1])

    def test_natural_json_in_protobuf(self):
        """google.protobuf.Struct, as deep and as strange as one likes."""
        bad = {
            "a hundred thousand lists": data(2, nested(100_000, (6, 1))),
            "a hundred thousand objects": data(2, nested(100_000, (5, 1, 2))),
            "more items than are allowed": data(2, data(6, data(1, b"") * 4_000_001)),
            "a text that is no UTF-8": data(2, data(3, b"\xff")),
            "a key that is no UTF-8": data(1, b"\xff"),
        }
        self.assertEqual(self.over_http(EVAL, data(2, "x") + data(15, data(1, data(1, "x")))),
                         (None, ""), "what is nothing is None")
        for name, entry in bad.items():
            with self.subTest(name):
                entry = entry if name.startswith("a key") else data(1, "x") + entry
                self.assert_refused_value(self.over_http(EVAL, data(2, "x") + data(
                    15, data(1, entry))))

    def test_every_bit_of_a_float(self):
        """NaN with a payload, infinities and -0.0 come back as they went."""
        session = self.session()
        for bits in (0x7FF8000000000001, 0xFFF0000000000000, 0x7FF0000000000000, 1 << 63, 1):
            real = tag(5, 1) + struct.pack("<Q", bits)
            status, _, body = self.client.request(
                "POST", METHODS[EVAL], data(1, session) + data(2, "x") + number(7, 1)
                + data(14, value_of(real)), {"content-type": "application/proto"})
            self.assertEqual(status, 200)
            self.assertIn(real, body)

    def test_batches_and_refs(self):
        """A million items are too many, whatever they are."""
        session = self.session()
        self.assertEqual(self.over_http(BATCH, data(1, b"") * MILLION)[0], "invalid_argument")
        self.assertEqual(self.over_http(RELEASE_REFS, data(1, session) + data(2, "ref_x") * MILLION)[0],
                         "invalid_argument")


if __name__ == "__main__":
    unittest.main()
