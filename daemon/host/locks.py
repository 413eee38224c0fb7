# SPDX-License-Identifier: Apache-2.0
"""What exactly was installed, or shall be."""

import re
import tomllib

from requirements import Refused, normal

LOCK_HEADER = "# vivarium-lock 1"
NAME, VERSION, DIGEST = r"[A-Za-z0-9][A-Za-z0-9._-]*", r"[A-Za-z0-9][A-Za-z0-9.!+_-]*", r"[0-9a-f]{64}"
PINNED = re.compile(rf"({NAME})==({VERSION})((?: --hash=sha256:{DIGEST})*)")


class Lock:
    """What exactly to install. `pins` maps a name to its version and the hashes that its file may have."""

    def __init__(self, pins, exact):
        self.pins, self.exact = pins, exact

    @classmethod
    def read(cls, text, target):
        return cls.read_uv(text) if "[[package]]" in text else cls.read_own(text, target)

    @classmethod
    def read_own(cls, text, target):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines or lines[0] != LOCK_HEADER:
            raise Refused(f"the lock does not begin with {LOCK_HEADER!r}, and is no uv.lock either")
        pins = {}
        for line in lines[1:]:
            if line.startswith("# platform: "):
                tag = line.removeprefix("# platform: ")
                if tag != target["platform_tag"]:
                    raise Refused(f"the lock was made for the platform {tag}, and this build is for "
                                  f"{target['platform_tag']}: build without it here, and take that lock")
            elif not line.startswith("#"):
                found = PINNED.fullmatch(line)
                if not found:
                    raise Refused(f"{line[:100]!r} is not a line of a lock")
                pins[normal(found[1])] = (found[2], set(re.findall(DIGEST, found[3])))
        return cls(pins, True)

    @classmethod
    def read_uv(cls, text):
        try:
            packages = tomllib.loads(text)["package"]
            pins = {}
            for one in packages:
                if "registry" not in one["source"]:
                    continue  # The project itself.
                files = [*one.get("wheels", []), *([one["sdist"]] if "sdist" in one else [])]
                hashes = {file["hash"].removeprefix("sha256:") for file in files if "hash" in file}
                # They become lines of a file that pip reads, where anything else could be an option.
                for text, form in ((one["name"], NAME), (one["version"], VERSION),
                                   *((digest, DIGEST) for digest in hashes)):
                    if not re.fullmatch(form, text):
                        raise Refused(f"{text[:100]!r} of the uv.lock is not a name, version or hash of a package")
                pins[normal(one["name"])] = (one["version"], hashes)
        except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
            raise Refused(f"the uv.lock cannot be read: {error}") from None
        return cls(pins, False)

    def check(self, installed):
        """What was installed is what is locked."""
        for name, (version, digest) in installed.items():
            if name not in self.pins:
                raise Refused(f"the lock does not have {name}, which is needed: {name}=={version}")
            locked, digests = self.pins[name]
            if version != locked:
                raise Refused(f"the lock has {name}=={locked}, and {version} was installed")
            if digests and digest not in digests:
                raise Refused(f"the file of {name}=={version} has not the hash that is locked")
        missing = sorted(set(self.pins) - set(installed)) if self.exact else ()
        if missing:
            raise Refused("of the lock was not installed: " + ", ".join(missing))

    def lines(self):
        out = [f"{name}=={version}" + "".join(f" --hash=sha256:{digest}" for digest in sorted(digests))
               for name, (version, digests) in sorted(self.pins.items())]
        for line in out:
            if not PINNED.fullmatch(line):
                raise Refused(f"{line[:100]!r} is not a line of a lock")
        return out


def lock_text(installed, target):
    lines = Lock({name: (version, {digest} if digest else set())
                  for name, (version, digest) in installed.items()}, True).lines()
    head = [LOCK_HEADER, "# platform: " + target["platform_tag"], "# python: " + target["version"]]
    return "\n".join([*head, *lines]) + "\n"
