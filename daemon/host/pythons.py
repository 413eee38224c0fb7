# SPDX-License-Identifier: Apache-2.0
"""Interpreters, and what is installed for them. Nothing of that is imported."""

import email.parser
import json
import os
import re
import subprocess

from requirements import Refused, normal

PROBE = """
import json, os, sys, sysconfig
v = sys.version_info
print(json.dumps({
    "executable": sys.executable, "implementation": sys.implementation.name,
    "version": ".".join(map(str, v[:3])), "numbers": v[:2],
    "platform_tag": sysconfig.get_platform() + "-" + sys.implementation.cache_tag,
    "stdlib": sorted(sys.stdlib_module_names) if "stdlib" in sys.argv else [],
    "markers": {"implementation_name": sys.implementation.name, "implementation_version": ".".join(map(str, v[:3])),
                "os_name": os.name, "platform_machine": os.uname().machine,
                "platform_release": os.uname().release, "platform_system": os.uname().sysname,
                "platform_version": os.uname().version, "platform_python_implementation": "CPython",
                "python_full_version": ".".join(map(str, v[:3])),
                "python_version": ".".join(map(str, v[:2])), "sys_platform": sys.platform},
}))
"""


def probe(python, *more):
    """What an interpreter is. Without its site, so that nothing of its packages runs."""
    try:
        done = subprocess.run([python, "-I", "-S", "-B", "-c", PROBE, *more], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        told = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise Refused(f"{python} is not a Python that runs: {error}") from None
    if told["implementation"] != "cpython" or tuple(told["numbers"]) < (3, 11):
        raise Refused(f"{python} is {told['implementation']} {told['version']}; CPython 3.11 or newer is needed")
    return told


def pip_folder(python):
    """The directory in which an interpreter has pip; "" when it has none."""
    # A look at pip itself would run the site of that installation.
    done = subprocess.run([python, "-I", "-B", "-c", "import os, pip; print(os.path.dirname(pip.__path__[0]))"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.splitlines()[-1] if done.returncode == 0 else ""


def site_of(prefix):
    folder = prefix + "/lib"
    for name in sorted(os.listdir(folder)):
        if re.fullmatch(r"python3\.\d+t?", name):
            return f"{folder}/{name}/site-packages"
    raise Refused(f"there is no library in {prefix}")


def metadata_of(*folders):
    """The metadata of what is installed in some folders; nothing of it is imported."""
    out = {}
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            file = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}.get(os.path.splitext(name)[1])
            path = os.path.join(folder, name, file) if file else ""
            if file and os.path.isfile(os.path.join(folder, name)):
                path = os.path.join(folder, name)  # Of distutils.
            if not os.path.isfile(path):
                continue
            with open(path, encoding="utf-8", errors="replace") as content:
                found = email.parser.HeaderParser().parse(content)
            if found["Name"] and found["Version"]:
                out.setdefault(normal(found["Name"]), found)
    return out


def distributions(*folders):
    return {name: found["Version"] for name, found in metadata_of(*folders).items()}


class Probe:
    def __init__(self, order, _over):
        self.order = order

    def run(self):
        told = probe(self.order["python"])
        return {"python_version": told["version"], "platform_tag": told["platform_tag"]}
