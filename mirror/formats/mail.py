"""A file of mail (RFC 5322, as it lies in a Maildir) as the message that it is kept as: format 4, M the file as it is.

Beside M stand the fields I T A F R U Y that the file's headers say, and the record's head says that M is a whole file:
``internet.mail_file`` gives it back byte for byte.  Made from the file alone, so the same file is the same message on
every machine.  Bytes in, values out.
"""

import hashlib
import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import parseaddr, parsedate_to_datetime
from typing import NamedTuple

from mirror.formats.compose import Composed
from mirror.formats.errors import BadMessage
from mirror.formats.keys import message_key
from mirror.formats.message import MIME, NORMAL, Field, Message, serialize_message
from mirror.model.record import pack_head, unpack_head

HEAD_KEY = "file"
"""Under this name a head says true where M is a file as it came: headers, line ends and all."""
MAIL_HEAD = pack_head({HEAD_KEY: True})
MADE_ID = "@by-content"
"""Behind the SHA-256 of a file that names no message id: that is its id."""
_MAX_SECONDS = 1 << 36

_BLANK_LINE = re.compile(rb"(?m)^\r*\n")
_HEADER = re.compile(rb"(?im)^(message-id|date|from|to|cc|subject)[ \t]*:(.*\n?(?:[ \t].*\n?)*)")
_BRACKETED = re.compile(rb"<([^<>]+)>")
_NAMED_ADDRESS = re.compile(rb'(?:"([^"\\]*)"|([^"\\<>(),:;@]*))[ \t]*<([^<>\s"]+)>')
_ADDRESS = re.compile(rb'[^\s<>(),:;"\\]+@[^\s<>(),:;"\\]+')


class MailParts(NamedTuple):
    """The headers of a file, and what follows: an empty line, if there is one, and the body."""

    head: bytes
    rest: bytes


def is_file(head: bytes) -> bool:
    """Tell whether a record's head says that its message holds a file as it came.  Raises BadRecord."""
    return head == MAIL_HEAD or (HEAD_KEY.encode() in head and unpack_head(head).get(HEAD_KEY) is True)


def compose_mail(data: bytes, seconds: int = 0) -> Composed:
    """Return the message that a file is kept as; its record's head is MAIL_HEAD.

    ``seconds`` is when it came (Unix), for a file that tells no date.  Raises BadMessage.
    """
    nul = data.find(b"\0")
    if nul >= 0:
        raise BadMessage(f"it holds a NUL byte (at byte {nul}), which no message can: repair it, or move it elsewhere")
    if not data.strip():
        raise BadMessage("it is empty")
    fields = [*fields_of_file(data, seconds), ("M", data)]
    return Composed(message_key(Message(NORMAL, MIME, fields), "", 0), serialize_message(fields, MIME))


def fields_of_file(data: bytes, seconds: int = 0) -> list[Field]:
    """Return the fields I T A F R U Y that a file's headers say, in this order, without those that are empty."""
    said = _headers(data)
    (identity, *others) = _told(said, data)
    return [identity, ("T", b"%d" % (_date(said.get(b"date", b"")) or seconds)), *others]


def told_by_file(data: bytes) -> list[Field]:
    """Return the same without T."""
    return _told(_headers(data), data)


def _headers(data: bytes) -> dict[bytes, bytes]:
    """Return the headers that become fields, each the first of its name, in one line."""
    said: dict[bytes, bytes] = {}
    for found in _HEADER.finditer(split_mail(data).head):
        said.setdefault(found[1].lower(), b" ".join(found[2].split()))
    return said


def _told(said: dict[bytes, bytes], data: bytes) -> list[Field]:
    name, address = _author(said.get(b"from", b""))
    fields = [
        ("I", _message_id(said.get(b"message-id", b""), data)),
        ("A", name),
        ("F", address),
        ("R", _as_utf8(said.get(b"to", b""))),
        ("U", _decoded(said.get(b"subject", b""))),
        ("Y", _as_utf8(said.get(b"cc", b""))),
    ]
    return [(letter, value) for letter, value in fields if value]


def split_mail(data: bytes) -> MailParts:
    """Return a file's headers, and all that follows."""
    blank = _BLANK_LINE.search(data)
    return MailParts(data[: blank.start()], data[blank.start() :]) if blank else MailParts(data, b"")


def _message_id(value: bytes, data: bytes) -> bytes:
    bracketed = _BRACKETED.search(value)
    name = (bracketed[1] if bracketed else value).strip(b"<> ")
    return _as_utf8(name) or hashlib.sha256(data).hexdigest().encode() + MADE_ID.encode()


def _date(value: bytes) -> int:
    """Return a date as Unix seconds; 0 for what is none."""
    try:
        seconds = int(parsedate_to_datetime(value.decode("latin-1")).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0
    return seconds if 0 < seconds < _MAX_SECONDS else 0


def _author(value: bytes) -> tuple[bytes, bytes]:
    """Return the name and the address of who a file is from; without a name that is what stands before the @."""
    named = _NAMED_ADDRESS.fullmatch(value)
    if named:
        name, address = named[1] or named[2] or b"", named[3]
    elif _ADDRESS.fullmatch(value):
        name, address = b"", value
    else:
        told = parseaddr(_text(value))
        name, address = told[0].encode(), told[1].encode()
        if b"@" not in address:
            name, address = name or value, b""
    shown = _decoded(name.strip()) or _as_utf8(address.partition(b"@")[0])
    return shown, _as_utf8(address)


def _decoded(value: bytes) -> bytes:
    """Return a header's text with its encoded words (RFC 2047) undone, in one line; as it stands where that fails."""
    if b"=?" not in value:
        return _as_utf8(value)
    try:
        text = str(make_header(decode_header(_text(value))))
    except (HeaderParseError, ValueError, LookupError):
        return _as_utf8(value)
    return " ".join(text.replace("\0", " ").split()).encode("utf-8", "replace")


def _as_utf8(value: bytes) -> bytes:
    return value if value.isascii() else _text(value).encode()


def _text(value: bytes) -> str:
    """Return bytes as text; those that are not UTF-8 as Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
