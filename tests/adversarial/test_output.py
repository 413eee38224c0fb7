# SPDX-License-Identifier: Apache-2.0
"""Code that says too much (threats 15 to 17)."""

import unittest

from vivarium_testing.attack import AttackCase, anything

MIB = 1 << 20


class Output(AttackCase):
    """15, 16: what is said is bounded where it is kept."""

    config = "[limits]\noutput = \"64KiB\"\nresult = \"256KiB\"\nmemory = \"256MiB\"\ngrace = \"300ms\"\n"

    def flood(self, source, **fields):
        """Runs it and checks what the daemon kept."""
        verdict = self.attack(source, anything, timeout_ms=60_000, **fields)
        text = verdict.get("stdout", "") + verdict.get("stderr", "")
        self.assertLessEqual(len(text.encode()), 3 * 64 * 1024)
        self.assertTrue(verdict["outputTruncated"])
        return verdict

    def test_floods(self):
        """One line without an end, endless lines, binary, from many threads, past Python."""
        for source in ("print('x' * 10**7)", "for i in range(40_000): print(i)",
                       "import sys\nfor i in range(3000): sys.stdout.write('y' * 1000)",
                       "for i in range(300): os.write(1, bytes(range(256)) * 16)",
                       "import sys\nfor i in range(20_000): print('o'); print('e', file=sys.stderr)",
                       "import threading\ndef f():\n  for i in range(200): os.write(1, b'z' * 999)\n"
                       "t = [threading.Thread(target=f) for i in range(20)]\n"
                       "for x in t: x.start()\nfor x in t: x.join()"):
            with self.subTest(source):
                verdict = self.flood(source)
                self.assertNotIn("error", verdict)

    def test_order_is_kept(self):
        """Of each stream."""
        verdict = self.attack("import sys\nfor i in range(5000): print(i); print(i, file=sys.stderr)",
                              anything)
        for stream in ("stdout", "stderr"):
            numbers = [int(line) for line in verdict[stream].split("\n")[:-1]]
            self.assertEqual(numbers, list(range(len(numbers))))

    def test_displays(self):
        """16: very many, very large, and those whose repr raises, lies or does not end."""
        for source in ("for i in range(5000): display(i)",
                       "class P:\n  _repr_png_ = lambda s: bytes(80 << 20)\ndisplay(P())",
                       "class R:\n  def __repr__(s): raise SystemExit\ndisplay(R())",
                       "class N:\n  __repr__ = lambda s: 3\ndisplay(N())",
                       "class M:\n  _repr_mimebundle_ = lambda s: {i: i for i in range(10**5)}\ndisplay(M())",
                       "class H:\n  def _repr_html_(s):\n    while True: pass\ndisplay(H())",
                       "class T:\n  def __repr__(s):\n    while True: pass\nT()"):
            with self.subTest(source):
                self.attack("from vivarium import display\n" + source, anything, timeout_ms=1500)

    def test_daemon_does_not_grow(self):
        """The event log of an execution is bounded, whatever it is filled with."""
        self.flood("for i in range(60_000): print(i)")  # Once, so that buffers have grown.
        before = self.resident()
        for _ in range(3):
            self.flood("for i in range(60_000): print(i)")
        self.assertLess(self.resident() - before, 24 * MIB)

    def resident(self):
        """Resident bytes of the daemon, by its own word: not everybody may look."""
        text = self.client.request("GET", "/metrics")[2].decode()
        [line] = [x for x in text.splitlines() if x.startswith("process_resident_memory_bytes ")]
        return float(line.split()[1])

    def test_labels(self):
        """17: nothing that a tenant names becomes a label."""
        names = ["evil_exception_name", "evil_session_name", "evil-file"]
        session = self.client.create("evil-session-name")
        self.sessions.append(session)
        for i in range(20):
            self.client.eval(f"class evil_exception_name{i}(Exception): pass\nraise evil_exception_name{i}",
                             session, filename=f"evil-file{i}")
        before = len(self.client.request("GET", "/metrics")[2].splitlines())
        for i in range(20, 60):
            self.client.eval(f"class evil_exception_name{i}(Exception): pass\nraise evil_exception_name{i}",
                             session, filename=f"evil-file{i}")
        text = self.client.request("GET", "/metrics")[2].decode()
        for name in (*names, "evil-session-name"):
            self.assertNotIn(name, text)
        self.assertEqual(len(text.splitlines()), before)


if __name__ == "__main__":
    unittest.main()
