# SPDX-License-Identifier: Apache-2.0
"""Requests and answers that take long to read and write: nobody else waits for them."""

import gzip
import json
import select
import socket
import unittest

from vivarium_testing import http_api, waiting
from vivarium_testing.case import DaemonCase

EVAL = "/vivarium.v1.ExecutionService/Eval"
NAMES = {f"name{i}": i for i in range(100_000)}
# So many answers come to another client while one large request is read; one that finds the reactor
# held up gets one or two.
MANY = 20


class Heavy(DaemonCase):
    """Large JSON is read and written beside the reactor."""

    def served_meanwhile(self, body, *headers):
        """Posts a body that is refused once it has been read; returns how often another client was
        answered meanwhile, and the error."""
        head = "\r\n".join([f"POST {EVAL} HTTP/1.1", "Host: localhost", "Connection: close",
                            "Content-Type: application/json", f"Content-Length: {len(body)}",
                            *headers]) + "\r\n\r\n"
        served = 0
        with socket.create_connection(self.daemon.address, timeout=waiting.WATCHDOG) as busy:
            busy.sendall(head.encode() + body)
            while not select.select([busy], [], [], 0)[0]:
                self.assertEqual(self.client.request("GET", "/healthz")[0], 200)
                served += 1
            raw = b"".join(iter(lambda: busy.recv(1 << 16), b""))
        status, _, answer = http_api.parse_response(raw)
        return served, http_api.ApiError(status, json.loads(answer))

    def test_reading_json(self):
        """Of a hundred thousand typed variables, the last of which is none."""
        variables = {name: {"integer": str(i)} for name, i in NAMES.items()}
        body = json.dumps({"source": "1", "variables": {**variables, "z": {"nonsense": 1}}})
        served, error = self.served_meanwhile(body.encode())
        self.assertEqual(error.code, "invalid_argument", error)
        self.assertIn("nonsense", error.message)
        self.assertGreaterEqual(served, MANY)

    def test_unpacking(self):
        """A body that is large only when it is unpacked."""
        body = gzip.compress(b"[" + b" " * (60 << 20))
        served, error = self.served_meanwhile(body, "Content-Encoding: gzip")
        self.assertEqual(error.code, "invalid_argument", error)
        self.assertGreaterEqual(served, MANY)

    def test_what_is_read_aside_is_right(self):
        """As arguments and as variables, typed and natural, over HTTP and WebSocket."""
        session = self.session()
        for fields in ({"jsonKwargs": NAMES},
                       {"kwargs": {name: {"integer": str(i)} for name, i in NAMES.items()}}):
            verdict = self.client.call("ExecutionService/Call", {
                "session": session, "target": {"module": "builtins"}, "name": "dict",
                **fields})["verdict"]
            self.assertEqual(verdict["result"]["json"], NAMES)
        self.assertEqual(self.client.value("[x, len(big)]", session, jsonVariables={
            "x": 1, "big": "x" * 500_000}), [1, 500_000])
        name, answer = self.websocket().ask(eval={
            "source": "sum(v for k, v in list(globals().items()) if k.startswith('name'))",
            "jsonVariables": NAMES, "session": session})
        self.assertEqual((name, answer["verdict"]["result"]["json"]), ("eval", sum(NAMES.values())))

    def test_order_is_kept(self):
        """What a client sends after a long request runs after it."""
        session = self.session()
        ws = self.websocket()
        long = ws.begin(eval={"session": session, "source": "x = len(big)",
                              "jsonVariables": {"big": "x" * 500_000}})
        short = ws.begin(eval={"session": session, "source": "x"})
        self.assertIn("eval", ws.next_of(long))
        self.assertEqual(ws.next_of(short)["eval"]["verdict"]["result"], {"json": 500_000})

    def test_writing_json(self):
        """Answers of every kind that hold a large value: eval, wait, follow, batch."""
        session = self.session()
        source = "{str(i): i for i in range(50_000)}"
        expected = {str(i): i for i in range(50_000)}
        self.assertEqual(self.client.value(source, session), expected)
        execution = self.client.start(source, session)
        self.assertEqual(self.client.wait(execution)["result"]["json"], expected)
        last = list(self.client.follow(execution))[-1]
        self.assertEqual(last["verdict"]["result"]["json"], expected)
        results = self.client.call("ExecutionService/Batch", {"items": [
            {"eval": {"session": session, "source": text}} for text in (source, "1", source)]})
        self.assertEqual([r["verdict"]["result"]["json"] for r in results["results"]],
                         [expected, 1, expected])
        self.client.value("globals().update({f'v{i}': 'x' * 400 for i in range(3000)})", session)
        listed = self.client.call("SessionService/ListVariables", {"session": session})
        self.assertGreaterEqual(len(listed["variables"]), 3000)

    def test_clients_that_leave(self):
        """While their request is read, or their answer written."""
        session = self.session()
        for message in ({"session": session, "source": "1", "jsonVariables": NAMES},
                        {"session": session, "source": "list(range(300_000))"}):
            self.vanish("ExecutionService/Eval", message)
        waiting.wait_for(lambda: not self.running(session), "the end of what was asked for")
        self.at_rest(session)

    def running(self, session):
        """Returns the executions that have not ended; asks for one more first, so that they were begun."""
        self.client.value("1", session)
        listed = self.client.call("ExecutionService/List", {"session": session})
        return [e for e in listed["executions"] if e["state"] != "STATE_DONE"]

    def test_numbers_of_millions_of_digits(self):
        """Are hexadecimal, and right."""
        session = self.session()
        for sign in ("", "-"):
            value = self.client.value(f"{sign}(1 << 4_000_000) - 5", session)
            self.assertEqual(int(value, 16), int(f"{sign}1", 10) * (1 << 4_000_000) - 5)

    def test_a_request_of_names_has_a_bound(self):
        """64 KiB, whatever it says."""
        padding = " " * ((64 << 10) - len('{"session":"x"}'))
        for method in ("SessionService/GetSession", "ExecutionService/Wait", "ExecutionService/List"):
            key = "executionId" if method.endswith("Wait") else "session"
            for extra, code in ((0, None), (1, "resource_exhausted")):
                body = json.dumps({key: "x"}, separators=(",", ":")) + padding
                body = body[:64 << 10] + " " * extra
                status, _, answer = self.client.request(
                    "POST", f"/vivarium.v1.{method}", body.encode(),
                    {"content-type": "application/json"})
                told = json.loads(answer).get("code")
                if code is None:
                    self.assertIn(told, (None, "not_found", "invalid_argument"), answer)
                else:
                    self.assertEqual((status, told), (429, code), answer)


if __name__ == "__main__":
    unittest.main()
