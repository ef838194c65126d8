# SPDX-License-Identifier: Apache-2.0
"""Pages of other origins on the production configuration: what a browser would see."""

import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402

PAGE = {"Origin": "https://page.example"}
VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


class Cors(unittest.TestCase):
    def setUp(self):
        scratch = harness.scratch()
        self.folder = scratch.__enter__()
        self.addCleanup(scratch.__exit__, None, None, None)
        self.keys = self.part(harness.KeyServer(self.folder))
        self.seen = []
        self.service = self.part(harness.Server(self.serve))
        redis = self.part(harness.Redis(self.folder))
        eureka = self.part(harness.Eureka({"product-service": [self.service.port]}))
        self.gateway = self.part(harness.Gateway(harness.ROOT / "deploy" / "gateway.toml", {
            "REDIS_IP": "127.0.0.1", "REDIS_PORT": str(redis.port), "JWT_JWKS_URI": self.keys.url, "ZIPKIN_ENDPOINT": "",
            "EUREKA_CLIENT_SERVICEURL_DEFAULTZONE": eureka.url, "ALLOWED_IN_MAX_CAPACITY": "1"}, cwd=self.folder))
        harness.wait_for("the registry",
                         lambda: self.gateway.request("GET", "/api/v1/products").status == 200)

    def part(self, thing):
        self.addCleanup(thing.kill if isinstance(thing, harness.Process) else thing.stop)
        return thing

    def serve(self, handler):
        """A service that sees to CORS itself, as the original's do."""
        self.seen.append(handler.command)
        handler.send(200, json.dumps({}).encode(), headers=[
            ("Access-Control-Allow-Origin", "https://page.example"), ("Access-Control-Allow-Credentials", "true"),
            ("Vary", "Origin")])

    def assert_open(self, answer):
        self.assertEqual(answer.headers.get_all("Access-Control-Allow-Origin"), ["*"], answer)
        self.assertIsNone(answer.headers["Access-Control-Allow-Credentials"])
        named = ", ".join(answer.headers.get_all("Vary")).lower().split(", ")
        for name in VARY.lower().split(", "):
            self.assertEqual(named.count(name), 1, named)

    def test_preflights_are_answered_without_a_token(self):
        before = len(self.seen)
        for path in ("/api/v1/reservations", "/api/v1/products", "/api/v1/queue/lineup", "/api/v1/queue/stream"):
            for method in ("GET", "POST", "DELETE"):
                answer = self.gateway.request("OPTIONS", path, {
                    **PAGE, "Access-Control-Request-Method": method,
                    "Access-Control-Request-Headers": "authorization,content-type"})
                self.assertEqual((answer.status, answer.body), (200, b""), path)
                self.assert_open(answer)
                self.assertEqual(answer.headers["Access-Control-Allow-Methods"], method)
                self.assertEqual(answer.headers["Access-Control-Allow-Headers"], "authorization, content-type")
        self.assertEqual(len(self.seen), before)

    def test_every_answer_can_be_read(self):
        alice, bob = ({**PAGE, **self.keys.bearer(name)} for name in ("alice", "bob"))
        self.assert_open(self.gateway.request("GET", "/api/v1/products", PAGE))
        tokenless = self.gateway.request("POST", "/api/v1/reservations", PAGE)
        self.assertEqual(tokenless.status, 401)
        self.assert_open(tokenless)
        self.assert_open(self.gateway.request("POST", "/api/v1/queue/lineup", alice))
        self.assert_open(self.gateway.request("POST", "/api/v1/queue/lineup", bob))
        waits = self.gateway.request("POST", "/api/v1/reservations", bob)
        self.assertEqual(waits.status, 429)
        self.assert_open(waits)
        away = self.gateway.request("POST", "/api/v1/reservations", alice)
        self.assertEqual(away.status, 503)
        self.assert_open(away)
        nothing = self.gateway.request("GET", "/nothing", alice)
        self.assertEqual(nothing.status, 404)
        self.assert_open(nothing)
        stream = harness.EventStream(self.gateway.port, "/api/v1/queue/stream", bob)
        self.addCleanup(stream.close)
        stream.wait("STATUS_UPDATE")
        self.assertEqual(stream.headers["Access-Control-Allow-Origin"], "*")

    def test_who_is_no_page_of_another_origin(self):
        host = f"127.0.0.1:{self.gateway.port}"
        for headers in ({}, {"Origin": f"http://{host}"}):
            answer = self.gateway.request("GET", "/api/v1/products", headers)
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "https://page.example")  # the service's
            self.assertIn("Access-Control-Request-Method", ", ".join(answer.headers.get_all("Vary")))
        before = len(self.seen)
        for origin in ("https://a, https://b", "https://a/path", "nonsense"):
            answer = self.gateway.request("GET", "/api/v1/products", {"Origin": origin})
            self.assertEqual((answer.status, answer.json()["error"]["code"]), (403, "FORBIDDEN"), origin)
        self.assertEqual(len(self.seen), before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
