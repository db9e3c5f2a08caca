"""Which rooms of two sides belong together, and what flows between them.  Values in, values out."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mirror.model.judge import Unfit, in_collection
from mirror.model.keys import compared
from mirror.model.kinds import Collection, parse_collection
from mirror.model.record import Record, record_crc
from mirror.sync.share.names import room_of_record, translate, what_of
from mirror.wire.values import Page, SharedRoom
from netconf.rules import DELETIONS, MARKS


class Pair(NamedTuple):
    """A room here and the room there that it is shared with."""

    here: SharedRoom
    there: SharedRoom

    @property
    def pulled(self) -> frozenset[str]:
        """What flows here: both sides' rules must say so."""
        return self.here.what & self.there.what if self.here.pulls and self.there.pushes else frozenset()

    @property
    def pushed(self) -> frozenset[str]:
        """What flows there."""
        return self.here.what & self.there.what if self.here.pushes and self.there.pulls else frozenset()

    @property
    def whole(self) -> bool:
        """Whether both sides show all of their rooms, so that what is on one side only should be on both."""
        return self.here.whole and self.there.whole

    @property
    def state(self) -> str:
        """What has to be the same for what was exchanged so far to count."""
        return f"{self.there.key}|{self.here.mark}|{self.there.mark}"

    def has_rules_of(self, state: str) -> bool:
        """Tell whether the two rooms and their rules are those of a state, whatever is to come again."""
        return _uncounted(state) == _uncounted(self.state)


def counted_mark(mark: str, times: int) -> str:
    """Return a rule's mark as it is told when so often something that had been set aside was to come again."""
    return f"{mark}.{times}" if times else mark


def _uncounted(state: str) -> list[str]:
    key, *marks = state.rsplit("|", 2)
    return [key, *(mark.partition(".")[0] for mark in marks)]


def find_pairs(
    ours: Sequence[SharedRoom], theirs: Sequence[SharedRoom], bound: Mapping[str, str]
) -> tuple[list[Pair], list[str]]:
    """Return which rooms belong together, and a line for each of ours that has no counterpart.

    ``bound`` are rooms that were found to belong together before, by their ids: a new name doesn't part them.
    """
    pairs: list[Pair] = []
    notes: list[str] = []
    free = {room.key: room for room in theirs}
    for room in sorted(ours, key=lambda room: room.key not in bound):
        fitting = [one for one in free.values() if _belong(room, one)]
        there = free.get(bound.get(room.key, "")) or next(iter(fitting), None)
        if there is None:
            notes.append(f"{room.name}: {_why_alone(room, pairs)}")
            continue
        if room.key not in bound and len(fitting) > 1:
            others = ", ".join(one.name for one in fitting if one.key != there.key)
            notes.append(f"{room.name}: shared with {there.name} there ({there.key}); {others} would fit as well")
        del free[there.key]
        pairs.append(Pair(room, there))
        if not pairs[-1].pulled and not pairs[-1].pushed:
            notes.append(f"{room.name}: the rules of both sides leave nothing that flows")
    return pairs, notes


def _why_alone(room: SharedRoom, pairs: Sequence[Pair]) -> str:
    taken = next((pair for pair in pairs if _belong(room, pair.there)), None)
    if taken is not None:
        return f"the room there is shared with {taken.here.name} ({taken.here.key}) already, which fits as well"
    return "not shared from there yet" + (f" as {room.remote}" if room.remote else "")


def _belong(here: SharedRoom, there: SharedRoom) -> bool:
    """Tell whether two rooms name each other: explicitly, or where one names none, by the other's word."""
    if here.remote and there.remote:
        return here.points_at(there) and there.points_at(here)
    if here.remote or there.remote:
        return here.points_at(there) if here.remote else there.points_at(here)
    return compared(here.name) == compared(there.name)


def flows(record: Record, what: frozenset[str]) -> bool:
    """Tell whether a record is among what flows one way; of deletions, those of marks always are."""
    kind = what_of(record)
    return kind in what and (not record.dead or kind == MARKS or DELETIONS in what)


def inward(page: Page, pairs: Sequence[Pair]) -> Page:
    """Return a page of theirs under our names, without what does not flow here."""
    flowing = {pair.there.key: pair.pulled for pair in pairs}
    names = {pair.there.key: pair.here.key for pair in pairs}
    unfit = [one for told in page.unfit if (one := _renamed(told, names)) is not None]
    return _translated(page, names, flowing)._replace(unfit=tuple(unfit))


def _renamed(unfit: Unfit, names: Mapping[str, str]) -> Unfit | None:
    """Return what cannot be taken under our name of its room; None where it is of no room that is shared."""
    kind, room = parse_collection(unfit.collection)
    return in_collection(unfit, str(Collection(kind, names[room]))) if room in names else None


def outward(page: Page, pairs: Sequence[Pair]) -> Page:
    """Return a page of ours under their names, without what does not flow there."""
    flowing = {pair.here.key: pair.pushed for pair in pairs}
    return _translated(page, {pair.here.key: pair.there.key for pair in pairs}, flowing)


def _translated(page: Page, rooms: Mapping[str, str], flowing: Mapping[str, frozenset[str]]) -> Page:
    """Return a page under the other side's names; it reaches as far as before."""
    let = [one for one in page.records if flows(one, flowing.get(room_of_record(one), frozenset()))]
    records = [new for record in let if (new := translate(record, rooms)) is not None]
    return page._replace(records=records, crcs=[record_crc(record) for record in records])
