# SPDX-License-Identifier: Apache-2.0
"""Rich output: objects as MIME bundles, with the methods that notebooks look for."""

import sys

import _vivarium
from vivarium import Interrupted

_emit = _vivarium.emit
_METHODS = (
    ("_repr_html_", "text/html"),
    ("_repr_markdown_", "text/markdown"),
    ("_repr_svg_", "image/svg+xml"),
    ("_repr_png_", "image/png"),
    ("_repr_jpeg_", "image/jpeg"),
    ("_repr_latex_", "text/latex"),
    ("_repr_json_", "application/json"),
)


def display(*objects):
    """Shows objects to the client, each in every form that it offers."""
    for one in objects:
        _emit(bundle(one) or [("text/plain", _plain(one))])


def rich(value):
    """Displays a result that has a form beyond its repr."""
    parts = bundle(value)
    if parts:
        _emit(parts)


def bundle(value):
    """Returns the (type, data) pairs of a value that has a rich form, else an empty list. A form that
    cannot be made is left out."""
    if isinstance(value, type):
        return []  # A class has its instances' methods, unbound.
    found = {}
    if _is_figure(value):
        found["image/png"] = _png_of_figure(value)
    mime = _call(value, "_repr_mimebundle_")
    if isinstance(mime, tuple) and mime:
        mime = mime[0]
    if isinstance(mime, dict):
        found.update(mime)
    for method, mime_type in _METHODS:
        if mime_type not in found:
            found[mime_type] = _call(value, method)
    parts = [(name, data) for name, data in ((n, _data(n, d)) for n, d in found.items()) if data is not None]
    if parts and "text/plain" not in found:
        parts.append(("text/plain", _plain(value)))
    return parts


def _call(value, name):
    try:
        # On the type, like Python's own special methods: an object that answers to every name (a
        # mock, a proxy) has no rich form.
        if not hasattr(type(value), name):
            return None
        data = getattr(value, name)()
    except Interrupted:
        raise
    except BaseException:
        return None
    if isinstance(data, tuple) and data and name != "_repr_mimebundle_":
        data = data[0]  # With metadata.
    return data


def _data(mime_type, data):
    """Returns str or bytes that can travel, or None."""
    if not isinstance(mime_type, str) or not _clean(mime_type):
        return None
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    if isinstance(data, str):
        if mime_type in ("image/png", "image/jpeg"):
            return _from_base64(data)
        return data if _clean(data) else data.encode("utf-8", "backslashreplace").decode()
    if isinstance(data, (dict, list)) and mime_type.endswith("json"):
        import json

        try:
            return json.dumps(data)
        except (TypeError, ValueError, RecursionError):
            return None
    return None


def _clean(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _from_base64(text):
    import base64

    try:
        return base64.b64decode(text)
    except ValueError:
        return None


def _plain(value):
    try:
        return repr(value).encode("utf-8", "backslashreplace").decode()
    except Interrupted:
        raise
    except BaseException:
        return f"<{type(value).__name__} object whose repr fails>"


def _is_figure(value):
    module = sys.modules.get("matplotlib.figure")
    figure = getattr(module, "Figure", None)
    return isinstance(figure, type) and isinstance(value, figure)


def _png_of_figure(figure):
    import io

    out = io.BytesIO()
    figure.savefig(out, format="png", bbox_inches="tight")
    return out.getvalue()
