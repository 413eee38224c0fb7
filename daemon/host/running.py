# SPDX-License-Identifier: Apache-2.0
"""Starts programs, and keeps secrets out of what they say."""

import os
import re
import subprocess
import urllib.parse

MOST_LINE = 1 << 16
SHORTEST_SECRET = 6

secrets = set()


def keep_secret(url):
    """Takes note of the password of a URL: no line has it from now on."""
    found = urllib.parse.urlsplit(url).netloc.rpartition("@")[0].partition(":")[2]
    secrets.update(one for one in (found, urllib.parse.unquote(found)) if len(one) >= SHORTEST_SECRET)


def redact(text):
    text = re.sub(r"//[^/\s]+@", "//***@", text)
    for one in sorted(secrets, key=len, reverse=True):
        text = text.replace(one, "***")
    return text


def say(*words):
    print(redact(" ".join(words)), flush=True)


def run(command, secret=None):
    """Runs a program, tells what it says, and returns its status. `secret`: variables of its environment."""
    say("$ " + " ".join(command))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, **(secret or {})}) as process:
        whole = True
        while line := process.stdout.readline(MOST_LINE):
            if whole:  # The rest of a long one could begin in the middle of a secret.
                say(line.decode(errors="replace").rstrip("\n"))
            whole = line.endswith(b"\n")
    return process.returncode
