"""The rules in force, as they stand in the rooms' own network configurations in a store.

All mirrors of a server have them; a node obeys those that name a peer of its own which is configured to share.  What
came from an export stays a proposal until it is confirmed.  Knows neither time nor what the rules let through.
"""

from collections.abc import Iterable

import msgspec

from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX, number_of, shown_names
from mirror.model.errors import BadRecord
from mirror.model.fields import Value
from mirror.model.kinds import Collection, parse_collection, room_of
from mirror.model.record import Record, unpack_head
from mirror.store.base import Reader
from mirror.sync.share.pairs import counted_mark
from mirror.sync.share.policy import ShareScope, mark_of, shows_whole
from mirror.wire.values import SharedRoom
from netconf.errors import NetconfError
from netconf.lines import LAST_SENT, MAX_BYTES
from netconf.rules import Rule, check, read_rules

NETCONF = "netconf"
"""The kind of collections that hold a room's network configuration."""
NETCONF_KEY = "netconf"
"""Key, in a room's collection ``netconf/R``, of the record that holds its lines."""
PROPOSED = "proposed"
"""In the head of such a record: it came from an export and was not confirmed."""
LAST_SENT_HEAD = "last_sent"
"""In the head of a proposal with IGNET's lines: up to which number its server had sent the room when it was asked."""


class Shares(msgspec.Struct):
    """All rooms shared with one peer, and their rules by the rooms' keys."""

    rooms: list[SharedRoom] = []
    rules: dict[str, Rule] = {}

    @property
    def scope(self) -> ShareScope:
        return ShareScope(self.rules)


def check_netconf(body: bytes) -> None:
    """Raise BadRecord, naming all that is wrong, unless a room's lines can be obeyed."""
    problems = check(body)
    if problems:
        raise BadRecord("; ".join(str(problem) for problem in problems[:5]))


def is_proposed(record: Record) -> bool:
    """Tell whether a room's lines were imported and never confirmed."""
    return record.origin.startswith("citadel:") or bool(unpack_head(record.head).get(PROPOSED))


def lines_to_confirm(record: Record, body: bytes) -> bytes:
    """Return a record's lines as they are put in force: of a proposal, IGNET's begin where its server had got to."""
    last_sent = number_of(unpack_head(record.head), LAST_SENT_HEAD) if is_proposed(record) else 0
    return b"%s|%d\n%s" % (LAST_SENT.encode(), last_sent, body) if last_sent > 0 else body


def may_share(values: dict[str, Value]) -> bool:
    """Tell whether a room, by its fields, can be shared: it is in use and nobody's mailbox."""
    flags = number_of(values, "QRflags")
    return bool(flags & ROOM_IN_USE) and not flags & ROOM_MAILBOX


def room_lines(reader: Reader, room: str) -> Record | None:
    """Return the record that holds a room's lines, if there is one."""
    record = reader.get(str(Collection(NETCONF, room)), NETCONF_KEY)
    return None if record is None or record.dead else record


def room_rules(reader: Reader, room: str) -> list[Rule]:
    """Return the confirmed rules of a room.  Raises NetconfError."""
    record = room_lines(reader, room)
    if record is None or is_proposed(record):
        return []
    if record.size > MAX_BYTES:
        raise NetconfError(1, "all", f"{record.size} bytes", f"a room's configuration has at most {MAX_BYTES}")
    return read_rules(reader.body(record))


def read_shares(reader: Reader, peers: Iterable[str]) -> tuple[dict[str, Shares], list[str]]:
    """Return what is shared with each of these peers, and a line for each room whose lines cannot be obeyed."""
    found = {peer: Shares() for peer in peers}
    problems: list[str] = []
    if not found:
        return found, problems
    names, coming_again = shown_names(reader.scan_all("rooms")), reader.coming_again()
    for collection in reader.collections(f"{NETCONF}/"):
        room = room_of(collection)
        try:
            rules = room_rules(reader, room)
        except NetconfError as error:
            problems.append(str(error.in_room(names.get(room, room))))
            continue
        for rule in rules:
            if rule.node in found and room in names:  # no mailbox, nor a room that is gone
                found[rule.node].rules[room] = rule
                shared = _shared(room, names[room], rule, coming_again.get(rule.node, 0))
                found[rule.node].rooms.append(shared)
    return found, problems


def _shared(room: str, name: str, rule: Rule, times: int) -> SharedRoom:
    mark = counted_mark(mark_of(rule), times)
    return SharedRoom(room, name, rule.remote, rule.pushes, rule.pulls, rule.what, mark, shows_whole(rule))


class Watched:
    """Finds out, commit by commit, whether what is shared may be another than it was."""

    def __init__(self) -> None:
        self._sequence = 0
        self._coming_again: dict[str, int] = {}

    def begin(self, reader: Reader) -> None:
        """Take what is in a store now as known."""
        self._sequence, self._coming_again = reader.last_sequence(), reader.coming_again()

    def has_changed(self, reader: Reader) -> bool:
        """Tell whether rooms or their lines were written since, or something that was set aside is to come again."""
        before, self._coming_again = self._coming_again, reader.coming_again()
        changed, self._sequence = reader.changed_collections(self._sequence)
        return before != self._coming_again or any(parse_collection(one).kind in ("rooms", NETCONF) for one in changed)
