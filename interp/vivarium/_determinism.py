# SPDX-License-Identifier: Apache-2.0
"""Makes a session repeat itself: randomness that follows from a seed, a clock that stands where it is put.
Done in Python, to Python: code that looks for the kernel's randomness or the real time finds them."""

import datetime
import gc
import hashlib
import importlib.abc
import importlib.util
import os
import random
import sys
import time


def install(seed=None, clock=None, advances=False):
    if seed is not None:
        _Seeded(seed).install()
    if clock is not None:
        _Clock(clock, advances).install()


class _Seeded:
    """A stream of bytes that follows from a seed, in the place of the kernel's."""

    def __init__(self, seed):
        self._key = hashlib.sha256(b"vivarium determinism " + str(seed).encode()).digest()
        self._blocks = 0
        self._left = b""

    def bytes(self, count):
        if count < 0:
            raise ValueError("negative argument not allowed")
        while len(self._left) < count:
            # As much at once as is asked for, so that a large request is no slower than the kernel.
            size = max(1024, count - len(self._left))
            block = self._blocks.to_bytes(8, "big")
            self._left += hashlib.shake_128(self._key + block).digest(size)
            self._blocks += 1
        out, self._left = self._left[:count], self._left[count:]
        return out

    def number(self):
        return int.from_bytes(self.bytes(16), "big")

    def number_of(self, whom):
        """One that depends on nothing that was drawn before."""
        return int.from_bytes(hashlib.sha256(self._key + whom).digest()[:16], "big")

    def install(self):
        def urandom(size, /):
            return self.bytes(size)

        def getrandom(size, flags=0):
            return self.bytes(size)

        os.urandom, os.getrandom = urandom, getrandom
        random._urandom = urandom  # Of SystemRandom, and with it of secrets.
        plain = random.Random.seed

        def seeded(generator, a=None, version=2):
            plain(generator, self.number() if a is None else a, version)

        seeded.__name__, seeded.__doc__ = "seed", plain.__doc__
        random.Random.seed = seeded
        random.seed = random._inst.seed
        random.seed(self.number_of(b"random"))
        _when_imported("numpy.random", self._seed_numpy)
        _when_imported("uuid", self._name_uuids)

    def _seed_numpy(self, module):
        # default_rng() and the like take theirs from secrets; the one of the module has been made.
        module.seed(self.number_of(b"numpy") % 2**32)

    @staticmethod
    def _name_uuids(module):
        module._UuidCreate = module._generate_time_safe = None  # Of the machine, and its clock.
        module._node = 0x0242AC110002


class _Clock:
    """What time it is, as Python is told."""

    def __init__(self, start, advances):
        self._start = start
        self._since = time.monotonic_ns() if advances else None
        self._monotonic_ns = time.monotonic_ns

    def now_ns(self):
        return self._start if self._since is None else self._start + self._monotonic_ns() - self._since

    def install(self):
        now_ns, real = self.now_ns, {name: getattr(time, name) for name in ("gmtime", "localtime", "ctime", "strftime")}

        def now():
            return now_ns() / 1_000_000_000

        def or_now(name):
            def told(seconds=None, /):
                return real[name](now() if seconds is None else seconds)

            told.__name__, told.__doc__ = name, real[name].__doc__
            return told

        def strftime(format, when=None, /):
            return real["strftime"](format, real["localtime"](now()) if when is None else when)

        now.__name__, now_ns_function = "time", lambda: now_ns()
        time.time, time.time_ns = now, now_ns_function
        time.time_ns.__name__ = "time_ns"
        time.gmtime, time.localtime, time.ctime = or_now("gmtime"), or_now("localtime"), or_now("ctime")
        time.strftime = strftime
        self._install_datetime(now_ns)

    @staticmethod
    def _install_datetime(now_ns):
        def at(kind, tz=None):
            # In integers: a float of this size has no microseconds left to trust.
            seconds, rest = divmod(now_ns(), 1_000_000_000)
            return kind.fromtimestamp(seconds, tz).replace(microsecond=rest // 1_000)

        def now(cls, tz=None):
            return at(cls, tz)

        def utcnow(cls):
            return at(cls, datetime.timezone.utc).replace(tzinfo=None)

        def today(cls):
            return at(cls)

        def date_today(cls):
            return cls.fromtimestamp(now_ns() // 1_000_000_000)

        # In the types themselves, which others have imported long ago, and which everything tests for.
        _put(datetime.datetime, now=classmethod(now), utcnow=classmethod(utcnow), today=classmethod(today))
        _put(datetime.date, today=classmethod(date_today))


def _put(kind, **methods):
    import ctypes

    names = gc.get_referents(kind.__dict__)[0]
    names.update(methods)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))


def _when_imported(name, then):
    if name in sys.modules:
        then(sys.modules[name])
    else:
        sys.meta_path.insert(0, _Finder(name, then))


class _Finder(importlib.abc.MetaPathFinder):
    """Calls a function with a module once that has been imported."""

    def __init__(self, name, then):
        self._name, self._then = name, then

    def find_spec(self, name, path, target=None):
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute, then = spec.loader.exec_module, self._then

        def exec_module(module):
            execute(module)
            then(module)

        spec.loader.exec_module = exec_module
        return spec
