# SPDX-License-Identifier: Apache-2.0
"""Enters a virtual environment from inside of a sealed worker: what an interpreter of that environment
would have done when it started. Its packages were chosen by a tenant, so that none of their code, which
`.pth` files may be, has run before."""

import os
import site
import sys


def enter(prefix, modules):
    """Raises what a module raises that cannot be imported."""
    packages = os.path.join(prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
    # A virtual environment does not see what is installed for its base.
    sys.path[:] = [entry for entry in sys.path if os.path.basename(entry) not in ("site-packages", "dist-packages")]
    sys.prefix = sys.exec_prefix = prefix
    sys.executable = os.path.join(prefix, "bin", "python3")
    site.PREFIXES = [prefix]
    shims = sys.path.pop()  # They stay the last.
    site.addsitedir(packages)
    sys.path.append(shims)
    for name in modules:
        __import__(name)
