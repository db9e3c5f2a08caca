"""What two servers export, compared: by names, since each server has its own numbers.

What may differ all the same between two servers that are kept equal is declared here, and told by docs/citadel.md.
Deliberately not the mirror's own reading of an export: what that gets wrong must not go unnoticed.
"""

import base64
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, fromstring

from try_live.errors import Refused
from try_live.session import Session
from try_live.world import BLOG, DIRECTORY, MAILBOX, PASSWORDED, PRIVATE

Fields = dict[str, str]
Things = dict[str, Fields]
"""Things of one sort by a name that both servers know them by, and what is said of each."""
Contents = dict[str, Things]
"""By sort, what a server has."""
SERVICE = "Try Live Mirror"
"""The administrator on each server as whom what comes from the other one is written."""
ANY = "*"
"""In place of a field's name: whatever differs."""
WHOLE = "(all of it)"
"""In place of a field's name where a thing is on one server alone."""


class Declared(NamedTuple):
    """A difference between two servers that is none: in things of this sort, in this field, and why.

    ``on_both``, where it is one unless both have something there.
    """

    sort: str
    field: str
    why: str
    on_both: bool = False


DECLARED = (
    Declared("messages", "format", "what is written is MIME (4), whatever it was; its words are the same"),
    Declared("messages", "headers", "those of the text are made where it had none, and what trails leave is left out"),
    Declared("messages", "anonymous", "what is written is not anonymous"),
    Declared("anonymous messages", ANY, "none is written: it would show who wrote it"),
    Declared("blog posts", ANY, "none is written: a server would give it another exclusive id"),
    Declared("messages", "O", "the room of a message that was written is the one that it was in transit in"),
    Declared("messages", "F", "an address is made up where there was none, and angle brackets are left out"),
    Declared("messages", "P", "the way by which a message came is each server's own"),
    Declared("messages", "V", "a mail that came to both has the address at which each server took it in", on_both=True),
    Declared("messages", "1", "an internal mark of the server"),
    Declared("users", "u_usernum", "a number is kept where the server never had a higher one"),
    Declared("users", "u_uid", "a user on the server's own system"),
    Declared("users", "u_version", "which version of the server made the user"),
    Declared("users", "u_lastcall", "written at most once a day"),
    Declared("users", "u_emailaddrs", "a server keeps those of its own domains, and makes one of its own"),
    Declared("floors", "f_num", "a server gives a new floor the first number that is free"),
    Declared("rooms", "QRnumber", "a number is kept where the server never had a higher one"),
    Declared("rooms", "aide", "of a room that another server made, who is no user of that one is nobody"),
    Declared("rooms", "QRgen", "when a server made the room"),
)
"""What may differ between two servers that are kept equal."""
COMPARED = ("messages", "anonymous messages", "items", "blog posts", "marks", "users", "floors", "rooms")
"""Sorts of things that are written into the other server."""
NOT_COMPARED = re.compile(
    r"9999999999\.|__Citadel|Local System Configuration|.*\.(My Citadel Config|Citadel Mirror in transit)"
)
"""Rooms whose messages are a server's own."""
ANONYMOUS = ("B", "C")
"""The marks of messages whose authors are not shown."""
NOBODY = "(nobody)"
"""Whose mailbox is left of a user who was deleted, until the server throws it away in the night."""
_COMMENTS = "filedir"
"""The file of a room's directory in which a server keeps what is said of the others."""
_OF_SERVER = re.compile(r"(VERSION|PRODID|METHOD|X-|REV)[:;]|(BEGIN|END):V(CARD|CALENDAR)")
"""Lines of an item that are a server's own."""
_ENCODED = re.compile(r";(charset=UTF-8|TYPE=INTERNET)", re.IGNORECASE)
_OWNER = re.compile(r"(\d{10})\.(.*)")


class Difference(NamedTuple):
    """One difference: where, and what is on either server; nothing where one has none of it."""

    sort: str
    name: str
    field: str
    one: str
    other: str

    @property
    def declared(self) -> bool:
        return any(
            one.sort == self.sort and one.field in (ANY, self.field) and (not one.on_both or (self.one and self.other))
            for one in DECLARED
        )


def read_export(session: Session) -> Contents:
    """Return what a server exports.  Its housekeeping rests afterwards until it is started again."""
    lines = session.lines("MIGR export")
    root = _parsed(line.encode("utf-8", "surrogateescape") for line in lines)
    _ask_for_single_numbers(session, root)
    return _contents(root)


def read_lines(lines: Iterable[bytes]) -> Contents:
    """Return what an export says, by its lines."""
    return _contents(_parsed(lines))


def _parsed(lines: Iterable[bytes]) -> Element:
    return fromstring(b"\n".join(lines).decode("utf-8", "replace"))


def _ask_for_single_numbers(session: Session, root: Element) -> None:
    """Have visits whose sets are exported as one number say what the server shows: their users are asked for it.

    Version 980 exports a set of just that number so, and an empty one, of which it shows that all is read up to there.
    """
    users = {_text(user, "u_usernum"): _text(user, "u_fullname") for user in root.iter("user") if _in_use(user)}
    rooms = {_text(room, "QRnumber"): _text(room, "QRname") for room in root.iter("room")}
    for visit in root.iter("visit"):
        user, room = users.get(_text(visit, "v_usernum")), rooms.get(_text(visit, "v_roomnum"))
        seen = visit.find("v_seen")
        if seen is None or not (seen.text or "").strip("0").isdigit() or not user or not room:
            continue
        with suppress(Refused):  # who may not enter the room has read nothing there that shows
            session.ask(f"USER {user}")
            session.go(room)
            seen.text = session.ask("GTSN").fields[0]


def _contents(root: Element) -> Contents:
    users = {_text(user, "u_usernum"): _text(user, "u_fullname") for user in root.iter("user") if _in_use(user)}
    texts = {_text(one, "msg_msgnum"): base64.b64decode(_text(one, "msg_text")) for one in root.iter("message")}
    found: Contents = {sort: {} for sort in COMPARED}
    for placed in _messages(root, users, texts):
        sort = _sort_of(placed)
        found[sort][placed.name] = _of_item(placed.fields) if sort == "items" else placed.fields
    found |= {"users": _users(root), "floors": _floors(root), "rooms": _rooms(root, users)}
    found["marks"] = _marks(root, users, _messages(root, users, texts))
    return found


def _sort_of(placed: "Placed") -> str:
    if "E" in placed.fields:
        return "blog posts" if placed.view == BLOG else "items"
    return "anonymous messages" if placed.fields.get("anonymous") in ANONYMOUS else "messages"


def _of_item(fields: Fields) -> Fields:
    """Return what is compared of an item: what it says, line by line in any order, without what a server adds."""
    lines = fields["text"].replace("\n ", "").splitlines()
    said = (_ENCODED.sub("", line) for line in lines if line and not _OF_SERVER.match(line))
    return {"says": "\n".join(sorted(said))}


def read_files(rooms: Things, directory: Path) -> Things:
    """Return the files of rooms, from the directory in which a server has those of all."""
    found = {}
    for room, fields in rooms.items():
        if int(fields["QRflags"]) & DIRECTORY and not int(fields["QRflags"]) & MAILBOX and fields["QRdirname"]:
            for file in sorted((directory / fields["QRdirname"]).glob("*")):
                if file.name != _COMMENTS:
                    found[f"{room}: {file.name}"] = {"bytes": hashlib.sha256(file.read_bytes()).hexdigest()}
    return found


def differences(one: Contents, other: Contents) -> list[Difference]:
    """Return in what two servers differ, declared or not."""
    found: list[Difference] = []
    for sort in sorted(one.keys() | other.keys()):
        found += _compare(sort, one.get(sort, {}), other.get(sort, {}))
    return found


def _compare(sort: str, one: Things, other: Things) -> Iterator[Difference]:
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other:
            yield Difference(sort, name, WHOLE, _shown(one.get(name)), _shown(other.get(name)))
            continue
        mine, its = one[name], other[name]
        for field in sorted(mine.keys() | its.keys()):
            if mine.get(field, "") != its.get(field, ""):
                yield Difference(sort, name, field, mine.get(field, ""), its.get(field, ""))


def _shown(fields: Mapping[str, str] | None) -> str:
    return "nothing" if fields is None else ", ".join(f"{name}={text[:40]}" for name, text in fields.items())


def _text(element: Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


# -- users, floors, rooms ---------------------------------------------------------------------------------

_USER_FIELDS = (
    "u_password", "u_flags", "u_axlevel", "u_USuserpurge", "u_emailaddrs", "u_usernum", "u_uid", "u_version",
    "u_lastcall",
)  # fmt: skip
_ROOM_FIELDS = (
    "QRpasswd", "QRdirname", "QRflags", "QRorder", "QRdefaultview", "QRflags2", "QRexpire_mode", "QRexpire_value",
    "QRnumber", "QRgen",
)  # fmt: skip


def _users(root: Element) -> Things:
    users = {_text(user, "u_fullname"): user for user in root.iter("user") if _in_use(user)}
    users.pop(SERVICE, None)  # who writes is left alone
    return {name: {field: _text(user, field) for field in _USER_FIELDS} for name, user in users.items()}


def _in_use(user: Element) -> bool:
    return _text(user, "u_axlevel") not in ("", "0")


def _floors(root: Element) -> Things:
    floors = [floor for floor in root.iter("floor") if int(_text(floor, "f_flags") or 0) & 1]
    return {_text(floor, "f_name"): {"f_num": _text(floor, "f_num")} for floor in floors}


def _rooms(root: Element, users: Mapping[str, str]) -> Things:
    floors = {_text(floor, "f_num"): _text(floor, "f_name") for floor in root.iter("floor")}
    found: Things = {}
    for room in root.iter("room"):
        stored = _text(room, "QRname")
        name = name_of_room(stored, users)
        if NOT_COMPARED.match(stored) or name.startswith(NOBODY):
            continue
        fields = {field: _text(room, field) for field in _ROOM_FIELDS}
        if not int(fields["QRflags"] or 0) & PASSWORDED:
            fields["QRpasswd"] = ""  # a server keeps it though it asks for none
        fields["QRorder"] = str(max(1, int(fields["QRorder"] or 0)))  # what is edited gets one of 1 at least
        fields["floor"] = floors.get(_text(room, "QRfloor"), "none")
        fields["aide"] = users.get(_text(room, "QRroomaide"), "nobody")
        found[name] = fields
    return found


# -- messages ---------------------------------------------------------------------------------------------


class Placed(NamedTuple):
    """A message in a room: under which name both servers know it, by room, id and words, for ids may be there twice."""

    name: str
    room: str
    number: int
    view: int
    fields: Fields


def _messages(root: Element, users: Mapping[str, str], texts: Mapping[str, bytes]) -> Iterator[Placed]:
    """Yield the messages of rooms of people."""
    views = {_text(room, "QRname"): int(_text(room, "QRdefaultview") or 0) for room in root.iter("room")}
    for listed in root.iter("room_messages"):
        stored = _text(listed, "FRname")
        room = name_of_room(stored, users)
        if NOT_COMPARED.match(stored) or room.startswith(NOBODY):
            continue
        seen: Counter[str] = Counter()
        for number in re.findall(r"\d+", _text(listed, "FRmsglist")):
            fields = read_message(texts.get(number, b""))
            name = f"{room}: {fields.get('E', '')}"
            if "E" not in fields:
                name = f"{room}: {fields['I']} ({_abridged(fields['words'])})"
            seen[name] += 1
            name = f"{name} #{seen[name]}" if seen[name] > 1 else name
            yield Placed(name, room, int(number), views.get(stored, 0), fields)


def _marks(root: Element, users: Mapping[str, str], messages: Iterable[Placed]) -> Things:
    """Return which messages users have read, by user and room.

    Those are left out that cannot be written: of who has no password, or may have to be let into a room first; and
    those of items, which are unread again whenever they are replaced.
    """
    able = {users[_text(one, "u_usernum")] for one in root.iter("user") if _in_use(one) and _text(one, "u_password")}
    rooms = {
        _text(room, "QRnumber"): name_of_room(_text(room, "QRname"), users)
        for room in root.iter("room")
        if int(_text(room, "QRflags") or 0) & (PRIVATE | MAILBOX) != PRIVATE
    }
    placed: dict[str, list[Placed]] = defaultdict(list)
    for one in messages:
        if _sort_of(one) == "messages":
            placed[one.room].append(one)
    found: Things = {}
    for visit in root.iter("visit"):
        user, room = users.get(_text(visit, "v_usernum"), ""), rooms.get(_text(visit, "v_roomnum"), "")
        seen = _numbers(_text(visit, "v_seen"))
        read = {one.name: "read" for one in placed[room] if any(begin <= one.number <= end for begin, end in seen)}
        if read and user in able - {SERVICE}:
            found[f"{user} in {room}"] = read
    return found


def _numbers(text: str) -> list[tuple[int, int]]:
    """Return the ranges of a set of numbers as a server keeps it; ``*`` at its beginning is the first there is."""
    ends = (piece.partition(":")[::2] for piece in text.split(",") if piece)
    return [(int(begin.replace("*", "0")), int(end or begin)) for begin, end in ends]


def name_of_room(stored: str, users: Mapping[str, str]) -> str:
    """Return under which name both servers know a room: a mailbox by its owner's name."""
    owned = _OWNER.fullmatch(stored)
    return f"{users.get(owned[1].lstrip('0'), NOBODY)}'s {owned[2]}" if owned else stored


def read_message(data: bytes) -> Fields:
    """Return the fields of a message as it is stored: of its text the words, and the headers before them."""
    if len(data) < 3:
        return {"I": "", "words": ""}
    fields: Fields = {"anonymous": f"{data[1]:c}", "format": str(data[2])}
    for part in data[3:].partition(b"\0M")[0].split(b"\0"):
        if part:
            fields[chr(part[0])] = part[1:].decode("utf-8", "replace")
    text = data.partition(b"\0M")[2].rstrip(b"\0").replace(b"\r", b"").decode("utf-8", "replace")
    head, body = ("", text) if fields["format"] != "4" else text.split("\n\n", 1) if "\n\n" in text else (text, "")
    told = {"headers": "\n".join(sorted(head.lower().splitlines())), "words": " ".join(body.split())}
    return {**fields, **told, **({"text": body} if "E" in fields else {})}


def _abridged(words: str) -> str:
    return words if len(words) <= 60 else f"{words[:40]}... {len(words)} characters"
