"""Answers of text: what is parsed is what was formatted, as the bytes that version 1 of the protocol has."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model.applied import Applied
from mirror.model.digest import Digest
from mirror.model.nodes import Heard, Horizon
from mirror.model.stamp import MAX_WAIT_MS
from mirror.wire import answers
from mirror.wire.answers import DigestLine
from mirror.wire.errors import ProtocolError
from mirror.wire.lines import clean, decode_line, format_line, format_reply, parse_reply
from mirror.wire.values import (
    CheckResult,
    Entered,
    Greeting,
    Held,
    Identity,
    ListedRoom,
    LoggedIn,
    ServerInfo,
    ServerTime,
    SharedRoom,
    State,
)

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="|"), max_size=20)
WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.~", min_size=1, max_size=12)
NUMBERS = st.integers(0, (1 << 63) - 1)
STAMPS = st.integers(1, (1 << 63) - 1)
CRCS = st.integers(0, (1 << 64) - 1)
DIGESTS = st.builds(Digest, NUMBERS, NUMBERS, CRCS)
COLLECTIONS = st.builds(lambda kind, room: f"{kind}/{room}" if room else kind, WORDS, st.one_of(st.just(""), WORDS))
EPOCHS = st.text("0af", max_size=16)
IDENTITIES = st.one_of(st.just(Identity()), st.builds(Identity, WORDS, EPOCHS, NUMBERS, WORDS, NUMBERS))
INFOS = st.builds(
    ServerInfo,
    WORDS,
    NAMES,
    NUMBERS,
    st.lists(WORDS).map(tuple),
    st.booleans(),
    WORDS,
    NUMBERS,
    EPOCHS,
    IDENTITIES,
)
STATES = st.builds(
    State,
    WORDS,
    WORDS,
    NUMBERS,
    DIGESTS,
    st.one_of(st.none(), st.dictionaries(COLLECTIONS, DIGESTS)),
    NUMBERS,
    st.lists(WORDS).map(" ".join),
)
ROOMS = st.builds(
    SharedRoom, WORDS, NAMES, NAMES, st.booleans(), st.booleans(), st.frozensets(WORDS), WORDS, st.booleans()
)
VECTORS = st.dictionaries(WORDS, STAMPS, max_size=5)
HEARD = st.builds(
    Heard,
    st.builds(Horizon, NUMBERS, st.frozensets(WORDS).map(lambda names: tuple(sorted(names)))),
    VECTORS,
    VECTORS,
    st.just(frozenset()),  # what came through shared rooms is each node's own affair
)


def over_the_wire(text: str, lines: list[str] | None = None) -> tuple[str, list[str] | None]:
    """Return a reply's text, and its listing, as the other side has them."""
    received = None if lines is None else [decode_line(format_line(line)[:-1]) for line in lines]
    return parse_reply(format_reply(200, text)[:-1]).text, received


def round_trip(format_: Callable[[Any], str], parse: Callable[[str], Any], value: Any) -> None:
    assert parse(over_the_wire(format_(value))[0]) == value


@given(INFOS)
def test_server_info(info: ServerInfo) -> None:
    lines = over_the_wire("", answers.format_server_info(info))[1]
    assert answers.parse_server_info([*(lines or []), "colour=green", "nonsense"]) == info


@given(st.builds(ServerTime, NUMBERS, st.integers(-86_400, 86_400), st.sampled_from([-1, 0, 1]), NUMBERS))
def test_server_time(time: ServerTime) -> None:
    round_trip(answers.format_server_time, answers.parse_server_time, time)


@given(WORDS, st.builds(Greeting, WORDS, WORDS, st.booleans(), st.sampled_from(["mirror", "share"]), IDENTITIES))
def test_greeting(proof: str, greeting: Greeting) -> None:
    assert answers.parse_greeting(answers.format_greeting(proof, greeting)) == (proof, greeting)


@pytest.mark.parametrize(
    "told", ["i|e", "i|e|one|o|0", "i|e|1|o|g", f"{'i' * 65}|e|1|o|0", f"i|{'e' * 65}|1|o|0", f"i|e|1|{'o' * 256}|0"]
)
def test_what_is_no_identity(told: str) -> None:
    with pytest.raises(ProtocolError):
        answers.parse_identity(told.split("|"))


@given(st.builds(LoggedIn, NAMES, WORDS, NUMBERS))
def test_logged_in(user: LoggedIn) -> None:
    round_trip(answers.format_logged_in, answers.parse_logged_in, user)


@given(st.builds(Entered, NAMES, WORDS, st.booleans()))
def test_entered(room: Entered) -> None:
    round_trip(answers.format_entered, answers.parse_entered, room)


@given(st.builds(DigestLine, COLLECTIONS, DIGESTS, NAMES))
def test_digest_line(line: DigestLine) -> None:
    round_trip(answers.format_digest_line, answers.parse_digest_line, line)


@given(DIGESTS)
def test_a_known_digest_is_told_without_its_newest_stamp(digest: Digest) -> None:
    assert answers.parse_known(*answers.format_known(digest).split("|")) == digest._replace(newest=0)


@given(STATES)
def test_state(state: State) -> None:
    told = state.collections
    lines = None if told is None else [answers.format_digest_line(DigestLine(*pair)) for pair in told.items()]
    text, received = over_the_wire(answers.format_state(state), lines)
    assert answers.parse_state(text, received) == state


@given(HEARD)
def test_heard(heard: Heard) -> None:
    text, lines = over_the_wire(*answers.format_heard(heard))
    assert answers.parse_heard(text, lines or []) == heard


@given(ROOMS)
def test_shared_room(room: SharedRoom) -> None:
    round_trip(answers.format_shared_room, answers.parse_shared_room, room)


@given(st.builds(Applied, NUMBERS, NUMBERS, NUMBERS))
def test_applied(applied: Applied) -> None:
    round_trip(answers.format_applied, answers.parse_applied, applied)


@given(st.one_of(st.none(), st.builds(Held, STAMPS, WORDS, CRCS)), NAMES)
def test_changed(held: Held | None, problem: str) -> None:
    text, _ = over_the_wire(answers.format_changed(held, problem))
    assert answers.parse_changed(text) == held


@given(st.integers(1, 1 << 40), NAMES)
def test_not_yet(wait_ms: int, problem: str) -> None:
    text, _ = over_the_wire(answers.format_ahead(wait_ms, problem))
    assert answers.parse_ahead(text) == (min(wait_ms, MAX_WAIT_MS), clean(problem))


@given(COLLECTIONS, st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20))
def test_place(collection: str, key: str) -> None:
    assert answers.parse_place(over_the_wire(answers.format_place(collection, key))[0]) == (collection, key)


@given(st.builds(CheckResult, NUMBERS, NUMBERS, st.lists(NAMES).map(tuple), st.lists(NAMES).map(tuple)))
def test_check(result: CheckResult) -> None:
    text, lines = over_the_wire(*answers.format_check(result))
    assert answers.parse_check(text, lines or []) == result


@pytest.mark.parametrize(
    ("formatted", "bytes_"),
    [
        (
            answers.format_state(State("a", "c3ab", 336, Digest(10, 0x1A20, 0x9D), None, 255)),
            b"200 a|c3ab|336|10|1a20|000000000000009d|ff\n",
        ),
        (
            answers.format_state(State("a", "c3ab", 336, Digest(10, 0x1A20, 0x9D), None, 255, "main other")),
            b"200 a|c3ab|336|10|1a20|000000000000009d|ff|main other\n",
        ),
        (
            answers.format_digest_line(DigestLine("messages/a:1", Digest(10, 255, 1), "Lobby\n")),
            b"200 messages/a:1|10|ff|0000000000000001|Lobby \n",
        ),
        (answers.format_known(Digest(10, 255, 1)), b"200 10|0000000000000001\n"),
        (answers.format_heard(Heard(Horizon(16, ("a",)), {"a": 17}, {"b": 18}))[1][0], b"200 a|11|0|1\n"),
        (answers.format_heard(Heard(Horizon(16, ("a",)), {"a": 17}, {"b": 18}))[1][1], b"200 b|0|12|0\n"),
        (
            answers.format_shared_room(
                SharedRoom("a:1", "Lobby", "", True, True, frozenset(["marks", "files"]), "m", False)
            ),
            b"200 a:1|Lobby||push,pull|files,marks|m|0\n",
        ),
        (answers.format_applied(Applied(3, 2, 1)), b"200 3|2|1|written, already held, conflicts\n"),
        (answers.format_check(CheckResult(9, 8, ("x",)))[0], b"200 9|8|1|records, contents, problems\n"),
        (answers.format_greeting("cHJvb2Y=", Greeting("a", "c3", True, "share")), b"200 cHJvb2Y=|a|c3|1|share\n"),
        (answers.format_logged_in(LoggedIn("Ann", "a:1", 4)), b"200 Ann|a:1|4\n"),
        (answers.format_entered(Entered("Lobby", "a:1", True)), b"200 Lobby|a:1|1\n"),
        (answers.format_server_time(ServerTime(5, 3600, 0, 4)), b"200 5|3600|0|4\n"),
        (answers.format_place("users", "a:1"), b"200 users|a:1\n"),
    ],
)
def test_the_bytes_are_those_of_version_1(formatted: str, bytes_: bytes) -> None:
    assert format_reply(200, formatted) == bytes_


def test_the_lines_of_info_are_those_of_version_1() -> None:
    info = ServerInfo("a", "citadel-mirror 1", 1, ("sync", "tail"), True, "multi-user", 5, "c3")
    lines = "node=a software=citadel-mirror_1 protocol=1 capabilities=sync_tail tls=on mode=multi-user time=5 epoch=c3"
    assert answers.format_server_info(info) == [line.replace("_", " ") for line in lines.split()]
    shorter = answers.format_server_info(info._replace(tls=False, epoch=""))
    assert shorter[4:] == ["tls=off", "mode=multi-user", "time=5"]


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (answers.parse_digest_line, "users|x|0|0"),
        (answers.parse_digest_line, "users|1|0"),
        (answers.parse_digest_line, "users|1|ffffffffffffffff|0"),
        (answers.parse_digest_line, "users|1|0|00000000000000000"),
        (answers.parse_digest_line, "users|-1|0|0"),
        (answers.parse_digest_line, "users|²|0|0"),
        (lambda text: answers.parse_state(text, None), "a|e|5|1|2"),
        (lambda text: answers.parse_state(text, None), "a|e|5|1|2|3|x"),
        (lambda text: answers.parse_state(text, ["users"]), "a|e|5|1|2|3|4"),
        (lambda text: answers.parse_heard(text, []), ""),
        (lambda text: answers.parse_heard(text, ["a|0|1"]), "ff"),
        (answers.parse_shared_room, "a:1|Lobby||push|files|m"),
        (answers.parse_applied, "1|2"),
        (answers.parse_applied, "1|2|x"),
        (lambda text: answers.parse_check(text, []), "1"),
        (answers.parse_server_time, "1|x|0|1"),
        (answers.parse_logged_in, "Ann|a:1|many"),
        (answers.parse_entered, "Lobby|a:1"),
        (answers.parse_place, "users"),
        (answers.parse_ahead, "soon|too early"),
        (answers.parse_changed, "5|a|x"),
        (answers.parse_changed, "5|a"),
        (lambda text: answers.parse_server_info([text]), "protocol=one"),
    ],
)
def test_what_cannot_be_read_is_named(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ProtocolError, match=r"where a|has \d fields"):
        parse(text)


def test_a_state_without_a_horizon_is_of_a_store_that_forgot_nothing() -> None:
    assert answers.parse_state("a|e|5|1|2|3", None).horizon == 0


def test_what_a_later_version_adds_at_the_end_is_not_looked_at() -> None:
    assert answers.parse_applied("1|2|3|written, already held, conflicts|4|more") == Applied(1, 2, 3)
    assert answers.parse_shared_room("a:1|Lobby||push|files|m|1|new").whole


def in_a_line(text: str) -> str:
    """Return a line of a listing as the other side has it."""
    return decode_line(format_line(text)[:-1])


@pytest.mark.parametrize("name", ["a|b", "|||||||||", "a\r\n000|b\x1b"])
def test_a_name_ends_neither_its_line_nor_its_field(name: str) -> None:
    shown = clean(name).replace("|", " ")
    shared = SharedRoom("a:1", name, name, True, False, frozenset(["marks"]), "m", True)
    told = answers.parse_shared_room(in_a_line(answers.format_shared_room(shared)))
    assert told == shared._replace(name=shown, remote=shown)
    listed = ListedRoom("a:1", name, 3, True, True, False, False)
    assert answers.parse_listed_room(in_a_line(answers.format_listed_room(listed))) == listed._replace(name=shown)
    entered = Entered(name, "a:1", True)
    assert answers.parse_entered(in_a_line(answers.format_entered(entered))) == entered._replace(name=shown)
    logged = LoggedIn(name, "a:2", 4)
    assert answers.parse_logged_in(in_a_line(answers.format_logged_in(logged))) == logged._replace(name=shown)
    line = DigestLine("messages/a:1", Digest(1, 2, 3), name)
    assert answers.parse_digest_line(in_a_line(answers.format_digest_line(line))).digest == line.digest


@given(st.text())
def test_in_a_line_each_control_character_is_a_blank_and_all_else_stays(text: str) -> None:
    assert clean(text) == "".join(" " if letter < " " or letter == "\x7f" else letter for letter in text)
