"""Folders that are kept equal all the time: what changes on one machine is on the other, and a lost node is dialled."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import mail_persons
import pytest
from gevent.event import Event
from mail_persons import MailMachine, mail, mail_machines_on
from persons import Machine, event

from mirror.client import retrying, vdir
from mirror.client.config import MAILDIR, PairSettings
from mirror.client.connection import Connection
from mirror.client.files import put_on_disk
from mirror.client.inotify import Inotify
from mirror.client.pairs import Pair, parts_of
from mirror.client.place import Changed, Found
from mirror.client.report import Report
from mirror.client.vdir import Vdir
from mirror.client.watching import Watcher
from mirror.formats.names import ROOM_IN_USE
from mirror.model.errors import MirrorError
from mirror.server.node import Node


class Watched:
    """A machine whose client watches; ``until`` waits for something to come true after a round, with no pause."""

    def __init__(self, machine: Machine | MailMachine, pair: Pair) -> None:
        self.machine = machine
        self.connections: list[Connection] = []
        self.lost: list[MirrorError] = []
        self.failed: list[tuple[Exception, float]] = []
        self.rounds = 0
        self._round = Event()
        self.watcher = Watcher([pair], self._dial, self._told, self._note_lost, self._note_failed)

    def _dial(self) -> Connection:
        self.connections.append(self.machine.connect())
        return self.connections[-1]

    def _told(self, _name: str, _report: Report) -> None:
        self.rounds += 1
        self._round.set()

    def _note_lost(self, error: MirrorError, _seconds: float) -> None:
        self.lost.append(error)

    def _note_failed(self, _name: str, error: Exception, seconds: float) -> None:
        self.failed.append((error, seconds))
        self._round.set()

    def until(self, holds: Callable[[], bool]) -> None:
        with gevent.Timeout(20):
            while not holds():
                self._round.clear()
                self._round.wait()


@contextmanager
def watching(machine: Machine | MailMachine) -> Iterator[Watched]:
    if isinstance(machine, MailMachine):
        settings = PairSettings(str(machine.root), ["mail"], kind=MAILDIR)
    else:
        settings = PairSettings(str(machine.root), ["calendar"])
    watched = Watched(machine, Pair("pair", settings, machine.state, *parts_of(settings)))
    greenlet = gevent.spawn(watched.watcher.run)
    try:
        watched.until(lambda: watched.rounds > 0)
        yield watched
    finally:
        watched.watcher.stop()
        greenlet.get(timeout=10)


def test_what_changes_on_one_machine_is_on_the_other(make: Callable[..., Machine]) -> None:
    one, other = make("one"), make("other")
    with watching(one), watching(other) as there:
        one.write("Calendar", "a.ics", event())
        there.until(lambda: "a.ics" in other.files())
        one.write("Calendar", "a.ics", event(summary="Dinner"))
        there.until(lambda: b"Dinner" in other.files()["a.ics"])
        (one.root / "Calendar" / "a.ics").unlink()
        there.until(lambda: other.files() == {})


def test_mail_its_flags_and_its_folder_are_on_the_other_machine(tmp_path: Path) -> None:
    with mail_persons.node_at(tmp_path / "mail") as node, mail_machines_on(node, tmp_path) as make:
        one, other = make("one"), make("other")
        with watching(one), watching(other) as there:
            one.put("new/1.a", mail(1))
            there.until(lambda: other.mail() == {".": [("", mail(1))]})
            one.move("new/1.a", "cur/1.a:2,FS")
            there.until(lambda: other.mail() == {".": [("FS", mail(1))]})
            one.move("cur/1.a:2,FS", ".Archive.2024/cur/1.a:2,FS")
            there.until(lambda: other.mail() == {".Archive.2024": [("FS", mail(1))]})


def test_a_room_that_opens_or_gets_another_name_is_a_folder_at_once(make: Callable[..., Machine], node: Node) -> None:
    one = make("one")
    with watching(one) as here:
        room = {"QRname": "Crew", "QRflags": ROOM_IN_USE, "QRdefaultview": 3}
        node.store.write(lambda writer: writer.set_fields("rooms", "m:14", room))
        here.until(lambda: (one.root / "Crew" / "displayname").exists())
        node.store.write(lambda writer: writer.set_fields("rooms", "m:14", {"QRname": "Gang"}))
        here.until(lambda: (one.root / "Crew" / "displayname").read_text() == "Gang")
        assert len(here.connections) == 1


def test_a_connection_that_is_lost_is_dialled_again(
    make: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.client.watching.RETRY_MIN_S", 0.01)
    one, other = make("one"), make("other")
    with watching(one) as here, watching(other) as there:
        for connection in here.connections:
            connection.channel.hang_up()
        one.write("Calendar", "a.ics", event())
        there.until(lambda: "a.ics" in other.files())
        assert here.lost and len(here.connections) == 2


class FullDisk:
    """Has nothing more be put on the disk below a directory while it is full."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.full = True
        monkeypatch.setattr(vdir, "put_on_disk", self._put)

    def _put(self, files: Sequence[Path | str]) -> None:
        if self.full and any(Path(one).is_relative_to(self.root) for one in files):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.root))
        put_on_disk(files)


def test_a_disk_that_is_full_is_told_and_tried_again_longer_each_time(
    make: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "RETRY_MIN_S", 0.02)
    one, other = make("one"), make("other")
    with watching(one) as here, watching(other):
        disk = FullDisk(one.root, monkeypatch)
        asked: list[int] = []
        monkeypatch.setattr(Connection, "rooms", counted(Connection.rooms, asked))
        other.write("Calendar", "a.ics", event())
        here.until(lambda: len(here.failed) == 4)
        assert [seconds for _, seconds in here.failed] == [0.02, 0.04, 0.08, 0.16]
        assert "No space left on device" in str(here.failed[0][0]) and len(here.connections) == 4
        # What each try leaves and takes away is told by the kernel, and makes no other one.
        assert len(asked) <= 8 * len(here.failed) and one.files() == {}
        disk.full = False
        here.until(lambda: "a.ics" in one.files())
        assert here.lost == [] and len(here.failed) == 4


def test_a_file_that_is_always_another_one_is_told_and_the_client_lives(
    make: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make("one")
    with watching(one) as here:
        look = Vdir.look
        monkeypatch.setattr(Vdir, "look", never_the_same)
        one.write("Calendar", "a.ics", event())
        here.until(lambda: bool(here.failed))
        monkeypatch.setattr(Vdir, "look", look)
        assert isinstance(here.failed[0][0], Changed)
        rounds = here.rounds
        here.until(lambda: here.rounds > rounds)


def never_the_same(place: Vdir) -> Iterator[Found]:
    raise Changed(f"{place.path} is being changed by another program all the time")


def counted(call: Callable[..., Any], calls: list[int]) -> Callable[..., Any]:
    def counting(*given: Any) -> Any:
        calls.append(1)
        return call(*given)

    return counting


def test_a_folder_tells_of_what_is_written_moved_and_deleted_in_it(tmp_path: Path) -> None:
    inotify = Inotify()
    try:
        inotify.watch([tmp_path, tmp_path / "none"])
        for act in (
            lambda: (tmp_path / "a").write_text("x"),
            lambda: (tmp_path / "a").rename(tmp_path / "b"),
            lambda: (tmp_path / "b").unlink(),
            lambda: (tmp_path / "none").mkdir(),
        ):
            waiting = gevent.spawn(inotify.wait)
            act()
            waiting.get(timeout=5)
        inotify.watch([tmp_path / "none"])
        gevent.with_timeout(0.01, inotify.wait, timeout_value=None)
        (tmp_path / "c").write_text("x")
        assert gevent.with_timeout(0.05, inotify.wait, timeout_value=errno.EAGAIN) == errno.EAGAIN
        os.close(os.open(tmp_path / "none" / "d", os.O_CREAT | os.O_WRONLY))
        inotify.wait()
    finally:
        inotify.close()
