"""A room's lines come out as they went in, and what is wrong is named by line and field."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netconf.errors import NetconfError
from netconf.lines import MAX_BYTES, parse_lines, replace_lines, write_lines
from netconf.neighbors import Neighbor, read_neighbors
from netconf.rules import DIRECTIONS, WHAT, Rule, check, read_rules, write_rule
from netconf.selection import Selection

RECORDING = Path(__file__).parents[1] / "recordings" / "02-admin-users-floors-rooms.txt"


def recorded(command: str) -> bytes:
    """Return the listing that follows a command in the recording of a real server."""
    lines = RECORDING.read_text("utf-8").splitlines()
    at = lines.index(f"C: {command}") + 2
    end = next(number for number in range(at, len(lines)) if lines[number][3:] == "000")
    return "".join(line[3:] + "\n" for line in lines[at:end]).encode()


@given(st.binary(max_size=300) | st.text(alphabet="|\r\n ignet_push_share0%", max_size=80).map(str.encode))
def test_any_lines_come_out_byte_for_byte(body: bytes) -> None:
    assert write_lines(parse_lines(body)) == body


@given(st.binary(max_size=300))
def test_taking_nothing_out_changes_nothing_but_the_last_line_end(body: bytes) -> None:
    kept = replace_lines(body, lambda _line: False)
    assert kept in (body, body + b"\n")


def test_the_lines_of_the_recorded_server_are_read_and_kept() -> None:
    body = recorded("GNET")
    assert check(body) == []
    assert write_lines(parse_lines(body)) == body
    assert [(rule.node, rule.remote, rule.ignet, sorted(rule.what)) for rule in read_rules(body)] == [
        ("bravo", "", True, ["messages"]),
        ("charlie", "Help Desk", True, ["messages"]),
    ]
    kinds = [line.kind for line in parse_lines(body) if line.kind]
    assert kinds == ["listrecp", "ignet_push_share", "ignet_push_share", "participate", "rssclient", "pop3client",
                     "somefuturething"]  # fmt: skip


def test_changing_one_line_leaves_the_others_as_they_are() -> None:
    body = b"listrecp|a@b\r\nsomething|\xff\xfe|x\n\nignet_push_share|bravo\n"
    changed = replace_lines(body, lambda line: line.kind == "ignet_push_share", ["mirror_share|bravo"])
    assert changed == b"listrecp|a@b\r\nsomething|\xff\xfe|x\n\nmirror_share|bravo\n"


def test_ignets_lastsent_says_where_new_begins() -> None:
    (rule,) = read_rules(b"lastsent|41\nignet_push_share|bravo\n")
    assert rule.selection == Selection(after_number=41)


@pytest.mark.parametrize(
    ("line", "field", "fix"),
    [
        ("ignet_push_share|", "field 1 (node)", "letters, digits"),
        ("ignet_push_share|bra vo", "field 1 (node)", "letters, digits"),
        ("mirror_share|bravo|" + "x" * 200, "field 2 (remote room)", "at most 127"),
        ("mirror_share|bravo|x|direction=sideways", "field 3 (direction)", "push, pull, both"),
        ("mirror_share|bravo|x|what=everything", "field 3 (what)", "messages, deletions"),
        ("mirror_share|bravo|x|what=deletions", "field 3 (what)", "need messages or files"),
        ("mirror_share|bravo|x|max_age=90", "field 3 (max_age)", "90d"),
        ("mirror_share|bravo|x|max_age=²d", "field 3 (max_age)", "90d"),
        ("mirror_share|bravo|x|what=files|max_size=big", "field 4 (max_size)", "10M"),
        ("mirror_share|bravo|x|since=yesterday", "field 3 (since)", "2026-11-24T20:00:00Z"),
        ("mirror_share|bravo|x|header=List-Id", "field 3 (header)", "Name:pattern"),
        ("mirror_share|bravo|x|author= ", "field 3 (author)", "a pattern"),
        ("mirror_share|bravo|x|colour=red", "field 3", "name=value with direction"),
        ("mirror_share|bravo|x|what=files|what=files", "field 4 (what)", "keep one"),
        ("lastsent|many", "field 1 (number)", "decimal digits"),
        ("listrecp|", "field 1 (address)", "user@host"),
        ("rssclient|nowhere", "field 1 (URL)", "http://host/path"),
        ("pop3client|host|user", "field 3 (password)", "pop3client|host|user|password"),
        ("pop3client|host|user|secret|often", "field 4 (keep)", "decimal digits"),
    ],
)
def test_what_is_wrong_is_named_with_line_field_and_fix(line: str, field: str, fix: str) -> None:
    (problem,) = check(f"listrecp|a@b\n{line}\n".encode())
    assert (problem.line, problem.field) == (2, field)
    assert fix in problem.fix
    assert str(problem.in_room("Lobby")).startswith(f"room 'Lobby', line 2, {field}: ")
    assert "secret" not in problem.problem


def test_a_room_is_shared_with_a_node_once() -> None:
    (problem,) = check(b"ignet_push_share|bravo\nmirror_share|BRAVO|x\n")
    assert "line 1 shares this room with bravo already" in str(problem)
    with pytest.raises(NetconfError):
        read_rules(b"ignet_push_share|bravo\nmirror_share|BRAVO|x\n")


def test_unknown_lines_are_no_problem_and_too_much_is() -> None:
    assert check(b"somefuturething|a|b|c\n\n\xff\xfe\n") == []
    assert len(check(b"x" * (MAX_BYTES + 1))) == 1


ROOM_NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=20)
PATTERNS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=10)


@given(
    ROOM_NAMES,
    st.sampled_from(sorted(DIRECTIONS.values())),
    st.sets(st.sampled_from(WHAT), min_size=1).filter(lambda what: what != {"deletions"} and not (
        "deletions" in what and not what & {"messages", "files"})),
    st.builds(
        Selection,
        after_number=st.just(0),
        since_ms=st.integers(0, 4_000_000_000_000),
        max_age_s=st.integers(0, 999_999),
        max_size=st.integers(0, 999_999_999),
        author=st.just("") | PATTERNS,
        subject=st.just("") | PATTERNS,
        headers=st.lists(st.tuples(st.sampled_from(("list-id", "x-spam")), PATTERNS), max_size=2).map(tuple),
    ),
)  # fmt: skip
def test_a_rule_is_read_as_it_was_written(
    remote: str, direction: tuple[bool, bool], what: set[str], selection: Selection
) -> None:
    rule = Rule("bravo", remote, *direction, frozenset(what), selection)
    assert read_rules((write_rule(rule) + "\n").encode()) == [rule]


def test_the_recorded_neighbors_are_read() -> None:
    text = "Content-type: application/x-citadel-ignet-config\nContent-transfer-encoding: 7bit\n\n"
    setting = recorded("CONF GETSYS|application/x-citadel-ignet-config").decode()
    expected = [Neighbor("bravo", "s3cret", "127.0.0.1", 504), Neighbor("charlie", "hunter2", "127.0.0.2", 5044)]
    assert read_neighbors(setting) == read_neighbors(text + setting) == expected


@pytest.mark.parametrize(
    ("line", "field"),
    [("br avo|s|h|1", "node"), ("bravo|s||504", "host"), ("bravo|s|h|99999", "port"), ("b|s|h|x", "port")],
)
def test_a_neighbor_that_cannot_be_read_is_named(line: str, field: str) -> None:
    with pytest.raises(NetconfError, match=rf"line 1, field \d \({field}\)") as caught:
        read_neighbors(line + "\n")
    assert "|s|" not in str(caught.value).partition(";")[0]
