"""How a server is to be followed, and how that goes: what whoever follows it is told, and tells.  Values only."""

from typing import Literal

import msgspec

from mirror.citadel.looks.decided import HeldBack
from mirror.citadel.meaning.pairing import Consent, Pairing

MAX_TOLD = 100
"""Lines of a sort that a state has at most."""


class Settings(msgspec.Struct, frozen=True):
    """How a server is followed; all times in seconds.

    ``look_s``: each so often it is asked whether anything moved at all, and while somebody is logged in there, in which
    rooms; ``idle_look_s`` is the same for rooms while nobody is.  ``users_s``: each so often accounts are asked for,
    a thousand at once; ``sweep_s``: at least so often files and system messages, ``export_s``: the export,
    which tells what nothing else does, and 0 where just the first copy is made of one.
    ``marks_s``: each so often who may have set marks is asked for; 0 for never.
    ``rooms`` are patterns of the shell, whatever the case; all rooms where there is none.  ``expiry``: what the server
    throws away by itself goes here too, or is kept.  ``pair`` is what may be paired of a server that is to be, before
    the first look at it and once somebody confirmed how.  ``service`` is the administrator as whom what comes from
    elsewhere is written into it; without one nothing is.  With ``shares`` the site's settings and system messages are,
    too.
    """

    look_s: float = 1.0
    idle_look_s: float = 5.0
    users_s: float = 10.0
    sweep_s: float = 60.0
    export_s: float = 0.0
    marks_s: float = 2.0
    rooms: tuple[str, ...] = ()
    expiry: Literal["follow", "keep"] = "follow"
    pair: Consent | None = None
    service: str = ""
    shares: bool = False


DEFAULTS = Settings()

Phase = Literal["pairing", "copying", "following", "held"]


class FollowState(msgspec.Struct):
    """How far a server is followed; times are Unix seconds, 0 where there is none yet."""

    node: str = ""
    """The server's node name."""
    connected: float = 0
    phase: Phase = "copying"
    last_look: float = 0
    """When the last look began that found all to be here, or had it taken over."""
    marks: float = 0
    """As of when all read marks are here."""
    exported: float = 0
    """When the last look at its export began, 0 where none was taken since the connection began."""
    whole: float = 0
    """When the last look at all that the server has began."""
    behind: bool = False
    """Whether something is known to have changed there that has not been taken over yet."""
    pairing: Pairing | None = None
    """How the server will be paired, while that waits for ``approve``."""
    held: list[HeldBack] = []
    """Deletions that wait for ``approve`` or ``refuse``."""
    another: str = ""
    """Why it was taken for another server than the one before, when that last happened; nothing where it never did."""
    waiting: list[str] = []
    """In words, what they would delete; of very much the first."""
    held_there: dict[str, int] = {}
    """By collection, deletions of very many messages that wait for ``approve`` to be written there."""
    behind_there: bool = False
    """Whether something is known to be written there with the next looks."""
    left_there: list[str] = []
    """What is not written there, and why; the last."""
    written_there: int = 0
    """What was made, changed, moved or deleted there since this node follows the server."""
    noticed: list[str] = []
    """What was not quite as it should be in what the server says, as marks that it cut; of very much the first."""
    incomplete: str = ""
    """Why what was taken over is not all that the server has; nothing where it is."""
    written: int = 0
    """Records written since this node follows the server, those that were deleted included."""
    deleted: int = 0
    looks: int = 0
    wholes: int = 0
    """Looks at all that the server has."""
    exports: int = 0
    """Exports that it made for us since the connection began; after one version 980 does no housekeeping any more."""
    commands: int = 0
