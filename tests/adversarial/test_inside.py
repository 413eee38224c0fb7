# SPDX-License-Identifier: Apache-2.0
"""What a worker can see of the machine, of the daemon and of others (threats 38 to 42)."""

import os
import unittest

from vivarium_testing import processes
from vivarium_testing.attack import RAW, AttackCase, TwinCase, answers, satisfies

# Searches the worker's own memory, without /proc to ask for a map: what mincore does not know is not
# mapped. 47 bits are too many, so it looks where objects are. Needles are held in disguise.
SEARCH = '''
import gc, sys
def near(address): return address >> 24 << 24
def regions():
    seeds = {near(id(o)) for o in gc.get_objects()}
    seeds |= {near(id(gc)), near(ctypes.cast(_libc.malloc, ctypes.c_void_p).value), near(id(sys.modules))}
    seeds |= {near(ctypes.addressof(ctypes.create_string_buffer(n))) for n in (8, 1000, 100_000, 10**6)}
    return sorted(seeds)
vector = ctypes.create_string_buffer(4096)
def find(*needles):
    found = set()
    for base in regions():
        for page in range(base, base + (1 << 24), 4096):
            if call(27, page, 4096, vector) != 0: continue
            r, w = pipe
            if call(1, w, page, 4096) != 4096: continue
            data = os.read(r, 4096).translate(turned)  # Never turned back: that would be a copy.
            found |= {n for n in needles if n in data}
    return sorted(n.translate(turned).decode() for n in found)
turned = bytes(b ^ 0x55 for b in range(256))
pipe = os.pipe()
'''


def masked(text):
    """Returns the needle as the searcher holds it, so that it does not find its own copy."""
    return repr(bytes(b ^ 0x55 for b in text.encode()))


class Paths(AttackCase):
    """38: nothing of the host but what an interpreter needs."""

    def test_what_is_not_there(self):
        """By path, and by where links would lead."""
        paths = ["/proc", "/proc/self/environ", "/proc/self/maps", "/proc/self/mem", "/proc/self/fd",
                 "/proc/self/mountinfo", "/proc/self/cgroup", "/proc/1/environ", "/proc/1/root",
                 "/proc/kcore", "/proc/keys", "/proc/sys", "/proc/sysrq-trigger", "/sys",
                 "/sys/fs/cgroup", "/sys/kernel", "/dev/mem", "/dev/kmsg", "/dev/tty", "/dev/pts",
                 "/dev/ptmx", "/dev/console", "/dev/fuse", "/dev/kvm", "/dev/loop0", "/dev/sda",
                 "/dev/fd", "/dev/stdin", "/run", "/run/secrets", "/var/run/docker.sock", "/var",
                 "/root", "/home", "/boot", "/mnt", "/srv", "/etc/shadow", "/etc/ssh",
                 "/etc/machine-id", "/etc/vivarium", "/etc/environment", "/etc/resolv.conf",
                 "/session/fs/../../etc/shadow", "/tmp/../../etc/shadow", "/workspace/../../../root"]
        self.attack(f"[tried(os.stat, p) for p in {paths!r}]",
                    satisfies(lambda v: set(v) == {"ENOENT"}))

    def test_what_may_not_be_read_or_written(self):
        """Seen, but closed: Landlock, and a root that is read-only."""
        self.attack("[tried(os.listdir, p) for p in ('/', '/dev', '/opt')]", answers(["EACCES"] * 3))
        self.attack("[tried(open, p + '/x', 'w') for p in ('/', '/usr', '/etc', '/dev', '/session',"
                    " '/usr/lib/python3.11', '/usr/lib/python3/dist-packages')]",
                    satisfies(lambda v: set(v) <= {"EACCES", "EROFS"}))
        self.attack("[tried(f, *a) for f, a in ((os.chmod, ('/usr/bin/python3.11', 0o4777)),"
                    " (os.rename, ('/usr/lib', '/usr/lob')), (os.link, ('/etc/passwd', 'passwd')),"
                    " (os.unlink, ('/etc/hosts',)), (os.symlink, ('x', '/usr/x')),"
                    " (os.utime, ('/usr/bin/python3.11',)), (os.truncate, ('/etc/services', 0)))]",
                    satisfies(lambda v: set(v) <= {"EACCES", "EROFS", "EPERM", "EXDEV"}))

    def test_etc_tells_nothing_of_the_host(self):
        """Not on the list: the small /etc holds neither users nor names nor hosts of the machine."""
        names = ("passwd", "group", "hosts", "nsswitch.conf")
        texts = self.client.value(f"[open('/etc/' + n).read() for n in {names}]", self.attacker())
        for name, text in zip(names, texts):
            with open(f"/etc/{name}", encoding="utf-8") as file:
                host = {line for line in file if not line.startswith(("127.0.0.1", "#", "\n"))}
            if name != "nsswitch.conf":
                self.assertFalse(host & set(text.splitlines(True)), name)
        self.attack("[os.uname().nodename, open('/etc/hosts').read()]",
                    answers(["vivarium", "127.0.0.1 localhost\n"]))

    def test_environment(self):
        """40: variables, arguments, name: the daemon's are not there."""
        with open(f"/proc/{self.daemon.pid}/environ", "rb") if os.access(
                f"/proc/{self.daemon.pid}/environ", os.R_OK) else open(os.devnull, "rb") as file:
            host = {entry.decode() for entry in file.read().split(b"\0") if entry}
        seen = self.client.value("import sys\n[f'{k}={v}' for k, v in os.environ.items()]",
                                 self.attacker())
        shared = {entry for entry in host & set(seen) if not entry.startswith(("PATH=", "LANG="))}
        self.assertEqual(shared, set())
        self.assertFalse([entry for entry in seen if self.daemon.folder in entry])
        self.attack("import sys\n[sys.argv, sys.orig_argv[-1:] != [], os.getppid()]",
                    satisfies(lambda v: v[0] == [""] and v[2] == 0))
        # The C library's own copy, which os.environ may not show.
        self.attack("e = ctypes.POINTER(ctypes.c_char_p).in_dll(_libc, 'environ')\nn = 0\nall = []\n"
                    "while e[n]: all.append(e[n].decode().partition('=')[0]); n += 1\nsorted(all)",
                    satisfies(lambda v: set(v) <= {x.partition("=")[0] for x in seen}
                              | {"PYTHONDONTWRITEBYTECODE", "LC_CTYPE"}))


class Descriptors(AttackCase):
    """39: exactly the documented ones."""

    def test_which_are_open(self):
        """0 to 4 and the runtime's two copies; of what kind they are."""
        self.attack("import stat\nopen_ones = {}\nfor fd in range(1024):\n"
                    "  try: open_ones[fd] = stat.S_IFMT(os.fstat(fd).st_mode)\n  except OSError: pass\n"
                    "[[fd, kind] for fd, kind in open_ones.items()]",
                    answers([[0, 0o020000], [1, 0o100000], [2, 0o100000], [3, 0o010000],
                             [4, 0o010000], [100, 0o100000], [101, 0o100000]]))

    def test_directions(self):
        """Its ends of the pipes: neither can be turned round, nor opened anew."""
        self.attack("[tried(os.write, 3, b'x'), tried(os.read, 4, 1), tried(os.write, 0, b'x'),"
                    " tried(open, '/dev/fd/4', 'rb'), tried(open, '/proc/self/fd/3', 'wb')]",
                    answers(["EBADF", "EBADF", "EBADF", "ENOENT", "ENOENT"]))

    def test_from_outside(self):
        """The kernel's view of the same, for those who may look."""
        session = self.attacker()
        self.client.value("x = 1", session)
        for worker in processes.workers(self.daemon.pid):
            try:
                links = processes.descriptors(worker.pid)
            except PermissionError:
                continue
            self.assertLessEqual(set(links), {0, 1, 2, 3, 4, 100, 101}, links)
            for link in links.values():
                self.assertNotIn("socket:", link)
                self.assertNotIn("anon_inode", link)


class Memory(AttackCase):
    """40: nobody else's bytes are in a worker's memory."""

    def test_traces_of_others(self):
        """Another tenant's code, what the daemon was asked, its configuration: not there. What the
        worker itself was told is, so the search does find."""
        mark = "mark-of-another-tenant-7319"
        other = self.client.create()
        self.sessions.append(other)
        self.client.value(f"secret = '{mark}' * 1000", other)
        for _ in range(6):  # In workers of one shot each, so that the pool turns over.
            self.client.value(f"secret = '{mark}' * 1000")
        session = self.attacker(RAW + SEARCH)
        own = "mark-of-my-own-5521"
        self.client.value(f"mine = '{own}' * 1000", session)
        needles = [mark, self.daemon.folder, "vivarium.toml", own]
        self.attack(f"find({', '.join(masked(n) for n in needles)})", answers([own]), session,
                    timeout_ms=60_000)

    def test_workspaces_begin_empty(self):
        """Not on the list: neither files nor shared memory nor a uid's remains of sessions before."""
        for round_ in range(6):
            session = self.attacker()
            self.attack("[os.listdir(p) for p in ('/workspace', '/tmp', '/dev/shm')]",
                        answers([[], [], []]), session)
            self.client.value("for p in ('/workspace', '/tmp', '/dev/shm'):\n"
                              f"  open(p + '/left{round_}', 'w').write('x' * 10_000)", session)
            self.end(session)


class Randomness(AttackCase):
    """41, 42: forks of one zygote share no entropy."""

    def test_all_differ(self):
        """Of every generator, also when drawn at once after the start."""
        source = ("import random, secrets, uuid, ssl, tempfile, time\n"
                  "[random.random(), random.SystemRandom().random(), secrets.token_hex(), str(uuid.uuid4()),"
                  " ssl.RAND_bytes(8).hex(), os.urandom(8).hex(), next(tempfile._get_candidate_names())]")
        drawn = [self.client.value(RAW + source) for _ in range(6)]
        for of_one_kind in zip(*drawn):
            self.assertEqual(len(set(of_one_kind)), len(drawn), of_one_kind)

    def test_what_is_shared_is_documented(self):
        """The hash secret lives as long as the zygote: a stated cost."""
        hashes = {self.client.value("hash('x')") for _ in range(3)}
        self.assertEqual(len(hashes), 1)
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        with open(f"{root}/docs/security.md", encoding="utf-8") as page:
            self.assertIn("hash secret", page.read())


class WithoutMounts(TwinCase):
    """The twin: without its own root and Landlock a worker sees the host."""

    without = ("mount_namespace", "landlock")

    def test_host_files(self):
        """What the tests above did not find is there."""
        self.attack("[os.path.exists(p) for p in ('/proc/self/status', '/var', '/etc/hostname')]",
                    satisfies(lambda v: v.count(True) >= 2))


class WithoutLandlock(TwinCase):
    """The twin: only Landlock keeps a worker from listing its root."""

    without = ("landlock",)

    def test_listing(self):
        """It may now."""
        self.attack("[type(tried(os.listdir, p)) is str and tried(os.listdir, p) for p in ('/', '/dev')]",
                    answers(["done", "done"]))


if __name__ == "__main__":
    unittest.main()
