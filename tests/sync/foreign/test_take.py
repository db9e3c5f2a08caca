"""A store follows a place: what it holds after any course of events, what is kept of what lost, and that it rests."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.model.applied import Applied
from mirror.model.draft import base_of
from mirror.model.errors import StampAhead
from mirror.model.fields import fields_at, values_of
from mirror.model.record import Record
from mirror.model.stamp import make_stamp
from mirror.store.base import Store
from mirror.store.check import check_store
from mirror.store.errors import BoundReached
from mirror.store.sqlite.store import SqliteStore
from mirror.store.values import Acting
from mirror.sync.foreign.plan import There, gone
from mirror.sync.foreign.take import news, take, take_gone

ORIGIN = "citadel:alpha"
PLACE = "citadel:alpha"
Make = Callable[..., SqliteStore]
Values = dict[str, str]


def user(key: str, values: Values) -> There:
    return There(key, Record("users", key, 5, ORIGIN, 1, head=fields_at(values, 5, ORIGIN)))


def file(name: str, body: bytes, tag: str = "") -> There:
    return There.of(name, Record("files/r", name, 5, ORIGIN, 1), body, tag)


def look(store: Store, found: list[There], *collections: str, looked: bool = True) -> Applied:
    """Look at a place as a whole; nothing is written where nothing is new."""
    new = store.read(lambda reader: news(reader, PLACE, found))
    applied = store.write(lambda writer: take(writer, PLACE, new, looked=looked)) if new else Applied()
    for collection in collections or ("users", "files/r"):
        told = store.read(lambda reader, name=collection: reader.scan_statuses(PLACE, name))
        listed = sorted(one.foreign for one in found if one.record.collection == collection)
        missing = list(gone(told, listed))
        if missing:
            applied += store.write(lambda writer, rows=missing: take_gone(writer, PLACE, rows))
    return applied


def values(store: Store, key: str) -> Values | None:
    record = store.read(lambda reader: reader.get("users", key))
    return None if record is None or record.dead else {name: str(value) for name, value in values_of(record).items()}


def lost(store: Store) -> list[dict[str, object]]:
    return [dict(values_of(one.loser)) for one in store.read(lambda reader: reader.conflicts())]


def test_a_second_look_at_the_same_writes_nothing(make_store: Make) -> None:
    store = make_store("m")
    found = [user("1", {"name": "Ann"}), file("f", b"x" * 50_000), file("small", b"x")]
    assert look(store, found, looked=False) == Applied(3)
    root = store.read(lambda reader: reader.root())
    assert look(store, found) == Applied()
    assert store.read(lambda reader: reader.root()) == root
    assert store.read(lambda reader: reader.body(reader.get("files/r", "f"))) == b"x" * 50_000


def test_an_edit_made_here_stands_until_the_same_is_edited_there_and_then_it_is_kept(make_store: Make) -> None:
    store = make_store("m")
    look(store, [user("1", {"name": "Ann", "phone": "1"})], looked=False)
    store.write(lambda writer: writer.set_fields("users", "1", {"name": "Anna"}))
    look(store, [user("1", {"name": "Ann", "phone": "2"})])
    look(store, [user("1", {"name": "Ann", "phone": "3"})])
    assert (values(store, "1"), lost(store)) == ({"name": "Anna", "phone": "3"}, [])
    look(store, [user("1", {"name": "Anne", "phone": "3"})])
    assert (values(store, "1"), lost(store)) == ({"name": "Anne", "phone": "3"}, [{"name": "Anna"}])


def test_edits_of_a_place_are_this_nodes_own_versions(make_store: Make) -> None:
    store = make_store("m")
    look(store, [user("1", {"name": "Ann"})], looked=False)
    look(store, [user("1", {"name": "Anna"})])
    record = store.read(lambda reader: reader.get("users", "1"))
    assert record is not None and (record.origin, record.past) == ("m", ((ORIGIN, 5),))


def test_what_a_place_says_of_a_thing_deleted_here_is_kept_and_the_deletion_stands(make_store: Make) -> None:
    store = make_store("m")
    look(store, [user("1", {"name": "Ann"})], looked=False)
    store.write(lambda writer: writer.delete("users", "1"))
    look(store, [user("1", {"name": "Anna"})])
    assert (values(store, "1"), lost(store)) == (None, [{"name": "Anna"}])


def test_what_left_a_place_and_came_back_lives_again(make_store: Make) -> None:
    store = make_store("m")
    look(store, [user("1", {"name": "Ann"})], looked=False)
    look(store, [])
    assert values(store, "1") is None
    look(store, [user("1", {"name": "Ann"})])
    assert (values(store, "1"), lost(store)) == ({"name": "Ann"}, [])


def test_what_a_place_has_under_two_names_goes_with_the_last(make_store: Make) -> None:
    store = make_store("m")
    one = file("f", b"x")
    two = one._replace(foreign="g")
    look(store, [one, two], looked=False)
    look(store, [two])
    assert not store.read(lambda reader: reader.get("files/r", "f")).dead
    look(store, [])
    assert store.read(lambda reader: reader.get("files/r", "f")).dead
    assert store.read(lambda reader: reader.scan_place(PLACE)) == []


def test_what_was_changed_here_and_is_gone_there_is_deleted_and_kept(make_store: Make) -> None:
    store = make_store("m")
    look(store, [user("1", {"name": "Ann"}), user("2", {"name": "Bob"})], looked=False)
    store.write(lambda writer: writer.set_fields("users", "1", {"name": "Anna"}))
    look(store, [])
    assert (values(store, "1"), values(store, "2"), lost(store)) == (None, None, [{"name": "Anna"}])


def test_after_the_clock_was_set_back_a_base_from_the_future_stops_nothing(make_store: Make) -> None:
    now = [2_000_000_000_000]
    store = make_store("m", now_ms=lambda: now[0])
    look(store, [user("1", {"name": "Ann"})], looked=False)
    look(store, [user("1", {"name": "Anna"})])
    now[0] -= 1_000_000_000
    store.clock.set_back(make_stamp(now[0]))
    store.renew_epoch(lambda writer: writer.write_anew(lambda _count: None))
    held = store.read(lambda reader: reader.get("users", "1"))
    with pytest.raises(StampAhead):
        store.write(lambda writer: writer.clock.observe(make_stamp(2_000_000_000_000)))
    store.write(lambda writer: writer.set_fields("users", "1", {"name": "Annie"}))
    look(store, [user("1", {"name": "Anne"})])
    assert (values(store, "1"), base_of(held).stamp <= store.clock.limit()) == ({"name": "Anne"}, True)


def test_a_place_makes_as_many_conflicts_as_a_party_may(make_store: Make) -> None:
    store = make_store("m")
    keys = [str(number) for number in range(4)]
    look(store, [user(key, {"name": "Ann"}) for key in keys], looked=False)
    store.write(lambda writer: [writer.set_fields("users", key, {"name": "Anna"}) for key in keys])

    def job(writer) -> None:
        writer.act_for(Acting("place", 3))
        take(writer, PLACE, [user(key, {"name": "Anne"}) for key in keys], looked=True)

    with pytest.raises(BoundReached, match="made by place"):
        store.write(job)
    assert values(store, "1") == {"name": "Anna"}


# -- any course of events -----------------------------------------------------------------------------

KEYS, NAMES = ("1", "2"), ("name", "phone")
Event = tuple[str, str, str, str]
events = st.lists(
    st.tuples(
        st.sampled_from(["there", "there", "here", "gone there", "gone here", "look"]),
        st.sampled_from(KEYS),
        st.sampled_from(NAMES),
        st.sampled_from("abc"),
    ),
    max_size=25,
)


class Model:
    """What is to be, and what was lost on the way: a place, what it said last, what the store should hold."""

    def __init__(self) -> None:
        self.there: dict[str, Values] = {}
        self.said: dict[str, Values] = {}
        self.here: dict[str, Values | None] = {}
        self.by_us: dict[tuple[str, str], str] = {}
        self.lost: set[str] = set()

    def look(self) -> None:
        for key, now in self.there.items():
            said, held = self.said.get(key), self.here.get(key)
            if said is None:
                self.here[key] = dict(now)
            elif held is not None:
                for name in NAMES:
                    if said[name] != now[name]:
                        self._lose(key, name, now[name])
                        held[name] = now[name]
        for key in self.said.keys() - self.there.keys():
            for name in NAMES:
                self._lose(key, name, None)
            self.here[key] = None
        self.said = copy.deepcopy(self.there)

    def _lose(self, key: str, name: str, new: str | None) -> None:
        mine = self.by_us.pop((key, name), None)
        if mine is not None and self.here.get(key) is not None and new != mine and self.said[key][name] != mine:
            self.lost.add(mine)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    count = iter(range(1_000_000))

    def make() -> Path:
        path = tmp_path / str(next(count))
        path.mkdir()
        return path

    return make


@settings(max_examples=60)
@given(events)
def test_any_course_of_events_ends_as_it_should_and_nothing_is_lost(directory, course: list[Event]) -> None:
    store, model = SqliteStore(directory(), "m", durable=False), Model()
    for count, (what, key, name, value) in enumerate([*course, ("look", "", "", "")]):
        if what == "there":
            model.there.setdefault(key, dict.fromkeys(NAMES, "-"))[name] = value
        elif what == "gone there":
            model.there.pop(key, None)
        elif what == "here" and model.here.get(key):
            written = f"{value}{count}"
            model.here[key][name] = model.by_us[key, name] = written
            store.write(lambda writer, k=key, v={name: written}: writer.set_fields("users", k, v))
        elif what == "gone here" and model.here.get(key):
            model.here[key] = None
            store.write(lambda writer, k=key: writer.delete("users", k))
        elif what == "look":
            model.look()
            found = [user(one, now) for one, now in model.there.items()]
            look(store, found, "users")
            sequence = store.read(lambda reader: reader.last_sequence())
            look(store, found, "users")
            assert store.read(lambda reader: reader.last_sequence()) == sequence, "a look at the same wrote something"
            assert {one: values(store, one) for one in KEYS} == {one: model.here.get(one) for one in KEYS}
    kept = {value for one in lost(store) for value in one.values()}
    assert model.lost <= kept
    assert check_store(store).problems == []
    store.close()
