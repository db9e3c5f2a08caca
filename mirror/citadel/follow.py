"""Following a live Citadel server: what happens there is here soon after, and nothing is written into it.

One connection stays, over which cheap questions tell each second what moved (mirror.citadel.asked), and messages that
are new in rooms or gone from them are taken over (mirror.citadel.rooms).  All else comes by a look at the server's
export, which is hung up before its messages (mirror.citadel.bootstrap): that costs the server more, so it is asked for
when something else is known to have changed, and now and again (mirror.citadel.pace).  At rest nothing is written.
Knows no configuration and no supervision.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import msgspec

from mirror.citadel.again import look_again, look_at_told
from mirror.citadel.asked import Asked, Often, passwords_of
from mirror.citadel.bootstrap import Place, Taken, copy_server, log_in
from mirror.citadel.client import CitadelClient
from mirror.citadel.identity import finish_forgetting, pair_anew, why_another, why_other_messages
from mirror.citadel.keys import Keys
from mirror.citadel.leftovers import fetch_leftovers
from mirror.citadel.look import UNDECIDED, Decision, HeldBack, Remembered, Verdict, pages, place_of, remembered
from mirror.citadel.pace import NEVER, Pace
from mirror.citadel.pairing import Consent, Pairing
from mirror.citadel.posted import Known
from mirror.citadel.propose import confirm, is_to_be_paired, propose
from mirror.citadel.put_together import Held
from mirror.citadel.rehearsal import Rehearsal
from mirror.citadel.report import Accepted
from mirror.citadel.rooms import Listing, RoomLooks
from mirror.citadel.writing import Writing, open_writing
from mirror.formats.numbers import number_or_zero
from mirror.formats.server_own import Use
from mirror.model.fields import values_of
from mirror.store.base import Reader, Store

LEAST_PAUSE = 5
"""A look is followed by a pause of one in so many of the time from look to look at least."""
ALL_S = 300.0
"""So often at least all that was told is looked at, whether or not it is known to have changed."""
ROOMS_AT_ONCE = 500
MAX_TOLD = 100
"""Lines of a sort that a state has at most."""
YIELD_EVERY = 64 * 1024
"""Bytes of an export after which others have their turn."""


class Settings(msgspec.Struct, frozen=True):
    """How a server is followed; all times in seconds.

    ``look_s``: each so often it is asked whether anything moved at all, and while somebody is logged in there, in which
    rooms; ``idle_look_s`` is the same for rooms while nobody is.  ``users_s``: each so often accounts are asked for,
    a thousand at once; ``sweep_s``: at least so often files and system messages, ``export_s``: the export,
    which tells what nothing else does, and 0 where just the first copy is made of one.
    ``rooms`` are patterns of the shell, whatever the case; all rooms where there is none.  ``expiry``: what the server
    throws away by itself goes here too, or is kept.  ``pair`` is what may be paired of a server that is to be, before
    the first look at it and once somebody confirmed how.  ``service`` is the administrator as whom what comes from
    elsewhere is written into it; without one nothing is.
    """

    look_s: float = 1.0
    idle_look_s: float = 5.0
    users_s: float = 10.0
    sweep_s: float = 60.0
    export_s: float = 0.0
    rooms: tuple[str, ...] = ()
    expiry: Literal["follow", "keep"] = "follow"
    pair: Consent | None = None
    service: str = ""


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
    held_there: dict[str, int] = {}
    """By collection, deletions of very many messages that wait for ``approve`` to be written there."""
    left_there: list[str] = []
    """What is not written there, and why; the last."""
    written_there: int = 0
    """Messages written into the server, moved and deleted there since the connection began."""
    noticed: list[str] = []
    """What was not quite as it should be in what the server says, as marks that it cut; of very much the first."""
    incomplete: str = ""
    """Why what was taken over is not all that the server has; nothing where it is."""
    written: int = 0
    """Records written since the connection began, those that were deleted included."""
    deleted: int = 0
    looks: int = 0
    wholes: int = 0
    """Looks at all that the server has."""
    exports: int = 0
    """Exports that it made for us since the connection began; after one version 980 does no housekeeping any more."""
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
        service_password: str = "",
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
        self._decision = UNDECIDED
        self._known: Known | None = None
        self._looks: RoomLooks | None = None
        self._given_way = 0
        self._confirmed = False
        self._verdict_there = Verdict.HOLD
        self._writing: Writing | None = None
        self._service_password = service_password
        # By another door rooms are not listed that are not public.
        self._told_all = isinstance(place, Path)
        self._begin()

    def run(self) -> None:
        """Follow until the connection is lost; may be killed at any instant, and be run again.

        Raises ConnectionLost, LoginFailed, CitadelError, or a store's error; what was committed stays.
        """
        client = self._connect()
        try:
            self.state = FollowState(client.node_name(), self._now())
            settings = self._settings
            asked = Asked(client, Often(settings.idle_look_s, settings.users_s), self._clock)
            self._begin()
            asked.passwords = passwords_of(self._store.read(_room_passwords))
            # What changes while all is looked at moves after this, so the next look finds it.
            asked.begin(lambda: self._sleep(0))
            self._recognise(client, asked)
            self._pair(client)
            while True:
                began = self._clock()
                self._look(client, asked)
                self._write(asked)
                self._sleep(max(settings.look_s - (self._clock() - began), settings.look_s / LEAST_PAUSE))
        finally:
            client.channel.close()
            if self._writing is not None:
                self._writing.close()
                self._writing = None

    def _connect(self) -> CitadelClient:
        """Connect for questions: at the administrator's socket nobody logs in, so that rooms have their full names."""
        return log_in(self._place, *(("", "") if self._told_all else (self._user, self._password)))

    def _begin(self) -> None:
        """Forget what was known by the connection before."""
        settings = self._settings
        self._all, self._files = Pace(ALL_S), Pace(settings.sweep_s)
        self._exports = Pace(settings.export_s) if settings.export_s else NEVER
        if not self._told_all:
            self._all, self._exports = Pace(settings.export_s or ALL_S), NEVER
        self._known = self._looks = None
        self._held: list[HeldBack] = []
        self._held_files: list[HeldBack] = []
        self._held_in_rooms: dict[int, HeldBack] = {}
        self._waiting: list[str] = []
        self._waiting_in_rooms: dict[int, list[str]] = {}

    def approve(self) -> None:
        """Confirm how the server is paired, or have what is held back be deleted: what was told of it, and no more."""
        if self.state.pairing is not None:
            self._confirmed = True
        elif self.state.held_there:
            self._verdict_there = Verdict.DELETE
        else:
            self._decide(Verdict.DELETE)

    def refuse(self) -> None:
        """Have what is held back stay: as the mirror's own, or there."""
        if self.state.held_there:
            self._verdict_there = Verdict.KEEP
        else:
            self._decide(Verdict.KEEP)

    def _decide(self, verdict: Verdict) -> None:
        self._decision = Decision(verdict, {one.collection: one.gone for one in self.state.held})
        self._all.wanted = self._all.at_once = True

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

    # -- writing ----------------------------------------------------------------------------------

    def _write(self, asked: Asked) -> None:
        """Write what came from elsewhere, once all that the server has is known."""
        if not self._settings.service or self._known is None or self.state.phase == "copying":
            return
        if self._writing is None:
            self._writing = open_writing(self._store, self._place, self._settings.service, self._service_password)
        more = True
        while more:
            done = self._writing.round(self._known, asked.identity.highest, self._verdict_there)
            self._verdict_there = Verdict.HOLD
            self.state.written_there += done.messages + done.moved + done.deleted
            self.state.held_there = done.held
            self.state.left_there = [*self.state.left_there, *done.left][-MAX_TOLD:]
            more = done.more and not (done.held or done.again)

    # -- looks ------------------------------------------------------------------------------------

    def _look(self, client: CitadelClient, asked: Asked) -> None:
        began, state = self._now(), self.state
        found = asked.ask()
        self._all.wanted |= found.others
        if found.rooms and self._looks is not None:
            self._look_at_rooms(client, asked, found.rooms)
        if self._all.due(self._clock()) or self._exports.due(self._clock()):
            state.behind = True
            self._look_at_all(client, asked)
        elif self._files.due(self._clock()):
            self._look_at_files(client)
        state.looks += 1
        state.commands = client.commands
        state.behind = self._all.wanted
        if not state.behind:
            state.last_look = began

    def _look_at_rooms(self, client: CitadelClient, asked: Asked, names: Iterable[bytes]) -> None:
        """Take over what is new and gone in rooms."""
        assert self._known is not None and self._looks is not None
        told, changed = asked.list_rooms(names)
        listings: dict[int, Listing] = {}
        for name, room in told.items():
            known = self._known.rooms.get(room.told.number)
            changed |= known is None
            if known is not None and known.use is Use.PEOPLE:
                listings[room.told.number] = Listing(asked.changed(name), room.messages)
        self._files.wanted |= any(room.number in listings for room in self._known.file_rooms)
        outcome = self._looks.take(client, listings, self._decision)
        # What is done to users and rooms is told in one room, whatever else shows it.
        self._all.wanted |= changed or outcome.left or asked.aide_room in outcome.new
        for number in outcome.looked:
            self._held_in_rooms.pop(number, None)
            self._waiting_in_rooms.pop(number, None)
        self._held_in_rooms |= outcome.held
        self._waiting_in_rooms |= outcome.waiting
        self._note(outcome.applied.written, outcome.deleted)

    def _look_at_files(self, client: CitadelClient) -> None:
        """Take over files of rooms and system messages."""
        assert self._known is not None
        began, known, decision = self._clock(), self._known, self._decision
        with self._logged_in(client) as asking:
            fetched = fetch_leftovers(
                asking, self._store, known.node, known.file_rooms, self._directory, decision=decision, listdirs=False
            )
        self._held_files = fetched.held
        self._note(fetched.applied.written, fetched.deleted)
        self._files.asked(began, self._clock())

    @contextmanager
    def _logged_in(self, client: CitadelClient) -> Iterator[CitadelClient]:
        """Give a client that is logged in, where somebody is to be: files of some rooms are listed to nobody else."""
        if client.logged_in or not self._user:
            yield client
            return
        other = log_in(self._place, self._user, self._password)
        try:
            yield other
        finally:
            other.channel.close()

    def _look_at_all(self, client: CitadelClient, asked: Asked) -> None:
        """Take over all that the server has, by its export where that is due, else by what it was asked."""
        began, now, decision = self._clock(), self._now(), self._decision
        by_export = not self._told_all or self._exports.due(began) or not self._was_looked_at()
        taken = self._export(client) if by_export else self._take_told(asked)
        assert taken.known is not None
        listed = self._known.rooms if self._known is not None else {}
        self._known, self._looks = taken.known, RoomLooks(self._store, taken.known, self._keeps_expired)
        self._note_whole(taken)
        if by_export:
            self._note_export(taken, began)
        else:
            self._look_at_rooms_but({} if decision is not UNDECIDED else listed, client, asked)
        if self._decision is decision:
            self._decision = UNDECIDED
        self.state.exported, self.state.wholes = now, self.state.wholes + 1
        asked.passwords = passwords_of((room.name, room.password) for room in taken.known.rooms.values())
        self._all.asked(began, self._clock(), taken.blocked_s)
        self._all.at_once = self._decision is not UNDECIDED  # somebody decided meanwhile
        self._note(0, 0)

    def _look_at_rooms_but(self, listed: Container[int], client: CitadelClient, asked: Asked) -> None:
        """Look at rooms that were not listed yet; where somebody decided, at files as well."""
        for names in pages(asked.rooms_but(listed), ROOMS_AT_ONCE):
            self._look_at_rooms(client, asked, names)
            self._sleep(0)
        if self._decision is not UNDECIDED:
            self._look_at_files(client)

    def _note_whole(self, taken: Taken) -> None:
        self._held = taken.report.held
        self._waiting = [one.what for one in taken.gone if one.held]
        self._note(taken.report.applied.written, taken.report.deleted)

    def _note_export(self, taken: Taken, began: float) -> None:
        fetched = taken.fetched
        if fetched is not None:
            self._held_files = fetched.held
            self._note(fetched.applied.written, fetched.deleted)
        self._held_in_rooms, self._waiting_in_rooms = {}, {}
        self.state.exports += 1
        self.state.noticed = (taken.report.notices + (fetched.notices if fetched else []))[:MAX_TOLD]
        self.state.incomplete = taken.why_incomplete
        if self._exports is not NEVER:
            self._exports.asked(began, self._clock(), taken.blocked_s)
        self._files.asked(began, self._clock())

    def _note(self, written: int, deleted: int) -> None:
        state = self.state
        state.written += written
        state.deleted += deleted
        words = chain(self._waiting, *self._waiting_in_rooms.values())
        state.waiting = list(islice(words, MAX_TOLD))
        state.held = [*self._held, *self._held_in_rooms.values(), *self._held_files]
        if self._known is not None:
            state.phase = "held" if state.held else "following"

    # -- all of it --------------------------------------------------------------------------------

    @property
    def _accepted(self) -> Accepted:
        verdict, of = self._decision
        deletions, keep = verdict is Verdict.DELETE, verdict is Verdict.KEEP
        return Accepted(deletions=deletions, keep=keep, keep_expired=self._keeps_expired, of=of)

    def _take_told(self, asked: Asked) -> Taken:
        told, only = asked.export(self._store.read(_held)), self._settings.rooms
        return look_at_told(
            self._store,
            told,
            asked.told_kinds,
            self.state.node,
            accepted=self._accepted,
            only=only,
            progress=self._give_way,
        )

    def _export(self, client: CitadelClient) -> Taken:
        """Look at the export up to its messages, and where that does not do, as at first, copy the server."""
        place, only, accepted = (self._place, self._user, self._password), self._settings.rooms, self._accepted
        if self._was_looked_at():
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

    def _was_looked_at(self) -> bool:
        last = self._remembered()
        return last is not None and last.looked

    def _give_way(self, done: int) -> None:
        """Let others have their turn while an export is read."""
        if done // YIELD_EVERY != self._given_way:
            self._given_way = done // YIELD_EVERY
            self._sleep(0)


def _room_passwords(reader: Reader) -> list[tuple[str, str]]:
    """Return names and passwords of rooms."""
    values = [values_of(record) for record in reader.scan_all("rooms")]
    return [(str(one.get("QRname", "")), str(one.get("QRpasswd", ""))) for one in values]


def _held(reader: Reader) -> Held:
    """Return what is held of a server that has to be known to understand what it tells."""
    users, rooms, floors = ([values_of(one) for one in reader.scan_all(name)] for name in ("users", "rooms", "floors"))
    return Held(
        [str(user.get("u_fullname", "")) for user in users],
        {_number(floor, "f_num") for floor in floors if _number(floor, "f_flags") & 1},
        {_number(room, "QRnumber"): _number(room, "QRroomaide") for room in rooms},
    )


def _number(values: Mapping[str, object], name: str) -> int:
    """Return a number that a field holds, 0 where it holds none."""
    return number_or_zero(str(values.get(name, "")))


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
