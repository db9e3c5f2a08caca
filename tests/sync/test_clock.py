"""A clock that cannot be believed holds up all writing, until somebody says that it is right."""

import logging
from collections.abc import Callable

import pytest

from mirror.model.record import Record
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.clock import ClockDoubted, ClockGuard

DAY_MS = 86_400_000
NOW_MS = 1_764_000_000_000


class Machine:
    """A machine's two clocks: the one on the wall, and the one that only goes forward."""

    def __init__(self) -> None:
        self.wall = NOW_MS
        self.elapsed = 5_000
        self.mirrors = True

    def pass_(self, milliseconds: int) -> None:
        self.wall += milliseconds
        self.elapsed += milliseconds


Start = Callable[[], tuple[SqliteStore, ClockGuard]]


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def start(make_store: Callable[..., SqliteStore], machine: Machine) -> Start:
    """Starts a node on a store that was written when the machine's wall clock said NOW_MS."""
    store = make_store("m", now_ms=lambda: machine.wall)
    store.write(lambda writer: writer.beat())

    def begin() -> tuple[SqliteStore, ClockGuard]:
        last_ms = store.read(lambda reader: reader.committed_ms())
        guard = ClockGuard(store.clock, lambda: machine.elapsed, last_ms, lambda: machine.mirrors)
        store.clock.check = guard.check
        return store, guard

    return begin


def post(store: SqliteStore) -> Record:
    return store.write(lambda writer: writer.put(Record("files/r", "k", 1, "x", 1, body=b"x")))


def test_a_clock_that_is_wrong_for_two_seconds_at_one_start_writes_nothing(start: Start, machine: Machine) -> None:
    machine.wall += 400 * DAY_MS
    store, guard = start()
    before = store.read(lambda reader: reader.root()), store.read(lambda reader: reader.committed_ms())
    for write in (post, lambda one: one.write(lambda writer: writer.beat())):
        with pytest.raises(ClockDoubted, match="going by the last commit it should be 2025-11-24T16"):
            write(store)
    with pytest.raises(ClockDoubted):
        store.write(lambda writer: writer.apply([Record("files/r", "o", 1 << 40, "other", 1)]))
    machine.pass_(2_000)
    machine.wall -= 400 * DAY_MS
    assert (store.read(lambda reader: reader.root()), store.read(lambda reader: reader.committed_ms())) == before
    store, guard = start()
    assert guard.notes() == []
    assert post(store).stamp < store.clock.limit()


@pytest.mark.parametrize("days", [-400, -2, 2, 400])
def test_it_is_believed_once_a_mirror_says_the_same_and_not_before(start: Start, machine: Machine, days: int) -> None:
    machine.wall += days * DAY_MS
    store, guard = start()
    told: list[str] = []
    guard.believed = lambda: told.append("believed")
    guard.hear("beta", 0, machine.wall)
    guard.hear("beta", machine.wall + 61_000, machine.wall)
    guard.hear("partner", machine.wall, machine.wall, mirror=False)
    with pytest.raises(ClockDoubted):
        post(store)
    assert not told
    guard.hear("beta", machine.wall - 59_000, machine.wall)
    assert told == ["believed"]
    post(store)


def test_a_node_without_mirrors_and_one_that_was_off_for_less_than_a_day_go_on(start: Start, machine: Machine) -> None:
    machine.wall += 23 * 3_600_000
    store, _ = start()
    post(store)
    machine.mirrors = False
    machine.wall += 400 * DAY_MS
    store, guard = start()
    post(store)
    assert guard.notes() == []


def test_an_administrator_can_accept_it_and_that_lasts(start: Start, machine: Machine) -> None:
    machine.wall += 30 * DAY_MS
    store, guard = start()
    guard.accept()
    post(store)
    store, guard = start()
    assert guard.doubt() == ""


def test_a_jump_while_running_is_seen_before_the_next_write(start: Start, machine: Machine) -> None:
    store, guard = start()
    machine.pass_(7 * DAY_MS)  # asleep, say: both clocks went on
    post(store)
    machine.wall += 400 * DAY_MS
    with pytest.raises(ClockDoubted, match="going by what it said before"):
        post(store)
    machine.wall -= 400 * DAY_MS - 3_600_000
    post(store)
    for _ in range(40):  # a clock that is set by hours at a time is followed
        machine.wall += 3_600_000
        post(store)
    assert guard.doubt() == ""


def test_doubt_is_logged_once_and_so_is_its_end(
    start: Start, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    _, guard = start()
    machine.wall += 2 * DAY_MS
    with caplog.at_level(logging.WARNING, "mirror.clock"):
        guard.watch()
        machine.pass_(1000)
        guard.watch()
        guard.hear("beta", machine.wall, machine.wall)
        guard.watch()
    assert [message.partition(",")[0] for message in caplog.messages] == [
        "this machine's clock says 2025-11-26T16:00:00.000Z",
        "beta confirms this machine's clock",
        "this machine's clock is believed again",
    ]


def test_notes_name_both_times_of_a_peer_that_is_off_and_a_stamp_that_is_ahead(start: Start, machine: Machine) -> None:
    store, guard = start()
    guard.hear("beta", NOW_MS + DAY_MS, NOW_MS)
    guard.hear("gamma", NOW_MS + 59_000, NOW_MS)
    assert guard.notes() == [
        "the clock of beta said 2025-11-25T16:00:00.000Z when ours said 2025-11-24T16:00:00.000Z",
    ]
    guard.hear("beta", NOW_MS, NOW_MS)
    assert guard.notes() == []
    machine.mirrors = False
    machine.wall += DAY_MS
    post(store)
    machine.wall -= DAY_MS
    (note,) = guard.notes()
    assert note.startswith("the newest stamp here, 2025-11-25T16:00:00.000Z, is ahead of this machine's clock, 2025-11")
    assert note.endswith("run 'ctdlmirror clock repair'")
