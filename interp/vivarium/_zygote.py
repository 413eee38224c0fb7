# SPDX-License-Identifier: Apache-2.0
"""The zygote: a prepared interpreter that never runs tenant code and only forks workers."""

import gc
import importlib
import sys

import _vivarium
from vivarium import _rehearsal, _runtime

REQUESTS_FD, ANSWERS_FD = 3, 4


def main():
    preload = _vivarium.zygote_adopt()
    _runtime.prepare()
    for name in preload:
        try:
            importlib.import_module(name)
        except BaseException as error:
            _vivarium.zygote_report_failure(f"preload of {name}: {type(error).__name__}: {error}"[:4096])
            sys.exit(1)
    _rehearsal.rehearse(preload)
    _runtime.warm_up()
    gc.collect()
    gc.freeze()
    _vivarium.zygote_serve(_child)


def _child(awaited):
    _runtime.work(REQUESTS_FD, ANSWERS_FD, awaited)
