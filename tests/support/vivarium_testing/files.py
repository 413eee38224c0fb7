# SPDX-License-Identifier: Apache-2.0
"""Work on the files of sessions, over Connect and over plain HTTP."""

import base64
import hashlib
import json
import urllib.parse

from . import http_api


def encoded(content):
    """Bytes as they stand in JSON."""
    return base64.b64encode(content).decode()


def sha256(content):
    """A checksum as it stands in JSON."""
    return encoded(hashlib.sha256(content).digest())


class Files:
    """The files of one session."""

    def __init__(self, client, session):
        """Takes a client, and the id or name of a session."""
        self.client, self.session = client, session

    def ask(self, method, **fields):
        """Calls a method of FileService."""
        return self.client.call(f"FileService/{method}", {"session": self.session, **fields})

    def put(self, path, content, **fields):
        """Writes a file and returns what is told of it."""
        return self.ask("PutFile", path=path, content=encoded(content), **fields)["file"]

    def get(self, path):
        """Reads a file; the checksum is checked."""
        answer = self.ask("GetFile", path=path)
        content = base64.b64decode(answer.get("content", ""))
        assert sha256(content) == answer["sha256"], answer
        return content

    def stat(self, path):
        """Describes a file."""
        return self.ask("StatFile", path=path)["file"]

    def list(self, path="", **fields):
        """The paths of one page, and what is said for the next one."""
        answer = self.ask("ListFiles", path=path, **fields)
        return [f["path"] for f in answer.get("files", [])], answer.get("nextPageToken", "")

    def list_all(self, path="", **fields):
        """All paths, page by page."""
        found, token = [], ""
        while True:
            page, token = self.list(path, pageToken=token, **fields)
            found += page
            if not token:
                return found

    def remove(self, path, recursive=False):
        """Removes and returns how many that were."""
        return int(self.ask("RemoveFile", path=path, recursive=recursive).get("removed", 0))

    def read(self, path, **fields):
        """Streams a file and returns the pieces and the last message."""
        pieces, last = [], None
        for message in self.client.messages("FileService/ReadFile",
                                            {"session": self.session, "path": path, **fields}):
            if "file" in message:
                continue
            last = message
            if "data" in message:
                pieces.append(base64.b64decode(message["data"]))
        return pieces, last

    def http(self, method, path, body=None, headers=None):
        """One exchange on the raw path; raises ApiError."""
        status, found, content = self.client.request(
            method, f"/v1/sessions/{self.session}/files/{urllib.parse.quote(path)}", body, headers)
        if status >= 400 and method != "HEAD":
            raise http_api.ApiError(status, json.loads(content or "{}"))
        return status, found, content
