"""One round of a pair of mail folders: as for others, with marks, and with messages that were moved between them.

Knows neither sockets nor files.  What only a change needs is imported when there is one.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mirror.client.keeping import Keeper
from mirror.client.place import NO_MARKS, Found, Marks
from mirror.client.report import Report
from mirror.client.round import COPY, PUSH, Both
from mirror.client.server import Held, Room
from mirror.client.state import Folder, Row

if TYPE_CHECKING:
    from mirror.client.mail_receiving import MailReceiver


A_WRITE = 1000
WRITE_BYTES = 8 * 1024 * 1024
"""So many messages, or bytes of them, are put on the disk and remembered together, where there is more."""


class _Looked(NamedTuple):
    """A folder that was looked at: what is new or changed in it, what is gone by name, and which directory it is."""

    both: Both
    changed: list[Found]
    gone: dict[str, Row]
    identity: str


class MailKeeper(Keeper):
    """Keeps the mail folders of one pair equal with the rooms of one user."""

    _looked: list[_Looked]
    _marks: dict[str, Marks] | None = None

    def _once(self) -> Report:
        self._looked, self._marks = [], None
        return super()._once()

    def _collections(self, room: Room) -> tuple[str, ...]:
        return (f"messages/{room.key}", f"visits/{room.key}")

    # -- from the folders -----------------------------------------------------------------------------

    def _send(self, room: Room, folder: Folder) -> None:
        """Look at a folder; what it has is sent once all were looked at, for messages move from one to another."""
        both = self._both(room, folder)
        looked, identity = self._look(room, both.place), both.place.identity()
        self._looked.append(_Looked(both, looked.changed, self.state.rows(room.key, looked.gone), identity))

    def _send_all(self) -> None:
        held = self._sent() if any(one.changed or one.gone for one in self._looked) else {}
        for one in self._looked:
            self._note_held(one.both.folder, held.get(one.both.room.key, 0), one.identity)

    def _sent(self) -> dict[str, int]:
        """Send what all folders have; return by room how many deletions are held back."""
        from mirror.client.mail_sending import Elsewhere, MailSender

        elsewhere = Elsewhere({one.both.room.key: one.gone for one in self._looked})
        senders = [(one, MailSender(self._round, one.both, elsewhere)) for one in self._looked]
        for one, sender in senders:
            if one.changed:
                sender.send(one.changed)
        held = {}
        for one, sender in senders:
            folder = one.both.folder
            held[one.both.room.key] = sender.send_gone(bool(folder.identity) and one.identity != folder.identity)
        return held

    # -- from the rooms -------------------------------------------------------------------------------

    def _take_whole(self, room: Room, folder: Folder) -> None:
        if self.rules.direction == PUSH:
            return
        from mirror.client.mail_receiving import marks_by_key

        known = [key for key in self.state.keys(room.key) if not key.startswith(COPY)]
        self._marks = {}
        for held in self.server.whole(f"visits/{room.key}"):
            self._marks |= marks_by_key(self.server.user_key, held)
        super()._take_whole(room, folder)
        marks, self._marks = self._marks, None
        self._receiver(room, folder).bear({key: marks.get(key, NO_MARKS) for key in known})

    def _pages(self, room: Room) -> Iterator[list[Held]]:
        pages: list[Held] = []
        size = 0
        for held in super()._pages(room):
            pages += held
            size += sum(len(one.body) for one in held)
            if len(pages) >= A_WRITE or size >= WRITE_BYTES:
                yield pages
                pages, size = [], 0
        yield pages

    def _write(self, room: Room, folder: Folder, held: Sequence[Held]) -> None:
        if self.rules.direction == PUSH or not held:
            return
        receiver = self._receiver(room, folder)
        if held[0].record.collection.startswith("visits/"):
            receiver.mark(held)
            return
        receiver.write(held, self._marks)

    def _forget(self, room: Room, folder: Folder, keys: Sequence[str]) -> None:
        self._receiver(room, folder).forget([key for key in keys if not key.startswith(COPY)])

    def _receiver(self, room: Room, folder: Folder) -> "MailReceiver":
        from mirror.client.mail_receiving import MailReceiver

        return MailReceiver(self._round, self._both(room, folder))
