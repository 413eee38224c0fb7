# SPDX-License-Identifier: Apache-2.0
"""Everything that can be killed is, at random, under load; nobody hears a wrong word.

VIVARIUM_CHAOS_SEED repeats a run's choices, VIVARIUM_CHAOS_ROUNDS makes it longer.
"""

import collections
import contextlib
import os
import random
import signal
import sys
import unittest

from vivarium_testing import bystander, http_api, load, loaders, processes, waiting
from vivarium_testing.daemon import Daemon

SEED = int(os.environ.get("VIVARIUM_CHAOS_SEED", random.randrange(1 << 32)))
ROUNDS = int(os.environ.get("VIVARIUM_CHAOS_ROUNDS", "1"))
# How often each fault happens in a round, and how many right answers must come afterwards.
FAULTS = {"worker": 60, "holder": 24, "zygote": 24, "launcher": 10, "connection": 40, "restart": 10,
          "drain": 4}
ANSWERS = 25
HTTP_CLIENTS, SOCKET_CLIENTS = 6, 4


class Witness(bystander.Bystander):
    """A bystander whose session may end with its jail or its daemon, and for no other reason."""

    def __init__(self, ledger):
        """Opens the session; answers come from the first moment on."""
        self.ledger = ledger
        self.own, self.jolts = (), ledger.jolts
        super().__init__(ledger.daemon)
        with ledger.daemon.client() as client:
            self.own = self.look(client)

    def look(self, client):
        """Returns the numbers of the session's worker and of process 1 of its namespace."""
        seen = client.call("SessionService/GetSession", {"session": self.session})["session"]
        worker = processes.read_process(int(seen["workerPid"]))
        return (worker.pid, processes.holder_of(worker)) if worker else ()

    def excused(self):
        """Whether something is or has been killed since that takes every session along."""
        return self.ledger.shaking or self.jolts != self.ledger.jolts

    def stands(self):
        """Whether the daemon has a new jail: it may lend workers of a dead one for a moment."""
        fallen = self.ledger.fallen
        return fallen is None or any(launcher.pid != fallen.pid for launcher
                                     in processes.launchers(self.ledger.daemon.pid))

    def open(self):
        """Opens a session, again after a jolt."""
        def opened():
            if self.stopping.is_set():
                return True
            self.own, self.jolts = (), self.ledger.jolts
            self.ledger.up.wait(waiting.WATCHDOG)
            if not self.stands():
                return False
            self.client.close()
            self.client = self.ledger.daemon.unix_client()
            try:
                self.session = self.client.create()
                self.client.value("n = 0", self.session)
                if self.excused():
                    # It may have been made before that or after: another one, to be sure.
                    self.client.call("SessionService/CloseSession", {"session": self.session})
                    return False
                self.answers, self.own = 0, self.look(self.client)
            except (*load.LOST, http_api.ApiError, AssertionError) as error:
                if not self.excused() and getattr(error, "code", "") not in load.REFUSALS:
                    raise
                return False
            return True
        waiting.wait_for(opened, "a session of the bystander")

    def step(self):
        """Counts, in a new session when the old one may have been lost for a reason."""
        if self.excused():
            self.open()
            return
        try:
            super().step()
        except Exception:
            if not self.excused():
                raise


class Chaos:
    """Breaks things, one after the other."""

    def __init__(self, daemon, seed):
        """Starts the load."""
        self.daemon = daemon
        self.random = random.Random(seed)
        self.ledger = load.Ledger(daemon)
        self.done = collections.Counter()
        self.life = collections.Counter()  # since the daemon's last start
        self.restarts = collections.Counter()
        self.witness = Witness(self.ledger)
        self.loaders = [loaders.HttpLoader(self.ledger, f"http {i}", seed)
                        for i in range(HTTP_CLIENTS)]
        self.loaders += [loaders.SocketLoader(self.ledger, f"websocket {i}", seed)
                         for i in range(SOCKET_CLIENTS)]

    def run(self, faults):
        """Commits the faults, in an order of its own, mostly with answers between them."""
        plan = [kind for kind, count in faults.items() for _ in range(count)]
        self.random.shuffle(plan)
        self.ledger.progress(ANSWERS)
        for kind in plan:
            if self.ledger.trouble or self.witness.trouble:
                break
            getattr(self, kind)()
            self.done[kind] += 1
            self.life[kind] += 1
            # Some come at once after another, before anything has recovered.
            if self.random.random() < 0.7:
                self.ledger.progress(ANSWERS)
        self.ledger.progress(ANSWERS)
        self.count_restarts()

    def kill(self, find):
        """Kills one of the processes that find() returns; returns it, or the trouble there is."""
        def killed():
            found = find(self.daemon.pid)
            if not found:
                return False
            victim = self.random.choice(sorted(found))
            # It may end at any moment, and another get its number: the descriptor stays its own.
            try:
                held = os.pidfd_open(victim.pid)
            except ProcessLookupError:
                return False
            try:
                if not processes.alive(victim):
                    return False
                signal.pidfd_send_signal(held, signal.SIGKILL)
            except ProcessLookupError:
                return False
            finally:
                os.close(held)
            return victim
        return waiting.wait_for(
            lambda: killed() or self.ledger.trouble or self.witness.trouble, "a process to kill")

    def spared(self, found):
        """Without the bystander's; nobody, while it has no session."""
        own = self.witness.own
        if self.witness.excused() or not own:
            return []
        return [process for process in found if process.pid not in own]

    def worker(self):
        """A worker, in use or not."""
        self.kill(lambda pid: self.spared(processes.workers(pid)))

    def holder(self):
        """Process 1 of a worker's namespace."""
        self.kill(lambda pid: self.spared(processes.holders(pid)))

    def zygote(self):
        """The process that workers are forked from."""
        self.kill(processes.zygotes)

    def launcher(self):
        """Process 1 of the jail: all sessions end."""
        with self.ledger.jolt():
            victim = self.kill(processes.launchers)
            self.ledger.fallen = victim if isinstance(victim, processes.Process) else None

    def connection(self):
        """A client's connection."""
        self.random.choice(self.loaders).cut()

    def restart(self):
        """The daemon itself, which starts again on the same ports and state."""
        with self.down():
            self.gone(self.daemon.kill())
            if self.random.random() < 0.3:
                # Again, while it starts.
                self.daemon.start(wait=False)
                waiting.wait_for(lambda: processes.descendants(self.daemon.pid), "a jail")
                self.gone(self.daemon.kill())

    def drain(self):
        """An orderly end in the middle of everything, and a new start."""
        with self.down():
            below = processes.descendants(self.daemon.pid).values()
            status = self.daemon.terminate()
            if status != 0:
                self.ledger.wrong("drain", f"status {status}")
            self.gone(below)

    @contextlib.contextmanager
    def down(self):
        """What clients lose from now on they lose for a reason; then the daemon starts again."""
        self.count_restarts()
        self.ledger.up.clear()
        self.ledger.epoch += 1
        with self.ledger.jolt():
            yield
            self.ledger.fallen = None
        self.daemon.start()
        self.life.clear()
        self.ledger.up.set()

    def gone(self, below):
        """Waits for the end of what a daemon has left behind."""
        for process in below:
            waiting.wait_for(lambda p=process: not processes.alive(p), f"the end of {process}")

    def count_restarts(self):
        """Adds up what the daemon has started again: no more than was killed."""
        with self.daemon.client() as client:
            seen = {name: int(sum(bystander.samples(client, f"vivarium_{name}_total")))
                    for name in ("zygotes_started", "jails_restarted", "actors_restarted")}
        self.restarts.update(seen)
        jails = self.life["launcher"]
        if (seen["zygotes_started"] > 1 + jails + self.life["zygote"]
                or seen["jails_restarted"] > jails or seen["actors_restarted"] > 0):
            self.ledger.wrong("restarts", f"{seen} after {dict(self.life)}")

    def stop(self):
        """Ends the load."""
        self.ledger.done.set()
        for loader in self.loaders:
            loader.thread.join(waiting.WATCHDOG)
        try:
            self.witness.stop()
        except (*load.LOST, http_api.ApiError) as error:
            self.ledger.wrong("bystander", error)


class Test(unittest.TestCase):
    """One daemon, all faults."""

    def test_every_request_is_answered_once(self):
        """With a right answer, a typed error or a lost connection; nothing is left in the end."""
        print(f"seed {SEED}", file=sys.stderr)
        with Daemon() as daemon:
            # The next ones listen where the first does.
            daemon.arguments[daemon.arguments.index("127.0.0.1:0")] = f"127.0.0.1:{daemon.port}"
            before = self.stock(daemon)
            chaos = Chaos(daemon, SEED)
            try:
                chaos.run({kind: count * ROUNDS for kind, count in FAULTS.items()})
                self.assertEqual(chaos.ledger.trouble, [])
                chaos.witness.check()
            except AssertionError:
                print(daemon.log()[-20000:], file=sys.stderr)
                raise
            finally:
                chaos.stop()
                self.tell(chaos)
            self.assertEqual(chaos.ledger.trouble, [])
            self.assertEqual(sum(chaos.ledger.outcomes.values()), chaos.ledger.asked)
            with daemon.client() as client:
                for session in client.call("SessionService/ListSessions").get("sessions", ()):
                    client.call("SessionService/CloseSession", {"session": session["id"]})
            # As much as a daemon that has just begun, though others died in its place.
            waiting.wait_for(lambda: self.stock(daemon) == before,
                             f"{self.stock(daemon)} to become {before}", 3 * bystander.PATIENCE)
            below = processes.descendants(daemon.pid)
            self.assertEqual(daemon.terminate(), 0, daemon.log()[-20000:])
            chaos.gone(below.values())

    def stock(self, daemon):
        """Returns the belongings of a daemon at rest that only this asks."""
        bystander.settled(daemon)
        with daemon.client() as client:
            def alone():
                text = client.request("GET", "/metrics")[2].decode()
                return "\nvivarium_connections 1\n" in text
            waiting.wait_for(alone, "the other connections to end")
            return bystander.belongings(daemon)

    def tell(self, chaos):
        """Prints the figures."""
        print(f"faults {sum(chaos.done.values())} {dict(chaos.done)}\n"
              f"requests {chaos.ledger.asked} {dict(chaos.ledger.outcomes)}\n"
              f"restarts {dict(chaos.restarts)}\n"
              f"bystander: longest wait {chaos.witness.longest:.3f} s", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
