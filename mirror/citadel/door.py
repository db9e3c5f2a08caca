"""What of a Citadel server can be seen by a door of it, and under which name the server is known."""

from collections.abc import Iterator
from pathlib import Path

from mirror.addresses import ServerPlace
from mirror.citadel.bootstrap import log_in
from mirror.citadel.host_files import SYSTEM_MESSAGES
from mirror.citadel.looks.remembered import place_of

AFTER_AN_EXPORT = (
    "the first copy is made of an export, after which a server of version 980 sends no mail, throws nothing away and "
    "puts nothing in order until it is restarted: restart it once the copy is here"
)


def ask_name(place: ServerPlace, user: str = "", password: str = "") -> str:
    """Return under which name what a server says is remembered; nobody logs in where no ``user`` is named.

    Raises ConnectionLost, LoginFailed.
    """
    client = log_in(place.where, user, password)
    name = client.node_name()
    client.quit()
    return place_of(name or str(place.where))


def try_service(place: ServerPlace, user: str, password: str) -> None:
    """Log in as who is to write into a server, and out again.  Raises ConnectionLost, LoginFailed."""
    log_in(place.where, user, password).quit()


def blind_spots(place: ServerPlace, export_s: float, marks_s: float) -> Iterator[str]:
    """Yield what cannot be seen by a door, or not soon, and what looking costs the server, a line each."""
    yield AFTER_AN_EXPORT
    if not isinstance(place.where, Path):
        yield (
            "by this door exports are made again and again: others' mailboxes, and rooms that are not public, show "
            "nowhere else; by citadel:///DIRECTORY, on the server's machine, all shows at once"
        )
    if not (isinstance(place.where, Path) and (place.where / SYSTEM_MESSAGES).is_dir()):
        yield "system messages are taken as the server tells them, with its own names filled in"
    if isinstance(place.where, Path) and not export_s:
        yield (
            f"{'answered marks' if marks_s else 'read and answered marks, views'}, and which rooms users forgot, are "
            "those of the first copy: just an export tells them, and export_s in mirror.toml says how often one is made"
        )
    if isinstance(place.where, Path) and not place.user:
        yield (
            "files of rooms whose directory is not visible: they are asked for where somebody logs in, by "
            f"citadel://ADMIN@{place.where}"
        )
