"""Shared rooms over the wire: what peers ask of them, and what room aides and administrators read and write.

``GOTO``, ``GNET`` and ``SNET`` are Citadel's own; ``SYNC shares|...`` and ``SYNC netconf/R|preview`` are the mirror's.
"""

import json
from collections.abc import Iterator
from typing import Any

from mirror.formats.names import number_of
from mirror.model.fields import values_of
from mirror.model.kinds import room_of
from mirror.model.record import Record
from mirror.server.access import UserScope
from mirror.server.session import Session
from mirror.store.base import Reader
from mirror.sync.derived import text_from
from mirror.sync.share.names import KIND_OF
from mirror.sync.share.pairs import Pair
from mirror.sync.share.policy import lets
from mirror.sync.share.rules import NETCONF_KEY, check_netconf, is_proposed, may_share, room_lines
from mirror.wire.answers import format_entered, format_shared_room
from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.values import Entered
from netconf.lines import IGNET_SHARE, MAX_BYTES
from netconf.rules import Rule, check, read_rules, write_rule


def list_shares(session: Session) -> None:
    """Tell a peer which of our rooms are shared with it."""
    rooms = session.node.sharing.of(session.require_party().name).rooms if session.party_kind == "share" else []
    session.send_listing(
        "key|name|remote name|push, pull|what|rule|whole", [format_shared_room(room) for room in rooms]
    )


def tell_sharing(session: Session) -> None:
    """Tell an administrator of every room that has lines, and of every peer that rooms are shared with."""
    node = session.node
    rooms = node.store.read(lambda reader: list(_rooms(reader)))
    notes = {
        peer.name: node.links[peer.name].exchange.notes if peer.name in node.links else []
        for peer in node.config.peers
        if peer.kind == "share"
    }
    bound = {
        name: {pair.here.key: _pair_as_json(pair) for pair in node.links[name].exchange.pairs}
        for name in notes
        if name in node.links
    }
    session.send_listing(
        "JSON lines follow", [json.dumps({"rooms": rooms, "peers": notes, "paired": bound}, ensure_ascii=True)]
    )


def _pair_as_json(pair: Pair) -> dict[str, Any]:
    return {
        "here": pair.here.name,
        "key": pair.there.key,
        "name": pair.there.name,
        "pulled": sorted(pair.pulled),
        "pushed": sorted(pair.pushed),
        "readable": sorted(pair.there.what) if pair.there.pushes else [],
        "whole": pair.here.whole and pair.there.whole,
    }


def _rooms(reader: Reader) -> Iterator[dict[str, Any]]:
    for collection in reader.collections("netconf/"):
        room = room_of(collection)
        record = room_lines(reader, room)
        if record is None:
            continue
        body = reader.body(record) if record.size <= MAX_BYTES else b""
        problems = check(body)
        rules = [] if problems else read_rules(body)
        yield {
            "key": room,
            "proposed": is_proposed(record),
            "problems": [str(problem) for problem in problems],
            "rules": [_rule_as_json(rule) for rule in rules],
            "mtime": record.stamp,
        }


def _rule_as_json(rule: Rule) -> dict[str, Any]:
    direction = "push (IGNET)" if rule.ignet else rule.direction
    line = "|".join(filter(None, (IGNET_SHARE, rule.node, rule.remote))) if rule.ignet else write_rule(rule)
    return {"node": rule.node, "remote": rule.remote, "direction": direction, "what": sorted(rule.what), "line": line}


def preview(session: Session, collection: str) -> None:
    """Take the lines that a room could have, and tell how many records each peer would get more or no more."""
    room = room_of(collection)
    if not collection.startswith("netconf/"):
        raise Refused(Code.ILLEGAL, "preview is for the type netconf/ROOM")
    session.reply(Code.SEND_THEN_READ, "send lines, then read")
    body = _read_lines(session)
    check_netconf(body)

    now_ms = session.node.store.clock.now_ms()

    def job(reader: Reader) -> list[dict[str, Any]]:
        record = room_lines(reader, room)
        old = (
            []
            if record is None or is_proposed(record) or check(reader.body(record))
            else read_rules(reader.body(record))
        )
        before, after = ({rule.node: rule for rule in rules} for rules in (old, read_rules(body)))
        return [
            {"peer": peer, **_count(reader, room, before.get(peer), after.get(peer), now_ms)}
            for peer in sorted(before | after)
        ]

    found = session.node.store.read(job)
    session.send_listing("JSON lines follow", [json.dumps(one) for one in found])


def _count(reader: Reader, room: str, before: Rule | None, after: Rule | None, now_ms: int) -> dict[str, int]:
    text = text_from(reader)
    counts = {"sends": 0, "stops": 0, "keeps": 0}
    for kind in (*KIND_OF.values(), "rooms"):
        records = [reader.get(kind, room)] if kind == "rooms" else reader.scan_all(f"{kind}/{room}")
        for record in records:
            if record is None or record.dead:
                continue
            was, will = (
                rule is not None and rule.pushes and lets(rule, record, text, now_ms) for rule in (before, after)
            )
            if was or will:
                counts["keeps" if was and will else "sends" if will else "stops"] += 1
    return counts


# -- Citadel's own commands ---------------------------------------------------------------------------


def go_to(session: Session, parameters: list[str]) -> None:
    """Enter a room, by the name under which it is shown."""
    scope = session.responder().scope
    if not isinstance(scope, UserScope):
        raise Refused(Code.USER_REQUIRED, "rooms are entered by users: log in with USER and PASS")
    wanted = (parameters[0] if parameters else "").casefold()
    room = next((room for room in scope.rooms.values() if room.name.casefold() == wanted), None)
    if room is None:
        raise Refused(Code.NOT_FOUND, "there is no room of that name")
    session.room = room.key
    entered = Entered(room.name, room.key, _is_aide(session, scope, room.key))
    session.reply(Code.OK, format_entered(entered))


def get_lines(session: Session, _parameters: list[str]) -> None:
    """Show a room's lines to its aide, byte for byte."""
    room, name, number = _require_aide(session)
    record = session.node.store.read(lambda reader: room_lines(reader, room))
    body = session.node.store.read(lambda reader: reader.body(record)) if record is not None else b""
    session.reply(Code.LISTING, f"Network settings for room #{number} <{name}>")
    lines = body.split(b"\n") if body else []
    session.channel.send(b"".join((b" 000" if line.rstrip(b"\r") == b"000" else line) + b"\n" for line in lines))
    session.channel.end_listing()


def set_lines(session: Session, _parameters: list[str]) -> None:
    """Replace a room's lines; all of them are checked first."""
    room, _, _ = _require_aide(session)
    session.node.single_user.check_open(session.require_party().label)
    session.reply(Code.SEND_LISTING, "send new netconfig now")
    body = _read_lines(session)
    check_netconf(body)
    draft = Record(f"netconf/{room}", NETCONF_KEY, 1, "x", 1)
    session.node.store.write(lambda writer: writer.put(writer.store_body(draft, body)))
    session.reply(Code.OK, f"{len(read_rules(body))} rules are in force")


def _read_lines(session: Session) -> bytes:
    lines: list[bytes] = []
    size = 0
    while (line := session.channel.require_line()) != b"000":
        size += len(line) + 1
        if size <= MAX_BYTES:
            lines.append(line)
    if size > MAX_BYTES:
        raise Refused(
            Code.TOO_BIG, f"{size} bytes: a room's configuration has at most {MAX_BYTES}; nothing was changed"
        )
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\n" for line in lines)


def _require_aide(session: Session) -> tuple[str, str, int]:
    """Return key, name and number of the room the session is in.  Raises Refused unless its user may administer it."""
    scope = session.responder().scope
    if not isinstance(scope, UserScope) or not session.room or session.room not in scope.rooms:
        raise Refused(Code.NOT_FOUND, "enter a room with GOTO first")
    record = session.node.store.read(lambda reader: reader.get("rooms", session.room))
    values = values_of(record)
    if not _is_aide(session, scope, session.room):
        raise Refused(Code.ACCESS, "higher access required: this is for the room's aide")
    if not may_share(values):
        raise Refused(Code.ILLEGAL, "a mailbox is not shared")
    return session.room, scope.rooms[session.room].name, number_of(values, "QRnumber")


def _is_aide(session: Session, scope: UserScope, room: str) -> bool:
    def job(reader: Reader) -> bool:
        values, user = values_of(reader.get("rooms", room)), reader.get("users", scope.user_key)
        same_server = room.rpartition(":")[0] == scope.user_key.rpartition(":")[0]
        number = number_of(values, "QRroomaide")
        return bool(number > 0 and same_server and number == number_of(values_of(user), "u_usernum"))

    return scope.aide or session.node.store.read(job)
