"""A rule is read as it was written, and what is wrong with a line is named by line and field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import recorded

from netconf.errors import NetconfError
from netconf.lines import MAX_BYTES, parse_lines, write_lines
from netconf.rules import DIRECTIONS, WHAT, Rule, check, read_rules, write_rule
from netconf.selection import Selection


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
        max_age_s=st.builds(int.__mul__, st.integers(0, 999_999), st.sampled_from((1, 60, 3600, 86_400, 604_800))),
        max_size=st.builds(int.__mul__, st.integers(0, 999_999_999), st.sampled_from((1, 1 << 10, 1 << 20, 1 << 30))),
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


@pytest.mark.parametrize(
    "option",
    ["max_age=90d", "max_age=52w", "max_age=999999w", "max_age=36h", "max_age=1s", "max_age=90m",
     "max_size=102400", "max_size=2G", "max_size=1500M", "max_size=999999999G", "max_size=1048577k"],
)  # fmt: skip
def test_ages_and_sizes_are_written_as_they_may_be_read(option: str) -> None:
    (rule,) = read_rules(f"mirror_share|bravo||{option}\n".encode())
    assert check((write_rule(rule) + "\n").encode()) == []
    assert write_rule(rule) == f"mirror_share|bravo||{option}"
