"""Following a live Citadel server: what happens there is here soon after, and nothing is written into it.

One connection stays, over which cheap questions tell each second what moved (mirror.citadel.following.asked), and
messages that are new in rooms or gone from them are taken over (mirror.citadel.following.rooms).  All else comes by a
look at all that the server has (mirror.citadel.following.whole), when something else is known to have changed, and
now and again (mirror.citadel.following.pace).  At rest nothing is written.  Knows no configuration and no
supervision.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path

import msgspec

from mirror.citadel.bootstrap import Place, Taken, log_in
from mirror.citadel.following.asked import Asked, Often, passwords_of
from mirror.citadel.following.counts import SAVED_S, Counts, read_counts, write_counts
from mirror.citadel.following.followed import DEFAULTS, MAX_TOLD, FollowState, Settings
from mirror.citadel.following.identity import finish_forgetting, pair_anew, why_another, why_other_messages
from mirror.citadel.following.mark_looks import MarkLooks
from mirror.citadel.following.pace import NEVER, Pace
from mirror.citadel.following.restarts import NOT_RESTARTED, find_lost, read_started, write_started
from mirror.citadel.following.rooms import Listing, RoomLooks
from mirror.citadel.following.whole import WholeLooks, names_of_all, room_passwords, views_of_all
from mirror.citadel.host_files import home_of
from mirror.citadel.looks.decided import UNDECIDED, Decision, Verdict
from mirror.citadel.looks.pages import pages
from mirror.citadel.looks.remembered import place_of
from mirror.citadel.looks.unfinished import finish_unfinished
from mirror.citadel.looks.waiting import Waiting
from mirror.citadel.meaning.keys import Pair
from mirror.citadel.migr.leftovers import fetch_leftovers
from mirror.citadel.migr.posted import Known
from mirror.citadel.propose import CannotPair, confirm, is_to_be_paired, pair_later, propose, require_apart
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.writers.calls import finish_calls
from mirror.citadel.writers.files import finish_upload
from mirror.citadel.writers.transit import empty_transit
from mirror.citadel.writing import Service, Writing, open_writing
from mirror.formats.server_own import Use
from mirror.store.base import Store

LEAST_PAUSE = 5
"""A look is followed by a pause of one in so many of the time from look to look at least."""
ALL_S = 300.0
"""So often at least all that was told is looked at, whether or not it is known to have changed."""
ROOMS_AT_ONCE = 500


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
        self._counts = Counts()
        self._looks: RoomLooks | None = None
        self._confirmed = False
        self._to_pair: list[Pair] = []
        self._verdict_there = Verdict.HOLD
        self._writing: Writing | None = None
        self._service_password = service_password
        # By another door rooms are not listed that are not public.
        self._told_all = isinstance(place, Path)
        self._wholes = WholeLooks(
            store,
            place,
            user,
            password,
            directory=self._directory,
            only=settings.rooms,
            keeps_expired=self._keeps_expired,
            shares=settings.shares,
            give_way=lambda: sleep(0),
        )
        self._marks: MarkLooks
        self._begin()

    def run(self) -> None:
        """Follow until the connection is lost; may be killed at any instant, and be run again.

        Raises ConnectionLost, LoginFailed, CitadelError, or a store's error; what was committed stays.
        """
        client = self._connect()
        try:
            node, settings = client.node_name(), self._settings
            self._counts = self._store.read(lambda reader: read_counts(reader, place_of(node)))
            written, deleted, there = msgspec.structs.astuple(self._counts)
            self.state = FollowState(node, self._now(), written=written, deleted=deleted, written_there=there)
            finish_calls(self._store, client, place_of(node))  # before anything is told of it
            asked = Asked(client, Often(settings.idle_look_s, settings.users_s), self._clock)
            self._begin()
            asked.passwords = passwords_of(self._store.read(room_passwords))
            asked.remember(*self._store.read(lambda reader: names_of_all(reader, node)))
            asked.views = self._store.read(lambda reader: views_of_all(reader, node))
            # What changes while all is looked at moves after this, so the next look finds it.
            asked.begin(lambda: self._sleep(0))
            in_transit = self._empty_transit(client, asked)
            self._recognise(client, asked)
            self._find_lost(client, asked, in_transit)
            finish_unfinished(self._store, client, self.state.node)
            finish_upload(self._store, client, place_of(self.state.node))
            self._pair(client)
            while True:
                began = self._clock()
                self._look(client, asked)
                self._look_at_marks(asked)
                self._write(asked)
                self._save_counts()
                self._sleep(max(settings.look_s - (self._clock() - began), settings.look_s / LEAST_PAUSE))
        finally:
            client.channel.close()
            self._marks.close()
            if self._writing is not None:
                self._writing.close()
                self._writing = None
            self._counted_at = -SAVED_S
            self._save_counts()

    def _connect(self) -> CitadelClient:
        """Connect for questions: at the administrator's socket nobody logs in, so that rooms have their full names."""
        return log_in(self._place, *(("", "") if self._told_all else (self._user, self._password)))

    def _begin(self) -> None:
        """Forget what was known by the connection before."""
        settings = self._settings
        self._all, self._files = Pace(ALL_S), Pace(settings.sweep_s)
        self._exports = Pace(settings.export_s or NEVER)
        if not self._told_all:
            self._all, self._exports = Pace(settings.export_s or ALL_S), Pace(NEVER)
        self._known = self._looks = None
        self._restarted = NOT_RESTARTED
        self._unlooked: set[bytes] = set()
        """Rooms that moved while nothing could be looked at before all is."""
        self._waiting = Waiting()
        self._counted_at = -SAVED_S
        self._left: list[str] = []
        self._noticed: list[str] = []
        self._wholes.begin()
        self._marks = MarkLooks(
            self._store, self._connect, self._wholes.calls, settings.marks_s, clock=self._clock, now=self._now
        )

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

    def pair(self, pair: Pair) -> None:
        """Have a user or room there be what is here under a key, with the next look.  Raises CannotPair."""
        if self.state.pairing is not None:
            raise CannotPair(f"nothing of {self.state.node} is here before 'attach approve' confirmed how it is paired")
        require_apart(self._store, self.state.node, pair)
        self._to_pair.append(pair)

    def _pair_what_is_asked(self) -> None:
        """Pair things that were looked at before: all of them is looked at anew, under the key that it has now."""
        while self._to_pair:
            pair_later(self._store, self.state.node, self._to_pair.pop(0))
            self._look_anew()

    def _decide(self, verdict: Verdict) -> None:
        of: Counter[str] = Counter()
        for one in self.state.held:  # of a collection some may wait as they are very many, others by a server's fault
            of[one.collection] += one.gone
        self._decision = Decision(verdict, of)
        self._all.wanted = self._all.at_once = True

    def _look_anew(self) -> None:
        """Have all be looked at next, whatever was known of it."""
        self._known = self._looks = None
        self._all.wanted = self._all.at_once = True

    def _recognise(self, client: CitadelClient, asked: Asked) -> None:
        """Have a server that is another one than before be paired anew."""
        node, now = self.state.node, asked.identity
        finish_forgetting(self._store, node, lambda: self._sleep(0))
        last = self._wholes.last(node)
        if last is None:
            return
        why = why_another(last, now)
        if not why and last.looked:
            why = why_other_messages(self._store, client, node, asked.names())
        if why:
            pair_anew(self._store, node, now, why, lambda: self._sleep(0))
        self.state.another = why or last.another

    def _empty_transit(self, client: CitadelClient, asked: Asked) -> set[int]:
        """Throw away what was on its way into the server when that or a node died; returns the numbers of that."""
        user = asked.user_named(self._settings.service) if self._settings.service and self._told_all else 0
        return empty_transit(client, asked.names().values(), user) if user else set()

    def _find_lost(self, client: CitadelClient, asked: Asked, in_transit: Set[int]) -> None:
        """Find out what a server that was started anew may have lost, until all of it was looked at."""
        place = place_of(self.state.node)
        started, last = self._store.read(lambda reader: read_started(reader, place)), self._wholes.last(self.state.node)
        self._restarted = NOT_RESTARTED
        if last is not None and last.looked and started and asked.started != started:
            highest = asked.identity.highest
            self._restarted = find_lost(self._store, client, self.state.node, asked.names(), in_transit, highest)

    def _note_started(self, asked: Asked) -> None:
        """Have what is gone from now on be deleted: all was looked at since the server was started."""
        place, started = place_of(self.state.node), asked.started
        if self._store.read(lambda reader: read_started(reader, place)) != started:
            self._store.write(lambda writer: write_started(writer, place, started))
        assert self._looks is not None
        self._restarted = self._looks.restarted = NOT_RESTARTED

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
            settings = self._settings
            of = settings.service, self._service_password, settings.rooms, settings.shares
            service = Service(self._place, *of)
            self._writing = open_writing(self._store, service)
        known, more = self._known, True
        while more:
            done = self._writing.round(known, asked.identity.highest, self._verdict_there)
            self._verdict_there = Verdict.HOLD
            asked.note_floors(done.floors)
            self._marks.called(done.called)
            self.state.written_there += done.count
            self.state.held_there, self.state.behind_there = done.held, done.behind
            self._left = [*self._left, *done.left][-MAX_TOLD:]
            self.state.left_there = [*self._left, *done.later][-MAX_TOLD:]
            more = done.more and not (done.again or done.look_anew)
            if done.look_anew:
                self._look_anew()

    # -- looks ------------------------------------------------------------------------------------

    def _look(self, client: CitadelClient, asked: Asked) -> None:
        began, state = self._now(), self.state
        self._pair_what_is_asked()
        found = asked.ask()
        self._all.wanted |= found.others
        self._unlooked |= found.rooms
        if self._looks is not None:
            self._look_at_unlooked(client, asked)
        else:
            asked.list_rooms(found.rooms)  # so that the look at all that comes next knows them
        if self._all.due(self._clock()) or self._exports.due(self._clock()):
            state.behind = True
            self._look_at_all(client, asked)
        if self._files.due(self._clock()):
            self._look_at_files(client)
        state.looks += 1
        state.commands = client.commands
        state.behind = self._all.wanted
        if not state.behind:
            state.last_look = began

    def _look_at_unlooked(self, client: CitadelClient, asked: Asked) -> None:
        names, self._unlooked = self._unlooked, set()
        if names:
            self._look_at_rooms(client, asked, names)

    def _look_at_rooms(self, client: CitadelClient, asked: Asked, names: Iterable[bytes]) -> None:
        """Take over what is new and gone in rooms."""
        assert self._known is not None and self._looks is not None
        told, changed = asked.list_rooms(names)
        listings: dict[int, Listing] = {}
        for name, room in told.items():
            known = self._known.rooms.get(room.told.number)
            changed |= known is None
            if known is not None and known.use is Use.PEOPLE:
                listings[room.told.number] = Listing(asked.entrance(name), room.messages)
        self._files.wanted |= any(room.number in listings for room in self._known.file_rooms)
        outcome = self._looks.take(client, listings, self._decision)
        self._marks.changed({room: listings[room].entrance.changed for room in outcome.same})
        self._unlooked |= {name for name, room in told.items() if room.told.number in outcome.again}
        # What is done to users and rooms is told in one room, whatever else shows it.
        self._all.wanted |= changed or outcome.left or bool(outcome.again) or asked.aide_room in outcome.new
        self._waiting.looked_at(outcome.looked, outcome.held, outcome.waiting)
        self._note(outcome.applied.written, outcome.deleted)

    def _look_at_marks(self, asked: Asked) -> None:
        """Take over what was read, where that can be asked for."""
        if not (self._told_all and self._settings.marks_s) or self._known is None or self._looks is None:
            return
        self._note_views(asked)
        marked = self._marks.look(asked, self._known, self.state.exports > 0)
        self._looks.marks_changed(marked.rooms)
        self._note(marked.applied.written, 0)
        self.state.marks = self._marks.as_of
        self.state.noticed = [*self._noticed, *self._marks.noticed][:MAX_TOLD]

    def _note_views(self, asked: Asked) -> None:
        """Have it be asked how those view rooms who have been there before, where all others view them otherwise."""
        if self._told_all and self._settings.marks_s:
            self._marks.viewed_otherwise(self.state.node, asked.viewed_otherwise())

    def _look_at_files(self, client: CitadelClient) -> None:
        """Take over files of rooms and system messages."""
        assert self._known is not None
        known, decision = self._known, self._decision
        self._files.begin(self._clock())
        with self._logged_in(client) as asking:
            fetched = fetch_leftovers(
                asking,
                self._store,
                known.node,
                known.file_rooms,
                self._messages_directory(),
                decision=decision,
                listdirs=False,
                shares=self._settings.shares,
            )
        self._waiting.of_files = fetched.held
        self._note(fetched.applied.written, fetched.deleted)
        self._files.end(self._clock())

    def _messages_directory(self) -> Path | None:
        """Return the directory in which the server has its system messages: where they are written, if they are."""
        if self._settings.shares and isinstance(self._place, Path):
            return home_of(self._place)
        return self._directory

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
        now, decision = self._now(), self._decision
        node = self.state.node
        self._note_views(asked)
        by_export = not self._told_all or self._exports.due(self._clock()) or not self._wholes.was_looked_at(node)
        for pace in (self._all, self._exports, self._files) if by_export else (self._all,):
            pace.begin(self._clock())
        if by_export:
            taken = self._wholes.by_export(client, asked, node, decision, self._restarted.has_lost)
        else:
            taken = self._wholes.by_what_was_told(client, asked, node, decision)
        assert taken.known is not None
        listed = self._known.rooms if self._known is not None else {}
        self._known = taken.known
        self._looks = RoomLooks(self._store, taken.known, asked, self._keeps_expired, self._restarted)
        self._note_whole(taken)
        if by_export:
            self._note_export(taken)
        else:
            self._look_at_rooms_but({} if decision is not UNDECIDED else listed, client, asked)
            self._look_at_unlooked(client, asked)
        self._note_started(asked)
        if self._decision is decision:
            self._decision = UNDECIDED
        self.state.whole, self.state.wholes = now, self.state.wholes + 1
        self.state.exported = now if by_export else self.state.exported
        told = passwords_of((room.name, room.password) for room in taken.known.rooms.values())
        asked.passwords = {**passwords_of(self._store.read(room_passwords)), **told}
        self._all.end(self._clock(), taken.blocked_s)
        self._all.wanted |= not self._wholes.is_sure
        self._note(0, 0)

    def _look_at_rooms_but(self, listed: Container[int], client: CitadelClient, asked: Asked) -> None:
        """Look at rooms that were not listed yet; where somebody decided, at files as well."""
        for names in pages(asked.rooms_but(listed), ROOMS_AT_ONCE):
            self._look_at_rooms(client, asked, names)
            self._sleep(0)
        if self._decision is not UNDECIDED:
            self._look_at_files(client)

    def _note_whole(self, taken: Taken) -> None:
        self._waiting.of_all = taken.report.held
        self._waiting.words = [one.what for one in taken.gone if one.held]
        self._note(taken.report.applied.written, taken.report.deleted)

    def _note_export(self, taken: Taken) -> None:
        fetched = taken.fetched
        if fetched is not None:
            self._waiting.of_files = fetched.held
            self._note(fetched.applied.written, fetched.deleted)
        self._waiting.forget_rooms()
        self.state.exports += 1
        self._noticed = (taken.report.notices + (fetched.notices if fetched else []))[:MAX_TOLD]
        self.state.noticed = self._noticed
        self.state.incomplete = taken.why_incomplete
        self._exports.end(self._clock(), taken.blocked_s)
        self._files.end(self._clock())

    def _note(self, written: int, deleted: int) -> None:
        state = self.state
        state.written += written
        state.deleted += deleted
        state.held, state.waiting = self._waiting.held, self._waiting.told(MAX_TOLD)
        if self._known is not None:
            state.phase = "held" if state.held else "following"

    def _save_counts(self) -> None:
        """Remember how much was taken over, if it is time and that is more than before."""
        counts = Counts(self.state.written, self.state.deleted, self.state.written_there)
        if counts == self._counts or self._clock() - self._counted_at < SAVED_S:
            return
        self._store.write(lambda writer: write_counts(writer, place_of(self.state.node), counts))
        self._counts, self._counted_at = counts, self._clock()

    @property
    def _keeps_expired(self) -> bool:
        return self._settings.expiry == "keep"
