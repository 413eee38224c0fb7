# SPDX-License-Identifier: Apache-2.0
"""Starts a real worker process, unjailed, and talks to it through its two pipes as the daemon does."""

import ctypes
import os
import select
import signal
import struct
import subprocess
import tempfile

import wire

HOME = os.environ["VIVARIUM_HOME"]  # Where _vivarium.abi3.so and the package are.
INTERRUPT = signal.SIGRTMAX - 2
ANSWER_WITHIN_S = float(os.environ.get("VIVARIUM_ANSWER_WITHIN_S", "60"))
ROUND_BYTES = 1 << 20  # After which a round of a stream is over.

_START = """
import os, sys
sys.path.insert(0, os.environ.pop("VIVARIUM_HOME"))
import vivarium._worker as w
w.main()
"""


class _Sigval(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("pointer", ctypes.c_void_p)]


_libc = ctypes.CDLL(None, use_errno=True)
_libc.sigqueue.argtypes = [ctypes.c_int, ctypes.c_int, _Sigval]


class HostCall:
    def __init__(self, told):
        assert sorted(told) == list(range(1, 9)), told
        self.execution, self.number, self.kind, self.blocking, self.host = (told[i] for i in range(1, 6))
        self.name, self.timeout_ms = told[6].decode(), told[8]
        self.args, self.kwargs = wire.value(told[7])

    def __repr__(self):
        return f"{self.name}{self.args}{self.kwargs} of {self.execution}"


class Worker:
    def __init__(self, python="/usr/bin/python3", setup=None, cwd=None):
        to_read, self._requests = os.pipe()
        self._answers, to_write = os.pipe()
        self._files = [tempfile.TemporaryFile(), tempfile.TemporaryFile()]
        for file in self._files:
            flags = os.O_RDWR | os.O_APPEND
            replacement = os.open(f"/proc/self/fd/{file.fileno()}", flags)
            os.dup2(replacement, file.fileno())
            os.close(replacement)
        sources = (to_read, to_write)

        def wire_up():
            high = [os.dup(fd) for fd in sources]
            for fd, target in zip(high, (3, 4)):
                while fd < 10:
                    fd = os.dup(fd)
                os.dup2(fd, target)
            os.closerange(5, 64)

        self.process = subprocess.Popen(
            [python, "-I", "-B", "-X", "faulthandler", "-c", _START if setup is None else setup + _START],
            stdin=subprocess.DEVNULL, stdout=self._files[0], stderr=self._files[1],
            env={"VIVARIUM_HOME": HOME, "PATH": "/usr/bin:/bin", "HOME": "/tmp", "OPENBLAS_NUM_THREADS": "1"},
            close_fds=False, preexec_fn=wire_up, cwd=cwd,
        )
        os.close(to_read)
        os.close(to_write)
        self._buffer = b""
        self.number = 0
        self.events, self.displays, self.items, self.done = {}, {}, {}, {}
        self.parked = set()
        self.calls, self.dropped, self.notes = [], set(), []  # Calls that nobody has taken.
        self.rounds, self.round_bytes = {}, {}
        self.taken = {}  # Bytes of input, by execution.
        kind, body = self.read_frame()
        assert kind == wire.HELLO, kind
        self.hello = wire.record(body)

    # Sending

    def request(self, source, *, form=wire.TYPED, filename="", first_line=1, mode=1, start_before_us=0,
                max_result=0, max_output=0, space=0, operands=None, unserializable=wire.AS_REPR, blob_as=1, set_as=1,
                symbol_as=1, owner=0, credit=0, host=0, within=0,
                request_id=b"", traceparent=b""):
        self.number += 1
        if credit:
            self.rounds[self.number] = [credit]
        options = unserializable | blob_as << 2 | set_as << 4 | symbol_as << 6
        if not isinstance(operands, bytes):
            operands = b"" if operands is None else wire.encode(operands)
        body = wire.message(self.number, source.encode(), filename.encode(), first_line, mode, form,
                            start_before_us, max_result, max_output, space, operands, options, owner, credit, host, within,
                            request_id, traceparent)
        return wire.frame(wire.EVALUATE, body)

    def send(self, *frames):
        data = b"".join(frames)
        while data:
            data = data[os.write(self._requests, data):]

    def submit(self, source, **options):
        self.send(self.request(source, **options))
        return self.number

    def run(self, source, **options):
        return self.wait(self.submit(source, **options))

    def operate(self, mode, *operands, **options):
        """Runs something other than source."""
        return self.run("", mode=mode, operands=list(operands), **options)

    def pull(self, number, credit):
        if credit:
            self.rounds.setdefault(number, []).append(credit)
        self.send(wire.frame(wire.PULL, wire.message(number, credit)))

    def answer(self, call, content, kind=1, host=0):
        """Answers a call to the host: with a value, or what `kind` says."""
        content = wire.encode(content) if kind == 1 else content
        self.send(wire.frame(wire.HOST_RESULT, wire.message(call, kind, content, host)))

    def interrupt(self, number):
        value = _Sigval(pointer=number)
        assert _libc.sigqueue(self.process.pid, INTERRUPT, value) == 0

    # Receiving

    def read_frame(self):
        header = self._read(8)
        length, kind = struct.unpack("<IB3x", header)
        return kind, self._read(length)

    def _read(self, size):
        while len(self._buffer) < size:
            ready, _, _ = select.select([self._answers], [], [], ANSWER_WITHIN_S)
            assert ready, f"no answer; output so far {self.events!r}"
            data = os.read(self._answers, 1 << 20)
            assert data, f"the worker is gone: {self.process.wait()} {self.captured(1)!r}"
            self._buffer += data
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def captured(self, index):
        self._files[index].seek(0)
        return self._files[index].read()

    def pump(self):
        """Takes in one frame; returns its kind and the number of its execution."""
        kind, body = self.read_frame()
        told = wire.record(body)
        number = told[1]
        if kind == wire.HOST_CALL:
            self.calls.append(HostCall(told))
            return kind, number
        if kind == wire.HOST_DROP:
            self.dropped.add(number)
            return kind, number
        if kind == wire.APP_TAKEN:
            self.taken[number] = self.taken.get(number, 0) + told[2]
            return kind, number
        if kind == wire.NOTE:
            self.notes.append((number, told[2], told[3]))
            return kind, number
        if kind == wire.OUTPUT:
            self.events.setdefault(number, []).append((bool(told[2]), told[3]))
        elif kind == wire.DISPLAY:
            parts = [wire.record(c) for _, _, c in wire.fields(told[2])]
            parts = {p[1].decode(): p[2].decode() if 2 in p else p[3] for p in parts}
            self.displays.setdefault(number, []).append(parts)
        elif kind == wire.ITEMS:
            items = [(field, content) for field, _, content in wire.fields(told[3])]
            assert len(items) == told[2] > 0, told
            self._count(number, len(items), len(told[3]))
            self.items.setdefault(number, []).extend(
                wire.value(content) if field == 1 else content.decode() for field, content in items)
        elif kind == wire.PARKED:
            assert number not in self.parked and number not in self.done, "it waits already"
            self.parked.add(number)
        else:
            assert kind == wire.FINISHED, kind
            finished = wire.Finished(body)
            assert number not in self.done, "two answers"
            finished.events = self.events.pop(number, [])
            finished.displays = self.displays.pop(number, [])
            finished.items = self.items.pop(number, [])
            self.done[number] = finished
        return kind, number

    def _count(self, number, items, size):
        """Holds a stream to its rounds. What one that ended with its bytes left over is ordered again, so that
        credit is what tests say it is."""
        rounds = self.rounds[number]
        assert rounds and items <= rounds[0], "items that nobody asked for"
        rounds[0] -= items
        self.round_bytes[number] = self.round_bytes.get(number, 0) + size
        if rounds[0] == 0 or self.round_bytes[number] >= ROUND_BYTES:
            left = rounds.pop(0)
            self.round_bytes[number] = 0
            if left:
                self.pull(number, left)

    def wait(self, number):
        while number not in self.done:
            self.pump()
        return self.done.pop(number)

    def next_call(self):
        """Waits for a call to the host that nobody has taken yet, and takes it."""
        while not self.calls:
            kind, number = self.pump()
            assert kind != wire.FINISHED, self.done[number]
        return self.calls.pop(0)

    def wait_for_output(self, number, text):
        """Waits until an execution that still runs has written `text`."""
        while text not in b"".join(t for _, t in self.events.get(number, [])):
            kind, done = self.pump()
            assert (kind, done) != (wire.FINISHED, number), self.done[number].error

    def wait_for_items(self, number, count):
        """Waits until an execution that still runs has sent so many items in all; returns them."""
        while len(self.items.get(number, [])) < count:
            kind, done = self.pump()
            assert (kind, done) != (wire.FINISHED, number), self.done[number].error
        return self.items[number]

    def close(self):
        """Ends the requests; returns how the worker left."""
        os.close(self._requests)
        self._requests = -1
        return self.process.wait(ANSWER_WITHIN_S)

    def kill(self):
        self.process.kill()
        self.process.wait()
        for fd in (self._requests, self._answers):
            if fd >= 0:
                os.close(fd)
        for file in self._files:
            file.close()
