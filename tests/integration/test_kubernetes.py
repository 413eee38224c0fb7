# SPDX-License-Identifier: Apache-2.0
"""The manifests: each is what its kind takes, they belong together, and the daemon runs under them."""

import ctypes
import json
import os
import subprocess
import tomllib
import unittest

import yaml
from kubernetes import client

from vivarium_testing import daemon as daemons, waiting

ROOT = os.path.abspath(f"{__file__}/../../..")
FOLDER = f"{ROOT}/deploy/kubernetes"
MODELS = {
    "Namespace": client.V1Namespace, "ServiceAccount": client.V1ServiceAccount,
    "ConfigMap": client.V1ConfigMap, "Service": client.V1Service,
    "StatefulSet": client.V1StatefulSet, "PodDisruptionBudget": client.V1PodDisruptionBudget,
    "NetworkPolicy": client.V1NetworkPolicy,
}


def documents(name):
    """Returns the manifests of a file."""
    with open(f"{FOLDER}/{name}", encoding="utf-8") as file:
        return list(yaml.safe_load_all(file))


def typed(value, kind, path, wrong):
    """Collects what a typed model does not know, or misses, anywhere below."""
    if kind.startswith("list["):
        for index, item in enumerate(value):
            typed(item, kind[5:-1], f"{path}[{index}]", wrong)
    elif kind.startswith("dict("):
        for key, item in value.items():
            typed(item, kind[:-1].split(", ")[1], f"{path}.{key}", wrong)
    elif hasattr(client, kind):
        model = getattr(client, kind)
        names = {model.attribute_map[name]: name for name in model.openapi_types}
        if not isinstance(value, dict):
            wrong.append(f"{path} is no {kind}")
            return
        wrong.extend(f"{path}.{key} is unknown to {kind}" for key in value if key not in names)
        known = {names[key]: item for key, item in value.items() if key in names}
        try:
            model(**known)  # Checks what is required, and the values of enumerations.
        except ValueError as error:
            wrong.append(f"{path}: {error}")
        for name, item in known.items():
            typed(item, model.openapi_types[name], f"{path}.{name}", wrong)
    elif kind in ("str", "int", "bool"):
        if type(value).__name__ != kind:
            wrong.append(f"{path} is {value!r}, no {kind}")
    elif kind != "object":
        wrong.append(f"{path}: nobody checks a {kind}")


class Manifests(unittest.TestCase):
    """All of them, as the cluster would read them."""

    def setUp(self):
        """By kind and name."""
        self.all = {(one["kind"], one["metadata"]["name"]): one
                    for one in documents("vivarium.yaml")}

    def pod(self):
        """The pods that run the daemon."""
        return self.all["StatefulSet", "vivarium"]["spec"]["template"]

    def test_typed_models_take_them(self):
        """No unknown field, nothing missing, no value of a wrong type."""
        wrong = []
        for (kind, name), one in self.all.items():
            typed(one, MODELS[kind].__name__, f"{kind} {name}", wrong)
        self.assertEqual(wrong, [])

    def test_the_check_sees_mistakes(self):
        """An unknown field, a missing one, a wrong type."""
        wrong = []
        typed({"spec": {"ports": [{"port": "80"}, {}], "cluster": 1}}, "V1Service", "it", wrong)
        self.assertEqual(len(wrong), 3, wrong)

    def test_they_belong_together(self):
        """What one names the others have."""
        labels = self.pod()["metadata"]["labels"]
        spec = self.all["StatefulSet", "vivarium"]["spec"]
        self.assertIn(("Service", spec["serviceName"]), self.all)
        selectors = [spec["selector"]["matchLabels"],
                     self.all["Service", "vivarium"]["spec"]["selector"],
                     self.all["Service", "vivarium-nodes"]["spec"]["selector"],
                     self.all["PodDisruptionBudget", "vivarium"]["spec"]["selector"]["matchLabels"],
                     self.all["NetworkPolicy", "vivarium"]["spec"]["podSelector"]["matchLabels"]]
        for selector in selectors:
            self.assertLessEqual(selector.items(), labels.items())
        [container] = self.pod()["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        for service in ("vivarium", "vivarium-nodes"):
            for port in self.all["Service", service]["spec"]["ports"]:
                self.assertIn(port["targetPort"], ports)
        volumes = {volume["name"] for volume in self.pod()["spec"]["volumes"]} | {
            claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
        self.assertEqual({mount["name"] for mount in container["volumeMounts"]}, volumes)
        self.assertGreater(self.pod()["spec"]["terminationGracePeriodSeconds"], 30)
        [monitor] = documents("monitoring.yaml")
        self.assertLessEqual(monitor["spec"]["selector"]["matchLabels"].items(),
                             self.all["Service", "vivarium-nodes"]["metadata"]["labels"].items())

    def test_least_privileges(self):
        """Nothing is privileged, nothing runs as root, no capability is left."""
        pod = self.pod()["spec"]
        self.assertTrue(pod["securityContext"]["runAsNonRoot"])
        self.assertFalse(pod["automountServiceAccountToken"])
        self.assertNotIn("hostNetwork", pod)
        self.assertNotIn("hostPID", pod)
        [container] = pod["containers"]
        self.assertEqual(container["securityContext"]["capabilities"], {"drop": ["ALL"]})
        self.assertIs(container["securityContext"]["privileged"], False)
        self.assertIs(container["securityContext"]["allowPrivilegeEscalation"], False)
        self.assertIs(container["securityContext"]["readOnlyRootFilesystem"], True)

    def test_the_configuration_is_one(self):
        """What the daemon itself says to it."""
        text = self.all["ConfigMap", "vivarium"]["data"]["vivarium.toml"]
        self.assertIn("auth", tomllib.loads(text))
        done = subprocess.run([daemons.DAEMON, "--check", "--config", "/dev/stdin"], input=text,
                              text=True, capture_output=True, timeout=waiting.WATCHDOG, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def under_profile():
    """What a container runtime does in the child before it becomes the daemon."""
    with open(f"{FOLDER}/seccomp.json", encoding="utf-8") as file:
        profile = json.load(file)
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    allow, errno_of = 0x7FFF0000, 0x00050000
    made = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(allow)))
    for rule in profile["syscalls"]:
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number < 0 or library.seccomp_rule_add(
                    made, ctypes.c_uint32(errno_of | rule["errnoRet"]), number, 0):
                raise OSError(f"no rule for {name}")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or library.seccomp_load(made):  # PR_SET_NO_NEW_PRIVS
        raise OSError("the profile cannot be loaded")


class Profile(unittest.TestCase):
    """The daemon under the pod's seccomp profile, which forbids new privileges as well."""

    def test_sessions_work(self):
        """A session starts, in all of its sandbox, and evaluates."""
        with daemons.Daemon(before=under_profile) as daemon, daemon.client() as one:
            self.assertEqual(one.value("6*7"), 42)
            status = one.value("import ctypes\nctypes.CDLL(None).syscall(156, 0)")
            self.assertEqual(status, -1)


if __name__ == "__main__":
    unittest.main()
