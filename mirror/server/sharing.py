"""What this node shares with whom: the rooms' rules as scopes, and who is told when they change.

Rules stand in the rooms' own network configurations, so all mirrors of a server have them; a node obeys those that name
a peer of its own which is configured to share.  What came from an export stays a proposal until it is confirmed.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import Any

import gevent
from gevent.event import Event

from mirror.formats.errors import BadMessage
from mirror.formats.message import Message, parse_message
from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX, number_of, shown_names
from mirror.model.errors import BadRecord, MirrorError
from mirror.model.fields import Field, pack_fields, unpack_fields
from mirror.model.record import Record, unpack_head
from mirror.model.stamp import stamp_ms
from mirror.store.base import Reader, Store
from mirror.sync.remote import Denied
from mirror.sync.scope import Text
from mirror.sync.share import COLLECTIONS, settings_of
from mirror.wire.values import SharedRoom
from netconf.errors import NetconfError
from netconf.lines import MAX_BYTES
from netconf.rules import DELETIONS, FILES, MARKS, SETTINGS, Rule, check, read_rules
from netconf.selection import Facts

log = logging.getLogger("mirror.sharing")

NETCONF_KEY = "netconf"
"""Key, in a room's collection ``netconf/R``, of the record that holds its lines."""
PROPOSED = "proposed"
"""In the head of such a record: it came from an export and was not confirmed."""
SETTING_FIELDS = ("QRdefaultview", "QRexpire_mode", "QRexpire_value", "QRorder", "QRflags2")
"""The fields of a room that are shared as its settings.  Its name, floor, access and numbers are each side's own."""
_WHAT_OF = {kind: what for what, kind in COLLECTIONS.items()}


def check_netconf(body: bytes) -> None:
    """Raise BadRecord, naming all that is wrong, unless a room's lines can be obeyed."""
    problems = check(body)
    if problems:
        raise BadRecord("; ".join(str(problem) for problem in problems[:5]))


def is_proposed(record: Record) -> bool:
    """Tell whether a room's lines were imported and never confirmed."""
    return record.origin.startswith("citadel:") or bool(unpack_head(record.head).get(PROPOSED))


# -- judging records ----------------------------------------------------------------------------------


def facts_of(record: Record, text: bytes) -> Facts:
    """Return what a rule's filters may ask of a message."""
    number = str(unpack_head(record.head).get("msg_msgnum", "0")) if record.head else "0"
    size = record.size or len(record.body)
    facts = Facts(stamp_ms(record.stamp), size, int(number) if number.isdigit() else 0)
    try:
        message = parse_message(text)
    except BadMessage:
        return facts
    return facts._replace(
        author=message.text("A"),
        address=message.text("F"),
        subject=message.text("U"),
        header=lambda name: _header(message, name),
    )


_FIELD_OF = {"from": "AF", "to": "R", "cc": "Y", "subject": "U", "message-id": "I", "list-id": "L", "reply-to": "K"}


def _header(message: Message, name: str) -> list[str]:
    """Return the values of a header: of the MIME part in the text, and of Citadel's field for it."""
    values = [message.text(letter) for letter in _FIELD_OF.get(name, "") if message.get(letter)]
    if message.format == 4:
        head = message.get("M").replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        parsed = BytesHeaderParser(policy=compat32).parsebytes(head + b"\n\n")
        values += [str(value) for value in parsed.get_all(name, [])]
    return values


def lets(rule: Rule, record: Record, text: Text, asked: bool = False) -> bool:
    """Tell whether a rule lets a version through, direction aside.

    Of what is deleted nothing can be read any more.  So where more than time selects, its deletion is told just
    to who ``asked`` for the key; else it would tell of messages that were never shared.
    """
    what = _WHAT_OF.get(record.collection.partition("/")[0], SETTINGS)
    selection = rule.selection
    if what not in rule.what:
        return False
    if what == MARKS:
        return " " in record.key
    if record.dead:
        if DELETIONS not in rule.what:
            return False
        return asked or selection.all or (selection.by_time_alone and stamp_ms(record.born) >= selection.since_ms)
    if selection.all or what == SETTINGS:
        return True
    if what == FILES:
        selection = selection._replace(author="", subject="", headers=())
    body = text(record) if selection.by_text else b""
    return selection.lets_through(facts_of(record, body), int(time.time() * 1000))


class ShareScope:
    """What one peer may see and write: the rooms whose rules name it, as far as they say."""

    trusted = False

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        """``rules`` by the rooms' keys."""
        self._rules = dict(rules)
        settings = [room for room, rule in self._rules.items() if rule.pushes and SETTINGS in rule.what]
        self._settings = [place for room in settings for place in settings_of(room)]
        self.signature: Hashable = tuple(sorted((room, _mark(rule)) for room, rule in self._rules.items()))

    def _rule(self, collection: str) -> Rule | None:
        kind, _, room = collection.partition("/")
        rule = self._rules.get(room)
        return rule if rule is not None and _WHAT_OF.get(kind) in rule.what else None

    def reads(self, collection: str) -> bool:
        rule = self._rule(collection)
        return rule.pushes if rule is not None else bool(self.keys(collection))

    def collections(self) -> Sequence[str]:
        rooms = [
            f"{COLLECTIONS[what]}/{room}"
            for room, rule in self._rules.items()
            if rule.pushes
            for what in rule.what & COLLECTIONS.keys()
        ]
        return sorted({*rooms, *(collection for collection, _ in self._settings)})

    def keys(self, collection: str) -> Sequence[str] | None:
        return [key for name, key in self._settings if name == collection] if "/" not in collection else None

    def whole(self, collection: str) -> bool:
        rule = self._rule(collection)
        return rule is not None and shows_whole(rule) and not collection.startswith("visits/")

    def shown(self, record: Record, text: Text, asked: bool = False) -> Record | None:
        rule = self._rule(record.collection)
        if rule is not None:
            return record if rule.pushes and lets(rule, record, text, asked) else None
        if (record.collection, record.key) not in self._settings:
            return None
        return _just_settings(record) if record.collection == "rooms" else record

    def admitted(self, record: Record, text: Text) -> Record | None:
        rule = self._rule(record.collection) or self._settings_rule(record)
        if rule is None or not rule.pulls:
            raise Denied(f"{record.collection} is not open for writing; nothing of the batch was applied")
        if not lets(rule, record, text, asked=True):
            return None
        return _just_settings(record) if record.collection == "rooms" else record

    def _settings_rule(self, record: Record) -> Rule | None:
        found = (rule for room, rule in self._rules.items() if (record.collection, record.key) in settings_of(room))
        return next((rule for rule in found if SETTINGS in rule.what), None)

    def adopts(self, collection: str) -> bool:
        return collection == "rooms"


def shows_whole(rule: Rule) -> bool:
    """Tell whether all of a room's messages and files are shown, deletions too."""
    return rule.selection.all and DELETIONS in rule.what


def _mark(rule: Rule) -> str:
    """Return something short that changes when a rule does, the names in it aside."""
    said = repr((rule.pushes, rule.pulls, sorted(rule.what), rule.selection))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _just_settings(record: Record) -> Record | None:
    """Return a version of a room that says nothing but its shared settings; its own version follows from theirs."""
    if record.dead:
        return None
    fields: dict[str, Field] = {name: field for name, field in unpack_fields(record).items() if name in SETTING_FIELDS}
    if not fields:
        return None
    newest = max(fields.values(), key=lambda field: (field.stamp, field.origin))
    return Record(record.collection, record.key, newest.stamp, newest.origin, 1, head=pack_fields(fields))


# -- the present rules --------------------------------------------------------------------------------


class Shares:
    """All rooms shared with one peer."""

    def __init__(self) -> None:
        self.rooms: list[SharedRoom] = []
        self.rules: dict[str, Rule] = {}

    @property
    def scope(self) -> ShareScope:
        return ShareScope(self.rules)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shares) and (self.rooms, self.rules) == (other.rooms, other.rules)

    __hash__ = None  # type: ignore[assignment]


def read_shares(reader: Reader, peers: Iterable[str]) -> tuple[dict[str, Shares], list[str]]:
    """Return what is shared with each of these peers, and a line for each room whose lines cannot be obeyed."""
    found = {peer: Shares() for peer in peers}
    problems: list[str] = []
    if not found:
        return found, problems
    names = shown_names(reader.scan_all("rooms"))
    for collection in reader.collections("netconf/"):
        room = collection.partition("/")[2]
        try:
            rules = room_rules(reader, room)
        except NetconfError as error:
            problems.append(str(error.in_room(names.get(room, room))))
            continue
        for rule in rules:
            if rule.node in found and room in names:  # no mailbox, nor a room that is gone
                found[rule.node].rules[room] = rule
                shared = SharedRoom(
                    room, names[room], rule.remote, rule.pushes, rule.pulls, rule.what, _mark(rule), shows_whole(rule)
                )
                found[rule.node].rooms.append(shared)
    return found, problems


def room_lines(reader: Reader, room: str) -> Record | None:
    """Return the record that holds a room's lines, if there is one."""
    record: Record | None = reader.get(f"netconf/{room}", NETCONF_KEY)
    return None if record is None or record.dead else record


def room_rules(reader: Reader, room: str) -> list[Rule]:
    """Return the confirmed rules of a room.  Raises NetconfError."""
    record = room_lines(reader, room)
    if record is None or is_proposed(record):
        return []
    if record.size > MAX_BYTES:
        raise NetconfError(1, "all", f"{record.size} bytes", f"a room's configuration has at most {MAX_BYTES}")
    return read_rules(reader.body(record))


def may_share(values: Mapping[str, Any]) -> bool:
    """Tell whether a room can be shared: it is in use and nobody's mailbox."""
    flags = number_of(dict(values), "QRflags")
    return bool(flags & ROOM_IN_USE) and not flags & ROOM_MAILBOX


class Sharing:
    """Keeps up with the rooms' rules, and tells who is concerned when they change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shares: dict[str, Shares] = {}
        self._sequence = 0
        self._peers: list[str] = []
        self.problems: list[str] = []

    def configure(self, peers: Sequence[str]) -> None:
        """Read the rules that concern these peers."""
        self._peers = list(peers)
        self._refresh()

    def of(self, peer: str) -> Shares:
        """Return what is shared with a peer; nothing, if it is none to share with."""
        return self._shares.get(peer) or Shares()

    def _refresh(self) -> list[str]:
        def job(reader: Reader) -> tuple[int, dict[str, Shares], list[str]]:
            return reader.last_sequence(), *read_shares(reader, self._peers)

        before = self._shares
        sequence, shares, problems = self._store.read(job)
        self._sequence, self._shares = sequence, shares
        for problem in problems:
            if problem not in self.problems:
                log.error("not shared: %s", problem)
        self.problems = problems
        return [peer for peer in self._peers if self._shares[peer] != before.get(peer)]

    def run(self, changed: Callable[[list[str]], None]) -> None:
        """Watch the store until killed; ``changed`` is told which peers are concerned."""
        woken = Event()
        stop_watching = self._store.watch(woken.set)
        try:
            while True:
                woken.wait()
                woken.clear()
                try:
                    self._look(changed)
                except MirrorError as error:
                    log.error("the rules of shared rooms cannot be read: %s; trying again at the next change", error)
                gevent.idle()
        finally:
            stop_watching()

    def _look(self, changed: Callable[[list[str]], None]) -> None:
        concerned: bool = self._store.read(self._concerned)
        peers = self._refresh() if concerned and self._peers else []
        if peers:
            log.info("the rules of what is shared with %s have changed", ", ".join(peers))
            changed(peers)

    def _concerned(self, reader: Reader) -> bool:
        changed, self._sequence = reader.changed_collections(self._sequence)
        return any(name == "rooms" or name.startswith("netconf/") for name in changed)
