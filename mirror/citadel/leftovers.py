"""What an export leaves out and a bootstrap fetches after it: files in rooms, system messages."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from mirror.citadel.banners import read_banners
from mirror.citadel.client import CitadelClient, RoomFile
from mirror.formats.keys import BORN_IMPORTED, imported_origin, seconds_stamp, stamp_in_time
from mirror.formats.told_text import tells
from mirror.model.applied import Applied
from mirror.model.fields import Value, values_of
from mirror.model.keys import kept_key
from mirror.model.kinds import Collection
from mirror.model.record import INLINE_LIMIT, Record, pack_head
from mirror.model.stamp import format_stamp
from mirror.store.base import Reader, Store, Writer
from mirror.wire.errors import Refused

ROOM_DIRECTORY, ROOM_VISIBLE_DIRECTORY, ROOM_MAILBOX = 32, 256, 16384
NO_ACCESS = 550


class Fetched(msgspec.Struct):
    """What was fetched: numbers of files and banners, bytes, and what could not be had."""

    files: int = 0
    unchanged: int = 0
    banners: int = 0
    bytes: int = 0
    applied: Applied = Applied()
    refused: list[str] = []
    notices: list[str] = []

    @property
    def why_incomplete(self) -> str:
        """Why what was fetched is not all that the server has; nothing where it is."""
        if not self.refused:
            return ""
        return f"{len(self.refused)} room files, directories or system messages could not be had"


def fetch_leftovers(
    client: CitadelClient,
    store: Store,
    node: str,
    directory: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> Fetched:
    """Fetch room files and banners that are new or changed.  What one room refuses stops nothing else.

    ``directory`` is the server's own on this machine, where that is known.
    """
    fetched = Fetched()
    tell = progress or (lambda _text: None)
    for room in store.read(_rooms_with_files):
        name, password = str(room["QRname"]), str(room.get("QRpasswd", ""))
        tell(f"files of {name}")
        collection = str(Collection("files", f"{node}:{room['QRnumber']}"))
        try:
            client.enter_room(name, password)
            files = _list_files(client, room)
        except Refused as error:
            fetched.refused.append(f"room {name!r}: {error}")
            continue
        for file in files:
            try:
                _fetch_file(client, store, node, collection, file, fetched)
            except Refused as error:
                fetched.refused.append(f"room {name!r}, file {file.name!r}: {error}")
    tell("system messages")
    _fetch_banners(client, store, node, directory, fetched)
    return fetched


def _list_files(client: CitadelClient, room: dict[str, Value]) -> list[RoomFile]:
    """Return the files of the room the client is in; none where the server has made no directory for them yet."""
    try:
        return client.list_files()
    except Refused as error:
        if error.code != NO_ACCESS:
            raise
        # The server says this as well where there is no directory, which is made for the first file.
        if client.logged_in or _flags(room) & ROOM_VISIBLE_DIRECTORY:
            return []
        text = f"{error.text} Its directory is shown to who is logged in: name an administrator in the URL"
        raise Refused(error.code, text) from None


def _rooms_with_files(reader: Reader) -> list[dict[str, Value]]:
    rooms = [values_of(record) for record in reader.scan_all("rooms")]
    return [room for room in rooms if _flags(room) & ROOM_DIRECTORY and not _flags(room) & ROOM_MAILBOX]


def _flags(room: dict[str, Value]) -> int:
    text = str(room.get("QRflags", ""))
    return int(text) if text.isdigit() else 0


def _fetch_file(
    client: CitadelClient, store: Store, node: str, collection: str, file: RoomFile, fetched: Fetched
) -> None:
    opened = client.open_file(file.name)
    dated = seconds_stamp(str(opened.mtime))
    stamp = stamp_in_time(store.clock.limit(), dated)
    if stamp != dated:
        said = f"file {file.name!r} in {collection} is of {format_stamp(dated)}, which has not come yet"
        fetched.notices.append(f"{said}: kept without a time")
    key = kept_key(collection, file.name)
    head = pack_head({"name": file.name, "type": file.type, "comment": file.comment, "bytes": opened.size})
    held = store.read(lambda reader: reader.get(collection, key))
    if held is not None and held.stamp == stamp and held.head == head:
        client.close_file()
        fetched.unchanged += 1
        return
    body = client.read_file(opened.size)
    fetched.files += 1
    fetched.bytes += len(body)
    draft = Record(collection, key, stamp, imported_origin(node), BORN_IMPORTED, head=head)
    fetched.applied += absorb_body(store, draft, body)


def _fetch_banners(client: CitadelClient, store: Store, node: str, directory: Path | None, fetched: Fetched) -> None:
    try:
        banners = read_banners(client, directory)
    except Refused as error:
        fetched.refused.append(f"system messages: {error}")
        return
    fetched.refused += banners.refused
    fetched.notices += banners.notices
    fetched.banners = len(banners.texts)
    for name, text in banners.texts.items():
        draft = Record("system-messages", name, BORN_IMPORTED, imported_origin(node), BORN_IMPORTED)
        written = _as_written(store, name, text) if banners.told else text
        fetched.applied += absorb_body(store, draft, written)


def _as_written(store: Store, name: str, told: bytes) -> bytes:
    """Return what is held of a system message where the server's telling says the same, else what it tells."""

    def job(reader: Reader) -> bytes:
        record = reader.get("system-messages", name)
        return b"" if record is None or record.dead else reader.body(record)

    held = store.read(job)
    return held if tells(told, held) else told


def absorb_body(store: Store, draft: Record, body: bytes) -> Applied:
    """Merge an imported record with its body into a store."""

    def job(writer: Writer) -> Applied:
        whole = len(body) <= INLINE_LIMIT
        record = msgspec.structs.replace(draft, body=body) if whole else writer.store_body(draft, body)
        applied: Applied = writer.absorb([record])
        return applied

    return store.write(job)
