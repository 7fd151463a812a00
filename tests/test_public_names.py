"""One list of public names, and it is true."""

from __future__ import annotations

import pytest

import fillwatch

#: The names others build on; taking one away breaks them.
PUBLIC = frozenset(
    "AlpacaBroker Amendment AmendmentKind AtTimeout Broker ConsistencyResult EngineClosed ErrorRecoveryManager "
    "ExecutorConfig FillDetectionConfig FillDetectionEngine FillOutcome FillResult FillVerification FillwatchError "
    "FinalVerificationHandler IntentConflict Journal JournalError KeysRefused MemoryJournal MultiMethodVerifier "
    "OrderRequest OrderWatch PartialFills RateLimit SmartOrderExecutor SqliteJournal StateConsistencyValidator "
    "TradeAmendment TradeChange TradeResult Transition WatchConflict enable_logging".split()
)


def test_the_list_is_complete_sorted_and_without_repetition() -> None:
    names = [name for name in fillwatch.__all__ if name != "__version__"]
    assert names == sorted(set(names))
    assert set(names) == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_name_is_there_and_explained(name: str) -> None:
    value = getattr(fillwatch, name)
    assert (value.__doc__ or "").strip(), f"{name} has no docstring"
    assert value.__module__.startswith("fillwatch."), f"{name} is not ours"


def test_a_wrong_name_is_an_attribute_error() -> None:
    """Names that are loaded late must not turn typing errors into something else."""
    with pytest.raises(AttributeError, match="FillDetectionEngin"):
        _ = fillwatch.FillDetectionEngin  # misspelt on purpose
    assert not hasattr(fillwatch, "unheard_of")


def test_dir_shows_the_public_names() -> None:
    assert set(dir(fillwatch)) >= PUBLIC
