# SPDX-License-Identifier: Apache-2.0
"""Sessions that repeat themselves because they were asked to, and all others, which do not."""

import unittest

from vivarium_testing import http_api, waiting
from vivarium_testing.case import DaemonCase

# Everything that is random for Python.
DRAW = """
import os, random, secrets, sys, tempfile, uuid
out = [random.random(), random.Random().random(), random.SystemRandom().random(), secrets.token_hex(8),
       secrets.randbelow(10**9), str(uuid.uuid4()), str(uuid.uuid1()), str(uuid.uuid7()), os.urandom(4).hex(),
       os.getrandom(4).hex(), next(tempfile._get_candidate_names()), random.sample(range(1000), 5)]
import numpy
out += [numpy.random.rand(), numpy.random.default_rng().random(), numpy.random.RandomState().rand()]
out
"""
TIME = """
import datetime, time
from datetime import date, datetime as kind
[time.time(), time.time_ns(), str(kind.now()), str(kind.utcnow()), str(kind.now(datetime.timezone.utc)),
 str(kind.today()), str(date.today()), time.strftime("%Y-%m-%d"), time.gmtime().tm_year, time.ctime(),
 type(kind.now()) is kind, isinstance(kind.now(), kind), str(uuid.uuid7())[:13] if 'uuid' in globals() else ""]
"""
HASHES = "[hash('vivarium'), list({'one', 'two', 'three', 'four', 'five', 'six'})]"
AT = "2024-02-29T12:34:56.123456Z"


class Determinism(DaemonCase):
    """Asked for with the session, or the evaluation that makes one."""

    config = "[pool]\nhash_seeds = 2\nready = 2\n"
    watched = False  # Pools with a hash seed come and stay for a while.

    def repeats(self, source, environment="default", times=2, **determinism):
        """What some sessions of equal settings say; they all say the same."""
        told = [self.client.value(source, environment=environment, determinism=determinism)
                for _ in range(times)]
        for other in told[1:]:
            self.assertEqual(other, told[0])
        return told[0]

    def test_seed(self):
        """Equal seeds draw equal numbers, others draw others, and none draws its own."""
        clock = {"clock": AT}  # uuid1 and uuid7 have the time in them.
        one = self.repeats(DRAW, seed="7", **clock)
        other = self.repeats(DRAW, seed="8", **clock)
        self.assertFalse({*map(str, one)} & {*map(str, other)})
        plain = [self.client.value(DRAW, self.session()) for _ in range(2)]
        for values in zip(one, other, *plain):
            self.assertGreaterEqual(len({*map(str, values)}), 3, values)
        for values in zip(*plain):
            self.assertNotEqual(*values)
        # Where numpy was there before the session was.
        data = self.repeats(DRAW, "data", seed="7", **clock)
        self.assertNotEqual(data, self.repeats(DRAW, "data", times=1, seed="18446744073709551615", **clock))
        self.client.value("import random; random.seed(5); a = random.random(); random.seed(5)\n"
                          "assert random.random() == a\n0", self.session(determinism={"seed": "1"}))

    def test_clock(self):
        """Stands still where it was put, or goes on from there."""
        told = self.repeats(TIME, clock=AT)
        self.assertEqual(told, [
            1709210096.123456, "1709210096123456000", "2024-02-29 12:34:56.123456",
            "2024-02-29 12:34:56.123456", "2024-02-29 12:34:56.123456+00:00", "2024-02-29 12:34:56.123456",
            "2024-02-29", "2024-02-29", 2024, "Thu Feb 29 12:34:56 2024", True, True, ""])
        session = self.session(determinism={"clock": AT})
        self.assertTrue(self.client.value(
            "import time, asyncio\nbefore, real = time.time(), time.monotonic()\ntime.sleep(0.01)\n"
            "await asyncio.sleep(0.01)\ntime.time() == before and time.monotonic() > real", session))
        session = self.session(determinism={"clock": AT, "clockAdvances": True})
        self.assertTrue(self.client.value(
            "import time\nbefore = time.time()\ntime.sleep(0.01)\n"
            "1709210096 < before < time.time() < 1709210096 + 3600", session))
        self.assertEqual(self.client.value(
            "import pandas\nstr(pandas.Timestamp.now())", environment="data", determinism={"clock": AT}),
            "2024-02-29 12:34:56.123456")

    def test_hash_seed(self):
        """A zygote of its own, of which there are only some."""
        seven = self.repeats(HASHES, hashSeed=7)
        sessions = [self.session(determinism={"hashSeed": seed}) for seed in (7, 0)]
        told = [self.client.value(HASHES, session) for session in sessions]
        self.assertEqual(told[0], seven)
        self.assertNotEqual(told[1], seven)
        self.assertNotEqual(self.client.value(HASHES, self.session()), seven)
        error = self.refused("resource_exhausted", "SessionService/CreateSession",
                             {"determinism": {"hashSeed": 9}})
        self.assertIn("pool.hash_seeds", error.message)
        for session in sessions:
            self.client.call("SessionService/CloseSession", {"session": session})
        # One that nobody uses makes room.
        def made_room():
            try:
                return self.client.value(HASHES, determinism={"hashSeed": 9})
            except http_api.ApiError as error:
                self.assertEqual(error.code, "resource_exhausted")
                return None
        self.assertNotEqual(waiting.wait_for(made_room, "room for another zygote"), seven)
        self.assertEqual(self.client.value(HASHES, determinism={"hashSeed": 9}),
                         self.repeats(HASHES, times=1, hashSeed=9))

    def test_one_shots_and_wishes_that_are_wrong(self):
        """An evaluation can ask for its own session; a session that is there, or a pool's, cannot be asked."""
        source = "import random; random.random()"
        values = {self.client.value(source, determinism={"seed": "3"}) for _ in range(3)}
        self.assertEqual(len(values), 1)
        for wish in ({"clock": "1969-12-31T23:59:59Z"}, {"clock": "2300-01-01T00:00:00Z"},
                     {"clockAdvances": True}):
            self.refused("invalid_argument", "SessionService/CreateSession", {"determinism": wish})
        self.refused("invalid_argument", "ExecutionService/Eval",
                     {"source": "1", "pool": "some", "determinism": {"seed": "1"}})


if __name__ == "__main__":
    unittest.main()
