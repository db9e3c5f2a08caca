"""Following a live Citadel server: what happens there is here soon after, and nothing is written into it.

One connection stays, over which cheap questions tell each second what moved (mirror.citadel.asked), and messages that
are new in rooms or gone from them are taken over (mirror.citadel.rooms).  All else comes by a look at the server's
export, which is hung up before its messages (mirror.citadel.bootstrap): that costs the server more, so it is asked for
when something else is known to have changed, and now and again (mirror.citadel.pace).  At rest nothing is written.
Knows no configuration and no supervision.
"""

from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import Literal

import msgspec

from mirror.citadel.again import look_again
from mirror.citadel.asked import Asked, Often, passwords_of
from mirror.citadel.bootstrap import Place, Taken, copy_server, log_in
from mirror.citadel.client import CitadelClient
from mirror.citadel.identity import finish_forgetting, pair_anew, why_another, why_other_messages
from mirror.citadel.keys import Keys
from mirror.citadel.leftovers import fetch_leftovers
from mirror.citadel.look import UNDECIDED, Decision, HeldBack, Remembered, Verdict, place_of, remembered
from mirror.citadel.pace import Pace
from mirror.citadel.pairing import Consent, Pairing
from mirror.citadel.posted import Known
from mirror.citadel.propose import confirm, is_to_be_paired, propose
from mirror.citadel.rehearsal import Rehearsal
from mirror.citadel.report import Accepted
from mirror.citadel.rooms import Listing, RoomLooks
from mirror.formats.server_own import Use
from mirror.store.base import Store

MAX_TOLD = 100
"""Lines of a sort that a state has at most."""
YIELD_EVERY = 64 * 1024
"""Bytes of an export after which others have their turn."""


class Settings(msgspec.Struct, frozen=True):
    """How a server is followed; all times in seconds.

    ``look_s``: each so often it is asked whether anything moved at all, and while somebody is logged in there, in which
    rooms; ``idle_look_s`` is the same for rooms while nobody is.  ``users_s``: each so often accounts are asked for,
    a thousand at once; ``sweep_s``: at least so often files and system messages, ``export_s``: all but the messages.
    ``rooms`` are patterns of the shell, whatever the case; all rooms where there is none.  ``expiry``: what the server
    throws away by itself goes here too, or is kept.  ``pair`` is what may be paired of a server that is to be, before
    the first look at it and once somebody confirmed how.
    """

    look_s: float = 1.0
    idle_look_s: float = 5.0
    users_s: float = 10.0
    sweep_s: float = 60.0
    export_s: float = 300.0
    rooms: tuple[str, ...] = ()
    expiry: Literal["follow", "keep"] = "follow"
    pair: Consent | None = None


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
    exported: float = 0
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
    noticed: list[str] = []
    """What was not quite as it should be in what the server says, as marks that it cut; of very much the first."""
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
        self._export, self._files = Pace(settings.export_s), Pace(settings.sweep_s)
        self._decision = UNDECIDED
        self._known: Known | None = None
        self._looks: RoomLooks | None = None
        self._given_way = 0
        self._confirmed = False

    def run(self) -> None:
        """Follow until the connection is lost; may be killed at any instant, and be run again.

        Raises ConnectionLost, LoginFailed, CitadelError, or a store's error; what was committed stays.
        """
        client = log_in(self._place, self._user, self._password)
        try:
            self.state = FollowState(client.node_name(), self._now())
            settings = self._settings
            asked = Asked(client, Often(settings.idle_look_s, settings.users_s), self._clock)
            self._export, self._files = Pace(settings.export_s), Pace(settings.sweep_s)
            self._known = self._looks = None
            # What changes while all is looked at moves after this, so the next look finds it.
            asked.begin(lambda: self._sleep(0))
            self._recognise(client, asked)
            self._pair(client)
            while True:
                self._look(client, asked)
                self._sleep(settings.look_s)
        finally:
            client.channel.close()

    def approve(self) -> None:
        """Confirm how the server is paired, or have what is held back be deleted: what was told of it, and no more."""
        if self.state.pairing is not None:
            self._confirmed = True
        else:
            self._decide(Verdict.DELETE)

    def refuse(self) -> None:
        """Have what is held back stay, as the mirror's own."""
        self._decide(Verdict.KEEP)

    def _decide(self, verdict: Verdict) -> None:
        self._decision = Decision(verdict, {one.collection: one.gone for one in self.state.held})
        self._export.wanted = self._export.at_once = True

    def _recognise(self, client: CitadelClient, asked: Asked) -> None:
        """Have a server that is another one than before be paired anew."""
        node, now = self.state.node, asked.identity
        finish_forgetting(self._store, node, lambda: self._sleep(0))
        last = self._remembered()
        if last is None:
            return
        why = why_another(last, now)
        if not why and last.looked:
            why = why_other_messages(self._store, client, node, asked.names())
        if why:
            pair_anew(self._store, node, now, why, lambda: self._sleep(0))
        self.state.another = why or last.another

    def _pair(self, client: CitadelClient) -> None:
        """Wait until somebody confirms how a server is paired that is to be and was never looked at."""
        consent, node = self._settings.pair, self.state.node
        if consent is None or not is_to_be_paired(self._store, node, self._place, self._user):
            return
        self._confirmed = False
        self.state.pairing, self.state.phase = propose(self._store, client, node, consent), "pairing"
        while not self._confirmed:
            self._sleep(self._settings.look_s)
            client.ask_all([b"NOOP"])
        confirm(self._store, node, self.state.pairing)
        self.state.pairing, self.state.phase = None, "copying"

    # -- looks ------------------------------------------------------------------------------------

    def _look(self, client: CitadelClient, asked: Asked) -> None:
        began, state = self._now(), self.state
        found = asked.ask()
        self._export.wanted |= found.others
        if found.rooms and self._looks is not None and self._known is not None:
            self._look_at_rooms(client, asked, found.rooms, self._looks, self._known)
        if self._export.due(self._clock()):
            state.behind = True
            self._look_at_all(client, asked)
        elif self._files.due(self._clock()):
            self._look_at_files(client)
        state.looks += 1
        state.commands = client.commands
        state.behind = self._export.wanted
        if not state.behind:
            state.last_look = began

    def _look_at_rooms(
        self, client: CitadelClient, asked: Asked, names: Set[bytes], looks: RoomLooks, known: Known
    ) -> None:
        """Take over what is new and gone in rooms that moved."""
        told, changed = asked.list_rooms(names)
        listings: dict[int, Listing] = {}
        for name, room in told.items():
            use = known.rooms[room.number].use if room.number in known.rooms else None
            changed |= use is None
            if use is Use.PEOPLE:
                listings[room.number] = Listing(asked.changed(name), room.messages)
        self._files.wanted |= any(room.number in listings for room in known.file_rooms)
        outcome = looks.take(client, listings)
        # What is done to users and rooms is told in one room, whatever else shows it.
        self._export.wanted |= changed or outcome.left or asked.aide_room in outcome.new
        self.state.written += outcome.applied.written
        self.state.deleted += outcome.deleted

    def _look_at_files(self, client: CitadelClient) -> None:
        """Take over files of rooms and system messages."""
        assert self._known is not None
        began, known = self._clock(), self._known
        fetched = fetch_leftovers(client, self._store, known.node, known.file_rooms, self._directory)
        self._export.wanted |= any(one not in self.state.held for one in fetched.held)
        self.state.written += fetched.applied.written
        self.state.deleted += fetched.deleted
        self._files.asked(began, self._clock())

    def _look_at_all(self, client: CitadelClient, asked: Asked) -> None:
        """Take over all that the server has, by its export."""
        began, exported, decision = self._clock(), self._now(), self._decision
        deletions, keep = decision.verdict is Verdict.DELETE, decision.verdict is Verdict.KEEP
        accepted = Accepted(deletions=deletions, keep=keep, keep_expired=self._keeps_expired, of=decision.of)
        taken = self._take_all(client, accepted)
        if self._decision is decision:
            self._decision = UNDECIDED
        assert taken.known is not None
        self._known, self._looks = taken.known, RoomLooks(self._store, taken.known, self._keeps_expired)
        asked.passwords = passwords_of((room.name, room.password) for room in taken.known.rooms.values())
        self._note(taken, exported)
        self._export.asked(began, self._clock(), taken.blocked_s)
        self._export.at_once = self._decision is not UNDECIDED  # somebody decided meanwhile
        self._files.asked(began, self._clock())

    def _take_all(self, client: CitadelClient, accepted: Accepted) -> Taken:
        """Look at the export up to its messages, and where that does not do, as at first, copy the server."""
        place, only = (self._place, self._user, self._password), self._settings.rooms
        last = self._remembered()
        if last is not None and last.looked:
            taken = look_again(
                self._store,
                lambda: log_in(*place),
                client,
                self.state.node,
                directory=self._directory,
                accepted=accepted,
                only=only,
                progress=self._give_way,
            )
            if not taken.report.truncated:
                return taken
        return copy_server(
            self._store,
            *place,
            merge=True,
            directory=self._directory,
            accepted=accepted,
            only=only,
            progress=lambda _stage, done: self._give_way(done),
        )

    @property
    def _keeps_expired(self) -> bool:
        return self._settings.expiry == "keep"

    def _remembered(self) -> Remembered | None:
        place = place_of(self.state.node)
        return self._store.read(lambda reader: remembered(reader, place))

    def _give_way(self, done: int) -> None:
        """Let others have their turn while an export is read."""
        if done // YIELD_EVERY != self._given_way:
            self._given_way = done // YIELD_EVERY
            self._sleep(0)

    def _note(self, taken: Taken, exported: float) -> None:
        fetched = taken.fetched
        self.state.exports += 1
        self.state.exported = exported
        self.state.written += taken.report.applied.written + (fetched.applied.written if fetched else 0)
        self.state.deleted += taken.report.deleted + (fetched.deleted if fetched else 0)
        self.state.held = taken.report.held + (fetched.held if fetched else [])
        self.state.waiting = [one.what for one in taken.gone if one.held][:MAX_TOLD]
        self.state.noticed = (taken.report.notices + (fetched.notices if fetched else []))[:MAX_TOLD]
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
    pair: Consent | None = None,
) -> tuple[Taken, Pairing | None]:
    """Return what following a server would write at first, and how it would be paired; nothing is written.

    Raises as ``copy_server`` does.
    """
    known = directory or (place if isinstance(place, Path) else None)
    keys = pairing = None
    if pair is not None:
        client = log_in(place, user, password)
        node = client.node_name()
        if is_to_be_paired(store, node, place, user):
            pairing = propose(store, client, node, pair)
            keys = Keys.of(node, pairing.pairs)
        client.quit()
    rehearsal = Rehearsal(store)
    return copy_server(rehearsal, place, user, password, merge=True, directory=known, only=only, keys=keys), pairing
