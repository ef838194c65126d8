# SPDX-License-Identifier: Apache-2.0
"""Keep-alive clients that never stop asking while a test does something to the gateway."""

import asyncio
import threading


class Load:
    """`connections` clients on an event loop of their own thread; each answer goes to `check(client, path, sent,
    head, body)` where `sent` is what `before()` gave when the request was sent. What `check` returns, if
    anything, is a failure, as is every broken connection."""

    def __init__(self, port, connections, paths, before, check, headers=lambda client: ""):
        self.port, self.paths, self.before, self.check = port, paths, before, check
        self.headers = headers  # lines of a client's requests, each with its CRLF
        self.failures, self.answers = [], 0
        self._stop = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(connections)))
        self._thread.start()

    async def _run(self, connections):
        await asyncio.gather(*(self._client(i) for i in range(connections)))

    async def _client(self, number):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            path = self.paths[number % len(self.paths)]
            request = f"GET {path} HTTP/1.1\r\nHost: x\r\n{self.headers(number)}\r\n".encode()
            while not self._stop:
                sent = self.before()
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = head.split("\r\n")
                fields = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
                body = await reader.readexactly(int(fields["content-length"]))
                fields[":status"] = lines[0].split()[1]
                wrong = self.check(number, path, sent, fields, body.decode())
                self.answers += 1
                if wrong:
                    self.failures.append(f"client {number} {path}: {wrong}\n{head}{body[:500]!r}")
            writer.close()
        except (OSError, asyncio.IncompleteReadError, KeyError) as error:
            self.failures.append(f"client {number}: {type(error).__name__}: {error}")

    def stop(self):
        self._stop = True
        self._thread.join()
