"""What merging makes stays within what every node takes, whatever the order and grouping of the versions."""

import itertools
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.model.edit import successor, with_fields
from mirror.model.errors import BadRecord
from mirror.model.fields import MARK, Field, check_fields, order, pack_fields, unpack_fields
from mirror.model.judge import Unfit, judge, sort_out
from mirror.model.limits import FIELDS, MARKS, MAX_INT, MAX_NAME, PICTURES, PROPERTIES
from mirror.model.merge import Merged, check_head, merge
from mirror.model.names import class_of
from mirror.model.parts import read_parts
from mirror.model.record import (
    LEAST,
    MAX_HEAD,
    MAX_PAST,
    Record,
    Version,
    created,
    past_of,
    record_bytes,
    validate,
    vector_of,
)
from mirror.model.settled import resolves, settling


def fold(versions: list[Record]) -> Record:
    merged = versions[0]
    for version in versions[1:]:
        merged = merge(merged, version).record
    return merged


def groupings(versions: list[Record], step: int = 1) -> list[Record]:
    """Return what four versions become in all orders (or each so many-th), one after the other and by pairs."""
    made = []
    for one in itertools.islice(itertools.permutations(versions), 0, None, step):
        made.append(fold(list(one)))
        made.append(merge(fold(list(one[:2])), fold(list(one[2:]))).record)
    return made


def check_closed(versions: list[Record]) -> Record:
    """Check that four versions become the same bytes, and such as every node takes."""
    for version in versions:
        validate(version)
        check_head(version)
    made = groupings(versions)
    assert len({record_bytes(one) for one in made}) == 1
    validate(made[0])
    check_head(made[0])
    assert len(made[0].head) <= MAX_HEAD
    return made[0]


def crowded_past(number: int, chance: random.Random) -> Record:
    origins = chance.sample([f"origin-{at}" for at in range(3 * MAX_PAST)], MAX_PAST)
    vector = {origin: chance.randint(2, 100_000) for origin in origins}
    stamp, origin = 200_000 + number, f"writer-{number}"
    return Record("rooms", "r", stamp, origin, 1, past=past_of(vector, Version(stamp, origin), chance.randint(1, 9)))


@pytest.mark.parametrize("seed", range(2))
def test_four_full_pasts(seed: int) -> None:
    chance = random.Random(seed)
    versions = [crowded_past(number, chance) for number in range(4)]
    merged = check_closed(versions)
    assert len(vector_of(merged)) == MAX_PAST + 1
    assert created(merged) == min(created(version) for version in versions)
    newest = sorted({pair[::-1] for version in versions for pair in vector_of(version).items()})
    assert newest[-1][::-1] in vector_of(merged).items()


def crowded_fields(number: int, chance: random.Random) -> Record:
    stamp, origin = 10_000 + number, f"writer-{number}"
    names = [f"field-{at}" for at in chance.sample(range(2 * FIELDS.count), FIELDS.count)]
    marks = [f"{MARK}{chance.getrandbits(64):016x}" for _ in range(MARKS.count)]
    fields = {name: Field(f"v{chance.random()}", chance.randint(1, stamp), origin) for name in names}
    fields |= {name: Field(True, chance.randint(1, stamp), origin) for name in marks}
    return Record("rooms", "r", stamp, origin, 1, head=pack_fields(fields))


@pytest.mark.parametrize("seed", range(3))
def test_four_records_full_of_fields(seed: int) -> None:
    chance = random.Random(seed)
    versions = [crowded_fields(number, chance) for number in range(4)]
    fields = unpack_fields(check_closed(versions))
    assert len(fields) == FIELDS.count + MARKS.count
    assert sum(name.startswith(MARK) for name in fields) == MARKS.count


def test_what_there_is_no_room_for_is_in_the_conflict_log() -> None:
    chance = random.Random(1)
    left, right = (crowded_fields(number, chance) for number in range(2))
    merged: Merged = merge(left, right)
    kept = unpack_fields(merged.record)
    lost = {name for loser in merged.losers for name in unpack_fields(loser)}
    for version in (left, right):
        for name, field in unpack_fields(version).items():
            assert name.startswith(MARK) or kept.get(name) == field or name in lost
    names = {name for version in (left, right) for name in unpack_fields(version) if not name.startswith(MARK)}
    latest = {
        name: max(
            (field for version in (left, right) if (field := unpack_fields(version).get(name)) is not None), key=order
        )
        for name in names
    }
    gone = [order(latest[name]) for name in names - kept.keys()]
    assert max(gone) < min(order(kept[name]) for name in names & kept.keys())  # those written last are kept


def crowded_parts(prefix: str, stamp: int, origin: str, before: Record | None = None) -> Record:
    lines = "".join(f"X-{prefix}{at}:1\n" for at in range(PROPERTIES.count))
    body = f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\n{lines}END:VEVENT\nEND:VCALENDAR\n".encode()
    return successor(before, Record("messages/r", "euid:u", 1, "x", 1, body=body), stamp, origin)


def test_parts_that_there_is_no_room_for_are_in_the_conflict_log_though_the_other_one_had_seen_them() -> None:
    """Each node that held them has a copy, not just the one that merged."""
    body = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\nEND:VEVENT\nEND:VCALENDAR\n"
    first = successor(None, Record("messages/r", "euid:u", 1, "x", 1, body=body), 5, "c")
    left = crowded_parts("L", 10, "a", first)
    merged = merge(left, crowded_parts("R", 20, "b", first)).record
    at_another = merge(left, merged)
    assert at_another.record == merged
    assert at_another.losers == (left,)
    cut = read_parts(left, left.body).named.keys() - read_parts(merged, merged.body).named.keys()
    assert len(cut) == PROPERTIES.count  # those of the earlier edit
    assert cut == set(at_another.parts[0])


def test_what_was_taken_out_by_someone_who_had_seen_it_is_no_conflict() -> None:
    first = crowded_parts("L", 10, "a")
    body = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\nX-L1:1\nEND:VEVENT\nEND:VCALENDAR\n"
    second = successor(first, Record("messages/r", "euid:u", 1, "x", 1, body=body), 20, "b")
    assert merge(first, second) == Merged(second)


@pytest.mark.parametrize("kind", ["too many", "too long", "later than itself", "in another order", "of its own"])
def test_a_tombstone_is_cut_and_never_refused_for_its_past(kind: str) -> None:
    dead = Record("rooms", "r", 5000, "a", 9, dead=True)
    past = {
        "too many": tuple((f"o{at:05}", at + 1) for at in range(MAX_PAST + 7)),
        "too long": (("b" * 256, 4), ("c", 3)),
        "later than itself": (("b", 5001), ("c", 3)),
        "in another order": (("c", 3), ("b", 4)),
        "of its own": (("a", 4), ("b", 4)),
    }[kind]
    found = sort_out(record_bytes(msgspec.structs.replace(dead, past=past)))
    assert isinstance(found, Record)
    judge(found)
    assert msgspec.structs.replace(found, past=()) == dead
    vector = vector_of(found)
    assert len(vector) == min(len(past), MAX_PAST) + 1 - (kind in ("too long", "later than itself", "of its own"))
    assert all(vector[name] == stamp for name, stamp in past if name in vector and name != "a")
    alive = sort_out(record_bytes(msgspec.structs.replace(dead, dead=False, past=past)))
    assert isinstance(alive, Unfit)  # of a living version it would change what it says it has seen


@pytest.mark.parametrize("collection", ["rooms", "messages/r", "files/r"])
def test_any_number_of_conflicts_of_one_thing_can_be_resolved(collection: str) -> None:
    body = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\nEND:VEVENT\nEND:VCALENDAR\n"
    draft = Record(collection, "euid:u", 1, "x", 1, body=b"" if collection == "rooms" else body)
    held = successor(None, draft, 5, "a")
    for crc in range(3 * MARKS.count):
        loser = msgspec.structs.replace(held, stamp=3, origin="b")
        held = settling(successor(held, msgspec.structs.replace(draft, head=held.head), 10 + crc, "a"), [crc])
        judge(held)
        assert resolves(held, loser, crc)


def crowded_item(number: int, chance: random.Random, count: int) -> Record:
    names = chance.sample(range(2 * count), count - 4)
    lines = [f"X-P{at}:{chance.random()}" for at in names]
    pictures = [f"ATTACH;X=1:{chance.random()}"]
    body = ["BEGIN:VCALENDAR", "BEGIN:VEVENT", "UID:u", *lines, *pictures, "END:VEVENT", "END:VCALENDAR"]
    draft = Record("messages/r", "euid:u", 1, "x", 1, body="\n".join(body).encode())
    first = successor(None, draft, 10 + number, f"first-{number}")
    again = [line if chance.random() < 0.5 else f"{line}!" for line in body[3:-2]]
    text = "\n".join([*body[:3], *again, *body[-2:]]).encode()
    return successor(first, msgspec.structs.replace(draft, body=text), 100 + chance.randint(1, 50), f"writer-{number}")


@pytest.mark.parametrize("seed", range(1))
def test_four_items_full_of_properties(seed: int) -> None:
    chance = random.Random(seed)
    versions = [crowded_item(number, chance, PROPERTIES.count) for number in range(4)]
    made = groupings(versions, step=5)
    assert len({record_bytes(one) for one in made}) == 1
    check_head(made[0])
    parts = read_parts(made[0], made[0].body)
    assert parts.kind == "VCALENDAR"  # what merging makes is looked into again
    assert len(made[0].head) <= MAX_HEAD
    assert sum(class_of(name) is PROPERTIES for name in parts.named) >= PROPERTIES.count


def test_an_item_with_more_than_there_is_room_for_is_compared_as_a_whole() -> None:
    lines = "\n".join(f"X-P{number}:{'1' * 900}" for number in range(PROPERTIES.count + 1))
    body = f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n".encode()
    assert read_parts(Record("messages/r", "euid:u", 5, "a", 5), body).kind == ""
    picture = f"BEGIN:VCARD\nVERSION:3.0\nPHOTO:{'x' * PICTURES.size}\nEND:VCARD\n".encode()
    assert read_parts(Record("messages/r", "euid:u", 5, "a", 5), picture).kind == ""
    small = f"BEGIN:VCARD\nVERSION:3.0\nPHOTO:{'x' * 200_000}\nEND:VCARD\n".encode()
    assert read_parts(Record("messages/r", "euid:u", 5, "a", 5), small).kind == "VCARD"


def test_all_numbers_of_a_card_may_be_changed_at_once() -> None:
    def card(first: int) -> Record:
        phones = "".join(f"TEL:{number}\n" for number in range(first, first + PROPERTIES.count - 100))
        body = f"BEGIN:VCARD\nVERSION:3.0\nFN:x\n{phones}END:VCARD\n".encode()
        return Record("messages/r", "euid:u", 0, "", 0, body=body)

    first = successor(None, card(10_000), 1 << 16, "a")
    changed = successor(first, card(20_000), 2 << 16, "b")
    validate(changed)
    check_head(changed)
    assert len(read_parts(changed, changed.body).names) == PROPERTIES.count - 100


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("VEVENT\nu\n\n\nDESCRIPTION", "long texts"),
        ("VEVENT\nu\n\n\nwhen", "times and recurrences"),
        ("VEVENT\nu\n\n\nATTENDEE:mailto:a.b@c.d", "properties"),
        ("VEVENT\nu\n\n\nwithin", "alarms of events"),
        ("VTIMEZONE\n\n\nEurope/Berlin\n", "time zones and other components"),
        ("PHOTO", "pictures, keys and attachments"),
        ("NOTE;LANGUAGE=de", "long texts"),
        ("VEVENT\nu\n\n\nEXDATE:20260112T100000Z", "exceptions, categories and resources"),
        ("VEVENT\nu\n\n\nEXDATE", "lines of exceptions"),
        ("VEVENT\nu\n\n\nVALARM:1", "alarms of events"),
        ("VTIMEZONE\n\n\nEurope/Berlin\nkept", "time zones that were taken out"),
        ("TEL;TYPE=cell *", "lists that 0.1.0 edited"),
        ("message", "the message around an item"),
        ("settled 0123456789abcdef", "resolved conflicts"),
        ("SUMMARY", "properties"),
    ],
)
def test_classes_follow_from_the_names_of_parts(name: str, holds: str) -> None:
    assert class_of(name).holds == holds


def bad_head(value: object, name: str = "x", stamp: int = 5, origin: str = "a") -> bytes:
    return msgspec.msgpack.encode({name: [value, stamp, origin]})


@pytest.mark.parametrize(
    "head",
    [
        bad_head(["a list"]),
        bad_head(None),
        bad_head(1.5),
        bad_head({"a": 1}),
        bad_head("a NUL\0"),
        bad_head("x" * (FIELDS.size + 1)),
        bad_head(MAX_INT + 1),
        bad_head("x", "n" * (MAX_NAME + 1)),
        bad_head("x", stamp=6),
        bad_head("x", stamp=0),
        bad_head("x", origin=""),
        bad_head("x", origin="o" * 256),
        b"\xc1",
        msgspec.msgpack.encode({f"f{number}": ["x", 1, "a"] for number in range(FIELDS.count + 1)}),
    ],
)
def test_fields_that_no_node_takes_are_refused(head: bytes) -> None:
    with pytest.raises(BadRecord):
        check_fields(Record("rooms", "r", 5, "a", 5, head=head))


@pytest.mark.parametrize("collection", ["files/r", "messages/r", "bios"])
def test_a_head_that_is_no_map_is_refused_everywhere(collection: str) -> None:
    with pytest.raises(BadRecord, match="no MessagePack map"):
        check_head(Record(collection, "k", 5, "a", 5, head=b"\xc1"))


@pytest.mark.parametrize(
    "past",
    [
        ((LEAST, 5), ("b", 4)),
        ((LEAST, 9),),
        (("b" * 256, 4),),
        tuple((f"o{number:05}", 3) for number in range(MAX_PAST + 1)),
    ],
)
def test_pasts_that_no_node_makes_are_refused(past: tuple[tuple[str, int], ...]) -> None:
    with pytest.raises(BadRecord):
        validate(Record("rooms", "r", 9, "a", 9, past=past))


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 20)), min_size=4, max_size=4), st.integers(0, 4))
def test_the_least_stamp_is_that_of_all_that_went_in(writes: list[tuple[str, int]], cut: int) -> None:
    versions = []
    for at, (origin, stamp) in enumerate(writes):
        seen = versions[at - 1] if at and stamp > versions[at - 1].stamp and cut != at else None
        versions.append(with_fields(seen, "rooms", "r", {"x": f"{at}"}, stamp, origin))
    merged = groupings([msgspec.structs.replace(version, born=1) for version in versions])
    assert len({record_bytes(one) for one in merged}) == 1
    assert created(merged[0]) == min(stamp for _, stamp in writes)
