# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, one after the other: gateways, servers, connections, clocks, settings."""

import asyncio
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
        self.done = {}

    async def run(self, seconds):
        """Every fault once, then again in another order, until the time is over."""
        end = time.monotonic() + seconds
        kinds = [self.kill_gateway, self.kill_master, self.pause_master, self.replace_paused_master, self.kill_replica,
                 self.cut_pubsub, self.forget_scripts, self.skew_clock, self.change_capacity]
        order = []
        while time.monotonic() < end:
            order = order or self.random.sample(kinds, len(kinds))
            fault = order.pop()
            self.done[fault.__name__] = self.done.get(fault.__name__, 0) + 1
            broken = [time.monotonic(), float("inf")]
            self.crowd.not_served.append(broken)
            self.report(fault.__name__)
            await fault()
            await self.whole()
            await self.served()
            self.report("served again")
            broken[1] = time.monotonic()
            await asyncio.sleep(self.random.uniform(1, 2.5))

    async def until(self, what, probe, deadline_s=60):
        end = time.monotonic() + deadline_s
        while not (answer := await asyncio.to_thread(probe)):
            if time.monotonic() > end:
                raise AssertionError(f"waited {deadline_s} s in vain for {what}\n{self.shop.logs()}")
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
                    raise AssertionError(f"not served for 60 s\n{self.shop.logs()}")
                await asyncio.sleep(0.05)

    async def master(self):
        return await self.until("a master", lambda: (m := self.flock.master()) is not None and m + 1) - 1

    async def kill_gateway(self):
        i = self.random.randrange(2)
        await asyncio.to_thread(self.shop.gateways[i].kill)
        await asyncio.sleep(self.random.uniform(0.2, 1))
        await asyncio.to_thread(self.shop.start, i)

    async def other_master(self, old):
        return await self.until("another master", lambda: (m := self.flock.master()) not in (None, old) and m + 1) - 1

    async def kill_master(self):
        i = await self.master()
        await asyncio.to_thread(self.flock.servers[i].kill)
        new = await self.other_master(i)
        await asyncio.to_thread(self.flock.start, i, new)

    async def pause_master(self):
        server = self.flock.servers[await self.master()]
        server.signal(signal.SIGSTOP)
        await asyncio.sleep(self.random.uniform(0.2, 0.8))
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
        server = self.flock.servers[await self.master()]
        await asyncio.to_thread(server.command, "CLIENT", "KILL", "TYPE", "pubsub")

    async def forget_scripts(self):
        server = self.flock.servers[await self.master()]
        await asyncio.to_thread(server.command, "SCRIPT", "FLUSH")

    async def skew_clock(self):
        offset = self.random.choice((-1, 1)) * self.random.choice((3, 90, 7200, 200000))
        self.shop.clocks.set(self.random.randrange(2), offset)

    async def change_capacity(self):
        """One gateway after the other is told; the later settings win on both."""
        self.shop.version += 1
        self.shop.capacity = self.random.randrange(5, 16)
        for i in self.random.sample(range(2), 2):
            self.shop.configure(i)
            if not await asyncio.to_thread(self.shop.gateways[i].reload):
                raise AssertionError("a reload was refused\n" + self.shop.logs())
            await asyncio.sleep(self.random.uniform(0, 1))
