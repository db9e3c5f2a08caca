"""Whether two texts of one part say the same in other words."""

import re

from mirror.model.naming import AROUND_ITEM

_FOLD = re.compile(rb"\n[ \t]")


def same(name: str, one: bytes | None, other: bytes | None) -> bool:
    """Tell whether two texts of a part mean the same; None for one that is not there."""
    if one == other or one is None or other is None:
        return one == other
    return name not in AROUND_ITEM and meaning(one) == meaning(other)


def meaning(text: bytes) -> bytes:
    """Return what a part's text says, the same for all texts that say so."""
    return _FOLD.sub(b"", text)
