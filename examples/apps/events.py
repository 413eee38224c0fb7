# SPDX-License-Identifier: Apache-2.0
"""Server-sent events: every reader gets what anybody posts, as it comes.

    vivarium app boot examples/apps/events.py --name news --public
"""

import asyncio
import json

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

app = FastAPI()
readers: set[asyncio.Queue] = set()


@app.post("/say", status_code=204)
async def say(request: Request):
    text = (await request.body()).decode()
    for queue in readers:
        queue.put_nowait(text)


@app.get("/readers")
async def count():
    return len(readers)


@app.get("/events")
async def events():
    async def follow():
        queue: asyncio.Queue = asyncio.Queue()
        readers.add(queue)
        try:
            yield "retry: 1000\n\n"
            number = 0
            while True:
                number += 1
                yield f"id: {number}\ndata: {json.dumps(await queue.get())}\n\n"
        finally:  # The reader has gone.
            readers.discard(queue)

    return StreamingResponse(follow(), media_type="text/event-stream", headers={"cache-control": "no-store"})
