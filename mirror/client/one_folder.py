"""What those who send from one folder and those who write into it have in common, whatever kind of folder it is.

Knows neither sockets nor files.
"""

from collections.abc import Iterator, Sequence

from mirror.client.place import Found
from mirror.client.round import A_BATCH, PULL, Both, Round
from mirror.client.state import Row

Lost = tuple[str, str, bytes | None, bytes | None, str]
"""A conflict: the file's name, the record's key, the version of here and of there, and which of them stands."""


class OneFolder:
    """A folder in a round."""

    def __init__(self, round: Round, both: Both) -> None:
        self._round = round
        self._both = both

    def remember(self, rows: Sequence[Row], dropped: Sequence[str], conflicts: Sequence[Lost] = ()) -> None:
        """Remember what is in the folder by now, once it is on the disk, with the versions that lost."""
        if self._round.rules.dry or not (rows or dropped or conflicts):
            return
        self._both.place.settle()
        self._round.report.conflicts += len(conflicts)
        state = self._round.state
        with state.writing():
            state.drop(self._both.room.key, dropped)
            state.put(self._both.room.key, rows)
            for conflict in conflicts:
                state.add_conflict(self._both.folder, *conflict)

    def _problem(self, name: str, why: str) -> None:
        self._round.report.problem(self._both.folder.folder, name, why)

    def _note(self, text: str) -> None:
        self._round.report.notes.append(f"{self._both.folder.folder}: {text}")


class FromFolder(OneFolder):
    """A folder that is sent from."""

    def _batches(self, changed: Sequence[Found]) -> Iterator[list[Found]]:
        """Yield files in batches, and tell how far that is; what was known before comes first.

        So of two files of one record it is the known one that is the record's.
        """
        known = self._round.state.listing(self._both.room.key)
        ordered = sorted(changed, key=lambda found: (found.name not in known, found.name))
        for start in range(0, len(ordered), A_BATCH):
            batch = ordered[start : start + A_BATCH]
            yield batch
            self._round.progress(self._both.folder.folder, start + len(batch), len(ordered))

    @property
    def _why_not_sent(self) -> str:
        """Why nothing of this folder is sent, as it is told; nothing where it is."""
        if not self._both.room.writable:
            return "the room is read-only for you"
        return "this pair only pulls" if self._round.rules.direction == PULL else ""

    def _holds(self, gone: int, another: bool) -> bool:
        """Tell whether so many deletions wait; ``another`` tells that the folder is not the one agreed on."""
        return self._round.rules.holds(gone, self._round.state.count(self._both.room.key), another)


def found_of(row: Row) -> Found:
    """Return a file as it was agreed on."""
    return Found(row.name, row.tag, frozenset(row.marks.split()))
