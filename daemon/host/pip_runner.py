# SPDX-License-Identifier: Apache-2.0
"""Runs the pip that is in a directory, for the interpreter that this runs in, so that it takes packages by
their names only and, unless that is allowed, starts no process. Arguments: the directory, "wheels" or
"sources", those of pip.

pip's options are not enough: `--only-binary` says nothing about a dependency that is a URL, which is fetched
and, where it is a source, built. The index comes in the environment: other users read arguments."""

import importlib.machinery
import os
import sys


class PipFinder:
    """Imports pip from its directory and nothing else: what else is there is not installed here."""

    def __init__(self, folder):
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        if name != "pip":
            return None
        return importlib.machinery.PathFinder.find_spec(name, [self.folder], target)


def refuse_urls():
    from pip._internal.exceptions import InstallationError
    from pip._internal.resolution.resolvelib.factory import Factory

    def guard(take):
        def taken(self, ireq, requested_extras=()):
            if ireq.link and ireq.match_markers(requested_extras):
                raise InstallationError(f"{str(ireq)[:300]!r} is needed from a URL: packages come from the "
                                        "index or the directory of wheels only")
            return take(self, ireq, requested_extras)
        return taken

    # Its name differs between versions; a pip that has neither is not used.
    names = [name for name in ("_make_requirement_from_install_req", "_make_requirements_from_install_req")
             if hasattr(Factory, name)]
    if not names:
        sys.exit("this pip is not known: it cannot be kept from URLs")
    for name in names:
        setattr(Factory, name, guard(getattr(Factory, name)))


def refuse_sources():
    from pip._internal.distributions.sdist import SourceDistribution
    from pip._internal.exceptions import InstallationError

    def refuse(self, *_, **__):
        raise InstallationError(f"{str(self.req)[:300]!r} is a source: it may be built where "
                                "`allow_source_builds` says so")

    if not hasattr(SourceDistribution, "prepare_distribution_metadata"):
        sys.exit("this pip is not known: it cannot be kept from sources")
    SourceDistribution.prepare_distribution_metadata = refuse

    def no_process(event, _):
        # An OSError: pip asks programs about the machine, and does without.
        if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
                     "os.forkpty", "pty.spawn"):
            raise PermissionError(f"{event}: an installation from wheels starts no process")
    sys.addaudithook(no_process)
    # Whatever pip imports from now on, it is nothing that it has just installed.
    sys.path[:] = [path for path in sys.path if os.path.basename(path) != "site-packages"]


def main():
    folder, what, *arguments = sys.argv[1:]
    sys.meta_path.insert(0, PipFinder(folder))
    refuse_urls()
    if what != "sources":
        refuse_sources()
    index = os.environ.pop("VIVARIUM_INDEX_URL", "")
    from pip._internal.cli.main import main as pip
    sys.argv = ["pip"]
    sys.exit(pip([*arguments, "--index-url", index] if index else arguments))


if __name__ == "__main__":
    main()
