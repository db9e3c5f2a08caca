"""Large mail and old mail: what is left out, when it comes, and how much of it is in memory together."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from mail_persons import BOARD, MailMachine, mail, quiet
from persons import READ_ONLY

from mirror.client.connection import Connection
from mirror.client.round import BATCH_BYTES
from mirror.client.server import Held, Outcome
from mirror.formats.names import ROOM_IN_USE
from mirror.model.draft import Draft
from mirror.server.node import Node

Make = Callable[..., MailMachine]


def test_large_and_old_messages_are_left_out(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    laptop.put("new/1.a", mail(1, "x" * 5000))
    laptop.put("new/2.b", mail(2))
    desk.put("new/3.c", mail(3, "y" * 5000))
    laptop.sync()
    report = desk.sync(max_size=4000)
    assert desk.mail() == {".": [("", mail(2)), ("", mail(3, "y" * 5000))]}
    assert any("max_size" in note for note in report.notes)
    quiet_before = desk.files()
    desk.sync(max_size=4000)
    assert desk.files() == quiet_before
    other = laptop.sync(since_s=1_800_000_000)
    assert other.received["new"] == 0


def test_what_was_left_out_comes_by_itself_once_the_limit_is_raised(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    for number, size in enumerate((10, 50_000, 100_000)):
        laptop.put(f"new/{number}.a", mail(number, "x" * size))
    laptop.sync()
    long = {"since_s": 1_800_000_000, "max_age": 1}  # all of it is older
    assert desk.sync(max_size=60_000, **long).received["new"] == 0
    assert desk.sync(max_size=60_000).received["new"] == 2
    measured: list[Measured] = []

    def around(side: Any) -> Any:
        if isinstance(side, Connection):
            measured.append(Measured(side))
            return measured[-1]
        return side

    assert desk.sync(max_size=70_000, around=around).received["new"] == 0
    assert measured[0].contents == []  # what is here already does not travel again
    report = desk.sync(around=around)
    assert report.received["new"] == 1 and any("has come" in note for note in report.notes)
    assert len(measured[1].contents) == 1 and desk.mail() == laptop.mail()
    assert desk.sync(max_size=60_000).done == 0
    quiet(laptop)
    desk.sync(max_size=60_000)
    before = desk.files(), desk.remembered()
    assert desk.sync(max_size=60_000).notes == [] and (desk.files(), desk.remembered()) == before


class Measured:
    """A node that notes how many bytes of bodies are sent, and come, together."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.sent: list[int] = []
        self.came: list[int] = []
        self.contents: list[bytes] = []
        fetch = connection._contents

        def fetched(wanted: dict[bytes, int]) -> dict[bytes, bytes]:
            self.contents.extend(wanted)
            return fetch(wanted)

        connection._contents = fetched  # type: ignore[method-assign]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def offer(self, drafts: Sequence[Draft]) -> list[Outcome]:
        self.sent.append(sum(len(draft.body) for draft in drafts))
        return self._connection.offer(drafts)

    def pages(self, collection: str, keys: Sequence[str]) -> Iterator[list[Held]]:
        for page in self._connection.pages(collection, keys):
            self.came.append(sum(len(held.body) for held in page))
            yield page

    def get(self, collection: str, keys: Sequence[str]) -> dict[str, Held]:
        held = self._connection.get(collection, keys)
        self.came.append(sum(len(one.body) for one in held.values()))
        return held


def test_of_large_messages_some_megabytes_are_in_memory_at_once(
    both: tuple[MailMachine, MailMachine], mail_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop, desk = both
    large, many = 900_000, 12
    for number in range(many):
        laptop.put(f".Board/new/{number}.a", mail(number, f"{number}" * large))
    measured: list[Measured] = []

    def around(side: Any) -> Any:
        if not isinstance(side, Connection):
            return side
        measured.append(Measured(side))
        return measured[-1]

    assert laptop.sync(around=around).sent["new"] == many
    assert sum(measured[0].sent) > many * large and max(measured[0].sent) < BATCH_BYTES + large
    desk.sync()
    mail_node.store.write(lambda writer: writer.set_fields("rooms", BOARD, {"QRflags": ROOM_IN_USE | READ_ONLY}))
    for path in (desk.root / ".Board" / "new").iterdir():
        path.unlink()
    monkeypatch.setattr("mirror.client.connection.BODY_BYTES", 2 * large)
    assert desk.sync(around=around).received["new"] == many
    assert sum(measured[1].came) > many * large and max(measured[1].came) < 3 * large
    assert desk.mail() == laptop.mail()


def test_a_body_that_is_too_large_does_not_even_travel(machine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    laptop, desk, later = machine("laptop"), machine("desk"), machine("later")
    desk.sync()
    laptop.sync()
    laptop.put("new/1.a", mail(1, "x" * 50_000))
    laptop.put("new/2.b", mail(2, "x" * 20_000))
    laptop.sync()
    fetched: list[int] = []
    contents = Connection._contents
    monkeypatch.setattr(
        Connection, "_contents", lambda self, wanted: fetched.append(len(wanted)) or contents(self, wanted)
    )
    for one in (desk, later):  # by the feed, and as a whole
        fetched.clear()
        one.sync(max_size=30_000)
        assert one.mail() == {".": [("", mail(2, "x" * 20_000))]}
        assert sum(fetched) == 1
    later.sync()
    assert later.mail() == laptop.mail()
