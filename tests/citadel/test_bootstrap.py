"""The first copy from a live server, as one call."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.citadel.bootstrap import ServerStage, copy_server, require_private_line
from mirror.citadel.client import LoginFailed
from mirror.config import Address, Config, ConfigError, ListenSettings
from mirror.model.record import Record
from mirror.peer.channel import ConnectionLost
from mirror.store.base import StoreError
from mirror.store.check import check_store
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
Listen = Callable[..., Address]


def test_all_of_a_server_is_taken_over_and_told(listen: Listen, make_store: Make) -> None:
    store = make_store("m")
    told: list[tuple[ServerStage, int]] = []
    taken = copy_server(store, listen(), "admin", "citadel", progress=lambda stage, done: told.append((stage, done)))
    assert (taken.report.node, taken.report.elements["message"], taken.report.refused) == ("alpha", 81, [])
    assert taken.fetched.files > 0
    assert check_store(store).problems == []
    stages = list(dict.fromkeys(stage for stage, _ in told))
    assert stages == [ServerStage.EXPORT, ServerStage.FILES]
    assert told[0] == (ServerStage.EXPORT, 0)
    assert told[-1] == (ServerStage.FILES, taken.fetched.bytes)


def test_an_interrupted_copy_goes_on_and_a_complete_one_changes_nothing(listen: Listen, make_store: Make) -> None:
    store = make_store("m")
    address = listen(200_000)
    with pytest.raises(ConnectionLost):
        copy_server(store, address, "admin", "citadel")
    listen()
    assert copy_server(store, address, "admin", "citadel").report.applied.written > 0
    digest = store.read(lambda reader: reader.root()).digest
    listen()
    again = copy_server(store, address, "admin", "citadel")
    assert (again.report.applied.written, again.fetched.files) == (0, 0)
    assert store.read(lambda reader: reader.root()).digest == digest


def test_what_a_server_dates_in_the_future_is_taken_over_and_named(listen: Listen, make_store: Make) -> None:
    store = make_store("m", now_ms=lambda: 1_700_000_000_000)  # the recorded server is of a later year
    taken = copy_server(store, listen(), "admin", "citadel")
    assert (taken.report.elements["message"], taken.report.refused) == (81, [])
    assert len(taken.fetched.notices) == taken.fetched.files > 0
    assert "which has not come yet: kept without a time" in taken.fetched.notices[0]
    assert store.read(lambda reader: reader.digest("")).newest <= store.clock.limit()
    listen()
    again = copy_server(store, listen(), "admin", "citadel")
    assert (again.report.applied.written, again.fetched.files) == (0, 0)


def test_a_store_that_holds_something_else_is_refused_before_anybody_is_asked(make_store: Make) -> None:
    store = make_store("m")
    store.write(lambda writer: writer.put(Record("messages/r", "id:1", 1, "x", 1)))
    nobody = Address("127.0.0.1", 1)
    with pytest.raises(StoreError, match="--merge"):
        copy_server(store, nobody, "admin", "citadel")
    with pytest.raises(ConnectionLost):
        copy_server(store, nobody, "admin", "citadel", merge=True)


def test_a_copy_that_was_never_begun_opens_no_store_to_the_next(listen: Listen, make_store: Make) -> None:
    store = make_store("m")
    address = listen()
    with pytest.raises(LoginFailed):
        copy_server(store, address, "admin", "wrong")
    store.write(lambda writer: writer.put(Record("messages/r", "id:1", 1, "x", 1)))
    with pytest.raises(StoreError, match="--merge"):
        copy_server(store, address, "admin", "citadel")


def test_a_password_goes_to_another_machine_only_where_that_is_allowed(tmp_path: Path) -> None:
    far, near = Address("mail.example.org", 504), Address("127.0.0.1", 504)
    require_private_line(Config(tmp_path, "m"), near)
    require_private_line(Config(tmp_path, "m", ListenSettings(plaintext=True)), far)
    with pytest.raises(ConfigError, match=r"plaintext = true in \[listen\] of .*mirror.toml"):
        require_private_line(Config(tmp_path, "m"), far)
