# SPDX-License-Identifier: Apache-2.0
"""A small client of the daemon: Connect calls with JSON, and raw sockets for what is malformed."""

import base64
import http.client
import json
import socket
import struct

from . import waiting


class ApiError(Exception):
    """An error of the Connect protocol."""

    def __init__(self, status, body):
        """Takes the HTTP status and the decoded error."""
        super().__init__(f"{status} {body}")
        self.status = status
        self.code = body.get("code")
        self.message = body.get("message", "")
        self.details = body.get("details", [])


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, **options):
        """Takes the path of the socket."""
        super().__init__("localhost", **options)
        self.path = path

    def connect(self):
        """Connects to the socket instead of an address."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client:
    """Calls one after the other over a connection that is kept."""

    def __init__(self, make_connection, key=None):
        """Takes a function that makes an http.client connection, and the API key to show."""
        self.connection = make_connection()
        self.headers = {"authorization": f"Bearer {key}"} if key else {}

    def close(self):
        """Closes the connection."""
        self.connection.close()

    def __enter__(self):
        """Returns itself."""
        return self

    def __exit__(self, *_):
        """Closes the connection."""
        self.close()

    def request(self, method, path, body=None, headers=None):
        """Returns status, headers and body of one exchange."""
        try:
            self.connection.request(method, path, body, {**self.headers, **(headers or {})})
            answer = self.connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except BaseException:
            # What is left on the connection belongs to nobody.
            self.connection.close()
            raise

    def call(self, method, message=None, headers=None):
        """Calls Service/Method with a message as JSON; raises ApiError."""
        status, _, body = self.request(
            "POST", f"/vivarium.v1.{method}", json.dumps(message or {}).encode(),
            {"content-type": "application/json", **(headers or {})})
        decoded = json.loads(body)
        if status != 200:
            raise ApiError(status, decoded)
        return decoded

    def eval(self, source, session="", **fields):
        """Evaluates source and returns the verdict."""
        return self.call("ExecutionService/Eval",
                         {"source": source, "session": session, **fields})["verdict"]

    def value(self, source, session="", **fields):
        """Evaluates source, which must succeed, and returns its value as JSON."""
        verdict = self.eval(source, session, **fields)
        if "error" in verdict:
            raise AssertionError(f"{source!r} failed: {verdict}")
        return verdict["result"].get("json")

    def create(self, name="", **fields):
        """Creates a session and returns its id."""
        return self.call("SessionService/CreateSession", {"name": name, **fields})["session"]["id"]

    def start(self, source, session, **fields):
        """Starts source and returns the id of the execution."""
        return self.call("ExecutionService/Start", {
            "eval": {"source": source, "session": session, **fields}})["executionId"]

    def wait(self, execution, timeout_ms=int(waiting.WATCHDOG * 1000)):
        """Waits for a verdict."""
        answer = self.call("ExecutionService/Wait",
                           {"executionId": execution, "timeoutMs": timeout_ms})
        if not answer.get("done"):
            raise AssertionError(f"{execution} did not end")
        return answer["verdict"]

    def follow(self, execution, from_sequence=0):
        """Yields the events of an execution; raises ApiError when the stream ends with one."""
        message = {"executionId": execution, "fromSequence": from_sequence}
        for answer in self.messages("ExecutionService/Follow", message):
            if "event" in answer:
                yield answer["event"]

    def stream(self, source, session, **fields):
        """Yields the messages of a Stream of source."""
        outer = {name: fields.pop(name) for name in ("window", "idleTimeoutMs") if name in fields}
        return self.messages("ExecutionService/Stream", {
            "eval": {"source": source, "session": session, **fields}, **outer})

    def messages(self, method, message):
        """Yields the messages of a streaming method; raises ApiError when it ends with one."""
        self.connection.request("POST", f"/vivarium.v1.{method}",
                                envelope(json.dumps(message).encode()),
                                {"content-type": "application/connect+json", **self.headers})
        answer = self.connection.getresponse()
        if answer.status != 200:
            raise ApiError(answer.status, json.loads(answer.read()))
        for flags, payload in envelopes(answer):
            decoded = json.loads(payload)
            if flags & 2:
                answer.read()
                if "error" in decoded:
                    raise ApiError(200, decoded["error"])
                return
            yield decoded
        raise AssertionError("the stream ended without an end message")


def envelope(payload, flags=0):
    """Returns a message of a Connect stream."""
    return struct.pack(">BI", flags, len(payload)) + payload


def envelopes(source):
    """Yields flags and payload of each envelope of a file."""
    while True:
        head = source.read(5)
        if len(head) < 5:
            return
        flags, length = struct.unpack(">BI", head)
        yield flags, source.read(length)


def detail_of(error):
    """Returns the detail of an ApiError as it is written for people."""
    for detail in error.details:
        if detail["type"] == "vivarium.v1.ErrorDetail":
            return detail.get("debug", {})
    return {}


def error_kind(error):
    """Returns the kind number in the detail of an ApiError, which every one must carry."""
    for detail in error.details:
        if detail["type"] == "vivarium.v1.ErrorDetail":
            raw = base64.b64decode(detail["value"] + "=" * (-len(detail["value"]) % 4))
            # Field 1, varint, comes first; kinds are below 128.
            return raw[1] if raw[:1] == b"\x08" else 0
    return None


def exchange(address, data, shut=False):
    """Sends raw bytes to a TCP address and returns all that comes back before the close."""
    with socket.create_connection(address, timeout=waiting.WATCHDOG) as connection:
        try:
            connection.sendall(data)
            if shut:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It may answer and close before it has read everything.
        received = b""
        while True:
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:
                return received
            if not piece:
                return received
            received += piece


def parse_response(raw):
    """Returns status, headers (lower case) and body of a raw answer with a Content-Length."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1]) if lines[0].startswith("HTTP/1.1 ") else 0
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return status, headers, body
