# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 as it lies on the wire: bytes of a client and of a service, and what each of them sees of the other."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402
import raw  # noqa: E402

CONFIG = """
[server]
listen = ["127.0.0.1:0"]
workers = 1
log_level = "debug"
response_headers = []
{server}
[[plugin]]
name = "router"
file = "router_eureka.so"
[plugin.config]
eureka_urls = []
fetch = false
register = false
routes = [{{ id = "service", uri = "http://127.0.0.1:{port}", predicates = ["Path=/**"] }}]
{plugins}
[[pipeline]]
match = {{ path = "/**" }}
filters = [{filters}"router"]
"""
GET = b"GET /x HTTP/1.1\r\nHost: shop\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UPGRADE = (b"GET /chat HTTP/1.1\r\nHost: shop\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
SWITCH = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
          b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")


class Case(unittest.TestCase):
    server, plugins, filters = "", "", ""  # a class's own configuration

    def setUp(self):
        scratch = harness.scratch()
        self.folder = scratch.__enter__()
        self.addCleanup(scratch.__exit__, None, None, None)
        self.origin = raw.Origin()
        self.addCleanup(self.origin.stop)
        config = self.folder / "gateway.toml"
        config.write_text(CONFIG.format(server=self.server, plugins=self.plugins, filters=self.filters,
                                        port=self.origin.port))
        self.gateway = harness.Gateway(config, cwd=self.folder)
        self.addCleanup(self.gateway.kill)
        self.addCleanup(self.gateway.stop)  # when all connections of the test are closed

    def client(self, data=b"", receive_buffer=None):
        line = raw.connect(self.gateway.port, receive_buffer)
        self.addCleanup(line.close)
        return line.send(data)

    def service(self):
        line = self.origin.accept()
        self.addCleanup(line.close)
        return line

    def joined(self):
        """A client and a service in a WebSocket connection."""
        client = self.client(UPGRADE)
        service = self.service()
        service.head()
        service.send(SWITCH)
        self.assertEqual(client.head().status, 101)
        return client, service


class WebSocket(Case):
    def test_upgrade_and_bytes_both_ways(self):
        client = self.client(UPGRADE)
        service = self.service()
        seen = service.head()
        self.assertEqual(seen.all("Upgrade"), ["websocket"])
        self.assertEqual(seen.all("Connection"), ["Upgrade"])
        self.assertEqual(seen.all("Sec-WebSocket-Key"), ["dGhlIHNhbXBsZSBub25jZQ=="])
        service.send(SWITCH + b"\x81\x05hello")  # bytes right behind the head
        head = client.head()
        self.assertEqual((head.status, head.all("Upgrade"), head.all("Connection")), (101, ["websocket"], ["Upgrade"]))
        self.assertEqual(head.all("Sec-WebSocket-Accept"), ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="])
        self.assertEqual(head.all("Content-Length") + head.all("Transfer-Encoding"), [])
        self.assertEqual(client.exactly(7), b"\x81\x05hello")
        for number in range(100):
            client.send(b"GET /%d HTTP/1.1\r\n\r\n" % number)
            service.until(b"GET /%d HTTP/1.1\r\n\r\n" % number)
            service.send(b"\x00\xff%d" % number)
            client.until(b"\x00\xff%d" % number)
        service.close()
        self.assertEqual(client.rest(), b"")

    def test_early_bytes_follow_the_handshake(self):
        client = self.client(UPGRADE + b"early")
        service = self.service()
        service.head()
        client.send(b" and more")
        service.send(SWITCH)
        self.assertEqual(service.exactly(14), b"early and more")
        self.assertEqual(client.head().status, 101)

    def test_ends_are_passed_on(self):
        client, service = self.joined()
        client.send(b"bye").end_output()
        self.assertEqual(service.rest(), b"bye")
        self.assertEqual(service.ended, "closed")
        service.send(b"x" * 300000).end_output()
        self.assertEqual(len(client.rest()), 300000)
        self.assertEqual(client.ended, "closed")

    def test_reset_is_passed_on(self):
        client, service = self.joined()
        service.reset()
        client.rest()
        client, service = self.joined()
        client.reset()
        service.rest()
        self.assertIsNotNone(service.ended)

    def test_other_protocols_are_not_passed_on(self):
        table = {
            "h2c": (b"h2c", b"Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
            "two": (b"websocket, h2c", b"Upgrade", b""),
            "tls": (b"TLS/1.0", b"Upgrade", b""),
            "not nominated": (b"websocket", b"keep-alive", b""),
            "key nominated": (b"websocket", b"Upgrade, Sec-WebSocket-Key", b""),
            "version nominated": (b"websocket", b"Upgrade, Sec-WebSocket-Version", b""),
            "a body": (b"websocket", b"Upgrade", b"Content-Length: 2\r\n"),
            "two lines": (b"websocket\r\nUpgrade: h2c", b"Upgrade", b""),
        }
        for what, (protocol, connection, more) in table.items():
            with self.subTest(what):
                request = (UPGRADE[:-2] + more + b"\r\n").replace(
                    b"Upgrade: websocket", b"Upgrade: " + protocol).replace(
                    b"Connection: keep-alive, Upgrade", b"Connection: " + connection)
                client = self.client(request + (b"ab" if b"Content-Length" in more else b""))
                service = self.service()
                seen = service.head()
                self.assertEqual(seen.all("Upgrade") + seen.all("Connection") + seen.all("HTTP2-Settings"), [])
                service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                self.assertEqual(client.answer()[0].status, 200)
        client = self.client(UPGRADE.replace(b"GET", b"POST"))
        self.assertEqual(self.service().head().all("Upgrade"), [])

    def test_what_services_answer(self):
        refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
        wrong = SWITCH.replace(b"Upgrade: WebSocket", b"Upgrade: h2c")
        silent = SWITCH.replace(b"Connection: Upgrade\r\n", b"")
        table = [(UPGRADE, refused, 403), (UPGRADE, OK, 200), (UPGRADE, wrong, 502), (UPGRADE, silent, 502),
                 (GET, SWITCH, 502)]
        for request, answer, status in table:
            with self.subTest(answer=answer, request=request[:8]):
                client = self.client(request)
                service = self.service()
                service.head()
                service.send(answer)
                self.assertEqual(client.answer()[0].status, status)
                # The client's connection is one of HTTP still.
                client.send(b"GET /actuator-not HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
                if status == 502:
                    service.rest()
                    service = self.service()
                service.head()
                service.send(OK)
                self.assertEqual(client.answer()[1], b"ok")
                service.close()

    def test_backpressure_both_ways(self):
        megabyte = b"m" * (1 << 20)
        for forward in (True, False):
            client, service = self.joined()
            writer, reader = (client, service) if forward else (service, client)
            sent = 0
            writer.socket.settimeout(1)
            try:  # until the sockets and the gateway's bound are full
                while sent < 256 << 20:
                    sent += writer.socket.send(megabyte)
            except TimeoutError:
                pass
            self.assertLess(sent, 64 << 20)
            writer.socket.settimeout(harness.DEADLINE_S)
            reader.send(b"still there?")  # the other direction flows all the while
            self.assertEqual(writer.exactly(12), b"still there?")
            reader.skip(sent)
            writer.close()
            reader.rest()

    def test_metrics_and_pooled_connections(self):
        client, service = self.joined()
        another = self.client(GET)  # a WebSocket's connection is in no pool
        other = self.service()
        other.head()
        other.send(OK)
        self.assertEqual(another.answer()[1], b"ok")
        client.close()
        service.rest()


class WebSocketTimes(Case):
    server = 'websocket_idle_timeout = "400ms"\nwrite_timeout = "400ms"\ndrain_timeout = "1s"\n'

    def test_idle_connection_is_closed(self):
        client, service = self.joined()
        for _ in range(4):  # whoever talks is not idle
            client.send(b"a")
            self.assertEqual(service.exactly(1), b"a")
            self.wait_idle(client, 0.2)
        client.rest()
        service.rest()

    def wait_idle(self, line, seconds):
        line.socket.settimeout(seconds)
        with self.assertRaises(TimeoutError):
            line.socket.recv(1)
        line.socket.settimeout(harness.DEADLINE_S)

    def test_a_side_that_does_not_read_is_cut_off(self):
        client, service = self.joined()
        with self.assertRaises(OSError):
            while True:
                service.socket.send(b"m" * (1 << 20))
        client.rest()

    def test_stop_ends_it(self):
        client, service = self.joined()
        self.gateway.stop()
        client.rest()
        service.rest()


class WebSocketFilters(Case):
    plugins = """
[[plugin]]
name = "metrics"
file = "metrics.so"
"""
    filters = '"metrics", '

    def scrape(self, name):
        text = self.gateway.request("GET", "/actuator/prometheus").body.decode()
        return [line for line in text.splitlines() if line.startswith(name)]

    def test_its_exchange_is_over_when_the_connection_begins(self):
        client, service = self.joined()
        client.send(b"x")
        service.exactly(1)
        harness.wait_for("the gauge", lambda: "gateway_websockets 1" in self.scrape("gateway_websockets"))
        self.assertIn("gateway_exchanges 0", self.scrape("gateway_exchanges"))
        self.assertTrue(any('status="101"' in line for line in self.scrape("http_server_requests_seconds_count")))
        self.assertTrue(self.gateway.reload())  # it stays open over a reload, and keeps nothing of the old generation
        harness.wait_for("the old generation's end", lambda: self.scrape("gateway_generations_retiring ")
                         == ["gateway_generations_retiring 0"])
        client.send(b"y")
        self.assertEqual(service.exactly(1), b"y")
        client.close()
        service.rest()
        service.close()
        harness.wait_for("its end", lambda: "gateway_websockets 0" in self.scrape("gateway_websockets"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
