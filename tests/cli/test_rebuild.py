"""The command that makes a lost server anew: what it says, and with which code it ends."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from local import LocalNode
from made_empty import EmptyServer, started

from mirror.config.files import write_private
from mirror.store.open import open_store


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmptyServer]:
    home = tmp_path / "citadel"
    home.mkdir()
    with started(home) as server:
        yield server


def test_it_ends_with_0_once_nothing_differs_and_says_to_restart(node: LocalNode, server: EmptyServer) -> None:
    arguments = ("rebuild", f"citadel://{server.home}", "--server-dir", str(server.home))
    result = node.run(*arguments)
    assert "Server alpha: 79 messages, 10 users, 71 rooms" in result.stdout
    assert "1 texts and 1 pictures of rooms" in result.stdout
    assert "the machine's name stays new.example.org" in result.stdout
    assert "May differ, 1: the machine's own name" in result.stdout
    assert "0 differences" in result.stdout and "restart the server" in result.stderr
    assert "it has 10 users" in node.run(*arguments, code=8).stderr


def test_it_tells_scripts_what_it_did(node: LocalNode, server: EmptyServer) -> None:
    told = node.json("rebuild", f"citadel://{server.home}", "--server-dir", str(server.home))
    assert told["equal"] is True and told["verified"]["undeclared"] == 0
    assert told["rebuilt"]["refilled"]["pictures"] == 1 and told["rebuilt"]["pairs"] == []


def test_a_server_is_compared_whenever_somebody_wants_to_know(node: LocalNode, server: EmptyServer) -> None:
    place = f"citadel://{server.home}"
    node.run("rebuild", place, "--server-dir", str(server.home), "--no-verify")
    result = node.run("verify", place, "--declared", code=1)
    assert "Differs (1):\n  config 'c_fqdn' value: alpha.example.org | new.example.org" in result.stdout
    assert "Declared (27):\n  visits/" in result.stdout
    server.settings["c_fqdn"] = "alpha.example.org"
    assert "alpha has all" in node.run("verify", place).stdout
    told = node.json("verify", place, "--declared")
    assert told["equal"] and len(told["declared_differences"]) == sum(told["declared"].values()) == 27
    assert {one["collection"] for one in told["collections"]} >= {"users", "messages/alpha:32"}
    assert (
        "--declared, --password-file and --server-dir are for citadel://"
        in node.run("verify", "peer", "--declared", code=2).stderr
    )


def test_the_account_as_whom_a_server_is_written_may_differ(
    node: LocalNode, server: EmptyServer, tmp_path: Path
) -> None:
    place = f"citadel://{server.home}"
    node.run("rebuild", place, "--server-dir", str(server.home), "--no-verify")
    server.settings["c_fqdn"] = "alpha.example.org"
    user = next(one for one in server.users.values() if one["u_axlevel"] == "4")
    user["u_flags"] = "1024"
    assert "u_flags" in node.run("verify", place, code=1).stdout
    write_private(tmp_path / "password", "x")
    both = ("--direction", "both", "--service", user["u_fullname"], "--password-file", str(tmp_path / "password"))
    node.run("attach", place, *both)
    assert "May differ, 1: the account as whom is written is the server's own" in node.run("verify", place).stdout


def test_what_differs_afterwards_ends_with_1(node: LocalNode, server: EmptyServer) -> None:
    take = server.take_import

    def spoilt(lines) -> None:
        take(lines)
        del server.lists[32][0]

    server.take_import = spoilt  # type: ignore[method-assign]
    result = node.run("rebuild", f"citadel://{server.home}", "--server-dir", str(server.home), code=1)
    assert "messages/alpha:32" in result.stdout and "NOT EQUAL: 2 differences" in result.stdout, "and its mark"


def test_what_would_be_there_twice_is_said(node: LocalNode, server: EmptyServer) -> None:
    store = open_store(node.directory)
    fields = {"QRname": "Made here", "QRflags": "2", "QRgen": "7"}
    store.write(lambda writer: writer.set_fields("rooms", "mirror:abc", fields))
    store.close()
    result = node.run("rebuild", f"citadel://{server.home}", "--server-dir", str(server.home))
    assert "1 things have other numbers or names than they had" in result.stdout
    assert "Do not have this node follow the server before it is paired" in result.stdout
    assert "Made here" in {room["QRname"] for room in server.rooms.values()}


def test_what_cannot_be_written_is_named_and_ends_with_9(node: LocalNode, server: EmptyServer, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("x")
    node.run("file", "put", "Drop Box", str(file))
    with node.ask() as remote:
        from mirror.cli.names import find_named

        key, _ = find_named(remote, "rooms", "Drop Box")
    assert key == "alpha:43"
    (server.home / "files").rmdir()
    told = json.loads(
        node.run("rebuild", f"citadel://{server.home}", "--server-dir", str(server.home), "--json", code=9).stdout
    )
    (refused,) = told["rebuilt"]["refilled"]["refused"]
    assert "room 'Drop Box'" in refused and "files/dropbox cannot be written: No such file" in refused


@pytest.mark.parametrize("place", ["citadel://admin@127.0.0.1:504", "citadel://admin@/run/citadel"])
def test_it_needs_the_administrators_socket(node: LocalNode, place: str) -> None:
    assert "with its administrator's socket" in node.run("rebuild", place, code=3).stderr
