"""Bugs of what is believed, decided and done about an order; whole lives and the properties should notice them."""

from __future__ import annotations

from tests.mutants_table import Mutant

BELIEF = ("tests/properties/test_stateful.py::TestBelief",)
PROPERTIES = "tests/properties/test_properties.py::test_"
WORLDS = "tests/worlds/test_worlds.py::test_every_invariant_holds"
SOME_WORLDS = (f"{WORLDS}[0]", f"{WORLDS}[20]", f"{WORLDS}[160]")
SCALE = ("tests/worlds/test_scale.py::test_nobody_starves",)

ENGINE_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a stale snapshot lowers what was executed",
        file="fillwatch/core/belief.py",
        old="if self._cumulative is None or cumulative > self._cumulative:",
        new="if self._cumulative is None or cumulative != self._cumulative:",
        tests=BELIEF,
    ),
    Mutant(
        name="what two routes tell is added up",
        file="fillwatch/core/standing.py",
        old="return gross if gross is not None and gross >= tape.gross else tape.gross",
        new="return tape.gross if gross is None else gross + tape.gross",
        tests=BELIEF,
    ),
    Mutant(
        name="the oldest snapshot wins",
        file="fillwatch/core/belief.py",
        old="            return new > old\n",
        new="            return new < old\n",
        tests=BELIEF,
    ),
    Mutant(
        name="a row of the tape counts each time it is read",
        file="fillwatch/core/tape.py",
        old="        self.rows[row.execution_id] = row\n",
        new="        self.rows[f'{row.execution_id}/{len(self.rows)}'] = row\n",
        tests=BELIEF,
    ),
    Mutant(
        name="a part of a replaced order looks like all of its successor",
        file="fillwatch/core/chain.py",
        old="            qty=self.requested_quantity,\n",
        new="            qty=self.current.qty,\n",
        tests=(f"{WORLDS}[20]", f"{WORLDS}[160]"),
    ),
    Mutant(
        name="an order that timed out is given up without a final check",
        file="fillwatch/core/course.py",
        old="            return FinalCheck(purpose=CheckFor.TIMEOUT)\n",
        new='            return Finish(outcome=FillOutcome.TIMED_OUT, reason="timed out")\n',
        tests=(f"{PROPERTIES}p4_final_verification_guarantee",),
    ),
    Mutant(
        name="the remainder of a partial fill is left in the market",
        file="fillwatch/core/course.py",
        old="return bool(self.chain.filled_quantity) and not self.lives_on",
        new="return False",
        tests=(f"{PROPERTIES}p9_partial_fill_rejection",),
    ),
    Mutant(
        name="somebody else's cancel is called our time-out",
        file="fillwatch/core/course.py",
        old="if status is OrderStatus.CANCELED and self.cancel_accepted:",
        new="if status is OrderStatus.CANCELED:",
        tests=SOME_WORLDS,
    ),
    Mutant(
        name="an order handed over to be left is cancelled at its time-out",
        file="fillwatch/core/finality.py",
        old="    if not may_cancel:\n",
        new="    if False:\n",
        tests=SOME_WORLDS,
    ),
    Mutant(
        name="the cancel goes out without a last look",
        file="fillwatch/core/finality.py",
        old="    reply = yield AskLook(order_id=chain.current.order_id, since=now, until=now + LAST_LOOK)\n",
        new="    reply = Reply(now=now)\n",
        tests=(f"{PROPERTIES}p4_final_verification_guarantee",),
    ),
    Mutant(
        name="a cancel is repeated after the end was seen",
        file="fillwatch/engine/final_check.py",
        old="return not chain.is_over and chain.current.order_id == order_id",
        new="return True",
        tests=SOME_WORLDS,
    ),
    Mutant(
        name="many orders are asked for one by one",
        file="fillwatch/core/schedule.py",
        old="page_pays = o.lists and ((o.shown > 1 and o.due >= min(o.pages, o.shown)) or o.in_vain)",
        new="page_pays = o.lists and o.in_vain",
        tests=("tests/core/test_schedule.py", *SCALE),
    ),
    Mutant(
        name="the interval grows without end",
        file="fillwatch/core/schedule.py",
        old="looks * config.poll_interval_increase, config.max_poll_interval)",
        new="looks * config.poll_interval_increase, 1e9)",
        tests=(f"{PROPERTIES}p10_adaptive_polling_efficiency",),
    ),
    Mutant(
        name="an answered look reaches nobody",
        file="fillwatch/engine/reader.py",
        old="            case.absorb(look, self._loop.time())\n",
        new="            pass\n",
        tests=("tests/engine/test_contract.py", f"{PROPERTIES}p3_error_recovery_resilience"),
    ),
    Mutant(
        name="a part that was executed counts as filled",
        file="fillwatch/engine/report.py",
        old="        filled=outcome is FillOutcome.FILLED,\n",
        new="        filled=outcome in (FillOutcome.FILLED, FillOutcome.PARTIALLY_FILLED),\n",
        tests=(f"{PROPERTIES}p9_partial_fill_rejection",),
    ),
    Mutant(
        name="slippage is measured the wrong way round",
        file="fillwatch/engine/report.py",
        old="signed_slippage(view.side, expected, price)",
        new="signed_slippage(view.side, price, expected)",
        tests=(f"{PROPERTIES}p8_slippage_validation_consistency",),
    ),
    Mutant(
        name="what is unresolved is not looked at any more",
        file="fillwatch/engine/monitor.py",
        old="    if not complete:\n        await _audit(case, desk)\n",
        new="",
        tests=SOME_WORLDS,
    ),
    Mutant(
        name="amendments are kept to oneself",
        file="fillwatch/engine/outcomes.py",
        old="        self._amendments.publish(late)\n",
        new="",
        tests=SOME_WORLDS,
    ),
    Mutant(
        name="the tape is not read again for an order it passed unknown",
        file="fillwatch/engine/tape_feed.py",
        old="            self._feed.back_to(created)\n",
        new="",
        tests=("tests/engine/test_reader.py",),
    ),
    Mutant(
        name="a price that lags behind the end is not waited for",
        file="fillwatch/core/course.py",
        old="if quantity and chain.average_price is None:",
        new="if False:",
        tests=("tests/core/test_course.py",),
    ),
    Mutant(
        name="the remainder of an order handed over to be left is cancelled",
        file="fillwatch/core/course.py",
        old=" or terms.at_timeout is not AtTimeout.CANCEL:\n            return False",
        new=":\n            return False",
        tests=("tests/core/test_course.py",),
    ),
    Mutant(
        name="a successor's quantity always holds its predecessor's",
        file="fillwatch/core/chain.py",
        old="return (link.qty is None or link.qty > earlier) and self.tape_as_of > link.cumulative_as_of",
        new="return True",
        tests=("tests/core/test_chain.py",),
    ),
    Mutant(
        name="orders that ended are kept as long as the engine lives",
        file="fillwatch/engine/outcomes.py",
        old="while len(self.ended) > ENDED_KEPT:",
        new="while False:",
        tests=("tests/worlds/test_scale.py::test_memory_does_not_grow_with_the_orders_of_a_long_life",),
    ),
    Mutant(
        name="what is pushed answers a question",
        file="fillwatch/engine/question.py",
        old=" and evidence.route not in PUSHED",
        new="",
        tests=("tests/worlds/test_conformance.py::TestPushing",),
    ),
    Mutant(
        name="a feed is trusted before its gap was repaired",
        file="fillwatch/engine/feeds.py",
        old="        return case.chain.seen_as_of >= self._since\n",
        new="        return self.is_up\n",
        tests=("tests/engine/test_feeds.py",),
    ),
    Mutant(
        name="losses of a feed are not counted",
        file="fillwatch/engine/feeds.py",
        old="            self.meter.note(lost=lost)\n",
        new="            pass\n",
        tests=("tests/engine/test_feeds.py",),
    ),
    Mutant(
        name="executions that do not add up to the quantity cause no look",
        file="fillwatch/engine/office.py",
        old="            if untold:  # the",
        new="            if False:  # the",
        tests=("tests/engine/test_push_hostile.py",),
    ),
    Mutant(
        name="what was told of a successor too early is forgotten",
        file="fillwatch/engine/reader.py",
        old="self._agenda.at(self._loop.time(), self.feed.begin, case)",
        new="pass",
        tests=("tests/engine/test_push_hostile.py",),
    ),
    Mutant(
        name="a mute feed is stayed with",
        file="fillwatch/engine/feeds.py",
        old="            self._taking.cancel()",
        new="            pass",
        tests=("tests/engine/test_push_hostile.py",),
    ),
    Mutant(
        name="more executions than the order says are taken for an overfill at once",
        file="fillwatch/core/course.py",
        old="if untold < 0 and chain.read_as_of <= self.end_seen:",
        new="if False:",
        tests=("tests/core/test_course.py",),
    ),
)
