# SPDX-License-Identifier: Apache-2.0
"""What a reload with a new build of the queue does to streams that are open: how late an admission comes meanwhile."""

import asyncio
import http.client
import re
import resource
import statistics
import time

from peers import harness

CONFIG = """
[server]
listen = ["127.0.0.1:0"]
workers = 1
[[plugin]]
name = "metrics"
file = "metrics.so"
[[plugin]]
name = "auth"
file = "{plugins}/subject.so"
[[plugin]]
name = "queue"
file = "./queue.so"
[plugin.config]
store = "{store}"
capacity = 1
[[pipeline]]
filters = ["metrics", "auth", "queue"]
"""
RELOADS, BEFORE = 3, 100


class Stream(asyncio.Protocol):
    """One person's; `admitted` is when it was told."""

    def __init__(self, user):
        self.user, self.events, self.opened = user, 0, asyncio.get_running_loop().create_future()
        self.admitted, self.lost = asyncio.get_running_loop().create_future(), False

    def connection_made(self, transport):
        transport.write(f"GET /api/v1/queue/stream HTTP/1.1\r\nHost: x\r\nX-Subject: {self.user}\r\n\r\n".encode())

    def data_received(self, data):
        if b"STATUS_UPDATE" in data and not self.opened.done():
            self.opened.set_result(None)
        told = data.count(b"ALLOWED_IN")
        self.events += told
        if told and not self.admitted.done():
            self.admitted.set_result(time.monotonic())

    def connection_lost(self, _):
        self.lost = not self.admitted.done()


def pauses(gateway):
    """Of the streams that were handed over: ([(upper bound in ms, how many are not above it)], how many)."""
    text = gateway.request("GET", "/actuator/prometheus").body.decode()
    found = re.findall(r'^gateway_stream_handover_seconds_bucket\{le="([^"]+)"\} (\S+)$', text, re.M)
    bounds = [(float(bound) * 1000, int(float(count))) for bound, count in found]
    return bounds, bounds[-1][1]


def ask(connection, method, path, user):
    connection.request(method, "/api/v1/queue/" + path, headers={"X-Subject": user})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, (method, path, user, answer.status)


async def act(gateway, queue, people):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=harness.DEADLINE_S)
    for i in range(people + 1):
        ask(connection, "POST", "lineup", f"p{i}")
    loop, streams = asyncio.get_running_loop(), []
    for i in range(people):
        streams.append((await loop.create_connection(lambda: Stream(f"p{i + 1}"), "127.0.0.1", gateway.port))[1])
        if i % 50 == 49:
            await asyncio.gather(*(stream.opened for stream in streams[-50:]))
    turn = 0

    async def free_slot():
        """The one who is inside leaves; how long until the next one's stream says so."""
        nonlocal turn
        begun = time.monotonic()
        await asyncio.to_thread(ask, connection, "DELETE", "allowed-in-token", f"p{turn}")
        turn += 1
        return (await asyncio.wait_for(streams[turn - 1].admitted, harness.DEADLINE_S) - begun) * 1000

    idle = [await free_slot() for _ in range(BEFORE)]
    during, lengths = [], []
    for number in range(RELOADS):
        await asyncio.sleep(0.3)
        queue.write_bytes(queue.read_bytes() + b"\0")  # another build, as far as a loader can tell
        begun, seen = time.monotonic(), len(gateway.lines)
        gateway.signal(1)
        while not any(re.search("instance queue has ended", line) for line in gateway.lines[seen:]):
            assert not any("reload refused" in line for line in gateway.lines[seen:]), gateway.log()
            during.append(await free_slot())
            await asyncio.sleep(0.002)
        lengths.append((time.monotonic() - begun) * 1000)
    connection.close()
    assert not any(stream.lost for stream in streams), "streams were dropped"
    assert all(stream.events == 1 for stream in streams[:turn]), "an admission was told twice"
    await asyncio.sleep(1.5)  # metrics are published every second
    return idle, during, lengths, await asyncio.to_thread(pauses, gateway)


def handover(options):
    people = options.people
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    lines = ["## Hand-over", "", f"A reload with another build of `waiting_queue` while {people:,} streams are open: from a "
             "`DELETE allowed-in-token` to `ALLOWED_IN` on the next one's stream, as clients see it, before the reloads and while "
             f"streams move ({RELOADS} reloads; no stream was dropped, no admission told twice). The last column is from SIGHUP "
             "to the end of the old instance.", "",
             "| store | | freed slots | p50 ms | p99 ms | max ms | a reload takes ms |", "|---|---|---|---|---|---|---|"]
    waits = []
    for name in ("memory", "redis"):
        with harness.scratch() as folder:
            redis = harness.Redis(folder) if name == "redis" else None
            queue = folder / "queue.so"
            queue.write_bytes((harness.BUILD / "plugins" / "waiting_queue.so").read_bytes())
            config = folder / "gateway.toml"
            config.write_text(CONFIG.format(plugins=harness.BUILD / "tests" / "plugins",
                                            store=f"redis://127.0.0.1:{redis.port}" if redis else "memory"))
            gateway = harness.Gateway(config, cwd=folder)
            try:
                idle, during, lengths, (bounds, moved) = asyncio.run(act(gateway, queue, people))
            finally:
                gateway.kill()
                if redis:
                    redis.kill()
        for what, took, length in (("before", idle, ""), ("during", during, f"{statistics.median(lengths):.0f}")):
            took.sort()
            lines.append(f"| {name} | {what} | {len(took)} | {statistics.median(took):.1f} | "
                         f"{took[int(len(took) * 0.99) - 1]:.1f} | {took[-1]:.1f} | {length} |")
        within = {share: next(bound for bound, count in bounds if count >= moved * share) for share in (0.5, 0.99, 1)}
        waits.append(f"| {name} | {moved:,} | {within[0.5]:g} | {within[0.99]:g} | {within[1]:g} |")
    return lines + ["", "Of each stream: from the start of the hand-over on its worker until the new instance has it "
                    "(`gateway_stream_handover_seconds`).", "", "| store | streams moved | p50 at most ms | p99 at most ms | "
                    "all within ms |", "|---|---|---|---|---|", *waits]
