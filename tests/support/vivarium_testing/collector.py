# SPDX-License-Identifier: Apache-2.0
"""A collector of traces: takes OTLP over HTTP in JSON on loopback, and checks every word of it."""

import http.server
import json
import re
import threading

from . import waiting

VALUES = {"stringValue": str, "boolValue": bool, "intValue": str, "doubleValue": (int, float)}


def is_attributes(given):
    """Whether that is a list of KeyValue with different keys."""
    keys = [one.get("key") for one in given]
    if len(set(keys)) != len(keys) or not all(isinstance(key, str) and key for key in keys):
        return False
    for one in given:
        if set(one) != {"key", "value"} or len(one["value"]) != 1:
            return False
        [(kind, value)] = one["value"].items()
        if kind not in VALUES or not isinstance(value, VALUES[kind]):
            return False
        if kind == "intValue" and not re.fullmatch(r"-?\d{1,19}", value):
            return False
    return True


def trouble_of_span(span):
    """Says what is wrong with a Span; empty when nothing is."""
    allowed = {"traceId", "spanId", "parentSpanId", "traceState", "flags", "name", "kind", "startTimeUnixNano",
               "endTimeUnixNano", "attributes", "status", "events", "links"}
    if set(span) - allowed:
        return f"fields {set(span) - allowed}"
    for name, size in (("traceId", 32), ("spanId", 16), ("parentSpanId", 16)):
        given = span.get(name)
        if given is None and name == "parentSpanId":
            continue
        if not re.fullmatch(f"[0-9a-f]{{{size}}}", given or "") or set(given) == {"0"}:
            return f"{name} {given}"
    if not isinstance(span.get("name"), str) or not span["name"]:
        return "no name"
    if span.get("kind") not in (1, 2, 3, 4, 5):
        return f"kind {span.get('kind')}"
    times = [span.get("startTimeUnixNano"), span.get("endTimeUnixNano")]
    if not all(isinstance(time, str) and re.fullmatch(r"\d{19}", time) for time in times):
        return f"times {times}"
    if int(times[0]) > int(times[1]):
        return "ends before it begins"
    if not is_attributes(span.get("attributes", [])):
        return f"attributes {span['attributes']}"
    status = span.get("status", {})
    return "" if set(status) <= {"code", "message"} and status.get("code", 0) in (0, 1, 2) else f"status {status}"


def spans_of(body):
    """Returns the spans of an ExportTraceServiceRequest, each with the attributes of its resource; raises
    ValueError when it is none."""
    found = []
    request = json.loads(body)
    if set(request) != {"resourceSpans"}:
        raise ValueError(f"fields {set(request)}")
    for resource in request["resourceSpans"]:
        about = resource["resource"]["attributes"]
        if set(resource) - {"resource", "scopeSpans", "schemaUrl"} or not is_attributes(about):
            raise ValueError(f"resource {resource}")
        for scope in resource["scopeSpans"]:
            if set(scope) - {"scope", "spans", "schemaUrl"} or not isinstance(scope["scope"]["name"], str):
                raise ValueError(f"scope {scope}")
            for span in scope["spans"]:
                if trouble := trouble_of_span(span):
                    raise ValueError(f"{trouble} of {span}")
                found.append({**span, "resource": flat(about), "attributes": flat(span.get("attributes", []))})
    return found


def flat(attributes):
    """Returns attributes as a dict."""
    out = {}
    for one in attributes:
        [(kind, value)] = one["value"].items()
        out[one["key"]] = int(value) if kind == "intValue" else value
    return out


class Collector:
    """Listens from the beginning; a context that leaves nothing behind. `status` is what it answers with;
    while `gate` is not set it does not answer at all."""

    def __init__(self, port=0):
        """Begins to take spans."""
        self.spans, self.troubles, self.heads, self.bodies = [], [], [], []
        self.status, self.gate = 200, threading.Event()
        self.gate.set()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """One connection."""

            protocol_version = "HTTP/1.1"

            def do_POST(self):
                """Takes a batch."""
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.heads.append((self.path, dict(self.headers)))
                collector.bodies.append(body.decode())
                collector.gate.wait(waiting.WATCHDOG)
                status = collector.status
                if status == 200:
                    collector.take(body)
                answer = b"{}" if status == 200 else b'{"message":"no"}'
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                try:
                    self.end_headers()
                    self.wfile.write(answer)
                except ConnectionError:
                    pass  # The daemon has not waited for it.

            def log_message(self, *_):
                """Says nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    @property
    def url(self):
        """What the daemon is configured with."""
        return f"http://127.0.0.1:{self.port}"

    def take(self, body):
        """Keeps what is in order, and says of what is not."""
        try:
            self.spans.extend(spans_of(body))
        except (ValueError, KeyError, TypeError) as error:
            self.troubles.append(f"{type(error).__name__}: {error}")

    def trace(self, trace, names=()):
        """Waits until all these names are among the spans of a trace; returns those spans by name."""
        def found():
            if self.troubles:
                raise AssertionError(self.troubles)
            mine = [span for span in list(self.spans) if span["traceId"] == trace]
            have = {span["name"]: span for span in mine}
            return have if set(names) <= set(have) else None
        try:
            return waiting.wait_for(found, f"spans {names}")
        except AssertionError as error:
            seen = [(span["name"], span["traceId"]) for span in self.spans[-20:]]
            raise AssertionError(f"{error}: {seen}, {self.troubles}") from None

    def close(self):
        """Ends."""
        self.gate.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def __enter__(self):
        """Returns itself."""
        return self

    def __exit__(self, *_):
        """Ends."""
        self.close()
