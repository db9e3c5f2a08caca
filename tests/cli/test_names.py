"""Rooms and users by name: found by the node, and renamed by a draft that names what it was made from."""

import pytest
from local import LocalNode

from mirror.cli.names import NoSuchName, find_named


@pytest.mark.parametrize("name", ["Lobby", "lobby", "alpha:1"])
def test_a_room_is_found_by_name_and_key(node: LocalNode, name: str) -> None:
    with node.ask() as remote:
        assert find_named(remote, "rooms", name) == ("alpha:1", "Lobby")


def test_a_mailbox_is_found_by_its_stored_name(node: LocalNode) -> None:
    with node.ask() as remote:
        key, name = find_named(remote, "rooms", "0000000002.Mail")
    assert (key.partition(":")[0], name) == ("alpha", "0000000002.Mail")


def test_who_is_not_found_is_told_of_similar_names(node: LocalNode) -> None:
    with (
        node.ask() as remote,
        pytest.raises(NoSuchName, match="there is no room 'team'; did you mean 'Team Calendar'"),
    ):
        find_named(remote, "rooms", "team")
    with node.ask() as remote, pytest.raises(NoSuchName, match=r"there is no user 'nobody at all'$"):
        find_named(remote, "users", "nobody at all")


def test_a_room_is_renamed_and_what_somebody_else_changed_stays(node: LocalNode) -> None:
    node.run("room", "rename", "Lobby", "Hall")
    with node.ask() as remote:
        assert find_named(remote, "rooms", "Hall")[0] == "alpha:1"
    assert node.json("conflicts", "list") == []
    assert "cannot name a room" in node.run("room", "rename", "Hall", "a|b", code=3).output


def test_names_that_look_alike_are_named(node: LocalNode) -> None:
    assert "look alike" not in node.run("room", "list").stdout
    node.run("room", "rename", "Team Calendar", "LOBBY", "--taken")
    listed = node.run("room", "list").stdout
    assert "These names look alike: Lobby, LOBBY (alpha).  'ctdlmirror room rename' tells them apart." in listed
    alike = {row["key"]: row["alike"] for row in node.json("room", "list") if row["alike"]}
    assert len(alike) == 2
    assert alike["alpha:1"] == [key for key in alike if key != "alpha:1"]


def test_users_that_look_alike_are_named(node: LocalNode) -> None:
    first, second = [row["name"] for row in node.json("user", "list")][:2]
    node.run("user", "rename", second, first.upper(), "--taken")
    assert "These names look alike: " in node.run("user", "list").stdout
