# SPDX-License-Identifier: Apache-2.0
"""A real browser, Chromium without a window, spoken to by its DevTools protocol."""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import urllib.request

import websockets

from . import waiting


class Browser:
    """One page of a browser of its own, which ends with the context."""

    def __init__(self, test):
        """Starts it. Skips without the program; where nothing may be skipped, fails."""
        program = shutil.which("chromium")
        if program is None:
            if os.environ.get("VIVARIUM_MUST_SANDBOX") == "1":
                test.fail("chromium is not installed")
            test.skipTest("chromium is not installed")
        self.folder = tempfile.mkdtemp(prefix="vivarium-browser-")
        self.log = open(f"{self.folder}/log", "wb")
        self.process = subprocess.Popen(
            # Its processes leave groups and sessions, but not a namespace: all end with the first one.
            # Its own sandbox needs what a container or an ordinary user may not have.
            ["unshare", "--user", "--map-current-user", "--pid", "--fork", "--kill-child", program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--remote-debugging-port=0", f"--user-data-dir={self.folder}/profile", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={"HOME": self.folder, "PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": self.folder})
        self.loop = asyncio.new_event_loop()
        self.number = 0
        self.socket = None

    def __enter__(self):
        try:
            self.socket = self.loop.run_until_complete(
                self.connect(waiting.wait_for(self.page, "a page")))
        except BaseException:
            self.__exit__()
            raise
        return self

    @staticmethod
    async def connect(url):
        """Connects in the loop that runs."""
        return await websockets.connect(url, max_size=None)

    def page(self):
        """Returns the address of its page once there is one."""
        if self.process.poll() is not None:
            with open(f"{self.folder}/log", encoding="utf-8", errors="replace") as log:
                raise AssertionError(f"chromium ended with {self.process.returncode}\n{log.read()}")
        try:
            with open(f"{self.folder}/profile/DevToolsActivePort", encoding="ascii") as file:
                port = int(file.readline())
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json",
                                        timeout=waiting.WATCHDOG) as answer:
                return next((one["webSocketDebuggerUrl"] for one in json.load(answer)
                             if one["type"] == "page"), None)
        except (OSError, ValueError):
            return None

    def __exit__(self, *_):
        """Ends it with all of its processes."""
        if self.socket is not None:
            self.loop.run_until_complete(self.socket.close())
        self.loop.close()
        self.process.kill()
        self.process.wait(waiting.WATCHDOG)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, method, **parameters):
        """Calls a method of the protocol and returns its result."""
        self.number += 1
        number = self.number

        async def exchange():
            await self.socket.send(json.dumps({"id": number, "method": method,
                                               "params": parameters}))
            while True:
                answer = json.loads(await self.socket.recv())
                if answer.get("id") == number:
                    return answer
        answer = self.loop.run_until_complete(asyncio.wait_for(exchange(), waiting.WATCHDOG))
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def go(self, url):
        """Opens a page and waits until it is there."""
        wrong = self.ask("Page.navigate", url=url).get("errorText")
        if wrong:
            raise AssertionError(f"{url}: {wrong}")
        self.wait_for(f"document.readyState === 'complete' && location.href !== 'about:blank'")

    def js(self, expression):
        """Returns what an expression in the page comes to; an exception as its text."""
        told = self.ask("Runtime.evaluate", expression=expression, returnByValue=True,
                        awaitPromise=True)
        if "exceptionDetails" in told:
            return told["exceptionDetails"].get("exception", {}).get("description", "exception")
        return told["result"].get("value")

    def wait_for(self, expression):
        """Waits for an expression in the page to be true."""
        return waiting.wait_for(lambda: self.js(expression) is True, expression)
