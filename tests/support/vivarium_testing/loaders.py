# SPDX-License-Identifier: Apache-2.0
"""The kinds of clients that load a daemon: calls over HTTP, many at once over a WebSocket."""

from . import http_api, ws
from .load import COUNT, LOST, REFUSALS, VERDICTS, Loader, Wrong, judge


class HttpLoader(Loader):
    """Calls one after the other over HTTP."""

    client = None

    def connect(self):
        """A new connection; the session outlives the old one."""
        super().connect()
        self.client = self.ledger.daemon.client()

    def abandon(self):
        """Closes the connection."""
        if self.client:
            self.client.close()

    def opened(self):
        """The socket, if there is one."""
        return self.client.connection.sock if self.client else None

    def step(self):
        """One request, whose answer is checked and noted."""
        work = self.create if self.session is None else self.random.choice(
            (self.eval, self.eval, self.eval, self.call, self.stream, self.batch, self.start,
             self.renew))
        self.ledger.ask()
        try:
            outcome = work()
        except http_api.ApiError as error:
            if error.code not in REFUSALS or http_api.error_kind(error) is None:
                raise Wrong(f"{work.__name__}: {error}") from error
            if error.code == "not_found" and self.session is None:
                raise Wrong(f"{work.__name__} found nothing: {error}") from error
            self.forget()
            outcome = error.code
        except LOST:
            self.ledger.answer("connection lost")
            self.unsure += 1
            raise
        if outcome in VERDICTS:
            self.forget()
        self.ledger.answer(outcome)

    def create(self):
        """Makes a session."""
        self.session = self.client.create()
        self.counted = self.unsure = 0

    def renew(self):
        """Closes the session."""
        self.client.call("SessionService/CloseSession", {"session": self.session})
        self.forget()

    def eval(self):
        """Counts in the session."""
        k = self.random.randrange(1000)
        return judge(self.client.eval(COUNT.format(k=k), self.session),
                     lambda value: self.count(value, k))

    def start(self):
        """Counts likewise, by two requests."""
        k = self.random.randrange(1000)
        execution = self.client.start(COUNT.format(k=k), self.session)
        return judge(self.client.wait(execution), lambda value: self.count(value, k))

    def call(self):
        """Calls a function."""
        a = self.random.randrange(1000)
        answer = self.client.call("ExecutionService/Call", {
            "session": self.session, "target": {"module": "operator"}, "name": "mul",
            "jsonArgs": [a, 3]})
        return judge(answer["verdict"], self.equals(a * 3))

    def stream(self):
        """Takes every item of a stream, in order, once."""
        k = self.random.randrange(200)
        items, verdict = [], None
        for message in self.client.stream(f"(i * i for i in range({k}))", self.session, window=50):
            if verdict is not None:
                raise Wrong("a message after the verdict")
            items += message.get("jsonItems", [])
            verdict = message.get("verdict")
        if verdict is None or items != [i * i for i in range(len(items))]:
            raise Wrong(f"stream: {items}, {verdict}")
        outcome = judge(verdict, lambda _: None)
        if outcome is None and len(items) != k:
            raise Wrong(f"{len(items)} items of {k}")
        return outcome

    def batch(self):
        """Several at once, each answered by itself."""
        wanted = [self.random.randrange(1000) for _ in range(8)]
        answer = self.client.call("ExecutionService/Batch", {"items": [
            {"eval": {"session": self.session, "source": f"{w} + 1"}} for w in wanted]})
        if len(answer["results"]) != len(wanted):
            raise Wrong(f"{len(answer['results'])} results of {len(wanted)} items")
        outcomes = []
        for value, result in zip(wanted, answer["results"]):
            if "verdict" in result:
                outcomes.append(judge(result["verdict"], self.equals(value + 1)))
            elif result["rejection"]["code"] in REFUSALS:
                outcomes.append(result["rejection"]["code"])
            else:
                raise Wrong(f"rejection {result}")
        bad = [outcome for outcome in outcomes if outcome]
        if bad:
            self.forget()
        return bad[0] if bad else None


class SocketLoader(Loader):
    """Keeps several requests under way on one WebSocket, in a session of the connection's own."""

    AT_ONCE = 6
    socket = None

    def connect(self):
        """A new connection, and a new session with it."""
        super().connect()
        self.forget()
        self.waiting = {}
        self.answered = set()
        try:
            self.socket = ws.WebSocket(self.ledger.daemon.address)
        except AssertionError as error:
            raise EOFError(str(error)) from error  # Nothing came in answer to the handshake.

    def opened(self):
        """The socket, if there is one."""
        opened = self.socket
        return opened.socket if opened else None

    def abandon(self):
        """Closes the connection: what was under way is lost with it."""
        for _ in self.waiting:
            self.ledger.answer("connection lost")
        self.waiting = {}
        if self.socket:
            self.socket.close()
            self.socket = None

    def begin(self, check, **body):
        """Sends a request that `check` judges the answer of."""
        self.ledger.ask()
        # Noted first: it counts as asked even if the connection dies under it.
        self.waiting[self.socket.last_id + 1] = check
        self.socket.begin(**body)

    def step(self):
        """Sends what has room, takes one message."""
        goes_on = not self.ledger.done.is_set()
        if goes_on and self.session is None and not self.waiting:
            self.begin(self.own, setDefaults={"ownSession": True})
        while goes_on and self.session is not None and len(self.waiting) < self.AT_ONCE:
            self.random.choice((self.eval, self.eval, self.stream, self.call))()
        try:
            message = self.socket.answer()
        except (ValueError, TypeError, AssertionError) as error:
            # The end of the file in the middle of a frame, or a close frame of a daemon that goes.
            raise EOFError(str(error)) from error
        if "draining" in message:
            return
        number = int(message.get("id", 0))
        if number not in self.waiting:
            again = "again" if number in self.answered else "though nobody asked"
            raise Wrong(f"answered {again}: {message}")
        if "error" in message:
            code = message["error"].get("error", message["error"]).get("code")
            if code not in REFUSALS:
                raise Wrong(f"error {message}")
            outcome = code
        else:
            outcome = self.waiting[number](message)
            if outcome == "more":
                return
        del self.waiting[number]
        self.answered.add(number)
        if outcome is not None:
            self.session = None  # The rest of what is under way will say the same.
        self.ledger.answer(outcome)

    def own(self, message):
        """The connection has its session."""
        self.session = message["setDefaults"]["sessionId"]
        self.counted = self.unsure = 0

    def eval(self):
        """Counts in the session."""
        k = self.random.randrange(1000)
        self.begin(lambda message: judge(message["eval"]["verdict"],
                                         lambda value: self.count(value, k)),
                   eval={"source": COUNT.format(k=k)})

    def call(self):
        """Calls a function."""
        a = self.random.randrange(1000)
        self.begin(lambda message: judge(message["call"]["verdict"], self.equals(a * 3)),
                   call={"target": {"module": "operator"}, "name": "mul", "jsonArgs": [a, 3]})

    def stream(self):
        """Takes every item of a stream, in order, once."""
        k = self.random.randrange(200)
        items, verdicts = [], []

        def check(message):
            if "end" not in message:
                items.extend(message["stream"].get("jsonItems", []))
                verdicts.extend([message["stream"]["verdict"]]
                                if "verdict" in message["stream"] else [])
                return "more"
            if len(verdicts) != 1 or items != [i * i for i in range(len(items))]:
                raise Wrong(f"stream: {items}, {verdicts}")
            outcome = judge(verdicts[0], lambda _: None)
            if outcome is None and len(items) != k:
                raise Wrong(f"{len(items)} items of {k}")
            return outcome

        self.begin(check, credit=1000, stream={
            "eval": {"source": f"(i * i for i in range({k}))"}})
