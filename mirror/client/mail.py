"""One round of a pair of mail folders: as for others, with marks, and with messages that were moved between them.

Knows neither sockets nor files.  What only a change needs is imported when there is one.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mirror.client.keeping import Keeper, Tree
from mirror.client.place import NO_MARKS, Found, Marks
from mirror.client.report import Report
from mirror.client.round import PULL, PUSH, Both
from mirror.client.server import Held, Room, RoomList
from mirror.client.state import Folder, Row

if TYPE_CHECKING:
    from mirror.client.mail_receiving import MailReceiver


VIEW_MAILBOX = 1
"""The view of a room that is made for a folder."""
A_WRITE = 1000
WRITE_BYTES = 8 * 1024 * 1024
"""So many messages, or bytes of them, are put on the disk and remembered together, where there is more."""


class MailTree(Tree, Protocol):
    """The directory of a pair's mail folders."""

    def name_of(self, folder: str) -> str:
        """Return how the room is called of a folder that a person made; nothing for the inbox."""

    def is_for(self, folder: str, name: str) -> bool:
        """Tell whether a folder may be that of a room of this name."""


class _Looked(NamedTuple):
    """A folder that was looked at: what is new or changed in it, what is gone by name, and which directory it is."""

    both: Both
    changed: list[Found]
    gone: dict[str, Row]
    identity: str


class MailKeeper(Keeper):
    """Keeps the mail folders of one pair equal with the rooms of one user."""

    tree: MailTree
    _looked: list[_Looked]
    _changes_rooms: bool
    _marks: dict[str, Marks] | None = None

    def round(self) -> Report:
        self._looked, self._changes_rooms = [], False
        return super().round()

    def _collections(self, room: Room) -> tuple[str, ...]:
        return (f"messages/{room.key}", f"visits/{room.key}")

    # -- folders that a person made or renamed --------------------------------------------------------

    def _rooms(self) -> RoomList:
        """Return the rooms, with those that folders were made or renamed for."""
        listed = self.server.rooms()
        if self.rules.dry or self.rules.direction == PULL:
            return listed
        known = {folder.folder: folder for folder in self.state.folders().values()}
        there = self.tree.folders()
        gone = {folder.identity: folder for name, folder in known.items() if folder.identity and name not in there}
        for name in there:
            if name not in known:
                self._take_folder(name, gone, listed)
        return self.server.rooms() if self._changes_rooms else listed

    def _take_folder(self, folder: str, gone: dict[str, Folder], listed: RoomList) -> None:
        """Have a folder that is new be a room, or the one that it was before it was renamed."""
        from mirror.wire.errors import Refused

        was = gone.get(self.tree.place(folder).identity())
        try:
            if was is not None:
                self._rename_room(was, folder, listed)
            elif self.tree.name_of(folder) and not any(self.tree.is_for(folder, room.name) for room in listed.rooms):
                self._make_room(folder)
        except Refused as error:
            self.report.problem(folder, "", f"the node does not make it a room: {error.text}")

    def _rename_room(self, was: Folder, folder: str, listed: RoomList) -> None:
        room = next((room for room in listed.rooms if room.key == was.room), None)
        if room is None:
            return
        name = room.name
        if room.own and not self.tree.is_for(folder, room.name):
            name = self.tree.name_of(folder)
            self.server.rename_room(room.key, name)
            self._changes_rooms = True
        self._put_folder(was._replace(folder=folder, name=name))

    def _make_room(self, folder: str) -> None:
        name = self.tree.name_of(folder)
        if self.rules.wants(Room("", name, VIEW_MAILBOX, own=True)):
            key = self.server.create_room(name, VIEW_MAILBOX)
            self._changes_rooms = True
            self._put_folder(Folder(key, folder, name))

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

        known = self.state.keys(room.key)
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
        self._receiver(room, folder).forget(keys)

    def _receiver(self, room: Room, folder: Folder) -> "MailReceiver":
        from mirror.client.mail_receiving import MailReceiver

        return MailReceiver(self._round, self._both(room, folder))
