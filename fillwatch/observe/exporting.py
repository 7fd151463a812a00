"""Entries as JSON, for other programs: stable keys, decimals as text, times in ISO 8601."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fillwatch.journal import Entry


def values(entry: Entry) -> Mapping[str, Any]:
    """The entry in values that JSON takes. A payload that is no JSON stands as `{"unreadable": its text}`."""
    fact = entry.fact
    try:
        payload = json.loads(fact.payload)
    except ValueError:
        payload = {"unreadable": fact.payload}
    return {
        "number": entry.number,
        "run": entry.run,
        "kind": fact.kind.value,
        "at": fact.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "monotonic": fact.monotonic,
        "intent_id": fact.intent_id,
        "order_id": fact.order_id,
        "payload": payload,
    }


def json_line(entry: Entry) -> str:
    """One line, in ASCII: what a broker wrote reaches no terminal as a control character."""
    return json.dumps(values(entry), separators=(",", ":"))
