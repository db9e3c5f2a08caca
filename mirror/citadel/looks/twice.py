"""What a server fetched though it has it: the entries of a feed, and the mails of a mailbox, that another one fetched.

Each server remembers by itself what of these it fetched.  So where a room's lines are moved from one to another, that
fetches once more all that is there yet.  It is the same as what is here, but that each server gives an entry, and a
mail that has none, an id of its own; so it is taken over by nobody, and who writes into the server takes it out again
(mirror.citadel.writers.twice).  What is to be taken out is kept until it was, since a node may be killed meanwhile.
What a server that was lost fetches when it comes back is deleted everywhere by the node of the one that has it, too.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from mirror.citadel.meaning.homes import Home, read_home
from mirror.citadel.meaning.keys import ROOMS
from mirror.formats.errors import BadMessage
from mirror.formats.keys import made_s
from mirror.formats.message import Message, parse_message
from mirror.formats.numbers import number_or_zero
from mirror.model.draft import Base
from mirror.model.kinds import room_of
from mirror.model.record import INLINE_LIMIT, Record
from mirror.model.stamp import stamp_ms
from mirror.model.status import Status
from mirror.model.texts import canonical_text, is_message
from mirror.store.base import Reader, Store, Writer
from mirror.sync.share.rules import room_lines
from netconf.acting import fetches

FETCHED_MS = 2 * 86_400_000
"""So long after lines were moved to a server what it fetches is held against what is here: it does so within hours."""
NEWEST = 2000
"""Messages of a room, the newest, among which that is looked for."""
DATED_S = 5
"""An entry that bears no time is given the one at which it was fetched, as its id is, within so many seconds."""
_NO_BASE = Base(1, "twice")
_OWN = frozenset(b"IT")
"""Letters of fields that each server may say otherwise: a message's id and time."""
_ENTRY = (
    b"Content-type: text/html; charset=UTF-8\nContent-Transfer-Encoding: quoted-printable\n\n<html><head></head><body>"
)
"""How version 980 begins a feed's entry."""

Thing = tuple[str, str]
"""A message by its collection and key."""


class Twice:
    """Tells, during one look, what a server fetched that is here; of each room it is found out once what is here."""

    def __init__(self, store: Store, place: str, leaving: Container[Thing] = ()) -> None:
        """``leaving`` are the messages, by collection and key, that the server is found not to have any more."""
        self._store, self._place, self._leaving = store, place, leaving
        self._homes: dict[str, Home | None] = {}
        self._rooms: dict[str, _Here] = {}

    def is_here_as(self, record: Record, number: int, data: bytes) -> str:
        """Return under which key a message is here that a server fetched though it has it; nothing where it is none.

        ``record`` is what it would be taken over as, ``number`` the server's and ``data`` its bytes.  What is here
        under that key and not there yet is not found: that is the message itself.
        """
        home = self._home(record)
        if home is None or self._is_long_ago(home):
            return ""
        return self._store.read(lambda reader: self._beside(reader, record, number, data)) or self._here(
            record.collection
        ).key_of(data, record.key)

    def was_fetched(self, record: Record) -> bool:
        """Tell whether a message that another server fetched is here as this one fetched it, whose lines they are.

        A server that was lost fetches as it comes back, however late that is: until it has given the lines up.
        """
        home = self._home(record)
        if home is None or (home.given_up and self._is_long_ago(home)):
            return False
        if stamp_ms(record.stamp) < home.since - FETCHED_MS or record.size > INLINE_LIMIT:
            return False
        return self._here(record.collection).has_own(self._store.read(lambda reader: reader.body(record)))

    def _home(self, record: Record) -> Home | None:
        """Return since when this server fetches what is put into the room of a message; None where it does not."""
        if not is_message(record):
            return None
        if record.collection not in self._homes:
            self._homes[record.collection] = self._store.read(lambda reader: self._read_home(reader, record.collection))
        return self._homes[record.collection]

    def _read_home(self, reader: Reader, collection: str) -> Home | None:
        room = room_of(collection)
        lines, home = room_lines(reader, room), read_home(reader, ROOMS, room)
        if home is None or home.place != self._place or lines is None or not fetches(reader.body(lines)):
            return None
        return home

    def _is_long_ago(self, home: Home) -> bool:
        return self._store.clock.now_ms() - home.since > FETCHED_MS

    def _here(self, collection: str) -> "_Here":
        if collection not in self._rooms:
            self._rooms[collection] = self._store.read(lambda reader: self._read_here(reader, collection))
        return self._rooms[collection]

    def _read_here(self, reader: Reader, collection: str) -> "_Here":
        newest = [record for record in reader.newest(collection, NEWEST) if is_message(record)]
        return _Here(
            _Held(record.key, reader.body(record), record.origin == self._place)
            for record in newest
            if record.size <= INLINE_LIMIT and (collection, record.key) not in self._leaving
        )

    def _beside(self, reader: Reader, record: Record, number: int, data: bytes) -> str:
        """Return a message's key where the server has it under another number as well, and the two say the same."""
        held = reader.get(record.collection, record.key)
        told = reader.statuses_of(self._place, record.collection, [record.key])
        if held is None or held.dead or (record.collection, record.key) in self._leaving:
            return ""
        is_there = bool({one.foreign for one in told} - {str(number)})
        return record.key if is_there and is_same(reader.body(held), data) else ""


class _Held(NamedTuple):
    """A message that is here: its key, its bytes, and whether this server said it first."""

    key: str
    body: bytes
    is_own: bool


class _Here:
    """Messages that are here, by what they say."""

    def __init__(self, messages: Iterable[_Held]) -> None:
        self._by_words: dict[bytes, list[_Held]] = defaultdict(list)
        for one in messages:
            self._by_words[_words(one.body)].append(one)

    def key_of(self, data: bytes, but: str) -> str:
        """Return the key, but for one, of what says the same; an entry without a time is just another server's."""
        found = (one for one in self._by_words.get(_words(data), ()) if one.key != but)
        return next((one.key for one in found if is_same(one.body, data, dated=one.is_own)), "")

    def has_own(self, data: bytes) -> bool:
        """Tell whether this server said first what says the same as another server's message."""
        return any(one.is_own and is_same(one.body, data) for one in self._by_words.get(_words(data), ()))


def is_same(held: bytes, data: bytes, *, dated: bool = False) -> bool:
    """Tell whether two messages, by their bytes, are the same but for the ids that servers gave them.

    Those of one time are, and unless they have to be ``dated`` a feed's entries that bear none.  Two mails that came
    with ids of their own are two, whatever they say.
    """
    if _words(held) != _words(data):
        return False
    try:
        one, other = parse_message(held), parse_message(data)
    except BadMessage:
        return False
    if one.get("I") != other.get("I") and None in (made_s(one), made_s(other)):
        return False
    return one.get("T") == other.get("T") or not (dated or _bears_time(one) or _bears_time(other))


def _words(body: bytes) -> bytes:
    """Return what a message says, but for its id and time."""
    return b"\0".join(field for field in canonical_text(body).split(b"\0") if field and field[0] not in _OWN)


def _bears_time(message: Message) -> bool:
    """Tell whether a message is anything but a feed's entry that was given the time at which it was fetched."""
    made = made_s(message)
    if made is None or not message.get("M").replace(b"\r\n", b"\n").startswith(_ENTRY):
        return True
    return abs(made - number_or_zero(message.text("T"))) > DATED_S


# -- what is to be taken out ----------------------------------------------------------------------------


def twice(collection: str, number: int, key: str) -> Status:
    """Return what says of a message, by its number, that it is here under a key, and to be taken out."""
    return Status(collection, str(number), key, "", _NO_BASE, 0)


def note_twice(writer: Writer, place: str, found: Iterable[Status]) -> None:
    """Have messages be taken out of a server."""
    writer.put_statuses(_beside(place), found)


def read_twice(reader: Reader, place: str) -> list[Status]:
    """Return what there is to do something about: what waits until the other one was written there is left out."""
    return [one for one in _noted(reader, place) if others_of(reader, place, one) or _is_nothing_here(reader, one)]


def others_of(reader: Reader, place: str, one: Status) -> set[int]:
    """Return the other numbers that a message has on a server."""
    told = reader.statuses_of(place, one.collection, [one.key])
    return {int(other.foreign) for other in told if other.foreign != one.foreign}


def _noted(reader: Reader, place: str) -> Iterator[Status]:
    after = ("", "")
    while page := reader.scan_place(_beside(place), after):
        yield from page
        after = page[-1].collection, page[-1].foreign


def _is_nothing_here(reader: Reader, one: Status) -> bool:
    held = reader.get(one.collection, one.key)
    return held is None or held.dead


def forget_twice(writer: Writer, place: str, done: Iterable[Status]) -> None:
    """Forget what was taken out, or is something else by now."""
    for one in done:
        writer.drop_statuses(_beside(place), one.collection, [one.foreign])


def _beside(place: str) -> str:
    """Return under which name that is kept, as what that place says."""
    return f"{place} twice"
