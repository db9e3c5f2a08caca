"""A node's files are checked as a whole: what a daemon cannot go by is named, what it can is a note."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mirror.config.changing import save_peer
from mirror.config.errors import ConfigError
from mirror.config.reading import template
from mirror.config.secrets import save_secret
from mirror.config.settings import Config, Peer
from mirror.peer.tls import ending, make_certificate
from mirror.server.settings import read_settings


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "mirror.toml").write_text(template(Config(tmp_path, "alpha")))
    make_certificate(tmp_path, "alpha", [])
    return tmp_path


def append(text: str) -> Callable[[Path], object]:
    return lambda directory: (directory / "mirror.toml").write_text((directory / "mirror.toml").read_text() + text)


def setting(old: str, new: str) -> Callable[[Path], object]:
    def change(directory: Path) -> None:
        text = (directory / "mirror.toml").read_text()
        assert old in text
        (directory / "mirror.toml").write_text(text.replace(old, new))

    return change


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "peer is a list": (setting("[node]", "peer = [1]\n[node]"), "two brackets"),
    "not a number": (setting("retry_min_s = 1.0", "retry_min_s = nan"), "a number greater than 0 was expected"),
    "infinite": (setting("retry_max_s = 300.0", "retry_max_s = inf"), "a number greater than 0 was expected"),
    "too great": (setting("keepalive_s = 30", f"keepalive_s = {1 << 63}"), "a whole number greater than 0"),
    "no section": (append("\n[nonsense]\n"), "[nonsense] is no section"),
    "no TOML": (append("\n[["), "mirror.toml"),
    "no port": (setting("addresses = []", 'addresses = ["h:99999"]'), "h:99999"),
    "CA that is not there": (
        append('\n[[peer]]\nname = "b"\ntrust = "ca:/nowhere"\n'),
        "[[peer]] b: the CA file /nowhere",
    ),
    "CA that is none": (append('\n[[peer]]\nname = "b"\ntrust = "ca:/etc/hostname"\n'), "[[peer]] b: the CA file"),
    "no certificate": (lambda directory: (directory / "tls.crt").unlink(), "tls.crt"),
    "key for all to read": (lambda directory: (directory / "tls.key").chmod(0o644), "chmod 600"),
    "key of another": (lambda directory: (directory / "tls.key").write_text("x"), "tls.crt"),
    "secrets that are none": (lambda directory: (directory / "secrets.toml").write_text("peers = 1"), "secrets.toml"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_a_daemon_cannot_go_by_is_named_in_a_line(directory: Path, what: str) -> None:
    spoil, told = BROKEN[what]
    spoil(directory)
    if (directory / "secrets.toml").exists():
        (directory / "secrets.toml").chmod(0o600)
    with pytest.raises(ConfigError) as raised:
        read_settings(directory)
    assert told in str(raised.value) and "\n" not in str(raised.value)


def test_what_is_good_has_nothing_to_note(directory: Path) -> None:
    save_peer(directory, Peer("beta"))
    save_secret(directory, "beta", "a secret that is shared")
    settings = read_settings(directory)
    assert (settings.notes, settings.config.peers) == ((), [Peer("beta")])


def test_secrets_without_peers_and_peers_without_secrets_are_noted(directory: Path) -> None:
    save_peer(directory, Peer("beta"))
    save_secret(directory, "gamma", "a secret that is shared")
    assert [note[:40] for note in read_settings(directory).notes] == [
        "secrets.toml has a secret for gamma, whi",
        "peer beta has no secret: run 'ctdlmirror",
    ]


def test_a_certificate_that_ends_soon_is_spoken_of(directory: Path) -> None:
    assert ending(directory) == ""
    soon = datetime.now(UTC) + timedelta(days=7300 - 29)
    assert "'ctdlmirror cert renew' makes another one" in ending(directory, soon)
