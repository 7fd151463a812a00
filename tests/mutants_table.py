"""Bugs that have been made, or easily could be: where, what the line is and becomes, and which tests should notice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One bug. `old` stands in `file` exactly once; one of `tests` (files, or tests by their ids) has to fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


VERIFICATION = ("tests/core/test_verification.py",)
TOKENS = ("tests/core/test_tokens.py",)
LIMITER = ("tests/engine/test_limiter.py",)
RECOVERY = ("tests/engine/test_recovery.py",)
WIRE = ("tests/engine/test_wire.py",)
POSITIONS = ("tests/core/test_positions.py",)
CONSISTENCY = ("tests/engine/test_consistency.py",)

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a contradiction does not stop a fill",
        file="fillwatch/core/verification.py",
        old="is_filled = bool(_naming(verdicts, Verdict.COMPLETE)) and not contradicting",
        new="is_filled = bool(_naming(verdicts, Verdict.COMPLETE))",
        tests=VERIFICATION,
    ),
    Mutant(
        name="a price alone proves a fill",
        file="fillwatch/core/verification.py",
        old="return Verdict.SOME if order.price else Verdict.SILENT",
        new="return Verdict.COMPLETE if order.price else Verdict.SILENT",
        tests=VERIFICATION,
    ),
    Mutant(
        name="`calculated` counts as filled",
        file="fillwatch/core/verification.py",
        old="_S.CALCULATED: _V.SILENT,",
        new="_S.CALCULATED: _V.COMPLETE,",
        tests=VERIFICATION,
    ),
    Mutant(
        name="an unknown status is an end",
        file="fillwatch/core/status.py",
        old="_S.UNKNOWN: StatusRule(terminal=False, can_fill=True, rank=0),",
        new="_S.UNKNOWN: StatusRule(terminal=True, can_fill=True, rank=0),",
        tests=("tests/core/test_orders.py",),
    ),
    Mutant(
        name="a time-out is a rejection",
        file="fillwatch/core/errors.py",
        old="    (TimeoutError, Failure.TRANSIENT),",
        new="    (TimeoutError, Failure.PERMANENT),",
        tests=("tests/core/test_errors.py",),
    ),
    Mutant(
        name="what cannot be parsed fails fast",
        file="fillwatch/core/errors.py",
        old="    (ValueError, Failure.AMBIGUOUS),",
        new="    (ValueError, Failure.PERMANENT),",
        tests=("tests/core/test_errors.py",),
    ),
    Mutant(
        name="slippage of a sell has the sign of a buy",
        file="fillwatch/core/slippage.py",
        old="if Side(side) is Side.BUY else _ARITHMETIC.subtract(expected, paid)",
        new="if Side(side) is Side.BUY else _ARITHMETIC.subtract(paid, expected)",
        tests=("tests/core/test_slippage.py",),
    ),
    Mutant(
        name="the poll interval may start above its longest",
        file="fillwatch/core/config.py",
        old="if self.max_poll_interval < self.initial_poll_interval:",
        new="if self.max_poll_interval < 0:",
        tests=("tests/core/test_config.py",),
    ),
    Mutant(
        name="the rate forgets the burst",
        file="fillwatch/core/tokens.py",
        old="rate = max(whole + 0.99 - burst, 0.99) / window",
        new="rate = (whole + 0.99) / window",
        tests=TOKENS + LIMITER,
    ),
    Mutant(
        name="a restart begins with a full bucket",
        file="fillwatch/core/tokens.py",
        old="        self._level = min(start, terms.burst)\n",
        new="        self._level = terms.burst\n",
        tests=TOKENS + LIMITER,
    ),
    Mutant(
        name="requests in flight take no room",
        file="fillwatch/core/tokens.py",
        old="        return self.terms.burst - self.in_flight\n",
        new="        return self.terms.burst\n",
        tests=TOKENS + LIMITER,
    ),
    Mutant(
        name="a second 429 shortens the silence",
        file="fillwatch/core/tokens.py",
        old="self.still_until = max(self.still_until, until)",
        new="self.still_until = until",
        tests=TOKENS + LIMITER,
    ),
    Mutant(
        name="polls do not wait behind cancels",
        file="fillwatch/engine/turns.py",
        old="return first is not None and first < priority",
        new="return False",
        tests=LIMITER,
    ),
    Mutant(
        name="a waiter cancelled in the tick of his grant keeps the permit",
        file="fillwatch/engine/limiter.py",
        old="            elif future.exception() is None:\n                future.result().give_back()\n",
        new="",
        tests=LIMITER,
    ),
    Mutant(
        name="silence does not spare cancels",
        file="fillwatch/engine/limiter.py",
        old="gate = min(meter.still_until, self._last_cancel + CANCEL_SPACING) if is_cancel else meter.still_until",
        new="gate = meter.still_until",
        tests=LIMITER,
    ),
    Mutant(
        name="cancels during silence are not spaced",
        file="fillwatch/engine/limiter.py",
        old="            self._last_cancel = now\n",
        new="            pass\n",
        tests=LIMITER,
    ),
    Mutant(
        name="an old word of the broker on the quota is heeded",
        file="fillwatch/engine/allowance.py",
        old="quota.as_of < self._quota.as_of or quota == self._quota",
        new="quota == self._quota",
        tests=LIMITER,
    ),
    Mutant(
        name="closing leaves waiters waiting",
        file="fillwatch/engine/limiter.py",
        old='        self.turns.fail("the rate limiter was closed while waiting for a permit")\n',
        new="",
        tests=LIMITER,
    ),
    Mutant(
        name="a refusal is tried again",
        file="fillwatch/engine/recovery.py",
        old="if isinstance(answer, Refused) or not self._is_retryable_error(error):",
        new="if not self._is_retryable_error(error):",
        tests=RECOVERY,
    ),
    Mutant(
        name="back-off without jitter",
        file="fillwatch/engine/recovery.py",
        old="return self._rng.uniform(0.0, longest)",
        new="return longest",
        tests=RECOVERY,
    ),
    Mutant(
        name="a retry comes before the broker's reset",
        file="fillwatch/engine/recovery.py",
        old="wait = max(self._calculate_backoff(attempt), self._silence_after(error, now()))",
        new="wait = self._calculate_backoff(attempt)",
        tests=RECOVERY,
    ),
    Mutant(
        name="one retry too few",
        file="fillwatch/engine/recovery.py",
        old="if attempt == retries or now() + wait >= until():",
        new="if attempt == retries - 1 or now() + wait >= until():",
        tests=RECOVERY,
    ),
    Mutant(
        name="a caller who gives up takes his request with him",
        file="fillwatch/engine/wire.py",
        old="        done, _ = await asyncio.wait({task}, timeout=limit)\n        if not done:",
        new="        await asyncio.wait_for(task, limit)\n        done = {task}\n        if not done:",
        tests=WIRE,
    ),
    Mutant(
        name="a 429 does not silence the limiter",
        file="fillwatch/engine/wire.py",
        old="            self.limiter.stand_still(error.reset_in)",
        new="            pass",
        tests=WIRE,
    ),
    Mutant(
        name="closing does not wait for what is in flight",
        file="fillwatch/engine/wire.py",
        old="            await _ended(self._tasks, grace)\n",
        new="            pass\n",
        tests=WIRE,
    ),
    Mutant(
        name="a row of the tape counts twice",
        file="fillwatch/core/ledger.py",
        old="self.rows[execution.execution_id] = (first, min(since, as_of))",
        new="self.rows[f'{execution.execution_id}{as_of}'] = (first, min(since, as_of))",
        tests=POSITIONS,
    ),
    Mutant(
        name="a bust leaves the position as it was",
        file="fillwatch/core/ledger.py",
        old="                return -row.qty\n",
        new="                return ZERO\n",
        tests=POSITIONS,
    ),
    Mutant(
        name="sells raise the position",
        file="fillwatch/core/ledger.py",
        old="amount = quantity * side.sign if side is not None else ZERO",
        new="amount = quantity if side is not None else ZERO",
        tests=POSITIONS,
    ),
    Mutant(
        name="a mismatch is a discrepancy at once",
        file="fillwatch/engine/consistency.py",
        old="        elif answer.as_of < check.ripe:\n            self._look_again(check)\n",
        new="",
        tests=CONSISTENCY,
    ),
    Mutant(
        name="the book is not synced after a discrepancy",
        file="fillwatch/engine/consistency.py",
        old="            self._book.sync(check.symbol, result.broker_quantity, as_of=answer.as_of, at=answer.at)\n",
        new="",
        tests=CONSISTENCY,
    ),
    Mutant(
        name="a call pays for one request, whatever it takes",
        file="fillwatch/engine/wire.py",
        old="max(self._broker.cost(one) for one in operations)",
        new="1",
        tests=WIRE,
    ),
    Mutant(
        name="a row of the folded past that comes again counts again",
        file="fillwatch/core/positions.py",
        old="if known is None and self._is_past(execution.at):",
        new="if False:",
        tests=POSITIONS,
    ),
    Mutant(
        name="the position book keeps every order for ever",
        file="fillwatch/core/positions.py",
        old="if not ledger.is_followed and known <= known_before and (at is None or self._is_past(at)):",
        new="if False:",
        tests=POSITIONS,
    ),
    Mutant(
        name="a crowd of cancels lets reads have every fourth turn",
        file="fillwatch/engine/crowd.py",
        old="IN_A_ROW if is_shared else YIELD_AFTER",
        new="YIELD_AFTER",
        tests=("tests/engine/test_crowd.py",),
    ),
    Mutant(
        name="an order that has ended stands in line for its cancel",
        file="fillwatch/engine/crowd.py",
        old="while case in self._in_line and not case.chain.is_over:",
        new="while case in self._in_line:",
        tests=("tests/engine/test_crowd.py",),
    ),
    Mutant(
        name="all position checks are answered in one turn of the loop",
        file="fillwatch/engine/sharing.py",
        old="for _ in range(min(PORTION, len(due))):",
        new="for _ in range(len(due)):",
        tests=("tests/engine/test_sharing.py",),
    ),
    Mutant(
        name="a refund wakes nobody",
        file="fillwatch/engine/limiter.py",
        old="if self._timer is None or refund:",
        new="if self._timer is None:",
        tests=LIMITER,
    ),
)
