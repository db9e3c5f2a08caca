"""Under which names users and rooms are shown, when two nodes made one of the same name.

Names are no keys here, so both survive a merge, and each keeps its data.  The older one (by birth, then by
key) keeps the plain name; the other is shown with the node where it was made, ``Lobby (beta)``.  That follows
from the records alone, so every node shows the same, and giving one of them another name ends it.
"""

from collections import defaultdict
from collections.abc import Iterable

from mirror.model.fields import Value, values_of
from mirror.model.record import Record

ROOM_IN_USE, ROOM_MAILBOX = 2, 16384
NAME_FIELDS = {"users": "u_fullname", "rooms": "QRname"}


def number_of(values: dict[str, Value], name: str) -> int:
    """Return a field as the number that it should be, or 0."""
    try:
        return int(values.get(name, 0))
    except (TypeError, ValueError):
        return 0


def shown_names(records: Iterable[Record]) -> dict[str, str]:
    """Return the names of living users, or of public and private rooms, by their keys.

    Mailboxes are left out: their names begin with a user's number, and nobody but their owner sees them.
    """
    same: defaultdict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for record in records:
        name = _name(record)
        if name:
            same[name.casefold()].append((record.born, record.key, name))
    shown: dict[str, str] = {}
    for group in same.values():
        (_, first, name), *others = sorted(group)
        shown[first] = name
        for _, key, other in others:
            shown[key] = _told_apart(other, key, same, shown)
    return shown


def _name(record: Record) -> str:
    if record.dead:
        return ""
    values = values_of(record)
    if record.collection == "users":
        return str(values.get(NAME_FIELDS["users"], "")) if number_of(values, "u_axlevel") else ""
    flags = number_of(values, "QRflags")
    return str(values.get(NAME_FIELDS["rooms"], "")) if flags & ROOM_IN_USE and not flags & ROOM_MAILBOX else ""


def _told_apart(name: str, key: str, taken: Iterable[str], shown: dict[str, str]) -> str:
    candidate = f"{name} ({key.partition(':')[0]})"
    if candidate.casefold() in taken or candidate in shown.values():
        return f"{name} ({key})"
    return candidate
