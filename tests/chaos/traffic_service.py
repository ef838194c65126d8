# SPDX-License-Identifier: Apache-2.0
"""A service of traffic.py: says whose request it answers and what came of its body, in every framing, and breaks off now and then.

    traffic_service.py PORT SEED
"""

import asyncio
import hashlib
import random
import socket
import sys

END = b"END"  # of an answer that lasts until the connection ends: who dies within it ends the connection just so


def answer_body(name, body, filler):
    """`filler` bytes, at most, that show whose they are."""
    unit = name + b","
    return b"%s|%d|%s|" % (name, len(body), hashlib.sha1(body).hexdigest().encode()) + unit * (filler // len(unit))


def in_chunks(data, rng, sizes):
    out = []
    while data:
        size = rng.choice(sizes)
        out.append(b"%x\r\n%s\r\n" % (len(data[:size]), data[:size]))
        data = data[size:]
    return b"".join(out) + b"0\r\n\r\n"


async def read_head(reader):
    start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
    return start.split(" "), {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


async def read_body(reader, fields):
    """By its framing; None lasts until the end."""
    if fields.get("transfer-encoding") == "chunked":
        pieces = []
        while True:
            line = await reader.readuntil(b"\r\n")
            piece = await reader.readexactly(int(line, 16) + 2)
            if len(piece) == 2:
                return b"".join(pieces)
            pieces.append(piece[:-2])
    if "content-length" in fields:
        return await reader.readexactly(int(fields["content-length"]))
    return None


class Service:
    def __init__(self, rng):
        self.rng = rng

    def now_and_then(self, share):
        return self.rng.random() < share

    async def serve(self, reader, writer):
        try:
            while await self.answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async def answer(self, reader, writer):
        """One request; True when another may follow."""
        (method, path, _), fields = await read_head(reader)
        kind, name = path[1:].split("/")
        name = name.encode()
        if kind == "socket":
            return await self.echo(reader, writer, name)
        if kind == "events":
            return await self.events(writer, name)
        early = self.now_and_then(0.1)  # with the body unread
        body = b"" if early else await read_body(reader, fields) or b""
        if self.now_and_then(0.1):
            await asyncio.sleep(self.rng.random() * 0.2)
        if self.now_and_then(0.1):
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </%s>\r\n\r\n" % name)
        if self.now_and_then(0.05):  # no answer
            return writer.transport.abort() if self.now_and_then(0.5) else False
        last = early or self.now_and_then(0.1)
        filler = self.rng.choice([0, 10, 1000, 20000, 300000])
        status = b"%s\r\nX-Filler: %d" % (b"413 Content Too Large" if early else b"200 OK", filler)
        data = self.message(status, name, answer_body(name, body, filler), last, method == "HEAD")
        if self.now_and_then(0.03):
            writer.write(data[:self.rng.randrange(len(data))])
            await writer.drain()
            return writer.transport.abort()
        for at in range(0, len(data), piece := self.rng.choice([len(data), 4000])):
            writer.write(data[at:at + piece])
            await writer.drain()
        return not last and b"Connection: close" not in data[:200]

    def message(self, status, name, body, last, head_only):
        framing = self.rng.choice(["length", "length", "chunks", "close"])
        head = b"HTTP/1.1 %s\r\nX-Name: %s\r\nX-Framing: %s\r\n" % (status, name, framing.encode())
        if last or framing == "close":
            head += b"Connection: close\r\n"
        if framing == "length":
            head += b"Content-Length: %d\r\n" % len(body)
        elif framing == "chunks":
            head += b"Transfer-Encoding: chunked\r\n"
            body = in_chunks(body, self.rng, [1, 100, 5000, 70000] if len(body) < 5000 else [5000, 70000])
        else:
            body += END
        return head + b"\r\n" + (b"" if head_only else body)

    async def events(self, writer, name):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(self.rng.randrange(200)):
            writer.write(b"data: %s %d\n\n" % (name, number))
            await writer.drain()
            if self.now_and_then(0.3):
                await asyncio.sleep(self.rng.random() * 0.02)
        return False

    async def echo(self, reader, writer, name):
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Name: %s\r\n\r\n" % name)
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
            if self.now_and_then(0.01):
                return writer.transport.abort()
        return writer.write_eof()


async def main(port, seed):
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    service = Service(random.Random(seed))
    server = await asyncio.start_server(service.serve, sock=listening, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
