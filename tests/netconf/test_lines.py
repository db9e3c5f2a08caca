"""A room's lines come out as they went in."""

from hypothesis import given
from hypothesis import strategies as st

from netconf.lines import parse_lines, replace_lines, write_lines


@given(st.binary(max_size=300) | st.text(alphabet="|\r\n ignet_push_share0%", max_size=80).map(str.encode))
def test_any_lines_come_out_byte_for_byte(body: bytes) -> None:
    assert write_lines(parse_lines(body)) == body


@given(st.binary(max_size=300))
def test_taking_nothing_out_changes_nothing_but_the_last_line_end(body: bytes) -> None:
    kept = replace_lines(body, lambda _line: False)
    assert kept in (body, body + b"\n")


def test_changing_one_line_leaves_the_others_as_they_are() -> None:
    body = b"listrecp|a@b\r\nsomething|\xff\xfe|x\n\nignet_push_share|bravo\n"
    changed = replace_lines(body, lambda line: line.kind == "ignet_push_share", ["mirror_share|bravo"])
    assert changed == b"listrecp|a@b\r\nsomething|\xff\xfe|x\n\nmirror_share|bravo\n"
