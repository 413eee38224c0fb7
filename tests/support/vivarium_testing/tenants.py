# SPDX-License-Identifier: Apache-2.0
"""The fixture of the tests that need keys: a daemon with several tenants."""

from . import case, http_api, ws

CONFIG = """
[auth]
keys = "{folder}/keys"
"""


class TenantCase(case.DaemonCase):
    """One daemon with tenants of those names, a key for each, and one for the bystander."""

    tenants = {"a": "", "b": ""}  # name: lines of its configuration
    more_config = ""
    config = None

    @classmethod
    def setUpClass(cls):
        """Starts the daemon, makes the keys, has every tenant's pool filled."""
        everybody = {**cls.tenants, "bystander": ""}
        cls.config = CONFIG + "".join(
            f"[tenants.{name}]\n{lines}\n" for name, lines in everybody.items()) + cls.more_config
        super().setUpClass()
        cls.keys = {name: cls.daemon.keys("create", "--tenant", name) for name in everybody}
        cls.daemon.key = cls.keys["bystander"]
        for name in everybody:
            with cls.daemon.client(cls.keys[name]) as client:
                client.call("SessionService/CloseSession", {"session": client.create()})

    def setUp(self):
        """Opens a connection for each tenant."""
        super().setUp()
        self.of = {name: self.daemon.client(key) for name, key in self.keys.items()}
        self.theirs = []

    def tearDown(self):
        """Leaves nothing of the tenants behind, before the look for what was left."""
        for tenant, session in self.theirs:
            try:
                self.of[tenant].call("SessionService/CloseSession", {"session": session})
            except http_api.ApiError as error:
                self.assertEqual(error.code, "not_found", error)
        for client in self.of.values():
            client.close()
        super().tearDown()

    def session_of(self, tenant, name="", **fields):
        """Creates a session of a tenant that ends with the test."""
        self.theirs.append((tenant, self.of[tenant].create(name, **fields)))
        return self.theirs[-1][1]

    def socket_of(self, key):
        """Returns a WebSocket that shows that key and closes with the test."""
        opened = ws.WebSocket(self.daemon.address, headers=f"Authorization: Bearer {key}\r\n")
        self.websockets.append(opened)
        return opened
