"""What an export leaves out and a bootstrap fetches after it: files in rooms, system messages."""

import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from mirror.citadel.looks.decided import UNDECIDED, Decision, Gone, HeldBack
from mirror.citadel.looks.look import Look
from mirror.citadel.looks.remembered import place_of
from mirror.citadel.meaning.keys import Keys, read_keys
from mirror.citadel.protocol.banners import read_banners
from mirror.citadel.protocol.client import CitadelClient, RoomFile
from mirror.formats.keys import BORN_IMPORTED, imported_origin, seconds_stamp, stamp_in_time
from mirror.formats.numbers import number_or_zero
from mirror.formats.told_text import tells
from mirror.model.applied import Applied
from mirror.model.keys import kept_key
from mirror.model.kinds import Collection
from mirror.model.record import Record, pack_head
from mirror.model.stamp import format_stamp
from mirror.model.status import fingerprint
from mirror.store.base import PART_BYTES, Reader, Store, Writer
from mirror.sync.foreign.plan import There
from mirror.wire.errors import Refused

BANNERS = "system-messages"
ROOM_DIRECTORY, ROOM_VISIBLE_DIRECTORY, ROOM_MAILBOX = 32, 256, 16384
NO_ACCESS = 550
IN_MEMORY = 1024 * 1024
"""Bytes of a file that are held in memory; those of a longer one are in a temporary file until they are stored."""


class Fetched(msgspec.Struct):
    """What was fetched: numbers of files and banners, bytes, and what could not be had."""

    files: int = 0
    unchanged: int = 0
    banners: int = 0
    bytes: int = 0
    applied: Applied = Applied()
    refused: list[str] = []
    notices: list[str] = []
    deleted: int = 0
    """Records that the server has no more; they are counted as applied, too."""
    held: list[HeldBack] = []
    """Deletions that wait until somebody accepts them."""
    gone: list[Gone] = []
    """The first of what was deleted or is held back."""

    @property
    def why_incomplete(self) -> str:
        """Why what was fetched is not all that the server has; nothing where it is."""
        if not self.refused:
            return ""
        return f"{len(self.refused)} room files, directories or system messages could not be had"


class FileRoom(NamedTuple):
    """A room that may have files, as the server names it."""

    number: int
    name: str
    password: str
    flags: int


def file_room(fields: Mapping[str, str]) -> FileRoom | None:
    """Return the room that an export's fields tell of, or None where it has no directory."""
    flags, number = _number(fields, "QRflags"), _number(fields, "QRnumber")
    if not flags & ROOM_DIRECTORY or flags & ROOM_MAILBOX:
        return None
    return FileRoom(number, fields.get("QRname", ""), fields.get("QRpasswd", ""), flags)


def _number(fields: Mapping[str, str], name: str) -> int:
    return number_or_zero(fields.get(name, ""))


def fetch_leftovers(
    client: CitadelClient,
    store: Store,
    node: str,
    rooms: Iterable[FileRoom],
    directory: Path | None = None,
    *,
    decision: Decision = UNDECIDED,
    keys: Keys | None = None,
    listdirs: bool = True,
    shares: bool = False,
) -> Fetched:
    """Fetch files and system messages that are new or changed, and delete those that are gone.

    ``directory`` is the server's own on this machine, where that is known; with ``listdirs`` it is asked where its
    directories are, which costs as much as an export.  ``decision`` is what is done about very many deletions at once;
    ``keys`` are those of a server that is yet to be paired.  What one room refuses stops nothing else.  The system
    messages of a server that is paired are its own, unless it ``shares`` those of a site.
    """
    fetched = Fetched()
    keys = keys or store.read(lambda reader: read_keys(reader, place_of(node), node))
    look = Look(store, node, fetching=True, paired=keys.paired)
    listed = set()
    for room in rooms:
        collection = str(Collection("files", keys.room(room.number, room.name)))
        if _fetch_files(client, store, look, room, collection, fetched):
            listed.add(collection)
    look.flush()
    if not keys.paired and _fetch_banners(client, store, look, directory, fetched, listdirs):
        listed.add(BANNERS)
    elif keys.paired and shares:
        # What is gone there was never anybody else's to delete: a server has the files that it came with.
        _fetch_banners(client, store, look, directory, fetched, listdirs, as_told=False)
    look.flush(pairs=keys.paired)
    look.missing.delete_of(listed, decision)
    look.end(not fetched.refused)
    fetched.applied, fetched.deleted = look.applied, look.missing.deleted
    fetched.held, fetched.gone = look.missing.held, look.missing.gone
    look.close()
    return fetched


def _fetch_files(
    client: CitadelClient, store: Store, look: Look, room: FileRoom, collection: str, fetched: Fetched
) -> bool:
    """Fetch a room's files; tells whether all there are were listed."""
    try:
        client.enter_room(room.name, room.password)
        files = _list_files(client, room)
    except Refused as error:
        fetched.refused.append(f"room {room.name!r}: {error}")
        return False
    look.has(collection, [kept_key(collection, file.name) for file in files])
    for file in files:
        try:
            _fetch_file(client, store, look, collection, file, fetched)
        except Refused as error:
            fetched.refused.append(f"room {room.name!r}, file {file.name!r}: {error}")
    return True


def _list_files(client: CitadelClient, room: FileRoom) -> list[RoomFile]:
    """Return the files of the room the client is in; none where the server has made no directory for them yet."""
    try:
        return client.list_files()
    except Refused as error:
        if error.code != NO_ACCESS:
            raise
        # The server says this as well where there is no directory, which is made for the first file.
        if client.logged_in or room.flags & ROOM_VISIBLE_DIRECTORY:
            return []
        text = f"{error.text} Its directory is shown to who is logged in: name an administrator in the URL"
        raise Refused(error.code, text) from None


def _fetch_file(
    client: CitadelClient, store: Store, look: Look, collection: str, file: RoomFile, fetched: Fetched
) -> None:
    opened = client.open_file(file.name)
    dated = seconds_stamp(str(opened.mtime))
    stamp = stamp_in_time(store.clock.limit(), dated)
    if stamp != dated:
        said = f"file {file.name!r} in {collection} is of {format_stamp(dated)}, which has not come yet"
        fetched.notices.append(f"{said}: kept without a time")
    key, tag = kept_key(collection, file.name), f"{opened.mtime} {opened.size} {file.type} {file.comment}"
    head = head_of_file(file, opened.size)
    record = Record(collection, key, stamp, imported_origin(look.node), BORN_IMPORTED, head=head)
    if look.statuses.tags(collection, [key]).get(key) == tag or store.read(lambda reader: _is_held(reader, record)):
        client.close_file()
        fetched.unchanged += 1
        return
    look.tell(read_open_file(client, store, record, opened.size, tag))
    fetched.files += 1
    fetched.bytes += opened.size
    if look.full:
        look.flush()


def head_of_file(file: RoomFile, size: int) -> bytes:
    """Return the head of the record of a file, as a server lists it."""
    return pack_head({"name": file.name, "type": file.type, "comment": file.comment, "bytes": size})


def read_open_file(client: CitadelClient, store: Store, record: Record, size: int, tag: str) -> There:
    """Return the file that is open, of so many bytes, as the version that a record says."""
    if size <= IN_MEMORY:
        return There.of(record.key, record, b"".join(client.read_file(size)), tag)
    return There(record.key, _store_apart(client, store, record, size), tag=tag)


def _store_apart(client: CitadelClient, store: Store, record: Record, size: int) -> Record:
    """Store the bytes of the open file, which are not held in memory, and return the record that names them."""
    with tempfile.TemporaryFile() as file:
        hasher = hashlib.sha256()
        for block in client.read_file(size):
            hasher.update(block)
            file.write(block)
        content = hasher.digest()
        store.write(lambda writer: _add_content(writer, content, size, file))
    return msgspec.structs.replace(record, content=content, size=size)


def _add_content(writer: Writer, content: bytes, size: int, file: IO[bytes]) -> None:
    file.seek(0)
    offset = 0
    while block := file.read(PART_BYTES):
        writer.add_content(content, size, offset, block)
        offset += len(block)


def _is_held(reader: Reader, record: Record) -> bool:
    """Tell whether a file is here as the server has it, by its time, size and names."""
    held = reader.get(record.collection, record.key)
    return held is not None and (held.version, held.head) == (record.version, record.head)


def _fetch_banners(
    client: CitadelClient,
    store: Store,
    look: Look,
    directory: Path | None,
    fetched: Fetched,
    listdirs: bool,
    as_told: bool = True,
) -> bool:
    """Fetch the system messages; tells whether all there are were listed.

    With ``as_told`` also where the server has to tell them, as their files cannot be read.
    """
    try:
        banners = read_banners(client, directory, listdirs)
    except Refused as error:
        fetched.refused.append(f"system messages: {error}")
        return False
    if banners.told and not as_told:  # with one server's names in them, which no other is to say
        fetched.notices.append("system messages are not taken over: they are files that this node cannot read")
        return False
    fetched.refused += banners.refused
    fetched.notices += banners.notices
    fetched.banners = len(banners.texts)
    for name, text in banners.texts.items():
        record = Record(BANNERS, name, BORN_IMPORTED, imported_origin(look.node), BORN_IMPORTED)
        # What the server tells is not what was written, so it is compared with what it told last.
        tag = fingerprint(text).hex() if banners.told else ""
        if tag and look.statuses.tags(BANNERS, [name]).get(name) == tag:
            look.has(BANNERS, [name])
        else:
            look.tell(There.of(name, record, _as_written(store, name, text) if tag else text, tag))
    return not banners.refused


def _as_written(store: Store, name: str, told: bytes) -> bytes:
    """Return what is held of a system message where the server's telling says the same, else what it tells."""

    def job(reader: Reader) -> bytes:
        record = reader.get(BANNERS, name)
        return b"" if record is None or record.dead else reader.body(record)

    held = store.read(job)
    return held if tells(told, held) else told
