"""Backups of whole nodes, and what is done where a store or its disk is missing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from local import LocalNode

from mirror.config.reading import load_config
from mirror.config.secrets import load_secrets
from mirror.peer.tls import make_certificate, own_fingerprint


@pytest.fixture
def whole(node: LocalNode, tmp_path: Path) -> LocalNode:
    """A node with a certificate and a peer."""
    make_certificate(node.directory, "alpha", [])
    node.run("peer", "add", "beta", "--new-secret", str(tmp_path / "secret"))
    return node


def test_a_backup_is_a_whole_node(whole: LocalNode, tmp_path: Path) -> None:
    told = whole.json("backup", str(tmp_path / "b"))
    assert told["files"] == ["mirror.toml", "secrets.toml", "tls.crt", "tls.key"]
    other = LocalNode(tmp_path / "other" / "place")
    assert "Put back: mirror.toml, secrets.toml, tls.crt, tls.key." in other.run("restore", str(tmp_path / "b")).output
    assert load_secrets(other.directory) == load_secrets(whole.directory)
    assert load_config(other.directory).peers == load_config(whole.directory).peers
    assert own_fingerprint(other.directory) == own_fingerprint(whole.directory)
    assert {oct(path.stat().st_mode & 0o077) for path in other.directory.iterdir()} == {"0o0"}
    assert other.json("status")["records"] == whole.json("status")["records"]


def test_what_is_there_is_not_replaced_and_a_key_comes_with_its_certificate_only(
    whole: LocalNode, tmp_path: Path
) -> None:
    whole.run("backup", str(tmp_path / "b"))
    (whole.directory / "store.sqlite").unlink()
    (whole.directory / "secrets.toml").unlink()
    (whole.directory / "tls.crt").write_text("of another key")
    (whole.directory / "tls.key").unlink()
    assert whole.json("restore", str(tmp_path / "b"))["files"] == ["secrets.toml"]
    assert (whole.directory / "tls.crt").read_text() == "of another key"


@pytest.mark.parametrize("what", ["/etc/passwd", "/dev/zero"])
def test_what_is_no_backup_is_refused_and_leaves_nothing(node: LocalNode, tmp_path: Path, what: str) -> None:
    other = LocalNode(tmp_path / "other")
    assert "cannot be put back" in other.run("restore", what, code=5).stderr
    assert not other.directory.exists()


@pytest.mark.parametrize("command", [("status",), ("room", "list"), ("backup", "b"), ("import", "/dev/null")])
def test_no_command_makes_a_store_where_one_is_missing(
    node: LocalNode, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(node.directory)
    (node.directory / "store.sqlite").unlink()
    assert "is its disk mounted?" in node.run(*command, code=5).stderr
    assert not (node.directory / "store.sqlite").exists()


@pytest.mark.parametrize("command", [("status",), ("check",), ("post", "Lobby", "x"), ("backup", "b"), ("daemon",)])
def test_an_empty_file_is_no_store_and_stays_as_it_is(
    node: LocalNode, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_certificate(node.directory, "alpha", [])
    monkeypatch.chdir(node.directory)
    store = node.directory / "store.sqlite"
    store.write_bytes(b"")
    said = node.run(*command, code=5).stderr
    assert f"{store} is empty: move it away; then 'ctdlmirror restore'" in said and said.count("\n") == 1
    assert store.stat().st_size == 0 and not (node.directory / "b").exists()


@pytest.mark.parametrize("file", ["tls.crt", "tls.key"])
@pytest.mark.parametrize("spoil", [lambda path: path.write_text("garbage"), Path.unlink], ids=["garbage", "missing"])
def test_a_certificate_of_no_use_says_what_to_do(node: LocalNode, file: str, spoil: Callable[[Path], object]) -> None:
    make_certificate(node.directory, "alpha", [])
    spoil(node.directory / file)
    said = node.run("config", "check", code=3).stderr
    assert (
        "tls.crt is of no use: " in said and "'ctdlmirror cert renew' makes another" in said and said.count("tls.") == 1
    )
    node.run("cert", "renew")
    assert node.run("config", "check").stdout == "The settings are good.\n"


def test_a_store_that_is_lost_is_begun_anew_when_that_is_asked_for(node: LocalNode) -> None:
    assert "never replaces a store" in node.run("init", "--new-store", code=3).stderr
    (node.directory / "store.sqlite").unlink()
    node.run("init", "--new-store")
    assert node.json("status")["records"] == 0


def test_a_directory_too_long_for_its_socket_is_refused(tmp_path: Path) -> None:
    deep = LocalNode(tmp_path / ("d" * 100))
    assert "too long for the admin socket" in deep.run("init", "--node", "a", code=3).stderr
    assert not deep.directory.exists()


def test_a_new_secret_replaces_no_file_and_follows_no_link(whole: LocalNode, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("secret", "link"):
        before = load_secrets(whole.directory)
        file = str(tmp_path / name)
        assert "replaces no file" in whole.run("peer", "add", "gamma", "--new-secret", file, code=3).stderr
        assert load_secrets(whole.directory) == before
    assert not (tmp_path / "target").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of somebody else's")
def test_what_root_does_in_a_services_directory_stays_the_services(whole: LocalNode, tmp_path: Path) -> None:
    for path in (whole.directory, *whole.directory.iterdir()):
        os.chown(path, 12345, 12346)
    (whole.directory / "lock").unlink()
    whole.run("peer", "add", "gamma", "--new-secret", str(tmp_path / "other"))
    whole.run("post", "Lobby", "x")
    assert {(path.stat().st_uid, path.stat().st_gid) for path in whole.directory.iterdir()} == {(12345, 12346)}


def test_a_full_disk_is_one_line(whole: LocalNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full)
    before = (whole.directory / "mirror.toml").read_bytes()
    said = whole.run("peer", "add", "beta", "--push", "no", code=3).stderr
    assert said.count("\n") == 1 and "cannot be written: No space left" in said
    assert (whole.directory / "mirror.toml").read_bytes() == before
    assert not list(whole.directory.glob("*.new"))


def full(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


AUTHORITY = "-----BEGIN CERTIFICATE-----"


def test_files_of_authorities_are_in_a_backup_and_where_peers_look_for_them(whole: LocalNode, tmp_path: Path) -> None:
    authority = tmp_path / "etc" / "ours.pem"
    authority.parent.mkdir()
    authority.write_bytes((whole.directory / "tls.crt").read_bytes() + b"# caf\xe9\n")
    whole.run("peer", "add", "beta", "--trust", f"ca:{authority}")
    whole.run("peer", "add", "gamma", "--trust", f"ca:{authority}", "--new-secret", str(tmp_path / "other secret"))
    assert "ca-beta.pem" in whole.json("backup", str(tmp_path / "b"))["files"]
    here = LocalNode(tmp_path / "same machine")
    assert "ca-beta.pem" not in here.json("restore", str(tmp_path / "b"))["files"]
    assert here.run("config", "check").stdout == "The settings are good.\n"
    authority.unlink()
    other = LocalNode(tmp_path / "other")
    assert other.json("restore", str(tmp_path / "b"))["files"][-2:] == ["ca-beta.pem", "ca-gamma.pem"]
    assert other.run("config", "check").stdout == "The settings are good.\n"
    assert AUTHORITY in (other.directory / "ca-beta.pem").read_text()
    assert f'trust = "ca:{other.directory}/ca-beta.pem"' in (other.directory / "mirror.toml").read_text()
    assert other.run("backup", str(tmp_path / "without")).exit_code == 0


def test_a_file_of_authorities_is_found_from_anywhere_and_of_use(
    whole: LocalNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(whole.directory)
    whole.run("peer", "add", "beta", "--trust", "ca:tls.crt")
    beta = load_config(whole.directory).peer("beta")
    assert beta is not None and beta.trust == f"ca:{whole.directory}/tls.crt"
    assert "the CA file" in whole.run("peer", "add", "beta", "--trust", "ca:missing.pem", code=3).stderr
    assert load_config(whole.directory).peer("beta") == beta
