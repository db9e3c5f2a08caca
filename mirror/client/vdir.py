"""A vdir: directories with one calendar entry, task, card or note a file, as vdirsyncer writes it and khal reads it.

Each collection is one room.  ``displayname`` and ``color`` stand beside its items.  Says nothing of what an item means;
the promise is mirror.client.place.Place.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import chain, count
from pathlib import Path

from mirror.client.files import (
    OURS,
    Aside,
    check,
    may_be_item,
    move_new,
    put_on_disk,
    put_over,
    read_whole,
    size_in,
    sync_directory,
    tag_at,
    tag_of,
    take_away,
    write_aside,
    write_loosely,
)
from mirror.client.place import NO_MARKS, Found, Marks, Missing
from mirror.client.server import Room
from mirror.formats.file_names import safe_name
from mirror.formats.room_views import VIEW_CALENDAR, VIEW_CONTACTS, VIEW_JOURNAL, VIEW_NOTES, VIEW_TASKS

ENDINGS = (".ics", ".vcf", ".vnt")
"""How the names of files end that are items: calendar entries and tasks, cards, notes."""
CALENDARS = (VIEW_CALENDAR, VIEW_TASKS, VIEW_JOURNAL)
"""What rooms are for whose items are files of a calendar."""
FEW = 20
"""Files of a new collection that are looked into."""
NAME_BYTES = 1024
"""Of a collection's name so much is read: more is none that a room may have."""
DISPLAY_NAME, COLOR = "displayname", "color"
_COLORS = ("#1f77b4", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#bcbd22", "#17becf")


class Vdir:
    """One collection of a vdir: a Place."""

    keeps: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._touched = False
        self._base = f"{path}/"
        self._created: dict[str, Aside] = {}
        """What was written and is not in place yet, by the names that it will have."""

    def identity(self) -> str:
        try:
            return f"{self.path.stat().st_ino:x}"
        except FileNotFoundError:
            raise Missing(f"{self.path} is not there: nothing is taken for deleted") from None

    def state(self) -> str:
        return ""  # an editor writes a file over in place, which a directory does not tell

    def look(self) -> Iterator[Found]:
        self._publish()
        try:
            entries = os.scandir(self.path)
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(f"{self.path} is no folder: nothing is taken for deleted") from None
        with entries:
            for entry in entries:
                if entry.name.startswith(OURS):  # of a client that was killed: this one has none aside now
                    os.unlink(entry.path)
                elif entry.name.endswith(ENDINGS) and not entry.name.startswith(".") and may_be_item(entry):
                    try:
                        yield Found(entry.name, tag_at(entry.path))
                    except FileNotFoundError:  # deleted since it was listed
                        continue

    def size(self, found: Found) -> int:
        return size_in(found.tag)

    def read(self, found: Found) -> bytes:
        self._publish()
        path = self.path / found.name
        data = read_whole(path)
        check(path, found.tag)
        return data

    def create(self, wanted: str, data: bytes, marks: Marks = NO_MARKS, seconds: int = 0) -> Found:
        stem, ending = os.path.splitext(wanted)
        first = safe_name(stem, ending)
        stem = first.removesuffix(ending)
        names = chain([first], (f"{stem}-{number}{ending}" for number in count(2)))
        name = next(name for name in names if name not in self._created and not os.path.lexists(self._base + name))
        self._created[name] = aside = write_loosely(str(self.path), data)
        return Found(name, aside.tag)

    def replace(self, found: Found, data: bytes) -> Found:
        self._publish()
        path = self.path / found.name
        check(path, found.tag)
        aside = write_aside(self.path, data)
        try:
            put_over(aside, path, found.tag)
        finally:
            aside.unlink(missing_ok=True)
        self._touched = True
        return self._found(path)

    def mark(self, found: Found, marks: Marks) -> Found:
        return found  # it keeps none

    def delete(self, found: Found) -> None:
        self._publish()
        take_away(self.path / found.name, found.tag)
        self._touched = True

    def settle(self) -> None:
        self._publish()
        if self._touched:
            sync_directory(self.path)
            self._touched = False

    def _publish(self) -> None:
        """Have what was created be in the folder; its bytes are on the disk before."""
        created, self._created = self._created, {}
        put_on_disk([aside.path for aside in created.values()])
        for name, aside in created.items():
            move_new(aside.path, self._base + name)
            self._touched = True

    def watched(self) -> Iterable[Path]:
        return (self.path,)

    def _found(self, path: Path) -> Found:
        return Found(path.name, tag_of(path.lstat()))


class VdirTree:
    """The directory of a vdir's collections; each is a folder of that name."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, folder: str) -> Vdir:
        """Return one collection, whether or not it is there."""
        return Vdir(self.root / folder)

    def folders(self) -> list[str]:
        """Return the names of the collections that are there.  Raises OSError."""
        with os.scandir(self.root) as entries:
            return sorted(one.name for one in entries if not one.name.startswith(".") and os.path.isdir(one.path))

    def folder_for(self, room: Room) -> str:
        """Return what the collection of a room is called, if nothing else is called so."""
        return safe_name(room.name.replace("/", "-"))

    def name_of(self, folder: str) -> str:
        """Return how the room of a collection is called that a person made."""
        try:
            with (self.root / folder / DISPLAY_NAME).open("rb") as file:
                return file.read(NAME_BYTES).decode("utf-8", "replace").strip() or folder
        except OSError:  # it has none, or what is no text
            return folder

    def is_for(self, folder: str, name: str) -> bool:
        """Tell whether a collection may be that of a room of this name."""
        return folder == safe_name(name.replace("/", "-")) or self.name_of(folder) == name

    def views_of(self, folder: str) -> tuple[int, ...]:
        """Return what the room of a collection may be for, by what is in it, the best one first."""
        place = self.place(folder)
        listed = {found.name: found for found in place.look()}
        names = list(listed)
        if not names:
            return (*CALENDARS, VIEW_CONTACTS, VIEW_NOTES)
        ending = os.path.splitext(min(names))[1]
        if ending == ENDINGS[0]:
            tasks = all(b"BEGIN:VTODO" in place.read(listed[name]) for name in names[:FEW])
            return tuple(sorted(CALENDARS, key=lambda view: (view == VIEW_TASKS) != tasks))
        return (VIEW_CONTACTS,) if ending == ENDINGS[1] else (VIEW_NOTES,)

    def make(self, folder: str, name: str, seed: str) -> None:
        """Make a collection where it is missing, with a room's name and a colour that follows from ``seed``."""
        path = self.root / folder
        path.mkdir(parents=True, exist_ok=True)
        for file, text in ((DISPLAY_NAME, name), (COLOR, _COLORS[sum(seed.encode()) % len(_COLORS)])):
            if not (path / file).exists():
                self._write(path / file, text)

    def rename(self, folder: str, old: str, new: str) -> str:
        """Have a collection be shown under a room's new name, unless a person gave it another one; returns its own."""
        path = self.root / folder / DISPLAY_NAME
        if path.exists() and path.read_text("utf-8", "replace").strip() == old:
            self._write(path, new)
        return folder

    def _write(self, path: Path, text: str) -> None:
        os.replace(write_aside(path.parent, text.encode()), path)
