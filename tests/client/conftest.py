"""Makes what these tests share importable; a node with calendars, one with mail, and what makes machines of each."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "server"))

import mail_persons
from mail_persons import MailMachine, mail_machines_on
from persons import Machine, machines_on, node_at

from mirror.server.node import Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with node_at(tmp_path / "node") as node:
        yield node


@pytest.fixture
def make(node: Node, tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    with machines_on(node, tmp_path) as make:
        yield make


@pytest.fixture
def mail_node(tmp_path: Path) -> Iterator[Node]:
    with mail_persons.node_at(tmp_path / "node") as node:
        yield node


@pytest.fixture
def machine(mail_node: Node, tmp_path: Path) -> Iterator[Callable[..., MailMachine]]:
    with mail_machines_on(mail_node, tmp_path) as make:
        yield make


@pytest.fixture
def both(machine: Callable[..., MailMachine]) -> tuple[MailMachine, MailMachine]:
    """Two machines of Ann, with her mail folders."""
    laptop, desk = machine("laptop"), machine("desk")
    laptop.sync()
    desk.sync()
    return laptop, desk
