"""The text of a message: what tells two messages of one message id apart, and what one mail that came twice shares.

The text is for comparing alone and never written: the message without what servers add on its way, line ends aside.
16 hex digits of its SHA-256 name it.  A version stands for the text of the message that it was written from, so an edit
or a deletion says in its head for which, where that does not follow from its body or key.  Values in, values out.
"""

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache

import msgspec

from mirror.model.errors import BadRecord
from mirror.model.item import MAX_PARSED
from mirror.model.keys import MESSAGE_PREFIX, split_key
from mirror.model.kinds import MergeRule, kind_of
from mirror.model.record import INLINE_LIMIT, Record, pack_head, unpack_head

HEAD_KEY = "text"
"""Under this name a head says which text a version under a plain key stands for, in 16 hex digits."""
ANY = "0" * 16
"""What deletions stand for that do not say of which text: those of 0.1.0, which meant whatever had the key."""
MAX_COMPARED = MAX_PARSED
"""Bytes of a message whose text is worked out; of larger ones it is the body as it is."""

TextOf = Callable[[Record], str]
"""Returns the text of a living version's own body, in 16 hex digits."""

_NAME = HEAD_KEY.encode()
_MAGIC, _FLOWING, _MIME = 0xFF, 0, 4
_TRACE_FIELDS = frozenset(b"CDGHJNOPV1")
"""Letters of the fields that say which way a message came: room, node, path, envelope."""
_TRACE_NAMES = (
    "received",
    "return-path",
    "delivered-to",
    "envelope-to",
    "authentication-results",
    "received-spf",
    "x-original-to",
    "x-envelope-.*",
    "x-received",
    "x-spam-.*",
    "x-virus-.*",
    "arc-.*",
)
_TRACE_HEADER = re.compile(f"(?im)^(?:{'|'.join(_TRACE_NAMES)})[ \\t]*:.*\\n(?:[ \\t].*\\n)*".encode())
_LINE_END = re.compile(rb"\r+\n")
_NAMED = re.compile(r"[0-9a-f]{16}")


def is_message(record: Record) -> bool:
    """Tell whether a record is a message, and no item: of one message id there may be several."""
    return kind_of(record.collection).rule is MergeRule.MESSAGES and record.key.startswith(MESSAGE_PREFIX)


def canonical_text(body: bytes) -> bytes:
    """Return the text of a serialized message as it is compared."""
    if b"\r\n" in body:
        body = _LINE_END.sub(b"\n", body)
    if len(body) < 3 or body[0] != _MAGIC:
        return body
    fields = [field for field in body[3:].split(b"\0") if field and field[0] not in _TRACE_FIELDS]
    return b"\0".join(sorted(_compared(field, body[2]) if field[:1] == b"M" else field for field in fields))


def _compared(field: bytes, form: int) -> bytes:
    """Return the field that holds a message's text as it is compared.

    In flowing text the server breaks lines at blanks when it tells it, so there a newline is one.
    """
    if form == _FLOWING:
        return b" ".join(field.split())
    return (_without_trace(field) if form == _MIME else field).rstrip(b"\n")


def _without_trace(field: bytes) -> bytes:
    head, blank, rest = field[1:].partition(b"\n\n")
    return b"M" + _TRACE_HEADER.sub(b"", head + b"\n") + blank + rest


def own_text(record: Record, body: Callable[[Record], bytes]) -> str:
    """Return the text of a living version's body, in 16 hex digits."""
    if record.size > MAX_COMPARED:
        return record.content.hex()[:16]
    text = body(record)
    if len(text) > MAX_COMPARED:  # yet to be stored
        return hashlib.sha256(text).hexdigest()[:16]
    return _short_text(text) if len(text) <= INLINE_LIMIT else _name_of(text)


def _name_of(body: bytes) -> str:
    return hashlib.sha256(canonical_text(body)).hexdigest()[:16]


_short_text = lru_cache(maxsize=256)(_name_of)  # one that is written or deleted is asked for a few times


def text_of(record: Record, own: TextOf) -> str:
    """Return for which text a version of a message stands, in 16 hex digits."""
    _, filed = split_key(record.key)
    named = filed or named_text(record.head)
    return named or (ANY if record.dead else own(record))


def stands_for_any(key: str) -> bool:
    """Tell whether a message's key is the one under which a deletion is filed that says of no text."""
    return key.endswith(ANY) and split_key(key)[1] == ANY


def named_text(head: bytes) -> str:
    """Return the text that a head names, or an empty string."""
    if _NAME not in head:
        return ""
    named = unpack_head(head).get(HEAD_KEY)
    return named if isinstance(named, str) and _NAMED.fullmatch(named) else ""


def naming(head: bytes, text: str) -> bytes:
    """Return a head that names this text, or with an empty string none."""
    if not text and not named_text(head):
        return head
    others = {name: value for name, value in unpack_head(head).items() if name != HEAD_KEY}
    return pack_head({**others, HEAD_KEY: text} if text else others)


def standing_for(record: Record, text: str, own: TextOf) -> Record:
    """Return a version of a message as it is written that stands for a text: its head names it where nothing else does.

    One form for each version and key, so that nodes agree on its bytes.
    """
    _, filed = split_key(record.key)
    told = filed or text == ANY or (not record.dead and own(record) == text)
    head = naming(record.head, "" if told else text)
    return record if head == record.head else msgspec.structs.replace(record, head=head)


def check_deletion(record: Record) -> None:
    """Raise BadRecord unless all that a tombstone's head says is of which text a message was."""
    if not record.head:
        return
    named = named_text(record.head)
    sole = named and pack_head({HEAD_KEY: named}) == record.head
    if not sole or not is_message(record) or split_key(record.key)[1]:
        raise BadRecord(f"record {record.collection} {record.key[:80]!r}: a tombstone has neither head nor body")
