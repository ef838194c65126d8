# SPDX-License-Identifier: Apache-2.0
"""Does the observer of the chaos run see what it is there to see? Streams made by hand, each with one thing wrong."""

import sys
import unittest

from queue_model import Queue
from replication import History, read_transaction

START = 1_000_000


def resp(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(str(w).encode()), str(w).encode()) for w in words)


class Store:
    """Writes what scripts write, in one branch."""

    def __init__(self, keep=True):
        self.problems, self.texts = [], {}
        self.history = History(lambda: Queue(lambda text, _: self.problems.append(text), keep))
        self.history.root("first", 0)
        self.replid, self.offset, self.clock, self.ticket = "first", 0, START, 0
        self.script(["HSET", "queue:state", "capacity", 2, "duration", 6000, "version", 1])

    def script(self, *commands):
        self.raw(b"".join([resp("MULTI"), *(resp(*c) for c in commands), resp("EXEC")]))

    def raw(self, data):
        self.history.feed(self.replid, self.offset, data)
        self.offset += len(data)

    def passes(self, ms):
        self.clock += ms
        return ["HSET", "queue:state", "q", self.clock, "w", self.clock]

    def answer(self, user, operation, what="l", answer=3):
        self.texts[user] = self.texts.get(user, "") + f"{len(operation)}:{what}{answer}{operation}"
        return ["HSET", "queue:answers:0", user, self.texts[user]]

    def queue(self, user, ticket=None, lease=12000):
        self.ticket = ticket or self.ticket + 1
        self.script(self.passes(10), ["SET", "queue:counter", self.ticket], ["ZADD", "queue:wait", self.ticket, user],
                    ["ZADD", "queue:lease", self.clock + lease, user], self.answer(user, f"q{self.offset}"))

    def admit(self, *users, more=()):
        self.script(self.passes(10), *more, *self.entering(*users))

    def entering(self, *users):
        pairs = [x for user in users for x in (user, self.clock // 1000)]
        scores = [x for user in users for x in (self.clock, user)]
        told = "A" + "".join(f"{len(user)}:{user}" for user in users)
        return [["HSET", "allowedIn:users", *pairs], ["ZADD", "queue:expiry", *scores], ["ZREM", "queue:lease", *users],
                ["SREM", "queue:away", *users], ["ZREM", "queue:wait", *users], ["PUBLISH", "queue:events", told]]

    @property
    def model(self):
        return self.history.branch(self.replid).model


class Rules(unittest.TestCase):
    def setUp(self):
        self.store = Store()

    def assert_seen(self, *texts):
        self.assertEqual(len(self.store.problems), len(texts), self.store.problems)
        for text, problem in zip(texts, self.store.problems):
            self.assertIn(text, problem)

    def test_a_good_queue_has_no_problems(self):
        s = self.store
        s.admit("in", "too")
        s.queue("a"), s.queue("b")
        s.script(["SADD", "queue:away", "a"], ["ZADD", "queue:lease", s.clock + 6000, "a"])
        s.script(s.passes(500), ["HDEL", "allowedIn:users", "in"], s.answer("in", "x", "a", 1), *s.entering("b"))
        s.script(s.passes(500), ["PUBLISH", "queue:events", "S1:2:2"])
        s.script(["ZADD", "queue:lease", s.clock + 12000, "a"], ["SREM", "queue:away", "a"])
        for _ in range(6):
            s.script(s.passes(1000), ["PUBLISH", "queue:events", "S1:2:2"])
        s.script(s.passes(1000), ["HDEL", "allowedIn:users", "too", "b"], *s.entering("a"))
        self.assert_seen()
        kinds = [(event.kind, event.user) for event in s.model.events]
        self.assertEqual(kinds[-3:], [("expired", "too"), ("expired", "b"), ("admitted", "a")])

    def test_too_many_are_admitted(self):
        self.store.admit("a", "b", "c")
        self.assert_seen("c was admitted when 2 were, of 2")

    def test_a_smaller_capacity_counts_at_once(self):
        self.store.script(["HSET", "queue:state", "capacity", 1, "duration", 6000, "version", 2])
        self.store.admit("a", "b")
        self.assert_seen("b was admitted when 1 were, of 1")

    def test_someone_is_overtaken(self):
        s = self.store
        s.queue("a"), s.queue("b")
        s.admit("b")
        s.admit("walks past")
        self.assert_seen("b (ticket 2.0) was admitted before a", "walks past (ticket None) was admitted before a")

    def test_someone_is_admitted_while_away(self):
        s = self.store
        s.queue("a")
        s.script(["SADD", "queue:away", "a"])
        s.admit("a")
        self.assert_seen("a was admitted while away")

    def test_someone_is_in_two_places(self):
        s = self.store
        s.queue("a")
        s.script(s.passes(1), ["HSET", "allowedIn:users", "a", 1000], ["PUBLISH", "queue:events", "A1:a"])
        self.assert_seen("admitted and waiting: ['a']")

    def test_a_place_is_lost(self):
        s = self.store
        s.queue("a"), s.queue("b")
        s.script(s.passes(1000), ["ZREM", "queue:lease", "a"], ["ZREM", "queue:wait", "a"])
        s.script(["DEL", "queue:wait"])
        self.assert_seen("a lost the place 1.0", "queue:wait was deleted")

    def test_a_lease_may_end_and_leaving_is_free(self):
        s = self.store
        s.queue("a", lease=1000), s.queue("b")
        s.script(s.passes(1000), ["ZREM", "queue:lease", "a"], ["ZREM", "queue:wait", "a"])
        s.script(s.passes(1), ["ZREM", "queue:lease", "b"], ["ZREM", "queue:wait", "b"], s.answer("b", "x", "w", 1))
        self.assert_seen()
        self.assertEqual([e.kind for e in s.model.events][-2:], ["lapsed", "left"])

    def test_a_place_is_given_anew(self):
        s = self.store
        s.queue("a")
        s.script(s.passes(1), ["SET", "queue:counter", 2], ["ZADD", "queue:wait", 2, "a"])
        self.assert_seen("a lost the place 1.0 for 2.0")

    def test_someone_is_put_out_early(self):
        s = self.store
        s.admit("a")
        s.script(s.passes(1000), ["HDEL", "allowedIn:users", "a"])
        self.assert_seen("a was put out")

    def test_a_ticket_is_too_low(self):
        s = self.store
        s.queue("a", ticket=7)
        s.script(s.passes(1), ["ZADD", "queue:wait", 3, "b"])
        self.assert_seen("b got ticket 3.0, and somebody has a later one")

    def test_an_operation_is_carried_out_twice(self):
        s = self.store
        s.script(s.answer("a", "same"))
        s.script(s.answer("a", "same"))
        self.assert_seen("same of a was carried out twice")

    def test_an_admission_is_told_twice_or_never(self):
        s = self.store
        s.admit("a", more=[["PUBLISH", "queue:events", "A1:a"]])
        s.script(s.passes(1), ["HSET", "allowedIn:users", "b", 1000])
        self.assert_seen("told of: ['a', 'a']", "told of: []")

    def test_a_slot_stays_free(self):
        s = self.store
        s.queue("a")
        s.script(s.passes(1000), ["PUBLISH", "queue:events", "S1:0:2"])
        self.assert_seen("a slot stays free while 1 wait")

    def test_the_clock_leaps_or_goes_back(self):
        s = self.store
        s.script(s.passes(0))
        s.script(s.passes(2001))
        s.script(s.passes(-1))
        self.assert_seen("the queue clock leapt", "the queue clock went back")


class Histories(unittest.TestCase):
    def test_a_transaction_is_read_when_it_is_whole(self):
        data = resp("MULTI") + resp("SET", "k", "v") + resp("EXEC") + resp("PING")
        for size in range(len(data) - len(resp("PING"))):
            self.assertIsNone(read_transaction(bytearray(data[:size])))
        self.assertEqual(read_transaction(bytearray(data))[1], [["SET", "k", "v"]])

    def test_what_several_links_bring_is_taken_once_and_in_order(self):
        s = Store()
        data, start = resp("SADD", "queue:away", "a") + resp("SADD", "queue:away", "b"), s.offset
        s.history.feed("first", start + 10, data[10:])
        self.assertEqual(s.history.gaps(), ["first"])
        s.history.feed("first", start, data[:20])
        s.history.feed("first", start, data)
        self.assertEqual((s.history.gaps(), s.model.away), ([], {"a", "b"}))
        self.assertEqual(len(s.history.branch("first").transactions), 3)

    def test_what_a_fail_over_lost_is_known_to_the_command(self):
        s = Store()
        s.queue("kept")
        fork, cut = s.offset, s.offset + 7  # the link had read seven bytes more
        s.queue("both")
        both = s.offset
        s.queue("lost")
        # The new master has "both" too; its link says so only later.
        first = s.history.branch("first")
        s.history.leave("first", "second", cut)
        s.history.feed("second", cut, first.transactions[2].raw[7:])
        s.replid, s.offset, s.ticket, s.clock = "second", both, 2, START + 20
        s.queue("new")
        second = s.history.branch("second")
        self.assertEqual((second.start, second.fork()), (fork, both))
        self.assertEqual(list(second.model.waiting), ["kept", "both", "new"])
        self.assertEqual(list(first.model.waiting), ["kept", "both", "lost"])
        self.assertEqual(s.problems, [])

    def test_a_branch_that_is_heard_of_before_its_parent(self):
        s = Store()
        s.queue("a")
        end = s.offset
        more = resp("SADD", "queue:away", "a")
        s.history.feed("second", end, more)
        s.history.leave("first", "second", end)
        self.assertEqual(s.history.branch("second").model.away, {"a"})
        self.assertEqual(s.history.gaps(), [])


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())
