"""Messages as files of a Maildir: what a record is as a file, and which record a file is of.

A message is written once and stays, so a file is known by its bytes, and a record by its version.  Knows neither
folders nor the wire.
"""

import hashlib
import re
from typing import NamedTuple

import msgspec

from mirror.client.form import Shown
from mirror.client.server import Held
from mirror.formats.compose import Composed
from mirror.formats.errors import BadMessage
from mirror.formats.internet import is_returned
from mirror.formats.mail import compose_mail, is_file, split_mail
from mirror.formats.message import parse_message
from mirror.formats.numbers import number_or_zero
from mirror.formats.shown_mail import message_in, name_in_maildir, seconds_of, shown_mail
from mirror.model.draft import Base
from mirror.model.record import Record
from mirror.model.texts import own_text

_DIGEST_BYTES = 16
_LINE_END = re.compile(rb"\r+\n")
_OF_PROGRAMS = re.compile(rb"(?im)^(?:content-length|lines|status|x-status|x-keywords|x-uid):.*\n")
"""Headers that a program writes for itself when it moves a message to another folder, as mutt does."""


class Noted(msgspec.Struct, array_like=True, frozen=True):
    """What both sides agreed on of a message: the version there, and the file here, by its digest and by its gist.

    ``as_file``: the record holds the file as it is, so whoever has the file can say the record's body.
    """

    base: Base
    digest: bytes
    gist: bytes
    as_file: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Noted).decode


def pack(noted: Noted) -> bytes:
    """Return what is remembered of a message besides names, tag, marks and CRC."""
    return _encode(noted)


def noted(agreed: bytes) -> Noted:
    """Return what is remembered of a message."""
    return _decode(agreed)


def noting(base: Base, data: bytes, as_file: bool) -> Noted:
    """Return what is remembered of a version and a file in step."""
    return Noted(base, digest(data), gist(data), as_file)


def digest(data: bytes) -> bytes:
    """Return what tells a file's bytes from others."""
    return hashlib.sha256(data).digest()[:_DIGEST_BYTES]


def gist(data: bytes) -> bytes:
    """Return what tells a file's message from others: programs write line ends, and headers of their own, anew."""
    head, rest = split_mail(_LINE_END.sub(b"\n", data) if b"\r" in data else data)
    return hashlib.sha256(_OF_PROGRAMS.sub(b"", head) + rest.rstrip(b"\n")).digest()[:_DIGEST_BYTES]


class MailShown(NamedTuple):
    """A message as a file: the name that it would have, its bytes, its time (Unix seconds)."""

    name: str
    data: bytes
    seconds: int
    as_file: bool


def shown(record: Record, body: bytes) -> MailShown:
    """Return a living record as a file, always the same bytes.  Raises BadRecord, BadMessage."""
    message = message_in(record, body)
    data = shown_mail(record, message)
    seconds = number_or_zero(message.text("T")) or seconds_of(record)
    return MailShown(name_in_maildir(record), data, seconds, is_file(record.head) and body.endswith(data + b"\0"))


class Mail:
    """Messages, one a file: the Form of a Maildir."""

    def key(self, data: bytes) -> str:
        return compose_mail(data).key

    def body(self, data: bytes, held: Held | None, node: str, seconds: int) -> bytes:
        return compose_mail(data, seconds).body

    def titled(self, body: bytes, data: bytes) -> bytes:
        return body  # the file says its subject itself

    def shown(self, record: Record, body: bytes) -> Shown:
        mail = shown(record, body)
        return Shown(mail.name, mail.data)


def is_of(held: Held, data: bytes, composed: Composed) -> bool:
    """Tell whether a file is of a record: as it is kept, as it is shown, or as a server gave it out in other words."""
    if held.record.dead:
        return False
    record = held.record
    mine = Record(record.collection, composed.key, 1, "", 1, body=composed.body)
    if own_text(mine, lambda _record: composed.body) == own_text(record, lambda _record: held.body):
        return True
    try:
        if gist(shown(record, held.body).data) == gist(data):
            return True
        return is_returned(parse_message(held.body), parse_message(composed.body))
    except BadMessage:
        return False
