"""What a node holds of a server, compared with what the server itself has now: counts, digests, the first differences.

The server is copied into a store that is thrown away, by the importer that made the node's records, and the two are
gone through side by side in the order of their keys, so memory stays flat.  Versions are left out: who looked when is
no difference.  What may differ is declared (mirror.citadel.meaning.declared).
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec

from mirror.citadel.looks.remembered import place_of
from mirror.citadel.meaning.declared import (
    ANY,
    BODY,
    BYTES,
    EXPECTED,
    HOLD_MESSAGES,
    KEY,
    UNTOLD,
    WHOLE,
    Expected,
    declaration,
)
from mirror.citadel.meaning.homes import INBOX_RULES, read_homes
from mirror.citadel.meaning.kept_equal import STAYS, why_otherwise
from mirror.citadel.meaning.keys import OF_SERVER_ITSELF, ROOMS, USERS, read_keys
from mirror.citadel.meaning.numbering import place_of_key
from mirror.citadel.meaning.returned import SHOWN, is_as_here, shows_the_same
from mirror.citadel.meaning.visits_compared import said_by_visit
from mirror.formats.errors import BadMessage
from mirror.formats.inbox_rules import rule_lines
from mirror.formats.keys import imported_origin
from mirror.formats.message import parse_message
from mirror.model.containers import picture_of_room, picture_of_user
from mirror.model.draft import base_of
from mirror.model.fields import values_of
from mirror.model.keys import without_text
from mirror.model.kinds import Collection, MergeRule, kind_of, parse_collection, room_of
from mirror.model.merge import is_item
from mirror.model.record import Record, unpack_head
from mirror.model.status import differing, fingerprints
from mirror.model.texts import canonical_text
from mirror.store.base import Reader, Reading
from mirror.store.whole import living_records
from mirror.sync.claims import read_claim
from mirror.sync.share.rules import NETCONF_KEY
from netconf.lines import LAST_SENT, replace_lines

MAX_TOLD = 1000
"""Differences that are told of those that are not declared, and as many of the others."""
KINDS = (
    "config", "floors", "users", "rooms", "room-info", "pictures", "bios", "inbox-rules", "user-settings",
    "system-messages", "orphans", "messages", "visits", "files", "netconf",
)  # fmt: skip
"""Kinds of collections that a server has as well."""
OF_ONE_SERVER = ("config", "system-messages")
"""Kinds that of a server which shares things with others are its own, and not taken over."""
VERIFIED = (
    *EXPECTED,
    Expected("visits", "v_seen", "the marks that it stands for are compared one by one"),
    Expected("visits", "v_answered", "the marks that it stands for are compared one by one"),
    Expected("orphans", ANY, "messages in no room, which nobody sees"),
)
"""What may differ between a node and the server that it is a mirror of."""
NOTHING: Mapping[tuple[str, str], str] = MappingProxyType({})


def declared_for(ours: Reading, server: str, *, exports: bool) -> tuple[Expected, ...]:
    """Return what may differ between what is here of a server and what that has.

    Where it is followed without ``exports`` again and again, what these alone tell may, too.
    """
    followed = ours.read(lambda reader: read_claim(reader, place_of(server))) is not None
    return (*VERIFIED, *UNTOLD) if followed and not exports else VERIFIED


BY_NOBODY = "the server's own visit, of no user, which looking at a room or an import makes"
AT_HOME = "what acts is in force on another server, the room's home"
RULES_AT_HOME = "inbox rules are in force on another server, their user's home"
AS_WRITTEN = "what a server makes of a message that came from elsewhere: its number, and the form it keeps"
BY_ITSELF = "what a new server has by itself"
MADE_BY_ITSELF = ("config", "floors", "system-messages")
"""Kinds of collections of which a new server has something by itself."""
UNSET = ("", "0")
"""Values of fields that nobody has set."""
NUMBER = "msg_msgnum"
"""A head has this of a message that came from a server."""
_SHOWN = 60
_DIGEST_BYTES = 8
_MODULUS = 1 << 8 * _DIGEST_BYTES

Fields = Mapping[str, Any]


class Difference(msgspec.Struct):
    """One difference: where, what is here and what the server has, and why that is declared to be none, if it is."""

    collection: str
    key: str
    field: str
    here: str
    there: str
    why: str = ""


class Compared(msgspec.Struct):
    """One collection: how many records are here and there, and a digest of all that may not differ."""

    collection: str
    here: int
    there: int
    digest_here: str
    digest_there: str

    @property
    def equal(self) -> bool:
        return self.digest_here == self.digest_there


class Verified(msgspec.Struct):
    """What came of comparing a node with a server."""

    server: str
    collections: list[Compared] = []
    differences: list[Difference] = []
    """The first of those that are not declared."""
    undeclared: int = 0
    declared: dict[str, int] = {}
    """How many differences are declared, by the reasons."""
    told: list[Difference] = []
    """The first of these."""
    unseen: list[str] = []
    """What the server did not show, and was not compared."""

    @property
    def equal(self) -> bool:
        """Whether nothing differs but what is declared."""
        return not self.undeclared


class Comparing:
    """Compares what is here of one server, ``ours``, with a fresh copy of it, ``theirs``."""

    def __init__(
        self,
        ours: Reading,
        theirs: Reading,
        server: str,
        declared: Iterable[Expected] = VERIFIED,
        things: Mapping[tuple[str, str], str] = NOTHING,
        made_anew: bool = False,
        unseen: Sequence[str] = (),
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """``things`` are single records that may differ, by collection and key, and why.

        ``made_anew`` tells that the server was made from what is here, and may have what a new one has by itself.
        ``unseen`` is what the server did not show; ``progress`` is told how many records were compared.
        """
        self._ours, self._theirs = ours, theirs
        self._declared = tuple(declared)
        self._things = dict(things)
        self._made_anew = made_anew
        self._progress = progress or (lambda _done: None)
        self._found = Verified(server, unseen=list(unseen))
        self._counts: Counter[str] = Counter()
        self._done = 0

    def compare(self) -> Verified:
        """Return what differs.  Raises StoreError."""
        self._rooms = self._keys("rooms")
        self._users = self._keys("users")
        self._shares = not self._has("config")
        server = self._found.server
        self._is_kept_equal = self._ours.read(lambda reader: read_keys(reader, place_of(server), server)).shares
        self._things = {**self._things, **self._ours.read(partial(_at_home_elsewhere, self._found.server))}
        names = {
            name for side in (self._ours, self._theirs) for name in side.read(lambda reader: reader.collections(""))
        }
        for collection in sorted(names):
            kind, room = parse_collection(collection)
            hidden = (kind in OF_ONE_SERVER or (kind == "files" and self._found.unseen)) and not self._has(collection)
            if kind in KINDS and not hidden and (not room or self._is_of_server("rooms", room)):
                self._compare(collection)
        self._found.declared = dict(sorted(self._counts.items()))
        return self._found

    def _has(self, collection: str) -> bool:
        """Tell whether the server showed anything of a collection."""
        return bool(self._theirs.read(lambda reader: reader.digest(collection).count))

    def _keys(self, collection: str) -> set[str]:
        return {record.key for record in living_records(self._theirs, collection)}

    # -- whose it is ------------------------------------------------------------------------------

    def _is_of_server(self, collection: str, key: str) -> bool:
        """Tell whether something here is of this server: a mirror may hold others' things as well."""
        server, kind = self._found.server, parse_collection(collection).kind
        if kind in ("rooms", "room-info"):
            return key in self._rooms or place_of_key(key) == server
        if kind in ("users", "bios", "inbox-rules", "visits", "user-settings"):
            user = key.partition(" ")[0].partition("@")[0]
            return user in self._users or place_of_key(user) == server
        if kind == "pictures":
            room, user = key.removeprefix(picture_of_room("")), key.removeprefix(picture_of_user(""))
            return self._is_of_server("rooms", room) if room != key else self._is_of_server("users", user)
        return True

    def _is_compared(self, record: Record) -> bool:
        """Tell whether something here is compared: of a server that shares things with others not all is told."""
        return self._is_of_server(record.collection, record.key) and not (self._shares and _is_every_servers(record))

    # -- one collection ---------------------------------------------------------------------------

    def _compare(self, collection: str) -> None:
        side = Compared(collection, 0, 0, "", "")
        sums = [0, 0]
        alone: list[dict[str, Fields]] = [{}, {}]
        visits = parse_collection(collection).kind == "visits"
        view = self._view(collection) if visits else None
        for key, here, there in self._pairs(collection):
            side.here += here is not None
            side.there += there is not None
            if visits:
                here, there = (said_by_visit(key, one or {}, view) or None for one in (here, there))
                if here is there is None:
                    continue
            if why := self._why_of_elsewhere(collection, key, here, there):
                self._things[collection, key] = why
            if here is None or there is None:
                alone[here is None][key] = (there if here is None else here) or {}
                continue
            self._note_fields(collection, key, here, there)
            own = {name for name in there.keys() - here.keys() if self._why_by_itself(collection, None, there[name])}
            for at, fields in enumerate((here, there)):
                said = {name: value for name, value in fields.items() if name not in own}
                sums[at] += self._sum(collection, key, said)
        self._compare_alone(collection, alone[0], alone[1], sums)
        side.digest_here, side.digest_there = (f"{one % _MODULUS:016x}" for one in sums)
        if side.here or side.there:
            self._found.collections.append(side)

    def _why_of_elsewhere(self, collection: str, key: str, here: Fields | None, there: Fields | None) -> str:
        """Return why a record that came from elsewhere may be another one there, or none; nothing where it may not."""
        if here is None or here == there:
            return ""
        if there is not None:
            is_written = self._was_written_there(collection, key, here, there) or self._is_as_agreed(collection, key)
            return AS_WRITTEN if is_written else ""
        record = self._ours.read(lambda reader: reader.get(collection, key))
        is_others = record is not None and record.origin != imported_origin(self._found.server)
        return STAYS if is_others and parse_collection(collection).kind == "user-settings" else ""

    def _was_written_there(self, collection: str, key: str, here: Fields, there: Fields) -> bool:
        """Tell whether a message came from elsewhere, as another server, and the server has what came of writing it.

        So has one to which the same mail came by itself, as the other one's is here.
        """
        kind = parse_collection(collection).kind
        if self._is_kept_equal and kind in (*SHOWN, INBOX_RULES):
            return self._shows_what_is_here(kind, key)
        if kind != "messages" or here == there:
            return False
        record = self._ours.read(lambda reader: reader.get(collection, key))
        is_own = record is not None and record.origin == imported_origin(self._found.server)
        if is_own and here.get(NUMBER) == there.get(NUMBER):
            return False
        return is_as_here(*self._bodies(collection, key))

    def _shows_what_is_here(self, collection: str, key: str) -> bool:
        """Tell whether a text, picture or inbox rules are as they are here, whoever made the message."""
        ours, theirs = self._bodies(collection, key)
        if collection == INBOX_RULES:
            return rule_lines(ours) == rule_lines(theirs) != []
        return shows_the_same(collection, ours, theirs)

    def _bodies(self, collection: str, key: str) -> tuple[bytes, bytes]:
        """Return what is here of something, and what is there."""
        ours = self._ours.read(lambda reader: _body(reader, collection, key))
        return ours, self._theirs.read(lambda reader: _body(reader, collection, key))

    def _is_as_agreed(self, collection: str, key: str) -> bool:
        """Tell whether a server has an item just as it was when both agreed on what is here."""
        place = place_of(self._found.server)
        ours, theirs = (side.read(lambda reader: reader.get(collection, key)) for side in (self._ours, self._theirs))
        said = self._ours.read(lambda reader: reader.statuses_of(place, collection, [key]))
        if ours is None or theirs is None or not is_item(theirs):
            return False
        now = self._theirs.read(lambda reader: fingerprints(theirs, reader.body))
        return any(one.base == base_of(ours) and not differing(one.said, now) for one in said)

    def _view(self, collection: str) -> object:
        """Return how the room of a collection is viewed by who does not choose a view."""
        room = self._theirs.read(lambda reader: reader.get("rooms", room_of(collection)))
        return values_of(room).get("QRdefaultview")

    def _pairs(self, collection: str) -> Iterator[tuple[str, Fields | None, Fields | None]]:
        """Yield the keys of both sides in order, with what each side has."""
        ours = (one for one in living_records(self._ours, collection) if self._is_compared(one))
        here, there = _told(self._ours, ours), _told(self._theirs, living_records(self._theirs, collection))
        one, other = next(here, None), next(there, None)
        while one is not None or other is not None:
            key = min(side[0] for side in (one, other) if side is not None)
            left = one[1] if one is not None and one[0] == key else None
            right = other[1] if other is not None and other[0] == key else None
            yield key, left, right
            one = next(here, None) if left is not None else one
            other = next(there, None) if right is not None else other
            self._done += 1
            self._progress(self._done)

    def _note_fields(self, collection: str, key: str, here: Fields, there: Fields) -> bool:
        """Note the fields that differ; tells whether all of these are declared."""
        noted = []
        for field in sorted(here.keys() | there.keys()):
            covered = field == BYTES and here.get(BODY) != there.get(BODY)
            if here.get(field) != there.get(field) and not covered:
                noted.append(self._note(collection, key, field, here.get(field), there.get(field)))
        return all(noted)

    def _compare_alone(
        self, collection: str, ours: dict[str, Fields], theirs: dict[str, Fields], sums: list[int]
    ) -> None:
        """Deal with what is on one side alone; of one message id the same text may be under another key there."""
        plain: dict[str, list[str]] = defaultdict(list)
        for key in theirs:
            plain[without_text(key)].append(key)
        for key, fields in sorted(ours.items()):
            twins = (one for one in plain[without_text(key)] if one in theirs and _same(fields, theirs[one]))
            if (twin := next(twins, None)) is not None:
                del theirs[twin]
                self._note(collection, key, KEY, key, twin)
            elif not self._note_alone(collection, key, fields, {}):
                sums[0] += self._sum(collection, key, fields)
        for key, fields in sorted(theirs.items()):
            if not self._note_alone(collection, key, {}, fields):
                sums[1] += self._sum(collection, key, fields)

    def _note_alone(self, collection: str, key: str, here: Fields, there: Fields) -> bool:
        """Note a record of one side alone, a visit field by field; tells whether that is declared."""
        if parse_collection(collection).kind == "visits" and not self._why(collection, key, WHOLE):
            return self._note_fields(collection, key, here, there)
        return self._note(collection, key, WHOLE, _shown(here) if here else None, _shown(there) if there else None)

    def _note(self, collection: str, key: str, field: str, here: Any, there: Any) -> bool:
        """Note a difference; tells whether it is declared."""
        why = self._why(collection, key, field) or self._why_by_itself(collection, here, there)
        one = Difference(collection, key, field, _text(here), _text(there), why)
        told = self._found.told if why else self._found.differences
        if len(told) < MAX_TOLD:
            told.append(one)
        if why:
            self._counts[why] += 1
        else:
            self._found.undeclared += 1
        return bool(why)

    def _why(self, collection: str, key: str, field: str) -> str:
        if parse_collection(collection).kind == "visits" and key.partition("@")[0].endswith(OF_SERVER_ITSELF):
            return BY_NOBODY
        if (collection, key) in self._things:
            return self._things[collection, key]
        one = declaration(collection, field, self._declared)
        if one is None and self._is_kept_equal:
            return why_otherwise(self._found.server, collection, key, field)
        return one.why if one is not None else ""

    def _why_by_itself(self, collection: str, here: Any, there: Any) -> str:
        """Return why something that is only there is none: a new server has it, or fills it in."""
        if not self._made_anew or here is not None:
            return ""
        return BY_ITSELF if parse_collection(collection).kind in MADE_BY_ITSELF or there in UNSET else ""

    def _sum(self, collection: str, key: str, fields: Fields) -> int:
        """Return what a record adds to a digest: of fields that may differ nothing."""
        said = sorted((name, str(value)) for name, value in fields.items() if not self._why(collection, key, name))
        digest = hashlib.blake2b(repr((key, said)).encode(), digest_size=_DIGEST_BYTES).digest()
        return int.from_bytes(digest, "big")


def _at_home_elsewhere(server: str, reader: Reader) -> dict[tuple[str, str], str]:
    """Return the lines of rooms, and users' inbox rules, that are in force on another server than this one."""
    elsewhere = [thing for thing, home in read_homes(reader) if home.place != place_of(server)]
    lines = {(str(Collection("netconf", key)), NETCONF_KEY): AT_HOME for kind, key in elsewhere if kind == ROOMS}
    return {**lines, **{(INBOX_RULES, key): RULES_AT_HOME for kind, key in elsewhere if kind == USERS}}


# -- what is compared of a record -----------------------------------------------------------------------


def _is_every_servers(record: Record) -> bool:
    """Tell whether something is what each server has as well: itself as a user, places for floors that it lacks."""
    if record.collection == "floors":
        return not values_of(record).get("f_name")
    return record.collection == "users" and record.key.endswith(OF_SERVER_ITSELF)


def _body(reader: Reader, collection: str, key: str) -> bytes:
    record = reader.get(collection, key)
    return reader.body(record) if record is not None else b""


def _told(reading: Reading, records: Iterable[Record]) -> Iterator[tuple[str, Fields]]:
    return ((record.key, _fields(reading, record)) for record in records)


def _fields(reading: Reading, record: Record) -> dict[str, Any]:
    kind = parse_collection(record.collection).kind
    if kind_of(record.collection).rule is MergeRule.FIELDS:
        return values_of(record)
    body = reading.read(lambda reader: reader.body(record))
    if kind == "netconf":
        return {BODY: _digest(replace_lines(body, lambda line: line.kind == LAST_SENT))}
    if kind in ("room-info", "pictures"):
        return {BODY: _digest(_shown_text(body))}  # whoever wrote it, and when
    if kind in HOLD_MESSAGES or kind == "orphans":
        head = {name: value for name, value in unpack_head(record.head).items() if name.startswith("msg_")}
        return {**head, BODY: _digest(canonical_text(body)), BYTES: _digest(body)}
    return {**unpack_head(record.head), BODY: _digest(body)}


def _shown_text(body: bytes) -> bytes:
    try:
        return parse_message(body).get("M").replace(b"\r", b"").rstrip(b"\n")
    except BadMessage:
        return body


def _digest(body: bytes) -> str:
    return f"{len(body)} bytes, SHA-256 {hashlib.sha256(body).hexdigest()[:16]}"


def _same(one: Fields, other: Fields) -> bool:
    """Tell whether two records say the same, if not in the same bytes."""
    return {**one, BYTES: ""} == {**other, BYTES: ""}


def _shown(fields: Fields) -> str:
    told = (f"{name}={str(value)[:40]}" for name, value in list(fields.items())[:4])
    return ", ".join(told) or "there"


def _text(value: Any) -> str:
    return "nothing" if value is None else str(value)[: 4 * _SHOWN]
