"""What two nodes hold, compared by contents, and what a node holds, compared with what the server itself lists.

Versions are left out: a second bootstrap writes what changed with the node's own clock, a first one with the data's own
times.  What may differ all the same is declared in mirror/citadel/meaning/declared.py, and told by docs/citadel.md.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mirror.citadel.meaning.declared import (
    BODY,
    BYTES,
    HOLD_MESSAGES,
    KEY,
    MESSAGE,
    SHOWN_BY,
    UNTOLD,
    WHOLE,
    Expected,
    declaration,
)
from mirror.citadel.meaning.visits_compared import said_by_visit, user_of_visit
from mirror.formats.texts_of_rooms import text_in
from mirror.model.errors import BadRecord
from mirror.model.fields import values_of
from mirror.model.heads import EDITS
from mirror.model.keys import without_text
from mirror.model.kinds import MergeRule, kind_of, parse_collection, room_of
from mirror.model.record import Record, unpack_head
from mirror.model.stamp import stamp_ms
from mirror.model.texts import canonical_text
from mirror.store.base import Reader
from mirror.store.open import Options, open_store
from try_live.world import DIRECTORY, KILLED, Account, Room, User, World

T = TypeVar("T")


class LeftOut(NamedTuple):
    """Rooms of a server that a mirror does not hold as rooms: which, and why."""

    what: str
    why: str
    is_one: Callable[[Room], bool]


LEFT_OUT = (
    LeftOut("killed rooms", "the server forgets them in the night", lambda room: room.name.startswith(KILLED)),
    LeftOut("queues (view 11)", "their mails would be sent twice", lambda room: room.view == 11),
    LeftOut("rooms named `__Citadel…`", "the server's own", lambda room: room.name.startswith("__Citadel")),
    LeftOut(
        "Local System Configuration, My Citadel Config",
        "read for what they say: settings, addresses, pictures, texts",
        lambda room: room.name == "Local System Configuration" or room.name[11:] == "My Citadel Config",
    ),
)


class Difference(NamedTuple):
    """One difference: where, and what is on the left and on the right (``None`` where nothing is)."""

    collection: str
    key: str
    field: str
    left: Any
    right: Any

    @property
    def expected(self) -> Expected | None:
        """The declaration that makes it none, if any does."""
        return declaration(self.collection, self.field)

    @property
    def untold(self) -> bool:
        """Whether just an export tells it."""
        return declaration(self.collection, self.field, UNTOLD) is not None


Fields = Mapping[str, Any]
Things = Mapping[str, Fields]
"""Things of one sort by name, and what is told of each."""
Contents = dict[str, Things]
"""What a node holds: by collection, and there by key, each field's value."""


def read_node(directory: Path) -> Contents:
    """Return all living records of the node in ``directory``, whose daemon does not run.  Raises MirrorError."""
    return _read_store(directory, _read)


def _read_store(directory: Path, job: Callable[[Reader], T]) -> T:
    with closing(open_store(directory, options=Options("try-live"))) as store:
        return store.read(job)


def _read(reader: Reader) -> Contents:
    return {
        collection: {record.key: _fields(reader, record) for record in reader.scan_all(collection)}
        for collection in reader.collections("")
    }


def _fields(reader: Reader, record: Record) -> dict[str, Any]:
    if kind_of(record.collection).rule is MergeRule.FIELDS:
        return values_of(record)
    try:
        fields = unpack_head(record.head)
    except BadRecord:
        fields = {"(the head)": record.head.hex()}
    fields.pop(EDITS, None)  # which version wrote which part of an item: a version, and no contents
    body = reader.body(record)
    kind = parse_collection(record.collection).kind
    if kind in HOLD_MESSAGES:
        fields |= {BODY: _digest(canonical_text(body)), BYTES: _digest(body)}
    else:
        fields |= {BODY: _digest(body)}
    if kind in SHOWN_BY:
        fields |= {BODY: _digest(text_in(body)), MESSAGE: fields[BODY]}
    return fields


def _said_by_visits(contents: Contents, collection: str) -> dict[str, Fields]:
    """Return what visits say, by their keys.

    Nothing say those of who is not there, or of a room that is not: a server that was restored may tell of such.
    """
    room, users = contents.get("rooms", {}).get(room_of(collection)), contents.get("users", {})
    if room is None:
        return {}
    visits = contents.get(collection, {}).items()
    said = {key: said_by_visit(key, fields, room.get("QRdefaultview")) for key, fields in visits}
    return {key: fields for key, fields in said.items() if fields and user_of_visit(key) in users}


def _digest(body: bytes) -> str:
    return f"{len(body)} bytes, SHA-256 {hashlib.sha256(body).hexdigest()[:16]}"


def posted_since(directory: Path, moment: float) -> set[tuple[str, str]]:
    """Return collection and key of the messages in a node's store that were posted from a moment (Unix seconds) on."""
    return _read_store(directory, lambda reader: set(_posted(reader, int(moment) * 1000)))


def _posted(reader: Reader, since_ms: int) -> Iterator[tuple[str, str]]:
    for collection in reader.collections("messages/"):
        for record in reader.scan_all(collection):
            if stamp_ms(record.stamp) >= since_ms:
                yield collection, record.key


def written_since(directory: Path, sequence: int) -> list[tuple[str, str]]:
    """Return collection and key of all that was written into a node's store after a place in its feed."""
    return _read_store(directory, lambda reader: _feed(reader, sequence))


def _feed(reader: Reader, sequence: int) -> list[tuple[str, str]]:
    found, more = [], True
    while more:
        page = reader.feed(sequence)
        found += [(record.collection, record.key) for record in page.records]
        sequence, more = page.sequence, page.more
    return found


def feed_end(directory: Path) -> int:
    """Return where the feed of a node's store ends."""
    return _read_store(directory, lambda reader: reader.last_sequence())


def differences(left: Contents, right: Contents) -> list[Difference]:
    """Return all differences of two nodes' contents, declared ones included, in order."""
    found: list[Difference] = []
    for name in sorted(left.keys() | right.keys()):
        visits = parse_collection(name).kind == "visits"
        one, other = (_said_by_visits(side, name) if visits else dict(side.get(name, {})) for side in (left, right))
        found += _under_another_key(name, one, other)
        if visits:
            one, other = ({key: side.get(key, {}) for key in one.keys() | other.keys()} for side in (one, other))
        found += _compare(name, one, other, both=True)
    return found


def _under_another_key(collection: str, left: dict[str, Fields], right: dict[str, Fields]) -> Iterator[Difference]:
    """Take out, and tell of, what is under ``KEY#text`` on one side and, the same, under ``KEY`` on the other."""
    if parse_collection(collection).kind not in ("messages", "visits"):
        return
    plain = {without_text(key): key for key in right.keys() - left.keys()}
    for key in sorted(left.keys() - right.keys()):
        twin = plain.get(without_text(key))
        if twin is not None and _same(left[key], right[twin]):
            del left[key], right[twin]
            yield Difference(collection, key, KEY, key, twin)


def _same(one: Fields, other: Fields) -> bool:
    """Tell whether two records say the same, if not in the same bytes."""
    return {**one, BYTES: ""} == {**other, BYTES: ""}


def _compare(collection: str, left: Things, right: Things, *, both: bool = False) -> Iterator[Difference]:
    """Compare things by name, and their fields: those that are on the left, or with ``both`` all."""
    for name in sorted(left.keys() | right.keys()):
        if name not in left or name not in right:
            yield Difference(collection, name, WHOLE, _shown(left.get(name)), _shown(right.get(name)))
            continue
        one, other = left[name], right[name]
        for field in sorted(one.keys() | other.keys() if both else one.keys()):
            told = field in (BYTES, MESSAGE) and one.get(BODY) != other.get(BODY)
            if one.get(field) != other.get(field) and not told:
                yield Difference(collection, name, field, one.get(field), other.get(field))


def _shown(fields: Fields | None) -> str | None:
    if fields is None:
        return None
    return ", ".join(f"{name}={str(value)[:40]}" for name, value in list(fields.items())[:6]) or "there"


# -- against the server itself ----------------------------------------------------------------------------


def compare_with_server(world: World, held: Contents, node: str, as_written: bool) -> list[Difference]:
    """Return where a node holds something else than the server lists; the server is on the left.

    Users, floors, rooms, messages, files and system messages are looked for on both sides, and of those that are on
    both what the server tells of them in a line.  ``node`` is the server's node name; ``as_written`` tells whether
    system messages are held as the files are, and not as the server tells them.
    """
    rooms = [room for room in world.rooms() if not any(left.is_one(room) for left in LEFT_OUT)]
    found = [
        *_compare("users", _users(world), _by("u_fullname", held.get("users", {}))),
        *_compare("floors", _floors(world), _by("f_name", held.get("floors", {}))),
        *_compare("rooms", {room.name: _parameters(room) for room in rooms}, _by("QRname", held.get("rooms", {}))),
        *_settings(world, held.get("config", {})),
        *_compare("system-messages", _banners(world, as_written), held.get("system-messages", {})),
    ]
    for room in rooms:
        found += _room(world, room, held, node)
    return found


def _users(world: World) -> Things:
    names = [line.split("|")[0] for line in world.witness.lines("LIST")]
    return {name: _told(world.account(User(name, 0, 0))) for name in names}


def _told(account: Account) -> Fields:
    return {
        "u_password": account.password,
        "u_flags": str(account.flags),
        "u_axlevel": str(account.level),
        "u_usernum": str(account.number),
        "u_USuserpurge": str(account.purge),
    }


def _floors(world: World) -> Things:
    return {name: {"f_num": str(number)} for number, name, _ in world.floors()}


def _parameters(room: Room) -> Fields:
    return {
        "QRflags": str(room.flags),
        "QRfloor": str(room.floor),
        "QRorder": str(room.order),
        "QRflags2": str(room.flags2),
        "QRdefaultview": str(room.view),
    }


def _by(name: str, held: Things) -> Things:
    """Return records by a field, without those that no server lists."""
    return {str(fields.get(name)): fields for fields in held.values() if not _unlisted(fields)}


def _unlisted(fields: Fields) -> bool:
    """Tell whether something is the user of number 0, or a floor that is not in use."""
    return str(fields.get("u_usernum")) == "0" or not int(str(fields.get("f_flags", "1"))) & 1


def _settings(world: World, held: Things) -> Iterator[Difference]:
    """Compare those settings that both have: some are a server's own, and no mirror holds them."""
    there = dict(line.split("|", 1) for line in world.witness.lines("CONF LISTVAL"))
    both = {key: {"value": there[key]} for key, fields in held.items() if key in there and "value" in fields}
    return _compare("config", both, {key: held[key] for key in both})


def _banners(world: World, as_written: bool) -> Things:
    files = [file for file in (world.server.home / "messages").iterdir() if not file.name.startswith(".")]
    return {file.name: {BODY: _digest(file.read_bytes())} if as_written else {} for file in files}


def _room(world: World, room: Room, held: Contents, node: str) -> Iterator[Difference]:
    world.witness.go(room.name)
    reply = world.witness.ask("GNET")
    number = reply.fields[0].partition("#")[2].split(" ")[0]
    messages, files = f"messages/{node}:{number}", f"files/{node}:{number}"
    numbers: Things = {str(message): {} for message in world.numbers(room)}
    yield from _compare(messages, numbers, _by("msg_msgnum", held.get(messages, {})))
    if room.flags & DIRECTORY and not room.mailbox:
        sizes: Things = {name: {"bytes": size} for name, size in world.files(room)}
        yield from _compare(files, sizes, _by("name", held.get(files, {})))
