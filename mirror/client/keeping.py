"""One round of a pair: what changed in its folders is sent, what changed in its rooms is written, and remembered.

The order makes it repeat harmlessly wherever it is killed: first the node says that a draft is written, then a file is
on the disk, and then it is remembered that both sides agree.  What is not remembered is looked at again, and found to
be there already.  Knows neither sockets nor which kind of folders these are.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mirror.client.place import Changed, Found, Missing, Place, PlaceError, reason_of
from mirror.client.report import Report
from mirror.client.round import A_SETTLING, COPY, PULL, PUSH, Both, Round, Rules
from mirror.client.server import Held, Room, RoomList, Server, Stale
from mirror.client.state import Folder, PairState, marks_text

if TYPE_CHECKING:
    from mirror.client.form import Form


class Tree(Protocol):
    """The directory of a pair's folders."""

    def place(self, folder: str) -> Place: ...
    def folders(self) -> list[str]: ...
    def folder_for(self, room: Room) -> str: ...
    def name_of(self, folder: str) -> str:
        """Return how the room is called of a folder that a person made; nothing where it gets none."""

    def is_for(self, folder: str, name: str) -> bool:
        """Tell whether a folder may be that of a room of this name."""

    def views_of(self, folder: str) -> tuple[int, ...]:
        """Return what the room of a folder may be for, the best one first."""

    def make(self, folder: str, name: str, seed: str) -> None: ...
    def rename(self, folder: str, old: str, new: str) -> str: ...


class Looked(NamedTuple):
    """What a folder has otherwise than it was remembered: files that are new or changed, and names that are gone."""

    changed: list[Found]
    gone: list[str]


NOTHING = Looked([], [])
NO_TEXT = "its name is no UTF-8: it stays here alone until it has another one"
ROUNDS = 3
"""How often a round is made of which a folder was changed meanwhile."""
LIFE = "life "
"""Under this and a room's key it is remembered in which life of the node's store all of the room was taken."""
LIMITS = "limits"
"""Under this it is remembered which limits left messages out of the folders."""
SEEN = "seen "
"""Under this and a room's key it is remembered which state of its folder was in step."""


class Keeper:
    """Keeps the folders of one pair equal with the rooms of one user."""

    def __init__(
        self,
        state: PairState,
        server: Server,
        tree: Tree,
        form: "Callable[[], Form]",
        rules: Rules,
        progress: Callable[[str, int, int | None], None] = lambda _what, _done, _of: None,
    ) -> None:
        """``progress`` hears what is being done, how much of it is, and of how much if that is known."""
        self.state = state
        self.server = server
        self.tree = tree
        self.rules = rules
        self.report = Report()
        self._changes_rooms = False
        self._life = ""
        self._round = Round(state, server, form, rules, self.report, progress)

    def round(self) -> Report:
        """Have both sides be equal.  Raises PlaceError, ConnectionLost, Refused, OSError; what was done stays.

        Where a folder is changed while it is worked on, it is looked at anew; Changed is raised where that goes on.
        """
        for _ in range(ROUNDS - 1):
            try:
                return self._once()
            except Changed:
                self._look_anew()
        try:
            return self._once()
        except Changed:
            self._look_anew()
            raise

    def _look_anew(self) -> None:
        """Have all folders be looked through: what changed need not show in their times."""
        self.report.begin_anew()
        self._life = ""
        with self.state.writing():
            self.state.forget(SEEN)

    def _once(self) -> Report:
        listed = self._rooms()
        wanted = {room.key: room for room in listed.rooms if self.rules.wants(room)}
        folders = self._folders(wanted)
        cursor = self.state.about("cursor")
        open_rooms = [(wanted[key], folder) for key, folder in folders.items() if key in wanted]
        ready = [(room, folder) for room, folder in open_rooms if self._keep_safely(room, folder)]
        self._send_all()
        if self.rules.direction == PUSH:  # what comes meanwhile is taken once it is wanted
            return self.report
        complete = {room.key for room, folder in ready if folder.complete and not self._lets_in_more()}
        if cursor:
            cursor = self._follow(cursor, listed.cursor, [pair for pair in ready if pair[0].key in complete])
        for room, folder in ready:
            if not cursor or room.key not in complete:
                self._life = life_of(listed.cursor)
                self._take_whole(room, folder)
        self._note_cursor(cursor or listed.cursor)
        self._note_limits()
        for name, count in self.report.left_out.items():
            self.report.notes.append(f"{name}: {count} things in the room are no items of this kind, and no files")
        return self.report

    def _lets_in_more(self) -> bool:
        """Tell whether what was left out of the folders is to come: they are compared with their rooms then."""
        return self.rules.lets_in_more(self.state.about(LIMITS))

    def _note_limits(self) -> None:
        before = self.state.about(LIMITS)
        if before == self.rules.limits:
            return
        if self.rules.lets_in_more(before):
            self.report.notes.append("max_size or max_age lets in more than before: what was left out has come")
        if not self.rules.dry:
            with self.state.writing():
                self.state.note(LIMITS, self.rules.limits)

    def _note_cursor(self, cursor: str) -> None:
        if not self.rules.dry and cursor != self.state.about("cursor"):
            with self.state.writing():
                self.state.note("cursor", cursor)

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
            if not _is_text(name):
                self.report.problem(_readable(name), "", NO_TEXT)
            elif name not in known:
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
        except (PlaceError, OSError) as error:
            self.report.problem(folder, "", reason_of(error))

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
        views = (view for view in self.tree.views_of(folder) if self.rules.wants(Room("", name, view, own=True)))
        if (view := next(views, None)) is not None:
            key = self.server.create_room(name, view)
            self._changes_rooms = True
            self._put_folder(Folder(key, folder, name))

    # -- folders --------------------------------------------------------------------------------------

    def _folders(self, wanted: dict[str, Room]) -> dict[str, Folder]:
        """Return the folders of all rooms; a room that is new gets one, one that is renamed a new name."""
        folders = self.state.folders()
        for key, folder in folders.items():
            if key not in wanted and folder.complete:
                self.report.notes.append(f"{folder.folder}: the room is not open to you any more; its files stay")
                self._put_folder(folder._replace(complete=False))
        taken = {folder.folder for folder in folders.values()}
        for key, room in sorted(wanted.items()):
            held = folders.get(key)
            if held is None:
                folders[key] = self._new_folder(room, taken)
                taken.add(folders[key].folder)
            elif held.name != room.name:
                renamed = held.folder if self.rules.dry else self.tree.rename(held.folder, held.name, room.name)
                folders[key] = held._replace(name=room.name, folder=renamed)
                self._put_folder(folders[key])
        return folders

    def _new_folder(self, room: Room, taken: set[str]) -> Folder:
        name = self.tree.folder_for(room)
        folder, number = name, 2
        while folder in taken:
            folder, number = f"{name} ({number})", number + 1
        return Folder(room.key, folder, room.name)

    def _put_folder(self, folder: Folder) -> None:
        if not self.rules.dry:
            with self.state.writing():
                self.state.put_folder(folder)

    # -- from the folder ------------------------------------------------------------------------------

    def _both(self, room: Room, folder: Folder) -> Both:
        return Both(room, folder, self.tree.place(folder.folder))

    def _keep_safely(self, room: Room, folder: Folder) -> bool:
        """Send what a folder has; tell whether its room's side is to be looked at as well."""
        try:
            if not folder.identity and not self.rules.dry:
                self.tree.make(folder.folder, room.name, room.key)
            self._send(room, folder)
        except (Missing, OSError) as error:
            if folder.identity or not self.rules.dry:
                self.report.problem(folder.folder, "", reason_of(error))
                if folder.complete:  # what comes meanwhile is looked for once it is there again
                    self._put_folder(folder._replace(complete=False))
                return False
        return True

    def _send(self, room: Room, folder: Folder) -> None:
        both = self._both(room, folder)
        looked, identity = self._look(room, both.place), both.place.identity()
        held = 0
        if looked.changed or looked.gone:
            from mirror.client.sending import Sender

            another = bool(folder.identity) and identity != folder.identity
            held = Sender(self._round, both).send(looked.changed, looked.gone, another)
        self._note_held(folder, held, identity)

    def _send_all(self) -> None:
        """Send what waited until all folders were looked at."""

    def _note_held(self, folder: Folder, held: int, identity: str) -> None:
        """Tell and remember how many deletions of a folder wait, and which directory it is."""
        if held:
            self.report.held[folder.folder] = held
        if (held, identity) != (folder.held, folder.identity):
            # While deletions wait the folder is still the one that nothing was deleted in.
            self._put_folder(folder._replace(held=held, identity=folder.identity if held else identity))

    def _look(self, room: Room, place: Place) -> Looked:
        """Return what a folder has otherwise, without a look where it says that nothing happened in it."""
        now, noted = place.state(), f"{SEEN}{room.key}"
        if now and now == self.state.about(noted):
            return NOTHING
        problems = len(self.report.problems)
        looked = self._compared(room, place)
        if now and looked == NOTHING and problems == len(self.report.problems) and not self.rules.dry:
            with self.state.writing():
                self.state.note(noted, now)
        return looked

    def _compared(self, room: Room, place: Place) -> Looked:
        known = self.state.listing(room.key)
        changed = []
        for found in place.look():
            if not _is_text(found.name):
                self.report.problem(place.path.name, _readable(found.name), NO_TEXT)
            elif known.pop(found.name, None) != (found.tag, marks_text(found.marks)):
                changed.append(found)
        return Looked(sorted(changed), sorted(known))

    # -- from the room --------------------------------------------------------------------------------

    def _follow(self, cursor: str, end: str, ready: Sequence[tuple[Room, Folder]]) -> str:
        """Write what changed after a cursor; return how far that is, nothing where all is to be compared.

        ``end`` is where the feed ended when the rooms were listed.
        """
        by_collection = {name: (room, folder) for room, folder in ready for name in self._collections(room)}
        try:
            for page in self.server.since(cursor, set(by_collection), self.rules.max_size):
                for collection, held in _grouped(page.held):
                    self._write(*by_collection[collection], held)
                cursor = page.cursor
        except Stale:
            if _place_in_feed(cursor) > _place_in_feed(end) and not self.rules.dry:  # the store was rolled back
                with self.state.writing():
                    self.state.forget(LIFE)
            return ""
        return cursor

    def _take_whole(self, room: Room, folder: Folder) -> None:
        """Compare all of a room with its folder, and remember that this was done."""
        missing = {key: name for key, name in self.state.keys(room.key).items() if not key.startswith(COPY)}
        done, of = 0, self.server.count(f"messages/{room.key}")
        changed: Changed | None = None
        for held in self._pages(room):
            for one in held:
                missing.pop(one.record.key, None)
            try:
                self._write(room, folder, held if changed is None else [])
            except Changed as error:  # nothing else can be asked before all was told
                changed = error
            done += len(held)
            self._round.progress(folder.folder, done, of)
        if changed is not None:
            raise changed
        complete = self._forgotten(room, folder, sorted(missing))
        if not self.rules.dry:
            with self.state.writing():
                self.state.put_folder((self.state.folder(room.key) or folder)._replace(complete=complete))
                if complete:
                    self.state.note(f"{LIFE}{room.key}", self._life)

    def _pages(self, room: Room) -> Iterator[list[Held]]:
        """Yield all that is in a room, as much at once as is written together."""
        return self.server.whole(f"messages/{room.key}", self.rules.max_size, self.state.crcs(room.key))

    def _forgotten(self, room: Room, folder: Folder, missing: Sequence[str]) -> bool:
        """Delete the files of what the node does not even know as deleted any more; tell whether that is all done.

        A room that was closed while it was told looks as if it held less, so it is asked for these once more: by then
        that is refused.  More than a set share waits to be accepted, and so does all of a folder.
        """
        if not missing:
            return True
        there: set[str] = set()
        for held in self.server.pages(f"messages/{room.key}", missing):
            self._write(room, folder, held)
            there.update(one.record.key for one in held)
        gone, known = [key for key in missing if key not in there], self.state.count(room.key)
        if gone and self._put_back(room):
            self._keep_unknown(room, folder, gone)
            return True
        if self.rules.holds(len(gone), known):
            self.report.held[folder.folder] = self.report.held.get(folder.folder, 0) + len(gone)
            return False
        self._forget(room, folder, gone)
        return True

    def _put_back(self, room: Room) -> bool:
        """Tell whether all of a room is being taken from another life of the store than was agreed with."""
        return bool(self._life) and self.state.about(f"{LIFE}{room.key}") != self._life

    def _keep_unknown(self, room: Room, folder: Folder, keys: Sequence[str]) -> None:
        """Have files be sent anew of what a store knows nothing of that is not the one which they were agreed on with.

        One that was put back from a backup never heard of what came after that.
        """
        self.report.notes.append(
            f"{folder.folder}: the node does not know {len(keys)} items, as one that was put back from a backup: "
            "their files stay, and are sent the next time"
        )
        if not self.rules.dry:
            names = [row.name for row in self.state.rows_by_key(room.key, keys).values()]
            with self.state.writing():
                self.state.drop(room.key, names)
                self.state.forget(f"{SEEN}{room.key}")

    def _forget(self, room: Room, folder: Folder, keys: Sequence[str]) -> None:
        from mirror.client.receiving import Receiver

        Receiver(self._round, self._both(room, folder)).forget(keys)

    def _collections(self, room: Room) -> tuple[str, ...]:
        """Return what of a room is followed."""
        return (f"messages/{room.key}",)

    def _write(self, room: Room, folder: Folder, held: Sequence[Held]) -> None:
        if not held:
            return
        from mirror.client.receiving import Receiver

        receiver = Receiver(self._round, self._both(room, folder), self._put_back(room))
        for start in range(0, len(held), A_SETTLING):
            receiver.write(held[start : start + A_SETTLING])


def life_of(cursor: str) -> str:
    """Return which life of a store a cursor is of."""
    return cursor.partition(":")[0]


def _place_in_feed(cursor: str) -> int:
    return int(cursor.partition(":")[2])


def _is_text(name: str) -> bool:
    """Tell whether a file's name is UTF-8, as all that is remembered is."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _readable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _grouped(held: Iterable[Held]) -> Iterator[tuple[str, list[Held]]]:
    groups: dict[str, list[Held]] = {}
    for one in held:
        groups.setdefault(one.record.collection, []).append(one)
    yield from groups.items()
