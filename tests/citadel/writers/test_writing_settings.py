"""A site's settings and system messages are written into a made-up server that shares them, and no others anywhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from made_administered import AdministeredServer
from made_follower import Follower, ReadingFollower, feed_end
from made_writable import written_into

from mirror.citadel.following.followed import Settings
from mirror.citadel.meaning.keys import write_pairs
from mirror.formats.server_own import SHARED_SETTINGS, is_own_setting
from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.store.base import Store

PURGE, NAME, INTERNET = "c_purge_hour", "c_humannode", "application/x-citadel-internet-config"


@pytest.fixture
def server() -> Iterator[AdministeredServer]:
    server = AdministeredServer()
    server.settings |= {PURGE: "4", NAME: "Alpha"}
    server.room(1, "Lobby")
    with written_into(server):
        yield server


@pytest.fixture
def messages(directory: Path, server: AdministeredServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the server's system messages; a made-up one runs in this process."""
    for reading_or_writing in ("follow", "writers.banners"):
        monkeypatch.setattr(f"mirror.citadel.{reading_or_writing}.home_of", lambda place: place)
    found = directory / "messages"
    found.mkdir()
    (found / "hello").write_text("Hello from alpha")
    return found


@pytest.fixture
def shared(store: Store, directory: Path) -> ReadingFollower:
    """A node that follows the server and writes into it what a site shares as well."""
    return shared_by(store, directory)


def shared_by(store: Store, directory: Path, shares: bool = True) -> ReadingFollower:
    return ReadingFollower(store, directory, Settings(service="mirror", shares=shares, marks_s=0.0), "pw")


def put(store: Store, key: str, value: str) -> None:
    store.write(lambda writer: writer.set_fields("config", key, {"value": value}))


def put_text(store: Store, name: str, text: str) -> None:
    store.write(lambda writer: writer.put(Record("system-messages", name, 1, "m", 1, body=text.encode())))


def value_here(store: Store, key: str) -> object:
    return values_of(store.read(lambda reader: reader.get("config", key))).get("value")


def test_what_a_site_shares_is_written_and_nothing_of_a_machine(
    server: AdministeredServer, shared: ReadingFollower
) -> None:
    store = shared.store

    def story():
        yield
        put(store, PURGE, "5")
        put(store, NAME, "Beta")
        put(store, "c_sysadm", "a|b")
        put(store, INTERNET, "99")
        end = feed_end(store)
        yield
        assert INTERNET not in server.settings
        assert (server.settings[PURGE], server.settings[NAME]) == ("5", "Alpha")
        assert shared.state.left_there == ["settings: c_sysadm: the server would cut it"]
        server.now += 10
        for _ in range(3):
            yield
        assert (feed_end(store), shared.state.written_there) == (end, 1)
        server.settings[PURGE] = "6"
        server.now += 10
        yield
        assert value_here(store, PURGE) == "6"

    shared.tell(story())


def test_where_a_server_does_not_share_them_nothing_is_written(server: AdministeredServer, follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        put(store, PURGE, "5")
        yield
        assert (server.settings[PURGE], follower.state.written_there) == ("4", 0)

    follower.tell(story())


def test_what_is_changed_on_a_paired_server_goes_to_the_others_and_is_not_set_back_when_its_node_connects(
    server: AdministeredServer, store: Store, directory: Path
) -> None:
    store.write(lambda writer: write_pairs(writer, "citadel:alpha", []))
    put(store, PURGE, "5")

    def pairing():
        for _ in range(3):
            server.now += 10
            yield
        assert server.settings[PURGE] == "5"

    def connecting():
        yield
        yield
        assert (server.settings[PURGE], value_here(store, PURGE)) == ("6", "6")
        server.settings[NAME] = "Gamma"
        put(store, PURGE, "7")
        server.now += 10
        yield
        yield
        assert (server.settings[PURGE], value_here(store, PURGE), value_here(store, NAME)) == ("7", "7", None)

    def not_shared():
        server.now += 10
        yield
        yield
        assert (server.settings[PURGE], value_here(store, PURGE)) == ("8", "7")

    shared_by(store, directory).tell(pairing())
    server.settings[PURGE] = "6"
    shared_by(store, directory).tell(connecting())
    server.settings[PURGE] = "8"
    shared_by(store, directory, shares=False).tell(not_shared())


def test_a_setting_that_was_changed_on_both_while_a_node_was_away_is_the_paired_servers_and_nothing_is_lost(
    server: AdministeredServer, store: Store, directory: Path
) -> None:
    store.write(lambda writer: write_pairs(writer, "citadel:alpha", []))
    put(store, PURGE, "5")

    def pairing():
        for _ in range(3):
            server.now += 10
            yield

    def connecting():
        yield
        yield
        assert (server.settings[PURGE], value_here(store, PURGE)) == ("6", "6")
        lost = [values_of(one.loser).get("value") for one in store.read(lambda reader: reader.conflicts())]
        assert lost == ["9"]

    shared_by(store, directory).tell(pairing())
    put(store, PURGE, "9")
    server.settings[PURGE] = "6"
    shared_by(store, directory).tell(connecting())


def test_a_paired_server_gets_what_was_set_before_it_was_attached(
    server: AdministeredServer, shared: ReadingFollower
) -> None:
    store = shared.store
    store.write(lambda writer: write_pairs(writer, "citadel:alpha", []))
    put(store, PURGE, "5")

    def story():
        for _ in range(4):
            server.now += 10
            yield
        assert (server.settings[PURGE], value_here(store, PURGE), shared.state.left_there) == ("5", "5", [])

    shared.tell(story())


def test_system_messages_are_written_where_the_server_has_them_and_none_are_made(
    server: AdministeredServer, shared: ReadingFollower, messages: Path
) -> None:
    store = shared.store

    def story():
        yield
        put_text(store, "hello", "Hello from beta")
        put_text(store, "new", "a file that a record names")
        put_text(store, "..", "a path")
        end = feed_end(store)
        yield
        assert {one.name: one.read_text() for one in messages.iterdir()} == {"hello": "Hello from beta"}
        server.now += 100
        shared.time += 100
        for _ in range(3):
            yield
        assert feed_end(store) == end

    shared.tell(story())


def test_a_system_message_that_is_changed_on_a_paired_server_goes_to_the_others_and_is_not_set_back(
    server: AdministeredServer, store: Store, directory: Path, messages: Path
) -> None:
    store.write(lambda writer: write_pairs(writer, "citadel:alpha", []))
    put_text(store, "hello", "Hello from beta")

    def pairing():
        yield from looks(server, follower, 3)
        assert text_there(messages) == text_here(store) == "Hello from beta"
        assert lost(store) == [b"Hello from alpha"]
        (messages / "hello").write_text("Changed on alpha")
        yield from looks(server, follower, 3)
        assert text_there(messages) == text_here(store) == "Changed on alpha"

    def connecting():
        yield from looks(server, follower, 3)
        assert text_there(messages) == text_here(store) == "Changed while the node was away"
        put_text(store, "hello", "Changed here")
        end = feed_end(store)
        yield from looks(server, follower, 3)
        assert (text_there(messages), feed_end(store)) == ("Changed here", end)
        (messages / "hello").unlink()
        yield from looks(server, follower, 3)
        assert text_here(store) == "Changed here"

    follower = shared_by(store, directory)
    follower.tell(pairing())
    (messages / "hello").write_text("Changed while the node was away")
    follower = shared_by(store, directory)
    follower.tell(connecting())
    assert lost(store) == [b"Hello from alpha"]


def test_a_system_message_that_was_changed_on_both_while_a_node_was_away_is_the_servers_and_the_other_is_kept(
    server: AdministeredServer, store: Store, directory: Path, messages: Path
) -> None:
    def story(text: str):
        yield from looks(server, follower, 3)
        assert text_there(messages) == text_here(store) == text

    follower = shared_by(store, directory)
    follower.tell(story("Hello from alpha"))
    put_text(store, "hello", "Hello from beta")
    (messages / "hello").write_text("Hello from gamma")
    follower = shared_by(store, directory)
    follower.tell(story("Hello from gamma"))
    assert lost(store) == [b"Hello from beta"]


def test_system_messages_that_a_paired_server_shares_from_later_on_are_those_that_are_here(
    server: AdministeredServer, store: Store, directory: Path, messages: Path
) -> None:
    store.write(lambda writer: write_pairs(writer, "citadel:alpha", []))
    put_text(store, "hello", "Hello from beta")

    def story(there: str):
        yield from looks(server, follower, 3)
        assert (text_there(messages), text_here(store)) == (there, "Hello from beta")

    follower = shared_by(store, directory, shares=False)
    follower.tell(story("Hello from alpha"))
    follower = shared_by(store, directory)
    follower.tell(story("Hello from beta"))
    assert lost(store) == [b"Hello from alpha"]


def looks(server: AdministeredServer, follower: ReadingFollower, times: int) -> Iterator[None]:
    """Have files be looked at so often."""
    for _ in range(times):
        server.now += 100
        follower.time += 100
        yield


def text_there(messages: Path) -> str:
    return (messages / "hello").read_text()


def text_here(store: Store) -> str:
    return store.read(lambda reader: reader.body(reader.get("system-messages", "hello"))).decode()


def lost(store: Store) -> list[bytes]:
    return [one.loser.body for one in store.read(lambda reader: reader.conflicts())]


def test_a_node_that_may_not_write_system_messages_says_so(
    server: AdministeredServer, shared: ReadingFollower, messages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mirror.citadel.writers.banners.write_at", denied)
    store = shared.store

    def story():
        yield
        put_text(store, "hello", "Hello from beta")
        yield
        assert shared.state.left_there == ["system messages: hello: the node may not write it: Permission denied"]

    shared.tell(story())


def test_nothing_of_a_server_is_shared() -> None:
    assert not any(map(is_own_setting, SHARED_SETTINGS))
    words = (
        "host",
        "port",
        "node",
        "fqdn",
        "ldap",
        "journal",
        "auth",
        "addr",
        "room",
        "pop3",
        "rbl",
        "workers",
        "mail",
    )
    assert [key for key in SHARED_SETTINGS if any(word in key for word in words)] == ["c_roompurge"]
