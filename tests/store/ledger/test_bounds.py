"""What one party can make is bounded for that party, and nothing unresolved is thrown away."""

from collections.abc import Callable

import msgspec
import pytest

from mirror.model.draft import Base, Draft, base_of
from mirror.model.fields import fields_at
from mirror.model.judge import finding
from mirror.model.kinds import NODES
from mirror.model.nodes import newest_seen
from mirror.model.record import Record, record_crc
from mirror.model.stamp import make_stamp
from mirror.store.base import Backend, Writer
from mirror.store.errors import BoundReached, TooMuchAside
from mirror.store.renew import renew
from mirror.store.values import Acting, Source

Make = Callable[..., Backend]
NOW_MS = 1_700_000_000_000


@pytest.fixture
def store(make_store: Make) -> Backend:
    return make_store("m", now_ms=lambda: NOW_MS)


def record(key: str, origin: str = "p", past: tuple[tuple[str, int], ...] = (), body: bytes = b"x") -> Record:
    stamp = make_stamp(NOW_MS - 1000) + len(body)
    return Record("files/r", key, stamp, origin, 1, past=past, body=body)


def admit(store: Backend, *records: Record, mirror: bool = False) -> None:
    crcs = [record_crc(one) for one in records]
    store.write(lambda writer: writer.admit(Source("partner", mirror), records, crcs))


def test_a_share_partner_makes_as_many_conflicts_as_it_may_and_no_more(
    store: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.store.ledger.admitting.MAX_CONFLICTS_SHARE", 2)
    for number in range(3):
        store.write(lambda writer, number=number: writer.put(Record("files/r", f"k{number}", 1, "x", 1, body=b"ours")))
    for number in range(2):
        admit(store, record(f"k{number}", body=b"theirs"))
    with pytest.raises(BoundReached, match="made by peer partner are not resolved"):
        admit(store, record("k2", body=b"theirs"), record("other"))
    assert store.read(lambda reader: reader.conflict_count()) == 2
    assert store.read(lambda reader: reader.get("files/r", "other")) is None  # all or nothing
    admit(store, record("other"))  # what makes no conflict is taken still
    store.write(lambda writer: writer.dismiss(writer.conflicts()[0].number))
    admit(store, record("k2", body=b"theirs"))


def test_a_party_makes_conflicts_by_drafts(store: Backend) -> None:
    first = store.write(lambda writer: writer.put(Record("files/r", "k", 1, "x", 1, body=b"0")))

    def edit(writer: object) -> None:
        writer.act_for(Acting("user ann", 1))  # type: ignore[attr-defined]
        writer.write(Draft("files/r", "k", base_of(first), body=b"%d" % writer.last_sequence()))  # type: ignore[attr-defined]

    store.write(edit)
    store.write(lambda writer: writer.put(Record("files/r", "k", 1, "x", 1, body=b"between")))
    store.write(edit)
    with pytest.raises(BoundReached):
        store.write(edit)
    store.write(lambda writer: writer.put(Record("files/r", "k", 1, "x", 1, body=b"others go on")))


def test_a_share_partner_names_as_many_origins_as_it_may_and_its_other_records_go_on(
    store: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.store.ledger.sorting.MAX_ORIGINS_SHARE", 3)
    admit(store, record("one", past=(("x1", 5), ("x2", 5))))  # p, x1, x2
    admit(store, record("two", past=tuple((f"y{number}", 5) for number in range(1000))), record("three"))
    assert store.read(lambda reader: sorted(one.key for one in reader.scan_all("files/r"))) == ["one", "three"]
    (aside,) = store.read(lambda reader: reader.aside("partner"))
    assert aside.unfit.key == "two"
    assert "more than the 3 origins" in aside.unfit.reason
    assert len(store.read(lambda reader: reader.heard()).newest) == 3


def test_signs_of_life_name_mirrors_alone(store: Backend) -> None:
    admit(store, record("one", past=(("x1", 5), ("citadel:t", 5))))
    imported = Record("files/r", "two", 5, "citadel:s", 1, body=b"x")
    store.write(lambda writer: writer.absorb([imported]))
    sign = store.write(lambda writer: writer.beat())
    assert b"x1" not in sign.head
    assert b"citadel:t" not in sign.head
    assert b"citadel:s" in sign.head
    again = store.write(lambda writer: writer.beat())
    assert again.origin.encode() in again.head


def test_a_client_invents_as_many_origins_for_its_bases_as_it_may_and_no_more(store: Backend) -> None:
    def draft(key: str, *origins: str, limit: int = 3) -> None:
        named = tuple((origin, 5) for origin in sorted(origins))
        one = Draft("files/r", key, Base(9, "m", named), body=key.encode())

        def job(writer: Writer) -> None:
            writer.act_for(Acting("user eve", 1000, limit))
            writer.write(one)

        store.write(job)

    draft("one", "x1", "x2")
    draft("again", "x1", "x2")
    with pytest.raises(BoundReached, match="name over 3 origins that nobody here has heard of"):
        draft("two", "y1", "y2")
    draft("three", "y1")
    assert store.read(lambda reader: reader.get("files/r", "two")) is None
    draft("a client that is trusted", *(f"z{number}" for number in range(50)), limit=0)


def test_a_mirror_may_name_more(store: Backend) -> None:
    admit(store, record("one", past=tuple((f"y{number}", 5) for number in range(1000))), mirror=True)
    assert store.read(lambda reader: reader.aside_counts()) == {}


def test_resolved_conflicts_go_with_time_and_no_others(store: Backend) -> None:
    for key in ("a", "b"):
        store.write(lambda writer, key=key: writer.put(Record("files/r", key, 1, "x", 1, body=b"ours")))
        admit(store, record(key, body=b"theirs"))
    store.write(lambda writer: writer.dismiss(1))
    assert store.write(lambda writer: writer.drop_conflicts(NOW_MS - 1000)) == 0
    assert store.write(lambda writer: writer.drop_conflicts(NOW_MS + 1000)) == 1
    assert [one.number for one in store.read(lambda reader: reader.conflicts(unresolved=False))] == [2]


def test_conflicts_are_read_page_by_page(store: Backend) -> None:
    for number in range(5):
        key = f"k{number}"
        store.write(lambda writer, key=key: writer.put(Record("files/r", key, 1, "x", 1, body=b"ours")))
        admit(store, record(key, body=b"theirs"))
    first = store.read(lambda reader: reader.conflicts(limit=2))
    rest = store.read(lambda reader: reader.conflicts(before=first[-1].number))
    assert [one.number for one in (*first, *rest)] == [5, 4, 3, 2, 1]


def test_what_is_set_aside_of_a_party_is_bounded_in_bytes(store: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.store.ledger.admitting.MAX_ASIDE_BYTES", 1000)
    day = 86_400_000 << 16

    def ahead(key: str) -> Record:
        one = record(key, body=b"x" * 300)
        return msgspec.structs.replace(one, stamp=one.stamp + day)

    admit(store, ahead("one"), ahead("two"))
    with pytest.raises(TooMuchAside, match="nothing more is taken from it"):
        admit(store, ahead("three"), ahead("four"))
    assert store.read(lambda reader: reader.aside_counts()) == {"partner": 2}


def test_a_share_partner_makes_nothing_new_where_very_much_is(store: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.store.ledger.sorting.MAX_KEYS_SHARE", 2)
    admit(store, record("one"), record("two"))
    with pytest.raises(BoundReached, match="files/r holds 2 records: partner"):
        admit(store, record("three"))
    admit(store, record("one", body=b"again"))
    admit(store, record("three"), mirror=True)


def test_nor_another_message_of_an_id_that_is_there(store: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    def message(text: bytes, stamp: int) -> Record:
        return msgspec.structs.replace(record("id:k", body=text), collection="messages/r", stamp=make_stamp(stamp))

    monkeypatch.setattr("mirror.store.ledger.sorting.MAX_KEYS_SHARE", 1)
    admit(store, message(b"one", NOW_MS - 2))
    admit(store, message(b"one", NOW_MS - 1))
    with pytest.raises(BoundReached, match="messages/r holds 1 records: partner"):
        admit(store, message(b"two", NOW_MS - 1))


@pytest.mark.parametrize("newest", [{"x": 1 << 62}, {5: 5}, {"": 5}, {"x" * 256: 5}, {"x": True}, {"x": 0}])
def test_no_sign_of_life_says_that_its_node_has_seen_the_future(store: Backend, newest: dict[object, int]) -> None:
    """It would be told on, and an away node's records be taken for seen and deleted."""
    stamp = make_stamp(NOW_MS - 1000)
    sign = Record(NODES, "p", stamp, "p", stamp, head=msgspec.msgpack.encode({"newest": newest}))
    assert finding(sign)
    right = Record(NODES, "p", stamp, "p", stamp, head=msgspec.msgpack.encode({"newest": {"p": stamp}}))
    admit(store, right, mirror=True)
    assert store.read(lambda reader: reader.heard()).newest == {"p": stamp}


def test_what_an_older_version_let_in_of_the_future_is_not_told_on(store: Backend) -> None:
    store.write(lambda writer: writer.note_newest({"p": 1 << 62, "q": 5}))  # type: ignore[attr-defined]
    admit(store, *(Record(NODES, name, make_stamp(NOW_MS) - 9, name, 1) for name in "pq"), mirror=True)
    assert "p" not in newest_seen(store.write(lambda writer: writer.beat()))
    assert "q" in newest_seen(store.write(lambda writer: writer.beat()))


# -- what a share partner says of others ----------------------------------------------------------------


def reasons(store: Backend) -> list[str]:
    return [one.unfit.reason for one in store.read(lambda reader: reader.aside("partner"))]


@pytest.mark.parametrize("origin", ["m", "citadel:alpha"])
def test_a_share_partner_brings_nothing_new_of_our_own_or_of_a_server_that_we_hold(store: Backend, origin: str) -> None:
    held = msgspec.structs.replace(record("held"), origin=origin)
    admit(store, held, mirror=True)
    admit(store, held)  # it may come back
    for key in ("held", "new"):
        admit(store, Record("files/r", key, held.stamp + 1, origin, 1, body=b"forged"))
    assert store.read(lambda reader: reader.get("files/r", "held")) == held
    assert store.read(lambda reader: reader.get("files/r", "new")) is None
    assert [reason.split(",")[0] for reason in reasons(store)] == [f"it says to be of {origin}"] * 2
    admit(store, record("other"))
    assert store.read(lambda reader: reader.get("files/r", "other")) is not None


def test_what_a_share_partner_has_of_an_earlier_life_of_ours_is_taken(store: Backend) -> None:
    store.write(lambda writer: writer.rename_origin("m~2"))
    lost = record("lost", origin="m")
    admit(store, lost)
    assert store.read(lambda reader: reader.get("files/r", "lost")) == lost


def test_what_a_store_wrote_before_it_was_put_back_is_taken_once_it_is_renewed(store: Backend) -> None:
    lost = record("lost", origin="m")
    admit(store, lost)
    assert ["ctdlmirror renew" in reason for reason in reasons(store)] == [True]
    renew(store, 0, lambda _done: None)
    assert reasons(store) == []
    assert [*store.read(lambda reader: reader.coming_again())] == ["partner"]  # so the rooms are compared
    admit(store, lost)
    assert store.read(lambda reader: reader.get("files/r", "lost")) == lost


def test_a_server_that_only_the_partner_holds_is_the_partners_to_tell_of(store: Backend) -> None:
    for number in range(2):
        admit(store, record(f"k{number}", origin="citadel:theirs"))
    assert reasons(store) == []
    assert store.read(lambda reader: reader.get("files/r", "k1")) is not None


def test_what_was_of_ours_before_something_was_deleted_loses_as_ever(store: Backend) -> None:
    first = store.write(lambda writer: writer.put(Record("files/r", "k", 1, "x", 1, body=b"first")))
    store.write(lambda writer: writer.delete("files/r", "k"))
    anew = store.write(lambda writer: writer.put(Record("files/r", "k", 1, "x", 1, body=b"anew")))
    admit(store, msgspec.structs.replace(first, stamp=first.stamp - 1))
    assert reasons(store) == []
    assert store.read(lambda reader: reader.get("files/r", "k")) == anew


def test_what_lost_unseen_may_come_back(store: Backend) -> None:
    first = store.write(lambda writer: writer.put(Record("files/r", "k", 1, "x", 1, body=b"first")))
    admit(store, msgspec.structs.replace(record("k", origin="a"), stamp=first.stamp + 1), mirror=True)
    over = store.write(lambda writer: writer.overwrite(Record("files/r", "k", 1, "x", 1, body=b"over"))).record
    assert over is not None
    admit(store, msgspec.structs.replace(over, stamp=over.stamp - 1, past=()))
    assert reasons(store) == []
    assert store.read(lambda reader: reader.get("files/r", "k").body) == b"over"  # type: ignore[union-attr]


@pytest.mark.parametrize("origin", ["m", "p"])
def test_a_mark_that_says_to_be_ours_is_set_aside(store: Backend, origin: str) -> None:
    store.write(lambda writer: writer.set_fields("visits/r", "u id:1", {"seen": 0}))
    stamp = store.read(lambda reader: reader.get("visits/r", "u id:1").stamp) + 1  # type: ignore[union-attr]
    theirs = Record("visits/r", "u id:1", stamp, "p", 1, head=fields_at({"seen": 1}, stamp, origin))
    admit(store, msgspec.structs.replace(theirs, born=store.read(lambda reader: reader.get("visits/r", "u id:1").born)))  # type: ignore[union-attr]
    assert len(reasons(store)) == (origin == "m")


def test_what_came_by_a_way_around_is_taken_once_it_is_known(store: Backend) -> None:
    admit(store, record("first", origin="citadel:alpha"), mirror=True)
    later = record("later", origin="citadel:alpha")
    admit(store, later)
    assert len(reasons(store)) == 1
    admit(store, later, mirror=True)
    admit(store, later)
    assert reasons(store) == []


def test_fields_that_say_to_be_ours_are_not_adopted(store: Backend) -> None:
    store.write(lambda writer: writer.set_fields("rooms", "m:1", {"QRorder": 64}))
    stamp = store.read(lambda reader: reader.get("rooms", "m:1").stamp) + 1  # type: ignore[union-attr]
    for origin, taken in (("m", 0), ("p", 1)):
        theirs = Record("rooms", "m:1", stamp, origin, 1, head=fields_at({"QRorder": 1}, stamp, origin))
        assert store.write(lambda writer: writer.adopt(theirs, "partner")).written == taken  # noqa: B023
