"""Single rooms and users in files: a Maildir, calendar items, contacts, a room's files.  Writes, counts and tells."""

import os
import sys
from collections.abc import Iterable, Iterator
from glob import escape
from pathlib import Path

import msgspec

from mirror.cli.app import EXIT_DIFFERENT
from mirror.cli.new_file import same_as, write_new
from mirror.cli.output import print_json, say, say_first
from mirror.cli.progress import Meters
from mirror.config.errors import ConfigError
from mirror.service.takeout import CALENDAR, CARD, LeftOut, Source, Taken, files, items, maildir, similar, sources
from mirror.store.base import Reading

Place = tuple[str, Path] | None
"""The name of a room or user, and the directory that is written to."""
MAILDIR = "maildir"
_FLAGS_BEHIND = ":2,"
"""What a Maildir has between a message's name and its flags, which change when it is read."""


class Outcome(msgspec.Struct):
    """What was written: numbers of files, and of bytes; and what was not, in words."""

    written: int = 0
    bytes: int = 0
    there: int = 0
    """Files that were there with the same contents."""
    differing: list[str] = []
    """Files that are there with other contents, and stay as they are."""
    left_out: list[str] = []


def export_files(reading: Reading, form: str, name: str, target: Path, as_json: bool) -> None:
    """Write what is wanted of a room or user, and end with 1 where something else was in the way.

    Raises ConfigError.
    """
    outcome = Outcome()
    with Meters(as_json) as meters:
        for one in _wanted(reading, form, name):
            if isinstance(one, LeftOut):
                outcome.left_out.append(f"{one.what}: {one.why}")
            else:
                _write(target, one, form == MAILDIR, outcome)
            meters.show(f"export {name}", outcome.written + outcome.there, unit="files")
    if as_json:
        print_json(outcome)
    else:
        _show(outcome, target)
    if outcome.differing:
        sys.exit(EXIT_DIFFERENT)


def _wanted(reading: Reading, form: str, name: str) -> Iterator[Taken | LeftOut]:
    found = sources(reading, name)
    if not found:
        others = similar(reading, name)
        told = f"; there are {', '.join(others)}" if others else "; 'room list' and 'user list' show them"
        raise ConfigError(f"there is no room or user {name!r}{told}")
    if form == "files" and any(source.owner for source in found):
        raise ConfigError(f"{name!r} is a user: files are in rooms")
    for source in found:
        yield from _of(reading, form, source)


def _of(reading: Reading, form: str, source: Source) -> Iterable[Taken | LeftOut]:
    if form == MAILDIR:
        return maildir(reading, source)
    if form == "files":
        return files(reading, source)
    found = items(reading, source, CALENDAR if form == "ics" else CARD)
    # Of a user's rooms most are of other kinds.
    return (one for one in found if not (source.owner and isinstance(one, LeftOut)))


def _write(target: Path, one: Taken, mail: bool, outcome: Outcome) -> None:
    directory = target.joinpath(*one.directory)
    _make(directory, [directory.with_name(name) for name in ("cur", "new", "tmp")] if mail else [])
    path = directory / one.name
    if mail and _is_there(directory.parent, one.name):
        outcome.there += 1
    elif not os.path.lexists(path):
        outcome.written += 1
        outcome.bytes += write_new(path, one.blocks())
        os.utime(path, (one.seconds, one.seconds))
    elif same_as(path, one.blocks()):
        outcome.there += 1
    else:
        outcome.differing.append(str(path))


def _make(directory: Path, beside: Iterable[Path]) -> None:
    try:
        for one in (*reversed(directory.parents), directory, *beside):
            one.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be made: {error.strerror}") from None


def _is_there(folder: Path, name: str) -> bool:
    """Tell whether a mail folder has a message, whatever its flags are by now."""
    plain = name.partition(_FLAGS_BEHIND)[0]
    return (folder / "new" / plain).exists() or any((folder / "cur").glob(f"{escape(plain)}*"))


def _show(outcome: Outcome, target: Path) -> None:
    say(f"{outcome.written} files ({outcome.bytes:,} bytes) written to {target}, {outcome.there} there already.")
    for title, lines in (("Not overwritten", outcome.differing), ("Left out", outcome.left_out)):
        say_first(title, lines)
