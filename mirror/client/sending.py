"""From a folder into its room: what is new, changed or gone in it becomes drafts; then the folder says what came of it.

A draft is on condition of the version that was looked at, so what somebody else wrote at the same moment is looked at
before it is merged with, and both texts are kept where both changed the same.
"""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from mirror.client.one_folder import FromFolder, Lost
from mirror.client.place import Changed, Found, Unusable
from mirror.client.planning import Sending, changes_title, errand, plan_deletion, plan_sending, said_of, status_of
from mirror.client.receiving import SAME, Receiver
from mirror.client.round import A_BATCH, PUSH, Both, Round
from mirror.client.server import Held, Outcome
from mirror.client.state import Row
from mirror.formats.errors import CitadelError
from mirror.model.draft import Draft
from mirror.model.errors import BadRecord
from mirror.model.status import Status

TRIES = 4
"""How often what was changed by somebody else meanwhile is planned anew in one round."""


class Read(NamedTuple):
    """A file that was read: its bytes, the key of its record, and what is remembered of it."""

    found: Found
    data: bytes
    key: str
    row: Row | None


class Settled(NamedTuple):
    """What came of some files: rows to be remembered, names to be forgotten, conflicts to be kept."""

    rows: list[Row]
    dropped: list[str]
    conflicts: list[Lost]


class Sender(FromFolder):
    """Sends what changed in one folder."""

    def __init__(self, round: Round, both: Both) -> None:
        super().__init__(round, both)
        self._receiver = Receiver(round, both)
        self._gone: dict[str, Row] = {}
        """By key, what was known of files that are gone, or hold another item now."""
        self._taken: dict[str, str] = {}
        """By key, the name of the file in this round that is the record's."""
        self._holds_now: dict[str, str] = {}
        """By the names of these files, the keys."""
        self._unread: set[str] = set()
        self._later: dict[str, Found] = {}
        """By key, a file whose item was in another one that is still to be read, and may hold something else by now."""

    def send(self, changed: Sequence[Found], gone: Sequence[str], another: bool) -> int:
        """Send files that are new or changed, and what is gone; returns how many deletions are held back.

        ``another`` tells that this folder is another one than was agreed on.  Raises PlaceError, OSError, Refused.
        """
        self._gone = {row.key: row for row in self._round.state.rows(self._both.room.key, gone).values()}
        if self._why_not_sent:
            self._put_back(changed)
            return 0
        self._unread = {found.name for found in changed}
        for batch in self._batches(changed):
            self._send_files(self._read(batch))
        for batch in self._batches(list(self._later.values())):
            self._send_files(self._read(batch))
        if self._holds(len(self._gone), another):
            return len(self._gone)
        self._send_deletions()
        return 0

    # -- files ----------------------------------------------------------------------------------------

    def _read(self, changed: Sequence[Found]) -> list[Read]:
        """Return files with what is remembered of them; what is no item is told, and left alone."""
        names = [found.name for found in changed]
        self._unread.difference_update(names)
        known = self._round.state.rows(self._both.room.key, names)
        read = []
        for found in changed:
            try:
                data = self._both.place.read(found)
                key = self._round.form.key(data)
            except Changed:
                continue  # the next round sees what it is by then
            except (CitadelError, Unusable) as error:
                self._problem(found.name, str(error))
                continue
            row = known.get(found.name)
            if row is not None and row.key != key:  # it is another item now
                self._gone[row.key] = row
                row = None
            read.append(Read(found, data, key, row))
        return [owned for one in read if (owned := self._owned(one)) is not None]

    def _owned(self, read: Read) -> Read | None:
        """Return a file with the row of its record: its own, or that of one that was renamed.

        None for a second file of one record, and for one that waits until its record's former file was read, too.
        """
        key, name = read.key, read.found.name
        row = read.row or self._gone.get(key) or self._round.state.rows_by_key(self._both.room.key, [key]).get(key)
        if row is not None and row.name != name and row.name in self._unread and key not in self._later:
            self._later[key] = read.found
            return None
        other = self._taken.get(key, name)
        if row is not None and row.name != name and key not in self._gone:
            other = row.name
        if other != name:
            self._problem(name, f"it has the UID of {other}, which is the one that is kept equal")
            return None
        self._taken[key], self._holds_now[name] = name, key
        self._later.pop(key, None)
        self._gone.pop(key, None)
        return read._replace(row=row)

    def _send_files(self, files: Sequence[Read]) -> None:
        for _ in range(TRIES):
            if not files:
                return
            files = self._try(files)
        for read in files:
            self._problem(read.found.name, "it is changed by others all the time; it is tried again the next time")

    def _try(self, files: Sequence[Read]) -> list[Read]:
        """Send files; returns those of which another version was there than was looked at."""
        here = self._round.server.get(self._both.collection, [read.key for read in files])
        planned = [(read, sending) for read in files if (sending := self._planned(read, here.get(read.key)))]
        drafts = [sending.draft for _, sending in planned if sending.draft is not None]
        if self._round.rules.dry:
            self._count(drafts, here)
            return []
        outcomes = iter(self._round.server.offer(drafts) if drafts else ())
        ends = [
            (read, sending, next(outcomes) if sending.draft is not None else Outcome()) for read, sending in planned
        ]
        written = [sending.draft for _, sending, end in ends if sending.draft is not None and end.written]
        self._count(written, here)
        after = here | self._round.server.get(self._both.collection, [draft.key for draft in written])
        settled = Settled([], [], [])
        for read, sending, end in ends:
            if end.refused:
                self._refused(read, end.refused, settled)
            elif end.written:
                self._settle(read, sending, here.get(read.key), after.get(read.key), settled)
        self.remember(*settled)
        return [read for read, _, end in ends if end.changed]

    def _planned(self, read: Read, here: Held | None) -> Sending | None:
        round, both = self._round, self._both
        try:
            body = round.form.body(read.data, here, round.server.node, int(time.time()))
            sending = plan_sending(self._status(read), here, read.found.name, both.collection, read.key, body)
            return self._titled(sending, read.data) if here is not None else sending
        except (BadRecord, CitadelError) as error:
            self._problem(read.found.name, str(error))
            return None

    def _titled(self, sending: Sending, data: bytes) -> Sending:
        draft = sending.draft
        if draft is None or not changes_title(draft):
            return sending
        body = self._round.form.titled(draft.body, data)
        return sending._replace(draft=msgspec.structs.replace(draft, body=body))

    def _status(self, read: Read) -> Status | None:
        row = read.row
        if row is None:
            return None
        return status_of(self._both.collection, read.found.name, row.tag, row.key, row.crc, row.agreed)

    def _count(self, drafts: Sequence[Draft], here: dict[str, Held]) -> None:
        for draft in drafts:
            held = here.get(draft.key)
            self._round.report.sent["changed" if held is not None and not held.record.dead else "new"] += 1

    def _refused(self, read: Read, why: str, settled: Settled) -> None:
        self._problem(read.found.name, f"the node does not take it: {why}")
        if read.row is None:  # what may come under its key is not written beside it
            settled.rows.append(Row(read.found.name, "", "", read.key, 0, b""))

    def _settle(self, read: Read, sending: Sending, before: Held | None, after: Held | None, settled: Settled) -> None:
        """Have a file say what came of it."""
        if after is None:
            return  # it was closed meanwhile: the next round looks again
        row, mine = self._leveled_row(read, sending, after)
        was = read.row.name if read.row is not None else ""
        if was and (row is None or row.name != was) and self._holds_now.get(was, read.key) == read.key:
            settled.dropped.append(was)
        settled.rows.extend([row] if row is not None else [])
        if sending.clashes:
            theirs = self._text(before)
            kept = "mine" if mine else "theirs" if theirs == self._text(after) else "merged"
            settled.conflicts.append((read.found.name, read.key, read.data, theirs, kept))

    def _leveled_row(self, read: Read, sending: Sending, after: Held) -> tuple[Row | None, bool]:
        """Have a file say what the node made of it; return what is to be remembered, and whether the file said it."""
        if sending.is_all_of(after):
            return self._receiver.row(read.found, after), True
        status = self._beside(read, sending.status, after)
        mine = not after.record.dead and errand(status, after) in SAME
        try:
            return self._leveled(read, status, after), mine
        except Changed:
            return Row(read.found.name, "", "", read.key, 0, read.row.agreed if read.row is not None else b""), mine

    def _leveled(self, read: Read, status: Status, after: Held) -> Row | None:
        """Have a file say what the node holds, unless nothing is taken from there; return what is remembered."""
        if self._round.rules.direction == PUSH:
            return None if after.record.dead else self._receiver.row(read.found, after, status)
        return self._receiver.level(read.found, read.data, status, after)

    def _beside(self, read: Read, status: Status, held: Held) -> Status:
        """Return the status of a file with what it says inside the message that the node holds."""
        if held.record.dead:
            return status
        body = self._round.form.body(read.data, held, self._round.server.node, 0)
        return msgspec.structs.replace(status, said=said_of(held.record, body))

    def _text(self, held: Held | None) -> bytes | None:
        if held is None or held.record.dead:
            return None
        shown = self._round.form.shown(held.record, held.body)
        return shown.data if shown is not None else held.body

    # -- deletions ------------------------------------------------------------------------------------

    def _send_deletions(self) -> None:
        rows = [row for row in self._gone.values() if row.key not in self._later]
        for start in range(0, len(rows), A_BATCH):
            some = rows[start : start + A_BATCH]
            for _ in range(TRIES):
                some = self._try_deletions(some) if some else []

    def _try_deletions(self, rows: Sequence[Row]) -> list[Row]:
        """Delete what is gone from the folder; returns that of which another version was there."""
        here = self._round.server.get(self._both.collection, [row.key for row in rows])
        planned = [(row, self._deletion(row, here.get(row.key))) for row in rows]
        drafts = [plan[0] for _, plan in planned if plan is not None]
        if self._round.rules.dry:
            self._round.report.sent["deleted"] += len(drafts)
            return []
        outcomes = iter(self._round.server.offer(drafts) if drafts else ())
        settled, again, back = Settled([], [], []), list[Row](), list[Row]()
        for row, plan in planned:
            end = next(outcomes) if plan is not None else Outcome()
            if end.changed:
                again.append(row)
                continue
            if row.name not in self._holds_now:  # else a file of that name is another item now
                settled.dropped.append(row.name)
            if not row.agreed:
                back.append(row)
            elif end.refused:
                self._problem(row.name, f"the node does not let it be deleted, so it is back: {end.refused}")
                back.append(row)
            elif plan is not None:
                self._round.report.sent["deleted"] += 1
                if plan[1]:
                    settled.conflicts.append((row.name, row.key, None, self._text(here.get(row.key)), "mine"))
        self.remember(*settled)
        self._receiver.write([here[row.key] for row in back if row.key in here])
        return again

    def _deletion(self, row: Row, here: Held | None) -> tuple[Draft, bool] | None:
        status = status_of(self._both.collection, row.name, row.tag, row.key, row.crc, row.agreed)
        return plan_deletion(status, here) if status is not None else None

    # -- rooms that are only read ---------------------------------------------------------------------

    def _put_back(self, changed: Sequence[Found]) -> None:
        """Have a folder that is only written say what the room does; what was changed in it is kept as a conflict."""
        room, state = self._both.room.key, self._round.state
        known = state.rows(room, [found.name for found in changed])
        new = len(changed) - len(known)
        self._note(
            f"{self._why_not_sent}: {new} new files stay here alone, "
            f"{len(known)} changed and {len(self._gone)} deleted are put back"
        )
        if self._round.rules.dry:
            return
        for batch in self._batches([found for found in changed if found.name in known]):
            self._overwrite_all(batch, known)
        self.remember([], [row.name for row in self._gone.values()])
        self._write_again(list(self._gone.values()), self._receiver.write)

    def _overwrite_all(self, batch: Sequence[Found], known: Mapping[str, Row]) -> None:
        settled = Settled([], [], [])
        here = self._round.server.get(self._both.collection, [known[found.name].key for found in batch])
        for found in batch:
            row = known[found.name]
            if row.key in here:
                self._overwrite(found, row, here[row.key], settled)
        self.remember(*settled)

    def _overwrite(self, found: Found, row: Row, held: Held, settled: Settled) -> None:
        """Put the node's version in the place of a changed file, which is kept as a conflict."""
        theirs = self._text(held)
        try:
            mine = self._both.place.read(found)
            if theirs is None:
                self._both.place.delete(found)
                settled.dropped.append(found.name)
            else:
                now = self._both.place.replace(found, theirs) if mine != theirs else found
                settled.rows.append(self._receiver.row(now, held))
        except (Changed, Unusable):
            return
        if mine != theirs:
            settled.conflicts.append((found.name, row.key, mine, theirs, "theirs"))
