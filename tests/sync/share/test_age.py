"""What a rule's ``max_age`` lets through hangs on the time: every answer as of one moment says the same."""

from collections.abc import Callable

import pytest
from share_ends import End, drop, keys, post, room, shares_of

from mirror.model.digest import Digest
from mirror.store.sqlite.store import SqliteStore
from mirror.wire.codec import GREATEST, LEAST, Cursor, Listed, Range
from mirror.wire.values import Page

START_MS = 1_800_000_000_000
MINUTE_MS = 60_000
ROOM = "messages/a:1"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def end(make_store: Callable[..., SqliteStore], clock: Clock) -> End:
    """A node that shares what is no older than a minute, as its peer sees it."""
    store = make_store("a", now_ms=clock)
    room(store, "a:1", "Lobby", "mirror_share|b||max_age=1m")
    return End(store, shares_of(store, "b"))


def told(end: End) -> dict[str, set[str]]:
    """Ask for all that is shown of the room in every way there is; returns the keys by the way."""
    digest = (end.info().collections or {}).get(ROOM, Digest())
    listed = [one for one in end.ranges(ROOM, [Range(LEAST, GREATEST, 0, 0)]) if isinstance(one, Listed)]
    index = end.index(ROOM)
    assert index.fingerprint(LEAST, GREATEST).total == digest.total
    assert not index.differs(Range(LEAST, GREATEST, digest.count, digest.total))
    assert end.ranges(ROOM, [Range(LEAST, GREATEST, digest.count, digest.total)]) == []
    held = sorted(keys(end.store, "a:1"))
    return {
        "get": _keys(end.get(ROOM, [f"id:{key}" for key in held])),
        "scan": _keys(end.scan(ROOM)),
        "newest": _keys(end.newest(ROOM, 100)),
        "since": _keys(end.since(Cursor(end.store.epoch, 0))),
        "ranges": {entry.key for answer in listed for entry in answer.entries},
        "index": {entry.key for entry in index.entries(LEAST, GREATEST)},
    }


def _keys(pages: object) -> set[str]:
    found: list[Page] = list(pages)  # type: ignore[call-overload]
    return {record.key for page in found for record in page.records if record.collection == ROOM}


def assert_told(end: End, *shown: str) -> None:
    for way, found in told(end).items():
        assert found == {f"id:{key}" for key in shown}, way


def test_what_has_grown_too_old_is_gone_from_every_answer_though_nothing_was_written(end: End, clock: Clock) -> None:
    post(end.store, "a:1", "first")
    clock.now_ms += MINUTE_MS // 2
    post(end.store, "a:1", "second")
    assert_told(end, "first", "second")
    clock.now_ms = START_MS + MINUTE_MS
    assert_told(end, "first", "second")
    clock.now_ms += 1
    assert_told(end, "second")
    clock.now_ms += MINUTE_MS
    assert_told(end)


def test_a_clock_that_is_set_back_shows_again_what_it_showed_then(end: End, clock: Clock) -> None:
    post(end.store, "a:1", "first")
    clock.now_ms += MINUTE_MS + 1
    assert_told(end)
    clock.now_ms -= 1
    assert_told(end, "first")


def test_changes_are_told_between_two_moments_too(end: End, clock: Clock) -> None:
    post(end.store, "a:1", "first")
    assert_told(end, "first")
    clock.now_ms += MINUTE_MS
    post(end.store, "a:1", "second")
    assert_told(end, "first", "second")
    drop(end.store, "a:1", "second")
    clock.now_ms += 1
    assert _keys(end.scan(ROOM)) == set()
