"""Merging what came: each version against what is held, with the conflicts, contents and tombstones that go with it.

Every way into the store ends here, whoever wrote a version: so all that one job changes is in one transaction, digests
included, and a record that refers to a content that is not here is refused.  Asks nobody's leave, and knows neither
drafts nor peers.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import repeat

import msgspec

from mirror.model.applied import Applied
from mirror.model.edit import Loser, tombstone
from mirror.model.errors import BadRecord
from mirror.model.judge import judge
from mirror.model.kinds import HORIZON_KEY, NODES
from mirror.model.merge import Merged, merge
from mirror.model.nodes import Vector, horizon_of, newest_by_origin, node_of
from mirror.model.record import Record, record_crc
from mirror.model.stamp import HybridClock
from mirror.store.errors import MissingContent
from mirror.store.ledger.conflict_log import ConflictLog
from mirror.store.ledger.contents import Contents
from mirror.store.ledger.horizon import agreed, drop_tombstones, forget_signs, move_signs
from mirror.store.ledger.namesakes import Namesakes
from mirror.store.tables import Added, Row
from mirror.store.values import Acting


class Merging(Contents):
    """Merges versions into one store; lives as long as the connection it writes to."""

    clock: HybridClock
    _origin: str
    _acting: Acting | None
    _namesakes: Namesakes
    _conflict_log: ConflictLog

    def begin_ledger(self, clock: HybridClock) -> None:
        """Get ready; called once, when the tables can be read."""
        self.begin_contents()
        self.clock = clock
        self._origin = self.origin()
        self._acting = None
        self._namesakes = Namesakes(self)
        self._conflict_log = ConflictLog(self, clock, self._namesakes)

    def begin_job(self) -> None:
        """Begin a job, which is nobody's in particular until it says so."""
        self._acting = None

    def act_for(self, party: Acting) -> None:
        """Have the rest of this job count as a party's doing; beyond its bounds it raises BoundReached."""
        self._acting = party

    def roll_back_ledger(self) -> None:
        """Forget what may have been rolled back."""
        self.roll_back_contents()

    def rename_origin(self, origin: str) -> None:
        """Write under another name from now on."""
        self._origin = origin
        self.set_meta("origin", origin)
        forget_signs(self)

    # -- merging --------------------------------------------------------------------------------

    def apply(self, records: Sequence[Record], crcs: Sequence[int] | None = None) -> Applied:
        """Merge records that came from elsewhere into the store.

        Raises StampAhead, MissingContent, BadRecord; then nothing was changed by this call's transaction.
        """
        if not records:
            return Applied()
        if crcs is None:
            crcs = [record_crc(record) for record in records]
        return self._apply(records, crcs, newest_by_origin(records))

    def _apply(self, records: Sequence[Record], crcs: Sequence[int], newest: Vector) -> Applied:
        if not records:
            return Applied()
        self.clock.observe(max(record.stamp for record in records))
        return self.merge_in(records, crcs, newest)

    def _put(self, record: Record) -> Record:
        judge(record)
        # Not observed: its stamp is our own, which a clock that was just set back may call far ahead.
        # What its author had seen need not have come here, so that tells of nothing but ourselves.
        self.merge_in([record], [record_crc(record)], {record.origin: record.stamp})
        return record

    def merge_in(self, records: Sequence[Record], crcs: Sequence[int], newest: Vector) -> Applied:
        """Merge records in; ``newest`` says up to where, by origin, all that is older is here as well then."""
        self._require_contents(records)
        by_collection: dict[str, dict[str, Added]] = defaultdict(dict)
        repeated: list[Added] = []
        for told, crc in zip(records, crcs, strict=True):
            record = self._namesakes.normal(told)
            crc = crc if record is told else record_crc(record)
            group = by_collection[record.collection]
            if record.key in group:
                repeated.append((record, crc))
            else:
                group[record.key] = (record, crc)
        nodes = by_collection.pop(NODES, {})
        if nodes and (shared := self.shared_origins()):
            mirrors = {node_of(key) for key in nodes}
            self.forget_newest(origin for origin in shared if node_of(origin) in mirrors)
        self.note_newest(newest)
        result = Applied()
        for collection, group in by_collection.items():
            result += self._merge_group(collection, group)
        if nodes:
            result += self._merge_nodes(nodes)
        for record, crc in repeated:
            result += self.merge_in([record], [crc], {})
        return result

    def _merge_nodes(self, nodes: dict[str, Added]) -> Applied:
        """Merge what nodes say of themselves: after all else, since who has a sign of life has all before it.

        The horizon comes before the signs: of those, who reads our feed concludes that it has every tombstone.
        """
        result = Applied()
        marker = nodes.pop(HORIZON_KEY, None)
        if marker is not None:
            result += self._merge_group(NODES, {HORIZON_KEY: marker})
            self._follow_horizon()
        return result + self._merge_group(NODES, nodes)

    def _follow_horizon(self) -> None:
        """Drop the tombstones before a horizon that is new here; those that not all may have are made again, now."""
        horizon = horizon_of(self.get(NODES, HORIZON_KEY))
        if horizon.stamp <= self.horizon():
            return
        for record in drop_tombstones(self, horizon):
            self._put(self._tombstone(record))
        move_signs(self)

    def _require_contents(self, records: Sequence[Record]) -> None:
        wanted = {record.content: record.size for record in records if record.content}
        missing = [(content, size) for content, size in wanted.items() if not self.content_complete(content)]
        if missing:
            raise MissingContent(missing)
        for record in records:
            if record.content and (size := self.content_size(record.content)) != record.size:
                what = f"record {record.collection} {record.key[:80]!r}"
                raise BadRecord(f"{what}: its content has {size} bytes, not {record.size}")

    def _merge_group(self, collection: str, group: dict[str, Added]) -> Applied:
        held = self.held(collection, group)
        apart = self._namesakes.apart(collection, group.values(), held)
        horizon = self.horizon()
        too_old = {key for key, (record, _) in group.items() if record.dead and record.stamp < horizon}
        knowing = agreed(self) if too_old - held.keys() else ()
        added: list[Added] = []
        replaced: list[Row] = []
        conflicts = already = 0
        for key, (record, crc) in group.items():
            if key in apart:
                continue
            if key not in held:
                if key not in too_old:
                    added.append((record, crc))
                elif record.origin in knowing:
                    already += 1  # everybody has forgotten this deletion, and there is nothing to delete
                else:
                    added.append(self._dead_again(record))  # of one who was away: not all know it
                continue
            sequence, held_crc = held[key]
            if held_crc == crc:
                already += 1
                continue
            current = self.at(sequence)
            merged = self._merged(current, record)
            if collection != NODES:  # of what nodes say of themselves just the newest counts, and none is put back
                conflicts += self._log_conflicts(map(Loser, merged.losers, merged.parts or repeat(())), merged.record)
            if merged.record is current:
                already += 1
                continue
            if key in too_old:  # others drop so old a tombstone unseen, so what it kills is killed again, now
                added.append(self._dead_again(current))
            else:
                added.append((merged.record, crc if merged.record is record else record_crc(merged.record)))
            replaced.append(Row(sequence, current, held_crc))
        self.replace(collection, added, replaced)
        if replaced:
            self._conflict_log.settle(collection, {row.record.key for row in replaced})
        result = Applied(len(added), already, conflicts)
        for key, (record, _) in group.items():
            if key in apart:
                result += self._join_namesakes(record)
        return result

    def _join_namesakes(self, record: Record) -> Applied:
        """Merge a message's version where there may be other messages of its id: see mirror.model.namesakes."""
        renewed = self._renewed(record)
        if renewed is None:
            return Applied(already_held=1)
        joined, rows = self._namesakes.placed(renewed)
        changed = [key for key, kept in joined.kept.items() if kept != (rows[key].record if key in rows else None)]
        if changed:
            added = [kept for key in changed if (kept := joined.kept[key]) is not None]
            removed = [rows[key] for key in changed if key in rows]
            self.replace(record.collection, [(one, record_crc(one)) for one in added], removed)
        if joined.moved:
            self.move_statuses(record.collection, joined.moved)
        conflicts = sum(self._log_conflicts([Loser(loss.loser)], loss.winner) for loss in joined.losses)
        if changed:
            self._conflict_log.settle(record.collection, changed)
            self._conflict_log.settle_kept(record, joined.kept.values())
        return Applied(int(bool(changed)), int(not changed), conflicts)

    def _renewed(self, record: Record) -> Record | None:
        """Return a version as it is to be joined: a deletion too old for others to see is made again, now.

        None for one that everybody has forgotten, and there is nothing to delete.
        """
        if not record.dead or record.stamp >= self.horizon():
            return record
        held = self.get(record.collection, self._namesakes.key_of(record))
        if held is not None and held.era >= record.era:
            return record
        if held is None and record.origin in agreed(self):
            return None
        return self._dead_again(held or record)[0]

    def _merged(self, current: Record, record: Record) -> Merged:
        """Merge two versions.  Raises BadRecord where no node would take what comes of it, or it cannot be told."""
        try:
            merged = merge(current, record, self.body, self.store_body)
        except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError) as error:
            # Whatever is wrong with this one, by a mistake of ours or its writer's, it stops no other.
            what = f"record {record.collection} {record.key[:80]!r}"
            raise BadRecord(f"{what} cannot be merged: {type(error).__name__}: {str(error)[:200]}") from error
        if merged.record is not current and merged.record is not record:
            judge(merged.record)
        return merged

    def _dead_again(self, record: Record) -> Added:
        dead = self._tombstone(record)
        return dead, record_crc(dead)

    def _tombstone(self, record: Record) -> Record:
        """Return the version that deletes a record now."""
        return tombstone(record, self.clock.tick(), self._origin, self.body)

    def _log_conflicts(self, losers: Iterable[Loser], winner: Record) -> int:
        """Log what lost and that the winner's author had not seen; returns how many were not logged before."""
        return self._conflict_log.keep_unseen(losers, winner, self._acting)
