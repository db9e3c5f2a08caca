"""Every command that opens the store, and the daemon, open the one that mirror.toml names."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mirror.cli.app import cli
from mirror.config.files import CONFIG_FILE
from mirror.config.reading import template
from mirror.config.settings import Config, ListenSettings
from mirror.server.daemon import Daemon
from mirror.store.errors import StoreError
from mirror.store.open import open_store


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A node whose store is kept by something that there is not."""
    config = Config(tmp_path, "m", ListenSettings())
    store = open_store(tmp_path, "m")
    store.backup(tmp_path / "backup")
    store.close()
    (tmp_path / CONFIG_FILE).write_text(template(config).replace('url = "sqlite:"', 'url = "nosuch:there"'))
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("import", "export.xml"),
        ("bootstrap", "citadel://admin@127.0.0.1:1"),
        ("restore", "backup"),
    ],
)
def test_a_store_that_is_none_is_refused(
    directory: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITADEL_PASSWORD", "x")
    monkeypatch.chdir(directory)
    result = CliRunner().invoke(cli, ["--dir", str(directory), *arguments])
    assert (result.exit_code, result.stderr) == (
        3,
        "ctdlmirror: 'nosuch:there' names no store; 'sqlite:' is the one there is\n",
    )


def test_by_the_daemon_too(directory: Path) -> None:
    with pytest.raises(StoreError, match="'nosuch:there' names no store"):
        Daemon(directory)
