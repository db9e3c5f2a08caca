"""What stands in reply lines and in listings of text: each answer's format beside its parse.

A format returns the text after the code of a reply, or the lines of its listing; who sends them makes them fit for a
line (``clean``).  A parse takes what came and raises ProtocolError.  Fields that a later version adds stand at the end,
and are not looked at.  Names that cannot be told apart from the signs between fields (``|``) are nobody's: Citadel has
none such.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mirror.model.applied import Applied
from mirror.model.digest import Bulk, Digest
from mirror.model.nodes import Heard, Horizon
from mirror.model.stamp import MAX_STAMP, MAX_WAIT_MS
from mirror.wire.cursors import Cursor, parse_cursor
from mirror.wire.errors import ProtocolError
from mirror.wire.lines import clean, parse_hexadecimal, parse_number
from mirror.wire.values import (
    OLDEST_PROTOCOL,
    PROTOCOL,
    CheckResult,
    Entered,
    Greeting,
    Held,
    Identity,
    ListedRoom,
    LoggedIn,
    ServerInfo,
    ServerTime,
    SharedRoom,
    State,
)

MAX_CRC = (1 << 64) - 1


def _number(text: str, where: str) -> int:
    """Return a decimal number.  Raises ProtocolError."""
    number = parse_number(text)
    if number is None:
        raise ProtocolError(f"{text[:40]!r} where a number was expected in {where[:80]!r}")
    return number


def _signed(text: str, where: str) -> int:
    return -_number(text[1:], where) if text.startswith("-") else _number(text, where)


def _hexadecimal(text: str, where: str, limit: int = MAX_CRC) -> int:
    """Return a hexadecimal number.  Raises ProtocolError."""
    number = parse_hexadecimal(text, limit)
    if number is None:
        raise ProtocolError(f"{text[:40]!r} where a hexadecimal number was expected in {where[:80]!r}")
    return number


def _fields(text: str, count: int, what: str) -> list[str]:
    """Return the first fields of a line.  Raises ProtocolError when it has fewer."""
    fields = text.split("|")
    if len(fields) < count:
        raise ProtocolError(f"{what} has {count} fields, not {text[:80]!r}")
    return fields


def _name(text: str) -> str:
    """Return a name as it stands among other fields: without what would end the line, or the field."""
    return clean(text).replace("|", " ")


# -- INFO, TIME, log-ins ------------------------------------------------------------------------------


def format_server_info(info: ServerInfo) -> list[str]:
    """Return the lines of the answer to INFO."""
    lines = [
        f"node={info.node}",
        f"software={info.software}",
        f"protocol={info.protocol}",
        f"capabilities={' '.join(info.capabilities)}",
        f"tls={'on' if info.tls else 'off'}",
        f"mode={info.mode}",
        f"time={info.time_ms}",
    ]
    if info.epoch:
        lines.append(f"epoch={info.epoch}")
    return [*lines, f"identity={format_identity(info.identity)}"] if info.identity.instance else lines


_PROTOCOL = re.compile(r"protocol=(\d{1,9})", re.ASCII)


_TIME = re.compile(r"time=(\d{1,15})", re.ASCII)


def format_agent(software: str, node: str, time_ms: int) -> str:
    """Return what a node says of itself with IDEN: developer, client, version, description, host, and its clock."""
    return f"citadel-mirror|{software}|protocol={PROTOCOL}|mirror node|{node}|time={time_ms}"


def parse_agent_time(text: str) -> int:
    """Return the Unix milliseconds of a client's clock, if it said them with IDEN, or 0."""
    found = next((found for parameter in text.split("|") if (found := _TIME.fullmatch(parameter.strip()))), None)
    return int(found[1]) if found else 0


def parse_agent(text: str) -> int:
    """Return which protocol a client speaks that said this with IDEN; who names none speaks the oldest."""
    for parameter in text.split("|"):
        if found := _PROTOCOL.fullmatch(parameter.strip()):
            return int(found[1])
    return OLDEST_PROTOCOL


def parse_server_info(lines: Iterable[str]) -> ServerInfo:
    """Read the lines of the answer to INFO; names that this version does not know are passed over."""
    told = {name: value for name, _, value in (line.partition("=") for line in lines)}
    return ServerInfo(
        told.get("node", ""),
        told.get("software", ""),
        _number(told.get("protocol", "0"), "protocol"),
        tuple(told.get("capabilities", "").split()),
        told.get("tls") == "on",
        told.get("mode", ""),
        _number(told.get("time", "0"), "time"),
        told.get("epoch", ""),
        parse_identity(told.get("identity", "").split("|")),
    )


MAX_INSTANCE = 64
"""Characters in what names an instance, or an epoch."""
MAX_NAME = 255
"""Characters in an origin."""


def format_identity(identity: Identity) -> str:
    """Return the fields of a node's identity, as they stand behind others."""
    told = identity
    return f"{told.instance}|{told.epoch}|{told.sequence}|{told.origin}|{told.sign:x}"


def parse_identity(fields: Sequence[str]) -> Identity:
    """Read a node's identity; where there is none it is empty.  Raises ProtocolError."""
    if not any(fields):
        return Identity()
    where = "|".join(fields)
    instance, epoch, sequence, origin, sign = _fields(where, 5, "an identity")[:5]
    if max(len(instance), len(epoch)) > MAX_INSTANCE or len(origin) > MAX_NAME:
        raise ProtocolError(f"an identity with longer names than there are: {where[:80]!r}")
    return Identity(instance, epoch, _number(sequence, where), origin, _hexadecimal(sign, where, MAX_STAMP))


def format_server_time(time: ServerTime) -> str:
    """Return the answer to TIME."""
    return "|".join(str(number) for number in time)


def parse_server_time(text: str) -> ServerTime:
    """Read the answer to TIME."""
    now, offset, summer, started = _fields(text, 4, "the answer to TIME")[:4]
    return ServerTime(_number(now, text), _signed(offset, text), _signed(summer, text), _number(started, text))


def format_greeting(proof: str, greeting: Greeting) -> str:
    """Return the last answer to AUTH; ``proof`` is the server's, in base64."""
    told = f"{proof}|{greeting.node}|{greeting.epoch}|{greeting.dials:d}|{greeting.kind}"
    return f"{told}|{format_identity(greeting.identity)}" if greeting.identity.instance else told


def parse_greeting(text: str) -> tuple[str, Greeting]:
    """Read the last answer to AUTH: the server's proof, in base64, and what it says of itself."""
    proof, node, epoch, dials, kind, *identity = text.split("|") + [""] * 5
    return proof, Greeting(node, epoch, dials == "1", kind or "mirror", parse_identity(identity))


def format_logged_in(user: LoggedIn) -> str:
    """Return the answer to PASS."""
    return f"{_name(user.name)}|{user.user_key}|{user.rooms}"


def parse_logged_in(text: str) -> LoggedIn:
    """Read the answer to PASS."""
    name, user_key, rooms = _fields(text, 3, "the answer to PASS")[:3]
    return LoggedIn(name, user_key, _number(rooms, text))


def format_entered(room: Entered) -> str:
    """Return the answer to GOTO."""
    return f"{_name(room.name)}|{room.room_key}|{room.aide:d}"


def parse_entered(text: str) -> Entered:
    """Read the answer to GOTO."""
    name, room_key, aide = _fields(text, 3, "the answer to GOTO")[:3]
    return Entered(name, room_key, aide == "1")


# -- digests ------------------------------------------------------------------------------------------


class DigestLine(NamedTuple):
    """A collection in the listing of ``info``; ``shown`` is the room's name, as users are told it."""

    collection: str
    digest: Digest
    shown: str = ""


def format_digest(digest: Digest) -> str:
    return f"{digest.count}|{digest.newest:x}|{digest.total:016x}"


def parse_digest(fields: Sequence[str], where: str) -> Digest:
    """Read the three fields of a digest; ``where`` they stood is told in errors."""
    count, newest, total = fields
    return Digest(_number(count, where), _hexadecimal(newest, where, MAX_STAMP), _hexadecimal(total, where))


def format_digest_line(line: DigestLine) -> str:
    return digest_text(*line)


def digest_text(collection: str, digest: Digest, shown: str) -> str:
    """Return the same of its fields: there may be tens of thousands of lines."""
    count, newest, total = digest  # as format_digest has them
    text = f"{collection}|{count}|{newest:x}|{total:016x}"
    return f"{text}|{_name(shown)}" if shown else text


def parse_digest_line(text: str) -> DigestLine:
    name, *digest = _fields(text, 4, "a collection")
    return DigestLine(name, parse_digest(digest[:3], text), "|".join(digest[3:]))


def format_bulk(collection: str, bulk: Bulk) -> str:
    """Return a line of ``sizes``."""
    return f"{collection}|{bulk.records}|{bulk.size}"


def parse_bulk(text: str) -> tuple[str, Bulk]:
    """Read a line of ``sizes``: a collection, and how much it holds."""
    collection, count, size = _fields(text, 3, "a collection's size")[:3]
    return collection, Bulk(_number(count, text), _number(size, text))


def format_known(digest: Digest) -> str:
    """Return the arguments of ``info`` that tell a digest: what the asker holds."""
    return f"{digest.count}|{digest.total:016x}"


def parse_known(count: str, total: str) -> Digest:
    """Read the digest that the asker of ``info`` holds; its newest stamp is not told."""
    where = f"{count}|{total}"
    return Digest(_number(count, where), 0, _hexadecimal(total, where))


def format_state(state: State) -> str:
    """Return the reply to ``info``; its collections are listed line by line."""
    place = f"{state.node}|{state.epoch}|{state.sequence}"
    told = f"{place}|{format_digest(state.digest)}|{state.horizon:x}"
    return f"{told}|{state.partial}" if state.partial else told


def parse_state(text: str, lines: Iterable[str] | None) -> State:
    """Read the reply to ``info`` and its listing, None where there was none because all was equal."""
    node, epoch, sequence, *digest = _fields(text, 6, "the answer to info")
    horizon = digest[3] if len(digest) > 3 else "0"
    collections = None if lines is None else {line.collection: line.digest for line in map(parse_digest_line, lines)}
    return State(
        node,
        epoch,
        _number(sequence, text),
        parse_digest(digest[:3], text),
        collections,
        _hexadecimal(horizon, text, MAX_STAMP),
        digest[4] if len(digest) > 4 else "",
    )


# -- what was heard of others, shares -----------------------------------------------------------------


def format_heard(heard: Heard) -> tuple[str, list[str]]:
    """Return the reply to ``heard``, and the lines of its listing."""
    lines = [
        f"{origin}|{heard.signs.get(origin, 0):x}|{heard.newest.get(origin, 0):x}|{origin in heard.horizon.nodes:d}"
        for origin in sorted({*heard.signs, *heard.newest, *heard.horizon.nodes})
    ]
    return f"{heard.horizon.stamp:x}", lines


def parse_heard(text: str, lines: Iterable[str]) -> Heard:
    """Read the reply to ``heard`` and its listing."""
    signs: dict[str, int] = {}
    newest: dict[str, int] = {}
    agreed: list[str] = []
    for line in lines:
        origin, sign, stamp, agrees = _fields(line, 4, "what was heard of a node")[:4]
        signs[origin] = _hexadecimal(sign, line, MAX_STAMP)
        newest[origin] = _hexadecimal(stamp, line, MAX_STAMP)
        if agrees == "1":
            agreed.append(origin)
    horizon = Horizon(_hexadecimal(text.partition("|")[0], text, MAX_STAMP), tuple(agreed))
    return Heard(horizon, _without_zeros(signs), _without_zeros(newest))


def _without_zeros(vector: dict[str, int]) -> dict[str, int]:
    return {origin: stamp for origin, stamp in vector.items() if stamp}


def format_shared_room(room: SharedRoom) -> str:
    """Return a line of ``SYNC shares|info``."""
    directions = ",".join(name for name, on in (("push", room.pushes), ("pull", room.pulls)) if on)
    what = ",".join(sorted(room.what))
    names = f"{room.key}|{_name(room.name)}|{_name(room.remote)}"
    return f"{names}|{directions}|{what}|{room.mark}|{room.whole:d}"


def parse_shared_room(text: str) -> SharedRoom:
    """Read a line of ``SYNC shares|info``."""
    key, name, remote, directions, what, mark, whole = _fields(text, 7, "a shared room")[:7]
    ways = directions.split(",")
    shared = frozenset(filter(None, what.split(",")))
    return SharedRoom(key, name, remote, "push" in ways, "pull" in ways, shared, mark, whole == "1")


def format_listed_room(room: ListedRoom) -> str:
    """Return a line of ``rooms``."""
    rights = f"{room.own:d}|{room.writable:d}|{room.replies:d}|{room.aide:d}"
    return f"{room.key}|{_name(room.name)}|{room.view}|{rights}"


def format_room_list(token: int, cursor: Cursor, everything: bool) -> str:
    """Return the reply to ``rooms``."""
    return f"{token:016x}|{cursor}|{everything:d}"


def parse_room_list(text: str, lines: Iterable[str]) -> tuple[int, Cursor, bool, list[ListedRoom]]:
    """Read the reply to ``rooms`` and its listing: token, end of the feed, whether everything may be read, rooms."""
    token, cursor, everything = _fields(text, 3, "the answer to rooms")[:3]
    rooms = [parse_listed_room(line) for line in lines]
    return _hexadecimal(token, text), parse_cursor(cursor), everything == "1", rooms


def parse_listed_room(text: str) -> ListedRoom:
    """Read a line of ``rooms``."""
    key, name, view, *rights = _fields(text, 7, "a room")[:7]
    own, writable, replies, aide = (right == "1" for right in rights)
    return ListedRoom(key, name, _number(view, text), own, writable, replies, aide)


# -- what became of something -------------------------------------------------------------------------


def format_ahead(wait_ms: int, problem: str) -> str:
    """Return the text of the reply to an offer of what may be taken in so many milliseconds, and not yet."""
    return f"{wait_ms}|{problem}"


def parse_ahead(text: str) -> tuple[int, str]:
    """Return in how many milliseconds what was offered may be taken, MAX_WAIT_MS at most, and what is wrong with it."""
    wait_ms, _, problem = text.partition("|")
    return min(_number(wait_ms, text), MAX_WAIT_MS), problem


def format_changed(held: Held | None, problem: str) -> str:
    """Return the refusal of a draft that was to replace another version than ``held``, None where nothing is there."""
    stamp, origin, crc = held or (0, "", 0)
    return f"{stamp}|{origin}|{crc:016x}|{problem}"


def parse_changed(text: str) -> Held | None:
    """Read what a refusal with the code CHANGED says is there; None where nothing is."""
    stamp, origin, crc = _fields(text, 3, "what is there")[:3]
    held = Held(_number(stamp, text), origin, _hexadecimal(crc, text))
    return held if held.stamp else None


def format_applied(applied: Applied) -> str:
    """Return the reply to ``offer``."""
    return f"{applied.written}|{applied.already_held}|{applied.conflicts}|written, already held, conflicts"


def parse_applied(text: str) -> Applied:
    """Read the reply to ``offer``."""
    written, held, conflicts = _fields(text, 3, "the answer to offer")[:3]
    return Applied(_number(written, text), _number(held, text), _number(conflicts, text))


def format_place(collection: str, key: str) -> str:
    """Return the reply to ``restore``: which record it was."""
    return f"{collection}|{clean(key)}"


def parse_place(text: str) -> tuple[str, str]:
    """Read the reply to ``restore``: a collection and a key."""
    collection, *key = _fields(text, 2, "the answer to restore")
    return collection, "|".join(key)


def format_check(result: CheckResult) -> tuple[str, list[str]]:
    """Return the reply to ``check``, and the lines of its listing: first those of what was mended."""
    text = f"{result.records}|{result.contents}|{len(result.problems)}|records, contents, problems"
    told = f"{text}, mended|{len(result.mended)}" if result.mended else text
    return told, [*result.mended, *result.problems]


def parse_check(text: str, lines: Iterable[str]) -> CheckResult:
    """Read the reply to ``check`` and its listing."""
    fields = _fields(text, 2, "the answer to check")
    mended = _number(fields[4], text) if len(fields) > 4 else 0
    told = tuple(lines)
    return CheckResult(_number(fields[0], text), _number(fields[1], text), told[mended:], told[:mended])
