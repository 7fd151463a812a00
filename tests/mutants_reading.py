"""Bugs of what is read when, of who is woken by it, and of what a page leaves to be done."""

from __future__ import annotations

from tests.mutants_table import Mutant

READER = ("tests/engine/test_reader.py",)
ENDS = ("tests/engine/test_ends.py",)

READING_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a read between two beats delays the next",
        file="fillwatch/engine/beat.py",
        old="PACE = 1.16\n",
        new="PACE = 1.0\n",
        tests=READER,
    ),
    Mutant(
        name="looks that could wait do not wait for the beat",
        file="fillwatch/engine/beat.py",
        old="        return max(0.0, min(self.next_in, self._limiter.seconds_until_ample()))\n",
        new="        return 0.0\n",
        tests=READER,
    ),
    Mutant(
        name="each proof of an end reads the tape from the order's beginning",
        file="fillwatch/engine/tape_feed.py",
        old="if created is not None and case.tape_since >= created.timestamp():",
        new="if created is not None:",
        tests=READER,
    ),
    Mutant(
        name="rows that came late are not met again",
        file="fillwatch/engine/tape_feed.py",
        old="            since = min([since, *self._latest.values()])\n",
        new="            pass\n",
        tests=READER,
    ),
    Mutant(
        name="the tape has no turns before a sweep has ended",
        file="fillwatch/engine/audits.py",
        old="max(self._list.pages, math.ceil(listed / self._page_size)) if self._page_size else self._list.pages",
        new="self._list.pages",
        tests=ENDS,
    ),
    Mutant(
        name="ends are left to the sweep",
        file="fillwatch/core/schedule.py",
        old="return Read.ENDS if o.ends else Read.TAPE",
        new="return Read.TAPE",
        tests=ENDS,
    ),
    Mutant(
        name="a first page of ended orders counts as all of them",
        file="fillwatch/engine/ends.py",
        old="        elif not page.complete:\n            self._set_aside()\n",
        new="",
        tests=ENDS,
    ),
    Mutant(
        name="a list that goes unanswered is asked for all the same",
        file="fillwatch/engine/ends.py",
        old="if self._in_vain >= IN_VAIN:",
        new="if False:",
        tests=ENDS,
    ),
    Mutant(
        name="a feed that broke is trusted as before",
        file="fillwatch/engine/feeds.py",
        old="            self._unsteady_until = self._loop.time() + STEADY\n",
        new="",
        tests=("tests/engine/test_feeds.py",),
    ),
    Mutant(
        name="a page leaves what it showed due",
        file="fillwatch/engine/list_reader.py",
        old="        self._dues.shown(shown, page.as_of)\n",
        new="",
        tests=("tests/engine/test_list_reader.py",),
    ),
    Mutant(
        name="a look that was due after the page was asked is taken for done",
        file="fillwatch/engine/dues.py",
        old="            elif due_since > as_of:",
        new="            elif False:",
        tests=("tests/engine/test_dues.py",),
    ),
    Mutant(
        name="nobody who listens to an ended order is answered",
        file="fillwatch/engine/dues.py",
        old=" or case.is_heard",
        new="",
        tests=("tests/engine/test_dues.py",),
    ),
    Mutant(
        name="a task sleeps on whatever its patience says",
        file="fillwatch/core/course.py",
        old="now < asleep_until <= now + patience",
        new="now < asleep_until",
        tests=("tests/core/test_course.py",),
    ),
    Mutant(
        name="a task sleeps on when its order was replaced",
        file="fillwatch/core/course.py",
        old=" or self.chain.has_successors:",
        new=":",
        tests=("tests/core/test_course.py",),
    ),
    Mutant(
        name="a listener that was cancelled is woken",
        file="fillwatch/engine/channel.py",
        old=" or self._waiter.done()",
        new="",
        tests=("tests/engine/test_channel.py",),
    ),
    Mutant(
        name="the first word on an order wakes nobody",
        file="fillwatch/engine/case.py",
        old="changes[0].before is None or not",
        new="not",
        tests=("tests/engine/test_case.py",),
    ),
    Mutant(
        name="no page is aimed at those who wait",
        file="fillwatch/engine/list_reader.py",
        old="if self.pages > LONG and self._aimed",
        new="if False and self._aimed",
        tests=("tests/engine/test_crowd.py",),
    ),
    Mutant(
        name="a page that was aimed badly counts as a good one",
        file="fillwatch/engine/list_reader.py",
        old="self._reach = len(shown) / len(aimed.missing)",
        new="self._reach = 1.0",
        tests=("tests/engine/test_crowd.py",),
    ),
)
