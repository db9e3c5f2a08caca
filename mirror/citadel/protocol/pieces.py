"""Single messages of a running server, asked for one by one, where few are wanted and an export of all is long.

No command tells a message as it is stored: its fields are told one a line, its text as the server would show it.  What
is put together from that is the stored message to the byte, but that no line ends in a carriage return, the last one
ends in a newline, and in flowing text a line that was broken behind column 72 goes on: what mirror.model.texts leaves
out of what it compares.  Facts: version 980, recording
13-follow-admin-socket.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from mirror.citadel.protocol.client import CitadelClient
from mirror.formats.message import FLOWING, MIME, NORMAL, Message, parse_message, serialize_message
from mirror.formats.migr import Broken, Element
from mirror.wire.errors import Refused

VERSION = "980"
"""The version of a server whose messages are told so."""
_FIELDS = {
    "msgn": "I", "path": "P", "time": "T", "from": "A", "rfca": "F", "room": "O", "rcpt": "R", "exti": "E", "wefw": "W",
    "jrnl": "J", "rep2": "K", "list": "L", "nvto": "V", "cccc": "Y", "subj": "U",
}  # fmt: skip
"""How the server names a message's fields, in the order in which it stores them."""
_ANONYMOUS = {b"****": 66, b"anonymous": 67}
"""What is told instead of an author's name, to some before that name in brackets, and how such a message is marked."""
_RECEIVED = b"Received: "
"""A message that came by SMTP or LMTP begins so; the server leaves it unmarked."""
FULL_COLUMNS = 73
"""Columns of a line of flowing text behind which the server breaks it at the next blank."""
_BLANK = re.compile(rb"\s")


class Wanted(NamedTuple):
    """A message, and a room in which it can be read, as the server names that, with its password."""

    room: str
    password: str
    number: int


def fetch_messages(client: CitadelClient, wanted: Iterable[Wanted]) -> Iterator[Element | Broken]:
    """Yield messages as an export has them, or why a room's cannot be had.  What is gone meanwhile is left out.

    They come in the order of their numbers, as there: which of two of one id came first tells which has its key.
    """
    refused: set[str] = set()
    in_order = sorted(wanted, key=lambda one: one.number)
    for (room, password), messages in groupby(in_order, key=lambda one: one[:2]):
        if room in refused:
            continue
        try:
            client.enter_room(room, password)
        except Refused as error:
            refused.add(room)
            yield Broken("message", f"room {room!r}: {error}", 0, 0)
            continue
        for _, _, number in messages:
            data = fetch_message(client, number)
            if data is not None:
                text = base64.b64encode(data).decode()
                yield Element("message", "", "", {"msg_msgnum": str(number), "msg_text": text}, 0, 0)


def fetch_message(client: CitadelClient, number: int) -> bytes | None:
    """Return a message of the room that a client is in, or None where it is not there."""
    lines, whole, headers = client.tell(f"MSG0 {number}|0", f"MSG2 {number}|0", f"MSG2 {number}|3")
    if lines is None or whole is None or headers is None:
        return None
    end = lines.index(b"text") if b"text" in lines else len(lines)
    told = dict(_parted(line) for line in lines[:end])
    form, anonymity = int(told.get("type", b"0")), _ANONYMOUS.get(told.get("from", b"").partition(b" [")[0], NORMAL)
    if anonymity != NORMAL:
        author = client.author(number)
        anonymity = NORMAL if told["from"] == author else anonymity
        told["from"] = author
    shown = whole[len(headers) :] if form == MIME else lines[end + 1 :]
    text = b"".join(line + b"\n" for line in (_joined(shown) if form == FLOWING else shown))
    if form == MIME and text.startswith(_RECEIVED):
        anonymity = 0
    fields = [(letter, told[name]) for name, letter in _FIELDS.items() if name in told]
    return serialize_message([*fields, ("M", text)], form, anonymity)


def message_of(lines: Iterable[bytes]) -> Message:
    """Return the header of a message as ``MSG0`` tells it."""
    told = dict(_parted(line) for line in lines)
    fields = [(letter, told[name]) for name, letter in _FIELDS.items() if name in told]
    return parse_message(serialize_message([*fields, ("M", b"")], MIME, NORMAL))


def _parted(line: bytes) -> tuple[str, bytes]:
    name, _, value = line.partition(b"=")
    return name.decode("ascii", "replace"), value


def _joined(lines: Iterable[bytes]) -> list[bytes]:
    """Return flowing text without the newlines that the server put in the place of blanks."""
    joined: list[bytes] = []
    broken = False
    for line in lines:
        if broken:
            joined[-1] += b" " + line
        else:
            joined.append(line)
        broken = (
            len(line) >= FULL_COLUMNS and len(line[FULL_COLUMNS:].split()) <= 1 and not line[FULL_COLUMNS:].isspace()
        )
    return joined
