"""What one round of a pair works with, shared by who sends and who receives."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from mirror.client.place import Place
from mirror.client.report import Report
from mirror.client.server import Room, Server
from mirror.client.state import Folder, PairState

if TYPE_CHECKING:
    from mirror.client.form import Form

A_BATCH = 200
"""Items that are read, sent and remembered together."""
BATCH_BYTES = 4 * 1024 * 1024
"""Bytes of files that are read and sent together, where there is more than one."""
A_SETTLING = 1024
"""Items that are written into a folder, put on the disk and remembered together: each time costs ten waits for it."""
COPY = "copy "
"""So begin what stands for keys of mail files that say the same as another one of the folder, whose key follows."""
BOTH, PULL, PUSH = "both", "pull", "push"
"""Directions: what changes where is written where."""


class Rules(NamedTuple):
    """What a person wants of a pair: which rooms, in which direction; and of this round."""

    wants: Callable[[Room], bool]
    direction: str = BOTH
    accept_deletions: bool = False
    dry: bool = False
    """Nothing is written on either side; what would be is counted."""
    max_size: int = 0
    """Bytes of the largest message that is written on either side; 0 for any."""
    since_s: int = 0
    """Messages from before (Unix seconds) are not written on either side."""

    max_age: int = 0
    """Days, as they are set, from which ``since_s`` follows."""

    @property
    def limits(self) -> str:
        """What leaves messages out, in one text."""
        return f"{self.max_size} {self.max_age}" if self.max_size or self.max_age else ""

    def lets_in_more(self, before: str) -> bool:
        """Tell whether what these limits leave out is less than what others did, which are told as ``limits`` are."""
        size, age = map(int, (before or "0 0").split())
        return bool(size and not 0 < self.max_size <= size) or bool(age and not 0 < self.max_age <= age)

    def leaves_out(self, size: int, seconds: int) -> str:
        """Return why a message of so many bytes and that time (Unix seconds) is left out; nothing where it is not."""
        if self.max_size and size > self.max_size:
            return f"has {size:,} bytes, more than max_size"
        return "is older than max_age" if 0 < seconds < self.since_s else ""

    def holds(self, gone: int, known: int, another: bool = False) -> bool:
        """Tell whether deletions wait for somebody to accept them: very many, all of a folder's, another folder's."""
        from mirror.sync.foreign.plan import held_back

        if not gone or self.accept_deletions:
            return False
        return another or held_back(gone, known) or gone == known > 1


class Round(NamedTuple):
    """The two sides, what is remembered of them, what is wanted, and what has been done so far."""

    state: PairState
    server: Server
    make_form: "Callable[[], Form]"
    rules: Rules
    report: Report
    progress: Callable[[str, int, int | None], None]
    """Hears what is being done, how much of it is, and of how much if that is known."""

    @property
    def form(self) -> "Form":
        """How records are files: only what changes something needs it."""
        return self.make_form()


class Both(NamedTuple):
    """A room and its folder."""

    room: Room
    folder: Folder
    place: Place

    @property
    def collection(self) -> str:
        return f"messages/{self.room.key}"

    @property
    def marks(self) -> str:
        """The collection of the users' marks of what is in the room."""
        return f"visits/{self.room.key}"
