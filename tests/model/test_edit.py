"""A draft says what it was made from: what its author had not seen is never lost without a word."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model.draft import Base, Draft, base_of, check_draft, joint_base
from mirror.model.edit import Written, overwritten, successor, tombstone, with_fields, written
from mirror.model.errors import BadRecord
from mirror.model.fields import values_of
from mirror.model.merge import merge
from mirror.model.record import Record, covers, pack_head, record_bytes, record_crc, validate, vector_of
from mirror.model.settled import resolves, settling
from mirror.sync.absence import Side

ROOM = ("rooms", "r")
ITEM = ("messages/r", "euid:one")
FILE = ("files/r", "plan.txt")


def fields(draft_base: Record | None, stamp: int, **values: str) -> Draft:
    return Draft(*ROOM, base_of(draft_base) if draft_base else None, head=pack_head(dict(values)))


def event(summary: str = "one", location: str = "here", sequence: int = 0, extra: str = "") -> bytes:
    return (
        "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nUID:one\n"
        f"SEQUENCE:{sequence}\nSUMMARY:{summary}\nLOCATION:{location}\n{extra}END:VEVENT\nEND:VCALENDAR\n"
    ).encode()


def item(base: Record | None, body: bytes, *changed: str) -> Draft:
    return Draft(*ITEM, base_of(base) if base else None, body=body, changed=changed)


def place(name: str) -> str:
    return f"VEVENT\none\n\n\n{name}"


def write(current: Record | None, draft: Draft, stamp: int, origin: str = "a") -> Written:
    made = written(current, draft, stamp, origin)
    validate(made.record)
    return made


def first_room() -> Record:
    return with_fields(None, *ROOM, {"name": "Lobby", "order": "1"}, 10, "a")


def test_a_draft_made_from_what_is_held_loses_nothing() -> None:
    v1 = first_room()
    made = write(v1, fields(v1, 20, name="Hall"), 20)
    assert made.losers == ()
    assert values_of(made.record) == {"name": "Hall", "order": "1"}
    assert made.record.born == v1.born


def test_a_stale_draft_wins_and_what_it_overwrote_unseen_is_handed_back() -> None:
    v1 = first_room()
    v2 = with_fields(v1, *ROOM, {"name": "Other", "order": "2"}, 20, "b")
    made = write(v2, fields(v1, 30, name="Hall"), 30)
    assert values_of(made.record) == {"name": "Hall", "order": "2"}  # what it left alone is no edit
    assert [values_of(loser.record) for loser in made.losers] == [{"name": "Other"}]


def test_two_stale_drafts_at_one_node_are_told_apart_although_its_stamps_grow() -> None:
    v1 = first_room()
    v2 = write(v1, fields(v1, 20, name="Mine"), 20).record
    made = write(v2, fields(v1, 30, name="Yours"), 30)
    assert [values_of(loser.record) for loser in made.losers] == [{"name": "Mine"}]


def test_a_merged_record_is_seen_only_by_who_names_all_of_its_past() -> None:
    v1 = first_room()
    here = with_fields(v1, *ROOM, {"order": "2"}, 20, "b")
    there = with_fields(v1, *ROOM, {"name": "Hall"}, 30, "c")
    merged = merge(here, there).record
    assert merged.version == there.version
    made = write(merged, fields(there, 40, order="3"), 40)
    assert [values_of(loser.record) for loser in made.losers] == [{"order": "2"}]
    assert write(merged, fields(merged, 40, order="3"), 40).losers == ()


def test_a_thing_that_is_there_though_the_draft_knows_of_none_is_kept_too() -> None:
    v1 = first_room()
    made = write(v1, fields(None, 20, name="Hall"), 20)
    assert [values_of(loser.record) for loser in made.losers] == [{"name": "Lobby"}]


def test_an_edit_of_what_was_deleted_unseen_loses_to_the_deletion_and_is_kept() -> None:
    v1 = first_room()
    dead = tombstone(v1, 20, "b")
    made = write(dead, fields(v1, 30, name="Hall"), 30)
    assert made.record is dead
    assert [values_of(loser.record) for loser in made.losers] == [{"name": "Hall"}]
    again = write(dead, fields(dead, 30, name="Hall"), 30)
    assert not again.record.dead
    assert again.record.born == 30


def test_a_stale_deletion_deletes_and_keeps_what_it_had_not_seen() -> None:
    v1 = successor(None, Record(*FILE, 1, "x", 1, body=b"one"), 10, "a")
    v2 = successor(v1, Record(*FILE, 1, "x", 1, body=b"two"), 20, "b")
    made = write(v2, Draft(*FILE, base_of(v1), dead=True), 30)
    assert made.record.dead
    assert [loser.record for loser in made.losers] == [v2]
    assert merge(v2, made.record).losers == (v2,)  # and so does every other node
    assert write(v2, Draft(*FILE, base_of(v2), dead=True), 30).losers == ()


def test_a_stale_file_wins_and_the_other_is_kept_on_every_node() -> None:
    v1 = successor(None, Record(*FILE, 1, "x", 1, body=b"one"), 10, "a")
    v2 = successor(v1, Record(*FILE, 1, "x", 1, body=b"two"), 20, "b")
    made = write(v2, Draft(*FILE, base_of(v1), body=b"three"), 30)
    assert made.record.body == b"three"
    assert [loser.record for loser in made.losers] == [v2]
    assert merge(v2, made.record).losers == (v2,)


def first_item() -> Record:
    return successor(None, Record(*ITEM, 1, "x", 1, body=event()), 10, "a")


def test_the_named_parts_of_a_stale_item_are_its_edit_and_the_others_none() -> None:
    v1 = first_item()
    v2 = successor(v1, Record(*ITEM, 1, "x", 1, body=event(location="there")), 20, "b")
    made = write(v2, item(v1, event(summary="two"), place("SUMMARY")), 30)
    assert made.losers == ()
    assert b"SUMMARY:two" in made.record.body
    assert b"LOCATION:there" in made.record.body


def test_a_stale_item_that_names_no_parts_has_edited_all_that_differs() -> None:
    v1 = first_item()
    v2 = successor(v1, Record(*ITEM, 1, "x", 1, body=event(location="there")), 20, "b")
    made = write(v2, item(v1, event(summary="two")), 30)
    assert b"SUMMARY:two" in made.record.body
    assert b"LOCATION:here" in made.record.body
    assert [(loser.record, loser.parts) for loser in made.losers] == [(v2, (place("LOCATION"),))]


def test_a_stale_item_behind_in_sequence_begins_no_new_incarnation_and_is_kept() -> None:
    v1 = first_item()
    v2 = successor(v1, Record(*ITEM, 1, "x", 1, body=event(summary="later", sequence=5)), 20, "b")
    made = write(v2, item(v1, event(summary="two", sequence=1), place("SUMMARY")), 30)
    assert made.record.born == v1.born
    assert b"SUMMARY:later" in made.record.body
    (loser,) = made.losers
    assert b"SUMMARY:two" in loser.record.body
    assert loser.parts == (place("SUMMARY"),)
    back = write(v2, item(v2, event(summary="two", sequence=1)), 30)
    assert back.record.born == 30  # who has seen the greater SEQUENCE puts it back on purpose


REWRITTEN = event().replace(b"SUMMARY:", b"Summary:").replace(b"VERSION:2.0\n", b"VERSION:2.0\nPRODID:-//x//EN\n")


@pytest.mark.parametrize("changed", [(), (place("SUMMARY"),), ("revision",)])
def test_who_writes_an_item_in_other_words_writes_nothing(changed: tuple[str, ...]) -> None:
    v1 = first_item()
    assert write(v1, item(v1, REWRITTEN, *changed), 30) == Written(v1)
    v2 = successor(v1, Record(*ITEM, 1, "x", 1, body=event(location="there")), 20, "b")
    stale = write(v2, item(v1, REWRITTEN, *changed), 30)
    assert (stale.record is v2) == (changed != ())  # who does not tell has put the place back


def test_another_sequence_number_is_a_version_of_its_own() -> None:
    v1 = first_item()
    assert write(v1, item(v1, event(sequence=1)), 30).record.stamp == 30


def test_what_is_beside_an_item_in_its_message_is_no_other_words_of_it() -> None:
    def message(text: bytes) -> bytes:
        plain = b"--b\n\n" + text + b"\n--b\nContent-type: text/calendar\n\n" + event() + b"\n--b--\n"
        return b"\xffA\x04I1\0MContent-type: multipart/alternative; boundary=b\n\n" + plain + b"\0"

    v1 = successor(None, Record(*ITEM, 1, "x", 1, body=message(b"Come!")), 10, "a")
    assert b"Do come!" in write(v1, item(v1, message(b"Do come!")), 30).record.body


def test_what_undoes_an_edit_that_is_not_here_yet_is_written() -> None:
    v1 = first_item()
    elsewhere = successor(v1, Record(*ITEM, 1, "x", 1, body=event(location="there")), 20, "b")
    undone = write(v1, item(elsewhere, event(), place("LOCATION")), 30).record
    assert b"LOCATION:here" in merge(undone, elsewhere).record.body


def test_what_a_stale_item_makes_stays_when_the_other_version_comes_again() -> None:
    v1 = first_item()
    v2 = successor(v1, Record(*ITEM, 1, "x", 1, body=event(location="there")), 20, "b")
    made = write(v2, item(v1, event(summary="two"), place("SUMMARY")), 30).record
    assert merge(made, v2).record == made
    assert merge(v2, made).record == made


@pytest.mark.parametrize("deleted_before", [False, True])
def test_a_draft_sent_to_where_its_base_has_not_come_yet_takes_nothing_away(deleted_before: bool) -> None:
    held = tombstone(with_fields(None, *ROOM, {"name": "Old"}, 5, "b"), 7, "b") if deleted_before else None
    v1 = with_fields(held, *ROOM, {"name": "Lobby", "order": "1"}, 10, "a")
    made = write(held, fields(v1, 20, name="Hall"), 20, "c").record
    met = merge(made, v1)
    assert values_of(met.record) == {"name": "Hall", "order": "1"}
    # That its author had seen the name is not told: of the base's other fields nothing is there yet.
    assert [values_of(loser) for loser in met.losers] == [{"name": "Lobby"}]
    if held is not None:
        assert merge(made, held).record == made


def test_an_item_drafted_where_its_base_has_not_come_yet_is_merged_with_what_others_made_of_it() -> None:
    v1 = successor(None, Record(*ITEM, 1, "x", 1, body=event()), 10, "a")
    made = write(None, item(v1, event(summary="two")), 30, "c").record
    v2 = written(v1, item(v1, event(location="there"), place("LOCATION")), 20, "b").record
    met = merge(made, v2)
    assert b"SUMMARY:two" in met.record.body
    assert [loser.body for loser in met.losers] == [event(location="there")]


def test_where_a_birth_is_not_told_a_draft_has_not_seen_what_it_takes_away() -> None:
    v1 = first_room()
    draft = fields(v1, 20, name="Hall")
    draft.base = Base(v1.stamp, v1.origin)
    met = merge(write(None, draft, 20, "c").record, v1)
    assert [values_of(loser) for loser in met.losers] == [{"name": "Lobby", "order": "1"}]


def test_a_deletion_sent_to_where_its_base_has_not_come_yet_holds_when_it_comes() -> None:
    v1 = first_room()
    made = write(None, Draft(*ROOM, base_of(v1), dead=True), 20, "c").record
    assert made.born == v1.stamp
    assert merge(made, v1) == (made, (), ())


def test_a_draft_of_a_later_incarnation_hands_back_what_it_had_not_seen() -> None:
    held = with_fields(None, *ROOM, {"name": "Unseen"}, 8, "b")
    v1 = with_fields(None, *ROOM, {"name": "Lobby"}, 10, "a")
    made = write(held, fields(v1, 20, name="Hall"), 20, "c")
    assert [values_of(loser.record) for loser in made.losers] == [{"name": "Unseen"}]


@pytest.mark.parametrize("later_incarnation", [False, True])
def test_a_draft_from_what_is_not_here_does_not_hide_what_it_loses_to_what_is(later_incarnation: bool) -> None:
    elsewhere = with_fields(None, *ROOM, {"name": "Lobby", "order": "1"}, 10, "b")
    here = with_fields(None, *ROOM, {"order": "2"}, 15, "a")
    if not later_incarnation:
        here = msgspec.structs.replace(here, born=elsewhere.born)
    made = write(here, fields(elsewhere, 20, name="Hall"), 20, "c").record
    (loser,) = merge(made, elsewhere).losers
    assert values_of(loser)["order"] == "1"


def test_who_replaces_a_text_unseen_tells_all_the_same_that_its_incarnation_is_old() -> None:
    v1 = successor(None, Record(*FILE, 1, "x", 1, body=b"one"), 10, "a")
    v2 = successor(v1, Record(*FILE, 1, "x", 1, body=b"two"), 20, "b")
    made = write(v2, Draft(*FILE, body=b"unknowing"), 30, "c").record
    assert not covers(made, v2)
    assert covers(made, v1)
    assert Side(True, 0, {"a": 15, "b": 25}, 40).deleted([made]) == [made]


def test_a_draft_without_a_base_gives_up_what_another_origin_wrote() -> None:
    v1 = with_fields(None, *ROOM, {"name": "Lobby", "order": "1"}, 10, "b")
    own = with_fields(v1, *ROOM, {"order": "2"}, 20, "a")
    made = with_fields(own, *ROOM, {"name": "Hall", "order": "3"}, 30, "a")
    assert [values_of(loser.record) for loser in overwritten(own, made, "a")] == [{"name": "Lobby"}]


@pytest.mark.parametrize(
    "draft",
    [
        Draft("rooms", ""),
        Draft("no such/", "k"),
        Draft("rooms", "k", dead=True, head=b"x"),
        Draft("rooms", "k", only_if=-1),
        Draft("rooms", "k", Base(0, "a")),
        Draft("rooms", "k", Base(5, "a", (), 6)),
        Draft("files/r", "k", body=b"x", content=b"y"),
    ],
)
def test_a_draft_that_contradicts_itself_is_refused(draft: Draft) -> None:
    with pytest.raises(BadRecord):
        check_draft(draft)


def test_who_has_seen_two_versions_has_seen_both_of_their_pasts() -> None:
    joint = joint_base(Base(5, "a", (("b", 3),)), Base(7, "c", (("a", 4), ("b", 6))))
    assert (joint.stamp, joint.origin, joint.vector) == (7, "c", {"a": 5, "b": 6, "c": 7})


def _any(collection: str, key: str, number: int) -> Record:
    """Return a first version of a thing of any kind of rule."""
    if collection == "rooms":
        return with_fields(None, collection, key, {"name": f"n{number}"}, 10, "a")
    body = event(summary=f"s{number}") if collection == "messages/r" else f"b{number}".encode()
    return successor(None, Record(collection, key, 1, "x", 1, body=body), 10, "a")


def _edit(base: Record | None, thing: tuple[str, str], number: int) -> Draft:
    named = base_of(base) if base is not None else None
    if thing == ROOM:
        return Draft(*thing, named, head=pack_head({"name": f"n{number}"}))
    body = event(summary=f"s{number}") if thing == ITEM else f"b{number}".encode()
    return Draft(*thing, named, body=body)


@given(
    st.sampled_from((ROOM, ITEM, FILE)),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab")), min_size=1, max_size=6),
)
def test_whatever_a_draft_was_made_from_nothing_is_lost_unseen(
    thing: tuple[str, str], edits: list[tuple[int, str]]
) -> None:
    """Every value ever written is the living one, was seen by who replaced it, or was handed back."""
    versions = [_any(*thing, 0)]
    kept: list[bytes] = []
    for number, (behind, origin) in enumerate(edits, 1):
        current = versions[-1]
        base = versions[max(0, len(versions) - 1 - behind)]
        made = write(current, _edit(base, thing, number), 10 + number * 10, origin)
        kept += [record_bytes(loser.record) for loser in made.losers]
        unseen = not base_of(base).covers(current)
        assert bool(made.losers) == unseen
        assert vector_of(made.record)[origin] == made.record.stamp
        assert merge(current, made.record).record == made.record
        versions.append(made.record)
    assert len(set(kept)) == len(kept)


@pytest.mark.parametrize("thing", [ROOM, ITEM, FILE])
def test_who_has_seen_both_resolves_a_conflict_and_nobody_else_does(thing: tuple[str, str]) -> None:
    v1 = _any(*thing, 0)
    left = written(v1, _edit(v1, thing, 1), 20, "b").record
    right = written(v1, _edit(v1, thing, 2), 30, "c").record
    merged = merge(left, right)
    (loser,) = merged.losers
    crc = record_crc(loser)
    assert not resolves(merged.record, loser, crc)
    unknowing = written(merged.record, _edit(right, thing, 3), 40, "d").record
    assert not resolves(unknowing, loser, crc)
    made = settling(written(merged.record, _edit(merged.record, thing, 4), 50, "a").record, [crc])
    validate(made)
    assert resolves(made, loser, crc)
    assert resolves(merge(made, unknowing).record, loser, crc) == (thing != FILE or made.stamp > unknowing.stamp)
    after = written(made, _edit(made, thing, 5), 60, "b").record
    assert resolves(after, loser, crc) or thing == FILE
    if thing == ROOM:
        assert set(values_of(made)) == {"name"}
    assert msgspec.msgpack.decode(record_bytes(made))[0] == thing[0]
