"""What reads bytes from outside, as functions of bytes: whatever comes in, nothing but a MirrorError comes out.

Used by a short hypothesis run (test_targets.py) and by contrib/fuzz/ctdlmirror-fuzz, which explores with atheris.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mirror.config.reading import load_config
from mirror.config.secrets import load_secrets
from mirror.formats.message import parse_message, serialize_message
from mirror.formats.migr import read_elements
from mirror.formats.names import shown_names
from mirror.formats.sequence_set import SequenceSet
from mirror.model.draft import Base, Draft
from mirror.model.errors import MirrorError
from mirror.model.fields import unpack_fields
from mirror.model.item import item_told
from mirror.model.kinds import HORIZON_KEY, NODES, check_collection
from mirror.model.merge import merge
from mirror.model.nodes import agreed_horizon, horizon_of, vector_held
from mirror.model.record import Record, pack_head, record_bytes, record_crc, unpack_head, validate
from mirror.sync.share.policy import facts_of
from mirror.wire import answers
from mirror.wire.batch import Batch, BatchReader, Marker, frame, header_int
from mirror.wire.bulk import (
    format_drafts,
    parse_answers,
    parse_drafts,
    parse_overwrites,
    parse_part,
    parse_rooms,
    parse_written,
)
from mirror.wire.codec import (
    ContentRequest,
    Listed,
    Range,
    parse_cursor,
    read_records,
    read_typed,
    records_batch,
)
from mirror.wire.lines import decode_line, parse_command, parse_number, parse_reply
from mirror.wire.readable import draft_from_json, record_from_json
from mirror.wire.receiver import Receiver
from mirror.wire.status import NodeStatus, SharingStatus, parse_json
from netconf.lines import parse_lines, write_lines
from netconf.neighbors import read_neighbors
from netconf.rules import check, read_rules, write_rule
from netconf.selection import Selection

EXPORT = Path(__file__).parents[2] / "mirror" / "data" / "alpha-980.xml"
EVENT = b"Content-type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\nSEQUENCE:3\r\nDTSTAMP:20240101T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"  # noqa: E501
RECORDS = [
    Record("users", "alpha:1", 65536, "alpha", 1, head=pack_head({"a": [1, 2, "b"]})),
    Record("messages/alpha:2", "id:x", 1 << 62, "beta", 1, past=(("alpha", 7),), body=b"\xff\0\n000\n"),
    Record("pictures", "user alpha:1", 9, "beta", 0, dead=True),
]


class Target(NamedTuple):
    """A reader, and good input to begin from."""

    run: Callable[[bytes], object]
    samples: list[bytes]


def _lines(data: bytes) -> None:
    receiver = Receiver()
    receiver.feed(data)
    while (line := receiver.take_line()) is not None:
        text = decode_line(line)
        parse_number(text)
        for parse in (parse_reply, parse_command):
            _tolerant(parse, line)
        for parse_text in (parse_cursor, check_collection):
            _tolerant(parse_text, text)


def _answers(data: bytes) -> None:
    """Reply lines and lines of listings, by everything that reads such a one."""
    text = data.decode("utf-8", "replace")
    for parse in (
        answers.parse_digest_line,
        answers.parse_shared_room,
        answers.parse_applied,
        answers.parse_changed,
        answers.parse_greeting,
        answers.parse_logged_in,
        answers.parse_entered,
        answers.parse_place,
        answers.parse_listed_room,
        lambda one: answers.parse_room_list(one, [one]),
        answers.parse_server_time,
        lambda one: answers.parse_state(one, [one]),
        lambda one: answers.parse_heard(one, [one]),
        lambda one: answers.parse_check(one, [one]),
        lambda one: answers.parse_server_info([one]),
        lambda one: parse_json(one, NodeStatus),
        lambda one: parse_json(one, SharingStatus),
    ):
        _tolerant(parse, text)


def _tolerant(parse: Callable[[bytes], object] | Callable[[str], object], data: object) -> None:
    try:
        parse(data)  # type: ignore[arg-type]
    except MirrorError:
        pass  # the very thing that is allowed


def _batches(data: bytes) -> None:
    for batch in _read_batches(data):
        for read in (
            read_records,
            parse_part,
            parse_drafts,
            parse_overwrites,
            parse_answers,
            parse_rooms,
            parse_written,
            lambda one: read_typed(one, "ranges", Range),
            lambda one: read_typed(one, "listed", Listed),
            lambda one: read_typed(one, "contents", ContentRequest),
            lambda one: read_typed(one, "keys", str),
            lambda one: header_int(one.header, "Size"),
        ):
            _tolerant(read, batch)  # type: ignore[arg-type]


def _read_batches(data: bytes) -> Iterator[Batch]:
    receiver = Receiver()
    receiver.feed(data)
    reader = BatchReader(receiver)
    while isinstance(item := reader.next(), Batch):
        yield item
    assert isinstance(item, Marker)


def _records(data: bytes) -> None:
    """Heads and keys of records that passed the codec, up to merging."""
    for collection, key in (("users", "k"), ("messages/r", "euid:k"), ("files/r", "k"), (NODES, "k"), (NODES, "*")):
        record = Record(collection, key, 1 << 40, "a", 1 << 30, head=data, body=data)
        _tolerant(validate, record)  # type: ignore[arg-type]
        _tolerant(unpack_fields, record)  # type: ignore[arg-type]
        other = Record(collection, key, 1 << 41, "b", 1 << 30, head=pack_head({"a": ["x", 1 << 41, "b"]}), body=EVENT)
        _tolerant(lambda pair: merge(*pair), (record, other))  # type: ignore[misc,arg-type]
    _tolerant(unpack_head, data)


def _nodes(data: bytes) -> None:
    sign = Record(NODES, "a", 1 << 40, "a", 1, head=data)
    vector_held([sign])
    _tolerant(lambda one: agreed_horizon([one, Record(NODES, "b", 1 << 40, "b", 1)], "b", 5), sign)  # type: ignore[arg-type]
    _tolerant(horizon_of, Record(NODES, HORIZON_KEY, 1 << 40, "a", 1, head=data))  # type: ignore[arg-type]


def _names(data: bytes) -> None:
    for collection in ("users", "rooms"):
        _tolerant(lambda name: shown_names([Record(name, "k:1", 5, "a", 1, head=data)]), collection)


def _export(data: bytes) -> None:
    for _ in read_elements(data[at : at + 97] for at in range(0, len(data), 97)):
        pass


def _netconf(data: bytes) -> None:
    """A room's lines, their rules, and the filters of a rule on any message."""
    for problem in check(data):
        assert "\n" not in str(problem)
    assert write_lines(parse_lines(data)) == data
    _tolerant(lambda body: [write_rule(rule) for rule in read_rules(body)], data)
    _tolerant(lambda body: read_neighbors(body.decode("utf-8", "surrogateescape")), data)  # type: ignore[arg-type]


def _filters(data: bytes) -> None:
    record = Record("messages/r", "id:k", 1 << 40, "a", 1, body=data)
    facts = facts_of(record, data)
    selection = Selection(author="*x*", subject="a*b*c*", headers=(("list-id", "*"), ("subject", "[!a]*")))
    selection.lets_through(facts, 0)
    facts.header("from")


def _config(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for name, load in (("mirror.toml", load_config), ("secrets.toml", load_secrets)):
            path = Path(directory) / name
            path.write_bytes(data)
            path.chmod(0o600)
            _tolerant(load, Path(directory))  # type: ignore[arg-type]


CONFIG = b"""[node]
name = "alpha"
[listen]
addresses = ["127.0.0.1:2504"]
[replication]
tombstone_days = 180
[[peer]]
name = "beta"
address = "127.0.0.1:2505"
trust = "pin:00"
"""
NETCONF = b"""listrecp|friend@example.net
ignet_push_share|charlie|Help Desk
mirror_share|bravo|Lobby|direction=pull|what=messages,files|since=2026-11-24T20:00:00Z|max_age=9d|header=List-Id:*x*
pop3client|pop.example.net|user|secret|1|600
"""
DRAFTS = b"".join(frame(format_drafts([Draft("users", "k", Base(9, "a"), head=pack_head({"a": "b"}))])))
BATCH = b"".join(frame(records_batch(RECORDS, [record_crc(record) for record in RECORDS]))) + b"000\n"

TARGETS = {
    "lines": Target(_lines, [b"200 ok|1|2\nSYNC users|info\r\n100 x:7\n", b"SNGL 120|500\nSYNC messages/a:1|getall\n"]),
    "batches": Target(_batches, [BATCH, DRAFTS + b"000\n", b"Type=content\nSize=3\nDATA CHUNK 3\nabcEND\n000\n"]),
    "json": Target(
        record_from_json, [b'{"collection":"config","key":"k","head":{"a":"b"}}', b'{"stamp":1,"past":{"a":2}}']
    ),
    "drafts-json": Target(
        draft_from_json,
        [
            b'{"collection":"users","key":"k","base":{"stamp":5,"origin":"a","past":{"b":4}},"fields":{"a":"b"}}',
            b'{"collection":"files/r","key":"k","text":"x","only_if":"00000000000000ff","changed":["subject"]}',
        ],
    ),
    "answers": Target(_answers, [b"a|c3|5|1|ff|0a|0", b"users|1|ff|0a|name", b"a:1|Lobby||push|files|m|1", b"1|2|3"]),
    "records": Target(_records, [pack_head({"a": ["v", 1 << 40, "a"]}), EVENT, record_bytes(RECORDS[1])]),
    "nodes": Target(_nodes, [pack_head({"seen": {"a": 5}}), pack_head({"nodes": ["a", "b"]})]),
    "names": Target(_names, [pack_head({"u_fullname": ["Ann", 1, "a"], "u_axlevel": [4, 1, "a"]})]),
    "export": Target(_export, [EXPORT.read_bytes()[:6000]]),
    "message": Target(parse_message, [serialize_message([("A", b"Ann"), ("M", b"text")])]),
    "item": Target(item_told, [EVENT, b"BEGIN:VCARD\r\nREV:20240101T000000Z\r\nEND:VCARD\r\n"]),
    "sequence-set": Target(lambda data: SequenceSet(data.decode("latin-1")), [b"1:5,7,9:*"]),
    "config": Target(_config, [CONFIG]),
    "netconf": Target(_netconf, [NETCONF, b"bravo|s3cret|127.0.0.1|504\n"]),
    "filters": Target(_filters, [serialize_message([("A", b"Ann"), ("M", b"List-Id: x\n y\n\ntext")], 4)]),
}
"""By name."""


def run(name: str, data: bytes) -> None:
    """Run one target on some input.  Raises what must not happen."""
    try:
        TARGETS[name].run(data)
    except MirrorError as error:
        assert "\n" not in str(error), f"an error of several lines: {error!r}"
