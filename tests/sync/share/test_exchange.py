"""Two servers that share rooms by rules of their own: what flows, what does not, and how both rooms end."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from share_ends import IN_USE, End, Stores, both, dial, drop, exchange_with, keys, post, room, shares_of

from mirror.model.applied import Applied
from mirror.model.errors import BadContent
from mirror.model.fields import Field, pack_fields, values_of
from mirror.model.nodes import Horizon
from mirror.model.record import Record, record_crc
from mirror.store.base import Writer
from mirror.store.check import check_store
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.derived import Sums
from mirror.sync.reconcile import Reconciled
from mirror.sync.remote import Denied
from mirror.sync.share.exchange import ShareExchange
from mirror.sync.share.settling import Tried
from mirror.wire.codec import ContentRequest
from mirror.wire.values import ContentPart, Offered, Page

Make = Callable[..., SqliteStore]


# -- what flows ---------------------------------------------------------------------------------------


def test_history_news_and_deletions_flow_both_ways_and_other_rooms_stay(pair: Stores) -> None:
    a, b = pair
    both(pair)
    room(a, "a:2", "Private")
    post(a, "a:1", "old of a")
    post(b, "b:9", "old of b")
    post(a, "a:2", "private")
    large = post(a, "a:1", "large", "x" * 50_000)
    dial(b, a)
    assert keys(a, "a:1") == keys(b, "b:9") == {"old of a", "old of b", "large"}
    assert b.read(lambda reader: reader.content_complete(large.content))
    drop(b, "b:9", "old of a")
    drop(a, "a:1", "old of b")
    post(a, "a:1", "new")
    dial(b, a)
    assert keys(a, "a:1") == keys(b, "b:9") == {"large", "new"}
    assert b.read(lambda reader: [name for name in reader.digests() if name.startswith("messages/")]) == [
        "messages/b:9"
    ]
    assert check_store(a).problems == check_store(b).problems == []


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_a_direction_is_kept_whoever_dials(make_store: Make, direction: str) -> None:
    for dialling in (0, 1):
        a, b = make_store("a"), make_store("b")
        both((a, b), f"mirror_share|b|Foyer|direction={direction}")
        post(a, "a:1", "of a")
        post(b, "b:9", "of b")
        dial(*((a, b) if dialling else (b, a)))
        assert keys(a, "a:1") == ({"of a"} if direction == "push" else {"of a", "of b"})
        assert keys(b, "b:9") == ({"of b"} if direction == "pull" else {"of a", "of b"})


def test_ignets_lines_share_new_messages_but_no_deletions(pair: Stores) -> None:
    a, b = pair
    both(pair, "lastsent|5\nignet_push_share|b|Foyer", "ignet_push_share|a|Lobby")
    imported = [
        Record(
            "messages/a:1", f"id:{number}", number, "citadel:a", 1, head=b"\x81\xaamsg_msgnum\xa1%d" % number, body=b"x"
        )
        for number in (5, 6)
    ]
    a.write(lambda writer: writer.absorb(imported))
    post(a, "a:1", "new")
    dial(b, a)
    assert keys(b, "b:9") == {"6", "new"}
    drop(a, "a:1", "new")
    post(b, "b:9", "answer")
    dial(b, a)
    assert keys(b, "b:9") == {"6", "new", "answer"}
    assert keys(a, "a:1") == {"5", "6", "answer"}


def test_filters_hold_on_both_sides(pair: Stores) -> None:
    a, b = pair
    both(pair, "mirror_share|b|Foyer|author=Ann*", "mirror_share|a|Lobby|subject=*public*")
    for key, author in (("public 1", "Ann"), ("public 2", "Bob"), ("secret", "Ann")):
        post(a, "a:1", key, author=author)
    dial(b, a)
    assert keys(b, "b:9") == {"public 1"}


def test_only_what_is_new_goes_when_so_asked_and_its_deletion_too(pair: Stores) -> None:
    a, b = pair
    old = post(a, "a:1", "old")
    since = (old.stamp >> 16) + 1
    a.write(lambda writer: writer.clock.observe((since + 1) << 16))
    moment = datetime.fromtimestamp(since / 1000, UTC).isoformat(timespec="milliseconds")
    both(pair, f"mirror_share|b|Foyer|since={moment}")
    post(a, "a:1", "new")
    dial(b, a)
    assert keys(b, "b:9") == {"new"}
    drop(a, "a:1", "new")
    drop(a, "a:1", "old")
    dial(b, a)
    assert keys(b, "b:9") == set()
    held = b.read(lambda reader: [record.key for record in reader.scan("messages/b:9")])
    assert held == ["id:new"]  # of the old one, which was never shared, not even the deletion came


def test_deletions_behind_a_filter_are_told_of_keys_that_are_named(pair: Stores) -> None:
    a, b = pair
    both(pair, "mirror_share|b|Foyer|author=Ann*|direction=push")
    post(a, "a:1", "shown")
    post(a, "a:1", "hidden", author="Bob")
    dial(b, a)
    for key in ("shown", "hidden"):
        drop(a, "a:1", key)
    exchange = dial(b, a)
    assert keys(b, "b:9") == {"shown"}
    compare(exchange, exchange_with(b, a)[1])
    assert keys(b, "b:9") == set()
    assert b.read(lambda reader: [record.key for record in reader.scan("messages/b:9")]) == ["id:shown"]


def test_the_same_message_by_mail_and_by_the_share_is_one(pair: Stores) -> None:
    a, b = pair
    both(pair)
    for store, key in ((a, "a:1"), (b, "b:9")):
        by_mail(store, key, "same@example.org", "Text")
    dial(b, a)
    dial(a, b)
    assert keys(a, "a:1") == keys(b, "b:9") == {"same@example.org"}
    bodies = {store.read(lambda reader, n=name: reader.get(n, "id:same@example.org")).body for store, name in
              ((a, "messages/a:1"), (b, "messages/b:9"))}  # fmt: skip
    assert len(bodies) == 1
    assert [one for store in pair for one in store.read(lambda reader: reader.conflicts())] == []


def by_mail(store: SqliteStore, room_key: str, name: str, text: str) -> None:
    """File a mail as it came to a server: with what the servers on its way added, which differs."""
    way = f"Received: from there\n by {store.node}\nX-Spam-Score: {len(room_key)}\n"
    body = b"\xffA\x04" + f"I{name}\0P{store.node}!x\0V{store.node}\0M{way}Subject: s\n\n{text}\0".encode()
    store.write(lambda writer: writer.put(Record(f"messages/{room_key}", f"id:{name}", 1, "x", 1, body=body)))


def test_different_messages_of_one_id_are_both_on_both_sides_and_deleted_one_by_one(pair: Stores) -> None:
    a, b = pair
    both(pair)
    post(a, "a:1", "same@example.org", "posted at a")
    post(b, "b:9", "same@example.org", "posted at b")
    dial(b, a)
    dial(a, b)
    (one, other) = sorted(keys(a, "a:1"))
    assert (one, keys(b, "b:9")) == ("same@example.org", {one, other})
    drop(b, "b:9", other)
    dial(b, a)
    assert keys(a, "a:1") == keys(b, "b:9") == {one}
    assert [one for store in pair for one in store.read(lambda reader: reader.conflicts())] == []


def test_settings_files_and_marks_flow_as_listed_and_names_stay(pair: Stores) -> None:
    a, b = pair
    both(
        pair,
        "mirror_share|b|Foyer|what=settings,files,marks",
        "mirror_share|a|Lobby|what=settings,files,marks,messages",
    )
    a.write(
        lambda writer: writer.set_fields(
            "rooms", "a:1", {"QRdefaultview": "3", "QRpasswd": "secret", "QRroomaide": "7"}
        )
    )
    a.write(lambda writer: writer.put(Record("room-info", "a:1", 1, "x", 1, body=b"About")))
    a.write(lambda writer: writer.put(Record("room-info", "a:2", 1, "x", 1, body=b"Of another room")))
    a.write(lambda writer: writer.put(Record("files/a:1", "f.txt", 1, "x", 1, body=b"file")))
    a.write(lambda writer: writer.set_fields("visits/a:1", "a:7 id:x", {"seen": True}))
    a.write(lambda writer: writer.set_fields("visits/a:1", "a:7", {"v_flags": "4"}))
    post(a, "a:1", "not listed on a")
    for _ in range(2):
        dial(b, a)
    values = values_of(b.read(lambda reader: reader.get("rooms", "b:9")))
    assert values == {"QRname": "Foyer", "QRflags": IN_USE, "QRdefaultview": "3"}
    assert b.read(lambda reader: reader.get("room-info", "b:9")).body == b"About"
    assert b.read(lambda reader: reader.get("room-info", "a:2")) is None
    assert b.read(lambda reader: reader.get("files/b:9", "f.txt")).body == b"file"
    assert [one.key for one in b.read(lambda reader: reader.scan("visits/b:9"))] == ["a:7 id:x"]
    assert keys(b, "b:9") == set()
    b.write(lambda writer: writer.set_fields("rooms", "b:9", {"QRdefaultview": "1"}))
    dial(b, a)
    held = values_of(a.read(lambda reader: reader.get("rooms", "a:1")))
    assert (held["QRdefaultview"], held["QRpasswd"], held["QRname"]) == ("1", "secret", "Lobby")


# -- what must not happen -----------------------------------------------------------------------------


def test_nothing_else_can_be_read_or_written(pair: Stores) -> None:
    a, _ = pair
    both(pair)
    room(a, "a:2", "Private")
    hidden = post(a, "a:2", "hidden", "h" * 50_000)
    end = End(a, shares_of(a, "b"))
    assert set(end.info().collections or {}) <= {"messages/a:1"}
    for collection in (
        "messages/a:2",
        "messages/a:77",
        "rooms",
        "users",
        "config",
        "nodes",
        "netconf/a:1",
        "visits/a:1",
    ):
        with pytest.raises(Denied):
            list(end.get(collection, ["id:hidden"]))
        with pytest.raises(Denied):
            end.ranges(collection, [])
        record = Record(collection, "k", 5, "b", 5)
        with pytest.raises(Denied):
            end.offer([Page([record], [record_crc(record)])])
    with pytest.raises(Denied):
        list(end.body([ContentRequest(hidden.content)]))


def test_a_hash_opens_nothing_on_the_side_that_answers(pair: Stores) -> None:
    a, _ = pair
    both(pair)
    room(a, "a:2", "Private")
    hidden = post(a, "a:2", "hidden", "h" * 50_000)
    end = End(a, shares_of(a, "b"))
    claim = Record("messages/a:1", "id:claim", 5, "b", 5, content=hidden.content, size=hidden.size)
    page = Page([claim], [record_crc(claim)])
    assert end.lacks([ContentRequest(hidden.content)]) == [ContentRequest(hidden.content)]  # as if it were not here
    with pytest.raises(Denied, match="was not sent"):
        end.offer([page])
    forged = ContentPart(hidden.content, 0, hidden.size, b"?" * hidden.size)
    with pytest.raises(BadContent, match="another SHA-256"):  # as if it were not here
        end.offer([forged, page])
    with pytest.raises(Denied, match="was not sent"):
        end.offer([page])
    body = a.read(lambda reader: reader.body(hidden))
    end.offer([ContentPart(hidden.content, 0, hidden.size, body), page])  # who has it may refer to it
    assert keys(a, "a:1") == {"claim"}


def test_a_hash_opens_nothing_on_the_side_that_asks(pair: Stores) -> None:
    a, b = pair
    both(pair)
    room(b, "b:2", "Private")
    hidden = post(b, "b:2", "hidden", "h" * 50_000)
    claim = Record("messages/a:1", "id:claim", 5, "a", 5, content=hidden.content, size=hidden.size)

    class Liar(End):
        def since(self, cursor: Any, allows: Any = None) -> Any:
            yield Page([claim], [record_crc(claim)], None)

        def body(self, requests: Any) -> Any:
            for request in requests:
                yield ContentPart(request.content, 0, hidden.size, b"?" * hidden.size)

    shares = shares_of(b, "a")
    exchange, liar = ShareExchange(b, "a", shares.scope, shares.rooms), Liar(a, shares_of(a, "b"))
    exchange.must_reconcile(liar, a.epoch, False)
    for page in liar.since(None):
        exchange.take(page, liar)
    assert keys(b, "b:9") == set()


def test_what_comes_by_a_lying_peer_is_judged_by_our_rule(pair: Stores) -> None:
    a, b = pair
    both(pair, b_line="mirror_share|a|Lobby|direction=push")
    record = Record("messages/a:1", "id:x", 5, "a", 5, body=b"x")
    exchange, remote = exchange_with(b, a)
    exchange.must_reconcile(remote, a.epoch, False)
    exchange.take(Page([record], [record_crc(record)]), remote)
    assert keys(b, "b:9") == set()


def test_a_deletion_forgotten_while_the_share_was_cut_does_not_come_back(pair: Stores) -> None:
    a, b = pair
    both(pair)
    for key in ("kept", "deleted on a", "deleted on b"):
        post(a, "a:1", key)
    dial(b, a)
    dial(a, b)
    drop(a, "a:1", "deleted on a")
    drop(b, "b:9", "deleted on b")
    for store in pair:

        def forget(writer: Writer) -> None:
            writer.beat()
            writer.advance_horizon(Horizon(writer.clock.tick(), (writer.origin(),)))

        store.write(forget)
        assert store.read(lambda reader: reader.trimmed())
    post(a, "a:1", "new on a")
    post(b, "b:9", "new on b")
    assert dial(b, a).notes == ["Foyer: 2 records older than remembered deletions are on one side only, and stay there"]
    note = "2 records older than remembered deletions are on one side only, and stay there"
    for dials, dialled, name in ((b, a, "Foyer"), (b, a, "Foyer"), (a, b, "Lobby"), (a, b, "Lobby")):
        assert keys(a, "a:1") == {"kept", "deleted on b", "new on a", "new on b"}
        assert keys(b, "b:9") == {"kept", "deleted on a", "new on a", "new on b"}
        exchange, remote = exchange_with(dials, dialled)  # as after a restart
        compare(exchange, remote)
        assert exchange.notes == [f"{name}: {note}"]
    drop(b, "b:9", "deleted on a")
    post(a, "a:1", "deleted on b", "written again")
    dial(b, a)
    assert keys(a, "a:1") == keys(b, "b:9") == {"kept", "deleted on b", "new on a", "new on b"}


def test_a_partner_that_was_put_back_does_not_bring_back_what_was_deleted_long_ago(pair: Stores) -> None:
    a, b = pair
    both(pair)
    post(a, "a:1", "deleted")
    dial(b, a)

    def forget(writer: Writer) -> None:
        writer.beat()
        writer.advance_horizon(Horizon(writer.clock.tick(), (writer.origin(),)))

    drop(a, "a:1", "deleted")
    a.write(forget)
    b.renew_epoch()
    assert dial(b, a).notes == ["Foyer: 1 records older than remembered deletions are on one side only, and stay there"]
    assert keys(a, "a:1") == set()


@pytest.mark.parametrize("side", ["dials", "is dialled"])
def test_sharing_anew_sends_the_history_again(pair: Stores, side: str) -> None:
    a, b = pair
    both(pair)
    post(a, "a:1", "one")
    dial(b, a)
    where = (b, "b:9", "Foyer") if side == "dials" else (a, "a:1", "Lobby")
    room(*where, "listrecp|x@y")
    post(a, "a:1", "while it was not shared")
    post(b, "b:9", "there too")
    dial(b, a)
    room(*where, "mirror_share|a|Lobby" if side == "dials" else "mirror_share|b|Foyer")
    dial(b, a)
    assert keys(a, "a:1") == keys(b, "b:9") == {"one", "while it was not shared", "there too"}


def test_a_wider_rule_brings_what_it_opens(pair: Stores) -> None:
    a, b = pair
    both(pair, "mirror_share|b|Foyer|author=Ann*")
    post(a, "a:1", "of Ann")
    post(a, "a:1", "of Bob", author="Bob")
    dial(b, a)
    assert keys(b, "b:9") == {"of Ann"}
    room(a, "a:1", "Lobby", "mirror_share|b|Foyer")
    dial(b, a)
    assert keys(b, "b:9") == {"of Ann", "of Bob"}


def test_a_share_costs_what_is_shared(make_store: Make) -> None:
    """Three of a thousand rooms: three digests are told, whatever else there is."""
    a = make_store("a")
    crowd: Iterable[Record] = (
        Record(f"messages/a:{number}", "id:x", 5, "a", 5, body=b"x") for number in range(100, 1100)
    )
    a.write(lambda writer: writer.apply(list(crowd)))
    for number in (1, 2, 3):
        room(a, f"a:{number}", f"Room {number}", "mirror_share|b")
        post(a, f"a:{number}", "hello")
    end = End(a, shares_of(a, "b"))
    told = end.info().collections or {}
    assert set(told) == {"messages/a:1", "messages/a:2", "messages/a:3"}
    own = a.read(lambda reader: {name: reader.digest(name) for name in told})
    assert told == own  # the store's own, kept with every commit: nothing is computed


def compare(exchange: ShareExchange, remote: End) -> Reconciled:
    """Do what a link does on its schedule, and compare all pairs, whatever is known of them."""
    if exchange.must_reconcile(remote, remote.store.epoch, True):
        exchange.reconcile(remote, True)
    return exchange.reconcile(remote, True)


def test_a_room_is_read_for_the_first_comparison_and_then_only_where_it_changed(
    pair: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = pair
    both(pair)
    many = [Record("messages/b:9", f"id:{number:05}", 1000 + number, "b", 1, body=b"x") for number in range(3000)]
    b.write(lambda writer: writer.apply(many))
    read: list[str] = []

    def counted(record: Record) -> int:
        read.append(record.key)
        return record_crc(record)

    monkeypatch.setattr("mirror.sync.derived.record_crc", counted)
    exchange, remote = exchange_with(b, a)
    exchange.must_reconcile(remote, a.epoch, True)
    exchange.reconcile(remote, True)
    assert len(read) >= 3000
    read.clear()
    compare(exchange, remote)
    assert read == []
    post(b, "b:9", "new")
    compare(exchange, remote)
    assert 0 < len(read) < 1000
    assert "new" in keys(a, "a:1")


def test_sums_outlive_the_exchange_that_made_them(pair: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = pair
    both(pair)
    post(b, "b:9", "kept")
    dial(b, a)
    sums, shares = Sums(), shares_of(b, "a")
    read: list[str] = []

    def counted(record: Record) -> int:
        read.append(record.key)
        return record_crc(record)

    monkeypatch.setattr("mirror.sync.derived.record_crc", counted)
    for wanted in (["id:kept"], []):
        read.clear()
        exchange = ShareExchange(b, "a", shares.scope, shares.rooms, sums)
        compare(exchange, End(a, shares_of(a, "b")))
        assert read == wanted


def test_the_first_comparison_on_schedule_compares_what_was_in_touch_too(pair: Stores) -> None:
    a, b = pair
    both(pair)
    dial(b, a)
    exchange, remote = exchange_with(b, a)
    assert not exchange.must_reconcile(remote, a.epoch, True)
    lost = Record("messages/a:1", "id:lost", 5, "a", 1, body=b"x")  # as if the feed had been read past it
    a.write(lambda writer: writer.apply([lost]))
    assert exchange.reconcile(remote, True).wanted == 1


def test_equal_rooms_are_told_by_their_digests_in_one_round_trip(make_store: Make) -> None:
    a, b = make_store("a"), make_store("b")
    for number in range(10):
        room(a, f"a:{number}", f"Room {number}", "mirror_share|b")
        room(b, f"b:{number}", f"Room {number}", "mirror_share|a")
        post(a, f"a:{number}", "hello")
    dial(b, a)
    exchange, remote = exchange_with(b, a)
    outcome = compare(exchange, remote)
    assert (outcome.trips, outcome.wanted, outcome.surplus) == (1, 0, 0)


@pytest.mark.parametrize("side", ["dials", "is dialled"])
def test_what_a_filter_keeps_on_one_side_is_tried_once_and_its_deletion_still_told(pair: Stores, side: str) -> None:
    a, b = pair
    lines = ["mirror_share|b|Foyer", "mirror_share|a|Lobby"]
    lines[side == "dials"] += "|subject=*public*"
    both(pair, *lines)
    for store, key in ((a, "a:1"), (b, "b:9")):
        post(store, key, f"public at {store.node}")
        post(store, key, f"secret at {store.node}")
        post(store, key, "secret of both", "at both")
    asked: list[str] = []

    class Counting(End):
        def get(self, collection: str, keys: Sequence[str], asked_for: bool = True) -> Iterator[Page]:
            for page in super().get(collection, keys, asked_for):
                asked.extend(record.key for record in page.records)
                yield page

        def offer(self, offered: Iterable[Offered]) -> Applied:
            items = list(offered)
            asked.extend(record.key for item in items if isinstance(item, Page) for record in item.records)
            return super().offer(items)

    exchange, remote = exchange_with(b, a)[0], Counting(a, shares_of(a, "b"))
    compare(exchange, remote)
    assert keys(a, "a:1") == {"public at a", "public at b", "secret at a", "secret of both"}
    assert keys(b, "b:9") == {"public at a", "public at b", "secret at b", "secret of both"}
    assert any(key.startswith("id:secret") for key in asked)
    asked.clear()
    assert compare(exchange, remote).differing == []
    assert asked == []
    post(b, "b:9", "public too")
    drop(a, "a:1", "secret of both")
    compare(exchange, remote)
    assert "public too" in keys(a, "a:1")
    assert keys(b, "b:9") == {"public at a", "public at b", "public too", "secret at b"}


def test_more_than_can_be_noted_is_tried_again() -> None:
    tried = Tried(limit=3)
    tried.note("x", "one", (1, 2))
    tried.note("y", "one", (3, 4))
    assert (tried.of("x", "one"), tried.of("y", "one")) == ({1, 2}, frozenset())
    assert tried.of("x", "another") == frozenset()
    tried.note("x", "another", (5,))
    tried.note("y", "one", (3, 4))
    assert (tried.of("x", "another"), tried.of("y", "one")) == ({5}, {3, 4})


def test_what_is_only_pushed_is_offered_once_and_after_that_as_it_changes(pair: Stores) -> None:
    a, b = pair
    both(pair, a_line="mirror_share|b|Foyer|direction=pull")
    post(b, "b:9", "first")
    exchange, remote = exchange_with(b, a)
    exchange.must_reconcile(remote, a.epoch, True)
    assert exchange.reconcile(remote, True).surplus == 1
    assert compare(exchange, remote).surplus == 0
    post(b, "b:9", "second")
    dial(b, a)
    assert keys(a, "a:1") == {"first", "second"}
    room(a, "a:1", "Lobby", "mirror_share|b|Foyer|direction=pull|max_size=9k")  # another rule: all of it once more
    exchange, remote = exchange_with(b, a)
    assert exchange.must_reconcile(remote, a.epoch, True)
    assert exchange.reconcile(remote, True).surplus == 2


def test_fields_of_a_room_are_adopted_without_its_birth(make_store: Make) -> None:
    a = make_store("a")
    room(a, "a:1", "Lobby")
    before = a.read(lambda reader: reader.get("rooms", "a:1"))
    later = before.stamp + 1
    other = Record("rooms", "a:1", later, "b", 1, head=pack_fields({"QRdefaultview": Field("3", later, "b")}))
    assert a.write(lambda writer: writer.adopt(other)).written == 1
    assert a.write(lambda writer: writer.adopt(other)).already_held == 1
    held = a.read(lambda reader: reader.get("rooms", "a:1"))
    assert held.born == before.born
    assert values_of(held) == {**values_of(before), "QRdefaultview": "3"}


def test_a_deleted_room_is_one_that_is_not_shared_any_more_also_through_a_relaying_mirror(make_store: Make) -> None:
    a, relay, b = make_store("a"), make_store("relay"), make_store("b")
    room(a, "a:1", "Lobby", "mirror_share|b|Foyer")
    room(b, "b:9", "Foyer", "mirror_share|relay|Lobby")
    for key in ("one", "two", "three"):
        post(a, "a:1", key)
    relay.write(lambda writer: writer.apply(a.read(lambda reader: reader.feed(0)).records))
    dial(b, relay)
    assert keys(b, "b:9") == {"one", "two", "three"}
    at = a.read(lambda reader: reader.last_sequence())
    a.write(lambda writer: writer.delete("rooms", "a:1"))
    deleted = a.read(lambda reader: reader.feed(at)).records
    assert len([record for record in deleted if record.collection == "messages/a:1"]) == 3
    for record in deleted:
        relay.write(lambda writer, one=record: writer.apply([one]))
        dial(b, relay)  # at whatever moment
    living = b.read(lambda reader: reader.newest("messages/b:9", 9))
    assert {record.key for record in living} == {"id:one", "id:two", "id:three"}
    assert shares_of(relay, "b").rooms == []
