"""Stories of a node that follows a made-up server, or writes into it as well, told step by step without a clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from made_live import LiveServer
from made_writable import WritableServer

from mirror.citadel.failover import move, what_acts
from mirror.citadel.follow import Following
from mirror.citadel.following.followed import DEFAULTS, Settings
from mirror.formats.message import parse_message, serialize_message
from mirror.model.drafting import deletion_of
from mirror.model.fields import fields_at, values_of
from mirror.model.kinds import MergeRule, kind_of
from mirror.model.record import Record
from mirror.store.base import Store, Writer

LOBBY, TALK, MAIL = "messages/alpha:1", "messages/alpha:2", "messages/alpha:3"


class Told(Exception):
    """The story is told."""


class ReadingFollower:
    """Runs a Following whose pauses are a story's: each ``yield`` of it lasts until the server was looked at again."""

    def __init__(
        self, store: Store, directory: Path, settings: Settings = DEFAULTS, service_password: str = ""
    ) -> None:
        self.time, self.store = 0.0, store
        self.following = Following(
            store, directory, settings=settings, sleep=self._sleep, clock=lambda: self.time, now=lambda: 1.7e9,
            service_password=service_password,
        )  # fmt: skip
        self.state = self.following.state

    def let_exports_take(self, server: LiveServer, seconds: float) -> None:
        def before(command: bytes) -> None:
            self.time += seconds * (command == b"MIGR export")

        server.before = before

    def tell(self, story: Iterator[None], end: type[Exception] = Told) -> None:
        self._story = story
        with pytest.raises(end):
            self.following.run()

    def _sleep(self, seconds: float) -> None:
        self.time += seconds
        if seconds:
            self.state = self.following.state
            if next(self._story, self) is self:
                raise Told


class Follower(ReadingFollower):
    """One that writes into the server as well."""

    def __init__(self, store: Store, directory: Path, password: str = "pw", marks_s: float = 0.0) -> None:
        """``marks_s`` as in Settings: marks are not asked for, so that just what is written is seen."""
        super().__init__(store, directory, Settings(service="mirror", marks_s=marks_s), password)


def settled(follower: ReadingFollower) -> Iterator[None]:
    """Look until what was made was looked at and filled."""
    for _ in range(6):
        follower.time += 400
        yield


def post(store: Store, collection: str, name: str, text: str, form: int = 4, **more: bytes) -> None:
    fields = {"I": name.encode(), "T": b"1690000500", "A": b"Bob", "F": b"bob@beta", "U": b"s", **more}
    body = serialize_message([*fields.items(), ("M", text.encode())], form)
    store.write(lambda writer: writer.put(Record(collection, f"id:{name}", 1, "m", 1, body=body)))


def write_visit(store: Store, room: int, user: str, **said: str) -> None:
    """Have fields of a user's visit of a room, by number, be here as another node wrote them."""
    collection = f"visits/alpha:{room}"

    def job(writer: Writer) -> None:
        if writer.get(collection, user) is None:
            writer.put(Record(collection, user, 1, "m", 1, head=fields_at(said, 1, "m")))
        else:
            writer.set_fields(collection, user, said)

    store.write(job)


def delete(store: Store, collection: str, *keys: str) -> None:
    def job(writer) -> None:
        for key in keys:
            writer.write(deletion_of(writer.get(collection, key)))

    store.write(job)


def there(server: WritableServer, room: int) -> list[tuple[str, str]]:
    """Return the ids and texts of a room of the server."""
    told = [parse_message(server.messages[number]) for number in server.lists[room]]
    return [(one.text("I"), one.text("M").strip()) for one in told]


def here(store: Store, collection: str = LOBBY) -> list[str]:
    return store.read(lambda reader: [one.key for one in reader.scan_all(collection) if not one.dead])


def feed_end(store: Store) -> int:
    return store.read(lambda reader: reader.last_sequence())


def at_rest(server: LiveServer, store: Store) -> Iterator[None]:
    """Look some times more, though nothing was changed there: so nothing is written here."""
    end = feed_end(store)
    server.now += 10
    for _ in range(3):
        yield
    assert feed_end(store) == end


def say_so(store: Store, place: str, lost: bool) -> None:
    """Have somebody say, at the node beside a server, that all that acts is to be in force there."""

    def job(writer: Writer) -> None:
        told = list(what_acts(writer, place))
        move(writer, place, {(one.collection, one.key): one.mark for one in told}, lost=lost)

    store.write(job)


def texts(store: Store, collection: str = LOBBY) -> list[str]:
    def job(reader) -> list[str]:
        return sorted(parse_message(reader.body(one)).text("M").strip() for one in reader.scan_all(collection))

    return store.read(job)


def state(store: Store) -> dict[str, dict[str, object]]:
    """Return all that is alive, without versions; of messages the fields in any order, without a newline at the end."""

    def said(record: Record, body: bytes) -> object:
        if kind_of(record.collection).rule is MergeRule.FIELDS:
            return {name: value for name, value in values_of(record).items() if value}
        return sorted(part.rstrip(b"\n") for part in body[3:].split(b"\0")) if body else record.head

    def job(reader) -> dict[str, dict[str, object]]:
        found = {
            name: {one.key: said(one, reader.body(one)) for one in reader.scan_all(name)} for name in reader.digests()
        }
        return {name: kept for name, kept in found.items() if any(kept.values()) and name != "killed-rooms"}

    return store.read(job)
