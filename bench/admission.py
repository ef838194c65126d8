# SPDX-License-Identifier: Apache-2.0
"""How soon a freed slot reaches whom it is for."""

import statistics
import time

from peers import ROOT, harness


def admission(options):
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
            took = []
            for leaver, waiter in zip(people, people[1:]):
                stream = harness.EventStream(two.port, "/api/v1/queue/stream", waiter)
                stream.wait("STATUS_UPDATE")
                begun = time.monotonic()
                one.request("DELETE", "/api/v1/queue/allowed-in-token", leaver)
                took.append((stream.wait("ALLOWED_IN")[1] - begun) * 1000)
                stream.close()
        finally:
            for process in (one, two, redis):
                process.kill()
            keys.stop()
    took.sort()
    return ["## Admission", "", "From `DELETE allowed-in-token` on one gateway to `ALLOWED_IN` on a stream of the other, "
            "as a client sees it.", "", "| freed slots | p50 ms | p99 ms | max ms |", "|---|---|---|---|",
            f"| {len(took)} | {statistics.median(took):.1f} | {took[int(len(took) * 0.99) - 1]:.1f} | {took[-1]:.1f} |"]
