"""One table: what Alpaca's refusals mean, for reading, for cancelling and for submitting.

Sources: Alpaca's OpenAPI document 2.0.1, and answers recorded by users (the code 42210000 stands for a dozen causes,
so the text is read too; texts "can change without notice", so a text that is not recognised falls to the milder row).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

import msgspec

from fillwatch.brokers.alpaca.answers import Answer
from fillwatch.core.errors import (
    AmbiguousError,
    BrokerError,
    KeysRefused,
    PermanentError,
    RateLimited,
    TransientError,
)
from fillwatch.core.orders import OrderStatus
from fillwatch.core.text import plain


class Verdict(Enum):
    """What an unsuccessful answer says about the thing that was asked to be done."""

    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_THERE = "not there"
    OVER = "over"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """An error body. `ours`: it is Alpaca's own JSON, not the page of some proxy on the way."""

    status: int
    code: int | None
    text: str
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row: answers with a status from `low` to `high`, and if given this code and a text that matches `says`."""

    low: int
    high: int
    error: type[BrokerError]
    cancel: Verdict
    submit: Verdict
    ours: bool = True
    code: int | None = None
    says: str = ""

    def fits(self, complaint: Complaint) -> bool:
        """Whether this row is about `complaint`."""
        return (
            self.low <= complaint.status <= self.high
            and (complaint.ours or not self.ours)
            and self.code in (None, complaint.code)
            and re.search(self.says, complaint.text, re.IGNORECASE) is not None
        )


_STATE = r"""\bin\s+["'“]?(?P<state>[a-z_]+)["'”]?\s+state"""
_NOT_UNIQUE = r"client_order_id must be unique"
_R, _U = Verdict.REFUSED, Verdict.UNKNOWN

#: Read from the top, the first row that fits decides; the last one fits everything.
RULES: tuple[Rule, ...] = (
    Rule(low=401, high=401, error=KeysRefused, cancel=_R, submit=_R, ours=False),
    Rule(low=403, high=403, error=KeysRefused, cancel=_R, submit=_R, code=40110000),
    Rule(low=403, high=403, error=KeysRefused, cancel=_R, submit=_R, says=r"^forbidden\.?$|not authorized"),
    Rule(low=404, high=404, error=PermanentError, cancel=Verdict.NOT_THERE, submit=_R, says=r"not found|not exist"),
    Rule(low=404, high=404, error=PermanentError, cancel=Verdict.NOT_THERE, submit=_R, code=40410000),
    Rule(low=404, high=404, error=AmbiguousError, cancel=_U, submit=_U, ours=False),
    Rule(low=408, high=409, error=TransientError, cancel=_U, submit=_U, ours=False),
    Rule(low=422, high=422, error=PermanentError, cancel=_R, submit=Verdict.DUPLICATE, says=_NOT_UNIQUE),
    Rule(low=422, high=422, error=PermanentError, cancel=Verdict.OVER, submit=_R, says=_STATE),
    Rule(low=425, high=425, error=TransientError, cancel=_U, submit=_U, ours=False),
    Rule(low=429, high=429, error=RateLimited, cancel=_U, submit=_U, ours=False),
    Rule(low=400, high=499, error=PermanentError, cancel=_R, submit=_R),
    Rule(low=400, high=499, error=AmbiguousError, cancel=_U, submit=_U, ours=False),
    Rule(low=500, high=599, error=TransientError, cancel=_U, submit=_U, ours=False),
    Rule(low=0, high=999, error=AmbiguousError, cancel=_U, submit=_U, ours=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An unsuccessful answer, understood as far as the table goes."""

    error: BrokerError
    cancel: Verdict
    submit: Verdict


def refusal(answer: Answer) -> Refusal:
    """What an answer that is not a 2xx means. Total: every status has a row."""
    complaint = _complaint(answer)
    rule = next(rule for rule in RULES if rule.fits(complaint))
    message = f"HTTP {complaint.status}: {complaint.text or 'no text'}"
    if rule.error is RateLimited:
        error: BrokerError = RateLimited(
            message, status=complaint.status, code=complaint.code, reset_in=answer.reset_in
        )
    else:
        error = rule.error(message, status=complaint.status, code=complaint.code)
    return Refusal(error=error, cancel=rule.cancel, submit=rule.submit)


def named_state(error: BrokerError) -> OrderStatus:
    """The state that a refused cancel names (`order is already in "filled" state`), `UNKNOWN` if it names none."""
    found = re.search(_STATE, error.message, re.IGNORECASE)
    return OrderStatus.UNKNOWN if found is None else OrderStatus.parse(found["state"])


def unreadable(what: str, answer: Answer) -> AmbiguousError:
    """The error for a 2xx whose body cannot be what it should be; it is shown in part."""
    shown = plain(answer.body[:400].decode("utf-8", "replace"), 120)
    return AmbiguousError(f"HTTP {answer.status}, but {what}: {shown or 'an empty body'}", status=answer.status)


class _Body(msgspec.Struct):
    message: str | None = None
    code: int | str | None = None


def _complaint(answer: Answer) -> Complaint:
    try:
        body = msgspec.json.decode(answer.body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = _Body()
    digits = str(body.code)
    code = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 12 else None
    ours = body.message is not None or code is not None
    text = body.message if body.message is not None else answer.body[:2000].decode("utf-8", "replace")
    return Complaint(status=answer.status, code=code, text=plain(text), ours=ours)
