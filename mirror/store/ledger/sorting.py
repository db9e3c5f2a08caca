"""What a peer sent, sorted: what may be taken now, what is set aside until it may be, and what its link waits for.

A mirror is trusted with all but the time; a peer that rooms are shared with may neither move our clock, nor bring more
than a bound, nor say anything in our name.  Merges nothing and writes no record; knows the tables by their operations.
"""

from collections import defaultdict
from collections.abc import Sequence, Set

from mirror.model.claims import shown_by, writers
from mirror.model.errors import StampAhead
from mirror.model.judge import Unfit, cannot
from mirror.model.record import DERIVED, Record, vector_of
from mirror.model.stamp import MAX_WAIT_MS, HybridClock, describe_ahead, make_stamp, stamp_ms
from mirror.model.texts import is_message
from mirror.store.errors import BoundReached
from mirror.store.ledger.namesakes import Namesakes
from mirror.store.tables import Added, Tables
from mirror.store.values import Aside, Source

MAX_KEYS_SHARE = 1_000_000
"""Records, tombstones included, in a collection in which a peer that rooms are shared with may make new ones."""
MAX_ORIGINS_SHARE = 256
"""Origins that may come here through a peer that rooms are shared with."""
CLAIMED_AGAIN_MS = 3_600_000
"""After how many milliseconds it is looked again whether what a peer claims is known by now."""


class Sorting:
    """Sorts what came for one store; lives as long as its tables."""

    def __init__(self, tables: Tables, clock: HybridClock, namesakes: Namesakes) -> None:
        self._tables, self._clock, self._namesakes = tables, clock, namesakes

    def sort(self, source: Source, pairs: list[Added]) -> tuple[list[Added], list[Aside]]:
        """Return what may be taken now of versions, with their CRCs, and what is to be set aside.

        Raises StampAhead where something may be taken soon, BoundReached where a peer makes too much that is new.
        """
        fit, aside = self._sort_early(source, pairs)
        if not source.mirror:
            self._check_room(source, fit)
            fit = self._sort_claimed(source, self._sort_origins(source, fit, aside), aside)
        return fit, aside

    def aside(self, source: Source, one: Unfit, due_ms: int = 0) -> Aside:
        """Return what cannot be taken as it is set aside, until a moment in Unix milliseconds; 0 for an upgrade."""
        return Aside(source.peer, one, stamp_ms(self._clock.last), due_ms, source.mirror)

    def speak_for_themselves(self, origins: Set[str]) -> set[str]:
        """Return those of origins of which nothing comes first by a peer that just shares rooms."""
        servers = {origin for origin in origins if origin.startswith(DERIVED)}
        if servers:
            servers -= self._tables.unknown_origins(servers) | self._tables.shared_origins()
        return servers | (origins & {self._tables.origin()})

    def _sort_early(self, source: Source, pairs: list[Added]) -> tuple[list[Added], list[Aside]]:
        """Take out what is stamped later than may be taken now.  Raises StampAhead where that is soon.

        Of a peer that is no mirror nothing is taken before this node's own time has come to it, so its clock is never
        moved by theirs.
        """
        limit = self._clock.limit() if source.mirror else make_stamp(self._clock.now_ms() + 1) - 1
        early = [record for record, _ in pairs if record.stamp > limit]
        if not early:
            return pairs, []
        soon = [record.stamp for record in early if stamp_ms(record.stamp) - stamp_ms(limit) <= MAX_WAIT_MS]
        if soon:  # then all of them are waited for at once
            raise StampAhead(describe_ahead(max(soon), self._clock), max(1, stamp_ms(max(soon)) - stamp_ms(limit)))
        aside = [
            self.aside(
                source,
                cannot(record, describe_ahead(record.stamp, self._clock)),
                self._clock.now_ms() + stamp_ms(record.stamp) - stamp_ms(limit),
            )
            for record in early
        ]
        return [pair for pair in pairs if pair[0].stamp <= limit], aside

    def _check_room(self, source: Source, pairs: Sequence[Added]) -> None:
        """Raise BoundReached where a peer makes something new in a collection that holds very much already."""
        keys: defaultdict[str, list[str]] = defaultdict(list)
        for record, _ in pairs:
            keys[record.collection].append(record.key)
        for collection, of_it in keys.items():
            if self._tables.digest(collection).count < MAX_KEYS_SHARE:
                continue
            if self._makes_new(collection, of_it, pairs):
                raise BoundReached(
                    f"{collection} holds {MAX_KEYS_SHARE} records: {source.peer}, which rooms are shared with, "
                    "makes no new ones there"
                )

    def _makes_new(self, collection: str, keys: Sequence[str], pairs: Sequence[Added]) -> bool:
        """Tell whether records are of things that are not here: a message may be another one of its id."""
        held = self._tables.held(collection, keys)
        messages = [one for one, _ in pairs if one.collection == collection and one.key in held and is_message(one)]
        kept = self._namesakes.keys_of([one for one in messages if not one.dead])
        return len(held) < len(set(keys)) or len(self._tables.held(collection, kept)) < len(set(kept))

    def _sort_origins(self, source: Source, pairs: list[Added], aside: list[Aside]) -> list[Added]:
        """Take out what names more origins than a peer that is no mirror may tell of."""
        named = {origin for record, _ in pairs for origin in vector_of(record)}
        unknown = self._tables.unknown_origins(named)
        if not unknown:
            return pairs
        room = MAX_ORIGINS_SHARE - self._tables.origins_of(source.peer)
        let: set[str] = set()
        fit: list[Added] = []
        for record, crc in pairs:
            new = (vector_of(record).keys() & unknown) - let
            if len(let) + len(new) > room:
                reason = f"it names more than the {MAX_ORIGINS_SHARE} origins that may come from this peer"
                aside.append(self.aside(source, cannot(record, reason)))
            else:
                let |= new
                fit.append((record, crc))
        self._tables.note_origins(source.peer, let)
        return fit

    def _sort_claimed(self, source: Source, pairs: list[Added], aside: list[Aside]) -> list[Added]:
        """Take out what claims to be from here, or from a server that we hold, and is not known here.

        All that this node wrote in its present life is here, and what such a server wrote comes from it or by mirrors:
        so of a peer that is no mirror it is a forgery, or early by a way around.
        """
        written_by = [writers(record) for record, _ in pairs]
        ours = self.speak_for_themselves(set().union(*written_by))
        if not ours:
            return pairs
        fit: list[Added] = []
        for (record, crc), said in zip(pairs, written_by, strict=True):
            claimed = said & ours
            if not claimed or self._shows(record, claimed):
                fit.append((record, crc))
                continue
            reason = f"it says to be of {' and '.join(sorted(claimed))}, of which more is known here, and this is not"
            if self._tables.origin() in claimed:
                reason += "; if this store was put back to an earlier state or made anew, run 'ctdlmirror renew'"
            aside.append(self.aside(source, cannot(record, reason), self._clock.now_ms() + CLAIMED_AGAIN_MS))
        return fit

    def _shows(self, record: Record, claimed: Set[str]) -> bool:
        """Tell whether what is here shows what a version says to be of these origins; a message may be filed apart."""

        def at(key: str) -> bool:
            return shown_by(self._tables.get(record.collection, key), record, claimed)

        return at(record.key) or (is_message(record) and at(self._namesakes.key_of(record)))
