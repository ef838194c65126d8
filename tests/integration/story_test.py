# SPDX-License-Identifier: Apache-2.0
"""The main job from end to end: one sale with one seat, told three times.

With two gateways (the production configuration) on one Redis behind nginx; with one gateway and the
memory store; and on the embedded default, with nothing else installed.
"""

import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402

LINEUP = "/api/v1/queue/lineup"
STATUS = "/api/v1/queue/status"
STREAM = "/api/v1/queue/stream"
RESERVATIONS = "/api/v1/reservations"


class Story(unittest.TestCase):
    def tell(self, first, second, bearer, reservation_seen, stream_port=None):
        """`first`, `second`: ports of two ways in; `reservation_seen()`: headers of the newest reservation."""
        a, b, c = (bearer(f"user-{name}") for name in "abc")

        lined_up = harness.request(first, "POST", LINEUP, a)
        self.assert_success(lined_up, "바로 입장 가능합니다.")
        again = harness.request(second, "POST", LINEUP, a)
        self.assert_success(again, "이미 입장 가능한 상태입니다.")
        self.assert_success(harness.request(first, "GET", STATUS, a), "입장 가능합니다.")
        for user in (b, c):
            self.assert_success(harness.request(first, "POST", LINEUP, user), "대기열에 등록되었습니다.")

        stream = harness.EventStream(stream_port or second, STREAM, b)
        self.addCleanup(stream.close)
        self.assertEqual(stream.status, 200)
        self.assertTrue(stream.headers["Content-Type"].startswith("text/event-stream"))
        self.assertEqual(self.place(stream.wait("STATUS_UPDATE")[0]), (2, 1, 1))

        waiting = harness.request(second, "POST", RESERVATIONS, b, b"{}")
        self.assertEqual(waiting.status, 429, waiting)
        self.assertEqual(waiting.json()["message"], "대기 중입니다.")
        self.assertEqual(self.place(waiting.json()["data"]), (2, 1, 1))
        self.assert_failure(harness.request(first, "POST", RESERVATIONS, bearer("stranger"), b"{}"),
                            403, "NOT_IN_QUEUE")
        tokenless = harness.request(first, "POST", RESERVATIONS, {}, b"{}")
        self.assert_failure(tokenless, 401, "USER_ID_REQUIRED", "로그인이 필요합니다.")
        self.assertTrue(tokenless.headers["WWW-Authenticate"].startswith("Bearer"))

        forged = {"X-User-Id": "somebody-else", "x-user-type": "ADMIN", **a}
        passed = harness.request(second, "POST", RESERVATIONS, forged, b'{"seat":1}')
        self.assertEqual(passed.status, 200, passed)
        seen = reservation_seen(passed)
        self.assertEqual([v for n, v in seen if n.lower() == "x-user-id"], ["user-a"])
        self.assertEqual([v for n, v in seen if n.lower() == "x-user-type"], ["CUSTOMER"])

        left = harness.request(first, "DELETE", "/api/v1/queue/allowed-in-token", a)
        self.assert_success(left, "입장 토큰이 무효화되었습니다.")
        self.assertEqual(stream.wait("ALLOWED_IN")[0], {"message": "입장 가능합니다."})
        stream.wait_end()
        self.assertEqual(stream.events[-1][0], "ALLOWED_IN")
        self.assertEqual([e[0] for e in stream.events].count("ALLOWED_IN"), 1)
        self.assertEqual(harness.request(first, "POST", RESERVATIONS, b, b"{}").status, 200)

        now_first = harness.request(first, "GET", STATUS, c)
        self.assertEqual(self.place(now_first.json()["data"]), (1, 1, 0))
        self.assert_failure(harness.request(first, "DELETE", "/api/v1/queue/allowed-in-token", a),
                            404, "NOT_FOUND", "무효화할 입장 토큰이 없습니다.")
        gone = harness.request(second, "DELETE", "/api/v1/queue/waiting-token", c)
        self.assert_success(gone, "대기열 토큰이 무효화되었습니다.")
        self.assert_failure(harness.request(second, "GET", STATUS, c), 404, "USER_ID_NOT_FOUND")

    def assert_success(self, answer, message):
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        body = answer.json()
        self.assertIs(body["success"], True)
        self.assertEqual(body["message"], message)
        self.assertRegex(body["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")

    def assert_failure(self, answer, status, code, message=None):
        self.assertEqual(answer.status, status, answer)
        body = answer.json()
        self.assertIs(body["success"], False)
        self.assertEqual(body["error"]["code"], code)
        self.assertEqual(body["error"]["status"], status)
        if message:
            self.assertEqual(body["error"]["message"], message)

    def place(self, data):
        return data["totalQueueSize"], data["userQueuePosition"], data["usersBehind"]

    def newest(self, service):
        return lambda _: service.requests[-1]["headers"]

    def test_two_gateways_on_one_redis_behind_nginx(self):
        with harness.scratch() as folder:
            keys = harness.KeyServer(folder)
            self.addCleanup(keys.stop)
            reservations, products = harness.Service("reservation"), harness.Service("product")
            eureka = harness.Eureka({"reservation-service": [reservations.port],
                                     "product-service": [products.port]})
            for server in (reservations, products, eureka):
                self.addCleanup(server.stop)
            redis = harness.Redis(folder)
            self.addCleanup(redis.kill)
            env = {"REDIS_IP": "127.0.0.1", "REDIS_PORT": str(redis.port), "JWT_JWKS_URI": keys.url,
                   "EUREKA_CLIENT_SERVICEURL_DEFAULTZONE": eureka.url, "ALLOWED_IN_MAX_CAPACITY": "1"}
            gateways = []
            for number in (1, 2):
                gateway = harness.Gateway(harness.ROOT / "deploy" / "gateway.toml", env, cwd=folder)
                self.addCleanup(gateway.kill)
                gateways.append(gateway)
                harness.wait_for("the registry", lambda g=gateway: g.request(
                    "GET", "/api/v1/products").status == 200)
            one, two = gateways
            nginx = harness.Nginx(folder, [one.port, two.port], two.port)
            self.addCleanup(nginx.kill)
            self.tell(one.port, two.port, keys.bearer, self.newest(reservations), nginx.port)
            for path in ("/reservation-service/api/v1/reservations", "/api/v1/reservations/",
                         "/reservation-seat-service/api/v1/reservation-seats/1/preempt"):
                self.assert_failure(one.request("POST", path, keys.bearer("stranger"), b"{}"), 403, "NOT_IN_QUEUE")
            # Once more by way of nginx alone, whichever gateway it picks.
            self.assertEqual(redis.command("DEL", "queue:wait", "allowedIn:users", "queue:counter"), 2)
            redis.command("FLUSHALL")
            self.tell(nginx.port, nginx.port, keys.bearer, self.newest(reservations))
            for gateway in gateways:
                gateway.stop()
            self.assertEqual(eureka.registered, {})

    def test_memory_store(self):
        with harness.scratch() as folder:
            keys = harness.KeyServer(folder)
            self.addCleanup(keys.stop)
            reservations = harness.Service("reservation")
            self.addCleanup(reservations.stop)
            config = folder / "gateway.toml"
            config.write_text(f"""
[server]
listen = ["127.0.0.1:0"]
workers = 2
[[plugin]]
name = "auth"
file = "auth_jwt.so"
[plugin.config]
jwks_uri = "{keys.url}"
[[plugin]]
name = "queue"
file = "waiting_queue.so"
[plugin.config]
store = "memory"
capacity = 1
[[plugin]]
name = "router"
file = "router_eureka.so"
[plugin.config]
fetch = false
register = false
services = [{{ name = "RESERVATION-SERVICE", endpoints = ["127.0.0.1:{reservations.port}"] }}]
[[plugin.config.routes]]
id = "reservations"
uri = "lb://RESERVATION-SERVICE"
predicates = ["Path=/api/v1/reservations/**"]
[[pipeline]]
match = {{ path = "/**" }}
filters = ["auth", "queue", "router"]
""")
            gateway = harness.Gateway(config)
            self.addCleanup(gateway.kill)
            self.tell(gateway.port, gateway.port, keys.bearer, self.newest(reservations))
            gateway.stop()

    def test_embedded_default(self):
        with harness.scratch() as folder:
            (folder / "gateway.toml").write_text((harness.ROOT / "gateway.toml").read_text())
            config = folder / "gateway.toml"
            gateway = harness.Gateway(config, {"ALLOWED_IN_MAX_CAPACITY": "1"}, cwd=folder)
            self.addCleanup(gateway.kill)

            def bearer(sub):
                made = subprocess.run([harness.GATEWAY, "--config", config, "token", "--sub", sub, "--claim",
                                       "userType=CUSTOMER"], check=True, capture_output=True, text=True)
                return {"Authorization": "Bearer " + made.stdout.strip()}

            def seen(answer):  # the echo service answers with what it received
                headers = json.loads(answer.body)["headers"]
                if isinstance(headers, dict):
                    return [(n, v) for n, vs in headers.items() for v in (vs if isinstance(vs, list) else [vs])]
                return [tuple(pair) for pair in headers]

            self.tell(gateway.port, gateway.port, bearer, seen)
            self.assertRegex(gateway.log(), "(?i)development")
            gateway.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
