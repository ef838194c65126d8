# SPDX-License-Identifier: Apache-2.0
"""A Redis master with two replicas and three sentinels."""

import contextlib
import signal

import harness

QUICK_S = 1.0  # a paused server does not answer


class Server(harness.Redis):
    """A server, or a sentinel, in a folder of its own."""

    def __init__(self, folder, port, more=(), config=None):
        self.port, self.folder = port, folder
        folder.mkdir(exist_ok=True)
        command = [harness.REDIS_SERVER] + ([config] if config else [])
        command += ["--port", port, "--bind", "127.0.0.1", "--dir", folder, "--loglevel", "warning", *more]
        harness.Process.__init__(self, command)
        harness.wait_for(harness.REDIS_SERVER, self._answers)


class Flock:
    """`servers[i]` listens on `ports[i]`, in `folder`/i<n> for its n-th life."""

    def __init__(self, folder):
        self.folder, self.ports, self.lives = folder, [harness.free_port() for _ in range(3)], 0
        self.servers = [None, None, None]
        for i in range(3):
            self.start(i, 0)
        self.sentinels = []
        for i in range(3):
            home = folder / f"sentinel{i}"
            home.mkdir()
            config = home / "sentinel.conf"
            config.write_text(f"sentinel monitor shop 127.0.0.1 {self.ports[0]} 2\n"
                              "sentinel down-after-milliseconds shop 1000\nsentinel failover-timeout shop 4000\n")
            self.sentinels.append(Server(home, harness.free_port(), ["--sentinel"], config))
        self.store = "redis+sentinel://" + ",".join(f"127.0.0.1:{s.port}" for s in self.sentinels) + "/shop"
        harness.wait_for("the sentinels to know each other", lambda: all(
            len(s.command("SENTINEL", "sentinels", "shop")) == 2 and
            len(s.command("SENTINEL", "replicas", "shop")) == 2 for s in self.sentinels))
        harness.wait_for("the replicas", self.whole)

    def down_after(self, ms):
        """Tells the sentinels how long a server may be silent, and a replica without its master ten times that."""
        for sentinel in self.sentinels:
            sentinel.command("SENTINEL", "SET", "shop", "down-after-milliseconds", ms)

    def start(self, i, master):
        """What is written reaches the append-only file before its answer leaves: there it is found if all else died."""
        self.lives += 1
        follow = [] if i == master else ["--replicaof", f"127.0.0.1 {self.ports[master]}"]
        self.servers[i] = Server(self.folder / f"{i}-{self.lives}", self.ports[i], [
            "--save", "", "--appendonly", "yes", "--appendfsync", "no", "--repl-diskless-sync-delay", "0",
            "--repl-ping-replica-period", "1", "--repl-backlog-size", "64mb", *follow])

    def written(self):
        """The end of what every life of every server wrote down."""
        tails = []
        for file in self.folder.glob("?-*/**/*.aof"):
            with contextlib.suppress(OSError), file.open("rb") as opened:
                opened.seek(max(0, file.stat().st_size - (1 << 20)))
                tails.append(opened.read())
        return tails

    @staticmethod
    def named_by(sentinel):
        """The port of the master."""
        return int(sentinel.command("SENTINEL", "get-master-addr-by-name", "shop", deadline_s=QUICK_S)[1])

    def role(self, i):
        with contextlib.suppress(OSError, RuntimeError, ValueError, IndexError):
            if self.servers[i].child.poll() is None:
                return self.servers[i].command("ROLE", deadline_s=QUICK_S)
        return [None]

    def master(self):
        """Index of the master that a sentinel names, if it says so itself."""
        for sentinel in self.sentinels:
            with contextlib.suppress(OSError, RuntimeError, ValueError, IndexError):
                i = self.ports.index(self.named_by(sentinel))
                if self.role(i)[0] == "master":
                    return i
        return None

    def agreed(self):
        """The same, if all sentinels name it."""
        named = set()
        for sentinel in self.sentinels:
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                named.add(self.named_by(sentinel))
        return self.master() if len(named) == 1 else None

    def whole(self):
        """Index of the master, plus one, when all sentinels agree and both others follow it."""
        master = self.agreed()
        if master is None:
            return None
        for i in range(3):
            role = self.role(i)
            if i != master and (role[0] != "slave" or int(role[2]) != self.ports[master] or role[3] != "connected"):
                return None
        return master + 1

    def identity(self, i):
        """(replication id, offset) of a server."""
        info = dict(line.split(":", 1) for line in self.servers[i].command("INFO", "replication").splitlines()
                    if ":" in line)
        return info["master_replid"], int(info["master_repl_offset"])

    def logs(self):
        """What the sentinels said last: who had to wait for a master finds the reason there (+tilt: they stood still)."""
        return "\n".join(f"a sentinel:\n{sentinel.log()[-2000:]}" for sentinel in self.sentinels)

    def stop(self):
        for server in self.servers + self.sentinels:
            with contextlib.suppress(OSError):
                server.signal(signal.SIGCONT)
            server.kill()
