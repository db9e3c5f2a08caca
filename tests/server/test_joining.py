"""A node becomes another one's peer by one string, which is worth nothing afterwards, and nothing after a day."""

import socket
from collections.abc import Iterator
from pathlib import Path

import gevent
import msgspec
import pytest
from daemons import run, running

from mirror.config.reading import load_config
from mirror.config.secrets import load_invitations, load_secrets, save_invitation
from mirror.invitation import read_invitation, write_invitation
from mirror.peer.dial import NotAuthenticated, dial_peer
from mirror.server import daemon as daemon_module


@pytest.fixture
def main(tmp_path: Path) -> Iterator[Path]:
    """The directory of a node whose daemon runs in this process."""
    directory = tmp_path / "main"
    run(directory, "init", "--node", "main", "--listen", "127.0.0.1:0")
    with running(directory):
        yield directory


def invite(directory: Path, *more: str) -> str:
    return run(directory, "peer", "invite", "standby", *more).stdout.strip()


def test_a_string_makes_two_nodes_peers_and_copies_what_is_there(main: Path, tmp_path: Path) -> None:
    text = invite(main)
    standby = tmp_path / "standby"
    said = run(standby, "join", "--listen", "127.0.0.1:0", given=text + "\n").stdout
    assert "is a peer of standby now" in said and "Next: 'ctdlmirror daemon'" in said
    secret = load_secrets(standby)["main"]
    assert load_secrets(main)["standby"] == secret != read_invitation(text).secret
    assert load_invitations(main) == {}
    assert load_config(standby).peers[0].trust == read_invitation(text).pin
    assert "equal" in run(standby, "verify", "main").stdout.lower()


@pytest.mark.parametrize("name", ["localhost", "localhost.localdomain"])
def test_a_machine_that_knows_no_name_of_its_own_asks_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    run(tmp_path / "main", "init", "--node", "main", "--listen", "0.0.0.0:2504")
    monkeypatch.setattr(socket, "getfqdn", lambda: name)
    assert "tell one, --address HOST:2504" in run(tmp_path / "main", "peer", "invite", "standby", code=3).stderr
    assert load_config(tmp_path / "main").peers == []
    told = invite(tmp_path / "main", "--address", "main.example.org")
    assert read_invitation(told).addresses == ["main.example.org:2504"]
    run(tmp_path / "main", "peer", "remove", "standby")
    monkeypatch.setattr(socket, "getfqdn", lambda: "main.example.org")
    assert read_invitation(invite(tmp_path / "main")).addresses == ["main.example.org:2504"]


def test_an_invitation_is_good_once(main: Path, tmp_path: Path) -> None:
    text = invite(main)
    run(tmp_path / "standby", "join", "--no-bootstrap", "--listen", "127.0.0.1:0", given=text)
    again = run(tmp_path / "thief", "join", "--no-bootstrap", "--listen", "127.0.0.1:0", given=text, code=7)
    assert "it was used" in again.stderr
    run(tmp_path / "standby", "join", "--no-bootstrap", given=text)  # who has joined may ask again


def test_one_that_nobody_used_in_time_lets_nobody_in(main: Path, tmp_path: Path) -> None:
    one = read_invitation(invite(main))
    save_invitation(main, "standby", one.secret, 1)
    run(main, "reload")
    late = write_invitation(one)
    assert "it was used" in run(tmp_path / "late", "join", "--listen", "127.0.0.1:0", given=late, code=7).stderr
    ended = run(tmp_path / "late", "join", given=write_invitation(msgspec.structs.replace(one, until=1)), code=3)
    assert "has ended" in ended.stderr


def test_a_running_daemon_forgets_it_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_module, "WATCH_S", 0.05)
    directory = tmp_path / "main"
    run(directory, "init", "--node", "main", "--listen", "127.0.0.1:0")
    with running(directory) as daemon:
        one = read_invitation(invite(directory))
        assert "standby" in daemon.node.secrets
        save_invitation(directory, "standby", one.secret, 1)
        with gevent.Timeout(30):
            while "standby" in daemon.node.secrets:
                gevent.sleep(0.01)


def test_only_a_guest_may_choose_a_secret(main: Path, tmp_path: Path) -> None:
    run(tmp_path / "standby", "join", "--no-bootstrap", "--listen", "127.0.0.1:0", given=invite(main))
    config = load_config(tmp_path / "standby")
    secret = load_secrets(config.directory)["main"]
    channel, _ = dial_peer(config.peers[0], "standby", secret, 10)
    channel.send(b"SYNC all|join|" + b"x" * 43 + b"\n")
    assert (channel.read_line() or b"").startswith(b"550 this is for a node that was invited, once")
    channel.close()
    assert load_secrets(main)["standby"] == secret
    with pytest.raises(NotAuthenticated):
        dial_peer(config.peers[0], "standby", "x" * 43, 10)


def test_rooms_are_shared_by_an_invitation_too(main: Path, tmp_path: Path) -> None:
    said = run(
        tmp_path / "standby", "join", "--listen", "127.0.0.1:0", given=invite(main, "--kind", "share")
    ).stdout  # fmt: skip
    assert "'ctdlmirror room share ROOM main'" in said
    assert [load_config(main).peers[0].kind, load_config(tmp_path / "standby").peers[0].kind] == ["share", "share"]


def test_another_node_and_who_is_a_peer_already_are_refused(main: Path, tmp_path: Path) -> None:
    text = invite(main)
    run(tmp_path / "other", "init", "--node", "other")
    assert "has invited standby, this node is other" in run(tmp_path / "other", "join", given=text, code=3).stderr
    assert "is a peer already" in run(main, "peer", "invite", "standby", code=3).stderr
    assert "is no invitation" in run(tmp_path / "other", "join", given="hello", code=3).stderr
