"""A daemon that follows a made-up Citadel server, through the ends of both."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_live import HungUp, LiveServer, listening
from nodes import NodeProcess, wait_for

Make = Callable[[str], NodeProcess]


@pytest.fixture
def server() -> LiveServer:
    server = LiveServer()
    server.user(1, "admin")
    server.room(1, "Lobby")
    server.post(1, "one")
    server.now += 100
    return server


@pytest.fixture
def place(server: LiveServer, tmp_path: Path) -> Iterator[str]:
    directory = tmp_path / "citadel"
    directory.mkdir()
    with listening(server, directory):
        yield f"citadel://{directory}"


def gone(_command: bytes) -> None:
    raise HungUp


def posted(server: LiveServer, text: str) -> None:
    server.now += 10
    server.post(1, text)


def lobby(node: NodeProcess) -> list[str]:
    told = node.run("read", "Lobby", check=False).stdout
    return [text for text in ("one", "two", "three") if f"    {text}\n" in told]


def test_what_is_posted_arrives_however_server_and_node_end_meanwhile(
    node: Make, server: LiveServer, place: str
) -> None:
    main = node("main")
    main.start()
    assert main.json("attach", place)["name"] == "alpha"
    main.configure('\ndirection = "from"', '\ndirection = "from"\nlook_s = 0.05\nidle_look_s = 0.05')
    main.run("reload")
    main.wait_log("reloaded: 0 peers, 1 attachments")
    wait_for(lambda: lobby(main), ["one"], main)
    posted(server, "two")
    wait_for(lambda: lobby(main), ["one", "two"], main)

    server.before = gone
    main.wait_log("attachment alpha: .*connection")
    assert main.json("attach", "show", "alpha")["phase"] in ("waiting", "connecting")
    posted(server, "three")
    main.kill()
    server.before = lambda _command: None
    main.start()
    wait_for(lambda: lobby(main), ["one", "two", "three"], main)

    (told,) = main.json("status")["attachments"]
    assert (told["phase"], told["server"], told["held"], told["failures"]) == ("following", "alpha", [], 0)
    main.run("attach", "remove", "alpha")
    assert main.json("attach", "list") == {"attachments": [], "elsewhere": []}
