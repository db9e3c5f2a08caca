"""What every store promises, whatever keeps it: durability, one transaction a call, digests that fit, drafts.

One suite for all backends: ``BACKENDS`` has their URLs.  What only one of them has is tested beside it.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.beside import NoCopy
from mirror.model.applied import Applied
from mirror.model.draft import NOTHING, Base, Changed, Draft, base_of
from mirror.model.errors import BadContent, BadRecord, StampAhead
from mirror.model.fields import values_of
from mirror.model.judge import Unfit, sort_out
from mirror.model.nodes import Horizon
from mirror.model.record import Record, pack_head, record_bytes, record_crc
from mirror.model.stamp import make_stamp
from mirror.model.status import Status
from mirror.store.base import Backend, Writer
from mirror.store.check import check_store
from mirror.store.errors import MissingContent, NoConflict
from mirror.store.open import open_store
from mirror.store.values import DraftResult, Source, StoredCursor

BACKENDS = ["sqlite:"]
Make = Callable[[str], Backend]


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_store(tmp_path: Path, url: str) -> Iterator[Make]:
    """Makes stores of the backend under test in directories of their own, and closes them."""
    stores: list[Backend] = []

    def make(node: str) -> Backend:
        directory = tmp_path / f"{node}-{len(stores)}"
        directory.mkdir()
        stores.append(open_store(directory, node, url))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def record(key: str, stamp: int = 10, origin: str = "a", body: bytes = b"x", collection: str = "pictures") -> Record:
    return Record(collection, key, stamp, origin, stamp, body=body)


def test_entries_are_found_by_their_keys(make_store: Make) -> None:
    store = make_store("a")
    keys = ["u:1", "u:2", "u:2 id:a", "u:2 id:b", "u:2!", "u:20", "u:3"]
    store.write(lambda writer: writer.apply([record(key, 10 + at) for at, key in enumerate(keys)]))

    def between(lower: str, upper: str, collection: str = "pictures") -> list[tuple[int, str, int]]:
        return [tuple(one) for one in store.read(lambda reader: reader.entries_by_key(collection, lower, upper))]  # type: ignore[misc]

    def listed(*names: str) -> list[tuple[int, str, int]]:
        found = [store.read(lambda reader: reader.get("pictures", name)) for name in names]  # noqa: B023
        return [(one.stamp, one.key, record_crc(one)) for one in found if one is not None]

    assert between("u:2", "u:2\0") == listed("u:2")
    assert between("u:2 ", "u:2!") == listed("u:2 id:a", "u:2 id:b")
    assert between("u:2", "u:3") == listed(*keys[1:6])
    assert between("u:2", "u:3", "bios") == []


def test_records_and_cursor_survive_a_restart(tmp_path: Path, url: str) -> None:
    store = open_store(tmp_path, "a", url)

    def job(writer) -> None:
        writer.apply([record("k")])
        writer.set_cursor("b", "pull", StoredCursor("e", 7, True))

    store.write(job)
    epoch, root = store.epoch, store.read(lambda reader: reader.root())
    store.close()
    again = open_store(tmp_path, None, url)
    assert again.read(lambda reader: (reader.get("pictures", "k"), reader.cursor("b", "pull"), reader.root())) == (
        record("k"),
        StoredCursor("e", 7, True),
        root,
    )
    assert again.epoch == epoch
    again.close()


def test_a_generation_lasts_until_something_is_written(make_store: Make) -> None:
    store = make_store("a")
    first = store.generation
    store.read(lambda reader: reader.root())
    assert first is not None and store.generation == first
    seen = store.write(lambda writer: (writer.put(record("k")), store.generation)[1])
    assert seen is None  # what a read finds may change at any moment
    assert store.generation not in (first, None)


def test_a_job_that_fails_ends_the_generation_as_well(make_store: Make) -> None:
    store = make_store("a")
    first = store.generation

    def fails(_writer: Writer) -> None:
        raise KeyError("odd")

    with pytest.raises(KeyError):
        store.write(fails)
    assert store.generation not in (first, None)


def test_a_pinned_state_is_of_one_generation(make_store: Make) -> None:
    store = make_store("a")
    pinned = store.pin()
    first = pinned.generation
    store.write(lambda writer: writer.put(record("k")))
    assert first is not None and pinned.generation == first
    pinned.close()


def test_a_failing_job_leaves_nothing(make_store: Make) -> None:
    store = make_store("a")

    def job(writer) -> None:
        writer.apply([record("k")])
        raise BadRecord("no")

    with pytest.raises(BadRecord):
        store.write(job)
    assert store.read(lambda reader: reader.root()).digest.count == 0
    assert store.write(lambda writer: writer.apply([record("k")])).written == 1


def test_a_group_undoes_only_what_failed(make_store: Make) -> None:
    store = make_store("a")
    far = Record("pictures", "far", make_stamp(1 << 46), "a", 1)
    results = store.write_group(
        [lambda w: w.apply([record("one")]), lambda w: w.apply([far]), lambda w: w.apply([record("two")])]
    )
    assert isinstance(results[1], StampAhead)
    assert store.read(lambda reader: sorted(r.key for r in reader.scan_all("pictures"))) == ["one", "two"]


def test_a_record_waits_for_its_content(make_store: Make) -> None:
    store = make_store("a")
    body = b"large" * 10_000
    content = hashlib.sha256(body).digest()
    large = Record("pictures", "k", 10, "a", 10, content=content, size=len(body))
    with pytest.raises(MissingContent):
        store.write(lambda writer: writer.apply([large]))
    store.write(lambda writer: writer.add_content(content, len(body), 0, body[:20_000]))
    assert store.read(lambda reader: reader.content_have(content)) == 20_000
    assert store.write(lambda writer: writer.add_content(content, len(body), 20_000, body[20_000:]))
    store.write(lambda writer: writer.apply([large]))
    assert store.read(lambda reader: reader.body(large)) == body


def test_content_with_another_hash_is_forgotten(make_store: Make) -> None:
    store = make_store("a")
    content = hashlib.sha256(b"right").digest()
    with pytest.raises(BadRecord, match="another SHA-256"):
        store.write(lambda writer: writer.add_content(content, 20_000, 0, b"wrong" * 4000))
    assert store.read(lambda reader: reader.content_have(content)) == 0


def test_what_a_party_sends_is_kept_apart_until_it_is_proved(make_store: Make) -> None:
    store, body = make_store("a"), b"right" * 10_000
    content = hashlib.sha256(body).digest()

    def add(offset: int, data: bytes, party: str = "", size: int = len(body)) -> bool:
        return store.write(lambda writer: writer.add_content(content, size, offset, data, party))

    def have() -> int:
        return store.read(lambda reader: reader.content_have(content))

    add(0, b"garbage" * 1000, "user")
    add(0, b"garbage", "other", size=20_000)
    assert have() == 0
    add(0, body[:20_000])
    add(0, body[:30_000], "user")  # begins anew
    assert have() == 20_000
    assert add(30_000, body[30_000:], "user")
    assert have() == len(body)
    assert add(20_000, body[20_000:])  # what was under way meanwhile is complete
    assert add(0, b"whatever" * 100, "other")
    assert store.read(lambda reader: reader.content_parts(content, 0, len(body))) == body
    under_way = store.write(lambda writer: writer.sweep_contents({}))
    assert len(under_way.keys() - {content}) == 1  # the other one's, until it is swept
    assert store.write(lambda writer: writer.sweep_contents(under_way)) == {}


def test_of_another_size_a_content_that_is_under_way_begins_anew(make_store: Make) -> None:
    store, body = make_store("a"), b"right" * 10_000
    content = hashlib.sha256(body).digest()
    store.write(lambda writer: writer.add_content(content, 20_000, 0, b"short"))
    with pytest.raises(BadContent, match="does not fit"):
        store.write(lambda writer: writer.add_content(content, len(body), 5, body[5:]))
    assert store.write(lambda writer: writer.add_content(content, len(body), 0, body))
    with pytest.raises(BadContent, match="does not fit"):
        store.write(lambda writer: writer.add_content(content, 20_000, 0, b"short"))
    store.write(lambda writer: writer.drop_content(content))  # what is complete stays
    assert store.read(lambda reader: reader.content_have(content)) == len(body)


def test_a_record_that_lies_about_the_size_of_its_content_is_refused(make_store: Make) -> None:
    store, body = make_store("a"), b"right" * 10_000
    content = hashlib.sha256(body).digest()
    store.write(lambda writer: writer.add_content(content, len(body), 0, body))
    lying = Record("pictures", "k", 10, "a", 10, content=content, size=len(body) + 1)
    with pytest.raises(BadRecord, match="has 50000 bytes, not 50001"):
        store.write(lambda writer: writer.apply([lying]))


def test_a_tombstone_stays_when_the_old_version_returns(make_store: Make) -> None:
    store = make_store("a")
    first = store.write(lambda writer: writer.put(record("k")))
    store.write(lambda writer: writer.delete("pictures", "k"))
    store.write(lambda writer: writer.apply([first]))
    assert store.read(lambda reader: reader.get("pictures", "k")).dead


def test_the_newest_stamp_falls_when_its_record_gives_way(make_store: Make) -> None:
    """A late edit of an old incarnation loses to a new one; nodes that saw both must agree with those that saw one."""
    winner = Record("files/r", "k", 10, "a", 9, body=b"born after the deletion")
    loser = Record("files/r", "k", 20, "b", 1, body=b"edited late")
    one, two = make_store("a"), make_store("b")
    one.write(lambda writer: writer.apply([winner]))
    for version in (loser, winner):
        two.write(lambda writer, version=version: writer.apply([version]))
    assert one.read(lambda reader: reader.root()).digest == two.read(lambda reader: reader.root()).digest
    assert check_store(two).problems == []


def test_a_lost_version_can_be_restored(make_store: Make) -> None:
    store = make_store("a")
    store.write(lambda writer: writer.apply([record("k", 10, "a", b"mine")]))
    store.write(lambda writer: writer.apply([record("k", 20, "b", b"theirs")]))
    (conflict,) = store.read(lambda reader: reader.conflicts())
    assert conflict.loser.body == b"mine"
    store.write(lambda writer: writer.restore(conflict.number))
    assert store.read(lambda reader: reader.get("pictures", "k")).body == b"mine"
    assert store.read(lambda reader: reader.conflict_count()) == 0
    with pytest.raises(NoConflict, match="no conflict 99"):
        store.write(lambda writer: writer.restore(99))


def test_setting_a_field_leaves_the_others(make_store: Make) -> None:
    store = make_store("a")
    store.write(lambda writer: writer.set_fields("users", "k", {"name": "Ann", "mail": "m"}))
    store.write(lambda writer: writer.set_fields("users", "k", {"name": "Anna"}))
    assert values_of(store.read(lambda reader: reader.get("users", "k"))) == {"name": "Anna", "mail": "m"}


def test_a_pinned_state_does_not_change(make_store: Make) -> None:
    store = make_store("a")
    store.write(lambda writer: writer.put(record("before")))
    pinned = store.pin()
    store.write(lambda writer: writer.put(record("after")))
    assert pinned.read(lambda reader: reader.root()).digest.count == 1
    assert store.read(lambda reader: reader.root()).digest.count == 2
    pinned.close()


@given(
    st.lists(
        st.tuples(st.sampled_from("kl"), st.integers(1, 5), st.sampled_from("abc"), st.sampled_from((b"1", b"2"))),
        min_size=1,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_any_order_gives_equal_digests(tmp_path_factory, url, versions, chance) -> None:
    records = [record(key, stamp, origin, body) for key, stamp, origin, body in versions]
    roots = []
    for node in ("x", "y"):
        store = open_store(tmp_path_factory.mktemp(node), node, url)
        for one in records:
            store.write(lambda writer, one=one: writer.apply([one]))
        roots.append(store.read(lambda reader: reader.root()).digest)
        assert check_store(store).problems == []
        store.close()
        chance.shuffle(records)
    assert roots[0] == roots[1]


# -- drafts and conflicts -----------------------------------------------------------------------------


def put_name(store: Backend, name: str) -> Record:
    return store.write(lambda writer: writer.set_fields("rooms", "r", {"name": name}))


def name_draft(base: Record, name: str) -> Draft:
    return Draft("rooms", "r", base_of(base), head=pack_head({"name": name}))


def test_what_a_stale_draft_overwrites_is_in_the_conflict_log(make_store: Make) -> None:
    store = make_store("a")
    first = put_name(store, "one")
    put_name(store, "two")
    outcome = store.write(lambda writer: writer.write(name_draft(first, "three")))
    assert outcome.applied == (1, 0, 1)
    assert outcome.record == store.read(lambda reader: reader.get("rooms", "r"))
    assert values_of(outcome.record) == {"name": "three"}
    (conflict,) = store.read(lambda reader: reader.conflicts())
    assert values_of(conflict.loser) == {"name": "two"}


def test_a_draft_for_one_version_only_is_refused_when_another_is_there(make_store: Make) -> None:
    store = make_store("a")
    first = put_name(store, "one")
    second = put_name(store, "two")
    draft = name_draft(first, "three")
    draft.only_if = record_crc(first)
    with pytest.raises(Changed, match=f"{second.stamp}.a.{record_crc(second):016x} is there") as refused:
        store.write(lambda writer: writer.write(draft))
    assert refused.value.held == second
    assert values_of(store.read(lambda reader: reader.get("rooms", "r"))) == {"name": "two"}
    draft.only_if = record_crc(second)
    assert store.write(lambda writer: writer.write(draft)).applied.written == 1


def test_a_draft_for_nothing_is_refused_where_something_is(make_store: Make) -> None:
    store = make_store("a")
    draft = Draft("rooms", "r", head=pack_head({"name": "one"}), only_if=NOTHING)
    assert store.write(lambda writer: writer.write(draft)).applied.written == 1
    with pytest.raises(Changed):
        store.write(lambda writer: writer.write(draft))


def test_what_a_draft_without_a_base_overwrote_stays_unresolved_until_somebody_looks(make_store: Make) -> None:
    one, other = make_store("a"), make_store("b")
    first = other.write(lambda writer: writer.put(Record("files/r", "plan", 1, "x", 1, body=b"theirs")))
    one.write(lambda writer: writer.apply([first]))
    made = one.write(lambda writer: writer.overwrite(Record("files/r", "plan", 1, "x", 1, body=b"ours"))).record
    assert made is not None
    other.write(lambda writer: writer.apply([made]))
    after = one.write(lambda writer: writer.put(Record("files/r", "plan", 1, "x", 1, body=b"later")))
    other.write(lambda writer: writer.apply([after]))
    assert [store.read(lambda reader: reader.conflict_count()) for store in (one, other)] == [1, 1]
    assert one.read(lambda reader: reader.digest("")) == other.read(lambda reader: reader.digest(""))


def test_a_base_from_the_future_is_refused(make_store: Make) -> None:
    store = make_store("a")
    far = Record("rooms", "r", (1 << 62), "b", 1)
    with pytest.raises(StampAhead):
        store.write(lambda writer: writer.write(name_draft(far, "x")))


def test_a_draft_that_no_node_takes_is_refused_where_it_would_lose_at_once_as_well(make_store: Make) -> None:
    store = make_store("a")
    first = put_name(store, "one")
    store.write(lambda writer: writer.delete("rooms", "r"))
    garbage = Draft("rooms", "r", base_of(first), head=pack_head({"name": ["a list"]}))
    with pytest.raises(BadRecord):
        store.write(lambda writer: writer.write(garbage))
    assert store.read(lambda reader: reader.conflict_count()) == 0


@pytest.mark.parametrize("place", [("a\0b", "b"), ("k", "b\0"), ("\0", "b")])
def test_a_nul_in_a_key_or_origin_is_set_aside_and_stops_nothing(make_store: Make, place: tuple[str, str]) -> None:
    """SQLite's JSON ends a text there, so such a key was not found again and its next version stopped the page."""
    store = make_store("a")
    key, origin = place
    for stamp in (10, 20):
        garbage = Record("files/r", key, stamp, origin, 5, body=b"x")
        unfit = sort_out(record_bytes(garbage))
        assert isinstance(unfit, Unfit)
        good = record(f"good {stamp}", collection="files/r")
        store.write(
            lambda writer, one=unfit, other=good: writer.admit(Source("b"), [other], [record_crc(other)], [one])
        )
    assert [one.key for one in store.read(lambda reader: reader.scan("files/r"))] == ["good 10", "good 20"]


def test_deleting_what_is_gone_changes_nothing(make_store: Make) -> None:
    store = make_store("a")
    first = put_name(store, "one")
    gone = Draft("rooms", "r", base_of(first), dead=True)
    assert store.write(lambda writer: writer.write(gone)).applied.written == 1
    assert store.write(lambda writer: writer.write(gone)).applied == (0, 1, 0)


def test_a_draft_that_loses_at_once_needs_its_content_as_any_other(make_store: Make) -> None:
    """Else it would be in the conflict log, and could not be brought back."""
    store = make_store("a")
    first = store.write(lambda writer: writer.put(record("k", collection="files/r")))
    store.write(lambda writer: writer.delete("files/r", "k"))
    large = Draft("files/r", "k", base_of(first), content=b"c" * 32, size=20_000)
    with pytest.raises(MissingContent):
        store.write(lambda writer: writer.write(large))
    assert store.read(lambda reader: reader.conflict_count()) == 0


def test_what_has_not_come_here_yet_is_deleted_for_when_it_does(make_store: Make) -> None:
    here, there = make_store("a"), make_store("b")
    first = put_name(there, "one")
    gone = Draft("rooms", "r", base_of(first), dead=True)
    assert here.write(lambda writer: writer.write(gone)).applied.written == 1
    here.write(lambda writer: writer.apply([first]))
    assert here.read(lambda reader: reader.get("rooms", "r")).dead


def test_what_is_deleted_was_made_anew_elsewhere_and_is_deleted_again(make_store: Make) -> None:
    here, there = make_store("a"), make_store("b")
    first = put_name(there, "one")
    dead = there.write(lambda writer: writer.delete("rooms", "r"))
    here.write(lambda writer: writer.apply([first, dead]))
    anew = put_name(there, "two")
    gone = Draft("rooms", "r", base_of(anew), dead=True)
    assert here.write(lambda writer: writer.write(gone)).applied.written == 1
    here.write(lambda writer: writer.apply([anew]))
    assert here.read(lambda reader: reader.get("rooms", "r")).dead


def delete_and_forget(store: Backend, first: Record) -> None:
    """Have a version come from another node, be deleted, and that be forgotten."""

    def job(writer: Writer) -> None:
        writer.apply([first])
        dead = writer.delete(first.collection, first.key)
        assert dead is not None
        writer.advance_horizon(Horizon(dead.stamp + 1, ("a", "b")))

    store.write(job)
    assert store.read(lambda reader: reader.get(first.collection, first.key)) is None


def test_what_was_here_and_is_forgotten_need_not_be_deleted_again(make_store: Make) -> None:
    store = make_store("a")
    first = put_name(make_store("b"), "one")
    delete_and_forget(store, first)
    gone = Draft("rooms", "r", base_of(first), dead=True)
    assert store.write(lambda writer: writer.write(gone)).applied == (0, 1, 0)


def test_an_edit_of_what_was_deleted_so_long_ago_that_it_is_forgotten_brings_nothing_back(make_store: Make) -> None:
    store = make_store("a")
    first = put_name(make_store("b"), "one")
    delete_and_forget(store, first)
    outcome = store.write(lambda writer: writer.write(name_draft(first, "late")))
    assert outcome.record is not None and outcome.record.dead
    (conflict,) = store.read(lambda reader: reader.conflicts())
    assert values_of(conflict.loser) == {"name": "late"}


def test_a_draft_without_a_base_keeps_what_it_overwrote_of_another_origin(make_store: Make) -> None:
    store = make_store("a")
    now = store.clock.tick()
    held = [
        Record("rooms", origin, now, origin, now, head=pack_head({"name": ("old", now, origin)})) for origin in "ba"
    ]
    store.write(lambda writer: writer.apply(held))
    drafts = [Record("rooms", key, 1, "x", 1, head=pack_head({"name": "new"})) for key in "ba"]
    outcomes = store.write(lambda writer: [writer.overwrite(draft) for draft in drafts])
    assert [outcome.applied.conflicts for outcome in outcomes] == [1, 0]
    (conflict,) = store.read(lambda reader: reader.conflicts())
    assert (conflict.loser.key, values_of(conflict.loser)) == ("b", {"name": "old"})


def conflicting(make_store: Make, collection: str, key: str, bodies: tuple[bytes, bytes, bytes]) -> list[Backend]:
    """Return two nodes that wrote one thing at the same time, and exchanged it: both have the conflict."""
    one, other = make_store("a"), make_store("b")
    first = one.write(lambda writer: writer.put(Record(collection, key, 1, "x", 1, body=bodies[0])))
    other.write(lambda writer: writer.apply([first]))
    here = one.write(lambda writer: writer.put(Record(collection, key, 1, "x", 1, body=bodies[1])))
    there = other.write(lambda writer: writer.put(Record(collection, key, 1, "x", 1, body=bodies[2])))
    one.write(lambda writer: writer.apply([there]))
    other.write(lambda writer: writer.apply([here]))
    return [one, other]


FILES = ("files/r", "plan", (b"zero", b"one", b"two"))


def event(summary: str, location: str) -> bytes:
    lines = ("BEGIN:VEVENT", "UID:e", f"SUMMARY:{summary}", f"LOCATION:{location}", "END:VEVENT")
    return "".join(f"{line}\n" for line in ("BEGIN:VCALENDAR", *lines, "END:VCALENDAR")).encode()


EVENTS = ("messages/r", "euid:e", (event("old", "here"), event("one", "here"), event("two", "here")))


@pytest.mark.parametrize("thing", [FILES, EVENTS])
def test_restoring_resolves_a_conflict_on_every_node_that_has_it(
    make_store: Make, thing: tuple[str, str, tuple[bytes, bytes, bytes]]
) -> None:
    one, other = conflicting(make_store, *thing)
    assert [store.read(lambda reader: reader.conflict_count()) for store in (one, other)] == [1, 1]
    (conflict,) = one.read(lambda reader: reader.conflicts())
    restored = one.write(lambda writer: writer.restore(conflict.number))
    assert sorted(restored.body.splitlines()) == sorted(thing[2][1].splitlines())
    other.write(lambda writer: writer.apply([restored]))
    assert [store.read(lambda reader: reader.conflict_count()) for store in (one, other)] == [0, 0]
    assert one.read(lambda reader: reader.digest("")) == other.read(lambda reader: reader.digest(""))


@pytest.mark.parametrize("thing", [FILES, EVENTS])
def test_dismissing_resolves_a_conflict_everywhere_and_changes_nothing_else(
    make_store: Make, thing: tuple[str, str, tuple[bytes, bytes, bytes]]
) -> None:
    one, other = conflicting(make_store, *thing)
    (conflict,) = one.read(lambda reader: reader.conflicts())
    dismissed = one.write(lambda writer: writer.dismiss(conflict.number))
    assert dismissed is not None
    assert dismissed.body == thing[2][2]
    other.write(lambda writer: writer.apply([dismissed]))
    assert [store.read(lambda reader: reader.conflict_count()) for store in (one, other)] == [0, 0]


def test_what_changed_since_the_winner_makes_a_restore_a_concurrent_edit(make_store: Make) -> None:
    one, _ = conflicting(make_store, *FILES)
    (conflict,) = one.read(lambda reader: reader.conflicts())
    one.write(lambda writer: writer.put(Record("files/r", "plan", 1, "x", 1, body=b"three")))
    restored = one.write(lambda writer: writer.restore(conflict.number))
    assert restored.body == b"one"
    (left,) = one.read(lambda reader: reader.conflicts())
    assert left.loser.body == b"three"


def test_restoring_a_part_brings_back_that_part_alone(make_store: Make) -> None:
    one, _ = conflicting(make_store, *EVENTS)
    (conflict,) = one.read(lambda reader: reader.conflicts())
    one.write(lambda writer: writer.put(Record("messages/r", "euid:e", 1, "x", 1, body=event("two", "there"))))
    restored = one.write(lambda writer: writer.restore(conflict.number))
    assert b"SUMMARY:one" in restored.body
    assert b"LOCATION:there" in restored.body
    assert one.read(lambda reader: reader.conflict_count()) == 0


def test_restoring_what_somebody_wrote_again_since_resolves_the_conflict_in_a_version_of_its_own(
    make_store: Make,
) -> None:
    one, other = conflicting(make_store, *EVENTS)
    (conflict,) = one.read(lambda reader: reader.conflicts())
    again = one.write(lambda writer: writer.put(Record("messages/r", "euid:e", 1, "x", 1, body=event("one", "here"))))
    restored = one.write(lambda writer: writer.restore(conflict.number))
    assert restored.version > again.version
    other.write(lambda writer: writer.apply([again, restored]))
    assert [store.read(lambda reader: reader.conflict_count()) for store in (one, other)] == [0, 0]
    assert one.read(lambda reader: reader.digest("")) == other.read(lambda reader: reader.digest(""))


def test_an_item_written_again_in_other_words_is_held_already(make_store: Make) -> None:
    store = make_store("a")
    held = store.write(lambda writer: writer.put(Record("messages/r", "euid:e", 1, "x", 1, body=event("one", "here"))))
    last = store.read(lambda reader: reader.last_sequence())
    text = event("one", "here").replace(b"SUMMARY:", b"Summary:")
    draft = Draft("messages/r", "euid:e", base_of(held), body=text)
    assert store.write(lambda writer: writer.write(draft)) == DraftResult(held, Applied(already_held=1))
    assert store.read(lambda reader: reader.last_sequence()) == last


def test_a_thing_deleted_since_comes_back_whole(make_store: Make) -> None:
    one, _ = conflicting(make_store, *EVENTS)
    (conflict,) = one.read(lambda reader: reader.conflicts())
    one.write(lambda writer: writer.delete("messages/r", "euid:e"))
    restored = one.write(lambda writer: writer.restore(conflict.number))
    assert not restored.dead
    assert b"SUMMARY:one" in restored.body
    assert one.read(lambda reader: reader.conflict_count()) == 0


def test_changed_collections_are_those_written_after_a_place(make_store: Make) -> None:
    store = make_store("a")
    store.write(lambda writer: writer.put(record("k")))
    place = store.read(lambda reader: reader.last_sequence())
    assert store.read(lambda reader: reader.changed_collections(place)) == (set(), place)
    put_name(store, "one")
    store.write(lambda writer: writer.delete("pictures", "k"))
    assert store.read(lambda reader: reader.changed_collections(place)) == ({"rooms", "pictures"}, place + 2)


def test_the_feed_of_one_collection_reaches_to_the_end_of_all(make_store: Make) -> None:
    store = make_store("a")
    store.write(lambda writer: [writer.put(record(f"k{number}", collection="files/r")) for number in range(5)])
    put_name(store, "one")
    page = store.read(lambda reader: reader.feed(2, collection="files/r", limit=2))
    assert ([record.key for record in page.records], page.more, page.sequence) == (["k2", "k3"], True, 4)
    page = store.read(lambda reader: reader.feed(4, collection="files/r", limit=2))
    assert ([record.key for record in page.records], page.more, page.sequence) == (["k4"], False, 6)
    assert store.read(lambda reader: reader.feed(0, collection="files/none")).records == []


def test_both_versions_can_be_kept_and_two_who_do_so_make_one_copy(make_store: Make) -> None:
    one, other = conflicting(make_store, *FILES)
    copies = [store.write(lambda writer: writer.keep_both(writer.conflicts()[0].number)) for store in (one, other)]
    assert [copy.body for copy in copies] == [b"one", b"one"]
    assert copies[0].key == copies[1].key != "plan"
    one.write(lambda writer: writer.apply([copies[1], other.read(lambda reader: reader.get("files/r", "plan"))]))
    other.write(lambda writer: writer.apply([one.read(lambda reader: reader.get("files/r", "plan"))]))
    for store in (one, other):
        assert store.read(lambda reader: sorted(record.body for record in reader.scan_all("files/r"))) == [
            b"one",
            b"two",
        ]
        assert store.read(lambda reader: reader.conflict_count()) == 0


def test_a_second_calendar_item_has_a_uid_of_its_own(make_store: Make) -> None:
    one, _ = conflicting(make_store, *EVENTS)
    copy = one.write(lambda writer: writer.keep_both(writer.conflicts()[0].number))
    uid = copy.key.removeprefix("euid:")
    assert uid != "e"
    assert f"UID:{uid}".encode() in copy.body.replace(b"\n ", b"")
    assert b"SUMMARY:one" in copy.body
    kept = one.read(lambda reader: reader.get("messages/r", "euid:e"))
    assert kept is not None and b"SUMMARY:two" in kept.body
    assert one.read(lambda reader: reader.conflict_count()) == 0


def test_of_a_room_there_are_no_two(make_store: Make) -> None:
    store = make_store("a")
    first = put_name(store, "one")
    put_name(store, "two")
    store.write(lambda writer: writer.write(name_draft(first, "three")))
    with pytest.raises(NoCopy, match="restore the version that lost, or dismiss"):
        store.write(lambda writer: writer.keep_both(writer.conflicts()[0].number))
    assert store.read(lambda reader: reader.conflict_count()) == 1


def told(foreign: str, key: str, collection: str = "rooms", tag: str = "") -> Status:
    return Status(
        collection, foreign, key, tag, Base(7, "citadel:x", (("m", 5),)), (1 << 64) - 1, {"name": b"12345678"}
    )


def test_what_a_place_said_is_kept_by_its_own_names_and_found_by_keys(make_store: Make) -> None:
    store = make_store("a")
    rows = [told("10", "k"), told("9", "k"), told("1", "other"), told("1", "k", "users")]
    store.write(lambda writer: writer.put_statuses("citadel:x", rows))

    def job(reader) -> None:
        assert reader.statuses("citadel:x", "rooms", ["9", "gone"]) == [rows[1]]
        assert reader.statuses_of("citadel:x", "rooms", ["k"]) == [rows[0], rows[1]]
        assert reader.statuses("citadel:other", "rooms", ["9"]) == []
        counts = [
            reader.status_count(*where) for where in (("citadel:x", "rooms"), ("citadel:x", "users"), ("o", "rooms"))
        ]
        assert counts == [3, 1, 0]
        assert sorted(reader.status_collections("citadel:x")) == ["rooms", "users"]
        assert reader.status_collections("citadel:other") == []
        pages = [reader.scan_statuses("citadel:x", "rooms", after, 2) for after in ("", "10", "9")]
        assert pages == [[rows[2], rows[0]], [rows[1]], []]
        ordered = [*rows[2:3], *rows[:2], rows[3]]
        assert reader.scan_place("citadel:x") == ordered
        assert reader.scan_place("citadel:x", limit=2) == ordered[:2]
        assert reader.scan_place("citadel:x", ("rooms", "10")) == ordered[2:]
        assert reader.scan_place("citadel:x", ("users", "1")) == reader.scan_place("citadel:other") == []

    store.read(job)
    store.write(lambda writer: writer.put_statuses("citadel:x", [told("9", "k", tag="new")]))
    store.write(lambda writer: writer.drop_statuses("citadel:x", "rooms", ["10", "gone"]))
    assert store.read(lambda reader: reader.scan_statuses("citadel:x", "rooms")) == [rows[2], told("9", "k", tag="new")]
    assert store.read(lambda reader: reader.root()).digest.count == 0


def test_what_a_place_said_of_the_highest_numbers_is_found(make_store: Make) -> None:
    store = make_store("a")
    rows = [
        told(number, f"k{number}", collection=f"messages/a:{int(number) % 2}") for number in ("9", "10", "101", "11")
    ]
    others = [told("500", "k"), told("999", "k", collection="messages/a:1")]
    store.write(lambda writer: writer.put_statuses("citadel:x", [*rows, others[0]]))
    store.write(lambda writer: writer.put_statuses("citadel:y", others[1:]))
    found = store.read(lambda reader: reader.newest_statuses("citadel:x", "messages", 3))
    assert [status.foreign for status in found] == ["101", "11", "10"] and found[0] == rows[2]


def test_what_a_place_said_is_kept_with_the_record_or_not_at_all(make_store: Make) -> None:
    store = make_store("a")

    def job(writer) -> None:
        writer.put_statuses("citadel:x", [told("1", "k")])
        writer.apply([record("k")])
        raise BadRecord("no")

    with pytest.raises(BadRecord):
        store.write(job)
    assert store.read(lambda reader: reader.status_count("citadel:x", "rooms")) == 0
    store.write(lambda writer: writer.put_statuses("citadel:x", [told("1", "k")]))
    assert store.read(lambda reader: reader.status_count("citadel:x", "rooms")) == 1


# -- rooms and users, and what belongs to them --------------------------------------------------------


def a_room(store: Backend) -> Record:
    """Fill the room a:1, and a:2 beside it; returns the room."""
    store.write(lambda writer: writer.set_fields("rooms", "a:2", {"QRname": "Other"}))
    for collection, key in (
        *(("messages/a:1", f"id:{number}") for number in range(5)),
        ("messages/a:2", "id:other"), ("files/a:1", "notes"), ("netconf/a:1", "lines"), ("room-info", "a:1"),
        ("room-info", "a:2"), ("pictures", "room a:1"), ("pictures", "user a:1"),
    ):  # fmt: skip
        store.write(lambda writer, c=collection, k=key: writer.put(Record(c, k, 1, "x", 1, body=b"text")))
    store.write(lambda writer: writer.set_fields("visits/a:1", "a:7", {"v_flags": "3"}))
    return store.write(lambda writer: writer.set_fields("rooms", "a:1", {"QRname": "Doomed", "QRfloor": "1"}))


@pytest.mark.parametrize("how", ["delete", "overwrite", "write"])
def test_a_room_goes_with_what_is_in_it(make_store: Make, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    store = make_store("a")
    monkeypatch.setattr("mirror.store.ledger.editing.PAGE_BURIED", 2)
    room = a_room(store)
    before = store.read(lambda reader: reader.last_sequence())
    if how == "delete":
        store.write(lambda writer: writer.delete("rooms", "a:1"))
    elif how == "overwrite":
        store.write(lambda writer: writer.overwrite(Record("rooms", "a:1", 1, "x", 1, dead=True)))
    else:
        store.write(lambda writer: writer.write(Draft("rooms", "a:1", base_of(room), dead=True)))
    page = store.read(lambda reader: reader.feed(before))
    assert page.records[0].collection == "netconf/a:1"  # whom it was shared with hears nothing of the rest
    dead = {(record.collection, record.key) for record in page.records if record.dead}
    assert dead == {
        *(("messages/a:1", f"id:{number}") for number in range(5)), ("files/a:1", "notes"), ("netconf/a:1", "lines"),
        ("room-info", "a:1"), ("pictures", "room a:1"), ("visits/a:1", "a:7"), ("rooms", "a:1"),
    }  # fmt: skip
    (was,) = [record for record in page.records if not record.dead]
    assert (was.collection, was.key) == ("killed-rooms", "a:1")
    assert values_of(was) == {"QRname": "Doomed", "QRfloor": "1"}
    assert check_store(store).problems == []


def test_deleting_a_room_that_is_gone_takes_nothing_with_it(make_store: Make) -> None:
    store = make_store("a")
    a_room(store)
    store.write(lambda writer: writer.delete("rooms", "a:1"))
    now = store.read(lambda reader: reader.digest("rooms").newest)
    late = Record("messages/a:1", "id:late", now + 1, "b", now + 1)
    store.write(lambda writer: writer.apply([late]))
    held = store.read(lambda reader: reader.get("rooms", "a:1"))
    assert held is not None
    store.write(lambda writer: writer.delete("rooms", "a:1"))
    store.write(lambda writer: writer.write(Draft("rooms", "a:1", base_of(held), dead=True)))
    assert store.read(lambda reader: reader.newest("messages/a:1", 9)) == [late]


def test_a_peers_deletion_of_a_room_takes_only_what_it_says(make_store: Make) -> None:
    """What came into the room meanwhile was not seen by who deleted it, and is alive wherever it is held."""
    store = make_store("a")
    room = a_room(store)
    dead = Record("rooms", "a:1", room.stamp + 1, "b", room.stamp, dead=True, past=((room.origin, room.stamp),))
    store.write(lambda writer: writer.apply([dead]))
    assert len(store.read(lambda reader: reader.newest("messages/a:1", 9))) == 5


def test_a_user_goes_with_bio_rules_and_picture(make_store: Make) -> None:
    store = make_store("a")
    store.write(lambda writer: writer.set_fields("users", "a:1", {"u_fullname": "Ann"}))
    for collection, key in (("bios", "a:1"), ("bios", "a:2"), ("inbox-rules", "a:1"), ("pictures", "user a:1")):
        store.write(lambda writer, c=collection, k=key: writer.put(Record(c, k, 1, "x", 1, body=b"text")))
    store.write(lambda writer: writer.delete("users", "a:1"))
    left = store.read(lambda reader: [name for name in reader.digests() if reader.newest(name, 1)])
    assert left == ["bios"]
    assert [record.key for record in store.read(lambda reader: reader.newest("bios", 9))] == ["a:2"]
