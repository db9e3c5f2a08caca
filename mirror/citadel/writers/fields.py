"""What is to be written of a thing that has fields: a function of what is here, of what the server said last, and now.

A field is written where the server has it otherwise than it is here, unless it was changed there since the server was
looked at: then the next look decides.  What the server makes of a value on the way in is no difference.  Values in,
values out.
"""

from collections.abc import Callable, Iterable, Mapping

from mirror.formats.server_own import MOMENTARY
from mirror.model.draft import base_of
from mirror.model.fields import values_of
from mirror.model.record import Record, pack_head, record_crc
from mirror.model.status import RISES, Fingerprints, Status, fingerprint

Keeps = Mapping[str, Callable[[str], str]]
"""By the fields that the server can keep, what it makes of a value."""
Values = dict[str, str]


def as_it_is(value: str) -> str:
    return value


def held_values(record: Record) -> Values:
    """Return what is here, as text."""
    return {name: str(value) for name, value in values_of(record).items()}


def is_due(record: Record, status: Status | None, keeps: Keeps) -> bool:
    """Tell whether the server may have a field otherwise; where it need not even be asked, no."""
    said = status.said if status is not None else {}
    return any(name in keeps and said.get(name) != print_of(value) for name, value in held_values(record).items())


def to_write(held: Mapping[str, str], said: Fingerprints, now: Mapping[str, str], keeps: Keeps) -> Values:
    """Return the fields that are to be written, as the server will keep them.

    ``held`` is what is here, ``said`` what the server said when it was looked at, ``now`` what it says just now.
    """
    wanted = {name: keep(held[name]) for name, keep in keeps.items() if name in held and name in now}
    return {
        name: value
        for name, value in wanted.items()
        if value != keeps[name](now[name]) and (MOMENTARY in now[name] or _is_as_said(said, name, now[name]))
    }


def _is_as_said(said: Fingerprints, name: str, value: str) -> bool:
    return said.get(name, RISES) in (RISES, print_of(value))


def print_of(value: str) -> bytes:
    """Return the fingerprint of one field's value."""
    return fingerprint(pack_head({"": value}))


def status_of(
    record: Record,
    status: Status | None,
    now: Mapping[str, str],
    written: Iterable[str] = (),
    rising: frozenset[str] = frozenset(),
) -> Status:
    """Return what is to be remembered once fields were ``written`` and the server was asked what it has ``now``.

    Of what was not written, and is otherwise than here, it is what the server said before: whatever was changed there
    meanwhile has yet to be looked at.
    """
    held, told = held_values(record), set(written)
    agreed = {name: print_of(value) for name, value in now.items() if name in told or value == held.get(name)}
    said = {**(status.said if status is not None else {}), **agreed}
    said |= dict.fromkeys(rising & said.keys(), RISES)
    base = status.base if status is not None else base_of(record)
    return Status(record.collection, record.key, record.key, "", base, record_crc(record), said)
