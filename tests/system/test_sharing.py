"""Single rooms shared between servers of their own: four nodes, different rules for each room."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nodes import TIMEOUT_S, NodeProcess

Make = Callable[[str], NodeProcess]


def server(node: Make, name: str, directory: Path, rooms: dict[str, int]) -> NodeProcess:
    """Return a node with the data of a server of that name, which has these rooms with as many messages each."""
    one = node(name)
    one.run("import", str(make_server(directory / f"{name}.xml", name, rooms)))
    return one


def make_server(path: Path, name: str, rooms: dict[str, int]) -> Path:
    """Write the export of a server with one user and these rooms."""
    from exports import HEADER, ROOM, USER

    text = HEADER.replace(">big<", f">{name}<") + USER.format(n=1)
    number = 1
    messages: list[str] = []
    for at, (room, count) in enumerate(rooms.items(), 1):
        numbers = range(number, number + count)
        number += count
        text += ROOM.format(name=room, n=at)
        listed = ",".join(map(str, numbers))
        text += f"<room_messages>\n<FRname>{room}</FRname>\n<FRmsglist>{listed}</FRmsglist>\n</room_messages>\n"
        messages += [message(name, room, one) for one in numbers]
    path.write_text(text + "".join(messages) + "</citadel_migrate_data>\n000\n")
    return path


def message(server_name: str, room: str, number: int) -> str:
    from base64 import b64encode

    body = (
        f"I{1_700_000_000 + number:08X}-{number:08X}@{server_name}\0PAnn\0T{1_700_000_000 + number}\0"
        f"AAnn of {server_name}\0"
        f"Fann@{server_name}.example.org\0O{room}\0UOld {number}\0MText {number} of {room}\n\0"
    ).encode()
    encoded = b64encode(b"\xffA\0" + body).decode()
    return (
        f"<message>\n<msg_msgnum>{number}</msg_msgnum>\n<msg_meta_refcount>1</msg_meta_refcount>\n"
        f"<msg_text>{encoded}</msg_text>\n</message>\n"
    )


def know_each_other(dialler: NodeProcess, other: NodeProcess, secret: Path) -> None:
    """Make two nodes peers that share rooms; ``other`` runs already."""
    other.run("peer", "add", dialler.name, "--kind", "share", "--trust", dialler.pin, "--secret-file", str(secret))
    other.run("reload")
    dialler.run(
        "peer", "add", other.name, "--kind", "share", "--address", other.address, "--trust", other.pin,
        "--secret-file", str(secret),
    )  # fmt: skip


def texts(node: NodeProcess, room: str) -> list[str]:
    return sorted(one["message"].strip() for one in node.json("read", room, "--limit", "1000"))


def wait_for(what: Callable[[], Any], wanted: Any) -> None:
    """Wait until something is as wanted."""
    deadline = time.monotonic() + TIMEOUT_S
    while (found := what()) != wanted:
        assert time.monotonic() < deadline, f"{found} is not {wanted}"


def test_a_room_is_shared_both_ways_under_two_names_and_nothing_else_is(
    node: Make, secret: Path, tmp_path: Path
) -> None:
    alpha = server(node, "alpha", tmp_path, {"Lobby": 3, "Board": 2, "Private": 1})
    beta = server(node, "beta", tmp_path, {"Foyer": 1, "Lobby": 1})
    alpha.start()
    know_each_other(beta, alpha, secret)
    beta.start()
    planned = alpha.json("room", "share", "Lobby", "beta", "--as", "Foyer", "--dry-run")
    assert planned["peers"] == [{"peer": "beta", "sends": 3, "stops": 0, "keeps": 0}]
    assert "is not shared" in alpha.run("room", "show", "Lobby").stdout
    alpha.run("room", "share", "Lobby", "beta", "--as", "Foyer")
    beta.run("room", "share", "Foyer", "alpha", "--as", "Lobby")
    old = [f"Text {number} of Lobby" for number in (1, 2, 3)] + ["Text 1 of Foyer"]
    for one, room in ((alpha, "Lobby"), (beta, "Foyer")):
        wait_for(lambda one=one, room=room: texts(one, room), sorted(old))  # type: ignore[misc]
    key = alpha.run("post", "Lobby", "news from alpha").stdout.strip()
    beta.run("post", "Foyer", "news from beta")
    news = sorted([*old, "news from alpha", "news from beta"])
    for one, room in ((alpha, "Lobby"), (beta, "Foyer")):
        wait_for(lambda one=one, room=room: texts(one, room), news)  # type: ignore[misc]
    assert texts(beta, "Lobby") == ["Text 2 of Lobby"]  # a room of the same name that nobody shared
    assert "with its room Lobby" in beta.run("room", "show", "Foyer").stdout
    assert {one["name"] for one in beta.json("user", "list")} == {"User 1"}

    beta.run("delete", "Foyer", key)
    wait_for(lambda: "news from alpha" in texts(alpha, "Lobby"), False)
    beta.run("room", "rename", "Foyer", "Hall")
    alpha.run("room", "rename", "Lobby", "Entrance")
    alpha.run("post", "Entrance", "after both were renamed")
    wait_for(lambda: "after both were renamed" in texts(beta, "Hall"), True)

    assert "stays here" in alpha.run("room", "unshare", "Entrance", "beta").stdout
    beta.wait_log("Hall: not shared from there yet")
    alpha.run("post", "Entrance", "for us alone")
    beta.run("post", "Hall", "for them alone")
    assert "for them alone" not in texts(alpha, "Entrance")
    assert "for us alone" not in texts(beta, "Hall")
    for one in (alpha, beta):
        assert "no problems" in one.run("check").stdout


@pytest.mark.parametrize("both_dial", [False, True])
def test_a_share_goes_on_after_kill_9_of_either_side(node: Make, secret: Path, tmp_path: Path, both_dial: bool) -> None:
    alpha, beta = (server(node, name, tmp_path, {"Lobby": 5}) for name in ("alpha", "beta"))
    alpha.start()
    know_each_other(beta, alpha, secret)
    beta.start()
    if both_dial:
        know_each_other(alpha, beta, secret)
        beta.run("peer", "add", "alpha", "--kind", "share", "--address", alpha.address, "--trust", alpha.pin)
        for one in (alpha, beta):
            one.run("reload")
    for one, other in ((alpha, "beta"), (beta, "alpha")):
        one.run("room", "share", "Lobby", other)
    expected = 10
    for number in range(4):
        where, victim = (alpha, beta)[number % 2], (alpha, beta)[number // 2]
        victim.kill()
        where.run("post", "Lobby", f"number {number}")
        expected += 1
        victim.start()
        for one in (alpha, beta):
            wait_for(lambda one=one: len(texts(one, "Lobby")), expected)  # type: ignore[misc]
    assert texts(alpha, "Lobby") == texts(beta, "Lobby")
    for one in (alpha, beta):
        assert "no problems" in one.run("check").stdout
        assert "No conflicts" in one.run("conflicts", "list").stdout
