# SPDX-License-Identifier: Apache-2.0
"""The queue as the commands of a replication stream make it, and the rules that every transaction must keep.

Shares no code with the gateway or its scripts: it knows the keys of lua/README.md, and the rules of the queue. What a
transaction breaks is reported with the transaction; what happened to people is kept as events, for the verdict.
"""

import re

MAX_GAP_MS = 2000    # how far the queue clock may have gone on since it was last saved
MOST_OPERATIONS = 5000
WAIT, USERS, STATE = "queue:wait", "allowedIn:users", "queue:state"
EXPIRY, LEASE, AWAY, COUNTER = "queue:expiry", "queue:lease", "queue:away", "queue:counter"
TRUTH = (WAIT, USERS, COUNTER)


def read_answers(words):
    """(user, what, operation, answer) of each operation whose answer an HSET of a page writes down: the last of a text."""
    for field, text in zip(words[2::2], words[3::2]):
        last = None
        while match := re.match(r"(\d+):(\w)(\d)", text):
            end = match.end() + int(match[1])  # in bytes; names here are ASCII
            last, text = (field, match[2], text[match.end():end], match[3]), text[end:]
        if last:
            yield last


class Event:
    """Something that happened to `user`: queued, admitted, left, lapsed, expired; `detail`: a ticket, a lease."""

    __slots__ = ("kind", "user", "at", "end", "detail")

    def __init__(self, kind, user, transaction, detail=None):
        self.kind, self.user, self.at, self.end, self.detail = kind, user, transaction.at, transaction.end, detail

    def __repr__(self):
        return f"{self.kind} {self.user} at {self.at:.3f} byte {self.end} {self.detail or ''}"


class Queue:
    def __init__(self, report, keep_place):
        self.report, self.keep_place = report, keep_place
        self.admitted, self.waiting, self.tickets = set(), {}, 0
        self.expiry, self.lease, self.away = {}, {}, set()
        self.clock, self.capacity, self.duration = 0, None, None
        self.operations = {}                # id -> the transaction that did it
        self.events = []                    # since the branch began

    def copy(self):
        other = Queue(self.report, self.keep_place)
        for name in ("admitted", "waiting", "expiry", "lease", "away", "operations"):
            setattr(other, name, getattr(self, name).copy())
        for name in ("tickets", "clock", "capacity", "duration"):
            setattr(other, name, getattr(self, name))
        return other

    # One transaction.

    def apply(self, transaction, judging=True):
        self.transaction, self.judging = transaction, judging
        self.entered, self.gone, self.told, self.left, self.lined_up, self.census = [], [], [], set(), set(), None
        self.saved_clock, self.ended = False, {}
        for words in transaction.commands:
            self.note(words)
        self.latest = self.clock if self.saved_clock else self.clock + MAX_GAP_MS
        for words in transaction.commands:
            command = getattr(self, "do_" + words[0].lower(), None)
            if command:
                command(*words[1:])
        if judging:
            self.judge()
        else:
            self.events.clear()

    def wrong(self, text):
        if self.judging:
            self.report(text, self.transaction)

    def happened(self, kind, user, detail=None):
        self.events.append(Event(kind, user, self.transaction, detail))

    # What the rest of the transaction has to be read with.

    def note(self, words):
        name, key = words[0].upper(), words[1] if len(words) > 1 else ""
        if name == "HSET" and key == STATE:
            fields = dict(zip(words[2::2], words[3::2]))
            if "q" in fields:
                clock = float(fields["q"])
                if clock < self.clock:
                    self.wrong(f"the queue clock went back from {self.clock} to {clock}")
                if self.clock and clock > self.clock + MAX_GAP_MS:
                    self.wrong(f"the queue clock leapt from {self.clock} to {clock}")
                self.clock, self.saved_clock = clock, True
            self.capacity = int(float(fields.get("capacity", self.capacity or 0))) if "capacity" in fields else self.capacity
            self.duration = float(fields["duration"]) if "duration" in fields else self.duration
        elif name == "HSET" and key.startswith("queue:answers:"):
            for answer in read_answers(words):
                self.remember(*answer)

    def remember(self, user, what, operation, answer):
        # Of a user who is in one script twice the text may be written twice, too.
        if self.operations.get(operation, self.transaction) is not self.transaction:
            self.wrong(f"{operation} of {user} was carried out twice")
        self.operations[operation] = self.transaction
        if len(self.operations) > MOST_OPERATIONS:
            del self.operations[next(iter(self.operations))]
        if what == "l":
            self.lined_up.add(user)
        elif answer == "1":
            self.left.add((user, what))

    # The commands.

    def do_hset(self, key, *words):
        if key == USERS:
            self.admit(list(words[::2]))

    def do_zadd(self, key, *words):
        pairs = [(user, float(score)) for score, user in zip(words[::2], words[1::2])]
        if key == WAIT:
            for user, ticket in pairs:
                self.queue(user, ticket)
        elif key in (EXPIRY, LEASE):
            (self.expiry if key == EXPIRY else self.lease).update(pairs)

    def do_zrem(self, key, *users):
        for user in users:
            if key == WAIT and user in self.waiting:
                self.gone.append((user, self.waiting.pop(user), self.lease.get(user)))
            elif key == EXPIRY:
                self.expiry.pop(user, None)
        if key == LEASE:  # goes before the place does
            self.ended.update({user: self.lease.pop(user) for user in users if user in self.lease})

    def do_hdel(self, key, *users):
        if key == USERS:
            for user in users:
                self.leave(user)

    def do_sadd(self, key, *users):
        if key == AWAY:
            self.away.update(users)

    def do_srem(self, key, *users):
        if key == AWAY:
            self.away.difference_update(users)

    def do_del(self, key, *more):
        for key in (key, *more):
            if key in TRUTH:
                self.wrong(f"{key} was deleted")

    do_unlink = do_del

    def do_flushall(self, *_):
        self.wrong("everything was deleted")

    def do_set(self, key, value, *_):
        if key == COUNTER:
            if int(value) < self.tickets:
                self.wrong(f"the counter fell from {self.tickets} to {value}")
            self.tickets = int(value)

    def do_incrby(self, key, count):
        if key == COUNTER:
            self.tickets += int(count)

    def do_decrby(self, key, count):
        self.do_incrby(key, -int(count))

    def do_publish(self, channel, text):
        if channel != "queue:events":
            return
        if text.startswith("A"):
            self.told += read_users(text[1:])
        elif text.startswith("S"):
            self.census = [int(part) for part in text[1:].split(":")]

    # What they mean.

    def present(self, user):
        lease = self.lease.get(user, self.lease_before(user))
        return (user not in self.away or lease is None) and (lease is None or lease > self.latest)

    def lease_before(self, user):
        return self.ended.get(user)

    def admit(self, users):
        # Who is in the hash still, but expired, may be admitted again before the entry is taken out.
        new = [u for u in users if u not in self.admitted or self.expired(u) and u in self.waiting]
        if not new:
            return
        line = {u: ticket for u, ticket in self.waiting.items() if u not in new and self.present(u)}
        first = min(line, key=line.get) if line else None
        for user in new:
            if user not in self.admitted and self.capacity is not None and len(self.admitted) >= self.capacity:
                self.wrong(f"{user} was admitted when {len(self.admitted)} were, of {self.capacity}")
            self.admitted.add(user)
            self.entered.append(user)
            ticket = self.waiting.get(user)
            if first and (ticket is None or ticket > line[first]):
                self.wrong(f"{user} (ticket {ticket}) was admitted before {first} (ticket {line[first]})")
            if ticket is not None and user in self.away and self.lease.get(user) is not None:
                self.wrong(f"{user} was admitted while away")
            self.happened("admitted", user, ticket)

    def expired(self, user):
        return user in self.expiry and self.expiry[user] + (self.duration or 0) <= self.latest

    def queue(self, user, ticket):
        if user in self.waiting and (self.keep_place or user not in self.lined_up):
            self.wrong(f"{user} lost the place {self.waiting[user]} for {ticket}")
        if self.waiting and ticket <= max(self.waiting.values()):
            self.wrong(f"{user} got ticket {ticket}, and somebody has a later one")
        if ticket > self.tickets:
            self.wrong(f"{user} got ticket {ticket}, the counter stands at {self.tickets}")
        self.waiting[user] = ticket
        self.happened("queued", user, ticket)

    def leave(self, user):
        if user not in self.admitted:
            return
        self.admitted.discard(user)
        if (user, "a") in self.left:
            self.happened("left", user)
            return
        if not self.expired(user):
            self.wrong(f"{user} was put out; renewed at {self.expiry.get(user)}, the clock is at most {self.latest}")
        self.happened("expired", user)

    # At its end.

    def judge(self):
        for user, ticket, lease in self.gone:
            lease = self.lease_before(user) if lease is None else lease
            if user in self.waiting or user in self.entered:
                continue
            if (user, "w") in self.left:
                self.happened("left", user, ticket)
            elif lease is not None and lease <= self.latest:
                self.happened("lapsed", user, lease)
            else:
                self.wrong(f"{user} lost the place {ticket}; the lease: {lease}, the clock is at most {self.latest}")
        both = self.admitted & self.waiting.keys()
        if both:
            self.wrong(f"admitted and waiting: {sorted(both)[:5]}")
        if sorted(self.told) != sorted(self.entered):
            self.wrong(f"admitted: {self.entered}, told of: {self.told}")
        if self.census is not None:
            self.judge_tick()

    def judge_tick(self):
        found = [len(self.waiting), len(self.admitted), self.capacity]
        if self.capacity is not None and self.census != found:
            self.wrong(f"a tick says {self.census}, and it is {found}")
        line = [user for user in self.waiting if self.present(user)]
        if self.capacity is not None and line and len(self.admitted) < self.capacity:
            self.wrong(f"a slot stays free while {len(line)} wait who are there")


def read_users(text):
    users = []
    while text:
        found = re.match(r"(\d+):", text)
        start = found.end()
        users.append(text[start:start + int(found.group(1))])
        text = text[start + int(found.group(1)):]
    return users
