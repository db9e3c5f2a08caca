"""What administrators are told: what is parsed is what was formatted."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.wire.errors import ProtocolError
from mirror.wire.lines import decode_line, format_line
from mirror.wire.status import (
    ClaimStatus,
    ClockStatus,
    ConflictStatus,
    LinkStatus,
    NodeStatus,
    PreviewCount,
    RehearsalStatus,
    SharingStatus,
    WinnerStatus,
    format_json,
    parse_json,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
READABLE = st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(0, 1 << 62), st.booleans()), max_size=4)


KINDS = [NodeStatus, ClockStatus, ConflictStatus, SharingStatus, PreviewCount, ClaimStatus, RehearsalStatus]


def _values(type_: type[msgspec.Struct]) -> st.SearchStrategy[msgspec.Struct]:
    """Any value of a struct, by the types of its fields."""
    return st.builds(type_, **{field.name: _field(field.type) for field in msgspec.structs.fields(type_)})


def _field(type_: object) -> st.SearchStrategy[object]:
    found = {
        int: st.integers(0, (1 << 62)),
        str: TEXTS,
        bool: st.booleans(),
        float: st.floats(0, 1e12),
    }.get(type_)
    if found is not None:
        return found
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return _values(type_)
    origin, arguments = getattr(type_, "__origin__", None), getattr(type_, "__args__", ())
    if origin is list:
        return st.lists(_field(arguments[0]), max_size=3)
    if origin is dict:
        return READABLE if arguments[1] is Any else st.dictionaries(TEXTS, _field(arguments[1]), max_size=3)
    return st.one_of(*(st.none() if one is type(None) else _field(one) for one in arguments))


@pytest.mark.parametrize("type_", KINDS)
@given(data=st.data())
def test_what_is_parsed_is_what_was_formatted(type_: type[msgspec.Struct], data: st.DataObject) -> None:
    value = data.draw(_values(type_))
    line = decode_line(format_line(format_json(value))[:-1])
    assert line.isascii()
    assert parse_json(line, type_) == value


def test_the_bytes_are_those_of_version_1() -> None:
    assert format_json(PreviewCount("beta", 1, 2, 3)) == '{"peer": "beta", "sends": 1, "stops": 2, "keeps": 3}'
    status = NodeStatus("a", "c3", 1, 2, 3, "0f", "multi-user", "", 4, ["h:1"], 0, [], [LinkStatus("b", "h:2")])
    assert format_json(status) == (
        '{"node": "a", "epoch": "c3", "sequence": 1, "records": 2, "newest": 3, "digest": "0f", "mode": "multi-user", '
        '"holder": "", "uptime_s": 4, "addresses": ["h:1"], "conflicts": 0, "sessions": [], "links": [{"peer": "b", '
        '"address": "h:2", "phase": "waiting", "since": 0.0, "error": "", "failures": 0, "pulled": 0, "pushed": 0, '
        '"conflicts": 0, "reconciled": 0.0, "last_change": 0.0, "notes": [], "heard": 0.0, "left": -1, '
        '"caught_up": 0.0, "given": -1, "gave_all": 0.0}], "aside": {}, "clock": [], "copying": [], "twins": [], '
        '"attachments": [], "running": false, "nodes": []}'
    )
    conflict = ConflictStatus(1, "é", 2, 3, WinnerStatus(4, "a"), {"key": "k"}, None, None)
    assert format_json(conflict) == (
        '{"number": 1, "what": "\\u00e9", "noticed_ms": 2, "restored_ms": 3, "winner": {"stamp": 4, "origin": "a"}, '
        '"loser": {"key": "k"}, "text": null, "now": null}'
    )


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert parse_json('{"peer": "b", "sends": 1, "stops": 2, "keeps": 3, "new": {}}', PreviewCount).keeps == 3


@pytest.mark.parametrize("line", ["", "[]", '{"peer": 5}', "{" * 2000, '{"peer": "b"}'])
def test_what_cannot_be_read_is_named(line: str) -> None:
    with pytest.raises(ProtocolError, match="where PreviewCount was expected"):
        parse_json(line, PreviewCount)
