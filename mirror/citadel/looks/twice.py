"""What a server fetched though it has it: the entries of a feed, and the mails of a mailbox, that another one fetched.

Each server remembers by itself what of these it fetched.  So where a room's lines are moved from one to another, that
fetches once more all that is there yet.  It is the same as what is here, but that each server gives an entry, and a
mail that has none, an id of its own; so it is taken over by nobody, and who writes into the server takes it out again
(mirror.citadel.writers.twice).  What is to be taken out is kept until it was, since a node may be killed meanwhile.
What a server that was lost fetches when it comes back is deleted everywhere by the node of the one that has it, too.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from mirror.citadel.meaning.homes import read_home
from mirror.citadel.meaning.keys import ROOMS
from mirror.formats.errors import BadMessage
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
_ID_TIME = re.compile(r"([0-9A-F]{8})-[0-9A-F]{8}@")


class Twice:
    """Tells, during one look, what a server fetched that is here; of each room it is found out once what is here."""

    def __init__(self, store: Store, place: str) -> None:
        self._store, self._place = store, place
        self._rooms: dict[str, _Here | None] = {}

    def is_here_as(self, record: Record, number: int, data: bytes) -> str:
        """Return under which key a message is here that a server fetched though it has it; nothing where it is none.

        ``record`` is what it would be taken over as, ``number`` the server's and ``data`` its bytes.
        """
        here = self._of(record)
        if here is None:
            return ""
        return self._store.read(lambda reader: self._beside(reader, record, number, data)) or here.key_of(data)

    def was_fetched(self, record: Record) -> bool:
        """Tell whether a message that another server fetched is here as this one fetched it, whose lines they are."""
        here = self._of(record)
        if here is None or stamp_ms(record.stamp) < here.since - FETCHED_MS or record.size > INLINE_LIMIT:
            return False
        return here.has_own(self._store.read(lambda reader: reader.body(record)))

    def _of(self, record: Record) -> "_Here | None":
        if not is_message(record):
            return None
        if record.collection not in self._rooms:
            self._rooms[record.collection] = self._store.read(lambda reader: self._here(reader, record.collection))
        return self._rooms[record.collection]

    def _here(self, reader: Reader, collection: str) -> "_Here | None":
        """Return what is here of a room whose lines have this server fetch something since a short time.

        Or whose lines another server, which was lost, has yet to give up: it fetches, too, when it comes back.
        """
        room, now = room_of(collection), self._store.clock.now_ms()
        lines, home = room_lines(reader, room), read_home(reader, ROOMS, room)
        if home is None or home.place != self._place or (home.given_up and now - home.since > FETCHED_MS):
            return None
        if lines is None or not fetches(reader.body(lines)):
            return None
        newest = [record for record in reader.newest(collection, NEWEST) if is_message(record)]
        messages = (
            _Held(record.key, reader.body(record), record.origin == self._place)
            for record in newest
            if record.size <= INLINE_LIMIT
        )
        return _Here(home.since, messages)

    def _beside(self, reader: Reader, record: Record, number: int, data: bytes) -> str:
        """Return a message's key where the server has it under another number as well, and the two say the same."""
        held = reader.get(record.collection, record.key)
        told = reader.statuses_of(self._place, record.collection, [record.key])
        if held is None or held.dead or not {one.foreign for one in told} - {str(number)}:
            return ""
        return record.key if is_same(reader.body(held), data) else ""


class _Held(NamedTuple):
    """A message that is here: its key, its bytes, and whether this server said it first."""

    key: str
    body: bytes
    is_own: bool


class _Here:
    """Messages that are here, by what they say."""

    def __init__(self, since: int, messages: Iterable[_Held]) -> None:
        """``since``, in Unix milliseconds, is from when on this server fetches."""
        self.since = since
        self._by_words: dict[bytes, list[_Held]] = defaultdict(list)
        for one in messages:
            self._by_words[_words(one.body)].append(one)

    def key_of(self, data: bytes) -> str:
        """Return the key of what says the same; an entry without a time is the same as another server's alone."""
        found = self._by_words.get(_words(data), ())
        return next((one.key for one in found if is_same(one.body, data, dated=one.is_own)), "")

    def has_own(self, data: bytes) -> bool:
        """Tell whether this server said first what says the same as another server's message."""
        return any(one.is_own and is_same(one.body, data) for one in self._by_words.get(_words(data), ()))


def is_same(held: bytes, data: bytes, *, dated: bool = False) -> bool:
    """Tell whether two messages, by their bytes, are the same but for the ids that servers gave them.

    Those of one time are, and unless they have to be ``dated`` a feed's entries that bear none.
    """
    if _words(held) != _words(data):
        return False
    try:
        one, other = parse_message(held), parse_message(data)
    except BadMessage:
        return False
    return one.get("T") == other.get("T") or not (dated or _bears_time(one) or _bears_time(other))


def _words(body: bytes) -> bytes:
    """Return what a message says, but for its id and time."""
    return b"\0".join(field for field in canonical_text(body).split(b"\0") if field and field[0] not in _OWN)


def _bears_time(message: Message) -> bool:
    """Tell whether a message is anything but a feed's entry that was given the time at which it was fetched."""
    made = _ID_TIME.match(message.text("I"))
    if made is None or not message.get("M").replace(b"\r\n", b"\n").startswith(_ENTRY):
        return True
    return abs(int(made[1], 16) - number_or_zero(message.text("T"))) > DATED_S


# -- what is to be taken out ----------------------------------------------------------------------------


def twice(collection: str, number: int, key: str) -> Status:
    """Return what says of a message, by its number, that it is here under a key, and to be taken out."""
    return Status(collection, str(number), key, "", _NO_BASE, 0)


def note_twice(writer: Writer, place: str, found: Iterable[Status]) -> None:
    """Have messages be taken out of a server."""
    writer.put_statuses(_beside(place), found)


def read_twice(reader: Reader, place: str) -> list[Status]:
    """Return the first of what is to be taken out."""
    return reader.scan_place(_beside(place))


def forget_twice(writer: Writer, place: str, done: Iterable[Status]) -> None:
    """Forget what was taken out, or is something else by now."""
    for one in done:
        writer.drop_statuses(_beside(place), one.collection, [one.foreign])


def _beside(place: str) -> str:
    """Return under which name that is kept, as what that place says."""
    return f"{place} twice"
