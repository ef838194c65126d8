# SPDX-License-Identifier: Apache-2.0
"""What others can make the gateway hold: with a gibibyte each way to somebody who reads slower than the other side writes,
next to nothing; with a few bytes and silence, under a hundred times that.
"""

import sys
import threading
import time
import unittest

import http_test  # which says where the support is
import hostile

SIZE = 1 << 30
PIECE = 1 << 20
MOST_GROWTH = 2 << 20


class Memory(http_test.Case):
    server = f'max_body_bytes = "{SIZE}"\n'

    def relay(self, writer, reader, size, chunk):
        """Writes as fast as it goes, in chunks of that size if not None, reads with pauses; the most private memory seen meanwhile."""
        def write():
            piece = b"x" * PIECE
            if chunk == PIECE:
                piece = b"%x\r\n" % PIECE + piece + b"\r\n"
            elif chunk:
                piece = (b"%x\r\n" % chunk + b"x" * chunk + b"\r\n") * (PIECE // chunk)
            for _ in range(size // PIECE):
                writer.socket.sendall(piece)
            if chunk:
                writer.socket.sendall(b"0\r\n\r\n")

        thread = threading.Thread(target=write)
        thread.start()
        most, left, buffer = 0, size - len(reader.held), bytearray(PIECE)
        tail, reader.held = reader.held[-5:], b""
        rounds = 0
        while tail != b"0\r\n\r\n" if chunk else left > 0:
            got = reader.socket.recv_into(buffer)
            self.assertGreater(got, 0)
            left -= got
            tail = (tail + buffer[max(0, got - 5):got])[-5:]
            rounds += 1
            if rounds % 64 == 0:
                most = max(most, hostile.resident(self.gateway.child.pid))
                time.sleep(0.001)
        thread.join()
        return most

    def transfer(self, upload, size, chunk=None):
        framing = b"Transfer-Encoding: chunked" if chunk else b"Content-Length: %d" % size
        none = b"Content-Length: 0"
        client = self.client(b"POST /x HTTP/1.1\r\nHost: shop\r\n%s\r\n\r\n" % (framing if upload else none))
        service = self.service()
        service.head()
        if upload:
            most = self.relay(client, service, size, chunk)
            service.send(http_test.OK)
            client.answer()
        else:
            service.send(b"HTTP/1.1 200 OK\r\n%s\r\n\r\n" % framing)
            client.head()
            most = self.relay(service, client, size, chunk)
        client.close()
        service.close()
        return most

    def through_a_websocket(self, upload, size):
        client, service = self.joined()
        most = self.relay(*((client, service) if upload else (service, client)), size, None)
        client.close()
        service.close()
        return most

    def test_a_gibibyte_each_way(self):
        ways = {"with a length": (self.transfer, SIZE), "in large chunks": (lambda *how: self.transfer(*how, PIECE), SIZE),
                "in tiny chunks": (lambda *how: self.transfer(*how, 1), 8 << 20), "through a WebSocket": (self.through_a_websocket, SIZE)}
        for how, (transfer, size) in ways.items():
            for upload in (True, False):
                with self.subTest(how, upload=upload):
                    transfer(upload, min(size, 32 << 20))  # what is needed once is there afterwards
                    before = hostile.resident(self.gateway.child.pid)
                    began = time.monotonic()
                    growth = transfer(upload, size) - before
                    print(f"{'upload' if upload else 'download'} {how}: grew by {growth} bytes in {time.monotonic() - began:.1f} s",
                          file=sys.stderr)
                    self.assertLess(growth, MOST_GROWTH)


class Silence(unittest.TestCase):
    clients = 2000

    def test_bytes_held_for_each_that_was_sent(self):
        for name, (config, data) in hostile.WAYS.items():
            with self.subTest(name):
                held, sent = hostile.held_by(config, data, self.clients)
                if name in hostile.BOUNDED_BY_NUMBER:
                    self.assertLess(held, 4096)
                else:
                    self.assertLess(held / sent, 100)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "Memory", "Silence"], verbosity=2)
