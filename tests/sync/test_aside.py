"""What cannot be taken is set aside, and stops nothing: the others go on, and comparing costs nothing more."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from mirror.model.checksum import crc64
from mirror.model.errors import BadRecord, StampAhead
from mirror.model.fields import values_of
from mirror.model.judge import Unfit, sort_out
from mirror.model.kinds import NODES
from mirror.model.merge import Merged, merge
from mirror.model.record import Record, pack_head, record_bytes, record_crc
from mirror.model.stamp import MAX_WAIT_MS, make_stamp
from mirror.store.base import Backend
from mirror.store.errors import TooMuchAside
from mirror.store.ledger.admitting import MAX_ASIDE
from mirror.store.values import Source
from mirror.sync.exchange import MirrorExchange
from mirror.sync.reconcile import reconcile
from mirror.sync.remote import Denied, Remote
from mirror.sync.responder import Responder
from mirror.sync.round import Round, exchange_all
from mirror.sync.share.policy import ShareScope
from mirror.sync.substitutes import by_collection
from mirror.sync.verify import compare_nodes
from mirror.wire.bulk import format_page, parse_page
from mirror.wire.codec import Cursor
from mirror.wire.values import Page
from netconf.rules import read_rules

Make = Callable[..., Backend]
NOW_MS = 1_700_000_000_000


class Clock:
    """One clock for all nodes of a test, which it moves."""

    now = NOW_MS


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    Clock.now = NOW_MS
    yield


def node(make_store: Make, name: str) -> Backend:
    return make_store(name, now_ms=lambda: Clock.now)


def force(store: Backend, record: Record) -> None:
    """Have a store hold what this version would not take, as one of another version does."""

    def job(writer: object) -> None:
        held = writer.held(record.collection, [record.key])  # type: ignore[attr-defined]
        assert not held
        writer.replace(record.collection, [(record, record_crc(record))], [])  # type: ignore[attr-defined]

    store.write(job)


def strange(key: str = "k", collection: str = "rooms") -> Record:
    """A record of a later version: one of its fields is a list."""
    stamp = make_stamp(NOW_MS - 5000)
    head = pack_head({"name": "shown", "members": ["a", "b"]})
    return Record(collection, key, stamp, "future", stamp, head=head)


class Over:
    """A remote whose pages travel as bytes, as over a connection."""

    def __init__(self, remote: Responder) -> None:
        self._remote = remote

    def __getattr__(self, name: str) -> object:
        return getattr(self._remote, name)

    def since(self, cursor: Cursor) -> Iterator[Page]:
        return (self._travel(page) for page in self._remote.since(cursor))

    def get(self, collection: str, keys: Sequence[str]) -> Iterator[Page]:
        return (self._travel(page) for page in self._remote.get(collection, keys))

    def _travel(self, page: Page) -> Page:
        return parse_page(format_page(page, "msgpack"))


def remote(store: Backend, asker: str) -> Remote:
    return Over(Responder(store, peer=asker))  # type: ignore[return-value]


def exchange(store: Backend, other: Backend, pushing: bool = False) -> None:
    exchange_all(Round(MirrorExchange(store, other.node), pushing), remote(other, store.node), other.epoch)


def put(store: Backend, key: str, body: bytes = b"x") -> Record:
    return store.write(lambda writer: writer.put(Record("files/r", key, 1, "x", 1, body=body)))


def names(store: Backend) -> list[str]:
    return store.read(lambda reader: sorted(record.key for record in reader.scan_all("files/r")))


def test_one_record_that_cannot_be_taken_stops_no_other(make_store: Make) -> None:
    a, b = node(make_store, "a"), node(make_store, "b")
    put(a, "before")
    force(a, strange())
    put(a, "after")
    exchange(b, a)
    assert names(b) == ["after", "before"]
    (one,) = b.read(lambda reader: reader.aside("a"))
    assert (one.unfit.collection, one.unfit.key, one.unfit.data) == ("rooms", "k", record_bytes(strange()))
    assert "fields cannot be read" in one.unfit.reason
    assert b.read(lambda reader: reader.get("rooms", "k")) is None
    assert b.read(lambda reader: reader.cursor("a", "pull")).sequence == a.read(lambda reader: reader.last_sequence())


def test_comparing_with_that_peer_costs_one_trip_and_finds_nothing(make_store: Make) -> None:
    a, b = node(make_store, "a"), node(make_store, "b")
    put(a, "one")
    force(a, strange())
    exchange(b, a)
    outcome = reconcile(b, remote(a, "b"), "a", push=True)
    assert (outcome.differing, outcome.trips, outcome.wanted, outcome.surplus) == ([], 1, 0, 0)
    asked_by_a = reconcile(a, remote(b, "a"), "b", push=True)
    assert asked_by_a.differing == []  # whoever dials: the one that set it aside answers with it in its sums
    put(a, "two")
    outcome = reconcile(b, remote(a, "b"), "a", push=True)
    assert (outcome.differing, outcome.wanted) == (["files/r"], 1)


def test_a_version_that_is_held_here_gives_way_in_the_sums_alone(make_store: Make) -> None:
    a, b = node(make_store, "a"), node(make_store, "b")
    own = b.write(lambda writer: writer.set_fields("rooms", "k", {"name": "ours"}))
    force(a, strange())
    reconcile(b, remote(a, "b"), "a")
    assert b.read(lambda reader: reader.get("rooms", "k")) == own
    assert reconcile(b, remote(a, "b"), "a").differing == []


def test_verify_says_equal_but_for_what_was_set_aside(make_store: Make) -> None:
    a, b = node(make_store, "a"), node(make_store, "b")
    put(a, "one")
    force(a, strange())
    exchange(b, a)
    substitutes = by_collection(b.read(lambda reader: reader.substitutes("a")))
    found = compare_nodes(Responder(b), Responder(a), substitutes=substitutes)
    assert found.equal
    assert found.aside == 1
    assert compare_nodes(Responder(b), Responder(a)).differing.keys() == {"rooms"}


def test_it_is_never_served_nor_passed_on(make_store: Make) -> None:
    a, b, c = (node(make_store, name) for name in "abc")
    put(a, "one")
    force(a, strange())
    exchange(b, a)
    exchange(c, b)
    assert names(c) == ["one"]
    assert c.read(lambda reader: reader.aside()) == []


def test_what_a_peer_pushes_is_set_aside_too(make_store: Make) -> None:
    a, b = node(make_store, "a"), node(make_store, "b")
    page = parse_page(format_page(Page([strange()], [record_crc(strange())]), "msgpack"))
    assert Responder(b, peer="a").offer([page]) == (0, 0, 0)
    assert b.read(lambda reader: reader.aside_counts()) == {"a": 1}
    assert a.node == "a"


def test_no_sign_of_life_is_taken_from_a_peer_of_which_something_is_lacking(make_store: Make) -> None:
    a, b = node(make_store, "a"), node(make_store, "b")
    force(a, strange())
    a.write(lambda writer: writer.beat())
    exchange(b, a)
    assert b.read(lambda reader: reader.signs()) == []
    assert b.read(lambda reader: reader.heard()).signs == {}
    assert {one.unfit.collection for one in b.read(lambda reader: reader.aside("a"))} == {"rooms", NODES}
    assert reconcile(b, remote(a, "b"), "a").differing == []


def test_a_sign_of_life_that_waited_is_taken_once_nothing_is_lacking(make_store: Make) -> None:
    a, b = node(make_store, "a"), node(make_store, "b")
    force(a, strange())
    sign = a.write(lambda writer: writer.beat())
    exchange(b, a)
    assert b.read(lambda reader: reader.signs()) == []
    a.write(lambda writer: writer.mend(1))
    exchange(b, a)
    assert b.read(lambda reader: reader.signs()) == [sign]
    assert b.read(lambda reader: reader.aside_counts()) == {}


def broken(error: type[Exception]) -> Callable[..., Merged]:
    """Return a way of merging that has a mistake in it, which one key shows."""

    def merged(current: Record, record: Record, *more: Any) -> Merged:
        if record.key == "bad":
            raise error("a mistake")
        return merge(current, record, *more)

    return merged


@pytest.mark.parametrize("error", [KeyError, UnicodeError, IndexError, RecursionError, msgspec.ValidationError])
def test_a_mistake_in_merging_stops_no_other_record(
    make_store: Make, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    a, b = node(make_store, "a"), node(make_store, "b")
    for key in ("before", "bad", "after"):
        put(a, key, b"from a")
        put(b, key, b"from b")
    monkeypatch.setattr("mirror.store.ledger.merging.merge", broken(error))
    exchange(b, a)
    held = b.read(lambda reader: {record.key: record.body for record in reader.scan_all("files/r")})
    assert held == {"before": b"from b", "bad": b"from b", "after": b"from b"}
    (one,) = b.read(lambda reader: reader.aside("a"))
    assert one.unfit.key == "bad"
    assert error.__name__ in one.unfit.reason
    monkeypatch.undo()
    assert b.write(lambda writer: writer.retry_aside(everything=True)).already_held == 1  # the mistake was mended
    assert b.read(lambda reader: reader.aside()) == []


def test_what_merging_makes_passes_the_same_judge(make_store: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def merged(current: Record, record: Record, *more: Any) -> Merged:
        made = merge(current, record, *more)
        return made._replace(record=msgspec.structs.replace(made.record, head=b"\xc1"))

    a, b = node(make_store, "a"), node(make_store, "b")
    for store in (a, b):
        store.write(lambda writer: writer.set_fields("rooms", "r", {writer.origin(): "x"}))
    monkeypatch.setattr("mirror.store.ledger.merging.merge", merged)
    exchange(b, a)
    (one,) = b.read(lambda reader: reader.aside("a"))
    assert "fields cannot be read" in one.unfit.reason
    assert b.read(lambda reader: values_of(reader.get("rooms", "r"))) == {"b": "x"}


def test_what_is_mended_there_takes_the_place_of_what_was_set_aside(make_store: Make) -> None:
    a, b = node(make_store, "a"), node(make_store, "b")
    force(a, strange())
    exchange(b, a)
    mended = msgspec.structs.replace(strange(), stamp=make_stamp(NOW_MS), head=b"", past=(("future", strange().stamp),))
    b.write(lambda writer: writer.admit(Source("a"), [msgspec.structs.replace(mended, origin="a")], [1]))
    assert b.read(lambda reader: reader.aside_counts()) == {}


def test_after_an_upgrade_it_is_tried_again(make_store: Make) -> None:
    b = node(make_store, "b")
    fit = Record("files/r", "k", make_stamp(NOW_MS - 1), "a", make_stamp(NOW_MS - 1), body=b"x")
    data = record_bytes(fit)

    def set_aside(writer: object) -> None:
        unfit = Unfit("files/r", "k", fit.stamp, crc64(data), data, "an older version could not")
        writer.admit(Source("a"), [], [], [unfit])  # type: ignore[attr-defined]

    b.write(set_aside)
    assert b.write(lambda writer: writer.retry_aside()).written == 0  # nothing is due
    assert b.write(lambda writer: writer.retry_aside(everything=True)).written == 1
    assert b.read(lambda reader: (reader.get("files/r", "k"), reader.aside())) == (fit, [])


def ahead(key: str, by_ms: int) -> Record:
    stamp = make_stamp(Clock.now + by_ms)
    return Record("files/r", key, stamp, "a", stamp, body=b"x")


def admit(store: Backend, source: Source, *records: Record) -> tuple[int, int, int]:
    crcs = [record_crc(record) for record in records]
    return store.write(lambda writer: writer.admit(source, records, crcs))


def test_a_stamp_that_may_be_taken_soon_is_waited_for(make_store: Make) -> None:
    b = node(make_store, "b")
    with pytest.raises(StampAhead) as waits:
        admit(b, Source("a"), ahead("k", 60_000 + 30_000))
    assert 29_000 <= waits.value.wait_ms <= 30_001
    assert b.read(lambda reader: reader.aside()) == []


def test_a_stamp_far_ahead_holds_back_that_record_alone_until_its_time(make_store: Make) -> None:
    b = node(make_store, "b")
    day = 86_400_000
    assert admit(b, Source("a"), ahead("now", 0), ahead("tomorrow", day), ahead("too", 1)).written == 2  # type: ignore[attr-defined]
    assert names(b) == ["now", "too"]
    (one,) = b.read(lambda reader: reader.aside("a"))
    assert "s ahead of this node's clock" in one.unfit.reason
    Clock.now += day - 60_000 - 1000
    b.write(lambda writer: writer.retry_aside())
    assert names(b) == ["now", "too"]
    Clock.now += 2000
    assert b.write(lambda writer: writer.retry_aside()).written == 1
    assert names(b) == ["now", "tomorrow", "too"]


def test_a_share_partners_clock_never_moves_ours(make_store: Make) -> None:
    b = node(make_store, "b")
    with pytest.raises(StampAhead) as waits:
        admit(b, Source("partner", mirror=False), ahead("k", 59_500))
    assert waits.value.wait_ms in range(59_000, 60_001)
    admit(b, Source("partner", mirror=False), ahead("far", 600_000), ahead("near", -1))
    assert names(b) == ["near"]
    assert b.clock.last <= make_stamp(Clock.now)
    assert b.write(lambda writer: writer.put(Record("files/r", "own", 1, "x", 1))).stamp < make_stamp(Clock.now + 1)


def test_a_link_waits_and_goes_on(make_store: Make) -> None:
    a, b = node(make_store, "a"), node(make_store, "b")
    put(a, "first")
    exchange(b, a)
    force(a, ahead("soon", 60_000 + 5000))
    waited: list[int] = []

    def wait(error: StampAhead) -> None:
        waited.append(error.wait_ms)
        Clock.now += error.wait_ms

    work = Round(MirrorExchange(b, "a"), False, wait=wait)
    exchange_all(work, remote(a, "b"), a.epoch)
    assert len(waited) == 1
    assert waited[0] <= MAX_WAIT_MS
    assert names(b) == ["first", "soon"]


def test_a_comparison_waits_and_goes_on(make_store: Make) -> None:
    a, b = node(make_store, "a"), node(make_store, "b")
    a.write(lambda writer: writer.put(Record("files/r", "k", 1, "x", 1, body=b"of a")))
    wanted = ahead("soon", 60_000 + 5000)
    force(a, wanted)
    waited: list[int] = []

    def wait(error: StampAhead) -> None:
        waited.append(error.wait_ms)
        Clock.now += error.wait_ms

    Round(MirrorExchange(b, "a"), False, wait=wait).reconcile(Responder(a))
    assert (waited, names(b)) == ([5000], ["k", "soon"])


def test_of_a_peer_of_which_too_much_is_set_aside_nothing_more_is_taken(
    make_store: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_ASIDE == 10_000
    monkeypatch.setattr("mirror.store.ledger.admitting.MAX_ASIDE", 3)
    a, b = node(make_store, "a"), node(make_store, "b")
    for number in range(4):
        force(a, strange(f"k{number}"))
    put(a, "last")
    with pytest.raises(TooMuchAside, match="aside list"):
        exchange(b, a)
    assert b.read(lambda reader: (reader.aside(), reader.cursor("a", "pull").sequence)) == ([], 0)


def test_what_names_neither_collection_nor_key_breaks_the_batch(make_store: Make) -> None:
    for data in (b"\xc1", *map(msgspec.msgpack.encode, (5, ["rooms"], [1, 2, 3]))):
        with pytest.raises(BadRecord):
            sort_out(data)


def test_what_could_stand_in_no_collections_order_breaks_the_batch() -> None:
    """It was a traceback: there is no room for such a stamp where records are set aside."""
    right = Record("pictures", "k", 9, "a", 1)
    wrong = (
        {"stamp": 1 << 63},
        {"stamp": 0},
        {"stamp": -1},
        {"key": ""},
        {"key": "x" * 1025},
        {"collection": "users/x"},
    )
    for change in wrong:
        with pytest.raises(BadRecord):
            sort_out(record_bytes(msgspec.structs.replace(right, **change)))


def test_what_a_share_partner_sends_is_set_aside_where_it_may_write_and_refused_elsewhere(make_store: Make) -> None:
    b = node(make_store, "b")
    scope = ShareScope({"r": read_rules(b"mirror_share|partner|pull|what=messages,files\n")[0]})
    bad = Record("files/r", "k", make_stamp(NOW_MS - 5), "p", 1, head=b"\xc1")
    page = parse_page(format_page(Page([bad], [record_crc(bad)]), "msgpack"))
    Responder(b, scope, peer="partner").offer([page])
    (one,) = b.read(lambda reader: reader.aside("partner"))
    assert not one.mirror
    other = msgspec.structs.replace(bad, collection="files/secret")
    page = parse_page(format_page(Page([other], [record_crc(other)]), "msgpack"))
    with pytest.raises(Denied):
        Responder(b, scope, peer="partner").offer([page])
    assert b.read(lambda reader: reader.aside_counts()) == {"partner": 1}


def test_what_came_by_rules_is_never_taken_in_without_them(make_store: Make) -> None:
    """Tried again it is forgotten, and rooms are compared anew: it comes again, and is judged by the rules of then."""
    b = node(make_store, "b")
    admit(b, Source("partner", mirror=False), ahead("far", 600_000))
    assert b.read(lambda reader: (reader.aside_counts(), reader.coming_again())) == ({"partner": 1}, {})
    Clock.now += 700_000
    assert b.write(lambda writer: writer.retry_aside()).written == 0
    assert names(b) == []
    assert b.read(lambda reader: (reader.aside_counts(), reader.coming_again())) == ({}, {"partner": 1})
