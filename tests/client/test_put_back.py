"""A node that is put back from a copy does not know what came after: folders have it, and it is sent anew."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mail_persons
import persons
import pytest
from mail_persons import MailMachine, mail, mail_machines_on
from persons import Machine, event, machines_on, node_as_it_is
from sessions import sessions_on

from mirror.client.state import PairState
from mirror.server.node import Node


def renew(node: Node) -> None:
    node.store.renew_epoch()


def leave(_node: Node) -> None:
    """Leave a copy as it is, with the epoch that it had: its feed ends before what machines have seen of it."""


@pytest.fixture(params=[renew, leave])
def after(request: pytest.FixtureRequest) -> Callable[[Node], None]:
    return request.param  # type: ignore[no-any-return]


@contextmanager
def used(machine: Machine | MailMachine, directory: Path) -> Iterator[Node]:
    """Have a machine use the node whose store is in a directory."""
    with node_as_it_is(directory) as node, sessions_on(node) as start:
        machine.state = PairState(machine.state_path)
        machine._start = lambda: start(silence_s=60)
        try:
            yield node
        finally:
            machine.state.close()


def put_back(directory: Path, copy: Path) -> None:
    shutil.rmtree(directory)
    shutil.copytree(copy, directory)


def test_items_and_edits_that_a_copy_does_not_know_are_sent_again(
    tmp_path: Path, after: Callable[[Node], None]
) -> None:
    directory, copy = tmp_path / "node", tmp_path / "copy"
    directory.mkdir()
    with persons.node_at(directory) as node, machines_on(node, tmp_path) as make:
        one = make("one")
        one.sync()
        one.write("Calendar", "old.ics", event("old"))
        one.sync()
    shutil.copytree(directory, copy)
    with used(one, directory):
        one.write("Calendar", "new.ics", event("new"))
        one.write("Calendar", "old.ics", event("old", summary="Dinner"))
        one.sync()
    put_back(directory, copy)
    with used(one, directory) as node:
        after(node)
        assert one.sync().received["deleted"] == 0
        one.sync()
        assert sorted(one.files()) == ["new.ics", "old.ics"]
        conflicts = [text for conflict in one.state.conflicts() for text in (conflict.mine, conflict.theirs) if text]
        assert any(b"Dinner" in text for text in [*one.files().values(), *conflicts])
        assert one.sync().done == 0
        with machines_on(node, tmp_path) as make:
            other = make("other")
            other.sync()
            assert other.files().keys() == one.files().keys()


def test_messages_that_a_copy_does_not_know_are_sent_again(tmp_path: Path, after: Callable[[Node], None]) -> None:
    directory, copy = tmp_path / "node", tmp_path / "copy"
    with mail_persons.node_at(directory) as node, mail_machines_on(node, tmp_path) as make:
        one = make("one")
        one.sync()
        one.put("cur/1:2,S", mail(1))
        one.sync()
    shutil.copytree(directory, copy)
    with used(one, directory):
        one.put("cur/2:2,FS", mail(2))
        one.put("cur/3:2,", mail(3))
        one.sync()
    put_back(directory, copy)
    with used(one, directory) as node:
        after(node)
        assert one.sync().received["deleted"] == 0
        one.sync()
        assert one.sync().done == 0
        with mail_machines_on(node, tmp_path) as make:
            other = make("other")
            other.sync()
            assert other.mail() == one.mail() and len(one.mail()["."]) == 3
