"""What once stopped replication for good, each as it was done, between nodes without connections: they go on."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from share_ends import both, dial, drop, keys, post, room

from mirror.model.draft import Draft
from mirror.model.errors import BadRecord, StampAhead
from mirror.model.fields import Field, pack_fields
from mirror.model.nodes import Horizon, horizon_record
from mirror.model.record import MAX_HEAD, MAX_PAST, Record, Version, pack_head, past_of, record_crc, vector_of
from mirror.model.stamp import make_stamp
from mirror.store.check import check_store
from mirror.store.errors import BoundReached
from mirror.store.ledger.admitting import MAX_CONFLICTS_SHARE
from mirror.store.ledger.sorting import MAX_ORIGINS_SHARE
from mirror.store.sqlite.store import SqliteStore
from mirror.store.values import Source
from mirror.sync.exchange import MirrorExchange
from mirror.sync.reconcile import reconcile
from mirror.sync.responder import Responder
from mirror.sync.round import Round, exchange_all
from mirror.wire.bulk import format_page, parse_page
from mirror.wire.values import Page

Make = Callable[..., SqliteStore]
NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000


class Clocks:
    """The time, and by how much each node's clock is off (milliseconds)."""

    def __init__(self) -> None:
        self.now = NOW_MS
        self.off: dict[str, int] = {}

    def of(self, node: str) -> Callable[[], int]:
        return lambda: self.now + self.off.get(node, 0)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def start(make_store: Make, clocks: Clocks) -> Callable[[str], SqliteStore]:
    """Make a node with a clock of its own."""
    return lambda name: make_store(name, now_ms=clocks.of(name), durable=False)


def pull(store: SqliteStore, other: SqliteStore) -> None:
    exchange_all(Round(MirrorExchange(store, other.node), False), Responder(other, peer=store.node), other.epoch)


def replicate(*stores: SqliteStore) -> None:
    """Have mirrors pull from each other until there is nothing new, and check that they are equal and well."""
    for _ in range(3):
        for store in stores:
            for other in stores:
                if other is not store:
                    pull(store, other)
    digests = {store.read(lambda reader: str(reader.digest(""))) for store in stores}
    assert len(digests) == 1
    for store in stores:
        assert check_store(store).problems == []
        assert store.read(lambda reader: reader.aside_counts()) == {}


def admit(store: SqliteStore, peer: str, records: Sequence[Record], mirror: bool = False) -> None:
    """Take in what a peer sends, as it comes over a connection."""
    page = parse_page(format_page(Page(list(records), [record_crc(one) for one in records]), "msgpack"))
    store.write(lambda writer: writer.admit(Source(peer, mirror), page.records, page.crcs, page.unfit))


def held(store: SqliteStore, collection: str) -> dict[str, Record]:
    return {record.key: record for record in store.read(lambda reader: list(reader.scan_all(collection)))}


def crowd(mark: str, count: int = MAX_PAST, wide: int = 0) -> dict[str, int]:
    """Origins that nobody knows."""
    return {f"{mark}-{at:05}".ljust(wide, "x"): make_stamp(NOW_MS - DAY_MS, at + 1) for at in range(count)}


# -- what merging made --------------------------------------------------------------------------------


@pytest.mark.parametrize("collection", ["rooms", "files/r"])
def test_two_versions_that_name_1024_foreign_origins_each(start: Callable[[str], SqliteStore], collection: str) -> None:
    a, b = start("a"), start("b")
    for store, mark in ((a, "left"), (b, "right")):
        version = Version(make_stamp(NOW_MS - 1000), store.node)
        head = pack_fields({mark: Field("x", *version)}) if collection == "rooms" else b""
        one = Record(collection, "k", *version, 1, past=past_of(crowd(mark), version), head=head)
        store.write(lambda writer, one=one: writer.apply([one]))
    replicate(a, b)
    assert len(vector_of(held(a, collection)["k"])) == MAX_PAST + 1
    a.write(lambda writer: writer.delete(collection, "k"))  # it was refused
    replicate(a, b)
    assert held(b, collection) == {}


def test_a_share_partner_cannot_do_so_to_two_mirrors(start: Callable[[str], SqliteStore]) -> None:
    a, b = start("a"), start("b")
    for store, mark in ((a, "left"), (b, "right")):
        version = Version(make_stamp(NOW_MS - 1000), "partner")
        one = Record("files/r", "k", *version, 1, past=past_of(crowd(mark), version))
        admit(store, "partner", [one, Record("files/r", mark, *version, 1)])
        assert held(store, "files/r").keys() == {mark}
        store.write(lambda writer: writer.take_aside("partner", "files/r", ["k"]))  # type: ignore[attr-defined]
    replicate(a, b)
    assert held(a, "files/r").keys() == {"left", "right"}


def test_two_edits_of_one_read_mark_with_24_000_fields_each(start: Callable[[str], SqliteStore]) -> None:
    a, b = start("a"), start("b")
    for store in (a, b):
        fields = pack_head({f"{store.node}{at}": "x" for at in range(24_000)})
        with pytest.raises(BadRecord, match="24000 fields are over the limit"):
            store.write(lambda writer, head=fields: writer.write(Draft("visits/r", "alpha:9 id:1", head=head)))
        few = pack_head({f"{store.node}{at}": "x" for at in range(100)})
        store.write(lambda writer, head=few: writer.write(Draft("visits/r", "alpha:9 id:1", head=head)))
    replicate(a, b)
    assert sum(conflict.loser.key == "alpha:9 id:1" for conflict in a.read(lambda reader: reader.conflicts())) == 1


def test_two_edits_of_one_calendar_item_with_36_000_properties_each(start: Callable[[str], SqliteStore]) -> None:
    a, b = start("a"), start("b")
    for store in (a, b):
        lines = "".join(f"X-{store.node}{at}:1\n" for at in range(36_000))
        body = f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\n{lines}END:VEVENT\nEND:VCALENDAR\n".encode()
        draft = Record("messages/r", "euid:u", 1, "x", 1)
        store.write(lambda writer, body=body, draft=draft: writer.put(writer.store_body(draft, body)))
    replicate(a, b)
    item = held(a, "messages/r")["euid:u"]
    assert len(item.head) < 1000 < MAX_HEAD
    assert len(a.read(lambda reader: reader.conflicts())) == 1


# -- what one party made ------------------------------------------------------------------------------


def test_six_messages_with_1024_invented_origins_of_255_characters(
    start: Callable[[str], SqliteStore], clocks: Clocks
) -> None:
    a, b = start("a"), start("b")
    for number in range(6):
        version = Version(make_stamp(NOW_MS - 1000), "partner")
        past = past_of(crowd(f"o{number}", wide=255), version)
        admit(a, "partner", [Record("messages/r", f"id:{number}", *version, 1, past=past, body=b"x")])
    assert held(a, "messages/r") == {}
    assert len(a.read(lambda reader: reader.aside("partner"))) == 6
    few = [Version(make_stamp(NOW_MS - 500 + at), f"{'x' * 250}{at:03}") for at in range(MAX_ORIGINS_SHARE + 9)]
    admit(a, "partner", [Record("messages/r", f"id:few {at}", *few[at], 1, body=b"x") for at in range(len(few))])
    assert len(held(a, "messages/r")) == MAX_ORIGINS_SHARE
    sign = a.write(lambda writer: writer.beat())
    assert len(sign.head) < 1000
    pull(b, a)
    clocks.now += DAY_MS
    b.write(lambda writer: writer.beat())
    pull(a, b)
    assert a.read(lambda reader: reader.heard()).sign_of("b") == make_stamp(NOW_MS + DAY_MS)


def test_2999_conflicts_of_a_share_partner(start: Callable[[str], SqliteStore]) -> None:
    a = start("a")

    def write_all(writer: object) -> None:
        for at in range(2999):
            writer.put(Record("files/r", f"k{at}", 1, "x", 1, body=b"ours"))  # type: ignore[attr-defined]

    a.write(write_all)
    ours = list(held(a, "files/r").values())
    theirs = [Record(one.collection, one.key, one.stamp - 1, "partner", 1, body=b"theirs") for one in ours]
    made = 0
    with pytest.raises(BoundReached, match="made by peer partner are not resolved"):
        for at in range(0, 2999, 250):
            admit(a, "partner", theirs[at : at + 250])
            made += 250
    assert made == MAX_CONFLICTS_SHARE == a.read(lambda reader: reader.conflict_count())
    assert a.write(lambda writer: writer.put(Record("files/r", "own", 1, "x", 1))).key == "own"
    admit(a, "other", [Record("files/r", "of another", make_stamp(NOW_MS - 5), "other", 1)])


# -- what a wrong clock made --------------------------------------------------------------------------


@pytest.mark.parametrize("days", [1, 400])
def test_a_post_and_a_sign_of_life_written_ahead(
    start: Callable[[str], SqliteStore], clocks: Clocks, days: int
) -> None:
    a, b = start("a"), start("b")
    clocks.off["a"] = days * DAY_MS
    a.write(lambda writer: writer.put(Record("files/r", "ahead", 1, "x", 1)))
    a.write(lambda writer: writer.beat())
    clocks.off["a"] = 0
    b.write(lambda writer: writer.put(Record("files/r", "of b", 1, "x", 1)))
    pull(b, a)
    pull(a, b)  # neither direction stands still
    assert held(a, "files/r").keys() == {"ahead", "of b"}
    assert held(b, "files/r").keys() == {"of b"}
    clocks.now += days * DAY_MS
    b.write(lambda writer: writer.retry_aside())
    replicate(a, b)
    assert held(b, "files/r").keys() == {"ahead", "of b"}


def test_a_share_partner_that_is_ten_minutes_ahead_posts_once(
    start: Callable[[str], SqliteStore], clocks: Clocks
) -> None:
    ours, theirs, mirror = start("a"), start("b"), start("c")
    both((ours, theirs))
    room(ours, "a:2", "Other", "mirror_share|b|Other")
    room(theirs, "b:8", "Other", "mirror_share|a|Other")
    dial(ours, theirs)
    clocks.off["b"] = 600_000
    post(theirs, "b:9", "ahead")
    clocks.off["b"] = 0  # its own clock still stamps on from there
    post(theirs, "b:8", "still ahead")
    drop(theirs, "b:9", "ahead")
    post(ours, "a:1", "ours")
    post(ours, "a:2", "ours too")
    dial(ours, theirs)  # all rooms of the link stood still
    assert (keys(theirs, "b:9"), keys(theirs, "b:8")) == ({"ours"}, {"still ahead", "ours too"})
    assert (keys(ours, "a:1"), keys(ours, "a:2")) == ({"ours"}, {"ours too"})
    clocks.off["c"] = -3000
    assert post(ours, "a:2", "after").stamp <= make_stamp(clocks.now, 99)  # what it gave out did not go on to ours
    pull(mirror, ours)
    assert keys(mirror, "a:2") == {"ours too", "after"}
    clocks.now += 600_001
    ours.write(lambda writer: writer.retry_aside())
    dial(ours, theirs)
    assert keys(ours, "a:1") == keys(theirs, "b:9") == {"ours"}
    assert keys(ours, "a:2") == keys(theirs, "b:8") == {"still ahead", "ours too", "after"}


def test_a_share_partner_59_5_s_ahead_and_a_mirror_3_s_behind(
    start: Callable[[str], SqliteStore], clocks: Clocks
) -> None:
    ours, mirror = start("a"), start("c")
    clocks.off["c"] = -3000
    ahead = Record("files/r", "ahead", make_stamp(NOW_MS + 59_500), "partner", 1)
    with pytest.raises(StampAhead) as waits:
        admit(ours, "partner", [ahead])
    ours.write(lambda writer: writer.put(Record("files/r", "ours", 1, "x", 1)))
    pull(mirror, ours)
    assert held(mirror, "files/r").keys() == {"ours"}
    clocks.now += waits.value.wait_ms
    admit(ours, "partner", [ahead])
    pull(mirror, ours)
    assert held(mirror, "files/r").keys() == {"ours", "ahead"}


@pytest.mark.parametrize(
    "spoilt", [{"dead": True, "head": b"", "born": 1}, {"born": 2}], ids=["deleted", "born later than all"]
)
def test_a_mirror_that_hides_what_it_said_of_forgotten_deletions(
    start: Callable[[str], SqliteStore], clocks: Clocks, spoilt: dict[str, Any]
) -> None:
    """Who took that knew two horizons of its own, and each comparison with an honest mirror began again for ever."""
    a, b = start("a"), start("b")
    replicate(a, b)
    horizon = horizon_record("m", Horizon(make_stamp(NOW_MS - DAY_MS), ("m",)))
    later = msgspec.structs.replace(horizon, stamp=horizon.stamp + 1, **spoilt)
    admit(a, "m", [horizon], mirror=True)
    admit(a, "m", [later], mirror=True)
    assert a.read(lambda reader: reader.heard().horizon.stamp == reader.horizon())
    put = Record("files/r", "k", 1, "x", 1, body=b"after")
    a.write(lambda writer: writer.put(put))
    reconcile(b, Responder(a, peer="b"), "a", push=True)
    reconcile(a, Responder(b, peer="a"), "b", push=True)
    assert [*held(b, "files/r")] == ["k"]
    after = Horizon(make_stamp(NOW_MS), ("a",))
    a.write(lambda writer: writer.advance_horizon(after))
    assert a.read(lambda reader: (reader.horizon(), reader.heard().horizon)) == (after.stamp, after)
