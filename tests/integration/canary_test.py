# SPDX-License-Identifier: Apache-2.0
"""A new generation on trial: it serves some of the requests, and takes over or is given up by itself.

    GW_BUILD=build/release tests/integration/canary_test.py
"""

import http.client
import json
import pathlib
import signal
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402

CONFIG = """
[server]
listen = ["127.0.0.1:0"]
workers = 2
canary_percent = 25
canary_time = "{time}"
watchdog_ms = {watchdog_ms}
{server}
[[plugin]]
name = "metrics"
file = "metrics.so"
[[plugin]]
name = "swap"
file = "{plugins}/{file}.so"
[plugin.config]
tag = "{tag}"
fail = "{fail}"
[[pipeline]]
filters = ["metrics", "swap"]
"""


class Case(unittest.TestCase):
    watchdog_ms = 5000  # a busy machine stalls loops too

    def setUp(self):
        self.folder = self.enterContext(harness.scratch())
        self.write("old")
        self.gateway = harness.Gateway(self.folder / "gateway.toml", cwd=self.folder)
        self.addCleanup(self.gateway.kill)

    def write(self, tag, fail="", time="60s", file="swap_a", server=""):
        (self.folder / "gateway.toml").write_text(CONFIG.format(
            plugins=harness.BUILD / "tests" / "plugins", tag=tag, fail=fail, time=time, file=file, server=server,
            watchdog_ms=self.watchdog_ms))

    def try_out(self, *arguments, **named):
        self.write(*arguments, **named)
        self.gateway.signal(signal.SIGHUP)
        self.gateway.wait_log("serves 25 % of new requests")

    def ask(self, times):
        """Statuses and tags of that many answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=harness.DEADLINE_S)
        seen = []
        for _ in range(times):
            connection.request("GET", "/")
            answer = connection.getresponse()
            body = answer.read().decode()
            tag = body.split(" ")[0].split(":")[-1] if answer.status == 200 else ""
            seen.append((answer.status, tag))
        connection.close()
        return seen

    def metric(self, name):
        text = self.gateway.request("GET", "/actuator/prometheus").body.decode()
        return [float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " ")][0]

    def states(self):
        answer = self.gateway.request("GET", "/actuator/plugins")
        return [each["state"] for each in json.loads(answer.body)["generations"]] if answer.status == 200 else None


class Canary(Case):
    def test_a_good_one_takes_over(self):
        self.try_out("new", time="3s")
        seen = self.ask(40)
        self.assertEqual(seen.count((200, "new")), 10, seen)
        self.assertEqual(seen.count((200, "old")), 30)
        self.gateway.wait_log("reload done: generation 2")
        self.assertEqual(set(self.ask(20)), {(200, "new")})
        self.assertEqual(self.metric('gateway_canaries_failed_total{reason="errors"}'), 0)

    def test_one_that_fails_is_given_up(self):
        self.try_out("new", fail="throw")
        seen = self.ask(200)
        self.assertIn((500, ""), seen)
        self.assertLess(seen.count((500, "")), 60)
        self.gateway.wait_log(r"reload refused: canary given up: \d+ of \d+ of its exchanges failed, 0 of \d+ of the "
                              "active generation's; generation 1 goes on")
        self.assertEqual(set(self.ask(50)), {(200, "old")})
        self.gateway.wait_log("instance swap has ended")
        harness.wait_for("the counter", lambda: self.metric('gateway_canaries_failed_total{reason="errors"}') == 1)
        self.write("newer", server="canary_max_errors_percent = 50")
        self.gateway.signal(signal.SIGHUP)
        self.gateway.wait_log("generation 3 serves 25 %")
        self.assertIn((200, "newer"), self.ask(8))

    def test_another_reload_ends_it(self):
        self.try_out("new")
        self.write("newest", time="300ms")
        self.gateway.signal(signal.SIGHUP)
        self.gateway.wait_log("canary given up: another reload was asked for")
        self.gateway.wait_log("reload done: generation 3")
        self.assertEqual(set(self.ask(20)), {(200, "newest")})
        harness.wait_for("the counter", lambda: self.metric('gateway_canaries_failed_total{reason="reload"}') == 1)

    def test_the_end_of_the_gateway_ends_it(self):
        self.try_out("new")
        harness.wait_for("the report", lambda: self.states() == ["canary", "active"])
        self.gateway.stop()
        self.gateway.wait_log("canary given up: the gateway ends")

    def test_what_can_have_one_owner_is_not_tried(self):
        self.write("new", file="swap_b")
        self.gateway.signal(signal.SIGHUP)
        self.gateway.wait_log("generation 2 is no canary: instance swap takes over what the one before it knows")
        self.gateway.wait_log("reload done: generation 2")

    def test_under_load(self):
        """Trials that end well and badly, one after another: no request is lost, none sees two generations."""
        over = threading.Event()
        bad = []

        def load():
            while not over.is_set():
                bad.extend(one for one in self.ask(50) if one[0] != 200)

        clients = [threading.Thread(target=load) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            for i in range(10):
                self.write(f"n{i}", time="100ms" if i % 2 else "60s")
                self.gateway.signal(signal.SIGHUP)
                self.gateway.wait_log(f"generation {i + 2} serves")
                if i % 2:
                    self.gateway.wait_log(f"reload done: generation {i + 2}")
        finally:
            over.set()
            for client in clients:
                client.join()
        self.assertEqual(bad, [])
        self.assertEqual(set(self.ask(10)), {(200, "n9")})
        self.gateway.stop()


class Stalls(Case):
    watchdog_ms = 100

    def test_one_that_holds_a_loop_is_given_up(self):
        self.try_out("new", fail="stall")
        self.ask(8)
        self.gateway.wait_log("canary given up: instance swap held a worker's loop; generation 1 goes on")
        self.assertEqual(set(self.ask(20)), {(200, "old")})
        harness.wait_for("the counter", lambda: self.metric('gateway_canaries_failed_total{reason="loop_held"}') == 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
