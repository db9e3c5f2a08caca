"""What nodes tell each other, as values: a state, pages of records, parts of contents, shared rooms, who is who.

The engine speaks in these; how they stand on the wire is beside them in this package.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from mirror.model.digest import Digest
from mirror.model.keys import compared
from mirror.model.record import Record
from mirror.wire.cursors import Cursor, Listed, Range

if TYPE_CHECKING:
    from mirror.model.judge import Unfit

FIND = "find"
"""Capability: rooms and users are found by name."""
ROOMS = "rooms"
"""Capability: a user's client is told of rooms, and reads within views."""
FOLDERS = "folders"
"""Capability: users change rooms of their own, and move messages as one act."""
VERSIONS = "versions"
"""Capability: who offers drafts may hear of each what is there now."""
DRAFTS_BASE = "drafts-base"
"""The capability of a node to which drafts may name the version that they were made from."""


PROTOCOL = 2
"""The protocol that this version speaks between nodes: what is sent, what is taken, and what merging makes of it.

Two nodes that merge by different rules would make different bytes of the same two versions, and flip each other for
ever; so nodes of different numbers exchange nothing."""
OLDEST_PROTOCOL = 1
"""What a node speaks that tells no number."""


class Identity(NamedTuple):
    """Which one a node is of those that may have its name: what no copy of it says.

    ``instance`` is random, made when its daemon started and never stored.  Then come its store's epoch and the end of
    its feed, the origin under which it writes, and the stamp of its last sign of life.  Who tells none is all empty.
    """

    instance: str = ""
    epoch: str = ""
    sequence: int = 0
    origin: str = ""
    sign: int = 0


class ServerInfo(NamedTuple):
    """What a node tells everybody of itself; ``time_ms`` is Unix milliseconds by its clock.

    ``protocol`` is 0 and ``time_ms`` too where it did not say; ``epoch`` is told to those who are logged in,
    ``identity`` to the administrator.
    """

    node: str
    software: str = ""
    protocol: int = 0
    capabilities: tuple[str, ...] = ()
    tls: bool = False
    mode: str = ""
    time_ms: int = 0
    epoch: str = ""
    identity: Identity = Identity()


class Greeting(NamedTuple):
    """What a node says of itself to a peer that has proved itself.

    ``dials`` is whether it dials that peer too, ``kind`` what the peer is to it: ``mirror`` or ``share``.
    """

    node: str
    epoch: str
    dials: bool
    kind: str
    identity: Identity = Identity()


class LoggedIn(NamedTuple):
    """What a user is told after logging in: the name, the user's key, how many rooms are open."""

    name: str
    user_key: str
    rooms: int


class Entered(NamedTuple):
    """The room that a user has entered; ``aide`` is whether the user administers it."""

    name: str
    room_key: str
    aide: bool


class ServerTime(NamedTuple):
    """A node's clock: Unix seconds now, seconds east of UTC, whether it is summer time, when the daemon began."""

    now_s: int
    offset_s: int
    summer: int
    """1, 0, or -1 where nobody knows."""
    started_s: int


class State(NamedTuple):
    """A node's state: the end of its feed, the digest of all that is shared, and each collection's.

    ``collections`` is None when the digest was the one the asker already knew.
    """

    node: str
    epoch: str
    sequence: int
    digest: Digest
    collections: dict[str, Digest] | None
    horizon: int = 0
    """The stamp before which it has dropped its tombstones."""
    partial: str = ""
    """Whose data it holds a part of alone, since copying that is not at its end: names with blanks between."""

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.epoch, self.sequence)


class Page(NamedTuple):
    """Records with their CRCs, and how far in the feed they reach (None outside the feed)."""

    records: list[Record]
    crcs: list[int]
    cursor: Cursor | None = None
    trimmed: int = 0
    """Up to where the feed has lost tombstones since; not told on the wire."""
    unfit: "tuple[Unfit, ...]" = ()
    """What came with them and cannot be taken; never sent on."""
    left: int = -1
    """How many records follow in the feed, at most; -1 where that was not told."""

    def only(self, keeps: Callable[[Record], bool]) -> "Page":
        """Return the page with just the records for which ``keeps`` says so; it reaches as far as before."""
        pairs = [pair for pair in zip(self.records, self.crcs, strict=True) if keeps(pair[0])]
        return self._replace(records=[record for record, _ in pairs], crcs=[crc for _, crc in pairs])

    def by_key(self) -> dict[str, Record]:
        """Return the records of a page of one collection by their keys."""
        return {record.key: record for record in self.records}


class ContentPart(NamedTuple):
    """A part of a content: ``data`` at ``offset`` of ``size`` bytes."""

    content: bytes
    offset: int
    size: int
    data: bytes


Answer = Range | Listed
Offered = Page | ContentPart


class SharedRoom(NamedTuple):
    """A room as one side shares it with the other.  ``remote`` is its name there, empty where it is the same.

    ``mark`` changes when the rule does; ``whole`` is whether all of the room's messages and files are shown.
    """

    key: str
    name: str
    remote: str
    pushes: bool
    pulls: bool
    what: frozenset[str]
    mark: str = ""
    whole: bool = True

    def points_at(self, other: "SharedRoom") -> bool:
        return compared(self.remote) == compared(other.name)


class ListedRoom(NamedTuple):
    """A room that a user may enter: its key, the name under which it is shown to the user, and its default view.

    ``replies`` is whether the user may post at least what replies to something that is there.
    """

    key: str
    name: str
    view: int
    own: bool
    writable: bool
    replies: bool
    aide: bool


OPENED, CHANGED, RENAMED, CLOSED, REMOVED = "opened", "changed", "renamed", "closed", "removed"
"""What may become of a room, as who may enter it is told: of those that are closed or removed the key alone."""


class RoomEvent(msgspec.Struct, array_like=True, frozen=True):
    """What became of a room, and how it is listed now."""

    what: str
    key: str
    name: str = ""
    view: int = 0
    own: bool = False
    writable: bool = False
    replies: bool = False
    aide: bool = False

    @classmethod
    def of(cls, what: str, room: ListedRoom) -> "RoomEvent":
        return cls(what, *room)

    @property
    def room(self) -> ListedRoom:
        return ListedRoom(self.key, self.name, self.view, self.own, self.writable, self.replies, self.aide)


class RoomsTold(NamedTuple):
    """How a list of rooms differs from the one that a client holds, or (``whole``) all of it.

    ``token`` is that of the list as it is now; ``everything`` as in it.  With ``more`` it is a page of what is told,
    which the next one goes on with, and the token is none yet.
    """

    events: list[RoomEvent]
    token: int
    whole: bool = False
    everything: bool = False
    more: bool = False

    def going_on(self, page: "RoomsTold") -> "RoomsTold":
        """Return this together with the page that follows."""
        return page._replace(events=self.events + page.events, whole=self.whole)


class Held(NamedTuple):
    """The version that is there of something: its stamp, origin and CRC-64."""

    stamp: int
    origin: str
    crc: int


class CheckResult(NamedTuple):
    """What checking a store found: how many records and contents, and one line for everything that is wrong."""

    records: int
    contents: int
    problems: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()
    """A line for every record that was written anew before."""
