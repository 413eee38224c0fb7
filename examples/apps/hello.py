# SPDX-License-Identifier: Apache-2.0
"""The least of an application: ASGI, without any framework.

    vivarium app boot examples/apps/hello.py --name hello
"""

import json


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body = json.dumps({"hello": scope["path"].strip("/")}) + "\n"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body.encode()})
