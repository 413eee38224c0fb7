# SPDX-License-Identifier: Apache-2.0
"""An application that offers functions to its sessions, over a WebSocket or over plain HTTP."""

import http.client
import json
import threading
import traceback

from . import http_api


class Refusal(Exception):
    """What a function raises to fail with a HostError of its own."""

    def __init__(self, **error):
        """Takes the fields of the HostError."""
        super().__init__(error.get("message"))
        self.error = error


def outcome_of(functions, call):
    """Runs the function that a call names; returns the outcome of an Answer."""
    try:
        function = functions[call["name"]]
        if getattr(function, "wants_call", False):
            return {"json": function(call, *call.get("jsonArgs", []), **call.get("jsonKwargs", {}))}
        return {"json": function(*call.get("jsonArgs", []), **call.get("jsonKwargs", {}))}
    except Refusal as refusal:
        return {"error": refusal.error}
    except Exception as error:
        return {"error": {"type": type(error).__name__, "message": str(error),
                          "traceback": traceback.format_exc()}}


def with_call(function):
    """Marks a function that wants to see the call itself, first."""
    function.wants_call = True
    return function


class HttpHost:
    """Serves over plain HTTP: a stream brings calls, a thread answers each with a request."""

    def __init__(self, daemon, functions, session="", **fields):
        """Begins to serve; returns when the functions are offered."""
        self.functions = functions
        self.daemon = daemon
        self.calls, self.dropped = [], []
        self.client = daemon.client()
        self.client.connection.request(
            "POST", "/vivarium.v1.HostService/Serve",
            http_api.envelope(json.dumps({"session": session, **fields}).encode()),
            {"content-type": "application/connect+json", **self.client.headers})
        self.answer = self.client.connection.getresponse()
        self.envelopes = http_api.envelopes(self.answer)
        flags, first = next(self.envelopes)
        if flags or json.loads(first) != {"serving": {}}:
            raise AssertionError(f"not served: {first}")
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        """Answers calls until the stream ends."""
        with self.daemon.client() as client:
            try:
                for flags, payload in self.envelopes:
                    if flags & 2:
                        return
                    self.take(client, json.loads(payload))
            except (OSError, ValueError, AttributeError, http.client.HTTPException):
                pass  # It was stopped.

    def take(self, client, message):
        """Takes a message of the stream."""
        if "dropped" in message:
            self.dropped.append(message["dropped"]["callId"])
            return
        call = message["call"]
        self.calls.append(call)
        outcome = outcome_of(self.functions, call)
        if "callId" not in call or outcome == {"json": NO_ANSWER}:
            return
        client.call("HostService/Answer", {"callId": call["callId"], **outcome})

    def stop(self):
        """Goes away, whatever waits for answers."""
        sock = self.client.connection.sock
        if sock is not None:
            import socket
            sock.shutdown(socket.SHUT_RDWR)
        self.answer.close()
        self.client.close()
        self.thread.join()


NO_ANSWER = "no answer"
