"""What a node refuses, closes or has forgotten: no file is lost by it, and it is told."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from persons import READ_ONLY, TEAM, Machine, event, two_machines

from mirror.client.connection import Connection
from mirror.client.server import Held, Outcome, Page, Stale
from mirror.formats.names import ROOM_IN_USE
from mirror.model.draft import Draft
from mirror.server.node import Node
from mirror.service.rooms import ROOM_PRIVATE
from mirror.wire.errors import Refused
from mirror.wire.lines import Code


def close_to_writers(node: Node, on: bool) -> None:
    """Have the room of others be one that is only read, or written again."""
    flags = ROOM_IN_USE | (READ_ONLY if on else 0)
    node.store.write(lambda writer: writer.set_fields("rooms", TEAM, {"QRflags": flags}))


def test_a_room_that_is_only_read_is_put_back_with_one_line_why(make: Callable[..., Machine], node: Node) -> None:
    one, other = make("one"), make("other")
    one.sync()
    for uid in "abcd":
        one.write("Team", f"{uid}.ics", event(uid))
    one.sync()
    close_to_writers(node, True)
    other.sync()
    other.write("Team", "a.ics", event("a", summary="Mine"))
    other.write("Team", "new.ics", event("new"))
    (other.root / "Team" / "b.ics").unlink()
    report = other.sync()
    assert sum(report.sent.values()) == 0
    (note,) = report.notes
    assert "read-only for you" in note and "1 new" in note and "1 changed and 1 deleted" in note
    assert sorted(other.files("Team")) == ["a.ics", "b.ics", "c.ics", "d.ics", "new.ics"]
    assert b"Lunch" in other.files("Team")["a.ics"]
    (conflict,) = other.state.conflicts()
    assert b"Mine" in (conflict.mine or b"") and conflict.kept == "theirs"
    close_to_writers(node, False)
    assert other.sync().sent["new"] == 1
    one.sync()
    assert "new.ics" in one.files("Team")


def test_a_room_that_is_closed_leaves_its_files_and_goes_on_when_it_opens(
    make: Callable[..., Machine], node: Node
) -> None:
    one, other = make("one"), make("other")
    one.sync()
    one.write("Team", "a.ics", event("a"))
    one.write("Team", "b.ics", event("b"))
    one.sync()
    other.sync()
    flags = {"QRflags": ROOM_IN_USE | ROOM_PRIVATE}
    node.store.write(lambda writer: writer.set_fields("rooms", TEAM, flags))
    report = other.sync()
    assert "not open to you any more" in report.notes[0] and report.done == 0
    assert other.sync().notes == []
    assert sorted(other.files("Team")) == ["a.ics", "b.ics"]
    (key,) = (record.key for record in node.store.read(lambda r: r.scan(f"messages/{TEAM}")) if record.key == "euid:a")
    node.store.write(lambda writer: writer.delete(f"messages/{TEAM}", key))
    other.write("Team", "c.ics", event("c"))
    node.store.write(lambda writer: writer.set_fields("rooms", TEAM, {"QRflags": ROOM_IN_USE}))
    assert other.sync().sent["new"] == 1
    assert sorted(other.files("Team")) == ["b.ics", "c.ics"]


class Refusing:
    """A node that takes all drafts but those of one key."""

    def __init__(self, connection: Connection, key: str) -> None:
        self._connection = connection
        self._key = key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def offer(self, drafts: Sequence[Draft]) -> list[Outcome]:
        taken = iter(self._connection.offer([draft for draft in drafts if draft.key != self._key]))
        return [Outcome(refused="not allowed") if draft.key == self._key else next(taken) for draft in drafts]


def test_what_the_node_refuses_is_told_left_alone_and_tried_again(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make, event("a"), event("b"))

    def around(side: Any) -> Any:
        return Refusing(side, "euid:a") if isinstance(side, Connection) else side

    one.write("Calendar", "0.ics", event("a", summary="Dinner"))
    one.write("Calendar", "new.ics", event("new"))
    for sent in (1, 0):
        report = one.sync(around=around)
        (problem,) = report.problems
        assert problem.name == "0.ics" and "not allowed" in problem.why
        assert sum(report.sent.values()) == sent
    other.write("Calendar", "a.ics", event("a", start="20261202T100000Z"))
    other.sync()
    assert [problem.name for problem in one.sync(around=around).problems] == ["0.ics"]
    assert b"Dinner" in one.files()["0.ics"] and b"20261201" in one.files()["0.ics"]
    assert one.sync().problems == []
    other.sync()
    assert one.files()["0.ics"] == other.files()["a.ics"]
    assert b"Dinner" in one.files()["0.ics"] and b"20261202" in one.files()["0.ics"]


def test_a_new_file_that_the_node_refuses_has_no_second_one_beside_it(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make)

    def around(side: Any) -> Any:
        return Refusing(side, "euid:x") if isinstance(side, Connection) else side

    one.write("Calendar", "mine.ics", event("x"))
    one.sync(around=around)
    other.write("Calendar", "theirs.ics", event("x", start="20261202T100000Z"))
    other.sync()
    one.sync(around=around)
    assert list(one.files()) == ["mine.ics"]
    (one.root / "Calendar" / "mine.ics").unlink()
    one.sync()
    assert list(one.files()) == ["x.ics"] and list(other.files()) == ["theirs.ics"]


def test_after_a_store_was_put_back_all_is_compared_and_nothing_is_lost(
    make: Callable[..., Machine], node: Node
) -> None:
    one, other = two_machines(make, event("a"), event("b"))
    with one.state.writing():
        one.state.note("cursor", "0000000000000000:7")
    other.write("Calendar", "c.ics", event("c"))
    (other.root / "Calendar" / "b.ics").unlink()
    other.sync()
    one.write("Calendar", "0.ics", event("a", summary="Dinner"))
    report = one.sync()
    assert report.received == {"new": 1, "changed": 0, "deleted": 1} and report.sent["changed"] == 1
    assert one.sync().done == 0


class Forgetful:
    """A node that tells nothing of a room that is told whole; asked for single items, it ``says`` something."""

    def __init__(self, connection: Connection, says: Callable[[], dict[str, Held]]) -> None:
        self._connection = connection
        self._says = says

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def whole(self, collection: str, largest: int = 0, known: object = None) -> Iterator[list[Held]]:
        return iter(())

    def since(self, cursor: str, collections: set[str], largest: int = 0) -> Iterator[Page]:
        raise Stale("that is forgotten")

    def pages(self, collection: str, keys: Sequence[str]) -> Iterator[list[Held]]:
        return iter([list(self._says().values())])


def closed() -> dict[str, Held]:
    raise Refused(Code.NOT_FOUND, "not here")


def test_a_room_that_closes_while_it_is_told_loses_no_file(make: Callable[..., Machine]) -> None:
    one, _ = two_machines(make, event("a"), event("b"), event("c"))
    with one.state.writing():
        one.state.note("cursor", "0000000000000000:7")
    with pytest.raises(Refused):
        one.sync(around=lambda side: Forgetful(side, closed) if isinstance(side, Connection) else side)
    assert len(one.files()) == 3
    assert one.sync().done == 0


def test_what_a_node_knows_nothing_of_any_more_waits_where_it_is_all(make: Callable[..., Machine]) -> None:
    one, _ = two_machines(make, event("a"), event("b"), event("c"))

    def around(side: Any) -> Any:
        return Forgetful(side, dict) if isinstance(side, Connection) else side

    for _ in range(2):
        assert one.sync(around=around).held == {"Calendar": 3}
        assert len(one.files()) == 3
    assert one.sync(around=around, accept=True).received["deleted"] == 3
    assert one.files() == {}
