#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the queue's scripts cost Redis, per user: `python3 bench/redis_cost.py [--waiting 50000]`.

Starts a redis-server of its own, runs the scripts of lua/ as the gateway sends them, and divides the time that
the server says it spent in them (INFO commandstats) by the users they served. The yardstick, measured in the
same run with batches of the same size, is a script that does the least anybody could do for a line-up: HEXISTS,
HLEN, INCR, ZADD; for a rank, pipelined ZRANK. Ratios are what to compare between machines; best of several rounds,
because other processes only ever make it slower.

A stream's rank per tick is the mean over six turns of the wheel, which is as often as a lease is written: two whole
looks, four at ranks alone. Time goes a hundred times faster there, a turn in 0.1 s and a presence of 3 s.
"""

import argparse
import pathlib
import re
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


def script(name):
    """The text of a script: the parts that it names, and its own."""
    text = (ROOT / f"lua/{name}.lua").read_text()
    parts = re.search(r"^-- PARTS +(.*)$", text, re.MULTILINE)[1].split()
    return "".join((ROOT / f"lua/{part}.lua").read_text() for part in parts) + text


class Queue:
    """The scripts as the gateway sends them; nobody is let in unless `capacity` says so."""

    def __init__(self, redis, capacity):
        self.redis = redis
        self.shas = {name: redis.call("SCRIPT", "LOAD", script(name)) for name in ("lineup", "look", "tick", "leave")}
        self.minimal = redis.call("SCRIPT", "LOAD", MINIMAL)
        self.common = ["queue:events", capacity, 240000, 0, 300000, 30000, "back"]
        self.operations = 0

    def run(self, name, *arguments):
        return self.redis.call("EVALSHA", self.shas[name], len(KEYS), *KEYS, *self.common, *arguments)

    def line_up(self, users):
        first = self.operations
        self.operations += len(users)
        return self.run("lineup", *users, *(f"{i:032x}" for i in range(first, self.operations)))

    def look(self, users, renew="0"):
        return self.run("look", renew * len(users), *users)

    def ranks(self, users):
        return self.run("look", "", *users)

    def turns(self, users):
        """Six turns of the wheel for streams that are open."""
        clock = self.run("tick", 1)[7]
        for batch in batches(users, 256):
            self.redis.call("ZADD", "queue:lease", *(word for user in batch for word in (clock + 3000, user)))
        common, self.common = self.common, [*self.common[:4], 3000, *self.common[5:]]
        began = time.monotonic()
        for turn in range(6):
            for batch in batches(users, 256):
                self.ranks(batch) if turn % 3 else self.look(batch)
            time.sleep(max(0, began + (turn + 1) * 0.1 - time.monotonic()))
        self.common = common

    def least(self, users):
        return self.redis.call("EVALSHA", self.minimal, 3, "least:wait", "least:in", "least:counter", *users)


def names(kind, first, count):
    """User ids as long as UUIDs are."""
    return [f"{kind}-{i:0{35 - len(kind)}d}" for i in range(first, first + count)]


def batches(users, size):
    return [users[i:i + size] for i in range(0, len(users), size)]


def cost_us(redis, work, per, command="evalsha"):
    """Microseconds of the server per user in `work`."""
    redis.call("CONFIG", "RESETSTAT")
    work()
    for line in redis.call("INFO", "commandstats").splitlines():
        if line.startswith(f"cmdstat_{command}:"):
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


def pipelined_ranks(redis, users):
    for batch in batches(users, 64):
        for user in batch:
            redis.send("ZRANK", "queue:wait", user)
        for _ in batch:
            redis.reply()


def measure(redis, options):
    queue = Queue(redis, 0)
    version = redis.call("INFO", "server").split("redis_version:")[1].split()[0]
    for batch in batches(names("crowd", 0, options.waiting), 256):
        queue.line_up(batch)
        queue.least(batch)
    count, best = options.users, {}

    def keep(what, size, work, looks=count, command="evalsha"):
        best[what, size] = min(best.get((what, size), 1e9), cost_us(redis, work, looks, command))

    admitted = names("inside", 0, count)
    for user in admitted:
        redis.call("HSET", "allowedIn:users", user, int(time.time()))
    queue.look(admitted[:200])
    crowd = names("crowd", options.waiting // 2, count)
    for round_ in range(options.rounds):
        for size in (1, 8, 64):
            new = names(f"n{round_}-{size}", 0, count)
            keep("least", size, lambda: [queue.least(b) for b in batches(new, size)])
            keep("line-up", size, lambda: [queue.line_up(b) for b in batches(new, size)])
            keep("line-up again", size, lambda: [queue.line_up(b) for b in batches(new, size)])
            keep("gated call", size, lambda: [queue.look(b, "1") for b in batches(admitted, size)])
        keep("ZRANK", 1, lambda: pipelined_ranks(redis, crowd), command="zrank")
        keep("whole look", 256, lambda: [queue.look(b) for b in batches(crowd, 256)])
        keep("ranks alone", 256, lambda: [queue.ranks(b) for b in batches(crowd, 256)])
        keep("rank per tick", 256, lambda: queue.turns(crowd), 6 * count)
    print(f"Redis {version}, {options.waiting:,} people wait. us of the server's time per user; best of {options.rounds} rounds.\n")
    print("| | users in a script | us | x the least |\n|---|---|---|---|")
    for (what, size), cost in best.items():
        least = best.get(("least", size))
        print(f"| {what} | {size} | {cost:.2f} | {f'{cost / least:.2f}' if what == 'line-up' else ''} |")


if __name__ == "__main__":
    main()
