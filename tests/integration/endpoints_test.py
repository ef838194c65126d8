# SPDX-License-Identifier: Apache-2.0
"""Services that are away, full, half gone or gone too early, and a gateway that has no descriptor left for them."""

import concurrent.futures
import contextlib
import os
import pathlib
import resource
import select
import socket
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402
import http_test  # noqa: E402
from http_test import GET, OK  # noqa: E402

LAST = OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")


class Two(http_test.Case):
    """Endpoints of one service."""
    server = 'connect_timeout = "300ms"\n'

    def setUp(self):
        self.other = harness.free_port()
        super().setUp()

    def uri(self):
        return "lb://PAIR"

    def services(self):
        return f'services = [{{ name = "PAIR", endpoints = ["127.0.0.1:{self.origin.port}", "127.0.0.1:{self.other}"] }}]'

    def serve_all(self):
        """The origin answers whatever comes, in the background."""
        service = harness.Service("one", self.origin.port)
        self.addCleanup(service.stop)
        return service

    def test_one_refuses(self):
        self.origin.stop()
        service = self.serve_all()
        for size in (0, 10, 3_000_000):
            for _ in range(10):  # nothing was sent to the other, so that any request may be repeated
                self.assertEqual(self.gateway.request("POST", "/x", body=b"x" * size).status, 200)
                self.assertEqual(len(service.requests[-1]["body"]), size)

    def test_all_refuse_and_come_back(self):
        self.origin.stop()
        for method in ("GET", "POST"):
            answer = self.gateway.request(method, "/x", body=b"x")
            self.assertEqual((answer.status, answer.json()["error"]["code"]), (502, "EXTERNAL_API_ERROR"))
        self.serve_all()
        harness.wait_for("the service", lambda: self.gateway.request("GET", "/x").status == 200)

    def test_one_swallows(self):
        """It has no room for a connection, and says nothing."""
        swallower = socket.create_server(("127.0.0.1", self.other), backlog=0)
        self.addCleanup(swallower.close)
        for _ in range(3):
            filler = socket.socket()
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.other))
        self.origin.stop()
        service = self.serve_all()
        for number in range(10):
            self.assertEqual(self.gateway.request("POST", f"/{number}", body=b"x" * 1000).status, 200)
        service.stop()
        answers = {self.gateway.request("GET", "/x").status for _ in range(10)}
        self.assertLessEqual(answers, {502, 504})  # as whichever was asked last


class Full(http_test.Case):
    server = "max_upstream_connections_per_endpoint = 1\nmax_upstream_waiting_per_endpoint = 3\n"

    def get(self, path):
        return self.client(GET.replace(b"/x", path))

    def test_waiting_requests(self):
        """Are served in their order, whatever becomes of those before them; who has left is not."""
        served = self.get(b"/served")
        service = self.service()
        service.head()
        waiting = {}
        for path in (b"/1", b"/gone", b"/2"):
            waiting[path] = self.get(path)
            self.gateway.request("GET", "/%2f")  # it was read before this was answered
        refused, _ = self.get(b"/3").answer()
        self.assertEqual((refused.status, refused.get("Retry-After")), (503, "1"))
        waiting[b"/gone"].reset()
        self.gateway.request("GET", "/%2f")
        service.send(OK)
        self.assertEqual(served.answer()[1], b"ok")
        self.assertEqual(service.head().start, "GET /1 HTTP/1.1")
        service.send(b"HTTP/1.1 200 OK\r\n").reset()
        self.assertEqual(waiting[b"/1"].answer()[0].status, 502)
        service = self.service()
        self.assertEqual(service.head().start, "GET /2 HTTP/1.1")
        service.send(OK)
        self.assertEqual(waiting[b"/2"].answer()[1], b"ok")


class Slow(http_test.Case):
    server = 'max_upstream_connections_per_endpoint = 2\nconnect_timeout = "30s"\n'

    def test_bodies(self):
        """Who sends one byte after the other does not keep a service from the others."""
        slow = [self.client(b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 100\r\n\r\nx") for _ in range(2)]
        services = [self.service() for _ in slow]
        for service in services:
            service.until(b"\r\n\r\nx")
        waiting = [self.client(GET) for _ in range(2)]
        for client in slow:
            head, _ = client.answer()
            self.assertEqual((head.status, head.get("Retry-After")), (503, "1"))
        self.gateway.wait_log("its client sends a body too slowly, and others wait")
        for client in waiting:
            service = self.service()
            service.head()
            service.send(LAST)
            service.close()
        self.assertEqual([client.answer()[1] for client in waiting], [b"ok", b"ok"])

    def test_readers(self):
        """Nor does who reads next to nothing of a long answer."""
        for _ in range(2):
            self.client(GET, receive_buffer=16384)
            service = self.service()
            service.head()
            service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            service.socket.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                while True:
                    service.socket.send(b"x" * 65536)
        client = self.client(GET)
        service = self.service()
        service.head()
        service.send(LAST)
        self.assertEqual(client.answer()[0].status, 200)
        self.gateway.wait_log("its client reads too slowly, and others wait")


class Ends(http_test.Case):
    def test_keep_alive_in_name_only(self):
        """A service that closes after each answer without a word: nobody who only reads hears of it."""
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    line = self.origin.accept()
                    with contextlib.suppress(AssertionError, OSError):
                        line.head()
                        line.send(OK)
                    line.close()
        services = [threading.Thread(target=serve) for _ in range(4)]
        for service in services:
            service.start()

        def load(_):
            client = self.client()
            return {client.send(GET).answer()[0].status for _ in range(200)}
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(set().union(*pool.map(load, range(4))), {200})
        self.origin.socket.shutdown(socket.SHUT_RDWR)
        for service in services:
            service.join()

    def test_service_that_ends_its_side(self):
        post = b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000000\r\n\r\n"
        table = [(GET, b"", 502, b""), (GET, LAST, 200, b"ok"), (GET, OK, 200, b"ok"),
                 (post + b"x" * 1000, b"", 502, b""), (post + b"x" * 1000, b"HTTP/1.1 200 OK\r\n\r\nall of it", 200, b"all of it")]
        for request, answer, status, body in table:
            with self.subTest(request=request[:6], answer=answer):
                client = self.client(request)
                service = self.service()
                service.head()
                service.send(answer).end_output()
                head, got = client.answer()
                self.assertEqual(head.status, status)
                if body:
                    self.assertEqual(got, body)
                service.rest()  # it is not used again

    def test_resets(self):
        """At whatever stage: one answer, and no second request."""
        post = b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 10\r\n\r\n"
        stages = {
            "before the request is read": (GET, None, b""), "with a body unread": (post + b"x" * 10, b"", b""),
            "within the body": (post + b"x" * 3, b"xxx", b""), "after 103": (GET, b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
            "within the head": (GET, b"", b"HTTP/1.1 200 O"),
        }
        for stage, (request, read, answer) in stages.items():
            with self.subTest(stage):
                client = self.client(request)
                service = self.service()
                if read is not None:
                    service.head()
                    service.exactly(len(read))
                service.send(answer)
                if b"103" in answer:
                    self.assertEqual(client.head().status, 103)
                service.reset()
                self.assertEqual(client.answer()[0].status, 502)
                self.assertEqual(select.select([self.origin.socket], [], [], 0)[0], [])


@unittest.skipIf(harness.sanitized(), "sanitizers need descriptors of their own")
class Descriptors(http_test.Case):
    def limit(self, free):
        """So many may be opened; None: as many as ever."""
        pid = self.gateway.child.pid
        open_now = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        unused = [number for number in range(len(open_now) + 10) if number not in open_now]
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard if free is None else unused[free], hard))

    def served(self, client):
        client.send(GET)
        service = self.service()
        service.head()
        service.send(LAST)
        self.assertEqual(client.answer()[1], b"ok")
        service.rest()

    def test_none_for_a_service(self):
        client = self.client()
        self.served(client)
        self.limit(0)
        client.send(GET)
        head, _ = client.answer()
        self.assertEqual((head.status, head.get("Retry-After")), (503, "1"))
        self.gateway.wait_log("Too many open files")
        self.limit(None)
        self.served(client)

    def test_none_for_a_client(self):
        client = self.client()
        self.served(client)
        self.limit(0)
        late = self.client(GET)
        self.assertEqual(late.rest(), b"")
        self.gateway.wait_log("cannot accept connections, will rest and try again: Too many open files")
        self.limit(None)
        self.served(client)
        self.served(self.client())

    def test_too_few_for_a_reload(self):
        config = self.folder / "gateway.toml"
        config.write_text(config.read_text().replace('id = "service"', 'id = "other"'))
        for free in range(4):
            self.limit(free)
            self.assertFalse(self.gateway.reload())
            self.limit(free + 2)
            self.served(self.client())
        self.limit(None)
        self.assertTrue(self.gateway.reload())
        self.served(self.client())


if __name__ == "__main__":
    unittest.main(verbosity=2)
