# SPDX-License-Identifier: Apache-2.0
"""Messages by name within a tenant."""

import unittest

from vivarium_testing import http_api, tenants, waiting
from vivarium_testing.case import DaemonCase


class Messages(DaemonCase):
    """Between clients."""

    config = """
[messages]
message_bytes = "64KiB"
queue = 5
tenant_bytes = "1MiB"
mailboxes = 50
"""

    def receiver(self, credit=0, **fields):
        """Returns a WebSocket that receives, the number of the request and its id."""
        socket = self.websocket()
        number = socket.begin(credit=credit, receive=fields)
        return socket, number, socket.next_of(number)["receive"]["receiving"]["id"]

    def message(self, socket, number):
        """Returns the next message."""
        return socket.next_of(number)["receive"]["message"]

    def send(self, to, content):
        """Sends JSON and returns how many will receive it."""
        return int(self.client.call("MessageService/Send", {"to": to, "json": content})["receivers"])

    def test_by_name_and_by_id(self):
        """In order, with their numbers; every receiver of a name gets all."""
        one, one_number, one_id = self.receiver(name="news")
        two, two_number, two_id = self.receiver(name="news")
        self.assertNotEqual(one_id, two_id)
        for n in range(3):
            self.assertEqual(self.send("news", {"n": n}), 2)
        self.assertEqual(self.send(one_id, "only one"), 1)
        for n in range(3):
            got = self.message(one, one_number)
            self.assertEqual((got["json"], got["sequence"], got["to"]), ({"n": n}, str(n + 1), "news"))
            self.assertIn("time", got)
            self.assertNotIn("sender", got)
            self.assertEqual(self.message(two, two_number)["json"], {"n": n})
        self.assertEqual(self.message(one, one_number)["json"], "only one")

    def test_over_the_websocket(self):
        """Sending too; a receiver without a name has its id only."""
        socket, number, mine = self.receiver()
        name, answer = socket.ask(send={"to": mine, "value": {"tuple": {"items": [{"integer": "1"}]}}})
        self.assertEqual((name, answer), ("send", {"receivers": "1"}))
        self.assertEqual(self.message(socket, number)["json"], [1])
        typed, typed_number, other = self.receiver(format="RESULT_FORMAT_TYPED")
        socket.ask(send={"to": other, "json": [1, None]})
        self.assertEqual(self.message(typed, typed_number)["value"],
                         {"list": {"items": [{"integer": "1"}, {"none": {}}]}})

    def test_over_http(self):
        """A stream receives, a unary call sends."""
        with self.daemon.client() as receiver:
            stream = receiver.messages("MessageService/Receive", {"name": "plain"})
            self.assertTrue(next(stream)["receiving"]["id"].startswith("box_"))
            self.send("plain", "hello")
            self.assertEqual(next(stream)["message"]["json"], "hello")
        waiting.wait_for(lambda: self.nobody("plain"), "the end of the receiver")

    def nobody(self, name):
        """Returns whether nobody receives under a name."""
        try:
            self.send(name, 1)
        except http_api.ApiError as error:
            self.assertEqual(error.code, "not_found")
            self.assertEqual(error.message, f"nobody receives messages as '{name}'")
            return True
        return False

    def test_nobody(self):
        """A typed error, also when the receiver has gone."""
        self.refused("not_found", "MessageService/Send", {"to": "nobody", "json": 1})
        socket, number, mine = self.receiver(name="leaving")
        self.assertEqual(self.send("leaving", 1), 1)
        socket.send({"id": str(number), "abandon": {}})
        self.message(socket, number)
        self.assertEqual(socket.next_of(number)["error"]["code"], "canceled")
        self.assertTrue(self.nobody("leaving"))
        self.assertTrue(self.nobody(mine))

    def test_slow_receivers(self):
        """The oldest are dropped, and the gap is told; senders feel nothing."""
        socket, number, _ = self.receiver(credit=2, name="slow")
        for n in range(20):
            self.assertEqual(self.send("slow", n), 1)
        first = [self.message(socket, number) for _ in range(2)]
        self.assertEqual([m["json"] for m in first], [0, 1])
        socket.send({"id": str(number), "moreCredit": 100})
        rest = [self.message(socket, number) for _ in range(5)]
        self.assertEqual([m["json"] for m in rest], [15, 16, 17, 18, 19])
        self.assertEqual(rest[0]["lostBefore"], "13")
        self.assertEqual(rest[0]["sequence"], "16")
        self.assertNotIn("lostBefore", rest[1])

    def test_too_much(self):
        """Of a message, of all that wait, of mailboxes."""
        error = self.refused("resource_exhausted", "MessageService/Send",
                             {"to": self.receiver(name="big")[2], "json": "x" * (65 << 10)})
        self.assertIn("messages.message_bytes", error.message)
        for n in range(10):
            self.receiver(credit=1, name=f"full-{n}")
        refused = 0
        for n in range(100):
            try:
                self.send(f"full-{n % 10}", "x" * (60 << 10))
            except http_api.ApiError as error:
                detail = http_api.detail_of(error)
                self.assertEqual(detail["quota"]["name"], "message_bytes")
                refused += 1
        self.assertGreater(refused, 0)
        socket = self.websocket()
        names = []
        for _ in range(60):
            number = socket.begin(receive={})
            names.append("error" in socket.next_of(number))
        self.assertIn(True, names)

    def test_wrong_requests(self):
        """Each is refused with what is wrong."""
        for bad in ({}, {"to": "x"}, {"to": "", "json": 1}, {"to": "x" * 257, "json": 1},
                    {"to": "x", "value": {"text": 5}}):
            with self.subTest(bad):
                self.refused("invalid_argument", "MessageService/Send", bad)
        for bad in ({"name": "No"}, {"name": "ses_0a"}, {"format": "RESULT_FORMAT_REPR"}):
            with self.subTest(bad):
                socket = self.websocket()
                answer = socket.next_of(socket.begin(receive=bad))
                self.assertEqual(answer["error"]["code"], "invalid_argument")

    def test_a_flood(self):
        """As many as come: the neighbour is served, the daemon does not grow."""
        self.receiver(credit=1, name="flooded")
        socket = self.websocket()
        frame = {"send": {"to": "flooded", "json": "x" * 100}}
        for batch in range(20):
            for n in range(500):
                socket.send({"id": str(batch * 500 + n + 1), **frame})
            for _ in range(500):
                self.assertIn("send", socket.answer())
        text = self.client.request("GET", "/metrics")[2].decode()
        self.assertRegex(text, r'vivarium_messages_total\{outcome="dropped",tenant="local"\} 9\d\d\d')


class Sessions(DaemonCase):
    """Messages of Python code."""

    def test_to_a_client(self):
        """With the id of the session; in order; nobody is no error of the code."""
        session = self.session("talker")
        socket = self.websocket()
        number = socket.begin(receive={"name": "app"})
        socket.next_of(number)
        self.client.value("import vivarium\nfor n in range(100): vivarium.send('app', {'n': n})\n"
                          "vivarium.send('nobody', 1)", session)
        for n in range(100):
            got = socket.next_of(number)["receive"]["message"]
            self.assertEqual((got["json"], got["sender"]), ({"n": n}, session))

    def test_confirmed(self):
        """Code that wants to know is told: how many have it, nobody, too large."""
        session = self.session("teller")
        socket = self.websocket()
        number = socket.begin(receive={"name": "app"})
        socket.next_of(number)
        self.assertEqual(self.client.value(
            "import vivarium\nvivarium.send('app', 1, confirm=True), await vivarium.asend('teller', 2)",
            session), [1, 1])
        self.assertEqual(socket.next_of(number)["receive"]["message"]["json"], 1)
        for to, size, error in (("nobody", 1, "HostNotFoundError"), ("app", 2 << 20, "HostBusyError")):
            verdict = self.client.eval(f"vivarium.send({to!r}, 'x' * {size}, confirm=True)", session)
            self.assertEqual(verdict["error"]["type"], error, verdict)

    def test_to_a_session(self):
        """By name and id, while it waits and before."""
        session = self.session("listener")
        for to in ("listener", session):
            self.client.call("MessageService/Send", {"to": to, "json": [to]})
        self.assertEqual(self.client.value(
            "import vivarium\na, b = vivarium.receive(), vivarium.receive()\n"
            "[a.content, b.content, a.sender, b.to, a.sequence, b.sequence, a.lost_before]", session),
            [["listener"], [session], "", session, 1, 2, 0])
        job = self.client.start("vivarium.receive(60).content", session)
        self.assertEqual(self.client.call("ExecutionService/Wait", {
            "executionId": job, "timeoutMs": "50"}), {})
        self.client.call("MessageService/Send", {"to": "listener", "json": "woken"})
        self.assertEqual(self.client.wait(job)["result"]["json"], "woken")

    def test_between_sessions(self):
        """A question and its answer, from tasks of asyncio."""
        server, client = self.session("server"), self.session("client")
        job = self.client.start(
            "import vivarium\nfor _ in range(50):\n  m = await vivarium.areceive(60)\n"
            "  vivarium.send(m.sender, m.content * 2)", server)
        self.assertEqual(self.client.value(
            "import vivarium\nout = []\nfor n in range(50):\n  vivarium.send('server', n)\n"
            "  out.append((await vivarium.areceive(60)).content)\nsum(out)", client), 2450)
        self.assertNotIn("error", self.client.wait(job))

    def test_no_message(self):
        """A timeout that code can catch; what comes later is not lost with it."""
        session = self.session("patient")
        self.assertEqual(self.client.value(
            "import vivarium\ntry: vivarium.receive(0.01)\nexcept TimeoutError as e: text = str(e)\ntext",
            session), "no message came within 10 ms")
        verdict = self.client.eval("vivarium.receive(60)", session, timeoutMs="100")
        self.assert_kind(verdict, "TIMEOUT")
        self.assert_kept(verdict)
        self.client.call("MessageService/Send", {"to": "patient", "json": "late"})
        self.assertEqual(self.client.value("vivarium.receive().content", session), "late")

    def test_a_session_that_has_ended(self):
        """Is nobody."""
        session = self.session("gone")
        self.client.call("MessageService/Send", {"to": "gone", "json": 1})
        self.client.call("SessionService/CloseSession", {"session": session})
        for to in ("gone", session):
            self.refused("not_found", "MessageService/Send", {"to": to, "json": 1})

    def test_a_flood(self):
        """A loop that sends to a reader that does not read: bounded, told, the neighbour is served."""
        flooder, slow = self.session("flooder"), self.session("slow")
        self.client.value("import vivarium\nfor n in range(20000): vivarium.send('slow', n)", flooder)
        first = self.client.value("import vivarium\nm = vivarium.receive()\n"
                                  "[m.content, m.lost_before, m.sequence]", slow)
        self.assertEqual(first, [19000, 19000, 19001])

    def test_too_large(self):
        """Lost, as a message to nobody is; the session goes on."""
        session = self.session("large")
        self.client.value("import vivarium\nvivarium.send('large', 'x' * (2 << 20))\n"
                          "vivarium.send('large', 'y')", session)
        self.assertEqual(self.client.value("vivarium.receive().content", session), "y")


class Strangers(tenants.TenantCase):
    """Names of another tenant are not there."""

    def test_names_are_each_tenants_own(self):
        """The same name, two receivers, one message for each."""
        sockets = {name: self.socket_of(self.keys[name]) for name in "ab"}
        numbers = {name: sockets[name].begin(receive={"name": "news"}) for name in "ab"}
        ids = {name: sockets[name].next_of(numbers[name])["receive"]["receiving"]["id"] for name in "ab"}
        for name in "ab":
            answer = self.of[name].call("MessageService/Send", {"to": "news", "json": name})
            self.assertEqual(answer, {"receivers": "1"})
        for name in "ab":
            got = sockets[name].next_of(numbers[name])
            self.assertEqual(got["receive"]["message"]["json"], name)
        with self.assertRaises(http_api.ApiError) as caught:
            self.of["a"].call("MessageService/Send", {"to": ids["b"], "json": 1})
        self.assertEqual(caught.exception.message, f"nobody receives messages as '{ids['b']}'")


if __name__ == "__main__":
    unittest.main()
