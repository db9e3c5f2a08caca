"""What an administrator decides of a conflict: what lost is brought back, left as it is, or kept beside what won.

Each answer is a version that has seen winner and loser, so it is one on every node.  Knows no party and no bound.
"""

import msgspec

from mirror.formats.beside import beside
from mirror.model.draft import Base, Draft, base_of, joint_base
from mirror.model.edit import Written, restoring, successor, written
from mirror.model.heads import without_edits
from mirror.model.merge import is_item
from mirror.model.record import INLINE_LIMIT, Record, record_crc
from mirror.model.settled import settling
from mirror.model.stamp import stamp_ms
from mirror.store.errors import NoConflict
from mirror.store.ledger.editing import Editing
from mirror.store.values import Conflict


class Resolving(Editing):
    """Resolves conflicts."""

    def restore(self, number: int) -> Record:
        """Write what lost in a conflict as a new version that has seen winner and loser.  Raises NoConflict.

        Of an item that is the parts that lost, of a record of fields those fields.  What was changed since the
        conflict was noticed makes it a concurrent edit.
        """
        conflict = self._conflict(number)
        loser = conflict.loser
        key = self._namesakes.key_of(loser)
        current = self.get(loser.collection, key)
        draft = restoring(loser, conflict.parts, self._seen_by(conflict, current), current, self.body)
        draft = self._with_body(msgspec.structs.replace(draft, key=key))
        made = written(current, draft, self.clock.tick(), self._origin, self.body, self.store_body)
        if current is not None and made.record is current:  # somebody brought it back by hand
            made = Written(self._written_again(current))
        record = settling(made.record, [record_crc(loser)], self.body)
        self._put(record)
        self._log_conflicts(made.losers, record)
        self.resolve_conflict(number, stamp_ms(self.clock.last))
        return record

    def dismiss(self, number: int) -> Record | None:
        """Resolve a conflict as it stands, everywhere.  Raises NoConflict.

        Of what was deleted there is nothing to write, so that is resolved here alone.
        """
        conflict = self._conflict(number)
        loser = conflict.loser
        current = self.get(loser.collection, self._namesakes.key_of(loser)) or self.get(loser.collection, loser.key)
        record = None
        if current is not None and not current.dead:
            made = self._written_again(current)
            record = self._put(settling(made, [record_crc(conflict.loser)], self.body))
        self.resolve_conflict(number, stamp_ms(self.clock.last))
        return record

    def _written_again(self, current: Record) -> Record:
        """Return the next version of a living record, which says the same."""
        return successor(current, _as_draft(current), self.clock.tick(), self._origin, self.body, self.store_body)

    def keep_both(self, number: int) -> Record:
        """Resolve a conflict by writing what lost as a thing of its own, which is returned.

        It is the same thing wherever somebody does so, so two administrators make one copy.  Raises NoConflict, NoCopy.
        """
        loser = self._conflict(number).loser
        draft, body = beside(loser, self.body(loser))
        copy = self.get(draft.collection, draft.key)
        if copy is None or copy.dead:
            copy = self.put(self.store_body(draft, body))
        self.dismiss(number)
        return copy

    def _conflict(self, number: int) -> Conflict:
        found = self.conflicts(number, unresolved=False)
        if not found:
            raise NoConflict(number)
        return found[0]

    def _seen_by(self, conflict: Conflict, current: Record | None) -> Base:
        """Return what somebody has seen who is shown a conflict: its winner and its loser."""
        winner = Base(*conflict.winner, conflict.winner_past)
        if current is not None and current.version == conflict.winner:
            winner = base_of(current)  # a store of 0.1.0 did not keep what the winner had seen
        return joint_base(winner, base_of(conflict.loser))

    def _with_body(self, draft: Draft) -> Draft:
        if len(draft.body) <= INLINE_LIMIT:
            return draft
        kept = self.store_body(Record(draft.collection, draft.key, 1, "x", 1), draft.body)
        return msgspec.structs.replace(draft, body=b"", content=kept.content, size=kept.size)


def _as_draft(record: Record) -> Record:
    """Return a version as the draft of one that says the same."""
    return msgspec.structs.replace(record, head=without_edits(record.head)) if is_item(record) else record
