"""Items in the manner of real programs merge whatever people and programs make of them.

A short run; ``contrib/fuzz/ctdlmirror-fuzz corpus`` tries as many inputs as you like.
"""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings

from corpus.checks import Step, Way, check_draft, check_join, check_pair, first_of
from corpus.lines import read, write
from corpus.manners import Editor
from corpus.messages import names, source, text_in
from corpus.readers import readers_of
from corpus.strategies import histories, pairs
from mirror.model.item import find_item
from mirror.model.merge import Merged, merge
from mirror.model.record import Record

TITLE, PLACE = (Way(((edit, 0),), Editor(), 0) for edit in ("another title", "another place"))
OTHER_TITLE = Way((("another title", 1),), Editor(), 0)


@pytest.mark.parametrize("name", names())
def test_an_item_of_the_corpus_is_what_a_program_wrote(name: str) -> None:
    item = source(name)
    assert write(read(item.text)).rstrip(b"\n") == item.text.rstrip(b"\n")
    assert text_in(item.message(item.text)) == item.text
    assert readers_of(item.text)


@pytest.mark.parametrize("name", names())
def test_an_item_of_the_corpus_can_be_merged(name: str) -> None:
    assert find_item(first_of(source(name)).body) is not None


@settings(max_examples=100)
@given(pairs())
def test_two_edits_both_count_or_are_told(pair: tuple[str, Way, Way]) -> None:
    check_pair(*pair)


@settings(max_examples=50)
@given(pairs())
def test_a_draft_that_names_what_it_changed_takes_nothing_else_away(pair: tuple[str, Way, Way]) -> None:
    check_draft(*pair)


@settings(max_examples=30)
@given(histories())
def test_any_order_and_grouping_gives_the_same_bytes(told: tuple[str, Sequence[Step]]) -> None:
    check_join(*told)


# -- the checks themselves ----------------------------------------------------------------------------


def later(left: Record, right: Record) -> Merged:
    """Keep the later version, and tell nobody."""
    return Merged(max(left, right, key=lambda record: record.version))


def untold(left: Record, right: Record) -> Merged:
    return Merged(merge(left, right).record)


def alarmed(left: Record, right: Record) -> Merged:
    """Tell a conflict where there is none."""
    return Merged(merge(left, right).record, (left,), (("SUMMARY",),))


def damaged(old: bytes, new: bytes) -> object:
    """Return a way to merge that changes some bytes."""

    def merged(left: Record, right: Record) -> Merged:
        record = merge(left, right).record
        assert old in record.body
        return Merged(msgspec.structs.replace(record, body=record.body.replace(old, new)))

    return merged


@pytest.mark.parametrize(
    ("how", "left", "right", "found"),
    [
        (later, TITLE, PLACE, "lost of left"),
        (untold, TITLE, OTHER_TITLE, "lost of left"),
        (alarmed, TITLE, PLACE, "have nothing to do with each other"),
        (damaged(b"RO\r\n LE=", b"ROLE="), TITLE, PLACE, "nobody changed"),
        (damaged(b"TRANSP:OPAQUE", b"TRANSP:TRANSPARENT"), TITLE, PLACE, "nobody changed"),
        (
            damaged(b"DTEND;TZID=Europe/Berlin:20240111T11", b"DTEND;TZID=Europe/Berlin:20240111T12"),
            TITLE,
            PLACE,
            "when",
        ),
        (damaged(b"BEGIN:DAYLIGHT", b"BEGIN:NIGHT"), TITLE, PLACE, "can be read no more"),
        (damaged(b"charset=UTF-8", b"charset=utf-8"), TITLE, PLACE, "the message around"),
    ],
)
def test_a_wrong_merge_is_found(
    monkeypatch: pytest.MonkeyPatch, how: object, left: Way, right: Way, found: str
) -> None:
    check_pair("thunderbird-series.ics", left, right)
    monkeypatch.setattr("corpus.checks.merge", how)
    with pytest.raises(AssertionError, match=found):
        check_pair("thunderbird-series.ics", left, right)


def test_a_merge_that_depends_on_the_order_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [Step((), origin, way) for origin, way in (("left", TITLE), ("right", PLACE), ("third", OTHER_TITLE))]
    check_join("khal-event.ics", steps)
    monkeypatch.setattr("corpus.checks.merge", lambda left, right: Merged(left))
    with pytest.raises(AssertionError, match="different bytes"):
        check_join("khal-event.ics", steps)
