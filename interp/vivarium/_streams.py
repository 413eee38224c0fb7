# SPDX-License-Identifier: Apache-2.0
"""sys.stdout, sys.stderr and sys.stdin of a session."""

import io

import _vivarium


class _ByteStream(io.RawIOBase):
    """What `sys.stdout.buffer` is."""

    def __init__(self, text, fd):
        self._text = text
        self._fd = fd
        self.name = text.name
        self.mode = "wb"

    def write(self, data):
        return self._text.write_bytes(data)

    def flush(self):
        self._text.flush()

    def fileno(self):
        return self._fd

    def writable(self):
        return True

    def close(self):
        """Stays open: the interpreter outlives the script that closes its stdout."""


class OutputStream(_vivarium.Stream):
    """A text stream in the way of io.TextIOWrapper; `write` and `flush` are native."""

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    line_buffering = True
    write_through = False
    closed = False
    mode = "w"

    def __init__(self, fd):
        super().__init__(fd)
        self._fd = fd
        self.name = "<stdout>" if fd == 1 else "<stderr>"
        self.buffer = _ByteStream(self, fd)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def fileno(self):
        return self._fd

    def isatty(self):
        return False

    def readable(self):
        return False

    def writable(self):
        return True

    def seekable(self):
        return False

    def read(self, size=-1):
        raise io.UnsupportedOperation("not readable")

    readline = read

    def seek(self, offset, whence=0):
        raise io.UnsupportedOperation("underlying stream is not seekable")

    tell = truncate = detach = seek

    def reconfigure(self, **options):
        """Accepted and without effect: the text leaves as UTF-8."""

    def close(self):
        """Stays open, see _ByteStream.close."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.flush()

    def __iter__(self):
        raise io.UnsupportedOperation("not readable")

    def __repr__(self):
        return f"<vivarium stream name={self.name!r} encoding='utf-8'>"


io.TextIOBase.register(OutputStream)


def open_stdin():
    return io.TextIOWrapper(
        io.BufferedReader(io.FileIO(0, "rb", closefd=False)), encoding="utf-8", errors="surrogateescape"
    )
