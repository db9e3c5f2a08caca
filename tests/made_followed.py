"""A made-up server that is followed: what it holds, and what befalls it."""

import copy

from made_live import HungUp, LiveServer

CONFIGURATION, ANNS = 8, 9
BACKED_UP = ("settings", "users", "rooms", "lists", "messages", "visits", "highest")


def a_server() -> LiveServer:
    """Return a server with two users and two rooms, in one of which there is post that one of them has read."""
    server = LiveServer()
    server.user(1, "admin")
    server.user(2, "Ann")
    server.room(1, "Lobby")
    server.room(2, "Talk")
    for text in ("one", "two", "three"):
        server.post(1, text)
    server.visit(1, 2, "1:2")
    server.now += 100
    return server


def with_configuration(server: LiveServer) -> LiveServer:
    """Give a server its rooms of configuration, and return it."""
    server.room(CONFIGURATION, "Local System Configuration")
    server.room(ANNS, "0000000002.My Citadel Config", QRflags="16390")
    return server


def refuse_exports(server: LiveServer) -> None:
    """Have a server hang up when it is asked for an export."""

    def before(command: bytes) -> None:
        if command == b"MIGR export":
            raise HungUp

    server.before = before


def backup(server: LiveServer) -> dict[str, object]:
    return copy.deepcopy({name: getattr(server, name) for name in BACKED_UP})


def restore(server: LiveServer, held: dict[str, object]) -> None:
    for name, value in copy.deepcopy(held).items():
        setattr(server, name, value)
