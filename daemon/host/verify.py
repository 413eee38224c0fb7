# SPDX-License-Identifier: Apache-2.0
"""Tells what an environment lacks."""

import json
import subprocess

from pythons import metadata_of, probe, site_of
from requirements import normal, packaging, read_requirement, wanted

MOST_CHECKS = 10_000


class Verify:
    def __init__(self, order, _over):
        self.target = probe(order["python"], "stdlib")
        folders = [site_of(order["prefix"])] if order["prefix"] else self.folders(order["python"])
        self.installed = metadata_of(*folders)
        self.order = order
        self.looked_at = set()

    @staticmethod
    def folders(python):
        # One that the operator has chosen: its site may run.
        done = subprocess.run([python, "-I", "-B", "-c", "import json, sys; print(json.dumps(sys.path))"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        return [path for path in json.loads(done.stdout.splitlines()[-1]) if path]

    def run(self):
        order = self.order
        if order["declared"]:
            order["requirements"] = wanted(order["declared"], self.target)
        checks = [self.check(text, read_requirement(text)) for text in order["requirements"]]
        for name in order["stdlib"]:
            there = name.split(".")[0] in self.target["stdlib"]
            checks.append([name, there, self.target["version"] if there else "",
                           "" if there else f"{name} is not a module of the standard library"])
        return {"checks": checks, "python_version": self.target["version"],
                "platform_tag": self.target["platform_tag"]}

    def check(self, text, requirement):
        if requirement.marker and not requirement.marker.evaluate({**self.target["markers"], "extra": ""}):
            return [text, True, "", ""]
        found = self.installed.get(normal(requirement.name))
        problems = list(self.problems(requirement, ""))
        return [text, not problems, found["Version"] if found else "", "; ".join(problems[:20])]

    def problems(self, requirement, within):
        """Each thing that is missing for a requirement to be met, with what it needs in turn."""
        name = normal(requirement.name)
        found = self.installed.get(name)
        who = f", which {within} needs" if within else ""
        if not found:
            yield f"{requirement.name} is not installed{who}"
            return
        if not requirement.specifier.contains(found["Version"], prereleases=True):
            yield f"{requirement.name} {found['Version']} is installed, not {requirement.specifier}{who}"
        offered = {normal(extra) for extra in found.get_all("Provides-Extra", ())}
        for extra in requirement.extras:
            if normal(extra) not in offered:
                yield f"{requirement.name} {found['Version']} has no extra {extra!r}"
        for extra in ("", *requirement.extras):
            if (name, extra) in self.looked_at or len(self.looked_at) > MOST_CHECKS:
                continue
            self.looked_at.add((name, extra))
            for line in found.get_all("Requires-Dist", ()):
                try:
                    need = packaging().Requirement(line)
                except Exception:
                    continue
                base = not need.marker or need.marker.evaluate({**self.target["markers"], "extra": ""})
                if base == (not extra) and (base or need.marker.evaluate(
                        {**self.target["markers"], "extra": extra})):
                    yield from self.problems(need, requirement.name + (f"[{extra}]" if extra else ""))
