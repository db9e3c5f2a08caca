"""Two users or rooms of one name: both are shown, told apart the same way on every node."""

import random
import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.names import Names, shown_names, stored_name
from mirror.model.edit import with_fields
from mirror.model.keys import compared
from mirror.model.record import Record


def room(key: str, name: str, born: int = 10, flags: int = 2) -> Record:
    return with_fields(None, "rooms", key, {"QRname": name, "QRflags": flags}, born, key.partition(":")[0])


def user(key: str, name: str, level: int = 4) -> Record:
    return with_fields(None, "users", key, {"u_fullname": name, "u_axlevel": level}, 10, key.partition(":")[0])


def test_the_older_one_keeps_the_plain_name() -> None:
    records = [room("b:1", "Lobby", 10), room("a:1", "lobby", 20), room("a:2", "Other", 20)]
    assert shown_names(records) == {"b:1": "Lobby", "a:1": "lobby (a)", "a:2": "Other"}


def test_names_that_look_the_same_are_told_apart_and_found_however_they_are_written() -> None:
    shown = shown_names([room("a:1", "Caf\u00e9"), room("b:1", "Cafe\u0301"), room("b:2", "CAF\u00c9")])
    assert shown == {"a:1": "Caf\u00e9", "b:1": "Cafe\u0301 (b)", "b:2": "CAF\u00c9 (b:2)"}
    names = Names()
    for record in (room("a:1", "Caf\u00e9"), room("b:1", "Cafe\u0301")):
        names.put(record)
    assert (names.find("Cafe\u0301"), names.find("caf\u00e9 (B)")) == ("a:1", "b:1")


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_of_ascii_names_the_same_is_compared_as_of_others(name: str) -> None:
    assert compared(name) == unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def test_the_order_of_records_does_not_matter() -> None:
    records = [room(f"{node}:{number}", "Lobby") for node in "abc" for number in range(3)]
    shown = shown_names(records)
    assert len(set(shown.values())) == 9
    assert shown["a:0"] == "Lobby"
    for _ in range(20):
        random.shuffle(records)
        assert shown_names(records) == shown


def test_a_name_that_looks_like_ours_is_not_taken() -> None:
    shown = shown_names([room("a:1", "Lobby"), room("b:1", "Lobby"), room("c:1", "Lobby (b)")])
    assert shown == {"a:1": "Lobby", "b:1": "Lobby (b:1)", "c:1": "Lobby (b)"}


def test_mailboxes_deleted_users_and_dead_rooms_have_no_names() -> None:
    assert shown_names([room("a:1", "0000000001.Mail", flags=2 | 16384), room("a:2", "Old", flags=0)]) == {}
    assert shown_names([user("a:1", "Ann"), user("b:1", "Ann"), user("c:1", "Ann", 0)]) == {
        "a:1": "Ann",
        "b:1": "Ann (b)",
    }


# -- the plain definition, which compares each name with all others, and what is kept as records change ------


def plainly(records: Iterable[Record]) -> dict[str, str]:
    same: defaultdict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for record in records:
        name = stored_name(record)
        if name:
            same[compared(name)].append((record.born, record.key, name))
    shown: dict[str, str] = {}
    for group in same.values():
        (_, first, name), *others = sorted(group)
        shown[first] = name
        for _, key, other in others:
            candidate = f"{other} ({key.partition(':')[0]})"
            told_apart = compared(candidate) not in same and compared(candidate) not in map(compared, shown.values())
            shown[key] = candidate if told_apart else f"{other} ({key})"
    return shown


NAMES = [
    "Lobby",
    "lobby",
    "LOBBY",
    "Lobby (a)",
    "lobby (B)",
    "Lobby (a) (b)",
    "Lobby (a:1)",
    "Straße",
    "STRASSE",
    "Caf\u00e9",
    "Cafe\u0301",
    "",
]
KEYS = [f"{node}:{number}" for node in ("a", "b", "c", "A", "a) (b") for number in range(3)]
ROOMS = st.lists(
    st.builds(room, st.sampled_from(KEYS), st.sampled_from(NAMES), st.integers(1, 3), st.sampled_from([0, 2, 6])),
    max_size=20,
    unique_by=lambda record: record.key,
)


@given(ROOMS)
def test_names_are_those_of_the_plain_definition(records: list[Record]) -> None:
    records.sort(key=lambda record: record.key)  # as a store gives them
    assert shown_names(records) == plainly(records)


@given(ROOMS, ROOMS)
def test_names_kept_through_changes_are_those_of_the_present_records(old: list[Record], new: list[Record]) -> None:
    names = Names()
    for record in (*old, *new):
        names.put(record)
    present = {record.key: record for record in (*old, *new)}
    expected = shown_names(present.values())
    assert names.shown() == expected
    assert {key: names.of(key) for key in present if names.of(key)} == expected


@given(ROOMS)
def test_whoever_is_found_by_a_name_is_shown_under_it(records: list[Record]) -> None:
    names = Names()
    for record in records:
        names.put(record)
    shown = names.shown()
    for wanted in {*NAMES, *shown.values(), "nobody", "Lobby (c)"}:
        found = names.find(wanted)
        holders = [key for key, name in shown.items() if compared(name) == compared(wanted)]
        assert found in holders if holders else found is None


@given(ROOMS, ROOMS)
def test_a_copy_changes_apart(old: list[Record], new: list[Record]) -> None:
    names = Names()
    for record in old:
        names.put(record)
    before, copied = names.shown(), names.copy()
    for record in new:
        copied.put(record)
    assert names.shown() == before


def test_thousands_of_one_name_are_told_apart_in_a_moment() -> None:
    records = [room(f"n{number}:1", "Lobby") for number in range(16_000)]
    random.shuffle(records)
    began = time.process_time()
    assert len(set(shown_names(records).values())) == 16_000
    assert time.process_time() - began < 2.0
