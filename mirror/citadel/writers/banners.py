"""Writes system messages, where a server's administrator said that they are shared: files on the server's machine.

Version 980 takes none: its command overwrites another file than the one that it names.  So that takes the right to
write the files, and just those are written that the server has: a record makes none.  What was changed there and not
looked at yet is looked at first; what is there as a server is paired goes to the conflict log.
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
from mirror.citadel.looks.taking import take_versions
from mirror.citadel.migr.leftovers import BANNERS
from mirror.citadel.protocol.banners import MAX_BANNER as MAX_READ
from mirror.citadel.writers.base import Target, agreed
from mirror.formats.keys import BORN_IMPORTED
from mirror.model.record import Record
from mirror.model.status import Status, differing, fingerprints
from mirror.store.base import Writer
from mirror.sync.foreign.back import Errand, plan_back
from mirror.sync.foreign.plan import There

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
        now = read_at(directory, record.key, MAX_READ + 1)
        if not now:
            return False  # none that the server has
        status = target.told_last(BANNERS, [record]).get(record.key)
        errand = target.store.read(lambda reader: plan_back([status] if status else [], record, reader.body))
        if now == body:
            if status is not None and errand is not Errand.NOTHING:
                _note(target, status, record)
            return False
        if errand is Errand.NOTHING:
            return False  # it was changed there, and is taken over once it is looked at
        there = There.of(record.key, Record(BANNERS, record.key, BORN_IMPORTED, target.place, BORN_IMPORTED), now)
        if status is None or differing(status.said, there.said):
            target.wait(record, "system messages", "it was changed there, or was never looked at")
            return True
        if errand is Errand.TAKE:
            record = _keep_both(target, record, there)
        try:
            write_at(directory, record.key, [body])
        except OSError as error:
            why = f"the node may not write it: {error.strerror}" if error.errno in (errno.EACCES, errno.EROFS) else ""
            target.leave(record, "system messages", why or str(error))
            return True
        target.written.others += 1
        _note(target, status, record)
        return True


def _note(target: Target, status: Status, record: Record) -> None:
    """Remember that what is there is what is here."""
    said = target.store.read(lambda reader: fingerprints(record, reader.body))
    target.remember([agreed(status, record, said)])


def _keep_both(target: Target, record: Record, there: There) -> Record:
    """Have what is there, which nobody here has seen, lose to what is here; returns that."""

    def job(writer: Writer) -> Record:
        writer.put(record)  # later than what is there, of whatever origin that is
        take_versions(writer, target.place, [there])
        return writer.get(BANNERS, record.key) or record

    return target.store.write(job)
