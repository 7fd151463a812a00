"""What a demonstration showed: as values for JSON, as lines for people, and whether it was good enough."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from fillwatch.cli.comparison import Kind, Told, Verdict, percentile
from fillwatch.cli.demo import Run
from fillwatch.cli.facts import Fact
from fillwatch.core.results import FillOutcome, FillResult

#: Findings shown on the terminal; the report holds all.
SHOWN = 20


def summary(run: Run) -> dict[str, Any]:
    """The figures, in values that JSON takes. Orders are counted, not findings; seconds are to the millisecond."""
    found = Counter(kind for verdict in run.verdicts for kind in {finding.kind for finding in verdict.findings})
    outcomes = Counter(told.result.outcome for words in run.told for told in words)
    delays = [verdict.delay for verdict in run.verdicts if verdict.delay is not None]
    shares = {"p50": 0.5, "p99": 0.99, "worst": 1.0}
    return {
        "orders": len(run.facts),
        "outcomes": {outcome.value: outcomes[outcome] for outcome in FillOutcome},
        **{kind.value: found[kind] for kind in Kind},
        "untruths": sum(1 for verdict in run.verdicts if verdict.findings),
        "unresolved": outcomes[FillOutcome.UNRESOLVED],
        "unresolved_overdue": sum(1 for verdict in run.verdicts if verdict.overdue),
        "unpriced": sum(1 for verdict in run.verdicts if verdict.unpriced),
        "amendments": dict(sorted(run.amendments.items())),
        "delay_seconds": {name: _rounded(percentile(delays, share)) for name, share in shares.items()},
        "fills_timed": len(delays),
        "requests": sum(run.requests.values()),
        "requests_by_operation": dict(sorted(run.requests.items())),
        "requests_struck_by_faults": run.faulty,
        "worst_minute": run.worst_minute,
        "limit": run.limit,
        "seconds": _rounded(run.seconds),
        "good": is_good(run),
    }


def is_good(run: Run) -> bool:
    """Whether nothing untrue was told and the request limit was kept."""
    return run.worst_minute <= run.limit and not any(verdict.findings for verdict in run.verdicts)


def as_values(run: Run) -> dict[str, Any]:
    """The whole report: settings, summary, and for every order what was told, what is true and the verdict."""
    settings = run.settings
    rows = zip(run.facts, run.told, run.verdicts, strict=True)
    return {
        "settings": {
            "orders": settings.orders,
            "seed": settings.seed,
            "faults": settings.faults,
            "timeout_seconds": settings.timeout,
            "stream": settings.stream,
        },
        "summary": summary(run),
        "orders": [_order(fact, told, verdict) for fact, told, verdict in rows],
    }


def write(run: Run, path: Path | None) -> Path:
    """Write the report to `path`, else into `reports/`, else (when that cannot be made) into a temporary directory.

    Raises `OSError` when a given `path` cannot be written.
    """
    text = json.dumps(as_values(run), indent=1)
    if path is None:
        path = _directory() / f"demo-seed-{run.settings.seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _directory() -> Path:
    directory = Path("reports")
    try:
        directory.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except OSError:
        return Path(tempfile.mkdtemp(prefix="fillwatch-"))


def lines(run: Run) -> list[str]:
    """The figures in words, one fact a line, and the first untruths if there are any."""
    figures = summary(run)
    delay = {name: "-" if value is None else f"{value:.2f}" for name, value in figures["delay_seconds"].items()}
    overdue, struck = figures["unresolved_overdue"], figures["requests_struck_by_faults"]
    rows = [
        ("outcomes", _counts(figures["outcomes"])),
        ("missed", str(figures["missed"] + figures["no_result"])),
        ("phantom", str(figures["phantom"])),
        ("other untruths", _counts({kind.value: figures[kind] for kind in Kind if kind not in _COUNTED_APART})),
        ("unresolved", f"{figures['unresolved']}, of which {overdue} had ended at the broker"),
        ("amendments", _counts(figures["amendments"])),
        (
            "delay",
            f"p50 {delay['p50']} s, p99 {delay['p99']} s, worst {delay['worst']} s ({figures['fills_timed']} fills)",
        ),
        (
            "requests",
            f"{figures['requests']} ({_counts(figures['requests_by_operation'])}), {struck} of them struck by a fault",
        ),
        ("worst minute", f"{figures['worst_minute']} requests (limit {figures['limit']})"),
        ("time", f"{figures['seconds']:.1f} s"),
    ]
    if figures["unpriced"]:
        rows.insert(5, ("price unknown", str(figures["unpriced"])))
    return [f"{name:<15} {text}" for name, text in rows] + _findings(run)


_COUNTED_APART = frozenset({Kind.MISSED, Kind.NO_RESULT, Kind.PHANTOM})


def _findings(run: Run) -> list[str]:
    found = [
        f"  {fact.order_id} ({fact.fate}): {finding.kind}: {finding.text}"
        for fact, verdict in zip(run.facts, run.verdicts, strict=True)
        for finding in verdict.findings
    ]
    late = [
        f"  {fact.order_id} ({fact.fate}): unresolved, though it was {fact.words[-1].status}"
        for fact, verdict in zip(run.facts, run.verdicts, strict=True)
        if verdict.overdue
    ]
    more = [f"  and {len(found) + len(late) - SHOWN} more in the report"] if len(found) + len(late) > SHOWN else []
    return (found + late)[:SHOWN] + more


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items() if count) or "none"


def _order(fact: Fact, told: Sequence[Told], verdict: Verdict) -> dict[str, Any]:
    last = fact.states[-1] if fact.states else None
    return {
        "order_id": fact.order_id,
        "fate": fact.fate.value,
        "true": {
            "status": fact.words[-1].status.value,
            "final_order_id": fact.words[-1].order_id,
            "executed": str(last.executed if last else 0),
            "net": str(last.net if last else 0),
            "average_price": _plain(last.average if last else None),
            "ended_at": _rounded(fact.ended_at),
        },
        "told": [
            _words(each.result)
            | {"at": _rounded(each.at), "believed_full_at": _rounded(each.believed_full_at)}
            | {
                "amendments": [
                    {"at": _rounded(at), "kind": a.kind.value} | _words(a.amended) for at, a in each.amendments
                ]
            }
            for each in told
        ],
        "delay_seconds": _rounded(verdict.delay),
        "overdue": verdict.overdue,
        "findings": [{"kind": finding.kind.value, "text": finding.text} for finding in verdict.findings],
    }


def _words(result: FillResult) -> dict[str, Any]:
    names = ("outcome", "final_order_id", "fill_quantity", "fill_price", "fill_timestamp", "detection_method", "reason")
    return {name: _plain(getattr(result, name)) for name in (*names, "checks_performed", "api_calls", "elapsed_time")}


def _plain(value: object) -> Any:  # noqa: ANN401  # whatever JSON takes
    match value:
        case Decimal():
            return str(value)
        case datetime():
            return value.isoformat()
        case Enum():
            return value.value
        case float():
            return _rounded(value)
        case _:
            return value


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
