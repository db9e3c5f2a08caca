"""Shared rooms: what peers ask of them, what the administrator is told of them, and of lines that they could have."""

from collections.abc import Iterator

from mirror.config.settings import SHARE
from mirror.model.kinds import Collection, parse_collection, room_of
from mirror.server.room_commands import read_lines
from mirror.server.session import Session
from mirror.server.table import Asked
from mirror.service.party import PartyKind
from mirror.store.base import Reader
from mirror.sync.derived import text_from
from mirror.sync.share.exchange import ShareExchange
from mirror.sync.share.names import KIND_OF
from mirror.sync.share.policy import lets
from mirror.sync.share.rules import NETCONF, check_netconf, is_proposed, room_lines
from mirror.sync.share.verify import pair_status
from mirror.wire.answers import format_shared_room
from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.status import PreviewCount, RoomStatus, RuleStatus, SharingStatus
from netconf.lines import IGNET_SHARE, MAX_BYTES
from netconf.rules import Rule, check, read_rules, write_rule


def list_shares(session: Session, _asked: Asked) -> None:
    """shares|info: tell a peer which of our rooms are shared with it."""
    rooms = session.node.sharing.of(session.require_party().name).rooms if session.party_kind == PartyKind.SHARE else []
    session.send_listing(
        "key|name|remote name|push, pull|what|rule|whole", [format_shared_room(room) for room in rooms]
    )


def tell_sharing(session: Session, _asked: Asked) -> None:
    """shares|status: tell of every room that has lines, and of every peer that rooms are shared with."""
    node = session.node
    rooms = node.store.read(lambda reader: list(_rooms(reader)))
    notes = {
        peer.name: node.links[peer.name].exchange.notes if peer.name in node.links else []
        for peer in node.config.peers
        if peer.kind == SHARE
    }
    exchanges = {name: node.links[name].exchange for name in notes if name in node.links}
    bound = {
        name: {pair.here.key: pair_status(pair) for pair in exchange.pairs}
        for name, exchange in exchanges.items()
        if isinstance(exchange, ShareExchange)
    }
    session.send_json([SharingStatus(rooms, notes, bound)])


def _rooms(reader: Reader) -> Iterator[RoomStatus]:
    for collection in reader.collections(f"{NETCONF}/"):
        room = room_of(collection)
        record = room_lines(reader, room)
        if record is None:
            continue
        body = reader.body(record) if record.size <= MAX_BYTES else b""
        problems = check(body)
        rules = [] if problems else read_rules(body)
        yield RoomStatus(
            key=room,
            proposed=is_proposed(record),
            problems=[str(problem) for problem in problems],
            rules=[_rule_status(rule) for rule in rules],
            mtime=record.stamp,
        )


def _rule_status(rule: Rule) -> RuleStatus:
    direction = "push (IGNET)" if rule.ignet else rule.direction
    line = "|".join(filter(None, (IGNET_SHARE, rule.node, rule.remote))) if rule.ignet else write_rule(rule)
    return RuleStatus(rule.node, rule.remote, direction, sorted(rule.what), line)


def preview(session: Session, asked: Asked) -> None:
    """preview: take the lines that a room could have, and tell how many records each peer would get more or no more."""
    kind, room = parse_collection(asked.type)
    if kind != NETCONF or not room:
        raise Refused(Code.ILLEGAL, "preview is for the type netconf/ROOM")
    session.reply(Code.SEND_THEN_READ, "send lines, then read")
    body = read_lines(session)
    check_netconf(body)

    now_ms = session.node.store.clock.now_ms()

    def job(reader: Reader) -> list[PreviewCount]:
        record = room_lines(reader, room)
        old = (
            []
            if record is None or is_proposed(record) or check(reader.body(record))
            else read_rules(reader.body(record))
        )
        before, after = ({rule.node: rule for rule in rules} for rules in (old, read_rules(body)))
        return [
            _count(reader, room, PreviewCount(peer, 0, 0, 0), (before.get(peer), after.get(peer)), now_ms)
            for peer in sorted(before | after)
        ]

    session.send_json(session.node.store.read(job))


def _count(
    reader: Reader, room: str, count: PreviewCount, rules: tuple[Rule | None, Rule | None], now_ms: int
) -> PreviewCount:
    """Count the records of a room that go to a peer under a rule and another one, before and after."""
    text = text_from(reader)
    for kind in (*KIND_OF.values(), "rooms"):
        records = [reader.get(kind, room)] if kind == "rooms" else reader.scan_all(str(Collection(kind, room)))
        for record in records:
            if record is None or record.dead:
                continue
            was, will = (rule is not None and rule.pushes and lets(rule, record, text, now_ms) for rule in rules)
            count.sends += will and not was
            count.stops += was and not will
            count.keeps += was and will
    return count
