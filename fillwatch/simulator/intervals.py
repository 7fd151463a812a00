"""Which part of the event log a client asks for: `since`, `until`, `since_id` and `until_id` of the event routes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from fillwatch.simulator.answers import Answer, refusal
from fillwatch.simulator.events import Event, nanoseconds

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
#: RFC 3339, or a day alone; a `+` that was not escaped arrives as a blank.
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+ -]\d\d:\d\d))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What is asked for, both ends included; times are nanoseconds since 1970. Without a beginning: from now on."""

    since: int | None = None
    until: int | None = None
    since_id: str | None = None
    until_id: str | None = None

    def is_past(self, event: Event) -> bool:
        """Whether this event comes after the end."""
        if self.until_id is not None:
            return event.event_id > self.until_id
        return self.until is not None and nanoseconds(event.at) > self.until


def interval(params: Mapping[str, str]) -> Interval | Answer:
    """The interval in a query, or the refusal that the query deserves (the rules are the OpenAPI document's)."""
    given = {name: params[name] for name in ("since", "until", "since_id", "until_id") if params.get(name)}
    if "since" in given and "since_id" in given:
        return _bad("since and since_id cannot be used together")
    for name in ("until", "until_id"):
        begin = name.replace("until", "since")
        if name in given and begin not in given:
            return _bad(f"{begin} is required when {name} is specified")
    try:
        return Interval(
            since=_time("since", given.get("since")),
            until=_time("until", given.get("until")),
            since_id=_ulid("since_id", given.get("since_id")),
            until_id=_ulid("until_id", given.get("until_id")),
        )
    except ValueError as error:
        return _bad(str(error))


def _bad(message: str) -> Answer:
    return refusal(400, 40010000, message)


def _time(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"invalid {name}: {text!r}; give RFC 3339 or YYYY-MM-DD")
    day, clock, fraction, zone = found.groups()
    try:
        offset = "+00:00" if zone is None or zone in "Zz" else zone.replace(" ", "+")
        at = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"invalid {name}: {text!r} is no such time") from None
    return nanoseconds(at) + int((fraction or "").ljust(9, "0") or 0)


def _ulid(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    if not _ULID.fullmatch(text.upper()):
        raise ValueError(f"invalid {name}: {text!r} is not a ULID")
    return text.upper()
