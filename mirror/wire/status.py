"""What a node tells its administrator, one JSON object a line: each value's fields are the object's, in their order.

Moments named ``_ms`` are Unix milliseconds, others of floating point Unix seconds.
"""

import json
from typing import Any, TypeVar

import msgspec

from mirror.wire.errors import ProtocolError

T = TypeVar("T")


LIVE = "live"
"""The phase of a link over which changes come as they are made."""


class LinkStatus(msgspec.Struct):
    """How the link to one peer is, and what it did so far; moments are in Unix seconds."""

    peer: str
    address: str
    phase: str = "waiting"
    since: float = 0.0
    error: str = ""
    failures: int = 0
    pulled: int = 0
    pushed: int = 0
    conflicts: int = 0
    reconciled: float = 0.0
    last_change: float = 0.0
    notes: list[str] = []
    heard: float = 0.0
    """When its last page came, or a sign that it lives."""
    left: int = -1
    """How many records of its feed are still to come, at most; -1 where it has not told that on this connection."""
    caught_up: float = 0.0
    """When none was to come."""
    given: int = -1
    """Up to where our feed was given to it, -1 where it fetches that itself or nothing was given yet."""
    gave_all: float = 0.0
    """When all of ours had been given."""


DIALLED, DIALS, THIRD = "we dial it", "it dials us", "through others"
"""How a node is known."""


class KnownNode(msgspec.Struct):
    """A node that this one knows: who dials, what it is at now, when it was last heard of (Unix seconds).

    ``behind`` is how many records one of the two still has to get from the other, at most; -1 where that is not known,
    as long as it is away.  ``lag_s`` is for how many seconds it may lack something, or we of it; -1 for one that was
    never heard of.
    """

    name: str
    how: str
    kind: str = ""
    now: str = ""
    seen: float = 0.0
    behind: int = -1
    lag_s: float = 0.0
    error: str = ""


class SessionStatus(msgspec.Struct):
    """Who is logged in: a kind of party (peer, share, user, admin) and its name."""

    kind: str
    name: str


class HeldStatus(msgspec.Struct):
    """Deletions that wait until somebody accepts them: how many of how many of a collection."""

    collection: str
    gone: int
    told: int


class MatchStatus(msgspec.Struct):
    """One thing of a server and one here, of one ``kind``: their names and keys, and why they are one, or are not."""

    kind: str
    there: str
    here: str
    number: int
    key: str
    why: str


class PairingStatus(msgspec.Struct):
    """How a server is paired with what is here: what is one, what has one name and stays two.

    By kind, how much only the server has, which comes here, and how much only is here; and the first names of that.
    """

    pairs: list[MatchStatus]
    alike: list[MatchStatus]
    only_there: dict[str, int]
    only_here: dict[str, int]
    names_there: dict[str, list[str]] = {}
    names_here: dict[str, list[str]] = {}


class AttachmentStatus(msgspec.Struct):
    """How it is with a Citadel server that this node follows; moments are in Unix seconds, 0 for never.

    ``phase`` is where the work stands since ``since``: waiting between two tries (for ``error``, after so many
    ``failures`` in a row), paused, not running where no daemon does, else what it is at.
    """

    name: str
    place: str
    rooms: list[str]
    direction: str
    expiry: str
    phase: str = "not running"
    since: float = 0.0
    error: str = ""
    failures: int = 0
    paused: bool = False
    server: str = ""
    """The server's node name, once it told it."""
    connected: float = 0.0
    looked: float = 0.0
    """As of when all is here but what an export alone tells."""
    lag_s: float = 0.0
    """Seconds since then, when this was told."""
    exported: float = 0.0
    """When the last look at its export began, since it is connected: as of then all is here that an export tells."""
    whole: float = 0.0
    """When the last look at all that the server has began."""
    marks: float = 0.0
    """As of when all read marks are here; 0 where none are asked for, or not all were yet."""
    behind: bool = False
    """Whether something is known to have changed there that is not here yet."""
    held: list[HeldStatus] = []
    waiting: list[str] = []
    """In words, what these deletions would delete; of very much the first."""
    noticed: list[str] = []
    """What was not quite as it should be in what the server says, as marks that it cut; of very much the first."""
    incomplete: str = ""
    """Why what is here is not all that can be seen; nothing where it is."""
    another: str = ""
    """Why it was taken for another server than before and paired anew, when that last happened."""
    written: int = 0
    """Records written since this node follows the server, those that were deleted included."""
    deleted: int = 0
    looks: int = 0
    """Since it is connected, as what follows."""
    exports: int = 0
    commands: int = 0
    notes: list[str] = []
    """What cannot be seen by this door, a line each."""
    pairing: PairingStatus | None = None
    """How the server will be paired, while that waits to be approved."""
    written_there: int = 0
    """Things made, changed, moved or deleted there since this node follows the server."""
    left_there: list[str] = []
    """What is not written there, and why; the last."""
    not_written: list[str] = []
    """What is never written there, where anything is, and why, a line each."""
    held_there: dict[str, int] = {}
    """By collection, very many deletions that wait to be written there."""
    behind_there: bool = False
    """Whether something is known to be written there with the next looks."""


class RehearsalStatus(msgspec.Struct):
    """What following a Citadel server would do at first: by element, what it has, and what becomes of the records."""

    server: str
    elements: dict[str, int]
    written: int
    already_held: int
    conflicts: int
    deleted: int
    held: list[HeldStatus]
    incomplete: str
    gone: list[str] = []
    """In words, what would be deleted or held back; of very much the first."""
    pairing: PairingStatus | None = None
    """How it would be paired, where that was asked."""


class ActingStatus(msgspec.Struct):
    """What acts of a room or user (``kind`` is ``rooms`` or ``users``), and on which server that is in force.

    ``home`` is that server's name in the records, nothing where nobody said so; ``waits``, where it is to be in force
    on the server that was asked about and is not yet.  ``mark`` stands for all of that.
    """

    kind: str
    key: str
    name: str
    home: str
    lines: list[str]
    waits: bool
    mark: str


class ClaimStatus(msgspec.Struct):
    """That a node of the network follows a Citadel server; ``since`` and ``heard`` (its last sign of life) are stamps.

    ``place`` is the server's name in the records, ``name`` what the attachment is called there, ``door`` its URL.
    """

    place: str
    node: str
    name: str
    door: str
    since: int
    heard: int = 0


class NodeStatus(msgspec.Struct):
    """A node, its store, who is connected, and its links; ``digest`` is hexadecimal, ``newest`` a stamp."""

    node: str
    epoch: str
    sequence: int
    records: int
    newest: int
    digest: str
    mode: str
    holder: str
    uptime_s: int
    addresses: list[str]
    conflicts: int
    sessions: list[SessionStatus]
    links: list[LinkStatus]
    aside: dict[str, int] = {}
    """By peer, how many of its records were set aside."""
    clock: list[str] = []
    """What is wrong with this node's clock or a peer's, a line each."""
    copying: list[str] = []
    """The nodes of whose data a part alone is here, since the copy of it is not at its end."""
    twins: list[str] = []
    """What was noticed lately of nodes that have one name, a line each."""
    attachments: list[AttachmentStatus] = []
    running: bool = False
    """Whether a daemon answers, and no command that opened the store by itself."""
    nodes: list[KnownNode] = []
    """All other nodes that are known, by name."""


class PeerClock(msgspec.Struct):
    """What a peer's clock said, and what this node's said then (Unix milliseconds)."""

    peer: str
    theirs_ms: int
    ours_ms: int


class ClockStatus(msgspec.Struct):
    """This machine's clock and its witnesses: when the store was last written, the peers.

    ``doubt`` says why nothing is written.  Stamps beyond ``limit`` lie ahead; by collection, how many records do.
    """

    now_ms: int
    committed_ms: int
    newest: int
    limit: int
    doubt: str
    peers: list[PeerClock]
    ahead: dict[str, int]


class AsideStatus(msgspec.Struct):
    """A record of a peer that was set aside: what it is, and why; ``data`` is its MessagePack in base64.

    ``due_ms`` is when it is tried again, 0 for after an upgrade; ``own_stamp`` and ``own_crc`` are of
    what is held here under its key.
    """

    peer: str
    collection: str
    key: str
    stamp: int
    crc: str
    reason: str
    noticed_ms: int
    due_ms: int
    size: int
    own_stamp: int = 0
    own_crc: str = ""
    data: str = ""


class WinnerStatus(msgspec.Struct):
    """The version that won."""

    stamp: int
    origin: str


class ConflictStatus(msgspec.Struct):
    """A version that lost to one which had not seen it: what it is, in words, and what is kept ``now``.

    ``loser`` and ``now`` are records in their readable form, ``text`` what a lost message says.
    """

    number: int
    what: str
    noticed_ms: int
    restored_ms: int
    winner: WinnerStatus
    loser: dict[str, Any]
    text: str | None
    now: dict[str, Any] | None


class RuleStatus(msgspec.Struct):
    """One rule of a room's network configuration: with which ``node`` it is shared, and how."""

    node: str
    remote: str
    direction: str
    what: list[str]
    line: str


class RoomStatus(msgspec.Struct):
    """What a room's network configuration says; ``mtime`` is its stamp, ``proposed`` that nobody has confirmed it."""

    key: str
    proposed: bool
    problems: list[str]
    rules: list[RuleStatus]
    mtime: int


class PairStatus(msgspec.Struct):
    """A room ``here`` and the one at a peer that it belongs together with; what flows, and what can be read there."""

    here: str
    key: str
    name: str
    pulled: list[str]
    pushed: list[str]
    readable: list[str]
    whole: bool


class SharingStatus(msgspec.Struct):
    """All rooms that have lines; by peer what an administrator should know, and pairs by the keys of the rooms here."""

    rooms: list[RoomStatus]
    peers: dict[str, list[str]]
    paired: dict[str, dict[str, PairStatus]]


class DifferenceStatus(msgspec.Struct):
    """The first keys of one collection that are on one side only, or of which the sides hold different versions."""

    only_here: list[str]
    only_there: list[str]
    versions_differ: list[str]


class RoomComparison(msgspec.Struct):
    """One kind of thing in one shared room: how many records were compared, and the keys of those that differ.

    ``missing`` should have come here, ``unsent`` gone there; what just the rules keep on one side is neither.
    """

    room: str
    there: str
    what: str
    records: int
    missing: list[str]
    unsent: list[str]

    @property
    def equal(self) -> bool:
        return not (self.missing or self.unsent)


class ComparisonStatus(msgspec.Struct):
    """What came of comparing two nodes, as the node ``here`` has it; digests are as ``model.digest`` writes them.

    Of mirrors ``collections`` were compared, so many: those that differ have their digests here and there, the first
    of them the records, too.  Of others the ``rooms`` that they share.
    """

    here: str
    there: str
    told_by: str
    """Which of the two compared."""
    digests: tuple[str, str] = ("", "")
    collections: int = 0
    differing: dict[str, tuple[str, str]] = {}
    records: dict[str, DifferenceStatus] = {}
    aside: int = 0
    """How many records of the other one are set aside where they were compared: but for those they may be equal."""
    rooms: list[RoomComparison] = []

    @property
    def equal(self) -> bool:
        return not self.differing and all(room.equal for room in self.rooms)

    def turned(self) -> "ComparisonStatus":
        """Return the same as the other node has it."""
        return ComparisonStatus(
            self.there,
            self.here,
            self.told_by,
            (self.digests[1], self.digests[0]),
            self.collections,
            {name: (there, here) for name, (here, there) in self.differing.items()},
            {
                name: DifferenceStatus(one.only_there, one.only_here, one.versions_differ)
                for name, one in self.records.items()
            },
            self.aside,
            [RoomComparison(one.there, one.room, one.what, one.records, one.unsent, one.missing) for one in self.rooms],
        )


class PreviewCount(msgspec.Struct):
    """How many records a room's new lines would ``send`` to a peer besides what it gets now, stop, and keep sending."""

    peer: str
    sends: int
    stops: int
    keeps: int


def format_json(value: msgspec.Struct) -> str:
    """Return a value as one line of JSON, in ASCII."""
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=True)


def parse_json(line: str, type_: type[T]) -> T:
    """Read a line of JSON; fields that this version does not know are passed over.  Raises ProtocolError."""
    try:
        return msgspec.json.decode(line.encode("utf-8", "surrogatepass"), type=type_)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError(f"{line[:60]!r} where {type_.__name__} was expected: {error}") from None
