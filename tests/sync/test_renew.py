"""A store that has a twin begins a new life: whatever the two wrote, all nodes end equal, and nothing is lost."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.store.check import check_store
from mirror.store.renew import Renewed, renew
from mirror.store.sqlite.store import FILE, SqliteStore
from mirror.store.values import Conflict
from mirror.sync.exchange import MirrorExchange
from mirror.sync.responder import Responder
from mirror.sync.round import Round, exchange_all

Make = Callable[..., SqliteStore]
EVENT = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:e\nDTSTAMP:20260101T000000Z\n{}END:VEVENT\nEND:VCALENDAR\n"


class Twins:
    """Main, beta, and a copy of beta; each has a clock of its own that goes on at every look."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._now = 1_800_000_000_000
        self.main, self.beta = self._open("main", "main"), self._open("beta", "beta")

    def _open(self, place: str, node: str) -> SqliteStore:
        (self._directory / place).mkdir(exist_ok=True)
        return SqliteStore(self._directory / place, node, now_ms=self._tick)

    def _tick(self) -> int:
        self._now += 1
        return self._now

    @property
    def stores(self) -> list[SqliteStore]:
        return [self.main, self.beta, self.copy]

    def split(self) -> int:
        """Copy beta as it is; returns a stamp from before that."""
        (self._directory / "copy").mkdir()
        self.beta.backup(self._directory / "backup")
        shutil.move(self._directory / "backup", self._directory / "copy" / FILE)
        self.copy = self._open("copy", "beta")
        return self.beta.clock.last

    def close(self) -> None:
        for store in self.stores:
            store.close()


@pytest.fixture
def twins(tmp_path: Path) -> Twins:
    made = Twins(tmp_path)
    yield made
    made.close()


def link(store: SqliteStore, main: SqliteStore) -> None:
    """Do what a link to main does that pushes too, twice, so that what main made of it comes back as well."""
    for _ in range(2):
        exchange_all(Round(MirrorExchange(store, main.node), pushing=True), Responder(main), main.epoch)


def begin_anew(store: SqliteStore, since: int) -> Renewed:
    return renew(store, since, lambda _done: None)


def name(store: SqliteStore, key: str, text: str) -> None:
    store.write(lambda writer: writer.set_fields("users", key, {"name": text}))


def event(store: SqliteStore, **properties: str) -> None:
    lines = "".join(f"{one.upper()}:{value}\n" for one, value in properties.items())
    draft = Record("messages/r", "euid:e", 1, "x", 1, body=EVENT.format(lines).encode())
    store.write(lambda writer: writer.put(draft))


def names(store: SqliteStore, key: str) -> object:
    return values_of(store.read(lambda reader: reader.get("users", key))).get("name")


def lost(*stores: SqliteStore) -> list[Conflict]:
    return [one for store in stores for one in store.read(lambda reader: reader.conflicts(unresolved=False))]


def are_equal(twins: Twins, *stores: SqliteStore) -> bool:
    def holdings(store: SqliteStore) -> dict[str, object]:
        return dict(store.read(lambda reader: reader.digests(lambda name: name != "nodes")))

    return all(holdings(store) == holdings(twins.main) for store in stores)


def test_what_two_twins_wrote_in_one_place_is_kept_twice(twins: Twins) -> None:
    name(twins.beta, "u", "before")
    link(twins.beta, twins.main)
    since = twins.split()
    name(twins.beta, "u", "at the original")
    link(twins.beta, twins.main)
    name(twins.copy, "u", "at the copy")
    begin_anew(twins.copy, since)
    link(twins.copy, twins.main)
    assert are_equal(twins, twins.copy)
    assert names(twins.main, "u") == "at the copy"
    assert [values_of(one.loser) for one in lost(twins.main, twins.copy)] == [{"name": "at the original"}]


@pytest.mark.parametrize("exact", [True, False])
def test_what_both_have_from_before_is_no_conflict(twins: Twins, exact: bool) -> None:
    name(twins.beta, "u", "before")
    event(twins.beta, summary="before", location="here")
    twins.beta.write(lambda writer: writer.put(Record("messages/r", "id:1", 1, "x", 1, body=b"before")))
    link(twins.beta, twins.main)
    since = twins.split() if exact else twins.split() * 0
    event(twins.copy, summary="before", location="there")
    renewed = begin_anew(twins.copy, since)
    assert renewed.renamed.records == (1 if exact else 3)
    link(twins.copy, twins.main)
    assert are_equal(twins, twins.copy)
    said = twins.main.read(lambda reader: reader.get("messages/r", "euid:e")).body
    assert b"LOCATION:there" in said and b"SUMMARY:before" in said
    assert len(lost(twins.main, twins.copy)) == (0 if exact else 1)  # of what it was before the copy moved it


def test_what_one_twin_deleted_and_the_other_changed_is_kept(twins: Twins) -> None:
    name(twins.beta, "u", "before")
    link(twins.beta, twins.main)
    since = twins.split()
    twins.copy.write(lambda writer: writer.delete("users", "u"))
    name(twins.beta, "u", "at the original")
    link(twins.beta, twins.main)
    begin_anew(twins.copy, since)
    link(twins.copy, twins.main)
    assert are_equal(twins, twins.copy)
    assert names(twins.main, "u") == "at the original" or "at the original" in str(lost(twins.main, twins.copy))


def test_what_was_written_up_to_a_moment_stays_as_it_is(twins: Twins) -> None:
    name(twins.beta, "u", "before")
    since = twins.split()
    name(twins.copy, "v", "after")
    before = twins.copy.read(lambda reader: reader.get("users", "u"))
    renewed = begin_anew(twins.copy, since)
    assert twins.copy.read(lambda reader: reader.get("users", "u")) == before
    after = twins.copy.read(lambda reader: reader.get("users", "v"))
    assert (after.origin, renewed.origin) == (f"beta~{twins.copy.epoch[:8]}", after.origin)
    assert renewed.renamed.records == 1


def test_a_conflict_that_was_noticed_here_is_settled_by_what_it_was(twins: Twins) -> None:
    name(twins.beta, "u", "before")
    link(twins.beta, twins.main)
    since = twins.split()
    name(twins.main, "u", "at main")
    name(twins.copy, "u", "at the copy")
    link(twins.copy, twins.main)  # as where nobody noticed that there are two
    begin_anew(twins.copy, since)
    (conflict,) = twins.copy.read(lambda reader: reader.conflicts())
    assert conflict.winner.origin == twins.copy.read(lambda reader: reader.origin())
    twins.copy.write(lambda writer: writer.restore(conflict.number))
    link(twins.copy, twins.main)
    assert are_equal(twins, twins.copy)
    assert names(twins.main, "u") == "at main"


def test_it_is_done_whole_or_not_at_all(twins: Twins) -> None:
    name(twins.beta, "u", "before")
    twins.split()
    epoch, before = twins.copy.epoch, twins.copy.read(lambda reader: reader.root())

    def stop(_done: int) -> None:
        raise KeyError("the power is gone")

    with pytest.raises(KeyError):
        renew(twins.copy, 0, stop)
    assert (twins.copy.epoch, twins.copy.read(lambda reader: reader.root())) == (epoch, before)
    assert twins.copy.read(lambda reader: reader.origin()) == "beta"


@pytest.mark.parametrize("seed", range(8))
def test_whatever_two_twins_write_nothing_is_lost(twins: Twins, seed: int) -> None:
    """Both are renewed in the end, one after the other; what each said last of each thing is there or in a log."""
    chance = random.Random(seed)
    said: dict[tuple[str, str], str] = {}

    def write(store: SqliteStore) -> None:
        key, text = chance.choice("uvw"), f"text {chance.random()}"
        name(store, key, text)
        said[str(id(store)), key] = text
        if chance.random() < 0.3:
            store.write(lambda writer: writer.put(Record("messages/r", f"id:{text}", 1, "x", 1, body=text.encode())))
            said[str(id(store)), text] = text

    for _ in range(4):
        write(twins.beta)
        link(twins.beta, twins.main)
    since = twins.split() if chance.random() < 0.5 else twins.split() * 0
    said.clear()
    for _ in range(10):
        store = chance.choice(twins.stores)
        write(store)
        if store is twins.beta and chance.random() < 0.5:
            link(twins.beta, twins.main)
    for store in chance.sample([twins.beta, twins.copy], 2):
        begin_anew(store, since)
        link(store, twins.main)
    for store in (twins.beta, twins.copy):
        link(store, twins.main)
    assert are_equal(twins, twins.beta, twins.copy)
    records = [*twins.main.read(lambda reader: [*reader.scan("users"), *reader.scan("messages/r")])]
    told = f"{records} {lost(*twins.stores)}"
    assert [text for text in said.values() if text not in told] == []
    assert [problem for store in twins.stores for problem in check_store(store).problems] == []
