"""Text from outside, made plain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.text import plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("insufficient qty (requested: 23, available: 0)", "insufficient qty (requested: 23, available: 0)"),
        ('order is already in "filled" state', 'order is already in "filled" state'),
        ("one\r\n[2026-01-01] [INFO] two", "one (2026-01-01) (INFO) two"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07x", "red x"),
        ("<html><body>nginx</body></html>", "nginx"),
        ("a\u202eb\u200bc\u2028d\x00e", "a b c d e"),
        ("prix: 10 €", "prix: 10 €"),
        ("\ud800", ""),
    ],
)
def test_examples(text: str, expected: str) -> None:
    """What goes, what stays."""
    assert plain(text) == expected


@given(st.text(), st.integers(1, 40))
def test_it_is_one_printable_line_within_its_limit(text: str, limit: int) -> None:
    """For any text."""
    shown = plain(text, limit)
    assert len(shown) <= limit
    assert shown.isprintable()
    assert "[" not in shown
    assert "\x1b" not in shown


def test_a_cut_is_shown() -> None:
    """The reader can tell that there was more."""
    assert plain("x" * 20, 10) == "x" * 9 + "…"
