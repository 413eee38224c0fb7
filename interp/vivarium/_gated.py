# SPDX-License-Identifier: Apache-2.0
"""Modules that can always be imported and do something only where the session was given it: `sql` and
`store`, which are the daemon's, and boto3, which is taught where it may go. What is installed or lies in
the workspace under such a name goes before."""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader

OURS = {"sql": "_sql.py", "store": "_store.py"}
_session = {"aws": None, "egress": False}


def told(egress, aws):
    """In a session: whether it has a way out, and the endpoint of its AWS grant."""
    _session.update(egress=egress, aws=aws)


class _Last:
    """Finds our modules when nobody else has one of that name."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        file = OURS.get(name)
        if file is None:
            return None
        path = os.path.join(os.path.dirname(__file__), file)
        spec = ModuleSpec(name, SourceFileLoader(name, path), origin=path)
        spec.has_location = True
        return spec


class _First:
    """Sees botocore's session come in."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "botocore.session":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Taught(spec.loader)
        return spec


class _Taught:
    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        _teach(module.Session)

    def __getattr__(self, name):
        return getattr(self._loader, name)


def _teach(session):
    plain = session.create_client

    def create_client(self, service_name, *args, **keywords):
        if _session["aws"] is None and not _session["egress"]:
            raise PermissionError(
                f"boto3 is not allowed in this session: no client for {service_name!r}; `capabilities.boto3` of "
                "CreateSession, with an `egress` policy that allows the service's host, would allow it"
            )
        if _session["aws"] and len(args) < 5 and keywords.get("endpoint_url") is None:
            from botocore.config import Config

            keywords["endpoint_url"] = _session["aws"]
            # Buckets are no names that the session could resolve.
            path = Config(s3={"addressing_style": "path"})
            given = keywords.get("config")
            keywords["config"] = path if given is None else path.merge(given)
        return plain(self, service_name, *args, **keywords)

    create_client.__doc__ = plain.__doc__
    session.create_client = create_client


_SYSTEM = "/etc/ssl/certs/ca-certificates.crt"
_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS")


def trust(certificate, folder):
    """Writes the certificates that clients have to trust, the system's and the daemon's own, and returns
    the variables by which they find them."""
    try:
        with open(_SYSTEM, encoding="ascii") as file:
            system = file.read()
    except OSError:
        system = ""
    path = os.path.join(folder, ".vivarium-ca.pem")
    with open(path, "w", encoding="ascii") as file:
        file.write(system + certificate)
    return dict.fromkeys(_TRUST, path)


def install():
    """In the zygote, before anything is imported that it is about."""
    sys.meta_path.insert(0, _First)
    sys.meta_path.append(_Last)
