"""What letters behind a message's name mean in one mail folder: Dovecot's file of keywords, read and added to.

Dovecot writes it as well, under a lock file beside it, which is kept here, too.
"""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mirror.client.files import write_aside
from mirror.client.place import Changed
from mirror.formats.maildir import KEYWORDS_FILE, format_keywords, parse_keywords, with_keywords

STALE_S = 120
"""Seconds after which a lock is that of a program that died."""


class Keywords:
    """The keywords of one mail folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / KEYWORDS_FILE
        self._lock = folder / f"{KEYWORDS_FILE}.lock"

    def changed_ns(self) -> int:
        """Return when the file was written (Unix nanoseconds); 0 where there is none."""
        try:
            return self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _break_stale_lock(self) -> None:
        """Take away a lock whose holder died: nobody writes so short a file for so long."""
        with suppress(FileNotFoundError):
            if self._lock.lstat().st_mtime + STALE_S < time.time():
                self._lock.unlink()

    def read(self) -> dict[str, str]:
        """Return the keywords by their letters.  Raises OSError."""
        try:
            return parse_keywords(self._path.read_text("utf-8", "replace"))
        except FileNotFoundError:
            return {}

    def add(self, wanted: Iterable[str]) -> dict[str, str]:
        """Give letters to those keywords that have none, while there are letters; returns all of them.

        Raises Changed while another program writes the file, and OSError.
        """
        self._break_stale_lock()
        try:
            descriptor = os.open(self._lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise Changed(f"{self._path} is being written by another program ({self._lock.name} is there)") from None
        try:
            there = self.read()
            keywords = with_keywords(there, wanted)
            if keywords != there:
                os.replace(write_aside(self._path.parent, format_keywords(keywords).encode()), self._path)
            return keywords
        finally:
            os.close(descriptor)
            self._lock.unlink()
