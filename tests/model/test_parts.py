"""Calendar and contact items merge property by property, and merging them stays a join."""

import contextlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.model.composing import composed, write_head
from mirror.model.content_lines import fold, in_capitals, in_small, parse_component, read_lines, with_lf
from mirror.model.edit import successor, tombstone
from mirror.model.item import MAX_PARSED, find_item
from mirror.model.merge import check_head, merge
from mirror.model.parts import read_parts
from mirror.model.record import Record, pack_head, record_bytes, unpack_head
from mirror.model.transfer import Style, encode

NODES = ("a", "b", "c")
COLLECTION = "messages/r"
HEADER = b"\xffA\x04I1@x\0AAnn\0U%s\0MContent-type: text/calendar\r\n\r\n"


def event(sequence: int = 0, subject: str = "", **properties: str) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:k", f"SEQUENCE:{sequence}"]
    lines += [f"{name.replace('_', '-')}:{value}" for name, value in properties.items()]
    lines += ["END:VEVENT", "END:VCALENDAR", ""]
    return HEADER % subject.encode() + "\r\n".join(lines).encode() + b"\0"


def card(**properties: str) -> bytes:
    lines = ["BEGIN:VCARD", "VERSION:3.0", *(f"{name}:{value}" for name, value in properties.items()), "END:VCARD", ""]
    return HEADER % b"" + "\r\n".join(lines).encode() + b"\0"


ENCODINGS = (
    (b"quoted-printable", b"utf-8"),
    (b"quoted-printable", b"iso-8859-1"),
    (b"base64", b"utf-8"),
    (b"8bit", b"iso-8859-1"),
)


def encoded(message: bytes, encoding: bytes, charset: bytes) -> bytes:
    """Return a message whose text is encoded so; letters that a charset does not have stay UTF-8."""
    before, _, text = message.removesuffix(b"\0").partition(b"\r\n\r\n")
    with contextlib.suppress(UnicodeEncodeError):
        text = text.decode().encode(charset.decode())
    written = encode(encoding.decode(), Style(76, b"\n", one_run=charset == b"utf-8"), text)
    head = b"; charset=" + charset + b"\r\nContent-Transfer-Encoding: " + encoding
    return before + head + b"\r\n\r\n" + written + b"\0"


def put(seen: Record | None, body: bytes, stamp: int, origin: str, head: bytes = b"") -> Record:
    return successor(seen, Record(COLLECTION, "euid:k", 0, "", 0, head=head, body=body), stamp, origin)


def lines_of(record: Record) -> list[str]:
    item = find_item(record.body)
    assert item is not None
    return [line.text for line in read_lines(b"\n".join(item.component.written()))]


def test_different_properties_changed_on_two_nodes_are_both_kept() -> None:
    first = put(None, event(subject="Lunch", SUMMARY="Lunch", LOCATION="Hall"), 10, "a")
    left = put(first, event(subject="Dinner", SUMMARY="Dinner", LOCATION="Hall"), 20, "a")
    right = put(first, event(1, subject="Lunch", SUMMARY="Lunch", LOCATION="Garden", DESCRIPTION="Bring cake"), 30, "b")
    merged = merge(left, right)
    assert merged.losers == ()
    assert {"SUMMARY:Dinner", "LOCATION:Garden", "DESCRIPTION:Bring cake", "SEQUENCE:1"} <= set(lines_of(merged.record))
    assert b"\0UDinner\0" in merged.record.body  # the message's subject goes with the summary
    assert merged.record.body.endswith(b"END:VCALENDAR\r\n\0")


def test_the_same_property_changed_on_two_nodes_follows_rfc_5546_and_the_loser_is_handed_back() -> None:
    first = put(None, event(SUMMARY="Lunch", LOCATION="Hall"), 10, "a")
    left = put(first, event(2, SUMMARY="Dinner", LOCATION="Hall"), 20, "a")
    right = put(first, event(1, SUMMARY="Supper", LOCATION="Garden"), 30, "b")
    merged = merge(left, right)
    assert {"SUMMARY:Dinner", "LOCATION:Garden"} <= set(lines_of(merged.record))
    assert merged.losers == (right,)


def test_start_and_end_are_never_taken_from_different_versions() -> None:
    first = put(None, event(DTSTART="20260101T100000Z", DTEND="20260101T110000Z"), 10, "a")
    left = put(first, event(DTSTART="20260101T140000Z", DTEND="20260101T150000Z"), 20, "a")
    right = put(first, event(DTSTART="20260101T100000Z", DTEND="20260101T120000Z"), 30, "b")
    merged = merge(left, right)
    assert {"DTSTART:20260101T100000Z", "DTEND:20260101T120000Z"} <= set(lines_of(merged.record))
    assert merged.losers == (left,)


def test_a_property_taken_out_stays_out() -> None:
    first = put(None, event(SUMMARY="Lunch", LOCATION="Hall"), 10, "a")
    left = put(first, event(SUMMARY="Lunch"), 20, "a")
    right = put(first, event(SUMMARY="Dinner", LOCATION="Hall"), 30, "b")
    merged = merge(left, right)
    assert "LOCATION:Hall" not in lines_of(merged.record)
    assert "SUMMARY:Dinner" in lines_of(merged.record)
    again = put(merged.record, event(SUMMARY="Dinner", LOCATION="Roof"), 40, "b")
    assert "LOCATION:Roof" in lines_of(merge(again, left).record)


def test_a_contact_keeps_the_home_number_of_one_and_the_mail_address_of_the_other() -> None:
    first = put(None, card(FN="Ann", N="Ann;;;;", **{"TEL;TYPE=home": "1", "TEL;TYPE=work": "2"}), 10, "a")
    left = put(first, card(FN="Ann", N="Ann;;;;", **{"TEL;TYPE=home": "11", "TEL;TYPE=work": "2"}), 20, "a")
    right = put(
        first, card(FN="Ann", N="Ann;;;;", EMAIL="a@x", **{"TEL;TYPE=home": "1", "TEL;TYPE=work": "2"}), 30, "b"
    )
    merged = merge(left, right)
    assert merged.losers == ()
    assert {"TEL;TYPE=home:11", "TEL;TYPE=work:2", "EMAIL:a@x"} <= set(lines_of(merged.record))
    assert lines_of(merged.record)[1] == "VERSION:3.0"


def test_an_occurrence_taken_out_while_another_node_changes_it_is_out_and_the_change_is_handed_back() -> None:
    override = b"BEGIN:VEVENT\r\nUID:k\r\nRECURRENCE-ID:20260108T100000Z\r\nSUMMARY:%s\r\nEND:VEVENT\r\nEND:VCALENDAR"
    whole = event(SUMMARY="Weekly", RRULE="FREQ=WEEKLY")
    first = put(None, whole.replace(b"END:VCALENDAR", override % b"Moved"), 10, "a")
    left = put(first, whole, 20, "a")
    right = put(first, whole.replace(b"END:VCALENDAR", override % b"Moved again"), 30, "b")
    merged = merge(left, right)
    assert merged.record.body.count(b"BEGIN:VEVENT") == 1
    assert merged.losers == (right,)
    # The text of what is not shown is kept: a version that brings the occurrence back merges with it.
    assert merge(merged.record, right) == merge(right, merged.record)
    back = put(merged.record, whole.replace(b"END:VCALENDAR", override % b"Back"), 40, "c")
    assert b"SUMMARY:Back" in merge(back, right).record.body


def test_a_draft_cannot_say_who_wrote_its_parts() -> None:
    head = pack_head({"written": {"": [9, 9, 1 << 60, "z"]}, "number": 7})
    assert unpack_head(put(None, event(), 10, "a", head).head) == {"number": 7}


def test_a_part_later_than_its_record_is_refused() -> None:
    from pytest import raises

    from mirror.model.errors import BadRecord
    from mirror.model.fields import fields_at

    late = Record(COLLECTION, "euid:k", 10, "a", 1, head=pack_head({"written": {"": [0, 0, 11, "a"]}}), body=event())
    with raises(BadRecord, match="later than itself"):
        check_head(late)
    with raises(BadRecord, match="later than itself"):
        check_head(Record("users", "k", 10, "a", 1, head=fields_at({"name": "x"}, 11, "a")))
    check_head(Record("users", "k", 11, "a", 1, head=fields_at({"name": "x"}, 11, "a")))


@given(st.text(alphabet="aé漢🙂 \t:;\\", max_size=400))
def test_folded_lines_are_short_and_unfold_to_what_they_were(text: str) -> None:
    line = "X:" + text
    folded = fold(line)
    assert all(len(part.encode()) <= 75 for part in folded)
    (read,) = read_lines(with_lf("\r\n".join(folded).encode()))
    assert read.text == line


@given(st.binary(max_size=60) | st.text(alphabet='BEGINDV:\r\n ;=X"', max_size=60).map(str.encode))
def test_no_text_breaks_the_reader(noise: bytes) -> None:
    for text in (noise, b"BEGIN:VCALENDAR\n" + noise + b"\nEND:VCALENDAR"):
        item = find_item(text)
        assert item is None or parse_component(b"\n".join(item.component.written())) == item.component


def test_what_is_too_large_or_too_deep_is_merged_as_a_whole() -> None:
    assert find_item(event(SUMMARY="x" * MAX_PARSED)) is None
    assert find_item(event(SUMMARY="x" * (MAX_PARSED - 1000))) is not None
    deep = b"BEGIN:VCALENDAR\n" + b"BEGIN:X\n" * 100_000 + b"END:X\n" * 100_000 + b"END:VCALENDAR"
    assert find_item(deep[:100_000] + b"END:VCALENDAR") is None and find_item(deep) is None


@st.composite
def versions(draw: st.DrawFn, forgetful: bool = True) -> list[Record]:
    """Versions of one item by several nodes, some having seen others' merged ones.

    ``forgetful`` nodes may not have seen even what they wrote themselves; merging has to be a join all the same.
    """
    texts = st.sampled_from(
        [
            event(sequence, subject=summary, SUMMARY=summary, **more)
            for sequence in (0, 1)
            for summary in ("x", "y")
            for more in ({}, {"LOCATION": "p"}, {"LOCATION": "q", "DTSTART": "20260101"})
        ]
        + [card(FN="x"), card(FN="x", TEL="1"), b"no item", b"none either"]
        + [encoded(event(SUMMARY=summary, LOCATION="Café"), *how) for summary in ("x", "é漢" * 30) for how in ENCODINGS]
        + [
            event(SUMMARY="x").replace(
                b"END:VCALENDAR",
                b"BEGIN:VEVENT\r\nUID:k\r\nRECURRENCE-ID:20260108\r\nSUMMARY:%d\r\nEND:VEVENT\r\nEND:VCALENDAR"
                % number,
            )
            for number in (1, 2)
        ]
    )
    made: list[Record] = []
    newest = dict.fromkeys(NODES, 0)
    for _ in range(draw(st.integers(1, 7))):
        origin = draw(st.sampled_from(NODES))
        seen: Record | None = None
        if not forgetful and (own := [record for record in made if record.origin == origin]):
            seen = fold_all(own)
        for other in draw(st.lists(st.sampled_from(made), max_size=2)) if made else []:
            seen = other if seen is None else merge(seen, other).record
        stamp = max(newest[origin], max(dict(seen.past).values(), default=0) if seen else 0, seen.stamp if seen else 0)
        stamp += draw(st.integers(1, 3))
        newest[origin] = stamp
        if seen is not None and draw(st.integers(0, 5)) == 0:
            made.append(tombstone(seen, stamp, origin))
        else:
            made.append(put(seen, draw(texts), stamp, origin))
    return made


def fold_all(records: list[Record]) -> Record:
    result = records[0]
    for record in records[1:]:
        result = merge(result, record).record
    return result


@given(versions(), st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same_bytes(records: list[Record], chance: object) -> None:
    expected = fold_all(records)
    again = records + records
    chance.shuffle(again)  # type: ignore[attr-defined]
    assert record_bytes(fold_all(again)) == record_bytes(expected)
    half = fold_all(again[: len(records)])
    assert record_bytes(merge(half, fold_all(again[len(records) :])).record) == record_bytes(expected)


@given(versions(forgetful=False))
def test_a_version_that_has_seen_another_one_replaces_it_without_a_conflict(records: list[Record]) -> None:
    for newer in records:
        for older in records:
            vector = {**dict(newer.past), newer.origin: newer.stamp}
            if newer != older and all(
                vector.get(name, 0) >= stamp for name, stamp in ((older.origin, older.stamp), *older.past)
            ):
                merged = merge(older, newer)
                assert merged.record == newer
                assert merged.losers == ()


@settings(max_examples=200)
@given(versions())
def test_a_merged_text_is_read_as_what_was_merged(records: list[Record]) -> None:
    for record in [*records, fold_all(records)]:
        if not record.dead:
            parts = read_parts(record, record.body)
            again, body = composed(parts)
            rewritten = msgspec.structs.replace(record, head=write_head(again), body=body)
            assert read_parts(rewritten, body) == parts
            check_head(rewritten)


@pytest.mark.parametrize(
    "inside",
    [b"BEGIN:\xff\nX:1\nEND:\xff", "BEGIN:É\nEND:é".encode(), b"BEGIN:VEVENT\nBEGIN:\xff\nEND:\xff\nEND:VEVENT"],
)
def test_a_component_with_a_name_that_no_standard_has_is_merged_as_a_whole(inside: bytes) -> None:
    """Any user could write one, and nobody could merge or edit that item any more: it was a UnicodeEncodeError."""
    first = put(None, b"BEGIN:VCALENDAR\n" + inside + b"\nEND:VCALENDAR\n", 5, "a")
    versions = [put(first, first.body.replace(b"END:VC", b"X-%d:1\nEND:VC" % at), 10 + at, "bc"[at]) for at in (0, 1)]
    assert merge(*versions).record.body == versions[1].body
    assert merge(*versions).losers == (versions[0],)


def test_which_letters_are_the_same_in_capitals_hangs_on_no_version_of_unicode() -> None:
    assert in_capitals("aZ.ß ſ é ǆ ꭰ") == "AZ.ß ſ é ǆ ꭰ"
    assert in_small("Az.ẞ \u212a É Ǆ Ꭰ") == "az.ẞ \u212a É Ǆ Ꭰ"
    more = "ATTENDEE:mailto:É@x\r\nATTENDEE:mailto:é@x\r\nEND:VEVENT".encode()
    body = event(ATTENDEE="mailto:Ann@x").replace(b"END:VEVENT", more)
    names = {name.rpartition("\n")[2] for name in read_parts(put(None, body, 5, "a"), body).named}
    assert {"ATTENDEE:mailto:ann@x", "ATTENDEE:mailto:É@x", "ATTENDEE:mailto:é@x"} <= names
