"""Edits made here: a draft becomes this node's next version, or an edit beside what its author had not seen.

Whoever acts is asked for its right, and bounded in what it names; with a room or user goes what belongs to it.  Knows
nothing of who else holds the store, and of no peer.
"""

from collections.abc import Mapping, Sequence

import msgspec

from mirror.model.applied import Applied
from mirror.model.containers import KILLED, collections_in, is_container, records_of
from mirror.model.draft import NOTHING, Base, Changed, Draft, check_draft
from mirror.model.edit import (
    Loser,
    forgotten_deletion,
    overwritten,
    past_beside,
    successor,
    version_of,
    with_fields,
    written,
)
from mirror.model.fields import Value, values_of
from mirror.model.judge import judge
from mirror.model.keys import kept_key
from mirror.model.kinds import NODES, check_collection
from mirror.model.mending import mended
from mirror.model.merge import has_fields, is_item
from mirror.model.nodes import Horizon, horizon_record, newest_by_origin, sign_record
from mirror.model.record import Record, created, record_crc, unpack_head, vector_of
from mirror.store.base import PAGE_RECORDS
from mirror.store.errors import BoundReached
from mirror.store.ledger.horizon import note_sign
from mirror.store.ledger.merging import Merging
from mirror.store.tables import Row
from mirror.store.values import DraftResult

PAGE_BURIED = PAGE_RECORDS
"""Records of a deleted room that are read at once while it is emptied."""


class Editing(Merging):
    """Writes this node's own versions."""

    def write(self, draft: Draft, *, alone: bool = False) -> DraftResult:
        """Write a draft as this node's next version, or as an edit beside what its author had not seen."""
        check_draft(draft)
        draft = msgspec.structs.replace(draft, key=kept_key(draft.collection, draft.key))
        current = self.get(draft.collection, draft.key)
        if draft.only_if is not None and draft.only_if != (NOTHING if current is None else record_crc(current)):
            raise Changed(draft, current)
        aimed = self._namesakes.aimed(draft, current)
        if aimed != draft.key:
            draft = msgspec.structs.replace(draft, key=aimed)
            current = self.get(draft.collection, aimed)
        if draft.dead and self._is_gone(current, draft):
            return DraftResult(current, Applied(already_held=1))
        if draft.base is not None:
            self._check_origins(draft.base)
            self.clock.observe(max(draft.base.vector.values()))
            if current is None and self._is_forgotten(draft, draft.base):
                current = self._put(forgotten_deletion(draft, draft.base, self.clock.tick(), self._origin))
        made = written(current, draft, self.clock.tick(), self._origin, self.body, self.store_body)
        for loser in made.losers:
            if loser.record is not current:  # a draft that lost at once, and is kept: so that it can be brought back
                judge(loser.record)
                self._require_contents([loser.record])
        losers = list(made.losers)
        if made.record is not current:
            unseen = self._namesakes.deleted_unseen(made.record, draft.base)
            if not _is_new(current, draft):
                self._require_right(current, made.record, unseen)
            losers += [Loser(one) for one in unseen if all(one != loser.record for loser in losers)]
            if made.record.dead and current is not None:
                self._delete_belongings(current, alone)
            self._put(made.record)
        conflicts = self._log_conflicts(losers, made.record)
        new = made.record is not current
        return DraftResult(made.record, Applied(int(new), int(not new and not losers), conflicts))

    def _require_right(self, current: Record | None, made: Record, others: Sequence[Record] = ()) -> None:
        """Raise unless who acts may have a version take the place of what is there, and of the others it deletes."""
        if self._acting is not None and self._acting.may is not None:
            for held in (current, *others):
                self._acting.may(held, made)

    def _check_origins(self, base: Base) -> None:
        """Raise BoundReached where a party names more origins, that nobody here knows of, than it may."""
        party = self._acting
        if party is None or not party.origins:
            return
        unknown = self.unknown_origins(base.vector) - {self._origin}
        if unknown and self.origins_of(party.name) + len(unknown) > party.origins:
            raise BoundReached(
                f"drafts of {party.name} name over {party.origins} origins that nobody here has heard of; draft it "
                "where their base was shown, or when it has come here"
            )
        self.note_origins(party.name, unknown)

    def _is_forgotten(self, draft: Draft, base: Base) -> bool:
        """Tell whether a base of which nothing is here was here, and was deleted before the horizon.

        That it is older than the horizon alone does not tell: who agreed to that need not have met where it was shown.
        """
        if base.stamp >= self.horizon():
            return False
        version, newest = version_of(draft, base), self.heard().newest
        return any(created(version) <= newest.get(origin, 0) for origin in vector_of(version))

    def _is_gone(self, current: Record | None, draft: Draft) -> bool:
        """Tell whether there is nothing left to delete of a draft's base, which may have come to other nodes alone."""
        base = draft.base
        if current is None:
            return base is None or self._is_forgotten(draft, base)
        return current.dead and not (base is not None and base.begins_after(current))

    def overwrite(self, record: Record) -> DraftResult:
        """Write a draft that names no base, as clients of 0.1.0 do: it replaces what is here."""
        check_collection(record.collection)
        record = msgspec.structs.replace(record, key=kept_key(record.collection, record.key))
        if not record.dead:
            record = msgspec.structs.replace(record, key=self._namesakes.key_of(record))
        current = self.get(record.collection, record.key)
        if current is not None:
            self._require_right(current, record)
        if record.dead:
            if current is None or current.dead:
                return DraftResult(None, Applied())
            self._delete_belongings(current)
            made = self._tombstone(current)
        elif has_fields(record):
            values = unpack_head(record.head)
            made = with_fields(current, record.collection, record.key, values, self.clock.tick(), self._origin)
        else:
            made = successor(current, record, self.clock.tick(), self._origin, self.body, self.store_body)
        losers = overwritten(current, made, self._origin, self.body) if current is not None else ()
        if losers and not (has_fields(made) or is_item(made)):
            # It does not know what it replaces: so nobody takes it for having seen that, and all keep what lost.
            made = msgspec.structs.replace(made, past=past_beside(losers[0].record, made.version, {}))
        self._put(made)
        return DraftResult(made, Applied(1, 0, self._log_conflicts(losers, made)))

    def put(self, draft: Record) -> Record:
        """Write a draft, made from what is here now, as this node's next version of its record; returns that."""
        check_collection(draft.collection)
        draft = msgspec.structs.replace(draft, key=self._namesakes.written_under(draft))
        current = self.get(draft.collection, draft.key)
        return self._put(successor(current, draft, self.clock.tick(), self._origin, self.body, self.store_body))

    def set_fields(self, collection: str, key: str, values: Mapping[str, Value]) -> Record:
        """Set fields of a record, leaving the others, and return the new version."""
        check_collection(collection)
        current = self.get(collection, key)
        return self._put(with_fields(current, collection, key, values, self.clock.tick(), self._origin))

    def mend(self, sequence: int) -> Record:
        """Write the record at a place of the feed anew, which no node takes as it is, with what can be kept of it.

        The old one goes to the conflict log; it is not merged, since it cannot be read.  Raises BadRecord.
        """
        old = self.at(sequence)
        made = mended(old, self.clock.tick(), self._origin, self.store_body)
        crc = self.held(old.collection, [old.key])[old.key].crc
        self.replace(old.collection, [(made, record_crc(made))], [Row(sequence, old, crc)])
        self.note_newest(newest_by_origin([made]))
        if old.collection != NODES:
            self._conflict_log.keep([Loser(old)], made, self._acting)
        return made

    # -- deleting ----------------------------------------------------------------------------------

    def delete(self, collection: str, key: str) -> Record | None:
        """Delete a record everywhere; returns its tombstone, or None when there was nothing alive."""
        current = self.get(collection, key)
        if current is None or current.dead:
            return None
        self._delete_belongings(current)
        return self._put(self._tombstone(current))

    def _delete_belongings(self, current: Record, alone: bool = False) -> None:
        """Delete what belongs to a room or user that is about to be deleted, and remember what a room was.

        ``alone``, where whoever deletes it says so of each thing that belongs to it.
        """
        collection, key = current.collection, current.key
        if current.dead or not is_container(collection):
            return
        for name in () if alone else collections_in(collection, key):
            self._delete_all(name)
        for name, belonging in () if alone else records_of(collection, key):
            self.delete(name, belonging)
        if collection == "rooms":
            self.set_fields(KILLED, key, values_of(current))

    def _delete_all(self, collection: str) -> None:
        after = ""
        while page := self.scan(collection, after, limit=PAGE_BURIED):
            after = page[-1].key
            living = [record for record in page if not record.dead]
            dead = [self._tombstone(record) for record in living]
            held = self.held(collection, [record.key for record in living])
            rows = [Row(held[record.key].sequence, record, held[record.key].crc) for record in living]
            self.replace(collection, [(record, record_crc(record)) for record in dead], rows)
            self.note_newest({one.origin: one.stamp for one in dead})
            self._conflict_log.settle(collection, held)

    # -- what this node says of itself -------------------------------------------------------------

    def beat(self) -> Record:
        """Write this node's sign of life."""
        sign = self.put(sign_record(self._origin, self.heard(), self.clock.last))
        note_sign(self, sign.stamp)
        return sign

    def advance_horizon(self, horizon: Horizon) -> None:
        """Have tombstones with stamps below a horizon dropped, here now and at the peers when they hear of it."""
        if horizon.stamp > self.horizon():
            self._put(horizon_record(self._origin, horizon))


def _is_new(current: Record | None, draft: Draft) -> bool:
    """Tell whether a draft takes nobody's place: of nothing that is here, and made from nothing but a deletion."""
    if draft.dead or (current is not None and not current.dead):
        return False
    return draft.base is None or (current is not None and draft.base.covers(current))
