"""Items that were changed on two machines at once: merged where that can be, else both texts are kept."""

from collections.abc import Callable, Sequence
from typing import Any

from persons import Machine, event, only, two_machines

from mirror.client.connection import Connection
from mirror.client.server import Outcome
from mirror.model.draft import Draft


def test_edits_of_different_parts_are_merged_and_no_conflict(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make, event())
    one.write("Calendar", "0.ics", event(summary="Dinner"))
    other.write("Calendar", "a.ics", event(start="20261202T100000Z"))
    one.sync()
    assert other.sync().conflicts == 0
    one.sync()
    assert only(one) == only(other)
    assert "SUMMARY:Dinner" in only(one) and "DTSTART:20261202" in only(one)


def test_of_two_edits_of_one_part_both_texts_are_kept(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make, event())
    one.write("Calendar", "0.ics", event(summary="Dinner"))
    other.write("Calendar", "a.ics", event(summary="Supper"))
    one.sync()
    assert other.sync().conflicts == 1
    one.sync()
    assert only(one) == only(other)
    (conflict,) = other.state.conflicts()
    assert b"Supper" in (conflict.mine or b"") and b"Dinner" in (conflict.theirs or b"")
    assert (conflict.kept == "mine") == ("Supper" in only(one))


def test_an_edit_of_what_was_deleted_elsewhere_is_kept_as_a_conflict(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make, event("a"), event("b"))
    (one.root / "Calendar" / "0.ics").unlink()
    other.write("Calendar", "a.ics", event("a", summary="Dinner"))
    one.sync()
    assert other.sync().conflicts == 1
    assert list(other.files()) == ["b.ics"]
    (conflict,) = other.state.conflicts()
    assert b"Dinner" in (conflict.mine or b"") and conflict.theirs is None and conflict.kept == "theirs"


def test_what_was_changed_elsewhere_and_is_deleted_here_is_kept_as_a_conflict(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make, event("a"), event("b"))
    other.write("Calendar", "a.ics", event("a", summary="Dinner"))
    other.sync()
    (one.root / "Calendar" / "0.ics").unlink()
    report = one.sync()
    assert report.sent["deleted"] == 1 and report.conflicts == 1
    (conflict,) = one.state.conflicts()
    assert conflict.mine is None and b"Dinner" in (conflict.theirs or b"") and conflict.kept == "mine"
    other.sync()
    assert list(one.files()) == ["1.ics"] and list(other.files()) == ["b.ics"]


class Overtaken:
    """A node at which somebody else is done just before the first draft comes."""

    def __init__(self, connection: Connection, first: Callable[[], object]) -> None:
        self._connection = connection
        self._first: Callable[[], object] | None = first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def offer(self, drafts: Sequence[Draft]) -> list[Outcome]:
        first, self._first = self._first, None
        if first is not None:
            first()
        return self._connection.offer(drafts)


def test_what_comes_between_the_look_and_the_draft_is_looked_at_too(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make, event("a"))
    one.write("Calendar", "0.ics", event("a", summary="Dinner"))
    other.write("Calendar", "a.ics", event("a", summary="Supper"))
    report = one.sync(around=lambda side: Overtaken(side, other.sync) if isinstance(side, Connection) else side)
    assert report.conflicts == 1 and report.sent["changed"] == 1
    (conflict,) = one.state.conflicts()
    assert b"Dinner" in (conflict.mine or b"") and b"Supper" in (conflict.theirs or b"")
    other.sync()
    assert only(one) == only(other)
