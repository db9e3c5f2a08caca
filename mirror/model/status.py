"""What a place that speaks no SYNC said last of each thing: its status.

A live Citadel, a tree of files and their like keep no versions.  What such a place holds now is an edit only where it
differs from what it said last, field by field or part by part; of that just fingerprints are kept.  Knows neither where
statuses are kept nor what is done about them (mirror.sync.foreign).
"""

import hashlib
from collections.abc import Mapping

import msgspec

from mirror.model.aligning import by_text, renamed_one
from mirror.model.draft import Base, base_of
from mirror.model.fields import unpack_fields, values_of
from mirror.model.kinds import MergeRule, kind_of
from mirror.model.merge import Body, has_fields, inline_body, is_item
from mirror.model.names import is_noticed
from mirror.model.parts import read_parts
from mirror.model.record import INLINE_LIMIT, Record, pack_head, record_crc
from mirror.model.wording import meaning

FINGERPRINT_BYTES = 8
RISES = b""
"""In the place of a fingerprint: of this field the greatest counts, so it never differs (the last log-in, say)."""
WHOLE = ""
"""The name of what is fingerprinted as a whole: a file, a text that is no item."""

Fingerprints = Mapping[str, bytes]
"""By field or part, FINGERPRINT_BYTES of a hash of what it holds."""


class Status(msgspec.Struct, array_like=True, frozen=True):
    """What a place said last of one thing, and what the two agreed on.

    ``foreign`` is how the place names it within its collection, ``tag`` whatever tells the place's versions apart.
    ``base`` is the version vector here when both sides last said the same, ``crc`` the CRC-64 of the record that was
    held when this was written, ``said`` the fingerprints of what the place said.
    """

    collection: str
    foreign: str
    key: str
    tag: str
    base: Base
    crc: int
    said: Fingerprints = {}


def fingerprint(data: bytes) -> bytes:
    """Return what stands for some bytes."""
    return hashlib.blake2b(data, digest_size=FINGERPRINT_BYTES).digest()


def fingerprints(record: Record, body: Body = inline_body) -> dict[str, bytes]:
    """Return the fingerprints of all that a version says, by field or part; none where it is a tombstone.

    Parts are named as the text alone names them: what a place says is compared with what it said before.
    A message without an exclusive id has none: it never changes, so it is there or not.  Raises BadRecord.
    """
    if record.dead:
        return {}
    rule = kind_of(record.collection).rule
    if rule is MergeRule.FIELDS:
        return {name: fingerprint(pack_head({"": value})) for name, value in values_of(record).items()}
    if rule is MergeRule.MESSAGES and not is_item(record):
        return {}
    if is_item(record):
        parts = read_parts(record, body(record))
        if parts.kind:
            told = by_text(parts.texts, parts.names)
            return {told[name]: _fingerprint_of(name, text) for name, text in parts.texts.items() if is_noticed(name)}
        return {WHOLE: _body_fingerprint(record)}  # its head says what one server knows of it, its number there
    return {WHOLE: fingerprint(record.head + _body_fingerprint(record))}


def _fingerprint_of(name: str, text: bytes) -> bytes:
    return fingerprint(meaning(name, text))


def held_beside(said: Fingerprints, record: Record, body: Body = inline_body) -> dict[str, bytes]:
    """Return the fingerprints of a version that is compared with what a place said.

    A field that says nothing is none where the place does not name it: it cannot be taken out, just emptied.
    """
    held = fingerprints(record, body)
    if record.dead or kind_of(record.collection).rule is not MergeRule.FIELDS:
        return held
    values = values_of(record)
    return {name: one for name, one in held.items() if values[name] or name in said}


def said_by(record: Record, origin: str, body: Body = inline_body) -> dict[str, bytes] | None:
    """Return the fingerprints of what an origin wrote of a living version; None where it wrote nothing of it."""
    said = fingerprints(record, body)
    if has_fields(record):
        theirs = {name for name, field in unpack_fields(record).items() if field.origin == origin}
        return {name: one for name, one in said.items() if name in theirs} or None
    if is_item(record):
        parts = read_parts(record, body(record))
        if parts.kind:
            edits = {name: parts.get(renamed_one(name, parts.names)).edit for name in said}
            return {name: one for name, one in said.items() if edits[name].origin == origin} or None
    return said if record.origin == origin else None


def implied(record: Record, origin: str, foreign: str, body: Body = inline_body) -> Status | None:
    """Return what a place said last where nothing of it was remembered: what bears its origin; None if nothing does."""
    said = said_by(record, origin, body)
    if said is None:
        return None
    stamp = record.stamp if record.origin == origin else dict(record.past).get(origin, 1)
    base = base_of(record) if said == fingerprints(record, body) else Base(stamp, origin)
    return Status(record.collection, foreign, record.key, "", base, record_crc(record), said)


def _body_fingerprint(record: Record) -> bytes:
    """Return the same for a body inside and one apart, without reading the latter."""
    return fingerprint(record.content or hashlib.sha256(record.body).digest())


def naming(record: Record, body: bytes) -> Record:
    """Return a record with a body that is yet to be stored: inside, or named, whichever its size asks for."""
    if len(body) <= INLINE_LIMIT:
        return msgspec.structs.replace(record, body=body, content=b"", size=0)
    return msgspec.structs.replace(record, body=b"", content=hashlib.sha256(body).digest(), size=len(body))


def differing(one: Fingerprints, other: Fingerprints) -> set[str]:
    """Return the names of the fields or parts that are not the same in both."""
    pairs = {name: (one.get(name), other.get(name)) for name in one.keys() | other.keys()}
    return {name for name, (mine, its) in pairs.items() if mine != its and RISES not in (mine, its)}
