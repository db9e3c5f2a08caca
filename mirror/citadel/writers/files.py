"""Writes the files of rooms that have a directory there: new ones, others under a name, deletions.

A server posts in the room that a file was uploaded: in the one it is in when the file is closed, so that is a folder
where nobody sees it.  A file cannot be replaced; the one there is deleted first, if it is still the one that was looked
at.  Which file is on its way is remembered before, since a part of it would be a file there like any other: where a
node died, the next connection deletes that part before anything is looked at.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from mirror.citadel.looks.taking import take_versions
from mirror.citadel.migr.leftovers import FileRoom, head_of_file, read_open_file
from mirror.citadel.protocol.client import CitadelClient, RoomFile
from mirror.citadel.writers.base import CLOSED_NOW, Target, told_of
from mirror.citadel.writers.transit import PLAIN, Transit
from mirror.formats.keys import BORN_IMPORTED
from mirror.model.draft import base_of
from mirror.model.keys import kept_key
from mirror.model.kinds import Collection, parse_collection
from mirror.model.record import Record, pack_head, record_crc, unpack_head
from mirror.model.status import Status, fingerprints
from mirror.store.base import Reader, Store, Writer
from mirror.store.whole import body_blocks
from mirror.sync.foreign.back import Errand, plan_back, says_the_same
from mirror.wire.errors import Refused

BLOCK = 65_536
"""Bytes of a file that are sent at once; a server takes 100 000 at most."""
MAX_PATH = 63
"""Bytes of a file's path below the server's home that a server can delete."""
_NOTES = "filedir"
"""The file in which the server keeps the comments of files."""
_NOT_IN_NAMES = frozenset("/\\|\n\r\0")


class _Change(NamedTuple):
    """A file that is not as the server said last, and what that was."""

    record: Record
    said: Sequence[Status]
    errand: Errand

    @property
    def head(self) -> dict[str, object]:
        return dict(unpack_head(self.record.head))

    @property
    def name(self) -> str:
        return str(self.head.get("name", self.record.key))


class Upload(msgspec.Struct, array_like=True, frozen=True):
    """A file on its way: how its room is entered, its name there, and the record's collection and key."""

    room: str
    password: str
    name: str
    collection: str
    key: str


class FilesWriter:
    """Writes files into rooms that have a directory; those of others wait until these have one."""

    def __init__(self, transit: Transit) -> None:
        self._transit = transit

    def collections(self, target: Target) -> Callable[[str], bool]:
        names = {str(Collection("files", parse_collection(one).room)) for one in target.rooms}
        return names.__contains__

    def takes(self, record: Record) -> bool:
        return True

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        todo = target.store.read(lambda reader: _todo(reader, target.place, records))
        rooms = _rooms(target)
        for collection in dict.fromkeys(one.record.collection for one in todo):
            some = [one for one in todo if one.record.collection == collection]
            if collection not in rooms:  # it was made just now, say, and is yet to be looked at
                for one in some:
                    target.wait(one.record, parse_collection(collection).room, "its room has no directory there")
                continue
            room = rooms[collection]
            try:
                target.client.enter_room(room.name, room.password)
            except Refused:  # it was renamed, say: the next look tells how
                for one in some:
                    target.wait(one.record, room.name, CLOSED_NOW)
                continue
            try:
                self._write_room(target, room, some)
            except Refused as error:
                for one in some:
                    target.leave(one.record, room.name, str(error))
        return bool(todo)

    def _write_room(self, target: Target, room: FileRoom, changes: Sequence[_Change]) -> None:
        """Write into the present room."""
        collection = changes[0].record.collection
        there = {kept_key(collection, file.name): file for file in target.client.list_files()}
        going = target.not_held([one.record for one in changes if one.errand is Errand.DELETE])
        for one in changes:
            if one.errand is Errand.DELETE and one.record in going:
                self._delete(target, room, one, there)
            elif one.errand in (Errand.WRITE, Errand.TAKE):
                self._write(target, room, one, there)
        target.remember([_agreed(one) for one in changes if one.errand is Errand.NOTE])

    def _delete(self, target: Target, room: FileRoom, one: _Change, there: dict[str, RoomFile]) -> None:
        file = there.get(one.said[0].foreign)
        if file is not None:
            if _tag(target.client, file) != one.said[0].tag:
                target.wait(one.record, room.name, "it was changed there just now")
                return
            if why := _why_not(target.client, file.name):
                target.written.left.append(told_of(one.record, room.name, why))
                return
            target.client.channel.ask(f"DELF {file.name}")
            target.written.deleted += 1
        target.remember([], one.said)

    def _write(self, target: Target, room: FileRoom, one: _Change, there: dict[str, RoomFile]) -> None:
        file = there.get(one.record.key)
        if file is not None and not one.said:
            target.wait(one.record, room.name, "there is one of that name, which was not looked at")
            return
        if why := _why_not(target.client, one.name):
            target.written.left.append(told_of(one.record, room.name, why))
            return
        if file is not None and _tag(target.client, file) != one.said[0].tag:
            target.wait(one.record, room.name, "it was changed there just now")
            return
        if file is not None and one.errand is Errand.TAKE and not target.was_restored():
            one = one._replace(record=_take_there(target, one, file))
        if file is not None and target.store.read(lambda reader: says_the_same(one.said[0], one.record, reader.body)):
            target.remember([_agreed(one)])
        else:
            self._upload(target, room, one, file is not None)

    def _upload(self, target: Target, room: FileRoom, one: _Change, replaced: bool) -> None:
        client, name = target.client, one.name
        upload = Upload(room.name, room.password, name, one.record.collection, one.record.key)
        text = msgspec.json.encode(upload).decode()
        target.store.write(lambda writer: writer.set_meta(_meta(target.place), text))
        if replaced:
            client.channel.ask(f"DELF {name}")
        client.channel.ask(f"UOPN {name}|{_word(one.head.get('type'))}|{_word(one.head.get('comment'))}")
        for block in body_blocks(target.store, one.record):
            for begin in range(0, len(block), BLOCK):
                piece = block[begin : begin + BLOCK]
                client.channel.ask(f"WRIT {len(piece)}", 7)
                client.channel.send(piece)
        client.ask_all([self._transit.goto(PLAIN), b"UCLS 1"])
        self._transit.empty()
        client.enter_room(room.name, room.password)
        told = next((file for file in client.list_files() if file.name == name), None)
        if told is None:
            target.store.write(lambda writer: writer.set_meta(_meta(target.place), ""))
            target.leave(one.record, room.name, "the server does not keep it")
            return
        head = pack_head({"name": name, "type": told.type, "comment": told.comment, "bytes": told.size})
        said = fingerprints(msgspec.structs.replace(one.record, head=head))
        status = msgspec.structs.replace(_agreed(one), foreign=one.record.key, tag=_tag(client, told), said=said)
        target.remember([status], also=lambda writer: writer.set_meta(_meta(target.place), ""))
        target.written.others += 1


def _take_there(target: Target, one: _Change, file: RoomFile) -> Record:
    """Merge a file of the present room that was never seen here; returns what is here then."""
    opened = target.client.open_file(file.name)
    stamp, head = one.said[0].base.stamp, head_of_file(file, opened.size)
    version = Record(one.record.collection, one.record.key, stamp, target.place, BORN_IMPORTED, head=head)
    there = read_open_file(target.client, target.store, version, opened.size, one.said[0].tag)
    target.store.write(lambda writer: take_versions(writer, target.place, [there]))
    held = target.store.read(lambda reader: reader.get(version.collection, version.key))
    return held if held is not None else one.record


def finish_upload(store: Store, client: CitadelClient, place: str) -> None:
    """Delete the part of a file that a node left when it died, so that it is written anew."""
    text = store.read(lambda reader: reader.meta_text(_meta(place)))
    if not text:
        return
    upload = msgspec.json.decode(text, type=Upload)
    goto = f"GOTO {upload.room}|{upload.password}|1"
    client.ask_all([one.encode("utf-8", "surrogateescape") for one in (goto, f"DELF {upload.name}")])

    def job(writer: Writer) -> None:
        told = writer.statuses_of(place, upload.collection, [upload.key])
        writer.drop_statuses(place, upload.collection, [one.foreign for one in told])
        writer.set_meta(_meta(place), "")

    store.write(job)


def _rooms(target: Target) -> dict[str, FileRoom]:
    """Return the rooms that have a directory by the collections of their files."""
    keys = target.numbers.keys
    return {str(Collection("files", keys.room(room.number, room.name))): room for room in target.known.file_rooms}


def _todo(reader: Reader, place: str, records: Sequence[Record]) -> list[_Change]:
    """Return what is not as the server said last."""
    planned = []
    for record in records:
        said = reader.statuses_of(place, record.collection, [record.key])
        planned.append(_Change(record, said, plan_back(said, record, reader.body)))
    return [one for one in planned if one.errand is not Errand.NOTHING]


def _why_not(client: CitadelClient, name: str) -> str:
    """Return why a file of the present room is not written; nothing where it may be."""
    if name == _NOTES or not name or _NOT_IN_NAMES & set(name):
        return "the server keeps no file of that name"
    (answer,) = client.ask_all([b"RDIR"])
    directory = answer[0].decode("utf-8", "replace").rpartition("|")[2] if answer else ""
    if len(f"{directory}/{name}".encode()) > MAX_PATH:
        return f"its path is over {MAX_PATH} bytes, and the server could not delete it"
    return ""


def _tag(client: CitadelClient, file: RoomFile) -> str:
    """Return what tells a file of the present room from what had its name before."""
    opened = client.open_file(file.name)
    client.close_file()
    return f"{opened.mtime} {opened.size} {file.type} {file.comment}"


def _agreed(one: _Change) -> Status:
    """Return the status of a file that both have as it is here."""
    record = one.record
    tag, said = (one.said[0].tag, one.said[0].said) if one.said else ("", {})
    return Status(record.collection, record.key, record.key, tag, base_of(record), record_crc(record), said)


def _word(value: object) -> str:
    return " ".join(str(value or "").replace("|", " ").split())


def _meta(place: str) -> str:
    return f"uploading:{place}"
