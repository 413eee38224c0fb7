# SPDX-License-Identifier: Apache-2.0
"""A webhook: takes signed events, keeps each once, and works on it after it has answered.

    vivarium app boot examples/apps/webhook.py --name hooks --public
"""

import hashlib
import hmac
import json
import os
import sqlite3

from fastapi import BackgroundTasks, FastAPI, HTTPException, Request

SECRET = os.environ.get("WEBHOOK_SECRET", "of-the-example").encode()
app = FastAPI()
events = sqlite3.connect("events.db")  # A file of the session.
events.execute("CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, kind TEXT, seen INTEGER DEFAULT 0)")


def signed(body: bytes, signature: str) -> bool:
    wanted = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={wanted}", signature)


async def work_on(event: str):
    events.execute("UPDATE events SET seen = 1 WHERE id = ?", (event,))
    events.commit()


@app.post("/events", status_code=202)
async def take(request: Request, later: BackgroundTasks):
    body = await request.body()
    if not signed(body, request.headers.get("x-signature", "")):
        raise HTTPException(401, "the signature does not fit")
    event = json.loads(body)
    added = events.execute("INSERT OR IGNORE INTO events (id, kind) VALUES (?, ?)", (event["id"], event["kind"]))
    events.commit()
    if added.rowcount:
        later.add_task(work_on, event["id"])
    return {"id": event["id"], "new": bool(added.rowcount)}


@app.get("/events")
async def seen():
    return [{"id": id, "kind": kind, "seen": bool(seen)} for id, kind, seen in
            events.execute("SELECT id, kind, seen FROM events ORDER BY id")]
