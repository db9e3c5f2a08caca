"""docs/protocol.md names every command, action, reply code and kind that there is."""

import re
from pathlib import Path

import pytest

from mirror.model.kinds import KINDS
from mirror.server.commands import TABLE
from mirror.server.sync_commands import ACTIONS, VIEWS
from mirror.wire.lines import Code

DOCUMENT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")


@pytest.mark.parametrize("verb", sorted(TABLE))
def test_commands(verb: str) -> None:
    assert re.search(rf"`{verb}\b", DOCUMENT)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_actions(action: str) -> None:
    assert re.search(rf"`{action}\b", DOCUMENT)


@pytest.mark.parametrize("kind", sorted(KINDS) + sorted(VIEWS))
def test_types(kind: str) -> None:
    assert re.search(rf"\b{kind}\b", DOCUMENT)


@pytest.mark.parametrize("code", sorted(code for code in Code if code >= 500 and code < 600))
def test_error_codes(code: Code) -> None:
    assert re.search(rf"^\| {int(code)} \|", DOCUMENT, re.MULTILINE)
