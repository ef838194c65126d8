# SPDX-License-Identifier: Apache-2.0
"""Plugins that go wrong while they serve: what they cannot be trusted with is refused and counted, who holds a
loop is named, and so is who brings the process down.

    GW_BUILD=build/release tests/integration/misuse_test.py
"""

import concurrent.futures
import http.client
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402

CONFIG = """
[server]
listen = ["127.0.0.1:0"]
workers = 1
[[plugin]]
name = "metrics"
file = "metrics.so"
[[plugin]]
name = "nasty"
file = "{plugins}/swap_a.so"
[plugin.config]
fail = "{fail}"
[[pipeline]]
filters = ["metrics", "nasty"]
"""


class Misuse(unittest.TestCase):
    def start(self, folder, fail):
        config = folder / "gateway.toml"
        config.write_text(CONFIG.format(plugins=harness.BUILD / "tests" / "plugins", fail=fail))
        gateway = harness.Gateway(config, cwd=folder)
        self.addCleanup(gateway.kill)
        return gateway

    def counted(self, gateway, what):
        text = gateway.request("GET", "/actuator/prometheus").body.decode()
        line = f'gateway_plugin_misuse_total{{plugin="nasty",what="{what}"}} '
        return sum(float(each[len(line):]) for each in text.splitlines() if each.startswith(line))

    def report(self, gateway):
        return gateway.request("GET", "/actuator/plugins").json()["instances"]

    @unittest.skipIf(harness.debug(), "they abort: below")
    def test_nonsense_is_refused_and_counted(self):
        for fail, what, status, request in (("late", "old_exchange", 200, ("GET", "/slow")),
                                            ("stream", "old_stream", 200, ("GET", "/")),
                                            ("twice", "second_answer", 500, ("GET", "/")),
                                            ("greedy", "body", 500, ("POST", "/", {}, b"x" * 100))):
            with self.subTest(fail), harness.scratch() as folder:
                gateway = self.start(folder, fail)
                with concurrent.futures.ThreadPoolExecutor(4) as clients:
                    answers = list(clients.map(lambda _: gateway.request(*request), range(8)))
                self.assertEqual({answer.status for answer in answers}, {status})
                self.assertGreaterEqual(self.counted(gateway, what), 4)
                gateway.wait_log('plugin instance "nasty" (calls|answers|consumed) ')
                gateway.stop()

    @unittest.skipUnless(harness.debug(), "other builds refuse, count and go on")
    def test_debug_builds_abort(self):
        for fail, words in (("twice", "answers an exchange a second time"), ("greedy", "consumed more of a body"),
                            ("stream", "calls write on a stream that is over")):
            with self.subTest(fail), harness.scratch() as folder:
                gateway = self.start(folder, fail)
                with self.assertRaises((OSError, http.client.HTTPException)):
                    for _ in range(2):
                        gateway.request("POST", "/", {}, b"x" * 100)
                self.assertEqual(gateway.child.wait(harness.DEADLINE_S), -signal.SIGABRT)
                gateway.wait_log(f'plugin instance "nasty" {words}')
                gateway.wait_log(r"crashes: SIGABRT in plugin nasty \(swap 1.0.0\), its misuse of the ABI")

    def test_a_waker_used_twice_resumes_once(self):
        with harness.scratch() as folder:
            gateway = self.start(folder, "wake_twice")
            with concurrent.futures.ThreadPoolExecutor(4) as clients:
                answers = list(clients.map(lambda _: gateway.request("GET", "/slow"), range(40)))
            self.assertEqual({answer.status for answer in answers}, {200})
            self.assertNotIn("gateway_plugin_misuse_total{", gateway.request("GET", "/actuator/prometheus").body.decode())
            gateway.stop()

    def test_who_holds_a_loop_is_named(self):
        with harness.scratch() as folder:
            gateway = self.start(folder, "stall")
            self.assertEqual(gateway.request("GET", "/").status, 200)
            gateway.wait_log(r"worker 0 has been held for \d+ ms by instance nasty")
            gateway.stop()

    @unittest.skipIf(harness.sanitized(), "the sanitizer says it")
    def test_who_crashes_is_named(self):
        with harness.scratch() as folder:
            gateway = self.start(folder, "serve")
            with self.assertRaises((OSError, http.client.HTTPException)):
                gateway.request("GET", "/")
            self.assertEqual(gateway.child.wait(harness.DEADLINE_S), -signal.SIGSEGV)
            gateway.wait_log(r"gateway [0-9.]+ crashes: SIGSEGV at 0x[0-9a-f]+ in plugin nasty \(swap 1.0.0\), "
                             "on_request_head")

    @unittest.skipIf(harness.sanitized(), "the sanitizer stands where threads are counted")
    def test_threads_of_a_plugin_are_its_own(self):
        """Code is not unmapped under its threads, and a crash on one of them is named, too."""
        with harness.scratch() as folder:
            gateway = self.start(folder, "thread")

            def threads():
                return [one["holds"]["threads"] for one in self.report(gateway) if one["name"] == "nasty"]
            harness.wait_for("the thread in the report", lambda: threads() == [1])
            config = folder / "gateway.toml"
            config.write_text(config.read_text().replace('fail = "thread"', 'fail = "thread_crash"').replace("swap_a", "swap_b"))
            self.assertTrue(gateway.reload(), gateway.log())
            gateway.wait_log("swap_a.so is not unloaded: 1 threads that it started still run")
            with self.assertRaises((OSError, http.client.HTTPException)):
                while True:
                    gateway.request("GET", "/")
            self.assertEqual(gateway.child.wait(harness.DEADLINE_S), -signal.SIGSEGV)
            gateway.wait_log(r"crashes: SIGSEGV at 0x[0-9a-f]+ in plugin swap_b \(swap 1.0.0\), a thread of its own")


if __name__ == "__main__":
    unittest.main(verbosity=2)
