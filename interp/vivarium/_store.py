# SPDX-License-Identifier: Apache-2.0
"""The tenant's key-value store, as far as this session was given it. Keys are str, values are what JSON
can hold.

    store.set("user:1", {"name": "Ann"})
    store.get("user:1")              # {'name': 'Ann'}; None when it is not there
    store.keys("user:")              # ['user:1']
    store.delete("user:1")           # True
    items, cursor = store.scan("user:", limit=100)
    store.view(prefix="user:", rights=("get", "list"))   # a part of it, to be handed on"""

import json

from vivarium import _host

__all__ = ["StorageError", "View", "delete", "get", "keys", "scan", "set", "view"]

_RIGHTS = frozenset(("get", "put", "delete", "list"))
_PAGE = 1000


class StorageError(Exception):
    """The store cannot do it: it is full, off, or does not work."""


_ERRORS = {"PermissionError": PermissionError, "ValueError": ValueError, "TypeError": TypeError}


def _ask(name, *args):
    try:
        return _host.call(f"vivarium.store.{name}", *args)
    except _host.HostCallError as error:
        raise _ERRORS.get(error.type, StorageError)(error.message or str(error)) from None


def _text(key, what="a key"):
    if not isinstance(key, str):
        raise TypeError(f"{what} is a str, not {type(key).__name__!r}")
    return str(key)


class View:
    """A part of the store. It can be made smaller, never larger. It restrains code that it is handed to;
    what holds for the session as a whole the daemon sees to."""

    def __init__(self, prefix="", keys=None, rights=_RIGHTS):
        self._prefix, self._keys, self._rights = prefix, keys, rights

    def _may(self, right):
        if right not in self._rights:
            raise PermissionError(f"this view of the store does not have the right {right!r}")

    def _covers(self, key):
        return key.startswith(self._prefix) and (self._keys is None or key in self._keys)

    def _writes(self, right, key):
        key = _text(key)
        self._may(right)
        if not self._covers(key):
            raise PermissionError(f"{key!r} is not in this view of the store")
        return key

    def get(self, key, default=None):
        """Returns the value of a key; `default` when it is not there."""
        key = _text(key)
        self._may("get")
        found = _ask("get", key) if self._covers(key) else None
        return default if found is None else json.loads(found)

    def set(self, key, value, ttl=None):
        """Sets the value of a key. ttl: seconds after which it goes by itself."""
        key = self._writes("put", key)
        if ttl is not None and not ttl > 0:
            raise ValueError("ttl is above 0 seconds")
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        _ask("set", key, text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"), _ms(ttl))

    def delete(self, key):
        """Removes a key; returns whether it was there."""
        return bool(_ask("delete", self._writes("delete", key)))

    def keys(self, prefix=""):
        """Returns the keys that begin so, sorted."""
        out, cursor = [], ""
        while cursor is not None:
            page, cursor = self._page(prefix, _PAGE, cursor, 0)
            out += page
        return out

    def scan(self, prefix="", limit=100, cursor=None):
        """Returns some keys with their values, a list of pairs, and the cursor to go on with: None at the
        end."""
        self._may("get")
        return self._page(prefix, limit, cursor or "", 1)

    def _page(self, prefix, limit, cursor, values):
        prefix, cursor = _text(prefix, "a prefix"), _text(cursor, "a cursor")
        self._may("list")
        if not isinstance(limit, int) or not 1 <= limit <= _PAGE:
            raise ValueError(f"limit is 1 to {_PAGE}")
        if self._prefix.startswith(prefix):
            prefix = self._prefix
        elif not prefix.startswith(self._prefix):
            return [], None
        page, following = _ask("scan", prefix, cursor, limit, values)
        if values:
            page = [(key, json.loads(text)) for key, text in page if self._covers(key)]
        else:
            page = [key for key in page if self._covers(key)]
        return page, following or None

    def view(self, prefix="", keys=None, rights=None):
        """Returns a part of this part: only keys that begin with `prefix`, only those of `keys`, only with
        `rights`, which are of "get", "put", "delete" and "list"."""
        prefix = _text(prefix, "a prefix")
        if prefix and not prefix.startswith(self._prefix):
            raise PermissionError(f"{prefix!r} is not in this view of the store")
        chosen = self._rights if rights is None else frozenset((rights,) if isinstance(rights, str) else rights)
        if not chosen <= _RIGHTS:
            raise ValueError(f"rights are of {', '.join(sorted(_RIGHTS))}")
        names = self._keys
        if keys is not None:
            given = frozenset(_text(key) for key in keys)
            names = given if names is None else names & given
        return View(prefix or self._prefix, names, self._rights & chosen)

    def __repr__(self):
        return f"<store {self._prefix!r} {'/'.join(sorted(self._rights))}>"


def _ms(ttl):
    return 0 if ttl is None else max(1, min(int(ttl * 1000), 2**40))


_all = View()
get, set, delete, keys, scan, view = _all.get, _all.set, _all.delete, _all.keys, _all.scan, _all.view  # noqa: A001
