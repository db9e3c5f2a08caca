"""What an export leaves out and a bootstrap fetches after it: files in rooms, system messages."""

from collections.abc import Callable

import msgspec

from mirror.citadel.client import BANNERS, CitadelClient, RoomFile
from mirror.formats.errors import CitadelError
from mirror.formats.keys import BORN_IMPORTED, imported_origin, seconds_stamp, stamp_in_time
from mirror.model.applied import Applied
from mirror.model.fields import Value, values_of
from mirror.model.keys import kept_key
from mirror.model.kinds import Collection
from mirror.model.record import INLINE_LIMIT, Record, pack_head
from mirror.model.stamp import format_stamp
from mirror.store.base import Reader, Store, Writer
from mirror.wire.errors import Refused

ROOM_DIRECTORY, ROOM_MAILBOX = 32, 16384


class Fetched(msgspec.Struct):
    """What was fetched: numbers of files and banners, bytes, and what could not be had."""

    files: int = 0
    unchanged: int = 0
    banners: int = 0
    bytes: int = 0
    applied: Applied = Applied()
    refused: list[str] = []
    notices: list[str] = []


def fetch_leftovers(
    client: CitadelClient, store: Store, node: str, progress: Callable[[str], None] | None = None
) -> Fetched:
    """Fetch room files and banners that are new or changed.  What one room refuses stops nothing else."""
    fetched = Fetched()
    tell = progress or (lambda _text: None)
    for room in store.read(_rooms_with_files):
        name, password = str(room["QRname"]), str(room.get("QRpasswd", ""))
        tell(f"files of {name}")
        collection = str(Collection("files", f"{node}:{room['QRnumber']}"))
        try:
            client.enter_room(name, password)
            files = client.list_files()
        except Refused as error:
            fetched.refused.append(f"room {name!r}: {error}")
            continue
        for file in files:
            try:
                _fetch_file(client, store, node, collection, file, fetched)
            except Refused as error:
                fetched.refused.append(f"room {name!r}, file {file.name!r}: {error}")
    tell("system messages")
    _fetch_banners(client, store, node, fetched)
    return fetched


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


def _fetch_banners(client: CitadelClient, store: Store, node: str, fetched: Fetched) -> None:
    for name in BANNERS:
        try:
            text = client.banner(name)
        except CitadelError as error:
            fetched.refused.append(f"system message {name}: {error}")
            continue
        if text is not None:
            fetched.banners += 1
            draft = Record("system-messages", name, BORN_IMPORTED, imported_origin(node), BORN_IMPORTED)
            fetched.applied += absorb_body(store, draft, text.encode())


def absorb_body(store: Store, draft: Record, body: bytes) -> Applied:
    """Merge an imported record with its body into a store."""

    def job(writer: Writer) -> Applied:
        whole = len(body) <= INLINE_LIMIT
        record = msgspec.structs.replace(draft, body=body) if whole else writer.store_body(draft, body)
        applied: Applied = writer.absorb([record])
        return applied

    return store.write(job)
