"""Whether a server is as it was after its first start, by what it lists: nothing of it would be lost.

Lines in, words out.
"""

from collections.abc import Iterable, Mapping

from mirror.citadel.meaning.keys import owner_of
from mirror.citadel.protocol.answers import Lines, RoomLine
from mirror.formats.server_own import Use, use_of_room

MADE_BY_ITSELF = ("c_baseroom", "c_aideroom", "c_twitroom")
"""Settings that name the rooms which a server makes at its first start, besides those of its own."""
ADDRESS_BOOK = "Global Address Book"
MAY_HOLD_SOME = ("c_aideroom",)
"""Settings that name rooms in which the server itself posts."""
ADMINISTRATORS = 1
"""Users that a new server has."""


def why_not_empty(
    settings: Mapping[str, str], users: Lines, rooms: Mapping[bytes, RoomLine], counts: Mapping[bytes, int]
) -> str:
    """Return what is on a server that nobody but people can have put there; nothing where there is nothing.

    ``users`` are lines of ``LIST``; ``counts`` are how many messages there are in each of the ``rooms``.
    """
    if len(users) > ADMINISTRATORS:
        return f"{len(users)} users"
    numbers = {int(line.split(b"|")[2]) for line in users if line.count(b"|") > 1 and line.split(b"|")[2].isdigit()}
    own = {settings.get(name, "") for name in MADE_BY_ITSELF} | {ADDRESS_BOOK}
    held = {name.decode("utf-8", "surrogateescape"): counts[name] for name in rooms}
    others = sorted(name for name in held if not _is_made_by_itself(name, own, numbers))
    if others:
        return f"{len(others)} rooms that it does not make by itself, as {others[0]!r}"
    told = {settings.get(name, "") for name in MAY_HOLD_SOME}
    full = sorted(name for name, count in held.items() if count and not _may_hold_some(name, told))
    return f"messages in {full[0]!r}" if full else ""


def _is_made_by_itself(name: str, own: Iterable[str], users: Iterable[int]) -> bool:
    if use_of_room(name, "") not in (Use.PEOPLE, Use.USER_CONFIGURATION):
        return True
    return name in own or owner_of(name) in users


def _may_hold_some(name: str, told: Iterable[str]) -> bool:
    return use_of_room(name, "") is not Use.PEOPLE or name in told
