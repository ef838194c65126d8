# SPDX-License-Identifier: Apache-2.0
"""The queue under fire: two gateways, a Redis master with two replicas and three sentinels, and a crowd.

    python3 tests/chaos/queue_chaos.py [--seconds 45] [--clients 150] [--seed N]

The crowd lines up, polls, holds streams, closes tabs, comes back, leaves, or just vanishes. Meanwhile gateways are
killed (SIGKILL), the master is stopped for a moment or killed, its pub/sub connections are cut, its scripts forgotten.
An observer that shares no code with the gateway replays MONITOR's stream of whoever is master, from a snapshot on,
and checks after every command:

  capacity      nobody is admitted while as many as fit are admitted
  one place     nobody is admitted and waiting when a script ends
  order         whoever is admitted from the line has nobody present before him; nobody walks past a line
  told          who is admitted hears of it on an open stream within 5 s, or 5 s after what was broken serves again
  kept          who is present keeps the place, unless a fail-over lost it (asynchronous replication: counted)

Seed and figures are printed; the exit status says whether all held.
"""

import argparse
import asyncio
import contextlib
import json
import math
import pathlib
import random
import re
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402

CAPACITY, DURATION_S, PRESENCE_S, GRACE_S = 10, 6, 12, 4
TOLD_WITHIN_S = 5.0
OLD_MASTER_S = 5.0  # so long a gateway may go on writing to a master that is none any more
QUEUE = "/api/v1/queue"
CONFIG = """
[server]
listen = ["127.0.0.1:${SERVER_PORT:0}"]
[[plugin]]
name = "auth"
file = "auth_jwt.so"
[plugin.config]
jwks_uri = "@KEYS@"
[[plugin]]
name = "queue"
file = "waiting_queue.so"
[plugin.config]
store = "@STORE@"
capacity = @CAPACITY@
duration_seconds = @DURATION@
presence_timeout_seconds = @PRESENCE@
disconnect_grace_seconds = @GRACE@
relineup = "keep"
reconnect_max = "300ms"
client_retry = "300ms"
[[plugin]]
name = "echo"
file = "echo.so"
[[pipeline]]
match = { listener = "main", path = "/**" }
filters = ["auth", "queue", "echo"]
"""
SNAPSHOT = """
return {redis.call('HKEYS', 'allowedIn:users'), redis.call('ZRANGE', 'queue:wait', 0, -1, 'WITHSCORES'),
        redis.call('SMEMBERS', 'queue:away'), ARGV[1]}
"""


class Server(harness.Redis):
    """A server of the sentinels' flock."""

    def __init__(self, folder, port, more=(), config=None):
        self.port, self.folder = port, folder
        command = ["redis-server"] + ([config] if config else [])
        command += ["--port", port, "--bind", "127.0.0.1", "--dir", folder, "--loglevel", "warning", *more]
        harness.Process.__init__(self, command)
        harness.wait_for("redis-server", self._answers)


class Flock:
    def __init__(self, folder):
        self.folder, self.ports = folder, [harness.free_port() for _ in range(3)]
        self.servers = [self.start(i) for i in range(3)]
        self.sentinels = []
        for i in range(3):
            config = folder / f"sentinel{i}.conf"
            config.write_text(f"sentinel monitor shop 127.0.0.1 {self.ports[0]} 2\n"
                              "sentinel down-after-milliseconds shop 1000\nsentinel failover-timeout shop 4000\n")
            self.sentinels.append(Server(folder, harness.free_port(), ["--sentinel"], config))
        self.store = "redis+sentinel://" + ",".join(f"127.0.0.1:{s.port}" for s in self.sentinels) + "/shop"
        harness.wait_for("the sentinels to know each other", lambda: all(
            len(s.command("SENTINEL", "sentinels", "shop")) == 2 and
            len(s.command("SENTINEL", "replicas", "shop")) == 2 for s in self.sentinels))

    def start(self, i, master=0):
        follow = [] if i == master else ["--replicaof", f"127.0.0.1 {self.ports[master]}"]
        return Server(self.folder, self.ports[i], ["--save", "", "--repl-diskless-sync-delay", "0", *follow])

    def master(self):
        """Index of the master that the sentinels name, if it says so itself."""
        for sentinel in self.sentinels:
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                port = int(sentinel.command("SENTINEL", "get-master-addr-by-name", "shop")[1])
                i = self.ports.index(port)
                if self.servers[i].child.poll() is None and self.servers[i].command("ROLE")[0] == "master":
                    return i
        return None

    def agreed_master(self):
        """The same, if all sentinels name it."""
        named = set()
        for sentinel in self.sentinels:
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                named.add(sentinel.command("SENTINEL", "get-master-addr-by-name", "shop")[1])
        return self.master() if len(named) == 1 else None

    def stop(self):
        for server in self.servers + self.sentinels:
            with contextlib.suppress(OSError):
                server.signal(signal.SIGCONT)
            server.kill()


class Observer:
    """What the master did to the three keys (and who is away), command by command."""

    def __init__(self, flock):
        self.flock, self.problems = flock, []
        self.admissions, self.commands, self.masters = 0, 0, 0
        self.admitted_at = {}  # user -> when last admitted
        self.admitted, self.waiting, self.away = set(), {}, set()
        self.recent = []
        self.server, self.writer, self.watching = None, None, False
        self.switched_at = -math.inf  # when the master in force was first seen
        self.placed_at = {}           # user -> when last seen getting, or having, a place under that master

    async def run(self):
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ConnectionError):
                await self.watch()
            self.watching = False
            await asyncio.sleep(0.02)

    async def follow(self):
        """Leaves a master that the sentinels have replaced, which goes on as a replica."""
        while True:
            await asyncio.sleep(0.2)
            if not self.watching:
                continue
            server = self.server
            master = await asyncio.to_thread(self.flock.master)
            if master is not None and self.flock.servers[master] is not server and self.server is server:
                self.writer.close()

    async def lost_by_fail_over(self, user, since):
        """Whether the place that `user` got at `since`, and has no more, was one of an earlier master's."""
        await asyncio.sleep(2)  # an election may be under way
        for _ in range(200):  # until the master that said so is the one that is watched
            master = await asyncio.to_thread(self.flock.agreed_master)
            if master is not None and self.watching and self.flock.servers[master] is self.server:
                break
            await asyncio.sleep(0.05)
        return self.placed_at.get(user, -math.inf) < since - 1 and self.switched_at > since - OLD_MASTER_S

    async def watch(self):
        master = await asyncio.to_thread(self.flock.master)
        if master is None:
            return
        server = self.flock.servers[master]
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 24)
        self.writer = writer
        try:
            writer.write(b"*1\r\n$7\r\nMONITOR\r\n")
            await reader.readline()
            mark = f"mark-{time.monotonic_ns()}"
            admitted, waiting, away, _ = await asyncio.to_thread(server.command, "EVAL", SNAPSHOT, 0, mark)
            while mark not in (line := (await reader.readline()).decode(errors="replace")):
                if not line:
                    return
            self.masters += 1
            self.admitted, self.away = set(admitted), set(away)
            self.waiting = {waiting[i]: float(waiting[i + 1]) for i in range(0, len(waiting), 2)}
            self.recent = []
            if server is not self.server:
                self.server, self.switched_at, self.placed_at = server, time.monotonic(), {}
            self.placed_at.update(dict.fromkeys(self.waiting, time.monotonic()))
            self.watching = True
            skip = True  # what the snapshot's own script called
            while line := await reader.readline():
                found = re.match(r"\+[\d.]+ \[\d+ (\S+)\] (.*)\r\n", line.decode(errors="replace"))
                if not found:
                    continue
                inside = found.group(1) == "lua"
                skip = skip and inside
                if not skip:
                    self.see(inside, re.findall(r'"((?:[^"\\]|\\.)*)"', found.group(2)))
        finally:
            writer.close()

    def see(self, inside, words):
        self.commands += 1
        self.recent = self.recent[-60:] + [words if len(words) < 60 else words[:60]]
        command, key = words[0].upper(), words[1] if len(words) > 1 else ""
        if not inside:
            both = self.admitted & self.waiting.keys()
            if both:
                self.report(f"admitted and waiting: {sorted(both)[:5]}")
                self.waiting = {u: s for u, s in self.waiting.items() if u not in both}
        if key == "allowedIn:users" and command == "HSET":
            new = [user for user in words[2::2] if user not in self.admitted]
            self.admit(new)
        elif key == "allowedIn:users" and command == "HDEL":
            self.admitted -= set(words[2:])
        elif key == "queue:wait" and command == "ZADD":
            for score, user in zip(words[2::2], words[3::2]):
                if self.waiting and user not in self.waiting and float(score) <= max(self.waiting.values()):
                    self.report(f"{user} got ticket {score}, and somebody has a later one")
                self.waiting[user] = float(score)
                self.placed_at[user] = time.monotonic()
        elif key == "queue:wait" and command == "ZREM":
            for user in words[2:]:
                self.waiting.pop(user, None)
        elif key == "queue:away" and command == "SADD":
            self.away |= set(words[2:])
        elif key == "queue:away" and command in ("SREM", "DEL"):
            self.away = self.away - set(words[2:]) if command == "SREM" else set()
        elif command in ("DEL", "UNLINK", "FLUSHALL") and key in ("allowedIn:users", "queue:wait", "queue:counter"):
            self.report(f"{words}")

    def admit(self, users):
        for user in users:
            if len(self.admitted) >= CAPACITY:
                self.report(f"{user} admitted above capacity: {len(self.admitted)}")
            self.admitted.add(user)
            self.admissions += 1
            self.admitted_at[user] = time.monotonic()
        here = {u: s for u, s in self.waiting.items() if u not in self.away and u not in self.admitted}
        if not here:
            return
        first, score = min(here.items(), key=lambda item: item[1])
        for user in users:
            if self.waiting.get(user, float("inf")) > score:
                self.report(f"{user} (ticket {self.waiting.get(user)}) was admitted before {first} (ticket {score})")

    def report(self, problem):
        if len(self.problems) < 20:
            self.problems.append(problem + "\n    " + "\n    ".join(" ".join(w)[:300] for w in self.recent[-8:]))


class Crowd:
    def __init__(self, random_, ports, keys, count, observer):
        self.random, self.ports, self.observer = random_, ports, observer
        self.tokens = {f"user-{i}": keys.token(f"user-{i}") for i in range(count)}
        self.problems, self.figures = [], dict.fromkeys(
            ("line-ups", "told", "told late", "streams", "holds", "calls", "lost by fail-over", "vanished", "left"), 0)
        self.broken_since, self.served_since = None, time.monotonic()
        self.slowest_told, self.lag = -1.0, 0.0

    async def watch_lag(self):
        """How late this process itself is: what it measures is no truer than that."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.1)
            self.lag = max(self.lag * 0.9, time.monotonic() - before - 0.1)

    def disturb(self):
        self.broken_since = time.monotonic()

    def recovered(self):
        self.broken_since, self.served_since = None, time.monotonic()

    async def call(self, user, method, path):
        """(status, body), or None when nobody answered."""
        self.figures["calls"] += 1
        try:
            reader, writer = await asyncio.wait_for(
                asyncio.open_connection("127.0.0.1", self.random.choice(self.ports)), 5)
            try:
                writer.write(self.head(user, method, path, "Content-Length: 0\r\nConnection: close\r\n"))
                answer = await asyncio.wait_for(reader.read(), 15)
            finally:
                writer.close()
            head, _, body = answer.partition(b"\r\n\r\n")
            return int(head.split()[1]), body.decode(errors="replace")
        except (OSError, asyncio.TimeoutError, IndexError, ValueError):
            return None

    def head(self, user, method, path, more=""):
        return (f"{method} {path} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {self.tokens[user]}\r\n"
                f"{more}\r\n").encode()

    async def serve(self, user):
        while True:
            await asyncio.sleep(self.random.uniform(0, 3))
            await self.visit(user)

    async def line_up(self, user):
        while True:
            answer = await self.call(user, "POST", QUEUE + "/lineup")
            if answer and answer[0] == 200:
                self.figures["line-ups"] += 1
                return "대기열" not in answer[1], time.monotonic()
            await asyncio.sleep(self.random.uniform(0.1, 0.5))

    async def visit(self, user):
        inside, since = await self.line_up(user)
        if not inside:
            polls = self.random.random() < 0.25
            inside = await (self.poll if polls else self.stream)(user, since)
        if not inside:
            return
        if self.random.random() < 0.1:
            self.figures["vanished"] += 1  # the admission runs out by itself
            await asyncio.sleep(DURATION_S + 3)
            return
        await asyncio.sleep(self.random.uniform(0.1, 1.5))
        await self.call(user, "POST", "/api/v1/reservations")
        for _ in range(20):
            answer = await self.call(user, "DELETE", QUEUE + "/allowed-in-token")
            if answer and answer[0] in (200, 404):
                self.figures["left"] += 1
                return
            await asyncio.sleep(0.3)

    async def gone(self, user, since):
        """The queue says that a present user is not in it."""
        if self.observer.admitted_at.get(user, 0) >= since - 1:
            self.figures["told late"] += 1  # admitted while nobody could be told, and over again
        elif await self.observer.lost_by_fail_over(user, since):
            self.figures["lost by fail-over"] += 1
        else:
            self.problems.append(f"{user} lost its place {time.monotonic() - since:.1f} s after lining up")

    async def poll(self, user, since):
        while True:
            await asyncio.sleep(self.random.uniform(0.3, 1.5))
            if self.random.random() < 0.01:
                answer = await self.call(user, "DELETE", QUEUE + "/waiting-token")
                return False
            answer = await self.call(user, "GET", QUEUE + "/status")
            if answer and answer[0] == 404:
                await self.gone(user, since)
                return False
            if answer and answer[0] == 200 and "data" not in json.loads(answer[1]):
                return True

    async def stream(self, user, since):
        while True:
            try:
                ended = await self.one_stream(user, since)
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
                ended = None
            if ended is not None:
                return ended
            await asyncio.sleep(self.random.uniform(0.05, 0.5))

    async def one_stream(self, user, since):
        """True: admitted. False: gone for good. None: to be opened again."""
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection("127.0.0.1", self.random.choice(self.ports)), 5)
        tabs = 60 if self.random.random() < 0.7 else self.random.uniform(0.2, 6)
        end, opened, shown = time.monotonic() + tabs, None, False
        try:
            writer.write(self.head(user, "GET", QUEUE + "/stream"))
            while True:
                left = end - time.monotonic()
                if left <= 0:
                    break
                try:
                    line = (await asyncio.wait_for(reader.readline(), left)).decode(errors="replace")
                except asyncio.TimeoutError:
                    break
                if not line:
                    return None
                if line.startswith("HTTP/1.1") and " 200 " not in line:
                    return None
                if line.startswith("HTTP/1.1"):
                    self.figures["streams"] += 1
                    opened = time.monotonic()
                if line.startswith("event: HOLD"):
                    self.figures["holds"] += 1
                if line.startswith("event: STATUS_UPDATE"):
                    shown = True
                if line.startswith("event: ERROR"):
                    await self.gone(user, since)
                    return False
                if line.startswith("event: ALLOWED_IN"):
                    self.told(user, since, opened)
                    return True
            late = self.untold(user, since, opened) if shown else 0
            if late > TOLD_WITHIN_S + self.lag:
                self.problems.append(f"{user} was admitted and for {late:.1f} s not told")
        finally:
            writer.close()
        # The tab is closed: come back within the grace, or never.
        if self.random.random() < 0.3:
            self.figures["vanished"] += 1
            await asyncio.sleep(GRACE_S + PRESENCE_S)
            return False
        await asyncio.sleep(self.random.uniform(0, GRACE_S / 4))
        return None

    def untold(self, user, since, opened):
        at = self.observer.admitted_at.get(user, 0)
        if at < since or self.broken_since or user not in self.observer.admitted:
            return 0
        return time.monotonic() - max(at, opened, self.served_since)

    def told(self, user, since, opened):
        self.figures["told"] += 1
        at = self.observer.admitted_at.get(user, 0)
        if at < since - 1 or self.broken_since:  # told before the observer read of it
            return
        took = time.monotonic() - max(at, opened, self.served_since)
        self.slowest_told = max(self.slowest_told, took)
        if took > TOLD_WITHIN_S + self.lag:
            self.problems.append(f"{time.strftime('%T')} {user} was told {took:.1f} s after its admission (lag {self.lag:.2f} s)")


class Chaos:
    def __init__(self, random_, flock, gateways, crowd, start_gateway):
        self.random, self.flock, self.gateways, self.crowd = random_, flock, gateways, crowd
        self.start_gateway, self.done = start_gateway, {}

    async def run(self, seconds):
        end = time.monotonic() + seconds
        await asyncio.sleep(3)
        actions = [self.kill_gateway, self.fail_over, self.freeze_master, self.cut_pubsub, self.forget_scripts]
        order = []
        while time.monotonic() < end:
            order = order or self.random.sample(actions, len(actions))
            action = order.pop()
            self.done[action.__name__] = self.done.get(action.__name__, 0) + 1
            self.crowd.disturb()
            await action()
            await self.wait_served()
            self.crowd.recovered()
            await asyncio.sleep(self.random.uniform(2, 4))

    async def wait_served(self):
        """Both gateways answer from the store again."""
        user = next(iter(self.crowd.tokens))
        end = time.monotonic() + 40
        while time.monotonic() < end:
            answers = [await self.crowd.call(user, "GET", QUEUE + "/status") for _ in range(4)]
            if all(answer and answer[0] in (200, 404) for answer in answers):
                return
            await asyncio.sleep(0.1)
        raise AssertionError("not served for 40 s:\n" + "\n".join(g.log()[-2000:] for g in self.gateways))

    async def master(self):
        for _ in range(1000):
            if (i := await asyncio.to_thread(self.flock.master)) is not None:
                return i
            await asyncio.sleep(0.05)
        raise AssertionError("the sentinels found no master")

    async def kill_gateway(self):
        i = self.random.randrange(2)
        await asyncio.to_thread(self.gateways[i].kill)
        await asyncio.sleep(self.random.uniform(0.2, 1))
        self.gateways[i] = await asyncio.to_thread(self.start_gateway, i)

    async def fail_over(self):
        i = await self.master()
        await asyncio.to_thread(self.flock.servers[i].kill)
        for _ in range(600):
            new = await asyncio.to_thread(self.flock.master)
            if new is not None and new != i:
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError("no other master was elected within 30 s")
        self.flock.servers[i] = await asyncio.to_thread(self.flock.start, i, new)

    async def freeze_master(self):
        server = self.flock.servers[await self.master()]
        server.signal(signal.SIGSTOP)
        await asyncio.sleep(self.random.uniform(0.2, 0.8))
        server.signal(signal.SIGCONT)

    async def cut_pubsub(self):
        server = self.flock.servers[await self.master()]
        await asyncio.to_thread(server.command, "CLIENT", "KILL", "TYPE", "pubsub")

    async def forget_scripts(self):
        server = self.flock.servers[await self.master()]
        await asyncio.to_thread(server.command, "SCRIPT", "FLUSH")


async def end(tasks):
    """Again and again: wait_for may swallow a cancellation that comes together with what it waited for."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=1)


async def perform(options, seed, folder):
    random_ = random.Random(seed)
    keys = harness.KeyServer(folder)
    flock = Flock(folder)
    config = folder / "gateway.toml"
    text = CONFIG
    for name, value in (("KEYS", keys.url), ("STORE", flock.store), ("CAPACITY", CAPACITY), ("DURATION", DURATION_S),
                        ("PRESENCE", PRESENCE_S), ("GRACE", GRACE_S)):
        text = text.replace(f"@{name}@", str(value))
    config.write_text(text)
    ports = [harness.free_port(), harness.free_port()]

    def start_gateway(i):
        return harness.Gateway(config, {"SERVER_PORT": str(ports[i])})

    gateways = [start_gateway(0), start_gateway(1)]
    observer = Observer(flock)
    crowd = Crowd(random_, ports, keys, options.clients, observer)
    chaos = Chaos(random_, flock, gateways, crowd, start_gateway)
    tasks = [asyncio.create_task(observer.run()), asyncio.create_task(observer.follow())]
    tasks += [asyncio.create_task(crowd.watch_lag())]
    tasks += [asyncio.create_task(crowd.serve(user)) for user in crowd.tokens]
    try:
        await chaos.run(options.seconds)
        await asyncio.sleep(2)
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception():
                raise task.exception()
    finally:
        await end(tasks)
        for gateway in gateways:
            gateway.kill()
        flock.stop()
        keys.stop()
    print("disturbances:", chaos.done)
    print("crowd:", crowd.figures, f"slowest told {crowd.slowest_told:.2f} s")
    print(f"observer: {observer.commands} commands, {observer.admissions} admissions, {observer.masters} times a master")
    for line in (line for gateway in gateways for line in gateway.log().splitlines()):
        if "no events are heard any more" in line:
            print("silent subscriber:", line)
    problems = observer.problems + crowd.problems
    if observer.admissions < options.seconds:
        problems.append("hardly anybody was admitted: the queue stood still")
    for problem in problems[:20]:
        print("BROKEN:", problem)
    if problems:
        for gateway in gateways:
            print("log of a gateway:\n" + gateway.log()[-6000:])
    return 1 if problems else 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=45)
    arguments.add_argument("--clients", type=int, default=150)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = arguments.parse_args()
    print("seed", options.seed, flush=True)
    with tempfile.TemporaryDirectory(prefix="gateway-chaos-") as folder:
        return asyncio.run(perform(options, options.seed, pathlib.Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
