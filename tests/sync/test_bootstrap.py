"""The first copy between stores: what it proves, what a source says that is a copy itself, and the second time."""

from collections.abc import Callable, Iterator

import pytest

from mirror.model.record import Record
from mirror.store.base import Writer
from mirror.store.errors import StoreError
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.bootstrap import Copied, copy_all, mark_begun, refuse_full
from mirror.sync.copying import CopyKind, unfinished
from mirror.sync.exchange import MirrorExchange
from mirror.sync.responder import Responder
from mirror.sync.round import Round, exchange_all
from mirror.sync.scope import Everything

Make = Callable[..., SqliteStore]


def put(store: SqliteStore, *keys: str) -> None:
    def job(writer: Writer) -> None:
        for key in keys:
            writer.put(Record("messages/r", key, 1, "x", 1, body=key.encode()))

    store.write(job)


def keys_of(store: SqliteStore) -> set[str]:
    return {record.key for record in store.read(lambda reader: reader.scan("messages/r"))}


def copy(target: SqliteStore, source: SqliteStore, *, merging: bool = False) -> Copied:
    """Do what a bootstrap does."""
    if not merging:
        refuse_full(target, source.node)
    mark_begun(target, source.node, CopyKind.MERGED if merging else CopyKind.PLAIN)
    remote = Responder(source)
    return copy_all(target, remote, remote.info(), merging=merging)


def interrupted(target: SqliteStore, source: SqliteStore, *, merging: bool = False) -> None:
    """Begin a bootstrap that is lost after the first records came."""

    class Lost(Exception):
        pass

    def lose(_records: int, _bytes: int) -> None:
        raise Lost

    mark_begun(target, source.node, CopyKind.MERGED if merging else CopyKind.PLAIN)
    remote = Responder(source, page_records=1)
    with pytest.raises(Lost):
        copy_all(target, remote, remote.info(), merging=merging, progress=lose)


def link(target: SqliteStore, source: SqliteStore) -> bool:
    """Do what a link does that pushes too; tells whether all had to be compared."""
    work = Round(MirrorExchange(target, source.node), pushing=True)
    return exchange_all(work, Responder(source), source.epoch) is not None


@pytest.fixture
def main(make_store: Make) -> SqliteStore:
    store = make_store("main")
    put(store, "id:1", "id:2", "id:3")
    return store


def test_what_was_written_before_a_second_copy_is_given_at_once(make_store: Make, main: SqliteStore) -> None:
    standby = make_store("standby")
    assert copy(standby, main).unequal == []
    put(standby, "id:while main was down")
    put(main, "id:4")
    assert copy(standby, main).unequal == ["messages/r"]
    assert not link(standby, main)
    assert keys_of(main) == keys_of(standby) == {"id:1", "id:2", "id:3", "id:4", "id:while main was down"}


def test_what_a_copy_proved_to_be_equal_is_not_given_back(make_store: Make, main: SqliteStore) -> None:
    standby = make_store("standby")
    copy(standby, main)
    work = Round(MirrorExchange(standby, "main"), pushing=True)
    assert exchange_all(work, Responder(main), main.epoch) is None
    assert work.exchange.next_push(work.exchange.cursor("push").sequence)[0].records == []


def test_merging_that_was_interrupted_is_not_repeated_as_a_plain_copy(make_store: Make, main: SqliteStore) -> None:
    other = make_store("other")
    put(other, "id:own")
    interrupted(other, main, merging=True)
    with pytest.raises(StoreError, match="was begun with --merge"):
        copy(other, main)
    assert copy(other, main, merging=True).unequal == []
    link(other, main)
    assert keys_of(main) == keys_of(other) == {"id:1", "id:2", "id:3", "id:own"}
    assert copy(other, main).unequal == []


def test_a_source_that_is_half_a_copy_says_so(make_store: Make, main: SqliteStore) -> None:
    half, third = make_store("half"), make_store("third")
    interrupted(half, main)
    assert copy(third, half).source.partial == "main"
    assert set(third.read(unfinished)) == {"half"}  # so a fourth one hears of it as well
    copy(half, main)
    assert half.read(unfinished) == {}
    assert copy(third, half).source.partial == ""
    assert third.read(unfinished) == {}


def test_who_does_not_see_all_is_not_told_whose_copy_a_node_is(make_store: Make, main: SqliteStore) -> None:
    class Some(Everything):
        trusted = False

    half = make_store("half")
    interrupted(half, main)
    assert Responder(half).info().partial == "main"
    assert Responder(half, Some()).info().partial == ""


def test_a_half_copy_is_whole_once_its_link_has_read_on(make_store: Make, main: SqliteStore) -> None:
    half = make_store("half")
    interrupted(half, main)
    work = Round(MirrorExchange(half, "main"), pushing=False)
    remote = Responder(main, page_records=1)
    assert work.prepare(remote, main.epoch) is None
    found: list[bool] = []
    for _ in work.pull(remote.since, remote, main.epoch):
        found.append(bool(half.read(unfinished)))
    assert found[0] and not found[-1]


def test_a_node_that_begins_empty_is_whole_once_its_link_has_read_all(make_store: Make, main: SqliteStore) -> None:
    empty = make_store("empty")
    work = Round(MirrorExchange(empty, "main"), pushing=False)
    remote = Responder(main, page_records=1)
    assert work.prepare(remote, main.epoch) is None
    pages: Iterator[object] = work.pull(remote.since, remote, main.epoch)
    next(pages)
    assert unfinished_from(empty) == {"main"}
    for _ in pages:
        pass
    assert unfinished_from(empty) == set()


def test_comparing_all_makes_a_copy_whole_unless_the_source_is_not(make_store: Make, main: SqliteStore) -> None:
    half, third = make_store("half"), make_store("third")
    interrupted(half, main)
    interrupted(third, half)
    assert link(third, half)
    assert unfinished_from(third) == {"half"}
    assert link(half, main)
    assert unfinished_from(half) == set()
    link(third, half)
    assert unfinished_from(third) == set()
    assert keys_of(third) == keys_of(main)


def unfinished_from(store: SqliteStore) -> set[str]:
    return set(store.read(unfinished))
