#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the queue's scripts cost Redis, per user: `python3 bench/redis_cost.py [--waiting 50000]`.

Starts a redis-server of its own, runs the scripts of lua/ as the gateway sends them, and divides the time that
the server says it spent in them (INFO commandstats) by the users they served. The yardstick, measured in the
same run with batches of the same size, is a script that does the least anybody could do for a line-up: HEXISTS,
HLEN, INCR, ZADD. Ratios are what to compare between machines; best of several rounds, because other processes
only ever make it slower.
"""

import argparse
import pathlib
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
KEYS = ["queue:wait", "allowedIn:users", "queue:counter", "queue:state", "queue:expiry", "queue:lease", "queue:away",
        "queue:since", "queue:answers:0", "queue:answers:1"]
MINIMAL = """
local queued = 0
for i = 1, #ARGV do
  if redis.call('HEXISTS', KEYS[2], ARGV[i]) == 0 and redis.call('HLEN', KEYS[2]) >= 0 then
    redis.call('ZADD', KEYS[1], redis.call('INCR', KEYS[3]), ARGV[i])
    queued = queued + 1
  end
end
return queued
"""


class Redis:
    """A server on a Unix socket, and one connection to it."""

    def __init__(self, folder, program):
        path = f"{folder}/redis.sock"
        self.child = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", folder],
            stdout=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(500):
            try:
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.01)
        self.stream = self.socket.makefile("rb")

    def reply(self):
        line = self.stream.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"$":
            return None if rest == b"-1" else self.stream.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest.decode()

    def send(self, *words):
        data = b"*%d\r\n" % len(words)
        for word in words:
            word = str(word).encode()
            data += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(data)

    def call(self, *words):
        self.send(*words)
        return self.reply()

    def stop(self):
        self.child.kill()
        self.child.wait()


class Queue:
    """The scripts as the gateway sends them; nobody is let in unless `capacity` says so."""

    def __init__(self, redis, capacity):
        self.redis = redis
        prelude = (ROOT / "lua/wall.lua").read_text() + (ROOT / "lua/common.lua").read_text()
        self.shas = {name: redis.call("SCRIPT", "LOAD", prelude + (ROOT / f"lua/{name}.lua").read_text())
                     for name in ("lineup", "look", "tick", "leave")}
        self.minimal = redis.call("SCRIPT", "LOAD", MINIMAL)
        self.common = ["queue:events", capacity, 240000, 0, 300000, 30000, "back"]
        self.operations = 0

    def run(self, name, *arguments):
        return self.redis.call("EVALSHA", self.shas[name], len(KEYS), *KEYS, *self.common, *arguments)

    def line_up(self, users):
        words = []
        for user in users:
            self.operations += 1
            words += [user, f"{self.operations:032x}"]
        return self.run("lineup", *words)

    def look(self, users, renew="0"):
        return self.run("look", renew * len(users), *users)

    def ranks(self, users):
        return self.run("look", "", *users)

    def least(self, users):
        return self.redis.call("EVALSHA", self.minimal, 3, "least:wait", "least:in", "least:counter", *users)


def names(kind, first, count):
    """User ids as long as UUIDs are."""
    return [f"{kind}-{i:0{35 - len(kind)}d}" for i in range(first, first + count)]


def batches(users, size):
    return [users[i:i + size] for i in range(0, len(users), size)]


def cost_us(redis, work, per):
    """Microseconds of the server per user in `work`."""
    redis.call("CONFIG", "RESETSTAT")
    work()
    for line in redis.call("INFO", "commandstats").splitlines():
        if line.startswith("cmdstat_evalsha:"):
            fields = dict(part.split("=") for part in line.split(":")[1].split(","))
            return int(fields["usec"]) / per
    raise RuntimeError("no scripts were run")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--waiting", type=int, default=50000, help="people in line already")
    arguments.add_argument("--users", type=int, default=4096, help="users per measurement")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--server", default="redis-server", help="or valkey-server")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        redis = Redis(folder, options.server)
        try:
            measure(redis, options)
        finally:
            redis.stop()


def measure(redis, options):
    queue = Queue(redis, 0)
    print(redis.call("INFO", "server").split("redis_version:")[1].split()[0], "with", options.waiting, "waiting")
    for batch in batches(names("crowd", 0, options.waiting), 256):
        queue.line_up(batch)
        queue.least(batch)
    count, best = options.users, {}

    def keep(name, work):
        best[name] = min(best.get(name, 1e9), cost_us(redis, work, count))

    admitted = names("inside", 0, count)
    for user in admitted:
        redis.call("HSET", "allowedIn:users", user, int(time.time()))
    queue.look(admitted[:200])
    crowd = names("crowd", options.waiting // 2, count)
    for round_ in range(options.rounds):
        for size in (1, 8, 64):
            new = names(f"n{round_}-{size}", 0, count)
            keep(f"least, {size} a script", lambda: [queue.least(b) for b in batches(new, size)])
            keep(f"line-up, {size} a script", lambda: [queue.line_up(b) for b in batches(new, size)])
            keep(f"again, {size} a script", lambda: [queue.line_up(b) for b in batches(new, size)])
            keep(f"gate, {size} a script", lambda: [queue.look(b, "1") for b in batches(admitted, size)])
        keep("ranks of streams, 256 a script", lambda: [queue.look(b) for b in batches(crowd, 256)])
    for name, cost in best.items():
        size = name.split(", ")[1]
        least = best.get(f"least, {size}")
        ratio = f"  {cost / least:5.2f} x the least" if least and name.startswith("line-up") else ""
        print(f"{name:34} {cost:7.2f} us/user{ratio}")


if __name__ == "__main__":
    main()
