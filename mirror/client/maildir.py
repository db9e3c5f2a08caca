"""A Maildir: directories with one message a file, as mutt, notmuch and mail servers read and write it.

Each folder of a Maildir++ is one room.  What a message is named stays, its flags stand behind that and change; what
letters beside the common ones mean says the folder's file of keywords.  Says nothing of what a message holds; the
promise is mirror.client.place.Place.
"""

import errno
import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from mirror.client.files import (
    OURS,
    check,
    move_new,
    put_on_disk,
    put_over,
    read_whole,
    size_in,
    sweep,
    sync_directory,
    tag_at,
    tag_of,
)
from mirror.client.keywords import Keywords
from mirror.client.mail_listing import (
    CUR,
    NEW,
    TMP,
    Listing,
    MailFile,
    directory_times,
    have_rested,
    list_mail,
    missing,
)
from mirror.client.place import NO_MARKS, Changed, Found, Marks, Unusable
from mirror.client.server import Room
from mirror.formats.maildir import (
    FLAGS,
    file_name,
    flags_of,
    folder_name,
    maildir_folder,
    marks_of,
    parse_name,
    with_keywords,
)
from mirror.formats.room_views import VIEW_MAILBOX

INBOX = "."
"""The folder at the top of a Maildir++."""
INBOX_ROOM = "Mail"
"""The room of a user's own that mail comes into."""
FOLDER_MARK = "maildirfolder"
"""The empty file by which a Maildir++'s folder is told from a Maildir of its own."""


class _Created(NamedTuple):
    """A message that is written aside, and where it will be."""

    aside: str
    place: str
    directory: str


class _Kept(Collection[str]):
    """The marks that a folder can keep: flags, its keywords, and others while there are letters for them."""

    def __init__(self, maildir: "Maildir") -> None:
        self._maildir = maildir

    def __contains__(self, mark: object) -> bool:
        keywords = self._maildir.keywords
        return isinstance(mark, str) and (mark in FLAGS or mark in with_keywords(keywords, [mark]).values())

    def __iter__(self) -> Iterator[str]:
        return chain(FLAGS, self._maildir.keywords.values())

    def __len__(self) -> int:
        return len(FLAGS) + len(self._maildir.keywords)


class Maildir:
    """One mail folder: a Place.

    What is created comes into it at ``settle``, all of it put on the disk together, for that takes a small part of the
    time of one by one.  Until then, and if this process dies before, it lies in ``tmp``, where nobody reads it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keywords: dict[str, str] = {}
        """What letters stand for, as ``look`` found it."""
        self.keeps: Collection[str] = _Kept(self)
        self._base = f"{path}/"
        self._keywords = Keywords(path)
        self._listed: Listing | None = None
        self._created: list[_Created] = []
        self._touched: set[str] = set()

    def identity(self) -> str:
        try:
            return f"{self.path.stat().st_ino:x}"
        except FileNotFoundError:
            raise missing(self.path) from None

    def state(self) -> str:
        """Return what is another one whenever ``look`` says something else; an empty text where that cannot be told.

        Files that are written over in place are not seen by it: programs of mail never do that.  Raises Missing.
        """
        times = [*directory_times(self.path), self._keywords.changed_ns()]
        return ".".join(f"{one:x}" for one in times) if have_rested(times) else ""

    def look(self) -> list[Found]:
        self._publish()
        with suppress(FileNotFoundError):
            sweep(self.path / TMP)  # what a client left there that was killed
        self.keywords = self._keywords.read()
        self._listed = list_mail(self.path)
        files = self._listed.files
        try:
            tags = [tag_at(f"{self._base}{file.directory}/{file.name}") for file in files.values()]
        except FileNotFoundError:
            raise Changed(f"{self.path} was changed while it was looked at") from None
        return [Found(unique, tag, self._marks(unique)) for unique, tag in zip(files, tags, strict=True)]

    def size(self, found: Found) -> int:
        return size_in(found.tag)

    def read(self, found: Found) -> bytes:
        self._publish()
        path = self._path(found.name)
        data = read_whole(path)
        check(path, found.tag)
        return data

    def create(self, wanted: str, data: bytes, marks: Marks = NO_MARKS, seconds: int = 0) -> Found:
        there = self._holding(wanted, data)
        if there is not None:
            return there
        unique = self._free(wanted)
        letters = flags_of(marks, self._letters_for(marks))
        file = MailFile(CUR, file_name(unique, letters)) if letters else MailFile(NEW, unique)
        aside = f"{self._base}{TMP}/{OURS}{unique}"
        tag = _write(aside, data, seconds)
        self._created.append(_Created(aside, f"{self._base}{file.directory}/{file.name}", file.directory))
        self._listing.files[unique] = file
        return Found(unique, tag, marks_of(letters, self.keywords))

    def replace(self, found: Found, data: bytes) -> Found:
        self._publish()
        path = self._path(found.name)
        check(path, found.tag)
        aside = f"{self._base}{TMP}/{OURS}{found.name}"
        _write(aside, data, int(path.stat().st_mtime))
        put_on_disk([aside])
        put_over(Path(aside), path, found.tag)
        self._touched.add(path.parent.name)
        return found._replace(tag=tag_of(path.lstat()))

    def mark(self, found: Found, marks: Marks) -> Found:
        self._publish()
        old = self._as_found(found)
        letters = flags_of(marks, self._letters_for(marks), parse_name(old.name).flags)
        new = old if old.directory == NEW and not letters else MailFile(CUR, file_name(found.name, letters))
        if new != old:
            self._rename(old, new)
        self._listing.files[found.name] = new
        self._touched |= {old.directory, new.directory}
        return found._replace(marks=marks_of(letters, self.keywords))

    def delete(self, found: Found) -> None:
        self._publish()
        if found.name not in self._listing.files or not self._path(found.name).exists():
            self._listed = list_mail(self.path)
        if found.name not in self._listing.files:
            return
        self._as_found(found)
        path = self._path(found.name)
        check(path, found.tag)
        self._delete_doubles(found.name, path)
        path.unlink(missing_ok=True)
        del self._listing.files[found.name]
        self._touched.add(path.parent.name)

    def settle(self) -> None:
        self._publish()
        for directory in sorted(self._touched):
            sync_directory(self.path / directory)
        self._touched = set()

    def watched(self) -> Iterable[Path]:
        return (self.path / NEW, self.path / CUR)

    # -- what is there ----------------------------------------------------------------------------

    @property
    def _listing(self) -> Listing:
        """Where messages are: what was looked at last, or now."""
        if self._listed is None:
            self.keywords = self._keywords.read()
            self._listed = list_mail(self.path)
        return self._listed

    def _marks(self, unique: str) -> Marks:
        flags = parse_name(self._listing.files[unique].name).flags
        return marks_of(flags, self.keywords) if flags else NO_MARKS

    def _path(self, unique: str) -> Path:
        file = self._listing.files.get(unique)
        if file is None:
            raise Changed(f"{self.path}: {unique} is gone")
        return self.path / file.directory / file.name

    def _as_found(self, found: Found) -> MailFile:
        """Return where a message is.  Raises Changed where it is gone, or has other marks than were found."""
        path = self._path(found.name)
        if not path.exists() or self._marks(found.name) != found.marks:
            raise Changed(f"{path} is gone, or has other flags")
        return self._listing.files[found.name]

    # -- what is written --------------------------------------------------------------------------

    def _holding(self, wanted: str, data: bytes) -> Found | None:
        """Return the message of a name if it holds just this: a client that was killed may not have noted that."""
        if wanted not in self._listing.files:
            return None
        self._publish()
        if not self._path(wanted).exists():  # it has other flags by now
            self._listed = list_mail(self.path)
            return self._holding(wanted, data)
        path = self._path(wanted)
        tag = tag_of(path.lstat())
        return Found(wanted, tag, self._marks(wanted)) if path.read_bytes() == data else None

    def _free(self, wanted: str) -> str:
        names = chain([wanted], (f"{wanted}-{number}" for number in count(2)))
        return next(name for name in names if name not in self._listing.files)

    def _letters_for(self, marks: Marks) -> dict[str, str]:
        """Return the folder's keywords, with those added that marks need and have no letter yet.  Raises Changed."""
        wanted = marks - FLAGS.keys() - set(self.keywords.values())
        if wanted and with_keywords(self.keywords, wanted) != self.keywords:
            self.keywords = self._keywords.add(wanted)
        return self.keywords

    def _rename(self, old: MailFile, new: MailFile) -> None:
        """Give a message's file other flags; another file of its name that has just these becomes one of its own."""
        source, target = (f"{self._base}{one.directory}/{one.name}" for one in (old, new))
        try:
            if os.path.lexists(target):
                free = self._free(parse_name(new.name).unique)
                move_new(target, f"{self._base}{new.directory}/{file_name(free, parse_name(new.name).flags)}")
            move_new(source, target)
        except FileNotFoundError:
            raise Changed(f"{source} is gone, or has other flags") from None
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise Unusable("its name is too long for its flags") from None

    def _delete_doubles(self, unique: str, path: Path) -> None:
        """Delete the other files of a message's name that hold the same; what holds something else is another one."""
        for double in self._listing.doubles.pop(unique, []):
            other = self.path / double.directory / double.name
            if other.exists() and other.read_bytes() == path.read_bytes():
                other.unlink()
                self._touched.add(double.directory)

    def _publish(self) -> None:
        """Have what was created be in the folder; its bytes are on the disk before."""
        created, self._created = self._created, []
        put_on_disk([one.aside for one in created])
        for one in created:
            move_new(one.aside, one.place)
            self._touched.add(one.directory)


def _write(path: str, data: bytes, seconds: int) -> str:
    """Write a file that is nobody else's, of that time (Unix seconds, 0 for now), and return its tag."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        if seconds:
            os.utime(file.fileno(), (seconds, seconds))
        return tag_of(os.fstat(file.fileno()))


class MaildirTree:
    """A Maildir++: the inbox at its top, and a folder for each other room in a directory that begins with a dot."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._places: dict[str, Maildir] = {}

    def place(self, folder: str) -> Maildir:
        """Return one folder, whether or not it is there; the same each time, for it knows what it found."""
        return self._places.setdefault(folder, Maildir(self.root / folder))

    def folders(self) -> list[str]:
        """Return the names of the folders that are there.  Raises OSError."""
        with os.scandir(self.root) as entries:
            named = [
                entry.name for entry in entries if entry.name.startswith(".") and (Path(entry.path) / CUR).is_dir()
            ]
        return [INBOX, *sorted(named)] if (self.root / CUR).is_dir() else sorted(named)

    def folder_for(self, room: Room) -> str:
        """Return what the folder of a room is called: that of a person who made it, or one as mail servers name it."""
        if room.own and room.name == INBOX_ROOM:
            return INBOX
        wanted = unicodedata.normalize("NFC", room.name)
        there = (name for name in self.folders() if name != INBOX and folder_name(name) == wanted)
        return next(there, maildir_folder(room.name))

    def make(self, folder: str, name: str, seed: str) -> None:
        """Make a folder where it is missing, and take away what a client that was killed left in it."""
        path = self.place(folder).path
        for one in (path, *(path / directory for directory in (TMP, NEW, CUR))):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder != INBOX:
            (path / FOLDER_MARK).touch(0o600)
        sweep(path / TMP)

    def rename(self, folder: str, old: str, new: str) -> str:
        """Have a folder be called as its room is now, unless a person called it otherwise; return its name."""
        wanted = maildir_folder(new)
        if folder != maildir_folder(old) or (self.root / wanted).exists():
            return folder
        os.rename(self.root / folder, self.root / wanted)
        sync_directory(self.root)
        self._places.pop(folder, None)
        return wanted

    def name_of(self, folder: str) -> str:
        """Return how the room of a folder is called that a person made."""
        return folder_name(folder)

    def views_of(self, folder: str) -> tuple[int, ...]:
        """Return what the room of a folder is for."""
        return (VIEW_MAILBOX,)

    def is_for(self, folder: str, name: str) -> bool:
        """Tell whether a folder may be that of a room of this name."""
        return folder in (maildir_folder(name), name) or folder_name(folder) == unicodedata.normalize("NFC", name)
