"""Things in lists of a bounded length, so that memory stays flat.  Knows not what they are."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from mirror.store.base import PAGE_RECORDS

T = TypeVar("T")


def pages(things: Iterable[T], size: int = PAGE_RECORDS) -> Iterator[list[T]]:
    """Yield things in lists of a bounded length."""
    rest = iter(things)
    while page := list(islice(rest, size)):
        yield page
