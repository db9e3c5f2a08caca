"""A store whose clock was wrong: what lies ahead is written anew, says the same, and every other node takes it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model.draft import Draft
from mirror.model.edit import Loser
from mirror.model.errors import StampAhead
from mirror.model.fields import values_of
from mirror.model.nodes import Horizon
from mirror.model.record import Record, pack_head
from mirror.model.stamp import make_stamp, stamp_ms
from mirror.store.check import check_store
from mirror.store.repair import repair_clock
from mirror.store.sqlite.store import SqliteStore
from mirror.store.values import Repaired

DAY_MS = 86_400_000
NOW_MS = 1_764_000_000_000
AHEAD_MS = 400 * DAY_MS
MESSAGES = "messages/alpha:1"
EVENT = (
    b"\xffA\x04Ialpha\0TX\0Usubject\0M"
    b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:%s\r\nLOCATION:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n\0"
)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


class Place(NamedTuple):
    """A store and its clock."""

    store: SqliteStore
    clock: Clock

    def put(self, collection: str, key: str, **options: Any) -> Record:
        draft = Record(collection, key, 1, "x", 1, **options)
        return self.store.write(lambda writer: writer.put(draft))

    def set(self, key: str, **values: str) -> Record:
        return self.store.write(lambda writer: writer.set_fields("users", key, values))

    def delete(self, collection: str, key: str) -> None:
        self.store.write(lambda writer: writer.delete(collection, key))

    def get(self, collection: str, key: str) -> Record:
        record = self.store.read(lambda reader: reader.get(collection, key))
        assert record is not None
        return record

    def all(self) -> list[Record]:
        return self.store.read(lambda reader: reader.feed(0, limit=100_000, limit_bytes=1 << 30).records)

    def take_all(self, other: "Place") -> None:
        self.store.write(lambda writer: writer.apply(other.all()))

    def repair(self) -> Repaired:
        found: list[Repaired] = []
        self.store.renew_epoch(lambda writer: found.append(writer.write_anew(lambda _done: None)))
        return found[0]


@pytest.fixture
def make_place(make_store: Callable[..., SqliteStore]) -> Callable[[str], Place]:
    def make(node: str) -> Place:
        clock = Clock()
        return Place(make_store(node, now_ms=clock, durable=False), clock)

    return make


Make = Callable[[str], Place]


def equal(*places: Place) -> bool:
    """Have all of them take all of each other, and tell whether they hold the same."""
    for _ in range(2):
        for one in places:
            for other in places:
                if one is not other:
                    one.take_all(other)
    return len({place.store.read(lambda reader: reader.digest("").total) for place in places}) == 1


def stamps_kept(store: SqliteStore) -> list[int]:
    """Return every stamp that a store keeps, wherever it stands: found as a number of that size."""
    connection = store._connection
    found: list[int] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            for name, inside in value.items():
                collect(name)
                collect(inside)
        elif isinstance(value, list | tuple):
            for inside in value:
                collect(inside)
        elif isinstance(value, bytes) and value:
            try:
                decoded = msgspec.msgpack.decode(value)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return
            if isinstance(decoded, dict | list):
                collect(decoded)
        elif isinstance(value, int) and value > make_stamp(NOW_MS - 10_000 * DAY_MS):
            found.append(value)

    for table, columns in (
        ("record", "stamp, born, past, head"),
        ("conflict", "loser, winner_stamp, winner_past"),
        ("origin", "newest"),
        ("collection", "newest"),
        ("block", "stamp"),
        ("meta", "CASE WHEN name IN ('clock', 'horizon') THEN value END"),
    ):
        for row in connection.execute(f"SELECT {columns} FROM {table}"):
            collect(row)
    return found


def check(place: Place) -> None:
    assert check_store(place.store).problems == []
    assert max(stamps_kept(place.store)) <= make_stamp(place.clock.ms + 60_000)


def test_what_was_written_ahead_is_written_anew_and_every_node_takes_it(make_place: Make) -> None:
    alpha, beta = make_place("alpha"), make_place("beta")
    alpha.set("alpha:1", name="Ann", phone="1")
    alpha.put(MESSAGES, "id:1", body=b"good")
    beta.take_all(alpha)
    alpha.clock.ms += AHEAD_MS
    alpha.set("alpha:1", phone="2")
    alpha.put(MESSAGES, "id:2", body=b"first from tomorrow")
    alpha.put(MESSAGES, "id:3", body=b"second from tomorrow")
    alpha.clock.ms = NOW_MS + 5_000
    alpha.put(MESSAGES, "id:4", body=b"after the mend")
    with pytest.raises(StampAhead, match="clock repair"):
        beta.take_all(alpha)
    epoch = alpha.store.epoch
    assert alpha.repair() == Repaired(4, 0, 0)
    assert alpha.store.epoch != epoch
    check(alpha)
    beta.clock.ms = alpha.clock.ms
    assert equal(alpha, beta)
    assert values_of(beta.get("users", "alpha:1")) == {"name": "Ann", "phone": "2"}
    assert beta.store.read(lambda reader: reader.conflict_count()) == 0
    newest = beta.store.read(lambda reader: reader.newest(MESSAGES, 10))
    assert [record.key for record in newest] == ["id:1", "id:2", "id:3", "id:4"]
    origin = f"alpha~{alpha.store.epoch[:8]}"
    assert {record.origin for record in newest[1:]} == {origin} == {alpha.set("alpha:2", name="x").origin}
    assert stamp_ms(newest[1].stamp) == alpha.clock.ms


def test_a_deletion_from_the_future_deletes_at_the_nodes_that_refused_it(make_place: Make) -> None:
    alpha, beta = make_place("alpha"), make_place("beta")
    alpha.put(MESSAGES, "id:1", body=b"gone")
    beta.take_all(alpha)
    alpha.clock.ms += AHEAD_MS
    alpha.delete(MESSAGES, "id:1")
    alpha.clock.ms = NOW_MS
    alpha.repair()
    check(alpha)
    assert equal(alpha, beta)
    assert beta.get(MESSAGES, "id:1").dead
    beta.put(MESSAGES, "id:1", body=b"made again")
    assert equal(alpha, beta)
    assert not alpha.get(MESSAGES, "id:1").dead


def test_two_nodes_that_were_wrong_together_are_equal_once_both_are_repaired(make_place: Make) -> None:
    alpha, beta, gamma = make_place("alpha"), make_place("beta"), make_place("gamma")
    alpha.set("alpha:1", name="Ann")
    alpha.put(MESSAGES, "id:0", body=b"of before")
    assert equal(alpha, beta, gamma)
    for place in (alpha, beta):
        place.clock.ms += AHEAD_MS
    alpha.set("alpha:1", phone="2")
    beta.take_all(alpha)
    beta.set("alpha:1", fax="3")
    beta.put(MESSAGES, "id:1", body=b"from beta")
    beta.delete(MESSAGES, "id:0")
    assert equal(alpha, beta)
    for place in (alpha, beta):
        place.clock.ms = NOW_MS + 1000
        place.store.write(lambda writer: writer.beat())
    gamma.clock.ms = NOW_MS + 1000
    alpha.repair()
    check(alpha)
    with pytest.raises(StampAhead):
        alpha.take_all(beta)
    gamma.take_all(alpha)
    beta.repair()
    check(beta)
    assert equal(alpha, beta, gamma)
    assert values_of(gamma.get("users", "alpha:1")) == {"name": "Ann", "phone": "2", "fax": "3"}
    assert gamma.get(MESSAGES, "id:0").dead
    for place in (alpha, beta, gamma):
        check(place)
        assert place.store.read(lambda reader: reader.conflict_count()) == 0


def test_items_keep_who_wrote_which_part_and_merge_on(make_place: Make) -> None:
    alpha, beta = make_place("alpha"), make_place("beta")
    alpha.put(MESSAGES, "euid:1", body=EVENT % (b"one", b"here"))
    beta.take_all(alpha)
    alpha.clock.ms += AHEAD_MS
    alpha.put(MESSAGES, "euid:1", body=EVENT % (b"two", b"here"))
    alpha.clock.ms = NOW_MS + 10
    alpha.repair()
    check(alpha)
    beta.clock.ms = NOW_MS + 20
    beta.put(MESSAGES, "euid:1", body=EVENT % (b"one", b"there"))
    assert equal(alpha, beta)
    body = alpha.get(MESSAGES, "euid:1").body
    assert b"SUMMARY:two" in body and b"LOCATION:there" in body
    check(beta)


def test_conflicts_can_be_restored_though_winner_and_loser_lay_ahead(make_place: Make) -> None:
    alpha, beta = make_place("alpha"), make_place("beta")
    for place in (alpha, beta):
        place.clock.ms += AHEAD_MS
    alpha.put("bios", "u", body=b"of alpha")
    beta.clock.ms += 1
    beta.put("bios", "u", body=b"of beta")
    alpha.take_all(beta)
    alpha.clock.ms = NOW_MS
    assert alpha.repair() == Repaired(1, 1, 0)
    check(alpha)
    (conflict,) = alpha.store.read(lambda reader: reader.conflicts())
    current = alpha.get("bios", "u")
    assert (conflict.winner, conflict.winner_past) == (current.version, current.past)
    assert conflict.noticed_ms <= NOW_MS
    alpha.store.write(lambda writer: writer.restore(conflict.number))
    assert alpha.get("bios", "u").body == b"of alpha"
    check(alpha)
    gamma = make_place("gamma")
    gamma.take_all(alpha)


def test_signs_of_life_and_a_horizon_from_the_future_go(make_place: Make) -> None:
    alpha, beta, gamma = make_place("alpha"), make_place("beta"), make_place("gamma")
    for place in (alpha, beta):
        place.store.write(lambda writer: writer.beat())
    gamma.take_all(beta)
    gamma.take_all(alpha)
    for place in (alpha, beta):
        place.clock.ms += AHEAD_MS
        place.store.write(lambda writer: writer.beat())
    alpha.take_all(beta)
    horizon = Horizon(make_stamp(NOW_MS + 220 * DAY_MS, 7), ("alpha", "beta"))
    alpha.store.write(lambda writer: writer.advance_horizon(horizon))
    alpha.clock.ms = NOW_MS + 1000
    assert alpha.repair().signs == 3
    check(alpha)
    heard = alpha.store.read(lambda reader: reader.heard())
    assert heard.horizon.stamp == 0
    assert heard.signs.keys() == {"alpha"}, "only of ourselves we know that all is here"
    gamma.clock.ms = NOW_MS + 1000
    assert equal(alpha, gamma)
    assert alpha.store.read(lambda reader: reader.heard()).signs.keys() == {"alpha", "beta"}


def test_a_repair_that_fails_leaves_all_as_it_was(make_place: Make) -> None:
    alpha = make_place("alpha")
    alpha.clock.ms += AHEAD_MS
    alpha.put(MESSAGES, "id:1", body=b"from tomorrow")
    alpha.clock.ms = NOW_MS
    before = alpha.store.read(lambda reader: reader.root()), alpha.store.clock.last

    def stop(_done: int) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        alpha.store.renew_epoch(lambda writer: writer.write_anew(stop))
    assert (alpha.store.read(lambda reader: reader.root()), alpha.store.clock.last) == before
    assert alpha.repair().records == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["alpha", "beta"]),
        st.sampled_from(["field", "message", "item", "delete", "bio", "take", "ahead", "right", "beat"]),
        st.integers(0, 2),
    ),
    max_size=30,
)


def _do(one: Place, other: Place, what: str, number: int, at: int) -> None:
    if what == "field":
        one.set("alpha:1", **{f"f{number}": f"{one.store.node} {at}"})
    elif what == "message":
        one.put(MESSAGES, f"id:{number}", body=b"message %d" % number)
    elif what == "item":
        one.put(MESSAGES, "euid:1", body=EVENT % (b"s%d" % at, b"l%d" % number))
    elif what == "delete":
        one.delete(MESSAGES, ("id:0", "id:1", "euid:1")[number])
    elif what == "bio":
        one.store.write(lambda writer: writer.write(Draft("bios", "u", body=b"%d" % at, head=pack_head({"n": number}))))
    elif what == "take":
        try:
            one.take_all(other)
        except StampAhead:
            assert one.clock.ms < other.clock.ms + AHEAD_MS
    elif what == "beat":
        one.store.write(lambda writer: writer.beat())
    else:
        one.clock.ms = NOW_MS + at * 1000 + (AHEAD_MS if what == "ahead" else 0)


@given(STEPS)
def test_whatever_happened_while_clocks_were_wrong_repaired_nodes_agree(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int]]
) -> None:
    places: dict[str, Place] = {}
    for node in ("alpha", "beta"):
        clock = Clock()
        places[node] = Place(SqliteStore(tmp_path_factory.mktemp("s"), node, now_ms=clock, durable=False), clock)
    alpha, beta = places.values()
    for at, (node, what, number) in enumerate(steps):
        _do(places[node], beta if node == "alpha" else alpha, what, number, at)
    for place in (alpha, beta):
        before = {(one.collection, one.key): one for one in place.all() if one.collection != "nodes"}
        place.clock.ms = NOW_MS + 60_000
        place.repair()
        check(place)
        after = {(one.collection, one.key): one for one in place.all() if one.collection != "nodes"}
        assert before.keys() == after.keys()
        for name, record in before.items():
            assert (record.dead, record.body) == (after[name].dead, after[name].body)
            if record.collection == "users":
                assert values_of(record) == values_of(after[name])
    assert equal(alpha, beta)
    for place in (alpha, beta):
        check(place)
        place.store.close()


def test_what_lost_and_cannot_be_read_does_not_stop_a_repair(make_place: Make) -> None:
    place = make_place("a")
    unreadable = Record("users", "k", place.store.clock.tick(), "b", 1, head=pack_head({"u_fullname": ["a list"]}))
    winner = place.set("k", u_fullname="Ann")

    def log(writer: Any) -> None:
        writer.log_conflict(NOW_MS, Loser(unreadable), winner, "")

    place.store.write(log)
    place.clock.ms = NOW_MS + AHEAD_MS
    place.set("other", u_fullname="Eve")
    place.clock.ms = NOW_MS
    found = repair_clock(place.store, lambda _: None)
    assert found is not None
    assert found.repaired.records == 1
    assert [one.loser for one in place.store.read(lambda reader: reader.conflicts())] == [unreadable]
