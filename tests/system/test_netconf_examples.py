"""The examples of docs/netconf.md: the commands make the lines, and the lines make messages flow as the tables say."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from nodes import NodeProcess
from share_ends import dial

from mirror.model.record import Record
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.share.rules import NETCONF_KEY

PAGE = (Path(__file__).parents[2] / "docs" / "netconf.md").read_text("utf-8")


class Example(NamedTuple):
    commands: list[tuple[str, str]]
    lines: list[tuple[str, str, str]]
    seen: dict[str, set[str]]

    @property
    def nodes(self) -> list[str]:
        return list(dict.fromkeys(node for node, _, _ in self.lines))

    def room(self, node: str) -> str:
        return next(room for one, room, _ in self.lines if one == node)


def examples() -> dict[str, Example]:
    found = {}
    for part in PAGE.partition("## Examples")[2].split("\n### ")[1:]:
        title, _, text = part.partition("\n")
        commands = re.findall(r"^    (\w+)\$ ctdlmirror (room share .*)$", text, re.MULTILINE)
        lines = re.findall(r"^    (\w+)/([^:]+): (\w+_share\|.*)$", text, re.MULTILINE)
        rows = re.findall(r"^\| (\w+) \| ([\w, ]+) \|$", text, re.MULTILINE)
        if lines:
            found[title] = Example(commands, lines, {node: set(seen.split(", ")) for node, seen in rows})
    return found


EXAMPLES = examples()


def test_all_examples_were_found() -> None:
    assert len(EXAMPLES) == 6
    assert sum(len(example.commands) for example in EXAMPLES.values()) == 12
    assert all(len(example.seen) == len(example.nodes) for example in EXAMPLES.values())


@pytest.mark.parametrize("title", EXAMPLES)
def test_messages_are_seen_where_the_table_says(title: str, make_store: Callable[[str], SqliteStore]) -> None:
    example = EXAMPLES[title]
    stores = {node: make_store(node) for node in example.nodes}
    for node, store in stores.items():
        fields = {"QRname": example.room(node), "QRflags": "2"}
        store.write(lambda writer, node=node, fields=fields: writer.set_fields("rooms", f"{node}:1", fields))
        text = "".join(f"{line}\n" for one, _, line in example.lines if one == node).encode()
        draft = Record(f"netconf/{node}:1", NETCONF_KEY, 1, "x", 1, body=text)
        store.write(lambda writer, draft=draft: writer.put(draft))
        post = Record(
            f"messages/{node}:1", f"id:of {node}", 1, "x", 1, body=b"\xffA\0AAnn\0Fann@x.example.org\0Mtext\0"
        )
        store.write(lambda writer, post=post: writer.put(post))
    first, *others = stores.values()
    for _ in range(2):
        for other in others:
            dial(other, first)
    for posted_at, wanted in example.seen.items():
        seen = {
            node
            for node, store in stores.items()
            if store.read(lambda reader, node=node: reader.get(f"messages/{node}:1", f"id:of {posted_at}"))  # noqa: B023
        }
        assert seen == wanted, f"posted at {posted_at}"


@pytest.mark.parametrize("title", [title for title, example in EXAMPLES.items() if example.commands])
def test_the_commands_make_the_lines(title: str, node: Callable[[str], NodeProcess], secret: Path) -> None:
    example = EXAMPLES[title]
    made = []
    for name in example.nodes:
        one = node(name)
        store = SqliteStore(one.directory, name)
        fields = {"QRname": example.room(name), "QRflags": "2"}
        store.write(lambda writer, name=name, fields=fields: writer.set_fields("rooms", f"{name}:1", fields))
        store.close()
        for where, command in example.commands:
            if where == name:
                arguments = shlex.split(command)
                peer = arguments[3]
                one.run("peer", "add", peer, "--kind", "share", "--secret-file", str(secret))
                made.append((name, example.room(name), one.json(*arguments)["line"]))
    assert made == example.lines
