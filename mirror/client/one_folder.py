"""What those who send from one folder and those who write into it have in common, whatever kind of folder it is.

Knows neither sockets nor files.
"""

from collections.abc import Callable, Iterator, Sequence

from mirror.client.place import Found
from mirror.client.round import A_BATCH, BATCH_BYTES, PULL, Both, Round
from mirror.client.server import Held
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
        """Yield files in batches that have room in memory, and tell how far that is; what was known comes first.

        So of two files of one record it is the known one that is the record's.
        """
        known = self._round.state.listing(self._both.room.key)
        batch: list[Found] = []
        done = size = 0
        for found in sorted(changed, key=lambda found: (found.name not in known, found.name)):
            marks_alone = found.name in known and known[found.name][0] == found.tag  # then it is not read
            read = 0 if marks_alone else self._both.place.size(found)
            if batch and (len(batch) == A_BATCH or size + read > BATCH_BYTES):
                yield batch
                done += len(batch)
                self._round.progress(self._both.folder.folder, done, len(changed))
                batch, size = [], 0
            batch.append(found)
            size += read
        if batch:
            yield batch
            self._round.progress(self._both.folder.folder, len(changed), len(changed))

    def _write_again(self, rows: Sequence[Row], write: Callable[[Sequence[Held]], None]) -> None:
        """Have items be in the folder as the node holds them, as many at once as have room in memory."""
        for held in self._round.server.pages(self._both.collection, [row.key for row in rows]):
            write(held)

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
