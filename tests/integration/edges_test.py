# SPDX-License-Identifier: Apache-2.0
"""What outsiders try: requests hidden in others, paths that two readers read differently, exits at every stage, a stop."""

import pathlib
import select
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402
import http_test  # noqa: E402
from http_test import GET, OK  # noqa: E402

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: shop\r\n\r\n"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


class Smuggling(http_test.Case):
    def post(self, fields, body=b""):
        return b"POST /x HTTP/1.1\r\nHost: shop\r\n" + fields + b"\r\n\r\n" + body + HIDDEN

    def test_refused(self):
        """400 once, then the end: neither this request nor the one behind it reaches the service."""
        codings = [
            b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked", b" Transfer-Encoding: chunked",
            b":Transfer-Encoding: chunked", b"\x00Transfer-Encoding: chunked", b"Transfer\xad-Encoding: chunked",
            b"Transfer-Encoding;: chunked", b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked",
            b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding\r\n : chunked", b"Transfer-Encoding: \x0bchunked",
            b"Transfer-Encoding: chunked\x0c", b"Transfer-Encoding: chunked\x00", b'Transfer-Encoding: "chunked"',
            b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding: chunk\xe9d", b"Transfer-Encoding: chunked, identity",
            b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: chunked ,", b"Transfer-Encoding: xchunked",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"Content-Length: 5\r\nTransfer-Encoding:\tchunked",
            b"Content-Length: 5\r\nConnection: Content-Length\r\nTransfer-Encoding: chunked",
        ]
        lengths = [b"+5", b"-5", b"0x5", b"5,5", b"5, 6", b"5;", b"5.0", b"5e0", b"\x0b5", b"5\x0b", b"0_5", b"5 5", b"", b"5\t5", b"\t",
                   b"0000000000000000005", b"18446744073709551621", b"\xef\xbc\x95", b'"5"', b"5\r\nContent-Length: 5",
                   b"5\r\nContent-Length : 36", b"5\r\n Content-Length: 36"]
        for fields in codings + [b"Content-Length: " + length for length in lengths]:
            with self.subTest(fields):
                client = self.client(self.post(fields, CHUNKS))
                head, _ = client.answer()
                self.assertEqual((head.status, head.get("Connection"), client.rest()), (400, "close", b""))
                self.assertEqual(select.select([self.origin.socket], [], [], 0)[0], [])

    def test_end_of_a_body(self):
        """What is in the body stays there, and what is behind it is a request of its own."""
        table = [
            (b"Content-Length: 05", b"hello"), (b"Content-Length:\t5 ", b"hello"), (b"Content-Length: \t5 \t", b"hello"),
            (b"Transfer-Encoding:\tchunked\t", CHUNKS),
            (b"TrAnSfEr-EnCoDiNg: cHuNkEd", CHUNKS), (b"Content-Length: 5\r\ncontent_length: 41", b"hello"),
            (b"Transfer_Encoding: chunked\r\nContent-Length: 5", b"hello"),
            (b"Connection: Content-Length\r\nContent-Length: 5", b"hello"),
            (b"Connection: Transfer-Encoding, Host\r\nTransfer-Encoding: chunked", CHUNKS),
            (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\nContent-Length: 41\r\nTransfer-Encoding: x\r\n\r\n"),
        ]
        for method in (b"POST", b"GET", b"DELETE", b"OPTIONS", b"HEAD"):
            for fields, body in table:
                with self.subTest(method=method, fields=fields):
                    client = self.client(self.post(fields, body).replace(b"POST", method, 1))
                    service = self.service()
                    seen = service.head()
                    self.assertEqual(seen.start.split(" ")[0].encode(), method)
                    self.assertEqual(seen.all("Transfer-Encoding") + seen.all("Content-Length"),
                                     ["5"] if body == b"hello" else ["chunked"])
                    self.assertEqual(service.exactly(5) if body == b"hello" else service.chunks(), b"hello")
                    service.send(OK if method != b"HEAD" else OK[:-2])
                    self.assertEqual(client.answer(method.decode())[0].status, 200)
                    self.assertEqual(service.head().start, "GET /hidden HTTP/1.1")
                    service.send(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).close()
                    self.assertEqual(client.answer()[1], b"ok")
        inside = b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN
        client = self.client(inside + GET)
        service = self.service()
        service.head()
        self.assertEqual(service.exactly(len(HIDDEN)), HIDDEN)
        service.send(OK)
        self.assertEqual(service.head().start, "GET /x HTTP/1.1")
        service.send(OK)
        self.assertEqual([client.answer()[1] for _ in range(2)], [b"ok", b"ok"])


# As others read them: CGI has '_' for '-', PHP for '.', lighttpd for every sign.
SIGNS = (b"X_User_Id", b"x.user.id", b"X~User-Id", b"X-User!Id", b"X-User-Id'", b"X%User%Id", b"content_length", b"Content.Length", b"_", b"X-_")


class Signs(http_test.Case):
    def test_dropped(self):
        client = self.client(GET[:-2] + b"".join(name + b": 36\r\n" for name in SIGNS) + b"X-Y-1: z\r\n\r\n" + HIDDEN)
        service = self.service()
        seen = service.head()
        self.assertEqual([name for name, value in seen.fields if value in ("36", "z")], ["X-Y-1"])
        service.send(OK)
        self.assertEqual(client.answer()[1], b"ok")
        self.assertEqual(service.head().start, "GET /hidden HTTP/1.1")
        service.send(OK)
        self.assertEqual(client.answer()[1], b"ok")


class Underscores(http_test.Case):
    server = 'underscore_headers = "refuse"\n'

    def test_refused(self):
        for name in SIGNS:
            with self.subTest(name):
                client = self.client(GET[:-2] + name + b": 1\r\n\r\n" + HIDDEN)
                self.assertEqual((client.answer()[0].status, client.rest()), (400, b""))


class OnePath(http_test.Case):
    """Permit rules, routes and the service read one path."""
    plugins = """
[[plugin]]
name = "auth"
file = "auth_jwt.so"
[plugin.config]
development_issuer = true
jwks_uri = ""
"""
    filters = '"auth", '

    def test_spellings(self):
        products, mine = "/api/v1/products", "/api/v1/user/me"
        table = {
            products: products, "/api/v1/product%73": products, "/%61pi/v1/products?a=%2F..": products + "?a=%2F..",
            "http://other/api/v1/products": products, "/api/v1/products/%ed%95%9c": products + "/%ED%95%9C",
            mine: 401, "/api/v1/user/m%65": 401, "/API/v1/products": 401, "/api/v1/Products": 401,
            "/api/v1/products/a/b": 401, "/api/v1/products%20": 401, "/api/v1/products*": 401, "*": 200,
        }
        for odd in ("%2e%2e", "..", ".%2e", "%252e%252e", "..%2f", "..%5c", "..;", "%c0%ae%c0%ae", "%c0%af", "%e0%80%af", ".", "",
                    "..%00", "%u002e%u002e", ";a=b", "%3b", "%0d%0a", "a%", "\\..", "%ff"):
            table[f"{products}/{odd}/../user/me"] = table[f"{products}/{odd}/user/me"] = 400
        for target, expected in table.items():
            with self.subTest(target):
                method = b"OPTIONS" if target == "*" else b"GET"
                client = self.client(method + f" {target} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
                if isinstance(expected, int):
                    self.assertEqual(client.answer()[0].status, expected)
                    self.assertEqual(select.select([self.origin.socket], [], [], 0)[0], [])
                    continue
                service = self.service()
                self.assertEqual(service.head().start, f"GET {expected} HTTP/1.1")
                service.send(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).close()
                self.assertEqual(client.answer()[1], b"ok")


class RouteLimits(http_test.Case):
    route = ', body_limit = 10'

    def test_body(self):
        post = b"POST /x HTTP/1.1\r\nHost: shop\r\n"
        self.assertEqual(self.client(post + b"Content-Length: 11\r\n\r\n").answer()[0].status, 413)
        head = post + b"Transfer-Encoding: chunked\r\n\r\n"
        client = self.client(head + b"5\r\nhello\r\n5\r\nagain\r\n0\r\n\r\n")
        service = self.service()
        service.head()
        self.assertEqual(service.chunks(), b"helloagain")
        service.send(OK).close()
        self.assertEqual(client.answer()[0].status, 200)
        client = self.client(head)
        service = self.service()
        service.head()
        client.send(b"5\r\nhello\r\n6\r\nagain!\r\n0\r\n\r\n")
        self.assertNotIn(b"0\r\n\r\n", service.rest())
        self.assertIsNotNone(service.ended)
        self.assertEqual(client.answer()[0].status, 413)


class Ip6(http_test.Case):
    host = "::1"

    def test_service(self):
        client = self.client(GET)
        service = self.service()
        self.assertEqual(service.head().get("Host"), f"[::1]:{self.origin.port}")
        service.send(OK)
        self.assertEqual(client.answer()[1], b"ok")


class Exits(http_test.Case):
    def test_client_that_leaves(self):
        """At whatever stage: the service's connection ends, and is not used for anybody else."""
        post = b"POST /x HTTP/1.1\r\nHost: shop\r\n"
        stages = {
            "in a body with a length": (post + b"Content-Length: 10\r\n\r\nhello", b""),
            "in a chunk": (post + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhello", b""),
            "between chunks": (post + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b""),
            "before the answer": (GET, b""),
            "after 103": (GET, b"HTTP/1.1 103 Early Hints\r\n\r\n"),
            "in an answer": (GET, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
            "in a chunked answer": (GET, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
            "in an early answer": (post + b"Content-Length: 10\r\n\r\nhello",
                                   b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
            "in an answer until the end": (GET, b"HTTP/1.1 200 OK\r\n\r\nhello"),
        }
        for stage, (request, answer) in stages.items():
            # Whose request is whole may have ended its side and wait.
            for leave in ("close", "reset") if b"hello" in request else ("reset",):
                with self.subTest(stage=stage, leave=leave):
                    client = self.client(request)
                    service = self.service()
                    service.head()
                    if b"hello" in request:
                        service.until(b"hello")
                    service.send(answer)
                    if answer:
                        client.until(b"hello" if b"hello" in answer else b"\r\n\r\n")
                    getattr(client, leave)()
                    service.rest()
                    self.assertIsNotNone(service.ended)
                    service.close()
        client = self.client(GET)
        service = self.service()  # a new one
        service.head()
        service.send(OK)
        self.assertEqual(client.answer()[1], b"ok")


class Stop(http_test.Case):
    server = 'drain_timeout = "30s"\n'

    def asked(self, request=GET, answer=b""):
        client = self.client(request)
        service = self.service()
        service.head()
        return client, service.send(answer)

    def test_what_is_under_way_is_finished(self):
        kept, service = self.asked(answer=OK)
        self.assertEqual(kept.answer()[1], b"ok")
        service.close()
        waiting, its_service = self.asked(GET + HIDDEN)
        upload, its_sink = self.asked(b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 6\r\n\r\nabc")
        its_sink.exactly(3)
        download, its_source = self.asked(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        download.until(b"abc")
        begun, just_begun = self.client(b"GET /x HTTP/1.1\r\nHo"), self.client(b"GET /x HT")
        self.gateway.request("GET", "/%2f")  # these were read before this was answered
        self.gateway.signal(signal.SIGTERM)
        self.assertEqual((kept.rest(), kept.ended), (b"", "closed"))  # at once: nobody waits there
        with self.assertRaises(ConnectionRefusedError):
            self.client()
        its_service.send(OK)
        head, body = waiting.answer()
        self.assertEqual((body, head.get("Connection"), waiting.rest()), (b"ok", "close", b""))  # not the second one
        upload.send(b"def")
        self.assertEqual(its_sink.exactly(3), b"def")
        its_sink.send(OK)
        head, body = upload.answer()
        self.assertEqual((body, head.get("Connection"), upload.rest()), (b"ok", "close", b""))
        its_source.send(b"def")
        self.assertEqual(download.rest(), b"def")
        for client, rest in ((begun, b"st: shop\r\n\r\n"), (just_begun, b"TP/1.1\r\nHost: shop\r\n\r\n")):
            client.send(rest)
            late = self.service()
            late.head()
            late.send(OK).close()
            self.assertEqual(client.answer()[0].get("Connection"), "close")
        self.assertEqual(self.gateway.stop(), 0)  # long before the deadline


    def test_reloads_asked_for_until_the_end(self):
        self.gateway.signal(signal.SIGTERM)
        while self.gateway.child.poll() is None:
            self.gateway.signal(signal.SIGHUP)
        self.assertEqual(self.gateway.stop(), 0)


class StopTwice(http_test.Case):
    server = 'drain_timeout = "10m"\n'

    def setUp(self):
        super().setUp()
        self.waiting = self.client(GET)
        self.its_service = self.service()
        self.its_service.head()
        self.socket, self.other_end = self.joined()

    def test_a_second_signal_cuts(self):
        self.gateway.signal(signal.SIGINT)
        self.gateway.wait_log("draining")
        self.gateway.signal(signal.SIGTERM)
        for line in (self.waiting, self.socket, self.other_end):
            self.assertEqual(line.rest(), b"")
        self.assertEqual(self.gateway.child.wait(harness.DEADLINE_S), 0)
        self.gateway.wait_log("asked to end again: cutting what is under way")

    def test_a_reload_is_none(self):
        self.gateway.signal(signal.SIGTERM)
        self.gateway.wait_log("draining")
        self.gateway.signal(signal.SIGHUP)
        self.socket.send(b"still there?")
        self.assertEqual(self.other_end.exactly(12), b"still there?")
        self.its_service.send(OK)
        self.assertEqual(self.waiting.answer()[0].get("Connection"), "close")
        self.socket.close()
        self.other_end.rest()
        self.other_end.close()
        self.assertEqual(self.gateway.child.wait(harness.DEADLINE_S), 0)


class StopAtOnce(Stop):
    server = 'drain_timeout = "300ms"\n'

    def test_what_is_under_way_is_finished(self):
        """Within the deadline."""
        waiting, service = self.asked()
        download, source = self.asked(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        download.until(b"abc")
        self.gateway.signal(signal.SIGTERM)
        for line in (waiting, download, service, source):
            line.rest()
            self.assertIsNotNone(line.ended)
        self.assertEqual(self.gateway.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
