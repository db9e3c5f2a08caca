"""Merging is a join: any order, any repetition, the same version."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.model.digest import digest_of
from mirror.model.edit import successor, tombstone, with_fields
from mirror.model.fields import values_of
from mirror.model.merge import Merged, merge
from mirror.model.record import Record, record_bytes

NODES = ("a", "b", "c")


@st.composite
def versions(draw: st.DrawFn, collection: str) -> list[Record]:
    """Versions of one record as several nodes may have written them, some having seen each other's."""
    made: list[Record] = []
    for _ in range(draw(st.integers(1, 6))):
        origin = draw(st.sampled_from(NODES))
        stamp = draw(st.integers(1, 50)) + max((record.stamp for record in made if record.origin == origin), default=0)
        seen = draw(st.sampled_from([None, *made]))
        stamp = max(stamp, seen.stamp + 1 if seen else 1)
        kind = draw(st.sampled_from(("write", "delete")))
        if kind == "delete" and seen is not None:
            made.append(tombstone(seen, stamp, origin))
        elif collection == "users":
            name = draw(st.sampled_from(("x", "y")))
            made.append(with_fields(seen, collection, "k", {name: draw(st.integers(0, 3))}, stamp, origin))
        else:
            body = draw(st.sampled_from((b"one", b"two", _event(1), _event(2))))
            made.append(successor(seen, Record(collection, "euid:k", stamp, origin, stamp, body=body), stamp, origin))
    return made


def _event(sequence: int) -> bytes:
    return (
        f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:k\nSEQUENCE:{sequence}\nSUMMARY:version {sequence}\n"
        "DTSTAMP:20260101T000000Z\nEND:VEVENT\nEND:VCALENDAR\n"
    ).encode()


def _fold(records: list[Record]) -> Record:
    result = records[0]
    for record in records[1:]:
        result = merge(result, record).record
    return result


@given(st.sampled_from(("users", "messages/r", "pictures")).flatmap(versions), st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same_bytes(records: list[Record], chance: object) -> None:
    expected = _fold(records)
    again = records + records
    chance.shuffle(again)  # type: ignore[attr-defined]
    assert record_bytes(_fold(again)) == record_bytes(expected)


@given(versions("users"))
def test_merging_a_version_with_itself_changes_nothing(records: list[Record]) -> None:
    for record in records:
        assert merge(record, record).record == record
        assert merge(record, record).losers == ()


def test_fields_changed_on_two_nodes_are_both_kept() -> None:
    base = with_fields(None, "users", "k", {"name": "Ann", "mail": "old"}, 10, "a")
    left = with_fields(base, "users", "k", {"name": "Anna"}, 20, "a")
    right = with_fields(base, "users", "k", {"mail": "new"}, 21, "b")
    merged = merge(left, right)
    assert values_of(merged.record) == {"name": "Anna", "mail": "new"}
    assert merged.losers == ()


def test_the_field_that_loses_is_handed_back() -> None:
    base = with_fields(None, "users", "k", {"name": "Ann"}, 10, "a")
    left = with_fields(base, "users", "k", {"name": "Left"}, 20, "a")
    right = with_fields(base, "users", "k", {"name": "Right"}, 21, "b")
    merged = merge(left, right)
    assert values_of(merged.record) == {"name": "Right"}
    assert [values_of(loser) for loser in merged.losers] == [{"name": "Left"}]


def test_what_was_replaced_by_someone_who_had_seen_it_is_no_conflict() -> None:
    first = Record("pictures", "k", 10, "a", 10, body=b"1")
    second = successor(first, Record("pictures", "k", 0, "", 0, body=b"2"), 20, "b")
    assert merge(first, second) == Merged(second)


def test_a_deletion_beats_edits_made_elsewhere_and_keeps_them_as_conflicts() -> None:
    first = Record("messages/r", "euid:k", 10, "a", 10, body=b"1")
    dead = tombstone(first, 20, "a")
    edited = successor(first, Record("messages/r", "euid:k", 0, "", 0, body=b"2"), 30, "b")
    merged = merge(dead, edited)
    assert merged.record == dead
    assert merged.losers == (edited,)


def test_the_greater_sequence_wins_over_the_later_stamp() -> None:
    newer_text = Record("messages/r", "euid:k", 10, "a", 10, body=_event(5))
    later = Record("messages/r", "euid:k", 10, "b", 10, body=_event(4))
    merged = merge(newer_text, later).record
    assert merged.body == newer_text.body
    assert merge(merged, later).record == merge(merged, newer_text).record == merged


def test_a_digest_does_not_depend_on_order() -> None:
    records = [Record("users", f"k{n}", n, "a", n) for n in range(1, 9)]
    assert digest_of(records) == digest_of(reversed(records))


def test_an_item_filed_on_two_nodes_independently_follows_its_sequence() -> None:
    newer = successor(None, Record("messages/r", "euid:k", 0, "", 0, body=_event(5)), 10, "a")
    older = successor(None, Record("messages/r", "euid:k", 0, "", 0, body=_event(4)), 20, "b")
    merged = merge(newer, older)
    assert merged.record.body == newer.body
    assert merged.losers == (older,)
