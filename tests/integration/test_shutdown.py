# SPDX-License-Identifier: Apache-2.0
"""SIGTERM: what runs may finish, nothing new begins, nothing is left."""

import os
import signal
import socket
import tempfile
import threading
import time
import unittest

from vivarium_testing import http_api, processes, waiting
from vivarium_testing.daemon import Daemon

KEEPS = """
import signal, store
go = []
signal.signal(signal.SIGUSR1, lambda *_: go.append(1))
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        store.set("ended", len(go))
        return await send({"type": "lifespan.shutdown.complete"})
    while not go:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})
"""


class Drain(unittest.TestCase):
    """An orderly end."""

    def test_idle_daemon_ends_at_once(self):
        """Status 0, no process, no socket, no port file in the way."""
        with Daemon() as daemon:
            with daemon.client() as client:
                client.create()
            below = processes.descendants(daemon.pid)
            self.assertEqual(daemon.terminate(), 0)
            for process in below.values():
                waiting.wait_for(lambda p=process: not processes.alive(p), f"the end of {process}")
            self.assertFalse(os.path.exists(daemon.socket))

    def test_running_execution_finishes(self):
        """Answered, never lost; meanwhile new work is refused and /readyz says no."""
        with Daemon() as daemon:
            answers = []
            with daemon.client() as client:
                session = client.create()
                thread = threading.Thread(target=lambda: answers.append(client.eval(
                    "import signal\ngo = []\nsignal.signal(signal.SIGUSR1, lambda *a: go.append(1))"
                    "\nwhile not go: pass\n'done'", session)))
                thread.start()
                worker = processes.busy_worker(daemon.pid)
                daemon.process.send_signal(signal.SIGTERM)
                waiting.wait_for(lambda: not self.serves(daemon), "the door to close")
                self.assertTrue(thread.is_alive())
                self.assertTrue(processes.alive(worker))
                os.kill(worker.pid, signal.SIGUSR1)
                thread.join(waiting.WATCHDOG)
            self.assertEqual(daemon.wait(), 0, daemon.log())
            self.assertEqual(answers[0]["result"], {"json": "done"})

    def test_reloads_that_come_too_late(self):
        """Whenever they come, the daemon ends as it would have without."""
        with Daemon() as daemon:
            daemon.process.send_signal(signal.SIGTERM)
            waiting.wait_for(lambda: '"draining"' in daemon.log(), "the drain")
            end = time.monotonic() + waiting.WATCHDOG
            while daemon.process.poll() is None and time.monotonic() < end:
                daemon.process.send_signal(signal.SIGHUP)
            self.assertEqual(daemon.wait(), 0, daemon.log()[-2000:])

    def test_applications_shut_down(self):
        """After their last answer and before their sessions end: what a lifespan keeps is kept."""
        answers = []
        with Daemon('[store]\npath = "{folder}/store.db"\n') as daemon:
            with daemon.client() as client, daemon.client() as other:
                app = client.call("AppService/BootApp", {
                    "source": KEEPS, "newSession": {"capabilities": {"store": {}}}})["app"]
                thread = threading.Thread(target=lambda: answers.append(client.request("GET", app["path"])))
                thread.start()
                worker = processes.busy_worker(daemon.pid)
                self.assertFalse(other.call("StoreService/GetValue", {"key": "ended"}).get("found"))
                daemon.process.send_signal(signal.SIGTERM)
                waiting.wait_for(lambda: not self.serves(daemon), "the door to close")
                os.kill(worker.pid, signal.SIGUSR1)
                thread.join(waiting.WATCHDOG)
            self.assertEqual(daemon.wait(), 0, daemon.log())
            self.assertEqual(answers[0][0], 200)
            daemon.start()
            with daemon.client() as client:
                self.assertEqual(client.call("StoreService/GetValue", {"key": "ended"})["json"], "1")

    def serves(self, daemon):
        """Whether new work is taken; the door is shut, or somebody stands in it and says no."""
        try:
            with daemon.client() as client:
                if client.request("GET", "/readyz")[0] == 200:
                    return True
                with self.assertRaises(http_api.ApiError) as caught:
                    client.create()
                self.assertEqual(caught.exception.code, "unavailable")
                return False
        except OSError:
            return False

    def test_deadline_of_the_drain(self):
        """What does not finish in time is ended; the client hears of it."""
        with Daemon("[server]\ndrain_timeout = \"300ms\"\n") as daemon:
            answers = []

            def ask():
                with daemon.client() as client:
                    try:
                        answers.append(client.eval("while True: pass", client.create()))
                    except Exception as error:  # A closed connection is an answer as well.
                        answers.append(repr(error))
            thread = threading.Thread(target=ask)
            thread.start()
            processes.busy_worker(daemon.pid)
            self.assertEqual(daemon.terminate(), 0, daemon.log())
            thread.join(waiting.WATCHDOG)
            self.assertEqual(len(answers), 1)
            self.assertIn("error", answers[0])

    def test_second_signal_ends_it_now(self):
        """An impatient operator presses Ctrl-C twice, an impatient manager sends SIGTERM again."""
        for first, second in ((signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGTERM),
                              (signal.SIGTERM, signal.SIGINT)):
            with self.subTest((first.name, second.name)):
                self.signal_twice(first, second)

    def signal_twice(self, first, second):
        """The first one drains, for ever if it were for what runs; the second one ends it."""
        with Daemon("[server]\ndrain_timeout = \"1h\"\n") as daemon:
            with daemon.client() as client:
                client.start("while True: pass", client.create())
            processes.busy_worker(daemon.pid)
            below = processes.descendants(daemon.pid)
            daemon.process.send_signal(first)
            waiting.wait_for(lambda: '"draining"' in daemon.log(), "the drain to begin")
            self.assertIsNone(daemon.process.poll())
            daemon.process.send_signal(second)
            self.assertEqual(daemon.wait(), 1)
            self.assertIn("second signal", daemon.log())
            for process in below.values():
                waiting.wait_for(lambda p=process: not processes.alive(p), f"the end of {process}")


class Manager(unittest.TestCase):
    """What systemd is told, for a unit with Type=notify."""

    def told(self, address, variable):
        """Starts and stops a daemon with a socket of a manager; returns what it was told."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            manager.settimeout(waiting.WATCHDOG)
            with Daemon(variables={"NOTIFY_SOCKET": variable}) as daemon:
                messages = [manager.recv(4096).decode()]
                # Whoever waits for this message may use the daemon then.
                with daemon.client() as client:
                    self.assertEqual(client.request("GET", "/readyz")[0], 200)
                self.assertEqual(daemon.terminate(), 0)
            messages.append(manager.recv(4096).decode())
            manager.setblocking(False)
            with self.assertRaises(BlockingIOError):
                manager.recv(4096)
            return messages

    def test_socket_in_a_directory(self):
        """Ready when it serves, stopping when it drains, and nothing else."""
        with tempfile.TemporaryDirectory(prefix="vivarium-test-") as folder:
            path = f"{folder}/notify"
            self.assertEqual(self.told(path, path), ["READY=1", "STOPPING=1"])

    def test_abstract_socket(self):
        """As systemd makes it for containers."""
        name = f"vivarium-test-{os.getpid()}"
        self.assertEqual(self.told(f"\0{name}", f"@{name}"), ["READY=1", "STOPPING=1"])

    def test_watchdog(self):
        """A manager that wants to hear that the daemon lives does, until it ends."""
        with tempfile.TemporaryDirectory(prefix="vivarium-test-") as folder, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(f"{folder}/notify")
            manager.settimeout(waiting.WATCHDOG)
            with Daemon(variables={"NOTIFY_SOCKET": f"{folder}/notify",
                                   "WATCHDOG_USEC": "30000"}) as daemon:
                self.assertEqual([manager.recv(4096) for _ in range(4)],
                                 [b"READY=1"] + [b"WATCHDOG=1"] * 3)
                self.assertEqual(daemon.terminate(), 0)
            for variables in ({"WATCHDOG_USEC": "30000", "WATCHDOG_PID": "1"},
                              {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "30s"}):
                address = f"{folder}/{len(variables)}{variables['WATCHDOG_USEC']}"
                with self.subTest(variables), \
                        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                    manager.bind(address)
                    manager.settimeout(waiting.WATCHDOG)
                    with Daemon(variables={"NOTIFY_SOCKET": address, **variables}) as daemon:
                        self.assertEqual(daemon.terminate(), 0)
                    self.assertEqual([manager.recv(4096) for _ in range(2)],
                                     [b"READY=1", b"STOPPING=1"])

    def test_nobody_listens(self):
        """A manager that is gone is no reason to fail."""
        with Daemon(variables={"NOTIFY_SOCKET": "/nowhere/notify"}) as daemon:
            self.assertEqual(daemon.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
