"""Results of pure functions of small texts, kept for a while: of one item the same lines are read again and again.

Nobody may change what is returned.  Large texts are not kept, so what is kept is bounded in bytes too.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

SMALL = 1024
"""Bytes or characters of a text at most, whose result is kept."""
KEPT = 4096
"""Results of one function that are kept."""

Given = ParamSpec("Given")
Result = TypeVar("Result")


kept = lru_cache(maxsize=KEPT)
"""Has a function's results kept; who calls it sees to it that all texts which it is given are small."""


def kept_of_small(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Have a function's results kept where all texts that it is given, by position, are small."""
    small = kept(function)

    @wraps(function)
    def asked(*given: Given.args, **named: Given.kwargs) -> Result:
        for one in given:
            if isinstance(one, (str, bytes)) and len(one) > SMALL:
                return function(*given, **named)
        return small(*given, **named)  # type: ignore[arg-type]  # all that is given can be hashed

    return asked
