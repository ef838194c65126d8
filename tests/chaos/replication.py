# SPDX-License-Identifier: Apache-2.0
"""Every command that any master ever ran, read from the servers' replication streams.

A Link follows one server as a replica would. Replicas pass their master's bytes on as they are, so that all links feed
the same History: one Branch for each replication id, in which every byte has its offset. A link that breaks goes on at
the byte where it was, also behind a fail-over, and what several links bring is taken once: no moment is missed. A master
that follows another one opens a branch that leaves the earlier one at a certain byte. What the earlier master ran behind
that byte, and the new one never had, is what the fail-over lost.
"""

import asyncio
import bisect
import contextlib
import time

CHECKPOINT_EVERY, KEPT_CHECKPOINTS = 200, 100  # transactions; who leaves a branch does so near its end


class Transaction:
    """What one script (or one command) changed: atomic, at `end` of its branch; `at` = when it was read here."""

    __slots__ = ("end", "raw", "commands", "at")

    def __init__(self, end, raw, commands):
        self.end, self.raw, self.commands, self.at = end, raw, commands, time.monotonic()


class Branch:
    """What masters of one replication id ran, and the model of the queue that follows it."""

    def __init__(self, replid):
        self.replid, self.parent = replid, None
        self.model, self.start, self.end = None, None, None  # set by `begin`
        self.transactions, self.ends = [], []
        self.checkpoints = []  # (transactions before, copy of the model)
        self.early = []        # (offset, bytes) behind a gap, or before the parent is known
        self.buffer, self.parsed = bytearray(), None
        self.last_at = time.monotonic()

    def begin(self, start, model, pending=b""):
        """`pending`: bytes from `start` on that are known already (a transaction that was cut)."""
        self.start, self.parsed, self.model = start, start, model
        self.end, self.buffer = start + len(pending), bytearray(pending)
        self.checkpoints = [(0, model.copy())]
        self.take([])

    def take(self, segments):
        self.early += segments
        if self.end is None:
            return
        self.early.sort(key=lambda segment: segment[0])
        rest = []
        for offset, data in self.early:
            if offset > self.end:
                rest.append((offset, data))
            elif offset + len(data) > self.end:
                self.buffer += data[self.end - offset:]
                self.end = offset + len(data)
        self.early = rest
        self.last_at = time.monotonic()
        self.parse()

    def parse(self):
        while (found := read_transaction(self.buffer)) is not None:
            size, commands = found
            raw = bytes(self.buffer[:size])
            del self.buffer[:size]
            self.parsed += size
            transaction = Transaction(self.parsed, raw, commands)
            self.transactions.append(transaction)
            self.ends.append(transaction.end)
            self.model.apply(transaction)
            if len(self.transactions) % CHECKPOINT_EVERY == 0:
                self.checkpoints.append((len(self.transactions), self.model.copy()))
                del self.checkpoints[1:-KEPT_CHECKPOINTS]

    def cut(self, offset):
        """Where a branch that leaves at `offset` begins: (boundary, model there, bytes from there to `offset`)."""
        if offset < self.start and self.parent:
            return self.parent.cut(offset)
        count = bisect.bisect_right(self.ends, offset)
        done, model = [c for c in self.checkpoints if c[0] <= count][-1]
        model = model.copy()
        for transaction in self.transactions[done:count]:
            model.apply(transaction, judging=False)
        boundary = self.ends[count - 1] if count else self.start
        later = b"".join(t.raw for t in self.transactions[count:count + 1]) or bytes(self.buffer)
        return boundary, model, later[:offset - boundary]

    def diverges(self):
        """Number of this branch's transactions that its parent has too."""
        parent, first = self.parent, bisect.bisect_right(self.parent.ends, self.start)
        same = 0
        for ours, theirs in zip(self.transactions, parent.transactions[first:]):
            if ours.end != theirs.end or ours.raw != theirs.raw:
                break
            same += 1
        return same

    def fork(self):
        """The last byte that this branch shares with its parent."""
        same = self.diverges()
        return self.transactions[same - 1].end if same else self.start


class History:
    def __init__(self, empty_model):
        self.branches, self.empty_model = {}, empty_model
        self.departures = []  # (old, new, offset) of which the old is not known so far yet

    def branch(self, replid):
        return self.branches.setdefault(replid, Branch(replid))

    def root(self, replid, offset):
        """The first of all: the queue is empty there."""
        self.branch(replid).begin(offset, self.empty_model())

    def leave(self, old, new, offset):
        """Whoever follows `new` followed `old` up to `offset`."""
        if old != new:
            self.departures.append((old, new, offset))
            self.depart()

    def depart(self):
        waiting, self.departures = self.departures, []
        for old, new, offset in waiting:
            branch, parent = self.branch(new), self.branch(old)
            if branch.end is not None:
                continue
            if parent.end is None or parent.end < offset:
                self.departures.append((old, new, offset))
                continue
            boundary, model, pending = parent.cut(offset)
            branch.parent = parent
            branch.begin(boundary, model, pending)

    def feed(self, replid, offset, data):
        self.branch(replid).take([(offset, data)])
        if self.departures:
            self.depart()

    def gaps(self):
        """Branches of which something was never read."""
        return [b.replid for b in self.branches.values() if b.early]


def read_transaction(buffer):
    """(size, commands) of the first whole MULTI ... EXEC, or command, in `buffer`; None when there is none yet."""
    position, commands, inside = 0, [], False
    while (found := read_command(buffer, position)) is not None:
        position, words = found
        name = words[0].upper()
        if name == "MULTI":
            inside = True
        elif name != "EXEC":
            commands.append(words)
        if name == "EXEC" or not inside:
            return position, commands
    return None


def read_command(buffer, position):
    line_end = buffer.find(b"\r\n", position)
    if line_end < 0:
        return None
    if buffer[position:position + 1] != b"*":
        raise ValueError(f"not a command: {bytes(buffer[position:position + 60])!r}")
    words, count, position = [], int(buffer[position + 1:line_end]), line_end + 2
    for _ in range(count):
        line_end = buffer.find(b"\r\n", position)
        if line_end < 0:
            return None
        size, position = int(buffer[position + 1:line_end]), line_end + 2
        if len(buffer) < position + size + 2:
            return None
        words.append(buffer[position:position + size].decode(errors="surrogateescape"))
        position += size + 2
    return position, words


class Link:
    """Follows the server at `port`, whoever is behind it, for ever."""

    def __init__(self, history, port):
        self.history, self.port = history, port
        self.replid, self.offset = None, 0
        self.following = False

    async def run(self):
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ConnectionError):
                await self.follow()
            self.following = False
            await asyncio.sleep(0.05)

    async def follow(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        acknowledging = None
        try:
            writer.write(b"REPLCONF capa eof capa psync2\r\n")
            await reader.readline()
            ask = f"{self.replid} {self.offset + 1}" if self.replid else "? -1"
            writer.write(f"PSYNC {ask}\r\n".encode())
            answer = (await self.line(reader)).split()
            if answer[0] == "+FULLRESYNC":
                await self.skip_snapshot(reader)
                self.replid, self.offset = answer[1], int(answer[2])
                if not self.history.branches:
                    self.history.root(self.replid, self.offset)
            elif answer[0] == "+CONTINUE":
                replid = answer[1] if len(answer) > 1 else self.replid
                self.history.leave(self.replid, replid, self.offset)
                self.replid = replid
            else:  # not yet: loading, or without a master
                return
            self.following = True
            acknowledging = asyncio.create_task(self.acknowledge(writer))
            while data := await reader.read(1 << 20):
                self.history.feed(self.replid, self.offset, data)
                self.offset += len(data)
        finally:
            if acknowledging:
                acknowledging.cancel()
            writer.close()

    @staticmethod
    async def line(reader):
        while True:
            line = (await reader.readuntil(b"\n")).decode().strip()
            if line:  # an empty one says that there is more to come
                return line

    async def skip_snapshot(self, reader):
        head = await self.line(reader)
        if not head.startswith("$EOF:"):
            await reader.readexactly(int(head[1:]))
            return
        mark = head[5:].encode()
        got = b""
        while not got.endswith(mark):  # the master sends nothing behind it before we acknowledge
            piece = await reader.read(1 << 16)
            if not piece:
                raise ConnectionError
            got = got[-40:] + piece

    async def acknowledge(self, writer):
        while True:
            writer.write(f"REPLCONF ACK {self.offset}\r\n".encode())
            await asyncio.sleep(0.5)
