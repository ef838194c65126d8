# SPDX-License-Identifier: Apache-2.0
"""How soon a freed slot reaches whom it is for, on a stream of another gateway: idle, and among 15,000 open streams."""

import asyncio
import resource
import statistics
import time

import streams
from peers import ROOT, harness


def freed_slots(one, two, people):
    """`people`: headers of those in line, the first of whom is admitted. Milliseconds of each."""
    took = []
    for leaver, waiter in zip(people, people[1:]):
        stream = harness.EventStream(two.port, "/api/v1/queue/stream", waiter)
        stream.wait("STATUS_UPDATE")
        begun = time.monotonic()
        one.request("DELETE", "/api/v1/queue/allowed-in-token", leaver)
        took.append((stream.wait("ALLOWED_IN")[1] - begun) * 1000)
        stream.close()
    return took


def idle(options):
    with harness.scratch() as folder:
        keys = harness.KeyServer(folder)
        redis = harness.Redis(folder)
        env = {"REDIS_IP": "127.0.0.1", "REDIS_PORT": str(redis.port), "JWT_JWKS_URI": keys.url,
               "ALLOWED_IN_MAX_CAPACITY": "1", "EUREKA_FETCH": "false", "EUREKA_REGISTER": "false"}
        one, two = (harness.Gateway(ROOT / "deploy" / "gateway.toml", env, cwd=folder) for _ in range(2))
        try:
            people = [keys.bearer(f"p{i}") for i in range(options.rounds * 20 + 1)]
            for person in people:
                one.request("POST", "/api/v1/queue/lineup", person)
            return freed_slots(one, two, people)
        finally:
            for process in (one, two, redis):
                process.kill()
            keys.stop()


def loaded(options):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with harness.scratch() as folder:
        redis = harness.Redis(folder)
        one, two = (streams.start_gateway(folder, redis, 1) for _ in range(2))
        people = [{"X-Subject": f"p{i}"} for i in range(options.rounds * 60 + 1)]

        async def act():
            for person in people:
                one.request("POST", "/api/v1/queue/lineup", person)
            tally = streams.count()
            transports = await streams.open_streams(two.port, streams.crowd(options.streams), tally, True)
            await asyncio.sleep(10)  # until the wheel has turned once
            took = await asyncio.to_thread(freed_slots, one, two, people)
            assert tally["lost"] == 0, tally
            for transport in transports:
                transport.abort()
            return took

        try:
            return asyncio.run(act())
        finally:
            for process in (one, two, redis):
                process.kill()


def admission(options):
    lines = ["## Admission", "", "From `DELETE allowed-in-token` on one gateway to `ALLOWED_IN` on a stream of the other, "
             "as a client sees it; in the second case the client reads that many streams too.", "",
             "| other open streams | freed slots | p50 ms | p99 ms | max ms |", "|---|---|---|---|---|"]
    for others, measure in ((0, idle), (options.streams, loaded)):
        took = sorted(measure(options))
        lines.append(f"| {others:,} | {len(took)} | {statistics.median(took):.1f} | {took[int(len(took) * 0.99) - 1]:.1f} | "
                     f"{took[-1]:.1f} |")
    return lines
