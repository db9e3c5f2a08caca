"""Deleting rooms and users, and bringing back a room into which something came meanwhile."""

from local import LocalNode

from mirror.model.draft import Draft
from mirror.store.open import open_store


def arrive(node: LocalNode, key: str) -> None:
    """Have a message come from another node that knew nothing of what happened here."""
    store = open_store(node.directory, "alpha")
    with_other = Draft(f"messages/{key}", "id:late@beta", body=b"\xffA\0ABen\0Mwritten meanwhile\0")
    store.write(lambda writer: writer.write(with_other))
    store.close()


def test_what_came_into_a_deleted_room_is_listed_and_comes_back_with_it(node: LocalNode) -> None:
    node.run("post", "Lobby", "seen by who deletes")
    assert "Lobby is deleted" in node.run("room", "delete", "Lobby", "--yes").stdout
    assert "there is no room 'Lobby'" in node.run("read", "Lobby", code=12).stderr
    arrive(node, "alpha:1")
    (killed,) = node.json("room", "list", "--deleted")
    assert {name: killed[name] for name in ("key", "name", "by", "alive")} == {
        "key": "alpha:1", "name": "Lobby", "by": "alpha", "alive": 1,
    }  # fmt: skip
    assert "Lobby" in node.run("room", "list", "--deleted").stdout
    restored = node.run("room", "restore", "Lobby").stdout
    assert "The room Lobby is back, with 1 messages and files in it." in restored
    shown = node.run("read", "Lobby").stdout
    assert "written meanwhile" in shown
    assert "seen by who deletes" not in shown
    assert node.json("room", "list", "--deleted") == []
    assert "no problems" in node.run("check").stdout


def test_a_room_can_be_deleted_and_restored_again(node: LocalNode) -> None:
    for _ in range(2):
        node.run("room", "delete", "Lobby", "--yes")
        node.run("room", "restore", "alpha:1")
    assert "no deleted room 'Lobby'" in node.run("room", "restore", "Lobby", code=12).stderr


def test_deleted_rooms_of_one_name_are_told_apart_by_their_keys(node: LocalNode) -> None:
    node.run("room", "delete", "Lobby", "--yes")
    node.run("room", "rename", "Team Calendar", "Lobby")
    node.run("room", "delete", "Lobby", "--yes")
    refused = node.run("room", "restore", "Lobby", code=3).stderr
    assert "2 deleted rooms are called 'Lobby'" in refused
    assert "alpha:1" in refused


def test_deleting_asks_first(node: LocalNode) -> None:
    nobody = node.run("room", "delete", "Lobby", code=2)
    assert "Delete the room Lobby with all that is in it, on every node?" in nobody.stderr and nobody.stdout == ""
    assert "--yes says yes" in nobody.stderr
    assert "Lobby" in node.run("room", "list").stdout


def test_a_user_is_deleted_with_the_mailbox(node: LocalNode) -> None:
    name = node.json("user", "list")[-1]["name"]
    node.run("user", "delete", name, "--yes")
    assert name not in [row["name"] for row in node.json("user", "list")]
    assert any(row["name"].endswith(".Mail") for row in node.json("room", "list", "--deleted"))
