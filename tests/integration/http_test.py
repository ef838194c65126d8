# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 as it lies on the wire: bytes of a client and of a service, and what each of them sees of the other."""

import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import sys
import threading
import time
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
{services}
routes = [{{ id = "service", uri = "{uri}", predicates = ["Path=/**"]{route} }}]
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
    server, plugins, filters, route = "", "", "", ""  # a class's own configuration
    host = "127.0.0.1"  # of the service

    def setUp(self):
        scratch = harness.scratch()
        self.folder = scratch.__enter__()
        self.addCleanup(scratch.__exit__, None, None, None)
        self.origin = raw.Origin(self.host)
        self.addCleanup(self.origin.stop)
        config = self.folder / "gateway.toml"
        config.write_text(CONFIG.format(server=self.server, plugins=self.plugins, filters=self.filters,
                                        route=self.route, uri=self.uri(), services=self.services()))
        self.gateway = harness.Gateway(config, cwd=self.folder)
        self.addCleanup(self.gateway.kill)
        self.addCleanup(self.gateway.stop)  # when all connections of the test are closed

    def uri(self):
        """Of the route."""
        return f"http://[{self.host}]:{self.origin.port}" if ":" in self.host else f"http://{self.host}:{self.origin.port}"

    def services(self):
        """The router's own endpoints."""
        return ""

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


class Requests(Case):
    server = 'max_body_bytes = "1KiB"\n'

    def test_refused(self):
        """The service never sees them; the connection ends."""
        host = b"Host: shop\r\n"
        table = {
            b"BREW / HTTP/1.1\r\n" + host: 501,
            b"PROPFIND / HTTP/1.1\r\n" + host: 501,
            b"TRACE / HTTP/1.1\r\n" + host + b"Max-Forwards: 0\r\n": 501,
            b"CONNECT shop:443 HTTP/1.1\r\n" + host: 501,
            b"DESCRIBE / HTTP/1.1\r\n" + host: 400,
            b"GET / HTTP/1.1\r\nHost: .\r\n": 400,
            b"GET / HTTP/1.1\r\nHost: a..b\r\n": 400,
            b"GET / HTTP/1.2\r\n" + host: 505,
            b"GET / HTTP/3.0\r\n" + host: 505,
            b"GET / HTTP/2.0\r\n" + host: 400,
            b"GET / HTTP/0.9\r\n" + host: 400,
            b"GET /\r\n": 400,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n": 400,
            b"\x16\x03\x01\x02\x00\x01\x00\x01": 400,
            b"OPTIONS / HTTP/1.1\r\n" + host + b"Max-Forwards: x\r\n": 400,
            b"OPTIONS / HTTP/1.1\r\n" + host + b"Max-Forwards: 1, 2\r\n": 400,
            b"POST / HTTP/1.1\r\n" + host + b"Expect: 200-ok\r\n": 417,
            b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 1025\r\n": 413,
        }
        for data, status in table.items():
            with self.subTest(request=data[:40]):
                client = self.client(data + b"\r\n")
                head, body = client.answer()
                self.assertEqual(head.status, status)
                self.assertEqual(head.all("Via"), [])  # it is the gateway's own
                self.assertIn(b'"success":false', body)
                if status != 413:  # a body that is not sent leaves the connection open for a while
                    self.assertEqual(client.rest(), b"")

    def test_refused_with_the_request_line(self):
        """Nobody waits for lines behind one that no request has."""
        table = {b"GET /x\r\n": 400, b"GET /x\n": 400, b"GET /x?y\r\n": 400, b"OPTIONS *\r\n": 400, b"GET /x \r\n": 400,
                 b"GET http://shop/x\r\n": 400, b"GET /" + b"x" * 100 + b"\r\n": 400, b"\r\nGET /x\r\n": 400, b"REPORT /x\r\n": 400,
                 b"GET /x HTTP/0.9\r\n": 400, b"GET /x HTTP/2.0\r\n": 400, b"GET /x HTTP/1.2\r\n": 505, b"GET /x y HTTP/1.1\r\n": 400,
                 b"GET  /x HTTP/1.1\r\n": 400, b"GET /x  HTTP/1.1\r\n": 400, b"OPTIONS /x RTSP/1.0\r\n": 400,
                 b"BREW /x\r\n": 501, b"\n": 400, b"\r\n\n": 400, b"\r\r": 400, b"\r\n\r\n\r\n": 400}
        for line, status in table.items():
            for pieces in ([line], [line[:-1], line[-1:]], [line[:4], line[4:]]):
                with self.subTest(pieces):
                    client = self.client()
                    for piece in pieces:
                        client.send(piece)
                    self.assertEqual((client.answer()[0].status, client.rest()), (status, b""))
        client = self.client(b"GET /x HTTP/1.1\r\n")
        client.send(b"Host: shop\r\n\r\n")
        self.service().head()

    def test_max_forwards(self):
        client = self.client(b"OPTIONS /x HTTP/1.1\r\nHost: shop\r\nMax-Forwards: 0\r\n\r\n")
        head, body = client.answer()
        self.assertEqual((head.status, body), (200, b""))
        self.assertEqual(head.get("Allow"), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
        client.send(b"OPTIONS /x HTTP/1.1\r\nHost: shop\r\nMax-Forwards: 10\r\n\r\n")
        service = self.service()
        seen = service.head()
        self.assertEqual((seen.start, seen.all("Max-Forwards")), ("OPTIONS /x HTTP/1.1", ["9"]))
        service.send(OK)
        self.assertEqual(client.answer()[1], b"ok")
        client.send(GET[:-2] + b"Max-Forwards: 0\r\n\r\n")  # says nothing about other methods
        self.assertEqual(service.head().all("Max-Forwards"), ["0"])
        service.send(OK)
        self.assertEqual(client.answer()[1], b"ok")

    def test_chunks(self):
        """What a service sees of a chunked body: the bytes, in chunks of the gateway's own, without trailers."""
        post = b"POST /x HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n"
        good = {b"5\r\nhello\r\n0\r\n\r\n": b"hello", b'5;a=b;c="\\"d"\r\nhello\r\n0;x\r\n\r\n': b"hello",
                b"0\r\n\r\n": b"", b'5; \ta = "b;c"; d\r\nhello\r\n0\r\n\r\n': b"hello", b"0000000005\r\nhello\r\n0\r\nX-User-Id: root\r\n\r\n": b"hello"}
        for data, body in good.items():
            with self.subTest(data):
                client = self.client(post + data)
                service = self.service()
                seen = service.head()
                self.assertEqual(seen.all("Transfer-Encoding") + seen.all("Content-Length"), ["chunked"])
                self.assertEqual(seen.all("X-User-Id") + seen.all("Trailer"), [])
                self.assertEqual(service.chunks(), body)
                service.send(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")).close()
                self.assertEqual(client.answer()[1], b"ok")
        bad = {b"5 \r\nhello\r\n0\r\n\r\n": 400, b"-5\r\nhello\r\n": 400, b"0x5\r\nhello\r\n": 400,
               b"5\nhello\n0\n\n": 400, b"5\r\nhelloX\r\n0\r\n\r\n": 400, b"\r\n": 400,
               b"00000000000000005\r\nhello\r\n": 400, b"ffffffffffffffff\r\nx": 413, b"401\r\n" + b"x" * 1025: 413,
               b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n": 400,
               b"5;\r\nhello\r\n0\r\n\r\n": 400, b"5;;a\r\nhello\r\n0\r\n\r\n": 400, b"5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n": 400,
               b"5;a\nhello\r\n0\r\n\r\n": 400, b"5;a\rb\r\nhello\r\n0\r\n\r\n": 400, b"10000000000000000\r\n": 400,
               b"0\r\nA: b\n\r\n": 400, b"0\r\nA: b\r\n c\r\n\r\n": 400, b"0\r\n\n": 400,
               b"0\r\nbad name: x\r\n\r\n": 400, b"0\r\nX: " + b"a" * 9000 + b"\r\n\r\n": 400}
        for data, status in bad.items():
            with self.subTest(data[:20]):
                for at_once in (False, True):
                    client = self.client(post + (data if at_once else b""))
                    service = self.service()
                    if not at_once:
                        service.head()
                        client.send(data)
                    head, _ = client.answer()
                    self.assertEqual(head.status, status)
                    self.assertEqual(head.get("Connection"), "close")
                    self.assertNotIn(b"0\r\n\r\n", service.rest())
                    self.assertIsNotNone(service.ended)

    def test_expect_100_continue(self):
        post = b"POST /x HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        client = self.client(post)
        service = self.service()
        seen = service.head()
        self.assertEqual(seen.all("Expect"), [])  # the gateway's own business
        self.assertEqual(client.head().status, 100)
        client.send(b"hello")
        self.assertEqual(service.exactly(5), b"hello")
        service.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                     b"HTTP/1.1 103 Early Hints\r\nLink: </b>\r\nContent-Length: 3\r\n\r\n" + OK)
        self.assertEqual([client.head().all("Link") for _ in range(2)], [["</a>"], ["</b>"]])
        self.assertEqual(client.answer()[1], b"ok")
        # Too large: no 100, the answer at once.
        client = self.client(post.replace(b"5", b"5000"))
        self.assertEqual(client.head().status, 413)

    def test_forwarded(self):
        forged = (b"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Real-IP: 1.2.3.4\r\n"
                  b"X-Forwarded-Port: 443\r\nX-Forwarded-Prefix: /p\r\nX-Forwarded-: x\r\nForwarded: for=1.2.3.4\r\nX-Request-Id: abc\r\n"
                  b"Via: 1.0 before\r\n")
        self.client(b"GET /x HTTP/1.1\r\nHost: shop:8080\r\n" + forged + b"\r\n")
        seen = self.service().head()
        self.assertEqual([seen.all(name) for name in FORWARDED],
                         [["127.0.0.1"], ["http"], ["shop:8080"], ["8080"], [], [],
                          ['for=127.0.0.1;host="shop:8080";proto=http'], ["1.0 before", "1.1 gateway"]])
        self.assertEqual(seen.all("X-Forwarded-"), [])
        self.assertRegex(seen.get("X-Request-Id"), "^[0-9a-f]{32}$")


class Limits(Case):
    server = ('max_header_count = 1000\nmax_header_bytes = "1MiB"\nmax_upstream_header_count = 1000\n'
              'max_upstream_header_bytes = "1MiB"\n')

    def test_largest(self):
        """They hold, however a head comes: (fields, bytes of one) of a request and its answer, what comes of each."""
        largest = (1 << 20) - 100
        for request, answer, status in (((999, 1), (999, 1), 200), ((1000, 1), (0, 0), 431), ((0, 0), (1000, 1), 502),
                                        ((1, largest), (1, largest), 200), ((1, 1 << 20), (0, 0), 431), ((0, 0), (1, 1 << 20), 502)):
            said, told = (b"".join(b"X: %s\r\n" % (b"x" * size) for _ in range(count)) for count, size in (request, answer))
            for piece in (1000, 100_000, 2 << 20):
                with self.subTest(request=request, answer=answer, piece=piece):
                    client = self.client()
                    self.send(client, GET[:-2] + said + b"\r\n", piece)
                    if status != 431:
                        service = self.service()
                        self.assertEqual(len(service.head().all("X")), request[0])
                        self.send(service, OK.replace(b"OK\r\n", b"OK\r\n" + told), piece)
                    head = client.head()
                    self.assertEqual((head.status, len(head.all("X"))), (status, answer[0] if status == 200 else 0))
                    if status == 200:
                        service.close()

    def send(self, line, data, piece):
        with contextlib.suppress(ConnectionError):  # what was refused is not read
            for at in range(0, len(data), piece):
                line.send(data[at:at + piece])


FORWARDED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix",
             "X-Real-IP", "Forwarded", "Via")


class Trusted(Case):
    server = 'trusted_proxies = ["127.0.0.1"]\n'

    def test_forwarded(self):
        said = (b"X-Forwarded-For: 1.2.3.4, 5.6.7.8\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n"
                b"X-Forwarded-Host: shop.example\r\nX-Real-IP: 1.2.3.4\r\nX-Forwarded-Prefix: /p\r\nForwarded: for=1.2.3.4\r\n"
                b"X-Request-Id: abc\r\n")
        self.client(b"GET /x HTTP/1.1\r\nHost: shop\r\n" + said + b"\r\n")
        seen = self.service().head()
        self.assertEqual([seen.all(name) for name in FORWARDED],
                         [["1.2.3.4, 5.6.7.8, 9.9.9.9, 127.0.0.1"], ["https"], ["shop.example"], ["443"], ["/p"],
                          ["1.2.3.4"], ['for=1.2.3.4, for=127.0.0.1;host="shop";proto=https'], ["1.1 gateway"]])
        self.assertEqual(seen.all("X-Request-Id"), ["abc"])
        self.client(b"GET /x HTTP/1.1\r\nHost: shop\r\nX-Request-Id: a b\r\n\r\n")
        self.assertRegex(self.service().head().get("X-Request-Id"), "^[0-9a-f]{32}$")

    def test_one_value_reaches_the_service(self):
        """However many were said: the one at the client's place in X-Forwarded-For, counted from the right."""
        proto, host, port = b"X-Forwarded-Proto: ", b"X-Forwarded-Host: ", b"X-Forwarded-Port: "
        lone = b"X-Forwarded-For: 1.2.3.4\r\n"
        two = b"X-Forwarded-For: 9.9.9.9, 1.2.3.4, 127.0.0.1\r\n"  # the client, and a proxy that is trusted too
        own = ["http", "shop", "80"]
        table = [
            (lone + proto + b"http\r\n" + proto + b"https", ["https", "shop", "443"]),
            (lone + proto + b"https\r\n" + proto + b"http", own),
            (lone + proto + b"https, http", own),
            (two + proto + b"http, https, http", ["https", "shop", "443"]),
            (two + proto + b"http\r\n" + proto + b"https, http", ["https", "shop", "443"]),
            (two + proto + b"https", ["https", "shop", "443"]),  # handed on
            (lone + host + b"evil\r\n" + host + b"a.example", ["http", "a.example", "80"]),
            (two + host + b"evil, a.example:8443, b.internal", ["http", "a.example:8443", "8443"]),
            (lone + host + b"a.example:8443\r\n" + proto + b"https", ["https", "a.example:8443", "8443"]),
            (lone + host + b"a/b", own), (lone + host + b"u@a", own), (lone + host + b"a.example, ", own),
            (lone + proto + b"a b", own), (lone + proto + b"https, ", own), (lone + proto + b"\r\n" + proto, own),
            (lone + port + b"1\r\n" + port + b"8443", ["http", "shop", "8443"]),
            (lone + port + b"0", own), (lone + port + b"65536", own), (lone + port + b"x", own),
            (lone + proto + b"wss", ["wss", "shop", "443"]),
        ]
        for said, expected in table:
            with self.subTest(said):
                self.client(b"GET /x HTTP/1.1\r\nHost: shop\r\n" + said + b"\r\n\r\n")
                seen = self.service().head()
                self.assertEqual([seen.all(f"X-Forwarded-{name}") for name in ("Proto", "Host", "Port")],
                                 [[value] for value in expected])
        self.client(b"GET /x HTTP/1.1\r\nHost: shop\r\nX-Real-IP: 6.6.6.6\r\nX-Real-IP: [::1]:80\r\n\r\n")
        self.assertEqual(self.service().head().all("X-Real-IP"), ["::1"])

    def test_addresses_with_ports(self):
        for entry, address in (("1.2.3.4:5678", "1.2.3.4"), ("[2001:db8::1]:443", '"[2001:db8::1]"'),
                               ("[2001:db8::1]", '"[2001:db8::1]"'), ("1.2.3.4:x", "127.0.0.1")):
            with self.subTest(entry):
                self.client(b"GET /x HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: %s\r\n\r\n" % entry.encode())
                seen = self.service().head()
                self.assertEqual(seen.all("X-Forwarded-For"), [entry + ", 127.0.0.1"])
                self.assertEqual(seen.all("Forwarded"), [f'for={address};host="shop";proto=http'])


class Answers(Case):
    server = 'half_closed_timeout = "500ms"\n'

    def relay(self, answer, request=GET, close=False):
        """The client's line after that answer, and the service's."""
        client = self.client(request)
        service = self.service()
        service.head()
        service.send(answer)
        if close:
            service.close()
        return client, service

    def serves_on(self, client, service):
        """The next request comes over the same connection to the service, if `service`, else over a new one."""
        client.send(GET)
        if service is None:
            service = self.service()
        service.head()
        service.send(OK)
        self.assertEqual(client.answer()[1], b"ok")
        service.close()

    def test_taken(self):
        """status, body as the client sees it, framing fields, and whether the service's connection serves on."""
        chunked = b"Transfer-Encoding: chunked\r\n\r\n"
        table = [
            (b"200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ("2", None), True),
            (b"200 OK\r\n" + chunked + b'2;x="y"\r\nok\r\n0\r\nX-Trailer: x\r\n\r\n', 200, b"ok", (None, "chunked"), True),
            (b"204 No Content\r\n\r\n", 204, b"", (None, None), True),
            (b"204 No Content\r\nContent-Length: 0\r\n\r\n", 204, b"", (None, None), True),
            (b"204 No Content\r\nContent-Length: 2\r\n\r\n", 204, b"", (None, None), False),
            (b"204 No Content\r\n" + chunked, 204, b"", (None, None), False),
            (b"204 No Content\r\n" + chunked + b"0\r\n\r\n", 204, b"", (None, None), False),
            (b"205 Reset Content\r\nContent-Length: 2\r\n\r\nno", 205, b"", ("0", None), True),
            (b"205 Reset Content\r\n" + chunked + b"2\r\nno\r\n0\r\n\r\n", 205, b"", ("0", None), True),
            (b"205 Reset Content\r\n\r\n", 205, b"", ("0", None), False),
            (b"205 Reset Content\r\n" + chunked + b"2\r\nno\r\n", 205, b"", ("0", None), False),
            (b"103 Early Hints\r\nConnection: close\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 103, None, (None, None), False),
            (b"304 Not Modified\r\nContent-Length: 100\r\n\r\n", 304, b"", ("100", None), True),
            (b"200 OK\r\nContent-Length: 2\r\n\r\noksurplus", 200, b"ok", ("2", None), False),
            (b"200 OK\r\nContent-Length: 2\r\n\r\nok" + b"HTTP/1.1 " + OK, 200, b"ok", ("2", None), False),
            (b"200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", 200, b"ok", ("2", None), False),
            (b"200 \r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ("2", None), True),
            (b"200 OK\r\nContent-Length:\t2\t\r\n\r\nok", 200, b"ok", ("2", None), True),
            (b"102 Processing\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 102, None, (None, None), True),
        ]
        for answer, status, body, framing, reused in table:
            with self.subTest(answer[:70]):
                client, service = self.relay(b"HTTP/1.1 " + answer)
                head, got = client.answer()
                self.assertEqual(head.status, status)
                self.assertEqual((head.get("Content-Length"), head.get("Transfer-Encoding")), framing)
                self.assertEqual(head.all("X-Trailer"), [])
                if status < 200:
                    head, got = client.answer()
                self.assertEqual(head.all("Via"), ["1.1 gateway"])
                if body is not None:
                    self.assertEqual(got, body)
                self.serves_on(client, service if reused else None)

    def test_until_close(self):
        for version in (b"1.0", b"1.1"):
            client, _ = self.relay(b"HTTP/" + version + b" 200 OK\r\n\r\nall of it", close=True)
            head, body = client.answer()
            self.assertEqual((head.get("Transfer-Encoding"), body), ("chunked", b"all of it"))
            self.assertEqual(head.all("Via"), [version.decode() + " gateway"])
            self.serves_on(client, None)
        client, _ = self.relay(b"HTTP/1.1 200 OK\r\n\r\nall of it", b"GET /x HTTP/1.0\r\nHost: shop\r\n\r\n", close=True)
        head = client.head()
        self.assertEqual((head.get("Transfer-Encoding"), head.get("Connection")), (None, "close"))
        self.assertEqual(client.rest(), b"all of it")

    def test_head(self):
        for answer, framing in ((b"Content-Length: 9", ("9", None)), (b"Transfer-Encoding: chunked", (None, None)),
                                (b"X: y", (None, None))):
            with self.subTest(answer):
                client, service = self.relay(b"HTTP/1.1 200 OK\r\n" + answer + b"\r\n\r\n", GET.replace(b"GET", b"HEAD"))
                head = client.head()
                self.assertEqual((head.get("Content-Length"), head.get("Transfer-Encoding")), framing)
                self.serves_on(client, service)

    def test_bad_answers_are_502(self):
        table = [
            b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/2.0 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", b"HTTP/1.1 999 X\r\n\r\n",
            b"HTTP/1.1 200 OK\r\rContent-Length: 2\r\n\r\nok", b"HTTP/1.1 200\r\r\r\n\r\n", b"HTTP/1.1 204 \r\rX: y\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\rX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n",
            b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"\rHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b" HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: " + b"x" * 40000 + b"\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17,
        ]
        for answer in table:
            with self.subTest(answer[:60]):
                client, service = self.relay(answer)
                head, body = client.answer()
                while head.status == 103:
                    head, body = client.answer()
                self.assertEqual((head.status, head.all("Via")), (502, []))
                service.rest()
                self.assertIsNotNone(service.ended)
                self.serves_on(client, None)

    def test_answers_that_break_off(self):
        """The client must not take them for whole."""
        table = [(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", True),
                 (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", True),
                 (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n", False),
                 (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", False)]
        for answer, close in table:
            with self.subTest(answer[30:]):
                client, service = self.relay(answer, close=close)
                got = client.rest()
                self.assertTrue(got.startswith(b"HTTP/1.1 200") or got.startswith(b"HTTP/1.1 502"), got)
                self.assertFalse(got.endswith(b"0\r\n\r\n"), got)

    def test_early_answer(self):
        post = b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000000\r\n\r\n"
        client = self.client(post + b"x" * 1000)
        service = self.service()
        service.head()
        service.exactly(1000)
        service.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
        head, body = client.answer()
        self.assertEqual((head.status, body, head.get("Connection")), (413, b"no", "close"))
        service.rest()
        self.assertIsNotNone(service.ended)  # never used again

    def test_early_answer_and_a_reset(self):
        """A service that closes with a body unread resets the connection; its answer is whole all the same."""
        refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
        size = 3 << 20
        for number in range(20):
            client = self.client(b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n" % size)
            upload = threading.Thread(target=self.upload, args=(client, size))
            upload.start()
            service = self.service()
            service.head()
            service.skip(1000 * number)
            service.send(refusal).close()
            head, body = client.answer()
            self.assertEqual((head.status, body), (413, b"no"))
            client.socket.shutdown(socket.SHUT_RDWR)
            upload.join()

    def upload(self, client, size):
        with contextlib.suppress(ConnectionError):
            client.send(b"x" * size)

    def test_reset_is_no_end(self):
        """Of an answer that lasts until the service closes."""
        for version in (b"1.0", b"1.1"):
            client, service = self.relay(b"HTTP/1.1 200 OK\r\n\r\nbegun", GET.replace(b"1.1", version))
            client.until(b"begun")
            service.send(b"x").reset()
            self.assertNotIn(b"0\r\n\r\n", client.rest())
            if version == b"1.0":
                self.assertEqual(client.ended, "reset")

    def test_pipelined_and_half_closed(self):
        client = self.client(b"".join(GET.replace(b"/x", b"/%d" % i) for i in range(3))).end_output()
        service = self.service()
        for number in range(3):
            self.assertEqual(service.head().start, f"GET /{number} HTTP/1.1")
            service.send(OK)
            self.assertEqual(client.answer()[1], b"ok")
        self.assertEqual(client.rest(), b"")

    def test_half_closed_with_a_body(self):
        client = self.client(b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200000).end_output()
        service = self.service()
        service.head()
        service.skip(200000)
        service.send(OK)
        self.assertEqual(client.answer()[1], b"ok")
        # Not all of the body: nobody waits.
        self.client(b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\nx").end_output()
        service.head()
        self.assertEqual(service.rest()[-1:], b"x")

    def test_half_closed_is_waited_for_within_bounds(self):
        client = self.client(GET).end_output()
        service = self.service()
        service.head()
        service.rest()  # the gateway gave up
        self.assertEqual(client.rest(), b"")
        self.gateway.wait_log("ended a request of 127.0.0.1: no answer in time for a client that has ended its side")
        client = self.client(GET + GET).end_output()
        service = self.service()
        service.head()
        service.rest()
        self.assertEqual(client.rest(), b"")

    def test_client_that_leaves_with_a_request_pending(self):
        client = self.client(GET + GET)
        service = self.service()
        service.head()
        client.reset()
        service.rest()  # the service's work is called off
        self.assertIsNotNone(service.ended)

    def test_event_stream_is_not_held_back(self):
        client, service = self.relay(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        self.assertEqual(client.head().get("Transfer-Encoding"), "chunked")
        for number in range(20):
            service.send(b"data: %d\n\n" % number)
            client.until(b"data: %d\n\n" % number)
        client.end_output()  # an event stream has no end to wait for
        service.rest()
        self.assertIsNotNone(service.ended)
        client, service = self.relay(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        client.head()
        client.reset()
        service.rest()
        client, service = self.client(GET).end_output(), self.service()
        service.head()
        service.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        service.rest()

    def test_stale_connections(self):
        """A request on a connection that had died is repeated if that cannot do anything twice."""
        post = b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\nhi"
        put = post.replace(b"POST", b"PUT")
        for request, repeated in ((GET, True), (put, False), (post, False), (post.replace(b"2\r\n\r\nhi", b"0\r\n\r\n"), False),
                                  (GET.replace(b"GET", b"DELETE"), True)):
            with self.subTest(request[:6]):
                client, service = self.relay(OK)
                self.assertEqual(client.answer()[1], b"ok")
                client.send(request)
                service.head()
                if request.endswith(b"hi"):
                    service.exactly(2)
                service.reset()
                if repeated:
                    service = self.service()
                    service.head()
                    service.send(OK)
                    self.assertEqual(client.answer()[1], b"ok")
                    service.close()
                else:
                    self.assertEqual(client.answer()[0].status, 502)

    def test_what_comes_between_two_requests_answers_neither(self):
        """Also when it is read in one turn with the second, which has not left yet."""
        for unasked in (OK.replace(b"ok", b"no"), b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", b"HTTP/1.1 2", b"\r\n"):
            for request in (GET, b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n"):
                with self.subTest(unasked=unasked, request=request):
                    client, service = self.relay(OK)
                    self.assertEqual(client.answer()[1], b"ok")
                    self.gateway.signal(signal.SIGSTOP)
                    os.waitpid(self.gateway.child.pid, os.WUNTRACED)
                    client.send(request)
                    service.send(unasked)
                    self.gateway.signal(signal.SIGCONT)
                    fresh = self.service()
                    fresh.head()
                    fresh.send(OK)
                    self.assertEqual(client.answer()[1], b"ok")
                    fresh.close()

    def test_stale_connection_is_not_followed_by_another(self):
        clients = [self.client(GET) for _ in range(3)]
        pooled = [self.service() for _ in clients]
        for service in pooled:
            service.head()
        for service in pooled:
            service.send(OK)
        for client in clients:
            self.assertEqual(client.answer()[1], b"ok")
        clients[0].send(GET)
        ready = select.select([service.socket for service in pooled], [], [], harness.DEADLINE_S)[0]
        asked = next(service for service in pooled if service.socket in ready)
        asked.head()
        asked.reset()
        fresh = self.service()
        fresh.head()
        fresh.send(OK)
        self.assertEqual(clients[0].answer()[1], b"ok")

    def test_broken_answer_is_not_taken_for_a_stale_connection(self):
        for begun in (b"H", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 103 Early Hints\r\n\r\n"):
            with self.subTest(begun):
                client, service = self.relay(OK)
                self.assertEqual(client.answer()[1], b"ok")
                client.send(GET)
                service.head()
                service.send(begun).close()
                head = client.head()
                if head.status == 103:
                    head = client.head()
                self.assertEqual(head.status, 502)


METRICS = '''
[[plugin]]
name = "metrics"
file = "metrics.so"
'''


class Times(Case):
    server = ('header_timeout = "400ms"\nbody_idle_timeout = "400ms"\nidle_timeout = "400ms"\nwrite_timeout = "400ms"\n'
              'response_timeout = "400ms"\nupstream_body_idle_timeout = "400ms"\n'
              'max_upstream_connections_per_endpoint = 1\nmax_upstream_waiting_per_endpoint = 1\n')
    plugins, filters = METRICS, '"metrics", '

    def counted(self, name, value):
        def probe():
            text = self.gateway.request("GET", "/actuator/prometheus").body.decode()
            return f"{name} {value}" in text.splitlines()
        harness.wait_for(f"{name} {value}", probe)

    def test_refusals_are_counted_and_logged(self):
        start = b" /x HTTP/1.1\r\nHost: a\r\n"
        too_large = b"POST" + start + b"Content-Length: 99999999\r\n\r\n"
        table = [
            (b"GET /x HTTP/1.1\r\n\r\n", 400, "malformed", "no Host"),
            (b"GET /x HTTP/3.0\r\nHost: a\r\n\r\n", 505, "malformed", "HPE_INVALID_VERSION"),
            (b"POST" + start + b"Expect: x\r\n\r\n", 417, "malformed", "an expectation other than 100-continue"),
            (b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "too_large", "too large a head"),
            (b"GET" + start + b"X: " + b"x" * 20000 + b"\r\n\r\n", 431, "too_large", "too large a head"),
            (b"GET" + start + b"X: x\r\n" * 100 + b"\r\n", 431, "too_large", "too large a head"),
            (too_large, 413, "too_large", "too large a body"),
            (too_large.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"), 413, "too_large", "too large a body"),
        ]
        ended = {"malformed": 0, "too_large": 0}
        for request, status, reason, words in table:
            with self.subTest(request[:60]):
                line, seen = f"info +http: ended a request of 127.0.0.1: {status}, {words}", len(self.gateway.lines)

                def logged():  # one line a second
                    ended[reason] += 1
                    head, body = self.client(request).answer()
                    self.assertEqual((head.status, json.loads(body)["error"]["status"]), (status, status))
                    return any(re.search(line, text) for text in self.gateway.lines[seen:])
                harness.wait_for(line, logged)
        for reason, count in ended.items():
            self.counted(f'gateway_requests_ended_total{{reason="{reason}"}}', count)

    def test_head(self):
        client = self.client()
        began = time.monotonic()
        with contextlib.suppress(OSError):  # byte after byte does not buy time
            for byte in GET[:-2] + b"X: " + b"y" * 1000:
                client.send(bytes([byte]))
                if client.socket in select.select([client.socket], [], [], 0.05)[0]:
                    break
        self.assertGreaterEqual(time.monotonic() - began, 0.39)
        self.assertEqual(client.answer()[0].status, 408)
        client.rest()
        self.counted('gateway_requests_ended_total{reason="timed_out"}', 1)
        self.gateway.wait_log("ended a request of 127.0.0.1: 408, too slow a head")

    def test_body(self):
        client = self.client(b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 10\r\n\r\nx")
        service = self.service()
        service.head()
        head, body = client.answer()
        self.assertEqual((head.status, json.loads(body)["error"]["code"]), (408, "REQUEST_TIMEOUT"))
        service.rest()
        client.rest()
        self.counted('gateway_requests_ended_total{reason="timed_out"}', 1)
        self.gateway.wait_log("ended a request of 127.0.0.1: 408, too slow a body \\(POST /x\\)")

    def test_idle_connection(self):
        client = self.client(GET)
        service = self.service()
        service.head()
        service.send(OK)
        self.assertEqual(client.answer()[1], b"ok")
        self.assertEqual(client.rest(), b"")
        self.gateway.wait_log("debug +http: closed a connection of 127.0.0.1: no request in time")
        self.counted("gateway_connections_idle_closed_total", 1)

    def test_service_that_does_not_answer(self):
        client = self.client(GET)
        service = self.service()
        service.head()
        head, body = client.answer()
        self.assertEqual((head.status, json.loads(body)["error"]["code"]), (504, "EXTERNAL_API_TIMEOUT"))
        self.counted("gateway_upstream_failures_total", 1)
        self.gateway.wait_log("it did not answer in time")

    def test_answer_that_stalls(self):
        client = self.client(GET)
        service = self.service()
        service.head()
        service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok")
        self.assertEqual(client.head().status, 200)
        self.assertEqual(client.rest(), b"ok")
        self.counted("gateway_answers_broken_total", 1)
        self.counted("gateway_upstream_failures_total", 1)
        self.gateway.wait_log("its answer stalled")

    def test_client_that_does_not_read(self):
        client = self.client(GET, receive_buffer=4096)
        service = self.service()
        service.head()
        service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        with self.assertRaises(OSError):
            while True:
                service.socket.send(b"x" * 65536)
        self.counted('gateway_requests_ended_total{reason="timed_out"}', 1)
        self.gateway.wait_log("it does not read its answer")
        client.rest()
        self.assertEqual(client.ended, "reset")

    def test_overloaded_service(self):
        clients = [self.client(GET) for _ in range(3)]  # one is served, one waits
        service = self.service()
        service.head()
        ready = select.select([client.socket for client in clients], [], [], harness.DEADLINE_S)[0]
        refused = [client for client in clients if client.socket in ready]
        self.assertEqual(len(refused), 1)
        head, _ = refused[0].answer()
        self.assertEqual((head.status, head.get("Retry-After")), (503, "1"))
        self.gateway.wait_log("too many requests wait for it")


class SlowReaders(Case):
    """Whoever goes on reading, however slowly, is not cut off; every other time-out is shorter than this takes."""

    server = ('write_timeout = "2s"\nupstream_body_idle_timeout = "2s"\nbody_idle_timeout = "500ms"\nidle_timeout = "1s"\n'
              'response_timeout = "1s"\nmax_body_bytes = "1GiB"\n')
    RATES = 20_000_000, 100_000  # bytes a second: through many fillings of the sockets, and within one
    LENGTH = b"Content-Length: 1000000000\r\n\r\n"

    def keeps_up(self, writer, reader, rate):
        """What `writer` pours out is read at that rate for some seconds, without an end."""
        stop = threading.Event()

        def pour():
            with contextlib.suppress(OSError):
                while not stop.is_set():
                    writer.socket.send(b"x" * 65536)

        pouring = threading.Thread(target=pour)
        pouring.start()
        try:
            begun, taken = time.monotonic(), 0
            while (passed := time.monotonic() - begun) < 5:
                while taken < rate * passed:
                    piece = reader.socket.recv(min(65536, rate // 20))
                    self.assertTrue(piece, f"ended after {passed:.1f} s and {taken} bytes")
                    taken += len(piece)
                time.sleep(0.02)
        finally:
            stop.set()
            writer.close()
            reader.close()
            pouring.join()

    def test_of_answers(self):
        for rate in self.RATES:
            with self.subTest(rate):
                client = self.client(GET, receive_buffer=16384)
                service = self.service()
                service.head()
                service.send(b"HTTP/1.1 200 OK\r\n" + self.LENGTH)
                self.assertEqual(client.head().status, 200)
                self.keeps_up(service, client, rate)

    def test_of_uploads(self):
        for rate in self.RATES:
            with self.subTest(rate):
                client = self.client(b"POST /x HTTP/1.1\r\nHost: shop\r\n" + self.LENGTH)
                service = self.service()
                service.head()
                self.keeps_up(client, service, rate)

    def test_of_websockets(self):
        for rate in self.RATES:
            with self.subTest(rate):
                client, service = self.joined()
                self.keeps_up(service, client, rate)

    def test_who_sends_all_before_it_reads(self):
        """Its body comes slowly, and the answer fills the sockets meanwhile."""
        size = 12_000_000
        client = self.client(b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 40\r\n\r\n", receive_buffer=16384)
        service = self.service()
        service.head()
        service.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        self.assertEqual(client.head().status, 200)
        pouring = threading.Thread(target=service.socket.sendall, args=(b"x" * size,))
        pouring.start()
        for _ in range(39):  # within write_timeout, and longer than body_idle_timeout
            client.send(b"x")
            time.sleep(0.025)
        client.send(b"x").skip(size)
        pouring.join()


class RouteTimes(Case):
    """A route's own times count, not the server's."""
    server = 'response_timeout = "10m"\nupstream_body_idle_timeout = "300ms"\n'
    route = ', metadata = { response-timeout = 400, idle-timeout = 2000 }'

    def test_response(self):
        client = self.client(GET)
        self.service().head()
        self.assertEqual(client.answer()[0].status, 504)

    def test_silent_stream(self):
        client = self.client(GET)
        service = self.service()
        service.head()
        began = time.monotonic()
        service.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        client.head()
        client.rest()
        self.assertGreater(time.monotonic() - began, 1.9)
        self.gateway.wait_log("its answer stalled")


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
            "two versions": (b"websocket", b"Upgrade", b"Sec-WebSocket-Version: 8\r\n"),
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
        old = SWITCH.replace(b"HTTP/1.1", b"HTTP/1.0")
        silent = SWITCH.replace(b"Connection: Upgrade\r\n", b"")
        table = [(UPGRADE, refused, 403), (UPGRADE, OK, 200), (UPGRADE, wrong, 502), (UPGRADE, silent, 502), (UPGRADE, old, 502),
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

    def test_both_directions_full(self):
        lines = self.joined()
        sent = []
        for line in lines:
            line.socket.settimeout(1)
            sent.append(0)
            with contextlib.suppress(TimeoutError):
                while True:
                    sent[-1] += line.socket.send(b"m" * (1 << 20))
            line.socket.settimeout(harness.DEADLINE_S)
        lines[0].skip(sent[1])
        lines[1].skip(sent[0])
        lines[0].send(b"on").end_output()
        self.assertEqual(lines[1].rest(), b"on")

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
    server = 'websocket_idle_timeout = "2s"\nwrite_timeout = "400ms"\ndrain_timeout = "1s"\n'

    def test_idle_connection_is_closed(self):
        client, service = self.joined()
        for _ in range(5):  # whoever talks is not idle
            client.send(b"a")
            self.assertEqual(service.exactly(1), b"a")
            self.wait_idle(client, 0.5)
        client.rest()
        service.rest()
        self.gateway.wait_log("closed a WebSocket of 127.0.0.1: neither side says anything")

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
        self.gateway.wait_log("closed a WebSocket of 127.0.0.1: a side does not read")

    def test_stop_ends_it(self):
        client, service = self.joined()
        self.gateway.stop()
        client.rest()
        service.rest()
        self.assertIn("the time to drain is over; connections cut: 1\n", self.gateway.log())


class WebSocketFilters(Case):
    plugins, filters = METRICS, '"metrics", '

    def scrape(self, name):
        text = self.gateway.request("GET", "/actuator/prometheus").body.decode()
        return [line for line in text.splitlines() if line.startswith(name)]

    def test_its_exchange_is_over_when_the_connection_begins(self):
        client, service = self.joined()
        client.send(b"x")
        service.exactly(1)
        # Published once a second, and then a request of this test may be under way: told by one publication.
        over = {"gateway_websockets 1", "gateway_exchanges 0"}
        harness.wait_for("the exchange's end", lambda: over <= set(self.scrape("gateway_")))
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
