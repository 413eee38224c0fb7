# SPDX-License-Identifier: Apache-2.0
"""vivariumd doctor --attack: what an operator runs on a machine of theirs."""

import json
import os
import subprocess
import tempfile
import unittest

from vivarium_testing import daemon as daemons, processes, waiting


class Doctor(unittest.TestCase):
    """It attacks a sandbox of its own and says what held."""

    def setUp(self):
        """A home without anything of the machine's."""
        home = tempfile.TemporaryDirectory(prefix="vivarium-test-")
        self.addCleanup(home.cleanup)
        self.home = home.name
        os.mkdir(f"{self.home}/tmp")

    def doctor(self, *arguments, config=""):
        """Returns the finished process; nothing of it may be left."""
        path = f"{self.home}/vivarium.toml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        before, mounts = set(processes.descendants(os.getpid())), processes.mounts()
        done = subprocess.run([daemons.DAEMON, "doctor", "--config", path, *arguments],
                              env=daemons.environment(self.home), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=3 * waiting.WATCHDOG, check=False)
        self.assertEqual(done.stderr, "")
        self.assertEqual(os.listdir(f"{self.home}/tmp"), [])
        self.assertEqual(set(processes.descendants(os.getpid())), before)
        self.assertEqual(processes.mounts(), mounts)
        return done

    def attacks(self, config=""):
        """Returns the status and what came of each attack by name."""
        done = self.doctor("--attack", "--json", config=config)
        report = json.loads(done.stdout)
        found = {one["attack"]: one for one in report["attacks"]}
        self.assertEqual(len(found), len(report["attacks"]))
        for outcome in ("held", "degraded", "broken"):
            self.assertEqual(report[outcome], sum(o["outcome"] == outcome for o in found.values()))
        return done.returncode, found

    def test_all_held(self):
        """As the daemon is shipped, on a machine that offers all of it."""
        status, found = self.attacks()
        self.assertEqual([one for one in found.values() if one["outcome"] != "held"], [])
        self.assertEqual(status, 0)
        self.assertGreater(len(found), 30)
        self.assertEqual({one["layer"] for one in found.values()} >= {
            "seccomp", "landlock", "mount_namespace", "pid_namespace", "network_namespace", "rlimits",
            "capabilities", "worker_uid"}, True)

    def test_without_seccomp(self):
        """Left out, its attacks succeed, and that is what is said; the others hold."""
        status, found = self.attacks("[sandbox]\nallow_degraded = [\"seccomp\"]\n")
        self.assertEqual(status, 1)
        for name in ("make a process", "run a program", "namespaces of its own", "sockets to others"):
            self.assertEqual((found[name]["outcome"], found[name]["layer"]), ("broken", "seccomp"), found[name])
        for name in ("files of the host", "looking around", "an endless loop", "the neighbour of all of them"):
            self.assertEqual(found[name]["outcome"], "held", found[name])

    def test_without_other_layers(self):
        """Broken where nothing else stops it, degraded where something does."""
        status, found = self.attacks("[sandbox]\nallow_degraded = [\"landlock\", \"rlimits\","
                                     " \"network_namespace\"]\n")
        self.assertEqual(status, 1)
        for name in ("looking around", "all memory", "threads without end", "descriptors without end"):
            self.assertEqual(found[name]["outcome"], "broken", found[name])
        self.assertEqual(found["a socket to the host"]["outcome"], "degraded")
        self.assertEqual(found["make a process"]["outcome"], "held")

    def test_text(self):
        """A line for each, for people, and the sum."""
        done = self.doctor("--attack")
        self.assertEqual(done.returncode, 0, done.stdout)
        lines = done.stdout.splitlines()
        self.assertTrue(lines[0].startswith("held      make a process"), lines[0])
        self.assertTrue(lines[-1].endswith(" held, 0 degraded, 0 broken."), lines[-1])

    def test_what_does_not_start(self):
        """An interpreter that is not there: broken, with the reason."""
        status, found = self.attacks("[environments.default]\npython = \"/nowhere/python3\"\n")
        self.assertEqual(status, 1)
        self.assertIn("/nowhere/python3", found["starting a sandbox"]["detail"])

    def test_facts_as_json(self):
        """Without --attack: what the machine offers."""
        done = self.doctor("--json")
        facts = json.loads(done.stdout)
        self.assertTrue(facts["complete"])
        self.assertEqual(done.returncode, 0)
        self.assertIn("landlock", [fact["name"] for fact in facts["facts"]])


if __name__ == "__main__":
    unittest.main()
