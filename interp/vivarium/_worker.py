# SPDX-License-Identifier: Apache-2.0
"""A worker without jail and zygote, for tests and for looking around."""

from vivarium import _runtime


def main(requests_fd=3, answers_fd=4):
    _runtime.prepare()
    _runtime.work(requests_fd, answers_fd)
