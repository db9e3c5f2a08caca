"""A daemon takes changed settings and a renewed certificate over, or says what is wrong and goes on as before."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from daemons import run, running

from mirror.config.checking import parse_address
from mirror.peer.channel import connect
from mirror.peer.tls import look_at_certificate
from mirror.server.daemon import Daemon


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    run(tmp_path, "init", "--node", "alpha", "--listen", "127.0.0.1:0")
    return tmp_path


@pytest.fixture
def daemon(directory: Path) -> Iterator[Daemon]:
    """A daemon in this process; its greenlet runs when the test waits for something."""
    with running(directory) as daemon:
        yield daemon


def shown_pin(daemon: Daemon) -> str:
    """Return the pin of the certificate that the daemon shows to who connects now."""
    address = parse_address(daemon.node.addresses[0], "test")
    channel = connect(address.host, address.port, 10)
    channel.read_reply()
    pin = look_at_certificate(channel)
    channel.close()
    return f"pin:{pin}"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[node]", "peer = [1]\n[node]", "two brackets"),
        ('name = "alpha"', 'name = "omega"', "a node's name never changes"),
        ("[node]", "[[peer]]\nname = 'x'\ntrust = 'ca:/nowhere'\n[node]", "[[peer]] x: the CA file /nowhere"),
    ],
)
def test_a_broken_file_is_told_and_changes_nothing(
    daemon: Daemon, directory: Path, old: str, new: str, told: str
) -> None:
    held = daemon.node.config
    text = (directory / "mirror.toml").read_text()
    (directory / "mirror.toml").write_text(text.replace(old, new))
    said = run(directory, "reload", code=3).stderr
    assert told in said and "goes on as before" in said and said.count("\n") == 1
    assert daemon.node.config is held


def test_what_is_good_is_taken_over_with_what_is_to_be_known(daemon: Daemon, directory: Path) -> None:
    text = (directory / "mirror.toml").read_text()
    (directory / "mirror.toml").write_text(text.replace("127.0.0.1:0", "127.0.0.1:1") + "\n[[peer]]\nname = 'beta'\n")
    said = run(directory, "reload").stdout
    assert "changed listen addresses take effect at the next start" in said and "beta has no secret" in said
    assert [peer.name for peer in daemon.node.config.peers] == ["beta"]


def test_a_renewed_certificate_is_shown_once_it_is_taken_over(daemon: Daemon, directory: Path) -> None:
    before = shown_pin(daemon)
    run(directory, "cert", "renew")
    assert shown_pin(daemon) == before
    run(directory, "reload")
    after = shown_pin(daemon)
    assert after != before
    assert after in run(directory, "status").stdout and after in run(directory, "cert", "show").stdout


def test_a_hangup_while_it_starts_is_a_reload_once_it_is_up(daemon: Daemon, directory: Path) -> None:
    held = daemon.node.config
    assert not daemon._up.is_set()
    os.kill(os.getpid(), signal.SIGHUP)
    with gevent.Timeout(30):
        while daemon.node.config is held:
            gevent.sleep(0.01)


def test_without_a_daemon_there_is_nothing_to_reload_whatever_was_left_behind(directory: Path) -> None:
    (directory / "daemon.json").write_text(f'{{"pid": {os.getpid()}}}')  # as a killed daemon of 0.1.0 left it
    assert "no daemon runs" in run(directory, "reload", code=3).stderr
    assert "no daemon runs" in run(directory, "status").stdout


def test_settings_are_checked_without_a_daemon(directory: Path) -> None:
    assert "The settings are good." in run(directory, "config", "check").stdout
    (directory / "mirror.toml").write_text("x")
    run(directory, "config", "check", code=3)
