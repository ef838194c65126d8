# SPDX-License-Identifier: Apache-2.0
"""The relay under fire: clients of every kind that leave when they like, and two services that are killed, before one gateway.

    python3 tests/chaos/traffic.py [--seconds 20] [--clients 32] [--seed N]

Requests of every framing and size, pipelined, with early answers, event streams and WebSockets. Every answer that looks whole
must be whole and belong to its request; reloads change nothing; at the end as many descriptors are open as at the start,
the gateway has logged no error, and ends. Seed and figures are printed; the exit status says whether all held.
"""

import argparse
import asyncio
import collections
import contextlib
import http.client
import json
import os
import pathlib
import random
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402
from traffic_service import END, answer_body, in_chunks, read_body, read_head  # noqa: E402

CONFIG = """
[server]
listen = ["127.0.0.1:0"]
workers = 2
connect_timeout = "1s"
response_timeout = "5s"
upstream_body_idle_timeout = "5s"
upstream_idle_timeout = "2s"
body_idle_timeout = "5s"
write_timeout = "5s"
idle_timeout = "5s"
[[plugin]]
name = "router"
file = "router_eureka.so"
[plugin.config]
eureka_urls = []
fetch = false
register = false
services = [{{ name = "PAIR", endpoints = ["127.0.0.1:{}", "127.0.0.1:{}"] }}]
routes = [{{ id = "route-{}", uri = "lb://PAIR", predicates = ["Path=/**"] }}]
[[pipeline]]
filters = ["router"]
"""
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
MOST_PROBLEMS = 20
PATIENCE_S = 30


class Cut(Exception):
    """The connection ended before what was awaited."""


class Client:
    """Does one thing after the other until `end`; `seen` counts what happened, `problems` says what must not."""

    def __init__(self, number, port, rng, end, seen, problems):
        self.number, self.port, self.rng, self.end, self.seen, self.problems = number, port, rng, end, seen, problems
        self.made = 0

    async def run(self):
        while time.monotonic() < self.end:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                await self.rng.choice([self.requests] * 4 + [self.events, self.socket])(reader, writer)
            except (Cut, asyncio.IncompleteReadError, ConnectionError):
                self.seen["cut"] += 1
            except TimeoutError:
                self.problems.append("nothing came, and no end either")
            finally:
                writer.close()

    def name(self):
        self.made += 1
        return f"{self.number}-{self.made}"

    def begin(self, writer, kind, more=""):
        name = self.name()
        writer.write(f"GET /{kind}/{name} HTTP/1.1\r\nHost: shop\r\n{more}\r\n".encode())
        return name

    def request(self):
        """(name, method, body, bytes on the wire)"""
        name, method = self.name(), self.rng.choice(["GET", "GET", "POST", "PUT", "HEAD", "DELETE"])
        body, framing, wire = b"", "", b""
        if method in ("POST", "PUT"):
            body = wire = self.rng.randbytes(self.rng.choice([0, 1, 1000, 60000, 400000]))
            framing = f"Content-Length: {len(body)}\r\n"
            if self.rng.random() < 0.5:
                framing = "Transfer-Encoding: chunked\r\n"
                wire = in_chunks(body, self.rng, [1, 100, 4096] if len(body) < 5000 else [4096, 100000])
        return name, method, body, f"{method} /plain/{name} HTTP/1.1\r\nHost: shop\r\n{framing}\r\n".encode() + wire

    async def answer(self, reader, method="GET"):
        async with asyncio.timeout(PATIENCE_S):
            while True:
                (_, status, *_), fields = await read_head(reader)
                if status >= "200" or status == "101":
                    break
            if method == "HEAD" or status == "101":
                return status, fields, b""
            return status, fields, await read_body(reader, fields)

    async def send(self, writer, data):
        with contextlib.suppress(ConnectionError):
            while data:
                size = self.rng.choice([len(data), 1 + self.rng.randrange(70000)])
                writer.write(data[:size])
                data = data[size:]
                await writer.drain()

    async def requests(self, reader, writer):
        for _ in range(1 + self.rng.randrange(8)):
            asked = [self.request() for _ in range(self.rng.choice([1, 1, 1, 2, 5]))]
            upload = asyncio.create_task(self.send(writer, b"".join(wire for *_, wire in asked)))
            try:
                if self.rng.random() < 0.08:
                    await asyncio.sleep(self.rng.random() * 0.05)
                    self.seen["left"] += 1
                    return writer.transport.abort()
                for name, method, body, _ in asked:
                    status, fields, got = await self.answer(reader, method)
                    self.judge(name, method, body, status, fields, got)
                    if fields.get("connection") == "close":
                        return None
                await upload
            finally:
                upload.cancel()
        return None

    def judge(self, name, method, body, status, fields, got):
        self.seen[status] += 1
        if status in ("502", "503", "504"):
            right = method == "HEAD" or json.loads(got)["error"]["path"] == f"/plain/{name}"
        elif status not in ("200", "413") or fields.get("x-name") != name:
            right = False
        elif method == "HEAD" or (fields["x-framing"] == "close" and not got.endswith(END)):
            right = True
        else:
            whole = answer_body(name.encode(), body if status == "200" else b"", int(fields["x-filler"]))
            right = got.removesuffix(END) == whole
        if not right:
            self.problems.append(f"{method} {name}: {status} {fields} {(got or b'')[:100]}")

    async def events(self, reader, writer):
        name = self.begin(writer, "events")
        async with asyncio.timeout(PATIENCE_S):
            (_, status, *_), fields = await read_head(reader)
            if status != "200":
                return
            expected = b"".join(b"data: %s %d\n\n" % (name.encode(), number) for number in range(200))
            got, enough = b"", self.rng.randrange(300)
            while got.count(b"\n\n") < enough:
                piece = await reader.readexactly(int(await reader.readuntil(b"\r\n"), 16) + 2)
                if len(piece) == 2:
                    break
                got += piece[:-2]
        if not expected.startswith(got):
            self.problems.append(f"events of {name}: {got[:100]}")
        self.seen["events"] += 1
        if self.rng.random() < 0.5:
            writer.transport.abort()

    async def socket(self, reader, writer):
        name = self.begin(writer, "socket", UPGRADE)
        status, fields, _ = await self.answer(reader)
        if status != "101":
            return
        said = f"{name};".encode() * self.rng.choice([1, 100, 20000])
        upload = asyncio.create_task(self.send(writer, said))
        heard = b""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while len(heard) < len(said) and (data := await reader.read(65536)):
                    heard += data
                    if self.rng.random() < 0.02:
                        writer.transport.abort()
                        break
        finally:
            upload.cancel()
        if fields.get("x-name") != name or not said.startswith(heard):
            self.problems.append(f"WebSocket of {name}: {fields} {heard[:100]}")
        self.seen["WebSocket"] += 1


class Services:
    """Two processes that are killed and made anew on their ports."""

    def __init__(self, rng):
        self.rng, self.ports, self.kills = rng, [harness.free_port() for _ in range(2)], 0
        self.running = [self.start(port) for port in self.ports]

    def start(self, port):
        script = pathlib.Path(__file__).with_name("traffic_service.py")
        return subprocess.Popen([sys.executable, "-B", script, str(port), str(self.rng.randrange(1 << 30))])

    async def kill_one(self):
        which = self.rng.randrange(2)
        self.running[which].kill()
        self.running[which].wait()
        self.kills += 1
        await asyncio.sleep(self.rng.choice([0, 0, self.rng.random()]))
        self.running[which] = self.start(self.ports[which])

    def stop(self):
        for one in self.running:
            one.kill()
            one.wait()


def descriptors(gateway):
    return len(os.listdir(f"/proc/{gateway.child.pid}/fd"))


def answers(gateway):
    with contextlib.suppress(http.client.HTTPException, ConnectionError):
        return gateway.request("GET", "/plain/first")


async def faults(rng, services, gateway, config, end):
    reloads = 0
    while time.monotonic() < end:
        await asyncio.sleep(rng.random() * 1.5)
        await services.kill_one()
        if rng.random() < 0.3:
            reloads += 1
            config.write_text(CONFIG.format(*services.ports, reloads))
            if not await asyncio.to_thread(gateway.reload):
                raise AssertionError("a reload was refused")
    return reloads


async def traffic(rng, services, gateway, config, arguments, seen, problems):
    end = time.monotonic() + arguments.seconds
    clients = [Client(number, gateway.port, random.Random(rng.randrange(1 << 30)), end, seen, problems)
               for number in range(arguments.clients)]
    *_, reloads = await asyncio.gather(*(client.run() for client in clients), faults(rng, services, gateway, config, end))
    return reloads


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    rng, seen, problems = random.Random(arguments.seed), collections.Counter(), []
    with harness.scratch() as folder, contextlib.ExitStack() as stack:
        services = Services(rng)
        stack.callback(services.stop)
        config = folder / "gateway.toml"
        config.write_text(CONFIG.format(*services.ports, 0))
        gateway = harness.Gateway(config, cwd=folder)
        stack.callback(gateway.kill)
        harness.wait_for("an answer that is not cut", lambda: answers(gateway))
        before = descriptors(gateway)
        reloads = asyncio.run(traffic(rng, services, gateway, config, arguments, seen, problems))
        harness.wait_for("the descriptors", lambda: descriptors(gateway) <= before)
        gateway.stop()
    errors = [line for line in gateway.lines if " error " in line or "Sanitizer" in line or "runtime error" in line]
    print(f"{services.kills} kills, {reloads} reloads, {dict(seen)}")
    for problem in (problems + errors)[:MOST_PROBLEMS]:
        print(problem)
    sys.exit(bool(problems or errors))


if __name__ == "__main__":
    main()
