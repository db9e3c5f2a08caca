"""Looks at all that nodes show each other and take in, and says what no rule had let through at that moment.

The rules are those in force at the node, its rooms' lines as they stand in its store, or stood there a moment ago: a
change is noticed a little later.  What they let through is worked out from their words (mirror.simulation.wording).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from mirror.model.fields import unpack_fields
from mirror.model.keys import split_key
from mirror.model.kinds import parse_collection
from mirror.model.record import Record
from mirror.simulation.node import SimulatedNode
from mirror.simulation.sharing import NOTICED_MS, PER_ROOM, ROOMS, room_key, room_number, server_of
from mirror.simulation.stage import Stage
from mirror.simulation.wording import Lines, Wording
from mirror.store.base import Reader
from mirror.sync.share.rules import NETCONF, NETCONF_KEY
from mirror.wire.values import Page

SETTINGS = {"QRdefaultview", "QRexpire_mode", "QRexpire_value", "QRorder", "QRflags2"}


class _InForce(NamedTuple):
    """What a room's lines say from one moment on, up to another (virtual milliseconds; 0: until now)."""

    lines: Lines
    until: int = 0


class Auditor:
    """Satisfies mirror.simulation.network.Audit."""

    def __init__(self, stage: Stage, worded: dict[bytes, Lines]) -> None:
        """``worded`` are the lines by their bytes, as they are written."""
        self._stage = stage
        self._worded = worded
        self._history: defaultdict[tuple[str, str], list[_InForce]] = defaultdict(list)
        self._bodies: dict[tuple[str, str], bytes] = {}
        self._read_to: dict[str, int] = {}
        self._known: defaultdict[str, set[tuple[str, str, int, str]]] = defaultdict(set)

    # -- which rules are in force -----------------------------------------------------------------

    def begin(self, node: SimulatedNode) -> None:
        """Watch a node for one of its lives."""
        self._read_to[node.name] = node.store.peek(lambda reader: reader.last_sequence())
        self._read_lines(node)
        node.store.watch(lambda: self._committed(node))

    def _read_lines(self, node: SimulatedNode) -> None:
        for number in ROOMS:
            collection = f"{NETCONF}/{room_key(server_of(node.name), number)}"
            body = node.store.peek(lambda reader, name=collection: _lines_in(reader, name))  # type: ignore[misc]
            place = node.name, number
            if self._bodies.get(place) != body:
                history = self._history[place]
                if history:
                    history[-1] = history[-1]._replace(until=self._stage.world.now)
                history.append(_InForce(self._worded[body] if body else {}))
                self._bodies[place] = body

    def _rules(self, node: SimulatedNode, number: str, peer: str | None = None) -> list[Wording]:
        """Return the rules of a room in force now or a moment ago, for one peer or all."""
        since = self._stage.world.now - NOTICED_MS - 1
        lately = [one.lines for one in self._history[node.name, number] if not one.until or one.until >= since]
        return [wording for lines in lately for name, wording in lines.items() if peer in (None, name)]

    # -- what is shown ----------------------------------------------------------------------------

    def shown(
        self, source: SimulatedNode, target: SimulatedNode, page: Page, asked: bool = False, read_ms: int = 0
    ) -> None:
        """``target`` is shown a page of ``source``'s; ``asked`` where it named the keys.

        ``read_ms``: it was read from the store so many milliseconds ago at most.
        """
        if server_of(source.name) == server_of(target.name):
            return
        for record in page.records:
            if not self._may_leave(source, target, record, asked, read_ms):
                self._stage.problem(f"{source.name} showed {_name(record)} to {target.name}, and no rule lets it")

    def listed(self, source: SimulatedNode, target: SimulatedNode, collection: str, keys: Iterable[str]) -> None:
        """``target`` is told that these keys are there."""
        if server_of(source.name) == server_of(target.name):
            return
        for key in keys:
            held = source.store.peek(lambda reader, key=key: reader.get(collection, key))  # type: ignore[misc]
            if held is not None and not self._may_leave(source, target, held, asked=False):
                self._stage.problem(f"{source.name} listed {_name(held)} for {target.name}, and no rule lets it")

    def _may_leave(
        self, source: SimulatedNode, target: SimulatedNode, record: Record, asked: bool, read_ms: int = 0
    ) -> bool:
        if record.collection == "rooms" and not unpack_fields(record).keys() <= SETTINGS:
            return False
        # What is pushed bears the other side's name for the room, but is the version that is held here.
        rules = self._rules(source, room_number(record.collection, record.key), target.name)
        text, now_ms = _text_of(source, record), source.store.clock.now_ms() - read_ms
        return any(rule.pushes and rule.lets(record, text, now_ms, asked) for rule in rules)

    # -- what is taken in -------------------------------------------------------------------------

    def _committed(self, node: SimulatedNode) -> None:
        page = node.store.peek(lambda reader: reader.feed(self._read_to[node.name], limit=100_000))
        self._read_to[node.name] = page.sequence
        if any(parse_collection(record.collection).kind == NETCONF for record in page.records):
            self._read_lines(node)
        for record in page.records:
            if parse_collection(record.collection).kind in PER_ROOM:
                self._taken(node, record)

    def _taken(self, node: SimulatedNode, record: Record) -> None:
        server = server_of(node.name)
        # A message that gives way to another one of its id is kept under another key.
        version = record.collection, split_key(record.key)[0], record.stamp, record.origin
        known = version in self._known[server]
        self._known[server].add(version)
        if known or server_of(record.origin) == server:
            return
        text, now_ms = _text_of(node, record), node.store.clock.now_ms()
        rules = self._rules(node, room_number(record.collection))
        if not any(rule.pulls and rule.lets(record, text, now_ms, True) for rule in rules):
            self._stage.problem(f"{node.name} took {_name(record)}, and no rule lets it")


def _lines_in(reader: Reader, collection: str) -> bytes:
    record = reader.get(collection, NETCONF_KEY)
    return b"" if record is None or record.dead else reader.body(record)


def _text_of(node: SimulatedNode, record: Record) -> bytes:
    text: Callable[[Reader], bytes] = lambda reader: reader.body(record)  # noqa: E731
    return node.store.peek(text)


def _name(record: Record) -> str:
    dead = " (deleted)" if record.dead else ""
    return f"{record.collection} {record.key!r} stamp {record.stamp} of {record.origin}{dead}"
