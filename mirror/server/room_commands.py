"""A room's network configuration, for its aide: GOTO, GNET and SNET, as Citadel has them."""

from mirror.formats.names import number_of
from mirror.model.fields import values_of
from mirror.model.kinds import Collection
from mirror.model.record import Record
from mirror.server.session import Session
from mirror.service.rights import UserScope, scope_in_room
from mirror.store.base import Reader, Writer
from mirror.sync.share.rules import NETCONF, NETCONF_KEY, check_netconf, may_share, room_lines
from mirror.wire.answers import format_entered
from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.values import Entered
from netconf.lines import MAX_BYTES
from netconf.rules import read_rules


def go_to(session: Session, name: str) -> None:
    """GOTO: enter a room, by the name under which it is shown."""
    scope = _scope(session)
    room = scope.find(name)
    if room is None:
        raise Refused(Code.NOT_FOUND, "there is no room of that name")
    session.room = room
    entered = Entered(scope.name_of(room), room, scope.rooms[room].aide)
    session.reply(Code.OK, format_entered(entered))


def get_lines(session: Session) -> None:
    """GNET: show a room's lines to its aide, byte for byte."""
    scope, room = _scope(session), session.room

    def job(reader: Reader) -> tuple[int, bytes]:
        number = _check_aide(reader, scope, room)
        record = room_lines(reader, room)
        return number, reader.body(record) if record is not None else b""

    number, body = session.node.store.read(job)
    session.reply(Code.LISTING, f"Network settings for room #{number} <{scope.name_of(room)}>")
    lines = body.split(b"\n") if body else []
    session.channel.send(b"".join((b" 000" if line.rstrip(b"\r") == b"000" else line) + b"\n" for line in lines))
    session.channel.end_listing()


def set_lines(session: Session) -> None:
    """SNET: replace a room's lines; all of them are checked first."""
    scope, room = _scope(session), session.room
    session.node.store.read(lambda reader: _check_aide(reader, scope, room))
    session.node.single_user.check_open(session.require_party().label)
    session.reply(Code.SEND_LISTING, "send new netconfig now")
    body = read_lines(session)
    check_netconf(body)
    draft = Record(str(Collection(NETCONF, room)), NETCONF_KEY, 1, "x", 1)

    def job(writer: Writer) -> None:
        _check_aide(writer, scope, room)  # once more: the lines took their time
        writer.put(writer.store_body(draft, body))

    session.node.store.write(job)
    session.reply(Code.OK, f"{len(read_rules(body))} rules are in force")


def read_lines(session: Session) -> bytes:
    """Read the lines that a room could have, up to the one that ends them.  Raises Refused when they are too many."""
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


def _check_aide(reader: Reader, scope: UserScope, room: str) -> int:
    """Return the number of a room.  Raises Refused unless its user may administer it in the state that is read."""
    rooms = scope_in_room(reader, scope.user_key, room).rooms
    if room not in rooms:
        raise Refused(Code.NOT_FOUND, "enter a room with GOTO first")
    values = values_of(reader.get("rooms", room))
    if not rooms[room].aide:
        raise Refused(Code.ACCESS, "higher access required: this is for the room's aide")
    if not may_share(values):
        raise Refused(Code.ILLEGAL, "a mailbox is not shared")
    return number_of(values, "QRnumber")


def _scope(session: Session) -> UserScope:
    """Return the rights of the user who is logged in.  Raises Refused."""
    scope = session.responder().scope
    if not isinstance(scope, UserScope):
        raise Refused(Code.USER_REQUIRED, "rooms are entered by users: log in with USER and PASS")
    return scope
