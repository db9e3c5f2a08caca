"""Names of collections, and which merge rule each kind of them follows: the one table of types.

A collection is named after its kind alone (``users``) or after its kind and a room (``messages/R``).
A kind that this version doesn't know is opaque: kept, served and passed on unread, newest version wins.
"""

import enum
import re
from functools import lru_cache
from typing import NamedTuple

from mirror.model.errors import BadRecord


class Collection(NamedTuple):
    """A collection's name, taken apart: its kind, and the room's key where there is one for each room."""

    kind: str
    room: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.room}" if self.room else self.kind


@lru_cache(maxsize=65_536)
def parse_collection(name: str) -> Collection:
    """Take a collection's name apart.  Any text can be: ``check_collection`` tells whether it is a name."""
    kind, _, room = name.partition("/")
    return Collection(kind, room)


class MergeRule(enum.Enum):
    """How two versions of one record become one; see mirror.model.merge."""

    FIELDS = "last writer wins, field by field"
    MESSAGES = "a set: immutable messages; items by iCalendar order"
    NEWEST = "last writer wins, record by record"


class Kind(NamedTuple):
    """One kind of collection: its name, whether there is one per room, its rule, what it holds."""

    name: str
    per_room: bool
    rule: MergeRule
    holds: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("config", False, MergeRule.FIELDS, "the server's settings, one record a key"),
        Kind("floors", False, MergeRule.FIELDS, "floors"),
        Kind("users", False, MergeRule.FIELDS, "users with their passwords as the server holds them"),
        Kind("rooms", False, MergeRule.FIELDS, "rooms and mailboxes"),
        Kind("killed-rooms", False, MergeRule.FIELDS, "what deleted rooms were, so that they can be restored"),
        Kind("pictures", False, MergeRule.NEWEST, "pictures of users and rooms"),
        Kind("bios", False, MergeRule.NEWEST, "users' texts about themselves"),
        Kind("room-info", False, MergeRule.NEWEST, "rooms' descriptions"),
        Kind("system-messages", False, MergeRule.NEWEST, "log in, log out and other system messages"),
        Kind("inbox-rules", False, MergeRule.NEWEST, "users' rules for incoming mail"),
        Kind("user-settings", False, MergeRule.NEWEST, "users' own vCards, and what their programs keep for them"),
        Kind("orphans", False, MergeRule.MESSAGES, "messages that an export holds but no room lists"),
        Kind("nodes", False, MergeRule.NEWEST, "each node's sign of life, and up to when tombstones are dropped"),
        Kind("places", False, MergeRule.NEWEST, "which node follows which Citadel server"),
        Kind("pairs", False, MergeRule.NEWEST, "which users, rooms and floors of a Citadel server are which here"),
        Kind("homes", False, MergeRule.NEWEST, "on which Citadel server lists, feeds and inbox rules are in force"),
        Kind("messages", True, MergeRule.MESSAGES, "a room's messages, calendar and contact items"),
        Kind("visits", True, MergeRule.FIELDS, "each user's relation to a room, read and answered marks"),
        Kind("files", True, MergeRule.NEWEST, "a room's files"),
        Kind("netconf", True, MergeRule.NEWEST, "a room's network configuration"),
    )
}
OPAQUE = Kind("opaque", True, MergeRule.NEWEST, "what a newer node sent and this one doesn't know")
NODES = "nodes"
HORIZON_KEY = "*"
"""Key, among the nodes, of the record whose stamp is the horizon: older tombstones are dropped everywhere."""
ITEM_PREFIX = "euid:"
"""Keys of messages that carry an exclusive id, and so replace each other, begin with this."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}(/[^\x00-\x1f|/\x7f]{1,255})?")


def kind_of(collection: str) -> Kind:
    """Return the kind of a collection by its name."""
    return KINDS.get(parse_collection(collection).kind, OPAQUE)


def check_collection(name: str) -> None:
    """Raise BadRecord unless ``name`` can name a collection."""
    if not _NAME.fullmatch(name):
        raise BadRecord(f"{name[:80]!r} names no collection (a kind, or kind/room)")
    kind = KINDS.get(parse_collection(name).kind)
    if kind is not None and kind.per_room != ("/" in name):
        form = f"{kind.name}/ROOM" if kind.per_room else kind.name
        raise BadRecord(f"{name[:80]!r} names no collection: {kind.name} is written {form}")


def names_one(name: str) -> bool:
    """Tell whether a name is that of one collection: of a kind kept once, or of a room's."""
    kind = KINDS.get(name)
    return "/" in name or (kind is not None and not kind.per_room)


def room_of(collection: str) -> str:
    """Return the room id in a collection's name, or an empty string."""
    return parse_collection(collection).room
