"""What stands in batches, as the engine's values: each one's format beside its parse.

mirror.wire.codec has the encodings and the checks; a parse raises ProtocolError or BadRecord.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from mirror.model.draft import Draft, Written
from mirror.model.record import Record
from mirror.wire.batch import Batch, header_int
from mirror.wire.codec import (
    JSON,
    MAX_RECORDS,
    MSGPACK,
    Listed,
    Range,
    parse_cursor,
    payload_batch,
    read_payload,
    read_records,
    read_typed,
    records_batch,
    typed_batch,
)
from mirror.wire.errors import ProtocolError
from mirror.wire.lines import parse_hexadecimal
from mirror.wire.readable import (
    draft_as_json,
    draft_from_json,
    json_lines,
    lines_of,
    written_as_json,
    written_from_json,
)
from mirror.wire.status import ComparisonStatus
from mirror.wire.values import Answer, ContentPart, Page, RoomEvent, RoomsTold

_ASKS, _LEFT, _COMPARE = "Asks", "Left", "Compare"
"""Header lines that not every batch has."""
_TOKEN = re.compile(r"[0-9a-f]{1,64}")
COMPARISON = "comparison"
"""The type of a batch that tells what came of comparing two nodes."""
LISTED_A_BATCH = 256
"""Ranges with all their entries in one batch at most."""


def format_page(page: Page, encoding: str = MSGPACK) -> Batch:
    """Return the batch of a page of records."""
    batch = records_batch(page.records, page.crcs, page.cursor, encoding)
    if page.left >= 0:
        batch.header[_LEFT] = str(page.left)
    return batch


class Wanted(NamedTuple):
    """What the writer of a feed wants of its reader: a sign of life, and that it compares all and tells the outcome.

    ``comparison`` is what that is called then; nothing for none.
    """

    life: bool = False
    comparison: str = ""


NOTHING = Wanted()


def format_keepalive(page: Page, encoding: str = MSGPACK, wanted: Wanted = NOTHING) -> Batch:
    """Return the batch that tells how far a feed was read with a page, and that its writer lives."""
    batch = format_page(page._replace(records=[], crcs=[]), encoding)
    if wanted.life:
        batch.header[_ASKS] = "QNOP"
    if wanted.comparison:
        batch.header[_COMPARE] = wanted.comparison
    return batch


def parse_wanted(batch: Batch) -> Wanted:
    """Return what the writer of a batch wants of its reader; what nobody writes is passed over."""
    comparison = batch.header.get(_COMPARE, "")
    return Wanted(_ASKS in batch.header, comparison if _TOKEN.fullmatch(comparison) else "")


def format_comparison(found: ComparisonStatus) -> Batch:
    """Return the batch that tells what came of comparing two nodes."""
    return typed_batch(COMPARISON, [found])


def parse_comparison(batch: Batch) -> ComparisonStatus:
    """Read what came of comparing two nodes."""
    found: list[ComparisonStatus] = read_typed(batch, COMPARISON, ComparisonStatus)
    if len(found) != 1:
        raise ProtocolError(f"{len(found)} comparisons where one was expected")
    return found[0]


def parse_page(batch: Batch) -> Page:
    """Read and check a batch of records."""
    checked = read_records(batch)
    cursor = batch.header.get("Cursor")
    left = header_int(batch.header, _LEFT) if _LEFT in batch.header else -1
    return Page(checked.records, checked.crcs, parse_cursor(cursor) if cursor else None, unfit=checked.unfit, left=left)


def format_part(part: ContentPart) -> Batch:
    """Return the batch of one part of a content.  The SHA-256 that names the whole is its check."""
    header = {
        "Type": "content",
        "Content": part.content.hex(),
        "Offset": str(part.offset),
        "Total": str(part.size),
    }
    return Batch(header, part.data)


def parse_part(batch: Batch) -> ContentPart:
    """Read a batch of content."""
    header = batch.header
    if header.get("Type") != "content":
        raise ProtocolError(f"a batch of Type={header.get('Type', '')[:40]!r} where 'content' was expected")
    try:
        content = bytes.fromhex(header.get("Content", ""))
    except ValueError:
        content = b""
    if len(content) != 32:
        raise ProtocolError(f"Content={header.get('Content', '')[:40]!r} is no SHA-256")
    return ContentPart(content, header_int(header, "Offset"), header_int(header, "Total"), batch.payload)


def format_answers(answers: Sequence[Answer]) -> Iterator[Batch]:
    """Yield the batches of an answer to ``ranges``: those that are listed first, then parts to be asked about."""
    listed = [answer for answer in answers if isinstance(answer, Listed)]
    for at in range(0, len(listed), LISTED_A_BATCH):
        yield typed_batch("listed", listed[at : at + LISTED_A_BATCH])
    if parts := [answer for answer in answers if isinstance(answer, Range)]:
        yield typed_batch("ranges", parts)


def parse_answers(batch: Batch) -> list[Answer]:
    """Read one batch of an answer to ``ranges``."""
    listed = batch.header.get("Type") == "listed"
    answers: list[Answer] = read_typed(batch, "listed", Listed) if listed else read_typed(batch, "ranges", Range)
    return answers


_COLLECTION = "Collection"
"""The header line that says what a batch is about where its command names a view."""


def in_collection(batch: Batch, collection: str) -> Batch:
    """Return a batch that says which collection it is about, if one is given."""
    return batch._replace(header={**batch.header, _COLLECTION: collection}) if collection else batch


def named_collection(batch: Batch) -> str:
    """Return which collection a batch says to be about; nothing where it does not."""
    return batch.header.get(_COLLECTION, "")


# -- rooms --------------------------------------------------------------------------------------------

ROOMS = "rooms"
ROOMS_A_BATCH = 20_000
"""Rooms in one batch at most: with the longest names and keys that is less than a batch may have."""
_MORE = "More"
_decode_events = msgspec.msgpack.Decoder(list[RoomEvent]).decode


def format_rooms(told: RoomsTold, encoding: str = MSGPACK) -> Iterator[Batch]:
    """Yield the batches that tell how a list of rooms has changed: pages, each but the last without a token.

    Just the first one says that it is whole, so who knows of no pages takes them one by one and has the same in the
    end.
    """
    starts = range(0, max(len(told.events), 1), ROOMS_A_BATCH)
    for start in starts:
        page = told._replace(events=told.events[start : start + ROOMS_A_BATCH], whole=told.whole and start == 0)
        yield _rooms_page(page if start == starts[-1] else page._replace(token=0, more=True), encoding)


def _rooms_page(told: RoomsTold, encoding: str) -> Batch:
    if encoding == JSON:
        payload = json_lines({name: getattr(one, name) for name in RoomEvent.__struct_fields__} for one in told.events)
    else:
        payload = _encode(told.events)
    batch = payload_batch(ROOMS, len(told.events), encoding, payload)
    said = {"Whole": "1"} if told.whole else {}
    said |= {"Everything": "1"} if told.everything else {}
    said |= {_MORE: "1"} if told.more else {}
    return batch._replace(header={**batch.header, "Token": f"{told.token:016x}", **said})


def is_rooms(batch: Batch) -> bool:
    """Tell whether a batch tells of rooms."""
    return batch.header.get("Type") == ROOMS


def parse_rooms(batch: Batch) -> RoomsTold:
    """Read a batch that tells of rooms."""
    events = read_payload(batch, ROOMS, _json_events if batch.header.get("Encoding") == JSON else _decode_events)
    token = parse_hexadecimal(batch.header.get("Token", ""))
    if token is None:
        raise ProtocolError("a batch of rooms has no token of their list")
    whole, everything, more = (batch.header.get(name) == "1" for name in ("Whole", "Everything", _MORE))
    return RoomsTold(events, token, whole, everything, more)


def _json_events(payload: bytes) -> list[RoomEvent]:
    nothing = RoomEvent("", "")
    names = RoomEvent.__struct_fields__
    views = (msgspec.json.decode(line, type=dict[str, Any]) for line in lines_of(payload))
    return [msgspec.convert([view.get(name, getattr(nothing, name)) for name in names], RoomEvent) for view in views]


# -- drafts -------------------------------------------------------------------------------------------

DRAFTS = "drafts"
"""The type of both kinds of batches of drafts."""
BASE, NAMED = "Base", "named"
"""The header line that tells them apart: each draft names the version that it was made from, or none on purpose."""
_encode = msgspec.msgpack.Encoder().encode
_decode_drafts = msgspec.msgpack.Decoder(list[Draft]).decode


def format_drafts(drafts: Sequence[Draft], encoding: str = MSGPACK) -> Batch:
    """Return the batch of drafts that name their base."""
    in_json = encoding == JSON
    payload = json_lines(map(draft_as_json, drafts)) if in_json else _encode(list(drafts))
    batch = payload_batch(DRAFTS, len(drafts), encoding, payload)
    batch.header[BASE] = NAMED
    return batch


def parse_drafts(batch: Batch) -> list[Draft]:
    """Read a batch of drafts that name their base."""
    in_json = batch.header.get("Encoding") == JSON
    return read_payload(batch, DRAFTS, _json_drafts if in_json else _decode_drafts, MAX_RECORDS)


def _json_drafts(payload: bytes) -> list[Draft]:
    return [draft_from_json(line) for line in lines_of(payload)]


def names_base(batch: Batch) -> bool:
    """Tell whether a batch is one of drafts that name their base.  Raises ProtocolError for what nobody knows."""
    base = batch.header.get(BASE)
    if base not in (None, NAMED):
        raise ProtocolError(f"a batch's header {BASE}={base[:40]!r}: {NAMED!r} is the one there is")
    return base == NAMED


def format_overwrites(records: Sequence[Record]) -> Batch:
    """Return the batch of drafts as clients of 0.1.0 send them: records whose stamps mean nothing.

    They replace what is there, whatever that is.
    """
    return typed_batch(DRAFTS, list(records))


def parse_overwrites(batch: Batch) -> list[Record]:
    """Read a batch of drafts that name no base."""
    return read_typed(batch, DRAFTS, Record)


WRITTEN = "written"
_decode_written = msgspec.msgpack.Decoder(list[Written]).decode


def format_written(written: Sequence[Written], encoding: str = MSGPACK) -> Iterator[Batch]:
    """Yield the batches that tell what became of drafts, in the order in which they came."""
    for at in range(0, len(written), MAX_RECORDS):
        part = written[at : at + MAX_RECORDS]
        payload = json_lines(map(written_as_json, part)) if encoding == JSON else _encode(list(part))
        yield payload_batch(WRITTEN, len(part), encoding, payload)


def parse_written(batch: Batch) -> list[Written]:
    """Read a batch that tells what became of drafts."""
    in_json = batch.header.get("Encoding") == JSON
    return read_payload(batch, WRITTEN, _json_written if in_json else _decode_written, MAX_RECORDS)


def _json_written(payload: bytes) -> list[Written]:
    return [written_from_json(line) for line in lines_of(payload)]
