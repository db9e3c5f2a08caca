"""What others sent, let in as far as it may be; the rest is set aside, or refused as deleted long ago.

One record that cannot be taken never stops the others.  Knows of a party what it may and how much of it there may be;
how versions merge is not its matter, and drafts are unknown here.
"""

import json
from collections import defaultdict
from collections.abc import Sequence, Set

import msgspec

from mirror.model.applied import Applied
from mirror.model.edit import Loser, successor
from mirror.model.errors import BadRecord
from mirror.model.fields import order, pack_fields, unpack_fields
from mirror.model.judge import Unfit, cannot, sort_out
from mirror.model.keys import old_cut
from mirror.model.kinds import NODES
from mirror.model.nodes import Vector, newest_by_origin, newest_in_signs, node_of
from mirror.model.record import Record, created, record_crc
from mirror.model.stamp import HybridClock
from mirror.store.base import COMING_AGAIN
from mirror.store.errors import MissingContent, TooMuchAside
from mirror.store.ledger.merging import Merging
from mirror.store.ledger.sorting import Sorting
from mirror.store.tables import Added
from mirror.store.values import PULL, Acting, Aside, Source, StoredCursor

MAX_ASIDE = 10_000
"""Records of one peer that are set aside; of a peer of which there are more nothing is taken."""
MAX_ASIDE_BYTES = 256 * 1024 * 1024
"""Bytes of them."""
MAX_CONFLICTS_MIRROR = 100_000
MAX_CONFLICTS_SHARE = 1000
"""Conflicts that a mirror, or a peer that rooms are shared with, may make before some are resolved."""
_SIGNS = "what nodes say of themselves waits while other records of this peer are set aside"


class Admitting(Merging):
    """Lets in what comes from peers and foreign places."""

    _sorting: Sorting

    def begin_ledger(self, clock: HybridClock) -> None:
        """Get ready; called once, when the tables can be read."""
        super().begin_ledger(clock)
        self._sorting = Sorting(self, clock, self._namesakes)

    def admit(
        self, source: Source, records: Sequence[Record], crcs: Sequence[int], unfit: Sequence[Unfit] = ()
    ) -> Applied:
        """Merge what a peer sent, and set aside what cannot be taken, so that one record never stops the others."""
        mirror = source.mirror
        self.act_for(Acting(f"peer {source.peer}", MAX_CONFLICTS_MIRROR if mirror else MAX_CONFLICTS_SHARE))
        fit, aside = self._sorting.sort(source, list(zip(records, crcs, strict=True)))
        aside += [self._sorting.aside(source, one) for one in unfit]
        signs = [pair for pair in fit if source.mirror and pair[0].collection == NODES]
        others = [pair for pair in fit if pair[0].collection != NODES] if signs else fit
        kept = self.has_aside(source.peer)
        applied = self._admit_fit(source, others, aside, kept)
        # Whoever has a node's sign of life has all that it had: none is taken while of this peer anything is lacking.
        if any(one.unfit.collection != NODES for one in aside) or (kept and self.lacking(source.peer)):
            aside += [self._sorting.aside(source, cannot(record, _SIGNS)) for record, _ in signs]
        elif source.mirror:
            waited = self._signs_kept_aside(source) if kept else []
            applied += self._admit_fit(source, waited + signs, aside, kept)
        self._set_aside(source, aside)
        return applied

    def _signs_kept_aside(self, source: Source) -> list[Added]:
        """Return the signs of life that waited for what was lacking, now that nothing is."""
        found = [sort_out(one.unfit.data) for one in self.signs_aside(source.peer)]
        return [(one, record_crc(one)) for one in found if isinstance(one, Record) and one.stamp <= self.clock.limit()]

    def _admit_fit(self, source: Source, fit: list[Added], aside: list[Aside], kept: bool) -> Applied:
        """Merge records; those on which merging fails are added to ``aside``.

        ``kept`` tells whether anything of the peer is set aside already: what is taken now is kept there no more.
        """
        if not fit:
            return Applied()
        try:
            applied = self.attempt(lambda: self._apply_of(source, fit))
            taken = [record for record, _ in fit]
        except BadRecord:
            applied, taken = Applied(), []
            for record, crc in fit:
                try:
                    applied += self.attempt(lambda one=(record, crc): self._apply_of(source, [one]))  # type: ignore[misc]
                    taken.append(record)
                except BadRecord as error:
                    aside.append(self._sorting.aside(source, cannot(record, str(error))))
        if kept:
            self._take_from_aside(source, taken)
        return applied

    def _take_from_aside(self, source: Source, taken: Sequence[Record]) -> None:
        keys: defaultdict[str, list[str]] = defaultdict(list)
        for record in taken:
            keys[record.collection].append(record.key)
        for collection, of_it in keys.items():
            self.take_aside(source.peer, collection, of_it)

    def _apply_of(self, source: Source, pairs: Sequence[Added]) -> Applied:
        records = [record for record, _ in pairs]
        return self._apply(records, [crc for _, crc in pairs], self._proved_newest(source, records))

    def _proved_newest(self, source: Source, records: Sequence[Record]) -> Vector:
        """Return, by origin, up to where all that it wrote is here with these records.

        So it is with what a mirror's feed tells in order, and with signs of life.  Of what is compared and exchanged,
        older records may still be to come when the connection breaks; and a shared room brings some records of our
        own mirrors, and not the others.
        """
        if source.mirror:
            return newest_by_origin(records) if source.ordered else newest_in_signs(records)
        mirrors = {self.node, *(node_of(sign.key) for sign in self.signs())}
        return {origin: stamp for origin, stamp in newest_by_origin(records).items() if node_of(origin) not in mirrors}

    def _set_aside(self, source: Source, aside: Sequence[Aside]) -> None:
        if not aside:
            return
        count, size = self.aside_size(source.peer)
        if count + len(aside) > MAX_ASIDE or size + sum(len(one.unfit.data) for one in aside) > MAX_ASIDE_BYTES:
            raise TooMuchAside(
                f"over {MAX_ASIDE} records, or {MAX_ASIDE_BYTES >> 20} MiB, of {source.peer} cannot be taken "
                f"('ctdlmirror aside list' shows them): nothing more is taken from it; first {aside[0].unfit.reason}"
            )
        for one in aside:
            self.put_aside(one)

    def retry_aside(self, everything: bool = False) -> Applied:
        """Try again what was set aside and is due, or all, as after an upgrade.

        All that came from no mirror, and so has to be let in by rules, is forgotten and counted as coming again, so the
        rooms are compared.  What is lacking a content is forgotten with the place in the peer's feed: all is compared.
        """
        applied = Applied()
        shares: set[str] = set()
        for one in self.due_aside(None if everything else self.clock.now_ms()):
            found = sort_out(one.unfit.data)
            if isinstance(found, Unfit) or found.stamp > self.clock.limit():
                continue
            try:
                if one.mirror:
                    applied += self.attempt(lambda one=found: self._apply([one], [record_crc(one)], {}))  # type: ignore[misc]
                else:
                    shares.add(one.peer)
            except MissingContent:
                self.set_cursor(one.peer, PULL, StoredCursor())
            except BadRecord:
                continue
            self.take_aside(one.peer, one.unfit.collection, [one.unfit.key])
        if shares:
            counted = self.coming_again()
            self.set_meta(COMING_AGAIN, json.dumps({**counted, **{peer: counted.get(peer, 0) + 1 for peer in shares}}))
        return applied

    # -- what was deleted long ago -----------------------------------------------------------------

    def came_meanwhile(self, after: int, horizon: int, compared: Set[tuple[str, str]]) -> bool:
        """Tell whether records came after a place of the feed that may have been deleted before a horizon (a stamp).

        ``compared`` are collections and keys that were compared with a node that knows.
        """
        return any(
            created(record) < horizon and record.collection != NODES and (record.collection, record.key) not in compared
            for record in self.living_after(after)
        )

    def refuse_revival(self, records: Sequence[Record]) -> int:
        """Delete records, everywhere, that were deleted so long ago that no tombstone is left; returns how many.

        They come from a node that was away for longer than tombstones are kept.  Each is kept in the conflict log.
        """
        self.clock.observe(max(record.stamp for record in records))
        self._require_contents(records)
        refused = 0
        for record in map(self._namesakes.as_kept, records):
            current = self.get(record.collection, record.key)
            if current is None or current.era < record.era or (current == record and not record.dead):
                dead = self._tombstone(record)
                # Whatever older incarnation is here dies with it, though who deleted that one had not seen this.
                older = [current] if current is not None and not current.dead and current != record else []
                self._log_conflicts(map(Loser, [record, *older]), dead)
                self._put(dead)
                refused += 1
        return refused

    # -- what is not merged whole ------------------------------------------------------------------

    def adopt(self, record: Record, peer: str = "") -> Applied:
        """Take over those fields of a record from elsewhere that are later than ours, into ours if there is one.

        Unlike merging, nothing else of it counts: neither its birth nor its other fields.  Of a ``peer`` that rooms are
        shared with, no field is taken that says to be of this node and is not known here.
        """
        current = self.get(record.collection, record.key)
        if current is None or current.dead:
            return Applied()
        fields = unpack_fields(current)
        later = {
            name: field
            for name, field in unpack_fields(record).items()
            if name not in fields or order(field) > order(fields[name])
        }
        if peer:
            ours = self._sorting.speak_for_themselves({field.origin for field in later.values()})
            later = {name: field for name, field in later.items() if field.origin not in ours}
        if not later:
            return Applied(already_held=1)
        self.clock.observe(max(field.stamp for field in later.values()))
        lost = {
            name: fields[name]
            for name, field in later.items()
            if name in fields and fields[name].value != field.value and fields[name].origin != field.origin
        }
        stamp = self.clock.tick()
        draft = msgspec.structs.replace(current, head=pack_fields({**fields, **later}))
        adopted = self._put(successor(current, draft, stamp, self._origin))
        if lost:
            self._log_conflicts([Loser(msgspec.structs.replace(current, head=pack_fields(lost)))], adopted)
        return Applied(written=1)

    def absorb(self, records: Sequence[Record]) -> Applied:
        """Merge records whose versions were derived from what a foreign place has; whoever derived them judged them.

        Like ``apply``, but what 0.1.0 deleted under a cut key stays deleted.
        """
        fresh = [record for record in records if not self._deleted_when_cut(record)]
        return self.apply(fresh) + Applied(already_held=len(records) - len(fresh))

    def kept_under(self, records: Sequence[Record]) -> list[str]:
        """Return the key under which each of these messages is kept, or would be: others may have its id."""
        return self._namesakes.keys_of(records)

    def _deleted_when_cut(self, record: Record) -> bool:
        """Tell whether 0.1.0 deleted this under its cut key, which tells nothing that a new key follows from."""
        cut = old_cut(record.key)
        if cut == record.key or self.get(record.collection, record.key) is not None:
            return False
        held = self.get(record.collection, cut)
        return held is not None and held.dead
