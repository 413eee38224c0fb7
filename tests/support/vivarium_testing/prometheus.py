# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus beside a daemon, and its tools."""

import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from vivarium_testing import waiting


def need(test, tool):
    """Returns the path of a tool. Skips without it; where nothing may be skipped, fails."""
    path = shutil.which(tool)
    if path is None:
        if os.environ.get("VIVARIUM_MUST_SANDBOX") == "1":
            test.fail(f"{tool} is not installed")
        test.skipTest(f"{tool} is not installed")
    return path


class Prometheus:
    """Scrapes a daemon every 100 ms, with rules if there are any, until it is closed."""

    def __init__(self, test, daemon, rules=()):
        program = need(test, "prometheus")
        folder = f"{daemon.folder}/prometheus"
        os.mkdir(folder)
        test.addCleanup(shutil.rmtree, folder, True)
        with open(f"{folder}/prometheus.yml", "w", encoding="ascii") as file:
            file.write("global: {scrape_interval: 100ms, scrape_timeout: 100ms, "
                       f"evaluation_interval: 100ms}}\nrule_files: {json.dumps(list(rules))}\n"
                       "scrape_configs:\n- job_name: vivarium\n  static_configs:\n"
                       f"  - targets: ['127.0.0.1:{daemon.port}']\n")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.log = f"{folder}/log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program, f"--config.file={folder}/prometheus.yml",
                 f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Ends it, and its connection to the daemon."""
        self.process.terminate()
        self.process.wait(waiting.WATCHDOG)

    def get(self, path):
        """Returns what the API has to say, nothing while it is not up."""
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8") as text:
                raise AssertionError(text.read())
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}",
                                        timeout=waiting.WATCHDOG) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return {}  # It is starting.
            raise AssertionError(f"{path}: {error.read().decode()}") from None
        except (urllib.error.URLError, ConnectionError):
            return {}

    def query(self, expression):
        """Returns the samples of an expression now."""
        return self.get("query?query=" + urllib.parse.quote(expression)).get("result", [])
