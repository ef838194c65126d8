# SPDX-License-Identifier: Apache-2.0
"""Neighbours that are away, files that are wrong, bytes that are hostile: the gateway says so and serves on."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402

LINEUP = "/api/v1/queue/lineup"
STREAM = "/api/v1/queue/stream"


class Faults(unittest.TestCase):
    def setUp(self):
        scratch = harness.scratch()
        self.folder = scratch.__enter__()
        self.addCleanup(scratch.__exit__, None, None, None)

    def part(self, thing):
        self.addCleanup(thing.kill if isinstance(thing, harness.Process) else thing.stop)
        return thing

    def default(self, text=None, **env):
        """The embedded default, in a folder of its own."""
        config = self.folder / "gateway.toml"
        config.write_text(text or (harness.ROOT / "gateway.toml").read_text())
        return self.part(harness.Gateway(config, env, cwd=self.folder))

    def health(self, gateway, component):
        answer = gateway.request("GET", "/actuator/health")
        return answer.status, answer.json()["components"].get(component, {}).get("status")

    def test_redis_and_eureka_away_at_start_and_later(self):
        keys = self.part(harness.KeyServer(self.folder))
        service = self.part(harness.Service("reservation"))
        redis_port, eureka_port = harness.free_port(), harness.free_port()
        gateway = self.part(harness.Gateway(harness.ROOT / "deploy" / "gateway.toml", {
            "REDIS_IP": "127.0.0.1", "REDIS_PORT": str(redis_port), "JWT_JWKS_URI": keys.url,
            "EUREKA_CLIENT_SERVICEURL_DEFAULTZONE": f"http://127.0.0.1:{eureka_port}/eureka/"}, cwd=self.folder))
        alice = keys.bearer("alice")
        down = gateway.request("POST", LINEUP, alice)
        self.assertEqual((down.status, down.json()["error"]["code"]), (503, "SERVICE_UNAVAILABLE"))
        self.assertEqual(gateway.request("GET", "/api/v1/products").status, 503)
        self.assertEqual(self.health(gateway, "redis"), (503, "DOWN"))

        redis = self.part(harness.Redis(self.folder, redis_port))
        harness.wait_for("the queue with Redis", lambda: gateway.request("POST", LINEUP, alice).status == 200)
        harness.wait_for("health", lambda: self.health(gateway, "redis")[1] == "UP")
        bob = harness.EventStream(gateway.port, STREAM, keys.bearer("bob"))
        self.addCleanup(bob.close)
        bob.wait("ERROR")
        redis.kill()
        harness.wait_for("503 without Redis", lambda: gateway.request("POST", LINEUP, alice).status == 503)
        self.assertFalse(bob.ended)
        bob.wait("HOLD")
        self.part(harness.Redis(self.folder, redis_port))
        harness.wait_for("the queue again", lambda: gateway.request("POST", LINEUP, alice).status == 200)
        self.assertFalse(bob.ended)
        # Each worker has its own connection, so the other one may need a moment more.
        harness.wait_for("bob's place", lambda: gateway.request("POST", LINEUP, keys.bearer("bob")).status == 200)
        bob.wait("ALLOWED_IN")
        bob.wait_end()

        registry = {"product-service": [service.port]}
        eureka = harness.Eureka(registry)
        eureka.stop()
        eureka = harness.Server(eureka._answer, eureka_port)  # the same answers on the awaited port
        harness.wait_for("the registry", lambda: gateway.request("GET", "/api/v1/products").status == 200)
        eureka.stop()
        for _ in range(20):  # the last registry is kept
            self.assertEqual(gateway.request("GET", "/api/v1/products").status, 200)
        service.stop()
        self.assertIn(gateway.request("GET", "/api/v1/products").json()["error"]["code"],
                      ("EXTERNAL_API_ERROR", "SERVICE_UNAVAILABLE"))
        gateway.stop()

    def test_bad_reload_changes_nothing(self):
        gateway = self.default()
        config = self.folder / "gateway.toml"
        good = config.read_text()
        broken = {
            "[server\n": r"gateway\.toml:1:\d+: ",
            good.replace("store = ", "stroe = "): r"gateway\.toml:\d+:\d+: .*stroe.*did you mean.*store",
            good.replace('"memory"', '"memori"'): r"gateway\.toml:\d+:\d+: ",
            good.replace("${SERVER_PORT:8080}", "${NO_SUCH_VARIABLE}"): r"gateway\.toml:\d+:\d+: .*NO_SUCH_VARIABLE",
            good.replace("echo.so", "nothing.so"): r"nothing\.so",
            good.replace('"auth", "queue"', '"queue", "auth"'): r"gateway\.toml:\d+:\d+: .*identity\.subject",
            good.replace('"auth", ', '"autf", '): r"gateway\.toml:\d+:\d+: .*autf.*did you mean.*auth",
            good.replace('"memory"', '"memory"\ncapacity = -1', 1).replace(
                'capacity = "${ALLOWED_IN_MAX_CAPACITY:100}"\n', ""): r"gateway\.toml:\d+:\d+: .*capacity",
        }
        for text, complaint in broken.items():
            self.assertNotEqual(text, good)
            config.write_text(text)
            with self.subTest(complaint=complaint):
                seen = len(gateway.lines)
                self.assertFalse(gateway.reload())
                gateway.wait_log(complaint, after=seen)
                self.assertEqual(gateway.request("GET", "/actuator/health").status, 200)
                self.assertEqual(gateway.request("GET", "/api/v1/user/me").status, 401)
                checked = subprocess.run([harness.GATEWAY, "check", config], capture_output=True, text=True)
                self.assertEqual(checked.returncode, 1)
                self.assertRegex(checked.stdout + checked.stderr, complaint)
        config.write_text(good)
        self.assertTrue(gateway.reload())
        self.assertEqual(subprocess.run([harness.GATEWAY, "check", config], capture_output=True).returncode, 0)
        gateway.stop()

    def test_bad_plugin_files(self):
        text_file, writable = self.folder / "text.so", self.folder / "writable.so"
        text_file.write_text("not a library")
        writable.write_bytes((harness.BUILD / "plugins" / "echo.so").read_bytes())
        writable.chmod(0o777)
        gateway = self.default()
        config = self.folder / "gateway.toml"
        good = config.read_text()
        for file, complaint in ((text_file, "text.so"), (writable, "writable.so")):
            config.write_text(good.replace("echo.so", str(file)))
            self.assertFalse(gateway.reload())
            self.assertIn(complaint, gateway.log())
            inspected = subprocess.run([harness.GATEWAY, "inspect", file], capture_output=True, text=True)
            self.assertNotEqual(inspected.returncode, 0)
        shown = subprocess.run([harness.GATEWAY, "inspect", harness.BUILD / "plugins" / "echo.so"],
                               capture_output=True, text=True)
        self.assertEqual(shown.returncode, 0)
        self.assertIn("0.1.0", shown.stdout)
        gateway.stop()

    def with_failing(self, file, fail, start_timeout):
        """A configuration with one plugin, which fails in that way when it is created."""
        config = self.folder / "gateway.toml"
        config.write_text(f'''[server]
listen = ["127.0.0.1:0"]
start_timeout = "{start_timeout}"
[[plugin]]
name = "bad"
file = "{harness.BUILD}/tests/plugins/{file}.so"
config = {{ fail = "{fail}" }}
[[pipeline]]
filters = ["bad"]
''')
        return config

    @unittest.skipIf(harness.sanitized(), "the sanitizer ends the process its own way")
    def test_commands_survive_plugins_that_do_not(self):
        """`check`, `inspect` and --help meet a plugin that dies or hangs in a child of theirs."""
        def command(*arguments):
            return subprocess.run([harness.GATEWAY, *arguments], capture_output=True, text=True, cwd=self.folder,
                                  timeout=harness.DEADLINE_S)
        for file, fail, said in (("swap_a", "crash", "crashed in create: SIGSEGV"),
                                 ("swap_a", "exit", "ended the process in create, with status 0"),
                                 ("swap_a", "hang", "did not return within 1000 ms in create"),
                                 ("swap_crash", "", "crashed while it was loaded: SIGSEGV")):
            with self.subTest(file=file, fail=fail):
                self.with_failing(file, fail, "1s")
                for arguments in (("check", "gateway.toml"), ("--config", "gateway.toml", "token"),
                                  ("--config", "gateway.toml")):  # the last one serves
                    refused = command(*arguments)
                    self.assertEqual(refused.returncode, 1, refused)
                    self.assertRegex(refused.stderr, rf"^gateway\.toml:4:1: plugin bad: .*{file}\.so {said}")
                    self.assertEqual(refused.stdout, "")
                helped = command("--help")
                self.assertEqual(helped.returncode, 0, helped)
                self.assertIn("inspect", helped.stdout)
        inspected = command("inspect", harness.BUILD / "tests" / "plugins" / "swap_crash.so")
        self.assertEqual(inspected.returncode, 1)
        self.assertIn("version: 1.0.0", inspected.stdout)
        self.assertIn('role (string, default "back") What it does.', inspected.stdout)
        self.assertIn("loads: no: it crashed: SIGSEGV", inspected.stdout)

    def test_a_reload_that_comes_too_early_waits(self):
        """SIGHUP while plugins are tried before the start is served after it; SIGTERM ends a start that hangs."""
        def started(fail):
            config = self.with_failing("swap_a", fail, "1m")
            gateway = harness.Process([harness.GATEWAY, "--config", config])
            self.addCleanup(gateway.kill)
            children = pathlib.Path(f"/proc/{gateway.child.pid}/task/{gateway.child.pid}/children")
            harness.wait_for("a child that tries the plugin", lambda: children.read_text() or gateway.log())
            gateway.signal(signal.SIGHUP)
            return gateway

        gateway = started("")
        gateway.wait_log("reload done: generation 2")
        self.assertEqual(gateway.stop(), 0)
        gateway = started("hang")
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.child.wait(harness.DEADLINE_S), -signal.SIGTERM)
        harness.wait_for("an end of those who tried the plugin", lambda: subprocess.run(
            ["pgrep", "-f", f"{self.folder}/gateway.toml"], stdout=subprocess.DEVNULL).returncode == 1)

    def test_reload_under_load_loses_nothing(self):
        gateway = self.default()
        config = self.folder / "gateway.toml"
        good = config.read_text()
        token = subprocess.run([harness.GATEWAY, "--config", config, "token", "--sub", "alice"], check=True,
                               capture_output=True, text=True).stdout.strip()
        bearer = {"Authorization": "Bearer " + token}
        bad, count, over = [], [0], threading.Event()

        def load():
            while not over.is_set():
                answer = gateway.request("GET", "/api/v1/products", bearer)
                count[0] += 1
                if answer.status != 200:
                    bad.append(answer)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for number in range(10):  # the queue is new now and then, the others carry over
                config.write_text(good + f"# {number}\n" if number % 2 else
                                  good.replace("capacity = ", f"status_interval = \"{5 + number}s\"\ncapacity = "))
                self.assertTrue(gateway.reload())
        finally:
            over.set()
            for thread in threads:
                thread.join()
        self.assertEqual(bad, [])
        self.assertGreater(count[0], 10)
        gateway.stop()

    def test_memory_store_survives_an_unrelated_reload(self):
        gateway = self.default(ALLOWED_IN_MAX_CAPACITY="1")
        config = self.folder / "gateway.toml"

        def bearer(sub):
            made = subprocess.run([harness.GATEWAY, "--config", config, "token", "--sub", sub], check=True,
                                  capture_output=True, text=True)
            return {"Authorization": "Bearer " + made.stdout.strip()}

        a, b = bearer("a"), bearer("b")
        gateway.request("POST", LINEUP, a)
        gateway.request("POST", LINEUP, b)
        stream = harness.EventStream(gateway.port, STREAM, b)
        self.addCleanup(stream.close)
        stream.wait("STATUS_UPDATE")
        config.write_text(config.read_text().replace('name = "echo"\n', 'name = "echo2"\n').replace('["echo"]', '["echo2"]'))
        self.assertTrue(gateway.reload())
        self.assertFalse(stream.ended)
        self.assertEqual(gateway.request("DELETE", "/api/v1/queue/allowed-in-token", a).status, 200)
        stream.wait("ALLOWED_IN")
        gateway.stop()

    def test_memory_store_keeps_everybody_when_its_settings_change(self):
        gateway = self.default()
        config = self.folder / "gateway.toml"
        config.write_text(config.read_text().replace("${ALLOWED_IN_MAX_CAPACITY:100}", "1"))
        self.assertTrue(gateway.reload())

        def bearer(sub):
            made = subprocess.run([harness.GATEWAY, "--config", config, "token", "--sub", sub], check=True,
                                  capture_output=True, text=True)
            return {"Authorization": "Bearer " + made.stdout.strip()}

        a, b, c = (bearer(name) for name in "abc")
        for user in (a, b, c):
            gateway.request("POST", LINEUP, user)
        stream = harness.EventStream(gateway.port, STREAM, b)
        self.addCleanup(stream.close)
        stream.wait("STATUS_UPDATE")
        config.write_text(config.read_text().replace('capacity = "1"', 'capacity = "2"'))
        self.assertTrue(gateway.reload())
        stream.wait("ALLOWED_IN")
        stream.wait_end()
        status = "/api/v1/queue/status"
        self.assertEqual(gateway.request("GET", status, a).json()["message"], "입장 가능합니다.")
        self.assertEqual(gateway.request("GET", status, c).json()["data"]["userQueuePosition"], 1)
        gateway.stop()

    def test_hostile_requests(self):
        gateway = self.default()
        table = {
            b"\x00\x01\x02\r\n\r\n": 400,
            b"GET / HTTP/1.1\r\n\r\n": 400,
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": 400,
            b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n": 400,
            b"GET //x HTTP/1.1\r\nHost: a\r\n\r\n": 400,
            b"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n": 400,
            b"GET /%2e%2e/b HTTP/1.1\r\nHost: a\r\n\r\n": 400,
            b"GET /a;b HTTP/1.1\r\nHost: a\r\n\r\n": 400,
            b"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n": 400,
            b"GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n": 400,
            b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n": 400,
            b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n": 400,
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n": 400,
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n": 400,
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n": 400,
            b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n": 400,
            b"GET / HTTP/1.1\r\nHost : a\r\n\r\n": 400,
            b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n": 400,
            b"GET / HTTP/2.0\r\nHost: a\r\n\r\n": (400, 505),
            b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n": 414,
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20000 + b"\r\n\r\n": 431,
            b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 200 + b"\r\n": 431,
        }
        for data, status in table.items():
            with self.subTest(request=data[:60]):
                got = harness.raw_request(gateway.port, data)
                self.assertRegex(got, rb"^HTTP/1\.[01] \d{3} ")
                self.assertIn(int(got.split(b" ")[1]), status if isinstance(status, tuple) else (status,))
                self.assertIs(json.loads(got.partition(b"\r\n\r\n")[2])["success"], False)
        # Header names that only look like the identity's are never believed.
        token = subprocess.run([harness.GATEWAY, "--config", self.folder / "gateway.toml", "token", "--sub",
                                "alice"], check=True, capture_output=True, text=True).stdout.strip()
        forged = {"X_User_Id": "root", "x-USER-id": "root", "Authorization": "Bearer " + token}
        echoed = gateway.request("GET", "/api/v1/user/me", forged).body.decode()
        self.assertIn("alice", echoed)
        self.assertNotIn("root", echoed)
        self.assertEqual(gateway.request("GET", "/actuator/health").status, 200)
        gateway.stop()

    def test_a_log_that_nobody_reads(self):
        """holds nothing up, not even the end."""
        config = self.folder / "gateway.toml"
        config.write_text('[server]\nlisten = ["unix:a.sock"]\n[[plugin]]\nname = "echo"\nfile = "echo.so"\n'
                          '[[pipeline]]\nfilters = ["echo"]\n')
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        filler = os.open(f"/proc/self/fd/{writer}", os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(filler, b"x" * 4096)
        os.close(filler)
        gateway = subprocess.Popen([harness.GATEWAY, "--config", config], stderr=writer, cwd=self.folder)
        self.addCleanup(gateway.wait)
        self.addCleanup(gateway.kill)
        os.close(writer)
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        harness.wait_for("the listener", lambda: client.connect_ex(str(self.folder / "a.sock")) == 0)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        self.assertTrue(client.recv(65536).startswith(b"HTTP/1.1 200"))
        gateway.send_signal(signal.SIGTERM)
        self.assertEqual(gateway.wait(harness.DEADLINE_S), 0)

    def test_stop_ends_streams_and_frees_the_port(self):
        gateway = self.default(ALLOWED_IN_MAX_CAPACITY="1")
        config = self.folder / "gateway.toml"
        token = subprocess.run([harness.GATEWAY, "--config", config, "token", "--sub", "alice"], check=True,
                               capture_output=True, text=True).stdout.strip()
        stream = harness.EventStream(gateway.port, STREAM, {"Authorization": "Bearer " + token})
        self.addCleanup(stream.close)
        stream.wait("ERROR")  # not lined up: the stream stays open
        gateway.stop()
        stream.wait_end()
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", gateway.port))

    def test_second_gateway_on_the_same_port_is_an_error(self):
        gateway = self.default()
        other = self.folder / "other"
        other.mkdir()
        (other / "gateway.toml").write_text((self.folder / "gateway.toml").read_text())
        second = harness.Process([harness.GATEWAY, "--config", other / "gateway.toml"], cwd=other,
                                 env={**os.environ, "SERVER_PORT": str(gateway.port)})
        self.addCleanup(second.kill)
        self.assertEqual(second.child.wait(harness.DEADLINE_S), 1)
        second._reader.join(5)
        self.assertRegex(second.log(), f"{gateway.port}.*(in use|already)")
        gateway.stop()

    def test_killed_gateway_loses_nobody(self):
        redis = self.part(harness.Redis(self.folder))
        keys = self.part(harness.KeyServer(self.folder))
        env = {"REDIS_IP": "127.0.0.1", "REDIS_PORT": str(redis.port), "JWT_JWKS_URI": keys.url,
               "ALLOWED_IN_MAX_CAPACITY": "1", "EUREKA_FETCH": "false", "EUREKA_REGISTER": "false"}
        config = harness.ROOT / "deploy" / "gateway.toml"
        first = self.part(harness.Gateway(config, env, cwd=self.folder))
        people = [keys.bearer(f"p{i}") for i in range(4)]
        for person in people:
            self.assertEqual(first.request("POST", LINEUP, person).status, 200)
        first.signal(signal.SIGKILL)
        second = self.part(harness.Gateway(config, env, cwd=self.folder))
        for place, person in enumerate(people):
            status = second.request("GET", "/api/v1/queue/status", person).json()
            if place == 0:
                self.assertEqual(status["message"], "입장 가능합니다.")
            else:
                self.assertEqual(status["data"]["userQueuePosition"], place)
        second.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
