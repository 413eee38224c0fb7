# SPDX-License-Identifier: Apache-2.0
"""What it means that a file is out of reach, in sessions that see directories of the host. The kernel
shows nothing of what is not given, so it is "not there", and what is given for reading is "read-only":
here both become the PermissionError that they are, with the option that would change it. Nothing here
allows or refuses anything."""

import builtins
import errno
import functools
import io
import os
import posix
import sys

_ONE = ("open", "listdir", "scandir", "mkdir", "rmdir", "unlink", "remove", "truncate", "chmod", "utime")
_TWO = ("rename", "replace", "link", "symlink")
# Of the sandbox's own and the interpreter's: what is missing there is missing.
_OWN = ("/session", "/workspace", "/tmp", "/dev", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/opt/vivarium")
_session = {"environment": "", "dirs": ()}


def told(environment, dirs):
    """In a session, once: what it sees, as pairs of a path and whether it may be written to."""
    _session.update(environment=environment, dirs=tuple((path, bool(write)) for path, write in dirs))
    for name in (*_ONE, *_TWO):
        function = getattr(posix, name)
        wrapped = _explaining(function)
        setattr(posix, name, wrapped)
        setattr(os, name, wrapped)
    builtins.open = io.open = _explaining(io.open)


def _below(path, folder):
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _given(path):
    """The directory that the path lies in, as it is written in the configuration, or None."""
    return next((pair for pair in _session["dirs"] if _below(path, pair[0])), None)


def _because(error, args):
    """A better exception, or None."""
    if error.errno not in (errno.ENOENT, errno.EROFS, errno.EACCES):
        return None
    # Not every error says which name it is about.
    names = (error.filename, error.filename2, *args[:2])
    found = (_because_of(name, error) for name in names if isinstance(name, (str, bytes, os.PathLike)))
    return next((better for better in found if better is not None), None)


def _because_of(name, error):
    # The way it was written, and where it leads, which may be out of the directory again.
    asked = os.path.abspath(os.fsdecode(name))
    real = os.path.realpath(asked)
    option = f"`dirs` of [environments.{_session['environment']}] of the configuration"
    given = _given(real)
    if given is not None:
        if error.errno != errno.EROFS:
            return None
        text = f"{given[0]} is shown for reading only; {option} could say \"write\""
    elif _given(asked) or not any(_below(real, own) for own in (*_OWN, sys.prefix, sys.base_prefix)):
        text = f"{real} is out of this session's reach; {option} could show its directory"
    else:
        return None
    return PermissionError(errno.EACCES, f"{os.strerror(errno.EACCES)}: {text}", os.fspath(name))


def _explaining(function):
    @functools.wraps(function)
    def call(*args, **keywords):
        try:
            return function(*args, **keywords)
        except OSError as error:
            better = _because(error, args)
            if better is None:
                raise
            raise better from None

    return call
