"""Whole numbers as a server writes them."""

import pytest

from mirror.formats.numbers import MAX_DIGITS, number_or_zero


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), (" 012\n", 12), ("", 0), ("x", 0), ("-1", 0), ("²", 0), ("٣", 0), ("9" * (MAX_DIGITS + 1), 0)],
)
def test_what_is_no_number_that_a_server_keeps_is_zero(text: str, number: int) -> None:
    assert number_or_zero(text) == number
