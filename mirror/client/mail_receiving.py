"""From a room into its mail folder: messages are written and deleted, and flags changed that nobody changed here.

A message's file is only replaced or deleted while it is the one that was agreed on.  Of marks each one counts alone:
one that was changed here since is sent, and not overwritten.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from mirror.client.mail_form import MailShown, Noted, noted, noting, pack, shown
from mirror.client.one_folder import OneFolder, found_of
from mirror.client.place import NO_MARKS, Changed, Found, Marks, Unusable
from mirror.client.round import COPY
from mirror.client.server import Held
from mirror.client.state import Row, marks_text
from mirror.formats.errors import BadMessage
from mirror.model.draft import base_of
from mirror.model.fields import values_of
from mirror.model.marks import mark_key, marks_in
from mirror.model.record import Record

_TRIES = 4


def kept_by(place_keeps: Collection[str], marks: Iterable[str]) -> Marks:
    """Return those marks that a folder can keep."""
    return frozenset(mark for mark in marks if mark in place_keeps)


class MailReceiver(OneFolder):
    """Writes into one mail folder."""

    # -- messages -------------------------------------------------------------------------------------

    def write(self, held: Sequence[Held], marks: Mapping[str, Marks] | None = None) -> None:
        """Have the folder say what the node holds of some messages, and remember it.  Raises PlaceError, OSError.

        ``marks`` are the user's by the messages' keys; where none are given the node is asked for those of new ones.
        """
        room = self._both.room.key
        known = self._round.state.rows_by_key(room, [one.record.key for one in held])
        held = [one for one in held if not _is_known(known.get(one.record.key), one)]
        new = [one.record.key for one in held if one.record.key not in known and not one.record.dead]
        marks = marks if marks is not None else self.marks_of(new)
        rows: list[Row] = []
        dropped: list[str] = []
        for one in held:
            row = known.get(one.record.key)
            if one.record.dead:
                dropped += self._deleted(row) if row is not None else ()
            elif (now := self._written(row, one, marks)) is not None:
                rows.append(now)
        self.remember(rows, dropped)

    def marks_of(self, keys: Sequence[str]) -> dict[str, Marks]:
        """Return the user's marks of messages, as the node holds them."""
        if not keys:
            return {}
        user = self._round.server.user_key
        return marks_by_key(
            user, self._round.server.get(self._both.marks, [mark_key(user, key) for key in keys]).values()
        )

    def forget(self, keys: Sequence[str]) -> None:
        """Delete the files of messages that the node knows nothing of any more."""
        known = self._round.state.rows_by_key(self._both.room.key, keys)
        self.remember([], [name for row in known.values() for name in self._deleted(row)])

    def _written(self, row: Row | None, held: Held, marks: Mapping[str, Marks]) -> Row | None:
        """Return what is remembered of a message once the folder has it; None where it is left out."""
        if 0 < self._round.rules.max_size < held.record.size:
            return row  # it did not come
        try:
            mail = shown(held.record, held.body)
        except BadMessage as error:
            self._problem(held.record.key, str(error))
            return row
        if row is None and self._round.rules.leaves_out(len(mail.data), mail.seconds):
            return None
        agreed = noting(base_of(held.record), mail.data, mail.as_file)
        before = noted(row.agreed) if row is not None and row.agreed else None
        if row is not None and before is not None and before.gist == agreed.gist:
            as_file = agreed.as_file and before.digest == agreed.digest
            agreed = Noted(agreed.base, before.digest, before.gist, as_file)
            return row._replace(crc=held.crc, agreed=pack(agreed))
        found = self._put(row, mail, marks.get(held.record.key, NO_MARKS))
        if found is None:
            return None
        return Row(found.name, found.tag, marks_text(found.marks), held.record.key, held.crc, pack(agreed))

    def _put(self, row: Row | None, mail: MailShown, marks: Marks) -> Found | None:
        place, report = self._both.place, self._round.report
        report.received["new" if row is None else "changed"] += 1
        if self._round.rules.dry:
            return None
        if row is None:
            return place.create(mail.name, mail.data, kept_by(place.keeps, marks), mail.seconds)
        return self._now(found_of(row), lambda found: place.replace(found, mail.data))

    def _deleted(self, row: Row) -> list[str]:
        """Delete a message's file and the copies of it; return their names."""
        rows = [row, *self._round.state.rows_beginning(self._both.room.key, copy_key(row.key, ""))]
        self._round.report.received["deleted"] += 1
        if not self._round.rules.dry:
            for one in rows:
                self._now(found_of(one), self._delete)
        return [one.name for one in rows]

    def _delete(self, found: Found) -> Found:
        self._both.place.delete(found)
        return found

    def _now(self, found: Found, change: Callable[[Found], Found]) -> Found | None:
        """Change a file that holds what was agreed on, whatever flags another program gave it meanwhile.

        Returns None where it is gone.  Raises Changed where it holds something else: that is sent first.
        """
        for _ in range(_TRIES):
            try:
                return change(found)
            except Changed:
                there = next((one for one in self._both.place.look() if one.name == found.name), None)
                if there is None:
                    return None
                if there.tag != found.tag:
                    raise
                found = there
        raise Changed(f"{self._both.folder.folder}: {found.name} is changed by another program all the time")

    # -- marks ----------------------------------------------------------------------------------------

    def mark(self, held: Iterable[Held]) -> None:
        """Have files bear the marks that a user gave their messages elsewhere; ``held`` are records of visits."""
        self.bear(marks_by_key(self._round.server.user_key, held))

    def bear(self, marks: Mapping[str, Marks]) -> None:
        """Have files bear just these marks, by their messages' keys, but for those that were changed here since."""
        known = self._round.state.rows_by_key(self._both.room.key, marks)
        rows = [self._marked(row, marks[key]) for key, row in known.items()]
        self.remember([row for row in rows if known[row.key] != row], [])

    def _marked(self, row: Row, marks: Marks) -> Row:
        """Return what is remembered of a message once its file bears these marks, but for those changed here since."""
        place, before = self._both.place, frozenset(row.marks.split())
        wanted = kept_by(place.keeps, marks)
        if wanted == before:
            return row
        self._round.report.count(self._round.report.received, "marks")
        if self._round.rules.dry:
            return row
        mine = Marks()

        def bear(found: Found) -> Found:
            nonlocal mine
            mine = found.marks ^ before
            return place.mark(found, (wanted - mine) | (found.marks & mine))

        try:
            self._now(found_of(row), bear)
        except Unusable as error:
            self._problem(row.name, str(error))
            return row
        return row._replace(marks=marks_text((wanted - mine) | (before & mine)))


def copy_key(key: str, name: str) -> str:
    """Return what stands for a key of a file that says the same as the one of a message's key."""
    return f"{COPY}{key} {name}"


def marks_by_key(user_key: str, held: Iterable[Held]) -> dict[str, Marks]:
    """Return the marks that records of visits say, by the keys of messages; those of other users are left out."""
    prefix = mark_key(user_key, "")
    own = (one.record for one in held if one.record.key.startswith(prefix))
    return {record.key.removeprefix(prefix): marks_of(record) for record in own}


def marks_of(record: Record) -> Marks:
    """Return the marks that a record of visits says."""
    return NO_MARKS if record.dead else marks_in(values_of(record))


def _is_known(row: Row | None, held: Held) -> bool:
    return row is not None and row.crc == held.crc
