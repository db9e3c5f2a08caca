"""A node that answers what nobody asked for, one that lacks what a client needs, and clocks that jump."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mail_persons import mail, mail_machines_on
from mail_persons import node_at as mail_node_at
from persons import CALENDAR, Machine, event

from mirror.client import bounded, mail_listing, sending, state
from mirror.client.connection import Connection, TooOld, log_in
from mirror.model.draft import Draft
from mirror.model.errors import BadContent
from mirror.model.record import Record, record_crc
from mirror.peer.channel import Channel
from mirror.wire.batch import Batch
from mirror.wire.bulk import format_part
from mirror.wire.codec import records_batch
from mirror.wire.errors import ProtocolError
from mirror.wire.values import ContentPart

Lie = Callable[[str, Iterator[Batch]], Iterable[Batch]]
COLLECTION = f"messages/{CALENDAR}"
LARGE = "x" * 100_000


class Lying:
    """A connection to a node whose batches are other ones: a lie gets the command and what the node answered."""

    def __init__(self, channel: Channel, lie: Lie) -> None:
        self._channel, self._lie = channel, lie
        self._command = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def ask(self, command: str, kind: int = 2) -> Any:
        self._command = command
        return self._channel.ask(command, kind)

    def read_batches(self) -> Iterator[Batch]:
        yield from self._lie(self._command, self._channel.read_batches())


def lied_to(machine: Machine, lie: Lie) -> Connection:
    connection = machine.connect()
    connection.channel = Lying(connection.channel, lie)  # type: ignore[assignment]
    return connection


@pytest.fixture
def one(make: Callable[..., Machine]) -> Machine:
    """A machine whose calendar has a small item and a large one at the node."""
    machine = make("one")
    machine.sync()
    machine.write("Calendar", "0.ics", event("small"))
    machine.write("Calendar", "1.ics", event("large", extra=f"X-LONG:{LARGE}"))
    machine.sync()
    return machine


def in_answer_to(command: str, more: Callable[[Batch], Iterable[Batch]]) -> Lie:
    """Have each batch of the answer to one command be others."""

    def lie(asked: str, batches: Iterator[Batch]) -> Iterable[Batch]:
        return chain.from_iterable(map(more, batches)) if command in asked else batches

    return lie


def a_part(data: bytes, offset: int = 0) -> Batch:
    return format_part(ContentPart(hashlib.sha256(data).digest(), offset, len(data), data))


LIES_OF_CONTENTS = {
    "nobody asked for": lambda batch: [a_part(b"y" * 20_000), batch],
    "more of a content than was asked for": lambda batch: [batch, batch],
    "did not come whole": lambda batch: [batch._replace(payload=batch.payload[:-1])],
}


@pytest.mark.parametrize("told", LIES_OF_CONTENTS)
def test_contents_that_nobody_asked_for_are_refused(one: Machine, told: str) -> None:
    connection = lied_to(one, in_answer_to("|body", LIES_OF_CONTENTS[told]))
    with pytest.raises((ProtocolError, BadContent), match=told):
        list(connection.whole(COLLECTION))
    connection.close()


def test_a_body_that_has_no_room_in_memory_is_refused_before_it_comes(
    one: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "LARGEST_BODY", 50_000)
    asked: list[str] = []

    def note(command: str, batches: Iterator[Batch]) -> Iterator[Batch]:
        asked.append(command)
        return batches

    connection = lied_to(one, note)
    with pytest.raises(BadContent, match="'max_size' in"):
        list(connection.whole(COLLECTION))
    assert not any("|body" in command for command in asked)
    assert sum(map(len, connection.whole(COLLECTION, largest=50_000))) == 2
    connection.close()


def another_record(batch: Batch) -> list[Batch]:
    record = Record(COLLECTION, "euid:another", 1 << 20, "m", 1 << 20, body=b"x")
    return [records_batch([record], [record_crc(record)], None, "msgpack"), batch]


@pytest.mark.parametrize("lie", [another_record, lambda batch: [batch, batch]])
def test_records_that_nobody_asked_for_are_refused(one: Machine, lie: Callable[[Batch], list[Batch]]) -> None:
    connection = lied_to(one, in_answer_to("|get", lie))
    with pytest.raises(ProtocolError, match="nobody asked for"):
        connection.get(COLLECTION, ["euid:small", "euid:nothing"])
    connection.close()


@pytest.mark.parametrize("lie", [lambda batch: [batch, batch], lambda batch: []])
def test_what_became_of_drafts_is_told_of_just_these(one: Machine, lie: Callable[[Batch], list[Batch]]) -> None:
    connection = lied_to(one, in_answer_to("|offer", lie))
    with pytest.raises(ProtocolError, match="of 1 drafts"):
        connection.offer([Draft(COLLECTION, "euid:small", dead=True)])
    connection.close()


def test_a_long_absence_waits_in_a_file_and_not_in_memory(
    make: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = make("one"), make("other")
    one.sync()
    other.sync()
    for number in range(700):
        one.write("Calendar", f"{number}.ics", event(f"e{number}", extra=f"X-LONG:{LARGE}" if number < 3 else ""))
    one.sync()
    monkeypatch.setattr(bounded, "IN_MEMORY", 1000)
    held: list[int] = []

    def counted(batches: Iterable[Batch]) -> Iterable[Batch]:
        waiting = at_rest(batches)
        held.append(sum(len(batch.payload) for batch in waiting) if isinstance(waiting, list) else 0)
        return waiting

    at_rest = bounded.at_rest
    monkeypatch.setattr(bounded, "at_rest", counted)
    assert other.sync().received["new"] == 700
    assert held == [0] and sorted(other.files().values()) == sorted(one.files().values())


def test_batches_at_rest_are_those_that_came_with_one_of_them_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "IN_MEMORY", 1000)
    sent = [Batch({"Type": "records", "Cursor": f"a:{number}"}, b"%d" % number * 70_000) for number in range(5)]
    taken: list[Batch] = []
    told = bounded.at_rest(taken.append(batch) or batch for batch in sent)  # type: ignore[func-returns-value]
    assert len(taken) == 5 and not isinstance(told, list)
    assert [(batch.header["Cursor"], batch.payload) for batch in told] == [
        (batch.header["Cursor"], batch.payload) for batch in sent
    ]


@pytest.mark.parametrize("line", ["capabilities=sync stls msgpack json rooms", "nothing=of it"])
def test_a_node_that_lacks_what_a_client_needs_is_called_too_old(one: Machine, line: str) -> None:
    channel = one._start()
    channel.read_listing = lambda *_limit: iter(["node=m", "software=citadel-mirror 0.1.0", line])  # type: ignore[method-assign]
    with pytest.raises(TooOld, match=r"citadel-mirror 0\.1\.0 lacks .*upgrade"):
        log_in(channel, "ann", lambda: "x")


def test_a_node_that_does_not_end_what_it_says_of_itself_is_refused(one: Machine) -> None:
    channel = one._start()
    channel.read_listing = lambda *_limit: (f"{number}=x" for number in range(1 << 60))  # type: ignore[method-assign]
    with pytest.raises(ProtocolError, match="things of itself"):
        log_in(channel, "ann", lambda: "x")


YEARS_S = 10 * 365 * 86_400


@pytest.mark.parametrize("jump_s", [-YEARS_S, YEARS_S])
def test_a_persons_clock_that_jumps_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Machine], jump_s: int
) -> None:
    clock = SimpleNamespace(time=lambda: time.time() + jump_s, time_ns=lambda: time.time_ns() + jump_s * 10**9)
    one, other = make("one"), make("other")
    with mail_node_at(tmp_path / "mail") as node, mail_machines_on(node, tmp_path) as make_mail:
        laptop, desk = make_mail("laptop"), make_mail("desk")
        for machine in (one, other, laptop, desk):
            machine.sync()
        one.write("Calendar", "a.ics", event("a"))
        laptop.put("new/1.a", mail(1))
        with monkeypatch.context() as jumped:
            for module in (mail_listing, sending, state):  # the node's clock is right
                jumped.setattr(module, "time", clock)
            assert one.sync().sent["new"] == 1
            assert laptop.sync(since_s=int(clock.time()) - 86_400).sent.get("new", 0) == (jump_s < 0)
        one.write("Calendar", "a.ics", event("a", summary="Dinner"))
        laptop.put("new/2.b", mail(2))
        for machine in (one, other, laptop, desk, one, laptop):
            assert machine.sync().problems == []
        assert [*one.files().values()] == [*other.files().values()] and b"Dinner" in other.files()["a.ics"]
        assert desk.mail() == laptop.mail() and len(desk.mail()["."]) == 2
        assert all(machine.sync().done == 0 for machine in (one, other, laptop, desk))
