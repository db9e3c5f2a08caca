"""On which server is in force what acts: the lines of a room's network configuration, a user's inbox rules.

Where several servers have the same rooms and users, a list would be mailed by each of them.  So a record says of a room
or user which server is its home; every node has it.  The node of another server takes out there what is in force at
home, and says so; none puts anything in force because a record says so: that takes its administrator's word, which just
that node knows.  Knows no connection.
"""

from collections.abc import Iterator

import msgspec

from mirror.model.draft import Base
from mirror.model.record import Record, pack_head, unpack_head
from mirror.model.stamp import stamp_ms
from mirror.model.status import Status
from mirror.store.base import Reader, Writer

INBOX_RULES = "inbox-rules"
HOMES = "homes"
"""The collection of these records: of rooms and users, by the names of their collections and their keys."""


class Home(msgspec.Struct, frozen=True):
    """The server where what acts of a room or user is in force, by the name of its place.

    ``last`` is the one before, ``given_up`` whether that has nothing in force any more; ``since``, in Unix
    milliseconds, is when that was said, or that this is the home.
    """

    place: str
    last: str = ""
    given_up: bool = True
    since: int = 0


def home_key(collection: str, key: str) -> str:
    """Return the key of the record that tells where a room or user is at home."""
    return f"{collection} {key}"


def thing_of(key: str) -> tuple[str, str]:
    """Return of which room or user a record tells: its collection and key."""
    collection, _, rest = key.partition(" ")
    return collection, rest


def read_home(reader: Reader, collection: str, key: str) -> Home | None:
    """Return where a room or user is at home; None where nobody said so."""
    record = reader.get(HOMES, home_key(collection, key))
    return _home_of(record) if record is not None and not record.dead else None


def read_homes(reader: Reader) -> Iterator[tuple[tuple[str, str], Home]]:
    """Yield all that is said, with the collections and keys of the things."""
    return ((thing_of(one.key), _home_of(one)) for one in reader.scan_all(HOMES) if not one.dead)


def settle(writer: Writer, collection: str, key: str, place: str, last: str = "") -> None:
    """Have a server be the home of a room or user; ``last``, the one that has yet to give it up."""
    head = {"place": place, "last": last, "given_up": not last}
    writer.put(Record(HOMES, home_key(collection, key), 1, "", 1, head=pack_head(head)))


def give_up(writer: Writer, collection: str, key: str, place: str) -> bool:
    """Say that a server, the home before, has nothing in force any more; returns whether that had to be said."""
    home = read_home(writer, collection, key)
    if home is None or home.given_up or home.last != place:
        return False
    head = {"place": home.place, "last": place, "given_up": True}
    writer.put(Record(HOMES, home_key(collection, key), 1, "", 1, head=pack_head(head)))
    return True


class Word(msgspec.Struct, frozen=True):
    """What an administrator said is to be in force on a server from now on, of one room or user: just these lines.

    ``lost``, where it is not waited until the server where it was says that nothing is in force there any more.
    """

    lines: tuple[str, ...]
    lost: bool = False


def give_word(writer: Writer, place: str, collection: str, key: str, word: Word) -> None:
    """Have something be put in force on a server, once it may be."""
    told = msgspec.json.encode(word).decode()
    writer.put_statuses(_words(place), [Status(collection, key, key, told, Base(0, ""), 0)])


def read_word(reader: Reader, place: str, collection: str, key: str) -> Word | None:
    """Return what is to be put in force on a server and is not yet."""
    found = list(reader.statuses(_words(place), collection, [key]))
    return msgspec.json.decode(found[0].tag, type=Word) if found else None


def keep_word(writer: Writer, place: str, collection: str, key: str) -> None:
    """Forget what was to be put in force: it is."""
    writer.drop_statuses(_words(place), collection, [key])


def why_not_yet(home: Home | None, word: Word) -> str:
    """Return why what an administrator said is not put in force yet on the home of it; nothing where it may be."""
    if word.lost or (home is not None and home.given_up):
        return ""
    return f"they are in force on {home.last if home is not None else ''}, which has yet to give them up"


def is_in_force_elsewhere(reader: Reader, place: str, collection: str, key: str) -> bool:
    """Tell whether what acts of a room or user is not in force on a server, as far as anybody said where it is."""
    home = read_home(reader, collection, key)
    return home is not None and _is_elsewhere(reader, place, (collection, key), home)


def in_force_elsewhere(reader: Reader, place: str) -> list[tuple[str, str]]:
    """Return of which rooms and users what acts is not in force on a server, by their collections and keys."""
    return [thing for thing, home in read_homes(reader) if _is_elsewhere(reader, place, thing, home)]


def _is_elsewhere(reader: Reader, place: str, thing: tuple[str, str], home: Home) -> bool:
    return home.place != place or read_word(reader, place, *thing) is not None


def _words(place: str) -> str:
    """Return under which name it is kept what is to be put in force on a server."""
    return f"{place} words"


def _home_of(record: Record) -> Home:
    told = unpack_head(record.head)
    return Home(
        str(told.get("place", "")), str(told.get("last", "")), bool(told.get("given_up")), stamp_ms(record.stamp)
    )
