# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, one after the other: gateways, servers, connections, clocks, settings.

Each fault is over only when its effect was seen: a fault that does nothing would prove nothing.
"""

import asyncio
import datetime
import json
import pathlib
import signal
import time


class Clocks:
    """The gateways' clocks, by libfaketime; the monotonic one stays true, as it does on a real machine."""

    def __init__(self, folder, count):
        libraries = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        assert libraries, "no libfaketime here: tools/setup.sh test"
        self.library, self.files = libraries[0], [folder / f"clock{i}" for i in range(count)]
        for file in self.files:
            file.write_text("+0\n")

    def environment(self, i):
        return {"LD_PRELOAD": str(self.library), "FAKETIME_TIMESTAMP_FILE": str(self.files[i]),
                "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}

    def set(self, i, offset_s):
        self.files[i].write_text(f"{offset_s:+d}\n")


class Faults:
    """`shop`: gateways, their start, their configuration; see queue_chaos.py."""

    def __init__(self, random_, flock, shop, crowd, report):
        self.random, self.flock, self.shop, self.crowd, self.report = random_, flock, shop, crowd, report
        self.done, self.slowest_served = {}, 0.0
        self.kinds = [self.kill_gateway, self.kill_master, self.pause_master, self.replace_paused_master,
                      self.kill_replica, self.cut_pubsub, self.forget_scripts, self.skew_clock, self.change_capacity]

    def missing(self):
        """Names of those that never happened."""
        return [kind.__name__ for kind in self.kinds if kind.__name__ not in self.done]

    async def run(self, seconds):
        """Every fault once, then again in another order, until the time is over."""
        end = time.monotonic() + seconds
        order = []
        while time.monotonic() < end:
            order = order or self.random.sample(self.kinds, len(self.kinds))
            fault = order.pop()
            broken = [time.monotonic(), float("inf")]
            self.crowd.not_served.append(broken)
            self.report(fault.__name__)
            await fault()
            self.done[fault.__name__] = self.done.get(fault.__name__, 0) + 1
            await self.whole()
            whole = time.monotonic()
            await self.served()
            self.slowest_served = max(self.slowest_served, time.monotonic() - whole)
            self.report("served again")
            broken[1] = time.monotonic()
            await asyncio.sleep(self.random.uniform(1, 2.5))

    async def until(self, what, probe, deadline_s=60):
        end = time.monotonic() + deadline_s
        while not (answer := await asyncio.to_thread(probe)):
            if time.monotonic() > end:
                raise AssertionError(f"waited {deadline_s} s in vain for {what}\n{self.shop.logs()}\n{self.flock.logs()}")
            await asyncio.sleep(0.05)
        return answer

    async def whole(self):
        return await self.until("a master that all sentinels agree on, and its replicas", self.flock.whole) - 1

    async def served(self):
        """Both gateways answer from the store."""
        person, end = self.crowd.people[0], time.monotonic() + 60
        for port in self.crowd.ports:
            while True:
                answer = await self.crowd.call(person, "GET", "/api/v1/queue/status", port=port)
                if answer and answer[0] in (200, 404):
                    break
                if time.monotonic() > end:
                    raise AssertionError(f"not served for 60 s\n{self.shop.logs()}\n{self.flock.logs()}")
                await asyncio.sleep(0.05)

    async def asked(self, i, *words):
        """A server's answer."""
        return await asyncio.to_thread(self.flock.servers[i].command, *words)

    async def until_at_master(self, what, probe):
        """`probe`: of a function that asks the master."""
        async def ask():
            server = self.flock.servers[await self.master()]
            return await asyncio.to_thread(probe, server.command)
        end = time.monotonic() + 60
        while not await ask():
            if time.monotonic() > end:
                raise AssertionError(f"waited 60 s in vain for {what}\n{self.shop.logs()}\n{self.flock.logs()}")
            await asyncio.sleep(0.05)

    async def master(self):
        return await self.until("a master", lambda: (m := self.flock.master()) is not None and m + 1) - 1

    async def kill_gateway(self):
        i = self.random.randrange(2)
        await asyncio.to_thread(self.shop.gateways[i].kill)
        assert self.shop.gateways[i].child.returncode == -signal.SIGKILL, self.shop.logs()
        await asyncio.sleep(self.random.uniform(0.2, 1))
        await asyncio.to_thread(self.shop.start, i)

    async def other_master(self, old):
        """Sentinels that stood still for two seconds (a busy machine) do nothing for half a minute, and then find every
        replica without its master for too long: they are told to allow for more."""
        def another():
            return (m := self.flock.master()) not in (None, old) and m + 1
        try:
            return await self.until("another master", another, deadline_s=15) - 1
        except AssertionError:
            self.report("the sentinels stand still")
            await asyncio.to_thread(self.flock.down_after, 10000)
            try:
                return await self.until("another master", another, deadline_s=120) - 1
            finally:
                await asyncio.to_thread(self.flock.down_after, 1000)

    async def kill_master(self):
        i = await self.master()
        await asyncio.to_thread(self.flock.servers[i].kill)
        new = await self.other_master(i)
        await asyncio.to_thread(self.flock.start, i, new)

    async def pause_master(self):
        server = self.flock.servers[await self.master()]
        server.signal(signal.SIGSTOP)
        try:
            await self.until("a paused server", lambda: stopped(server))
            await asyncio.sleep(self.random.uniform(0.2, 0.8))
        finally:
            server.signal(signal.SIGCONT)

    async def replace_paused_master(self):
        """It wakes, believes that it is the master still, and some gateway may believe it too."""
        i = await self.master()
        self.flock.servers[i].signal(signal.SIGSTOP)
        try:
            new = await self.other_master(i)
        finally:
            self.flock.servers[i].signal(signal.SIGCONT)
        await asyncio.sleep(self.random.uniform(0, 3))
        # The sentinels do so after ten seconds or more.
        await asyncio.to_thread(self.flock.servers[i].command, "REPLICAOF", "127.0.0.1", self.flock.ports[new])

    async def kill_replica(self):
        master = await self.master()
        i = (master + self.random.choice((1, 2))) % 3
        await asyncio.to_thread(self.flock.servers[i].kill)
        await asyncio.sleep(self.random.uniform(0.1, 0.5))
        await asyncio.to_thread(self.flock.start, i, master)

    async def cut_pubsub(self):
        """The sentinels' too. Each gateway has one, and connects it anew."""
        def subscribers(command):
            return int(command("PUBSUB", "NUMSUB", "queue:events")[1])
        await self.until_at_master("both gateways' subscribers", lambda command: subscribers(command) == 2)
        i = await self.master()
        ids = {client.split("id=")[1].split()[0] for client in (await self.asked(i, "CLIENT", "LIST", "TYPE", "pubsub"))
               .splitlines() if client}
        await self.asked(i, "CLIENT", "KILL", "TYPE", "pubsub")
        left = await self.asked(i, "CLIENT", "LIST", "TYPE", "pubsub")
        assert len(ids) >= 2 and not any(f"id={one} " in left for one in ids), left
        await self.until_at_master("both gateways' subscribers again", lambda command: subscribers(command) == 2)

    async def forget_scripts(self):
        """They are sent whole, once each."""
        def sent(command):
            line = [one for one in command("INFO", "commandstats").splitlines() if one.startswith("cmdstat_eval:")]
            return int(line[0].split("calls=")[1].split(",")[0]) if line else 0
        i = await self.master()
        before = await asyncio.to_thread(sent, self.flock.servers[i].command)
        await self.asked(i, "SCRIPT", "FLUSH")
        await self.until("scripts that are sent again", lambda: sent(self.flock.servers[i].command) > before
                         or self.flock.master() not in (i, None))

    async def skew_clock(self):
        """A gateway's answers carry its time."""
        offset = self.random.choice((-1, 1)) * self.random.choice((3, 90, 7200, 200000))
        i = self.random.randrange(2)
        self.shop.clocks.set(i, offset)
        end = time.monotonic() + 60
        while abs(await self.skew_of(i) - offset) > 1.5:
            if time.monotonic() > end:
                raise AssertionError(f"a gateway's clock is not {offset} s off, but {await self.skew_of(i)}")
            await asyncio.sleep(0.1)

    async def skew_of(self, i):
        before = time.time()
        answer = await self.crowd.call(self.crowd.people[0], "GET", "/api/v1/queue/status", port=self.crowd.ports[i])
        if not answer:
            return float("inf")
        told = datetime.datetime.fromisoformat(json.loads(answer[1])["timestamp"].replace("Z", "+00:00")).timestamp()
        return told - (before + time.time()) / 2

    async def change_capacity(self):
        """One gateway after the other is told; the later settings win on both."""
        self.shop.version += 1
        self.shop.capacity = self.random.randrange(5, 16)
        for i in self.random.sample(range(2), 2):
            self.shop.configure(i)
            if not await asyncio.to_thread(self.shop.gateways[i].reload):
                raise AssertionError("a reload was refused\n" + self.shop.logs())
            await asyncio.sleep(self.random.uniform(0, 1))
        await self.until_at_master("the new capacity", lambda command: command("HGET", "queue:state", "capacity") ==
                                   str(self.shop.capacity))


def stopped(server):
    stat = pathlib.Path(f"/proc/{server.child.pid}/stat").read_text(encoding="utf-8")
    return stat.rpartition(")")[2].split()[0] == "T"
