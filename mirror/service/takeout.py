"""What a room or a user has, as files that other programs read: mail, calendars, address books, files.

Yields names and bytes; writes nothing and knows no wire.  Names are safe on every file system, and the same each time.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mirror.formats.file_names import Distinct, safe_name
from mirror.formats.maildir import file_name, flags_of, maildir_folder
from mirror.formats.shown_mail import message_in, name_in_maildir, shown_mail
from mirror.model.fields import values_of
from mirror.model.item import find_item
from mirror.model.kinds import ITEM_PREFIX, Collection
from mirror.model.marks import mark_key, marks_in
from mirror.model.record import Record, unpack_head
from mirror.model.stamp import stamp_ms
from mirror.service.directory import Directory
from mirror.service.rooms import mailbox_of
from mirror.store.base import Reader, Reading
from mirror.store.whole import body_blocks, living_records

INBOX = "Mail"
"""The room of a user that mail comes into."""
CALENDAR, CARD = "VCALENDAR", "VCARD"
ENDINGS = {CALENDAR: ".ics", CARD: ".vcf"}


class Source(NamedTuple):
    """A room whose contents are taken out: its key, its name as its owner sees it, and whose mailbox it is, if any."""

    room: str
    name: str
    owner: str = ""


class Taken(NamedTuple):
    """One file: the directories that it is in, its name, its time (Unix seconds), and what gives its bytes."""

    directory: tuple[str, ...]
    name: str
    seconds: int
    blocks: Callable[[], Iterator[bytes]]


class LeftOut(NamedTuple):
    """What is in a room and is in no file, with why."""

    what: str
    why: str


def sources(reading: Reading, name: str) -> list[Source]:
    """Return the room, or all rooms of the user, of a name or key; nothing where there is none."""
    directory = Directory()
    room = reading.read(lambda reader: directory.look_up(reader, "rooms", name))
    if room is not None:
        return [reading.read(lambda reader: _source(reader, room.key))]
    user = reading.read(lambda reader: directory.look_up(reader, "users", name))
    if user is None:
        return []
    keys = reading.read(lambda reader: mailbox_of(reader, user.key))
    return [reading.read(lambda reader, key=key: _source(reader, key))._replace(owner=user.key) for key in keys]  # type: ignore[misc]


def similar(reading: Reading, name: str) -> list[str]:
    """Return some names of rooms and users that have a text in them."""
    directory = Directory()
    return reading.read(
        lambda reader: [one for kind in ("rooms", "users") for one in directory.similar(reader, kind, name)]
    )


def _source(reader: Reader, key: str) -> Source:
    name = str(values_of(reader.get("rooms", key)).get("QRname", ""))
    digits, dot, rest = name.partition(".")
    return Source(key, rest if dot and digits.isdigit() and len(digits) == 10 else name)


# -- mail ---------------------------------------------------------------------------------------------


def maildir(reading: Reading, source: Source) -> Iterator[Taken]:
    """Yield a room's messages for a Maildir; those of a user's inbox for its top, of other folders for a Maildir++.

    Flags are the owner's marks: without any a message is new.
    """
    folder = (maildir_folder(source.name),) if source.owner and source.name != INBOX else ()
    for record in living_records(reading, str(Collection("messages", source.room))):
        flags = flags_of(_marks(reading, source, record.key), {})
        name = name_in_maildir(record)
        shown = file_name(name, flags) if flags else name
        where = (*folder, "cur" if flags else "new")
        yield _taken(where, shown, record, lambda record=record: _mail(reading, record))  # type: ignore[misc]


def _marks(reading: Reading, source: Source, key: str) -> frozenset[str]:
    if not source.owner:
        return frozenset()
    visits = str(Collection("visits", source.room))
    held = reading.read(lambda reader: reader.get(visits, mark_key(source.owner, key)))
    return marks_in(values_of(held)) if held is not None and not held.dead else frozenset()


def _mail(reading: Reading, record: Record) -> Iterator[bytes]:
    yield shown_mail(record, message_in(record, reading.read(lambda reader: reader.body(record))))


# -- items --------------------------------------------------------------------------------------------


def items(reading: Reading, source: Source, kind: str) -> Iterator[Taken | LeftOut]:
    """Yield a room's calendar items, or contacts, each as a file of its own, and what is none of these."""
    names = Distinct()
    within = (safe_name(source.name),) if source.owner else ()
    for record in living_records(reading, str(Collection("messages", source.room))):
        is_one = record.key.startswith(ITEM_PREFIX)  # and no mail that an invitation is attached to
        data = _item(reading.read(lambda reader, one=record: reader.body(one)), kind) if is_one else None  # type: ignore[misc]
        if data is None:
            yield LeftOut(f"{source.name}: {record.key}", f"it holds no {kind} that can be read")
            continue
        name = names.give(safe_name(record.key.removeprefix(ITEM_PREFIX), ENDINGS[kind]))
        yield _taken(within, name, record, lambda data=data: iter([data]))  # type: ignore[misc]


def _item(body: bytes, kind: str) -> bytes | None:
    """Return the item in a message with its lines ended by CRLF; None where there is none of that kind."""
    item = find_item(body)
    if item is None or item.component.name != kind:
        return None
    lines = b"\n".join(item.component.written()).replace(b"\r\n", b"\n")
    return lines.replace(b"\n", b"\r\n") + b"\r\n"


# -- files --------------------------------------------------------------------------------------------


def files(reading: Reading, source: Source) -> Iterator[Taken]:
    """Yield the files of a room."""
    names = Distinct()
    for record in living_records(reading, str(Collection("files", source.room))):
        name = str(unpack_head(record.head).get("name", record.key))
        yield _taken((), names.give(safe_name(name)), record, lambda record=record: body_blocks(reading, record))  # type: ignore[misc]


def _taken(where: tuple[str, ...], name: str, record: Record, blocks: Callable[[], Iterator[bytes]]) -> Taken:
    return Taken(where, name, stamp_ms(record.stamp) // 1000, blocks)
