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

    def relay(self, writer, reader, size):
        """Writes as fast as it goes, reads with pauses; the most private memory seen meanwhile."""
        def write():
            piece = memoryview(b"x" * PIECE)
            for _ in range(size // PIECE):
                writer.socket.sendall(piece)

        thread = threading.Thread(target=write)
        thread.start()
        most, left, buffer = 0, size - len(reader.held), bytearray(PIECE)
        reader.held = b""
        rounds = 0
        while left > 0:
            got = reader.socket.recv_into(buffer)
            self.assertGreater(got, 0)
            left -= got
            rounds += 1
            if rounds % 64 == 0:
                most = max(most, hostile.resident(self.gateway.child.pid))
                time.sleep(0.001)
        thread.join()
        return most

    def transfer(self, upload, size):
        client = self.client(b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n" % (size if upload else 0))
        service = self.service()
        service.head()
        if upload:
            most = self.relay(client, service, size)
            service.send(http_test.OK)
            client.answer()
        else:
            service.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            client.head()
            most = self.relay(service, client, size)
        client.close()
        service.close()
        return most

    def test_a_gibibyte_each_way(self):
        for upload in (True, False):
            with self.subTest(upload=upload):
                self.transfer(upload, 32 << 20)  # what is needed once is there afterwards
                before = hostile.resident(self.gateway.child.pid)
                began = time.monotonic()
                growth = self.transfer(upload, SIZE) - before
                print(f"{'upload' if upload else 'download'}: grew by {growth} bytes in {time.monotonic() - began:.1f} s",
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
