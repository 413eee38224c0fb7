# SPDX-License-Identifier: Apache-2.0
"""What is wanted of an environment, as text that pip and uv read."""

import re
import sys
import tomllib

MOST_REQUIREMENTS = 1_000


class Refused(Exception):
    """What was ordered is wrong, or cannot be had; the text is for whoever ordered it."""


def packaging():
    try:
        from pip._vendor.packaging import requirements
    except ImportError:
        try:
            from packaging import requirements
        except ImportError:
            raise Refused("neither pip nor packaging is installed for " + sys.executable) from None
    return requirements


def read_requirement(text):
    # pip ends lines where Unicode does, and puts what its environment has into "${NAME}".
    if len(text) > 500 or text.startswith("-") or "://" in text or re.search(r"\s@|[^ -~]|[\\$]", text):
        raise Refused(f"{text[:100]!r} is not a plain requirement: options, URLs and paths are not taken")
    try:
        found = packaging().Requirement(text)
    except Exception as error:
        raise Refused(f"{text!r} is not a requirement: {error}") from None
    if found.url:
        raise Refused(f"{text[:100]!r} is not a plain requirement: options, URLs and paths are not taken")
    return found


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(order, target):
    """The requirements of an order, as text."""
    if not order.get("pyproject"):
        out = list(order["requirements"])
    else:
        try:
            project = tomllib.loads(order["pyproject"])["project"]
        except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
            raise Refused(f"the pyproject has no readable [project]: {error}") from None
        out = list(project.get("dependencies", []))
        optional = project.get("optional-dependencies", {})
        for extra in order["extras"]:
            if extra not in optional:
                raise Refused(f"the pyproject has no optional dependencies {extra!r}; it has "
                              + (", ".join(sorted(optional)) or "none"))
            out += optional[extra]
        versions = project.get("requires-python", "")
        if versions:
            check = read_requirement("python" + versions)
            if not check.specifier.contains(target["version"], prereleases=True):
                raise Refused(f"the pyproject requires python {versions}, and {target['executable']} is "
                              + target["version"])
    if len(out) > MOST_REQUIREMENTS:
        raise Refused(f"there are more than {MOST_REQUIREMENTS} requirements")
    for text in out:
        if not isinstance(text, str):
            raise Refused("a requirement is text")
        read_requirement(text)
    return out
