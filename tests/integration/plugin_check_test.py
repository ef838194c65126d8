# SPDX-License-Identifier: Apache-2.0
"""gateway-plugin-check: passes every plugin that is shipped, and finds what is wrong with one that is spoilt.

    GW_BUILD=build/release tests/integration/plugin_check_test.py
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402

CHECKS = ["loads", "interfaces", "configuration", "life", "exchanges", "bodies", "departures", "replay", "reloads"]
CONFIGS = {
    "auth_jwt": "",
    "cors": '[[rules]]\npath = "/**"\nallowed_origins = ["https://shop.example"]\n',
    "echo": "",
    "hello": "",
    "metrics": "",
    "router_eureka": '[[routes]]\nid = "a"\nuri = "http://127.0.0.1:8081"\npredicates = ["Path=/**"]\n',
    "tracing": "",
    "waiting_queue": 'store = "memory"\n',
}


def check(plugin, config="", *arguments):
    """Exit status and, of each check, whether it is ok and its line."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(config)
        file.flush()
        done = subprocess.run([harness.BUILD / "bin" / "gateway-plugin-check", plugin, "--config", file.name, *arguments],
                              capture_output=True, text=True, timeout=harness.DEADLINE_S * 4)
    results = {line.split()[1]: (line.startswith("ok "), line) for line in done.stdout.splitlines()
               if line.startswith(("ok ", "WRONG "))}
    return done.returncode, results, done.stdout + done.stderr


class PluginCheck(unittest.TestCase):
    def test_what_is_shipped_is_good(self):
        shipped = {path.stem for path in (harness.BUILD / "plugins").glob("*.so")}
        self.assertEqual(shipped, set(CONFIGS), "a plugin is missing here")
        for name, config in CONFIGS.items():
            with self.subTest(name):
                status, results, text = check(harness.BUILD / "plugins" / f"{name}.so", config)
                self.assertEqual(status, 0, text)
                self.assertEqual(list(results), CHECKS)

    def test_what_is_shipped_exports_its_entry_alone(self):
        for plugin in (harness.BUILD / "plugins").glob("*.so"):
            with self.subTest(plugin.name):
                shown = subprocess.run(["nm", "-D", "--defined-only", "-j", plugin], capture_output=True, text=True, check=True)
                self.assertEqual(shown.stdout.split(), ["gw_plugin_entry"])

    def spoilt(self, way, *arguments):
        return check(harness.BUILD / "tests" / "plugins" / "spoilt.so", f'way = "{way}"\n', *arguments)

    def test_what_is_spoilt_is_found(self):
        table = {  # way: the checks that must fail, and what one of them says
            "": ([], ""),
            "exit": (["configuration"], "ends the process in create or create_part, with status 0"),
            "start": (["life", "exchanges", "bodies", "departures", "reloads"], "does not call `started`"),
            "timer": (["exchanges", "bodies", "reloads"], "left 1 tickets behind"),
            "descriptor": (["life", "reloads"], "leaves 2 descriptors open"),
            "thread": (["life"], "leaves 2 threads running"),
            "crash": (["exchanges"], "crashes with BREW /: Segmentation fault"),
            "throw": (["exchanges", "bodies", "reloads"], "lets an exception out of a callback: exception in on_request_head: thrown"),
            "twice": (["exchanges", "bodies", "departures", "reloads"], "a second answer"),
            "forget": (["exchanges", "reloads"], "the exchange is over"),
            "pieces": (["bodies"], "pieces of 7 comes to something else"),
        }
        if not harness.sanitized():  # which say it by themselves, or hide it
            table["leak"] = (["reloads"], "bytes a reload")
        else:
            del table["crash"], table["thread"]
        for way, (wrong, words) in table.items():
            with self.subTest(way):
                status, results, text = self.spoilt(way)
                self.assertEqual(status, 1 if wrong else 0, text)
                self.assertLessEqual(set(wrong), {name for name, (good, _) in results.items() if not good}, text)
                self.assertIn(words, text)
                if not wrong:
                    self.assertEqual(list(results), CHECKS)

    def test_a_configuration_that_is_needed_is_asked_for(self):
        shipped = harness.BUILD / "plugins" / "cors.so"
        for config, words in (("", "refuses to be without configuration (--config FILE)"),
                              ('ruls = []\n', 'unknown key "ruls" in [plugin.config] of checked; did you mean "rules"?')):
            status, results, text = check(shipped, config, "--only", "configuration")
            self.assertEqual(status, 1, text)
            self.assertIn(words, text)

    def test_what_hangs_is_ended(self):
        status, results, text = self.spoilt("hang", "--limit", "1", "--only", "life")
        self.assertEqual((status, list(results)), (1, ["life"]))
        self.assertIn("does not return within 1000 ms in create or create_part", text)

    def test_wrong_command_lines(self):
        for arguments in ([], ["a.so", "--only", "nothing"], ["a.so", "--config", "/absent"], ["--what"]):
            done = subprocess.run([harness.BUILD / "bin" / "gateway-plugin-check", *arguments], capture_output=True)
            self.assertEqual(done.returncode, 2, arguments)
        self.assertEqual(check(harness.BUILD / "tests" / "plugins" / "missing.so")[0], 1)
        self.assertIn("gw.telepathy/1", check(harness.BUILD / "tests" / "plugins" / "missing.so")[2])
        self.assertEqual(check("/absent.so")[0], 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
