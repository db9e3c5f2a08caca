"""SYNC attachments: what the administrator asks and does about the Citadel servers that this node follows."""

from collections.abc import Iterable

from mirror.addresses import read_server_place
from mirror.citadel.failover import Acting, CannotMove, move, what_acts
from mirror.citadel.meaning.pairing import Consent
from mirror.citadel.propose import CannotPair
from mirror.model.errors import MirrorError
from mirror.server.following import tell_rehearsal
from mirror.server.session import Session
from mirror.server.table import Asked
from mirror.store.base import Reader, Writer
from mirror.sync.claims import PlaceTaken, claim, read_claims, release
from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.status import ActingStatus, ClaimStatus
from netconf.acting import shown

LOST = "lost"
"""Says that nobody gives up what is in force elsewhere."""
TAKE_OVER = "take-over"
"""Asks for a place that another node has."""


def tell_attachments(session: Session, _asked: Asked) -> None:
    """attachments|status: how it is with each server that is followed."""
    session.send_json(session.node.attachments.statuses())


def tell_claims(session: Session, _asked: Asked) -> None:
    """attachments|claims: which node of the network follows which server."""

    def job(reader: Reader) -> list[ClaimStatus]:
        heard = reader.heard()
        return [
            ClaimStatus(one.place, one.node, one.name, one.door, one.since, heard.sign_of(one.node))
            for one in read_claims(reader)
        ]

    session.send_json(session.node.store.read(job))


def claim_place(session: Session, _asked: Asked, place: str, name: str, door: str, how: str | None) -> None:
    """attachments|claim: have this node be the one that follows a server."""
    node = session.node
    node.single_user.check_open()
    try:
        node.store.write(lambda writer: claim(writer, place, node.config.node, name, door, take_over=how == TAKE_OVER))
    except PlaceTaken as error:
        raise Refused(Code.ACCESS, str(error)) from None
    session.reply(Code.OK, place)


def release_place(session: Session, _asked: Asked, name: str) -> None:
    """attachments|release: give up what is attached under a name."""
    node = session.node

    def job(writer: Writer) -> int:
        found = [one.place for one in read_claims(writer) if (one.node, one.name) == (node.config.node, name)]
        return sum(release(writer, place, node.config.node) for place in found)

    freed = node.store.write(job)
    node.attachments.forget(name)
    session.reply(Code.OK, str(freed))


def reload_attachments(session: Session, _asked: Asked) -> None:
    """attachments|reload: take over what mirror.toml and secrets.toml say of them now."""
    session.node.reload_attachments()
    session.send_json(session.node.attachments.statuses())


def rehearse(session: Session, _asked: Asked, door: str, pair: str | None) -> None:
    """attachments|rehearse: take a password and patterns of rooms, a line each, and tell what following would write.

    Where the server is to be paired, an empty line follows and patterns of users, another one and patterns of rooms.
    """
    try:
        place = read_server_place(door)
    except ValueError as error:
        raise Refused(Code.ILLEGAL, str(error)) from None
    session.reply(Code.SEND_THEN_READ, "send the password, then patterns of rooms, then read")
    password, *lines = list(session.channel.read_listing()) or [""]
    rooms, users, shared = _parts(lines, 3)
    try:
        told = tell_rehearsal(session.node.store, place, password, rooms, Consent(users, shared) if pair else None)
    except MirrorError as error:  # it is the server that was lost, and not who asks
        raise Refused(Code.BUSY, str(error)) from None
    session.send_json([told])


def _parts(lines: Iterable[str], count: int) -> list[list[str]]:
    """Return lines in so many parts, between which there is an empty one."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if line:
            parts[-1].append(line)
        else:
            parts.append([])
    return (parts + [[] for _ in range(count)])[:count]


def pause(session: Session, _asked: Asked, name: str) -> None:
    """attachments|pause: stop following a server until it is resumed."""
    session.node.attachments.pause(name)
    session.reply(Code.OK, name)


def resume(session: Session, _asked: Asked, name: str) -> None:
    """attachments|resume: follow it again."""
    session.node.attachments.resume(name)
    session.reply(Code.OK, name)


def approve(session: Session, _asked: Asked, name: str) -> None:
    """attachments|approve: delete what is held back."""
    session.node.attachments.approve(name)
    session.reply(Code.OK, name)


def pair(session: Session, _asked: Asked, name: str, kind: str, number: int, key: str) -> None:
    """attachments|pair: have a user or room of a server be what is here under a key."""
    try:
        session.node.attachments.pair(name, kind, number, key)
    except CannotPair as error:
        raise Refused(Code.NOT_FOUND, str(error)) from None
    session.reply(Code.OK, name)


def tell_acting(session: Session, _asked: Asked, name: str) -> None:
    """attachments|acting: what acts of the rooms and users of a server, and where that is in force."""
    place = _place_of(session, name)
    session.send_json(session.node.store.read(lambda reader: [_acting(one) for one in what_acts(reader, place)]))


def fail_over(session: Session, _asked: Asked, name: str, how: str | None) -> None:
    """attachments|failover: take what was told, a line of kind, mark and key each; have it be in force on a server."""
    node = session.node
    place = _place_of(session, name)
    attachment = node.config.attachment(name)
    if attachment is None or attachment.direction == "from":
        said = f"nothing is written into {name}: 'ctdlmirror attach' with --direction both changes that"
        raise Refused(Code.ILLEGAL, said)
    node.single_user.check_open()
    session.reply(Code.SEND_THEN_READ, "send kind, mark and key of each, then read what is moved")
    lines = [line.split(" ", 2) for line in session.channel.read_listing()]
    wanted = {(kind, key): mark for kind, mark, key in (line for line in lines if len(line) == 3)}
    try:
        moved = node.store.write(lambda writer: move(writer, place, wanted, lost=how == LOST))
    except CannotMove as error:
        raise Refused(Code.BUSY, str(error)) from None
    session.send_json([_acting(one) for one in moved])


def _place_of(session: Session, name: str) -> str:
    """Return the place that this node has attached under a name.  Raises Refused."""
    node = session.node
    claims = node.store.read(lambda reader: list(read_claims(reader)))
    found = [one.place for one in claims if (one.node, one.name) == (node.config.node, name)]
    if not found or node.config.attachment(name) is None:
        raise Refused(Code.NOT_FOUND, f"there is no attachment {name[:80]!r}")
    return found[0]


def _acting(one: Acting) -> ActingStatus:
    lines = [shown(line) for line in one.lines]
    return ActingStatus(one.collection, one.key, one.name, one.home, lines, one.waits, one.mark)


def refuse(session: Session, _asked: Asked, name: str) -> None:
    """attachments|refuse: keep what is held back, as this node's own."""
    session.node.attachments.refuse(name)
    session.reply(Code.OK, name)
