"""Under which names users and rooms are shown, when two nodes made one of the same name.

Names are no keys here, so both survive a merge, and each keeps its data.  The older one (by birth, then by
key) keeps the plain name; the other is shown with the node where it was made, ``Lobby (beta)``.  That follows
from the records alone, so every node shows the same, and giving one of them another name ends it.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable

from mirror.model.fields import Value, values_of
from mirror.model.keys import compared
from mirror.model.record import Record

ROOM_IN_USE, ROOM_MAILBOX = 2, 16384
NAME_FIELDS = {"users": "u_fullname", "rooms": "QRname"}
_OPENING = " ("

_Named = tuple[int, str, str]
"""Birth, key and name of a record; the least of those of one name keeps it plain."""


def number_of(values: dict[str, Value], name: str) -> int:
    """Return a field as the number that it should be, or 0."""
    try:
        return int(values.get(name, 0))
    except (TypeError, ValueError):
        return 0


def shown_names(records: Iterable[Record]) -> dict[str, str]:
    """Return the names of living users, or of public and private rooms, by their keys; in O(n log n)."""
    names = Names()
    for record in records:
        names.put(record)
    return names.shown()


class Names:
    """The names of living users, or of public and private rooms, kept as their records change.

    Mailboxes are left out: their names begin with a user's number, and nobody but their owner sees them.
    """

    def __init__(self) -> None:
        self._named: dict[str, _Named] = {}
        self._same: dict[str, list[_Named]] = {}
        self._odd: set[str] = set()

    def __len__(self) -> int:
        return len(self._named)

    def copy(self) -> "Names":
        """Return the same names, to be changed apart from these."""
        copied = Names()
        copied._named = dict(self._named)
        copied._same = {name: list(group) for name, group in self._same.items()}
        copied._odd = set(self._odd)
        return copied

    def holds(self, record: Record) -> bool:
        """Tell whether ``put`` would change nothing."""
        return self._named.get(record.key) == _named(record)

    def put(self, record: Record) -> None:
        """Take a record's present version in, be it alive or not."""
        named, held = _named(record), self._named.get(record.key)
        if named == held:
            return
        if held is not None:
            self._leave(held)
        if named is not None:
            self._join(named)

    def _join(self, named: _Named) -> None:
        _, key, name = named
        self._named[key] = named
        insort(self._same.setdefault(compared(name), []), named)
        if _OPENING in key:
            self._odd.add(key)

    def _leave(self, named: _Named) -> None:
        _, key, name = named
        del self._named[key]
        self._odd.discard(key)
        group = self._same[compared(name)]
        del group[bisect_left(group, named)]
        if not group:
            del self._same[compared(name)]

    def shown(self) -> dict[str, str]:
        """Return all shown names by their keys."""
        shown: dict[str, str] = {}
        used: set[str] = set()
        # Where keys are odd enough for two names to be told apart alike, the group of the least key comes first.
        for group in sorted(self._same.values(), key=lambda group: min(key for _, key, _ in group)):
            shown |= self._told_apart(group, used)
        return shown

    def alike(self) -> list[list[str]]:
        """Return, by groups, the keys of those whose names look alike: equal but for case and normal form."""
        return [[key for _, key, _ in group] for group in self._same.values() if len(group) > 1]

    def of(self, key: str) -> str:
        """Return under which name a user or room is shown; an empty text for one that has none."""
        named = self._named.get(key)
        if named is None:
            return ""
        group = self._same[compared(named[2])]
        return named[2] if group[0] is named else self._shown_of(group)[key]

    def near(self, name: str) -> Iterable[str]:
        """Return the keys of those whose shown names may hang on whether somebody bears a name."""
        if self._odd:
            return self._named
        wanted = compared(name)
        plain = [wanted, *(wanted[:at] for at in range(len(wanted)) if wanted.startswith(_OPENING, at))]
        return [key for one in plain for _, key, _ in self._same.get(one, ())]

    def find(self, name: str) -> str | None:
        """Return the key of the user or room that is shown under a name (case doesn't matter), or None."""
        wanted = compared(name)
        plain = self._same.get(wanted)
        if plain is not None:
            return plain[0][1]
        for at in range(len(wanted)):
            if wanted.startswith(_OPENING, at) and wanted[:at] in self._same:
                for key, shown in self._shown_of(self._same[wanted[:at]]).items():
                    if compared(shown) == wanted:
                        return key
        return None

    def _shown_of(self, group: list[_Named]) -> dict[str, str]:
        return self.shown() if self._odd else self._told_apart(group, set())

    def _told_apart(self, group: list[_Named], used: set[str]) -> dict[str, str]:
        """Return the shown names of those that have one name; ``used`` are others' names, as compared."""
        (_, first, name), *others = group
        shown = {first: name}
        used.add(compared(name))
        for _, key, other in others:
            candidate = f"{other}{_OPENING}{key.partition(':')[0]})"
            taken = compared(candidate) in self._same or compared(candidate) in used
            shown[key] = f"{other}{_OPENING}{key})" if taken else candidate
            used.add(compared(shown[key]))
        return shown


def _named(record: Record) -> _Named | None:
    name = stored_name(record)
    return (record.born, record.key, name) if name else None


def stored_name(record: Record) -> str:
    """Return the name in a record that shows one: a living user, a room in use that is no mailbox; else nothing."""
    if record.dead:
        return ""
    values = values_of(record)
    if record.collection == "users":
        return str(values.get(NAME_FIELDS["users"], "")) if number_of(values, "u_axlevel") else ""
    flags = number_of(values, "QRflags")
    return str(values.get(NAME_FIELDS["rooms"], "")) if flags & ROOM_IN_USE and not flags & ROOM_MAILBOX else ""
