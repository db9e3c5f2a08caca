"""A node that follows a made-up server: what happens there is here, and where nothing does nothing is written."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_live import HungUp, LiveServer, listening

from mirror.citadel.bootstrap import copy_server
from mirror.citadel.follow import DEFAULTS, Following, Settings, dry_run
from mirror.citadel.look import HeldBack
from mirror.formats.message import parse_message
from mirror.model.fields import values_of
from mirror.model.kinds import MergeRule, kind_of
from mirror.model.record import Record
from mirror.peer.channel import ConnectionLost
from mirror.store.base import Store
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
Story = Iterator[None]
LOBBY, TALK = "messages/alpha:1", "messages/alpha:2"


class Told(Exception):
    """The story is told."""


@pytest.fixture
def server() -> LiveServer:
    server = LiveServer()
    server.user(1, "admin")
    server.user(2, "Ann")
    server.room(1, "Lobby")
    server.room(2, "Talk")
    for text in ("one", "two", "three"):
        server.post(1, text)
    server.visit(1, 2, "1:2")
    server.now += 100
    return server


@pytest.fixture
def directory(server: LiveServer, tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "citadel"
    where.mkdir()
    with listening(server, where) as directory:
        yield directory


class Follower:
    """Runs a Following whose pauses are a story's: each ``yield`` of it lasts until the server was looked at again."""

    def __init__(self, store: Store, directory: Path, settings: Settings = DEFAULTS) -> None:
        self.store = store
        self.time = 0.0
        self.following = Following(
            store, directory, settings=settings, sleep=self._sleep, clock=lambda: self.time, now=lambda: 1.7e9
        )

    def tell(self, story: Story) -> None:
        self._story = story
        with pytest.raises(Told):
            self.following.run()

    def _sleep(self, seconds: float) -> None:
        self.time += seconds
        if seconds and next(self._story, self) is self:
            raise Told


def texts(store: Store, collection: str = LOBBY) -> list[str]:
    def job(reader) -> list[str]:
        return sorted(parse_message(reader.body(one)).text("M").strip() for one in reader.scan_all(collection))

    return store.read(job)


def state(store: Store) -> dict[str, dict[str, object]]:
    """Return all that is alive, without versions; bodies without the newline at their end."""

    def said(record: Record, body: bytes) -> object:
        if kind_of(record.collection).rule is MergeRule.FIELDS:
            return {name: value for name, value in values_of(record).items() if value}
        return body.rstrip(b"\0").rstrip(b"\n") or record.head

    def job(reader) -> dict[str, dict[str, object]]:
        found = {
            name: {one.key: said(one, reader.body(one)) for one in reader.scan_all(name)} for name in reader.digests()
        }
        return {name: kept for name, kept in found.items() if any(kept.values()) and name != "killed-rooms"}

    return store.read(job)


def feed_end(store: Store) -> int:
    return store.read(lambda reader: reader.last_sequence())


def test_what_is_posted_there_is_here_after_the_next_look(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store, other = make_store("m"), make_store("n")
    follower = Follower(store, directory)

    def story() -> Story:
        assert texts(store) == ["one", "three", "two"]
        server.post(1, "four")
        yield
        assert texts(store) == ["four", "one", "three", "two"]
        assert (follower.following.state.phase, follower.following.state.behind) == ("following", False)

    follower.tell(story())
    copy_server(other, directory)
    assert state(store) == state(other)


def test_at_rest_nothing_is_written_and_no_transaction_is_made(
    make_store: Make, server: LiveServer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("m")

    def story() -> Story:
        yield
        end = feed_end(store)
        monkeypatch.setattr(store, "write", None)
        for _ in range(60):
            server.now += 1
            yield
        assert feed_end(store) == end

    follower = Follower(store, directory, Settings(export_s=10))
    follower.tell(story())
    assert follower.following.state.exports >= 5


@pytest.mark.parametrize("change", ["setting", "room", "renamed", "gone", "user", "level"])
def test_what_only_an_export_tells_is_asked_for_as_soon_as_it_shows(
    make_store: Make, server: LiveServer, directory: Path, change: str
) -> None:
    store, other = make_store("m"), make_store("n")
    follower = Follower(store, directory)
    changes: dict[str, Callable[[], object]] = {
        "setting": lambda: server.settings.update(c_humannode="Omega"),
        "room": lambda: server.room(3, "New"),
        "renamed": lambda: server.rooms[2].update(QRname="Foyer"),
        "gone": lambda: server.rooms.pop(2),
        "user": lambda: server.user(3, "Bob"),
        "level": lambda: server.users[2].update(u_axlevel="6"),
    }

    def story() -> Story:
        yield
        before = state(store)
        changes[change]()
        yield
        assert state(store) != before

    follower.tell(story())
    copy_server(other, directory)
    assert state(store) == state(other)


def test_marks_that_show_nowhere_come_with_the_next_export(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store, other = make_store("m"), make_store("n")
    follower = Follower(store, directory, Settings(export_s=10))

    def story() -> Story:
        server.visit(1, 2, "1:3", "2")
        for _ in range(12):
            yield

    follower.tell(story())
    copy_server(other, directory)
    assert state(store) == state(other)


def test_very_many_deletions_wait_until_they_are_approved_or_refused(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    for text in range(20):
        server.post(2, f"talk {text}")
    for verdict, left in (("approve", 0), ("refuse", 20)):
        store = make_store("m")
        follower = Follower(store, directory)
        following = follower.following

        def story(store=store, following=following, verdict=verdict, left=left) -> Story:
            listed, server.lists[2] = server.lists[2], []
            server.touch(2)
            yield
            assert following.state.held == [HeldBack(TALK, 20, 20)] and following.state.phase == "held"
            assert len(texts(store, TALK)) == 20
            getattr(following, verdict)()
            yield
            assert following.state.held == [] and following.state.phase == "following"
            assert len(texts(store, TALK)) == left
            server.lists[2] = listed
            server.touch(2)
            yield

        follower.tell(story())
        assert len(texts(store, TALK)) == 20


def test_only_rooms_of_the_patterns_are_followed_and_others_stay_as_they_were(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store, other = make_store("m"), make_store("n")
    server.post(2, "talk")
    only = Settings(rooms=("l*",))
    Follower(store, directory, only).tell(iter([None]))
    assert (texts(store), texts(store, TALK)) == (["one", "three", "two"], [])
    assert store.read(lambda reader: reader.get("rooms", "alpha:2")) is None
    copy_server(other, directory)
    follower = Follower(other, directory, only)

    def story() -> Story:
        server.delete(2, server.lists[2][0])
        server.post(2, "another")
        server.rooms[2]["QRname"] = "Foyer"
        server.post(1, "four")
        yield

    follower.tell(story())
    assert (texts(other), texts(other, TALK)) == (["four", "one", "three", "two"], ["talk"])


def test_a_connection_that_is_lost_at_any_command_loses_nothing(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """Cut at the first command, at the second, and so on, until a story of changes ends before the cut."""
    store, other = make_store("m"), make_store("n")

    def changes() -> Story:
        yield
        server.now += 5
        server.move(1, 2, server.post(1, "moved"))
        yield
        server.delete(2, server.lists[2][0])
        server.visit(1, 2, f"1:{server.highest}")
        server.post(1, f"text {server.highest}")
        yield

    for cut in range(0, 200, 3):
        left = cut

        def fail(_command: bytes) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise HungUp

        server.before = fail
        follower = Follower(store, directory, Settings(export_s=2))
        try:
            follower.tell(changes())
            break
        except ConnectionLost:
            continue
    else:
        pytest.fail("the story never came to its end")
    assert cut > 30
    copy_server(other, directory)
    assert state(store) == state(other)


def test_a_dry_run_tells_what_would_be_written_and_writes_nothing(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    before = (feed_end(store), store.read(lambda reader: reader.is_empty()))
    told = dry_run(store, directory)
    assert (feed_end(store), store.read(lambda reader: reader.is_empty())) == before
    assert told.report.applied.written == copy_server(store, directory).report.applied.written
    server.post(1, "four")
    assert dry_run(store, directory).report.applied.written == 1
    assert texts(store) == ["one", "three", "two"]
