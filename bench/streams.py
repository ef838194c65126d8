# SPDX-License-Identifier: Apache-2.0
"""Open event streams beside nginx with nchan: what one holds, and what an event costs."""

import asyncio
import http.client
import resource

from peers import cpu_seconds, harness, nginx
from relay import memory_of

CONFIG = """
[server]
listen = ["127.0.0.1:0"]
workers = 1
[[plugin]]
name = "auth"
file = "{plugins}/subject.so"
[[plugin]]
name = "queue"
file = "waiting_queue.so"
[plugin.config]
store = "redis://127.0.0.1:{redis}"
capacity = {capacity}
[[pipeline]]
filters = ["auth", "queue"]
"""
NCHAN = "load_module /usr/lib/nginx/modules/ngx_nchan_module.so;"
FIRST = 500  # open before memory counts
EVENT = '{"totalQueueSize":15000,"userQueuePosition":12345,"usersBehind":2655}'


class Client(asyncio.Protocol):
    def __init__(self, request, tally):
        self.request, self.tally = request, tally

    def connection_made(self, transport):
        transport.write(self.request)

    def data_received(self, data):
        self.tally["bytes"] += len(data)
        self.tally["events"] += data.count(b"\ndata: ")

    def connection_lost(self, _):
        self.tally["lost"] += 1


async def until(what, condition):
    for _ in range(12000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(what)


async def open_streams(port, requests, tally, welcomed):
    """In hundreds, so that no backlog overflows; `welcomed`: each gets an event at once."""
    loop, transports = asyncio.get_running_loop(), []
    for begin in range(0, len(requests), 100):
        some = requests[begin:begin + 100]
        for request in some:
            transports.append((await loop.create_connection(lambda r=request: Client(r, tally), "127.0.0.1", port))[0])
        if welcomed:
            await until("first events", lambda: tally["events"] >= begin + len(some))
    return transports


async def held(port, requests, tally, process, welcomed):
    transports = await open_streams(port, requests[:FIRST], tally, welcomed)
    await asyncio.sleep(1)
    before = memory_of(process.child.pid)
    seen, tally["events"] = tally["events"], 0
    transports += await open_streams(port, requests[FIRST:], tally, welcomed)
    tally["events"] += seen
    await asyncio.sleep(1)
    return transports, (memory_of(process.child.pid) - before) / (len(requests) - FIRST)


def count():
    return {"events": 0, "bytes": 0, "lost": 0}


async def cost(process, tally, work):
    """CPU seconds per 100,000 events, and bytes of each."""
    begun, events, size = cpu_seconds(process.child.pid), tally["events"], tally["bytes"]
    await work
    events = tally["events"] - events
    assert tally["lost"] == 0 and events > 0, (tally, process.log()[-2000:])
    return (cpu_seconds(process.child.pid) - begun) / events * 1e5, (tally["bytes"] - size) / events, events


def start_gateway(folder, redis, capacity):
    """That believes who says who it is."""
    config = folder / "gateway.toml"
    config.write_text(CONFIG.format(plugins=harness.BUILD / "tests" / "plugins", redis=redis.port, capacity=capacity))
    return harness.Gateway(config, cwd=folder)


def crowd(people):
    """Of each: lines up, and opens its stream."""
    return [(f"POST /api/v1/queue/lineup HTTP/1.1\r\nHost: x\r\nX-Subject: person-{i:029d}\r\n\r\n"
             f"GET /api/v1/queue/stream HTTP/1.1\r\nHost: x\r\nX-Subject: person-{i:029d}\r\n\r\n").encode()
            for i in range(people)]


async def ours(gateway, people):
    tally, requests = count(), crowd(people)
    transports, memory = await held(gateway.port, requests, tally, gateway, True)
    await asyncio.sleep(10)
    result = await cost(gateway, tally, asyncio.sleep(30))
    for transport in transports:
        transport.abort()
    return memory, result


async def theirs(server, port, people):
    tally = count()
    requests = [f"GET /sub/{i} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n".encode() for i in range(people)]
    transports, memory = await held(port, requests, tally, server, False)

    async def publish(targets, each):
        wanted = tally["events"] + each * len(targets)
        def post():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.DEADLINE_S)
            for target in targets:
                connection.request("POST", target, EVENT)
                answer = connection.getresponse()
                answer.read()
                assert answer.status in (200, 201, 202), answer.status
            connection.close()
        await asyncio.to_thread(post)
        await until(f"{wanted - tally['events']} events are missing", lambda: tally["events"] >= wanted)

    own = await cost(server, tally, publish([f"/pub/{i}" for i in range(people)] * 2, 1))
    shared = await cost(server, tally, publish(["/pub/all"] * 4, people))
    for transport in transports:
        transport.abort()
    return memory, own, shared


def streams(options):
    people = options.streams
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with harness.scratch() as folder:
        redis = harness.Redis(folder)
        gateway = start_gateway(folder, redis, 0)
        try:
            memory, event = asyncio.run(ours(gateway, people))
        finally:
            gateway.kill()
            redis.kill()
        port = harness.free_port()
        server = nginx(folder, "nchan", f"""nchan_shared_memory_size 512m;
            server {{ listen 127.0.0.1:{port} backlog=4096;
              location ~ /pub/(\\w+)$ {{ nchan_publisher; nchan_channel_id $1; nchan_store_messages off; }}
              location ~ /sub/(\\w+)$ {{ nchan_subscriber eventsource; nchan_channel_id $1 all; nchan_subscriber_first_message newest; }} }}
            """, head=NCHAN, connections=19000)
        try:
            harness.wait_for("nchan", lambda: answers(port))
            nchan_memory, own, shared = asyncio.run(theirs(server, port, people))
        finally:
            server.kill()
    lines = ["## Open streams", "", f"{people:,} streams of server-sent events in one process with one worker, beside nginx with nchan. "
             "The gateway's events are each stream's own: it asks Redis for the place every 10 s, and all that costs is counted "
             "(heartbeats too). nchan is told by a publisher: an event for each stream on a channel of its own (one POST "
             "each), and, its best case, one event for all on a channel that they share.", "",
             "| | bytes of its own memory per stream | CPU-s per 100,000 events | bytes of an event | events |", "|---|---|---|---|---|"]
    for name, bytes_, (cpu, size, events) in (("gateway", memory, event), ("nchan, own events", nchan_memory, own),
                                              ("nchan, shared event", nchan_memory, shared)):
        lines.append(f"| {name} | {bytes_:,.0f} | {cpu:.2f} | {size:.0f} | {events:,} |")
    return lines


def answers(port):
    try:
        return harness.request(port, "GET", "/x").status == 404
    except OSError:
        return False
