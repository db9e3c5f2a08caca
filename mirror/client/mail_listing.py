"""Listing a mail folder in which other programs rename and move at the same time, so that nothing is taken for gone.

Who lists a directory in which a file is renamed may see neither name.  So a listing counts once its directories had
rested for a while before and did not change meanwhile, or once two in a row say the same.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

from mirror.client.files import may_be_item
from mirror.client.place import Changed, Missing
from mirror.formats.maildir import parse_name

NEW, CUR, TMP = "new", "cur", "tmp"
REST_NS = 1_000_000_000
"""Nanoseconds after which a directory's time tells of any later change: file systems count in coarser steps."""
_ATTEMPTS = 20


class MailFile(NamedTuple):
    """Where a message's file is: the directory (new or cur), and its name there."""

    directory: str
    name: str


class Listing(NamedTuple):
    """Where each message is, by what stays of its name; and more files of that name, as another's crash leaves them."""

    files: dict[str, MailFile]
    doubles: dict[str, list[MailFile]]


def list_mail(folder: Path) -> Listing:
    """Return what is in a mail folder.  Raises Missing, OSError, and Changed where others change it all the time."""
    before: list[MailFile] | None = None
    for _ in range(_ATTEMPTS):
        times = directory_times(folder)
        # What another program moves goes from new to cur: so it is seen once at least.
        listed = [MailFile(name, one) for name in (NEW, CUR) for one in sorted(_names(folder, name))]
        if times == directory_times(folder) and (have_rested(times) or listed == before):
            return _by_name(listed)
        before = listed
    raise Changed(f"{folder} is being changed by another program all the time")


def directory_times(folder: Path) -> list[int]:
    """Return when the directories of a mail folder changed last (Unix nanoseconds).  Raises Missing."""
    try:
        return [os.stat(folder / name).st_mtime_ns for name in (NEW, CUR)]
    except (FileNotFoundError, NotADirectoryError):
        raise missing(folder) from None


def have_rested(times: list[int]) -> bool:
    """Tell whether any later change gives directories another time than these."""
    return max(times) + REST_NS < time.time_ns()


def missing(folder: Path) -> Missing:
    """Return what is raised of a folder that is none of mail."""
    return Missing(f"{folder} is no Maildir ({NEW} and {CUR} are not there): nothing is taken for deleted")


def _names(folder: Path, directory: str) -> list[str]:
    try:
        with os.scandir(folder / directory) as entries:
            return [entry.name for entry in entries if not entry.name.startswith(".") and may_be_item(entry)]
    except (FileNotFoundError, NotADirectoryError):
        raise missing(folder) from None


def _by_name(listed: list[MailFile]) -> Listing:
    files: dict[str, MailFile] = {}
    doubles: dict[str, list[MailFile]] = {}
    for file in listed:  # those of cur come later, and of those the one with more flags
        unique = parse_name(file.name).unique
        if unique in files:
            doubles.setdefault(unique, []).append(files[unique])
        files[unique] = file
    return Listing(files, doubles)
