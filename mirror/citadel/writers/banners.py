"""Writes system messages, where a server's administrator said that they are shared: files on the server's machine.

Version 980 takes none: its command overwrites another file than the one that it names.  So that takes the right to
write the files, and just those are written that the server has: a record makes none.
"""

import errno
from collections.abc import Callable, Sequence
from pathlib import Path

from mirror.citadel.bootstrap import Place
from mirror.citadel.host_files import (
    SYSTEM_MESSAGES,
    CannotWrite,
    directory_at,
    home_of,
    is_plain_name,
    read_at,
    write_at,
)
from mirror.citadel.migr.leftovers import BANNERS
from mirror.citadel.writers.base import Target, agreed
from mirror.model.record import Record
from mirror.model.status import fingerprints

MAX_BANNER = 64 * 1024
"""Bytes of a system message at most."""


class BannersWriter:
    """Writes system messages of a server that shares them, on its own machine."""

    def __init__(self, shares: bool, place: Place) -> None:
        self._home = place if shares and isinstance(place, Path) else None

    def collections(self, target: Target) -> Callable[[str], bool]:
        return lambda name: self._home is not None and name == BANNERS

    def takes(self, record: Record) -> bool:
        return not record.dead and is_plain_name(record.key) and record.size <= MAX_BANNER

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        assert self._home is not None
        worked = False
        try:
            with directory_at(home_of(self._home) / SYSTEM_MESSAGES) as directory:
                for record in records:
                    worked |= self._write(target, directory, record)
        except (CannotWrite, OSError) as error:
            for record in records:
                target.leave(record, "system messages", str(error))
            return True
        return worked

    def _write(self, target: Target, directory: int, record: Record) -> bool:
        body = target.store.read(lambda reader: reader.body(record))
        now = read_at(directory, record.key, MAX_BANNER + 1)
        if not now or now == body:
            return False  # none that the server has, or as it is here
        try:
            write_at(directory, record.key, [body])
        except OSError as error:
            why = f"the node may not write it: {error.strerror}" if error.errno in (errno.EACCES, errno.EROFS) else ""
            target.leave(record, "system messages", why or str(error))
            return True
        target.written.others += 1
        status = target.told_last(BANNERS, [record]).get(record.key)
        if status is not None:  # a server that is paired tells none
            said = target.store.read(lambda reader: fingerprints(record, reader.body))
            target.remember([agreed(status, record, said)])
        return True
