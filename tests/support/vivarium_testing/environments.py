# SPDX-License-Identifier: Apache-2.0
"""The fixture of the tests that build environments: a state directory, a directory of wheels."""

import os
import shutil
import tempfile

from . import case, http_api, wheels

SERVICE = "EnvironmentService/"
# Waits until a file is there: a build that takes as long as a test wants.
SLOW_SETUP = """
import os, sys, time
print("waiting", flush=True)
open({started!r}, "w").close()
while not os.path.exists({release!r}):
    time.sleep(0.01)
sys.exit("it was let go")
"""


class EnvironmentCase(case.DaemonCase):
    """A daemon that builds from wheels of the test's own."""

    more_config = ""
    server_config = ""

    @classmethod
    def setUpClass(cls):
        """Makes the wheels, starts the daemon."""
        # Not below /tmp, which every session has of its own.
        cls.top = tempfile.mkdtemp(prefix="vivarium-envs-", dir="/var/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.top, ignore_errors=True)
        os.chmod(cls.top, 0o755)
        cls.wheels = f"{cls.top}/wheels"
        os.mkdir(cls.wheels)
        cls.make_wheels()
        own = (f'[server]\nstate_dir = "{cls.top}/state"\n{cls.server_config}\n'
               f'[builds]\nwheels = "{cls.wheels}"\ninstaller = "pip"\nconcurrent = 2\n')
        cls.config = own + cls.more_config
        super().setUpClass()

    @classmethod
    def make_wheels(cls):
        """Makes what all tests may install."""
        wheels.wheel(cls.wheels, "alpha", requires=["beta>=1", 'gamma; extra == "more"'], extras=["more"])
        wheels.wheel(cls.wheels, "beta", "1.5")
        wheels.wheel(cls.wheels, "gamma", "2.0")

    def folders(self):
        """What is in the state directory."""
        top = f"{self.top}/state/environments"
        return sorted(name for name in os.listdir(top)
                      if os.path.isdir(f"{top}/{name}")) if os.path.isdir(top) else []

    def register(self, name, client=None, force=False, for_all=False, **spec):
        """Declares an environment and returns it; it goes with the test."""
        client = client or self.client
        made = client.call(SERVICE + "RegisterEnvironment", {
            "name": name, "spec": spec, "force": force, "forAll": for_all})["environment"]
        self.registered.append((name, client.headers))
        return made

    def setUp(self):
        """Takes stock of nothing that a test registers."""
        super().setUp()
        self.registered = []

    def tearDown(self):
        """Leaves no environment behind, and with it no pool."""
        for name, headers in self.registered:
            self.forget(name, headers)
        super().tearDown()

    def forget(self, name, headers):
        """Removes an environment that may have gone already."""
        with self.daemon.client() as client:
            client.headers = headers
            try:
                client.call(SERVICE + "RemoveEnvironment", {"name": name})
            except http_api.ApiError as error:
                self.assertEqual(error.code, "not_found", error)

    def build(self, name, client=None, **fields):
        """Builds it; returns the lines of the log and the environment. Raises ApiError."""
        lines = []
        # A stream that ends with an error leaves its connection in no state to go on with.
        with self.daemon.client() as own:
            own.headers = (client or self.client).headers
            for message in own.messages(SERVICE + "BuildEnvironment", {"name": name, **fields}):
                if "environment" in message:
                    return lines, message["environment"]
                lines.append(message["line"])
        raise AssertionError("the build ended with nothing")

    def build_fails(self, name, *texts, client=None):
        """A build that fails and says why; returns the error."""
        with self.assertRaises(http_api.ApiError) as caught:
            self.build(name, client)
        for text in texts:
            self.assertIn(text, caught.exception.message)
        return caught.exception

    def get(self, name, client=None):
        """Returns an environment as it stands."""
        return (client or self.client).call(SERVICE + "GetEnvironment", {"name": name})["environment"]

    def make(self, name, *requirements, client=None, **spec):
        """Declares and builds; returns the environment."""
        self.register(name, client, requirements=requirements, **spec)
        return self.build(name, client)[1]
