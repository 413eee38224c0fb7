# SPDX-License-Identifier: Apache-2.0
"""Builds and looks at Python installations, beside the daemon and outside of any jail. Its order comes
as a line of JSON on stdin, which stays open for as long as the daemon wants the answer; stdout and
stderr are a log for people; the answer goes to descriptor 3, as JSON.

Nothing that was installed is ever run: it is foreign code, and so are `.pth` files, which is why the
interpreter of a new environment is started once, before anything is in it. A package that is built from
its source is the exception, and has to be allowed."""

import json
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from bounds import MOST_MEMORY, bound_memory
from builds import Build
from pythons import Probe
from requirements import Refused
from running import keep_secret, redact
from verify import Verify

ANSWER_FD = 3
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

answering = threading.Lock()


def watch_for_the_end():
    """Ends everything with the daemon: this process and those it has started are one process group."""
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


def read_order():
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 1 << 16)
        if not part:
            sys.exit("there is no order")
        line += part
    return json.loads(line)


def answer(what):
    """Tells it and ends; the daemon ends what is left of the process group."""
    answering.acquire()  # For good: the first one counts.
    with os.fdopen(ANSWER_FD, "wb") as out:
        out.write(json.dumps(what).encode())
    os._exit(0)


def fail(why):
    answer({"problem": redact(why)})


def main():
    order = read_order()
    threading.Thread(target=watch_for_the_end, daemon=True).start()
    os.umask(0o022)
    for name in PROXIES:
        keep_secret(os.environ.get(name, ""))
    # Compilers take what they need; whoever allows sources has chosen the packages.
    if not order.get("sources"):
        bound_memory()
    try:
        out = {"build": Build, "verify": Verify, "probe": Probe}[order["do"]](order, fail).run()
    except Refused as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.strerror}: {error.filename}")
    except MemoryError:
        fail(f"it takes more than {MOST_MEMORY >> 20} MiB of memory, which is the most without source builds")
    answer(out)


if __name__ == "__main__":
    main()
