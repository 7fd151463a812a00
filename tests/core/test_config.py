"""Settings: a bad value is refused by field, value and range; good ones come out as they are used."""

from __future__ import annotations

import math
from dataclasses import fields
from decimal import Decimal

import pytest

from fillwatch.core.config import AtTimeout, FillDetectionConfig, PartialFills, RateLimit, chosen

NO_NUMBERS: list[object] = ["1", None, True, math.nan, [1]]
NEGATIVE_OR_ENDLESS: list[object] = [-1.0, math.inf]

#: field -> (values that are refused, what the message says of the range)
BAD: dict[str, tuple[list[object], str]] = {
    "timeout_seconds": ([0, -1.0, *NO_NUMBERS], "a number greater than 0"),
    "initial_poll_interval": ([0, *NEGATIVE_OR_ENDLESS, *NO_NUMBERS], "a number greater than 0, finite"),
    "max_poll_interval": ([0, 0.4, *NEGATIVE_OR_ENDLESS, *NO_NUMBERS], ""),
    "poll_interval_increase": ([*NEGATIVE_OR_ENDLESS, *NO_NUMBERS], "a number at least 0, finite"),
    "max_retries": ([-1, 1.5, *NO_NUMBERS], "a whole number at least 0"),
    "retry_backoff_base": ([0, *NEGATIVE_OR_ENDLESS, *NO_NUMBERS], "a number greater than 0, finite"),
    "enable_final_verification": ([1, "yes", None], "True or False"),
    "enable_adaptive_polling": ([0, "no", None], "True or False"),
    "resolution_seconds": ([*NEGATIVE_OR_ENDLESS, *NO_NUMBERS], "a number at least 0, finite"),
    "partial_fills": (["keep", None, 1], "'cancel_remainder' or 'wait'"),
    "partial_patience_seconds": ([*NEGATIVE_OR_ENDLESS, *NO_NUMBERS], "a number at least 0, finite"),
    "max_slippage": ([-0.1, "much", math.nan], ""),
    "timeouts": ([{"limit": 0}, {"limit": "1"}], "a number greater than 0"),
    "rate_limit": ([200, None], "a RateLimit"),
    "interval_for": ([0.5, "fast"], "a function or None"),
}

CASES = [(name, value, allowed) for name, (values, allowed) in BAD.items() for value in values]


def test_every_field_has_its_bad_values() -> None:
    assert set(BAD) == {field.name for field in fields(FillDetectionConfig)}


@pytest.mark.parametrize(("name", "value", "allowed"), CASES, ids=[f"{name}={value!r}" for name, value, _ in CASES])
def test_a_bad_value_is_refused_with_field_value_and_range(name: str, value: object, allowed: str) -> None:
    with pytest.raises(ValueError, match=rf"FillDetectionConfig\.{name}") as caught:
        FillDetectionConfig(**{name: value})  # type: ignore[arg-type]  # the point of the test
    shown = next(iter(value.values())) if isinstance(value, dict) else value
    assert allowed in str(caught.value)
    assert str(shown).strip("'") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("limit", 0, "a whole number at least 1"),
        ("limit", 1.5, "a whole number"),
        ("limit", "200", "a whole number"),
        ("window_seconds", 0, "greater than 0"),
        ("window_seconds", math.inf, "finite"),
        ("share", 0, "greater than 0"),
        ("share", 1.1, "at most 1"),
        ("share", 0.001, "less than one request"),
    ],
)
def test_a_bad_rate_limit_is_refused(name: str, value: object, allowed: str) -> None:
    with pytest.raises(ValueError, match=rf"RateLimit\.{name}: .*{allowed}"):
        RateLimit(**{name: value})  # type: ignore[arg-type]  # the point of the test


def test_the_defaults() -> None:
    config = FillDetectionConfig()
    assert (config.timeout_seconds, config.initial_poll_interval, config.max_poll_interval) == (60, 0.5, 2)
    assert (config.poll_interval_increase, config.max_retries, config.retry_backoff_base) == (0.1, 3, 0.5)
    assert (config.enable_final_verification, config.enable_adaptive_polling) == (True, True)
    assert (config.resolution_seconds, config.partial_patience_seconds) == (30, 1)
    assert (config.partial_fills, config.slippage_limit) == (PartialFills.CANCEL_REMAINDER, None)
    assert config.rate_limit.granted == 160


def test_values_come_out_as_they_are_used() -> None:
    timeouts = {"limit": 300}
    config = FillDetectionConfig(
        timeout_seconds=math.inf, partial_fills="wait", max_slippage=0.25, timeouts=timeouts, interval_for=lambda _: 1.0
    )
    timeouts["limit"] = 1
    assert (config.timeout_for("limit"), config.timeout_for("market")) == (300, math.inf)
    assert (config.partial_fills, config.slippage_limit) == (PartialFills.WAIT, Decimal("0.25"))


def test_a_choice_is_made_by_value_or_refused_with_all_there_are() -> None:
    assert chosen("at_timeout", "leave", AtTimeout) is AtTimeout.LEAVE
    with pytest.raises(ValueError, match=r"at_timeout: 'keep' is not allowed; it must be 'cancel' or 'leave'"):
        chosen("at_timeout", "keep", AtTimeout)
