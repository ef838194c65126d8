# SPDX-License-Identifier: Apache-2.0
"""Does the verdict of the chaos run judge while two masters serve? Histories and complaints made by hand."""

import re
import sys
import types
import unittest
from unittest import mock

from crowd import Person
from queue_model_test import Store
from verdict import Verdict

LIMITS = {"duration_s": 6, "presence_s": 12, "grace_s": 6, "told_within_s": 5.0}


class TwoMasters(unittest.TestCase):
    """From 110 s to 130 s "first", which was replaced, and "second", which is left, both serve."""

    def setUp(self):
        self.now = 100.0
        clock = mock.patch("replication.time.monotonic", lambda: self.now)
        clock.start()
        self.addCleanup(clock.stop)
        self.store = s = Store()
        s.script(["HSET", "queue:state", "capacity", 3, "duration", 600000, "version", 2])
        s.admit("in")
        for user in "abcd":
            s.queue(user)
        self.places = {"first": (s.offset, s.clock, s.ticket)}
        s.history.leave("first", "second", s.offset)
        self.places["second"] = self.places["first"]
        self.people = {user: Person(user, "") for user in ("in", "a", "b", "c", "d")}
        self.now = 110.0
        for _ in range(20):
            self.now += 1
            for replid, passed in (("first", 100), ("second", 90)):
                self.on(replid, lambda passed=passed: s.script(s.passes(passed)))

    def on(self, replid, do):
        s = self.store
        s.replid, (s.offset, s.clock, s.ticket) = replid, self.places[replid]
        do()
        self.places[replid] = (s.offset, s.clock, s.ticket)

    def leaves_the_line(self, replid, user, operation):
        s = self.store
        self.on(replid, lambda: s.script(s.passes(1), ["ZREM", "queue:lease", user], ["ZREM", "queue:wait", user],
                                         s.answer(user, operation, "w", 1)))

    def claim(self, user, kind, since, at, more=None):
        self.people[user].claims.append((kind, since, at, more))

    def judged(self):
        """(problems, figures) when all is over."""
        self.now = 140.0
        self.on("second", lambda: self.store.script(self.store.passes(100)))
        self.assertEqual(self.store.problems, [])
        crowd = types.SimpleNamespace(people=list(self.people.values()), stalls=[], not_served=[])
        history = self.store.history
        verdict = Verdict(history, history.branch("second"), crowd, [], LIMITS)
        return verdict.judge(), verdict.figures

    def assert_broken(self, text):
        problems, _ = self.judged()
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(text, problems[0])

    def assert_counted(self, figure):
        problems, figures = self.judged()
        self.assertEqual((problems, figures[figure]), ([], 1))

    def operation(self, user):
        """That which lined up."""
        first = re.match(r"(\d+):l3", self.store.texts[user])
        return self.store.texts[user][first.end():first.end() + int(first[1])]

    def test_who_is_there_on_both_is_not_absent(self):
        self.claim("a", "absent", 118, 119, self.operation("a"))
        self.assert_broken("told to be absent")

    def test_who_left_on_one_may_be_absent_there(self):
        self.leaves_the_line("first", "a", "gone")
        self.claim("a", "absent", 129, 131, self.operation("a"))
        self.assert_counted("asked a master that was replaced")

    def test_who_is_there_when_one_is_left_is_not_absent(self):
        self.leaves_the_line("first", "a", "gone")
        self.claim("a", "absent", 136, 137, self.operation("a"))
        self.assert_broken("told to be absent")

    def test_who_is_admitted_on_both_is_not_refused(self):
        self.claim("in", "refused", 118, 119, 403)
        self.assert_broken("refused at the gate")

    def test_who_left_on_one_may_be_refused_there(self):
        s = self.store
        self.on("first", lambda: s.script(s.passes(1), ["HDEL", "allowedIn:users", "in"],
                                          s.answer("in", "out", "a", 1)))
        self.claim("in", "refused", 129, 131, 403)
        self.assert_counted("refused by a master that was replaced")

    def test_who_is_admitted_when_one_is_left_is_not_refused(self):
        s = self.store
        self.on("first", lambda: s.script(s.passes(1), ["HDEL", "allowedIn:users", "in"],
                                          s.answer("in", "out", "a", 1)))
        self.claim("in", "refused", 136, 137, 403)
        self.assert_broken("refused at the gate")

    def test_a_position_that_is_true_on_one_of_them(self):
        self.leaves_the_line("second", "a", "gone")
        self.claim("c", "position rose", 129, 130.5, (2, 3))
        self.assert_counted("positions that rose by fail-overs")

    def test_a_position_that_is_true_on_none(self):
        self.claim("c", "position rose", 129, 130.5, (2, 4))
        self.assert_broken("which it had on no master")

    def test_a_position_that_rises_when_one_is_left(self):
        self.claim("c", "position rose", 136, 137, (2, 3))
        self.assert_broken("the position shown rose from 2 to 3")

    def test_an_admission_that_only_one_of_them_made(self):
        s = self.store
        self.on("first", lambda: s.admit("a"))
        self.claim("a", "told", 129, 130.5)
        self.assertEqual(self.judged()[0], [])

    def test_an_admission_that_none_of_them_made(self):
        self.claim("a", "told", 129, 130.5)
        self.assert_broken("an admission that never was")

    def test_each_keeps_the_invariants_by_itself(self):
        s = self.store
        for replid, user in (("first", "b"), ("second", "c")):
            self.on(replid, lambda user=user: s.script(s.passes(1), *s.entering(user)))
        self.assertEqual(len(s.problems), 2)
        self.assertIn("b (ticket 2.0) was admitted before a", s.problems[0])
        self.assertIn("c (ticket 3.0) was admitted before a", s.problems[1])


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())
