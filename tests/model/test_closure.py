"""What merging makes is read as what was merged, whatever the texts and heads are; so it stays a join at all limits."""

import itertools
import random
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mirror.model.draft import Draft, base_of
from mirror.model.edit import successor, written
from mirror.model.errors import BadRecord
from mirror.model.fields import MARK, Field, pack_fields, unpack_fields
from mirror.model.heads import EDITS, WRITTEN
from mirror.model.judge import judge
from mirror.model.limits import FIELDS, MARKS, PICTURES, PROPERTIES, TEXTS, ZONES, Class
from mirror.model.limits import IDENTITIES as EVENTS
from mirror.model.merge import merge
from mirror.model.names import SETTLED
from mirror.model.parts import join, read_parts
from mirror.model.record import INLINE_LIMIT, MAX_PAST, Record, Version, pack_head, past_of, record_bytes
from mirror.model.transfer import Style, encode

NODES = "abcd"
COLLECTION, KEY = "messages/r", "euid:u"

BEFORE = [
    b"",
    b"Content-type: text/calendar\r\n\r\n",
    b"\xffA\x04I1@x\0U%s\0Eu\0M\r\n",
    b"\xffA\x04I1@x\0AAnn\0M\r\n",
    b"\xffA\0U%s\0Mtext\n",
    b"\xffA\x04I1\0U%s\0Utwice\0M\n",
]
SUBJECTS = [b"", b"Lunch", b"\xff\xe9", b"BEGIN:VCALENDAR", "é".encode()]
CHARSETS = ["utf-8", "iso-8859-1", "x"]
AFTER = [b"", b"\r\n\0", b"\nEND:VCARD\0"]
LINES = [
    "SUMMARY:one",
    "SUMMARY:two",
    "LOCATION:" + "漢字🙂 " * 30,
    "ATTENDEE:mailto:A@b",
    "ATTENDEE;ROLE=CHAIR:mailto:a@B",
    "DTSTART:20260101T000000Z",
    "SEQUENCE:1",
    "SEQUENCE:2",
    "LAST-MODIFIED:20260101T000000Z",
    "X-A:BEGIN:VCALENDAR",
    "X-B:END:VCALENDAR",
    "X-C:" + "a\rb" * 60,
    "X-D:ends in\r",
    "X-E",
    "TZID:Europe/Berlin",
    "item1.TEL;TYPE=ß:1",
    "BEGIN:VALARM\nTRIGGER:-PT5M\nEND:VALARM",
    "BEGIN:within\nX:1\nEND:within",
    "PHOTO:1",
    "DESCRIPTION:BEGIN:VCARD",
]
IDENTITIES = ["", "UID:u", "UID;X=1:u", "UID:u\nRECURRENCE-ID:20260108", "UID:u\nRECURRENCE-ID;X=1:20260108"]
ODD = ["BEGIN:É\nX:1\nEND:é", "BEGIN:ß\nEND:ß", "ATTENDEE:mailto:É@x", "ATTENDEE:mailto:é@X", "ATTENDEE:mailto:ſ@x"]
OTHERS = ["BEGIN:VTIMEZONE\nTZID:Z\nEND:VTIMEZONE", "BEGIN:VTIMEZONE\nTZID:Z\nX:1\nEND:VTIMEZONE", "BEGIN:X\nEND:X"]


@st.composite
def events(draw: st.DrawFn) -> str:
    lines = draw(st.lists(st.sampled_from(LINES + ODD), max_size=4))
    return "\n".join(["BEGIN:VEVENT", draw(st.sampled_from(IDENTITIES)), *lines, "END:VEVENT"])


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Messages with an item, or nearly."""
    kind = draw(st.sampled_from(["VCALENDAR"] * 5 + ["VCARD", "nothing"]))
    inside = st.lists(events() | st.sampled_from([*OTHERS, "PRODID:x", "METHOD:x"]), max_size=4)
    lines = draw(inside if kind == "VCALENDAR" else st.lists(st.sampled_from(LINES), max_size=4))
    text = "\n".join([f"BEGIN:{kind}", *lines, f"END:{kind}"])
    while "\n\n" in text:
        text = text.replace("\n\n", "\n")
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    data = text.encode() if draw(st.integers(0, 4)) else text.encode("latin-1", "replace")
    before = draw(st.sampled_from(BEFORE))
    if b"%s" in before:
        before %= draw(st.sampled_from(SUBJECTS))
    told, around = draw(st.sampled_from(["", "", "quoted-printable", "base64"])), draw(st.sampled_from(AFTER))
    if not told or before.endswith(b"text\n"):
        return before + data + around
    encoded = encode(told, Style(76, b"\n"), data)
    headers = (
        f"Content-type: text/calendar; charset={draw(st.sampled_from(CHARSETS))}\nContent-Transfer-Encoding: {told}"
    )
    return before.rstrip(b"\r\n") + headers.encode() + b"\n\n" + encoded + around


@st.composite
def retouched(draw: st.DrawFn, body: bytes) -> bytes:
    """A text with lines of it taken out, put elsewhere, or put in."""
    lines = body.split(b"\n")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines)))
        if draw(st.booleans()):
            lines.insert(at, draw(st.sampled_from([*lines, *(line.encode() for line in LINES)])))
        else:
            del lines[at : at + 1]
    return b"\n".join(lines)


@st.composite
def heads(draw: st.DrawFn, stamp: int) -> bytes:
    """Heads that say who wrote which part, as anybody may make them up."""
    places = ["VEVENT\nu\n\n\n", "VEVENT\nu\n20260108\n\n", "VEVENT\n\n\n\n", ""]
    names = st.builds(
        str.__add__,
        st.sampled_from(places),
        st.sampled_from(["SUMMARY", "identity", "when", "revision", "within", "message", "subject", "TZID", "X-Z"]),
    )
    hidden = st.none() | st.sampled_from(["", "é", "x\0", "UID:u", *LINES, "RECURRENCE-ID:20260108", "RECURRENCE-ID:2"])
    said = st.tuples(st.integers(0, 2), st.just(0), st.integers(1, stamp), st.sampled_from(NODES), hidden)
    written_by = draw(st.dictionaries(names | st.just(SETTLED + "0" * 16), said, max_size=5))
    written_by[""] = draw(said)
    return pack_head({draw(st.sampled_from([EDITS, WRITTEN])): written_by})


@st.composite
def items(draw: st.DrawFn) -> list[Record]:
    """Four versions of one item as nodes write them, merge them and edit them, and as somebody makes them up."""
    made: list[Record] = []
    for at in range(4):
        stamp, origin = 10 * (at + 1), draw(st.sampled_from(NODES))
        seen = None
        for other in draw(st.lists(st.sampled_from(made), max_size=3)) if made else []:
            seen = other if seen is None else merge(seen, other).record
        body = draw(texts() if seen is None else retouched(seen.body) | texts())
        how = draw(st.sampled_from(["next", "next", "stale", "made up"]))
        if how == "made up":
            record = Record(COLLECTION, KEY, stamp, origin, 1, head=draw(heads(stamp)), body=body)
        elif how == "stale" and seen is not None:
            changed = draw(st.sets(st.sampled_from(sorted(read_parts(seen, seen.body).named))))
            draft = Draft(COLLECTION, KEY, base_of(draw(st.sampled_from(made))), body=body, changed=tuple(changed))
            record = written(seen, draft, stamp, origin).record
        else:
            record = successor(seen, Record(COLLECTION, KEY, 0, "", 0, body=body), stamp, origin)
        try:
            judge(record)
        except BadRecord:
            assume(how == "made up")
            record = msgspec.structs.replace(record, head=b"")
        made.append(record)
    return made


def check_joined(versions: list[Record], orders: int = 24) -> None:
    """Check that four versions become the same bytes in all orders and groupings, and such as every node takes."""
    made = set()
    for one, two, three, four in itertools.islice(itertools.permutations(versions), 0, None, 24 // orders):
        pair = merge(one, two).record
        made.add(record_bytes(merge(merge(pair, three).record, four).record))
        made.add(record_bytes(merge(pair, merge(three, four).record).record))
    assert len(made) == 1
    judge_inline(msgspec.msgpack.decode(made.pop(), type=Record))


def judge_inline(record: Record) -> None:
    """Judge a record whose body would be a content if it were in a store."""
    judge(msgspec.structs.replace(record, body=record.body[:INLINE_LIMIT]))


@settings(max_examples=100, deadline=None)
@given(items())
def test_versions_of_an_item_become_the_same_bytes_whatever_is_in_them(versions: list[Record]) -> None:
    for left, right in itertools.combinations(versions, 2):
        merged = merge(left, right).record
        judge(merged)
        if left.born == right.born:
            joined = join(read_parts(left, left.body), read_parts(right, right.body))
            assert read_parts(merged, merged.body) == joined
    check_joined(versions)


# -- what each mend is for ----------------------------------------------------------------------------


def event(*lines: str, identity: str = "UID:u", kind: str = "VCALENDAR", end: str = "\n", header: bytes = b"") -> bytes:
    inside = ["BEGIN:VEVENT", identity, *lines, "END:VEVENT"] if kind == "VCALENDAR" else lines
    return header + end.join([f"BEGIN:{kind}", *inside, f"END:{kind}"]).encode()


def put(seen: Record | None, body: bytes, stamp: int, origin: str) -> Record:
    return successor(seen, Record(COLLECTION, KEY, 0, "", 0, body=body), stamp, origin)


def edits(first: bytes, *bodies: bytes) -> list[Record]:
    """Return versions of three nodes, each made from the same first one."""
    seen = put(None, first, 1, "o")
    return [put(seen, body, 10 * (at + 1), NODES[at]) for at, body in enumerate(bodies)]


def made_up(head: dict[str, list[object]]) -> Record:
    return Record(COLLECTION, KEY, 50, "e", 1, head=pack_head({WRITTEN: head}), body=event("X-A:1"))


FIELD = b"\xffA\x04I1\0U%s\0M"
NO_FIELD = b"\xffA\x04I1\0M"
INSTANCE = "UID:u\nRECURRENCE-ID:8"
AWKWARD = {
    "a subject where the later message has none": edits(
        event(), event(header=FIELD % b"Lunch"), event("X-A:1", header=NO_FIELD), event("X-B:1", header=FIELD % b"")
    ),
    "a subject that is not UTF-8, and a text that is no message": edits(
        event(), event(header=FIELD % b"\xe9"), event("X-A:1"), event("X-B:1", header=NO_FIELD)
    ),
    "line ends of two kinds": edits(
        event(), event("X-A:a\r", "X-B:" + "b\r" * 60, end="\r\n"), event("X-C:1"), event("X-D:1", end="\r\n")
    ),
    "properties that together look like another item": edits(
        event(kind="VCARD"),
        event("X-A:BEGIN:VCALENDAR", kind="VCARD"),
        event("X-B:END:VCALENDAR", kind="VCARD"),
        event("X-C:1", kind="VCARD"),
    ),
    "an instance of a series that is taken out while somebody else changes who it is": edits(
        event(identity=INSTANCE),
        event("X-B:1", identity="UID:v"),
        event("X-A:1", identity="UID;X=1:u\nRECURRENCE-ID:8"),
        event("X-C:1", identity=INSTANCE),
    ),
}


@pytest.mark.parametrize("what", AWKWARD)
def test_awkward_texts(what: str) -> None:
    versions = AWKWARD[what]
    check_joined([*versions, merge(versions[0], versions[1]).record])


def test_a_subject_that_is_merged_into_a_message_without_one_is_shown() -> None:
    one, two = edits(event(), event(header=FIELD % b"Lunch"), event("X-A:1", header=NO_FIELD))
    assert merge(one, two).record.body.startswith(FIELD % b"Lunch")


@pytest.mark.parametrize(
    "head",
    [
        {"X": [0, 0, 9, "e"]},
        {"": [0, 0, 9, "e"], "X": [0, 0, 8, "e"]},
        {"": [0, 1, 9, "e"], "X": [0, 0, 9, "e"]},
        {"": [0, 0, 1, "e"], "VEVENT\nu\n\n\nX-A": [0, 0, 9, "e", "X-B:1"]},
        {"": [0, 0, 1, "e"], "VEVENT\nu\n\n\nX-A": [0, 0, 9, "e", "X-A:1\nEND:VEVENT"]},
        {"": [0, 0, 1, "e"], "VEVENT\nu\n\n\nX-A": [0, 0, 9, "e", "X-A:1\r"]},
        {"": [0, 0, 1, "e"], "VEVENT\nu\n\n\nidentity": [0, 0, 9, "e", "UID:v"]},
        {"": [0, 0, 1, "e"], "VEVENT\nu\n8\n\nwhen": [0, 0, 9, "e", "DTSTART:1"]},
        {"": [0, 0, 1, "e"], "VEVENT\nu\n\nwithin": [0, 0, 9, "e", "BEGIN:VALARM\nEND:VALARM"]},
        {"": [0, 0, 1, "e"], "VEVENT\nu\n\n\nwithin": [0, 0, 9, "e", "BEGIN:VALARM"]},
        {"": [0, 0, 1, "e"], "subject": [0, 0, 9, "e", "a\0Mtext"]},
        {"": [0, 0, 1, "e"], "subject": [0, 0, 9, "e", "漢"]},
    ],
)
def test_heads_that_no_node_makes_are_refused(head: dict[str, list[object]]) -> None:
    with pytest.raises(BadRecord):
        judge(made_up(head))


def test_names_that_are_made_up_never_drive_the_message_out() -> None:
    said: list[object] = [0, 0, 49, "e"]
    head = {"": [0, 0, 5, "e"], **{f"{name}\nmessage": said for name in "abc"}}
    check_joined([*edits(event(), event("X-B:1"), event("X-C:1"), event("X-D:1")), made_up(head)])


# -- at the limits ------------------------------------------------------------------------------------

INLINE = "ATTACH;ENCODING=BASE64;VALUE=BINARY"
CROWDS: dict[Class, Callable[[int, str], str]] = {
    EVENTS: lambda at, text: f"BEGIN:VEVENT\nUID:{at}\nDTSTART:{text}\nBEGIN:VALARM\nX:{text}\nEND:VALARM\nEND:VEVENT",
    ZONES: lambda at, text: f"BEGIN:VTIMEZONE\nTZID:{at}\nX:{text}\nEND:VTIMEZONE",
    PICTURES: lambda at, text: f"BEGIN:VEVENT\nUID:p{at}\n{INLINE}:{text}\nEND:VEVENT",
    TEXTS: lambda at, text: f"BEGIN:VEVENT\nUID:t{at}\nDESCRIPTION:{text}\nEND:VEVENT",
    PROPERTIES: lambda at, text: f"X-{at}:{text}",
}
"""By class, what makes one element more of it."""


def crowded(chance: random.Random, class_: Class, room: int, size: int, seen: Record, at: int) -> Record:
    """Return a version with that many elements of a class; ``size`` is theirs, about."""
    lines = [CROWDS[class_](name, chance.choice("ab") * size) for name in chance.sample(range(2 * room), room)]
    body = "\n".join(["BEGIN:VCALENDAR", *lines, "END:VCALENDAR"]).encode()
    return put(seen, body, 10 * (at + 1) + chance.randrange(10), NODES[at])


@pytest.mark.parametrize(
    ("class_", "size", "seeds", "orders"),
    [
        (EVENTS, 9, 1, 12),
        (ZONES, 9, 4, 24),
        (PICTURES, 9, 4, 24),
        (TEXTS, 9, 2, 24),
        (PROPERTIES, 9, 1, 4),
        (PICTURES, PICTURES.size - len(INLINE) - 1, 1, 2),
    ],
    ids=lambda value: getattr(value, "holds", str(value)),
)
def test_four_items_with_a_class_of_parts_that_is_full(class_: Class, size: int, seeds: int, orders: int) -> None:
    for seed in range(seeds):
        chance = random.Random(seed)
        first = put(None, b"BEGIN:VCALENDAR\nEND:VCALENDAR", 1, "o")
        versions: list[Record] = []
        for at in range(4):
            seen = merge(first, versions[-1]).record if seed % 4 > 1 and versions else first
            versions.append(crowded(chance, class_, class_.count - 1 + seed % 2, size, seen, at))
        assert all(read_parts(one, one.body).kind for one in versions)  # none is merged as a whole
        check_joined(versions, orders)


@st.composite
def full_fields(draw: st.DrawFn) -> list[Record]:
    """Four versions whose fields and marks are as many as they may be, or nearly; many at one stamp."""
    chance = random.Random(draw(st.integers(0, 1 << 32)))
    pool = draw(st.sampled_from([FIELDS.count, FIELDS.count + 5, 3 * FIELDS.count]))
    values = draw(st.lists(st.text(max_size=3) | st.integers(-3, 3) | st.booleans(), min_size=1, max_size=9))
    versions = []
    for at in range(4):
        names = [f"f{name}" for name in chance.sample(range(pool), FIELDS.count - draw(st.integers(0, 1)))]
        names += [f"{MARK}{chance.randrange(40):016x}" for _ in range(MARKS.count)]
        stamp = 10 + draw(st.integers(0, 3))
        fields = {name: Field(chance.choice(values), chance.randint(1, stamp), chance.choice(NODES)) for name in names}
        versions.append(Record("rooms", "r", stamp, NODES[at], 1, head=pack_fields(fields)))
    return versions


@settings(max_examples=8, deadline=None)
@given(full_fields())
def test_four_records_full_of_fields(versions: list[Record]) -> None:
    assume(all("\0" not in str(field.value) for version in versions for field in unpack_fields(version).values()))
    check_joined(versions)


@settings(max_examples=2, deadline=None)
@given(
    st.integers(0, 1 << 32), st.sampled_from([MAX_PAST + 3, 2 * MAX_PAST, 9 * MAX_PAST]), st.sampled_from([3, 1 << 40])
)
def test_four_records_with_full_pasts(seed: int, pool: int, stamps: int) -> None:
    chance = random.Random(seed)
    versions = []
    for at in range(4):
        names = chance.sample(range(pool), MAX_PAST - chance.randrange(2))
        vector = {f"n{name}": chance.randint(2, stamps) for name in names}
        version = Version(stamps + at, NODES[at])
        past = past_of(vector, version, chance.randint(1, 2))
        versions.append(Record("rooms", "r", *version, 1, past=past))
    check_joined(versions)
