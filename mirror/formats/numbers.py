"""Whole numbers as a Citadel server writes them: digits of ASCII, alone or in lists.  Text in, values out."""

import re
from typing import NamedTuple

MAX_DIGITS = 18
"""Digits of a number at most: what is longer fits into no number that a server keeps."""

_NUMBER = re.compile(rf"\s*0*([0-9]{{1,{MAX_DIGITS}}})\s*", re.ASCII)
_PIECE = re.compile(r"[0-9]+|[^\W0-9]+")


class Numbers(NamedTuple):
    """The numbers in a list, and what stands in it and is none."""

    numbers: list[int]
    odd: list[str]


def parse_number(text: str, name: str) -> int:
    """Return a whole number from 0 on.  Raises ValueError, which names it."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError(f"{name} is {text.strip()[:40]!r}, which is no number")
    return int(found[1])


def number_or_zero(text: str) -> int:
    """Return a whole number, or 0 where a text is none."""
    found = _NUMBER.fullmatch(text)
    return int(found[1]) if found is not None else 0


def split_numbers(text: str) -> Numbers:
    """Return the numbers in a list: whatever is no digit parts them, as the server reads it.

    Version 980 writes commas, 902 a number a line.  Letters, other scripts' digits and numbers too large are odd.
    """
    numbers: list[int] = []
    odd: list[str] = []
    for piece in _PIECE.findall(text):
        if found := _NUMBER.fullmatch(piece):
            numbers.append(int(found[1]))
        else:
            odd.append(piece)
    return Numbers(numbers, odd)
