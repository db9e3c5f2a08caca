"""What a server has no more: what is done about it, and that done.

It is deleted here, unless that is so much at once that somebody has to accept it first; what is in use here, expired
there, or of users whose accounts were damaged there is dealt with before.  What is listed is known by names alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import partial
from itertools import groupby
from operator import attrgetter

from mirror.citadel.looks.decided import NOTHING_EXPIRES, UNDECIDED, Decision, Expiry, Gone, HeldBack, Verdict
from mirror.citadel.looks.heaps import Heaps
from mirror.citadel.looks.in_use import VISITS, floor_in_use, is_theirs, room_in_use, room_is_of, tells_of, user_in_use
from mirror.citadel.looks.lost import IsLost, note_lost, nothing_lost
from mirror.citadel.looks.pages import pages
from mirror.citadel.looks.statuses import Statuses
from mirror.citadel.looks.taking import act_for_place, keep_missing, posted_at, take_missing
from mirror.citadel.meaning.damaged import WHAT_TO_DO
from mirror.citadel.meaning.expiry import Mode, Policy
from mirror.citadel.meaning.keys import FLOORS, ROOMS, USERS
from mirror.citadel.meaning.purge import Purge
from mirror.citadel.meaning.said_lines import NO_LINES
from mirror.model.applied import Applied
from mirror.model.kinds import parse_collection, room_of
from mirror.model.record import Record
from mirror.model.status import Status
from mirror.store.base import Allows, Reader, Store, Writer, everything
from mirror.sync.foreign.plan import held_back
from mirror.sync.words import describe_record, message_in

NETCONF = "netconf"
MESSAGES = "messages/"
MAX_NAMED = 1000
"""So many of the records that are gone are named."""


class Missing:
    """What is missing of one place, once all that it has was listed."""

    def __init__(
        self, store: Store, place: str, heaps: Heaps, statuses: Statuses, is_first: Callable[[], bool]
    ) -> None:
        """``is_first`` tells whether nothing was ever said there before: then nothing of it is missing."""
        self._store, self._place, self._heaps, self._statuses = store, place, heaps, statuses
        self._is_first = is_first
        self._unwanted: set[tuple[str, str]] = set()
        self._why_damaged = WHAT_TO_DO
        self.applied = Applied()
        self.deleted = 0
        self.held: list[HeldBack] = []
        self.gone: list[Gone] = []
        """The first of what is deleted and held back."""

    def unwant(self, collection: str, foreign: Iterable[str]) -> None:
        """Say of things that they are none of ours, whether or not the server has them: they may always go."""
        self._unwanted |= {(collection, one) for one in foreign}

    def delete(
        self,
        listed: Allows,
        decision: Decision = UNDECIDED,
        expiry: Expiry = NOTHING_EXPIRES,
        purge: Purge | None = None,
        damaged: Set[str] = frozenset(),
        is_lost: IsLost = nothing_lost,
        damaged_why: str = WHAT_TO_DO,
    ) -> None:
        """Delete what the server has no more of collections that were listed as a whole, if that is not too much.

        What was in a room that is gone goes with it, listed or not, and before it.  ``decision`` is what is done where
        it is too much; what has expired is not counted.  What a ``purge`` may have taken that was in use elsewhere
        stays, as the mirror's own.  Users whose accounts were ``damaged`` there, by their keys, wait with all that is
        theirs, however few they are, for the reason ``damaged_why``.  Messages that the server lost are written again.
        """
        self._why_damaged = damaged_why
        if self._is_first():
            return
        rooms, of_rooms = self._judge_rooms(decision, purge, damaged) if listed(ROOMS) else ({}, Verdict.HOLD)

        def may_go(collection: str) -> bool:
            verdict = rooms.get(room_of(collection))
            return collection != ROOMS and listed(collection) if verdict is None else verdict is not Verdict.HOLD

        told = self._store.read(lambda reader: reader.status_collections(self._place))
        found = self._find_missing(self._statuses.told(list(filter(may_go, told))), may_go)
        stay, wait = self._judge_users(decision, purge, damaged) if USERS in found else (set(), damaged)
        for collection in sorted(found, key=_emptying_order):
            verdict = rooms.get(room_of(collection))
            if verdict is None:
                self._let_off(collection, stay, wait)
                self._lose(collection, is_lost)
                self._expire(collection, expiry)
                verdict = self._judge(collection, decision)
            self._deal_with(collection, verdict)
        self._deal_with(ROOMS, of_rooms)

    def _judge_rooms(
        self, decision: Decision, purge: Purge | None, damaged: Set[str]
    ) -> tuple[dict[str, Verdict], Verdict]:
        """Return what is done about what was in rooms that are missing, by their keys, and about these rooms."""
        missing = self._missing_rooms()
        rooms: dict[str, Verdict] = {}
        if missing and purge:
            rooms |= dict.fromkeys(self._spare(ROOMS, partial(room_in_use, purge)), Verdict.KEEP)
        if missing and damaged:
            rooms |= self._hold(ROOMS, partial(room_is_of, damaged), decision)
        going = [room for room in missing if rooms.get(room, Verdict.DELETE) is Verdict.DELETE]
        of_rooms = self._judge(ROOMS, decision) if going else Verdict.HOLD
        return rooms | dict.fromkeys(going, of_rooms), of_rooms

    def _judge_users(self, decision: Decision, purge: Purge | None, damaged: Set[str]) -> tuple[set[str], Set[str]]:
        """Return the keys of users who are missing and stay, as the mirror's own, and of those who wait."""
        stay = self._spare(USERS, partial(user_in_use, purge)) if purge else set()
        held = self._hold(USERS, partial(is_theirs, damaged), decision) if damaged else {}
        stay |= {user for user, verdict in held.items() if verdict is Verdict.KEEP}
        return stay, {user for user in damaged if held.get(user, Verdict.HOLD) is Verdict.HOLD}

    def _let_off(self, collection: str, stay: Set[str], wait: Set[str]) -> None:
        """Have things of a collection not be missing that are not to be deleted, of users who stay or wait, say."""
        if wait and collection != USERS:
            self._leave(collection, partial(tells_of, wait))
        if stay:
            self._spare(collection, partial(is_theirs, stay))
        if collection == FLOORS:
            self._spare(collection, floor_in_use)
        if parse_collection(collection).kind == NETCONF:
            empty = [status for status in self._missing_statuses(collection) if status.tag == NO_LINES]
            self._heaps.not_missing(collection, empty)  # the server has none, of a room that it has: as it said last

    def _lose(self, collection: str, is_lost: IsLost) -> None:
        """Have messages that the server lost be written again: they are none that it deleted."""
        for missing in pages(self._missing_statuses(collection) if collection.startswith(MESSAGES) else ()):
            if lost := [status for status in missing if is_lost(int(status.foreign))]:
                self._store.write(lambda writer, some=lost: note_lost(writer, self._place, some))  # type: ignore[misc]
                self._heaps.not_missing(collection, lost)

    def _spare(self, collection: str, stays: Callable[[Reader, Record], bool]) -> set[str]:
        """Have things that are missing be the mirror's own; returns their keys."""
        spared: set[str] = set()
        for found in self._missing_that(collection, stays):
            self._keep_some(collection, found)
            spared |= {status.key for status in found}
        return spared

    def _hold(
        self, collection: str, is_damaged: Callable[[Reader, Record], bool], decision: Decision
    ) -> dict[str, Verdict]:
        """Do with things that are missing by damage what was decided; they wait where nothing was.

        Returns that by their keys; what may be deleted is left to who asks.
        """
        found = [status for some in self._missing_that(collection, is_damaged) for status in some]
        records = [record for page in pages(found) for record in self._going(page)]
        keys = {record.key for record in records}
        verdict = decision.about(collection, len(keys))
        if verdict is Verdict.KEEP:
            self._keep_some(collection, found)
        elif verdict is Verdict.HOLD and keys:
            told = self._store.read(lambda reader: reader.status_count(self._place, collection))
            self.held.append(HeldBack(collection, len(keys), told))
            self._name_gone(records[: MAX_NAMED - len(self.gone)], held=True, why=self._why_damaged)
            self._heaps.not_missing(collection, found)
        return dict.fromkeys(keys, verdict)

    def _leave(self, collection: str, stays: Callable[[Reader, Record], bool]) -> None:
        """Leave things alone that are missing, as though they were told."""
        for found in self._missing_that(collection, stays):
            self._heaps.not_missing(collection, found)

    def _missing_that(self, collection: str, fits: Callable[[Reader, Record], bool]) -> Iterator[list[Status]]:
        """Yield what the server said of records of one sort that are missing, in pages; any of that may be let off."""
        for missing in pages(self._missing_statuses(collection)):
            records = self._going(missing)
            keys = self._store.read(lambda reader, some=records: {one.key for one in some if fits(reader, one)})  # type: ignore[misc]
            yield [status for status in missing if status.key in keys]

    def _keep_some(self, collection: str, missing: Sequence[Status]) -> None:
        """Forget that the server ever had things that are missing, so that they are none of those."""
        if missing:
            self._store.write(lambda writer: keep_missing(writer, self._place, missing))
        self._heaps.not_missing(collection, missing)

    def delete_of(self, collections: Iterable[str], decision: Decision = UNDECIDED) -> None:
        """Delete what the server has no more of single collections, each of which was listed as a whole."""
        for collection in sorted(collections):
            if self._find_missing(self._statuses.told_of(collection)):
                self._deal_with(collection, self._judge(collection, decision))

    def _missing_rooms(self) -> set[str]:
        self._find_missing(self._statuses.told_of(ROOMS))
        return set(self._heaps.missing(ROOMS))

    def _judge(self, collection: str, decision: Decision) -> Verdict:
        """Return what is done about what is missing of a collection, and note what waits."""
        missing, named = 0, MAX_NAMED - len(self.gone)
        records: list[Record] = []
        for page in pages(self._missing_statuses(collection)):
            going = self._going(page)
            missing += len(going)
            records += going[: max(0, named - len(records))]
        told = self._store.read(lambda reader: reader.status_count(self._place, collection))
        if not held_back(missing, told):
            verdict = Verdict.DELETE
        elif (verdict := decision.about(collection, missing)) is Verdict.HOLD:
            self.held.append(HeldBack(collection, missing, told))
        if verdict is not Verdict.KEEP:
            self._name_gone(records, verdict is Verdict.HOLD)
        return verdict

    def _name_gone(self, records: Iterable[Record], held: bool, why: str = "") -> None:
        def named(reader: Reader, record: Record) -> Gone:
            what = describe_record(reader, record, message_in(reader, record))
            return Gone(f"{what}, {why}" if why else what, record.collection, record.key, held)

        self.gone += self._store.read(lambda reader: [named(reader, record) for record in records])

    def _expire(self, collection: str, expiry: Expiry) -> None:
        """Do with what the server threw away by itself what is wanted; then it is not missing any more."""
        policy = expiry.policies.get(collection, Policy())
        if policy.mode not in (Mode.NEWEST, Mode.DAYS):
            return
        listed = self._heaps.numbers(collection)
        for missing in pages(self._missing_statuses(collection)):
            posted = self._store.read(lambda reader, found=missing: posted_at(reader, found))  # type: ignore[misc]
            expired = policy.expired(posted, listed, expiry.now)
            away = [status for status in missing if int(status.foreign) in expired]
            if away and expiry.keep:
                self._store.write(lambda writer, statuses=away: keep_missing(writer, self._place, statuses))  # type: ignore[misc]
            elif away:
                self._delete_named(collection, [status.foreign for status in away])
            self._heaps.not_missing(collection, away)

    def _deal_with(self, collection: str, verdict: Verdict) -> None:
        if verdict is Verdict.DELETE:
            self._delete(collection)
        elif verdict is Verdict.KEEP:
            self._keep(collection)

    def _find_missing(self, told: Iterable[Sequence[Status]], may_go: Allows = everything) -> set[str]:
        """Note what the server said last and does not list; returns the collections of which there is any."""
        self._heaps.write_names()
        found: set[str] = set()
        for page in told:
            for collection, group in groupby(page, attrgetter("collection")):
                if may_go(collection) and self._heaps.note_missing(collection, list(group)):
                    found.add(collection)
        return found

    def _missing_statuses(self, collection: str) -> Iterator[Status]:
        for names in pages(self._heaps.missing(collection)):
            yield from self._store.read(lambda reader, found=names: reader.statuses(self._place, collection, found))  # type: ignore[misc]

    def _going(self, missing: Sequence[Status]) -> list[Record]:
        """Return the living records that are missing under every name that the server has for them."""
        collection, names = missing[0].collection, {status.foreign for status in missing}
        keys = {status.key for status in missing if (collection, status.foreign) not in self._unwanted}
        rows = self._store.read(lambda reader: reader.statuses_of(self._place, collection, keys))
        kept = {status.key for status in rows if status.foreign not in names and self._heaps.is_listed(status)}
        held = self._store.read(lambda reader: reader.get_many(collection, keys - kept))
        return [record for record in held if not record.dead]

    def _delete(self, collection: str) -> None:
        for names in pages(self._heaps.missing(collection)):
            self._delete_named(collection, names)

    def _delete_named(self, collection: str, names: Sequence[str]) -> None:
        def job(writer: Writer) -> Applied:
            act_for_place(writer, self._place)
            return take_missing(writer, self._place, writer.statuses(self._place, collection, names))

        applied = self._store.write(job)
        self.applied += applied
        self.deleted += applied.written

    def _keep(self, collection: str) -> None:
        """Forget that the server ever had what is missing, so that it is the mirror's own."""
        for missing in pages(self._missing_statuses(collection)):
            self._store.write(lambda writer, statuses=missing: keep_missing(writer, self._place, statuses))  # type: ignore[misc]


def _emptying_order(collection: str) -> tuple[bool, bool, str]:
    """A room's sharing goes first, for the reasons of mirror.model.containers; visits before the messages they mark."""
    kind = parse_collection(collection).kind
    return kind != NETCONF, kind != VISITS, collection
