"""What a user marks a message with: seen, answered, what programs of mail know beside, and keywords of the user's own.

The record is ``visits/R``, its key the user's, a blank and the message's; each mark is a boolean field, so marks that
are set on two machines at once come together.  Values in, values out.
"""

import re
from collections.abc import Iterable, Mapping

from mirror.model.fields import Value

MARKS = ("answered", "draft", "flagged", "passed", "seen", "trashed")
"""Marks that have a meaning for everybody; ``trashed`` is what a user wants deleted and is there still."""
KEYWORD = "keyword "
"""With this begins the field of a keyword, which has a meaning for its user."""
MAX_KEYWORD = 100
"""Bytes of a keyword."""
_ATOM = re.compile(r'[^\x00-\x20\x7f(){%*"\\\]]+')


def mark_key(user_key: str, message_key: str) -> str:
    """Return the key of the record that holds a user's marks of a message."""
    return f"{user_key} {message_key}"


def marks_in(values: Mapping[str, Value]) -> frozenset[str]:
    """Return the marks that a record's fields say: names of MARKS, and keywords as they are."""
    names = (name for name, value in values.items() if value is True)
    return frozenset(name.removeprefix(KEYWORD) for name in names if name in MARKS or name.startswith(KEYWORD))


def mark_fields(before: Iterable[str], now: Iterable[str]) -> dict[str, bool]:
    """Return the fields that say what was changed of marks, and nothing of others."""
    old, new = set(before), set(now)
    changed = {**dict.fromkeys(old - new, False), **dict.fromkeys(new - old, True)}
    return {field_of(mark): value for mark, value in sorted(changed.items())}


def field_of(mark: str) -> str:
    """Return the field of a mark."""
    return mark if mark in MARKS else KEYWORD + mark


def is_keyword(mark: str) -> bool:
    """Tell whether programs of mail can say a keyword: it is none of MARKS, and what IMAP calls an atom."""
    return mark not in MARKS and len(mark.encode("utf-8", "replace")) <= MAX_KEYWORD and bool(_ATOM.fullmatch(mark))
