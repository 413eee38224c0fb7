# SPDX-License-Identifier: Apache-2.0
"""What tests of connections to the outside share: policies, and servers that end with the class."""

from .case import DaemonCase

LOOPBACK = 'allow_private = ["127.0.0.0/8", "::1"]\n'


def policy(name, allow, resolve=(), more=LOOPBACK):
    """Returns the tables of a policy; every name leads to 127.0.0.1."""
    rules = ", ".join(f'"{rule}"' for rule in allow)
    names = "".join(f'"{host}" = ["127.0.0.1"]\n' for host in resolve)
    return (f"[egress.{name}]\nallow = [{rules}]\n{more}"
            + (f"[egress.{name}.resolve]\n{names}" if names else ""))


class EgressCase(DaemonCase):
    """A daemon with policies for servers that the class starts."""

    @classmethod
    def serve(cls, made):
        """Returns a server that ends with the class."""
        cls.addClassCleanup(made.close)
        return made
