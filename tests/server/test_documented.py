"""docs/protocol.md names every command, action, reply code and kind that there is, and who may use it."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from mirror.model.kinds import KINDS
from mirror.server.basics import CAPABILITIES
from mirror.server.commands import ACTIONS, ATTACH_ACTIONS, COMMANDS, SHARE_ACTIONS
from mirror.server.sync import VIEWS
from mirror.server.table import Handler, Permission
from mirror.wire.lines import Code

DOCUMENT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")


class Row(NamedTuple):
    """What the page says of a command: its forms with their arguments, and who may use it."""

    forms: str
    who: str


def rows(heading: str) -> dict[str, Row]:
    """Return the rows of a section's table by each name in their first cells; several rows of one name are one."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found: dict[str, Row] = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            forms, who = [cell.strip("| ") for cell in line.replace("\\|", "¦").split(" | ")][:2]
            for name in re.findall(r"`([A-Za-z-]+)", forms):
                before = found[name].forms if name in found else ""
                found[name] = Row(f"{before} {forms.replace('¦', '|')}", who)
    return found


def check_row(name: str, handler: Handler, table: dict[str, Row]) -> None:
    """Check who may use a command, and that the page names its arguments."""
    assert name in table, f"{name} has no row"
    assert table[name].who == handler.permission.value
    for argument in handler.arguments:
        named = argument.name.partition(", then")[0].removesuffix("...")
        assert named.strip("|") in table[name].forms


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_commands(verb: str) -> None:
    check_row(verb, COMMANDS[verb], rows("2. Commands"))


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_actions(action: str) -> None:
    check_row(action, ACTIONS[action], rows("3. SYNC type|action|arguments"))


@pytest.mark.parametrize("action", sorted(SHARE_ACTIONS))
def test_actions_of_shares(action: str) -> None:
    assert re.search(rf"`SYNC shares\|{action}`", DOCUMENT)


@pytest.mark.parametrize("action", sorted(ATTACH_ACTIONS))
def test_actions_of_attachments(action: str) -> None:
    handler = ATTACH_ACTIONS[action]
    assert handler.permission is Permission.ADMIN
    found = re.search(rf"`SYNC attachments\\\|{action}(?![a-z])([^`]*)`", DOCUMENT)
    assert found is not None, f"{action} has no row"
    assert all(argument.name in found[1] for argument in handler.arguments)


@pytest.mark.parametrize("kind", sorted(KINDS) + sorted(VIEWS))
def test_types(kind: str) -> None:
    assert re.search(rf"\b{kind}\b", DOCUMENT)


@pytest.mark.parametrize("code", sorted(code for code in Code if code >= 500 and code < 600))
def test_error_codes(code: Code) -> None:
    assert re.search(rf"^\| {int(code)} \|", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_capabilities(capability: str) -> None:
    assert f"`{capability}`" in DOCUMENT
