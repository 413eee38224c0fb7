# SPDX-License-Identifier: Apache-2.0
"""Web applications in a real browser: the blog works, and no page gets at what is not its own."""

import os
import unittest

from vivarium_testing.browser import Browser
from vivarium_testing.web import WebCase

BLOG = os.path.join(os.path.dirname(__file__), "../../examples/apps/blog.py")
PAGE = """
async def on_root(scope, receive, send):
    cookies = [v.decode() for n, v in scope["headers"] if n == b"cookie"]
    told.append(cookies)
    await answer(send, body=b"<!doctype html><title>page</title><p id=cookies>" + ";".join(cookies).encode(),
                 headers=[(b"content-type", b"text/html"), (b"set-cookie", MINE)])
MINE = b"%s=1; Path=/; Max-Age=60"
"""
# What a page would have to be able to do to use the API, or to be followed by others.
LIST = """fetch('/vivarium.v1.SessionService/ListSessions', {method: 'POST', body: '{}',
    headers: {'content-type': 'application/json'}}).then(r => r.text(), e => 'refused: ' + e.name)"""


class InABrowser(WebCase):
    """One browser for each test."""

    def test_the_blog(self):
        """A form, a redirect, a page, and what was written is there when one comes back."""
        with open(BLOG, encoding="utf-8") as file:
            self.boot(file.read(), name="blog", host="blog")
        home = f"http://blog.apps.localhost:{self.daemon.port}/"
        with Browser(self) as page:
            page.go(home)
            page.js("document.querySelector('[name=title]').value = 'From a <browser>'")
            page.js("document.querySelector('[name=text]').value = 'written & kept'")
            page.js("document.querySelector('form').submit()")
            page.wait_for("document.querySelector('article h2')?.textContent === 'From a <browser>'")
            self.assertEqual(page.js("document.querySelector('article p').textContent"), "written & kept")
            self.assertEqual(page.js("location.pathname"), "/posts/1")
            page.go(home)
            page.wait_for("document.querySelector('#posts a')?.textContent === 'From a <browser>'")

    def test_a_page_below_a_path_has_no_origin(self):
        """So it has no cookies, no storage and no answers of the API."""
        app = self.bare(PAGE % "a")
        with Browser(self) as page:
            page.go(f"http://127.0.0.1:{self.daemon.port}{app['path']}")
            page.wait_for("document.title === 'page'")
            self.assertEqual(page.js("self.origin"), "null")
            self.assertIn("SecurityError", page.js("document.cookie"))
            self.assertIn("SecurityError", page.js("localStorage.length"))
            self.assertIn("refused", page.js(LIST))
            self.assertIn("Error", str(page.js("navigator.serviceWorker.register('sw.js')")))

    def test_cookies_come_back_to_who_set_them_and_to_nobody_else(self):
        """Below paths of one host, and on hosts of their own."""
        one, two = self.bare(PAGE % "a", host="one"), self.bare(PAGE % "b", host="two")
        port = self.daemon.port
        with Browser(self) as page:
            for first, second in ((f"http://127.0.0.1:{port}{one['path']}", f"http://127.0.0.1:{port}{two['path']}"),
                                  (f"http://one.apps.localhost:{port}/", f"http://two.apps.localhost:{port}/")):
                for address, seen in ((first, ""), (second, ""), (first, "a=1"), (second, "b=1")):
                    page.go(address)
                    page.wait_for(f"document.getElementById('cookies')?.textContent === {seen!r}")

    def test_a_page_of_another_application_cannot_ask(self):
        """What is not for everybody is for its own pages only."""
        self.bare(PAGE % "a", host="own")
        self.bare(PAGE % "b", host="evil")
        port = self.daemon.port
        with Browser(self) as page:
            page.go(f"http://evil.apps.localhost:{port}/")
            page.wait_for("document.title === 'page'")
            self.assertEqual(page.js(f"fetch('http://own.apps.localhost:{port}/').then(r => r.text(), e => 'refused')"),
                             "refused")
            self.assertIn("not found", page.js(LIST.replace("r.text()", "'not found' + r.status")))


if __name__ == "__main__":
    unittest.main()
