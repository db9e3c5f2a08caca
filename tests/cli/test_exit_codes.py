"""Exit codes: what an error's class says is what ``--help`` and the documentation tell."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import mirror
import netconf
from mirror.citadel.protocol.client import LoginFailed
from mirror.cli import setup
from mirror.cli.app import EXIT_ABORTED, EXIT_FAULT, cli
from mirror.cli.names import NoSuchName
from mirror.config.errors import ConfigError
from mirror.formats.errors import BadMessage
from mirror.model.errors import MirrorError
from mirror.peer.channel import ConnectionLost
from mirror.peer.dial import KindsDiffer, NotAuthenticated
from mirror.peer.tls import NotTrusted
from mirror.server.listener import ListenError
from mirror.store.errors import StoreDamaged, StoreExists, StoreInUse
from mirror.wire.errors import ProtocolError, Refused
from netconf.errors import NetconfError

DOCUMENT = Path(__file__).parents[2] / "docs" / "exit-codes.md"
OTHERS = {0, 1, 2, EXIT_FAULT, EXIT_ABORTED}
"""Those that are no error's class."""
ENTRY_POINTS = ("mirror.cli.entry", "mirror.__main__")
"""Modules that patch the interpreter or run a command when they are imported."""


def error_classes() -> Iterator[type[MirrorError]]:
    """Yield the root of all errors and every class below it, of every module there is."""
    for package in (mirror, netconf):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if module.name not in ENTRY_POINTS:
                importlib.import_module(module.name)
    yield from _tree(MirrorError)


def _tree(kind: type[MirrorError]) -> Iterator[type[MirrorError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__.startswith(("mirror.", "netconf.")):
            yield from _tree(child)


def documented() -> dict[int, str]:
    """Return the table of the page: by code, the rest of its line."""
    rows = re.findall(r"^\| (\d+) \| (.*)$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    return {int(code): rest for code, rest in rows}


def test_help_names_every_code_an_error_can_end_with() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    epilog = shown[shown.index("Exit codes:") :]
    named = {int(code) for code in re.findall(r"\b\d+\b", epilog)}
    assert named == OTHERS | {kind.exit_code for kind in error_classes()}


def test_the_page_lists_the_same_codes_and_every_class_that_has_one_of_its_own() -> None:
    table = documented()
    classes = list(error_classes())
    assert set(table) == OTHERS | {kind.exit_code for kind in classes}
    for kind in classes:
        if "exit_code" in vars(kind):
            assert f"`{kind.__name__}`" in table[kind.exit_code], kind


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 3),
        (KindsDiffer("x"), 3),
        (StoreInUse("x"), 4),
        (StoreExists("x"), 3),
        (StoreDamaged("x"), 5),
        (ConnectionLost("x"), 6),
        (NotAuthenticated("x"), 7),
        (NotTrusted("x"), 7),
        (LoginFailed("x"), 7),
        (Refused(570, "x"), 8),
        (BadMessage("x"), 9),
        (NoSuchName("x"), 12),
        (ListenError("x"), 13),
        (ProtocolError("x"), 10),
        (NetconfError(1, "x", "is wrong", "mend it"), 10),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, MirrorError) else "",
)
def test_a_command_ends_with_the_code_of_its_error(
    error: MirrorError, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(_directory: Path) -> None:
        raise error

    monkeypatch.setattr(setup, "load_config", fail)
    result = CliRunner().invoke(cli, ["--dir", str(tmp_path), "peer", "list"])
    told = error.text if isinstance(error, Refused) else error  # its number is for programs, which get the exit code
    assert (result.exit_code, result.stderr) == (code, f"ctdlmirror: {told}\n")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyError("k\x1b[2J"), 14, "a fault of this program: KeyError: 'k\\x1b[2J'"),
        (KeyboardInterrupt(), 130, "ended by Ctrl-C, or by a question that was not answered with yes"),
        (OSError(28, "No space left on device", "/x"), 10, "/x: No space left on device"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_nobody_expected_has_a_code_of_its_own_and_none_of_something_that_differs(
    error: BaseException, code: int, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(_directory: Path) -> None:
        raise error

    monkeypatch.setattr(setup, "load_config", fail)
    result = CliRunner().invoke(cli, ["--dir", str(tmp_path), "peer", "list"])
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (code, f"ctdlmirror: {told}")


@pytest.mark.parametrize(("arguments", "code"), [(["peer", "list"], 3), (["peer", "nothing"], 2)])
def test_a_script_that_asked_for_json_gets_the_error_as_json_too(
    arguments: list[str], code: int, tmp_path: Path
) -> None:
    result = CliRunner().invoke(cli, ["--dir", str(tmp_path), *arguments, "--json"])
    told = json.loads(result.stdout)
    assert (result.exit_code, told["exit_code"]) == (code, code)
    assert result.stderr == f"ctdlmirror: {told['error']}\n"
