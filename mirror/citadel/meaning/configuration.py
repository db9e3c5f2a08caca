"""What messages in a server's rooms of configuration hold: someone's bio, picture or rules, a room's text or picture.

Users and rooms name them by number, which an export alone tells; but who made such a message, and its subject, tell
what it is, and a newer one of a sort takes the place of the one before.  Bytes in, values out; no I/O.  Facts: version
980 (serv_bio.c, serv_image.c, serv_inboxrules.c, serv_rooms.c; serv_upgrade.c for what an older version kept as files).
"""

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple

THEIR_HOLDINGS = b"MSGS ALL|0|0|8\nfrom\nsubj\n000"
"""Asks the room that a client is in for the numbers of its messages, each with author and subject."""
THE_SERVER = b"Citadel"
"""As whom the server makes such a message; nobody else's post bears that name in a room of configuration."""


class Holds(enum.Enum):
    """What a message of such a room holds."""

    BIO = "a user's bio"
    USER_PICTURE = "a user's picture"
    RULES = "a user's inbox rules"
    ROOM_TEXT = "a room's text"
    ROOM_PICTURE = "a room's picture"
    ELSE = "something else: a setting, a card"


_SUBJECTS = {
    b"Profile submitted with EBIO command": Holds.BIO,
    b"Profile imported from bio": Holds.BIO,
    b"Photo uploaded by user": Holds.USER_PICTURE,
    b"Photo imported from file": Holds.USER_PICTURE,
    b"inbox rules configuration": Holds.RULES,
    b"Banner submitted with EINF command": Holds.ROOM_TEXT,
    b"Image uploaded by admin user": Holds.ROOM_PICTURE,
}
_IMPORTED = {b"Imported room banner for ": Holds.ROOM_TEXT, b"Imported room icon for ": Holds.ROOM_PICTURE}
OF_USERS = {
    Holds.BIO: b"u_msgnum_bio",
    Holds.USER_PICTURE: b"u_msgnum_pic",
    Holds.RULES: b"u_msgnum_inboxrules",
}
"""What a user has, and the field of an export that names it."""
OF_ROOMS = {Holds.ROOM_TEXT: b"msgnum_info", Holds.ROOM_PICTURE: b"msgnum_pic"}
"""What a room has, and the field of an export that names it."""


class Kept(NamedTuple):
    """A message of a room of configuration: its number, and what it holds."""

    number: int
    holds: Holds


def read_kept(lines: Sequence[bytes]) -> list[Kept]:
    """Return what a room of configuration keeps, in the order of its numbers; nothing where another list was asked for.

    ``lines`` are the answer to ``THEIR_HOLDINGS``.
    """
    if not (lines and lines[0].startswith(b"8")):
        return []
    found = (line.split(b"|", 2) for line in lines[1:])
    return [Kept(int(one[0]), _holds(one[1], one[2])) for one in found if len(one) == 3 and one[0].isdigit()]


def _holds(author: bytes, subject: bytes) -> Holds:
    if author != THE_SERVER:
        return Holds.ELSE
    begin = next((holds for beginning, holds in _IMPORTED.items() if subject.startswith(beginning)), Holds.ELSE)
    return _SUBJECTS.get(subject, begin)


class Holding(NamedTuple):
    """Which messages hold what, as far as that is known: by users' and rooms' numbers, the fields of an export.

    ``lists`` are the messages that rooms of configuration list, by the rooms' names; ``kinds`` the kinds of collections
    of which all is told by that.
    """

    users: Mapping[int, Mapping[bytes, int]] = {}
    rooms: Mapping[int, Mapping[bytes, int]] = {}
    lists: Mapping[bytes, Sequence[int]] = {}
    kinds: frozenset[str] = frozenset()
