# SPDX-License-Identifier: Apache-2.0
"""Traces on the production configuration: what services are told, and what Zipkin receives."""

import json
import pathlib
import re
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402

DEPLOYED = harness.ROOT / "deploy" / "gateway.toml"
PRODUCTS = "/api/v1/products"
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Zipkin(harness.Server):
    """Takes spans as Zipkin does; keeps them."""

    def __init__(self, port=0):
        self._lock, self.spans, self.posts = threading.Lock(), [], []
        super().__init__(self._answer, port)
        self.url = f"http://127.0.0.1:{self.port}/api/v2/spans"

    def _answer(self, handler):
        if handler.command != "POST" or handler.path != "/api/v2/spans":
            return handler.send(404)
        with self._lock:
            self.posts.append({name.lower(): value for name, value in handler.headers.items()})
            self.spans += json.loads(handler.body)
        return handler.send(202)

    def all(self):
        with self._lock:
            return list(self.spans)

    def find(self, kind, **tags):
        return [span for span in self.all()
                if span["kind"] == kind and all(span["tags"].get(n.replace("_", ".")) == v for n, v in tags.items())]

    def wait(self, kind, **tags):
        return harness.wait_for(f"a {kind} span with {tags}; got {self.all()}", lambda: self.find(kind, **tags))[0]


class Tracing(unittest.TestCase):
    def setUp(self):
        scratch = harness.scratch()
        self.folder = scratch.__enter__()
        self.addCleanup(scratch.__exit__, None, None, None)
        self.keys = self.part(harness.KeyServer(self.folder))
        self.service = self.part(harness.Service("product"))
        self.eureka = self.part(harness.Eureka({"product-service": [self.service.port], "user-service": [1]}))
        self.redis = self.part(harness.Redis(self.folder))

    def part(self, thing):
        self.addCleanup(thing.kill if isinstance(thing, harness.Process) else thing.stop)
        return thing

    def gateway(self, endpoint, config=DEPLOYED, **env):
        gateway = self.part(harness.Gateway(config, {
            "REDIS_IP": "127.0.0.1", "REDIS_PORT": str(self.redis.port), "JWT_JWKS_URI": self.keys.url,
            "EUREKA_CLIENT_SERVICEURL_DEFAULTZONE": self.eureka.url, "ZIPKIN_ENDPOINT": endpoint, **env},
            cwd=self.folder))
        harness.wait_for("the registry", lambda: gateway.request("GET", PRODUCTS).status == 200)
        return gateway

    def seen(self):
        """Headers of traces as the service got them with the newest request."""
        headers = self.service.requests[-1]["headers"]
        return {n: v for n, v in headers if n in ("traceparent", "tracestate", "b3") or n.startswith("x-b3-")}

    def test_spans_of_a_request(self):
        zipkin = self.part(Zipkin())
        gateway = self.gateway(zipkin.url)
        answer = gateway.request("GET", PRODUCTS + "/7?token=secret", {
            "traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=b", "b3": "0", "X-B3-Sampled": "0"})
        self.assertEqual(answer.status, 200)
        self.assertEqual(list(self.seen()), ["traceparent"])
        trace, parent, flags = TRACEPARENT.fullmatch(self.seen()["traceparent"]).groups()
        self.assertEqual((trace, flags), (TRACE, "01"))

        server = zipkin.wait("SERVER", http_url=PRODUCTS + "/7")
        client = [span for span in zipkin.find("CLIENT") if span["traceId"] == TRACE][0]
        self.assertEqual((server["traceId"], server["parentId"]), (TRACE, SPAN))
        self.assertEqual((client["id"], client["parentId"]), (parent, server["id"]))
        self.assertEqual(server["name"], "http get")
        self.assertEqual(server["localEndpoint"]["serviceName"], "gateway-server")
        self.assertEqual(server["tags"], {"exception": "none", "http.url": PRODUCTS + "/7", "method": "GET",
                                          "outcome": "SUCCESS", "status": "200", "uri": "UNKNOWN"})
        self.assertEqual(client["tags"]["spring.cloud.gateway.route.id"], "product-service")
        self.assertEqual(client["tags"]["spring.cloud.gateway.route.uri"], "lb://PRODUCT-SERVICE")
        self.assertEqual(client["tags"]["http.status_code"], "200")
        self.assertGreaterEqual(client["timestamp"], server["timestamp"])
        self.assertLessEqual(client["timestamp"] + client["duration"], server["timestamp"] + server["duration"] + 1)
        self.assertGreaterEqual(client["duration"], 1)
        self.assertNotIn("secret", json.dumps(zipkin.all()))
        self.assertEqual(zipkin.posts[0]["b3"], "0")
        self.assertEqual(zipkin.posts[0]["content-type"], "application/json")

    def test_errors_and_hostile_headers(self):
        zipkin = self.part(Zipkin())
        gateway = self.gateway(zipkin.url)
        refused = gateway.request("GET", "/api/v1/reservations")
        self.assertEqual(refused.status, 401)
        span = zipkin.wait("SERVER", http_url="/api/v1/reservations")
        self.assertEqual(refused.json()["traceId"], span["traceId"])
        broken = gateway.request("GET", "/api/v1/user/me", self.keys.bearer("alice"))
        self.assertIn(broken.status, (502, 503))
        span = zipkin.wait("SERVER", http_url="/api/v1/user/me")
        self.assertEqual(broken.json()["traceId"], span["traceId"])
        self.assertEqual(span["tags"]["error"], broken.json()["error"]["code"])

        traces = set()
        for value in (f"00-{TRACE}-{SPAN}-01" * 100, f"00-{TRACE.upper()}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01",
                      f"ff-{TRACE}-{SPAN}-01", "\"}],\"tags\":{", "%00"):
            gateway.request("GET", PRODUCTS, {"traceparent": value, "b3": value, "X-B3-TraceId": value})
            self.assertEqual(list(self.seen()), ["traceparent"])
            trace, _, flags = TRACEPARENT.fullmatch(self.seen()["traceparent"]).groups()
            self.assertEqual(flags, "01")
            traces.add(trace)
        self.assertEqual(len(traces), 6)
        self.assertNotIn(TRACE, traces)
        twice = (f"GET {PRODUCTS} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n"
                 + f"traceparent: 00-{TRACE}-{SPAN}-01\r\n" * 2 + "\r\n").encode()
        self.assertTrue(harness.raw_request(gateway.port, twice).startswith(b"HTTP/1.1 200"))
        self.assertEqual(list(self.seen()), ["traceparent"])
        self.assertNotIn(TRACE, self.seen()["traceparent"])

    def test_streams_and_the_last_spans(self):
        zipkin = self.part(Zipkin())
        gateway = self.gateway(zipkin.url)
        alice = self.keys.bearer("alice")
        stream = harness.EventStream(gateway.port, "/api/v1/queue/stream", alice)
        self.addCleanup(stream.close)
        stream.wait("ERROR")
        span = zipkin.wait("SERVER", http_url="/api/v1/queue/stream")  # while the stream is open
        self.assertEqual(span["tags"]["status"], "200")
        self.assertEqual(gateway.request("GET", PRODUCTS + "/last").status, 200)
        gateway.stop()
        self.assertTrue(zipkin.find("SERVER", http_url=PRODUCTS + "/last"))

    def test_reload_to_another_zipkin_loses_nothing(self):
        old, new = self.part(Zipkin()), self.part(Zipkin())
        config = self.folder / "gateway.toml"
        config.write_text(DEPLOYED.read_text())
        gateway = self.gateway(old.url, config)
        gateway.request("GET", PRODUCTS + "/old")
        config.write_text(DEPLOYED.read_text().replace("${ZIPKIN_ENDPOINT:http://localhost:9411/api/v2/spans}", new.url))
        self.assertTrue(gateway.reload())
        gateway.request("GET", PRODUCTS + "/new")
        new.wait("SERVER", http_url=PRODUCTS + "/new")
        old.wait("SERVER", http_url=PRODUCTS + "/old")
        self.assertEqual(old.find("SERVER", http_url=PRODUCTS + "/new"), [])

    def test_probability(self):
        zipkin = self.part(Zipkin())
        gateway = self.gateway(zipkin.url, TRACING_PROBABILITY="0.0")
        for _ in range(20):
            self.assertEqual(gateway.request("GET", PRODUCTS).status, 200)
            self.assertEqual(TRACEPARENT.fullmatch(self.seen()["traceparent"]).group(3), "00")
        gateway.request("GET", PRODUCTS + "/wanted", {"b3": f"{TRACE}-{SPAN}-1"})
        self.assertEqual(TRACEPARENT.fullmatch(self.seen()["traceparent"]).group(1, 3), (TRACE, "01"))
        zipkin.wait("SERVER", http_url=PRODUCTS + "/wanted")
        self.assertEqual({span["traceId"] for span in zipkin.all()}, {TRACE})

    def test_zipkin_away(self):
        port = harness.free_port()
        gateway = self.gateway(f"http://127.0.0.1:{port}/api/v2/spans")

        def counted(result):
            text = gateway.request("GET", "/actuator/prometheus").body.decode()
            found = re.search(r'^gateway_trace_spans_total\{result="%s"\} (\S+)$' % result, text, re.M)
            return float(found.group(1)) if found else 0

        for path in ("/a", "/b"):  # two batches at least
            before = counted("failed")
            self.assertEqual(gateway.request("GET", PRODUCTS + path).status, 200)
            harness.wait_for("the dropped spans", lambda: counted("failed") > before)
        zipkin = self.part(Zipkin(port))

        def arrives():
            gateway.request("GET", PRODUCTS + "/back")
            return zipkin.find("SERVER", http_url=PRODUCTS + "/back")
        harness.wait_for("spans after the outage", arrives)
        harness.wait_for("the counter", lambda: counted("reported") > 0)
        self.assertEqual(zipkin.find("SERVER", http_url=PRODUCTS + "/a"), [])
        lines = [line for line in gateway.log().splitlines() if "does not take spans" in line]
        self.assertLessEqual(len(lines), 2, lines)  # one for each worker that had any
        self.assertGreaterEqual(len(lines), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
