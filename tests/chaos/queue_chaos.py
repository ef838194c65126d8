# SPDX-License-Identifier: Apache-2.0
"""The queue under fire: two gateways, a Redis master with two replicas and three sentinels, and a crowd.

    python3 tests/chaos/queue_chaos.py [--seconds 45] [--clients 150] [--seed N]

While the crowd lines up, polls, holds streams, closes tabs, comes back, leaves or just vanishes (crowd.py), gateways and
servers are killed and paused, masters replaced, connections cut, clocks skewed, capacities changed (faults.py). An observer
that shares no code with the gateway reads every master's replication stream (replication.py) and checks every transaction
(queue_model.py); at the end it judges what people were told (verdict.py):

  capacity   nobody is admitted while as many are as the capacity in force allows; none admitted twice for one slot
  one place  nobody is admitted and waiting
  order      whoever is admitted has nobody before them who is there; nobody walks past a line
  kept       nobody who is there loses the place, is put out early or sees the position rise; what fail-overs lost is
             computed by comparing the masters' streams, and told
  served     once a master is there again that all agree on, both gateways serve within 5 s
  told       who is admitted hears of it on every open stream, once, within 5 s, counted from when all parts serve again

Seed and figures are printed; the exit status says whether all held.
"""

import argparse
import asyncio
import pathlib
import random
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402
from crowd import Crowd, Person  # noqa: E402
from faults import Clocks, Faults  # noqa: E402
from flock import Flock  # noqa: E402
from queue_model import Queue  # noqa: E402
from replication import History, Link  # noqa: E402
from verdict import Verdict  # noqa: E402

CAPACITY = 10
LIMITS = {"duration_s": 6, "presence_s": 12, "grace_s": 6, "told_within_s": 5.0}
NAMES = ("user-{}", "user-{}", "{}:a", 'A{}:"b"', "queue:wait {}", "\\x00%{}", "(1 -inf {}")
MOST_PROBLEMS = 20
CONFIG = """
[server]
listen = ["127.0.0.1:${{SERVER_PORT:0}}"]
trusted_proxies = ["127.0.0.1"]
[[plugin]]
name = "auth"
file = "auth_jwt.so"
[plugin.config]
jwks_uri = "{keys}"
[[plugin]]
name = "queue"
file = "waiting_queue.so"
[plugin.config]
store = "{store}"
capacity = {capacity}
settings_version = {version}
duration_seconds = {duration_s}
presence_timeout_seconds = {presence_s}
disconnect_grace_seconds = {grace_s}
relineup = "{relineup}"
status_interval = "2s"
reconnect_max = "300ms"
client_retry = "300ms"
[[plugin]]
name = "echo"
file = "echo.so"
[[pipeline]]
match = {{ listener = "main", path = "/**" }}
filters = ["auth", "queue", "echo"]
"""


class Shop:
    """Two gateways, each with a configuration and a clock of its own."""

    def __init__(self, folder, keys, store, relineup):
        self.folder, self.keys, self.store, self.relineup = folder, keys, store, relineup
        self.capacity, self.version = CAPACITY, 1
        self.ports = [harness.free_port(), harness.free_port()]
        self.clocks = Clocks(folder, 2)
        self.gateways, self.past = [None, None], []
        for i in range(2):
            self.configure(i)
            self.start(i)

    def configure(self, i):
        self.config(i).write_text(CONFIG.format(
            keys=self.keys.url, store=self.store, capacity=self.capacity, version=self.version, relineup=self.relineup,
            **LIMITS))

    def config(self, i):
        return self.folder / f"gateway{i}.toml"

    def start(self, i):
        self.gateways[i] = harness.Gateway(self.config(i), {"SERVER_PORT": str(self.ports[i]), **self.clocks.environment(i)})
        self.past.append(self.gateways[i])

    def logs(self):
        return "\n".join(f"a gateway:\n{gateway.log()[-4000:]}" for gateway in self.past[-4:])

    def stop(self):
        for gateway in self.gateways:
            gateway.kill()


class Run:
    def __init__(self, options, folder):
        self.options, self.random, self.folder = options, random.Random(options.seed), folder
        self.problems, self.story, self.began = [], [], time.monotonic()
        self.relineup = self.random.choice(("keep", "back"))

    def report(self, text, transaction=None):
        if len(self.problems) < MOST_PROBLEMS:
            commands = "".join("\n      " + " ".join(words)[:300] for words in transaction.commands) if transaction else ""
            self.problems.append(f"{text}{commands}")

    def tell(self, text):
        self.story.append(f"{time.monotonic():.2f} {text}")

    async def perform(self):
        keys = harness.KeyServer(self.folder)
        flock = Flock(self.folder)
        history = History(lambda: Queue(self.report, self.relineup == "keep"))
        links = [Link(history, port) for port in flock.ports]
        tasks = [asyncio.create_task(link.run()) for link in links]
        shop = None
        try:
            while not all(link.following for link in links):
                await asyncio.sleep(0.02)
            shop = await asyncio.to_thread(Shop, self.folder, keys, flock.store, self.relineup)
            names = [NAMES[i % len(NAMES)].format(i) for i in range(self.options.clients)]
            people = [Person(name, keys.token(name, lifetime_s=10 ** 8)) for name in names]
            crowd = Crowd(self.random, shop.ports, people, LIMITS)
            faults = Faults(self.random, flock, shop, crowd, self.tell)
            tasks.append(asyncio.create_task(crowd.watch_stalls()))
            tasks += [asyncio.create_task(crowd.probe(port, people[0])) for port in shop.ports]
            serving = [asyncio.create_task(crowd.serve(person)) for person in people[1:]]
            tasks += serving
            await asyncio.sleep(2)
            await faults.run(self.options.seconds)
            await asyncio.sleep(LIMITS["told_within_s"] + 1)
            for task in tasks:
                if task.done() and task.exception():
                    raise task.exception()
            await end(serving)
            trunk = await self.settle(flock, history, links, faults)
            verdict = Verdict(history, trunk, crowd, flock.written(), LIMITS)
            self.problems += verdict.judge()
            self.problems += crowd.problems
            if self.options.seconds >= 60:
                self.problems += [f"{fault} never happened" for fault in faults.missing()]
            if faults.slowest_served > LIMITS["told_within_s"] + verdict.slack_s - 1:
                self.problems.append(f"all parts were whole, and not served for {faults.slowest_served:.2f} s")
            self.problems += [f"something that {replid} did was not read" for replid in history.gaps()]
            self.tell_figures(verdict, faults, history)
            if self.problems:
                print("\n".join(self.story), shop.logs(), sep="\n")
        finally:
            await end(tasks)
            if shop:
                shop.stop()
            flock.stop()
            keys.stop()

    async def settle(self, flock, history, links, faults):
        """The branch of the master that is left, when everything that it did has been read."""
        while True:
            master = await faults.whole()
            for i in range(2):
                faults.shop.gateways[i].kill()
            replid, offset = await asyncio.to_thread(flock.identity, master)
            for _ in range(100):
                if all(link.replid == replid and link.offset >= offset for link in links):
                    return history.branch(replid)
                await asyncio.sleep(0.05)

    def tell_figures(self, verdict, faults, history):
        people = verdict.crowd.people
        admissions = sum(e.kind == "admitted" for events in verdict.trunk.values() for e in events)
        broken = sum(min(b, time.monotonic()) - a for a, b in merged(verdict.crowd.not_served))
        print("faults:", faults.done)
        print("crowd:", len(people), "people,", verdict.crowd.figures)
        print(f"observer: {sum(len(b.transactions) for b in history.branches.values())} transactions of "
              f"{len(history.branches)} masters, {admissions} admissions; {dict(verdict.figures)}")
        print(f"slowest told {verdict.slowest_told:.2f} s, slowest served again {faults.slowest_served:.2f} s; some part was broken for {broken:.0f} of "
              f"{time.monotonic() - self.began:.0f} s; this process was {verdict.slack_s - 1:.2f} s late at most")
        idle = [person.user for person in people[1:] if not person.heard]
        if idle:
            self.problems.append(f"never heard of: {idle[:10]}")
        if admissions < 20 or verdict.figures["told in time"] < 10:
            self.problems.append("hardly anybody was admitted: the queue stood still")


def merged(spans):
    result = []
    for a, b in sorted(spans):
        if result and a <= result[-1][1]:
            result[-1][1] = max(result[-1][1], b)
        else:
            result.append([a, b])
    return result


async def end(tasks):
    """Again and again: a timeout may swallow a cancellation that comes together with what it waited for."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=1)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=45, help="of faults")
    arguments.add_argument("--clients", type=int, default=150)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = arguments.parse_args()
    print("seed", options.seed, flush=True)
    with tempfile.TemporaryDirectory(prefix="gateway-chaos-") as folder:
        run = Run(options, pathlib.Path(folder))
        print("relineup", run.relineup)
        asyncio.run(run.perform())
    for problem in run.problems:
        print("BROKEN:", problem)
    return 1 if run.problems else 0


if __name__ == "__main__":
    sys.exit(main())
