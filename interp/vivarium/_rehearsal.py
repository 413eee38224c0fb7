# SPDX-License-Identifier: Apache-2.0
"""In the zygote: has what it preloads do once what sessions will have it do, so that caches are filled and
bytecode is specialised in pages that workers share. Nothing depends on it: what a package of the operator's
choice will not rehearse, it does for the first time in a session."""

import contextlib

# The interpreter specialises a function's code after some calls of it.
_BOOTS, _REQUESTS = 3, 8
_SITE = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/{name}")
async def answer(name: str):
    return {"name": name}
@app.post("/")
def take(name: str, count: int = 1):
    return {}
"""


def rehearse(preload):
    """Takes the names of the modules that were preloaded."""
    packages = {name.partition(".")[0] for name in preload}
    for package, rehearsal in (("matplotlib", _draw), ("asyncio", _turn), ("fastapi", _serve)):
        if package in packages:
            with contextlib.suppress(Exception):
                rehearsal()


def _draw():
    """The first figure finds and reads fonts."""
    import io

    from matplotlib import pyplot

    pyplot.plot([1, 2])
    pyplot.savefig(io.BytesIO())
    pyplot.close("all")


def _turn():
    import asyncio

    asyncio.run(asyncio.sleep(0))


def _serve():
    import asyncio

    for _ in range(_BOOTS):
        names = {"__name__": "rehearsal"}
        exec(_SITE, names)
        asyncio.run(_ask(names["app"]))


async def _ask(app):
    version = {"version": "3.0", "spec_version": "2.3"}
    asked = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

    async def next_event():
        return next(asked)

    async def body():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def ignore(message):
        pass

    await app({"type": "lifespan", "asgi": version, "state": {}}, next_event, ignore)
    for _ in range(_REQUESTS):
        await app({
            "type": "http", "asgi": version, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/x", "raw_path": b"/x", "query_string": b"", "root_path": "", "headers": [],
            "server": ("localhost", 80), "client": ("localhost", 1), "state": {},
        }, body, ignore)
