"""Peers come and go without a moment, or a failure, in which somebody gets more than was said."""

import pytest
from local import LocalNode

from mirror.config import changing
from mirror.config.changing import save_peer
from mirror.config.errors import ConfigError
from mirror.config.reading import load_config
from mirror.config.secrets import load_secrets, save_secret
from mirror.config.settings import Peer
from mirror.peer.tls import make_certificate


def fail(*_given: object) -> None:
    raise ConfigError("this disk is full")


def test_a_peer_gets_its_table_before_its_secret(node: LocalNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "save_peer", fail)
    new = str(node.directory / "secret")
    node.run("peer", "add", "beta", "--kind", "share", "--new-secret", new, code=3)
    assert load_secrets(node.directory) == {}


def test_a_peer_that_becomes_another_kind_with_another_secret_is_nobody_in_between(
    node: LocalNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_peer(node.directory, Peer("beta", kind="share"))
    save_secret(node.directory, "beta", "a shared secret")
    monkeypatch.setattr(changing, "save_peer", fail)
    node.run("peer", "add", "beta", "--new-secret", str(node.directory / "secret"), code=3)
    assert load_secrets(node.directory) == {}


def test_a_secret_that_was_left_behind_is_nobody_elses(node: LocalNode) -> None:
    save_secret(node.directory, "beta", "a shared secret")
    assert "no secret: give" in node.run("peer", "add", "beta", code=3).stderr
    assert load_config(node.directory).peers == []


def test_a_peer_that_is_changed_keeps_its_secret(node: LocalNode) -> None:
    make_certificate(node.directory, "alpha", [])
    node.run("peer", "add", "beta", "--new-secret", str(node.directory / "secret"))
    held = load_secrets(node.directory)
    node.run("peer", "add", "beta", "--push", "no")
    assert load_secrets(node.directory) == held
    assert load_config(node.directory).peers == [Peer("beta", push="no")]


def test_ending_single_user_mode_where_there_is_none_is_refused(node: LocalNode) -> None:
    assert "not in single-user mode" in node.run("multi-user", code=8).stderr
