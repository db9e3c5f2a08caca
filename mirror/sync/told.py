"""The digests that parties whose rights change were told, so that telling them again costs by what has changed.

A user may read tens of thousands of collections, of which a commit changes a few: of those alone digests are read
again.  Kept for the rights as a whole: other rights, or forgotten deletions, and all of it is worked out anew.  From
the store that is read once for all parties, so another one that comes costs no look at what has not changed since.
"""

import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from mirror.model.digest import MASK, Digest, add_digests
from mirror.store.base import Reader
from mirror.sync.by_asker import Asker, ByAsker
from mirror.sync.scope import Scope

MAX_KEPT = 1_000_000
"""Digests that are kept at a time, some 200 bytes each; those of who asked longest ago are dropped first."""
LOOKED_UP_AHEAD = 50_000
"""Rooms up to which digests are read before anybody asks."""

Work = Callable[[Iterable[str] | None], dict[str, Digest]]
"""Returns the digests of some collections, or of all (None), as they may be seen: those with none left out."""


class Told(NamedTuple):
    """Digests by collection and over all, as of a place of the feed."""

    scope: Scope
    sequence: int
    trimmed: tuple[int, int]
    digests: dict[str, Digest]
    whole: Digest


class _Whole(NamedTuple):
    """The digests of all collections of the store, as of a place of the feed."""

    sequence: int
    trimmed: tuple[int, int]
    digests: dict[str, Digest]


class ToldDigests:
    """Keeps what was told by who asked.  Thread-safe: what was given out never changes."""

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self._lock = threading.Lock()
        self._kept = ByAsker[Told](limit, lambda told: len(told.digests))
        self._whole: _Whole | None = None

    def forget(self, party: str) -> None:
        """Keep nothing of what a party was told who is gone: with it goes what its rights were made of."""
        with self._lock:
            were_kept = len(self._kept)
            self._kept.forget(party)
            if were_kept and not self._kept:
                self._whole = None

    def look_up(self, reader: Reader) -> None:
        """Read all digests before anybody asks, so that the first who does waits for that as little as the others.

        Of very many rooms too much would be kept for who may never come.
        """
        if reader.digest("rooms").count <= LOOKED_UP_AHEAD:
            self.all(reader)

    def all(self, reader: Reader) -> dict[str, Digest]:
        """Return the digests of all collections that hold anything, in the state that is read, a committed one.

        In the order of their names; nobody may change what is returned.
        """
        with self._lock:
            held = self._whole
        sequence, trimmed = reader.last_sequence(), (reader.trimmed(), reader.horizon())
        if held is None or held.trimmed != trimmed or held.sequence > sequence:
            digests = reader.digests()
        elif held.sequence == sequence:
            return held.digests
        else:
            changed, _ = reader.changed_collections(held.sequence)
            now = {name: digest for name in changed if (digest := reader.digest(name)).count}
            kept = {name: digest for name, digest in held.digests.items() if name not in changed or name in now}
            digests = _in_order(kept, now)
        with self._lock:
            self._whole = _Whole(sequence, trimmed, digests)
        return digests

    def of(self, asker: Asker, reader: Reader, scope: Scope, work: Work) -> Told:
        """Return the digests within a scope, in the state that is read, which must be a committed one.

        ``work`` works digests out.
        """
        with self._lock:
            held = self._kept.get(asker)
        sequence, trimmed = reader.last_sequence(), (reader.trimmed(), reader.horizon())
        usable = held is not None and held.scope == scope and held.trimmed == trimmed and held.sequence <= sequence
        if held is None or not usable:
            digests = work(None)
            told = Told(scope, sequence, trimmed, digests, add_digests(digests.values()))
        else:
            told = _brought_up_to_date(held, reader, sequence, work)
        with self._lock:
            self._kept.keep(asker, told)
        return told


def _brought_up_to_date(held: Told, reader: Reader, sequence: int, work: Work) -> Told:
    if sequence == held.sequence:
        return held
    changed, _ = reader.changed_collections(held.sequence)
    now = work(name for name in changed if held.scope.reads(name))
    before = {name: held.digests[name] for name in changed if name in held.digests}
    if now == before:
        return held._replace(sequence=sequence)
    kept = {name: digest for name, digest in held.digests.items() if name not in before or name in now}
    gone, come = add_digests(before.values()), add_digests(now.values())
    whole = Digest(
        held.whole.count - gone.count + come.count,
        max(held.whole.newest, come.newest),
        (held.whole.total - gone.total + come.total) & MASK,
    )
    return Told(held.scope, sequence, held.trimmed, _in_order(kept, now), whole)


def _in_order(kept: dict[str, Digest], now: dict[str, Digest]) -> dict[str, Digest]:
    """Return digests in the order of their collections' names; just what is new has to be sorted in."""
    joined = kept | now
    return joined if len(joined) == len(kept) else dict(sorted(joined.items()))
