"""A node that was away for longer than tombstones are kept, on real stores with a clock of their own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mirror.model.draft import Draft, base_of
from mirror.model.drafting import deletion_of
from mirror.model.fields import values_of
from mirror.model.judge import Unfit
from mirror.model.kinds import NODES
from mirror.model.record import Record, pack_head, record_crc
from mirror.store.sqlite.store import SqliteStore
from mirror.store.values import Source
from mirror.sync.exchange import MirrorExchange
from mirror.sync.horizon import Keeping, keep_up
from mirror.sync.reconcile import Reconciled, reconcile
from mirror.sync.remote import StaleCursor, SyncError
from mirror.sync.responder import Responder
from mirror.sync.round import Round, exchange_all
from mirror.wire.values import Page

KEEPING = Keeping(keep_ms=1000, step_ms=10, every_ms=100)
Nodes = dict[str, SqliteStore]


class Time:
    now = 1_700_000_000_000


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    for name in "abc":
        (tmp_path / name).mkdir()
    stores = {name: SqliteStore(tmp_path / name, name, now_ms=lambda: Time.now, durable=False) for name in "abc"}
    yield stores
    for store in stores.values():
        store.close()


def pass_time(milliseconds: int, *stores: SqliteStore) -> None:
    """Let time pass for nodes that are up, and in touch with each other."""
    for _ in range(milliseconds // 50):
        Time.now += 50
        for store in stores:
            keep_up(store, Time.now, KEEPING)
        for store in stores:
            for other in stores:
                if other is not store:
                    meet(store, other)


def meet(store: SqliteStore, other: SqliteStore) -> Reconciled | None:
    """Do what a link does once, and begin again where that is told."""
    work = Round(MirrorExchange(store, other.node), pushing=True)
    try:
        return exchange_all(work, Responder(other), other.epoch)
    except StaleCursor:
        return exchange_all(work, Responder(other), other.epoch)


def put(store: SqliteStore, key: str) -> None:
    store.write(lambda writer: writer.put(Record("files/r", key, 1, "x", 1, body=key.encode())))


def delete(store: SqliteStore, key: str) -> None:
    store.write(lambda writer: writer.delete("files/r", key))


def keys(store: SqliteStore, dead: bool = False) -> list[str]:
    return [record.key for record in store.read(lambda reader: reader.scan("files/r")) if record.dead == dead]


def conflicts(store: SqliteStore) -> list[str]:
    return [conflict.loser.key for conflict in store.read(lambda reader: reader.conflicts())]


def test_nodes_in_touch_drop_a_tombstone_at_the_same_time_and_stay_equal(nodes: Nodes) -> None:
    a, b, c = nodes.values()
    put(a, "one")
    pass_time(200, a, b, c)
    delete(b, "one")
    pass_time(500, a, b, c)
    assert [keys(store, dead=True) for store in (a, b, c)] == [["one"]] * 3
    pass_time(2000, a, b, c)
    assert [keys(store, dead=True) for store in (a, b, c)] == [[]] * 3
    digests = [store.read(lambda reader: reader.digest("files/r")) for store in (a, b, c)]
    assert digests[0] == digests[1] == digests[2]
    assert len({store.read(lambda reader: reader.horizon()) for store in (a, b, c)}) == 1


def test_a_tombstone_waits_for_a_node_that_is_alive_but_slow(nodes: Nodes) -> None:
    a, b, c = nodes.values()
    put(a, "one")
    pass_time(200, a, b, c)
    delete(a, "one")
    for _ in range(6):
        pass_time(300, a, b)  # c is heard of within the time, if only by b
        keep_up(c, Time.now, KEEPING)
        b.write(lambda writer: writer.apply(c.read(lambda reader: [reader.own_sign()])))
    assert keys(a, dead=True) == ["one"]


def test_what_was_deleted_during_a_long_absence_is_deleted_again_and_kept(nodes: Nodes) -> None:
    a, b, c = nodes.values()
    for key in ("deleted", "kept"):
        put(a, key)
    pass_time(200, a, b, c)
    delete(a, "deleted")
    pass_time(3000, a, b)
    assert keys(a, dead=True) == []
    put(c, "new")
    outcome = meet(c, a)
    assert outcome is not None and outcome.absence.there.away and outcome.refused == 1
    meet(b, a)
    for store in (a, b, c):
        assert keys(store) == ["kept", "new"]
    assert conflicts(c) == ["deleted"]


def test_deletions_on_the_node_that_was_away_hold_too(nodes: Nodes) -> None:
    a, b, c = nodes.values()
    put(a, "one")
    pass_time(200, a, b, c)
    delete(c, "one")
    pass_time(3000, a, b)
    pass_time(2000, c)  # c alone forgets its own deletion as well
    for one, other in ((c, a), (b, a), (c, b), (c, a)):
        meet(one, other)
    assert [keys(store) for store in (a, b, c)] == [[]] * 3


def test_an_absent_node_brings_nothing_back_by_way_of_a_third(nodes: Nodes) -> None:
    a, b, c = nodes.values()
    put(a, "one")
    pass_time(200, a, b, c)
    delete(a, "one")
    pass_time(3000, a)
    pass_time(3000, b, c)
    for one, other in ((b, a), (c, b), (b, a), (c, a)):
        meet(one, other)
    assert [keys(store) for store in (a, b, c)] == [[]] * 3


def test_a_feed_is_broken_off_where_its_reader_fell_behind_the_horizon(nodes: Nodes) -> None:
    a, b, c = nodes.values()
    put(a, "one")
    pass_time(200, a, b, c)
    exchange, remote = MirrorExchange(c, "a"), Responder(a)
    assert not exchange.must_reconcile(remote, a.epoch, False)
    a.write(lambda writer: writer.set_meta("trimmed", 0))
    delete(b, "one")
    pass_time(3000, a, b)
    with pytest.raises(StaleCursor):
        for page in remote.since(exchange.pull_cursor(a.epoch)):
            exchange.take(page, remote)


def test_an_offer_is_refused_once_the_horizon_moved_under_it(nodes: Nodes) -> None:
    a, b, c = nodes.values()
    put(a, "one")
    pass_time(200, a, b, c)
    exchange, remote = MirrorExchange(c, "a"), Responder(a)
    assert not exchange.must_reconcile(remote, a.epoch, True)
    put(c, "two")
    page, _ = exchange.next_push(exchange.cursor("push").sequence)
    remote.info()
    delete(a, "one")
    pass_time(3000, a, b)
    with pytest.raises(StaleCursor):
        exchange.push(remote, a.epoch, page, 0)


def test_reconciliation_begins_again_when_a_third_node_interferes(nodes: Nodes) -> None:
    a, b, c = nodes.values()
    put(a, "one")
    pass_time(200, a, b, c)
    old = a.read(lambda reader: reader.get("files/r", "one"))
    delete(a, "one")
    pass_time(3000, a)
    b.write(lambda writer: writer.delete("files/r", "one"))
    b.write(lambda writer: writer.connection.execute("DELETE FROM record WHERE dead = 1"))  # as if it had never had it

    class Interfering(Responder):
        """Another node's record arrives at b right after its collection was compared."""

        times = 0

        def get(self, collection: str, keys: Any) -> Any:
            if collection == NODES and not self.times:
                self.times += 1
                b.write(lambda writer: writer.apply([old]))
            return super().get(collection, keys)

    remote = Interfering(a)
    exchange = MirrorExchange(b, "a")
    assert exchange.must_reconcile(remote, a.epoch, True)
    exchange.reconcile(remote, True)
    assert remote.times == 1
    assert (keys(a), keys(b)) == ([], [])


@pytest.mark.parametrize("job", [lambda writer: writer.beat(), lambda writer: writer.heard()])
def test_signs_of_life_are_heard(nodes: Nodes, job: Callable[[Any], Any]) -> None:
    store = nodes["a"]
    store.write(job)
    heard = store.read(lambda reader: reader.heard())
    assert heard.sign_of("a") == heard.newest.get("a", 0)
    assert heard.sign_of("b") == 0


class Breaking(Responder):
    """A connection that breaks when records of one collection are asked for."""

    def __init__(self, store: SqliteStore, collection: str) -> None:
        super().__init__(store)
        self._breaks_at = collection

    def get(self, collection: str, keys: Sequence[str], asked: bool = True) -> Iterator[Page]:
        if collection == self._breaks_at:
            raise SyncError("the connection broke")
        return super().get(collection, keys, asked)


def break_off(store: SqliteStore, other: SqliteStore, collection: str) -> None:
    """Compare two nodes that both hold something, until what is to come of a collection."""
    with pytest.raises(SyncError):
        exchange_all(Round(MirrorExchange(store, other.node), pushing=True), Breaking(other, collection), other.epoch)


def forget_each_other(*stores: SqliteStore) -> None:
    """Have each node be without the others for longer than it remembers a deletion."""
    for store in stores:
        put(store, "gone")
        delete(store, "gone")
        pass_time(3000, store)
        assert keys(store, dead=True) in ([], ["deleted"])


def test_what_had_not_come_when_a_comparison_broke_off_is_not_taken_for_deleted_later(nodes: Nodes) -> None:
    a, b, _ = nodes.values()
    a.write(lambda writer: writer.set_fields("rooms", "r", {"QRname": "Lobby"}))
    put(a, "later than the room")
    put(b, "so that it is not empty")
    break_off(b, a, "rooms")
    assert keys(b) == ["later than the room", "so that it is not empty"]
    forget_each_other(a, b)
    meet(b, a)
    for store in (a, b):
        assert store.read(lambda reader: reader.get("rooms", "r")).dead is False
        assert conflicts(store) == []


def test_what_came_over_a_comparison_that_broke_off_and_was_deleted_does_not_come_back(nodes: Nodes) -> None:
    a, b, _ = nodes.values()
    a.write(lambda writer: writer.set_fields("rooms", "r", {"QRname": "Lobby"}))
    put(a, "deleted")
    put(b, "so that it is not empty")
    break_off(b, a, "rooms")
    delete(b, "deleted")
    forget_each_other(a, b)
    meet(b, a)
    for store in (a, b):
        assert keys(store) == ["so that it is not empty"]


def test_a_deletion_holds_of_what_never_came_to_the_node_that_took_it(nodes: Nodes) -> None:
    """Its horizon is later than what is deleted, and was agreed to without the node where that was shown."""
    a, b, _ = nodes.values()
    put(b, "shown elsewhere")
    put(a, "deleted")
    delete(a, "deleted")
    pass_time(3000, a)
    (shown,) = b.read(lambda reader: reader.scan("files/r"))
    assert shown.stamp < a.read(lambda reader: reader.horizon())
    a.write(lambda writer: writer.write(deletion_of(shown)))
    reconcile(a, Responder(b), "b", push=True)
    assert [keys(store) for store in (a, b)] == [[], []]
    assert conflicts(b) == []


def test_an_edit_of_what_never_came_to_the_node_that_took_it_deletes_nothing(nodes: Nodes) -> None:
    a, b, _ = nodes.values()
    b.write(lambda writer: writer.set_fields("rooms", "r", {"QRname": "Lobby", "QRorder": "1"}))
    put(a, "deleted")
    delete(a, "deleted")
    pass_time(3000, a)
    shown = b.read(lambda reader: reader.get("rooms", "r"))
    edit = Draft("rooms", "r", base_of(shown), head=pack_head({"QRorder": "2"}))
    a.write(lambda writer: writer.write(edit))
    reconcile(a, Responder(b), "b", push=True)
    for store in (a, b):
        held = store.read(lambda reader: reader.get("rooms", "r"))
        assert (held.dead, values_of(held)) == (False, {"QRname": "Lobby", "QRorder": "2"})


def test_an_edit_of_what_was_here_and_is_deleted_and_forgotten_is_kept_apart(nodes: Nodes) -> None:
    a, b, _ = nodes.values()
    put(b, "deleted")
    (shown,) = b.read(lambda reader: reader.scan("files/r"))
    pass_time(200, a, b)
    delete(a, "deleted")
    pass_time(3000, a, b)
    a.write(lambda writer: writer.write(Draft("files/r", "deleted", base_of(shown), body=b"edited")))
    assert (keys(a), keys(a, dead=True), conflicts(a)) == ([], ["deleted"], ["deleted"])


def test_what_was_made_after_the_horizon_is_not_taken_for_deleted_before_it(nodes: Nodes) -> None:
    """One that met nobody, or whose clock was days behind, forgets its own deletions alone."""
    a, b, _ = nodes.values()
    put(a, "deleted")
    delete(a, "deleted")
    pass_time(3000, a)
    for key in ("edited", "other", "edited"):
        put(b, key)
    page, more = Responder(b, page_records=1).page(0)
    mirror = Source("b", mirror=True, ordered=True)
    a.write(lambda writer: writer.admit(mirror, page.records, page.crcs))
    assert (keys(a), more) == (["other"], True)  # and the connection breaks before all comes that is older
    outcome = meet(a, b)
    assert outcome is not None and outcome.absence.here.away
    for store in (a, b):
        assert keys(store) == ["edited", "other"]
        assert conflicts(store) == []


@pytest.mark.parametrize("when", ["before it is read to its end", "since then"])
def test_what_was_edited_again_is_not_taken_for_deleted_where_reading_the_feed_broke_off(
    nodes: Nodes, when: str
) -> None:
    """It lies behind what was written later in the feed, and that came."""
    a, b, _ = nodes.values()
    for key in ("edited", "other", "edited"):
        put(b, key)
    exchange, remote = MirrorExchange(a, "b"), Responder(b, page_records=1)
    assert not exchange.must_reconcile(remote, b.epoch, False)
    pages = remote.since(exchange.pull_cursor(b.epoch))
    exchange.take(next(pages), remote)
    if when == "since then":
        exchange.take(next(pages), remote)
        delete(a, "edited")
    forget_each_other(a)
    meet(a, b)
    for store in (a, b):
        assert keys(store) == (["other"] if when == "since then" else ["edited", "other"])


def test_what_a_shared_room_brought_of_our_own_mirror_tells_nothing_of_what_it_has_besides(nodes: Nodes) -> None:
    a, b, _ = nodes.values()
    a.write(lambda writer: writer.set_fields("rooms", "r", {"QRname": "Lobby"}))
    put(a, "shared")
    put(b, "so that it is not empty")
    shared = a.read(lambda reader: reader.scan("files/r"))
    partner = Source("partner", mirror=False)
    b.write(lambda writer: writer.admit(partner, shared, [record_crc(record) for record in shared]))
    forget_each_other(a, b)
    meet(b, a)
    for store in (a, b):
        assert store.read(lambda reader: reader.get("rooms", "r")).dead is False
    assert b.read(lambda reader: reader.heard()).shared == frozenset()


def test_what_a_client_saw_elsewhere_tells_nothing_of_what_is_there_besides(nodes: Nodes) -> None:
    a, b, _ = nodes.values()
    a.write(lambda writer: writer.set_fields("rooms", "r", {"QRname": "Lobby"}))
    put(a, "seen")
    (seen,) = a.read(lambda reader: reader.scan("files/r"))
    b.write(lambda writer: writer.write(Draft("files/r", "seen", base_of(seen), body=b"edited")))
    forget_each_other(a, b)
    meet(b, a)
    assert a.read(lambda reader: reader.get("rooms", "r")).dead is False


def say(store: SqliteStore, text: str) -> str:
    """Post a message under an id that others have; returns its key."""
    result = store.write(lambda writer: writer.write(Draft("messages/r", "id:k", body=text.encode())))
    assert result.record is not None
    return result.record.key


def said(store: SqliteStore) -> list[str]:
    return sorted(record.body.decode() for record in store.read(lambda reader: list(reader.scan_all("messages/r"))))


def unsay(store: SqliteStore, text: str) -> None:
    held = store.read(lambda reader: list(reader.scan_all("messages/r")))
    (key,) = (record.key for record in held if record.body == text.encode())
    store.write(lambda writer: writer.delete("messages/r", key))


@pytest.mark.parametrize("gone", ["one", "two"])
@pytest.mark.parametrize("late", ["", "while away", "after it was forgotten", "by who was away"])
def test_of_messages_of_one_id_just_those_that_were_deleted_go_again(nodes: Nodes, gone: str, late: str) -> None:
    """Whichever has the plain key, and where another one came under that meanwhile."""
    a, b, c = nodes.values()
    kept = "two" if gone == "one" else "one"
    say(a, gone)
    if not late:
        say(a, kept)
    pass_time(200, a, b, c)
    unsay(a, gone)
    if late == "while away":
        say(a, kept)
    pass_time(3000, a, b)
    if late == "after it was forgotten":
        say(a, kept)
    if late == "by who was away":
        say(c, kept)
    meet(c, a)
    pass_time(300, a, b, c)
    assert [said(store) for store in (a, b, c)] == [[kept]] * 3
    assert [conflict.loser.body for conflict in c.read(lambda reader: reader.conflicts())] == [gone.encode()]


@pytest.mark.parametrize("first", ["one", "two"])
def test_a_message_that_was_filed_meanwhile_is_not_taken_for_deleted(nodes: Nodes, first: str) -> None:
    a, b, c = nodes.values()
    say(a, first)
    put(a, "deleted")
    pass_time(200, a, b, c)
    delete(a, "deleted")
    for number, store in enumerate((a, c)):
        say(store, f"later {number}")
    pass_time(3000, a, b)
    outcome = meet(c, a)
    assert outcome is not None and outcome.refused == 1
    pass_time(300, a, b, c)
    assert conflicts(c) == ["deleted"]
    assert [said(store) for store in (a, b, c)] == [sorted([first, "later 0", "later 1"])] * 3


@pytest.mark.parametrize("dials", ["who learns", "who forgot"])
def test_a_horizon_comes_with_what_those_have_seen_who_agreed_to_it(nodes: Nodes, dials: str) -> None:
    """Between the two a third node could bring back what they have deleted: it would count as something new."""
    a, b, c = nodes.values()
    put(b, "seed")
    pass_time(200, a, b, c)
    put(a, "of a alone")
    delete(a, "of a alone")
    pass_time(3000, a)
    put(c, "deleted")
    meet(c, b)
    delete(c, "deleted")
    pass_time(3000, c)
    assert (keys(c, dead=True), keys(b)) == ([], ["deleted", "seed"])
    meeting, before = False, a.read(lambda reader: reader.horizon())

    def committed() -> None:
        """As soon as it knows of what was forgotten elsewhere, its link to b compares."""
        nonlocal meeting
        if not meeting and a.read(lambda reader: reader.horizon()) != before:
            meeting = True
            with suppress(SyncError):
                reconcile(a, Responder(b, peer="a"), "b")
            meeting = False

    stop_watching = a.watch(committed)
    for _ in range(3):
        with suppress(SyncError):
            if dials == "who forgot":
                reconcile(c, Responder(a, peer="c"), "a", push=True)
            else:
                reconcile(a, Responder(c, peer="a"), "c", push=True)
    stop_watching()
    for one, other in ((a, c), (b, a), (c, b), (a, c)):
        meet(one, other)
    assert [keys(store) for store in (a, b, c)] == [["seed"]] * 3


def test_no_horizon_is_joined_with_a_peers_while_something_of_it_is_lacking(nodes: Nodes) -> None:
    """What that one has seen is not taken over then, so nobody else can be judged by it."""
    a, _, c = nodes.values()
    put(a, "seed")
    pass_time(200, a, c)
    for alone in (a, c):
        put(alone, "x")
        delete(alone, "x")
        pass_time(3000, alone)
    unfit = Unfit("files/r", "bad", 1, 1, b"\xc1", "cannot be read")
    a.write(lambda writer: writer.admit(Source("c"), [], [], [unfit]))
    before = a.read(lambda reader: reader.heard())
    reconcile(a, Responder(c, peer="a"), "c", push=True)
    assert a.read(lambda reader: (reader.heard().horizon, reader.heard().signs)) == (before.horizon, before.signs)
    a.write(lambda writer: writer.forget_aside("c"))
    reconcile(a, Responder(c, peer="a"), "c", push=True)
    assert {*a.read(lambda reader: reader.heard().horizon.nodes)} == {"a", "c"}
