"""What two servers export, compared number by number: of a server that was made anew all has the numbers that it had.

What may differ all the same is declared here, and told by docs/disaster.md.  Deliberately not the mirror's own reading
of an export: what that gets wrong must not go unnoticed.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, iterparse

from try_live.exports import ANY, WHOLE, Fields, Things
from try_live.session import Session

Export = dict[str, Things]
"""By element, what a server has, by names in which both servers' agree."""
BYTES = "bytes"
"""In place of a field's name: the message as it is stored."""
_NUMBERS = re.compile(r"\d+")
_CONFIGURATION = re.compile(r"Local System Configuration|\d{10}\.My Citadel Config")
_NAMES = {"user": ("u_usernum",), "room": ("QRname",), "floor": ("f_num",), "visit": ("v_roomnum", "v_usernum")}


class Declared(NamedTuple):
    """A difference that is none: in such elements, of a name that matches all of it, in this field; and why."""

    element: str
    name: str
    field: str
    why: str


_BY_TEXT = "the number of the message that holds it, compared by text"
DECLARED = (
    Declared("config", r"MM.*", ANY, "counters and levels, which are above all that ever was"),
    Declared("config", r"application/.*", "value", "the number of the message that holds a system configuration"),
    Declared(
        "config",
        r"c_(ip_addr|port_number|fqdn|[a-z0-9_]*port)|host_key",
        ANY,
        "the new server's own name, addresses, ports and key",
    ),
    Declared("config", r"c_netconfig_.*", "value", "a list is told to have sent all there is"),
    Declared("user", ".*", "u_lastproc_inboxrules", "no rule is applied to what was there before"),
    Declared("user", ".*", "u_msgnum_(bio|pic|inboxrules)", _BY_TEXT),
    Declared("room", ".*", "QRmtime|QRhighest", "when the server last wrote the room"),
    Declared("room", ".*", "msgnum_(info|pic)", _BY_TEXT),
    Declared("room", r"9999999999\..*|__Citadel.*", ANY, "killed rooms, and queues: they are not mirrored"),
    Declared("room", r"(\d{10}\.My Citadel Config|Local System Configuration)", ANY, "made anew for what it holds"),
    Declared("floor", ".*", "f_ref_count", "how many rooms are on it, a server's own among them"),
    Declared("visit", r".* 0", ANY, "those of nobody: an import makes them"),
    Declared("visit", ".*", "v_seen|v_answered", "a set that has just the same of the room's messages"),
    Declared("text", "application/x-citadel-ignet-map", ANY, "what a server has learned of its network"),
)
"""What may differ between a server and the one that was made anew from its mirror."""


class Difference(NamedTuple):
    """One difference: in which element, of which name and field, and what each server has."""

    element: str
    name: str
    field: str
    one: str
    other: str

    @property
    def declared(self) -> Declared | None:
        return next((one for one in DECLARED if self._is(one)), None)

    def _is(self, one: Declared) -> bool:
        field = one.field == ANY or re.fullmatch(one.field, self.field)
        return one.element == self.element and bool(field) and re.fullmatch(one.name, self.name) is not None


def save_export(session: Session, file: Path) -> None:
    """Write a server's whole export to a file.  Its housekeeping rests afterwards until it is started again."""
    with file.open("w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.writelines(f"{line}\n" for line in session.lines("MIGR export"))


def read_file(file: Path) -> Export:
    """Return what an export says."""
    found: Export = {"config": {}, "user": {}, "room": {}, "floor": {}, "visit": {}, "message": {}}
    numbered: dict[str, Fields] = {}
    lists: dict[str, list[str]] = {}
    for _, element in iterparse(file):
        if element.tag == "config":
            found["config"][element.get("key", "")] = {"value": (element.text or "").strip()}
        elif element.tag == "room_messages":
            lists[element.findtext("FRname") or ""] = _NUMBERS.findall(element.findtext("FRmsglist") or "")
        elif element.tag == "message":
            numbered[(element.findtext("msg_msgnum") or "").strip()] = _message(element)
        elif element.tag in _NAMES:
            fields = {child.tag: (child.text or "").strip() for child in element}
            found[element.tag][" ".join(fields.get(name, "") for name in _NAMES[element.tag])] = fields
        else:
            continue
        element.clear()
    return _put_together(found, numbered, lists)


def _message(element: Element) -> Fields:
    data = base64.b64decode(element.findtext("msg_text") or "")
    text = data.partition(b"\0M")[2].rstrip(b"\0").replace(b"\r", b"")
    return {BYTES: hashlib.sha256(data).hexdigest(), "text": hashlib.sha256(text).hexdigest()}


def _put_together(found: Export, numbered: Mapping[str, Fields], lists: Mapping[str, list[str]]) -> Export:
    """Name messages by room and number, and what others name by a number by those."""
    for room, numbers in lists.items():
        if not _CONFIGURATION.fullmatch(room):
            told = {f"{room} #{number}": {BYTES: numbered.get(number, {}).get(BYTES, "absent")} for number in numbers}
            found["message"] |= told
    found["text"] = dict(_texts(found, numbered))
    _set_marks(found, lists)
    return found


def _texts(found: Export, numbered: Mapping[str, Fields]) -> Iterator[tuple[str, Fields]]:
    """Yield what users, rooms and settings name by the number of the message that holds it."""
    for name, fields in found["user"].items():
        for field in ("u_msgnum_bio", "u_msgnum_pic", "u_msgnum_inboxrules"):
            if number := fields.get(field, "0").strip("0"):
                yield f"user {name} {field}", {"text": numbered.get(fields[field], {}).get("text", f"absent {number}")}
    for name, fields in found["room"].items():
        for field in ("msgnum_info", "msgnum_pic"):
            if fields.get(field, "0").strip("0"):
                yield f"room {name} {field}", {"text": numbered.get(fields[field], {}).get("text", "absent")}
    for key, fields in found["config"].items():
        if key.startswith("application/"):
            yield key, {"text": numbered.get(fields["value"], {}).get("text", "absent")}


def _set_marks(found: Export, lists: Mapping[str, list[str]]) -> None:
    """Have visits say which of the room's messages are read and answered, besides how that is written."""
    rooms = {fields["QRnumber"]: name for name, fields in found["room"].items()}
    for fields in found["visit"].values():
        numbers = [int(number) for number in lists.get(rooms.get(fields["v_roomnum"], ""), [])]
        for field in ("v_seen", "v_answered"):
            ranges = list(_ranges(fields.get(field, "")))
            marked = [number for number in numbers if any(low <= number <= high for low, high in ranges)]
            fields[f"{field} in the room"] = " ".join(map(str, marked))


def _ranges(text: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a set as a server reads it."""
    for part in filter(None, text.split(",")):
        low, colon, high = part.partition(":")
        first = 0 if low == "*" else int(low)
        yield first, (first if not colon else 1 << 62 if high == "*" else int(high))


def differences(one: Export, other: Export) -> list[Difference]:
    """Return in what two exports differ, declared or not."""
    found: list[Difference] = []
    for element in one:
        found += _compare(element, one[element], other.get(element, {}))
    return found


def _compare(element: str, one: Things, other: Things) -> Iterator[Difference]:
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other:
            yield Difference(element, name, WHOLE, *("there" if name in side else "nothing" for side in (one, other)))
            continue
        mine, its = one[name], other[name]
        for field in sorted(mine.keys() | its.keys()):
            if mine.get(field, "") != its.get(field, ""):
                yield Difference(element, name, field, mine.get(field, "")[:200], its.get(field, "")[:200])


def undeclared(found: Iterable[Difference]) -> list[Difference]:
    """Return those differences that are some."""
    return [one for one in found if one.declared is None]
