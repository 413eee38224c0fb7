# SPDX-License-Identifier: Apache-2.0
"""The applications of examples/apps, booted from their files and asked over HTTP."""

import hashlib
import hmac
import json
import os
import subprocess
import unittest

from vivarium_testing import daemon as daemons
from vivarium_testing import waiting
from vivarium_testing.web import WebCase

EXAMPLES = os.path.join(os.path.dirname(__file__), "../../examples/apps")


def source_of(name):
    """Returns the text of an example."""
    with open(f"{EXAMPLES}/{name}.py", encoding="utf-8") as file:
        return file.read()


class Examples(WebCase):
    """What the examples promise."""

    def test_the_webhook(self):
        """Signed events are kept once, and worked on after the answer."""
        app = self.boot(source_of("webhook"), name="hooks")
        body = json.dumps({"id": "1", "kind": "paid"}).encode()
        signature = "sha256=" + hmac.new(b"of-the-example", body, hashlib.sha256).hexdigest()
        self.assertEqual(self.ask(app, "/events", "POST", body)[0], 401)
        for new in (True, False):
            status, _, told = self.ask(app, "/events", "POST", body, {"x-signature": signature})
            self.assertEqual((status, json.loads(told)), (202, {"id": "1", "new": new}))
        waiting.wait_for(lambda: json.loads(self.ask(app, "/events")[2])
                         == [{"id": "1", "kind": "paid", "seen": True}], "the work behind the answer")

    def test_the_events(self):
        """Each arrives when it is posted; who leaves is no reader any more."""
        app = self.boot(source_of("events"), name="news")
        with self.daemon.client() as reader:
            reader.connection.request("GET", app["path"] + "events")
            answer = reader.connection.getresponse()
            self.assertEqual(answer.headers["content-type"], "text/event-stream; charset=utf-8")
            self.assertEqual(answer.readline(), b"retry: 1000\n")
            answer.readline()
            for number, text in enumerate(("one", "two"), 1):
                self.assertEqual(self.ask(app, "/say", "POST", text.encode())[0], 204)
                self.assertEqual(answer.readline(), b"id: %d\n" % number)
                self.assertEqual(answer.readline(), b'data: "%s"\n' % text.encode())
                answer.readline()
        waiting.wait_for(lambda: self.ask(app, "/readers")[2] == b"0", "the reader to be gone")

    def test_the_blog(self):
        """Pages, a form, a redirect; what was written stays, escaped; on the command line's word."""
        def command(*arguments):
            return subprocess.run(
                [daemons.COMMAND, "--server", f"unix://{self.daemon.socket}", "app", *arguments],
                env=daemons.command_environment(self.daemon.folder), capture_output=True, text=True,
                check=True).stdout
        path = command("boot", f"{EXAMPLES}/blog.py", "--name", "blog", "--host", "blog",
                       "--environment", "site").strip()
        self.apps.append("blog")
        host = {"host": f"blog.apps.localhost:{self.daemon.port}"}
        self.assertIn(b"Nothing yet.", self.client.request("GET", "/", headers=host)[2])
        status, headers, _ = self.client.request("POST", "/posts", "title=%3Cb%3E&text=a+%26+b", {
            **host, "origin": f"http://{host['host']}", "content-type": "application/x-www-form-urlencoded"})
        self.assertEqual((status, headers["location"]), (303, "/posts/1"))
        self.assertIn(b"<h2>&lt;b&gt;</h2><p>a &amp; b</p>",
                      self.client.request("GET", "/posts/1", headers=host)[2])
        self.assertIn(f'href="{path.rstrip("/")}/posts/1"'.encode(), self.client.request("GET", path)[2])
        self.assertEqual(self.client.request("GET", "/posts/2", headers=host)[0], 404)
        self.assertEqual(self.client.request("POST", path + "posts", "title=")[0], 422)
        self.assertIn("blog", command("list"))
        self.assertEqual(command("url", "blog"), f"http://blog.apps.localhost/\n{path}\n")
        command("close", "blog")
        self.apps.remove("blog")
        self.assertEqual(self.client.request("GET", "/", headers=host)[0], 404)


if __name__ == "__main__":
    unittest.main()
