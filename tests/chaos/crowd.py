# SPDX-License-Identifier: Apache-2.0
"""People: they line up, poll, hold streams in one tab or several, close tabs, come back, leave, or just vanish.

Each remembers what it did and what it was told, with the time; whether that was right is the verdict's business, when
all that the masters did is known.
"""

import asyncio
import json
import time

QUEUE = "/api/v1/queue"
ALREADY, ADMITTED, QUEUED = "이미 입장", "바로 입장", "대기열에 등록"


class Stream:
    """One that was answered; `told`: when it brought the admission."""

    def __init__(self):
        self.opened, self.closed, self.told = time.monotonic(), None, None


class Person:
    def __init__(self, user, token):
        self.user, self.token = user, token
        self.streams = []
        self.heard = []   # [from, to]: the queue knew that this person is there
        self.claims = []  # (kind, since, at, more)
        self.absent_since = None

    def claim(self, kind, since, more=None):
        self.claims.append((kind, since, time.monotonic(), more))


class Crowd:
    """`ports`: of the gateways. `times`: presence_s, grace_s, duration_s as configured."""

    def __init__(self, random_, ports, people, times):
        self.random, self.ports, self.people, self.times = random_, ports, people, times
        self.figures = dict.fromkeys(("calls", "line-ups", "repeated", "streams", "told", "holds", "vanished", "left"), 0)
        self.problems, self.operations = [], 0
        self.not_served = []  # [from, to]: a gateway did not answer as it should, or a part was broken on purpose
        self.stalls = []      # (at, seconds): how late this process itself was

    async def watch_stalls(self):
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.1)
            late = time.monotonic() - before - 0.1
            if late > 0.05:
                self.stalls.append((time.monotonic(), late))

    async def probe(self, port, person):
        """Asks a gateway again and again whether it serves."""
        while True:
            before = time.monotonic()
            answer = await self.call(person, "GET", QUEUE + "/status", port=port, deadline_s=5)
            if not answer or answer[0] not in (200, 404) or time.monotonic() - before > 1:
                self.not_served.append([before, time.monotonic()])
            await asyncio.sleep(0.2)

    async def call(self, person, method, path, operation=None, port=None, deadline_s=15):
        """(status, body), or None when nobody answered."""
        self.figures["calls"] += 1
        writer = None
        try:
            async with asyncio.timeout(deadline_s):
                reader, writer = await asyncio.open_connection("127.0.0.1", port or self.random.choice(self.ports))
                writer.write(head(person, method, path, operation, "Content-Length: 0\r\nConnection: close\r\n"))
                answer = await reader.read()
            first, _, body = answer.partition(b"\r\n\r\n")
            return int(first.split()[1]), body.decode(errors="replace")
        except (OSError, asyncio.TimeoutError, IndexError, ValueError):
            return None
        finally:
            if writer:
                writer.close()

    async def serve(self, person):
        await asyncio.sleep(self.random.uniform(0, 3))
        while True:
            await self.visit(person)
            await asyncio.sleep(self.random.uniform(0, 3))

    async def line_up(self, person):
        """(answer, operation, when asked): asks until it is told, always for the same operation."""
        self.operations += 1
        operation, tries = f"op-{self.operations}", 0
        while True:
            sent, tries = time.monotonic(), tries + 1
            answer = await self.call(person, "POST", QUEUE + "/lineup", operation)
            if answer and answer[0] == 200:
                self.figures["line-ups"] += 1
                self.figures["repeated"] += tries > 1
                message = next(text for text in (ALREADY, ADMITTED, QUEUED) if text in answer[1])
                person.claim("lined up", sent, (operation, message))
                person.heard.append([sent, sent])
                return message, operation, sent
            await asyncio.sleep(self.random.uniform(0.1, 0.5))

    async def visit(self, person):
        message, operation, since = await self.line_up(person)
        inside = message != QUEUED
        if not inside:
            if self.random.random() < 0.25:
                inside = await self.poll(person, operation)
            else:
                inside = await self.wait_in_streams(person, operation)
        if not inside:
            return
        if self.random.random() < 0.1:
            self.figures["vanished"] += 1  # the admission runs out by itself
            await asyncio.sleep(self.times["duration_s"] + 3)
            return
        await asyncio.sleep(self.random.uniform(0.1, 1.5))
        await self.reserve(person, since)
        for _ in range(20):
            answer = await self.call(person, "DELETE", QUEUE + "/allowed-in-token")
            if answer and answer[0] in (200, 404):
                self.figures["left"] += 1
                return
            await asyncio.sleep(0.3)

    async def reserve(self, person, since):
        sent = time.monotonic()
        answer = await self.call(person, "POST", "/api/v1/reservations")
        if answer and answer[0] in (403, 429):
            person.claim("refused", sent, answer[0])
        elif answer and answer[0] == 200:
            person.claim("passed", sent)

    async def poll(self, person, operation):
        shown = None
        while True:
            await asyncio.sleep(self.random.uniform(0.3, 1.5))
            dice = self.random.random()
            if dice < 0.01:
                person.claim("leaves the line", time.monotonic())
                answer = await self.call(person, "DELETE", QUEUE + "/waiting-token")
                if answer:
                    return False
            if dice > 0.98:  # refreshes the page
                message, operation, _ = await self.line_up(person)
                shown = None
                if message != QUEUED:
                    return True
            sent = time.monotonic()
            answer = await self.call(person, "GET", QUEUE + "/status")
            if answer and answer[0] == 404:
                person.claim("absent", sent, operation)
                return False
            if answer and answer[0] == 200:
                person.heard.append([sent, sent])
                place = json.loads(answer[1]).get("data")
                if place is None:
                    person.claim("told", sent)
                    return True
                shown = self.show(person, shown, place)

    @staticmethod
    def show(person, before, place):
        """`before`: (position, when) or None."""
        now = (place["userQueuePosition"], time.monotonic())
        if before and now[0] > before[0]:
            person.claim("position rose", before[1], (before[0], now[0]))
        return now

    async def wait_in_streams(self, person, operation):
        more = self.random.choice((0, 0, 0, 1, 2))
        others = [asyncio.create_task(self.tab(person)) for _ in range(more)]
        try:
            inside = await self.stream(person, operation)
            if others and inside:
                await asyncio.wait(others, timeout=8)  # all are told
            return inside
        finally:
            for other in others:
                other.cancel()

    async def tab(self, person):
        try:
            await self.one_stream(person, self.random.uniform(1, 60), None)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            pass

    async def stream(self, person, operation):
        shown = None
        while True:
            length = 60 if self.random.random() < 0.7 else self.random.uniform(0.2, 6)
            ended = None
            try:
                ended, shown = await self.one_stream(person, length, shown)
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
                pass
            if ended == "told":
                return True
            if ended == "absent":
                person.claim("absent", person.absent_since, operation)
                return False
            if ended == "closed":  # comes back within the grace, or never
                if self.random.random() < 0.3:
                    self.figures["vanished"] += 1
                    await asyncio.sleep(self.times["grace_s"] + self.times["presence_s"])
                    return False
                await asyncio.sleep(self.random.uniform(0, self.times["grace_s"] / 4))
            else:
                await asyncio.sleep(self.random.uniform(0.05, 0.5))

    async def one_stream(self, person, length, shown):
        """("told" | "absent" | "closed" | None when it broke, the place last shown)."""
        asked = time.monotonic()
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.random.choice(self.ports))
        stream = presence = None
        try:
            writer.write(head(person, "GET", QUEUE + "/stream"))
            end = time.monotonic() + length
            event = ""
            while True:
                try:
                    async with asyncio.timeout(max(0.01, end - time.monotonic())):
                        line = (await reader.readline()).decode(errors="replace")
                except asyncio.TimeoutError:
                    return "closed", shown
                if not line or line.startswith("HTTP/1.1") and " 200 " not in line:
                    return None, shown
                if line.startswith("HTTP/1.1"):
                    stream = Stream()
                    person.streams.append(stream)
                    self.figures["streams"] += 1
                elif line.startswith("event: "):
                    event = line[7:].strip()
                    self.figures["holds"] += event == "HOLD"
                elif line.startswith("data: ") and event == "STATUS_UPDATE":
                    if presence is None:
                        presence = [time.monotonic(), None]
                        person.heard.append(presence)
                    shown = self.show(person, shown, json.loads(line[6:]))
                elif line.startswith("data: ") and event == "ERROR":
                    person.absent_since = asked if presence is None else presence[0]
                    return "absent", shown
                elif line.startswith("data: ") and event == "ALLOWED_IN":
                    stream.told = time.monotonic()
                    self.figures["told"] += 1
                    person.claim("told", stream.opened)
                    await self.expect_end(person, reader)
                    return "told", shown
        finally:
            now = time.monotonic()
            if presence:
                presence[1] = now
            if stream:
                stream.closed = now
            writer.close()

    async def expect_end(self, person, reader):
        """The stream ends with its last chunk, and brings nothing before it."""
        rest = []
        try:
            async with asyncio.timeout(10):
                while line := (await reader.readline()).decode(errors="replace"):
                    rest.append(line)
                    if line == "0\r\n":
                        break
        except (OSError, asyncio.TimeoutError):
            rest.append("no end")
        if any("event:" in line for line in rest) or rest[-1:] == ["no end"]:
            self.problems.append(f"{person.user}: behind the admission the stream brings {rest}")


def head(person, method, path, operation=None, more=""):
    identity = f"X-Request-Id: {operation}\r\n" if operation else ""
    return (f"{method} {path} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {person.token}\r\n"
            f"{identity}{more}\r\n").encode()
