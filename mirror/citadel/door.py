"""What of a Citadel server can be seen by a door of it, and under which name the server is known."""

from collections.abc import Iterator
from pathlib import Path

from mirror.addresses import ServerPlace
from mirror.citadel.bootstrap import log_in
from mirror.citadel.look import place_of


def ask_name(place: ServerPlace, user: str = "", password: str = "") -> str:
    """Return under which name what a server says is remembered; nobody logs in where no ``user`` is named.

    Raises ConnectionLost, LoginFailed.
    """
    client = log_in(place.where, user, password)
    name = client.node_name()
    client.quit()
    return place_of(name or str(place.where))


def blind_spots(place: ServerPlace, export_s: float) -> Iterator[str]:
    """Yield what cannot be seen by a door, or not soon, a line each."""
    if not isinstance(place.where, Path):
        yield (
            f"others' mailboxes and rooms that are not public: what changes in them is seen after up to {export_s:g} "
            "seconds; by citadel:///DIRECTORY, on the server's machine, it is seen at once"
        )
        yield "system messages are taken as the server tells them, with its own names filled in"
    elif not place.user:
        yield (
            "files of rooms whose directory is not visible: they are asked for where somebody logs in, by "
            f"citadel://ADMIN@{place.where}"
        )
