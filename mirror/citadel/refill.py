"""What a server's import leaves out, written into it afterwards: rooms' texts, pictures and files, system messages.

Each is looked for first, so that whoever repeats this writes what is missing.  What one room refuses stops no other.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from mirror.citadel.host_files import (
    NOTES,
    ROOM_FILES,
    SYSTEM_MESSAGES,
    CannotWrite,
    directory_at,
    home_of,
    is_as,
    read_at,
    write_at,
)
from mirror.citadel.meaning.numbering import number_in
from mirror.citadel.migr.exporter import Exporter
from mirror.citadel.migr.leftovers import BANNERS, ROOM_DIRECTORY
from mirror.citadel.protocol.client import CitadelClient
from mirror.formats.errors import CitadelError
from mirror.formats.texts_of_rooms import Picture, picture_in, text_in
from mirror.model.containers import picture_of_room
from mirror.model.kinds import Collection
from mirror.model.record import Record, unpack_head
from mirror.model.stamp import stamp_ms
from mirror.store.base import Reader, Reading
from mirror.store.whole import body_blocks, living_records
from mirror.wire.errors import Refused

INDEXED_VIEWS = frozenset({2, 3, 4, 5, 6, 7, 8, 10})
"""Views of rooms into which an import goes to index their items, and so gets access to them."""
MAX_NOTES = 1024 * 1024
"""Bytes of the types and comments of a room's files that are read."""
_UNSAFE_IN_NAMES = str.maketrans("/\\", "__")
"""What a server writes for letters that no file's name may have."""

Told = Callable[[str, int, int], None]
"""Told now and again of what is written, how many of how many."""


class Refilled(msgspec.Struct):
    """What was written: numbers of texts, pictures, files (and their bytes), system messages; what could not be."""

    texts: int = 0
    pictures: int = 0
    files: int = 0
    bytes: int = 0
    banners: int = 0
    refused: list[str] = []


def refill(
    client: CitadelClient, reading: Reading, exporter: Exporter, place: Path, directory: Path | None, told: Told
) -> Refilled:
    """Write what an import leaves out, into a server and its directories.

    ``place`` has the administrator's socket; the server's own directories are in ``directory``, or where it works.
    """
    home = directory or home_of(place)
    return _Refill(client, reading, exporter, home, told).run()


class _Refill:
    def __init__(self, client: CitadelClient, reading: Reading, exporter: Exporter, home: Path, told: Told) -> None:
        self._client = client
        self._reading = reading
        self._exporter = exporter
        self._home = home
        self._told = told
        self._done = Refilled()

    def run(self) -> Refilled:
        rooms = list(self._exporter.rooms)
        for number, room in enumerate(rooms, 1):
            self._trying(f"room {self._exporter.room_name(room)!r}", lambda room=room: self._room(room))  # type: ignore[misc]
            self._told("texts, pictures and files of rooms", number, len(rooms))
        self._trying("system messages", self._banners)
        return self._done

    def _trying(self, what: str, write: Callable[[], object]) -> None:
        try:
            write()
        except (CitadelError, Refused, OSError) as error:
            self._done.refused.append(f"{what}: {error}")

    def _room(self, room: str) -> None:
        fields = self._exporter.room_fields(room)
        text = self._reading.read(lambda reader: _living(reader, "room-info", room))
        picture = self._reading.read(lambda reader: _living(reader, "pictures", picture_of_room(room)))
        files = str(Collection("files", room))
        has_files = bool(self._reading.read(lambda reader: reader.digest(files).count))
        indexed = number_in(fields, "QRdefaultview") in INDEXED_VIEWS
        if not (text or picture or has_files or indexed):
            return
        self._client.enter_room(fields["QRname"], fields.get("QRpasswd", ""))
        if text:
            self._text(text_in(text))
        if picture:
            self._picture(picture_in(picture))
        if indexed:
            self._client.forget_room()
        if has_files and number_in(fields, "QRflags") & ROOM_DIRECTORY:
            self._files(files, fields.get("QRdirname", ""))

    def _text(self, text: bytes) -> None:
        if self._client.room_text() != text:
            self._client.write_room_text(text)
            self._done.texts += 1

    def _picture(self, picture: Picture) -> None:
        if self._picture_there() != picture.data:
            self._client.write_room_picture(picture.data, picture.type)
            self._done.pictures += 1

    def _picture_there(self) -> bytes:
        """Return the present room's picture, nothing where it has none."""
        try:
            return self._client.room_picture()
        except Refused:
            return b""

    # -- files on the server's machine ------------------------------------------------------------

    def _files(self, collection: str, name: str) -> None:
        with directory_at(self._home / ROOM_FILES, name) as directory:
            notes = read_at(directory, NOTES, MAX_NOTES).splitlines(keepends=True)
            known = len(notes)
            for record in living_records(self._reading, collection):
                head = unpack_head(record.head)
                file = str(head.get("name", record.key)).translate(_UNSAFE_IN_NAMES)
                self._trying(f"{collection}, file {file!r}", lambda: self._file(directory, file, record))  # noqa: B023
                line = f"{file} {head.get('type', '')} {head.get('comment', '')}\n".encode()
                if line not in notes and "\n" not in file:
                    notes.append(line)
            if len(notes) > known:
                write_at(directory, NOTES, notes)

    def _file(self, directory: int, name: str, record: Record) -> None:
        if name == NOTES:
            raise CannotWrite("the server keeps the comments of files under this name")
        seconds, size = stamp_ms(record.stamp) // 1000, record.size if record.content else len(record.body)
        if not is_as(directory, name, size, seconds):
            self._done.bytes += write_at(directory, name, body_blocks(self._reading, record), seconds)
            self._done.files += 1

    def _banners(self) -> None:
        with directory_at(self._home / SYSTEM_MESSAGES) as directory:
            for record in living_records(self._reading, BANNERS):
                body = self._reading.read(lambda reader, one=record: reader.body(one))  # type: ignore[misc]
                self._trying(f"system message {record.key!r}", lambda: self._banner(directory, record.key, body))  # noqa: B023

    def _banner(self, directory: int, name: str, body: bytes) -> None:
        if read_at(directory, name, len(body) + 1) != body:
            write_at(directory, name, [body])
            self._done.banners += 1


def _living(reader: Reader, collection: str, key: str) -> bytes:
    record = reader.get(collection, key)
    return b"" if record is None or record.dead else reader.body(record)
