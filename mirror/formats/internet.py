"""A stored message as it is sent to a Citadel server by IMAP, and whether one that a server has is what came of that.

A server that takes a message by APPEND reads known headers out of it and keeps the rest as its text, in which one
empty line more stands before the body; it is of format 4 and not anonymous, and headers that it reads are as it writes
them.  Facts: version 980, recording 11-imap-append.  Bytes in, bytes out.
"""

import re
from collections.abc import Iterable, Mapping
from email.header import Header
from email.utils import formatdate

from mirror.formats.mail import split_mail, told_by_file
from mirror.formats.message import FLOWING, MIME, Message
from mirror.formats.numbers import number_or_zero

_HEADERS = {
    "P": "Return-Path",
    "R": "To",
    "Y": "Cc",
    "K": "Reply-To",
    "L": "List-ID",
    "V": "Envelope-To",
    "U": "Subject",
}
"""Fields that a header says as they stand."""
_SAID_BY_FIELDS = {"I": "Message-ID", "A": "From", "F": "From", "R": "To", "U": "Subject", "Y": "Cc"}
"""Headers that fields tell of a message that is kept as a file; its date is as the file says it, zone and all."""
_READ_OF_FILE = {"Reply-To": "K", "List-ID": "L", "References": "W"}
"""Headers of a file that are fields of a server's message, and are no fields of the file's."""
_TOLD_BY_SERVER = ("Date", "From", "To", "Cc", "Subject", "Message-ID")
"""Headers that a server makes of its fields, whatever a message's text begins with."""
_TELLING_WHO = frozenset({"Sender", "Reply-To", "Return-Path"})
_FROM_LINE = re.compile(rb"\A>?From .*\n")
_ONE_ID = re.compile(rb"<([^<>\s|]+)>")
_HEADER_LINE = re.compile(rb"(?:>?From .*\n)?[!-9;-~]+[ \t]*:")
_SPECIAL = re.compile(rb'[()<>@,;:\\".\[\]\x80-\xff]')
_ANONYMOUS = (66, 67)
_WORD_COLUMNS = 70
_TOO_LONG = 900
"""Bytes of an id beyond which a server may cut it."""
_LINE_ENDS = re.compile(rb"\r*\n")
_NOT_SENT = (
    b"received|delivered-to|return-path|envelope-to|date|from|message-id|references|subject|to|cc|reply-to|list-id"
)
"""Headers in a message's text that tell its way, or that a server would read in place of the fields."""
_LEFT_OUT = re.compile(rb"(?im)^(?:%s)[ \t]*:.*\n(?:[ \t].*\n)*" % _NOT_SENT)


def internet_message(message: Message, message_id: str) -> bytes:
    """Return a message as a server is given it, lines ended by CRLF.

    ``message_id`` is without angle brackets; without one the server makes one.
    """
    lines = [f"{name}: ".encode() + _one_line(value) for name, value in _headers(message, message_id, _author(message))]
    head, body = _parts(message, _LEFT_OUT)
    known = [line for line in head.split(b"\n") if line]
    data = b"\n".join([*lines, *known]) + b"\n\n" + body
    return _LINE_ENDS.sub(b"\r\n", data)


def mail_file(message: Message, message_id: str, kept: bool = False) -> bytes:
    """Return a message as a file of RFC 5322 for other programs, lines ended by LF: all headers that it has.

    What its fields tell is told by them; who wrote what is anonymous is not.  Other headers of its text stay as they
    are, as those of its way.  What is not ASCII is encoded by RFC 2047.  ``message_id`` is without angle brackets.
    ``kept``: its text is a file as it came (mirror.formats.mail), which is given back byte for byte but for headers
    that its fields contradict.
    """
    if kept and message.format == MIME:
        return _kept_file(message, message_id)
    headers = _headers(message, message_id, _encoded_author(message))
    told = b"|".join(re.escape(name.encode()) for name, _ in headers)
    head, body = _parts(message, re.compile(rb"(?im)^(?:%s)[ \t]*:.*\n(?:[ \t].*\n)*" % told))
    lines = [_line(name, value) for name, value in headers]
    known = [line for line in head.split(b"\n") if line]
    return b"\n".join([*lines, *known]) + b"\n\n" + body


def as_server_keeps(message: Message) -> Message:
    """Return a message that holds a file as it came in a server's form, in which what fields tell is no header of M.

    A server shows its fields as headers, and those that M begins with behind them: all would be there twice.
    """
    if message.format != MIME:
        return message
    data = message.get("M")
    head, rest = split_mail(data)
    if head and not _HEADER_LINE.match(head):  # all of it is text
        return _changed(message, {"M": b"\n" + data})
    more = {letter: _read_of(head, name) for name, letter in _READ_OF_FILE.items() if not message.get(letter)}
    subject = _read_of(head, "Subject")
    if b"=?" in subject and message.get("U") == dict(told_by_file(data)).get("U"):
        more["U"] = subject  # encoded as it came: a server shows it as it stands
    told = [*_TOLD_BY_SERVER, *(name for name, letter in _READ_OF_FILE.items() if more.get(letter, True))]
    others = _header_of(told).sub(b"", _FROM_LINE.sub(b"", head))
    ended = others if not others or others.endswith(b"\n") else others + b"\n"
    return _changed(message, {**more, "M": ended + (rest or b"\n")})


def _changed(message: Message, values: Mapping[str, bytes]) -> Message:
    """Return a message with other fields, M the last of them; those that are empty are left out."""
    fields = {**dict(reversed(message.fields)), **values}
    order = list(dict.fromkeys([*(letter for letter, _ in message.fields if letter != "M"), *values]))
    return message._replace(fields=[(letter, fields[letter]) for letter in order if fields[letter]])


def _read_of(head: bytes, name: str) -> bytes:
    """Return what a file's first header of a name says, as the field of a server."""
    found = _header_of([name]).search(head)
    value = b" ".join(found[0].partition(b":")[2].split()) if found else b""
    return b"|".join(_ONE_ID.findall(value)) if name == "References" else value


def _header_of(names: Iterable[str]) -> re.Pattern[bytes]:
    """Return what finds headers of these names, with the lines that they go on in."""
    return re.compile(rb"(?im)^(?:%s)[ \t]*:.*\n?(?:[ \t].*\n?)*" % b"|".join(re.escape(one.encode()) for one in names))


def _kept_file(message: Message, message_id: str) -> bytes:
    """Return the file that a message holds, with those headers written anew that its fields contradict."""
    data = message.get("M")
    said, fields = dict(told_by_file(data)), dict(reversed(message.fields))
    untrue = {name for letter, name in _SAID_BY_FIELDS.items() if fields.get(letter, b"") != said.get(letter, b"")}
    anonymous = message.anonymity in _ANONYMOUS
    if not untrue and not anonymous:
        return data
    untrue |= {"From"} if anonymous else set()
    lines = [
        _line(name, value) for name, value in _headers(message, message_id, _encoded_author(message)) if name in untrue
    ]
    end = b"\r\n" if b"\r\n" in data else b"\n"
    written = b"".join(line.replace(b"\n", end) + end for line in lines)
    head, rest = split_mail(data)
    others = _header_of(sorted(untrue | (_TELLING_WHO if anonymous else set()))).sub(b"", head)
    if others and not _HEADER_LINE.match(others):
        return written + end + others + rest  # the file had no headers: all of it is text
    return written + others + rest


def _headers(message: Message, message_id: str, author: bytes) -> list[tuple[str, bytes]]:
    """Return the headers that a message's fields tell."""
    headers = [(name, message.get(letter)) for letter, name in _HEADERS.items()]
    headers.append(("From", author))
    headers.append(("Date", formatdate(_seconds(message)).encode()))
    headers.append(("Message-ID", b"<%s>" % message_id.encode() if message_id else b""))
    references = [one for one in message.get("W").split(b"|") if one]
    headers.append(("References", b" ".join(b"<%s>" % one.strip(b"<>") for one in references)))
    return [(name, value) for name, value in headers if value]


def _line(name: str, value: bytes) -> bytes:
    return f"{name}: ".encode() + _encoded_text(_one_line(value))


def _encoded_author(message: Message) -> bytes:
    if message.anonymity in _ANONYMOUS:
        return b"anonymous"  # as everybody sees it who reads it at the server
    name, address = _plain(message.get("A")), message.get("F").strip(b"<> ")
    if name.isascii():
        return _author(message)
    shown = _encoded_text(name)
    return b"%s <%s>" % (shown, address) if address else shown


def _encoded_text(value: bytes) -> bytes:
    """Return a header's text in encoded words (RFC 2047) where it is not ASCII; what is no UTF-8 is Latin-1."""
    if value.isascii():
        return value
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return Header(text, "utf-8", maxlinelen=_WORD_COLUMNS).encode().encode()


def can_be_sent(message: Message, message_id: str) -> str:
    """Return why a server would not keep a message as the same one; nothing where it does."""
    if message.anonymity in _ANONYMOUS:
        return "it is anonymous, and the server would show who wrote it"
    data = message_id.encode()
    if not message_id.isascii() or len(data) > _TOO_LONG or any(mark in data for mark in (b"<", b">", b" ")):
        return "its message id is none that a server keeps"
    return ""


def is_returned(held: Message, told: Message) -> bool:
    """Tell whether one of two of one id came of writing the other into a server, which changes some of it."""
    return _became(held, told) or _became(told, held)


def _became(held: Message, told: Message) -> bool:
    if told.format != MIME or not _same_author(held, told) or _seconds(held) != _seconds(told):
        return False
    return _says(held, told) or _says(as_server_keeps(held), told)


def _says(one: Message, other: Message) -> bool:
    return one.get("U").strip() == other.get("U").strip() and _said(one) == _said(other)


def _same_author(held: Message, told: Message) -> bool:
    return _plain(held.get("A")) == _plain(told.get("A"))


def _plain(name: bytes) -> bytes:
    return b" ".join(name.replace(b'"', b"").replace(b"<", b"").replace(b">", b"").split())


def _said(message: Message) -> bytes:
    """Return the body, without headers and the empty lines around."""
    _, body = _parts(message, _LEFT_OUT)
    return _LINE_ENDS.sub(b"\n", body).strip(b"\n")


def _parts(message: Message, left_out: re.Pattern[bytes]) -> tuple[bytes, bytes]:
    """Return the headers that a message's text begins with, and its body without an empty line that a server adds.

    Headers that are ``left_out`` are not among them.
    """
    text = _LINE_ENDS.sub(b"\n", message.get("M"))
    if message.format != MIME:
        flowed = b"; format=flowed" if message.format == FLOWING else b""
        return b"Content-type: text/plain; charset=UTF-8" + flowed + b"\nContent-transfer-encoding: 8bit", text
    if text.startswith(b"\n"):
        return b"", text[1:]
    head, blank, body = text.partition(b"\n\n")
    if not blank:
        return left_out.sub(b"", text + b"\n").rstrip(b"\n"), b""
    return left_out.sub(b"", head + b"\n").rstrip(b"\n"), body.removeprefix(b"\n")


def _author(message: Message) -> bytes:
    name, address = _plain(message.get("A")), message.get("F").strip(b"<> ")
    shown = b'"%s"' % name if _SPECIAL.search(name) and b"\\" not in name else name
    return b"%s <%s>" % (shown, address) if address else shown


def _one_line(value: bytes) -> bytes:
    return b" ".join(value.split(b"\n")).replace(b"\r", b"")


def _seconds(message: Message) -> int:
    return number_or_zero(message.text("T"))
