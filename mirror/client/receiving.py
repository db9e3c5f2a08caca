"""From a room into its folder: what the node holds is written, what it deleted is deleted, and that is remembered.

A file is only replaced or deleted while it is the one that was agreed on; one that changed meanwhile is sent first.
"""

from collections.abc import Sequence

import msgspec

from mirror.client.one_folder import OneFolder, found_of
from mirror.client.place import Changed, Found, Unusable
from mirror.client.planning import errand, pack, pack_held, status_of
from mirror.client.round import Both, Round
from mirror.client.server import Held
from mirror.client.state import Row, marks_text
from mirror.model.draft import base_of
from mirror.model.stamp import stamp_ms
from mirror.model.status import Status
from mirror.sync.foreign.back import Errand

SAME = (Errand.NOTHING, Errand.NOTE)
"""What is to be done where a file says what the node holds."""


class Receiver(OneFolder):
    """Writes into one folder."""

    def __init__(self, round: Round, both: Both, put_back: bool = False) -> None:
        """``put_back`` tells that the store may know less than was agreed on: then a file is no older version's."""
        super().__init__(round, both)
        self._put_back = put_back

    def write(self, held: Sequence[Held]) -> None:
        """Have the folder say what the node holds of some records, and remember it.  Raises PlaceError, OSError."""
        known = self._round.state.rows_by_key(self._both.room.key, [one.record.key for one in held])
        rows: list[Row] = []
        dropped: list[str] = []
        for one in held:
            row = known.get(one.record.key)
            if row is not None and (row.crc == one.crc or not row.agreed):
                continue  # it was agreed on, or is to be looked at before anything is written over it
            now = self._written(row, one)
            rows += [now] if now is not None else []
            dropped += [row.name] if now is None and row is not None else []
        self.remember(rows, dropped)

    def forget(self, keys: Sequence[str]) -> None:
        """Delete the files of records that the node knows nothing of any more."""
        known = self._round.state.rows_by_key(self._both.room.key, keys)
        kept = [row for row in known.values() if not self._deleted(row)]
        self.remember([row._replace(tag="") for row in kept], [row.name for row in known.values() if row not in kept])

    # -- one item -------------------------------------------------------------------------------------

    def _written(self, row: Row | None, held: Held) -> Row | None:
        """Return what is remembered of an item once the folder has it; None where it has none."""
        if held.record.dead:
            if row is None or self._deleted(row):
                return None
            return row._replace(tag="")
        if row is None:
            return self.created(held)
        status = status_of(self._both.collection, row.name, row.tag, row.key, row.crc, row.agreed)
        assert status is not None  # those that never were in step are not written over
        if self._put_back and errand(status, held) is Errand.TAKE:
            return None  # the next round sends it beside what is there, and keeps both
        try:
            return self.level(found_of(row), None, status, held)
        except (Changed, Unusable):
            return row._replace(tag="")

    def created(self, held: Held) -> Row | None:
        """Write a record as a new file; returns None where it is none of this folder's."""
        shown = self._round.form.shown(held.record, held.body)
        if shown is None:
            self._round.report.count(self._round.report.left_out, self._both.folder.folder)
            return None
        self._round.report.received["new"] += 1
        if self._round.rules.dry:
            return None
        seconds = stamp_ms(held.record.stamp) // 1000
        found = self._both.place.create(shown.name, shown.data, seconds=seconds)
        return self.row(found, held)

    def level(self, found: Found, data: bytes | None, status: Status, held: Held) -> Row | None:
        """Have a file say what the node holds; ``status`` is what it says now, and ``data`` its bytes if at hand.

        Returns what is to be remembered; None where it is deleted.  Raises Changed.
        """
        if held.record.dead:
            self._both.place.delete(found)
            self._round.report.received["deleted"] += 1
            return None
        shown = None if errand(status, held) in SAME else self._round.form.shown(held.record, held.body)
        if shown is None:
            return self.row(found, held, status)
        if (self._both.place.read(found) if data is None else data) != shown.data:
            self._round.report.received["changed"] += 1
            if not self._round.rules.dry:
                found = self._both.place.replace(found, shown.data)
        return self.row(found, held)

    def _deleted(self, row: Row) -> bool:
        """Delete an item's file; tell whether that is gone, and no other one is there."""
        try:
            if not self._round.rules.dry:
                self._both.place.delete(found_of(row))
        except Changed:
            return False
        self._round.report.received["deleted"] += 1
        return True

    def row(self, found: Found, held: Held, status: Status | None = None) -> Row:
        """Return a row of a file that says what the node holds; what it says is in ``status`` if that is at hand."""
        said = None if status is None else msgspec.structs.replace(status, base=base_of(held.record))
        agreed = pack_held(held) if said is None else pack(said)
        return Row(found.name, found.tag, marks_text(found.marks), held.record.key, held.crc, agreed)
