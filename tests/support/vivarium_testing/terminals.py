# SPDX-License-Identifier: Apache-2.0
"""A command on a pseudo terminal, as a person would use it."""

import os
import pty
import select

from . import waiting


class Terminal:
    """A command on a pseudo terminal."""

    def __init__(self, arguments, env, kind="dumb"):
        """Starts it on a terminal of that kind."""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                os.execve(arguments[0], arguments, {**env, "TERM": kind})
            finally:
                os._exit(127)
        self.seen = ""

    def expect(self, text):
        """Reads on until the text appears."""
        def appeared():
            if select.select([self.master], [], [], 0)[0]:
                try:
                    self.seen += os.read(self.master, 65536).decode("utf-8", "replace")
                except OSError:
                    pass  # The other side has closed.
            return text in self.seen
        try:
            waiting.wait_for(appeared, repr(text))
        except AssertionError as error:
            raise AssertionError(f"{error}; saw {self.seen!r}") from None
        self.seen = self.seen.split(text, 1)[1]

    def type(self, text):
        """Types."""
        os.write(self.master, text.encode())

    def end(self):
        """Waits for the end and returns the exit status."""
        result = []

        def over():
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                result.append(os.waitstatus_to_exitcode(status))
            return bool(done)
        waiting.wait_for(over, "the end of the command")
        os.close(self.master)
        return result[0]
