"""Writing in a folder that other programs write in as well: whole files or none, and nothing of theirs is lost.

What is put in the place of a file is swapped with it, and what came out is looked at: where that is not what was
expected it goes back.  Knows no kind of folder.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from mirror.client.place import Changed, Unusable

OURS = ".ctdlmirror-"
"""How the names of files begin that are not in place yet; who lists a folder leaves them out."""
_FEW = 16
"""Files up to which each is put on the disk alone, and not all that its file system has in memory."""
_LEADS = ">"
"""In the tag of a link, what stands before that of the file that it leads to."""
_numbers = count()
Tag = Callable[[os.stat_result], str]


def tag_of(status: os.stat_result) -> str:
    """Return what changes whenever a file's bytes may have: when it was written, how long it is, which."""
    return f"{status.st_mtime_ns:x}.{status.st_size:x}.{status.st_ino:x}"


def tag_at(path: Path | str) -> str:
    """Return the tag of the file at a path; a link's says also which file it leads to, if any.  Raises OSError."""
    status = os.lstat(path)
    if not stat.S_ISLNK(status.st_mode):
        return tag_of(status)
    try:
        return f"{tag_of(status)}{_LEADS}{tag_of(os.stat(path))}"
    except OSError:
        return f"{tag_of(status)}{_LEADS}"


def size_in(tag: str) -> int:
    """Return how many bytes a tag says that a file has, or the one that a link leads to."""
    fields = tag.rpartition(_LEADS)[2].split(".")
    return int(fields[1], 16) if len(fields) == 3 else 0


def may_be_item(entry: "os.DirEntry[str]") -> bool:
    """Tell whether a directory's entry is a file, or a link to one; a link that leads nowhere now is not gone."""
    if not entry.is_symlink():
        return entry.is_file()
    try:
        return stat.S_ISREG(os.stat(entry.path).st_mode)
    except OSError:
        return True


def read_whole(path: Path) -> bytes:
    """Return the bytes of a file.  Raises Changed where it is gone, Unusable where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not path.is_symlink():
            raise Changed(f"{path} is gone, or has another name") from None
        raise Unusable(f"it cannot be read: {error.strerror}") from None


def write_aside(directory: Path, data: bytes) -> Path:
    """Write bytes to a file in a directory that is in nobody's way yet; they are on the disk.  Raises OSError."""
    path = Path(write_loosely(str(directory), data).path)
    put_on_disk([path])
    return path


class Aside(NamedTuple):
    """A file that is in nobody's way yet, and the tag that it keeps wherever it is moved."""

    path: str
    tag: str


def write_loosely(directory: str, data: bytes) -> Aside:
    """Write bytes to a file that is in nobody's way yet, and not sure to be on the disk yet.  Raises OSError."""
    descriptor, path = _open_aside(directory)
    try:
        try:
            _write_all(descriptor, data)
        finally:
            os.close(descriptor)
        return Aside(path, tag_of(os.lstat(path)))  # once it is closed: over a network a file gets its time then
    except BaseException:
        os.unlink(path)
        raise


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes, however few the system takes at once; a file object costs three more calls a file."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def put_on_disk(files: Sequence[Path | str]) -> None:
    """Return once what files hold outlives a power cut.  Raises OSError."""
    for path in files if len(files) <= _FEW else files[:1]:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if len(files) <= _FEW:
                os.fsync(descriptor)
            else:
                from mirror.client.system_calls import sync_file_system

                sync_file_system(descriptor, str(path))
        finally:
            os.close(descriptor)


def _open_aside(directory: str) -> tuple[int, str]:
    for number in _numbers:
        path = f"{directory}/{OURS}{os.getpid()}-{number}.tmp"
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path
        except FileExistsError:
            continue
    raise AssertionError("numbers do not end")


def put_new(aside: Path, candidates: Iterator[Path]) -> Path:
    """Give a file that was written aside the first of some names that is free, and return that.  Raises OSError."""
    for path in candidates:
        try:
            os.link(aside, path)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            if path.exists():
                continue
            os.rename(aside, path)  # a file system without links
            return path
        aside.unlink()
        return path
    raise FileExistsError(errno.EEXIST, "there is no free name", str(aside.parent))


def move_new(aside: str, path: str) -> None:
    """Give a file that was written aside a name that nothing has yet, in one step.  Raises OSError."""
    from mirror.client.system_calls import NO_REPLACE, renamed

    if not renamed(aside, path, NO_REPLACE):
        put_new(Path(aside), iter((Path(path),)))


def put_over(aside: Path, path: Path, tag: str) -> None:
    """Put a file that was written aside in the place of the one at ``path`` that has this tag.

    Raises Changed where another one is there, or none, and leaves that.
    """
    check(path, tag)
    if not _exchanged(aside, path):
        os.replace(aside, path)
        return
    if tag_of(aside.lstat()) == tag.partition(_LEADS)[0]:
        aside.unlink()
        return
    _exchanged(aside, path)
    aside.unlink()
    raise Changed(f"{path} was written by another program at the same moment")


def take_away(path: Path, tag: str) -> None:
    """Delete the file at a path that has this tag; one that is gone is no error.  Raises Changed for another one."""
    try:
        check(path, tag)
    except Changed:
        if not path.exists():
            return
        raise
    aside = path.with_name(f"{OURS}{os.getpid()}-gone.tmp")
    os.rename(path, aside)
    if tag_of(aside.lstat()) == tag.partition(_LEADS)[0]:
        aside.unlink()
        return
    put_new(aside, iter((path, path.with_name(f"{path.stem}-kept{path.suffix}"))))
    raise Changed(f"{path} was written by another program at the same moment")


def check(path: Path, tag: str) -> None:
    """Raise Changed unless the file at a path is the one that has this tag."""
    try:
        if tag_at(path) == tag:
            return
    except FileNotFoundError:
        pass
    raise Changed(f"{path} is not what it was a moment ago")


def sweep(directory: Path) -> None:
    """Take away what a client that was killed left aside; only who holds the folder's lock may.  Raises OSError."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(OURS):
                Path(entry.path).unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Have the names in a directory be on the disk.  Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchanged(one: Path, other: Path) -> bool:
    """Swap two files in one step; returns False where this kernel or file system cannot."""
    from mirror.client.system_calls import EXCHANGE, renamed

    try:
        return renamed(str(one), str(other), EXCHANGE)
    except FileNotFoundError:
        raise Changed(f"{other} is gone") from None
