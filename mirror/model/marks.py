"""What a user marks a message with: seen, answered, what programs of mail know beside, and keywords of the user's own.

The record is ``visits/R``, its key the user's, a blank and the message's; each mark is a boolean field, so marks that
are set on two machines at once come together.  Values in, values out.
"""

import re
from collections.abc import Iterable, Mapping

from mirror.model.errors import BadRecord
from mirror.model.fields import Value

MARKS = ("answered", "draft", "flagged", "passed", "seen", "trashed")
"""Marks that have a meaning for everybody; ``trashed`` is what a user wants deleted and is there still."""
KEYWORD = "keyword "
"""With this begins the field of a keyword, which has a meaning for its user."""
MAX_KEYWORD = 100
"""Bytes of a keyword."""
MAX_KEYWORDS = 40
"""Different keywords of one message, those taken off included: what three nodes give it at once, and MARKS, are
together within the fields of a record, of which merging keeps those written last."""
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


def check_marks(changed: Mapping[str, object], held: Iterable[str]) -> None:
    """Raise BadRecord where fields that a user changes are no marks, or more keywords than one message may have.

    ``held`` are the names of the fields that are there.
    """
    for name, value in changed.items():
        keyword = name.removeprefix(KEYWORD)
        if name not in MARKS and (keyword == name or not is_keyword(keyword)):
            known = f"{', '.join(MARKS)}, and {KEYWORD!r} before a keyword of up to {MAX_KEYWORD} bytes without blanks"
            raise BadRecord(f"{name[:40]!r} is no mark: there are {known}")
        if not isinstance(value, bool):
            raise BadRecord(f"the mark {name[:40]!r} is true or false, not {str(value)[:40]!r}")
    keywords = {name for name in {*changed, *held} if name.startswith(KEYWORD)}
    if len(keywords) > MAX_KEYWORDS:
        raise BadRecord(f"a message has at most {MAX_KEYWORDS} different keywords, those that were taken off included")
