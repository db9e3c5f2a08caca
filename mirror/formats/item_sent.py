"""An item as it is sent to a Citadel server, so that it is kept under its exclusive id.

A server gives an item that is appended to a folder the id that the item's text has, and only where the folder is for
such items (version 980: calendar and tasks, contacts, notes).  Whatever else has an exclusive id is entered as it
stands into a folder of notes, where who enters it says the id.  Bytes in, bytes out.
"""

import re
from typing import NamedTuple

from mirror.formats.message import MIME, Message

CONTACTS, CALENDAR, NOTES, BLOG = 2, 3, 5, 10
"""Views of rooms, by the server's numbers."""
INDEXED = frozenset({2, 3, 4, 5, 6, 10})
"""Views of rooms in which one item of an exclusive id replaces another."""
MAX_ID = 200
"""Bytes of an exclusive id by which a server can be asked for an item."""
MAX_ENTERED_ID = 120
"""The same, where who enters an item says it."""
MAX_ARGUMENT = 900
"""Bytes of a subject, an author or references that are told a server in one line."""
_TYPE = re.compile(rb"^content-type[ \t]*:[ \t]*([\w.+-]+/[\w.+-]+)", re.MULTILINE | re.IGNORECASE)
_ENCODED = re.compile(rb"^content-transfer-encoding[ \t]*:(?![ \t]*(?:7bit|8bit|binary))", re.MULTILINE | re.IGNORECASE)
_FOLDERS = {
    b"text/calendar": CALENDAR, b"application/ics": CALENDAR, b"text/vnote": NOTES,
    b"text/vcard": CONTACTS, b"text/x-vcard": CONTACTS,
}  # fmt: skip
_FOLD = re.compile(rb"\r?\n[ \t]")
_END = b"000"


class Entered(NamedTuple):
    """What ``ENT0`` is given: its arguments, and the text."""

    arguments: str
    text: bytes


def why_not_kept(euid: str) -> str:
    """Return why a server cannot be asked for an item by its exclusive id; nothing where it can."""
    if not euid or "|" in euid or not euid.isprintable() or len(euid.encode()) > MAX_ID:
        return f"its exclusive id is none that a server can be asked for: empty, with |, or over {MAX_ID} bytes"
    return ""


def folder_for(message: Message) -> int | None:
    """Return in which kind of folder a server reads the item's id out of its text; None where it is to be entered.

    Contacts are read there and written anew, which does harm to what is encoded.
    """
    if message.format != MIME:
        return None
    head, _, body = message.get("M").replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")
    found = _TYPE.search(head)
    folder = _FOLDERS.get(found[1].lower()) if found else None
    if folder == CONTACTS and (_ENCODED.search(head) or b"quoted-printable" in body.lower()):
        return None
    return folder


def for_folder(message: Message, folder: int) -> Message:
    """Return a message as it is appended to a folder: of a card's lines a server would keep the blanks of the folds."""
    if folder != CONTACTS:
        return message
    text = message.get("M")
    blank = re.search(rb"\r?\n\r?\n", text)
    at = blank.end() if blank else 0
    unfolded = text[:at] + _FOLD.sub(b"", text[at:])
    return message._replace(fields=[(name, unfolded if name == "M" else value) for name, value in message.fields])


def entered(message: Message, euid: str) -> Entered | str:
    """Return a message as it is entered as it stands, or why it cannot be."""
    text = message.get("M").replace(b"\r\n", b"\n")
    if len(euid.encode()) > MAX_ENTERED_ID:
        return f"its exclusive id is over {MAX_ENTERED_ID} bytes"
    if not text or _END in text.split(b"\n"):
        return "its text has a line that ends it: 000"
    references = message.get("W").decode("latin-1").replace("|", "!")
    said = [_argument(message.text("U")), _argument(message.text("A")), "1", "", "", euid, "", _argument(references)]
    return Entered("|".join(["1", "", "0", str(message.format), *said]), text.removesuffix(b"\n"))


def _argument(text: str) -> str:
    """Return text as one argument of a line."""
    line = " ".join(text.replace("|", " ").split())
    return line.encode()[:MAX_ARGUMENT].decode("utf-8", "ignore")
