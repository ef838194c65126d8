# SPDX-License-Identifier: Apache-2.0
"""Were people treated as the queue's rules promise? Judged when all is over, from the whole history.

The trunk is the history of the master that was left at the end, back to the beginning. What other masters ran behind the
byte at which the trunk left them is lost: that is what an asynchronous fail-over may lose, known to the command. A
complaint is explained by the trunk, or by what was lost, or it is a fault of the queue.

While two masters serve, each is judged by itself: every transaction of its stream (queue_model.py), and whatever somebody
was told must be true on one of them, then.
"""

import collections
import math

from queue_model import read_answers

OUT = ("left", "expired", "lapsed")


class Verdict:
    """`written`: the ends of the servers' append-only files. `slack_s`: how late this process may have read something."""

    def __init__(self, history, trunk, crowd, written, limits):
        self.history, self.crowd, self.written, self.limits = history, crowd, written, limits
        self.problems, self.figures, self.slowest_told = [], collections.Counter(), 0.0
        self.slack_s = 1.0 + max((late for _, late in crowd.stalls), default=0)
        self.path = self.path_to(trunk)
        self.trunk = self.events_on(self.path)
        self.lives = [Life(self, branch) for branch in history.branches.values() if branch.end is not None]
        self.operations = self.operations_on(self.path)
        self.find_lost()

    # The history.

    def path_to(self, branch):
        """[(branch, byte up to which it counts)], the oldest first."""
        path, end = [], math.inf
        while branch is not None:
            path.insert(0, (branch, end))
            end = min(end, branch.start)
            branch = branch.parent
        return path

    def events_on(self, path):
        events = collections.defaultdict(list)
        for branch, end in path:
            for event in branch.model.events:
                if event.end <= end:
                    events[event.user].append(event)
        return events

    @staticmethod
    def transactions(path):
        return [t for branch, end in path for t in branch.transactions if t.end <= end]

    @staticmethod
    def operations_in(transaction):
        for words in transaction.commands:
            if words[0].upper() == "HSET" and words[1].startswith("queue:answers:"):
                for _, _, operation, _ in read_answers(words):
                    yield operation

    def operations_on(self, path):
        return {operation: t for t in self.transactions(path) for operation in self.operations_in(t)}

    def find_lost(self):
        """What is in no way on the trunk: operations, whom it touched and when, and while which masters did it."""
        ours = {(t.end, t.raw) for t in self.transactions(self.path)}
        self.lost_operations, self.lost_of, self.elsewhere = {}, collections.defaultdict(list), []
        users = {person.user for person in self.crowd.people}
        for branch in self.history.branches.values():
            lost = [t for t in branch.transactions if (t.end, t.raw) not in ours]
            if not lost:
                continue
            self.figures["transactions lost by fail-overs"] += len(lost)
            self.elsewhere.append([lost[0].at, branch.last_at])
            for t in lost:
                self.lost_operations.update(dict.fromkeys(self.operations_in(t), t))
                for user in users.intersection(word for words in t.commands for word in words[2:]):
                    self.lost_of[user].append(t.at)

    def lost(self, user, until):
        return any(at <= until + self.slack_s for at in self.lost_of[user])

    def two_masters(self, since, at):
        """Did a master serve, then, whose doings are lost?"""
        return any(a - self.slack_s <= at and since <= b + self.slack_s for a, b in self.elsewhere)

    def switched(self, since, at):
        """Did the trunk go to another master, then?"""
        return any(since - self.slack_s <= branch.transactions[0].at <= at + self.slack_s
                   for branch, _ in self.path[1:] if branch.transactions)

    def living(self, since, at):
        """The lives of masters that served between."""
        return [life for life in self.lives
                if life.first_at <= at + self.slack_s and life.last_at >= since - self.slack_s] or self.lives

    def throughout(self, spans, since, at):
        """All the time, also if something was read late or answered late."""
        return any(a + self.slack_s < since and at < b - self.slack_s for a, b in spans)

    @staticmethod
    def inside(events, begin=("admitted",), end=("left", "expired")):
        """When these events have a user admitted, or in whatever `begin` and `end` mean: [(from, to)]."""
        spans = []
        for event in events:
            if event.kind in begin and not (spans and spans[-1][1] == math.inf):
                spans.append((event.at, math.inf))
            elif event.kind in end and spans and spans[-1][1] == math.inf:
                spans[-1] = (spans[-1][0], event.at)
        return spans

    # The complaints.

    def judge(self):
        for person in self.crowd.people:
            for kind, since, at, more in person.claims:
                judge = getattr(self, "judge_" + kind.replace(" ", "_"), None)
                if judge:
                    judge(person, since, at, more)
            self.judge_lapses(person)
            self.judge_told_in_time(person)
        return self.problems

    def broken(self, text):
        self.problems.append(text)

    def judge_lined_up(self, person, since, at, more):
        """What was acknowledged was done, and is still, but for what fail-overs lost."""
        operation, _ = more
        if operation in self.operations:
            return
        answers = [f"l{answer}{operation}\r\n".encode() for answer in (1, 2, 3)]
        if operation in self.lost_operations or any(answer in tail for tail in self.written for answer in answers):
            self.figures["line-ups lost by fail-overs"] += 1
        else:
            self.broken(f"{person.user}: {operation} was acknowledged and never carried out")

    def judge_absent(self, person, since, at, operation):
        """Whoever is told to be not in the queue has left it, or a fail-over lost the place."""
        lined_up = self.operations.get(operation)
        if lined_up is None:
            return  # judged above
        later = [e for e in self.trunk[person.user] if e.at >= lined_up.at and e.at <= at + self.slack_s]
        out = [e for e in later if e.kind in OUT and e.at >= since - self.slack_s]
        present = all(self.throughout(life.spans(person.user, ("queued", "admitted"), OUT), since, at)
                      for life in self.living(since, at))
        if not out and (present or not self.two_masters(since, at)):
            self.broken(f"{person.user}: told to be absent at {at:.2f} ({operation}), and it was not: {later}")
            return
        if not out:
            self.figures["asked a master that was replaced"] += 1
        elif out[-1].kind == "left" and not any(kind == "leaves the line" for kind, *_ in person.claims):
            self.broken(f"{person.user}: was taken out of the line without asking: {out}")

    def judge_lapses(self, person):
        """Nobody loses the place who was heard of within the grace."""
        for event in self.trunk[person.user]:
            if event.kind != "lapsed":
                continue
            before = [end if end is not None and end < event.at else event.at
                      for start, end in person.heard if start <= event.at]
            silent = event.at - max(before, default=-math.inf)
            if silent >= self.limits["grace_s"]:
                self.figures["places that lapsed"] += 1
            elif self.lost(person.user, event.at):
                self.figures["places lost with what said that somebody is there"] += 1
            else:
                self.broken(f"{person.user}: lost the place after {silent:.2f} s of silence: {event}")

    def judge_told_in_time(self, person):
        """While a stream is open and all parts serve, an admission is told within the limit."""
        events = self.trunk[person.user]
        for start, over in self.inside(events):
            for stream in person.streams:
                begin = max(start, stream.opened)
                end = min(x for x in (stream.told, stream.closed, over) if x is not None)
                if begin >= end:
                    continue
                late = end - max([begin] + [b for a, b in self.crowd.not_served + self.elsewhere
                                            if a <= end and b >= begin])
                allowed = self.limits["told_within_s"] + self.slack_s - 1
                if stream.told is not None and stream.told <= over + self.slack_s:
                    self.figures["told in time"] += late <= allowed
                    self.slowest_told = max(self.slowest_told, late)
                if late > allowed:
                    self.broken(f"{person.user}: admitted at {start:.2f}, not told for {late:.2f} s on a stream that "
                                f"opened at {stream.opened:.2f}")

    def was_admitted(self, user, since, at):
        return any(a <= at + self.slack_s and b >= since - self.slack_s
                   for life in self.living(since, at) for a, b in life.spans(user))

    def judge_told(self, person, since, at, more):
        if not self.was_admitted(person.user, since, at):
            self.broken(f"{person.user}: told at {at:.2f} of an admission that never was: {self.trunk[person.user]}")

    def judge_passed(self, person, since, at, more):
        self.figures["passed the gate"] += 1
        if not self.was_admitted(person.user, since, at):
            self.broken(f"{person.user}: passed the gate at {at:.2f} without admission")

    def judge_refused(self, person, since, at, more):
        everywhere = all(self.throughout(life.spans(person.user), since, at) for life in self.living(since, at))
        here = self.throughout(self.inside(self.trunk[person.user]), since, at)
        if everywhere or here and not self.two_masters(since, at):
            self.broken(f"{person.user}: refused at the gate ({more}) at {at:.2f}, and admitted all the time")
        elif here:
            self.figures["refused by a master that was replaced"] += 1

    def judge_position_rose(self, person, since, at, more):
        before, now = more
        if not self.two_masters(since, at) and not self.switched(since, at):
            self.broken(f"{person.user}: the position shown rose from {before} to {now}, at {at:.2f}")
        elif not any(now in life.positions(person.user, since - self.slack_s, at + self.slack_s)
                     for life in self.living(since, at)):
            self.broken(f"{person.user}: shown the position {now} at {at:.2f}, which it had on no master")
        else:
            self.figures["positions that rose by fail-overs"] += 1


class Life:
    """What one master ran, with all that it had from those before it."""

    def __init__(self, verdict, branch):
        self.path = verdict.path_to(branch)
        self.events = verdict.events_on(self.path)
        self.first_at = branch.transactions[0].at if branch.transactions else branch.last_at
        self.last_at = branch.last_at

    def spans(self, user, *meaning):
        """As Verdict.inside, up to its end."""
        return [(a, min(b, self.last_at)) for a, b in Verdict.inside(self.events[user], *meaning)]

    def positions(self, user, since, at):
        """All that the user had between, on this master."""
        model, transactions = self.start_before(since)
        found = set()
        for transaction in transactions:
            if transaction.at > at:
                break
            if transaction.at >= since:
                found.add(position(model, user))
            model.apply(transaction, judging=False)
        found.add(position(model, user))
        return found

    def start_before(self, since):
        """(a copy of the model at some time before, the transactions from there on)."""
        chosen = None
        for branch, end in self.path:
            ours = [t for t in branch.transactions if t.end <= end]
            if chosen:
                chosen[1].extend(ours)
            for count, model in branch.checkpoints:
                if not chosen or 0 < len(ours) >= count and ours[max(0, count - 1)].at < since:
                    chosen = (model, ours[count:])
        return chosen[0].copy(), chosen[1]


def position(model, user):
    """From 1; None: not in the line."""
    ticket = model.waiting.get(user)
    return None if ticket is None else sum(other <= ticket for other in model.waiting.values())
