# SPDX-License-Identifier: Apache-2.0
"""Makes wheels and source distributions by hand: no network, no build tools."""

import base64
import hashlib
import io
import os
import tarfile
import zipfile


def wheel(folder, name, version="1.0", files=None, requires=(), extras=(), tag="py3-none-any", padding=0):
    """Writes a wheel and returns its path. `files` maps paths to text; without them it is one module
    with its version. `requires` are lines of Requires-Dist, `extras` names of extras; `padding` is how long the description in its metadata is."""
    files = dict(files or {f"{name}.py": f"VERSION = {version!r}\n"})
    info = f"{name}-{version}.dist-info"
    files[f"{info}/METADATA"] = "".join(
        f"{line}\n" for line in ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}",
                                 *(f"Provides-Extra: {extra}" for extra in extras),
                                 *(f"Requires-Dist: {need}" for need in requires)))
    files[f"{info}/WHEEL"] = ("Wheel-Version: 1.0\nGenerator: by-hand\nRoot-Is-Purelib: true\n"
                              f"Tag: {tag}\n")
    if padding:
        files[f"{info}/METADATA"] += "\n" + "a" * padding
    record = ""
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=")
        record += f"{path},sha256={digest.decode()},{len(content.encode())}\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    path = os.path.join(folder, f"{name}-{version}-{tag}.whl")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if padding else zipfile.ZIP_STORED) as archive:
        for inside, content in files.items():
            # One date for all: equal content makes equal files.
            archive.writestr(zipfile.ZipInfo(inside, (2020, 1, 1, 0, 0, 0)), content, archive.compression)
    return path


def sdist(folder, name, version="1.0", setup="raise SystemExit('it does not build')\n"):
    """Writes a source distribution whose build runs that setup.py, and nothing else; returns its path."""
    path = os.path.join(folder, f"{name}-{version}.tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        for inside, content in (("setup.py", setup),
                                ("pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "setup"\n'
                                                   'backend-path = ["."]\n'),
                                ("PKG-INFO", f"Metadata-Version: 1.2\nName: {name}\nVersion: {version}\n")):
            data = content.encode()
            entry = tarfile.TarInfo(f"{name}-{version}/{inside}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def digest(path):
    """The SHA-256 of a file, as locks have it."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
