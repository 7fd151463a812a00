"""Bugs of what is written down of a watch, and of what is taken up again after a restart."""

from __future__ import annotations

from tests.mutants_table import Mutant

DIARY = "tests/engine/test_diary.py::test_"
RECOVER = "tests/engine/test_recover.py::test_"

DIARY_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a result is told before it is on the disk",
        file="fillwatch/engine/outcomes.py",
        old="        await self._diary.result(case, result, is_sought=not is_complete(result))\n",
        new="        asyncio.ensure_future(self._diary.result(case, result, is_sought=not is_complete(result)))\n",
        tests=(f"{DIARY}the_result_is_on_the_disk_before_anybody_is_told",),
    ),
    Mutant(
        name="what is learnt while a result is being written is lost",
        file="fillwatch/engine/outcomes.py",
        old="        self._tell(case, result)\n        self.amend(case)\n",
        new="        self._tell(case, result)\n",
        tests=(f"{DIARY}what_is_learnt_while_the_result_is_being_written_is_amended_after_it",),
    ),
    Mutant(
        name="an amendment is published before it is on the disk",
        file="fillwatch/engine/outcomes.py",
        old="            self._diary.amended(case, late, lambda: self._publish(late))\n",
        new="            self._publish(late)\n            self._diary.amended(case, late, lambda: None)\n",
        tests=(f"{DIARY}an_amendment_is_on_the_disk_before_it_is_published",),
    ),
    Mutant(
        name="leaving the engine breaks a promise whose result is being written",
        file="fillwatch/engine/office.py",
        old="            self.outcomes.tell_now(case)\n",
        new="",
        tests=(f"{DIARY}leaving_the_engine_while_the_result_is_being_written_gives_that_result",),
    ),
    Mutant(
        name="a disk that hangs is waited for again and again",
        file="fillwatch/engine/outbox.py",
        old="            self._hanging = task\n",
        new="",
        tests=(f"{DIARY}a_disk_that_hangs_delays_a_result_by_so_much_and_no_more",),
    ),
    Mutant(
        name="a cancel waits for the disk",
        file="fillwatch/engine/diary.py",
        old="seconds=BEFORE_CANCEL",
        new="seconds=PATIENCE",
        tests=(f"{DIARY}a_cancel_does_not_wait_long_for_the_disk",),
    ),
    Mutant(
        name="a cancel goes out before it is written",
        file="fillwatch/engine/final_check.py",
        old="            await self._diary.canceling(case, order_id)\n",
        new="            pass\n",
        tests=(f"{DIARY}a_cancel_is_written_before_it_goes_out_and_again_when_it_is_answered",),
    ),
    Mutant(
        name="each row of a replaced order is news",
        file="fillwatch/engine/diary.py",
        old="        news = sum([link.news for link in case.chain.links()])\n",
        new="        news = case.chain.news\n",
        tests=(f"{DIARY}each_execution_is_a_fact_of_its_own",),
    ),
    Mutant(
        name="a fact that no journal takes ends the read that brought it",
        file="fillwatch/engine/diary.py",
        old="        except ValueError as error:\n",
        new="        except ZeroDivisionError as error:\n",
        tests=(f"{DIARY}a_word_that_no_journal_takes_stops_nothing",),
    ),
    Mutant(
        name="what was unresolved is forgotten over a restart",
        file="fillwatch/engine/diary.py",
        old="        if is_sought:\n",
        new="        if False:\n",
        tests=(f"{RECOVER}what_was_told_unresolved_is_sought_on_and_amended",),
    ),
    Mutant(
        name="a wall clock that was set back makes more than the whole time",
        file="fillwatch/engine/diary.py",
        old="max((self._wall() - since).total_seconds(), 0.0)",
        new="(self._wall() - since).total_seconds()",
        tests=(f"{RECOVER}time_that_is_left_lies_between_nothing_and_all_of_it",),
    ),
    Mutant(
        name="a resumed watch has its whole time again",
        file="fillwatch/engine/office.py",
        old="            case.started -= self.diary.gone(origin.began)\n",
        new="            pass\n",
        tests=(f"{RECOVER}a_watch_goes_on_with_what_is_left_of_its_time",),
    ),
    Mutant(
        name="a cancel that was sent before a crash is somebody else's",
        file="fillwatch/engine/office.py",
        old="        case.course.cancel_accepted = origin.cancel_sent\n",
        new="",
        tests=(f"{RECOVER}an_end_by_a_cancel_that_we_had_sent_is_ours",),
    ),
    Mutant(
        name="orders of trades are taken up as plain watches",
        file="fillwatch/engine/resuming.py",
        old="if not entry.fact.intent_id and entry.fact.order_id not in traded",
        new="if entry.fact.order_id not in traded",
        tests=(f"{RECOVER}orders_of_trades_are_left_to_those_who_recover_trades",),
    ),
    Mutant(
        name="an amendment is told again after a crash",
        file="fillwatch/engine/resuming.py",
        old="told=amendments[-1].amended if amendments else begun.told",
        new="told=begun.told",
        tests=(f"{RECOVER}an_amendment_is_not_told_twice_when_its_release_was_lost",),
    ),
)
