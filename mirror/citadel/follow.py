"""Following a live Citadel server: what happens there is here soon after, and nothing is written into it.

One connection stays, over which cheap questions tell each second what moved (mirror.citadel.answers).  What these
cannot tell, and what is new at all, comes by a look at the server's export, which is hung up before its messages
(mirror.citadel.bootstrap): that costs the server more, so it is asked for when something is known to have changed, and
else now and again (mirror.citadel.pace).  At rest nothing is written.  Knows no configuration and no supervision.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from mirror.citadel.answers import (
    Moved,
    RoomLine,
    moved,
    read_rooms,
    read_settings,
    read_time,
    read_users,
    somebody_is_there,
)
from mirror.citadel.bootstrap import Place, ServerStage, Taken, copy_server, log_in
from mirror.citadel.client import CitadelClient
from mirror.citadel.look import HeldBack, Verdict
from mirror.citadel.pace import Pace
from mirror.citadel.rehearsal import Rehearsal
from mirror.citadel.report import Accepted
from mirror.store.base import Store

YIELD_EVERY = 64 * 1024
"""Bytes of an export after which others have their turn."""


class Settings(msgspec.Struct, frozen=True):
    """How a server is followed; all times in seconds.

    ``look_s``: each so often it is asked whether anything moved at all, and while somebody is logged in there, in which
    rooms; ``idle_look_s`` is the same for rooms while nobody is.  ``export_s``: so often at least all but the messages
    is asked for.  ``rooms`` are patterns of the shell, whatever the case; all rooms where there is none.
    """

    look_s: float = 1.0
    idle_look_s: float = 5.0
    export_s: float = 300.0
    rooms: tuple[str, ...] = ()


DEFAULTS = Settings()

Phase = Literal["copying", "following", "held"]


class FollowState(msgspec.Struct):
    """How far a server is followed; times are Unix seconds, 0 where there is none yet."""

    node: str = ""
    """The server's node name."""
    connected: float = 0
    phase: Phase = "copying"
    last_look: float = 0
    """When the last look began that found all to be here, or had it taken over."""
    behind: bool = False
    """Whether something is known to have changed there that has not been taken over yet."""
    held: list[HeldBack] = []
    """Deletions that wait for ``approve`` or ``refuse``."""
    incomplete: str = ""
    """Why what was taken over is not all that the server has; nothing where it is."""
    written: int = 0
    """Records written since the connection began, those that were deleted included."""
    deleted: int = 0
    looks: int = 0
    exports: int = 0
    commands: int = 0


class Following:
    """Follows one server into one store; for one greenlet, but for ``state``, ``approve`` and ``refuse``."""

    def __init__(
        self,
        store: Store,
        place: Place,
        user: str = "",
        password: str = "",
        settings: Settings = DEFAULTS,
        *,
        sleep: Callable[[float], object],
        clock: Callable[[], float],
        now: Callable[[], float],
        directory: Path | None = None,
    ) -> None:
        """``clock`` returns seconds that only go forward, ``now`` Unix seconds.

        ``user`` and ``directory`` as in copy_server; the directory is the place itself where that is one.
        """
        self.state = FollowState()
        self._store = store
        self._place, self._user, self._password = place, user, password
        self._directory = directory or (place if isinstance(place, Path) else None)
        self._settings = settings
        self._sleep, self._clock, self._now = sleep, clock, now
        self._export = Pace(settings.export_s)
        self._verdict = Verdict.HOLD
        self._highest = -1
        self._values: frozenset[bytes] = frozenset()
        self._users: frozenset[bytes] = frozenset()
        self._rooms: dict[bytes, RoomLine] = {}
        self._looked = 0
        self._listed_at = 0.0
        self._given_way = 0

    def run(self) -> None:
        """Follow until the connection is lost; may be killed at any instant, and be run again.

        Raises ConnectionLost, LoginFailed, CitadelError, or a store's error; what was committed stays.
        """
        client = log_in(self._place, self._user, self._password)
        try:
            self.state = FollowState(client.node_name(), self._now())
            self._export = Pace(self._settings.export_s)
            # What changes while all is looked at moves after this, so the next look finds it.
            self._ask(client, list_all=True)
            while True:
                self._look(client)
                self._sleep(self._settings.look_s)
        finally:
            client.channel.close()

    def approve(self) -> None:
        """Have what is held back be deleted."""
        self._decide(Verdict.DELETE)

    def refuse(self) -> None:
        """Have what is held back stay, as the mirror's own."""
        self._decide(Verdict.KEEP)

    def _decide(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self._export.wanted = True

    # -- looks ------------------------------------------------------------------------------------

    def _look(self, client: CitadelClient) -> None:
        began = self._now()
        found = self._ask(client)
        if found.rooms or found.others:
            self._export.wanted = True
        self.state.behind = self._export.wanted
        if self._export.due(self._clock()):
            self._look_at_all()
        self.state.looks += 1
        self.state.commands = client.commands
        if not self._export.wanted:
            self.state.last_look = began
        self.state.behind = self._export.wanted

    def _ask(self, client: CitadelClient, list_all: bool = False) -> Moved:
        """Ask what moved since this was asked last."""
        answers = client.ask_all([b"CONF LISTVAL", b"RWHO"])
        highest, values = read_settings(answers[0])
        changed, posted = values != self._values, highest != self._highest
        self._highest, self._values = highest, values
        waited = self._clock() - self._listed_at >= self._settings.idle_look_s
        if not (list_all or posted or waited or somebody_is_there(answers[1])):
            return Moved(frozenset(), changed)
        self._listed_at = self._clock()
        return self._list(client, changed)

    def _list(self, client: CitadelClient, others: bool) -> Moved:
        """Ask for the lists of rooms and users, and tell what moved; ``others``, whether anything else did."""
        time, rooms, users, floors = client.ask_all([b"TIME", b"LKRA", b"LIST", b"LFLR"])
        lines, told = read_rooms(rooms[1:-1]), read_users([*users, *floors])
        found = moved(self._rooms, lines, self._looked)
        others = others or found.others or told != self._users
        self._rooms, self._users, self._looked = lines, told, read_time(time[0])
        return Moved(found.rooms, others)

    def _look_at_all(self) -> None:
        """Take over all that the server has, by its export."""
        began, verdict = self._clock(), self._verdict
        accepted = Accepted(deletions=verdict is Verdict.DELETE, keep=verdict is Verdict.KEEP)
        taken = copy_server(
            self._store,
            self._place,
            self._user,
            self._password,
            merge=True,
            directory=self._directory,
            accepted=accepted,
            progress=self._give_way,
            only=self._settings.rooms,
        )
        if self._verdict is verdict:
            self._verdict = Verdict.HOLD
        self._note(taken)
        self._export.asked(began, self._clock())

    def _give_way(self, _stage: ServerStage, done: int) -> None:
        """Let others have their turn while an export is read."""
        if done // YIELD_EVERY != self._given_way:
            self._given_way = done // YIELD_EVERY
            self._sleep(0)

    def _note(self, taken: Taken) -> None:
        fetched = taken.fetched
        self.state.exports += 1
        self.state.written += taken.report.applied.written + (fetched.applied.written if fetched else 0)
        self.state.deleted += taken.report.deleted + (fetched.deleted if fetched else 0)
        self.state.held = taken.report.held + (fetched.held if fetched else [])
        self.state.incomplete = taken.why_incomplete
        self.state.phase = "held" if self.state.held else "following"


def dry_run(
    store: Store,
    place: Place,
    user: str = "",
    password: str = "",
    *,
    directory: Path | None = None,
    only: Sequence[str] = (),
) -> Taken:
    """Return what following a server would write at first; nothing is written.

    Raises as ``copy_server`` does.
    """
    known = directory or (place if isinstance(place, Path) else None)
    return copy_server(Rehearsal(store), place, user, password, merge=True, directory=known, only=only)
