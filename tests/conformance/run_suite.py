# SPDX-License-Identifier: Apache-2.0
"""Starts a daemon and lets a client that nobody here wrote loose on it: run_suite.py FILE..."""

import glob
import os
import subprocess
import sys

from vivarium_testing import bystander, waiting
from vivarium_testing.daemon import Daemon

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


# For what is about keys: two tenants, one of which may not have much.
KEYS = """
[auth]
keys = "{folder}/keys"
[tenants.neighbour]
[tenants.client]
executions = 1
"""


def main():
    """Runs the files under node's test runner; returns its status."""
    [node] = glob.glob(f"{ROOT}/build/npm/node_modules/node-linux-*/bin/node")
    files = [f"{ROOT}/build/npm/suite/{name}" for name in sys.argv[1:]]
    keyed = KEYS if "keys.test.mjs" in sys.argv else ""
    with Daemon("[limits]\ngrace = \"300ms\"\n" + keyed) as daemon:
        status = 1
        keys = {}
        if keyed:
            daemon.key = daemon.keys("create", "--tenant", "neighbour")
            keys = {"VIVARIUM_API_KEY": daemon.keys("create", "--tenant", "client")}
            with daemon.client(keys["VIVARIUM_API_KEY"]) as client:
                client.value("1")  # The tenant's pool is filled before stock is taken.
        try:
            status = attack(daemon, node, files, keys)
        finally:
            if status:
                print(daemon.log(), file=sys.stderr)
    return status


def attack(daemon, node, files, keys):
    """Runs the files while a neighbour looks on; returns 0 when all is as it was before."""
    with daemon.client(keys.get("VIVARIUM_API_KEY")) as client:
        client.call("VolumeService/ListVolumes")  # What it opens stays open.
    neighbour = bystander.Bystander(daemon)
    before = bystander.settled(daemon)
    done = subprocess.run(
        [node, "--test", "--test-reporter=spec", *files], stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": daemon.folder,
             "VIVARIUM_URL": daemon.url, "VIVARIUM_SOCKET": daemon.socket, **keys},
        timeout=waiting.WATCHDOG * 5, check=False)
    neighbour.check()
    bystander.check_leaks(daemon, before)
    neighbour.stop()
    return done.returncode or daemon.terminate()


if __name__ == "__main__":
    sys.exit(main())
