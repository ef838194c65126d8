# SPDX-License-Identifier: Apache-2.0
"""What waiting people cost: asking every 5 s against holding a stream, over Redis."""

import asyncio
import concurrent.futures
import resource

from peers import ROOT, cpu_seconds, harness
from relay import memory_of

POLL_EVERY_S = 5


class Person(asyncio.Protocol):
    """One connection. Counts what passes; asks again only when told to."""

    def __init__(self, tally):
        self.tally = tally

    def connection_made(self, transport):
        self.transport = transport

    def ask(self, request):
        self.tally["requests"] += 1
        self.tally["bytes"] += len(request)
        self.transport.write(request)

    def data_received(self, data):
        self.tally["bytes"] += len(data)
        self.tally["answers"] += data.count(b"HTTP/1.1 200 ")
        self.tally["events"] += data.count(b"event: ")


class Crowd:
    def __init__(self, port, tokens):
        self.port = port
        self.tokens = tokens

    def request(self, method, path, token):
        return f"{method} {path} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {token}\r\n\r\n".encode()

    async def connect(self, tally):
        loop = asyncio.get_running_loop()
        return [(await loop.create_connection(lambda: Person(tally), "127.0.0.1", self.port))[1] for _ in self.tokens]

    async def everybody(self, people, tally, method, path):
        """All ask once, a thousand a second, and have their answers."""
        wanted = tally["answers"] + len(people)
        for i, (person, token) in enumerate(zip(people, self.tokens)):
            person.ask(self.request(method, path, token))
            if i % 10 == 9:
                await asyncio.sleep(0.01)
        for _ in range(6000):
            if tally["answers"] >= wanted:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{wanted - tally['answers']} answers to {path} are missing")

    async def poll(self, people, seconds):
        loop = asyncio.get_running_loop()
        begin, asked, total = loop.time(), 0, len(people) * seconds // POLL_EVERY_S
        while asked < total:
            due = min(total, int((loop.time() - begin) * len(people) / POLL_EVERY_S))
            for i in range(asked, due):
                people[i % len(people)].ask(self.request("GET", "/api/v1/queue/status", self.tokens[i % len(people)]))
            asked = due
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)


def new_tally():
    return {"requests": 0, "answers": 0, "events": 0, "bytes": 0}


async def act(crowd, gateway, redis, seconds):
    def spent():
        return cpu_seconds(gateway.child.pid), cpu_seconds(redis.child.pid)

    async def phase(work):
        before, events = spent(), tally["events"]
        requests, size = tally["requests"], tally["bytes"]
        await work
        after = spent()
        return (tally["requests"] - requests, tally["events"] - events, tally["bytes"] - size,
                after[0] - before[0], after[1] - before[1])

    tally = new_tally()
    people = await crowd.connect(tally)
    await crowd.everybody(people, tally, "POST", "/api/v1/queue/lineup")
    polling = await phase(crowd.poll(people, seconds))
    for person in people:
        person.transport.close()
    await asyncio.sleep(1)

    tally = new_tally()
    idle = memory_of(gateway.child.pid)
    people = await crowd.connect(tally)
    opening = await phase(crowd.everybody(people, tally, "GET", "/api/v1/queue/stream"))
    await asyncio.sleep(1)
    held = memory_of(gateway.child.pid) - idle
    streaming = await phase(asyncio.sleep(seconds))
    for person in people:
        person.transport.close()
    return polling, [a + b for a, b in zip(opening, streaming)], streaming, held


def waiting(options):
    people, seconds = options.people, options.waiting_seconds
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with harness.scratch() as folder:
        keys = harness.KeyServer(folder)
        redis = harness.Redis(folder)
        env = {"REDIS_IP": "127.0.0.1", "REDIS_PORT": str(redis.port), "JWT_JWKS_URI": keys.url, "ZIPKIN_ENDPOINT": "",
               "ALLOWED_IN_MAX_CAPACITY": "1", "EUREKA_FETCH": "false", "EUREKA_REGISTER": "false"}
        gateway = harness.Gateway(ROOT / "deploy" / "gateway.toml", env, cwd=folder)
        try:
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                tokens = list(pool.map(lambda i: keys.token(f"person-{i}"), range(people)))
            polling, streaming, steady, held = asyncio.run(act(Crowd(gateway.port, tokens), gateway, redis, seconds))
        finally:
            gateway.kill()
            redis.kill()
            keys.stop()
    lines = ["## Waiting", "", f"{people:,} people wait for {seconds} s, with their place every {POLL_EVERY_S} s by asking, or "
             "every 10 s by a stream (line-ups are not counted, opening the streams is).", "",
             "| | requests | events | bytes | gateway CPU-s | Redis CPU-s |", "|---|---|---|---|---|---|"]
    for name, (requests, events, size, ours, redis_cpu) in (("asking", polling), ("streams", streaming)):
        lines.append(f"| {name} | {requests:,} | {events:,} | {size:,} | {ours:.2f} | {redis_cpu:.2f} |")
    return lines + ["", f"A waiting stream holds {held / people:,.0f} bytes of the gateway's own memory; an event costs "
                    f"{steady[3] / max(1, steady[1]) * 1e5:.2f} CPU-s per 100,000, with all that happens meanwhile."]
